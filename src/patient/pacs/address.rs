//! Where an archive is: `dicom://TITLE@host:port`, `dicoms://…`, or the root of a DICOMweb service.

use std::{fmt, str::FromStr};

use ureq::http::Uri;

use super::failure::PacsError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// DICOM upper layer (PS3.8) over TCP, or over TLS.
    Dicom { title: String, host: String, port: u16, tls: bool },
    /// DICOMweb (PS3.18); `root` without a slash at its end.
    Web { root: String, host: String, tls: bool },
}

impl Address {
    pub(super) fn host(&self) -> &str {
        match self {
            Address::Dicom { host, .. } | Address::Web { host, .. } => host,
        }
    }

    pub(super) fn tls(&self) -> bool {
        match self {
            Address::Dicom { tls, .. } | Address::Web { tls, .. } => *tls,
        }
    }
}

impl FromStr for Address {
    type Err = PacsError;

    fn from_str(text: &str) -> Result<Self, PacsError> {
        let uri: Uri = text.parse().map_err(|_| PacsError::Address("it cannot be taken apart"))?;
        let authority = uri.authority().ok_or(PacsError::Address("it names no host"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(PacsError::Address("it names no host"));
        }
        let title = authority.as_str().rsplit_once('@').map(|(title, _)| title.to_owned());
        match uri.scheme_str() {
            Some(scheme @ ("dicom" | "dicoms")) => {
                let title = title.ok_or(PacsError::Address("the server's application entity title and @ are missing"))?;
                if title.is_empty() || title.len() > 16 || title.contains([':', '\\', '%']) {
                    return Err(PacsError::Address("an application entity title has 1 to 16 characters"));
                }
                let tls = scheme == "dicoms";
                // PS3.8 §9.1.1 and the ports that IANA lists
                let port = authority.port_u16().unwrap_or(if tls { 2762 } else { 104 });
                if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
                    return Err(PacsError::Address("nothing may follow the port"));
                }
                Ok(Address::Dicom { title, host, port, tls })
            }
            Some(scheme @ ("http" | "https")) => {
                if title.is_some() {
                    return Err(PacsError::Address(
                        "user and password do not belong in it but in HALSTED_PACS_USER and _PASSWORD",
                    ));
                }
                if uri.query().is_some() {
                    return Err(PacsError::Address("it has a question mark"));
                }
                Ok(Address::Web { root: text.trim_end_matches('/').to_owned(), host, tls: scheme == "https" })
            }
            _ => Err(PacsError::Address("it begins with none of dicom, dicoms, http, https")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Dicom { title, host, port, tls } => {
                write!(f, "dicom{}://{title}@{host}:{port}", if *tls { "s" } else { "" })
            }
            Address::Web { root, .. } => f.write_str(root),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_passwords_in_them_refused_unseen() {
        let dicom: Address = "dicom://TESTPACS@127.0.0.1:11112".parse().expect("an address");
        let parts = Address::Dicom { title: "TESTPACS".into(), host: "127.0.0.1".into(), port: 11112, tls: false };
        assert_eq!((&dicom, dicom.to_string().as_str()), (&parts, "dicom://TESTPACS@127.0.0.1:11112"));
        let secure: Address = "dicoms://A@[::1]".parse().expect("an address");
        assert_eq!(secure, Address::Dicom { title: "A".into(), host: "::1".into(), port: 2762, tls: true });
        let web: Address = "https://pacs.example/dicom-web/".parse().expect("an address");
        assert_eq!(web.to_string(), "https://pacs.example/dicom-web");
        for bad in ["dicom://127.0.0.1:104", "ftp://x/", "pacs", "dicom://SEVENTEENLETTERSX@h", "dicom://A@h/x", "http://h/?a=b"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        let refused = "https://user:hunter2@h/dicom-web".parse::<Address>().expect_err("a password in it").to_string();
        assert!(!refused.contains("hunter2"));
    }
}
