//! Lists of names in every form that SimpleJSON servers write: texts, `{text, value}`, `{label, value}`,
//! `{__text, __value}`, and for metrics their payloads.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Category, Error, Result};
use crate::source::Choice;
use crate::source::json::{Bounded, not_json, without_mark};

/// The most names in a list, and the most bytes of one with all that belongs to it: a tree of values in memory can be
/// ninety times as long as its text.
const MAX_NAMES: usize = 100_000;
const MAX_NAME_BYTES: usize = 100_000;

/// The choices in an answer of `/search`, `/tag-keys`, `/tag-values`, `/variable` or `/metric-payload-options`.
///
/// # Errors
/// [`Category::Protocol`] if the answer is no JSON list.
pub(super) fn choices(bytes: &[u8]) -> Result<Vec<Choice>> {
    let mut choices = Vec::new();
    each(bytes, |item| choices.extend(choice(item)))?;
    Ok(choices)
}

/// The choices in an answer of `/metrics`.
///
/// # Errors
/// [`Category::Protocol`] if the answer is no JSON list.
pub(super) fn metrics(bytes: &[u8]) -> Result<Vec<Choice>> {
    choices(bytes)
}

/// The names of the payloads of `metric` in an answer of `/metrics`; the description is the kind of input, such as
/// `select`, `multi-select`, `input` or `textarea`.
///
/// # Errors
/// [`Category::Protocol`] if the answer is no JSON list.
pub(super) fn payloads(bytes: &[u8], metric: &str) -> Result<Vec<Choice>> {
    let mut of = None;
    each(bytes, |item| {
        if of.is_none() && [item.get("value"), item.get("label")].iter().any(|name| text(*name) == metric) {
            of = Some(item.get("payloads").cloned().unwrap_or_default());
        }
    })?;
    let payloads = of.as_ref().and_then(Value::as_array);
    let described = |payload: &Value| {
        let named = Choice {
            value: text(payload.get("name")),
            label: text(payload.get("label")),
            description: payload.get("type").map_or_else(|| "input".to_owned(), |kind| text(Some(kind))),
        };
        let label = if named.label.is_empty() { named.value.clone() } else { named.label.clone() };
        (!named.value.is_empty()).then_some(Choice { label, ..named })
    };
    Ok(payloads.into_iter().flatten().filter_map(described).collect())
}

/// Hands over what is in a list, one by one.
fn each(bytes: &[u8], mut take: impl FnMut(&Value)) -> Result<()> {
    let bytes = without_mark(bytes);
    let items: Option<Bounded<&RawValue, MAX_NAMES>> = serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            Error::new(Category::Protocol, "the answer is not a list of names")
                .hint("check that the URL is that of a SimpleJSON server")
        } else {
            not_json(bytes, &error)
        }
    })?;
    let items = items.map_or(Ok(Vec::new()), |items| items.all("names"))?;
    for item in items {
        if item.get().len() > MAX_NAME_BYTES {
            return Err(Error::new(
                Category::Limit,
                format!("an element of the list of names has more than {MAX_NAME_BYTES} bytes"),
            )
            .hint("let the server send names, and what belongs to them, only"));
        }
        // What is nested too deeply is valid, and a name no less than other lists are.
        take(&serde_json::from_str(item.get()).unwrap_or_default());
    }
    Ok(())
}

fn choice(item: &Value) -> Option<Choice> {
    let Value::Object(item) = item else {
        return Some(Choice::from(text(Some(item)))).filter(|choice| !choice.value.is_empty());
    };
    let first = |names: [&str; 3]| {
        names.iter().find_map(|name| item.get(*name)).map(|found| text(Some(found))).unwrap_or_default()
    };
    let (value, label) = (first(["value", "__value", "id"]), first(["text", "__text", "label"]));
    match (value.is_empty(), label.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Choice::from(label)),
        (false, true) => Some(Choice::from(value)),
        (false, false) => Some(Choice { value, label, description: String::new() }),
    }
}

/// A scalar as text; empty for anything else.
fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(yes)) => yes.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(choices: &[Choice]) -> Vec<(&str, &str)> {
        choices.iter().map(|choice| (choice.value.as_str(), choice.label.as_str())).collect()
    }

    #[test]
    fn every_form_of_a_name_is_understood() {
        let answer = br#"["a", 7, null, {"text": "B", "value": 2}, {"text": "City", "type": "string"}, {"label": "L", "value": "l"},
            {"__text": "T", "__value": "t"}, {"value": "v"}, {}, [1]]"#;
        assert_eq!(
            pairs(&choices(answer).unwrap()),
            [("a", "a"), ("7", "7"), ("2", "B"), ("City", "City"), ("l", "L"), ("t", "T"), ("v", "v")]
        );
        assert_eq!(choices(b"null").unwrap(), []);
        assert!(choices(b"{}").is_err() && choices(b"<html>").is_err());
    }

    #[test]
    fn payloads_are_those_of_the_metric() {
        let answer = br#"[{"label": "CPU", "value": "cpu", "payloads": [
            {"label": "Region", "name": "region", "type": "select"}, {"name": "note"}, {"label": "nameless"}]}, {"value": "mem"}]"#;
        let found = payloads(answer, "cpu").unwrap();
        assert_eq!(pairs(&found), [("region", "Region"), ("note", "note")]);
        assert_eq!((found[0].description.as_str(), found[1].description.as_str()), ("select", "input"));
        assert_eq!(payloads(answer, "mem").unwrap(), []);
        assert_eq!(pairs(&metrics(answer).unwrap()), [("cpu", "CPU"), ("mem", "mem")]);
    }
}
