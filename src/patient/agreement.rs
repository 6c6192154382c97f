//! How well the mesh of an organ agrees with the label it was made from, in the measures of segmentation challenges.

use glam::{DAffine3, DVec3};
use rayon::prelude::*;
use serde::Serialize;

use super::quality::{Buckets, MeshQuality, outer_faces};
use crate::geom::{TetMesh, Volume};

/// One organ's mesh against its label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    pub label: u8,
    pub name: String,
    /// 2 |A ∩ B| / (|A| + |B|) of the label's voxels and those whose centres lie in the mesh.
    pub dice: f64,
    /// What 95 % of the distances stay below, from the label's outer faces to the mesh or from the mesh to them, whichever is more, mm.
    pub hausdorff_p95_mm: f64,
    pub hausdorff_max_mm: f64,
    /// (mesh volume − label volume) / label volume.
    pub volume_error: f64,
}

impl Agreement {
    /// `quality` is that of the same mesh and label.
    pub fn measure(
        mesh: &TetMesh,
        labels: &Volume<u8>,
        (label, name): (u8, &str),
        world_from_lps: &DAffine3,
        quality: &MeshQuality,
    ) -> Self {
        let world_from_voxel = *world_from_lps * labels.lps_from_voxel;
        let inside = inside(mesh, labels.dims, &world_from_voxel.inverse());
        let (mut both, mut either) = (0u64, 0u64);
        for (inside, value) in inside.iter().zip(&labels.voxels) {
            let marked = *value == label;
            both += u64::from(*inside && marked);
            either += u64::from(*inside) + u64::from(marked);
        }
        let half = [0, 1, 2].map(|axis| world_from_voxel.matrix3.col(axis) * 0.5);
        let faces: Vec<[DVec3; 3]> = outer_faces(labels, label, world_from_lps)
            .into_iter()
            .flat_map(|(centre, axis)| {
                let (u, v) = (half[(axis + 1) % 3], half[(axis + 2) % 3]);
                let [a, b, c, d] = [centre - u - v, centre + u - v, centre + u + v, centre - u + v];
                [[a, b, c], [a, c, d]]
            })
            .collect();
        let label_surface = Buckets::of(faces);
        let corner = |v: u32| mesh.vertices[v as usize].as_dvec3();
        let samples: Vec<DVec3> = mesh
            .surface()
            .triangles
            .iter()
            .map(|t| t.map(corner))
            .flat_map(|[a, b, c]| [a, b, c, (a + b) * 0.5, (b + c) * 0.5, (c + a) * 0.5, (a + b + c) / 3.0])
            .collect();
        let mut distances: Vec<f64> = samples.par_iter().map(|&at| label_surface.nearest(at, f64::INFINITY).0 * 1e3).collect();
        distances.sort_by(f64::total_cmp);
        let stated = |value: f64| (value * 1e4).round() / 1e4;
        let p95 = distances.get(distances.len() * 95 / 100).copied().unwrap_or(0.0);
        let most = distances.last().copied().unwrap_or(0.0);
        Self {
            label,
            name: name.to_owned(),
            dice: stated(2.0 * both as f64 / either.max(1) as f64),
            hausdorff_p95_mm: stated(p95.max(quality.label_distance_p95_mm)),
            hausdorff_max_mm: stated(most.max(quality.label_distance_max_mm)),
            volume_error: stated(quality.volume_error()),
        }
    }
}

/// Which voxels have their centre in the mesh.
fn inside(mesh: &TetMesh, dims: [usize; 3], voxel_from_world: &DAffine3) -> Vec<bool> {
    let mut out = vec![false; dims.iter().product()];
    let place: Vec<DVec3> = mesh.vertices.iter().map(|v| voxel_from_world.transform_point3(v.as_dvec3())).collect();
    for tet in &mesh.tets {
        let p = tet.map(|v| place[v as usize]);
        let (low, high) = p.iter().fold((p[0], p[0]), |(low, high), &at| (low.min(at), high.max(at)));
        let range = |axis: usize| {
            let first = low[axis].ceil().max(0.0) as usize;
            first..((high[axis].floor() + 1.0).max(0.0) as usize).min(dims[axis])
        };
        let volume = |a: DVec3, b: DVec3, c: DVec3, d: DVec3| (b - a).dot((c - a).cross(d - a));
        let whole = volume(p[0], p[1], p[2], p[3]);
        for k in range(2) {
            for j in range(1) {
                for i in range(0) {
                    let at = DVec3::new(i as f64, j as f64, k as f64);
                    let parts = [
                        volume(at, p[1], p[2], p[3]),
                        volume(p[0], at, p[2], p[3]),
                        volume(p[0], p[1], at, p[3]),
                        volume(p[0], p[1], p[2], at),
                    ];
                    if parts.iter().all(|part| part * whole >= 0.0) {
                        out[i + dims[0] * (j + dims[1] * k)] = true;
                    }
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use glam::{DMat3, Vec3};

    use super::*;

    /// A box of 8 × 6 × 4 voxels of 1 × 1 × 2 mm, and a mesh of the same box moved by one voxel along x.
    #[test]
    fn a_box_beside_its_label_has_the_overlap_and_the_distance_of_the_shift() {
        let dims = [12, 10, 8];
        let frame = DAffine3::from_mat3(DMat3::from_diagonal(DVec3::new(1.0, 1.0, 2.0)));
        let in_box = |at: usize| {
            let (i, j, k) = (at % 12, at / 12 % 10, at / 120);
            (2..10).contains(&i) && (2..8).contains(&j) && (2..6).contains(&k)
        };
        let labels = Volume { dims, lps_from_voxel: frame, voxels: (0..960).map(|at| u8::from(in_box(at)) * 7).collect() };
        let world_from_lps = DAffine3::from_scale(DVec3::splat(1e-3));
        for shift in [0.0, 1.0] {
            let corner = |n: usize| {
                let of = |axis: usize, low: f32, high: f32| if n >> axis & 1 == 0 { low } else { high };
                Vec3::new(of(0, 1.5 + shift, 9.5 + shift), of(1, 1.5, 7.5), of(2, 3.0, 11.0)) * 1e-3
            };
            let vertices = [0, 1, 3, 2, 4, 5, 7, 6].map(corner).to_vec();
            let tets = vec![[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]];
            let mesh = TetMesh { vertices, tets };
            let quality = MeshQuality::measure(&mesh, &labels, 7, &world_from_lps, 8.0);
            let found = Agreement::measure(&mesh, &labels, (7, "box"), &world_from_lps, &quality);
            let shift = f64::from(shift);
            assert!((found.dice - (1.0 - shift / 8.0)).abs() < 1e-3, "{found:?}");
            assert!((found.hausdorff_max_mm - shift).abs() < 1e-3 && found.volume_error.abs() < 1e-3, "{found:?}");
        }
    }
}
