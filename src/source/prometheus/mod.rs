//! Prometheus, and what speaks its HTTP API: Mimir, Cortex, Thanos, VictoriaMetrics.
//!
//! A query is PromQL, written or built, evaluated by `query_range` at multiples of the step since the epoch. A point at t
//! is what Prometheus evaluates at t, and so describes the time up to t: `(t - step, t]` for functions over the step.
//! That is kept, because such a point is complete once t has passed, is the same in every request, and stands where
//! Prometheus' own graphs show it. Nothing is evaluated at times to come, where a step would be half empty.
//!
//! Requests are POSTs of forms, since PromQL may be long; a server that answers 405 is asked by GET from then on. A range of
//! more than 11,000 evaluations, which Prometheus refuses, is asked for in slices.
//!
//! - `expression`: options → PromQL; `promql`: names, strings and filters in it
//! - `ranged`: whether a point is the same in every range that is asked for; `server`: what kind of server it is, and of metric
//! - `answer`: JSON → series, errors of the API; `legend`: names of series
//! - `labels`: metrics, labels and their values

mod answer;
mod expression;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::source) mod fuzzing;
mod labels;
mod legend;
mod promql;
pub(in crate::source) mod ranged;
mod server;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use self::answer::Naming;
use self::expression::{InsteadOfMean, Setting};
use self::legend::Legend;
use self::ranged::Flavour;
use super::aggregate::Aggregate;
use super::http::{Answer, Body, HttpClient};
use super::{Choice, FetchRequest, Fetched, Question, Reached, Reading, Source, decoded};
use crate::error::{Category, Error, Result};
#[cfg(any(test, feature = "fuzzing"))]
use crate::fuzzing::Target;
use crate::query::{AdhocFilter, DurationMs, OptionsEntry, duration_schema};
use crate::settings::{SecretString, Settings};

/// A server with Prometheus' HTTP API.
#[derive(Debug)]
pub struct Prometheus {
    client: HttpClient,
    scrape_ms: i64,
    /// Whether the server was found to refuse POSTs.
    only_gets: AtomicBool,
    /// Which language it speaks, once it was asked.
    flavour: tokio::sync::OnceCell<Flavour>,
    /// Metrics that were asked about: whether they are counters, and when that was.
    counters: Mutex<HashMap<String, (bool, Instant)>>,
}

/// What a query can say to Prometheus. The doc comments are the user documentation.
///
/// Macros in `expr`: `$__interval` (the step, such as `5m`), `$__interval_ms`, `$__rate_interval` (at least the step and a
/// scrape, and at least four scrapes) and `$__rate_interval_ms`. What would depend on the range of a request is refused:
/// `$__range`, `$__from`, `$__to` and `$__maxDataPoints`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// PromQL (or MetricsQL) to evaluate at every step. If it is given, the options of the builder (`metric`, `matchers`,
    /// `aggregate`, `rate`, `combine`, `by`) are not looked at.
    #[schemars(title = "PromQL", extend("x-empty" = "empty"))]
    expr: String,
    /// Name of the metric.
    #[schemars(title = "Metric", extend("x-empty" = "none"))]
    metric: String,
    /// Labels that series must have, all of them: `{"key": "job", "operator": "=", "value": "api"}` with `=`, `!=`, `=~` or
    /// `!~`.
    #[schemars(title = "Labels", extend("x-empty" = "none"))]
    matchers: Vec<AdhocFilter>,
    /// What a step makes of the samples within it, series by series: `<aggregate>_over_time(metric[step])`.
    #[schemars(title = "Aggregate", extend("x-when" = { "rate": [false] }))]
    aggregate: Aggregate,
    /// For counters: the rise per second over `$__rate_interval` in the place of `aggregate`.
    #[schemars(title = "Rate")]
    rate: bool,
    /// What becomes of several series.
    #[schemars(title = "Combine")]
    combine: Combine,
    /// Labels that combined series keep.
    #[schemars(title = "By", extend("x-empty" = "none: all become one series"))]
    by: Vec<String>,
    /// Name of the series; `{{label}}` stands for the value of a label.
    #[schemars(title = "Legend", extend("x-empty" = "the name of the metric"))]
    legend: Legend,
    /// Grafana's id of the unit of the values, for example `ms`, `bytes` or `percent`.
    #[schemars(title = "Unit", extend("x-empty" = "none"))]
    unit: String,
    /// Filters of the dashboard, which go into every selector of the PromQL.
    #[schemars(title = "Ad-hoc filters", extend("x-not-saved" = true))]
    adhoc_filters: Vec<AdhocFilter>,
}

/// What becomes of several series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Combine {
    /// Each is kept.
    #[default]
    #[schemars(title = "Keep each series")]
    None,
    /// All added.
    #[schemars(title = "Sum")]
    Sum,
    /// The arithmetic mean.
    #[schemars(title = "Average")]
    Avg,
    /// The smallest.
    #[schemars(title = "Minimum")]
    Min,
    /// The largest.
    #[schemars(title = "Maximum")]
    Max,
    /// How many there are.
    #[schemars(title = "Count")]
    Count,
}

/// The settings that only this kind knows.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct OwnSettings {
    /// Whose data is asked for, where a server keeps several tenants (Mimir, Cortex, Thanos): sent as `X-Scope-OrgID`.
    #[schemars(title = "Tenant", extend("x-empty" = "none"))]
    tenant: String,
    /// How often Prometheus scrapes, which `$__rate_interval` is made of.
    #[schemars(title = "Scrape interval", schema_with = "scrape_schema")]
    scrape_interval: String,
}

impl Default for OwnSettings {
    fn default() -> Self {
        Self {
            tenant: String::new(),
            scrape_interval: DurationMs::from_millis(DEFAULT_SCRAPE_MS).to_string(),
        }
    }
}

fn scrape_schema(_: &mut SchemaGenerator) -> Schema {
    duration_schema(SCRAPE_RANGE, None)
}

const DEFAULT_SCRAPE_MS: i64 = 15_000;
const SCRAPE_RANGE: (DurationMs, DurationMs) = (DurationMs::from_millis(1), DurationMs::from_days(1));
const TENANT_HEADER: HeaderName = HeaderName::from_static("x-scope-orgid");
/// Evaluations in one request; Prometheus refuses more than 11,000 points a series.
const MAX_EVALUATIONS: i64 = 11_000;
const DEFAULT_NAME: &str = "value";
/// Parameters for VictoriaMetrics: its newest values are those measured, not copies of older ones, and each step is evaluated
/// anew.
const OF_VICTORIA_METRICS: [(&str, &str); 2] = [("latency_offset", "1ms"), ("nocache", "1")];
const QUERY_RANGE: &str = "/api/v1/query_range";
/// How much of a query the inspector shows.
const SHOWN_CHARS: usize = 4_000;

#[async_trait]
impl Source for Prometheus {
    const KIND: &'static str = "prometheus";
    const LABEL: &'static str = "Prometheus";
    const DESCRIPTION: &'static str =
        "Prometheus, Mimir, Thanos, VictoriaMetrics: PromQL over their common HTTP API";
    type Options = Options;
    #[cfg(any(test, feature = "fuzzing"))]
    const FUZZ: &'static [Target] = &[
        Target { name: "prometheus", run: fuzzing::answer },
        Target { name: "promql", run: fuzzing::promql },
    ];
    const SETTINGS: Option<OptionsEntry> = Some(OptionsEntry::of::<OwnSettings>());
    const QUESTIONS: &'static [&'static str] = &["metrics", "tag-keys", "tag-values", "series"];

    fn connect(settings: &Settings) -> Result<Self> {
        let own: OwnSettings = settings.own.parse()?;
        let mut client = HttpClient::new(settings)?;
        let tenant = own.tenant.trim();
        if !tenant.is_empty() {
            client = client.with_secret_header(TENANT_HEADER, &SecretString::from(tenant))?;
        }
        Ok(Self {
            client,
            scrape_ms: scrape_ms(&own.scrape_interval)?,
            only_gets: AtomicBool::new(false),
            flavour: tokio::sync::OnceCell::new(),
            counters: Mutex::default(),
        })
    }

    async fn fetch(&self, options: &Options, request: &FetchRequest) -> Result<Fetched> {
        let step_ms = request.step_ms.max(1);
        let setting = self.setting(options, step_ms).await?;
        let expr = expression::expression(options, setting)?;
        let fetched = Fetched { step_ms: Some(step_ms), ..Fetched::default() };
        let to_ms = request.range.to_ms.min(chrono::Utc::now().timestamp_millis());
        let Some((start_ms, end_ms)) = evaluations(request.range.from_ms, to_ms, step_ms) else {
            let executed = format!("nothing, because no multiple of the step lies in the range: {expr}");
            return Ok(Fetched { executed: self.client.secrets().quote(&executed, SHOWN_CHARS), ..fetched });
        };
        let (start, end, step) = (seconds(start_ms), seconds(end_ms), seconds(step_ms));
        let timeout = self.client.limits().timeout.as_secs_f64().to_string();
        let asked =
            [("query", &*expr), ("start", &*start), ("end", &*end), ("step", &*step), ("timeout", &*timeout)];
        let of_victoria: &[_] = match setting.flavour {
            Flavour::Prometheus => &[],
            Flavour::VictoriaMetrics { .. } => &OF_VICTORIA_METRICS,
        };
        let fields = [&asked[..], of_victoria].concat();
        let Answer { bytes, .. } = self.ask(QUERY_RANGE, &fields).await?;
        let executed = format!("{QUERY_RANGE} query={expr} start={start} end={end} step={step}");
        let executed = self.client.secrets().quote(&executed, SHOWN_CHARS);
        let naming = Naming {
            legend: options.legend.clone(),
            fallback: match options.metric.trim() {
                metric if options.expr.trim().is_empty() && !metric.is_empty() => metric.to_owned(),
                _ => DEFAULT_NAME.to_owned(),
            },
            unit: options.unit.clone(),
        };
        let (secrets, limits) = (self.client.secrets(), self.client.limits());
        let decode = move || answer::decode(&bytes, &naming, &limits, &secrets);
        let ((series, mut notices), decode_time) =
            decoded("the decoder of Prometheus' answers", decode).await?;
        notices.extend(expression::instead_of_mean(options, setting.is_counter).map(counter_notice));
        Ok(Fetched { series, executed, notices, decode_time, ..fetched })
    }

    async fn check(&self) -> Result<Reached> {
        let build = match self.read("/api/v1/status/buildinfo", &[]).await {
            Ok(Answer { bytes, .. }) => answer::decode_data::<BuildInfo>(&bytes, &self.client.secrets()).ok(),
            Err(error) if matches!(error.category(), Category::Connection | Category::Tls) => {
                return Err(error);
            }
            // Not every server has it, and it may be kept from those who may query.
            Err(_) => None,
        };
        // The version is told to anyone; whether we may query is what matters.
        let Answer { bytes, elapsed, .. } = self.ask("/api/v1/query", &[("query", "1")]).await?;
        let naming =
            Naming { legend: Legend::default(), fallback: DEFAULT_NAME.to_owned(), unit: String::new() };
        let (series, _) = answer::decode(&bytes, &naming, &self.client.limits(), &self.client.secrets())?;
        if !matches!(&series[..], [one] if one.values == [1.0]) {
            return Err(Error::new(Category::Protocol, "the server says that 1 is something else")
                .hint("check that the URL is that of a Prometheus-compatible API"));
        }
        let is_victoria = matches!(self.flavour().await?, Flavour::VictoriaMetrics { .. });
        let quote = |text: &str| self.client.secrets().quote(text, 80);
        let name = match &build {
            // Which says that it is a Prometheus of another version.
            _ if is_victoria => "VictoriaMetrics".to_owned(),
            Some(BuildInfo { application, version, .. }) if !version.is_empty() => {
                format!("{} {}", if application.is_empty() { "Prometheus" } else { application }, version)
            }
            _ => "a server with Prometheus' API".to_owned(),
        };
        let revision = build.map(|build| build.revision).filter(|revision| !revision.is_empty());
        Ok(Reached {
            message: format!(
                "Reached {} at {} in {} ms",
                quote(&name),
                self.client.origin(),
                elapsed.as_millis()
            ),
            details: match revision {
                Some(revision) => {
                    format!("The query \"1\" was answered with 1; revision {}", quote(&revision))
                }
                None => "The query \"1\" was answered with 1; the server does not say its version".to_owned(),
            },
        })
    }

    fn slice_ms(&self, _options: &Options, step_ms: i64) -> Option<i64> {
        Some(step_ms.max(1).saturating_mul(MAX_EVALUATIONS))
    }

    async fn reading(&self, options: &Options, step_ms: i64) -> Result<Reading> {
        let step_ms = step_ms.max(1);
        let flavour = self.flavour().await?;
        // Whether it is a counter makes no difference to this.
        let setting = Setting { step_ms, scrape_ms: self.scrape_ms, flavour, is_counter: false };
        ranged::reading(&expression::expression(options, setting)?, flavour, step_ms, self.scrape_ms)
    }

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        self.answer(question).await
    }
}

/// Of `status/buildinfo`; Mimir says its name, too.
#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct BuildInfo {
    application: String,
    version: String,
    revision: String,
}

impl Prometheus {
    /// POSTs a form; asks by GET where the server does not take that.
    async fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        if !self.only_gets.load(Ordering::Relaxed) {
            let not_allowed = AtomicBool::new(false);
            let secrets = self.client.secrets();
            let explain = |status: StatusCode, body: &str| {
                not_allowed.fetch_or(status == StatusCode::METHOD_NOT_ALLOWED, Ordering::Relaxed);
                answer::explain(status.as_u16(), body, &self.client.origin(), &secrets)
            };
            let form = Body::form(fields.iter().copied());
            let request = self.client.post(path, &[], form)?.that_only_reads();
            let answer = self.client.send_explained(&request, &explain).await;
            if !not_allowed.load(Ordering::Relaxed) {
                return answer;
            }
            self.only_gets.store(true, Ordering::Relaxed);
        }
        self.read(path, fields).await
    }

    /// GETs.
    async fn read(&self, path: &str, params: &[(&str, &str)]) -> Result<Answer> {
        let params: Vec<(String, String)> =
            params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = self.client.get(path, &params)?;
        let secrets: Arc<_> = self.client.secrets();
        let explain = |status: StatusCode, body: &str| {
            answer::explain(status.as_u16(), body, &self.client.origin(), &secrets)
        };
        self.client.send_explained(&request, &explain).await
    }
}

fn counter_notice(instead: InsteadOfMean) -> String {
    let what = match instead {
        InsteadOfMean::Last => "the last sample of each step is taken",
        InsteadOfMean::Rate => "its rate is taken before series are combined",
    };
    format!(
        "the metric is a counter, whose mean over a step hides restarts: {what}; switch rate on to see how fast it rises, or \
         choose another aggregate"
    )
}

fn scrape_ms(text: &str) -> Result<i64> {
    if text.trim().is_empty() {
        return Ok(DEFAULT_SCRAPE_MS);
    }
    let wrong = |why: String| {
        Error::new(Category::Config, format!("scrapeInterval {why}"))
            .hint("set it in the data source settings to how often Prometheus scrapes, such as 15s")
    };
    let interval: DurationMs =
        text.parse().map_err(|error: String| wrong(format!("cannot be read: {error}")))?;
    let (shortest, longest) = SCRAPE_RANGE;
    if (shortest..=longest).contains(&interval) {
        Ok(interval.as_millis())
    } else {
        Err(wrong(format!("is not between {shortest} and {longest}")))
    }
}

/// The first and the last multiple of `step_ms` in a range with both ends included; `None` if there is none.
fn evaluations(from_ms: i64, to_ms: i64, step_ms: i64) -> Option<(i64, i64)> {
    let end_ms = to_ms.checked_sub(to_ms.rem_euclid(step_ms))?;
    let start_ms = match from_ms.rem_euclid(step_ms) {
        0 => from_ms,
        beyond => from_ms.checked_add(step_ms - beyond)?,
    };
    (start_ms <= end_ms).then_some((start_ms, end_ms))
}

/// Ms as seconds with three digits of fraction where they are needed.
fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (whole, fraction) = (ms.unsigned_abs() / 1_000, ms.unsigned_abs() % 1_000);
    if fraction == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction:03}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::RawSettings;

    fn connected(json_data: &serde_json::Value) -> Result<Prometheus> {
        let json_data = json_data.to_string();
        let raw = RawSettings {
            url: "http://127.0.0.1:1/prom",
            json_data: json_data.as_bytes(),
            ..RawSettings::default()
        };
        Prometheus::connect(&Settings::parse(&raw).unwrap())
    }

    #[test]
    fn evaluations_are_multiples_of_the_step() {
        assert_eq!(evaluations(0, 299, 100), Some((0, 200)));
        assert_eq!(evaluations(1, 200, 100), Some((100, 200)));
        assert_eq!(evaluations(-150, -1, 100), Some((-100, -100)));
        assert_eq!(evaluations(101, 199, 100), None);
        assert_eq!(evaluations(i64::MAX, i64::MAX, 100), None);
    }

    #[test]
    fn times_are_exact_to_the_millisecond() {
        for (ms, text) in [
            (0, "0"),
            (1_500, "1.500"),
            (1_700_000_000_123, "1700000000.123"),
            (-1, "-0.001"),
            (60_000, "60"),
        ] {
            assert_eq!(seconds(ms), text);
        }
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        assert_eq!(connected(&json!({})).unwrap().scrape_ms, 15_000);
        assert_eq!(connected(&json!({"scrapeInterval": "1m", "tenant": "a|b"})).unwrap().scrape_ms, 60_000);
        for (settings, says) in [
            (json!({"scrapeInterval": "soon"}), "scrapeInterval"),
            (json!({"scrapeInterval": "0s"}), "scrapeInterval"),
            (json!({"scrapeInterval": 15}), "scrapeInterval"),
            (json!({"tenant": ["a"]}), "tenant"),
            (json!({"tenant": "a\nb"}), "x-scope-orgid"),
        ] {
            let error = connected(&settings).unwrap_err();
            assert!(error.category() == Category::Config && error.message().contains(says), "{error}");
        }
    }

    #[test]
    fn no_slice_has_more_points_than_prometheus_gives() {
        let source = connected(&json!({})).unwrap();
        let slice_ms = source.slice_ms(&Options::default(), 60_000).unwrap();
        let (start, end) = evaluations(0, slice_ms - 1, 60_000).unwrap();
        assert_eq!((end - start) / 60_000 + 1, 11_000);
        assert_eq!(source.slice_ms(&Options::default(), i64::MAX), Some(i64::MAX));
    }
}
