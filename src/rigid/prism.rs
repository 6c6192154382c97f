//! The object of peg transfer: a hollow triangular prism.

use glam::Vec3;

/// A triangular ring standing on its end: the axis is y, the origin its centre, one corner toward −z.
///
/// The hole is a triangle too, so that the ring is three straight walls (three convex pieces). A round hole of radius r keeps its
/// area as a triangle of inradius r √(π / 3√3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrismRing {
    /// From the axis to an outer corner, m.
    pub circumradius_m: f32,
    pub height_m: f32,
    /// From the axis to the middle of an inner side, m.
    pub hole_inradius_m: f32,
    pub mass_kg: f32,
}

impl PrismRing {
    /// A ring with a round hole of the given radius, as a triangle of equal area.
    pub fn with_round_hole(circumradius_m: f32, height_m: f32, hole_radius_m: f32, mass_kg: f32) -> Self {
        let hole_inradius_m = hole_radius_m * (std::f32::consts::PI / (3.0 * 3f32.sqrt())).sqrt();
        Self { circumradius_m, height_m, hole_inradius_m, mass_kg }
    }

    /// Corners of the triangle of the given circumradius at height `y`.
    fn corners(circumradius: f32, y: f32) -> [Vec3; 3] {
        let (half, high) = (0.5 * circumradius, 0.5 * 3f32.sqrt() * circumradius);
        [Vec3::new(0.0, y, -circumradius), Vec3::new(-high, y, half), Vec3::new(high, y, half)]
    }

    /// The eight corners of each of the three walls.
    pub fn walls(&self) -> [[Vec3; 8]; 3] {
        let h = 0.5 * self.height_m;
        let ring = |y| (Self::corners(self.circumradius_m, y), Self::corners(2.0 * self.hole_inradius_m, y));
        let ((outer_low, inner_low), (outer_high, inner_high)) = (ring(-h), ring(h));
        [0, 1, 2].map(|i| {
            let j = (i + 1) % 3;
            [outer_low[i], outer_low[j], inner_low[j], inner_low[i], outer_high[i], outer_high[j], inner_high[j], inner_high[i]]
        })
    }

    /// The middle of each wall, at mid-height, and the direction out of it.
    pub fn wall_middles(&self) -> [(Vec3, Vec3); 3] {
        let middle = 0.25 * self.circumradius_m + 0.5 * self.hole_inradius_m;
        let corners = Self::corners(1.0, 0.0);
        [0, 1, 2].map(|i| {
            let out = (corners[i] + corners[(i + 1) % 3]).normalize();
            (out * middle, out)
        })
    }

    /// Distance from a point (in the ring's frame) to the middle surface of its walls, m: what a jaw must straddle.
    pub fn distance_to_walls(&self, point: Vec3) -> f32 {
        let over = (point.y.abs() - 0.5 * self.height_m).max(0.0);
        let flat = Vec3::new(point.x, 0.0, point.z);
        let corners = Self::corners(0.5 * (self.circumradius_m + 2.0 * self.hole_inradius_m), 0.0);
        let in_plane = (0..3)
            .map(|i| {
                let (a, b) = (corners[i], corners[(i + 1) % 3]);
                let t = ((flat - a).dot(b - a) / (b - a).length_squared()).clamp(0.0, 1.0);
                (flat - a - (b - a) * t).length()
            })
            .fold(f32::INFINITY, f32::min);
        (in_plane * in_plane + over * over).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> PrismRing {
        PrismRing::with_round_hole(0.010, 0.0145, 0.0048, 0.010)
    }

    #[test]
    fn a_peg_passes_the_hole_and_the_walls_have_thickness() {
        let ring = ring();
        let outer_inradius = 0.5 * ring.circumradius_m;
        assert!(ring.hole_inradius_m > 0.0015, "a 3 mm peg passes");
        assert!(outer_inradius - ring.hole_inradius_m > 0.001, "1.27 mm of wall are left");
    }

    #[test]
    fn the_middle_of_a_wall_is_on_its_middle_surface() {
        let ring = ring();
        for (middle, out) in ring.wall_middles() {
            assert!(ring.distance_to_walls(middle) < 1e-6);
            assert!((ring.distance_to_walls(middle + out * 0.003) - 0.003).abs() < 1e-6);
            assert!((ring.distance_to_walls(middle + Vec3::Y * 0.5 * ring.height_m) - 0.0).abs() < 1e-6);
        }
        assert!((ring.distance_to_walls(Vec3::ZERO) - 0.25 * ring.circumradius_m - 0.5 * ring.hole_inradius_m).abs() < 1e-6);
    }
}
