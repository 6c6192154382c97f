//! Compressed frames with nothing in them but the image: comments, application data and what follows the end are dropped.
//!
//! JPEG and JPEG-LS: ITU-T T.81 §B.1 and T.87 §C; JPEG 2000: T.800 annex A; RLE: DICOM PS3.5 annex G. A stream whose parts do not follow
//! each other as these say is not rewritten: nobody knows what else is in it.

/// The code stream of one frame of `pixels` pixels in transfer syntax `syntax` without comments; nothing if it cannot be taken apart.
pub(crate) fn bare(stream: &[u8], syntax: &str, pixels: usize) -> Option<Vec<u8>> {
    if syntax.ends_with(".1.2.5") {
        bare_rle(stream, pixels)
    } else if stream.starts_with(&[0xFF, 0x4F]) {
        bare_jpeg_2000(stream)
    } else if stream.starts_with(&[0xFF, 0xD8]) {
        bare_jpeg(stream)
    } else {
        None
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])))
}

/// The marker segment at `at`: its marker and its bytes.
fn segment(stream: &[u8], at: usize) -> Option<(u8, &[u8])> {
    let [0xFF, marker] = *stream.get(at..at + 2)? else { return None };
    let length = u16_at(stream, at + 2).filter(|&length| length >= 2)?;
    Some((marker, stream.get(at..at + 2 + length)?))
}

fn bare_jpeg(stream: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut at) = (vec![0xFF, 0xD8], 2);
    loop {
        // any number of fill bytes may stand before a marker
        while stream.get(at..at + 2)? == [0xFF, 0xFF] {
            at += 1;
        }
        if stream.get(at..at + 2)? == [0xFF, 0xD9] {
            out.extend([0xFF, 0xD9]);
            return Some(out);
        }
        let (marker, bytes) = segment(stream, at)?;
        at += bytes.len();
        match marker {
            // APP0 to APP15, JPG0 to JPG13 but those of JPEG-LS, COM
            0xE0..=0xEF | 0xF0..=0xF6 | 0xF9..=0xFE => {}
            // frames, tables, restart interval, number of lines; SOF55 and LSE of JPEG-LS
            0xC0..=0xCF | 0xDB..=0xDF | 0xF7 | 0xF8 => out.extend(bytes),
            0xDA => {
                out.extend(bytes);
                // the scan reaches to the next marker: not a stuffed byte, not a restart
                let is_marker = |pair: &[u8]| pair[0] == 0xFF && pair[1] >= 0x80 && !(0xD0..=0xD7).contains(&pair[1]);
                let length = stream[at..].windows(2).position(is_marker)?;
                out.extend(&stream[at..at + length]);
                at += length;
            }
            _ => return None,
        }
    }
}

fn bare_jpeg_2000(stream: &[u8]) -> Option<Vec<u8>> {
    const SOT: u8 = 0x90;
    const TILE_LENGTHS: u8 = 0x55;
    const COMMENT: u8 = 0x64;
    let mut out = vec![0xFF, 0x4F];
    let mut at = 2;
    while *stream.get(at + 1)? != SOT {
        let (marker, bytes) = segment(stream, at)?;
        at += bytes.len();
        match marker {
            // the lengths of tile-parts, which may change, are told once more where each begins
            COMMENT | TILE_LENGTHS => {}
            // SIZ, CAP, COD, COC, QCD, QCC, RGN, POC, PPM, PLM, CRG
            0x50..=0x53 | 0x57 | 0x5C..=0x60 | 0x63 => out.extend(bytes),
            _ => return None,
        }
    }
    while stream.get(at..at + 2)? != [0xFF, 0xD9] {
        let (SOT, head) = segment(stream, at)? else { return None };
        let length = u32::from_be_bytes(head.get(6..10)?.try_into().ok()?) as usize;
        let part = match length {
            0 => &stream[at..],
            _ => stream.get(at..at.checked_add(length)?)?,
        };
        let start = out.len();
        out.extend(head);
        let mut inner = head.len();
        while part.get(inner..inner + 2)? != [0xFF, 0x93] {
            let (marker, bytes) = segment(part, inner)?;
            inner += bytes.len();
            match marker {
                COMMENT => {}
                // COD, COC, PLT, QCD, QCC, RGN, POC, PPT
                0x52 | 0x53 | 0x58 | 0x5C..=0x5F | 0x61 => out.extend(bytes),
                _ => return None,
            }
        }
        // 0: up to the end of the stream, which no two bytes of coded data look like (T.800 §B.10.1)
        let data = match length {
            0 => &part[inner..inner + part[inner..].windows(2).position(|pair| pair == [0xFF, 0xD9])?],
            _ => &part[inner..],
        };
        out.extend(data);
        at += inner + data.len();
        let length = u32::try_from(out.len() - start).ok()?;
        out[start + 6..start + 10].copy_from_slice(&length.to_be_bytes());
    }
    out.extend([0xFF, 0xD9]);
    Some(out)
}

/// The segments of PackBits up to the byte that completes the image, at even offsets.
fn bare_rle(stream: &[u8], pixels: usize) -> Option<Vec<u8>> {
    let word = |at: usize| stream.get(4 * at..4 * at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let segments = word(0).filter(|n| (1..=15).contains(n))?;
    let (mut head, mut out) = (vec![segments as u32], Vec::new());
    for n in 1..=segments {
        head.push(u32::try_from(64 + out.len()).ok()?);
        let start = word(n).filter(|&start| start >= 64)?;
        let (mut at, mut unpacked) = (start, 0);
        while unpacked < pixels {
            let run = usize::from(*stream.get(at)?);
            let (length, values) = match run {
                0..=127 => (run + 2, run + 1),
                128 => (1, 0),
                _ => (2, 257 - run),
            };
            at += length;
            unpacked += values;
        }
        out.extend(stream.get(start..at)?);
        out.resize(out.len().next_multiple_of(2), 0);
    }
    head.resize(16, 0);
    Some([head.into_iter().flat_map(u32::to_le_bytes).collect(), out].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_application_data_and_tails_are_dropped_from_jpeg() {
        let whole = [
            &[0xFF, 0xD8][..],
            &[0xFF, 0xE1, 0, 6, b'N', b'A', b'M', b'E'],
            &[0xFF, 0xC3, 0, 4, 1, 2],
            &[0xFF, 0xFF, 0xFE, 0, 5, b'J', b'o', b'e'],
            &[0xFF, 0xDA, 0, 3, 9, 0x11, 0xFF, 0x00, 0xFF, 0xD3, 0x22, 0xFF, 0x7F],
            &[0xFF, 0xFE, 0, 3, b'x', 0xFF, 0xD9, b'N', b'A', b'M', b'E'],
        ]
        .concat();
        let expected = [
            &[0xFF, 0xD8, 0xFF, 0xC3, 0, 4, 1, 2][..],
            &[0xFF, 0xDA, 0, 3, 9, 0x11, 0xFF, 0x00, 0xFF, 0xD3, 0x22, 0xFF, 0x7F, 0xFF, 0xD9],
        ]
        .concat();
        assert_eq!(bare(&whole, "1.2.840.10008.1.2.4.70", 4), Some(expected.clone()));
        assert_eq!(bare(&expected, "1.2.840.10008.1.2.4.70", 4), Some(expected.clone()));
        for length in 0..expected.len() {
            assert_eq!(bare(&whole[..length], "1.2.840.10008.1.2.4.70", 4), None, "cut to {length}");
        }
    }

    #[test]
    fn comments_in_both_headers_of_jpeg_2000_are_dropped_and_lengths_follow() {
        let comment = [0xFF, 0x64, 0, 8, 0, 1, b'N', b'A', b'M', b'E'];
        let size = [0xFF, 0x51, 0, 4, 7, 7];
        let part = |length: u8, between: &[u8]| {
            [&[0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, length, 0, 1][..], between, &[0xFF, 0x93, 1, 2, 3, 4]].concat()
        };
        let lengths = [0xFF, 0x55, 0, 4, 0, 0];
        let stream = |parts: &[Vec<u8>], head: &[u8], tail: &[u8]| {
            [&[0xFF, 0x4F][..], &size, head, &parts.concat(), &[0xFF, 0xD9], tail].concat()
        };
        let bared = stream(&[part(18, &[]), part(18, &[])], &[], &[]);
        for whole in [
            stream(&[part(28, &comment), part(18, &[])], &lengths, b"NAME"),
            stream(&[part(28, &comment), part(0, &comment)], &comment, b""),
        ] {
            assert_eq!(bare(&whole, "1.2.840.10008.1.2.4.90", 4), Some(bared.clone()));
        }
        for length in 0..bared.len() {
            assert_eq!(bare(&bared[..length], "1.2.840.10008.1.2.4.90", 4), None, "cut to {length}");
        }
    }

    #[test]
    fn run_lengths_end_with_the_image() {
        let mut whole: Vec<u8> = [2u32, 70, 80].iter().flat_map(|v| v.to_le_bytes()).chain([0xAA; 52]).collect();
        whole.extend(b"hidden");
        whole.extend([253, 7, 0, 9, 128, 0, 5, b'N', b'A', b'M']);
        whole.extend([5, 1, 2, 3, 4, 5, 6, b'N']);
        let found = bare(&whole, "1.2.840.10008.1.2.5", 6).expect("sound");
        assert_eq!(&found[..16], [2u32, 64, 72, 0].map(u32::to_le_bytes).concat());
        assert_eq!(&found[64..], [253, 7, 0, 9, 128, 0, 5, 0, 5, 1, 2, 3, 4, 5, 6, 0]);
        assert_eq!(bare(&whole[..82], "1.2.840.10008.1.2.5", 6), None);
    }
}
