//! What a blade feels before it has cut: the work of fracture of the tissue that it is about to part, over the way on which it does.
//!
//! A stroke parts tissue at once, when the blades meet; the hand feels it all along. While they close, each tick's strip of the sweep is intersected
//! with the elements, and its area at rest times their toughness is the energy that the strip takes: F = G_c dA/ds, Newton by newton what an
//! energy balance of guillotining gives (Atkins & Xu, “Slicing of soft flexible solids with industrial applications”, Int J Mech Sci 2005).
//!
//! Limits: a second stroke through a slit counts the elements that the first one snapped to it; no friction on the blades' sides, and no push on the tissue in return: blades hold it from both sides.

use glam::Vec3;

use super::body::SoftBody;
use super::cut::{Blade, BladeSweep};
use super::terms::vec3;

impl SoftBody {
    /// Energy that parting the tissue in a plane convex polygon takes, J; nothing is changed.
    pub fn parting_energy(&self, sweep: &BladeSweep) -> f32 {
        if self.toughness.iter().all(|&toughness| toughness == 0.0) {
            return 0.0;
        }
        let Some(blade) = Blade::new(sweep) else { return 0.0 };
        let height: Vec<f32> = self.positions.iter().map(|&x| blade.height(x)).collect();
        let mut energy = 0.0f64;
        for (tet, corners) in self.tets.iter().enumerate() {
            let heights = corners.map(|v| height[v as usize]);
            let above = heights.iter().filter(|&&h| h > 0.0).count();
            if above == 0 || above == 4 || self.is_crumb(corners[0]) {
                continue;
            }
            let section = section(corners.map(|v| self.positions[v as usize]), heights);
            let cut = clip(section, &sweep.polygon, blade.normal());
            let area = area(&cut);
            if area > 0.0 {
                energy += f64::from(self.toughness(tet) * area * self.area_at_rest(tet, blade.normal()));
            }
        }
        energy as f32
    }

    /// Force of the tissue on a blade that parts `sweep` on the straight way `way`, N: against it.
    pub fn cutting_force(&self, sweep: &BladeSweep, way: Vec3) -> Vec3 {
        let Some(forward) = way.try_normalize() else { return Vec3::ZERO };
        let energy = self.parting_energy(sweep);
        if energy > 0.0 { forward * (-energy / way.length()) } else { Vec3::ZERO }
    }

    /// Area at rest of a unit area now with this normal: Nanson's formula, |Fᵀ n| / J.
    fn area_at_rest(&self, tet: usize, normal: Vec3) -> f32 {
        let u = self.tets[tet].map(|v| vec3(self.u[v as usize]));
        let gradients = self.shapes[tet].gradients.map(Vec3::from);
        // Fᵀ n = n + Σ ∇N (u · n)
        let pulled = normal + (0..3).map(|k| gradients[k] * (u[k + 1] - u[0]).dot(normal)).sum::<Vec3>();
        let now = crate::geom::tet_volume(self.tets[tet].map(|v| self.positions[v as usize])) as f32;
        // a crushed element counts as it was
        let dilation = now / self.shapes[tet].volume;
        if dilation > 0.05 { pulled.length() / dilation } else { 1.0 }
    }
}

/// Where the plane cuts a tetrahedron: three or four points, in order around.
fn section(x: [Vec3; 4], height: [f32; 4]) -> Vec<Vec3> {
    let at = |a: usize, b: usize| x[a].lerp(x[b], height[a] / (height[a] - height[b]));
    let (above, below): (Vec<usize>, Vec<usize>) = (0..4).partition(|&k| height[k] > 0.0);
    match (&above[..], &below[..]) {
        (&[a], &[b, c, d]) | (&[b, c, d], &[a]) => vec![at(a, b), at(a, c), at(a, d)],
        (&[a, b], &[c, d]) => vec![at(a, c), at(a, d), at(b, d), at(b, c)],
        _ => Vec::new(),
    }
}

/// The part of a convex polygon inside another in the same plane (Sutherland & Hodgman, 1974).
fn clip(mut polygon: Vec<Vec3>, border: &[Vec3], normal: Vec3) -> Vec<Vec3> {
    for (k, &a) in border.iter().enumerate() {
        let b = border[(k + 1) % border.len()];
        let inward = normal.cross(b - a);
        let inside = |x: Vec3| (x - a).dot(inward);
        let mut kept = Vec::with_capacity(polygon.len() + 1);
        for (index, &from) in polygon.iter().enumerate() {
            let to = polygon[(index + 1) % polygon.len()];
            let (first, second) = (inside(from), inside(to));
            if first >= 0.0 {
                kept.push(from);
            }
            if first * second < 0.0 {
                kept.push(from.lerp(to, first / (first - second)));
            }
        }
        polygon = kept;
    }
    polygon
}

fn area(polygon: &[Vec3]) -> f32 {
    let Some(&origin) = polygon.first() else { return 0.0 };
    let fan = polygon.windows(2).map(|pair| (pair[0] - origin).cross(pair[1] - origin)).sum::<Vec3>();
    0.5 * fan.length()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_clipped_by_one_that_covers_a_quarter_leaves_a_quarter() {
        let square =
            |low: f32, high: f32| [(low, low), (high, low), (high, high), (low, high)].map(|(x, y)| Vec3::new(x, y, 0.0));
        let cut = clip(square(0.0, 1.0).to_vec(), &square(0.5, 2.0), Vec3::Z);
        assert!((area(&cut) - 0.25).abs() < 1e-6);
        assert_eq!(area(&clip(square(0.0, 1.0).to_vec(), &square(2.0, 3.0), Vec3::Z)), 0.0);
    }
}
