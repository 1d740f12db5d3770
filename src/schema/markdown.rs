//! Tables of options for the documents, from the schemas.
//!
//! A document has `<!-- options: NAME -->` where a table begins and `<!-- /options -->` where it ends; what is between is
//! made anew. Names: `query`, `settings`, `outputs`, `source.KIND`, `detector.KIND`, `settings.KIND`, `sources`,
//! `detectors`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

const OPEN: &str = "<!-- options: ";
const OPEN_END: &str = " -->";
const CLOSE: &str = "<!-- /options -->";

/// All tables by their names.
#[derive(Debug)]
pub struct Tables(BTreeMap<String, String>);

impl Tables {
    /// Those of all options there are.
    #[must_use]
    pub fn new() -> Self {
        let (query, settings) = (super::query(), super::settings());
        let mut tables = BTreeMap::new();
        tables.insert("query".to_owned(), options(&query, &["output"]));
        tables.insert("settings".to_owned(), options(&settings["properties"]["jsonData"], &[]));
        tables.insert("outputs".to_owned(), choices("output", &query["properties"]["output"]));
        for schema in [&query, &settings] {
            for (name, kind) in schema["$defs"].as_object().into_iter().flatten() {
                tables.insert(name.clone(), options(kind, &[]));
            }
        }
        for place in ["source", "detector"] {
            tables.insert(format!("{place}s"), kinds(&query, place));
        }
        Self(tables)
    }

    /// The table of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names of all tables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// `document` with each of its tables made anew.
    ///
    /// # Errors
    /// If a mark names no table, or has no end.
    pub fn fill(&self, document: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = document;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let (name, after) = after.split_once(OPEN_END).ok_or("a mark of options is not closed")?;
            let (_, after) =
                after.split_once(CLOSE).ok_or_else(|| format!("the options {name} have no {CLOSE}"))?;
            let table = self.get(name).ok_or_else(|| format!("there are no options {name}"))?;
            let _ = write!(filled, "{before}{OPEN}{name}{OPEN_END}\n{table}{CLOSE}");
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

/// The options of an object in their order. What the choices of those in `elsewhere` mean stands in a table of its own.
fn options(object: &Value, elsewhere: &[&str]) -> String {
    let mut table = "| option | default | values | |\n|---|---|---|---|\n".to_owned();
    for name in object["x-order"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let schema = &object["properties"][name];
        if schema["x-not-saved"] == true {
            continue;
        }
        let words =
            if elsewhere.contains(&name) { text(&schema["description"]).to_owned() } else { words(schema) };
        row(&mut table, &[&format!("`{name}`"), &default(schema), &values(schema), &words]);
    }
    table
}

fn choices(name: &str, schema: &Value) -> String {
    let mut table = format!("| {name} | |\n|---|---|\n");
    for choice in list(schema) {
        row(&mut table, &[&code(&choice["const"]), text(&choice["description"])]);
    }
    table
}

fn kinds(query: &Value, place: &str) -> String {
    let mut table = format!("| {place} | `kind` | |\n|---|---|---|\n");
    for kind in query["properties"][place]["anyOf"].as_array().into_iter().flatten() {
        let definition = text(&kind["$ref"]).trim_start_matches("#/$defs/");
        let schema = &query["$defs"][definition];
        let kind = text(&schema["properties"]["kind"]["const"]);
        let name = match (place, kind) {
            // It has no page of its own: its options stand beside the table.
            ("source", "generator") => text(&schema["title"]).to_owned(),
            _ => format!("[{}](docs/{place}s/{kind}.md)", text(&schema["title"])),
        };
        row(&mut table, &[&name, &format!("`{kind}`"), text(&schema["description"])]);
    }
    table
}

fn row(table: &mut String, cells: &[&str]) {
    for cell in cells {
        let cell = cell.replace('|', "\\|").replace('\n', " ");
        if cell.is_empty() {
            table.push_str("| ");
        } else {
            let _ = write!(table, "| {cell} ");
        }
    }
    table.push_str("|\n");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn code(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// The values that may be chosen; none if it is no choice.
fn list(schema: &Value) -> impl Iterator<Item = &Value> {
    let of = if schema["type"] == "array" { &schema["items"] } else { schema };
    of["oneOf"].as_array().into_iter().flatten().filter(|choice| !choice["const"].is_null())
}

/// What a choice means, after what the option means.
fn words(schema: &Value) -> String {
    let mut words = text(&schema["description"]).to_owned();
    for choice in list(schema) {
        let description = text(&choice["description"]);
        if !description.is_empty() {
            let _ = write!(words, " {}: {}", code(&choice["const"]), lower_first(description));
        }
    }
    words
}

/// The first letter small, unless it begins an abbreviation or a name.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let (first, second) = (letters.next(), letters.clone().next());
    match (first, second) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            format!("{}{}", first.to_lowercase(), letters.as_str())
        }
        _ => text.to_owned(),
    }
}

fn default(schema: &Value) -> String {
    let empty = || text(&schema["x-empty"]).to_owned();
    match &schema["default"] {
        Value::Null => empty(),
        Value::String(text) if text.is_empty() => empty(),
        Value::Array(values) if values.is_empty() => empty(),
        Value::Object(fields) if fields.is_empty() => empty(),
        Value::Number(number) => rounded(number.as_f64().unwrap_or(f64::NAN)),
        value => code(value),
    }
}

/// With no more digits than say something.
fn rounded(number: f64) -> String {
    const DIGITS: f64 = 1e5;
    let short = (number * DIGITS).round() / DIGITS;
    if short == 0.0 { number.to_string() } else { short.to_string() }
}

/// What the option may be: its range with its unit, or its choices.
fn values(schema: &Value) -> String {
    let named: Vec<String> = list(schema).map(|choice| code(&choice["const"])).collect();
    if schema["type"] == "array" {
        let of =
            if named.is_empty() { values(&schema["items"]) } else { format!("any of {}", named.join(", ")) };
        let most = schema["maxItems"].as_u64().map_or(String::new(), |most| format!(", at most {most}"));
        return if of.is_empty() { format!("list{most}") } else { format!("list{most}: {of}") };
    }
    if !named.is_empty() {
        return named.join(", ");
    }
    if schema["anyOf"].is_array() {
        return "object: `kind`, and the options of the kind".to_owned();
    }
    if let Some(names) = schema["enum"].as_array() {
        return names.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    if let Some(limits) = schema.get("x-duration") {
        let word = limits["word"].as_str().map(|word| format!("`{word}`, ")).unwrap_or_default();
        return match (limits["minimum"].as_str(), limits["maximum"].as_str()) {
            (Some(shortest), Some(longest)) => format!("{word}{shortest} to {longest}"),
            _ => format!("{word}a duration"),
        };
    }
    let type_is = |name: &str| match &schema["type"] {
        Value::Array(names) => names.iter().any(|other| other == name),
        other => other == name,
    };
    if schema["format"] == "iana-time-zone" {
        return "IANA name".to_owned();
    }
    if type_is("boolean") {
        return "`true`, `false`".to_owned();
    }
    if type_is("integer") || type_is("number") {
        let range = range(schema);
        let unit = schema["x-unit"].as_str().map(|unit| format!(" {unit}")).unwrap_or_default();
        return format!("{range}{unit}");
    }
    String::new()
}

fn range(schema: &Value) -> String {
    let at = |key: &str| schema[key].as_f64().map(|limit| limit.to_string());
    let whole = schema["type"] == "integer" || schema["type"][0] == "integer";
    let any = if whole { "a whole number" } else { "a number" };
    match (at("minimum"), at("exclusiveMinimum"), at("maximum"), at("exclusiveMaximum")) {
        (Some(least), _, Some(most), _) => format!("{least} to {most}"),
        (_, Some(above), Some(most), _) => format!("above {above}, up to {most}"),
        (_, Some(above), _, Some(below)) => format!("above {above}, below {below}"),
        (Some(least), _, None, None) => format!("{any} from {least}"),
        (_, Some(above), None, None) => format!("{any} above {above}"),
        _ => any.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_gets_its_tables_and_keeps_the_rest() {
        let tables = Tables::new();
        let document = "before\n<!-- options: detector.auto -->\nold\n<!-- /options -->\nafter\n";
        let filled = tables.fill(document).unwrap();
        assert!(
            filled.starts_with("before\n<!-- options: detector.auto -->\n| option | default |"),
            "{filled}"
        );
        assert!(filled.ends_with("<!-- /options -->\nafter\n") && !filled.contains("old"), "{filled}");
        assert_eq!(tables.fill(&filled).unwrap(), filled);
        for (wrong, says) in [
            ("<!-- options: detector.tea-leaves -->\n<!-- /options -->", "no options detector.tea-leaves"),
            ("<!-- options: query -->\n", "have no <!-- /options -->"),
        ] {
            assert!(tables.fill(wrong).unwrap_err().contains(says));
        }
    }

    #[test]
    fn rows_say_default_range_unit_and_meaning() {
        let tables = Tables::new();
        for (name, row) in [
            ("detector.auto", "| `sensitivity` | 0.5 | 0 to 1 | How easily"),
            ("detector.auto", "| `refractory` | 300 | 0 to 10000 points |"),
            ("detector.s-h-esd", "| `alpha` | 0.05 | above 0, below 1 |"),
            ("detector.s-h-esd", "| `direction` | as the query | `pos`, `neg`, `both` |"),
            ("detector.mad", "| `scale` | 1.4826 | above 0, up to 1000 |"),
            ("detector.iqr", "| `window` | `training` | `training`, 1s to 400d |"),
            ("query", "| `trainingWindow` | `auto` | `auto`, 1m to 400d |"),
            ("settings", "| `timeout` | 30 | 1 to 600 seconds |"),
            ("outputs", "| `state` | One state a point"),
        ] {
            let table = tables.get(name).unwrap();
            assert!(table.contains(row), "{row} is not in\n{table}");
        }
    }
}
