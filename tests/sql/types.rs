//! Columns of every type: values, labels, and what is none of both.

use outrider::error::Category;
use serde_json::{Value, json};

use crate::fixture::{Fixture, Kinds, STEP_MS, points};

/// A table `odd` of a time in seconds and one more column, with one row for each value.
async fn table(fixture: &Fixture, of: &str, values: &[&str]) {
    fixture.write("DROP TABLE IF EXISTS odd").await;
    fixture.write(&format!("CREATE TABLE odd (s BIGINT, n BIGINT, x {of})")).await;
    for (at, value) in values.iter().enumerate() {
        fixture.write(&format!("INSERT INTO odd VALUES (1699999800, {at}, {value})")).await;
    }
}

fn by_label(kind: Kinds, aggregate: &str) -> Value {
    json!({"kind": kind.name(), "table": "odd", "timeColumn": "s", "valueColumns": ["n"], "labelColumns": ["x"],
           "aggregate": aggregate})
}

/// Types with texts of which each is a label of its own.
fn labels(kind: Kinds) -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    match kind {
        Kinds::Postgresql => vec![
            ("mood", vec![("'sad'", "sad"), ("'ok'", "ok")]),
            ("citext", vec![("'Web'", "Web"), ("'db'", "db")]),
            ("hstore", vec![("'a=>1'", "\"a\"=>\"1\""), ("'a=>2'", "\"a\"=>\"2\"")]),
            ("pair", vec![("ROW(1, 'a')", "(1,a)"), ("ROW(2, 'a')", "(2,a)")]),
            ("short", vec![("'a'", "a"), ("'b'", "b")]),
            ("tsvector", vec![("'cat'", "'cat'"), ("'dog'", "'dog'")]),
            ("xml", vec![("'<a/>'", "<a/>"), ("'<b/>'", "<b/>")]),
            ("inet", vec![("'10.0.0.1'", "10.0.0.1/32"), ("'10.0.0.2'", "10.0.0.2/32")]),
            (
                "macaddr",
                vec![("'08002b010203'", "08:00:2b:01:02:03"), ("'08002b010204'", "08:00:2b:01:02:04")],
            ),
            ("int4range", vec![("'[1,3)'", "[1,3)"), ("'[3,5)'", "[3,5)")]),
            ("time", vec![("'01:36'", "01:36:00"), ("'02:00'", "02:00:00")]),
            ("interval", vec![("'1 hour'", "01:00:00"), ("'2 hours'", "02:00:00")]),
            ("bytea", vec![("'\\xff'", "\\xff"), ("'\\xfe'", "\\xfe")]),
            ("json", vec![("'{\"a\": 1}'", "{\"a\": 1}"), ("'{}'", "{}")]),
            ("jsonb", vec![("'{\"a\": 1}'", "{\"a\": 1}"), ("'{}'", "{}")]),
            ("date", vec![("'2026-11-21'", "2026-11-21"), ("'2026-11-22'", "2026-11-22")]),
            ("char(10)", vec![("'a'", "a"), ("'b'", "b")]),
            ("int[]", vec![("'{1,2}'", "{1,2}"), ("'{3}'", "{3}")]),
            ("bool", vec![("true", "true"), ("false", "false")]),
        ],
        Kinds::Mysql => vec![
            ("TIME", vec![("'01:36'", "01:36:00"), ("'02:00'", "02:00:00")]),
            ("DATE", vec![("'2026-11-21'", "2026-11-21"), ("'2026-11-22'", "2026-11-22")]),
            ("JSON", vec![("'{\"a\": 1}'", "{\"a\": 1}"), ("'{}'", "{}")]),
            ("CHAR(10)", vec![("'a'", "a"), ("'b'", "b")]),
            ("ENUM('sad', 'ok')", vec![("'sad'", "sad"), ("'ok'", "ok")]),
            ("BLOB", vec![("'a'", "a"), ("'b'", "b")]),
            ("VARCHAR(9) COLLATE utf8mb4_general_ci", vec![("'Web'", "Web"), ("'web'", "web")]),
        ],
        Kinds::Sqlite => vec![
            ("DATE", vec![("'2026-11-21'", "2026-11-21"), ("'2026-11-22'", "2026-11-22")]),
            ("JSON", vec![("'{\"a\": 1}'", "{\"a\": 1}"), ("'{}'", "{}")]),
        ],
    }
}

const TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (n INTEGER, t TEXT); \
                     CREATE DOMAIN short AS TEXT CHECK (length(VALUE) < 5); CREATE EXTENSION citext; CREATE EXTENSION hstore; \
                     CREATE DOMAIN percent AS NUMERIC CHECK (VALUE <= 100)";

#[tokio::test]
async fn labels_of_every_type_tell_series_apart() {
    for kind in [Kinds::Sqlite, Kinds::Postgresql, Kinds::Mysql] {
        let Some(fixture) = kind.fixture().await else { continue };
        if kind == Kinds::Postgresql {
            fixture.write(TYPES).await;
        }
        for (of, values) in labels(kind) {
            table(&fixture, of, &values.iter().map(|(written, _)| *written).collect::<Vec<_>>()).await;
            for aggregate in ["mean", "last", "none"] {
                let what = format!("{kind:?} {of} {aggregate}");
                let fetched = fixture.ask(by_label(kind, aggregate)).await;
                let fetched = fetched.unwrap_or_else(|error| panic!("{what}: {error}"));
                let mut found: Vec<_> =
                    fetched.series.iter().map(|one| (one.values[0] as usize, one)).collect();
                found.sort_by_key(|(at, _)| *at);
                let found: Vec<&str> = found.iter().map(|(_, one)| one.labels["x"].as_str()).collect();
                assert_eq!(found, values.iter().map(|(_, label)| *label).collect::<Vec<_>>(), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn types_of_the_user_are_read_in_statements_too() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    fixture.write(TYPES).await;
    let sql = "SELECT 1 AS time, 'sad'::mood AS mood, 'Web'::citext AS host, 'a'::short AS short, '<a/>'::xml AS xml, \
               'a'::char(10) AS padded, 97.5::percent AS busy, 'a=>1'::hstore AS more, ROW(1, 'a')::pair AS pair";
    let fetched = fixture.ask(json!({"kind": "postgresql", "mode": "text", "sql": sql})).await.unwrap();
    let one = &fetched.series[0];
    assert_eq!((one.name.as_str(), one.values.as_slice()), ("busy", &[97.5][..]));
    let labels: Vec<_> = one.labels.iter().map(|(name, label)| format!("{name}={label}")).collect();
    assert_eq!(labels, ["host=Web", "mood=sad", "padded=a", "short=a", "xml=<a/>"]);
    assert!(
        fetched.notices.iter().any(|notice| notice.contains("\"more\" of type hstore left out")),
        "{fetched:?}"
    );
    for (of, value) in [("mood", "'sad'"), ("citext", "'1.5'"), ("percent", "97.5")] {
        table(&fixture, of, &[value]).await;
        let options = json!({"kind": "postgresql", "table": "odd", "timeColumn": "s", "valueColumns": ["x"], "aggregate": "none"});
        match (of, fixture.ask(options).await) {
            ("mood", Err(error)) => assert!(error.to_string().contains("\"x\" is no number"), "{error}"),
            (_, fetched) => {
                let values = &fetched.unwrap_or_else(|error| panic!("{of}: {error}")).series[0].values;
                assert_eq!(*values, [value.trim_matches('\'').parse::<f64>().unwrap()], "{of}");
            }
        }
    }
}

#[tokio::test]
async fn rows_that_only_an_unreadable_column_tells_apart_are_refused() {
    for (kind, column) in [
        (Kinds::Postgresql, "CASE n WHEN 0 THEN '10.0.0.1'::inet ELSE '10.0.0.2'::inet END"),
        (Kinds::Mysql, "CAST(n AS TIME)"),
    ] {
        let Some(fixture) = kind.fixture().await else { continue };
        table(&fixture, "VARCHAR(9)", &["'a'", "'b'"]).await;
        let ask = |column: &str| {
            let sql = format!("SELECT s AS time, {column} AS ip, n FROM odd");
            json!({"kind": kind.name(), "mode": "text", "sql": sql})
        };
        let error = fixture.refused(ask(column), Category::Query).await.to_string();
        assert!(error.contains("column \"ip\"") && error.contains("cast"), "{error}");
        let cast = if kind == Kinds::Mysql { "AS CHAR" } else { "AS TEXT" };
        let fetched = fixture.ask(ask(&format!("CAST({column} {cast})"))).await.unwrap();
        assert_eq!(fetched.series.len(), 2, "{kind:?}");
        let mut by_label = ask(column);
        let more =
            json!({"format": "table", "timeColumn": "time", "valueColumns": ["n"], "labelColumns": ["ip"]});
        by_label.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if kind == Kinds::Mysql {
            // As a label it is text, if it is named as one.
            assert_eq!(fixture.ask(by_label).await.unwrap().series.len(), 2);
        } else {
            let error = fixture.refused(by_label, Category::Query).await.to_string();
            assert!(error.contains("\"ip\" of type INET cannot be read as a label"), "{error}");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_label() {
    for (kind, of, values) in
        [(Kinds::Sqlite, "BLOB", ["x'ff'", "x'fe'"]), (Kinds::Mysql, "BLOB", ["x'ff'", "x'fe'"])]
    {
        let Some(fixture) = kind.fixture().await else { continue };
        table(&fixture, of, &values).await;
        for aggregate in ["none", "mean"] {
            match fixture.ask(by_label(kind, aggregate)).await {
                Err(error) => {
                    assert!(error.to_string().contains("cannot be read as a label"), "{kind:?} {error}");
                }
                // Told apart is as good.
                Ok(fetched) => assert_eq!(fetched.series.len(), 2, "{kind:?} {aggregate}: {fetched:?}"),
            }
        }
    }
}

#[tokio::test]
async fn text_is_never_aggregated_as_zero() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    table(&fixture, "REAL", &["10", "20.0", "''", "'n/a'", "' 1.5e1 '", "'1.2.3'", "NULL", "x'01'"]).await;
    for (aggregate, value) in [("mean", 15.0), ("sum", 45.0), ("max", 20.0), ("min", 10.0)] {
        let options = json!({"kind": "sqlite", "table": "odd", "timeColumn": "s", "valueColumns": ["x"], "aggregate": aggregate});
        let fetched = fixture.ask(options).await.unwrap();
        assert_eq!(fetched.series[0].values, [value], "{aggregate}");
        assert_eq!(fetched.notices, ["Values left out because they are no numbers: 3"], "{aggregate}");
    }
    let Some(fixture) = Kinds::Mysql.fixture().await else { return };
    for (of, value) in [
        ("VARCHAR(9)", "'n/a'"),
        ("JSON", "'{}'"),
        ("TIME", "'01:36'"),
        ("DATE", "'2026-11-21'"),
        ("ENUM('a', 'b')", "'b'"),
        ("BLOB", "'x'"),
    ] {
        table(&fixture, of, &[value]).await;
        for aggregate in ["mean", "sum", "max"] {
            let options = json!({"kind": "mysql", "table": "odd", "timeColumn": "s", "valueColumns": ["x"], "aggregate": aggregate});
            let error = fixture.refused(options, Category::Query).await.to_string();
            assert!(error.contains("\"x\" of type") && error.contains("no numbers"), "{of}: {error}");
        }
        let options = json!({"kind": "mysql", "table": "odd", "timeColumn": "s", "valueColumns": ["x"], "aggregate": "count"});
        assert_eq!(fixture.ask(options).await.unwrap().series[0].values, [1.0], "{of}");
    }
}

#[tokio::test]
async fn a_mean_has_all_its_digits() {
    for kind in [Kinds::Sqlite, Kinds::Postgresql, Kinds::Mysql] {
        let Some(fixture) = kind.fixture().await else { continue };
        table(&fixture, "INTEGER", &["1", "1", "2", "1", "1", "1", "1"]).await;
        let options = json!({"kind": kind.name(), "table": "odd", "timeColumn": "s", "valueColumns": ["x"]});
        let fetched = fixture.ask(options).await.unwrap();
        let found = points(&fetched.series[0]);
        assert_eq!(found[0].0 % STEP_MS, 0);
        assert!((found[0].1.unwrap() - 8.0 / 7.0).abs() < 1e-15, "{kind:?}: {found:?}");
    }
}
