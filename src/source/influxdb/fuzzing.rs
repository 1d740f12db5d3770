//! The fuzz targets of InfluxDB: its answers, and what is written into queries.

use serde_json::json;

use super::rows::Layout;
use super::{answer, csv as csv_answer, flux as flux_answer, flux_guard, influxql, quote, sql};
use crate::fuzzing::{LIMITS, check_answer, check_error, check_refusal, choice_of, texts};
use crate::series::TimeRange;
use crate::source::FetchRequest;
use crate::source::secrets::SECRETS;
use crate::source::time::TimeFormat;

const REQUEST: FetchRequest = FetchRequest {
    range: TimeRange { from_ms: 1_700_000_040_000, to_ms: 1_700_003_640_000 },
    step_ms: 60_000,
};

fn layout(choice: usize) -> Layout {
    let times = if choice & 1 == 0 { TimeFormat::Ms } else { TimeFormat::Ns };
    Layout { times, nulls_are_gaps: choice & 2 == 0, plain_names: choice & 4 == 0 }
}

/// A byte that chooses the layout, and an answer in JSON.
pub(in crate::source) fn json(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    check_answer(answer::decode(rest, layout(choice), LIMITS, &SECRETS));
    if let Err(error) = answer::table(rest, &SECRETS) {
        check_refusal(&error);
    }
}

/// A byte that chooses the layout, and an answer in CSV.
pub(in crate::source) fn csv(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    check_answer(csv_answer::decode(rest, layout(choice), LIMITS, &SECRETS));
}

/// An answer in annotated CSV.
pub(in crate::source) fn flux(data: &[u8]) {
    let decoded = flux_answer::decode(data, LIMITS, &SECRETS);
    if let (Ok((series, _)), Ok(has_rows)) = (&decoded, flux_answer::has_rows(data, &SECRETS)) {
        assert!(has_rows || series.is_empty(), "series without rows");
    }
    check_answer(decoded);
}

/// An answer in lines of JSON.
pub(in crate::source) fn lines(data: &[u8]) {
    check_answer(sql::decode(data, LIMITS, &SECRETS));
}

/// A byte that chooses the language; a name, a text and a pattern, line breaks between them; and a query.
pub(in crate::source) fn text(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    let [name, value, pattern, query] = texts(rest);
    quotes_hold(&name, &pattern);
    let operator = ["=", "!=", "<", ">", "=~", "!~"][choice / 4 % 6];
    let filters = json!([{"key": name, "operator": operator, "value": value}]);
    let options = json!({
        "text": query, "measurement": name, "policy": value, "fields": [value, pattern], "tags": [name], "where": filters,
        "adhocFilters": filters,
    });
    let Ok(options) = serde_json::from_value(options) else { return };
    let place = flux_answer::Place { bucket: &name, organization: &value };
    let failed = match choice % 4 {
        0 => sql::query(&options, &REQUEST, i64::MAX).err(),
        1 => flux_answer::query(&options, &REQUEST, place, i64::MAX).err(),
        _ => influxql::query(&options, &REQUEST, i64::MAX).err(),
    };
    if let Some(error) = failed {
        check_error(&error);
    }
}

/// A text in Flux. What writes is refused, whatever it follows; and so is what imports more than is needed to compute.
pub(in crate::source) fn guard(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(error) = flux_guard::check(&text) {
        return check_error(&error);
    }
    for writes in ["|> to(bucket: \"b\")", "|> wideTo(bucket: \"b\")", "from(bucket: \"b\", host: \"h\")"] {
        // Not right behind it, where it could be a member: `v.` and `from`.
        let longer = format!("{text}\nx = 1\n{writes}");
        assert!(flux_guard::check(&longer).is_err(), "{longer:?} writes, or asks another server");
    }
    for package in ["http", "sql", "influxdata/influxdb/secrets"] {
        let longer = format!("import \"{package}\"\n{text}");
        assert!(flux_guard::check(&longer).is_err(), "{longer:?} imports {package}");
    }
}

/// Nothing that is quoted ends early, and it reads back as it was.
fn quotes_hold(text: &str, pattern: &str) {
    assert_eq!(quote::readers::unquoted(&quote::identifier(text)).as_deref(), Some(text));
    assert_eq!(quote::readers::unquoted(&quote::string(text)).as_deref(), Some(text));
    if let Ok(written) = quote::regex(pattern) {
        assert_eq!(quote::readers::regex_end(&written, false), Some(written.len()), "{written}");
        assert_eq!(quote::readers::regex_end(&written, true), Some(written.len()), "{written}");
    }
    for quote in ['\'', '"'] {
        let written = quote::sql(text, quote);
        let doubled = format!("{quote}{quote}");
        assert_eq!(written[1..written.len() - 1].replace(&doubled, &quote.to_string()), text);
        assert!(!written[1..written.len() - 1].replace(&doubled, "").contains(quote), "{written}");
    }
    let flux = quote::flux(text);
    let inner = flux[1..flux.len() - 1].replace("\\\\", "").replace("\\\"", "");
    assert!(!inner.contains(['"', '$', '\n']) && !inner.ends_with('\\'), "{flux}");
    if let Some(number) = quote::number(text) {
        assert!(number.parse::<f64>().is_ok_and(f64::is_finite), "{number}");
    }
}
