//! Many clients with right, random, hostile and cancelled queries, on upstreams that stall, cut off, hang up and lie.
//!
//! What must hold meanwhile: an answer is right or there is none, nothing panics, the memory stays within its bound, "Save &
//! test" answers within a second, and whoever comes next is served. Everything is drawn from a seed; how it meets in time is
//! not.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use grafana_plugin_sdk::pluginv2::check_health_response::HealthStatus;
use grafana_plugin_sdk::pluginv2::diagnostics_client::DiagnosticsClient;
use grafana_plugin_sdk::pluginv2::{CheckHealthRequest, PluginContext};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::host::{Answer, Error, Plugin, connect, context};

/// How much there is of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Soak {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) time: Duration,
    /// What the plugin is told it may take.
    pub(crate) memory_mib: usize,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Answers and errors by kind of query and category.
    pub(crate) seen: BTreeMap<String, u64>,
    /// What must not be: answers that are not those from before, defects, silence.
    pub(crate) wrong: Vec<String>,
    /// The longest that "Save & test" took.
    pub(crate) slowest_check: Duration,
    pub(crate) checks: u64,
    /// The most memory that the process had.
    pub(crate) most_mib: usize,
}

/// A Sunday in the past, so that nothing is forecast.
const TO: i64 = 1_750_000_000_000;
const DAY: i64 = 86_400_000;
/// Longer than a query may take; an answer that is not there then never comes.
const SILENCE: Duration = Duration::from_secs(90);

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// Runs it against the plugin at `binary`.
pub(crate) async fn run(binary: &Path, soak: Soak) -> Result<Report, Error> {
    let memory = soak.memory_mib.to_string();
    let env = [("GF_PLUGIN_MEMORY_MIB", &*memory), ("GF_PLUGIN_QUERY_SECS", "60"), ("RUST_LOG", "warn")];
    let mut plugin = Plugin::launch(binary, &env).await?;
    let stderr = plugin.stderr.take().ok_or("no standard error")?;
    let panics = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&panics);
    tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            counting.fetch_add(u64::from(line.contains("panicked")), Ordering::Relaxed);
        }
    });
    let url = upstream(soak.seed).await?;
    let plugin = Arc::new(plugin);
    let right = Arc::new(right_answers(&plugin, &url).await?);
    let report = Arc::new(Mutex::new(Report::default()));
    let until = Instant::now() + soak.time;
    let clients: Vec<_> = (0..soak.clients)
        .map(|number| {
            let dice = Dice(soak.seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
            let (plugin, right, report) = (Arc::clone(&plugin), Arc::clone(&right), Arc::clone(&report));
            tokio::spawn(client(plugin, url.clone(), right, report, dice, until))
        })
        .collect();
    // On a thread of its own, so that the work of the clients here does not count.
    let (checked, path) =
        (Arc::clone(&report), plugin.handshake.split('|').nth(3).unwrap_or_default().to_owned());
    let checks = std::thread::spawn(move || -> Result<(), Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(check_health(path, &checked, until))
    });
    for client in clients {
        client.await?;
    }
    checks.join().map_err(|_| "the health checks panicked")??;
    // Whatever has been: the next query is right.
    for (query, expected) in right.iter() {
        let answer = plugin.query(source_of("right", &good(&url)), range(), query).await?;
        if shown(&answer) != *expected {
            lock(&report).wrong.push(format!("afterwards {query} was answered with {:?}", answer.error));
        }
    }
    let process = plugin.child.id().ok_or("the plugin has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let mut report = std::mem::take(&mut *lock(&report));
    report.most_mib = most.trim().trim_end_matches(" kB").parse::<usize>()? / 1024;
    let panics = panics.load(Ordering::Relaxed);
    if panics > 0 {
        report.wrong.push(format!("{panics} panics in the log"));
    }
    Ok(report)
}

fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

fn range() -> (i64, i64) {
    (TO - DAY, TO)
}

/// The data source of that name.
fn source_of(uid: &str, settings: &Value) -> PluginContext {
    let mut context = context(settings);
    if let Some(settings) = &mut context.data_source_instance_settings {
        settings.uid = uid.to_owned();
    }
    context
}

/// A data source on the upstream.
fn good(url: &str) -> Value {
    json!({"url": url, "jsonData": {"source": "http-json", "timeout": 60, "maxConcurrentRequests": 64}})
}

/// Queries whose answers are known, with them.
async fn right_answers(plugin: &Plugin, url: &str) -> Result<Vec<(Value, String)>, Error> {
    let generator = |detector: &str, seed: u64| {
        json!({
            "version": 1, "step": "15m", "trainingWindow": "3d", "refitInterval": "1d", "detector": {"kind": detector},
            "source": {"kind": "generator", "series": ["median", "web-traffic"], "seed": seed},
        })
    };
    let http = |detector: &str| {
        json!({
            "version": 1, "step": "15m", "trainingWindow": "3d", "refitInterval": "1d", "detector": {"kind": detector},
            "source": {"kind": "http-json", "path": "/good", "rows": ""},
        })
    };
    let kinds = ["isolation-forest", "mad", "seasonal", "changepoint", "auto"];
    let queries = kinds.iter().flat_map(|kind| [generator(kind, 1), generator(kind, 2), http(kind)]);
    let mut right = Vec::new();
    for query in queries {
        let answer = plugin.query(source_of("right", &good(url)), range(), &query).await?;
        if let Some(error) = &answer.error {
            return Err(format!("{query}: {error}").into());
        }
        right.push((query, shown(&answer)));
    }
    Ok(right)
}

/// Everything that is shown, but for what is different each time.
fn shown(answer: &Answer) -> String {
    let columns = answer.frames.iter().flat_map(|frame| {
        frame
            .fields
            .iter()
            .map(|field| json!([frame.name, field.name, field.labels, field.values]).to_string())
    });
    columns.collect::<Vec<_>>().join("\n")
}

async fn client(
    plugin: Arc<Plugin>,
    url: String,
    right: Arc<Vec<(Value, String)>>,
    report: Arc<Mutex<Report>>,
    mut dice: Dice,
    until: Instant,
) {
    while Instant::now() < until {
        let (kind, settings, query, expected) = match dice.below(10) {
            0..4 => {
                let (query, expected) = dice.of(&right);
                ("right", good(&url), query.clone(), Some(expected))
            }
            4..7 => ("bad upstream", bad(&url), of_bad_upstream(&mut dice), None),
            _ => ("hostile", json!({}), hostile(&mut dice), None),
        };
        let patience = if dice.below(4) == 0 { Duration::from_millis(dice.below(300)) } else { SILENCE };
        let asked = plugin.query(source_of(kind, &settings), range(), &query);
        let Ok(answered) = tokio::time::timeout(patience, asked).await else {
            let mut report = lock(&report);
            *report.seen.entry(format!("{kind}: cancelled")).or_default() += 1;
            if patience == SILENCE {
                report.wrong.push(format!("no answer within {SILENCE:?} to {query:.300}"));
            }
            continue;
        };
        let mut report = lock(&report);
        let outcome = match &answered {
            Err(error) => {
                report.wrong.push(format!("the request failed: {error}"));
                "no answer".to_owned()
            }
            Ok(answer) => match &answer.error {
                None => "answered".to_owned(),
                Some(error) if error.contains("other queries") => "[limit] others".to_owned(),
                Some(error) if error.contains("answered within") => "[limit] time".to_owned(),
                Some(error) => error.split(' ').next().unwrap_or_default().to_owned(),
            },
        };
        if let Ok(answer) = &answered {
            let is_right = match (&answer.error, expected) {
                (Some(error), _) => error.starts_with('[') && !error.starts_with("[internal]"),
                (None, Some(expected)) => shown(answer) == *expected,
                (None, None) => true,
            };
            if !is_right {
                report.wrong.push(format!("{query:.300} was answered with {:?}", answer.error));
            }
        }
        *report.seen.entry(format!("{kind}: {outcome}")).or_default() += 1;
    }
}

/// A data source that gives up soon.
fn bad(url: &str) -> Value {
    json!({
        "url": url,
        "jsonData": {
            "source": "http-json", "timeout": 2, "retries": 0, "maxConcurrentRequests": 64,
            "maxResponseBytes": 16 << 20,
        }
    })
}

const BAD: [&str; 8] = ["stall", "truncate", "reset", "lie", "bomb", "huge", "status", "noise"];

fn of_bad_upstream(dice: &mut Dice) -> Value {
    // Its own number, so that it is asked and not joined.
    let path = format!("/{}/{}", dice.of(&BAD), dice.below(1 << 30));
    json!({
        "version": 1, "step": "15m", "training": "visible-range", "detector": {"kind": "mad"},
        "source": {"kind": "http-json", "path": path, "rows": ""},
    })
}

fn hostile(dice: &mut Dice) -> Value {
    let mut nested = json!(1);
    for _ in 0..dice.below(100) {
        nested = json!([nested]);
    }
    let detector = match dice.below(12) {
        0 => json!({"kind": "isolation-forest", "nTrees": 10_000, "sampleSize": 65_536}),
        1 => json!({"kind": "isolation-forest", "shingle": 64, "nTrees": 40, "sampleSize": 65_536}),
        2 => {
            json!({"kind": "isolation-forest", "shingle": 16, "features": ["value", "rolling-std", "time-of-day"]})
        }
        3 => json!({"kind": "auto", "sensitivity": 1.0}),
        4 => json!({"kind": "s-h-esd", "maxAnoms": 0.49}),
        5 => json!({"kind": "seasonal", "periods": ["1d", "7d"]}),
        6 => json!({"kind": "mad", "window": "1d", "threshold": 0.001}),
        7 => json!({"kind": "peers", "sensitivity": 0.9}),
        8 => json!({"kind": "changepoint"}),
        9 => json!({"kind": "mad", "threshold": nested}),
        10 => json!({"kind": "x".repeat(dice.below(100_000) as usize)}),
        _ => json!({"kind": "iqr", "factor": -1e308}),
    };
    let step = dice.of(&["1s", "7s", "1m", "15m", "1h", "0s", "1ms", "99999999999999d", "-1m"]);
    let window = dice.of(&["1h", "1d", "7d", "30d", "400d"]);
    let refit = dice.of(&["1m", "1h", "1d", "7d"]);
    json!({
        "version": dice.of(&[1, 1, 1, 2, -1]), "step": step, "trainingWindow": window, "refitInterval": refit,
        "detector": detector, "output": dice.of(&["all", "events", "state", "series", "alert"]),
        "source": {"kind": "generator", "series": ["median", "sine", "cosine"], "seed": dice.below(1 << 20)},
    })
}

async fn check_health(path: String, report: &Mutex<Report>, until: Instant) -> Result<(), Error> {
    let mut client = DiagnosticsClient::new(connect(path).await?);
    let mut look = tokio::time::interval(Duration::from_millis(250));
    while Instant::now() < until {
        look.tick().await;
        let begun = Instant::now();
        let request =
            CheckHealthRequest { plugin_context: Some(context(&json!({}))), headers: Default::default() };
        let health = client.check_health(request).await;
        let took = begun.elapsed();
        let mut report = lock(report);
        report.checks += 1;
        report.slowest_check = report.slowest_check.max(took);
        if !health.is_ok_and(|health| health.get_ref().status() == HealthStatus::Ok) {
            report.wrong.push("\"Save & test\" failed".to_owned());
        }
    }
    Ok(())
}

/// An upstream whose answer is that of its path.
async fn upstream(seed: u64) -> Result<String, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let bodies = Arc::new(Bodies::new()?);
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let dice = Dice(seed ^ number);
            tokio::spawn(serve(stream, Arc::clone(&bodies), dice));
        }
    });
    Ok(url)
}

struct Bodies {
    good: String,
    huge: String,
    bomb: Vec<u8>,
}

impl Bodies {
    fn new() -> Result<Self, Error> {
        let row = |slot: i64| {
            let time = TO - 5 * DAY + slot * 900_000;
            json!([time, ((slot * 7_919) % 101) as f64 / 10.0 + if slot % 97 == 0 { 50.0 } else { 0.0 }])
        };
        let good = json!((0..6 * 96).map(row).collect::<Vec<_>>()).to_string();
        let huge =
            json!((0..300_000).map(|row| json!([TO - row * 1_000, 1.5])).collect::<Vec<_>>()).to_string();
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..1_000 {
            packer.write_all(&[b' '; 1 << 16])?;
        }
        Ok(Self { good, huge, bomb: packer.finish()? })
    }
}

/// Answers the requests of one connection, until one is answered badly.
async fn serve(mut stream: TcpStream, bodies: Arc<Bodies>, mut dice: Dice) {
    let mut seen = Vec::new();
    loop {
        while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read_buf(&mut seen).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&std::mem::take(&mut seen)).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let answer = |status: &str, header: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{header}\r\n", body.len());
            [head.as_bytes(), body].concat()
        };
        let written = match path.split('/').nth(1).and_then(|mode| mode.split('?').next()) {
            Some("good") => answer("200 OK", "", bodies.good.as_bytes()),
            Some("huge") => answer("200 OK", "", bodies.huge.as_bytes()),
            Some("bomb") => answer("200 OK", "Content-Encoding: gzip\r\n", &bodies.bomb),
            Some("status") => answer(
                ["401 No", "429 Slow", "500 Bad", "302 Gone"][dice.below(4) as usize],
                "Location: http://x/\r\n",
                b"no",
            ),
            Some("noise") => (0..10_000).map(|_| dice.below(256) as u8).collect(),
            Some("lie") => {
                let lies: [&[u8]; 6] = [
                    b"[[1e400, 1], [null, \"NaN\"], [9223372036854775807, -1e308]]",
                    b"{\"rows\": 1}",
                    b"[[\"2025-06-15T00:00:00Z\", {}], []]",
                    b"",
                    b"[[[[[[[[",
                    b"\xff\xfe[]",
                ];
                answer("200 OK", "", lies[dice.below(6) as usize])
            }
            Some("truncate") => {
                let whole = answer("200 OK", "", bodies.good.as_bytes());
                let end = dice.below(whole.len() as u64) as usize;
                let _ = stream.write_all(&whole[..end]).await;
                return;
            }
            Some("stall") => {
                let whole = answer("200 OK", "", bodies.good.as_bytes());
                let _ = stream.write_all(&whole[..dice.below(2_000) as usize]).await;
                // Until the other side has had enough.
                let _ = stream.read_buf(&mut seen).await;
                return;
            }
            _ => return,
        };
        if stream.write_all(&written).await.is_err() {
            return;
        }
    }
}
