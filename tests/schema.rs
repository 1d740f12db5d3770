//! The schemas are what queries and settings are read by, and what is made of them is up to date.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test shall fail it")]

use std::fs;
use std::path::Path;

use outrider::detector;
use outrider::query::{Direction, Kind, Query};
use outrider::schema;
use outrider::settings::{RawSettings, Settings};
use outrider::source::SOURCES;
use serde_json::{Value, json};

#[test]
fn schemas_and_tables_of_options_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stale: Vec<String> = schema::files(root)
        .unwrap()
        .into_iter()
        .filter(|(path, text)| fs::read_to_string(path).ok().as_deref() != Some(text.as_str()))
        .map(|(path, _)| path.strip_prefix(root).unwrap().display().to_string())
        .collect();
    assert!(
        stale.is_empty(),
        "{} say something else than the types in src/. Refresh them with: cargo run --bin outrider -- schema --write .",
        stale.join(", ")
    );
}

/// Every kind of a place with its schema.
fn kinds(place: &str) -> Vec<(String, Value)> {
    let query = schema::query();
    let kinds = query["$defs"].as_object().unwrap();
    let prefix = format!("{place}.");
    kinds
        .iter()
        .filter_map(|(name, schema)| Some((name.strip_prefix(&prefix)?.to_owned(), schema.clone())))
        .collect()
}

/// What the kind's own reader says of these options.
fn read(place: &str, options: &Value) -> Result<(), String> {
    let kind: Kind = serde_json::from_value(options.clone()).unwrap();
    let unknown = if place == "detector" {
        detector::build(&kind, Direction::Both).map(|built| built.unknown_options)
    } else {
        let entry = SOURCES.iter().find(|entry| Some(entry.kind) == kind.kind()).unwrap();
        entry.options.read("source", &kind)
    };
    unknown.map(|unknown| assert_eq!(unknown, Vec::<String>::new())).map_err(|error| error.to_string())
}

#[test]
fn every_kind_takes_its_defaults_written_out() {
    for place in ["source", "detector"] {
        for (kind, schema) in kinds(place) {
            let mut options = json!({ "kind": kind });
            for (name, schema) in schema["properties"].as_object().unwrap() {
                if let Some(default) = schema.get("default") {
                    options[name] = default.clone();
                }
            }
            read(place, &options).unwrap();
        }
    }
}

#[test]
fn numbers_are_taken_within_their_limits_and_refused_beyond() {
    let mut checked = 0;
    for place in ["source", "detector"] {
        for (kind, schema) in kinds(place) {
            for (name, schema) in schema["properties"].as_object().unwrap() {
                let is = |wanted: &str| match &schema["type"] {
                    Value::Array(types) => types.iter().any(|other| other == wanted),
                    other => other == wanted,
                };
                if !is("integer") && !is("number") {
                    continue;
                }
                let tried = |value: f64| {
                    let value = if is("integer") { json!(value as i64) } else { json!(value) };
                    read(place, &json!({ "kind": kind, name: value }))
                };
                let step = |limit: f64| if is("integer") { 1.0 } else { limit.abs().max(1.0) * 1e-9 };
                let limit = |key: &str| schema[key].as_f64();
                for (key, inside, outside) in [
                    ("minimum", 0.0, -1.0),
                    ("exclusiveMinimum", 1.0, 0.0),
                    ("maximum", 0.0, 1.0),
                    ("exclusiveMaximum", -1.0, 0.0),
                ] {
                    let Some(limit) = limit(key) else { continue };
                    let case = format!("{place} {kind}: {name} at its {key} {limit}");
                    // Other options may refuse a number that is in its own range.
                    if let Err(error) = tried(limit + inside * step(limit)) {
                        assert!(
                            !error.contains("a number") && !error.contains("a whole number"),
                            "{case}: {error}"
                        );
                    }
                    let error = tried(limit + outside * step(limit)).unwrap_err();
                    assert!(error.contains("number") && error.contains(name.as_str()), "{case}: {error}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 40, "{checked} limits");
}

#[test]
fn choices_are_those_that_are_read() {
    let query = schema::query();
    let mut checked = 0;
    let mut check = |wrap: &dyn Fn(Value) -> Result<(), String>, schema: &Value, name: &str| {
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            let value = choice["const"].clone();
            if let Err(error) = wrap(value) {
                assert!(
                    !error.contains("expected one of") && !error.contains("unknown variant"),
                    "{name}: {error}"
                );
            }
            checked += 1;
        }
        if schema["oneOf"].is_array() {
            wrap(json!("tea-leaves")).unwrap_err();
        }
    };
    for (name, schema) in query["properties"].as_object().unwrap() {
        let read = |value: Value| {
            let json = json!({ name: value }).to_string();
            Query::parse(json.as_bytes()).map(drop).map_err(|error| error.to_string())
        };
        check(&read, schema, name);
    }
    for (kind, schema) in kinds("detector") {
        for (name, schema) in schema["properties"].as_object().unwrap() {
            check(&|value| read("detector", &json!({ "kind": kind, name: value })), schema, name);
        }
    }
    assert!(checked > 30, "{checked} choices");
}

#[test]
fn durations_are_taken_within_their_limits_and_refused_beyond() {
    let query = schema::query();
    for (name, schema) in query["properties"].as_object().unwrap() {
        let Some(limits) = schema.get("x-duration") else { continue };
        let read = |value: &Value| Query::parse(json!({ name: value }).to_string().as_bytes());
        for key in ["minimum", "maximum", "word"] {
            read(&limits[key]).unwrap();
        }
        let beyond = json!(format!("{}1ms", limits["maximum"].as_str().unwrap()));
        assert!(read(&beyond).unwrap_err().to_string().contains("outside"), "{name}");
    }
}

#[test]
fn settings_are_taken_within_their_limits_and_refused_beyond() {
    let settings = schema::settings();
    let mut checked = 0;
    for (name, schema) in settings["properties"]["jsonData"]["properties"].as_object().unwrap() {
        let (Some(least), Some(most)) = (schema["minimum"].as_f64(), schema["maximum"].as_f64()) else {
            continue;
        };
        let parse = |value: f64| {
            let json = json!({ name: value }).to_string();
            Settings::parse(&RawSettings { json_data: json.as_bytes(), ..RawSettings::default() })
        };
        parse(least).unwrap();
        parse(most).unwrap();
        for beyond in [least - 1.0, most + 1.0] {
            let error = parse(beyond).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(schema["x-unit"].as_str().unwrap()), "{error}");
        }
        checked += 1;
    }
    assert_eq!(checked, 6);
}
