//! QueryData: every query of a request at the same time, each with its own frames or its own error.

use std::collections::HashMap;
use std::time::Instant;

use grafana_plugin_sdk::pluginv2::data_server::Data;
use grafana_plugin_sdk::pluginv2::{self, DataQuery, DataResponse, QueryDataRequest, QueryDataResponse};
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};

use super::instances::Connected;
use super::metrics::QueryKinds;
use super::{Shared, arrow, caller, instances};
use crate::detector;
use crate::engine::Job;
use crate::error::{Category, Error, Result, shortened};
use crate::frame::{self, View};
use crate::query::{Output, Query};
use crate::series::TimeRange;
use crate::source;

/// Points of a panel that does not say how many it can show.
const DEFAULT_MAX_DATA_POINTS: usize = 1_000;

/// The most queries of a request, each of which is a task of its own.
const MAX_QUERIES: usize = 1_000;

/// How much of a refId, which may be any text, is logged.
const REF_ID_CHARS: usize = 100;

/// Frames carry nanoseconds in an `i64`: the years 1677 to 2262.
const LAST_ENCODABLE_MS: i64 = i64::MAX / 1_000_000;

#[derive(Debug)]
pub(super) struct DataService {
    shared: Shared,
}

impl DataService {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

#[tonic::async_trait]
impl Data for DataService {
    async fn query_data(
        &self,
        request: Request<QueryDataRequest>,
    ) -> std::result::Result<Response<QueryDataResponse>, Status> {
        let QueryDataRequest { plugin_context, headers, queries } = request.into_inner();
        let for_expression = caller::is_for_expression(&headers);
        let caller =
            caller::of(plugin_context.as_ref(), headers.iter().map(|(name, value)| (name, Some(value))));
        let connected = self.shared.instances.get(plugin_context.as_ref(), &self.shared.metrics);
        let connected = connected.and_then(|connected| connected.for_caller(&caller));
        let datasource = instances::uid(plugin_context.as_ref());
        // Dropped with this future when Grafana goes away, and every task with it.
        let mut tasks = JoinSet::new();
        let mut ref_ids = HashMap::with_capacity(queries.len());
        for (number, query) in queries.into_iter().enumerate() {
            let allowed = if number < MAX_QUERIES { Ok(()) } else { Err(too_many_queries()) };
            let connected = allowed.and_then(|()| connected.clone());
            let (shared, ref_id) = (self.shared.clone(), query.ref_id.clone());
            let task = tasks.spawn(async move { answer(&shared, connected, query, for_expression).await });
            ref_ids.insert(task.id(), ref_id);
        }
        let mut responses = HashMap::with_capacity(ref_ids.len());
        while let Some(ended) = tasks.join_next_with_id().await {
            let (id, (kinds, answered)) = match ended {
                Ok(ended) => ended,
                Err(error) => (error.id(), (QueryKinds::UNKNOWN, Err(Error::panicked("the query")))),
            };
            let ref_id = ref_ids.remove(&id).unwrap_or_default();
            responses.insert(ref_id.clone(), self.to_response(datasource, &ref_id, kinds, answered));
        }
        Ok(Response::new(QueryDataResponse { responses }))
    }
}

fn too_many_queries() -> Error {
    Error::new(Category::Limit, format!("the request has more than {MAX_QUERIES} queries"))
        .hint("ask for less in one panel")
}

impl DataService {
    fn to_response(
        &self,
        datasource: &str,
        ref_id: &str,
        kinds: QueryKinds,
        answered: Result<Vec<Vec<u8>>>,
    ) -> DataResponse {
        self.shared.metrics.count_query(kinds, answered.as_ref().err().map(Error::category));
        match answered {
            Ok(frames) => DataResponse { frames, error: String::new(), json_meta: Vec::new(), status: 200 },
            Err(error) => {
                let ref_id = shortened(ref_id, REF_ID_CHARS);
                tracing::warn!(datasource, ref_id = ref_id.as_str(), category = %error.category(), error = %error, "query failed");
                DataResponse {
                    frames: Vec::new(),
                    status: i32::from(error.category().http_status()),
                    error: error.to_string(),
                    json_meta: Vec::new(),
                }
            }
        }
    }
}

/// Answers one query with encoded frames, and says which kinds it turned out to be of.
async fn answer(
    shared: &Shared,
    connected: Result<Connected>,
    query: DataQuery,
    for_expression: bool,
) -> (QueryKinds, Result<Vec<Vec<u8>>>) {
    let understood = connected.and_then(|connected| Ok((Plan::new(&query, &connected)?, connected)));
    match understood {
        Ok((plan, connected)) => {
            (plan.kinds, plan.carry_out(shared, &connected, query.ref_id, for_expression).await)
        }
        Err(error) => (QueryKinds::UNKNOWN, Err(error)),
    }
}

/// A query that was understood.
struct Plan {
    job: Job,
    kinds: QueryKinds,
}

impl Plan {
    fn new(query: &DataQuery, connected: &Connected) -> Result<Self> {
        let mut parsed = Query::parse(&query.json)?;
        parsed.settle_ms = parsed.settle_ms.or(Some(connected.settle_ms));
        let kinds = QueryKinds {
            source: source::select(&connected.source, &parsed.source)?.kind(),
            detector: detector::find(&parsed.detector)?.kind,
        };
        let max_data_points = usize::try_from(query.max_data_points)
            .ok()
            .filter(|max| *max > 0)
            .unwrap_or(DEFAULT_MAX_DATA_POINTS);
        let visible = time_range(query.time_range.as_ref())?;
        Ok(Self { job: Job { query: parsed, visible, max_data_points }, kinds })
    }

    async fn carry_out(
        self,
        shared: &Shared,
        connected: &Connected,
        ref_id: String,
        for_expression: bool,
    ) -> Result<Vec<Vec<u8>>> {
        if self.job.query.output == Output::Annotations {
            return shared.engine.within_bounds(annotations(&self.job, connected, &ref_id)).await;
        }
        let view = View {
            output: self.job.query.output,
            for_expression,
            missing: self.job.query.missing,
            max_data_points: self.job.max_data_points,
        };
        let outcome = shared.engine.run(self.job, &connected.source, connected.scope).await?;

        let metrics = &shared.metrics;
        metrics.points_in.inc_by(outcome.points_fetched as u64);
        metrics.fetch_seconds.observe(outcome.fetch_time.as_secs_f64());
        metrics.detect_seconds.observe(outcome.detect_time.as_secs_f64());
        tracing::debug!(
            ref_id = shortened(&ref_id, REF_ID_CHARS).as_str(),
            source = self.kinds.source,
            detector = self.kinds.detector,
            points_in = outcome.points_in,
            points_fetched = outcome.points_fetched,
            fetch_secs = outcome.fetch_time.as_secs_f64(),
            decode_secs = outcome.decode_time.as_secs_f64(),
            detect_secs = outcome.detect_time.as_secs_f64(),
            "query answered"
        );
        let (encoded, rows, encode_time) = shared
            .engine
            .workers()
            .run(move |_| {
                let started = Instant::now();
                let _held = outcome.held.take(frame::bytes(&outcome, &view), "the frames")?;
                let frames = frame::render(&outcome, &view);
                let rows: usize = frames.iter().map(frame::Frame::rows).sum();
                let encoded =
                    frames.iter().map(|frame| arrow::encode(frame, &ref_id)).collect::<Result<Vec<_>>>()?;
                Ok((encoded, rows, started.elapsed()))
            })
            .await?;
        metrics.points_out.inc_by(rows as u64);
        metrics.encode_seconds.observe(encode_time.as_secs_f64());
        Ok(encoded)
    }
}

/// The upstream's own annotations in the visible range.
async fn annotations(job: &Job, connected: &Connected, ref_id: &str) -> Result<Vec<Vec<u8>>> {
    let source = source::select(&connected.source, &job.query.source)?;
    let kind = source.kind();
    let found = source.prepare(&job.query.source)?.annotations(job.visible).await?.ok_or_else(|| {
        Error::new(Category::Query, format!("the upstream kind \"{kind}\" has no annotations of its own"))
            .hint("set the option output to events, for those that the detector finds")
    })?;
    Ok(vec![arrow::encode(&frame::annotations(&found), ref_id)?])
}

fn time_range(range: Option<&pluginv2::TimeRange>) -> Result<TimeRange> {
    let wrong = |why: String| Err(Error::new(Category::Query, why).hint("choose another time range"));
    let Some(range) = range else { return wrong("the query has no time range".to_owned()) };
    let (from_ms, to_ms) = (range.from_epoch_ms, range.to_epoch_ms);
    if from_ms > to_ms {
        return wrong(format!("the time range ends ({to_ms} ms) before it begins ({from_ms} ms)"));
    }
    if from_ms < -LAST_ENCODABLE_MS || to_ms > LAST_ENCODABLE_MS {
        return wrong(
            "the time range leaves the years 1677 to 2262, which Grafana's frames can carry".to_owned(),
        );
    }
    Ok(TimeRange { from_ms, to_ms })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn request(queries: &[(&str, &str)]) -> Request<QueryDataRequest> {
        let to_epoch_ms = 1_750_000_000_000;
        let queries = queries
            .iter()
            .map(|(ref_id, json)| DataQuery {
                ref_id: (*ref_id).to_owned(),
                max_data_points: 100,
                interval_ms: 1_000,
                time_range: Some(pluginv2::TimeRange {
                    from_epoch_ms: to_epoch_ms - 21_600_000,
                    to_epoch_ms,
                }),
                json: json.as_bytes().to_vec(),
                query_type: String::new(),
            })
            .collect();
        Request::new(QueryDataRequest { plugin_context: None, headers: HashMap::new(), queries })
    }

    #[tokio::test]
    async fn one_bad_query_takes_no_other_down() {
        let service = DataService::new(Shared::new().unwrap());
        let queries = [
            ("A", "{}"),
            ("B", "{not json"),
            ("C", r#"{"source":{"kind":"nope"}}"#),
            ("D", r#"{"detector":{"kind":"nope"}}"#),
            ("E", r#"{"output":"events"}"#),
        ];
        let responses = service.query_data(request(&queries)).await.unwrap().into_inner().responses;
        assert_eq!(responses.len(), 5);
        for good in ["A", "E"] {
            assert_eq!((responses[good].status, responses[good].error.as_str()), (200, ""));
            assert!(!responses[good].frames.is_empty());
        }
        for (bad, needle) in
            [("B", "not valid JSON at line 1"), ("C", "\"http-json\""), ("D", "\"isolation-forest\"")]
        {
            let response = &responses[bad];
            assert_eq!(response.status, 400);
            assert!(
                response.error.starts_with("[query] ") && response.error.contains(needle),
                "{}",
                response.error
            );
            assert!(response.frames.is_empty());
        }
    }

    #[tokio::test]
    async fn what_is_too_long_or_too_many_is_refused_alone() {
        let service = DataService::new(Shared::new().unwrap());
        let long = format!(r#"{{"source":{{"where":[{}0]}}}}"#, "0,".repeat(2 << 20));
        let queries = [("A", "{}"), ("B", long.as_str())];
        let responses = service.query_data(request(&queries)).await.unwrap().into_inner().responses;
        assert_eq!(responses["A"].error, "");
        assert!(
            responses["B"].error.starts_with("[limit] the query has more than"),
            "{}",
            responses["B"].error
        );

        let ref_ids: Vec<String> = (0..=MAX_QUERIES).map(|number| number.to_string()).collect();
        // Refused as well, but by their own words.
        let queries: Vec<(&str, &str)> =
            ref_ids.iter().map(|ref_id| (ref_id.as_str(), "{not json")).collect();
        let responses = service.query_data(request(&queries)).await.unwrap().into_inner().responses;
        assert!(responses["999"].error.starts_with("[query] "), "{}", responses["999"].error);
        assert!(responses["1000"].error.starts_with("[limit] the request has more than 1000 queries"));
    }

    /// The upstream answers only when both queries have reached it; asked one after the other, the first times out.
    #[tokio::test]
    async fn the_queries_of_a_request_run_at_the_same_time() {
        let both = Arc::new(tokio::sync::Barrier::new(2));
        let answer = move || {
            let both = Arc::clone(&both);
            async move {
                both.wait().await;
                r#"{"query_response": [[1750000000000, 1]]}"#
            }
        };
        let upstream = axum::Router::new().route("/query", axum::routing::get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, upstream).await });

        // Not the same query twice, which would be asked once.
        let mut request = request(&[("A", "{}"), ("B", r#"{"source":{"name":"other"}}"#)]);
        request.get_mut().plugin_context = Some(pluginv2::PluginContext {
            data_source_instance_settings: Some(pluginv2::DataSourceInstanceSettings {
                url,
                json_data: br#"{"source": "http-json", "timeout": 10}"#.to_vec(),
                ..Default::default()
            }),
            ..Default::default()
        });
        let service = DataService::new(Shared::new().unwrap());
        let responses = service.query_data(request).await.unwrap().into_inner().responses;
        for ref_id in ["A", "B"] {
            assert_eq!(responses[ref_id].error, "");
        }
    }

    #[test]
    fn impossible_ranges_are_refused_and_old_ones_are_not() {
        let range = |from_epoch_ms, to_epoch_ms| {
            time_range(Some(&pluginv2::TimeRange { from_epoch_ms, to_epoch_ms }))
        };
        assert!(range(-5_000_000_000_000, 0).is_ok());
        assert!(range(1, 0).is_err());
        assert!(range(-62_135_596_800_000, 0).is_err(), "year 1");
        assert!(range(0, 253_402_300_799_000).is_err(), "year 9999");
        assert!(range(i64::MIN, i64::MAX).is_err());
        assert!(time_range(None).is_err());
    }
}
