//! On whose behalf a source is asked.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::settings::{ExposeSecret, SecretString};

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The user, where there is one whom the host lets act for himself; none for alert rules.
    pub identity: Option<Identity>,
    /// Name of the group of queries the request belongs to; empty if it has none.
    pub query_group: String,
}

/// Proof of who a user is. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Identity {
    org_id: i64,
    headers: Vec<(String, SecretString)>,
}

impl Caller {
    /// Names the caller: two with the same digest are the same user with the same credentials.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        if let Some(Identity { org_id, headers }) = &self.identity {
            hash.update(org_id.to_le_bytes());
            for part in headers.iter().flat_map(|(name, value)| [name.as_str(), value.expose_secret()]) {
                hash.update(part.len().to_le_bytes());
                hash.update(part);
            }
        }
        hash.finalize().into()
    }
}

impl Identity {
    /// Of a user in an organisation, by the headers that say who it is; `None` if they say nothing. The order of the
    /// headers is part of the identity.
    #[must_use]
    pub fn new(org_id: i64, mut headers: Vec<(String, SecretString)>) -> Option<Self> {
        headers.retain(|(_, value)| !value.expose_secret().is_empty());
        (!headers.is_empty()).then_some(Self { org_id, headers })
    }

    /// The organisation the user asks in; 0 if it is unknown.
    #[must_use]
    pub fn org_id(&self) -> i64 {
        self.org_id
    }

    /// The headers that say who the user is.
    #[must_use]
    pub fn headers(&self) -> &[(String, SecretString)] {
        &self.headers
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("org_id", &self.org_id).finish_non_exhaustive()
    }
}
