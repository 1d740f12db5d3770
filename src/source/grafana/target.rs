//! Which data source a query asks, and which cannot be asked.

use super::Options;
use crate::error::{Category, Error, Result};

/// The type of our own data sources.
const OUR_TYPE: &str = "outrider-outliers-datasource";

/// Another data source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) uid: String,
    /// Empty where it is not known.
    pub(super) kind: String,
}

impl Target {
    /// The data source that `options` name.
    ///
    /// # Errors
    /// [`Category::Query`] if they name none, or one that cannot be asked.
    pub(super) fn of(options: &Options, own_uid: &str) -> Result<Self> {
        let saved = |key: &str| options.query.get("datasource")?.get(key)?.as_str().map(str::trim);
        let saved = |key: &str| saved(key).filter(|text| !text.is_empty());
        // The type belongs to the uid it stands with.
        let (uid, kind) = match saved("uid") {
            Some(uid) => (uid, saved("type").unwrap_or_default()),
            None => (options.datasource_uid.trim(), options.datasource_type.trim()),
        };
        if uid.is_empty() {
            return Err(Error::new(
                Category::Query,
                "the query says no other data source: option source.datasourceUid is empty",
            )
            .hint("choose the other data source in the query editor"));
        }
        // A type without a uid cannot hide what the query is.
        let refused =
            refusal(uid, kind, own_uid).or_else(|| refusal("", saved("type").unwrap_or_default(), own_uid));
        match refused {
            Some(why) => Err(Error::new(Category::Query, why).hint(
                "choose a data source that has a backend of its own, such as Prometheus or PostgreSQL",
            )),
            None => Ok(Self { uid: uid.to_owned(), kind: kind.to_owned() }),
        }
    }
}

/// Why a data source cannot be asked; `None` if it can.
pub(super) fn refusal(uid: &str, kind: &str, own_uid: &str) -> Option<&'static str> {
    let is = |uids: &[&str], kinds: &[&str]| uids.contains(&uid) || kinds.contains(&kind);
    if !uid.is_empty() && uid == own_uid {
        Some("the query asks its own data source, which would never end")
    } else if kind == OUR_TYPE {
        Some("the query asks another Outrider data source, which would judge its series twice, or never end")
    } else if is(&["__expr__", "-100"], &["__expr__"]) {
        Some("server-side expressions cannot be asked for series: they are no data source")
    } else if is(&["-- Mixed --"], &["mixed"]) {
        Some("\"-- Mixed --\" is many data sources at once: add one query for each of them instead")
    } else if is(&["-- Dashboard --"], &["dashboard"]) {
        Some("\"-- Dashboard --\" repeats the result of another panel, which exists in the browser only")
    } else if is(&["-- Grafana --", "grafana"], &["datasource", "grafana"]) {
        Some("\"-- Grafana --\" has random walks and annotations only, and no series to judge")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn target(options: Value) -> Result<Target> {
        Target::of(&serde_json::from_value(options).unwrap(), "me")
    }

    #[test]
    fn the_data_source_is_that_of_the_query_or_of_the_option() {
        let expected = |uid: &str, kind: &str| Target { uid: uid.into(), kind: kind.into() };
        let saved = json!({"datasource": {"uid": "saved", "type": "loki"}});
        assert_eq!(
            target(json!({"datasourceUid": " p ", "datasourceType": "prometheus"})).unwrap(),
            expected("p", "prometheus")
        );
        assert_eq!(target(json!({"query": saved})).unwrap(), expected("saved", "loki"));
        assert_eq!(
            target(json!({"datasourceUid": "p", "query": {"datasource": "name"}})).unwrap(),
            expected("p", "")
        );
        assert!(target(json!({})).unwrap_err().to_string().contains("source.datasourceUid is empty"));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_the_reason() {
        for (options, reason) in [
            (json!({"datasourceUid": "me"}), "never end"),
            (json!({"datasourceUid": "x", "datasourceType": OUR_TYPE}), "another Outrider"),
            (json!({"datasourceUid": "__expr__"}), "expressions"),
            (
                json!({"datasourceUid": "x", "query": {"datasource": {"type": "__expr__", "uid": "x"}}}),
                "expressions",
            ),
            (
                json!({"datasourceUid": "x", "datasourceType": "a", "query": {"datasource": {"uid": "me"}}}),
                "never end",
            ),
            (json!({"datasourceUid": "-- Mixed --"}), "many data sources"),
            (json!({"datasourceUid": "-- Dashboard --"}), "another panel"),
            (json!({"datasourceUid": "-- Grafana --"}), "random walks"),
            (json!({"datasourceUid": "grafana", "datasourceType": "datasource"}), "random walks"),
        ] {
            let error = target(options.clone()).unwrap_err();
            assert_eq!(error.category(), Category::Query);
            assert!(error.to_string().contains(reason), "{options}: {error}");
        }
    }
}
