//! Any other data source of the same Grafana, asked through Grafana itself.
//!
//! `POST /api/ds/query` takes the saved query of another data source as it is, and answers with data frames, whatever
//! that data source is. We never see how it is reached, nor its credentials; what it takes is the right to query it:
//! a token (that of the plugin, or of a service account), or the identity of the user who looks at the dashboard. With
//! a token, answers are the same for all; with an identity they belong to that user, and nothing of them is kept.

mod failure;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::source) mod fuzzing;
mod host;
mod ranged;
mod request;
mod target;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;
use reqwest::header::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::frames::{Decoded, Layout};
use self::host::Host;
use self::target::Target;
use super::http::{Answer, Body, HttpClient, HttpRequest};
use super::json::{not_json, without_mark};
use super::{Caller, Choice, FetchRequest, Fetched, Question, Reached, Reading, Source, decoded};
use crate::error::{Category, Error, Result};
use crate::query::{AdhocFilter, OptionsEntry};
use crate::settings::{Auth, SecretString, Settings};

/// Steps asked for at once. Prometheus widens the step where a range has more than 11,000.
const MAX_STEPS: i64 = 10_000;
/// Marks what we ask. Grafana passes the header on to the plugin of the other data source, so that a circle is noticed.
const QUERY_GROUP: &str = "outrider";
const QUERY_GROUP_HEADER: HeaderName = HeaderName::from_static("x-query-group-id");
const ORG_ID_HEADER: HeaderName = HeaderName::from_static("x-grafana-org-id");

/// The other data sources of the Grafana that runs us.
#[derive(Debug)]
pub struct Grafana {
    client: HttpClient,
    own_uid: String,
    access: Access,
    /// Whether the URL is Grafana's own, so that it may be told who asks.
    is_own_address: bool,
    allowed: Arc<Allowed>,
}

/// What only this kind knows of the data source settings. The doc comments are the user documentation.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct OwnSettings {
    /// Uids of the only data sources that may be asked. With a token, everyone who may query this data source otherwise
    /// gets whatever the account of the token may query.
    #[schemars(title = "Allowed data sources", extend("x-empty" = "all that the token, or else the user, may query"))]
    allowed_uids: Allowed,
}

/// The data sources that may be asked, by uid; all of them if none is listed.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
struct Allowed(Vec<String>);

impl Allowed {
    fn allows(&self, uid: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|allowed| allowed.trim() == uid)
    }
}

/// With whose rights Grafana is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Those of the service account that Grafana made for the plugin.
    Plugin,
    /// Those of the service account of the settings.
    ServiceAccount,
    /// Those of the user who asks.
    User,
    /// None: there is no token, and nobody said who asks.
    Nobody,
}

/// What a query can say to another data source. The doc comments are the user documentation.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Options {
    /// Uid of the other data source, where `query` does not say it in its `datasource`, as saved queries do. One of the two
    /// is needed.
    #[schemars(title = "Data source")]
    pub datasource_uid: String,
    /// Type of that data source.
    #[schemars(title = "Type", example = &"prometheus", extend("x-empty" = "Grafana finds out"))]
    pub datasource_type: String,
    /// The other data source's own query, as its editor saves it. Variables and macros in it are those of the other data
    /// source.
    #[schemars(title = "Query", extend("x-empty" = "an empty query"))]
    pub query: Map<String, Value>,
    /// Keep the point of the step that is still running. For queries that do not aggregate, whose newest point is as good as
    /// any other; where they do, its value changes until the step is over.
    #[schemars(title = "Running step")]
    pub keep_running_step: bool,
    /// Conditions of the dashboard that the editor could not put into the query; a notice says that they have no effect.
    #[schemars(title = "Ad-hoc filters", extend("x-not-saved" = true))]
    pub adhoc_filters: Vec<AdhocFilter>,
}

#[async_trait]
impl Source for Grafana {
    const KIND: &'static str = "grafana";
    const LABEL: &'static str = "Grafana data source";
    const DESCRIPTION: &'static str = "Any other data source of the same Grafana, with its own query";
    const QUESTIONS: &'static [&'static str] = &["datasources"];
    type Options = Options;
    #[cfg(any(test, feature = "fuzzing"))]
    const FUZZ: &'static [crate::fuzzing::Target] =
        &[crate::fuzzing::Target { name: "grafana-frames", run: fuzzing::frames }];
    const SETTINGS: Option<OptionsEntry> = Some(OptionsEntry::of::<OwnSettings>());

    fn connect(settings: &Settings) -> Result<Self> {
        Self::new(settings, &Host::of_this_process())
    }

    fn for_caller(&self, caller: &Caller) -> Result<Option<Self>> {
        if caller.query_group == QUERY_GROUP {
            return Err(Error::new(
                Category::Query,
                "data sources ask each other in a circle, and this one is part of it",
            )
            .hint("choose another data source in the query: one that is not Outrider"));
        }
        let takes_identity = self.access == Access::Nobody && self.is_own_address;
        let Some(identity) = caller.identity.as_ref().filter(|_| takes_identity) else {
            return Ok(None);
        };
        let mut headers: Vec<(HeaderName, SecretString)> = Vec::new();
        for (name, value) in identity.headers() {
            let name = HeaderName::try_from(name.as_str())
                .map_err(|_| Error::new(Category::Internal, "the name of a forwarded header is not valid"))?;
            headers.push((name, value.clone()));
        }
        if identity.org_id() > 0 {
            headers.push((ORG_ID_HEADER, identity.org_id().to_string().into()));
        }
        let client = self.client.with_identity(&headers)?;
        Ok(Some(Self {
            client,
            own_uid: self.own_uid.clone(),
            access: Access::User,
            is_own_address: true,
            allowed: Arc::clone(&self.allowed),
        }))
    }

    /// What a user may see ends when Grafana says so: it is asked every time.
    fn worth_keeping(&self) -> bool {
        self.access != Access::User
    }

    fn slice_ms(&self, _options: &Options, step_ms: i64) -> Option<i64> {
        Some(step_ms.saturating_mul(MAX_STEPS))
    }

    async fn reading(&self, options: &Options, _step_ms: i64) -> Result<Reading> {
        ranged::reading(&options.query, &Target::of(options, &self.own_uid)?.kind)
    }

    async fn fetch(&self, options: &Options, request: &FetchRequest) -> Result<Fetched> {
        let target = Target::of(options, &self.own_uid)?;
        self.must_be_allowed(&target)?;
        self.must_have_access()?;
        let Some(asked) = request::query(options, &target, request, Utc::now().timestamp_millis()) else {
            let executed = "nothing: the range has no whole step yet".to_owned();
            return Ok(Fetched { executed, ..Fetched::default() });
        };
        let post =
            self.marked(self.client.post("api/ds/query", &[], Body::json(asked.body))?.that_only_reads());
        let explain = |status, body: &str| failure::explain(status, body, &target);
        let Answer { bytes, .. } = self.client.send_explained(&post, &explain).await?;
        let layout =
            Layout { last_ms: asked.last_ms, step_ms: request.step_ms, secrets: self.client.secrets() };
        let limits = self.client.limits();
        let decode = move || frames::decode(&bytes, &layout, &limits);
        let (Decoded { series, mut notices, executed }, decode_time) =
            decoded("the decoder of data frames", decode).await?;
        if !options.adhoc_filters.is_empty() {
            notices.push(
                "Ad-hoc filters have no effect: the other data source's query does not hold them".to_owned(),
            );
        }
        let described = self.client.describe(&post);
        let executed = if executed.is_empty() { described } else { format!("{described}\n\n{executed}") };
        Ok(Fetched { series, step_ms: None, executed, notices, decode_time })
    }

    async fn check(&self) -> Result<Reached> {
        let request = self.client.get("api/health", &[])?;
        let Answer { bytes, elapsed, .. } = self.client.send(&request).await?;
        let health: Health = read(&bytes)?;
        let version = if health.version.is_empty() { String::new() } else { format!(" {}", health.version) };
        let reached =
            format!("Reached Grafana{version} at {} in {} ms", self.client.origin(), elapsed.as_millis());
        let listed = match self.access {
            Access::Nobody => Err(self.must_have_access().err().unwrap_or_else(Error::cancelled)),
            _ => self.data_sources().await,
        };
        let listed = match listed {
            Ok(choices) => format!("{} other data sources can be asked", choices.len()),
            // Few users may list them, and need not: Grafana's frontend knows them.
            Err(error) if self.access == Access::User && error.category() == Category::Auth => {
                "data sources are not listed to this user".to_owned()
            }
            Err(error) => return Err(error),
        };
        let details = match self.access {
            Access::Plugin => "with the service account that Grafana made for the plugin",
            Access::ServiceAccount => "with the service account token of the settings",
            Access::User | Access::Nobody => {
                "with the rights of each user; alert rules need a service account token"
            }
        };
        let details = match (self.access, &self.allowed.0[..]) {
            (Access::Plugin | Access::ServiceAccount, []) => format!(
                "{details}: whoever may query this data source sees what that account may query; allowedUids narrows it"
            ),
            _ => details.to_owned(),
        };
        Ok(Reached { message: format!("{reached}; {listed}"), details })
    }

    async fn discover(&self, question: &Question) -> Result<Option<Vec<Choice>>> {
        match question.name() {
            "datasources" => {
                self.must_have_access()?;
                Ok(Some(question.choose(self.data_sources().await?)))
            }
            _ => Ok(None),
        }
    }
}

/// What `/api/health` says; the version is hidden where the administrator wants it so.
#[derive(Deserialize)]
struct Health {
    #[serde(default)]
    version: String,
}

/// What is read of an entry of `/api/datasources`, which holds much that is nobody's business.
#[derive(Deserialize)]
struct Listed {
    uid: String,
    name: String,
    r#type: String,
}

impl Grafana {
    fn new(settings: &Settings, host: &Host) -> Result<Self> {
        let has_own_header =
            |name: &str| settings.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
        if !matches!(settings.auth, Auth::None) || has_own_header("authorization") {
            return Err(Error::new(
                Category::Config,
                "basic auth, the bearer token and the header Authorization cannot be set for Grafana itself",
            )
            .hint("remove them, and enter a service account token (serviceAccountToken) instead"));
        }
        let url = host.address(&settings.url)?;
        let OwnSettings { allowed_uids } = settings.own.parse()?;
        let service_account = settings.own.secret("serviceAccountToken").cloned();
        // The plugin's own account may query everything in its organisation. What an administrator narrowed down for this
        // data source goes before it, and a data source of no known organisation does not get it.
        let of_plugin = host.token_for(&url).filter(|_| settings.org_id > 0);
        let (token, access) = match (service_account, of_plugin) {
            (Some(token), _) => (Some(token), Access::ServiceAccount),
            (None, Some(token)) => (Some(token), Access::Plugin),
            (None, None) => (None, Access::Nobody),
        };
        let auth = token.map_or(Auth::None, Auth::Bearer);
        let is_own_address = host.is_own_address(&url);
        let client = HttpClient::new(&Settings { url, auth, ..settings.clone() })?;
        let client = match access {
            // Grafana refuses a token that belongs to another organisation than the one named.
            Access::Plugin => {
                client.with_secret_header(ORG_ID_HEADER, &settings.org_id.to_string().into())?
            }
            _ => client,
        };
        let allowed = Arc::new(allowed_uids);
        Ok(Self { client, own_uid: settings.uid.clone(), access, is_own_address, allowed })
    }

    fn must_be_allowed(&self, target: &Target) -> Result<()> {
        if self.allowed.allows(&target.uid) {
            return Ok(());
        }
        Err(Error::new(
            Category::Auth,
            format!("the data source settings do not let the data source \"{}\" be asked", target.uid),
        )
        .hint("choose one that they list, or have its uid added to allowedUids in the data source settings"))
    }

    fn must_have_access(&self) -> Result<()> {
        if self.access != Access::Nobody {
            return Ok(());
        }
        let (what, hint) = if self.is_own_address {
            (
                "no token is set, and the request does not say who asks",
                "enter a service account token in the data source settings; alert rules always need one, and Grafana \
                 says who a user is only if its administrator makes it",
            )
        } else {
            (
                "no token is set, and who asks is told to Grafana's own address only, which the URL is not known to be",
                "enter a service account token in the data source settings, or set grafana_url in the section \
                 [plugin.outrider-outliers-datasource] of grafana.ini to the URL",
            )
        };
        Err(Error::new(Category::Auth, format!("there is nothing to identify with to Grafana: {what}"))
            .hint(hint))
    }

    /// The other data sources, as far as they can be asked.
    async fn data_sources(&self) -> Result<Vec<Choice>> {
        let request = self.client.get("api/datasources", &[])?;
        let Answer { bytes, .. } = self.client.send_explained(&request, &failure::explain_list).await?;
        let listed: Vec<Listed> = read(&bytes)?;
        let others = listed
            .into_iter()
            .filter(|Listed { uid, r#type, .. }| target::refusal(uid, r#type, &self.own_uid).is_none())
            .filter(|Listed { uid, .. }| self.allowed.allows(uid));
        Ok(others
            .map(|Listed { uid, name, r#type }| Choice { value: uid, label: name, description: r#type })
            .collect())
    }

    fn marked(&self, request: HttpRequest) -> HttpRequest {
        request.with_header(QUERY_GROUP_HEADER, QUERY_GROUP)
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    let bytes = without_mark(bytes);
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            Error::new(Category::Protocol, "the answer does not have the form of Grafana's API")
                .hint("check that the URL is that of Grafana, with the path it is served at, if any")
        } else {
            not_json(bytes, &error)
        }
    })
}

#[cfg(test)]
mod tests;
