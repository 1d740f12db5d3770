//! A real InfluxDB through the plugin as Grafana runs it.

use std::path::Path;

use grafana_plugin_sdk::pluginv2::diagnostics_client::DiagnosticsClient;
use grafana_plugin_sdk::pluginv2::resource_client::ResourceClient;
use grafana_plugin_sdk::pluginv2::{CallResourceRequest, CheckHealthRequest};

use super::*;
use crate::host::{Plugin, context};

#[tokio::test]
async fn a_panel_gets_exactly_what_was_written() {
    let Some(server) = weather(InfluxDbConfig::default()).await else { return };
    let plugin = Plugin::launch(Path::new(env!("CARGO_BIN_EXE_gpx_outrider")), &[]).await.unwrap();
    let own = json!({"url": server.url, "jsonData": {"source": "influxdb", "database": "weather"}});

    let request = CheckHealthRequest { plugin_context: Some(context(&own)), headers: HashMap::new() };
    let health =
        DiagnosticsClient::new(plugin.channel.clone()).check_health(request).await.unwrap().into_inner();
    assert!(health.message.starts_with("Reached InfluxDB 1."), "{}", health.message);

    let query = json!({
        "version": 1, "step": "1m", "training": "visible-range",
        "source": {"kind": "influxdb", "measurement": "sensor.series", "fields": ["Temp"], "tags": ["SensorId"], "fill": "null"},
    });
    let range = (REQUEST.range.from_ms, REQUEST.range.to_ms);
    let answer = plugin.query(context(&own), range, &query).await.unwrap();
    assert_eq!(answer.error, None);
    for (frame, id) in answer.frames.iter().zip([1, 2]) {
        let times = frame.column("time").unwrap();
        let field =
            frame.fields.iter().find(|field| field.labels["SensorId"] == json!(format!("000{id}"))).unwrap();
        assert_eq!((times.len(), field.values.len()), (10, 10));
        for minute in 0..10 {
            assert_eq!(times[minute as usize], json!(FROM_MS + minute * STEP_MS));
            let mean = [0, 20, 40].map(|second| temperature(id, minute, second)).iter().sum::<f64>() / 3.0;
            let expected = if minute == 3 { Value::Null } else { json!(mean) };
            assert_eq!(field.values[minute as usize], expected, "{id} {minute}");
        }
    }
    let asked = answer.frames[0].meta["executedQueryString"].as_str().unwrap();
    assert!(asked.contains("SELECT mean(\"Temp\")"), "{asked}");

    let wrong = json!({"url": server.url, "jsonData": {"source": "influxdb", "database": "nope"}});
    let answer = plugin.query(context(&wrong), range, &query).await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.error.unwrap().contains("[config] InfluxDB says: database not found: nope"));

    let request = CallResourceRequest {
        plugin_context: Some(context(&own)),
        path: "influxdb/tag-values".to_owned(),
        method: "GET".to_owned(),
        url: "influxdb/tag-values?key=SensorId&search=2".to_owned(),
        headers: HashMap::new(),
        body: Default::default(),
    };
    let mut stream =
        ResourceClient::new(plugin.channel.clone()).call_resource(request).await.unwrap().into_inner();
    let answer = stream.message().await.unwrap().unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.code, &body), (200, &json!([{"value": "0002", "label": "0002"}])));
    assert!(plugin.shut_down().await.unwrap().success());
}
