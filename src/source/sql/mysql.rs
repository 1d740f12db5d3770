//! MySQL and MariaDB.
//!
//! Sessions are read-only with a statement time-out on the server's side, and with a `sql_mode` in which quotes and
//! backslashes mean what [`super::guard`] takes them for. A statement runs in `START TRANSACTION READ ONLY` and is rolled
//! back, and the session of a user's own is closed after it. Statements are prepared, of which the servers take one at a time only.

use async_trait::async_trait;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use sqlx::mysql::types::MySqlTime;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode, MySqlTypeInfo};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySql, Row as _, TypeInfo as _,
};

use super::dialect::Dialect;
use super::grants;
use super::pool::{After, Driver, Sink, Trouble};
use super::rows::{ColumnKind, Value};
use super::server::{self, Server, SslMode};
use super::statement::Statement;
use super::stream::{self, bound, hand_over};
use crate::error::{Category, Error, Result};
use crate::query::OptionsEntry;
use crate::settings::{ExposeSecret as _, Settings};

const PORT: u16 = 3306;
/// "Unknown or incorrect time zone".
const NO_SUCH_ZONE: u16 = 1298;

/// A MySQL or MariaDB server.
#[derive(Debug)]
pub(super) struct Mysql {
    server: Server,
}

/// A connection and its number in the server.
pub(super) struct Session {
    connection: MySqlConnection,
    number: u64,
}

impl Mysql {
    fn options(&self) -> MySqlConnectOptions {
        let server = &self.server;
        let mut options = MySqlConnectOptions::new()
            .host(&server.host)
            .port(server.port)
            .username(&server.user)
            .password(server.password.expose_secret())
            .statement_cache_capacity(1)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .ssl_mode(match server.mode {
                SslMode::Disable => MySqlSslMode::Disabled,
                SslMode::Prefer => MySqlSslMode::Preferred,
                SslMode::Require => MySqlSslMode::Required,
                SslMode::VerifyCa => MySqlSslMode::VerifyCa,
                SslMode::VerifyFull => MySqlSslMode::VerifyIdentity,
            });
        if let Some(path) = &server.socket {
            options = options.socket(path);
        }
        if !server.database.is_empty() {
            options = options.database(&server.database);
        }
        if let Some(pem) = server.authority() {
            options = options.ssl_ca_from_pem(pem);
        }
        if let Some(identity) = &server.tls.client_identity {
            options = options
                .ssl_client_cert_from_pem(identity.certificate.expose_secret())
                .ssl_client_key_from_pem(identity.key.expose_secret());
        }
        options.disable_statement_logging()
    }
}

#[async_trait]
impl Driver for Mysql {
    const KIND: &'static str = "mysql";
    const LABEL: &'static str = "MySQL";
    const DESCRIPTION: &'static str = "MySQL and MariaDB, tables or SQL";
    const DIALECT: Dialect = Dialect::Mysql;
    const SETTINGS: OptionsEntry = server::SETTINGS;
    const VERSION: &'static str =
        "SELECT IF(VERSION() LIKE '%MariaDB%', VERSION(), CONCAT('MySQL ', VERSION()))";
    const RIGHTS: Option<&'static str> = Some("SHOW GRANTS");
    type Session = Session;

    fn new(settings: &Settings) -> Result<Self> {
        Ok(Self { server: Server::of(settings, PORT)? })
    }

    fn rights(answer: Vec<String>) -> Vec<String> {
        grants::besides_reading(&answer)
    }

    fn place(&self) -> String {
        format!("MySQL at {}", self.server.address())
    }

    fn zone(&self) -> chrono_tz::Tz {
        self.server.zone
    }

    async fn open(&self) -> Result<Session, Trouble> {
        let mut connection = self.options().connect().await?;
        let row = connection.fetch_one(sqlx::raw_sql("SELECT CONNECTION_ID(), VERSION()")).await?;
        let number: u64 = row.try_get_unchecked(0)?;
        let version: String = row.try_get_unchecked(1)?;
        let ms = self.server.timeout_ms;
        let timeout = if version.contains("MariaDB") {
            format!("max_statement_time = {}.{:03}", ms / 1_000, ms % 1_000)
        } else {
            format!("max_execution_time = {ms}")
        };
        let zone = match self.server.zone {
            chrono_tz::Tz::UTC => "+00:00",
            zone => zone.name(),
        };
        // Numbers and the name of a zone: nothing of the user's.
        let set_up = format!(
            "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', SESSION {timeout}, SESSION time_zone = '{zone}'"
        );
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(set_up)))
            .await
            .map_err(|error| no_zone(error, zone))?;
        connection.execute(sqlx::raw_sql("SET SESSION TRANSACTION READ ONLY")).await?;
        Ok(Session { connection, number })
    }

    async fn is_alive(&self, session: &mut Session) -> bool {
        session.connection.ping().await.is_ok()
    }

    async fn run(
        &self,
        session: &mut Session,
        statement: &Statement,
        sink: &mut (dyn Sink + Send),
    ) -> Result<After, Trouble> {
        session.connection.execute(sqlx::raw_sql("START TRANSACTION READ ONLY")).await?;
        hand_over::<MySql, Reader>(bound(statement).fetch(&mut session.connection), sink).await?;
        session.connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
        // A rollback leaves variables and the locks of GET_LOCK, which only statements of users have. To reset the
        // connection instead (COM_RESET_CONNECTION) is nothing that sqlx can do.
        Ok(if statement.is_users { After::Close } else { After::Keep })
    }

    async fn close(&self, session: Session) {
        let _ = session.connection.close().await;
    }

    async fn stop(&self, session: Session) {
        // The number is still this session's: it is closed only afterwards.
        if let Ok(mut other) = self.options().connect().await {
            let kill = format!("KILL QUERY {}", session.number);
            let _ = other.execute(sqlx::raw_sql(AssertSqlSafe(kill))).await;
            let _ = other.close().await;
        }
        let _ = session.connection.close_hard().await;
    }
}

/// What a server without tables of time zones says, for people.
fn no_zone(error: sqlx::Error, zone: &str) -> Trouble {
    let number = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
        .map(sqlx::mysql::MySqlDatabaseError::number);
    if number == Some(NO_SUCH_ZONE) {
        Error::new(Category::Config, format!("the server does not know the time zone {zone}"))
            .hint("load its tables with mysql_tzinfo_to_sql, or leave timeZone empty for UTC")
            .into()
    } else {
        error.into()
    }
}

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Int,
    Unsigned,
    Float,
    Single,
    Decimal,
    Datetime,
    Date,
    /// A time of day or a span, which is a label only where it is asked for as one.
    Time,
    Text,
    Bytes,
    None,
}

impl stream::Reader<MySql> for Reader {
    fn of(column: &MySqlTypeInfo) -> Self {
        match column.name() {
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => Self::Int,
            "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "MEDIUMINT UNSIGNED" | "INT UNSIGNED"
            | "BIGINT UNSIGNED" | "BIT" | "YEAR" => Self::Unsigned,
            "FLOAT" => Self::Single,
            "DOUBLE" => Self::Float,
            "DECIMAL" => Self::Decimal,
            "DATETIME" | "TIMESTAMP" => Self::Datetime,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET"
            | "JSON" => Self::Text,
            "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => Self::Bytes,
            _ => Self::None,
        }
    }

    fn kind(self) -> ColumnKind {
        match self {
            Self::Int | Self::Unsigned | Self::Float | Self::Single | Self::Decimal => ColumnKind::Number,
            Self::Datetime | Self::Date => ColumnKind::Time,
            Self::Text | Self::Bytes => ColumnKind::Text,
            Self::Time | Self::None => ColumnKind::Unreadable,
        }
    }

    fn read(self, row: &MySqlRow, at: usize) -> Option<Value<'_>> {
        read(row, at, self).ok()
    }
}

fn read(row: &MySqlRow, at: usize, reader: Reader) -> Result<Value<'_>, sqlx::Error> {
    Ok(match reader {
        Reader::Int => Value::Int(row.try_get_unchecked(at)?),
        Reader::Unsigned => {
            let number: u64 = row.try_get_unchecked(at)?;
            i64::try_from(number).map_or(Value::Float(number as f64), Value::Int)
        }
        Reader::Float => Value::Float(row.try_get_unchecked(at)?),
        // The shortest decimal that is this single, as the server shows it: 0.1 and not 0.10000000149.
        Reader::Single => {
            let single: f32 = row.try_get_unchecked(at)?;
            Value::Float(single.to_string().parse().unwrap_or(f64::from(single)))
        }
        Reader::Decimal => {
            let text: &str = row.try_get_unchecked(at)?;
            text.parse().map_or(Value::Unreadable, Value::Float)
        }
        Reader::Datetime => {
            let time: NaiveDateTime = row.try_get_unchecked(at)?;
            Value::Wall(time.and_utc().timestamp_millis())
        }
        Reader::Date => {
            let date: NaiveDate = row.try_get_unchecked(at)?;
            Value::Day(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
        }
        Reader::Time => {
            let time: MySqlTime = row.try_get_unchecked(at)?;
            let text = time.to_string();
            // As the server writes it: hours of two digits at least.
            let (sign, text) = text.strip_prefix('-').map_or(("", &*text), |rest| ("-", rest));
            let zero = if text.find(':') == Some(1) { "0" } else { "" };
            Value::Text(format!("{sign}{zero}{text}").into())
        }
        Reader::Text => {
            let text: &str = row.try_get_unchecked(at)?;
            Value::Text(text.into())
        }
        Reader::Bytes => {
            let bytes: &[u8] = row.try_get_unchecked(at)?;
            std::str::from_utf8(bytes).map_or(Value::Unreadable, |text| Value::Text(text.into()))
        }
        Reader::None => Value::Unreadable,
    })
}
