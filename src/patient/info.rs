//! What `patient info` answers: one document that says what an image series is, where it lies and what is wrong with it.

use std::path::Path;

use serde::Serialize;

use super::series::{SeriesError, SeriesResult, read_series};

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
/// What [`read_series`] gives, or that there is no such voxel.
pub fn patient_info(path: &Path, voxel: Option<[usize; 3]>, progress: &dyn Fn(usize, usize)) -> Result<PatientInfo, SeriesError> {
    let series = read_series(path, progress)?;
    let voxel = voxel
        .map(|at| voxel_of(&series, at).ok_or_else(|| SeriesError::NoSuchVoxel { at, path: path.to_owned() }))
        .transpose()?;
    Ok(PatientInfo { series: series.into_iter().map(|series| series.info).collect(), voxel })
}

fn voxel_of(series: &[SeriesResult], at: [usize; 3]) -> Option<f64> {
    series.iter().find(|series| series.makes_volume())?.voxel(at).map(f64::from)
}
