//! When a request that only reads is tried again, and after which pause.
//!
//! Pauses double from 200 ms and are lengthened at random by up to half, so that clients which failed together do not
//! come back together ("exponential backoff and jitter"). An upstream that says how long it wants to be left in peace
//! (`Retry-After`, RFC 9110 §10.2.3) is believed up to ten seconds.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::error::{Category, Error};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// An exchange that brought nothing.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    /// What may pass by itself, with the pause the upstream asked for, if it did.
    pub(super) may_pass: Option<Option<Duration>>,
}

impl From<Error> for Failed {
    /// Refused and broken connections may pass; a certificate will not change, nor will an answer that is too long.
    fn from(error: Error) -> Self {
        let may_pass = (error.category() == Category::Connection).then_some(None);
        Self { error, may_pass }
    }
}

/// Whether a bad answer may become a good one by itself, and the pause it asks for.
pub(super) fn may_pass(status: StatusCode, headers: &HeaderMap) -> Option<Option<Duration>> {
    let passing = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    // A date instead of seconds is legal and rare: then the usual pause will do.
    let asked = || headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs);
    passing.then(asked)
}

/// The pauses before the next attempts of one request.
#[derive(Debug)]
pub(super) struct Pauses {
    left: usize,
    next: Duration,
}

impl Pauses {
    /// For at most `tries` more attempts after the first.
    pub(super) fn new(tries: usize) -> Self {
        Self { left: tries, next: FIRST_PAUSE }
    }

    /// The pause before the next attempt; `None` if there shall be none.
    pub(super) fn next(&mut self, failed: &Failed) -> Option<Duration> {
        let asked = failed.may_pass?;
        self.left = self.left.checked_sub(1)?;
        let pause = self.next.mul_f64(1.0 + 0.5 * jitter());
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        match asked {
            Some(asked) if asked > LONGEST_PAUSE => None,
            Some(asked) => Some(asked.max(pause)),
            None => Some(pause),
        }
    }
}

/// From 0 to 1, another one each time.
fn jitter() -> f64 {
    f64::from((RandomState::new().hash_one(()) >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(may_pass: Option<Option<Duration>>) -> Failed {
        Failed { error: Error::new(Category::Connection, "x"), may_pass }
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut pauses = Pauses::new(3);
        for at_least in [200, 400, 800] {
            let pause = pauses.next(&failed(Some(None))).unwrap().as_millis();
            assert!((at_least..=at_least * 3 / 2).contains(&pause), "{pause}");
        }
        assert_eq!(pauses.next(&failed(Some(None))), None);
    }

    #[test]
    fn an_upstream_is_left_in_peace_for_as_long_as_it_asks_within_reason() {
        let asks = |seconds| Pauses::new(1).next(&failed(Some(Some(Duration::from_secs(seconds)))));
        assert_eq!(asks(3), Some(Duration::from_secs(3)));
        assert!(asks(0).unwrap() >= FIRST_PAUSE);
        assert_eq!(asks(3_600), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert_eq!(Pauses::new(3).next(&failed(None)), None);
        let mut headers = HeaderMap::new();
        assert_eq!(may_pass(StatusCode::SERVICE_UNAVAILABLE, &headers), Some(None));
        assert_eq!(may_pass(StatusCode::INTERNAL_SERVER_ERROR, &headers), None);
        assert_eq!(may_pass(StatusCode::UNAUTHORIZED, &headers), None);
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(may_pass(StatusCode::TOO_MANY_REQUESTS, &headers), Some(Some(Duration::from_secs(7))));
        headers.insert(RETRY_AFTER, "Sat, 21 Nov 2026 12:00:00 GMT".parse().unwrap());
        assert_eq!(may_pass(StatusCode::BAD_GATEWAY, &headers), Some(None));
    }

    #[test]
    fn certificates_and_limits_do_not_pass() {
        for category in [Category::Tls, Category::Limit, Category::Protocol, Category::Auth] {
            assert!(Failed::from(Error::new(category, "x")).may_pass.is_none());
        }
    }
}
