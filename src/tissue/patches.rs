//! Patches of elements that share a part of their strain, which keeps linear tetrahedra from being too stiff: in bending, and as ν nears 0.5.
//!
//! ```text
//! Σ V ψ(F; μ, λ)  →  α Σ V ψ(F; μ, 0) + (1 − α) V_p ψ(F̄; μ, 0) + V_p λ/2 (J̄ − 1)²        over each patch
//! F̄ = Σ V F / V_p,  J̄ = Σ V J / V_p
//! ```
//! A mesh of linear tetrahedra has some five elements a node, so to keep each one's volume leaves nothing to bend with; up to eight that hang together by
//! faces have some two nodes. The mean of J is after de Souza Neto, Andrade Pires & Owen, “F-bar-based linear triangles and tetrahedra for finite strain
//! analysis of nearly incompressible solids”, Int J Numer Methods Eng 2005; the blend of elements, which are too stiff, with smoothed ones, which are too
//! soft, after Liu, Nguyen-Thoi & Lam, “A novel alpha finite element method for exact solution to mechanics problems using triangular and tetrahedral
//! elements”, Comput Methods Appl Mech Eng 2008. Both in the form of a potential, so the gradient is exact and the stiffness symmetric; a state of
//! uniform strain is what it was. The elements' own part, a stable neo-Hookean solid of ν = 0, keeps them from folding inside their patch. A patch is a
//! batch of lanes: its sums never leave a register.

use super::lanes::{Lanes, Real, WIDTH};
use super::material::{Deformation, Mat3, clamped_weight, cofactor, contract, stress_change};

/// α, the share of the shear stiffness that stays each element's own.
pub const OWN: f32 = 0.5;
/// λ of elements that may share a patch differ by this factor at most.
const ALIKE: f32 = 1.5;

/// What one batch has in common.
#[derive(Clone, Copy)]
pub struct Patch {
    /// V/V_p; zero in padding lanes.
    share: Lanes,
    /// λ V_p, and (1 − α) μ V_p, J.
    lambda: f32,
    mu: f32,
    /// F̄ at the last evaluation, and the weight of its cofactor for a unit modulus.
    f: Mat3<f32>,
    s: f32,
}

/// Σ of the lanes, always in this order.
#[inline(always)]
fn sum(lanes: Lanes) -> f32 {
    let w = lanes.0;
    ((w[0] + w[4]) + (w[1] + w[5])) + ((w[2] + w[6]) + (w[3] + w[7]))
}

impl Patch {
    /// Of elements with these μ V, λ V and V.
    pub fn new(lanes: &[(f32, f32, f32)]) -> Self {
        let volume: f32 = lanes.iter().map(|lane| lane.2).sum();
        let mut share = Lanes::ZERO;
        lanes.iter().zip(&mut share.0).for_each(|(lane, share)| *share = lane.2 / volume);
        let (mu, lambda) = lanes.iter().fold((0.0, 0.0), |sums, lane| (sums.0 + lane.0, sums.1 + lane.1));
        Self { share, lambda, mu: (1.0 - OWN) * mu, f: [[0.0; 3]; 3], s: 0.0 }
    }

    /// Σ share · `m`.
    #[inline(always)]
    fn mean(&self, m: &Mat3<Lanes>) -> Mat3<f32> {
        let mut mean = [[0.0; 3]; 3];
        for i in 0..3 {
            for j in 0..3 {
                mean[i][j] = sum(self.share * m[i][j]);
            }
        }
        mean
    }

    /// λ V_p Σ share · `x`, spread over the elements by their shares.
    #[inline(always)]
    pub fn pressure(&self, x: Lanes) -> Lanes {
        Lanes::of(self.lambda * sum(self.share * x)) * self.share
    }

    /// Energy of the patch as a whole at the displacement gradients `d` and dilations of its elements, J; adds their share of its shear stress.
    #[inline(always)]
    pub fn evaluate(&mut self, d: &Mat3<Lanes>, dilation: Lanes, stress: &mut Mat3<Lanes>) -> f64 {
        let here = Deformation::new(self.mean(d));
        (self.f, self.s) = (here.gradient(), here.dilation() - 1.0);
        self.spread(&here.stress(1.0, 1.0), stress);
        let swollen = sum(self.share * dilation);
        f64::from(self.mu * here.energy(1.0, 1.0)) + f64::from(0.5 * self.lambda * swollen * swollen)
    }

    /// Adds the elements' share of the change of the patch's shear stress.
    #[inline(always)]
    pub fn change(&self, df: &Mat3<Lanes>, change: &mut Mat3<Lanes>) {
        let mean = self.mean(df);
        let c = cofactor(&self.f);
        self.spread(&stress_change(&self.f, &mean, &c, 1.0, contract(&c, &mean), self.s), change);
    }

    #[inline(always)]
    fn spread(&self, own: &Mat3<f32>, out: &mut Mat3<Lanes>) {
        for i in 0..3 {
            for j in 0..3 {
                out[i][j] = out[i][j] + Lanes::of(self.mu * own[i][j]) * self.share;
            }
        }
    }

    /// Makes the patch's stiffness positive where it was not.
    pub fn clamp(&mut self) {
        self.s = clamped_weight(&self.f, 1.0, self.s);
    }

    /// Share of each element in the patch's volume.
    pub fn share(&self) -> Lanes {
        self.share
    }

    /// λ V_p, J.
    pub fn lambda(&self) -> f32 {
        self.lambda
    }

    /// The block of the patch's shear stiffness for a node whose shape function has the mean gradient `g` over the patch.
    pub fn block(&self, g: [f32; 3]) -> [f32; 6] {
        let c = cofactor(&self.f);
        let a = [0, 1, 2].map(|i| c[i][0] * g[0] + c[i][1] * g[1] + c[i][2] * g[2]);
        let even = g[0] * g[0] + g[1] * g[1] + g[2] * g[2];
        let block = [a[0] * a[0] + even, a[0] * a[1], a[0] * a[2], a[1] * a[1] + even, a[1] * a[2], a[2] * a[2] + even];
        block.map(|entry| self.mu * entry)
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
