//! Rapier's bodies on soft tissue, both ways: each tick tissue is told where they would be without it, and they get what it pushes them with.

use bevy::prelude::*;
use bevy_rapier3d::{parry::shape::TypedShape, prelude::*};

use crate::{
    clock::TICK_SECS,
    geom::Pose,
    tissue::{
        Capsule, Hull, RigidShape,
        plugin::{RigidForces, RigidShapes},
    },
};

/// Bears a Rapier body that tissue meets. Its collider must be made of balls, capsules and convex solids; other shapes pass through tissue.
#[derive(Component, Debug, Clone)]
#[require(ReadMassProperties, Velocity)]
pub struct MeetsTissue {
    /// Unique among the bodies.
    pub number: u8,
    /// Coulomb's coefficient.
    pub friction: f32,
    /// Force of the tissue on it in the last tick, N.
    pub force_n: Vec3,
    /// Where it was shown last.
    last: Option<Pose>,
}

impl MeetsTissue {
    pub fn new(number: u8, friction: f32) -> Self {
        Self { number, friction, force_n: Vec3::ZERO, last: None }
    }
}

/// Flat sides that round solids get.
const SIDES: u32 = 24;

/// Tells tissue where the bodies will be at the end of the tick unless it pushes them.
pub(super) fn show_bodies(
    mut bodies: Query<(
        &mut MeetsTissue,
        &Transform,
        &RigidBody,
        &Collider,
        &Velocity,
        &ReadMassProperties,
        Option<&GravityScale>,
    )>,
    configuration: Query<&RapierConfiguration>,
    mut shapes: ResMut<RigidShapes>,
) {
    shapes.0.clear();
    let gravity = configuration.iter().next().map_or(Vec3::ZERO, |configuration| configuration.gravity);
    for (mut meets, transform, kind, collider, velocity, mass, scale) in &mut bodies {
        let here = Pose { position: transform.translation, rotation: transform.rotation };
        let mass = mass.get();
        let shape = if *kind == RigidBody::Dynamic {
            // Rapier has not weighed it yet
            if mass.mass <= 0.0 {
                continue;
            }
            let speed = velocity.linear + gravity * scale.map_or(1.0, |scale| scale.0) * TICK_SECS;
            let rotation = (Quat::from_scaled_axis(velocity.angular * TICK_SECS) * here.rotation).normalize();
            let centre = here * mass.local_center_of_mass + speed * TICK_SECS;
            let next = Pose { position: centre - rotation * mass.local_center_of_mass, rotation };
            shape_of(&meets, collider, next, here, mass)
        } else {
            let fixed = MassProperties { mass: f32::INFINITY, ..*mass };
            shape_of(&meets, collider, here, meets.last.unwrap_or(here), &fixed)
        };
        meets.last = Some(here);
        shapes.0.push(shape);
    }
    // contacts are summed in this order
    shapes.0.sort_by_key(|shape| shape.number);
}

/// Gives the bodies what tissue pushed them with.
pub(super) fn push_bodies(
    mut bodies: Query<(&mut MeetsTissue, &Transform, &RigidBody, &mut Velocity, &ReadMassProperties)>,
    forces: Res<RigidForces>,
) {
    for (mut meets, transform, kind, mut velocity, mass) in &mut bodies {
        let own = || forces.0.iter().filter(|force| force.number == meets.number);
        let (force_n, torque_nm): (Vec3, Vec3) = (own().map(|f| f.force_n).sum(), own().map(|f| f.torque_nm).sum());
        if *kind == RigidBody::Dynamic && mass.get().mass > 0.0 && (force_n, torque_nm) != (Vec3::ZERO, Vec3::ZERO) {
            velocity.linear += force_n * (TICK_SECS / mass.get().mass);
            velocity.angular += inertia(mass.get(), transform.rotation).inverse() * torque_nm * TICK_SECS;
        }
        meets.force_n = force_n;
    }
}

/// About the centre of mass, in the world, kg m².
fn inertia(mass: &MassProperties, rotation: Quat) -> Mat3 {
    let turn = Mat3::from_quat(rotation * mass.principal_inertia_local_frame);
    turn * Mat3::from_diagonal(mass.principal_inertia) * turn.transpose()
}

fn shape_of(meets: &MeetsTissue, collider: &Collider, now: Pose, before: Pose, mass: &MassProperties) -> RigidShape {
    let mut shape = RigidShape {
        number: meets.number,
        capsules: Vec::new(),
        hulls: Vec::new(),
        friction: meets.friction,
        centre: now * mass.local_center_of_mass,
        mass_kg: mass.mass,
        inertia_kg_m2: inertia(mass, now.rotation),
    };
    add(&mut shape, collider.raw.as_typed_shape(), now, before);
    shape
}

/// Adds a shape, or the parts of a compound one, that stands at `now` and stood at `before`.
fn add(out: &mut RigidShape, shape: TypedShape, now: Pose, before: Pose) {
    let mut round = |from: Vec3, to: Vec3, radius_m: f32| {
        let (previous_from, previous_to) = (before * from, before * to);
        out.capsules.push(Capsule { from: now * from, to: now * to, previous_from, previous_to, radius_m });
    };
    let (corners, faces) = match shape {
        TypedShape::Ball(ball) => return round(Vec3::ZERO, Vec3::ZERO, ball.radius),
        TypedShape::Capsule(capsule) => return round(capsule.segment.a, capsule.segment.b, capsule.radius),
        TypedShape::Segment(segment) => return round(segment.a, segment.b, 0.0),
        TypedShape::Compound(compound) => {
            for (part, shape) in compound.shapes() {
                let part = Pose { position: part.translation, rotation: part.rotation };
                add(out, shape.as_typed_shape(), now * part, before * part);
            }
            return;
        }
        TypedShape::Cuboid(cuboid) => cuboid.to_trimesh(),
        TypedShape::ConvexPolyhedron(solid) => solid.to_trimesh(),
        TypedShape::Cylinder(cylinder) => cylinder.to_trimesh(SIDES),
        TypedShape::Cone(cone) => cone.to_trimesh(SIDES),
        _ => {
            warn_once!("a collider that is neither a ball, a capsule nor convex does not meet tissue");
            return;
        }
    };
    out.hulls.push(Hull::new(&corners, &faces, now, before));
}

#[cfg(test)]
mod tests {
    use bevy::time::TimeUpdateStrategy;

    use super::*;
    use crate::{
        clock::plugin::{ClockPlugin, SessionState},
        geom::TetMesh,
        rigid::plugin::{RigidPlugin, spawn_body},
        tissue::{
            BodySpec, Material, SoftBody, SolverSettings,
            plugin::{Tissue, TissuePlugin},
        },
    };

    /// A block of tissue of 60 × 30 × 60 mm on its pinned underside, 100 mm above Rapier's ground.
    fn theatre() -> App {
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, TransformPlugin, AssetPlugin::default()))
            .init_asset::<Mesh>()
            .add_plugins((ClockPlugin, TissuePlugin, RigidPlugin))
            .insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
        let mut mesh = TetMesh::block([12, 6, 12], Vec3::new(0.06, 0.03, 0.06));
        mesh.vertices.iter_mut().for_each(|x| x.y += 0.1);
        let pinned = (0u32..).zip(&mesh.vertices).filter(|(_, x)| x.y < 0.1 + 1e-6).map(|(v, _)| v).collect();
        let material =
            Material { name: "liver".into(), young_pa: 8e3, poisson: 0.45, density_kg_m3: 1050.0, stress_limit_pa: 1e6 };
        let settings = SolverSettings::default();
        let body = SoftBody::new(BodySpec { mesh, materials: vec![material], pinned, settings, ..BodySpec::default() });
        app.world_mut().spawn(Tissue::new("liver".into(), body.expect("a sound body"), 2.0));
        app.finish();
        app.cleanup();
        app.insert_resource(SessionState::Running);
        app
    }

    /// A ball, a box and a cylinder of 10 g, let fall on tissue by Rapier, lie on it, and it bears their weight: to 2 %, since Rapier's own damping and
    /// substeps stand between.
    #[test]
    fn rapier_bodies_lie_on_tissue_and_weigh_on_it() {
        for collider in [Collider::ball(0.008), Collider::cuboid(0.01, 0.004, 0.008), Collider::cylinder(0.004, 0.009)] {
            let mut app = theatre();
            let at = Transform::from_xyz(0.03, 0.13 + 0.015, 0.031);
            let mass = ColliderMassProperties::Mass(0.01);
            let meets = MeetsTissue::new(3, 0.3);
            let body = (meets, at, RigidBody::Dynamic, collider.clone(), mass, Sleeping::disabled(), GravityScale(1.0));
            spawn_body(app.world_mut(), body);
            let mut felt = 0.0;
            let mut height = 0.0;
            for tick in 0..500 {
                app.update();
                let mut bodies = app.world_mut().query::<(&MeetsTissue, &Transform)>();
                let (meets, transform) = bodies.single(app.world()).expect("the body");
                felt += if tick >= 410 { meets.force_n.y / 90.0 } else { 0.0 };
                height = transform.translation.y;
            }
            let weight = 0.01 * 9.81;
            assert!(
                (felt - weight).abs() < 0.02 * weight,
                "{felt} N of {weight} N, at {height}, {:?}",
                collider.raw.shape_type()
            );
            assert!(height > 0.13 - 0.004 && height < 0.13 + 0.0095, "{height}");
        }
    }
}
