//! The fuzz target of settings: what Grafana stored of what people typed, and what each kind of source makes of it.

use std::collections::HashMap;

use super::{RawSettings, Settings};
use crate::fuzzing::{SECRET, Target, check_refusal, choice_of, texts};
use crate::source;

pub(crate) const TARGETS: &[Target] = &[Target { name: "settings", run: settings }];

/// Kinds that talk to no one and read no certificates of the system when they are connected.
const KINDS: [&str; 4] = ["generator", "sqlite", "postgresql", "mysql"];

/// A byte that chooses the kind; the URL, the user, and `jsonData`, line breaks between them.
fn settings(data: &[u8]) {
    let (choice, rest) = choice_of(data);
    let [url, user, json] = texts(rest);
    let secrets: HashMap<String, String> =
        ["password", "bearerToken", "httpHeaderValue1", "tlsCACert", "tlsClientCert", "tlsClientKey"]
            .map(|name| (name.to_owned(), SECRET.to_owned()))
            .into();
    let raw = RawSettings {
        url: &url,
        user: &user,
        json_data: json.as_bytes(),
        secure_json_data: Some(&secrets),
        ..RawSettings::default()
    };
    let mut settings = match Settings::parse(&raw) {
        Ok(settings) => settings,
        Err(error) => return check_refusal(&error),
    };
    let shown = format!("{settings:?}");
    assert!(!shown.contains(SECRET) || String::from_utf8_lossy(rest).contains(SECRET), "a secret is shown");
    let limits = settings.limits;
    assert!(limits.timeout.as_secs_f64() >= 1.0 && limits.max_rows >= 1 && limits.max_series >= 1);
    settings.source = KINDS[choice % KINDS.len()].to_owned();
    settings.operator.sqlite_directories = vec!["/nowhere".into()];
    if let Err(error) = source::connect(&settings) {
        check_refusal(&error);
    }
}
