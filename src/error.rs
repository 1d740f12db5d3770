//! The one error type of the crate: what failed, why, and what to do.
//!
//! Every module returns [`Error`]; it becomes a gRPC/HTTP status, a category and a hint once, at the plugin's edge
//! (`src/plugin`). Messages are written for the operator who reads them in a panel: no secrets, no dumps of input.

use std::fmt;

pub use outrider_detect::error::{list_names, shortened};

/// A `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of trouble an [`Error`] is, and so who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// The data source settings are wrong or incomplete.
    Config,
    /// The query itself is wrong: malformed JSON, an unknown kind, an option out of range.
    Query,
    /// The upstream could not be reached, or did not answer in time.
    Connection,
    /// The upstream was reached, but TLS failed (unknown CA, wrong host name, bad client certificate).
    Tls,
    /// The upstream refused the credentials.
    Auth,
    /// The upstream answered something that could not be understood.
    Protocol,
    /// A limit of the settings was hit: bytes, points, blocks.
    Limit,
    /// Grafana went away before the answer was ready.
    Cancelled,
    /// A defect of the plugin.
    Internal,
}

impl Category {
    /// Every category, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Config,
        Self::Query,
        Self::Connection,
        Self::Tls,
        Self::Auth,
        Self::Protocol,
        Self::Limit,
        Self::Cancelled,
        Self::Internal,
    ];

    /// The name used in messages (`[connection] …`), metrics and `json_details`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Query => "query",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Protocol => "protocol",
            Self::Limit => "limit",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status Grafana shows for a query that failed this way.
    ///
    /// 4xx is what the user can mend in Grafana, 502 is the upstream's fault, 500 is ours.
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::Config | Self::Query => 400,
            Self::Auth => 401,
            Self::Limit => 422,
            Self::Cancelled => 499,
            Self::Internal => 500,
            Self::Connection | Self::Tls | Self::Protocol => 502,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What failed and why, of which [`Category`], with a hint what to do.
///
/// ```
/// use outrider::error::{Category, Error};
///
/// let error = Error::new(Category::Config, "the data source has no URL").hint("set the URL in the settings");
/// assert_eq!(error.to_string(), "[config] the data source has no URL; set the URL in the settings");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[{category}] {message}{}", DisplayHint(hint))]
pub struct Error {
    category: Category,
    message: String,
    hint: Option<String>,
    /// So many bytes of memory have to be free before it is worth trying again.
    waits_for: Option<usize>,
}

/// The most of a message, and of a hint, that is kept. Whatever is quoted in one, it fits a notice in Grafana and a line
/// of the log.
const MAX_CHARS: usize = 2_000;

impl Error {
    /// An error of `category`; `message` says what failed and why. It is cut off if it is very long.
    #[must_use]
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        Self { category, message: bounded(message.into()), hint: None, waits_for: None }
    }

    /// The same error with a hint what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(bounded(hint.into()));
        self
    }

    /// The same error, which says first in which part of something it was.
    #[must_use]
    pub(crate) fn within(mut self, part: &str) -> Self {
        self.message = bounded(format!("{part}: {}", self.message));
        self
    }

    /// The same error, which would not be one if so many bytes of memory were free.
    pub(crate) fn until_free(mut self, bytes: usize) -> Self {
        self.waits_for = Some(bytes);
        self
    }

    /// How many bytes of memory have to be free for it to pass.
    pub(crate) fn waits_for(&self) -> Option<usize> {
        self.waits_for
    }

    /// The error of `what` having panicked. The panic itself is in the log, where it can name a place in the code.
    #[must_use]
    pub fn panicked(what: &str) -> Self {
        Self::new(Category::Internal, format!("{what} stopped at a defect of the plugin"))
            .hint("look for \"panicked\" in the plugin's log and report it")
    }

    /// What kind of trouble this is.
    #[must_use]
    pub fn category(&self) -> Category {
        self.category
    }

    /// What failed and why, without category and hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error of an operation that was given up because nobody waits for it any more.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(Category::Cancelled, "the request was cancelled before it was answered")
    }
}

struct DisplayHint<'a>(&'a Option<String>);

impl fmt::Display for DisplayHint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl From<outrider_detect::Error> for Error {
    /// Options are part of the query.
    fn from(error: outrider_detect::Error) -> Self {
        let own = Self::new(Category::Query, error.message());
        match error.hint_text() {
            Some(hint) => own.hint(hint),
            None => own,
        }
    }
}

fn bounded(text: String) -> String {
    // A char has at least one byte.
    if text.len() <= MAX_CHARS { text } else { shortened(&text, MAX_CHARS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_short_whatever_it_quotes() {
        let error = Error::new(Category::Query, "ä".repeat(1_000_000)).hint("x".repeat(1_000_000));
        assert!(error.to_string().chars().count() < 2 * MAX_CHARS + 50);
        assert!(error.message().ends_with("ä…"));
    }

    #[test]
    fn wrong_options_are_an_error_of_the_query() {
        let error = outrider_detect::Error::new("option x: got 1").hint("correct it");
        assert_eq!(Error::from(error).to_string(), "[query] option x: got 1; correct it");
    }

    #[test]
    fn what_the_user_can_mend_is_a_client_error() {
        for category in [Category::Config, Category::Query, Category::Auth, Category::Limit] {
            assert!((400..500).contains(&category.http_status()), "{category}");
        }
    }
}
