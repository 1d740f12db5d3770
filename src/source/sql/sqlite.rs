//! SQLite: a file on this machine, read only.
//!
//! Which files may be opened is the operator's decision, who configures Grafana: those below his directories and no others,
//! of which the data source may name fewer (`allowedDirectories`). The path and the directories are resolved (symbolic
//! links, too) before they are compared, again before every new session. The file is opened with `SQLITE_OPEN_READONLY` and
//! `query_only`; the SQL function `load_extension` is off, as SQLite has it by default and nothing here changes; and
//! [`super::guard`] lets no `ATTACH` or `PRAGMA` pass.
//!
//! Sorting and hashing happens in memory, of which all sessions together have so much and no more (`hard_heap_limit`): no
//! text, no blob and no list of rows can be larger, and no temporary file is written. What one statement may hold is bounded
//! besides ([`LIMITS`]).

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{LockedSqliteHandle, SqliteConnectOptions, SqliteConnection, SqliteRow, SqliteTypeInfo};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, TypeInfo as _, ValueRef as _};

use super::dialect::Dialect;
use super::pool::{After, Driver, Sink, Trouble};
use super::regexp;
use super::rows::{ColumnKind, Value};
use super::server::zone_of;
use super::statement::Statement;
use super::stream::{self, bound, hand_over};
use crate::error::{Category, Error, Result};
use crate::query::OptionsEntry;
use crate::query::macros::MAX_EXPANDED_BYTES;
use crate::settings::Settings;

/// What one statement may be or hold, by the numbers that SQLite has for it (<https://www.sqlite.org/c3ref/c_limit_attached.html>).
const LIMITS: [(i32, usize); 8] = [
    // A text, a blob or a row in bytes. What a function does with two of them cannot be stopped, and takes time with the
    // product of both lengths (`instr`).
    (libsqlite3_sys::SQLITE_LIMIT_LENGTH, 1 << 20),
    (libsqlite3_sys::SQLITE_LIMIT_SQL_LENGTH, MAX_EXPANDED_BYTES),
    (libsqlite3_sys::SQLITE_LIMIT_EXPR_DEPTH, 500),
    (libsqlite3_sys::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    // The time that LIKE and GLOB take grows with the product of both lengths.
    (libsqlite3_sys::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
    (libsqlite3_sys::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (libsqlite3_sys::SQLITE_LIMIT_ATTACHED, 0),
    // Threads besides ours.
    (libsqlite3_sys::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// How many steps of SQLite's machine pass between two looks at whether anyone still waits.
const STEPS_PER_LOOK: i32 = 10_000;
/// How long a lock of a writer is waited for, at most.
const BUSY: Duration = Duration::from_secs(5);
/// Rows between SQLite's thread and ours.
const ROWS_UNDER_WAY: usize = 512;

/// A database file.
#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
    /// The operator's.
    allowed: Vec<PathBuf>,
    /// Those of them that the data source wants; all if there are none.
    wanted: Vec<PathBuf>,
    heap_bytes: usize,
    immutable: bool,
    zone: chrono_tz::Tz,
    busy: Duration,
}

/// The keys of `jsonData` that only SQLite knows.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct Json {
    /// Absolute path of the database file on Grafana's machine, below a directory that the operator allows
    /// (`sqlite_directories` in grafana.ini). It is opened read-only.
    #[schemars(title = "Path")]
    path: String,
    /// Only databases below these directories are opened, of those that the operator of Grafana allows
    /// (`sqlite_directories` in grafana.ini). Absolute paths.
    #[schemars(title = "Allowed directories", extend("x-empty" = "all that the operator allows"))]
    allowed_directories: Vec<String>,
    /// Nobody writes to the file: read it without locks. If somebody does, answers are wrong.
    #[schemars(title = "Immutable")]
    immutable: bool,
    /// IANA name of the zone that timestamps without one are in.
    #[schemars(title = "Time zone", example = &"Europe/Berlin", extend("format" = "iana-time-zone", "x-empty" = "UTC"))]
    time_zone: String,
}

/// A connection with its brake.
pub(super) struct Session {
    connection: SqliteConnection,
    given_up: Arc<AtomicBool>,
}

/// Directories below which a file must lie, and who lists them where.
struct Allowed<'a> {
    directories: &'a [PathBuf],
    hint: &'static str,
}

/// The file to open, without symbolic links; below a directory of each of the lists.
///
/// # Errors
/// [`Category::Config`] if it is outside of the directories, or not there. Of what is outside, the message says nothing,
/// not even whether it exists.
fn resolve(path: &Path, lists: &[Allowed<'_>]) -> Result<PathBuf> {
    let below = |path: &Path, links: bool| {
        for Allowed { directories, hint } in lists {
            let resolved = directories.iter().filter_map(|path| path.canonicalize().ok());
            let is_below = resolved.into_iter().any(|directory| path.starts_with(directory))
                || (links && directories.iter().any(|directory| path.starts_with(directory)));
            if !is_below {
                let what = "the path of the SQLite database is not below an allowed directory";
                return Err(Error::new(Category::Config, what).hint(*hint));
            }
        }
        Ok(())
    };
    // As typed, or through a link on the way to the directory itself; anything else is not even looked at.
    below(path, true)?;
    let path = path.canonicalize().map_err(|error| {
        Error::new(Category::Config, format!("the SQLite database cannot be opened: {error}"))
            .hint("check path in the data source settings, and that this process may read it")
    })?;
    below(&path, false)?;
    if !path.is_file() {
        return Err(Error::new(Category::Config, "the path of the SQLite database is no file")
            .hint("set path in the data source settings to a database file"));
    }
    Ok(path)
}

/// A path of the settings: absolute, and without `..`.
fn checked(name: &str, path: &str) -> Result<PathBuf> {
    let path = Path::new(path.trim());
    let wrong =
        |what: &str, hint: &str| Err(Error::new(Category::Config, format!("{name} {what}")).hint(hint));
    if path.as_os_str().is_empty() {
        return wrong("is empty", "write an absolute path");
    }
    if !path.is_absolute() {
        return wrong("is no absolute path", "write it from the root on, as in /var/lib/data/metrics.db");
    }
    if path.components().any(|part| part == Component::ParentDir) || path.to_string_lossy().contains('\0') {
        return wrong("holds ..", "write the path itself");
    }
    Ok(path.to_owned())
}

#[async_trait]
impl Driver for Sqlite {
    const KIND: &'static str = "sqlite";
    const LABEL: &'static str = "SQLite";
    const DESCRIPTION: &'static str = "A SQLite database file on Grafana's machine, opened read-only";
    const DIALECT: Dialect = Dialect::Sqlite;
    const SETTINGS: OptionsEntry = OptionsEntry::of::<Json>();
    // The second column makes SQLite read the file.
    const VERSION: &'static str =
        "SELECT 'SQLite ' || sqlite_version(), (SELECT count(*) FROM sqlite_schema)";
    // Its thread is ours.
    const STOPPING: Option<Duration> = None;
    type Session = Session;

    fn new(settings: &Settings) -> Result<Self> {
        let json: Json = settings.own.parse()?;
        let allowed = settings.operator.sqlite_directories.clone();
        if allowed.is_empty() {
            return Err(Error::new(Category::Config, "no directory is allowed for SQLite databases").hint(
                "whoever operates Grafana lists those whose databases may be read in sqlite_directories, in the section \
                 [plugin.outrider-outliers-datasource] of grafana.ini",
            ));
        }
        let wanted = json
            .allowed_directories
            .iter()
            .filter(|path| !path.trim().is_empty())
            .map(|path| checked("a directory of allowedDirectories", path))
            .collect::<Result<_>>()?;
        Ok(Self {
            path: checked("path", &json.path)?,
            allowed,
            wanted,
            heap_bytes: settings.operator.sqlite_bytes,
            immutable: json.immutable,
            zone: zone_of(&json.time_zone)?,
            busy: settings.limits.timeout.min(BUSY),
        })
    }

    fn place(&self) -> String {
        // Not the path: viewers read this, too.
        "the SQLite database".to_owned()
    }

    fn zone(&self) -> chrono_tz::Tz {
        self.zone
    }

    async fn open(&self) -> Result<Session, Trouble> {
        let (path, allowed, wanted) = (self.path.clone(), self.allowed.clone(), self.wanted.clone());
        let resolved = tokio::task::spawn_blocking(move || {
            let by_operator = Allowed {
                directories: &allowed,
                hint: "whoever operates Grafana lists its directory in sqlite_directories, in the section \
                       [plugin.outrider-outliers-datasource] of grafana.ini",
            };
            let by_source = Allowed {
                directories: &wanted,
                hint: "list its directory, as absolute path, in allowedDirectories of the data source settings",
            };
            let lists = [by_operator, by_source];
            resolve(&path, &lists[..if wanted.is_empty() { 1 } else { 2 }])
        })
        .await;
        let path = resolved.map_err(|_| Error::panicked("looking for the SQLite database"))??;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .read_only(true)
            .create_if_missing(false)
            .immutable(self.immutable)
            .busy_timeout(self.busy)
            .statement_cache_capacity(1)
            .row_buffer_size(ROWS_UNDER_WAY)
            .pragma("query_only", "ON")
            // What a hostile file could otherwise make its views and triggers do.
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .pragma("mmap_size", "0")
            .pragma("temp_store", "MEMORY")
            .pragma("hard_heap_limit", self.heap_bytes.to_string())
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        let given_up = Arc::new(AtomicBool::new(false));
        let looked_at = Arc::clone(&given_up);
        let mut handle = connection.lock_handle().await?;
        limit(&mut handle);
        regexp::register(&mut handle, Arc::clone(&given_up))?;
        handle.set_progress_handler(STEPS_PER_LOOK, move || !looked_at.load(Ordering::Relaxed));
        drop(handle);
        Ok(Session { connection, given_up })
    }

    async fn is_alive(&self, _session: &mut Session) -> bool {
        // A file that was replaced would still be the old one to a session: not worth a look older than this.
        false
    }

    async fn run(
        &self,
        session: &mut Session,
        statement: &Statement,
        sink: &mut (dyn Sink + Send),
    ) -> Result<After, Trouble> {
        hand_over::<sqlx::Sqlite, Reader>(bound(statement).fetch(&mut session.connection), sink).await?;
        Ok(After::Keep)
    }

    async fn close(&self, session: Session) {
        let _ = session.connection.close().await;
    }

    async fn stop(&self, session: Session) {
        session.given_up.store(true, Ordering::Relaxed);
        // Waits for the thread, which now stops soon.
        let _ = session.connection.close().await;
    }
}

/// Sets [`LIMITS`], for which sqlx has no options.
#[expect(unsafe_code, reason = "there is no other way to tell SQLite")]
fn limit(handle: &mut LockedSqliteHandle<'_>) {
    for (kind, most) in LIMITS {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        // SAFETY: the connection is open, and locked as long as the handle is borrowed; numbers beyond what SQLite was
        // compiled for are cut to that.
        unsafe { libsqlite3_sys::sqlite3_limit(handle.as_raw_handle().as_ptr(), kind, most) };
    }
}

/// What the declared type of a column says: any value may be in any column.
#[derive(Debug, Clone, Copy)]
struct Reader(ColumnKind);

impl stream::Reader<sqlx::Sqlite> for Reader {
    fn of(column: &SqliteTypeInfo) -> Self {
        Self(match column.name() {
            "DATE" | "DATETIME" => ColumnKind::Time,
            _ => ColumnKind::Open,
        })
    }

    fn kind(self) -> ColumnKind {
        self.0
    }

    fn read(self, row: &SqliteRow, at: usize) -> Option<Value<'_>> {
        let raw = row.try_get_raw(at).ok()?;
        // The type of the value itself, whatever its column was declared as.
        match raw.type_info().name() {
            "INTEGER" => row.try_get_unchecked(at).ok().map(Value::Int),
            "REAL" => row.try_get_unchecked(at).ok().map(Value::Float),
            // Text that is no UTF-8 is not readable.
            "TEXT" => row.try_get_unchecked::<&str, _>(at).ok().map(|text| Value::Text(text.into())),
            _ => None,
        }
    }
}
