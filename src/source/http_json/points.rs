//! From the cells of rows to series: which point a row is, and which series it belongs to.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{Cell, MAX_POINTERS};
use super::pointer::Pointer;
use super::time::TimeFormat;
use super::{DEFAULT_NAME, Options};
use crate::error::{Category, Error, Result, list_names};
use crate::series::{Labels, Series};

/// The most series one answer may hold.
const MAX_SERIES: usize = 1_000;
/// The most labels a query may ask for.
const MAX_LABELS: usize = 32;

/// Where in an answer what is, and what to call it.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) rows: Pointer,
    /// Of the time, the value, the row itself, and every label.
    pub(super) pointers: Vec<Pointer>,
    label_names: Vec<String>,
    time_format: TimeFormat,
    name: String,
    unit: Option<String>,
}

/// Places in [`Layout::pointers`].
const TIME: usize = 0;
const VALUE: usize = 1;
const ROW: usize = 2;
const LABELS: usize = 3;
const _: () = assert!(LABELS + MAX_LABELS <= MAX_POINTERS);

impl Layout {
    /// The layout that a query describes.
    ///
    /// # Errors
    /// [`Category::Query`] if there are too many labels, or two have the same name.
    pub(super) fn of(options: &Options) -> Result<Self> {
        let wrong = |what: String, hint: &str| Err(Error::new(Category::Query, what).hint(hint));
        let names: BTreeSet<&str> = options.labels.iter().map(|label| label.name.as_str()).collect();
        if options.labels.len() > MAX_LABELS {
            let count = options.labels.len();
            return wrong(
                format!("option source.labels: {count} labels, more than {MAX_LABELS}"),
                "remove some",
            );
        }
        if names.len() < options.labels.len() || names.contains("") {
            let what = "option source.labels: a label has no name, or that of another".to_owned();
            return wrong(what, "give every label a name of its own");
        }
        let row = Pointer::default();
        let own = [options.time.clone(), options.value.clone(), row];
        Ok(Self {
            rows: options.rows.clone(),
            pointers: own
                .into_iter()
                .chain(options.labels.iter().map(|label| label.pointer.clone()))
                .collect(),
            label_names: options.labels.iter().map(|label| label.name.clone()).collect(),
            time_format: options.time_format,
            name: if options.name.is_empty() { DEFAULT_NAME.to_owned() } else { options.name.clone() },
            unit: Some(options.unit.clone()).filter(|unit| !unit.is_empty()),
        })
    }
}

/// The points of the rows read so far.
pub(super) struct Points<'l> {
    pub(super) layout: &'l Layout,
    by_labels: BTreeMap<Vec<String>, Vec<(i64, f64)>>,
    rows: usize,
    without_time: usize,
    without_value: usize,
    first_trouble: Option<String>,
    /// Why reading was given up, if it was.
    pub(super) failure: Option<Error>,
}

impl<'l> Points<'l> {
    pub(super) fn new(layout: &'l Layout) -> Self {
        Self {
            layout,
            by_labels: BTreeMap::new(),
            rows: 0,
            without_time: 0,
            without_value: 0,
            first_trouble: None,
            failure: None,
        }
    }

    /// Takes the point out of the cells of one row, if there is one.
    pub(super) fn take(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        self.rows += 1;
        let Some(time) = self.layout.time_format.parse(&cells[TIME]) else {
            self.without_time += 1;
            self.note_trouble("time", TIME, cells);
            return Ok(());
        };
        let Some(value) = cells[VALUE].number() else {
            self.without_value += 1;
            self.note_trouble("value", VALUE, cells);
            return Ok(());
        };
        let labels: Vec<String> = cells[LABELS..].iter().map(Cell::label).collect();
        if let Some(points) = self.by_labels.get_mut(&labels) {
            points.push((time, value));
            return Ok(());
        }
        if self.by_labels.len() == MAX_SERIES {
            return Err(Error::new(
                Category::Limit,
                format!(
                    "the labels {} split the answer into more than {MAX_SERIES} series",
                    self.label_list()
                ),
            )
            .hint("take a label with fewer values out of the option labels, or let the service filter"));
        }
        self.by_labels.insert(labels, vec![(time, value)]);
        Ok(())
    }

    fn label_list(&self) -> String {
        list_names(self.layout.label_names.iter().map(String::as_str))
    }

    fn note_trouble(&mut self, option: &str, place: usize, cells: &[Cell<'_>]) {
        if self.first_trouble.is_none() {
            let pointer = &self.layout.pointers[place];
            let row = match &cells[ROW] {
                row @ (Cell::Array | Cell::Object) if cells[place] == Cell::Missing => {
                    format!(" in {}", row.kind())
                }
                Cell::Array | Cell::Object => String::new(),
                scalar => format!(", because the row is {}", scalar.kind()),
            };
            self.first_trouble =
                Some(format!("the {option} pointer \"{pointer}\" found {}{row}", cells[place].kind()));
        }
    }

    /// The series, sorted by their labels, and notices of what was left out or mended.
    pub(super) fn into_series(self) -> Result<(Vec<Series>, Vec<String>)> {
        let mut notices: Vec<String> = self.left_out()?.into_iter().collect();
        let (mut unsorted, mut duplicates) = (0, 0);
        let mut all = Vec::with_capacity(self.by_labels.len());
        for (values, points) in self.by_labels {
            let labels: Labels = self.layout.label_names.iter().cloned().zip(values).collect();
            let (mut series, mended) = Series::from_points(self.layout.name.clone(), labels, points);
            series.unit.clone_from(&self.layout.unit);
            unsorted += mended.unsorted;
            duplicates += mended.duplicates;
            all.push(series);
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        if unsorted > 0 {
            notices.push(format!("Rows sorted by time, because they were not (steps back: {unsorted})"));
        }
        if duplicates > 0 {
            notices.push(format!(
                "Rows left out because a later one of the same series had the same time: {duplicates}"
            ));
        }
        Ok((all, notices))
    }

    /// What to say about rows that could not be used; an error if none could.
    fn left_out(&self) -> Result<Option<String>> {
        let Self { rows, without_time, without_value, first_trouble, .. } = self;
        let Some(trouble) = first_trouble else { return Ok(None) };
        if without_time + without_value == *rows {
            let message = format!("not one of the rows ({rows}) can be used: in the first, {trouble}");
            return Err(Error::new(Category::Protocol, message)
                .hint("set time, value and timeFormat to what the rows look like"));
        }
        Ok(Some(format!(
            "{} of {rows} rows left out ({without_time} without a readable time, {without_value} without a number): \
             in the first of them, {trouble}",
            without_time + without_value
        )))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn labels_need_names_of_their_own() {
        let label = |name: &str| json!({"name": name, "pointer": "/2"});
        let many: Vec<Value> = (0..33).map(|index| label(&index.to_string())).collect();
        for labels in [json!([label("a"), label("a")]), json!([label("")]), json!(many)] {
            let options = serde_json::from_value(json!({ "labels": labels })).unwrap();
            assert_eq!(Layout::of(&options).unwrap_err().category(), Category::Query);
        }
    }
}
