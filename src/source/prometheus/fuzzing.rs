//! The fuzz targets of Prometheus: its answers, and filters in PromQL.

use std::collections::BTreeMap;

use serde_json::json;

use super::answer::{self, Naming};
use super::expression::{self, Setting};
use super::legend::Legend;
use super::promql;
use super::ranged::{self, Flavour};
use crate::fuzzing::{LIMITS, check_answer, check_error, check_refusal, choice_of, texts};
use crate::query::FilterOperator;
use crate::source::secrets::SECRETS;

/// A byte that chooses the names of series, and an answer.
pub(in crate::source) fn answer(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    let legend = ["", "{{job}}", "of {{ instance }}{{__name__}}"][choice % 3];
    let naming = Naming {
        legend: Legend::try_from(legend.to_owned()).unwrap_or_default(),
        fallback: "value".to_owned(),
        unit: "bytes".to_owned(),
    };
    check_answer(answer::decode(rest, &naming, &LIMITS, &SECRETS));
    let lists = answer::decode_list::<String>(rest, &SECRETS).err();
    let series = answer::decode_list::<BTreeMap<String, String>>(rest, &SECRETS).err();
    let refusal = answer::explain(400, &String::from_utf8_lossy(rest), "http://a", &SECRETS);
    [lists, series, refusal].iter().flatten().for_each(check_refusal);
}

/// Matchers with names that no input has.
const FIRST: &str = "zq9=\"1\"";
const SECOND: &str = "zr9=\"2\"";

/// A name and a text, each with a line break, and PromQL.
pub(in crate::source) fn promql(data: &[u8]) {
    let [name, text, expr] = texts(data);
    assert_eq!(unquoted(&promql::quoted(&text)).as_deref(), Some(&*text));
    for operator in [FilterOperator::Equal, FilterOperator::NotMatches] {
        let Ok(matcher) = promql::matcher(&name, operator, &text) else { continue };
        let selector = promql::selector(&name, &[matcher]);
        let filtered = promql::with_matchers(&selector, &[FIRST.to_owned()]);
        assert_eq!(
            filtered.map(|filtered| filtered.matches(FIRST).count()).ok(),
            Some(selector.matches(FIRST).count() + 1),
            "a selector is one selector: {selector}"
        );
    }
    filters_change_nothing_else(&expr);
    let options = json!({"expr": expr, "metric": name, "legend": text, "by": [text],
        "adhocFilters": [{"key": name, "operator": "=", "value": text}]});
    if let Ok(options) = serde_json::from_value(options) {
        for flavour in [Flavour::Prometheus, Flavour::VictoriaMetrics { shows_newest: false }] {
            let setting = Setting { step_ms: 60_000, scrape_ms: 15_000, flavour, is_counter: true };
            match expression::expression(&options, setting) {
                Err(error) => check_error(&error),
                Ok(expr) => {
                    if let Err(error) = ranged::reading(&expr, flavour, 60_000, 15_000) {
                        check_error(&error);
                    }
                }
            }
        }
    }
}

/// With a filter in it, an expression reads as before, has its selectors in the same places, and is otherwise what it was.
fn filters_change_nothing_else(expr: &str) {
    if expr.contains("zq9") || expr.contains("zr9") {
        return;
    }
    let filtered = match promql::with_matchers(expr, &[FIRST.to_owned()]) {
        Ok(filtered) => filtered,
        Err(error) => return check_error(&error),
    };
    assert_eq!(without(&filtered, expr).as_deref(), Some(expr), "{filtered}");
    let again = promql::with_matchers(&filtered, &[SECOND.to_owned()]);
    let places = again.as_ref().map(|again| again.matches(SECOND).count());
    assert_eq!(places.ok(), Some(filtered.matches(FIRST).count()), "{filtered}");
}

/// `filtered` without what was put into `expr`.
fn without(filtered: &str, expr: &str) -> Option<String> {
    let alone = format!("{{{FIRST}}}");
    let apart = format!(" {FIRST}");
    let mut out = String::new();
    let mut rest = filtered;
    loop {
        // Braces of the expression's own with nothing else in them, and not those that came with the filter.
        let own_braces = expr[out.len()..].starts_with('{');
        if let Some(after) = rest.strip_prefix(&alone).filter(|_| !own_braces) {
            rest = after;
        } else if let Some(after) = rest
            .strip_prefix(FIRST)
            // A space keeps it from the word before it, unless the expression has one of its own.
            .or_else(|| rest.strip_prefix(&apart).filter(|_| !expr[out.len()..].starts_with(' ')))
        {
            rest = after.strip_prefix(',').unwrap_or(after);
        } else {
            let Some(c) = rest.chars().next() else { return Some(out) };
            out.push(c);
            rest = &rest[c.len_utf8()..];
            // As soon as it differs, there is no place in `expr` to look at.
            if !expr.starts_with(&out) {
                return None;
            }
        }
    }
}

/// Reads a text in double quotes as Go does; `None` if it does not end where it ends.
fn unquoted(text: &str) -> Option<String> {
    let mut chars = text.strip_prefix('"')?.chars();
    let mut out = String::new();
    let code = |digits: String| char::from_u32(u32::from_str_radix(&digits, 16).ok()?);
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(out),
            '\n' => return None,
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                '\\' => out.push('\\'),
                'x' => out.push(code(chars.by_ref().take(2).collect())?),
                'u' => out.push(code(chars.by_ref().take(4).collect())?),
                _ => return None,
            },
            c => out.push(c),
        }
    }
}
