//! How good a mesh is, and how near to the label it was made from.

use glam::{DAffine3, DVec3};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::geom::{TetMesh, Volume};

/// Measures of a tetrahedral mesh against the label it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeshQuality {
    pub tets: usize,
    pub vertices: usize,
    /// Edge of the lattice cells, mm.
    pub feature_mm: f64,
    /// Smallest dihedral angle, the one that 0.1 % of all angles stay below, and the largest, degrees.
    pub dihedral_min_deg: f64,
    pub dihedral_low_deg: f64,
    pub dihedral_max_deg: f64,
    pub volume_ml: f64,
    /// Volume of the labelled voxels.
    pub label_volume_ml: f64,
    /// From the centres of the label's outer voxel faces to the mesh's boundary: what 95 % stay below, and the largest, mm. The voxels'
    /// own stairs are part of it.
    pub label_distance_p95_mm: f64,
    pub label_distance_max_mm: f64,
}

impl MeshQuality {
    /// (mesh volume − label volume) / label volume.
    pub fn volume_error(&self) -> f64 {
        self.volume_ml / self.label_volume_ml - 1.0
    }

    pub fn measure(mesh: &TetMesh, labels: &Volume<u8>, label: u8, world_from_lps: &DAffine3, feature_mm: f64) -> Self {
        let mut angles: Vec<f64> = (0..mesh.tets.len()).flat_map(|tet| mesh.dihedral_angles(tet)).map(f64::to_degrees).collect();
        angles.sort_by(f64::total_cmp);
        let angle = |share: f64| angles.get((angles.len() as f64 * share) as usize).or(angles.last()).copied().unwrap_or(0.0);
        let voxels = labels.voxels.iter().filter(|v| **v == label).count();
        let faces = outer_faces(labels, label, world_from_lps);
        let nearby = Buckets::new(mesh);
        let mut distances: Vec<f64> = faces.par_iter().map(|&(at, _)| nearby.nearest(at, f64::INFINITY).0 * 1e3).collect();
        distances.sort_by(f64::total_cmp);
        // rounded to what is worth stating, so that a last bit of some platform's arc cosine does not reach a twin's hash
        let stated = |value: f64| (value * 1e4).round() / 1e4;
        Self {
            tets: mesh.tets.len(),
            vertices: mesh.vertices.len(),
            feature_mm,
            dihedral_min_deg: stated(angle(0.0)),
            dihedral_low_deg: stated(angle(1e-3)),
            dihedral_max_deg: stated(angle(1.0)),
            volume_ml: stated(mesh.volume() * 1e6),
            label_volume_ml: stated(voxels as f64 * labels.voxel_mm3() * 1e-3),
            label_distance_p95_mm: stated(distances.get(distances.len() * 95 / 100).copied().unwrap_or(0.0)),
            label_distance_max_mm: stated(distances.last().copied().unwrap_or(0.0)),
        }
    }
}

/// Centres of the faces between a labelled voxel and anything else, in the world, each with the axis it lies across.
pub(super) fn outer_faces(labels: &Volume<u8>, label: u8, world_from_lps: &DAffine3) -> Vec<(DVec3, usize)> {
    let world_from_voxel = *world_from_lps * labels.lps_from_voxel;
    let [nx, ny, _] = labels.dims;
    let mut out = Vec::new();
    for (at, _) in labels.voxels.iter().enumerate().filter(|(_, value)| **value == label) {
        let ijk = [at % nx, at / nx % ny, at / (nx * ny)];
        for axis in 0..3 {
            for side in [-1.0, 1.0] {
                let next = ijk[axis].checked_add_signed(side as isize);
                let mut neighbour = ijk;
                let same = next.is_some_and(|n| {
                    neighbour[axis] = n;
                    labels.get(neighbour) == Some(label)
                });
                if !same {
                    let mut centre = ijk.map(|n| n as f64);
                    centre[axis] += 0.5 * side;
                    out.push((world_from_voxel.transform_point3(DVec3::from_array(centre)), axis));
                }
            }
        }
    }
    out
}

/// Triangles, as those of a mesh's boundary, sorted into cubes.
pub(super) struct Buckets {
    triangles: Vec<[DVec3; 3]>,
    origin: DVec3,
    size: f64,
    dims: [usize; 3],
    /// `inside[starts[c]..starts[c + 1]]` are the triangles that touch cube c.
    starts: Vec<u32>,
    inside: Vec<u32>,
}

impl Buckets {
    fn new(mesh: &TetMesh) -> Self {
        Self::of(mesh.surface().triangles.iter().map(|t| t.map(|v| mesh.vertices[v as usize].as_dvec3())).collect())
    }

    pub fn of(triangles: Vec<[DVec3; 3]>) -> Self {
        let low = triangles.iter().flatten().copied().fold(DVec3::INFINITY, DVec3::min);
        let high = triangles.iter().flatten().copied().fold(DVec3::NEG_INFINITY, DVec3::max);
        let size = ((high - low).max_element() / 48.0).max(1e-6);
        let dims = ((high - low) / size).to_array().map(|n| if n.is_finite() { n as usize + 1 } else { 1 });
        let mut buckets = Self { triangles, origin: low, size, dims, starts: Vec::new(), inside: Vec::new() };
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (t, corners) in buckets.triangles.iter().enumerate() {
            let from = buckets.cube(corners[0].min(corners[1]).min(corners[2]));
            let to = buckets.cube(corners[0].max(corners[1]).max(corners[2]));
            for k in from[2]..=to[2] {
                for j in from[1]..=to[1] {
                    for i in from[0]..=to[0] {
                        pairs.push((buckets.number([i, j, k]), t as u32));
                    }
                }
            }
        }
        pairs.sort_unstable();
        let cubes = dims[0] * dims[1] * dims[2];
        buckets.starts = (0..=cubes as u32).map(|c| pairs.partition_point(|pair| pair.0 < c) as u32).collect();
        buckets.inside = pairs.into_iter().map(|pair| pair.1).collect();
        buckets
    }

    fn cube(&self, at: DVec3) -> [usize; 3] {
        let n = ((at - self.origin) / self.size).to_array();
        std::array::from_fn(|axis| (n[axis].max(0.0) as usize).min(self.dims[axis] - 1))
    }

    fn number(&self, [i, j, k]: [usize; 3]) -> u32 {
        (i + self.dims[0] * (j + self.dims[1] * k)) as u32
    }

    /// Distance from a point to the nearest triangle, m, that triangle and its nearest point; `reach` where there is none nearer.
    pub fn nearest(&self, at: DVec3, reach: f64) -> (f64, usize, DVec3) {
        let home = self.cube(at);
        let mut best = (reach, 0, at);
        let high = self.origin + DVec3::from_array(self.dims.map(|n| n as f64)) * self.size;
        if at.distance(at.clamp(self.origin, high)) >= reach {
            return best;
        }
        let furthest = self.dims.iter().copied().max().unwrap_or(1);
        for ring in 0..=furthest {
            // a triangle that first appears in this ring is at least this far from the home cube's own points
            if best.0 <= (ring as f64 - 1.0).max(0.0) * self.size {
                break;
            }
            let range = |axis: usize| home[axis].saturating_sub(ring)..=(home[axis] + ring).min(self.dims[axis] - 1);
            let mut look_at = |cube: [usize; 3]| {
                let cube = self.number(cube) as usize;
                for &t in &self.inside[self.starts[cube] as usize..self.starts[cube + 1] as usize] {
                    let there = nearest_in_triangle(at, self.triangles[t as usize]);
                    let distance = at.distance(there);
                    if distance < best.0 {
                        best = (distance, t as usize, there);
                    }
                }
            };
            for k in range(2) {
                for j in range(1) {
                    if k.abs_diff(home[2]) == ring || j.abs_diff(home[1]) == ring {
                        range(0).for_each(|i| look_at([i, j, k]));
                    } else {
                        // within the ring's shell a row has its two ends alone
                        let ends = [home[0].checked_sub(ring), Some(home[0] + ring).filter(|&i| i < self.dims[0])];
                        ends.into_iter().flatten().for_each(|i| look_at([i, j, k]));
                    }
                }
            }
        }
        best
    }
}

/// The point of a triangle nearest to `p` (Ericson, Real-Time Collision Detection, 2005, §5.1.5).
fn nearest_in_triangle(p: DVec3, [a, b, c]: [DVec3; 3]) -> DVec3 {
    let (ab, ac, ap) = (b - a, c - a, p - a);
    let (d1, d2) = (ab.dot(ap), ac.dot(ap));
    if d1 <= 0.0 && d2 <= 0.0 {
        return a;
    }
    let bp = p - b;
    let (d3, d4) = (ab.dot(bp), ac.dot(bp));
    if d3 >= 0.0 && d4 <= d3 {
        return b;
    }
    let vc = d1 * d4 - d3 * d2;
    if vc <= 0.0 && d1 >= 0.0 && d3 <= 0.0 {
        return a + ab * (d1 / (d1 - d3));
    }
    let cp = p - c;
    let (d5, d6) = (ab.dot(cp), ac.dot(cp));
    if d6 >= 0.0 && d5 <= d6 {
        return c;
    }
    let vb = d5 * d2 - d1 * d6;
    if vb <= 0.0 && d2 >= 0.0 && d6 <= 0.0 {
        return a + ac * (d2 / (d2 - d6));
    }
    let va = d3 * d6 - d5 * d4;
    if va <= 0.0 && d4 >= d3 && d5 >= d6 {
        return b + (c - b) * ((d4 - d3) / ((d4 - d3) + (d5 - d6)));
    }
    let sum = va + vb + vc;
    a + ab * (vb / sum) + ac * (vc / sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;

    #[test]
    fn the_distance_to_a_box_of_tetrahedra_is_that_to_the_box() {
        let v = |x: f32, y: f32, z: f32| Vec3::new(x, y, z);
        let vertices = vec![
            v(0., 0., 0.),
            v(1., 0., 0.),
            v(1., 1., 0.),
            v(0., 1., 0.),
            v(0., 0., 1.),
            v(1., 0., 1.),
            v(1., 1., 1.),
            v(0., 1., 1.),
        ];
        let tets = vec![[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]];
        let mesh = TetMesh { vertices, tets };
        let buckets = Buckets::new(&mesh);
        // near and far, from every side: as if each triangle were looked at
        for n in 0..200 {
            let part = |prime: f64| (f64::from(n) * prime.sqrt()).fract() * 9.0 - 4.0;
            let at = DVec3::new(part(2.0), part(3.0), part(5.0));
            let all = buckets.triangles.iter().map(|&t| at.distance(nearest_in_triangle(at, t))).fold(f64::INFINITY, f64::min);
            assert_eq!(buckets.nearest(at, f64::INFINITY).0, all, "{at}");
        }
        for (at, expected) in [
            (DVec3::new(0.5, 0.5, 1.25), 0.25),
            (DVec3::new(0.5, 0.5, 0.9), 0.1),
            (DVec3::new(-3.0, 0.5, 0.5), 3.0),
            (DVec3::new(2.0, 2.0, 0.3), 2f64.sqrt()),
        ] {
            assert!(
                (buckets.nearest(at, f64::INFINITY).0 - expected).abs() < 1e-12,
                "{at}: {}",
                buckets.nearest(at, f64::INFINITY).0
            );
        }
    }
}
