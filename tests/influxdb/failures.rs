//! A real InfluxDB that refuses, is slow, stops, or is not who it should be.

use std::time::Duration;

use axum::response::IntoResponse as _;

use outrider::settings::{Auth, Limits, TlsSettings};
use rustix::process::{Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::upstream_server::{Upstream, nobody};
use crate::upstream_tls::{Authority, Identity};

/// Ask once only.
fn impatient(settings: Settings) -> Settings {
    let limits = Limits { retries: 0, ..settings.limits };
    Settings { limits, ..settings }
}

#[tokio::test]
async fn the_health_check_tells_the_version_and_what_is_wrong() {
    let Some(server) = weather(InfluxDbConfig::default()).await else { return };
    let good = settings(&server.url);
    let message = check(&good).await.unwrap().message;
    let (reached, time) = message.split_once(" in ").unwrap();
    assert!(
        reached.starts_with("Reached InfluxDB 1.") && reached.ends_with(&format!(" at {}", server.url)),
        "{message}"
    );
    assert!(time.trim_end_matches(" ms").parse::<u32>().is_ok(), "{message}");

    let wrong = Settings { database: "nope".into(), ..good.clone() };
    let error = check(&wrong).await.unwrap_err();
    assert_eq!(error.category(), Category::Config);
    assert!(error.message().contains("database not found: nope"), "{error}");
    let injected = Settings { database: "weather\"; DROP DATABASE \"weather".into(), ..good.clone() };
    assert_eq!(check(&injected).await.unwrap_err().category(), Category::Config);
    assert!(check(&good).await.is_ok());
    let unset = Settings { database: String::new(), ..good.clone() };
    assert!(check(&unset).await.unwrap_err().message().contains("no database is set"));

    let error = check(&impatient(settings(&nobody().await))).await.unwrap_err();
    assert_eq!(error.category(), Category::Connection);
    let other = Upstream::answering(|_| axum::response::Html("<html>hello</html>").into_response()).await;
    assert_eq!(check(&settings(&other.url)).await.unwrap_err().category(), Category::Protocol);
}

#[tokio::test]
async fn wrong_questions_are_told_apart() {
    let Some(server) = weather(InfluxDbConfig::default()).await else { return };
    let settings = settings(&server.url);
    let wrong = Settings { database: "nope".into(), ..settings.clone() };
    for format in ["json", "csv"] {
        let error = refused(&wrong, by_sensor(json!({"format": format})), Category::Config).await;
        assert!(error.to_string().contains("database not found: nope"), "{error}");
        let options = json!({"text": "select nope(Temp from x", "format": format});
        let error = refused(&settings, options, Category::Query).await;
        assert!(
            error.message().contains("error parsing query") && !error.message().contains('\n'),
            "{error}"
        );
        let options =
            json!({"text": "select percentile(Temp, 200) from x where $timeFilter", "format": format});
        let fetched = ask(&settings, options).await;
        assert!(fetched.is_ok_and(|fetched| fetched.series.is_empty()));
        let options = by_sensor(json!({"policy": "nope", "format": format}));
        let error = refused(&settings, options, Category::Query).await;
        assert!(error.message().contains("retention policy not found: nope"), "{error}");
    }
    let error = refused(&settings, by_sensor(json!({"measurement": "nope"})), Category::Query).await;
    assert!(
        error.to_string().contains("no measurement \"nope\"") && error.to_string().contains("sensor.series"),
        "{error}"
    );
    let error = refused(&settings, by_sensor(json!({"fields": ["nope"]})), Category::Query).await.to_string();
    assert!(error.contains("has no field \"nope\"") && error.contains("\"Temp\""), "{error}");
    let nobody = by_sensor(json!({"where": [{"key": "SensorId", "value": "9"}]}));
    assert!(ask(&settings, nobody).await.unwrap().series.is_empty(), "nothing found is no error");
}

#[tokio::test]
async fn who_asks_is_checked() {
    let Some(server) = influxdb(InfluxDbConfig { http: "auth-enabled = true", ..Default::default() }).await
    else {
        return;
    };
    let admin = "CREATE USER admin WITH PASSWORD 'secret-admin' WITH ALL PRIVILEGES";
    administer(&server.url, admin).await;
    let setup = |text: &'static str| {
        let request =
            client().post(format!("{}/query", server.url)).basic_auth("admin", Some("secret-admin"));
        async move { assert!(form(request, &[("q", text)]).send().await.unwrap().status().is_success()) }
    };
    setup("CREATE DATABASE weather").await;
    setup("CREATE DATABASE hidden").await;
    setup("CREATE USER \"it's\" WITH PASSWORD 'canary \"7&'").await;
    setup("GRANT READ ON weather TO \"it's\"").await;
    let request =
        client().post(format!("{}/write?db=weather", server.url)).basic_auth("admin", Some("secret-admin"));
    assert!(request.body(weather_lines()).send().await.unwrap().status().is_success());

    let open = settings(&server.url);
    let user = |password: &str| {
        with_own(Settings { user: "it's".into(), ..open.clone() }, &json!({}), &[("password", password)])
    };
    let basic = |password: &str| Settings {
        auth: Auth::Basic { user: "it's".into(), password: password.into() },
        ..open.clone()
    };
    for good in [user("canary \"7&"), basic("canary \"7&")] {
        assert_eq!(ask(&good, by_sensor(json!({}))).await.unwrap().series.len(), 2);
        check(&good).await.unwrap();
        assert_eq!(choices(&good, "measurements").await, ["sensor.series"]);
        let error =
            refused(&Settings { database: "hidden".into(), ..good }, by_sensor(json!({})), Category::Auth)
                .await;
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    for bad in [user("canary wrong"), basic("canary wrong"), open.clone()] {
        for format in ["json", "csv"] {
            let error = refused(&bad, by_sensor(json!({"format": format})), Category::Auth).await;
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        assert_eq!(check(&bad).await.unwrap_err().category(), Category::Auth);
    }
    let both = with_own(Settings { user: "it's".into(), ..open }, &json!({}), &[("token", "canary")]);
    let error = refused(&both, by_sensor(json!({})), Category::Config).await;
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[tokio::test]
async fn answers_beyond_the_limits_name_the_setting() {
    let Some(server) = weather(InfluxDbConfig::default()).await else { return };
    let limited = |limits: Limits| Settings { limits, ..settings(&server.url) };
    let by_default = Limits::default();
    for (limits, setting) in [
        (Limits { max_response_bytes: 1_024, ..by_default }, "maxResponseBytes"),
        (Limits { max_rows: 53, ..by_default }, "maxRows"),
        (Limits { max_series: 1, ..by_default }, "maxSeries"),
    ] {
        for format in ["json", "csv"] {
            let options = by_sensor(json!({"aggregate": "none", "format": format}));
            let error = refused(&limited(limits), options, Category::Limit).await;
            assert!(error.to_string().contains(setting), "{error}");
        }
    }
    let enough = Limits { max_rows: 54, max_series: 2, ..by_default };
    assert!(ask(&limited(enough), by_sensor(json!({"aggregate": "none"}))).await.is_ok());
}

#[tokio::test]
async fn the_limits_of_the_server_are_told() {
    let coordinator = "max-select-series = 1\nmax-select-buckets = 5";
    let Some(server) = weather(InfluxDbConfig { coordinator, ..Default::default() }).await else { return };
    let error = refused(&settings(&server.url), by_sensor(json!({})), Category::Limit).await;
    assert!(
        error.to_string().contains("limit") && error.to_string().contains("raise the server's limit"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_slow_is_given_up_and_asked_again_later() {
    let Some(server) = weather(InfluxDbConfig::default()).await else { return };
    let hurried = |ms| {
        let limits = Limits { timeout: Duration::from_millis(ms), ..Limits::default() };
        Settings { limits, ..settings(&server.url) }
    };
    kill_process(server.pid(), Signal::STOP).unwrap();
    let error = refused(&hurried(200), by_sensor(json!({})), Category::Connection).await;
    kill_process(server.pid(), Signal::CONT).unwrap();
    assert!(error.to_string().contains("did not answer within 200 ms"), "{error}");
    assert_eq!(ask(&hurried(30_000), by_sensor(json!({}))).await.unwrap().series.len(), 2);
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_an_answer_is_told() {
    let Some(mut server) = influxdb(InfluxDbConfig::default()).await else { return };
    administer(&server.url, "CREATE DATABASE weather").await;
    // More than the buffers between server and client hold.
    for part in 0..8_i64 {
        let line =
            |i: i64| format!("m v={}.{} {}\n", i, i * 7_919_347 % 999_999_937, (FROM_MS + i) * 1_000_000);
        write(&server.url, (part * 50_000..(part + 1) * 50_000).map(line).collect()).await;
    }
    let (url, begun, go_on) = halting(server.url.strip_prefix("http://").unwrap().to_owned()).await;
    let settings = impatient(settings(&url));
    let request =
        FetchRequest { range: TimeRange { from_ms: FROM_MS, to_ms: FROM_MS + 400_000 }, step_ms: 1 };
    let options = json!({"measurement": "m", "fields": ["v"], "aggregate": "none"});
    let asking = tokio::spawn(async move { ask_for(&settings, options, request).await });
    soon(begun).await.unwrap();
    server.kill();
    go_on.send(()).unwrap();
    let error = asking.await.unwrap().unwrap_err();
    assert!(matches!(error.category(), Category::Connection | Category::Protocol), "{error}");
    assert!(error.message().contains("broke off") || error.message().contains("incomplete"), "{error}");
}

/// A relay to `server` that passes on the beginning of the first answer, says so, and goes on when it is told to.
async fn halting(server: String) -> (String, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = upstream_server::url_of("http", &listener);
    let (begun, has_begun) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(server).await.unwrap();
        let mut request = vec![0; 65_536];
        let read = near.read(&mut request).await.unwrap();
        // Packed, the answer would fit into the buffers.
        let text =
            String::from_utf8_lossy(&request[..read]).replace("accept-encoding:", "x-accept-encoding:");
        far.write_all(text.as_bytes()).await.unwrap();
        let mut chunk = vec![0; 65_536];
        let read = far.read(&mut chunk).await.unwrap();
        near.write_all(&chunk[..read]).await.unwrap();
        begun.send(()).unwrap();
        may_go_on.await.unwrap();
        while let Ok(read) = far.read(&mut chunk).await {
            if read == 0 || near.write_all(&chunk[..read]).await.is_err() {
                break;
            }
        }
    });
    (url, has_begun, go_on)
}

#[tokio::test]
async fn a_certificate_is_believed_only_if_its_authority_is() {
    let identity = Identity::self_signed("127.0.0.1");
    let tls = Some((identity.pem(), identity.key_pem()));
    let Some(server) = weather(InfluxDbConfig { tls, ..Default::default() }).await else { return };
    let trusting = |pem: String| Settings {
        tls: TlsSettings { ca_certificate: Some(pem.into()), ..TlsSettings::default() },
        ..settings(&server.url)
    };
    let error =
        refused(&trusting(Authority::named("stranger").pem()), by_sensor(json!({})), Category::Tls).await;
    assert!(error.to_string().contains("paste the CA certificate"), "{error}");
    assert_eq!(ask(&trusting(identity.pem()), by_sensor(json!({}))).await.unwrap().series.len(), 2);
    assert!(check(&trusting(identity.pem())).await.unwrap().message.contains("at https://"));
}
