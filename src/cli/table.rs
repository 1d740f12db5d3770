//! The CSV files: rows of `timestamp`, `value` and whatever else.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Category, Error, Result, shortened};
use crate::source::TimeFormat;

/// What a file holds, row by row and in its order.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Names of the columns besides `timestamp` and `value`.
    pub(super) other_columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug)]
pub(super) struct Row {
    /// Ms since the epoch.
    pub(super) time: i64,
    /// NaN for a gap.
    pub(super) value: f64,
    /// The time as it is written in the file.
    pub(super) timestamp: String,
    /// The value as it is written in the file.
    pub(super) value_text: String,
    /// One cell for each of [`Table::other_columns`].
    pub(super) others: Vec<String>,
}

/// Texts that stand for a missing value.
const GAPS: [&str; 4] = ["", "nan", "null", "na"];

impl Table {
    /// Reads a file of `timestamp` and `value`.
    ///
    /// # Errors
    /// [`Category::Query`] naming the file, and the line where it cannot be understood.
    pub(super) fn read(path: &Path, times: TimeFormat) -> Result<Self> {
        Self::read_column(path, times, "value")
    }

    /// Reads a file whose first line names the columns, with the values from `value_column`.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub(super) fn read_column(path: &Path, times: TimeFormat, value_column: &str) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(Category::Query, format!("{name}: cannot be read: {error}")).hint("check the path")
        })?;
        Self::of_bytes(&name, &bytes, times, value_column)
    }

    /// Reads the content of the file called `name`.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub(super) fn of_bytes(name: &str, bytes: &[u8], times: TimeFormat, value_column: &str) -> Result<Self> {
        let wrong = |what: String| Error::new(Category::Query, format!("{name}: {what}"));
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let csv_error = |error: &csv::Error| match error.kind() {
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => wrong(format!(
                "line {}: there are {len} columns, and the header names {expected_len}",
                line(bytes, pos.as_ref())
            )),
            csv::ErrorKind::Utf8 { pos, .. } => {
                wrong(format!("line {}: this is no UTF-8", line(bytes, pos.as_ref())))
            }
            _ => wrong(format!("cannot be read: {error}")),
        };
        let header = reader.headers().map_err(|error| csv_error(&error))?.clone();
        let column = |name: &str| {
            header.iter().position(|column| column == name).ok_or_else(|| {
                wrong(format!("line 1: there is no column \"{name}\""))
                    .hint(format!("the first line must name the columns: timestamp,{value_column}"))
            })
        };
        let (time_column, value_column) = (column("timestamp")?, column(value_column)?);
        let is_other = |index: usize| index != time_column && index != value_column;
        let others = |record: &csv::StringRecord| -> Vec<String> {
            let cells = record.iter().enumerate().filter(|(index, _)| is_other(*index));
            cells.map(|(_, cell)| cell.to_owned()).collect()
        };
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| csv_error(&error))?;
            let at = |what: String| wrong(format!("line {}: {what}", line(bytes, record.position())));
            let (timestamp, value_text) = (&record[time_column], &record[value_column]);
            let time = times.text(timestamp).ok_or_else(|| {
                at(format!("\"{}\" is no timestamp", shortened(timestamp, QUOTED_CHARS)))
                    .hint("write seconds, ms, µs or ns since the epoch as a number, or ISO 8601")
            })?;
            let value = read_value(value_text).ok_or_else(|| {
                at(format!("\"{}\" is no value", shortened(value_text, QUOTED_CHARS)))
                    .hint("write a number with a decimal point, or nothing for a gap")
            })?;
            rows.push(Row {
                time,
                value,
                timestamp: timestamp.to_owned(),
                value_text: value_text.to_owned(),
                others: others(&record),
            });
        }
        Ok(Self { other_columns: others(&header), rows })
    }

    /// The numbers in another column, NaN where there is none; `None` if there is no such column.
    pub(super) fn numbers(&self, column: &str) -> Option<Vec<f64>> {
        let index = self.other_columns.iter().position(|other| other == column)?;
        let number = |row: &Row| read_value(&row.others[index]).unwrap_or(f64::NAN);
        Some(self.rows.iter().map(number).collect())
    }
}

/// The number of the line at which a record begins; its position is before the empty lines that precede it.
fn line(bytes: &[u8], position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 1 };
    let begin = usize::try_from(position.byte()).unwrap_or(usize::MAX).min(bytes.len());
    let skipped = bytes[begin..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + skipped.filter(|byte| **byte == b'\n').count() as u64
}

fn read_value(text: &str) -> Option<f64> {
    if GAPS.iter().any(|gap| gap.eq_ignore_ascii_case(text)) {
        return Some(f64::NAN);
    }
    text.parse().ok()
}

/// How much of a cell is quoted.
const QUOTED_CHARS: usize = 40;

/// A CSV file that is being written.
pub(super) struct Output {
    name: String,
    writer: csv::Writer<Box<dyn Write>>,
}

impl Output {
    /// Writes to `path`, or to stdout.
    ///
    /// # Errors
    /// [`Category::Query`] if the file cannot be made.
    pub(super) fn create(path: Option<&Path>, header: &[&str]) -> Result<Self> {
        let (name, target): (String, Box<dyn Write>) = match path {
            None => ("stdout".to_owned(), Box::new(std::io::stdout())),
            Some(path) => {
                let name = path.display().to_string();
                let file = File::create(path).map_err(|error| cannot_write(&name, &error))?;
                (name, Box::new(BufWriter::new(file)))
            }
        };
        let mut output = Self { name, writer: csv::Writer::from_writer(target) };
        output.write(header.iter().copied())?;
        Ok(output)
    }

    /// Writes one row.
    ///
    /// # Errors
    /// [`Category::Query`] if the disk is full or nobody reads.
    pub(super) fn write<C: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = C>) -> Result<()> {
        self.writer.write_record(cells).map_err(|error| cannot_write(&self.name, &error))
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub(super) fn finish(mut self) -> Result<()> {
        self.writer.flush().map_err(|error| cannot_write(&self.name, &error))
    }
}

fn cannot_write(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(Category::Query, format!("{name}: cannot be written: {error}"))
        .hint("check path, rights and space")
}

/// A number as text that reads back as the same number; nothing for NaN.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() { String::new() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Table> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.csv");
        std::fs::write(&path, text).unwrap();
        Table::read(&path, TimeFormat::Auto)
    }

    #[test]
    fn columns_are_found_by_name_and_times_in_any_form() {
        let table = read(
            "\u{feff}host,value,timestamp\n\"a,b\",1.5,1700000000\nc,,1700000000000\nd,-2e3,2023-11-14T22:13:20\n\
             e,NaN,1700000000000000\r\nf,0,1700000000000000000\ng,1,2023-11-14 23:13:20+01:00\n",
        )
        .unwrap();
        assert_eq!(table.other_columns, ["host"]);
        assert!(table.rows.iter().all(|row| row.time == 1_700_000_000_000), "{table:?}");
        assert_eq!(table.rows[0].others, ["a,b"]);
        assert_eq!((table.rows[0].value, table.rows[2].value), (1.5, -2_000.0));
        assert!(table.rows[1].value.is_nan() && table.rows[3].value.is_nan());
        assert_eq!(table.rows[5].timestamp, "2023-11-14 23:13:20+01:00");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, needles) in [
            ("", &["line 1", "\"timestamp\""][..]),
            ("time,value\n1,2\n", &["line 1", "\"timestamp\""]),
            ("timestamp,x\n1,2\n", &["line 1", "\"value\"", "timestamp,value"]),
            ("timestamp,value\n1,2\nnoon,3\n", &["line 3", "\"noon\" is no timestamp", "ISO 8601"]),
            ("timestamp,value\n1,2\n\n2,\"1,5\"\n", &["line 4", "\"1,5\" is no value", "decimal point"]),
            ("timestamp,value\r\n1,2\r\n\r\n2,x\r\n", &["line 4", "\"x\" is no value"]),
            ("timestamp,value\n\n1,2,3\n", &["line 3", "3 columns", "names 2"]),
        ] {
            let error = read(text).unwrap_err().to_string();
            for needle in needles {
                assert!(error.contains(needle), "{text:?}: {error} lacks {needle}");
            }
        }
        let missing = Table::read(Path::new("/nowhere/data.csv"), TimeFormat::Auto).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/data.csv: cannot be read"), "{missing}");
    }

    #[test]
    fn numbers_read_back_as_they_were() {
        for value in [0.1 + 0.2, 1e300, -5e-324, 0.0] {
            assert_eq!(number(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
        assert_eq!(number(f64::NAN), "");
    }
}
