//! What `patient info` answers: one document that says what an image series is, where it lies and what is wrong with it.

use std::path::Path;

use serde::Serialize;

use super::series::{Keep, SeriesError, SeriesResult, read_folder};

/// Something about a series that stands in the way of a volume, or that its reader must know. Names files and tags, never a patient's values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Stable, for programs: `gantry_tilt`, `missing_slices`, …
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// One series. A quantity that the files do not give is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesInfo {
    /// As DICOM names it; `OT` (other) where a format does not say.
    pub modality: String,
    /// Images in the series: files, or frames of multi-frame files.
    pub slices: usize,
    pub rows: usize,
    pub columns: usize,
    /// Between rows, between columns, between slice planes (along the normal; of a single slice its thickness), mm.
    pub spacing_mm: [Option<f64>; 3],
    /// Centre of voxel (0, 0, 0), LPS, mm.
    pub origin_lps_mm: Option<[f64; 3]>,
    /// Row-major; the columns are the unit vectors along i (column index), j (row index) and the slice normal, LPS.
    pub direction: Option<[f64; 9]>,
    /// Whether the planes are equally far apart and none is missing or double.
    pub uniform: bool,
    /// Angle between the line through the slices' corners and their normal, degrees.
    pub gantry_tilt_deg: f64,
    /// After rescale: HU for CT.
    pub value_min: Option<f64>,
    pub value_max: Option<f64>,
    pub value_mean: Option<f64>,
    /// UID, or several joined by `\`; of a file that is not DICOM its format: `NIfTI-1`, `NRRD`.
    pub transfer_syntax: String,
    pub faults: Vec<Fault>,
}

impl SeriesInfo {
    /// A series of which only its size is known so far.
    pub(crate) fn blank(slices: usize, rows: usize, columns: usize, transfer_syntax: String) -> Self {
        Self {
            modality: String::new(),
            slices,
            rows,
            columns,
            spacing_mm: [None; 3],
            origin_lps_mm: None,
            direction: None,
            uniform: false,
            gantry_tilt_deg: 0.0,
            value_min: None,
            value_max: None,
            value_mean: None,
            transfer_syntax,
            faults: Vec::new(),
        }
    }
}

/// What `patient info` says of values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    low: f32,
    high: f32,
    sum: f64,
    count: usize,
}

impl Range {
    pub fn of(values: &[f32]) -> Self {
        Self {
            low: values.iter().copied().fold(f32::INFINITY, f32::min),
            high: values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            sum: values.iter().map(|&v| f64::from(v)).sum(),
            count: values.len(),
        }
    }

    pub fn is_finite(&self) -> bool {
        self.sum.is_finite()
    }

    /// Fills in smallest, largest and mean value of slices, in their order: the same sum whatever the number of threads.
    pub fn describe(ranges: impl Iterator<Item = Self>, info: &mut SeriesInfo) {
        let empty = Self { low: f32::INFINITY, high: f32::NEG_INFINITY, sum: 0.0, count: 0 };
        let all = ranges.fold(empty, |all, one| Self {
            low: all.low.min(one.low),
            high: all.high.max(one.high),
            sum: all.sum + one.sum,
            count: all.count + one.count,
        });
        if all.count > 0 {
            info.value_min = Some(all.low.into());
            info.value_max = Some(all.high.into());
            info.value_mean = Some(all.sum / all.count as f64);
        }
    }
}

/// The answer of `patient info --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PatientInfo {
    pub series: Vec<SeriesInfo>,
    /// The value asked for with `--voxel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voxel: Option<f64>,
}

/// Reads every series at `path` and describes it; `voxel` asks for one value (i, j, k) of the first series that makes a volume.
///
/// # Errors
/// What `read_folder` gives, or that there is no such voxel.
pub fn patient_info(path: &Path, voxel: Option<[usize; 3]>, progress: &dyn Fn(usize, usize)) -> Result<PatientInfo, SeriesError> {
    let keep = if voxel.is_some() { Keep::All } else { Keep::Nothing };
    let series = read_folder(path, keep, progress)?.series;
    let voxel = voxel
        .map(|at| voxel_of(&series, at).ok_or_else(|| SeriesError::NoSuchVoxel { at, path: path.to_owned() }))
        .transpose()?;
    Ok(PatientInfo { series: series.into_iter().map(|series| series.info).collect(), voxel })
}

fn voxel_of(series: &[SeriesResult], at: [usize; 3]) -> Option<f64> {
    series.iter().find(|series| series.makes_volume())?.voxel(at).map(f64::from)
}
