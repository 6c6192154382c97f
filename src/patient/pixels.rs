//! Stored pixels to values: unpacking, decompression by the `dicom` codecs, and rescale.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use dicom_core::{DataElement, PrimitiveValue, VR, value::PixelFragmentSequence};
use dicom_dictionary_std::tags as standard;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_pixeldata::PixelDecoder;
use rayon::prelude::*;

use super::{
    dicom::{DEFLATED, DataSet, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, Tag, Value, tags},
    grid_file::MAX_VOXELS,
    info::Fault,
};

/// A compressed frame may unfold to at most this many times its size (RLE reaches 64, a black JPEG 2000 slice some thousands) …
const MAX_RATIO: usize = 20_000;
/// … and to at most this many bytes, enough for a mammogram.
const MAX_FRAME: usize = 1 << 26;
/// All frames of a file together unfold to at most this many times their size, or to one frame of the largest size.
const MAX_TOTAL_RATIO: u64 = 128;

/// What the pixel module says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PixelModule {
    pub rows: usize,
    pub columns: usize,
    pub frames: usize,
    pub bits_allocated: u16,
    pub bits_stored: u16,
    pub high_bit: u16,
    pub signed: bool,
    pub inverted: bool,
}

impl PixelModule {
    /// Reads the pixel module of a data set that holds pixel data; `name` is the file's.
    pub fn read(set: &DataSet<'_>, name: &str) -> Result<Self, Fault> {
        let missing = |what: &str| Fault::new("missing_tag", format!("{name} lacks {what}"));
        // an empty value counts as absent, another that is not one number as damage
        let short = |tag: Tag| match set.get(tag).map(|element| &element.value) {
            None | Some(Value::Bytes([])) => Ok(None),
            Some(_) => set.u16(tag).map(Some).ok_or_else(|| {
                let message = format!("({:04X},{:04X}) of {name} is not one number of 16 bits", tag.0, tag.1);
                Fault::new("bad_value", message)
            }),
        };
        let rows = short(tags::ROWS)?.filter(|&n| n > 0).ok_or_else(|| missing("Rows (0028,0010)"))?;
        let columns = short(tags::COLUMNS)?.filter(|&n| n > 0).ok_or_else(|| missing("Columns (0028,0011)"))?;
        let bits_allocated = short(tags::BITS_ALLOCATED)?.ok_or_else(|| missing("BitsAllocated (0028,0100)"))?;
        let bits_stored = short(tags::BITS_STORED)?.unwrap_or(bits_allocated);
        let high_bit = short(tags::HIGH_BIT)?.unwrap_or(bits_stored.saturating_sub(1));
        let samples = short(tags::SAMPLES)?.unwrap_or(1);
        let signed = short(tags::PIXEL_REPRESENTATION)? == Some(1);
        let bad = |message: String| Err(Fault::new("bad_value", message));
        let frames = match set.text(tags::FRAMES) {
            None => 1,
            Some(text) => match text.parse::<usize>() {
                Ok(frames) if frames > 0 => frames,
                _ => return bad(format!("NumberOfFrames (0028,0008) of {name} is not a positive whole number")),
            },
        };
        if samples != 1 {
            return Err(Fault::new(
                "colour_image",
                format!("{name} is a colour image ({samples} samples a pixel); only grey values have a measure"),
            ));
        }
        if bits_allocated == 1 {
            return Err(Fault::new(
                "segmentation_object",
                format!("{name} holds one-bit labels, not an image; give it to `patient import` with --labels"),
            ));
        }
        if !matches!(bits_allocated, 8 | 16 | 32) {
            return bad(format!("BitsAllocated (0028,0100) of {name} is {bits_allocated}; 8, 16 and 32 are read"));
        }
        if bits_stored == 0 || bits_stored > bits_allocated || high_bit >= bits_allocated || high_bit + 1 < bits_stored {
            return bad(format!("BitsStored and HighBit (0028,0101 and 0102) of {name} do not fit its BitsAllocated"));
        }
        Ok(Self {
            rows: rows.into(),
            columns: columns.into(),
            frames,
            bits_allocated,
            bits_stored,
            high_bit,
            signed,
            inverted: set.text(tags::PHOTOMETRIC).as_deref() == Some("MONOCHROME1"),
        })
    }

    fn frame_bytes(&self) -> usize {
        self.rows * self.columns * usize::from(self.bits_allocated / 8)
    }

    /// The stored integer in the low `bits_allocated` bits of `raw`: shifted down, cut to the stored bits, sign-extended.
    fn stored(&self, raw: u32) -> i64 {
        let bits = u32::from(self.bits_stored);
        let value = (u64::from(raw) >> (self.high_bit + 1 - self.bits_stored)) & ((1u64 << bits) - 1);
        if self.signed && value >> (bits - 1) == 1 { value as i64 - (1i64 << bits) } else { value as i64 }
    }

    fn unpack(&self, bytes: &[u8], big_endian: bool) -> Vec<f32> {
        match self.bits_allocated {
            8 => bytes.iter().map(|&b| self.stored(b.into()) as f32).collect(),
            16 => {
                let word =
                    |b: &[u8]| if big_endian { u16::from_be_bytes([b[0], b[1]]) } else { u16::from_le_bytes([b[0], b[1]]) };
                bytes.chunks_exact(2).map(|b| self.stored(word(b).into()) as f32).collect()
            }
            _ => {
                let word = |b: &[u8]| {
                    let b = [b[0], b[1], b[2], b[3]];
                    if big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) }
                };
                bytes.chunks_exact(4).map(|b| self.stored(word(b)) as f32).collect()
            }
        }
    }
}

/// The stored values of every frame, before rescale: `frames` × `rows * columns`.
pub(crate) fn stored_frames(set: &DataSet<'_>, module: &PixelModule, syntax: &str, name: &str) -> Result<Vec<Vec<f32>>, Fault> {
    let truncated = |have: usize, want: u64| {
        Fault::new(
            "truncated_pixel_data",
            format!("{name} ends inside its pixel data: {have} of {want} bytes are there; fetch the file again"),
        )
    };
    let native = matches!(syntax, IMPLICIT_LE | EXPLICIT_LE | EXPLICIT_BE | DEFLATED);
    let size = module.frame_bytes();
    let total = (size as u64).saturating_mul(module.frames as u64);
    if total / u64::from(module.bits_allocated / 8) > MAX_VOXELS {
        return Err(Fault::new("too_large", format!("{name} announces more than {MAX_VOXELS} voxels")));
    }
    match &set.get(tags::PIXEL_DATA).map(|element| &element.value) {
        None => Err(Fault::new("no_pixel_data", format!("{name} holds no pixel data (7FE0,0010)"))),
        Some(Value::Cut(bytes, announced)) => Err(truncated(bytes.len(), *announced)),
        Some(Value::Bytes(bytes)) if native => {
            if (bytes.len() as u64) < total {
                return Err(truncated(bytes.len(), total));
            }
            Ok(bytes.chunks_exact(size).take(module.frames).map(|frame| module.unpack(frame, set.layout.big_endian)).collect())
        }
        Some(Value::Fragments(parts, whole)) if !native => {
            if !decodable(syntax) {
                return Err(unsupported(syntax, name));
            }
            let packed: usize = parts.iter().map(|part| part.len()).sum();
            if total > (packed as u64).saturating_mul(MAX_TOTAL_RATIO).max(MAX_FRAME as u64) {
                let message = format!("the frames that {name} announces are larger than its compressed pixel data can hold");
                return Err(Fault::new("bad_pixel_data", message));
            }
            let frames = frames_of(parts, module.frames).filter(|_| *whole).ok_or_else(|| {
                let have = parts.len().saturating_sub(1);
                Fault::new(
                    "truncated_pixel_data",
                    format!("{name} ends inside its compressed pixel data: {have} fragments are there for {} frames; fetch the file again", module.frames),
                )
            })?;
            let values = |frame: &Vec<u8>| decode(frame, module, syntax, name).map(|bytes| module.unpack(&bytes, false));
            // all of them first: which fault is told must not depend on the threads
            let frames: Vec<Result<Vec<f32>, Fault>> = frames.par_iter().map(values).collect();
            frames.into_iter().collect()
        }
        Some(_) if native || decodable(syntax) => {
            Err(Fault::new("bad_structure", format!("the pixel data of {name} are not laid out as its transfer syntax says")))
        }
        Some(_) => Err(unsupported(syntax, name)),
    }
}

fn unsupported(syntax: &str, name: &str) -> Fault {
    Fault::new(
        "unsupported_transfer_syntax",
        format!(
            "{name} is compressed with transfer syntax {syntax}, which cannot be decoded here; convert it to an uncompressed one"
        ),
    )
}

/// RLE; JPEG baseline, extended and lossless; JPEG-LS; JPEG 2000.
fn decodable(syntax: &str) -> bool {
    const SUPPORTED: [&str; 9] = ["5", "4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91"];
    syntax.strip_prefix("1.2.840.10008.1.2.").is_some_and(|rest| SUPPORTED.contains(&rest))
}

/// The code stream of each frame, joined from its fragments: one frame takes all, as many fragments as frames one each, else by the
/// basic offset table (PS3.5 §A.4).
pub(crate) fn frames_of(parts: &[&[u8]], frames: usize) -> Option<Vec<Vec<u8>>> {
    let (table, fragments) = parts.split_first()?;
    if fragments.is_empty() || frames > fragments.len() {
        return None;
    }
    if frames == 1 {
        return Some(vec![fragments.concat()]);
    }
    if frames == fragments.len() {
        return Some(fragments.iter().map(|part| part.to_vec()).collect());
    }
    let offsets: Vec<usize> = table.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    if offsets.len() != frames {
        return None;
    }
    let mut out = vec![Vec::new(); frames];
    let (mut at, mut frame) = (0, 0);
    for part in fragments {
        while frame + 1 < frames && at >= offsets[frame + 1] {
            frame += 1;
        }
        out[frame].extend_from_slice(part);
        at += 8 + part.len();
    }
    out.iter().all(|stream| !stream.is_empty()).then_some(out)
}

/// Width and height that a JPEG, JPEG-LS or JPEG 2000 code stream itself announces.
fn announced_size(stream: &[u8]) -> Option<(usize, usize)> {
    let u16_at = |at: usize| stream.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
    let u32_at = |at: usize| stream.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    if stream.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        // SIZ: Lsiz, Rsiz, Xsiz, Ysiz, XOsiz, YOsiz (ISO/IEC 15444-1 §A.5.1)
        return Some((u32_at(8)?.checked_sub(u32_at(16)?)?, u32_at(12)?.checked_sub(u32_at(20)?)?));
    }
    let mut at = 2;
    while stream.starts_with(&[0xFF, 0xD8]) && *stream.get(at)? == 0xFF {
        let marker = *stream.get(at + 1)?;
        // SOF0 to SOF15, and SOF55 of JPEG-LS
        if matches!(marker, 0xC0..=0xCF | 0xF7) && !matches!(marker, 0xC4 | 0xC8 | 0xCC) {
            return Some((u16_at(at + 7)?, u16_at(at + 5)?));
        }
        at += if marker == 0xFF { 1 } else { 2 + u16_at(at + 2)? };
    }
    None
}

/// What a codec answers. Codecs index by what a damaged stream says: their panics end here, and are not printed.
fn caught<R>(codec: impl FnOnce() -> R) -> std::thread::Result<R> {
    thread_local! { static CAUGHT: Cell<bool> = const { Cell::new(false) } }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                usual(panic);
            }
        }));
    });
    CAUGHT.set(true);
    let answer = catch_unwind(AssertUnwindSafe(codec));
    CAUGHT.set(false);
    answer
}

/// One frame's bytes, little endian.
pub(crate) fn decode(stream: &[u8], module: &PixelModule, syntax: &str, name: &str) -> Result<Vec<u8>, Fault> {
    let failed =
        |why: &str| Fault::new("bad_pixel_data", format!("the compressed pixel data of {name} cannot be decoded: {why}"));
    let size = module.frame_bytes();
    if size > stream.len().saturating_mul(MAX_RATIO).min(MAX_FRAME) {
        return Err(failed("the image is larger than they can hold"));
    }
    if !syntax.ends_with(".1.2.5") && announced_size(stream) != Some((module.columns, module.rows)) {
        return Err(failed("the code stream announces another size than Rows and Columns (0028,0010 and 0011)"));
    }
    if syntax.ends_with(".4.80") || syntax.ends_with(".4.81") {
        return match caught(|| jpegls::decode(stream, module.columns as u32, module.rows as u32)) {
            Ok(Ok((pixels, ..))) if pixels.len() == module.rows * module.columns => Ok(match module.bits_allocated {
                8 => pixels.iter().map(|&v| v as u8).collect(),
                16 => pixels.iter().flat_map(|v| v.to_le_bytes()).collect(),
                bits => return Err(failed(&format!("JPEG-LS holds no values of {bits} bits"))),
            }),
            _ => Err(failed("the code stream is damaged")),
        };
    }
    let short = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let object = InMemDicomObject::from_element_iter([
        short(standard::SAMPLES_PER_PIXEL, 1),
        DataElement::new(standard::PHOTOMETRIC_INTERPRETATION, VR::CS, PrimitiveValue::from("MONOCHROME2")),
        short(standard::ROWS, module.rows as u16),
        short(standard::COLUMNS, module.columns as u16),
        short(standard::BITS_ALLOCATED, module.bits_allocated),
        short(standard::BITS_STORED, module.bits_stored),
        short(standard::HIGH_BIT, module.high_bit),
        short(standard::PIXEL_REPRESENTATION, module.signed.into()),
        DataElement::new(standard::PIXEL_DATA, VR::OB, PixelFragmentSequence::new_fragments(vec![stream.to_vec()])),
    ]);
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid("1.2.840.10008.5.1.4.1.1.7")
        .media_storage_sop_instance_uid("2.25.1")
        .build()
        .map_err(|_| failed("its transfer syntax has no codec"))?;
    let object = object.with_exact_meta(meta);
    match caught(|| object.decode_pixel_data().map(|pixels| pixels.data().to_vec())) {
        Ok(Ok(bytes)) if bytes.len() >= size => Ok(bytes),
        Ok(Ok(_)) => Err(failed("too few pixels came out")),
        Ok(Err(_)) | Err(_) => Err(failed("the code stream is damaged")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(bits_stored: u16, high_bit: u16, signed: bool) -> PixelModule {
        PixelModule { rows: 1, columns: 2, frames: 1, bits_allocated: 16, bits_stored, high_bit, signed, inverted: false }
    }

    #[test]
    fn stored_bits_are_cut_out_and_sign_extended() {
        assert_eq!(module(12, 11, false).unpack(&[0xFF, 0xFF, 0x01, 0x00], false), [4095.0, 1.0]);
        assert_eq!(module(12, 11, true).unpack(&[0xFF, 0x0F, 0x01, 0x00], false), [-1.0, 1.0]);
        assert_eq!(module(12, 15, false).unpack(&[0x00, 0x10, 0x12, 0x34], true), [1.0, 0x123 as f32]);
        assert_eq!(module(16, 15, true).unpack(&[0x00, 0x80, 0xFF, 0x7F], false), [-32768.0, 32767.0]);
    }

    #[test]
    fn fragments_are_dealt_to_frames_by_the_offset_table() {
        let table = [0u32.to_le_bytes(), 20u32.to_le_bytes()].concat();
        let parts: [&[u8]; 4] = [&table, &[1, 1], &[2, 2], &[3, 3]];
        assert_eq!(frames_of(&parts, 2), Some(vec![vec![1, 1, 2, 2], vec![3, 3]]));
        assert_eq!(frames_of(&parts, 1), Some(vec![vec![1, 1, 2, 2, 3, 3]]));
        assert_eq!(frames_of(&parts, 4), None);
    }
}
