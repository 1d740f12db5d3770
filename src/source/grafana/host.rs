//! What Grafana tells the plugin's process about itself: where it is, and a token if it made a service account for us.

use url::Url;

use crate::error::{Category, Error, Result};
use crate::settings::SecretString;

/// Grafana's own address. From Grafana itself, where it made a service account for the plugin (`GF_APP_URL`), or from
/// `grafana_url` in the section `[plugin.outrider-outliers-datasource]` of its configuration, which wins: the public
/// address need not be one that this machine can reach. Both are Grafana's own.
const ADDRESSES: [&str; 2] = ["GF_PLUGIN_GRAFANA_URL", "GF_APP_URL"];
/// The token of the service account that Grafana made for the plugin; the name is older than such accounts.
const TOKEN: &str = "GF_PLUGIN_APP_CLIENT_SECRET";

/// The Grafana that runs this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Host {
    /// Grafana's own addresses, the one to ask first.
    pub(super) urls: Vec<String>,
    pub(super) token: Option<SecretString>,
}

impl Host {
    pub(super) fn of_this_process() -> Self {
        let var = |name: &str| {
            std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        Self {
            urls: ADDRESSES.iter().filter_map(|name| var(name)).collect(),
            token: var(TOKEN).map(SecretString::from),
        }
    }

    /// Where to ask: the URL of the settings, or Grafana's own.
    ///
    /// # Errors
    /// [`Category::Config`] if there is neither.
    pub(super) fn address(&self, of_settings: &str) -> Result<String> {
        if !of_settings.is_empty() {
            return Ok(of_settings.to_owned());
        }
        self.urls.first().cloned().ok_or_else(|| {
            Error::new(Category::Config, "the data source has no URL, and Grafana does not tell its own")
                .hint("enter the URL of this Grafana in the data source settings, such as http://localhost:3000")
        })
    }

    /// The plugin's token, but for Grafana's own address only: whoever may edit a data source could have it sent
    /// elsewhere otherwise.
    pub(super) fn token_for(&self, url: &str) -> Option<SecretString> {
        self.is_own_address(url).then(|| self.token.clone()).flatten()
    }

    /// Whether `url` is Grafana itself, path included, so that it may learn who a user is: Grafana knows that already, and
    /// nobody else shall. Below other paths it hands requests on, to wherever an editor of data sources wants them
    /// (`/api/datasources/proxy/…`).
    pub(super) fn is_own_address(&self, url: &str) -> bool {
        let address = |url: &str| {
            let url = Url::parse(url).ok().filter(|url| url.origin().is_tuple())?;
            Some(url.as_str().trim_end_matches('/').to_owned())
        };
        let wanted = address(url);
        wanted.is_some() && self.urls.iter().any(|own| address(own) == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ExposeSecret;

    #[test]
    fn the_plugins_token_is_for_grafanas_own_address_only() {
        let host = Host { urls: vec!["https://g.example/sub/".into()], token: Some("t".into()) };
        let token = |url: &str| host.token_for(url).map(|token| token.expose_secret().to_owned());
        for own in ["https://g.example/sub/", "https://g.example/sub", "https://G.example:443/sub"] {
            assert_eq!(token(own).as_deref(), Some("t"), "{own}");
        }
        for other in [
            "https://g.example/",
            "https://g.example/sub/x",
            "http://g.example/sub",
            "https://evil.example/sub",
            "",
        ] {
            assert_eq!(token(other), None, "{other}");
        }
        assert!(Host { urls: vec![], ..host }.token_for("https://g.example/sub/").is_none());
    }

    #[test]
    fn an_address_is_scheme_host_port_and_path() {
        let host = Host {
            urls: vec!["http://localhost:3000/sub".into(), "https://g.example".into()],
            ..Host::default()
        };
        for own in ["http://localhost:3000/sub/", "http://LOCALHOST:3000/x/../sub", "https://g.example:443"] {
            assert!(host.is_own_address(own), "{own}");
        }
        for other in [
            "http://localhost:3000",
            "http://localhost:3000/sub/api/datasources/proxy/uid/x",
            "https://g.example/api/datasources/proxy/uid/x",
            "https://g.example/?x",
            "https://localhost:3000/sub",
            "http://localhost:3001/sub",
            "http://localhost/sub",
            "http://localhost.:3000/sub",
            "http://127.0.0.1:3000/sub",
            "https://g.example.evil.example",
            "https://g.example@evil.example",
            "http://g.example:443",
            "data:,https://g.example",
            "g.example",
            "",
        ] {
            assert!(!host.is_own_address(other), "{other}");
        }
        let opaque = Host { urls: vec!["data:,x".into(), "no url".into()], ..Host::default() };
        assert!(!opaque.is_own_address("data:,x") && !opaque.is_own_address("no url"));
        assert!(!Host::default().is_own_address("http://localhost:3000"));
    }

    #[test]
    fn the_settings_come_first_and_something_must_be_there() {
        let host = Host { urls: vec!["http://own".into(), "http://public".into()], token: None };
        assert_eq!(host.address("http://typed").unwrap(), "http://typed");
        assert_eq!(host.address("").unwrap(), "http://own");
        assert_eq!(Host::default().address("").unwrap_err().category(), Category::Config);
    }
}
