//! The `grafana` source through the plugin's binary, against a stand-in that answers as Grafana's API is documented to.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

#[path = "../support/host.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod host;
#[path = "../support/upstream_server.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod upstream_server;
#[path = "../support/upstream_tls.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod upstream_tls;
#[path = "../support/victim.rs"]
mod victim;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use grafana_plugin_sdk::pluginv2::resource_client::ResourceClient;
use grafana_plugin_sdk::pluginv2::{CallResourceRequest, PluginContext};
use host::{Answer, Plugin, context};
use outrider::error::Category;
use serde_json::{Value, json};
use upstream_server::{Seen, Upstream, nobody, soon};
use upstream_tls::{Authority, TlsUpstream};
use victim::{Failure, Healthy, Victim};

const T0: i64 = 1_700_000_040_000;
const MINUTE: i64 = 60_000;

fn value_at(ms: i64) -> f64 {
    if ms == T0 - 7 * MINUTE { 90.0 } else { 10.0 + ((ms / MINUTE) % 7) as f64 / 3.0 }
}

fn json_of(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn header_of<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// As many frames as there are `instances`, of `value_at` plus `offset` at every step asked for.
fn frames(seen: &Seen, offset: f64, instances: &[&str]) -> Response {
    let asked: Value = serde_json::from_str(&seen.body).unwrap();
    let ms = |key: &str| asked[key].as_str().unwrap().parse::<i64>().unwrap();
    let step = usize::try_from(asked["queries"][0]["intervalMs"].as_i64().unwrap()).unwrap();
    let times: Vec<i64> = (ms("from")..=ms("to")).step_by(step).collect();
    let values: Vec<f64> = times.iter().map(|ms| value_at(*ms) + offset).collect();
    let fields = |instance: &str| {
        json!([
            {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time", "nullable": true}, "config": {"interval": step}},
            {"name": "Value", "type": "number", "typeInfo": {"frame": "float64", "nullable": true},
             "labels": {"instance": instance}, "config": {"displayNameFromDS": "load", "unit": "percent"}},
        ])
    };
    let frame = |instance: &&str| {
        json!({
            "schema": {
                "refId": "A", "meta": {"type": "timeseries-multi", "executedQueryString": "Expr: load"},
                "fields": fields(instance),
            },
            "data": {"values": [times, values]},
        })
    };
    let frames: Vec<Value> = instances.iter().map(frame).collect();
    json_of(StatusCode::OK, &json!({"results": {"A": {"status": 200, "frames": frames}}}))
}

/// Grafana with one data source, for whoever has the token `right` or is user 1 or 2; each sees other values.
fn grafana(seen: &Seen) -> Response {
    if seen.uri.path() == "/api/health" {
        return json_of(StatusCode::OK, &json!({"commit": "abc", "database": "ok", "version": "11.6.0"}));
    }
    let offset = match (header_of(seen, "authorization"), header_of(seen, "cookie")) {
        ("Bearer right", "") => 0.0,
        ("Bearer user-one-token", "") => 1_000.0,
        ("", "proxy=user-two-cookie") => 2_000.0,
        ("Bearer user-three-token", "") => {
            let denied =
                json!({"accessErrorId": "ACE1", "message": "user-three-token needs datasources:query"});
            return json_of(StatusCode::FORBIDDEN, &denied);
        }
        _ => {
            return json_of(
                StatusCode::UNAUTHORIZED,
                &json!({"message": "Invalid API key", "statusCode": 401}),
            );
        }
    };
    let query: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    match (seen.method.as_str(), seen.uri.path(), query["queries"][0]["datasource"]["uid"].as_str()) {
        ("GET", "/api/datasources", _) => json_of(
            StatusCode::OK,
            &json!([
                {"id": 1, "uid": "prom", "name": "Metrics", "type": "prometheus", "url": "http://secret", "jsonData": {}},
                {"id": 2, "uid": "outrider", "name": "Us", "type": "outrider-outliers-datasource"},
                {"id": 3, "uid": "other", "name": "More of us", "type": "outrider-outliers-datasource"},
            ]),
        ),
        ("POST", "/api/ds/query", Some("prom")) => frames(seen, offset, &["web1"]),
        ("POST", "/api/ds/query", Some("many")) => frames(seen, offset, &["web1", "web2"]),
        ("POST", "/api/ds/query", Some("empty")) => frames(seen, offset, &[]),
        _ => json_of(StatusCode::NOT_FOUND, &json!({"message": "Data source not found", "statusCode": 404})),
    }
}

async fn plugin(env: &[(&str, &str)]) -> Plugin {
    Plugin::launch(Path::new(env!("CARGO_BIN_EXE_gpx_outrider")), env).await.unwrap()
}

fn data_source(url: &str, token: &str) -> PluginContext {
    let token = if token.is_empty() { json!({}) } else { json!({"serviceAccountToken": token}) };
    context(&json!({"url": url, "jsonData": {"source": "grafana", "retries": 0}, "secureJsonData": token}))
}

async fn ask_as(plugin: &Plugin, context: &PluginContext, headers: &[(&str, &str)]) -> Answer {
    let query = json!({
        "step": "1m", "trainingWindow": "2h", "refitInterval": "1h", "detector": {"kind": "mad"},
        "source": {"kind": "grafana", "query": {
            "expr": "load", "refId": "Q", "datasource": {"uid": "prom", "type": "prometheus"},
        }},
    });
    soon(plugin.query_with(context.clone(), (T0 - 30 * MINUTE, T0), &query, headers)).await.unwrap()
}

fn numbers(answer: &Answer) -> Vec<f64> {
    assert_eq!(answer.error, None);
    answer.frames[0].column("value").unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn expected(offset: f64) -> Vec<f64> {
    (0..30).map(|minute| value_at(T0 + (minute - 30) * MINUTE) + offset).collect()
}

fn queries(server: &Upstream) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.uri.path() == "/api/ds/query").collect()
}

#[tokio::test]
async fn the_plugin_judges_what_another_data_source_has() {
    let server = Upstream::answering(grafana).await;
    let plugin = plugin(&[]).await;
    let ours = data_source(&server.url, "right");
    let answer = ask_as(&plugin, &ours, &[]).await;
    assert_eq!(numbers(&answer)[..30], expected(0.0));
    let field = |name: &str| answer.frames[0].fields.iter().find(|field| field.name == name).unwrap();
    assert_eq!(field("value").config["unit"], "percent");
    assert_eq!(field("value").labels["instance"], "web1");
    let outliers: Vec<usize> =
        (0..30).filter(|minute| field("outlier").values[*minute] == json!(1.0)).collect();
    assert_eq!(outliers, [23]);

    let seen = queries(&server);
    let body: Value = serde_json::from_str(&seen[0].body).unwrap();
    let (from, to) = (body["from"].as_str().unwrap(), body["to"].as_str().unwrap());
    let steps = (to.parse::<i64>().unwrap() - from.parse::<i64>().unwrap()) / MINUTE;
    let asked = json!([{
        "expr": "load", "refId": "A", "datasource": {"uid": "prom", "type": "prometheus"}, "intervalMs": MINUTE,
        "maxDataPoints": steps,
    }]);
    assert_eq!(body["queries"], asked);
    assert!(to.parse::<i64>().unwrap() % MINUTE == 0 && steps >= 150, "{body}");
    assert_eq!(header_of(&seen[0], "x-query-group-id"), "outrider");

    // With a token, answers are the same for all and kept.
    assert_eq!(
        numbers(&ask_as(&plugin, &ours, &[("Authorization", "Bearer user-one-token")]).await)[..30],
        expected(0.0)
    );
    assert_eq!(queries(&server).len(), seen.len());

    let health = plugin.check_health(ours.clone()).await.unwrap();
    assert!(health.message.starts_with("Reached Grafana 11.6.0 at http://127.0.0.1:"), "{}", health.message);
    assert!(health.message.ends_with("; 1 other data sources can be asked"), "{}", health.message);

    let mut resources = ResourceClient::new(plugin.channel.clone());
    let request = CallResourceRequest {
        plugin_context: Some(ours),
        path: "grafana/datasources".to_owned(),
        method: "GET".to_owned(),
        url: "grafana/datasources".to_owned(),
        headers: HashMap::new(),
        body: Vec::new().into(),
    };
    let answer =
        resources.call_resource(request).await.unwrap().into_inner().message().await.unwrap().unwrap();
    let choices: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(choices, json!([{"value": "prom", "label": "Metrics", "description": "prometheus"}]));
}

#[tokio::test]
async fn users_get_what_they_may_see_and_nothing_of_each_other() {
    let server = Upstream::answering(grafana).await;
    let plugin = plugin(&[("GF_PLUGIN_GRAFANA_URL", &format!("{}/", server.url))]).await;
    let ours = data_source(&server.url, "");
    let (one, two) = (("Authorization", "Bearer user-one-token"), ("Cookie", "proxy=user-two-cookie"));
    let three = ("Authorization", "Bearer user-three-token");

    // At the same time, so that whatever could be shared would be.
    let (as_one, as_two) = ([one], [two]);
    let (a, b, again) = tokio::join!(
        ask_as(&plugin, &ours, &as_one),
        ask_as(&plugin, &ours, &as_two),
        ask_as(&plugin, &ours, &as_one)
    );
    assert_eq!(numbers(&a)[..30], expected(1_000.0));
    assert_eq!(numbers(&b)[..30], expected(2_000.0));
    assert_eq!(numbers(&again)[..30], expected(1_000.0));
    assert!(queries(&server).iter().all(|seen| header_of(seen, "x-grafana-org-id") == "1"));

    let refused = ask_as(&plugin, &ours, &[three]).await;
    let error = refused.error.unwrap();
    assert!(
        refused.frames.is_empty()
            && error.starts_with("[auth] ")
            && error.contains("needs datasources:query"),
        "{error}"
    );
    assert!(!error.contains("user-three-token"), "{error}");

    // What a user may see is asked anew every time: rights may have been withdrawn.
    let before = queries(&server).len();
    assert_eq!(numbers(&ask_as(&plugin, &ours, &[one]).await)[..30], expected(1_000.0));
    assert!(queries(&server).len() > before);

    // Nobody's query, and an alert rule's whoever its headers speak of, has no rights at all.
    let before = server.seen().len();
    for headers in [&[][..], &[one, ("FromAlert", "true")]] {
        let error = ask_as(&plugin, &ours, headers).await.error.unwrap();
        assert!(error.starts_with("[auth] there is nothing to identify with"), "{error}");
    }
    // Nor has one that comes back to us.
    let error = ask_as(&plugin, &ours, &[one, ("http_X-Query-Group-Id", "outrider")]).await.error.unwrap();
    assert!(error.contains("in a circle"), "{error}");
    assert_eq!(server.seen().len(), before);
}

/// Whoever may edit a data source could collect the identities of all who look at it otherwise.
#[tokio::test]
async fn who_a_user_is_is_told_to_grafana_only() {
    let (own, elsewhere) = (Upstream::answering(grafana).await, Upstream::answering(grafana).await);
    let identity = [
        ("Authorization", "Bearer user-one-token"),
        ("X-Grafana-Id", "user-one-id"),
        ("X-ID-Token", "user-one-id-token"),
        ("Cookie", "proxy=user-two-cookie"),
    ];
    let of_known_grafana = plugin(&[("GF_PLUGIN_GRAFANA_URL", &own.url)]).await;
    // Without a word of the operator nobody knows what is Grafana.
    let of_unknown_grafana = plugin(&[]).await;
    for plugin in [&of_known_grafana, &of_unknown_grafana] {
        let context = data_source(&elsewhere.url, "");
        let error = ask_as(plugin, &context, &identity).await.error.unwrap();
        assert!(error.starts_with("[auth] ") && error.contains("grafana_url"), "{error}");
        assert!(!plugin.check_health(context).await.unwrap().is_ok);
    }
    for seen in elsewhere.seen() {
        let headers = format!("{:?}", seen.headers);
        assert!(!headers.contains("user-one") && !headers.contains("user-two"), "{headers}");
    }
    // Nor to paths below Grafana's own, which it hands on to where an editor wants.
    let proxied = data_source(&format!("{}/api/datasources/proxy/uid/x", own.url), "");
    let error = ask_as(&of_known_grafana, &proxied, &identity).await.error.unwrap();
    assert!(error.starts_with("[auth] ") && error.contains("grafana_url"), "{error}");
    assert!(queries(&own).is_empty());
    // Nor where Grafana redirects to.
    let target = elsewhere.url.clone();
    let redirecting = Upstream::answering(move |seen| {
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("{target}{}", seen.uri.path()))])
            .into_response()
    })
    .await;
    let plugin = plugin(&[("GF_PLUGIN_GRAFANA_URL", &redirecting.url)]).await;
    let before = elsewhere.seen().len();
    let error = ask_as(&plugin, &data_source(&redirecting.url, ""), &identity[..1]).await.error.unwrap();
    assert!(error.contains("redirected to another host"), "{error}");
    assert_eq!(elsewhere.seen().len(), before);
}

#[tokio::test]
async fn the_plugins_own_token_goes_to_its_grafana_and_nowhere_else() {
    let (own, elsewhere) = (Upstream::answering(grafana).await, Upstream::answering(grafana).await);
    let plugin =
        plugin(&[("GF_APP_URL", &format!("{}/", own.url)), ("GF_PLUGIN_APP_CLIENT_SECRET", "right")]).await;
    assert_eq!(numbers(&ask_as(&plugin, &data_source("", ""), &[]).await)[..30], expected(0.0));
    let error = ask_as(&plugin, &data_source(&elsewhere.url, ""), &[]).await.error.unwrap();
    assert!(error.starts_with("[auth] "), "{error}");
    assert_eq!(elsewhere.seen().len(), 0);
    // What was entered for this data source is narrower, or it would not have been.
    let error = ask_as(&plugin, &data_source("", "narrower"), &[]).await.error.unwrap();
    assert!(error.starts_with("[auth] Grafana refused"), "{error}");
    assert_eq!(header_of(queries(&own).last().unwrap(), "authorization"), "Bearer narrower");
}

/// Grafana makes the plugin's account in one organisation, and refuses its token where a request names another one.
#[tokio::test]
async fn the_plugins_own_token_counts_in_its_organisation_only() {
    let server = Upstream::answering(|seen| match header_of(seen, "x-grafana-org-id") {
        "1" => grafana(seen),
        _ => json_of(
            StatusCode::UNAUTHORIZED,
            &json!({"message": "API key does not belong to the requested organization"}),
        ),
    })
    .await;
    let plugin = plugin(&[("GF_APP_URL", &server.url), ("GF_PLUGIN_APP_CLIENT_SECRET", "right")]).await;
    let ours = data_source("", "");
    assert_eq!(numbers(&ask_as(&plugin, &ours, &[]).await)[..30], expected(0.0));
    let of_another = PluginContext { org_id: 2, ..ours.clone() };
    let error = ask_as(&plugin, &of_another, &[]).await.error.unwrap();
    assert!(error.contains("does not belong to the requested organization"), "{error}");
    assert!(error.contains("service account token"), "{error}");
    let asked = server.seen().len();
    let error = ask_as(&plugin, &PluginContext { org_id: 0, ..ours }, &[]).await.error.unwrap();
    assert!(error.starts_with("[auth] there is nothing to identify with"), "{error}");
    assert_eq!(server.seen().len(), asked);
}

#[tokio::test]
async fn only_data_sources_that_the_settings_list_are_asked() {
    let server = Upstream::answering(grafana).await;
    let plugin = plugin(&[]).await;
    let allowing = |uids: &[&str]| {
        context(&json!({
            "url": server.url, "jsonData": {"source": "grafana", "retries": 0, "allowedUids": uids},
            "secureJsonData": {"serviceAccountToken": "right"},
        }))
    };
    let error = ask_as(&plugin, &allowing(&["many"]), &[]).await.error.unwrap();
    assert!(error.starts_with("[auth] ") && error.contains("allowedUids"), "{error}");
    assert_eq!(server.seen().len(), 0);
    assert_eq!(numbers(&ask_as(&plugin, &allowing(&["many", "prom"]), &[]).await)[..30], expected(0.0));
    let reached = plugin.check_health(allowing(&["many"])).await.unwrap();
    assert!(reached.message.ends_with("; 0 other data sources can be asked"), "{}", reached.message);
    let open = plugin.check_health(allowing(&[])).await.unwrap();
    assert!(open.details.to_string().contains("allowedUids"), "{}", open.details);
}

/// The failures of Grafana, and of the other data source. There are no databases to choose: the uid of the other data
/// source can be wrong instead.
#[tokio::test]
async fn every_failure_has_its_category_and_breaks_nothing_else() {
    let server = Upstream::answering(grafana).await;
    let of_uid = |uid: &str| json!({"kind": "grafana", "datasourceUid": uid, "query": {"expr": "load"}});
    let source = of_uid("prom");
    let minutes = 1..=30;
    let healthy = Healthy {
        settings: json!({
            "url": server.url, "jsonData": {"source": "grafana", "retries": 0},
            "secureJsonData": {"serviceAccountToken": "right"},
        }),
        source: source.clone(),
        range: (T0 - 29 * MINUTE, T0),
        expected: vec![
            minutes.map(|minute| T0 + (minute - 30) * MINUTE).map(|ms| (ms, Some(value_at(ms)))).collect(),
        ],
    };
    // Not the good token, which is a word that is said anyway.
    let mut victim = Victim::launch(env!("CARGO_BIN_EXE_gpx_outrider"), healthy, &["wrong-token"]).await;
    let of_settings = |what: &str, settings, category, says: &[&str]| {
        Failure::of_settings(what, settings, &source, category, says)
    };
    let of_query =
        |uid: &str, says: &[&str]| Failure::of_query(uid, json!({}), &of_uid(uid), Category::Query, says);
    let many = of_uid("many");
    victim
        .survives(&[
            of_settings(
                "a wrong token",
                json!({"secureJsonData": {"serviceAccountToken": "wrong-token"}}),
                Category::Auth,
                &["Grafana refused the credentials: \"Invalid API key\""],
            ),
            of_query("gone", &["no data source with the uid \"gone\""]),
            of_query("outrider", &[]),
            of_query("__expr__", &[]),
            of_query("-- Mixed --", &[]),
            of_query("-- Dashboard --", &[]),
            of_query("-- Grafana --", &[]),
            Failure::of_limit("maxResponseBytes", 2_200, "bytes", &many).saying(&server.url),
            Failure::of_limit("maxRows", 40, "rows", &many),
            Failure::of_limit("maxSeries", 1, "series", &many),
            Failure::of_no_server(&nobody().await, &source),
        ])
        .await;
    victim.finds_nothing("an unknown metric", &of_uid("empty")).await;

    for (status, body, category, words) in [
        (
            200,
            r#"{"results":{"A":{"error":"right: parse error","status":400}}}"#,
            Category::Query,
            "[redacted]: parse error",
        ),
        (207, r#"{"results":{"A":{"error":"timeout","status":504}}}"#, Category::Connection, "timeout"),
        (400, r#"{"results":{"A":{"error":"parse error","status":400}}}"#, Category::Query, "parse error"),
        (500, r#"{"results":{"A":{"error":"refused"}}}"#, Category::Protocol, "refused"),
        (200, "<html><title>Log in</title></html>", Category::Protocol, "login page"),
        (502, "<html>Bad Gateway</html>", Category::Protocol, "502"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let failing = Upstream::answering(move |seen| match seen.method.as_str() {
            "POST" => (status, body).into_response(),
            _ => grafana(seen),
        })
        .await;
        // Only queries fail: "Save & test" asks for other things.
        let settings = json!({"url": failing.url});
        victim.fails_alone(&Failure::of_query(body, settings, &source, category, &[words])).await;
    }

    let (stalling, _asked) = Upstream::stalling(b"HTTP/1.1 200 OK\r\n").await;
    let broken = Upstream::breaking_off(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"results\":").await;
    let bomb = Upstream::answering(|_| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![b' '; 20_000_000]).unwrap();
        ([(header::CONTENT_ENCODING, "gzip")], packed.finish().unwrap()).into_response()
    })
    .await;
    let too_much = json!({"url": bomb.url, "jsonData": {"maxResponseBytes": 1_000_000}});
    let identity = Authority::named("authority").identity("127.0.0.1");
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let secure = TlsUpstream::sending(answer, &identity, None).await;
    victim
        .survives(&[
            Failure::of_slow_server(&stalling.url, &source),
            Failure::of_stopped_server(&broken.url, &json!({}), &source),
            of_settings(
                "an answer that unpacks",
                too_much,
                Category::Limit,
                &["raise the setting maxResponseBytes"],
            ),
            Failure::of_unknown_authority(&secure.url, &source),
        ])
        .await;
    victim.ends().await;
}
