//! JSON pointers (RFC 6901), split into their keys.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A JSON pointer: empty for the whole, else keys and array indices that each follow a `/`. In a key, `~1` stands
/// for `/` and `~0` for `~`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer {
    keys: Vec<Key>,
}

/// One step of a pointer: what it means in an object, and in an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Key of an object.
    pub(super) name: String,
    /// Index of an array, if the name is one: decimal, without leading zeros.
    pub(super) index: Option<usize>,
}

impl From<String> for Key {
    fn from(name: String) -> Self {
        let index = name.parse().ok().filter(|index: &usize| index.to_string() == name);
        Self { name, index }
    }
}

impl Pointer {
    /// The pointer that goes down these keys.
    pub(super) fn to_keys(keys: &[&str]) -> Self {
        Self { keys: keys.iter().map(|key| Key::from((*key).to_owned())).collect() }
    }

    /// The keys it goes down.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Some(path) = text.strip_prefix('/') else {
            return Err(format!(
                "expected a JSON pointer, which is empty or begins with \"/\": \"/{text}\"?"
            ));
        };
        path.split('/')
            .map(|key| unescaped(key).map(Key::from))
            .collect::<Result<_, _>>()
            .map(|keys| Self { keys })
    }
}

fn unescaped(key: &str) -> Result<String, String> {
    let mut pieces = key.split('~');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (sign, rest) = match (piece.strip_prefix('0'), piece.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => return Err("expected ~0 (for ~) or ~1 (for /) after a \"~\" in a JSON pointer".to_owned()),
        };
        out.push(sign);
        out.push_str(rest);
    }
    Ok(out)
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.to_string()
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|key| write!(f, "/{}", key.name.replace('~', "~0").replace('/', "~1")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(text: &str) -> Vec<String> {
        Pointer::try_from(text.to_owned()).unwrap().keys.into_iter().map(|key| key.name).collect()
    }

    /// The examples of RFC 6901, section 5.
    #[test]
    fn pointers_of_the_standard_are_understood() {
        assert!(keys("").is_empty());
        assert_eq!(keys("/foo/0"), ["foo", "0"]);
        assert_eq!(keys("/"), [""]);
        assert_eq!(keys("/a~1b"), ["a/b"]);
        assert_eq!(keys("/m~0n"), ["m~n"]);
        assert_eq!(keys("/~01"), ["~1"]);
        assert_eq!(keys("/ /k\"l"), [" ", "k\"l"]);
    }

    #[test]
    fn an_index_has_no_leading_zeros_and_no_sign() {
        let index = |key: &str| Key::from(key.to_owned()).index;
        assert_eq!((index("0"), index("17")), (Some(0), Some(17)));
        for key in ["", "00", "01", "+1", "-1", "-", "1.0", "99999999999999999999"] {
            assert_eq!(index(key), None, "{key}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["foo", "$.foo", "/a~", "/a~2", "~1"] {
            assert!(Pointer::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(keys in proptest::collection::vec("[a~/0-9]{0,4}|\\PC{0,3}", 0..4)) {
            let pointer = Pointer { keys: keys.into_iter().map(Key::from).collect() };
            prop_assert_eq!(Pointer::try_from(pointer.to_string()), Ok(pointer));
        }
    }
}
