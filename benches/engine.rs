//! The engine from an upstream's points to verdicts, with nothing known (cold) and with everything known (warm):
//! `cargo bench --bench engine`. `OUTRIDER_DETECTOR` names the kind of detector; without it, the default one is timed.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use outrider::detector::DETECTORS;
use outrider::engine::{Clock, DEFAULT_CACHE_BYTES, Engine, Job, Scope, Workers};
use outrider::error::Result;
use outrider::query::Query;
use outrider::series::{Labels, Series, TimeRange};
use outrider::settings::Settings;
use outrider::source::{AnySource, FetchRequest, Fetched, Reached, Source};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
const STEP: i64 = 5 * MINUTE;
/// Begin of a day.
const END: i64 = 20_000 * DAY;

/// An upstream that costs nothing: it hands out copies of series made before.
struct Ready(Vec<Series>);

#[async_trait]
impl Source for Ready {
    const KIND: &'static str = "ready";
    const LABEL: &'static str = "Ready";
    const DESCRIPTION: &'static str = "Series of a benchmark";
    type Options = serde_json::Value;

    fn connect(_settings: &Settings) -> Result<Self> {
        Ok(Self(Vec::new()))
    }

    async fn fetch(&self, _options: &Self::Options, _request: &FetchRequest) -> Result<Fetched> {
        Ok(Fetched { series: self.0.clone(), step_ms: Some(STEP), ..Fetched::default() })
    }

    async fn check(&self) -> Result<Reached> {
        Ok(Reached { message: String::new(), details: String::new() })
    }
}

/// Daily waves with noise and a spike now and then, ending at [`END`].
fn upstream(series: usize, points: i64) -> Arc<dyn AnySource> {
    let mut state = 1_u64;
    let mut roll = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut value = |time: i64| {
        let phase = time.rem_euclid(DAY) as f64 / DAY as f64;
        let spike = if roll() < 0.005 { 5.0 } else { 0.0 };
        10.0 + 4.0 * (std::f64::consts::TAU * phase).sin() + roll() + spike
    };
    let all = (0..series).map(|number| {
        let points =
            (1..=points).rev().map(|slot| END - slot * STEP).map(|time| (time, value(time))).collect();
        let labels = Labels::from([("host".to_owned(), format!("host-{number}"))]);
        Series::from_points("load".to_owned(), labels, points).0
    });
    Arc::new(Ready(all.collect()))
}

struct Asked {
    runtime: tokio::runtime::Runtime,
    upstream: Arc<dyn AnySource>,
    query: Query,
    visible: TimeRange,
    threads: usize,
}

impl Asked {
    fn new(series: usize, points: i64, days: i64, options: &str) -> Self {
        let detector = std::env::var("OUTRIDER_DETECTOR").unwrap_or_else(|_| DETECTORS[0].kind.to_owned());
        let json = format!(r#"{{"step":"5m","detector":{{"kind":"{detector}"}}{options}}}"#);
        Self {
            runtime: tokio::runtime::Runtime::new().expect("a runtime"),
            upstream: upstream(series, points),
            query: Query::parse(json.as_bytes()).expect("a query"),
            visible: TimeRange { from_ms: END - days * DAY, to_ms: END - 1 },
            threads: 1,
        }
    }

    fn engine(&self) -> Engine {
        let threads = NonZeroUsize::new(self.threads).unwrap_or(NonZeroUsize::MIN);
        // An hour later, everything has settled.
        Engine::new(Workers::new(threads), DEFAULT_CACHE_BYTES, Clock::new(|| END + 12 * STEP))
    }

    fn ask(&self, engine: &Engine) -> usize {
        let job = Job { query: self.query.clone(), visible: self.visible, max_data_points: 1_000 };
        let outcome = self.runtime.block_on(engine.run(job, &self.upstream, Scope::default()));
        outcome.expect("an answer").detections.len()
    }
}

fn cold_and_warm(criterion: &mut Criterion, name: &str, asked: &Asked) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10);
    group.bench_function("cold", |bencher| {
        bencher.iter_with_setup(|| asked.engine(), |engine| asked.ask(&engine));
    });
    let engine = asked.engine();
    asked.ask(&engine);
    group.bench_function("warm", |bencher| bencher.iter(|| asked.ask(&engine)));
    group.finish();
}

const DAILY: &str = r#","trainingWindow":"7d","refitInterval":"1d""#;

/// What a panel of a month costs.
fn month(criterion: &mut Criterion) {
    let asked = Asked::new(1, 37 * 288, 30, DAILY);
    cold_and_warm(criterion, "30 days at 5 minutes, 7 days of training, daily blocks, one thread", &asked);
    let asked = Asked::new(1, 37 * 288, 30, "");
    cold_and_warm(criterion, "30 days at 5 minutes, the detector's own training, one thread", &asked);
}

/// What a fleet costs: a week of training and a day to judge are 2,304 points each, of which 2,016 are trained on.
fn fleet(criterion: &mut Criterion) {
    let asked = Asked { threads: 2, ..Asked::new(500, 8 * 288, 1, DAILY) };
    cold_and_warm(criterion, "500 series x 2,016 training points and a day, two threads", &asked);
    let asked = Asked { threads: 2, ..Asked::new(500, 8 * 288, 1, "") };
    cold_and_warm(
        criterion,
        "500 series x a week and a day, the detector's own training, two threads",
        &asked,
    );
}

fn growth(criterion: &mut Criterion) {
    let mut time = |name: &str, cases: &[(usize, Asked)]| {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for (size, asked) in cases {
            group.throughput(Throughput::Elements(*size as u64));
            group.bench_with_input(BenchmarkId::from_parameter(size), asked, |bencher, asked| {
                bencher.iter_with_setup(|| asked.engine(), |engine| asked.ask(&engine));
            });
        }
        group.finish();
    };
    // One block: a window of as many days, and a day to judge.
    let points = [7, 28, 112].map(|days: i64| {
        (
            days as usize * 288,
            Asked::new(
                1,
                (days + 1) * 288,
                1,
                &format!(r#","trainingWindow":"{days}d","refitInterval":"1d""#),
            ),
        )
    });
    time("growth with training points, one block", &points);
    let series = [1, 10, 100].map(|series| (series, Asked::new(series, 8 * 288, 1, DAILY)));
    time("growth with series, one block each", &series);
    let blocks = [1, 10, 100].map(|days| (days as usize, Asked::new(1, (days + 7) * 288, days, DAILY)));
    time("growth with blocks, one series", &blocks);
}

criterion_group!(benches, month, fleet, growth);
criterion_main!(benches);
