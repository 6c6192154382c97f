//! The coarse half of the preconditioner: the body seen through a trilinear lattice.
//!
//! Every node moves with the eight lattice nodes around its rest position, so smooth motion (bending, swinging), which costs a local
//! preconditioner hundreds of iterations, is solved for directly. The lattice's matrix is the Galerkin product of the stiffness at one
//! averaged deformation per eighth of a cell, plus the inertia, factorised row by row inside its profile. Building it is spread over several
//! ticks, with the last one in use meanwhile: a stale lattice costs iterations, never correctness. Which lattice node moves what, also where
//! the body is cut, is [`super::layout`]'s.

use std::sync::Arc;

use glam::Vec3;

use super::elements::{Element, Elements, Node};
use super::lanes::{Lanes, Real, WIDTH, dots, widest};
use super::layout::{Group, Laying, Layout, Transfer};
use super::material::{Mat3, clamped_weight, cofactor};
use super::pcg::NODES_PER_BLOCK;
use super::terms::Terms;

/// Multiplications that may be spent in one tick on the next factor.
const WORK_PER_TICK: usize = 2_000_000;
/// What a pair of lattice nodes of a group counts for in them.
const WORK_PER_PAIR: usize = 20;
/// A pivot below this share of its diagonal belongs to a lattice node that too few nodes of the body determine.
const DEPENDENT: f32 = 1e-4;
/// Ticks from one finished factor to the start of the next, at least and at most.
const TICKS_BETWEEN: u32 = 2;
const TICKS_BETWEEN_AT_MOST: u32 = 45;
/// Ticks without a cut before the next layout is begun.
const TICKS_AFTER_CUT: u32 = 10;

/// The lattice's matrix: the lower triangle by rows, each from its first entry to the diagonal, whose reciprocal is stored once factorised. A
/// lattice node has three rows, which begin at the same column, the first of another lattice node.
struct Profile {
    layout: Arc<Layout>,
    /// The first lattice node of every lattice node's rows.
    first: Arc<Vec<u32>>,
    start: Arc<Vec<usize>>,
    /// Σ m w wᵀ, what the masses of the body's nodes weigh in the lattice, kg.
    weight: Arc<Vec<f32>>,
    values: Vec<f32>,
    /// Mean F, μ V and (λ + μ) V of every group.
    strains: Vec<(Mat3<f32>, f32, f32)>,
    /// What is done: groups added, and lattice nodes factorised.
    next_group: usize,
    next_node: usize,
}

/// The shape of a body that a new layout is made for.
pub struct Shape<'a> {
    pub rest: &'a [Vec3],
    pub tets: &'a [[u32; 4]],
    pub shapes: &'a [Element],
    pub is_pinned: &'a [bool],
    pub elements: &'a Elements,
    /// kg.
    pub mass: &'a [f32],
    /// Inertia as a stiffness, N/m for a kg.
    pub per_mass: f32,
    pub free: &'a [bool],
    /// Diagonal blocks of the elements' stiffness, N/m: xx, xy, xz, yy, yz, zz.
    pub blocks: &'a [[f32; 6]],
    /// What presses and holds.
    pub terms: &'a Terms,
}

fn mean_diagonal(block: &[f32; 6]) -> f32 {
    (block[0] + block[3] + block[5]) / 3.0
}

/// What is being made: a layout that knows of the last cut, or a factor.
enum Pending {
    Layout(Box<Laying>),
    Factor(Profile),
}

/// The lattice factor in use and the one being made.
#[derive(Default)]
pub struct Lattice {
    used: Option<Profile>,
    pending: Option<Pending>,
    /// The body was cut since the layout in use was made.
    is_outdated: bool,
    /// Ticks since the last cut.
    quiet: u32,
    /// Ticks since the last factor was finished or the next one begun.
    wait: u32,
    /// Iterations of a solve: the fewest with the factor in use, and the last.
    iterations: (u32, u32),
    /// Each block's share of a restriction.
    partial: Vec<Vec<Node>>,
    /// Right-hand side and then solution, three numbers a lattice node.
    rhs: Vec<f32>,
}

impl Lattice {
    /// Takes in nodes and tetrahedra that a cut has made. The layout in use goes on as if there were no cut, which costs iterations; the next
    /// one knows of it.
    pub fn extend(&mut self, rest: &[Vec3], parents_of_nodes: &[[u32; 2]], parents_of_tets: &[u32]) {
        if !self.is_outdated {
            self.wait = 0;
        }
        self.is_outdated = true;
        self.quiet = 0;
        match &mut self.pending {
            Some(Pending::Layout(laying)) => laying.extend(rest, parents_of_nodes, parents_of_tets),
            // one that shares the layout in use ends here: it knows of no cut at all
            Some(Pending::Factor(factor)) if Arc::strong_count(&factor.layout) == 1 => {
                factor.extend(rest, parents_of_nodes, parents_of_tets);
            }
            _ => self.pending = None,
        }
        if let Some(used) = &mut self.used {
            used.extend(rest, parents_of_nodes, parents_of_tets);
            self.partial.resize_with(used.layout.transfers.len(), Vec::new);
        }
    }

    /// Makes the whole factor now: for the first tick.
    pub fn build(&mut self, shape: &Shape) {
        self.is_outdated = false;
        let mut laying = shape.begin();
        let layout = loop {
            laying.work();
            match laying.finish() {
                Ok(layout) => break layout,
                Err(unfinished) => laying = unfinished,
            }
        };
        let mut profile = Profile::new(layout, shape);
        profile.work(usize::MAX);
        self.pending = None;
        self.take(profile);
    }

    /// One tick's share of work on what is being made: something to do beside an evaluation.
    pub fn work(&mut self) {
        match &mut self.pending {
            Some(Pending::Layout(laying)) => laying.work(),
            Some(Pending::Factor(profile)) => profile.work(WORK_PER_TICK),
            None => {}
        }
    }

    /// Goes on to the next thing to make, and takes a finished factor into use; the answer is whether a factor was begun.
    pub fn advance(&mut self, shape: &Shape) -> bool {
        self.wait += 1;
        self.quiet += 1;
        match self.pending.take() {
            Some(Pending::Factor(profile)) if profile.is_finished() => self.take(profile),
            Some(Pending::Layout(laying)) => match laying.finish() {
                Ok(layout) => {
                    self.pending = Some(Pending::Factor(Profile::new(layout, shape)));
                    return true;
                }
                Err(unfinished) => self.pending = Some(Pending::Layout(unfinished)),
            },
            Some(pending) => self.pending = Some(pending),
            None => {
                let (fewest, last) = self.iterations;
                let is_long = self.wait >= TICKS_BETWEEN_AT_MOST;
                match &self.used {
                    // while cuts follow one another the next layout would be old before it is done
                    _ if self.is_outdated && (is_long || self.quiet >= TICKS_AFTER_CUT) => {
                        self.is_outdated = false;
                        self.pending = Some(Pending::Layout(shape.begin()));
                    }
                    Some(used) if !self.is_outdated && (is_long || (last > fewest && self.wait >= TICKS_BETWEEN)) => {
                        self.pending = Some(Pending::Factor(used.again(shape)));
                        return true;
                    }
                    _ => {}
                }
            }
        }
        false
    }

    /// Hears how many iterations a solve took.
    pub fn hear(&mut self, iterations: u32) {
        self.iterations = (self.iterations.0.min(iterations), iterations);
    }

    fn take(&mut self, profile: Profile) {
        self.rhs.resize(profile.unknowns(), 0.0);
        self.partial.resize_with(profile.layout.transfers.len(), Vec::new);
        self.used = Some(profile);
        self.wait = 0;
        self.iterations = (u32::MAX, 0);
    }

    /// The blocks of P, and room for each block's share of Pᵀ r.
    pub fn transfers(&mut self) -> (&[Transfer], &mut [Vec<Node>]) {
        let transfers = self.used.as_ref().map_or(&[][..], |used| &used.layout.transfers);
        (transfers, &mut self.partial)
    }

    /// Adds up the shares and solves.
    pub fn solve(&mut self) {
        let Some(used) = &self.used else { return };
        self.rhs.fill(0.0);
        for (transfer, share) in used.layout.transfers.iter().zip(&self.partial) {
            transfer.collect(share, &mut self.rhs);
        }
        widest!((profile: &'a Profile = used, rhs: &'a mut [f32] = &mut self.rhs) -> () { profile.solve(rhs) });
    }

    /// The blocks of P, and what [`Lattice::solve`] found.
    pub fn moves(&self) -> (&[Transfer], &[f32]) {
        let transfers = self.used.as_ref().map_or(&[][..], |used| &used.layout.transfers);
        (transfers, &self.rhs)
    }
}

impl Shape<'_> {
    fn begin(&self) -> Box<Laying> {
        Box::new(Laying::new(self.rest, self.tets, self.shapes, self.is_pinned, self.elements.tets()))
    }
}

impl Profile {
    /// On a new layout, nothing of the matrix made yet.
    fn new(layout: Layout, shape: &Shape) -> Self {
        let mut first: Vec<u32> = (0..layout.nodes as u32).collect();
        let of_nodes = layout.weights.iter().filter(|w| w.1 != [0.0; 8]).map(|w| &w.0[..]);
        for nodes in layout.groups.iter().map(|g| &g.nodes[..]).chain(of_nodes) {
            let least = nodes.iter().copied().min().unwrap_or(0);
            nodes.iter().for_each(|&n| first[n as usize] = first[n as usize].min(least));
        }
        let mut start = Vec::with_capacity(3 * layout.nodes + 1);
        let mut at = 0;
        for row in 0..3 * layout.nodes {
            start.push(at);
            at += row + 1 - 3 * first[row / 3] as usize;
        }
        start.push(at);
        let mut weight = vec![0.0f32; at];
        for (transfer, mass) in layout.transfers.iter().zip(shape.mass.chunks(NODES_PER_BLOCK)) {
            transfer.weigh(mass, |nodes, b, row| {
                for (&node, &mass) in nodes.iter().zip(row).filter(|(node, _)| **node <= nodes[b]) {
                    for k in 0..3 {
                        let row = 3 * nodes[b] as usize + k;
                        weight[start[row] + 3 * (node - first[nodes[b] as usize]) as usize + k] += mass;
                    }
                }
            });
        }
        let (layout, first, start, weight) = (Arc::new(layout), Arc::new(first), Arc::new(start), Arc::new(weight));
        let mut profile =
            Self { layout, first, start, weight, values: Vec::new(), strains: Vec::new(), next_group: 0, next_node: 0 };
        profile.prepare(shape);
        profile
    }

    /// The same lattice, nothing of the matrix made yet.
    fn again(&self, shape: &Shape) -> Self {
        let mut profile = Self {
            layout: self.layout.clone(),
            first: self.first.clone(),
            start: self.start.clone(),
            weight: self.weight.clone(),
            values: Vec::new(),
            strains: Vec::new(),
            next_group: 0,
            next_node: 0,
        };
        profile.prepare(shape);
        profile
    }

    fn extend(&mut self, rest: &[Vec3], parents_of_nodes: &[[u32; 2]], parents_of_tets: &[u32]) {
        if let Some(layout) = Arc::get_mut(&mut self.layout) {
            layout.extend(rest, parents_of_nodes, parents_of_tets);
        }
    }

    fn unknowns(&self) -> usize {
        3 * self.layout.nodes
    }

    fn is_finished(&self) -> bool {
        self.next_node == self.layout.nodes
    }

    /// Takes from the body what the matrix is made of; the making is [`Profile::work`].
    fn prepare(&mut self, shape: &Shape) {
        let layout = self.layout.clone();
        self.strains = vec![([[0.0f32; 3]; 3], 0.0f32, 0.0f32); layout.groups.len()];
        let strains = &mut self.strains;
        shape.elements.for_each_gradient(|tet, f, mu, lambda_mu| {
            let (mean, mu_sum, lambda_mu_sum) = &mut strains[layout.group_of_tet[tet as usize] as usize];
            for i in 0..3 {
                for j in 0..3 {
                    mean[i][j] += mu * f[i][j];
                }
            }
            *mu_sum += mu;
            *lambda_mu_sum += lambda_mu;
        });
        self.values = self.weight.iter().map(|mass| mass * shape.per_mass).collect();
        // a driven node resists the lattice's motion by its own stiffness
        for (node, corners) in layout.weights.iter().enumerate().filter(|(node, _)| !shape.free[*node]) {
            self.add_node(corners, mean_diagonal(&shape.blocks[node]) - shape.mass[node] * shape.per_mass);
        }
        // and one that is held or pressed by what holds it: unknown to the lattice, that would cost every solve half its iterations
        if !shape.terms.is_empty() {
            let mut held = vec![[0.0; 6]; shape.mass.len()];
            shape.terms.diagonal(&mut held);
            for (node, corners) in layout.weights.iter().enumerate().filter(|(node, _)| shape.free[*node]) {
                let stiffness = mean_diagonal(&held[node]);
                if stiffness > 0.0 {
                    self.add_node(corners, stiffness);
                }
            }
        }
    }

    /// Adds `stiffness` w wᵀ for one node of the body.
    fn add_node(&mut self, (nodes, weights): &([u32; 8], [f32; 8]), stiffness: f32) {
        if weights == &[0.0; 8] {
            return;
        }
        for b in 0..8 {
            for a in 0..8 {
                if nodes[a] <= nodes[b] {
                    for k in 0..3 {
                        let row = 3 * nodes[b] as usize + k;
                        let at = self.start[row] + 3 * (nodes[a] - self.first[nodes[b] as usize]) as usize + k;
                        self.values[at] += stiffness * weights[a] * weights[b];
                    }
                }
            }
        }
    }

    /// Adds groups and factorises, until done or `work` multiplications are spent.
    fn work(&mut self, work: usize) {
        let spent = self.add_groups(work);
        self.factorise(work.saturating_sub(spent));
    }

    fn add_groups(&mut self, work: usize) -> usize {
        let layout = self.layout.clone();
        let mut spent = 0;
        while self.next_group < layout.groups.len() && spent < work {
            let (group, (weighted, mu, lambda_mu)) = (&layout.groups[self.next_group], self.strains[self.next_group]);
            if mu > 0.0 {
                let f = weighted.map(|row| row.map(|entry| entry / mu));
                widest!((
                    profile: &'a mut Profile = self,
                    group: &'a Group = group,
                    f: Mat3<f32> = f,
                    mu: f32 = mu,
                    lambda_mu: f32 = lambda_mu,
                ) -> () { profile.add_group(group, &f, mu, lambda_mu) });
                spent += group.nodes.len() * group.nodes.len() * WORK_PER_PAIR;
            }
            self.next_group += 1;
        }
        spent
    }

    /// One group's stiffness at its averaged deformation: (λ+μ) c_b c_aᵀ + μ (g_b·g_a) I + s ε F(g_b × g_a), with c = cof F g; eight a at a time.
    #[inline(always)]
    fn add_group(&mut self, group: &Group, f: &Mat3<f32>, mu: f32, lambda_mu: f32) {
        let c = cofactor(f);
        let dilation = f[0][0] * c[0][0] + f[0][1] * c[0][1] + f[0][2] * c[0][2] - 1.0;
        let s = Lanes::of(clamped_weight(f, mu, lambda_mu * dilation - mu));
        let (mu, lambda_mu) = (Lanes::of(mu), Lanes::of(lambda_mu));
        let (f, c) = (f.map(|row| row.map(Lanes::of)), c.map(|row| row.map(Lanes::of)));
        let times = |m: &Mat3<Lanes>, v: [Lanes; 3]| [0, 1, 2].map(|i| m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2]);
        for (gradients, nodes) in group.gradients.chunks(WIDTH).zip(group.nodes.chunks(WIDTH)) {
            let mut g = [Lanes::ZERO; 3];
            for (lane, gradient) in gradients.iter().enumerate() {
                for axis in 0..3 {
                    g[axis].0[lane] = gradient[axis];
                }
            }
            let across = times(&c, g);
            for (b, &to) in group.nodes.iter().enumerate() {
                let own = group.gradients[b].map(Lanes::of);
                let own_across = times(&c, own).map(|component| lambda_mu * component);
                let shear = mu * (g[0] * own[0] + g[1] * own[1] + g[2] * own[2]);
                let turned = [own[1] * g[2] - own[2] * g[1], own[2] * g[0] - own[0] * g[2], own[0] * g[1] - own[1] * g[0]];
                let e = times(&f, turned).map(|component| s * component);
                let skew = [[shear, e[2], -e[1]], [-e[2], shear, e[0]], [e[1], -e[0], shear]];
                let block = [0, 1, 2].map(|i| [0, 1, 2].map(|k| own_across[i] * across[k] + skew[i][k]));
                for (i, block) in block.iter().enumerate() {
                    let row = 3 * to as usize + i;
                    let values = &mut self.values[self.start[row]..self.start[row + 1]];
                    let first = self.first[to as usize];
                    for (lane, &from) in nodes.iter().enumerate().filter(|(_, from)| **from <= to) {
                        let at = 3 * (from - first) as usize;
                        // of its own columns a row has those up to the diagonal
                        let columns = if from == to { i + 1 } else { 3 };
                        for (sum, entries) in values[at..at + columns].iter_mut().zip(block) {
                            *sum += entries.0[lane];
                        }
                    }
                }
            }
        }
    }

    /// Cholesky by rows inside the profile, until done or `work` multiplications are spent; an unknown that the others determine stays at rest.
    fn factorise(&mut self, work: usize) {
        widest!((profile: &'a mut Profile = self, work: usize = work) -> () {
            let (first, start) = (profile.first.clone(), profile.start.clone());
            let mut spent = 0;
            while profile.next_node < first.len() && spent < work {
                let node = profile.next_node;
                let from = 3 * first[node] as usize;
                let (above, own) = profile.values.split_at_mut(start[3 * node]);
                let common = 3 * node - from;
                let (row_0, rest) = own.split_at_mut(common + 1);
                let (row_1, row_2) = rest.split_at_mut(common + 2);
                for other in first[node] as usize..node {
                    let begin = from.max(3 * first[other] as usize);
                    let (mine, theirs) = (begin - from..3 * other - from, 3 * first[other] as usize);
                    let row = |k: usize| &above[start[3 * other + k]..start[3 * other + k + 1]];
                    let others = [row(0), row(1), row(2)];
                    let products = dots(
                        [&row_0[mine.clone()], &row_1[mine.clone()], &row_2[mine.clone()]],
                        others.map(|row| &row[begin - theirs..3 * other - theirs]),
                    );
                    let (at, within) = (3 * other - from, 3 * other - theirs);
                    for (row, products) in [&mut *row_0, &mut *row_1, &mut row_2[..]].into_iter().zip(products) {
                        let x = (row[at] - products[0]) * others[0][within];
                        let y = (row[at + 1] - products[1] - x * others[1][within]) * others[1][within + 1];
                        let z = row[at + 2] - products[2] - x * others[2][within] - y * others[2][within + 1];
                        row[at] = x;
                        row[at + 1] = y;
                        row[at + 2] = z * others[2][within + 2];
                    }
                    spent += 9 * (3 * other - begin + 8);
                }
                let rows = [&row_0[..common], &row_1[..common], &row_2[..common]];
                let p = dots(rows, rows);
                // what others determine does not move by itself
                let pivot = |left: f32, whole: f32| if left > DEPENDENT * whole { 1.0 / left.sqrt() } else { 0.0 };
                row_0[common] = pivot(row_0[common] - p[0][0], row_0[common]);
                row_1[common] = (row_1[common] - p[1][0]) * row_0[common];
                let left = row_1[common + 1] - p[1][1] - row_1[common] * row_1[common];
                row_1[common + 1] = pivot(left, row_1[common + 1]);
                row_2[common] = (row_2[common] - p[2][0]) * row_0[common];
                row_2[common + 1] = (row_2[common + 1] - p[2][1] - row_2[common] * row_1[common]) * row_1[common + 1];
                let left = row_2[common + 2] - p[2][2] - row_2[common] * row_2[common] - row_2[common + 1] * row_2[common + 1];
                row_2[common + 2] = pivot(left, row_2[common + 2]);
                profile.next_node += 1;
            }
        });
    }

    /// `rhs` becomes A⁻¹ `rhs`.
    #[inline(always)]
    fn solve(&self, rhs: &mut [f32]) {
        for node in 0..self.layout.nodes {
            let (from, at) = (3 * self.first[node] as usize, 3 * node);
            let common = at - from;
            let rows = self.rows(node, common);
            let [[s0], [s1], [s2]] = dots(rows.map(|row| &row[..common]), [&rhs[from..at]]);
            let x = (rhs[at] - s0) * rows[0][common];
            let y = (rhs[at + 1] - s1 - rows[1][common] * x) * rows[1][common + 1];
            let z = (rhs[at + 2] - s2 - rows[2][common] * x - rows[2][common + 1] * y) * rows[2][common + 2];
            rhs[at] = x;
            rhs[at + 1] = y;
            rhs[at + 2] = z;
        }
        for node in (0..self.layout.nodes).rev() {
            let (from, at) = (3 * self.first[node] as usize, 3 * node);
            let common = at - from;
            let rows = self.rows(node, common);
            let z = rhs[at + 2] * rows[2][common + 2];
            let y = (rhs[at + 1] - rows[2][common + 1] * z) * rows[1][common + 1];
            let x = (rhs[at] - rows[2][common] * z - rows[1][common] * y) * rows[0][common];
            rhs[at] = x;
            rhs[at + 1] = y;
            rhs[at + 2] = z;
            let columns = rows[0][..common].iter().zip(&rows[1][..common]).zip(&rows[2][..common]);
            for (sum, ((a, b), c)) in rhs[from..at].iter_mut().zip(columns) {
                *sum -= a * x + b * y + c * z;
            }
        }
    }

    /// The three rows of a lattice node, `common` entries before its own columns.
    #[inline(always)]
    fn rows(&self, node: usize, common: usize) -> [&[f32]; 3] {
        let at = self.start[3 * node];
        let rows = &self.values[at..at + 3 * common + 6];
        [&rows[..common + 1], &rows[common + 1..2 * common + 3], &rows[2 * common + 3..]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tissue::clusters::Clusters;
    use crate::tissue::crew::Crew;
    use crate::tissue::elements::Recipe;
    use crate::tissue::response::Tissue;
    use crate::{clock::Chance, geom::TetMesh};

    /// The energy of a motion of the lattice, by its own matrix and by the elements.
    fn energies(is_pinned: impl Fn(Vec3) -> bool) -> Vec<(f64, f64)> {
        let TetMesh { vertices: rest, tets } = TetMesh::block([12, 7, 8], Vec3::new(0.072, 0.042, 0.048));
        let shapes: Vec<Element> = tets.iter().filter_map(|t| Element::new(t.map(|v| rest[v as usize]))).collect();
        assert_eq!(shapes.len(), tets.len());
        let pinned: Vec<bool> = rest.iter().map(|&x| is_pinned(x)).collect();
        let order: Vec<u32> = (0..tets.len() as u32).collect();
        let tissue = |_: usize| Tissue { mu: 1000.0, lambda_mu: 10_000.0, ..Tissue::default() };
        let recipe = Recipe { rest: &rest, tets: &tets, shapes: &shapes, tissue: &tissue, parent: &|tet| tet, patches: false };
        let mut elements = Elements::default();
        elements.renew(&recipe, &order, |_| true);
        let free: Vec<bool> = pinned.iter().map(|held| !held).collect();
        let mut blocks = vec![[0.0; 6]; rest.len()];
        Crew::call(true, |crew| {
            elements.evaluate(crew, || (), |_| [0.0; 4]);
            elements.diagonal(crew, true, &mut blocks, &mut Clusters::default());
        });
        let mass = vec![0.0; rest.len()];
        let shape = Shape {
            rest: &rest,
            tets: &tets,
            shapes: &shapes,
            is_pinned: &pinned,
            elements: &elements,
            mass: &mass,
            per_mass: 1.0,
            free: &free,
            blocks: &blocks,
            terms: &Terms::default(),
        };
        let mut laying = shape.begin();
        let layout = loop {
            laying.work();
            match laying.finish() {
                Ok(layout) => break layout,
                Err(unfinished) => laying = unfinished,
            }
        };
        let mut profile = Profile::new(layout, &shape);
        profile.add_groups(usize::MAX);
        let mut chance = Chance::new(3, "lattice");
        (0..5)
            .map(|_| {
                let c: Vec<f32> = (0..profile.unknowns()).map(|_| chance.normal()).collect();
                let mut own = 0.0f64;
                for row in 0..profile.unknowns() {
                    let first = 3 * profile.first[row / 3] as usize;
                    for column in first..=row {
                        let value = profile.values[profile.start[row] + column - first];
                        let twice = if column == row { 1.0 } else { 2.0 };
                        own += twice * f64::from(value) * f64::from(c[row]) * f64::from(c[column]);
                    }
                }
                let moved: Vec<Node> = profile
                    .layout
                    .weights
                    .iter()
                    .zip(&free)
                    .map(|((nodes, weights), &is_free)| {
                        let mut sum = [0.0f32; 4];
                        for (node, weight) in nodes.iter().zip(weights) {
                            (0..3).for_each(|k| sum[k] += weight * c[3 * *node as usize + k]);
                        }
                        if is_free { sum } else { [0.0; 4] }
                    })
                    .collect();
                Crew::call(true, |crew| elements.product(crew, || (), &moved));
                let force = (0..rest.len()).map(|node| elements.force(node));
                let true_one: f64 =
                    moved.iter().zip(force).map(|(u, f)| (0..3).map(|k| f64::from(u[k] * f[k])).sum::<f64>()).sum();
                (own, true_one)
            })
            .collect()
    }

    #[test]
    fn the_lattice_knows_the_stiffness_of_its_motions() {
        for (own, true_one) in energies(|_| false).into_iter().chain(energies(|x| x.y < 0.011)) {
            assert!((own / true_one - 1.0).abs() < 0.3, "{own} for {true_one}");
        }
    }
}
