//! A real InfluxDB that refuses, is slow, stops, or is not who it should be.

use axum::response::IntoResponse as _;
use outrider::settings::{Auth, Limits};

use super::*;
use crate::relay::Relay;
use crate::upstream_server::{Upstream, nobody};
use crate::upstream_tls::Identity;
use crate::victim::{Failure, Healthy, Points, Victim};

const PASSWORD: &str = "canary \"7&";
const ADMIN_PASSWORD: &str = "secret-admin";
const WRONG_PASSWORD: &str = "canary wrong";

/// A server with TLS and users: `it's`, who may read the database `weather` and not `hidden`, and `admin`.
async fn guarded(identity: &Identity) -> Option<Server> {
    let tls = Some((identity.pem(), identity.key_pem()));
    let server = influxdb(&InfluxDbConfig { http: "auth-enabled = true", tls, ..Default::default() })?;
    let admin = format!("CREATE USER admin WITH PASSWORD '{ADMIN_PASSWORD}' WITH ALL PRIVILEGES");
    administer(&server.url, &admin).await;
    let as_admin =
        |path: &str| client().post(format!("{}{path}", server.url)).basic_auth("admin", Some(ADMIN_PASSWORD));
    for text in [
        "CREATE DATABASE weather",
        "CREATE DATABASE hidden",
        &format!("CREATE USER \"it's\" WITH PASSWORD '{PASSWORD}'"),
        "GRANT READ ON weather TO \"it's\"",
    ] {
        let answer = form(as_admin("/query"), &[("q", text)]).send().await.unwrap().text().await.unwrap();
        assert!(!answer.contains("error"), "{answer}");
    }
    write(as_admin("/write?db=weather"), weather_lines()).await;
    // 10 MB, which no buffer between it and the plugin holds.
    let note = "x".repeat(2_000);
    let line = |i: i64| format!("long note=\"{note}\" {}\n", (FROM_MS + i * 100) * 1_000_000);
    write(as_admin("/write?db=weather"), (0..5_000).map(line).collect()).await;
    Some(server)
}

/// The mean of every minute, of both sensors.
fn means() -> Vec<Points> {
    let of_minute = |id: usize, minute: i64| {
        let mean = [0, 20, 40].map(|second| temperature(id, minute, second)).iter().sum::<f64>() / 3.0;
        (FROM_MS + minute * STEP_MS, Some(mean).filter(|_| minute != 3))
    };
    [1, 2].map(|id| (0..10).map(|minute| of_minute(id, minute)).collect()).into()
}

#[tokio::test]
async fn every_failure_has_its_category_and_breaks_nothing_else() {
    let identity = Identity::self_signed("127.0.0.1");
    let Some(mut server) = guarded(&identity).await else { return };
    let url = server.url.clone();
    let source = by_sensor(json!({"kind": "influxdb", "fill": "null"}));
    let healthy = Healthy {
        settings: json!({
            "url": url, "user": "it's",
            "jsonData": {"source": "influxdb", "database": "weather", "tlsAuthWithCACert": true, "retries": 0},
            "secureJsonData": {"password": PASSWORD, "tlsCACert": identity.pem()},
        }),
        source: source.clone(),
        range: (REQUEST.range.from_ms, REQUEST.range.to_ms),
        expected: means(),
    };
    let binary = env!("CARGO_BIN_EXE_gpx_outrider");
    let mut victim = Victim::launch(binary, healthy, &["canary", ADMIN_PASSWORD]).await;

    let refused = "InfluxDB refused the credentials: authorization failed";
    let check_both = "check user and password, or the token, in the data source settings";
    let basic_auth = json!({
        "user": "", "basicAuth": true, "basicAuthUser": "it's",
        "secureJsonData": {"password": "", "basicAuthPassword": WRONG_PASSWORD},
    });
    let as_admin = json!({
        "user": "admin", "jsonData": {"database": "nope"}, "secureJsonData": {"password": ADMIN_PASSWORD},
    });
    let wrong_password = json!({"secureJsonData": {"password": WRONG_PASSWORD}});
    let no_database = ["database not found: nope", "existing database in the data source settings"];
    for format in ["json", "csv"] {
        let with = |more: Value| {
            let mut options = source.clone();
            options["format"] = json!(format);
            options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            options
        };
        let of_settings = |what: &str, settings: &Value, category, says: &[&str]| {
            Failure::of_settings(what, settings.clone(), &with(json!({})), category, says)
        };
        let of_query = |what: &str, more, says: &[&str]| {
            Failure::of_query(what, json!({}), &with(more), Category::Query, says)
        };
        let four = with(json!({"fields": ["Temp", "n", "ok", "note"], "aggregate": "none"}));
        victim
            .survives(&[
                of_settings("a wrong password", &wrong_password, Category::Auth, &[refused, check_both]),
                of_settings(
                    "a wrong password of basic auth",
                    &basic_auth,
                    Category::Auth,
                    &[refused, check_both],
                ),
                of_settings(
                    "no credentials",
                    &json!({"user": ""}),
                    Category::Auth,
                    &["InfluxDB refused the credentials", check_both],
                ),
                of_settings(
                    "a database that is not for all",
                    &json!({"jsonData": {"database": "hidden"}}),
                    Category::Auth,
                    &["not authorized", "requires READ on hidden", "grant the right to read the database"],
                ),
                of_settings("a wrong database", &as_admin, Category::Config, &no_database),
                Failure::of_unknown_authority(&url, &with(json!({}))),
                of_query(
                    "an unknown measurement",
                    json!({"measurement": "nope"}),
                    &[
                        "no measurement \"nope\" in the database \"weather\"",
                        "choose one",
                        "\"sensor.series\"",
                    ],
                ),
                of_query(
                    "an unknown field",
                    json!({"fields": ["nope"]}),
                    &["\"sensor.series\" has no field \"nope\"", "choose one of", "\"Temp\""],
                ),
                of_query(
                    "an unknown policy",
                    json!({"policy": "nope"}),
                    &["retention policy not found: nope", "choose an existing retention policy"],
                ),
                of_query(
                    "no InfluxQL",
                    json!({"text": "select nope(Temp from x"}),
                    &["InfluxDB says: error parsing query", "correct the query"],
                ),
                Failure::of_limit("maxResponseBytes", 1_800, "bytes", &four).saying(&url),
                Failure::of_limit("maxRows", 53, "rows", &four),
                Failure::of_limit("maxSeries", 3, "series", &four),
            ])
            .await;
        // A text is asked as it is, and the server finds nothing to complain about.
        let text = json!({"text": "select Temp from nope where $timeFilter", "format": format});
        victim.finds_nothing("a text with an unknown measurement", &text).await;
    }

    let paused = server.running.pause();
    victim.fails(&Failure::of_slow_server(&url, &source)).await;
    drop(paused);
    victim.works("a slow server").await;

    let mut relay = Relay::halting_after(100_000, server.port).await;
    let at_relay = format!("https://127.0.0.1:{}", relay.port);
    // Packed, the answer would fit into the buffers.
    let unpacked = json!({
        "jsonData": {"httpHeaderName1": "Accept-Encoding"}, "secureJsonData": {"httpHeaderValue1": "identity"},
    });
    let long = json!({"text": "select note from long where $timeFilter"});
    let stopped = Failure::of_stopped_server(&at_relay, &unpacked, &long);
    tokio::join!(victim.fails(&stopped), async {
        relay.halted().await;
        server.running.kill();
        relay.go_on();
    });
    victim.fails(&Failure::of_no_server(&url, &source)).await;
    victim.ends().await;
}

#[tokio::test]
async fn the_health_check_tells_the_version_and_what_is_wrong() {
    let Some(weather) = Database::of_weather().await else { return };
    let good = &weather.settings;
    let message = check(good).await.unwrap().message;
    let (reached, time) = message.split_once(" in ").unwrap();
    assert!(
        reached.starts_with("Reached InfluxDB 1.") && reached.ends_with(&format!(" at {}", good.url)),
        "{message}"
    );
    assert!(time.trim_end_matches(" ms").parse::<u32>().is_ok(), "{message}");

    let name = &good.database;
    let injected = Settings { database: format!("{name}\"; DROP DATABASE \"{name}"), ..good.clone() };
    assert_eq!(check(&injected).await.unwrap_err().category(), Category::Config);
    assert!(check(good).await.is_ok());
    let unset = Settings { database: String::new(), ..good.clone() };
    assert!(check(&unset).await.unwrap_err().message().contains("no database is set"));

    let limits = Limits { retries: 0, ..Limits::default() };
    let error = check(&Settings { limits, ..settings(&nobody().await) }).await.unwrap_err();
    assert_eq!(error.category(), Category::Connection);
    let other = Upstream::answering(|_| axum::response::Html("<html>hello</html>").into_response()).await;
    assert_eq!(check(&settings(&other.url)).await.unwrap_err().category(), Category::Protocol);
}

#[tokio::test]
async fn nothing_found_is_no_error() {
    let Some(weather) = Database::of_weather().await else { return };
    let settings = &weather.settings;
    for format in ["json", "csv"] {
        let out_of_range = "select percentile(Temp, 200) from x where $timeFilter";
        let fetched = ask(settings, json!({"text": out_of_range, "format": format})).await;
        assert!(fetched.is_ok_and(|fetched| fetched.series.is_empty()));
    }
    let nobody = by_sensor(json!({"where": [{"key": "SensorId", "value": "9"}]}));
    assert!(ask(settings, nobody).await.unwrap().series.is_empty());
}

#[tokio::test]
async fn two_kinds_of_credentials_are_one_too_many() {
    let user = Settings { user: "it's".into(), ..settings("http://127.0.0.1:1") };
    let basic = Auth::Basic { user: "it's".into(), password: PASSWORD.into() };
    for (settings, secret) in [(user.clone(), "token"), (Settings { auth: basic, ..user }, "password")] {
        let both = with_own(settings, &json!({}), &[(secret, "canary")]);
        let error = refused(&both, by_sensor(json!({})), Category::Config).await;
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn a_limit_is_met_exactly() {
    let Some(weather) = Database::of_weather().await else { return };
    let limits = Limits { max_rows: 54, max_series: 2, ..Limits::default() };
    let enough = Settings { limits, ..weather.settings.clone() };
    assert!(ask(&enough, by_sensor(json!({"aggregate": "none"}))).await.is_ok());
}

#[tokio::test]
async fn the_limits_of_the_server_are_told() {
    let coordinator = "max-select-series = 1\nmax-select-buckets = 5";
    let Some(server) = influxdb(&InfluxDbConfig { coordinator, ..Default::default() }) else { return };
    administer(&server.url, "CREATE DATABASE weather").await;
    write(client().post(format!("{}/write?db=weather", server.url)), weather_lines()).await;
    let error = refused(&settings(&server.url), by_sensor(json!({})), Category::Limit).await;
    assert!(
        error.to_string().contains("limit") && error.to_string().contains("raise the server's limit"),
        "{error}"
    );
}
