//! What a query and the settings of a data source may say, as JSON Schema (draft 2020-12), from the types that read them.
//!
//! Titles, descriptions, defaults, limits and choices are those of the types; nothing is said here again. Where JSON Schema
//! has no word there is an `x-…` of our own:
//!
//! | key | value |
//! |---|---|
//! | `x-order` | the options of an object in the order they are declared in, since JSON objects have none |
//! | `x-unit` | what a number counts, as it stands after it |
//! | `x-duration` | `minimum` and `maximum` of a duration, and the `word` that may stand in its place |
//! | `x-empty` | what `null`, an empty text or an empty list means, in words |
//! | `x-when` | option → the values of it with which this one has an effect |
//! | `x-advanced` | `true` for what few will need |
//! | `x-not-saved` | `true` for what the frontend adds when it sends a query |
//!
//! `outrider schema --write .` refreshes what is made of it: the files in `schema/`, and the tables of the documents
//! ([`markdown`]). `pkg-frontend/scripts/schema.mjs` makes TypeScript of the files.

pub mod markdown;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::detector::DETECTORS;
use crate::query::{OptionsEntry, QUERY_OPTIONS, SCHEMA_VERSION};
use crate::settings::COMMON_SETTINGS;
use crate::source::SOURCES;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The settings beside `jsonData`: key, title, and what it is.
const PROTOCOL_FIELDS: [(&str, &str, &str, &str); 5] = [
    (
        "url",
        "string",
        "URL",
        "Where the upstream is: http or https, with its port, without user name and password; of a database host and port. \
         Queries add their paths to it and can reach nothing else.",
    ),
    ("user", "string", "User", "Who logs in to a database; best one that may only read."),
    ("database", "string", "Database", "Older versions of Grafana have the name of the database here."),
    ("basicAuth", "boolean", "Basic authentication", "Send a user name and a password."),
    ("basicAuthUser", "string", "User", "User name for basic authentication."),
];

/// The keys of `secureJsonData`.
const SECRETS: [(&str, &str); 8] = [
    ("basicAuthPassword", "Password for basic authentication."),
    ("bearerToken", "Sent as `Authorization: Bearer …` where basic authentication is off."),
    (
        "serviceAccountToken",
        "Of Grafana: token of the service account with whose rights its data sources are asked.",
    ),
    ("password", "Password of a database."),
    ("token", "Of InfluxDB 2 and 3: sent as `Authorization: Token …`."),
    ("tlsCACert", "Certificate of the authority that `tlsAuthWithCACert` trusts, PEM."),
    ("tlsClientCert", "Client certificate that `tlsAuth` shows, with its chain, PEM."),
    ("tlsClientKey", "Key of the client certificate, PEM, without a passphrase."),
];

/// What a query may say.
#[must_use]
pub fn query() -> Value {
    let mut generator = generator();
    let mut query = object(&QUERY_OPTIONS, &mut generator);
    query["$schema"] = json!(DRAFT);
    query["title"] = json!("Outrider query");
    query["description"] = json!(
        "Everything has a default, so {} is a query. Numbers and true or false may be written as text too, which is what a \
         template variable leaves behind. Options that do not exist are ignored, with a notice."
    );
    query["properties"]["version"] = json!({
        "title": "Version",
        "description": "Version of this schema.",
        "type": "integer",
        "const": SCHEMA_VERSION,
    });
    let mut kinds = Map::new();
    let sources = SOURCES.iter().map(|entry| {
        (entry.kind, entry.label, entry.description, Some(object(&entry.options, &mut generator)))
    });
    let sources: Vec<_> = sources.collect();
    let detectors = DETECTORS.iter().map(|entry| {
        (entry.kind, entry.label, entry.description, Some(object(&entry.options, &mut generator)))
    });
    let detectors: Vec<_> = detectors.collect();
    for (place, all) in [("source", sources), ("detector", detectors)] {
        let of = &mut query["properties"][place];
        of["anyOf"] = one_of(place, "kind", all, &mut kinds);
        if let Some(fields) = of.as_object_mut() {
            fields.remove("properties");
        }
    }
    query["$defs"] = Value::Object(kinds);
    query
}

/// What the settings of a data source may say.
#[must_use]
pub fn settings() -> Value {
    let mut generator = generator();
    let mut json_data = object(&COMMON_SETTINGS, &mut generator);
    let kinds: Vec<&str> = SOURCES.iter().map(|entry| entry.kind).collect();
    json_data["properties"]["source"]["enum"] = json!(kinds);
    json_data["title"] = json!("Readable settings");
    let mut own = Map::new();
    let all = SOURCES.iter().map(|entry| {
        let settings = entry.settings.map(|settings| object(&settings, &mut generator));
        (entry.kind, entry.label, entry.description, settings)
    });
    json_data["anyOf"] = one_of("settings", "source", all.collect(), &mut own);
    let mut properties = Map::new();
    let mut order = Vec::new();
    for (name, kind, title, description) in PROTOCOL_FIELDS {
        order.push(name);
        properties.insert(name.into(), json!({ "type": kind, "title": title, "description": description }));
    }
    order.extend(["jsonData", "secureJsonData"]);
    properties.insert("jsonData".into(), json_data);
    let secrets: Map<String, Value> = SECRETS
        .iter()
        .map(|(name, what)| ((*name).to_owned(), json!({ "type": "string", "description": what })))
        .collect();
    properties.insert(
        "secureJsonData".into(),
        json!({
            "title": "Secrets",
            "description": "Stored encrypted, and never sent to browsers.",
            "type": "object",
            "properties": secrets,
            "x-order": SECRETS.map(|(name, _)| name),
            "patternProperties": {
                "^httpHeaderValue[1-9][0-9]*$": {
                    "type": "string",
                    "description": "Value of the custom header that httpHeaderName of the same number in jsonData names.",
                },
            },
        }),
    );
    json!({
        "$schema": DRAFT,
        "title": "Outrider data source settings",
        "description": "Everything has a default. Unknown keys are ignored. Numbers may be written as text too.",
        "type": "object",
        "properties": properties,
        "x-order": order,
        "$defs": own,
    })
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator()
}

/// The schema of an object of options.
fn object(entry: &OptionsEntry, generator: &mut SchemaGenerator) -> Value {
    let mut schema = Schema::to_value(entry.schema(generator));
    tidy(&mut schema);
    if let Some(fields) = schema.as_object_mut() {
        // What the type is in the code is nothing to users.
        fields.remove("description");
    }
    schema
}

/// References to the kinds of `place`, which go into `definitions`; `name` is the key that says which kind it is.
fn one_of(
    place: &str,
    name: &str,
    all: Vec<(&'static str, &'static str, &'static str, Option<Value>)>,
    definitions: &mut Map<String, Value>,
) -> Value {
    let mut references = Vec::new();
    for (kind, label, description, schema) in all {
        let mut schema =
            schema.unwrap_or_else(|| json!({ "type": "object", "properties": {}, "x-order": [] }));
        schema["title"] = json!(label);
        schema["description"] = json!(description);
        schema["properties"][name] = json!({ "const": kind });
        let definition = format!("{place}.{kind}");
        references.push(json!({ "$ref": format!("#/$defs/{definition}") }));
        definitions.insert(definition, schema);
    }
    Value::Array(references)
}

/// Brings what the generator makes into the shape that is read here and by the frontend: texts in one line, whole numbers
/// without a point, and a choice that may be left open as one list with `null` in it.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                let lines =
                    text.split("\n\n").map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
                *text = lines.collect::<Vec<_>>().join("\n\n");
            }
            flatten_nullable(fields);
            fields.values_mut().for_each(tidy);
        }
        Value::Array(values) => values.iter_mut().for_each(tidy),
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            if let Some(float) = float.filter(|float| float.fract() == 0.0 && float.abs() < 2_f64.powi(53)) {
                *number = (float as i64).into();
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn flatten_nullable(fields: &mut Map<String, Value>) {
    let Some(Value::Array(any_of)) = fields.get("anyOf") else { return };
    let [Value::Object(inner), null] = any_of.as_slice() else { return };
    if *null != json!({ "type": "null" }) {
        return;
    }
    let mut inner = inner.clone();
    if let Some(Value::Array(choices)) = inner.get_mut("oneOf") {
        choices.insert(0, json!({ "const": null, "title": fields.get("x-empty") }));
    }
    fields.remove("anyOf");
    for (key, value) in inner {
        fields.entry(key).or_insert(value);
    }
}

/// The file of a schema, as it is committed.
#[must_use]
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// What is made of the schemas below `root`, the folder of the repository: the path of each file with what should be in it.
///
/// # Errors
/// If a document cannot be read, or a mark in it names no table.
pub fn files(root: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut files = vec![
        (root.join("schema/query.json"), text(&query())),
        (root.join("schema/settings.json"), text(&settings())),
    ];
    let tables = markdown::Tables::new();
    let mut documents = vec![root.join("README.md")];
    for folder in ["docs", "docs/sources", "docs/detectors"] {
        let mut found: Vec<PathBuf> =
            fs::read_dir(root.join(folder))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
        found.sort();
        documents.append(&mut found);
    }
    for path in documents {
        let wrong = |what: String| io::Error::other(format!("{}: {what}", path.display()));
        let text = fs::read_to_string(&path)?;
        let filled = tables.fill(&text).map_err(wrong)?;
        files.push((path, filled));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All objects of options, by the name of their table.
    fn all() -> Vec<(String, Value)> {
        let (query, settings) = (query(), settings());
        let mut all: Vec<(String, Value)> = [&query, &settings]
            .into_iter()
            .flat_map(|schema| schema["$defs"].as_object().cloned().unwrap_or_default())
            .collect();
        all.push(("query".into(), query));
        all.push(("jsonData".into(), settings["properties"]["jsonData"].clone()));
        all
    }

    #[test]
    fn every_option_has_its_place_a_title_words_and_a_default() {
        for (name, object) in all() {
            let properties = object["properties"].as_object().unwrap();
            let order: Vec<&str> =
                object["x-order"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            for option in properties.keys() {
                let known = order.contains(&option.as_str())
                    || ["kind", "source", "version"].contains(&option.as_str());
                assert!(known, "{name}.{option} has no place in {order:?}");
            }
            for option in order {
                let schema = &properties[option];
                for key in ["title", "description"] {
                    assert!(schema[key].is_string(), "{name}.{option} has no {key}: {schema}");
                }
                assert!(schema.get("default").is_some(), "{name}.{option} has no default: {schema}");
                let text = schema["description"].as_str().unwrap();
                assert!(!text.contains("[`") && !text.contains("efault:"), "{name}.{option}: {text}");
            }
        }
    }

    #[test]
    fn every_default_is_within_its_limits_and_among_its_choices() {
        for (name, object) in all() {
            for (option, schema) in object["properties"].as_object().unwrap() {
                let Some(default) = schema.get("default") else { continue };
                if let (Some(value), Some(least)) = (default.as_f64(), schema["minimum"].as_f64()) {
                    assert!(value >= least && value <= schema["maximum"].as_f64().unwrap_or(f64::INFINITY));
                }
                if let Some(choices) = schema["oneOf"].as_array() {
                    assert!(
                        choices.iter().any(|choice| choice["const"] == *default),
                        "{name}.{option}: {schema}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_choice_that_may_be_left_open_is_one_list() {
        let direction = &query()["$defs"]["detector.s-h-esd"]["properties"]["direction"];
        assert_eq!(direction["oneOf"][0], json!({ "const": null, "title": "as the query" }));
        assert_eq!(direction["oneOf"][1]["const"], "pos");
        assert_eq!(direction["default"], Value::Null);
    }
}
