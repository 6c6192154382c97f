//! Certificates: whom to believe, and who this side is.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::{Connection, failure::PacsError};

fn unusable(path: &Path, why: impl ToString) -> PacsError {
    PacsError::Certificate { path: path.to_owned(), why: why.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PacsError> {
    let text = fs::read(path).map_err(|why| unusable(path, why))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|_| unusable(path, "it is no PEM file of certificates"))?;
    if found.is_empty() { Err(unusable(path, "it holds no certificate (PEM)")) } else { Ok(found) }
}

/// For DICOM: only what `ca` signs is believed.
pub(super) fn for_dicom(connection: &Connection) -> Result<ClientConfig, PacsError> {
    let path = connection.ca.as_ref().ok_or(PacsError::NoCa)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|why| unusable(path, why))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|why| unusable(path, why))?
        .with_root_certificates(roots);
    Ok(match &connection.identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|_| unusable(key, "it holds no private key (PEM)"))?;
            builder.with_client_auth_cert(certificates(chain)?, secret).map_err(|why| unusable(chain, why))?
        }
    })
}

/// For DICOMweb: what `ca` signs, or Mozilla's list.
pub(super) fn for_web(connection: &Connection) -> Result<TlsConfig, PacsError> {
    let owned = |found: Vec<CertificateDer<'static>>| -> Vec<Certificate<'static>> {
        found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
    };
    let roots = match &connection.ca {
        Some(path) => RootCerts::from(owned(certificates(path)?)),
        None => RootCerts::WebPki,
    };
    let identity = match &connection.identity {
        None => None,
        Some((chain, key)) => {
            let text = fs::read(key).map_err(|why| unusable(key, why))?;
            let secret = PrivateKey::from_pem(&text).map_err(|_| unusable(key, "it holds no private key (PEM)"))?;
            Some(ClientCert::new_with_certs(&owned(certificates(chain)?), secret))
        }
    };
    Ok(TlsConfig::builder().root_certs(roots).client_cert(identity).build())
}
