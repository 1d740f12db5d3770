//! What an operator can watch: counters and histograms of the plugin process, as Prometheus text.

use std::sync::{Mutex, PoisonError};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
    exponential_buckets,
};

use crate::budget::Memory;
use crate::engine::CacheStats;
use crate::error::{Category, Error, Result};

/// The process's metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    queries: IntCounterVec,
    errors: IntCounterVec,
    cache_hits: IntCounterVec,
    cache_misses: IntCounterVec,
    cache_evictions: IntCounter,
    cache_bytes: IntGauge,
    cache_max_bytes: IntGauge,
    query_bytes: IntGauge,
    query_max_bytes: IntGauge,
    /// What the counters of the engine's cache have been told of.
    told: Mutex<CacheStats>,
    /// Points received from upstreams, training included.
    pub(super) points_in: IntCounter,
    /// Rows sent to Grafana.
    pub(super) points_out: IntCounter,
    /// Seconds an upstream took.
    pub(super) fetch_seconds: Histogram,
    /// Seconds of fitting and scoring.
    pub(super) detect_seconds: Histogram,
    /// Seconds of building and encoding frames.
    pub(super) encode_seconds: Histogram,
}

/// Which query a count belongs to: its kinds, as far as they are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryKinds {
    pub(super) source: &'static str,
    pub(super) detector: &'static str,
}

impl QueryKinds {
    /// Of a query that could not be understood. What the user wrote would make a label without bounds.
    pub(super) const UNKNOWN: Self = Self { source: "unknown", detector: "unknown" };
}

impl Metrics {
    /// Metrics that start at zero.
    ///
    /// # Errors
    /// [`Category::Internal`] if a metric's name or labels are malformed, which is a defect.
    pub(super) fn new() -> Result<Self> {
        Self::registered().map_err(|error| {
            Error::new(Category::Internal, format!("the metrics cannot be registered: {error}"))
        })
    }

    fn registered() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(format!("outrider_{name}"), help), labels)?;
            registry.register(Box::new(counters.clone())).map(|()| counters)
        };
        let counter =
            |name: &str, help: &str| counters(name, help, &[])?.get_metric_with_label_values::<&str>(&[]);
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("outrider_{name}"), help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let seconds = |name: &str, help: &str| {
            // 100 µs to about 100 s.
            let options = HistogramOpts::new(format!("outrider_{name}_seconds"), help)
                .buckets(exponential_buckets(1e-4, 2.0, 21)?);
            let histogram = HistogramVec::new(options, &[])?;
            registry.register(Box::new(histogram.clone()))?;
            histogram.get_metric_with_label_values::<&str>(&[])
        };
        let metrics = Self {
            queries: counters(
                "queries_total",
                "Queries answered, by kinds and outcome (ok or error)",
                &["source", "detector", "outcome"],
            )?,
            errors: counters("query_errors_total", "Queries that failed, by category", &["category"])?,
            cache_hits: counters("cache_hits_total", "Look-ups answered from a cache", &["cache"])?,
            cache_misses: counters("cache_misses_total", "Look-ups a cache could not answer", &["cache"])?,
            cache_evictions: counter(
                "cache_evictions_total",
                "Histories and blocks of verdicts that had to leave the cache",
            )?,
            cache_bytes: gauge("cache_bytes", "Bytes of histories and verdicts in the cache")?,
            cache_max_bytes: gauge("cache_max_bytes", "Bytes the cache may hold")?,
            query_bytes: gauge("query_bytes", "Bytes that running queries are reckoned to take")?,
            query_max_bytes: gauge("query_max_bytes", "Bytes that all queries may take together")?,
            told: Mutex::default(),
            points_in: counter("points_in_total", "Points received from upstreams, training included")?,
            points_out: counter("points_out_total", "Rows sent to Grafana")?,
            fetch_seconds: seconds("fetch", "Time upstreams took")?,
            detect_seconds: seconds("detect", "Time of fitting and scoring")?,
            encode_seconds: seconds("encode", "Time of building and encoding frames")?,
            registry,
        };
        // These exist from the start, so that a rate can be told from an absence.
        for category in Category::ALL {
            metrics.errors.with_label_values(&[category.name()]);
        }
        for cache in [INSTANCES, HISTORY, VERDICTS] {
            metrics.cache_hits.with_label_values(&[cache]);
            metrics.cache_misses.with_label_values(&[cache]);
        }
        Ok(metrics)
    }

    /// Counts a query that was answered or, given a category, failed.
    pub(super) fn count_query(&self, kinds: QueryKinds, failed: Option<Category>) {
        let outcome = if failed.is_some() { "error" } else { "ok" };
        self.queries.with_label_values(&[kinds.source, kinds.detector, outcome]).inc();
        if let Some(category) = failed {
            self.errors.with_label_values(&[category.name()]).inc();
        }
    }

    /// Counts a look-up in the cache of that name.
    pub(super) fn count_lookup(&self, cache: &'static str, hit: bool) {
        let counters = if hit { &self.cache_hits } else { &self.cache_misses };
        counters.with_label_values(&[cache]).inc();
    }

    /// Takes over what the engine's cache has counted.
    pub(super) fn follow(&self, stats: &CacheStats) {
        // One at a time: the counters can only be added to.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for (counters, cache, now, before) in [
            (&self.cache_hits, HISTORY, stats.history_hits, told.history_hits),
            (&self.cache_misses, HISTORY, stats.history_misses, told.history_misses),
            (&self.cache_hits, VERDICTS, stats.verdict_hits, told.verdict_hits),
            (&self.cache_misses, VERDICTS, stats.verdict_misses, told.verdict_misses),
        ] {
            counters.with_label_values(&[cache]).inc_by(now.saturating_sub(before));
        }
        self.cache_evictions.inc_by(stats.evictions.saturating_sub(told.evictions));
        self.cache_bytes.set(stats.bytes.cast_signed());
        self.cache_max_bytes.set(stats.max_bytes.cast_signed());
        // Two requests may come here in the other order than they looked.
        *told = CacheStats {
            history_hits: told.history_hits.max(stats.history_hits),
            history_misses: told.history_misses.max(stats.history_misses),
            verdict_hits: told.verdict_hits.max(stats.verdict_hits),
            verdict_misses: told.verdict_misses.max(stats.verdict_misses),
            evictions: told.evictions.max(stats.evictions),
            ..*stats
        };
    }

    /// Takes over what the engine's queries take.
    pub(super) fn follow_memory(&self, memory: &Memory) {
        let shown = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.query_bytes.set(shown(memory.used()));
        self.query_max_bytes.set(shown(memory.limit()));
    }

    /// All metrics in the Prometheus text format.
    ///
    /// # Errors
    /// [`Category::Internal`] if they cannot be written, which is a defect.
    pub(super) fn encode(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(|error| {
            Error::new(Category::Internal, format!("the metrics cannot be written: {error}"))
        })
    }
}

/// Name of the cache of connected data sources.
pub(super) const INSTANCES: &str = "instances";
/// Name of the cache of upstreams' answers.
const HISTORY: &str = "history";
/// Name of the cache of verdicts.
const VERDICTS: &str = "verdicts";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_exposed() {
        let metrics = Metrics::new().unwrap();
        let kinds = QueryKinds { source: "generator", detector: "isolation-forest" };
        metrics.count_query(kinds, None);
        metrics.count_query(QueryKinds::UNKNOWN, Some(Category::Tls));
        metrics.count_lookup(INSTANCES, true);
        metrics.fetch_seconds.observe(0.5);
        let stats = CacheStats { verdict_hits: 3, evictions: 2, bytes: 7, ..CacheStats::default() };
        metrics.follow(&stats);
        metrics.follow(&CacheStats { verdict_hits: 4, ..stats });
        metrics.follow(&stats);
        let text = metrics.encode().unwrap();
        for line in [
            "# TYPE outrider_queries_total counter",
            "# HELP outrider_points_in_total Points received from upstreams, training included",
            r#"outrider_queries_total{detector="isolation-forest",outcome="ok",source="generator"} 1"#,
            r#"outrider_queries_total{detector="unknown",outcome="error",source="unknown"} 1"#,
            r#"outrider_query_errors_total{category="tls"} 1"#,
            r#"outrider_query_errors_total{category="auth"} 0"#,
            r#"outrider_cache_hits_total{cache="instances"} 1"#,
            r#"outrider_cache_hits_total{cache="verdicts"} 4"#,
            r#"outrider_cache_misses_total{cache="history"} 0"#,
            "outrider_cache_evictions_total 2",
            "outrider_cache_bytes 7",
            "outrider_fetch_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
