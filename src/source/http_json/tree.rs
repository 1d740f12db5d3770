//! An answer as a tree, for what cannot be read in one pass, within a bound on its memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Category, Error, Result};
use crate::source::json::{not_json, without_mark};

/// The most memory of a tree: some 1.4 million points in rows of two numbers, 2 million in columns.
pub(super) const MAX_BYTES: usize = 128 * 1024 * 1024;
/// What members of objects take beside their values, in a tree of balanced nodes: an upper bound.
const MEMBER_BYTES: usize = 64;
/// A small object has room for eleven members at once.
const OBJECT_BYTES: usize = 11 * (size_of::<Value>() + size_of::<String>());

/// The tree of a whole answer.
///
/// # Errors
/// [`Category::Protocol`] if it is no JSON; [`Category::Limit`] if it would take more than `max_bytes`.
pub(super) fn read(bytes: &[u8], max_bytes: usize) -> Result<Value> {
    let bytes = without_mark(bytes);
    let mut left = Some(max_bytes);
    let read = one(bytes, &mut left);
    match left {
        Some(_) => read.map_err(|error| not_json(bytes, &error)),
        None => Err(too_much(max_bytes)),
    }
}

/// The tree of an answer of which every line is JSON: the list of them. Empty lines are none.
///
/// # Errors
/// As [`read`], naming the line.
pub(super) fn read_lines(bytes: &[u8], max_bytes: usize) -> Result<Value> {
    let mut left = Some(max_bytes);
    let mut lines = Vec::new();
    each_line(bytes, |line| {
        // Of the list, which has room for up to twice as many.
        left = left.and_then(|left| left.checked_sub(2 * size_of::<Value>()));
        let read = one(line, &mut left);
        if left.is_none() {
            return Err(too_much(max_bytes));
        }
        lines.push(read.map_err(|error| not_json(line, &error))?);
        Ok(())
    })?;
    Ok(Value::Array(lines))
}

/// Hands the lines that are not empty to `take`, whose errors get the number of the line.
///
/// # Errors
/// Those of `take`; [`Category::Protocol`] if there is no line at all.
pub(super) fn each_line<'b>(bytes: &'b [u8], mut take: impl FnMut(&'b [u8]) -> Result<()>) -> Result<()> {
    let bytes = without_mark(bytes);
    if bytes.trim_ascii().starts_with(b"<") {
        // A page in the place of data, however many lines it has.
        return match serde_json::from_slice::<Value>(bytes) {
            Err(error) => Err(not_json(bytes, &error)),
            Ok(_) => Ok(()),
        };
    }
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1_usize..) {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        take(line).map_err(|error| match error.category() {
            Category::Protocol => error.within(&format!("line {number} of the answer")),
            _ => error,
        })?;
    }
    Ok(())
}

fn too_much(max_bytes: usize) -> Error {
    let mib = max_bytes / 1024 / 1024;
    Error::new(Category::Limit, format!("the answer takes more than {mib} MiB as a tree of JSON"))
        .hint("ask for a longer step, a shorter range or fewer series; rows that a JSON pointer leads to take no tree")
}

fn one(bytes: &[u8], left: &mut Option<usize>) -> serde_json::Result<Value> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Tree { left }.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Builds a value, as long as memory is left; `None` once there was too little.
struct Tree<'l> {
    left: &'l mut Option<usize>,
}

impl Tree<'_> {
    fn take<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        *self.left = self.left.and_then(|left| left.checked_sub(bytes));
        if self.left.is_some() { Ok(()) } else { Err(E::custom("too much memory")) }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(yes.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<Value, E> {
        self.take(text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut values: Vec<Value> = Vec::new();
        let mut room = 0;
        while let Some(value) = seq.next_element_seed(Tree { left: &mut *self.left })? {
            values.push(value);
            if values.capacity() > room {
                self.take((values.capacity() - room) * size_of::<Value>())?;
                room = values.capacity();
            }
        }
        // Most arrays are short rows, for which twice as much room was made.
        values.shrink_to_fit();
        *self.left = self.left.map(|left| left + (room - values.capacity()) * size_of::<Value>());
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let object = if members.is_empty() { OBJECT_BYTES } else { 0 };
            self.take(object + MEMBER_BYTES + name.len())?;
            let value = map.next_value_seed(Tree { left: &mut *self.left })?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_what_serde_json_makes() {
        for text in [
            r#"{"a": [1, -2, 1.5, 18446744073709551615, "\u00fc", true, null, {}], "b": {"c": []}, "b": 7}"#,
            "\u{feff}[]",
            "3",
        ] {
            let expected: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
            assert_eq!(read(text.as_bytes(), MAX_BYTES).unwrap(), expected);
        }
    }

    #[test]
    fn a_tree_that_takes_too_much_is_refused_before_it_is_built() {
        for unit in ["[[0,0]]", "{\"a\":{}}", "\"xxxxxxxxxxxxxxxx\""] {
            let text = format!("[{}]", vec![unit; 5_000].join(","));
            let refused = |read: Result<Value>| read.is_err_and(|error| error.category() == Category::Limit);
            assert!(refused(read(text.as_bytes(), 100_000)), "{unit}");
            assert!(read(text.as_bytes(), 10_000_000).is_ok(), "{unit}");
            let lines = vec![unit; 5_000].join("\n");
            assert!(refused(read_lines(lines.as_bytes(), 100_000)), "{unit}");
        }
    }

    #[test]
    fn lines_are_told_by_their_number() {
        let lines = read_lines(b"\xef\xbb\xbf{\"a\":1}\r\n\n[2]\n", MAX_BYTES).unwrap();
        assert_eq!(lines, serde_json::json!([{"a": 1}, [2]]));
        let error = read_lines(b"{\"a\":1}\n{\"a\":", MAX_BYTES).unwrap_err().to_string();
        assert!(error.contains("line 2 of the answer") && error.contains("cut off"), "{error}");
        let error = read_lines(b"<html>\n</html>", MAX_BYTES).unwrap_err().to_string();
        assert!(error.contains("HTML"), "{error}");
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let text = "[".repeat(100_000);
        assert_eq!(read(text.as_bytes(), MAX_BYTES).unwrap_err().category(), Category::Protocol);
    }
}
