//! Who asks: from the environment, so that no list of processes, history of a shell or log shows it.

use std::{env, fmt, net::IpAddr};

use super::{Address, Connection, failure::PacsError};

#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    #[default]
    None,
    User {
        user: String,
        password: String,
    },
    /// A bearer token (RFC 6750); over DICOM a JSON web token.
    Token(String),
}

impl Credentials {
    /// What `HALSTED_PACS_TOKEN`, else `HALSTED_PACS_USER` and `HALSTED_PACS_PASSWORD`, say.
    pub fn from_environment() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        match (set("HALSTED_PACS_TOKEN"), set("HALSTED_PACS_USER")) {
            (Some(token), _) => Self::Token(token),
            (None, Some(user)) => Self::User { user, password: set("HALSTED_PACS_PASSWORD").unwrap_or_default() },
            (None, None) => Self::None,
        }
    }
}

/// Says which kind it is, not what it holds.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::User { .. } => "User",
            Self::Token(_) => "Token",
        })
    }
}

/// Refuses to send a secret in the clear to another machine.
pub(super) fn may_travel(address: &Address, connection: &Connection) -> Result<(), PacsError> {
    let host = address.host();
    let own = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if connection.credentials != Credentials::None && !address.tls() && !own && !connection.unencrypted_credentials {
        return Err(PacsError::Unencrypted { host: host.to_owned() });
    }
    Ok(())
}
