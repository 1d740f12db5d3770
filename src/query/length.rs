//! How long what a query says may be: whoever may see a dashboard may send any text, and every reader of one has to be
//! done with it in time.

use serde_json::Value;

use crate::error::{Category, Error, Result, shortened};

/// Of one text or name, in bytes.
const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Of all texts and names of an option, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// How much of a name is quoted.
const QUOTED_CHARS: usize = 60;

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
