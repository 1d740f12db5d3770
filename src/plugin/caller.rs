//! Who asks, as far as the headers say that Grafana sends along with a request.
//!
//! Grafana passes on who a user is only where its administrator wants it: `Authorization` and `X-ID-Token` where the data
//! source has `oauthPassThru`, `X-Grafana-Id` where Grafana makes such tokens, and the cookies that `keepCookies` lists.

use std::collections::HashMap;

use grafana_plugin_sdk::pluginv2::PluginContext;

use crate::source::{Caller, Identity};

/// The headers that say who a user is.
const IDENTITY: [&str; 4] = ["authorization", "cookie", "x-grafana-id", "x-id-token"];

/// The caller of a request with these headers. An alert rule has no identity, whatever they say.
pub(super) fn of<'a>(
    context: Option<&PluginContext>,
    headers: impl Iterator<Item = (&'a String, Option<&'a String>)>,
) -> Caller {
    let headers: HashMap<String, &str> =
        headers.filter_map(|(name, value)| Some((plain(name), value?.trim()))).collect();
    let is_true = |name: &str| headers.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let found = IDENTITY.iter().filter_map(|name| Some(((*name).to_owned(), (*headers.get(*name)?).into())));
    let org_id = context.map_or(0, |context| context.org_id);
    let identity = Identity::new(org_id, found.collect()).filter(|_| !is_true("fromalert"));
    let query_group = headers.get("x-query-group-id").copied().unwrap_or_default().to_owned();
    Caller { identity, query_group }
}

/// Whether an alert rule or another server-side expression asks: both reduce and compare numbers, and must get the
/// same ones.
///
/// Grafana has sent `FromAlert` in several spellings, with and without a prefix. Expressions of dashboards carry the
/// other header in newer versions; Grafana 9 sends none, and its expressions need `output: alert`.
pub(super) fn is_for_expression(headers: &HashMap<String, String>) -> bool {
    headers.iter().any(|(name, value)| {
        matches!(plain(name).as_str(), "fromalert" | "x-grafana-from-expr")
            && value.trim().eq_ignore_ascii_case("true")
    })
}

/// The name of a header without the prefix that some have on their way to a plugin.
fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("http_").map(str::to_owned).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(headers: &[(&str, &str)]) -> Caller {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        of(None, headers.iter().map(|(name, value)| (name, Some(value))))
    }

    #[test]
    fn who_a_user_is_is_seen_in_any_spelling_and_never_shown() {
        let one = caller(&[("Authorization", "Bearer canary"), ("http_X-Grafana-Id", "canary-id")]);
        assert_eq!(
            one.digest(),
            caller(&[("authorization", "Bearer canary"), ("X-Grafana-Id", "canary-id")]).digest()
        );
        assert!(one.identity.is_some() && !format!("{one:?}").contains("canary"), "{one:?}");
        for other in [
            caller(&[("Authorization", "Bearer other"), ("X-Grafana-Id", "canary-id")]),
            caller(&[("Authorization", "Bearer canary")]),
            caller(&[("X-ID-Token", "Bearer canary"), ("X-Grafana-Id", "canary-id")]),
            caller(&[]),
        ] {
            assert_ne!(one.digest(), other.digest());
        }
    }

    #[test]
    fn alert_rules_and_strangers_have_no_identity() {
        assert!(caller(&[("Authorization", "Bearer x"), ("FromAlert", "true")]).identity.is_none());
        assert!(caller(&[("Authorization", "Bearer x"), ("http_FromAlert", "True")]).identity.is_none());
        assert!(caller(&[("Authorization", "Bearer x"), ("FromAlert", "false")]).identity.is_some());
        assert!(caller(&[("Accept", "x"), ("Cookie", " ")]).identity.is_none());
    }

    #[test]
    fn the_headers_of_alerts_and_expressions_are_seen_in_any_spelling() {
        for (name, value, expected) in [
            ("FromAlert", "true", true),
            ("fromalert", "True", true),
            ("http_FromAlert", "true", true),
            ("FROMALERT", "false", false),
            ("X-FromAlert", "true", false),
            ("X-Grafana-From-Expr", "true", true),
            ("http_X-Grafana-From-Expr", "true", true),
        ] {
            assert_eq!(
                is_for_expression(&HashMap::from([(name.to_owned(), value.to_owned())])),
                expected,
                "{name}"
            );
        }
    }
}
