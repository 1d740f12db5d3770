//! Numbers in reasons: short enough to read at a glance.

/// A number with about four digits that matter.
///
/// ```
/// use outrider_detect::short::Short;
///
/// assert_eq!(format!("{} of {}", Short(0.012_345), Short(123_456.7)), "0.0123 of 123457");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Short(pub f64);

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.0.abs();
        if size != 0.0 && !(1e-3..1e7).contains(&size) {
            return write!(f, "{:.3e}", self.0);
        }
        let decimals = if size >= 1000.0 {
            0
        } else if size >= 100.0 {
            1
        } else if size >= 1.0 {
            2
        } else {
            4
        };
        let text = format!("{:.decimals$}", self.0);
        let trimmed =
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        f.write_str(trimmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_reasons_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (27.0, "27"),
            (9.987_65, "9.99"),
            (0.012_345, "0.0123"),
            (123_456.7, "123457"),
            (1e12, "1.000e12"),
        ] {
            assert_eq!(Short(value).to_string(), text);
        }
    }
}
