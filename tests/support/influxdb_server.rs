//! A real InfluxDB for tests, of the Debian package: on free ports, in a directory of its own, ready when it is handed
//! over, and killed when it is dropped.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it is, with scheme and port.
    pub(crate) url: String,
    dir: TempDir,
}

impl Server {
    /// Its process.
    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether `command` is installed. A test of a server that is not there fails, unless `OUTRIDER_ALLOW_SKIP` is 1.
///
/// # Panics
/// If it is missing.
#[expect(clippy::print_stdout, reason = "says what is skipped")]
pub(crate) fn installed(command: &str, package: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(command).is_file()));
    if found {
        return true;
    }
    let may_skip = std::env::var("OUTRIDER_ALLOW_SKIP").is_ok_and(|value| value == "1");
    assert!(may_skip, "{command} is missing: install the package {package}, or set OUTRIDER_ALLOW_SKIP=1");
    println!("skipped: {command} is not installed (package {package})");
    false
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Settings of [`influxdb`].
#[derive(Debug, Default)]
pub(crate) struct InfluxDbConfig<'a> {
    /// Lines of the section `[http]`.
    pub(crate) http: &'a str,
    /// Lines of the section `[coordinator]`.
    pub(crate) coordinator: &'a str,
    /// Certificate and key, PEM.
    pub(crate) tls: Option<(String, String)>,
}

/// An InfluxDB 1; `None` where it is not installed and need not be.
pub(crate) async fn influxdb(config: InfluxDbConfig<'_>) -> Option<Server> {
    if !installed("influxd", "influxdb") {
        return None;
    }
    let dir = TempDir::new().unwrap();
    let folder = dir.path().display().to_string();
    let (http_port, rpc_port) = (free_port(), free_port());
    let (scheme, tls) = match &config.tls {
        None => ("http", String::new()),
        Some((certificate, key)) => {
            std::fs::write(dir.path().join("certificate.pem"), certificate).unwrap();
            std::fs::write(dir.path().join("key.pem"), key).unwrap();
            let lines = format!(
                "https-enabled = true\nhttps-certificate = \"{folder}/certificate.pem\"\nhttps-private-key = \"{folder}/key.pem\"\n"
            );
            ("https", lines)
        }
    };
    let text = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{rpc_port}\"\n\
         [meta]\ndir = \"{folder}/meta\"\n\
         [data]\ndir = \"{folder}/data\"\nwal-dir = \"{folder}/wal\"\nquery-log-enabled = false\n\
         [coordinator]\n{}\n[monitor]\nstore-enabled = false\n\
         [http]\nbind-address = \"127.0.0.1:{http_port}\"\nlog-enabled = false\n{tls}{}\n",
        config.coordinator, config.http
    );
    let file = dir.path().join("influxdb.conf");
    std::fs::write(&file, text).unwrap();
    let child = Command::new("influxd")
        .arg("-config")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(dir.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let server = Server { child, url: format!("{scheme}://127.0.0.1:{http_port}"), dir };
    Some(ready(server, "/ping").await)
}

/// Waits until `path` is answered with a 2xx.
async fn ready(mut server: Server, path: &str) -> Server {
    let client = client();
    let begun = Instant::now();
    loop {
        let answer = client.get(format!("{}{path}", server.url)).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return server;
        }
        let log = || tail(&server.dir.path().join("log"));
        if let Some(status) = server.child.try_wait().unwrap() {
            panic!("the server ended with {status}: {}", log());
        }
        assert!(begun.elapsed() < PATIENCE, "the server is not ready: {}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// A client that believes every certificate, for setting servers up.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).build().unwrap()
}

/// `request` with a form as its body.
pub(crate) fn form(request: reqwest::RequestBuilder, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}
