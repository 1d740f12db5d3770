//! What editors, template variables and ad-hoc filters ask: which databases, metrics, fields, labels and values are there.
//!
//! A question is a name with parameters (`tag-values?key=host&search=web`), an answer a list of choices. Two parameters
//! mean the same everywhere: `search`, the beginning or a part of the text, and `limit`.

use std::collections::BTreeMap;

use serde::Serialize;

/// Choices in an answer if the question does not say how many, and at most.
const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;

/// A question with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    name: String,
    params: BTreeMap<String, String>,
}

/// One possible answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// What goes into the query.
    pub value: String,
    /// What people read.
    pub label: String,
    /// More for those who hesitate.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
}

impl From<String> for Choice {
    fn from(value: String) -> Self {
        Self { label: value.clone(), value, description: String::new() }
    }
}

impl Question {
    /// Reads `name?param=value&…`, the form it has in a URL. Of repeated parameters the last one counts.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (name, params) = text.split_once('?').unwrap_or((text, ""));
        let params = url::form_urlencoded::parse(params.as_bytes()).into_owned().collect();
        Self { name: name.trim_matches('/').to_owned(), params }
    }

    /// What is asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A parameter; `None` if it was not given or is empty.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What the choices shall contain, whatever the case; empty for all.
    #[must_use]
    pub fn search(&self) -> &str {
        self.param("search").unwrap_or_default()
    }

    /// The most choices wanted, 1 to 10,000.
    #[must_use]
    pub fn limit(&self) -> usize {
        let asked = self.param("limit").and_then(|limit| limit.parse().ok());
        asked.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }

    /// Those of `all` that the question searches for, no more than it wants. For sources whose upstream does not do so.
    pub fn choose<C: Into<Choice>>(&self, all: impl IntoIterator<Item = C>) -> Vec<Choice> {
        let search = self.search().to_lowercase();
        let found = |choice: &Choice| {
            search.is_empty()
                || choice.value.to_lowercase().contains(&search)
                || choice.label.to_lowercase().contains(&search)
        };
        all.into_iter().map(Into::into).filter(found).take(self.limit()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_from_its_url() {
        let question = Question::parse("/tag-values?key=a%26b&key=host+1&empty=&limit=3");
        assert_eq!(question.name(), "tag-values");
        assert_eq!(question.param("key"), Some("host 1"));
        assert_eq!((question.param("empty"), question.param("x")), (None, None));
        assert_eq!((question.search(), question.limit()), ("", 3));
        assert_eq!(Question::parse("series").limit(), DEFAULT_LIMIT);
        for (limit, expected) in [("0", 1), ("1e9", DEFAULT_LIMIT), ("99999999", MAX_LIMIT)] {
            assert_eq!(Question::parse(&format!("x?limit={limit}")).limit(), expected);
        }
    }

    #[test]
    fn choices_are_searched_and_capped() {
        let all = || ["Web-1", "web-2", "db"].map(str::to_owned);
        let values = |text: &str| -> Vec<String> {
            Question::parse(text).choose(all()).into_iter().map(|choice| choice.value).collect()
        };
        assert_eq!(values("x?search=WEB"), ["Web-1", "web-2"]);
        assert_eq!(values("x?limit=1"), ["Web-1"]);
        assert_eq!(values("x").len(), 3);
    }
}
