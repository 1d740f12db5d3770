//! What kind of server it is, and of metric.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde::Deserialize;

use super::expression::Setting;
use super::ranged::Flavour;
use super::{Options, Prometheus, answer};
use crate::error::{Category, Result};
use crate::source::aggregate::Aggregate;

/// A parameter that only newer versions of VictoriaMetrics read, and that no value of is "none".
const ONLY_OF_VICTORIA_METRICS: &str = "latency_offset";
/// A header that all of its versions send.
const ITS_HEADER: &str = "x-server-hostname";
/// The most metrics whose type is remembered, and for how long: a server may learn of one, when it has scraped it.
const MAX_REMEMBERED: usize = 10_000;
const REMEMBERED: Duration = Duration::from_secs(3_600);

impl Prometheus {
    /// Which language the server speaks. It is asked once: VictoriaMetrics does not say its name, and tells the version of a
    /// Prometheus.
    ///
    /// # Errors
    /// [`Category::Connection`] or [`Category::Tls`] if it cannot be asked.
    pub(super) async fn flavour(&self) -> Result<Flavour> {
        if let Some(known) = self.flavour.get() {
            return Ok(*known);
        }
        let was_read = AtomicBool::new(false);
        let secrets = self.client.secrets();
        let explain = |status: StatusCode, body: &str| {
            // Others may refuse it because they do not know it.
            let is_read = body.contains("cannot parse") && body.contains(ONLY_OF_VICTORIA_METRICS);
            was_read.fetch_or(is_read, Ordering::Relaxed);
            answer::explain(status.as_u16(), body, &self.client.origin(), &secrets)
        };
        let params = [("query", "1"), (ONLY_OF_VICTORIA_METRICS, "none")];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = self.client.get("/api/v1/query", &params)?;
        let flavour = match self.client.send_explained(&request, &explain).await {
            Err(_) if was_read.load(Ordering::Relaxed) => Flavour::VictoriaMetrics { shows_newest: true },
            Err(error) if matches!(error.category(), Category::Connection | Category::Tls) => {
                return Err(error);
            }
            // What is wrong shows when the query is asked; nothing is learnt from it.
            Err(_) => return Ok(Flavour::Prometheus),
            Ok(answer) if answer.header(ITS_HEADER).is_some() => {
                Flavour::VictoriaMetrics { shows_newest: false }
            }
            Ok(_) => Flavour::Prometheus,
        };
        Ok(*self.flavour.get_or_init(async || flavour).await)
    }

    /// What the PromQL of `options` depends on.
    ///
    /// # Errors
    /// As [`Prometheus::flavour`].
    pub(super) async fn setting(&self, options: &Options, step_ms: i64) -> Result<Setting> {
        let is_built = options.expr.trim().is_empty();
        let is_mean = is_built && !options.rate && options.aggregate == Aggregate::Mean;
        let is_counter = is_mean && self.is_counter(options.metric.trim()).await;
        let flavour = self.flavour().await?;
        Ok(Setting { step_ms, scrape_ms: self.scrape_ms, flavour, is_counter })
    }

    /// Whether a metric is a counter: by its name, as OpenMetrics has it, or else by what the server knows of it.
    async fn is_counter(&self, metric: &str) -> bool {
        if metric.is_empty() {
            return false;
        }
        if metric.ends_with("_total") || metric.ends_with("_bucket") {
            return true;
        }
        let known = self.counters.lock().unwrap_or_else(PoisonError::into_inner).get(metric).copied();
        if let Some((known, since)) = known
            && since.elapsed() < REMEMBERED
        {
            return known;
        }
        // The parts of a histogram or summary have no type of their own.
        let whole = metric.strip_suffix("_count").or_else(|| metric.strip_suffix("_sum"));
        let mut found = self.type_of(metric).await;
        if let (None, Some(whole)) = (&found, whole) {
            found = self.type_of(whole).await.filter(|kind| kind == "histogram" || kind == "summary");
        }
        let is_counter =
            found.is_some_and(|kind| matches!(kind.as_str(), "counter" | "histogram" | "summary"));
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= MAX_REMEMBERED {
            counters.clear();
        }
        counters.insert(metric.to_owned(), (is_counter, Instant::now()));
        is_counter
    }

    /// The type of a metric, such as `counter`; `None` if the server does not know it.
    async fn type_of(&self, metric: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Described {
            #[serde(rename = "type", default)]
            kind: String,
        }
        let answer = self.read("/api/v1/metadata", &[("metric", metric), ("limit", "1")]).await.ok()?;
        let mut all: BTreeMap<String, Vec<Described>> =
            answer::decode_data(&answer.bytes, &self.client.secrets()).ok()?;
        let kind = all.remove(metric)?.into_iter().next()?.kind;
        (!kind.is_empty() && kind != "unknown").then_some(kind)
    }
}
