//! Flux that reads, and nothing else: whoever may see a dashboard may send any text to its data source, and Flux can write
//! to a bucket, post to any address, read other databases and the server's own secrets.
//!
//! What can do so is in packages, which a text must import, and imports stand at its beginning only, where nothing is
//! ambiguous: only packages that compute are let through. Attributes (`@edition("…")`) may stand before each of them and
//! are refused, so that nothing hides behind one. What is left are functions that need no import: `to` and
//! `wideTo`, which write, and `from`, `buckets` and `cardinality`, which ask another server where they have a `host`.
//! Further down strings, comments, divisions and regular expressions can only be told apart by reading as Flux does; so these words are
//! refused wherever they could be code, whatever is around them. The macros of a text are still in it: what they become is
//! nothing that could be called, not even within quotes (see [`super::quote::flux_inert`] and [`check_pattern`]).

use crate::error::{Category, Error, Result, shortened};

/// Packages that compute. None of them can be asked for `to`.
const PACKAGES: [&str; 23] = [
    "array",
    "bitwise",
    "contrib/anaisdg/anomalydetection",
    "contrib/anaisdg/statsmodels",
    "contrib/jsternberg/aggregate",
    "contrib/tomhollingworth/events",
    "date",
    "dict",
    "experimental/aggregate",
    "experimental/array",
    "experimental/bitwise",
    "experimental/date/boundaries",
    "experimental/geo",
    "generate",
    "influxdata/influxdb/schema",
    "interpolate",
    "join",
    "math",
    "regexp",
    "strings",
    "system",
    "timezone",
    "types",
];
/// Words after which a value may follow.
const KEYWORDS: [&str; 11] =
    ["and", "else", "exists", "if", "import", "in", "not", "or", "return", "then", "with"];
/// How much of a package's name is quoted.
const QUOTED_CHARS: usize = 60;

/// Checks that `text` only reads.
///
/// # Errors
/// [`Category::Query`] naming what is refused.
pub(super) fn check(text: &str) -> Result<()> {
    let body = check_imports(text)?;
    if has_attribute(body) {
        return Err(refused("an attribute (@…)", "leave it away"));
    }
    check_words(body)
}

/// Checks a regular expression that a macro is to become. Where the macro stands in quotes of the text, the expression is
/// no longer in its own.
///
/// # Errors
/// [`Category::Query`] naming what is refused.
pub(super) fn check_pattern(pattern: &str) -> Result<()> {
    // Whatever stands around it: a word that is the whole pattern could be a name as well.
    let calls = ["to", "wideTo", "from", "buckets", "cardinality", "import"];
    match words(pattern).into_iter().map(|word| word.of(pattern)).find(|word| calls.contains(word)) {
        None => Ok(()),
        Some(word) => Err(Error::new(
            Category::Query,
            format!("the regular expression of a filter holds the word {word}, which Flux could take for a function"),
        )
        .hint(format!("write it with brackets, as in {}[{}]", &word[..word.len() - 1], &word[word.len() - 1..]))),
    }
}

fn check_words(body: &str) -> Result<()> {
    for word in words(body) {
        match word.of(body) {
            name @ ("to" | "wideTo") if may_be_code(body, word) => {
                return Err(refused(
                    &format!("the word {name}, with which Flux writes"),
                    "leave it away; a column of that name is r[\"to\"]",
                ));
            }
            "from"
                if may_be_code(body, word) && !is_member(body, word) && !is_of_bucket(&body[word.end..]) =>
            {
                return Err(refused(
                    "from in another form than from(bucket: \"name\")",
                    "name the bucket in it, as text or as v.bucket, and nothing else",
                ));
            }
            name @ ("buckets" | "cardinality") if may_be_code(body, word) && !is_member(body, word) => {
                return Err(refused(
                    &format!("the word {name}, a function that can ask another server"),
                    &format!("leave it away; a column of that name is r[\"{name}\"]"),
                ));
            }
            "import" if may_be_code(body, word) => {
                return Err(refused(
                    "the word import behind the beginning",
                    "write imports before everything else",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an attribute could begin somewhere: at the beginning of a line, or behind the parentheses of another one.
fn has_attribute(body: &str) -> bool {
    body.match_indices('@').any(|(at, _)| {
        let before = body[..at].trim_end_matches([' ', '\t']);
        before.is_empty() || before.ends_with(['\n', '\r', ')', ';', '}'])
    })
}

fn refused(what: &str, hint: &str) -> Error {
    Error::new(Category::Query, format!("the query holds {what}")).hint(hint)
}

/// What follows the package clause and the imports.
fn check_imports(text: &str) -> Result<&str> {
    let mut rest = skip_blank(text);
    if let Some(after) = strip_word(rest, "package") {
        let name = skip_blank(after);
        rest = skip_blank(name.trim_start_matches(is_in_word));
    }
    while let Some(after) = strip_word(rest, "import") {
        let named = skip_blank(after);
        let path = skip_blank(named.trim_start_matches(is_in_word));
        let package = path.strip_prefix('"').and_then(|inner| inner.split_once('"'));
        let Some((package, after)) = package else {
            return Err(refused("an import without a package", "write import \"math\""));
        };
        if !PACKAGES.contains(&package) {
            return Err(refused(
                &format!("an import of \"{}\"", shortened(package, QUOTED_CHARS)),
                &format!("packages that only compute can be imported: {}", PACKAGES.join(", ")),
            ));
        }
        rest = skip_blank(after);
    }
    Ok(rest)
}

/// The text without the blanks and comments that it begins with.
fn skip_blank(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        match text.strip_prefix("//") {
            Some(comment) => text = comment.split_once('\n').map_or("", |(_, after)| after),
            None => return text,
        }
    }
}

fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    text.strip_prefix(word).filter(|rest| !rest.starts_with(is_in_word))
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A word by its place.
#[derive(Debug, Clone, Copy)]
struct Word {
    begin: usize,
    end: usize,
}

impl Word {
    fn of(self, text: &str) -> &str {
        &text[self.begin..self.end]
    }
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| is_in_word(*c)) {
        match words.last_mut().filter(|last| last.end == at) {
            Some(last) => last.end = at + c.len_utf8(),
            None => words.push(Word { begin: at, end: at + c.len_utf8() }),
        }
    }
    words
}

/// Whether a word could be the name of a function, and not a part of a sentence, a key (`to:`) or all of a string (`"to"`).
fn may_be_code(text: &str, word: Word) -> bool {
    let (before, after) = (&text[..word.begin], &text[word.end..]);
    if before.ends_with('"') && after.starts_with('"') {
        return false;
    }
    // On the same line: what stands between two words or texts is the name of a function in no statement, but for these.
    let before = before.trim_end_matches([' ', '\t']);
    let after = after.trim_start_matches([' ', '\t']);
    if after.starts_with(':') {
        return false;
    }
    let follows_word = before.ends_with(|c: char| is_in_word(c) || matches!(c, '/' | '"')) && {
        let begin = before.trim_end_matches(is_in_word).len();
        !KEYWORDS.contains(&&before[begin..])
    };
    !(follows_word && after.starts_with(|c: char| is_in_word(c) || c == '"'))
}

/// Whether a word is what a package has: `array.from`, in one piece. A point that stands apart may end a comment, and one
/// behind digits a number.
fn is_member(text: &str, word: Word) -> bool {
    let Some(owner) = text[..word.begin].strip_suffix('.') else { return false };
    let begin = owner.trim_end_matches(is_in_word).len();
    owner[begin..].starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Whether the arguments that `text` begins with are a bucket and nothing else: by its name, or by a value such as
/// `v.bucket`.
fn is_of_bucket(text: &str) -> bool {
    let value = || {
        let inner = text.trim_start().strip_prefix('(')?.trim_start();
        let key = strip_word(inner, "bucket").or_else(|| strip_word(inner, "bucketID"))?;
        Some(key.trim_start().strip_prefix(':')?.trim_start())
    };
    let Some(value) = value() else { return false };
    let after = match value.strip_prefix('"') {
        Some(literal) => match literal_end(literal) {
            Some(end) => &literal[end..],
            None => return false,
        },
        None => value.trim_start_matches(|c| is_in_word(c) || c == '.'),
    };
    after.len() < value.len() && after.trim_start().starts_with(')')
}

/// Where the text behind a literal begins, without an expression (`${…}`) in it.
fn literal_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            '{' if before == '$' => return None,
            _ => {}
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_let_through() {
        for text in [
            "from(bucket: v.bucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop)",
            "import \"math\"\nimport d \"date\" // to the point\n\nfrom(bucket: \"b\") |> map(fn: (r) => ({r with _value: r._value / 2.0}))",
            "package main\n// what is imported\nimport \"influxdata/influxdb/schema\"\nschema.tagValues(bucket: \"b\", tag: \"host\")",
            "import \"date\"\nx = date.add(d: 1h, to: now())\ny = date.sub(d: 1h, from: now())",
            "from(bucket: \"b\") |> filter(fn: (r) => r.host == \"web\" and r[\"to\"] == \"x\") |> group(columns: [\"host\"])",
            "from(bucket: \"b\") // convert to percent\n|> map(fn: (r) => ({r with host: r.host, unit: \"from low to high\"}))",
            "import \"array\"\narray.from(rows: [{host: \"a\"}])",
            "from(bucket: \"my \\\"bucket\\\"\")\nfrom(bucketID: \"00\")",
            "from ( bucket : \"b\" ) |> top(n: 3) |> toFloat() |> today()",
            "from(bucket: \"$__interval\") |> filter(fn: (r) => $__adhocFilters)",
            "from(bucket: \"b\") |> filter(fn: (r) => r._field == \"power import\" or r.mail == \"a@b.example\") // @ noon",
            "x = r.cardinality + r[\"buckets\"] + f(buckets: 3)",
            "",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_writes_or_reaches_elsewhere_is_refused() {
        for text in [
            "from(bucket: \"b\") |> to(bucket: \"c\")",
            "from(bucket: \"b\") |> to (bucket: \"c\")",
            "from(bucket: \"b\") |>to\n(bucket: \"c\")",
            "from(bucket: \"b\") |> wideTo(bucket: \"c\")",
            "write = to\nfrom(bucket: \"b\") |> write(bucket: \"c\")",
            "write = // a comment\n to // and one more\nfrom(bucket: \"b\") |> write(bucket: \"c\")",
            "f = if true then to else to",
            "f = () => { return to }",
            "f = (tables=<-, g=to) => tables |> g(bucket: \"c\")",
            "o = {to: to}",
            "o = {to}",
            "x = [to]",
            // Where strings begin and end cannot be told: these are a regular expression and a comment in one.
            "x = r._f =~ /\"/ |> to(bucket: \"c\") // \"",
            "x = \"http://a\" |> to(bucket: \"c\")",
            "x = \"${to(bucket: \"c\")}\"",
            "experimental.to(bucket: \"c\")",
            "import \"http\"\nhttp.post(url: \"http://a\")",
            "import h \"http\"\nh.post(url: \"http://a\")",
            "import \"math\"import\"experimental\"\nexperimental[\"to\"](bucket: \"c\")",
            "package p import \"sql\"\nsql.to()",
            "// import \"math\"\nimport\n\"influxdata/influxdb/secrets\"",
            "import // a comment\n \"csv\"\ncsv.from(url: \"http://a\")",
            "import \"m\\x61th\"",
            "import math",
            "from(bucket: \"b\", host: \"http://elsewhere\", token: \"t\")",
            "from(bucket: \"b\",\n  host : \"http://elsewhere\")",
            "from(bucket: f(x), host: \"http://elsewhere\")",
            "from(bucket: \")\", host: \"http://elsewhere\")",
            "from(bucket: \"\\\")\", host: \"http://elsewhere\")",
            "from(bucket: \"${from(bucket: x)}\")",
            "get = from\nget(bucket: \"b\", host: \"http://elsewhere\")",
            "x = {from}",
            // An attribute before an import, a package or a statement.
            "@edition(\"2022.1\")\nimport \"strings\"",
            "@edition(\"2022.1\") import \"x\"",
            "@a\npackage p\nimport \"x\"",
            "import \"math\"\n@a(\"b\")\nimport \"x\"",
            "x = 1\n  @a y = 2",
            "x = 1\nimport \"x\"",
            "; import \"x\"",
            // Functions without an import that take a host.
            "buckets()",
            "buckets(host: \"http://elsewhere\")",
            "list = buckets",
            "cardinality(bucket: \"b\", start: -1h, host: \"http://elsewhere\")",
            "import \"influxdata/influxdb/sample\"",
            // A point that ends a comment or a number makes no member.
            "x = 1 // so.\nfrom(bucket: \"b\", host: \"http://elsewhere\")",
            "x = 1.from(bucket: \"b\", host: \"http://elsewhere\")",
            "x = 1. buckets()",
        ] {
            let error = check(text).map_err(|error| error.to_string());
            assert!(error.is_err(), "let through: {text}");
            assert!(error.unwrap_err().starts_with("[query] the query holds"), "{text}");
        }
    }

    #[test]
    fn patterns_of_filters_name_no_function() {
        for pattern in ["web-.*", "^(total|tokyo)$", "t[o]", ""] {
            assert_eq!(check_pattern(pattern), Ok(()), "{pattern}");
        }
        for pattern in ["^(to|fro)$", "from", "import", "x wideTo(", "buckets|y"] {
            let error = check_pattern(pattern).map_err(|error| error.to_string());
            assert!(error.is_err_and(|error| error.contains("with brackets")), "{pattern}");
        }
    }

    #[test]
    fn no_text_panics() {
        for text in
            ["to", "from(", "from", "import", "import \"", "package", "ä to ä", "\"to", "to\"", "//", "x//"]
        {
            let _ = check(text);
        }
        for text in
            ["from(".repeat(50_000), "from(bucket:\"".repeat(20_000), "import \"math\" ".repeat(20_000)]
        {
            let _ = check(&text);
        }
    }
}
