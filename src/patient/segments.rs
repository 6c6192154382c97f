//! A DICOM segmentation object (PS3.3 §A.51) as a label map: each frame is put where its functional groups say, and its segment's number
//! is the label.
//!
//! Frames without a marked voxel are usually left out, so the planes that are there need not be evenly spaced; the grid takes the step
//! that the object states, or the smallest between its planes, and planes between stay empty.

use glam::{DAffine3, DMat3, DVec3};

use super::{
    dicom::{DataSet, EXPLICIT_BE, tags},
    grid_file::MAX_VOXELS,
    info::Fault,
    pixels::{PixelModule, stored_frames},
    place::{Place, functional_place},
};
use crate::geom::Volume;

/// Planes further than this from the grid are not on it, as a share of the step.
const OFF_GRID: f64 = 0.05;
/// Frames may be shifted sideways by this, mm: rounding in the decimal strings.
const SIDEWAYS_MM: f64 = 0.05;

struct Frame {
    place: Place,
    segment: Option<u8>,
}

/// Numbers and names of the segments.
pub(crate) fn names(set: &DataSet<'_>) -> Vec<(u8, String)> {
    let name = |segment: &DataSet<'_>| {
        Some((segment.u16(tags::OWN_SEGMENT_NUMBER)?.try_into().ok()?, segment.text(tags::SEGMENT_LABEL)?))
    };
    set.items(tags::SEGMENTS).iter().filter_map(name).collect()
}

/// The label map of the segmentation object `set`. Where segments overlap, `foremost` covers the others, and else the higher number the
/// lower.
pub(crate) fn label_map(set: &DataSet<'_>, syntax: &str, name: &str, foremost: u8) -> Result<Volume<u8>, Fault> {
    let bad = |what: &str| Fault::new("bad_segmentation", format!("{name} {what}"));
    let kind = set
        .text(tags::SEGMENTATION_TYPE)
        .ok_or_else(|| bad("is no segmentation object: it lacks SegmentationType (0062,0001)"))?;
    let rows = usize::from(set.u16(tags::ROWS).unwrap_or(0));
    let columns = usize::from(set.u16(tags::COLUMNS).unwrap_or(0));
    let size = rows * columns;
    if size == 0 {
        return Err(bad("lacks Rows or Columns (0028,0010 and 0011)"));
    }
    let frames = frames(set, kind == "LABELMAP", name)?;
    let grid = Grid::of(&frames, stated_step(set), name)?;
    let voxels = (size as u64).saturating_mul(grid.planes as u64);
    if voxels > MAX_VOXELS {
        return Err(bad("spans more voxels than can be read: its planes are too far apart for their step"));
    }
    let masks = masks(set, syntax, frames.len(), size, name)?;
    let mut order: Vec<usize> = (0..frames.len()).collect();
    order.sort_by_key(|&f| (frames[f].segment == Some(foremost), frames[f].segment, f));
    let mut out = vec![0; voxels as usize];
    let half = f32::from(set.u16(tags::FRACTIONAL_MAX).unwrap_or(255)) * 0.5;
    for frame in order {
        let plane = grid.plane_of[frame] * size;
        for (v, voxel) in out[plane..plane + size].iter_mut().enumerate() {
            let value = masks.value(frame, v);
            match frames[frame].segment {
                None if (1.0..=255.0).contains(&value) => *voxel = value as u8,
                Some(segment) if (kind == "FRACTIONAL" && value >= half) || (kind != "FRACTIONAL" && value > 0.0) => {
                    *voxel = segment
                }
                _ => {}
            }
        }
    }
    Ok(Volume { dims: [columns, rows, grid.planes], lps_from_voxel: grid.lps_from_voxel, voxels: out })
}

/// Place and segment of each frame; in a label map the voxels themselves name the segment.
fn frames(set: &DataSet<'_>, label_map: bool, name: &str) -> Result<Vec<Frame>, Fault> {
    let bad = |what: &str| Fault::new("bad_segmentation", format!("{name} {what}"));
    let shared = set.items(tags::SHARED_GROUPS).first();
    let shared_place = shared.map(|groups| functional_place(groups).0).unwrap_or_default();
    let segment = |groups: &DataSet<'_>| groups.items(tags::SEGMENT_IDENTIFICATION).first()?.u16(tags::SEGMENT_NUMBER);
    let groups = set.items(tags::FRAME_GROUPS);
    if groups.is_empty() || set.text(tags::FRAMES).and_then(|n| n.parse().ok()) != Some(groups.len()) {
        return Err(bad("does not describe each of its frames (5200,9230)"));
    }
    let mut frames = Vec::new();
    for group in groups {
        let segment = match segment(group).or(shared.and_then(segment)) {
            _ if label_map => None,
            Some(number @ 1..=255) => Some(number as u8),
            Some(_) => return Err(bad("numbers its segments above 255")),
            None => return Err(bad("does not say which segment a frame shows (0062,000B)")),
        };
        frames.push(Frame { place: functional_place(group).0.or(shared_place), segment });
    }
    Ok(frames)
}

/// SpacingBetweenSlices of the functional groups, mm.
fn stated_step(set: &DataSet<'_>) -> Option<f64> {
    let groups = set.items(tags::SHARED_GROUPS).first().or(set.items(tags::FRAME_GROUPS).first())?;
    let [step] = groups.items(tags::PIXEL_MEASURES).first()?.numbers(tags::SLICE_SPACING)?;
    Some(step.abs()).filter(|&s| s > 0.0)
}

/// The planes of the frames on one even grid.
struct Grid {
    planes: usize,
    /// Per frame.
    plane_of: Vec<usize>,
    lps_from_voxel: DAffine3,
}

impl Grid {
    fn of(frames: &[Frame], stated: Option<f64>, name: &str) -> Result<Self, Fault> {
        let bad = |what: &str| Fault::new("bad_segmentation", format!("{name} {what}"));
        let first = frames[0].place;
        let (Some([row, column]), Some([row_mm, column_mm])) = (first.axes, first.spacing) else {
            return Err(bad("does not say how its frames lie: ImageOrientationPatient or PixelSpacing is missing"));
        };
        let one = frames.iter().all(|f| {
            f.place.axes.is_some_and(|[r, c]| r.distance(row) < 1e-3 && c.distance(column) < 1e-3)
                && f.place.spacing == first.spacing
        });
        if !one {
            return Err(bad("holds frames of different orientation or spacing"));
        }
        let normal = row.cross(column);
        let positions: Option<Vec<DVec3>> = frames.iter().map(|f| f.place.position).collect();
        let positions = positions.ok_or_else(|| bad("does not say where its frames lie: ImagePositionPatient is missing"))?;
        let depths: Vec<f64> = positions.iter().map(|p| p.dot(normal)).collect();
        let mut sorted = depths.clone();
        sorted.sort_by(f64::total_cmp);
        let low = sorted[0];
        let origin = positions[depths.iter().position(|&d| d == low).unwrap_or(0)];
        let smallest = sorted.windows(2).map(|p| p[1] - p[0]).filter(|&s| s > SIDEWAYS_MM).fold(f64::INFINITY, f64::min);
        let on_grid = |step: f64| depths.iter().all(|d| ((d - low) / step - ((d - low) / step).round()).abs() < OFF_GRID);
        let step = [stated, Some(smallest).filter(|s| s.is_finite()), first.thickness]
            .into_iter()
            .flatten()
            .find(|&step| on_grid(step))
            .ok_or_else(|| bad("holds planes that lie on no even grid"))?;
        let straight = positions.iter().zip(&depths).all(|(p, d)| p.distance(origin + normal * (d - low)) < SIDEWAYS_MM);
        if !straight {
            return Err(bad("holds planes that are shifted sideways against each other"));
        }
        let planes = ((sorted[sorted.len() - 1] - low) / step).round();
        if planes >= MAX_VOXELS as f64 {
            return Err(bad("spans more planes than can be read"));
        }
        Ok(Self {
            planes: planes as usize + 1,
            plane_of: depths.iter().map(|d| ((d - low) / step).round() as usize).collect(),
            lps_from_voxel: DAffine3 {
                matrix3: DMat3::from_cols(row * column_mm, column * row_mm, normal * step),
                translation: origin,
            },
        })
    }
}

/// The frames' voxels: packed bits, eight to a byte from the lowest up and across frames (PS3.5 §8.1.1), or whole numbers.
enum Masks<'a> {
    Bits { bytes: &'a [u8], size: usize },
    Numbers(Vec<Vec<f32>>),
}

impl Masks<'_> {
    fn value(&self, frame: usize, v: usize) -> f32 {
        match self {
            Masks::Bits { bytes, size } => {
                let bit = frame * size + v;
                f32::from((bytes[bit / 8] >> (bit % 8)) & 1)
            }
            Masks::Numbers(frames) => frames[frame][v],
        }
    }
}

fn masks<'a>(set: &DataSet<'a>, syntax: &str, frames: usize, size: usize, name: &str) -> Result<Masks<'a>, Fault> {
    if set.u16(tags::BITS_ALLOCATED) != Some(1) {
        let module = PixelModule::read(set, name)?;
        let numbers = stored_frames(set, &module, syntax, name)?;
        let whole = numbers.len() == frames && numbers.iter().all(|frame| frame.len() >= size);
        return whole.then_some(Masks::Numbers(numbers)).ok_or_else(|| {
            Fault::new("truncated_pixel_data", format!("{name} holds fewer frames than it announces; fetch the file again"))
        });
    }
    if syntax == EXPLICIT_BE {
        let message = format!("{name} holds one-bit labels in big endian; convert it to little endian");
        return Err(Fault::new("unsupported_transfer_syntax", message));
    }
    match set.bytes(tags::PIXEL_DATA) {
        Some(bytes) if bytes.len() as u64 * 8 >= frames as u64 * size as u64 => Ok(Masks::Bits { bytes, size }),
        _ => Err(Fault::new("truncated_pixel_data", format!("{name} ends inside its labels; fetch the file again"))),
    }
}
