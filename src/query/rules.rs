//! What a person knows that no model can: rules that a query adds to any detector.
//!
//! They change what is flagged, and the band with it; what the detector makes of a point, and so what is kept of its
//! work, does not depend on them. [`Rules`] says in which order they count.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, TimeZone as _, Timelike as _, Weekday,
};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{NotNegative, Real};
use crate::error::{Category, Error, Result};

/// The names of all rules, as in a query.
pub const RULES: [&str; 5] = ["minDeviation", "validRange", "minPoints", "minDuration", "mute"];

/// Most windows of [`Rules::mute`].
const MAX_MUTES: usize = 100;

/// Rules that a query adds to what its detector finds.
///
/// A value outside of the valid range is an outlier, whatever the detector says. What is nearer to the expected value than
/// the least deviation is none. Of the rest is told what lasts, and nothing at times that are muted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// How far a value is from what is expected at least to be an outlier.
    pub min_deviation: MinDeviation,
    /// The values that are possible.
    pub valid_range: ValidRange,
    /// Points in a row that are out of the ordinary before the last of them is flagged; 0 and 1 mean the first one is.
    pub min_points: usize,
    /// Ms from the first of such points to the one that is flagged, at least.
    pub min_duration_ms: i64,
    /// Times at which nothing is flagged.
    pub mute: Vec<Mute>,
}

/// How far a value is from what is expected at least to be an outlier: the larger of the two.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MinDeviation {
    /// In the unit of the values.
    #[schemars(title = "Min deviation")]
    pub absolute: Real<NotNegative>,
    /// As a share of the expected value without its sign: 0.1 is a tenth.
    #[schemars(title = "or share")]
    pub relative: Real<NotNegative>,
}

impl Default for MinDeviation {
    fn default() -> Self {
        Self { absolute: Real::constant(0.0), relative: Real::constant(0.0) }
    }
}

impl From<Mute> for String {
    fn from(mute: Mute) -> Self {
        mute.text
    }
}

impl JsonSchema for Mute {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Mute".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl MinDeviation {
    /// How far from `expected` a value is at least to be an outlier.
    #[must_use]
    pub fn of(self, expected: f64) -> f64 {
        self.absolute.get().max(self.relative.get() * expected.abs())
    }
}

/// The values that are possible; any other is an outlier. A bound that is left out is none.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ValidRange {
    /// The least that is valid.
    #[schemars(title = "Valid from")]
    pub min: Option<f64>,
    /// The most that is valid.
    #[schemars(title = "to")]
    pub max: Option<f64>,
}

impl ValidRange {
    /// `value`, or the bound that it is beyond; NaN stays NaN.
    #[must_use]
    pub fn clip(self, value: f64) -> f64 {
        let value = self.min.map_or(value, |min| if value < min { min } else { value });
        self.max.map_or(value, |max| if value > max { max } else { value })
    }
}

/// A time at which nothing is flagged: a part of some days of the week or of some dates, by the clock of a time zone.
///
/// In text: days, times, zone, of which any may be left out but not all: `Sun 02:00-04:00 Europe/Berlin`, `Mon-Fri
/// 22:00-06:00`, `2026-12-24`, `2026-12-24..2026-12-26`, `12-24..12-26` (in every year), `03:00-03:30`. Times that end
/// before they begin end on the next day. Without a zone the clock is that of UTC.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mute {
    /// As it was written.
    text: String,
    days: MutedDays,
    /// Minutes of the day, the second of them not among them.
    minutes: Option<(u32, u32)>,
    zone: Tz,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum MutedDays {
    /// Days of the week, from Monday on.
    Week([bool; 7]),
    /// Dates, both among them.
    Dates(NaiveDate, NaiveDate),
    /// Month and day of the month, of every year, both among them.
    Yearly((u32, u32), (u32, u32)),
}

impl Mute {
    /// Whether nothing is flagged at `time_ms`.
    #[must_use]
    pub fn covers(&self, time_ms: i64) -> bool {
        let Some(time) = DateTime::from_timestamp_millis(time_ms) else { return false };
        let clock: NaiveDateTime = self.zone.from_utc_datetime(&time.naive_utc()).naive_local();
        let (today, minute) = (clock.date(), clock.hour() * 60 + clock.minute());
        match self.minutes {
            None => self.days.hold(today),
            Some((from, to)) if from < to => self.days.hold(today) && (from..to).contains(&minute),
            Some((from, to)) => {
                let began_yesterday =
                    || today.checked_sub_days(Days::new(1)).is_some_and(|day| self.days.hold(day));
                self.days.hold(today) && minute >= from || minute < to && began_yesterday()
            }
        }
    }
}

impl MutedDays {
    fn hold(&self, day: NaiveDate) -> bool {
        match self {
            Self::Week(days) => days[day.weekday().num_days_from_monday() as usize],
            Self::Dates(first, last) => (*first..=*last).contains(&day),
            Self::Yearly(first, last) => {
                let day = (day.month(), day.day());
                if first <= last { (*first..=*last).contains(&day) } else { day >= *first || day <= *last }
            }
        }
    }
}

impl FromStr for MutedDays {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let date = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        if let (Some(first), Some(last)) = (date(first), date(last)) {
            return if first <= last { Ok(Self::Dates(first, last)) } else { Err(()) };
        }
        let day_of_year = |text: &str| {
            let (month, day) = text.split_once('-')?;
            let (month, day) = (month.parse().ok()?, day.parse().ok()?);
            // A leap year has all days that there are.
            NaiveDate::from_ymd_opt(2024, month, day).map(|_| (month, day))
        };
        if let (Some(first), Some(last)) = (day_of_year(first), day_of_year(last)) {
            return Ok(Self::Yearly(first, last));
        }
        let mut week = [false; 7];
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let day = |text: &str| text.parse::<Weekday>().map_err(|_| ());
            let (first, last) = (day(first)?, day(last)?);
            let mut day = first;
            loop {
                week[day.num_days_from_monday() as usize] = true;
                if day == last {
                    break;
                }
                day = day.succ();
            }
        }
        Ok(Self::Week(week))
    }
}

fn minutes(text: &str) -> Option<(u32, u32)> {
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (hour, minute) = (digits(hour).then_some(hour)?, digits(minute).then_some(minute)?);
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
    };
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    (from != to && from < 24 * 60).then_some((from, to))
}

impl FromStr for Mute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |part: &str| {
            format!(
                "\"{part}\" is none of days (Sun, Mon-Fri, 2026-12-24, 12-24..12-26), times (02:00-04:00) or a time zone \
                 (Europe/Berlin), in this order"
            )
        };
        let mut parts = text.split_whitespace().peekable();
        let days = parts.next_if(|part| part.parse::<MutedDays>().is_ok()).and_then(|part| part.parse().ok());
        let of_day = parts.next_if(|part| minutes(part).is_some()).and_then(minutes);
        let zone = parts.next().map(|part| part.parse::<Tz>().map_err(|_| wrong(part))).transpose()?;
        if let Some(part) = parts.next() {
            return Err(wrong(part));
        }
        if days.is_none() && of_day.is_none() {
            return Err("expected days or times, such as Sun 02:00-04:00 Europe/Berlin".to_owned());
        }
        Ok(Self {
            text: text.trim().to_owned(),
            days: days.unwrap_or(MutedDays::Week([true; 7])),
            minutes: of_day,
            zone: zone.unwrap_or(Tz::UTC),
        })
    }
}

impl TryFrom<String> for Mute {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl ValidRange {
    pub(super) fn validate(self) -> Result<Self> {
        match self {
            Self { min: Some(min), max: Some(max) } if min > max => {
                let what = format!("option validRange: its min {min} is above its max {max}");
                Err(Error::new(Category::Query, what).hint("exchange the two, or remove one"))
            }
            _ => Ok(self),
        }
    }
}

/// `mute`, if it is not too long.
pub(super) fn checked(mute: Vec<Mute>) -> Result<Vec<Mute>> {
    if mute.len() <= MAX_MUTES {
        return Ok(mute);
    }
    let what = format!("option mute has {} times, and {MAX_MUTES} are allowed", mute.len());
    Err(Error::new(Category::Query, what).hint("join some of them, as in Mon-Fri 02:00-04:00"))
}

impl Rules {
    /// Whether a verdict may depend on those of points before.
    pub(crate) fn look_back(&self) -> bool {
        self.min_points > 1 || self.min_duration_ms > 0
    }

    /// Whether nothing is flagged at `time_ms`.
    pub(crate) fn mutes(&self, time_ms: i64) -> bool {
        self.mute.iter().any(|mute| mute.covers(time_ms))
    }
}

impl fmt::Display for ValidRange {
    /// Such as "0 to 100", "at least 0".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, "{min} to {max}"),
            (Some(min), None) => write!(f, "at least {min}"),
            (None, Some(max)) => write!(f, "at most {max}"),
            (None, None) => f.write_str("any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Query;
    use super::*;

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    #[test]
    fn a_time_is_muted_by_the_clock_of_its_zone() {
        for (mute, inside, outside) in [
            (
                "Sun 02:00-04:00 Europe/Berlin",
                // On 25 October 2026 the clock shows 02:30 twice, and on 29 March never; 02:00 to 04:00 is an hour then.
                &[
                    "2026-11-29T01:00:00Z",
                    "2026-11-29T02:59:59Z",
                    "2026-10-25T00:30:00Z",
                    "2026-10-25T01:30:00Z",
                    "2026-03-29T01:30:00Z",
                ][..],
                &[
                    "2026-11-29T00:59:59Z",
                    "2026-11-29T03:00:00Z",
                    "2026-11-30T01:30:00Z",
                    "2026-03-29T02:00:00Z",
                ][..],
            ),
            (
                "Fri,Sat 22:00-06:00",
                &["2026-11-27T22:00:00Z", "2026-11-28T05:59:00Z", "2026-11-29T05:59:00Z"],
                &["2026-11-27T05:00:00Z", "2026-11-29T22:30:00Z", "2026-11-28T06:00:00Z"],
            ),
            (
                "Sat-Mon",
                &["2026-11-28T12:00:00Z", "2026-11-30T23:59:00Z"],
                &["2026-11-27T23:59:00Z", "2026-12-01T00:00:00Z"],
            ),
            ("2026-12-24", &["2026-12-24T00:00:00Z"], &["2027-12-24T00:00:00Z", "2026-12-25T00:00:00Z"]),
            ("2026-12-24..2026-12-26 Asia/Tokyo", &["2026-12-23T15:00:00Z"], &["2026-12-26T15:00:00Z"]),
            (
                "12-24..01-02",
                &["2026-12-31T00:00:00Z", "2031-01-02T23:00:00Z"],
                &["2026-12-23T23:00:00Z", "2027-01-03T00:00:00Z"],
            ),
            ("03:00-03:30", &["2026-11-30T03:29:59Z"], &["2026-11-30T03:30:00Z"]),
            ("Mon 20:00-24:00", &["2026-11-30T23:59:00Z"], &["2026-12-01T00:00:00Z"]),
        ] {
            let mute: Mute = mute.parse().unwrap();
            for time in inside {
                assert!(mute.covers(ms(time)), "{mute:?} {time}");
            }
            for time in outside {
                assert!(!mute.covers(ms(time)), "{mute:?} {time}");
            }
        }
        let edge: Mute = "Mon".parse().unwrap();
        assert!(!edge.covers(i64::MIN) && !edge.covers(i64::MAX));
    }

    #[test]
    fn what_is_no_time_is_refused_and_named() {
        for (text, says) in [
            ("", "expected days or times"),
            ("Europe/Berlin", "expected days or times"),
            ("Sunday-", "\"Sunday-\""),
            ("Sun 2:00-4:00", "\"2:00-4:00\""),
            ("Sun 02:00-02:00", "\"02:00-02:00\""),
            ("Sun 02:00-04:00 Berlin", "\"Berlin\""),
            ("Sun 02:00-04:00 UTC again", "\"again\""),
            ("2026-12-26..2026-12-24", "\"2026-12-26..2026-12-24\""),
            ("02-30", "\"02-30\""),
        ] {
            let error = text.parse::<Mute>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn rules_are_read_and_what_is_wrong_is_named() {
        let json = r#"{"minDeviation":{"absolute":"2","relative":0.1},"validRange":{"min":0},"minPoints":3,
            "minDuration":"15m","mute":["Sun 02:00-04:00"]}"#;
        let rules = Query::parse(json.as_bytes()).unwrap().rules;
        assert_eq!(rules.min_deviation.of(-50.0), 5.0);
        assert_eq!(rules.min_deviation.of(5.0), 2.0);
        assert_eq!((rules.valid_range.clip(-1.0), rules.valid_range.clip(1e9)), (0.0, 1e9));
        assert!(rules.valid_range.clip(f64::NAN).is_nan());
        assert_eq!((rules.min_points, rules.min_duration_ms, rules.mute.len()), (3, 900_000, 1));
        assert_eq!(Query::parse(b"{}").unwrap().rules, Rules::default());
        for (json, says) in [
            (r#"{"minDeviation":{"relative":-1}}"#, "minDeviation.relative"),
            (r#"{"validRange":{"min":2,"max":1}}"#, "min 2 is above its max 1"),
            (r#"{"minPoints":1001}"#, "minPoints"),
            (r#"{"minDuration":"32d"}"#, "minDuration"),
            (r#"{"mute":["never"]}"#, "mute[0]"),
            (r#"{"mute":"Sun"}"#, "mute"),
        ] {
            let error = Query::parse(json.as_bytes()).unwrap_err();
            assert_eq!(error.category(), Category::Query);
            assert!(error.to_string().contains(says), "{json}: {error}");
        }
    }
}
