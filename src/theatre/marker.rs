//! A mark under each tip: how far above the organ or the board it is, and over which place.

use bevy::{light::NotShadowCaster, prelude::*};

use super::shape::Shape;
use crate::{
    instrument::{Side, plugin::Tool},
    rigid::plugin::PegBoard,
    session::plugin::CurrentTwin,
    tissue::plugin::Tissue,
};

#[derive(Component)]
struct TipMark(Side);

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Startup, spawn_marks).add_systems(Update, place_marks);
}

fn spawn_marks(mut meshes: ResMut<Assets<Mesh>>, mut materials: ResMut<Assets<StandardMaterial>>, mut commands: Commands) {
    let ring = Shape::polar(1, 32, |share, angle| Vec3::new(angle.cos(), 0.0, -angle.sin()) * (0.0016 + 0.0010 * share));
    let mesh = meshes.add(ring.mesh(1.0));
    for side in Side::BOTH {
        let colour =
            if side == Side::Left { Color::linear_rgba(0.1, 0.9, 0.5, 0.65) } else { Color::linear_rgba(0.2, 0.6, 1.0, 0.65) };
        let material =
            materials.add(StandardMaterial { base_color: colour, unlit: true, alpha_mode: AlphaMode::Blend, ..default() });
        commands.spawn((
            TipMark(side),
            Mesh3d(mesh.clone()),
            MeshMaterial3d(material),
            Transform::default(),
            Visibility::Hidden,
            NotShadowCaster,
        ));
    }
}

fn place_marks(
    mut marks: Query<(&TipMark, &mut Transform, &mut Visibility)>,
    tools: Query<&Tool>,
    boards: Query<&PegBoard>,
    tissues: Query<(), With<Tissue>>,
    twin: Option<Res<CurrentTwin>>,
) {
    let twin = twin.filter(|_| !tissues.is_empty());
    for (mark, mut transform, mut visibility) in &mut marks {
        let tip = tools.iter().find(|tool| tool.side == mark.0).map(|tool| tool.pose.position);
        let ground = tip.and_then(|tip| match (boards.iter().next(), &twin) {
            (Some(PegBoard(board)), _) => {
                let over = tip.x.abs() < 0.5 * board.size_m.x && tip.z.abs() < 0.5 * board.size_m.z;
                Some(tip.with_y(if over { board.size_m.y } else { 0.0 }))
            }
            (None, Some(twin)) => fall(tip, |point| twin.0.distance.sample(point)),
            _ => None,
        });
        match ground {
            Some(ground) => {
                transform.translation = ground + Vec3::Y * 0.0012;
                visibility.set_if_neq(Visibility::Inherited);
            }
            None => {
                visibility.set_if_neq(Visibility::Hidden);
            }
        }
    }
}

/// Where something falling from `tip` meets the zero surface of a distance field, within 30 cm; nothing when it starts inside.
fn fall(tip: Vec3, distance: impl Fn(Vec3) -> f32) -> Option<Vec3> {
    let mut point = tip;
    for _ in 0..64 {
        let gap = distance(point);
        if gap < 0.0005 {
            return (point != tip).then_some(point);
        }
        point.y -= gap.max(0.0005);
        if tip.y - point.y > 0.3 {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_falls_onto_the_surface_and_nowhere_beside_it() {
        let ball = |p: Vec3| p.length() - 0.1;
        let hit = fall(Vec3::new(0.06, 0.25, 0.0), ball).expect("over the ball");
        assert!((hit.y - 0.08).abs() < 0.002, "{hit}"); // 0.1² = 0.06² + 0.08²
        assert!(fall(Vec3::new(0.2, 0.25, 0.0), ball).is_none());
        assert!(fall(Vec3::ZERO, ball).is_none(), "inside");
    }
}
