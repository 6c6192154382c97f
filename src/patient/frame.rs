//! The one place that turns the patient's frame into the world's.
//!
//! | | DICOM (LPS, mm) | world (m) |
//! | --- | --- | --- |
//! | x | toward the patient's left | toward the patient's left |
//! | y | posterior | up: anterior, for a patient who lies on the back |
//! | z | toward the head | toward the feet |
//!
//! Both are right-handed. The organ's box is centred over the origin and its lowest point lies [`REST_HEIGHT_M`] above the table.

use glam::{DAffine3, DMat3, DVec3, Vec3};

use crate::geom::Volume;

/// Height of the organ's lowest point over the table top (y = 0), m.
pub const REST_HEIGHT_M: f64 = 0.05;

/// World metres from LPS millimetres, for an organ that fills the box from `low` to `high` (LPS, mm).
pub fn world_from_lps(low: DVec3, high: DVec3) -> DAffine3 {
    let matrix3 = DMat3::from_diagonal(DVec3::new(1e-3, -1e-3, -1e-3));
    let centre = matrix3 * ((low + high) * 0.5);
    let lowest = matrix3.y_axis.y * high.y;
    DAffine3 { matrix3, translation: DVec3::new(-centre.x, REST_HEIGHT_M - lowest, -centre.z) }
}

/// The box (LPS, mm) that holds every voxel whose value is `label`, out to the voxels' faces; nothing if there is none.
pub fn label_bounds(labels: &Volume<u8>, label: u8) -> Option<[DVec3; 2]> {
    let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
    let [nx, ny, _] = labels.dims;
    for (at, _) in labels.voxels.iter().enumerate().filter(|(_, value)| **value == label) {
        let ijk = [at % nx, at / nx % ny, at / (nx * ny)];
        for axis in 0..3 {
            low[axis] = low[axis].min(ijk[axis]);
            high[axis] = high[axis].max(ijk[axis]);
        }
    }
    if low[0] == usize::MAX {
        return None;
    }
    let (mut min, mut max) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for corner in 0..8 {
        let pick = |axis: usize| if corner >> axis & 1 == 0 { low[axis] as f64 - 0.5 } else { high[axis] as f64 + 0.5 };
        let at = labels.lps_from_voxel.transform_point3(DVec3::new(pick(0), pick(1), pick(2)));
        (min, max) = (min.min(at), max.max(at));
    }
    Some([min, max])
}

/// A patient position (LPS, mm) in the world.
pub fn to_world(world_from_lps: &DAffine3, lps_mm: DVec3) -> Vec3 {
    world_from_lps.transform_point3(lps_mm).as_vec3()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_is_x_anterior_is_up_and_the_feet_are_z() {
        let frame = world_from_lps(DVec3::new(-100.0, -300.0, -800.0), DVec3::new(100.0, -100.0, -700.0));
        assert!((frame.matrix3.determinant() - 1e-9).abs() < 1e-21, "right-handed, millimetres to metres");
        assert!(to_world(&frame, DVec3::new(0.0, -100.0, -750.0)).distance(Vec3::new(0.0, 0.05, 0.0)) < 1e-6);
        let step = |lps: DVec3| (frame.matrix3 * lps * 1e3).as_vec3();
        assert_eq!([step(DVec3::X), step(DVec3::NEG_Y), step(DVec3::NEG_Z)], [Vec3::X, Vec3::Y, Vec3::Z]);
    }

    #[test]
    fn the_box_reaches_to_the_faces_of_the_voxels() {
        let mut labels =
            Volume { dims: [4, 3, 2], lps_from_voxel: DAffine3::from_scale(DVec3::new(2.0, 1.0, 5.0)), voxels: vec![0; 24] };
        labels.voxels[1 + 4 * (1 + 3)] = 5;
        assert_eq!(label_bounds(&labels, 5), Some([DVec3::new(1.0, 0.5, 2.5), DVec3::new(3.0, 1.5, 7.5)]));
        assert_eq!(label_bounds(&labels, 6), None);
    }
}
