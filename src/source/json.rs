//! What is the same for all answers in JSON: what may come before it, what to say about text that is none, and lists of
//! which not everything is kept, since a short text can hold elements that need much more memory than they take as text.
//! A list may be `null`, which is how many servers, those in Go above all, write an empty one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::error::Category as JsonCategory;

use crate::error::{Category, Error, Result};

/// `bytes` without the byte order mark that some servers begin with, which JSON forbids and nobody misses.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Why an answer is no JSON, in words that help; nothing of the answer is repeated.
pub(super) fn not_json(bytes: &[u8], error: &serde_json::Error) -> Error {
    let text = bytes.trim_ascii_start();
    let protocol = |message: String| Error::new(Category::Protocol, message);
    if text.is_empty() {
        return protocol("the answer is empty".to_owned()).hint("check the path and the method of the query");
    }
    if text.starts_with(b"<") {
        return protocol("the answer is HTML or XML, not JSON".to_owned())
            .hint("check the URL and the path; it may be a login page, or that of a proxy");
    }
    if error.classify() == JsonCategory::Eof {
        return protocol(format!("the answer is cut off: {error}")).hint("look into the log of the service");
    }
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let around =
        &line[error.column().saturating_sub(4).min(line.len())..(error.column() + 8).min(line.len())];
    let around = String::from_utf8_lossy(around).to_lowercase();
    let hint = if around.contains("nan") || around.contains("inf") {
        "NaN and Infinity are no JSON: let the service write null instead"
    } else {
        "check the path of the query, and what the service writes"
    };
    protocol(format!("the answer is not valid JSON: {error}")).hint(hint)
}

/// The first elements of a list: as many as may be, and one more if there are more, by which the reader sees it.
#[derive(Debug)]
pub(super) struct Bounded<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Bounded<T, MOST> {
    /// The elements.
    ///
    /// # Errors
    /// [`Category::Limit`] if there are too many of them, which `what` says in the plural.
    pub(super) fn all(self, what: &str) -> Result<Vec<T>> {
        if self.0.len() <= MOST {
            return Ok(self.0);
        }
        Err(Error::new(Category::Limit, format!("the answer has more than {MOST} {what}"))
            .hint("ask for less, or let the server send fewer"))
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Bounded<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Few<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Few<T, MOST> {
            type Value = Bounded<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(Bounded(Vec::new()))
            }

            fn visit_some<D: Deserializer<'de>>(self, list: D) -> Result<Self::Value, D::Error> {
                list.deserialize_seq(self)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while all.len() <= MOST {
                    match list.next_element()? {
                        Some(element) => all.push(element),
                        None => return Ok(Bounded(all)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Bounded(all))
            }
        }

        deserializer.deserialize_option(Few(PhantomData))
    }
}

/// Hands over the elements of a list, one by one, so that only one of them is in memory.
pub(super) struct Each<T, F> {
    take: F,
    /// Why it was stopped, beside the error of JSON, which can only be text.
    pub(super) failed: Option<Error>,
    of: PhantomData<T>,
}

impl<T, F> Each<T, F> {
    /// For elements that `take` gets; its first error ends the reading and is kept in `failed`.
    pub(super) fn new(take: F) -> Self {
        Self { take, failed: None, of: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<()>> DeserializeSeed<'de> for &mut Each<T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<()>> Visitor<'de> for &mut Each<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, list: D) -> Result<(), D::Error> {
        list.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element()? {
            if let Err(error) = (self.take)(item) {
                let stop = A::Error::custom(error.message());
                self.failed = Some(error);
                return Err(stop);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_may_be_and_one() {
        let read = |text: &str| serde_json::from_str::<Bounded<u8, 2>>(text);
        assert_eq!(read("[1,2]").unwrap().all("numbers").unwrap(), [1, 2]);
        let many = read("[1,2,3,{\"of\":\"any\"},[[]]]").unwrap();
        assert_eq!(many.0, [1, 2, 3]);
        let error = many.all("numbers").unwrap_err();
        assert_eq!(
            (error.category(), error.message()),
            (Category::Limit, "the answer has more than 2 numbers")
        );
        assert!(read("[1,2,3,x]").is_err() && read("{}").is_err());
        assert_eq!(read("null").unwrap().0, [0_u8; 0]);
    }
}
