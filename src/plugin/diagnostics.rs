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
        connected.source.check().await
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
