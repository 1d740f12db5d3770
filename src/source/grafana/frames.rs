//! From an answer of `/api/ds/query` to series: data frames in their JSON form, wide, long or multi.
//!
//! A frame is a schema, with name, type, labels and config of each field, and the columns. The first field of type time
//! holds the times; every numeric or boolean field is a series with the labels of its field (wide; several frames are
//! multi), or one a combination of the string fields' texts, if there are any (long). JSON has no NaN: where a value is
//! NaN or infinite, the column holds null and `entities` says which, which makes no difference here: all three are gaps.
//! Parts of a millisecond, in `nanos`, are cut off.
//!
//! Grafana documents the frames in *Data frames* and *Data plane contract* of its developer documentation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::failure;
use super::request::REF_ID;
use crate::error::{Category, Error, Result};
use crate::query::DurationMs;
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::collect::{Collector, Lacking, SeriesId};
use crate::source::json::{Bounded, not_json, without_mark};
use crate::source::secrets::Secrets;
use crate::source::time::TimeFormat;

/// How much of the other data source's words is passed on.
const QUOTED_CHARS: usize = 500;
/// The most of its notices that are.
const MAX_NOTICES: usize = 5;
/// The most of its notices that are read.
const MAX_READ_NOTICES: usize = 100;
/// The most frames of an answer, which are no fewer than the setting `maxSeries` can allow, and fields of a frame.
const MAX_FRAMES: usize = 100_000;
const MAX_FIELDS: usize = 10_000;
/// How much of the name of a field is quoted.
const NAME_CHARS: usize = 60;
/// What people see where a table came instead of series.
const FORM_HINT: &str =
    "let the query of the other data source return time series, not a table, logs or traces";

/// What the request says about its answer.
pub(super) struct Layout {
    /// Later points are left out.
    pub(super) last_ms: i64,
    /// The step that was asked for.
    pub(super) step_ms: i64,
    pub(super) secrets: Arc<Secrets>,
}

/// What an answer holds.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// Ordered by labels and name.
    pub(super) series: Vec<Series>,
    pub(super) notices: Vec<String>,
    /// What the other data source says it asked; may be empty.
    pub(super) executed: String,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    results: HashMap<String, Outcome<'a>>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(default)]
    status: Option<u64>,
    #[serde(default)]
    error: Option<String>,
    /// Text until its turn comes.
    #[serde(borrow, default)]
    frames: Option<Bounded<&'a RawValue, MAX_FRAMES>>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default)]
    schema: Schema<'a>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Schema<'a> {
    name: Option<String>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    fields: Option<Bounded<Field, MAX_FIELDS>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta<'a> {
    data_topic: Option<String>,
    executed_query_string: Option<String>,
    notices: Option<Bounded<Notice, MAX_READ_NOTICES>>,
    /// Whatever the other data source likes.
    #[serde(borrow)]
    custom: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Notice {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Field {
    name: Option<String>,
    r#type: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    config: Option<Config>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    unit: Option<String>,
    display_name: Option<String>,
    #[serde(rename = "displayNameFromDS")]
    display_name_from_ds: Option<String>,
    /// Of a time field: ms between points.
    interval: Option<f64>,
}

/// The columns stay text until it is known what they are.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    values: Option<Vec<&'a RawValue>>,
}

/// The series in an answer, and what the user should know of it.
///
/// # Errors
/// [`Category::Protocol`] if it is no answer of Grafana or holds no series at all, [`Category::Limit`] if it is too
/// long, and that of the other data source if it failed.
pub(super) fn decode(bytes: &[u8], layout: &Layout, limits: &Limits) -> Result<Decoded> {
    let bytes = without_mark(bytes);
    let mut reply: Reply<'_> = serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() { wrong_form("the answer", &error) } else { not_json(bytes, &error) }
    })?;
    let Some(outcome) = reply.results.remove(REF_ID) else {
        return Err(foreign("Grafana's answer does not hold the result of the query"));
    };
    if let Some(said) = outcome.error.filter(|said| !said.is_empty()) {
        return Err(failure::of_result(
            outcome.status.unwrap_or(400),
            &layout.secrets.quote(&said, QUOTED_CHARS),
        ));
    }
    let mut reading = Reading { collector: Collector::new(limits), layout, limits, steps: BTreeSet::new() };
    let mut said = BTreeSet::new();
    let mut executed = String::new();
    let (mut usable, mut other) = (0_usize, 0_usize);
    let frames = outcome.frames.map_or(Ok(Vec::new()), |frames| frames.all("data frames"))?;
    for frame in frames {
        let frame: Frame<'_> =
            serde_json::from_str(frame.get()).map_err(|error| wrong_form("a frame", &error))?;
        if let Some(meta) = &frame.schema.meta {
            if let Some(text) = meta.executed_query_string.as_deref().filter(|_| executed.is_empty()) {
                executed = layout.secrets.scrub(text);
            }
            let texts = meta.notices.iter().flat_map(|notices| &notices.0).map(|notice| notice.text.as_str());
            said.extend(
                texts.filter(|text| !text.is_empty()).map(|text| layout.secrets.quote(text, QUOTED_CHARS)),
            );
            if meta.is_aside() {
                continue;
            }
        }
        match reading.take(frame)? {
            Taken::Series => usable += 1,
            Taken::Nothing => {}
            Taken::Other => other += 1,
        }
    }
    if usable == 0 && other > 0 {
        return Err(foreign("the other data source answered without numbers over time").hint(FORM_HINT));
    }
    let mut notices: Vec<String> = said
        .into_iter()
        .take(MAX_NOTICES)
        .map(|text| format!("The other data source says: {text}"))
        .collect();
    notices.extend(reading.step_notice());
    if other > 0 {
        notices.push(format!("Frames left out because they hold no numbers over time: {other}"));
    }
    let (series, mended) = reading.collector.finish(FORM_HINT)?;
    notices.extend(mended);
    Ok(Decoded { series, notices, executed })
}

fn wrong_form(what: &str, error: &serde_json::Error) -> Error {
    let at = format!("line {}, column {}", error.line(), error.column());
    foreign(&format!("{what} does not have the form of Grafana's data frames at {at}"))
}

fn foreign(message: &str) -> Error {
    Error::new(Category::Protocol, message)
        .hint("check that the URL is that of Grafana, and look into its log")
}

impl Meta<'_> {
    /// Whether the frame is no answer to the query but goes with one: annotations, exemplars.
    fn is_aside(&self) -> bool {
        #[derive(Deserialize)]
        struct Custom {
            #[serde(default, rename = "resultType")]
            result_type: String,
        }
        let custom = self.custom.and_then(|custom| serde_json::from_str::<Custom>(custom.get()).ok());
        self.data_topic.as_deref() == Some("annotations")
            || custom.is_some_and(|custom| custom.result_type == "exemplar")
    }
}

/// What a frame turned out to be.
enum Taken {
    Series,
    /// A frame without rows or fields: there is no data.
    Nothing,
    /// Something else than numbers over time.
    Other,
}

struct Reading<'l> {
    collector: Collector,
    layout: &'l Layout,
    limits: &'l Limits,
    /// Distances between points that fields speak of, where they are not the step asked for.
    steps: BTreeSet<i64>,
}

impl Reading<'_> {
    fn take(&mut self, frame: Frame<'_>) -> Result<Taken> {
        let fields = frame.schema.fields.map_or(Ok(Vec::new()), |fields| fields.all("fields in a frame"))?;
        let columns = frame.data.and_then(|data| data.values).unwrap_or_default();
        if fields.is_empty() || columns.is_empty() {
            return Ok(Taken::Nothing);
        }
        if fields.len() != columns.len() {
            return Err(foreign("a data frame has not as many columns as fields"));
        }
        let at = |kinds: &'static [&'static str]| {
            let is = move |field: &Field| field.r#type.as_deref().is_some_and(|kind| kinds.contains(&kind));
            fields.iter().enumerate().filter(move |(_, field)| is(field)).map(|(place, _)| place)
        };
        let Some(time) = at(&["time"]).next() else { return Ok(Taken::Other) };
        let values: Vec<usize> = at(&["number", "boolean"]).collect();
        if values.is_empty() {
            return Ok(Taken::Other);
        }
        let times = self.column(columns[time], |cell| TimeFormat::Ms.parse(&cell).ok_or(cell.kind()))?;
        let mut texts = Vec::new();
        for place in at(&["string"]) {
            let column = self.column(columns[place], |cell| cell.label())?;
            texts.push((fields[place].name.clone().unwrap_or_default(), same_length(column, times.len())?));
        }
        self.note_step(&fields[time]);
        for place in values {
            let column = self.column(columns[place], |cell| cell.number().ok_or(cell.kind()))?;
            let column = same_length(column, times.len())?;
            let name = name_of(&fields[place], frame.schema.name.as_deref());
            self.take_series(&name, &fields[place], &times, &texts, &column)?;
        }
        Ok(Taken::Series)
    }

    fn take_series(
        &mut self,
        name: &str,
        field: &Field,
        times: &[Result<i64, &'static str>],
        texts: &[(String, Vec<String>)],
        values: &[Result<f64, &'static str>],
    ) -> Result<()> {
        let own = field.labels.clone().unwrap_or_default();
        let unit = field.config.as_ref().and_then(|config| config.unit.clone()).unwrap_or_default();
        // Rows of the same series usually follow each other.
        let mut last: Option<(SeriesId, usize)> = None;
        for (row, (time, value)) in times.iter().zip(values).enumerate() {
            let time = match time {
                Ok(time) => *time,
                Err(kind) => {
                    self.collector.leave_out(Lacking::Time, || format!("the time field holds {kind}"))?;
                    continue;
                }
            };
            if time > self.layout.last_ms {
                continue;
            }
            let value = match value {
                Ok(value) => *value,
                Err(kind) => {
                    let secrets = &self.layout.secrets;
                    self.collector.leave_out(Lacking::Value, || {
                        format!("the field \"{}\" holds {kind}", secrets.quote(name, NAME_CHARS))
                    })?;
                    continue;
                }
            };
            let known =
                last.filter(|(_, before)| texts.iter().all(|(_, column)| column[row] == column[*before]));
            let id = match known {
                Some((id, _)) => id,
                None => {
                    let mut labels: Labels = own.clone();
                    let of_row = texts.iter().map(|(name, column)| (name.clone(), column[row].clone()));
                    labels.extend(of_row.filter(|(_, text)| !text.is_empty()));
                    let id = self.collector.series(name, labels)?;
                    self.collector.set_unit(id, &unit);
                    id
                }
            };
            last = Some((id, row));
            self.collector.push(id, time, value)?;
        }
        Ok(())
    }

    /// The cells of a column, each as `of` makes it.
    fn column<T>(&self, column: &RawValue, of: impl Fn(Cell<'_>) -> T) -> Result<Vec<T>> {
        let max = self.limits.max_rows;
        let mut json = serde_json::Deserializer::from_str(column.get());
        let cells = Cells { max, of }
            .deserialize(&mut json)
            .map_err(|_| foreign("a column of a data frame is not a list of values"))?;
        if cells.len() > max {
            return Err(Error::new(Category::Limit, format!("the answer has more than {max} rows")).hint(
                "ask for a longer step, a shorter range or fewer series, or raise the setting maxRows",
            ));
        }
        Ok(cells)
    }

    fn note_step(&mut self, time: &Field) {
        let interval =
            time.config.as_ref().and_then(|config| config.interval).filter(|ms| (1.0..1e15).contains(ms));
        self.steps.extend(interval.map(|ms| ms as i64).filter(|ms| *ms != self.layout.step_ms));
    }

    fn step_notice(&self) -> Option<String> {
        let step = self.steps.first()?;
        let (found, asked) = (DurationMs::from_millis(*step), DurationMs::from_millis(self.layout.step_ms));
        Some(format!(
            "The other data source answered with a step of {found} where {asked} was asked for; set the same minimum \
             interval there and step here"
        ))
    }
}

fn same_length<T>(column: Vec<T>, length: usize) -> Result<Vec<T>> {
    if column.len() == length {
        Ok(column)
    } else {
        Err(foreign("the columns of a data frame differ in length"))
    }
}

/// What people call the series: what the other data source shows it as, or its field's name, unless that says nothing.
fn name_of(field: &Field, frame: Option<&str>) -> String {
    let config = field.config.as_ref();
    let own = field.name.as_deref().filter(|name| !name.eq_ignore_ascii_case("value"));
    let candidates = [
        config.and_then(|config| config.display_name_from_ds.as_deref()),
        config.and_then(|config| config.display_name.as_deref()),
        own,
        frame,
    ];
    let name = candidates.into_iter().flatten().find(|name| !name.is_empty());
    name.unwrap_or("value").to_owned()
}

/// Reads a list, one cell at a time, and no more than one beyond `max`.
struct Cells<F> {
    max: usize,
    of: F,
}

impl<'de, T, F: Fn(Cell<'_>) -> T> DeserializeSeed<'de> for Cells<F> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T, F: Fn(Cell<'_>) -> T> Visitor<'de> for Cells<F> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Vec<T>, A::Error> {
        let mut cells = Vec::new();
        while cells.len() <= self.max {
            match list.next_element::<Cell<'_>>()? {
                Some(cell) => cells.push((self.of)(cell)),
                None => return Ok(cells),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(cells)
    }
}
