//! Databases that are not there, refuse, take too long, or answer too much.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outrider::error::Category;
use outrider::query::Kind;
use outrider::source;
use serde_json::{Value, json};

use crate::fixture::{ALL, BASE_MS, Fixture, HOSTS, Kinds, MINUTE_MS, REQUEST, ask, check, cpu, refused};
use crate::relay::Relay;
use crate::sql_servers::PASSWORD;
use crate::upstream_tls::Authority;
use crate::victim::{Failure, Healthy, Points, Victim};

fn raw(kind: Kinds) -> Value {
    json!({"kind": kind.name(), "table": "metrics", "timeColumn": "at", "valueColumns": ["n"], "labelColumns": ["host"],
           "aggregate": "none"})
}

/// A statement that takes minutes.
fn slow(kind: Kinds) -> Value {
    let sql = match kind {
        Kinds::Sqlite => {
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 10000000000) \
             SELECT 1 AS time, count(*) AS n FROM c"
        }
        Kinds::Postgresql => "SELECT 1 AS time, 2 AS n, pg_sleep(600)::text AS a",
        Kinds::Mysql => "SELECT 1 AS time, SLEEP(600) AS n",
    };
    json!({"kind": kind.name(), "mode": "text", "sql": sql})
}

#[tokio::test]
async fn a_check_says_version_and_time() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let message = check(&fixture.settings).await.unwrap();
        let begin = match kind {
            Kinds::Sqlite => "Reached SQLite 3.",
            Kinds::Postgresql => "Reached PostgreSQL ",
            Kinds::Mysql => "Reached ",
        };
        // The user of the tests may write; `rights` has what is said of that.
        let reached = message.split(". Warning: the user ").next().unwrap_or_default();
        assert!(reached.starts_with(begin) && reached.ends_with(" ms"), "{message}");
        if kind == Kinds::Mysql {
            assert!(message.contains("MariaDB") && message.contains(" at localhost:"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_wrong_query_is_told_in_the_words_of_the_database() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        for (change, says) in [
            (json!({"timeColumn": "never"}), "never"),
            (json!({"table": ""}), "no table"),
            (json!({"valueColumns": []}), "no value column"),
            (json!({"timeColumn": "up"}), ""),
        ] {
            let mut options = raw(kind);
            options.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            if change["timeColumn"] == "up" && kind != Kinds::Postgresql {
                // A number like any other.
                continue;
            }
            let error = fixture.refused(options, Category::Query).await;
            assert!(error.message().contains(says), "{kind:?} {change}: {error}");
        }
        for (sql, says) in [
            ("SELEKT 1", "begins with SELEKT"),
            ("", "is empty"),
            ("SELECT 1 AS x", "no column \"time\""),
            ("SELECT 1 AS time, 'a' AS b", "no column of numbers"),
            ("SELECT $__timeFilter() FROM metrics", "write $__timeFilter(column)"),
            ("SELECT $__timeGroup(at, 'x') FROM metrics", "no duration"),
            ("SELECT $__timeGroup(at, '5m', 0) FROM metrics", "cannot fill gaps with 0"),
            ("SELECT $__timeGroupAlias(at, '5m', previous) FROM metrics", "cannot fill gaps with previous"),
            ("SELECT $__what(at) FROM metrics", "$__what is unknown"),
        ] {
            let error = fixture
                .refused(json!({"kind": kind.name(), "mode": "text", "sql": sql}), Category::Query)
                .await;
            assert!(error.to_string().contains(says), "{kind:?} {sql}: {error}");
        }
        let filtered = json!({
            "kind": kind.name(), "mode": "text", "sql": "SELECT at AS time, n FROM metrics",
            "adhocFilters": [{"key": "host", "value": "web-1"}]
        });
        let error = fixture.refused(filtered, Category::Query).await;
        assert!(error.to_string().contains("$__adhocFilters"), "{error}");
    }
}

#[tokio::test]
async fn a_limit_is_met_exactly() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let less = fixture.with_limits(|limits| limits.max_rows = 119);
        refused(&less, raw(kind), Category::Limit).await;
        let enough = fixture.with_limits(|limits| limits.max_rows = 120);
        assert_eq!(ask(&enough, raw(kind)).await.unwrap().series.len(), 2);
    }
}

/// How many statements of ours the server is busy with.
async fn busy(fixture: &Fixture) -> i64 {
    match fixture.kind {
        Kinds::Postgresql => {
            fixture
                .number(
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%' \
                     AND pid <> pg_backend_pid() AND datname = current_database()",
                )
                .await
        }
        Kinds::Mysql => {
            fixture
                .number(
                    "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(600)%' \
                     AND id <> CONNECTION_ID() AND db = DATABASE()",
                )
                .await
        }
        Kinds::Sqlite => i64::try_from(threads()).unwrap(),
    }
}

/// Threads of SQLite sessions in this process that do something.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.contains("(sqlx-sqlite") && stat.contains(") R ")
        })
        .count()
}

async fn until(fixture: &Fixture, wanted: impl Fn(i64) -> bool) {
    let begun = Instant::now();
    loop {
        let found = busy(fixture).await;
        if wanted(found) {
            return;
        }
        // Well before the time-out of the statement itself, which would end it as well.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}: {found} are busy", fixture.kind);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_dropped_query_is_stopped_in_the_database() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let options: Kind = serde_json::from_value(slow(kind)).unwrap();
        let query = source::connect(&fixture.settings).unwrap().prepare(&options).unwrap();
        let fetch = tokio::spawn(async move { query.fetch(&REQUEST).await });
        until(&fixture, |busy| busy > 0).await;
        fetch.abort();
        until(&fixture, |busy| busy == 0).await;
    }
}

#[tokio::test]
async fn a_slow_query_ends_with_its_time() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let hurried = fixture.with_limits(|limits| limits.timeout = Duration::from_millis(1_500));
        let error = refused(&hurried, slow(kind), Category::Connection).await.to_string();
        assert!(error.ends_with("raise the setting timeout"), "{kind:?}: {error}");
        until(&fixture, |busy| busy == 0).await;
    }
}

#[tokio::test]
async fn no_more_statements_run_at_once_than_the_settings_say() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    let settings = fixture.with_limits(|limits| limits.max_concurrent_requests = 2);
    let source = source::connect(&settings).unwrap();
    let options: Kind = serde_json::from_value(slow(Kinds::Postgresql)).unwrap();
    let fetches: Vec<_> = (0..6)
        .map(|_| {
            let query = Arc::clone(&source).prepare(&options).unwrap();
            tokio::spawn(async move { query.fetch(&REQUEST).await })
        })
        .collect();
    until(&fixture, |busy| busy == 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(busy(&fixture).await, 2);
    for fetch in fetches {
        fetch.abort();
    }
    until(&fixture, |busy| busy == 0).await;
}

const WRONG_PASSWORD: &str = "wrong canary";

/// The `cpu` of every minute, of both hosts in the order of their names.
fn every_minute() -> Vec<Points> {
    let of_host = |host| (0..60).map(|minute| (BASE_MS + minute * MINUTE_MS, cpu(minute, host))).collect();
    assert!(HOSTS[1] < HOSTS[0]);
    vec![of_host(1), of_host(0)]
}

/// A statement whose answer is 10 MB, which no buffer between server and plugin holds.
fn long(kind: Kinds) -> Value {
    let numbers = if kind == Kinds::Mysql {
        "(SELECT seq AS i FROM seq_1_to_1000) s"
    } else {
        "generate_series(1, 1000) i"
    };
    let sql = format!("SELECT i AS time, i AS n, repeat('x', 10000) AS text FROM {numbers}");
    json!({"kind": kind.name(), "mode": "text", "sql": sql})
}

/// The failures of a file.
async fn file_fails(victim: &mut Victim, fixture: &Fixture, source: &Value) {
    let folder = fixture.folder.as_ref().unwrap().path();
    let text = folder.join("notes.txt");
    std::fs::write(&text, "no database, but long enough to look like the beginning of one".repeat(40))
        .unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for (what, path, says) in [
        (
            "a missing file",
            folder.join("nowhere.db"),
            ["cannot be opened", "check path in the data source settings"],
        ),
        (
            "a file that is no database",
            text,
            ["the SQLite database cannot be opened", "check that it is a database"],
        ),
        (
            "a file elsewhere",
            elsewhere.path().join("x.db"),
            ["is not below an allowed directory", "allowedDirectories"],
        ),
    ] {
        let settings = json!({"jsonData": {"path": path}});
        victim.survives(&[Failure::of_settings(what, settings, source, Category::Config, &says)]).await;
    }
}

/// The failures of a server.
async fn server_fails(victim: &mut Victim, fixture: &Fixture, source: &Value, place: &str) {
    let of_settings = |what: &str, settings, category, says: &[&str]| {
        Failure::of_settings(what, settings, source, category, says)
    };
    let port = fixture.server.as_ref().unwrap().port;
    let stranger = json!({"secureJsonData": {"tlsCACert": Authority::named("stranger").pem()}});
    let at = |address: &str| json!({"url": address, "jsonData": {"retries": 1}});
    let tls = format!("the TLS connection to {place} failed");
    // Nobody is behind it: it closes what it accepts.
    let relay = Relay::halting_after(0, 1).await;
    let closing = format!("localhost:{}", relay.port);
    victim
        .survives(&[
            of_settings(
                "a wrong password",
                json!({"secureJsonData": {"password": WRONG_PASSWORD}}),
                Category::Auth,
                &[&format!("{place} refused access"), "check user and password in the data source settings"],
            ),
            of_settings(
                "a wrong database",
                json!({"jsonData": {"database": "nowhere"}}),
                Category::Config,
                &[
                    &format!("{place} has no such database"),
                    "nowhere",
                    "correct database in the data source settings",
                ],
            ),
            of_settings(
                "an unknown authority",
                stranger,
                Category::Tls,
                &[&tls, "UnknownIssuer", "paste the server's CA certificate into tlsCACert"],
            ),
            of_settings(
                "a certificate for another name",
                at(&format!("127.0.0.1:{port}")),
                Category::Tls,
                &["127.0.0.1", "use the host name of its certificate"],
            ),
            of_settings(
                "a port nobody listens at",
                at("localhost:1"),
                Category::Connection,
                &["cannot connect to", "localhost:1", "host and port in the data source settings"],
            ),
            of_settings(
                "a server that closes connections",
                at(&closing),
                Category::Connection,
                &["lost the connection to", &closing, "host and port in the data source settings"],
            ),
            of_settings(
                "a host that does not exist",
                at("no-such-host.invalid"),
                Category::Connection,
                &["no-such-host.invalid", "host and port in the data source settings"],
            ),
        ])
        .await;
}

/// The failures of a query, whose database is well.
async fn query_fails(victim: &mut Victim, kind: Kinds, source: &Value, place: &str) {
    let with = |more: Value| {
        let mut options = source.clone();
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    let not_accepted = format!("{place} does not accept the query");
    let of_query = |what: &str, more, says: &[&str]| {
        Failure::of_query(what, json!({}), &with(more), Category::Query, says)
    };
    let four = with(json!({"valueColumns": ["cpu", "mem"], "aggregate": "none"}));
    victim
        .survives(&[
            of_query(
                "an unknown table",
                json!({"table": "nowhere"}),
                &[&not_accepted, "nowhere", "correct the query"],
            ),
            of_query("an unknown column", json!({"valueColumns": ["nothing"]}), &[&not_accepted, "nothing"]),
            Failure::of_limit("maxResponseBytes", 3_500, "bytes", &four),
            Failure::of_limit("maxRows", 150, "rows", &four),
            Failure::of_limit("maxSeries", 3, "series", &four),
            Failure::of_query(
                "a slow query",
                json!({"jsonData": {"timeout": 3}}),
                &slow(kind),
                Category::Connection,
                &[place, "raise the setting timeout"],
            ),
        ])
        .await;
}

async fn every_failure(kind: Kinds) {
    let Some(mut fixture) = kind.fixture_of_its_own().await else { return };
    let source = json!({
        "kind": kind.name(), "table": "metrics", "timeColumn": "at", "valueColumns": ["cpu"],
        "labelColumns": ["host"], "aggregate": "max"
    });
    let healthy = Healthy {
        settings: fixture.stored(),
        source: source.clone(),
        range: (BASE_MS, BASE_MS + 59 * MINUTE_MS),
        expected: every_minute(),
    };
    // What quotes and escapes make of the rest of it is of no use to anyone.
    let secrets = [PASSWORD.split_once('\'').unwrap().0, WRONG_PASSWORD];
    let mut victim = Victim::launch(env!("CARGO_BIN_EXE_gpx_outrider"), healthy, &secrets).await;
    let place = match kind {
        Kinds::Sqlite => "the SQLite database".to_owned(),
        Kinds::Postgresql => format!("PostgreSQL at {}", fixture.settings.url),
        Kinds::Mysql => format!("MySQL at {}", fixture.settings.url),
    };
    query_fails(&mut victim, kind, &source, &place).await;
    let Some(server) = &fixture.server else {
        file_fails(&mut victim, &fixture, &source).await;
        return victim.ends().await;
    };
    let mut relay = Relay::halting_after(100_000, server.port).await;
    server_fails(&mut victim, &fixture, &source, &place).await;

    let at_relay = format!("localhost:{}", relay.port);
    let says = ["lost the connection to", &*at_relay, "check that the server runs"];
    let settings = json!({"url": at_relay, "jsonData": {"retries": 0}});
    let stopped =
        Failure::of_settings("a stopped server", settings, &long(kind), Category::Connection, &says);
    let server = Arc::get_mut(fixture.server.as_mut().unwrap()).unwrap();
    tokio::join!(victim.fails(&stopped), async {
        relay.halted().await;
        server.running.kill();
        relay.go_on();
    });
    let says = ["cannot connect to", &*place, "check that the server runs"];
    let settings = json!({"jsonData": {"retries": 0}});
    let gone = Failure::of_settings("a server that is gone", settings, &source, Category::Connection, &says);
    victim.fails(&gone).await;
    victim.ends().await;
}

/// There is no password, no database to choose and no server: the path of the file can be wrong instead.
#[tokio::test]
async fn every_failure_of_sqlite_has_its_category_and_breaks_nothing_else() {
    every_failure(Kinds::Sqlite).await;
}

#[tokio::test]
async fn every_failure_of_postgresql_has_its_category_and_breaks_nothing_else() {
    every_failure(Kinds::Postgresql).await;
}

#[tokio::test]
async fn every_failure_of_mysql_has_its_category_and_breaks_nothing_else() {
    every_failure(Kinds::Mysql).await;
}
