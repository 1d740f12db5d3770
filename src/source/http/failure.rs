//! What went wrong between us and an upstream, in the words and the category of the person who can mend it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use url::Url;

use super::pinned::is_marked_as_authority;
use crate::error::{Category, Error};
use crate::source::secrets::Secrets;

/// How much of a library's words goes into a message.
const CAUSE_CHARS: usize = 200;

/// The error of a request that got no answer.
pub(super) fn of_request(error: &reqwest::Error, url: &Url, secrets: &Secrets) -> Error {
    let origin = url.origin().ascii_serialization();
    let cause = cause_of(error, secrets);
    if let Some(tls) = find::<rustls::Error>(error) {
        return Error::new(Category::Tls, format!("the TLS connection to {origin} failed: {cause}"))
            .hint(tls_hint(tls));
    }
    if error.is_dns() {
        let host = url.host_str().unwrap_or_default();
        return Error::new(
            Category::Connection,
            format!("the host name \"{host}\" cannot be resolved: {cause}"),
        )
        .hint("check the URL in the data source settings and the name server of this machine");
    }
    if error.is_connect() {
        return Error::new(Category::Connection, format!("cannot connect to {origin}: {cause}"))
            .hint("check that the service runs and that this machine may reach it");
    }
    if find::<io::Error>(error).is_some() || is_cut_off(error) {
        return Error::new(Category::Connection, format!("the connection to {origin} broke off: {cause}"))
            .hint("check that the service runs and look into its log");
    }
    Error::new(Category::Protocol, format!("{origin} did not answer in HTTP: {cause}"))
        .hint("check port and scheme (http or https) of the URL in the data source settings")
}

/// The error of an answer whose body could not be read to its end.
pub(super) fn of_body(error: &reqwest::Error, origin: &str, secrets: &Secrets) -> Error {
    let cause = cause_of(error, secrets);
    if let Some(tls) = find::<rustls::Error>(error) {
        return Error::new(Category::Tls, format!("the TLS connection to {origin} failed: {cause}"))
            .hint(tls_hint(tls));
    }
    if causes(error).any(is_lost_connection) {
        return Error::new(Category::Connection, format!("the connection to {origin} broke off: {cause}"))
            .hint("try again, and look into the service's log if it happens often");
    }
    Error::new(
        Category::Protocol,
        format!("the answer of {origin} is not in HTTP or cannot be unpacked: {cause}"),
    )
    .hint("look into the log of the service, and of a proxy before it")
}

/// The error of a request that took too long.
pub(super) fn timed_out(origin: &str, timeout: Duration) -> Error {
    let limit = if timeout.subsec_nanos() == 0 {
        format!("{} s", timeout.as_secs())
    } else {
        format!("{} ms", timeout.as_millis())
    };
    Error::new(Category::Connection, format!("{origin} did not answer within {limit}"))
        .hint("check that the service is well, ask for less, or raise the setting timeout")
}

/// The error of an answer with more than `max` bytes.
pub(super) fn too_long(origin: &str, max: usize) -> Error {
    Error::new(Category::Limit, format!("the answer of {origin} has more than {max} bytes"))
        .hint("ask for a shorter range or a longer step, or raise the setting maxResponseBytes")
}

/// The error of an answer with a `status` other than 2xx; `quote` is the beginning of what it says.
pub(super) fn of_status(status: StatusCode, origin: &str, quote: &str, authenticates: bool) -> Error {
    let says = if quote.is_empty() { String::new() } else { format!(": \"{quote}\"") };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Error::new(Category::Auth, format!("{origin} refused the credentials with status {status}{says}"))
                .hint(if authenticates {
                    "check user, password or token in the data source settings, and what they may read"
                } else {
                    "set basic auth, a bearer token or a header in the data source settings"
                })
        }
        _ => Error::new(Category::Protocol, format!("{origin} answered with status {status}{says}")).hint(
            match status.as_u16() {
                404 | 405 | 410 => {
                    "check the URL in the data source settings, and path and method of the query"
                }
                429 => "the service asks for fewer requests: refresh less often",
                500.. => "look into the log of the service",
                _ => "check the options of the query",
            },
        ),
    }
}

/// The innermost cause, which says most, in one line.
fn cause_of(error: &reqwest::Error, secrets: &Secrets) -> String {
    // The outermost text would hold the URL; there is always a cause below it, and else this says enough.
    let innermost = causes(error).last().map_or_else(|| "no further reason".to_owned(), ToString::to_string);
    secrets.quote(&innermost, CAUSE_CHARS)
}

/// Everything below `error`, outermost first. An [`io::Error`] hides what it wraps from `source`, hence the detour.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    }
    std::iter::successors(below(error), |error| below(*error))
}

/// Whether the other side closed the connection before it began to answer, as a service does that is stopped.
fn is_cut_off(error: &reqwest::Error) -> bool {
    find::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message)
}

/// Whether a cause is that the connection ended, or broke, before the answer did.
fn is_lost_connection(cause: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    // HTTP/2 does not show what is below its errors.
    let below = cause.downcast_ref::<h2::Error>().and_then(h2::Error::get_io);
    below.or_else(|| cause.downcast_ref()).is_some_and(|error: &io::Error| {
        matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | TimedOut | UnexpectedEof)
    })
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref::<E>())
}

fn tls_hint(error: &rustls::Error) -> &'static str {
    use rustls::{AlertDescription, CertificateError};
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "paste the CA certificate of the service into the data source settings"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "use a URL whose host name is in the certificate of the service",
        error if is_marked_as_authority(error) => {
            "paste the very certificate of the service into the data source settings, or give it one made with CA:FALSE"
        }
        rustls::Error::InvalidCertificate(_) => "renew or correct the certificate of the service",
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::HandshakeFailure
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied,
        ) => "the service asks for a client certificate that it trusts: set it in the data source settings",
        _ => "check that the service speaks TLS at this port (https, not http)",
    }
}
