//! Which metrics, labels and values there are, for editors, variables and ad-hoc filters.
//!
//! | question | parameters | answer |
//! |---|---|---|
//! | `metrics` | | names of metrics |
//! | `tag-keys` | `metric` or `match` | labels |
//! | `tag-values` | `key`, and `metric` or `match` | values of a label |
//! | `series` | `metric` or `match` | selectors of single series |
//!
//! `match` is a selector in PromQL, such as `up{job="api"}`; all questions take `search` and `limit`.

use std::collections::BTreeMap;

use super::answer::{METRIC_NAME, decode_list};
use super::{Prometheus, promql};
use crate::error::{Category, Error, Result};
use crate::query::FilterOperator;
use crate::source::{Choice, Question};

impl Prometheus {
    /// The answer to a question; `None` if there is no such question.
    pub(super) async fn answer(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        let choices = match question.name() {
            "metrics" => self.values(question, METRIC_NAME).await?,
            "tag-keys" => {
                let names: Vec<String> = self.list("/api/v1/labels", question, None).await?;
                question.choose(names.into_iter().filter(|name| name != METRIC_NAME))
            }
            "tag-values" => match question.param("key") {
                Some(key) => self.values(question, key).await?,
                None => {
                    return Err(Error::new(Category::Query, "tag-values asks for the values of no label")
                        .hint("add the label: tag-values?key=job"));
                }
            },
            "series" => {
                if question.param("metric").is_none() && question.param("match").is_none() {
                    return Err(Error::new(Category::Query, "series asks for all series there are")
                        .hint("add a metric or a selector: series?metric=up"));
                }
                let all: Vec<BTreeMap<String, String>> = self.list("/api/v1/series", question, None).await?;
                question.choose(all.into_iter().map(selector_of).collect::<Result<Vec<_>>>()?)
            }
            _ => return Ok(None),
        };
        Ok(Some(choices))
    }

    async fn values(&self, question: &Question, label: &str) -> Result<Vec<Choice>> {
        let path = format!("/api/v1/label/{}/values", in_path(label));
        let values: Vec<String> = self.list(&path, question, Some(label)).await?;
        Ok(question.choose(values))
    }

    /// Asks for a list that fits the question's `match` or else its `metric`; with `searched`, for values of that label that fit
    /// its `search`.
    async fn list<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        question: &Question,
        searched: Option<&str>,
    ) -> Result<Vec<T>> {
        let search = question.search();
        let mut params = Vec::new();
        let mut matchers = Vec::new();
        if let (Some(label), false) = (searched, search.is_empty()) {
            // Values may have several lines.
            let contains = format!("(?is:.*{}.*)", promql::regex_quoted(search));
            matchers.push(promql::matcher(label, FilterOperator::Matches, &contains)?);
        }
        let selector = match question.param("match") {
            Some(selector) => promql::with_matchers(selector, &matchers)?,
            None => promql::selector(question.param("metric").unwrap_or_default(), &matchers),
        };
        if !selector.is_empty() {
            params.push(("match[]", selector));
        }
        // Servers that do not know it send everything.
        if search.is_empty() || searched.is_some() {
            params.push(("limit", question.limit().saturating_add(1).to_string()));
        }
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = self.read(path, &params).await?;
        decode_list(&answer.bytes, &self.client.secrets())
    }
}

/// A label's name in a path. What is no classic name is written in the "values escaping" of Prometheus 3, which knows such
/// names: `U__`, every underscore doubled, every other character that is not allowed as `_hex_`.
fn in_path(label: &str) -> String {
    if promql::is_label_name(label) {
        return label.to_owned();
    }
    let mut escaped = "U__".to_owned();
    for c in label.chars() {
        match c {
            '_' => escaped.push_str("__"),
            c if c.is_ascii_alphanumeric() => escaped.push(c),
            c => escaped.push_str(&format!("_{:x}_", u32::from(c))),
        }
    }
    escaped
}

fn selector_of(mut labels: BTreeMap<String, String>) -> Result<String> {
    let metric = labels.remove(METRIC_NAME).unwrap_or_default();
    let matchers: Vec<String> = labels
        .iter()
        .map(|(label, value)| promql::matcher(label, FilterOperator::Equal, value))
        .collect::<Result<_>>()?;
    Ok(promql::selector(&metric, &matchers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_leave_its_place_in_the_path() {
        for (label, path) in [
            ("job", "job"),
            ("__name__", "__name__"),
            ("service.name", "U__service_2e_name"),
            ("a_b/../c?d#e%2e", "U__a__b_2f__2e__2e__2f_c_3f_d_23_e_25_2e"),
            ("ü", "U___fc_"),
        ] {
            assert_eq!(in_path(label), path);
        }
    }

    #[test]
    fn a_series_is_told_by_its_selector() {
        let labels =
            [("__name__", "up"), ("job", "a\"b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(selector_of(labels.into()).unwrap(), "up{job=\"a\\x22b\"}");
    }
}
