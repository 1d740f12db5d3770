//! Columns of times of every type, at the borders of ranges, and where clocks change.

use std::sync::Arc;

use outrider::error::Category;
use outrider::series::TimeRange;
use outrider::settings::Settings;
use outrider::source::{self, FetchRequest};
use serde_json::{Value, json};

use crate::fixture::{ALL, BASE_MS, Fixture, Kinds, MINUTE_MS, ask_for, own, points};
use crate::sql_servers::PASSWORD;

const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2023-11-13.
const MIDNIGHT_MS: i64 = 1_699_833_600_000;

fn options(fixture: &Fixture, more: &Value) -> Value {
    let mut options =
        json!({"kind": fixture.kind.name(), "table": "times", "timeColumn": "t", "valueColumns": ["n"]});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn in_zone(fixture: &Fixture, zone: &str) -> Settings {
    let own = own(&json!({"sslmode": "disable", "timeZone": zone}), &[("password", PASSWORD)]);
    Settings { own, ..fixture.settings.clone() }
}

/// A table `times` whose rows have these times, and count them.
async fn table<T: std::fmt::Display>(fixture: &Fixture, of: &str, times: impl IntoIterator<Item = T>) {
    fixture.write("DROP TABLE IF EXISTS times").await;
    fixture.write(&format!("CREATE TABLE times (t {of}, n BIGINT)")).await;
    let rows: Vec<String> =
        times.into_iter().enumerate().map(|(at, time)| format!("({time}, {at})")).collect();
    fixture.write(&format!("INSERT INTO times VALUES {}", rows.join(", "))).await;
}

fn iso(ms: i64, format: &str) -> String {
    chrono::DateTime::from_timestamp_millis(ms).unwrap().format(format).to_string()
}

#[tokio::test]
async fn seconds_of_32_bits_are_aggregated() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        table(&fixture, "INTEGER", [BASE_MS / 1_000, BASE_MS / 1_000 + 60]).await;
        let group = "SELECT $__unixEpochGroup(t) AS time, max(n) AS n FROM times WHERE $__unixEpochFilter(t) GROUP BY 1";
        for more in [
            json!({"aggregate": "mean"}),
            json!({"aggregate": "last"}),
            json!({"aggregate": "none"}),
            json!({"mode": "text", "sql": group}),
        ] {
            let fetched = fixture.ask(options(&fixture, &more)).await;
            let fetched = fetched.unwrap_or_else(|error| panic!("{kind:?} {more}: {error}"));
            assert_eq!(fetched.series[0].times[0], BASE_MS, "{kind:?} {more}");
        }
    }
}

#[tokio::test]
async fn days_are_found_wherever_a_range_begins() {
    let days: Vec<i64> = (0..73).map(|day| MIDNIGHT_MS + day * DAY_MS).collect();
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        table(&fixture, "DATE", days.iter().map(|ms| iso(*ms, "'%Y-%m-%d'"))).await;
        for more in [
            json!({"aggregate": "mean"}),
            json!({"aggregate": "none"}),
            json!({"mode": "text", "sql": "SELECT t AS time, n FROM times WHERE $__timeFilter(t)"}),
        ] {
            // Slices of a width that is no day, as those of steps of a minute are.
            let (mut found, mut from_ms) = (Vec::new(), MIDNIGHT_MS - 10 * HOUR_MS);
            while from_ms < days[72] + DAY_MS {
                let to_ms = from_ms + 10_000 * MINUTE_MS;
                let request =
                    FetchRequest { range: TimeRange { from_ms, to_ms: to_ms - 1 }, step_ms: MINUTE_MS };
                let fetched = ask_for(&fixture.settings, options(&fixture, &more), &request).await.unwrap();
                found.extend(fetched.series.iter().flat_map(|series| series.times.clone()));
                from_ms = to_ms;
            }
            assert_eq!(found, days, "{kind:?} {more}");
        }
    }
}

#[tokio::test]
async fn today_is_found_in_a_column_of_days() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        table(&fixture, "DATE", [iso(MIDNIGHT_MS, "'%Y-%m-%d'")]).await;
        let range = TimeRange { from_ms: MIDNIGHT_MS - DAY_MS, to_ms: MIDNIGHT_MS + 14 * HOUR_MS };
        let request = FetchRequest { range, step_ms: MINUTE_MS };
        for aggregate in ["mean", "none"] {
            let options = options(&fixture, &json!({"aggregate": aggregate}));
            let fetched = ask_for(&fixture.settings, options, &request).await.unwrap();
            assert_eq!(fetched.series[0].times, [MIDNIGHT_MS], "{kind:?} {aggregate}");
        }
    }
}

#[tokio::test]
async fn text_is_compared_as_the_time_it_is() {
    // 36 hours of quarters, over two midnights.
    let times: Vec<i64> = (0..144).map(|at| MIDNIGHT_MS - 6 * HOUR_MS + at * 15 * MINUTE_MS).collect();
    let range = TimeRange { from_ms: times[0], to_ms: times[143] + 15 * MINUTE_MS - 1 };
    let request = FetchRequest { range, step_ms: 15 * MINUTE_MS };
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        for format in ["'%Y-%m-%dT%H:%M:%S'", "'%Y-%m-%d %H:%M:%S'", "'%Y-%m-%dT%H:%M:%SZ'"] {
            if kind == Kinds::Mysql && format.contains('Z') {
                // MySQL reads no zone in text.
                continue;
            }
            table(&fixture, "VARCHAR(40)", times.iter().map(|ms| iso(*ms, format))).await;
            for more in [
                json!({"aggregate": "mean"}),
                json!({"aggregate": "none"}),
                json!({"mode": "text", "sql": "SELECT t AS time, n FROM times WHERE $__timeFilter(t)"}),
                json!({"mode": "text",
                       "sql": "SELECT $__timeGroup(t) AS time, sum(n) AS n FROM times WHERE $__timeFilter(t) GROUP BY 1"}),
            ] {
                let fetched = ask_for(&fixture.settings, options(&fixture, &more), &request).await;
                let fetched = fetched.unwrap_or_else(|error| panic!("{kind:?} {format} {more}: {error}"));
                let found = fetched.series.first().map(|series| series.times.clone()).unwrap_or_default();
                assert_eq!(found, times, "{kind:?} {format} {more}");
            }
        }
    }
}

#[tokio::test]
async fn a_column_may_change_how_it_stores_times() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let source = source::connect(&fixture.settings).unwrap();
        let stamp = match kind {
            Kinds::Sqlite => "DATETIME",
            Kinds::Postgresql => "TIMESTAMPTZ",
            Kinds::Mysql => "DATETIME",
        };
        let seconds = (BASE_MS / 1_000).to_string();
        for (of, time) in [
            ("BIGINT", seconds.clone()),
            (stamp, iso(BASE_MS, "'%Y-%m-%d %H:%M:%S'")),
            ("BIGINT", BASE_MS.to_string()),
            ("BIGINT", seconds),
        ] {
            table(&fixture, of, [&time]).await;
            let asked = serde_json::from_value(options(&fixture, &json!({}))).unwrap();
            let query = Arc::clone(&source).prepare(&asked).unwrap();
            let fetched = query.fetch(&crate::fixture::REQUEST).await;
            let fetched = fetched.unwrap_or_else(|error| panic!("{kind:?} {of} {time}: {error}"));
            assert_eq!(fetched.series.len(), 1, "{kind:?} {of} {time}");
            assert_eq!(fetched.series[0].times, [BASE_MS], "{kind:?} {of} {time}");
        }
    }
}

#[tokio::test]
async fn a_time_that_is_none_does_not_hide_the_others() {
    let time = iso(BASE_MS, "'%Y-%m-%d %H:%M:%S'");
    for (kind, of, none) in [
        (Kinds::Postgresql, "TIMESTAMPTZ", "'infinity'"),
        (Kinds::Postgresql, "TIMESTAMP", "'-infinity'"),
        (Kinds::Postgresql, "DATE", "'infinity'"),
        (Kinds::Mysql, "DATETIME", "'0000-00-00'"),
    ] {
        let Some(fixture) = kind.fixture().await else { continue };
        table(&fixture, of, [none, &time]).await;
        let range = TimeRange { from_ms: BASE_MS - DAY_MS, to_ms: BASE_MS + DAY_MS - 1 };
        for more in [
            json!({}),
            json!({"aggregate": "last"}),
            json!({"aggregate": "none"}),
            json!({"mode": "text",
                   "sql": "SELECT $__timeGroup(t) AS time, sum(n) AS n FROM times WHERE $__timeFilter(t) GROUP BY 1"}),
        ] {
            let request = FetchRequest { range, step_ms: MINUTE_MS };
            let fetched = ask_for(&fixture.settings, options(&fixture, &more), &request).await;
            let fetched = fetched.unwrap_or_else(|error| panic!("{kind:?} {of} {more}: {error}"));
            assert_eq!(fetched.series[0].values, [1.0], "{kind:?} {of} {more}");
        }
    }
}

/// When clocks in Berlin went back from 03:00 to 02:00: 2023-10-29 01:00 UTC.
const CHANGE_MS: i64 = 1_698_541_200_000;

/// What a server needs to know of Berlin in that year.
const BERLIN: &str = "INSERT IGNORE INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (4711, 'N'); \
    INSERT IGNORE INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('Europe/Berlin', 4711); \
    INSERT IGNORE INTO mysql.time_zone_transition_type (Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation) \
    VALUES (4711, 0, 3600, 0, 'CET'), (4711, 1, 7200, 1, 'CEST'); \
    INSERT IGNORE INTO mysql.time_zone_transition (Time_zone_id, Transition_time, Transition_type_id) \
    VALUES (4711, 1679792400, 1), (4711, 1698541200, 0)";

#[tokio::test]
async fn an_hour_that_a_clock_shows_twice_is_two() {
    for (kind, of, keeps_both) in [
        (Kinds::Postgresql, "TIMESTAMPTZ", true),
        (Kinds::Postgresql, "TIMESTAMP", false),
        (Kinds::Mysql, "TIMESTAMP", true),
        (Kinds::Mysql, "DATETIME", false),
    ] {
        let Some(fixture) = kind.fixture().await else { continue };
        let settings = in_zone(&fixture, "Europe/Berlin");
        if kind == Kinds::Mysql {
            fixture.write(BERLIN).await;
        }
        let times: Vec<i64> = (0..12).map(|at| CHANGE_MS + (at - 6) * 30 * MINUTE_MS).collect();
        let text = |ms: &i64| match (kind, of) {
            (Kinds::Postgresql, "TIMESTAMPTZ") => iso(*ms, "'%Y-%m-%d %H:%M:%S+00'"),
            // As the connection of a fixture has no zone, UTC.
            (Kinds::Mysql, "TIMESTAMP") => iso(*ms, "'%Y-%m-%d %H:%M:%S'"),
            _ => {
                let berlin = chrono_tz::Tz::Europe__Berlin;
                let at = chrono::DateTime::from_timestamp_millis(*ms).unwrap().with_timezone(&berlin);
                at.format("'%Y-%m-%d %H:%M:%S'").to_string()
            }
        };
        table(&fixture, of, times.iter().map(text)).await;
        let step_ms = 30 * MINUTE_MS;
        // In one piece, and cut within the hours in question.
        for cuts in [vec![], vec![CHANGE_MS - step_ms], vec![CHANGE_MS], vec![CHANGE_MS + step_ms]] {
            let mut both = Vec::new();
            for aggregate in ["none", "sum"] {
                let mut found = Vec::new();
                let mut from_ms = times[0];
                for to_ms in cuts.iter().copied().chain([times[11] + step_ms]) {
                    let request = FetchRequest { range: TimeRange { from_ms, to_ms: to_ms - 1 }, step_ms };
                    let options = options(&fixture, &json!({"aggregate": aggregate}));
                    let fetched = ask_for(&settings, options, &request).await.unwrap();
                    found.extend(fetched.series.iter().flat_map(points));
                    from_ms = to_ms;
                }
                if keeps_both {
                    let expected: Vec<_> =
                        times.iter().enumerate().map(|(at, ms)| (*ms, Some(at as f64))).collect();
                    assert_eq!(found, expected, "{kind:?} {of} {aggregate} {cuts:?}");
                }
                both.push(found.iter().map(|(ms, _)| *ms).collect::<Vec<_>>());
            }
            assert_eq!(both[0], both[1], "{kind:?} {of} {cuts:?}");
        }
        // Statements read a time without zone as the builder does.
        if kind == Kinds::Postgresql {
            let range = TimeRange { from_ms: times[0], to_ms: times[11] + step_ms - 1 };
            let request = FetchRequest { range, step_ms };
            let of_text = |time: &str| {
                let sql = format!(
                    "SELECT {time} AS time, max(n) AS n FROM times WHERE $__timeFilter(t) GROUP BY 1"
                );
                options(&fixture, &json!({"mode": "text", "sql": sql}))
            };
            let raw = ask_for(&settings, of_text("t"), &request).await.unwrap();
            let grouped = ask_for(&settings, of_text("$__timeGroup(t)"), &request).await.unwrap();
            assert_eq!(points(&raw.series[0]), points(&grouped.series[0]), "{of}");
        }
    }
}

#[tokio::test]
async fn a_column_of_no_times_is_told() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    table(&fixture, "BOOLEAN", ["true"]).await;
    let error = fixture.refused(options(&fixture, &json!({})), Category::Query).await;
    assert!(error.message().contains("holds no times"), "{error}");
}

/// The example of `docs/sources/sql.md`, of what to write instead of a macro that fills gaps: the same values from every
/// range.
#[tokio::test]
async fn a_statement_can_say_that_no_row_means_zero() {
    let kind = Kinds::Postgresql;
    let Some(fixture) = kind.fixture().await else { return };
    let page = include_str!("../../docs/sources/sql.md");
    let (_, example) = page.split_once("-- PostgreSQL: requests").unwrap();
    let (_, example) = example.split_once('\n').unwrap();
    let (statement, _) = example.split_once("```").unwrap();

    fixture.write("CREATE TABLE hosts (name text, added timestamptz)").await;
    fixture.write("CREATE TABLE requests (host text, at timestamptz)").await;
    let at = |minutes: i64| format!("to_timestamp({})", (BASE_MS + minutes * MINUTE_MS) / 1_000);
    fixture.write(&format!("INSERT INTO hosts VALUES ('a', {}), ('late', {})", at(0), at(20))).await;
    let rows = format!("('a', {}), ('a', {}), ('late', {})", at(1), at(2), at(25));
    fixture.write(&format!("INSERT INTO requests VALUES {rows}")).await;

    let step_ms = 5 * MINUTE_MS;
    let asked = async |from: i64, to: i64| {
        let range = TimeRange { from_ms: BASE_MS + from * MINUTE_MS, to_ms: BASE_MS + to * MINUTE_MS };
        let options = json!({"kind": kind.name(), "mode": "text", "sql": statement});
        ask_for(&fixture.settings, options, &FetchRequest { range, step_ms }).await.unwrap().series
    };
    let counts = |minutes: std::ops::Range<i64>, at: &[(i64, f64)]| -> Vec<(i64, Option<f64>)> {
        let count = |minute| at.iter().find(|(of, _)| *of == minute).map_or(0.0, |(_, count)| *count);
        minutes.step_by(5).map(|minute| (BASE_MS + minute * MINUTE_MS, Some(count(minute)))).collect()
    };
    let all = asked(0, 40).await;
    assert_eq!(points(&all[0]), counts(0..41, &[(0, 2.0)]));
    assert_eq!(points(&all[1]), counts(20..41, &[(25, 1.0)]));
    let part = asked(30, 40).await;
    assert_eq!(part.iter().map(points).collect::<Vec<_>>(), [counts(30..41, &[]), counts(30..41, &[])]);
}
