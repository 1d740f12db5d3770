//! Upstreams: where the points come from.
//!
//! A source is one file: an options type whose doc comments are the user documentation, and a type that implements
//! [`Source`]. Adding one is that file, its `mod` line, and its entry in [`SOURCES`]. Sources know nothing of
//! detectors or of Grafana. Each family of sources is a cargo feature; the [`Generator`] is always there.

#[cfg(any(feature = "influxdb", feature = "prometheus", feature = "sql"))]
mod aggregate;
mod caller;
mod cell;
mod collect;
#[cfg(any(feature = "cli", feature = "http-json"))]
pub(crate) mod delimited;
mod discovery;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod generator;
#[cfg(feature = "grafana")]
mod grafana;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http-json")]
mod http_json;
#[cfg(feature = "influxdb")]
mod influxdb;
#[cfg(feature = "http")]
mod json;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(any(feature = "grafana", feature = "influxdb", feature = "sql"))]
mod ranged;
mod redact;
mod secrets;
#[cfg(feature = "simple-json")]
mod simple_json;
#[cfg(feature = "sql")]
mod sql;
mod time;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

pub use caller::{Caller, Identity};
pub use discovery::{Choice, Question};
pub use generator::Generator;
#[cfg(feature = "grafana")]
pub use grafana::Grafana;
#[cfg(feature = "http-json")]
pub use http_json::HttpJson;
#[cfg(feature = "influxdb")]
pub use influxdb::InfluxDb;
#[cfg(feature = "prometheus")]
pub use prometheus::Prometheus;
#[cfg(feature = "simple-json")]
pub use simple_json::SimpleJson;
#[cfg(feature = "cli")]
pub(crate) use time::TimeFormat;

use crate::budget::{self, how_it_ended};
use crate::error::{Category, Error, Result, list_names};
#[cfg(any(test, feature = "fuzzing"))]
use crate::fuzzing::Target;
use crate::query::{Kind, OptionsEntry, Parsed};
use crate::series::{Series, TimeRange};
use crate::settings::Settings;
use crate::threads;

/// What a query asks of its upstream. Both ends of the range lie on multiples of the step, but for an end at the time of
/// asking, so that an upstream that aggregates makes the same points whatever range is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchRequest {
    /// Range of the points wanted: the training window, the visible range and a step beyond; or what of it is not known
    /// yet.
    pub range: TimeRange,
    /// Grid step to ask for, in ms, at least 1.
    pub step_ms: i64,
}

impl FetchRequest {
    /// The most points a regular series can have in this request.
    #[must_use]
    pub fn max_points(&self) -> i64 {
        (self.range.len_ms() / self.step_ms.max(1)).saturating_add(1)
    }
}

/// What an upstream answered.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The series, each sorted and without repeated times. Points outside the range asked for are allowed; they are
    /// left out later.
    pub series: Vec<Series>,
    /// Distance between points where the upstream knows it; the same for every range.
    pub step_ms: Option<i64>,
    /// What was really asked, shown in Grafana's query inspector. Free of secrets.
    pub executed: String,
    /// What the user should know: rows left out, times mended.
    pub notices: Vec<String>,
    /// How long making series of the answer took, without waiting for it.
    pub decode_time: Duration,
}

/// How the points of a query depend on the range that is asked for, and for how long the newest ones may still change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// What in the query makes a point depend on the range asked for. Such a query is asked for the whole range in one
    /// request every time, and nothing of it is kept. `None` if a point is the same in every range.
    pub whole: Option<String>,
    /// For how long, in ms, points may still change once their time has come; they are not asked for before. 0 if they do
    /// not.
    pub settle_ms: i64,
    /// Why they may; empty if they do not.
    pub settle_why: &'static str,
}

/// Runs a decoder on a thread that nobody waits for, since long answers take seconds; says how long it took. It is one of
/// the threads for long work, for which it may have to wait; it is on the caller's account, and ends with the caller. `what`
/// names it if it panics.
async fn decoded<T: Send + 'static>(
    what: &str,
    decode: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<(T, Duration)> {
    let permit = threads::permit().await?;
    let timed = move || {
        let _held_while_working = permit;
        let begun = Instant::now();
        decode().map(|decoded| (decoded, begun.elapsed()))
    };
    let cancel = CancellationToken::new();
    let context = budget::Work::of_task(cancel.clone());
    let _cancelled_on_drop = cancel.drop_guard();
    let task = tokio::task::spawn_blocking(move || {
        let _entered = context.enter();
        timed()
    });
    task.await.map_err(|error| how_it_ended(error, what))?
}

/// An annotation the upstream itself has: something that happened at a time, or in a range of time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotation {
    /// Begin, ms since the epoch.
    pub time_ms: i64,
    /// End, ms since the epoch; the begin for what has no length.
    pub end_ms: i64,
    /// Headline; may be empty.
    pub title: String,
    /// What happened; may be empty.
    pub text: String,
    /// Tags.
    pub tags: Vec<String>,
}

/// Annotations with what the user should know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotations {
    /// By time.
    pub annotations: Vec<Annotation>,
    /// What was really asked, free of secrets.
    pub executed: String,
    /// What the user should know.
    pub notices: Vec<String>,
}

/// The good answer to "Save & test".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// One line: what was reached, how long it took.
    pub message: String,
    /// More for those who unfold it.
    pub details: String,
}

/// One kind of upstream; an instance is connected with the settings of one data source.
#[async_trait]
pub trait Source: Sized + Send + Sync + 'static {
    /// Name on the wire.
    const KIND: &'static str;
    /// Name for people.
    const LABEL: &'static str;
    /// One sentence for the editor.
    const DESCRIPTION: &'static str;
    /// What a query can say to this kind.
    type Options: DeserializeOwned + Serialize + JsonSchema + Send + Sync + 'static;
    /// The keys of `jsonData` that only this kind knows, as [`crate::settings::OwnSettings::parse`] reads them; `None` if
    /// it has none.
    const SETTINGS: Option<OptionsEntry> = None;
    /// Whether answers are kept, so that later queries ask for the newest points only. Not for an upstream that is
    /// faster than looking them up.
    const WORTH_KEEPING: bool = true;

    /// Fuzz targets of what it reads of others.
    #[cfg(any(test, feature = "fuzzing"))]
    const FUZZ: &'static [Target] = &[];

    /// Gets ready to ask: checks the settings and builds clients, without talking to the upstream yet.
    ///
    /// # Errors
    /// [`Category::Config`] if the settings cannot work.
    fn connect(settings: &Settings) -> Result<Self>;

    /// The same source with the rights of `caller`, where it has none of its own; `None` where all callers get the same
    /// answers.
    ///
    /// # Errors
    /// Of the category that fits, if that caller cannot be served at all.
    fn for_caller(&self, _caller: &Caller) -> Result<Option<Self>> {
        Ok(None)
    }

    /// As [`Source::WORTH_KEEPING`], where that depends on the settings or on the caller.
    fn worth_keeping(&self) -> bool {
        Self::WORTH_KEEPING
    }

    /// The step of a query that leaves it open, where this kind has one of its own.
    fn default_step_ms(&self, _options: &Self::Options) -> Option<i64> {
        None
    }

    /// Asks the upstream.
    ///
    /// # Errors
    /// Of the category that fits; the message names what was asked of whom, without secrets.
    async fn fetch(&self, options: &Self::Options, request: &FetchRequest) -> Result<Fetched>;

    /// Asks for the upstream's own annotations; `None` if this kind has none.
    ///
    /// # Errors
    /// Of the category that fits.
    async fn annotations(&self, _options: &Self::Options, _range: TimeRange) -> Result<Option<Annotations>> {
        Ok(None)
    }

    /// Tries the upstream for real.
    ///
    /// # Errors
    /// Of the category that fits, so that "Save & test" can say what to mend.
    async fn check(&self) -> Result<Reached>;

    /// The longest range, in ms, that one request should cover; longer ones are asked for in slices, a few at a time.
    /// `None` where the upstream has no such limit.
    fn slice_ms(&self, _options: &Self::Options, _step_ms: i64) -> Option<i64> {
        None
    }

    /// How the points of a query depend on the range that is asked for.
    ///
    /// # Errors
    /// Of the category that fits, if the upstream has to be asked and cannot be, or the query has no points that are the same
    /// twice.
    async fn reading(&self, _options: &Self::Options, _step_ms: i64) -> Result<Reading> {
        Ok(Reading::default())
    }

    /// Questions that [`Source::discover`] answers, for the message about one that it does not.
    const QUESTIONS: &'static [&'static str] = &[];

    /// Answers what an editor, a template variable or an ad-hoc filter asks, such as which series there are; `None` if
    /// there is no such question.
    ///
    /// # Errors
    /// Of the category that fits.
    async fn discover(&self, _question: &Question) -> Result<Option<Vec<Choice>>> {
        Ok(None)
    }
}

/// A [`Source`] of any kind, connected.
#[async_trait]
pub trait AnySource: Send + Sync {
    /// Name of the kind.
    fn kind(&self) -> &'static str;

    /// Understands a query's options for this source.
    ///
    /// # Errors
    /// [`Category::Query`], naming the option.
    fn prepare(self: Arc<Self>, options: &Kind) -> Result<Box<dyn PreparedQuery>>;

    /// See [`Source::for_caller`].
    ///
    /// # Errors
    /// See there.
    fn for_caller(&self, caller: &Caller) -> Result<Option<Arc<dyn AnySource>>>;

    /// See [`Source::check`].
    ///
    /// # Errors
    /// See there.
    async fn check(&self) -> Result<Reached>;

    /// See [`Source::discover`].
    ///
    /// # Errors
    /// See there.
    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>>;

    /// See [`Source::QUESTIONS`].
    fn questions(&self) -> &'static [&'static str];
}

impl fmt::Debug for dyn AnySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}", self.kind())
    }
}

/// A query whose options were understood, ready to be asked.
#[async_trait]
pub trait PreparedQuery: Send + Sync {
    /// Names of options the source does not know.
    fn unknown_options(&self) -> &[String];

    /// Names its options: the same for two queries if they mean the same, defaults written out or not.
    fn identity(&self) -> &str;

    /// See [`Source::default_step_ms`].
    fn default_step_ms(&self) -> Option<i64>;

    /// See [`Source::worth_keeping`].
    fn worth_keeping(&self) -> bool;

    /// See [`Source::slice_ms`].
    fn slice_ms(&self, step_ms: i64) -> Option<i64>;

    /// See [`Source::reading`].
    ///
    /// # Errors
    /// See there.
    async fn reading(&self, step_ms: i64) -> Result<Reading>;

    /// See [`Source::fetch`].
    ///
    /// # Errors
    /// See there.
    async fn fetch(&self, request: &FetchRequest) -> Result<Fetched>;

    /// See [`Source::annotations`].
    ///
    /// # Errors
    /// See there.
    async fn annotations(&self, range: TimeRange) -> Result<Option<Annotations>>;
}

impl fmt::Debug for dyn PreparedQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("prepared query")
    }
}

struct Prepared<S: Source> {
    source: Arc<S>,
    options: S::Options,
    unknown: Vec<String>,
    identity: String,
}

#[async_trait]
impl<S: Source> PreparedQuery for Prepared<S> {
    fn unknown_options(&self) -> &[String] {
        &self.unknown
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn default_step_ms(&self) -> Option<i64> {
        self.source.default_step_ms(&self.options)
    }

    fn worth_keeping(&self) -> bool {
        self.source.worth_keeping()
    }

    fn slice_ms(&self, step_ms: i64) -> Option<i64> {
        self.source.slice_ms(&self.options, step_ms)
    }

    async fn reading(&self, step_ms: i64) -> Result<Reading> {
        self.source.reading(&self.options, step_ms).await
    }

    async fn fetch(&self, request: &FetchRequest) -> Result<Fetched> {
        let fetched = self.source.fetch(&self.options, request).await?;
        // As they came, put together with those of other requests, and kept for later.
        const COPIES: usize = 3;
        let bytes: usize = fetched.series.iter().map(Series::bytes).sum();
        budget::account().add(bytes.saturating_mul(COPIES), "the series of an answer")?;
        Ok(fetched)
    }

    async fn annotations(&self, range: TimeRange) -> Result<Option<Annotations>> {
        self.source.annotations(&self.options, range).await
    }
}

#[async_trait]
impl<S: Source> AnySource for S {
    fn kind(&self) -> &'static str {
        S::KIND
    }

    fn prepare(self: Arc<Self>, options: &Kind) -> Result<Box<dyn PreparedQuery>> {
        let Parsed { options, unknown, identity } = options.parse("source")?;
        Ok(Box::new(Prepared { source: self, options, unknown, identity }))
    }

    fn for_caller(&self, caller: &Caller) -> Result<Option<Arc<dyn AnySource>>> {
        Ok(Source::for_caller(self, caller)?.map(|source| Arc::new(source) as Arc<dyn AnySource>))
    }

    async fn check(&self) -> Result<Reached> {
        Source::check(self).await
    }

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        Source::discover(self, question).await
    }

    fn questions(&self) -> &'static [&'static str] {
        S::QUESTIONS
    }
}

/// One kind of source as the table lists it.
#[derive(Clone, Copy)]
pub struct SourceEntry {
    /// Name on the wire.
    pub kind: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// One sentence for the editor.
    pub description: &'static str,
    connect: fn(&Settings) -> Result<Arc<dyn AnySource>>,
    /// What a query can say to it.
    pub options: OptionsEntry,
    /// What only it knows of the data source settings.
    pub(crate) settings: Option<OptionsEntry>,
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fuzz: &'static [Target],
}

impl fmt::Debug for SourceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source kind {}", self.kind)
    }
}

const fn entry<S: Source>() -> SourceEntry {
    SourceEntry {
        kind: S::KIND,
        label: S::LABEL,
        description: S::DESCRIPTION,
        connect: |settings| Ok(redact::Redacted::of(Arc::new(S::connect(settings)?), settings)),
        options: OptionsEntry::of::<S::Options>(),
        settings: S::SETTINGS,
        #[cfg(any(test, feature = "fuzzing"))]
        fuzz: S::FUZZ,
    }
}

/// Every kind of source that is built in, in the order the editor shows them.
pub const SOURCES: &[SourceEntry] = &[
    entry::<Generator>(),
    #[cfg(feature = "http-json")]
    entry::<HttpJson>(),
    #[cfg(feature = "simple-json")]
    entry::<SimpleJson>(),
    #[cfg(feature = "influxdb")]
    entry::<InfluxDb>(),
    #[cfg(feature = "sql")]
    sql::SQLITE,
    #[cfg(feature = "sql")]
    sql::POSTGRESQL,
    #[cfg(feature = "sql")]
    sql::MYSQL,
    #[cfg(feature = "prometheus")]
    entry::<Prometheus>(),
    #[cfg(feature = "grafana")]
    entry::<Grafana>(),
];

/// Connects a source of the kind the settings name.
///
/// # Errors
/// [`Category::Config`] if the kind is unknown (the message lists those that exist) or its settings cannot work.
pub fn connect(settings: &Settings) -> Result<Arc<dyn AnySource>> {
    let entry = SOURCES.iter().find(|entry| entry.kind == settings.source).ok_or_else(|| {
        Error::new(
            Category::Config,
            format!("the data source's upstream kind \"{}\" is unknown", settings.source),
        )
        .hint(format!("choose one of {}", list_names(SOURCES.iter().map(|entry| entry.kind))))
    })?;
    (entry.connect)(settings)
}

/// Chooses the source a query means: the data source's own, or the generator, which needs no settings and so is at
/// hand everywhere.
///
/// # Errors
/// [`Category::Query`] if the query names a kind that does not exist, or one this data source is not set up for.
pub fn select(own: &Arc<dyn AnySource>, wanted: &Kind) -> Result<Arc<dyn AnySource>> {
    match wanted.kind() {
        None => Ok(Arc::clone(own)),
        Some(kind) if kind == own.kind() => Ok(Arc::clone(own)),
        Some(kind) if kind == Generator::KIND => Ok(Arc::new(Generator)),
        Some(kind) if SOURCES.iter().any(|entry| entry.kind == kind) => Err(Error::new(
            Category::Query,
            format!(
                "the query asks a \"{kind}\" upstream, but this data source is set up for \"{}\"",
                own.kind()
            ),
        )
        .hint(format!("choose a data source whose upstream is \"{kind}\", or change the query's source"))),
        Some(kind) => Err(Error::new(Category::Query, format!("the source kind \"{kind}\" is unknown"))
            .hint(format!("choose one of {}", list_names(SOURCES.iter().map(|entry| entry.kind))))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> Kind {
        serde_json::from_value(serde_json::json!({ "kind": name })).unwrap()
    }

    #[tokio::test]
    async fn decoders_take_turns_with_other_long_work() {
        let all = u32::try_from(threads::count().get()).unwrap();
        let busy = threads::permits().acquire_many_owned(all).await.unwrap();
        let mut waiting = Box::pin(decoded("a test", || Ok(7)));
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut waiting).is_pending(), "there is no thread for it");
            tokio::task::yield_now().await;
        }
        drop(busy);
        assert_eq!(waiting.await.unwrap().0, 7);
    }

    #[test]
    fn kinds_are_unique() {
        for entry in SOURCES {
            assert_eq!(SOURCES.iter().filter(|other| other.kind == entry.kind).count(), 1, "{entry:?}");
        }
    }

    #[test]
    fn an_unknown_kind_lists_those_that_exist() {
        let own = connect(&Settings::default()).unwrap();
        let error = select(&own, &kind("carrier-pigeon")).unwrap_err().to_string();
        assert!(
            error.contains("carrier-pigeon") && SOURCES.iter().all(|entry| error.contains(entry.kind)),
            "{error}"
        );

        let settings = Settings { source: "carrier-pigeon".into(), ..Settings::default() };
        assert_eq!(connect(&settings).unwrap_err().category(), Category::Config);
    }

    #[test]
    fn the_generator_is_at_hand_on_every_data_source() {
        let settings =
            Settings { source: "http-json".into(), url: "http://127.0.0.1:1".into(), ..Settings::default() };
        let own = connect(&settings).unwrap();
        assert_eq!(select(&own, &kind("generator")).unwrap().kind(), "generator");
        assert_eq!(select(&own, &Kind::default()).unwrap().kind(), "http-json");
        let generator = connect(&Settings::default()).unwrap();
        assert!(select(&generator, &kind("http-json")).is_err());
    }
}
