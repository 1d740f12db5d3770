//! The bodies that SimpleJSON servers expect. Servers differ in what they read, so everything Grafana's own data
//! source would send is there.

use serde_json::{Map, Value, json};

use super::Options;
use crate::error::{Category, Error, Result};
use crate::query::{DurationMs, MacroValues, expand};
use crate::series::TimeRange;
use crate::source::{FetchRequest, Question};

/// Grafana's number of the panel that asks. Ours are asked for by several at once, so there is no one panel.
const PANEL_ID: u32 = 1;
const REF_ID: &str = "A";

/// The body of `/query`.
pub(super) fn query(options: &Options, request: &FetchRequest) -> Result<Value> {
    let values = MacroValues {
        from_ms: request.range.from_ms,
        to_ms: request.range.to_ms,
        step_ms: request.step_ms,
        max_data_points: request.max_points(),
    };
    let payload = Value::Object(expanded(&options.payload, &values)?);
    let target = json!({
        "target": expand(&options.target, &values, str::to_owned)?,
        "refId": REF_ID,
        "type": options.r#type.name(),
        "hide": false,
        "data": payload,
        "payload": payload,
    });
    let filters: Vec<Value> = options
        .adhoc_filters
        .iter()
        .map(|filter| json!({"key": filter.key, "operator": filter.operator.symbol(), "value": filter.value}))
        .collect();
    let interval = DurationMs::from_millis(request.step_ms).to_string();
    let mut body = ranged(request.range, &values)?;
    let more = json!({
        "requestId": format!("outrider-{REF_ID}"),
        "panelId": PANEL_ID,
        "interval": interval,
        "intervalMs": request.step_ms,
        "targets": [target],
        "maxDataPoints": values.max_data_points,
        "scopedVars": {
            "__interval": {"text": interval, "value": interval},
            "__interval_ms": {"text": request.step_ms.to_string(), "value": request.step_ms},
        },
        "adhocFilters": filters,
    });
    extend(&mut body, more);
    Ok(Value::Object(body))
}

/// The body of `/annotations`.
pub(super) fn annotations(options: &Options, range: TimeRange) -> Result<Value> {
    let values = MacroValues { from_ms: range.from_ms, to_ms: range.to_ms, step_ms: 1, max_data_points: 1 };
    let mut body = ranged(range, &values)?;
    let annotation = json!({
        "name": "Outrider",
        "datasource": "Outrider",
        "enable": true,
        "iconColor": "rgba(255, 96, 96, 1)",
        "query": expand(&options.annotation, &values, str::to_owned)?,
    });
    extend(&mut body, json!({"annotation": annotation, "variables": {}}));
    Ok(Value::Object(body))
}

/// The body of `/metrics`: what was chosen so far, since the choice of one payload may depend on another.
pub(super) fn metrics(question: &Question) -> Result<Value> {
    let metric = question.param("metric").unwrap_or_default();
    Ok(json!({"metric": metric, "payload": payload_of(question)?}))
}

/// The body of `/metric-payload-options`.
pub(super) fn payload_options(question: &Question) -> Result<Value> {
    let param = |name: &str| question.param(name).unwrap_or_default();
    Ok(json!({"metric": param("metric"), "name": param("name"), "payload": payload_of(question)?}))
}

/// The body of `/variable`.
pub(super) fn variable(question: &Question) -> Result<Value> {
    let target = question.param("target").unwrap_or_default();
    let mut payload = payload_of(question)?;
    payload.entry("target").or_insert_with(|| target.into());
    Ok(json!({"payload": payload}))
}

/// The parameter `payload`, JSON text of an object.
fn payload_of(question: &Question) -> Result<Map<String, Value>> {
    let Some(text) = question.param("payload") else { return Ok(Map::new()) };
    serde_json::from_str(text).map_err(|_| {
        Error::new(Category::Query, "the parameter payload is no JSON object")
            .hint("write it like payload={\"region\":\"eu\"}, escaped for a URL")
    })
}

/// `range` in the forms in which Grafana writes it.
fn ranged(range: TimeRange, values: &MacroValues) -> Result<Map<String, Value>> {
    let (from, to) = (
        expand("${__from:date:iso}", values, str::to_owned)?,
        expand("${__to:date:iso}", values, str::to_owned)?,
    );
    debug_assert_eq!((range.from_ms, range.to_ms), (values.from_ms, values.to_ms));
    let raw = json!({"from": from, "to": to});
    let mut body = Map::new();
    extend(
        &mut body,
        json!({"timezone": "utc", "range": {"from": from, "to": to, "raw": raw}, "rangeRaw": raw, "startTime": values.from_ms}),
    );
    Ok(body)
}

fn extend(body: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        body.extend(more);
    }
}

/// `payload` with the macros in its texts replaced.
fn expanded(payload: &Map<String, Value>, values: &MacroValues) -> Result<Map<String, Value>> {
    payload.iter().map(|(key, value)| Ok((key.clone(), expanded_value(value, values)?))).collect()
}

fn expanded_value(value: &Value, values: &MacroValues) -> Result<Value> {
    Ok(match value {
        Value::String(text) => expand(text, values, str::to_owned)?.into(),
        Value::Array(items) => {
            items.iter().map(|item| expanded_value(item, values)).collect::<Result<Vec<_>>>()?.into()
        }
        Value::Object(map) => expanded(map, values)?.into(),
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: Value) -> Options {
        serde_json::from_value(json).unwrap()
    }

    const REQUEST: FetchRequest = FetchRequest {
        range: TimeRange { from_ms: 1_700_000_000_000, to_ms: 1_700_003_600_000 },
        step_ms: 300_000,
    };

    #[test]
    fn the_query_has_everything_servers_look_for() {
        let options = options(json!({
            "target": "cpu of $__interval", "type": "table", "payload": {"n": 3, "since": ["${__from}", {"s": "$__interval_ms"}]},
            "adhocFilters": [{"key": "host", "operator": "!=", "value": "a\"b"}],
        }));
        let body = query(&options, &REQUEST).unwrap();
        let (from, to) = ("2023-11-14T22:13:20.000Z", "2023-11-14T23:13:20.000Z");
        let payload = json!({"n": 3, "since": ["1700000000000", {"s": "300000"}]});
        assert_eq!(
            body,
            json!({
                "requestId": "outrider-A", "timezone": "utc", "panelId": 1, "startTime": 1_700_000_000_000_i64,
                "range": {"from": from, "to": to, "raw": {"from": from, "to": to}}, "rangeRaw": {"from": from, "to": to},
                "interval": "5m", "intervalMs": 300_000, "maxDataPoints": 13,
                "targets": [{"target": "cpu of 5m", "refId": "A", "type": "table", "hide": false, "data": payload, "payload": payload}],
                "scopedVars": {"__interval": {"text": "5m", "value": "5m"}, "__interval_ms": {"text": "300000", "value": 300_000}},
                "adhocFilters": [{"key": "host", "operator": "!=", "value": "a\"b"}],
            })
        );
    }

    #[test]
    fn annotations_are_asked_for_by_their_query() {
        let body =
            annotations(&options(json!({"annotation": "#deploy ${__from:date:seconds}"})), REQUEST.range)
                .unwrap();
        assert_eq!(body["annotation"]["query"], "#deploy 1700000000");
        assert_eq!(body["range"]["to"], "2023-11-14T23:13:20.000Z");
        assert_eq!(body["annotation"]["enable"], true);
    }

    #[test]
    fn a_payload_in_a_question_is_json() {
        let body = |text: &str| variable(&Question::parse(text));
        assert_eq!(body("variable?target=x").unwrap(), json!({"payload": {"target": "x"}}));
        assert_eq!(
            body("variable?payload=%7B%22a%22:1%7D").unwrap(),
            json!({"payload": {"a": 1, "target": ""}})
        );
        assert!(body("variable?payload=[1]").is_err());
        let asked = payload_options(&Question::parse("payload-options?metric=m&name=n")).unwrap();
        assert_eq!(asked, json!({"metric": "m", "name": "n", "payload": {}}));
    }
}
