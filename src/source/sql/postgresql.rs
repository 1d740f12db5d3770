//! PostgreSQL, and what speaks like it: TimescaleDB, and with them most hosted ones.
//!
//! A statement runs in `BEGIN READ ONLY`, with a time-out on the server's side, and is rolled back, so that not even
//! settings it changed survive it; locks that a rollback leaves are given up with it. Statements are prepared, of which
//! PostgreSQL takes one at a time only.
//!
//! Nothing is set outside of the transaction and no statement has a name, since a pooler such as PgBouncer gives the
//! connection to somebody else afterwards: what was left on it would be theirs. For the same reason the number of the
//! server's process is asked for in each transaction.

use std::path::Path;
use std::time::Instant;

use async_trait::async_trait;
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgRow, PgSslMode, PgTypeInfo, PgTypeKind, PgValueFormat,
};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Executor as _, Postgres, Row as _,
    TypeInfo as _, ValueRef as _,
};

use super::arrays::Elements;
use super::dialect::Dialect;
use super::pool::{After, Driver, Sink, Trouble};
use super::rows::{Column, ColumnKind, Value};
use super::server::{self, Server, SslMode};
use super::statement::Statement;
use super::stream::{self, Reader as _, YIELD_ROWS, bound, hand_over};
use crate::error::{Category, Error, Result};
use crate::query::OptionsEntry;
use crate::settings::{ExposeSecret as _, Settings};

const PORT: u16 = 5432;
/// The function that tells a session its process.
const PROCESS: &str = "pg_backend_pid";
/// And the one that gives up its advisory locks.
const UNLOCK: &str = "pg_advisory_unlock_all";
/// What PostgreSQL counts times from: 2000-01-01, in ms and days since 1970.
const EPOCH_MS: i64 = 946_684_800_000;
const DAY_MS: i64 = 86_400_000;

/// A PostgreSQL server.
#[derive(Debug)]
pub(super) struct Postgresql {
    server: Server,
}

/// A connection.
pub(super) struct Session {
    connection: PgConnection,
    /// The server's process that runs the transaction, while there is one.
    process: Option<i32>,
    /// Whether the server tells its processes, as what only speaks like PostgreSQL may not.
    tells_process: bool,
}

impl Postgresql {
    fn options(&self) -> PgConnectOptions {
        let server = &self.server;
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&server.host)
            .port(server.port)
            .username(&server.user)
            .password(server.password.expose_secret())
            .application_name("outrider")
            // PgBouncer refuses whoever sends it; values come in the binary format anyway.
            .extra_float_digits(None)
            .statement_cache_capacity(0)
            .ssl_mode(match server.mode {
                SslMode::Disable => PgSslMode::Disable,
                SslMode::Prefer => PgSslMode::Prefer,
                SslMode::Require => PgSslMode::Require,
                SslMode::VerifyCa => PgSslMode::VerifyCa,
                SslMode::VerifyFull => PgSslMode::VerifyFull,
            });
        if let Some(path) = &server.socket {
            let (folder, port) = socket(path);
            options = options.socket(folder).port(port);
        }
        // Without one, PostgreSQL takes that of the user's name.
        let database = if server.database.is_empty() { &server.user } else { &server.database };
        options = options.database(database);
        if let Some(pem) = server.authority() {
            options = options.ssl_root_cert_from_pem(pem);
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
impl Driver for Postgresql {
    const KIND: &'static str = "postgresql";
    const LABEL: &'static str = "PostgreSQL";
    const DESCRIPTION: &'static str = "PostgreSQL and TimescaleDB, tables or SQL";
    const DIALECT: Dialect = Dialect::Postgresql;
    const SETTINGS: OptionsEntry = server::SETTINGS;
    const VERSION: &'static str = "SELECT 'PostgreSQL ' || current_setting('server_version')";
    // A superuser may do all of it, which need not be said one by one. What a role may that is not inherited counts too: a
    // statement can take it on. Before version 11, files were kept from others in the functions themselves.
    const RIGHTS: Option<&'static str> = Some(
        "WITH me AS (SELECT oid, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
         mine AS (SELECT r.* FROM me, pg_catalog.pg_roles r WHERE NOT me.rolsuper AND pg_has_role(me.oid, r.oid, 'MEMBER'))
         SELECT 'is a superuser' FROM me WHERE rolsuper
         UNION ALL SELECT 'may become a superuser' FROM mine WHERE rolsuper HAVING count(*) > 0
         UNION ALL SELECT 'may create roles' FROM mine WHERE rolcreaterole HAVING count(*) > 0
         UNION ALL SELECT 'may create databases' FROM mine WHERE rolcreatedb HAVING count(*) > 0
         UNION ALL SELECT 'may replicate the server' FROM mine WHERE rolreplication HAVING count(*) > 0
         UNION ALL SELECT 'may read files of the server' FROM mine WHERE rolname = 'pg_read_server_files'
         UNION ALL SELECT 'may write files of the server' FROM mine WHERE rolname = 'pg_write_server_files'
         UNION ALL SELECT 'may run programs of the server' FROM mine WHERE rolname = 'pg_execute_server_program'
         UNION ALL SELECT 'may reach files of the server by ' || min(p.proname)
         FROM mine, pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
         WHERE n.nspname = 'pg_catalog' AND current_setting('server_version_num')::int >= 110000
         AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', 'lo_export',
         'pg_file_write', 'pg_file_rename', 'pg_file_unlink')
         AND has_function_privilege(mine.oid, p.oid, 'EXECUTE')
         HAVING count(*) > 0
         UNION ALL SELECT 'may write to tables such as ' || min(n.nspname || '.' || c.relname)
         FROM mine, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'f')
         AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
         AND has_schema_privilege(mine.oid, n.oid, 'USAGE')
         AND (has_table_privilege(mine.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
         OR has_any_column_privilege(mine.oid, c.oid, 'INSERT, UPDATE'))
         HAVING count(*) > 0
         UNION ALL SELECT 'may change sequences such as ' || min(n.nspname || '.' || c.relname)
         FROM mine, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
         AND has_schema_privilege(mine.oid, n.oid, 'USAGE')
         AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(mine.oid, c.oid, 'USAGE, UPDATE') ELSE false END
         HAVING count(*) > 0
         UNION ALL SELECT 'may create tables in schemas such as ' || min(n.nspname)
         FROM mine, pg_catalog.pg_namespace n
         WHERE n.nspname NOT LIKE 'pg\\_%' AND has_schema_privilege(mine.oid, n.oid, 'CREATE')
         HAVING count(*) > 0
         UNION ALL SELECT 'may create schemas in the database' FROM mine
         WHERE has_database_privilege(mine.oid, current_database(), 'CREATE')
         HAVING count(*) > 0",
    );
    type Session = Session;

    fn new(settings: &Settings) -> Result<Self> {
        Ok(Self { server: Server::of(settings, PORT)? })
    }

    fn place(&self) -> String {
        format!("PostgreSQL at {}", self.server.address())
    }

    fn zone(&self) -> chrono_tz::Tz {
        self.server.zone
    }

    async fn open(&self) -> Result<Session, Trouble> {
        Ok(Session { connection: self.options().connect().await?, process: None, tells_process: true })
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
        self.begin(session).await?;
        match send(session, statement, sink).await {
            // For columns of types that are not PostgreSQL's own, sqlx asks what they are, for which PostgreSQL forgets
            // the statement without a name. sqlx knows the types now, and no row has come yet.
            Err(Trouble::Database(error)) if is_forgotten(&error) => {
                session.connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
                self.begin(session).await?;
                send(session, statement, sink).await?;
            }
            sent => sent?,
        }
        session.process = None;
        // In one message, which a pooler hands to the same process. What is not PostgreSQL may know no such locks.
        let clean = format!("ROLLBACK; SELECT {UNLOCK}()");
        match session.connection.execute(sqlx::raw_sql(AssertSqlSafe(clean))).await {
            Ok(_) => Ok(After::Keep),
            Err(sqlx::Error::Database(error)) if error.message().contains(UNLOCK) => Ok(After::Close),
            Err(error) => Err(error.into()),
        }
    }

    async fn close(&self, session: Session) {
        let _ = session.connection.close().await;
    }

    async fn stop(&self, session: Session) {
        // The process is still this session's: it is closed only afterwards.
        if let Some(process) = session.process
            && let Ok(mut other) = self.options().connect().await
        {
            let cancel = format!("SELECT pg_cancel_backend({process})");
            let _ = other.execute(sqlx::raw_sql(AssertSqlSafe(cancel))).await;
            let _ = other.close().await;
        }
        let _ = session.connection.close_hard().await;
    }
}

impl Postgresql {
    async fn begin(&self, session: &mut Session) -> Result<(), Trouble> {
        // A number and the name of a zone: nothing of the user's.
        let begin = format!(
            "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL TimeZone = '{}'",
            self.server.timeout_ms,
            self.server.zone.name()
        );
        if session.tells_process {
            let with_process = format!("{begin}; SELECT {PROCESS}()");
            match session.connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(with_process))).await {
                Ok(row) => {
                    session.process = Some(row.try_get_unchecked(0)?);
                    return Ok(());
                }
                // QuestDB has no such function. A statement that nobody waits for then ends with its time.
                Err(sqlx::Error::Database(error)) if error.message().contains(PROCESS) => {
                    session.tells_process = false;
                    session.connection.execute(sqlx::raw_sql("ROLLBACK")).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        session.connection.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await?;
        Ok(())
    }
}

/// The folder of a socket and the port in its name, which is how PostgreSQL is told of one; the path may be that of the
/// folder alone.
fn socket(path: &Path) -> (&Path, u16) {
    let name = path.file_name().and_then(std::ffi::OsStr::to_str);
    let port = name.and_then(|name| name.strip_prefix(".s.PGSQL.")?.parse().ok());
    match (path.parent(), port) {
        (Some(folder), Some(port)) => (folder, port),
        _ => (path, PORT),
    }
}

async fn send(
    session: &mut Session,
    statement: &Statement,
    sink: &mut (dyn Sink + Send),
) -> Result<(), Trouble> {
    let query = bound(statement);
    if statement.is_packed {
        unpack(&query.fetch_one(&mut session.connection).await?, sink).await
    } else {
        hand_over::<Postgres, Reader>(query.fetch(&mut session.connection), sink).await
    }
}

/// Whether the server says that there is no such prepared statement.
fn is_forgotten(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code == "26000")
}

/// How the values of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Bool,
    Int,
    Oid,
    Float,
    Numeric,
    Timestamp,
    Timestamptz,
    Date,
    Text,
    /// Of fixed length, filled up with blanks that do not count.
    Padded,
    Jsonb,
    Uuid,
    None,
}

impl stream::Reader<Postgres> for Reader {
    fn of(column: &PgTypeInfo) -> Self {
        match column.kind() {
            PgTypeKind::Enum(_) => return Self::Text,
            PgTypeKind::Domain(inner) => return Self::of(inner),
            _ => {}
        }
        match column.name() {
            "BOOL" => Self::Bool,
            "INT2" | "INT4" | "INT8" => Self::Int,
            "OID" => Self::Oid,
            "FLOAT4" | "FLOAT8" => Self::Float,
            "NUMERIC" => Self::Numeric,
            "TIMESTAMP" => Self::Timestamp,
            "TIMESTAMPTZ" => Self::Timestamptz,
            "DATE" => Self::Date,
            "CHAR" => Self::Padded,
            "TEXT" | "VARCHAR" | "\"CHAR\"" | "NAME" | "JSON" | "UNKNOWN" => Self::Text,
            "JSONB" => Self::Jsonb,
            "UUID" => Self::Uuid,
            name if ["citext", "xml"].iter().any(|of| name.eq_ignore_ascii_case(of)) => Self::Text,
            _ => Self::None,
        }
    }

    fn kind(self) -> ColumnKind {
        match self {
            Self::Bool | Self::Int | Self::Oid | Self::Float | Self::Numeric => ColumnKind::Number,
            Self::Timestamp | Self::Timestamptz | Self::Date => ColumnKind::Time,
            Self::Text | Self::Padded | Self::Jsonb | Self::Uuid => ColumnKind::Text,
            Self::None => ColumnKind::Unreadable,
        }
    }

    fn read(self, row: &PgRow, at: usize) -> Option<Value<'_>> {
        let raw = row.try_get_raw(at).ok()?;
        match self {
            Self::None => None,
            _ if raw.format() == PgValueFormat::Text => Some(Value::Text(raw.as_str().ok()?.into())),
            _ => decode(self, raw.as_bytes().ok()?),
        }
    }
}

/// Hands over the rows that are in the arrays of this one.
async fn unpack(row: &PgRow, sink: &mut (dyn Sink + Send)) -> Result<(), Trouble> {
    let broken = || Error::new(Category::Protocol, "PostgreSQL sent an array that is cut off");
    let mut columns = Vec::with_capacity(row.len());
    let mut arrays = Vec::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(at)?;
        if raw.is_null() {
            // An aggregate of no rows.
            return Ok(());
        }
        let name = column.name().to_owned();
        let elements = raw.as_bytes().ok().and_then(Elements::of);
        let (PgTypeKind::Array(of), Some(elements)) = (column.type_info().kind(), elements) else {
            let error = Error::new(Category::Query, format!("the column \"{name}\" holds arrays"));
            return Err(error.hint("choose a column of numbers").into());
        };
        let reader = Reader::of(of);
        columns.push(Column { name, kind: reader.kind(), type_name: of.name().to_owned() });
        arrays.push((reader, elements));
    }
    let rows = arrays.iter().map(|(_, elements)| elements.len()).max().unwrap_or(0);
    sink.begin(columns);
    let mut values = Vec::with_capacity(arrays.len());
    let mut begun = Instant::now();
    for count in 1..=rows {
        for (reader, elements) in &mut arrays {
            values.push(match elements.next().ok_or_else(broken)? {
                None => Value::Null,
                Some(bytes) => decode(*reader, bytes).unwrap_or(Value::Unreadable),
            });
        }
        sink.row(&values)?;
        values.clear();
        if count.is_multiple_of(YIELD_ROWS) {
            sink.took(begun.elapsed());
            tokio::task::yield_now().await;
            begun = Instant::now();
        }
    }
    sink.took(begun.elapsed());
    Ok(())
}

/// A value in PostgreSQL's binary format; `None` if it is no such value, or one that stands for no number or time.
fn decode(reader: Reader, bytes: &[u8]) -> Option<Value<'_>> {
    Some(match (reader, bytes.len()) {
        (Reader::Bool, 1) => Value::Bool(bytes[0] != 0),
        (Reader::Int, 2) => Value::Int(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        (Reader::Int, 4) => Value::Int(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        (Reader::Int, 8) => Value::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
        (Reader::Oid, 4) => Value::Int(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        (Reader::Float, 4) => Value::Float(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        (Reader::Float, 8) => Value::Float(f64::from_be_bytes(bytes.try_into().ok()?)),
        (Reader::Numeric, _) => Value::Float(numeric(bytes)?),
        (Reader::Timestamp, 8) => Value::Wall(time(bytes)?),
        (Reader::Timestamptz, 8) => Value::Instant(time(bytes)?),
        (Reader::Date, 4) => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            // The ends of the range stand for infinity.
            if days == i32::MAX || days == i32::MIN {
                return None;
            }
            Value::Day(i64::from(days) * DAY_MS + EPOCH_MS)
        }
        (Reader::Text, _) => Value::Text(std::str::from_utf8(bytes).ok()?.into()),
        (Reader::Padded, _) => Value::Text(std::str::from_utf8(bytes).ok()?.trim_end_matches(' ').into()),
        // A version before the text.
        (Reader::Jsonb, _) => Value::Text(std::str::from_utf8(bytes.get(1..)?).ok()?.into()),
        (Reader::Uuid, 16) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            Value::Text(parts.join("-").into())
        }
        _ => return None,
    })
}

fn time(bytes: &[u8]) -> Option<i64> {
    let us = i64::from_be_bytes(bytes.try_into().ok()?);
    // The ends of the range stand for infinity.
    (us != i64::MAX && us != i64::MIN).then(|| us.div_euclid(1_000) + EPOCH_MS)
}

/// The number nearest to a NUMERIC: four `u16` (count of digits, weight of the first, sign, scale), then digits to the
/// base of 10,000. See `numeric_send` in PostgreSQL's `numeric.c`.
fn numeric(bytes: &[u8]) -> Option<f64> {
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(2 * at..2 * at + 2)?.try_into().ok()?));
    let (count, weight, sign) = (word(0)?, word(1)?.cast_signed(), word(2)?);
    let sign = match sign {
        0x0000 => "",
        0x4000 => "-",
        0xC000 => return Some(f64::NAN),
        0xD000 => return Some(f64::INFINITY),
        0xF000 => return Some(f64::NEG_INFINITY),
        _ => return None,
    };
    let mut text = String::with_capacity(usize::from(count) * 4 + 8);
    text.push_str(sign);
    text.push('0');
    for at in 0..usize::from(count) {
        let digit = word(4 + at).filter(|digit| *digit < 10_000)?;
        text.push_str(&format!("{digit:04}"));
    }
    let exponent = 4 * (i32::from(weight) + 1 - i32::from(count));
    text.push_str(&format!("e{exponent}"));
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn decimals_become_the_nearest_number() {
        for (digits, number) in [
            (&[0, 0, 0, 0][..], Some(0.0)),
            (&[2, 0, 0, 2, 12, 3400], Some(12.34)),
            (&[2, 0, 0x4000, 2, 12, 3400], Some(-12.34)),
            (&[1, 1, 0, 0, 5], Some(50_000.0)),
            (&[1, (-1_i16).cast_unsigned(), 0, 4, 1], Some(0.0001)),
            (&[0, 0, 0xD000, 0], Some(f64::INFINITY)),
            (&[1, 0, 0, 0, 10_000], None),
            (&[2, 0, 0, 0, 1], None),
            (&[0, 0, 7, 0], None),
        ] {
            assert_eq!(numeric(&words(digits)), number, "{digits:?}");
        }
        assert!(numeric(&words(&[0, 0, 0xC000, 0])).unwrap().is_nan());
    }

    #[test]
    fn infinite_times_are_none() {
        assert_eq!(decode(Reader::Timestamptz, &i64::MAX.to_be_bytes()), None);
        assert_eq!(decode(Reader::Date, &i32::MIN.to_be_bytes()), None);
        assert_eq!(decode(Reader::Timestamptz, &1_500_i64.to_be_bytes()), Some(Value::Instant(EPOCH_MS + 1)));
        assert_eq!(decode(Reader::Timestamp, &(-1_i64).to_be_bytes()), Some(Value::Wall(EPOCH_MS - 1)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            use Reader::{Bool, Date, Float, Int, Jsonb, None, Numeric, Oid, Padded, Text, Timestamp, Timestamptz, Uuid};
            for reader in [Bool, Int, Oid, Float, Numeric, Timestamp, Timestamptz, Date, Text, Padded, Jsonb, Uuid, None] {
                let _ = decode(reader, &bytes);
            }
        }
    }
}
