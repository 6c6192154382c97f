//! Writing a label map as NIfTI-1, for this program and any other.

use std::{io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};

use super::organs::Segment;
use crate::{geom::Volume, patient::ron_file::make_public};

/// Offset of the voxels in a single file: the header's 348 bytes and 4 that say that no extension follows.
const VOXELS_AT: usize = 352;

/// Most bytes of a legend.
const LEGEND: usize = 79;

/// Writes `labels` as a gzipped NIfTI-1 file, whole or not at all, with what each label is as far as the header's description
/// holds it. Places go into the sform: NIfTI's RAS millimetres are DICOM's LPS with x and y turned about.
pub fn write_label_map(labels: &Volume<u8>, segments: &[Segment], path: &Path) -> std::io::Result<()> {
    let mut header = [0u8; VOXELS_AT];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    let short =
        |n: usize| i16::try_from(n).map_err(|_| std::io::Error::other(format!("{n} voxels along an axis: NIfTI-1 holds 32767")));
    put(0, &348i32.to_le_bytes());
    put(40, &3i16.to_le_bytes());
    for axis in 0..7 {
        put(42 + 2 * axis, &short(labels.dims.get(axis).copied().unwrap_or(1))?.to_le_bytes());
    }
    put(70, &2i16.to_le_bytes()); // DT_UINT8
    put(72, &8i16.to_le_bytes());
    put(76, &1f32.to_le_bytes());
    for (axis, mm) in labels.spacing_mm().into_iter().enumerate() {
        put(80 + 4 * axis, &(mm as f32).to_le_bytes());
    }
    put(108, &(VOXELS_AT as f32).to_le_bytes());
    put(112, &1f32.to_le_bytes()); // slope
    put(123, &[2]); // millimetres
    let legend: Vec<String> = segments.iter().map(|segment| format!("{} {}", segment.label, segment.name)).collect();
    let legend: String = legend.join(", ").chars().filter(|c| (' '..='~').contains(c)).take(LEGEND).collect();
    put(148, legend.as_bytes());
    put(254, &1i16.to_le_bytes()); // sform: scanner coordinates
    let place = &labels.lps_from_voxel;
    for (row, turn) in [-1.0, -1.0, 1.0].into_iter().enumerate() {
        let columns = [place.x_axis, place.y_axis, place.z_axis, place.translation];
        for (column, value) in columns.into_iter().enumerate() {
            put(280 + 16 * row + 4 * column, &((turn * value[row]) as f32).to_le_bytes());
        }
    }
    put(344, b"n+1\0");

    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(parent)?;
    let mut packed = GzEncoder::new(file.as_file(), Compression::default());
    packed.write_all(&header)?;
    packed.write_all(&labels.voxels)?;
    let finished = packed.finish()?;
    make_public(finished)?;
    finished.sync_all()?;
    file.persist(path).map_err(|fault| fault.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DMat3, DVec3};

    use super::*;
    use crate::patient::labels;

    #[test]
    fn the_label_reader_finds_every_voxel_where_it_was() {
        // oblique, and a mirrored third axis: nothing that a flip of signs would leave as it was
        let matrix3 = DMat3::from_rotation_z(0.3) * DMat3::from_diagonal(DVec3::new(0.5, 0.75, -2.0));
        let place = DAffine3 { matrix3, translation: DVec3::new(-120.5, 33.25, 800.0) };
        let map = Volume { dims: [3, 4, 5], lps_from_voxel: place, voxels: (0..60).collect() };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("labels.nii.gz");
        write_label_map(&map, &[], &path).expect("written");
        let back = labels::read(&path, 1).expect("read");
        assert_eq!(back.dims, map.dims);
        assert_eq!(back.voxels, map.voxels);
        assert!(back.lps_from_voxel.abs_diff_eq(place, 1e-4), "{:?}", back.lps_from_voxel);
        assert_eq!(labels::resample(&back, &map).map(|v| v.voxels).ok(), Some(map.voxels));
    }
}
