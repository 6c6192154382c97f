//! The room around the field: camera, lamps, the draped table, and the wound in which an organ lies.

use bevy::{
    camera::visibility::NoFrustumCulling,
    core_pipeline::tonemapping::Tonemapping,
    light::{CascadeShadowConfigBuilder, cluster::ClusterConfig},
    prelude::*,
};

use super::shape::{Shape, ground_noise};
use crate::{
    patient::Twin,
    scenario::{Scenario, plugin::CaseRun},
    session::plugin::CurrentTwin,
};

/// The camera that shows the field as the case's `view` asks.
#[derive(Component, Debug, Clone, Copy, Default)]
pub struct TheatreCamera;

/// Bears scenery that belongs to one case.
#[derive(Component)]
pub(super) struct Scenery;

pub(super) fn plugin(app: &mut App) {
    app.insert_resource(ClearColor(Color::linear_rgb(0.0006, 0.001, 0.0012)))
        .insert_resource(GlobalAmbientLight { color: Color::linear_rgb(0.75, 0.88, 1.0), brightness: 45.0, ..default() })
        .add_systems(Update, (dress_scene, aim_camera).run_if(resource_exists_and_changed::<CaseIsNew>))
        .add_systems(PreUpdate, notice_new_case);
}

/// Changes whenever another case (or another version of it) is in the theatre.
#[derive(Resource)]
struct CaseIsNew(std::sync::Arc<Scenario>);

fn notice_new_case(case: Option<Res<CaseRun>>, known: Option<Res<CaseIsNew>>, mut commands: Commands) {
    let Some(case) = case else { return };
    if known.is_none_or(|known| !std::sync::Arc::ptr_eq(&known.0, &case.scenario)) {
        commands.insert_resource(CaseIsNew(case.scenario.clone()));
    }
}

/// A point of a case in metres.
fn metres((x, y, z): (f32, f32, f32)) -> Vec3 {
    Vec3::new(x, y, z) * 1e-3
}

/// Where the case's camera stands and what it looks at, world, m.
pub(super) fn view_of(scenario: &Scenario) -> Transform {
    let (eye, target) = (metres(scenario.view.eye_mm), metres(scenario.view.target_mm));
    Transform::from_translation(eye).looking_at(target, Vec3::Y)
}

/// The middle of the field: what the case's camera looks at, world, m.
pub fn field_centre(scenario: &Scenario) -> Vec3 {
    metres(scenario.view.target_mm)
}

/// How every camera of the theatre sees, whoever made it.
#[derive(Bundle)]
pub struct EyeLook {
    tonemapping: Tonemapping,
    clusters: ClusterConfig,
}

impl Default for EyeLook {
    fn default() -> Self {
        // a handful of lights: sorting them into clusters costs more than it saves
        Self { tonemapping: Tonemapping::AcesFitted, clusters: ClusterConfig::Single }
    }
}

/// The camera of a desk or a picture; its target is the caller's.
pub(super) fn camera() -> impl Bundle {
    (
        TheatreCamera,
        EyeLook::default(),
        Camera3d::default(),
        Projection::Perspective(PerspectiveProjection { fov: 33f32.to_radians(), near: 0.02, far: 10.0, ..default() }),
        Transform::from_xyz(0.0, 0.35, 0.25).looking_at(Vec3::ZERO, Vec3::Y),
    )
}

fn aim_camera(case: Res<CaseIsNew>, mut cameras: Query<&mut Transform, With<TheatreCamera>>) {
    for mut transform in &mut cameras {
        *transform = view_of(&case.0);
    }
}

fn dress_scene(
    case: Res<CaseIsNew>,
    twin: Option<Res<CurrentTwin>>,
    old: Query<Entity, With<Scenery>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    for entity in &old {
        commands.entity(entity).despawn();
    }
    let target = metres(case.0.view.target_mm);
    spawn_lamps(&mut commands, target);
    let twin = twin.as_ref().filter(|_| case.0.patient.is_some());
    let wound = twin.zip(case.0.patient.as_ref()).map(|(twin, patient)| Wound::around(&twin.0, 1e-3 * patient.held_below_mm));
    let mut lay = |mesh: Mesh, roughness: f32, reflectance: f32| {
        let material = StandardMaterial { perceptual_roughness: roughness, reflectance, ..default() };
        commands.spawn((
            Scenery,
            NoFrustumCulling,
            Mesh3d(meshes.add(mesh)),
            MeshMaterial3d(materials.add(material)),
            Transform::default(),
        ));
    };
    match wound {
        Some(wound) => {
            let part = |from: f32, to: f32, rows: usize| {
                Shape::polar(rows, 160, |share, angle| wound.at(from + (to - from) * share, angle))
            };
            lay(part(0.0, Wound::BED, 60).coloured(fat_colour), 0.42, 0.5);
            lay(part(Wound::BED, Wound::LIP, 24).coloured(|p| wound.wall_colour(p)), 0.45, 0.45);
            lay(part(Wound::LIP, Wound::SKIN, 8).coloured(skin_colour), 0.55, 0.4);
            lay(part(Wound::SKIN, 14.0, 110).coloured(|p| cloth_colour(p) * far_dim(p.distance(wound.centre))), 0.95, 0.2);
        }
        None => {
            let cloth = Shape::polar(60, 120, |share, angle| {
                let flat = Vec3::new(angle.cos(), 0.0, -angle.sin()) * (0.9 * share * share + 1e-4);
                // the physics has the table at 0: cloth lies just under it, and folds only outside the field
                let folds = ((flat.length() - 0.16) / 0.1).clamp(0.0, 1.0) * 0.014 * (ground_noise(flat, 0.09) - 0.6);
                flat + Vec3::Y * (folds.min(0.0) - 0.0004)
            });
            lay(cloth.coloured(|p| cloth_colour(p) * far_dim(p.length())), 0.95, 0.2);
        }
    }
}

/// The theatre lamp, far enough to be the same everywhere in the field, and the fill that its many mirrors give.
pub(super) fn spawn_lamps(commands: &mut Commands, target: Vec3) {
    commands.spawn((
        Scenery,
        DirectionalLight {
            color: Color::linear_rgb(1.0, 0.96, 0.90),
            illuminance: 5200.0,
            shadow_maps_enabled: true,
            // the engine's defaults suit landscapes; this field is a hand wide
            shadow_depth_bias: 0.004,
            shadow_normal_bias: 1.4,
            ..default()
        },
        CascadeShadowConfigBuilder { num_cascades: 1, minimum_distance: 0.02, maximum_distance: 0.75, ..default() }.build(),
        Transform::from_translation(target + Vec3::new(0.20, 0.80, 0.24)).looking_at(target, Vec3::Y),
    ));
    for (from, intensity) in [(Vec3::new(-0.34, 0.42, 0.42), 9_000.0), (Vec3::new(0.30, 0.40, -0.34), 5_000.0)] {
        let color = Color::linear_rgb(0.92, 0.96, 1.0);
        commands.spawn((
            Scenery,
            PointLight { color, intensity, range: 3.0, radius: 0.02, ..default() },
            Transform::from_translation(target + from),
        ));
    }
}

/// The opening in which an organ lies. Shares of the way outward: fat up to `BED`, the wall up to `LIP`, skin up to `SKIN`, drapes beyond.
struct Wound {
    centre: Vec3,
    /// Half axes of the lip along x and z, m.
    half: Vec2,
    bed_y: f32,
    lip_y: f32,
}

impl Wound {
    const BED: f32 = 0.80;
    const LIP: f32 = 1.0;
    const SKIN: f32 = 1.10;

    /// A wound that shows what stands above `held_y` of the twin's organ.
    fn around(twin: &Twin, held_y: f32) -> Self {
        let above = || twin.tets.vertices.iter().filter(|v| v.y >= held_y);
        let low = above().copied().fold(Vec3::MAX, Vec3::min);
        let high = above().copied().fold(Vec3::MIN, Vec3::max);
        let bed_y = held_y + 0.22 * (high.y - held_y);
        let half = Vec2::new(0.5 * (high.x - low.x) + 0.028, (0.5 * (high.z - low.z) + 0.042).max(0.5 * 0.5 * (high.x - low.x)));
        Self { centre: 0.5 * (low + high), half, bed_y, lip_y: held_y + 0.55 * (high.y - held_y) }
    }

    /// A point of the scenery: `out` is 1 on the lip.
    fn at(&self, out: f32, angle: f32) -> Vec3 {
        let round = Vec2::from_angle(-angle);
        let ripple = 1.0 + 0.02 * (3.0 * angle).sin() + 0.012 * (7.0 * angle + 1.0).sin();
        // beyond the lip the ellipse becomes a circle
        let spread = if out <= Self::LIP { out } else { out.powf(1.15) };
        let flat = Vec3::new(
            self.centre.x + round.x * self.half.x * spread * ripple,
            0.0,
            self.centre.z + round.y * self.half.y * spread * ripple,
        );
        let y = if out < Self::BED {
            self.bed_y + 0.016 * (ground_noise(flat, 0.022) - 0.45) + 0.010 * (out / Self::BED).powi(3)
        } else if out < Self::LIP {
            let rise = (out - Self::BED) / (Self::LIP - Self::BED);
            let foot = self.bed_y + 0.016 * (ground_noise(flat, 0.022) - 0.45) + 0.010;
            let smooth = rise * rise * (3.0 - 2.0 * rise);
            foot + (self.lip_y - foot) * smooth
        } else if out < Self::SKIN {
            self.lip_y + 0.002 * (std::f32::consts::PI * (out - Self::LIP) / (Self::SKIN - Self::LIP)).sin()
        } else {
            let away = out - Self::SKIN;
            let folds = 0.018 * (away / 0.5).min(1.0) * (ground_noise(flat, 0.07) - 0.5);
            self.lip_y + 0.003 * (away * 30.0).min(1.0) - 0.010 * away + folds
        };
        flat.with_y(y)
    }

    /// Layers of the wall by height: muscle, then fat under the skin.
    fn wall_colour(&self, p: Vec3) -> Vec3 {
        let share = (p.y - self.bed_y) / (self.lip_y - self.bed_y) + 0.15 * (ground_noise(p, 0.012) - 0.5);
        let (fat, muscle) = (Vec3::new(0.36, 0.22, 0.075), Vec3::new(0.20, 0.024, 0.019));
        let to = |edge: f32| ((share - edge) / 0.06).clamp(0.0, 1.0);
        fat_colour(p).lerp(muscle, to(0.25)).lerp(fat, to(0.62)).lerp(skin_colour(p), to(0.93))
    }
}

fn fat_colour(p: Vec3) -> Vec3 {
    let blot = ground_noise(p, 0.014);
    Vec3::new(0.30, 0.135, 0.045).lerp(Vec3::new(0.25, 0.060, 0.032), ((blot - 0.35) * 2.2).clamp(0.0, 1.0))
}

fn skin_colour(p: Vec3) -> Vec3 {
    // painted with iodine before the cut
    Vec3::new(0.25, 0.105, 0.042) * (0.85 + 0.3 * ground_noise(p, 0.01))
}

fn cloth_colour(p: Vec3) -> Vec3 {
    Vec3::new(0.014, 0.066, 0.074) * (0.8 + 0.4 * ground_noise(p, 0.004))
}

/// The lamp's cone: what lies outside the field falls into the dark.
fn far_dim(distance_m: f32) -> f32 {
    let share = ((distance_m - 0.12) / 0.36).clamp(0.0, 1.0);
    1.0 - 0.93 * share * share * (3.0 - 2.0 * share)
}
