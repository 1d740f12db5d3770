//! A real VictoriaMetrics for tests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::server::{Running, free_port, installed};

/// How long it may take until it listens, once it says so.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub(crate) struct VictoriaServer {
    /// Where it is, with scheme and port.
    pub(crate) url: String,
    port: u16,
    running: Running,
}

impl AsRef<Running> for VictoriaServer {
    fn as_ref(&self) -> &Running {
        &self.running
    }
}

impl VictoriaServer {
    /// Starts one that holds `samples`, in Prometheus' text format with times in ms; `None` where it is not installed and need not
    /// be.
    pub(crate) fn start(samples: &str) -> Option<Self> {
        let program = installed("victoria-metrics", "victoria-metrics", &[])?.join("victoria-metrics");
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = Command::new(program);
        command
            .arg(format!("-storageDataPath={}", folder.path().join("data").display()))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg("-retentionPeriod=100y");
        let running = Running::start(command, folder, "pprof handlers are exposed at");
        let server = Self { url: format!("http://127.0.0.1:{port}"), port, running };
        server.import(samples);
        Some(server)
    }

    /// Stores samples, and has them show in queries.
    pub(crate) fn import(&self, samples: &str) {
        self.post("/api/v1/import/prometheus", samples);
        self.post("/internal/force_flush", "");
    }

    fn post(&self, path: &str, body: &str) {
        let begun = Instant::now();
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{path}: {answer}");
    }
}
