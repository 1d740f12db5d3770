//! What a query can say to InfluxDB.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::query::AdhocFilter;
use crate::source::aggregate::Aggregate;

/// What a query can say to InfluxDB. The doc comments are the user documentation.
///
/// Without `text`, the query is built from the other options; it is in InfluxQL. With it, only `text`, `language`,
/// `format` and `adhocFilters` count.
///
/// Macros, replaced in `text`: those of every source (`$__from`, `$__to`, `$__interval`, `$__interval_ms`,
/// `$__maxDataPoints`), and
///
/// | macro | InfluxQL | SQL | Flux |
/// |---|---|---|---|
/// | `$timeFilter`, `$__timeFilter(time)` | the range, and the ad-hoc filters | the same | |
/// | `$__timeGroup(time)`, `$__timeGroup(time, 5m)` | `time(300000ms)` | `date_bin(…)`, aligned to the epoch | |
/// | `$interval` | the step | the step | the step |
/// | `$__adhocFilters` | the ad-hoc filters, or what is always true | the same | the same, about the row `r` |
/// | `v.timeRangeStart`, `v.timeRangeStop`, `v.windowPeriod`, `v.defaultBucket`, `v.organization` | | | as in InfluxDB |
#[derive(Debug, Clone, Deserialize, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// What `text` is written in. Without text, the query is built, in InfluxQL.
    #[schemars(title = "Language", extend("x-empty" = "as the settings"))]
    pub language: Option<Language>,
    /// The query as text, one statement that only reads.
    #[schemars(title = "Text", extend("x-empty" = "built from the options below"))]
    pub text: String,
    /// Retention policy.
    #[schemars(title = "Policy", extend("x-empty" = "that of the database"))]
    pub policy: String,
    /// What to read; in slashes a regular expression, `/^cpu/`.
    #[schemars(title = "Measurement")]
    pub measurement: String,
    /// Fields, a series each.
    #[schemars(title = "Fields")]
    pub fields: Vec<String>,
    /// What InfluxDB makes of the values of one step.
    #[schemars(title = "Aggregate")]
    pub(super) aggregate: Aggregate,
    /// Tags whose values split the points into series; `*` for all.
    #[schemars(title = "Group by", extend("x-empty" = "none"))]
    pub tags: Vec<String>,
    /// What stands for a step without values: `none` (nothing), `null` (a gap), or a number. Not `previous` or
    /// `linear`, whose values depend on the range asked for, and on later points.
    #[schemars(title = "Fill", with = "String")]
    pub fill: Fill,
    /// Conditions on tags and fields, all of which must hold.
    #[schemars(title = "Where", extend("x-empty" = "none"))]
    pub r#where: Vec<AdhocFilter>,
    /// How InfluxQL's answers travel.
    #[schemars(title = "Format")]
    pub format: Format,
    /// Filters of the dashboard, besides `where`.
    #[schemars(title = "Ad-hoc filters", extend("x-not-saved" = true))]
    pub adhoc_filters: Vec<AdhocFilter>,
}

/// A query language of InfluxDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Of InfluxDB 1; later versions understand it through `/query`.
    #[default]
    #[schemars(title = "InfluxQL")]
    InfluxQl,
    /// Of InfluxDB 2, and of 1.8 where it is switched on.
    #[schemars(title = "Flux")]
    Flux,
    /// Of InfluxDB 3.
    #[schemars(title = "SQL")]
    Sql,
}

/// How InfluxQL's answers travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// In chunks of JSON.
    #[default]
    #[schemars(title = "JSON")]
    Json,
    /// As comma-separated values: shorter, but errors in the middle of an answer are lost.
    #[schemars(title = "CSV")]
    Csv,
}

/// What stands for a step without values.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(try_from = "FillText")]
pub enum Fill {
    /// Nothing.
    #[default]
    None,
    /// A gap.
    Null,
    /// This number.
    Number(f64),
}

impl Serialize for Fill {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Null => serializer.serialize_str("null"),
            Self::Number(number) => serializer.collect_str(number),
        }
    }
}

/// A fill as it is written: a word, or a number, perhaps as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum FillText {
    Number(f64),
    Text(String),
}

impl TryFrom<FillText> for Fill {
    type Error = String;

    fn try_from(fill: FillText) -> Result<Self, String> {
        let text = match fill {
            FillText::Number(number) => return Ok(Self::Number(number)),
            FillText::Text(text) => text,
        };
        match text.trim() {
            "" | "none" => Ok(Self::None),
            "null" => Ok(Self::Null),
            word @ ("previous" | "linear") => Err(format!(
                "the fill {word} would let a point depend on the range asked for; use none, null or a number"
            )),
            text => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Self::Number(number)),
                _ => Err("expected none, null or a number".to_owned()),
            },
        }
    }
}

impl Language {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InfluxQl => "InfluxQL",
            Self::Flux => "Flux",
            Self::Sql => "SQL",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fills_that_depend_on_other_points_are_refused() {
        for (fill, expected) in [
            (json!("none"), Fill::None),
            (json!("null"), Fill::Null),
            (json!("0"), Fill::Number(0.0)),
            (json!(-1.5), Fill::Number(-1.5)),
        ] {
            assert_eq!(serde_json::from_value::<Fill>(fill).unwrap(), expected);
        }
        for (fill, says) in
            [("linear", "depend on the range"), ("inf", "expected none"), ("0) --", "expected none")]
        {
            let error = serde_json::from_value::<Fill>(json!(fill)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
