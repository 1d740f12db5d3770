//! What is the same for all answers in JSON: what may come before it, and what to say about text that is none.

use serde_json::error::Category as JsonCategory;

use crate::error::{Category, Error};

/// `bytes` without the byte order mark that some servers begin with, which JSON forbids and nobody misses.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Why an answer is no JSON, in words that help; nothing of the answer is repeated.
pub(super) fn not_json(bytes: &[u8], error: &serde_json::Error) -> Error {
    let text = bytes.trim_ascii_start();
    let protocol = |message: String| Error::new(Category::Protocol, message);
    if text.is_empty() {
        return protocol("the answer is empty".to_owned()).hint("check the path and the method of the query");
    }
    if text.starts_with(b"<") {
        return protocol("the answer is HTML or XML, not JSON".to_owned())
            .hint("check the URL and the path; it may be a login page, or that of a proxy");
    }
    if error.classify() == JsonCategory::Eof {
        return protocol(format!("the answer is cut off: {error}")).hint("look into the log of the service");
    }
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let around =
        &line[error.column().saturating_sub(4).min(line.len())..(error.column() + 8).min(line.len())];
    let around = String::from_utf8_lossy(around).to_lowercase();
    let hint = if around.contains("nan") || around.contains("inf") {
        "NaN and Infinity are no JSON: let the service write null instead"
    } else {
        "check the path of the query, and what the service writes"
    };
    protocol(format!("the answer is not valid JSON: {error}")).hint(hint)
}
