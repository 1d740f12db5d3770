//! How Grafana starts the plugin: magic cookie, port range, and the one line on standard output.
//!
//! Source: hashicorp/go-plugin, `docs/internals.md`, and the handshake of Grafana's plugin SDK.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

/// go-plugin's core protocol.
const CORE_PROTOCOL: u32 = 1;
/// Grafana's plugin protocol, `pluginv2`.
const APP_PROTOCOL: u32 = 2;
const COOKIE_NAME: &str = "grafana_plugin_type";
const COOKIE_VALUE: &str = "datasource";

/// The line that tells the host where to connect.
pub(super) fn line(address: SocketAddr) -> String {
    format!("{CORE_PROTOCOL}|{APP_PROTOCOL}|tcp|{address}|grpc")
}

/// Refuses to run for someone who started the binary by hand, with what to do instead.
pub(super) fn check_launched_by_grafana() -> Result<(), String> {
    check(|name| std::env::var(name).ok())
}

fn check(env: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    if env(COOKIE_NAME).as_deref() != Some(COOKIE_VALUE) {
        return Err("This is a Grafana plugin; Grafana starts it, it is not meant to be run by hand.\n\
                    Install the folder it came in under /var/lib/grafana/plugins, allow it with\n\
                    `allow_loading_unsigned_plugins = outrider-outliers-datasource` in the [plugins] section of\n\
                    grafana.ini, and restart Grafana."
            .to_owned());
    }
    // The host names the versions it speaks; one that names none is older than the variable.
    let versions = env("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
    let speaks_ours = versions.split(',').any(|version| version.trim() == APP_PROTOCOL.to_string());
    if versions.is_empty() || speaks_ours {
        return Ok(());
    }
    Err(format!(
        "The host speaks plugin protocol {versions}, and this plugin speaks {APP_PROTOCOL}; use Grafana 9.4 or newer."
    ))
}

/// A listener on the loopback interface, on a port of the range the host asks for, or any free one.
pub(super) async fn bind() -> io::Result<TcpListener> {
    let port = |name: &str| std::env::var(name).ok().and_then(|text| text.trim().parse::<u16>().ok());
    bind_within(port("PLUGIN_MIN_PORT").zip(port("PLUGIN_MAX_PORT"))).await
}

async fn bind_within(range: Option<(u16, u16)>) -> io::Result<TcpListener> {
    let Some((min, max)) = range.filter(|(_, max)| *max > 0) else {
        return TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    };
    for port in min..=max {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no port from PLUGIN_MIN_PORT {min} to PLUGIN_MAX_PORT {max} is free"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grafana_may_start_it() {
        assert!(check(|_| None).unwrap_err().contains("/var/lib/grafana/plugins"));
        let launched = |name: &str| (name == COOKIE_NAME).then(|| COOKIE_VALUE.to_owned());
        assert_eq!(check(launched), Ok(()));
        let speaking = |versions: &str| {
            let versions = versions.to_owned();
            check(move |name| {
                Some(if name == COOKIE_NAME { COOKIE_VALUE.to_owned() } else { versions.clone() })
            })
        };
        assert_eq!(speaking("2"), Ok(()));
        assert_eq!(speaking("1,2,3"), Ok(()));
        assert!(speaking("3").unwrap_err().contains("protocol 3"));
    }

    #[tokio::test]
    async fn a_port_range_is_kept_to_and_a_taken_port_skipped() {
        let taken = bind_within(None).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind_within(Some((port, port))).await.unwrap_err();
        assert!(error.to_string().contains("PLUGIN_MIN_PORT"), "{error}");
        let next = bind_within(Some((port, u16::MAX))).await.unwrap();
        assert!(next.local_addr().unwrap().port() > port);
    }

    #[test]
    fn the_line_is_what_go_plugin_reads() {
        assert_eq!(line(([127, 0, 0, 1], 4711).into()), "1|2|tcp|127.0.0.1:4711|grpc");
    }
}
