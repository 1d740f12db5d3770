//! Databases that are not there, refuse, take too long, or answer too much.

use std::time::{Duration, Instant};

use outrider::error::Category;
use outrider::query::Kind;
use outrider::source;
use serde_json::{Value, json};

use crate::fixture::{ALL, Fixture, Kinds, REQUEST, ask, check, own, refused, soon};
use crate::servers::{PASSWORD, Server};

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
        assert!(message.starts_with(begin) && message.ends_with(" ms"), "{message}");
        if kind == Kinds::Mysql {
            assert!(message.contains("MariaDB") && message.contains(" at localhost:"), "{message}");
        }
    }
}

#[tokio::test]
async fn wrong_settings_are_told_apart() {
    for kind in [Kinds::Postgresql, Kinds::Mysql] {
        let Some(fixture) = kind.fixture().await else { continue };
        let mut wrong = fixture.settings.clone();
        wrong.own = own(&json!({"sslmode": "disable"}), &[("password", "wrong canary")]);
        let error = refused(&wrong, raw(kind), Category::Auth).await;
        assert_eq!(check(&wrong).await.unwrap_err().category(), Category::Auth);
        assert!(!error.to_string().contains("canary"), "{error}");
        let mut wrong = fixture.settings.clone();
        wrong.database = "nowhere".into();
        refused(&wrong, raw(kind), Category::Config).await;
        assert_eq!(check(&wrong).await.unwrap_err().category(), Category::Config);
        let mut wrong = fixture.settings.clone();
        wrong.url = "localhost:1".into();
        wrong.limits.retries = 1;
        let error = refused(&wrong, raw(kind), Category::Connection).await;
        assert!(error.message().contains("localhost:1"), "{error}");
        let mut wrong = fixture.settings.clone();
        wrong.url = "no-such-host.invalid".into();
        wrong.limits.retries = 0;
        refused(&wrong, raw(kind), Category::Connection).await;
    }
}

#[tokio::test]
async fn a_wrong_query_is_told_in_the_words_of_the_database() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        for (change, says) in [
            (json!({"table": "nowhere"}), "nowhere"),
            (json!({"valueColumns": ["nothing"]}), "nothing"),
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
            ("SELECT $__timeGroup(at, '5m', NULL) FROM metrics", "cannot fill gaps"),
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
async fn limits_name_their_setting() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        for (settings, says) in [
            (fixture.with_limits(|limits| limits.max_rows = 119), "maxRows"),
            (fixture.with_limits(|limits| limits.max_series = 1), "maxSeries"),
            (fixture.with_limits(|limits| limits.max_response_bytes = 1_500), "maxResponseBytes"),
        ] {
            let error = refused(&settings, raw(kind), Category::Limit).await;
            assert!(error.to_string().contains(says), "{kind:?}: {error}");
        }
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
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}: {found} are busy", fixture.kind);
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
            let query = std::sync::Arc::clone(&source).prepare(&options).unwrap();
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

#[tokio::test]
async fn a_server_that_is_stopped_in_the_middle_is_a_connection_error() {
    for (kind, start) in
        [(Kinds::Postgresql, Server::postgresql as fn() -> Option<Server>), (Kinds::Mysql, Server::mariadb)]
    {
        let Some(mut server) = tokio::task::spawn_blocking(start).await.unwrap() else { continue };
        let database = if kind == Kinds::Postgresql { "postgres" } else { "mysql" };
        let mut settings = crate::fixture::server_settings(kind, server.port, database);
        settings.limits.retries = 0;
        let begun = Instant::now();
        while check(&settings).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let options: Kind = serde_json::from_value(slow(kind)).unwrap();
        let query = source::connect(&settings).unwrap().prepare(&options).unwrap();
        let fetch = tokio::spawn(async move { query.fetch(&REQUEST).await });
        tokio::time::sleep(Duration::from_secs(2)).await;
        tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
        let error = soon(fetch).await.unwrap().unwrap_err();
        assert_eq!(error.category(), Category::Connection, "{error}");
        assert!(!error.to_string().contains(PASSWORD));
    }
}
