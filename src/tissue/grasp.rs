//! Holding tissue between jaws: springs from surface nodes to points fixed in the tool.
//!
//! A closed jaw holds what lies in its box. The springs' stiffness follows the tissue's own (E times the edge), so a hold is firm but no wall;
//! their sum is the force that the hand would feel, and past a limit the hold slips and lets go at once.
//!
//! Limits: the jaws do not squeeze the tissue, and a hold slips whole, not node by node.

use glam::Vec3;

use super::body::SoftBody;
use super::contact::ToolShape;
use super::solver::ToolForce;
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
            self.anchors.push(Anchor { tool, node, point_in_tool, stiffness_n_m });
        }
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
            terms.springs.push(Spring { node: anchor.node, offset_at_start, stiffness: anchor.stiffness_n_m, tool: anchor.tool });
        }
    }

    /// Drops the holds that are pulled past their limit.
    pub(super) fn let_slip(&mut self, forces: &[ToolForce]) -> Vec<u8> {
        let past = |force: &&ToolForce| self.is_grasped(force.tool) && force.grip_n.length() > self.settings.hold_limit_n;
        let slipped: Vec<u8> = forces.iter().filter(past).map(|force| force.tool).collect();
        slipped.iter().for_each(|&tool| self.release(tool));
        slipped
    }
}

/// Points spread over a triangle: a grid of barycentric quarters, with the corners.
fn face_samples([a, b, c]: [Vec3; 3]) -> impl Iterator<Item = Vec3> {
    (0..=4).flat_map(move |i| (0..=4 - i).map(move |j| a + (b - a) * (i as f32 / 4.0) + (c - a) * (j as f32 / 4.0)))
}
