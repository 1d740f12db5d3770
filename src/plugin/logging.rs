//! Logs on standard error in the form Grafana reads (hclog JSON), panics included.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::shortened;

/// Libraries whose own logs stay at warnings, whatever `RUST_LOG` says: at `trace` some of them write headers and
/// bodies, and those carry secrets. The SDK's spans carry decrypted settings, so it is silenced altogether.
const QUIET: [&str; 12] = [
    "grafana_plugin_sdk=off",
    "h2=warn",
    "hyper=warn",
    "hyper_util=warn",
    "mio=warn",
    "reqwest=warn",
    "rustls=warn",
    "rustls_platform_verifier=warn",
    "tonic=warn",
    "tower=warn",
    "tower_http=warn",
    "want=warn",
];

/// The most of a panic's message that is logged: it may quote what it stumbled over.
const PANIC_CHARS: usize = 2_000;

/// Installs the logger and a panic hook that writes to it. A panic's usual text is not JSON, and Grafana would lose
/// it.
pub(super) fn init() {
    let _already_set = tracing_subscriber::registry()
        .with(filter(wanted_level(|name| std::env::var(name).ok()).as_deref()))
        .with(grafana_plugin_sdk::backend::layer())
        .try_init();
    std::panic::set_hook(Box::new(log_panic));
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = shortened(panic.payload_as_str().unwrap_or("no message"), PANIC_CHARS);
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(panic = message.as_str(), place, "a thread panicked");
}

/// What should be logged: `RUST_LOG`, else `log_level` of the section `[plugin.outrider-outliers-datasource]` in
/// grafana.ini, which Grafana hands over as a variable of its own also where it forwards no others.
fn wanted_level(env: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["RUST_LOG", "GF_PLUGIN_LOG_LEVEL"].into_iter().filter_map(env).find(|text| !text.trim().is_empty())
}

fn filter(wanted: Option<&str>) -> EnvFilter {
    let mut filter = EnvFilter::builder().parse_lossy(wanted.unwrap_or("info"));
    for directive in QUIET {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    filter
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_a_log_entry() {
        let written = Written::default();
        let writer = written.clone();
        let format = tracing_subscriber::fmt::layer().json().with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(format), || {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(log_panic));
            let ended = std::panic::catch_unwind(|| panic!("boom{}", "x".repeat(100_000)));
            std::panic::set_hook(usual);
            assert!(ended.is_err());
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let entry: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let panic = entry["fields"]["panic"].as_str().unwrap();
        assert!(panic.starts_with("boomxx") && panic.chars().count() == PANIC_CHARS + 1);
        assert!(entry["fields"]["place"].as_str().unwrap().contains("logging.rs"), "{text}");
    }

    #[test]
    fn the_level_comes_from_the_environment_or_from_grafana_ini() {
        let env = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(wanted_level(env(&[])), None);
        assert_eq!(wanted_level(env(&[("GF_PLUGIN_LOG_LEVEL", "debug")])).as_deref(), Some("debug"));
        let both = env(&[("GF_PLUGIN_LOG_LEVEL", "debug"), ("RUST_LOG", "warn")]);
        assert_eq!(wanted_level(both).as_deref(), Some("warn"));
        assert_eq!(
            wanted_level(env(&[("GF_PLUGIN_LOG_LEVEL", "debug"), ("RUST_LOG", "")])).as_deref(),
            Some("debug")
        );
    }

    #[test]
    fn libraries_stay_quiet_whatever_is_asked() {
        for wanted in [None, Some("trace"), Some("h2=trace,hyper=trace,info"), Some("!!")] {
            let filter = filter(wanted).to_string();
            for directive in QUIET {
                assert!(filter.split(',').any(|part| part == directive), "{wanted:?}: {filter}");
            }
        }
        assert!(filter(Some("outrider=debug")).to_string().contains("outrider=debug"));
    }
}
