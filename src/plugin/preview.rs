//! What a query's answer is understood to be: its first points, for the editor in which someone is finding out where in an
//! answer its rows are.

use chrono::{DateTime, SecondsFormat};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::{Category, Error, Result};
use crate::query::{Query, check_json};
use crate::series::{Series, TimeRange};
use crate::source::{AnySource, FetchRequest, Fetched, select};

/// Points of one series that are shown.
const POINTS: usize = 5;
/// Series of which points are shown.
const SERIES: usize = 4;
/// Steps that the range of a question is divided into.
const STEPS: i64 = 100;
/// The range asked for where nobody says one.
const DEFAULT_RANGE_MS: i64 = 6 * 3_600_000;
/// The longest range that is asked for: enough to see how rows are laid out.
const MAX_RANGE_MS: i64 = 31 * 86_400_000;

/// What the editor asks.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// As it would be saved, its variables replaced.
    query: Box<RawValue>,
    /// Ms since the epoch; the last hours where it is absent.
    #[serde(default)]
    from: Option<i64>,
    #[serde(default)]
    to: Option<i64>,
}

impl Asked {
    /// # Errors
    /// [`Category::Query`] if the body of the question is not in this form, [`Category::Limit`] if it is too long.
    pub(super) fn parse(body: &[u8]) -> Result<Self> {
        check_json("the question for a preview", body)?;
        serde_json::from_slice(body).map_err(|error| {
            Error::new(Category::Query, format!("the question for a preview cannot be read: {error}"))
                .hint("send {\"query\": …, \"from\": ms, \"to\": ms}")
        })
    }

    /// The first points of what the upstream answers.
    ///
    /// # Errors
    /// Those of the query, and of asking.
    pub(super) async fn answer(&self, own: &std::sync::Arc<dyn AnySource>, now_ms: i64) -> Result<Value> {
        let query = Query::parse(self.query.get().as_bytes())?;
        let prepared = select(own, &query.source)?.prepare(&query.source)?;
        let fetched = prepared.fetch(&self.request(now_ms)?).await?;
        Ok(shown(&fetched, prepared.unknown_options()))
    }

    fn request(&self, now_ms: i64) -> Result<FetchRequest> {
        let to_ms = self.to.unwrap_or(now_ms);
        let from_ms = self.from.unwrap_or_else(|| to_ms.saturating_sub(DEFAULT_RANGE_MS));
        let wide = to_ms.checked_sub(from_ms).filter(|length| *length > 0 && to_ms.abs() < 1 << 53);
        let length = wide
            .ok_or_else(|| {
                Error::new(Category::Query, "the time range of the preview ends before it begins")
                    .hint("choose another time range")
            })?
            .min(MAX_RANGE_MS);
        let step_ms = (length / STEPS).max(1);
        let from_ms = (to_ms - length).div_euclid(step_ms) * step_ms;
        Ok(FetchRequest { range: TimeRange { from_ms, to_ms }, step_ms })
    }
}

/// The first points as rows of a table: time, name of the series, its labels, value.
fn shown(fetched: &Fetched, unknown: &[String]) -> Value {
    let first = &fetched.series[..fetched.series.len().min(SERIES)];
    let mut labels: Vec<&str> =
        first.iter().flat_map(|series| series.labels.keys().map(String::as_str)).collect();
    labels.sort_unstable();
    labels.dedup();
    let rows: Vec<Value> = first.iter().flat_map(|series| rows(series, &labels)).collect();
    let columns: Vec<&str> = ["time"].into_iter().chain(labels).chain(["value"]).collect();
    let points: usize = fetched.series.iter().map(Series::len).sum();
    let mut notices = fetched.notices.clone();
    notices.extend(unknown.iter().map(|option| format!("Unknown option {option}")));
    json!({
        "executed": fetched.executed,
        "columns": columns,
        "rows": rows,
        "series": fetched.series.len(),
        "points": points,
        "notices": notices,
    })
}

fn rows<'s>(series: &'s Series, labels: &'s [&str]) -> impl Iterator<Item = Value> + 's {
    series.times.iter().zip(&series.values).take(POINTS).map(|(time, value)| {
        let time = DateTime::from_timestamp_millis(*time)
            .map_or_else(|| time.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        let value = if value.is_nan() { "no value".to_owned() } else { value.to_string() };
        let text = |name: &&str| series.labels.get(*name).cloned().unwrap_or_default();
        [time].into_iter().chain(labels.iter().map(text)).chain([value]).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::source::connect;

    const NOW: i64 = 1_700_000_000_000;

    async fn preview(body: Value) -> Result<Value> {
        let own = connect(&Settings::default()).unwrap();
        Asked::parse(body.to_string().as_bytes())?.answer(&own, NOW).await
    }

    #[tokio::test]
    async fn the_first_points_of_the_first_series_are_shown() {
        let source = json!({"kind": "generator", "series": ["median", "sine"]});
        let shown =
            preview(json!({"query": {"source": source}, "from": NOW - 3_600_000, "to": NOW})).await.unwrap();
        assert_eq!((&shown["series"], shown["rows"].as_array().unwrap().len()), (&json!(2), 2 * POINTS));
        let columns = shown["columns"].as_array().unwrap();
        assert_eq!((columns.first(), columns.last()), (Some(&json!("time")), Some(&json!("value"))));
        let first = shown["rows"][0].as_array().unwrap();
        assert_eq!(first.len(), columns.len());
        assert!(first[0].as_str().unwrap().starts_with("2023-11-14T21:13"), "{first:?}");
        assert!(shown["points"].as_u64().unwrap() > 10);
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_refused() {
        for (body, says) in [
            (json!({}), "cannot be read"),
            (json!({"query": {"source": {"kind": "nope"}}}), "unknown"),
            (json!({"query": {}, "from": 2, "to": 1}), "ends before it begins"),
            (json!({"query": {}, "from": i64::MIN, "to": i64::MAX}), "ends before it begins"),
        ] {
            let error = preview(body.clone()).await.unwrap_err();
            assert!(
                error.category() == Category::Query && error.to_string().contains(says),
                "{body}: {error}"
            );
        }
    }

    #[test]
    fn a_long_question_is_refused_before_it_is_read() {
        let body = format!(r#"{{"query": {{"source": {{"where": [{}0]}}}}}}"#, "0,".repeat(1 << 20));
        let error = Asked::parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.category(), Category::Limit, "{error}");
    }

    #[test]
    fn a_long_range_is_cut_to_its_end() {
        let asked = Asked { query: RawValue::NULL.to_owned(), from: Some(0), to: Some(NOW) };
        let request = asked.request(NOW).unwrap();
        assert!(request.range.len_ms() <= MAX_RANGE_MS + request.step_ms && request.range.to_ms == NOW);
        assert_eq!(request.range.from_ms % request.step_ms, 0);
    }
}
