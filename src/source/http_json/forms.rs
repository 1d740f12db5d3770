//! From an answer as a tree to series: the places where rows are, and how they are laid out there.
//!
//! | form | a place holds | time | value |
//! |---|---|---|---|
//! | `rows` | an array of rows; an object that a JSONPath finds is one row | a pointer in the row | a pointer in the row |
//! | `columns` | arrays side by side | a pointer to one of them | a pointer to another |
//! | `keyed` | an object | the name of a member | a pointer in the member |

use serde_json::Value;

use super::path::Place;
use super::place::{Above, RowsPlace, at};
use super::points::{Layout, Points, ROW, TIME, VALUE};
use super::rows::{Answer, no_rows};
use super::{Form, Format, tree};
use crate::budget;
use crate::error::{Category, Error, Result};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::collect::Lacking;
use crate::source::secrets::Secrets;

/// The most labels that members of one object become.
const MAX_MEMBERS: usize = 64;
/// The name of a label that stands for all members of an object.
pub(super) const ALL_MEMBERS: &str = "*";

/// As `rows::decode`, of an answer of which all has to be at hand.
///
/// # Errors
/// See there.
pub(super) fn decode(
    bytes: &[u8],
    layout: &Layout,
    limits: Limits,
    secrets: &Secrets,
) -> Result<(Vec<Series>, Vec<String>)> {
    // A value of two bytes, as in `1,`, is a node of some forty.
    const BYTES_PER_BYTE: usize = 24;
    let needed = bytes.len().saturating_mul(BYTES_PER_BYTE).min(tree::MAX_BYTES);
    let _held = budget::account().take(needed, "the answer as a tree")?;
    let tree = match layout.format {
        Format::Ndjson => tree::read_lines(bytes, tree::MAX_BYTES)?,
        Format::Json | Format::Csv => tree::read(bytes, tree::MAX_BYTES)?,
    };
    let nowhere = |what: &str| no_rows(layout, what, &Answer::of(&tree), secrets);
    let found = layout.rows.find(&tree)?.ok_or_else(|| nowhere("finds nothing in the answer"))?;
    if let Some(segment) = &found.lost_at {
        return Err(nowhere(&format!("finds nothing in the answer: \"{segment}\" leads nowhere")));
    }
    let mut points = Points::new(layout, limits);
    let mut cells = vec![Cell::Missing; layout.pointers.len()];
    let (mut places, mut unfit) = (0_usize, Vec::new());
    for place in found.places() {
        places += 1;
        points.enter(labels_of(layout, place)?);
        let fits = match layout.form {
            Form::Rows => rows(place.value(), &mut points, &mut cells)?,
            Form::Columns => columns(place.value(), &mut points, &mut cells)?,
            Form::Keyed => keyed(place.value(), &mut points, &mut cells)?,
        };
        if !fits {
            unfit.push(Cell::from(Some(place.value())).kind());
        }
    }
    let Some(kind) = unfit.first() else { return points.into_series() };
    let leads = format!("leads to {kind}, not to {}", layout.form.holder());
    if unfit.len() == places {
        return Err(nowhere(&leads));
    }
    for _ in &unfit {
        points.leave_out(Lacking::Value, || format!("the rows {} {leads}", layout.rows))?;
    }
    points.into_series()
}

impl Form {
    /// What there has to be where the rows are.
    fn holder(self) -> &'static str {
        match self {
            Self::Rows => "an array",
            Self::Columns => "an object or array of columns",
            Self::Keyed => "an object with times as names",
        }
    }
}

/// What the labels above the rows of `place` are.
fn labels_of(layout: &Layout, place: Place<'_, '_>) -> Result<Labels> {
    let mut labels = Labels::new();
    for (name, relative) in &layout.place_labels {
        if name != ALL_MEMBERS {
            let text = match relative.from(place) {
                Above::Nothing => String::new(),
                Above::Name(name) => name,
                Above::Value(value) => Cell::from(Some(value)).label(),
            };
            labels.insert(name.clone(), text);
            continue;
        }
        let members = relative.members(place).into_iter().flatten();
        for (name, value) in members.filter(|(_, value)| !value.is_array() && !value.is_object()) {
            // A label that is asked for by its name goes before.
            labels.entry(name.clone()).or_insert_with(|| Cell::from(Some(value)).label());
        }
        if labels.len() > MAX_MEMBERS {
            let what = format!("the label \"{ALL_MEMBERS}\" finds more than {MAX_MEMBERS} members");
            return Err(Error::new(Category::Limit, what).hint("name the labels one by one"));
        }
    }
    Ok(labels)
}

/// Whether the place holds rows; takes them if it does.
fn rows<'t>(place: &'t Value, points: &mut Points<'_>, cells: &mut [Cell<'t>]) -> Result<bool> {
    let layout = points.layout;
    let rows = match place {
        Value::Null => &[],
        Value::Array(rows) => &rows[..],
        Value::Object(_) if matches!(layout.rows, RowsPlace::Path(_)) => std::slice::from_ref(place),
        _ => return Ok(false),
    };
    for row in rows {
        for (cell, pointer) in cells.iter_mut().zip(&layout.pointers) {
            *cell = at(pointer, row).into();
        }
        points.take(cells)?;
    }
    Ok(true)
}

fn keyed<'t>(place: &'t Value, points: &mut Points<'_>, cells: &mut [Cell<'t>]) -> Result<bool> {
    let members = match place {
        Value::Null => return Ok(true),
        Value::Object(members) => members,
        _ => return Ok(false),
    };
    for (name, member) in members {
        for (cell, pointer) in cells.iter_mut().zip(&points.layout.pointers) {
            *cell = at(pointer, member).into();
        }
        cells[TIME] = Cell::Text(name.as_str().into());
        points.take(cells)?;
    }
    Ok(true)
}

fn columns<'t>(place: &'t Value, points: &mut Points<'_>, cells: &mut [Cell<'t>]) -> Result<bool> {
    match place {
        Value::Null => return Ok(true),
        Value::Array(_) | Value::Object(_) => {}
        _ => return Ok(false),
    }
    let columns: Vec<Option<&Value>> =
        points.layout.pointers.iter().map(|pointer| at(pointer, place)).collect();
    let list = |column: usize| columns[column].and_then(Value::as_array);
    let is_null = |column: usize| columns[column].is_some_and(Value::is_null);
    for (column, lacking) in [(TIME, Lacking::Time), (VALUE, Lacking::Value)] {
        if list(column).is_none() && !is_null(column) {
            for (cell, column) in cells.iter_mut().zip(&columns) {
                *cell = (*column).into();
            }
            points.leave_out_for(lacking, cells)?;
            return Ok(true);
        }
    }
    // A list that is null is an empty one; values without times, or times without values, are left out and told.
    let length = |column: usize| list(column).map_or(0, Vec::len);
    for row in 0..length(TIME).max(length(VALUE)) {
        for (place, (cell, column)) in cells.iter_mut().zip(&columns).enumerate() {
            *cell = match column {
                Some(Value::Array(values)) if place != ROW => values.get(row).into(),
                // One value for all rows.
                other => (*other).into(),
            };
        }
        points.take(cells)?;
    }
    Ok(true)
}
