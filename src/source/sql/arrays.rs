//! Many rows of PostgreSQL as one: an array a column.
//!
//! Every row is a message of its own, which costs the server and the client more than what is in it: a million rows of a
//! time and a number take twice as long as the same in arrays. Only rows of fixed size travel so, those without labels:
//! an array is in memory before its length can be looked at.

use super::dialect::Dialect;

/// The statement that asks for the rows of `sql`, whose columns are `names`, as one row of arrays.
pub(super) fn packed(sql: &str, names: &[String]) -> String {
    let dialect = Dialect::Postgresql;
    // A name may stand there twice, as the time and as a value.
    let places: Vec<String> = (1..=names.len()).map(|at| format!("outrider_{at}")).collect();
    let arrays: Vec<String> = names
        .iter()
        .zip(&places)
        .map(|(name, place)| format!("array_agg({place}) AS {}", dialect.name(name)))
        .collect();
    format!("SELECT {} FROM ({sql}) AS outrider_rows ({})", arrays.join(", "), places.join(", "))
}

/// The elements of an array as PostgreSQL sends it: big-endian `i32`s for the number of dimensions and whether there
/// are NULLs, the type of the elements, for each dimension its length and its lower bound; then each element with its
/// length, −1 for NULL. See `array_send` in PostgreSQL's `arrayfuncs.c`.
#[derive(Debug)]
pub(super) struct Elements<'b> {
    rest: &'b [u8],
    left: usize,
}

impl<'b> Elements<'b> {
    /// `None` for what is no array of one dimension.
    pub(super) fn of(bytes: &'b [u8]) -> Option<Self> {
        let mut all = Self { rest: bytes, left: 0 };
        let [dimensions, _nulls, _type, length, _lower_bound] = [(); 5].map(|()| all.word());
        all.left = usize::try_from(length?).ok()?;
        (dimensions? == 1).then_some(all)
    }

    /// How many are to come.
    pub(super) fn len(&self) -> usize {
        self.left
    }

    fn word(&mut self) -> Option<i32> {
        let (word, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(i32::from_be_bytes(*word))
    }

    /// The next one, `None` within for NULL; `None` where the array ends, by its length or because it is cut off.
    pub(super) fn next(&mut self) -> Option<Option<&'b [u8]>> {
        self.left = self.left.checked_sub(1)?;
        let length = self.word()?;
        if length == -1 {
            return Some(None);
        }
        let (element, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(Some(element))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn array(words: &[i32], rest: &[u8]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).chain(rest.iter().copied()).collect()
    }

    #[test]
    fn rows_are_asked_for_as_arrays() {
        assert_eq!(
            packed("SELECT 1, 2", &["a\"b".to_owned(), "v".to_owned()]),
            "SELECT array_agg(outrider_1) AS \"a\"\"b\", array_agg(outrider_2) AS \"v\" FROM (SELECT 1, 2) \
             AS outrider_rows (outrider_1, outrider_2)"
        );
    }

    #[test]
    fn elements_come_one_by_one() {
        let bytes = array(&[1, 1, 21, 3, 1, 2], &[1, 2, 255, 255, 255, 255, 0, 0, 0, 0]);
        let mut elements = Elements::of(&bytes).unwrap();
        assert_eq!(elements.len(), 3);
        let all = [Some(&[1, 2][..]), None, Some(&[])];
        for element in all {
            assert_eq!(elements.next(), Some(element));
        }
        assert_eq!(elements.next(), None);
        // Cut off, of two dimensions, of none, and of a length that cannot be.
        assert_eq!(Elements::of(&array(&[1, 0, 21, 2, 1, 4], &[1])).unwrap().next(), None);
        for words in [&[2, 0, 21, 1, 1, 1, 1][..], &[0, 0, 21], &[1, 0, 21, -1, 1]] {
            assert!(Elements::of(&array(words, &[])).is_none(), "{words:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(mut elements) = Elements::of(&bytes) {
                let mut count = 0;
                while elements.next().is_some() {
                    count += 1;
                }
                prop_assert!(count <= bytes.len() / 4);
            }
        }
    }
}
