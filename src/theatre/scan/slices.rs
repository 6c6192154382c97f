//! Three panels with a slice each, and a line that says what is under the cross.

use bevy::{
    asset::{load_internal_asset, uuid_handle},
    math::{DVec2, DVec3},
    prelude::*,
    render::render_resource::{AsBindGroup, ShaderType},
    shader::ShaderRef,
    ui::{RelativeCursorPosition, UiTargetCamera},
};

use super::{Plane, ScanView, texture::ScanImage};
use crate::{patient::Twin, session::plugin::CurrentTwin};

const SHADER: Handle<Shader> = uuid_handle!("7c1b9c2e-52a4-4d0f-8a55-0f5a6f1f7b21");

#[derive(Debug, Clone, Copy, Default, ShaderType)]
struct SliceLook {
    /// The panel in the box of the voxels: its upper left corner, its upper edge, its left edge.
    corner: Vec4,
    across: Vec4,
    down: Vec4,
    /// Centre and width of the window (HU), strength of the label overlay, the organ's label.
    window: Vec4,
    /// The cross, and how far a tenth of its arm is, in the panel's coordinates.
    cross: Vec4,
    /// Ends of the ruler on the panel; both the same where nothing is measured.
    ruler: Vec4,
}

/// What a panel is drawn with.
#[derive(Asset, TypePath, AsBindGroup, Debug, Clone)]
struct SliceMaterial {
    #[uniform(0)]
    look: SliceLook,
    #[texture(1, dimension = "3d")]
    #[sampler(2)]
    values: Handle<Image>,
    #[texture(3, dimension = "3d", sample_type = "u_int")]
    labels: Handle<Image>,
}

impl UiMaterial for SliceMaterial {
    fn fragment_shader() -> ShaderRef {
        SHADER.into()
    }
}

/// One of the panels.
#[derive(Component, Debug, Clone, Copy)]
pub(super) struct Panel(pub Plane);

/// The box around the panels and the line under them.
#[derive(Component)]
struct ScanRoot;

#[derive(Component)]
struct ScanText;

pub(super) fn plugin(app: &mut App) {
    load_internal_asset!(app, SHADER, "slices.wgsl", Shader::from_wgsl);
    app.add_plugins(UiMaterialPlugin::<SliceMaterial>::default())
        .add_systems(PostUpdate, (show_panels, fill_panels, write_line).before(bevy::ui::UiSystems::Prepare));
}

/// Spawns the panels, hidden until [`ScanView::slices`] asks for them; `side_vh` is the side of each in hundredths of the window's height.
pub(in crate::theatre) fn spawn_panels(commands: &mut Commands, camera: Entity, side_vh: f32) {
    let column = Node {
        position_type: PositionType::Absolute,
        right: px(14),
        bottom: px(14),
        flex_direction: FlexDirection::Column,
        align_items: AlignItems::End,
        row_gap: px(5),
        ..default()
    };
    let glass = BackgroundColor(Color::srgba(0.0, 0.0, 0.0, 0.8));
    let letter = |text: &str, left: Val, top: Val| {
        let node = Node { position_type: PositionType::Absolute, left, top, ..default() };
        (node, Text::new(text), TextFont::from_font_size(12.0), TextColor(Color::srgb(0.95, 0.8, 0.3)))
    };
    commands.spawn((ScanRoot, UiTargetCamera(camera), column, Visibility::Hidden)).with_children(|column| {
        for plane in Plane::ALL {
            let node = Node { width: vh(side_vh), height: vh(side_vh), ..default() };
            column.spawn((Panel(plane), node, RelativeCursorPosition::default(), glass)).with_children(|panel| {
                let [left, right, top, bottom] = plane.edges();
                panel.spawn(letter(left, percent(1.5), percent(45)));
                panel.spawn(letter(right, percent(93), percent(45)));
                panel.spawn(letter(top, percent(48), percent(1)));
                panel.spawn(letter(bottom, percent(48), percent(92)));
            });
        }
        let line = Node { padding: UiRect::axes(px(6), px(3)), max_width: px(420), ..default() };
        column.spawn((ScanText, line, glass, Text::default(), TextFont::from_font_size(12.0), TextColor(Color::WHITE)));
    });
}

fn show_panels(view: Res<ScanView>, scan: Option<Res<ScanImage>>, mut roots: Query<&mut Visibility, With<ScanRoot>>) {
    let wanted = if view.slices && scan.is_some() { Visibility::Inherited } else { Visibility::Hidden };
    for mut visibility in &mut roots {
        visibility.set_if_neq(wanted);
    }
}

fn fill_panels(
    view: Res<ScanView>,
    scan: Option<Res<ScanImage>>,
    twin: Option<Res<CurrentTwin>>,
    panels: Query<(Entity, &Panel, &ComputedNode, Option<&MaterialNode<SliceMaterial>>)>,
    mut materials: ResMut<Assets<SliceMaterial>>,
    mut commands: Commands,
) {
    let (Some(scan), Some(twin), true) = (scan, twin, view.slices) else { return };
    let cursor_mm = scan.cursor_mm(&view);
    for (entity, panel, node, material) in &panels {
        let plane = panel.0;
        let [corner, across, down] = scan.geometry.panel_in_texture(plane, cursor_mm).map(|v: DVec3| v.as_vec3().extend(0.0));
        let on_panel = |place: DVec3| scan.geometry.uv_of(plane, place).as_vec2();
        let cross = on_panel(cursor_mm);
        let ruler = view.ruler.map_or(Vec4::ZERO, |(from, to)| {
            let (from, to) = (on_panel(from), on_panel(to.unwrap_or(from)));
            Vec4::new(from.x, from.y, to.x, to.y)
        });
        let look = SliceLook {
            corner,
            across,
            down,
            window: Vec4::new(
                view.window.centre_hu,
                view.window.width_hu,
                if view.labels { 1.0 } else { 0.0 },
                f32::from(twin.0.organ.label),
            ),
            cross: Vec4::new(cross.x, cross.y, 1.0 / node.size().x.max(1.0), 0.0),
            ruler,
        };
        if let Some(handle) = material
            && let Some(mut known) = materials.get_mut(&handle.0).filter(|known| known.values == scan.values)
        {
            known.look = look;
            continue;
        }
        let material = SliceMaterial { look, values: scan.values.clone(), labels: scan.labels.clone() };
        commands.entity(entity).insert(MaterialNode(materials.add(material)));
    }
}

fn write_line(
    view: Res<ScanView>,
    scan: Option<Res<ScanImage>>,
    twin: Option<Res<CurrentTwin>>,
    mut lines: Query<&mut Text, With<ScanText>>,
) {
    let (Some(scan), Some(twin), true) = (scan, twin, view.slices) else { return };
    for mut line in &mut lines {
        let text = describe(&view, scan.cursor_mm(&view), &twin.0);
        if line.0 != text {
            line.0 = text;
        }
    }
}

/// What is under the cross, and what was measured.
fn describe(view: &ScanView, at: DVec3, twin: &Twin) -> String {
    let value = match twin.volume.nearest(at) {
        Some(value) if twin.source.modality == "CT" => format!("{value} HU"),
        Some(value) => format!("value {value}"),
        None => "outside the scan".to_owned(),
    };
    let label = match twin.labels.nearest(at) {
        Some(label) if label == twin.organ.label => format!(" | {}", twin.organ.name),
        Some(label) if label > 0 => format!(" | label {label}"),
        _ => String::new(),
    };
    let ruler = view.distance_mm().map_or(String::new(), |distance| format!(" | measured {distance:.1} mm"));
    let window = format!("window {:.0}/{:.0}", view.window.centre_hu, view.window.width_hu);
    format!("LPS {:.1} {:.1} {:.1} mm | {value}{label}\n{window}{ruler}", at.x, at.y, at.z)
}

/// Where on which panel the pointer is.
pub(super) fn pointed<'a>(panels: impl Iterator<Item = (&'a Panel, &'a RelativeCursorPosition)>) -> Option<(Plane, DVec2)> {
    panels
        .filter(|(_, pointer)| pointer.cursor_over)
        .find_map(|(panel, pointer)| pointer.normalized.map(|from_middle| (panel.0, from_middle.as_dvec2() + DVec2::splat(0.5))))
}
