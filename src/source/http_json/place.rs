//! Where things are in an answer: the rows by a JSON pointer or a JSONPath, a label in its row or above all of them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::path::{self, Found, Path};
use super::pointer::{self, Pointer};
use crate::error::Result;

/// Where the rows of an answer are: one place by a JSON pointer, or any number by a JSONPath, which begins with `$`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum RowsPlace {
    /// One place.
    Pointer(Pointer),
    /// As many as there are.
    Path(Path),
}

/// Where a label is: in its row by a JSON pointer, or seen from the place of the rows by a relative one, which begins
/// with a digit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum LabelPlace {
    /// In the row.
    InRow(Pointer),
    /// The same for all rows of a place.
    Above(Relative),
}

/// A relative JSON pointer (`draft-bhutton-relative-json-pointer`): so many levels up, and from there down by a JSON
/// pointer; or with `#` the name or index of where one is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relative {
    levels: usize,
    /// `None` for the name itself.
    down: Option<Pointer>,
}

/// More than answers are nested.
const MAX_LEVELS: usize = 128;

/// What a relative pointer leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Above<'t> {
    Nothing,
    Name(String),
    Value(&'t Value),
}

impl RowsPlace {
    /// The places in `tree`.
    ///
    /// # Errors
    /// See [`Path::find`].
    pub(super) fn find<'t>(&'t self, tree: &'t Value) -> Result<Option<Found<'t>>> {
        let pointer = match self {
            Self::Path(path) => return path.find(tree).map(Some),
            Self::Pointer(pointer) => pointer,
        };
        let mut value = Some(tree);
        let keys = pointer.keys().iter().map(|key| {
            let is_list = value.is_some_and(Value::is_array);
            value = value.and_then(|value| step(value, key));
            match key.index {
                Some(index) if is_list => path::Key::Index(index.try_into().unwrap_or(u32::MAX)),
                _ => path::Key::Name(&key.name),
            }
        });
        Ok(Found::one(tree, keys))
    }
}

fn step<'t>(value: &'t Value, key: &pointer::Key) -> Option<&'t Value> {
    match value {
        Value::Array(values) => values.get(key.index?),
        Value::Object(members) => members.get(&key.name),
        _ => None,
    }
}

/// What `pointer` leads to from `value`.
pub(super) fn at<'t>(pointer: &Pointer, value: &'t Value) -> Option<&'t Value> {
    pointer.keys().iter().try_fold(value, step)
}

impl Relative {
    /// What this leads to from `place`.
    pub(super) fn from<'t>(&self, place: path::Place<'_, 't>) -> Above<'t> {
        let Some(above) = place.above(self.levels) else { return Above::Nothing };
        match &self.down {
            Some(down) => at(down, above.value()).map_or(Above::Nothing, Above::Value),
            None => match above.key() {
                path::Key::Top => Above::Nothing,
                path::Key::Name(name) => Above::Name(name.to_owned()),
                path::Key::Index(index) => Above::Name(index.to_string()),
            },
        }
    }

    /// The members of the object that this leads to, all of which become labels.
    pub(super) fn members<'t>(&self, place: path::Place<'_, 't>) -> Option<&'t Map<String, Value>> {
        match self.from(place) {
            Above::Value(value) => value.as_object(),
            Above::Nothing | Above::Name(_) => None,
        }
    }
}

impl TryFrom<String> for RowsPlace {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.trim_start().starts_with('$') {
            Path::try_from(text).map(Self::Path)
        } else {
            Pointer::try_from(text).map(Self::Pointer)
        }
    }
}

impl TryFrom<String> for LabelPlace {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
        if digits == 0 {
            return Pointer::try_from(text).map(Self::InRow);
        }
        let (levels, rest) = text.split_at(digits);
        let levels = levels
            .parse()
            .ok()
            .filter(|number: &usize| *number <= MAX_LEVELS && number.to_string() == levels)
            .ok_or_else(|| {
                format!("expected at most {MAX_LEVELS} levels in a relative JSON pointer, such as 1/name")
            })?;
        let down = if rest == "#" { None } else { Some(Pointer::try_from(rest.to_owned())?) };
        Ok(Self::Above(Relative { levels, down }))
    }
}

impl From<RowsPlace> for String {
    fn from(place: RowsPlace) -> Self {
        match place {
            RowsPlace::Pointer(pointer) => pointer.to_string(),
            RowsPlace::Path(path) => path.to_string(),
        }
    }
}

impl From<LabelPlace> for String {
    fn from(place: LabelPlace) -> Self {
        match place {
            LabelPlace::InRow(pointer) => pointer.to_string(),
            LabelPlace::Above(Relative { levels, down: Some(down) }) => format!("{levels}{down}"),
            LabelPlace::Above(Relative { levels, down: None }) => format!("{levels}#"),
        }
    }
}

impl fmt::Display for RowsPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointer(pointer) => write!(f, "pointer \"{pointer}\""),
            Self::Path(path) => write!(f, "path \"{path}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn label(text: &str) -> LabelPlace {
        LabelPlace::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_relative_pointer_goes_up_and_down_again() {
        let tree =
            json!({"data": [{"name": "a", "tags": {"host": "h"}, "rows": []}, {"name": "b", "rows": []}]});
        let rows = RowsPlace::try_from("$.data[*].rows".to_owned()).unwrap();
        let found = rows.find(&tree).unwrap().unwrap();
        let first = found.places().next().unwrap();
        let from = |text: &str| match label(text) {
            LabelPlace::Above(relative) => relative.from(first),
            LabelPlace::InRow(_) => panic!("{text} is relative"),
        };
        let (name, host) = (json!("a"), json!("h"));
        assert_eq!(from("1/name"), Above::Value(&name));
        assert_eq!(from("1/tags/host"), Above::Value(&host));
        assert_eq!(from("0#"), Above::Name("rows".to_owned()));
        assert_eq!(from("1#"), Above::Name("0".to_owned()));
        assert_eq!(from("2#"), Above::Name("data".to_owned()));
        assert_eq!(from("3#"), Above::Nothing);
        assert_eq!(from("3"), Above::Value(&tree));
        assert_eq!(from("4"), Above::Nothing);
        assert_eq!(from("1/nope"), Above::Nothing);
        assert_eq!(label("/1/name"), LabelPlace::InRow(Pointer::to_keys(&["1", "name"])));
    }

    #[test]
    fn a_pointer_to_rows_goes_the_way_it_does_while_reading() {
        let tree = json!({"0": [[7], [8]], "a": null});
        for (text, value) in [
            ("/0/1", Some(json!([8]))),
            ("", Some(tree.clone())),
            ("/a", Some(Value::Null)),
            ("/0/01", None),
            ("/a/b", None),
        ] {
            let rows = RowsPlace::try_from(text.to_owned()).unwrap();
            let found = rows.find(&tree).unwrap();
            assert_eq!(found.map(|found| found.places().next().unwrap().value().clone()), value, "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["01/a", "1a", "999999999999999999999/a", "200/a", "1/~2", "name"] {
            assert!(LabelPlace::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(RowsPlace::try_from("data".to_owned()).unwrap_err().contains("JSON pointer"));
        assert!(RowsPlace::try_from("$.data[".to_owned()).unwrap_err().contains("JSONPath"));
    }
}
