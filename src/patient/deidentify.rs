//! Image files without the person: an allow list of geometry and pixels, and nothing else.
//!
//! DICOM PS3.15 annex E lists what to remove; a list of what to keep is safer, because what nobody thought of is gone too. Kept are
//! the pixel module, the geometry, the rescale and the modality, each value checked for its form, so that no free text can travel in
//! it. Private groups, overlays, dates, names and descriptions are dropped; UIDs become new ones under 2.25, the same for the same
//! original. Pixel values stay as they are, compressed or not, and around them nothing: bits beside the stored ones, comments and
//! application data of a code stream, and what follows its end, are dropped. Text burned into pixels, and faces, are refused as far as the
//! file tells.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher, RandomState},
    io::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    code_stream,
    dicom::{DEFLATED, DataSet, DicomFile, EXPLICIT_LE, Tag, Value, file_name, tags},
    encode::{Writer, meta},
    info::Fault,
    pixels::{PixelModule, decode, frames_of},
    place::Place,
    series::{SeriesError, files_under, image_faults},
};

/// What stands in DeidentificationMethod (0012,0063).
pub const METHOD: &str = "Halsted allow list: geometry and pixels only";
#[derive(Debug, Clone)]
pub struct DeidentifyOptions {
    /// Makes new UIDs out of old ones. Who has the key and an old UID can find the new one: throw it away, as the default does.
    pub key: [u8; 32],
    /// Someone has looked: nothing in the pixels (a face, a burned-in name) shows who it is.
    pub pixels_checked: bool,
}

impl Default for DeidentifyOptions {
    fn default() -> Self {
        let mut key = [0; 32];
        for part in key.chunks_exact_mut(8) {
            // keyed by the operating system's randomness, afresh for every state
            part.copy_from_slice(&RandomState::new().hash_one("new UIDs").to_ne_bytes());
        }
        Self { key, pixels_checked: false }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeidentifyReport {
    pub written: usize,
    /// Files that are no DICOM images and were left out.
    pub skipped: usize,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DeidentifyError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Series(#[from] SeriesError),
    #[error("{} cannot be {doing}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{} is not a DICOM image", .0.display())]
    NotAnImage(PathBuf),
    #[error("{}", .0.message)]
    Fault(Fault),
    #[error(
        "{file} says that a name or other text is burned into its pixels, or that a face can be recognised (0028,0301 or 0302)"
    )]
    #[diagnostic(help("remove it from the pixels first, or say that the pixels have been checked"))]
    Recognisable { file: String },
    #[error("{file} shows a head (0018,0015 or a description): a face can be rebuilt from it")]
    #[diagnostic(help("remove the face from the pixels first, or say that the pixels have been checked"))]
    Head { file: String },
    #[error("the server sent no images ({skipped} other objects)")]
    #[diagnostic(help("`halsted patient find` lists the series of a server"))]
    NothingReceived { skipped: usize },
    #[error("{} is there already; give a new folder", .0.display())]
    Occupied(PathBuf),
}

/// The form that a kept value must have.
#[derive(Clone, Copy)]
enum Form {
    /// Decimal numbers, written as text.
    Numbers,
    /// So many bytes of binary number.
    Binary(usize),
    /// Values from this list; the first other one and all after it are dropped.
    OneOf(&'static [&'static str]),
}

type Rule = (Tag, &'static [u8; 2], Form);

const TYPES: &[&str] =
    &["ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "AXIAL", "LOCALIZER", "MPR", "VOLUME", "NONE", "M", "ND", "NORM"];
const MODALITIES: &[&str] = &["CT", "MR", "PT", "NM", "CR", "DX", "MG", "XA", "RF", "OT"];
const POSES: &[&str] = &["HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"];
const LOSSY: &[&str] = &["ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_2", "ISO_13818_2"];

/// What may stay, in the order of tags.
const KEPT: &[Rule] = &[
    (tags::IMAGE_TYPE, b"CS", Form::OneOf(TYPES)),
    (tags::MODALITY, b"CS", Form::OneOf(MODALITIES)),
    (tags::SLICE_THICKNESS, b"DS", Form::Numbers),
    ((0x0018, 0x0088), b"DS", Form::Numbers),
    ((0x0018, 0x5100), b"CS", Form::OneOf(POSES)),
    (tags::POSITION, b"DS", Form::Numbers),
    (tags::ORIENTATION, b"DS", Form::Numbers),
    (tags::SAMPLES, b"US", Form::Binary(2)),
    (tags::PHOTOMETRIC, b"CS", Form::OneOf(&["MONOCHROME1", "MONOCHROME2"])),
    (tags::FRAMES, b"IS", Form::Numbers),
    (tags::ROWS, b"US", Form::Binary(2)),
    (tags::COLUMNS, b"US", Form::Binary(2)),
    (tags::PIXEL_SPACING, b"DS", Form::Numbers),
    (tags::BITS_ALLOCATED, b"US", Form::Binary(2)),
    (tags::BITS_STORED, b"US", Form::Binary(2)),
    (tags::HIGH_BIT, b"US", Form::Binary(2)),
    (tags::PIXEL_REPRESENTATION, b"US", Form::Binary(2)),
    ((0x0028, 0x0106), b"US", Form::Binary(2)),
    ((0x0028, 0x0107), b"US", Form::Binary(2)),
    ((0x0028, 0x0120), b"US", Form::Binary(2)),
    (tags::BURNED_IN, b"CS", Form::OneOf(&["NO"])),
    (tags::INTERCEPT, b"DS", Form::Numbers),
    (tags::SLOPE, b"DS", Form::Numbers),
    ((0x0028, 0x1054), b"LO", Form::OneOf(&["HU", "US"])),
    ((0x0028, 0x2110), b"CS", Form::OneOf(&["00", "01"])),
    ((0x0028, 0x2112), b"DS", Form::Numbers),
    ((0x0028, 0x2114), b"CS", Form::OneOf(LOSSY)),
];

/// Attributes that a CT or MR image must have (type 2), left empty.
const EMPTIED: &[(Tag, &[u8; 2])] = &[
    ((0x0008, 0x0020), b"DA"),
    ((0x0008, 0x0030), b"TM"),
    ((0x0008, 0x0050), b"SH"),
    ((0x0008, 0x0070), b"LO"),
    ((0x0008, 0x0090), b"PN"),
    ((0x0010, 0x0010), b"PN"),
    ((0x0010, 0x0020), b"LO"),
    ((0x0010, 0x0030), b"DA"),
    ((0x0010, 0x0040), b"CS"),
    ((0x0018, 0x0060), b"DS"),
    ((0x0020, 0x0010), b"SH"),
    ((0x0020, 0x0011), b"IS"),
    ((0x0020, 0x0012), b"IS"),
    ((0x0020, 0x1040), b"LO"),
];

/// AnatomicRegionSequence: the part of the body as a code.
const ANATOMIC_REGION: Tag = (0x0008, 0x2218);

/// Sequences of functional groups that place a frame.
const GROUPS: [Tag; 4] = [tags::PLANE_POSITION, tags::PLANE_ORIENTATION, tags::PIXEL_MEASURES, tags::PIXEL_TRANSFORM];

/// Writes one de-identified file. The target appears whole or not at all.
pub fn deidentify_file(from: &Path, to: &Path, options: &DeidentifyOptions) -> Result<(), DeidentifyError> {
    let image = Image::read(from)?.ok_or_else(|| DeidentifyError::NotAnImage(from.to_owned()))?;
    let bytes = image.without_person(1, options)?;
    let io = |source| DeidentifyError::Io { doing: "written", path: to.to_owned(), source };
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    file.persist(to).map_err(|error| io(error.error))?;
    Ok(())
}

/// Writes every image under `from` into the new folder `to` as 0001.dcm, 0002.dcm, …: series by series, along the slice normal. One
/// file that must be refused refuses all, and then nothing is written.
pub fn deidentify_folder(from: &Path, to: &Path, options: &DeidentifyOptions) -> Result<DeidentifyReport, DeidentifyError> {
    if to.exists() {
        return Err(DeidentifyError::Occupied(to.to_owned()));
    }
    let mut order = Vec::new();
    let mut skipped = 0;
    for path in files_under(from)? {
        match Image::read(&path)? {
            Some(image) => order.push((image.series.clone(), image.along_normal(), path)),
            None => skipped += 1,
        }
    }
    if order.is_empty() {
        return Err(SeriesError::NoImages { path: from.to_owned(), skipped }.into());
    }
    order.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let images = order.iter().map(|(_, _, path)| Image::read(path)?.ok_or_else(|| DeidentifyError::NotAnImage(path.clone())));
    let written = write_new_folder(images, to, options)?;
    Ok(DeidentifyReport { written, skipped })
}

/// Images that came over a network: kept in memory as they came until all are there, and written without the person.
pub(crate) struct Received<'a> {
    options: &'a DeidentifyOptions,
    images: Vec<Image>,
    skipped: usize,
    bytes: usize,
}

impl<'a> Received<'a> {
    /// Most that is held; a CT of 512 × 512 × 4000.
    pub const MAX_BYTES: usize = 2 << 30;

    pub fn new(options: &'a DeidentifyOptions) -> Self {
        Self { options, images: Vec::new(), skipped: 0, bytes: 0 }
    }

    /// How many images there are by now.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Takes one file; what is no image is counted and dropped.
    ///
    /// # Errors
    /// What [`deidentify_folder`] refuses, as early as the image that shows it.
    pub fn take(&mut self, bytes: Vec<u8>) -> Result<(), DeidentifyError> {
        // messages name images by their number: what the server calls them may name the person
        let name = format!("image {}", self.images.len() + self.skipped + 1);
        self.bytes += bytes.len();
        if self.bytes > Self::MAX_BYTES {
            let message = format!("the series is larger than {} GiB", Self::MAX_BYTES >> 30);
            return Err(DeidentifyError::Fault(Fault::new("too_large", message)));
        }
        let digest = Sha256::digest(&bytes).into();
        let file = DicomFile::from_bytes(bytes, &name).map_err(DeidentifyError::Fault)?;
        match Image::of(file, name, digest)? {
            Some(image) => {
                if !self.options.pixels_checked {
                    image.refuse_recognisable(&image.file.data_set().map_err(DeidentifyError::Fault)?)?;
                }
                self.images.push(image);
            }
            None => self.skipped += 1,
        }
        Ok(())
    }

    /// Writes what has come into the new folder `to`, as [`deidentify_folder`] does.
    pub fn write(mut self, to: &Path) -> Result<DeidentifyReport, DeidentifyError> {
        if self.images.is_empty() {
            return Err(DeidentifyError::NothingReceived { skipped: self.skipped });
        }
        self.images.sort_by(|a, b| {
            a.series.cmp(&b.series).then(a.along_normal().total_cmp(&b.along_normal())).then(a.digest.cmp(&b.digest))
        });
        let written = write_new_folder(self.images.into_iter().map(Ok), to, self.options)?;
        Ok(DeidentifyReport { written, skipped: self.skipped })
    }
}

/// Writes images, which come series by series, as 0001.dcm, 0002.dcm, … into a folder that appears whole or not at all.
fn write_new_folder(
    images: impl Iterator<Item = Result<Image, DeidentifyError>>,
    to: &Path,
    options: &DeidentifyOptions,
) -> Result<usize, DeidentifyError> {
    let io = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| DeidentifyError::Io { doing, path, source }
    };
    if to.exists() {
        return Err(DeidentifyError::Occupied(to.to_owned()));
    }
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io("made", parent))?;
    let workshop = tempfile::Builder::new().prefix(".deidentify-").tempdir_in(parent).map_err(io("written to", parent))?;
    let fresh = workshop.path().join("new");
    fs::create_dir(&fresh).map_err(io("written", to))?;
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut written = 0;
    for image in images {
        let image = image?;
        let number = numbers.entry(image.series.clone()).or_default();
        *number += 1;
        written += 1;
        let name = format!("{written:04}.dcm");
        fs::write(fresh.join(&name), image.without_person(*number, options)?).map_err(io("written", &to.join(&name)))?;
    }
    fs::rename(&fresh, to).map_err(io("written", to))?;
    Ok(written)
}

/// One image file on its way.
struct Image {
    file: DicomFile,
    name: String,
    /// The series UID, or what stands for it where it is blank.
    series: String,
    /// SHA-256 of the file, for a blank instance UID.
    digest: [u8; 32],
}

impl Image {
    fn read(path: &Path) -> Result<Option<Self>, DeidentifyError> {
        let io = |source| DeidentifyError::Io { doing: "read", path: path.to_owned(), source };
        let Some(file) = DicomFile::open(path).map_err(io)? else { return Ok(None) };
        let file = file.map_err(DeidentifyError::Fault)?;
        let digest = Sha256::digest(fs::read(path).map_err(io)?).into();
        Self::of(file, file_name(path), digest)
    }

    /// Nothing if the file holds no pixels.
    fn of(file: DicomFile, name: String, digest: [u8; 32]) -> Result<Option<Self>, DeidentifyError> {
        let set = file.data_set().map_err(DeidentifyError::Fault)?;
        if set.get(tags::PIXEL_DATA).is_none() {
            return Ok(None);
        }
        let size = (set.u16(tags::ROWS), set.u16(tags::COLUMNS));
        let series = set.text(tags::SERIES_UID).unwrap_or_else(|| format!("blank {size:?} {}", Place::read(&set).key()));
        Ok(Some(Self { name, series, digest, file }))
    }

    fn along_normal(&self) -> f64 {
        let along = |set: DataSet<'_>| {
            let place = Place::read(&set);
            Some(place.position?.dot(place.normal()?))
        };
        self.file.data_set().ok().and_then(along).unwrap_or(0.0)
    }

    /// The file's bytes, without the person.
    fn without_person(&self, number: usize, options: &DeidentifyOptions) -> Result<Vec<u8>, DeidentifyError> {
        let set = self.file.data_set().map_err(DeidentifyError::Fault)?;
        if !options.pixels_checked {
            self.refuse_recognisable(&set)?;
        }
        // only an image that can be read without a fault is passed on: what the copy leaves out could hide one
        let syntax = self.file.transfer_syntax.as_str();
        if let Some(fault) = image_faults(&set, syntax, &self.name).into_iter().next() {
            return Err(DeidentifyError::Fault(fault));
        }
        let module = PixelModule::read(&set, &self.name).map_err(DeidentifyError::Fault)?;

        let sop_class = set.text(tags::SOP_CLASS).unwrap_or_else(|| self.file.media_sop_class.clone());
        if !sop_class.starts_with("1.2.840.10008.") || !sop_class.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            let message = format!("{} does not say what kind of image it is (0008,0016)", self.name);
            return Err(DeidentifyError::Fault(Fault::new("missing_tag", message)));
        }
        let uid = |original: Option<String>, blank: &[u8]| match original {
            Some(original) => new_uid(&options.key, original.as_bytes()),
            None => new_uid(&options.key, blank),
        };
        let instance = uid(set.text(tags::SOP_INSTANCE), &[b"blank instance ".as_slice(), &self.digest].concat());
        let mut out = Writer::new(set.layout);
        EMPTIED.iter().for_each(|&(tag, vr)| out.put(tag, vr, b""));
        out.keep(&set, KEPT);
        out.put(tags::SOP_CLASS, b"UI", sop_class.as_bytes());
        out.put(tags::SOP_INSTANCE, b"UI", instance.as_bytes());
        out.put((0x0012, 0x0062), b"CS", b"YES");
        out.put((0x0012, 0x0063), b"LO", METHOD.as_bytes());
        out.put(tags::STUDY_UID, b"UI", uid(set.text(tags::STUDY_UID), b"blank study").as_bytes());
        out.put(tags::SERIES_UID, b"UI", uid(Some(self.series.clone()), b"").as_bytes());
        let frame = uid(set.text(tags::FRAME_OF_REFERENCE), format!("blank frame {}", self.series).as_bytes());
        out.put(tags::FRAME_OF_REFERENCE, b"UI", frame.as_bytes());
        out.put((0x0020, 0x0013), b"IS", number.to_string().as_bytes());
        for tag in [tags::SHARED_GROUPS, tags::FRAME_GROUPS] {
            out.keep_groups(&set, tag);
        }
        if let Some(pixels) = set.get(tags::PIXEL_DATA) {
            match &pixels.value {
                Value::Fragments(fragments, _) => out.frames(&self.bare_frames(fragments, &module)?),
                Value::Bytes(bytes) => {
                    let vr = if pixels.vr == *b"OB" { b"OB" } else { b"OW" };
                    out.put(tags::PIXEL_DATA, vr, &image_bits(bytes, &module, set.layout.big_endian));
                }
                Value::Cut(..) | Value::Items(_) => {}
            }
        }

        let written_syntax = if syntax == DEFLATED { EXPLICIT_LE } else { syntax };
        let mut bytes = meta(&sop_class, &instance, written_syntax);
        bytes.extend(out.into_bytes());
        Ok(bytes)
    }

    /// The code stream of each frame with nothing in it but the image.
    fn bare_frames(&self, fragments: &[&[u8]], module: &PixelModule) -> Result<Vec<Vec<u8>>, DeidentifyError> {
        let (syntax, name) = (&self.file.transfer_syntax, &self.name);
        let bare = |frame: &Vec<u8>| {
            let bare = code_stream::bare(frame, syntax, module.rows * module.columns)?;
            // what was taken out must have been no part of the image
            let same = bare == *frame || decode(&bare, module, syntax, name).ok()? == decode(frame, module, syntax, name).ok()?;
            same.then_some(bare)
        };
        let frames = frames_of(fragments, module.frames).and_then(|frames| frames.iter().map(bare).collect());
        frames.ok_or_else(|| {
            let message =
                format!("the compressed pixel data of {name} hold something else than the image; decompress them first");
            DeidentifyError::Fault(Fault::new("unknown_content", message))
        })
    }

    fn refuse_recognisable(&self, set: &DataSet<'_>) -> Result<(), DeidentifyError> {
        if [tags::BURNED_IN, tags::RECOGNISABLE].iter().any(|&tag| set.text(tag).as_deref() == Some("YES")) {
            return Err(DeidentifyError::Recognisable { file: self.name.clone() });
        }
        const HEAD: [&str; 20] = [
            "HEAD",
            "SKULL",
            "BRAIN",
            "FACE",
            "FACIAL",
            "CRANI",
            "ORBIT",
            "SINUS",
            "MANDIB",
            "MAXILL",
            "CEREB",
            "NECK",
            "NASAL",
            "DENTAL",
            "WHOLEBODY",
            "WHOLE BODY",
            "KOPF",
            "SCHAEDEL",
            "GEHIRN",
            "GESICHT",
        ];
        for tag in [tags::BODY_PART, tags::STUDY_DESCRIPTION, tags::SERIES_DESCRIPTION, tags::PROTOCOL_NAME] {
            let text = set.text(tag).unwrap_or_default().to_uppercase();
            if HEAD.iter().any(|word| text.contains(word)) {
                return Err(DeidentifyError::Head { file: self.name.clone() });
            }
        }
        // the region as a code (PS3.3 §10.5), whose meaning is text like any other
        let regions = set.bytes(ANATOMIC_REGION).into_iter().chain(
            set.items(ANATOMIC_REGION).iter().flat_map(|item| item.elements.iter()).filter_map(|element| match element.value {
                Value::Bytes(bytes) => Some(bytes),
                _ => None,
            }),
        );
        for bytes in regions {
            let text = String::from_utf8_lossy(bytes).to_uppercase();
            if HEAD.iter().any(|word| text.contains(word)) {
                return Err(DeidentifyError::Head { file: self.name.clone() });
            }
        }
        Ok(())
    }
}

/// Uncompressed pixels with nothing beside them: the unused bits of each word, in which old files keep overlays with text, become
/// copies of the sign bit, or zero in unsigned ones; bytes after the last frame are dropped.
fn image_bits(bytes: &[u8], module: &PixelModule, big_endian: bool) -> Vec<u8> {
    let width = usize::from(module.bits_allocated / 8);
    let bytes = &bytes[..bytes.len().min(module.frames * module.rows * module.columns * width)];
    if module.bits_stored == module.bits_allocated {
        return bytes.to_vec();
    }
    let (stored, low) = (u32::from(module.bits_stored), u32::from(module.high_bit + 1 - module.bits_stored));
    let mut out = Vec::with_capacity(bytes.len());
    for word in bytes.chunks_exact(width) {
        let mut whole = [0; 4];
        for (at, &byte) in word.iter().enumerate() {
            whole[if big_endian { width - 1 - at } else { at }] = byte;
        }
        let value = (u32::from_le_bytes(whole) >> low) & ((1 << stored) - 1);
        let sign = if module.signed && value >> (stored - 1) == 1 { u32::MAX << stored } else { 0 };
        let clean = ((value | sign) << low).to_le_bytes();
        out.extend((0..width).map(|at| clean[if big_endian { width - 1 - at } else { at }]));
    }
    out
}

/// A UID from 128 bits of a keyed hash, in the form of a UUID (PS3.5 §B.2; RFC 9562 version 8).
fn new_uid(key: &[u8; 32], original: &[u8]) -> String {
    let digest = Sha256::new().chain_update(key).chain_update(original).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    format!("2.25.{}", u128::from_be_bytes(bytes))
}

/// The allow list at work.
impl Writer {
    /// Takes over what the rules allow and what has the form that it should.
    fn keep(&mut self, set: &DataSet<'_>, rules: &[Rule]) {
        for &(tag, vr, form) in rules {
            let Some(bytes) = set.bytes(tag) else { continue };
            match form {
                Form::Binary(length) if bytes.len() == length => {
                    let signed = set.get(tag).is_some_and(|element| element.vr == *b"SS");
                    self.put(tag, if signed { b"SS" } else { vr }, bytes);
                }
                Form::Binary(_) => {}
                Form::Numbers => {
                    // numbers written in binary where text should stand are read, so they are kept as well
                    let is_binary = set.get(tag).is_some_and(|element| element.vr == *b"FD");
                    let text = if is_binary {
                        let numbers = set.number_list(tag).unwrap_or_default();
                        numbers.iter().map(f64::to_string).collect::<Vec<_>>().join("\\")
                    } else {
                        set.text(tag).unwrap_or_default()
                    };
                    let number = |part: &str| part.trim().parse::<f64>().is_ok_and(f64::is_finite);
                    // digits, signs, points and exponents only: `parse` also takes words such as "nan", which are not finite
                    if !text.is_empty() && text.len() < 1 << 15 && text.split('\\').all(number) {
                        self.put(tag, vr, text.as_bytes());
                    }
                }
                Form::OneOf(allowed) => {
                    let text = set.text(tag).unwrap_or_default();
                    let values: Vec<&str> = text.split('\\').map(str::trim).take_while(|part| allowed.contains(part)).collect();
                    if !values.is_empty() {
                        self.put(tag, vr, values.join("\\").as_bytes());
                    }
                }
            }
        }
    }

    /// Takes over the functional groups that place frames, and in them what the rules allow.
    fn keep_groups(&mut self, set: &DataSet<'_>, tag: Tag) {
        let items = set.items(tag);
        if items.is_empty() {
            return;
        }
        let mut content = Vec::new();
        for item in items {
            let mut groups = Writer::new(self.layout);
            for group in GROUPS {
                if let Some(inner) = item.items(group).first() {
                    let mut leaves = Writer::new(self.layout);
                    leaves.keep(inner, KEPT);
                    let item = self.item(leaves);
                    groups.sequence(group, &item);
                }
            }
            content.extend(self.item(groups));
        }
        self.sequence(tag, &content);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_uids_are_valid_and_depend_on_the_key() {
        let uid = new_uid(&[1; 32], b"1.2.3");
        assert!(uid.starts_with("2.25.") && uid.len() <= 64 && uid[5..].parse::<u128>().is_ok());
        assert_eq!(uid, new_uid(&[1; 32], b"1.2.3"));
        assert_ne!(uid, new_uid(&[2; 32], b"1.2.3"));
        assert_ne!(DeidentifyOptions::default().key, DeidentifyOptions::default().key);
    }

    #[test]
    fn the_allow_list_is_in_the_order_of_tags_and_meets_no_emptied_one() {
        assert!(KEPT.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(EMPTIED.iter().all(|(tag, _)| KEPT.iter().all(|rule| rule.0 != *tag)));
    }
}
