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
//! future of a request closes its connection. Requests that only read are tried again if the upstream could not be
//! reached or asked to be left in peace for a while; of one data source only so many are under way at a time.

mod base_url;
mod connector;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod pinned;
mod retry;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use self::base_url::BaseUrl;
use super::secrets::{Secrets, first_line, one_line};
use crate::budget::{self, Held};
use crate::error::{Category, Error, Result};
use crate::settings::{Auth, Limits, SecretString, Settings};

/// How often one request may be redirected.
const MAX_REDIRECTS: usize = 5;
/// How much of a bad answer is read to understand and to quote it.
const QUOTED_BYTES: usize = 16 * 1024;
/// How much memory an answer gets before it arrives.
const RESERVED_BYTES: usize = 1024 * 1024;
/// How much is unpacked before others have their turn: what is packed well is there all at once, and waits for nothing.
const TURN_BYTES: usize = 256 * 1024;
/// How much of a bad answer is quoted.
const QUOTED_CHARS: usize = 200;

/// A client for one data source.
pub(super) struct HttpClient {
    client: reqwest::Client,
    base: BaseUrl,
    headers: HeaderMap,
    authenticates: bool,
    limits: Limits,
    /// One permit a request under way.
    under_way: Arc<Semaphore>,
    secrets: Arc<Secrets>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// One request, which [`HttpClient::get`] or [`HttpClient::post`] made and so stays below the URL of the settings.
#[derive(Debug, Clone)]
pub(super) struct HttpRequest {
    url: Url,
    /// A POST of this; a GET without.
    body: Option<Body>,
    /// Besides those of the settings, and instead of those with the same name.
    headers: HeaderMap,
    is_read: bool,
    /// The paths that it may ask for, redirects included; none is all below the URL of the settings.
    within: Arc<[String]>,
}

/// What a POST sends.
#[derive(Debug, Clone)]
pub(super) struct Body {
    content_type: &'static str,
    text: String,
}

impl Body {
    /// JSON text.
    pub(super) fn json(text: String) -> Self {
        Self { content_type: "application/json", text }
    }

    /// A form as browsers send it.
    pub(super) fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self { content_type: "application/x-www-form-urlencoded", text }
    }
}

impl HttpRequest {
    /// The same with one more header; for constants, since the value must be visible ASCII.
    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// The same, kept to `prefixes`, which are those of [`HttpClient::prefixes`]. Redirects keep to them, too.
    ///
    /// # Errors
    /// [`Category::Query`] if it is outside of them.
    pub(super) fn within(mut self, prefixes: &Arc<[String]>) -> Result<Self> {
        if !base_url::is_within(prefixes, &self.url) {
            // Not which: that of the settings, which may be a secret, is a part of it.
            return Err(Error::new(
                Category::Query,
                "the path of the query is outside of those that the data source allows",
            )
            .hint("ask below an allowed path, or add this one in the data source settings (allowedPaths)"));
        }
        self.within = Arc::clone(prefixes);
        Ok(self)
    }

    /// The same, known to change nothing although it is a POST, so that it may be tried again.
    pub(super) fn that_only_reads(mut self) -> Self {
        self.is_read = true;
        self
    }
}

/// The body of a 2xx answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// Unpacked, and no longer than the settings allow.
    pub(super) bytes: Received,
    pub(super) headers: HeaderMap,
    /// From the first byte sent to the last one read, redirects and waiting between attempts included.
    pub(super) elapsed: Duration,
}

/// The bytes of an answer, and the memory for them.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Vec<u8>,
    held: Held,
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Answer {
    /// The text of a header; `None` if there is none or it is no text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What an upstream's own error answer means, if it can be told from its status and body.
pub(super) type Explain<'a> = &'a (dyn Fn(StatusCode, &str) -> Option<Error> + Sync);

impl HttpClient {
    /// Gets ready to ask the upstream of `settings`, without talking to it yet.
    ///
    /// # Errors
    /// [`Category::Config`] if the URL, a header, a credential or a certificate cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let base = BaseUrl::parse(&settings.url)?;
        let client = connector::client(settings, &base)?;
        let headers = connector::headers(settings, &client)?;
        let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        Ok(Self {
            client,
            authenticates: !matches!(settings.auth, Auth::None),
            limits: settings.limits,
            under_way: Arc::new(Semaphore::new(settings.limits.max_concurrent_requests)),
            secrets: Arc::new(Secrets::of(settings, authorization)),
            base,
            headers,
        })
    }

    /// The same client with one more header on every request, such as a credential of the kind's own.
    ///
    /// # Errors
    /// [`Category::Config`] if the value holds characters that a header cannot carry, or the header is set already.
    pub(super) fn with_secret_header(mut self, name: HeaderName, value: &SecretString) -> Result<Self> {
        let shown = name.as_str().to_owned();
        if self.headers.contains_key(&name) {
            return Err(Error::new(Category::Config, format!("the header {shown} is set twice")).hint(
                "remove the custom header, basic auth or the bearer token from the data source settings",
            ));
        }
        self.headers
            .insert(name, connector::secret_value(&format!("the value of the header {shown}"), value)?);
        self.authenticates = true;
        Ok(self)
    }

    /// The same client, connections and limits included, that sends `headers` too, instead of those with the same name:
    /// who a user is.
    ///
    /// # Errors
    /// [`Category::Config`] if a header holds characters that it cannot carry.
    pub(super) fn with_identity(&self, headers: &[(HeaderName, SecretString)]) -> Result<Self> {
        let mut all = self.headers.clone();
        for (name, value) in headers {
            let what = format!("the header {name} of the user");
            all.insert(name.clone(), connector::secret_value(&what, value)?);
        }
        Ok(Self {
            client: self.client.clone(),
            base: self.base.clone(),
            headers: all,
            authenticates: true,
            limits: self.limits,
            under_way: Arc::clone(&self.under_way),
            secrets: Arc::new(self.secrets.and(headers.iter().map(|(_, value)| value))),
        })
    }

    /// A request to GET `path` below the URL of the settings.
    ///
    /// # Errors
    /// [`Category::Query`] if the path is more than a path, or leads out of the URL of the settings.
    pub(super) fn get(&self, path: &str, params: &[(String, String)]) -> Result<HttpRequest> {
        let url = self.base.below(path, params)?;
        Ok(HttpRequest { url, body: None, headers: HeaderMap::new(), is_read: true, within: Arc::default() })
    }

    /// Paths below the URL of the settings, for [`HttpRequest::within`].
    ///
    /// # Errors
    /// [`Category::Config`] naming one that is no such path.
    pub(super) fn prefixes(&self, paths: &[String]) -> Result<Arc<[String]>> {
        self.base.prefixes(paths).map(Arc::from)
    }

    /// A request to POST `body` to `path` below the URL of the settings.
    ///
    /// # Errors
    /// See [`HttpClient::get`].
    pub(super) fn post(&self, path: &str, params: &[(String, String)], body: Body) -> Result<HttpRequest> {
        Ok(HttpRequest { body: Some(body), is_read: false, ..self.get(path, params)? })
    }

    /// How much one query may cost.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Scheme, host and port of the upstream, for messages.
    pub(super) fn origin(&self) -> String {
        self.base.origin()
    }

    /// What must not be quoted of the upstream's answers.
    pub(super) fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.secrets)
    }

    /// What `request` asks, for people: without secrets, the body below. Of the path of the settings only that there is
    /// one: with some services it is what lets one in, and viewers read this.
    pub(super) fn describe(&self, request: &HttpRequest) -> String {
        let url = self.base.hiding_path(&request.url);
        let text = match &request.body {
            None => format!("GET {url}"),
            Some(body) => format!("POST {url}\n\n{}", body.text),
        };
        self.secrets.scrub(&text)
    }

    /// The first line of an answer, cut off after `max_chars`, without secrets.
    pub(super) fn first_line(&self, answer: &[u8], max_chars: usize) -> String {
        let head = &answer[..answer.len().min(QUOTED_BYTES)];
        first_line(&self.secrets.scrub_cut(head, head.len() < answer.len()), max_chars)
    }

    /// Asks, follows redirects on the same host, and reads the answer. Requests that only read are tried again as
    /// often as the settings say, within the time they say.
    ///
    /// # Errors
    /// See the table of the module.
    pub(super) async fn send(&self, request: &HttpRequest) -> Result<Answer> {
        self.send_explained(request, &|_, _| None).await
    }

    /// As [`HttpClient::send`], with `explain` asked first what an answer other than 2xx means. It sees the beginning
    /// of the body, without secrets.
    ///
    /// # Errors
    /// Those of `explain`, or see the table of the module.
    pub(super) async fn send_explained(&self, request: &HttpRequest, explain: Explain<'_>) -> Result<Answer> {
        let begun = Instant::now();
        let attempts = self.attempts(request, explain);
        let (bytes, headers) = tokio::time::timeout(self.limits.timeout, attempts)
            .await
            .map_err(|_| failure::timed_out(&self.base.origin(), self.limits.timeout))??;
        Ok(Answer { bytes, headers, elapsed: begun.elapsed() })
    }

    async fn attempts(&self, request: &HttpRequest, explain: Explain<'_>) -> Result<(Received, HeaderMap)> {
        // Never closed.
        let _permit = self.under_way.acquire().await.ok();
        let tries = if request.is_read { self.limits.retries } else { 0 };
        let mut pauses = retry::Pauses::new(tries);
        loop {
            let failed = match self.exchange(request, explain).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            match pauses.next(&failed) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failed.error),
            }
        }
    }

    async fn exchange(
        &self,
        request: &HttpRequest,
        explain: Explain<'_>,
    ) -> Result<(Received, HeaderMap), retry::Failed> {
        let response = self.follow(request).await?;
        if response.status().is_success() {
            let headers = response.headers().clone();
            Ok((self.read(response).await?, headers))
        } else {
            Err(self.refusal(response, explain).await)
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
        let mut headers = self.headers.clone();
        if let Some(body) = &request.body
            && !headers.contains_key(CONTENT_TYPE)
        {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(body.content_type));
        }
        headers.extend(request.headers.clone());
        let mut builder = self.client.request(method, request.url.clone()).headers(headers);
        if let Some(body) = &request.body {
            builder = builder.body(body.text.clone());
        }
        builder.send().await.map_err(|error| failure::of_request(&error, &request.url, &self.secrets))
    }

    /// The request that a redirect asks for, if it stays on the host.
    ///
    /// The headers, credentials among them, go along, so "the host" is strict: same scheme, host and port, or the
    /// same host by https instead of http where both have the port that is usual for them: another port is another host.
    /// With credentials the path of the settings is kept to as well, since others may be served beside it. Methods change as in the Fetch standard: 307 and 308 keep them, after any
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
        if url.origin() != from.origin() && !is_upgrade(from, &url) {
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
        let has_credentials = self.authenticates || self.headers.keys().any(|name| name != ACCEPT);
        if has_credentials && !self.base.is_above(&url) {
            return Err(Error::new(
                Category::Protocol,
                format!("{} redirected to a path outside of the data source's URL", self.base.origin()),
            )
            .hint(
                "credentials go along, so if that is where the data lives, make it the URL in the settings",
            ));
        }
        if !base_url::is_within(&request.within, &url) {
            return Err(Error::new(
                Category::Protocol,
                format!("{} redirected to a path that the data source does not allow", self.base.origin()),
            )
            .hint("if that is where the data lives, add it to the allowed paths in the settings"));
        }
        // Never fails: the URL is http or https and has a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        Ok(HttpRequest { url, body: request.body.filter(|_| keeps_method), ..request })
    }

    /// Reads the body, and stops where it grows beyond the limit: what counts is its unpacked size.
    async fn read(&self, mut response: reqwest::Response) -> Result<Received> {
        let max = self.limits.max_response_bytes;
        let too_long = || failure::too_long(&self.base.origin(), max);
        // Absent where the answer is packed.
        let announced =
            response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced > max {
            return Err(too_long());
        }
        // What is announced need not come.
        let bytes = Vec::with_capacity(announced.min(RESERVED_BYTES));
        let what = "an answer that is being read";
        let held = budget::account().take(bytes.capacity(), what)?;
        let mut received = Received { bytes, held };
        let mut unpacked = 0;
        while let Some(chunk) = self.next_chunk(&mut response).await? {
            if chunk.len() > max - received.bytes.len() {
                return Err(too_long());
            }
            // Both the old and the new room for it are there while it moves.
            received.held.grow(2 * chunk.len(), what)?;
            received.bytes.extend_from_slice(&chunk);
            unpacked += chunk.len();
            if unpacked >= TURN_BYTES {
                unpacked = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(received)
    }

    async fn next_chunk(&self, response: &mut reqwest::Response) -> Result<Option<bytes::Bytes>> {
        let chunk = response.chunk().await;
        chunk.map_err(|error| failure::of_body(&error, &self.base.origin(), &self.secrets))
    }

    /// What a status other than 2xx means, with the beginning of what the upstream says about it.
    async fn refusal(&self, mut response: reqwest::Response, explain: Explain<'_>) -> retry::Failed {
        let status = response.status();
        let may_pass = retry::may_pass(status, response.headers());
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
        let body = self.secrets.scrub_cut(&head, cut);
        let error = explain(status, &body).unwrap_or_else(|| {
            let quote = one_line(&body, QUOTED_CHARS);
            failure::of_status(status, &self.base.origin(), &quote, self.authenticates)
        });
        retry::Failed { error, may_pass }
    }
}

/// Whether `to` is `from` by https instead of http, as servers redirect to themselves.
fn is_upgrade(from: &Url, to: &Url) -> bool {
    let usual = |url: &Url, scheme: &str| url.scheme() == scheme && url.port().is_none();
    usual(from, "http") && usual(to, "https") && from.host() == to.host()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a request to `path` is sent on to, if it is.
    fn redirected(settings: &Settings, path: &str, location: &str) -> Result<String> {
        let client = HttpClient::new(settings)?;
        let location = HeaderValue::from_str(location).unwrap();
        let next = client.redirected(client.get(path, &[])?, StatusCode::FOUND, &location)?;
        Ok(next.url.to_string())
    }

    fn at(url: &str) -> Settings {
        Settings { source: "http-json".into(), url: url.into(), ..Settings::default() }
    }

    #[test]
    fn another_port_is_another_host_by_https_too() {
        for (url, location, followed) in [
            ("http://h/", "https://h/x", true),
            ("http://h:80/", "https://h:443/x", true),
            ("http://h:8080/", "http://h:8080/x", true),
            ("http://h/", "https://h:8443/x", false),
            ("http://h:8080/", "https://h/x", false),
            ("http://h:8080/", "https://h:8080/x", false),
            ("http://h/", "https://other/x", false),
            ("https://h/", "http://h/x", false),
        ] {
            assert_eq!(redirected(&at(url), "/query", location).is_ok(), followed, "{url} to {location}");
        }
    }

    #[test]
    fn credentials_do_not_leave_the_path_of_the_settings() {
        let header = || Settings { headers: vec![("X-Key".into(), "k".into())], ..at("http://h/sub") };
        let token = || Settings { auth: Auth::Bearer("t".into()), ..at("http://h/sub/") };
        for (location, followed) in [
            ("/sub/other", true),
            ("other", true),
            ("/sub", true),
            ("/", false),
            ("/subway", false),
            ("/sub/../x", false),
            ("/sub/%2e%2e/x", false),
            ("/sub/..%2fx", false),
            ("/sub/%252e%252e/x", false),
            ("//h/x", false),
        ] {
            assert!(redirected(&at("http://h/sub"), "/query", location).is_ok(), "{location}");
            for settings in [header(), token()] {
                assert_eq!(redirected(&settings, "/query", location).is_ok(), followed, "{location}");
            }
        }
    }
}
