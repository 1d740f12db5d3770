//! Names of series from their labels: `{{instance}} {{device}}`, the form Grafana's legends have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::shortened;
use crate::series::Labels;

/// Longest text of a legend, in bytes.
const MAX_BYTES: usize = 1_000;
/// Longest name that one makes.
const MAX_NAME_CHARS: usize = 1_000;

/// A name with places for labels. Wire: text of at most 1,000 bytes; empty says nothing. Longer names are cut off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Legend {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The value of a label, nothing where there is none.
    Label(String),
}

impl TryFrom<String> for Legend {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("expected at most {MAX_BYTES} bytes, got {}", text.len()));
        }
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, label, after)) = next_label(rest) {
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Label(label.trim().to_owned()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self { parts })
    }
}

impl From<Legend> for String {
    fn from(legend: Legend) -> Self {
        let text = |part: Part| match part {
            Part::Text(text) => text,
            Part::Label(label) => format!("{{{{{label}}}}}"),
        };
        legend.parts.into_iter().map(text).collect()
    }
}

/// Text before the first `{{label}}`, the label, text after.
fn next_label(text: &str) -> Option<(&str, &str, &str)> {
    let (before, inner) = text.split_once("{{")?;
    let (label, after) = inner.split_once("}}")?;
    Some((before, label, after))
}

impl Legend {
    /// The name of a series with these labels; `None` where the legend says nothing of it.
    pub(super) fn name(&self, labels: &Labels) -> Option<String> {
        let mut name = String::new();
        for part in &self.parts {
            name.push_str(match part {
                Part::Text(text) => text,
                Part::Label(label) => labels.get(label).map_or("", String::as_str),
            });
            if name.len() > 4 * MAX_NAME_CHARS {
                break;
            }
        }
        let name = name.trim();
        (!name.is_empty()).then(|| shortened(name, MAX_NAME_CHARS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legend_of(text: &str) -> Legend {
        Legend::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn labels_take_their_places() {
        let labels = Labels::from([("host".into(), "web-1".into()), ("cpu".into(), "0".into())]);
        for (legend, name) in [
            ("{{host}}", Some("web-1")),
            ("CPU {{ cpu }} of {{host}}", Some("CPU 0 of web-1")),
            ("{{missing}}", None),
            ("", None),
            ("load", Some("load")),
            ("{{host", Some("{{host")),
            ("}} {{host}}", Some("}} web-1")),
        ] {
            assert_eq!(legend_of(legend).name(&labels).as_deref(), name, "{legend}");
        }
    }

    #[test]
    fn neither_legend_nor_name_is_longer_than_a_name_may_be() {
        let labels = Labels::from([("a".into(), "ä".repeat(100_000))]);
        let name = legend_of(&"{{a}}".repeat(200)).name(&labels).unwrap();
        assert_eq!(name.chars().count(), MAX_NAME_CHARS + 1);
        assert!(Legend::try_from("x".repeat(MAX_BYTES + 1)).unwrap_err().contains("1000 bytes"));
    }
}
