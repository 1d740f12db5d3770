//! A real Prometheus for tests.

use std::path::Path;
use std::process::Command;

use crate::server::{Running, free_port, installed};

/// A running server.
#[derive(Debug)]
pub(crate) struct PrometheusServer {
    /// Where it is, with scheme and port.
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) running: Running,
}

impl AsRef<Running> for PrometheusServer {
    fn as_ref(&self) -> &Running {
        &self.running
    }
}

impl PrometheusServer {
    /// Starts one that serves the series of `openmetrics`, which its own tool writes into its storage; `None` where it is
    /// not installed and need not be. `web_config` is the file of `--web.config.file`, in YAML, with `{folder}` for the
    /// folder the other `files` are put into.
    pub(crate) fn start(openmetrics: &str, web_config: Option<&str>, files: &[(&str, &str)]) -> Option<Self> {
        let programs = installed("prometheus", "prometheus", &[])?;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| {
            std::fs::write(path(name), text).unwrap();
            path(name)
        };
        for (name, text) in files {
            write(name, text);
        }
        // No jobs: nothing but the data of the test.
        let config = write("prometheus.yml", "global: {scrape_interval: 15s}\n");
        let storage = path("data");
        load(&programs.join("promtool"), &write("data.om", openmetrics), &storage);
        let port = free_port();
        let mut command = Command::new(programs.join("prometheus"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", storage.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--storage.tsdb.retention.time=100y")
            // Older versions pass over what they do not know.
            .arg("--enable-feature=promql-experimental-functions");
        let mut scheme = "http";
        if let Some(text) = web_config {
            let text = text.replace("{folder}", &folder.path().display().to_string());
            if text.contains("tls_server_config") {
                scheme = "https";
            }
            command.arg(format!("--web.config.file={}", write("web.yml", &text).display()));
        }
        let running = Running::start(command, folder, "Server is ready to receive web requests");
        Some(Self { url: format!("{scheme}://127.0.0.1:{port}"), port, running })
    }
}

fn load(promtool: &Path, metrics: &Path, storage: &Path) {
    std::fs::create_dir_all(storage).unwrap();
    // Blocks longer than the two hours of old: months of points make few of them.
    let output = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics"])
        .arg(metrics)
        .arg(storage)
        .output()
        .unwrap();
    assert!(output.status.success(), "promtool: {}", String::from_utf8_lossy(&output.stderr));
}
