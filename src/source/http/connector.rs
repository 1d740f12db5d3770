//! Builds what a client needs from the settings: the connection pool with its TLS, and the headers.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::base_url::BaseUrl;
use super::pinned::PastedOrVerified;
use crate::error::{Category, Error, Result};
use crate::settings::{Auth, ClientIdentity, ExposeSecret, SecretString, Settings, TlsSettings};

const USER_AGENT: &str = concat!("outrider/", env!("CARGO_PKG_VERSION"));
/// Idle connections kept to the one host of a data source.
const MAX_IDLE: usize = 8;
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Headers that describe the message itself, which only the client knows.
const OWN_HEADERS: [&str; 8] =
    ["connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// The connection pool. Redirects are not its business: `HttpClient` follows them, and only on the same host.
///
/// # Errors
/// [`Category::Config`] if a certificate or key cannot be used, or there are no CA certificates at all.
pub(super) fn client(settings: &Settings, base: &BaseUrl) -> Result<Client> {
    // Fails if there is a default already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || -> Result<ClientBuilder> {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_ALIVE)
            .pool_max_idle_per_host(MAX_IDLE)
            .tls_danger_accept_invalid_certs(settings.tls.skip_verify);
        // As elsewhere in Grafana (Go's ProxyFromEnvironment), a proxy is for other machines only.
        let builder = if base.is_loopback() { builder.no_proxy() } else { builder };
        with_client_certificate(builder, settings.tls.client_identity.as_ref())
    };
    let error = match with_authorities(builder()?, &settings.tls)?.build() {
        Ok(client) => return Ok(client),
        Err(error) => error,
    };
    // What is left to fail is a key that does not fit its certificate, or a machine without any CA certificates,
    // which must not keep plain HTTP from working.
    if settings.tls.client_identity.is_some() {
        Err(Error::new(Category::Config, "the client certificate and its key cannot be used together")
            .hint("paste the matching pair into tlsClientCert and tlsClientKey"))
    } else if base.is_https() {
        Err(Error::new(Category::Config, "no CA certificates can be used on this machine")
            .hint("install the package ca-certificates, or paste the CA certificate into tlsCACert"))
    } else {
        builder()?
            .tls_certs_only([])
            .build()
            .map_err(|_| Error::new(Category::Internal, format!("the HTTP client cannot be built: {error}")))
    }
}

/// Trusts the CA certificates of the settings besides those of the system.
fn with_authorities(builder: ClientBuilder, tls: &TlsSettings) -> Result<ClientBuilder> {
    let Some(pem) = &tls.ca_certificate else { return Ok(builder) };
    let unusable = || {
        Error::new(Category::Config, "tlsCACert holds no usable certificate")
            .hint("paste PEM text that begins with -----BEGIN CERTIFICATE-----")
    };
    let certificates =
        Certificate::from_pem_bundle(pem.expose_secret().as_bytes()).map_err(|_| unusable())?;
    // Building with these alone proves that each can be parsed.
    let readable =
        !certificates.is_empty() && Client::builder().tls_certs_only(certificates.clone()).build().is_ok();
    if !readable {
        return Err(unusable());
    }
    // Where that fails, building without it fails as well, and its error is known.
    match with_pasted(tls, pem) {
        Ok(config) if !tls.skip_verify => Ok(builder.tls_backend_preconfigured(config)),
        _ => Ok(builder.tls_certs_merge(certificates)),
    }
}

/// What the client makes by itself of the certificates in `pem`, but that a server may also show one of them.
fn with_pasted(
    tls: &TlsSettings,
    pem: &SecretString,
) -> std::result::Result<ClientConfig, Box<dyn std::error::Error>> {
    let pasted: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem.expose_secret().as_bytes())
        .collect::<std::result::Result<_, _>>()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = PastedOrVerified::new(pasted, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.client_identity {
        None => config.with_no_client_auth(),
        Some(ClientIdentity { certificate, key }) => {
            let chain = CertificateDer::pem_slice_iter(certificate.expose_secret().as_bytes());
            let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())?;
            config.with_client_auth_cert(chain.collect::<std::result::Result<_, _>>()?, key)?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn with_client_certificate(
    builder: ClientBuilder,
    identity: Option<&ClientIdentity>,
) -> Result<ClientBuilder> {
    let Some(ClientIdentity { certificate, key }) = identity else { return Ok(builder) };
    let pem = [certificate.expose_secret(), "\n", key.expose_secret()].concat();
    let identity = Identity::from_pem(pem.as_bytes()).map_err(|_| {
        Error::new(Category::Config, "tlsClientCert or tlsClientKey is no usable PEM text")
            .hint("paste a certificate (-----BEGIN CERTIFICATE-----) and an unencrypted private key")
    })?;
    Ok(builder.identity(identity))
}

/// The headers of every request. All values of the settings are marked sensitive, which keeps them out of `Debug`.
///
/// # Errors
/// [`Category::Config`] naming the header; never its value.
pub(super) fn headers(settings: &Settings, client: &Client) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let header = HeaderName::try_from(name.as_str()).map_err(|_| {
            Error::new(Category::Config, format!("the custom header name {name:?} is not valid"))
                .hint("use letters, digits and hyphens only")
        })?;
        if OWN_HEADERS.contains(&header.as_str()) {
            return Err(Error::new(Category::Config, format!("the custom header {name} cannot be set"))
                .hint("remove it from the data source settings: the client sets it itself"));
        }
        headers.append(header, secret_value(&format!("the value of the custom header {name}"), value)?);
    }
    if let Some(authorization) = authorization(&settings.auth, client)? {
        if headers.contains_key(AUTHORIZATION) {
            return Err(Error::new(
                Category::Config,
                "the custom header Authorization contradicts basic auth or the bearer token",
            )
            .hint("remove one of the two from the data source settings"));
        }
        headers.insert(AUTHORIZATION, authorization);
    }
    if !headers.contains_key(ACCEPT) {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    }
    Ok(headers)
}

fn authorization(auth: &Auth, client: &Client) -> Result<Option<HeaderValue>> {
    match auth {
        Auth::None => Ok(None),
        Auth::Basic { user, .. } if user.contains(':') => {
            Err(Error::new(Category::Config, "the user name of basic auth holds a colon")
                .hint("RFC 7617 allows none: use another user"))
        }
        Auth::Basic { user, password } => {
            // A request that is never sent does the Base64.
            let request =
                client.get("http://unused.invalid").basic_auth(user, Some(password.expose_secret())).build();
            Ok(request.ok().and_then(|mut request| request.headers_mut().remove(AUTHORIZATION)))
        }
        Auth::Bearer(token) => {
            let value = SecretString::from(format!("Bearer {}", token.expose_secret().trim()));
            secret_value("the bearer token", &value).map(Some)
        }
    }
}

pub(super) fn secret_value(what: &str, value: &SecretString) -> Result<HeaderValue> {
    // Pasted text often ends in a line break.
    let mut value = HeaderValue::try_from(value.expose_secret().trim()).map_err(|_| {
        Error::new(Category::Config, format!("{what} holds characters that a header cannot carry"))
            .hint("enter it again, without line breaks")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_not_in_debug_text() {
        let custom = vec![("X-Key".to_owned(), "canary".into())];
        for auth in
            [Auth::Basic { user: "u".into(), password: "canary".into() }, Auth::Bearer("canary".into())]
        {
            let settings = Settings { auth, headers: custom.clone(), ..Settings::default() };
            let base = BaseUrl::parse("http://127.0.0.1").unwrap();
            let headers = headers(&settings, &client(&settings, &base).unwrap()).unwrap();
            assert!(headers[AUTHORIZATION].is_sensitive());
            assert_eq!(headers["x-key"], "canary");
            assert!(!format!("{headers:?}").contains("canary"));
        }
    }
}
