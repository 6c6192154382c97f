//! QIDO-RS and WADO-RS (PS3.18 §10): searches answered in JSON, series sent as one multipart body.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use ureq::{
    Agent, Body,
    http::{Response, header},
};

use super::{
    super::deidentify::Received,
    Address, Archive, Connection, Credentials, Filter, MAX_STUDIES, RemoteSeries, RemoteStudy, Sink,
    failure::{PacsError, timed_out},
    multipart::{Cut, Parts, boundary},
    tls,
};

/// Longest answer to a search.
const MAX_ANSWER: u64 = 64 << 20;

/// A server that speaks DICOMweb.
pub(super) struct WebArchive<'a> {
    root: String,
    agent: Agent,
    connection: &'a Connection,
}

impl<'a> WebArchive<'a> {
    pub fn new(address: &Address, connection: &'a Connection) -> Result<Self, PacsError> {
        let timeout = Some(connection.timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .tls_config(tls::for_web(connection)?)
            // an archive that sends one elsewhere is not the one that was named
            .max_redirects(0)
            .timeout_connect(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .timeout_per_write(timeout)
            .build();
        Ok(Self { root: address.to_string(), agent: config.new_agent(), connection })
    }

    fn ask(&self, path: &str, accept: &str, step: &'static str) -> Result<Response<Body>, PacsError> {
        let mut request = self.agent.get(format!("{}/{path}", self.root)).header(header::ACCEPT, accept);
        request = match &self.connection.credentials {
            Credentials::None => request,
            Credentials::User { user, password } => {
                request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Credentials::Token(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
        };
        let response = request.call().map_err(|why| self.said(why, step))?;
        match response.status().as_u16() {
            200 | 204 => Ok(response),
            status @ (401 | 403) => Err(PacsError::Unauthorised { server: self.root.clone(), status }),
            status => Err(PacsError::Status { server: self.root.clone(), step, status }),
        }
    }

    /// The objects that a search finds.
    fn search(&self, path: &str) -> Result<Vec<Value>, PacsError> {
        const STEP: &str = "search";
        let mut response = self.ask(path, "application/dicom+json", STEP)?;
        if response.status().as_u16() == 204 {
            return Ok(Vec::new());
        }
        let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(|why| self.said(why, STEP))?;
        match serde_json::from_slice(&text) {
            Ok(Value::Array(found)) => Ok(found),
            _ => Err(self.protocol(STEP, "no JSON list")),
        }
    }

    fn protocol(&self, step: &'static str, why: &'static str) -> PacsError {
        PacsError::Protocol { server: self.root.clone(), step, why }
    }

    /// What the error of a request means.
    fn said(&self, error: ureq::Error, step: &'static str) -> PacsError {
        let server = self.root.clone();
        match error {
            ureq::Error::Timeout(_) => PacsError::Timeout { server },
            ureq::Error::HostNotFound => PacsError::Unreachable { server, why: "no such host".to_owned() },
            ureq::Error::ConnectionFailed => PacsError::Unreachable { server, why: "no connection".to_owned() },
            ureq::Error::Rustls(why) => PacsError::Tls { server, why: why.to_string() },
            ureq::Error::Tls(why) => PacsError::Tls { server, why: why.to_owned() },
            ureq::Error::Io(why) if timed_out(&why) => PacsError::Timeout { server },
            ureq::Error::Io(why) => match why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(tls) => PacsError::Tls { server, why: tls.to_string() },
                None if why.kind() == std::io::ErrorKind::ConnectionRefused => {
                    PacsError::Unreachable { server, why: why.to_string() }
                }
                None => PacsError::BrokenOff { server, step },
            },
            ureq::Error::BodyExceedsLimit(_) => self.protocol(step, "a longer one than is taken"),
            ureq::Error::TooManyRedirects => self.protocol(step, "the address of another server"),
            _ => PacsError::BrokenOff { server, step },
        }
    }
}

impl Archive for WebArchive<'_> {
    fn studies(&mut self, filter: &Filter) -> Result<Vec<RemoteStudy>, PacsError> {
        let mut path = format!("studies?includefield=00081030&limit={}", MAX_STUDIES + 1);
        let wanted =
            [("StudyDate", &filter.study_date), ("ModalitiesInStudy", &filter.modality), ("PatientID", &filter.patient_id)];
        for (name, value) in wanted {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", escaped(value)));
            }
        }
        let study = |found: &Value| {
            let uid = text(found, "0020000D").filter(|uid| is_uid(uid))?;
            let description = text(found, "00081030").unwrap_or_default();
            Some(RemoteStudy { uid, date: text(found, "00080020").unwrap_or_default(), description })
        };
        Ok(self.search(&path)?.iter().filter_map(study).collect())
    }

    fn series(&mut self, study_uid: &str, modality: Option<&str>) -> Result<Vec<RemoteSeries>, PacsError> {
        let mut path = format!("studies/{study_uid}/series?includefield=0008103E&includefield=00201209");
        if let Some(modality) = modality {
            path.push_str(&format!("&Modality={}", escaped(modality)));
        }
        let series = |found: &Value| {
            Some(RemoteSeries {
                study_uid: study_uid.to_owned(),
                series_uid: text(found, "0020000E")?,
                modality: text(found, "00080060").unwrap_or_default(),
                study_date: String::new(),
                study_description: String::new(),
                series_description: text(found, "0008103E").unwrap_or_default(),
                images: text(found, "00201209").and_then(|text| text.parse().ok()),
            })
        };
        Ok(self.search(&path)?.iter().filter_map(series).collect())
    }

    fn study_of(&mut self, series_uid: &str) -> Result<Option<String>, PacsError> {
        let found = self.search(&format!("series?SeriesInstanceUID={series_uid}&includefield=0020000D"))?;
        let of = |found: &Value| (text(found, "0020000E")? == series_uid).then(|| text(found, "0020000D")).flatten();
        Ok(found.iter().find_map(of).filter(|uid| is_uid(uid)))
    }

    fn fetch(&mut self, study_uid: &str, series_uid: &str, sink: &mut Sink<'_>) -> Result<(), PacsError> {
        const STEP: &str = "retrieval";
        let path = format!("studies/{study_uid}/series/{series_uid}");
        // as they are stored: no conversion on the server
        let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
        let response = match self.ask(&path, accept, STEP) {
            Err(PacsError::Status { status: 404, .. }) => return Err(PacsError::NoSuchSeries(series_uid.to_owned())),
            other => other?,
        };
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = content_type.and_then(boundary).ok_or_else(|| self.protocol(STEP, "no multipart/related"))?;
        let body = response.into_body().into_with_config().limit(2 * Received::MAX_BYTES as u64).reader();
        let mut parts = Parts::new(body, &boundary, Received::MAX_BYTES);
        loop {
            match parts.next() {
                Ok(Some(file)) => sink(file)?,
                Ok(None) => return Ok(()),
                Err(Cut::Early) => return Err(PacsError::BrokenOff { server: self.root.clone(), step: STEP }),
                Err(Cut::TooLong) => return Err(self.protocol(STEP, "a part without an end")),
                Err(Cut::Io(why)) => {
                    // the client's own errors travel inside the reader's
                    return Err(self.said(ureq::Error::from(why), STEP));
                }
            }
        }
    }
}

/// The first value of an attribute in DICOM's JSON model (PS3.18 annex F).
fn text(found: &Value, tag: &str) -> Option<String> {
    match found.get(tag)?.get("Value")?.get(0)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_uid(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A value for a query (RFC 3986 §2.1).
fn escaped(value: &str) -> String {
    let keep = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    value.bytes().map(|b| if keep(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
