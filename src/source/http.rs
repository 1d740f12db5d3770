//! The HTTP client every HTTP upstream shares: pooled, bounded, and unable to leave the host of the settings.
//!
//! Input is the data source's [`Settings`] and, per request, a path with parameters and perhaps a JSON body; output
//! is the body of a 2xx answer, unpacked (gzip, brotli), or an [`Error`] whose category says who can mend it:
//!
//! | what happened | category |
//! |---|---|
//! | refused, unresolvable, broken off, no answer in time | `connection` |
//! | certificate or handshake | `tls` |
//! | status 401 or 403 | `auth` |
//! | any other status but 2xx, a redirect elsewhere, something that is no HTTP | `protocol` |
//! | more bytes than the settings allow | `limit` |
//!
//! What the upstream says in an error is quoted in one short line, and no known secret survives in it. Dropping the
//! future of a request closes its connection.

mod base_url;
mod connector;
mod failure;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use url::Url;

use self::base_url::BaseUrl;
pub(super) use self::text::Secrets;
use self::text::{first_line, one_line};
use crate::error::{Category, Error, Result};
use crate::settings::{Auth, Settings};

/// How often one request may be redirected.
const MAX_REDIRECTS: usize = 5;
/// How much of a bad answer is read to quote from it.
const QUOTED_BYTES: usize = 4 * 1024;
/// How much memory an answer gets before it arrives.
const RESERVED_BYTES: usize = 1024 * 1024;
/// How much of a bad answer is quoted.
const QUOTED_CHARS: usize = 200;

/// A client for one data source.
pub(super) struct HttpClient {
    client: reqwest::Client,
    base: BaseUrl,
    headers: HeaderMap,
    authenticates: bool,
    timeout: Duration,
    max_response_bytes: usize,
    secrets: Arc<Secrets>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// One request, which [`HttpClient::request`] made and so stays below the URL of the settings.
#[derive(Debug, Clone)]
pub(super) struct HttpRequest {
    url: Url,
    /// A POST of this JSON; a GET without.
    body: Option<String>,
}

/// The body of a 2xx answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Unpacked, and no longer than the settings allow.
    pub(super) bytes: Vec<u8>,
    /// From the first byte sent to the last one read, redirects included.
    pub(super) elapsed: Duration,
}

impl HttpClient {
    /// Gets ready to ask the upstream of `settings`, without talking to it yet.
    ///
    /// # Errors
    /// [`Category::Config`] if the URL, a header, a credential or a certificate cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let base = BaseUrl::parse(&settings.url)?;
        let client = connector::client(settings, &base)?;
        let headers = connector::headers(settings, &client)?;
        Ok(Self {
            client,
            authenticates: !matches!(settings.auth, Auth::None),
            timeout: settings.timeout,
            max_response_bytes: settings.max_response_bytes,
            secrets: Arc::new(Secrets::of(settings, &headers)),
            base,
            headers,
        })
    }

    /// A request for `path` below the URL of the settings: a POST of the JSON `body`, or a GET if there is none.
    ///
    /// # Errors
    /// [`Category::Query`] if the path is more than a path, or leads out of the URL of the settings.
    pub(super) fn request(
        &self,
        path: &str,
        params: &[(String, String)],
        body: Option<String>,
    ) -> Result<HttpRequest> {
        Ok(HttpRequest { url: self.base.below(path, params)?, body })
    }

    /// What must not be quoted of the upstream's answers.
    pub(super) fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets)
    }

    /// What `request` asks, for people: without secrets, the body below.
    pub(super) fn describe(&self, request: &HttpRequest) -> String {
        let text = match &request.body {
            None => format!("GET {}", request.url),
            Some(body) => format!("POST {}\n\n{body}", request.url),
        };
        self.secrets.scrub(&text)
    }

    /// The first line of an answer, cut off after `max_chars`, without secrets.
    pub(super) fn first_line(&self, answer: &[u8], max_chars: usize) -> String {
        let head = &answer[..answer.len().min(QUOTED_BYTES)];
        first_line(&self.secrets.scrub_cut(head, head.len() < answer.len()), max_chars)
    }

    /// Asks, follows redirects on the same host, and reads the answer.
    ///
    /// # Errors
    /// See the table of the module.
    pub(super) async fn send(&self, request: &HttpRequest) -> Result<Answer> {
        let begun = Instant::now();
        let bytes = tokio::time::timeout(self.timeout, self.exchange(request))
            .await
            .map_err(|_| failure::timed_out(&self.base.origin(), self.timeout))??;
        Ok(Answer { bytes, elapsed: begun.elapsed() })
    }

    async fn exchange(&self, request: &HttpRequest) -> Result<Vec<u8>> {
        let response = self.follow(request).await?;
        if response.status().is_success() {
            self.read(response).await
        } else {
            Err(self.refusal(response).await)
        }
    }

    /// The answer after all redirects.
    async fn follow(&self, request: &HttpRequest) -> Result<reqwest::Response> {
        let mut next = request.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send_once(&next).await?;
            let Some(location) = redirect_location(&response) else { return Ok(response) };
            next = self.redirected(next, response.status(), location)?;
        }
        Err(Error::new(
            Category::Protocol,
            format!("{} redirected more than {MAX_REDIRECTS} times", self.base.origin()),
        )
        .hint("ask for the final address instead"))
    }

    async fn send_once(&self, request: &HttpRequest) -> Result<reqwest::Response> {
        let method = if request.body.is_some() { Method::POST } else { Method::GET };
        let mut builder = self.client.request(method, request.url.clone()).headers(self.headers.clone());
        if let Some(body) = &request.body {
            if !self.headers.contains_key(CONTENT_TYPE) {
                builder = builder.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            builder = builder.body(body.clone());
        }
        builder.send().await.map_err(|error| failure::of_request(&error, &request.url, &self.secrets))
    }

    /// The request that a redirect asks for, if it stays on the host.
    ///
    /// The headers, credentials among them, go along, so "the host" is strict: same scheme, host and port, or the
    /// same host by https instead of http. Methods change as in the Fetch standard: 307 and 308 keep them, after any
    /// other status a POST becomes a GET.
    fn redirected(
        &self,
        request: HttpRequest,
        status: StatusCode,
        location: &HeaderValue,
    ) -> Result<HttpRequest> {
        let from = &request.url;
        let unreadable = || {
            Error::new(Category::Protocol, format!("{} redirected to no valid address", self.base.origin()))
                .hint("check the URL in the data source settings")
        };
        let location = location.to_str().map_err(|_| unreadable())?;
        let mut url = from.join(location).map_err(|_| unreadable())?;
        let upgrade = from.scheme() == "http" && url.scheme() == "https";
        if url.origin() != from.origin() && !(upgrade && url.host() == from.host()) {
            let target = self.secrets.quote(&url.origin().ascii_serialization(), QUOTED_CHARS);
            return Err(Error::new(
                Category::Protocol,
                format!(
                    "{} redirected to another host: {}",
                    self.base.origin(),
                    one_line(&target, QUOTED_CHARS)
                ),
            )
            .hint("if that is where the data lives, make it the URL in the data source settings"));
        }
        // Never fails: the URL is http or https and has a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        Ok(HttpRequest { url, body: request.body.filter(|_| keeps_method) })
    }

    /// Reads the body, and stops where it grows beyond the limit: what counts is its unpacked size.
    async fn read(&self, mut response: reqwest::Response) -> Result<Vec<u8>> {
        let max = self.max_response_bytes;
        let too_long = || failure::too_long(&self.base.origin(), max);
        // Absent where the answer is packed.
        let announced =
            response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced > max {
            return Err(too_long());
        }
        // What is announced need not come.
        let mut bytes = Vec::with_capacity(announced.min(RESERVED_BYTES));
        while let Some(chunk) = self.next_chunk(&mut response).await? {
            if chunk.len() > max - bytes.len() {
                return Err(too_long());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    async fn next_chunk(&self, response: &mut reqwest::Response) -> Result<Option<bytes::Bytes>> {
        let chunk = response.chunk().await;
        chunk.map_err(|error| failure::of_body(&error, &self.base.origin(), &self.secrets))
    }

    /// What a status other than 2xx means, with the beginning of what the upstream says about it.
    async fn refusal(&self, mut response: reqwest::Response) -> Error {
        let status = response.status();
        let mut head: Vec<u8> = Vec::new();
        let mut cut = false;
        // The status is the news; that its explanation cannot be read is none.
        while let Ok(Some(chunk)) = response.chunk().await {
            let wanted = chunk.len().min(QUOTED_BYTES - head.len());
            head.extend_from_slice(&chunk[..wanted]);
            if head.len() == QUOTED_BYTES {
                cut = true;
                break;
            }
        }
        let quote = one_line(&self.secrets.scrub_cut(&head, cut), QUOTED_CHARS);
        failure::of_status(status, &self.base.origin(), &quote, self.authenticates)
    }
}

fn redirect_location(response: &reqwest::Response) -> Option<&HeaderValue> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    response.headers().get(LOCATION).filter(|_| redirects)
}
