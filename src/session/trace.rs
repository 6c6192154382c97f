//! The trace: everything needed to repeat a session and to score it, in one append-only file.
//!
//! ```text
//! "HALSTED\n" version:u16le · zlib stream of records, flushed at every tick
//! record = length:u32le crc32:u32le payload        payload = postcard of `Record`
//! ```
//!
//! The stream keeps its dictionary from tick to tick, so a tick costs some hundred bytes; because it is flushed, a killed process
//! leaves a file that can be read to its last whole tick. Nothing in it depends on the wall clock, the machine's name or the person.

use std::{
    fs::File,
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use glam::Vec3;
use serde::{Deserialize, Serialize};

use crate::{
    clock::TICK_HZ,
    geom::Pose,
    instrument::{InputFrame, Side, ToolKind},
    patient::physiology::Monitor,
};

const MAGIC: &[u8; 8] = b"HALSTED\n";

/// Version of the file format; a reader refuses any other.
pub const TRACE_VERSION: u16 = 1;

/// No record of a sound trace is larger (the header holds the case's text).
const RECORD_LIMIT: u32 = 16 << 20;

/// What a session started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the program that recorded it.
    pub software: String,
    /// Id of the case (its file's stem).
    pub case: String,
    /// Text of the case, as it was run, and of its rubric.
    pub scenario_ron: String,
    pub rubric_ron: String,
    /// sha256 (hex) of the twin's `twin.ron`, where the case has a patient.
    pub twin_sha256: Option<String>,
    pub seed: u64,
    /// Where the poses came from: `bot:expert`, `motion`, `mouse`, `openxr`.
    pub source: String,
    /// Ticks a second.
    pub tick_hz: u32,
    /// Kind of tool in each hand, left first.
    pub tools: [Option<ToolKind>; 2],
    /// Pivots of the tools, world, m.
    pub trocars: [Option<Vec3>; 2],
    /// Largest force a tool may put on tissue before the rubric counts it as over-force, N.
    pub force_limit_n: f32,
    /// How the numbers were rounded: the instruction level and the lane width.
    pub arithmetic: String,
}

/// How one tool stood at the end of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ToolSample {
    /// `world_from_tip` after the trocar.
    pub pose: Pose,
    /// Angle between the jaws, rad.
    pub jaw_rad: f32,
    /// Force of the tool on what it touches and holds, world, N.
    pub force_n: Vec3,
    /// Whether it holds something.
    pub holding: bool,
}

/// Something that happened in a tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Jaws closed on tissue or an object.
    Grasped { side: Side, what: String },
    /// Jaws opened and let it go.
    Released { side: Side, what: String },
    /// It was torn out of the jaws: the pull passed what they can hold.
    Slipped { side: Side, what: String, force_n: f32 },
    /// Tissue was divided.
    Cut {
        side: Side,
        /// New surface on one side of the cut, m².
        area_m2: f32,
        /// Smallest distance of the new surface to the lesion's surface at rest, m; negative inside; none without a lesion.
        margin_m: Option<f32>,
        place: Vec3,
    },
    /// A region of tissue passed its stress limit (once per region until it recovers).
    Overstressed { what: String, stress_pa: f32, limit_pa: f32, place: Vec3 },
    /// An object fell out of the jaws or onto the table; `lost` when it left the field.
    Dropped { what: String, lost: bool, place: Vec3 },
    /// An object came to rest on a peg.
    Placed { what: String, on: String },
    /// A step of the case was completed.
    StepDone { id: String },
    /// An error of the case was committed.
    ErrorMade { id: String, critical: bool, place: Option<Vec3> },
    /// A body could not be solved and rests at its last good pose.
    BodyRested { what: String },
    /// All steps are done.
    Completed,
    /// The session ended before: the time limit, a critical error that ends the case, or the operator.
    Stopped { why: String },
    /// What the patient's monitor shows, once a second in cases that have one.
    VitalSigns(Monitor),
    /// Tissue tore: a new tear where `began`, or one that ran on. G, J/m², or for a new one the stress, Pa, that did it, and the limit it passed.
    Torn { what: String, began: bool, area_m2: f32, drive: f32, limit: f32, place: Vec3 },
    /// A band that holds an organ lost fibres, to a blade where `divided`, else to overload: its pull before, N, and the share of its strength left.
    AttachmentLost { what: String, divided: bool, pull_n: f32, left: f32, place: Vec3 },
    /// A cut opened a vessel that the scan shows; what it carried at rest.
    VesselCut { name: String, radius_mm: f32, flow_ml_per_min: f32, place: Vec3 },
    /// Tissue bore more than its limit: what of (`pressure`, `force`, …), how much in `unit`, and the limit with the time it has to last.
    Damaged { what: String, measure: String, value: f32, limit: f32, held_secs: f32, unit: String, place: Vec3 },
}

/// One tick: what went in, what came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TickRecord {
    pub input: InputFrame,
    pub tools: [Option<ToolSample>; 2],
    pub events: Vec<Event>,
    /// First 8 bytes of the running sha256 over the state of all bodies, tools and events up to here.
    pub digest: [u8; 8],
    /// Whether this tick began later than the clock wanted (never in a headless run).
    pub late: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Record {
    Header(Box<Header>),
    Tick(Box<TickRecord>),
    End { digest: [u8; 32] },
}

/// Why a trace cannot be written or read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TraceError {
    #[error("{}: cannot be {doing}: {why}", path.display())]
    Io { path: PathBuf, doing: &'static str, why: std::io::Error },
    #[error("{}: not a Halsted trace", path.display())]
    #[diagnostic(help("a trace ends in .halsted and is written by `halsted run` or `halsted play`"))]
    NotATrace { path: PathBuf },
    #[error("{}: trace format {found}; this program reads {TRACE_VERSION}", path.display())]
    #[diagnostic(help("replay it with the version of Halsted that recorded it"))]
    Version { path: PathBuf, found: u16 },
    #[error("{}: damaged at record {record}: {why}", path.display())]
    Damaged { path: PathBuf, record: usize, why: String },
}

/// Writes a trace tick by tick.
pub struct TraceWriter {
    path: PathBuf,
    stream: ZlibEncoder<File>,
}

impl TraceWriter {
    /// Creates the file (and its folder) and writes the header.
    pub fn create(path: &Path, header: &Header) -> Result<Self, TraceError> {
        let io = |why| TraceError::Io { path: path.to_owned(), doing: "written", why };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        let mut file = File::create(path).map_err(io)?;
        file.write_all(MAGIC).and_then(|()| file.write_all(&TRACE_VERSION.to_le_bytes())).map_err(io)?;
        let mut writer = Self { path: path.to_owned(), stream: ZlibEncoder::new(file, Compression::fast()) };
        writer.append(&Record::Header(Box::new(header.clone())))?;
        Ok(writer)
    }

    /// Appends a tick; when this returns, the operating system has it.
    pub fn tick(&mut self, tick: TickRecord) -> Result<(), TraceError> {
        self.append(&Record::Tick(Box::new(tick)))
    }

    /// Ends the trace: a reader then knows that nothing is missing.
    pub fn finish(mut self, digest: [u8; 32]) -> Result<(), TraceError> {
        self.append(&Record::End { digest })?;
        let Self { path, stream } = self;
        let io = |why| TraceError::Io { path: path.clone(), doing: "written", why };
        stream.finish().map_err(io)?.sync_all().map_err(io)
    }

    fn append(&mut self, record: &Record) -> Result<(), TraceError> {
        let io = |why| TraceError::Io { path: self.path.clone(), doing: "written", why };
        let payload = postcard::to_stdvec(record).map_err(|why| io(std::io::Error::other(why)))?;
        let mut bytes = Vec::with_capacity(payload.len() + 8);
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(crc32fast::hash(&payload).to_le_bytes());
        bytes.extend(payload);
        self.stream.write_all(&bytes).and_then(|()| self.stream.flush()).map_err(io)
    }
}

/// A trace in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    pub header: Header,
    pub ticks: Vec<TickRecord>,
    /// The final digest, when the session ended in order; none after a crash.
    pub digest: Option<[u8; 32]>,
}

impl Trace {
    /// Reads a trace, to its last whole tick if the recording broke off. A record that is whole but wrong is an error.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let io = |why| TraceError::Io { path: path.to_owned(), doing: "read", why };
        let mut file = BufReader::new(File::open(path).map_err(io)?);
        let mut start = [0u8; 10];
        if file.read_exact(&mut start).is_err() || &start[..8] != MAGIC {
            return Err(TraceError::NotATrace { path: path.to_owned() });
        }
        let found = u16::from_le_bytes([start[8], start[9]]);
        if found != TRACE_VERSION {
            return Err(TraceError::Version { path: path.to_owned(), found });
        }
        let mut stream = ZlibDecoder::new(file);
        let damaged = |record, why: &str| TraceError::Damaged { path: path.to_owned(), record, why: why.to_owned() };
        let mut header = None;
        let mut ticks = Vec::new();
        let mut digest = None;
        for number in 0.. {
            let Some(payload) = next_payload(&mut stream).map_err(|why| damaged(number, &why))? else { break };
            match postcard::from_bytes(&payload).map_err(|why| damaged(number, &why.to_string()))? {
                Record::Header(first) if number == 0 => header = Some(*first),
                Record::Tick(tick) if number > 0 && digest.is_none() => ticks.push(*tick),
                Record::End { digest: end } if number > 0 && digest.is_none() => digest = Some(end),
                _ => return Err(damaged(number, "a record out of its place")),
            }
        }
        let header = header.ok_or_else(|| damaged(0, "the header is missing"))?;
        if header.tick_hz != TICK_HZ {
            return Err(damaged(0, "recorded at another tick rate"));
        }
        Ok(Self { header, ticks, digest })
    }

    /// Duration of the recording, s.
    pub fn duration_secs(&self) -> f64 {
        crate::clock::secs_at(self.ticks.len() as u64)
    }

    /// Every event with the number of its tick (the first is 1).
    pub fn events(&self) -> impl Iterator<Item = (u64, &Event)> {
        self.ticks.iter().enumerate().flat_map(|(index, tick)| tick.events.iter().map(move |event| (index as u64 + 1, event)))
    }

    /// The digest up to the last whole tick, as hexadecimal.
    pub fn digest_hex(&self) -> String {
        match (&self.digest, self.ticks.last()) {
            (Some(whole), _) => hex::encode(whole),
            (None, Some(tick)) => hex::encode(tick.digest),
            (None, None) => String::new(),
        }
    }
}

/// The payload of the next record; nothing at the end or where the recording broke off; an error where a whole record is wrong.
fn next_payload(stream: &mut impl Read) -> Result<Option<Vec<u8>>, String> {
    let mut frame = [0u8; 8];
    if stream.read_exact(&mut frame).is_err() {
        return Ok(None);
    }
    let [a, b, c, d, e, f, g, h] = frame;
    let (length, crc) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    if length > RECORD_LIMIT {
        return Err(format!("claims a record of {length} bytes"));
    }
    let mut payload = Vec::new();
    match stream.take(length.into()).read_to_end(&mut payload) {
        Ok(read) if read == length as usize => {}
        _ => return Ok(None),
    }
    if crc32fast::hash(&payload) != crc {
        return Err("its checksum does not match".to_owned());
    }
    Ok(Some(payload))
}
