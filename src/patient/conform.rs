//! Draws the borders of a mesh nearer to the labels it was made from.
//!
//! Isosurface stuffing puts vertices on a smoothed surface, and its facets cut off what is convex between them: edges where the images end are
//! bevelled by half a cell. Here the vertices of every border move so that the squared distances of points on the labels to the nearest
//! facets become least. Points are the centres of the label's outer faces, each moved to the smoothed surface as far as a quarter of the
//! largest voxel edge allows: the stairs of the voxels do not come back, and what smoothing took from a corner does. After each round of a
//! closest-point search (P. J. Besl, N. D. McKay, “A Method for Registration of 3-D Shapes”, IEEE PAMI 14:239–256, 1992) each vertex
//! takes its share of the distances, weighted as in the facets, if the tetrahedra around it stay sound.

use glam::{DAffine3, DVec3};
use rayon::prelude::*;

use super::{
    improve::{stars, worst_cosine},
    quality::{Buckets, outer_faces},
    regions::part_faces,
};
use crate::geom::{DistanceField, TetMesh, Volume};

const ROUNDS: usize = 24;
/// No dihedral angle becomes smaller than this by a move (cosine of 12°), and none that is smaller gets worse.
const SOUND: f64 = 0.978;
/// A vertex moves at most by this share of a cell, all rounds together.
const REACH: f64 = 0.8;

/// An organ as the mesh should show it.
pub(super) struct Target<'a> {
    pub label: u8,
    /// Distance to its smoothed surface.
    pub field: &'a DistanceField,
}

/// Moves the vertices on the borders of `mesh`. Region r of `regions` (all of it is region 0 where that is empty) is `targets[r]`.
pub(super) fn conform(
    mesh: &mut TetMesh,
    regions: &[u8],
    targets: &[Target],
    labels: &Volume<u8>,
    world_from_lps: &DAffine3,
    cell_m: f64,
) {
    let spacing = labels.spacing_mm().into_iter().fold(0.0, f64::max) * 1e-3;
    let points: Vec<Vec<DVec3>> = targets.iter().map(|target| points(target, labels, world_from_lps, 0.25 * spacing)).collect();
    let faces: Vec<Vec<[u32; 3]>> = (0..targets.len()).map(|region| part_faces(mesh, regions, region as u8)).collect();
    let stars = stars(mesh.vertices.len(), &mesh.tets);
    let start: Vec<DVec3> = mesh.vertices.iter().map(|v| v.as_dvec3()).collect();
    let mut at = start.clone();
    for _ in 0..ROUNDS {
        let mut pull = vec![(DVec3::ZERO, 0.0f64); at.len()];
        for (points, faces) in points.iter().zip(&faces).filter(|(_, faces)| !faces.is_empty()) {
            let buckets = Buckets::of(faces.iter().map(|face| face.map(|v| at[v as usize])).collect());
            let nearest: Vec<(f64, usize, DVec3)> = points.par_iter().map(|&point| buckets.nearest(point, cell_m)).collect();
            for (&point, (distance, face, there)) in points.iter().zip(nearest) {
                // what the mesh has lost altogether, as a thin part, pulls at nothing
                if distance >= cell_m {
                    continue;
                }
                let corners = faces[face];
                for (v, weight) in corners.into_iter().zip(weights(there, corners.map(|v| at[v as usize]))) {
                    let (sum, all) = &mut pull[v as usize];
                    *sum += weight * (point - there);
                    *all += weight;
                }
            }
        }
        for v in 0..at.len() {
            let (sum, all) = pull[v];
            // a vertex that hardly any point lies near stays
            if all < 0.5 {
                continue;
            }
            let here = at[v];
            let goal = start[v] + (here + sum / all - start[v]).clamp_length_max(REACH * cell_m);
            let worst = |at: &[DVec3]| {
                stars[v].iter().map(|&tet| worst_cosine(mesh.tets[tet as usize].map(|v| at[v as usize]))).fold(-1.0, f64::max)
            };
            let limit = worst(&at).max(SOUND);
            for share in [1.0, 0.5, 0.25] {
                at[v] = here.lerp(goal, share);
                if worst(&at) <= limit {
                    break;
                }
                at[v] = here;
            }
        }
    }
    mesh.vertices = at.into_iter().map(|at| at.as_vec3()).collect();
}

/// The points that a border should pass through.
fn points(target: &Target, labels: &Volume<u8>, world_from_lps: &DAffine3, reach: f64) -> Vec<DVec3> {
    let field = |at: DVec3| f64::from(target.field.sample(at.as_vec3()));
    let h = 0.5 * f64::from(target.field.spacing_m);
    let to_surface = |at: DVec3| {
        let slope = DVec3::from_array(DVec3::AXES.map(|axis| (field(at + axis * h) - field(at - axis * h)) / (2.0 * h)));
        at - slope.normalize_or_zero() * field(at).clamp(-reach, reach)
    };
    outer_faces(labels, target.label, world_from_lps).into_par_iter().map(|(at, _)| to_surface(at)).collect()
}

/// Shares of the corners in a point of their triangle.
fn weights(at: DVec3, [a, b, c]: [DVec3; 3]) -> [f64; 3] {
    let normal = (b - a).cross(c - a);
    let square = normal.length_squared();
    if square == 0.0 {
        return [1.0 / 3.0; 3];
    }
    let [u, v] = [(c - b).cross(at - b), (a - c).cross(at - c)].map(|cross| (cross.dot(normal) / square).clamp(0.0, 1.0));
    [u, v, (1.0 - u - v).max(0.0)]
}
