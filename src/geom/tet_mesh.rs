//! Tetrahedral meshes.

use std::collections::HashMap;

use glam::{DVec3, Vec3};

use super::TriMesh;

/// Tetrahedra over shared vertices, in metres; a sound one has positive volumes (corner 3 sees 0, 1, 2 counter-clockwise from outside).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TetMesh {
    pub vertices: Vec<Vec3>,
    pub tets: Vec<[u32; 4]>,
}

/// Why a mesh cannot be simulated.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum MeshError {
    #[error("the mesh holds no tetrahedra")]
    Empty,
    #[error("vertex {vertex} is not a finite point")]
    NotFinite { vertex: usize },
    #[error("tetrahedron {tet} names vertex {vertex}, but there are only {vertices} (0 to {})", vertices.saturating_sub(1))]
    NoSuchVertex { tet: usize, vertex: u32, vertices: usize },
    #[error("tetrahedron {tet} has volume {volume:e} m³; every volume must be positive")]
    #[diagnostic(help("swap two of its corners if it is merely turned inside out, or remove it if it is flat"))]
    NotPositive { tet: usize, volume: f64 },
}

/// Signed volume of a tetrahedron, m³: (b−a)·((c−a)×(d−a))/6, in double precision so that millimetre elements keep their digits.
pub fn tet_volume([a, b, c, d]: [Vec3; 4]) -> f64 {
    let [a, b, c, d]: [DVec3; 4] = [a.as_dvec3(), b.as_dvec3(), c.as_dvec3(), d.as_dvec3()];
    (b - a).dot((c - a).cross(d - a)) / 6.0
}

impl TetMesh {
    /// A box from the origin to `size`, of `cells` along x, y, z, five tetrahedra each, mirrored on odd cells so that faces match and no
    /// diagonal is preferred: the mesh that tests, benches and references share.
    pub fn block([nx, ny, nz]: [usize; 3], size: Vec3) -> Self {
        const EVEN: [[usize; 4]; 5] = [[0, 1, 3, 5], [0, 3, 2, 6], [0, 5, 4, 6], [3, 5, 6, 7], [0, 3, 5, 6]];
        const ODD: [[usize; 4]; 5] = [[1, 0, 2, 4], [1, 3, 2, 7], [1, 5, 4, 7], [2, 4, 6, 7], [1, 2, 4, 7]];
        let vertex = |i: usize, j: usize, k: usize| (i + (nx + 1) * (j + (ny + 1) * k)) as u32;
        let mut mesh = Self::default();
        for k in 0..=nz {
            for j in 0..=ny {
                for i in 0..=nx {
                    mesh.vertices.push(Vec3::new(i as f32 / nx as f32, j as f32 / ny as f32, k as f32 / nz as f32) * size);
                }
            }
        }
        for k in 0..nz {
            for j in 0..ny {
                for i in 0..nx {
                    let corner = |b: usize| vertex(i + (b & 1), j + (b >> 1 & 1), k + (b >> 2 & 1));
                    for tet in if (i + j + k) % 2 == 0 { EVEN } else { ODD } {
                        let mut tet = tet.map(corner);
                        if tet_volume(tet.map(|v| mesh.vertices[v as usize])) < 0.0 {
                            tet.swap(1, 2);
                        }
                        mesh.tets.push(tet);
                    }
                }
            }
        }
        mesh
    }

    /// The same mesh with its nodes moved at random by up to `by_m` along each axis: irregular and always the same for a seed. A node keeps
    /// every coordinate in which it lies on the mesh's bounding box, so a box keeps its shape.
    pub fn shaken(mut self, by_m: f32, seed: u64) -> Self {
        let (low, high) = self.vertices.iter().fold((Vec3::MAX, Vec3::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        let near = 1e-5 * (high - low);
        // Knuth's 64-bit linear congruential generator, upper bits
        let mut state = seed;
        let mut chance = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        for x in &mut self.vertices {
            let by = Vec3::new(chance(), chance(), chance()) * by_m;
            let inside = x.cmpgt(low + near) & x.cmplt(high - near);
            *x += Vec3::select(inside, by, Vec3::ZERO);
        }
        self
    }

    /// The corners of tetrahedron `tet`.
    pub fn corners(&self, tet: usize) -> [Vec3; 4] {
        self.tets[tet].map(|v| self.vertices[v as usize])
    }

    /// Sum of signed volumes, m³.
    pub fn volume(&self) -> f64 {
        (0..self.tets.len()).map(|tet| tet_volume(self.corners(tet))).sum()
    }

    /// Refuses what no solver can use, by element number.
    pub fn validate(&self) -> Result<(), MeshError> {
        if self.tets.is_empty() {
            return Err(MeshError::Empty);
        }
        if let Some(vertex) = self.vertices.iter().position(|v| !v.is_finite()) {
            return Err(MeshError::NotFinite { vertex });
        }
        for (tet, corners) in self.tets.iter().enumerate() {
            if let Some(&vertex) = corners.iter().find(|&&v| v as usize >= self.vertices.len()) {
                return Err(MeshError::NoSuchVertex { tet, vertex, vertices: self.vertices.len() });
            }
            let volume = tet_volume(self.corners(tet));
            if volume <= 0.0 {
                return Err(MeshError::NotPositive { tet, volume });
            }
        }
        Ok(())
    }

    /// The faces of a tetrahedron, each counter-clockwise seen from outside a positive one.
    pub fn faces([a, b, c, d]: [u32; 4]) -> [[u32; 3]; 4] {
        [[b, c, d], [a, d, c], [a, b, d], [a, c, b]]
    }

    /// Faces that belong to one tetrahedron only, counter-clockwise seen from outside, in tetrahedron order, with their owner.
    pub fn boundary(&self) -> Vec<([u32; 3], u32)> {
        let mut count: HashMap<[u32; 3], u32> = HashMap::with_capacity(self.tets.len() * 3);
        let sorted = |mut face: [u32; 3]| {
            face.sort_unstable();
            face
        };
        for &tet in &self.tets {
            for face in Self::faces(tet) {
                *count.entry(sorted(face)).or_default() += 1;
            }
        }
        let mut out = Vec::new();
        for (owner, &tet) in self.tets.iter().enumerate() {
            for face in Self::faces(tet) {
                if count[&sorted(face)] == 1 {
                    out.push((face, owner as u32));
                }
            }
        }
        out
    }

    /// The boundary as a surface over the same vertex numbers.
    pub fn surface(&self) -> TriMesh {
        TriMesh { vertices: self.vertices.clone(), triangles: self.boundary().into_iter().map(|(face, _)| face).collect() }
    }

    /// The six dihedral angles of a tetrahedron, radians.
    pub fn dihedral_angles(&self, tet: usize) -> [f64; 6] {
        let p = self.corners(tet).map(Vec3::as_dvec3);
        // the edge (i, j) is shared by the faces opposite to the other two corners k and l
        const EDGES: [[usize; 4]; 6] = [[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2], [1, 2, 0, 3], [1, 3, 2, 0], [2, 3, 0, 1]];
        EDGES.map(|[i, j, k, l]| {
            let along = (p[j] - p[i]).normalize_or_zero();
            let flat = |corner: DVec3| {
                let arm = corner - p[i];
                (arm - along * arm.dot(along)).normalize_or_zero()
            };
            flat(p[k]).dot(flat(p[l])).clamp(-1.0, 1.0).acos()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit_corner() -> TetMesh {
        TetMesh { vertices: vec![Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z], tets: vec![[0, 1, 2, 3]] }
    }

    #[test]
    fn the_corner_of_a_cube_has_a_sixth_of_its_volume_and_right_angles() {
        let mesh = unit_corner();
        assert!((mesh.volume() - 1.0 / 6.0).abs() < 1e-12);
        let right = mesh.dihedral_angles(0).iter().filter(|a| (a.to_degrees() - 90.0).abs() < 1e-6).count();
        assert_eq!(right, 3);
    }

    #[test]
    fn a_shaken_box_keeps_its_volume_its_seed_and_positive_elements() {
        let (cells, size) = ([6, 4, 5], Vec3::new(0.06, 0.04, 0.05));
        let shaken = |seed| TetMesh::block(cells, size).shaken(2.5e-3, seed);
        let mesh = shaken(7);
        assert_eq!(mesh.validate(), Ok(()));
        assert!((mesh.volume() / 1.2e-4 - 1.0).abs() < 1e-5);
        assert_eq!(mesh, shaken(7));
        assert_ne!(mesh, shaken(8));
        let moved = mesh.vertices.iter().zip(&TetMesh::block(cells, size).vertices).filter(|(a, b)| a != b).count();
        assert!(moved > mesh.vertices.len() / 2, "{moved} nodes moved");
    }

    #[test]
    fn the_boundary_faces_outwards() {
        let surface = unit_corner().surface();
        assert_eq!(surface.triangles.len(), 4);
        assert!((surface.volume() - 1.0 / 6.0).abs() < 1e-6);
    }

    #[test]
    fn a_flat_or_turned_element_is_refused_by_its_number() {
        let mut mesh = unit_corner();
        mesh.tets.push([0, 2, 1, 3]);
        assert!(matches!(mesh.validate(), Err(MeshError::NotPositive { tet: 1, .. })));
        mesh.tets[1] = [0, 1, 2, 9];
        assert!(matches!(mesh.validate(), Err(MeshError::NoSuchVertex { tet: 1, vertex: 9, .. })));
    }

    /// Some simulators drop elements of a millimetre written in metres without a word.
    #[test]
    fn millimetre_elements_in_metres_are_kept() {
        let mut mesh = unit_corner();
        mesh.vertices.iter_mut().for_each(|v| *v *= 1e-3);
        assert_eq!(mesh.validate(), Ok(()));
    }
}
