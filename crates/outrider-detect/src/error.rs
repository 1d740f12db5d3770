//! What is wrong with the options of a detector, in words for whoever wrote them.

use std::fmt;

/// A `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Which option is wrong and why, with a hint what to do about it. Data never is an error: what cannot be judged says
/// so in its judgement.
///
/// ```
/// use outrider_detect::Error;
///
/// let error = Error::new("option detector.threshold: got -1").hint("correct it");
/// assert_eq!(error.to_string(), "option detector.threshold: got -1; correct it");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    message: String,
    hint: Option<String>,
}

impl Error {
    /// An error; `message` says what is wrong and why.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The same error with a hint what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong and why, without the hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, if that is known.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hint {
            None => f.write_str(&self.message),
            Some(hint) => write!(f, "{}; {hint}", self.message),
        }
    }
}

impl std::error::Error for Error {}

/// `"a", "b" and "c"`, for messages that list what exists.
#[must_use]
pub fn list_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// The begin of `text`, with an ellipsis if it has more than `max_chars`: for messages that quote what was typed.
#[must_use]
pub fn shortened(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_a_person_would() {
        assert_eq!(list_names([]), "none");
        assert_eq!(list_names(["a"]), "\"a\"");
        assert_eq!(list_names(["a", "b", "c"]), "\"a\", \"b\" and \"c\"");
    }

    #[test]
    fn long_texts_are_quoted_in_part() {
        assert_eq!([shortened("äöü", 3), shortened("äöü", 2), shortened("", 0)], ["äöü", "äö…", ""]);
    }
}
