//! Signed distance sampled on a regular grid.

use glam::Vec3;

/// Signed distance to a closed surface, m, negative inside, on a regular grid in the world; linear between nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct DistanceField {
    /// World position of node (0, 0, 0), m.
    pub origin: Vec3,
    /// Distance between nodes, m.
    pub spacing_m: f32,
    /// Nodes along x, y, z, each at least 2.
    pub dims: [usize; 3],
    /// `values[i + dims[0] * (j + dims[1] * k)]`, m.
    pub values: Vec<f32>,
}

impl DistanceField {
    /// Trilinear interpolation; outside the grid the nearest border value plus the distance to the border.
    pub fn sample(&self, point: Vec3) -> f32 {
        let local = (point - self.origin) / self.spacing_m;
        let top = Vec3::new((self.dims[0] - 1) as f32, (self.dims[1] - 1) as f32, (self.dims[2] - 1) as f32);
        let clamped = local.clamp(Vec3::ZERO, top);
        let base = clamped.min(top - 1.0).floor();
        let f = clamped - base;
        let at = |i: usize, j: usize, k: usize| {
            self.values[base.x as usize + i + self.dims[0] * (base.y as usize + j + self.dims[1] * (base.z as usize + k))]
        };
        let along_x = |j, k| at(0, j, k) + (at(1, j, k) - at(0, j, k)) * f.x;
        let along_y = |k| along_x(0, k) + (along_x(1, k) - along_x(0, k)) * f.y;
        let inside = along_y(0) + (along_y(1) - along_y(0)) * f.z;
        inside + (local - clamped).length() * self.spacing_m
    }

    /// Unit direction of steepest increase (outwards), by central differences over half a cell; zero where the field is flat.
    pub fn gradient(&self, point: Vec3) -> Vec3 {
        let h = 0.5 * self.spacing_m;
        let slope = |axis: Vec3| self.sample(point + axis * h) - self.sample(point - axis * h);
        Vec3::new(slope(Vec3::X), slope(Vec3::Y), slope(Vec3::Z)).normalize_or_zero()
    }

    /// The point of the zero surface near `point`: three Newton steps along the gradient, moved by at most `limit_m`.
    pub fn project(&self, point: Vec3, limit_m: f32) -> Vec3 {
        let mut on = point;
        for _ in 0..3 {
            on -= self.gradient(on) * self.sample(on);
        }
        point + (on - point).clamp_length_max(limit_m)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tolerances: linear interpolation of a sphere of radius 10 on a unit grid is off by at most h²/8R = 0.0125.
    #[test]
    fn a_sampled_sphere_gives_its_distance_normal_and_foot_point() {
        let dims = [31; 3];
        let origin = Vec3::splat(-15.0);
        let mut values = Vec::new();
        for k in 0..31 {
            for j in 0..31 {
                for i in 0..31 {
                    values.push((origin + Vec3::new(i as f32, j as f32, k as f32)).length() - 10.0);
                }
            }
        }
        let sphere = DistanceField { origin, spacing_m: 1.0, dims, values };
        let p = Vec3::new(7.3, -2.1, 4.7);
        assert!((sphere.sample(p) - (p.length() - 10.0)).abs() < 0.02);
        assert!(sphere.gradient(p).dot(p.normalize()) > 0.999);
        assert!((sphere.project(p, 10.0).length() - 10.0).abs() < 0.02);
        assert!((sphere.sample(Vec3::new(25.0, 0.0, 0.0)) - 15.0).abs() < 0.02);
    }
}
