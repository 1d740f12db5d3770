//! Frames with one row a point: values and band, states, scores, and what alert rules read.

use serde_json::{Map, Value, json};

use super::{Field, Frame, Named, Values};
use crate::detector::Verdict;
use crate::engine::Detection;
use crate::query::{Missing, Output};
use crate::series::{Labels, thin};

/// Values, band, flags and score of every series.
pub(super) fn all_frames(named: &[Named<'_>], max_points: usize) -> Vec<Frame> {
    let is_alone = named.len() == 1;
    named
        .iter()
        .map(|named| {
            let Detection { series, verdicts, forecast, .. } = named.detection;
            // What is yet to come has no value.
            let mut values = series.values.clone();
            values.resize(series.len() + forecast.len(), f64::NAN);
            let is_outlier = |row: usize| verdicts.get(row).is_some_and(|verdict| verdict.is_outlier());
            series_frame(named, all_fields(named, &thin(&values, max_points, is_outlier), is_alone))
        })
        .collect()
}

/// The fields of `rows`: of the points, and after them of the forecast; `is_alone` says that the query has no other series.
fn all_fields(named: &Named<'_>, rows: &[usize], is_alone: bool) -> Vec<Field> {
    let detection = named.detection;
    let Detection { series, forecast, .. } = detection;
    let with_forecast = |name: &str, values: &[f64], ahead: &[f64], config: Value| {
        let cell = |row: &usize| values.get(*row).or_else(|| ahead.get(row - values.len())).copied();
        let cells = rows.iter().map(|row| cell(row).unwrap_or(f64::NAN)).collect();
        Field::new(name, Values::Number(cells)).labelled(&series.labels).config(config)
    };
    let column = |name: &str, values: &[f64], config: Value| with_forecast(name, values, &[], config);
    let called = |suffix: &str| format!("{} {suffix}", named.title);
    let unit = |mut config: Value| {
        if let (Some(unit), Value::Object(config)) = (&series.unit, &mut config) {
            config.insert("unit".into(), unit.clone().into());
        }
        config
    };
    // Of several series the legend names each once.
    let helper = |mut config: Value| {
        if !is_alone && let Some(custom) = config.get_mut("custom") {
            merge(custom, json!({"hideFrom": out_of_the_legend()}));
        }
        config
    };
    let known = |values: &[f64], ahead: &[f64]| values.iter().chain(ahead).any(|value| value.is_finite());

    let times: Vec<i64> = series.times.iter().chain(&forecast.times).copied().collect();
    let mut fields = vec![
        Field::time(rows.iter().map(|row| times[*row]).collect()),
        column("value", &series.values, unit(json!({"displayNameFromDS": named.title}))),
    ];
    if known(&detection.expected, &forecast.expected) {
        let config = json!({
            "displayNameFromDS": called("expected"),
            "color": {"mode": "fixed", "fixedColor": "semi-dark-blue"},
            "custom": {"lineStyle": {"fill": "dash", "dash": [8, 8]}, "lineWidth": 1, "showPoints": "never"},
        });
        let config = helper(config);
        fields.push(with_forecast("expected", &detection.expected, &forecast.expected, unit(config)));
    }
    let edge = |suffix: &str, custom: Value| {
        let mut hidden = json!({"lineWidth": 0, "showPoints": "never", "hideFrom": out_of_the_legend()});
        merge(&mut hidden, custom);
        unit(json!({
            "displayNameFromDS": called(suffix),
            "color": {"mode": "fixed", "fixedColor": "super-light-blue"},
            "custom": hidden,
        }))
    };
    let has_lower = known(&detection.lower, &forecast.lower);
    let has_upper = known(&detection.upper, &forecast.upper);
    if has_lower {
        let config = edge("lower", json!({}));
        fields.push(with_forecast("lower", &detection.lower, &forecast.lower, config));
    }
    if has_upper {
        // The fill needs the other edge's name exactly as it is shown.
        let fill =
            if has_lower { json!({"fillBelowTo": called("lower"), "fillOpacity": 12}) } else { json!({}) };
        let config = edge("upper", fill);
        fields.push(with_forecast("upper", &detection.upper, &forecast.upper, config));
    }
    let anomalies: Vec<f64> = detection
        .verdicts
        .iter()
        .zip(&series.values)
        .map(|(verdict, value)| if verdict.is_outlier() { *value } else { f64::NAN })
        .collect();
    let config = json!({
        "displayNameFromDS": called("outliers"),
        "color": {"mode": "fixed", "fixedColor": "red"},
        "custom": {"drawStyle": "points", "pointSize": 8, "showPoints": "always"},
    });
    fields.push(column("anomaly", &anomalies, unit(helper(config))));
    let config = json!({
        "displayNameFromDS": called("outlier"),
        "custom": hidden_in_graphs(),
        "mappings": [{"type": "value", "options": {
            "0": {"text": "no", "index": 0},
            "1": {"text": "outlier", "color": "red", "index": 1},
        }}],
    });
    fields.push(column("outlier", &flags(detection), config));
    let config = json!({
        "displayNameFromDS": called("score"), "min": 0, "max": 1, "decimals": 3, "custom": hidden_in_graphs(),
    });
    fields.push(column("score", &detection.scores, config));
    if !detection.series_scores.is_empty() {
        let config = json!({
            "displayNameFromDS": called("series score"), "min": 0, "max": 1, "decimals": 3,
            "custom": hidden_in_graphs(),
        });
        fields.push(column("seriesScore", &detection.series_scores, config));
    }
    if let Some(truth) = &series.truth {
        let config = json!({"displayNameFromDS": called("truth"), "custom": hidden_in_graphs()});
        fields.push(column("truth", truth, config));
    }
    fields
}

/// One state a point: 0 Normal, 1 High, −1 Low, 2 Missing, 3 Muted; nothing where nothing could be judged.
pub(super) fn state_frames(named: &[Named<'_>], max_points: usize) -> Vec<Frame> {
    one_column_frames(named, "state", &state_mappings(), states, max_points)
}

/// Names and colours of the states.
pub(super) fn state_mappings() -> Value {
    json!({
        "mappings": [{"type": "value", "options": {
            "0": {"text": "Normal", "color": "green", "index": 0},
            "1": {"text": "High", "color": "red", "index": 1},
            "-1": {"text": "Low", "color": "orange", "index": 2},
            "2": {"text": "Missing", "color": "text", "index": 3},
            "3": {"text": "Muted", "color": "blue", "index": 4},
        }}],
    })
}

/// The score alone.
pub(super) fn score_frames(named: &[Named<'_>], max_points: usize) -> Vec<Frame> {
    let config = json!({"min": 0, "max": 1, "decimals": 3});
    one_column_frames(named, "score", &config, |detection| detection.scores.clone(), max_points)
}

fn one_column_frames(
    named: &[Named<'_>],
    name: &str,
    config: &Value,
    values_of: impl Fn(&Detection) -> Vec<f64>,
    max_points: usize,
) -> Vec<Frame> {
    named
        .iter()
        .filter(|named| !named.detection.series.is_empty())
        .map(|named| {
            let detection = named.detection;
            let values = values_of(detection);
            let rows = thin(&values, max_points, |row| detection.verdicts[row].is_outlier());
            let field = Field::new(name, Values::Number(rows.iter().map(|row| values[*row]).collect()))
                .labelled(&detection.series.labels)
                .config(json!({"displayNameFromDS": named.title}))
                .config(config.clone());
            let time = Field::time(rows.iter().map(|row| detection.series.times[*row]).collect());
            series_frame(named, vec![time, field])
        })
        .collect()
}

/// For each series one numeric field with unique labels and without nulls: what alert rules can reduce and compare.
/// Nothing is thinned out, and points without a verdict are left out. Of a flag, `missing` says what stands where points are
/// missing.
pub(super) fn alert_frames(named: &[Named<'_>], output: Output, missing: Missing) -> Vec<Frame> {
    let labels = unique_labels(named);
    let name = match output {
        Output::Score => "score",
        Output::State => "state",
        _ => "outlier",
    };
    let values_of = |detection: &Detection| match output {
        Output::Score => detection.scores.clone(),
        Output::State => states(detection),
        _ => alert_flags(detection, missing),
    };
    named
        .iter()
        .zip(labels)
        .filter_map(|(named, labels)| {
            let series = &named.detection.series;
            let known: (Vec<i64>, Vec<f64>) = series
                .times
                .iter()
                .copied()
                .zip(values_of(named.detection))
                .filter(|(_, value)| !value.is_nan())
                .unzip();
            let (times, values) = known;
            (!times.is_empty()).then(|| {
                let value = Field::new(name, Values::Number(values)).labelled(&labels);
                series_frame(named, vec![Field::time(times), value])
            })
        })
        .collect()
}

/// The series' labels, with `series` added where they would not tell the series apart.
fn unique_labels(named: &[Named<'_>]) -> Vec<Labels> {
    let mut uses = std::collections::HashMap::<&Labels, usize>::new();
    for named in named {
        *uses.entry(&named.detection.series.labels).or_default() += 1;
    }
    named
        .iter()
        .map(|named| {
            let mut labels = named.detection.series.labels.clone();
            if uses[&named.detection.series.labels] > 1 {
                labels.insert("series".to_owned(), named.title.clone());
            }
            labels
        })
        .collect()
}

fn series_frame(named: &Named<'_>, fields: Vec<Field>) -> Frame {
    let mut meta = Map::new();
    meta.insert("type".into(), "timeseries-multi".into());
    meta.insert("typeVersion".into(), json!([0, 1]));
    Frame { name: named.title.clone(), meta, fields }
}

/// 1 for an outlier, 0 for a point that is none, NaN where there is no verdict.
fn flags(detection: &Detection) -> Vec<f64> {
    let flag = |verdict: &Verdict| match verdict {
        Verdict::High | Verdict::Low => 1.0,
        Verdict::Normal | Verdict::Muted => 0.0,
        Verdict::Missing | Verdict::NotJudged => f64::NAN,
    };
    detection.verdicts.iter().map(flag).collect()
}

/// [`flags`] with what stands for missing points; all NaN if there shall be no data of a series that is silent.
fn alert_flags(detection: &Detection, missing: Missing) -> Vec<f64> {
    let flags = flags(detection);
    let instead = match missing {
        Missing::Normal => 0.0,
        Missing::Outlier => 1.0,
        Missing::NoData if detection.verdicts.last() == Some(&Verdict::Missing) => {
            return vec![f64::NAN; flags.len()];
        }
        Missing::NoData => return flags,
    };
    let of_point =
        |(flag, verdict): (f64, &Verdict)| if *verdict == Verdict::Missing { instead } else { flag };
    flags.into_iter().zip(&detection.verdicts).map(of_point).collect()
}

/// The state of each point: 0 Normal, 1 High, −1 Low, 2 Missing, 3 Muted, NaN where nothing could be judged.
pub(super) fn states(detection: &Detection) -> Vec<f64> {
    let state = |verdict: &Verdict| match verdict {
        Verdict::Normal => 0.0,
        Verdict::High => 1.0,
        Verdict::Low => -1.0,
        Verdict::Missing => 2.0,
        Verdict::Muted => 3.0,
        Verdict::NotJudged => f64::NAN,
    };
    detection.verdicts.iter().map(state).collect()
}

/// A field that is hidden would still have an axis of its own.
fn hidden_in_graphs() -> Value {
    json!({"axisPlacement": "hidden", "hideFrom": {"viz": true, "legend": true, "tooltip": true}})
}

fn out_of_the_legend() -> Value {
    json!({"legend": true, "tooltip": false, "viz": false})
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
