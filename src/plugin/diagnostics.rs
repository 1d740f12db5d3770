//! "Save & test" and metrics.

use std::time::Instant;

use grafana_plugin_sdk::pluginv2::check_health_response::HealthStatus;
use grafana_plugin_sdk::pluginv2::collect_metrics_response::Payload;
use grafana_plugin_sdk::pluginv2::diagnostics_server::Diagnostics;
use grafana_plugin_sdk::pluginv2::{
    CheckHealthRequest, CheckHealthResponse, CollectMetricsRequest, CollectMetricsResponse,
};
use serde_json::json;
use tonic::{Request, Response, Status};

use super::{Shared, caller, instances};
use crate::error::Result;
use crate::source::Reached;

#[derive(Debug)]
pub(super) struct DiagnosticsService {
    shared: Shared,
}

impl DiagnosticsService {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    async fn check(&self, request: &CheckHealthRequest) -> Result<Reached> {
        let context = request.plugin_context.as_ref();
        let caller = caller::of(context, request.headers.iter().map(|(name, value)| (name, Some(value))));
        let connected = self.shared.instances.get(context, &self.shared.metrics)?.for_caller(&caller)?;
        self.shared.engine.within_bounds(connected.source.check()).await
    }
}

#[tonic::async_trait]
impl Diagnostics for DiagnosticsService {
    async fn check_health(
        &self,
        request: Request<CheckHealthRequest>,
    ) -> std::result::Result<Response<CheckHealthResponse>, Status> {
        let started = Instant::now();
        let context = request.get_ref().plugin_context.as_ref();
        let checked = self.check(request.get_ref()).await;
        let latency_ms = started.elapsed().as_secs_f64() * 1e3;
        let (status, message, details) = match checked {
            Ok(Reached { message, details }) => {
                (HealthStatus::Ok, message, json!({"verboseMessage": details, "latencyMs": latency_ms}))
            }
            Err(error) => {
                let category = error.category();
                tracing::warn!(datasource = instances::uid(context), %category, error = %error, "health check failed");
                let details = json!({
                    "verboseMessage": error.to_string(), "category": category.name(), "latencyMs": latency_ms,
                });
                (HealthStatus::Error, error.to_string(), details)
            }
        };
        Ok(Response::new(CheckHealthResponse {
            status: status.into(),
            message,
            json_details: details.to_string().into_bytes(),
        }))
    }

    async fn collect_metrics(
        &self,
        _request: Request<CollectMetricsRequest>,
    ) -> std::result::Result<Response<CollectMetricsResponse>, Status> {
        self.shared.metrics.follow(&self.shared.engine.cache_stats());
        self.shared.metrics.follow_memory(self.shared.engine.memory());
        let text = self.shared.metrics.encode().map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(CollectMetricsResponse { metrics: Some(Payload { prometheus: text.into_bytes() }) }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use grafana_plugin_sdk::pluginv2::{DataSourceInstanceSettings, PluginContext};

    use super::*;
    use crate::budget::Memory;
    use crate::engine::{Clock, Engine, Workers};
    use crate::error::Category;

    /// What "Save & test" says of a SimpleJSON server at the path `of`, with so much memory and time.
    async fn checked(of: &str, bytes: usize, time: Duration) -> Result<Reached> {
        let upstream = Router::new()
            .route("/large", get(|| async { "x".repeat(4 << 20) }))
            .route("/silent", get(std::future::pending::<String>));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/{of}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, upstream).await });
        let engine = Engine::new(Workers::default(), 0, Clock::system()).bounded(Memory::of(bytes), time);
        let metrics = Arc::new(super::super::metrics::Metrics::new().unwrap());
        let shared = Shared { engine, metrics, ..Shared::new().unwrap() };
        let settings = DataSourceInstanceSettings {
            url,
            json_data: br#"{"source": "simple-json", "timeout": 30}"#.to_vec(),
            ..DataSourceInstanceSettings::default()
        };
        let context =
            PluginContext { data_source_instance_settings: Some(settings), ..PluginContext::default() };
        let request = CheckHealthRequest { plugin_context: Some(context), ..CheckHealthRequest::default() };
        DiagnosticsService::new(shared).check(&request).await
    }

    #[tokio::test]
    async fn save_and_test_is_within_the_bounds_of_queries() {
        let error = checked("large", 1 << 20, Duration::from_secs(60)).await.unwrap_err();
        assert!(error.category() == Category::Limit && error.to_string().contains("memory_mib"), "{error}");
        let error = checked("silent", 64 << 20, Duration::from_millis(200)).await.unwrap_err();
        assert!(error.category() == Category::Limit && error.to_string().contains("query_secs"), "{error}");
    }
}
