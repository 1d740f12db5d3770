//! SQL databases: SQLite, PostgreSQL (with TimescaleDB), MySQL (with MariaDB).
//!
//! A query names a table and its columns, or brings its own SELECT with macros. What the three have in common is here and
//! in the modules below; what only one has is in the file of its name:
//!
//! | module | from → to |
//! |---|---|
//! | `options` | the query's JSON → options |
//! | `statement`, `dialect` | options, range and step → SQL and bound values |
//! | `guard` | SQL → whether it is one statement that reads |
//! | `pool` | statement → rows, in bounded, read-only sessions that are stopped when nobody waits |
//! | `stream` | answer → rows of values |
//! | `arrays` | many rows of PostgreSQL as one |
//! | `rows` | rows of values → series |
//! | `regexp` | SQLite's `REGEXP`, of bounded memory |
//! | `discover` | question → choices |
//! | `failure` | the database's errors → categories |
//! | `server` | settings → address, user, TLS |
//!
//! Aggregation is the database's work: a value a step, steps aligned to the epoch, and only whole ones.

mod arrays;
mod dialect;
mod discover;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::source) mod fuzzing;
mod grants;
mod guard;
mod mysql;
mod options;
mod pool;
mod postgresql;
mod regexp;
mod rows;
mod server;
mod sqlite;
mod statement;
mod stream;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;

use self::dialect::TimeColumn;
use self::discover::Texts;
use self::mysql::Mysql;
use self::options::{Mode, Options};
use self::pool::{Driver, Pool, Sink};
use self::postgresql::Postgresql;
use self::rows::{Clock, Column, ColumnKind, Layout, Rows, Value};
use self::sqlite::Sqlite;
use self::statement::Statement;
use super::aggregate::Aggregate;
use super::secrets::Secrets;
use super::time::TimeFormat;
use super::{Choice, FetchRequest, Fetched, Question, Reached, Reading, Source, SourceEntry, entry, ranged};
use crate::error::{Category, Error, Result};
#[cfg(any(test, feature = "fuzzing"))]
use crate::fuzzing::Target;
use crate::query::OptionsEntry;
use crate::settings::Settings;

/// Steps that one statement covers; longer ranges are asked for in slices.
const SLICE_STEPS: i64 = 10_000;
/// How many columns' ways to store times are remembered.
const MAX_REMEMBERED: usize = 1_000;

/// PostgreSQL, for the table of sources.
pub(super) const POSTGRESQL: SourceEntry = entry::<Sql<Postgresql>>();
/// MySQL and MariaDB.
pub(super) const MYSQL: SourceEntry = entry::<Sql<Mysql>>();
/// SQLite.
pub(super) const SQLITE: SourceEntry = entry::<Sql<Sqlite>>();

/// A SQL database of the kind that `D` speaks with.
struct Sql<D: Driver> {
    pool: Pool<D>,
    /// How columns store times, by the statement that asked for it.
    times: Mutex<HashMap<String, TimeColumn>>,
}

impl<D: Driver> fmt::Debug for Sql<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pool.driver().place())
    }
}

#[async_trait]
impl<D: Driver> Source for Sql<D> {
    const KIND: &'static str = D::KIND;
    const LABEL: &'static str = D::LABEL;
    const DESCRIPTION: &'static str = D::DESCRIPTION;
    const QUESTIONS: &'static [&'static str] = discover::QUESTIONS;
    type Options = Options;
    // What the three share is named by one of them.
    #[cfg(any(test, feature = "fuzzing"))]
    const FUZZ: &'static [Target] = match D::DIALECT {
        dialect::Dialect::Sqlite => &[
            Target { name: "sql-text", run: fuzzing::text },
            Target { name: "sql-names", run: fuzzing::names },
        ],
        _ => &[],
    };
    const SETTINGS: Option<OptionsEntry> = Some(D::SETTINGS);

    fn connect(settings: &Settings) -> Result<Self> {
        // Fails if there is a default already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secrets = Secrets::of(settings, None);
        Ok(Self { pool: Pool::new(D::new(settings)?, settings, secrets), times: Mutex::default() })
    }

    fn slice_ms(&self, options: &Options, step_ms: i64) -> Option<i64> {
        let is_whole = || !Self::whole(options).is_ok_and(|whole| whole.is_none());
        let sliced =
            options.mode == Mode::Builder || (statement::depends_on_range(&options.sql) && !is_whole());
        sliced.then(|| step_ms.saturating_mul(SLICE_STEPS))
    }

    async fn reading(&self, options: &Options, _step_ms: i64) -> Result<Reading> {
        Ok(Reading { whole: Self::whole(options)?, ..Reading::default() })
    }

    async fn fetch(&self, options: &Options, request: &FetchRequest) -> Result<Fetched> {
        let now_ms = chrono::Utc::now().timestamp_millis();
        if options.mode == Mode::Text {
            let zone = self.pool.driver().zone();
            let statement = statement::expand_text(D::DIALECT, options, request, zone, now_ms)?;
            let layout = Layout::of_text(options);
            return self.read(statement, layout, options.time_format, options).await;
        }
        let (time, is_remembered) = self.time_column(options).await?;
        let fetched = self.fetch_built(options, request, now_ms, time).await;
        let is_doubtful = match &fetched {
            Ok(fetched) => fetched.series.is_empty(),
            Err(error) => error.category() == Category::Query,
        };
        if !(is_remembered && is_doubtful) {
            return fetched;
        }
        // The column may have become another since it was looked at.
        self.remembered().remove(&statement::sample(D::DIALECT, options)?.sql);
        match self.time_column(options).await?.0 {
            now if now == time => fetched,
            now => self.fetch_built(options, request, now_ms, now).await,
        }
    }

    async fn check(&self) -> Result<Reached> {
        let begun = Instant::now();
        let statement = Statement::plain(D::VERSION.to_owned());
        let answer = self.pool.query(&statement, Texts::default).await?;
        let version = answer.0.into_iter().flatten().next().unwrap_or_default();
        let ms = begun.elapsed().as_millis();
        let place = self.pool.driver().place();
        // "PostgreSQL at db:5432" names the kind, which the version does as well.
        let at = place.split_once(" at ").map(|(_, address)| format!(" at {address}")).unwrap_or_default();
        let mut message = format!("Reached {version}{at} in {ms} ms");
        let mut details = format!("asked {}", D::VERSION);
        match self.rights().await {
            Ok(rights) if rights.is_empty() => {}
            Ok(rights) => {
                let rights = rights.join(", ");
                message.push_str(&format!(". Warning: the user {rights}; use one that may only read"));
            }
            // What only speaks like the server need not know its catalogues.
            Err(error) => {
                details.push_str(&format!("; what the user may do besides reading is not known: {error}"));
            }
        }
        Ok(Reached { message, details })
    }

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        discover::discover(&self.pool, question).await
    }
}

impl<D: Driver> Sql<D> {
    /// What in a statement makes a point depend on the range asked for.
    fn whole(options: &Options) -> Result<Option<String>> {
        match options.mode {
            Mode::Builder => Ok(None),
            Mode::Text => ranged::of_sql(&options.sql, &["__timeGroup", "__unixEpochGroup"]),
        }
    }

    /// What the user may do that a user who only reads may not, in words.
    async fn rights(&self) -> Result<Vec<String>> {
        let Some(rights) = D::RIGHTS else { return Ok(Vec::new()) };
        let answer = self.pool.query(&Statement::plain(rights.to_owned()), Texts::default).await?;
        Ok(D::rights(answer.0.into_iter().flatten().collect()))
    }

    /// What the builder's statement answers, for a column that stores times so.
    async fn fetch_built(
        &self,
        options: &Options,
        request: &FetchRequest,
        now_ms: i64,
        time: Option<TimeColumn>,
    ) -> Result<Fetched> {
        let statement = self.built(options, request, now_ms, time)?;
        let layout = Layout::Built {
            labels: options.label_columns.clone(),
            values: options.value_columns.clone(),
            counts_left_out: statement::counts_left_out(D::DIALECT, options),
        };
        let zone = self.pool.driver().zone();
        let makes_ms = time.is_some_and(|time| statement::makes_ms(D::DIALECT, options, time, zone));
        self.read(statement, layout, if makes_ms { TimeFormat::Ms } else { options.time_format }, options)
            .await
    }

    /// The series that a statement answers with; none without a statement.
    async fn read(
        &self,
        statement: Option<Statement>,
        layout: Layout,
        format: TimeFormat,
        options: &Options,
    ) -> Result<Fetched> {
        let Some(statement) = statement else {
            return Ok(Fetched {
                executed: "nothing: no step of the range is over".to_owned(),
                ..Fetched::default()
            });
        };
        let limits = self.pool.limits();
        let zone = self.pool.driver().zone();
        let clock = Clock { zone, takes_second: D::DIALECT.takes_second_hour() };
        let rows = || Rows::new(layout.clone(), format, clock, &options.unit, limits);
        let rows = self.pool.query(&statement, rows).await?;
        let (reading, begun) = (rows.decode_time, Instant::now());
        let (series, notices) = rows.finish()?;
        let decode_time = reading + begun.elapsed();
        Ok(Fetched { series, step_ms: None, executed: statement.shown(), notices, decode_time })
    }

    /// The statement of the builder; `None` if there is nothing to ask for.
    fn built(
        &self,
        options: &Options,
        request: &FetchRequest,
        now_ms: i64,
        time: Option<TimeColumn>,
    ) -> Result<Option<Statement>> {
        let range = match options.aggregate {
            Aggregate::None => Some(statement::whole_range(request)),
            _ => statement::whole_steps(request, request.step_ms, now_ms),
        };
        let (Some(range), Some(time)) = (range, time) else { return Ok(None) };
        let zone = self.pool.driver().zone();
        if D::DIALECT == dialect::Dialect::Sqlite
            && zone != chrono_tz::Tz::UTC
            && time == TimeColumn::Text
            && options.aggregate != Aggregate::None
        {
            return Err(Error::new(Category::Query, "SQLite cannot aggregate by steps in a time zone")
                .hint("set aggregate to none, or leave timeZone of the data source empty"));
        }
        // Nothing that is beyond a limit anyway: a time and each value count as eight bytes.
        let limits = self.pool.limits();
        let row_bytes = size_of::<i64>() * (1 + options.value_columns.len());
        let max_rows = limits.max_rows.min(limits.max_response_bytes / row_bytes);
        let step_ms = request.step_ms;
        statement::build(D::DIALECT, options, range, step_ms, time, zone, max_rows).map(Some)
    }

    /// How the query's column of times stores them, `None` if the table holds none yet; and whether that is remembered from
    /// before.
    async fn time_column(&self, options: &Options) -> Result<(Option<TimeColumn>, bool)> {
        let statement = statement::sample(D::DIALECT, options)?;
        let known = self.remembered().get(&statement.sql).copied();
        let found = match known {
            Some(known) => Some(known),
            None => self.pool.query(&statement, Sample::default).await?.time,
        };
        let Some(found) = found else { return Ok((None, false)) };
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(statement.sql, found);
        drop(remembered);
        let time = match (options.time_format, found) {
            (TimeFormat::S, TimeColumn::Epoch { .. }) => TimeColumn::Epoch { per_second: 1 },
            (TimeFormat::Ms, TimeColumn::Epoch { .. }) => TimeColumn::Epoch { per_second: 1_000 },
            (TimeFormat::Us, TimeColumn::Epoch { .. }) => TimeColumn::Epoch { per_second: 1_000_000 },
            (TimeFormat::Ns, TimeColumn::Epoch { .. }) => TimeColumn::Epoch { per_second: 1_000_000_000 },
            _ => found,
        };
        Ok((Some(time), known.is_some()))
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<String, TimeColumn>> {
        // Nothing is left half-done under the lock.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Learns from one row how a column stores times, and whether the columns of values hold numbers.
#[derive(Debug, Default)]
struct Sample {
    time: Option<TimeColumn>,
    /// The first column of values that holds none, with its type.
    no_number: Option<(String, String)>,
}

impl Sink for Sample {
    fn begin(&mut self, columns: Vec<Column>) {
        if columns.first().is_some_and(|column| column.kind == ColumnKind::Time) {
            self.time = Some(TimeColumn::Timestamp);
        }
        let mut values = columns.into_iter().skip(1);
        self.no_number = values
            .find(|column| !matches!(column.kind, ColumnKind::Number | ColumnKind::Open))
            .map(|column| (column.name, column.type_name));
    }

    fn row(&mut self, row: &[Value<'_>]) -> Result<()> {
        if let Some((name, type_name)) = &self.no_number {
            let what = format!("column \"{name}\" of type {type_name} holds no numbers");
            return Err(Error::new(Category::Query, what)
                .hint("choose another column, cast it to a number in a statement of your own, or set aggregate to none"));
        }
        // As `TimeFormat::Auto` tells units apart.
        let epoch = |size: f64| TimeColumn::Epoch {
            per_second: match size.abs() {
                size if size < 1e11 => 1,
                size if size < 1e14 => 1_000,
                size if size < 1e17 => 1_000_000,
                _ => 1_000_000_000,
            },
        };
        self.time = match row.first() {
            Some(Value::Int(number)) => Some(epoch(*number as f64)),
            Some(Value::Float(number)) => Some(epoch(*number)),
            Some(Value::Text(_)) => Some(TimeColumn::Text),
            Some(Value::Instant(_) | Value::Wall(_) | Value::Day(_)) => Some(TimeColumn::Timestamp),
            // An infinite time, or the day 0000-00-00: the column is one of times all the same.
            Some(Value::Null | Value::Unreadable) if self.time.is_some() => self.time,
            Some(Value::Null | Value::Bool(_) | Value::Unreadable) | None => {
                return Err(Error::new(Category::Query, "the column in timeColumn holds no times")
                    .hint("choose a column of timestamps, of numbers since the epoch or of ISO 8601 text"));
            }
        };
        Ok(())
    }
}
