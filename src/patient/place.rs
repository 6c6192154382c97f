//! What a DICOM file says of the place and the rescale of a frame: at its top level, or in functional groups (PS3.3 §C.7.6.16).

use glam::{DAffine3, DVec3};

use super::dicom::{DataSet, tags};

/// No part of a person lies further than this from the origin of their scan, mm.
const FARTHEST_MM: f64 = 1e5;
/// Sizes that a pixel can have, mm.
const PIXEL_MM: std::ops::Range<f64> = 1e-4..1e3;

/// Whether a grid can lie so in a patient: steps and a place as scans have them, and axes that span a volume.
pub(crate) fn can_lie(lps_from_voxel: &DAffine3) -> bool {
    let steps = [lps_from_voxel.x_axis, lps_from_voxel.y_axis, lps_from_voxel.z_axis].map(|axis| axis.length());
    lps_from_voxel.is_finite()
        && steps.iter().all(|step| PIXEL_MM.contains(step))
        && lps_from_voxel.translation.abs().max_element() < FARTHEST_MM
        && lps_from_voxel.matrix3.determinant().abs() > 1e-6 * steps.iter().product::<f64>()
}

/// Where a frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Place {
    pub position: Option<DVec3>,
    /// Unit vectors along a row (i) and down a column (j).
    pub axes: Option<[DVec3; 2]>,
    /// Between rows, between columns, mm.
    pub spacing: Option<[f64; 2]>,
    pub thickness: Option<f64>,
}

impl Place {
    pub fn normal(&self) -> Option<DVec3> {
        self.axes.map(|[row, column]| row.cross(column))
    }

    /// Reads what a data set says about the place of a frame: at its top level or in one set of functional groups.
    pub fn read(set: &DataSet<'_>) -> Self {
        let axes = set.numbers::<6>(tags::ORIENTATION).and_then(|v| {
            let (row, column) = (DVec3::new(v[0], v[1], v[2]), DVec3::new(v[3], v[4], v[5]));
            // PS3.3 §C.7.6.2.1.1: unit vectors, at right angles
            let sound = (row.length() - 1.0).abs() < 0.01 && (column.length() - 1.0).abs() < 0.01 && row.dot(column).abs() < 0.01;
            sound.then(|| [row.normalize(), column.normalize()])
        });
        Self {
            position: set.numbers::<3>(tags::POSITION).map(DVec3::from_array).filter(|p| p.abs().max_element() < FARTHEST_MM),
            axes,
            spacing: set.numbers::<2>(tags::PIXEL_SPACING).filter(|s| s.iter().all(|s| PIXEL_MM.contains(s))),
            thickness: set.numbers::<1>(tags::SLICE_THICKNESS).map(|[t]| t).filter(|&t| t > 0.0),
        }
    }

    pub fn or(self, other: Self) -> Self {
        Self {
            position: self.position.or(other.position),
            axes: self.axes.or(other.axes),
            spacing: self.spacing.or(other.spacing),
            thickness: self.thickness.or(other.thickness),
        }
    }

    /// Blank UIDs leave the geometry to tell series apart.
    pub fn key(&self) -> String {
        let axes = self.axes.map(|axes| axes.map(|axis| (axis * 1e3).round().to_array().map(|v| v as i64)));
        let spacing = self.spacing.map(|spacing| spacing.map(|s| (s * 1e4).round() as i64));
        format!("{axes:?} {spacing:?}")
    }
}

/// Rescale slope and intercept.
pub(crate) type Rescale = (f64, f64);

pub(crate) fn rescale_of(set: &DataSet<'_>) -> Option<Rescale> {
    let [slope] = set.numbers::<1>(tags::SLOPE)?;
    let [intercept] = set.numbers::<1>(tags::INTERCEPT)?;
    Some((slope, intercept))
}

/// Geometry and rescale from one item of the shared or per-frame functional groups (PS3.3 §C.7.6.16.2).
pub(crate) fn functional_place(groups: &DataSet<'_>) -> (Place, Option<Rescale>) {
    let mut place = Place::default();
    for tag in [tags::PLANE_POSITION, tags::PLANE_ORIENTATION, tags::PIXEL_MEASURES] {
        if let Some(item) = groups.items(tag).first() {
            place = place.or(Place::read(item));
        }
    }
    (place, groups.items(tags::PIXEL_TRANSFORM).first().and_then(rescale_of))
}
