//! The `http-json` source against real servers on this machine, through the public API of the library.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

mod answers;
mod failures;
mod secrets;
mod tls;

#[path = "../support/upstream_log.rs"]
mod upstream_log;
#[path = "../support/upstream_server.rs"]
mod upstream_server;
#[path = "../support/upstream_tls.rs"]
mod upstream_tls;
#[path = "../../examples/web_service.rs"]
#[expect(dead_code, reason = "an example has a main function of its own")]
mod web_service;

use std::collections::HashMap;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use outrider::error::{Category, Error, Result};
use outrider::query::Kind;
use outrider::series::{Series, TimeRange};
use outrider::settings::{OwnSettings, Settings};
use outrider::source::{self, FetchRequest, Fetched, Reached};
use serde_json::Value;

use crate::upstream_server::soon;

const FROM_MS: i64 = 1_700_000_000_000;
/// One hour, a point every five minutes.
const REQUEST: FetchRequest =
    FetchRequest { range: TimeRange { from_ms: FROM_MS, to_ms: FROM_MS + 3_600_000 }, step_ms: 300_000 };

/// Two points and a gap, in the form the defaults expect.
const THREE_ROWS: &str =
    r#"{"query_response":[[1700000000000,10.5],[1700000300000,-3],[1700000600000,null]]}"#;

fn settings(url: &str) -> Settings {
    Settings { source: "http-json".into(), url: url.into(), ..Settings::default() }
}

/// The same, with these keys of `jsonData`.
fn settings_with(url: &str, json: Value) -> Settings {
    let Value::Object(json) = json else { panic!("no object: {json}") };
    Settings { own: OwnSettings::new(json, HashMap::new()), ..settings(url) }
}

/// What a query with these options brings from the upstream of `settings`.
async fn ask(settings: &Settings, options: Value) -> Result<Fetched> {
    let options: Kind = serde_json::from_value(options).unwrap();
    let query = source::connect(settings)?.prepare(&options)?;
    soon(query.fetch(&REQUEST)).await
}

/// What the default query brings from `url`.
async fn ask_default(url: &str) -> Result<Fetched> {
    ask(&settings(url), serde_json::json!({})).await
}

async fn check(settings: &Settings) -> Result<Reached> {
    soon(source::connect(settings)?.check()).await
}

/// The error of the default query, which must be of this category.
async fn refused(settings: &Settings, category: Category) -> Error {
    let error = ask(settings, serde_json::json!({})).await.unwrap_err();
    assert_eq!(error.category(), category, "{error}");
    error
}

fn json(body: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

fn redirect(status: u16, location: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, location)]).into_response()
}

/// Times and values, with gaps as `None`, which unlike NaN is equal to itself.
fn points(series: &Series) -> Vec<(i64, Option<f64>)> {
    let values = series.values.iter().map(|value| Some(*value).filter(|value| !value.is_nan()));
    series.times.iter().copied().zip(values).collect()
}
