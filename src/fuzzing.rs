//! What fuzz targets are made of, and what must hold of every result. `fuzz_targets` lists the targets.

use std::borrow::Cow;

use crate::error::{Category, Error, Result};
use crate::series::Series;
use crate::settings::Limits;

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also that of its folder of seeds.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
}

/// Limits so low that a short input reaches them.
pub(crate) const LIMITS: Limits = {
    let seconds = std::time::Duration::from_secs(1);
    Limits {
        timeout: seconds,
        max_response_bytes: 1 << 20,
        max_rows: 40,
        max_series: 6,
        max_concurrent_requests: 1,
        retries: 0,
    }
};

/// What no error about an answer may repeat.
pub(crate) const SECRET: &str = "hunter2-hunter2";
/// The longest error that people read.
const LONGEST_ERROR: usize = 2_000;

/// The first byte, which chooses among the ways to read the rest, and the rest.
pub(crate) fn choice_of(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}

/// Texts that a line break divides, `N` of them; those that are not there are empty.
pub(crate) fn texts<const N: usize>(data: &[u8]) -> [Cow<'_, str>; N] {
    let mut parts = data.splitn(N, |byte| *byte == b'\n').map(String::from_utf8_lossy);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// What holds of every error: somebody shall read it.
pub(crate) fn check_error(error: &Error) {
    let text = error.to_string();
    assert!(text.len() < LONGEST_ERROR, "an error of {} bytes", text.len());
    assert_ne!(error.category(), Category::Internal, "{text}");
}

/// What holds besides of an error about an answer, in which the upstream may repeat what it was sent.
pub(crate) fn check_refusal(error: &Error) {
    check_error(error);
    assert!(!error.to_string().contains(SECRET), "a secret in an error: {error}");
}

/// What holds of every answer that was decoded within [`LIMITS`].
pub(crate) fn check_answer(answer: Result<(Vec<Series>, Vec<String>)>) {
    let (series, notices) = match answer {
        Ok(answered) => answered,
        Err(error) => return check_refusal(&error),
    };
    assert!(series.len() <= LIMITS.max_series, "{} series", series.len());
    assert!(series.iter().map(Series::len).sum::<usize>() <= LIMITS.max_rows, "too many rows");
    for one in &series {
        assert_eq!(one.times.len(), one.values.len());
        assert!(one.times.windows(2).all(|pair| pair[0] < pair[1]), "times do not ascend: {:?}", one.times);
        assert!(!one.values.iter().any(|value| value.is_infinite()), "infinity is no value");
    }
    let keys: Vec<_> = series.iter().map(|one| (&one.labels, &one.name)).collect();
    assert!(
        keys.windows(2).all(|pair| pair[0] < pair[1]),
        "two series of one name, or out of order: {keys:?}"
    );
    assert!(notices.iter().all(|notice| notice.len() < LONGEST_ERROR), "a notice is too long");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "two series of one name")]
    fn a_broken_promise_is_noticed() {
        let series =
            |name: &str| Series::from_points(name.to_owned(), crate::series::Labels::new(), vec![(1, 1.0)]).0;
        check_answer(Ok((vec![series("a"), series("a")], Vec::new())));
    }
}
