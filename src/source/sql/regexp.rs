//! `REGEXP` for SQLite, which has the operator but no function behind it.
//!
//! Not sqlx's own: that one compiles a pattern for each place of a statement, keeps all of them, and lets each take
//! megabytes that are in no account. Here patterns and what is compiled of them are bounded, a session keeps the last few,
//! and nothing is matched for a statement that nobody waits for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{CString, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libsqlite3_sys as sqlite;
use regex::{Regex, RegexBuilder};
use sqlx::sqlite::LockedSqliteHandle;

use super::pool::Trouble;
use crate::error::{Category, Error};

/// Longest pattern in bytes: a list of some hundred names.
const MAX_PATTERN_BYTES: usize = 8_192;
/// Longest text that is searched, in bytes: the time grows with the product of both, and cannot be cut short.
const MAX_TEXT_BYTES: usize = 64 * 1024;
/// What a compiled pattern may take: that of `\w{20}`.
const MAX_PROGRAM_BYTES: usize = 1024 * 1024;
/// What it may take besides while it matches.
const MAX_STATES_BYTES: usize = 512 * 1024;
/// How many compiled patterns a session keeps: the builder's statements have one, and one for each filter.
const MAX_KEPT: usize = 8;

/// The patterns of a session.
#[derive(Debug, Default)]
struct Patterns {
    /// The last one used first.
    kept: VecDeque<(String, Regex)>,
}

impl Patterns {
    /// Whether `pattern` matches somewhere in `text`. The error is for people.
    fn is_match(&mut self, pattern: &str, text: &str) -> Result<bool, String> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(format!("REGEXP looks at texts of at most {MAX_TEXT_BYTES} bytes"));
        }
        match self.kept.iter().position(|(kept, _)| kept == pattern) {
            Some(0) => {}
            Some(at) => {
                let found = self.kept.remove(at);
                self.kept.extend(found);
                self.kept.rotate_right(1);
            }
            None => {
                let compiled = compile(pattern)?;
                self.kept.truncate(MAX_KEPT - 1);
                self.kept.push_front((pattern.to_owned(), compiled));
            }
        }
        Ok(self.kept.front().is_some_and(|(_, compiled)| compiled.is_match(text)))
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!("a regular expression has more than {MAX_PATTERN_BYTES} bytes"));
    }
    let built =
        RegexBuilder::new(pattern).size_limit(MAX_PROGRAM_BYTES).dfa_size_limit(MAX_STATES_BYTES).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "a regular expression is too large: repeat less in it".to_owned(),
        // The last line says what is wrong, those before show where.
        other => {
            let text = other.to_string();
            format!("a regular expression is not valid: {}", text.lines().last().unwrap_or_default())
        }
    })
}

/// What SQLite hands back with every call.
struct Context {
    patterns: RefCell<Patterns>,
    given_up: Arc<AtomicBool>,
}

/// Makes `REGEXP` known to a session; once `given_up` is set, it fails.
///
/// # Errors
/// [`Category::Internal`] if SQLite does not take it.
#[expect(unsafe_code, reason = "there is no other way to tell SQLite")]
pub(super) fn register(
    handle: &mut LockedSqliteHandle<'_>,
    given_up: Arc<AtomicBool>,
) -> Result<(), Trouble> {
    let context = Box::into_raw(Box::new(Context { patterns: RefCell::default(), given_up }));
    // SAFETY: the connection is open, and locked as long as the handle is borrowed; the context is a `Context` on the heap
    // that SQLite owns from here on, and hands to `forget` once, also if this fails.
    let code = unsafe {
        sqlite::sqlite3_create_function_v2(
            handle.as_raw_handle().as_ptr(),
            c"regexp".as_ptr(),
            2,
            sqlite::SQLITE_UTF8 | sqlite::SQLITE_DETERMINISTIC,
            context.cast(),
            Some(call),
            None,
            None,
            Some(forget),
        )
    };
    if code == sqlite::SQLITE_OK {
        return Ok(());
    }
    Err(Error::new(Category::Internal, format!("SQLite refused the function REGEXP with code {code}"))
        .hint("restart Grafana; report it if it happens again")
        .into())
}

/// Ends a [`Context`].
#[expect(unsafe_code, reason = "SQLite calls it")]
unsafe extern "C" fn forget(context: *mut c_void) {
    // SAFETY: `register` made it from a box, and SQLite calls this once, when nothing else uses it.
    drop(unsafe { Box::from_raw(context.cast::<Context>()) });
}

/// `regexp(pattern, text)`, which is `text REGEXP pattern`. NULL where one of them is.
#[expect(unsafe_code, reason = "SQLite calls it")]
unsafe extern "C" fn call(
    to: *mut sqlite::sqlite3_context,
    count: c_int,
    values: *mut *mut sqlite::sqlite3_value,
) {
    // SAFETY: SQLite hands over what `register` gave it, which lives as long as the function is known, and as many values
    // as it says. A session is used by one thread at a time, and matching does not call SQLite.
    let (context, [pattern, text]) = unsafe {
        let context = &*sqlite::sqlite3_user_data(to).cast::<Context>();
        if count != 2 {
            return;
        }
        (context, [text_of(*values), text_of(*values.add(1))])
    };
    let answer = match (pattern, text) {
        _ if context.given_up.load(Ordering::Relaxed) => Err("interrupted".to_owned()),
        (Some(Err(())), _) | (_, Some(Err(()))) => Err("REGEXP takes text in UTF-8".to_owned()),
        (None, _) | (_, None) => return,
        (Some(Ok(pattern)), Some(Ok(text))) => match context.patterns.try_borrow_mut() {
            Ok(mut patterns) => patterns.is_match(pattern, text),
            Err(_) => Err("REGEXP was called within itself".to_owned()),
        },
    };
    match answer {
        // SAFETY: as above; numbers and texts are copied.
        Ok(matches) => unsafe { sqlite::sqlite3_result_int(to, c_int::from(matches)) },
        Err(why) => {
            let why = CString::new(why.replace('\0', "")).unwrap_or_default();
            // SAFETY: as above; the text ends with a zero.
            unsafe { sqlite::sqlite3_result_error(to, why.as_ptr(), -1) }
        }
    }
}

/// The text of a value, as SQLite makes it of numbers as well; `None` for NULL, and an error where it is no UTF-8.
///
/// # Safety
/// The value must be one that SQLite handed over, and the text is not to be used once the function has returned.
#[expect(unsafe_code, reason = "SQLite's values are behind pointers")]
unsafe fn text_of<'v>(value: *mut sqlite::sqlite3_value) -> Option<Result<&'v str, ()>> {
    // SAFETY: the caller's promise. The length is asked after the text was made, and the text is not null but for NULL and
    // where memory ran out.
    let bytes = unsafe {
        let text = sqlite::sqlite3_value_text(value);
        let length = usize::try_from(sqlite::sqlite3_value_bytes(value)).unwrap_or_default();
        if text.is_null() {
            return None;
        }
        std::slice::from_raw_parts(text, length)
    };
    Some(std::str::from_utf8(bytes).map_err(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_and_the_last_few_are_kept() {
        let mut patterns = Patterns::default();
        for _ in 0..2 {
            for number in 0..20 {
                assert_eq!(patterns.is_match(&format!("^web-{number}$"), &format!("web-{number}")), Ok(true));
                assert_eq!(patterns.is_match("^web", "db"), Ok(false));
                assert!(patterns.kept.len() <= MAX_KEPT);
                assert_eq!(patterns.kept[0].0, "^web");
            }
        }
    }

    #[test]
    fn as_many_as_a_statement_has_are_compiled_once() {
        let mut patterns = Patterns::default();
        let names: Vec<String> = (0..MAX_KEPT).map(|number| format!(r"^\w{{1,12}}-{number}$")).collect();
        for _ in 0..2 {
            for name in &names {
                patterns.is_match(name, "web").unwrap();
            }
        }
        let mut kept: Vec<&String> = patterns.kept.iter().map(|(name, _)| name).collect();
        kept.sort();
        assert_eq!(kept, names.iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_would_take_too_much_is_refused() {
        let mut patterns = Patterns::default();
        let mut says = |pattern: &str, text: &str| patterns.is_match(pattern, text).unwrap_err();
        assert!(says(r"\w{500}", "a").contains("too large"));
        assert!(says(&"a".repeat(MAX_PATTERN_BYTES + 1), "a").contains("more than"));
        assert!(says("a", &"b".repeat(MAX_TEXT_BYTES + 1)).contains("at most"));
        let wrong = says("a(b", "a");
        assert!(wrong.contains("not valid") && wrong.contains("unclosed"), "{wrong}");
        assert!(patterns.kept.is_empty());
    }
}
