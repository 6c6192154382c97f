//! The instruments: an insulated shaft, a steel joint, jaws that open as far as they really are open, and the port they pass through.

use std::f32::consts::TAU;

use bevy::prelude::*;

use super::{
    follow::{DrawSystems, Drawn},
    shape::{Shape, outline},
};
use crate::{
    geom::Pose,
    instrument::{ToolKind, ToolSpec, plugin::Tool},
};

/// One of the two jaws of `tool`; `up` is the side to which it opens.
#[derive(Component)]
struct JawView {
    tool: Entity,
    up: f32,
    angle_rad: f32,
}

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, show_tools).add_systems(PostUpdate, open_jaws.in_set(DrawSystems));
}

fn show_tools(
    tools: Query<(Entity, &Tool), Added<Tool>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    for (of, tool) in &tools {
        let steel = materials.add(StandardMaterial {
            base_color: Color::linear_rgb(0.36, 0.37, 0.38),
            metallic: 0.4,
            perceptual_roughness: 0.32,
            ..default()
        });
        let insulation = materials.add(StandardMaterial {
            base_color: Color::linear_rgb(0.012, 0.012, 0.014),
            perceptual_roughness: 0.45,
            ..default()
        });
        let plastic = materials.add(StandardMaterial {
            base_color: Color::linear_rgb(0.30, 0.33, 0.36),
            perceptual_roughness: 0.5,
            ..default()
        });
        let mut part = |shape: Shape| Mesh3d(meshes.add(shape.mesh(0.6)));
        let spec = &tool.spec;
        let hinge = Transform::from_xyz(0.0, 0.0, spec.jaw_length_m);
        let jaw = part(match spec.kind {
            ToolKind::Grasper => grasper_jaw(spec),
            ToolKind::Scissors => scissor_blade(spec),
        });
        let turned_over = Quat::from_rotation_z(0.5 * TAU);
        let jaws = [1.0, -1.0].map(|up| {
            let turn = if up > 0.0 { Quat::IDENTITY } else { turned_over };
            let pivot = (JawView { tool: of, up, angle_rad: 0.0 }, hinge, Visibility::default());
            (pivot, (jaw.clone(), MeshMaterial3d(steel.clone()), Transform::from_rotation(turn)))
        });
        let (joint, shaft) = (part(joint(spec)), part(shaft(spec)));
        let root = Drawn::new(of, tool.pose);
        commands.spawn((root, Transform::default(), Visibility::default())).with_children(|parts| {
            for (pivot, jaw) in jaws {
                parts.spawn(pivot).with_child(jaw);
            }
            parts.spawn((joint, MeshMaterial3d(steel), hinge));
            parts.spawn((shaft, MeshMaterial3d(insulation), hinge));
        });
        let port = Pose { position: tool.trocar.position, rotation: Quat::IDENTITY };
        commands.spawn((
            PortView { of, at: port.position },
            part(port_shape(spec)),
            MeshMaterial3d(plastic),
            Transform::from_translation(port.position),
        ));
    }
}

/// The port of a tool: it turns with the shaft about its place.
#[derive(Component)]
struct PortView {
    of: Entity,
    at: Vec3,
}

fn open_jaws(
    mut jaws: Query<(&mut JawView, &mut Transform), Without<PortView>>,
    mut ports: Query<(Entity, &PortView, &mut Transform), Without<JawView>>,
    tools: Query<&Tool>,
    time: Res<Time>,
    mut commands: Commands,
) {
    // jaws move by at most a few degrees a tick: following them with 1/100 s of delay is smooth at any frame rate
    let share = 1.0 - (-100.0 * time.delta_secs()).exp();
    for (mut jaw, mut transform) in &mut jaws {
        let Ok(tool) = tools.get(jaw.tool) else { continue };
        let target = tool.jaw.angle_rad;
        jaw.angle_rad += (target - jaw.angle_rad) * if time.delta_secs() > 0.0 { share } else { 1.0 };
        transform.rotation = Quat::from_rotation_x(0.5 * jaw.up * jaw.angle_rad);
    }
    for (entity, port, mut transform) in &mut ports {
        match tools.get(port.of) {
            Ok(tool) => *transform = Transform::from_translation(port.at).with_rotation(tool.pose.rotation),
            Err(_) => commands.entity(entity).despawn(),
        }
    }
}

/// A half-round jaw of a Maryland dissector with a grooved inner face, from the hinge (origin) to −z; its flat side is y = 0.
fn grasper_jaw(spec: &ToolSpec) -> Shape {
    let sections = 40;
    let outlines: Vec<Vec<Vec3>> = (0..=sections)
        .map(|i| {
            let share = 1.0 - i as f32 / sections as f32; // from the tip to the hinge: z grows
            let (width, height) = (2.2e-3 - 1.3e-3 * share, 2.1e-3 - 1.2e-3 * share);
            let width = if share > 0.97 { 0.6 * width } else { width };
            let tooth = if share > 0.25 && i % 2 == 0 { 0.25e-3 } else { 0.0 };
            let at = |angle: f32| Vec2::new(width * angle.cos(), (height * angle.sin()).max(tooth));
            outline(20, at, -spec.jaw_length_m * share)
        })
        .collect();
    Shape::loft(&outlines)
}

/// A thin blade of Metzenbaum scissors: flat, tapering, with a bevelled edge at y = 0.
fn scissor_blade(spec: &ToolSpec) -> Shape {
    let outlines: Vec<Vec<Vec3>> = (0..=16)
        .map(|i| {
            let share = 1.0 - i as f32 / 16.0;
            let height = (3.4e-3 - 2.2e-3 * share) * if share > 0.95 { 0.55 } else { 1.0 };
            let half = 0.55e-3;
            // counter-clockwise: edge, back right, back left
            [
                Vec2::new(0.1e-3, -0.2e-3),
                Vec2::new(half, 0.35 * height),
                Vec2::new(half, height),
                Vec2::new(-0.1e-3, height),
                Vec2::new(-0.1e-3, -0.2e-3),
            ]
            .map(|p| p.extend(-spec.jaw_length_m * share))
            .to_vec()
        })
        .collect();
    Shape::loft(&outlines)
}

/// The steel end of the shaft that bears the hinge, at the origin, toward +z.
fn joint(spec: &ToolSpec) -> Shape {
    let r = spec.shaft_radius_m;
    Shape::turned(&[
        (-0.0022, 0.55 * r),
        (-0.0018, 0.8 * r),
        (0.0, 0.92 * r),
        (0.007, 0.92 * r),
        (0.0075, 0.99 * r),
        (0.0125, 0.99 * r),
    ])
}

/// The insulated shaft behind the joint, with the end of the handle.
fn shaft(spec: &ToolSpec) -> Shape {
    let (r, l) = (spec.shaft_radius_m, spec.shaft_length_m);
    Shape::turned(&[(0.012, r), (l, r), (l, 0.009), (l + 0.004, 0.010), (l + 0.05, 0.010), (l + 0.055, 0.006)])
}

/// A port's sleeve and head around the shaft, at the pivot, along z.
fn port_shape(spec: &ToolSpec) -> Shape {
    let r = spec.shaft_radius_m;
    Shape::turned(&[
        (-0.012, r + 0.0006),
        (-0.012, r + 0.0012),
        (0.002, r + 0.0012),
        (0.003, r + 0.004),
        (0.010, r + 0.004),
        (0.012, r + 0.0015),
        (0.012, r + 0.0004),
    ])
}
