//! Whatever is put into filters, names and statements: nothing is changed, and nothing more is read.

use outrider::error::Category;
use serde_json::json;

use crate::fixture::{ALL, HOSTS, Kinds};

const ATTACKS: [&str; 8] = [
    "' OR '1'='1",
    "' OR 1=1 --",
    "\\' OR 1=1 #",
    "x'; DROP TABLE metrics; --",
    "\"; DROP TABLE metrics; --",
    "`; DROP TABLE metrics; --",
    "$1 ? :a /* ",
    "%",
];

#[tokio::test]
async fn values_of_filters_are_values() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let with = |filters: serde_json::Value| {
            [
                json!({"kind": kind.name(), "table": "metrics", "timeColumn": "at", "valueColumns": ["n"],
                       "labelColumns": ["host"], "aggregate": "none", "adhocFilters": filters}),
                json!({"kind": kind.name(), "mode": "text", "adhocFilters": filters,
                       "sql": "SELECT at AS time, host, n FROM metrics WHERE $__adhocFilters AND 1 = 1 ORDER BY at"}),
            ]
        };
        let found = async |filters: serde_json::Value| {
            let mut all = Vec::new();
            for options in with(filters) {
                let fetched = fixture.ask(options).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                let hosts = fetched.series.iter().map(|series| series.labels["host"].clone());
                all.push(hosts.collect::<Vec<_>>());
            }
            assert_eq!(all[0], all[1], "{kind:?}");
            all.remove(0)
        };
        let one =
            |operator: &str, value: &str| json!([{"key": "host", "operator": operator, "value": value}]);
        for attack in ATTACKS {
            assert_eq!(found(one("=", attack)).await, [""; 0], "{kind:?} {attack}");
            assert_eq!(found(one("!=", attack)).await.len(), 2, "{kind:?} {attack}");
        }
        for host in HOSTS {
            assert_eq!(found(one("=", host)).await, [host], "{kind:?}");
        }
        assert_eq!(found(one("=~", "^web")).await, [HOSTS[0]], "{kind:?}");
        assert_eq!(found(one("!~", "^web-[0-9]$")).await, [HOSTS[1]], "{kind:?}");
        assert_eq!(found(one("<", "p")).await, [HOSTS[1]], "{kind:?}");
        assert_eq!(found(json!([{"key": "n", "operator": "<", "value": "0"}])).await, [""; 0], "{kind:?}");
        assert_eq!(found(json!([{"key": "n", "operator": ">", "value": "58"}])).await.len(), 2, "{kind:?}");
        for attack in ATTACKS {
            for options in with(json!([{"key": attack, "value": "x"}])) {
                fixture.refused(options, Category::Query).await;
            }
            let options =
                json!({"kind": kind.name(), "table": attack, "timeColumn": "at", "valueColumns": ["n"]});
            fixture.refused(options, Category::Query).await;
            let options = json!({"kind": kind.name(), "table": "metrics", "timeColumn": "at", "valueColumns": [attack]});
            fixture.refused(options, Category::Query).await;
            let encoded: String = url::form_urlencoded::byte_serialize(attack.as_bytes()).collect();
            for question in [
                format!("tag-values?key=host&table=metrics&search={encoded}"),
                format!("tables?search={encoded}"),
                format!("columns?table={encoded}"),
                format!("tag-values?key={encoded}"),
            ] {
                assert_eq!(fixture.choices(&question).await, [""; 0], "{kind:?} {question}");
            }
        }
        assert_eq!(fixture.number("SELECT count(*) FROM metrics").await, 120, "{kind:?}");
    }
}

#[tokio::test]
async fn nothing_is_written() {
    for kind in ALL {
        let Some(fixture) = kind.fixture().await else { continue };
        let mut attacks = vec![
            "DROP TABLE metrics",
            "DELETE FROM metrics",
            "INSERT INTO metrics (n) VALUES (1)",
            "SELECT 1 AS time, 2 AS n; DELETE FROM metrics",
            "SELECT 1 AS time; SELECT 2 AS time",
            "WITH gone AS (DELETE FROM metrics RETURNING n) SELECT 1 AS time, n FROM gone",
            "SELECT n AS time INTO stolen FROM metrics",
            "SELECT $x, 1",
        ];
        match kind {
            Kinds::Sqlite => attacks.extend([
                "ATTACH DATABASE '/tmp/x.db' AS x",
                "PRAGMA query_only = OFF",
                "SELECT $a('), 1; ATTACH DATABASE '/etc/passwd' AS y; --'",
                "SELECT 1 -- \r ' \n; DELETE FROM metrics --'",
                "VACUUM INTO '/tmp/outrider-stolen.db'",
                "SELECT load_extension('/tmp/x.so') AS time, 1 AS n",
            ]),
            Kinds::Postgresql => attacks.extend([
                "SELECT 1 AS time, set_config('transaction_read_only', 'off', false)::bool::int AS n",
                "COPY metrics TO PROGRAM 'true'",
                "SELECT * FROM metrics FOR UPDATE",
                "SELECT nextval('numbers') AS n, 1 AS time",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            ]),
            Kinds::Mysql => attacks.extend([
                "SELECT 1 INTO OUTFILE '/tmp/outrider-stolen'",
                "SELECT 1 /*! INTO OUTFILE '/tmp/outrider-stolen' */",
                "SELECT '\\'' ; DELETE FROM metrics",
                "SET GLOBAL read_only = 0",
                "SELECT * FROM metrics LOCK IN SHARE MODE",
            ]),
        }
        if kind == Kinds::Postgresql {
            fixture.write("CREATE SEQUENCE numbers").await;
        }
        for attack in attacks {
            let options = json!({"kind": kind.name(), "mode": "text", "sql": attack});
            fixture.refused(options, Category::Query).await;
        }
        assert_eq!(fixture.number("SELECT count(*) FROM metrics").await, 120, "{kind:?}");
    }
}

#[tokio::test]
async fn sqlite_loads_no_extension() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    let library = fixture.folder.as_ref().unwrap().path().join("x.so");
    std::fs::write(&library, "no library").unwrap();
    let sql = format!("SELECT 1 AS time, load_extension('{}') AS n", library.display());
    let error = fixture.refused(json!({"kind": "sqlite", "mode": "text", "sql": sql}), Category::Query).await;
    // It is not even looked at.
    assert!(error.message().contains("not authorized"), "{error}");
}
