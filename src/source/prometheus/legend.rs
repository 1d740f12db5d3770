//! Names of series from their labels: `{{instance}} {{device}}`, the form Grafana's legends have.

use serde::Deserialize;

use crate::series::Labels;

/// A name with places for labels. Wire: text; empty says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub(super) struct Legend {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The value of a label, nothing where there is none.
    Label(String),
}

impl From<String> for Legend {
    fn from(text: String) -> Self {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, label, after)) = next_label(rest) {
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Label(label.trim().to_owned()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Self { parts }
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
        let name: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Label(label) => labels.get(label).map_or("", String::as_str),
            })
            .collect();
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Legend::from(legend.to_owned()).name(&labels).as_deref(), name, "{legend}");
        }
    }
}
