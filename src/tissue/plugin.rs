//! The engine's side of [`crate::tissue`]: soft bodies as components, stepped in [`SessionSystems::Solve`].

use bevy::prelude::*;

use super::{BandLoss, Bruise, Loads, RigidForce, RigidShape, SoftBody, Tear, ToolShape};
use crate::clock::{TICK_SECS, plugin::SessionSystems};

/// One soft organ.
#[derive(Component)]
pub struct Tissue {
    pub name: String,
    pub body: SoftBody,
    /// Velocity lost per second to what is not modelled (neighbouring organs, fluid), 1/s.
    pub mass_damping_per_s: f32,
    /// Force on each tool in the last tick, N: from contact, from holding and from cutting.
    pub tool_forces: [ToolForce; 2],
    /// What closing blades met in this tick, N, by tool: becomes part of `tool_forces` when the body is solved.
    pub resistance_n: [Vec3; 2],
    /// What blades of this tick took from the bands that hold the body: told when it is solved.
    pub divided: Vec<BandLoss>,
    /// Nodes over their stress limit that were reported and have not recovered.
    overstressed: Vec<bool>,
}

/// What tissue does to one tool, N, world.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ToolForce {
    pub contact_n: Vec3,
    pub grip_n: Vec3,
    /// The tissue's resistance to blades that close.
    pub cut_n: Vec3,
    /// Force with which the jaws pinch what they hold, N.
    pub pinch_n: f32,
    /// Mean pressure on the tissue between them, Pa.
    pub pinch_pa: f32,
}

impl ToolForce {
    pub fn total_n(&self) -> Vec3 {
        self.contact_n + self.grip_n + self.cut_n
    }
}

impl Tissue {
    pub fn new(name: String, body: SoftBody, mass_damping_per_s: f32) -> Self {
        let overstressed = vec![false; body.positions().len()];
        let (tool_forces, resistance_n) = ([ToolForce::default(); 2], [Vec3::ZERO; 2]);
        Self { name, body, mass_damping_per_s, tool_forces, resistance_n, divided: Vec::new(), overstressed }
    }
}

/// The tools as tissue feels them in this tick.
#[derive(Resource, Debug, Clone, Default)]
pub struct ToolShapes(pub Vec<ToolShape>);

/// The rigid bodies as tissue meets them in this tick, by number.
#[derive(Resource, Debug, Clone, Default)]
pub struct RigidShapes(pub Vec<RigidShape>);

/// What tissue pushed them with in this tick.
#[derive(Resource, Debug, Clone, Default)]
pub struct RigidForces(pub Vec<RigidForce>);

/// Tissue passed the stress limit of its material.
#[derive(Message, Debug, Clone)]
pub struct TissueOverstressed {
    pub tissue: Entity,
    /// The node, where it is at rest and where it is now.
    pub node: u32,
    pub rest: Vec3,
    pub stress_pa: f32,
    pub limit_pa: f32,
    pub place: Vec3,
}

/// Tissue tore where it was overloaded.
#[derive(Message, Debug, Clone)]
pub struct TissueTorn {
    pub tissue: Entity,
    pub tear: Tear,
}

/// Tissue was pressed, gripped or strained more than it bears.
#[derive(Message, Debug, Clone)]
pub struct TissueDamaged {
    pub tissue: Entity,
    pub bruise: Bruise,
}

/// A band that holds tissue gave way, or was divided.
#[derive(Message, Debug, Clone)]
pub struct AttachmentLost {
    pub tissue: Entity,
    pub loss: BandLoss,
}

/// Tissue slid out of the jaws of a tool.
#[derive(Message, Debug, Clone)]
pub struct GripSlipped {
    pub tissue: Entity,
    pub tool: u8,
    pub force_n: f32,
}

/// A body could not be solved in this tick and rests at its last good pose, or a part of it had to be put back in its shape.
#[derive(Message, Debug, Clone)]
pub struct BodyRested {
    pub tissue: Entity,
    pub why: String,
}

/// Runs the soft tissue. Needs only `MinimalPlugins`, so tests, servers and batches use it as it is.
pub struct TissuePlugin;

impl Plugin for TissuePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<ToolShapes>()
            .init_resource::<RigidShapes>()
            .init_resource::<RigidForces>()
            .add_message::<TissueOverstressed>()
            .add_message::<TissueTorn>()
            .add_message::<AttachmentLost>()
            .add_message::<TissueDamaged>()
            .add_message::<GripSlipped>()
            .add_message::<BodyRested>()
            .add_systems(FixedUpdate, solve_bodies.in_set(SessionSystems::Solve))
            .add_systems(FixedUpdate, report_overstress.in_set(SessionSystems::Observe));
    }
}

const GRAVITY: Vec3 = Vec3::new(0.0, -9.81, 0.0);

/// Steps every body, and lets it tear and its bands give way.
pub fn solve_bodies(
    mut bodies: Query<(Entity, &mut Tissue)>,
    shapes: Res<ToolShapes>,
    rigid: Res<RigidShapes>,
    mut pushed: ResMut<RigidForces>,
    mut slipped: MessageWriter<GripSlipped>,
    mut torn: MessageWriter<TissueTorn>,
    mut lost: MessageWriter<AttachmentLost>,
    mut damaged: MessageWriter<TissueDamaged>,
    mut rested: MessageWriter<BodyRested>,
) {
    pushed.0.clear();
    for (entity, mut tissue) in &mut bodies {
        let resistance_n = std::mem::take(&mut tissue.resistance_n);
        let mass_damping_per_s = tissue.mass_damping_per_s;
        let loads = Loads { gravity: GRAVITY, mass_damping_per_s, tools: &shapes.0, bodies: &rigid.0, ..Loads::default() };
        match tissue.body.step(&loads, TICK_SECS) {
            Ok(report) => {
                let last = tissue.tool_forces;
                tissue.tool_forces = resistance_n.map(|cut_n| ToolForce { cut_n, ..ToolForce::default() });
                for force in &report.tool_forces {
                    if let Some(slot) = tissue.tool_forces.get_mut(force.tool as usize) {
                        let (pinch_n, pinch_pa) = (force.pinch_n, force.pinch_pa);
                        *slot = ToolForce { contact_n: force.contact_n, grip_n: force.grip_n, pinch_n, pinch_pa, ..*slot };
                    }
                }
                pushed.0.extend(&report.rigid_forces);
                let bruises = tissue.body.bruise(&report, TICK_SECS);
                damaged.write_batch(bruises.into_iter().map(|bruise| TissueDamaged { tissue: entity, bruise }));
                let mut losses = std::mem::take(&mut tissue.divided);
                losses.extend(tissue.body.give_way());
                lost.write_batch(losses.into_iter().map(|loss| AttachmentLost { tissue: entity, loss }));
                torn.write_batch(tissue.body.tear().map(|tear| TissueTorn { tissue: entity, tear }));
                if report.unfolded > 0 {
                    let why =
                        format!("{} elements stayed inside out: they rest in their own shape where they were", report.unfolded);
                    rested.write(BodyRested { tissue: entity, why });
                }
                for tool in report.slipped {
                    let force_n = last.get(tool as usize).map_or(0.0, |force| force.grip_n.length());
                    slipped.write(GripSlipped { tissue: entity, tool, force_n });
                }
            }
            Err(fault) => {
                rested.write(BodyRested { tissue: entity, why: fault.to_string() });
            }
        }
    }
}

/// How often the stress of a whole body is looked at, ticks: 1/15 s, faster than a tool can load and unload tissue unnoticed.
const STRESS_EVERY: u64 = 6;

/// Tells of tissue that passed its limit and still belongs to the patient: what has come free is a specimen or a scrap.
pub fn report_overstress(
    mut bodies: Query<(Entity, &mut Tissue)>,
    tick: Res<crate::clock::plugin::Tick>,
    mut messages: MessageWriter<TissueOverstressed>,
) {
    if !tick.0.is_multiple_of(STRESS_EVERY) {
        return;
    }
    for (entity, mut tissue) in &mut bodies {
        let tissue = tissue.as_mut();
        let body = &tissue.body;
        tissue.overstressed.resize(body.positions().len(), false);
        let attached = body.attached_nodes();
        let limit_pa = body.materials().iter().map(|material| material.stress_limit_pa).fold(f32::INFINITY, f32::min);
        for (node, stress_pa) in body.nodal_stress().into_iter().enumerate() {
            let over = stress_pa > limit_pa && attached[node];
            if over && !tissue.overstressed[node] {
                let (rest, place) = (body.rest_positions()[node], body.positions()[node]);
                messages.write(TissueOverstressed { tissue: entity, node: node as u32, rest, stress_pa, limit_pa, place });
            }
            // recovered only well below the limit, so that trembling around it is one event
            tissue.overstressed[node] = over || (tissue.overstressed[node] && stress_pa > 0.8 * limit_pa);
        }
    }
}
