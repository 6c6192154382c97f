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
use super::lanes::{dot, widest};
use super::layout::{Group, Layout};
use super::material::{Mat3, clamped_weight, cofactor};

/// Multiplications that the factorisation may spend in one tick.
const WORK_PER_TICK: usize = 1_500_000;
/// A pivot below this share of its diagonal belongs to a lattice node that too few nodes of the body determine.
const DEPENDENT: f32 = 1e-4;
/// Ticks from one finished factorisation to the start of the next.
const TICKS_BETWEEN: u32 = 6;

/// The lattice's matrix: the lower triangle by rows, each from its first entry to the diagonal, whose reciprocal is stored once factorised.
struct Profile {
    layout: Arc<Layout>,
    first: Arc<Vec<u32>>,
    start: Arc<Vec<usize>>,
    values: Vec<f32>,
    next_row: usize,
}

/// The shape of a body that a new layout is made for.
pub struct Shape<'a> {
    pub rest: &'a [Vec3],
    pub tets: &'a [[u32; 4]],
    pub shapes: &'a [Element],
    pub is_pinned: &'a [bool],
    pub elements: &'a Elements,
    /// m/h², kg/s².
    pub inertia: &'a [f32],
    pub free: &'a [bool],
    /// Diagonal blocks of the elements' stiffness, N/m: xx, xy, xz, yy, yz, zz.
    pub blocks: &'a [[f32; 6]],
}

fn mean_diagonal(block: &[f32; 6]) -> f32 {
    (block[0] + block[3] + block[5]) / 3.0
}

/// The lattice factor in use and the one being made.
#[derive(Default)]
pub struct Lattice {
    used: Option<Profile>,
    pending: Option<Profile>,
    /// The body was cut since the layout in use was made.
    is_outdated: bool,
    wait: u32,
    rhs: Vec<f32>,
}

impl Lattice {
    /// Takes in nodes and tetrahedra that a cut has made. The layout in use goes on as if there were no cut, which costs iterations; the next
    /// one knows of it.
    pub fn extend(&mut self, rest: &[Vec3], parents_of_nodes: &[[u32; 2]], parents_of_tets: &[u32]) {
        self.pending = None;
        self.is_outdated = true;
        self.wait = TICKS_BETWEEN;
        let Some(mut used) = self.used.take() else { return };
        if let Some(layout) = Arc::get_mut(&mut used.layout) {
            layout.extend(rest, parents_of_nodes, parents_of_tets);
            self.used = Some(used);
        }
    }

    /// Makes the whole factor now: for the first tick.
    pub fn build(&mut self, shape: &Shape) {
        let mut profile = self.begin(shape);
        profile.factorise(usize::MAX);
        self.rhs = vec![0.0; profile.unknowns()];
        self.used = Some(profile);
        self.pending = None;
    }

    /// Spends one tick's share on the next factor; the answer is whether a new one was begun.
    pub fn advance(&mut self, shape: &Shape) -> bool {
        let Some(mut profile) = self.pending.take() else {
            self.wait += 1;
            let begin = self.wait >= TICKS_BETWEEN;
            if begin {
                self.wait = 0;
                self.pending = Some(self.begin(shape));
            }
            return begin;
        };
        profile.factorise(WORK_PER_TICK);
        if profile.next_row == profile.unknowns() {
            self.rhs.resize(profile.unknowns(), 0.0);
            self.used = Some(profile);
        } else {
            self.pending = Some(profile);
        }
        false
    }

    /// A matrix that is not factorised yet, on the layout in use or, after a cut, on a new one.
    fn begin(&mut self, shape: &Shape) -> Profile {
        let mut profile = match &self.used {
            Some(used) if !self.is_outdated => {
                let (layout, first, start) = (used.layout.clone(), used.first.clone(), used.start.clone());
                Profile { layout, first, start, values: Vec::new(), next_row: 0 }
            }
            _ => Profile::new(Layout::new(shape.rest, shape.tets, shape.shapes, shape.is_pinned, &shape.elements.tets())),
        };
        self.is_outdated = false;
        profile.assemble(shape);
        profile
    }

    /// z += P A⁻¹ Pᵀ r over the free nodes.
    pub fn apply(&mut self, residual: &[Node], free: &[bool], z: &mut [Node]) {
        let Self { used: Some(used), rhs, .. } = self else { return };
        let weights = &used.layout.weights;
        widest!((
            weights: &'a [([u32; 8], [f32; 8])] = weights,
            profile: &'a Profile = used,
            rhs: &'a mut [f32] = rhs,
            residual: &'a [Node] = residual,
            free: &'a [bool] = free,
            z: &'a mut [Node] = z,
        ) -> () {
            rhs.fill(0.0);
            for ((node, &is_free), (nodes, weight)) in residual.iter().zip(free).zip(weights) {
                if is_free {
                    for b in 0..8 {
                        let at = 3 * nodes[b] as usize;
                        let sum = &mut rhs[at..at + 3];
                        for k in 0..3 {
                            sum[k] += weight[b] * node[k];
                        }
                    }
                }
            }
            profile.solve(rhs);
            for ((node, &is_free), (nodes, weight)) in z.iter_mut().zip(free).zip(weights) {
                if is_free {
                    for b in 0..8 {
                        let at = 3 * nodes[b] as usize;
                        let moved = &rhs[at..at + 3];
                        for k in 0..3 {
                            node[k] += weight[b] * moved[k];
                        }
                    }
                }
            }
        });
    }
}

impl Profile {
    fn new(layout: Layout) -> Self {
        let unknowns = 3 * layout.nodes;
        let mut lowest: Vec<u32> = (0..layout.nodes as u32).collect();
        let of_nodes = layout.weights.iter().filter(|w| w.1 != [0.0; 8]).map(|w| &w.0[..]);
        for nodes in layout.groups.iter().map(|g| &g.nodes[..]).chain(of_nodes) {
            let least = nodes.iter().copied().min().unwrap_or(0);
            nodes.iter().for_each(|&n| lowest[n as usize] = lowest[n as usize].min(least));
        }
        let first: Vec<u32> = (0..unknowns).map(|row| 3 * lowest[row / 3]).collect();
        let mut start = Vec::with_capacity(unknowns + 1);
        let mut at = 0;
        for (row, &first) in first.iter().enumerate() {
            start.push(at);
            at += row + 1 - first as usize;
        }
        start.push(at);
        let (first, start) = (Arc::new(first), Arc::new(start));
        Self { layout: Arc::new(layout), first, start, values: Vec::new(), next_row: 0 }
    }

    fn unknowns(&self) -> usize {
        3 * self.layout.nodes
    }

    fn assemble(&mut self, shape: &Shape) {
        let layout = self.layout.clone();
        let mut sums = vec![([[0.0f32; 3]; 3], 0.0f32, 0.0f32); layout.groups.len()];
        shape.elements.for_each_gradient(|tet, f, mu, lambda_mu| {
            let (mean, mu_sum, lambda_mu_sum) = &mut sums[layout.group_of_tet[tet as usize] as usize];
            for i in 0..3 {
                for j in 0..3 {
                    mean[i][j] += mu * f[i][j];
                }
            }
            *mu_sum += mu;
            *lambda_mu_sum += lambda_mu;
        });
        let unknowns = self.unknowns();
        self.values = vec![0.0f32; self.start[unknowns]];
        for (group, (weighted, mu, lambda_mu)) in layout.groups.iter().zip(&sums) {
            if *mu > 0.0 {
                let f = weighted.map(|row| row.map(|entry| entry / mu));
                self.add_group(group, &f, *mu, *lambda_mu);
            }
        }
        for (node, (nodes, weights)) in layout.weights.iter().enumerate() {
            if weights == &[0.0; 8] {
                continue;
            }
            // a driven node resists the lattice's motion by its own stiffness
            let stiffness = if shape.free[node] { shape.inertia[node] } else { mean_diagonal(&shape.blocks[node]) };
            for b in 0..8 {
                for a in 0..8 {
                    if nodes[a] <= nodes[b] {
                        for k in 0..3 {
                            let (row, column) = (3 * nodes[b] as usize + k, 3 * nodes[a] + k as u32);
                            let at = self.start[row] + (column - self.first[row]) as usize;
                            self.values[at] += stiffness * weights[a] * weights[b];
                        }
                    }
                }
            }
        }
    }

    /// One group's stiffness at its averaged deformation: (λ+μ) c_b c_aᵀ + μ (g_b·g_a) I + s ε F(g_b × g_a), with c = cof F g.
    fn add_group(&mut self, group: &Group, f: &Mat3<f32>, mu: f32, lambda_mu: f32) {
        let c = cofactor(f);
        let dilation = f[0][0] * c[0][0] + f[0][1] * c[0][1] + f[0][2] * c[0][2] - 1.0;
        let s = clamped_weight(f, mu, lambda_mu * dilation - mu);
        let g = &group.gradients;
        let times = |m: &Mat3<f32>, v: [f32; 3]| [0, 1, 2].map(|i| m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2]);
        let across: Vec<[f32; 3]> = g.iter().map(|g| times(&c, *g)).collect();
        for b in 0..g.len() {
            for a in 0..g.len() {
                if group.nodes[a] > group.nodes[b] {
                    continue;
                }
                let shear = mu * (g[a][0] * g[b][0] + g[a][1] * g[b][1] + g[a][2] * g[b][2]);
                let turned = [
                    g[b][1] * g[a][2] - g[b][2] * g[a][1],
                    g[b][2] * g[a][0] - g[b][0] * g[a][2],
                    g[b][0] * g[a][1] - g[b][1] * g[a][0],
                ];
                let e = times(f, turned).map(|component| s * component);
                let skew = [[shear, e[2], -e[1]], [-e[2], shear, e[0]], [e[1], -e[0], shear]];
                for i in 0..3 {
                    for k in 0..3 {
                        let (row, column) = (3 * group.nodes[b] as usize + i, 3 * group.nodes[a] as usize + k);
                        if column <= row {
                            let at = self.start[row] + column - self.first[row] as usize;
                            self.values[at] += lambda_mu * across[b][i] * across[a][k] + skew[i][k];
                        }
                    }
                }
            }
        }
    }

    /// Cholesky by rows inside the profile, until done or `work` multiplications are spent; an unknown that the others determine stays at rest.
    fn factorise(&mut self, work: usize) {
        widest!((profile: &'a mut Profile = self, work: usize = work) -> () {
            let (first, start, rows) = (profile.first.clone(), profile.start.clone(), profile.unknowns());
            let mut spent = 0;
            while profile.next_row < rows && spent < work {
                let row = profile.next_row;
                let from = first[row] as usize;
                let (above, own) = profile.values.split_at_mut(start[row]);
                let diagonal = own[row - from];
                for column in from..=row {
                    let begin = from.max(first[column] as usize);
                    let mine = &own[begin - from..column - from];
                    if column == row {
                        let pivot = own[row - from] - dot(mine, mine);
                        // what others determine does not move by itself
                        own[row - from] = if pivot > DEPENDENT * diagonal { 1.0 / pivot.sqrt() } else { 0.0 };
                    } else {
                        let offset = start[column] - first[column] as usize;
                        let other = &above[offset + begin..offset + column];
                        own[column - from] = (own[column - from] - dot(mine, other)) * above[offset + column];
                    }
                    spent += column - begin + 8;
                }
                profile.next_row += 1;
            }
        });
    }

    /// `rhs` becomes A⁻¹ `rhs`.
    #[inline(always)]
    fn solve(&self, rhs: &mut [f32]) {
        let (first, start, rows) = (&self.first, &self.start, self.unknowns());
        for row in 0..rows {
            let (from, at) = (first[row] as usize, start[row]);
            let sum = dot(&self.values[at..at + row - from], &rhs[from..row]);
            rhs[row] = (rhs[row] - sum) * self.values[at + row - from];
        }
        for row in (0..rows).rev() {
            let (from, at) = (first[row] as usize, start[row]);
            let value = rhs[row] * self.values[at + row - from];
            rhs[row] = value;
            for (sum, entry) in rhs[from..row].iter_mut().zip(&self.values[at..at + row - from]) {
                *sum -= entry * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Chance, geom::TetMesh};

    /// The energy of a motion of the lattice, by its own matrix and by the elements.
    fn energies(is_pinned: impl Fn(Vec3) -> bool) -> Vec<(f64, f64)> {
        let TetMesh { vertices: rest, tets } = TetMesh::block([12, 7, 8], Vec3::new(0.072, 0.042, 0.048));
        let shapes: Vec<Element> = tets.iter().filter_map(|t| Element::new(t.map(|v| rest[v as usize]))).collect();
        assert_eq!(shapes.len(), tets.len());
        let pinned: Vec<bool> = rest.iter().map(|&x| is_pinned(x)).collect();
        let order: Vec<u32> = (0..tets.len() as u32).collect();
        let mut elements = Elements::new(&tets, &shapes, &order, rest.len(), |_| (1000.0, 10_000.0));
        elements.evaluate(&vec![[0.0; 4]; rest.len()], &mut vec![[0.0; 4]; rest.len()]);
        let free: Vec<bool> = pinned.iter().map(|held| !held).collect();
        let mut blocks = vec![[0.0; 6]; rest.len()];
        elements.diagonal(&mut blocks);
        let inertia = vec![0.0; rest.len()];
        let shape = Shape {
            rest: &rest,
            tets: &tets,
            shapes: &shapes,
            is_pinned: &pinned,
            elements: &elements,
            inertia: &inertia,
            free: &free,
            blocks: &blocks,
        };
        let mut profile = Profile::new(Layout::new(&rest, &tets, &shapes, &pinned, &order));
        profile.assemble(&shape);
        let mut chance = Chance::new(3, "lattice");
        (0..5)
            .map(|_| {
                let c: Vec<f32> = (0..profile.unknowns()).map(|_| chance.normal()).collect();
                let mut own = 0.0f64;
                for row in 0..profile.unknowns() {
                    for column in profile.first[row] as usize..=row {
                        let value = profile.values[profile.start[row] + column - profile.first[row] as usize];
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
                let mut force = vec![[0.0; 4]; rest.len()];
                elements.product(&moved, &mut force);
                let true_one: f64 =
                    moved.iter().zip(&force).map(|(u, f)| (0..3).map(|k| f64::from(u[k] * f[k])).sum::<f64>()).sum();
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
