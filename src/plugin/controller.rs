//! `plugin.GRPCController`, by which the host asks for a clean shutdown.
//!
//! The service has one method, `Shutdown(Empty) returns (Empty)` (hashicorp/go-plugin,
//! `internal/plugin/grpc_controller.proto`); it is small enough to be written without generated code. Without it the
//! host waits two seconds, warns and kills.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tonic::body::BoxBody;
use tonic::codec::ProstCodec;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Request, Response, Status};

/// The service; calling it cancels the token it was made with.
#[derive(Debug, Clone)]
pub(super) struct Controller {
    shutdown: CancellationToken,
}

impl Controller {
    pub(super) fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown }
    }
}

impl NamedService for Controller {
    const NAME: &'static str = "plugin.GRPCController";
}

struct Shutdown(CancellationToken);

impl UnaryService<()> for Shutdown {
    type Response = ();
    type Future = BoxFuture<'static, Result<Response<()>, Status>>;

    fn call(&mut self, _request: Request<()>) -> Self::Future {
        let shutdown = self.0.clone();
        Box::pin(async move {
            tracing::debug!("the host asks for shutdown");
            shutdown.cancel();
            Ok(Response::new(()))
        })
    }
}

impl Service<http::Request<BoxBody>> for Controller {
    type Response = http::Response<BoxBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<BoxBody>) -> Self::Future {
        let shutdown = self.shutdown.clone();
        Box::pin(async move {
            if request.uri().path() != "/plugin.GRPCController/Shutdown" {
                return Ok(Status::new(Code::Unimplemented, "the controller knows Shutdown only").into_http());
            }
            // `()` is prost's empty message.
            let mut grpc = Grpc::new(ProstCodec::<(), ()>::default());
            Ok(grpc.unary(Shutdown(shutdown), request).await)
        })
    }
}
