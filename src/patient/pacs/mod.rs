//! Series from an image archive (PACS): found by modality, date and description, fetched, and written without the person.
//!
//! ```text
//! dicom://, dicoms://  C-FIND, then C-GET ─┐
//! http://, https://    QIDO-RS, WADO-RS ───┴─► memory ─► allow list ─► new folder
//! ```
//! What comes is held in memory, and only what [`super::deidentify_folder`]'s allow list leaves of it is written; a fetch that fails
//! writes nothing. Messages name servers, UIDs and steps, never what a server says about a person.

mod address;
mod credentials;
mod dicomweb;
mod dimse;
mod failure;
mod multipart;
mod query;
mod retrieve;
mod tls;

use std::{path::Path, path::PathBuf, time::Duration};

use serde::Serialize;

pub use address::Address;
pub use credentials::Credentials;
pub use failure::PacsError;

use super::deidentify::{DeidentifyOptions, DeidentifyReport, Received};

/// How to reach a server, beside its address.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The application entity title that this side calls itself by.
    pub calling_title: String,
    pub credentials: Credentials,
    /// Certificates (PEM) that the server's must be signed by; of `https` Mozilla's list where none is given.
    pub ca: Option<PathBuf>,
    /// This side's certificate and its private key (PEM), where the server asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Longest wait for the connection and for each answer.
    pub timeout: Duration,
    /// A password or token may travel unencrypted to another machine.
    pub unencrypted_credentials: bool,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            calling_title: "HALSTED".to_owned(),
            credentials: Credentials::default(),
            ca: None,
            identity: None,
            timeout: Duration::from_secs(30),
            unencrypted_credentials: false,
        }
    }
}

/// Which series are wanted. What is not given matches everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// CT, MR, …
    pub modality: Option<String>,
    /// A day as YYYYMMDD, or two with a hyphen between them, either of which may be missing.
    pub study_date: Option<String>,
    /// Part of the description of the study or of the series, in small or capital letters.
    pub description: Option<String>,
    /// The patient's number in the archive. It is asked for and never told.
    pub patient_id: Option<String>,
}

/// A series of an archive: nothing that names a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteSeries {
    pub study_uid: String,
    pub series_uid: String,
    pub modality: String,
    /// YYYYMMDD; empty where the archive does not say.
    pub study_date: String,
    pub study_description: String,
    pub series_description: String,
    /// How many objects the series holds, where the archive says.
    pub images: Option<u32>,
}

/// Most studies that one search goes through.
const MAX_STUDIES: usize = 2000;

/// One study's answer to a query.
struct RemoteStudy {
    uid: String,
    date: String,
    description: String,
}

/// What both kinds of server can be asked for.
trait Archive {
    fn studies(&mut self, filter: &Filter) -> Result<Vec<RemoteStudy>, PacsError>;
    /// The series of a study, with blanks where the study is described.
    fn series(&mut self, study_uid: &str, modality: Option<&str>) -> Result<Vec<RemoteSeries>, PacsError>;
    /// The study that a series belongs to.
    fn study_of(&mut self, series_uid: &str) -> Result<Option<String>, PacsError>;
    /// Hands over every object of a series as the bytes of a DICOM file.
    fn fetch(&mut self, study_uid: &str, series_uid: &str, sink: &mut Sink<'_>) -> Result<(), PacsError>;
}

/// Takes the bytes of one DICOM file.
type Sink<'a> = dyn FnMut(Vec<u8>) -> Result<(), PacsError> + 'a;

fn archive<'a>(address: &'a Address, connection: &'a Connection) -> Result<Box<dyn Archive + 'a>, PacsError> {
    credentials::may_travel(address, connection)?;
    Ok(match address {
        Address::Dicom { .. } => Box::new(query::DicomArchive::new(address, connection)?),
        Address::Web { .. } => Box::new(dicomweb::WebArchive::new(address, connection)?),
    })
}

/// The series at a server that match, in the order of date, study and series.
///
/// # Errors
/// That the server cannot be reached, refuses, answers what is no answer or too slowly, or holds too many such studies to go through.
pub fn find_series(address: &Address, connection: &Connection, filter: &Filter) -> Result<Vec<RemoteSeries>, PacsError> {
    let mut archive = archive(address, connection)?;
    let studies = archive.studies(filter)?;
    if studies.len() > MAX_STUDIES {
        return Err(PacsError::TooMany { most: MAX_STUDIES });
    }
    let wanted = filter.description.as_ref().map(|text| text.to_lowercase());
    let mut found = Vec::new();
    for study in studies {
        for mut series in archive.series(&study.uid, filter.modality.as_deref())? {
            series.study_date.clone_from(&study.date);
            series.study_description.clone_from(&study.description);
            // not every server heeds what it is asked
            let described = wanted.as_ref().is_none_or(|wanted| {
                [&series.study_description, &series.series_description].iter().any(|text| text.to_lowercase().contains(wanted))
            });
            if described && filter.modality.as_ref().is_none_or(|modality| *modality == series.modality) {
                found.push(series);
            }
        }
    }
    found.sort_by(|a, b| (&a.study_date, &a.study_uid, &a.series_uid).cmp(&(&b.study_date, &b.study_uid, &b.series_uid)));
    Ok(found)
}

/// Fetches a series and writes it without the person into the new folder `to`; `study_uid` is asked of the server if it is not given.
///
/// # Errors
/// As [`find_series`]; that there is no such series, that objects are missing, or what [`super::deidentify_folder`] refuses. Nothing
/// is written then.
pub fn fetch_series(
    address: &Address,
    connection: &Connection,
    (study_uid, series_uid): (Option<&str>, &str),
    to: &Path,
    options: &DeidentifyOptions,
    progress: &dyn Fn(usize),
) -> Result<DeidentifyReport, PacsError> {
    if to.exists() {
        return Err(super::DeidentifyError::Occupied(to.to_owned()).into());
    }
    for uid in study_uid.iter().chain([&series_uid]) {
        if uid.is_empty() || uid.len() > 64 || !uid.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(PacsError::NoUid((*uid).to_owned()));
        }
    }
    let mut archive = archive(address, connection)?;
    let study = match study_uid {
        Some(uid) => uid.to_owned(),
        None => archive.study_of(series_uid)?.ok_or_else(|| PacsError::NoSuchSeries(series_uid.to_owned()))?,
    };
    let mut received = Received::new(options);
    archive.fetch(&study, series_uid, &mut |bytes| {
        received.take(bytes)?;
        progress(received.len());
        Ok(())
    })?;
    Ok(received.write(to)?)
}
