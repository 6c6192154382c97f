//! DICOM on the way out: elements, sequences, the head of a file (PS3.5 §7, PS3.10 §7.1).

use std::collections::BTreeMap;

use super::dicom::{Layout, Tag, tags};

/// Names this program as the writer (PS3.7 §D.3.3.2).
const IMPLEMENTATION: &str = "2.25.297698004000068431291237952554965619502";

/// Preamble and file meta information.
pub(crate) fn meta(sop_class: &str, instance: &str, syntax: &str) -> Vec<u8> {
    let mut writer = Writer::new(Layout { explicit: true, big_endian: false });
    writer.put((0x0002, 0x0001), b"OB", &[0, 1]);
    for (element, value) in [(0x0002, sop_class), (0x0003, instance), (0x0010, syntax), (0x0012, IMPLEMENTATION)] {
        writer.put((0x0002, element), b"UI", value.as_bytes());
    }
    writer.put((0x0002, 0x0013), b"SH", b"HALSTED");
    let length: usize = writer.elements.values().map(Vec::len).sum();
    writer.put((0x0002, 0x0000), b"UL", &(length as u32).to_le_bytes());
    let mut out = vec![0; 128];
    out.extend(b"DICM");
    out.extend(writer.into_bytes());
    out
}

/// Elements on their way out, in the order of tags.
pub(crate) struct Writer {
    pub layout: Layout,
    pub elements: BTreeMap<Tag, Vec<u8>>,
}

impl Writer {
    pub fn new(layout: Layout) -> Self {
        Self { layout, elements: BTreeMap::new() }
    }

    /// What was put, in the order of tags.
    pub fn into_bytes(self) -> Vec<u8> {
        self.elements.into_values().flatten().collect()
    }

    fn u16(&self, value: u16) -> [u8; 2] {
        if self.layout.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(&self, value: u32) -> [u8; 4] {
        if self.layout.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn header(&self, tag: Tag, vr: &[u8; 2], length: u32) -> Vec<u8> {
        let mut out = [self.u16(tag.0), self.u16(tag.1)].concat();
        if tag.0 == 0xFFFE || !self.layout.explicit {
            out.extend(self.u32(length));
        } else if matches!(vr, b"OB" | b"OW" | b"SQ") {
            out.extend(vr);
            out.extend([0, 0]);
            out.extend(self.u32(length));
        } else {
            out.extend(vr);
            out.extend(self.u16(length as u16));
        }
        out
    }

    pub fn put(&mut self, tag: Tag, vr: &[u8; 2], value: &[u8]) {
        let mut element = self.header(tag, vr, value.len().next_multiple_of(2) as u32);
        element.extend(value);
        if value.len() % 2 == 1 {
            element.push(if vr == b"UI" || vr == b"OB" { 0 } else { b' ' });
        }
        self.elements.insert(tag, element);
    }

    pub fn item(&self, content: Writer) -> Vec<u8> {
        let content = content.into_bytes();
        let mut out = self.header(tags::ITEM, b"  ", content.len() as u32);
        out.extend(content);
        out
    }

    pub fn sequence(&mut self, tag: Tag, items: &[u8]) {
        let mut element = self.header(tag, b"SQ", items.len() as u32);
        element.extend(items);
        self.elements.insert(tag, element);
    }

    /// Compressed pixel data: an empty offset table, or of several frames one that says where each begins, and one fragment a frame.
    pub fn frames(&mut self, frames: &[Vec<u8>]) {
        let mut out = self.header(tags::PIXEL_DATA, b"OB", u32::MAX);
        let starts = frames.iter().scan(0, |next, frame| {
            let start = *next;
            *next += 8 + frame.len().next_multiple_of(2);
            Some(start)
        });
        let starts: Option<Vec<u32>> = starts.map(|start| start.try_into().ok()).collect();
        let table: Vec<u8> =
            starts.filter(|_| frames.len() > 1).unwrap_or_default().into_iter().flat_map(|start| self.u32(start)).collect();
        for fragment in std::iter::once(&table).chain(frames) {
            out.extend(self.header(tags::ITEM, b"  ", fragment.len().next_multiple_of(2) as u32));
            out.extend(fragment);
            out.resize(out.len().next_multiple_of(2), 0);
        }
        out.extend(self.header(tags::SEQUENCE_END, b"  ", 0));
        self.elements.insert(tags::PIXEL_DATA, out);
    }
}
