//! How Grafana starts the plugin: magic cookie, and the one line on standard output.
//!
//! Source: hashicorp/go-plugin, `docs/internals.md`, and the handshake of Grafana's plugin SDK.

/// go-plugin's core protocol.
const CORE_PROTOCOL: u32 = 1;
/// Grafana's plugin protocol, `pluginv2`.
const APP_PROTOCOL: u32 = 2;
const COOKIE_NAME: &str = "grafana_plugin_type";
const COOKIE_VALUE: &str = "datasource";

/// The line that tells the host where to connect.
pub(super) fn line(network: &str, address: &str) -> String {
    format!("{CORE_PROTOCOL}|{APP_PROTOCOL}|{network}|{address}|grpc")
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

    #[test]
    fn the_line_is_what_go_plugin_reads() {
        assert_eq!(line("tcp", "127.0.0.1:4711"), "1|2|tcp|127.0.0.1:4711|grpc");
        assert_eq!(line("unix", "/tmp/a/b.sock"), "1|2|unix|/tmp/a/b.sock|grpc");
    }
}
