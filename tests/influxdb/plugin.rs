//! A real InfluxDB through the plugin as Grafana runs it.

use std::path::Path;

use grafana_plugin_sdk::pluginv2::CallResourceRequest;
use grafana_plugin_sdk::pluginv2::resource_client::ResourceClient;

use super::*;
use crate::host::{Plugin, context};

#[tokio::test]
async fn a_panel_gets_exactly_what_was_written() {
    let Some(weather) = Database::of_weather().await else { return };
    let plugin = Plugin::launch(Path::new(env!("CARGO_BIN_EXE_gpx_outrider")), &[]).await.unwrap();
    let Settings { url, database, .. } = &weather.settings;
    let own = json!({"url": url, "jsonData": {"source": "influxdb", "database": database}});

    let health = plugin.check_health(context(&own)).await.unwrap();
    assert!(health.is_ok && health.message.starts_with("Reached InfluxDB 1."), "{}", health.message);

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
