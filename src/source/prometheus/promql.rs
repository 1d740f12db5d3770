//! PromQL as text: names and strings written so that they stay names and strings, and matchers put into the selectors
//! of an expression that someone else wrote.
//!
//! [`with_matchers`] reads tokens, not a tree, and leaves everything between them as it was: comments, spelling, and
//! what only MetricsQL knows. It keeps track of whether an operand or an operator comes next, which is what tells a
//! metric from a function, a keyword or a list of labels. Where it is not sure it fails: an expression that silently
//! lacks a filter would show data that the dashboard says is left out.
//!
//! Source: "Querying Prometheus" of the Prometheus documentation, and its lexer's notion of words and strings.

use crate::error::{Category, Error, Result};
use crate::query::{FilterOperator, check_expanded};

/// `text` as a PromQL string. Quotes are written as `\x22`, so that the text cannot end the string in any of PromQL's
/// two kinds of quotes, whoever reads it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\x22"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A regular expression that matches `text` and nothing else.
pub(super) fn regex_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether every Prometheus takes `name` for a label without quotes.
pub(super) fn is_label_name(name: &str) -> bool {
    is_word(name) && !name.contains(':')
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && name.chars().all(is_word_char)
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// `label="value"`, with both written safely. Names that only Prometheus 3 knows are quoted.
///
/// # Errors
/// [`Category::Query`] if the label is empty, or PromQL has no such comparison.
pub(super) fn matcher(label: &str, operator: FilterOperator, value: &str) -> Result<String> {
    if label.is_empty() {
        return Err(Error::new(Category::Query, "a label filter has no label")
            .hint("choose one or remove the filter"));
    }
    if matches!(operator, FilterOperator::Less | FilterOperator::Greater) {
        return Err(Error::new(
            Category::Query,
            format!(
                "the filter on \"{label}\" compares with {}, which PromQL has not for labels",
                operator.symbol()
            ),
        )
        .hint("use =, !=, =~ or !~"));
    }
    let name = if is_label_name(label) { label.to_owned() } else { quoted(label) };
    Ok(format!("{name}{}{}", operator.symbol(), quoted(value)))
}

/// The selector of a metric's series that all `matchers` fit.
pub(super) fn selector(metric: &str, matchers: &[String]) -> String {
    let (name, mut inside) =
        if metric.is_empty() || is_word(metric) { (metric, Vec::new()) } else { ("", vec![quoted(metric)]) };
    inside.extend_from_slice(matchers);
    if inside.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", inside.join(",")) }
}

/// `expr` with `matchers` in each of its selectors.
///
/// # Errors
/// [`Category::Query`] if it cannot be told for sure where its selectors are; [`Category::Limit`] if it becomes too long.
pub(super) fn with_matchers(expr: &str, matchers: &[String]) -> Result<String> {
    if matchers.is_empty() {
        return Ok(expr.to_owned());
    }
    let tokens = tokens(expr)?;
    let places = Selectors::of(expr, &tokens).find()?.places;
    let matchers = matchers.join(",");
    let length = places.len().saturating_mul(matchers.len() + 2).saturating_add(expr.len());
    check_expanded(length)?;
    let mut out = String::with_capacity(length);
    let mut copied = 0;
    for (at, place) in places {
        out.push_str(&expr[copied..at]);
        copied = at;
        // `{a="b" or"c d"="e"}`: what ended with a quote must not join the word before it.
        if place != Place::Braces && out.ends_with(is_word_char) {
            out.push(' ');
        }
        match place {
            Place::Braces => out.push_str(&format!("{{{matchers}}}")),
            Place::Only => out.push_str(&matchers),
            Place::First => out.push_str(&format!("{matchers},")),
        }
    }
    out.push_str(&expr[copied..]);
    Ok(out)
}

/// What an expression is made of, as far as it matters for which range it is asked.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parts {
    /// Functions and aggregations called, those in durations included, in small letters.
    pub(super) calls: Vec<Call>,
    /// Words between two operands and behind one, in small letters.
    pub(super) operators: Vec<String>,
    /// Whether a selector has no range in brackets behind it.
    pub(super) has_bare_selector: bool,
    /// Offsets, as they are written.
    pub(super) offsets: Vec<String>,
}

/// A function called.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    /// Whether its first argument is a number or a text as it is written.
    pub(super) begins_with_literal: bool,
}

/// What `expr` is made of.
///
/// # Errors
/// [`Category::Query`] if it cannot be told for sure.
pub(super) fn parts(expr: &str) -> Result<Parts> {
    Ok(Selectors::of(expr, &tokens(expr)?).find()?.parts)
}

/// What goes where a selector needs matchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After a metric without braces.
    Braces,
    /// Between empty braces.
    Only,
    /// Before other matchers.
    First,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    /// A number or a duration.
    Number,
    /// A string.
    Text,
    Open(char),
    Close(char),
    Comma,
    At,
    Operator,
}

#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    from: usize,
    to: usize,
}

impl Token {
    fn text<'e>(&self, expr: &'e str) -> &'e str {
        &expr[self.from..self.to]
    }
}

fn unsure(expr: &str, at: usize, why: &str) -> Error {
    let place = expr[..at].chars().count() + 1;
    Error::new(
        Category::Query,
        format!("the dashboard's filters cannot be put into the PromQL: {why} at character {place}"),
    )
    .hint("correct the expression, or write the filters into it and exclude this panel from the dashboard's")
}

fn tokens(expr: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = expr[at..].chars().next() {
        let rest = &expr[at..];
        let run = |fits: fn(char) -> bool| rest.find(|c: char| !fits(c)).unwrap_or(rest.len());
        let (kind, length) = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            '"' | '\'' | '`' => {
                (Kind::Text, string_length(rest, c).ok_or_else(|| unsure(expr, at, "an open string"))?)
            }
            '0'..='9' | '.' => (Kind::Number, run(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_')),
            ':' if !rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => {
                (Kind::Operator, 1)
            }
            c if is_word_char(c) => (Kind::Word, run(is_word_char)),
            '(' | '[' | '{' => (Kind::Open(c), 1),
            ')' | ']' | '}' => (Kind::Close(c), 1),
            ',' => (Kind::Comma, 1),
            '@' => (Kind::At, 1),
            '+' | '-' | '*' | '/' | '%' | '^' | '=' | '!' | '<' | '>' | '~' => (Kind::Operator, 1),
            _ => return Err(unsure(expr, at, "an unexpected character")),
        };
        tokens.push(Token { kind, from: at, to: at + length });
        at += length;
    }
    Ok(tokens)
}

/// Length of the string that `text` begins with, quotes included.
fn string_length(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Finds the places of matchers: one pass over the tokens.
struct Selectors<'e> {
    expr: &'e str,
    tokens: &'e [Token],
    at: usize,
    places: Vec<(usize, Place)>,
    parts: Parts,
}

/// Between two operands; the second one follows.
const OPERATOR_WORDS: [&str; 7] = ["and", "or", "unless", "atan2", "default", "if", "ifnot"];
/// After an operand or an operator, with a list in parentheses.
const LIST_WORDS: [&str; 9] =
    ["by", "without", "on", "ignoring", "group_left", "group_right", "fill", "fill_left", "fill_right"];
/// After an operand, alone or before a number.
const MODIFIER_WORDS: [&str; 5] = ["offset", "limit", "keep_metric_names", "anchored", "smoothed"];

impl<'e> Selectors<'e> {
    fn of(expr: &'e str, tokens: &'e [Token]) -> Self {
        Self { expr, tokens, at: 0, places: Vec::new(), parts: Parts::default() }
    }

    fn find(mut self) -> Result<Self> {
        let mut operand_next = true;
        let mut open = 0_usize;
        while let Some(token) = self.next() {
            match token.kind {
                Kind::Word if operand_next => operand_next = self.word_for_operand(token)?,
                Kind::Word => operand_next = self.word_for_operator(token)?,
                Kind::Open('{') if operand_next => {
                    self.braces()?;
                    self.note_selector();
                    operand_next = false;
                }
                Kind::Open('[') if !operand_next => self.skip_duration(']')?,
                // A call, whose name is an operand that was read already, has its parentheses read with it.
                Kind::Open('(') if operand_next => open += 1,
                Kind::Close(')') if open > 0 => {
                    open -= 1;
                    operand_next = false;
                }
                Kind::Number | Kind::Text if operand_next => operand_next = false,
                Kind::Comma if open > 0 => operand_next = true,
                Kind::Operator => operand_next = true,
                Kind::At if !operand_next => self.pin()?,
                _ => return Err(unsure(self.expr, token.from, "something unexpected")),
            }
        }
        if open > 0 {
            return Err(unsure(self.expr, self.expr.len(), "a parenthesis is left open"));
        }
        Ok(self)
    }

    /// Notes that a selector has ended.
    fn note_selector(&mut self) {
        self.parts.has_bare_selector |= !self.next_is(Kind::Open('['));
    }

    /// Notes that `name` is called; its parenthesis is next.
    fn note_call(&mut self, name: String) {
        let is_number = |at: usize| {
            let ends = |kind: Kind| matches!(kind, Kind::Comma | Kind::Close(')'));
            matches!(self.tokens.get(at), Some(Token { kind: Kind::Number | Kind::Text, .. }))
                && self.tokens.get(at + 1).is_some_and(|after| ends(after.kind))
        };
        let is_signed = self.tokens.get(self.at + 1).is_some_and(|token| token.kind == Kind::Operator);
        let begins_with_literal = is_number(self.at + 1 + usize::from(is_signed));
        self.parts.calls.push(Call { name, begins_with_literal });
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).copied();
        self.at += 1;
        token
    }

    fn next_is(&self, kind: Kind) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.kind == kind)
    }

    fn lower(&self, token: Token) -> String {
        token.text(self.expr).to_ascii_lowercase()
    }

    fn is_list_word(&self, index: usize) -> bool {
        let word = self.tokens.get(index).filter(|token| token.kind == Kind::Word);
        let list = self.tokens.get(index + 1).is_some_and(|token| token.kind == Kind::Open('('));
        list && word.is_some_and(|token| LIST_WORDS.contains(&self.lower(*token).as_str()))
    }

    /// A word where an operand is due: returns whether one still is.
    fn word_for_operand(&mut self, token: Token) -> Result<bool> {
        let word = self.lower(token);
        // `a == bool b`, `a * on (x) group_left (y) b`.
        if self.is_list_word(self.at - 1) {
            self.at += 1;
            self.skip_to(')')?;
            return Ok(true);
        }
        let follows = self.at.checked_sub(2).map(|index| self.tokens[index].kind);
        if word == "bool" && follows == Some(Kind::Operator) {
            return Ok(true);
        }
        if ["group_left", "group_right"].contains(&word.as_str()) && follows == Some(Kind::Close(')')) {
            return Ok(true);
        }
        // `sum by (x) (…)`, `rate(…)`: the parenthesis follows.
        if self.is_list_word(self.at) {
            self.at += 2;
            self.skip_to(')')?;
            if !self.next_is(Kind::Open('(')) {
                return Err(unsure(self.expr, token.from, "an aggregation without its parentheses"));
            }
            self.note_call(word);
            return Ok(true);
        }
        if self.next_is(Kind::Open('(')) {
            self.note_call(word);
            return Ok(true);
        }
        if self.next_is(Kind::Open('{')) {
            self.at += 1;
            self.braces()?;
            self.note_selector();
        } else if !["inf", "nan"].contains(&word.as_str()) {
            self.places.push((token.to, Place::Braces));
            self.note_selector();
        }
        Ok(false)
    }

    /// A word where an operator is due: returns whether an operand is due now.
    fn word_for_operator(&mut self, token: Token) -> Result<bool> {
        let word = self.lower(token);
        self.parts.operators.push(word.clone());
        if OPERATOR_WORDS.contains(&word.as_str()) {
            return Ok(true);
        }
        if self.is_list_word(self.at - 1) {
            self.at += 1;
            self.skip_to(')')?;
            return Ok(false);
        }
        if !MODIFIER_WORDS.contains(&word.as_str()) {
            return Err(unsure(self.expr, token.from, "an unknown word"));
        }
        if ["offset", "limit"].contains(&word.as_str()) {
            self.duration(token)?;
            if word == "offset" {
                let written = self.tokens.get(self.at - 1).map_or(token.to, |last| last.to);
                self.parts.offsets.push(self.expr[token.to..written].trim().to_owned());
            }
        }
        Ok(false)
    }

    /// The duration behind `before`: a number, or since Prometheus 3.16 an expression in parentheses or a function.
    fn duration(&mut self, before: Token) -> Result<()> {
        while self.next_is(Kind::Operator) {
            self.at += 1;
        }
        match self.next() {
            Some(Token { kind: Kind::Number, .. }) => Ok(()),
            Some(Token { kind: Kind::Open('('), .. }) => self.skip_duration(')'),
            Some(token @ Token { kind: Kind::Word, .. }) if self.next_is(Kind::Open('(')) => {
                let name = self.lower(token);
                self.note_call(name);
                self.at += 1;
                self.skip_duration(')')
            }
            _ => Err(unsure(self.expr, before.from, "an offset that is no duration")),
        }
    }

    /// Goes behind the next `close`; in between are durations, and what Prometheus 3.16 makes durations of.
    fn skip_duration(&mut self, close: char) -> Result<()> {
        let mut open = 0_usize;
        while let Some(token) = self.next() {
            match token.kind {
                Kind::Close(found) if found == close && open == 0 => return Ok(()),
                Kind::Open('(') => open += 1,
                Kind::Close(')') if open > 0 => open -= 1,
                Kind::Word if self.next_is(Kind::Open('(')) => {
                    let name = self.lower(token);
                    self.note_call(name);
                }
                Kind::Number | Kind::Operator | Kind::Comma => {}
                _ => return Err(unsure(self.expr, token.from, "something unexpected in a duration")),
            }
        }
        Err(unsure(self.expr, self.expr.len(), "a parenthesis is left open"))
    }

    /// What follows an `@`.
    fn pin(&mut self) -> Result<()> {
        while self.next_is(Kind::Operator) {
            self.at += 1;
        }
        match self.next() {
            Some(Token { kind: Kind::Number, .. }) => Ok(()),
            Some(token @ Token { kind: Kind::Word, .. }) if self.next_is(Kind::Open('(')) => {
                let name = self.lower(token);
                self.note_call(name);
                self.at += 1;
                self.skip_to(')')
            }
            other => Err(unsure(
                self.expr,
                other.map_or(self.expr.len(), |token| token.from),
                "no time after the @",
            )),
        }
    }

    /// Goes behind the next `close`; nothing that could hold a selector is in between.
    fn skip_to(&mut self, close: char) -> Result<()> {
        while let Some(token) = self.next() {
            match token.kind {
                Kind::Close(found) if found == close => return Ok(()),
                Kind::Open(_) | Kind::Close(_) => {
                    return Err(unsure(self.expr, token.from, "an unexpected parenthesis"));
                }
                _ => {}
            }
        }
        Err(unsure(self.expr, self.expr.len(), "a parenthesis is left open"))
    }

    /// The inside of a selector's braces, which are open; goes behind them. In MetricsQL they may hold alternatives,
    /// `{a="b" or c="d"}`.
    fn braces(&mut self) -> Result<()> {
        let mut begins = true;
        let mut after_value = false;
        loop {
            let Some(token) = self.tokens.get(self.at).copied() else {
                return Err(unsure(self.expr, self.expr.len(), "a brace is left open"));
            };
            if begins {
                let empty = matches!(token.kind, Kind::Close('}'));
                self.places.push((token.from, if empty { Place::Only } else { Place::First }));
                begins = false;
            }
            self.at += 1;
            match token.kind {
                Kind::Close('}') => return Ok(()),
                Kind::Word if after_value => {
                    if self.lower(token) != "or" {
                        return Err(unsure(self.expr, token.from, "an unknown word"));
                    }
                    (begins, after_value) = (true, false);
                }
                Kind::Text => after_value = true,
                // A quoted name of a label is a text too, and no value.
                Kind::Comma | Kind::Operator => after_value = false,
                Kind::Word => {}
                _ => return Err(unsure(self.expr, token.from, "something unexpected between braces")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered(expr: &str) -> Result<String> {
        with_matchers(expr, &["f=\"v\"".to_owned()])
    }

    #[test]
    fn what_follows_an_operator_between_braces_is_no_alternative() {
        assert_eq!(filtered("{\"a b\"=or\"c\"}").unwrap(), "{f=\"v\",\"a b\"=or\"c\"}");
        assert_eq!(
            filtered("{\"a b\"=\"c\" or d=\"e\"}").unwrap(),
            "{f=\"v\",\"a b\"=\"c\" or f=\"v\",d=\"e\"}"
        );
        assert_eq!(
            filtered("{a=\"b\"or\"c d\"=\"e\"}").unwrap(),
            "{f=\"v\",a=\"b\"or f=\"v\",\"c d\"=\"e\"}"
        );
    }

    #[test]
    fn every_selector_gets_the_matchers_and_nothing_else_does() {
        for (expr, expected) in [
            ("up", "up{f=\"v\"}"),
            ("up{}", "up{f=\"v\"}"),
            ("up { }", "up { f=\"v\"}"),
            ("up{a=\"b\"}", "up{f=\"v\",a=\"b\"}"),
            ("{__name__=~\"a|b\"}", "{f=\"v\",__name__=~\"a|b\"}"),
            ("{\"metric.name\", a='}'}", "{f=\"v\",\"metric.name\", a='}'}"),
            ("rate(x[5m])", "rate(x{f=\"v\"}[5m])"),
            (
                "sum by (a, b) (rate(x:y_total{c!~'d\\'}'}[5m] offset -1h))",
                "sum by (a, b) (rate(x:y_total{f=\"v\",c!~'d\\'}'}[5m] offset -1h))",
            ),
            ("sum(x) without(a)", "sum(x{f=\"v\"}) without(a)"),
            ("SUM BY (a) (x)", "SUM BY (a) (x{f=\"v\"})"),
            ("a * on (x) group_left (y) b", "a{f=\"v\"} * on (x) group_left (y) b{f=\"v\"}"),
            ("a / ignoring(x) group_right b", "a{f=\"v\"} / ignoring(x) group_right b{f=\"v\"}"),
            (
                "a > bool 1 and b or c unless d",
                "a{f=\"v\"} > bool 1 and b{f=\"v\"} or c{f=\"v\"} unless d{f=\"v\"}",
            ),
            ("topk(scalar(k), -x ^ 2)", "topk(scalar(k{f=\"v\"}), -x{f=\"v\"} ^ 2)"),
            ("max_over_time(rate(x[5m])[1h:30s])", "max_over_time(rate(x{f=\"v\"}[5m])[1h:30s])"),
            ("x[1h:] @ 1609746000", "x{f=\"v\"}[1h:] @ 1609746000"),
            ("x @ end() offset 5m + y @ -1", "x{f=\"v\"} @ end() offset 5m + y{f=\"v\"} @ -1"),
            ("quantile(0.9, x) + Inf - nan", "quantile(0.9, x{f=\"v\"}) + Inf - nan"),
            (
                "label_replace(x, \"a\", \"$1\", 'b', \"(.*)\")",
                "label_replace(x{f=\"v\"}, \"a\", \"$1\", 'b', \"(.*)\")",
            ),
            ("x # up{\n+ y", "x{f=\"v\"} # up{\n+ y{f=\"v\"}"),
            ("by + on", "by{f=\"v\"} + on{f=\"v\"}"),
            ("vector(1) == time()", "vector(1) == time()"),
            ("5e-3 * 0x1F + .5", "5e-3 * 0x1F + .5"),
            ("x{a=\"b\" or c=\"d\"} default 0", "x{f=\"v\",a=\"b\" or f=\"v\",c=\"d\"} default 0"),
            ("x{a=`\\`}", "x{f=\"v\",a=`\\`}"),
            ("a + fill(0) b", "a{f=\"v\"} + fill(0) b{f=\"v\"}"),
            ("rate(x[max(step(),10m)])", "rate(x{f=\"v\"}[max(step(),10m)])"),
            (
                "rate(x[2 * (5m + step()) : max_of(step(), 1m)] offset (5m+5m))",
                "rate(x{f=\"v\"}[2 * (5m + step()) : max_of(step(), 1m)] offset (5m+5m))",
            ),
            ("x[-range()] offset -step() + y", "x{f=\"v\"}[-range()] offset -step() + y{f=\"v\"}"),
            ("rate(x[5m] anchored) / (x smoothed)", "rate(x{f=\"v\"}[5m] anchored) / (x{f=\"v\"} smoothed)"),
        ] {
            assert_eq!(filtered(expr).unwrap(), expected, "{expr}");
            assert_eq!(with_matchers(expr, &[]).unwrap(), expr);
        }
    }

    #[test]
    fn where_selectors_are_not_sure_nothing_is_filtered_silently() {
        for expr in [
            "up{",
            "up{a=\"b}",
            "rate(x[5m]",
            "x y",
            "$host",
            "x offset y",
            "x)",
            "a{b=\"c\" d=\"e\"}",
            "[5m]",
            "sum by (a) x",
            "x @",
            "x{[5m]}",
            "by (a) (",
            "x € y",
        ] {
            let error = filtered(expr).unwrap_err();
            assert_eq!(error.category(), Category::Query, "{expr}");
            assert!(error.message().contains("cannot be put into the PromQL"), "{error}");
        }
    }

    #[test]
    fn names_and_values_cannot_leave_their_place() {
        for (value, written) in [
            ("plain", "\"plain\""),
            ("\"} or up{a=\"", "\"\\x22} or up{a=\\x22\""),
            ("C:\\dir\\", "\"C:\\\\dir\\\\\""),
            ("a\nb\u{1}", "\"a\\nb\\u0001\""),
            ("ü", "\"ü\""),
        ] {
            assert_eq!(quoted(value), written);
        }
        let text = matcher("a\"} or x{b", FilterOperator::Matches, "c\"}").unwrap();
        assert_eq!(text, "\"a\\x22} or x{b\"=~\"c\\x22}\"");
        assert_eq!(selector("x\"} or {y", &[text]).matches('{').count(), 3);
        assert_eq!(selector("a:b_c", &["d=\"e\"".into()]), "a:b_c{d=\"e\"}");
        assert_eq!(selector("a.b", &[]), "{\"a.b\"}");
        assert!(matcher("", FilterOperator::Equal, "x").is_err());
        let error = matcher("a", FilterOperator::Less, "1").unwrap_err().to_string();
        assert!(error.contains("compares with <") && error.contains("use =, !=, =~ or !~"), "{error}");
        assert_eq!(regex_quoted("a.b|(c)\\"), "a\\.b\\|\\(c\\)\\\\");
    }

    #[test]
    fn an_expression_is_taken_apart() {
        let of = |expr: &str| {
            let Parts { calls, operators, has_bare_selector, offsets } = parts(expr).unwrap();
            let calls: Vec<String> = calls
                .into_iter()
                .map(|call| call.name + if call.begins_with_literal { "(1" } else { "" })
                .collect();
            (calls.join(" "), operators.join(" "), has_bare_selector, offsets.join(" "))
        };
        let is = |calls: &str, operators: &str, bare: bool, offsets: &str| {
            (calls.to_owned(), operators.to_owned(), bare, offsets.to_owned())
        };
        assert_eq!(of("rate(x[5m]@END ( ))"), is("rate end", "", false, ""));
        assert_eq!(of("x{a=\"@ end()\"} @ 5 + end"), is("", "", true, ""));
        assert_eq!(
            of("topk by (end) (-1, x[max(step(), 10m)] offset -(5m + 5m)) default start"),
            is("topk(1 max step", "offset default", true, "-(5m + 5m)")
        );
        assert_eq!(
            of("Topk(scalar(n), x[5m:]) or x offset step()"),
            is("topk scalar step", "or offset", true, "step()")
        );
        assert_eq!(of("sum by (a) (x[range()] smoothed)"), is("sum range", "smoothed", false, ""));
        assert!(parts("x{").is_err() && parts("x[{]").is_err());
    }

    proptest! {
        #[test]
        fn a_quoted_string_is_one_token(text in "\\PC*|[\"'`\\\\\\n{}]*") {
            let quoted = quoted(&text);
            prop_assert_eq!(string_length(&quoted, '"'), Some(quoted.len()));
            let filtered = with_matchers("x", &[matcher("a", FilterOperator::Equal, &text).unwrap()]).unwrap();
            let again = with_matchers(&filtered, &["f=\"v\"".to_owned()]).unwrap();
            prop_assert_eq!(again, filtered.replacen('{', "{f=\"v\",", 1));
        }

        #[test]
        fn no_expression_panics(text in "\\PC*", promql in "[a-z(){}\\[\\]\"'`#@,:+ü0-9 \\\\]{0,40}") {
            let _ = (filtered(&text), filtered(&promql));
            let _ = (parts(&text), parts(&promql));
        }
    }
}
