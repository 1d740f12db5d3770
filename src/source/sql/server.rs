//! What the settings say about a database server: address, user, TLS, time zone.

use std::path::{Component, Path, PathBuf};

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Category, Error, Result};
use crate::query::OptionsEntry;
use crate::settings::{ExposeSecret as _, SecretString, Settings, TlsSettings};

/// How a database server is reached.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// On this machine, instead of host and port.
    pub(super) socket: Option<PathBuf>,
    pub(super) user: String,
    pub(super) password: SecretString,
    pub(super) database: String,
    pub(super) mode: SslMode,
    pub(super) zone: Tz,
    pub(super) tls: TlsSettings,
    /// In ms, what one statement may take.
    pub(super) timeout_ms: u128,
}

/// How far a server must prove who it is: libpq's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SslMode {
    /// No TLS at all.
    #[schemars(title = "disable")]
    Disable,
    /// TLS where the server offers it, with any certificate.
    // What libpq makes of `allow`, to try without first, would be weaker without need.
    #[serde(alias = "allow")]
    #[schemars(title = "prefer")]
    Prefer,
    /// TLS with any certificate.
    #[schemars(title = "require")]
    Require,
    /// TLS with a certificate of a known authority.
    #[schemars(title = "verify-ca")]
    VerifyCa,
    /// TLS with a certificate of a known authority for this host name.
    #[default]
    #[schemars(title = "verify-full")]
    VerifyFull,
}

/// The keys of `jsonData` that only servers know.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct Json {
    /// How far the server must prove who it is: libpq's names.
    #[schemars(title = "TLS mode")]
    sslmode: SslMode,
    /// IANA name of the zone that timestamps without one are in.
    #[schemars(title = "Time zone", example = &"Europe/Berlin", extend("format" = "iana-time-zone", "x-empty" = "UTC"))]
    time_zone: String,
}

/// What of the data source settings only servers know.
pub(super) const SETTINGS: OptionsEntry = OptionsEntry::of::<Json>();

/// The time zone of `jsonData.timeZone`, UTC if it is empty.
///
/// # Errors
/// [`Category::Config`] if there is none of that name.
pub(super) fn zone_of(name: &str) -> Result<Tz> {
    let name = name.trim();
    if name.is_empty() {
        return Ok(Tz::UTC);
    }
    name.parse().map_err(|_| {
        Error::new(Category::Config, "timeZone is no time zone")
            .hint("write its IANA name, such as Europe/Berlin, or leave it empty for UTC")
    })
}

impl Server {
    /// # Errors
    /// [`Category::Config`] naming the setting.
    pub(super) fn of(settings: &Settings, default_port: u16) -> Result<Self> {
        let Json { sslmode, time_zone } = settings.own.parse()?;
        let socket = socket(&settings.url)?;
        let (host, port) = match &socket {
            Some(_) => ("localhost".to_owned(), default_port),
            None => address(&settings.url, default_port)?,
        };
        let mode = match sslmode {
            // Nobody can come between, and servers offer none there.
            _ if socket.is_some() => SslMode::Disable,
            SslMode::VerifyCa | SslMode::VerifyFull if settings.tls.skip_verify => SslMode::Require,
            mode => mode,
        };
        for (name, value) in [("the user", &settings.user), ("the database", &settings.database)] {
            if value.contains('\0') {
                return Err(Error::new(Category::Config, format!("{name} holds a character of value zero"))
                    .hint("type it again in the data source settings"));
            }
        }
        if settings.user.is_empty() {
            return Err(Error::new(Category::Config, "the data source has no user")
                .hint("set the user in the data source settings; best one that may only read"));
        }
        Ok(Self {
            host,
            port,
            socket,
            user: settings.user.clone(),
            password: settings.own.secret("password").cloned().unwrap_or_default(),
            database: settings.database.clone(),
            mode,
            zone: zone_of(&time_zone)?,
            tls: settings.tls.clone(),
            timeout_ms: settings.limits.timeout.as_millis().max(1),
        })
    }

    /// Host and port, for messages.
    pub(super) fn address(&self) -> String {
        if let Some(socket) = &self.socket {
            socket.display().to_string()
        } else if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// PEM of the certificate authority to trust, if there is one of our own.
    pub(super) fn authority(&self) -> Option<Vec<u8>> {
        Some(self.tls.ca_certificate.as_ref()?.expose_secret().as_bytes().to_vec())
    }
}

/// The path of a unix socket, if `url` is one.
fn socket(url: &str) -> Result<Option<PathBuf>> {
    if !url.starts_with('/') {
        return Ok(None);
    }
    let path = Path::new(url);
    if url.contains('\0') || path.components().any(|part| part == Component::ParentDir) {
        return Err(Error::new(Category::Config, "the path of the server's socket holds ..")
            .hint("write the path itself, as in /run/postgresql/.s.PGSQL.5432"));
    }
    Ok(Some(path.to_owned()))
}

/// `host`, `host:port` or `[::1]:port`.
fn address(url: &str, default_port: u16) -> Result<(String, u16)> {
    let wrong = |what: &str| {
        Error::new(Category::Config, format!("the address of the server {what}"))
            .hint("write host:port into URL of the data source settings, such as db.example.org:5432")
    };
    if url.is_empty() {
        return Err(wrong("is empty"));
    }
    if url.contains("://") {
        return Err(wrong("has a scheme"));
    }
    let (host, port) = match url.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(|| wrong("is not readable"))?)),
        None => match url.split_once(':') {
            None => (url, None),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'));
    if host.is_empty() || host.contains(odd) {
        return Err(wrong("has no valid host"));
    }
    let port = match port {
        None => default_port,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("has no valid port"))?,
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_maybe_a_port() {
        for (url, host, port) in [
            ("db", "db", 5432),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:6", "::1", 6),
            ("[fe80::1%eth0]", "fe80::1%eth0", 5432),
        ] {
            assert_eq!(address(url, 5432).unwrap(), (host.to_owned(), port));
        }
        for url in ["", "postgres://db", "db:0", "db:x", "a b", "[::1", "[::1]5", "u@db"] {
            let error = address(url, 5432).unwrap_err();
            assert_eq!(error.category(), Category::Config, "{url}");
        }
    }

    #[test]
    fn a_path_is_that_of_a_socket() {
        assert_eq!(socket("db:5432").unwrap(), None);
        assert_eq!(socket("/run/postgresql").unwrap(), Some("/run/postgresql".into()));
        assert_eq!(socket("/run/../etc").unwrap_err().category(), Category::Config);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let settings = |user: &str, json: serde_json::Value| Settings {
            url: "db".into(),
            user: user.into(),
            own: crate::settings::OwnSettings::new(
                json.as_object().unwrap().clone(),
                std::collections::HashMap::new(),
            ),
            ..Settings::default()
        };
        let of = |user: &str, json| Server::of(&settings(user, json), 1).map_err(|error| error.to_string());
        assert_eq!(of("u", serde_json::json!({})).unwrap().mode, SslMode::VerifyFull);
        assert_eq!(of("u", serde_json::json!({"sslmode": "require"})).unwrap().mode, SslMode::Require);
        assert!(of("", serde_json::json!({})).unwrap_err().contains("no user"));
        assert!(of("u", serde_json::json!({"sslmode": "maybe"})).unwrap_err().contains("sslmode"));
        assert!(of("u", serde_json::json!({"timeZone": "Mars"})).unwrap_err().contains("timeZone"));
        assert!(of("u\0", serde_json::json!({})).unwrap_err().contains("value zero"));
    }
}
