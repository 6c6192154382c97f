//! Placing the seeds of a segmentation on the slices, and growing it.

use std::{path::PathBuf, thread::JoinHandle};

use bevy::{
    math::DVec2,
    prelude::*,
    ui::{RelativeCursorPosition, UiTargetCamera},
};

use super::{
    ScanView,
    shown::{Images, Shown},
    slices::{Panel, pointed},
    texture::ScanImage,
};
use crate::geom::Volume;
use crate::patient::{
    RonError,
    segment::{SeedSheet, Segment, organs, write_label_map},
};

/// Backspace takes the nearest seed out if it lies this near to the cross, mm.
const REACH_MM: f64 = 8.0;

const KEYS: &str = "\
click   moves the cross
wheel   leafs through slices
1 to 9  what is placed
Space   a seed at the cross
        (or Shift and a click)
Backspace  takes the nearest
        seed out
G       grows the organs
N, L, M window, outlines, ruler";

/// The seeds on the table.
#[derive(Resource)]
pub struct Seeding {
    pub sheet: SeedSheet,
    /// Where a grown label map goes.
    pub out: Option<PathBuf>,
    /// Which of the sheet's labels is placed.
    active: usize,
    /// The last thing that happened.
    said: String,
    growing: Option<JoinHandle<Grown>>,
}

type Grown = Result<(Volume<u8>, Vec<Segment>, Option<String>), RonError>;

impl Seeding {
    pub fn new(sheet: SeedSheet, out: Option<PathBuf>) -> Self {
        Self { sheet, out, active: 0, said: String::new(), growing: None }
    }
}

/// A seed on a panel.
#[derive(Component)]
struct Dot;

#[derive(Component)]
struct SeedText;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, draw_seeds.run_if(resource_exists::<Seeding>))
        .add_systems(PostUpdate, write_text.run_if(resource_exists::<Seeding>).before(bevy::ui::UiSystems::Prepare));
}

pub(super) fn control_plugin(app: &mut App) {
    let steps = (heed_keys, take_grown).chain().after(super::control::heed_pointer).before(draw_seeds);
    app.add_systems(Update, steps.run_if(resource_exists::<Seeding>));
}

/// Spawns the lines that say what is placed and which keys do it.
pub(super) fn spawn_text(commands: &mut Commands, camera: Entity) {
    let node =
        Node { position_type: PositionType::Absolute, left: px(14), top: px(14), padding: UiRect::all(px(10)), ..default() };
    let glass = BackgroundColor(Color::srgba(0.0, 0.0, 0.0, 0.8));
    let font = TextFont::from_font_size(12.0);
    commands.spawn((SeedText, UiTargetCamera(camera), node, glass, Text::default(), font, TextColor(Color::WHITE)));
}

fn heed_keys(
    keys: Res<ButtonInput<KeyCode>>,
    buttons: Res<ButtonInput<MouseButton>>,
    panels: Query<(&Panel, &RelativeCursorPosition)>,
    (scan, shown): (Option<Res<ScanImage>>, Option<Res<Shown>>),
    view: Res<ScanView>,
    mut seeding: ResMut<Seeding>,
) {
    let (Some(scan), Some(shown)) = (scan, shown) else { return };
    const DIGITS: [KeyCode; 9] = [
        KeyCode::Digit1,
        KeyCode::Digit2,
        KeyCode::Digit3,
        KeyCode::Digit4,
        KeyCode::Digit5,
        KeyCode::Digit6,
        KeyCode::Digit7,
        KeyCode::Digit8,
        KeyCode::Digit9,
    ];
    let labels = seeding.sheet.labels();
    if let Some(chosen) = DIGITS.iter().take(labels.len()).position(|key| keys.just_pressed(*key)) {
        seeding.active = chosen;
    }
    let cursor_mm = scan.cursor_mm(&view);
    let is_shift = keys.any_pressed([KeyCode::ShiftLeft, KeyCode::ShiftRight]);
    let is_clicked = is_shift && buttons.just_pressed(MouseButton::Left) && pointed(panels.iter()).is_some();
    if keys.just_pressed(KeyCode::Space) || is_clicked {
        let label = labels[seeding.active.min(labels.len() - 1)].0.clone();
        seeding.said = match shown.value_at(cursor_mm) {
            None => "the cross is outside the images".to_owned(),
            Some(value) => match seeding.sheet.put(&label, cursor_mm) {
                Ok(()) => format!("{label} at {:.1} {:.1} {:.1} mm, value {value:.0}", cursor_mm.x, cursor_mm.y, cursor_mm.z),
                Err(fault) => fault.to_string(),
            },
        };
    }
    if keys.just_pressed(KeyCode::Backspace) {
        seeding.said = match seeding.sheet.take(cursor_mm, REACH_MM) {
            Ok(Some(_)) => "taken out".to_owned(),
            Ok(None) => format!("no seed within {REACH_MM} mm of the cross"),
            Err(fault) => fault.to_string(),
        };
    }
    if keys.just_pressed(KeyCode::KeyG) && seeding.growing.is_none() {
        let Shown::Images(images) = &*shown else { return };
        match seeding.sheet.whole() {
            Err(fault) => seeding.said = fault.to_string(),
            Ok(seeds) => {
                let (volume, out) = (images.volume.clone(), seeding.out.clone());
                seeding.said = "growing …".to_owned();
                seeding.growing = Some(std::thread::spawn(move || {
                    let (labels, segments) = organs(&volume, &seeds, &|_, _, _| {})?;
                    let written = out.map(|path| match write_label_map(&labels, &segments, &path) {
                        Ok(()) => format!("written to {}", path.display()),
                        Err(why) => format!("{}: cannot be written: {why}", path.display()),
                    });
                    Ok((labels, segments, written))
                }));
            }
        }
    }
}

/// Shows what has been grown, once it has.
fn take_grown(mut seeding: ResMut<Seeding>, shown: Option<ResMut<Shown>>) {
    if !seeding.growing.as_ref().is_some_and(JoinHandle::is_finished) {
        return;
    }
    let Some(grown) = seeding.growing.take().map(JoinHandle::join) else { return };
    let Some(mut shown) = shown else { return };
    seeding.said = match (grown, &mut *shown) {
        (Ok(Ok((labels, segments, written))), Shown::Images(images)) => {
            let names = segments.iter().map(|segment| (segment.name.clone(), segment.label)).collect();
            let lines = segments.iter().map(Segment::to_string).chain(written);
            let lines = lines.collect::<Vec<_>>().join("\n");
            *images = Images { labels: labels.into(), names, ..images.clone() };
            lines
        }
        (Ok(Err(fault)), _) => fault.to_string(),
        _ => "the segmentation broke off".to_owned(),
    };
}

/// The ball of each seed as the slice cuts it.
fn draw_seeds(
    (view, scan, seeding): (Res<ScanView>, Option<Res<ScanImage>>, Res<Seeding>),
    panels: Query<(Entity, &Panel)>,
    dots: Query<Entity, With<Dot>>,
    mut commands: Commands,
) {
    let Some(scan) = scan.filter(|scan| scan.is_changed() || view.is_changed() || seeding.is_changed()) else { return };
    dots.iter().for_each(|dot| commands.entity(dot).despawn());
    let cursor_mm = scan.cursor_mm(&view);
    for (entity, panel) in &panels {
        for (_, value, at) in seeding.sheet.seeds() {
            let Some((uv, radius)) = scan.geometry.disc_of(panel.0, cursor_mm, at, seeding.sheet.radius_mm()) else { continue };
            let corner = uv - DVec2::splat(radius);
            let node = Node {
                position_type: PositionType::Absolute,
                left: percent(100.0 * corner.x as f32),
                top: percent(100.0 * corner.y as f32),
                width: percent(200.0 * radius as f32),
                height: percent(200.0 * radius as f32),
                border: UiRect::all(px(1.5)),
                border_radius: BorderRadius::MAX,
                ..default()
            };
            let ink = colour_of(value);
            commands.entity(entity).with_child((Dot, node, BorderColor::from(ink), BackgroundColor(ink.with_alpha(0.35))));
        }
    }
}

/// The colour of a label on the slices, as their shader has it; white for the background.
fn colour_of(label: u8) -> Color {
    if label == 0 {
        return Color::WHITE;
    }
    let hue = (f32::from(label) * 0.618_034).fract();
    let of = |shift: f32| (((hue + shift).fract() * 6.0 - 3.0).abs() - 1.0).clamp(0.0, 1.0);
    Color::linear_rgb(of(1.0), of(2.0 / 3.0), of(1.0 / 3.0))
}

fn write_text(seeding: Res<Seeding>, mut texts: Query<&mut Text, With<SeedText>>) {
    if !seeding.is_changed() {
        return;
    }
    let counted = |label: &str| seeding.sheet.seeds().filter(|(of, _, _)| *of == label).count();
    let labels = seeding.sheet.labels().into_iter().enumerate().map(|(number, (label, _))| {
        let mark = if number == seeding.active { ">" } else { " " };
        format!("{mark} {} {label} ({})", number + 1, counted(&label))
    });
    let labels = labels.collect::<Vec<_>>().join("\n");
    let text = format!("{}\n{labels}\n\n{KEYS}\n\n{}", seeding.sheet.path().display(), seeding.said);
    for mut line in &mut texts {
        line.0 = text.trim_end().to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::math::{DAffine3, DVec3};

    /// A press of a key in a room without a window.
    fn press(app: &mut App, key: KeyCode) {
        app.world_mut().resource_mut::<ButtonInput<KeyCode>>().press(key);
        app.update();
        app.world_mut().resource_mut::<ButtonInput<KeyCode>>().reset_all();
    }

    fn place(app: &mut App, at: DVec3) {
        app.world_mut().resource_mut::<ScanView>().cursor_mm = Some(at);
        press(app, KeyCode::Space);
    }

    /// A ball of 100 in a field of 0: seeds by keys, grown by a key, and the file and the label map are there afterwards.
    #[test]
    fn an_organ_is_seeded_and_grown_by_keys_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, out) = (folder.path().join("seeds.ron"), folder.path().join("labels.nii.gz"));
        let inside = |at: usize| {
            let place = DVec3::new((at % 32) as f64, (at / 32 % 32) as f64, (at / 1024) as f64);
            place.distance(DVec3::splat(16.0)) < 9.0
        };
        let voxels = (0..32 * 32 * 32).map(|at| if inside(at) { 100.0 } else { (at % 7) as f32 }).collect();
        let volume = Volume { dims: [32; 3], lps_from_voxel: DAffine3::from_scale(DVec3::splat(2.0)), voxels };
        let truth = (0..32 * 32 * 32).filter(|at| inside(*at)).count();

        let sheet = SeedSheet::open(&path, &["cyst".to_owned()]).expect("a sheet");
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, AssetPlugin::default()))
            .init_asset::<Image>()
            .init_resource::<ButtonInput<KeyCode>>()
            .init_resource::<ButtonInput<MouseButton>>()
            .init_resource::<ScanView>()
            .insert_resource(Shown::Images(Images::new("CT".to_owned(), volume)))
            .insert_resource(Seeding::new(sheet, Some(out.clone())))
            .add_plugins(super::super::texture::plugin)
            .add_systems(Update, (heed_keys, take_grown).chain());
        app.update();

        press(&mut app, KeyCode::KeyG);
        assert!(app.world().resource::<Seeding>().said.contains("`cyst` has no seed"));
        place(&mut app, DVec3::splat(32.0));
        place(&mut app, DVec3::splat(500.0));
        assert!(app.world().resource::<Seeding>().said.contains("outside"));
        press(&mut app, KeyCode::Digit2);
        place(&mut app, DVec3::splat(6.0));
        place(&mut app, DVec3::new(56.0, 6.0, 6.0));
        press(&mut app, KeyCode::Backspace);
        press(&mut app, KeyCode::Backspace);
        assert!(app.world().resource::<Seeding>().said.contains("no seed within"));

        press(&mut app, KeyCode::KeyG);
        for _ in 0..2000 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            app.update();
            if app.world().resource::<Seeding>().growing.is_none() {
                break;
            }
        }
        let Shown::Images(images) = app.world().resource::<Shown>() else { panic!("images") };
        let found = images.labels.voxels.iter().enumerate();
        let both = found.clone().filter(|(at, label)| **label == 1 && inside(*at)).count();
        let dice = 2.0 * both as f64 / (truth + found.filter(|(_, label)| **label == 1).count()) as f64;
        assert!(dice > 0.97, "{dice}: {}", app.world().resource::<Seeding>().said);
        assert_eq!(SeedSheet::open(&path, &[]).expect("there").seeds().count(), 2);
        assert_eq!(crate::patient::labels::read(&out, 1).expect("written").voxels, images.labels.voxels);
    }
}
