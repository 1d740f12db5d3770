//! What an upstream says, without the secrets it was sent: a server may echo a header or a password not only in an error
//! but in a label, a name, a text or a list of names, and all of these are shown to everyone who sees the dashboard.
//!
//! Every kind of source is wrapped here when it is connected, so that none has to think of it.

use std::sync::Arc;

use async_trait::async_trait;

use super::secrets::Secrets;
use super::{
    Annotations, AnySource, Caller, Choice, FetchRequest, Fetched, Identity, PreparedQuery, Question,
    Reached, Reading,
};
use crate::error::Result;
use crate::query::Kind;
use crate::series::TimeRange;
use crate::settings::Settings;

/// Secrets that are shorter are left where they are: as a part of other words they would turn up everywhere, and hiding
/// them would spoil the data. Messages of errors are without them all the same.
const SHORTEST_BYTES: usize = 8;

/// A source without its secrets in what it says.
pub(super) struct Redacted {
    source: Arc<dyn AnySource>,
    secrets: Arc<Secrets>,
}

impl Redacted {
    /// `source`, connected with `settings`; itself if there is nothing to hide.
    pub(super) fn of(source: Arc<dyn AnySource>, settings: &Settings) -> Arc<dyn AnySource> {
        let secrets = Secrets::of_settings(settings).of_length(SHORTEST_BYTES);
        Self::around(source, secrets)
    }

    fn around(source: Arc<dyn AnySource>, secrets: Secrets) -> Arc<dyn AnySource> {
        if secrets.is_empty() { source } else { Arc::new(Self { source, secrets: Arc::new(secrets) }) }
    }
}

#[async_trait]
impl AnySource for Redacted {
    fn kind(&self) -> &'static str {
        self.source.kind()
    }

    fn prepare(self: Arc<Self>, options: &Kind) -> Result<Box<dyn PreparedQuery>> {
        let query = Arc::clone(&self.source).prepare(options)?;
        Ok(Box::new(RedactedQuery { query, secrets: Arc::clone(&self.secrets) }))
    }

    fn for_caller(&self, caller: &Caller) -> Result<Option<Arc<dyn AnySource>>> {
        let of_caller = caller.identity.as_ref().map(Identity::headers).unwrap_or_default();
        let secrets = || self.secrets.and(of_caller.iter().map(|(_, value)| value));
        Ok(self.source.for_caller(caller)?.map(|source| Self::around(source, secrets())))
    }

    async fn check(&self) -> Result<Reached> {
        let Reached { message, details } = self.source.check().await?;
        Ok(Reached { message: self.secrets.scrub(&message), details: self.secrets.scrub(&details) })
    }

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        let mut found = self.source.discover(question).await?;
        for Choice { value, label, description } in found.iter_mut().flatten() {
            for text in [value, label, description] {
                hide(text, &self.secrets);
            }
        }
        Ok(found)
    }

    fn questions(&self) -> &'static [&'static str] {
        self.source.questions()
    }
}

struct RedactedQuery {
    query: Box<dyn PreparedQuery>,
    secrets: Arc<Secrets>,
}

#[async_trait]
impl PreparedQuery for RedactedQuery {
    fn unknown_options(&self) -> &[String] {
        self.query.unknown_options()
    }

    fn identity(&self) -> &str {
        self.query.identity()
    }

    fn default_step_ms(&self) -> Option<i64> {
        self.query.default_step_ms()
    }

    fn worth_keeping(&self) -> bool {
        self.query.worth_keeping()
    }

    fn slice_ms(&self, step_ms: i64) -> Option<i64> {
        self.query.slice_ms(step_ms)
    }

    async fn reading(&self, step_ms: i64) -> Result<Reading> {
        self.query.reading(step_ms).await
    }

    async fn fetch(&self, request: &FetchRequest) -> Result<Fetched> {
        let mut fetched = self.query.fetch(request).await?;
        let Fetched { series, executed, notices, .. } = &mut fetched;
        for one in series {
            hide(&mut one.name, &self.secrets);
            one.unit.iter_mut().for_each(|unit| hide(unit, &self.secrets));
            let shows = |text: &str| self.secrets.are_in(text);
            if one.labels.iter().any(|(name, value)| shows(name) || shows(value)) {
                one.labels = std::mem::take(&mut one.labels)
                    .into_iter()
                    .map(|(name, value)| (self.secrets.scrub(&name), self.secrets.scrub(&value)))
                    .collect();
            }
        }
        hide(executed, &self.secrets);
        notices.iter_mut().for_each(|notice| hide(notice, &self.secrets));
        Ok(fetched)
    }

    async fn annotations(&self, range: TimeRange) -> Result<Option<Annotations>> {
        let mut found = self.query.annotations(range).await?;
        if let Some(Annotations { annotations, executed, notices }) = &mut found {
            for one in annotations {
                hide(&mut one.title, &self.secrets);
                hide(&mut one.text, &self.secrets);
                one.tags.iter_mut().for_each(|tag| hide(tag, &self.secrets));
            }
            hide(executed, &self.secrets);
            notices.iter_mut().for_each(|notice| hide(notice, &self.secrets));
        }
        Ok(found)
    }
}

fn hide(text: &mut String, secrets: &Secrets) {
    if secrets.are_in(text) {
        *text = secrets.scrub(text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::{Annotation, Source, entry};
    use super::*;
    use crate::series::{Labels, Series};
    use crate::settings::{Auth, OwnSettings};

    const CANARY: &str = "canary-9c41";
    const SHORT: &str = "web";

    /// Says everywhere what it was sent.
    #[derive(Clone)]
    struct Parrot(String);

    #[async_trait]
    impl Source for Parrot {
        const KIND: &'static str = "parrot";
        const LABEL: &'static str = "";
        const DESCRIPTION: &'static str = "";
        type Options = Map<String, serde_json::Value>;

        fn connect(settings: &Settings) -> Result<Self> {
            Ok(Self(settings.database.clone()))
        }

        fn for_caller(&self, caller: &Caller) -> Result<Option<Self>> {
            let said = caller.identity.is_some().then(|| format!("{} user-token-1", self.0));
            Ok(said.map(Self))
        }

        async fn fetch(&self, _: &Self::Options, _: &FetchRequest) -> Result<Fetched> {
            let said = || self.0.clone();
            let labels = Labels::from([(said(), said()), ("host".to_owned(), "web-1".to_owned())]);
            let mut series = Series::from_points(said(), labels, vec![(0, 1.0)]).0;
            series.unit = Some(said());
            let (executed, notices) = (said(), vec![said()]);
            Ok(Fetched { series: vec![series], executed, notices, ..Fetched::default() })
        }

        async fn annotations(&self, _: &Self::Options, _: TimeRange) -> Result<Option<Annotations>> {
            let said = || self.0.clone();
            let one = Annotation { title: said(), text: said(), tags: vec![said()], ..Annotation::default() };
            Ok(Some(Annotations { annotations: vec![one], executed: said(), notices: vec![said()] }))
        }

        async fn check(&self) -> Result<Reached> {
            Ok(Reached { message: self.0.clone(), details: self.0.clone() })
        }

        async fn discover(&self, _: &Question) -> Result<Option<Vec<Choice>>> {
            Ok(Some(vec![Choice { description: self.0.clone(), ..Choice::from(self.0.clone()) }]))
        }
    }

    #[tokio::test]
    async fn a_secret_that_comes_back_is_shown_nowhere() {
        let secrets = [("password".to_owned(), SHORT.into()), ("token".to_owned(), CANARY.into())];
        let settings = Settings {
            auth: Auth::Basic { user: "u".into(), password: "basic-password".into() },
            headers: vec![("X-Key".into(), "header-value".into())],
            own: OwnSettings::new(Map::new(), secrets.into()),
            // As every place in which it may be echoed: `dTpiYXNpYy1wYXNzd29yZA==` is `u:basic-password`.
            database: format!("<{CANARY} basic-password dTpiYXNpYy1wYXNzd29yZA== header-value>"),
            ..Settings::default()
        };
        let of_settings = (entry::<Parrot>().connect)(&settings).unwrap();
        let identity = Identity::new(1, vec![("authorization".into(), "Bearer user-token-1".into())]);
        let caller = Caller { identity, ..Caller::default() };
        let of_user = of_settings.for_caller(&caller).unwrap().unwrap();
        for source in [of_settings, of_user] {
            let query = Arc::clone(&source).prepare(&Kind::default()).unwrap();
            let range = TimeRange { from_ms: 0, to_ms: 1 };
            let fetched = query.fetch(&FetchRequest { range, step_ms: 1 }).await.unwrap();
            let seen = format!(
                "{fetched:?} {:?} {:?} {:?}",
                query.annotations(range).await.unwrap(),
                source.check().await.unwrap(),
                source.discover(&Question::default()).await.unwrap(),
            );
            for secret in [CANARY, "basic-password", "dTpiYXNpYy1wYXNzd29yZA", "header-value", "user-token-1"]
            {
                assert!(!seen.contains(secret), "{secret}: {seen}");
            }
            assert_eq!(seen.matches("<[redacted] [redacted] [redacted] [redacted]").count(), 16, "{seen}");
            assert_eq!(fetched.series[0].labels["host"], "web-1", "what is too short to be told is left");
        }
    }

    #[test]
    fn without_secrets_nothing_stands_in_between() {
        let settings = Settings { database: json!({}).to_string(), ..Settings::default() };
        let source = (entry::<Parrot>().connect)(&settings).unwrap();
        assert!(Redacted::of(Arc::clone(&source), &settings).kind() == "parrot");
        assert!(Arc::ptr_eq(&source, &Redacted::of(Arc::clone(&source), &settings)));
    }
}
