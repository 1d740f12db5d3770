//! Times as upstreams write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cell::Cell;

/// How times are written in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeFormat {
    /// Text as ISO 8601, as in e-mails (RFC 2822) or as `/Date(1700000000000)/`; numbers, also as text, by their size:
    /// below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds. For times of the years 1973
    /// to 5138.
    #[default]
    #[schemars(title = "Auto")]
    Auto,
    /// Milliseconds since the epoch.
    #[schemars(title = "Milliseconds")]
    Ms,
    /// Seconds since the epoch.
    #[schemars(title = "Seconds")]
    S,
    /// Microseconds since the epoch.
    #[schemars(title = "Microseconds")]
    Us,
    /// Nanoseconds since the epoch.
    #[schemars(title = "Nanoseconds")]
    Ns,
    /// ISO 8601, as in RFC 3339: `2023-11-14T22:13:20.5+01:00`. Without a zone, UTC is meant; without a time of day,
    /// midnight.
    #[schemars(title = "ISO 8601")]
    Iso8601,
}

/// Unit of a number that stands for a time.
#[derive(Debug, Clone, Copy)]
enum Unit {
    S,
    Ms,
    Us,
    Ns,
}

impl TimeFormat {
    /// The time in `cell`, in ms since the epoch: of whole numbers, parts of a millisecond are cut off; decimal ones
    /// are rounded. `None` if there is none, or it lies beyond what 64 bits of milliseconds hold.
    pub(in crate::source) fn parse(self, cell: &Cell<'_>) -> Option<i64> {
        match cell {
            Cell::Int(number) => self.integer(*number),
            Cell::Float(number) => self.decimal(*number),
            Cell::Text(text) => self.text(text),
            Cell::Missing | Cell::Null | Cell::Bool(_) | Cell::Array | Cell::Object => None,
        }
    }

    /// As `parse`, of a text.
    pub(crate) fn text(self, text: &str) -> Option<i64> {
        let text = text.trim();
        if self == Self::Iso8601 {
            return iso8601(text);
        }
        if let Ok(number) = text.parse() {
            return self.integer(number);
        }
        match text.parse() {
            Ok(number) => self.decimal(number),
            Err(_) if self == Self::Auto => iso8601(text).or_else(|| other_text(text)),
            Err(_) => None,
        }
    }

    fn integer(self, number: i64) -> Option<i64> {
        match self.unit(number as f64)? {
            Unit::S => number.checked_mul(1_000),
            Unit::Ms => Some(number),
            Unit::Us => Some(number.div_euclid(1_000)),
            Unit::Ns => Some(number.div_euclid(1_000_000)),
        }
    }

    fn decimal(self, number: f64) -> Option<i64> {
        let ms_per_unit = match self.unit(number)? {
            Unit::S => 1e3,
            Unit::Ms => 1.0,
            Unit::Us => 1e-3,
            Unit::Ns => 1e-6,
        };
        // Rounded, because 1700000000.123 s is no whole number of ms in binary.
        let ms = (number * ms_per_unit).round();
        // A cast would turn what is beyond 64 bits into their limits.
        (ms.abs() < 9.2e18).then_some(ms as i64)
    }

    fn unit(self, number: f64) -> Option<Unit> {
        match self {
            Self::S => Some(Unit::S),
            Self::Ms => Some(Unit::Ms),
            Self::Us => Some(Unit::Us),
            Self::Ns => Some(Unit::Ns),
            Self::Iso8601 => None,
            Self::Auto => Some(match number.abs() {
                size if size < 1e11 => Unit::S,
                size if size < 1e14 => Unit::Ms,
                size if size < 1e17 => Unit::Us,
                _ => Unit::Ns,
            }),
        }
    }
}

fn iso8601(text: &str) -> Option<i64> {
    // By far the most common form, and the fastest to read.
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    const WITH_ZONE: [&str; 4] =
        ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M%#z"];
    const WITHOUT_ZONE: [&str; 4] =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let zoned = WITH_ZONE.iter().find_map(|format| DateTime::parse_from_str(text, format).ok());
    if let Some(time) = zoned {
        return Some(time.timestamp_millis());
    }
    let naive = WITHOUT_ZONE.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let midnight = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    Some(naive.or_else(midnight)?.and_utc().timestamp_millis())
}

/// `Tue, 14 Nov 2023 22:13:20 GMT`, and what .NET made of times in JSON: ms since the epoch, maybe with a zone to show them in.
fn other_text(text: &str) -> Option<i64> {
    let Some(inner) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) else {
        return Some(DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis());
    };
    // A sign at the beginning is that of the number.
    let zone = inner.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-'));
    let (ms, zone) = inner.split_at(zone.map_or(inner.len(), |(at, _)| at));
    let is_zone = zone.is_empty() || (zone.len() == 5 && zone[1..].bytes().all(|byte| byte.is_ascii_digit()));
    if is_zone { ms.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(format: TimeFormat, text: &str) -> Option<i64> {
        format.parse(&Cell::Text(text.into()))
    }

    const MS: i64 = 1_700_000_000_123;

    #[test]
    fn auto_tells_units_apart_by_size() {
        for (number, ms) in [
            (0, 0),
            (1_700_000_000, 1_700_000_000_000),
            (MS, MS),
            (MS * 1_000 + 999, MS),
            (MS * 1_000_000 + 999_999, MS),
            (-1_700_000_000, -1_700_000_000_000),
            (-MS * 1_000 - 1, -MS - 1),
            (99_999_999_999, 99_999_999_999_000),
            (100_000_000_000, 100_000_000_000),
        ] {
            assert_eq!(TimeFormat::Auto.parse(&Cell::Int(number)), Some(ms), "{number}");
            assert_eq!(text(TimeFormat::Auto, &number.to_string()), Some(ms), "{number} as text");
        }
        assert_eq!(TimeFormat::Auto.parse(&Cell::Float(1_700_000_000.123)), Some(MS));
        assert_eq!(text(TimeFormat::Auto, " 1.700000000123e9 "), Some(MS));
    }

    #[test]
    fn a_given_unit_is_kept_to() {
        for (format, number, ms) in [
            (TimeFormat::S, 1, Some(1_000)),
            (TimeFormat::Ms, 1, Some(1)),
            (TimeFormat::Us, 1_999, Some(1)),
            (TimeFormat::Ns, -1, Some(-1)),
            (TimeFormat::S, i64::MAX, None),
            (TimeFormat::Iso8601, 1, None),
        ] {
            assert_eq!(format.parse(&Cell::Int(number)), ms, "{format:?} {number}");
        }
        assert_eq!(TimeFormat::Ms.parse(&Cell::Float(1.9)), Some(2));
        assert_eq!(TimeFormat::S.parse(&Cell::Float(1e300)), None);
        assert_eq!(text(TimeFormat::S, "NaN"), None);
        assert_eq!(text(TimeFormat::S, "2023-11-14T22:13:20Z"), None);
    }

    #[test]
    fn iso_8601_is_read_with_and_without_zone() {
        for (time, ms) in [
            ("2023-11-14T22:13:20.123Z", MS),
            ("2023-11-14t22:13:20.123999z", MS),
            ("2023-11-14 22:13:20.123+00:00", MS),
            ("2023-11-14T23:13:20.123+01:00", MS),
            ("2023-11-14T23:13:20.123+0100", MS),
            ("2023-11-14T23:13:20.123+01", MS),
            ("2023-11-14T22:13:20.123", MS),
            ("2023-11-14 22:13:20", MS - 123),
            ("2023-11-14T22:13", MS - 20_123),
            ("2023-11-14T22:13Z", MS - 20_123),
            ("2023-11-14", 1_699_920_000_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(text(TimeFormat::Auto, time), Some(ms), "{time}");
            assert_eq!(text(TimeFormat::Iso8601, time), Some(ms), "{time}");
        }
        for time in ["", "yesterday", "2023-13-01", "2023-11-14T25:00:00Z", "14.11.2023", "inf"] {
            assert_eq!(text(TimeFormat::Auto, time), None, "{time}");
        }
    }

    #[test]
    fn times_of_e_mails_and_of_dot_net_are_read() {
        for (time, ms) in [
            ("Tue, 14 Nov 2023 22:13:20 GMT", MS - 123),
            ("14 Nov 2023 23:13:20 +0100", MS - 123),
            ("/Date(1700000000123)/", MS),
            ("/Date(1700000000123+0100)/", MS),
            ("/Date(-1-0500)/", -1),
        ] {
            assert_eq!(text(TimeFormat::Auto, time), Some(ms), "{time}");
            assert_eq!(text(TimeFormat::Iso8601, time), None, "{time}");
        }
        for time in ["/Date()/", "/Date(ü+0100)/", "/Date(1+01)/", "/Date(1+01ü)/", "/Date(1", "Tue, 14 Nov"]
        {
            assert_eq!(text(TimeFormat::Auto, time), None, "{time}");
        }
    }

    proptest! {
        #[test]
        fn every_way_to_write_a_time_gives_the_same(ms in 100_000_000_000_i64..253_402_300_799_999) {
            let iso = DateTime::from_timestamp_millis(ms).unwrap();
            prop_assert_eq!(text(TimeFormat::Auto, &iso.to_rfc3339()), Some(ms));
            prop_assert_eq!(text(TimeFormat::Iso8601, &iso.format("%Y-%m-%d %H:%M:%S%.3f").to_string()), Some(ms));
            prop_assert_eq!(TimeFormat::Ms.parse(&Cell::Int(ms)), Some(ms));
            prop_assert_eq!(TimeFormat::Ms.parse(&Cell::Float(ms as f64)), Some(ms));
            prop_assert_eq!(TimeFormat::S.parse(&Cell::Float(ms as f64 / 1_000.0)), Some(ms));
            prop_assert_eq!(TimeFormat::Us.parse(&Cell::Int(ms * 1_000)), Some(ms));
            if ms < 9_000_000_000_000 {
                prop_assert_eq!(TimeFormat::Ns.parse(&Cell::Int(ms * 1_000_000)), Some(ms));
            }
        }

        #[test]
        fn no_text_and_no_number_panics(words in "\\PC*", int in any::<i64>(), float in any::<f64>()) {
            use TimeFormat::{Auto, Iso8601, Ms, Ns, S, Us};
            for format in [Auto, Ms, S, Us, Ns, Iso8601] {
                let _ = text(format, &words);
                let _ = format.parse(&Cell::Int(int));
                let _ = format.parse(&Cell::Float(float));
            }
        }
    }
}
