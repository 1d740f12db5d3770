//! The fuzz target of data frames.

use std::sync::Arc;

use super::frames::{Decoded, Layout, decode};
use crate::fuzzing::{LIMITS, SECRET, check_answer, check_refusal};
use crate::source::secrets::SECRETS;

const LAST_MS: i64 = 1_700_003_600_000;

/// An answer of `/api/ds/query`.
pub(in crate::source) fn frames(data: &[u8]) {
    let secrets = Arc::clone(&SECRETS);
    match decode(data, &Layout { last_ms: LAST_MS, step_ms: 60_000, secrets }, &LIMITS) {
        Err(error) => check_refusal(&error),
        Ok(Decoded { series, notices, executed }) => {
            assert!(!executed.contains(SECRET), "{executed}");
            assert!(!notices.iter().any(|notice| notice.contains(SECRET)), "{notices:?}");
            assert!(series.iter().all(|one| one.times.last().is_none_or(|time| *time <= LAST_MS)));
            check_answer(Ok((series, notices)));
        }
    }
}
