//! What a statement does to its session is gone before the next one runs in it.

use std::sync::Arc;

use outrider::error::Result;
use outrider::source::{self, AnySource, Fetched};
use serde_json::json;

use crate::fixture::{Fixture, Kinds, REQUEST};

/// What a source answers to a statement; those of one source share its sessions.
async fn ask(source: &Arc<dyn AnySource>, kind: Kinds, sql: &str) -> Result<Fetched> {
    let options = serde_json::from_value(json!({"kind": kind.name(), "mode": "text", "sql": sql})).unwrap();
    Arc::clone(source).prepare(&options)?.fetch(&REQUEST).await
}

async fn number(fixture: &Fixture, source: &Arc<dyn AnySource>, sql: &str) -> f64 {
    let fetched = ask(source, fixture.kind, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    fetched.series[0].values[0]
}

#[tokio::test]
async fn settings_of_postgresql_are_not_kept() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    let source = source::connect(&fixture.settings).unwrap();
    let set = "SELECT 1 AS time, 2 AS n, set_config('statement_timeout', '1', false) AS a, \
               set_config('work_mem', '1234', false) AS b";
    ask(&source, fixture.kind, set).await.unwrap();
    let still = "SELECT 1 AS time, current_setting('statement_timeout') AS a, \
                 current_setting('transaction_read_only') AS b, current_setting('work_mem') AS c, 2 AS n";
    let labels = ask(&source, fixture.kind, still).await.unwrap().series.remove(0).labels;
    assert_eq!((labels["a"].as_str(), labels["b"].as_str(), labels["c"].as_str()), ("1min", "on", "4MB"));
}

#[tokio::test]
async fn locks_do_not_outlive_the_statement_that_took_them() {
    for (kind, take, is_free) in [
        (
            Kinds::Postgresql,
            "SELECT 1 AS time, 1 AS n, pg_advisory_lock(4711)::text AS a",
            "SELECT 1 - count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711",
        ),
        (Kinds::Mysql, "SELECT 1 AS time, GET_LOCK('of a test', 0) AS n", "SELECT IS_FREE_LOCK('of a test')"),
    ] {
        let Some(fixture) = kind.fixture().await else { continue };
        let source = source::connect(&fixture.settings).unwrap();
        assert_eq!(number(&fixture, &source, take).await, 1.0, "{kind:?}");
        // Asked by somebody else, while the source still has its sessions.
        assert_eq!(fixture.number(is_free).await, 1, "{kind:?}");
        drop(source);
    }
}

#[tokio::test]
async fn variables_of_mysql_are_not_kept() {
    let Some(fixture) = Kinds::Mysql.fixture().await else { return };
    let source = source::connect(&fixture.settings).unwrap();
    assert_eq!(number(&fixture, &source, "SELECT 1 AS time, @of_a_test := 42 AS n").await, 42.0);
    let known = "SELECT 1 AS time, @of_a_test IS NOT NULL AS n";
    assert_eq!(number(&fixture, &source, known).await, 0.0);
}

#[tokio::test]
async fn sessions_are_kept_where_nothing_can_be_left_in_them() {
    for (kind, session) in [(Kinds::Postgresql, "pg_backend_pid()"), (Kinds::Mysql, "CONNECTION_ID()")] {
        let Some(fixture) = kind.fixture().await else { continue };
        fixture.write(&format!("CREATE VIEW sessions AS SELECT 1 AS time, {session} AS id")).await;
        let source = source::connect(&fixture.settings).unwrap();
        let options =
            json!({"kind": kind.name(), "table": "sessions", "valueColumns": ["id"], "aggregate": "none"});
        let options = serde_json::from_value(options).unwrap();
        let range = outrider::series::TimeRange { from_ms: 0, to_ms: 10_000 };
        let request = source::FetchRequest { range, ..REQUEST };
        let mut ids = Vec::new();
        for _ in 0..3 {
            let fetched = Arc::clone(&source).prepare(&options).unwrap().fetch(&request).await.unwrap();
            ids.push(fetched.series[0].values[0]);
        }
        assert_eq!([ids[1], ids[2]], [ids[0]; 2], "{kind:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_processes_is_asked_all_the_same() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    // As on servers that only speak like PostgreSQL, where the function is unknown.
    let role = fixture.settings.database.replace("outrider", "reader");
    fixture
        .write(&format!(
            "REVOKE EXECUTE ON FUNCTION pg_backend_pid() FROM PUBLIC; \
             REVOKE EXECUTE ON FUNCTION pg_advisory_unlock_all() FROM PUBLIC; CREATE ROLE {role} LOGIN PASSWORD 'x'; \
             GRANT SELECT ON metrics TO {role}"
        ))
        .await;
    let own = crate::fixture::own(&json!({"sslmode": "disable"}), &[("password", "x")]);
    let settings = outrider::settings::Settings { user: role, own, ..fixture.settings.clone() };
    let source = source::connect(&settings).unwrap();
    for _ in 0..2 {
        let sql =
            "SELECT 1 AS time, count(*) AS n, current_setting('transaction_read_only') AS a FROM metrics";
        let series = ask(&source, fixture.kind, sql).await.unwrap().series.remove(0);
        assert_eq!((series.values.as_slice(), series.labels["a"].as_str()), (&[120.0][..], "on"));
    }
}
