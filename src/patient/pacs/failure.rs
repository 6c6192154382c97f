//! What can go wrong between here and a server, said so that someone can act on it.

use std::{io, path::PathBuf};

use super::super::deidentify::DeidentifyError;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PacsError {
    #[error("this is no address of an image archive: {0}")]
    #[diagnostic(help("dicom://TITLE@host:port, dicoms:// the same with TLS, or http(s)://host/dicom-web"))]
    Address(&'static str),
    #[error("`{0}` is not a UID")]
    NoUid(String),
    #[error("{} cannot be used: {why}", path.display())]
    Certificate { path: PathBuf, why: String },
    #[error("dicoms:// needs the certificate that the server's is signed by")]
    #[diagnostic(help("--ca FILE (PEM); for a self-signed certificate, that certificate"))]
    NoCa,
    #[error("a password or token would travel to {host} unencrypted")]
    #[diagnostic(help("use https:// or dicoms://, or say --unencrypted if the network is yours alone"))]
    Unencrypted { host: String },
    #[error("{server} cannot be reached: {why}")]
    #[diagnostic(help("is the server running, and are host and port right?"))]
    Unreachable { server: String, why: String },
    #[error("{server} did not answer in time")]
    #[diagnostic(help("--timeout SECONDS waits longer"))]
    Timeout { server: String },
    #[error("no secure connection to {server}: {why}")]
    #[diagnostic(help(
        "--ca FILE names the certificate that the server's must be signed by; the host in the address must be the one it is made out to"
    ))]
    Tls { server: String, why: String },
    #[error("{server} refuses the association: {why}")]
    #[diagnostic(help(
        "the title before the @ must be the server's; the server must know this one's (--title, HALSTED unless given); user and password come from HALSTED_PACS_USER and HALSTED_PACS_PASSWORD"
    ))]
    Refused { server: String, why: String },
    #[error("{server} asks for a user and password or does not accept them (HTTP {status})")]
    #[diagnostic(help("set HALSTED_PACS_USER and HALSTED_PACS_PASSWORD, or HALSTED_PACS_TOKEN"))]
    Unauthorised { server: String, status: u16 },
    #[error("{server} answers HTTP {status} to the {step}")]
    #[diagnostic(help("is the path of the address that of the DICOMweb service?"))]
    Status { server: String, step: &'static str, status: u16 },
    #[error("{server} does not offer {service}")]
    NotOffered { server: String, service: &'static str },
    #[error("{server} ends the {step} with status {status:04X}")]
    #[diagnostic(help("DICOM PS3.4 annex C lists the codes; 01xx and Axxx: the server refuses or fails"))]
    Dimse { server: String, step: &'static str, status: u16 },
    #[error("{server} broke off the {step}")]
    #[diagnostic(help("nothing has been written; try again; is it a server that wants TLS (dicoms://, https://)?"))]
    BrokenOff { server: String, step: &'static str },
    #[error("{server} answers the {step} with what is no answer to it: {why}")]
    Protocol { server: String, step: &'static str, why: &'static str },
    #[error("{server} could not send {missing} objects of the series")]
    #[diagnostic(help("they may be stored in a form that the server cannot send; nothing has been written"))]
    Incomplete { server: String, missing: u32 },
    #[error("the server has no series {0}, or tells its study to no one who does not name it")]
    #[diagnostic(help("`halsted patient find` prints both; give --study UID too"))]
    NoSuchSeries(String),
    #[error("more than {most} studies match")]
    #[diagnostic(help("narrow it: --modality, --study-date, HALSTED_PACS_PATIENT"))]
    TooMany { most: usize },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Deidentify(#[from] DeidentifyError),
}

/// Whether a read or write ended because its time was up.
pub(super) fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
