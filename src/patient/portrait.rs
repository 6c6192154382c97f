//! The meshed organs as a picture: parallel light and projection, each face in its organ's colour, with the edges of the tetrahedra.

use glam::DVec3;

use super::picture::{Picture, colour};
use crate::geom::TetMesh;

/// Longer side of the picture, and the rim around the mesh, pixels.
const SIDE: f64 = 560.0;
const RIM: f64 = 10.0;
/// Light that reaches a face turned away.
const AMBIENT: f64 = 0.3;

/// From where the organs are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// From the front: the patient's left on the right, the head above.
    Front,
    /// From the feet: the patient's left on the right, the front above.
    Feet,
}

impl View {
    pub const ALL: [Self; 2] = [Self::Front, Self::Feet];

    pub fn name(self) -> &'static str {
        match self {
            Self::Front => "from the front",
            Self::Feet => "from the feet",
        }
    }

    /// What is to the right, below, and toward the eye, in the world (x the patient's left, y the front, z the feet).
    fn axes(self) -> [DVec3; 3] {
        match self {
            Self::Front => [DVec3::X, DVec3::Z, DVec3::Y],
            Self::Feet => [DVec3::X, DVec3::NEG_Y, DVec3::Z],
        }
    }
}

/// Draws the outside of `mesh` on white; `label` gives the label, and so the colour, of a tetrahedron.
pub fn portrait(mesh: &TetMesh, label: impl Fn(usize) -> u8, view: View) -> Picture {
    let axes = view.axes();
    let seen: Vec<DVec3> = mesh.vertices.iter().map(|v| DVec3::from_array(axes.map(|axis| axis.dot(v.as_dvec3())))).collect();
    let low = seen.iter().copied().fold(DVec3::INFINITY, DVec3::min);
    let size = seen.iter().copied().fold(DVec3::NEG_INFINITY, DVec3::max) - low;
    let scale = (SIDE - 2.0 * RIM) / size.x.max(size.y).max(1e-9);
    let pixels = |length: f64| (length * scale + 2.0 * RIM).clamp(1.0, SIDE) as usize;
    let (width, height) = (pixels(size.x), pixels(size.y));
    let mut rgb = vec![255; 3 * width * height];
    let mut depth = vec![f64::NEG_INFINITY; width * height];
    let light = DVec3::new(-0.4, -0.5, 0.77);
    for (face, tet) in mesh.boundary() {
        let [a, b, c] = face.map(|v| {
            let at = (seen[v as usize] - low) * scale;
            DVec3::new(at.x + RIM, at.y + RIM, at.z)
        });
        let normal = (b - a).cross(c - a);
        let area = normal.z;
        if area == 0.0 {
            continue;
        }
        let unit = normal.normalize_or_zero();
        let facing = if unit.z < 0.0 { -unit } else { unit };
        let shade = AMBIENT + (1.0 - AMBIENT) * facing.dot(light).max(0.0);
        let paint = colour(label(tet as usize));
        let [first, last] = [a.min(b).min(c), a.max(b).max(c)];
        for y in first.y.max(0.0) as usize..=(last.y as usize).min(height - 1) {
            for x in first.x.max(0.0) as usize..=(last.x as usize).min(width - 1) {
                let p = DVec3::new(x as f64 + 0.5, y as f64 + 0.5, 0.0);
                let part = |u: DVec3, v: DVec3| ((u.x - p.x) * (v.y - p.y) - (u.y - p.y) * (v.x - p.x)) / area;
                let shares = [part(b, c), part(c, a), part(a, b)];
                let near = shares[0] * a.z + shares[1] * b.z + shares[2] * c.z;
                if shares.iter().any(|share| *share < 0.0) || near <= depth[x + width * y] {
                    continue;
                }
                depth[x + width * y] = near;
                // a pixel within half of one from an edge
                let edges = [c - b, a - c, b - a];
                let edge = shares.iter().zip(edges).any(|(share, edge)| share * area.abs() < 0.6 * edge.truncate().length());
                let dim = if edge { 0.6 * shade } else { shade };
                for (channel, value) in paint.into_iter().enumerate() {
                    rgb[3 * (x + width * y) + channel] = (f64::from(value) * dim).round() as u8;
                }
            }
        }
    }
    Picture { width, height, rgb }
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::*;

    /// Two boxes' worth of a wedge: the nearer tetrahedron hides the further one, in both views.
    #[test]
    fn what_is_nearer_hides_what_is_behind_it() {
        let tet = |at: Vec3, size: f32| [at, at + Vec3::X * size, at + Vec3::Y * size, at + Vec3::Z * size];
        let far = tet(Vec3::ZERO, 1.0);
        for (view, toward) in [(View::Front, Vec3::Y), (View::Feet, Vec3::Z)] {
            let near = tet(toward * 2.0, 1.0);
            let mesh = TetMesh { vertices: [far, near].concat(), tets: vec![[0, 1, 2, 3], [4, 5, 6, 7]] };
            let picture = portrait(&mesh, |tet| tet as u8 + 1, view);
            // a pixel where both lie, well inside: its hue is the nearer one's, blue, and not the other's, yellow
            let (x, y) = match view {
                View::Front => (picture.width / 4, picture.height / 4),
                View::Feet => (picture.width / 4, picture.height * 3 / 4 + picture.height / 12),
            };
            let at = 3 * (x + picture.width * y);
            let [r, b] = [picture.rgb[at], picture.rgb[at + 2]];
            assert!(b > r, "{view:?}: {:?}", &picture.rgb[at..at + 3]);
            assert_eq!(picture.rgb[..3], [255; 3], "{view:?}: the corner is empty");
        }
    }
}
