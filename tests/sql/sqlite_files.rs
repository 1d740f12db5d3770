//! Which files SQLite may open, and how.

use std::os::unix::fs::symlink;
use std::path::Path;

use outrider::error::Category;
use outrider::settings::Settings;
use serde_json::{Value, json};

use crate::fixture::{Kinds, check, own};

fn settings(json: &Value) -> Settings {
    Settings { source: "sqlite".into(), own: own(json, &[]), ..Settings::default() }
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
    assert!(refused(json!({"path": path})).await.contains("no directory is allowed"));
    assert!(
        refused(json!({"path": path, "allowedDirectories": [""]})).await.contains("no directory is allowed")
    );
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
