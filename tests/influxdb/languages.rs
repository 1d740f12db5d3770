//! Flux and SQL, which no InfluxDB of Debian speaks, against stand-ins that answer in the formats of InfluxData's
//! documentation: "Annotated CSV", "API /api/v2/query", "API /api/v3/query_sql".

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use super::*;
use crate::upstream_server::Upstream;

const FLUX_ANSWER: &str = concat!(
    "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\r\n",
    "#group,false,false,true,true,false,false,true,true,true\r\n",
    "#default,_result,,,,,,,,\r\n",
    ",result,table,_start,_stop,_time,_value,_field,_measurement,host\r\n",
    ",,0,2023-11-14T22:20:00Z,2023-11-14T22:30:00Z,2023-11-14T22:20:00Z,0.5,load,cpu,a\r\n",
    ",,0,2023-11-14T22:20:00Z,2023-11-14T22:30:00Z,2023-11-14T22:21:00Z,1.5,load,cpu,a\r\n",
    ",,1,2023-11-14T22:20:00Z,2023-11-14T22:30:00Z,2023-11-14T22:20:00Z,7,load,cpu,b\r\n\r\n",
);

fn of_version_2(url: &str) -> Settings {
    let own = json!({"queryLanguage": "flux", "organization": "my org"});
    with_own(settings(url), &own, &[("token", "canary-token")])
}

fn of_version_3(url: &str) -> Settings {
    Settings {
        auth: outrider::settings::Auth::Bearer("canary-token".into()),
        ..with_own(settings(url), &json!({"queryLanguage": "sql"}), &[])
    }
}

#[tokio::test]
async fn flux_is_sent_with_a_token_and_annotated_csv_comes_back() {
    let upstream =
        Upstream::answering(|_| ([("content-type", "text/csv")], FLUX_ANSWER).into_response()).await;
    let text = "from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop)";
    let fetched = ask(&of_version_2(&upstream.url), json!({ "text": text })).await.unwrap();
    assert_eq!((fetched.series.len(), fetched.series[0].name.as_str()), (2, "load"));
    assert_eq!(points(&fetched.series[0]), [(FROM_MS, Some(0.5)), (FROM_MS + STEP_MS, Some(1.5))]);

    let seen = &upstream.seen()[0];
    assert_eq!((seen.method.as_str(), seen.uri.to_string().as_str()), ("POST", "/api/v2/query?org=my+org"));
    assert_eq!(seen.headers["authorization"], "Token canary-token");
    assert_eq!(
        (seen.headers["content-type"].to_str().unwrap(), seen.headers["accept"].to_str().unwrap()),
        ("application/json", "application/csv")
    );
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let sent =
        "from(bucket: \"weather\") |> range(start: 2023-11-14T22:20:00.000Z, stop: 2023-11-14T22:30:00.000Z)";
    assert_eq!((body["query"].as_str(), body["type"].as_str()), (Some(sent), Some("flux")));
    assert_eq!(body["dialect"]["annotations"], json!(["datatype", "group", "default"]));
    assert_eq!(fetched.executed, sent);
}

#[tokio::test]
async fn sql_is_sent_and_lines_of_json_come_back() {
    let upstream = Upstream::answering(|_| {
        concat!(
            "{\"time\":\"2023-11-14T22:20:00\",\"host\":\"a\",\"load\":0.5}\n",
            "{\"time\":\"2023-11-14T22:21:00\",\"host\":\"a\",\"load\":1.5}\n",
            "{\"time\":\"2023-11-14T22:20:00\",\"host\":\"b\",\"load\":7}\n",
        )
        .into_response()
    })
    .await;
    let text = "SELECT time, host, load FROM cpu WHERE $__timeFilter(time)";
    let fetched = ask(&of_version_3(&upstream.url), json!({ "text": text })).await.unwrap();
    assert_eq!(points(&fetched.series[0]), [(FROM_MS, Some(0.5)), (FROM_MS + STEP_MS, Some(1.5))]);
    assert_eq!(fetched.series[1].labels["host"], "b");
    let seen = &upstream.seen()[0];
    assert_eq!((seen.method.as_str(), seen.uri.to_string().as_str()), ("POST", "/api/v3/query_sql"));
    assert_eq!(seen.headers["authorization"], "Bearer canary-token");
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((&body["db"], &body["format"]), (&json!("weather"), &json!("jsonl")));
    assert_eq!(body["q"], fetched.executed);
}

#[tokio::test]
async fn what_later_versions_refuse_is_told() {
    type Make = fn(&str) -> Settings;
    for (make, status, body, category, says) in [
        (
            of_version_2 as Make,
            401,
            "{\"code\":\"unauthorized\",\"message\":\"unauthorized access to canary-token\"}",
            Category::Auth,
            "unauthorized access",
        ),
        (
            of_version_2,
            400,
            "{\"code\":\"invalid\",\"message\":\"compilation failed: error at @1:1-1:5: undefined identifier\"}",
            Category::Query,
            "compilation failed",
        ),
        (
            of_version_2,
            404,
            "{\"code\":\"not found\",\"message\":\"failed to initialize execute state: could not find bucket \\\"weather\\\"\"}",
            Category::Config,
            "could not find bucket",
        ),
        (
            of_version_2,
            200,
            "#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n,reading failed,897\n",
            Category::Query,
            "reading failed",
        ),
        (
            of_version_3,
            401,
            "{\"error\":\"the request was not authenticated\"}",
            Category::Auth,
            "not authenticated",
        ),
        (
            of_version_3,
            400,
            "{\"error\":\"SQL error: table 'x' not found\"}",
            Category::Query,
            "table 'x' not found",
        ),
        (
            of_version_3,
            404,
            "{\"error\":\"database not found: weather\"}",
            Category::Config,
            "database not found",
        ),
        (of_version_3, 500, "oops", Category::Protocol, "oops"),
    ] {
        let upstream =
            Upstream::answering(move |_| (StatusCode::from_u16(status).unwrap(), body).into_response()).await;
        let error = refused(&make(&upstream.url), json!({"text": "x"}), category).await;
        assert!(error.to_string().contains(says) && !error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn the_health_check_asks_in_the_language_of_the_settings() {
    let version = |body: &'static str| {
        Upstream::answering(move |_| ([("x-influxdb-version", "v2.7.6")], body).into_response())
    };
    let found = "#datatype,string,long,string\n#group,false,false,false\n#default,_result,,\n,result,table,name\n,,0,weather\n";
    let upstream = version(found).await;
    let message = check(&of_version_2(&upstream.url)).await.unwrap().message;
    assert!(message.starts_with(&format!("Reached InfluxDB v2.7.6 at {} in ", upstream.url)), "{message}");
    assert!(upstream.seen()[0].body.contains("r.name == \\\"weather\\\""));
    let error = check(&of_version_2(&version("\r\n").await.url)).await.unwrap_err();
    assert!(error.category() == Category::Config && error.message().contains("no bucket"), "{error}");
    let upstream = version("{\"one\":1}\n").await;
    check(&of_version_3(&upstream.url)).await.unwrap();
    assert!(upstream.seen()[0].body.contains("SELECT 1"));
}
