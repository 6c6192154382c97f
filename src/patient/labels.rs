//! Which voxels are the organ: a NIfTI label map on any grid, or a range of HU.
//!
//! NIfTI-1 gives positions in RAS millimetres (x to the right, y anterior), DICOM in LPS: x and y change sign. The map is resampled by
//! coordinates, nearest label, because its axes may run another way than the image's.

use std::path::{Path, PathBuf};

use glam::{DAffine3, DMat3, DQuat, DVec3};
use nifti::{NiftiHeader, NiftiObject, NiftiType, NiftiVolume, ReaderOptions};

use crate::geom::Volume;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LabelError {
    #[error("{} cannot be read as a NIfTI label map: {why}", path.display())]
    #[diagnostic(help("label maps are single files named .nii or .nii.gz (NIfTI-1)"))]
    Unreadable { path: PathBuf, why: String },
    #[error("{} does not say where it lies (neither sform nor qform)", .0.display())]
    NoPlace(PathBuf),
    #[error("{} is not a label map: its values are not whole numbers from 0 to 255", .0.display())]
    NotLabels(PathBuf),
    #[error("the label map and the images do not overlap")]
    #[diagnostic(help("were they made from the same scan? positions are compared in the patient's frame"))]
    NoOverlap,
    #[error("label {label} marks no voxel of the images; there are {}", numbers(.present))]
    Empty { label: u8, present: Vec<u8> },
    #[error("no voxel lies between {low} and {high}")]
    NoVoxelInRange { low: f32, high: f32 },
}

fn numbers(labels: &[u8]) -> String {
    if labels.is_empty() { "no labels at all".into() } else { labels.iter().map(u8::to_string).collect::<Vec<_>>().join(", ") }
}

/// Reads a three-dimensional NIfTI-1 label map (.nii or .nii.gz) with its place in the patient.
pub fn read_nifti(path: &Path) -> Result<Volume<u8>, LabelError> {
    let unreadable = |why: String| LabelError::Unreadable { path: path.to_owned(), why };
    let length = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
    let header = NiftiHeader::from_file(path).map_err(|e| unreadable(e.to_string()))?;
    let voxels: u64 = header.dim[1..=usize::from(header.dim[0].min(7))].iter().map(|&n| u64::from(n)).product();
    // deflate packs at most 1032 to 1 (RFC 1951: 258 bytes in 2 bits)
    if header.dim[0] < 3 || voxels.saturating_mul(u64::from(header.bitpix.unsigned_abs()) / 8) > length.saturating_mul(1032) {
        return Err(unreadable("its header announces more than the file can hold, or fewer than three dimensions".into()));
    }
    if header.dim[4..=usize::from(header.dim[0].min(7))].iter().any(|&n| n > 1) {
        return Err(unreadable("it has more than three dimensions".into()));
    }
    // in a single file the voxels follow the 348 bytes of header and 4 of extension flags
    let voxels_at = f64::from(header.vox_offset);
    if !(352.0..=u32::MAX.into()).contains(&voxels_at) {
        return Err(unreadable("its header does not say where the voxels begin".into()));
    }
    let lps_from_voxel = lps_from_voxel(&header).ok_or_else(|| LabelError::NoPlace(path.to_owned()))?;
    // the reader checks its lengths, but a damaged header may still surprise it
    let read = std::panic::catch_unwind(|| ReaderOptions::new().read_file(path));
    let volume = match read {
        Ok(Ok(object)) => object.into_volume(),
        Ok(Err(error)) => return Err(unreadable(error.to_string())),
        Err(_) => return Err(unreadable("its header makes no sense".into())),
    };
    let dims: Vec<usize> = volume.dim().iter().take(3).map(|&n| usize::from(n)).collect();
    let [nx, ny, nz]: [usize; 3] = dims.try_into().map_err(|_| unreadable("it has fewer than three dimensions".into()))?;
    let values = as_numbers(volume, &header).ok_or_else(|| LabelError::NotLabels(path.to_owned()))?;
    let voxels: Option<Vec<u8>> =
        values.into_iter().map(|v| (v.fract() == 0.0 && (0.0..=255.0).contains(&v)).then_some(v as u8)).collect();
    let voxels = voxels.filter(|v| v.len() == nx * ny * nz).ok_or_else(|| LabelError::NotLabels(path.to_owned()))?;
    Ok(Volume { dims: [nx, ny, nz], lps_from_voxel, voxels })
}

fn as_numbers(volume: nifti::InMemNiftiVolume, header: &NiftiHeader) -> Option<Vec<f64>> {
    fn widen<T: nifti::DataElement + Into<f64>>(volume: nifti::InMemNiftiVolume) -> Option<Vec<f64>> {
        Some(volume.into_nifti_typed_data::<T>().ok()?.into_iter().map(Into::into).collect())
    }
    let mut values = match header.data_type().ok()? {
        NiftiType::Uint8 => widen::<u8>(volume),
        NiftiType::Int8 => widen::<i8>(volume),
        NiftiType::Uint16 => widen::<u16>(volume),
        NiftiType::Int16 => widen::<i16>(volume),
        NiftiType::Uint32 => widen::<u32>(volume),
        NiftiType::Int32 => widen::<i32>(volume),
        NiftiType::Float32 => widen::<f32>(volume),
        NiftiType::Float64 => widen::<f64>(volume),
        _ => None,
    }?;
    // a slope of 0 means that none is given
    if header.scl_slope != 0.0 && header.scl_slope.is_finite() && header.scl_inter.is_finite() {
        values.iter_mut().for_each(|v| *v = *v * f64::from(header.scl_slope) + f64::from(header.scl_inter));
    }
    Some(values)
}

/// The affine of a NIfTI-1 header, sform before qform (nifti1.h, methods 2 and 3), turned from RAS to LPS.
fn lps_from_voxel(header: &NiftiHeader) -> Option<DAffine3> {
    let ras = if header.sform_code > 0 {
        let rows = [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from));
        let column = |c: usize| DVec3::new(rows[0][c], rows[1][c], rows[2][c]);
        DAffine3 { matrix3: DMat3::from_cols(column(0), column(1), column(2)), translation: column(3) }
    } else if header.qform_code > 0 {
        let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
        let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
        let handed = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
        let scale = DVec3::new(header.pixdim[1].into(), header.pixdim[2].into(), f64::from(header.pixdim[3]) * handed);
        let rotation = DMat3::from_quat(DQuat::from_xyzw(b, c, d, a).normalize());
        let translation = DVec3::new(header.quatern_x.into(), header.quatern_y.into(), header.quatern_z.into());
        DAffine3 { matrix3: rotation * DMat3::from_diagonal(scale), translation }
    } else {
        return None;
    };
    let lps = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0)) * ras;
    (lps.is_finite() && lps.matrix3.determinant().abs() > 1e-9).then_some(lps)
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

/// Label 1 where the value lies between `low` and `high`, both included: the largest part connected over voxel faces.
pub fn by_range(volume: &Volume<f32>, low: f32, high: f32) -> Result<Volume<u8>, LabelError> {
    let voxels = volume.voxels.iter().map(|v| u8::from((low..=high).contains(v))).collect();
    let mut mask = Volume { dims: volume.dims, lps_from_voxel: volume.lps_from_voxel, voxels };
    if largest_component(&mut mask) == 0 {
        return Err(LabelError::NoVoxelInRange { low, high });
    }
    Ok(mask)
}

/// Keeps the largest 6-connected part of a mask of ones (the first of equal ones) and gives its number of voxels.
fn largest_component(mask: &mut Volume<u8>) -> usize {
    let [nx, ny, nz] = mask.dims;
    let mut part = vec![0u32; mask.voxels.len()];
    let (mut best, mut best_size, mut parts) = (0, 0, 0);
    let mut open = Vec::new();
    for seed in 0..mask.voxels.len() {
        if mask.voxels[seed] == 0 || part[seed] != 0 {
            continue;
        }
        parts += 1;
        part[seed] = parts;
        open.push(seed);
        let mut size = 0;
        while let Some(at) = open.pop() {
            size += 1;
            let (i, j, k) = (at % nx, at / nx % ny, at / (nx * ny));
            let near = [
                (i > 0).then(|| at - 1),
                (i + 1 < nx).then_some(at + 1),
                (j > 0).then(|| at - nx),
                (j + 1 < ny).then_some(at + nx),
                (k > 0).then(|| at - nx * ny),
                (k + 1 < nz).then_some(at + nx * ny),
            ];
            for next in near.into_iter().flatten() {
                if mask.voxels[next] != 0 && part[next] == 0 {
                    part[next] = parts;
                    open.push(next);
                }
            }
        }
        if size > best_size {
            (best, best_size) = (parts, size);
        }
    }
    mask.voxels.iter_mut().zip(&part).for_each(|(value, &p)| *value = u8::from(p == best && p != 0));
    best_size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_largest_part_in_range_is_kept() {
        let values = [50.0, 60.0, 0.0, 55.0, 0.0, 70.0, 0.0, 0.0];
        let volume = Volume { dims: [8, 1, 1], lps_from_voxel: DAffine3::IDENTITY, voxels: values.to_vec() };
        assert_eq!(by_range(&volume, 40.0, 80.0).map(|m| m.voxels).ok(), Some(vec![1, 1, 0, 0, 0, 0, 0, 0]));
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
