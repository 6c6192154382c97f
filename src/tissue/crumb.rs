//! Crumbs: pieces no larger than a few elements that a cut leaves behind.
//!
//! A crumb weighs milligrams and deforms in ways that nobody sees; as an elastic body of what cuts have left of elements it only makes every solve
//! stiff. It keeps its volume and its place in the meshes, takes its rest shape where it is, and from then on is carried by the jaws that hold it or
//! falls as one until it lies on the floor. Tools pass through it.

use glam::Vec3;

use super::SoftBody;
use super::contact::ToolShape;
use super::grasp::Anchor;

/// Free pieces of less than the volume of so many elements of the first mesh are crumbs, however many they are made of.
const CRUMB_ELEMENTS: f32 = 16.0;
/// Nothing that small is thrown faster, m/s.
const FASTEST_M_PER_S: f32 = 0.5;

/// One crumb.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Crumb {
    nodes: Vec<u32>,
    velocity: Vec3,
    /// The tool that carries it, and where its nodes are in that.
    carried: Option<(u8, Vec<Vec3>)>,
}

impl SoftBody {
    /// Whether a node belongs to a crumb.
    pub(super) fn is_crumb(&self, node: u32) -> bool {
        self.is_crumb.get(node as usize).copied().unwrap_or(false)
    }

    /// Makes crumbs of the free pieces that are too small to be bodies.
    pub(super) fn take_crumbs(&mut self) {
        self.is_crumb.resize(self.rest.len(), false);
        let mut volume = vec![0.0f32; self.pieces.count()];
        for (tet, &piece) in self.pieces.of_tet.iter().enumerate() {
            volume[piece as usize] += self.shapes[tet].volume;
        }
        let most = CRUMB_ELEMENTS * self.mean_volume_m3;
        let is_crumb: Vec<bool> = volume.iter().zip(&self.pieces.pinned).map(|(&v, &is_pinned)| v < most && !is_pinned).collect();
        let mut nodes_of = vec![Vec::new(); self.pieces.count()];
        for (node, &piece) in (0u32..).zip(&self.pieces.of_node) {
            if is_crumb.get(piece as usize).is_some_and(|&is_crumb| is_crumb) {
                nodes_of[piece as usize].push(node);
            }
        }
        for nodes in nodes_of.into_iter().filter(|nodes: &Vec<u32>| !nodes.is_empty()) {
            self.put_back(&nodes, &nodes);
            let velocity = self.velocities[nodes[0] as usize].clamp_length_max(FASTEST_M_PER_S);
            self.drop_fibres(&nodes);
            for &v in &nodes {
                self.is_crumb[v as usize] = true;
                self.is_pinned[v as usize] = true;
            }
            self.crumbs.push(Crumb { nodes, velocity, carried: None });
        }
    }

    /// One tick with the jaws of a tool, or of free fall down to the floor.
    pub(super) fn move_crumbs(&mut self, tools: &[ToolShape], gravity: Vec3, h: f32) {
        let mut crumbs = std::mem::take(&mut self.crumbs);
        for crumb in &mut crumbs {
            let is_own = |anchor: &&Anchor| crumb.nodes.binary_search(&anchor.node).is_ok();
            let held = self.anchors.iter().find(is_own).copied();
            let tool = held.and_then(|anchor| tools.iter().find(|tool| tool.tool == anchor.tool));
            if let Some(tool) = tool {
                let points = match crumb.carried.take() {
                    Some((carrier, points)) if carrier == tool.tool => points,
                    _ => {
                        // what was stretched between jaws and tissue when it came off has drawn together: it goes to where it is held
                        let inverse = tool.pose.inverse();
                        let own: Vec<&Anchor> = self.anchors.iter().filter(is_own).filter(|a| a.tool == tool.tool).collect();
                        let off = |a: &&Anchor| a.point_in_tool - inverse * self.positions[a.node as usize];
                        let shift = own.iter().map(off).sum::<Vec3>() / own.len().max(1) as f32;
                        crumb.nodes.iter().map(|&v| inverse * self.positions[v as usize] + shift).collect()
                    }
                };
                let before = self.positions[crumb.nodes[0] as usize];
                crumb.velocity = ((tool.pose * points[0] - before) / h).clamp_length_max(FASTEST_M_PER_S);
                for (&v, &point) in crumb.nodes.iter().zip(&points) {
                    self.place_crumb_node(v, tool.pose * point, crumb.velocity);
                }
                crumb.carried = Some((tool.tool, points));
                continue;
            }
            crumb.carried = None;
            if held.is_some() {
                continue;
            }
            crumb.velocity += gravity * h;
            let mut step = crumb.velocity * h;
            if let Some(floor) = self.settings.floor_y_m {
                let lowest = crumb.nodes.iter().map(|&v| self.positions[v as usize].y).fold(f32::INFINITY, f32::min);
                if lowest + step.y < floor {
                    step = Vec3::new(0.0, (floor - lowest).min(0.0), 0.0);
                    crumb.velocity = Vec3::ZERO;
                }
            }
            for &v in &crumb.nodes {
                self.place_crumb_node(v, self.positions[v as usize] + step, crumb.velocity);
            }
        }
        self.crumbs = crumbs;
    }

    fn place_crumb_node(&mut self, node: u32, at: Vec3, velocity: Vec3) {
        let node = node as usize;
        self.positions[node] = at;
        self.u[node] = (at - self.rest[node]).extend(0.0).to_array();
        self.velocities[node] = velocity;
    }
}
