//! Who is believed to be who: certificates of servers and clients.

use outrider::error::Category;
use outrider::settings::{ClientIdentity, Settings, TlsSettings};
use serde_json::json;

use crate::upstream_server::Upstream;
use crate::upstream_tls::{Authority, Identity, TlsUpstream};
use crate::{THREE_ROWS, ask, check, json, redirect, refused, settings};

const HOST: &str = "127.0.0.1";

fn answer() -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{THREE_ROWS}", THREE_ROWS.len()).into_bytes()
}

fn with_tls(url: &str, tls: TlsSettings) -> Settings {
    Settings { tls, ..settings(url) }
}

fn trusting(url: &str, pem: String) -> Settings {
    with_tls(url, TlsSettings { ca_certificate: Some(pem.into()), ..TlsSettings::default() })
}

/// Besides the authorities of this machine, of which there may be none.
fn trusting_a_stranger(url: &str) -> Settings {
    trusting(url, Authority::named("stranger").pem())
}

#[tokio::test]
async fn an_unknown_authority_is_refused_unless_trusted_or_verification_is_off() {
    let authority = Authority::named("authority");
    let upstream = TlsUpstream::sending(answer(), &authority.identity(HOST), None).await;
    let error = refused(&trusting_a_stranger(&upstream.url), Category::Tls).await.to_string();
    assert!(error.contains("UnknownIssuer") && error.contains("paste the CA certificate"), "{error}");

    let trusting = trusting(&upstream.url, Authority::named("stranger").pem() + &authority.pem());
    assert_eq!(ask(&trusting, json!({})).await.unwrap().series[0].len(), 3);
    assert!(check(&trusting).await.unwrap().message.starts_with(&format!("Reached {}/ in ", upstream.url)));

    let careless = with_tls(&upstream.url, TlsSettings { skip_verify: true, ..TlsSettings::default() });
    assert_eq!(ask(&careless, json!({})).await.unwrap().series[0].len(), 3);
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_trusted_itself() {
    let identity = Identity::self_signed(HOST);
    let upstream = TlsUpstream::sending(answer(), &identity, None).await;
    refused(&trusting_a_stranger(&upstream.url), Category::Tls).await;
    ask(&trusting(&upstream.url, identity.pem()), json!({})).await.unwrap();
}

/// What the usual recipe for openssl makes, and whatever a server shows that was pasted byte for byte.
#[tokio::test]
async fn the_very_certificate_of_the_settings_is_trusted_whoever_signed_it() {
    let own = Identity::marked_as_authority(HOST, true);
    let unknown = Authority::named("unknown");
    let clients = Authority::named("clients");
    for identity in [&own, &unknown.identity(HOST), &unknown.authority(HOST)] {
        let upstream = TlsUpstream::sending(answer(), identity, None).await;
        refused(&trusting_a_stranger(&upstream.url), Category::Tls).await;
        ask(&trusting(&upstream.url, identity.pem()), json!({})).await.unwrap();
        // Among others, and with a client certificate.
        let upstream = TlsUpstream::sending(answer(), identity, Some(&clients)).await;
        let mut settings = trusting(&upstream.url, Authority::named("stranger").pem() + &identity.pem());
        let client = clients.identity("client");
        settings.tls.client_identity =
            Some(ClientIdentity { certificate: client.pem().into(), key: client.key_pem().into() });
        ask(&settings, json!({})).await.unwrap();
    }
}

#[tokio::test]
async fn a_pasted_certificate_makes_nothing_else_valid() {
    let authority = Authority::named("authority");
    let refused_for = async |identity: &Identity, pem: String, says: &str| {
        let upstream = TlsUpstream::sending(answer(), identity, None).await;
        let error = refused(&trusting(&upstream.url, pem), Category::Tls).await.to_string();
        assert!(error.contains(says), "{error}");
    };
    // Another one of the same name, or one that a pasted one signed, marked as an authority without having been pasted.
    let (one, other) = (Identity::marked_as_authority(HOST, true), Identity::marked_as_authority(HOST, true));
    refused_for(&one, other.pem(), "paste the very certificate of the service").await;
    refused_for(&authority.authority(HOST), authority.pem(), "CaUsedAsEndEntity").await;
    // For another name, or no longer valid.
    let elsewhere = Identity::marked_as_authority("other.test", true);
    refused_for(&elsewhere, elsewhere.pem(), "other.test").await;
    let unsigned = Authority::named("unknown").identity("other.test");
    refused_for(&unsigned, unsigned.pem(), "other.test").await;
    let expired = Identity::marked_as_authority(HOST, false);
    refused_for(&expired, expired.pem(), "xpired").await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::named("authority");
    let upstream = TlsUpstream::sending(answer(), &authority.identity("other.test"), None).await;
    let error = refused(&trusting(&upstream.url, authority.pem()), Category::Tls).await.to_string();
    assert!(error.contains("other.test") && error.contains("use a URL whose host name"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_the_server_asks_for_one() {
    let authority = Authority::named("authority");
    let upstream = TlsUpstream::sending(answer(), &authority.identity(HOST), Some(&authority)).await;
    let without = trusting(&upstream.url, authority.pem());
    let error = refused(&without, Category::Tls).await.to_string();
    assert!(error.contains("asks for a client certificate"), "{error}");

    let showing = |identity: &Identity| {
        let mut settings = without.clone();
        settings.tls.client_identity =
            Some(ClientIdentity { certificate: identity.pem().into(), key: identity.key_pem().into() });
        settings
    };
    ask(&showing(&authority.identity("client")), json!({})).await.unwrap();
    refused(&showing(&Authority::named("stranger").identity("client")), Category::Tls).await;
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_named() {
    let (one, other) = (Identity::self_signed(HOST), Identity::self_signed(HOST));
    let client = |certificate: &str, key: &str| TlsSettings {
        client_identity: Some(ClientIdentity { certificate: certificate.into(), key: key.into() }),
        ..TlsSettings::default()
    };
    let authority = |pem: &str| TlsSettings { ca_certificate: Some(pem.into()), ..TlsSettings::default() };
    let broken = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
    for (tls, says) in [
        (authority("canary"), "tlsCACert"),
        (authority(broken), "tlsCACert"),
        (client("canary", &one.key_pem()), "tlsClientCert"),
        (client(&one.pem(), "canary"), "tlsClientKey"),
        (client(&one.pem(), &other.key_pem()), "cannot be used together"),
    ] {
        let error = refused(&with_tls("https://127.0.0.1:1", tls), Category::Config).await;
        assert!(error.message().contains(says) && !error.to_string().contains("canary"), "{error}");
    }
}

#[tokio::test]
async fn speaking_the_wrong_protocol_is_told() {
    let plain = Upstream::answering(|_| json(THREE_ROWS)).await;
    let https = trusting_a_stranger(&plain.url.replace("http:", "https:"));
    let error = refused(&https, Category::Tls).await.to_string();
    assert!(error.ends_with("(https, not http)"), "{error}");
    let identity = Identity::self_signed(HOST);
    let tls = TlsUpstream::sending(answer(), &identity, None).await;
    refused(&settings(&tls.url.replace("https:", "http:")), Category::Protocol).await;
}

/// Where both have their usual ports, which no test can have: `src/source/http.rs` tests that.
#[tokio::test]
async fn a_redirect_does_not_lead_to_another_port_nor_back_from_https() {
    let authority = Authority::named("authority");
    let secure = TlsUpstream::sending(answer(), &authority.identity(HOST), None).await;
    let target = format!("{}/query", secure.url);
    let plain = Upstream::answering(move |_| redirect(301, &target)).await;
    let error = refused(&trusting(&plain.url, authority.pem()), Category::Protocol).await;
    assert!(error.message().contains("redirected to another host"), "{error}");

    let back = format!("HTTP/1.1 302 Found\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", plain.url);
    let secure = TlsUpstream::sending(back.into_bytes(), &authority.identity(HOST), None).await;
    let error = refused(&trusting(&secure.url, authority.pem()), Category::Protocol).await;
    assert!(error.message().contains("redirected to another host"), "{error}");
    assert_eq!(plain.seen().len(), 1);
}
