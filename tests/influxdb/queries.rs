//! What is asked of a real InfluxDB, and what becomes of its answers.

use chrono::Utc;

use super::*;

/// The mean, or what else `of` makes of a minute, of all but the fourth minute.
fn minutes(id: usize, of: impl Fn([f64; 3]) -> f64) -> Vec<(i64, Option<f64>)> {
    (0..10)
        .filter(|minute| *minute != 3)
        .map(|minute| {
            let values = [0, 20, 40].map(|second| temperature(id, minute, second));
            (FROM_MS + minute * STEP_MS, Some(of(values)))
        })
        .collect()
}

fn mean([a, b, c]: [f64; 3]) -> f64 {
    (a + b + c) / 3.0
}

#[tokio::test]
async fn built_queries_bring_exactly_what_was_written() {
    let Some(weather) = Database::of_weather().await else { return };
    let settings = &weather.settings;
    type Of = fn([f64; 3]) -> f64;
    let aggregates: [(&str, Of); 7] = [
        ("mean", mean),
        ("max", |values| values[2]),
        ("min", |values| values[0]),
        ("sum", |values| values.iter().sum()),
        ("count", |_| 3.0),
        ("p95", |values| values[2]),
        ("last", |values| values[2]),
    ];
    for format in ["json", "csv"] {
        for (aggregate, of) in aggregates {
            let options = by_sensor(json!({"aggregate": aggregate, "format": format}));
            let fetched = ask(settings, options).await.unwrap();
            assert_eq!(fetched.series.len(), 2);
            for id in [1, 2] {
                assert_eq!(points(sensor(&fetched.series, id)), minutes(id, of), "{aggregate} {format}");
            }
            assert_eq!(fetched.series[0].name, "Temp");
            assert!(fetched.notices.is_empty(), "{:?}", fetched.notices);
            assert!(fetched.executed.starts_with("SELECT "), "{}", fetched.executed);
        }
        let raw = ask(settings, by_sensor(json!({"aggregate": "none", "format": format}))).await.unwrap();
        let all: Vec<_> = (0..10)
            .filter(|minute| *minute != 3)
            .flat_map(|minute| [0, 20, 40].map(|second| (minute, second)))
            .map(|(minute, second)| {
                (FROM_MS + minute * STEP_MS + second * 1_000, Some(temperature(2, minute, second)))
            })
            .collect();
        assert_eq!(points(sensor(&raw.series, 2)), all, "{format}");
    }
}

#[tokio::test]
async fn fills_stand_for_steps_without_values() {
    let Some(weather) = Database::of_weather().await else { return };
    let settings = &weather.settings;
    for (fill, fourth) in [("null", None), ("7.5", Some(7.5))] {
        for format in ["json", "csv"] {
            let fetched = ask(settings, by_sensor(json!({"fill": fill, "format": format}))).await.unwrap();
            let found = points(sensor(&fetched.series, 1));
            assert_eq!((found.len(), found[3]), (10, (FROM_MS + 3 * STEP_MS, fourth)), "{fill} {format}");
        }
    }
}

#[tokio::test]
async fn texts_are_asked_as_written() {
    let Some(weather) = Database::of_weather().await else { return };
    let settings = &weather.settings;
    let text = "select time, Temp as value from \"sensor.series\" where (SensorId = '0001') and $timeFilter";
    for format in ["json", "csv"] {
        let fetched = ask(settings, json!({"text": text, "format": format})).await.unwrap();
        assert_eq!((fetched.series.len(), fetched.series[0].len()), (1, 27));
        assert_eq!(fetched.series[0].name, "sensor.series.value");
        assert_eq!(fetched.series[0].values[4], temperature(1, 1, 20));
    }
    let text = "select max(Temp) from \"sensor.series\" where $__timeFilter(time) group by $__timeGroup(time, '2m'), *";
    let fetched = ask(settings, json!({ "text": text })).await.unwrap();
    let series = sensor(&fetched.series, 2);
    assert_eq!(series.labels["site"], "it's \"here\", =/x");
    assert_eq!(points(series)[1], (FROM_MS + 2 * STEP_MS, Some(temperature(2, 2, 40))));
    // Texts are labels, and a field that is not there at a time is nothing, not a gap.
    let text = "select Temp, note, n from \"sensor.series\" where $timeFilter";
    let fetched = ask(settings, json!({ "text": text })).await.unwrap();
    let named: Vec<_> =
        fetched.series.iter().map(|s| (s.name.as_str(), s.labels["note"].as_str(), s.len())).collect();
    assert_eq!(
        named,
        [
            ("sensor.series.Temp", "n1", 27),
            ("sensor.series.n", "n1", 27),
            ("sensor.series.Temp", "n2", 27),
            ("sensor.series.n", "n2", 27)
        ]
    );
}

#[tokio::test]
async fn a_running_step_is_left_out_and_no_false_drop() {
    let Some(database) = Database::empty().await else { return };
    let now_ms = Utc::now().timestamp_millis();
    let step_ms = 3_600_000;
    let hour_ms = now_ms - now_ms.rem_euclid(step_ms);
    let lines: String =
        (0..3).map(|hour| format!("m v=10 {}\n", (hour_ms - hour * step_ms) * 1_000_000)).collect();
    database.write(lines).await;
    let request =
        |to_ms| FetchRequest { range: TimeRange { from_ms: hour_ms - 2 * step_ms, to_ms }, step_ms };
    let count = json!({"measurement": "m", "fields": ["v"], "aggregate": "count", "fill": "0"});
    let whole = [(hour_ms - 2 * step_ms, Some(1.0)), (hour_ms - step_ms, Some(1.0))];
    for (to_ms, steps) in [(now_ms, 2), (now_ms + 10 * step_ms, 2), (hour_ms - 1, 2), (hour_ms - 2, 1)] {
        let fetched = ask_for(&database.settings, count.clone(), request(to_ms)).await.unwrap();
        assert_eq!(points(&fetched.series[0]), whole[..steps], "{to_ms}");
    }
    let none = ask_for(&database.settings, count, request(hour_ms - 2 * step_ms + 5)).await.unwrap();
    assert!(none.series.is_empty());
}

#[tokio::test]
async fn times_before_1970_are_cut_off_like_all_others() {
    let Some(database) = Database::empty().await else { return };
    database.write("m v=1 -1500000\nm v=2 -1\nm v=3 1\nm v=4 1999999\n".to_owned()).await;
    let request = FetchRequest { range: TimeRange { from_ms: -10, to_ms: 10 }, step_ms: 1 };
    let options = json!({"measurement": "m", "fields": ["v"], "aggregate": "none"});
    let fetched = ask_for(&database.settings, options, request).await.unwrap();
    assert_eq!(points(&fetched.series[0]), [-2, -1, 0, 1].map(|ms| (ms, Some(ms as f64 + 3.0))));
}

#[tokio::test]
async fn filters_narrow_and_nothing_in_them_is_run() {
    let Some(weather) = Database::of_weather().await else { return };
    let settings = &weather.settings;
    let filter =
        |key: &str, operator: &str, value: &str| json!([{"key": key, "operator": operator, "value": value}]);
    let site = "it's \"here\", =/x";
    for (filters, ids) in [
        (filter("SensorId", "=", "0001"), vec!["0001"]),
        (filter("SensorId", "!=", "0001"), vec!["0002"]),
        (filter("SensorId", "=~", "/^000[12]$/"), vec!["0001", "0002"]),
        (filter("SensorId", "!~", "1$"), vec!["0002"]),
        (filter("site", "=", site), vec!["0001", "0002"]),
        (filter("site", "=~", "^it's .here., =/x$"), vec!["0001", "0002"]),
        (filter("Temp", "<", "150.5"), vec!["0001"]),
        (filter("Temp", ">", "150.5"), vec!["0002"]),
        (filter("SensorId", "=", "x' OR '1' = '1"), vec![]),
        (filter("SensorId", "=", "x\\' OR 1=1; DROP DATABASE weather --"), vec![]),
        (filter("SensorId", "=~", "x/ OR \"SensorId\" =~ /."), vec![]),
        (filter("SensorId", "=~", "x\\\\/ OR \"SensorId\" =~ /."), vec![]),
        (filter("SensorId\" = '0001' OR \"SensorId", "=", "0002"), vec![]),
        (filter("Temp", ">", "0 OR 1=1"), vec![]),
    ] {
        for options in [
            by_sensor(json!({"adhocFilters": filters})),
            by_sensor(json!({"where": filters})),
            json!({"text": "select Temp from \"sensor.series\" where $timeFilter group by SensorId", "adhocFilters": filters}),
        ] {
            // A text may hold no semicolon at all, be it in a filter.
            if options.get("text").is_some() && filters.to_string().contains(';') {
                refused(settings, options, Category::Query).await;
                continue;
            }
            let fetched = ask(settings, options).await.unwrap();
            let found: Vec<_> =
                fetched.series.iter().map(|series| series.labels["SensorId"].as_str()).collect();
            assert_eq!(found, ids, "{filters}");
        }
    }
    assert!(choices(settings, "databases").await.contains(&settings.database));
}

#[tokio::test]
async fn what_there_is_to_choose_from_is_told() {
    let Some(weather) = Database::of_weather().await else { return };
    let settings = &weather.settings;
    let name = settings.database.as_str();
    weather
        .administer(&format!("CREATE RETENTION POLICY \"a year\" ON {name} DURATION 365d REPLICATION 1"))
        .await;
    weather.write("wind,host=web-1,site=b speed=1\n".to_owned()).await;
    let of_database = format!("retention-policies?database={name}&search=YEAR");
    for (question, expected) in [
        (&*format!("databases?search={name}"), vec![name]),
        ("retention-policies", vec!["a year", "autogen"]),
        (&of_database, vec!["a year"]),
        ("measurements", vec!["sensor.series", "wind"]),
        ("measurements?search=R.S", vec!["sensor.series"]),
        ("measurements?limit=1", vec!["sensor.series"]),
        ("fields?measurement=sensor.series", vec!["Temp", "n", "note", "ok"]),
        ("fields?measurement=wind&policy=autogen", vec!["speed"]),
        ("tag-keys", vec!["SensorId", "host", "site"]),
        ("tag-keys?measurement=wind", vec!["host", "site"]),
        ("tag-values?key=site", vec!["b", "it's \"here\", =/x"]),
        ("tag-values?key=site&search=T'S", vec!["it's \"here\", =/x"]),
        ("tag-values?key=site&search=%3D/x", vec!["it's \"here\", =/x"]),
        ("tag-values?key=host&measurement=wind", vec!["web-1"]),
        ("tag-values?key=nope", vec![]),
        ("tag-values?key=a%22+OR+1%3D1&search=%5C", vec![]),
    ] {
        assert_eq!(choices(settings, question).await, expected, "{question}");
    }
    let source = source::connect(settings).unwrap();
    assert!(soon(source.discover(&Question::parse("nope"))).await.unwrap().is_none());
}

#[tokio::test]
async fn a_policy_and_a_pattern_choose_other_measurements() {
    let Some(weather) = Database::of_weather().await else { return };
    let settings = &weather.settings;
    let Settings { url, database, .. } = settings;
    let policy = format!("CREATE RETENTION POLICY \"a year\" ON {database} DURATION 5200w REPLICATION 1");
    weather.administer(&policy).await;
    let line = format!("sensor.series,SensorId=0009 Temp=9 {}", FROM_MS * 1_000_000);
    write(client().post(format!("{url}/write?db={database}&rp=a%20year")), line).await;
    let fetched = ask(settings, by_sensor(json!({"policy": "a year"}))).await.unwrap();
    assert_eq!(fetched.series.len(), 1);
    assert_eq!(points(sensor(&fetched.series, 9)), [(FROM_MS, Some(9.0))]);
    let fetched = ask(settings, by_sensor(json!({"measurement": "/sensor/"}))).await.unwrap();
    assert_eq!(fetched.series[0].name, "sensor.series.Temp");
}

#[tokio::test]
async fn many_rows_come_in_chunks_whatever_the_row_limit() {
    let Some(database) = Database::empty().await else { return };
    const ROWS: i64 = 25_000;
    let lines: String = (0..ROWS).map(|i| format!("m v={i} {}\n", (FROM_MS + i) * 1_000_000)).collect();
    database.write(lines).await;
    for format in ["json", "csv"] {
        let options = json!({"measurement": "m", "fields": ["v"], "aggregate": "none", "format": format});
        let fetched = ask(&database.settings, options).await.unwrap();
        let series = &fetched.series[0];
        assert_eq!(series.len() as i64, ROWS, "{format}");
        assert!(series.values.iter().zip(0..).all(|(value, i)| *value == f64::from(i)));
    }
}

/// JSON has no infinities: InfluxDB gives the whole answer up.
#[tokio::test]
async fn infinite_values_are_gaps() {
    let Some(database) = Database::empty().await else { return };
    let lines: Vec<String> =
        (0..4).map(|i| format!("m v={}.0 {}", i * 500, (FROM_MS + i * STEP_MS) * 1_000_000)).collect();
    database.write(lines.join("\n")).await;
    for format in ["json", "csv"] {
        let options = json!({"text": "SELECT exp(v) AS e FROM m WHERE $timeFilter", "format": format});
        let fetched = ask(&database.settings, options).await.unwrap();
        let found: Vec<Option<f64>> =
            points(&fetched.series[0]).into_iter().map(|(_, value)| value).collect();
        assert_eq!(found, [Some(1.0), Some(500_f64.exp()), None, None], "{format}");
        let told = fetched.notices.iter().any(|notice| notice.contains("asked for as CSV"));
        assert_eq!(told, format == "json", "{:?}", fetched.notices);
    }
}

#[tokio::test]
async fn an_empty_text_is_no_label_in_either_format() {
    let Some(database) = Database::empty().await else { return };
    let at = |i: i64| (FROM_MS + i * STEP_MS) * 1_000_000;
    database.write(format!("m,host=a v=1,note=\"\" {}\nm v=2,note=\"x\" {}\n", at(0), at(1))).await;
    for text in [
        "SELECT v, note FROM m WHERE $timeFilter",
        "SELECT v FROM m WHERE $timeFilter GROUP BY host",
        "SELECT mean(v) AS v FROM m WHERE $timeFilter GROUP BY time($__interval), host fill(none)",
    ] {
        let labels = async |format: &str| -> Vec<_> {
            let fetched = ask(&database.settings, json!({"text": text, "format": format})).await.unwrap();
            let mut labels: Vec<_> =
                fetched.series.iter().map(|series| (series.labels.clone(), points(series))).collect();
            labels.sort_by(|a, b| a.0.cmp(&b.0));
            labels
        };
        let json = labels("json").await;
        assert_eq!(json, labels("csv").await, "{text}");
        assert!(
            json.len() == 2 && json.iter().all(|(labels, _)| labels.values().all(|text| !text.is_empty())),
            "{json:?}"
        );
    }
}
