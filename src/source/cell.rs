//! What upstreams write in the place of a number, a time or a label, and what it stands for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::collect::same_text;

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
            Self::Text(text) if has_decimal_comma(text) => "text, a number with a decimal comma",
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

impl Cell<'_> {
    /// Whether `text` is its [`Cell::label`], which is not made where it need not be.
    pub(in crate::source) fn is_label(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => same_text(own, text),
            Self::Missing | Self::Null | Self::Array | Self::Object => text.is_empty(),
            Self::Int(_) | Self::Float(_) | Self::Bool(_) => self.label() == text,
        }
    }

    /// Bytes of its text.
    pub(in crate::source) fn text_bytes(&self) -> usize {
        if let Self::Text(text) = self { text.len() } else { 0 }
    }
}

/// What stands at a place of a tree, if there is such a place.
impl<'a> From<Option<&'a Value>> for Cell<'a> {
    fn from(value: Option<&'a Value>) -> Self {
        match value {
            None => Self::Missing,
            Some(Value::Null) => Self::Null,
            Some(Value::Bool(yes)) => Self::Bool(*yes),
            Some(Value::Number(number)) => match number.as_i64() {
                Some(number) => Self::Int(number),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Some(Value::String(text)) => Self::Text(text.as_str().into()),
            Some(Value::Array(_)) => Self::Array,
            Some(Value::Object(_)) => Self::Object,
        }
    }
}

/// Whether a text is a number but for the comma in the place of its point.
fn has_decimal_comma(text: &str) -> bool {
    text.matches(',').count() == 1 && text.trim().replace(',', ".").parse::<f64>().is_ok()
}

/// A cell of JSON; what is in arrays and objects is passed over.
impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyCell)
    }
}

struct AnyCell;

impl<'de> Visitor<'de> for AnyCell {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cell<'de>, E> {
        Ok(i64::try_from(number).map_or(Cell::Float(number as f64), Cell::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Cell::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_from_json() {
        let cells: Vec<Cell<'_>> = serde_json::from_str(
            r#"[null, true, -1, 18446744073709551615, 0.5, "a\u00fc", [1, [2]], {"a": {}}]"#,
        )
        .unwrap();
        let expected = [
            Cell::Null,
            Cell::Bool(true),
            Cell::Int(-1),
            Cell::Float(18_446_744_073_709_551_615.0),
            Cell::Float(0.5),
            Cell::Text("aü".into()),
            Cell::Array,
            Cell::Object,
        ];
        assert_eq!(cells, expected);
        let tree: Value = serde_json::from_str(
            r#"[null, true, -1, 18446744073709551615, 0.5, "a\u00fc", [1, [2]], {"a": {}}]"#,
        )
        .unwrap();
        let of_tree: Vec<Cell<'_>> =
            tree.as_array().unwrap().iter().map(|value| Some(value).into()).collect();
        assert_eq!(of_tree, expected);
    }

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
        assert_eq!(Cell::Text("1,5".into()).kind(), "text, a number with a decimal comma");
        assert_eq!(Cell::Text("1,500,000".into()).kind(), "text");
        for gap in [Cell::Null, Cell::Text("".into()), Cell::Text("NaN".into())] {
            assert!(gap.number().unwrap().is_nan(), "{gap:?}");
        }
    }
}
