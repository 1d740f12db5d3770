//! One table with known rows, in each of the databases.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use outrider::error::{Category, Error, Result};
use outrider::query::Kind;
use outrider::series::{Series, TimeRange};
use outrider::settings::{Limits, Operator, OwnSettings, Settings, TlsSettings};
use outrider::source::{self, FetchRequest, Fetched, Question};
use serde_json::{Map, Value, json};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, PgConnection, SqliteConnection,
};
use tempfile::TempDir;

use crate::server::Shared;
use crate::sql_servers::{ADMIN, PASSWORD, Server};
use crate::upstream_server::soon;

/// A multiple of five minutes.
pub(crate) const BASE_MS: i64 = 1_699_999_800_000;
pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const STEP_MS: i64 = 5 * MINUTE_MS;
/// One hour, both ends included.
pub(crate) const REQUEST: FetchRequest = FetchRequest {
    range: TimeRange { from_ms: BASE_MS, to_ms: BASE_MS + 60 * MINUTE_MS - 1 },
    step_ms: STEP_MS,
};
pub(crate) const HOSTS: [&str; 2] = ["web-1", "o'brien \"\\ü"];
/// The databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    Sqlite,
    Postgresql,
    Mysql,
}

pub(crate) const ALL: [Kinds; 3] = [Kinds::Sqlite, Kinds::Postgresql, Kinds::Mysql];

/// A database of its own with the table `metrics`.
pub(crate) struct Fixture {
    pub(crate) kind: Kinds,
    pub(crate) settings: Settings,
    pub(crate) server: Option<Arc<Server>>,
    pub(crate) folder: Option<TempDir>,
}

static POSTGRESQL: Shared<Server> = Shared::new();
static MARIADB: Shared<Server> = Shared::new();

pub(crate) fn own(json: &Value, secrets: &[(&str, &str)]) -> OwnSettings {
    let json: Map<String, Value> = json.as_object().unwrap().clone();
    let secrets: HashMap<_, _> =
        secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    OwnSettings::new(json, secrets)
}

/// Settings for a server of ours, without TLS.
pub(crate) fn server_settings(kind: Kinds, port: u16, database: &str) -> Settings {
    Settings {
        source: kind.name().into(),
        url: format!("localhost:{port}"),
        user: ADMIN.into(),
        database: database.into(),
        limits: Limits { timeout: Duration::from_secs(60), ..Limits::default() },
        own: own(&json!({"sslmode": "disable"}), &[("password", PASSWORD)]),
        ..Settings::default()
    }
}

impl Kinds {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
        }
    }

    /// A database of its own with a table of known rows; `None` where the server is not installed and may be missing.
    pub(crate) async fn fixture(self) -> Option<Fixture> {
        match self {
            Self::Sqlite => Some(self.in_a_folder().await),
            Self::Postgresql => Some(self.on(POSTGRESQL.get(Server::postgresql)?).await),
            Self::Mysql => Some(self.on(MARIADB.get(Server::mariadb)?).await),
        }
    }

    /// As [`Kinds::fixture`], with the server to itself.
    pub(crate) async fn fixture_of_its_own(self) -> Option<Fixture> {
        match self {
            Self::Sqlite => Some(self.in_a_folder().await),
            Self::Postgresql => Some(self.on(Arc::new(Server::postgresql()?)).await),
            Self::Mysql => Some(self.on(Arc::new(Server::mariadb()?)).await),
        }
    }

    async fn in_a_folder(self) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.db");
        let json = json!({"path": path, "allowedDirectories": [folder.path()]});
        let settings = Settings {
            source: self.name().into(),
            own: own(&json, &[]),
            limits: Limits { timeout: Duration::from_secs(60), ..Limits::default() },
            operator: Operator { sqlite_directories: vec![folder.path().into()], ..Operator::default() },
            ..Settings::default()
        };
        Fixture { kind: self, settings, server: None, folder: Some(folder) }.with_table().await
    }

    async fn on(self, server: Arc<Server>) -> Fixture {
        let database = format!("outrider_{}", unique());
        let settings = server_settings(self, server.port, &database);
        let fixture = Fixture { kind: self, settings, server: Some(server), folder: None };
        fixture.write_to("", &format!("CREATE DATABASE {database}")).await;
        fixture.with_table().await
    }
}

fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// The value of a row; every third minute has none.
pub(crate) fn cpu(minute: i64, host: usize) -> Option<f64> {
    (minute % 3 != 0).then_some(minute as f64 * 0.25 + host as f64 * 100.0)
}

/// The table and its rows: two hosts, a row a minute.
fn statements(kind: Kinds) -> Vec<String> {
    let (time, double) = match kind {
        Kinds::Sqlite => ("DATETIME", "REAL"),
        Kinds::Postgresql => ("TIMESTAMPTZ", "DOUBLE PRECISION"),
        Kinds::Mysql => ("DATETIME(3)", "DOUBLE"),
    };
    let naive = if kind == Kinds::Postgresql { "TIMESTAMP" } else { time };
    let mut rows = Vec::new();
    for minute in 0..60 {
        for (at, host) in HOSTS.iter().enumerate() {
            let ms = BASE_MS + minute * MINUTE_MS;
            let clock = chrono::DateTime::from_timestamp_millis(ms).unwrap();
            let text = clock.format("%Y-%m-%d %H:%M:%S%.3f").to_string();
            let host = host.replace('\'', "''");
            let host = if kind == Kinds::Mysql { host.replace('\\', "\\\\") } else { host };
            let cpu = cpu(minute, at).map_or("NULL".to_owned(), |cpu| cpu.to_string());
            let zone = if kind == Kinds::Postgresql { "+00" } else { "" };
            rows.push(format!(
                "('{text}{zone}', '{text}', {}, {ms}, {}, {}, '{}', '{host}', {cpu}, {minute}.25, {minute}, {})",
                ms / 1_000,
                ms * 1_000,
                ms * 1_000_000,
                clock.format("%Y-%m-%dT%H:%M:%SZ"),
                if minute % 2 == 0 { "TRUE" } else { "FALSE" },
            ));
        }
    }
    vec![
        format!(
            "CREATE TABLE metrics (at {time}, wall {naive}, s BIGINT, ms BIGINT, us BIGINT, ns BIGINT, iso VARCHAR(40), \
             host VARCHAR(40), cpu {double}, mem DECIMAL(12, 2), n BIGINT, up BOOLEAN)"
        ),
        format!("INSERT INTO metrics VALUES {}", rows.join(", ")),
    ]
}

impl Fixture {
    async fn with_table(self) -> Self {
        for statement in statements(self.kind) {
            self.write(&statement).await;
        }
        self
    }

    /// The settings as Grafana stores them, with TLS.
    pub(crate) fn stored(&self) -> Value {
        let Some(server) = &self.server else {
            let folder = self.folder.as_ref().unwrap().path();
            let path = folder.join("metrics.db");
            return json!({"jsonData": {"source": "sqlite", "path": path, "allowedDirectories": [folder]}});
        };
        json!({
            "url": self.settings.url, "user": self.settings.user,
            "jsonData": {
                "source": self.kind.name(), "database": self.settings.database, "sslmode": "verify-full",
                "tlsAuthWithCACert": true,
            },
            "secureJsonData": {"password": PASSWORD, "tlsCACert": server.authority},
        })
    }

    /// Runs statements as the administrator, past the plugin.
    pub(crate) async fn write(&self, sql: &str) {
        self.write_to(&self.settings.database, sql).await;
    }

    async fn write_to(&self, database: &str, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self.kind {
            Kinds::Sqlite => {
                let path = self.folder.as_ref().unwrap().path().join("metrics.db");
                let options =
                    sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
                let mut connection: SqliteConnection = options.connect().await.unwrap();
                connection.execute(sql).await.unwrap();
                connection.close().await.unwrap();
            }
            Kinds::Postgresql => {
                let mut connection = self.postgresql(database).await;
                connection.execute(sql).await.unwrap();
            }
            Kinds::Mysql => {
                let mut connection = self.mysql(database).await;
                connection.execute(sql).await.unwrap();
            }
        }
    }

    /// A connection of somebody else, to the database `database` or that of all.
    pub(crate) async fn postgresql(&self, database: &str) -> PgConnection {
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.server.as_ref().unwrap().port)
            .username(ADMIN)
            .password(PASSWORD)
            .database(if database.is_empty() { "postgres" } else { database });
        options.connect().await.unwrap()
    }

    pub(crate) async fn mysql(&self, database: &str) -> MySqlConnection {
        let mut options = sqlx::mysql::MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.server.as_ref().unwrap().port)
            .username(ADMIN)
            .password(PASSWORD);
        if !database.is_empty() {
            options = options.database(database);
        }
        options.connect().await.unwrap()
    }

    /// One number that the database answers with, past the plugin.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql);
        match self.kind {
            Kinds::Sqlite => {
                let path = self.folder.as_ref().unwrap().path().join("metrics.db");
                let mut connection =
                    sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
            Kinds::Postgresql => {
                let mut connection = self.postgresql(&self.settings.database).await;
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
            Kinds::Mysql => {
                let mut connection = self.mysql(&self.settings.database).await;
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
        }
    }

    pub(crate) async fn ask(&self, options: Value) -> Result<Fetched> {
        ask(&self.settings, options).await
    }

    /// The error of a query, which must be of this category.
    pub(crate) async fn refused(&self, options: Value, category: Category) -> Error {
        refused(&self.settings, options, category).await
    }

    /// The values that a question is answered with.
    pub(crate) async fn choices(&self, question: &str) -> Vec<String> {
        let source = source::connect(&self.settings).unwrap();
        let choices = soon(source.discover(&Question::parse(question))).await.unwrap().unwrap();
        choices.into_iter().map(|choice| choice.value).collect()
    }

    pub(crate) fn with_limits(&self, change: impl FnOnce(&mut Limits)) -> Settings {
        let mut settings = self.settings.clone();
        change(&mut settings.limits);
        settings
    }

    pub(crate) fn with_tls(&self, sslmode: &str, authority: Option<&str>) -> Settings {
        let tls = TlsSettings { ca_certificate: authority.map(Into::into), ..TlsSettings::default() };
        Settings {
            tls,
            own: own(&json!({"sslmode": sslmode}), &[("password", PASSWORD)]),
            ..self.settings.clone()
        }
    }
}

pub(crate) async fn ask(settings: &Settings, options: Value) -> Result<Fetched> {
    ask_for(settings, options, &REQUEST).await
}

pub(crate) async fn ask_for(settings: &Settings, options: Value, request: &FetchRequest) -> Result<Fetched> {
    let options: Kind = serde_json::from_value(options).unwrap();
    let query = source::connect(settings)?.prepare(&options)?;
    assert!(query.unknown_options().is_empty(), "{:?}", query.unknown_options());
    soon(query.fetch(request)).await
}

pub(crate) async fn refused(settings: &Settings, options: Value, category: Category) -> Error {
    let error = ask(settings, options).await.unwrap_err();
    assert_eq!(error.category(), category, "{error}");
    assert!(!error.to_string().contains(PASSWORD), "{error}");
    error
}

pub(crate) async fn check(settings: &Settings) -> Result<String> {
    Ok(soon(source::connect(settings)?.check()).await?.message)
}

/// Times and values, with gaps as `None`, which unlike NaN is equal to itself.
pub(crate) fn points(series: &Series) -> Vec<(i64, Option<f64>)> {
    let values = series.values.iter().map(|value| Some(*value).filter(|value| !value.is_nan()));
    series.times.iter().copied().zip(values).collect()
}

/// The series of a host.
pub(crate) fn of_host<'a>(fetched: &'a Fetched, host: &str, name: &str) -> &'a Series {
    let found = fetched
        .series
        .iter()
        .find(|series| series.name == name && series.labels.get("host").is_some_and(|label| label == host));
    found.unwrap_or_else(|| panic!("no series {name} of {host} in {:?}", fetched.series))
}
