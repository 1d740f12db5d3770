//! Building blocks of options: a kind with its options as JSON, numbers that carry their range, lengths of time.
//!
//! ```
//! use outrider_detect::options::{Direction, Kind};
//!
//! let wanted: Kind = serde_json::from_str(r#"{"kind": "mad", "threshold": 5}"#)?;
//! let built = outrider_detect::build(&wanted, Direction::High)?;
//! assert_eq!(built.detector.kind(), "mad");
//!
//! let wrong: Kind = serde_json::from_str(r#"{"kind": "mad", "threshold": "many"}"#)?;
//! let error = outrider_detect::build(&wrong, Direction::High).unwrap_err();
//! assert_eq!(error.message(), "option detector.threshold: expected a number, got \"many\"");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use super::described::OptionsEntry;
pub use super::duration::{DurationMs, duration_schema};
use super::lenient::Lenient;
pub use super::real::{Finite, Interval, NotNegative, Positive, Real, UpTo};
use crate::error::{Error, Result, shortened};

/// The most of an option's trouble that is told: what was typed may be part of it.
const QUOTED_CHARS: usize = 1_000;

/// Which side of the expected value may be flagged. Scores do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// High and low.
    #[default]
    #[schemars(title = "Both")]
    Both,
    /// Only values above what is expected.
    #[schemars(title = "High")]
    High,
    /// Only values below what is expected.
    #[schemars(title = "Low")]
    Low,
}

/// Length of the training window where nobody says another.
pub const DEFAULT_WINDOW: DurationMs = DurationMs::from_days(7);
/// Length of a block where nobody says another.
pub const DEFAULT_REFIT: DurationMs = DurationMs::from_days(1);

/// A kind's name with its options, as one object on the wire: `{"kind": "generator", "seed": 42}`.
///
/// The options stay JSON until the kind they belong to is known; [`Kind::parse`] then makes them a type.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Kind(Map<String, Value>);

impl Kind {
    /// The name given, if any; an empty one counts as none.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.0.get("kind").and_then(Value::as_str).filter(|kind| !kind.is_empty())
    }

    /// The options, `kind` among them.
    #[must_use]
    pub fn options(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The options as the kind's own type; `place` is where they stand in the query (`source`, `detector`).
    ///
    /// # Errors
    /// [`Error`], naming the option.
    pub fn parse<T: DeserializeOwned + Serialize>(&self, place: &str) -> Result<Parsed<T>> {
        let value = Value::Object(self.0.clone());
        let mut unknown = Vec::new();
        let mut note = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
        let noting = serde_ignored::Deserializer::new(Lenient(&value), &mut note);
        let options: T = read(place, noting)?;
        unknown.retain(|option| option != "kind");
        for option in &mut unknown {
            *option = format!("{place}.{option}");
        }
        let identity = serde_json::to_string(&options)
            .map_err(|error| Error::new(format!("the options of {place} cannot be named: {error}")))?;
        Ok(Parsed { options, unknown, identity })
    }
}

impl JsonSchema for Kind {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "properties": { "kind": { "type": "string" } } })
    }
}

/// Options that were understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<T> {
    /// The options.
    pub options: T,
    /// Names of options the kind does not know, such as misspelt ones. They are no error, since an older version of
    /// the plugin may meet the query of a newer one; but the user should hear of them.
    pub unknown: Vec<String>,
    /// The options as JSON, every default written out: the same for two queries that mean the same, however they say it.
    pub identity: String,
}

/// Reads `value` as `T`, numbers and switches in text too, with errors that name the option by its path below `place`.
///
/// # Errors
/// [`Error`] with the path of the offending option and what was expected there.
pub fn parse_options<T: DeserializeOwned>(place: &str, value: &Value) -> Result<T> {
    read(place, Lenient(value))
}

fn read<'de, T: Deserialize<'de>>(
    place: &str,
    from: impl Deserializer<'de, Error = serde_json::Error>,
) -> Result<T> {
    serde_path_to_error::deserialize(from).map_err(|error| {
        let path = error.path().to_string();
        let option = match (place, path.as_str()) {
            ("", ".") => "the query".to_owned(),
            ("", path) => path.to_owned(),
            (place, ".") => place.to_owned(),
            (place, path) => format!("{place}.{path}"),
        };
        let wrong = format!("option {option}: {}", error.inner());
        Error::new(shortened(&wrong, QUOTED_CHARS)).hint("correct the option in the query editor")
    })
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "u32")]
pub struct Whole<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    /// `value`, which must lie in the range: for constants, checked when they are compiled.
    #[must_use]
    pub const fn constant(value: u32) -> Self {
        assert!(MIN <= value && value <= MAX);
        Self(value)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl<const MIN: u32, const MAX: u32> TryFrom<f64> for Whole<MIN, MAX> {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if value.fract() == 0.0 && (f64::from(MIN)..=f64::from(MAX)).contains(&value) {
            Ok(Self(value as u32))
        } else {
            Err(format!("expected a whole number from {MIN} to {MAX}, got {value}"))
        }
    }
}

impl<const MIN: u32, const MAX: u32> From<Whole<MIN, MAX>> for u32 {
    fn from(whole: Whole<MIN, MAX>) -> Self {
        whole.0
    }
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(f64);

impl Ratio {
    /// `value`, which must lie in the range: for constants, checked when they are compiled.
    #[must_use]
    pub const fn constant(value: f64) -> Self {
        assert!(0.0 <= value && value <= 1.0);
        Self(value)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Ratio {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("expected a number from 0 to 1, got {value}"))
        }
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        ratio.0
    }
}

impl JsonSchema for Ratio {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ratio".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Options {
        n_trees: Whole<1, 10>,
        threshold: Ratio,
    }

    impl Default for Options {
        fn default() -> Self {
            Self { n_trees: Whole::constant(3), threshold: Ratio::constant(0.5) }
        }
    }

    fn parse(json: &str) -> Result<Options> {
        serde_json::from_str::<Kind>(json).unwrap().parse("detector").map(|parsed| parsed.options)
    }

    #[test]
    fn unknown_options_are_named_and_the_kind_is_not_one() {
        let kind: Kind = serde_json::from_str(r#"{"kind":"x","treshold":1,"nTrees":2}"#).unwrap();
        assert_eq!(kind.parse::<Options>("detector").unwrap().unknown, ["detector.treshold"]);
    }

    #[test]
    fn defaults_fill_what_is_left_out() {
        let options = parse(r#"{"kind":"x","threshold":1}"#).unwrap();
        assert_eq!((options.n_trees.get(), options.threshold.get()), (3, 1.0));
    }

    #[test]
    fn a_default_written_out_and_one_left_out_have_the_same_identity() {
        let identity = |json: &str| {
            let kind = serde_json::from_str::<Kind>(json).unwrap();
            kind.parse::<Options>("detector").unwrap().identity
        };
        let left_out = identity("{}");
        for same in [
            r#"{"nTrees":3}"#,
            r#"{"threshold":0.5,"kind":"x"}"#,
            r#"{"threshold":"0.50","other":1}"#,
            r#"{"nTrees":3.0,"threshold":5e-1}"#,
        ] {
            assert_eq!(identity(same), left_out, "{same}");
        }
        assert_ne!(identity(r#"{"nTrees":4}"#), left_out);
    }

    #[test]
    fn a_number_out_of_range_names_option_and_range() {
        for (json, message) in [
            (r#"{"nTrees":11}"#, "option detector.nTrees: expected a whole number from 1 to 10, got 11"),
            (r#"{"nTrees":1.5}"#, "option detector.nTrees: expected a whole number from 1 to 10, got 1.5"),
            (r#"{"threshold":-0.1}"#, "option detector.threshold: expected a number from 0 to 1, got -0.1"),
        ] {
            assert_eq!(parse(json).unwrap_err().message(), message);
        }
    }
}
