//! The header of a NIfTI-1 file (nifti1.h): element type, rescale, and the affine from voxel to patient.
//!
//! NIfTI gives positions in RAS (x to the right, y anterior), DICOM in LPS: x and y change sign.

use std::{io::Read, path::Path};

use glam::{DAffine3, DMat3, DQuat, DVec3};
use nifti::{Endianness, NiftiHeader, NiftiType};

use super::{
    dicom::file_name,
    grid_file::{GridFile, GridHeader, Number, unpacked},
    info::Fault,
    place::can_lie,
};

/// Bytes of a NIfTI-1 header.
pub(crate) const HEADER: usize = 348;
/// Bytes of a NIfTI-2 header.
const HEADER_2: i32 = 540;
/// In a single file the voxels follow the header and 4 bytes of extension flags.
const FIRST_VOXEL: f32 = 352.0;
/// sform and qform that put the same voxel further apart than this disagree, mm.
const SAME_PLACE_MM: f64 = 0.5;

fn first_number(head: &[u8]) -> [i32; 2] {
    let b: [u8; 4] = head.get(..4).and_then(|b| b.try_into().ok()).unwrap_or_default();
    [i32::from_le_bytes(b), i32::from_be_bytes(b)]
}

/// Whether a file that begins so is NIfTI, of version 1 or 2.
pub(crate) fn looks_like(head: &[u8]) -> bool {
    let size = first_number(head);
    (size.contains(&(HEADER as i32)) && head.len() == HEADER && matches!(&head[344..347], b"n+1" | b"ni1"))
        || (size.contains(&HEADER_2) && matches!(head.get(4..7), Some(b"n+2" | b"ni2")))
}

/// Reads a file whose first [`HEADER`] bytes, unpacked, are `head`.
pub(crate) fn read(path: &Path, head: &[u8], packed: bool) -> Result<GridFile, Fault> {
    let name = file_name(path);
    let bad = |what: &str| Fault::new("bad_value", format!("the header of {name} {what}"));
    if first_number(head).contains(&HEADER_2) {
        return Err(Fault::new("unsupported_format", format!("{name} is NIfTI-2; convert it to NIfTI-1")));
    }
    if &head[344..347] == b"ni1" {
        let message = format!("{name} keeps its voxels in another file (.hdr and .img); convert it to a single .nii");
        return Err(Fault::new("unsupported_format", message));
    }
    let raw = NiftiHeader::from_reader(head).map_err(|_| bad("makes no sense"))?;
    if !(FIRST_VOXEL..=u32::MAX as f32).contains(&raw.vox_offset) {
        return Err(bad("does not say where the voxels begin"));
    }
    let header = header(&raw, &name)?;
    let length = std::fs::metadata(path).map_err(|_| bad("cannot be read"))?.len();
    header.check_size(length, packed, &name)?;
    let mut from = unpacked(path, packed).map_err(|_| bad("cannot be read"))?;
    let skip = raw.vox_offset as u64;
    let skipped = std::io::copy(&mut from.by_ref().take(skip), &mut std::io::sink());
    if skipped.ok() != Some(skip) {
        return Err(Fault::new("truncated_pixel_data", format!("{name} ends before its voxels; fetch the file again")));
    }
    header.read_voxels(&mut from, &name)
}

fn header(raw: &NiftiHeader, name: &str) -> Result<GridHeader, Fault> {
    let bad = |what: &str| Fault::new("bad_value", format!("the header of {name} {what}"));
    let rank = usize::from(raw.dim[0]);
    if !(2..=7).contains(&rank) || raw.dim[1..=rank].contains(&0) {
        return Err(bad("does not give the size of the image"));
    }
    let dims = [1, 2, 3].map(|axis| if axis <= rank { usize::from(raw.dim[axis]) } else { 1 });
    if raw.dim[4.min(rank + 1)..=rank].iter().any(|&n| n > 1) {
        let message = format!("{name} holds several volumes (more than three dimensions); give them one by one");
        return Err(Fault::new("several_time_points", message));
    }
    let number = match raw.data_type().ok() {
        Some(NiftiType::Uint8) => Number::U8,
        Some(NiftiType::Int8) => Number::I8,
        Some(NiftiType::Uint16) => Number::U16,
        Some(NiftiType::Int16) => Number::I16,
        Some(NiftiType::Uint32) => Number::U32,
        Some(NiftiType::Int32) => Number::I32,
        Some(NiftiType::Uint64) => Number::U64,
        Some(NiftiType::Int64) => Number::I64,
        Some(NiftiType::Float32) => Number::F32,
        Some(NiftiType::Float64) => Number::F64,
        _ => {
            let message = format!("{name} stores numbers of NIfTI type {}; whole and real numbers are read", raw.datatype);
            return Err(Fault::new("unsupported_format", message));
        }
    };
    // a slope of 0 means that none is given
    let (slope, intercept) = (f64::from(raw.scl_slope), f64::from(raw.scl_inter));
    let scaled = slope != 0.0 && slope.is_finite() && intercept.is_finite();
    // xyzt_units, bits 0 to 2: metres, millimetres, micrometres; nothing said is millimetres
    let mm = match raw.xyzt_units & 7 {
        1 => 1000.0,
        3 => 1e-3,
        _ => 1.0,
    };
    let mut faults = Vec::new();
    let spacing_mm = [1, 2, 3].map(|axis| Some(f64::from(raw.pixdim[axis]) * mm).filter(|s| s.is_finite() && *s > 0.0));
    let (sform, qform) = (sform(raw, mm), qform(raw, mm));
    if let (Some(s), Some(q)) = (sform, qform) {
        let corner = DVec3::from_array(dims.map(|n| (n - 1) as f64));
        let apart = s.transform_point3(corner).distance(q.transform_point3(corner)).max(s.translation.distance(q.translation));
        if apart > SAME_PLACE_MM {
            let message = format!("sform and qform of {name} put the image up to {apart:.1} mm apart; the sform is taken");
            faults.push(Fault::new("two_places", message));
        }
    }
    Ok(GridHeader {
        format: "NIfTI-1",
        dims,
        spacing_mm,
        lps_from_voxel: sform.or(qform),
        number,
        big_endian: raw.endianness == Endianness::Big,
        rescale: if scaled { (slope, intercept) } else { (1.0, 0.0) },
        faults,
        sound: true,
    })
}

/// Method 3 of nifti1.h, in LPS.
fn sform(raw: &NiftiHeader, mm: f64) -> Option<DAffine3> {
    let rows = [raw.srow_x, raw.srow_y, raw.srow_z].map(|row| row.map(f64::from));
    let column = |c: usize| DVec3::new(rows[0][c], rows[1][c], rows[2][c]) * mm;
    let ras = DAffine3 { matrix3: DMat3::from_cols(column(0), column(1), column(2)), translation: column(3) };
    lps(ras).filter(|_| raw.sform_code > 0)
}

/// Method 2 of nifti1.h, in LPS.
fn qform(raw: &NiftiHeader, mm: f64) -> Option<DAffine3> {
    let [b, c, d] = [raw.quatern_b, raw.quatern_c, raw.quatern_d].map(f64::from);
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    let handed = if raw.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let scale = DVec3::new(raw.pixdim[1].into(), raw.pixdim[2].into(), f64::from(raw.pixdim[3]) * handed) * mm;
    let rotation = DMat3::from_quat(DQuat::from_xyzw(b, c, d, a).normalize());
    let translation = DVec3::new(raw.quatern_x.into(), raw.quatern_y.into(), raw.quatern_z.into()) * mm;
    lps(DAffine3 { matrix3: rotation * DMat3::from_diagonal(scale), translation }).filter(|_| raw.qform_code > 0)
}

fn lps(ras: DAffine3) -> Option<DAffine3> {
    let lps = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0)) * ras;
    can_lie(&lps).then_some(lps)
}
