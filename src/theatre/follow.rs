//! Drawn things that follow the simulation, interpolated between its last two ticks.

use bevy::{prelude::*, time::Fixed, transform::TransformSystems};

use crate::{geom::Pose, instrument::plugin::Tool, rigid::plugin::RingObject};

/// Bears what is drawn of entity `of`, and its pose in the last two ticks.
#[derive(Component, Debug, Clone, Copy)]
pub(super) struct Drawn {
    pub of: Entity,
    previous: Pose,
    now: Pose,
}

impl Drawn {
    pub fn new(of: Entity, pose: Pose) -> Self {
        Self { of, previous: pose, now: pose }
    }

    /// The pose `share` of the way from the last tick but one to the last.
    fn between(&self, share: f32) -> Transform {
        Transform {
            translation: self.previous.position.lerp(self.now.position, share),
            rotation: self.previous.rotation.slerp(self.now.rotation, share),
            scale: Vec3::ONE,
        }
    }
}

/// Systems that bring drawn things to where they are in this frame.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DrawSystems;

pub(super) fn plugin(app: &mut App) {
    app.configure_sets(PostUpdate, DrawSystems.before(TransformSystems::Propagate))
        .add_systems(FixedPostUpdate, remember_poses)
        .add_systems(PostUpdate, (forget_gone, place_drawn).chain().in_set(DrawSystems));
}

fn remember_poses(mut drawn: Query<&mut Drawn>, tools: Query<&Tool>, rings: Query<&Transform, With<RingObject>>) {
    for mut drawn in &mut drawn {
        let pose = match (tools.get(drawn.of), rings.get(drawn.of)) {
            (Ok(tool), _) => tool.pose,
            (_, Ok(transform)) => Pose { position: transform.translation, rotation: transform.rotation },
            _ => continue,
        };
        drawn.previous = drawn.now;
        drawn.now = pose;
    }
}

fn place_drawn(mut drawn: Query<(&Drawn, &mut Transform)>, clock: Res<Time<Fixed>>) {
    for (drawn, mut transform) in &mut drawn {
        *transform = drawn.between(clock.overstep_fraction());
    }
}

fn forget_gone(drawn: Query<(Entity, &Drawn)>, everything: Query<()>, mut commands: Commands) {
    for (entity, drawn) in &drawn {
        if !everything.contains(drawn.of) {
            commands.entity(entity).despawn();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_lies_between_two_ticks() {
        let at = |x: f32, angle: f32| Pose { position: Vec3::X * x, rotation: Quat::from_rotation_y(angle) };
        let drawn = Drawn { of: Entity::PLACEHOLDER, previous: at(1.0, 0.0), now: at(2.0, 1.0) };
        let half = drawn.between(0.5);
        assert!((half.translation - Vec3::X * 1.5).length() < 1e-6);
        assert!(half.rotation.angle_between(Quat::from_rotation_y(0.5)) < 1e-3);
        assert_eq!(drawn.between(1.0).translation, drawn.now.position);
    }
}
