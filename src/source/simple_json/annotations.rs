//! From an answer of `/annotations` to annotations, in the old shape (the request's `annotation` echoed, tags in one
//! text) and the new one (`timeEnd`, tags in a list).

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Category, Error, Result};
use crate::settings::Limits;
use crate::source::Annotation;
use crate::source::cell::Cell;
use crate::source::json::{not_json, without_mark};
use crate::source::time::TimeFormat;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow, default)]
    time: Option<Cell<'a>>,
    #[serde(borrow, default)]
    time_end: Option<Cell<'a>>,
    #[serde(borrow, default)]
    title: Option<Cell<'a>>,
    #[serde(borrow, default)]
    text: Option<Cell<'a>>,
    #[serde(default)]
    tags: Value,
}

/// The annotations in an answer, by time, and notices of what was left out.
///
/// # Errors
/// [`Category::Protocol`] if the answer is no JSON list of annotations; [`Category::Limit`] if there are too many.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(Vec<Annotation>, Vec<String>)> {
    let bytes = without_mark(bytes);
    let items: Vec<Item<'_>> = serde_json::from_slice(bytes).map_err(|error| {
        if error.classify() == serde_json::error::Category::Data {
            Error::new(Category::Protocol, "the answer is not a list of annotations")
                .hint("check what the server's /annotations answers")
        } else {
            not_json(bytes, &error)
        }
    })?;
    if items.len() > limits.max_rows {
        return Err(Error::new(
            Category::Limit,
            format!("the answer has more than {} annotations", limits.max_rows),
        )
        .hint("choose a shorter range, or raise the setting maxRows"));
    }
    let all = items.len();
    let mut annotations: Vec<Annotation> = items.iter().filter_map(Item::understood).collect();
    annotations.sort_by_key(|annotation| annotation.time_ms);
    let timeless = all - annotations.len();
    let notice = format!("Annotations left out because they have no readable time: {timeless}");
    Ok((annotations, Vec::from_iter((timeless > 0).then_some(notice))))
}

impl Item<'_> {
    fn understood(&self) -> Option<Annotation> {
        let time = |cell: &Option<Cell<'_>>| TimeFormat::Auto.parse(cell.as_ref()?);
        let text = |cell: &Option<Cell<'_>>| cell.as_ref().map(Cell::label).unwrap_or_default();
        let time_ms = time(&self.time)?;
        let end_ms = time(&self.time_end).unwrap_or(time_ms);
        Some(Annotation {
            time_ms,
            end_ms: end_ms.max(time_ms),
            title: text(&self.title),
            text: text(&self.text),
            tags: tags(&self.tags),
        })
    }
}

/// A list, or one text that commas or blanks divide.
fn tags(tags: &Value) -> Vec<String> {
    match tags {
        Value::Array(tags) => tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => {
            let divided = |c: char| c == ',' || (c.is_whitespace() && !text.contains(','));
            text.split(divided).map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_and_the_new_shape_are_understood() {
        let answer = br#"[{"annotation": {"name": "x"}, "title": "Outage", "time": 1700000300000, "tags": "red, dark blue", "text": "down"},
            {"time": 1700000000000, "timeEnd": "1700000060000", "isRegion": true, "text": "deploy", "tags": ["a b", 3]},
            {"time": "2023-11-14T22:13:20Z", "timeEnd": 5, "tags": "one two"}, {"title": "timeless"}]"#;
        let (annotations, notices) = decode(answer, &Limits::default()).unwrap();
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        let t = 1_700_000_000_000;
        assert_eq!(
            annotations,
            [
                Annotation {
                    time_ms: t,
                    end_ms: t + 60_000,
                    text: "deploy".into(),
                    tags: tags(&["a b"]),
                    ..Annotation::default()
                },
                Annotation { time_ms: t, end_ms: t, tags: tags(&["one", "two"]), ..Annotation::default() },
                Annotation {
                    time_ms: t + 300_000,
                    end_ms: t + 300_000,
                    title: "Outage".into(),
                    text: "down".into(),
                    tags: tags(&["red", "dark blue"]),
                },
            ]
        );
        assert_eq!(notices, ["Annotations left out because they have no readable time: 1"]);
    }

    #[test]
    fn anything_else_is_an_error() {
        for answer in ["{}", "[1]", "", "<p>"] {
            assert_eq!(
                decode(answer.as_bytes(), &Limits::default()).unwrap_err().category(),
                Category::Protocol
            );
        }
        let limits = Limits { max_rows: 1, ..Limits::default() };
        assert_eq!(decode(b"[{},{}]", &limits).unwrap_err().category(), Category::Limit);
    }
}
