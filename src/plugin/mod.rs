//! Everything that knows Grafana: the process, its handshake, and the services Grafana calls.
//!
//! The protocol's messages and service traits come from `grafana_plugin_sdk::pluginv2`; the services, their server
//! and the Arrow encoding are our own, because the SDK's have defects that hurt (`ARCHITECTURE.md` lists them with the
//! tests that guard each). A better SDK release can replace this folder without touching the rest.

mod allocator;
mod arrow;
mod caller;
mod controller;
mod data;
mod diagnostics;
mod handshake;
mod instances;
mod listener;
mod logging;
mod metrics;
mod operator;
mod preview;
mod resource;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use grafana_plugin_sdk::pluginv2::data_server::DataServer;
use grafana_plugin_sdk::pluginv2::diagnostics_server::DiagnosticsServer;
use grafana_plugin_sdk::pluginv2::resource_server::ResourceServer;
use rustix::process::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::budget::Memory;
use crate::engine::{Clock, Engine, Workers};
use crate::error::Result;
use controller::Controller;
use instances::Instances;
use listener::Listener;
use metrics::Metrics;
use operator::Environment;

/// Largest request taken, as of plugins in Go; tonic's own default of 4 MiB fails on dashboards with many long queries. What
/// one query may have of it, `query/length.rs` says.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// How long running queries may take to end once shutdown was asked for. The host kills after two seconds.
const DRAIN_TIME: Duration = Duration::from_millis(1_000);

/// How long worker threads may go on after that.
const WORKER_DRAIN_TIME: Duration = Duration::from_millis(300);

/// What all services share.
#[derive(Debug, Clone)]
struct Shared {
    instances: Arc<Instances>,
    metrics: Arc<Metrics>,
    engine: Engine,
}

impl Shared {
    fn new() -> Result<Self> {
        let Environment { cache_bytes, query_bytes, query_time, operator } = Environment::read();
        let engine = Engine::new(Workers::default(), cache_bytes, Clock::system())
            .bounded(Memory::of(query_bytes), query_time);
        Ok(Self { instances: Arc::new(Instances::new(operator)), metrics: Arc::new(Metrics::new()?), engine })
    }
}

/// Runs the plugin process until Grafana ends it.
#[must_use]
pub fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--version") {
        print_line(concat!("gpx_outrider ", env!("CARGO_PKG_VERSION")));
        return ExitCode::SUCCESS;
    }
    if let Err(message) = handshake::check_launched_by_grafana() {
        eprintln!("{message}");
        return ExitCode::FAILURE;
    }
    allocator::give_back_what_is_free();
    logging::init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start the async runtime");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(serve());
    runtime.shutdown_timeout(WORKER_DRAIN_TIME);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the plugin server failed");
            ExitCode::FAILURE
        }
    }
}

/// Serves every service until shutdown is asked for, by the host or by a signal.
async fn serve() -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let listener = listener::bind().await?;
    let (network, address) = listener.address()?;

    let shutdown = CancellationToken::new();
    // Before the handshake: the host may send a signal as soon as it has read the line.
    // Nor may it be gone before it is known who it was.
    let host = rustix::process::getppid();
    tokio::spawn(watch_for_shutdown(host, Signals::take_over()?, shutdown.clone()));
    let (mut health_reporter, health) = tonic_health::server::health_reporter();
    // The name go-plugin's Ping asks for.
    health_reporter.set_service_status("plugin", tonic_health::ServingStatus::Serving).await;
    let shared = Shared::new()?;

    let server = Server::builder()
        .add_service(health)
        .add_service(Controller::new(shutdown.clone()))
        .add_service(
            DataServer::new(data::DataService::new(shared.clone()))
                .max_decoding_message_size(MAX_REQUEST_BYTES),
        )
        .add_service(
            DiagnosticsServer::new(diagnostics::DiagnosticsService::new(shared.clone()))
                .max_decoding_message_size(MAX_REQUEST_BYTES),
        )
        .add_service(
            ResourceServer::new(resource::ResourceService::new(shared))
                .max_decoding_message_size(MAX_REQUEST_BYTES),
        );
    let ended = shutdown.clone().cancelled_owned();
    let (server, _folder): (BoxFuture<'_, _>, _) = match listener {
        Listener::Unix(listener, folder) => {
            let incoming = listener::unix_connections(listener);
            (Box::pin(server.serve_with_incoming_shutdown(incoming, ended)), Some(folder))
        }
        Listener::Tcp(listener) => {
            let incoming = listener::tcp_connections(listener);
            (Box::pin(server.serve_with_incoming_shutdown(incoming, ended)), None)
        }
    };

    print_line(&handshake::line(network, &address));
    tracing::info!(network, address, version = env!("CARGO_PKG_VERSION"), "plugin is ready");
    let drained_for_too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIME).await;
    };
    tokio::select! {
        served = server => served?,
        () = drained_for_too_long => tracing::warn!("queries still run, ending without them"),
    }
    tracing::info!("plugin has ended");
    Ok(())
}

/// The signals a host or an operator may send.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes the signals over from the system, whose default is to end the process on the spot.
    fn take_over() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
}

/// Cancels `shutdown` on SIGTERM or when the host is gone.
///
/// SIGINT is left alone: a Ctrl-C in a terminal reaches the whole process group, and the host then asks for shutdown
/// in its own time, as go-plugin's own server expects.
async fn watch_for_shutdown(host: Option<Pid>, mut signals: Signals, shutdown: CancellationToken) {
    let mut look = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => {}
            _ = look.tick() => {
                // An orphan is given a new parent. PR_SET_PDEATHSIG would fire when the host's *thread* ends.
                if rustix::process::getppid() != host {
                    tracing::warn!("the host is gone");
                    break;
                }
            }
            () = shutdown.cancelled() => break,
        }
    }
    shutdown.cancel();
}

/// The only two things that ever reach standard output: the handshake line, or the answer to `--version`.
#[expect(
    clippy::print_stdout,
    reason = "the handshake line belongs on standard output, and nothing else does"
)]
fn print_line(line: &str) {
    println!("{line}");
}
