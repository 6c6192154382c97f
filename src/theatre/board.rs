//! The bench task: board, pegs and rings.

use bevy::prelude::*;

use super::{follow::Drawn, shape::Shape};
use crate::{
    geom::Pose,
    rigid::{
        PrismRing,
        plugin::{PegBoard, RingObject},
    },
};

/// Bears what is drawn of a board.
#[derive(Component)]
struct BoardView {
    of: Entity,
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (show_boards, show_rings, forget_boards));
}

fn show_boards(
    boards: Query<(Entity, &PegBoard), Added<PegBoard>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    for (of, PegBoard(board)) in &boards {
        let mut paint = |r, g, b, roughness, metallic| {
            materials.add(StandardMaterial {
                base_color: Color::linear_rgb(r, g, b),
                perceptual_roughness: roughness,
                metallic,
                ..default()
            })
        };
        let (body, steel) = (paint(0.33, 0.34, 0.36, 0.6, 0.0), paint(0.62, 0.63, 0.65, 0.3, 0.6));
        let size = board.size_m;
        let box_at = Transform::from_xyz(0.0, 0.5 * size.y, 0.0);
        commands.spawn((BoardView { of }, Mesh3d(meshes.add(Cuboid::from_size(size))), MeshMaterial3d(body), box_at));
        let (r, h) = (board.peg_radius_m, board.peg_height_m);
        let peg = Shape::turned(&[(-0.001, r), (h - 0.4 * r, r), (h - 0.1 * r, 0.75 * r), (h, 0.35 * r)]);
        let peg = meshes.add(peg.mapped(|p| Vec3::new(p.x, p.z, -p.y)).mesh(0.8));
        for place in &board.pegs {
            let at = Transform::from_translation(place.foot);
            commands.spawn((BoardView { of }, Mesh3d(peg.clone()), MeshMaterial3d(steel.clone()), at));
        }
    }
}

fn show_rings(
    rings: Query<(Entity, &RingObject, &Transform), Added<RingObject>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    for (number, (of, ring, transform)) in rings.iter().enumerate() {
        let colours = [(0.02, 0.13, 0.42), (0.55, 0.045, 0.03), (0.60, 0.33, 0.02)];
        let (r, g, b) = colours[number % colours.len()];
        let material = StandardMaterial { base_color: Color::linear_rgb(r, g, b), perceptual_roughness: 0.55, ..default() };
        let pose = Pose { position: transform.translation, rotation: transform.rotation };
        commands.spawn((
            Drawn::new(of, pose),
            Mesh3d(meshes.add(ring_shape(&ring.shape).mesh(0.5))),
            MeshMaterial3d(materials.add(material)),
            *transform,
        ));
    }
}

/// The three walls of a ring as one solid: outside, inside, top and bottom.
fn ring_shape(ring: &PrismRing) -> Shape {
    let mut shape = Shape::default();
    for corners in ring.walls() {
        // corners of a wall: outer i, outer j, inner j, inner i; below, then above
        let base = shape.points.len() as u32;
        shape.points.extend(corners);
        for [a, b, c, d] in [[0, 1, 5, 4], [2, 3, 7, 6], [4, 5, 6, 7], [3, 2, 1, 0]] {
            shape.triangles.extend([[base + a, base + b, base + c], [base + a, base + c, base + d]]);
        }
    }
    shape
}

fn forget_boards(views: Query<(Entity, &BoardView)>, boards: Query<(), With<PegBoard>>, mut commands: Commands) {
    for (entity, view) in &views {
        if !boards.contains(view.of) {
            commands.entity(entity).despawn();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Volume of the solid between the outer triangle (circumradius R) and the hole (inradius r, so circumradius 2 r):
    /// h · 3√3/4 · (R² − 4 r²).
    #[test]
    fn a_drawn_ring_is_closed_and_faces_outward() {
        let ring = PrismRing::with_round_hole(0.010, 0.0145, 0.0048, 0.010);
        let shape = ring_shape(&ring);
        let tet = |t: &[u32; 3]| {
            let [a, b, c] = t.map(|v| shape.points[v as usize].as_dvec3());
            a.dot(b.cross(c)) / 6.0
        };
        let volume: f64 = shape.triangles.iter().map(tet).sum();
        let (outer, inner) = (f64::from(ring.circumradius_m), 2.0 * f64::from(ring.hole_inradius_m));
        let expected = f64::from(ring.height_m) * 0.75 * 3f64.sqrt() * (outer * outer - inner * inner);
        assert!((volume / expected - 1.0).abs() < 1e-5, "{volume} {expected}");
    }
}
