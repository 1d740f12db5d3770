//! What editors, variables and ad-hoc filters ask, and "Save & test".

use outrider::error::Category;
use outrider::source::{self, Question};

use crate::data::NASTY;
use crate::{check, choices, plain, server};

#[tokio::test]
async fn metrics_labels_and_values_are_found() {
    let Some(server) = server() else { return };
    let settings = plain(&server.url);
    for (question, expected) in [
        ("metrics", vec!["fresh", "load", "odd", "requests_total", "weeks"]),
        ("metrics?search=QUEST", vec!["requests_total"]),
        ("metrics?search=.", vec![]),
        ("metrics?limit=2", vec!["fresh", "load"]),
        ("tag-keys", vec!["host", "job"]),
        ("tag-keys?metric=weeks", vec![]),
        ("tag-keys?search=O&limit=1", vec!["host"]),
        ("tag-values?key=host", vec![NASTY, "web-1", "web-2"]),
        ("tag-values?key=host&metric=load", vec![NASTY, "web-1"]),
        ("tag-values?key=host&search=-2", vec!["web-2"]),
        ("tag-values?key=host&search=b%5Cc", vec![NASTY]),
        ("tag-values?key=host&match=load%7Bhost!%3D%22web-1%22%7D", vec![NASTY]),
        ("tag-values?key=host&match=requests_total&search=WEB-1", vec!["web-1"]),
        ("tag-values?key=nothing", vec![]),
        ("series?match=requests_total&search=web-2", vec!["requests_total{host=\"web-2\",job=\"api\"}"]),
    ] {
        assert_eq!(choices(&settings, question).await, expected, "{question}");
    }

    // Every series' selector is one that Prometheus understands as that series alone.
    for selector in choices(&settings, "series?metric=load").await {
        let question = format!(
            "series?match={}",
            url::form_urlencoded::byte_serialize(selector.as_bytes()).collect::<String>()
        );
        assert_eq!(choices(&settings, &question).await, [selector]);
    }

    let source = source::connect(&settings).unwrap();
    assert_eq!(source.discover(&Question::parse("weather")).await.unwrap(), None);
    for (question, says) in [
        ("tag-values", "no label"),
        ("series", "all series"),
        ("series?match=load%7B", "does not understand"),
    ] {
        let error = source.discover(&Question::parse(question)).await.unwrap_err();
        assert!(error.category() == Category::Query && error.message().contains(says), "{error}");
    }
}

#[tokio::test]
async fn the_version_and_the_latency_are_told() {
    let Some(server) = server() else { return };
    let reached = check(&plain(&server.url)).await.unwrap();
    let middle = format!(" at {} in ", server.url);
    assert!(
        reached.message.starts_with("Reached Prometheus ") && reached.message.contains(&middle),
        "{reached:?}"
    );
    assert!(reached.message.ends_with(" ms") && reached.message.contains('.'), "{reached:?}");
}
