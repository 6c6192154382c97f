//! Questions about a body that a case or a bot asks: where is this part of the organ now, is it free, where does it still hang.

use glam::Vec3;

use super::body::SoftBody;
use super::material::Material;
use super::terms::vec3;
use crate::geom::TetMesh;

impl SoftBody {
    /// Von Mises stress at every node, Pa: the mean of the elements around it, weighted by their volume. An element stress of linear
    /// tetrahedra is piecewise constant, and that of a thin sliver says little; this recovery is what a limit is compared with
    /// (Zienkiewicz & Zhu, “A simple error estimator”, Int J Numer Methods Eng 1987, §3).
    pub fn nodal_stress(&self) -> Vec<f32> {
        let mut sums = vec![(0.0f32, 0.0f32); self.rest_positions().len()];
        for (tet, corners) in self.tets().iter().enumerate() {
            let volume = self.shapes[tet].volume;
            for v in corners {
                let (stress, weight) = &mut sums[*v as usize];
                *stress += volume * self.stress[tet];
                *weight += volume;
            }
        }
        sums.into_iter().map(|(stress, weight)| if weight > 0.0 { stress / weight } else { 0.0 }).collect()
    }

    /// The material of one tetrahedron.
    pub fn material(&self, tet: usize) -> &Material {
        &self.materials[usize::from(self.tet_material[tet])]
    }

    /// Centre of a tetrahedron at rest, m.
    pub fn rest_centre(&self, tet: usize) -> Vec3 {
        self.tets[tet].iter().map(|&v| self.rest[v as usize]).sum::<Vec3>() * 0.25
    }

    /// The tetrahedron that holds a point of the rest shape, or the one that comes nearest to holding it, with the point's weights.
    pub fn locate(&self, rest: Vec3) -> (usize, [f32; 4]) {
        let mut best = (0, [1.0, 0.0, 0.0, 0.0]);
        let mut most = f32::NEG_INFINITY;
        for tet in 0..self.tets.len() {
            let weights = self.weights_in(tet, rest);
            let least = weights[0].min(weights[1]).min(weights[2]).min(weights[3]);
            if least > most {
                most = least;
                best = (tet, weights);
            }
        }
        best
    }

    /// Barycentric weights of a point of the rest shape in one tetrahedron; some are negative outside it.
    pub fn weights_in(&self, tet: usize, rest: Vec3) -> [f32; 4] {
        let arm = rest - self.rest[self.tets[tet][0] as usize];
        let [b, c, d] = self.shapes[tet].gradients.map(|g| arm.dot(Vec3::from(g)));
        [1.0 - b - c - d, b, c, d]
    }

    /// Where a point of the rest shape is now, m.
    pub fn deformed(&self, rest: Vec3) -> Vec3 {
        let (tet, weights) = self.locate(rest);
        let corners = self.tets[tet];
        rest + (0..4).map(|k| vec3(self.u[corners[k] as usize]) * weights[k]).sum::<Vec3>()
    }

    /// Whether the piece around a point of the rest shape holds no pinned node.
    pub fn is_free_at(&self, rest: Vec3) -> bool {
        let (tet, _) = self.locate(rest);
        !self.pieces.pinned[self.pieces.of_tet[tet] as usize]
    }

    /// A place, now, where tissue whose rest centre is inside still hangs on tissue whose is outside: the middle of the first face they share, or a
    /// node where they share no face; `None` when they are apart.
    pub fn link_across(&self, inside: impl Fn(Vec3) -> bool) -> Option<Vec3> {
        let within: Vec<bool> = (0..self.tets.len()).map(|tet| inside(self.rest_centre(tet))).collect();
        let mut touched = vec![[false; 2]; self.rest.len()];
        for (corners, &is_inside) in self.tets.iter().zip(&within) {
            corners.iter().for_each(|&v| touched[v as usize][usize::from(is_inside)] = true);
        }
        let shared = |v: u32| touched[v as usize] == [true, true];
        let at = |v: u32| self.positions[v as usize];
        let mut faces: Vec<([u32; 3], bool)> = Vec::new();
        for (&corners, &is_inside) in self.tets.iter().zip(&within) {
            for mut face in TetMesh::faces(corners) {
                if face.iter().all(|&v| shared(v)) {
                    face.sort_unstable();
                    faces.push((face, is_inside));
                }
            }
        }
        faces.sort_unstable();
        let mut pairs = faces.chunk_by(|a, b| a.0 == b.0);
        let link = pairs.find(|pair| pair.len() == 2 && pair[0].1 != pair[1].1);
        let by_face = link.map(|pair| pair[0].0.iter().map(|&v| at(v)).sum::<Vec3>() / 3.0);
        by_face.or_else(|| (0..self.rest.len() as u32).find(|&v| shared(v)).map(at))
    }
}
