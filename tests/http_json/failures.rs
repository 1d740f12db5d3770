//! Upstreams that are not there, refuse, babble, lead elsewhere, or never end.

use std::convert::Infallible;
use std::io::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use futures_util::StreamExt as _;
use outrider::error::Category;
use outrider::query::Kind;
use outrider::settings::{Limits, Settings};
use outrider::source;
use serde_json::json;

use crate::upstream_server::{Upstream, nobody, soon};
use crate::{REQUEST, THREE_ROWS, ask, ask_default, check, json, redirect, refused, settings, settings_with};

#[tokio::test]
async fn a_refused_connection_is_a_connection_error() {
    let url = nobody().await;
    let error = refused(&settings(&url), Category::Connection).await;
    assert!(error.message().starts_with(&format!("cannot connect to {url}: ")), "{error}");
    assert_eq!(check(&settings(&url)).await.unwrap_err(), error);
}

#[tokio::test]
async fn an_unresolvable_host_is_a_connection_error() {
    if ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
    {
        println!("skipped: a proxy resolves host names here");
        return;
    }
    // RFC 6761 guarantees that this name does not exist.
    refused(&settings("http://no-such-host.invalid:8000"), Category::Connection).await;
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_a_connection_error() {
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"query"] {
        let (upstream, _events) = Upstream::stalling(begun.as_bytes()).await;
        let limits = Limits { timeout: Duration::from_millis(50), ..Limits::default() };
        let hurried = Settings { limits, ..settings(&upstream.url) };
        let error = refused(&hurried, Category::Connection).await.to_string();
        let expected = format!("[connection] {} did not answer within 50 ms; ", upstream.url);
        assert!(error.starts_with(&expected) && error.ends_with("raise the setting timeout"), "{error}");
    }
}

#[tokio::test]
async fn a_dropped_query_closes_its_connection() {
    let (upstream, mut events) = Upstream::stalling(b"").await;
    let query = source::connect(&settings(&upstream.url)).unwrap().prepare(&Kind::default()).unwrap();
    let fetch = tokio::spawn(async move { query.fetch(&REQUEST).await });
    assert_eq!(soon(events.recv()).await, Some("asked"));
    fetch.abort();
    assert_eq!(soon(events.recv()).await, Some("gone"));
}

#[tokio::test]
async fn a_bad_status_is_told_with_what_the_upstream_says() {
    for (status, category, phrase) in [
        (401, Category::Auth, "refused the credentials with status 401 Unauthorized"),
        (403, Category::Auth, "refused the credentials with status 403 Forbidden"),
        (400, Category::Protocol, "answered with status 400 Bad Request"),
        (404, Category::Protocol, "answered with status 404 Not Found"),
        (429, Category::Protocol, "answered with status 429 Too Many Requests"),
        (500, Category::Protocol, "answered with status 500 Internal Server Error"),
        (304, Category::Protocol, "answered with status 304 Not Modified"),
    ] {
        let upstream = Upstream::answering(move |_| {
            (StatusCode::from_u16(status).unwrap(), format!(" <b>no</b>\r\n\tbecause {}", "x".repeat(5_000)))
                .into_response()
        })
        .await;
        let error = refused(&settings(&upstream.url), category).await;
        assert!(error.message().starts_with(&format!("{} {phrase}", upstream.url)), "{error}");
        assert!(error.message().len() < 400 && !error.message().contains('\n'), "{error}");
        if status != 304 {
            assert!(error.message().contains(": \"<b>no</b> because xxx"), "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_no_json_is_a_protocol_error() {
    let deep: &str = Box::leak(format!("{{\"query_response\":{}", "[".repeat(1_000_000)).into_boxed_str());
    for (answer, says) in [
        ("", "is empty"),
        ("{\"query_response\": [[1, 2], [3", "is cut off"),
        ("<html><body>Log in</body></html>", "is HTML or XML"),
        ("{\"query_response\": [[1, NaN]]}", "let the service write null"),
        ("{\"query_response\": 5}", "leads to a number"),
        ("{\"query_response\": [[\"x\", 5]]}", "not one of the rows (1)"),
        ("{\"status\": \"error\"}", "the keys \"status\""),
        ("null", "finds nothing"),
        (deep, "is cut off"),
    ] {
        let upstream = Upstream::answering(move |_| json(answer)).await;
        let error = refused(&settings(&upstream.url), Category::Protocol).await.to_string();
        assert!(error.contains(says), "{error}");
    }
    let invalid = Upstream::sending(b"HTTP/1.1 200 OK\r\n\r\n{\"query_response\": [[\"\xff\", 1]]}").await;
    refused(&settings(&invalid.url), Category::Protocol).await;
}

#[tokio::test]
async fn a_broken_answer_is_a_protocol_error() {
    for bytes in [
        b"SSH-2.0-OpenSSH_9.6\r\n".as_slice(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!",
    ] {
        let upstream = Upstream::sending(bytes).await;
        let error = refused(&settings(&upstream.url), Category::Protocol).await;
        assert!(error.message().contains(&upstream.url), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_connection_error() {
    for bytes in [
        b"".as_slice(),
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"query_response\"",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"que",
    ] {
        let upstream = Upstream::breaking_off(bytes).await;
        let limits = Limits { retries: 0, ..Limits::default() };
        let error = refused(&Settings { limits, ..settings(&upstream.url) }, Category::Connection).await;
        assert!(error.message().contains(&format!("{} broke off", upstream.url)), "{error}");
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused() {
    let upstream = Upstream::answering(|_| json(THREE_ROWS)).await;
    let limited = |max| Settings {
        limits: Limits { max_response_bytes: max, ..Limits::default() },
        ..settings(&upstream.url)
    };
    let error = refused(&limited(THREE_ROWS.len() - 1), Category::Limit).await.to_string();
    assert!(
        error.contains("more than 80 bytes") && error.ends_with("the setting maxResponseBytes"),
        "{error}"
    );
    assert!(ask(&limited(THREE_ROWS.len()), json!({})).await.is_ok());
}

#[tokio::test]
async fn an_endless_answer_is_stopped_at_the_limit() {
    let upstream = Upstream::answering(|_| {
        let chunks = futures_util::stream::repeat(Ok::<_, Infallible>(vec![b' '; 100_000]));
        Body::from_stream(chunks).into_response()
    })
    .await;
    let limited = Settings {
        limits: Limits { max_response_bytes: 10_000_000, ..Limits::default() },
        ..settings(&upstream.url)
    };
    refused(&limited, Category::Limit).await;
}

#[tokio::test]
async fn an_endless_gzip_bomb_is_stopped_at_the_limit_of_what_it_unpacks_to() {
    // A megabyte of blanks in a kilobyte; flushed, so that it can be repeated for ever.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut packed_megabyte = || {
        packer.write_all(&vec![b' '; 1_000_000]).unwrap();
        packer.flush().unwrap();
        std::mem::take(packer.get_mut())
    };
    let (begin, again) = (packed_megabyte(), packed_megabyte());
    assert!(again.len() < 2_000);
    let upstream = Upstream::answering(move |_| {
        let begin = futures_util::stream::iter([begin.clone()]);
        let chunks = begin.chain(futures_util::stream::repeat(again.clone())).map(Ok::<_, Infallible>);
        ([("content-encoding", "gzip")], Body::from_stream(chunks)).into_response()
    })
    .await;
    let limited = Settings {
        limits: Limits { max_response_bytes: 10_000_000, ..Limits::default() },
        ..settings(&upstream.url)
    };
    refused(&limited, Category::Limit).await;
}

#[tokio::test]
async fn redirects_on_the_same_host_are_followed() {
    let upstream = Upstream::answering(|seen| match (seen.uri.path(), seen.uri.query()) {
        ("/query", _) => redirect(302, "/moved?to=here"),
        ("/moved", _) => redirect(307, "data/"),
        ("/post", _) => redirect(308, "/kept"),
        ("/get", _) => redirect(303, "/changed"),
        _ => json(THREE_ROWS),
    })
    .await;
    ask_default(&upstream.url).await.unwrap();
    for path in ["/post", "/get"] {
        let options = json!({"path": path, "method": "POST", "body": "{}", "params": []});
        ask(&settings_with(&upstream.url, json!({"allowPost": true})), options).await.unwrap();
    }
    let seen: Vec<String> =
        upstream.seen().iter().map(|seen| format!("{} {} {}", seen.method, seen.uri, seen.body)).collect();
    assert_eq!(
        seen,
        [
            "GET /query?from=1700000000000&to=1700003600000 ",
            "GET /moved?to=here ",
            "GET /data/ ",
            "POST /post {}",
            "POST /kept {}",
            "POST /get {}",
            "GET /changed ",
        ]
    );
}

#[tokio::test]
async fn only_what_the_data_source_allows_is_asked() {
    let upstream = Upstream::answering(|request| match request.uri.path() {
        "/api/away" => redirect(307, "/admin"),
        "/api/near" => redirect(307, "/api/v2"),
        "/" => redirect(307, "/login"),
        _ => json(THREE_ROWS),
    })
    .await;
    let post = |path: &str| json!({"path": path, "method": "POST", "params": [], "body": "{}"});
    let get = |path: &str| json!({"path": path, "params": []});
    let free = settings(&upstream.url);
    let narrow = settings_with(&upstream.url, json!({"allowedPaths": ["/api", "/x/"], "allowPost": true}));
    let category =
        async |settings: &Settings, options| ask(settings, options).await.map_err(|error| error.category());

    let error = ask(&free, post("/api")).await.unwrap_err();
    assert_eq!(error.category(), Category::Query);
    assert!(error.to_string().contains("allowPost"), "{error}");
    for path in ["/apis", "/", "/x%2fy", "/admin"] {
        let error = ask(&narrow, get(path)).await.unwrap_err();
        assert!(
            error.category() == Category::Query && error.to_string().contains("allowedPaths"),
            "{path}: {error}"
        );
    }
    assert!(upstream.seen().is_empty(), "what is not allowed is not asked");

    for options in [get("/api"), get("/api/near"), post("/api/v1"), get("/x/y")] {
        assert!(ask(&narrow, options).await.is_ok());
    }
    // Where the upstream would send it.
    assert_eq!(category(&narrow, get("/api/away")).await.err(), Some(Category::Protocol));
    assert_eq!(category(&narrow, post("/api/away")).await.err(), Some(Category::Protocol));
    assert!(upstream.seen().iter().all(|seen| seen.uri.path() != "/admin"));
    // What the settings themselves ask for is not a query.
    assert!(check(&narrow).await.is_ok());

    for paths in [json!(["api"]), json!(["/../x"]), json!([7]), json!("/api")] {
        let settings = settings_with(&upstream.url, json!({"allowedPaths": paths}));
        assert_eq!(category(&settings, get("/api")).await.err(), Some(Category::Config), "{paths}");
    }
}

#[tokio::test]
async fn redirects_to_another_host_are_refused() {
    let other = Upstream::answering(|_| json(THREE_ROWS)).await;
    let port = other.url.rsplit_once(':').unwrap().1.to_owned();
    for target in [other.url.clone(), format!("http://localhost:{port}"), format!("//localhost:{port}/x")] {
        let location = format!("{target}/stolen?data=1");
        let upstream = Upstream::answering(move |_| redirect(302, &location)).await;
        let error = refused(&settings(&upstream.url), Category::Protocol).await;
        assert!(
            error.message().starts_with(&format!("{} redirected to another host: http://", upstream.url))
        );
        assert!(!error.message().contains("stolen"), "{error}");
    }
    assert!(other.seen().is_empty(), "another port is another host");
    for nonsense in ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "data:,x"] {
        let upstream = Upstream::answering(move |_| redirect(302, nonsense)).await;
        refused(&settings(&upstream.url), Category::Protocol).await;
    }
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let upstream = Upstream::answering(|seen| redirect(302, seen.uri.path())).await;
    let error = refused(&settings(&upstream.url), Category::Protocol).await;
    assert_eq!(error.message(), format!("{} redirected more than 5 times", upstream.url));
    assert_eq!(upstream.seen().len(), 6);
}

#[tokio::test]
async fn a_path_cannot_leave_the_url_of_the_settings() {
    let upstream = Upstream::answering(|_| json(THREE_ROWS)).await;
    let base = settings(&format!("{}/base", upstream.url));
    for path in
        ["//127.0.0.2/x", "http://127.0.0.2/", "/../x", "/a/%2e%2e/x", "/..%5c", "/a?b=c", "/%252e%252e/"]
    {
        let error = ask(&base, json!({ "path": path })).await.unwrap_err();
        assert_eq!(error.category(), Category::Query, "{error}");
        let error = check(&Settings { health_path: path.into(), ..base.clone() }).await.unwrap_err();
        assert_eq!(error.category(), Category::Config, "{error}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn options_that_cannot_work_are_named() {
    for (options, says) in [
        (json!({"rows": "query_response"}), "option source.rows: expected a JSON pointer"),
        (
            json!({"labels": [{"name": "a", "pointer": "$.x"}]}),
            "option source.labels[0].pointer: expected a JSON",
        ),
        (json!({"timeFormat": "h"}), "option source.timeFormat: expected one of auto, "),
        (json!({"method": "PUT"}), "option source.method: expected one of GET, POST, got \"PUT\""),
        (json!({"params": [{"value": "x"}]}), "option source.params[0]: missing field `name`"),
        (json!({"rows": "$.a["}), "option source.rows: expected a JSONPath"),
        (json!({"rows": "$..[?@..x]"}), "option source.rows: expected filters that look at @"),
        (json!({"form": "table"}), "option source.form: expected one of rows, columns, keyed, got \"table\""),
        (json!({"format": "xml"}), "option source.format: expected one of json, ndjson, csv, got \"xml\""),
        (
            json!({"labels": [{"name": "*", "pointer": "/a"}]}),
            "\"*\" takes the members of an object above the rows",
        ),
        (json!({"format": "csv", "labels": [{"name": "a", "pointer": "1/a"}]}), "where a table has nothing"),
        (json!({"path": "/${__from:date:YYYY}"}), "unknown format \"date:YYYY\""),
    ] {
        let error = ask(&settings("http://127.0.0.1:1"), options).await.unwrap_err();
        assert_eq!(error.category(), Category::Query);
        assert!(error.message().contains(says), "{error}");
    }
}
