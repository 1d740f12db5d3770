//! What may be quoted of an upstream's words: one short line, and nothing secret.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::settings::{Auth, ExposeSecret, SecretString, Settings};

/// Stands where a secret was.
const REDACTED: &str = "[redacted]";

/// Parts of headers that are shorter are no secrets, but schemes, names and preferences; hiding them everywhere would spoil
/// messages.
const SHORTEST_PART: usize = 8;

/// Everything that must not appear in a message, because an upstream may echo what it was sent.
#[derive(Default)]
pub(in crate::source) struct Secrets {
    /// Longest first, so that a secret within another leaves no rest of it.
    needles: Vec<SecretString>,
}

impl Secrets {
    /// The secrets of `settings`, and the header `authorization` that was made of them, in the spellings in which an
    /// upstream may echo them.
    pub(in crate::source) fn of(settings: &Settings, authorization: Option<&str>) -> Self {
        let mut plain: Vec<String> = Vec::new();
        match &settings.auth {
            Auth::None => {}
            Auth::Basic { password, .. } => plain.push(password.expose_secret().to_owned()),
            Auth::Bearer(token) => plain.push(token.expose_secret().to_owned()),
        }
        // A custom header may have a scheme before the secret, or name several.
        for (_, value) in &settings.headers {
            plain.push(value.expose_secret().to_owned());
            plain.extend(parts(value.expose_secret()));
        }
        plain.extend(settings.own.secrets().map(|value| value.expose_secret().to_owned()));
        plain.extend(authorization.and_then(|value| value.split_once(' ')).map(|(_, rest)| rest.to_owned()));
        let mut needles: Vec<String> = plain.iter().flat_map(|secret| spellings(secret.trim())).collect();
        needles.retain(|needle| !needle.is_empty());
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        Self { needles: needles.into_iter().map(SecretString::from).collect() }
    }

    /// The secrets of `settings`, and what basic authentication makes of them.
    pub(in crate::source) fn of_settings(settings: &Settings) -> Self {
        let authorization = match &settings.auth {
            Auth::Basic { user, password } => {
                let made = BASE64_STANDARD.encode(format!("{user}:{}", password.expose_secret()));
                Some(format!("Basic {made}"))
            }
            Auth::None | Auth::Bearer(_) => None,
        };
        Self::of(settings, authorization.as_deref())
    }

    /// Those of them with at least so many bytes.
    pub(in crate::source) fn of_length(mut self, min_bytes: usize) -> Self {
        self.needles.retain(|needle| needle.expose_secret().len() >= min_bytes);
        self
    }

    /// Whether there are none.
    pub(in crate::source) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Whether one of them is in `text`.
    pub(in crate::source) fn are_in(&self, text: &str) -> bool {
        self.needles.iter().any(|needle| text.contains(needle.expose_secret()))
    }

    /// These and the values of headers that say who a user is, of which each part may be echoed.
    pub(in crate::source) fn and<'a>(&self, values: impl Iterator<Item = &'a SecretString>) -> Self {
        let mut needles: Vec<String> = values
            .flat_map(|value| {
                std::iter::once(value.expose_secret().to_owned()).chain(parts(value.expose_secret()))
            })
            .filter(|part| part.len() >= SHORTEST_PART)
            .flat_map(|part| spellings(part.trim()))
            .chain(self.needles.iter().map(|needle| needle.expose_secret().to_owned()))
            .collect();
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        Self { needles: needles.into_iter().map(SecretString::from).collect() }
    }

    /// `text` without secrets, in one line of at most `max_chars`: fit to be quoted in a message.
    pub(in crate::source) fn quote(&self, text: &str, max_chars: usize) -> String {
        one_line(&self.scrub(text), max_chars)
    }

    /// `text` without secrets.
    pub(in crate::source) fn scrub(&self, text: &str) -> String {
        self.needles.iter().fold(text.to_owned(), |text, needle| {
            if text.contains(needle.expose_secret()) {
                text.replace(needle.expose_secret(), REDACTED)
            } else {
                text
            }
        })
    }

    /// The text of `bytes` without secrets. If they were `cut` off, the last ones may be the beginning of a secret,
    /// and are left out.
    pub(super) fn scrub_cut(&self, bytes: &[u8], cut: bool) -> String {
        let longest = self.needles.first().map_or(0, |needle| needle.expose_secret().len());
        let scrubbed = self.scrub(&String::from_utf8_lossy(bytes));
        if !cut {
            return scrubbed;
        }
        let end = scrubbed.len().saturating_sub(longest);
        scrubbed.char_indices().take_while(|(at, c)| at + c.len_utf8() <= end).map(|(_, c)| c).collect()
    }
}

/// What the value of a header may hold that is secret by itself: `Bearer …`, `Basic …` with the password in it, `key=…`, and
/// several of these.
fn parts(value: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in value.split(|c: char| c.is_whitespace() || matches!(c, ';' | ',')) {
        let named = part.split_once('=').map(|(_, rest)| rest.trim_matches('"'));
        parts.extend([Some(part), named].into_iter().flatten().map(str::to_owned));
    }
    let basic = value.trim().split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let decoded = basic.and_then(|(_, rest)| BASE64_STANDARD.decode(rest.trim()).ok());
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    parts.extend(decoded.and_then(|text| text.split_once(':').map(|(_, password)| password.to_owned())));
    parts.retain(|part| part.len() >= SHORTEST_PART);
    parts
}

/// For fuzz targets: those of a data source whose token is [`SECRET`](crate::fuzzing::SECRET).
#[cfg(any(test, feature = "fuzzing"))]
pub(super) static SECRETS: std::sync::LazyLock<std::sync::Arc<Secrets>> = std::sync::LazyLock::new(|| {
    let settings = Settings { auth: Auth::Bearer(crate::fuzzing::SECRET.into()), ..Settings::default() };
    std::sync::Arc::new(Secrets::of(&settings, None))
});

/// A secret as it is, in a JSON string, and in a URL.
fn spellings(secret: &str) -> [String; 3] {
    let json = serde_json::Value::from(secret).to_string();
    let url = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    [secret.to_owned(), json.trim_matches('"').to_owned(), url]
}

/// `text` in one line of at most `max_chars`, whatever it holds.
pub(in crate::source) fn one_line(text: &str, max_chars: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::new();
    let mut left = max_chars;
    for word in words {
        let space = usize::from(!line.is_empty());
        let length = word.chars().count() + space;
        if space == 1 {
            line.push(' ');
        }
        if length > left {
            line.extend(word.chars().take(left.saturating_sub(space)));
            return line.trim_end().to_owned() + "…";
        }
        line.push_str(word);
        left -= length;
    }
    line
}

/// The first line of `text` that is not blank, cut off after `max_chars`.
pub(super) fn first_line(text: &str, max_chars: usize) -> String {
    let lines = text.lines().map(|line| one_line(line, max_chars));
    lines.into_iter().find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(password: &str) -> Secrets {
        let settings = Settings {
            auth: Auth::Basic { user: "u".into(), password: password.into() },
            headers: vec![("X-Key".into(), "key-1".into())],
            ..Settings::default()
        };
        Secrets::of(&settings, Some("Basic dTpw"))
    }

    #[test]
    fn secrets_are_scrubbed_in_every_spelling() {
        let secrets = secrets("p\"w &1");
        let text = secrets.scrub(r#"p"w &1, {"pw":"p\"w &1"}, ?pw=p%22w+%261, Basic dTpw, key-1."#);
        assert_eq!(text, r#"[redacted], {"pw":"[redacted]"}, ?pw=[redacted], Basic [redacted], [redacted]."#);
    }

    #[test]
    fn what_custom_headers_hold_is_secret_in_its_parts() {
        let basic = format!("basic {}", BASE64_STANDARD.encode("user:pass:word-1"));
        let headers = [
            ("Authorization", "Bearer right-token-1=="),
            ("X-Auth", "ApiKey key=\"right-key-2\", app=a"),
            ("Proxy-Authorization", &basic),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned().into()));
        let secrets = Secrets::of_settings(&Settings { headers: headers.into(), ..Settings::default() });
        for echoed in
            ["right-token-1==", "right-key-2", "pass:word-1", &basic[6..], "Bearer right-token-1==", &basic]
        {
            let shown = secrets.scrub(&format!("you sent {echoed}."));
            assert!(
                !shown.contains("right") && !shown.contains("pass") && !shown.contains(&basic[6..]),
                "{shown}"
            );
        }
        assert_eq!(secrets.scrub("the app is a Bearer"), "the app is a Bearer");
    }

    #[test]
    fn the_beginning_of_a_secret_does_not_survive_a_cut() {
        let secrets = secrets("correct horse");
        assert_eq!(secrets.scrub_cut(b"you said: correct ho", true), "you sai");
        assert_eq!(secrets.scrub_cut(b"you said: nothing", false), "you said: nothing");
    }

    #[test]
    fn any_text_becomes_one_short_line() {
        assert_eq!(one_line("  <html>\r\n\t<b>no</b>\u{1b}[31m\n", 80), "<html> <b>no</b> [31m");
        assert_eq!(one_line("äöü äöü", 5), "äöü ä…");
        assert_eq!(one_line("äöü äöü", 4), "äöü…");
        assert_eq!(one_line("äöü äöü", 7), "äöü äöü");
        assert_eq!(one_line("", 5), "");
        assert_eq!(first_line("\n \nHello, world\nmore", 8), "Hello, w…");
    }
}
