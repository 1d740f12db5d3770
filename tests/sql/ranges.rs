//! A point has the same value whatever else is asked for: what was read while time went on equals what is read at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use outrider::engine::{Clock, Engine, Job, Outcome, Scope, Workers};
use outrider::error::Category;
use outrider::query::Query;
use outrider::series::{Series, TimeRange};
use outrider::source::{self, AnySource};
use serde_json::{Value, json};

use crate::fixture::{ALL, BASE_MS, Kinds, MINUTE_MS};

async fn outcome(engine: &Engine, source: &Arc<dyn AnySource>, query: &Query, now_ms: i64) -> Arc<Outcome> {
    let visible = TimeRange { from_ms: now_ms - 20 * MINUTE_MS, to_ms: now_ms };
    let job = Job { query: query.clone(), visible, max_data_points: 500 };
    engine.run(job, source, Scope::default()).await.unwrap()
}

fn bits(outcome: &Outcome) -> Vec<(String, Vec<(i64, u64)>)> {
    let of_value = |value: &f64| if value.is_nan() { u64::MAX } else { value.to_bits() };
    let of_series = |series: &Series| {
        let points = series.times.iter().copied().zip(series.values.iter().map(of_value)).collect();
        (format!("{} {:?}", series.name, series.labels), points)
    };
    outcome.detections.iter().map(|detection| of_series(&detection.series)).collect()
}

#[tokio::test]
async fn a_statement_is_the_same_refreshed_as_fresh() {
    let group = "$__timeGroup(at, '1m')";
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let mut differs_in_slices = 0;
        let statements = [
            ("SELECT at AS time, host, cpu FROM metrics WHERE $__timeFilter(at)".to_owned(), false),
            (format!("SELECT {group} AS time, host, avg(cpu) AS cpu FROM metrics WHERE $__timeFilter(at) GROUP BY 1, 2"), false),
            (
                "SELECT at AS time, host, cpu - lag(cpu) OVER (PARTITION BY host ORDER BY at) AS rise FROM metrics WHERE $__timeFilter(at)".to_owned(),
                true,
            ),
            ("SELECT at AS time, host, sum(cpu) OVER (PARTITION BY host ORDER BY at) AS total FROM metrics WHERE $__timeFilter(at)".to_owned(), true),
            ("SELECT at AS time, host, cpu - (SELECT avg(cpu) FROM metrics WHERE $__timeFilter(at)) AS off FROM metrics WHERE $__timeFilter(at)".to_owned(), true),
            ("SELECT at AS time, host, cpu FROM metrics WHERE $__timeFilter(at) ORDER BY at DESC LIMIT 30".to_owned(), true),
            ("SELECT max(at) AS time, avg(cpu) AS cpu FROM metrics WHERE $__timeFilter(at)".to_owned(), true),
        ];
        for (sql, is_whole) in statements {
            let query = json!({
                "source": {"mode": "text", "sql": sql}, "step": "1m", "trainingWindow": "20m", "refitInterval": "5m", "detector": {"kind": "mad"},
            });
            let query = Query::parse(query.to_string().as_bytes()).unwrap();
            let source = source::connect(&fixture.settings).unwrap();
            let now_ms = Arc::new(AtomicI64::new(BASE_MS + 41 * MINUTE_MS));
            let clock = || {
                let now_ms = Arc::clone(&now_ms);
                Clock::new(move || now_ms.load(Ordering::SeqCst))
            };
            let warm = Engine::new(Workers::default(), 64 << 20, clock());
            let mut last = Vec::new();
            for _ in 0..5 {
                let now = now_ms.fetch_add(137_000, Ordering::SeqCst) + 137_000;
                last = bits(&*outcome(&warm, &source, &query, now).await);
            }
            let engine = Engine::new(Workers::default(), 0, clock());
            let fresh = outcome(&engine, &source, &query, now_ms.load(Ordering::SeqCst)).await;
            assert_eq!(last, bits(&fresh), "{kind:?} {sql}");
            assert!(!last.is_empty(), "{kind:?} {sql}");
            let told = fresh.notices.iter().any(|notice| notice.contains("depend on the time range"));
            assert_eq!(told, is_whole, "{kind:?} {sql} {:?}", fresh.notices);
            differs_in_slices += usize::from(is_whole);
        }
        assert_eq!(differs_in_slices, 5);
    }
}

#[tokio::test]
async fn random_numbers_are_refused() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    let query: Value = json!({"source": {"mode": "text", "sql": "SELECT at AS time, random() AS v FROM metrics WHERE $__timeFilter(at)"}});
    let query = Query::parse(query.to_string().as_bytes()).unwrap();
    let source = source::connect(&fixture.settings).unwrap();
    let visible = TimeRange { from_ms: BASE_MS, to_ms: BASE_MS + MINUTE_MS };
    let engine = Engine::new(Workers::default(), 0, Clock::system());
    let error =
        engine.run(Job { query, visible, max_data_points: 9 }, &source, Scope::default()).await.unwrap_err();
    assert!(
        error.category() == Category::Query && error.message().contains("random(), which is something else"),
        "{error}"
    );
}
