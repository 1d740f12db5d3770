//! Macros in what is asked of an upstream: `${__from}`, `$__interval` and their kin.
//!
//! They are replaced here and not in the browser, because the range asked of the upstream includes the training
//! window, and because alert rules never run frontend code.
//!
//! Whoever may see a dashboard may send any text. The work is in proportion to its length, however its parentheses are
//! nested or left open, and so is what comes out.

use std::fmt::Write as _;

use chrono::DateTime;

use super::DurationMs;
use crate::error::{Category, Error, Result, shortened};

/// How much of a macro is quoted.
const QUOTED_CHARS: usize = 60;

/// Longest name of a macro in braces that is looked for, in bytes. The longest there is has 21.
const MAX_NAME_BYTES: usize = 256;
/// How often, on average, each byte may be looked at in search of closing parentheses: macros within the arguments of
/// others are looked at once for each of these.
const MAX_SEARCHES: usize = 16;
/// Longest text that macros may make, in bytes: macros may stand for much more than their own length.
pub(crate) const MAX_EXPANDED_BYTES: usize = 1024 * 1024;

/// What the macros stand for in one upstream request.
#[derive(Debug, Clone, Copy)]
pub struct MacroValues {
    /// Begin of the range asked for, ms since the epoch.
    pub from_ms: i64,
    /// End of the range asked for, ms since the epoch.
    pub to_ms: i64,
    /// Grid step, ms.
    pub step_ms: i64,
    /// The most points the range can hold at this step.
    pub max_data_points: i64,
}

/// Replaces every macro in `text` by its value, passed through `escape` (for a URL, a JSON string, …).
///
/// | macro | value |
/// |---|---|
/// | `$__from` `${__from}` `$__to` `${__to}` | ms since the epoch |
/// | `${__from:date:seconds}` | s since the epoch |
/// | `${__from:date}` `${__from:date:iso}` | ISO 8601, UTC |
/// | `$__interval` `${__interval}` | the step as a duration, `5m` |
/// | `$__interval_ms` `${__interval_ms}` | the step in ms |
/// | `$__maxDataPoints` `${__maxDataPoints}` | the most points the range can hold at this step |
///
/// Other text that begins with `$` stays as it is.
///
/// # Errors
/// [`Category::Query`] if a date macro has an unknown format, or its time has no calendar date.
pub fn expand(text: &str, values: &MacroValues, escape: impl Fn(&str) -> String) -> Result<String> {
    expand_with(text, values, escape, |_, _| Ok(None))
}

/// As [`expand`], with macros of a query language's own: `own` gets the name of every macro that is not in the table,
/// without its `$`, and its arguments, `None` if there are no parentheses (`$timeFilter`,
/// `$__timeGroup(time, '5m')`). What it returns is inserted as it is; with `None` the text stays. Arguments are split at
/// commas outside of quotes and parentheses, and trimmed.
///
/// # Errors
/// Those of [`expand`] and of `own`; [`Category::Query`] if parentheses are left open, or macros nested very deeply;
/// [`Category::Limit`] if what comes out is too long.
pub fn expand_with(
    text: &str,
    values: &MacroValues,
    escape: impl Fn(&str) -> String,
    own: impl Fn(&str, Option<&[&str]>) -> Result<Option<String>>,
) -> Result<String> {
    let mut search = Search::in_text(text);
    expand_searching(text, values, escape, own, &mut search)
}

/// The search for closing parentheses, which ends where it has looked at everything too often.
#[derive(Debug)]
struct Search {
    looked_at: usize,
    most: usize,
}

impl Search {
    fn in_text(text: &str) -> Self {
        Self { looked_at: 0, most: text.len().saturating_mul(MAX_SEARCHES).max(4_096) }
    }

    fn look(&mut self, bytes: usize) -> Result<()> {
        self.looked_at += bytes;
        if self.looked_at <= self.most {
            return Ok(());
        }
        Err(Error::new(
            Category::Query,
            "the parentheses of macros are nested too deeply, or left open too often",
        )
        .hint("close them in the query, and do not write macros into the arguments of others"))
    }
}

/// Refuses what has become too long.
pub(crate) fn check_expanded(bytes: usize) -> Result<()> {
    if bytes <= MAX_EXPANDED_BYTES {
        return Ok(());
    }
    Err(Error::new(
        Category::Limit,
        format!("what macros and filters make of the query has more than {MAX_EXPANDED_BYTES} bytes"),
    )
    .hint("use fewer or shorter ones"))
}

fn expand_searching(
    text: &str,
    values: &MacroValues,
    escape: impl Fn(&str) -> String,
    own: impl Fn(&str, Option<&[&str]>) -> Result<Option<String>>,
    search: &mut Search,
) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        check_expanded(out.len())?;
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((name, after)) = take_name(rest).filter(|(name, _)| !name.is_empty()) {
            if let Some(value) = value_of(name, values)? {
                out.push_str(&escape(&value));
                rest = after;
                continue;
            }
            let (arguments, behind) = match after.strip_prefix('(') {
                Some(inner) => match take_arguments(inner, search)? {
                    Some((arguments, behind)) => (Some(arguments), behind),
                    None if own(name, None)?.is_none() && own(name, Some(&[]))?.is_none() => (None, after),
                    None => {
                        return Err(Error::new(
                            Category::Query,
                            format!(
                                "the macro ${} has no closing parenthesis",
                                shortened(name, QUOTED_CHARS)
                            ),
                        )
                        .hint("close it in the query"));
                    }
                },
                None => (None, after),
            };
            if let Some(value) = own(name, arguments.as_deref())? {
                out.push_str(&value);
                rest = behind;
                continue;
            }
        }
        out.push('$');
        rest = &rest[1..];
    }
    out.push_str(rest);
    check_expanded(out.len())?;
    Ok(out)
}

/// The arguments before the parenthesis that closes those in `text`, and what follows it; `None` if there is none.
///
/// # Errors
/// Those of [`Search::look`].
fn take_arguments<'t>(text: &'t str, search: &mut Search) -> Result<Option<(Vec<&'t str>, &'t str)>> {
    let mut arguments = Vec::new();
    let (mut depth, mut begin, mut quote) = (0_usize, 0, None);
    for (at, c) in text.char_indices() {
        search.look(c.len_utf8())?;
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth > 0 => depth -= 1,
            (None, ',') if depth == 0 => {
                arguments.push(text[begin..at].trim());
                begin = at + 1;
            }
            (None, ')') => {
                let last = text[begin..at].trim();
                if !(last.is_empty() && arguments.is_empty()) {
                    arguments.push(last);
                }
                return Ok(Some((arguments, &text[at + 1..])));
            }
            (None, _) => {}
        }
    }
    Ok(None)
}

/// The macro name at the start of `text` (which begins with `$`) and what follows it.
fn take_name(text: &str) -> Option<(&str, &str)> {
    if let Some(inner) = text.strip_prefix("${") {
        let near = &inner.as_bytes()[..inner.len().min(MAX_NAME_BYTES)];
        let end = near.iter().position(|byte| *byte == b'}')?;
        return Some((&inner[..end], &inner[end + 1..]));
    }
    let inner = &text[1..];
    let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
    Some((&inner[..end], &inner[end..]))
}

fn value_of(name: &str, values: &MacroValues) -> Result<Option<String>> {
    let (base, format) = match name.split_once(':') {
        Some((base, format)) => (base, Some(format)),
        None => (name, None),
    };
    let time = |ms| time_in_format(name, ms, format).map(Some);
    match (base, format) {
        ("__from", _) => time(values.from_ms),
        ("__to", _) => time(values.to_ms),
        ("__interval", None) => Ok(Some(DurationMs::from_millis(values.step_ms).to_string())),
        ("__interval_ms", None) => Ok(Some(values.step_ms.to_string())),
        ("__maxDataPoints", None) => Ok(Some(values.max_data_points.to_string())),
        _ => Ok(None),
    }
}

fn time_in_format(name: &str, ms: i64, format: Option<&str>) -> Result<String> {
    match format {
        None => Ok(ms.to_string()),
        Some("date:seconds") => Ok(ms.div_euclid(1_000).to_string()),
        Some("date" | "date:iso") => {
            let date = DateTime::from_timestamp_millis(ms).ok_or_else(|| {
                Error::new(Category::Query, format!("macro ${{{name}}}: {ms} ms has no calendar date"))
                    .hint("choose a time range within the years −262,000 to 262,000")
            })?;
            let mut text = String::new();
            // Writing into a String cannot fail.
            let _ = write!(text, "{}", date.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
            Ok(text)
        }
        Some(other) => {
            let [name, other] = [name, other].map(|text| shortened(text, QUOTED_CHARS));
            Err(Error::new(Category::Query, format!("macro ${{{name}}} has the unknown format \"{other}\""))
                .hint("use ${__from} (ms), ${__from:date:seconds} or ${__from:date:iso}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: MacroValues =
        MacroValues { from_ms: 1_700_000_000_123, to_ms: -1, step_ms: 300_000, max_data_points: 72 };

    fn expanded(text: &str) -> String {
        expand(text, &VALUES, str::to_owned).unwrap()
    }

    #[test]
    fn every_macro_of_the_table_is_replaced() {
        for (text, value) in [
            ("$__from", "1700000000123"),
            ("${__from}", "1700000000123"),
            ("${__to}", "-1"),
            ("${__to:date:seconds}", "-1"),
            ("${__from:date:seconds}", "1700000000"),
            ("${__from:date}", "2023-11-14T22:13:20.123Z"),
            ("${__from:date:iso}", "2023-11-14T22:13:20.123Z"),
            ("$__interval", "5m"),
            ("$__interval_ms", "300000"),
            ("a=$__interval&b=${__maxDataPoints}.", "a=5m&b=72."),
        ] {
            assert_eq!(expanded(text), value, "{text}");
        }
    }

    #[test]
    fn macros_of_a_language_get_their_arguments() {
        let own = |name: &str, arguments: Option<&[&str]>| match (name, arguments) {
            ("timeFilter", None) => Ok(Some("FILTER".to_owned())),
            ("__group", Some(arguments)) => Ok(Some(format!("<{}>", arguments.join("|")))),
            _ => Ok(None),
        };
        let expanded = |text: &str| expand_with(text, &VALUES, |value| format!("[{value}]"), own);
        for (text, value) in [
            ("$timeFilter)", "FILTER)"),
            ("$__group()", "<>"),
            ("a $__group(t) b", "a <t> b"),
            ("$__group( f(a, b) , '5m)' ,\"x,y\")$__interval_ms", "<f(a, b)|'5m)'|\"x,y\">[300000]"),
            ("$timeFilterX $__group $other(a, $__interval_ms", "$timeFilterX $__group $other(a, [300000]"),
        ] {
            assert_eq!(expanded(text).unwrap(), value, "{text}");
        }
        let error = expanded("$__group(a, 'b)").unwrap_err().to_string();
        assert!(error.contains("$__group has no closing parenthesis"), "{error}");
    }

    #[test]
    fn other_dollars_stay() {
        for text in ["$", "$$", "${", "${unknown}", "$host", "5 $ and €", "$__fromage", "${__interval:x}"] {
            assert_eq!(expanded(text), text);
        }
    }

    #[test]
    fn values_are_escaped_and_text_is_not() {
        let out = expand("a&b=${__from:date}", &VALUES, |value| value.replace(':', "%3A")).unwrap();
        assert_eq!(out, "a&b=2023-11-14T22%3A13%3A20.123Z");
    }

    #[test]
    fn an_unknown_format_is_named() {
        let error = expand("${__from:date:YYYY}", &VALUES, str::to_owned).unwrap_err();
        assert!(error.to_string().contains("date:YYYY"), "{error}");
        let long = format!("${{__from:{}}}", "x".repeat(200));
        assert!(expand(&long, &VALUES, str::to_owned).unwrap_err().to_string().len() < 400);
        let no_macro = format!("${{__from:{}}}", "x".repeat(10_000));
        assert_eq!(expanded(&no_macro), no_macro);
    }

    /// What a viewer could send to keep a processor busy: each text for a number of repetitions.
    fn hostile_texts(repeated: usize) -> Vec<String> {
        let of = |unit: &str| unit.repeat(repeated);
        vec![
            of("${"),
            of("${") + "}",
            of("${__from:"),
            of("$a("),
            of("$("),
            of("$a('") + "'",
            of("$__timeFilter("),
            of("$a(") + &of(")"),
            of("$__group(") + &of(")"),
            of("$__group(a, b) "),
            of("((") + &of("$a(x"),
            of("$"),
        ]
    }

    #[test]
    fn work_is_in_proportion_to_the_text() {
        let own = |name: &str, _: Option<&[&str]>| Ok((name == "__group").then(|| "x".to_owned()));
        let steps = |text: &str| {
            let mut search = Search::in_text(text);
            let _ = expand_searching(text, &VALUES, str::to_owned, own, &mut search);
            search.looked_at
        };
        for (short, long) in hostile_texts(10_000).iter().zip(&hostile_texts(20_000)) {
            let (once, twice) = (steps(short), steps(long));
            let begin = shortened(short, 20);
            assert!(
                twice as f64 <= 2.2 * once as f64,
                "{begin}: {once} steps, and {twice} for twice the text"
            );
            assert!(once <= 17 * short.len(), "{begin}: {once} steps");
        }
    }

    #[test]
    fn nested_macros_are_replaced_within_reason() {
        let own = |name: &str, _: Option<&[&str]>| Ok((name == "known").then(|| "x".to_owned()));
        let nested = |depth: usize| "$f(".repeat(depth) + "$known()" + &")".repeat(depth);
        let expanded = |text: &str| expand_with(text, &VALUES, str::to_owned, own);
        assert_eq!(expanded(&nested(10)).unwrap(), "$f(".repeat(10) + "x" + &")".repeat(10));
        let error = expanded(&nested(10_000)).unwrap_err();
        assert!(error.category() == Category::Query && error.to_string().contains("nested"), "{error}");
    }

    #[test]
    fn what_comes_out_is_bounded() {
        let own = |_: &str, _: Option<&[&str]>| Ok(Some("x".repeat(50_000)));
        let error = expand_with(&"$f ".repeat(20_000), &VALUES, str::to_owned, own).unwrap_err();
        assert_eq!(error.category(), Category::Limit);
    }
}
