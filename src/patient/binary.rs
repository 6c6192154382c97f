//! The binary files of a twin: a magic word, a version, then plain little-endian arrays, large ones packed with zlib.
//!
//! | file | after the 12 bytes of magic and version |
//! | --- | --- |
//! | `volume.bin` | 3 × u32 dims; zlib of the low bytes, then the high bytes, of each i16's difference from the one before it in its row |
//! | `labels.bin` | 3 × u32 dims; zlib of u8 |
//! | `mesh.bin` | u32 vertices, u32 tetrahedra; f32 × 3 each; u32 × 4 each |
//! | `regions.bin` (of several organs only) | u32 tetrahedra; zlib of u8 each |
//! | `distance.bin` | 3 × u32 dims, f32 × 3 origin, f32 spacing; f32 each |
//!
//! A length is believed only as far as the file's own size bears it out.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use glam::Vec3;

use crate::geom::{DistanceField, TetMesh};

const VERSION: u32 = 1;
const VOLUME: &[u8; 8] = b"HLSTvolu";
const LABELS: &[u8; 8] = b"HLSTlabl";
const MESH: &[u8; 8] = b"HLSTmesh";
const REGIONS: &[u8; 8] = b"HLSTregi";
const DISTANCE: &[u8; 8] = b"HLSTdist";
/// Deflate packs at most 1032 to 1.
const MAX_RATIO: usize = 1032;

/// Voxels as stored: dims and values.
pub(crate) type Voxels<T> = ([usize; 3], Vec<T>);

fn start(magic: &[u8; 8], numbers: &[u32]) -> Vec<u8> {
    let mut out = magic.to_vec();
    out.extend(VERSION.to_le_bytes());
    numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
    out
}

fn pack(head: Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    // the best level saves 1 % more and takes four times as long
    let mut encoder = ZlibEncoder::new(head, Compression::new(6));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a Vec takes every write")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn open(bytes: &'a [u8], magic: &[u8; 8]) -> Result<Self, String> {
        let mut reader = Self(bytes);
        if reader.take(8)? != magic {
            return Err("it does not begin like one".into());
        }
        match reader.u32()? {
            VERSION => Ok(reader),
            other => Err(format!("its format version is {other}; this program reads {VERSION}")),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (head, rest) = self.0.split_at_checked(count).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32, String> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn f32(&mut self) -> Result<f32, String> {
        Ok(f32::from_bits(self.u32()?))
    }

    fn dims(&mut self) -> Result<([usize; 3], usize), String> {
        let dims = [self.u32()? as usize, self.u32()? as usize, self.u32()? as usize];
        let count =
            dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n > 0).ok_or("its dimensions make no sense")?;
        Ok((dims, count))
    }

    fn unpack(self, count: usize) -> Result<Vec<u8>, String> {
        if count > self.0.len().saturating_mul(MAX_RATIO) {
            return Err("it announces more than it can hold".into());
        }
        let mut out = Vec::new();
        ZlibDecoder::new(self.0).take(count as u64 + 1).read_to_end(&mut out).map_err(|_| "its packed data are damaged")?;
        if out.len() == count { Ok(out) } else { Err("its packed data have another length than it announces".into()) }
    }

    fn end(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err("it goes on after its end".into()) }
    }

    fn f32s(&mut self, count: usize) -> Result<Vec<f32>, String> {
        let bytes = self.take(count.checked_mul(4).ok_or("it announces more than it can hold")?)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}

pub(crate) fn write_volume(dims: [usize; 3], values: &[i16]) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * 2];
    let (low, high) = bytes.split_at_mut(values.len());
    for (at, &value) in values.iter().enumerate() {
        let before = if at % dims[0].max(1) == 0 { 0 } else { values[at - 1] };
        [low[at], high[at]] = value.wrapping_sub(before).to_le_bytes();
    }
    pack(start(VOLUME, &dims.map(|d| d as u32)), &bytes)
}

pub(crate) fn read_volume(bytes: &[u8]) -> Result<Voxels<i16>, String> {
    let mut reader = Reader::open(bytes, VOLUME)?;
    let (dims, count) = reader.dims()?;
    let bytes = reader.unpack(count.checked_mul(2).ok_or("its dimensions make no sense")?)?;
    let (low, high) = bytes.split_at(count);
    let mut before = 0i16;
    let value = |at: usize| {
        let difference = i16::from_le_bytes([low[at], high[at]]);
        before = if at.is_multiple_of(dims[0]) { difference } else { before.wrapping_add(difference) };
        before
    };
    Ok((dims, (0..count).map(value).collect()))
}

pub(crate) fn write_labels(dims: [usize; 3], values: &[u8]) -> Vec<u8> {
    pack(start(LABELS, &dims.map(|d| d as u32)), values)
}

pub(crate) fn read_labels(bytes: &[u8]) -> Result<Voxels<u8>, String> {
    let mut reader = Reader::open(bytes, LABELS)?;
    let (dims, count) = reader.dims()?;
    Ok((dims, reader.unpack(count)?))
}

pub(crate) fn write_mesh(mesh: &TetMesh) -> Vec<u8> {
    let mut out = start(MESH, &[mesh.vertices.len() as u32, mesh.tets.len() as u32]);
    mesh.vertices.iter().flat_map(|v| v.to_array()).for_each(|c| out.extend(c.to_le_bytes()));
    mesh.tets.iter().flatten().for_each(|v| out.extend(v.to_le_bytes()));
    out
}

pub(crate) fn read_mesh(bytes: &[u8]) -> Result<TetMesh, String> {
    let mut reader = Reader::open(bytes, MESH)?;
    let (vertices, tets) = (reader.u32()? as usize, reader.u32()? as usize);
    let vertices = reader.f32s(vertices.saturating_mul(3))?.chunks_exact(3).map(Vec3::from_slice).collect();
    let indices = reader.take(tets.checked_mul(16).ok_or("it announces more than it can hold")?)?;
    reader.end()?;
    let index = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let tets = indices.chunks_exact(16).map(|t| [index(&t[..4]), index(&t[4..8]), index(&t[8..12]), index(&t[12..])]).collect();
    Ok(TetMesh { vertices, tets })
}

pub(crate) fn write_regions(regions: &[u8]) -> Vec<u8> {
    pack(start(REGIONS, &[regions.len() as u32]), regions)
}

pub(crate) fn read_regions(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut reader = Reader::open(bytes, REGIONS)?;
    let count = reader.u32()? as usize;
    reader.unpack(count)
}

pub(crate) fn write_distance(field: &DistanceField) -> Vec<u8> {
    let mut out = start(DISTANCE, &field.dims.map(|d| d as u32));
    let head = [field.origin.x, field.origin.y, field.origin.z, field.spacing_m];
    head.iter().chain(&field.values).for_each(|v| out.extend(v.to_le_bytes()));
    out
}

pub(crate) fn read_distance(bytes: &[u8]) -> Result<DistanceField, String> {
    let mut reader = Reader::open(bytes, DISTANCE)?;
    let (dims, count) = reader.dims()?;
    let origin = Vec3::new(reader.f32()?, reader.f32()?, reader.f32()?);
    let spacing_m = reader.f32()?;
    let values = reader.f32s(count)?;
    reader.end()?;
    let sound = dims.iter().all(|&d| d >= 2) && origin.is_finite() && spacing_m > 0.0 && spacing_m.is_finite();
    if !sound || values.iter().any(|v| !v.is_finite()) {
        return Err("it holds numbers that are no distances".into());
    }
    Ok(DistanceField { origin, spacing_m, dims, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_come_back_bit_for_bit() {
        let values: Vec<i16> = (0..60).map(|n: i32| (n * n * 977 % 65536 - 32768) as i16).collect();
        assert_eq!(read_volume(&write_volume([5, 4, 3], &values)), Ok(([5, 4, 3], values)));
    }

    #[test]
    fn a_length_that_the_file_cannot_hold_is_refused_before_anything_is_reserved() {
        let mut mesh = start(MESH, &[u32::MAX, u32::MAX]);
        mesh.extend([0; 64]);
        assert!(read_mesh(&mesh).is_err());
        let mut volume = start(VOLUME, &[60_000, 60_000, 60_000]);
        volume.extend([0; 64]);
        assert_eq!(read_volume(&volume), Err("it announces more than it can hold".into()));
        let mut distance = start(DISTANCE, &[u32::MAX, u32::MAX, 1]);
        distance.extend([0; 64]);
        assert!(read_distance(&distance).is_err());
    }

    #[test]
    fn every_cut_of_a_file_is_refused() {
        let mesh = write_mesh(&TetMesh { vertices: vec![Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z], tets: vec![[0, 1, 2, 3]] });
        let labels = write_labels([2, 2, 2], &[0, 1, 2, 3, 4, 5, 6, 7]);
        for cut in 0..mesh.len() {
            assert!(read_mesh(&mesh[..cut]).is_err(), "{cut}");
        }
        for cut in 0..labels.len() - 4 {
            // the last four bytes are zlib's own check, which the length check makes needless
            assert!(read_labels(&labels[..cut]).is_err(), "{cut}");
        }
    }
}
