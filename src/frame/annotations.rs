//! The upstream's own annotations as the frame that Grafana makes annotations of.

use serde_json::Map;

use super::{EXECUTED_CHARS, Field, Frame, Values, notices};
use crate::error::shortened;
use crate::source::Annotations;

/// One row an annotation, by time, with the columns Grafana looks for.
#[must_use]
pub fn annotations(found: &Annotations) -> Frame {
    let all = &found.annotations;
    let texts = |name: &str, of: &dyn Fn(usize) -> String| {
        Field::new(name, Values::Text((0..all.len()).map(of).collect()))
    };
    let mut meta = Map::new();
    meta.insert("executedQueryString".into(), shortened(&found.executed, EXECUTED_CHARS).into());
    if !found.notices.is_empty() {
        meta.insert("notices".into(), notices(&found.notices, "info"));
    }
    Frame {
        name: "annotations".to_owned(),
        meta,
        fields: vec![
            Field::new("time", Values::Time(all.iter().map(|one| one.time_ms).collect())),
            Field::new("timeEnd", Values::Time(all.iter().map(|one| one.end_ms).collect())),
            texts("title", &|row| all[row].title.clone()),
            texts("text", &|row| all[row].text.clone()),
            texts("tags", &|row| all[row].tags.join(",")),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Annotation;

    #[test]
    fn every_annotation_is_a_row() {
        let one = Annotation {
            time_ms: 5,
            end_ms: 7,
            text: "x".into(),
            tags: vec!["a".into(), "b".into()],
            ..Annotation::default()
        };
        let found =
            Annotations { annotations: vec![one], executed: "POST".into(), notices: vec!["n".into()] };
        let frame = annotations(&found);
        assert_eq!(frame.rows(), 1);
        let values: Vec<&Values> = frame.fields.iter().map(|field| &field.values).collect();
        assert_eq!(values[..2], [&Values::Time(vec![5]), &Values::Time(vec![7])]);
        assert_eq!(values[4], &Values::Text(vec!["a,b".into()]));
        assert_eq!(frame.meta["notices"][0]["text"], "n");
    }
}
