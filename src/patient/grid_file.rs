//! Images and label maps that one file holds whole, with their place in the patient: NIfTI-1 and NRRD.
//!
//! Both give values on a grid and an affine from voxel to patient; what differs is the header. Voxels are turned into `f32` as they stream
//! in, so that neither the packed nor the unpacked file is ever in memory beside the volume, and nothing is reserved for voxels that the
//! file cannot hold.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use glam::{DAffine3, DVec3};
use rayon::prelude::*;

use super::{
    dicom::file_name,
    info::{Fault, Range, SeriesInfo},
    nifti_file, nrrd_file,
    series::SeriesResult,
};
use crate::geom::Volume;

/// Most voxels that are read: 512 × 512 × 2048.
pub(crate) const MAX_VOXELS: u64 = 1 << 29;
/// Deflate packs at most 1032 to 1 (RFC 1951: 258 bytes in 2 bits).
const MAX_DEFLATE: u64 = 1032;
/// Bytes turned into numbers at once.
const CHUNK: usize = 1 << 20;
/// Axes further than this from a right angle are sheared, as a cosine.
const SHEAR: f64 = 1e-3;
/// Air, as a CT stores it, or the padding around it, lies below this; no other modality's values do, HU.
const AIR_HU: f64 = -500.0;

/// How one number is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Number {
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Appends the numbers in `bytes`, a whole number of them.
    fn decode(self, bytes: &[u8], big_endian: bool, out: &mut Vec<f64>) {
        macro_rules! each {
            ($kind:ty) => {
                out.extend(bytes.chunks_exact(size_of::<$kind>()).filter_map(|chunk| {
                    let chunk = chunk.try_into().ok()?;
                    Some(if big_endian { <$kind>::from_be_bytes(chunk) } else { <$kind>::from_le_bytes(chunk) } as f64)
                }))
            };
        }
        match self {
            Self::U8 => each!(u8),
            Self::I8 => each!(i8),
            Self::U16 => each!(u16),
            Self::I16 => each!(i16),
            Self::U32 => each!(u32),
            Self::I32 => each!(i32),
            Self::U64 => each!(u64),
            Self::I64 => each!(i64),
            Self::F32 => each!(f32),
            Self::F64 => each!(f64),
        }
    }
}

/// What a header says of the voxels that follow it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GridHeader {
    /// For people: `NIfTI-1`, `NRRD`.
    pub format: &'static str,
    /// Along i, j and k; i runs fastest.
    pub dims: [usize; 3],
    /// Along i, j and k, mm, where the header gives it.
    pub spacing_mm: [Option<f64>; 3],
    pub lps_from_voxel: Option<DAffine3>,
    pub number: Number,
    pub big_endian: bool,
    /// Slope and intercept of the values.
    pub rescale: (f64, f64),
    /// What stands in the way of a volume, or is good to know.
    pub faults: Vec<Fault>,
    /// Whether the voxels can be read at all as one volume.
    pub sound: bool,
}

impl GridHeader {
    /// Refuses a header that announces more than its file can hold; `length` is that of the file, bytes.
    pub fn check_size(&self, length: u64, packed: bool, name: &str) -> Result<(), Fault> {
        let voxels = self.dims.iter().try_fold(1u64, |all, &n| all.checked_mul(n as u64)).unwrap_or(u64::MAX);
        let holds = if packed { length.saturating_mul(MAX_DEFLATE) } else { length };
        if voxels == 0 || voxels.saturating_mul(self.number.bytes() as u64) > holds {
            return Err(Fault::new("bad_value", format!("the header of {name} announces voxels that the file cannot hold")));
        }
        if voxels > MAX_VOXELS {
            return Err(Fault::new("too_large", format!("{name} holds more than {MAX_VOXELS} voxels; cut or thin it out first")));
        }
        Ok(())
    }

    /// Reads the voxels from where `from` stands.
    pub fn read_voxels(self, from: &mut dyn Read, name: &str) -> Result<GridFile, Fault> {
        let count: usize = self.dims.iter().product();
        let mut voxels: Vec<f32> = Vec::new();
        voxels
            .try_reserve_exact(count)
            .map_err(|_| Fault::new("too_large", format!("there is not enough memory for the {count} voxels of {name}")))?;
        let (slope, intercept) = self.rescale;
        let (mut bytes, mut numbers) = (vec![0; CHUNK], Vec::with_capacity(CHUNK));
        let mut left = count * self.number.bytes();
        while left > 0 {
            let now = left.min(CHUNK);
            from.read_exact(&mut bytes[..now]).map_err(|why| {
                let what = if why.kind() == ErrorKind::UnexpectedEof { "end too early" } else { "are damaged" };
                let message = format!("the voxels of {name} {what}: {} of {count} are there; fetch the file again", voxels.len());
                Fault::new("truncated_pixel_data", message)
            })?;
            numbers.clear();
            self.number.decode(&bytes[..now], self.big_endian, &mut numbers);
            voxels.extend(numbers.iter().map(|v| (v * slope + intercept) as f32));
            left -= now;
        }
        Ok(GridFile { header: self, voxels })
    }
}

/// A file's image: its header and its values after rescale.
#[derive(Debug, Clone)]
pub(crate) struct GridFile {
    pub header: GridHeader,
    pub voxels: Vec<f32>,
}

impl GridFile {
    /// Reads a NIfTI-1 or NRRD file, or gives nothing if it is neither.
    ///
    /// # Errors
    /// An [`std::io::Error`] if the file cannot be read, a [`Fault`] inside `Ok(Some(Err(…)))` if it is one of them but no image comes out.
    pub fn open(path: &Path) -> std::io::Result<Option<Result<Self, Fault>>> {
        let mut head = Vec::new();
        File::open(path)?.take(nifti_file::HEADER as u64).read_to_end(&mut head)?;
        if head.starts_with(b"NRRD000") {
            return Ok(Some(nrrd_file::read(path)));
        }
        let packed = head.starts_with(&[0x1F, 0x8B]);
        if packed {
            head.clear();
            // a file that is packed and broken is not ours to name
            let _ = unpacked(path, true)?.take(nifti_file::HEADER as u64).read_to_end(&mut head);
        }
        Ok(nifti_file::looks_like(&head).then(|| nifti_file::read(path, &head, packed)))
    }

    /// The image as a series of one.
    pub fn into_series(self, name: &str) -> SeriesResult {
        let Self { header, mut voxels } = self;
        let [columns, rows, slices] = header.dims;
        let mut info = SeriesInfo::blank(slices, rows, columns, header.format.to_owned());
        info.faults = header.faults;
        info.spacing_mm = [header.spacing_mm[1], header.spacing_mm[0], header.spacing_mm[2]];
        info.uniform = header.sound;
        let odd = voxels.iter().filter(|v| !v.is_finite()).count();
        if odd > 0 {
            let low = voxels.iter().copied().filter(|v| v.is_finite()).fold(f32::INFINITY, f32::min);
            let low = if low.is_finite() { low } else { 0.0 };
            voxels.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = low);
            let message = format!("{odd} voxels of {name} are no numbers; they are taken as background, {low}");
            info.faults.push(Fault::new("not_finite", message));
        }
        let ranges: Vec<Range> = voxels.par_chunks((columns * rows).max(1)).map(Range::of).collect();
        Range::describe(ranges.into_iter(), &mut info);
        // neither format says which modality it holds
        info.modality = if info.value_min.is_some_and(|low| low < AIR_HU) {
            let message =
                format!("{name} does not say its modality; its values reach below {AIR_HU}, so they are taken as HU of a CT");
            info.faults.push(Fault::new("modality_assumed", message));
            "CT".into()
        } else {
            "OT".into()
        };
        let Some(affine) = header.lps_from_voxel else {
            let message = format!("{name} does not say where it lies in the patient; left and right would be a guess");
            info.faults.push(Fault::new("missing_geometry", message));
            return SeriesResult { info, volume: None, stack: None };
        };
        place(&affine, &mut info);
        let volume = header.sound.then_some(Volume { dims: header.dims, lps_from_voxel: affine, voxels });
        SeriesResult { info, volume, stack: None }
    }
}

/// Fills in where a grid lies.
fn place(affine: &DAffine3, info: &mut SeriesInfo) {
    let [i, j, k] = [affine.x_axis, affine.y_axis, affine.z_axis].map(DVec3::from);
    let [row, column] = [i.normalize(), j.normalize()];
    if row.dot(column).abs() > SHEAR {
        let message = "rows and columns are not at right angles; for an import they are resampled to them";
        info.faults.push(Fault::new("sheared_axes", message));
    }
    let normal = i.cross(j).normalize();
    // a left-handed grid stays one: its slices run against the normal
    let normal = if k.dot(normal) < 0.0 { -normal } else { normal };
    info.origin_lps_mm = Some(affine.translation.to_array());
    info.direction = Some([row.x, column.x, normal.x, row.y, column.y, normal.y, row.z, column.z, normal.z]);
    info.spacing_mm = [Some(j.length()), Some(i.length()), Some(k.dot(normal))];
    info.gantry_tilt_deg = k.cross(normal).length().atan2(k.dot(normal)).to_degrees();
    if info.gantry_tilt_deg > super::geometry::TILT_DEG {
        info.faults.push(super::geometry::tilted(info.gantry_tilt_deg));
    }
}

/// A file's bytes, inflated if it is packed.
pub(crate) fn unpacked(path: &Path, packed: bool) -> std::io::Result<Box<dyn Read>> {
    let file = BufReader::with_capacity(1 << 16, File::open(path)?);
    Ok(if packed { Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// Whether a name is that of a NIfTI or NRRD file.
pub(crate) fn named_like_one(path: &Path) -> bool {
    let name = file_name(path).to_lowercase();
    [".nii", ".nii.gz", ".nrrd", ".nhdr"].iter().any(|end| name.ends_with(end))
}
