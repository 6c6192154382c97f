//! Where the slices of a series lie: their order along the normal, their steps, their tilt, and everything that can be wrong with it.
//!
//! Slices are ordered by ImagePositionPatient projected on row × column (DICOM PS3.3 §C.7.6.2.1.1), not by name, number or
//! SliceLocation; the distance between them is measured, because SliceThickness is another thing.

use std::collections::BTreeSet;

use glam::{DAffine3, DMat3, DVec3};

use super::{
    info::{Fault, Range, SeriesInfo},
    place::{Place, Rescale},
};

/// Position differences below this are rounding in the files' decimal strings, mm.
const SAME_PLACE_MM: f64 = 1e-2;
/// Steps within this share of the median step count as even.
const EVEN_STEP: f64 = 0.01;
/// Below this there is no air, however noisy, only padding, HU.
const PADDING_HU: f64 = -1500.0;
/// Equal wide steps that follow each other so often are a part of the series with a step of its own, not holes.
const ZONE: usize = 3;
/// Corners further than this from the line through the stack are shifted sideways, mm.
const SIDEWAYS_MM: f64 = 0.1;
/// Tilts below this are rounding, degrees.
pub(crate) const TILT_DEG: f64 = 0.1;
/// Direction cosines closer than this are the same direction.
const SAME_DIRECTION: f64 = 1e-3;

/// One slice.
pub(super) struct Image {
    pub rows: usize,
    pub columns: usize,
    pub place: Place,
    pub rescale: Rescale,
    /// Nothing where the pixels could not be read.
    pub range: Option<Range>,
    /// After rescale; empty where they could not be read or are not kept.
    pub values: Vec<f32>,
}

/// What does not stand in the way of a volume, but its reader should know.
pub(super) fn notes(images: &[Image], info: &SeriesInfo) -> Vec<Fault> {
    let mut notes = Vec::new();
    let first = images.first().map(|image| image.rescale);
    if images.iter().any(|image| Some(image.rescale) != first) {
        let message = "the slices differ in their rescale (0028,1052 and 1053); each has its own applied";
        notes.push(Fault::new("rescale_per_slice", message));
    }
    if let [Some(row), Some(column), _] = info.spacing_mm
        && (row - column).abs() > 1e-3 * row
    {
        notes.push(Fault::new("non_square_pixels", format!("the pixels are {row:.3} mm high and {column:.3} mm wide")));
    }
    let thickness = images.first().and_then(|image| image.place.thickness);
    if let (Some(thickness), Some(step)) = (thickness, info.spacing_mm[2])
        && info.uniform
        && images.len() > 1
    {
        // a tilted stack's tables give the step along the table
        let along_table = step / info.gantry_tilt_deg.to_radians().cos();
        if [step, along_table].iter().all(|step| (thickness - step).abs() > EVEN_STEP * step + SAME_PLACE_MM) {
            let what = if thickness > step { "they overlap" } else { "there are gaps between them" };
            let message = format!(
                "the slices are {thickness:.3} mm thick (0018,0050) and {step:.3} mm apart: {what}; distances go by their positions"
            );
            notes.push(Fault::new("thickness_is_not_step", message));
        }
    }
    if info.modality == "CT" && info.value_min.is_some_and(|low| low < PADDING_HU) {
        let message = format!("values below {PADDING_HU} HU are padding around the scan, not tissue; for an import they are air");
        notes.push(Fault::new("padding", message));
    }
    notes
}

/// Where the slices of a volume lie.
pub(super) struct StackPlace {
    pub lps_from_voxel: DAffine3,
    /// Whether the affine holds for all slices; else each lies at its own position.
    pub even: bool,
}

/// Orders the images, fills in where they lie, and gives their place if they make one volume.
pub(super) fn geometry(images: &mut [Image], info: &mut SeriesInfo, faults: &mut Vec<Fault>) -> Option<StackPlace> {
    let first = images.first()?;
    let place = first.place;
    info.spacing_mm = [place.spacing.map(|s| s[0]), place.spacing.map(|s| s[1]), None];
    let mut sound = true;
    let mut refuse = |faults: &mut Vec<Fault>, code, message: String| {
        faults.push(Fault::new(code, message));
        sound = false;
    };

    let sizes: BTreeSet<(usize, usize)> = images.iter().map(|image| (image.rows, image.columns)).collect();
    if sizes.len() > 1 {
        refuse(
            faults,
            "mixed_sizes",
            format!(
                "the slices have {} different sizes (rows × columns): {}",
                sizes.len(),
                list(sizes.iter().map(|(r, c)| format!("{r}×{c}")))
            ),
        );
    }
    if images.iter().any(|image| differs(image.place.spacing, place.spacing)) {
        refuse(faults, "mixed_spacings", "the slices differ in PixelSpacing (0028,0030)".into());
    }
    for (missing, what) in [
        (images.iter().filter(|i| i.place.spacing.is_none()).count(), "a sound PixelSpacing (0028,0030)"),
        (images.iter().filter(|i| i.place.axes.is_none()).count(), "a sound ImageOrientationPatient (0020,0037)"),
        (images.iter().filter(|i| i.place.position.is_none()).count(), "a sound ImagePositionPatient (0020,0032)"),
    ] {
        if missing > 0 {
            refuse(faults, "missing_geometry", format!("{missing} of {} slices lack {what}", images.len()));
        }
    }
    let [row, column] = place.axes?;
    let normal = place.normal()?;
    // + 0.0 makes a plain zero of a negative one
    info.direction = Some([row.x, column.x, normal.x, row.y, column.y, normal.y, row.z, column.z, normal.z].map(|v| v + 0.0));
    let mut orientations: Vec<[DVec3; 2]> = Vec::new();
    for axes in images.iter().filter_map(|image| image.place.axes) {
        if !orientations.iter().any(|known| (0..2).all(|a| known[a].distance(axes[a]) < SAME_DIRECTION)) {
            orientations.push(axes);
        }
    }
    if orientations.len() > 1 {
        refuse(
            faults,
            "mixed_orientations",
            format!("the slices lie in {} different directions: they are not one volume", orientations.len()),
        );
    }
    if images.iter().any(|image| image.place.position.is_none()) {
        return None;
    }

    let along = |image: &Image| image.place.position.map_or(0.0, |p| p.dot(normal));
    images.sort_by(|a, b| along(a).total_cmp(&along(b)));
    let positions: Vec<DVec3> = images.iter().filter_map(|image| image.place.position).collect();
    info.origin_lps_mm = Some(positions[0].to_array());
    let steps: Vec<f64> = positions.windows(2).map(|pair| (pair[1] - pair[0]).dot(normal)).collect();
    let mut step_vector = normal * place.thickness.unwrap_or(1.0);
    info.spacing_mm[2] = place.thickness;
    info.uniform = orientations.len() == 1 && sizes.len() == 1;
    let mut even = true;
    if !steps.is_empty() && orientations.len() == 1 {
        let steps = Steps::of(&steps);
        info.spacing_mm[2] = steps.median.or(place.thickness);
        info.uniform &= steps.doubled == 0 && steps.missing == 0 && steps.uneven == 0;
        let usual = steps.median.unwrap_or_default();
        if let Some(count) = steps.volumes {
            let message = format!(
                "every place holds {count} slices: the series is {count} volumes, such as time points, phases or echoes; give one of them"
            );
            refuse(faults, "several_time_points", message);
        } else if steps.doubled > 0 {
            let message = format!(
                "{} slices lie where another one lies: the series holds more than one volume, or files twice",
                steps.doubled
            );
            refuse(faults, "repeated_positions", message);
        } else if steps.missing > 0 {
            let message =
                format!("about {} slices are missing in {} gaps (the usual step is {usual:.3} mm)", steps.missing, steps.gaps);
            refuse(faults, "missing_slices", message);
        }
        if steps.uneven > 0 {
            let message = format!(
                "{} of {} steps between slices differ from the usual {usual:.3} mm; for an import the slices are resampled by position",
                steps.uneven,
                positions.len() - 1
            );
            faults.push(Fault::new("uneven_steps", message));
        }
        let travelled = positions[positions.len() - 1] - positions[0];
        let depth = travelled.dot(normal).max(SAME_PLACE_MM);
        // the mean carries less of the decimal strings' rounding than any one step
        step_vector = travelled / (positions.len() - 1) as f64;
        if info.uniform {
            info.spacing_mm[2] = Some(step_vector.dot(normal));
        }
        let straight = positions.iter().all(|&p| {
            let from_first = p - positions[0];
            let expected = travelled * (from_first.dot(normal) / depth);
            (from_first - expected).length() < SIDEWAYS_MM + SAME_PLACE_MM
        });
        info.gantry_tilt_deg = travelled.cross(normal).length().atan2(travelled.dot(normal).abs()).to_degrees();
        if !straight {
            let message = "the slices are shifted sideways against each other, and not evenly; for an import they are resampled by position";
            faults.push(Fault::new("crooked_stack", message));
        } else if info.gantry_tilt_deg > TILT_DEG {
            faults.push(tilted(info.gantry_tilt_deg));
        }
        even = info.uniform && straight;
    }
    sound &= images.iter().all(|image| image.range.is_some());
    let [row_spacing, column_spacing] = place.spacing?;
    let matrix3 = DMat3::from_cols(row * column_spacing, column * row_spacing, step_vector);
    sound.then(|| StackPlace { lps_from_voxel: DAffine3 { matrix3, translation: positions[0] }, even })
}

/// What the steps between slices say, along the normal.
struct Steps {
    /// Of the steps from place to place; nothing where all slices lie in one.
    median: Option<f64>,
    /// Slices that lie where another one lies.
    doubled: usize,
    /// How many slices each place holds, if it is the same number, and more than one, everywhere.
    volumes: Option<usize>,
    /// Slices that are missing, and the holes that they leave.
    missing: usize,
    gaps: usize,
    /// Other steps that differ from the median.
    uneven: usize,
}

impl Steps {
    fn of(steps: &[f64]) -> Self {
        let apart: Vec<f64> = steps.iter().copied().filter(|&step| step >= SAME_PLACE_MM).collect();
        let places: Vec<usize> = steps.split(|&step| step >= SAME_PLACE_MM).map(|same| same.len() + 1).collect();
        let mut found = Self {
            median: (!apart.is_empty()).then(|| median(&apart)),
            doubled: steps.len() - apart.len(),
            volumes: Some(places[0]).filter(|&n| n > 1 && places.len() > 1 && places.iter().all(|&other| other == n)),
            missing: 0,
            gaps: 0,
            uneven: 0,
        };
        let Some(median) = found.median else { return found };
        let tolerance = EVEN_STEP * median + SAME_PLACE_MM;
        for run in apart.chunk_by(|a, b| (a - b).abs() <= tolerance) {
            for &step in run {
                if step > 1.5 * median && run.len() < ZONE {
                    found.gaps += 1;
                    found.missing += (step / median).round() as usize - 1;
                } else if (step - median).abs() > tolerance {
                    found.uneven += 1;
                }
            }
        }
        found
    }
}

/// The note about slices that are shifted sideways, evenly.
pub(crate) fn tilted(degrees: f64) -> Fault {
    let message =
        format!("the stack is sheared by a gantry tilt of {degrees:.2}°; for an import it is resampled to right angles");
    Fault::new("gantry_tilt", message)
}

fn differs(a: Option<[f64; 2]>, b: Option<[f64; 2]>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if (0..2).any(|i| (a[i] - b[i]).abs() > 1e-3 * b[i]))
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
