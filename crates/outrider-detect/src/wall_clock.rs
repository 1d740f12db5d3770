//! Time as a clock on the wall shows it, with its changes to and from summer time.

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::error::{Error, Result};

/// The time zone that a detector's option `timeZone` names.
///
/// # Errors
/// [`Error`] if there is none of that IANA name.
pub(super) fn time_zone(name: &str) -> Result<Tz> {
    name.trim().parse().map_err(|_| {
        Error::new(format!("option detector.timeZone: \"{name}\" is no time zone"))
            .hint("write an IANA name such as Europe/Berlin or UTC")
    })
}

/// The time that a clock on the wall shows, as ms.
pub(super) fn on_the_wall(time_ms: i64, zone: Tz) -> i64 {
    time_ms.saturating_add(offset_ms(time_ms, zone))
}

/// How far the clock on the wall is ahead of UTC at `time_ms`, in ms.
pub(super) fn offset_ms(time_ms: i64, zone: Tz) -> i64 {
    if zone == Tz::UTC {
        return 0;
    }
    let offset = DateTime::from_timestamp_millis(time_ms)
        .map_or(0, |time| zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc());
    i64::from(offset) * 1_000
}
