//! Connected sources, one per saved version of a data source, so that requests share their connection pools.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use grafana_plugin_sdk::pluginv2;
use sha2::{Digest, Sha256};

use super::metrics::{INSTANCES, Metrics};
use crate::engine::Scope;
use crate::error::Result;
use crate::settings::{Operator, RawSettings, Settings};
use crate::source::{self, AnySource, Caller};

/// The most data sources kept connected; beyond that an arbitrary one is dropped and connects again when it is asked.
const MAX_INSTANCES: usize = 256;

/// Which data source of which organisation.
type Key = (i64, String);

/// The connected sources.
#[derive(Debug, Default)]
pub(super) struct Instances {
    operator: Operator,
    connected: Mutex<HashMap<Key, Instance>>,
}

#[derive(Debug, Clone)]
struct Instance {
    /// Digest of the settings it was connected with. A digest and not the time of the last change, because the same
    /// uid may come back with other settings within the same millisecond.
    settings: [u8; 32],
    connected: Connected,
}

/// A connected source.
#[derive(Debug, Clone)]
pub(super) struct Connected {
    pub(super) source: Arc<dyn AnySource>,
    /// Within it, answers may be shared: the data source and its settings, secrets included, are the same.
    pub(super) scope: Scope,
    /// For how long, ms, the newest points are left out by queries that do not say so themselves.
    pub(super) settle_ms: i64,
}

impl Connected {
    /// The same for one caller: where the source asks with the rights of who asks it, nobody else shares the answers.
    ///
    /// # Errors
    /// Those of [`source::Source::for_caller`].
    pub(super) fn for_caller(self, caller: &Caller) -> Result<Self> {
        Ok(match self.source.for_caller(caller)? {
            None => self,
            Some(source) => Self { source, scope: self.scope.within(&caller.digest()), ..self },
        })
    }
}

impl Instances {
    /// None connected yet; `operator` says what data sources may do.
    pub(super) fn new(operator: Operator) -> Self {
        Self { operator, connected: Mutex::default() }
    }

    /// The source of the data source that `context` names, connected. Without a context, or without data source
    /// settings in it, that is the generator.
    ///
    /// # Errors
    /// Those of [`Settings::parse`] and [`source::connect`].
    pub(super) fn get(
        &self,
        context: Option<&pluginv2::PluginContext>,
        metrics: &Metrics,
    ) -> Result<Connected> {
        let Some((context, stored)) =
            context.and_then(|context| Some((context, context.data_source_instance_settings.as_ref()?)))
        else {
            let source = source::connect(&Settings::default())?;
            return Ok(Connected { source, scope: Scope::default(), settle_ms: 0 });
        };
        let key =
            (context.org_id, if stored.uid.is_empty() { stored.id.to_string() } else { stored.uid.clone() });
        let digest = digest(stored);
        let cached = self.lock().get(&key).filter(|instance| instance.settings == digest).cloned();
        metrics.count_lookup(INSTANCES, cached.is_some());
        if let Some(instance) = cached {
            return Ok(instance.connected);
        }
        let settings = Settings::parse(&RawSettings {
            org_id: context.org_id,
            uid: &stored.uid,
            url: &stored.url,
            user: &stored.user,
            database: &stored.database,
            basic_auth: stored.basic_auth_enabled,
            basic_auth_user: &stored.basic_auth_user,
            json_data: &stored.json_data,
            secure_json_data: Some(&stored.decrypted_secure_json_data),
            operator: Some(&self.operator),
        })?;
        let identity = [context.org_id.to_le_bytes().as_slice(), key.1.as_bytes(), &digest].concat();
        let (source, scope) = (source::connect(&settings)?, Scope::of(&identity));
        let made = Connected { source, scope, settle_ms: settings.settle_ms };
        let mut connected = self.lock();
        if connected.len() >= MAX_INSTANCES
            && !connected.contains_key(&key)
            && let Some(some_key) = connected.keys().next().cloned()
        {
            connected.remove(&some_key);
        }
        connected.insert(key, Instance { settings: digest, connected: made.clone() });
        Ok(made)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Instance>> {
        // Nothing is left half-done under the lock, so a panic elsewhere does not spoil the map.
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The uid of the data source that `context` names, for the log; empty if it names none.
pub(super) fn uid(context: Option<&pluginv2::PluginContext>) -> &str {
    context
        .and_then(|context| context.data_source_instance_settings.as_ref())
        .map_or("", |settings| settings.uid.as_str())
}

fn digest(stored: &pluginv2::DataSourceInstanceSettings) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    add(stored.url.as_bytes());
    add(stored.user.as_bytes());
    add(stored.database.as_bytes());
    add(&[u8::from(stored.basic_auth_enabled)]);
    add(stored.basic_auth_user.as_bytes());
    add(&stored.json_data);
    let mut secrets: Vec<_> = stored.decrypted_secure_json_data.iter().collect();
    secrets.sort_unstable();
    for (name, value) in secrets {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(uid: &str, json_data: &str) -> pluginv2::PluginContext {
        pluginv2::PluginContext {
            org_id: 1,
            plugin_id: String::new(),
            user: None,
            app_instance_settings: None,
            data_source_instance_settings: Some(pluginv2::DataSourceInstanceSettings {
                id: 1,
                name: String::new(),
                url: "http://127.0.0.1:1".to_owned(),
                user: String::new(),
                database: String::new(),
                basic_auth_enabled: false,
                basic_auth_user: String::new(),
                json_data: json_data.as_bytes().to_vec(),
                decrypted_secure_json_data: HashMap::new(),
                last_updated_ms: 0,
                uid: uid.to_owned(),
            }),
        }
    }

    #[test]
    fn the_same_settings_share_one_connection_and_changed_ones_do_not() {
        let (instances, metrics) = (Instances::default(), Metrics::new().unwrap());
        let get = |json| instances.get(Some(&context("a", json)), &metrics).unwrap();
        let first = get(r#"{"source":"http-json"}"#);
        let again = get(r#"{"source":"http-json"}"#);
        assert!(Arc::ptr_eq(&first.source, &again.source) && first.scope == again.scope);
        let changed = get(r#"{"source":"http-json","timeout":5}"#);
        assert!(!Arc::ptr_eq(&first.source, &changed.source) && first.scope != changed.scope);
        assert_eq!(get("{}").source.kind(), "generator");
        let other = instances.get(Some(&context("b", r#"{"source":"http-json"}"#)), &metrics).unwrap();
        assert_ne!(first.scope, other.scope);
    }

    #[test]
    fn no_context_is_the_generator() {
        assert_eq!(
            Instances::default().get(None, &Metrics::new().unwrap()).unwrap().source.kind(),
            "generator"
        );
    }

    #[test]
    fn the_number_of_instances_is_bounded() {
        let (instances, metrics) = (Instances::default(), Metrics::new().unwrap());
        for uid in 0..MAX_INSTANCES + 10 {
            instances.get(Some(&context(&uid.to_string(), "{}")), &metrics).unwrap();
        }
        assert_eq!(instances.lock().len(), MAX_INSTANCES);
    }
}
