//! Servers that speak the protocol of Grafana's SimpleJSON data source, or of its successor JSON (simpod-json).
//!
//! `GET /` says the server is there; `POST /search` lists its metrics, `POST /query` brings series or tables, `POST
//! /annotations` what happened, `POST /tag-keys` and `/tag-values` what can be filtered by. The successor adds
//! `/metrics`, `/metric-payload-options` and `/variable`. Only `/query` must exist: a server that answers another one
//! with 404, 405 or 501 simply has nothing to offer there.

mod annotations;
mod answer;
mod choices;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::source) mod fuzzing;
mod request;

use async_trait::async_trait;
use reqwest::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::answer::Layout;
use super::collect::odd_times;
use super::http::{Answer, Body, HttpClient, Received};
use super::{Annotations, Choice, FetchRequest, Fetched, Question, Reached, Source, decoded};
use crate::error::{Category, Error, Result};
#[cfg(any(test, feature = "fuzzing"))]
use crate::fuzzing::Target;
use crate::query::AdhocFilter;
use crate::series::TimeRange;
use crate::settings::Settings;

/// What servers that search by patterns take for all names.
const ANY: &str = "*";

/// A server with the SimpleJSON protocol.
#[derive(Debug)]
pub struct SimpleJson {
    client: HttpClient,
}

/// What a query can say to a SimpleJSON server. The doc comments are the user documentation.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// Name of a metric that the server knows; `/metrics` or `/search` lists them. May hold macros.
    #[schemars(title = "Metric")]
    pub target: String,
    /// What the server is asked for. It may answer with either, whatever is asked.
    #[schemars(title = "Format")]
    pub r#type: AnswerType,
    /// More data for the server, sent as `payload` and as `data`. Texts in it may hold macros.
    #[schemars(title = "Payload", extend("x-empty" = "none"))]
    pub payload: Map<String, Value>,
    /// Query of `/annotations`, used where the output is the annotations of the upstream.
    #[schemars(title = "Annotation", extend("x-empty" = "empty"))]
    pub annotation: String,
    /// Grafana's id of the unit of the values, for example `ms`, `bytes` or `percent`.
    #[schemars(title = "Unit", extend("x-empty" = "none"))]
    pub unit: String,
    /// Conditions the dashboard adds, sent as `adhocFilters`.
    #[schemars(title = "Ad-hoc filters", extend("x-not-saved" = true))]
    pub adhoc_filters: Vec<AdhocFilter>,
}

/// Form of the answer that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnswerType {
    /// Series of value and time.
    #[default]
    #[schemars(title = "Time series")]
    Timeserie,
    /// Columns and rows: every numeric column is a series, and text columns are its labels.
    #[schemars(title = "Table")]
    Table,
}

impl AnswerType {
    fn name(self) -> &'static str {
        match self {
            Self::Timeserie => "timeserie",
            Self::Table => "table",
        }
    }
}

#[async_trait]
impl Source for SimpleJson {
    const KIND: &'static str = "simple-json";
    const LABEL: &'static str = "SimpleJSON";
    const DESCRIPTION: &'static str =
        "A server with the protocol of Grafana's SimpleJSON or JSON data source";
    const QUESTIONS: &'static [&'static str] =
        &["search", "metrics", "payloads", "payload-options", "variable", "tag-keys", "tag-values"];
    type Options = Options;
    #[cfg(any(test, feature = "fuzzing"))]
    const FUZZ: &'static [Target] = &[
        Target { name: "simple-json", run: fuzzing::answer },
        Target { name: "simple-json-annotations", run: fuzzing::annotations },
        Target { name: "simple-json-names", run: fuzzing::names },
    ];

    fn connect(settings: &Settings) -> Result<Self> {
        Ok(Self { client: HttpClient::new(settings)? })
    }

    async fn fetch(&self, options: &Options, request: &FetchRequest) -> Result<Fetched> {
        if options.target.trim().is_empty() {
            return Err(Error::new(Category::Query, "option source.target is empty")
                .hint("choose the metric to ask the server for"));
        }
        let range = request.range;
        let body = request::query(options, request)?;
        let request = self.client.post("query", &[], Body::json(body.to_string()))?.that_only_reads();
        let executed = self.client.describe(&request);
        let Answer { bytes, .. } = self.client.send(&request).await?;
        let layout = Layout {
            target: options.target.clone(),
            unit: options.unit.clone(),
            secrets: self.client.secrets(),
        };
        let limits = self.client.limits();
        let decode = move || answer::decode(&bytes, &layout, &limits);
        let ((series, notices), decode_time) = decoded("the decoder of SimpleJSON answers", decode).await?;
        if let Some(odd) = odd_times(&series, range) {
            return Err(Error::new(Category::Protocol, odd)
                .hint("let the server answer with pairs of [value, ms since 1970]"));
        }
        Ok(Fetched { series, step_ms: None, executed, notices, decode_time })
    }

    async fn annotations(&self, options: &Options, range: TimeRange) -> Result<Option<Annotations>> {
        let body = request::annotations(options, range)?;
        let request = self.client.post("annotations", &[], Body::json(body.to_string()))?.that_only_reads();
        let executed = self.client.describe(&request);
        let Answer { bytes, .. } = self.client.send(&request).await?;
        let limits = self.client.limits();
        let decode = move || annotations::decode(&bytes, &limits);
        let ((annotations, notices), _) = decoded("the decoder of SimpleJSON annotations", decode).await?;
        Ok(Some(Annotations { annotations, executed, notices }))
    }

    async fn check(&self) -> Result<Reached> {
        let request = self.client.get("", &[])?;
        let Answer { bytes, elapsed, .. } = self.client.send(&request).await?;
        let asked = self.client.describe(&request);
        let reached = format!(
            "Reached the SimpleJSON server at {} in {} ms",
            asked.strip_prefix("GET ").unwrap_or(&asked),
            elapsed.as_millis()
        );
        // The protocol has no version to tell; that it speaks the protocol at all shows in its list of metrics.
        let metrics = self.search("").await?.map_or_else(
            || "it offers no list of metrics".to_owned(),
            |metrics| format!("it offers {} metrics", metrics.len()),
        );
        Ok(Reached {
            message: format!("{reached}; {metrics}"),
            details: format!("{asked} was answered with {} bytes", bytes.len()),
        })
    }

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        let found = match question.name() {
            // The server may search by itself; it may as well ignore what it is asked.
            "search" => self.search(question.search()).await?.unwrap_or_default(),
            "metrics" => match self.ask("metrics", &request::metrics(question)?).await? {
                Some(bytes) => choices::metrics(&bytes)?,
                None => self.search(question.search()).await?.unwrap_or_default(),
            },
            "payloads" => {
                self.optional("metrics", &request::metrics(question)?, |bytes| {
                    choices::payloads(bytes, question.param("metric").unwrap_or_default())
                })
                .await?
            }
            "payload-options" => {
                self.optional(
                    "metric-payload-options",
                    &request::payload_options(question)?,
                    choices::choices,
                )
                .await?
            }
            "variable" => self.optional("variable", &request::variable(question)?, choices::choices).await?,
            "tag-keys" => self.optional("tag-keys", &json!({}), choices::choices).await?,
            "tag-values" => {
                let key = json!({"key": question.param("key").unwrap_or_default()});
                self.optional("tag-values", &key, choices::choices).await?
            }
            _ => return Ok(None),
        };
        Ok(Some(question.choose(found)))
    }
}

impl SimpleJson {
    /// The metrics that contain `text`; `None` if the server does not list them.
    async fn search(&self, text: &str) -> Result<Option<Vec<Choice>>> {
        let found = self.named_like(text).await?;
        match &found {
            // What Grafana asks with while nothing is typed. Some servers take it for a name, and find none of that one.
            Some(choices) if choices.is_empty() && text.is_empty() => {
                Ok(self.named_like(ANY).await?.or(found))
            }
            _ => Ok(found),
        }
    }

    async fn named_like(&self, text: &str) -> Result<Option<Vec<Choice>>> {
        let found = self.ask("search", &json!({ "target": text })).await?;
        found.map(|bytes| choices::choices(&bytes)).transpose()
    }

    async fn optional(
        &self,
        path: &str,
        body: &Value,
        read: impl Fn(&[u8]) -> Result<Vec<Choice>> + Sync,
    ) -> Result<Vec<Choice>> {
        self.ask(path, body).await?.map_or_else(|| Ok(Vec::new()), |bytes| read(&bytes))
    }

    /// What the server answers; `None` if it lacks this part of the protocol.
    async fn ask(&self, path: &str, body: &Value) -> Result<Option<Received>> {
        let request = self.client.post(path, &[], Body::json(body.to_string()))?.that_only_reads();
        let missing = std::sync::atomic::AtomicBool::new(false);
        let explain = |status: StatusCode, _: &str| {
            let lacks = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED];
            missing.store(lacks.contains(&status), std::sync::atomic::Ordering::Relaxed);
            None
        };
        match self.client.send_explained(&request, &explain).await {
            Ok(Answer { bytes, .. }) => Ok(Some(bytes)),
            Err(_) if missing.into_inner() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
