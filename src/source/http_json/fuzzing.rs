//! The fuzz target of answers in JSON.

use std::sync::LazyLock;

use serde_json::json;

use super::path::Path;
use super::place::RowsPlace;
use super::pointer::Pointer;
use super::points::Layout;
use super::rows::decode;
use crate::fuzzing::{LIMITS, SECRET, check_answer, choice_of, texts};
use crate::source::secrets::SECRETS;

/// Where things are; the last one is written in the input itself.
static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| {
    let all = [
        json!({}),
        json!({"rows": "", "time": "/t", "value": "/v/x", "labels": [{"name": "host", "pointer": "/tags/0"}]}),
        json!({"rows": "/a~1b/1/c", "timeFormat": "iso8601", "labels": [{"name": "a", "pointer": "/2"}, {"name": "b", "pointer": "/3"}]}),
        json!({"rows": "$.data[*].values", "labels": [{"name": "*", "pointer": "1/metric"}, {"name": "at", "pointer": "1#"}]}),
        json!({"rows": "$..hourly", "form": "columns", "time": "/time", "value": "/t", "labels": [{"name": "a", "pointer": "/a"}]}),
        json!({"rows": "$[*].dps", "form": "keyed", "value": ""}),
        json!({"format": "ndjson", "rows": "", "time": "/t", "value": "/v"}),
        json!({"format": "csv", "time": "/t", "value": "/v", "labels": [{"name": "host", "pointer": "/h"}]}),
    ];
    all.into_iter().filter_map(|options| Layout::of(&serde_json::from_value(options).ok()?).ok()).collect()
});

/// A byte that chooses the layout, and an answer; or a JSON pointer or JSONPath to the rows, a line break, and an answer.
pub(in crate::source) fn answer(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    match LAYOUTS.get(choice % (LAYOUTS.len() + 1)) {
        Some(layout) => check_answer(decode(rest, layout, LIMITS, &SECRETS)),
        None => {
            let [pointer, answer] = texts(rest);
            // The option of a query is no secret, and messages quote it.
            if pointer.contains(SECRET) {
                return;
            }
            let Ok(rows) = RowsPlace::try_from(pointer.into_owned()) else { return };
            match &rows {
                RowsPlace::Pointer(rows) => {
                    assert_eq!(Pointer::try_from(rows.to_string()).as_ref(), Ok(rows));
                }
                RowsPlace::Path(rows) => assert_eq!(Path::try_from(rows.to_string()).as_ref(), Ok(rows)),
            }
            let mut layout = LAYOUTS[0].clone();
            layout.rows = rows;
            check_answer(decode(answer.as_bytes(), &layout, LIMITS, &SECRETS));
        }
    }
}
