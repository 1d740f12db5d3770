//! What a query can say to a database. The doc comments are the user documentation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::query::AdhocFilter;
use crate::source::aggregate::Aggregate;
use crate::source::time::TimeFormat;

/// What a query can say to a SQL database.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Options {
    /// Choose a table and columns, or write SQL.
    #[schemars(title = "Query by")]
    pub(super) mode: Mode,
    /// One SELECT, with macros.
    #[schemars(title = "Statement", extend("x-when" = { "mode": ["text"] }))]
    pub(super) sql: String,
    /// How the columns of the answer are read.
    #[schemars(title = "Format", extend("x-when" = { "mode": ["text"] }))]
    pub(super) format: Format,
    /// Schema of the table; in MySQL its database. Not for SQLite.
    #[schemars(title = "Schema", extend("x-empty" = "where the database looks by itself",
        "x-when" = { "mode": ["builder"] }))]
    pub(super) schema: String,
    /// Table or view with a row for each measurement.
    #[schemars(title = "Table", extend("x-when" = { "mode": ["builder"] }))]
    pub(super) table: String,
    /// Column of the time: a timestamp, a date, a number since the epoch, or ISO 8601 text.
    #[schemars(title = "Time column")]
    pub(super) time_column: String,
    /// How times are stored that are numbers or text.
    #[schemars(title = "Time format")]
    pub(super) time_format: TimeFormat,
    /// Columns of numbers; each makes a series of its name. In a `table` none means every column of numbers.
    #[schemars(title = "Value columns", extend("maxItems" = MAX_COLUMNS, "x-empty" = "none"))]
    pub(super) value_columns: Vec<String>,
    /// What the database makes of the values of a step; `p95` in PostgreSQL only.
    #[schemars(title = "Aggregate", extend("x-when" = { "mode": ["builder"] }))]
    pub(super) aggregate: Aggregate,
    /// Columns that split the rows into series. In a `table` none means every column of text.
    #[schemars(title = "Label columns", extend("maxItems" = MAX_COLUMNS, "x-empty" = "none"))]
    pub(super) label_columns: Vec<String>,
    /// Conditions that every row must meet: a column, an operator (`=`, `!=`, `<`, `>`, `=~`, `!~`) and a value.
    #[schemars(title = "Filters", extend("x-empty" = "none", "x-when" = { "mode": ["builder"] }))]
    pub(super) filters: Vec<AdhocFilter>,
    /// Those of the dashboard. A raw statement takes them at its macro `$__adhocFilters`.
    #[schemars(title = "Ad-hoc filters", extend("x-not-saved" = true))]
    pub(super) adhoc_filters: Vec<AdhocFilter>,
    /// Grafana's id of the unit of the values, for example `ms`, `bytes` or `percent`.
    #[schemars(title = "Unit", extend("x-empty" = "none"))]
    pub(super) unit: String,
}

/// Where the statement of a query comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// The statement is made of the options below.
    #[default]
    #[schemars(title = "Builder")]
    Builder,
    /// The statement is the user's own.
    #[schemars(title = "SQL")]
    Text,
}

/// How rows become series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Format {
    /// The time is in the column `time`, columns of numbers are values and name their series, columns of text are labels, and
    /// one called `metric` names the series.
    #[default]
    #[schemars(title = "Time series")]
    TimeSeries,
    /// The options `timeColumn`, `valueColumns` and `labelColumns` say which columns count.
    #[schemars(title = "Table")]
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
