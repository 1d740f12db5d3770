//! How far a server must prove who it is.

use outrider::error::Category;

use crate::fixture::{Kinds, check};
use crate::upstream_tls::Authority;

#[tokio::test]
async fn every_mode_of_tls_is_kept_to() {
    for kind in [Kinds::Postgresql, Kinds::Mysql] {
        let Some(fixture) = kind.fixture().await else { continue };
        let authority = fixture.server.as_ref().unwrap().authority.clone();
        let stranger = Authority::named("stranger").pem();
        let at_address = |mut settings: outrider::settings::Settings| {
            settings.url = settings.url.replace("localhost", "127.0.0.1");
            settings
        };
        for settings in [
            fixture.with_tls("verify-full", Some(&authority)),
            fixture.with_tls("verify-ca", Some(&authority)),
            // The certificate is for localhost.
            at_address(fixture.with_tls("verify-ca", Some(&authority))),
            fixture.with_tls("require", None),
        ] {
            check(&settings).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        }
        let mut careless = fixture.with_tls("verify-full", Some(&stranger));
        careless.tls.skip_verify = true;
        check(&careless).await.unwrap();
        for settings in [
            fixture.with_tls("verify-full", Some(&stranger)),
            fixture.with_tls("verify-ca", Some(&stranger)),
            at_address(fixture.with_tls("verify-full", Some(&authority))),
        ] {
            let error = check(&settings).await.unwrap_err();
            assert_eq!(error.category(), Category::Tls, "{kind:?}: {error}");
            assert!(error.to_string().contains("tlsCACert"), "{error}");
        }
    }
}

#[tokio::test]
async fn the_connection_is_encrypted_where_it_is_asked_for() {
    let Some(fixture) = Kinds::Postgresql.fixture().await else { return };
    let sql = "SELECT 1 AS time, ssl::int AS n FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let options = serde_json::json!({"kind": "postgresql", "mode": "text", "sql": sql});
    for (mode, encrypted) in [("require", 1.0), ("disable", 0.0)] {
        let fetched = crate::fixture::ask(&fixture.with_tls(mode, None), options.clone()).await.unwrap();
        assert_eq!(fetched.series[0].values, [encrypted], "{mode}");
    }
}
