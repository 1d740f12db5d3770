//! A web service that Outrider's `http-json` source can ask: the smallest thing that is worth looking at.
//!
//! ```text
//! cargo run --example web_service -- --listen 127.0.0.1:8000
//! curl 'http://127.0.0.1:8000/query?from=1700000000000&to=1700003600000'
//! {"query_response":[[1700000100000,11.1],[1700001000000,8.3],…]}
//! ```
//!
//! It has two addresses, which are all that a data source needs:
//!
//! * `GET /` answers with a line of text. "Save & test" in Grafana asks for it.
//! * `GET /query?from=<ms>&to=<ms>` answers with a point every 15 minutes, as `[time in ms, value]`. Without `from`
//!   and `to`, it is the last six hours.
//!
//! The values lie within 10 ± 4, except for about 5 % of them, which lie up to 15 outside: the outliers that the detector
//! `isolation-forest` finds as it is (`docs/sources/http-json.md` says why not the default one). They are made up, but the
//! same time always has the same value, as in a real database.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use outrider::error::Result;
use outrider::query::Kind;
use outrider::series::TimeRange;
use outrider::settings::Settings;
use outrider::source::{self, FetchRequest, PreparedQuery};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

const STEP_MS: i64 = 15 * 60 * 1_000;
const SIX_HOURS_MS: i64 = 6 * 60 * 60 * 1_000;

/// A web service with made-up data, some of it outliers.
#[derive(Debug, Parser)]
struct Args {
    /// Address and port to listen on; port 0 chooses a free one.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let service = router()?;
    let listener = TcpListener::bind(args.listen).await?;
    #[expect(clippy::print_stdout, reason = "whoever started it wants to know")]
    {
        println!("listening on http://{}", listener.local_addr()?);
    }
    axum::serve(listener, service).with_graceful_shutdown(interrupted()).await?;
    Ok(())
}

/// Ready when someone presses Ctrl-C.
async fn interrupted() {
    // Without a handler for Ctrl-C, the process just ends at once.
    let _ = tokio::signal::ctrl_c().await;
}

/// The service, to be served anywhere.
///
/// # Errors
/// If the generator refuses its options.
pub(crate) fn router() -> Result<Router> {
    let routes = Router::new().route("/", get(health)).route("/query", get(query));
    Ok(routes.with_state(Data::new()?))
}

async fn health() -> &'static str {
    "The example web service is well.\n"
}

/// The range asked for, in ms since the epoch, as it is in the URL.
#[derive(Debug, Deserialize)]
struct Asked {
    from: Option<i64>,
    to: Option<i64>,
}

/// The answer: `{"query_response": [[ms, value], …]}`.
#[derive(Debug, Serialize)]
struct Answer {
    query_response: Vec<(i64, f64)>,
}

async fn query(
    State(data): State<Data>,
    Query(asked): Query<Asked>,
) -> std::result::Result<Json<Answer>, (StatusCode, String)> {
    let to_ms = asked.to.unwrap_or_else(now_ms);
    let from_ms = asked.from.unwrap_or(to_ms.saturating_sub(SIX_HOURS_MS));
    if from_ms > to_ms {
        return Err((StatusCode::BAD_REQUEST, "from is after to".to_owned()));
    }
    match data.between(TimeRange { from_ms, to_ms }).await {
        Ok(query_response) => Ok(Json(Answer { query_response })),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// Where the values come from: Outrider's own generator, which stands in for a database.
#[derive(Debug, Clone)]
struct Data(std::sync::Arc<dyn PreparedQuery>);

impl Data {
    fn new() -> Result<Self> {
        let options: Kind = outrider::query::parse_options(
            "source",
            &serde_json::json!({ "series": ["median"], "median": 10, "err": 4, "outlierErr": 15, "outlierShare": 0.05 }),
        )?;
        let generator = source::connect(&Settings::default())?;
        Ok(Self(generator.prepare(&options)?.into()))
    }

    async fn between(&self, range: TimeRange) -> Result<Vec<(i64, f64)>> {
        let fetched = self.0.fetch(&FetchRequest { range, step_ms: STEP_MS }).await?;
        Ok(fetched
            .series
            .into_iter()
            .flat_map(|series| series.times.into_iter().zip(series.values))
            .collect())
    }
}
