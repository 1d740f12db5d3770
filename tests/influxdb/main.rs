//! The `influxdb` source against a real InfluxDB 1, and for the languages of later versions against stand-ins that answer
//! in the formats of their documentation.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

mod failures;
mod languages;
mod plugin;
mod queries;
mod ranges;

#[path = "../support/host.rs"]
#[expect(dead_code, reason = "shared by several tests, each of which uses a part")]
mod host;
#[path = "../support/influxdb_server.rs"]
mod influxdb_server;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/upstream_server.rs"]
#[expect(dead_code, reason = "shared by several tests, each of which uses a part")]
mod upstream_server;
#[path = "../support/upstream_tls.rs"]
#[expect(dead_code, reason = "shared by several tests, each of which uses a part")]
mod upstream_tls;
#[path = "../support/victim.rs"]
#[expect(dead_code, reason = "shared with the tests of other sources, which use other parts of it")]
mod victim;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use outrider::error::{Category, Error, Result};
use outrider::query::Kind;
use outrider::series::{Series, TimeRange};
use outrider::settings::{OwnSettings, SecretString, Settings};
use outrider::source::{self, Choice, FetchRequest, Fetched, Question, Reached};
use serde_json::{Value, json};

use crate::influxdb_server::{InfluxDbConfig, Server, client, form, influxdb};
use crate::server::Shared;
use crate::upstream_server::soon;

/// 2023-11-14T22:20:00Z, a multiple of every step here.
const FROM_MS: i64 = 1_700_000_400_000;
const STEP_MS: i64 = 60_000;
/// Ten minutes.
const REQUEST: FetchRequest = FetchRequest {
    range: TimeRange { from_ms: FROM_MS, to_ms: FROM_MS + 10 * STEP_MS - 1 },
    step_ms: STEP_MS,
};

fn settings(url: &str) -> Settings {
    Settings { source: "influxdb".into(), url: url.into(), database: "weather".into(), ..Settings::default() }
}

fn with_own(settings: Settings, json: &Value, secrets: &[(&str, &str)]) -> Settings {
    let json = json.as_object().cloned().unwrap_or_default();
    let secrets: HashMap<String, SecretString> =
        secrets.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect();
    Settings { own: OwnSettings::new(json, secrets), ..settings }
}

async fn ask_for(settings: &Settings, options: Value, request: FetchRequest) -> Result<Fetched> {
    let options: Kind = serde_json::from_value(options).unwrap();
    let query = source::connect(settings)?.prepare(&options)?;
    soon(query.fetch(&request)).await
}

/// What a query with these options brings.
async fn ask(settings: &Settings, options: Value) -> Result<Fetched> {
    ask_for(settings, options, REQUEST).await
}

async fn refused(settings: &Settings, options: Value, category: Category) -> Error {
    let error = ask(settings, options).await.unwrap_err();
    assert_eq!(error.category(), category, "{error}");
    error
}

async fn check(settings: &Settings) -> Result<Reached> {
    soon(source::connect(settings)?.check()).await
}

async fn choices(settings: &Settings, question: &str) -> Vec<String> {
    let source = source::connect(settings).unwrap();
    let found: Vec<Choice> = soon(source.discover(&Question::parse(question))).await.unwrap().unwrap();
    found.into_iter().map(|choice| choice.value).collect()
}

/// Sends InfluxQL that writes, as an administrator does.
async fn administer(url: &str, text: &str) {
    let answer = form(client().post(format!("{url}/query")), &[("q", text)]).send().await.unwrap();
    let text = answer.text().await.unwrap();
    assert!(!text.contains("error"), "{text}");
}

/// Writes line protocol.
async fn write(request: reqwest::RequestBuilder, lines: String) {
    let answer = request.body(lines).send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{status}: {}", answer.text().await.unwrap());
}

/// A database of its own on the server that all tests share.
struct Database {
    settings: Settings,
    _server: Arc<Server>,
}

static SERVER: Shared<Server> = Shared::new();

impl Database {
    /// An empty one; `None` where the server is not installed and need not be.
    async fn empty() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // As low as it would be on nobody's server, to see that it cuts nothing off.
        let server = SERVER
            .get(|| influxdb(&InfluxDbConfig { http: "max-row-limit = 1000", ..Default::default() }))?;
        let database = format!("weather_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let settings = Settings { database, ..settings(&server.url) };
        let database = Self { settings, _server: server };
        database.administer(&format!("CREATE DATABASE {}", database.settings.database)).await;
        Some(database)
    }

    /// One with [`weather_lines`].
    async fn of_weather() -> Option<Self> {
        let database = Self::empty().await?;
        database.write(weather_lines()).await;
        Some(database)
    }

    /// Sends InfluxQL that writes, as an administrator does.
    async fn administer(&self, text: &str) {
        administer(&self.settings.url, text).await;
    }

    /// Writes line protocol.
    async fn write(&self, lines: String) {
        let Settings { url, database, .. } = &self.settings;
        write(client().post(format!("{url}/write?db={database}")), lines).await;
    }
}

/// The value of sensor `id` in the minute `minute`, at the second `second`.
fn temperature(id: usize, minute: i64, second: i64) -> f64 {
    id as f64 * 100.0 + minute as f64 + second as f64 / 64.0
}

/// In the measurement `sensor.series` two sensors with a point every 20 s in each of ten minutes but the fourth, at odd
/// nanoseconds.
fn weather_lines() -> String {
    let mut lines = String::new();
    for minute in (0..10).filter(|minute| *minute != 3) {
        for second in [0, 20, 40] {
            let ns = (FROM_MS + minute * STEP_MS + second * 1_000) * 1_000_000 + 123_456;
            for id in [1, 2] {
                let value = temperature(id, minute, second);
                lines.push_str(&format!(
                    "sensor.series,SensorId=000{id},site=it's\\ \"here\"\\,\\ \\=/x Temp={value:?},n={minute}i,ok=true,note=\"n{id}\" {ns}\n"
                ));
            }
        }
    }
    lines
}

/// The only labels of the sensor `id`.
fn sensor(series: &[Series], id: usize) -> &Series {
    let name = format!("000{id}");
    series.iter().find(|series| series.labels.get("SensorId") == Some(&name)).unwrap()
}

/// Times and values, with gaps as `None`, which unlike NaN is equal to itself.
fn points(series: &Series) -> Vec<(i64, Option<f64>)> {
    let values = series.values.iter().map(|value| Some(*value).filter(|value| !value.is_nan()));
    series.times.iter().copied().zip(values).collect()
}

/// A query built from options: the temperature by sensor.
fn by_sensor(more: Value) -> Value {
    let mut options = json!({"measurement": "sensor.series", "fields": ["Temp"], "tags": ["SensorId"]});
    if let (Some(options), Value::Object(more)) = (options.as_object_mut(), more) {
        options.extend(more);
    }
    options
}
