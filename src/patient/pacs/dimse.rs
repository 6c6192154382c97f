//! DICOM messages over an association: a command, mostly with a data set after it (PS3.7 §6.3 and annex E, PS3.8 annex D).

use std::{collections::VecDeque, error::Error as _, io, sync::Arc, time::Instant};

use dicom_ul::{
    Pdu,
    association::{Association, ClientAssociationOptions, CloseSocket, Error, SyncAssociation, client::ClientAssociation},
    pdu::{AssociationRJSource, PDataValue, PDataValueType, PresentationContextNegotiated},
};
use rustls::ClientConfig;

use super::{
    super::{
        deidentify::Received,
        dicom::{DataSet, IMPLICIT_LE, Layout, Tag},
        encode::Writer,
    },
    Address, Connection, Credentials,
    failure::{PacsError, timed_out},
};

/// Longest command; real ones have a few hundred bytes.
const MAX_COMMAND: usize = 1 << 16;
const IMPLICIT: Layout = Layout { explicit: false, big_endian: false };

pub(super) mod fields {
    use super::super::super::dicom::Tag;
    pub const SOP_CLASS: Tag = (0, 0x0002);
    pub const COMMAND: Tag = (0, 0x0100);
    pub const MESSAGE_ID: Tag = (0, 0x0110);
    pub const ANSWERED_ID: Tag = (0, 0x0120);
    pub const PRIORITY: Tag = (0, 0x0700);
    pub const DATA_SET: Tag = (0, 0x0800);
    pub const STATUS: Tag = (0, 0x0900);
    pub const SOP_INSTANCE: Tag = (0, 0x1000);
    pub const FAILED: Tag = (0, 0x1022);
}

/// What [`fields::DATA_SET`] says where no data set follows.
const NO_DATA_SET: u16 = 0x0101;

/// An association, encrypted or not.
trait Wire {
    fn send(&mut self, pdu: &Pdu) -> Result<(), Error>;
    fn receive(&mut self) -> Result<Pdu, Error>;
    fn contexts(&self) -> &[PresentationContextNegotiated];
    fn longest(&self) -> usize;
}

impl<S: io::Read + io::Write + CloseSocket> Wire for ClientAssociation<S> {
    fn send(&mut self, pdu: &Pdu) -> Result<(), Error> {
        SyncAssociation::send(self, pdu)
    }

    fn receive(&mut self) -> Result<Pdu, Error> {
        SyncAssociation::receive(self)
    }

    fn contexts(&self) -> &[PresentationContextNegotiated] {
        Association::presentation_contexts(self)
    }

    fn longest(&self) -> usize {
        Association::acceptor_max_pdu_length(self) as usize
    }
}

/// What to do with which objects, and the transfer syntaxes to do it in: a proposal for one presentation context.
pub(super) type Proposal<'a> = (&'a str, Vec<&'a str>);

/// A message that came.
pub(super) struct Message {
    pub context: u8,
    command: Vec<u8>,
    pub data: Option<Vec<u8>>,
}

impl Message {
    pub fn number(&self, tag: Tag) -> Option<u16> {
        DataSet::parse(&self.command, IMPLICIT).ok()?.u16(tag)
    }

    pub fn text(&self, tag: Tag) -> Option<String> {
        DataSet::parse(&self.command, IMPLICIT).ok()?.text(tag)
    }
}

pub(super) struct Link {
    wire: Box<dyn Wire>,
    server: String,
    waiting: VecDeque<PDataValue>,
    last_id: u16,
}

impl Link {
    /// Asks for an association. `stores` are the classes of objects that the server may send back over it (PS3.7 §D.3.3.4).
    pub fn open(
        address: &Address,
        connection: &Connection,
        tls: Option<Arc<ClientConfig>>,
        proposals: &[Proposal<'_>],
        stores: &[&str],
    ) -> Result<Self, PacsError> {
        let Address::Dicom { title, host, port, .. } = address else {
            return Err(PacsError::Address("it is no DICOM address"));
        };
        let server = address.to_string();
        let mut options = ClientAssociationOptions::new()
            .calling_ae_title(connection.calling_title.as_str())
            .called_ae_title(title.as_str())
            .connection_timeout(connection.timeout)
            .read_timeout(connection.timeout)
            .write_timeout(connection.timeout);
        for (class, syntaxes) in proposals {
            options = options.with_presentation_context(*class, syntaxes.clone());
        }
        for class in stores {
            options = options.with_role_selection(*class, false, true);
        }
        options = match &connection.credentials {
            Credentials::None => options,
            Credentials::User { user, password } => options.username_password(user.as_str(), password.as_str()),
            Credentials::Token(token) => options.jwt(token.as_str()),
        };
        let at = (host.as_str(), *port);
        let begun = Instant::now();
        // without TLS the library calls every missing answer to the request a sign of TLS: time tells
        let refused = |why| match why {
            Error::TlsNotSupported if begun.elapsed() >= connection.timeout => PacsError::Timeout { server: server.clone() },
            Error::TlsNotSupported => PacsError::BrokenOff { server: server.clone(), step: "association" },
            why => said(why, &server, "association"),
        };
        let wire: Box<dyn Wire> = match tls {
            None => Box::new(options.establish(at).map_err(refused)?),
            Some(config) => Box::new(options.tls_config(config).server_name(host).establish_tls(at).map_err(refused)?),
        };
        Ok(Self { wire, server, waiting: VecDeque::new(), last_id: 0 })
    }

    /// The accepted context for a class: its number and transfer syntax.
    pub fn context(&self, class: &str, service: &'static str) -> Result<(u8, String), PacsError> {
        let accepted = self.wire.contexts().iter().find(|context| context.abstract_syntax == class);
        accepted
            .map(|context| (context.id, bare(&context.transfer_syntax)))
            .ok_or_else(|| PacsError::NotOffered { server: self.server.clone(), service })
    }

    pub fn syntax_of(&self, context: u8) -> Option<String> {
        self.wire.contexts().iter().find(|accepted| accepted.id == context).map(|accepted| bare(&accepted.transfer_syntax))
    }

    pub fn protocol(&self, step: &'static str, why: &'static str) -> PacsError {
        PacsError::Protocol { server: self.server.clone(), step, why }
    }

    pub fn failed(&self, step: &'static str, status: u16) -> PacsError {
        PacsError::Dimse { server: self.server.clone(), step, status }
    }

    pub fn incomplete(&self, missing: u32) -> PacsError {
        PacsError::Incomplete { server: self.server.clone(), missing }
    }

    /// Sends a request of this kind with a data set; its number comes back.
    pub fn request(&mut self, context: u8, kind: u16, class: &str, data: &[u8], step: &'static str) -> Result<u16, PacsError> {
        self.last_id = self.last_id.wrapping_add(1);
        let mut command = Writer::new(IMPLICIT);
        command.put(fields::SOP_CLASS, b"UI", class.as_bytes());
        for (tag, value) in [(fields::COMMAND, kind), (fields::MESSAGE_ID, self.last_id), (fields::PRIORITY, 0)] {
            command.put(tag, b"US", &value.to_le_bytes());
        }
        // any other number than that of none says that there is one
        command.put(fields::DATA_SET, b"US", &1u16.to_le_bytes());
        self.send(context, command, Some(data), step)?;
        Ok(self.last_id)
    }

    /// Answers a request to store with this status.
    pub fn stored(&mut self, request: &Message, status: u16) -> Result<(), PacsError> {
        let mut command = Writer::new(IMPLICIT);
        command.put(fields::SOP_CLASS, b"UI", request.text(fields::SOP_CLASS).unwrap_or_default().as_bytes());
        command.put(fields::SOP_INSTANCE, b"UI", request.text(fields::SOP_INSTANCE).unwrap_or_default().as_bytes());
        let answered = request.number(fields::MESSAGE_ID).unwrap_or_default();
        let numbers = [
            (fields::COMMAND, 0x8001),
            (fields::ANSWERED_ID, answered),
            (fields::DATA_SET, NO_DATA_SET),
            (fields::STATUS, status),
        ];
        for (tag, value) in numbers {
            command.put(tag, b"US", &value.to_le_bytes());
        }
        self.send(request.context, command, None, "retrieval")
    }

    fn send(&mut self, context: u8, mut command: Writer, data: Option<&[u8]>, step: &'static str) -> Result<(), PacsError> {
        let length: usize = command.elements.values().map(Vec::len).sum();
        command.put((0, 0), b"UL", &(length as u32).to_le_bytes());
        // the heads of the PDU and of the value in it count too
        let room = self.wire.longest().clamp(1024, 1 << 17) - 12;
        let command = command.into_bytes();
        for (bytes, value_type) in [(Some(command.as_slice()), PDataValueType::Command), (data, PDataValueType::Data)] {
            let Some(bytes) = bytes else { continue };
            let pieces = bytes.len().div_ceil(room);
            for (number, piece) in bytes.chunks(room).enumerate() {
                let value = PDataValue {
                    presentation_context_id: context,
                    value_type: value_type.clone(),
                    is_last: number + 1 == pieces,
                    data: piece.to_vec(),
                };
                self.wire.send(&Pdu::PData { data: vec![value] }).map_err(|why| said(why, &self.server, step))?;
            }
        }
        Ok(())
    }

    /// Waits for the next message.
    pub fn receive(&mut self, step: &'static str) -> Result<Message, PacsError> {
        let (context, command) = self.gather(PDataValueType::Command, MAX_COMMAND, step)?;
        let mut message = Message { context, command, data: None };
        let follows = message.number(fields::DATA_SET).ok_or_else(|| self.protocol(step, "a command without its fields"))?;
        if follows != NO_DATA_SET {
            message.data = Some(self.gather(PDataValueType::Data, Received::MAX_BYTES, step)?.1);
        }
        Ok(message)
    }

    fn gather(&mut self, wanted: PDataValueType, most: usize, step: &'static str) -> Result<(u8, Vec<u8>), PacsError> {
        let mut bytes = Vec::new();
        loop {
            let Some(value) = self.waiting.pop_front() else {
                match self.wire.receive().map_err(|why| said(why, &self.server, step))? {
                    Pdu::PData { data } => self.waiting.extend(data),
                    Pdu::AbortRQ { .. } | Pdu::ReleaseRQ => {
                        return Err(PacsError::BrokenOff { server: self.server.clone(), step });
                    }
                    _ => return Err(self.protocol(step, "not a message")),
                }
                continue;
            };
            if value.value_type != wanted {
                return Err(self.protocol(step, "a command where data belong, or data where a command does"));
            }
            bytes.extend(value.data);
            if bytes.len() > most {
                return Err(self.protocol(step, "a message without an end"));
            }
            if value.is_last {
                return Ok((value.presentation_context_id, bytes));
            }
        }
    }

    /// Ends the association. What was wanted is there, so that a server which no longer answers does not matter.
    pub fn close(mut self) {
        if self.wire.send(&Pdu::ReleaseRQ).is_ok() {
            let _ = self.wire.receive();
        }
    }
}

/// A transfer syntax without its padding.
fn bare(uid: &str) -> String {
    uid.trim_end_matches(['\0', ' ']).to_owned()
}

/// The layout of data sets in the uncompressed transfer syntaxes that queries are made in.
pub(super) fn layout(syntax: &str) -> Layout {
    Layout { explicit: syntax != IMPLICIT_LE, big_endian: false }
}

/// What the association's error means. Its own words may hold what the server sent, and are not passed on.
fn said(error: Error, server: &str, step: &'static str) -> PacsError {
    let server = server.to_owned();
    let mut cause = error.source();
    let io = loop {
        let Some(inner) = cause else { break None };
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            break Some(io);
        }
        cause = inner.source();
    };
    let tls = match &error {
        Error::TlsConnection { source, .. } => Some(source.to_string()),
        _ => io.and_then(|io| io.get_ref()).and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(ToString::to_string),
    };
    if let Some(why) = tls {
        return PacsError::Tls { server, why };
    }
    match &error {
        Error::Rejected { association_rj, .. } => {
            let why = match &association_rj.source {
                AssociationRJSource::ServiceUser(reason) => reason.to_string(),
                AssociationRJSource::ServiceProviderASCE(reason) => reason.to_string(),
                AssociationRJSource::ServiceProviderPresentation(reason) => reason.to_string(),
            };
            PacsError::Refused { server, why }
        }
        Error::NoAcceptedPresentationContexts { .. } => PacsError::NotOffered { server, service: "what is asked of it" },
        Error::Timeout { .. } => PacsError::Timeout { server },
        Error::InvalidServerName { .. } => PacsError::Tls { server, why: "the host is no name for a certificate".to_owned() },
        _ if io.is_some_and(timed_out) => PacsError::Timeout { server },
        Error::ToAddress { .. } | Error::Connect { .. } => {
            PacsError::Unreachable { server, why: io.map_or_else(|| "no connection".to_owned(), ToString::to_string) }
        }
        Error::TlsHandshake { .. } => {
            PacsError::Tls { server, why: io.map_or_else(|| "no handshake".to_owned(), ToString::to_string) }
        }
        _ => PacsError::BrokenOff { server, step },
    }
}
