//! Any web service that answers with JSON: rows of time and value somewhere in it, several series by label.
//!
//! A query says what to ask (`path`, `params`, `body`, with macros for the range) and where in the answer the rows,
//! and in a row its time, value and labels are, as JSON pointers (RFC 6901); the rows by a JSONPath (RFC 9535), too, and
//! in other forms than rows. The defaults fit an answer like
//! `{"query_response": [[1700000000000, 10.5], …]}` to `GET {url}/query?from=<ms>&to=<ms>`.

mod cells;
mod forms;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::source) mod fuzzing;
mod lines;
mod path;
mod place;
mod pointer;
mod points;
mod rows;
#[cfg(test)]
mod shapes;
mod tree;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::place::{LabelPlace, RowsPlace};
use self::pointer::Pointer;
use self::points::Layout;
use super::collect::odd_times;
use super::http::{Answer, Body, HttpClient, HttpRequest};
use super::time::TimeFormat;
use super::{FetchRequest, Fetched, Reached, Source, decoded};
use crate::error::{Category, Error, Result};
#[cfg(any(test, feature = "fuzzing"))]
use crate::fuzzing::Target;
use crate::query::{MacroValues, OptionsEntry, expand};
use crate::settings::Settings;

/// A web service that answers with JSON.
#[derive(Debug)]
pub struct HttpJson {
    client: HttpClient,
    health: HttpRequest,
    allow_post: bool,
    allowed_paths: Arc<[String]>,
}

/// What of `jsonData` only this kind knows.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct OwnSettings {
    /// Whoever may query this data source may then send anything to the service by POST, with its credentials. Only for
    /// services whose POST changes nothing. Otherwise queries may GET only.
    #[schemars(title = "Allow POST")]
    allow_post: bool,
    /// Paths below the URL: queries may ask for these and what is below them, and for nothing else.
    #[schemars(title = "Allowed paths", extend("x-empty" = "everything below the URL"))]
    allowed_paths: Vec<String>,
}

/// What a query can say to a JSON web service. The doc comments are the user documentation.
///
/// Macros, replaced in `path`, `params` and `body`: `${__from}` and `${__to}` (ms since the epoch),
/// `${__from:date:seconds}`, `${__from:date:iso}`, `$__interval` (such as `5m`), `$__interval_ms` and
/// `$__maxDataPoints`. The range is the one the detector needs, training window included.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// Path below the URL in the data source settings, without parameters. Never a host, and without `..`.
    #[schemars(title = "Path")]
    pub path: String,
    /// How to ask; POST, with a JSON body, only where the data source settings allow it.
    #[schemars(title = "Method")]
    pub method: Method,
    /// Query parameters of the request.
    #[schemars(title = "Parameters")]
    pub params: Vec<Param>,
    /// JSON text that a `POST` sends. Values of macros are escaped for use in a JSON string.
    #[schemars(title = "Body", extend("x-when" = { "method": ["POST"] }))]
    pub body: String,
    /// How the answer is written.
    #[schemars(title = "Format")]
    pub format: Format,
    /// Where the rows are: a JSON pointer to one place (`/data/rows`; empty for the whole answer, or for the list of lines),
    /// or a JSONPath to any number of them (`$.data[*].values`). Not looked at in CSV.
    #[schemars(title = "Rows", extend("x-when" = { "format": ["json", "ndjson"] }))]
    pub rows: RowsPlace,
    /// How times and values are laid out where the rows are. Not looked at in CSV.
    #[schemars(title = "Form", extend("x-when" = { "format": ["json", "ndjson"] }))]
    pub form: Form,
    /// Where in a row its time is; a row may be an array or an object. With `columns` where the array of times is; not
    /// looked at with `keyed`. In CSV the name of a column, or its index.
    #[schemars(title = "Time")]
    pub time: Pointer,
    /// Where in a row its value is: a number, a number as text, or true (1) and false (0). `null`, `""` and `"NaN"`
    /// are gaps. With `columns` where the array of values is, with `keyed` where in a member its value is. In CSV the name
    /// of a column, or its index.
    #[schemars(title = "Value")]
    pub value: Pointer,
    /// Labels, which split the rows into series, each a name and where its text is. A row that lacks one gets an empty
    /// text. At most 32.
    #[schemars(title = "Labels", extend("x-empty" = "none"))]
    pub labels: Vec<Label>,
    /// How times are written.
    #[schemars(title = "Time format")]
    pub time_format: TimeFormat,
    /// Name of the series.
    #[schemars(title = "Name")]
    pub name: String,
    /// Grafana's id of the unit of the values, for example `ms`, `bytes` or `percent`.
    #[schemars(title = "Unit", extend("x-empty" = "none"))]
    pub unit: String,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON text.
    #[default]
    #[schemars(title = "JSON")]
    Json,
    /// One JSON text a line; read as the list of the lines.
    #[schemars(title = "JSON lines")]
    Ndjson,
    /// Lines of cells, separated by commas, semicolons or tabs.
    #[schemars(title = "CSV")]
    Csv,
}

/// How rows are laid out where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// An array of rows, each with a time and a value.
    #[default]
    #[schemars(title = "Array of rows")]
    Rows,
    /// An array of times and an array of values side by side.
    #[schemars(title = "Columns")]
    Columns,
    /// An object whose names are the times.
    #[schemars(title = "Keyed by time")]
    Keyed,
}

/// HTTP method of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Without a body.
    #[default]
    #[schemars(title = "GET")]
    Get,
    /// With a JSON body.
    #[schemars(title = "POST")]
    Post,
}

/// One URL parameter; macros are replaced in both parts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Param {
    /// Name.
    pub name: String,
    /// Value.
    #[serde(default)]
    pub value: String,
}

/// One label of the series.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct Label {
    /// Name of the label.
    pub name: String,
    /// Where in a row its text is; numbers and booleans become text. Seen from the place of the rows if it begins with a
    /// digit: `1/name` is `name` beside them, `1#` the name or index of what they are in. With the name `*`, all members of
    /// the object there become labels.
    pub pointer: LabelPlace,
}

const DEFAULT_NAME: &str = "value";
/// How much of the answer to "Save & test" is shown.
const GREETING_CHARS: usize = 80;

impl Default for Options {
    fn default() -> Self {
        let param = |name: &str, value: &str| Param { name: name.to_owned(), value: value.to_owned() };
        Self {
            path: "/query".to_owned(),
            method: Method::Get,
            params: vec![param("from", "${__from}"), param("to", "${__to}")],
            body: String::new(),
            format: Format::Json,
            rows: RowsPlace::Pointer(Pointer::to_keys(&["query_response"])),
            form: Form::Rows,
            time: Pointer::to_keys(&["0"]),
            value: Pointer::to_keys(&["1"]),
            labels: Vec::new(),
            time_format: TimeFormat::Auto,
            name: DEFAULT_NAME.to_owned(),
            unit: String::new(),
        }
    }
}

#[async_trait]
impl Source for HttpJson {
    const KIND: &'static str = "http-json";
    const LABEL: &'static str = "HTTP JSON";
    const DESCRIPTION: &'static str = "Any web service that answers with times and values in JSON or CSV";
    type Options = Options;
    #[cfg(any(test, feature = "fuzzing"))]
    const FUZZ: &'static [Target] = &[Target { name: "http-json", run: fuzzing::answer }];
    const SETTINGS: Option<OptionsEntry> = Some(OptionsEntry::of::<OwnSettings>());

    fn connect(settings: &Settings) -> Result<Self> {
        let client = HttpClient::new(settings)?;
        let health = client.get(&settings.health_path, &[]).map_err(|error| {
            Error::new(Category::Config, format!("healthPath: {}", error.message()))
                .hint("set healthPath in the data source settings to a path below the URL, such as /")
        })?;
        let own: OwnSettings = settings.own.parse()?;
        let allowed_paths = client.prefixes(&own.allowed_paths)?;
        Ok(Self { client, health, allow_post: own.allow_post, allowed_paths })
    }

    async fn fetch(&self, options: &Options, request: &FetchRequest) -> Result<Fetched> {
        let layout = Layout::of(options)?;
        let range = request.range;
        let request = self.request(options, request)?;
        let executed = self.client.describe(&request);
        let Answer { bytes, .. } = self.client.send(&request).await?;
        let (secrets, limits) = (self.client.secrets(), self.client.limits());
        let decode = move || rows::decode(&bytes, &layout, limits, &secrets);
        let ((series, notices), decode_time) = decoded("the decoder of JSON answers", decode).await?;
        if let Some(odd) = odd_times(&series, range) {
            return Err(Error::new(Category::Protocol, odd)
                .hint("set timeFormat to what the times are, and time and value to where they are"));
        }
        Ok(Fetched { series, step_ms: None, executed, notices, decode_time })
    }

    async fn check(&self) -> Result<Reached> {
        let Answer { bytes, elapsed, .. } = self.client.send(&self.health).await?;
        let asked = self.client.describe(&self.health);
        let greeting = self.client.first_line(&bytes, GREETING_CHARS);
        let says = if greeting.is_empty() { String::new() } else { format!(": \"{greeting}\"") };
        Ok(Reached {
            message: format!(
                "Reached {} in {} ms{says}",
                asked.strip_prefix("GET ").unwrap_or(&asked),
                elapsed.as_millis()
            ),
            details: format!("{asked} was answered with {} bytes", bytes.len()),
        })
    }
}

impl HttpJson {
    /// The request of a query, macros replaced and each escaped for its place.
    fn request(&self, options: &Options, request: &FetchRequest) -> Result<HttpRequest> {
        let values = MacroValues {
            from_ms: request.range.from_ms,
            to_ms: request.range.to_ms,
            step_ms: request.step_ms,
            max_data_points: request.max_points(),
        };
        let path = expand(&options.path, &values, url_escaped)?;
        let mut params = Vec::with_capacity(options.params.len());
        for Param { name, value } in options.params.iter().filter(|param| !param.name.is_empty()) {
            // The URL type escapes these itself.
            params.push((expand(name, &values, str::to_owned)?, expand(value, &values, str::to_owned)?));
        }
        let request = match options.method {
            Method::Get => self.client.get(&path, &params)?,
            Method::Post if !self.allow_post => {
                return Err(Error::new(Category::Query, "the data source does not allow POST")
                    .hint("use GET, or allow POST in the data source settings (allowPost)"));
            }
            // What a service does when it is sent something is its own business: never tried again.
            Method::Post => {
                let body = expand(&options.body, &values, json_escaped)?;
                self.client.post(&path, &params, Body::json(body))?
            }
        };
        request.within(&self.allowed_paths)
    }
}

fn url_escaped(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// `value` as it stands between the quotes of a JSON string.
fn json_escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
