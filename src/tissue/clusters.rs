//! Clusters: the larger blocks of the preconditioner, around cuts.
//!
//! A cut leaves short edges, small elements and flaps that hang by little. What such nodes do together is soft, what they do against one another
//! is stiff, and blocks of one node each tell nothing of either: every flap costs a solve iterations of its own. So the nodes about a cut are put
//! together, those first that the elements tie most, until a cluster has sixteen, and a cluster's block is solved as a whole. Pairs are
//! joined in rounds, as in aggregation multigrid (Notay, “An aggregation-based algebraic multigrid method”, ETNA 37, 2010), by the Laplacian
//! of the rest shape. Eight clusters are factorised side by side.

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use super::crew::{Crew, parts};
use super::elements::{Element, Node};
use super::lanes::{Lanes, Real, WIDTH, widest};

/// Nodes a cluster has at most.
pub const SIZE: usize = 16;
/// Clusters of about one size stand side by side: of up to so many nodes, twice, three and four times as many.
const STEP: usize = 4;
/// Rounds of joining in pairs.
const ROUNDS: u32 = 4;
/// Ties below this share of what ties the two to everything else join nothing.
const WEAKEST: f32 = 0.05;
/// A pivot below this share of its diagonal is rounding.
const DEPENDENT: f32 = 1e-6;
/// No node, no place.
pub const NONE: u32 = u32::MAX;

/// Eight clusters, a lane each.
#[derive(Clone)]
struct Group {
    nodes: Vec<[u32; WIDTH]>,
    /// What the elements couple, N/m: the lower triangle by rows, zero in the nodes' own blocks.
    coupling: Vec<Lanes>,
    /// Cholesky's factor by rows, with the reciprocals of its diagonal.
    factor: Vec<Lanes>,
    /// Lanes whose factor is one.
    is_sound: [bool; WIDTH],
    /// What the last solve gave, three rows a node.
    solution: Vec<Lanes>,
}

/// The clusters of a body.
#[derive(Clone, Default)]
pub struct Clusters {
    groups: Vec<Group>,
    /// Where a node stands, or [`NONE`]: its cluster × 16 and its number there.
    places: Vec<u32>,
    /// Places for clusters that are not taken, by size.
    empty: [Vec<u32>; SIZE / STEP],
}

/// What clusters are made of.
pub struct Ties<'a> {
    pub tets: &'a [[u32; 4]],
    pub shapes: &'a [Element],
    /// Shear modulus of a tetrahedron, Pa.
    pub modulus: &'a dyn Fn(usize) -> f32,
    /// Nodes that cuts have passed through.
    pub on_cut: &'a [bool],
    pub is_pinned: &'a [bool],
}

fn split(place: u32) -> (usize, usize, usize) {
    let cluster = (place >> 4) as usize;
    (cluster / WIDTH, cluster % WIDTH, (place & 15) as usize)
}

/// Where the row of an unknown begins in a lower triangle.
const fn row(unknown: usize) -> usize {
    unknown * (unknown + 1) / 2
}

/// What is left of three entries from column `from` on in each of three rows, when the products of the columns before are taken off.
#[inline(always)]
fn less(rows: [&[Lanes]; 3], others: [&[Lanes]; 3], from: usize) -> [[Lanes; 3]; 3] {
    let mut left = rows.map(|row| [row[from], row[from + 1], row[from + 2]]);
    for k in 0..from {
        let theirs = others.map(|row| row[k]);
        for (left, row) in left.iter_mut().zip(rows) {
            for (left, theirs) in left.iter_mut().zip(theirs) {
                *left = *left - row[k] * theirs;
            }
        }
    }
    left
}

impl Group {
    /// For clusters of up to `size` nodes.
    fn new(size: usize) -> Self {
        Self {
            nodes: vec![[NONE; WIDTH]; size],
            coupling: vec![Lanes::ZERO; row(3 * size)],
            factor: vec![Lanes::ZERO; row(3 * size)],
            is_sound: [false; WIDTH],
            solution: vec![Lanes::ZERO; 3 * size],
        }
    }

    /// With the nodes' own blocks, xx, xy, xz, yy, yz, zz, and their inertia; a node that does not move takes part in nothing.
    #[inline(always)]
    fn factorise(&mut self, blocks: &[[f32; 6]], inertia: &[f32], free: &[bool]) {
        let (rows, a) = (3 * self.nodes.len(), &mut self.factor[..]);
        a.copy_from_slice(&self.coupling);
        for (place, nodes) in self.nodes.iter().enumerate() {
            for (lane, &node) in nodes.iter().enumerate() {
                if node != NONE && free[node as usize] {
                    let ([xx, xy, xz, yy, yz, zz], m) = (blocks[node as usize], inertia[node as usize]);
                    let own = [&[xx + m][..], &[xy, yy + m], &[xz, yz, zz + m]];
                    for (k, own) in own.into_iter().enumerate() {
                        let first = row(3 * place + k) + 3 * place;
                        own.iter().enumerate().for_each(|(column, value)| a[first + column].0[lane] = *value);
                    }
                    continue;
                }
                for k in 3 * place..3 * place + 3 {
                    a[row(k)..row(k + 1)].iter_mut().for_each(|entry| entry.0[lane] = 0.0);
                    (k + 1..rows).for_each(|below| a[row(below) + k].0[lane] = 0.0);
                    a[row(k) + k].0[lane] = 1.0;
                }
            }
        }
        let mut is_sound = [true; WIDTH];
        // three rows by three columns at a time: nine sums that do not wait for one another
        for i in (0..rows).step_by(3) {
            let (above, own) = a.split_at_mut(row(i));
            let (x, rest) = own.split_at_mut(i + 1);
            let (y, rest) = rest.split_at_mut(i + 2);
            let z = &mut rest[..i + 3];
            for j in (0..i).step_by(3) {
                let others = [0, 1, 2].map(|k| &above[row(j + k)..row(j + k + 1)]);
                let sums = less([&x[..], &y[..], &z[..]], others, j);
                for (own, sums) in [&mut *x, &mut *y, &mut *z].into_iter().zip(sums) {
                    let first = sums[0] * others[0][j];
                    let second = (sums[1] - first * others[1][j]) * others[1][j + 1];
                    own[j] = first;
                    own[j + 1] = second;
                    own[j + 2] = (sums[2] - first * others[2][j] - second * others[2][j + 1]) * others[2][j + 2];
                }
            }
            let pad = |own: &[Lanes]| [0, 1, 2].map(|k| own.get(i + k).copied().unwrap_or(Lanes::ZERO));
            let whole = [x[i], y[i + 1], z[i + 2]];
            let mut left = [pad(x), pad(y), pad(z)];
            for k in 0..i {
                let column = [x[k], y[k], z[k]];
                for (m, left) in left.iter_mut().enumerate() {
                    for n in 0..=m {
                        left[n] = left[n] - column[m] * column[n];
                    }
                }
            }
            let [[xx, ..], [yx, yy, _], [zx, zy, zz]] = left;
            x[i] = Lanes::of(1.0) / xx.sqrt();
            y[i] = yx * x[i];
            let yy = yy - y[i] * y[i];
            y[i + 1] = Lanes::of(1.0) / yy.sqrt();
            z[i] = zx * x[i];
            z[i + 1] = (zy - z[i] * y[i]) * y[i + 1];
            let zz = zz - z[i] * z[i] - z[i + 1] * z[i + 1];
            z[i + 2] = Lanes::of(1.0) / zz.sqrt();
            for (left, whole) in [xx, yy, zz].into_iter().zip(whole) {
                for lane in 0..WIDTH {
                    is_sound[lane] &= left.0[lane] > DEPENDENT * whole.0[lane];
                }
            }
        }
        self.is_sound = is_sound;
    }

    #[inline(always)]
    fn solve(&mut self, residual: &[Node]) {
        let rows = 3 * self.nodes.len();
        let (a, x) = (&self.factor[..row(rows)], &mut self.solution[..rows]);
        for (place, nodes) in self.nodes.iter().enumerate() {
            for (lane, &node) in nodes.iter().enumerate() {
                let r = residual.get(node as usize).copied().unwrap_or_default();
                for k in 0..3 {
                    x[3 * place + k].0[lane] = r[k];
                }
            }
        }
        for i in 0..rows {
            let own = &a[row(i)..row(i + 1)];
            let mut sum = x[i];
            for k in 0..i {
                sum = sum - own[k] * x[k];
            }
            x[i] = sum * own[i];
        }
        for i in (0..rows).rev() {
            let own = &a[row(i)..row(i + 1)];
            let found = x[i] * own[i];
            x[i] = found;
            for k in 0..i {
                x[k] = x[k] - own[k] * found;
            }
        }
    }
}

impl Clusters {
    /// Where nodes stand: two of the same cluster have the same [`Clusters::of`].
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// The cluster of a place.
    pub fn of(place: u32) -> u32 {
        place >> 4
    }

    /// Begins a sum of what the elements couple.
    pub fn clear(&mut self) {
        self.groups.iter_mut().for_each(|group| group.coupling.fill(Lanes::ZERO));
    }

    /// Adds the stiffness that couples the node at one place (rows) to the node at another of the same cluster (columns).
    pub fn add(&mut self, [to, from]: [u32; 2], block: &[[f32; 3]; 3]) {
        let ((group, lane, to), (_, _, from)) = (split(to), split(from));
        let coupling = &mut self.groups[group].coupling;
        for i in 0..3 {
            for k in 0..3 {
                let (i_at, k_at) = (3 * to + i, 3 * from + k);
                coupling[row(i_at.max(k_at)) + i_at.min(k_at)].0[lane] += block[i][k];
            }
        }
    }

    /// Takes in the nodes' own stiffness, N/m, and inertia, kg/s².
    pub fn factorise(&mut self, crew: &mut Crew, blocks: &[[f32; 6]], inertia: &[f32], free: &[bool]) {
        crew.each(parts(&mut self.groups, 1), |_, group| {
            widest!((
                group: &'a mut Group = &mut group[0],
                blocks: &'a [[f32; 6]] = blocks,
                inertia: &'a [f32] = inertia,
                free: &'a [bool] = free,
            ) -> () { group.factorise(blocks, inertia, free) });
        });
    }

    /// Solves every cluster for itself, for [`Clusters::solution`]; `task` is something else to do meanwhile.
    pub fn solve(&mut self, crew: &mut Crew, task: impl FnOnce() + Send, residual: &[Node]) {
        crew.each_beside(task, parts(&mut self.groups, 1), |_, group| {
            widest!((group: &'a mut Group = &mut group[0], residual: &'a [Node] = residual) -> () { group.solve(residual) });
        });
    }

    /// What the last solve gave for a node; `None` where it is in no cluster, or in one whose block is not positive.
    #[inline(always)]
    pub fn solution(&self, node: usize) -> Option<Node> {
        let (group, lane, place) = self.places.get(node).copied().filter(|&place| place != NONE).map(split)?;
        let Group { is_sound, solution, .. } = &self.groups[group];
        let x = |k: usize| solution[3 * place + k].0[lane];
        is_sound[lane].then(|| [x(0), x(1), x(2), 0.0])
    }

    /// Makes the clusters anew of the nodes that `is_touched` names and of those they stood with; the answer is all of these nodes.
    pub fn renew(&mut self, ties: &Ties, is_touched: &[bool]) -> Vec<u32> {
        self.places.resize(is_touched.len(), NONE);
        let mut moves = is_touched.to_vec();
        for node in (0..is_touched.len()).filter(|&node| is_touched[node]) {
            self.dissolve(self.places[node], &mut moves);
        }
        let nodes: Vec<u32> = (0..moves.len() as u32).filter(|&node| moves[node as usize]).collect();
        let mut joint = Joint::new(ties, &moves, &nodes);
        (0..ROUNDS).for_each(|_| joint.round());
        for members in joint.members.iter().filter(|members| members.len() > 1) {
            let steps = members.len().div_ceil(STEP);
            let empty = &mut self.empty[steps - 1];
            let cluster = empty.pop().unwrap_or_else(|| {
                let first = (self.groups.len() * WIDTH) as u32;
                self.groups.push(Group::new(steps * STEP));
                empty.extend((first + 1..first + WIDTH as u32).rev());
                first
            });
            for (place, &member) in members.iter().enumerate() {
                let at = cluster << 4 | place as u32;
                let (group, lane, place) = split(at);
                self.groups[group].nodes[place][lane] = nodes[member as usize];
                self.places[nodes[member as usize] as usize] = at;
            }
        }
        nodes
    }

    fn dissolve(&mut self, place: u32, moves: &mut [bool]) {
        if place == NONE {
            return;
        }
        let (group, lane, _) = split(place);
        for nodes in &mut self.groups[group].nodes {
            let node = std::mem::replace(&mut nodes[lane], NONE);
            if node != NONE {
                moves[node as usize] = true;
                self.places[node as usize] = NONE;
            }
        }
        self.empty[self.groups[group].nodes.len() / STEP - 1].push(Self::of(place));
    }
}

/// Nodes that are being joined.
struct Joint {
    /// By the number that the first of them has.
    members: Vec<Vec<u32>>,
    /// What ties a cluster to all others.
    outward: Vec<f32>,
    /// Two clusters, the lower first, and what ties them, sorted.
    ties: Vec<(u32, u32, f32)>,
}

impl Joint {
    fn new(Ties { tets, shapes, modulus, on_cut, is_pinned }: &Ties, moves: &[bool], nodes: &[u32]) -> Self {
        let mut numbers = vec![NONE; moves.len()];
        nodes
            .iter()
            .zip(0..)
            .for_each(|(&node, number)| numbers[node as usize] = if is_pinned[node as usize] { NONE } else { number });
        let mut outward = vec![0.0f32; nodes.len()];
        let mut ties = Vec::new();
        for (tet, corners) in tets.iter().enumerate().filter(|(_, corners)| corners.iter().any(|&v| moves[v as usize])) {
            let g = shapes[tet].gradients.map(glam::Vec3::from);
            let gradients = [-(g[0] + g[1] + g[2]), g[0], g[1], g[2]];
            let weight = modulus(tet) * shapes[tet].volume;
            let numbers = corners.map(|v| numbers[v as usize]);
            for i in (0..4).filter(|&i| numbers[i] != NONE) {
                let a = numbers[i];
                outward[a as usize] += weight * gradients[i].length_squared();
                for j in (i + 1..4).filter(|&j| numbers[j] != NONE) {
                    let b = numbers[j];
                    if on_cut[corners[i] as usize] || on_cut[corners[j] as usize] {
                        ties.push((a.min(b), a.max(b), -weight * gradients[i].dot(gradients[j])));
                    }
                }
            }
        }
        let mut joint = Self { members: (0..nodes.len() as u32).map(|node| vec![node]).collect(), outward, ties };
        joint.sum();
        joint
    }

    /// One entry for each two.
    fn sum(&mut self) {
        self.ties.sort_by_key(|&(a, b, _)| (a, b));
        self.ties.dedup_by(|next, sum| {
            let is_same = (next.0, next.1) == (sum.0, sum.1);
            if is_same {
                sum.2 += next.2;
            }
            is_same
        });
    }

    /// Joins pairs, the most tied first, each cluster once at most.
    fn round(&mut self) {
        let Self { members, outward, ties } = self;
        let strength = |&(a, b, tie): &(u32, u32, f32)| tie.abs() / (outward[a as usize] * outward[b as usize]).sqrt();
        let mut strongest: Vec<(f32, u32, u32, f32)> =
            ties.iter().map(|tie| (strength(tie), tie.0, tie.1, tie.2)).filter(|tie| tie.0 > WEAKEST).collect();
        strongest.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        let mut joined: Vec<u32> = (0..members.len() as u32).collect();
        let mut is_done = vec![false; members.len()];
        for (_, a, b, tie) in strongest {
            let (first, second) = (a as usize, b as usize);
            if is_done[first] || is_done[second] || members[first].len() + members[second].len() > SIZE {
                continue;
            }
            is_done[first] = true;
            is_done[second] = true;
            let more = std::mem::take(&mut members[second]);
            members[first].extend(more);
            outward[first] = (outward[first] + outward[second] - 2.0 * tie.abs()).max(f32::MIN_POSITIVE);
            joined[second] = a;
        }
        for (a, b, _) in ties.iter_mut() {
            let (x, y) = (joined[*a as usize], joined[*b as usize]);
            (*a, *b) = (x.min(y), x.max(y));
        }
        ties.retain(|(a, b, _)| a != b);
        self.sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Chance;
    use crate::geom::TetMesh;
    use glam::Vec3;

    fn clusters(mesh: &TetMesh) -> Clusters {
        let TetMesh { vertices, tets } = mesh;
        let shapes: Vec<Element> = tets.iter().filter_map(|t| Element::new(t.map(|v| vertices[v as usize]))).collect();
        assert_eq!(shapes.len(), tets.len());
        let (on_cut, is_pinned) = (vec![true; vertices.len()], vec![false; vertices.len()]);
        let mut clusters = Clusters::default();
        let ties = Ties { tets, shapes: &shapes, modulus: &|_| 1000.0, on_cut: &on_cut, is_pinned: &is_pinned };
        for _ in 0..2 {
            // the second time they are all dissolved first
            assert_eq!(clusters.renew(&ties, &on_cut).len(), vertices.len());
        }
        clusters
    }

    #[test]
    fn every_node_about_a_cut_is_in_one_cluster_of_sixteen_at_most() {
        let mesh = TetMesh::block([6, 5, 4], Vec3::new(0.06, 0.05, 0.04));
        let clusters = clusters(&mesh);
        let mut places = clusters.places().to_vec();
        assert!(places.iter().all(|&place| place != NONE && (place & 15) < SIZE as u32));
        let count = places.len();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), count, "no place is taken twice");
        places.dedup_by_key(|place| Clusters::of(*place));
        assert!(places.len() <= count / 5, "{} clusters of {count} nodes", places.len());
        assert!(clusters.groups.len() <= 12, "what was dissolved is used again: {}", clusters.groups.len());
    }

    /// A random positive matrix, solved by another's Cholesky factorisation; the last node is held.
    #[test]
    fn a_cluster_is_solved_as_one_block_without_what_is_held() {
        let mesh =
            TetMesh { vertices: vec![Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z, Vec3::ONE], tets: vec![[0, 1, 2, 3], [1, 2, 3, 4]] };
        let mut clusters = clusters(&mesh);
        let places = clusters.places().to_vec();
        assert!(places.iter().all(|&place| Clusters::of(place) == Clusters::of(places[0])));
        let mut chance = Chance::new(5, "clusters");
        let half = nalgebra::DMatrix::<f64>::from_fn(15, 15, |_, _| f64::from(chance.normal()));
        let inertia = [3.0, 0.5, 1.0, 2.0, 1.0f32];
        let stiffness = &half * half.transpose();
        let entry = |i: usize, k: usize| stiffness[(i, k)] as f32;
        let blocks: Vec<[f32; 6]> = (0..5)
            .map(|v| {
                let at = 3 * v;
                [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].map(|(i, k)| entry(at + i, at + k))
            })
            .collect();
        clusters.clear();
        for a in 0..5 {
            for b in a + 1..5 {
                let block = [0, 1, 2].map(|i| [0, 1, 2].map(|k| entry(3 * a + i, 3 * b + k)));
                clusters.add([places[a], places[b]], &block);
            }
        }
        let free = [true, true, true, true, false];
        let residual: Vec<Node> = (0..5).map(|_| [chance.normal(), chance.normal(), chance.normal(), 0.0]).collect();
        Crew::call(true, |crew| {
            clusters.factorise(crew, &blocks, &inertia, &free);
            clusters.solve(crew, || (), &residual);
        });
        let mut whole = stiffness.view((0, 0), (12, 12)).into_owned();
        (0..12).for_each(|k| whole[(k, k)] += f64::from(inertia[k / 3]));
        let right = nalgebra::DVector::from_fn(12, |k, _| f64::from(residual[k / 3][k % 3]));
        let expected = nalgebra::Cholesky::new(whole).expect("positive").solve(&right);
        for k in 0..12 {
            let found = clusters.solution(k / 3).expect("a sound cluster")[k % 3];
            // single precision, condition below 1e3
            assert!((f64::from(found) - expected[k]).abs() < 1e-4 * expected.amax(), "{k}: {found}, {}", expected[k]);
        }
    }
}
