//! PostgreSQL behind PgBouncer, whose connections belong to somebody else in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outrider::error::Category;
use outrider::settings::Settings;
use outrider::source;
use serde_json::json;
use sqlx::{ConnectOptions as _, Executor as _, PgConnection, Row as _};

use crate::fixture::{Fixture, Kinds, REQUEST, ask, check, of_host};
use crate::sql_servers::{ADMIN, PASSWORD, Server};

/// Another application, which knows of poolers: it prepares no statements.
async fn other(fixture: &Fixture, pooler: &Server) -> PgConnection {
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(pooler.port)
        .username(ADMIN)
        .password(PASSWORD)
        .extra_float_digits(None)
        .ssl_mode(sqlx::postgres::PgSslMode::Disable)
        .database(&fixture.settings.database);
    options.connect().await.unwrap()
}

async fn text(connection: &mut PgConnection, sql: &'static str) -> String {
    connection.fetch_one(sqlx::raw_sql(sql)).await.unwrap().try_get(0).unwrap()
}

/// What a session has that others could trip over.
const STATE: &str = "SELECT concat_ws(' ', current_setting('default_transaction_read_only'), \
    current_setting('transaction_read_only'), current_setting('statement_timeout'), current_setting('work_mem'), \
    (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' \
    AND pid = pg_backend_pid()))";
const CLEAN: &str = "off off 0 4MB 0 0";

fn behind(fixture: &Fixture, pooler: &Server) -> Settings {
    Settings { url: format!("localhost:{}", pooler.port), ..fixture.settings.clone() }
}

#[tokio::test]
async fn a_pooler_by_transaction_or_session_works_and_other_clients_notice_nothing() {
    for mode in ["session", "transaction"] {
        let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
        let server = fixture.server.as_ref().unwrap();
        let Some(pooler) = Server::pgbouncer(mode, server.port, 1) else { return };
        fixture.write("CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE written (n INTEGER)").await;
        let settings = behind(&fixture, &pooler);
        check(&settings).await.unwrap_or_else(|error| panic!("{mode}: {error}"));
        let source = source::connect(&settings).unwrap();
        for options in [
            json!({"kind": "postgresql", "table": "metrics", "timeColumn": "at", "valueColumns": ["n"],
                   "labelColumns": ["host"], "filters": [{"key": "host", "value": "web-1"}]}),
            json!({"kind": "postgresql", "table": "metrics", "timeColumn": "at", "valueColumns": ["n"], "aggregate": "none"}),
            json!({"kind": "postgresql", "mode": "text",
                   "sql": "SELECT 1 AS time, 2 AS n, 'sad'::mood AS mood, pg_advisory_lock(1)::text AS a, \
                           set_config('work_mem', '1234', false) AS b"}),
            json!({"kind": "postgresql", "mode": "text", "sql": "SELECT 1 AS time, 1 / 0 AS n"}),
        ] {
            let fails = options["sql"].as_str().is_some_and(|sql| sql.contains("/ 0"));
            let options = serde_json::from_value(options).unwrap();
            let fetched = Arc::clone(&source).prepare(&options).unwrap().fetch(&REQUEST).await;
            assert_eq!(fetched.is_err(), fails, "{mode}: {fetched:?}");
            if mode == "transaction" {
                // The one connection of the pool is now this client's.
                let mut other = other(&fixture, &pooler).await;
                assert_eq!(text(&mut other, STATE).await, CLEAN, "{mode}");
                other.execute(sqlx::raw_sql("INSERT INTO written VALUES (1)")).await.unwrap();
            }
        }
        drop(source);
        let fetched = ask(
            &settings,
            json!({"kind": "postgresql", "table": "metrics", "timeColumn": "at", "valueColumns": ["n"],
                   "labelColumns": ["host"], "aggregate": "max"}),
        );
        let fetched = fetched.await.unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert_eq!(of_host(&fetched, "web-1", "n").values[..3], [4.0, 9.0, 14.0], "{mode}");
    }
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_stops_only_itself() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    let server = fixture.server.as_ref().unwrap();
    // Its second connection is for the order to stop.
    let Some(pooler) = Server::pgbouncer("transaction", server.port, 2) else { return };
    let source = source::connect(&behind(&fixture, &pooler)).unwrap();
    let mut other = other(&fixture, &pooler).await;
    assert_eq!(text(&mut other, "SELECT 'here'").await, "here");
    let ask = |sql: &str| {
        let options =
            serde_json::from_value(json!({"kind": "postgresql", "mode": "text", "sql": sql})).unwrap();
        let query = Arc::clone(&source).prepare(&options).unwrap();
        tokio::spawn(async move { query.fetch(&REQUEST).await })
    };
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() \
                    AND query LIKE '%pg_sleep(599)%' AND datname = current_database()";
    let query = ask("SELECT 1 AS time, 2 AS n, pg_sleep(599)::text AS a");
    while fixture.number(sleeping).await == 0 {
        assert!(!query.is_finished(), "{:?}", query.await);
        tokio::task::yield_now().await;
    }
    query.abort();
    let begun = Instant::now();
    while fixture.number(sleeping).await > 0 {
        // Well before the time-out of the statement itself, which would end it as well.
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    assert_eq!(text(&mut other, "SELECT 'still here'").await, "still here");
    assert_eq!(ask("SELECT 1 AS time, 2 AS n").await.unwrap().unwrap().series[0].values, [2.0]);
}

#[tokio::test]
async fn a_pooler_by_statement_is_refused_with_what_to_change() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    let port = fixture.server.as_ref().unwrap().port;
    let Some(pooler) = Server::pgbouncer("statement", port, 1) else { return };
    let error = check(&behind(&fixture, &pooler)).await.unwrap_err();
    assert_eq!(error.category(), Category::Config, "{error}");
    assert!(error.to_string().contains("pool_mode"), "{error}");
    let mut other = other(&fixture, &pooler).await;
    assert_eq!(text(&mut other, STATE).await, CLEAN);
}
