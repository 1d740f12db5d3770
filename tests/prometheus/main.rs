//! The `prometheus` source against a real Prometheus that these tests start, through the public API of the library and
//! through the plugin's binary.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

mod data;
mod failures;
mod newest;
mod points;
mod questions;
mod ranges;

#[path = "../support/host.rs"]
#[expect(dead_code, reason = "shared with the process tests, which use other parts of it")]
mod host;
#[path = "../support/prometheus_server.rs"]
mod prometheus_server;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/upstream_server.rs"]
#[expect(dead_code, reason = "shared with the tests of other sources, which use other parts of it")]
mod upstream_server;
#[path = "../support/upstream_tls.rs"]
#[expect(dead_code, reason = "shared with the tests of other sources, which use other parts of it")]
mod upstream_tls;
#[path = "../support/victim.rs"]
#[expect(dead_code, reason = "shared with the tests of other sources, which use other parts of it")]
mod victim;
#[path = "../support/victoria_server.rs"]
mod victoria_server;

use std::sync::Arc;

use outrider::error::{Category, Error, Result};
use outrider::query::Kind;
use outrider::series::{Series, TimeRange};
use outrider::settings::{RawSettings, Settings};
use outrider::source::{self, FetchRequest, Fetched, Question, Reached};
use serde_json::{Value, json};

use crate::prometheus_server::PrometheusServer;
use crate::server::Shared;
use crate::upstream_server::soon;

static SERVER: Shared<PrometheusServer> = Shared::new();

/// A server with the series of [`data`], for all tests; `None` where tests may be skipped without it.
fn server() -> Option<Arc<PrometheusServer>> {
    SERVER.get(|| PrometheusServer::start(&data::openmetrics(), None, &[]))
}

/// Settings as Grafana stores them.
fn settings(url: &str, json_data: &Value) -> Settings {
    let mut all = json!({"source": "prometheus"});
    all.as_object_mut().unwrap().extend(json_data.as_object().unwrap().clone());
    let json_data = all.to_string();
    Settings::parse(&RawSettings { url, json_data: json_data.as_bytes(), ..RawSettings::default() }).unwrap()
}

fn plain(url: &str) -> Settings {
    settings(url, &json!({}))
}

/// What a query with these options brings for the half-open range.
async fn ask(settings: &Settings, options: Value, range: (i64, i64), step_ms: i64) -> Result<Fetched> {
    let options: Kind = serde_json::from_value(options).unwrap();
    let query = source::connect(settings)?.prepare(&options)?;
    assert_eq!(query.unknown_options(), Vec::<String>::new());
    let range = TimeRange { from_ms: range.0, to_ms: range.1 - 1 };
    soon(query.fetch(&FetchRequest { range, step_ms })).await
}

/// The error of a query, which must be of this category.
async fn refused(settings: &Settings, options: Value, category: Category) -> Error {
    let error = ask(settings, options, data::HOURS, 60_000).await.unwrap_err();
    assert_eq!(error.category(), category, "{error}");
    error
}

async fn check(settings: &Settings) -> Result<Reached> {
    soon(source::connect(settings)?.check()).await
}

async fn choices(settings: &Settings, question: &str) -> Vec<String> {
    let source = source::connect(settings).unwrap();
    let choices = soon(source.discover(&Question::parse(question))).await.unwrap().unwrap();
    choices.into_iter().map(|choice| choice.value).collect()
}

/// Times and bits of the values, with one NaN for all gaps, so that equal means the very same.
fn bits(series: &Series) -> Vec<(i64, u64)> {
    let bits = |value: &f64| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    series.times.iter().copied().zip(series.values.iter().map(bits)).collect()
}

fn all_bits(fetched: &Fetched) -> Vec<(String, Vec<(i64, u64)>)> {
    fetched.series.iter().map(|series| (format!("{:?}", series.labels), bits(series))).collect()
}
