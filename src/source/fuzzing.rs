//! The fuzz targets of the sources, and that of what they have in common.

use super::cell::Cell;
use super::time::TimeFormat;
use super::{SOURCES, http};
use crate::fuzzing::{Target, check_error, choice_of};
use crate::query::Kind;

/// Those of what sources have in common; each source names its own.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "url", run: http::fuzzing::url },
    Target { name: "times-and-cells", run: times_and_cells },
];

/// Reads the options of a query as every kind of source.
pub(crate) fn options(kind: &Kind) {
    for entry in SOURCES {
        if let Err(error) = entry.options.read("source", kind) {
            check_error(&error.into());
        }
    }
}

/// Bytes are a scalar of JSON, or the text of one.
fn times_and_cells(data: &[u8]) {
    use TimeFormat::{Auto, Iso8601, Ms, Ns, S, Us};
    let (choice, rest) = choice_of(data);
    let format = [Auto, Ms, S, Us, Ns, Iso8601][choice % 6];
    let text = String::from_utf8_lossy(rest);
    let as_text = format.text(&text);
    assert_eq!(as_text, format.parse(&Cell::Text(text.clone())));
    if let Ok(cell) = serde_json::from_slice::<Cell<'_>>(rest) {
        let _ = (format.parse(&cell), cell.number(), cell.label(), cell.kind());
        if let (Cell::Int(number), false) = (&cell, format == Iso8601) {
            assert_eq!(
                format.parse(&cell),
                format.text(&number.to_string()),
                "a number, and the same as text"
            );
        }
    }
    let Some(ms) = as_text else { return };
    // Of the years 0 to 9999, which ISO 8601 writes without agreement of both sides.
    if let Some(time) = chrono::DateTime::from_timestamp_millis(ms)
        && (-62_167_219_200_000..=253_402_300_799_999).contains(&ms)
    {
        assert_eq!(Iso8601.text(&time.to_rfc3339()), Some(ms), "{text}");
        assert_eq!(Ms.text(&ms.to_string()), Some(ms));
    }
}
