//! CallResource: what the editors ask for while someone types.
//!
//! `GET kinds` lists the kinds of sources and detectors; `GET {kind}/{question}` is the source's own business
//! (`generator/series`). Answers are JSON.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::Stream;
use grafana_plugin_sdk::pluginv2::{
    self, CallResourceRequest, CallResourceResponse, resource_server::Resource,
};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use super::Shared;
use crate::detector::DETECTORS;
use crate::error::{Error, Result};
use crate::query::Kind;
use crate::source::{self, SOURCES};

#[derive(Debug)]
pub(super) struct ResourceService {
    shared: Shared,
}

impl ResourceService {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    async fn answer(&self, request: &CallResourceRequest) -> (u16, Value) {
        if !request.method.eq_ignore_ascii_case("GET") {
            return (405, problem("only GET is answered here", "use GET"));
        }
        let path = request.path.trim_matches('/');
        if path == "kinds" {
            return (200, kinds());
        }
        match self.ask_source(request.plugin_context.as_ref(), path).await {
            Ok(Some(answer)) => (200, answer),
            Ok(None) => (404, problem("there is no such resource", "use kinds or generator/series")),
            Err(error) => (error.category().http_status(), json!({"error": error.to_string()})),
        }
    }

    async fn ask_source(
        &self,
        context: Option<&pluginv2::PluginContext>,
        path: &str,
    ) -> Result<Option<Value>> {
        let Some((kind, question)) = path.split_once('/') else { return Ok(None) };
        if !SOURCES.iter().any(|entry| entry.kind == kind) {
            return Ok(None);
        }
        let own = self.shared.instances.get(context, &self.shared.metrics)?;
        let wanted: Kind = serde_json::from_value(json!({"kind": kind}))
            .map_err(|error| Error::new(crate::error::Category::Internal, error.to_string()))?;
        source::select(&own.source, &wanted)?.discover(question).await
    }
}

fn kinds() -> Value {
    let sources = SOURCES.iter().map(|entry| (entry.kind, entry.label, entry.description));
    let detectors = DETECTORS.iter().map(|entry| (entry.kind, entry.label, entry.description));
    let list = |kinds: &mut dyn Iterator<Item = (&str, &str, &str)>| -> Value {
        kinds
            .map(|(kind, label, description)| json!({"kind": kind, "label": label, "description": description}))
            .collect()
    };
    json!({"sources": list(&mut sources.into_iter()), "detectors": list(&mut detectors.into_iter())})
}

fn problem(error: &str, hint: &str) -> Value {
    json!({"error": error, "hint": hint})
}

#[tonic::async_trait]
impl Resource for ResourceService {
    type CallResourceStream =
        Pin<Box<dyn Stream<Item = std::result::Result<CallResourceResponse, Status>> + Send>>;

    async fn call_resource(
        &self,
        request: Request<CallResourceRequest>,
    ) -> std::result::Result<Response<Self::CallResourceStream>, Status> {
        let (code, body) = self.answer(request.get_ref()).await;
        let content_type = pluginv2::StringList { values: vec!["application/json".to_owned()] };
        let response = CallResourceResponse {
            code: i32::from(code),
            headers: HashMap::from([("Content-Type".to_owned(), content_type)]),
            body: body.to_string().into(),
        };
        Ok(Response::new(Box::pin(futures_util::stream::iter([Ok(response)]))))
    }
}
