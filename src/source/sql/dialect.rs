//! What differs between the languages of the databases: quotes, times, steps, conditions.
//!
//! Input is text of the query's own (names of columns, expressions of a raw query) and numbers made here; output is SQL.
//! Names are quoted, values of users are never written: they become parameters.

use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;

use crate::query::FilterOperator;

/// The language of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgresql,
    Mysql,
}

/// How a column of times is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeColumn {
    /// A type of the database for times, with or without zone, or for dates.
    Timestamp,
    /// Text as ISO 8601.
    Text,
    /// A number since the epoch; how many of its unit make a second: 1, 1e3, 1e6, 1e9.
    Epoch { per_second: i64 },
}

/// Times that every database can read and write, in ms: the years 1 to 9999.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 253_402_300_799_999;
/// The epoch as a Julian day, which SQLite counts in.
const EPOCH_JULIAN_DAY: &str = "2440587.5";
/// Two days: what a day of ISO text may be away from the same day in UTC, whatever its zone, and some more.
const ZONES_MS: i64 = 2 * 86_400_000;

/// What a number looks like as text.
const NUMBER: &str = r"'^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$'";

impl Dialect {
    /// A name of a table or column, quoted.
    pub(super) fn name(self, name: &str) -> String {
        let quote = match self {
            // SQLite takes an unknown name in double quotes for a text.
            Self::Sqlite | Self::Mysql => '`',
            Self::Postgresql => '"',
        };
        let mut quoted = String::with_capacity(name.len() + 2);
        quoted.push(quote);
        for c in name.chars() {
            // No name of a real table holds it, and some servers end a text there.
            if c != '\0' {
                quoted.push(c);
            }
            if c == quote {
                quoted.push(quote);
            }
        }
        quoted.push(quote);
        quoted
    }

    /// The place of the `number`-th parameter, from 1.
    pub(super) fn parameter(self, number: usize) -> String {
        match self {
            Self::Postgresql => format!("${number}"),
            Self::Sqlite => format!("?{number}"),
            Self::Mysql => "?".to_owned(),
        }
    }

    /// The text of an expression, for labels and comparisons; empty for NULL.
    fn text(self, expression: &str) -> String {
        match self {
            Self::Postgresql => format!("COALESCE(({expression})::text, '')"),
            Self::Sqlite => format!("COALESCE(CAST({expression} AS TEXT), '')"),
            Self::Mysql => format!("COALESCE(CAST({expression} AS CHAR), '')"),
        }
    }

    /// Which instant the database takes for a time of the hour that a clock on the wall shows twice.
    pub(super) fn takes_second_hour(self) -> bool {
        self == Self::Postgresql
    }

    /// The value of a column of labels: text in PostgreSQL, whose types are many, so that all of them can be read and
    /// compared, as the database writes them. NULL stays NULL.
    pub(super) fn label(self, column: &str) -> String {
        match self {
            Self::Postgresql => format!("({column})::text"),
            Self::Mysql | Self::Sqlite => column.to_owned(),
        }
    }

    /// What tells rows of different labels apart, as exactly as the labels themselves do: a column of MySQL may take other
    /// texts for equal.
    pub(super) fn label_key(self, column: &str) -> String {
        match self {
            Self::Mysql => format!("CAST({column} AS BINARY)"),
            Self::Postgresql | Self::Sqlite => self.label(column),
        }
    }

    /// A condition on a column, with the parameter `number`. `numeric` says that the parameter is a number, for `<` and
    /// `>`.
    pub(super) fn condition(
        self,
        column: &str,
        operator: FilterOperator,
        number: usize,
        numeric: bool,
    ) -> String {
        let place = self.parameter(number);
        let text = self.text(column);
        let ordered = |symbol: &str| match (numeric, self) {
            (false, _) => format!("{text} {symbol} {place}"),
            (true, Self::Postgresql) => format!("({column})::double precision {symbol} {place}"),
            (true, Self::Sqlite) => format!("CAST({column} AS REAL) {symbol} {place}"),
            (true, Self::Mysql) => format!("({column} + 0) {symbol} {place}"),
        };
        let matches = |not: bool| match self {
            Self::Postgresql => format!("{text} {} {place}", if not { "!~" } else { "~" }),
            Self::Sqlite | Self::Mysql => format!("{text} {}REGEXP {place}", if not { "NOT " } else { "" }),
        };
        match operator {
            FilterOperator::Equal => format!("{text} = {place}"),
            FilterOperator::NotEqual => format!("{text} <> {place}"),
            FilterOperator::Less => ordered("<"),
            FilterOperator::Greater => ordered(">"),
            FilterOperator::Matches => matches(false),
            FilterOperator::NotMatches => matches(true),
        }
    }

    /// A time as the database writes it, in quotes; `zone` is that of its session.
    pub(super) fn time(self, ms: i64, zone: Tz) -> String {
        let ms = ms.clamp(FIRST_MS, LAST_MS);
        let utc = DateTime::from_timestamp_millis(ms).unwrap_or_default();
        let local = zone.from_utc_datetime(&utc.naive_utc());
        match self {
            // The offset counts where the column has a zone and is dropped where it has none: right in both cases.
            Self::Postgresql => local.format("'%Y-%m-%d %H:%M:%S%.3f%:z'").to_string(),
            Self::Mysql => local.format("'%Y-%m-%d %H:%M:%S%.3f'").to_string(),
            Self::Sqlite => utc.format("'%Y-%m-%d %H:%M:%S%.3f'").to_string(),
        }
    }

    /// Whether a column lies in the half-open range from `from_ms` to `to_ms`.
    pub(super) fn within(self, column: &str, kind: TimeColumn, from_ms: i64, to_ms: i64, zone: Tz) -> String {
        match kind {
            TimeColumn::Epoch { per_second } => {
                let (from, to) = (epoch_from(from_ms, per_second), epoch_from(to_ms, per_second));
                format!("({column} >= {from} AND {column} < {to})")
            }
            // A time without a type would be taken for one of the column's, and lose its time of day to a date.
            TimeColumn::Timestamp if self == Self::Postgresql => {
                let (from, to) = (self.time(from_ms, zone), self.time(to_ms, zone));
                format!("({column} >= {from}::timestamptz AND {column} < {to}::timestamptz)")
            }
            TimeColumn::Timestamp if !self.repeats_hours(zone) => {
                let (from, to) = (self.time(from_ms, zone), self.time(to_ms, zone));
                format!("({column} >= {from} AND {column} < {to})")
            }
            TimeColumn::Timestamp | TimeColumn::Text => {
                let exactly = if self == Self::Postgresql {
                    let (from, to) = (self.time(from_ms, zone), self.time(to_ms, zone));
                    format!("({column})::timestamptz >= {from} AND ({column})::timestamptz < {to}")
                } else {
                    let ms = self.epoch_ms(column, kind, zone);
                    format!("{ms} >= {from_ms} AND {ms} < {to_ms}")
                };
                // The day alone is in the order of time in every way to write ISO 8601, and can use an index.
                let day = |ms: i64| {
                    let day =
                        DateTime::from_timestamp_millis(ms.clamp(FIRST_MS, LAST_MS)).unwrap_or_default();
                    day.format("'%Y-%m-%d'").to_string()
                };
                let (first, last) =
                    (day(from_ms.saturating_sub(ZONES_MS)), day(to_ms.saturating_add(ZONES_MS)));
                format!("({column} >= {first} AND {column} < {last} AND {exactly})")
            }
        }
    }

    /// Whether the times of a session, which are those of a clock on the wall, stand for two instants each in an hour of
    /// the year, also in columns that tell them apart.
    fn repeats_hours(self, zone: Tz) -> bool {
        self == Self::Mysql && zone != Tz::UTC
    }

    /// The time of a column in whole ms since the epoch.
    pub(super) fn epoch_ms(self, column: &str, kind: TimeColumn, zone: Tz) -> String {
        match (kind, self) {
            (TimeColumn::Epoch { per_second }, _) => {
                let ms = match per_second {
                    1_000 => column.to_owned(),
                    // As 64 bits: seconds in an `integer` would not fit once they are multiplied.
                    1 if self == Self::Postgresql => format!("({column} * 1000::bigint)"),
                    1 => format!("({column} * 1000)"),
                    _ if self == Self::Mysql => format!("({column} DIV {})", per_second / 1_000),
                    _ => format!("({column} / {})", per_second / 1_000),
                };
                match self {
                    Self::Sqlite => format!("CAST({ms} AS INTEGER)"),
                    Self::Postgresql => format!("floor({ms})::bigint"),
                    Self::Mysql => format!("FLOOR({ms})"),
                }
            }
            (TimeColumn::Timestamp | TimeColumn::Text, Self::Sqlite) => {
                format!("CAST(ROUND((julianday({column}) - {EPOCH_JULIAN_DAY}) * 86400000) AS INTEGER)")
            }
            // In the session's zone where the column has none.
            (TimeColumn::Timestamp | TimeColumn::Text, Self::Postgresql) => {
                format!("floor(extract(epoch FROM ({column})::timestamptz) * 1000)::bigint")
            }
            (TimeColumn::Timestamp | TimeColumn::Text, Self::Mysql) => {
                if self.repeats_hours(zone) {
                    // Takes a TIMESTAMP for what it is, without the detour over the clock on the wall.
                    format!("FLOOR(UNIX_TIMESTAMP({column}) * 1000)")
                } else {
                    format!("(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', {column}) DIV 1000)")
                }
            }
        }
    }

    /// The begin of the step that whole ms since the epoch lie in. `%` takes the sign of its left side, and most
    /// divisions round, so that the remainder is made positive first.
    pub(super) fn step(self, ms: &str, step_ms: i64) -> String {
        let (ms, step_ms) = (format!("({ms})"), step_ms.max(1));
        format!("({ms} - (({ms} % {step_ms}) + {step_ms}) % {step_ms})")
    }

    /// As [`Dialect::epoch_ms`], of a column of which nothing is known but that it holds times.
    pub(super) fn any_epoch_ms(self, column: &str, zone: Tz) -> String {
        match self {
            Self::Sqlite => {
                let text = self.epoch_ms(column, TimeColumn::Text, zone);
                format!(
                    "CASE WHEN typeof({column}) = 'text' THEN {text} \
                     WHEN abs({column}) < 1e11 THEN CAST({column} * 1000 AS INTEGER) \
                     WHEN abs({column}) < 1e14 THEN CAST({column} AS INTEGER) \
                     WHEN abs({column}) < 1e17 THEN CAST({column} / 1000 AS INTEGER) \
                     ELSE CAST({column} / 1000000 AS INTEGER) END"
                )
            }
            Self::Postgresql | Self::Mysql => self.epoch_ms(column, TimeColumn::Timestamp, zone),
        }
    }

    /// A value that is to be aggregated. SQLite would take text that is no number for 0: it is left out, and so is empty
    /// text, which is a gap.
    pub(super) fn number(self, column: &str) -> String {
        match self {
            Self::Postgresql | Self::Mysql => column.to_owned(),
            Self::Sqlite => format!(
                "CASE typeof({column}) WHEN 'text' THEN CASE WHEN trim({column}) REGEXP {NUMBER} THEN CAST(trim({column}) AS \
                 REAL) END WHEN 'blob' THEN NULL ELSE {column} END"
            ),
        }
    }

    /// The mean of a column. MySQL would cut that of whole numbers to four digits.
    pub(super) fn mean(self, column: &str) -> String {
        match self {
            Self::Mysql => format!("avg({column} * 1e0)"),
            Self::Postgresql | Self::Sqlite => format!("avg({})", self.number(column)),
        }
    }

    /// Whether [`Dialect::number`] left a value out that is no gap: 1 or 0. `None` where there are no such values.
    pub(super) fn left_out(self, column: &str) -> Option<String> {
        (self == Self::Sqlite).then(|| {
            format!(
                "CASE typeof({column}) WHEN 'text' THEN lower(trim({column})) NOT IN ('', 'nan') AND trim({column}) NOT \
                 REGEXP {NUMBER} WHEN 'blob' THEN 1 ELSE 0 END"
            )
        })
    }

    /// Whole or decimal seconds of whole ms.
    pub(super) fn seconds(self, ms: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgresql => format!("({ms} / 1000.0)"),
            Self::Mysql => format!("({ms} / 1000)"),
        }
    }
}

/// The first whole number of a unit, `per_second` of which make a second, that is not before `ms`.
pub(super) fn epoch_from(ms: i64, per_second: i64) -> i64 {
    if per_second >= 1_000 {
        ms.saturating_mul(per_second / 1_000)
    } else {
        ms.saturating_add(999).div_euclid(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(Dialect::Postgresql.name("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!(Dialect::Mysql.name("a`b\0c"), "`a``bc`");
        assert_eq!(Dialect::Sqlite.name("a`b"), "`a``b`");
    }

    #[test]
    fn times_are_written_in_the_zone_of_the_session() {
        let ms = 1_700_000_000_123;
        assert_eq!(Dialect::Postgresql.time(ms, Tz::Europe__Berlin), "'2023-11-14 23:13:20.123+01:00'");
        assert_eq!(Dialect::Mysql.time(ms, Tz::Europe__Berlin), "'2023-11-14 23:13:20.123'");
        assert_eq!(Dialect::Sqlite.time(ms, Tz::UTC), "'2023-11-14 22:13:20.123'");
        assert_eq!(Dialect::Mysql.time(i64::MAX, Tz::UTC), "'9999-12-31 23:59:59.999'");
        assert_eq!(Dialect::Mysql.time(i64::MIN, Tz::UTC), "'0001-01-01 00:00:00.000'");
    }

    #[test]
    fn seconds_never_begin_before_the_range() {
        assert_eq!([epoch_from(1, 1), epoch_from(1_000, 1), epoch_from(-1, 1)], [1, 1, 0]);
        assert_eq!(epoch_from(5, 1_000_000), 5_000);
        assert_eq!(epoch_from(i64::MAX, 1_000_000_000), i64::MAX);
    }
}
