//! Believes a server whose very certificate was pasted into the settings, whoever signed it and whatever it is marked as.
//!
//! The certificates of the settings are trusted as authorities. What `openssl req -x509` makes, and many devices show, is
//! marked as one of an authority and signed by itself; such a certificate may vouch for others, but must not be shown by a
//! server. Here it may if it was pasted byte for byte, still within its dates and still for the name that was asked for.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// Verifies as everywhere else, with the authorities of this machine and `pasted` ones, and lets those of `pasted` through
/// that a server shows itself.
#[derive(Debug)]
pub(super) struct PastedOrVerified {
    verifier: Verifier,
    pasted: Vec<CertificateDer<'static>>,
}

impl PastedOrVerified {
    /// # Errors
    /// If a certificate of `pasted` is none, or there are no authorities at all.
    pub(super) fn new(
        pasted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let verifier = Verifier::new_with_extra_roots(pasted.iter().cloned(), provider)?;
        Ok(Self { verifier, pasted })
    }
}

/// Whether a certificate was refused for nothing but who signed it, or that it is marked as one of an authority. Both are
/// looked at after its dates.
fn is_about_who_signed(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer))
        || is_marked_as_authority(error)
}

/// Whether a certificate was refused because it is marked as one of an authority.
pub(super) fn is_marked_as_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(other)) = error else { return false };
    other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for PastedOrVerified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(error) if is_about_who_signed(&error) && self.pasted.contains(end_entity) => {
                // The name is looked at last, and so was not.
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
