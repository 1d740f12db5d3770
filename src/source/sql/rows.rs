//! Rows of a database to series.
//!
//! Input is, per answer, the columns with their types and then row after row of [`Value`]s as a driver decodes them;
//! output is series. Which column is what follows from a [`Layout`]. Databases without fixed types (SQLite) leave the kind
//! of a column open: it is then that of its first value, and rows before it wait.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;

use super::options::{Format, Options};
use crate::error::{Category, Error, Result};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::collect::{Collector, Lacking, SeriesId, same_text};
use crate::source::time::TimeFormat;

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'r> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'r, str>),
    /// An instant, in ms since the epoch.
    Instant(i64),
    /// What a clock on the wall shows, in ms since its own 1970.
    Wall(i64),
    /// A day of the calendar: its midnight, as [`Value::Wall`].
    Day(i64),
    /// Of a type that is neither time, number nor text.
    Unreadable,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Time,
    Number,
    Text,
    /// The first value tells.
    Open,
    Unreadable,
}

/// A column of an answer.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    /// The database's name of its type, for messages.
    pub(super) type_name: String,
}

/// Which column is what.
#[derive(Debug, Clone)]
pub(super) enum Layout {
    /// The time, so many labels, so many values, and maybe how many values the database left out: as the builder asks for
    /// them.
    Built { labels: Vec<String>, values: Vec<String>, counts_left_out: bool },
    /// By name and type: Grafana's format for time series.
    TimeSeries,
    /// As the query says.
    Table { time: String, values: Vec<String>, labels: Vec<String> },
}

impl Layout {
    /// That of the user's own statement.
    pub(super) fn of_text(options: &Options) -> Self {
        match options.format {
            Format::TimeSeries => Self::TimeSeries,
            Format::Table => Self::Table {
                time: options.time_column.clone(),
                values: options.value_columns.clone(),
                labels: options.label_columns.clone(),
            },
        }
    }
}

/// The places of the columns that count.
#[derive(Debug)]
struct Roles {
    time: usize,
    /// The column whose text names the series.
    metric: Option<usize>,
    /// With the names of the labels.
    labels: Vec<(usize, String)>,
    /// With the names of the series.
    values: Vec<(usize, String)>,
    /// The column that counts values that were left out.
    left_out: Option<usize>,
}

/// How many rows wait at most for the first value of a column.
const MAX_WAITING: usize = 1_000;
/// Names of the columns that Grafana's format gives a meaning to; the second is an old one of its MySQL source.
const TIME: &str = "time";
const TIME_SEC: &str = "time_sec";
const METRIC: &str = "metric";

/// The rows with the same labels.
#[derive(Debug)]
struct Group {
    key: String,
    /// One a column of values.
    series: Vec<SeriesId>,
}

/// The rows of one answer.
#[derive(Debug)]
pub(super) struct Rows {
    layout: Layout,
    time_format: TimeFormat,
    clock: Clock,
    unit: String,
    limits: Limits,
    bytes: usize,
    columns: Vec<Column>,
    roles: Option<Roles>,
    waiting: Vec<Vec<Value<'static>>>,
    collector: Collector,
    /// Where in `groups` the rows are whose labels, length by length, make the key.
    known: HashMap<String, usize>,
    groups: Vec<Group>,
    /// The group of the last row, which is mostly that of the next one.
    last: usize,
    key: String,
    notices: Vec<String>,
    /// A column without a role for its type, with the type.
    unread: Option<(String, String)>,
    /// Points taken, and values that the database left out.
    points: usize,
    left_out: f64,
    /// What reading the rows has taken so far.
    pub(super) decode_time: Duration,
}

impl Rows {
    pub(super) fn new(
        layout: Layout,
        time_format: TimeFormat,
        clock: Clock,
        unit: &str,
        limits: Limits,
    ) -> Self {
        Self {
            layout,
            time_format,
            clock,
            unit: unit.to_owned(),
            limits,
            bytes: 0,
            columns: Vec::new(),
            roles: None,
            waiting: Vec::new(),
            collector: Collector::new(&limits),
            known: HashMap::new(),
            groups: Vec::new(),
            last: 0,
            key: String::new(),
            notices: Vec::new(),
            unread: None,
            points: 0,
            left_out: 0.0,
            decode_time: Duration::ZERO,
        }
    }

    /// The columns of the rows to come; before the first of them.
    pub(super) fn begin(&mut self, columns: Vec<Column>) {
        self.columns = columns;
    }

    /// Takes a row, one value a column.
    ///
    /// # Errors
    /// [`Category::Limit`] beyond a limit; [`Category::Query`] if the columns cannot be told apart.
    pub(super) fn row(&mut self, row: &[Value<'_>]) -> Result<()> {
        self.count_bytes(row)?;
        if self.roles.is_some() {
            return self.take(row);
        }
        for (column, value) in self.columns.iter_mut().zip(row) {
            if column.kind == ColumnKind::Open {
                column.kind = match value {
                    Value::Null => ColumnKind::Open,
                    Value::Bool(_) | Value::Int(_) | Value::Float(_) => ColumnKind::Number,
                    Value::Text(_) => ColumnKind::Text,
                    Value::Instant(_) | Value::Wall(_) | Value::Day(_) => ColumnKind::Time,
                    Value::Unreadable => ColumnKind::Unreadable,
                };
            }
        }
        let open = self.columns.iter().any(|column| column.kind == ColumnKind::Open);
        if open && self.waiting.len() < MAX_WAITING {
            let texts = row.iter().map(|value| if let Value::Text(text) = value { text.len() } else { 0 });
            self.collector.keep(size_of_val(row) + texts.sum::<usize>())?;
            self.waiting.push(row.iter().map(owned).collect());
            return Ok(());
        }
        self.settle()?;
        self.take(row)
    }

    /// The series and notices.
    ///
    /// # Errors
    /// Those of [`Rows::row`] for rows that waited; [`Category::Protocol`] if no row can be used.
    pub(super) fn finish(mut self) -> Result<(Vec<Series>, Vec<String>)> {
        if self.roles.is_none() && !self.waiting.is_empty() {
            self.settle()?;
        }
        let hint = "the time must be a timestamp, a number since the epoch or ISO 8601 text, and values must be numbers: \
                    cast them in the query";
        let (series, mut notices) = self.collector.finish(hint)?;
        // Of rows with the same time the last one counts, which would be wrong for those of different series.
        if let Some((name, type_name)) = self.unread
            && series.iter().map(Series::len).sum::<usize>() < self.points
        {
            return Err(Error::new(
                Category::Query,
                format!("rows of one series have the same time, and column \"{name}\" of type {type_name}, which may tell them \
                         apart, cannot be read"),
            )
            .hint(format!("cast \"{name}\" to text for a label, or aggregate over it")));
        }
        notices.extend(self.notices);
        if self.left_out > 0.0 {
            notices.push(format!("Values left out because they are no numbers: {}", self.left_out));
        }
        Ok((series, notices))
    }

    fn count_bytes(&mut self, row: &[Value<'_>]) -> Result<()> {
        let asked_for = match self.layout {
            Layout::Built { counts_left_out: true, .. } => &row[..row.len().saturating_sub(1)],
            _ => row,
        };
        self.bytes += asked_for
            .iter()
            .map(|value| match value {
                Value::Text(text) => text.len(),
                _ => size_of::<i64>(),
            })
            .sum::<usize>();
        let max = self.limits.max_response_bytes;
        if self.bytes > max {
            return Err(Error::new(Category::Limit, format!("the answer has more than {max} bytes"))
                .hint("ask for fewer columns, a longer step or a shorter range, or raise the setting maxResponseBytes"));
        }
        Ok(())
    }

    /// Decides which column is what, and takes the rows that waited for it.
    fn settle(&mut self) -> Result<()> {
        // A column without a single value: gaps.
        for column in &mut self.columns {
            if column.kind == ColumnKind::Open {
                column.kind = ColumnKind::Number;
            }
        }
        let roles = self.roles_of_columns()?;
        let left_out = self.columns.iter().enumerate().filter(|(at, column)| {
            column.kind == ColumnKind::Unreadable
                || (column.kind == ColumnKind::Time
                    && *at != roles.time
                    && matches!(self.layout, Layout::TimeSeries))
        });
        let left_out: Vec<&Column> = left_out.map(|(_, column)| column).collect();
        self.unread = left_out.first().map(|column| (column.name.clone(), column.type_name.clone()));
        let notices: Vec<String> = left_out
            .into_iter()
            .map(|Column { name, type_name, .. }| {
                format!(
                    "Column \"{name}\" of type {type_name} left out: cast it to a number for a value, to text for a label"
                )
            })
            .collect();
        self.notices.extend(notices);
        self.roles = Some(roles);
        for row in std::mem::take(&mut self.waiting) {
            self.take(&row)?;
        }
        Ok(())
    }

    fn roles_of_columns(&self) -> Result<Roles> {
        let columns = &self.columns;
        let at = |name: &str| columns.iter().position(|column| column.name == name);
        let of_kind = |kind: ColumnKind| {
            let columns = columns.iter().enumerate().filter(move |(_, column)| column.kind == kind);
            columns.map(|(at, column)| (at, column.name.clone()))
        };
        match &self.layout {
            Layout::Built { labels, values, counts_left_out } => {
                let places = |from: usize, names: &[String]| (from..).zip(names.iter().cloned()).collect();
                let after = 1 + labels.len() + values.len();
                Ok(Roles {
                    time: 0,
                    metric: None,
                    labels: places(1, labels),
                    values: places(1 + labels.len(), values),
                    left_out: counts_left_out.then_some(after),
                })
            }
            Layout::TimeSeries => {
                let time = at(TIME)
                    .or_else(|| at(TIME_SEC))
                    .or_else(|| columns.iter().position(|column| column.kind == ColumnKind::Time))
                    .ok_or_else(|| {
                        Error::new(Category::Query, format!("the answer has no column \"{TIME}\""))
                            .hint("name the column of the time so, as in SELECT created_at AS \"time\", …")
                    })?;
                let but_time = |(at, _): &(usize, String)| *at != time;
                let metric = at(METRIC).filter(|at| columns[*at].kind == ColumnKind::Text && *at != time);
                let labels = of_kind(ColumnKind::Text).filter(but_time).filter(|(at, _)| Some(*at) != metric);
                let values: Vec<_> = of_kind(ColumnKind::Number).filter(but_time).collect();
                if values.is_empty() {
                    return Err(Error::new(Category::Query, "the answer has no column of numbers")
                        .hint("select one, or cast a column to a number"));
                }
                Ok(Roles { time, metric, labels: labels.collect(), values, left_out: None })
            }
            Layout::Table { time, values, labels } => {
                let named = |name: &String| {
                    at(name).map(|at| (at, name.clone())).ok_or_else(|| {
                        let all = columns.iter().map(|column| column.name.as_str());
                        Error::new(Category::Query, format!("the answer has no column \"{name}\""))
                            .hint(format!("its columns are {}", crate::error::list_names(all)))
                    })
                };
                let time = named(time)?.0;
                let chosen = |names: &[String], kind: ColumnKind| -> Result<Vec<(usize, String)>> {
                    if names.is_empty() {
                        Ok(of_kind(kind).filter(|(at, _)| *at != time).collect())
                    } else {
                        names.iter().map(named).collect()
                    }
                };
                let mut values = chosen(values, ColumnKind::Number)?;
                let labels = chosen(labels, ColumnKind::Text)?;
                // A number that is named as a label is none of the values, and the other way round.
                let is_label = |at: usize| labels.iter().any(|(label, _)| *label == at);
                values.retain(|(at, _)| !is_label(*at));
                if values.is_empty() {
                    return Err(Error::new(Category::Query, "the answer has no value column")
                        .hint("name columns of numbers in valueColumns"));
                }
                Ok(Roles { time, metric: None, labels, values, left_out: None })
            }
        }
    }

    fn take(&mut self, row: &[Value<'_>]) -> Result<()> {
        let Some(roles) = &self.roles else { return Ok(()) };
        let Some(time) = row.get(roles.time).and_then(|value| time_of(value, self.time_format, self.clock))
        else {
            let column = &self.columns[roles.time];
            return self.collector.leave_out(Lacking::Time, || {
                format!("the column \"{}\" of type {} is no readable time", column.name, column.type_name)
            });
        };
        if let Some(count) = roles.left_out.and_then(|at| row.get(at)).and_then(number_of)
            && count > 0.0
        {
            self.left_out += count;
        }
        self.key.clear();
        for at in roles.labels.iter().map(|(at, _)| *at).chain(roles.metric) {
            match row.get(at).unwrap_or(&Value::Null) {
                // Rows of different labels would become one series.
                Value::Unreadable => return Err(unreadable_label(&self.columns[at])),
                value => push_label(&mut self.key, value),
            }
        }
        if !self.groups.get(self.last).is_some_and(|group| same_text(&group.key, &self.key)) {
            self.last = match self.known.get(&self.key) {
                Some(group) => *group,
                None => {
                    let series = new_series(&mut self.collector, roles, row, &self.unit)?;
                    self.known.insert(self.key.clone(), self.groups.len());
                    self.groups.push(Group { key: self.key.clone(), series });
                    self.groups.len() - 1
                }
            };
        }
        for ((at, name), id) in roles.values.iter().zip(&self.groups[self.last].series) {
            match row.get(*at).and_then(number_of) {
                Some(value) => {
                    self.collector.push(*id, time, value)?;
                    self.points += 1;
                }
                None => self
                    .collector
                    .leave_out(Lacking::Value, || format!("the column \"{name}\" is no number"))?,
            }
        }
        Ok(())
    }
}

/// The series of a row's labels, one a column of values.
fn new_series(
    collector: &mut Collector,
    roles: &Roles,
    row: &[Value<'_>],
    unit: &str,
) -> Result<Vec<SeriesId>> {
    let text = |at: usize| row.get(at).map(label_of).unwrap_or_default();
    let labels: Labels =
        roles.labels.iter().map(|(at, name)| (name.clone(), text(*at).into_owned())).collect();
    let mut all = Vec::with_capacity(roles.values.len());
    for (_, name) in &roles.values {
        let name = match roles.metric {
            None => name.clone(),
            Some(metric) if roles.values.len() == 1 => text(metric).into_owned(),
            Some(metric) => format!("{} {name}", text(metric)),
        };
        let id = collector.series(&name, labels.clone())?;
        collector.set_unit(id, unit);
        all.push(id);
    }
    Ok(all)
}

fn unreadable_label(Column { name, type_name, .. }: &Column) -> Error {
    Error::new(Category::Query, format!("column \"{name}\" of type {type_name} cannot be read as a label"))
        .hint("cast it to text in a statement of your own, or take another column for labels")
}

/// Adds a label to a key, in a way that no other labels give the same key.
fn push_label(key: &mut String, value: &Value<'_>) {
    let text = label_of(value);
    // The length as a character: below 2^11 in two bytes, and unambiguous with the rest of it as text.
    key.push_str(&text.len().to_string());
    key.push(':');
    key.push_str(&text);
}

fn label_of<'a>(value: &'a Value<'_>) -> Cow<'a, str> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        Value::Int(number) => Cow::Owned(number.to_string()),
        Value::Instant(ms) => written(*ms, "%Y-%m-%dT%H:%M:%S%.fZ"),
        Value::Wall(ms) => written(*ms, "%Y-%m-%d %H:%M:%S%.f"),
        Value::Day(ms) => written(*ms, "%Y-%m-%d"),
        Value::Float(number) => Cow::Owned(number.to_string()),
        Value::Bool(yes) => Cow::Borrowed(if *yes { "true" } else { "false" }),
        Value::Null | Value::Unreadable => Cow::Borrowed(""),
    }
}

fn written(ms: i64, format: &str) -> Cow<'static, str> {
    Cow::Owned(match DateTime::from_timestamp_millis(ms) {
        Some(time) => time.format(format).to_string(),
        None => ms.to_string(),
    })
}

/// The number a value stands for, NaN for a gap.
fn number_of(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Null => Some(f64::NAN),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Text(text) => Cell::Text(Cow::Borrowed(text)).number(),
        Value::Instant(_) | Value::Wall(_) | Value::Day(_) | Value::Unreadable => None,
    }
}

fn time_of(value: &Value<'_>, format: TimeFormat, clock: Clock) -> Option<i64> {
    match value {
        Value::Instant(ms) => Some(*ms),
        Value::Wall(ms) | Value::Day(ms) => instant(*ms, clock),
        Value::Int(number) => format.parse(&Cell::Int(*number)),
        Value::Float(number) => format.parse(&Cell::Float(*number)),
        Value::Text(text) => {
            let ms = format.parse(&Cell::Text(Cow::Borrowed(text)))?;
            if has_zone(text) { Some(ms) } else { instant(ms, clock) }
        }
        Value::Null | Value::Bool(_) | Value::Unreadable => None,
    }
}

/// How times without a zone are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) zone: Tz,
    /// Whether an hour that the clock shows twice is the second of them, as the database itself has it.
    pub(super) takes_second: bool,
}

/// The instant at which the clock on the wall shows a time. Where it shows one twice, that of the database's choice; where
/// it skips one, what it would have shown without the change.
pub(super) fn instant(wall_ms: i64, Clock { zone, takes_second }: Clock) -> Option<i64> {
    if zone == Tz::UTC {
        return Some(wall_ms);
    }
    let wall = DateTime::from_timestamp_millis(wall_ms)?.naive_utc();
    let local = zone.from_local_datetime(&wall);
    match if takes_second { local.latest() } else { local.earliest() } {
        Some(time) => Some(time.timestamp_millis()),
        None => {
            let before = wall.checked_sub_signed(chrono::TimeDelta::hours(3))?;
            let before = zone.from_local_datetime(&before).earliest()?;
            before.timestamp_millis().checked_add(3 * 3_600_000)
        }
    }
}

/// Whether the text of a time says its zone, or is a number.
fn has_zone(text: &str) -> bool {
    let text = text.trim();
    let time_of_day = text.get("2023-11-14".len()..).unwrap_or_default();
    // Other forms than ISO 8601 say it in letters, such as GMT, or count from the epoch.
    let is_other = text.ends_with(|last: char| last.is_ascii_alphabetic() || last == '/');
    text.parse::<f64>().is_ok() || is_other || time_of_day.contains(['Z', 'z', '+', '-'])
}

fn owned(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Text(text) => Value::Text(Cow::Owned(text.clone().into_owned())),
        Value::Null => Value::Null,
        Value::Bool(yes) => Value::Bool(*yes),
        Value::Int(number) => Value::Int(*number),
        Value::Float(number) => Value::Float(*number),
        Value::Instant(ms) => Value::Instant(*ms),
        Value::Wall(ms) => Value::Wall(*ms),
        Value::Day(ms) => Value::Day(*ms),
        Value::Unreadable => Value::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: ColumnKind) -> Column {
        Column { name: name.to_owned(), kind, type_name: "X".to_owned() }
    }

    fn rows(columns: &[(&str, ColumnKind)], layout: Layout, zone: Tz) -> Rows {
        let clock = Clock { zone, takes_second: false };
        let mut rows = Rows::new(layout, TimeFormat::Auto, clock, "bytes", Limits::default());
        rows.begin(columns.iter().map(|(name, kind)| column(name, *kind)).collect());
        rows
    }

    fn text(text: &str) -> Value<'_> {
        Value::Text(text.into())
    }

    #[test]
    fn columns_of_open_kind_are_told_by_their_first_value() {
        use ColumnKind::Open;
        let mut rows =
            rows(&[("time", Open), ("v", Open), ("host", Open), ("w", Open)], Layout::TimeSeries, Tz::UTC);
        rows.row(&[Value::Int(1_700_000_000), Value::Null, Value::Null, Value::Null]).unwrap();
        rows.row(&[text("2023-11-14 22:13:21"), Value::Float(2.0), text("a"), Value::Null]).unwrap();
        rows.row(&[Value::Int(1_700_000_002), text("3.5"), text("a"), Value::Null]).unwrap();
        let (series, notices) = rows.finish().unwrap();
        let found: Vec<_> =
            series.iter().map(|one| (one.name.as_str(), one.labels["host"].as_str(), one.len())).collect();
        assert_eq!(found, [("v", "", 1), ("w", "", 1), ("v", "a", 2), ("w", "a", 2)]);
        assert_eq!(series[2].times, [1_700_000_001_000, 1_700_000_002_000]);
        assert_eq!(series[2].values, [2.0, 3.5]);
        assert!(series[3].values[0].is_nan());
        assert_eq!(series[0].unit.as_deref(), Some("bytes"));
        assert_eq!(notices, Vec::<String>::new());
    }

    #[test]
    fn a_metric_names_the_series() {
        use ColumnKind::{Number, Text, Time};
        let columns = [("time", Time), ("metric", Text), ("a", Number), ("b", Number)];
        let mut wide = rows(&columns, Layout::TimeSeries, Tz::UTC);
        wide.row(&[Value::Instant(0), text("m"), Value::Int(1), Value::Bool(true)]).unwrap();
        let names: Vec<_> = wide.finish().unwrap().0.into_iter().map(|series| series.name).collect();
        assert_eq!(names, ["m a", "m b"]);
        let mut one = rows(&columns[..3], Layout::TimeSeries, Tz::UTC);
        one.row(&[Value::Instant(0), text("m"), Value::Int(1)]).unwrap();
        assert_eq!(one.finish().unwrap().0[0].name, "m");
    }

    #[test]
    fn labels_cannot_be_mistaken_for_each_other() {
        use ColumnKind::{Number, Text, Time};
        let mut rows =
            rows(&[("time", Time), ("a", Text), ("b", Text), ("v", Number)], Layout::TimeSeries, Tz::UTC);
        for (a, b) in [("1:", "x"), ("", "1:1:x"), ("1", ":x"), ("1:x", "")] {
            rows.row(&[Value::Instant(0), text(a), text(b), Value::Int(1)]).unwrap();
        }
        assert_eq!(rows.finish().unwrap().0.len(), 4);
    }

    #[test]
    fn clocks_on_the_wall_are_read_in_their_zone() {
        let berlin = Clock { zone: Tz::Europe__Berlin, takes_second: false };
        let wall = |text: &str| TimeFormat::Iso8601.text(text).unwrap();
        for (clock, utc) in [
            ("2023-11-14 12:00:00", "2023-11-14 11:00:00"),
            ("2023-07-14 12:00:00", "2023-07-14 10:00:00"),
            // Shown twice, and not at all.
            ("2023-10-29 02:30:00", "2023-10-29 00:30:00"),
            ("2023-03-26 02:30:00", "2023-03-26 01:30:00"),
        ] {
            assert_eq!(instant(wall(clock), berlin), Some(wall(utc)), "{clock}");
            assert_eq!(time_of(&text(clock), TimeFormat::Auto, berlin), Some(wall(utc)), "{clock}");
        }
        for text_with_zone in [
            "2023-11-14T12:00:00Z",
            "2023-11-14 13:00:00+01:00",
            "1699963200",
            "Tue, 14 Nov 2023 12:00:00 GMT",
            "/Date(1699963200000)/",
        ] {
            let found = time_of(&text(text_with_zone), TimeFormat::Auto, berlin);
            assert_eq!(found, Some(wall("2023-11-14 12:00:00")), "{text_with_zone}");
        }
        assert_eq!(instant(i64::MAX, berlin), None);
        let second = Clock { takes_second: true, ..berlin };
        assert_eq!(instant(wall("2023-10-29 02:30:00"), second), Some(wall("2023-10-29 01:30:00")));
        assert_eq!(instant(wall("2023-11-14 12:00:00"), second), Some(wall("2023-11-14 11:00:00")));
    }

    #[test]
    fn what_is_unreadable_is_left_out_with_a_notice() {
        use ColumnKind::{Number, Time, Unreadable};
        let columns = [("time", Time), ("v", Number), ("took", Unreadable), ("later", Time)];
        let one_series = |second: i64| {
            let mut rows = rows(&columns, Layout::TimeSeries, Tz::UTC);
            for time in [1, second] {
                rows.row(&[Value::Instant(time), Value::Int(1), Value::Unreadable, Value::Null]).unwrap();
            }
            rows.finish()
        };
        assert_eq!(one_series(2).unwrap().0[0].times, [1, 2]);
        let error = one_series(1).unwrap_err().to_string();
        assert!(error.contains("\"took\" of type X") && error.contains("cast"), "{error}");
        let mut rows = rows(&columns, Layout::TimeSeries, Tz::UTC);
        rows.row(&[Value::Instant(1), Value::Int(1), Value::Unreadable, Value::Instant(2)]).unwrap();
        rows.row(&[Value::Unreadable, Value::Int(1), Value::Unreadable, Value::Null]).unwrap();
        rows.row(&[Value::Instant(3), text("many"), Value::Unreadable, Value::Null]).unwrap();
        let (series, notices) = rows.finish().unwrap();
        assert_eq!(series[0].times, [1]);
        assert_eq!(notices.len(), 3, "{notices:?}");
        assert!(notices[1].contains("\"took\"") && notices[2].contains("\"later\""), "{notices:?}");
    }
}
