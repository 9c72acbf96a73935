//! TLS from two PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Why TLS cannot be offered.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file that cannot be read or holds something else.
    #[error("{what} {path}: {reason}; a PEM file is needed")]
    File {
        /// Certificate chain or private key.
        what: &'static str,
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Both could be read, but not used.
    #[error("the certificate {path} and its key cannot be used: {reason}")]
    Unusable {
        /// The certificate's file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// Reads the certificate chain and the key.
pub fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let wrong = |what, path: &Path, reason: String| {
        let path = path.display().to_string();
        TlsError::File { what, path, reason }
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong("the certificate", cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(
            "the certificate",
            cert,
            "no certificate in it".to_owned(),
        ));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong("the private key", key, error.to_string()))?;
    let unusable = |error: rustls::Error| TlsError::Unusable {
        path: cert.display().to_string(),
        reason: error.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
