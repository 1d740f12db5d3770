//! Times a million points of a local InfluxDB through the plugin, and where the time goes:
//! `cargo build --release --bins && cargo run --release --example influxdb_bench -- target/release/gpx_outrider`.
//!
//! `influxd` must be installed. Loaded are a million points of one series, ten seconds apart. Printed are, in ms and as the
//! median of five:
//!
//! - for one request of all raw points, in JSON and CSV: how long InfluxDB takes until the last byte has arrived, and
//!   how long the same bytes take from a server that has them ready, with and without decoding them;
//! - for a query through the plugin binary over gRPC: its own figures for fetching and detecting, and what is left of
//!   the whole, which is encoding and the way back.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints its answer")]

#[path = "../tests/support/host.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod host;
#[path = "../tests/support/influxdb_server.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod influxdb_server;
#[path = "../tests/support/server.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod server;

use std::path::PathBuf;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use outrider::series::TimeRange;
use outrider::settings::Settings;
use outrider::source::{self, FetchRequest};
use serde_json::{Value, json};

use crate::host::{Plugin, context};
use crate::influxdb_server::{InfluxDbConfig, client, form, influxdb};

const POINTS: i64 = 1_000_000;
const STEP_MS: i64 = 10_000;
/// 2023-11-14T22:20:00Z.
const FROM_MS: i64 = 1_700_000_400_000;
const TO_MS: i64 = FROM_MS + POINTS * STEP_MS - 1;
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> Result<(), host::Error> {
    let binary = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: influxdb_bench PLUGIN")?);
    let server = influxdb(&InfluxDbConfig::default()).ok_or("influxd is not installed")?;
    let create = [("q", "CREATE DATABASE weather")];
    form(client().post(format!("{}/query", server.url)), &create).send().await?.error_for_status()?;
    for part in 0..POINTS / 10_000 {
        let line = |i: i64| {
            let value = 20.0 + 5.0 * (i as f64 / 1_375.0).sin() + (i * 7_919 % 1_000) as f64 / 1_000.0;
            format!("m,host=a v={value:?} {}\n", (FROM_MS + i * STEP_MS) * 1_000_000)
        };
        let lines: String = (part * 10_000..(part + 1) * 10_000).map(line).collect();
        client()
            .post(format!("{}/write?db=weather", server.url))
            .body(lines)
            .send()
            .await?
            .error_for_status()?;
    }

    for (format, accept) in [("json", "application/json"), ("csv", "application/csv")] {
        let from_influxdb = timed(async || raw(&server.url, accept).await.map(drop)).await?;
        let bytes = raw(&server.url, accept).await?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let ready = format!("http://{}", listener.local_addr()?);
        let answer = bytes.clone();
        let serve = axum::serve(listener, Router::new().fallback(move || async move { answer }));
        let task = tokio::spawn(async move { serve.await });
        let carried = timed(async || raw(&ready, accept).await.map(drop)).await?;
        let decoded = timed(async || fetch(&ready, format).await).await?;
        let whole = timed(async || fetch(&server.url, format).await).await?;
        task.abort();
        println!(
            "{format}: {} bytes; upstream {from_influxdb:.0} ms, carried {carried:.0} ms, carried and decoded {decoded:.0} ms \
             (decoding {:.0} ms, {:.1} % of upstream); upstream and decoded {whole:.0} ms",
            bytes.len(),
            decoded - carried,
            (decoded - carried) / from_influxdb * 100.0
        );
    }

    for (name, source) in [
        (
            "raw points, a slice each 10,000",
            json!({"measurement": "m", "fields": ["v"], "aggregate": "none"}),
        ),
        ("means of five minutes", json!({"measurement": "m", "fields": ["v"]})),
    ] {
        let step = if source["aggregate"] == "none" { "10s" } else { "5m" };
        let query = json!({"version": 1, "step": step, "training": "visible-range", "source": source});
        let (mut total, mut fetching, mut detecting) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            // A new process, whose cache knows nothing.
            let plugin = Plugin::launch(&binary, &[]).await?;
            let own = json!({"url": server.url, "jsonData": {"source": "influxdb", "database": "weather"}});
            let begun = Instant::now();
            let answer = plugin.query(context(&own), (FROM_MS, TO_MS), &query).await?;
            total.push(begun.elapsed().as_secs_f64() * 1e3);
            if let Some(error) = answer.error {
                return Err(error.into());
            }
            let stats = answer.frames[0].meta["stats"].as_array().cloned().unwrap_or_default();
            let stat =
                |index: usize| stats.get(index).and_then(|stat| stat["value"].as_f64()).unwrap_or(f64::NAN);
            fetching.push(stat(0));
            detecting.push(stat(1));
        }
        let (total, fetching, detecting) = (median(total), median(fetching), median(detecting));
        println!(
            "plugin, {name}: whole {total:.0} ms, fetching and decoding {fetching:.0} ms, detecting {detecting:.0} ms, \
             encoding and the way back {:.0} ms",
            total - fetching - detecting
        );
    }
    Ok(())
}

/// The bytes of the answer with all raw points.
async fn raw(url: &str, accept: &str) -> Result<Bytes, host::Error> {
    let text = format!("SELECT \"v\" FROM \"m\" WHERE time >= {FROM_MS}ms AND time < {}ms", TO_MS + 1);
    let fields = [("q", text.as_str()), ("db", "weather"), ("epoch", "ms"), ("chunked", "true")];
    let request = form(client().post(format!("{url}/query")).header("accept", accept), &fields);
    Ok(request.send().await?.error_for_status()?.bytes().await?)
}

/// The same through the source.
async fn fetch(url: &str, format: &str) -> Result<(), host::Error> {
    let settings = Settings {
        source: "influxdb".into(),
        url: url.into(),
        database: "weather".into(),
        ..Settings::default()
    };
    let options: Value = json!({"measurement": "m", "fields": ["v"], "aggregate": "none", "format": format});
    let query = source::connect(&settings)?.prepare(&serde_json::from_value(options)?)?;
    let range = TimeRange { from_ms: FROM_MS, to_ms: TO_MS };
    let fetched = query.fetch(&FetchRequest { range, step_ms: STEP_MS }).await?;
    let points: usize = fetched.series.iter().map(outrider::series::Series::len).sum();
    if points as i64 == POINTS { Ok(()) } else { Err(format!("{points} points came back").into()) }
}

/// Median time of a few rounds, ms.
async fn timed(mut what: impl AsyncFnMut() -> Result<(), host::Error>) -> Result<f64, host::Error> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        what().await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
