//! Credentials arrive where they should, and nowhere else.

use std::process::Command;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use outrider::error::Category;
use outrider::settings::{Auth, Settings};
use outrider::source;
use serde_json::json;
use tracing::instrument::WithSubscriber as _;

use crate::upstream_log::Log;
use crate::upstream_server::{Seen, Upstream};
use crate::{THREE_ROWS, ask, ask_default, check, json, redirect, refused, settings};

const CANARY: &str = "canary-7f3a \"&";
const CANARY_HEADER: &str = "canary-header-9c";
/// `user:canary-7f3a "&`
const BASIC: &str = "dXNlcjpjYW5hcnktN2YzYSAiJg==";

fn with_secrets(url: &str, auth: Auth) -> Settings {
    Settings { auth, headers: vec![("X-Api-Key".into(), CANARY_HEADER.into())], ..settings(url) }
}

fn basic() -> Auth {
    Auth::Basic { user: "user".into(), password: CANARY.into() }
}

fn header(seen: &Seen, name: &str) -> String {
    seen.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn credentials_and_headers_are_sent() {
    let upstream = Upstream::answering(|_| json(THREE_ROWS)).await;
    ask(&with_secrets(&upstream.url, basic()), json!({})).await.unwrap();
    check(&with_secrets(&upstream.url, Auth::Bearer("token-1\n".into()))).await.unwrap();
    ask_default(&upstream.url).await.unwrap();
    let sent: Vec<_> = upstream
        .seen()
        .iter()
        .map(|seen| (header(seen, "authorization"), header(seen, "x-api-key")))
        .collect();
    assert_eq!(
        sent,
        [
            (format!("Basic {BASIC}"), CANARY_HEADER.to_owned()),
            ("Bearer token-1".to_owned(), CANARY_HEADER.to_owned()),
            (String::new(), String::new()),
        ]
    );
}

#[tokio::test]
async fn credentials_follow_a_redirect_on_the_host_and_no_other() {
    let other = Upstream::answering(|_| json(THREE_ROWS)).await;
    let elsewhere = other.url.clone();
    let upstream = Upstream::answering(move |seen| match seen.uri.path() {
        "/query" => redirect(302, "/here"),
        "/here" => json(THREE_ROWS),
        _ => redirect(302, &elsewhere),
    })
    .await;
    let settings = with_secrets(&upstream.url, basic());
    ask(&settings, json!({})).await.unwrap();
    assert!(upstream.seen().iter().all(|seen| header(seen, "authorization").ends_with(BASIC)));
    ask(&settings, json!({"path": "/away"})).await.unwrap_err();
    assert!(other.seen().is_empty());
}

/// An upstream that echoes everything it was sent, in its answer and in where it redirects to.
async fn parrot() -> Upstream {
    Upstream::answering(|seen| {
        let echo = format!("{:?} {CANARY} {}", seen.headers, json!(CANARY));
        match seen.uri.path() {
            "/401" => (StatusCode::UNAUTHORIZED, echo).into_response(),
            "/500" => (StatusCode::INTERNAL_SERVER_ERROR, echo).into_response(),
            "/302" => redirect(302, &format!("http://{CANARY_HEADER}.test/{CANARY_HEADER}")),
            "/json" => json(json!({ echo: CANARY_HEADER, CANARY_HEADER: 1 }).to_string()),
            _ => echo.into_response(),
        }
    })
    .await
}

/// In a process of its own: tracing remembers for every place in the code whether anyone listens there, and tests
/// beside this one, to which nobody listens, can be first to reach a place.
#[test]
fn secrets_are_in_no_error_no_answer_no_debug_text_and_no_log() {
    const NAME: &str = "secrets::secrets_are_in_no_error_no_answer_no_debug_text_and_no_log";
    const ALONE: &str = "OUTRIDER_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        // One thread, so that the log of the test is the log of everything it starts.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(look_for_secrets());
    }
    let this_program = std::env::current_exe().unwrap();
    let alone =
        Command::new(this_program).args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&alone.stdout) + String::from_utf8_lossy(&alone.stderr);
    assert!(alone.status.success() && said.contains("1 passed"), "{said}");
}

async fn look_for_secrets() {
    let log = Log::default();
    let upstream = parrot().await;
    let mut texts = Vec::new();
    async {
        for auth in [basic(), Auth::Bearer("canary-token".into())] {
            let settings = with_secrets(&upstream.url, auth);
            texts.push(format!("{settings:?} {:?}", source::connect(&settings).unwrap()));
            for path in ["/401", "/500", "/302", "/json", "/text"] {
                let error = ask(&settings, json!({ "path": path })).await.unwrap_err();
                texts.push(format!("{error} {error:?}"));
            }
            let reached = check(&settings).await.unwrap();
            assert!(reached.message.contains("[redacted]"), "it was told: {}", reached.message);
            texts.push(format!("{reached:?}"));
        }
    }
    .with_subscriber(log.clone())
    .await;

    assert_eq!(upstream.seen().len(), 12, "every request was sent");
    let logged = log.text();
    assert!(logged.contains("hyper"), "the log is taken: {logged}");
    texts.push(logged);
    for text in texts {
        for secret in ["canary-", BASIC] {
            assert!(!text.replace("canary-header-9c.test", "").contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn a_secret_in_a_parameter_is_not_in_the_executed_text() {
    let upstream = Upstream::answering(|_| json(THREE_ROWS)).await;
    let options =
        json!({"params": [{"name": "key", "value": CANARY}, {"name": "k", "value": CANARY_HEADER}]});
    let executed = ask(&with_secrets(&upstream.url, basic()), options).await.unwrap().executed;
    assert_eq!(executed, format!("GET {}/query?key=[redacted]&k=[redacted]", upstream.url));
}

#[tokio::test]
async fn settings_that_cannot_work_are_named_without_their_secrets() {
    let header = |name: &str, value: &str| Settings {
        headers: vec![(name.into(), value.into())],
        ..settings("http://127.0.0.1:1")
    };
    let bearer =
        |token: &str| Settings { auth: Auth::Bearer(token.into()), ..settings("http://127.0.0.1:1") };
    let mut twice = header("authorization", "canary");
    twice.auth = basic();
    let mut colon = settings("http://127.0.0.1:1");
    colon.auth = Auth::Basic { user: "a:b".into(), password: "canary".into() };
    for (settings, says) in [
        (header("X Key", "canary"), "\"X Key\""),
        (header("", "canary"), "\"\""),
        (header("X-Key", "canary\nX-Other: 1"), "X-Key"),
        (header("Content-Length", "canary"), "Content-Length"),
        (bearer("canary\u{7}"), "bearer token"),
        (twice, "Authorization"),
        (colon, "colon"),
        (settings("http://user:canary@127.0.0.1:1/"), "user name or password"),
        (settings("127.0.0.1:1/canary"), "no valid URL"),
        (settings(""), "is empty"),
    ] {
        let error = refused(&settings, Category::Config).await;
        assert!(error.message().contains(says), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
}
