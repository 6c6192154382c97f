//! Some thousand elements in their own buffers, eight at a time: what one thread does at a stretch.
//!
//! Elements that are neo-Hookean and nothing else have loops of their own; what a [`Response`](super::Response) adds is taken beside them in chunks
//! that have any of it, and costs the others nothing. A batch of lanes may be a patch that shares a part of its strain (`patches`).

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use std::collections::BTreeMap;

use super::clusters::Clusters;
use super::elements::{LocalNumbers, Node, Recipe};
use super::fibre::FibreBatch;
use super::lanes::{Lanes, Real, WIDTH};
use super::material::{
    Deformation, Mat3, clamped_weight, cofactor, contract, largest_stretch_bound, left_cauchy_green, stress_change, von_mises,
};
use super::membrane::MembraneBatch;
use super::patches::{self, OWN, Patch};
use super::second_invariant;
use super::viscous::{Memory, ViscousBatch};
use crate::geom::TetMesh;

/// Elements a chunk holds at most.
pub const CHUNK: usize = 1024;
/// Nodes a chunk holds at most, with one to spare for the padding lanes; a power of two, so that a masked index needs no check.
pub const LOCAL: usize = 1024;

#[derive(Clone)]
struct Batch {
    corners: [[u16; WIDTH]; 4],
    gradients: Mat3<Lanes>,
    /// μ V and (λ + μ) V, J; zero in padding lanes. In a patch, α μ V both: the rest is the patch's.
    mu: Lanes,
    lambda_mu: Lanes,
}

/// A lane without an element, a node without a place.
const NONE: u32 = u32::MAX;

/// Corners of a tetrahedron in pairs.
const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];

/// What a batch keeps of the last evaluation: F, and the weight of its cofactor term.
#[derive(Clone)]
struct Evaluated {
    f: Mat3<Lanes>,
    s: Lanes,
}

/// What responses add: for every batch, or empty where no element has it.
#[derive(Clone, Default)]
struct Extras {
    second: Vec<Second>,
    fibres: Vec<FibreBatch>,
    viscous: Vec<ViscousBatch>,
    membranes: Vec<MembraneBatch>,
}

/// The second invariant's part of eight elements.
#[derive(Clone, Copy)]
struct Second {
    /// μ₂ V, J.
    modulus: Lanes,
    /// In the stiffness: as it is, or zero and a shear modulus in its place where elements are clamped.
    exact: Lanes,
    bound: Lanes,
}

#[derive(Clone)]
pub struct Chunk {
    pub nodes: Vec<u32>,
    pub tets: Vec<u32>,
    /// The tetrahedra by lanes.
    lanes: Vec<[u32; WIDTH]>,
    batches: Vec<Batch>,
    /// Of every batch, or nothing where elements keep their volumes for themselves.
    patches: Vec<Patch>,
    evaluated: Vec<Evaluated>,
    extras: Option<Box<Extras>>,
    input: Box<[Node; LOCAL]>,
    pub output: Box<[Node; LOCAL]>,
    /// Upper triangles of the diagonal blocks: xx, xy, xz, yy, yz, zz.
    pub diagonal: Box<[[f32; 6]; LOCAL]>,
    /// The stiffness that couples two nodes of one cluster, element by element: their places, and a block of the first's rows.
    pub couplings: Vec<([u32; 2], Mat3<f32>)>,
    pub has_diagonal: bool,
    /// Von Mises, Pa, by lanes.
    stress: Vec<[f32; WIDTH]>,
    /// Elements of it were taken away or numbered anew.
    pub is_outdated: bool,
    pub energy: f64,
}

impl Chunk {
    /// `old` is the chunk that held these elements, or those that they are cut from.
    pub fn new(recipe: &Recipe, members: &[u32], own: Vec<u32>, local_of: &LocalNumbers, old: Option<&Self>) -> Self {
        let spare = (LOCAL - 1) as u16;
        let lambda = |tissue: &super::response::Tissue| tissue.lambda_mu - tissue.mu;
        let groups: Vec<Vec<u32>> = if recipe.patches {
            patches::part(members, recipe.tets, |tet| lambda(&(recipe.tissue)(tet as usize)))
        } else {
            members.chunks(WIDTH).map(<[u32]>::to_vec).collect()
        };
        let mut batches = Vec::with_capacity(groups.len());
        let mut patches = Vec::new();
        for group in &groups {
            let zero = [[Lanes::ZERO; 3]; 3];
            let mut batch = Batch { corners: [[spare; WIDTH]; 4], gradients: zero, mu: Lanes::ZERO, lambda_mu: Lanes::ZERO };
            for (lane, &tet) in group.iter().enumerate() {
                let (element, tissue) = (&recipe.shapes[tet as usize], (recipe.tissue)(tet as usize));
                for corner in 0..4 {
                    let node = recipe.tets[tet as usize][corner];
                    batch.corners[corner][lane] = local_of.get(node).map_or(spare, |local| local as u16);
                }
                for corner in 0..3 {
                    for axis in 0..3 {
                        batch.gradients[corner][axis].0[lane] = element.gradients[corner][axis];
                    }
                }
                let own = if recipe.patches { (OWN * tissue.mu, OWN * tissue.mu) } else { (tissue.mu, tissue.lambda_mu) };
                batch.mu.0[lane] = own.0 * element.volume;
                batch.lambda_mu.0[lane] = own.1 * element.volume;
            }
            batches.push(batch);
            if recipe.patches {
                let own = |&tet: &u32| {
                    let (volume, tissue) = (recipe.shapes[tet as usize].volume, (recipe.tissue)(tet as usize));
                    (tissue.mu * volume, lambda(&tissue) * volume, volume)
                };
                patches.push(Patch::new(&group.iter().map(own).collect::<Vec<_>>()));
            }
        }
        let mut lanes = vec![[NONE; WIDTH]; groups.len()];
        for (lanes, group) in lanes.iter_mut().zip(&groups) {
            lanes.iter_mut().zip(group).for_each(|(lane, &tet)| *lane = tet);
        }
        let rest_state = Evaluated { f: [[Lanes::ZERO; 3]; 3], s: Lanes::ZERO };
        Self {
            evaluated: vec![rest_state; batches.len()],
            extras: Extras::new(recipe, &groups, local_of, old).map(Box::new),
            tets: members.to_vec(),
            lanes,
            patches,
            diagonal: Box::new([[0.0; 6]; LOCAL]),
            couplings: Vec::new(),
            has_diagonal: false,
            stress: vec![[0.0; WIDTH]; batches.len()],
            is_outdated: false,
            nodes: own,
            batches,
            input: Box::new([[0.0; 4]; LOCAL]),
            output: Box::new([[0.0; 4]; LOCAL]),
            energy: 0.0,
        }
    }

    /// Elements were taken away, and those left have new numbers: what they remember is kept for the chunk that comes next.
    pub fn renumber(&mut self, taken: &[bool], numbers: &[u32]) {
        self.is_outdated = true;
        self.tets.retain(|&tet| !taken[tet as usize]);
        self.tets.iter_mut().for_each(|tet| *tet = numbers[*tet as usize]);
        for tet in self.lanes.iter_mut().flatten().filter(|tet| **tet != NONE) {
            *tet = if taken[*tet as usize] { NONE } else { numbers[*tet as usize] };
        }
    }

    pub fn fetch(&mut self, from: impl Fn(usize) -> Node) {
        for (local, &node) in self.input.iter_mut().zip(&self.nodes) {
            *local = from(node as usize);
        }
    }

    /// Energy, and forces in `output`, at the displacements in `input`; F is kept.
    #[inline(always)]
    pub fn evaluate(&mut self) {
        self.output[..self.nodes.len()].fill([0.0; 4]);
        if self.extras.is_some() {
            return self.evaluate_all();
        }
        let mut energy = [0.0f64; WIDTH];
        for (index, (batch, state)) in self.batches.iter().zip(&mut self.evaluated).enumerate() {
            let here = Deformation::new(batch.displacement_gradient(&self.input));
            let (stored, stress) = batch.evaluate(&here, self.patches.get_mut(index), state, &mut energy[0]);
            for lane in 0..WIDTH {
                energy[lane] += f64::from(stored.0[lane]);
            }
            batch.scatter(&stress, &mut self.output);
        }
        self.energy = energy.iter().sum();
    }

    #[inline(always)]
    fn evaluate_all(&mut self) {
        let Some(extras) = &mut self.extras else { return };
        let Extras { second, fibres, viscous, membranes } = &mut **extras;
        let mut energy = [0.0f64; WIDTH];
        for (index, (batch, state)) in self.batches.iter().zip(&mut self.evaluated).enumerate() {
            let here = Deformation::new(batch.displacement_gradient(&self.input));
            let (mut stored, mut stress) = batch.evaluate(&here, self.patches.get_mut(index), state, &mut energy[0]);
            if let Some(second) = second.get_mut(index) {
                second.exact = second.modulus;
                second.bound = Lanes::ZERO;
                state.s = state.s - (second.modulus + second.modulus);
                stored = stored + second.modulus * second_invariant::energy(&here);
                let own = second_invariant::stress(&here);
                add(&mut stress, second.modulus, &own);
            }
            if let Some(fibres) = fibres.get_mut(index) {
                stored = stored + fibres.evaluate(&here.d);
                fibres.stress(&mut stress);
            }
            if let Some(viscous) = viscous.get_mut(index) {
                stored = stored + viscous.evaluate(&here.d);
                viscous.stress(&state.f, &mut stress);
            }
            for lane in 0..WIDTH {
                energy[lane] += f64::from(stored.0[lane]);
            }
            batch.scatter(&stress, &mut self.output);
        }
        for faces in membranes {
            let u = three(&self.input, &faces.corners);
            let (stored, forces) = faces.evaluate(&u);
            for lane in 0..WIDTH {
                energy[lane] += f64::from(stored.0[lane]);
            }
            add_forces(&faces.corners, &forces, &mut self.output);
        }
        self.energy = energy.iter().sum();
    }

    /// The stiffness at the last evaluation times `input`, in `output`.
    #[inline(always)]
    pub fn product(&mut self) {
        self.output[..self.nodes.len()].fill([0.0; 4]);
        if self.extras.is_some() {
            return self.product_all();
        }
        for (index, (batch, state)) in self.batches.iter().zip(&self.evaluated).enumerate() {
            let df = batch.displacement_gradient(&self.input);
            batch.scatter(&batch.change(&df, self.patches.get(index), state), &mut self.output);
        }
    }

    #[inline(always)]
    fn product_all(&mut self) {
        let Some(extras) = &self.extras else { return };
        for (index, (batch, state)) in self.batches.iter().zip(&self.evaluated).enumerate() {
            let df = batch.displacement_gradient(&self.input);
            let mut change = batch.change(&df, self.patches.get(index), state);
            if let Some(second) = extras.second.get(index) {
                add(&mut change, second.exact, &second_invariant::stress_change(&state.f, &df));
                add(&mut change, second.bound, &df);
            }
            if let Some(fibres) = extras.fibres.get(index) {
                fibres.stress_change(&df, &mut change);
            }
            if let Some(viscous) = extras.viscous.get(index) {
                viscous.stress_change(&state.f, &df, &mut change);
            }
            batch.scatter(&change, &mut self.output);
        }
        for faces in &extras.membranes {
            let forces = faces.product(&three(&self.input, &faces.corners));
            add_forces(&faces.corners, &forces, &mut self.output);
        }
    }

    /// Diagonal blocks of the stiffness at the last evaluation, in `diagonal`.
    #[inline(always)]
    pub fn diagonal(&mut self) {
        self.diagonal[..self.nodes.len()].fill([0.0; 6]);
        for (index, (batch, state)) in self.batches.iter().zip(&self.evaluated).enumerate() {
            let c = cofactor(&state.f);
            let g = &batch.gradients;
            let first = [0, 1, 2].map(|axis| -(g[0][axis] + g[1][axis] + g[2][axis]));
            for (corner, gradient) in [first, g[0], g[1], g[2]].into_iter().enumerate() {
                let across = [0, 1, 2].map(|i| c[i][0] * gradient[0] + c[i][1] * gradient[1] + c[i][2] * gradient[2]);
                let shear = batch.mu * (gradient[0] * gradient[0] + gradient[1] * gradient[1] + gradient[2] * gradient[2]);
                let bulk = across.map(|component| batch.lambda_mu * component);
                let mut block = [
                    bulk[0] * across[0] + shear,
                    bulk[0] * across[1],
                    bulk[0] * across[2],
                    bulk[1] * across[1] + shear,
                    bulk[1] * across[2],
                    bulk[2] * across[2] + shear,
                ];
                if let Some(extras) = &self.extras {
                    extras.block(index, &state.f, &gradient, &mut block);
                }
                add_block(&batch.corners[corner], &block, &mut self.diagonal);
            }
        }
        self.add_patches();
        if let Some(extras) = &self.extras {
            for faces in &extras.membranes {
                for (corner, block) in faces.blocks().iter().enumerate() {
                    add_block(&faces.corners[corner], block, &mut self.diagonal);
                }
            }
        }
    }

    /// What couples nodes of one cluster at the last evaluation: the neo-Hookean part, positive together with [`Chunk::diagonal`].
    #[inline(always)]
    pub fn couple(&mut self, places: &[u32]) {
        self.couplings.clear();
        let mut at = [NONE; LOCAL];
        for (at, &node) in at.iter_mut().zip(&self.nodes) {
            *at = places.get(node as usize).copied().unwrap_or(NONE);
        }
        if at.iter().all(|&place| place == NONE) {
            return;
        }
        for (batch, state) in self.batches.iter().zip(&self.evaluated) {
            let places = batch.corners.map(|corners| corners.map(|node| at[node as usize & (LOCAL - 1)]));
            let together = |a: usize, b: usize, lane: usize| {
                places[a][lane] != NONE && Clusters::of(places[a][lane]) == Clusters::of(places[b][lane])
            };
            let c = cofactor(&state.f);
            let s = clamped_weight(&state.f, batch.mu, state.s);
            let g = &batch.gradients;
            let first = [0, 1, 2].map(|axis| -(g[0][axis] + g[1][axis] + g[2][axis]));
            let gradients = [first, g[0], g[1], g[2]];
            let across = gradients.map(|g| times(&c, &g));
            for (a, b) in EDGES {
                if !(0..WIDTH).any(|lane| together(a, b, lane)) {
                    continue;
                }
                let (own, other) = (gradients[a], gradients[b]);
                let shear = batch.mu * (own[0] * other[0] + own[1] * other[1] + own[2] * other[2]);
                let turned = [
                    own[1] * other[2] - own[2] * other[1],
                    own[2] * other[0] - own[0] * other[2],
                    own[0] * other[1] - own[1] * other[0],
                ];
                let e = times(&state.f, &turned).map(|component| s * component);
                let skew = [[shear, e[2], -e[1]], [-e[2], shear, e[0]], [e[1], -e[0], shear]];
                let mut block = skew;
                for i in 0..3 {
                    for k in 0..3 {
                        block[i][k] = skew[i][k] + batch.lambda_mu * across[a][i] * across[b][k];
                    }
                }
                for lane in (0..WIDTH).filter(|&lane| together(a, b, lane)) {
                    self.couplings.push(([places[a][lane], places[b][lane]], block.map(|row| row.map(|entry| entry.0[lane]))));
                }
            }
        }
    }

    /// The patches' part of the diagonal, from the sums over the elements of the patch that meet at a node: λ V_p a aᵀ with a = Σ share · cof F ∇N,
    /// and the shear with Σ share · ∇N.
    fn add_patches(&mut self) {
        let mut sums = vec![[0.0f32; 6]; if self.patches.is_empty() { 0 } else { LOCAL }];
        for ((batch, state), patch) in self.batches.iter().zip(&self.evaluated).zip(&self.patches) {
            let c = cofactor(&state.f);
            let g = &batch.gradients;
            let first = [0, 1, 2].map(|axis| -(g[0][axis] + g[1][axis] + g[2][axis]));
            for (corner, gradient) in [first, g[0], g[1], g[2]].into_iter().enumerate() {
                for i in 0..3 {
                    let across = patch.share() * (c[i][0] * gradient[0] + c[i][1] * gradient[1] + c[i][2] * gradient[2]);
                    let plain = patch.share() * gradient[i];
                    for lane in 0..WIDTH {
                        let sum = &mut sums[batch.corners[corner][lane] as usize & (LOCAL - 1)];
                        sum[i] += across.0[lane];
                        sum[i + 3] += plain.0[lane];
                    }
                }
            }
            for &node in batch.corners.iter().flatten() {
                let [a, b, c, x, y, z] = std::mem::take(&mut sums[node as usize & (LOCAL - 1)]);
                let shear = patch.block([x, y, z]);
                let bulk = [a * a, a * b, a * c, b * b, b * c, c * c];
                let out = &mut self.diagonal[node as usize & (LOCAL - 1)];
                for k in 0..6 {
                    out[k] += patch.lambda() * bulk[k] + shear[k];
                }
            }
        }
    }

    /// Bounds what may be negative in the stiffness, which makes it positive where it was not.
    pub fn clamp(&mut self) {
        for (index, (batch, state)) in self.batches.iter().zip(&mut self.evaluated).enumerate() {
            let second = self.extras.as_mut().and_then(|extras| extras.second.get_mut(index));
            if let Some(second) = second {
                // of no more than the square of the largest stretch, twice
                let stretch = largest_stretch_bound(&state.f);
                second.bound = second.exact * stretch * stretch * Lanes::of(2.0);
                state.s = state.s + (second.exact + second.exact);
                second.exact = Lanes::ZERO;
            }
            state.s = clamped_weight(&state.f, batch.mu, state.s);
        }
        self.patches.iter_mut().for_each(Patch::clamp);
        if let Some(extras) = &mut self.extras {
            extras.viscous.iter_mut().for_each(ViscousBatch::clamp);
            extras.membranes.iter_mut().for_each(MembraneBatch::clamp);
        }
    }

    /// Sets out for a tick of `h` seconds.
    pub fn begin(&mut self, h: f32) {
        if let Some(extras) = &mut self.extras {
            extras.viscous.iter_mut().for_each(|batch| batch.begin(h));
        }
    }

    /// Takes the last evaluation as the end of a tick.
    pub fn end(&mut self) {
        if let Some(extras) = &mut self.extras {
            extras.viscous.iter_mut().for_each(ViscousBatch::end);
        }
    }

    /// Takes the von Mises stress of every element at the last evaluation, Pa, for [`Chunk::stresses`].
    #[inline(always)]
    pub fn von_mises(&mut self, rest: &[super::elements::Element]) {
        for (index, (((batch, state), tets), out)) in
            self.batches.iter().zip(&self.evaluated).zip(&self.lanes).zip(&mut self.stress).enumerate()
        {
            let b = left_cauchy_green(&state.f);
            let mu = if self.patches.is_empty() { batch.mu } else { batch.mu * Lanes::of(1.0 / OWN) };
            let mut weighted = [Lanes::ZERO; 6];
            for k in 0..6 {
                weighted[k] = mu * b[k];
            }
            if let Some(extras) = &self.extras {
                extras.kirchhoff(index, &state.f, &b, &mut weighted);
            }
            let stress = von_mises(&state.f, weighted);
            for (lane, &tet) in tets.iter().enumerate().filter(|(_, tet)| **tet != NONE) {
                out[lane] = stress.0[lane] / rest[tet as usize].volume;
            }
        }
    }

    /// Every element with the stress that [`Chunk::von_mises`] took.
    pub fn stresses(&self) -> impl Iterator<Item = (u32, f32)> {
        let all = self.lanes.iter().flatten().zip(self.stress.iter().flatten());
        all.filter(|(tet, _)| **tet != NONE).map(|(&tet, &stress)| (tet, stress))
    }

    /// Calls `f` with every tetrahedron, its F, and what it weighs in a coarse view as μ V and (λ + μ) V.
    pub fn for_each_gradient(&self, f: &mut impl FnMut(u32, Mat3<f32>, f32, f32)) {
        for (index, &tet) in self.lanes.iter().flatten().enumerate().filter(|(_, tet)| **tet != NONE) {
            let (batch, lane) = (index / WIDTH, index % WIDTH);
            let state = &self.evaluated[batch];
            let gradient = state.f.map(|row| row.map(|entry| entry.0[lane]));
            let more = self.extras.as_ref().map_or(0.0, |extras| extras.mean_modulus(batch, lane));
            let Batch { mu, lambda_mu, .. } = &self.batches[batch];
            let Some(patch) = self.patches.get(batch) else {
                f(tet, gradient, mu.0[lane] + more, lambda_mu.0[lane] + more);
                continue;
            };
            // as a whole: in a coarse view the elements of a patch are strained alike
            let whole = mu.0[lane] / OWN + more;
            f(tet, gradient, whole, whole + patch.lambda() * patch.share().0[lane]);
        }
    }
}

impl Extras {
    /// `None` where no element has any of it.
    fn new(recipe: &Recipe, groups: &[Vec<u32>], local_of: &LocalNumbers, old: Option<&Chunk>) -> Option<Self> {
        let tissue = |tet: &u32| (recipe.tissue)(*tet as usize);
        let has = |of: fn(&super::response::Tissue) -> bool| groups.iter().flatten().any(|tet| of(&tissue(tet)));
        let (second, fibres) = (has(|t| t.second > 0.0), has(|t| t.fibre.is_some()));
        let (viscous, membranes) = (has(|t| t.viscous.is_some()), has(|t| t.membrane.is_some()));
        if !(second || fibres || viscous || membranes) {
            return None;
        }
        let memories = Memories::new(old, recipe.parent);
        let mut extras = Self::default();
        let mut faces = Vec::new();
        for group in groups {
            let mut own_second = Second { modulus: Lanes::ZERO, exact: Lanes::ZERO, bound: Lanes::ZERO };
            let (mut own_fibres, mut own_viscous) = (FibreBatch::NONE, ViscousBatch::new());
            for (lane, tet) in group.iter().enumerate() {
                let (tissue, volume) = (tissue(tet), recipe.shapes[*tet as usize].volume);
                own_second.modulus.0[lane] = tissue.second * volume;
                if let Some((along, k1, k2)) = tissue.fibre {
                    own_fibres.put(lane, along, k1 * volume, k2);
                }
                if let Some(parts) = &tissue.viscous {
                    own_viscous.put(lane, parts, volume, &memories.of(*tet));
                }
                if let Some((mu, lambda, mask)) = tissue.membrane {
                    let own = TetMesh::faces(recipe.tets[*tet as usize]);
                    faces.extend((0..4).filter(|k| mask >> k & 1 == 1).map(|k| (own[k], (mu, lambda))));
                }
            }
            if second {
                extras.second.push(own_second);
            }
            if fibres {
                extras.fibres.push(own_fibres);
            }
            if viscous {
                extras.viscous.push(own_viscous);
            }
        }
        for group in faces.chunks(WIDTH) {
            let mut batch = MembraneBatch::new((LOCAL - 1) as u16);
            for (lane, (nodes, stiffness)) in group.iter().enumerate() {
                let local = nodes.map(|v| local_of.get(v).map_or((LOCAL - 1) as u16, |local| local as u16));
                batch.put(lane, local, nodes.map(|v| recipe.rest[v as usize]), *stiffness);
            }
            extras.membranes.push(batch);
        }
        Some(extras)
    }

    #[inline(always)]
    fn block(&self, index: usize, f: &Mat3<Lanes>, gradient: &[Lanes; 3], out: &mut [Lanes; 6]) {
        if let Some(second) = self.second.get(index) {
            let own = second_invariant::block(f, *gradient);
            for k in 0..6 {
                out[k] = out[k] + second.modulus * own[k];
            }
        }
        if let Some(fibres) = self.fibres.get(index) {
            fibres.block(gradient, out);
        }
        if let Some(viscous) = self.viscous.get(index) {
            viscous.block(f, &left_cauchy_green(f), gradient, out);
        }
    }

    /// Adds P Fᵀ but for pressure, given B = F Fᵀ.
    #[inline(always)]
    fn kirchhoff(&self, index: usize, f: &Mat3<Lanes>, b: &[Lanes; 6], out: &mut [Lanes; 6]) {
        if let Some(second) = self.second.get(index) {
            let own = second_invariant::kirchhoff(b);
            for k in 0..6 {
                out[k] = out[k] + second.modulus * own[k];
            }
        }
        if let Some(fibres) = self.fibres.get(index) {
            fibres.kirchhoff(out);
        }
        if let Some(viscous) = self.viscous.get(index) {
            viscous.kirchhoff(f, out);
        }
    }

    /// J.
    fn mean_modulus(&self, index: usize, lane: usize) -> f32 {
        self.second.get(index).map_or(0.0, |second| second.modulus.0[lane])
            + self.fibres.get(index).map_or(0.0, |fibres| fibres.mean_modulus(lane))
            + self.viscous.get(index).map_or(0.0, |viscous| viscous.mean_modulus(lane))
    }
}

/// What the elements of a chunk remember of their past, while it is made again.
struct Memories<'a> {
    parent: &'a dyn Fn(u32) -> u32,
    places: BTreeMap<u32, usize>,
    batches: &'a [ViscousBatch],
}

impl<'a> Memories<'a> {
    fn new(old: Option<&'a Chunk>, parent: &'a dyn Fn(u32) -> u32) -> Self {
        let batches = old.and_then(|old| old.extras.as_ref()).map_or(&[][..], |extras| &extras.viscous[..]);
        let known = old.filter(|_| !batches.is_empty());
        let places = known.map(|old| {
            old.lanes.iter().flatten().enumerate().filter(|(_, tet)| **tet != NONE).map(|(index, &tet)| (tet, index)).collect()
        });
        Self { parent, places: places.unwrap_or_default(), batches }
    }

    /// That of the nearest ancestor which had any.
    fn of(&self, mut tet: u32) -> Memory {
        loop {
            if let Some(&index) = self.places.get(&tet) {
                return self.batches[index / WIDTH].memory(index % WIDTH);
            }
            let parent = (self.parent)(tet);
            if parent == tet {
                return Memory::default();
            }
            tet = parent;
        }
    }
}

impl Batch {
    /// Σ (u_k − u_0) ⊗ ∇N_k of the three corners after the first.
    #[inline(always)]
    fn displacement_gradient(&self, local: &[Node; LOCAL]) -> Mat3<Lanes> {
        // four calls, not a map over the corners: that is compiled apart, for the narrowest machine
        let [at_origin, at_a, at_b, at_c] = &self.corners;
        let (origin, a, b, c) = (gather(local, at_origin), gather(local, at_a), gather(local, at_b), gather(local, at_c));
        let g = &self.gradients;
        let mut d = [[Lanes::ZERO; 3]; 3];
        for i in 0..3 {
            let (ea, eb, ec) = (a[i] - origin[i], b[i] - origin[i], c[i] - origin[i]);
            for j in 0..3 {
                d[i][j] = ea * g[0][j] + eb * g[1][j] + ec * g[2][j];
            }
        }
        d
    }

    /// Energy but for the patch's, which is added to `shared`, and P; F and the weight of its cofactor are kept.
    #[inline(always)]
    fn evaluate(
        &self,
        here: &Deformation<Lanes>,
        patch: Option<&mut Patch>,
        state: &mut Evaluated,
        shared: &mut f64,
    ) -> (Lanes, Mat3<Lanes>) {
        state.f = here.gradient();
        let own = self.lambda_mu * here.dilation();
        let energy = here.energy(self.mu, self.lambda_mu);
        let Some(patch) = patch else {
            state.s = own - self.mu;
            return (energy, here.stress_under(self.mu, own));
        };
        let pressure = own + patch.pressure(here.dilation());
        state.s = pressure - self.mu;
        let mut stress = here.stress_under(self.mu, pressure);
        *shared += patch.evaluate(&here.d, here.dilation(), &mut stress);
        (energy, stress)
    }

    /// δP for a change δF at the last evaluation.
    #[inline(always)]
    fn change(&self, df: &Mat3<Lanes>, patch: Option<&Patch>, state: &Evaluated) -> Mat3<Lanes> {
        let c = cofactor(&state.f);
        let swelling = contract(&c, df);
        let own = self.lambda_mu * swelling;
        let Some(patch) = patch else { return stress_change(&state.f, df, &c, self.mu, own, state.s) };
        let mut change = stress_change(&state.f, df, &c, self.mu, own + patch.pressure(swelling), state.s);
        patch.change(df, &mut change);
        change
    }

    /// Adds P ∇N of each corner.
    #[inline(always)]
    fn scatter(&self, stress: &Mat3<Lanes>, local: &mut [Node; LOCAL]) {
        let mut force = [[Lanes::ZERO; 3]; 4];
        for i in 0..3 {
            for corner in 0..3 {
                let g = &self.gradients[corner];
                force[corner + 1][i] = stress[i][0] * g[0] + stress[i][1] * g[1] + stress[i][2] * g[2];
            }
            force[0][i] = -(force[1][i] + force[2][i] + force[3][i]);
        }
        add_forces(&self.corners, &force, local);
    }
}

#[inline(always)]
fn times(m: &Mat3<Lanes>, v: &[Lanes; 3]) -> [Lanes; 3] {
    [0, 1, 2].map(|i| m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2])
}

/// a += w b.
#[inline(always)]
fn add(a: &mut Mat3<Lanes>, w: Lanes, b: &Mat3<Lanes>) {
    for i in 0..3 {
        for j in 0..3 {
            a[i][j] = a[i][j] + w * b[i][j];
        }
    }
}

#[inline(always)]
fn gather(local: &[Node; LOCAL], corners: &[u16; WIDTH]) -> [Lanes; 3] {
    let mut out = [Lanes::ZERO; 3];
    for lane in 0..WIDTH {
        let node = &local[corners[lane] as usize & (LOCAL - 1)];
        for axis in 0..3 {
            out[axis].0[lane] = node[axis];
        }
    }
    out
}

#[inline(always)]
fn three(local: &[Node; LOCAL], [a, b, c]: &[[u16; WIDTH]; 3]) -> [[Lanes; 3]; 3] {
    [gather(local, a), gather(local, b), gather(local, c)]
}

#[inline(always)]
fn add_forces<const CORNERS: usize>(corners: &[[u16; WIDTH]; CORNERS], force: &[[Lanes; 3]; CORNERS], local: &mut [Node; LOCAL]) {
    for lane in 0..WIDTH {
        for corner in 0..CORNERS {
            let sum = &mut local[corners[corner][lane] as usize & (LOCAL - 1)];
            for axis in 0..3 {
                sum[axis] += force[corner][axis].0[lane];
            }
        }
    }
}

#[inline(always)]
fn add_block(corners: &[u16; WIDTH], block: &[Lanes; 6], local: &mut [[f32; 6]; LOCAL]) {
    for lane in 0..WIDTH {
        let sum = &mut local[corners[lane] as usize & (LOCAL - 1)];
        for k in 0..6 {
            sum[k] += block[k].0[lane];
        }
    }
}
