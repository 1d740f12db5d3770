//! Answers in lines: CSV, and JSON of which each line is a row.

use super::cells::read_row;
use super::pointer::Pointer;
use super::points::{Layout, Points, ROW, TIME, VALUE};
use super::tree::each_line;
use crate::error::{Category, Error, Result};
use crate::series::Series;
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::delimited;
use crate::source::json::{not_json, without_mark};

/// Each line is a row of its own.
///
/// # Errors
/// As `rows::decode`, naming the line.
pub(super) fn json(bytes: &[u8], layout: &Layout, limits: Limits) -> Result<(Vec<Series>, Vec<String>)> {
    let mut points = Points::new(layout, limits);
    let mut cells = vec![Cell::Missing; layout.pointers.len()];
    each_line(bytes, |line| {
        let mut json = serde_json::Deserializer::from_slice(line);
        read_row(&layout.pointers, &mut cells, &mut json)
            .and_then(|()| json.end())
            .map_err(|error| not_json(line, &error))?;
        points.take(&cells)
    })?;
    points.into_series()
}

/// A table, with or without a line of names above it.
///
/// # Errors
/// [`Category::Protocol`] if it is none, or not one row can be used; [`Category::Limit`] if there are too many rows or
/// series.
pub(super) fn csv(bytes: &[u8], layout: &Layout, limits: Limits) -> Result<(Vec<Series>, Vec<String>)> {
    let bytes = without_mark(bytes);
    if bytes.trim_ascii().is_empty() || bytes.trim_ascii().starts_with(b"<") {
        // What this says of an empty answer and of a page fits here, too.
        let error = serde_json::from_slice::<serde_json::Value>(bytes).err();
        return Err(error.map_or_else(|| no_csv("it is no table"), |error| not_json(bytes, &error)));
    }
    let separator = delimited::separator(bytes);
    let mut records = Records::new(bytes, separator);
    let mut points = Points::new(layout, limits);
    let mut columns: Option<Vec<Option<usize>>> = None;
    while let Some(record) = records.next()? {
        let cells = |columns: &[Option<usize>]| -> Vec<Cell<'_>> {
            let mut cells: Vec<Cell<'_>> = columns.iter().map(|column| cell(&record, *column)).collect();
            cells[ROW] = Cell::Array;
            if let Cell::Text(text) = &cells[VALUE]
                && let Some(number) = delimited::with_point(text, separator)
            {
                cells[VALUE] = Cell::Text(number.into());
            }
            cells
        };
        match &columns {
            Some(columns) => points.take(&cells(columns))?,
            None => {
                let by_index: Vec<Option<usize>> = layout.pointers.iter().map(index).collect();
                let is_row = layout.is_time(&cells(&by_index)[TIME]);
                if is_row {
                    points.take(&cells(&by_index))?;
                    columns = Some(by_index);
                } else {
                    columns = Some(layout.pointers.iter().map(|pointer| column(pointer, &record)).collect());
                }
            }
        }
    }
    points.into_series()
}

/// The most cells of a line: a line of nothing but separators would need eight times its length.
const MAX_CELLS: usize = 10_000;

/// Reads a table line by line.
struct Records<'b> {
    core: csv_core::Reader,
    left: &'b [u8],
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// The cells of a line.
struct Record<'r> {
    text: &'r [u8],
    ends: &'r [usize],
}

impl<'b> Records<'b> {
    fn new(bytes: &'b [u8], separator: u8) -> Self {
        let core = csv_core::ReaderBuilder::new().delimiter(separator).build();
        Self { core, left: bytes, text: vec![0; 1_024], ends: vec![0; MAX_CELLS] }
    }

    /// # Errors
    /// [`Category::Limit`] if a line has too many cells.
    fn next(&mut self) -> Result<Option<Record<'_>>> {
        let (mut length, mut cells) = (0, 0);
        loop {
            let Self { core, left, text, ends } = self;
            let (read, taken, written, ended) =
                core.read_record(left, &mut text[length..], &mut ends[cells..]);
            self.left = &self.left[taken..];
            length += written;
            cells += ended;
            match read {
                // Which an empty input says once more if the last line does not end.
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                csv_core::ReadRecordResult::OutputEndsFull => {
                    let what = format!("a line of the answer has more than {MAX_CELLS} cells");
                    return Err(Error::new(Category::Limit, what)
                        .hint("check the path, or let the service write fewer columns"));
                }
                csv_core::ReadRecordResult::Record => {
                    return Ok(Some(Record { text: &self.text[..length], ends: &self.ends[..cells] }));
                }
                csv_core::ReadRecordResult::End => return Ok(None),
            }
        }
    }
}

impl<'r> Record<'r> {
    /// A cell without the blanks around it.
    fn get(&self, column: usize) -> Option<&'r [u8]> {
        let begin = column.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        Some(self.text.get(begin..*self.ends.get(column)?)?.trim_ascii())
    }

    fn iter(&self) -> impl Iterator<Item = &'r [u8]> {
        (0..self.ends.len()).filter_map(|column| self.get(column))
    }
}

fn no_csv(why: &str) -> Error {
    Error::new(Category::Protocol, format!("the answer cannot be read as CSV: {why}"))
        .hint("check the path, and set format to what the service writes")
}

fn cell<'r>(record: &Record<'r>, column: Option<usize>) -> Cell<'r> {
    column
        .and_then(|column| record.get(column))
        .map_or(Cell::Missing, |bytes| Cell::Text(String::from_utf8_lossy(bytes)))
}

/// The column with the name that a pointer says, or else with its index.
fn column(pointer: &Pointer, names: &Record<'_>) -> Option<usize> {
    let [key] = pointer.keys() else { return None };
    names.iter().position(|name| name == key.name.as_bytes()).or(key.index)
}

fn index(pointer: &Pointer) -> Option<usize> {
    match pointer.keys() {
        [key] => key.index,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::source::secrets::Secrets;

    fn decoded(options: Value, answer: &str) -> Result<(Vec<Series>, Vec<String>)> {
        let layout = Layout::of(&serde_json::from_value(options).unwrap())?;
        super::super::rows::decode(answer.as_bytes(), &layout, Limits::default(), &Secrets::default())
    }

    fn points(options: Value, answer: &str) -> Vec<(i64, f64)> {
        let (series, notices) = decoded(options, answer).unwrap();
        assert!(notices.is_empty(), "{notices:?}");
        let [one] = &series[..] else { panic!("{series:?}") };
        one.times.iter().copied().zip(one.values.iter().copied()).collect()
    }

    const T: i64 = 1_700_000_000_000;

    #[test]
    fn columns_are_found_by_name_and_by_index() {
        let named = json!({"format": "csv", "time": "/Zeit", "value": "/Wert in °C"});
        let expected = [(T, 1.5), (T + 60_000, -2.0)];
        for answer in [
            "Ort,Wert in °C,Zeit\nx,1.5,1700000000\nx,-2,1700000060\n",
            "\u{feff}Ort;Wert in °C;Zeit\r\nx;1,5;2023-11-14T22:13:20Z\r\nx;-2;2023-11-14T22:14:20Z\r\n",
            "Ort\tWert in °C\tZeit\n\"a\tb\"\t1.5\t1700000000000\n\nx\t-2\t1700000060000",
        ] {
            assert_eq!(points(named.clone(), answer), expected, "{answer}");
        }
        let indexed = json!({"format": "csv"});
        for answer in ["1700000000,1.5\n1700000060,-2\n", "time,value\n1700000000,1.5\n1700000060,-2\n"] {
            assert_eq!(points(indexed.clone(), answer), expected, "{answer}");
        }
    }

    #[test]
    fn labels_of_a_table_split_it() {
        let options = json!({"format": "csv", "time": "/t", "value": "/v", "labels": [{"name": "host", "pointer": "/h"}]});
        let (series, notices) =
            decoded(options, "t,h,v\n1700000000,b,1\n1700000000,a,\n1700000060,a,x\n").unwrap();
        assert_eq!(series.iter().map(|one| one.labels["host"].as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(series[0].values[0].is_nan());
        assert!(notices[0].starts_with("1 of 3 rows left out"), "{notices:?}");
    }

    #[test]
    fn a_table_without_the_columns_says_which() {
        let error =
            decoded(json!({"format": "csv", "time": "/t"}), "x,y\n1700000000,2\n").unwrap_err().to_string();
        assert!(error.contains("the time pointer \"/t\" found nothing"), "{error}");
        let error = decoded(json!({"format": "csv"}), "<html></html>").unwrap_err().to_string();
        assert!(error.contains("HTML"), "{error}");
        assert!(decoded(json!({"format": "csv"}), " ").unwrap_err().to_string().contains("empty"));
        assert_eq!(decoded(json!({"format": "csv"}), "time,value\n").unwrap().0, []);
    }

    #[test]
    fn a_line_of_separators_is_refused_before_there_is_room_for_it() {
        for line in [",".repeat(1_000_000), "\"\n\",".repeat(300_000)] {
            let error = decoded(json!({"format": "csv"}), &format!("time,value\n{line}\n")).unwrap_err();
            assert_eq!(error.category(), Category::Limit, "{error}");
        }
        // Long cells are no many cells.
        let long = format!("1700000000,1.5,\"{}\"\n1700000060,-2", "x,\n".repeat(100_000));
        assert_eq!(points(json!({"format": "csv"}), &long), [(T, 1.5), (T + 60_000, -2.0)]);
    }

    #[test]
    fn each_line_is_a_row() {
        let options = json!({"format": "ndjson", "rows": "", "time": "/t", "value": "/v"});
        let answer = "{\"t\":1700000000,\"v\":1.5}\n\n{\"v\":-2,\"t\":1700000060}\r\n";
        assert_eq!(points(options.clone(), answer), [(T, 1.5), (T + 60_000, -2.0)]);
        let error = decoded(options, "{\"t\":1,\"v\":1}\n{\"t\":2,").unwrap_err().to_string();
        assert!(error.contains("line 2 of the answer: the answer is cut off"), "{error}");
        // The lines are the elements of a list, for whatever leads into them.
        let below = json!({"format": "ndjson", "rows": "$[*].data", "labels": [{"name": "host", "pointer": "1/host"}]});
        let (series, _) =
            decoded(below, "{\"host\":\"a\",\"data\":[[1,2]]}\n{\"host\":\"b\",\"data\":[[1,3]]}").unwrap();
        assert_eq!(series.len(), 2);
    }
}
