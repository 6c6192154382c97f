//! Tissue against itself: the pieces of a body, the lips of a cut, a flap folded over.
//!
//! A node of the surface meets a face of the surface where it stands over it (its foot lies inside the face) and their normals are opposed. As with
//! tools the contact is one-sided by memory: a node that stood before the face when the tick began, or touched tissue at the end of the last one, is
//! pushed out before it; one that is found behind is left alone, so what is entangled comes apart in peace. The distance kept is a tool's margin, but
//! no more than half of what lies between node and face at rest, so that the lips of a fresh cut fit together again. Each node meets one face, the
//! nearest, and both sides count as nodes in turn.
//!
//! Pairs are looked up in a grid of the surface nodes, once for as long as no node has moved farther than half the reach of the look-up.
//!
//! Limits: edges pass one another between nodes; what belongs to an element that is inside out, or to a crumb, meets nothing.

use glam::{IVec3, Vec3};

use super::body::SoftBody;
use super::contact::{Place, closest_points, place_of};
use super::elements::Node;
use super::terms::{Against, Contact, Terms, vec3};

/// How far pairs are looked up beyond the margin, in mean edges.
const REACH: f32 = 0.5;
/// Normals whose cosine is above this do not face each other.
const OPPOSED: f32 = 0.3;
/// A node this far behind a face, in mean edges, still counts as before it: the lips of a cut lie at 0.
const BEFORE: f32 = 1e-3;
/// A node that touched counts as before a face that it is behind by no more than this, in mean edges.
const DEEPEST: f32 = 0.5;
/// Elements of less than this share of their volume count as inside out.
const SQUASHED: f32 = 0.05;
/// How far outside a face a foot may lie, as a share of it: between two faces that meet in a ridge nothing falls through.
const BORDER: f32 = 0.05;

/// A node and a face that may come to touch.
#[derive(Debug, Clone, Copy)]
struct Pair {
    node: u32,
    face: u32,
    /// Distance kept, m.
    keep: f32,
}

/// What a body knows of its contact with itself.
#[derive(Debug, Clone, Default)]
pub(super) struct SelfContact {
    /// By node, ascending.
    pairs: Vec<Pair>,
    /// Those of them that may touch in this tick.
    active: Vec<Pair>,
    /// Where the surface's nodes were when the pairs were looked up, and the revision of the surface.
    seen: Vec<Vec3>,
    revision: u64,
}

impl SoftBody {
    /// Finds what may touch in this tick, in which the nodes set out by `moved`.
    pub(super) fn find_self_contacts(&mut self, moved: &[Node]) {
        let mut own = std::mem::take(&mut self.self_contact);
        own.active.clear();
        if self.settings.self_contact {
            self.renew_pairs(&mut own, moved);
            let touched =
                |node: u32| self.contact_memory.of(&place_of(Against::Tissue, node)).is_some_and(|grip| grip.force_n > 0.0);
            let before = |pair: &&Pair| self.is_before(pair, touched(pair.node));
            own.active.extend(own.pairs.iter().filter(before));
            if !own.active.is_empty() {
                let is_squashed = self.squashed_nodes();
                let face = |pair: &Pair| self.surface.faces[pair.face as usize];
                own.active
                    .retain(|pair| !is_squashed[pair.node as usize] && !face(pair).iter().any(|&v| is_squashed[v as usize]));
            }
        }
        self.self_contact = own;
    }

    fn renew_pairs(&self, own: &mut SelfContact, moved: &[Node]) {
        let surface = &self.surface;
        let reach = REACH * self.mean_edge_m;
        let fresh = own.revision != surface.revision || own.seen.len() != surface.nodes.len();
        let near = |(&v, seen): (&u32, &Vec3)| {
            let at = self.positions[v as usize];
            let next = at + vec3(moved[v as usize]);
            at.distance_squared(*seen).max(next.distance_squared(*seen)) < 0.25 * reach * reach
        };
        if !fresh && surface.nodes.iter().zip(&own.seen).all(near) {
            return;
        }
        own.revision = surface.revision;
        own.seen.clear();
        own.seen.extend(surface.nodes.iter().map(|&v| self.positions[v as usize]));
        let farthest = surface.nodes.iter().map(|&v| vec3(moved[v as usize]).length_squared()).fold(0.0, f32::max).sqrt();
        let reach = reach + self.settings.contact_margin_m + (2.0 * farthest).min(2.0 * self.mean_edge_m);
        own.pairs = self.look_up(reach);
    }

    /// Nodes within `reach` of a face whose normal is opposed to theirs.
    fn look_up(&self, reach: f32) -> Vec<Pair> {
        let surface = &self.surface;
        let corners = |face: &[u32; 3]| face.map(|v| self.positions[v as usize]);
        let normal = |[a, b, c]: [Vec3; 3]| (b - a).cross(c - a);
        let mut normals = vec![Vec3::ZERO; self.rest.len()];
        for face in &surface.faces {
            let area = normal(corners(face));
            face.iter().for_each(|&v| normals[v as usize] += area);
        }
        let grid = Grid::new(&surface.nodes, &self.positions, 2.0 * self.mean_edge_m);
        let mut pairs = Vec::new();
        for (index, face) in surface.faces.iter().enumerate() {
            if self.is_crumb(face[0]) {
                continue;
            }
            let points = corners(face);
            let outward = normal(points).normalize_or_zero();
            let (low, high) = (points[0].min(points[1]).min(points[2]) - reach, points[0].max(points[1]).max(points[2]) + reach);
            let is_held = face.iter().all(|&v| self.is_pinned[v as usize]);
            grid.visit(low, high, |node| {
                let at = self.positions[node as usize];
                let faces_it = normals[node as usize].dot(outward) < OPPOSED * normals[node as usize].length();
                let height = (at - points[0]).dot(outward);
                if !faces_it
                    || at.cmplt(low).any()
                    || at.cmpgt(high).any()
                    || height.abs() > reach
                    || face.contains(&node)
                    || self.is_crumb(node)
                    || (is_held && self.is_pinned[node as usize])
                {
                    return;
                }
                let rest = self.rest[node as usize];
                let apart = closest_points(rest, rest, face.map(|v| self.rest[v as usize]));
                let keep = (0.5 * apart.on_segment.distance(apart.on_triangle)).min(self.settings.contact_margin_m);
                pairs.push(Pair { node, face: index as u32, keep });
            });
        }
        pairs.sort_unstable_by_key(|pair| (pair.node, pair.face));
        pairs
    }

    /// The corners of boundary elements that are inside out or next to it: which side is which cannot be told there.
    fn squashed_nodes(&self) -> Vec<bool> {
        let mut is_squashed = vec![false; self.rest.len()];
        for &tet in &self.surface.owners {
            let corners = self.tets[tet as usize];
            let [a, b, c, d] = corners.map(|v| self.positions[v as usize]);
            if (b - a).cross(c - a).dot(d - a) / 6.0 < SQUASHED * self.shapes[tet as usize].volume {
                corners.iter().for_each(|&v| is_squashed[v as usize] = true);
            }
        }
        is_squashed
    }

    /// Whether a node stands on the outer side of a face, or came from there.
    fn is_before(&self, pair: &Pair, touched: bool) -> bool {
        let [a, b, c] = self.surface.faces[pair.face as usize].map(|v| self.positions[v as usize]);
        let outward = (b - a).cross(c - a).normalize_or_zero();
        let height = (self.positions[pair.node as usize] - a).dot(outward);
        height > -self.mean_edge_m * if touched { DEEPEST } else { BEFORE }
    }

    pub(super) fn meets_itself(&self) -> bool {
        !self.self_contact.active.is_empty()
    }

    /// Freezes the contacts of tissue with tissue at the displacements `moved` of this tick: for each node the nearest face that it stands over.
    pub(super) fn linearise_self_contacts(&self, moved: &[Node], terms: &mut Terms, made: &mut Vec<(Place, Vec3)>) {
        let at = |v: u32| self.positions[v as usize] + vec3(moved[v as usize]);
        for pairs in self.self_contact.active.chunk_by(|x, y| x.node == y.node) {
            let node = pairs[0].node;
            let over = pairs.iter().filter_map(|pair| {
                let face = self.surface.faces[pair.face as usize];
                let [a, b, c] = face.map(at);
                let area = (b - a).cross(c - a);
                let square = area.length_squared();
                let arm = at(node) - a;
                let v = arm.cross(c - a).dot(area) / square;
                let w = (b - a).cross(arm).dot(area) / square;
                let weights = [1.0 - v - w, v, w];
                let is_over = square > 0.0 && weights.iter().all(|&w| w > -BORDER);
                let height = arm.dot(area) / square.sqrt();
                let near = height.abs() < 2.0 * self.mean_edge_m;
                (is_over && near).then_some((pair, face, weights, area, height))
            });
            let Some((pair, face, weights, area, height)) = over.min_by(|x, y| x.4.abs().total_cmp(&y.4.abs())) else { continue };
            let normal = -area.normalize_or_zero();
            let depth = pair.keep - height;
            let relative = vec3(moved[node as usize]) - (0..3).map(|k| vec3(moved[face[k] as usize]) * weights[k]).sum::<Vec3>();
            let owner = self.surface.owners[pair.face as usize] as usize;
            let size = (0.5 * area.length()).sqrt().min(self.mean_edge_m);
            let place = place_of(Against::Tissue, node);
            let last = self.contact_memory.of(&place).unwrap_or_default();
            made.push((place, Vec3::ZERO));
            terms.contacts.push(Contact {
                nodes: [node, face[0], face[1], face[2]],
                weights: [1.0, -weights[0], -weights[1], -weights[2]],
                normal,
                depth_at_start: depth - normal.dot(relative),
                stiffness: self.settings.contact_stiffness
                    * self.materials[usize::from(self.tet_material[owner])].young_pa
                    * size,
                energy_beside: 0.0,
                friction: self.settings.tissue_friction * last.force_n,
                slip_at_start: last.slip,
                obstacle_motion: Vec3::ZERO,
                against: Against::Tissue,
                movable: None,
                given: Vec3::ZERO,
            });
        }
    }
}

/// Nodes in cubic cells, looked up by a hash of the cell.
struct Grid<'a> {
    positions: &'a [Vec3],
    cell_m: f32,
    /// Where each bucket begins among the nodes.
    start: Vec<u32>,
    nodes: Vec<u32>,
}

impl<'a> Grid<'a> {
    fn new(nodes: &[u32], positions: &'a [Vec3], cell_m: f32) -> Self {
        let buckets = (2 * nodes.len()).next_power_of_two();
        let mut grid = Self { positions, cell_m, start: vec![0; buckets + 1], nodes: vec![0; nodes.len()] };
        let bucket: Vec<usize> = nodes.iter().map(|&v| grid.bucket(grid.cell(positions[v as usize]))).collect();
        bucket.iter().for_each(|&bucket| grid.start[bucket + 1] += 1);
        for bucket in 0..buckets {
            grid.start[bucket + 1] += grid.start[bucket];
        }
        let mut fill = grid.start.clone();
        for (&node, &bucket) in nodes.iter().zip(&bucket) {
            grid.nodes[fill[bucket] as usize] = node;
            fill[bucket] += 1;
        }
        grid
    }

    fn cell(&self, x: Vec3) -> IVec3 {
        (x / self.cell_m).floor().clamp(Vec3::splat(-1e9), Vec3::splat(1e9)).as_ivec3()
    }

    /// Teschner et al., “Optimized Spatial Hashing for Collision Detection of Deformable Objects”, VMV 2003, §3.1.
    fn bucket(&self, cell: IVec3) -> usize {
        let hash = (cell.x as u32).wrapping_mul(73_856_093)
            ^ (cell.y as u32).wrapping_mul(19_349_663)
            ^ (cell.z as u32).wrapping_mul(83_492_791);
        hash as usize & (self.start.len() - 2)
    }

    /// Calls `met` for each node in the cells of a box; one that is more than a few cells wide holds nothing that can be solved.
    fn visit(&self, low: Vec3, high: Vec3, mut met: impl FnMut(u32)) {
        let (low, high) = (self.cell(low), self.cell(high));
        if (high - low).max_element() > MOST_CELLS {
            return;
        }
        for x in low.x..=high.x {
            for y in low.y..=high.y {
                for z in low.z..=high.z {
                    let cell = IVec3::new(x, y, z);
                    let bucket = self.bucket(cell);
                    for &node in &self.nodes[self.start[bucket] as usize..self.start[bucket + 1] as usize] {
                        if self.cell(self.positions[node as usize]) == cell {
                            met(node);
                        }
                    }
                }
            }
        }
    }
}

/// Cells that a face's box may be wide.
const MOST_CELLS: i32 = 8;
