//! CallResource: what the editors ask for while someone types.
//!
//! `GET kinds` lists the kinds of sources and detectors; `GET {kind}/{question}?…` is the source's own business
//! (`generator/series`), for which [`source::Question`] is the form. `POST preview` asks a query and shows the first points
//! of the answer. Answers are JSON.

use std::collections::HashMap;
use std::pin::Pin;

use futures_util::Stream;
use grafana_plugin_sdk::pluginv2::{
    self, CallResourceRequest, CallResourceResponse, resource_server::Resource,
};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use super::{Shared, caller, preview};
use crate::detector::DETECTORS;
use crate::error::{Category, Error, Result, list_names};
use crate::query::{Kind, check_text};
use crate::source::{self, Choice, Question, SOURCES};

#[derive(Debug)]
pub(super) struct ResourceService {
    shared: Shared,
}

impl ResourceService {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared }
    }

    async fn answer(&self, request: &CallResourceRequest) -> (u16, Value) {
        let lengths =
            check_text("the path", &request.path).and_then(|()| check_text("the URL", &request.url));
        if let Err(error) = lengths {
            return (error.category().http_status(), json!({"error": error.to_string()}));
        }
        let path = request.path.trim_matches('/');
        if path == "preview" && request.method.eq_ignore_ascii_case("POST") {
            return match self.preview(request).await {
                Ok(shown) => (200, shown),
                Err(error) => (error.category().http_status(), json!({"error": error.to_string()})),
            };
        }
        if !request.method.eq_ignore_ascii_case("GET") {
            return (405, problem("only GET is answered here", "use GET"));
        }
        if path == "kinds" {
            return (200, kinds());
        }
        // The path comes without its parameters, which are in the URL.
        let params = request.url.split_once('?').map_or("", |(_, params)| params);
        match self.ask_source(request, path, params).await {
            Ok(Ok(choices)) => (200, json!(choices)),
            Ok(Err(there_are)) => (404, problem("there is no such resource", &format!("use {there_are}"))),
            Err(error) => (error.category().http_status(), json!({"error": error.to_string()})),
        }
    }

    async fn preview(&self, request: &CallResourceRequest) -> Result<Value> {
        let context = request.plugin_context.as_ref();
        let headers = request.headers.iter().map(|(name, list)| (name, list.values.first()));
        let own = self.shared.instances.get(context, &self.shared.metrics)?;
        let own = own.for_caller(&caller::of(context, headers))?;
        let now_ms = chrono::Utc::now().timestamp_millis();
        let asked = preview::Asked::parse(&request.body)?;
        self.shared.engine.within_bounds(asked.answer(&own.source, now_ms)).await
    }

    /// The source's answer; or, if there is no such question, which ones there are.
    async fn ask_source(
        &self,
        request: &CallResourceRequest,
        path: &str,
        params: &str,
    ) -> Result<std::result::Result<Vec<Choice>, String>> {
        let there_is = |kind: &str, questions: &[&str]| {
            let paths: Vec<String> = questions.iter().map(|question| format!("{kind}/{question}")).collect();
            list_names(std::iter::once("kinds").chain(paths.iter().map(String::as_str)))
        };
        let known = path.split_once('/').filter(|(kind, _)| SOURCES.iter().any(|entry| entry.kind == *kind));
        let Some((kind, question)) = known else { return Ok(Err(there_is("generator", &["series"]))) };
        let context = request.plugin_context.as_ref();
        let caller =
            caller::of(context, request.headers.iter().map(|(name, list)| (name, list.values.first())));
        let own = self.shared.instances.get(context, &self.shared.metrics)?.for_caller(&caller)?;
        let wanted: Kind = serde_json::from_value(json!({"kind": kind}))
            .map_err(|error| Error::new(Category::Internal, error.to_string()))?;
        let source = source::select(&own.source, &wanted)?;
        let question = Question::parse(&format!("{question}?{params}"));
        let found = self.shared.engine.within_bounds(source.discover(&question)).await?;
        Ok(found.ok_or_else(|| there_is(kind, source.questions())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_too_long_is_refused_before_it_is_read() {
        let service = ResourceService::new(Shared::new().unwrap());
        let long = "x".repeat(1 << 20);
        let zeros = format!(r#"{{"query": {{"source": [{}0]}}}}"#, "0,".repeat(1 << 20));
        for (method, path, url, body) in [
            ("GET", "generator/series", format!("generator/series?search={long}"), ""),
            ("GET", long.as_str(), String::new(), ""),
            ("POST", "preview", String::new(), zeros.as_str()),
        ] {
            let request = CallResourceRequest {
                method: method.to_owned(),
                path: path.to_owned(),
                url,
                body: body.as_bytes().to_vec().into(),
                ..CallResourceRequest::default()
            };
            let (_, answer) = service.answer(&request).await;
            let error = answer["error"].as_str().unwrap();
            assert!(error.starts_with("[limit] ") && error.len() < 200, "{error}");
        }
    }
}
