//! The boundary of a tetrahedral body: which faces touch nothing, and whether they were born with the organ or opened by a blade.

use crate::geom::TetMesh;

/// Where a boundary face comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaceKind {
    /// Part of the body's surface from the beginning.
    Capsule,
    /// Opened by a cut.
    Cut,
}

/// The boundary faces of a body, counter-clockwise seen from outside, in tetrahedron order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Surface {
    pub faces: Vec<[u32; 3]>,
    /// The tetrahedron that each face belongs to.
    pub owners: Vec<u32>,
    pub kinds: Vec<FaceKind>,
    /// The nodes of the faces, ascending, each once.
    pub nodes: Vec<u32>,
    /// Grows by one whenever the faces change.
    pub revision: u64,
}

impl Surface {
    /// Lists the faces that belong to one tetrahedron only, by `exposed_faces`. Bit `k` of `capsule[tet]` says that the face opposite corner
    /// `k` was part of the first surface.
    pub fn new(tets: &[[u32; 4]], nodes: usize, exposed: &[u8], capsule: &[u8], revision: u64) -> Self {
        let mut surface = Self { revision, ..Self::default() };
        for (tet, &exposed) in exposed.iter().enumerate().filter(|(_, exposed)| **exposed != 0) {
            let faces = TetMesh::faces(tets[tet]);
            for (k, face) in faces.into_iter().enumerate().filter(|(k, _)| exposed >> k & 1 == 1) {
                surface.faces.push(face);
                surface.owners.push(tet as u32);
                surface.kinds.push(if capsule[tet] >> k & 1 == 1 { FaceKind::Capsule } else { FaceKind::Cut });
            }
        }
        let mut seen = vec![false; nodes];
        surface.faces.iter().flatten().for_each(|&v| seen[v as usize] = true);
        surface.nodes = (0..nodes as u32).filter(|&v| seen[v as usize]).collect();
        surface
    }
}

/// For every tetrahedron the set of its faces (bit `k`: opposite corner `k`) that no other tetrahedron shares.
pub fn exposed_faces(tets: &[[u32; 4]], nodes: usize) -> Vec<u8> {
    // faces in buckets of their lowest node; a bucket is short, so a pair is found by looking through it
    let mut start = vec![0u32; nodes + 1];
    let lowest = |face: [u32; 3]| face[0].min(face[1]).min(face[2]);
    for &tet in tets {
        for face in TetMesh::faces(tet) {
            start[lowest(face) as usize + 1] += 1;
        }
    }
    for node in 0..nodes {
        start[node + 1] += start[node];
    }
    let mut fill: Vec<u32> = start[..nodes].to_vec();
    let mut bucket = vec![(0u64, 0u32); tets.len() * 4];
    let mut exposed = vec![0b1111u8; tets.len()];
    for (tet, &corners) in tets.iter().enumerate() {
        for (k, face) in TetMesh::faces(corners).into_iter().enumerate() {
            let low = lowest(face);
            let (sum, high) = (face.iter().map(|&v| u64::from(v)).sum::<u64>(), face[0].max(face[1]).max(face[2]));
            let key = (u64::from(high) << 32) | (sum - u64::from(low) - u64::from(high));
            let (from, to) = (start[low as usize] as usize, fill[low as usize] as usize);
            if let Some(found) = bucket[from..to].iter_mut().find(|entry| entry.0 == key) {
                exposed[tet] &= !(1 << k);
                exposed[(found.1 >> 2) as usize] &= !(1 << (found.1 & 3));
            } else {
                bucket[to] = (key, (tet as u32) << 2 | k as u32);
                fill[low as usize] += 1;
            }
        }
    }
    exposed
}

/// Brings `exposed` up to date after a cut: `touched` holds the nodes of the tetrahedra that changed, and those that new nodes come from.
pub fn renew_exposed_faces(exposed: &mut Vec<u8>, tets: &[[u32; 4]], touched: &[bool]) {
    exposed.resize(tets.len(), 0);
    let mut faces: Vec<([u32; 3], u32)> = Vec::new();
    for (tet, &corners) in tets.iter().enumerate().filter(|(_, tet)| tet.iter().any(|&v| touched[v as usize])) {
        for (k, mut face) in TetMesh::faces(corners).into_iter().enumerate() {
            if face.iter().any(|&v| touched[v as usize]) {
                face.sort_unstable();
                faces.push((face, (tet as u32) << 2 | k as u32));
            }
        }
    }
    faces.sort_unstable();
    for same in faces.chunk_by(|a, b| a.0 == b.0) {
        for &(_, place) in same {
            let (bits, bit) = (&mut exposed[(place >> 2) as usize], 1 << (place & 3));
            *bits = if same.len() == 1 { *bits | bit } else { *bits & !bit };
        }
    }
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::*;
    use crate::clock::Chance;
    use crate::tissue::crew::Crew;
    use crate::tissue::{BladeSweep, BodySpec, Material, SoftBody};

    #[test]
    fn two_tetrahedra_share_one_face_and_show_six() {
        let tets = [[0, 1, 2, 3], [1, 2, 3, 4]];
        let surface = Surface::new(&tets, 5, &exposed_faces(&tets, 5), &[0b1111, 0], 7);
        assert_eq!(surface.faces.len(), 6);
        assert_eq!(surface.nodes, [0, 1, 2, 3, 4]);
        assert_eq!(surface.kinds.iter().filter(|&&k| k == FaceKind::Capsule).count(), 3);
        assert_eq!(surface.revision, 7);
    }

    /// What a cut brings up to date is what would be found anew: the exposed faces, and the chunks of elements by the forces they make.
    #[test]
    fn random_cuts_leave_the_same_body_as_one_that_is_made_anew() {
        let mesh = TetMesh::block([9, 6, 6], Vec3::new(0.09, 0.06, 0.06));
        let material = Material { name: "m".into(), young_pa: 5e3, poisson: 0.4, density_kg_m3: 1e3, stress_limit_pa: 1e9 };
        let mut body = SoftBody::new(BodySpec { mesh, materials: vec![material], ..BodySpec::default() }).expect("a sound body");
        let mut chance = Chance::new(11, "cuts");
        for _ in 0..40 {
            let mut point = |spread: f32| Vec3::new(chance.normal(), chance.normal(), chance.normal()) * spread;
            let centre = Vec3::new(0.045, 0.03, 0.03) + point(0.02);
            let (along, across) = (point(0.015), point(0.01));
            let polygon =
                vec![centre - along - across, centre + along - across, centre + along + across, centre - along + across];
            body.cut(&BladeSweep { polygon });
            assert_eq!(body.exposed, exposed_faces(&body.tets, body.rest.len()));
        }
        assert!(body.tets.len() > 3000, "the cuts went through tissue");
        let u: Vec<[f32; 4]> =
            (0..body.rest.len()).map(|_| [chance.normal(), chance.normal(), chance.normal(), 0.0].map(|x| 1e-3 * x)).collect();
        let forces = |body: &mut SoftBody| -> Vec<[f32; 4]> {
            Crew::call(true, |crew| body.elements.evaluate(crew, || (), |node| u[node]));
            (0..body.rest.len()).map(|node| body.elements.force(node)).collect()
        };
        let renewed = forces(&mut body);
        body.rebuild_elements();
        let largest = renewed.iter().flatten().fold(0.0f32, |most, f| most.max(f.abs()));
        // the order of the additions differs
        for (a, b) in renewed.iter().flatten().zip(forces(&mut body).iter().flatten()) {
            assert!((a - b).abs() <= 1e-5 * largest, "{a} {b}");
        }
    }
}
