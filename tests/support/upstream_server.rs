//! Upstreams for tests, each on a free port of this machine: HTTP servers that note what they were asked, and plain
//! TCP ones that misbehave in ways no HTTP server would.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Something that went wrong takes this long to fail; nothing else waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A running upstream; stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Answers every request as `respond` says.
    pub(crate) async fn answering<F>(respond: F) -> Self
    where
        F: Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let body = String::from_utf8_lossy(&body).into_owned();
            let request = Seen { method, uri, headers, body };
            let response = respond(&request);
            noted.lock().unwrap().push(request);
            async move { response }
        };
        let mut upstream = Self::serving(Router::new().fallback(handler)).await;
        upstream.seen = seen;
        upstream
    }

    /// Serves `router`.
    pub(crate) async fn serving(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url_of("http", &listener);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen: Arc::default(), task }
    }

    /// Reads the head of every request, then lets `behave` do what it wants with the connection.
    pub(crate) async fn behaving<F, R>(behave: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url_of("http", &listener);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_head(&mut stream).await;
                tokio::spawn(behave(stream));
            }
        });
        Self { url, seen: Arc::default(), task }
    }

    /// Answers every request with these bytes, whatever they are, and closes the connection.
    pub(crate) async fn sending(bytes: &'static [u8]) -> Self {
        Self::behaving(move |mut stream| async move {
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
        })
        .await
    }

    /// Begins every answer with these bytes, and ends as a process does that is stopped.
    pub(crate) async fn breaking_off(bytes: &'static [u8]) -> Self {
        Self::behaving(move |mut stream| async move {
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            // To the end of the request: closing with something unread resets the connection, and the bytes are lost.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await
    }

    /// Begins every answer with these bytes and never goes on. The receiver hears of every request, and again when
    /// the one who asked has gone.
    pub(crate) async fn stalling(bytes: &'static [u8]) -> (Self, mpsc::UnboundedReceiver<&'static str>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let upstream = Self::behaving(move |mut stream| {
            let sender = sender.clone();
            async move {
                stream.write_all(bytes).await.unwrap();
                let _ = sender.send("asked");
                // Nothing more is sent, so this ends only when the other side closes.
                let _ = stream.read_to_end(&mut Vec::new()).await;
                let _ = sender.send("gone");
            }
        })
        .await;
        (upstream, receiver)
    }

    /// What was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A URL on which nobody listens.
pub(crate) async fn nobody() -> String {
    url_of("http", &TcpListener::bind("127.0.0.1:0").await.unwrap())
}

pub(crate) fn url_of(scheme: &str, listener: &TcpListener) -> String {
    format!("{scheme}://{}", listener.local_addr().unwrap())
}

/// Reads to the end of a request's head.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
}

/// `future`, unless it takes so long that it would hang the tests.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("something hangs")
}
