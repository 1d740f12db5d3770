//! What is written comes back, exactly.

use std::path::Path;

use outrider::series::TimeRange;
use outrider::source::FetchRequest;
use serde_json::{Value, json};

use crate::fixture::{ALL, BASE_MS, HOSTS, Kinds, MINUTE_MS, STEP_MS, ask_for, cpu, of_host, points};
use crate::host::{self, Plugin};
use crate::sql_servers::PASSWORD;
use crate::victim::Points;

/// The raw rows of a host.
fn raw(host: usize) -> Vec<(i64, Option<f64>)> {
    (0..60).map(|minute| (BASE_MS + minute * MINUTE_MS, cpu(minute, host))).collect()
}

/// One value a step, made of those of its minutes.
fn steps(of: impl Fn(std::ops::Range<i64>) -> Option<f64>) -> Vec<(i64, Option<f64>)> {
    (0..12).map(|step| (BASE_MS + step * STEP_MS, of(step * 5..step * 5 + 5))).collect()
}

fn close(found: &[(i64, Option<f64>)], expected: &[(i64, Option<f64>)], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: {found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.0, expected.0, "{what}");
        match (found.1, expected.1) {
            // The order in which a database adds is its own.
            (Some(found), Some(expected)) => {
                assert!((found - expected).abs() < 1e-9, "{what}: {found} {expected}");
            }
            (found, expected) => assert_eq!(found, expected, "{what}"),
        }
    }
}

#[tokio::test]
async fn raw_rows_come_back_exactly_whatever_the_times_are_stored_as() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        for column in ["at", "wall", "s", "ms", "us", "ns", "iso"] {
            if column == "iso" && kind == Kinds::Mysql {
                // MySQL reads no zone in text.
                continue;
            }
            let fetched = fixture
                .ask(json!({
                    "kind": kind.name(), "table": "metrics", "timeColumn": column, "valueColumns": ["cpu"],
                    "labelColumns": ["host"], "aggregate": "none"
                }))
                .await
                .unwrap_or_else(|error| panic!("{kind:?} {column}: {error}"));
            assert_eq!(fetched.series.len(), 2);
            for (at, host) in HOSTS.iter().enumerate() {
                assert_eq!(points(of_host(&fetched, host, "cpu")), raw(at), "{kind:?} {column}");
            }
            assert_eq!(fetched.notices, Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn the_database_aggregates_by_steps() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        for column in ["at", "wall", "s", "ms", "us", "ns"] {
            for aggregate in ["mean", "max", "min", "sum", "count", "last", "p95"] {
                let options = json!({
                    "kind": kind.name(), "table": "metrics", "timeColumn": column, "valueColumns": ["cpu", "mem"],
                    "labelColumns": ["host"], "aggregate": aggregate
                });
                if aggregate == "p95" && kind != Kinds::Postgresql {
                    let error = fixture.refused(options, outrider::error::Category::Query).await;
                    assert!(error.message().contains("percentiles"), "{error}");
                    continue;
                }
                let what = format!("{kind:?} {column} {aggregate}");
                let fetched = fixture.ask(options).await.unwrap_or_else(|error| panic!("{what}: {error}"));
                for (at, host) in HOSTS.iter().enumerate() {
                    let values = |minutes: std::ops::Range<i64>| -> Vec<f64> {
                        minutes.filter_map(|minute| cpu(minute, at)).collect()
                    };
                    let expected = steps(|minutes| {
                        let some = values(minutes.clone());
                        let count = some.len() as f64;
                        Some(match aggregate {
                            "mean" => some.iter().sum::<f64>() / count,
                            "max" => some.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                            "min" => some.iter().copied().fold(f64::INFINITY, f64::min),
                            "sum" => some.iter().sum(),
                            "count" => count,
                            "last" => return cpu(minutes.end - 1, at),
                            _ => {
                                let place = 0.95 * (count - 1.0);
                                let (low, part) = (place.floor() as usize, place.fract());
                                some[low] + part * (some[(low + 1).min(some.len() - 1)] - some[low])
                            }
                        })
                    });
                    close(&points(of_host(&fetched, host, "cpu")), &expected, &what);
                    let mem = points(of_host(&fetched, host, "mem"));
                    if aggregate == "sum" {
                        close(&mem, &steps(|minutes| Some(minutes.map(|n| n as f64 + 0.25).sum())), &what);
                    }
                    assert_eq!(mem.len(), 12, "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn only_whole_steps_are_asked_for() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        // From within the first step to within the third.
        let range = TimeRange { from_ms: BASE_MS + 1, to_ms: BASE_MS + 3 * STEP_MS - 2 };
        let request = FetchRequest { range, step_ms: STEP_MS };
        let builder = json!({
            "kind": kind.name(), "table": "metrics", "timeColumn": "at", "valueColumns": ["n"], "aggregate": "count"
        });
        let text = json!({
            "kind": kind.name(), "mode": "text",
            "sql": "SELECT $__timeGroupAlias(at), count(n) AS n FROM metrics WHERE $__timeFilter(at) GROUP BY 1 ORDER BY 1"
        });
        for options in [builder, text] {
            let fetched = ask_for(&fixture.settings, options.clone(), &request).await.unwrap();
            assert_eq!(points(&fetched.series[0]), [(BASE_MS + STEP_MS, Some(10.0))], "{kind:?} {options}");
            let short =
                FetchRequest { range: TimeRange { to_ms: BASE_MS + STEP_MS, ..range }, step_ms: STEP_MS };
            assert_eq!(ask_for(&fixture.settings, options, &short).await.unwrap().series.len(), 0);
        }
    }
}

#[tokio::test]
async fn numbers_of_every_type_become_values() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let fetched = fixture
            .ask(json!({
                "kind": kind.name(), "mode": "text",
                "sql": "SELECT at AS time, cpu, mem, n, up FROM metrics WHERE host = 'web-1' ORDER BY at"
            }))
            .await
            .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let names: Vec<&str> = fetched.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["cpu", "mem", "n", "up"], "{kind:?}");
        let minutes = |of: &dyn Fn(i64) -> f64| -> Vec<(i64, Option<f64>)> {
            (0..60).map(|minute| (BASE_MS + minute * MINUTE_MS, Some(of(minute)))).collect()
        };
        assert_eq!(points(&fetched.series[0]), raw(0));
        assert_eq!(points(&fetched.series[1]), minutes(&|minute| minute as f64 + 0.25));
        assert_eq!(points(&fetched.series[2]), minutes(&|minute| minute as f64));
        assert_eq!(points(&fetched.series[3]), minutes(&|minute| f64::from(u8::from(minute % 2 == 0))));
    }
}

#[tokio::test]
async fn raw_statements_know_macros_and_both_formats() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let ask = async |sql: &str, more: Value| {
            let mut options = json!({"kind": kind.name(), "mode": "text", "sql": sql});
            options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            fixture.ask(options).await.unwrap_or_else(|error| panic!("{kind:?} {sql}: {error}"))
        };
        let expected = steps(|minutes| Some(minutes.map(|minute| minute as f64).sum::<f64>() * 2.0));
        for sql in [
            "SELECT $__timeGroup(at, '5m') AS time, sum(n) AS n FROM metrics WHERE $__timeFilter(at) GROUP BY 1 ORDER BY 1",
            "SELECT $__timeGroupAlias(at, $__interval, NULL), sum(n) AS n FROM metrics WHERE at >= $__timeFrom() \
             AND at < $__timeTo() GROUP BY 1 ORDER BY 1;",
            "SELECT $__unixEpochGroup(s, 300s) AS time, sum(n) AS n FROM metrics WHERE $__unixEpochFilter(s) \
             GROUP BY 1 ORDER BY 1 -- a comment",
            "SELECT ms - ms % $__interval_ms AS time, sum(n) AS n FROM metrics \
             WHERE ms BETWEEN $__from AND $__to GROUP BY 1 ORDER BY 1",
        ] {
            let fetched = ask(sql, json!({})).await;
            assert_eq!(points(&fetched.series[0]), expected, "{kind:?} {sql}");
        }
        let fetched =
            ask("SELECT $__time(at), host AS metric, n AS value FROM metrics ORDER BY at", json!({})).await;
        let names: Vec<&str> = fetched.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, [HOSTS[1], HOSTS[0]], "{kind:?}");
        let fetched = ask(
            "SELECT s, n, n AS again, host FROM metrics ORDER BY s",
            json!({"format": "table", "timeColumn": "s", "valueColumns": ["n"], "labelColumns": ["host"]}),
        )
        .await;
        assert_eq!(fetched.series.len(), 2, "{kind:?}");
        assert_eq!(of_host(&fetched, HOSTS[0], "n").times.len(), 60);
        let error = fixture
            .refused(
                json!({"kind": kind.name(), "mode": "text", "format": "table", "timeColumn": "x",
                       "sql": "SELECT s, n FROM metrics"}),
                outrider::error::Category::Query,
            )
            .await;
        assert!(error.to_string().contains("no column \"x\"; its columns are \"s\" and \"n\""), "{error}");
    }
}

#[tokio::test]
async fn times_without_zone_are_in_that_of_the_settings() {
    for kind in [Kinds::Postgresql, Kinds::Sqlite] {
        let Some(fixture) = kind.fixture().await else { continue };
        let mut settings = fixture.settings.clone();
        let mut json = match kind {
            Kinds::Sqlite => {
                let folder = fixture.folder.as_ref().unwrap().path();
                json!({"path": folder.join("metrics.db"), "allowedDirectories": [folder]})
            }
            _ => json!({"sslmode": "disable"}),
        };
        json["timeZone"] = json!("Europe/Berlin");
        settings.own = crate::fixture::own(&json, &[("password", PASSWORD)]);
        let hour = 60 * MINUTE_MS;
        let range = TimeRange { from_ms: BASE_MS - hour, to_ms: BASE_MS - 1 };
        let request = FetchRequest { range, step_ms: STEP_MS };
        let aggregates = if kind == Kinds::Sqlite { &["none"][..] } else { &["none", "count"] };
        for aggregate in aggregates {
            let options = json!({
                "kind": kind.name(), "table": "metrics", "timeColumn": "wall", "valueColumns": ["n"],
                "labelColumns": ["host"], "aggregate": aggregate
            });
            let fetched = if kind == Kinds::Sqlite {
                // Its text is compared as UTC: asked for all, so that the conversion alone is seen.
                let sql = "SELECT wall AS time, n, host FROM metrics ORDER BY 1";
                ask_for(&settings, json!({"kind": "sqlite", "mode": "text", "sql": sql}), &request)
                    .await
                    .unwrap()
            } else {
                ask_for(&settings, options, &request).await.unwrap()
            };
            let times = &of_host(&fetched, HOSTS[0], "n").times;
            assert_eq!(times[0], BASE_MS - hour, "{kind:?} {aggregate}");
            assert_eq!(times.len(), if *aggregate == "count" { 12 } else { 60 });
        }
    }
}

#[tokio::test]
async fn values_come_back_through_the_plugin() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let binary = Path::new(env!("CARGO_BIN_EXE_gpx_outrider"));
        let plugin = Plugin::launch(binary, &[host::ALL_FILES]).await.unwrap();
        let query = json!({
            "version": 1, "step": "1m", "training": "visible-range",
            "source": {"kind": kind.name(), "table": "metrics", "timeColumn": "at", "valueColumns": ["n"],
                       "labelColumns": ["host"], "aggregate": "max"},
            "detector": {"kind": "mad"}
        });
        // To the last row; the minute after it would be a missing one.
        let range = (BASE_MS, BASE_MS + 59 * MINUTE_MS);
        let answer = plugin.query(host::context(&fixture.stored()), range, &query).await.unwrap();
        assert_eq!(answer.error, None, "{kind:?}");
        assert_eq!(answer.frames.len(), 2, "{kind:?}");
        for frame in &answer.frames {
            let expected: Points =
                (0..60).map(|minute| (BASE_MS + minute * MINUTE_MS, Some(minute as f64))).collect();
            assert_eq!(frame.points(), expected, "{kind:?}");
        }
        plugin.shut_down().await.unwrap();
    }
}

/// Large answers of each server, four at a time.
#[tokio::test]
async fn four_of_the_largest_answers_of_a_server_stay_within_the_memory() {
    const MEMORY_MIB: usize = 256;
    const ROWS: i64 = 400_000;
    for kind in [Kinds::Postgresql, Kinds::Mysql] {
        let Some(fixture) = kind.fixture().await else { continue };
        let binary = Path::new(env!("CARGO_BIN_EXE_gpx_outrider"));
        let memory = MEMORY_MIB.to_string();
        let plugin = Plugin::launch(binary, &[("GF_PLUGIN_MEMORY_MIB", &memory)]).await.unwrap();
        let begin = BASE_MS / 1_000;
        let numbers = match kind {
            Kinds::Postgresql => format!("generate_series(1, {ROWS}) AS s(i)"),
            _ => format!("(SELECT seq AS i FROM seq_1_to_{ROWS}) AS s"),
        };
        let sql = format!("SELECT i + {begin} AS time, i % 97 AS n FROM {numbers}");
        let query = |number: usize| {
            json!({
                "version": 1, "step": "1s", "training": "visible-range",
                "source": {"kind": kind.name(), "mode": "text", "sql": sql},
                // Not the same query four times, which would be asked once.
                "detector": {"kind": "z-score", "threshold": 3.0 + number as f64},
            })
        };
        let range = (BASE_MS, BASE_MS + 9_000_000);
        let queries = [query(1), query(2), query(3), query(4)];
        let answered = plugin.ask_at_once(&fixture.stored(), range, &queries).await.unwrap();
        let most = plugin.most_resident_mib().unwrap();
        assert!(most <= MEMORY_MIB, "{kind:?}: {most} MiB");
        assert!(answered > 0, "{kind:?}");
        plugin.shut_down().await.unwrap();
    }
}
