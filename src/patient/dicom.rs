//! One DICOM file: its structure, its image attributes and its pixels.
//!
//! The structure is walked here, over the file's own bytes, and only the codecs are the `dicom` crates'. Their reader builds nested
//! sequences by recursion and reserves what a length field says before it looks whether the file holds so much, so that a small hostile
//! file could exhaust stack or memory, which nothing can catch. Here nesting is bounded, every length is held against what is left, and
//! a value is a slice of the file. Encodings: DICOM PS3.5 §7 and annex A; file format: PS3.10 §7.
//!
//! Read leniently where images in the wild are (no preamble, no transfer syntax, implicit items within explicit data), as long as the
//! values that come out are certain; everything else is a [`Fault`] that names the tag, never its value.

use std::{fs::File, io::Read, path::Path};

use super::info::Fault;

/// A tag: group and element.
pub(crate) type Tag = (u16, u16);

/// Deepest nesting of sequences that is followed; real functional groups need 4.
const MAX_DEPTH: usize = 16;
/// Most elements, items and fragments of a file; a structure set or an object of many frames has some 100,000.
const MAX_PARTS: usize = 1 << 22;
/// Most bytes a deflated data set may unfold to.
const MAX_INFLATED: u64 = 1 << 30;
/// Largest file that is read into memory.
const MAX_FILE: u64 = 4 << 30;

pub(crate) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(crate) const IMPLICIT_LE: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT_LE: &str = "1.2.840.10008.1.2.1";
pub(crate) const EXPLICIT_BE: &str = "1.2.840.10008.1.2.2";

pub(crate) mod tags {
    use super::Tag;
    pub const MEDIA_SOP_CLASS: Tag = (0x0002, 0x0002);
    pub const TRANSFER_SYNTAX: Tag = (0x0002, 0x0010);
    pub const IMAGE_TYPE: Tag = (0x0008, 0x0008);
    pub const SOP_CLASS: Tag = (0x0008, 0x0016);
    pub const SOP_INSTANCE: Tag = (0x0008, 0x0018);
    pub const MODALITY: Tag = (0x0008, 0x0060);
    pub const STUDY_DESCRIPTION: Tag = (0x0008, 0x1030);
    pub const SERIES_DESCRIPTION: Tag = (0x0008, 0x103E);
    pub const BODY_PART: Tag = (0x0018, 0x0015);
    pub const SLICE_THICKNESS: Tag = (0x0018, 0x0050);
    pub const PROTOCOL_NAME: Tag = (0x0018, 0x1030);
    pub const STUDY_UID: Tag = (0x0020, 0x000D);
    pub const SERIES_UID: Tag = (0x0020, 0x000E);
    pub const POSITION: Tag = (0x0020, 0x0032);
    pub const ORIENTATION: Tag = (0x0020, 0x0037);
    pub const FRAME_OF_REFERENCE: Tag = (0x0020, 0x0052);
    pub const SLICE_SPACING: Tag = (0x0018, 0x0088);
    pub const PLANE_POSITION: Tag = (0x0020, 0x9113);
    pub const PLANE_ORIENTATION: Tag = (0x0020, 0x9116);
    pub const SAMPLES: Tag = (0x0028, 0x0002);
    pub const PHOTOMETRIC: Tag = (0x0028, 0x0004);
    pub const FRAMES: Tag = (0x0028, 0x0008);
    pub const ROWS: Tag = (0x0028, 0x0010);
    pub const COLUMNS: Tag = (0x0028, 0x0011);
    pub const PIXEL_SPACING: Tag = (0x0028, 0x0030);
    pub const BITS_ALLOCATED: Tag = (0x0028, 0x0100);
    pub const BITS_STORED: Tag = (0x0028, 0x0101);
    pub const HIGH_BIT: Tag = (0x0028, 0x0102);
    pub const PIXEL_REPRESENTATION: Tag = (0x0028, 0x0103);
    pub const BURNED_IN: Tag = (0x0028, 0x0301);
    pub const RECOGNISABLE: Tag = (0x0028, 0x0302);
    pub const INTERCEPT: Tag = (0x0028, 0x1052);
    pub const SLOPE: Tag = (0x0028, 0x1053);
    pub const MODALITY_LUT: Tag = (0x0028, 0x3000);
    pub const PIXEL_MEASURES: Tag = (0x0028, 0x9110);
    pub const PIXEL_TRANSFORM: Tag = (0x0028, 0x9145);
    pub const SEGMENTATION_TYPE: Tag = (0x0062, 0x0001);
    pub const SEGMENTS: Tag = (0x0062, 0x0002);
    pub const OWN_SEGMENT_NUMBER: Tag = (0x0062, 0x0004);
    pub const SEGMENT_LABEL: Tag = (0x0062, 0x0005);
    pub const SEGMENT_IDENTIFICATION: Tag = (0x0062, 0x000A);
    pub const SEGMENT_NUMBER: Tag = (0x0062, 0x000B);
    pub const FRACTIONAL_MAX: Tag = (0x0062, 0x000E);
    pub const ROI: Tag = (0x3006, 0x0020);
    pub const ROI_NUMBER: Tag = (0x3006, 0x0022);
    pub const ROI_NAME: Tag = (0x3006, 0x0026);
    pub const ROI_CONTOURS: Tag = (0x3006, 0x0039);
    pub const CONTOURS: Tag = (0x3006, 0x0040);
    pub const CONTOUR_TYPE: Tag = (0x3006, 0x0042);
    pub const CONTOUR_SLAB: Tag = (0x3006, 0x0044);
    pub const CONTOUR_POINTS: Tag = (0x3006, 0x0046);
    pub const CONTOUR_DATA: Tag = (0x3006, 0x0050);
    pub const REFERENCED_ROI: Tag = (0x3006, 0x0084);
    pub const SHARED_GROUPS: Tag = (0x5200, 0x9229);
    pub const FRAME_GROUPS: Tag = (0x5200, 0x9230);
    pub const PIXEL_DATA: Tag = (0x7FE0, 0x0010);
    pub const ITEM: Tag = (0xFFFE, 0xE000);
    pub const ITEM_END: Tag = (0xFFFE, 0xE00D);
    pub const SEQUENCE_END: Tag = (0xFFFE, 0xE0DD);

    /// Sequences whose content is wanted even where their length is given and could be skipped.
    pub const FOLLOWED: [Tag; 11] = [
        SHARED_GROUPS,
        FRAME_GROUPS,
        PLANE_POSITION,
        PLANE_ORIENTATION,
        PIXEL_MEASURES,
        PIXEL_TRANSFORM,
        SEGMENT_IDENTIFICATION,
        SEGMENTS,
        ROI,
        ROI_CONTOURS,
        CONTOURS,
    ];
}

/// How elements are laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Layout {
    pub explicit: bool,
    pub big_endian: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    /// The file ends inside this value: what is there, and how much was announced.
    Cut(&'a [u8], u64),
    Items(Vec<DataSet<'a>>),
    /// Encapsulated pixel data: the basic offset table, then the fragments; the flag says that the closing delimiter was there.
    Fragments(Vec<&'a [u8]>, bool),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Element<'a> {
    pub tag: Tag,
    /// The value representation where it is written, else two blanks.
    pub vr: [u8; 2],
    pub value: Value<'a>,
}

/// The elements of a file, or of one item of a sequence, in file order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DataSet<'a> {
    pub layout: Layout,
    pub elements: Vec<Element<'a>>,
    /// The bytes ran out, or stopped making sense, before the end.
    pub broken: bool,
}

/// A file's bytes, with the data set found in them.
#[derive(Debug)]
pub(crate) struct DicomFile {
    bytes: Vec<u8>,
    start: usize,
    layout: Layout,
    pub transfer_syntax: String,
    pub media_sop_class: String,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Elements, items and fragments so far, in the whole file.
    parts: usize,
}

impl<'a> Cursor<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len())?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Some(slice)
    }

    fn u16(&mut self, big: bool) -> Option<u16> {
        let b: [u8; 2] = self.take(2)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) })
    }

    fn u32(&mut self, big: bool) -> Option<u32> {
        let b: [u8; 4] = self.take(4)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) })
    }

    /// Counts one more element, item or fragment.
    fn part(&mut self) -> Result<(), Fault> {
        self.parts += 1;
        if self.parts <= MAX_PARTS {
            Ok(())
        } else {
            Err(Fault::new("too_large", format!("it holds more than {MAX_PARTS} elements")))
        }
    }

    /// Tag, value representation and length of the next element.
    fn header(&mut self, layout: Layout) -> Option<(Tag, [u8; 2], u32)> {
        let big = layout.big_endian;
        let tag = (self.u16(big)?, self.u16(big)?);
        if tag.0 == 0xFFFE || !layout.explicit {
            return Some((tag, *b"  ", self.u32(big)?));
        }
        let vr: [u8; 2] = self.take(2)?.try_into().ok()?;
        if !vr.iter().all(u8::is_ascii_uppercase) {
            // an implicit element among explicit ones: those two bytes belong to its length
            self.at -= 2;
            return Some((tag, *b"  ", self.u32(big)?));
        }
        const SHORT: [&[u8; 2]; 20] = [
            b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
            b"ST", b"TM", b"UI", b"UL",
        ];
        let length = if vr == *b"US" || SHORT.contains(&&vr) {
            u32::from(self.u16(big)?)
        } else {
            self.take(2)?;
            self.u32(big)?
        };
        Some((tag, vr, length))
    }
}

/// Walks elements until the bytes end, or a delimiter that closes an open-ended item.
fn walk<'a>(cursor: &mut Cursor<'a>, layout: Layout, depth: usize, open_ended: bool) -> Result<DataSet<'a>, Fault> {
    let mut set = DataSet { layout, elements: Vec::new(), broken: false };
    while cursor.left() > 0 {
        let Some((tag, vr, length)) = cursor.header(layout) else {
            set.broken = true;
            break;
        };
        if tag == tags::ITEM_END && open_ended {
            return Ok(set);
        }
        if tag.0 == 0xFFFE {
            set.broken = true;
            break;
        }
        cursor.part()?;
        let open = length == u32::MAX;
        let value = if open && tag == tags::PIXEL_DATA {
            fragments(cursor, layout)?
        } else if open || (tags::FOLLOWED.contains(&tag) && (length as usize) <= cursor.left()) {
            // PS3.5 §6.2.2: what stands in an open-ended UN is implicit little endian
            let inner = if vr == *b"UN" { Layout { explicit: false, big_endian: false } } else { layout };
            let (items, whole) = if open {
                items(cursor, inner, depth + 1, true)?
            } else {
                let slice = cursor.take(length as usize).unwrap_or_default();
                let mut within = Cursor { bytes: slice, at: 0, parts: cursor.parts };
                let found = items(&mut within, inner, depth + 1, false)?;
                cursor.parts = within.parts;
                found
            };
            set.broken |= !whole;
            Value::Items(items)
        } else if let Some(bytes) = cursor.take(length as usize) {
            Value::Bytes(bytes)
        } else {
            set.broken = true;
            let rest = cursor.left();
            Value::Cut(cursor.take(rest).unwrap_or_default(), u64::from(length))
        };
        set.elements.push(Element { tag, vr, value });
    }
    set.broken |= open_ended;
    Ok(set)
}

fn items<'a>(cursor: &mut Cursor<'a>, layout: Layout, depth: usize, open_ended: bool) -> Result<(Vec<DataSet<'a>>, bool), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::new("too_deep", format!("sequences nest deeper than {MAX_DEPTH} levels")));
    }
    let mut out = Vec::new();
    while cursor.left() > 0 {
        let Some((tag, _, length)) = cursor.header(layout) else { return Ok((out, false)) };
        if tag == tags::SEQUENCE_END {
            return Ok((out, true));
        }
        if tag != tags::ITEM {
            return Ok((out, false));
        }
        cursor.part()?;
        // an item may be implicit although the file is explicit: then no two capital letters follow its first tag
        let looks_implicit = layout.explicit
            && cursor.bytes.get(cursor.at + 4..cursor.at + 6).is_some_and(|vr| !vr.iter().all(u8::is_ascii_uppercase));
        let starts_with_delimiter =
            cursor.bytes.get(cursor.at..cursor.at + 2).is_some_and(|b| b == [0xFE, 0xFF] || b == [0xFF, 0xFE]);
        let inner = Layout { explicit: layout.explicit && (!looks_implicit || starts_with_delimiter), ..layout };
        if length == u32::MAX {
            let set = walk(cursor, inner, depth, true)?;
            let broken = set.broken;
            out.push(set);
            if broken {
                return Ok((out, false));
            }
        } else {
            let Some(slice) = cursor.take(length as usize) else { return Ok((out, false)) };
            let mut within = Cursor { bytes: slice, at: 0, parts: cursor.parts };
            out.push(walk(&mut within, inner, depth, false)?);
            cursor.parts = within.parts;
        }
    }
    Ok((out, !open_ended))
}

fn fragments<'a>(cursor: &mut Cursor<'a>, layout: Layout) -> Result<Value<'a>, Fault> {
    let mut out = Vec::new();
    while let Some((tag, _, length)) = cursor.header(layout) {
        if tag == tags::SEQUENCE_END {
            return Ok(Value::Fragments(out, true));
        }
        if tag != tags::ITEM {
            break;
        }
        cursor.part()?;
        match cursor.take(length as usize) {
            Some(bytes) => out.push(bytes),
            None => break,
        }
    }
    Ok(Value::Fragments(out, false))
}

/// How the elements from `bytes` on are laid out, judged by the first one; nothing if it does not look like DICOM.
fn sniff(bytes: &[u8]) -> Option<Layout> {
    let head: [u8; 8] = bytes.get(..8)?.try_into().ok()?;
    let low = |b: u8| matches!(b, 0x02 | 0x04 | 0x08 | 0x10 | 0x20 | 0x28);
    let big_endian = head[0] == 0 && low(head[1]);
    if !(big_endian || (head[1] == 0 && low(head[0]))) {
        return None;
    }
    const COMMON: [&[u8; 2]; 8] = [b"CS", b"UI", b"UL", b"DA", b"LO", b"OB", b"SH", b"US"];
    let explicit = COMMON.iter().any(|vr| head[4..6] == vr[..]);
    let implicit_length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    (explicit || (!big_endian && implicit_length < 0x1_0000)).then_some(Layout { explicit, big_endian })
}

impl DicomFile {
    /// Reads a file, or gives nothing if it is not DICOM.
    ///
    /// # Errors
    /// An [`std::io::Error`] if the file cannot be read, a [`Fault`] inside `Ok(Some(Err(…)))` if it is DICOM but cannot be taken apart.
    pub fn open(path: &Path) -> std::io::Result<Option<Result<Self, Fault>>> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        file.by_ref().take(256).read_to_end(&mut bytes)?;
        let marked = bytes.get(128..132) == Some(b"DICM") || bytes.get(..4) == Some(b"DICM");
        if !marked && sniff(&bytes).is_none() {
            return Ok(None);
        }
        if file.metadata()?.len() > MAX_FILE {
            return Ok(Some(Err(Fault::new("too_large", format!("{} is larger than {} GiB", file_name(path), MAX_FILE >> 30)))));
        }
        file.read_to_end(&mut bytes)?;
        let parsed = Self::from_bytes(bytes, &file_name(path));
        // without the mark, what cannot be an image is more likely something else
        Ok(if !marked && parsed.as_ref().is_ok_and(|file| file.data_set().is_ok_and(|set| set.elements.len() < 3)) {
            None
        } else {
            Some(parsed)
        })
    }

    /// Finds the data set in a file's bytes; `name` stands in messages.
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Self, Fault> {
        let mut start = if bytes.get(128..132) == Some(b"DICM") {
            132
        } else if bytes.get(..4) == Some(b"DICM") {
            4
        } else {
            0
        };
        let (mut transfer_syntax, mut media_sop_class) = (String::new(), String::new());
        let meta_layout = Layout { explicit: true, big_endian: false };
        let mut cursor = Cursor { bytes: &bytes, at: start, parts: 0 };
        loop {
            if cursor.bytes.get(cursor.at..cursor.at + 2) != Some(&[2, 0]) {
                break;
            }
            let Some((tag, _, length)) = cursor.header(meta_layout) else { break };
            let Some(value) = cursor.take(length as usize) else { break };
            match tag {
                tags::TRANSFER_SYNTAX => transfer_syntax = text(value),
                tags::MEDIA_SOP_CLASS => media_sop_class = text(value),
                _ => {}
            }
            start = cursor.at;
        }
        let rest = &bytes[start..];
        let layout = match transfer_syntax.as_str() {
            DEFLATED => {
                let mut inflated = Vec::new();
                // a cut stream still gives its beginning; the walk says where it ends
                let _ = flate2::read::DeflateDecoder::new(rest).take(MAX_INFLATED).read_to_end(&mut inflated);
                let layout = Layout { explicit: true, big_endian: false };
                return Ok(Self { bytes: inflated, start: 0, layout, transfer_syntax, media_sop_class });
            }
            "" => {
                let layout = sniff(rest).ok_or_else(|| {
                    Fault::new(
                        "no_transfer_syntax",
                        format!("{name} does not say its transfer syntax (0002,0010) and none can be told"),
                    )
                })?;
                transfer_syntax = match layout {
                    Layout { explicit: false, .. } => IMPLICIT_LE,
                    Layout { big_endian: true, .. } => EXPLICIT_BE,
                    _ => EXPLICIT_LE,
                }
                .to_owned();
                layout
            }
            IMPLICIT_LE => Layout { explicit: false, big_endian: false },
            EXPLICIT_BE => Layout { explicit: true, big_endian: true },
            _ => Layout { explicit: true, big_endian: false },
        };
        Ok(Self { bytes, start, layout, transfer_syntax, media_sop_class })
    }

    pub fn data_set(&self) -> Result<DataSet<'_>, Fault> {
        walk(&mut Cursor { bytes: &self.bytes, at: self.start, parts: 0 }, self.layout, 0, false)
    }
}

/// The last part of a path, for messages.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned()
}

impl<'a> DataSet<'a> {
    /// Takes bytes apart that are known to be elements of this layout, such as a message.
    pub fn parse(bytes: &'a [u8], layout: Layout) -> Result<Self, Fault> {
        walk(&mut Cursor { bytes, at: 0, parts: 0 }, layout, 0, false)
    }

    pub fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    pub fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        match self.get(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A value as text without its padding; empty counts as absent.
    pub fn text(&self, tag: Tag) -> Option<String> {
        self.bytes(tag).map(text).filter(|text| !text.is_empty())
    }

    /// A 16-bit unsigned value; nothing where there are several: a length that is too great has swallowed other elements.
    pub fn u16(&self, tag: Tag) -> Option<u16> {
        let b: [u8; 2] = self.bytes(tag)?.try_into().ok()?;
        Some(if self.layout.big_endian { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) })
    }

    /// `N` numbers, as [`Self::number_list`] reads them; nothing unless there are so many.
    pub fn numbers<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        self.number_list(tag)?.try_into().ok()
    }

    /// Decimal numbers, written as text (DS, IS) or in binary (FD); nothing unless all are there and finite.
    pub fn number_list(&self, tag: Tag) -> Option<Vec<f64>> {
        let element = self.get(tag)?;
        let Value::Bytes(bytes) = element.value else { return None };
        let values: Vec<f64> = if element.vr == *b"FD" {
            let number = |b: &[u8]| -> Option<f64> {
                let b: [u8; 8] = b.try_into().ok()?;
                Some(if self.layout.big_endian { f64::from_be_bytes(b) } else { f64::from_le_bytes(b) })
            };
            bytes.chunks_exact(8).map(number).collect::<Option<_>>()?
        } else {
            text(bytes).split('\\').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?
        };
        values.iter().all(|v: &f64| v.is_finite()).then_some(values)
    }

    pub fn items(&self, tag: Tag) -> &[DataSet<'a>] {
        match self.get(tag).map(|element| &element.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: Tag, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let mut out = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        out.extend(vr);
        out.extend((value.len() as u16).to_le_bytes());
        out.extend(value);
        out
    }

    fn file(data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 128];
        out.extend(b"DICM");
        out.extend(element(tags::TRANSFER_SYNTAX, b"UI", b"1.2.840.10008.1.2.1\0"));
        out.extend(data);
        out
    }

    #[test]
    fn a_length_that_the_file_does_not_hold_is_seen_and_not_reserved() {
        let mut data = element(tags::ROWS, b"US", &2u16.to_le_bytes());
        data.extend([0xE0, 0x7F, 0x10, 0x00, b'O', b'W', 0, 0, 0xF0, 0xFF, 0xFF, 0xFF, 1, 2, 3]);
        let file = DicomFile::from_bytes(file(&data), "x").expect("meta is whole");
        let set = file.data_set().expect("structure is shallow");
        assert!(set.broken);
        assert_eq!(set.u16(tags::ROWS), Some(2));
        assert_eq!(set.get(tags::PIXEL_DATA).map(|e| e.value.clone()), Some(Value::Cut(&[1, 2, 3], 0xFFFF_FFF0)));
    }

    /// 200,000 open sequences in 4 MB: a reader that recurses without a bound dies here of its stack.
    #[test]
    fn a_tower_of_sequences_is_refused() {
        let mut data = Vec::new();
        for _ in 0..200_000 {
            data.extend([0x08, 0x00, 0x40, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
            data.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        let file = DicomFile::from_bytes(file(&data), "x").expect("meta is whole");
        assert_eq!(file.data_set().expect_err("too deep").code, "too_deep");
    }

    #[test]
    fn an_item_written_implicitly_in_an_explicit_file_is_read() {
        let mut item = vec![0x20, 0, 0x32, 0, 6, 0, 0, 0];
        item.extend(b"1\\2\\3 ");
        let mut data = vec![0x20, 0x00, 0x13, 0x91, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        data.extend([0xFE, 0xFF, 0x00, 0xE0]);
        data.extend((item.len() as u32).to_le_bytes());
        data.extend(&item);
        data.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        let file = DicomFile::from_bytes(file(&data), "x").expect("meta is whole");
        let set = file.data_set().expect("shallow");
        assert_eq!(set.items(tags::PLANE_POSITION)[0].numbers::<3>(tags::POSITION), Some([1.0, 2.0, 3.0]));
    }
}
