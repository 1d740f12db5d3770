//! The CSV answer of `/query`: `name,tags,time` and the columns, with a new header where they change.
//!
//! Tags stand in one cell, `host=a,zone=b`, in which commas, equals signs and blanks of names and values have a backslash
//! before them. Whether a text was a string or a number in the database is not told: what reads as a number is one. Nor
//! are errors that InfluxDB meets after the beginning of the answer, or rows that it leaves out; it is asked for chunks,
//! in which it leaves out none.

use std::borrow::Cow;

use super::failure;
use super::rows::{Layout, MAX_COLUMNS, Rows, Table};
use crate::error::{Category, Error, Result};
use crate::series::{Labels, Series};
use crate::settings::Limits;
use crate::source::cell::Cell;
use crate::source::collect::same_text;
use crate::source::secrets::Secrets;

/// Columns before those of the query.
const NAME_AND_TAGS: usize = 2;

/// The series in an answer, and notices.
///
/// # Errors
/// Those the server tells; [`Category::Protocol`] if the answer is no such CSV; [`Category::Limit`] if there are too many
/// rows or series.
pub(super) fn decode(
    bytes: &[u8],
    layout: Layout,
    limits: Limits,
    secrets: &Secrets,
) -> Result<(Vec<Series>, Vec<String>)> {
    must_be_whole(bytes)?;
    let mut rows = Rows::new(layout, &limits);
    let mut reader = reader(bytes);
    let mut record = ::csv::StringRecord::new();
    let mut columns: Option<Vec<String>> = None;
    // The table of the rows before, with their name and tags.
    let mut current: Option<(String, String, Table)> = None;
    while reader.read_record(&mut record).map_err(|error| not_csv(&error))? {
        if record.len() == 1 && &record[0] == "error" {
            let _ = reader.read_record(&mut record).map_err(|error| not_csv(&error))?;
            return Err(failure::of_message(record.get(0).unwrap_or_default(), secrets));
        }
        if record.get(0) == Some("name") && record.get(1) == Some("tags") {
            if record.len() - NAME_AND_TAGS > MAX_COLUMNS {
                return Err(too_many_columns(MAX_COLUMNS));
            }
            columns = Some(record.iter().skip(NAME_AND_TAGS).map(str::to_owned).collect());
            current = None;
            continue;
        }
        let (Some(columns), Some(name), Some(tags)) = (&columns, record.get(0), record.get(1)) else {
            return Err(Error::new(Category::Protocol, "the answer is not the CSV that InfluxDB answers")
                .hint("choose the format json, or check that the URL is that of an InfluxDB server"));
        };
        if record.len() != NAME_AND_TAGS + columns.len() {
            return Err(not_as_many(&record));
        }
        if !current.as_ref().is_some_and(|(of_name, of_tags, _)| of_name == name && same_text(of_tags, tags))
        {
            let table = Table::new(name, labels(tags), columns.clone(), layout);
            current = Some((name.to_owned(), tags.to_owned(), table));
        }
        let Some((.., table)) = &mut current else { continue };
        let cells: Vec<Cell<'_>> = record.iter().skip(NAME_AND_TAGS).map(cell).collect();
        rows.take(table, &cells)?;
    }
    rows.finish(secrets)
}

/// Whether the last line of an answer ends. Nothing else would tell that it was cut off, perhaps within a number.
pub(super) fn must_be_whole(bytes: &[u8]) -> Result<()> {
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Err(Error::new(Category::Protocol, "the answer is HTML or XML, not CSV")
            .hint("check the URL; it may be a login page, or that of a proxy"));
    }
    if bytes.last().is_some_and(|last| *last != b'\n') {
        return Err(Error::new(Category::Protocol, "the answer is cut off: its last line does not end")
            .hint("look into the log of InfluxDB, and of a proxy before it"));
    }
    Ok(())
}

pub(super) fn too_many_columns(most: usize) -> Error {
    Error::new(Category::Limit, format!("the answer has more than {most} columns"))
        .hint("name the columns that are needed in the query")
}

pub(super) fn not_as_many(record: &::csv::StringRecord) -> Error {
    let line = record.position().map_or(0, ::csv::Position::line);
    Error::new(
        Category::Protocol,
        format!("a row of the answer has not as many cells as columns (line {line})"),
    )
    .hint("check that the URL is that of an InfluxDB server")
}

pub(super) fn reader(bytes: &[u8]) -> ::csv::Reader<&[u8]> {
    ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes)
}

pub(super) fn not_csv(error: &::csv::Error) -> Error {
    let line = error.position().map_or(0, ::csv::Position::line);
    Error::new(Category::Protocol, format!("the answer is no CSV in UTF-8 (line {line})"))
        .hint("check that the URL is that of an InfluxDB server")
}

/// What a text of CSV stands for.
fn cell(text: &str) -> Cell<'_> {
    match text {
        "" => Cell::Null,
        "true" => Cell::Bool(true),
        "false" => Cell::Bool(false),
        text => match text.parse::<i64>() {
            Ok(number) => Cell::Int(number),
            Err(_) => match text.parse::<f64>() {
                Ok(number) => Cell::Float(number),
                Err(_) => Cell::Text(Cow::Borrowed(text)),
            },
        },
    }
}

fn labels(tags: &str) -> Labels {
    let mut labels = Labels::new();
    let (mut name, mut text) = (None, String::new());
    let mut chars = tags.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some(',' | '=' | ' ')) => text.extend(chars.next()),
            '=' if name.is_none() => name = Some(std::mem::take(&mut text)),
            ',' => {
                labels.extend(name.take().map(|name| (name, std::mem::take(&mut text))));
                text.clear();
            }
            c => text.push(c),
        }
    }
    labels.extend(name.map(|name| (name, text)));
    // A tag without a value is none.
    labels.retain(|_, text| !text.is_empty());
    labels
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::time::TimeFormat;

    const LAYOUT: Layout = Layout { times: TimeFormat::Ms, nulls_are_gaps: false, plain_names: false };

    fn decoded(answer: &[u8]) -> Result<(Vec<Series>, Vec<String>)> {
        decode(answer, LAYOUT, Limits::default(), &Secrets::default())
    }

    #[test]
    fn rows_are_read_under_the_header_before_them() {
        let answer = concat!(
            "name,tags,time,v,s,b\n",
            "cpu,host=a,1,0.5,x,true\n",
            "cpu,host=a,2,,x,false\n",
            "cpu,host=b,1,-1e3,,\n",
            "\n",
            "name,tags,time,n\n",
            "\"odd m,x\",\"t\\,a\\ g=v\\,1\\ \\=x\\y,u=q\"\"o\",5,7\n",
        );
        let (series, notices) = decoded(answer.as_bytes()).unwrap();
        let found: Vec<_> =
            series.iter().map(|s| (s.name.as_str(), s.times.as_slice(), s.values.as_slice())).collect();
        assert_eq!(
            found,
            [
                ("cpu.b", &[1, 2][..], &[1.0, 0.0][..]),
                ("cpu.v", &[1][..], &[0.5][..]),
                ("cpu.v", &[1][..], &[-1e3][..]),
                ("odd m,x.n", &[5][..], &[7.0][..]),
            ]
        );
        assert_eq!(series[0].labels, Labels::from([("host".into(), "a".into()), ("s".into(), "x".into())]));
        let odd = Labels::from([("t,a g".into(), "v,1 =x\\y".into()), ("u".into(), "q\"o".into())]);
        assert_eq!(series[3].labels, odd);
        assert!(notices.is_empty());
    }

    #[test]
    fn errors_and_other_texts_are_refused() {
        for (answer, category) in [
            (&b"error\n\"database not found: x\"\n"[..], Category::Config),
            (b"error\n", Category::Query),
            (b"<html>", Category::Protocol),
            (b"a,b,c\n1,2,3\n", Category::Protocol),
            (b"name,tags,time,v\n\xff,,1,2\n", Category::Protocol),
            (b"name,tags,at,v\nm,,1,2\n", Category::Protocol),
        ] {
            assert_eq!(
                decoded(answer).unwrap_err().category(),
                category,
                "{}",
                String::from_utf8_lossy(answer)
            );
        }
        assert_eq!(decoded(b"").unwrap(), (vec![], vec![]));
        assert_eq!(decoded(b"\n").unwrap(), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[a=,\\\\\"\n ]{0,40}") {
            let _ = decoded(&bytes);
            let _ = decoded(format!("name,tags,time,v\n{text}").as_bytes());
        }
    }
}
