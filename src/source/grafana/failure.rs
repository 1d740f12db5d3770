//! What Grafana, and through it the other data source, says of a request that failed.

use reqwest::StatusCode;
use serde_json::Value;

use super::request::REF_ID;
use super::target::Target;
use crate::error::{Category, Error};
use crate::source::secrets::one_line;

const QUOTED_CHARS: usize = 300;

/// The error that an answer of `/api/ds/query` means. `body` is its beginning, without secrets.
pub(super) fn explain(status: StatusCode, body: &str, target: &Target) -> Option<Error> {
    let answer: Value = serde_json::from_str(body).ok()?;
    let result = &answer["results"][REF_ID];
    if let Some(said) = result["error"].as_str() {
        return Some(of_result(result["status"].as_u64().unwrap_or_else(|| status.as_u16().into()), said));
    }
    let message = one_line(answer["message"].as_str()?, QUOTED_CHARS);
    let uid = &target.uid;
    match status {
        StatusCode::UNAUTHORIZED => Some(
            Error::new(Category::Auth, format!("Grafana refused the credentials: \"{message}\""))
                .hint("enter a service account token of this organisation that is still valid in the data source settings"),
        ),
        StatusCode::FORBIDDEN => Some(
            Error::new(
                Category::Auth,
                format!("Grafana does not let the data source \"{uid}\" be queried: \"{message}\""),
            )
            .hint("let the service account, or the user, query that data source"),
        ),
        StatusCode::NOT_FOUND => Some(
            Error::new(
                Category::Query,
                format!("Grafana has no data source with the uid \"{uid}\": \"{message}\""),
            )
            .hint(
                "choose the data source again; it may have been removed, or belong to another organisation",
            ),
        ),
        StatusCode::BAD_REQUEST => Some(
            Error::new(Category::Query, format!("Grafana refused the query: \"{message}\""))
                .hint("open the query in Explore with the other data source and correct it there"),
        ),
        _ => None,
    }
}

/// The error that an answer of `/api/datasources` means.
pub(super) fn explain_list(status: StatusCode, body: &str) -> Option<Error> {
    let answer: Value = serde_json::from_str(body).ok()?;
    let message = one_line(answer["message"].as_str()?, QUOTED_CHARS);
    match status {
        StatusCode::UNAUTHORIZED => Some(
            Error::new(Category::Auth, format!("Grafana refused the credentials: \"{message}\""))
                .hint("enter a service account token of this organisation that is still valid in the data source settings"),
        ),
        StatusCode::FORBIDDEN => Some(
            Error::new(Category::Auth, format!("Grafana does not let data sources be listed: \"{message}\""))
                .hint("give the service account the permissions datasources:read and datasources:query"),
        ),
        _ => None,
    }
}

/// The error of a query that Grafana took and the other data source could not answer. `said` must hold no secrets.
pub(super) fn of_result(status: u64, said: &str) -> Error {
    let said = one_line(said, QUOTED_CHARS);
    let (category, hint) = match status {
        401 | 403 => (Category::Auth, "check the credentials in the settings of the other data source"),
        408 | 502..=504 => {
            (Category::Connection, "check with Save & test of the other data source that it works")
        }
        500.. => (
            Category::Protocol,
            "open the query in Explore with the other data source, and look into Grafana's log",
        ),
        _ => (Category::Query, "open the query in Explore with the other data source and correct it there"),
    };
    Error::new(category, format!("the other data source failed: \"{said}\"")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(status: u16, body: &str) -> Option<(Category, String)> {
        let target = Target { uid: "gone".into(), kind: String::new() };
        let error = explain(StatusCode::from_u16(status).unwrap(), body, &target)?;
        Some((error.category(), error.to_string()))
    }

    #[test]
    fn the_words_of_grafana_and_of_the_other_data_source_are_told_apart() {
        for (status, body, category, words) in [
            (
                401,
                r#"{"message":"Invalid API key"}"#,
                Category::Auth,
                "refused the credentials: \"Invalid API key\"",
            ),
            (
                403,
                r#"{"message":"Access denied","accessErrorId":"ACE1"}"#,
                Category::Auth,
                "\"gone\" be queried",
            ),
            (
                404,
                r#"{"message":"Data source not found"}"#,
                Category::Query,
                "no data source with the uid \"gone\"",
            ),
            (400, r#"{"message":"No queries found"}"#, Category::Query, "No queries found"),
            (
                400,
                r#"{"results":{"A":{"error":"bad\n expr","status":400}}}"#,
                Category::Query,
                "failed: \"bad expr\"",
            ),
            (207, r#"{"results":{"A":{"error":"dial tcp","status":502}}}"#, Category::Connection, "dial tcp"),
            (500, r#"{"results":{"A":{"error":"oops"}}}"#, Category::Protocol, "oops"),
            (
                400,
                r#"{"results":{"A":{"error":"no","status":403}}}"#,
                Category::Auth,
                "settings of the other",
            ),
        ] {
            let (found, text) = explained(status, body).unwrap();
            assert!(found == category && text.contains(words), "{status} {body}: {text}");
        }
        for (status, body) in
            [(500, r#"{"message":"x"}"#), (401, "<html>"), (400, "{}"), (400, r#"{"message":3}"#)]
        {
            assert_eq!(explained(status, body), None, "{body}");
        }
    }
}
