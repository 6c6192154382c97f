//! Where a slice lies: from a panel on the screen to the patient, to the voxels.

use bevy::math::{DAffine3, DVec2, DVec3};

use crate::patient::Plane;

/// A range of HU shown from black to white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    pub centre_hu: f32,
    pub width_hu: f32,
}

impl Window {
    pub const ABDOMEN: Self = Self { centre_hu: 40.0, width_hu: 400.0 };
    /// The windows that a key steps through, as radiologists commonly set them.
    pub const COMMON: [(&'static str, Self); 4] = [
        ("abdomen", Self::ABDOMEN),
        ("liver", Self { centre_hu: 90.0, width_hu: 160.0 }),
        ("bone", Self { centre_hu: 400.0, width_hu: 1800.0 }),
        ("lung", Self { centre_hu: -600.0, width_hu: 1500.0 }),
    ];

    /// 0 black to 1 white: DICOM PS3.3 C.11.2.1.3.2 (LINEAR_EXACT).
    pub fn grey(&self, hu: f32) -> f32 {
        ((hu - self.centre_hu) / self.width_hu.max(1.0) + 0.5).clamp(0.0, 1.0)
    }
}

/// The box of the voxels and its frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScanGeometry {
    /// 0 to 1 along each axis of the voxels, from their outer faces, from LPS mm.
    pub texture_from_lps: DAffine3,
    /// The middle of the box, LPS, mm.
    pub centre_mm: DVec3,
    /// The side of the square that each panel shows, mm.
    pub side_mm: f64,
}

impl ScanGeometry {
    pub fn new(dims: [usize; 3], lps_from_voxel: &DAffine3) -> Self {
        let size = DVec3::from_array(dims.map(|n| n as f64));
        let lps_from_texture = *lps_from_voxel * DAffine3::from_translation(DVec3::splat(-0.5)) * DAffine3::from_scale(size);
        let corners = (0..8).map(|b| {
            lps_from_texture.transform_point3(DVec3::new(f64::from(b & 1), f64::from(b >> 1 & 1), f64::from(b >> 2 & 1)))
        });
        let (low, high) = corners.fold((DVec3::MAX, DVec3::MIN), |(low, high), corner| (low.min(corner), high.max(corner)));
        Self { texture_from_lps: lps_from_texture.inverse(), centre_mm: 0.5 * (low + high), side_mm: (high - low).max_element() }
    }

    /// The place that a panel shows at `uv` (0 to 1 from its upper left corner), when the slices meet in `cursor_mm`; LPS, mm.
    pub fn lps_at(&self, plane: Plane, cursor_mm: DVec3, uv: DVec2) -> DVec3 {
        let [across, down] = plane.axes();
        let from_centre = ((uv.x - 0.5) * across + (uv.y - 0.5) * down) * self.side_mm;
        self.centre_mm + from_centre + plane.normal() * (cursor_mm - self.centre_mm).dot(plane.normal())
    }

    /// Where on a panel a place appears.
    pub fn uv_of(&self, plane: Plane, lps_mm: DVec3) -> DVec2 {
        let away = (lps_mm - self.centre_mm) / self.side_mm;
        let [across, down] = plane.axes();
        DVec2::new(away.dot(across) + 0.5, away.dot(down) + 0.5)
    }

    /// The disc that a slice cuts out of a ball (LPS, mm): its middle on the panel and its radius in the panel's coordinates; nothing where
    /// the slice misses it.
    pub fn disc_of(&self, plane: Plane, cursor_mm: DVec3, ball_mm: DVec3, radius_mm: f64) -> Option<(DVec2, f64)> {
        let away = (ball_mm - cursor_mm).dot(plane.normal());
        let squared = radius_mm * radius_mm - away * away;
        (squared > 0.0).then(|| (self.uv_of(plane, ball_mm), squared.sqrt() / self.side_mm))
    }

    /// A panel in the box of the voxels: its upper left corner, its upper edge and its left edge.
    pub fn panel_in_texture(&self, plane: Plane, cursor_mm: DVec3) -> [DVec3; 3] {
        let at = |u: f64, v: f64| self.texture_from_lps.transform_point3(self.lps_at(plane, cursor_mm, DVec2::new(u, v)));
        let corner = at(0.0, 0.0);
        [corner, at(1.0, 0.0) - corner, at(0.0, 1.0) - corner]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::math::DMat3;

    fn oblique() -> ([usize; 3], DAffine3) {
        let turn = DMat3::from_rotation_z(0.3) * DMat3::from_rotation_x(-0.2);
        let lps_from_voxel = DAffine3 {
            matrix3: turn * DMat3::from_diagonal(DVec3::new(0.8, 0.9, 2.5)),
            translation: DVec3::new(-120.0, -90.0, 40.0),
        };
        ([64, 48, 20], lps_from_voxel)
    }

    #[test]
    fn the_centre_of_a_voxel_is_in_the_middle_of_its_texel() {
        let (dims, lps_from_voxel) = oblique();
        let scan = ScanGeometry::new(dims, &lps_from_voxel);
        let at = scan.texture_from_lps.transform_point3(lps_from_voxel.transform_point3(DVec3::new(10.0, 0.0, 19.0)));
        assert!((at - DVec3::new(10.5 / 64.0, 0.5 / 48.0, 19.5 / 20.0)).length() < 1e-12);
    }

    #[test]
    fn a_place_and_its_point_on_a_panel_are_one() {
        let (dims, lps_from_voxel) = oblique();
        let scan = ScanGeometry::new(dims, &lps_from_voxel);
        let cursor = DVec3::new(-100.0, -60.0, 60.0);
        for plane in Plane::ALL {
            let uv = scan.uv_of(plane, cursor);
            assert!((scan.lps_at(plane, cursor, uv) - cursor).length() < 1e-9, "{plane:?}");
            let [corner, across, down] = scan.panel_in_texture(plane, cursor);
            let there = corner + across * uv.x + down * uv.y;
            assert!((there - scan.texture_from_lps.transform_point3(cursor)).length() < 1e-12);
        }
    }

    /// A patient seen from the feet: what lies toward the left hand appears at the right, the spine below.
    #[test]
    fn slices_hang_as_radiologists_hang_them() {
        let scan = ScanGeometry::new([10, 10, 10], &DAffine3::IDENTITY);
        let moved = |plane, by: DVec3| scan.uv_of(plane, scan.centre_mm + by) - scan.uv_of(plane, scan.centre_mm);
        let (left, posterior, superior) = (DVec3::X, DVec3::Y, DVec3::Z);
        assert!(moved(Plane::Axial, left).x > 0.0 && moved(Plane::Axial, posterior).y > 0.0);
        assert!(moved(Plane::Coronal, left).x > 0.0 && moved(Plane::Coronal, superior).y < 0.0);
        assert!(moved(Plane::Sagittal, posterior).x > 0.0 && moved(Plane::Sagittal, superior).y < 0.0);
    }

    #[test]
    fn a_window_runs_from_black_to_white() {
        let grey = |hu| Window::ABDOMEN.grey(hu);
        assert_eq!([grey(-160.0), grey(40.0), grey(240.0), grey(-1024.0), grey(3000.0)], [0.0, 0.5, 1.0, 0.0, 1.0]);
    }
}
