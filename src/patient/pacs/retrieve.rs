//! C-GET of one series (PS3.4 §C.4.3): the server sends the objects back over the same association.

use std::sync::Arc;

use rustls::ClientConfig;

use super::{
    super::{
        dicom::{EXPLICIT_LE, IMPLICIT_LE, Tag, tags},
        encode::{Writer, meta},
    },
    Address, Connection, Sink,
    dimse::{Link, Message, Proposal, fields, layout},
    failure::PacsError,
};

const STUDY_ROOT_GET: &str = "1.2.840.10008.5.1.4.1.2.2.3";
const STEP: &str = "retrieval";
const LEVEL: Tag = (0x0008, 0x0052);

/// What series consist of: CT and MR images, single-frame, enhanced and converted; positron emission.
const STORED: [&str; 7] = [
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.4.1",
    "1.2.840.10008.5.1.4.1.1.4.4",
    "1.2.840.10008.5.1.4.1.1.128",
];

/// How images may come, each in a context of its own so that the server need not convert: uncompressed; JPEG baseline, extended,
/// lossless; JPEG-LS; JPEG 2000; RLE.
const SYNTAXES: [&str; 11] = [
    EXPLICIT_LE,
    IMPLICIT_LE,
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.5",
];

pub(super) fn get(
    address: &Address,
    connection: &Connection,
    tls: Option<Arc<ClientConfig>>,
    (study_uid, series_uid): (&str, &str),
    sink: &mut Sink<'_>,
) -> Result<(), PacsError> {
    let mut proposals: Vec<Proposal<'_>> = vec![(STUDY_ROOT_GET, vec![EXPLICIT_LE, IMPLICIT_LE])];
    proposals.extend(STORED.iter().flat_map(|&class| SYNTAXES.iter().map(move |&syntax| (class, vec![syntax]))));
    let mut link = Link::open(address, connection, tls, &proposals, &STORED)?;
    let (context, syntax) = link.context(STUDY_ROOT_GET, "retrieval over the same connection (C-GET)")?;
    let mut wanted = Writer::new(layout(&syntax));
    wanted.put(LEVEL, b"CS", b"SERIES");
    wanted.put(tags::STUDY_UID, b"UI", study_uid.as_bytes());
    wanted.put(tags::SERIES_UID, b"UI", series_uid.as_bytes());
    link.request(context, 0x0010, STUDY_ROOT_GET, &wanted.into_bytes(), STEP)?;
    loop {
        let message = link.receive(STEP)?;
        match (message.number(fields::COMMAND), message.number(fields::STATUS)) {
            (Some(0x0001), _) => {
                let file = as_file(&link, &message)?;
                link.stored(&message, 0)?;
                sink(file)?;
            }
            (Some(0x8010), Some(0xFF00)) => {}
            (Some(0x8010), Some(status)) => {
                let missing = message.number(fields::FAILED).unwrap_or(0);
                return match (status, missing) {
                    (0, 0) => {
                        link.close();
                        Ok(())
                    }
                    (0 | 0xB000, 1..) => Err(link.incomplete(u32::from(missing))),
                    _ => Err(link.failed(STEP, status)),
                };
            }
            _ => return Err(link.protocol(STEP, "another message")),
        }
    }
}

/// The bytes of a file (PS3.10) around the data set that was sent.
fn as_file(link: &Link, message: &Message) -> Result<Vec<u8>, PacsError> {
    let (Some(class), Some(instance), Some(syntax), Some(data)) = (
        message.text(fields::SOP_CLASS),
        message.text(fields::SOP_INSTANCE),
        link.syntax_of(message.context),
        message.data.as_ref(),
    ) else {
        return Err(link.protocol(STEP, "an object without its class, its UID or its content"));
    };
    let mut file = meta(&class, &instance, &syntax);
    file.extend_from_slice(data);
    Ok(file)
}
