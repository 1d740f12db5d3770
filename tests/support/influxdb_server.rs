//! A real InfluxDB 1 for tests.

use std::process::Command;

use tempfile::TempDir;

use crate::server::{Running, free_port, installed};

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it is, with scheme and port.
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) running: Running,
}

impl AsRef<Running> for Server {
    fn as_ref(&self) -> &Running {
        &self.running
    }
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
pub(crate) fn influxdb(config: &InfluxDbConfig<'_>) -> Option<Server> {
    let program = installed("influxd", "influxdb", &[])?.join("influxd");
    let dir = TempDir::new().unwrap();
    let folder = dir.path().display().to_string();
    let (port, rpc_port) = (free_port(), free_port());
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
         [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n{tls}{}\n",
        config.coordinator, config.http
    );
    let file = dir.path().join("influxdb.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.arg("-config").arg(&file);
    let running = Running::start(command, dir, "Listening on HTTP");
    Some(Server { url: format!("{scheme}://127.0.0.1:{port}"), port, running })
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
