//! The fuzz target of CSV files.

use super::table::{Layout, Table, number};
use crate::fuzzing::{Target, check_error, choice_of};
use crate::source::TimeFormat;

pub(crate) const TARGETS: &[Target] = &[Target { name: "csv-table", run: table }];

/// A byte that chooses how times are written, and a file.
fn table(data: &[u8]) {
    let (choice, file) = choice_of(data);
    let times = [TimeFormat::Auto, TimeFormat::Ms, TimeFormat::Iso8601][choice % 3];
    let layout = Layout { times, ..Layout::of_value("value") };
    let table = match Table::of_bytes("file.csv", file, &layout) {
        Ok(table) => table,
        Err(error) => return check_error(&error),
    };
    let mut written = csv::Writer::from_writer(Vec::new());
    let others = table.other_columns.iter().map(String::as_str);
    let mut records: Vec<Vec<&str>> = vec![["timestamp", "value"].into_iter().chain(others).collect()];
    for row in &table.rows {
        assert_eq!(row.others.len(), table.other_columns.len());
        assert!(row.value.is_nan() || number(row.value).parse() == Ok(row.value));
        let cells = [row.timestamp.as_str(), row.value_text.as_str()];
        records.push(cells.into_iter().chain(row.others.iter().map(String::as_str)).collect());
    }
    assert!(records.iter().all(|record| written.write_record(record).is_ok()));
    let Ok(bytes) = written.into_inner() else { return };
    // Of the columns only the one of times may have had another name.
    let again_as =
        Layout { separator: Some(b','), time_column: Some("timestamp".to_owned()), ..layout.clone() };
    let again = match Table::of_bytes("again.csv", &bytes, &again_as) {
        Ok(again) => again,
        Err(error) => panic!("what was written cannot be read: {error}"),
    };
    let cells = |table: &Table| -> Vec<(i64, u64, Vec<String>)> {
        table.rows.iter().map(|row| (row.time, row.value.to_bits(), row.others.clone())).collect()
    };
    assert_eq!(cells(&table), cells(&again));
}
