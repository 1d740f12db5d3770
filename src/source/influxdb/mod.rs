//! InfluxDB, version 1 and, through the same calls, versions 2 and 3.
//!
//! InfluxQL goes to `/query`; it is built from options or written as text, and answered in chunks of JSON or in CSV. Flux
//! goes to `/api/v2/query` and SQL to `/api/v3/query_sql`, both as text only. What there is to choose from is asked with
//! `SHOW`, which all versions understand.
//!
//! Times are asked for in ms. InfluxDB keeps ns and cuts them off towards zero, so ranges that begin before 1970 are
//! asked for in ns and cut off here, towards the past, as all other times are.

mod answer;
mod csv;
mod discover;
mod failure;
mod flux;
mod flux_guard;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::source) mod fuzzing;
mod influxql;
mod options;
mod quote;
pub(in crate::source) mod ranged;
mod rows;
mod sql;
mod window;

use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use reqwest::header::{ACCEPT, AUTHORIZATION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::influxql::Asked;
use self::options::{Format, Language, Options};
use self::rows::Layout;
use super::http::{Answer, Body, HttpClient, HttpRequest};
use super::time::TimeFormat;
use super::{Choice, FetchRequest, Fetched, Question, Reached, Reading, Source, decoded};
use crate::error::{Category, Error, Result};
#[cfg(any(test, feature = "fuzzing"))]
use crate::fuzzing::Target;
use crate::query::OptionsEntry;
use crate::series::Series;
use crate::settings::{Auth, ExposeSecret as _, SecretString, Settings};

/// A time-series database with measurements, tags and fields.
#[derive(Debug)]
pub struct InfluxDb {
    client: HttpClient,
    /// Database; a bucket in version 2.
    database: String,
    own: OwnSettings,
}

/// The settings that only this kind has, keys of `jsonData`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct OwnSettings {
    /// Language of written queries that name none.
    #[schemars(title = "Query language")]
    query_language: Language,
    /// Name of the organization that owns the bucket; Flux needs it.
    #[schemars(title = "Organization", extend("x-when" = { "queryLanguage": ["flux"] }))]
    organization: String,
}

/// Steps of one request: longer ranges are asked for in slices.
const SLICE_STEPS: i64 = 10_000;
/// Who is to blame if a decoder panics.
const DECODER: &str = "the decoder of InfluxDB's answers";

/// Series and notices, and how long decoding them took.
type Answered = ((Vec<Series>, Vec<String>), Duration);
/// The most names that a message lists.
const LISTED_NAMES: usize = 10;

#[async_trait]
impl Source for InfluxDb {
    const KIND: &'static str = "influxdb";
    const LABEL: &'static str = "InfluxDB";
    const DESCRIPTION: &'static str = "InfluxDB 1, 2 and 3, asked in InfluxQL, Flux or SQL";
    type Options = Options;
    #[cfg(any(test, feature = "fuzzing"))]
    const FUZZ: &'static [Target] = &[
        Target { name: "influxdb-json", run: fuzzing::json },
        Target { name: "influxdb-csv", run: fuzzing::csv },
        Target { name: "influxdb-flux", run: fuzzing::flux },
        Target { name: "influxdb-lines", run: fuzzing::lines },
        Target { name: "influxdb-text", run: fuzzing::text },
        Target { name: "influxdb-flux-guard", run: fuzzing::guard },
    ];
    const SETTINGS: Option<OptionsEntry> = Some(OptionsEntry::of::<OwnSettings>());
    const QUESTIONS: &'static [&'static str] = discover::QUESTIONS;

    fn connect(settings: &Settings) -> Result<Self> {
        let own: OwnSettings = settings.own.parse()?;
        let password = settings.own.secret("password");
        let client = match (&settings.auth, settings.user.trim(), settings.own.secret("token")) {
            (_, "", Some(token)) => {
                let value = SecretString::from(format!("Token {}", token.expose_secret().trim()));
                HttpClient::new(settings)?.with_secret_header(AUTHORIZATION, &value)?
            }
            (_, "", None) => HttpClient::new(settings)?,
            (Auth::None, user, None) => {
                let password = password.cloned().unwrap_or_default();
                HttpClient::new(&Settings {
                    auth: Auth::Basic { user: user.to_owned(), password },
                    ..settings.clone()
                })?
            }
            _ => {
                return Err(Error::new(
                    Category::Config,
                    "the data source has a user and a token, or basic auth besides",
                )
                .hint("keep one of them: user and password, a token, or basic auth"));
            }
        };
        Ok(Self { client, database: settings.database.clone(), own })
    }

    async fn fetch(&self, options: &Options, request: &FetchRequest) -> Result<Fetched> {
        let now_ms = Utc::now().timestamp_millis();
        match self.language(options) {
            Language::InfluxQl => self.fetch_influxql(options, request, now_ms).await,
            Language::Flux => self.fetch_flux(options, request, now_ms).await,
            Language::Sql => self.fetch_sql(options, request, now_ms).await,
        }
    }

    async fn check(&self) -> Result<Reached> {
        if self.database.is_empty() {
            return Err(Error::new(Category::Config, "no database is set")
                .hint("set the database, in version 2 the bucket, in the data source settings"));
        }
        let (request, asked) = match self.own.query_language {
            Language::InfluxQl => {
                let text = format!("SHOW RETENTION POLICIES ON {}", quote::identifier(&self.database));
                (self.show_request(&text)?, text)
            }
            Language::Flux => {
                let name = quote::flux(&self.database);
                let text =
                    format!("buckets() |> filter(fn: (r) => r.name == {name}) |> keep(columns: [\"name\"])");
                (self.flux_request(&text)?, text)
            }
            Language::Sql => {
                let text = "SELECT 1 AS one".to_owned();
                (self.sql_request(&text)?, text)
            }
        };
        let answer = self.send(&request).await?;
        match self.own.query_language {
            Language::InfluxQl => {
                answer::table(&answer.bytes, &self.client.secrets())?;
            }
            Language::Flux if !flux::has_rows(&answer.bytes, &self.client.secrets())? => {
                return Err(Error::new(
                    Category::Config,
                    format!("there is no bucket \"{}\"", self.database),
                )
                .hint("set the name of an existing bucket as the database in the data source settings"));
            }
            Language::Flux | Language::Sql => {}
        }
        let version = answer.header("x-influxdb-version").map_or_else(String::new, |version| {
            format!(" {}", self.client.first_line(version.as_bytes(), 40))
        });
        Ok(Reached {
            message: format!(
                "Reached InfluxDB{version} at {} in {} ms",
                self.client.origin(),
                answer.elapsed.as_millis()
            ),
            details: format!("{asked} was answered with {} bytes", answer.bytes.len()),
        })
    }

    fn slice_ms(&self, options: &Options, step_ms: i64) -> Option<i64> {
        let is_sliced = ranged::whole(self.language(options), options).is_ok_and(|whole| whole.is_none());
        is_sliced.then(|| step_ms.saturating_mul(SLICE_STEPS))
    }

    async fn reading(&self, options: &Options, _step_ms: i64) -> Result<Reading> {
        Ok(Reading { whole: ranged::whole(self.language(options), options)?, ..Reading::default() })
    }

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        let Some(show) = discover::show(question)? else { return Ok(None) };
        let rows = self.show(&show.text).await?;
        Ok(Some(discover::choices(question, &show, rows)))
    }
}

impl InfluxDb {
    /// The language of a query: that of its text, which only InfluxQL can do without.
    fn language(&self, options: &Options) -> Language {
        match options.language {
            Some(language) => language,
            None if options.text.trim().is_empty() => Language::InfluxQl,
            None => self.own.query_language,
        }
    }

    async fn fetch_influxql(
        &self,
        options: &Options,
        request: &FetchRequest,
        now_ms: i64,
    ) -> Result<Fetched> {
        let Some(asked) = influxql::query(options, request, now_ms)? else { return Ok(no_step_is_over()) };
        let (epoch, times) =
            if request.range.from_ms < 0 { ("ns", TimeFormat::Ns) } else { ("ms", TimeFormat::Ms) };
        let layout = Layout { times, nulls_are_gaps: asked.nulls_are_gaps, plain_names: asked.plain_names };
        let ((series, notices), decode_time) = match options.format {
            Format::Json => match self.ask_json(&asked, epoch, layout).await {
                Err(error) if failure::is_of_infinity(&error) => {
                    let ((series, mut notices), decode_time) = self.ask_csv(&asked, epoch, layout).await?;
                    notices.push(
                        "values are infinite, which JSON cannot hold: they were asked for as CSV, and are gaps".to_owned(),
                    );
                    ((series, notices), decode_time)
                }
                answered => answered?,
            },
            Format::Csv => match self.ask_csv(&asked, epoch, layout).await? {
                // CSV has no place for errors: what is empty may be one.
                ((series, _), _) if series.is_empty() => self.ask_json(&asked, epoch, layout).await?,
                answered => answered,
            },
        };
        if series.is_empty() && options.text.trim().is_empty() && !influxql::is_pattern(&options.measurement)
        {
            self.explain_nothing(options).await?;
        }
        Ok(Fetched { series, step_ms: None, executed: asked.text, notices, decode_time })
    }

    async fn ask_json(&self, asked: &Asked, epoch: &str, layout: Layout) -> Result<Answered> {
        let request = self.query_request(&asked.text, Some(epoch))?;
        let Answer { bytes, .. } = self.send(&request).await?;
        if let Some(error) = failure::of_infinity(&bytes) {
            return Err(error);
        }
        let (limits, secrets) = (self.client.limits(), self.client.secrets());
        decoded(DECODER, move || answer::decode(&bytes, layout, limits, &secrets)).await
    }

    async fn ask_csv(&self, asked: &Asked, epoch: &str, layout: Layout) -> Result<Answered> {
        let request = self.query_request(&asked.text, Some(epoch))?.with_header(ACCEPT, "application/csv");
        let Answer { bytes, .. } = self.send(&request).await?;
        let (limits, secrets) = (self.client.limits(), self.client.secrets());
        decoded(DECODER, move || csv::decode(&bytes, layout, limits, &secrets)).await
    }

    async fn fetch_flux(&self, options: &Options, request: &FetchRequest, now_ms: i64) -> Result<Fetched> {
        let place = flux::Place { bucket: &self.database, organization: &self.own.organization };
        let Some(text) = flux::query(options, request, place, now_ms)? else { return Ok(no_step_is_over()) };
        let Answer { bytes, .. } = self.send(&self.flux_request(&text)?).await?;
        let (limits, secrets) = (self.client.limits(), self.client.secrets());
        let ((series, notices), decode_time) =
            decoded(DECODER, move || flux::decode(&bytes, limits, &secrets)).await?;
        Ok(Fetched { series, step_ms: None, executed: text, notices, decode_time })
    }

    async fn fetch_sql(&self, options: &Options, request: &FetchRequest, now_ms: i64) -> Result<Fetched> {
        let Some(text) = sql::query(options, request, now_ms)? else { return Ok(no_step_is_over()) };
        let Answer { bytes, .. } = self.send(&self.sql_request(&text)?).await?;
        let (limits, secrets) = (self.client.limits(), self.client.secrets());
        let ((series, notices), decode_time) =
            decoded(DECODER, move || sql::decode(&bytes, limits, &secrets)).await?;
        Ok(Fetched { series, step_ms: None, executed: text, notices, decode_time })
    }

    /// Says so if an answer is empty because there is no such measurement or field.
    async fn explain_nothing(&self, options: &Options) -> Result<()> {
        let source = influxql::source(options)?;
        let rows = self.show(&format!("SHOW FIELD KEYS FROM {source}")).await?;
        let known: Vec<&str> =
            rows.iter().filter_map(|row| row.get("fieldKey")).map(String::as_str).collect();
        if known.is_empty() {
            let rows = self.show(&format!("SHOW MEASUREMENTS LIMIT {LISTED_NAMES}")).await?;
            let names = rows.iter().filter_map(|row| row.get("name")).map(String::as_str);
            return Err(Error::new(
                Category::Query,
                format!(
                    "there is no measurement \"{}\" in the database \"{}\"",
                    options.measurement, self.database
                ),
            )
            .hint(format!("choose one that exists, such as {}", crate::error::list_names(names))));
        }
        match options.fields.iter().find(|field| !field.is_empty() && !known.contains(&field.as_str())) {
            None => Ok(()),
            Some(field) => Err(Error::new(
                Category::Query,
                format!("the measurement \"{}\" has no field \"{field}\"", options.measurement),
            )
            .hint(format!(
                "choose one of {}",
                crate::error::list_names(known.into_iter().take(LISTED_NAMES))
            ))),
        }
    }

    /// The rows of a `SHOW`.
    async fn show(&self, text: &str) -> Result<Vec<answer::NamedCells>> {
        let answer = self.send(&self.show_request(text)?).await?;
        answer::table(&answer.bytes, &self.client.secrets())
    }

    fn show_request(&self, text: &str) -> Result<HttpRequest> {
        self.query_request(text, None)
    }

    /// A request for InfluxQL. In chunks, where `max-row-limit` does not count, if times are asked for.
    fn query_request(&self, text: &str, epoch: Option<&str>) -> Result<HttpRequest> {
        let mut fields = vec![("q", text)];
        if !self.database.is_empty() {
            fields.push(("db", &self.database));
        }
        if let Some(epoch) = epoch {
            fields.extend([("epoch", epoch), ("chunked", "true")]);
        }
        // By POST because queries may be long; those sent here only read.
        Ok(self.client.post("/query", &[], Body::form(fields))?.that_only_reads())
    }

    fn flux_request(&self, text: &str) -> Result<HttpRequest> {
        let body = serde_json::json!({
            "query": text,
            "type": "flux",
            "dialect": {"annotations": ["datatype", "group", "default"], "header": true, "delimiter": ","},
        });
        let params = match self.own.organization.as_str() {
            "" => Vec::new(),
            organization => vec![("org".to_owned(), organization.to_owned())],
        };
        let request = self.client.post("/api/v2/query", &params, Body::json(body.to_string()))?;
        Ok(request.with_header(ACCEPT, "application/csv").that_only_reads())
    }

    fn sql_request(&self, text: &str) -> Result<HttpRequest> {
        let body = serde_json::json!({"db": self.database, "q": text, "format": "jsonl"});
        let request = self.client.post("/api/v3/query_sql", &[], Body::json(body.to_string()))?;
        Ok(request.that_only_reads())
    }

    async fn send(&self, request: &HttpRequest) -> Result<Answer> {
        let secrets = self.client.secrets();
        self.client.send_explained(request, &|status, body| failure::of_answer(status, body, &secrets)).await
    }
}

/// The answer to a query whose range holds no step that is over.
fn no_step_is_over() -> Fetched {
    Fetched { executed: "nothing: no step of the range is over yet".to_owned(), ..Fetched::default() }
}
