//! The CSV files: rows of a time, a value and whatever else.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Category, Error, Result, list_names, shortened};
use crate::source::{TimeFormat, delimited};

/// What a file holds, row by row and in its order.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Whether there is no column of values, but one of metrics each.
    pub(super) is_wide: bool,
    /// Names of the columns besides those of time and value.
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
    /// The value as it is written in the file, but with a decimal point.
    pub(super) value_text: String,
    /// One cell for each of [`Table::other_columns`].
    /// In a wide file with a decimal point where there was a comma.
    pub(super) others: Vec<String>,
}

/// Texts that stand for a missing value.
const GAPS: [&str; 4] = ["", "nan", "null", "na"];

/// How a file is written. What is `None` is told from the file itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub(super) times: TimeFormat,
    pub(super) separator: Option<u8>,
    /// Its name in the first line; else `timestamp`, or what others call it.
    pub(super) time_column: Option<String>,
    /// Its name in the first line; else `value`, or the only column that is left.
    pub(super) value_column: Option<String>,
    pub(super) width: Width,
}

/// Whether one column holds values, or each does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Width {
    /// One does.
    #[default]
    Narrow,
    /// Each does but that of the times.
    Wide,
    /// One does if the file shows which, else each.
    Either,
}

/// Names of the column of times, whatever their case; `Time` is Grafana's own.
const TIME_NAMES: [&str; 4] = ["timestamp", "time", "datetime", "date"];
const VALUE_NAMES: [&str; 1] = ["value"];
/// Columns named so are what is true of a row, or what was found out about it, and no values.
const OTHER_NAMES: [&str; 1] = ["label"];

impl Layout {
    /// Of a file whose values are in the column of this name.
    pub(super) fn of_value(column: &str) -> Self {
        Self { value_column: Some(column.to_owned()), ..Self::default() }
    }
}

impl Table {
    /// Reads a file whose first line names the columns.
    ///
    /// # Errors
    /// [`Category::Query`] naming the file, and the line where it cannot be understood.
    pub(super) fn read(path: &Path, layout: &Layout) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(Category::Query, format!("{name}: cannot be read: {error}")).hint("check the path")
        })?;
        Self::of_bytes(&name, &bytes, layout)
    }

    /// Reads the content of the file called `name`.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub(super) fn of_bytes(name: &str, bytes: &[u8], layout: &Layout) -> Result<Self> {
        let wrong = |what: String| Error::new(Category::Query, format!("{name}: {what}"));
        let Begin { separator, skipped } = Begin::of(bytes);
        let separator = layout.separator.unwrap_or(separator);
        let table = &bytes[skipped..];
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(table);
        // Lines are counted from the beginning of the file.
        let line = |position: Option<&csv::Position>| line(table, position) + u64::from(skipped > 0);
        let first_line = line(None);
        let csv_error = |error: &csv::Error| match error.kind() {
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => wrong(format!(
                "line {}: there are {len} columns, and the header names {expected_len}",
                line(pos.as_ref())
            )),
            csv::ErrorKind::Utf8 { pos, .. } => {
                wrong(format!("line {}: this is no UTF-8", line(pos.as_ref())))
            }
            _ => wrong(format!("cannot be read: {error}")),
        };
        let header = reader.headers().map_err(|error| csv_error(&error))?.clone();
        let (time_column, value_column) = columns(&header, layout)
            .map_err(|(what, hint)| wrong(format!("line {first_line}: {what}")).hint(hint))?;
        let is_wide = value_column.is_none();
        let is_other = |index: usize| index != time_column && Some(index) != value_column;
        let others = |record: &csv::StringRecord, are_values: bool| -> Vec<String> {
            let cells = record.iter().enumerate().filter(|(index, _)| is_other(*index));
            let text = |cell: &str| {
                let number = if are_values { delimited::with_point(cell, separator) } else { None };
                number.unwrap_or_else(|| cell.to_owned())
            };
            cells.map(|(_, cell)| text(cell)).collect()
        };
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| csv_error(&error))?;
            let at = |what: String| wrong(format!("line {}: {what}", line(record.position())));
            let timestamp = &record[time_column];
            let as_written = value_column.map_or("", |column| &record[column]);
            let time = layout.times.text(timestamp).or_else(|| {
                // Seconds with a decimal comma.
                layout.times.text(&delimited::with_point(timestamp, separator)?)
            });
            let time = time.ok_or_else(|| {
                at(format!("\"{}\" is no timestamp", shortened(timestamp, QUOTED_CHARS)))
                    .hint("write seconds, ms, µs or ns since the epoch as a number, or ISO 8601")
            })?;
            let with_point = delimited::with_point(as_written, separator);
            let value_text = with_point.as_deref().unwrap_or(as_written);
            let value = read_value(value_text).ok_or_else(|| {
                let quoted = shortened(as_written, QUOTED_CHARS);
                at(format!("\"{quoted}\" is no value"))
                    .hint("write a number with a decimal point, or nothing for a gap")
            })?;
            rows.push(Row {
                time,
                value,
                timestamp: timestamp.to_owned(),
                value_text: value_text.to_owned(),
                others: others(&record, is_wide),
            });
        }
        Ok(Self { is_wide, other_columns: others(&header, false), rows })
    }

    /// Whether another column holds what is true of each row, and so must be kept from the detector.
    pub(super) fn is_truth(&self, column: usize) -> bool {
        self.other_columns[column] == "label"
            && self
                .rows
                .iter()
                .all(|row| matches!(row.others[column].as_str(), "" | "0" | "1" | "0.0" | "1.0"))
    }

    /// The value that a cell says, NaN for a gap; `None` if it is no number.
    pub(super) fn value(cell: &str) -> Option<f64> {
        read_value(cell)
    }

    /// The numbers in another column, NaN where there is none; `None` if there is no such column.
    pub(super) fn numbers(&self, column: &str) -> Option<Vec<f64>> {
        let index = self.other_columns.iter().position(|other| other == column)?;
        let number = |row: &Row| read_value(&row.others[index]).unwrap_or(f64::NAN);
        Some(self.rows.iter().map(number).collect())
    }
}

/// How a file begins: what separates its cells, and how much stands before the line that names its columns.
struct Begin {
    separator: u8,
    skipped: usize,
}

impl Begin {
    /// As spreadsheets and Grafana's "Download for Excel" write it, the separator may be named by a line of its own.
    fn of(bytes: &[u8]) -> Self {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        let text = bytes.strip_prefix(MARK).unwrap_or(bytes);
        let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
        match text[..end].trim_ascii_end() {
            [b's', b'e', b'p', b'=', separator] => {
                Self { separator: *separator, skipped: bytes.len() - text.len() + end }
            }
            _ => Self { separator: delimited::separator(text), skipped: 0 },
        }
    }
}

/// Which columns hold times and values, none for the values of a wide file; or what is wrong, and what to do.
fn columns(header: &csv::StringRecord, layout: &Layout) -> Result<(usize, Option<usize>), (String, String)> {
    let exactly = |wanted: &str| header.iter().position(|name| name == wanted);
    let asked = |wanted: &str, argument: &str| {
        exactly(wanted).ok_or_else(|| {
            let names =
                list_names(header.iter().map(|name| name.get(..MAX_NAME).unwrap_or(name)).take(MAX_NAMES));
            (
                format!("there is no column \"{wanted}\""),
                format!("the columns are {names}: name one of them by {argument}"),
            )
        })
    };
    let known = |names: &[&str]| {
        names.iter().find_map(|name| exactly(name)).or_else(|| {
            names.iter().find_map(|known| header.iter().position(|name| name.eq_ignore_ascii_case(known)))
        })
    };
    let hint = || {
        "the first line must name the columns: timestamp,value; or name them by --time-column and --value-column (with --label-columns \"\" where the rest are values, too)".to_owned()
    };
    let time = match &layout.time_column {
        Some(name) => asked(name, "--time-column")?,
        None => known(&TIME_NAMES).ok_or_else(|| ("there is no column \"timestamp\"".to_owned(), hint()))?,
    };
    if layout.width == Width::Wide {
        return Ok((time, None));
    }
    if let Some(name) = &layout.value_column {
        return Ok((time, Some(asked(name, "--value-column")?)));
    }
    let others: Vec<usize> = (0..header.len())
        .filter(|index| *index != time && !OTHER_NAMES.contains(&header[*index].to_lowercase().as_str()))
        .collect();
    match (known(&VALUE_NAMES), &others[..]) {
        (Some(value), _) => Ok((time, Some(value))),
        (None, [only]) => Ok((time, Some(*only))),
        (None, [_, ..]) if layout.width == Width::Either => Ok((time, None)),
        (None, _) => Err(("there is no column \"value\"".to_owned(), hint())),
    }
}

/// Names of columns in a message, and how much of each.
const MAX_NAMES: usize = 12;
const MAX_NAME: usize = 40;

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
        Table::read(&path, &Layout::default())
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
    fn files_of_other_programs_are_read() {
        for text in [
            "timestamp;value\n1700000000;1,5\n1700000060;-2\n",
            "timestamp\tvalue\n1700000000\t1.5\n1700000060\t-2\n",
            "sep=;\r\n\"Time\";\"requests\"\r\n2023-11-14 22:13:20;1,5\r\n2023-11-14 22:14:20;-2\r\n",
            "\u{feff}sep=,\n\"Time\",\"requests {host=\"\"a\"\"}\"\n2023-11-14 22:13:20,1.5\n2023-11-14 22:14:20,-2\n",
            "Date,Value\n2023-11-14 22:13:20,1.5\n2023-11-14 22:14:20,-2\n",
            "label,time,load\n0,1700000000,1.5\n1,1700000060,-2\n",
            "timestamp;value\n1700000000,0;1,5\n1700000060,0;-2,0\n",
        ] {
            let table = read(text).unwrap();
            let points: Vec<(i64, f64)> = table.rows.iter().map(|row| (row.time, row.value)).collect();
            assert_eq!(points, [(1_700_000_000_000, 1.5), (1_700_000_060_000, -2.0)], "{text}");
            assert_eq!(table.rows[0].value_text, "1.5", "written with commas between cells");
        }
        // What is exact goes before what is like it.
        assert_eq!(read("Time,timestamp,Value,value\nx,1,y,2\n").unwrap().rows[0].value, 2.0);
    }

    #[test]
    fn columns_and_separator_can_be_named() {
        let of = |text: &str, layout: &Layout| Table::of_bytes("f", text.as_bytes(), layout);
        let layout = Layout {
            separator: Some(b'|'),
            time_column: Some("when".into()),
            value_column: Some("load".into()),
            ..Layout::default()
        };
        let table = of("when|timestamp|load|value\n1700000000|x|1,5|y\n", &layout).unwrap();
        assert_eq!((table.rows[0].time, table.rows[0].value), (1_700_000_000_000, 1.5));
        assert_eq!(table.other_columns, ["timestamp", "value"]);
        let error = of("when|x\n1|2\n", &layout).unwrap_err().to_string();
        assert!(error.contains("no column \"load\"") && error.contains("\"when\" and \"x\""), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, needles) in [
            ("", &["line 1", "\"timestamp\""][..]),
            ("when,value\n1,2\n", &["line 1", "\"timestamp\"", "--time-column"]),
            ("timestamp,x,y\n1,2,3\n", &["line 1", "\"value\"", "timestamp,value", "--value-column"]),
            ("sep=;\ntimestamp;value\n1;2\nnoon;3\n", &["line 4", "\"noon\" is no timestamp"]),
            ("timestamp,value\n1,2\nnoon,3\n", &["line 3", "\"noon\" is no timestamp", "ISO 8601"]),
            ("timestamp,value\n1,2\n\n2,\"1,5\"\n", &["line 4", "\"1,5\" is no value", "decimal point"]),
            ("timestamp;value\n1;2\n2;1.500,5\n", &["line 3", "\"1.500,5\" is no value"]),
            ("timestamp,value\r\n1,2\r\n\r\n2,x\r\n", &["line 4", "\"x\" is no value"]),
            ("timestamp,value\n\n1,2,3\n", &["line 3", "3 columns", "names 2"]),
        ] {
            let error = read(text).unwrap_err().to_string();
            for needle in needles {
                assert!(error.contains(needle), "{text:?}: {error} lacks {needle}");
            }
        }
        let missing =
            Table::read(Path::new("/nowhere/data.csv"), &Layout::default()).unwrap_err().to_string();
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
