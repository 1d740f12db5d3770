//! Where an upstream is, and how a query's path is put below that without ever leaving it.

use url::Url;

use crate::error::{Category, Error, Result};

/// The URL of the settings: http or https, and nothing but scheme, host, port and path.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl(Url);

impl BaseUrl {
    /// Understands the URL of the settings.
    ///
    /// # Errors
    /// [`Category::Config`]. The URL is not repeated: people put passwords into it.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str, hint: &str| {
            Err(Error::new(Category::Config, format!("the URL in the data source settings {what}"))
                .hint(hint))
        };
        if text.is_empty() {
            return wrong("is empty", "set it, for example to http://localhost:8000");
        }
        let Ok(url) = Url::parse(text) else {
            return wrong("is no valid URL", "write it like http://localhost:8000");
        };
        if !matches!(url.scheme(), "http" | "https") || !has_two_slashes(text) {
            return wrong("is neither http nor https", "let it begin with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("holds a user name or password", "use basic auth instead, which keeps them secret");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return wrong("holds a query (?) or a fragment (#)", "put parameters into the query's params");
        }
        Ok(Self(url))
    }

    /// The URL, path included.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port: what people know the upstream by.
    pub(super) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether the upstream is reached by TLS.
    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the upstream is this very machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// `path` below this URL, with `params` as its query. A leading `/` of the path means this URL, not the root of
    /// the host; an empty path means this URL itself.
    ///
    /// # Errors
    /// [`Category::Query`] if the path is more than a path, or leads out of this URL.
    pub(super) fn below(&self, path: &str, params: &[(String, String)]) -> Result<Url> {
        if let Some(what) = trouble_with(path) {
            return Err(Error::new(Category::Query, format!("the path {path:?} {what}"))
                .hint("write a path below the data source's URL, such as /query"));
        }
        let mut url = self.0.clone();
        let directory = self.0.path().trim_end_matches('/');
        if !path.is_empty() {
            url.set_path(&format!("{directory}/{}", path.strip_prefix('/').unwrap_or(path)));
        }
        if !params.is_empty() {
            url.query_pairs_mut().extend_pairs(params);
        }
        let stays = url.origin() == self.0.origin()
            && url.username().is_empty()
            && url.password().is_none()
            && url
                .path()
                .strip_prefix(directory)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if stays {
            Ok(url)
        } else {
            Err(Error::new(Category::Query, format!("the path {path:?} leads out of the data source's URL"))
                .hint("write a path below the data source's URL, such as /query"))
        }
    }
}

/// The URL standard reads `http:host` and `http:\host` as `http://host`; here that is taken for a typing error.
fn has_two_slashes(text: &str) -> bool {
    text.split_once(':').is_some_and(|(_, rest)| rest.starts_with("//"))
}

/// What is wrong with `path`, if anything. Strict, because servers and proxies disagree about what a path means.
fn trouble_with(path: &str) -> Option<&'static str> {
    if path.contains(['?', '#']) {
        return Some("holds a \"?\" or \"#\", which belong into params or nowhere");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return Some("holds a backslash or a control character");
    }
    if path.contains("//") {
        return Some("holds \"//\", which could mean another host");
    }
    let first = path.split('/').next().unwrap_or_default();
    if first.contains(':') {
        return Some("looks like a URL with a scheme");
    }
    let decoded = fully_decoded(path);
    // Some servers cut parameters off a segment ("..;x") before they look at it.
    let climbs = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if decoded.split(['/', '\\']).any(climbs) {
        return Some("holds a \".\" or \"..\" segment");
    }
    None
}

/// `text` with every `%xx` decoded, again and again until nothing changes: `%252e` is a dot in disguise, too.
fn fully_decoded(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let decoded = decoded_once(&text);
        if decoded == text {
            return text;
        }
        text = decoded;
    }
}

fn decoded_once(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn below(base: &str, path: &str) -> Result<String> {
        BaseUrl::parse(base).unwrap().below(path, &[]).map(String::from)
    }

    #[test]
    fn a_path_goes_below_the_base() {
        for (base, path, url) in [
            ("http://h", "/query", "http://h/query"),
            ("http://h:8000/", "query", "http://h:8000/query"),
            ("http://h/sub", "/query", "http://h/sub/query"),
            ("http://h/sub/", "/query/", "http://h/sub/query/"),
            ("http://h/sub", "", "http://h/sub"),
            ("http://h/sub", "/", "http://h/sub/"),
            ("https://h", "/a b/ü%20c", "https://h/a%20b/%C3%BC%20c"),
            ("http://h", "/v1/series:range", "http://h/v1/series:range"),
            ("http://h", "/...", "http://h/..."),
            ("http://[::1]:1/", "/a%2Fb", "http://[::1]:1/a%2Fb"),
        ] {
            assert_eq!(below(base, path).unwrap(), url, "{base} {path}");
        }
    }

    #[test]
    fn parameters_are_encoded() {
        let params = [("a b".to_owned(), "1&c=ü#".to_owned())];
        let url = BaseUrl::parse("http://h").unwrap().below("/q", &params).unwrap();
        assert_eq!(url.as_str(), "http://h/q?a+b=1%26c%3D%C3%BC%23");
    }

    #[test]
    fn a_path_that_escapes_is_refused() {
        for path in [
            "//evil.test/x",
            "/x//evil.test",
            "http://evil.test/",
            "https:evil.test",
            "evil.test:80/x",
            "/..",
            "../x",
            "/a/../b",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/%252e%252e/b",
            "/a%2f..%2fb",
            "/a%5c..%5cb",
            "/..;x/b",
            "/./a",
            "\\\\evil.test\\x",
            "/\\evil.test",
            "/a\nb",
            "/a\0",
            "/a?b=c",
            "/a#b",
        ] {
            let error = below("http://h/sub/", path).unwrap_err();
            assert_eq!(error.category(), Category::Query, "{path:?}");
        }
    }

    #[test]
    fn a_base_that_cannot_work_is_refused_without_repeating_it() {
        for (base, says) in [
            ("", "is empty"),
            ("localhost:8000", "neither http nor https"),
            ("canary", "is no valid URL"),
            ("ftp://canary/", "neither http nor https"),
            ("http:canary", "neither http nor https"),
            ("http://", "is no valid URL"),
            ("http://user:canary@h/", "holds a user name or password"),
            ("http://canary@h/", "holds a user name or password"),
            ("http://h/?canary", "holds a query"),
            ("http://h/#canary", "holds a query"),
        ] {
            let error = BaseUrl::parse(base).unwrap_err();
            assert_eq!(error.category(), Category::Config);
            let text = error.to_string();
            assert!(text.contains(says) && !text.contains("canary"), "{base}: {text}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_base(path in "[-a-z0-9/.%:;@?#\\\\2eEfF ]{0,24}") {
            if let Ok(url) = below("http://h:1/sub/", &path) {
                prop_assert!(url == "http://h:1/sub/" || url.starts_with("http://h:1/sub/"), "{url}");
                prop_assert!(!fully_decoded(&url[7..]).contains("/../"));
            }
        }

        #[test]
        fn no_text_panics(base in "\\PC*", path in "\\PC*") {
            if let Ok(base) = BaseUrl::parse(&base) {
                let _ = base.below(&path, &[]);
            }
        }
    }
}
