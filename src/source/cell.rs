//! What upstreams write in the place of a number, a time or a label, and what it stands for.

use std::borrow::Cow;

/// One scalar, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::source) enum Cell<'de> {
    /// Nothing.
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'de, str>),
    Array,
    Object,
}

impl Cell<'_> {
    /// What it is, for messages; never the value.
    pub(in crate::source) fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "nothing",
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }

    /// The number it stands for, NaN for a gap; `None` if it stands for neither.
    pub(in crate::source) fn number(&self) -> Option<f64> {
        match self {
            Self::Null => Some(f64::NAN),
            Self::Bool(yes) => Some(f64::from(u8::from(*yes))),
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) if text.trim().is_empty() => Some(f64::NAN),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Missing | Self::Array | Self::Object => None,
        }
    }

    /// The text of a label; empty where there is no scalar.
    pub(in crate::source) fn label(&self) -> String {
        match self {
            Self::Text(text) => text.clone().into_owned(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Bool(yes) => yes.to_string(),
            Self::Missing | Self::Null | Self::Array | Self::Object => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_gaps_are_told_from_text() {
        for (cell, number) in [
            (Cell::Int(-3), Some(-3.0)),
            (Cell::Bool(true), Some(1.0)),
            (Cell::Text(" 1.5e3 ".into()), Some(1_500.0)),
            (Cell::Text("1,5".into()), None),
            (Cell::Text("n/a".into()), None),
            (Cell::Missing, None),
            (Cell::Array, None),
        ] {
            assert_eq!(cell.number(), number, "{cell:?}");
        }
        for gap in [Cell::Null, Cell::Text("".into()), Cell::Text("NaN".into())] {
            assert!(gap.number().unwrap().is_nan(), "{gap:?}");
        }
    }
}
