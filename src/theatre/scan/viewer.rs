//! A scan by itself: in a window, or as a picture.

use std::path::Path;

use bevy::{
    asset::RenderAssetUsages,
    input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll},
    log::LogPlugin,
    mesh::{Indices, PrimitiveTopology},
    prelude::*,
    ui::{RelativeCursorPosition, UiGlobalTransform},
};

use super::{
    PanelLayout, ScanView, Seeding, Shown, control_plugin, plugin,
    seeding::spawn_text,
    slices::{GLASS, Panel, pointed},
    spawn_panels,
};
use crate::{
    geom::TetMesh,
    patient::Plane,
    theatre::{
        PictureSize, TheatreError,
        darkroom::{Darkroom, write_png},
        desk_window, gpu,
        scene::{self, TheatreCamera},
    },
};

/// Height of a panel in hundredths of the window's.
const SIDE_VH: f32 = 30.0;

const KEYS: &str = "\
drag, wheel       turn the patient, come nearer
  on a slice      move the cross, leaf through
  right button    the window of the slices
V, B, N           slices, volume, window
L, C, O           outlines of labels and of the mesh, organ
M                 measures
H                 this help
Esc               leaves";

/// What a picture of a scan shows.
#[derive(Debug, Clone)]
pub struct ScanPicture {
    pub view: ScanView,
    /// Whether the meshed organ stands in it.
    pub organ: bool,
    pub size: PictureSize,
}

/// Opens a window on a scan and runs it until it is closed; with `seeding`, its seeds are placed there.
///
/// # Errors
/// [`TheatreError::NoDriver`], [`TheatreError::NoWindow`].
pub fn view(shown: Shown, view: ScanView, seeding: Option<Seeding>) -> Result<(), TheatreError> {
    drop(gpu::renderer()?);
    let log = LogPlugin { filter: "error,wgpu=off,winit=off".to_owned(), ..default() };
    let built = gpu::quietly(|| {
        let mut app = App::new();
        app.add_plugins(DefaultPlugins.set(desk_window()).set(log));
        app
    });
    let mut app = built.map_err(|why| TheatreError::NoWindow { why })?;
    app.add_plugins(viewer_plugin)
        .insert_resource(view)
        .insert_resource(shown)
        .insert_resource(ShowsOrgan(true))
        .add_plugins(control_plugin)
        .add_systems(Startup, |seeding: Option<Res<Seeding>>, mut commands: Commands| {
            let camera = commands.spawn((scene::camera(), Msaa::Off, IsDefaultUiCamera)).id();
            spawn_desk(&mut commands, camera, seeding.is_some());
            if seeding.is_none() {
                spawn_keys(&mut commands, camera);
            }
        })
        .add_systems(Update, (turn_about, show_keys, leave));
    if let Some(seeding) = seeding {
        app.insert_resource(seeding);
    }
    app.run();
    Ok(())
}

/// The panels, and what one needs to place seeds.
fn spawn_desk(commands: &mut Commands, camera: Entity, is_seeding: bool) {
    if is_seeding {
        spawn_panels(commands, camera, PanelLayout::Sheet);
        spawn_text(commands, camera);
    } else {
        spawn_panels(commands, camera, PanelLayout::Column(SIDE_VH));
    }
}

/// The lines that say which keys do what.
#[derive(Component)]
struct KeysText;

fn spawn_keys(commands: &mut Commands, camera: Entity) {
    let node =
        Node { position_type: PositionType::Absolute, left: px(14), top: px(14), padding: UiRect::all(px(10)), ..default() };
    let text = (Text::new(KEYS), TextFont::from_font_size(12.0), TextColor(Color::WHITE));
    commands.spawn((KeysText, UiTargetCamera(camera), node, GLASS, text));
}

fn show_keys(keys: Res<ButtonInput<KeyCode>>, mut texts: Query<&mut Visibility, With<KeysText>>) {
    if keys.just_pressed(KeyCode::KeyH) {
        for mut visibility in &mut texts {
            *visibility = if *visibility == Visibility::Hidden { Visibility::Inherited } else { Visibility::Hidden };
        }
    }
}

/// Where things are in a picture of a scan.
#[derive(Debug, Clone)]
pub struct Pictured {
    /// The slices, in pixels.
    pub panels: Vec<(Plane, Rect)>,
    eye: Transform,
    size: Vec2,
    fov: f32,
}

impl Pictured {
    /// The pixel at which a place of the world (m) appears.
    pub fn pixel_of(&self, place: Vec3) -> Vec2 {
        let seen = self.eye.rotation.inverse() * (place - self.eye.translation);
        let focal = 0.5 * self.size.y / (0.5 * self.fov).tan();
        0.5 * self.size + Vec2::new(seen.x, -seen.y) * focal / -seen.z
    }
}

/// Draws a scan into a PNG file, with its seeds if there are any.
///
/// # Errors
/// [`TheatreError::NoDriver`] where nothing can draw; a file that cannot be written.
pub fn picture(shown: Shown, seeding: Option<Seeding>, what: &ScanPicture, path: &Path) -> Result<Pictured, TheatreError> {
    let mut room = Darkroom::open(what.size, ".", |app| {
        app.add_plugins(viewer_plugin)
            .insert_resource(what.view.clone())
            .insert_resource(shown)
            .insert_resource(ShowsOrgan(what.organ));
        if let Some(seeding) = seeding {
            app.insert_resource(seeding);
        }
    })?;
    room.app.world_mut().entity_mut(room.camera).insert(IsDefaultUiCamera);
    let (camera, is_seeding) = (room.camera, room.app.world().contains_resource::<Seeding>());
    spawn_desk(&mut room.app.world_mut().commands(), camera, is_seeding);
    room.light(false);
    room.app.update();
    let image = room.shoot("scan", |app| {
        app.update();
        Ok(())
    })?;
    write_png(&image, path)?;

    let world = room.app.world_mut();
    let mut panels = world.query::<(&Panel, &ComputedNode, &UiGlobalTransform)>();
    let panels = panels
        .iter(world)
        .map(|(panel, node, place)| (panel.0, Rect::from_center_size(place.translation, node.size())))
        .collect();
    let mut eyes = world.query::<(&Transform, &Projection)>();
    let (eye, fov) = match eyes.get(world, camera) {
        Ok((eye, Projection::Perspective(lens))) => (*eye, lens.fov),
        _ => return Err(TheatreError::NoPicture { name: "scan".to_owned() }),
    };
    Ok(Pictured { panels, eye, size: Vec2::new(what.size.width as f32, what.size.height as f32), fov })
}

/// Whether the meshed organ is drawn.
#[derive(Resource, Clone, Copy)]
struct ShowsOrgan(bool);

#[derive(Component)]
struct MeshedOrgan;

/// Where the eye is about the middle of the scan: two angles (rad) and a distance (m).
#[derive(Resource, Clone, Copy)]
struct Orbit {
    about: Vec3,
    turn: f32,
    height: f32,
    distance: f32,
}

fn viewer_plugin(app: &mut App) {
    app.insert_resource(ClearColor(Color::linear_rgb(0.004, 0.005, 0.006)))
        .insert_resource(GlobalAmbientLight { brightness: 45.0, ..default() })
        .insert_resource(Orbit { about: Vec3::ZERO, turn: 0.45, height: 0.55, distance: 1.0 })
        .add_plugins(plugin)
        .add_systems(Update, show_organ.run_if(resource_added::<Shown>))
        .add_systems(Update, place_eye.after(show_organ));
}

/// The boundary of the tetrahedra, as it was meshed.
fn show_organ(
    shown: Res<Shown>,
    shows: Res<ShowsOrgan>,
    mut orbit: ResMut<Orbit>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut commands: Commands,
) {
    let geometry = super::ScanGeometry::new(shown.dims(), shown.lps_from_voxel());
    orbit.about = shown.world_from_lps().transform_point3(geometry.centre_mm).as_vec3();
    orbit.distance = 2.1e-3 * geometry.side_mm as f32;
    scene::spawn_lamps(&mut commands, orbit.about);
    if let (true, Shown::Twin(twin)) = (shows.0, &*shown) {
        let look = StandardMaterial { base_color: Color::linear_rgb(0.36, 0.07, 0.05), perceptual_roughness: 0.45, ..default() };
        commands.spawn((
            MeshedOrgan,
            Mesh3d(meshes.add(boundary_mesh(&twin.tets))),
            MeshMaterial3d(materials.add(look)),
            Transform::default(),
        ));
    }
}

fn boundary_mesh(tets: &TetMesh) -> Mesh {
    let surface = tets.surface();
    let all = |points: Vec<Vec3>| points.into_iter().map(|point| point.to_array()).collect::<Vec<_>>();
    Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::default())
        .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, all(surface.vertex_normals()))
        .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, all(surface.vertices))
        .with_inserted_indices(Indices::U32(surface.triangles.into_flattened()))
}

fn place_eye(orbit: Res<Orbit>, mut eyes: Query<&mut Transform, With<TheatreCamera>>) {
    let from = Quat::from_rotation_y(orbit.turn) * Quat::from_rotation_x(-orbit.height) * Vec3::Z;
    for mut eye in &mut eyes {
        // the panels cover the right: what is looked at stands left of the middle
        let looking = Transform::from_translation(orbit.about + from * orbit.distance).looking_at(orbit.about, Vec3::Y);
        *eye = looking.with_translation(looking.translation + looking.right() * (0.09 * orbit.distance));
    }
}

/// Dragging beside the panels turns the patient, the wheel comes nearer; O hides the organ.
fn turn_about(
    panels: Query<(&Panel, &RelativeCursorPosition)>,
    keys: Res<ButtonInput<KeyCode>>,
    buttons: Res<ButtonInput<MouseButton>>,
    (motion, scroll): (Res<AccumulatedMouseMotion>, Res<AccumulatedMouseScroll>),
    mut organs: Query<&mut Visibility, With<MeshedOrgan>>,
    mut orbit: ResMut<Orbit>,
) {
    if keys.just_pressed(KeyCode::KeyO) {
        for mut visibility in &mut organs {
            *visibility = if *visibility == Visibility::Hidden { Visibility::Inherited } else { Visibility::Hidden };
        }
    }
    if pointed(panels.iter()).is_some() {
        return;
    }
    if buttons.pressed(MouseButton::Left) {
        orbit.turn -= 0.006 * motion.delta.x;
        orbit.height = (orbit.height + 0.006 * motion.delta.y).clamp(-1.5, 1.5);
    }
    orbit.distance = (orbit.distance * (1.0 - 0.08 * scroll.delta.y.clamp(-3.0, 3.0))).clamp(0.05, 5.0);
}

fn leave(keys: Res<ButtonInput<KeyCode>>, mut exit: MessageWriter<AppExit>) {
    if keys.just_pressed(KeyCode::Escape) {
        exit.write(AppExit::Success);
    }
}
