//! Where an upstream is, and how a query's path is put below that without ever leaving it.

use url::Url;

use crate::error::{Category, Error, Result, shortened};

/// Longest path, in bytes: longer ones are refused by most servers (nginx and Apache take 8 KiB of a request line).
const MAX_PATH_BYTES: usize = 8_192;
/// How much of a path is quoted.
const QUOTED_CHARS: usize = 200;

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

    /// `url`, which is below this one, with `…` for the path of this one, if there is any.
    pub(super) fn hiding_path(&self, url: &Url) -> String {
        let hidden = self.0.path().trim_end_matches('/');
        let shown = match url.path().strip_prefix(hidden) {
            Some(rest) if !hidden.is_empty() => format!("/…{rest}"),
            _ => url.path().to_owned(),
        };
        let params = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{shown}{params}", url.origin().ascii_serialization())
    }

    /// Whether the path of `url` is this one or below it, however servers decode it.
    pub(super) fn is_above(&self, url: &Url) -> bool {
        is_below(self.0.path().trim_end_matches('/'), url.path()) && !climbs(&fully_decoded(url.path()))
    }

    /// Paths below this URL that requests may be narrowed to, from texts such as `/api/v1`.
    ///
    /// # Errors
    /// [`Category::Config`] naming the one that is no path below this URL.
    pub(super) fn prefixes(&self, paths: &[String]) -> Result<Vec<String>> {
        let prefix = |path: &String| match self.below(path, &[]) {
            Ok(url) if path.starts_with('/') => Ok(url.path().trim_end_matches('/').to_owned()),
            _ => Err(Error::new(
                Category::Config,
                format!("the allowed path {:?} is no path below the URL", quoted(path)),
            )
            .hint("let it begin with a slash and hold neither \"..\" nor a host, such as /api/v1")),
        };
        paths.iter().map(prefix).collect()
    }

    /// `path` below this URL, with `params` as its query. A leading `/` of the path means this URL, not the root of
    /// the host; an empty path means this URL itself.
    ///
    /// # Errors
    /// [`Category::Query`] if the path is more than a path, or leads out of this URL.
    pub(super) fn below(&self, path: &str, params: &[(String, String)]) -> Result<Url> {
        if let Some(what) = trouble_with(path) {
            return Err(Error::new(Category::Query, format!("the path {:?} {what}", quoted(path)))
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
            && is_below(directory, url.path());
        if stays {
            Ok(url)
        } else {
            let what = format!("the path {:?} leads out of the data source's URL", quoted(path));
            Err(Error::new(Category::Query, what)
                .hint("write a path below the data source's URL, such as /query"))
        }
    }
}

fn quoted(path: &str) -> String {
    shortened(path, QUOTED_CHARS)
}

/// The URL standard reads `http:host` and `http:\host` as `http://host`; here that is taken for a typing error.
fn has_two_slashes(text: &str) -> bool {
    text.split_once(':').is_some_and(|(_, rest)| rest.starts_with("//"))
}

/// What is wrong with `path`, if anything. Strict, because servers and proxies disagree about what a path means.
fn trouble_with(path: &str) -> Option<&'static str> {
    if path.len() > MAX_PATH_BYTES {
        return Some("is longer than 8192 bytes, more than servers take");
    }
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
    if climbs(&fully_decoded(path)) {
        return Some("holds a \".\" or \"..\" segment");
    }
    None
}

/// Whether the path of `url` is one of `prefixes` or below one, however servers decode it. None listed is all.
pub(super) fn is_within(prefixes: &[String], url: &Url) -> bool {
    prefixes.is_empty()
        || (prefixes.iter().any(|prefix| is_below(prefix, url.path())) && !climbs(&fully_decoded(url.path())))
}

fn is_below(directory: &str, path: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a decoded path holds a segment that leads elsewhere. Some servers cut parameters off a segment (`..;x`) before
/// they look at it.
fn climbs(decoded: &str) -> bool {
    decoded.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// `text` with every `%xx` decoded, those that decoding brings about included: `%252e` is a dot in disguise, too.
fn fully_decoded(text: &str) -> String {
    String::from_utf8_lossy(&decoded_stepwise(text.as_bytes(), &mut || ())).into_owned()
}

/// One pass, however deeply `%` is nested: what is decoded becomes the end of the output, where only it can complete
/// another `%xx`. `step` is called for every byte looked at.
fn decoded_stepwise(text: &[u8], step: &mut impl FnMut()) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        out.push(*byte);
        step();
        while let [.., b'%', high, low] = out[..]
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            out.truncate(out.len() - 3);
            out.push((high * 16 + low) as u8);
            step();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn below(base: &str, path: &str) -> Result<String> {
        BaseUrl::parse(base).unwrap().below(path, &[]).map(String::from)
    }

    #[test]
    fn the_path_of_the_settings_is_not_shown() {
        let shown = |base: &str, path: &str| {
            let base = BaseUrl::parse(base).unwrap();
            base.hiding_path(&base.below(path, &[("a".to_owned(), "b c".to_owned())]).unwrap())
        };
        assert_eq!(shown("http://h:81/hook/right-path/", "/query"), "http://h:81/…/query?a=b+c");
        assert_eq!(shown("http://h/hook/right-path", ""), "http://h/…?a=b+c");
        assert_eq!(shown("http://h", "/query"), "http://h/query?a=b+c");
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

    /// Pass after pass until nothing changes, as some server may do it.
    fn decoded_in_passes(mut bytes: Vec<u8>) -> Vec<u8> {
        loop {
            let (mut out, mut rest) = (Vec::new(), &bytes[..]);
            while let Some((first, after)) = rest.split_first() {
                let byte = after.get(..2).filter(|_| *first == b'%').and_then(|digits| {
                    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16)
                        .ok()
                        .filter(|_| digits.iter().all(u8::is_ascii_hexdigit))
                });
                out.push(byte.unwrap_or(*first));
                rest = if byte.is_some() { &after[2..] } else { after };
            }
            if out == bytes {
                return out;
            }
            bytes = out;
        }
    }

    #[test]
    fn a_path_that_no_server_takes_is_refused_in_few_words() {
        let error = below("http://h/api", &"/x".repeat(5_000)).unwrap_err();
        assert!(error.message().contains("8192") && error.message().len() < 400, "{error}");
    }

    #[test]
    fn nested_percent_signs_take_one_pass() {
        let steps = |text: &str| {
            let mut steps = 0_u64;
            let decoded = decoded_stepwise(text.as_bytes(), &mut || steps += 1);
            (decoded, steps)
        };
        // Each of them a tower that needs as many passes as it is high.
        for (unit, foot) in [("25", "2e"), ("25", "41"), ("%25", "%25")] {
            let tower = |height: usize| format!("%{}{foot}", unit.repeat(height));
            let (decoded, once) = steps(&tower(20_000));
            let (_, twice) = steps(&tower(40_000));
            assert!(twice as f64 <= 2.2 * once as f64, "{unit}: {once} steps, then {twice}");
            assert!(decoded.len() <= 20_003, "{} bytes are left", decoded.len());
        }
        assert_eq!(decoded_stepwise(b"%252525252e", &mut || ()), b".");
        assert_eq!(decoded_stepwise(b"%2%352%65", &mut || ()), b".");
    }

    #[test]
    fn a_prefix_ends_where_a_segment_does() {
        let base = BaseUrl::parse("http://h/sub/").unwrap();
        let prefixes = base.prefixes(&["/api/v1".to_owned(), "/a b/".to_owned()]).unwrap();
        for (path, expected) in [
            ("/api/v1", true),
            ("/api/v1/", true),
            ("/api/v1/x", true),
            ("/a b/c", true),
            ("/a%20b/c", true),
            ("/api/v1x", false),
            ("/api", false),
            ("", false),
            ("/API/v1", false),
            ("/api%2Fv1/x", false),
            ("/x/api/v1", false),
        ] {
            assert_eq!(is_within(&prefixes, &base.below(path, &[]).unwrap()), expected, "{path}");
        }
        // Where an upstream redirects to is not looked at by `below`.
        for path in ["/sub/api/v1/%2e%2e/x", "/sub/api/v1/..;/x", "/sub/api/v1/..%2fx", "/api/v1"] {
            let url = Url::parse("http://h").unwrap().join(path).unwrap();
            assert!(!is_within(&prefixes, &url), "{path}");
        }
        assert!(is_within(&[], &base.below("/any", &[]).unwrap()));
        for path in ["api", "/..", "//h/x", "http://h/", "/a?b", ""] {
            assert_eq!(base.prefixes(&[path.to_owned()]).unwrap_err().category(), Category::Config, "{path}");
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
        fn one_pass_decodes_as_many_do(text in "[%2561eE.x]{0,40}") {
            let once = decoded_stepwise(text.as_bytes(), &mut || ());
            prop_assert_eq!(once, decoded_in_passes(text.into_bytes()));
        }

        #[test]
        fn no_text_panics(base in "\\PC*", path in "\\PC*") {
            if let Ok(base) = BaseUrl::parse(&base) {
                let _ = base.below(&path, &[]);
            }
        }
    }
}
