//! The fuzz target of URLs: where an upstream is, and what a query adds to that.

use url::Url;

use super::base_url::BaseUrl;
use crate::fuzzing::{check_error, texts};

/// The URL of the settings, a path of a query, a name and a value of a parameter, line breaks between them.
pub(in crate::source) fn url(data: &[u8]) {
    let [base, path, name, value] = texts(data);
    for base in [&*base, "http://h:1/sub/", "https://h"] {
        let base = match BaseUrl::parse(base) {
            Ok(base) => base,
            Err(error) => {
                check_error(&error);
                continue;
            }
        };
        let settings = Url::parse(base.as_str()).expect("it was one before");
        assert!(
            settings.username().is_empty() && settings.password().is_none() && settings.query().is_none()
        );
        // Whoever writes dots in disguise into the settings has none below.
        if !base.is_above(&settings) {
            continue;
        }
        let url = match base.below(&path, &[(name.to_string(), value.to_string())]) {
            Ok(url) => url,
            Err(error) => {
                check_error(&error);
                continue;
            }
        };
        let read = Url::parse(url.as_str()).expect("it is one");
        assert_eq!(read, url, "it reads back as it was");
        assert_eq!(read.origin(), settings.origin(), "{url} is elsewhere");
        assert!(base.is_above(&read), "{url} is not below {}", base.as_str());
        assert!(read.fragment().is_none() && read.username().is_empty() && read.password().is_none());
        let pairs: Vec<_> = read.query_pairs().collect();
        assert_eq!(pairs, [(name.clone(), value.clone())], "a parameter is one parameter");
    }
}
