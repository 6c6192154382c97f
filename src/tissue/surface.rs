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
    /// Finds the faces that belong to one tetrahedron only. Bit `k` of `capsule[tet]` says that the face opposite corner `k` was part of the
    /// first surface.
    pub fn new(tets: &[[u32; 4]], nodes: usize, capsule: &[u8], revision: u64) -> Self {
        let mut surface = Self { revision, ..Self::default() };
        for (tet, exposed) in exposed_faces(tets, nodes).into_iter().enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tetrahedra_share_one_face_and_show_six() {
        let tets = [[0, 1, 2, 3], [1, 2, 3, 4]];
        let surface = Surface::new(&tets, 5, &[0b1111, 0], 7);
        assert_eq!(surface.faces.len(), 6);
        assert_eq!(surface.nodes, [0, 1, 2, 3, 4]);
        assert_eq!(surface.kinds.iter().filter(|&&k| k == FaceKind::Capsule).count(), 3);
        assert_eq!(surface.revision, 7);
    }
}
