//! The fuzz targets of SQL: names in quotes, values that are bound, and texts with macros.

use chrono_tz::Tz;
use serde_json::{Value, json};

use super::dialect::{Dialect, TimeColumn};
use super::options::Options;
use super::{guard, statement};
use crate::fuzzing::{check_error, choice_of, texts};
use crate::series::TimeRange;
use crate::source::FetchRequest;

const REQUEST: FetchRequest = FetchRequest {
    range: TimeRange { from_ms: 1_700_000_000_000, to_ms: 1_700_003_600_000 },
    step_ms: 60_000,
};
/// Stands where filters go, see `statement`.
const MARK: char = '\u{e000}';

fn dialect(choice: usize) -> Dialect {
    [Dialect::Sqlite, Dialect::Postgresql, Dialect::Mysql][choice % 3]
}

fn zone(choice: usize) -> Tz {
    if choice & 8 == 0 { Tz::UTC } else { Tz::America__St_Johns }
}

/// A byte that chooses the dialect, the value of a filter, a line break, and SQL with macros.
pub(in crate::source) fn text(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    let [value, sql] = texts(rest);
    let expanded = |filters: Value| {
        let options =
            serde_json::from_value(json!({"mode": "text", "sql": sql, "adhocFilters": filters})).ok()?;
        match statement::expand_text(dialect(choice), &options, &REQUEST, zone(choice), i64::MAX) {
            Ok(statement) => statement,
            Err(error) => {
                check_error(&error);
                None
            }
        }
    };
    if let Some(plain) = expanded(json!([])) {
        assert!(plain.params.is_empty() && !plain.sql.contains(MARK), "{}", plain.sql);
        assert_eq!(guard::check(dialect(choice), &plain.sql, MARK), Ok(()), "{}", plain.sql);
    }
    let filters = |value: &str| json!([{"key": "host", "operator": "=", "value": value}]);
    if let (Some(one), Some(other)) = (expanded(filters(&value)), expanded(filters("x"))) {
        assert_eq!(one.sql, other.sql, "the value of a filter is in the SQL");
        assert!(!one.params.is_empty() && one.params.len() == other.params.len());
    }
}

/// A byte that chooses dialect and column; names of a schema, a table and three columns, and a value.
pub(in crate::source) fn names(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    let [table, time, value_column, label, schema, value] = texts(rest);
    let dialect = dialect(choice);
    let schema = if dialect == Dialect::Sqlite { "" } else { &*schema };
    let column = match choice / 16 % 3 {
        0 => TimeColumn::Timestamp,
        1 => TimeColumn::Text,
        _ => TimeColumn::Epoch { per_second: 1_000_000 },
    };
    let aggregate = ["mean", "last", "none", "count"][choice / 4 % 2 + choice / 64 % 2 * 2];
    let built = |filters: Value| {
        let options: Options = serde_json::from_value(json!({
            "schema": schema, "table": table, "timeColumn": time, "valueColumns": [value_column], "labelColumns": [label],
            "aggregate": aggregate, "filters": filters,
        }))
        .ok()?;
        let range = (REQUEST.range.from_ms, REQUEST.range.to_ms);
        statement::build(dialect, &options, range, REQUEST.step_ms, column, zone(choice), 100)
            .inspect_err(check_error)
            .ok()
    };
    let Some(plain) = built(json!([])) else { return };
    assert!(plain.params.is_empty());
    // The guard reads quotes by itself: a name that got out of its own would be a word, or a second statement.
    if !plain.sql.contains(MARK) {
        assert_eq!(guard::check(dialect, &plain.sql, MARK), Ok(()), "{}", plain.sql);
    }
    let filters = |value: &str| json!([{"key": label, "operator": "=", "value": value}]);
    if let (Some(one), Some(other)) = (built(filters(&value)), built(filters("x"))) {
        assert_eq!((one.sql, one.params.len()), (other.sql, 1), "the value of a filter is in the SQL");
    }
}
