//! The request of `/api/ds/query`.

use serde_json::{Value, json};

use super::Options;
use super::target::Target;
use crate::source::FetchRequest;

/// The refId of our one query.
pub(super) const REF_ID: &str = "A";
/// What belongs to the panel the query was written in, and not to the query.
const NOT_OURS: [&str; 5] = ["datasource", "datasourceId", "hide", "key", "queryCachingTTL"];

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) body: String,
    /// Points after this instant are left out: they are of a step that is still running.
    pub(super) last_ms: i64,
}

/// The request for a range; `None` if it holds no whole step yet.
///
/// Both ends lie on multiples of the step, and `maxDataPoints` is how many steps there are: data sources divide the one
/// by the other, round to a step that people like, and so come to our step again, whatever the range is.
pub(super) fn query(
    options: &Options,
    target: &Target,
    request: &FetchRequest,
    now_ms: i64,
) -> Option<Asked> {
    let FetchRequest { range, step_ms } = *request;
    let step_ms = step_ms.max(1);
    let floor = |ms: i64| ms.saturating_sub(ms.rem_euclid(step_ms));
    let from_ms = floor(range.from_ms);
    let end_ms = range.to_ms.saturating_add(1).min(now_ms.max(range.from_ms));
    let (to_ms, last_ms) = if options.keep_running_step {
        (range.to_ms, i64::MAX)
    } else {
        let to_ms = floor(end_ms);
        (to_ms, to_ms.saturating_sub(step_ms))
    };
    if to_ms <= from_ms {
        return None;
    }
    let mut query = options.query.clone();
    query.retain(|key, _| !NOT_OURS.contains(&key.as_str()));
    let datasource = if target.kind.is_empty() {
        json!({"uid": target.uid})
    } else {
        json!({"uid": target.uid, "type": target.kind})
    };
    let max_data_points = (to_ms.saturating_sub(from_ms) / step_ms).max(1);
    for (key, value) in [
        ("refId", json!(REF_ID)),
        ("datasource", datasource),
        ("intervalMs", json!(step_ms)),
        ("maxDataPoints", json!(max_data_points)),
    ] {
        query.insert(key.to_owned(), value);
    }
    let body =
        json!({"from": from_ms.to_string(), "to": to_ms.to_string(), "queries": [Value::Object(query)]});
    Some(Asked { body: body.to_string(), last_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::TimeRange;

    fn asked(options: Value, from_ms: i64, to_ms: i64, now_ms: i64) -> Option<(Value, i64)> {
        let options: Options = serde_json::from_value(options).unwrap();
        let target = Target { uid: "p".into(), kind: "prometheus".into() };
        let request = FetchRequest { range: TimeRange { from_ms, to_ms }, step_ms: 1_000 };
        let Asked { body, last_ms } = query(&options, &target, &request, now_ms)?;
        Some((serde_json::from_str(&body).unwrap(), last_ms))
    }

    #[test]
    fn the_saved_query_is_asked_with_our_range_and_step() {
        let saved = json!({"query": {
            "expr": "rate(x[$__rate_interval])", "refId": "Z", "hide": true, "datasourceId": 7, "maxDataPoints": 3,
            "datasource": {"uid": "old"}, "nested": {"a": [1, null]},
        }});
        let (body, last_ms) = asked(saved, 60_000, 119_999, 1_000_000).unwrap();
        let expected = json!({"from": "60000", "to": "120000", "queries": [{
            "refId": "A", "datasource": {"uid": "p", "type": "prometheus"}, "intervalMs": 1_000, "maxDataPoints": 60,
            "expr": "rate(x[$__rate_interval])", "nested": {"a": [1, null]},
        }]});
        assert_eq!((body, last_ms), (expected, 119_000));
    }

    #[test]
    fn the_running_step_is_not_asked_for_unless_wanted() {
        let ends = |options, to_ms, now_ms| {
            asked(options, 60_000, to_ms, now_ms)
                .map(|(body, last)| (body["to"].as_str().unwrap().to_owned(), last))
        };
        assert_eq!(ends(json!({}), 65_300, 1_000_000), Some(("65000".into(), 64_000)));
        assert_eq!(
            ends(json!({}), 99_999, 65_300),
            Some(("65000".into(), 64_000)),
            "the range ends in the future"
        );
        assert_eq!(ends(json!({}), 60_900, 1_000_000), None);
        assert_eq!(
            ends(json!({"keepRunningStep": true}), 65_300, 1_000_000),
            Some(("65300".into(), i64::MAX))
        );
        assert_eq!(ends(json!({}), i64::MAX, i64::MAX).map(|(_, last)| last > 0), Some(true));
    }
}
