//! The elastic part of the potential over all tetrahedra: energy, gradient, stiffness product and its diagonal.
//!
//! Elements are split once into chunks, whatever the number of threads. A chunk numbers its own nodes, works in its own buffers (`chunk`), and
//! every node adds up what the chunks hold for it in chunk order: so the outcome has the same bits on any number of threads. Unknowns are
//! displacements from the rest shape, whose differences keep the digits that positions would lose.

use glam::{DMat3, Vec3};

use super::chunk::{CHUNK, Chunk, LOCAL};
use super::clusters::Clusters;
use super::crew::{Crew, parts};
use super::lanes::widest;
use super::material::Mat3;
use super::response::Tissue;

/// A vector per node, padded to four numbers.
pub type Node = [f32; 4];

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

/// What elements are made from.
pub struct Recipe<'a> {
    /// Nodes at rest, m.
    pub rest: &'a [Vec3],
    pub tets: &'a [[u32; 4]],
    pub shapes: &'a [Element],
    /// What a tetrahedron is made of.
    pub tissue: &'a dyn Fn(usize) -> Tissue<'a>,
    /// The tetrahedron from which a cut took this one, or itself.
    pub parent: &'a dyn Fn(u32) -> u32,
    /// Whether elements share a part of their strain in patches.
    pub patches: bool,
}

/// All elements of a body, with the state of the last evaluation.
#[derive(Clone, Default)]
pub struct Elements {
    chunks: Vec<Chunk>,
    /// Where the chunks hold a node, in chunk order: `slots` from one entry of `starts` to the next, chunk number × [`LOCAL`] + local number.
    starts: Vec<u32>,
    slots: Vec<u32>,
}

impl Elements {
    /// Hears that elements were taken away and the others numbered anew: the next [`Elements::renew`] makes all again, with what they remember.
    pub fn renumber(&mut self, taken: &[bool], numbers: &[u32]) {
        self.chunks.iter_mut().for_each(|chunk| chunk.renumber(taken, numbers));
    }

    /// Takes the tetrahedra of `order` into chunks. Of those made before, chunks without changed tetrahedra stay as they are, others are made again and
    /// split where they have grown too large. In `order` old tetrahedra stand as before, new ones behind an old one that they are near to.
    pub fn renew(&mut self, recipe: &Recipe, order: &[u32], is_changed: impl Fn(u32) -> bool) {
        let nodes = recipe.rest.len();
        let old = std::mem::take(&mut self.chunks);
        let mut home = vec![u32::MAX; recipe.tets.len()];
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
            match known {
                Some(chunk) if !chunk.is_outdated && chunk.tets == members && !members.iter().any(|&tet| is_changed(tet)) => {
                    self.chunks.push(chunk)
                }
                old => self.add_chunks(recipe, members, &mut local_of, old.as_ref()),
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
    fn add_chunks(&mut self, recipe: &Recipe, members: &[u32], local_of: &mut LocalNumbers, old: Option<&Chunk>) {
        let most = members.len().div_ceil(members.len().div_ceil(CHUNK).max(1));
        let mut at = 0;
        while at < members.len() {
            local_of.start();
            let mut own = Vec::with_capacity(most / 2);
            let mut from = at;
            while from < members.len() && from - at < most {
                let corners = recipe.tets[members[from] as usize];
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
            self.chunks.push(Chunk::new(recipe, &members[at..from], own, local_of, old));
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
    /// What couples nodes of one cluster goes to the clusters, bounded so that it is positive with them.
    /// Where not `all` is wanted, chunks that have been asked before answer what they answered then.
    pub fn diagonal(&mut self, crew: &mut Crew, all: bool, out: &mut [[f32; 6]], clusters: &mut Clusters) {
        let places = clusters.places();
        crew.each(parts(&mut self.chunks, 1), |_, chunk| {
            let chunk = &mut chunk[0];
            if all || !chunk.has_diagonal {
                widest!((chunk: &'a mut Chunk = chunk, places: &'a [u32] = places) -> () {
                    chunk.diagonal();
                    chunk.couple(places);
                });
                chunk.has_diagonal = true;
            }
        });
        clusters.clear();
        for chunk in &self.chunks {
            for (&node, block) in chunk.nodes.iter().zip(chunk.diagonal.iter()) {
                for k in 0..6 {
                    out[node as usize][k] += block[k];
                }
            }
            chunk.couplings.iter().for_each(|(places, block)| clusters.add(*places, block));
        }
    }

    /// Hears that nodes stand in other clusters now.
    pub fn forget(&mut self, nodes: &[u32]) {
        let slots = |node: u32| &self.slots[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize];
        for &slot in nodes.iter().flat_map(|&node| slots(node)) {
            self.chunks[slot as usize / LOCAL].has_diagonal = false;
        }
    }

    /// Bounds what may be negative in the stiffness of every element, which makes it positive where it was not.
    pub fn clamp(&mut self, crew: &mut Crew) {
        crew.each(parts(&mut self.chunks, 1), |_, chunk| chunk[0].clamp());
    }

    /// Sets out for a tick of `h` seconds: what is viscous looks back.
    pub fn begin(&mut self, crew: &mut Crew, h: f32) {
        crew.each(parts(&mut self.chunks, 1), |_, chunk| chunk[0].begin(h));
    }

    /// Takes the last evaluation as the end of a tick, for what is viscous to remember.
    pub fn end(&mut self, crew: &mut Crew) {
        crew.each(parts(&mut self.chunks, 1), |_, chunk| chunk[0].end());
    }

    /// Von Mises stress of every element at the last evaluated state, Pa, given its rest volume.
    pub fn von_mises(&mut self, crew: &mut Crew, rest: &[Element], out: &mut [f32]) {
        crew.each(parts(&mut self.chunks, 1), |_, chunk| {
            widest!((chunk: &'a mut Chunk = &mut chunk[0], rest: &'a [Element] = rest) -> () { chunk.von_mises(rest) });
        });
        self.chunks.iter().flat_map(Chunk::stresses).for_each(|(tet, stress)| out[tet as usize] = stress);
    }

    /// The tetrahedra, in the order in which they are taken.
    pub fn tets(&self) -> Vec<u32> {
        self.chunks.iter().flat_map(|chunk| chunk.tets.iter().copied()).collect()
    }

    /// Calls `f` with every tetrahedron, its F and its μ V and (λ + μ) V.
    pub fn for_each_gradient(&self, mut f: impl FnMut(u32, Mat3<f32>, f32, f32)) {
        self.chunks.iter().for_each(|chunk| chunk.for_each_gradient(&mut f));
    }

    /// Whether it pays to share the work between threads.
    pub fn are_many(&self) -> bool {
        self.chunks.len() >= PARALLEL_FROM
    }
}

/// Numbers of a chunk's nodes within it, forgotten at the start of the next.
pub struct LocalNumbers {
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

    pub fn get(&self, node: u32) -> Option<u32> {
        let (chunk, local) = self.of_node[node as usize];
        (chunk == self.chunk).then_some(local)
    }

    fn set(&mut self, node: u32, local: u32) {
        self.of_node[node as usize] = (self.chunk, local);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: [Vec3; 4] = [Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z];

    fn one(mu: f32, lambda_mu: f32) -> Elements {
        let shapes: Vec<Element> = Element::new(REST).into_iter().collect();
        let tissue = |_: usize| Tissue { mu, lambda_mu, ..Tissue::default() };
        let mut body = Elements::default();
        let recipe =
            Recipe { rest: &REST, tets: &[[0, 1, 2, 3]], shapes: &shapes, tissue: &tissue, parent: &|tet| tet, patches: false };
        body.renew(&recipe, &[0], |_| true);
        body
    }

    /// The vector of SOFA's linear elasticity test: a unit corner tetrahedron, E 1000, ν 0.3: forces per unit strain V·(λ+2μ, λ, μ).
    #[test]
    fn a_single_tetrahedron_meets_its_stiffness_vector() {
        let (mu, lambda) = (384.615_4f32, 576.923_1f32);
        let mut body = one(mu, lambda + mu);
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
        Crew::call(true, |crew| body.diagonal(crew, true, &mut diagonal, &mut Clusters::default()));
        assert!((diagonal[1][0] - 224.359).abs() < 1e-3 && (diagonal[1][3] - 64.1026).abs() < 1e-3);
    }

    #[test]
    fn moving_and_turning_a_body_makes_no_force() {
        let mut body = one(400.0, 900.0);
        let turn = glam::Quat::from_rotation_z(1.1) * glam::Quat::from_rotation_x(0.4);
        let u: Vec<Node> = REST.iter().map(|&x| (turn * x + Vec3::new(3.0, -2.0, 1.0) - x).extend(0.0).to_array()).collect();
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
