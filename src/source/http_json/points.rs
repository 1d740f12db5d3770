//! From the cells of rows to series: which point a row is, and which series it belongs to.

use std::collections::{BTreeSet, HashMap};

use super::cells::MAX_POINTERS;
use super::forms::ALL_MEMBERS;
use super::place::{LabelPlace, Relative, RowsPlace};
use super::pointer::Pointer;
use super::{DEFAULT_NAME, Form, Format, Options};
use crate::error::{Category, Error, Result, list_names};
use crate::series::{Labels, Series, text_bytes};
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::collect::{Collector, Lacking, SeriesId};
use crate::source::time::TimeFormat;

/// The most labels a query may ask for.
const MAX_LABELS: usize = 32;

/// Where in an answer what is, and what to call it.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) form: Form,
    pub(super) rows: RowsPlace,
    /// Of the time, the value, the row itself, and every label in a row.
    pub(super) pointers: Vec<Pointer>,
    label_names: Vec<String>,
    /// Labels that are the same for all rows of a place.
    pub(super) place_labels: Vec<(String, Relative)>,
    time_format: TimeFormat,
    name: String,
    unit: String,
}

/// Places in [`Layout::pointers`].
pub(super) const TIME: usize = 0;
pub(super) const VALUE: usize = 1;
pub(super) const ROW: usize = 2;
const LABELS: usize = 3;
const _: () = assert!(LABELS + MAX_LABELS <= MAX_POINTERS);

impl Layout {
    /// The layout that a query describes.
    ///
    /// # Errors
    /// [`Category::Query`] if there are too many labels, two have the same name, or one is where the format has none.
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
        let mut pointers = vec![options.time.clone(), options.value.clone(), Pointer::default()];
        let (mut label_names, mut place_labels) = (Vec::new(), Vec::new());
        for label in &options.labels {
            let name = label.name.clone();
            match &label.pointer {
                LabelPlace::Above(_) if options.format == Format::Csv => {
                    let what = format!(
                        "option source.labels: \"{name}\" is above the rows, where a table has nothing"
                    );
                    return wrong(what, "name a column, such as /host");
                }
                LabelPlace::InRow(_) if name == ALL_MEMBERS => {
                    let what = "option source.labels: \"*\" takes the members of an object above the rows"
                        .to_owned();
                    return wrong(
                        what,
                        "write where it is, seen from the rows, such as 1/tags, or name the labels one by one",
                    );
                }
                LabelPlace::InRow(pointer) => {
                    label_names.push(name);
                    pointers.push(pointer.clone());
                }
                LabelPlace::Above(relative) => place_labels.push((name, relative.clone())),
            }
        }
        // Labels that are asked for by name go before those of "*".
        place_labels.sort_by_key(|(name, _)| name == ALL_MEMBERS);
        Ok(Self {
            format: options.format,
            form: options.form,
            rows: options.rows.clone(),
            pointers,
            label_names,
            place_labels,
            time_format: options.time_format,
            name: if options.name.is_empty() { DEFAULT_NAME.to_owned() } else { options.name.clone() },
            unit: options.unit.clone(),
        })
    }

    /// The pointer to the one array of rows, if nothing but the rows themselves is needed, so that they can be read one by
    /// one.
    pub(super) fn only_rows(&self) -> Option<&Pointer> {
        match &self.rows {
            RowsPlace::Pointer(pointer) if self.form == Form::Rows && self.place_labels.is_empty() => {
                Some(pointer)
            }
            _ => None,
        }
    }

    /// Whether a time can be read in `cell`.
    pub(super) fn is_time(&self, cell: &Cell<'_>) -> bool {
        self.time_format.parse(cell).is_some()
    }
}

/// The points of the rows read so far.
pub(super) struct Points<'l> {
    pub(super) layout: &'l Layout,
    limits: Limits,
    collector: Collector,
    /// The labels of all rows of the place that is being read.
    place_labels: Labels,
    /// The series with them, by the other labels.
    by_labels: HashMap<Vec<String>, SeriesId>,
    /// The other labels of the row before, and its series, which most rows continue.
    last: Option<(Vec<String>, SeriesId)>,
    /// Why reading was given up, if it was.
    pub(super) failure: Option<Error>,
}

impl<'l> Points<'l> {
    pub(super) fn new(layout: &'l Layout, limits: Limits) -> Self {
        Self {
            layout,
            limits,
            collector: Collector::new(&limits),
            place_labels: Labels::new(),
            by_labels: HashMap::new(),
            last: None,
            failure: None,
        }
    }

    /// Says what labels the rows from now on have besides their own.
    pub(super) fn enter(&mut self, place_labels: Labels) {
        self.collector.look_at(text_bytes("", &place_labels));
        self.place_labels = place_labels;
        self.by_labels.clear();
        self.last = None;
    }

    /// Counts something that cannot be used.
    ///
    /// # Errors
    /// [`Category::Limit`] if there are too many rows.
    pub(super) fn leave_out(&mut self, lacking: Lacking, trouble: impl FnOnce() -> String) -> Result<()> {
        self.collector.leave_out(lacking, trouble)
    }

    /// Counts a row, or a place of columns, of which `cells` show what is lacking.
    ///
    /// # Errors
    /// [`Category::Limit`] if there are too many rows.
    pub(super) fn leave_out_for(&mut self, lacking: Lacking, cells: &[Cell<'_>]) -> Result<()> {
        let layout = self.layout;
        let (option, place) = match lacking {
            Lacking::Time => ("time", TIME),
            Lacking::Value => ("value", VALUE),
        };
        self.collector.leave_out(lacking, || trouble(layout, option, place, cells))
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
            return self.leave_out_for(Lacking::Time, cells);
        };
        let Some(value) = cells[VALUE].number() else {
            return self.leave_out_for(Lacking::Value, cells);
        };
        let cells = &cells[LABELS..];
        // A text may be that of many rows, as one above columns is.
        self.collector.look_at(cells.iter().map(Cell::text_bytes).sum());
        let goes_on = |(texts, _): &&(Vec<String>, SeriesId)| {
            texts.len() == cells.len() && cells.iter().zip(texts).all(|(cell, text)| cell.is_label(text))
        };
        let id = match self.last.as_ref().filter(goes_on) {
            Some((_, id)) => *id,
            None => self.series_of(cells.iter().map(Cell::label).collect())?,
        };
        self.collector.push(id, time, value)
    }

    /// The series of these labels of a row, which is that of the last one now.
    fn series_of(&mut self, labels: Vec<String>) -> Result<SeriesId> {
        let layout = self.layout;
        let id = match self.by_labels.get(&labels) {
            Some(id) => *id,
            None => {
                let mut named = self.place_labels.clone();
                named.extend(layout.label_names.iter().cloned().zip(labels.iter().cloned()));
                let is_full = self.collector.is_full();
                let id = self
                    .collector
                    .series(&layout.name, named)
                    .map_err(|error| if is_full { self.too_many_series() } else { error })?;
                self.collector.set_unit(id, &layout.unit);
                self.by_labels.insert(labels.clone(), id);
                id
            }
        };
        self.last = Some((labels, id));
        Ok(id)
    }

    fn too_many_series(&self) -> Error {
        let above = self.layout.place_labels.iter().map(|(name, _)| name);
        let labels = list_names(self.layout.label_names.iter().chain(above).map(String::as_str));
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
    if layout.form == Form::Keyed && place == TIME {
        return "the name of a member is no time".to_owned();
    }
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

    use super::super::rows;
    use super::*;
    use crate::budget::{self, Memory};
    use crate::source::secrets::Secrets;

    fn decoded(options: Value, answer: &str) -> Result<(Vec<Series>, Vec<String>)> {
        let layout = Layout::of(&serde_json::from_value(options).unwrap()).unwrap();
        rows::decode(answer.as_bytes(), &layout, Limits::default(), &Secrets::default())
    }

    /// A label of one text for all rows is compared with each of them: a cancelled query must not go on until all are.
    #[test]
    fn a_long_label_of_all_rows_is_looked_at_often() {
        const ROWS: usize = 100;
        let options = json!({
            "rows": "", "form": "columns", "time": "/t", "value": "/v",
            "labels": [{"name": "host", "pointer": "/h"}],
        });
        let times: Vec<usize> = (1..=ROWS).collect();
        let answer = json!({"t": times, "v": times, "h": "x".repeat(1 << 20)}).to_string();
        let decode = || decoded(options.clone(), &answer).map(|(series, _)| series[0].len());
        let (looks, done) = budget::counted(usize::MAX, decode);
        assert!(looks >= ROWS && done == Some(Ok(ROWS)), "{looks} looks");
        assert_eq!(budget::counted(3, decode), (3, None));
    }

    /// One text above the rows is a label of every place.
    #[tokio::test]
    async fn a_long_label_of_many_places_is_on_the_account() {
        let options = json!({
            "rows": "$.s[*]", "form": "rows", "time": "/0", "value": "/1",
            "labels": [{"name": "host", "pointer": "2/h"}, {"name": "n", "pointer": "/2"}],
        });
        let places: Vec<Value> = (0..500).map(|number| json!([[1_700_000_000, 1, number]])).collect();
        let answer = json!({"h": "x".repeat(100_000), "s": places}).to_string();
        let memory = Memory::of(64 << 20);
        let error = budget::for_query(memory.account(), async { decoded(options.clone(), &answer) })
            .await
            .unwrap_err();
        assert!(error.category() == Category::Limit && error.to_string().contains("memory_mib"), "{error}");
        assert_eq!(decoded(options, &answer).unwrap().0.len(), 500);
    }

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
