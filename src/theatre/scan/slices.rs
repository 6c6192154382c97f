//! Three panels with a slice each, and a line that says what is under the cross.

use bevy::{
    asset::{load_internal_asset, uuid_handle},
    math::{DVec2, DVec3},
    prelude::*,
    render::render_resource::{AsBindGroup, ShaderType},
    shader::ShaderRef,
    ui::{RelativeCursorPosition, UiTargetCamera},
};

use super::{ScanView, Shown, outlines::Outlines, texture::ScanImage};
use crate::patient::Plane;

const SHADER: Handle<Shader> = uuid_handle!("7c1b9c2e-52a4-4d0f-8a55-0f5a6f1f7b21");

#[derive(Debug, Clone, Copy, Default, ShaderType)]
struct SliceLook {
    /// The panel in the box of the voxels: its upper left corner, its upper edge, its left edge.
    corner: Vec4,
    across: Vec4,
    down: Vec4,
    /// Centre and width of the window (HU), strength of the label overlay, the organ's label.
    window: Vec4,
    /// The cross and the size of a pixel, in the panel's coordinates; strength of the mesh's outlines.
    cross: Vec4,
    /// Ends of the ruler on the panel; both the same where nothing is measured.
    ruler: Vec4,
}

/// What a panel is drawn with.
#[derive(Asset, TypePath, AsBindGroup, Debug, Clone)]
pub(super) struct SliceMaterial {
    #[uniform(0)]
    look: SliceLook,
    #[texture(1, dimension = "3d")]
    #[sampler(2)]
    values: Handle<Image>,
    #[texture(3, dimension = "3d", sample_type = "u_int")]
    labels: Handle<Image>,
    #[texture(4)]
    outlines: Option<Handle<Image>>,
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

/// How the three panels share a window.
#[derive(Debug, Clone, Copy)]
pub(in crate::theatre) enum PanelLayout {
    /// One under another at the right, beside what else is shown; the side of each in hundredths of the window's height.
    Column(f32),
    /// All of the window: the axial one large, the others beside it.
    Sheet,
}

/// Spawns the panels, hidden until [`ScanView::slices`] asks for them.
pub(in crate::theatre) fn spawn_panels(commands: &mut Commands, camera: Entity, layout: PanelLayout) {
    let at_right = |direction| Node {
        position_type: PositionType::Absolute,
        right: px(14),
        bottom: px(14),
        flex_direction: direction,
        align_items: AlignItems::End,
        row_gap: px(5),
        column_gap: px(5),
        ..default()
    };
    let column = Node { flex_direction: FlexDirection::Column, align_items: AlignItems::End, row_gap: px(5), ..default() };
    let hidden = (ScanRoot, UiTargetCamera(camera), Visibility::Hidden);
    match layout {
        PanelLayout::Column(side_vh) => {
            commands.spawn((hidden, at_right(FlexDirection::Column))).with_children(|column| {
                Plane::ALL.into_iter().for_each(|plane| spawn_panel(column, plane, side_vh));
                spawn_line(column);
            });
        }
        PanelLayout::Sheet => {
            commands.spawn((hidden, at_right(FlexDirection::Row))).with_children(|row| {
                spawn_panel(row, Plane::Axial, 95.0);
                row.spawn(column).with_children(|column| {
                    spawn_panel(column, Plane::Coronal, 43.0);
                    spawn_panel(column, Plane::Sagittal, 43.0);
                    spawn_line(column);
                });
            });
        }
    }
}

/// Behind panels and lines, so that they stand out from what they cover.
pub(super) const GLASS: BackgroundColor = BackgroundColor(Color::srgba(0.0, 0.0, 0.0, 0.8));

fn spawn_panel(parent: &mut ChildSpawnerCommands, plane: Plane, side_vh: f32) {
    let letter = |text: &str, left: Val, top: Val| {
        let node = Node { position_type: PositionType::Absolute, left, top, ..default() };
        (node, Text::new(text), TextFont::from_font_size(12.0), TextColor(Color::srgb(0.95, 0.8, 0.3)))
    };
    let node = Node { width: vh(side_vh), height: vh(side_vh), ..default() };
    parent.spawn((Panel(plane), Outlines::default(), node, RelativeCursorPosition::default(), GLASS)).with_children(|panel| {
        let [left, right, top, bottom] = plane.edges();
        panel.spawn(letter(left, percent(1.5), percent(45)));
        panel.spawn(letter(right, percent(93), percent(45)));
        panel.spawn(letter(top, percent(48), percent(1)));
        panel.spawn(letter(bottom, percent(48), percent(92)));
    });
}

fn spawn_line(parent: &mut ChildSpawnerCommands) {
    let line = Node { padding: UiRect::axes(px(6), px(3)), max_width: px(420), ..default() };
    parent.spawn((ScanText, line, GLASS, Text::default(), TextFont::from_font_size(12.0), TextColor(Color::WHITE)));
}

fn show_panels(view: Res<ScanView>, scan: Option<Res<ScanImage>>, mut roots: Query<&mut Visibility, With<ScanRoot>>) {
    let wanted = if view.slices && scan.is_some() { Visibility::Inherited } else { Visibility::Hidden };
    for mut visibility in &mut roots {
        visibility.set_if_neq(wanted);
    }
}

pub(super) fn fill_panels(
    view: Res<ScanView>,
    scan: Option<Res<ScanImage>>,
    shown: Option<Res<Shown>>,
    panels: Query<(Entity, &Panel, &Outlines, &ComputedNode, Option<&MaterialNode<SliceMaterial>>)>,
    mut materials: ResMut<Assets<SliceMaterial>>,
    mut commands: Commands,
) {
    let (Some(scan), Some(shown), true) = (scan, shown, view.slices) else { return };
    let cursor_mm = scan.cursor_mm(&view);
    for (entity, panel, outlines, node, material) in &panels {
        let plane = panel.0;
        let [corner, across, down] = scan.geometry.panel_in_texture(plane, cursor_mm).map(|v: DVec3| v.as_vec3().extend(0.0));
        let on_panel = |place: DVec3| scan.geometry.uv_of(plane, place).as_vec2();
        let cross = on_panel(cursor_mm);
        let ruler = view.ruler.map_or(Vec4::ZERO, |(from, to)| {
            let (from, to) = (on_panel(from), on_panel(to.unwrap_or(from)));
            Vec4::new(from.x, from.y, to.x, to.y)
        });
        let shows_outlines = view.sections && outlines.picture.is_some();
        let look = SliceLook {
            corner,
            across,
            down,
            window: Vec4::new(
                view.window.centre_hu,
                view.window.width_hu,
                if view.labels { 1.0 } else { 0.0 },
                f32::from(shown.foremost()),
            ),
            cross: Vec4::new(cross.x, cross.y, 1.0 / node.size().x.max(1.0), if shows_outlines { 1.0 } else { 0.0 }),
            ruler,
        };
        if let Some(handle) = material
            && let Some(mut known) = materials.get_mut(&handle.0).filter(|known| known.values == scan.values)
        {
            known.look = look;
            known.outlines.clone_from(&outlines.picture);
            continue;
        }
        let (values, labels) = (scan.values.clone(), scan.labels.clone());
        let material = SliceMaterial { look, values, labels, outlines: outlines.picture.clone() };
        commands.entity(entity).insert(MaterialNode(materials.add(material)));
    }
}

fn write_line(
    view: Res<ScanView>,
    scan: Option<Res<ScanImage>>,
    shown: Option<Res<Shown>>,
    mut lines: Query<&mut Text, With<ScanText>>,
) {
    let (Some(scan), Some(shown), true) = (scan, shown, view.slices) else { return };
    for mut line in &mut lines {
        let text = describe(&view, scan.cursor_mm(&view), &shown);
        if line.0 != text {
            line.0 = text;
        }
    }
}

/// What is under the cross, and what was measured.
fn describe(view: &ScanView, at: DVec3, shown: &Shown) -> String {
    let value = match shown.value_at(at) {
        Some(value) if shown.modality() == "CT" => format!("{value:.0} HU"),
        Some(value) => format!("value {value}"),
        None => "outside the scan".to_owned(),
    };
    let label = shown.label_at(at).map_or(String::new(), |label| format!(" | {label}"));
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
