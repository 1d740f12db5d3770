//! The data source's settings: which upstream, where it is, and how to get in.
//!
//! Input is what Grafana stores for a data source: a few protocol fields (`url`, basic auth), `jsonData` (readable by
//! every editor) and decrypted `secureJsonData`. Every field has a default and unknown fields are ignored, because
//! Grafana and other tools add their own. Secrets live in [`SecretString`], whose `Debug` prints nothing of them.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
pub use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Category, Error, Result};
use crate::query::{AUTO, DurationMs, OptionsEntry, SETTLE_RANGE, settle_schema};

/// How the upstream is reached; built once per saved version of the data source.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The organisation the data source belongs to; 0 if it is unknown.
    pub org_id: i64,
    /// Grafana's name for the data source itself; empty outside Grafana.
    pub uid: String,
    /// Kind of the upstream, a name of [`crate::source::SOURCES`]. Default `generator`.
    pub source: String,
    /// Base URL of the upstream, as typed. Empty where the kind needs none.
    pub url: String,
    /// Protocol field `user`: who logs in to a database. Empty where the kind needs none.
    pub user: String,
    /// `jsonData.database`, or where that is absent the protocol field of older versions of Grafana.
    pub database: String,
    /// How much one query may cost.
    pub limits: Limits,
    /// For how long, ms, the newest points are left out by queries that do not say so themselves. `jsonData.settle`, default 0.
    pub settle_ms: i64,
    /// Path below the URL that "Save & test" asks for. `jsonData.healthPath`, default `/`.
    pub health_path: String,
    /// Who we say we are.
    pub auth: Auth,
    /// Whom we believe the server to be.
    pub tls: TlsSettings,
    /// Headers sent with every upstream request, name and secret value.
    pub headers: Vec<(String, SecretString)>,
    /// What only one kind of source knows.
    pub own: OwnSettings,
    /// What the operator of this machine allows, whatever the data source says.
    pub operator: Operator,
}

/// What the operator of the machine allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Directories, as absolute paths, below which SQLite databases may be read. Default none.
    pub sqlite_directories: Vec<PathBuf>,
    /// Bytes that SQLite may take for all statements together. Default 64 MiB.
    pub sqlite_bytes: usize,
}

impl Default for Operator {
    fn default() -> Self {
        Self { sqlite_directories: Vec::new(), sqlite_bytes: 64 * 1024 * 1024 }
    }
}

/// The settings that only one kind of source knows: all of `jsonData`, and all secrets.
#[derive(Debug, Clone, Default)]
pub struct OwnSettings {
    json: Map<String, Value>,
    secrets: HashMap<String, SecretString>,
}

/// How much one query may cost us and its upstream. Each is a key of `jsonData`, whose schema has its range and default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of one request. `timeout`, seconds.
    pub timeout: Duration,
    /// Bytes of one answer, unpacked. `maxResponseBytes`.
    pub max_response_bytes: usize,
    /// Rows of one answer. `maxRows`; by default as many as the default of `maxResponseBytes` holds in the shortest usual
    /// form.
    pub max_rows: usize,
    /// Series of one answer. `maxSeries`.
    pub max_series: usize,
    /// Requests of this data source under way at the same time; others wait. `maxConcurrentRequests`.
    pub max_concurrent_requests: usize,
    /// How often a request that only reads is tried again if the upstream could not be reached or asked to be left in
    /// peace. `retries`.
    pub retries: usize,
}

/// Credentials sent with every upstream request.
#[derive(Debug, Clone)]
pub enum Auth {
    /// None at all.
    None,
    /// RFC 7617 basic authentication.
    Basic {
        /// User name.
        user: String,
        /// Password, `secureJsonData.basicAuthPassword`.
        password: SecretString,
    },
    /// RFC 6750 bearer token, `secureJsonData.bearerToken`.
    Bearer(SecretString),
}

/// TLS options, in the names Grafana's own HTTP settings use.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// `jsonData.tlsSkipVerify`: accept any certificate. Only ever on request.
    pub skip_verify: bool,
    /// `secureJsonData.tlsCACert` (PEM), trusted besides the system's roots if `jsonData.tlsAuthWithCACert`.
    pub ca_certificate: Option<SecretString>,
    /// `secureJsonData.tlsClientCert` and `tlsClientKey` (PEM), shown to the server if `jsonData.tlsAuth`.
    pub client_identity: Option<ClientIdentity>,
}

/// A client certificate with its key, both PEM.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// Certificate chain.
    pub certificate: SecretString,
    /// Private key.
    pub key: SecretString,
}

/// What Grafana hands over for one data source, before it is understood. `Debug` is left out on purpose: it holds
/// decrypted secrets.
#[expect(missing_debug_implementations, reason = "holds decrypted secrets")]
#[derive(Default)]
pub struct RawSettings<'a> {
    /// Protocol field `orgId` of the request.
    pub org_id: i64,
    /// Protocol field `uid`.
    pub uid: &'a str,
    /// Protocol field `url`.
    pub url: &'a str,
    /// Protocol field `user`.
    pub user: &'a str,
    /// Protocol field `database`.
    pub database: &'a str,
    /// Protocol field `basicAuth`.
    pub basic_auth: bool,
    /// Protocol field `basicAuthUser`.
    pub basic_auth_user: &'a str,
    /// `jsonData`, as stored; may be empty.
    pub json_data: &'a [u8],
    /// `secureJsonData`, decrypted.
    pub secure_json_data: Option<&'a HashMap<String, String>>,
    /// What the operator says; the default without.
    pub operator: Option<&'a Operator>,
}

/// The settings that every data source has: see `JsonData`.
pub(crate) const COMMON_SETTINGS: OptionsEntry = OptionsEntry::of::<JsonData>();

/// What a number of the settings may be.
#[derive(Debug, Clone, Copy)]
struct Limit {
    least: f64,
    most: f64,
    unit: &'static str,
}

const TIMEOUT: Limit = Limit { least: 1.0, most: 600.0, unit: "seconds" };
const RESPONSE_BYTES: Limit = Limit { least: 1024.0, most: 1_073_741_824.0, unit: "bytes" };
const ROWS: Limit = Limit { least: 1.0, most: 100_000_000.0, unit: "rows" };
const SERIES: Limit = Limit { least: 1.0, most: 100_000.0, unit: "series" };
const REQUESTS: Limit = Limit { least: 1.0, most: 64.0, unit: "requests" };
const RETRIES: Limit = Limit { least: 0.0, most: 10.0, unit: "retries" };

impl Limit {
    fn schema(self, whole: bool) -> Schema {
        let Self { least, most, unit } = self;
        let kind = if whole { "integer" } else { "number" };
        json_schema!({ "type": kind, "minimum": least, "maximum": most, "x-unit": unit })
    }
}

fn timeout_schema(_: &mut SchemaGenerator) -> Schema {
    TIMEOUT.schema(false)
}

fn response_schema(_: &mut SchemaGenerator) -> Schema {
    RESPONSE_BYTES.schema(true)
}

fn rows_schema(_: &mut SchemaGenerator) -> Schema {
    ROWS.schema(true)
}

fn series_schema(_: &mut SchemaGenerator) -> Schema {
    SERIES.schema(true)
}

fn requests_schema(_: &mut SchemaGenerator) -> Schema {
    REQUESTS.schema(true)
}

fn retries_schema(_: &mut SchemaGenerator) -> Schema {
    RETRIES.schema(true)
}

/// `jsonData` as it is on the wire. The doc comments are the user documentation.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct JsonData {
    /// What kind of upstream the data source asks.
    #[schemars(title = "Upstream")]
    source: String,
    /// Path below the URL that "Save & test" asks for.
    #[schemars(title = "Health path")]
    health_path: String,
    /// How long one request to the upstream may take.
    #[schemars(title = "Timeout", schema_with = "timeout_schema")]
    #[serde(deserialize_with = "number_or_text")]
    timeout: f64,
    /// A longer answer of the upstream is refused before it fills the memory; it is measured after decompression.
    #[schemars(title = "Largest answer", schema_with = "response_schema")]
    #[serde(deserialize_with = "number_or_text")]
    max_response_bytes: f64,
    /// An answer with more rows is refused.
    #[schemars(title = "Most rows", schema_with = "rows_schema")]
    #[serde(deserialize_with = "number_or_text")]
    max_rows: f64,
    /// An answer with more series is refused.
    #[schemars(title = "Most series", schema_with = "series_schema")]
    #[serde(deserialize_with = "number_or_text")]
    max_series: f64,
    /// Requests to the upstream under way at the same time; others wait.
    #[schemars(title = "Requests at once", schema_with = "requests_schema")]
    #[serde(deserialize_with = "number_or_text")]
    max_concurrent_requests: f64,
    /// How often a request that only reads is tried again if the upstream cannot be reached or is too busy.
    #[schemars(title = "Retries", schema_with = "retries_schema")]
    #[serde(deserialize_with = "number_or_text")]
    retries: f64,
    /// For how long the newest points are left out by queries that do not say so themselves: as long as late data may still
    /// change them. `auto` is only as long as the upstream is known to need.
    #[schemars(title = "Settle", schema_with = "settle_schema")]
    settle: String,
    /// Name of the database; in InfluxDB 2 the bucket. Grafana's older place for it, `database` beside `jsonData`, is read
    /// too.
    #[schemars(title = "Database", extend("x-empty" = "the one that the server chooses"))]
    database: String,
    /// Accept any certificate of the server. Anyone in between can then read and change the data.
    #[schemars(title = "Skip verification")]
    tls_skip_verify: bool,
    /// Trust one more certificate authority, `secureJsonData.tlsCACert` (PEM), beside those of the system; or, for an
    /// upstream by HTTP, the very certificate that it shows.
    // Grafana's own spelling has two capitals in a row, which camelCase cannot give.
    #[serde(rename = "tlsAuthWithCACert")]
    #[schemars(title = "Own CA certificate")]
    tls_auth_with_ca_cert: bool,
    /// Show a certificate to the server: `secureJsonData.tlsClientCert` and `tlsClientKey` (PEM).
    #[schemars(title = "Client certificate")]
    tls_auth: bool,
}

const DEFAULT_SOURCE: &str = "generator";

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            max_response_bytes: 64 * 1024 * 1024,
            max_rows: 3_000_000,
            max_series: 1_000,
            max_concurrent_requests: 4,
            retries: 2,
        }
    }
}

impl Default for JsonData {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            source: DEFAULT_SOURCE.to_owned(),
            timeout: limits.timeout.as_secs_f64(),
            max_response_bytes: limits.max_response_bytes as f64,
            max_rows: limits.max_rows as f64,
            max_series: limits.max_series as f64,
            max_concurrent_requests: limits.max_concurrent_requests as f64,
            retries: limits.retries as f64,
            database: String::new(),
            settle: AUTO.to_owned(),
            health_path: "/".to_owned(),
            tls_skip_verify: false,
            tls_auth: false,
            tls_auth_with_ca_cert: false,
        }
    }
}

impl Default for Settings {
    /// A data source on which nothing was typed: the generator.
    fn default() -> Self {
        Self {
            org_id: 0,
            uid: String::new(),
            source: DEFAULT_SOURCE.to_owned(),
            url: String::new(),
            user: String::new(),
            database: String::new(),
            limits: Limits::default(),
            settle_ms: 0,
            health_path: "/".to_owned(),
            auth: Auth::None,
            tls: TlsSettings::default(),
            headers: Vec::new(),
            own: OwnSettings::default(),
            operator: Operator::default(),
        }
    }
}

impl Settings {
    /// Understands what Grafana stored.
    ///
    /// # Errors
    /// [`Category::Config`] if `jsonData` is not an object of the right types, a number is out of range, or a TLS
    /// option is on while its certificate or key is missing. No message repeats a value of `jsonData` or of
    /// `secureJsonData`.
    pub fn parse(raw: &RawSettings<'_>) -> Result<Self> {
        let (json, all) = parse_json_data(raw.json_data)?;
        let secrets: HashMap<String, SecretString> = raw
            .secure_json_data
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.clone(), SecretString::from(value.as_str())))
            .collect();
        let secret = |name: &str| secrets.get(name).cloned();

        let auth = if raw.basic_auth {
            Auth::Basic {
                user: raw.basic_auth_user.to_owned(),
                password: secret("basicAuthPassword").unwrap_or_default(),
            }
        } else {
            secret("bearerToken").map_or(Auth::None, Auth::Bearer)
        };
        let needed = |name: &str, option: &str| {
            secret(name).ok_or_else(|| {
                Error::new(Category::Config, format!("{option} is on, but {name} is empty"))
                    .hint(format!("paste the PEM text into {name}, or switch {option} off"))
            })
        };
        let tls = TlsSettings {
            skip_verify: json.tls_skip_verify,
            ca_certificate: json
                .tls_auth_with_ca_cert
                .then(|| needed("tlsCACert", "tlsAuthWithCACert"))
                .transpose()?,
            client_identity: json
                .tls_auth
                .then(|| {
                    Ok::<_, Error>(ClientIdentity {
                        certificate: needed("tlsClientCert", "tlsAuth")?,
                        key: needed("tlsClientKey", "tlsAuth")?,
                    })
                })
                .transpose()?,
        };
        let limits = json.limits()?;
        let settle_ms = settle_ms(&json.settle)?;
        let database = if json.database.is_empty() { raw.database } else { &json.database };
        Ok(Self {
            org_id: raw.org_id,
            uid: raw.uid.to_owned(),
            source: if json.source.is_empty() { DEFAULT_SOURCE.to_owned() } else { json.source },
            url: raw.url.trim().to_owned(),
            user: raw.user.to_owned(),
            database: database.trim().to_owned(),
            limits,
            settle_ms,
            health_path: json.health_path,
            auth,
            tls,
            headers: custom_headers(&all, secret),
            own: OwnSettings { json: all, secrets },
            operator: raw.operator.cloned().unwrap_or_default(),
        })
    }
}

impl OwnSettings {
    /// Those of an object with the keys of `jsonData`, and of secrets by their keys.
    #[must_use]
    pub fn new(json: Map<String, Value>, secrets: HashMap<String, SecretString>) -> Self {
        Self { json, secrets }
    }

    /// The keys of `jsonData` that only one kind of source knows, as that kind's type. Absent ones need a default
    /// (`#[serde(default)]`), and unknown ones must be allowed.
    ///
    /// # Errors
    /// [`Category::Config`] naming the key, without its value.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        let all = Value::Object(self.json.clone());
        serde_path_to_error::deserialize(&all).map_err(|error| {
            unreadable(&format!(": {} has the wrong type or value", first_key(error.path())))
        })
    }

    /// A secret by its key in `secureJsonData`; `None` if it was not given or is empty.
    #[must_use]
    pub fn secret(&self, key: &str) -> Option<&SecretString> {
        self.secrets.get(key)
    }

    /// Every secret there is, for scrubbing messages.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.secrets.values()
    }
}

impl JsonData {
    fn limits(&self) -> Result<Limits> {
        in_range("timeout", self.timeout, TIMEOUT)?;
        in_range("maxResponseBytes", self.max_response_bytes, RESPONSE_BYTES)?;
        in_range("maxRows", self.max_rows, ROWS)?;
        in_range("maxSeries", self.max_series, SERIES)?;
        in_range("maxConcurrentRequests", self.max_concurrent_requests, REQUESTS)?;
        in_range("retries", self.retries, RETRIES)?;
        Ok(Limits {
            timeout: Duration::from_secs_f64(self.timeout),
            max_response_bytes: self.max_response_bytes as usize,
            max_rows: self.max_rows as usize,
            max_series: self.max_series as usize,
            max_concurrent_requests: self.max_concurrent_requests as usize,
            retries: self.retries as usize,
        })
    }
}

/// For how long the newest points are left out; `auto` and nothing at all are 0.
fn settle_ms(text: &str) -> Result<i64> {
    if matches!(text.trim(), "" | AUTO) {
        return Ok(0);
    }
    let (min, max) = SETTLE_RANGE;
    let settle = text.parse::<DurationMs>().ok().filter(|settle| (min..=max).contains(settle));
    settle.map(DurationMs::as_millis).ok_or_else(|| {
        Error::new(Category::Config, format!("settle is no duration from {min} to {max}")).hint(
            "set settle in the data source settings to a duration in that range, such as 1m, or to auto",
        )
    })
}

fn unreadable(place: &str) -> Error {
    // serde's messages may quote the offending value, and people paste secrets into the wrong field: only the place
    // is told.
    Error::new(Category::Config, format!("the data source settings (jsonData) cannot be read{place}"))
        .hint("open the data source's page, correct the field and save it again")
}

/// The fields this plugin knows, and besides them all of the object, for the numbered ones.
fn parse_json_data(bytes: &[u8]) -> Result<(JsonData, Map<String, Value>)> {
    let text = bytes.trim_ascii();
    if text.is_empty() || text == b"null" {
        return Ok((JsonData::default(), Map::new()));
    }
    let all: Value = serde_json::from_slice(text).map_err(|_| unreadable(": they are not valid JSON"))?;
    let known = serde_path_to_error::deserialize(&all)
        .map_err(|error| unreadable(&format!(": {} has the wrong type", first_key(error.path()))))?;
    match all {
        Value::Object(all) => Ok((known, all)),
        _ => Err(unreadable(": they are not a JSON object")),
    }
}

/// The field an error is in. Deeper parts of the path may be anything someone typed.
fn first_key(path: &serde_path_to_error::Path) -> String {
    match path.iter().next() {
        Some(serde_path_to_error::Segment::Map { key }) => key.clone(),
        _ => "the whole".to_owned(),
    }
}

/// Numbers as numbers or, as older editors and provisioning files write them, as text. An empty text is the default.
fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.trim().parse().map_err(|_| serde::de::Error::custom("not a number")),
    }
}

fn in_range(name: &str, value: f64, Limit { least, most, unit }: Limit) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::new(Category::Config, format!("{name} is {value}, outside {least} to {most} {unit}"))
        .hint(format!("set {name} in the data source settings to a number in that range")))
}

/// `httpHeaderName1` … in `jsonData` with `httpHeaderValue1` … in `secureJsonData`, in the order of their numbers.
fn custom_headers(
    json: &Map<String, Value>,
    secret: impl Fn(&str) -> Option<SecretString>,
) -> Vec<(String, SecretString)> {
    let mut numbered: Vec<(u32, &str)> = json
        .iter()
        .filter_map(|(key, value)| {
            let number = key.strip_prefix("httpHeaderName")?.parse().ok()?;
            let name = value.as_str()?.trim();
            (!name.is_empty()).then_some((number, name))
        })
        .collect();
    numbered.sort_unstable();
    numbered
        .into_iter()
        .map(|(number, name)| {
            (name.to_owned(), secret(&format!("httpHeaderValue{number}")).unwrap_or_default())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str, secrets: &[(&str, &str)]) -> Result<Settings> {
        let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::parse(&RawSettings {
            url: " http://example.test ",
            json_data: json.as_bytes(),
            secure_json_data: Some(&secrets),
            ..RawSettings::default()
        })
    }

    #[test]
    fn nothing_typed_is_the_generator() {
        for json in ["", "null", "{}", "  {} "] {
            let settings = parse(json, &[]).unwrap();
            assert_eq!(settings.source, "generator");
            assert_eq!(settings.limits.timeout, Duration::from_secs(30));
            assert_eq!(settings.url, "http://example.test");
        }
    }

    /// Neither makes the other one useless: a row of a time in ms and a short value, as text, takes some 22 bytes.
    #[test]
    fn the_longest_answer_and_the_most_rows_fit_each_other() {
        let limits = Limits::default();
        let row = limits.max_response_bytes as f64 / limits.max_rows as f64;
        let shortest = "[1700000000000,10.51],".len() as f64;
        assert!((shortest..1.1 * shortest).contains(&row), "{row} bytes a row");
    }

    #[test]
    fn unknown_fields_are_tolerated_and_numbers_may_be_text() {
        let settings = parse(r#"{"timeout":"5","pdcInjected":true,"x":{"y":1}}"#, &[]).unwrap();
        assert_eq!(settings.limits.timeout, Duration::from_secs(5));
    }

    #[test]
    fn secrets_are_in_no_debug_text_and_no_error() {
        let canary = "canary-7f3a";
        let secrets = [
            ("bearerToken", canary),
            ("tlsCACert", canary),
            ("tlsClientCert", canary),
            ("tlsClientKey", canary),
            ("httpHeaderValue1", canary),
        ];
        let json = r#"{"tlsAuth":true,"tlsAuthWithCACert":true,"httpHeaderName1":"X-Key"}"#;
        let settings = parse(json, &secrets).unwrap();
        assert_eq!(settings.headers[0].1.expose_secret(), canary, "the secret itself must have arrived");
        assert!(!format!("{settings:#?}").contains(canary));

        let misplaced = format!(r#"{{"timeout":{{"{canary}":1}},"source":3}}"#);
        let error = parse(&misplaced, &secrets).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(canary));
        assert_eq!(error.category(), Category::Config);
        assert!(error.message().contains("has the wrong type"), "{error}");
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named() {
        let error = parse(r#"{"tlsAuth":"yes"}"#, &[]).unwrap_err().to_string();
        assert!(error.contains("tlsAuth has the wrong type"), "{error}");
        assert!(parse("[]", &[]).is_err());
        assert!(parse("{", &[]).unwrap_err().to_string().contains("not valid JSON"));
    }

    #[test]
    fn how_long_the_newest_points_are_left_out_is_a_duration_of_a_day_at_most() {
        for (json, settle_ms) in [("{}", 0), (r#"{"settle":"auto"}"#, 0), (r#"{"settle":"90s"}"#, 90_000)] {
            assert_eq!(parse(json, &[]).unwrap().settle_ms, settle_ms);
        }
        for text in ["2d", "soon"] {
            let error = parse(&format!(r#"{{"settle":"{text}"}}"#), &[]).unwrap_err().to_string();
            assert!(error.contains("settle is no duration from 0s to 1d"), "{error}");
        }
    }

    #[test]
    fn out_of_range_names_setting_and_range() {
        let error = parse(r#"{"timeout":0}"#, &[]).unwrap_err().to_string();
        assert!(error.contains("timeout is 0, outside 1 to 600 seconds"), "{error}");
        for setting in ["maxRows", "maxSeries", "maxConcurrentRequests", "maxResponseBytes"] {
            let error = parse(&format!(r#"{{"{setting}":0}}"#), &[]).unwrap_err().to_string();
            assert!(error.contains(&format!("{setting} is 0, outside")), "{error}");
        }
    }

    #[test]
    fn a_kind_reads_its_own_keys_and_no_error_repeats_them() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Own {
            organization: String,
            ports: Vec<u16>,
        }
        impl Default for Own {
            fn default() -> Self {
                Self { organization: "none".into(), ports: vec![1] }
            }
        }
        impl Own {
            fn of(json: &str) -> Result<Self> {
                parse(json, &[("token", "canary-7f3a")])?.own.parse()
            }
        }
        assert_eq!(Own::of("{}").unwrap().organization, "none");
        assert_eq!(Own::of(r#"{"ports":[7],"other":1}"#).unwrap().ports, [7]);
        let error = Own::of(r#"{"ports":["canary-7f3a"]}"#).unwrap_err();
        assert!(error.message().contains("ports") && !format!("{error:?}").contains("canary"), "{error}");
        let settings = parse("{}", &[("token", "canary-7f3a"), ("empty", "")]).unwrap();
        assert_eq!(settings.own.secret("token").unwrap().expose_secret(), "canary-7f3a");
        assert!(settings.own.secret("empty").is_none());
    }

    #[test]
    fn the_database_may_stand_in_either_place() {
        let parse = |database, json_data: &str| {
            let raw = RawSettings { database, json_data: json_data.as_bytes(), ..RawSettings::default() };
            Settings::parse(&raw).unwrap().database
        };
        assert_eq!(parse("old", "{}"), "old");
        assert_eq!(parse("old", r#"{"database":"new"}"#), "new");
    }

    #[test]
    fn a_tls_option_without_its_certificate_is_refused() {
        let error = parse(r#"{"tlsAuth":true}"#, &[]).unwrap_err().to_string();
        assert!(error.contains("tlsClientCert is empty"), "{error}");
    }

    #[test]
    fn custom_headers_keep_the_order_of_their_numbers() {
        let json = r#"{"httpHeaderName10":"Z","httpHeaderName2":"B","httpHeaderName1":"A"}"#;
        let settings = parse(json, &[("httpHeaderValue2", "b")]).unwrap();
        let names: Vec<&str> = settings.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "B", "Z"]);
        assert_eq!(settings.headers[1].1.expose_secret(), "b");
    }
}
