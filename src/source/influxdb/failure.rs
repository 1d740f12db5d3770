//! What the server says went wrong, in the category of the person who can mend it.

use reqwest::StatusCode;
use serde_json::Value;

use crate::error::{Category, Error};
use crate::source::secrets::Secrets;

/// How much of the server's words is quoted.
const QUOTED_CHARS: usize = 300;

/// Words in the server's messages with what they mean. The first that fits counts.
const MEANINGS: &[(&str, Category, &str)] = &[
    ("error parsing query", Category::Query, "correct the query"),
    (
        "database not found",
        Category::Config,
        "set the name of an existing database in the data source settings",
    ),
    ("database name required", Category::Config, "set a database in the data source settings"),
    ("database is required", Category::Config, "set a database in the data source settings"),
    (
        "no dbrp mapping",
        Category::Config,
        "map the bucket to the database of the settings (influx v1 dbrp create)",
    ),
    (
        "could not find bucket",
        Category::Config,
        "name an existing bucket in the query or the data source settings",
    ),
    ("retention policy not found", Category::Query, "choose an existing retention policy, or none"),
    ("authorization failed", Category::Auth, "check user and password in the data source settings"),
    ("unauthorized", Category::Auth, "check the credentials in the data source settings"),
    ("not authorized", Category::Auth, "grant the user the right to read the database"),
    ("credentials", Category::Auth, "check the credentials in the data source settings"),
    (
        "limit exceeded",
        Category::Limit,
        "ask for a longer step, a shorter range or fewer series, or raise the server's limit",
    ),
    (
        "max-",
        Category::Limit,
        "ask for a longer step, a shorter range or fewer series, or raise the server's limit",
    ),
    ("timeout", Category::Limit, "ask for a longer step or a shorter range, or raise the server's limit"),
];

/// The error of a message that the server gave instead of an answer.
pub(super) fn of_message(message: &str, secrets: &Secrets) -> Error {
    let quote = secrets.quote(message, QUOTED_CHARS);
    let lower = message.to_lowercase();
    let meaning = MEANINGS.iter().find(|(words, ..)| lower.contains(words));
    let (category, hint) =
        meaning.map_or((Category::Query, "correct the query"), |(_, category, hint)| (*category, *hint));
    Error::new(category, format!("InfluxDB says: {quote}")).hint(hint)
}

/// What Go says of a number that JSON cannot hold.
const INFINITE: &str = "json: unsupported value: ";

/// The error of an answer with status 200 that ends with what went wrong when a value was infinite, in plain words.
pub(super) fn of_infinity(bytes: &[u8]) -> Option<Error> {
    let last = bytes.trim_ascii_end().rsplit(|byte| *byte == b'\n').next()?;
    let is_infinite = last.starts_with(b"json: ") && String::from_utf8_lossy(last).contains(INFINITE);
    is_infinite.then(|| {
        Error::new(Category::Protocol, format!("InfluxDB says: {INFINITE}a value is infinite"))
            .hint("set source.format to csv, or leave such values out")
    })
}

/// Whether an error says that JSON cannot hold an infinite value.
pub(super) fn is_of_infinity(error: &Error) -> bool {
    error.message().contains(INFINITE)
}

/// The error of an answer other than 2xx, if it is InfluxDB's own.
pub(super) fn of_answer(status: StatusCode, body: &str, secrets: &Secrets) -> Option<Error> {
    let message = message_in(body);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let quote = secrets.quote(&message?, QUOTED_CHARS);
            let hint = if status == StatusCode::UNAUTHORIZED {
                "check user and password, or the token, in the data source settings"
            } else {
                "grant the right to read the database to the user or token of the data source settings"
            };
            Some(Error::new(Category::Auth, format!("InfluxDB refused the credentials: {quote}")).hint(hint))
        }
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Some(of_message(&message?, secrets)),
        StatusCode::NOT_FOUND => {
            let error = of_message(&message?, secrets);
            (error.category() != Category::Query).then_some(error)
        }
        _ => None,
    }
}

/// The message in an error body: `{"error": …}` of the first and third version, `{"code", "message"}` of the second,
/// CSV, or plain words.
fn message_in(body: &str) -> Option<String> {
    let text = body.trim();
    if let Ok(Value::Object(fields)) = serde_json::from_str(text) {
        let named = ["error", "message"].into_iter().filter_map(|name| fields.get(name)?.as_str());
        return named.map(str::to_owned).find(|message| !message.is_empty());
    }
    let words = text.strip_prefix("error\n").unwrap_or(text).trim().trim_matches('"');
    let is_page = words.starts_with('<') || words.starts_with('{');
    (!words.is_empty() && !is_page).then(|| words.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Option<(Category, String)> {
        let error = of_answer(StatusCode::from_u16(status).unwrap(), body, &Secrets::default())?;
        Some((error.category(), error.message().to_owned()))
    }

    #[test]
    fn every_version_says_it_in_its_own_way() {
        for (status, body, category, says) in [
            (401, r#"{"error":"authorization failed"}"#, Category::Auth, "authorization failed"),
            (
                401,
                r#"{"code":"unauthorized","message":"unauthorized access"}"#,
                Category::Auth,
                "unauthorized access",
            ),
            (403, r#"{"error":"error authorizing query: bob not authorized"}"#, Category::Auth, "bob"),
            (400, r#"{"error":"error parsing query: found selec"}"#, Category::Query, "found selec"),
            (400, "error\n\"error parsing query: found selec\"\n", Category::Query, "found selec"),
            (
                400,
                r#"{"code":"invalid","message":"compilation failed: loc 1:1"}"#,
                Category::Query,
                "compilation",
            ),
            (400, r#"{"error":"database not found: x"}"#, Category::Config, "database not found: x"),
            (
                404,
                r#"{"code":"not found","message":"could not find bucket \"x\""}"#,
                Category::Config,
                "bucket",
            ),
            (400, r#"{"error":"max-select-buckets limit exceeded: (5/2)"}"#, Category::Limit, "max-select"),
        ] {
            let (found, message) = of(status, body).unwrap();
            assert_eq!(found, category, "{body}");
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn what_is_not_of_influxdb_is_left_to_others() {
        for (status, body) in [
            (401, "<html>"),
            (404, "404 page not found"),
            (400, "{\"x\": 1}"),
            (400, ""),
            (500, r#"{"error":"engine"}"#),
            (503, "busy"),
        ] {
            assert_eq!(of(status, body), None, "{status} {body}");
        }
    }
}
