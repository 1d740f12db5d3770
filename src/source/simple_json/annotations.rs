//! From an answer of `/annotations` to annotations, in the old shape (the request's `annotation` echoed, tags in one
//! text) and the new one (`timeEnd`, tags in a list).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::budget;
use crate::error::{Category, Error, Result};
use crate::settings::Limits;
use crate::source::Annotation;
use crate::source::cell::Cell;
use crate::source::json::{Each, not_json, without_mark};
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
    #[serde(borrow, default)]
    tags: Tags<'a>,
}

/// A list, or one text that commas or blanks divide; anything else is no tag.
#[derive(Default)]
struct Tags<'a>(Vec<Cow<'a, str>>);

/// The most tags of one annotation that are shown.
const MAX_TAGS: usize = 100;

/// How often the texts of an annotation are there at once: here, in a frame, in its columns and in its bytes.
const TEXT_COPIES: usize = 4;

/// The annotations in an answer, by time, and notices of what was left out. They are on the account of the query for as long
/// as it lives, with the frame that is made of them.
///
/// # Errors
/// [`Category::Protocol`] if the answer is no JSON list of annotations; [`Category::Limit`] if there are too many, or the
/// memory does not suffice.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<(Vec<Annotation>, Vec<String>)> {
    let bytes = without_mark(bytes);
    let (mut all, account) = (0_usize, budget::account());
    let mut annotations = Vec::new();
    let mut items = Each::new(|item: Item<'_>| {
        all += 1;
        if all > limits.max_rows {
            return Err(Error::new(
                Category::Limit,
                format!("the answer has more than {} annotations", limits.max_rows),
            )
            .hint("choose a shorter range, or raise the setting maxRows"));
        }
        account.add(item.bytes(), "the annotations of an answer")?;
        budget::checkpoint();
        annotations.extend(item.understood());
        Ok(())
    });
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = items.deserialize(&mut json).and_then(|()| json.end());
    if let Some(error) = items.failed {
        return Err(error);
    }
    read.map_err(|error| {
        if error.classify() == serde_json::error::Category::Data {
            Error::new(Category::Protocol, "the answer is not a list of annotations")
                .hint("check what the server's /annotations answers")
        } else {
            not_json(bytes, &error)
        }
    })?;
    annotations.sort_by_key(|annotation: &Annotation| annotation.time_ms);
    let timeless = all - annotations.len();
    let notice = format!("Annotations left out because they have no readable time: {timeless}");
    Ok((annotations, Vec::from_iter((timeless > 0).then_some(notice))))
}

impl Item<'_> {
    /// What it takes as an annotation and in a frame.
    fn bytes(&self) -> usize {
        /// A list of annotations that has just doubled, and times in columns.
        const ROW_BYTES: usize = 3 * size_of::<Annotation>();
        /// With what the allocator adds.
        const TAG_BYTES: usize = size_of::<String>() + 32;
        let text = |cell: &Option<Cell<'_>>| cell.as_ref().map_or(0, Cell::text_bytes);
        let tags: usize = self.tags.0.iter().map(|tag| tag.len() + 1).sum();
        let texts = text(&self.title) + text(&self.text) + tags;
        ROW_BYTES + TEXT_COPIES * texts + self.tags.0.len() * TAG_BYTES
    }

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
            tags: self.tags.0.iter().map(|tag| tag.clone().into_owned()).collect(),
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Tags<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(AnyTags)
    }
}

struct AnyTags;

impl<'de> Visitor<'de> for AnyTags {
    type Value = Tags<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tags")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Tags<'de>, A::Error> {
        let mut tags = Vec::new();
        while let Some(cell) = list.next_element::<Cell<'de>>()? {
            if let (Cell::Text(tag), true) = (cell, tags.len() < MAX_TAGS) {
                tags.push(tag);
            }
        }
        Ok(Tags(tags))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Tags<'de>, E> {
        let has_commas = text.contains(',');
        let divided = |c: char| c == ',' || (c.is_whitespace() && !has_commas);
        let tags = text.split(divided).map(str::trim).filter(|tag| !tag.is_empty());
        Ok(Tags(tags.take(MAX_TAGS).map(|tag| Cow::Owned(tag.to_owned())).collect()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Tags<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Tags::default())
    }

    fn visit_unit<E>(self) -> std::result::Result<Tags<'de>, E> {
        Ok(Tags::default())
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Tags<'de>, E> {
        Ok(Tags::default())
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Tags<'de>, E> {
        Ok(Tags::default())
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Tags<'de>, E> {
        Ok(Tags::default())
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Tags<'de>, E> {
        Ok(Tags::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Memory;

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

    #[tokio::test]
    async fn tags_are_on_the_account() {
        let tags = "a,".repeat(MAX_TAGS);
        let one = format!(r#"{{"time": 1700000000000, "text": "down", "tags": "{tags}"}}"#);
        let answer = format!("[{}{one}]", format!("{one},").repeat(999));
        let memory = Memory::of(16 << 20);
        budget::for_query(memory.account(), async {
            assert_eq!(decode(answer.as_bytes(), &Limits::default()).unwrap().0.len(), 1_000);
            assert!(memory.used() > 1_000 * MAX_TAGS * 48, "{}", memory.used());
            let error = (0..3).find_map(|_| decode(answer.as_bytes(), &Limits::default()).err()).unwrap();
            assert!(
                error.category() == Category::Limit && error.to_string().contains("memory_mib"),
                "{error}"
            );
        })
        .await;
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
