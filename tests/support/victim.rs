//! Failures of upstreams as Grafana meets them: in a request of two queries one fails, with the category and the words
//! that it should, and nothing else does: not the other query, not the plugin, not what is asked afterwards. What must
//! stay secret is in no answer and in no line of the log, at the level at which all is logged.

use std::path::Path;

use outrider::error::Category;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;

use crate::host::{ALL_FILES, Answer, Frame, Plugin, context};
use crate::upstream_server::soon;
use crate::upstream_tls::Authority;

/// Times and values, with gaps as `None`.
pub(crate) type Points = Vec<(i64, Option<f64>)>;

/// A data source of which all is well, a query to it, and what that must bring.
pub(crate) struct Healthy {
    /// As Grafana stores them.
    pub(crate) settings: Value,
    /// `source` of the query.
    pub(crate) source: Value,
    /// First and last ms of the panel, whose step is a minute.
    pub(crate) range: (i64, i64),
    /// The points of each series.
    pub(crate) expected: Vec<Points>,
}

/// What goes wrong, and what must be said of it.
pub(crate) struct Failure {
    /// For the messages of the test.
    what: String,
    /// What is different from the healthy data source; see [`merged`].
    settings: Value,
    /// `source` of the query.
    source: Value,
    category: Category,
    /// Parts of the message and its hint: what failed, and the setting that mends it.
    says: Vec<String>,
    /// Whether it is the data source that fails: then "Save & test" fails in the same way.
    is_of_data_source: bool,
}

impl Failure {
    /// Of every query with these settings.
    pub(crate) fn of_settings(
        what: &str,
        settings: Value,
        source: &Value,
        category: Category,
        says: &[&str],
    ) -> Self {
        let says = says.iter().map(|part| (*part).to_owned()).collect();
        let (what, source) = (what.to_owned(), source.clone());
        Self { what, settings, source, category, says, is_of_data_source: true }
    }

    /// Of one query, although the settings let another one, and "Save & test", pass.
    pub(crate) fn of_query(
        what: &str,
        settings: Value,
        source: &Value,
        category: Category,
        says: &[&str],
    ) -> Self {
        Self { is_of_data_source: false, ..Self::of_settings(what, settings, source, category, says) }
    }

    /// Of a query whose answer goes beyond the limit `setting`, which `unit` are counted for.
    pub(crate) fn of_limit(setting: &str, limit: usize, unit: &str, source: &Value) -> Self {
        let (settings, says) = (
            json!({"jsonData": {setting: limit}}),
            [format!("more than {limit} {unit}"), format!("raise the setting {setting}")],
        );
        Self::of_query(setting, settings, source, Category::Limit, &says.each_ref().map(String::as_str))
    }

    /// The same, of which `part` must be said as well.
    pub(crate) fn saying(mut self, part: &str) -> Self {
        self.says.push(part.to_owned());
        self
    }

    /// Of a server at `url` whose certificate is of no authority that the data source knows.
    pub(crate) fn of_unknown_authority(url: &str, source: &Value) -> Self {
        let settings = json!({
            "url": url, "jsonData": {"tlsAuthWithCACert": true},
            "secureJsonData": {"tlsCACert": Authority::named("stranger").pem()},
        });
        let mend = "paste the CA certificate of the service into the data source settings";
        let says = [url, "UnknownIssuer", mend];
        Self::of_settings("an unknown authority", settings, source, Category::Tls, &says)
    }

    /// Of a server at `url` that takes longer than a second.
    pub(crate) fn of_slow_server(url: &str, source: &Value) -> Self {
        let settings = json!({"url": url, "jsonData": {"timeout": 1}});
        let says = [url, "did not answer within 1 s", "raise the setting timeout"];
        Self::of_settings("a slow server", settings, source, Category::Connection, &says)
    }

    /// Of a server that ends in the middle of its answer; `settings` lead to its `url`.
    pub(crate) fn of_stopped_server(url: &str, settings: &Value, source: &Value) -> Self {
        let settings = merged(settings, &json!({ "url": url }));
        let says = [url, "broke off", "look into the service's log"];
        Self::of_settings("a stopped server", settings, source, Category::Connection, &says)
    }

    /// Of nobody at `url`.
    pub(crate) fn of_no_server(url: &str, source: &Value) -> Self {
        let says = ["cannot connect to", url, "check that the service runs"];
        Self::of_settings("no server", json!({ "url": url }), source, Category::Connection, &says)
    }
}

/// A plugin that is asked, with all that it said.
pub(crate) struct Victim {
    plugin: Plugin,
    log: JoinHandle<String>,
    healthy: Healthy,
    /// What the generator shows.
    generated: Vec<Points>,
    secrets: Vec<String>,
    seen: String,
}

impl Victim {
    /// Launches `binary`, which must never tell the `secrets`, and sees that all is well with it.
    pub(crate) async fn launch(binary: &str, healthy: Healthy, secrets: &[&str]) -> Self {
        let mut plugin =
            Plugin::launch(Path::new(binary), &[("RUST_LOG", "trace"), ALL_FILES]).await.unwrap();
        let mut stderr = plugin.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).await.unwrap();
            String::from_utf8(log).unwrap()
        });
        let alone = plugin.query(context(&json!({})), healthy.range, &query(&generator())).await.unwrap();
        let generated = all_points(&alone);
        assert!(generated[0].len() >= 2, "{:?}", alone.error);
        let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let mut victim = Self { plugin, log, healthy, generated, secrets, seen: String::new() };
        victim.works("nothing").await;
        victim
    }

    /// Beside the failing query of the data source the healthy one is asked, or the generator where the data source
    /// itself fails; then its health.
    pub(crate) async fn fails(&mut self, failure: &Failure) {
        let (beside, expected) = if failure.is_of_data_source {
            (generator(), self.generated.clone())
        } else {
            (self.healthy.source.clone(), self.healthy.expected.clone())
        };
        self.fails_beside(failure, &beside, &expected).await;
    }

    /// As [`Victim::fails`] where every query fails and yet "Save & test" passes: beside it the generator is asked.
    pub(crate) async fn fails_alone(&mut self, failure: &Failure) {
        let expected = self.generated.clone();
        self.fails_beside(failure, &generator(), &expected).await;
    }

    async fn fails_beside(&mut self, failure: &Failure, beside: &Value, expected: &[Points]) {
        let what = &failure.what;
        let data_source = context(&self.saved(&failure.settings, &format!("before {what}")));
        let (failing, beside) = (query(&failure.source), query(beside));
        let queries = [("A", &failing), ("B", &beside)];
        let asking = self.plugin.query_all(data_source.clone(), self.healthy.range, &queries, &[]);
        let answers = soon(asking).await.unwrap();
        assert_eq!(answers.len(), 2, "{what}");

        let (failed, healthy) = (&answers["A"], &answers["B"]);
        let error = failed.error.as_deref().unwrap_or_else(|| panic!("{what}: no error"));
        self.seen.push_str(error);
        assert_says(what, error, failure.category, &failure.says);
        assert_eq!(
            (failed.status, failed.frames.len()),
            (failure.category.http_status().into(), 0),
            "{what}"
        );
        assert_eq!((&healthy.error, healthy.status), (&None, 200), "{what}");
        assert_eq!(all_points(healthy), expected, "{what}");

        let health = soon(self.plugin.check_health(data_source)).await.unwrap();
        self.seen.push_str(&health.message);
        self.seen.push_str(&health.details.to_string());
        assert_eq!(health.is_ok, !failure.is_of_data_source, "{what}: {}", health.message);
        if failure.is_of_data_source {
            assert_eq!(health.details["category"], failure.category.name(), "{what}: {}", health.message);
        }
    }

    /// Nothing is found, which is no error; that it may be a mistake is said.
    pub(crate) async fn finds_nothing(&mut self, what: &str, source: &Value) {
        let (empty, beside) = (query(source), query(&self.healthy.source));
        let queries = [("A", &empty), ("B", &beside)];
        let data_source = context(&self.healthy.settings);
        let answers =
            soon(self.plugin.query_all(data_source, self.healthy.range, &queries, &[])).await.unwrap();
        assert_eq!((&answers["A"].error, answers["A"].status), (&None, 200), "{what}");
        let frames = &answers["A"].frames;
        assert!(frames.len() == 1 && frames[0].fields.is_empty(), "{what}: {}", answers["A"].to_json());
        let notice = frames[0].meta["notices"][0]["text"].as_str().unwrap_or_default();
        assert!(notice.contains("no points") && notice.contains("check"), "{what}: {}", frames[0].meta);
        assert_eq!(all_points(&answers["B"]), self.healthy.expected, "{what}");
    }

    /// After `what`, a data source of which all is well brings exactly what it must, and is in good health.
    pub(crate) async fn works(&mut self, what: &str) {
        let saved = self.saved(&json!({}), &format!("after {what}"));
        let query = query(&self.healthy.source);
        let answer = soon(self.plugin.query(context(&saved), self.healthy.range, &query)).await.unwrap();
        assert_eq!((&answer.error, answer.status), (&None, 200), "after {what}");
        assert_eq!(all_points(&answer), self.healthy.expected, "after {what}");
        self.seen.push_str(&answer.to_json().to_string());
        let health = soon(self.plugin.check_health(context(&saved))).await.unwrap();
        assert!(health.is_ok, "after {what}: {}", health.message);
        self.seen.push_str(&health.message);
        self.seen.push_str(&health.details.to_string());
    }

    /// The healthy data source with `changes`, as if it had been saved at this moment: connected anew, with nothing in the
    /// cache.
    fn saved(&self, changes: &Value, moment: &str) -> Value {
        merged(&merged(&self.healthy.settings, changes), &json!({"jsonData": {"saved": moment}}))
    }

    /// As [`Victim::fails`] and then [`Victim::works`], for one failure after the other.
    pub(crate) async fn survives(&mut self, failures: &[Failure]) {
        for failure in failures {
            self.fails(failure).await;
            self.works(&failure.what).await;
        }
    }

    /// Ends the plugin, and looks for secrets in all that it said.
    pub(crate) async fn ends(self) {
        assert!(self.plugin.shut_down().await.unwrap().success());
        let log = soon(self.log).await.unwrap();
        assert!(log.contains("query failed") && !log.contains("a thread panicked"), "{log}");
        for secret in &self.secrets {
            assert!(!self.seen.contains(secret), "{secret} in {}", self.seen);
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret}");
        }
    }
}

/// `changes` on top of `settings`: objects are merged, everything else is replaced.
pub(crate) fn merged(settings: &Value, changes: &Value) -> Value {
    let (Value::Object(settings), Value::Object(changes)) = (settings, changes) else {
        return changes.clone();
    };
    let mut all = settings.clone();
    for (name, change) in changes {
        let before = settings.get(name).unwrap_or(&Value::Null);
        all.insert(name.clone(), merged(before, change));
    }
    Value::Object(all)
}

fn assert_says(what: &str, error: &str, category: Category, says: &[String]) {
    assert!(error.starts_with(&format!("[{category}] ")), "{what}: {error}");
    for part in says {
        assert!(error.contains(part), "{what}: {part:?} is not in {error}");
    }
    assert!(!error.contains('\n') && error.len() < 1_000, "{what}: {error}");
}

fn generator() -> Value {
    json!({"kind": "generator"})
}

fn query(source: &Value) -> Value {
    json!({
        "version": 1, "step": "1m", "training": "visible-range", "detector": {"kind": "mad"}, "source": source
    })
}

/// The points of each series, without the annotations that may come after them.
fn all_points(answer: &Answer) -> Vec<Points> {
    let series = answer.frames.iter().filter(|frame| frame.meta["dataTopic"] != "annotations");
    series.map(Frame::points).collect()
}
