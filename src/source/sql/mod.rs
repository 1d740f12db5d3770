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
mod guard;
mod mysql;
mod options;
mod pool;
mod postgresql;
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
use reqwest::header::HeaderMap;

use self::dialect::TimeColumn;
use self::discover::Texts;
use self::mysql::Mysql;
use self::options::{Mode, Options};
use self::pool::{Driver, Pool, Sink};
use self::postgresql::Postgresql;
use self::rows::{Column, ColumnKind, Layout, Rows, Value};
use self::sqlite::Sqlite;
use self::statement::Statement;
use super::aggregate::Aggregate;
use super::http::Secrets;
use super::time::TimeFormat;
use super::{Choice, FetchRequest, Fetched, Question, Reached, Source, SourceEntry, entry};
use crate::error::{Category, Error, Result};
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
    /// How columns store times, by schema, table and column: asked once.
    times: Mutex<HashMap<(String, String, String), TimeColumn>>,
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

    fn connect(settings: &Settings) -> Result<Self> {
        // Fails if there is a default already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let secrets = Secrets::of(settings, &HeaderMap::new());
        Ok(Self { pool: Pool::new(D::new(settings)?, settings, secrets), times: Mutex::default() })
    }

    fn slice_ms(&self, options: &Options, step_ms: i64) -> Option<i64> {
        let sliced = options.mode == Mode::Builder || statement::depends_on_range(&options.sql);
        sliced.then(|| step_ms.saturating_mul(SLICE_STEPS))
    }

    async fn fetch(&self, options: &Options, request: &FetchRequest) -> Result<Fetched> {
        let zone = self.pool.driver().zone();
        let now_ms = chrono::Utc::now().timestamp_millis();
        let (statement, layout, format) = match options.mode {
            Mode::Text => {
                let statement = statement::expand_text(D::DIALECT, options, request, zone, now_ms)?;
                (statement, Layout::of_text(options), options.time_format)
            }
            Mode::Builder => {
                let statement = self.built(options, request, now_ms).await?;
                let layout = Layout::Built {
                    labels: options.label_columns.clone(),
                    values: options.value_columns.clone(),
                };
                // Steps are made in ms; raw times are what they are.
                let aggregates = options.aggregate != Aggregate::None;
                (statement, layout, if aggregates { TimeFormat::Ms } else { options.time_format })
            }
        };
        let Some(statement) = statement else {
            return Ok(Fetched {
                executed: "nothing: no step of the range is over".to_owned(),
                ..Fetched::default()
            });
        };
        let limits = self.pool.limits();
        let rows = || Rows::new(layout.clone(), format, zone, &options.unit, limits);
        let rows = self.pool.query(&statement, rows).await?;
        let (reading, begun) = (rows.decode_time, Instant::now());
        let (series, notices) = rows.finish()?;
        let decode_time = reading + begun.elapsed();
        Ok(Fetched { series, step_ms: None, executed: statement.shown(), notices, decode_time })
    }

    async fn check(&self) -> Result<Reached> {
        let begun = Instant::now();
        let statement = Statement::plain(D::VERSION.to_owned());
        let answer = self.pool.query(&statement, Texts::default).await?;
        let version = answer.0.into_iter().flatten().next().unwrap_or_default();
        let ms = begun.elapsed().as_millis();
        let place = self.pool.driver().place();
        // "PostgreSQL at db:5432" names the kind, which the version does as well.
        let place = place.split_once(" at ").map_or(place.as_str(), |(_, address)| address);
        Ok(Reached {
            message: format!("Reached {version} at {place} in {ms} ms"),
            details: format!("asked {}", D::VERSION),
        })
    }

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        discover::discover(&self.pool, question).await
    }
}

impl<D: Driver> Sql<D> {
    /// The statement of the builder; `None` if there is nothing to ask for.
    async fn built(
        &self,
        options: &Options,
        request: &FetchRequest,
        now_ms: i64,
    ) -> Result<Option<Statement>> {
        let range = match options.aggregate {
            Aggregate::None => Some(statement::whole_range(request)),
            _ => statement::whole_steps(request, request.step_ms, now_ms),
        };
        let (Some(range), Some(time)) = (range, self.time_column(options).await?) else { return Ok(None) };
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

    /// How the query's column of times stores them; `None` if the table holds none yet.
    async fn time_column(&self, options: &Options) -> Result<Option<TimeColumn>> {
        let key = (options.schema.clone(), options.table.clone(), options.time_column.clone());
        let known = self.remembered().get(&key).copied();
        let found = match known {
            Some(known) => Some(known),
            None => {
                let statement = statement::sample(D::DIALECT, options)?;
                self.pool.query(&statement, Sample::default).await?.0
            }
        };
        let Some(found) = found else { return Ok(None) };
        let mut remembered = self.remembered();
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, found);
        drop(remembered);
        Ok(Some(match (options.time_format, found) {
            (TimeFormat::S, TimeColumn::Epoch { .. }) => TimeColumn::Epoch { per_second: 1 },
            (TimeFormat::Ms, TimeColumn::Epoch { .. }) => TimeColumn::Epoch { per_second: 1_000 },
            (TimeFormat::Us, TimeColumn::Epoch { .. }) => TimeColumn::Epoch { per_second: 1_000_000 },
            (TimeFormat::Ns, TimeColumn::Epoch { .. }) => TimeColumn::Epoch { per_second: 1_000_000_000 },
            _ => found,
        }))
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String, String), TimeColumn>> {
        // Nothing is left half-done under the lock.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Learns from one value how a column stores times.
#[derive(Debug, Default)]
struct Sample(Option<TimeColumn>);

impl Sink for Sample {
    fn begin(&mut self, columns: Vec<Column>) {
        if columns.first().is_some_and(|column| column.kind == ColumnKind::Time) {
            self.0 = Some(TimeColumn::Timestamp);
        }
    }

    fn row(&mut self, row: &[Value<'_>]) -> Result<()> {
        // As `TimeFormat::Auto` tells units apart.
        let epoch = |size: f64| TimeColumn::Epoch {
            per_second: match size.abs() {
                size if size < 1e11 => 1,
                size if size < 1e14 => 1_000,
                size if size < 1e17 => 1_000_000,
                _ => 1_000_000_000,
            },
        };
        self.0 = match row.first() {
            Some(Value::Int(number)) => Some(epoch(*number as f64)),
            Some(Value::Float(number)) => Some(epoch(*number)),
            Some(Value::Text(_)) => Some(TimeColumn::Text),
            Some(Value::Instant(_) | Value::Wall(_)) => Some(TimeColumn::Timestamp),
            Some(Value::Null | Value::Bool(_) | Value::Unreadable) | None => {
                return Err(Error::new(Category::Query, "the column in timeColumn holds no times")
                    .hint("choose a column of timestamps, of numbers since the epoch or of ISO 8601 text"));
            }
        };
        Ok(())
    }
}
