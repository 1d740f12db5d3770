//! The fuzz targets of queries: their JSON, and macros in texts.

use super::{
    AskedTraining, DurationMs, MacroValues, Query, REFIT_RANGE, STEP_RANGE, Step, WINDOW_RANGE, expand,
    expand_with, migrate,
};
use crate::fuzzing::{Target, check_error, texts};

pub(crate) const TARGETS: &[Target] =
    &[Target { name: "query", run: query }, Target { name: "macros", run: macros }];

/// The saved JSON of a query.
fn query(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice(data)
        && let Ok(lifted) = migrate(value)
    {
        assert_eq!(migrate(lifted.clone()).as_ref(), Ok(&lifted), "what is up to date stays as it is");
    }
    let query = match Query::parse(data) {
        Ok(query) => query,
        Err(error) => return check_error(&error),
    };
    let within =
        |ms: i64, (min, max): (DurationMs, DurationMs)| (min.as_millis()..=max.as_millis()).contains(&ms);
    if let AskedTraining::Window { window_ms, refit_ms } = query.training {
        assert!(window_ms.is_none_or(|ms| within(ms, WINDOW_RANGE)));
        assert!(refit_ms.is_none_or(|ms| within(ms, REFIT_RANGE)));
    }
    if let Step::Fixed(ms) = query.step {
        assert!(within(ms, STEP_RANGE));
    }
    assert!(query.training.auto_step_ms(i64::MAX, 0) >= 1_000);
    crate::source::fuzzing::options(&query.source);
    if let Err(error) = crate::detector::build(&query.detector, query.direction) {
        check_error(&error.into());
    }
}

/// A duration, a line break, and a text with macros.
fn macros(data: &[u8]) {
    let [duration, text] = texts(data);
    if let Ok(duration) = duration.parse::<DurationMs>() {
        assert_eq!(duration.to_string().parse(), Ok(duration));
    }
    let values = MacroValues { from_ms: -1, to_ms: 1_700_000_000_000, step_ms: 90_000, max_data_points: 7 };
    let plain = match expand(&text, &values, str::to_owned) {
        Ok(plain) => plain,
        Err(error) => return check_error(&error),
    };
    if !text.contains('$') {
        assert_eq!(plain, text);
    }
    // Values stand between marks, and everything else is as it was.
    let marked = expand(&text, &values, |value| format!("\u{1}{value}\u{2}"));
    assert_eq!(
        marked.map(|marked| marked.replace(['\u{1}', '\u{2}'], "")),
        Ok(plain.replace(['\u{1}', '\u{2}'], ""))
    );
    let own = |name: &str, arguments: Option<&[&str]>| {
        assert!(name.len() <= text.len());
        assert!(arguments.unwrap_or_default().iter().all(|argument| argument.trim() == *argument));
        Ok((name == "own").then(|| "OWN".to_owned()))
    };
    if let Err(error) = expand_with(&text, &values, str::to_owned, own) {
        check_error(&error);
    }
}
