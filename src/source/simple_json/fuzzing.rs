//! The fuzz targets of SimpleJSON answers.

use std::sync::Arc;

use super::answer::{self, Layout};
use super::{annotations, choices};
use crate::fuzzing::{LIMITS, check_answer, check_refusal, choice_of, texts};
use crate::source::secrets::SECRETS;

/// An answer of `/query`.
pub(in crate::source) fn answer(data: &[u8]) {
    let layout =
        Layout { target: "target".to_owned(), unit: "percent".to_owned(), secrets: Arc::clone(&SECRETS) };
    check_answer(answer::decode(data, &layout, &LIMITS));
}

/// An answer of `/annotations`.
pub(in crate::source) fn annotations(data: &[u8]) {
    match annotations::decode(data, &LIMITS) {
        Err(error) => check_refusal(&error),
        Ok((annotations, notices)) => {
            assert!(annotations.len() <= LIMITS.max_rows && notices.len() <= 1);
            assert!(annotations.iter().all(|one| one.time_ms <= one.end_ms));
            assert!(annotations.windows(2).all(|pair| pair[0].time_ms <= pair[1].time_ms));
        }
    }
}

/// A byte that chooses the endpoint; for the second one the name of a metric and a line break; and a list of names.
pub(in crate::source) fn names(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    let found = if choice.is_multiple_of(2) {
        choices::choices(rest)
    } else {
        let [metric, answer] = texts(rest);
        choices::payloads(answer.as_bytes(), &metric)
    };
    match found {
        Err(error) => check_refusal(&error),
        Ok(choices) => assert!(choices.iter().all(|choice| !choice.value.is_empty())),
    }
}
