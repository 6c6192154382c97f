//! The coarse half of the preconditioner: the body seen through a trilinear lattice.
//!
//! Every node moves with the eight lattice nodes around its rest position, so smooth motion (bending, swinging), which costs a local
//! preconditioner hundreds of iterations, is solved for directly. The lattice's matrix is the Galerkin product of the stiffness at one
//! averaged deformation per eighth of a cell, plus the inertia, factorised row by row inside its profile. Building it is spread over several
//! ticks, with the last one in use meanwhile: a stale lattice costs iterations, never correctness.

use glam::Vec3;

use super::elements::{Element, Elements, Node};
use super::lanes::{dot, widest};
use super::material::{Mat3, clamped_weight, cofactor};

/// Fine cells (five tetrahedra each) along the edge of a lattice cell.
const FINE_CELLS: f32 = 3.0;
/// Lattice nodes at most; past this the cells grow.
const MOST_NODES: usize = 320;
/// Multiplications that the factorisation may spend in one tick.
const WORK_PER_TICK: usize = 1_500_000;
/// Ticks from one finished factorisation to the start of the next.
const TICKS_BETWEEN: u32 = 6;

struct Group {
    nodes: [u32; 8],
    /// Gradients of the eight lattice functions at the group's centre, 1/m.
    gradients: [[f32; 3]; 8],
}

/// Lower triangle by rows, each from its first entry to the diagonal, whose reciprocal is stored once factorised.
struct Profile {
    values: Vec<f32>,
    next_row: usize,
    largest: f32,
}

/// A lattice over a body, with the factor in use and the one being made.
pub struct Lattice {
    unknowns: usize,
    /// Lattice nodes and weights of every node of the body.
    weights: Vec<([u32; 8], [f32; 8])>,
    groups: Vec<Group>,
    group_of_tet: Vec<u32>,
    first: Vec<u32>,
    start: Vec<usize>,
    used: Profile,
    pending: Option<Profile>,
    wait: u32,
    rhs: Vec<f32>,
}

impl Lattice {
    /// Lays the lattice over the rest shape; pieces that share no node get lattice nodes of their own.
    pub fn new(rest: &[Vec3], tets: &[[u32; 4]], elements: &[Element], piece_of_tet: &[u32]) -> Self {
        let volume: f64 = elements.iter().map(|e| f64::from(e.volume)).sum();
        let fine = (5.0 * volume / tets.len().max(1) as f64).cbrt() as f32;
        let (low, high) = rest.iter().fold((Vec3::MAX, Vec3::MIN), |(low, high), &x| (low.min(x), high.max(x)));
        let mut piece_of_node = vec![0u32; rest.len()];
        for (tet, corners) in tets.iter().enumerate() {
            corners.iter().for_each(|&v| piece_of_node[v as usize] = piece_of_tet[tet]);
        }
        let mut cell = FINE_CELLS * fine;
        loop {
            let lattice = Self::with_cell(rest, tets, &piece_of_node, low, high - low, cell);
            if lattice.unknowns <= 3 * MOST_NODES || cell > (high - low).max_element() {
                return lattice;
            }
            cell *= 1.15;
        }
    }

    fn with_cell(rest: &[Vec3], tets: &[[u32; 4]], piece_of_node: &[u32], low: Vec3, size: Vec3, cell: f32) -> Self {
        let dims = size.to_array().map(|s| ((s / cell).round() as usize).clamp(1, 200));
        let steps: [f32; 3] = std::array::from_fn(|k| (size[k] / dims[k] as f32).max(1e-9));
        // the longest axis varies slowest, which keeps the profile narrow
        let mut axes = [0usize, 1, 2];
        axes.sort_by_key(|&k| (std::cmp::Reverse(dims[k]), k));
        let locate = |x: Vec3| {
            let mut base = [0usize; 3];
            let mut fraction = [0.0f32; 3];
            for k in 0..3 {
                let along = (x[k] - low[k]) / steps[k];
                base[k] = (along.floor().max(0.0) as usize).min(dims[k] - 1);
                fraction[k] = along - base[k] as f32;
            }
            (base, fraction)
        };
        let corner = |base: [usize; 3], b: usize, piece: u32| {
            let at: [u64; 3] = std::array::from_fn(|k| (base[k] + (b >> k & 1)) as u64);
            ((at[axes[0]] << 40) | (at[axes[1]] << 32) | (at[axes[2]] << 24)) | u64::from(piece)
        };
        let mut keys: Vec<u64> = Vec::with_capacity(rest.len() * 8);
        let placed: Vec<_> = rest.iter().map(|&x| locate(x)).collect();
        for (node, &(base, _)) in placed.iter().enumerate() {
            keys.extend((0..8).map(|b| corner(base, b, piece_of_node[node])));
        }
        let centre = |tet: u32| tets[tet as usize].iter().map(|&v| rest[v as usize]).sum::<Vec3>() * 0.25;
        let piece_of = |tet: u32| piece_of_node[tets[tet as usize][0] as usize];
        let mut sorted: Vec<(u64, u32)> = Vec::with_capacity(tets.len());
        for tet in 0..tets.len() as u32 {
            let (base, fraction) = locate(centre(tet));
            let octant = (0..3).map(|k| u64::from(fraction[k] > 0.5) << k).sum::<u64>();
            sorted.push(((corner(base, 0, piece_of(tet)) << 3) | octant, tet));
        }
        sorted.sort_unstable();
        for members in sorted.chunk_by(|a, b| a.0 >> 3 == b.0 >> 3) {
            let tet = members[0].1;
            keys.extend((0..8).map(|b| corner(locate(centre(tet)).0, b, piece_of(tet))));
        }
        keys.sort_unstable();
        keys.dedup();
        let number = |key: u64| keys.binary_search(&key).unwrap_or(0) as u32;
        let weights = placed
            .iter()
            .enumerate()
            .map(|(node, &(base, fraction))| {
                let weight =
                    |b: usize| (0..3).map(|k| if b >> k & 1 == 1 { fraction[k] } else { 1.0 - fraction[k] }).product::<f32>();
                (std::array::from_fn(|b| number(corner(base, b, piece_of_node[node]))), std::array::from_fn(weight))
            })
            .collect();

        let mut group_of_tet = vec![0u32; tets.len()];
        let mut groups = Vec::new();
        for members in sorted.chunk_by(|a, b| a.0 == b.0) {
            let middle = members.iter().map(|&(_, tet)| centre(tet)).sum::<Vec3>() / members.len() as f32;
            let (base, fraction) = locate(middle);
            let piece = piece_of(members[0].1);
            let slope = |b: usize, axis: usize| {
                let sign = if b >> axis & 1 == 1 { 1.0 } else { -1.0 };
                let others = (0..3).filter(|&k| k != axis);
                sign / steps[axis]
                    * others.map(|k| if b >> k & 1 == 1 { fraction[k] } else { 1.0 - fraction[k] }).product::<f32>()
            };
            members.iter().for_each(|&(_, tet)| group_of_tet[tet as usize] = groups.len() as u32);
            groups.push(Group {
                nodes: std::array::from_fn(|b| number(corner(base, b, piece))),
                gradients: std::array::from_fn(|b| std::array::from_fn(|axis| slope(b, axis))),
            });
        }

        let unknowns = 3 * keys.len();
        let mut lattice = Self {
            unknowns,
            weights,
            groups,
            group_of_tet,
            first: Vec::new(),
            start: Vec::new(),
            used: Profile { values: Vec::new(), next_row: 0, largest: 0.0 },
            pending: None,
            wait: 0,
            rhs: vec![0.0; unknowns],
        };
        lattice.lay_out_profile();
        lattice
    }

    fn lay_out_profile(&mut self) {
        let mut lowest: Vec<u32> = (0..self.unknowns as u32 / 3).collect();
        let blocks = self.groups.iter().map(|g| g.nodes).chain(self.weights.iter().map(|w| w.0));
        for nodes in blocks {
            let least = nodes.iter().copied().min().unwrap_or(0);
            nodes.iter().for_each(|&n| lowest[n as usize] = lowest[n as usize].min(least));
        }
        self.first = (0..self.unknowns).map(|row| 3 * lowest[row / 3]).collect();
        self.start = Vec::with_capacity(self.unknowns + 1);
        let mut at = 0;
        for row in 0..self.unknowns {
            self.start.push(at);
            at += row + 1 - self.first[row] as usize;
        }
        self.start.push(at);
    }

    /// Takes in nodes and tetrahedra that a cut has made: a node copies or averages its parents, a tetrahedron joins its parent's group.
    pub fn extend(&mut self, rest: &[Vec3], parents_of_nodes: &[[u32; 2]], parents_of_tets: &[u32]) {
        for (new, parents) in parents_of_nodes.iter().enumerate() {
            let node = self.weights.len();
            debug_assert!(node < rest.len(), "{new}");
            let nearest = parents
                .iter()
                .copied()
                .min_by(|&a, &b| {
                    let away = |p: u32| (rest[p as usize] - rest[node]).length_squared();
                    away(a).total_cmp(&away(b)).then(a.cmp(&b))
                })
                .unwrap_or(0);
            self.weights.push(self.weights[nearest as usize]);
        }
        for &parent in parents_of_tets {
            self.group_of_tet.push(self.group_of_tet[parent as usize]);
        }
    }

    /// Makes the whole factor now: for the first tick.
    pub fn build(&mut self, elements: &Elements, inertia: &[f32], free: &[bool]) {
        let mut profile = self.assemble(elements, inertia, free);
        self.factorise(&mut profile, usize::MAX);
        self.used = profile;
        self.pending = None;
    }

    /// Spends one tick's share on the next factor; the answer is whether a new one was begun.
    pub fn advance(&mut self, elements: &Elements, inertia: &[f32], free: &[bool]) -> bool {
        let Some(mut profile) = self.pending.take() else {
            self.wait += 1;
            let begin = self.wait >= TICKS_BETWEEN;
            if begin {
                self.wait = 0;
                self.pending = Some(self.assemble(elements, inertia, free));
            }
            return begin;
        };
        self.factorise(&mut profile, WORK_PER_TICK);
        if profile.next_row == self.unknowns {
            self.used = profile;
        } else {
            self.pending = Some(profile);
        }
        false
    }

    fn assemble(&self, elements: &Elements, inertia: &[f32], free: &[bool]) -> Profile {
        let mut sums = vec![([[0.0f32; 3]; 3], 0.0f32, 0.0f32); self.groups.len()];
        elements.for_each_gradient(|tet, f, mu, lambda_mu| {
            let (mean, mu_sum, lambda_mu_sum) = &mut sums[self.group_of_tet[tet as usize] as usize];
            for i in 0..3 {
                for j in 0..3 {
                    mean[i][j] += mu * f[i][j];
                }
            }
            *mu_sum += mu;
            *lambda_mu_sum += lambda_mu;
        });
        let mut values = vec![0.0f32; self.start[self.unknowns]];
        for (group, (weighted, mu, lambda_mu)) in self.groups.iter().zip(&sums) {
            if *mu > 0.0 {
                let f = weighted.map(|row| row.map(|entry| entry / mu));
                self.add_group(group, &f, *mu, *lambda_mu, &mut values);
            }
        }
        let largest = (0..self.unknowns).map(|row| values[self.start[row + 1] - 1]).fold(0.0f32, f32::max);
        for (node, (nodes, weights)) in self.weights.iter().enumerate() {
            // a held node holds its lattice cell
            let stiffness = if free[node] { inertia[node] } else { largest };
            for b in 0..8 {
                for a in 0..8 {
                    if nodes[a] <= nodes[b] {
                        for k in 0..3 {
                            let (row, column) = (3 * nodes[b] as usize + k, 3 * nodes[a] + k as u32);
                            values[self.start[row] + (column - self.first[row]) as usize] += stiffness * weights[a] * weights[b];
                        }
                    }
                }
            }
        }
        Profile { values, next_row: 0, largest }
    }

    /// One group's stiffness at its averaged deformation: (λ+μ) c_b c_aᵀ + μ (g_b·g_a) I + s ε F(g_b × g_a), with c = cof F g.
    fn add_group(&self, group: &Group, f: &Mat3<f32>, mu: f32, lambda_mu: f32, values: &mut [f32]) {
        let c = cofactor(f);
        let dilation = f[0][0] * c[0][0] + f[0][1] * c[0][1] + f[0][2] * c[0][2] - 1.0;
        let s = clamped_weight(f, mu, lambda_mu * dilation - mu);
        let g = &group.gradients;
        let times = |m: &Mat3<f32>, v: [f32; 3]| [0, 1, 2].map(|i| m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2]);
        let across: [[f32; 3]; 8] = std::array::from_fn(|b| times(&c, g[b]));
        for b in 0..8 {
            for a in 0..8 {
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
                            values[self.start[row] + column - self.first[row] as usize] +=
                                lambda_mu * across[b][i] * across[a][k] + skew[i][k];
                        }
                    }
                }
            }
        }
    }

    /// Cholesky by rows inside the profile, until done or `work` multiplications are spent; a pivot that is not positive is lifted.
    fn factorise(&self, profile: &mut Profile, work: usize) {
        widest!((profile: &'a mut Profile = profile, lattice: &'a Lattice = self, work: usize = work) -> () {
            let (first, start, rows) = (&lattice.first, &lattice.start, lattice.unknowns);
            let mut spent = 0;
            let floor = 1e-6 * profile.largest;
            while profile.next_row < rows && spent < work {
                let row = profile.next_row;
                let from = first[row] as usize;
                let (above, own) = profile.values.split_at_mut(start[row]);
                for column in from..=row {
                    let begin = from.max(first[column] as usize);
                    let mine = &own[begin - from..column - from];
                    if column == row {
                        let pivot = own[row - from] - dot(mine, mine);
                        own[row - from] = 1.0 / pivot.max(floor).max(f32::MIN_POSITIVE).sqrt();
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

    /// z += P A⁻¹ Pᵀ r over the free nodes.
    pub fn apply(&mut self, residual: &[Node], free: &[bool], z: &mut [Node]) {
        widest!((lattice: &'a mut Lattice = self, residual: &'a [Node] = residual, free: &'a [bool] = free, z: &'a mut [Node] = z) -> () {
            let Lattice { weights, rhs, used, first, start, unknowns, .. } = lattice;
            rhs.fill(0.0);
            for ((node, &is_free), (nodes, weight)) in residual.iter().zip(free).zip(weights.iter()) {
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
            for row in 0..*unknowns {
                let (from, at) = (first[row] as usize, start[row]);
                let sum = dot(&used.values[at..at + row - from], &rhs[from..row]);
                rhs[row] = (rhs[row] - sum) * used.values[at + row - from];
            }
            for row in (0..*unknowns).rev() {
                let (from, at) = (first[row] as usize, start[row]);
                let value = rhs[row] * used.values[at + row - from];
                rhs[row] = value;
                for (sum, entry) in rhs[from..row].iter_mut().zip(&used.values[at..at + row - from]) {
                    *sum -= entry * value;
                }
            }
            for ((node, &is_free), (nodes, weight)) in z.iter_mut().zip(free).zip(weights.iter()) {
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
