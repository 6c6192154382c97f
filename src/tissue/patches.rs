//! Patches of elements that share their change of volume, which keeps linear tetrahedra from locking as ν nears 0.5.
//!
//! ```text
//! Σ V ψ(F; μ, λ)  →  Σ V ψ(F; μ, 0) + Σ_patches λ/2 V_p (J̄ − 1)²        J̄ = Σ V J / V_p over the patch
//! ```
//! A mesh of linear tetrahedra has some five elements a node, so to keep each one's volume leaves nothing to bend with; up to eight that hang together by
//! faces have some two nodes. After de Souza Neto, Andrade Pires & Owen, “F-bar-based linear triangles and tetrahedra for finite strain analysis of
//! nearly incompressible solids”, Int J Numer Methods Eng 2005, in the form of a potential: what is averaged is J, not the stress, so the gradient is exact
//! and the stiffness symmetric. The part with μ stays each element's own, a stable neo-Hookean solid of ν = 0, which keeps elements from folding
//! inside their patch. A patch is a batch of lanes: its sums never leave a register.

use super::lanes::{Lanes, WIDTH};

/// λ of elements that may share a patch differ by this factor at most.
const ALIKE: f32 = 1.5;

/// What one batch has in common.
#[derive(Clone, Copy)]
pub struct Patch {
    /// V/V_p; zero in padding lanes.
    pub share: Lanes,
    /// λ V_p, J.
    lambda: f32,
}

impl Patch {
    /// Of elements with these λ V and V.
    pub fn new(lanes: &[(f32, f32)]) -> Self {
        let volume: f32 = lanes.iter().map(|(_, volume)| volume).sum();
        let mut share = Lanes::ZERO;
        lanes.iter().zip(&mut share.0).for_each(|((_, own), share)| *share = own / volume);
        Self { share, lambda: lanes.iter().map(|(lambda, _)| lambda).sum() }
    }

    /// λ V_p Σ share · `x`, J.
    #[inline(always)]
    pub fn mean(&self, x: Lanes) -> f32 {
        let w = (self.share * x).0;
        self.lambda * (((w[0] + w[4]) + (w[1] + w[5])) + ((w[2] + w[6]) + (w[3] + w[7])))
    }

    /// The patch's energy where its mean is `pressure`, J.
    pub fn energy(&self, pressure: f32) -> f64 {
        if self.lambda == 0.0 { 0.0 } else { 0.5 * f64::from(pressure) * f64::from(pressure) / f64::from(self.lambda) }
    }

    pub fn lambda(&self) -> f32 {
        self.lambda
    }
}

/// Parts `members` into patches that hang together by faces, given the corners and λ of each; every one once, near ones together.
pub fn part(members: &[u32], tets: &[[u32; 4]], lambda: impl Fn(u32) -> f32) -> Vec<Vec<u32>> {
    let around = neighbours(members, tets);
    let stiffness: Vec<f32> = members.iter().map(|&tet| lambda(tet)).collect();
    let is_like = |a: usize, b: usize| stiffness[a].max(stiffness[b]) <= ALIKE * stiffness[a].min(stiffness[b]);
    const FREE: usize = usize::MAX;
    let mut patch_of = vec![FREE; members.len()];
    let mut patches: Vec<Vec<usize>> = Vec::new();
    for seed in 0..members.len() {
        if patch_of[seed] != FREE {
            continue;
        }
        let number = patches.len();
        let mut patch = vec![seed];
        patch_of[seed] = number;
        while patch.len() < WIDTH {
            // the neighbour with the most faces in the patch, then the one that would be left with the fewest free neighbours
            let rank = |&candidate: &usize| {
                let beside = |of: usize| around[candidate].iter().filter(|&&other| patch_of[other] == of).count();
                (std::cmp::Reverse(beside(number)), beside(FREE), candidate)
            };
            let free = |&&other: &&usize| patch_of[other] == FREE && is_like(seed, other);
            let Some(next) = patch.iter().flat_map(|&tet| around[tet].iter().filter(free)).copied().min_by_key(rank) else {
                break;
            };
            patch_of[next] = number;
            patch.push(next);
        }
        // what was left between full patches joins one that is not
        let small = patch.len() < WIDTH / 2;
        let roomy = |&&other: &&usize| {
            patch_of[other] != FREE
                && patch_of[other] != number
                && is_like(seed, other)
                && patches[patch_of[other]].len() + patch.len() <= WIDTH
        };
        let host = patch.iter().flat_map(|&tet| around[tet].iter().filter(roomy)).map(|&other| patch_of[other]).min();
        match host.filter(|_| small) {
            Some(host) => {
                patch.iter().for_each(|&tet| patch_of[tet] = host);
                patches[host].extend(patch);
            }
            None => patches.push(patch),
        }
    }
    patches.into_iter().map(|patch| patch.into_iter().map(|index| members[index]).collect()).collect()
}

/// For each member the members that share a face with it, ascending.
fn neighbours(members: &[u32], tets: &[[u32; 4]]) -> Vec<Vec<usize>> {
    let mut faces: Vec<([u32; 3], usize)> = Vec::with_capacity(4 * members.len());
    for (index, &tet) in members.iter().enumerate() {
        for mut face in crate::geom::TetMesh::faces(tets[tet as usize]) {
            face.sort_unstable();
            faces.push((face, index));
        }
    }
    faces.sort_unstable();
    let mut around = vec![Vec::new(); members.len()];
    for pair in faces.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        around[pair[0].1].push(pair[1].1);
        around[pair[1].1].push(pair[0].1);
    }
    around.iter_mut().for_each(|list| list.sort_unstable());
    around
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::TetMesh;

    #[test]
    fn patches_hold_every_element_once_and_are_mostly_full() {
        let mesh = TetMesh::block([6, 6, 6], glam::Vec3::ONE);
        let members: Vec<u32> = (0..mesh.tets.len() as u32).collect();
        let patches = part(&members, &mesh.tets, |tet| if tet < 300 { 1.0 } else { 10.0 });
        let mut all: Vec<u32> = patches.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, members);
        assert!(patches.iter().all(|patch| patch.len() <= WIDTH && patch.iter().all(|&tet| (tet < 300) == (patch[0] < 300))));
        // eight of eight would be 135
        assert!(patches.len() < 170, "{} patches for {} elements", patches.len(), members.len());
    }
}
