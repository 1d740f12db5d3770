//! Times a million points of a local InfluxDB and a local PostgreSQL through the plugin, a fleet of a local Prometheus, and
//! where the time goes:
//! `cargo build --release --bins && cargo run --release --example upstream_bench -- target/release/gpx_outrider`, and
//! `influxdb`, `postgresql` or `prometheus` after it for one of them.
//!
//! `influxd`, `postgres` and `prometheus` must be installed. The first two are loaded with a million points of one series,
//! ten seconds apart, all of which a panel then asks for. Prometheus has a hundred series with a point each 15 seconds, of
//! which a panel shows six hours, judged by `auto`; *upstream* is the same time with all that it learns from, asked in
//! as few requests as the server takes. Printed are, as the median of five (Prometheus: three), in ms:
//!
//! - *upstream*: how long the server takes to answer the same question to a client that throws the answer away: the
//!   body of one HTTP answer, or `psql` copying to nowhere;
//! - *whole*: the query through the plugin binary over gRPC, the plugin newly started, so that its cache knows nothing;
//! - *fetch*, *decode*, *detect*, *encode*: the plugin's own figures. Fetching is waiting and decoding together, many slices at
//!   once; *decode* is what decoding took, all slices together; *encode* is making frames and their bytes;
//! - *of upstream*: what decoding and encoding are of it;
//! - *CPU*: all that the plugin has used for the query, on all cores, the kernel's part of receiving among it.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints its answer")]

#[path = "../tests/support/host.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod host;
#[path = "../tests/support/influxdb_server.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod influxdb_server;
#[path = "../tests/support/prometheus_server.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod prometheus_server;
#[path = "../tests/support/server.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod server;
#[path = "../tests/support/sql_servers.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod sql_servers;
#[path = "../tests/support/upstream_server.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod upstream_server;
#[path = "../tests/support/upstream_tls.rs"]
#[expect(dead_code, reason = "shared with tests, which use other parts")]
mod upstream_tls;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use grafana_plugin_sdk::pluginv2::CollectMetricsRequest;
use grafana_plugin_sdk::pluginv2::diagnostics_client::DiagnosticsClient;
use outrider::detector;
use outrider::query::{Direction, Kind};
use serde_json::{Value, json};

use crate::host::{Plugin, context};
use crate::influxdb_server::{InfluxDbConfig, client, form, influxdb};
use crate::prometheus_server::PrometheusServer;
use crate::sql_servers::{ADMIN, PASSWORD, Server};

type Result<T> = std::result::Result<T, host::Error>;

const POINTS: i64 = 1_000_000;
const STEP_MS: i64 = 10_000;
/// 2023-11-14T22:20:00Z.
const FROM_MS: i64 = 1_700_000_400_000;
const TO_MS: i64 = FROM_MS + POINTS * STEP_MS - 1;
const MILLION: (i64, i64) = (FROM_MS, TO_MS);
const ROUNDS: usize = 5;
const FLEET_ROUNDS: usize = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(
        arguments.next().ok_or("usage: upstream_bench PLUGIN [influxdb|postgresql|prometheus]")?,
    );
    let chosen = arguments.next();
    let is_wanted = |name: &str| chosen.as_deref().is_none_or(|chosen| chosen == name);
    println!("| answer | upstream | whole | fetch | decode | detect | encode | of upstream | CPU |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    if is_wanted("influxdb") {
        influxdb_lines(&binary).await?;
    }
    if is_wanted("postgresql") {
        postgresql_line(&binary).await?;
    }
    if is_wanted("prometheus") {
        prometheus_line(&binary).await?;
    }
    Ok(())
}

/// The value of a point: a wave with a little noise, written with all its digits.
fn value(i: i64) -> f64 {
    20.0 + 5.0 * (i as f64 / 1_375.0).sin() + (i * 7_919 % 1_000) as f64 / 1_000.0
}

async fn influxdb_lines(binary: &Path) -> Result<()> {
    let server = influxdb(&InfluxDbConfig::default()).ok_or("influxd is not installed")?;
    let create = [("q", "CREATE DATABASE weather")];
    form(client().post(format!("{}/query", server.url)), &create).send().await?.error_for_status()?;
    for part in 0..POINTS / 10_000 {
        let line = |i: i64| format!("m,host=a v={:?} {}\n", value(i), (FROM_MS + i * STEP_MS) * 1_000_000);
        let lines: String = (part * 10_000..(part + 1) * 10_000).map(line).collect();
        let write = client().post(format!("{}/write?db=weather", server.url)).body(lines);
        write.send().await?.error_for_status()?;
    }
    let own = json!({"url": server.url, "jsonData": {"source": "influxdb", "database": "weather"}});
    let text = format!("SELECT \"v\" FROM \"m\" WHERE time >= {FROM_MS}ms AND time < {}ms", TO_MS + 1);
    for (format, accept) in [("json", "application/json"), ("csv", "application/csv")] {
        let upstream = timed(ROUNDS, async || {
            let fields = [("q", text.as_str()), ("db", "weather"), ("epoch", "ms"), ("chunked", "true")];
            let request =
                form(client().post(format!("{}/query", server.url)).header("accept", accept), &fields);
            let mut answer = request.send().await?.error_for_status()?;
            while answer.chunk().await?.is_some() {}
            Ok(())
        })
        .await?;
        let source = json!({"measurement": "m", "fields": ["v"], "aggregate": "none", "format": format});
        line(
            &format!("InfluxDB, {format}"),
            upstream,
            &through_plugin(binary, &own, &million(&source), MILLION, ROUNDS).await?,
        );
    }
    Ok(())
}

async fn postgresql_line(binary: &Path) -> Result<()> {
    let server = Server::postgresql().ok_or("postgres is not installed")?;
    psql(
        &server,
        &format!(
            "CREATE TABLE m (at TIMESTAMPTZ PRIMARY KEY, v DOUBLE PRECISION); INSERT INTO m SELECT \
             to_timestamp(({FROM_MS} + i * {STEP_MS}) / 1000.0), 20 + 5 * sin(i / 1375.0) + (i * 7919 % 1000) / 1000.0 \
             FROM generate_series(0::BIGINT, {POINTS} - 1) AS i; VACUUM ANALYZE m"
        ),
    )
    .await?;
    let upstream = timed(ROUNDS, async || {
        psql(&server, "\\copy (SELECT at, v FROM m ORDER BY at) TO '/dev/null'").await
    })
    .await?;
    let own = json!({
        "url": format!("localhost:{}", server.port),
        "user": ADMIN,
        "jsonData": {"source": "postgresql", "database": "postgres", "sslmode": "disable"},
        "secureJsonData": {"password": PASSWORD},
    });
    let source = json!({"table": "m", "timeColumn": "at", "valueColumns": ["v"], "aggregate": "none"});
    line("PostgreSQL", upstream, &through_plugin(binary, &own, &million(&source), MILLION, ROUNDS).await?);
    Ok(())
}

/// Series of the fleet, the distance of their points, and the time that a panel shows.
const FLEET: i64 = 100;
const FLEET_STEP_MS: i64 = 15_000;
const FLEET_SHOWN_MS: i64 = 6 * 3_600_000;
/// Points that Prometheus gives of a series in one answer.
const FLEET_ASKED: i64 = 11_000;

async fn prometheus_line(binary: &Path) -> Result<()> {
    let auto = detector::build(&Kind::default(), Direction::Both)?.detector;
    let before_ms = auto.default_training(FLEET_STEP_MS).0 + auto.reach(FLEET_STEP_MS).lookback_ms;
    let from_ms = (TO_MS - FLEET_SHOWN_MS - before_ms) / FLEET_STEP_MS * FLEET_STEP_MS;
    let points = (TO_MS - from_ms) / FLEET_STEP_MS;
    let mut text = String::from("# TYPE load gauge\n");
    for series in 0..FLEET {
        for i in 0..points {
            let (value, at) = (value(i + 37 * series), (from_ms + i * FLEET_STEP_MS) / 1_000);
            writeln!(text, "load{{host=\"{series}\"}} {value:.3} {at}")?;
        }
    }
    text += "# EOF\n";
    let server = PrometheusServer::start(&text, None, &[]).ok_or("prometheus is not installed")?;
    drop(text);
    let upstream = timed(FLEET_ROUNDS, async || {
        for begin in (0..points).step_by(FLEET_ASKED as usize) {
            let at = |i: i64| ((from_ms + i * FLEET_STEP_MS) / 1_000).to_string();
            let end = (begin + FLEET_ASKED).min(points) - 1;
            let step = (FLEET_STEP_MS / 1_000).to_string();
            let fields = [("query", "load"), ("start", &at(begin)), ("end", &at(end)), ("step", &step)];
            let request = form(client().post(format!("{}/api/v1/query_range", server.url)), &fields);
            let mut answer = request.send().await?.error_for_status()?;
            while answer.chunk().await?.is_some() {}
        }
        Ok(())
    })
    .await?;
    let own = json!({"url": server.url, "jsonData": {"source": "prometheus"}});
    let query = json!({"version": 1, "step": "15s", "source": {"kind": "prometheus", "expr": "load"}});
    let shown = (TO_MS - FLEET_SHOWN_MS + 1, TO_MS);
    let parts = through_plugin(binary, &own, &query, shown, FLEET_ROUNDS).await?;
    line(&format!("Prometheus, {FLEET} × {points} points, auto"), upstream, &parts);
    Ok(())
}

/// Runs statements, each in a transaction of its own.
async fn psql(server: &Server, statements: &str) -> Result<()> {
    let mut command = tokio::process::Command::new("psql");
    command.args([
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        "--host=localhost",
        "--dbname=postgres",
    ]);
    command.arg(format!("--port={}", server.port)).arg(format!("--username={ADMIN}"));
    command.env("PGPASSWORD", PASSWORD).env("PGSSLMODE", "disable");
    for statement in statements.split("; ") {
        command.arg("--command").arg(statement);
    }
    let status = command.status().await?;
    if status.success() { Ok(()) } else { Err(format!("psql: {status}").into()) }
}

/// What a query through the plugin took, in ms.
#[derive(Clone, Copy)]
struct Parts {
    whole: f64,
    fetch: f64,
    decode: f64,
    detect: f64,
    encode: f64,
    cpu: f64,
}

/// A query for all of the million points.
fn million(source: &Value) -> Value {
    json!({
        "version": 1, "step": "10s", "training": "visible-range", "detector": {"kind": "isolation-forest"}, "source": source,
    })
}

async fn through_plugin(
    binary: &Path,
    own: &Value,
    query: &Value,
    range: (i64, i64),
    count: usize,
) -> Result<Parts> {
    let mut rounds = Vec::new();
    for _ in 0..count {
        let plugin = Plugin::launch(binary, &[host::ALL_FILES]).await?;
        let process = plugin.child.id().ok_or("the plugin has ended")?;
        let (before, begun) = (cpu_ms(process)?, Instant::now());
        let answer = plugin.query(context(own), range, query).await?;
        let whole = begun.elapsed().as_secs_f64() * 1e3;
        let cpu = cpu_ms(process)? - before;
        if let Some(error) = answer.error {
            return Err(error.into());
        }
        let custom = &answer.frames[0].meta["custom"]["outrider"];
        let points = custom["points"].as_i64();
        let wanted = if range == MILLION { POINTS } else { FLEET * FLEET_SHOWN_MS / FLEET_STEP_MS };
        if points != Some(wanted) {
            return Err(format!("{points:?} points came back").into());
        }
        let timing = |part: &str| custom["timingsMs"][part].as_f64().ok_or("the answer has no timings");
        let encode = encode_ms(&plugin).await?;
        let (fetch, decode, detect) = (timing("fetch")?, timing("decode")?, timing("detect")?);
        rounds.push(Parts { whole, fetch, decode, detect, encode, cpu });
    }
    let of = |part: fn(&Parts) -> f64| median(rounds.iter().map(part).collect());
    Ok(Parts {
        whole: of(|parts| parts.whole),
        fetch: of(|parts| parts.fetch),
        decode: of(|parts| parts.decode),
        detect: of(|parts| parts.detect),
        encode: of(|parts| parts.encode),
        cpu: of(|parts| parts.cpu),
    })
}

/// What making and encoding frames has taken so far; an answer cannot hold its own.
async fn encode_ms(plugin: &Plugin) -> Result<f64> {
    let mut client = DiagnosticsClient::new(plugin.channel.clone());
    let answer = client.collect_metrics(CollectMetricsRequest::default()).await?.into_inner();
    let metrics = String::from_utf8(answer.metrics.ok_or("the plugin has no metrics")?.prometheus)?;
    let sum =
        metrics.lines().find_map(|line| line.split_once("_encode_seconds_sum")?.1.split(' ').next_back());
    Ok(sum.ok_or("the plugin does not measure encoding")?.parse::<f64>()? * 1e3)
}

/// CPU time that all threads of a process have used so far, in its own and in the kernel's code, ms.
fn cpu_ms(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in brackets, may hold blanks.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks * 1e3 / rustix::param::clock_ticks_per_second() as f64)
}

fn line(name: &str, upstream: f64, parts: &Parts) {
    let Parts { whole, fetch, decode, detect, encode, cpu } = parts;
    let share = (decode + encode) / upstream * 100.0;
    println!(
        "| {name} | {upstream:.0} | {whole:.0} | {fetch:.0} | {decode:.0} | {detect:.0} | {encode:.0} | {share:.0} % | {cpu:.0} |"
    );
}

/// Median time of a few rounds, ms.
async fn timed(rounds: usize, mut what: impl AsyncFnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..rounds {
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
