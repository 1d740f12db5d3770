//! Ad-hoc filters: what Grafana's variable of that name adds to every query of a dashboard.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One condition on a label, tag or column. The frontend puts those of the dashboard into the source's options
/// (`adhocFilters`), so that kinds which cannot filter say so instead of showing everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct AdhocFilter {
    /// Name of the label, tag or column.
    pub key: String,
    /// How it is compared.
    #[serde(default)]
    pub operator: FilterOperator,
    /// What it is compared with.
    #[serde(default)]
    pub value: String,
}

/// How an ad-hoc filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
pub enum FilterOperator {
    /// The same text.
    #[default]
    #[serde(rename = "=")]
    Equal,
    /// Another text.
    #[serde(rename = "!=")]
    NotEqual,
    /// A smaller number, or an earlier text.
    #[serde(rename = "<")]
    Less,
    /// A larger number, or a later text.
    #[serde(rename = ">")]
    Greater,
    /// Matches a regular expression.
    #[serde(rename = "=~")]
    Matches,
    /// Does not match a regular expression.
    #[serde(rename = "!~")]
    NotMatches,
}

impl FilterOperator {
    /// As Grafana writes it.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator_is_read_as_it_is_written() {
        for symbol in ["=", "!=", "<", ">", "=~", "!~"] {
            let filter: AdhocFilter =
                serde_json::from_value(json!({"key": "host", "operator": symbol, "value": "a"})).unwrap();
            assert_eq!(filter.operator.symbol(), symbol);
        }
        assert!(serde_json::from_value::<AdhocFilter>(json!({"key": "host", "operator": "~"})).is_err());
    }
}
