//! C-FIND in the study root model (PS3.4 annex C), and the archive that is asked so.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{
    super::{
        dicom::{DataSet, EXPLICIT_LE, IMPLICIT_LE, Tag, tags},
        encode::Writer,
    },
    Address, Archive, Connection, Filter, MAX_STUDIES, RemoteSeries, RemoteStudy, Sink,
    dimse::{Link, fields, layout},
    failure::PacsError,
    retrieve, tls,
};

const STUDY_ROOT_FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
const STEP: &str = "query";
/// Most answers to one query; a study has a few dozen series.
const MAX_ANSWERS: usize = 10_000;

const CHARACTERS: Tag = (0x0008, 0x0005);
const STUDY_DATE: Tag = (0x0008, 0x0020);
const LEVEL: Tag = (0x0008, 0x0052);
const MODALITIES: Tag = (0x0008, 0x0061);
const PATIENT_ID: Tag = (0x0010, 0x0020);
const IMAGES: Tag = (0x0020, 0x1209);

/// A server that speaks DICOM messages.
pub(super) struct DicomArchive<'a> {
    address: &'a Address,
    connection: &'a Connection,
    tls: Option<Arc<ClientConfig>>,
    /// The association for queries, once there was one.
    link: Option<Link>,
}

impl<'a> DicomArchive<'a> {
    pub fn new(address: &'a Address, connection: &'a Connection) -> Result<Self, PacsError> {
        let tls = if address.tls() { Some(Arc::new(tls::for_dicom(connection)?)) } else { None };
        Ok(Self { address, connection, tls, link: None })
    }

    /// Asks for what matches the keys at a level; `read` takes what it wants of each answer.
    fn find<T>(
        &mut self,
        level: &str,
        keys: &[(Tag, &[u8; 2], &str)],
        most: usize,
        read: impl Fn(&DataSet<'_>) -> Option<T>,
    ) -> Result<Vec<T>, PacsError> {
        let mut link = match self.link.take() {
            Some(link) => link,
            None => {
                let proposal = (STUDY_ROOT_FIND, vec![EXPLICIT_LE, IMPLICIT_LE]);
                Link::open(self.address, self.connection, self.tls.clone(), &[proposal], &[])?
            }
        };
        let (context, syntax) = link.context(STUDY_ROOT_FIND, "queries (C-FIND)")?;
        let layout = layout(&syntax);
        let mut query = Writer::new(layout);
        query.put(LEVEL, b"CS", level.as_bytes());
        keys.iter().for_each(|(tag, vr, value)| query.put(*tag, vr, value.as_bytes()));
        link.request(context, 0x0020, STUDY_ROOT_FIND, &query.into_bytes(), STEP)?;
        let mut found = Vec::new();
        loop {
            let answer = link.receive(STEP)?;
            match (answer.number(fields::COMMAND), answer.number(fields::STATUS), &answer.data) {
                (Some(0x8020), Some(0xFF00 | 0xFF01), Some(data)) => {
                    let set = DataSet::parse(data, layout).map_err(|_| link.protocol(STEP, "a data set nested too deep"))?;
                    found.extend(read(&set));
                    if found.len() > most {
                        return Ok(found);
                    }
                }
                (Some(0x8020), Some(0), _) => break,
                (Some(0x8020), Some(status), _) => return Err(link.failed(STEP, status)),
                _ => return Err(link.protocol(STEP, "another message")),
            }
        }
        self.link = Some(link);
        Ok(found)
    }
}

impl Archive for DicomArchive<'_> {
    fn studies(&mut self, filter: &Filter) -> Result<Vec<RemoteStudy>, PacsError> {
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        let (date, modality, patient) = (given(&filter.study_date), given(&filter.modality), given(&filter.patient_id));
        let mut keys: Vec<(Tag, &[u8; 2], &str)> =
            vec![(STUDY_DATE, b"DA", &date), (tags::STUDY_UID, b"UI", ""), (tags::STUDY_DESCRIPTION, b"LO", "")];
        if !modality.is_empty() {
            keys.push((MODALITIES, b"CS", &modality));
        }
        if !patient.is_empty() {
            keys.push((PATIENT_ID, b"LO", &patient));
        }
        self.find("STUDY", &keys, MAX_STUDIES, |answer| {
            Some(RemoteStudy {
                uid: answer.text(tags::STUDY_UID)?,
                date: answer.text(STUDY_DATE).unwrap_or_default(),
                description: readable(answer, tags::STUDY_DESCRIPTION),
            })
        })
    }

    fn series(&mut self, study_uid: &str, modality: Option<&str>) -> Result<Vec<RemoteSeries>, PacsError> {
        let keys: [(Tag, &[u8; 2], &str); 5] = [
            (tags::STUDY_UID, b"UI", study_uid),
            (tags::MODALITY, b"CS", modality.unwrap_or_default()),
            (tags::SERIES_UID, b"UI", ""),
            (tags::SERIES_DESCRIPTION, b"LO", ""),
            (IMAGES, b"IS", ""),
        ];
        self.find("SERIES", &keys, MAX_ANSWERS, |answer| {
            Some(RemoteSeries {
                study_uid: study_uid.to_owned(),
                series_uid: answer.text(tags::SERIES_UID)?,
                modality: answer.text(tags::MODALITY).unwrap_or_default(),
                study_date: String::new(),
                study_description: String::new(),
                series_description: readable(answer, tags::SERIES_DESCRIPTION),
                images: answer.text(IMAGES).and_then(|text| text.parse().ok()),
            })
        })
    }

    fn study_of(&mut self, series_uid: &str) -> Result<Option<String>, PacsError> {
        let keys: [(Tag, &[u8; 2], &str); 2] = [(tags::STUDY_UID, b"UI", ""), (tags::SERIES_UID, b"UI", series_uid)];
        let found = self.find("SERIES", &keys, MAX_ANSWERS, |answer| {
            let series = answer.text(tags::SERIES_UID)?;
            Some((series, answer.text(tags::STUDY_UID)?))
        });
        match found {
            Ok(found) => Ok(found.into_iter().find(|(series, _)| series == series_uid).map(|(_, study)| study)),
            // a server need not look for a series without its study (PS3.4 §C.4.1.2.2)
            Err(PacsError::Dimse { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    fn fetch(&mut self, study_uid: &str, series_uid: &str, sink: &mut Sink<'_>) -> Result<(), PacsError> {
        if let Some(link) = self.link.take() {
            link.close();
        }
        retrieve::get(self.address, self.connection, self.tls.clone(), (study_uid, series_uid), sink)
    }
}

impl Drop for DicomArchive<'_> {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.close();
        }
    }
}

/// Text for people: Latin-1 where the answer says so, else UTF-8.
fn readable(set: &DataSet<'_>, tag: Tag) -> String {
    match (set.bytes(tag), set.text(CHARACTERS).as_deref()) {
        (Some(bytes), Some("ISO_IR 100")) => bytes.iter().map(|&b| char::from(b)).collect::<String>().trim().to_owned(),
        _ => set.text(tag).unwrap_or_default(),
    }
}
