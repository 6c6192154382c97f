//! Which voxels are the organ: a label map on any grid, contours, or a range of HU.
//!
//! A map is resampled by coordinates, nearest label, because its axes may run another way than the image's.

use std::path::{Path, PathBuf};

use glam::DVec3;

use super::{
    contours,
    dicom::{DataSet, DicomFile, file_name},
    grid_file::GridFile,
    info::Fault,
    segment::parts,
    segments,
};
use crate::geom::Volume;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LabelError {
    #[error("{} cannot be read as a label map: {why}", path.display())]
    #[diagnostic(help(
        "label maps are NIfTI-1 (.nii, .nii.gz), NRRD, a DICOM segmentation object, or the contours of a DICOM structure set"
    ))]
    Unreadable { path: PathBuf, why: String },
    #[error("{} does not say where it lies (NIfTI: sform or qform; NRRD: space, space directions and space origin)", .0.display())]
    NoPlace(PathBuf),
    #[error("{} is not a label map: its values are not whole numbers from 0 on, or more than 256 different ones", .0.display())]
    NotLabels(PathBuf),
    #[error("the label map and the images do not overlap")]
    #[diagnostic(help("were they made from the same scan? positions are compared in the patient's frame"))]
    NoOverlap,
    #[error("label {label} marks no voxel of the images; there are {}", numbers(.present))]
    Empty { label: u8, present: Vec<u8> },
    #[error("{} names no label `{name}`; it names {}", path.display(), if .present.is_empty() { "none".into() } else { .present.join(", ") })]
    #[diagnostic(help("give the number of the label; only DICOM segmentation objects and structure sets have names"))]
    NoSuchName { path: PathBuf, name: String, present: Vec<String> },
    #[error("no voxel lies between {low} and {high}")]
    NoVoxelInRange { low: f32, high: f32 },
}

fn numbers(labels: &[u8]) -> String {
    if labels.is_empty() { "no labels at all".into() } else { labels.iter().map(u8::to_string).collect::<Vec<_>>().join(", ") }
}

/// The labels of the file at `path` on the grid of `image`: a label map by the nearest label, contours drawn at the voxels' centres. Where
/// labels of the file overlap, the first of `wanted` covers the others; labels above 255 are left out.
pub fn onto<T>(path: &Path, wanted: &[u8], image: &Volume<T>) -> Result<Volume<u8>, LabelError> {
    let contours = dicom(path, |_, set| {
        contours::is_structure_set(set).then(|| contours::label_map(set, &file_name(path), wanted, image)).transpose()
    })?;
    match contours.flatten() {
        Some(labels) if labels.voxels.iter().all(|&v| v == 0) => Err(LabelError::NoOverlap),
        Some(labels) => Ok(labels),
        None => resample(&read(path, wanted.first().copied().unwrap_or(0))?, image),
    }
}

/// The number of the label that `text` gives: a number from 1 to 255, or the name of a segment or region in the file at `path`.
pub fn number_of(path: &Path, text: &str) -> Result<u8, LabelError> {
    if let Some(number) = text.trim().parse().ok().filter(|&number: &u8| number > 0) {
        return Ok(number);
    }
    let names = dicom(path, |_, set| Ok([segments::names(set), contours::names(set)].concat()))?.unwrap_or_default();
    let same = |name: &str| name.trim().to_lowercase() == text.trim().to_lowercase();
    let found = names.iter().find(|(number, name)| *number > 0 && same(name)).map(|(number, _)| *number);
    found.ok_or_else(|| LabelError::NoSuchName {
        path: path.to_owned(),
        name: text.to_owned(),
        present: names.into_iter().map(|(number, name)| format!("{name} ({number})")).collect(),
    })
}

/// What `read` makes of a DICOM file; nothing if the file is none.
fn dicom<R>(path: &Path, read: impl Fn(&DicomFile, &DataSet<'_>) -> Result<R, Fault>) -> Result<Option<R>, LabelError> {
    let unreadable = |why: String| LabelError::Unreadable { path: path.to_owned(), why };
    let Some(file) = DicomFile::open(path).map_err(|e| unreadable(e.to_string()))? else { return Ok(None) };
    let read = |file: &DicomFile| read(file, &file.data_set()?);
    file.and_then(|file| read(&file)).map(Some).map_err(|fault| unreadable(fault.message))
}

/// Reads a label map (NIfTI-1, NRRD or a DICOM segmentation object) with its place in the patient. Where segments of an object overlap,
/// `foremost` covers the others; labels above 255 are left out.
pub fn read(path: &Path, foremost: u8) -> Result<Volume<u8>, LabelError> {
    let unreadable = |why: String| LabelError::Unreadable { path: path.to_owned(), why };
    let grid = match GridFile::open(path).map_err(|e| unreadable(e.to_string()))? {
        None => {
            let map = dicom(path, |file, set| segments::label_map(set, &file.transfer_syntax, &file_name(path), foremost))?;
            return map.ok_or_else(|| unreadable("it is neither NIfTI, NRRD nor DICOM, or its header is damaged".into()));
        }
        Some(Err(fault)) => return Err(unreadable(fault.message)),
        Some(Ok(grid)) => grid,
    };
    let lps_from_voxel = grid.header.lps_from_voxel.ok_or_else(|| LabelError::NoPlace(path.to_owned()))?;
    // an image given by mistake holds more values than a map holds labels
    let mut seen = vec![false; 1 << 16];
    for &v in &grid.voxels {
        match (v.fract() == 0.0 && v >= 0.0).then(|| seen.get_mut(v as usize)).flatten() {
            Some(seen) => *seen = true,
            None => return Err(LabelError::NotLabels(path.to_owned())),
        }
    }
    if seen.iter().filter(|seen| **seen).count() > 256 {
        return Err(LabelError::NotLabels(path.to_owned()));
    }
    let voxels = grid.voxels.into_iter().map(|v| if v <= 255.0 { v as u8 } else { 0 }).collect();
    Ok(Volume { dims: grid.header.dims, lps_from_voxel, voxels })
}

/// The label nearest to each voxel centre of `onto`; 0 outside the map.
pub fn resample<T>(labels: &Volume<u8>, onto: &Volume<T>) -> Result<Volume<u8>, LabelError> {
    let [nx, ny, nz] = onto.dims;
    let label_from_voxel = labels.lps_from_voxel.inverse() * onto.lps_from_voxel;
    let mut voxels = vec![0; nx * ny * nz];
    let mut inside = false;
    for k in 0..nz {
        for j in 0..ny {
            let start = label_from_voxel.transform_point3(DVec3::new(0.0, j as f64, k as f64));
            for i in 0..nx {
                let at = (start + label_from_voxel.matrix3.x_axis * i as f64).round();
                let found =
                    (at.min_element() >= 0.0).then(|| labels.get([at.x as usize, at.y as usize, at.z as usize])).flatten();
                if let Some(label) = found {
                    voxels[i + nx * (j + ny * k)] = label;
                    inside = true;
                }
            }
        }
    }
    if !inside {
        return Err(LabelError::NoOverlap);
    }
    Ok(Volume { dims: onto.dims, lps_from_voxel: onto.lps_from_voxel, voxels })
}

/// Refuses a label that marks nothing, naming those that do.
pub fn require_label(labels: &Volume<u8>, label: u8) -> Result<(), LabelError> {
    let mut seen = [false; 256];
    labels.voxels.iter().for_each(|&value| seen[usize::from(value)] = true);
    if label != 0 && seen[usize::from(label)] {
        return Ok(());
    }
    Err(LabelError::Empty { label, present: (1..=255).filter(|&l| seen[usize::from(l)]).collect() })
}

/// Label 1 where the value lies between `low` and `high`, both included: the largest part connected over voxel faces, the first of equals.
pub fn by_range(volume: &Volume<f32>, low: f32, high: f32) -> Result<Volume<u8>, LabelError> {
    let (part, sizes) = parts(volume.dims, |at| (low..=high).contains(&volume.voxels[at]));
    let largest = (1..sizes.len()).rev().max_by_key(|&part| sizes[part]).ok_or(LabelError::NoVoxelInRange { low, high })?;
    let voxels = part.into_iter().map(|part| u8::from(part as usize == largest)).collect();
    Ok(Volume { dims: volume.dims, lps_from_voxel: volume.lps_from_voxel, voxels })
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DMat3};

    use super::*;

    #[test]
    fn only_the_largest_part_in_range_is_kept() {
        let values = [50.0, 60.0, 0.0, 55.0, 0.0, 70.0, 0.0, 0.0];
        let volume = Volume { dims: [8, 1, 1], lps_from_voxel: DAffine3::IDENTITY, voxels: values.to_vec() };
        assert_eq!(by_range(&volume, 40.0, 80.0).map(|m| m.voxels).ok(), Some(vec![1, 1, 0, 0, 0, 0, 0, 0]));
        assert_eq!(
            by_range(&volume, 52.0, 80.0).map(|m| m.voxels).ok(),
            Some(vec![0, 1, 0, 0, 0, 0, 0, 0]),
            "the first of equals"
        );
        assert!(matches!(by_range(&volume, 500.0, 600.0), Err(LabelError::NoVoxelInRange { .. })));
    }

    #[test]
    fn a_map_with_flipped_rows_lands_on_the_right_voxels() {
        let image = Volume { dims: [2, 2, 1], lps_from_voxel: DAffine3::IDENTITY, voxels: vec![0.0f32; 4] };
        let flipped =
            DAffine3 { matrix3: DMat3::from_diagonal(DVec3::new(1.0, -1.0, 1.0)), translation: DVec3::new(0.0, 1.0, 0.0) };
        let map = Volume { dims: [2, 2, 1], lps_from_voxel: flipped, voxels: vec![1, 2, 3, 4] };
        assert_eq!(resample(&map, &image).map(|v| v.voxels).ok(), Some(vec![3, 4, 1, 2]));
        let far = Volume { lps_from_voxel: DAffine3::from_translation(DVec3::splat(1e3)), ..map };
        assert!(matches!(resample(&far, &image), Err(LabelError::NoOverlap)));
    }
}
