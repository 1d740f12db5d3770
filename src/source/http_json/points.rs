//! From the cells of rows to series: which point a row is, and which series it belongs to.

use std::collections::{BTreeSet, HashMap};

use super::cells::MAX_POINTERS;
use super::pointer::Pointer;
use super::{DEFAULT_NAME, Options};
use crate::error::{Category, Error, Result, list_names};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::collect::{Collector, Lacking, SeriesId};
use crate::source::time::TimeFormat;

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
    unit: String,
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
            unit: options.unit.clone(),
        })
    }
}

/// The points of the rows read so far.
pub(super) struct Points<'l> {
    pub(super) layout: &'l Layout,
    limits: Limits,
    collector: Collector,
    by_labels: HashMap<Vec<String>, SeriesId>,
    /// Why reading was given up, if it was.
    pub(super) failure: Option<Error>,
}

impl<'l> Points<'l> {
    pub(super) fn new(layout: &'l Layout, limits: Limits) -> Self {
        Self { layout, limits, collector: Collector::new(&limits), by_labels: HashMap::new(), failure: None }
    }

    /// Forgets everything.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.layout, self.limits);
    }

    /// Takes the point out of the cells of one row, if there is one.
    ///
    /// # Errors
    /// [`Category::Limit`] if there are too many rows or series.
    pub(super) fn take(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        let layout = self.layout;
        let Some(time) = layout.time_format.parse(&cells[TIME]) else {
            return self.collector.leave_out(Lacking::Time, || trouble(layout, "time", TIME, cells));
        };
        let Some(value) = cells[VALUE].number() else {
            return self.collector.leave_out(Lacking::Value, || trouble(layout, "value", VALUE, cells));
        };
        let labels: Vec<String> = cells[LABELS..].iter().map(Cell::label).collect();
        let id = match self.by_labels.get(&labels) {
            Some(id) => *id,
            None => {
                let named: Labels = layout.label_names.iter().cloned().zip(labels.iter().cloned()).collect();
                let id = self.collector.series(&layout.name, named).map_err(|_| self.too_many_series())?;
                self.collector.set_unit(id, &layout.unit);
                self.by_labels.insert(labels, id);
                id
            }
        };
        self.collector.push(id, time, value)
    }

    fn too_many_series(&self) -> Error {
        let labels = list_names(self.layout.label_names.iter().map(String::as_str));
        let max = self.limits.max_series;
        Error::new(
            Category::Limit,
            format!("the labels {labels} split the answer into more than {max} series"),
        )
        .hint("take a label with fewer values out of the option labels, or raise the setting maxSeries")
    }

    /// The series, sorted by their labels, and notices of what was left out or mended.
    pub(super) fn into_series(self) -> Result<(Vec<Series>, Vec<String>)> {
        self.collector.finish("set time, value and timeFormat to what the rows look like")
    }
}

/// What the pointer at `place` found instead of what it should.
fn trouble(layout: &Layout, option: &str, place: usize, cells: &[Cell<'_>]) -> String {
    let pointer = &layout.pointers[place];
    let row = match &cells[ROW] {
        row @ (Cell::Array | Cell::Object) if cells[place] == Cell::Missing => format!(" in {}", row.kind()),
        Cell::Array | Cell::Object => String::new(),
        scalar => format!(", because the row is {}", scalar.kind()),
    };
    format!("the {option} pointer \"{pointer}\" found {}{row}", cells[place].kind())
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
