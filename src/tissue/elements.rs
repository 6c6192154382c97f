//! The elastic part of the potential over all tetrahedra: energy, gradient, stiffness product and its diagonal.
//!
//! Elements are split once into chunks, whatever the number of threads. A chunk numbers its own nodes, works in its own buffers, eight
//! elements at a time, and every node adds up what the chunks hold for it in chunk order: so the outcome has the same bits on any number of threads.
//! Unknowns are displacements from the rest shape, whose differences keep the digits that positions would lose.

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use glam::{DMat3, Vec3};

use super::crew::{Crew, parts};
use super::lanes::{Lanes, WIDTH, widest};
use super::material::{Deformation, Mat3, clamped_weight, cofactor, stress_change, von_mises};

/// A vector per node, padded to four numbers.
pub type Node = [f32; 4];

/// Elements a chunk holds at most.
const CHUNK: usize = 1024;
/// Nodes a chunk holds at most, with one to spare for the padding lanes; a power of two, so that a masked index needs no check.
const LOCAL: usize = 1024;
/// Below so many chunks a second thread costs more than it saves.
const PARALLEL_FROM: usize = 3;

/// The rest shape of one linear tetrahedron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Element {
    /// Gradients of the shape functions of corners 1, 2, 3, 1/m.
    pub gradients: [[f32; 3]; 3],
    /// Rest volume, m³.
    pub volume: f32,
}

impl Element {
    /// From the rest corners, in double precision; `None` unless the volume is positive and everything is finite in `f32`.
    pub fn new(corners: [Vec3; 4]) -> Option<Self> {
        let [a, b, c, d] = corners.map(Vec3::as_dvec3);
        let edges = DMat3::from_cols(b - a, c - a, d - a);
        let volume = edges.determinant() / 6.0;
        let inverse = edges.inverse().transpose(); // column k is the gradient of corner k + 1
        let gradients = [inverse.x_axis, inverse.y_axis, inverse.z_axis].map(|g| g.as_vec3().to_array());
        let volume32 = volume as f32;
        let sound = volume32 > 0.0 && volume32.is_finite() && gradients.iter().flatten().all(|g| g.is_finite());
        sound.then_some(Self { gradients, volume: volume32 })
    }
}

#[derive(Clone)]
struct Batch {
    corners: [[u16; WIDTH]; 4],
    gradients: Mat3<Lanes>,
    /// μ V and (λ + μ) V, J; zero in padding lanes.
    mu: Lanes,
    lambda_mu: Lanes,
}

/// What a batch keeps of the last evaluation: F, and the weight of its cofactor term.
#[derive(Clone)]
struct Evaluated {
    f: Mat3<Lanes>,
    s: Lanes,
}

#[derive(Clone)]
struct Chunk {
    nodes: Vec<u32>,
    tets: Vec<u32>,
    batches: Vec<Batch>,
    evaluated: Vec<Evaluated>,
    input: Box<[Node; LOCAL]>,
    output: Box<[Node; LOCAL]>,
    /// Upper triangles of the diagonal blocks: xx, xy, xz, yy, yz, zz.
    diagonal: Box<[[f32; 6]; LOCAL]>,
    has_diagonal: bool,
    energy: f64,
}

/// All elements of a body, with the state of the last evaluation.
#[derive(Clone)]
pub struct Elements {
    chunks: Vec<Chunk>,
    /// Where the chunks hold a node, in chunk order: `slots` from one entry of `starts` to the next, chunk number × [`LOCAL`] + local number.
    starts: Vec<u32>,
    slots: Vec<u32>,
}

impl Elements {
    /// Splits `tets`, taken in `order`, into chunks. `moduli` gives (μ, λ + μ) of a tetrahedron, Pa.
    pub fn new(tets: &[[u32; 4]], rest: &[Element], order: &[u32], nodes: usize, moduli: impl Fn(usize) -> (f32, f32)) -> Self {
        let mut elements = Self { chunks: Vec::new(), starts: Vec::new(), slots: Vec::new() };
        elements.renew(tets, rest, order, nodes, moduli, |_| true);
        elements
    }

    /// Knows of no element any more: the next [`Elements::renew`] makes all anew.
    pub fn forget(&mut self) {
        self.chunks.clear();
    }

    /// Follows a change of the mesh: chunks without changed tetrahedra stay as they are, others are made again and split where they have grown too
    /// large. In `order` old tetrahedra stand as before, new ones behind an old one that they are near to.
    pub fn renew(
        &mut self,
        tets: &[[u32; 4]],
        rest: &[Element],
        order: &[u32],
        nodes: usize,
        moduli: impl Fn(usize) -> (f32, f32),
        is_changed: impl Fn(u32) -> bool,
    ) {
        let old = std::mem::take(&mut self.chunks);
        let mut home = vec![u32::MAX; tets.len()];
        for (number, chunk) in old.iter().enumerate() {
            chunk.tets.iter().for_each(|&tet| home[tet as usize] = number as u32);
        }
        let mut old: Vec<Option<Chunk>> = old.into_iter().map(Some).collect();
        let mut local_of = LocalNumbers::new(nodes);
        let mut at = 0;
        while at < order.len() {
            let number = home[order[at] as usize];
            let stays = |tet: u32| home[tet as usize] == number || home[tet as usize] == u32::MAX;
            let length = order[at..].iter().take_while(|&&tet| stays(tet)).count();
            let members = &order[at..at + length];
            at += length;
            let known = old.get_mut(number as usize).and_then(Option::take);
            match known.filter(|chunk| chunk.tets == members && !members.iter().any(|&tet| is_changed(tet))) {
                Some(chunk) => self.chunks.push(chunk),
                None => self.add_chunks(tets, rest, members, &mut local_of, &moduli),
            }
        }
        self.starts.clear();
        self.starts.resize(nodes + 1, 0);
        let starts = &mut self.starts;
        self.chunks.iter().flat_map(|chunk| &chunk.nodes).for_each(|&node| starts[node as usize + 1] += 1);
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        self.slots.clear();
        self.slots.resize(starts[nodes] as usize, 0);
        for (number, chunk) in self.chunks.iter().enumerate() {
            for (local, &node) in chunk.nodes.iter().enumerate() {
                let slot = &mut next[node as usize];
                self.slots[*slot as usize] = (number * LOCAL + local) as u32;
                *slot += 1;
            }
        }
    }

    /// As few chunks as hold `members`, of about the same size.
    fn add_chunks(
        &mut self,
        tets: &[[u32; 4]],
        rest: &[Element],
        members: &[u32],
        local_of: &mut LocalNumbers,
        moduli: &impl Fn(usize) -> (f32, f32),
    ) {
        let most = members.len().div_ceil(members.len().div_ceil(CHUNK).max(1));
        let mut at = 0;
        while at < members.len() {
            local_of.start();
            let mut own = Vec::with_capacity(most / 2);
            let mut from = at;
            while from < members.len() && from - at < most {
                let corners = tets[members[from] as usize];
                if own.len() + corners.iter().filter(|&&v| local_of.get(v).is_none()).count() > LOCAL - 1 {
                    break;
                }
                for v in corners {
                    if local_of.get(v).is_none() {
                        local_of.set(v, own.len() as u32);
                        own.push(v);
                    }
                }
                from += 1;
            }
            self.chunks.push(Chunk::new(tets, rest, &members[at..from], own, local_of, moduli));
            at = from;
        }
    }

    /// Elastic energy of the displacements that `u` tells of each node, J; leaves its gradient to [`Elements::force`], N, and keeps F for the
    /// products that follow. `task` is something else to do meanwhile.
    pub fn evaluate(&mut self, crew: &mut Crew, task: impl FnOnce() + Send, u: impl Fn(usize) -> Node + Sync) -> f64 {
        crew.each_beside(task, parts(&mut self.chunks, 1), |_, chunk| {
            let chunk = &mut chunk[0];
            chunk.fetch(&u);
            widest!((chunk: &'a mut Chunk = chunk) -> () { chunk.evaluate() });
        });
        self.chunks.iter().map(|chunk| chunk.energy).sum()
    }

    /// The stiffness at the last evaluated state times `p`, left to [`Elements::force`]. `task` is something else to do meanwhile.
    pub fn product(&mut self, crew: &mut Crew, task: impl FnOnce() + Send, p: &[Node]) {
        crew.each_beside(task, parts(&mut self.chunks, 1), |_, chunk| {
            let chunk = &mut chunk[0];
            chunk.fetch(|node| p[node]);
            widest!((chunk: &'a mut Chunk = chunk) -> () { chunk.product() });
        });
    }

    /// What the last evaluation or product left for a node.
    #[inline(always)]
    pub fn force(&self, node: usize) -> Node {
        let mut sum = [0.0; 4];
        for &slot in &self.slots[self.starts[node] as usize..self.starts[node + 1] as usize] {
            let local = &self.chunks[slot as usize / LOCAL].output[slot as usize % LOCAL];
            for k in 0..4 {
                sum[k] += local[k];
            }
        }
        sum
    }

    /// Adds the 3 × 3 diagonal blocks of the stiffness at the last evaluated state; their cofactor term vanishes, so they are positive.
    /// Where not `all` is wanted, chunks that have been asked before answer what they answered then.
    pub fn diagonal(&mut self, crew: &mut Crew, all: bool, out: &mut [[f32; 6]]) {
        crew.each(parts(&mut self.chunks, 1), |_, chunk| {
            let chunk = &mut chunk[0];
            if all || !chunk.has_diagonal {
                widest!((chunk: &'a mut Chunk = chunk) -> () { chunk.diagonal() });
                chunk.has_diagonal = true;
            }
        });
        for chunk in &self.chunks {
            for (&node, block) in chunk.nodes.iter().zip(chunk.diagonal.iter()) {
                for k in 0..6 {
                    out[node as usize][k] += block[k];
                }
            }
        }
    }

    /// Bounds the cofactor term of every element, which makes its stiffness positive where it was not.
    pub fn clamp(&mut self, crew: &mut Crew) {
        crew.each(parts(&mut self.chunks, 1), |_, chunk| {
            let chunk = &mut chunk[0];
            for (batch, state) in chunk.batches.iter().zip(&mut chunk.evaluated) {
                state.s = clamped_weight(&state.f, batch.mu, state.s);
            }
        });
    }

    /// Von Mises stress of every element at the last evaluated state, Pa, given its rest volume.
    pub fn von_mises(&mut self, rest: &[Element], out: &mut [f32]) {
        for chunk in &self.chunks {
            widest!((chunk: &'a Chunk = chunk, rest: &'a [Element] = rest, out: &'a mut [f32] = out) -> () { chunk.von_mises(rest, out) });
        }
    }

    /// The tetrahedra, in the order in which they are taken.
    pub fn tets(&self) -> Vec<u32> {
        self.chunks.iter().flat_map(|chunk| chunk.tets.iter().copied()).collect()
    }

    /// Calls `f` with every tetrahedron, its F and its μ V and (λ + μ) V.
    pub fn for_each_gradient(&self, mut f: impl FnMut(u32, Mat3<f32>, f32, f32)) {
        for chunk in &self.chunks {
            for (index, &tet) in chunk.tets.iter().enumerate() {
                let (batch, lane) = (index / WIDTH, index % WIDTH);
                let state = &chunk.evaluated[batch];
                let gradient = state.f.map(|row| row.map(|entry| entry.0[lane]));
                f(tet, gradient, chunk.batches[batch].mu.0[lane], chunk.batches[batch].lambda_mu.0[lane]);
            }
        }
    }

    /// Whether it pays to share the work between threads.
    pub fn are_many(&self) -> bool {
        self.chunks.len() >= PARALLEL_FROM
    }
}

/// Numbers of a chunk's nodes within it, forgotten at the start of the next.
struct LocalNumbers {
    /// Which chunk gave the number, and the number.
    of_node: Vec<(u32, u32)>,
    chunk: u32,
}

impl LocalNumbers {
    fn new(nodes: usize) -> Self {
        Self { of_node: vec![(0, 0); nodes], chunk: 0 }
    }

    fn start(&mut self) {
        self.chunk += 1;
    }

    fn get(&self, node: u32) -> Option<u32> {
        let (chunk, local) = self.of_node[node as usize];
        (chunk == self.chunk).then_some(local)
    }

    fn set(&mut self, node: u32, local: u32) {
        self.of_node[node as usize] = (self.chunk, local);
    }
}

impl Chunk {
    fn new(
        tets: &[[u32; 4]],
        rest: &[Element],
        members: &[u32],
        own: Vec<u32>,
        local_of: &LocalNumbers,
        moduli: &impl Fn(usize) -> (f32, f32),
    ) -> Self {
        let spare = (LOCAL - 1) as u16;
        let mut batches = Vec::with_capacity(members.len().div_ceil(WIDTH));
        for group in members.chunks(WIDTH) {
            let zero = [[Lanes::ZERO; 3]; 3];
            let mut batch = Batch { corners: [[spare; WIDTH]; 4], gradients: zero, mu: Lanes::ZERO, lambda_mu: Lanes::ZERO };
            for (lane, &tet) in group.iter().enumerate() {
                let (element, (mu, lambda_mu)) = (&rest[tet as usize], moduli(tet as usize));
                for corner in 0..4 {
                    batch.corners[corner][lane] = local_of.get(tets[tet as usize][corner]).map_or(spare, |local| local as u16);
                }
                for corner in 0..3 {
                    for axis in 0..3 {
                        batch.gradients[corner][axis].0[lane] = element.gradients[corner][axis];
                    }
                }
                batch.mu.0[lane] = mu * element.volume;
                batch.lambda_mu.0[lane] = lambda_mu * element.volume;
            }
            batches.push(batch);
        }
        let rest_state = Evaluated { f: [[Lanes::ZERO; 3]; 3], s: Lanes::ZERO };
        Self {
            evaluated: vec![rest_state; batches.len()],
            tets: members.to_vec(),
            diagonal: Box::new([[0.0; 6]; LOCAL]),
            has_diagonal: false,
            nodes: own,
            batches,
            input: Box::new([[0.0; 4]; LOCAL]),
            output: Box::new([[0.0; 4]; LOCAL]),
            energy: 0.0,
        }
    }

    fn fetch(&mut self, from: impl Fn(usize) -> Node) {
        for (local, &node) in self.input.iter_mut().zip(&self.nodes) {
            *local = from(node as usize);
        }
    }

    #[inline(always)]
    fn evaluate(&mut self) {
        self.output[..self.nodes.len()].fill([0.0; 4]);
        let mut energy = [0.0f64; WIDTH];
        for (batch, state) in self.batches.iter().zip(&mut self.evaluated) {
            let here = Deformation::new(batch.displacement_gradient(&self.input));
            state.f = here.gradient();
            state.s = here.cofactor_weight(batch.mu, batch.lambda_mu);
            let stored = here.energy(batch.mu, batch.lambda_mu);
            for lane in 0..WIDTH {
                energy[lane] += f64::from(stored.0[lane]);
            }
            batch.scatter(&here.stress(batch.mu, batch.lambda_mu), &mut self.output);
        }
        self.energy = energy.iter().sum();
    }

    #[inline(always)]
    fn product(&mut self) {
        self.output[..self.nodes.len()].fill([0.0; 4]);
        for (batch, state) in self.batches.iter().zip(&self.evaluated) {
            let df = batch.displacement_gradient(&self.input);
            batch.scatter(&stress_change(&state.f, &df, batch.mu, batch.lambda_mu, state.s), &mut self.output);
        }
    }

    #[inline(always)]
    fn diagonal(&mut self) {
        self.diagonal[..self.nodes.len()].fill([0.0; 6]);
        for (batch, state) in self.batches.iter().zip(&self.evaluated) {
            let c = cofactor(&state.f);
            let g = &batch.gradients;
            let first = [0, 1, 2].map(|axis| -(g[0][axis] + g[1][axis] + g[2][axis]));
            for (corner, gradient) in [first, g[0], g[1], g[2]].into_iter().enumerate() {
                let across = [0, 1, 2].map(|i| c[i][0] * gradient[0] + c[i][1] * gradient[1] + c[i][2] * gradient[2]);
                let shear = batch.mu * (gradient[0] * gradient[0] + gradient[1] * gradient[1] + gradient[2] * gradient[2]);
                let bulk = across.map(|component| batch.lambda_mu * component);
                let block = [
                    bulk[0] * across[0] + shear,
                    bulk[0] * across[1],
                    bulk[0] * across[2],
                    bulk[1] * across[1] + shear,
                    bulk[1] * across[2],
                    bulk[2] * across[2] + shear,
                ];
                for lane in 0..WIDTH {
                    let sum = &mut self.diagonal[batch.corners[corner][lane] as usize & (LOCAL - 1)];
                    for k in 0..6 {
                        sum[k] += block[k].0[lane];
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn von_mises(&self, rest: &[Element], out: &mut [f32]) {
        for ((batch, state), tets) in self.batches.iter().zip(&self.evaluated).zip(self.tets.chunks(WIDTH)) {
            let stress = von_mises(&state.f, batch.mu);
            for (lane, &tet) in tets.iter().enumerate() {
                out[tet as usize] = stress.0[lane] / rest[tet as usize].volume;
            }
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
        for lane in 0..WIDTH {
            for corner in 0..4 {
                let sum = &mut local[self.corners[corner][lane] as usize & (LOCAL - 1)];
                for axis in 0..3 {
                    sum[axis] += force[corner][axis].0[lane];
                }
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> (Vec<Vec3>, Vec<[u32; 4]>, Vec<Element>) {
        let rest = vec![Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z];
        let tets = vec![[0, 1, 2, 3]];
        let elements = Element::new([rest[0], rest[1], rest[2], rest[3]]).into_iter().collect();
        (rest, tets, elements)
    }

    /// The vector of SOFA's linear elasticity test: a unit corner tetrahedron, E 1000, ν 0.3: forces per unit strain V·(λ+2μ, λ, μ).
    #[test]
    fn a_single_tetrahedron_meets_its_stiffness_vector() {
        let (rest, tets, elements) = one();
        let (mu, lambda) = (384.615_4f32, 576.923_1f32);
        let mut body = Elements::new(&tets, &elements, &[0], 4, |_| (mu, lambda + mu));
        assert_eq!(rest.len(), 4);
        Crew::call(true, |crew| body.evaluate(crew, || (), |_| [0.0; 4]));
        let forces = |body: &Elements| [0, 1, 2, 3].map(|node| body.force(node));
        assert_eq!(forces(&body), [[0.0; 4]; 4], "rest is free of force");
        let mut unit = vec![[0.0; 4]; 4];
        unit[1][0] = 1.0;
        Crew::call(true, |crew| body.product(crew, || (), &unit));
        let out = forces(&body);
        // rounding of f32: 1e-6 of the largest entry
        assert!((out[1][0] - 224.359).abs() < 1e-3, "{:?}", out);
        assert!((out[2][1] - 96.1538).abs() < 1e-3);
        let mut diagonal = vec![[0.0; 6]; 4];
        Crew::call(true, |crew| body.diagonal(crew, true, &mut diagonal));
        assert!((diagonal[1][0] - 224.359).abs() < 1e-3 && (diagonal[1][3] - 64.1026).abs() < 1e-3);
    }

    #[test]
    fn moving_and_turning_a_body_makes_no_force() {
        let (rest, tets, elements) = one();
        let mut body = Elements::new(&tets, &elements, &[0], 4, |_| (400.0, 900.0));
        let turn = glam::Quat::from_rotation_z(1.1) * glam::Quat::from_rotation_x(0.4);
        let u: Vec<Node> = rest.iter().map(|&x| (turn * x + Vec3::new(3.0, -2.0, 1.0) - x).extend(0.0).to_array()).collect();
        Crew::call(true, |crew| body.evaluate(crew, || (), |node| u[node]));
        let gradient = [0, 1, 2, 3].map(|node| body.force(node));
        // moduli of 1e3 Pa times the rounding of a displacement of 3 m (2e-7)
        assert!(gradient.iter().flatten().all(|g| g.abs() < 1e-3), "{gradient:?}");
    }

    #[test]
    fn a_flat_element_is_refused() {
        assert_eq!(Element::new([Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::X + Vec3::Y]), None);
        assert_eq!(Element::new([Vec3::ZERO, Vec3::Y, Vec3::X, Vec3::Z]), None);
        assert!(Element::new([Vec3::ZERO, Vec3::X * 1e-3, Vec3::Y * 1e-3, Vec3::Z * 1e-3]).is_some());
    }
}
