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
    for (mode, encrypted) in [("require", 1.0), ("prefer", 1.0), ("allow", 1.0), ("disable", 0.0)] {
        let fetched = crate::fixture::ask(&fixture.with_tls(mode, None), options.clone()).await.unwrap();
        assert_eq!(fetched.series[0].values, [encrypted], "{mode}");
    }
}

#[tokio::test]
async fn a_server_on_this_machine_is_reached_by_its_socket() {
    for kind in [Kinds::Postgresql, Kinds::Mysql] {
        let Some(fixture) = kind.fixture().await else { continue };
        let server = fixture.server.as_ref().unwrap();
        let name = match kind {
            Kinds::Postgresql => format!(".s.PGSQL.{}", server.port),
            _ => "socket".to_owned(),
        };
        let path = server.folder.join(name).display().to_string();
        // No TLS there, whatever the mode.
        let settings =
            outrider::settings::Settings { url: path.clone(), ..fixture.with_tls("verify-full", None) };
        let message = check(&settings).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert!(message.contains(&path), "{message}");
        let nowhere = outrider::settings::Settings { url: format!("{path}.none"), ..settings };
        assert_eq!(check(&nowhere).await.unwrap_err().category(), Category::Connection, "{kind:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_told() {
    let Some(server) = crate::sql_servers::Server::postgresql_of_its_own_authority() else { return };
    let mut settings = crate::fixture::server_settings(Kinds::Postgresql, server.port, "postgres");
    settings.own = crate::fixture::own(
        &serde_json::json!({"sslmode": "verify-full"}),
        &[("password", crate::sql_servers::PASSWORD)],
    );
    settings.tls.ca_certificate = Some(server.authority.as_str().into());
    let error = check(&settings).await.unwrap_err();
    assert_eq!(error.category(), Category::Tls);
    assert!(error.to_string().contains("CA:FALSE"), "{error}");
}
