//! Questions about a body that a case or a bot asks: where is this part of the organ now, is it free, where does it still hang.

use glam::Vec3;

use super::body::SoftBody;
use super::material::Material;
use super::terms::vec3;

/// A point of the rest shape, tied to the tetrahedron that holds it (or comes nearest to holding it). Good until the next cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaterialPoint {
    rest: Vec3,
    tet: usize,
    weights: [f32; 4],
}

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

    /// Where a point of the rest shape is in the mesh as it is cut now. Looks through the whole mesh: keep the answer until the next cut.
    pub fn material_point(&self, rest: Vec3) -> MaterialPoint {
        let (tet, weights) = self.locate(rest);
        MaterialPoint { rest, tet, weights }
    }

    /// The tetrahedron that holds a point of the rest shape, or the one that comes nearest to holding it, with the point's weights.
    pub(super) fn locate(&self, rest: Vec3) -> (usize, [f32; 4]) {
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

    /// Where a material point is now, m.
    pub fn deformed(&self, point: &MaterialPoint) -> Vec3 {
        let corners = self.tets[point.tet];
        point.rest + (0..4).map(|k| vec3(self.u[corners[k] as usize]) * point.weights[k]).sum::<Vec3>()
    }

    /// Whether the piece around a material point holds no pinned node.
    pub fn is_free_at(&self, point: &MaterialPoint) -> bool {
        !self.pieces.pinned[self.pieces.of_tet[point.tet] as usize]
    }

    /// Whether each node belongs to a piece that holds a pinned node: the patient's, not a specimen's or a scrap's.
    pub fn attached_nodes(&self) -> Vec<bool> {
        let mut attached = vec![false; self.rest.len()];
        for (corners, &piece) in self.tets.iter().zip(&self.pieces.of_tet) {
            if self.pieces.pinned[piece as usize] {
                corners.iter().for_each(|&v| attached[v as usize] = true);
            }
        }
        attached
    }

    /// Where the tissue around `from` still hangs on fixed nodes across the border of a region, at rest, m: the centre of the last element
    /// inside on the shortest way (from element to element by shared nodes) to an element with a fixed node. Nothing when it hangs on none.
    pub fn link_across(&self, from: Vec3, inside: impl Fn(Vec3) -> bool) -> Option<Vec3> {
        let mut around: Vec<Vec<u32>> = vec![Vec::new(); self.rest.len()];
        for (tet, corners) in (0u32..).zip(&self.tets) {
            corners.iter().for_each(|&v| around[v as usize].push(tet));
        }
        let (start, _) = self.locate(from);
        let mut came_from = vec![u32::MAX; self.tets.len()];
        came_from[start] = start as u32;
        let mut queue = std::collections::VecDeque::from([start as u32]);
        while let Some(tet) = queue.pop_front() {
            let corners = self.tets[tet as usize];
            if corners.iter().any(|&v| self.is_pinned[v as usize]) {
                let mut at = tet;
                while at as usize != start {
                    let before = came_from[at as usize];
                    if inside(self.rest_centre(before as usize)) && !inside(self.rest_centre(at as usize)) {
                        return Some(self.rest_centre(before as usize));
                    }
                    at = before;
                }
                return None;
            }
            for v in corners {
                for &next in &around[v as usize] {
                    if came_from[next as usize] == u32::MAX {
                        came_from[next as usize] = tet;
                        queue.push_back(next);
                    }
                }
            }
        }
        None
    }
}
