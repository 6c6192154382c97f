//! What is seen, looked at pixel by pixel. These tests need a Vulkan driver; without one they are skipped, aloud, and with
//! `HALSTED_REQUIRE=all` they fail instead.

use std::path::Path;

use halsted::{
    session::plugin::{SessionConfig, Source},
    theatre::{Filmed, Moment, PictureSize, TheatreError, take_pictures},
};

const SIZE: PictureSize = PictureSize { width: 320, height: 180, smooth: false };

fn case(name: &str) -> SessionConfig {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    SessionConfig {
        case: home.join("scenarios").join(name).with_extension("ron"),
        assets: home.join("assets"),
        seed: 1,
        source: Source::Live("test"),
        trace: None,
    }
}

/// What was filmed; nothing where there is no driver and none is required.
fn film(config: SessionConfig, moments: &[(&str, &str, Moment)], out: &Path) -> Option<Filmed> {
    match take_pictures(config, moments, out, SIZE) {
        Err(TheatreError::NoDriver) if std::env::var("HALSTED_REQUIRE").is_ok_and(|what| what == "all") => {
            panic!("HALSTED_REQUIRE=all, but there is no Vulkan driver")
        }
        Err(TheatreError::NoDriver) => {
            eprintln!("skipped: no Vulkan driver");
            None
        }
        other => Some(other.expect("a picture")),
    }
}

/// The first tick of a case as an RGB picture.
fn first_tick(name: &str) -> Option<bevy::image::Image> {
    let out = tempfile::tempdir().expect("a temporary folder");
    let pictures = film(case(name), &[("first", "The first tick", Moment::Tick(1))], out.path())?.pictures;
    assert_eq!(pictures[0].0, "The first tick");
    let left: Vec<_> = std::fs::read_dir(out.path()).expect("the folder").flatten().collect();
    assert_eq!(left.len(), 1, "nothing but the picture is left behind");
    Some(read_png(&pictures[0].1))
}

/// A picture as it was written.
pub fn read_png(path: &Path) -> bevy::image::Image {
    let bytes = std::fs::read(path).expect("the picture");
    let kind = bevy::image::ImageType::Extension("png");
    let formats = bevy::image::CompressedImageFormats::NONE;
    let usages = bevy::asset::RenderAssetUsages::MAIN_WORLD;
    bevy::image::Image::from_buffer(&bytes, kind, formats, true, Default::default(), usages).expect("a PNG")
}

/// Share of the pixels of a box (in shares of width and height) that a rule holds for.
fn share(picture: &bevy::image::Image, x: [f32; 2], y: [f32; 2], rule: impl Fn([f32; 3]) -> bool) -> f32 {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let span = |[from, to]: [f32; 2], size: f32| (from * size) as u32..(to * size) as u32;
    let (mut all, mut held) = (0, 0);
    for row in span(y, height) {
        for column in span(x, width) {
            let colour = picture.get_color_at(column, row).expect("inside").to_srgba();
            all += 1;
            held += usize::from(rule([colour.red, colour.green, colour.blue]));
        }
    }
    held as f32 / all as f32
}

/// One picture after the other in one test: an app with a renderer is better alone in its process.
///
/// Rules: liver is red before all (r > 1.6 g, 1.6 b), drapes are blue-green before all. Shares were 0.9 and more when looked at; half
/// is enough to tell a picture from an empty or a wrongly lit one.
#[test]
fn the_first_tick_shows_the_organ_between_drapes_and_the_board_with_its_rings() {
    let Some(wedge) = first_tick("wedge_excision") else { return };
    let is_liver = |[r, g, b]: [f32; 3]| r > 0.12 && r > 1.6 * g && r > 1.6 * b;
    let is_drape = |[r, g, b]: [f32; 3]| g > 0.03 && b > 0.03 && g > 1.3 * r && b > 1.3 * r;
    let organ = share(&wedge, [0.40, 0.58], [0.48, 0.62], is_liver);
    assert!(organ > 0.5, "liver in the middle: {organ}");
    let drapes = share(&wedge, [0.0, 1.0], [0.12, 0.25], is_drape);
    assert!(drapes > 0.5, "drapes behind the wound: {drapes}");

    let Some(pegs) = first_tick("peg_transfer") else { return };
    let is_board = |[r, g, b]: [f32; 3]| r > 0.3 && (r - g).abs() < 0.08 && (r - b).abs() < 0.1;
    let board = share(&pegs, [0.35, 0.65], [0.60, 0.68], is_board);
    assert!(board > 0.5, "the board's top: {board}");
    let is_ring = |[r, g, b]: [f32; 3]| r.max(g).max(b) > 0.3 && r.max(g).max(b) > 2.0 * r.min(g).min(b);
    let rings = share(&pegs, [0.30, 0.52], [0.35, 0.60], is_ring);
    assert!(rings > 0.08, "coloured rings on the left pegs: {rings}");
}

/// The theatre adds its own entities beside the simulation's; the simulation must not notice.
#[test]
fn a_session_with_a_camera_replays_without_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("filmed.halsted");
    let config = SessionConfig { trace: Some(path.clone()), ..case("peg_transfer") };
    if film(config, &[("late", "", Moment::Tick(90))], folder.path()).is_none() {
        return;
    }
    let trace = halsted::session::Trace::read(&path).expect("the trace");
    assert!(trace.ticks.len() >= 90);
    let again = SessionConfig { source: Source::Replay(Box::new(trace.clone())), ..case("peg_transfer") };
    let again = halsted::session::plugin::run_headless(again, None, &mut |_| {}).expect("a replay");
    let digests = |trace: &halsted::session::Trace| trace.ticks.iter().map(|tick| tick.digest).collect::<Vec<_>>();
    assert_eq!(digests(&again), digests(&trace));
}

#[test]
fn a_missing_case_is_told_and_leaves_no_picture() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let told = take_pictures(case("no_such_case"), &[("first", "", Moment::Tick(1))], out.path(), SIZE);
    assert!(matches!(told, Err(TheatreError::Session(_) | TheatreError::NoDriver)), "{told:?}");
    assert_eq!(std::fs::read_dir(out.path()).expect("the folder").count(), 0);
}
