//! What there is to choose from, asked with `SHOW`, which versions 2 and 3 understand, too.

use std::collections::BTreeSet;

use super::answer::NamedCells;
use super::quote::{self, identifier};
use crate::error::{Category, Error, Result};
use crate::source::{Choice, Question};

pub(super) const QUESTIONS: &[&str] =
    &["databases", "retention-policies", "measurements", "fields", "tag-keys", "tag-values"];

/// A `SHOW` statement, and in which columns of its answer the choices are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Show {
    pub(super) text: String,
    value: &'static str,
    description: Option<&'static str>,
}

/// The statement that answers `question`; `None` if there is no such question. `measurement`, `policy` and `database`
/// narrow it; `tag-values` needs a `key`.
///
/// # Errors
/// [`Category::Query`] if a parameter is missing.
pub(super) fn show(question: &Question) -> Result<Option<Show>> {
    let on = question.param("database").map_or_else(String::new, |name| format!(" ON {}", identifier(name)));
    let from = question.param("measurement").map(|measurement| {
        let policy = question.param("policy").map_or_else(String::new, |name| identifier(name) + ".");
        format!(" FROM {policy}{}", identifier(measurement))
    });
    let from = from.unwrap_or_default();
    let search = match question.search() {
        "" => None,
        text => Some(quote::regex(&quote::containing(text))?),
    };
    let limit = question.limit();
    let show = |text: String, value, description| Ok(Some(Show { text, value, description }));
    match question.name() {
        "databases" => show("SHOW DATABASES".to_owned(), "name", None),
        "retention-policies" => show(format!("SHOW RETENTION POLICIES{on}"), "name", Some("duration")),
        "measurements" => {
            let with = search.map_or_else(String::new, |pattern| format!(" WITH MEASUREMENT =~ {pattern}"));
            show(format!("SHOW MEASUREMENTS{on}{with} LIMIT {limit}"), "name", None)
        }
        "fields" => show(format!("SHOW FIELD KEYS{on}{from}"), "fieldKey", Some("fieldType")),
        "tag-keys" => show(format!("SHOW TAG KEYS{on}{from}"), "tagKey", None),
        "tag-values" => {
            let key = question.param("key").ok_or_else(|| {
                Error::new(Category::Query, "tag-values needs the key of a tag")
                    .hint("ask tag-values?key=host")
            })?;
            let key = identifier(key);
            let matching = search.map_or_else(String::new, |pattern| format!(" WHERE {key} =~ {pattern}"));
            show(format!("SHOW TAG VALUES{on}{from} WITH KEY = {key}{matching} LIMIT {limit}"), "value", None)
        }
        _ => Ok(None),
    }
}

/// The choices in the rows of an answer: each once, ordered, as many as wanted.
pub(super) fn choices(question: &Question, show: &Show, rows: Vec<NamedCells>) -> Vec<Choice> {
    let mut seen = BTreeSet::new();
    let mut choices: Vec<Choice> = Vec::new();
    for mut row in rows {
        let Some(value) = row.remove(show.value).filter(|value| !value.is_empty()) else { continue };
        if seen.insert(value.clone()) {
            let description = show.description.and_then(|column| row.remove(column)).unwrap_or_default();
            choices.push(Choice { description, ..Choice::from(value) });
        }
    }
    choices.sort_by(|a, b| a.value.cmp(&b.value));
    question.choose(choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(question: &str) -> String {
        show(&Question::parse(question)).unwrap().unwrap().text
    }

    #[test]
    fn every_question_has_its_statement() {
        for (question, expected) in [
            ("databases", "SHOW DATABASES"),
            ("retention-policies?database=d", "SHOW RETENTION POLICIES ON \"d\""),
            (
                "measurements?search=c/p.u&limit=5",
                "SHOW MEASUREMENTS WITH MEASUREMENT =~ /(?i)c\\x2Fp\\.u/ LIMIT 5",
            ),
            ("fields?measurement=a%22b&policy=p", "SHOW FIELD KEYS FROM \"p\".\"a\\\"b\""),
            ("tag-keys", "SHOW TAG KEYS"),
            (
                "tag-values?key=host&measurement=cpu&search=a",
                "SHOW TAG VALUES FROM \"cpu\" WITH KEY = \"host\" WHERE \"host\" =~ /(?i)a/ LIMIT 1000",
            ),
        ] {
            assert_eq!(text(question), expected);
            assert!(QUESTIONS.contains(&Question::parse(question).name()));
        }
        assert_eq!(show(&Question::parse("series")).unwrap(), None);
        assert!(show(&Question::parse("tag-values")).unwrap_err().to_string().contains("needs the key"));
    }

    #[test]
    fn what_is_searched_for_stays_within_its_quotes() {
        let hostile = "x\" or 1=1; drop database d -- / \\";
        let encoded: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
        let text = text(&format!("tag-values?key={encoded}&search={encoded}"));
        let quoted = r#""x\" or 1=1; drop database d -- / \\""#;
        let pattern = r#"/(?i)x\" or 1\=1\x3B drop database d \-\- \x2F \x5C/"#;
        assert_eq!(
            text,
            format!("SHOW TAG VALUES WITH KEY = {quoted} WHERE {quoted} =~ {pattern} LIMIT 1000")
        );
    }

    #[test]
    fn choices_come_once_and_in_order() {
        let row = |key: &str, kind: &str| {
            NamedCells::from([("fieldKey".into(), key.to_owned()), ("fieldType".into(), kind.to_owned())])
        };
        let question = Question::parse("fields?search=O");
        let show = show(&question).unwrap().unwrap();
        let rows = vec![
            row("two", "float"),
            row("one", "integer"),
            row("two", "string"),
            row("x", "float"),
            row("", ""),
        ];
        let found = choices(&question, &show, rows);
        let found: Vec<_> =
            found.iter().map(|choice| (choice.value.as_str(), choice.description.as_str())).collect();
        assert_eq!(found, [("one", "integer"), ("two", "float")]);
    }
}
