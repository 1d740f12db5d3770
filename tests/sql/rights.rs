//! What "Save & test" says of a user who may do more than read.

use outrider::settings::Settings;
use outrider::source;
use serde_json::json;

use crate::fixture::{Fixture, Kinds, own};
use crate::sql_servers::PASSWORD;

/// The message for the user `name`.
async fn message(fixture: &Fixture, name: &str) -> String {
    let own = own(&json!({"sslmode": "disable"}), &[("password", PASSWORD)]);
    let settings = Settings { user: name.into(), own, ..fixture.settings.clone() };
    let reached = source::connect(&settings).unwrap().check().await.unwrap();
    assert!(!reached.details.contains("is not known"), "{}", reached.details);
    reached.message
}

/// What of the message is a warning.
async fn warning(fixture: &Fixture, name: &str) -> String {
    let message = message(fixture, name).await;
    message.split_once(". Warning: the user ").map(|(_, warning)| warning.to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_role_of_postgresql_that_may_do_more_than_read_is_warned_of() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    let database = &fixture.settings.database;
    let name = format!("reader_of_{database}");
    let password = PASSWORD.replace('\'', "''");
    fixture
        .write(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{password}'; \
             REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON metrics TO {name}; \
             CREATE SEQUENCE counted; GRANT SELECT ON counted TO {name}"
        ))
        .await;
    assert_eq!(warning(&fixture, &name).await, "");
    for (grant, revoke, says) in [
        ("GRANT pg_read_server_files TO", "REVOKE pg_read_server_files FROM", "may read files of the server"),
        (
            "GRANT pg_execute_server_program TO",
            "REVOKE pg_execute_server_program FROM",
            "may run programs of the server",
        ),
        (
            "GRANT UPDATE ON metrics TO",
            "REVOKE UPDATE ON metrics FROM",
            "may write to tables such as public.metrics",
        ),
        (
            "GRANT CREATE ON SCHEMA public TO",
            "REVOKE CREATE ON SCHEMA public FROM",
            "may create tables in schemas such as public",
        ),
        (
            "GRANT UPDATE (cpu) ON metrics TO",
            "REVOKE UPDATE (cpu) ON metrics FROM",
            "may write to tables such as public.metrics",
        ),
        (
            "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO",
            "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) FROM",
            "may reach files of the server by pg_read_file",
        ),
        (
            &*format!("GRANT CREATE ON DATABASE {database} TO"),
            &*format!("REVOKE CREATE ON DATABASE {database} FROM"),
            "may create schemas in the database",
        ),
        (
            "GRANT UPDATE ON SEQUENCE counted TO",
            "REVOKE UPDATE ON SEQUENCE counted FROM",
            "may change sequences such as public.counted",
        ),
    ] {
        fixture.write(&format!("{grant} {name}")).await;
        assert_eq!(warning(&fixture, &name).await, format!("{says}; use one that may only read"));
        fixture.write(&format!("{revoke} {name}")).await;
    }
    for (attribute, says) in [
        ("CREATEROLE", "may create roles"),
        ("CREATEDB", "may create databases"),
        ("REPLICATION", "may replicate the server"),
    ] {
        fixture.write(&format!("ALTER ROLE {name} {attribute}")).await;
        assert_eq!(warning(&fixture, &name).await, format!("{says}; use one that may only read"));
        fixture.write(&format!("ALTER ROLE {name} NO{attribute}")).await;
    }
    // What is not inherited is there for who takes the role on.
    let other = format!("w_{database}");
    fixture.write(&format!("CREATE ROLE {other} CREATEDB; GRANT DELETE ON metrics TO {other}")).await;
    fixture.write(&format!("ALTER ROLE {name} NOINHERIT; GRANT {other} TO {name}")).await;
    let says = "may create databases, may write to tables such as public.metrics; use one that may only read";
    assert_eq!(warning(&fixture, &name).await, says);
    fixture.write(&format!("DROP OWNED BY {other}; DROP ROLE {other}")).await;
    fixture.write(&format!("ALTER ROLE {name} SUPERUSER")).await;
    assert_eq!(warning(&fixture, &name).await, "is a superuser; use one that may only read");
    fixture.write(&format!("DROP OWNED BY {name}; DROP ROLE {name}")).await;
}

#[tokio::test]
async fn a_user_of_mysql_who_may_do_more_than_read_is_warned_of() {
    let Some(fixture) = Kinds::Mysql.fixture().await else { return };
    let database = &fixture.settings.database;
    let name = format!("r_{database}");
    let password = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
    fixture.write(&format!("CREATE USER {name}@'%' IDENTIFIED BY '{password}'")).await;
    fixture.write(&format!("GRANT SELECT ON {database}.* TO {name}@'%'")).await;
    assert_eq!(warning(&fixture, &name).await, "");
    for (rights, says) in [
        ("FILE ON *.*", "may read and write files of the server".to_owned()),
        ("INSERT ON *.*", "may INSERT everywhere".to_owned()),
        (
            &*format!("DELETE, INSERT ON {database}.*"),
            format!("may DELETE, INSERT in databases such as {database}"),
        ),
        (
            &*format!("UPDATE ON {database}.metrics"),
            format!("may UPDATE in tables such as {database}.metrics"),
        ),
    ] {
        fixture.write(&format!("GRANT {rights} TO {name}@'%'")).await;
        assert_eq!(warning(&fixture, &name).await, format!("{says}; use one that may only read"));
        fixture.write(&format!("REVOKE {rights} FROM {name}@'%'")).await;
    }
    // By way of a role that is active, and not of one that is not.
    let role = format!("w_{database}");
    fixture.write(&format!("CREATE ROLE {role}")).await;
    fixture.write(&format!("GRANT INSERT ON {database}.* TO {role}")).await;
    fixture.write(&format!("GRANT {role} TO {name}@'%'")).await;
    assert_eq!(warning(&fixture, &name).await, "");
    fixture.write(&format!("SET DEFAULT ROLE {role} FOR {name}@'%'")).await;
    let says = format!("may INSERT in databases such as {database}; use one that may only read");
    assert_eq!(warning(&fixture, &name).await, says);
    fixture.write(&format!("DROP ROLE {role}")).await;
    fixture.write(&format!("DROP USER {name}@'%'")).await;
}

#[tokio::test]
async fn nothing_is_said_of_a_file_that_may_be_written() {
    let fixture = Kinds::Sqlite.fixture().await.unwrap();
    // It is opened read-only.
    let reached = source::connect(&fixture.settings).unwrap().check().await.unwrap();
    assert!(!reached.message.contains("Warning"), "{}", reached.message);
}
