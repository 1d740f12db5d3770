//! How long what a query says may be: whoever may see a dashboard may send any text, and every reader of one has to be
//! done with it in time.

use serde_json::Value;

use crate::error::{Category, Error, Result, shortened};

/// Of what is sent as JSON, in bytes: a query, or a question about one.
const MAX_JSON_BYTES: usize = 2 * 1024 * 1024;
/// Of the values in it, of which each takes some twenty times as much memory as text of the shortest.
const MAX_JSON_VALUES: usize = 100_000;

/// Of one text or name, in bytes.
const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Of all texts and names of an option, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// How much of a name is quoted.
const QUOTED_CHARS: usize = 60;

/// Checks the length of JSON before it is read; `what` names it, as in "the query".
///
/// # Errors
/// [`Category::Limit`] if it is too long, or holds too many values.
pub(crate) fn check_json(what: &str, json: &[u8]) -> Result<()> {
    let too_much = |most: usize, of_what: &str| {
        Err(Error::new(Category::Limit, format!("{what} has more than {most} {of_what}"))
            .hint("shorten it in the query editor"))
    };
    if json.len() > MAX_JSON_BYTES {
        return too_much(MAX_JSON_BYTES, "bytes");
    }
    let (mut in_text, mut is_escaped, mut values) = (false, false, 0_usize);
    for byte in json {
        match (in_text, byte) {
            _ if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_text = !in_text,
            // One of them is before every value but the outermost.
            (false, b',' | b':' | b'[' | b'{') => values += 1,
            _ => {}
        }
    }
    if values > MAX_JSON_VALUES {
        return too_much(MAX_JSON_VALUES, "values");
    }
    Ok(())
}

/// Checks the length of a text that is no option; `what` names it.
///
/// # Errors
/// [`Category::Limit`] if it is too long.
pub(crate) fn check_text(what: &str, text: &str) -> Result<()> {
    if text.len() <= MAX_TEXT_BYTES {
        return Ok(());
    }
    Err(Error::new(Category::Limit, format!("{what} has more than {MAX_TEXT_BYTES} bytes"))
        .hint("shorten it"))
}

/// Checks the options of a query that others read: those of source and detector.
///
/// # Errors
/// [`Category::Limit`] naming the option.
pub(super) fn check(query: &Value) -> Result<()> {
    for name in ["source", "detector"] {
        let mut left = MAX_BYTES;
        check_below(name, &query[name], &mut left)?;
    }
    Ok(())
}

/// As deep as the parser of JSON lets it be nested.
fn check_below(name: &str, value: &Value, left: &mut usize) -> Result<()> {
    match value {
        Value::String(text) => take(name, text, left),
        Value::Array(values) => values.iter().try_for_each(|value| check_below(name, value, left)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            take(name, key, left)?;
            let place = (!name.contains('.')).then(|| format!("{name}.{}", shortened(key, QUOTED_CHARS)));
            check_below(place.as_deref().unwrap_or(name), value, left)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn take(name: &str, text: &str, left: &mut usize) -> Result<()> {
    let too_long = |most: usize| {
        Err(Error::new(Category::Limit, format!("option {name} has more than {most} bytes of text"))
            .hint("shorten it in the query editor"))
    };
    if text.len() > MAX_TEXT_BYTES {
        return too_long(MAX_TEXT_BYTES);
    }
    match left.checked_sub(text.len()) {
        Some(rest) => *left = rest,
        None => return too_long(MAX_BYTES),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_measured_before_it_is_read() {
        let of_length = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
        assert_eq!(check_json("the query", of_length(MAX_JSON_BYTES).as_bytes()), Ok(()));
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(check_json("the query", zeros(MAX_JSON_VALUES).as_bytes()), Ok(()));
        let commas = format!(r#"{{"a": "\"{}\\"}}"#, ",[{:".repeat(MAX_JSON_VALUES));
        assert_eq!(check_json("the query", commas.as_bytes()), Ok(()), "they are in a text");
        for (json, says) in [
            (of_length(MAX_JSON_BYTES + 1), "2097152 bytes"),
            (zeros(MAX_JSON_VALUES + 1), "100000 values"),
            (format!(r#"["\\", {}]"#, "{}, ".repeat(MAX_JSON_VALUES)), "100000 values"),
        ] {
            let error = check_json("the query", json.as_bytes()).unwrap_err();
            assert_eq!(error.category(), Category::Limit);
            assert!(error.to_string().contains(&format!("the query has more than {says}")), "{error}");
        }
        assert_eq!(check_text("the URL", &"x".repeat(MAX_TEXT_BYTES)), Ok(()));
        assert!(check_text("the URL", &"x".repeat(MAX_TEXT_BYTES + 1)).is_err());
    }

    #[test]
    fn a_text_that_is_too_long_is_refused_by_its_name() {
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        assert_eq!(check(&json!({"source": {"text": long[1..]}, "note": long})), Ok(()));
        for (query, name) in [
            (json!({"source": {"text": long}}), "source.text"),
            (json!({"source": {"query": {"datasource": {"uid": [long]}}}}), "source.query"),
            (json!({"detector": {"timeZone": long}}), "detector.timeZone"),
            (json!({"source": {"where": vec!["x".repeat(1_000); 2_000]}}), "source.where"),
            (json!({"source": {long.as_str(): 1}}), "option source"),
        ] {
            let error = check(&query).unwrap_err();
            assert!(error.category() == Category::Limit && error.to_string().contains(name), "{error}");
            assert!(error.to_string().len() < 200);
        }
    }
}
