//! Crumbs: pieces of a few elements that a cut leaves behind.
//!
//! A crumb weighs milligrams and deforms in ways that nobody sees; as an elastic body it only makes every solve stiff. It keeps its volume
//! and its place in the meshes, takes its rest shape, and from then on falls as one until it lies on the floor. Tools pass through it.

use glam::Vec3;

use super::SoftBody;

/// Free pieces of fewer elements than this are crumbs.
const CRUMB_TETS: usize = 16;
/// Nothing that small is thrown faster, m/s.
const FASTEST_M_PER_S: f32 = 0.5;

/// One crumb.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Crumb {
    nodes: Vec<u32>,
    velocity: Vec3,
}

impl SoftBody {
    /// Whether a node belongs to a crumb.
    pub(super) fn is_crumb(&self, node: u32) -> bool {
        self.is_crumb.get(node as usize).copied().unwrap_or(false)
    }

    /// Makes crumbs of the free pieces that are too small to be bodies.
    pub(super) fn take_crumbs(&mut self) {
        self.is_crumb.resize(self.rest.len(), false);
        let mut tets_of: Vec<Vec<u32>> = vec![Vec::new(); self.pieces.count()];
        for (tet, &piece) in (0u32..).zip(&self.pieces.of_tet) {
            let members = &mut tets_of[piece as usize];
            if !self.pieces.pinned[piece as usize] && members.len() < CRUMB_TETS {
                members.push(tet);
            }
        }
        for members in tets_of.into_iter().filter(|members| !members.is_empty() && members.len() < CRUMB_TETS) {
            let mut nodes: Vec<u32> = members.iter().flat_map(|&tet| self.tets[tet as usize]).collect();
            nodes.sort_unstable();
            nodes.dedup();
            let share = 1.0 / nodes.len() as f32;
            let shift = nodes.iter().map(|&v| self.positions[v as usize] - self.rest[v as usize]).sum::<Vec3>() * share;
            let velocity =
                (nodes.iter().map(|&v| self.velocities[v as usize]).sum::<Vec3>() * share).clamp_length_max(FASTEST_M_PER_S);
            self.anchors.retain(|anchor| nodes.binary_search(&anchor.node).is_err());
            self.drop_fibres(&nodes);
            for &v in &nodes {
                self.is_crumb[v as usize] = true;
                self.is_pinned[v as usize] = true;
            }
            let crumb = Crumb { nodes, velocity };
            self.place(&crumb, |_| shift);
            self.crumbs.push(crumb);
        }
    }

    /// One tick of free fall, down to the floor.
    pub(super) fn move_crumbs(&mut self, gravity: Vec3, h: f32) {
        let mut crumbs = std::mem::take(&mut self.crumbs);
        for crumb in &mut crumbs {
            crumb.velocity += gravity * h;
            let mut step = crumb.velocity * h;
            if let Some(floor) = self.settings.floor_y_m {
                let lowest = crumb.nodes.iter().map(|&v| self.positions[v as usize].y).fold(f32::INFINITY, f32::min);
                if lowest + step.y < floor {
                    step = Vec3::new(0.0, (floor - lowest).min(0.0), 0.0);
                    crumb.velocity = Vec3::ZERO;
                }
            }
            self.place(crumb, |shift| shift + step);
        }
        self.crumbs = crumbs;
    }

    fn place(&mut self, crumb: &Crumb, shift: impl Fn(Vec3) -> Vec3) {
        for &v in &crumb.nodes {
            let node = v as usize;
            let moved = shift(self.positions[node] - self.rest[node]);
            self.positions[node] = self.rest[node] + moved;
            self.u[node] = moved.extend(0.0).to_array();
            self.velocities[node] = crumb.velocity;
            self.accelerations[node] = Vec3::ZERO;
        }
    }
}
