//! Rows of named columns become points: which column is the time, which are values, which are labels.
//!
//! All languages answer in such rows. Numbers are values, texts are labels; what a column is, its first cell that is not
//! null says.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::{Category, Error, Result};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::collect::{Collector, Lacking, SeriesId};
use crate::source::secrets::{Secrets, one_line};
use crate::source::time::TimeFormat;

/// What is known of an answer before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// How numbers that stand for times are to be read; texts are ISO 8601 always.
    pub(super) times: TimeFormat,
    /// Whether a null says that there was nothing in a step, which is a gap, and not just that this column has nothing
    /// at this time.
    pub(super) nulls_are_gaps: bool,
    /// Whether the name of a series is that of the column alone, and not `measurement.column`.
    pub(super) plain_names: bool,
}

/// The points read so far.
#[derive(Debug)]
pub(super) struct Rows {
    layout: Layout,
    points: Collector,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Time,
    /// Not known yet.
    Open,
    Value,
    Label,
    /// Of no use.
    Unused,
}

#[derive(Debug)]
struct Column {
    name: String,
    role: Role,
    series: Option<SeriesId>,
}

/// Columns of the rows that follow.
#[derive(Debug)]
pub(super) struct Table {
    /// What the names of series begin with, or nothing; a text for each column could take much more than the answer.
    measurement: String,
    /// What the series of all columns are called, where it is not by their columns.
    field: Option<String>,
    columns: Vec<Column>,
    /// Where columns are, by name.
    places: HashMap<String, usize>,
    time: Option<usize>,
    /// Those of all rows.
    labels: Labels,
    /// The texts of the label columns in the row before.
    texts: Vec<String>,
    /// The series of columns, by the texts of rows before; without those of `texts`.
    known: HashMap<Vec<String>, Vec<(usize, SeriesId)>>,
}

/// The most columns of an answer.
pub(super) const MAX_COLUMNS: usize = 10_000;
/// The same where rows name their columns, so that a short row costs as much as a long one.
pub(super) const MAX_GROWN_COLUMNS: usize = 1_000;
/// How much of the name of a column is quoted.
const QUOTED_CHARS: usize = 60;

const HINT: &str = "select the column time and at least one column of numbers";

impl Table {
    /// Columns by name; one called `time` is the time.
    pub(super) fn new(measurement: &str, labels: Labels, names: Vec<String>, layout: Layout) -> Self {
        let role = |name: &str| if name == "time" { Role::Time } else { Role::Open };
        Self::with_roles(
            measurement,
            labels,
            names.into_iter().map(|name| (role(&name), name)).collect(),
            layout,
        )
    }

    /// Columns whose roles are known.
    pub(super) fn with_roles(
        measurement: &str,
        labels: Labels,
        columns: Vec<(Role, String)>,
        layout: Layout,
    ) -> Self {
        let column = |(role, name): (Role, String)| Column { name, role, series: None };
        let columns: Vec<Column> = columns.into_iter().map(column).collect();
        let time = columns.iter().position(|column| column.role == Role::Time);
        let measurement = if layout.plain_names { String::new() } else { measurement.to_owned() };
        Self {
            measurement,
            field: None,
            columns,
            places: HashMap::new(),
            time,
            labels,
            texts: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// The same, with one name for the series of all columns.
    pub(super) fn of_field(self, field: Option<String>) -> Self {
        Self { field, ..self }
    }

    /// What people know a column of values by.
    fn column_name(&self, column: usize) -> &str {
        self.field.as_deref().unwrap_or(&self.columns[column].name)
    }

    fn series_name(&self, column: usize) -> Cow<'_, str> {
        let name = self.column_name(column);
        if self.measurement.is_empty() {
            Cow::Borrowed(name)
        } else {
            Cow::Owned(format!("{}.{name}", self.measurement))
        }
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether it is not known yet what a column is.
    pub(super) fn is_open(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(|column| column.role == Role::Open)
    }

    /// The column of this name; a new one, not known yet, if there is none. For tables that began without columns;
    /// `None` if there are too many.
    pub(super) fn column(&mut self, name: &str) -> Option<usize> {
        if let Some(at) = self.places.get(name) {
            return Some(*at);
        }
        let at = self.columns.len();
        if at == MAX_GROWN_COLUMNS {
            return None;
        }
        let role = if name == "time" { Role::Time } else { Role::Open };
        if role == Role::Time {
            self.time = Some(at);
        }
        let name = name.to_owned();
        self.places.insert(name.clone(), at);
        self.columns.push(Column { name, role, series: None });
        Some(at)
    }

    /// Learns what columns are, and whether the row belongs to other series than the one before.
    fn learn(&mut self, cells: &[Cell<'_>]) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            if column.role == Role::Open {
                column.role = match cell {
                    Cell::Text(_) => Role::Label,
                    Cell::Int(_) | Cell::Float(_) | Cell::Bool(_) => Role::Value,
                    Cell::Array | Cell::Object => Role::Unused,
                    Cell::Missing | Cell::Null => Role::Open,
                };
            }
        }
        let labels = self.columns.iter().zip(cells).filter(|(column, _)| column.role == Role::Label);
        let same = labels.clone().count() == self.texts.len()
            && labels.clone().zip(&self.texts).all(|((_, cell), text)| cell.is_label(text));
        if !same {
            let texts: Vec<String> = labels.map(|(_, cell)| cell.label()).collect();
            let before = std::mem::replace(&mut self.texts, texts);
            let columns = self.columns.iter_mut().enumerate();
            let old: Vec<_> = columns.filter_map(|(at, column)| Some((at, column.series.take()?))).collect();
            // All of them together are no more than series.
            if !old.is_empty() {
                self.known.insert(before, old);
            }
            for (at, id) in self.known.remove(&self.texts).unwrap_or_default() {
                self.columns[at].series = Some(id);
            }
        }
    }

    fn row_labels(&self) -> Labels {
        let mut labels = self.labels.clone();
        let own = self.columns.iter().filter(|column| column.role == Role::Label);
        // CSV has one spelling for an empty text and for none.
        let told = own.zip(&self.texts).filter(|(_, text)| !text.is_empty());
        labels.extend(told.map(|(column, text)| (column.name.clone(), text.clone())));
        labels
    }
}

impl Rows {
    pub(super) fn new(layout: Layout, limits: &Limits) -> Self {
        Self { layout, points: Collector::new(limits) }
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// See [`Collector::look_at`].
    pub(super) fn look_at(&mut self, bytes: usize) {
        self.points.look_at(bytes);
    }

    /// Takes one row of `table`; cells beyond its columns are left out.
    ///
    /// # Errors
    /// [`Category::Limit`] if there are too many rows or series; [`Category::Protocol`] if there is no column for times.
    pub(super) fn take(&mut self, table: &mut Table, cells: &[Cell<'_>]) -> Result<()> {
        let at = table
            .time
            .ok_or_else(|| Error::new(Category::Protocol, "the answer has no column \"time\"").hint(HINT))?;
        let cell = cells.get(at).unwrap_or(&Cell::Missing);
        let Some(time) = self.time(cell) else {
            return self.points.leave_out(Lacking::Time, || format!("the time is {}", cell.kind()));
        };
        // Columns are gone through for each row, and texts that stand for those left out may be long.
        let texts: usize = cells.iter().map(Cell::text_bytes).sum();
        self.look_at(table.columns.len().saturating_add(texts));
        table.learn(cells);
        for (index, cell) in cells.iter().enumerate().take(table.columns.len()) {
            let column = &table.columns[index];
            let number = match (column.role, cell) {
                (Role::Value | Role::Open, Cell::Null | Cell::Missing) if self.layout.nulls_are_gaps => {
                    Some(f64::NAN)
                }
                (Role::Value, Cell::Null | Cell::Missing) => continue,
                (Role::Value, cell) => cell.number(),
                _ => continue,
            };
            let Some(number) = number else {
                self.points.leave_out(Lacking::Value, || {
                    let name = one_line(table.column_name(index), QUOTED_CHARS);
                    format!("the column \"{name}\" holds {}", cell.kind())
                })?;
                continue;
            };
            let id = match column.series {
                Some(id) => id,
                None => {
                    let id = self.points.series(&table.series_name(index), table.row_labels())?;
                    table.columns[index].series = Some(id);
                    id
                }
            };
            self.points.push(id, time, number)?;
        }
        Ok(())
    }

    fn time(&self, cell: &Cell<'_>) -> Option<i64> {
        match cell {
            Cell::Text(_) => self.layout.times.parse(cell).or_else(|| TimeFormat::Iso8601.parse(cell)),
            _ => self.layout.times.parse(cell),
        }
    }

    /// See [`Collector::finish`]. Names of columns are the upstream's words: no secret in them gets out.
    pub(super) fn finish(self, secrets: &Secrets) -> Result<(Vec<Series>, Vec<String>)> {
        match self.points.finish(HINT) {
            Ok((series, notices)) => {
                Ok((series, notices.iter().map(|notice| secrets.scrub(notice)).collect()))
            }
            Err(error) => Err(Error::new(error.category(), secrets.scrub(error.message())).hint(HINT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { times: TimeFormat::Ms, nulls_are_gaps: false, plain_names: false };

    fn taken(layout: Layout, names: &[&str], rows: &[&[Cell<'_>]]) -> Result<(Vec<Series>, Vec<String>)> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let mut table = Table::new("m", Labels::new(), names, layout);
        let mut all = Rows::new(layout, &Limits::default());
        for row in rows {
            all.take(&mut table, row)?;
        }
        all.finish(&Secrets::default())
    }

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(text.into())
    }

    #[test]
    fn numbers_are_values_and_texts_are_labels() {
        let (series, notices) = taken(
            LAYOUT,
            &["time", "id", "temp", "on"],
            &[
                &[Cell::Int(1), text("a"), Cell::Float(1.5), Cell::Null],
                &[Cell::Int(2), text("b"), Cell::Int(2), Cell::Bool(true)],
                &[Cell::Int(3), text("a"), Cell::Null, Cell::Bool(false)],
                &[Cell::Int(4), text("a"), Cell::Float(4.0)],
            ],
        )
        .unwrap();
        let found: Vec<_> = series
            .iter()
            .map(|s| (s.name.as_str(), s.labels["id"].as_str(), s.times.as_slice(), s.values.as_slice()))
            .collect();
        assert_eq!(
            found,
            [
                ("m.on", "a", &[3][..], &[0.0][..]),
                ("m.temp", "a", &[1, 4][..], &[1.5, 4.0][..]),
                ("m.on", "b", &[2][..], &[1.0][..]),
                ("m.temp", "b", &[2][..], &[2.0][..]),
            ]
        );
        assert!(notices.is_empty());
    }

    #[test]
    fn a_null_of_a_step_is_a_gap_and_any_other_is_nothing() {
        let rows: &[&[Cell<'_>]] = &[&[Cell::Int(1), Cell::Null], &[Cell::Int(2), Cell::Int(5)]];
        let (series, _) = taken(LAYOUT, &["time", "v"], rows).unwrap();
        assert_eq!((series[0].times.as_slice(), series[0].values[0]), (&[2][..], 5.0));
        let stepped = Layout { nulls_are_gaps: true, plain_names: true, ..LAYOUT };
        let (series, _) = taken(stepped, &["time", "v"], rows).unwrap();
        assert_eq!((series[0].name.as_str(), series[0].times.as_slice()), ("v", &[1, 2][..]));
        assert!(series[0].values[0].is_nan());
    }

    #[test]
    fn times_may_be_texts_and_rows_without_one_are_left_out() {
        let rows: &[&[Cell<'_>]] = &[
            &[text("2023-11-14T22:13:20.123456789"), Cell::Int(1)],
            &[text("1700000000124"), Cell::Int(2)],
            &[Cell::Null, Cell::Int(3)],
        ];
        let (series, notices) = taken(LAYOUT, &["time", "v"], rows).unwrap();
        assert_eq!(series[0].times, [1_700_000_000_123, 1_700_000_000_124]);
        assert!(notices[0].contains("1 of 3 rows left out") && notices[0].contains("the time is null"));
        let error = taken(LAYOUT, &["at", "v"], rows).unwrap_err();
        assert!(error.to_string().contains("no column \"time\""), "{error}");
    }

    #[test]
    fn a_value_that_is_no_number_is_left_out_and_told() {
        let rows: &[&[Cell<'_>]] = &[&[Cell::Int(1), Cell::Int(1)], &[Cell::Int(2), text("many")]];
        let (series, notices) = taken(LAYOUT, &["time", "v"], rows).unwrap();
        assert_eq!(series[0].len(), 1);
        assert!(notices[0].contains("the column \"v\" holds text"), "{notices:?}");
    }
}
