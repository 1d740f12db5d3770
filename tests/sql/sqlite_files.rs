//! Which files SQLite may open, and how.

use std::os::unix::fs::symlink;
use std::path::Path;

use outrider::error::Category;
use outrider::settings::{Operator, Settings};
use serde_json::{Value, json};

use crate::fixture::{Kinds, check, own};

/// An operator who allows everything.
fn settings(json: &Value) -> Settings {
    of_operator(json, &["/".as_ref()])
}

fn of_operator(json: &Value, directories: &[&Path]) -> Settings {
    let sqlite_directories = directories.iter().map(|path| path.to_path_buf()).collect();
    let operator = Operator { sqlite_directories, ..Operator::default() };
    Settings { source: "sqlite".into(), own: own(json, &[]), operator, ..Settings::default() }
}

async fn refused(json: Value) -> String {
    let error = check(&settings(&json)).await.unwrap_err();
    assert_eq!(error.category(), Category::Config, "{json}: {error}");
    error.to_string()
}

#[tokio::test]
async fn only_files_below_the_allowed_directories_are_opened() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    let folder = fixture.folder.as_ref().unwrap().path();
    let path = folder.join("metrics.db");
    let elsewhere = tempfile::tempdir().unwrap();
    let outside = elsewhere.path().join("metrics.db");
    std::fs::copy(&path, &outside).unwrap();
    let not_below = "is not below an allowed directory";

    assert!(check(&settings(&json!({"path": path, "allowedDirectories": [folder]}))).await.is_ok());
    for all in [json!({"path": path}), json!({"path": path, "allowedDirectories": [""]})] {
        assert!(check(&settings(&all)).await.is_ok(), "{all}");
    }
    assert!(refused(json!({"path": outside, "allowedDirectories": [folder]})).await.contains(not_below));
    // Whether it is there is not told of what is outside.
    let missing = elsewhere.path().join("missing.db");
    assert!(refused(json!({"path": missing, "allowedDirectories": [folder]})).await.contains(not_below));
    // The beginning of a name is no directory.
    let mut longer = folder.as_os_str().to_owned();
    longer.push("-other/metrics.db");
    assert!(
        refused(json!({"path": Path::new(&longer), "allowedDirectories": [folder]}))
            .await
            .contains(not_below)
    );
    let up = folder.join("..").join(elsewhere.path().file_name().unwrap()).join("metrics.db");
    assert!(refused(json!({"path": up, "allowedDirectories": [folder]})).await.contains("holds .."));
    assert!(
        refused(json!({"path": "metrics.db", "allowedDirectories": [folder]})).await.contains("absolute")
    );
    for uri in ["file:metrics.db?mode=rw", ":memory:", "file::memory:", ""] {
        refused(json!({"path": uri, "allowedDirectories": [folder]})).await;
    }
    assert!(refused(json!({"path": folder, "allowedDirectories": [folder]})).await.contains("is no file"));
    let absent = folder.join("absent.db");
    assert!(
        refused(json!({"path": absent, "allowedDirectories": [folder]})).await.contains("cannot be opened")
    );
    assert!(!absent.exists(), "nothing is created");
    let text = folder.join("notes.txt");
    std::fs::write(&text, "no database, but long enough to look like the beginning of one".repeat(40))
        .unwrap();
    assert!(refused(json!({"path": text, "allowedDirectories": [folder]})).await.contains("not a database"));

    let link = folder.join("link.db");
    symlink(&outside, &link).unwrap();
    assert!(refused(json!({"path": link, "allowedDirectories": [folder]})).await.contains(not_below));
    let inner = folder.join("inner.db");
    symlink(&path, &inner).unwrap();
    assert!(check(&settings(&json!({"path": inner, "allowedDirectories": [folder]}))).await.is_ok());
    let door = folder.join("door");
    symlink(elsewhere.path(), &door).unwrap();
    let through = door.join("metrics.db");
    assert!(refused(json!({"path": through, "allowedDirectories": [folder]})).await.contains(not_below));
    // The operator may list a link.
    assert!(check(&settings(&json!({"path": through, "allowedDirectories": [door]}))).await.is_ok());
    // A name that would be an URI, or its parameters.
    let odd = folder.join("a?mode=rwc&b#c%41.db");
    std::fs::copy(&path, &odd).unwrap();
    for immutable in [false, true] {
        let json = json!({"path": odd, "allowedDirectories": [folder], "immutable": immutable});
        check(&settings(&json)).await.unwrap();
    }
}

#[tokio::test]
async fn the_operator_decides_which_files_there_are_and_a_data_source_wants_fewer() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    let folder = fixture.folder.as_ref().unwrap().path();
    let elsewhere = tempfile::tempdir().unwrap();
    let (path, other) = (folder.join("metrics.db"), elsewhere.path().join("metrics.db"));
    std::fs::copy(&path, &other).unwrap();
    let refused = async |json: Value, directories: &[&Path]| {
        let error = check(&of_operator(&json, directories)).await.unwrap_err();
        assert_eq!(error.category(), Category::Config);
        error.to_string()
    };
    let by_operator = "sqlite_directories";
    let says = refused(json!({"path": path, "allowedDirectories": ["/"]}), &[]).await;
    assert!(says.contains("no directory is allowed") && says.contains(by_operator), "{says}");
    let says = refused(json!({"path": other, "allowedDirectories": ["/", other]}), &[folder]).await;
    assert!(says.contains("not below an allowed") && says.contains(by_operator), "{says}");
    let says =
        refused(json!({"path": other, "allowedDirectories": [folder]}), &[folder, elsewhere.path()]).await;
    assert!(says.contains("not below an allowed") && says.contains("allowedDirectories"), "{says}");
    for allowed in [json!([]), json!([folder]), json!(["/"])] {
        let json = json!({"path": path, "allowedDirectories": allowed});
        check(&of_operator(&json, &[folder])).await.unwrap();
    }
}

/// Texts, blobs and lists of rows cannot grow beyond what SQLite may take, and nothing spills to a file of its own.
#[tokio::test]
async fn sqlite_takes_so_much_memory_and_no_more() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    let ask = async |sql: &str| {
        let options = json!({"kind": "sqlite", "mode": "text", "sql": sql});
        crate::fixture::ask(&fixture.settings, options).await.map(|fetched| fetched.series[0].values[0])
    };
    assert_eq!(ask("SELECT 1 AS time, length(zeroblob(1000000)) AS n").await.unwrap(), 1e6);
    let numbers = "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 300000)";
    for large in [
        "SELECT 1 AS time, length(hex(zeroblob(400000000))) AS n".to_owned(),
        format!("{numbers} SELECT 1 AS time, length(group_concat(i || hex(zeroblob(200)))) AS n FROM s"),
        format!(
            "{numbers} SELECT i AS time, i AS n FROM (SELECT i, hex(zeroblob(200)) || i AS b FROM s ORDER BY b) WHERE length(b) > 0"
        ),
    ] {
        let error = ask(&large).await.unwrap_err();
        assert_eq!(error.category(), Category::Limit, "{large}: {error}");
    }
    let longest = 1 << 20;
    let blob = |bytes: usize| format!("SELECT 1 AS time, length(hex(zeroblob({}))) AS n", bytes / 2);
    assert_eq!(ask(&blob(longest - 2)).await.unwrap(), (longest - 2) as f64);
    assert_eq!(ask(&blob(longest + 2)).await.unwrap_err().category(), Category::Limit);
    let deep = |terms: usize| format!("SELECT 1 AS time, {}1 AS n", "1 + ".repeat(terms));
    assert_eq!(ask(&deep(400)).await.unwrap(), 401.0);
    assert_eq!(ask(&deep(600)).await.unwrap_err().category(), Category::Query);
    let like = |length: usize| format!("SELECT 1 AS time, 'a' LIKE '{}' AS n", "%".repeat(length));
    assert_eq!(ask(&like(900)).await.unwrap(), 1.0);
    assert_eq!(ask(&like(1_100)).await.unwrap_err().category(), Category::Query);
    let regexp = |pattern: &str| format!("SELECT 1 AS time, 'web-1' REGEXP '{pattern}' AS n");
    assert_eq!(ask(&regexp("^web-[0-9]+$")).await.unwrap(), 1.0);
    for (pattern, says) in [(r"\w{500}", "too large"), ("a(", "not valid")] {
        let error = ask(&regexp(pattern)).await.unwrap_err();
        assert!(error.category() == Category::Query && error.message().contains(says), "{error}");
    }
    assert_eq!(ask("SELECT 1 AS time, 2 AS n").await.unwrap(), 2.0, "the next one is answered");
}

/// Viewers read errors and what was asked.
#[tokio::test]
async fn the_path_is_shown_to_nobody() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    let folder = fixture.folder.as_ref().unwrap().path();
    let path = folder.join("metrics.db");
    let name = folder.file_name().unwrap().to_str().unwrap();
    let query = |sql: &str| json!({"kind": "sqlite", "mode": "text", "sql": sql});
    let fetched = fixture.ask(query("SELECT ms AS time, n FROM metrics")).await.unwrap();
    assert!(!format!("{fetched:?}").contains(name));
    let wrong = fixture.ask(query("SELECT ms AS time, n FROM nowhere")).await.unwrap_err().to_string();
    assert!(
        wrong.contains("the SQLite database does not accept the query") && !wrong.contains(name),
        "{wrong}"
    );
    // Tables that are statements tell more than a database holds, the path among it.
    let table_list = "SELECT 1 AS time, name AS host, 1 AS v FROM pragma_table_list";
    let built =
        json!({"kind": "sqlite", "table": "PRAGMA_table_list", "timeColumn": "ncol", "valueColumns": ["wr"]});
    for refused in [query(table_list), built] {
        let error = fixture.ask(refused).await.unwrap_err();
        assert!(error.category() == Category::Query && error.message().contains("pragma_"), "{error}");
    }
    let reached = format!("{:?}", check(&fixture.settings).await.unwrap());
    assert!(reached.contains("Reached SQLite 3") && !reached.contains(name), "{reached}");
    std::fs::remove_file(&path).unwrap();
    let gone = fixture.ask(query("SELECT ms AS time, n FROM metrics")).await.unwrap_err().to_string();
    assert!(gone.contains("cannot be opened") && !gone.contains(name), "{gone}");
}

#[tokio::test]
async fn a_database_in_wal_mode_is_read_while_it_is_written_and_when_immutable() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    let folder = fixture.folder.as_ref().unwrap().path();
    let path = folder.join("metrics.db");
    fixture.write("PRAGMA journal_mode = WAL; DELETE FROM metrics WHERE n > 9").await;
    let count =
        json!({"kind": "sqlite", "mode": "text", "sql": "SELECT 1 AS time, count(*) AS n FROM metrics"});
    for immutable in [false, true] {
        let json = json!({"path": path, "allowedDirectories": [folder], "immutable": immutable});
        let fetched = crate::fixture::ask(&settings(&json), count.clone()).await.unwrap();
        assert_eq!(fetched.series[0].values, [20.0], "immutable {immutable}");
    }
}

#[tokio::test]
async fn damaged_files_are_errors() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    let folder = fixture.folder.as_ref().unwrap().path();
    let path = folder.join("metrics.db");
    let whole = std::fs::read(&path).unwrap();
    for (at, name) in [(100, "header.db"), (4_096, "page.db"), (whole.len() / 2, "half.db")] {
        let mut broken = whole.clone();
        for byte in &mut broken[at..] {
            *byte = byte.wrapping_mul(31).wrapping_add(7);
        }
        let path = folder.join(name);
        std::fs::write(&path, &broken).unwrap();
        let json = json!({"path": path, "allowedDirectories": [folder]});
        let all = json!({"kind": "sqlite", "mode": "text", "sql": "SELECT at AS time, n, host FROM metrics"});
        let error = crate::fixture::ask(&settings(&json), all).await.unwrap_err();
        assert!(
            [Category::Protocol, Category::Config, Category::Query].contains(&error.category()),
            "{error}"
        );
    }
}
