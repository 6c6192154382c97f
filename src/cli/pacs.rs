//! `halsted patient find` and `fetch`: series from an image archive.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{Answer, Found, print_json, print_line, progress::Progress};
use crate::patient::{
    DeidentifyOptions,
    pacs::{Address, Connection, Credentials, Filter, fetch_series, find_series},
};

/// How to reach the archive.
#[derive(Args)]
struct Reach {
    /// dicom://TITLE@host:port, dicoms:// the same with TLS, or http(s)://host/dicom-web
    url: String,
    /// What this side calls itself (application entity title)
    #[arg(long, default_value = "HALSTED", value_parser = title)]
    title: String,
    /// The certificates that the server's must be signed by (PEM)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// This side's certificate, where the server wants one (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Longest wait for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Let user and password, or token, go unencrypted to another machine
    #[arg(long)]
    unencrypted: bool,
}

/// Series of an image archive (PACS): no names, no numbers of patients
///
/// User and password come from HALSTED_PACS_USER and HALSTED_PACS_PASSWORD, a token from HALSTED_PACS_TOKEN, the number of the one
/// patient that is looked for from HALSTED_PACS_PATIENT.
#[derive(Args)]
pub struct Find {
    #[command(flatten)]
    reach: Reach,
    /// CT, MR, …
    #[arg(long, value_parser = modality)]
    modality: Option<String>,
    /// A day, or two with a hyphen between them: 20240101-20240131
    #[arg(long, value_name = "YYYYMMDD[-YYYYMMDD]", value_parser = dates)]
    study_date: Option<String>,
    /// Part of the description of the study or series
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[arg(long)]
    json: bool,
}

/// Fetch a series from an image archive (PACS): only what an allow list names is written
///
/// User and password come from HALSTED_PACS_USER and HALSTED_PACS_PASSWORD, a token from HALSTED_PACS_TOKEN.
#[derive(Args)]
pub struct Fetch {
    #[command(flatten)]
    reach: Reach,
    /// The series, as `patient find` prints it
    #[arg(long, value_name = "UID")]
    series: String,
    /// The study that it is in, for servers that ask for it
    #[arg(long, value_name = "UID")]
    study: Option<String>,
    /// Where it goes (a new folder)
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// I have looked at the pictures: no burned-in text, no recognisable face
    #[arg(long)]
    checked: bool,
}

fn title(text: &str) -> Result<String, String> {
    let fits = (1..=16).contains(&text.trim().len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\\');
    if fits { Ok(text.trim().to_owned()) } else { Err("1 to 16 letters and digits".to_owned()) }
}

fn modality(text: &str) -> Result<String, String> {
    let fits = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Ok(text.to_uppercase()) } else { Err("letters and digits: CT".to_owned()) }
}

fn dates(text: &str) -> Result<String, String> {
    let day = |part: &str| part.is_empty() || (part.len() == 8 && part.bytes().all(|b| b.is_ascii_digit()));
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    if day(from) && day(to) && text.len() >= 8 { Ok(text.to_owned()) } else { Err("20240131, or 20240101-20240131".to_owned()) }
}

impl Reach {
    fn resolve(self) -> miette::Result<(Address, Connection)> {
        let connection = Connection {
            calling_title: self.title,
            credentials: Credentials::from_environment(),
            ca: self.ca,
            identity: self.cert.zip(self.key),
            timeout: Duration::from_secs(self.timeout),
            unencrypted_credentials: self.unencrypted,
        };
        Ok((self.url.parse()?, connection))
    }
}

impl Find {
    pub fn run(self) -> Answer {
        let (address, connection) = self.reach.resolve()?;
        let patient_id = std::env::var("HALSTED_PACS_PATIENT").ok().filter(|id| !id.is_empty());
        let filter = Filter { modality: self.modality, study_date: self.study_date, description: self.description, patient_id };
        let found = find_series(&address, &connection, &filter)?;
        if self.json {
            print_json(&found)?;
            return Ok(Found::Well);
        }
        for series in &found {
            let images = series.images.map_or("?".to_owned(), |count| count.to_string());
            let modality = shown(&series.modality);
            print_line(&format!("{modality} {}, {images} images: {}", shown(&series.study_date), described(series)))?;
            print_line(&format!("  --series {} --study {}", shown(&series.series_uid), shown(&series.study_uid)))?;
        }
        print_line(&format!("{} series", found.len()))?;
        Ok(Found::Well)
    }
}

impl Fetch {
    pub fn run(self) -> Answer {
        let (address, connection) = self.reach.resolve()?;
        let options = DeidentifyOptions { pixels_checked: self.checked, ..DeidentifyOptions::default() };
        let progress = Progress::new();
        let wanted = (self.study.as_deref(), self.series.as_str());
        let report = fetch_series(&address, &connection, wanted, &self.out, &options, &|done| progress.at("fetching", done, 0));
        progress.end();
        let report = report?;
        print_line(&format!(
            "{} images in {}, without the person; {} other objects left out",
            report.written,
            self.out.display(),
            report.skipped
        ))?;
        Ok(Found::Well)
    }
}

fn described(series: &crate::patient::pacs::RemoteSeries) -> String {
    let parts = [&series.study_description, &series.series_description].map(|text| shown(text));
    let parts: Vec<String> = parts.into_iter().filter(|text| !text.is_empty()).collect();
    if parts.is_empty() { "no description".to_owned() } else { parts.join(" / ") }
}

/// What a server says, without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
