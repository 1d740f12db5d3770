//! What an operator can watch: counters and histograms of the plugin process, as Prometheus text.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::error::Category;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueryLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    category: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    cache: &'static str,
}

/// The process's metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    queries: Family<QueryLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    cache_hits: Family<CacheLabels, Counter>,
    cache_misses: Family<CacheLabels, Counter>,
    /// Points received from upstreams, training included.
    pub(super) points_in: Counter,
    /// Rows sent to Grafana.
    pub(super) points_out: Counter,
    /// Seconds an upstream took.
    pub(super) fetch_seconds: Histogram,
    /// Seconds of fitting and scoring.
    pub(super) detect_seconds: Histogram,
    /// Seconds of building and encoding frames.
    pub(super) encode_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        // 100 µs to about 100 s.
        let seconds = || Histogram::new(exponential_buckets(1e-4, 2.0, 21));
        let mut metrics = Self {
            registry: Registry::with_prefix("outrider"),
            queries: Family::default(),
            errors: Family::default(),
            cache_hits: Family::default(),
            cache_misses: Family::default(),
            points_in: Counter::default(),
            points_out: Counter::default(),
            fetch_seconds: seconds(),
            detect_seconds: seconds(),
            encode_seconds: seconds(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("queries", "Queries answered, by outcome", self.queries.clone());
        registry.register("query_errors", "Queries that failed, by category", self.errors.clone());
        registry.register("points_in", "Points received from upstreams", self.points_in.clone());
        registry.register("points_out", "Rows sent to Grafana", self.points_out.clone());
        registry.register("cache_hits", "Look-ups answered from a cache", self.cache_hits.clone());
        registry.register("cache_misses", "Look-ups a cache could not answer", self.cache_misses.clone());
        for (name, help, histogram) in [
            ("fetch", "Time upstreams took", &self.fetch_seconds),
            ("detect", "Time of fitting and scoring", &self.detect_seconds),
            ("encode", "Time of building and encoding frames", &self.encode_seconds),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        // Every series exists from the start, so that a rate can be told from an absence.
        for outcome in ["ok", "error"] {
            drop(self.queries.get_or_create(&QueryLabels { outcome }));
        }
        for category in Category::ALL {
            drop(self.errors.get_or_create(&ErrorLabels { category: category.name() }));
        }
    }

    /// Counts a query that was answered or, given a category, failed.
    pub(super) fn count_query(&self, failed: Option<Category>) {
        let outcome = if failed.is_some() { "error" } else { "ok" };
        self.queries.get_or_create(&QueryLabels { outcome }).inc();
        if let Some(category) = failed {
            self.errors.get_or_create(&ErrorLabels { category: category.name() }).inc();
        }
    }

    /// Counts a look-up in the cache of that name.
    pub(super) fn count_lookup(&self, cache: &'static str, hit: bool) {
        let family = if hit { &self.cache_hits } else { &self.cache_misses };
        family.get_or_create(&CacheLabels { cache }).inc();
    }

    /// All metrics in the Prometheus text format.
    pub(super) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_exposed() {
        let metrics = Metrics::default();
        metrics.count_query(None);
        metrics.count_query(Some(Category::Tls));
        metrics.count_lookup("instances", true);
        metrics.fetch_seconds.observe(0.5);
        let text = metrics.encode().unwrap();
        for line in [
            "outrider_queries_total{outcome=\"ok\"} 1",
            "outrider_queries_total{outcome=\"error\"} 1",
            "outrider_query_errors_total{category=\"tls\"} 1",
            "outrider_query_errors_total{category=\"auth\"} 0",
            "outrider_cache_hits_total{cache=\"instances\"} 1",
            "outrider_fetch_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
