//! What a query can say to a database. The doc comments are the user documentation.

use serde::Deserialize;

use crate::query::AdhocFilter;
use crate::source::aggregate::Aggregate;
use crate::source::time::TimeFormat;

/// What a query can say to a SQL database.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Options {
    /// `builder` makes the statement of the options below, `text` takes it from `sql`. Default `builder`.
    pub(super) mode: Mode,
    /// One SELECT, with macros. Mode `text` only.
    pub(super) sql: String,
    /// How the rows of a raw statement are read. `time-series`: the time is in the column `time`, columns of numbers
    /// are values and name their series, columns of text are labels, and one called `metric` names the series. `table`:
    /// the options `timeColumn`, `valueColumns` and `labelColumns` say which columns count. Default `time-series`; mode
    /// `text` only.
    pub(super) format: Format,
    /// Schema of the table; in MySQL its database. Default empty: where the database looks by itself. Not for SQLite.
    pub(super) schema: String,
    /// Table or view. Mode `builder` only.
    pub(super) table: String,
    /// Column of the time: a timestamp, a date, a number since the epoch, or ISO 8601 text. Default `time`.
    pub(super) time_column: String,
    /// How times are stored that are numbers or text. Default `auto`.
    pub(super) time_format: TimeFormat,
    /// Columns of values, at most 32; each makes a series of its name. In a `table` none means every column of numbers.
    pub(super) value_columns: Vec<String>,
    /// What the database makes of the values of a step: `mean`, `max`, `min`, `sum`, `count`, `p95` (PostgreSQL only),
    /// `last`, or `none` for the rows as they are. Default `mean`; mode `builder` only.
    pub(super) aggregate: Aggregate,
    /// Columns that split the rows into series, at most 32. In a `table` none means every column of text.
    pub(super) label_columns: Vec<String>,
    /// Conditions on columns, all of which a row must meet. Mode `builder` only.
    pub(super) filters: Vec<AdhocFilter>,
    /// Those of the dashboard. A raw statement takes them at its macro `$__adhocFilters`.
    pub(super) adhoc_filters: Vec<AdhocFilter>,
    /// Grafana unit id of the values, such as `bytes` or `percent`. Default none.
    pub(super) unit: String,
}

/// Where the statement of a query comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// From options.
    #[default]
    Builder,
    /// From the user.
    Text,
}

/// How rows become series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Format {
    /// By names and types of the columns.
    #[default]
    TimeSeries,
    /// By the options of the query.
    Table,
}

/// The most columns of values, and of labels.
pub(super) const MAX_COLUMNS: usize = 32;
pub(super) const DEFAULT_TIME_COLUMN: &str = "time";

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Builder,
            sql: String::new(),
            format: Format::TimeSeries,
            schema: String::new(),
            table: String::new(),
            time_column: DEFAULT_TIME_COLUMN.to_owned(),
            time_format: TimeFormat::Auto,
            value_columns: Vec::new(),
            aggregate: Aggregate::Mean,
            label_columns: Vec::new(),
            filters: Vec::new(),
            adhoc_filters: Vec::new(),
            unit: String::new(),
        }
    }
}
