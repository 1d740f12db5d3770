//! Names and texts as the three languages of InfluxDB write them, so that what they hold stays data.
//!
//! InfluxQL's reader has one trap: within `/…/` it takes every backslash by itself, so that `\\/` does not end the
//! expression, while other readers take `\\` as a pair. What is written here never has a backslash before a slash or
//! another backslash, and so means the same to both.

use std::fmt::Write as _;

use crate::error::{Category, Error, Result};

/// The longest number that is written without quotes.
const MAX_DIGITS: usize = 40;

/// An InfluxQL identifier: `"host"`.
pub(super) fn identifier(name: &str) -> String {
    delimited(name, '"')
}

/// An InfluxQL string: `'web-1'`.
pub(super) fn string(text: &str) -> String {
    delimited(text, '\'')
}

fn delimited(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A regular expression between slashes, as InfluxQL and Flux write it. Slashes around `pattern` itself are left out.
///
/// # Errors
/// [`Category::Query`] if the pattern ends in the middle of an escape.
pub(super) fn regex(pattern: &str) -> Result<String> {
    let pattern = inner_pattern(pattern);
    let mut out = String::with_capacity(pattern.len() + 2);
    out.push('/');
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' {
            Some(chars.next().ok_or_else(|| {
                Error::new(Category::Query, "a regular expression ends in a backslash")
                    .hint("write \\\\ where a backslash is meant")
            })?)
        } else {
            None
        };
        match (c, escaped) {
            (_, Some('\\')) => out.push_str("\\x5C"),
            ('/', None) | (_, Some('/')) => out.push_str("\\x2F"),
            ('\n', None) | (_, Some('\n')) => out.push_str("\\n"),
            // A text may hold none, see `influxql`.
            (';', None) | (_, Some(';')) => out.push_str("\\x3B"),
            (c, None) => out.push(c),
            (_, Some(c)) => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out.push('/');
    Ok(out)
}

/// What is between the slashes of `/…/`; the text itself where there are none.
pub(super) fn inner_pattern(text: &str) -> &str {
    text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).unwrap_or(text)
}

/// `text` as a regular expression that matches it anywhere, whatever the case.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::from("(?i)");
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// A text in SQL, or with `"` an identifier.
pub(super) fn sql(text: &str, quote: char) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

/// A text in Flux.
pub(super) fn flux(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Else `${…}` would be an expression.
            '$' => out.push_str("\\x24"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text in Flux that is harmless within other quotes as well, where its own would end them and what it holds be code:
/// words, but nothing to call, join or assign them with. All else is written by number.
pub(super) fn flux_inert(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            ' ' | '_' | '.' | '-' => out.push(c),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => {
                // Writing into a String cannot fail.
                let _ = write!(out, "\\x{:02X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `text` if it is a decimal number, which every language writes alike.
pub(super) fn number(text: &str) -> Option<&str> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (text.len() <= MAX_DIGITS && all_digits(whole) && all_digits(part)).then_some(text)
}

/// How InfluxDB reads what is written here, for the proof that it means the same there.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod readers {
    /// Reads what stands between two quotes as InfluxDB does; `None` if it does not end where the text ends.
    pub(in crate::source::influxdb) fn unquoted(text: &str) -> Option<String> {
        let mut chars = text.chars();
        let quote = chars.next()?;
        let mut out = String::new();
        loop {
            match chars.next()? {
                '\n' => return None,
                '\\' => match chars.next()? {
                    'n' => out.push('\n'),
                    c @ ('\\' | '"' | '\'') => out.push(c),
                    _ => return None,
                },
                c if c == quote => return chars.next().is_none().then_some(out),
                c => out.push(c),
            }
        }
    }

    /// Where a regular expression ends, for readers that take backslashes singly, and for those that pair them.
    pub(in crate::source::influxdb) fn regex_end(text: &str, pairs: bool) -> Option<usize> {
        let bytes = text.as_bytes();
        let mut at = 1;
        while at < bytes.len() {
            match bytes[at] {
                b'\n' => return None,
                b'/' => return Some(at + 1),
                b'\\' if pairs || bytes.get(at + 1) == Some(&b'/') => at += 2,
                _ => at += 1,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::readers::{regex_end, unquoted};
    use super::*;

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(identifier("sensor.series"), r#""sensor.series""#);
        assert_eq!(identifier("a\"b\\\nc'"), r#""a\"b\\\nc'""#);
        assert_eq!(string("it's"), r"'it\'s'");
        assert_eq!(sql("it's", '\''), "'it''s'");
        assert_eq!(flux("a\"${x}\\"), r#""a\"\x24{x}\\""#);
    }

    #[test]
    fn slashes_and_backslashes_of_a_pattern_are_written_as_codes() {
        for (pattern, written) in [
            ("^web-\\d+$", "/^web-\\d+$/"),
            ("/^web$/", "/^web$/"),
            ("a/b\\/c", "/a\\x2Fb\\x2Fc/"),
            ("C:\\\\", "/C:\\x5C/"),
            ("\\\\/ or 1=1 or host =~ /", "/\\x5C\\x2F or 1=1 or host =~ \\x2F/"),
            ("a\nb", "/a\\nb/"),
            ("a;b\\;", "/a\\x3Bb\\x3B/"),
            ("", "//"),
        ] {
            assert_eq!(regex(pattern).unwrap(), written, "{pattern}");
        }
        assert!(regex("a\\").unwrap_err().to_string().contains("ends in a backslash"));
        assert!(regex("\\").is_err());
        assert_eq!(containing("a.b"), "(?i)a\\.b");
    }

    #[test]
    fn only_plain_numbers_go_without_quotes() {
        for text in ["5", "-5.25", " 0.1 "] {
            assert_eq!(number(text), Some(text.trim()));
        }
        for text in ["", "-", "5.", ".5", "1e3", "5 or 1=1", "--5", "NaN", "0x5", "٣"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_gets_out_of_its_quotes(text in "[a'\"\\\\/\n\r\t $;-]*|\\PC*") {
            let (as_string, as_identifier) = (string(&text), identifier(&text));
            prop_assert_eq!(unquoted(&as_string), Some(text.clone()));
            prop_assert_eq!(unquoted(&as_identifier), Some(text));
        }

        #[test]
        fn no_pattern_gets_out_of_its_slashes(pattern in "[a'\"\\\\/\n;(-]*|\\PC*") {
            if let Ok(written) = regex(&pattern) {
                prop_assert_eq!(regex_end(&written, false), Some(written.len()));
                prop_assert_eq!(regex_end(&written, true), Some(written.len()));
            }
        }

        #[test]
        fn sql_and_flux_texts_end_where_they_end(text in "[a'\"\\\\${}\n]*|\\PC*") {
            let sql = sql(&text, '\'');
            prop_assert_eq!(sql[1..sql.len() - 1].replace("''", ""), text.replace('\'', ""));
            let flux = flux(&text);
            let inner = flux[1..flux.len() - 1].replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!inner.contains('"') && !inner.contains('$') && !inner.ends_with('\\'));
        }
    }
}
