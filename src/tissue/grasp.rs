//! Holding tissue between jaws: springs from surface nodes to points fixed in the tool, as strong as friction lets them be.
//!
//! A closed jaw holds what lies in its box. The springs' stiffness follows the tissue's own (E times the edge), so a hold is firm but no wall; their
//! sum is the force that the hand would feel. The jaws pinch with a force N that a node held has an equal share of. Across their closing a node is
//! held by friction on both jaws, up to 2 μ times its share; pulled harder, it slides, its share of the pull stays what friction gives, and where
//! it comes out of the jaws it is let go and the others have more of N. So a hold gives way at 2 μ N. When the last node is out, the hold is lost.
//!
//! Limits: pinching is within the jaws, which are smaller than elements: it does not deform the tissue around them, and its pressure is reported.

use glam::Vec3;

use super::body::SoftBody;
use super::contact::ToolShape;
use super::elements::Node;
use super::terms::{Spring, Terms};
use crate::geom::Pose;

/// The space between closing jaws, in the frame of their tips: the jaws reach from the tips at the origin along +z to the hinge and open along y.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JawRegion {
    pub world_from_tip: Pose,
    pub length_m: f32,
    /// Half the distance between the tips when the jaws began to close, m.
    pub half_opening_m: f32,
}

/// Half the width of a jaw, m: dissecting jaws of 5 mm instruments are about 5 mm broad.
const HALF_WIDTH_M: f32 = 2.5e-3;
/// Jaws that hold less than this of their length pinch this much, m: teeth are a millimetre apart.
const LEAST_HELD_M: f32 = 1e-3;
/// How far tissue is out of the jaws when they let go of it, m.
const OUT_M: f32 = 1e-4;

/// What a grasp took hold of.
#[derive(Debug, Clone, PartialEq)]
pub struct GraspReport {
    /// The nodes held.
    pub nodes: Vec<u32>,
    /// Their mean in the world, m.
    pub centre: Vec3,
    /// The pieces of the body that they belong to, ascending.
    pub pieces: Vec<u32>,
}

/// One node in the jaws of one tool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anchor {
    pub tool: u8,
    pub node: u32,
    pub point_in_tool: Vec3,
    pub stiffness_n_m: f32,
    /// Where between the jaws the tissue at this node is held, in their frame.
    pub held_at: Vec3,
}

/// The jaws of one tool that hold something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hold {
    tool: u8,
    length_m: f32,
    pinch_n: f32,
}

impl SoftBody {
    /// Closes the jaws of `tool`: the surface nodes in the box are held from now on; where there are fewer than three, the corners of the
    /// faces that reach into the box are held too. `None` when nothing lies between the jaws; what the tool held before is kept.
    pub fn grasp(&mut self, tool: u8, jaws: &JawRegion) -> Option<GraspReport> {
        if !jaws.world_from_tip.is_sound() {
            return None;
        }
        let tip_from_world = jaws.world_from_tip.inverse();
        let middle = Vec3::Z * (0.5 * jaws.length_m);
        let half = Vec3::new(HALF_WIDTH_M, jaws.half_opening_m, 0.5 * jaws.length_m);
        let in_jaws = |x: Vec3| (tip_from_world * x - middle).abs().cmple(half).all();
        let inside = |v: u32| in_jaws(self.positions[v as usize]);
        let mut nodes: Vec<u32> = self.surface.nodes.iter().copied().filter(|&v| inside(v)).collect();
        if nodes.len() < 3 {
            let centre = jaws.world_from_tip * middle;
            let reach = half.length() + 2.0 * self.mean_edge_m;
            for face in &self.surface.faces {
                let corners = face.map(|v| self.positions[v as usize]);
                let near = corners.iter().any(|x| x.distance_squared(centre) < reach * reach);
                if near && face_samples(corners).any(in_jaws) {
                    nodes.extend(face);
                }
            }
            nodes.sort_unstable();
            nodes.dedup();
        }
        if nodes.is_empty() {
            return None;
        }
        self.release(tool);
        let young = self.materials.iter().map(|m| m.young_pa).fold(0.0, f32::max);
        let stiffness_n_m = self.settings.grip_stiffness * young * self.mean_edge_m;
        for &node in &nodes {
            let point_in_tool = tip_from_world * self.positions[node as usize];
            // of a node beside the jaws, what is held is the tissue between
            let held_at = middle + (point_in_tool - middle).clamp(-half, half);
            self.anchors.push(Anchor { tool, node, point_in_tool, stiffness_n_m, held_at });
        }
        self.holds.push(Hold { tool, length_m: jaws.length_m, pinch_n: self.settings.pinch_n });
        let centre = nodes.iter().map(|&v| self.positions[v as usize]).sum::<Vec3>() / nodes.len() as f32;
        let held = |tet: usize| self.tets[tet].iter().any(|v| nodes.binary_search(v).is_ok());
        let mut pieces: Vec<u32> = (0..self.tets.len()).filter(|&tet| held(tet)).map(|tet| self.pieces.of_tet[tet]).collect();
        pieces.sort_unstable();
        pieces.dedup();
        Some(GraspReport { nodes, centre, pieces })
    }

    /// Opens the jaws of `tool`.
    pub fn release(&mut self, tool: u8) {
        self.anchors.retain(|anchor| anchor.tool != tool);
        self.holds.retain(|hold| hold.tool != tool);
    }

    /// Says with what force the jaws of `tool` are pressed together, N, while they hold something; a number that is not positive presses not at all.
    pub fn pinch(&mut self, tool: u8, force_n: f32) {
        let force_n = if force_n.is_finite() { force_n.max(0.0) } else { 0.0 };
        self.holds.iter_mut().filter(|hold| hold.tool == tool).for_each(|hold| hold.pinch_n = force_n);
    }

    /// With what force the jaws of `tool` pinch what they hold, N, and the mean pressure of the tissue between them, Pa; zero where they hold nothing.
    pub fn pinched(&self, tool: u8) -> (f32, f32) {
        let Some(hold) = self.holds.iter().find(|hold| hold.tool == tool) else { return (0.0, 0.0) };
        let held = self.anchors.iter().filter(|anchor| anchor.tool == tool).map(|anchor| anchor.held_at.z);
        let (low, high) = held.fold((f32::MAX, f32::MIN), |(low, high), z| (low.min(z), high.max(z)));
        if low > high {
            return (0.0, 0.0);
        }
        let length_m = (high - low).clamp(LEAST_HELD_M, hold.length_m.max(LEAST_HELD_M));
        (hold.pinch_n, hold.pinch_n / (2.0 * HALF_WIDTH_M * length_m))
    }

    /// Whether `tool` holds anything of this body.
    pub fn is_grasped(&self, tool: u8) -> bool {
        self.anchors.iter().any(|anchor| anchor.tool == tool)
    }

    /// What is held, by whom.
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// Springs of this tick; a tool that is not among the loads holds its nodes where they are.
    pub(super) fn add_springs(&self, tools: &[ToolShape], terms: &mut Terms) {
        terms.springs.clear();
        for anchor in &self.anchors {
            let at = self.positions[anchor.node as usize];
            let held = tools.iter().find(|tool| tool.tool == anchor.tool);
            let offset_at_start = held.map_or(Vec3::ZERO, |tool| at - tool.pose * anchor.point_in_tool);
            let closing = held.map_or(Vec3::Y, |tool| tool.pose.rotation * Vec3::Y);
            let pinch_n = self.holds.iter().find(|hold| hold.tool == anchor.tool).map_or(0.0, |hold| hold.pinch_n);
            let sharing = self.anchors.iter().filter(|other| other.tool == anchor.tool).count() as f32;
            let limit_n = 2.0 * self.settings.jaw_friction * pinch_n / sharing;
            // a crumb is carried: it pulls at nothing
            let stiffness = if self.is_crumb(anchor.node) { 0.0 } else { anchor.stiffness_n_m };
            let (node, tool) = (anchor.node, anchor.tool);
            terms.springs.push(Spring { node, offset_at_start, stiffness, closing, limit_n, tool });
        }
    }

    /// Moves what has slid through the jaws to where it is now and lets go of what has come out; the answer is the tools that lost the last of it.
    pub(super) fn let_slip(&mut self, tools: &[ToolShape], terms: &Terms, moved: &[Node]) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, (anchor, spring)) in self.anchors.iter_mut().zip(&terms.springs).enumerate() {
            let slid = spring.slid(moved);
            let Some(tool) = tools.iter().find(|tool| tool.tool == anchor.tool).filter(|_| slid != Vec3::ZERO) else { continue };
            let slid = tool.pose.rotation.inverse() * slid;
            anchor.point_in_tool += slid;
            anchor.held_at += slid;
            let length_m = self.holds.iter().find(|hold| hold.tool == anchor.tool).map_or(0.0, |hold| hold.length_m);
            let at = anchor.held_at;
            // the hinge is closed: nothing leaves there
            if at.x.abs() > HALF_WIDTH_M + OUT_M || at.z < -OUT_M {
                out.push(index);
            } else if at.z > length_m {
                anchor.point_in_tool.z += length_m - at.z;
                anchor.held_at.z = length_m;
            }
        }
        let mut lost: Vec<u8> = out.iter().map(|&index| self.anchors[index].tool).collect();
        let mut index = 0;
        self.anchors.retain(|_| {
            index += 1;
            out.binary_search(&(index - 1)).is_err()
        });
        lost.sort_unstable();
        lost.dedup();
        lost.retain(|&tool| !self.is_grasped(tool));
        lost.iter().for_each(|&tool| self.release(tool));
        lost
    }
}

/// Points spread over a triangle: a grid of barycentric quarters, with the corners.
fn face_samples([a, b, c]: [Vec3; 3]) -> impl Iterator<Item = Vec3> {
    (0..=4).flat_map(move |i| (0..=4 - i).map(move |j| a + (b - a) * (i as f32 / 4.0) + (c - a) * (j as f32 / 4.0)))
}
