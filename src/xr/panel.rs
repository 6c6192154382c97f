//! The read-outs on a panel beyond the field: a screen of its own would not show in the eyes.

use bevy::{light::NotShadowCaster, prelude::*, render::render_resource::TextureFormat};
use bevy_mod_xr::camera::XrCamera;

use crate::{
    scenario::plugin::CaseRun,
    theatre::{field_centre, spawn_hud_camera},
};

/// Size of the panel, m, and of its image, pixels.
const PANEL_M: Vec2 = Vec2::new(0.64, 0.36);
const PANEL_PX: [u32; 2] = [1280, 720];
/// From the middle of the field to the middle of the panel, m.
const PANEL_AT: Vec3 = Vec3::new(0.0, 0.30, -0.42);

#[derive(Component)]
struct Panel;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (show_panel, place_panel));
}

/// The first eye that opens moves the read-outs from the window to the panel.
fn show_panel(
    eyes: Query<(), Added<XrCamera>>,
    panels: Query<(), With<Panel>>,
    mut images: ResMut<Assets<Image>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    if eyes.is_empty() || !panels.is_empty() {
        return;
    }
    let image = images.add(Image::new_target_texture(PANEL_PX[0], PANEL_PX[1], TextureFormat::Rgba8UnormSrgb, None));
    spawn_hud_camera(&mut commands, image.clone());
    let material = StandardMaterial {
        base_color_texture: Some(image),
        unlit: true,
        alpha_mode: AlphaMode::Blend,
        cull_mode: None,
        ..default()
    };
    commands.spawn((
        Panel,
        Mesh3d(meshes.add(Rectangle::from_size(PANEL_M))),
        MeshMaterial3d(materials.add(material)),
        Transform::default(),
        NotShadowCaster,
    ));
}

fn place_panel(case: Option<Res<CaseRun>>, mut panels: Query<&mut Transform, With<Panel>>) {
    let Some(case) = case else { return };
    let at = field_centre(&case.scenario) + PANEL_AT;
    for mut transform in &mut panels {
        // leaning back a little, toward a standing person's eyes
        transform.set_if_neq(Transform::from_translation(at).with_rotation(Quat::from_rotation_x(-0.45)));
    }
}
