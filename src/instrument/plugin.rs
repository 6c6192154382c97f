//! The engine's side of [`crate::instrument`]: tools as entities that move, bite and let go in [`SessionSystems::Act`].

use bevy::prelude::*;

use super::{InputFrame, Jaw, JawEvent, Side, ToolKind, ToolSpec, Trocar};
use crate::{
    clock::plugin::SessionSystems,
    geom::Pose,
    rigid::plugin::{RingObject, RingSlipped, ToolBody, watch_rings},
    tissue::{
        BladeSweep, Capsule, CutReport, JawRegion, ToolShape,
        plugin::{GripSlipped, Tissue, ToolShapes, report_overstress},
    },
};

/// The frozen inputs of this tick.
#[derive(Resource, Debug, Clone, Copy, Default)]
pub struct Inputs(pub InputFrame);

/// A tool in a hand.
#[derive(Component, Debug, Clone)]
pub struct Tool {
    pub side: Side,
    pub spec: ToolSpec,
    pub trocar: Trocar,
    /// `world_from_tip`, now and a tick ago.
    pub pose: Pose,
    pub previous: Pose,
    pub jaw: Jaw,
    pub holding: Option<Held>,
    /// Force of the tool on the world, N.
    pub force_n: Vec3,
    moment: Option<JawEvent>,
}

/// What jaws hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Tissue(Entity),
    Ring(Entity),
}

impl Tool {
    pub fn new(side: Side, kind: ToolKind, trocar: Trocar, pose: Pose) -> Self {
        let spec = kind.spec();
        let pose = trocar.constrain(pose);
        Self { side, spec, trocar, pose, previous: pose, jaw: Jaw::open(&spec), holding: None, force_n: Vec3::ZERO, moment: None }
    }

    /// The hinge, world.
    pub fn hinge(&self) -> Vec3 {
        self.pose * (Vec3::Z * self.spec.jaw_length_m)
    }

    /// Where jaws `angle_rad` apart end, world: the upper and the lower tip.
    pub fn jaw_tips(&self, angle_rad: f32) -> [Vec3; 2] {
        let length = self.spec.jaw_length_m;
        let (sin, cos) = (libm::sinf(0.5 * angle_rad), libm::cosf(0.5 * angle_rad));
        [1.0, -1.0].map(|up| self.pose * Vec3::new(0.0, up * length * sin, length * (1.0 - cos)))
    }
}

impl Tool {
    /// What blades sweep that close from `angle_rad` apart, world: a trapezium from the hinge, where it is as wide as the shaft that is to
    /// follow, to the tips.
    pub fn blade_sweep(&self, angle_rad: f32) -> Vec<Vec3> {
        self.blade_strip(angle_rad, 0.0, 1.0)
    }

    /// The part of [`Tool::blade_sweep`] between two shares of the way from the hinge to the tips.
    pub fn blade_strip(&self, angle_rad: f32, from: f32, to: f32) -> Vec<Vec3> {
        let [upper, lower] = self.jaw_tips(angle_rad);
        let beside = self.pose.rotation * Vec3::Y * self.spec.shaft_radius_m;
        let (above, below) = (self.hinge() + beside, self.hinge() - beside);
        vec![above.lerp(upper, from), above.lerp(upper, to), below.lerp(lower, to), below.lerp(lower, from)]
    }

    /// The strip that scissors part in this tick as they close, and the way on which they do, from the hinge to the tips; `None` while they do not.
    fn closing_strip(&self) -> Option<(BladeSweep, Vec3)> {
        let widest = match self.moment {
            Some(JawEvent::Bit { widest_rad }) => widest_rad,
            _ if self.jaw.closed => return None,
            _ => self.jaw.widest_rad,
        };
        let [from, to] = [self.jaw.previous_rad, self.jaw.angle_rad].map(|angle| Jaw::stroke(angle, widest, &self.spec));
        let way = (self.pose.position - self.hinge()) * (to - from);
        (to > from).then(|| (BladeSweep { polygon: self.blade_strip(widest, from, to) }, way))
    }
}

/// Jaws closed on something.
#[derive(Message, Debug, Clone)]
pub struct Grasped {
    pub side: Side,
    pub what: String,
    pub held: Held,
}

/// Jaws opened and let something go.
#[derive(Message, Debug, Clone)]
pub struct Released {
    pub side: Side,
    pub what: String,
    pub held: Held,
}

/// Scissors divided tissue.
#[derive(Message, Debug, Clone)]
pub struct TissueCut {
    pub side: Side,
    pub tissue: Entity,
    pub report: CutReport,
    pub place: Vec3,
}

/// Moves the tools and lets them act.
pub struct InstrumentPlugin;

impl Plugin for InstrumentPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Inputs>()
            .add_message::<Grasped>()
            .add_message::<Released>()
            .add_message::<TissueCut>()
            .add_systems(FixedUpdate, (move_tools, work_jaws, shape_tools).chain().in_set(SessionSystems::Act))
            .add_systems(
                FixedUpdate,
                (forget_slipped, read_forces).chain().after(report_overstress).after(watch_rings).in_set(SessionSystems::Observe),
            );
    }
}

/// Walks tools left hand first: the order of queries follows memory, not meaning.
fn in_order<'a>(tools: impl Iterator<Item = Mut<'a, Tool>>) -> Vec<Mut<'a, Tool>> {
    let mut tools: Vec<_> = tools.collect();
    tools.sort_by_key(|tool| tool.side);
    tools
}

/// The fastest a tip moves, m/s: a hand does not exceed it, a tracking glitch does, and contact is continuous up to it.
const FASTEST_M_PER_S: f32 = 1.5;

fn move_tools(mut tools: Query<&mut Tool>, inputs: Res<Inputs>) {
    for mut tool in &mut tools {
        let tool = tool.as_mut();
        tool.previous = tool.pose;
        tool.moment = None;
        if let Some(hand) = inputs.0.hands[tool.side.index()].and_then(super::HandInput::sound) {
            let step = hand.pose.position - tool.pose.position;
            let position = tool.pose.position + step.clamp_length_max(FASTEST_M_PER_S * crate::clock::TICK_SECS);
            tool.pose = tool.trocar.constrain(Pose { position, ..hand.pose });
            tool.moment = tool.jaw.follow(hand.closure, &tool.spec);
        }
    }
}

fn work_jaws(
    mut tools: Query<&mut Tool>,
    mut tissues: Query<(Entity, &mut Tissue)>,
    mut rings: Query<(Entity, &mut RingObject, &Transform)>,
    mut grasped: MessageWriter<Grasped>,
    mut released: MessageWriter<Released>,
    mut cuts: MessageWriter<TissueCut>,
) {
    for mut tool in in_order(tools.iter_mut()) {
        // the blades close from the hinge to the tips, and push the tissue out that way
        if let Some((strip, way)) = tool.closing_strip().filter(|_| tool.spec.kind == ToolKind::Scissors) {
            for (_, mut tissue) in &mut tissues {
                let felt = tissue.body.cutting_force(&strip, way);
                tissue.resistance_n[tool.side.index()] += felt;
            }
        }
        match (tool.moment, tool.spec.kind) {
            (Some(JawEvent::Bit { .. }), ToolKind::Grasper) if tool.holding.is_none() => {
                tool.holding = grasp_ring(&tool, &mut rings).or_else(|| grasp_tissue(&tool, &mut tissues));
                if let Some(held) = tool.holding {
                    grasped.write(Grasped { side: tool.side, what: name_of(held, &tissues, &rings), held });
                }
            }
            (Some(JawEvent::Opened), ToolKind::Grasper) => {
                if let Some(held) = tool.holding.take() {
                    released.write(Released { side: tool.side, what: name_of(held, &tissues, &rings), held });
                    let number = tool.side.index() as u8;
                    match held {
                        Held::Tissue(entity) => {
                            if let Ok((_, mut tissue)) = tissues.get_mut(entity) {
                                tissue.body.release(number);
                            }
                        }
                        Held::Ring(entity) => {
                            if let Ok((_, mut ring, _)) = rings.get_mut(entity) {
                                ring.holds.retain(|(holder, _)| *holder != number);
                            }
                        }
                    }
                }
            }
            (Some(JawEvent::Bit { widest_rad }), ToolKind::Scissors) => {
                let sweep = BladeSweep { polygon: tool.blade_sweep(widest_rad) };
                for (entity, mut tissue) in &mut tissues {
                    let report = tissue.body.cut(&sweep);
                    tissue.divided.extend(report.divided.iter().cloned());
                    if !report.opened.is_empty() {
                        cuts.write(TissueCut { side: tool.side, tissue: entity, report, place: tool.pose.position });
                    }
                }
            }
            _ => {}
        }
        if let Some(Held::Tissue(entity)) = tool.holding
            && let Ok((_, mut tissue)) = tissues.get_mut(entity)
        {
            let force_n = tool.jaw.squeeze(&tool.spec) * tissue.body.settings().pinch_n;
            tissue.body.pinch(tool.side.index() as u8, force_n);
        }
    }
}

fn name_of(held: Held, tissues: &Query<(Entity, &mut Tissue)>, rings: &Query<(Entity, &mut RingObject, &Transform)>) -> String {
    match held {
        Held::Tissue(entity) => tissues.get(entity).map(|(_, tissue)| tissue.name.clone()),
        Held::Ring(entity) => rings.get(entity).map(|(_, ring, _)| ring.name.clone()),
    }
    .unwrap_or_default()
}

/// How near the middle of the jaws must come to a wall of a ring, m: half of what fully open jaws span there.
const RING_REACH_M: f32 = 0.006;

fn grasp_ring(tool: &Tool, rings: &mut Query<(Entity, &mut RingObject, &Transform)>) -> Option<Held> {
    let jaw = tool.pose * (Vec3::Z * (0.2 * tool.spec.jaw_length_m));
    let pose_of = |transform: &Transform| Pose { position: transform.translation, rotation: transform.rotation };
    let (entity, reach) = rings
        .iter()
        .map(|(entity, ring, transform)| (entity, ring.shape.distance_to_walls(pose_of(transform).inverse() * jaw)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    if reach > RING_REACH_M {
        return None;
    }
    let (_, mut ring, transform) = rings.get_mut(entity).ok()?;
    if ring.holds.is_empty() {
        ring.handed_over = false;
    }
    ring.holds.push((tool.side.index() as u8, tool.pose.inverse() * pose_of(transform)));
    Some(Held::Ring(entity))
}

fn grasp_tissue(tool: &Tool, tissues: &mut Query<(Entity, &mut Tissue)>) -> Option<Held> {
    let region =
        JawRegion { world_from_tip: tool.pose, length_m: tool.spec.jaw_length_m, half_opening_m: 0.5 * tool.spec.jaw_length_m };
    tissues
        .iter_mut()
        .find_map(|(entity, mut tissue)| tissue.body.grasp(tool.side.index() as u8, &region).map(|_| Held::Tissue(entity)))
}

fn shape_tools(tools: Query<&Tool>, mut bodies: Query<&mut ToolBody>, mut shapes: ResMut<ToolShapes>) {
    let mut tools: Vec<_> = tools.iter().collect();
    tools.sort_by_key(|tool| tool.side);
    for mut body in &mut bodies {
        if let Some(tool) = tools.iter().find(|tool| tool.side.index() as u8 == body.tool) {
            *body = ToolBody { pose: tool.pose, pushes: tool.jaw.closed && tool.holding.is_none(), ..*body };
        }
    }
    shapes.0 = tools.iter().map(|tool| shape_of(tool)).collect();
}

/// Length behind the hinge of scissors that slides in the slit they cut without pressing on its walls, m.
const SLIT_M: f32 = 0.06;

/// The tool as tissue feels it: the shaft, and the jaws of a grasper. The blades of scissors are sharp: they enter, and only their
/// closing divides; the shaft close behind them follows in the slit.
fn shape_of(tool: &Tool) -> ToolShape {
    let spec = &tool.spec;
    let capsule = |from: Vec3, to: Vec3, radius_m: f32| Capsule {
        from: tool.pose * from,
        to: tool.pose * to,
        previous_from: tool.previous * from,
        previous_to: tool.previous * to,
        radius_m,
    };
    let hinge = Vec3::Z * spec.jaw_length_m;
    let slit = if spec.kind == ToolKind::Scissors { Vec3::Z * SLIT_M } else { Vec3::ZERO };
    let mut capsules = vec![capsule(hinge + slit, Vec3::Z * (spec.jaw_length_m + 0.15), spec.shaft_radius_m)];
    if spec.kind == ToolKind::Grasper && tool.holding.is_none() {
        let to_tip = tool.pose.inverse();
        capsules.extend(tool.jaw_tips(tool.jaw.angle_rad).map(|tip| capsule(hinge, to_tip * tip, spec.jaw_radius_m)));
    }
    ToolShape { tool: tool.side.index() as u8, pose: tool.pose, capsules, friction: 0.2 }
}

fn forget_slipped(mut tools: Query<&mut Tool>, mut grips: MessageReader<GripSlipped>, mut rings: MessageReader<RingSlipped>) {
    let slipped: Vec<u8> = grips.read().map(|slip| slip.tool).chain(rings.read().map(|slip| slip.tool)).collect();
    for mut tool in &mut tools {
        if slipped.contains(&(tool.side.index() as u8)) {
            tool.holding = None;
        }
    }
}

fn read_forces(mut tools: Query<&mut Tool>, tissues: Query<&Tissue>, rings: Query<&RingObject>) {
    for mut tool in &mut tools {
        let number = tool.side.index();
        let tissue: Vec3 = tissues.iter().map(|tissue| tissue.tool_forces[number].total_n()).sum();
        let ring: Vec3 = rings
            .iter()
            .filter(|ring| ring.holds.first().is_some_and(|(holder, _)| *holder as usize == number))
            .map(|ring| ring.pull_n)
            .sum();
        tool.force_n = ring - tissue;
    }
}
