//! Takes the few scalars a query asks for out of one row, without building the rest of it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::pointer::{Key, Pointer};
use crate::source::cell::Cell;

/// The most pointers [`read_row`] can follow at once: bits of [`Active`].
pub(super) const MAX_POINTERS: usize = 64;

/// Which pointers lead through the place that is being read: bit n for the n-th.
type Active = u64;

/// Follows `pointers`, at most [`MAX_POINTERS`], through one row, and sets the cell of each, one a pointer, to what
/// it found. As in most readers of JSON, the last one of repeated keys counts.
pub(super) fn read_row<'de, D: Deserializer<'de>>(
    pointers: &[Pointer],
    cells: &mut [Cell<'de>],
    row: D,
) -> Result<(), D::Error> {
    cells.fill(Cell::Missing);
    let all = Active::MAX.checked_shr(MAX_POINTERS.saturating_sub(pointers.len()) as u32).unwrap_or(0);
    Place { pointers, cells, active: all, depth: 0 }.deserialize(row)
}

/// A place in a row, `depth` keys below its top.
struct Place<'a, 'de> {
    pointers: &'a [Pointer],
    cells: &'a mut [Cell<'de>],
    active: Active,
    depth: usize,
}

impl<'de> Place<'_, 'de> {
    /// The pointers among `active` whose next key `fits`.
    fn followed(&self, active: Active, fits: impl Fn(&Key) -> bool) -> Active {
        each(active)
            .filter(|index| self.pointers[*index].keys().get(self.depth).is_some_and(&fits))
            .fold(0, |mask, index| mask | 1 << index)
    }

    /// Gives `cell` to the pointers that end here; returns those that go on.
    fn arrive(&mut self, cell: &Cell<'de>) -> Active {
        let further = self.followed(self.active, |_| true);
        for index in each(self.active & !further) {
            self.cells[index] = cell.clone();
        }
        further
    }

    /// The place below, reached by the pointers `active`, which find what is there and nothing else.
    fn below(&mut self, active: Active) -> Place<'_, 'de> {
        for index in each(active) {
            self.cells[index] = Cell::Missing;
        }
        Place { pointers: self.pointers, cells: self.cells, active, depth: self.depth + 1 }
    }
}

fn each(mut active: Active) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = active.trailing_zeros();
        active &= active.wrapping_sub(1);
        (index < Active::BITS).then_some(index as usize)
    })
}

impl<'de> DeserializeSeed<'de> for Place<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.active == 0 {
            deserializer.deserialize_ignored_any(IgnoredAny).map(drop)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Place<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.arrive(&Cell::Null);
        Ok(())
    }

    fn visit_bool<E>(mut self, yes: bool) -> Result<(), E> {
        self.arrive(&Cell::Bool(yes));
        Ok(())
    }

    fn visit_i64<E>(mut self, number: i64) -> Result<(), E> {
        self.arrive(&Cell::Int(number));
        Ok(())
    }

    fn visit_u64<E>(mut self, number: u64) -> Result<(), E> {
        self.arrive(&i64::try_from(number).map_or(Cell::Float(number as f64), Cell::Int));
        Ok(())
    }

    fn visit_f64<E>(mut self, number: f64) -> Result<(), E> {
        self.arrive(&Cell::Float(number));
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.arrive(&Cell::Text(std::borrow::Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_borrowed_str<E>(mut self, text: &'de str) -> Result<(), E> {
        self.arrive(&Cell::Text(std::borrow::Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let further = self.arrive(&Cell::Array);
        for at in 0_usize.. {
            let followed = self.followed(further, |key| key.index == Some(at));
            if seq.next_element_seed(self.below(followed))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let further = self.arrive(&Cell::Object);
        while let Some(followed) = map.next_key_seed(KeyOf { place: &self, further })? {
            map.next_value_seed(self.below(followed))?;
        }
        Ok(())
    }
}

/// Reads a key of an object: which pointers go on below it.
struct KeyOf<'a, 'p, 'de> {
    place: &'a Place<'p, 'de>,
    further: Active,
}

impl<'de> DeserializeSeed<'de> for KeyOf<'_, '_, '_> {
    type Value = Active;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Active, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyOf<'_, '_, '_> {
    type Value = Active;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Active, E> {
        Ok(self.place.followed(self.further, |key| key.name == name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(pointers: &[&str], row: &str) -> Vec<Cell<'static>> {
        let pointers: Vec<Pointer> =
            pointers.iter().map(|text| Pointer::try_from((*text).to_owned()).unwrap()).collect();
        let mut cells = vec![Cell::Missing; pointers.len()];
        let mut deserializer = serde_json::Deserializer::from_str(row);
        read_row(&pointers, &mut cells, &mut deserializer).unwrap();
        deserializer.end().unwrap();
        cells.into_iter().map(owned).collect()
    }

    fn owned(cell: Cell<'_>) -> Cell<'static> {
        match cell {
            Cell::Text(text) => Cell::Text(text.into_owned().into()),
            Cell::Missing => Cell::Missing,
            Cell::Null => Cell::Null,
            Cell::Bool(yes) => Cell::Bool(yes),
            Cell::Int(number) => Cell::Int(number),
            Cell::Float(number) => Cell::Float(number),
            Cell::Array => Cell::Array,
            Cell::Object => Cell::Object,
        }
    }

    #[test]
    fn pointers_find_scalars_in_arrays_and_objects() {
        let row = r#"{"t": 1, "tags": {"host/a": "\u00fc", "n": [null, true, 2.5]}, "": {}}"#;
        let found =
            read(&["/t", "/tags/host~1a", "/tags/n/2", "/tags/n/1", "/tags/n", "", "/", "/x", "/t/0"], row);
        let text = Cell::Text("ü".into());
        let expected = [
            Cell::Int(1),
            text,
            Cell::Float(2.5),
            Cell::Bool(true),
            Cell::Array,
            Cell::Object,
            Cell::Object,
            Cell::Missing,
            Cell::Missing,
        ];
        assert_eq!(found, expected);
        assert_eq!(
            read(&["/0", "/1", "/01"], "[1, 18446744073709551615]"),
            [Cell::Int(1), Cell::Float(18_446_744_073_709_551_615.0), Cell::Missing]
        );
        assert_eq!(read(&["", "/0"], "null"), [Cell::Null, Cell::Missing]);
    }

    #[test]
    fn the_last_of_repeated_keys_counts() {
        assert_eq!(
            read(&["/a/b", "/a/c"], r#"{"a": {"b": 1, "c": 2}, "a": {"b": 3, "b": 4}}"#),
            [Cell::Int(4), Cell::Missing]
        );
    }

    #[test]
    fn sixty_four_pointers_are_followed_at_once() {
        let pointers: Vec<String> = (0..MAX_POINTERS).map(|index| format!("/{index}")).collect();
        let row = serde_json::to_string(&(0..100).collect::<Vec<i64>>()).unwrap();
        let found = read(&pointers.iter().map(String::as_str).collect::<Vec<_>>(), &row);
        assert_eq!(found, (0..MAX_POINTERS as i64).map(Cell::Int).collect::<Vec<_>>());
        assert_eq!(read(&[], &row), []);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a~/01\u{1}ü]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a~/01]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn cell_of(value: Option<&Value>) -> Cell<'static> {
        match value {
            None => Cell::Missing,
            Some(Value::Null) => Cell::Null,
            Some(Value::Bool(yes)) => Cell::Bool(*yes),
            Some(Value::Number(number)) => Cell::Int(number.as_i64().unwrap()),
            Some(Value::String(text)) => Cell::Text(text.clone().into()),
            Some(Value::Array(_)) => Cell::Array,
            Some(Value::Object(_)) => Cell::Object,
        }
    }

    proptest! {
        /// `serde_json::Value::pointer` is the reference.
        #[test]
        fn pointers_find_what_they_find_in_a_tree(
            row in any_json(),
            pointers in proptest::collection::vec("(/(a|~0|~1|0|1|01|a1|)){0,4}", 0..6),
        ) {
            let texts: Vec<&str> = pointers.iter().map(String::as_str).collect();
            let expected: Vec<_> = texts.iter().map(|text| cell_of(row.pointer(text))).collect();
            prop_assert_eq!(read(&texts, &row.to_string()), expected);
        }
    }
}
