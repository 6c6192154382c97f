//! The engine's side of [`crate::rigid`]: Rapier bodies for the board, its pegs, the rings and the tools that touch them.
//!
//! A held ring is not welded to the jaws. Each tick it is given the velocity that would bring it to its place in them by the end of
//! the tick, and Rapier's contacts then decide how far it gets: that is an implicit spring of stiffness m/h² between ring and jaw
//! (81 N/m for 10 g at 90 Hz), and what the spring cannot hold slips.

use bevy::{ecs::schedule::ScheduleLabel, prelude::*};
use bevy_rapier3d::{prelude::*, rapier::dynamics::IntegrationParameters};

mod on_tissue;

pub use on_tissue::MeetsTissue;

use super::{Board, PrismRing};
use crate::{
    clock::{TICK_SECS, plugin::SessionSystems},
    geom::Pose,
    tissue::plugin::solve_bodies,
};
use on_tissue::{push_bodies, show_bodies};

/// The board of a bench task.
#[derive(Component, Debug, Clone)]
pub struct PegBoard(pub Board);

/// Bears every body of the bench: it goes when the session begins again.
#[derive(Component, Debug, Clone, Copy, Default)]
pub struct OfBench;

/// A ring, and what is known of it.
#[derive(Component, Debug, Clone)]
pub struct RingObject {
    pub name: String,
    pub shape: PrismRing,
    /// Who holds it (tool number) and where it sits in that tool; the first leads, a second has taken it over when the first lets go.
    pub holds: Vec<(u8, Pose)>,
    /// The peg it stands on.
    pub on_peg: Option<usize>,
    /// Whether it passed from one tool to another in mid-air since it was last picked up.
    pub handed_over: bool,
    /// Whether it left the field.
    pub lost: bool,
    /// Ticks at rest in a row.
    still: u32,
    /// Whether it is falling or lying about since it was let go.
    loose: bool,
    /// Pull of the jaws in this tick, N.
    pub pull_n: Vec3,
}

/// The rigid side of a tool: a capsule around jaws and shaft that pushes rings while the jaws are shut and empty.
#[derive(Component, Debug, Clone, Copy)]
pub struct ToolBody {
    pub tool: u8,
    pub pose: Pose,
    pub pushes: bool,
}

/// A ring was torn out of the jaws of `tool` by a pull of `force_n`.
#[derive(Message, Debug, Clone)]
pub struct RingSlipped {
    pub ring: String,
    pub tool: u8,
    pub force_n: f32,
}

/// A ring came to rest on a peg.
#[derive(Message, Debug, Clone)]
pub struct RingPlaced {
    pub ring: String,
    pub peg: usize,
}

/// A ring that nobody holds came to rest elsewhere, or left the field.
#[derive(Message, Debug, Clone)]
pub struct RingDropped {
    pub ring: String,
    pub lost: bool,
    pub place: Vec3,
}

/// How far a ring may lag behind the jaws before it slips, m: 81 N/m × 8 mm = 0.65 N for a ring of 10 g.
const SLIP_M: f32 = 0.008;
/// How far a ring may be twisted against the jaws before it turns in them, rad: two small pads pinch a wall, and their friction holds
/// little torque.
const TURN_RAD: f32 = 0.05;
/// A ring rests when it has not moved for 0.1 s, and counts as dropped when it has rested elsewhere than on a peg for 0.5 s; ticks.
const STILL_TICKS: u32 = 9;
const DROPPED_TICKS: u32 = 45;
/// A ring further than this from the board's edge is out of the field of view.
const FIELD_MARGIN_M: f32 = 0.03;

/// Runs rigid bodies in the solve phase. Needs only `MinimalPlugins`, transforms and the mesh asset.
pub struct RigidPlugin;

impl Plugin for RigidPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(TimestepMode::Fixed { dt: TICK_SECS, substeps: 4 })
            .insert_resource(bench_physics())
            .add_plugins(RapierPhysicsPlugin::<NoUserData>::default().in_fixed_schedule())
            .add_message::<RingSlipped>()
            .add_message::<RingPlaced>()
            .add_message::<RingDropped>()
            .configure_sets(
                FixedUpdate,
                (PhysicsSet::SyncBackend, PhysicsSet::StepSimulation, PhysicsSet::Writeback).in_set(SessionSystems::Solve),
            )
            .add_systems(TakeInBody, RapierPhysicsPlugin::<NoUserData>::get_systems(PhysicsSet::SyncBackend))
            .add_systems(
                FixedUpdate,
                (
                    (place_tool_bodies, hold_rings, show_bodies).chain().before(solve_bodies),
                    push_bodies.after(solve_bodies).before(PhysicsSet::SyncBackend),
                )
                    .in_set(SessionSystems::Solve),
            )
            .add_systems(FixedUpdate, watch_rings.in_set(SessionSystems::Observe));
    }
}

/// Rapier in SI for objects of a centimetre. Its usual contacts give way slowly, as piles of crates need; a ring that jaws press
/// against a peg must not be pressed into it.
fn bench_physics() -> RapierContextInitialization {
    let mut integration_parameters = IntegrationParameters { length_unit: 0.02, ..default() };
    for softness in [&mut integration_parameters.contact_softness, &mut integration_parameters.static_contact_softness] {
        (softness.natural_frequency, softness.damping_ratio) = (120.0, 1.0);
    }
    let mut rapier_configuration = RapierConfiguration::new(1.0);
    rapier_configuration.gravity = Vec3::NEG_Y * 9.81;
    RapierContextInitialization::InitializeDefaultRapierContext { integration_parameters, rapier_configuration }
}

/// Hands a body just spawned to Rapier. Contacts are solved in the order in which Rapier came to know the bodies, and left to itself
/// it takes them in the order of the engine's storage, which differs between a window and a replay.
#[derive(ScheduleLabel, Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TakeInBody;

pub(crate) fn spawn_body(world: &mut World, body: impl Bundle) {
    world.spawn((OfBench, body));
    world.run_schedule(TakeInBody);
}

/// Makes Rapier forget all bodies, and the places in its arenas that they had: the next session begins like the first.
pub fn clear_bench(world: &mut World) {
    let mut contexts = world.query::<(Entity, &RapierContextSimulation)>();
    let contexts: Vec<_> = contexts.iter(world).map(|(entity, context)| (entity, context.integration_parameters)).collect();
    for (entity, integration_parameters) in contexts {
        let mut context = RapierContextSimulation::default();
        context.integration_parameters = integration_parameters;
        let emptied = (RapierContextColliders::default(), RapierRigidBodySet::default(), RapierContextJoints::default());
        world.entity_mut(entity).insert((context, emptied));
    }
}

/// Spawns the table, the board with its pegs, and one ring on each of `rings` (name, peg).
pub fn spawn_board(world: &mut World, board: &Board, shape: PrismRing, rings: &[(String, usize)]) {
    let half = 0.5 * board.size_m;
    spawn_body(
        world,
        (Transform::from_xyz(0.0, -0.01, 0.0), RigidBody::Fixed, Collider::cuboid(0.5, 0.01, 0.5), Friction::coefficient(0.6)),
    );
    spawn_body(
        world,
        (
            PegBoard(board.clone()),
            Transform::from_xyz(0.0, half.y, 0.0),
            RigidBody::Fixed,
            Collider::cuboid(half.x, half.y, half.z),
            Friction::coefficient(0.6),
        ),
    );
    for peg in &board.pegs {
        let middle = peg.foot + Vec3::Y * 0.5 * board.peg_height_m;
        spawn_body(
            world,
            (
                Transform::from_translation(middle),
                RigidBody::Fixed,
                Collider::cylinder(0.5 * board.peg_height_m, board.peg_radius_m),
                Friction::coefficient(0.05),
            ),
        );
    }
    let walls = shape.walls().into_iter().filter_map(|corners| Collider::convex_hull(&corners));
    let collider = Collider::compound(walls.map(|wall| (Vec3::ZERO, Quat::IDENTITY, wall)).collect());
    for (number, (name, peg)) in (0..).zip(rings) {
        let rest = board.pegs[*peg].foot + Vec3::Y * (0.5 * shape.height_m + 0.0005);
        spawn_body(
            world,
            (
                RingObject {
                    name: name.clone(),
                    shape,
                    holds: Vec::new(),
                    on_peg: Some(*peg),
                    handed_over: false,
                    lost: false,
                    still: 0,
                    loose: false,
                    pull_n: Vec3::ZERO,
                },
                Transform::from_translation(rest),
                RigidBody::Dynamic,
                collider.clone(),
                ColliderMassProperties::Mass(shape.mass_kg),
                Friction::coefficient(0.2),
                Velocity::default(),
                GravityScale(1.0),
                MeetsTissue::new(number, 0.2),
                Damping { linear_damping: 0.5, angular_damping: 2.0 },
                Ccd::enabled(),
                Sleeping::disabled(),
            ),
        );
    }
}

/// Spawns the rigid side of a tool.
pub fn spawn_tool_body(world: &mut World, tool: u8, pose: Pose, length_m: f32, radius_m: f32) {
    spawn_body(
        world,
        (
            ToolBody { tool, pose, pushes: false },
            Transform::from_translation(pose.position).with_rotation(pose.rotation),
            RigidBody::KinematicPositionBased,
            Collider::capsule(Vec3::Z * radius_m, Vec3::Z * length_m, radius_m),
            CollisionGroups::new(Group::NONE, Group::NONE),
            Friction::coefficient(0.3),
        ),
    );
}

fn place_tool_bodies(mut tools: Query<(&ToolBody, &mut Transform, &mut CollisionGroups)>) {
    for (tool, mut transform, mut groups) in &mut tools {
        *transform = Transform::from_translation(tool.pose.position).with_rotation(tool.pose.rotation);
        let wanted = if tool.pushes { CollisionGroups::default() } else { CollisionGroups::new(Group::NONE, Group::NONE) };
        groups.set_if_neq(wanted);
    }
}

fn hold_rings(
    mut rings: Query<(&mut RingObject, &Transform, &mut Velocity, &mut GravityScale), Without<ToolBody>>,
    tools: Query<&ToolBody>,
    mut slipped: MessageWriter<RingSlipped>,
) {
    for (mut ring, transform, mut velocity, mut gravity) in &mut rings {
        gravity.set_if_neq(GravityScale(if ring.holds.is_empty() { 1.0 } else { 0.0 }));
        ring.pull_n = Vec3::ZERO;
        let Some(&(holder, _)) = ring.holds.first() else { continue };
        let Some(tool) = tools.iter().find(|tool| tool.tool == holder) else { continue };
        let hold = &mut ring.holds[0].1;
        *hold = turned_in_jaws(*hold, tool.pose.rotation.inverse() * transform.rotation);
        let target = tool.pose * *hold;
        let lag = target.position - transform.translation;
        ring.pull_n = lag * (ring.shape.mass_kg / (TICK_SECS * TICK_SECS));
        if lag.length() > SLIP_M {
            slipped.write(RingSlipped { ring: ring.name.clone(), tool: holder, force_n: ring.pull_n.length() });
            ring.holds.remove(0);
            ring.loose = ring.holds.is_empty();
            continue;
        }
        let (axis, angle) = shortest(target.rotation * transform.rotation.inverse()).to_axis_angle();
        velocity.linear = lag / TICK_SECS;
        velocity.angular = axis * (angle / TICK_SECS).min(20.0);
    }
}

/// The place of a ring in the jaws (`tip_from_ring`) once it has given way to a twist: turned about the tip until no more than
/// [`TURN_RAD`] is left between it and how the ring really lies.
fn turned_in_jaws(tip_from_ring: Pose, lies: Quat) -> Pose {
    let (axis, angle) = shortest(lies * tip_from_ring.rotation.inverse()).to_axis_angle();
    let turn = Quat::from_axis_angle(axis, (angle - TURN_RAD).max(0.0));
    Pose { position: turn * tip_from_ring.position, rotation: (turn * tip_from_ring.rotation).normalize() }
}

/// The same rotation, the short way round.
fn shortest(rotation: Quat) -> Quat {
    if rotation.w < 0.0 { -rotation } else { rotation }
}

/// Tells of rings that were placed, dropped or lost.
pub fn watch_rings(
    mut rings: Query<(&mut RingObject, &Transform, &Velocity)>,
    board: Query<&PegBoard>,
    mut placed: MessageWriter<RingPlaced>,
    mut dropped: MessageWriter<RingDropped>,
) {
    let Ok(PegBoard(board)) = board.single() else { return };
    for (mut ring, transform, velocity) in &mut rings {
        let pose = Pose { position: transform.translation, rotation: transform.rotation };
        if !ring.holds.is_empty() {
            let over_pegs = pose.position.y - 0.5 * ring.shape.height_m > board.size_m.y + board.peg_height_m;
            ring.handed_over |= ring.holds.len() > 1 && over_pegs;
            if board.peg_under(&ring.shape, pose).is_none() {
                ring.on_peg = None;
            }
            ring.still = 0;
            ring.loose = true;
            continue;
        }
        if !ring.lost && board.is_outside(pose.position, FIELD_MARGIN_M) {
            (ring.lost, ring.loose, ring.on_peg) = (true, false, None);
            dropped.write(RingDropped { ring: ring.name.clone(), lost: true, place: pose.position });
        }
        let resting = velocity.linear.length() < 0.01;
        ring.still = if resting { ring.still + 1 } else { 0 };
        if ring.lost || ring.still < STILL_TICKS {
            continue;
        }
        match board.peg_under(&ring.shape, pose) {
            Some(peg) if ring.on_peg != Some(peg) => {
                (ring.on_peg, ring.loose) = (Some(peg), false);
                placed.write(RingPlaced { ring: ring.name.clone(), peg });
            }
            // one that hangs on the tip of a peg may yet slide down
            None if ring.loose && ring.still >= DROPPED_TICKS => {
                (ring.on_peg, ring.loose) = (None, false);
                dropped.write(RingDropped { ring: ring.name.clone(), lost: false, place: pose.position });
            }
            _ => {}
        }
    }
}
