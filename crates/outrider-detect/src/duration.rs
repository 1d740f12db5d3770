//! Durations as Grafana writes them: `30s`, `15m`, `7d`, `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

/// A length of time in whole milliseconds, at least 0, written as a Grafana duration string.
///
/// ```
/// use outrider_detect::options::DurationMs;
///
/// assert_eq!("1h30m".parse::<DurationMs>().unwrap().as_millis(), 5_400_000);
/// assert_eq!(DurationMs::from_minutes(90).to_string(), "90m");
/// assert!("5 bananas".parse::<DurationMs>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct DurationMs(i64);

/// Unit names with their length in ms, longest first. A month is 30 days and a year 365, as in Grafana.
const UNITS: [(&str, i64); 8] = [
    ("y", 365 * 86_400_000),
    ("M", 30 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl DurationMs {
    /// `millis` milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// `minutes` minutes.
    #[must_use]
    pub const fn from_minutes(minutes: i64) -> Self {
        Self(minutes * 60_000)
    }

    /// `days` days of 24 hours.
    #[must_use]
    pub const fn from_days(days: i64) -> Self {
        Self(days * 86_400_000)
    }

    /// The length in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl FromStr for DurationMs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "expected a duration such as \"5m\", \"1h\" or \"7d\" (units ms s m h d w M y)".to_owned();
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(wrong());
        }
        let mut total: i64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let count: i64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let unit_len = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (_, millis) = UNITS.iter().find(|(name, _)| *name == &rest[..unit_len]).ok_or_else(wrong)?;
            rest = &rest[unit_len..];
            total = count.checked_mul(*millis).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        }
        Ok(Self(total))
    }
}

impl Serialize for DurationMs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Schema of a duration that lies in `range`, or is the `word` that may stand in its place.
#[must_use]
pub fn duration_schema(range: (DurationMs, DurationMs), word: Option<&str>) -> Schema {
    let (shortest, longest) = range;
    let mut limits = json!({ "minimum": shortest.to_string(), "maximum": longest.to_string() });
    if let Some(word) = word {
        limits["word"] = json!(word);
    }
    let or_word = word.map_or(String::new(), |word| format!("|{word}"));
    json_schema!({
        "type": "string",
        "pattern": format!("^(([0-9]+(ms|[smhdwMy]))+{or_word})$"),
        "x-duration": limits,
    })
}

impl JsonSchema for DurationMs {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^([0-9]+(ms|[smhdwMy]))+$", "x-duration": {} })
    }
}

impl TryFrom<String> for DurationMs {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The largest of d, h, m, s, ms that divides the length: `5m`, `7d`, `1500ms`.
impl fmt::Display for DurationMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, millis) = UNITS
            .iter()
            .skip_while(|(name, _)| *name != "d")
            .find(|(_, millis)| self.0 != 0 && self.0 % millis == 0)
            .unwrap_or(&("s", 1_000));
        write!(f, "{}{name}", self.0 / millis)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_told_apart() {
        for (text, ms) in [
            ("5ms", 5),
            ("5s", 5_000),
            ("5m", 300_000),
            ("1M", 2_592_000_000),
            ("1w", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse::<DurationMs>().unwrap().as_millis(), ms, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "m", "-5m", "1.5h", "5 m", "9223372036854775807y", "5mm", "5µs"] {
            assert!(text.parse::<DurationMs>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(ms in 0_i64..i64::MAX / 2) {
            let duration = DurationMs::from_millis(ms);
            prop_assert_eq!(duration.to_string().parse::<DurationMs>(), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<DurationMs>();
        }
    }
}
