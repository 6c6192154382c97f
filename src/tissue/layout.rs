//! Which nodes of a lattice a body moves with: a trilinear lattice over the rest shape that knows where the body is cut.
//!
//! The nodes of the body that lie in one cell and hang together there are a fragment. A lattice node reaches eight cells; it is split into
//! as many copies as their fragments fall into when only links between those cells count. So the two lips of a cut move apart in the lattice
//! as soon as the cut is as long as a cell, and pieces share nothing: the virtual node algorithm (Molino, Bao & Fedkiw, “A virtual node
//! algorithm for changing mesh topology during simulation”, SIGGRAPH 2004) applied to a coarse space.

use glam::Vec3;

use super::elements::{Element, Node};
use super::pcg::NODES_PER_BLOCK;

/// Fine cells (five tetrahedra each) along the edge of a lattice cell.
const FINE_CELLS: f32 = 3.0;
/// Lattice nodes at most; past this the cells grow.
const MOST_NODES: usize = 320;

/// A lattice node whose largest weight in the body is below this moves as a neighbour does.
const LEAST_REACH: f32 = 0.3;

/// Elements that are strained alike: those that share a fragment and an eighth of its cell, or a single one beside a held node.
pub struct Group {
    pub nodes: Vec<u32>,
    /// Displacement gradient for a unit motion of each lattice node, 1/m.
    pub gradients: Vec<[f32; 3]>,
}

impl Group {
    /// One element exactly: the gradient of a lattice node's motion is Σ w ∇N over the corners that it moves.
    fn of_element(corners: &[&([u32; 8], [f32; 8]); 4], shape: &Element) -> Self {
        let [a, b, c] = shape.gradients;
        let first = std::array::from_fn(|axis| -(a[axis] + b[axis] + c[axis]));
        let mut group = Self { nodes: Vec::new(), gradients: Vec::new() };
        for ((nodes, weights), gradient) in corners.iter().zip([first, a, b, c]) {
            for (node, weight) in nodes.iter().zip(weights).filter(|(_, weight)| **weight != 0.0) {
                let index = group.nodes.iter().position(|known| known == node).unwrap_or_else(|| {
                    group.nodes.push(*node);
                    group.gradients.push([0.0; 3]);
                    group.nodes.len() - 1
                });
                for (sum, slope) in group.gradients[index].iter_mut().zip(gradient) {
                    *sum += weight * slope;
                }
            }
        }
        group
    }
}

/// A lattice over the elements that can deform.
pub struct Layout {
    /// Lattice nodes.
    pub nodes: usize,
    /// Lattice nodes and weights of every node of the body; all weights are zero where nothing can move.
    pub weights: Vec<([u32; 8], [f32; 8])>,
    pub groups: Vec<Group>,
    /// The group of every tetrahedron that can deform.
    pub group_of_tet: Vec<u32>,
    /// The weights again, for each block of nodes.
    pub transfers: Vec<Transfer>,
}

/// How one block of the body's nodes moves with the lattice nodes that it meets. Nodes of one fragment move with the same eight, so they are
/// taken together.
#[derive(Default)]
pub struct Transfer {
    /// The lattice nodes that the block meets, ascending.
    own: Vec<u32>,
    /// Eight of `own`, and how many of `nodes` move with them.
    runs: Vec<([u16; 8], u16)>,
    /// The block's nodes that move at all, run by run, and their weights.
    nodes: Vec<u16>,
    weights: Vec<[f32; 8]>,
}

impl Transfer {
    fn new(weights: &[([u32; 8], [f32; 8])]) -> Self {
        let mut nodes: Vec<u16> = (0..weights.len() as u16).filter(|&node| weights[usize::from(node)].1 != [0.0; 8]).collect();
        nodes.sort_by_key(|&node| weights[usize::from(node)].0);
        let mut own: Vec<u32> = nodes.iter().flat_map(|&node| weights[usize::from(node)].0).collect();
        own.sort_unstable();
        own.dedup();
        let same = |a: &u16, b: &u16| weights[usize::from(*a)].0 == weights[usize::from(*b)].0;
        let place = |node: u32| own.binary_search(&node).unwrap_or(0) as u16;
        let runs = nodes.chunk_by(same).map(|run| (weights[usize::from(run[0])].0.map(place), run.len() as u16)).collect();
        Self { runs, weights: nodes.iter().map(|&node| weights[usize::from(node)].1).collect(), own, nodes }
    }

    /// `coarse` = the block's share of Pᵀ r, in its own numbering.
    #[inline(always)]
    pub fn restrict(&self, r: &[Node], coarse: &mut Vec<Node>) {
        coarse.clear();
        coarse.resize(self.own.len(), [0.0; 4]);
        let mut from = 0;
        for (corners, length) in &self.runs {
            let to = from + usize::from(*length);
            let mut sums = [[0.0f32; 4]; 8];
            for (&node, weights) in self.nodes[from..to].iter().zip(&self.weights[from..to]) {
                let r = r[usize::from(node)];
                for b in 0..8 {
                    for k in 0..4 {
                        sums[b][k] += weights[b] * r[k];
                    }
                }
            }
            for (&corner, share) in corners.iter().zip(sums) {
                let sum = &mut coarse[usize::from(corner)];
                for k in 0..4 {
                    sum[k] += share[k];
                }
            }
            from = to;
        }
    }

    /// Calls `add` with Σ m w wᵀ of every run, in pieces of one row each: the eight lattice nodes, the row, and its entries, kg.
    pub fn weigh(&self, mass: &[f32], mut add: impl FnMut(&[u32; 8], usize, &[f32; 8])) {
        let mut from = 0;
        for (corners, length) in &self.runs {
            let to = from + usize::from(*length);
            let mut sums = [[0.0f32; 8]; 8];
            for (&node, weights) in self.nodes[from..to].iter().zip(&self.weights[from..to]) {
                for b in 0..8 {
                    let share = mass[usize::from(node)] * weights[b];
                    for a in 0..8 {
                        sums[b][a] += share * weights[a];
                    }
                }
            }
            let nodes = corners.map(|corner| self.own[usize::from(corner)]);
            sums.iter().enumerate().for_each(|(b, row)| add(&nodes, b, row));
            from = to;
        }
    }

    /// Adds a block's share to the whole, three numbers a lattice node.
    pub fn collect(&self, coarse: &[Node], whole: &mut [f32]) {
        for (&node, sum) in self.own.iter().zip(coarse) {
            let at = 3 * node as usize;
            whole[at] += sum[0];
            whole[at + 1] += sum[1];
            whole[at + 2] += sum[2];
        }
    }

    /// `z` += P `moves` where `free`.
    #[inline(always)]
    pub fn prolong(&self, moves: &[f32], free: &[bool], z: &mut [Node]) {
        let mut from = 0;
        for (corners, length) in &self.runs {
            let to = from + usize::from(*length);
            let moved = corners.map(|corner| {
                let at = 3 * self.own[usize::from(corner)] as usize;
                [moves[at], moves[at + 1], moves[at + 2], 0.0]
            });
            for (&node, weights) in self.nodes[from..to].iter().zip(&self.weights[from..to]) {
                let node = usize::from(node);
                let mut sum = [0.0f32; 4];
                for b in 0..8 {
                    for k in 0..4 {
                        sum[k] += weights[b] * moved[b][k];
                    }
                }
                if free[node] {
                    for k in 0..4 {
                        z[node][k] += sum[k];
                    }
                }
            }
            from = to;
        }
    }
}

/// A node of the body that no element moves has no fragment.
const NONE: u32 = u32::MAX;

/// Disjoint sets, each known by its lowest member.
struct Sets(Vec<u32>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count as u32).collect())
    }

    fn of(&mut self, mut member: u32) -> u32 {
        while self.0[member as usize] != member {
            let above = self.0[self.0[member as usize] as usize];
            self.0[member as usize] = above;
            member = above;
        }
        member
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

/// The cells of a lattice.
struct Grid {
    low: Vec3,
    steps: [f32; 3],
    dims: [usize; 3],
    /// Axes by length: the longest varies slowest, which keeps the profile narrow.
    axes: [usize; 3],
}

impl Grid {
    fn new(low: Vec3, size: Vec3, cell: f32) -> Self {
        let dims = size.to_array().map(|s| ((s / cell).round() as usize).clamp(1, 200));
        let mut axes = [0usize, 1, 2];
        axes.sort_by_key(|&k| (std::cmp::Reverse(dims[k]), k));
        Self { low, steps: std::array::from_fn(|k| (size[k] / dims[k] as f32).max(1e-9)), dims, axes }
    }

    fn number(&self, at: [usize; 3], extra: usize) -> u32 {
        let [slow, middle, fast] = self.axes;
        ((at[slow] * (self.dims[middle] + extra) + at[middle]) * (self.dims[fast] + extra) + at[fast]) as u32
    }

    /// The cell that holds a point.
    fn cell(&self, x: Vec3) -> [usize; 3] {
        std::array::from_fn(|k| (((x[k] - self.low[k]) / self.steps[k]).floor().max(0.0) as usize).min(self.dims[k] - 1))
    }

    /// Where a point lies in a cell, 0 to 1 along each axis inside it.
    fn fraction(&self, x: Vec3, cell: [usize; 3]) -> [f32; 3] {
        std::array::from_fn(|k| (x[k] - self.low[k]) / self.steps[k] - cell[k] as f32)
    }

    /// The eight lattice points around a cell, without copies.
    fn corners(&self, cell: [usize; 3]) -> [u32; 8] {
        std::array::from_fn(|b| self.number(std::array::from_fn(|k| cell[k] + (b >> k & 1)), 1))
    }
}

/// A layout that is being made, a stage at a time, from what the body was when it was begun.
pub struct Laying {
    rest: Vec<Vec3>,
    tets: Vec<[u32; 4]>,
    /// The tetrahedra that can deform.
    members: Vec<u32>,
    /// Whether a node moves with any of them.
    moves: Vec<bool>,
    low: Vec3,
    size: Vec3,
    cell: f32,
    stage: Stage,
    /// Nodes and tetrahedra that cuts have made meanwhile, by their parents, and where the nodes lie.
    later: Vec<(Vec<Vec3>, Vec<[u32; 2]>, Vec<u32>)>,
}

enum Stage {
    Fragments,
    Copies(Fragments),
    Groups(Fragments, Vec<[u32; 8]>, usize),
    Done(Layout),
}

/// The nodes of a body by the cell that they lie in and what they hang together with.
struct Fragments {
    grid: Grid,
    cell_of: Vec<[usize; 3]>,
    of_node: Vec<u32>,
    /// The cell of each.
    cells: Vec<[usize; 3]>,
}

impl Laying {
    /// Lays a lattice over `members`, the tetrahedra that can deform; a held node does not move with it.
    pub fn new(rest: &[Vec3], tets: &[[u32; 4]], shapes: &[Element], is_pinned: &[bool], members: Vec<u32>) -> Self {
        let mut moves = vec![false; rest.len()];
        let mut volume = 0.0f64;
        for &tet in &members {
            tets[tet as usize].iter().for_each(|&v| moves[v as usize] = !is_pinned[v as usize]);
            volume += f64::from(shapes[tet as usize].volume);
        }
        let fine = (5.0 * volume / members.len().max(1) as f64).cbrt() as f32;
        let within = rest.iter().zip(&moves).filter(|(_, moves)| **moves).map(|(x, _)| *x);
        let (low, high) = within.fold((Vec3::MAX, Vec3::MIN), |(low, high), x| (low.min(x), high.max(x)));
        let size = if members.is_empty() { Vec3::ZERO } else { high - low };
        let cell = (FINE_CELLS * fine).max(1e-9);
        let (rest, tets) = (rest.to_vec(), tets.to_vec());
        Self { rest, tets, members, moves, low, size, cell, stage: Stage::Fragments, later: Vec::new() }
    }

    /// Does one stage; each takes about as long as an evaluation of the body.
    pub fn work(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Fragments) {
            Stage::Fragments => Stage::Copies(self.fragments()),
            Stage::Copies(fragments) => {
                let (copies, nodes) = self.copies(&fragments);
                if nodes <= MOST_NODES || self.cell > self.size.max_element() {
                    Stage::Groups(fragments, copies, nodes)
                } else {
                    self.cell *= 1.15;
                    Stage::Fragments
                }
            }
            Stage::Groups(fragments, copies, nodes) => Stage::Done(self.groups(&fragments, &copies, nodes)),
            done => done,
        };
    }

    /// Remembers a cut, so that the layout fits the body when it is done.
    pub fn extend(&mut self, rest: &[Vec3], parents_of_nodes: &[[u32; 2]], parents_of_tets: &[u32]) {
        let first = rest.len() - parents_of_nodes.len();
        self.later.push((rest[first..].to_vec(), parents_of_nodes.to_vec(), parents_of_tets.to_vec()));
    }

    /// The layout, once it is done.
    pub fn finish(mut self: Box<Self>) -> Result<Layout, Box<Self>> {
        let mut layout = match std::mem::replace(&mut self.stage, Stage::Fragments) {
            Stage::Done(layout) => layout,
            unfinished => {
                self.stage = unfinished;
                return Err(self);
            }
        };
        let Self { mut rest, later, .. } = *self;
        for (nodes, parents_of_nodes, parents_of_tets) in later {
            rest.extend(nodes);
            layout.extend(&rest, &parents_of_nodes, &parents_of_tets);
        }
        Ok(layout)
    }

    fn all_edges(&self) -> impl Iterator<Item = (u32, u32)> {
        let edges =
            self.members.iter().flat_map(|&tet| EDGES.map(|(a, b)| (self.tets[tet as usize][a], self.tets[tet as usize][b])));
        edges.filter(|&(a, b)| self.moves[a as usize] && self.moves[b as usize])
    }

    /// Fragments, numbered by their lowest node.
    fn fragments(&self) -> Fragments {
        let grid = Grid::new(self.low, self.size, self.cell);
        let cell_of: Vec<[usize; 3]> = self.rest.iter().map(|&x| grid.cell(x)).collect();
        let cell_number: Vec<u32> = cell_of.iter().map(|&cell| grid.number(cell, 0)).collect();
        let mut within = Sets::new(self.rest.len());
        for (a, b) in self.all_edges().filter(|&(a, b)| cell_number[a as usize] == cell_number[b as usize]) {
            within.join(a, b);
        }
        let mut of_node = vec![NONE; self.rest.len()];
        let mut cells = Vec::new();
        for node in (0..self.rest.len()).filter(|&node| self.moves[node]) {
            let lowest = within.of(node as u32) as usize;
            if of_node[lowest] == NONE {
                of_node[lowest] = cells.len() as u32;
                cells.push(cell_of[node]);
            }
            of_node[node] = of_node[lowest];
        }
        Fragments { grid, cell_of, of_node, cells }
    }

    /// The lattice nodes of every fragment, and how many there are.
    fn copies(&self, Fragments { grid, cell_of, of_node, cells }: &Fragments) -> (Vec<[u32; 8]>, usize) {
        let mut links: Vec<(u32, u32)> = self
            .all_edges()
            .map(|(a, b)| (of_node[a as usize], of_node[b as usize]))
            .filter(|(a, b)| a != b)
            .map(|(a, b)| (a.min(b), a.max(b)))
            .collect();
        links.sort_unstable();
        links.dedup();
        let mut pieces = Sets::new(cells.len());
        links.iter().for_each(|&(a, b)| pieces.join(a, b));
        let (mut copies, nodes) = Layout::split(grid, cells, &links, &mut pieces);
        let reach = (0..self.rest.len()).filter(|&node| of_node[node] != NONE).map(|node| {
            let at = grid.fraction(self.rest[node], cell_of[node]);
            (of_node[node] as usize, std::array::from_fn(|b| trilinear(at, b)))
        });
        let nodes = Layout::lean(&mut copies, nodes, reach);
        (copies, nodes)
    }

    fn groups(&self, fragments: &Fragments, copies: &[[u32; 8]], nodes: usize) -> Layout {
        let Fragments { grid, cell_of, of_node, cells } = fragments;
        let weights: Vec<([u32; 8], [f32; 8])> = (0..self.rest.len())
            .map(|node| match of_node[node] {
                NONE => ([0; 8], [0.0; 8]),
                fragment => {
                    let at = grid.fraction(self.rest[node], cell_of[node]);
                    (copies[fragment as usize], std::array::from_fn(|b| trilinear(at, b)))
                }
            })
            .collect();
        let centre = |tet: u32| self.tets[tet as usize].iter().map(|&v| self.rest[v as usize]).sum::<Vec3>() * 0.25;
        let mut group_of_tet = vec![0u32; self.tets.len()];
        let mut groups = Vec::new();
        let mut sorted: Vec<(u32, u32)> = Vec::with_capacity(self.members.len());
        for &tet in &self.members {
            let (corners, middle) = (self.tets[tet as usize], centre(tet));
            if !corners.iter().all(|&v| self.moves[v as usize]) {
                // what was solved until now has a shape
                if let Some(shape) = Element::new(corners.map(|v| self.rest[v as usize])) {
                    group_of_tet[tet as usize] = groups.len() as u32;
                    groups.push(Group::of_element(&corners.map(|v| &weights[v as usize]), &shape));
                }
                continue;
            }
            let home = grid.cell(middle);
            let owner = corners.into_iter().find(|&v| cell_of[v as usize] == home).unwrap_or(corners[0]);
            let fragment = of_node[owner as usize];
            let at = grid.fraction(middle, cells[fragment as usize]);
            let octant = (0..3).map(|k| u32::from(at[k] > 0.5) << k).sum::<u32>();
            sorted.push(((fragment << 3) | octant, tet));
        }
        sorted.sort_unstable();
        for same in sorted.chunk_by(|a, b| a.0 == b.0) {
            let fragment = (same[0].0 >> 3) as usize;
            let middle = same.iter().map(|&(_, tet)| centre(tet)).sum::<Vec3>() / same.len() as f32;
            let at = grid.fraction(middle, cells[fragment]);
            same.iter().for_each(|&(_, tet)| group_of_tet[tet as usize] = groups.len() as u32);
            groups.push(Group {
                nodes: copies[fragment].to_vec(),
                gradients: (0..8).map(|b| std::array::from_fn(|axis| slope(at, b, axis) / grid.steps[axis])).collect(),
            });
        }
        let transfers = weights.chunks(NODES_PER_BLOCK).map(Transfer::new).collect();
        Layout { nodes, weights, groups, group_of_tet, transfers }
    }
}

impl Layout {
    /// The eight lattice nodes of every fragment, and how many there are: piece by piece, along the longest axis.
    fn split(grid: &Grid, cells: &[[usize; 3]], links: &[(u32, u32)], pieces: &mut Sets) -> (Vec<[u32; 8]>, usize) {
        let corners: Vec<[u32; 8]> = cells.iter().map(|&cell| grid.corners(cell)).collect();
        // a copy is a lattice point with a set of (fragment, corner) slots around it
        let mut slots = Sets::new(8 * cells.len());
        for &(a, b) in links {
            for (i, point) in corners[a as usize].iter().enumerate() {
                if let Some(j) = corners[b as usize].iter().position(|other| other == point) {
                    slots.join(8 * a + i as u32, 8 * b + j as u32);
                }
            }
        }
        let mut keys: Vec<(u32, u32, u32)> = Vec::with_capacity(8 * cells.len());
        for slot in 0..8 * cells.len() as u32 {
            let (fragment, corner) = ((slot / 8) as usize, (slot % 8) as usize);
            keys.push((pieces.of(fragment as u32), corners[fragment][corner], slots.of(slot)));
        }
        let mut distinct = keys.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let number = |key: &(u32, u32, u32)| distinct.binary_search(key).unwrap_or(0) as u32;
        let copies = keys.chunks(8).map(|keys| std::array::from_fn(|b| number(&keys[b]))).collect();
        (copies, distinct.len())
    }

    /// Lets lattice nodes that hardly reach into the body move as a neighbour does, and counts what is left: nothing in the body says how
    /// stiff they are.
    fn lean(copies: &mut [[u32; 8]], nodes: usize, weights: impl Iterator<Item = (usize, [f32; 8])>) -> usize {
        let mut reach = vec![0.0f32; nodes];
        for (fragment, weights) in weights {
            for (node, weight) in copies[fragment].iter().zip(weights) {
                reach[*node as usize] = reach[*node as usize].max(weight);
            }
        }
        let mut leans_on: Vec<u32> = (0..nodes as u32).collect();
        for corners in copies.iter() {
            let Some(&strongest) =
                corners.iter().max_by(|&&a, &&b| reach[a as usize].total_cmp(&reach[b as usize]).then(b.cmp(&a)))
            else {
                continue;
            };
            for &node in corners.iter().filter(|&&node| reach[node as usize] < LEAST_REACH) {
                let known = &mut leans_on[node as usize];
                if reach[strongest as usize] > reach[*known as usize] {
                    *known = strongest;
                }
            }
        }
        let mut left = leans_on.clone();
        left.sort_unstable();
        left.dedup();
        for node in copies.iter_mut().flatten() {
            *node = left.binary_search(&leans_on[*node as usize]).unwrap_or(0) as u32;
        }
        left.len()
    }

    /// Takes in nodes and tetrahedra that a cut has made: a node copies the nearer of its parents, a tetrahedron joins its parent's group.
    pub fn extend(&mut self, rest: &[Vec3], parents_of_nodes: &[[u32; 2]], parents_of_tets: &[u32]) {
        for parents in parents_of_nodes {
            let node = self.weights.len();
            let away = |p: u32| (rest[p as usize] - rest[node]).length_squared();
            let nearest = parents.iter().copied().min_by(|&a, &b| away(a).total_cmp(&away(b)).then(a.cmp(&b))).unwrap_or(0);
            self.weights.push(self.weights[nearest as usize]);
        }
        for &parent in parents_of_tets {
            self.group_of_tet.push(self.group_of_tet[parent as usize]);
        }
        let changed = (self.weights.len() - parents_of_nodes.len()) / NODES_PER_BLOCK;
        self.transfers.truncate(changed);
        self.transfers.extend(self.weights[changed * NODES_PER_BLOCK..].chunks(NODES_PER_BLOCK).map(Transfer::new));
    }
}

const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];

fn side(at: f32, b: usize, axis: usize) -> f32 {
    if b >> axis & 1 == 1 { at } else { 1.0 - at }
}

/// The trilinear function of corner `b`.
fn trilinear(at: [f32; 3], b: usize) -> f32 {
    (0..3).map(|k| side(at[k], b, k)).product()
}

/// Its slope along an axis, per cell.
fn slope(at: [f32; 3], b: usize, axis: usize) -> f32 {
    let sign = if b >> axis & 1 == 1 { 1.0 } else { -1.0 };
    sign * (0..3).filter(|&k| k != axis).map(|k| side(at[k], b, k)).product::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of cubes along x, five tetrahedra each, one on the other; the rows share their nodes only beyond `slit` cubes.
    fn rows(cubes: usize, slit: usize) -> (Vec<Vec3>, Vec<[u32; 4]>) {
        let (mut rest, mut tets) = (Vec::new(), Vec::new());
        let mut index = std::collections::BTreeMap::new();
        for row in 0..2 {
            for i in 0..cubes {
                let corner = |b: usize, rest: &mut Vec<Vec3>, index: &mut std::collections::BTreeMap<_, u32>| {
                    let (x, y, z) = (i + (b & 1), row + (b >> 1 & 1), b >> 2);
                    let side = if y == 1 && x < slit { row } else { 0 };
                    *index.entry((x, y, z, side)).or_insert_with(|| {
                        rest.push(Vec3::new(x as f32, y as f32, z as f32));
                        rest.len() as u32 - 1
                    })
                };
                let c: [u32; 8] = std::array::from_fn(|b| corner(b, &mut rest, &mut index));
                for t in [[0, 1, 2, 4], [3, 2, 1, 7], [5, 4, 7, 1], [6, 7, 4, 2], [1, 2, 4, 7]] {
                    tets.push(t.map(|k| c[k]));
                }
            }
        }
        (rest, tets)
    }

    fn layout(slit: usize, is_pinned: impl Fn(Vec3) -> bool, cubes: usize) -> Layout {
        let (rest, tets) = rows(18, slit);
        let shapes: Vec<Element> = tets.iter().filter_map(|t| Element::new(t.map(|v| rest[v as usize]))).collect();
        let pinned: Vec<bool> = rest.iter().map(|&x| is_pinned(x)).collect();
        let members: Vec<u32> = (0..5 * cubes as u32).collect();
        let mut laying = Box::new(Laying::new(&rest, &tets, &shapes, &pinned, members));
        loop {
            laying.work();
            match laying.finish() {
                Ok(layout) => return layout,
                Err(unfinished) => laying = unfinished,
            }
        }
    }

    fn lattice_nodes(slit: usize) -> usize {
        layout(slit, |_| false, 36).nodes
    }

    #[test]
    fn a_slit_splits_the_lattice_along_its_length_and_no_further() {
        // 18 cubes in cells of three, one cell wide and high: 7 × 2 × 2 points
        assert_eq!(lattice_nodes(0), 28);
        assert_eq!(lattice_nodes(19), 56, "two bodies");
        let half = lattice_nodes(9);
        assert!(half > 28 && half < 56, "{half}");
    }

    #[test]
    fn weights_of_a_node_add_up() {
        for (_, weights) in &layout(9, |_| false, 36).weights {
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn what_cannot_move_has_no_place_in_the_lattice() {
        assert!(layout(0, |_| false, 8).nodes < 28);
        let held = layout(0, |x| x.x < 3.5, 36);
        assert!(held.weights.iter().any(|(_, weights)| weights == &[0.0; 8]));
        assert!(held.nodes < 28);
    }

    #[test]
    fn beside_a_held_corner_an_element_is_strained_when_the_lattice_moves_as_one() {
        let corner = Element::new([Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z]).unwrap();
        let (held, moves) = (([0; 8], [0.0; 8]), ([0, 1, 2, 3, 4, 5, 6, 7], [0.125; 8]));
        let strain = |corners: [&([u32; 8], [f32; 8]); 4]| {
            let group = Group::of_element(&corners, &corner);
            [0, 1, 2].map(|axis| group.gradients.iter().map(|gradient| gradient[axis]).sum::<f32>())
        };
        assert_eq!(strain([&moves; 4]), [0.0; 3], "moved as a whole");
        assert_eq!(strain([&held, &moves, &moves, &moves]), [1.0; 3], "corner 0 stays: its gradient is −(1, 1, 1)");
        assert_eq!(strain([&moves, &held, &moves, &moves]), [-1.0, 0.0, 0.0]);
    }

    /// A rod that sticks a hair's breadth into the last cell: that cell's far corners are known to nearly nothing.
    #[test]
    fn a_lattice_node_that_hardly_reaches_the_body_moves_as_its_neighbour() {
        let weights = [0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1];
        let mut copies = [[0, 1, 2, 3, 4, 5, 6, 7]];
        assert_eq!(Layout::lean(&mut copies, 8, [(0, weights)].into_iter()), 4);
        let [a, b, c, d, e, f, g, h] = copies[0];
        assert_eq!([a, c, e, g], [0, 1, 2, 3], "those that reach stay");
        assert_eq!([b, d, f, h], [0; 4], "the others lean on the strongest, the first of equals");
    }
}
