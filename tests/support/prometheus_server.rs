//! Real servers for tests: each on a free port of this machine, with its data in a folder of its own, gone when it is
//! dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that is not ready by then never will be.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the tests of a server may be skipped, because its program is missing and `OUTRIDER_ALLOW_SKIP=1` says so.
///
/// # Panics
/// If the program is missing and nothing says so.
pub(crate) fn is_skipped(program: &str, package: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    if found {
        return false;
    }
    assert!(
        std::env::var_os("OUTRIDER_ALLOW_SKIP").is_some_and(|value| value == "1"),
        "{program} is missing: install the Debian package {package} (./build.sh test does), or set OUTRIDER_ALLOW_SKIP=1"
    );
    eprintln!("skipped: {program} is missing");
    true
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running Prometheus; killed when it is dropped.
pub(crate) struct PrometheusServer {
    pub(crate) url: String,
    child: Child,
    folder: tempfile::TempDir,
}

impl PrometheusServer {
    /// Starts one that serves the series of `openmetrics`, which its own tool writes into its storage. `web_config` is
    /// the file of `--web.config.file`, in YAML, with `{folder}` for the folder the other `files` are put into; `https` is
    /// the scheme of its URL then.
    pub(crate) async fn start(openmetrics: &str, web_config: Option<&str>, files: &[(&str, &str)]) -> Self {
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
        let metrics = write("data.om", openmetrics);
        let storage = path("data");
        load(&metrics, &storage);
        let port = free_port();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", storage.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--storage.tsdb.retention.time=100y")
            .arg("--log.level=error");
        let mut scheme = "http";
        if let Some(text) = web_config {
            let text = text.replace("{folder}", &folder.path().display().to_string());
            if text.contains("tls_server_config") {
                scheme = "https";
            }
            command.arg(format!("--web.config.file={}", write("web.yml", &text).display()));
        }
        let log = std::fs::File::create(path("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut server = Self { url: format!("{scheme}://127.0.0.1:{port}"), child, folder };
        server.wait_until_ready(port).await;
        server
    }

    async fn wait_until_ready(&mut self, port: u16) {
        let ready = |stream: &mut dyn ReadWrite| -> std::io::Result<bool> {
            stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            // With TLS or a password, being refused means that it is there.
            Ok(["200", "400", "401"].iter().any(|status| answer.starts_with(&format!("HTTP/1.0 {status}"))))
        };
        let begun = Instant::now();
        loop {
            if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) {
                stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                if ready(&mut stream).unwrap_or(false) {
                    return;
                }
            }
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(self.child.try_wait().unwrap().is_none(), "prometheus ended: {}", log());
            assert!(begun.elapsed() < PATIENCE, "prometheus is not ready: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the server now.
    pub(crate) fn stop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for PrometheusServer {
    fn drop(&mut self) {
        self.stop();
    }
}

trait ReadWrite: std::io::Read + std::io::Write {}
impl<S: std::io::Read + std::io::Write> ReadWrite for S {}

fn load(metrics: &Path, storage: &PathBuf) {
    std::fs::create_dir_all(storage).unwrap();
    // Blocks longer than the two hours of old: months of points make few of them.
    let output = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics"])
        .arg(metrics)
        .arg(storage)
        .output()
        .unwrap();
    assert!(output.status.success(), "promtool: {}", String::from_utf8_lossy(&output.stderr));
}
