//! The picture of a scan against the scan itself. These tests need a Vulkan driver, like those of the theatre.

use std::{path::Path, sync::Arc};

use bevy::math::{DVec2, DVec3, Vec2};
use halsted::{
    geom::Volume,
    patient::{Twin, segment::SeedSheet},
    theatre::{
        PictureSize, TheatreError,
        scan::{Images, Pictured, Preset, ScanGeometry, ScanPicture, ScanView, Seeding, Shown, Window, picture},
    },
};

const SIZE: PictureSize = PictureSize { width: 1280, height: 720, smooth: false };

fn twin() -> Twin {
    Twin::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patients/liver-contrast")).expect("the bundled twin")
}

/// The picture of a twin and where things are in it; nothing where there is no driver and none is required.
fn draw(twin: Twin, view: ScanView) -> Option<(bevy::image::Image, Pictured)> {
    draw_shown(Shown::Twin(Arc::new(twin)), None, view)
}

fn draw_shown(shown: Shown, seeding: Option<Seeding>, view: ScanView) -> Option<(bevy::image::Image, Pictured)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("scan.png");
    match picture(shown, seeding, &ScanPicture { view, organ: false, size: SIZE }, &path) {
        Err(TheatreError::NoDriver) if std::env::var("HALSTED_REQUIRE").is_ok_and(|what| what == "all") => {
            panic!("HALSTED_REQUIRE=all, but there is no Vulkan driver")
        }
        Err(TheatreError::NoDriver) => {
            eprintln!("skipped: no Vulkan driver");
            None
        }
        drawn => {
            let drawn = drawn.expect("a picture");
            let image = crate::theatre::read_png(&path);
            Some((image, drawn))
        }
    }
}

fn trilinear(volume: &Volume<i16>, lps_mm: DVec3) -> Option<(f64, f64)> {
    let at = volume.lps_from_voxel.inverse().transform_point3(lps_mm);
    let low = at.floor();
    let share = at - low;
    let mut sum = 0.0;
    let (mut least, mut most) = (f64::MAX, f64::MIN);
    for b in 0..8usize {
        let side = [b & 1, b >> 1 & 1, b >> 2 & 1];
        let corner: [usize; 3] = std::array::from_fn(|k| (low[k] as i64 + side[k] as i64).max(-1) as usize);
        let value = f64::from(volume.get(corner)?);
        let weight: f64 = (0..3).map(|k| if side[k] == 1 { share[k] } else { 1.0 - share[k] }).product();
        sum += weight * value;
        (least, most) = (least.min(value), most.max(value));
    }
    Some((sum, most - least))
}

/// Every pixel of a slice is the scan through the window: interpolated here in double precision from the voxels, by their place in the
/// patient. Tolerance: two levels for rounding to eight bits, and the 1/256 of a voxel to which graphics cards place their samples.
#[test]
fn a_slice_shows_the_voxels_that_lie_there() {
    let twin = twin();
    let window = Window { centre_hu: 60.0, width_hu: 500.0 };
    let cursor = DVec3::new(-60.0, -230.0, -781.3);
    let view = ScanView { slices: true, volume: None, cursor_mm: Some(cursor), window, labels: false, ruler: None };
    let (volume, geometry) = (twin.volume.clone(), ScanGeometry::new(twin.volume.dims, &twin.volume.lps_from_voxel));
    let Some((image, drawn)) = draw(twin, view) else { return };
    assert_eq!(drawn.panels.len(), 3);
    for (plane, rect) in drawn.panels {
        let (mut looked_at, mut shades) = (0, std::collections::BTreeSet::new());
        for row in 0..rect.height() as u32 {
            for column in 0..rect.width() as u32 {
                let pixel = (rect.min + Vec2::new(column as f32, row as f32)).floor();
                let uv = ((pixel + 0.5 - rect.min) / rect.size()).as_dvec2();
                let cross = geometry.uv_of(plane, cursor);
                let is_covered = (uv - cross).abs().min_element() < 0.02 // the cross
                    || (uv.x - 0.5).abs() > 0.42 && (uv.y - 0.5).abs() < 0.1 // letters
                    || (uv.y - 0.5).abs() > 0.42 && (uv.x - 0.5).abs() < 0.1;
                let place = geometry.lps_at(plane, cursor, DVec2::new(uv.x, uv.y));
                let Some((value, range)) = trilinear(&volume, place).filter(|_| !is_covered) else { continue };
                let expected = 255.0 * f64::from(window.grey(value as f32));
                let seen = image.get_color_at(pixel.x as u32, pixel.y as u32).expect("inside").to_srgba().red * 255.0;
                let tolerance = 2.0 + 255.0 * 3.0 * range / 256.0 / f64::from(window.width_hu);
                assert!(
                    (f64::from(seen) - expected).abs() <= tolerance,
                    "{plane:?} at {uv}: {seen} instead of {expected} ± {tolerance}"
                );
                looked_at += 1;
                shades.insert(seen.round() as u32);
            }
        }
        assert!(looked_at > 1000 && shades.len() > 100, "{plane:?}: {looked_at} pixels, {} shades", shades.len());
    }
}

/// Seeds are rings about their place on the slices that cut them, and on no others: amber stands out from grey.
#[test]
fn seeds_stand_where_they_were_placed() {
    let twin = twin();
    let lps_from_voxel = twin.volume.lps_from_voxel;
    let voxels = twin.volume.voxels.iter().map(|&v| f32::from(v)).collect();
    let volume = Volume { dims: twin.volume.dims, lps_from_voxel, voxels };
    let geometry = ScanGeometry::new(volume.dims, &lps_from_voxel);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("seeds.ron");
    // 5 is drawn in amber
    std::fs::write(&path, r#"(version: 1, labels: {"liver": 5}, seeds: [])"#).expect("written");
    let mut sheet = SeedSheet::open(&path, &[]).expect("a sheet");
    let seed = DVec3::new(-60.0, -225.0, -790.5);
    sheet.put("liver", seed).expect("saved");
    // the axial slice passes 3 mm below: a smaller disc; the sagittal one misses the ball
    let cursor = seed + DVec3::new(9.0, 1.0, -3.0);
    let view = ScanView { slices: true, volume: None, cursor_mm: Some(cursor), ..ScanView::default() };
    let shown = Shown::Images(Images::new("CT".to_owned(), volume));
    let Some((image, drawn)) = draw_shown(shown, Some(Seeding::new(sheet, None)), view) else { return };
    for (plane, rect) in drawn.panels {
        let mut inked = Vec::new();
        for row in 0..rect.height() as u32 {
            for column in 0..rect.width() as u32 {
                let pixel = (rect.min + Vec2::new(column as f32, row as f32)).floor();
                let colour = image.get_color_at(pixel.x as u32, pixel.y as u32).expect("inside").to_linear();
                // the letters at the edges are amber too, the cross is blue
                let uv = (pixel + 0.5 - rect.min) / rect.size();
                let is_edge = (uv - 0.5).abs().max_element() > 0.4;
                let spread =
                    [colour.red, colour.green, colour.blue].into_iter().fold([1.0f32, 0.0], |[l, h], c| [l.min(c), h.max(c)]);
                if !is_edge && spread[1] - spread[0] > 0.25 && colour.blue < spread[1] {
                    inked.push(uv.as_dvec2());
                }
            }
        }
        match geometry.disc_of(plane, cursor, seed, 4.0) {
            None => assert!(inked.is_empty(), "{plane:?}: {} pixels", inked.len()),
            Some((middle, radius)) => {
                let mean = inked.iter().copied().sum::<DVec2>() / inked.len().max(1) as f64;
                let pixel = 1.0 / f64::from(rect.width());
                assert!(
                    inked.len() > 12 && (mean - middle).length() < pixel,
                    "{plane:?}: {} pixels about {mean}, not {middle}",
                    inked.len()
                );
                let furthest = inked.iter().map(|uv| uv.distance(middle)).fold(0.0, f64::max);
                assert!((furthest - radius).abs() < 1.5 * pixel, "{plane:?}: {furthest} instead of {radius}");
            }
        }
    }
}

/// A block of bone in empty space appears where its place in the patient projects to, and nothing appears elsewhere.
#[test]
fn the_volume_stands_where_the_patient_lies() {
    let mut twin = twin();
    let (low, high) = ([300usize, 200, 5], [330usize, 230, 15]);
    twin.volume.voxels.fill(-1000);
    for k in low[2]..high[2] {
        for j in low[1]..high[1] {
            for i in low[0]..high[0] {
                let at = twin.volume.index([i, j, k]);
                twin.volume.voxels[at] = 1000;
            }
        }
    }
    let middle = DVec3::from_array(std::array::from_fn(|k| 0.5 * (low[k] + high[k] - 1) as f64));
    let world = twin.world_from_lps * twin.volume.lps_from_voxel;
    let centre = world.transform_point3(middle).as_vec3();
    let corners: Vec<_> = (0..8usize)
        .map(|b| {
            let corner = |k: usize| if b >> k & 1 == 1 { high[k] as f64 - 0.5 } else { low[k] as f64 - 0.5 };
            world.transform_point3(DVec3::new(corner(0), corner(1), corner(2))).as_vec3()
        })
        .collect();
    let view = ScanView { slices: false, volume: Some(Preset::Bone), ..ScanView::default() };
    let Some((image, drawn)) = draw(twin, view) else { return };
    let (mut sum, mut lit) = (Vec2::ZERO, 0u32);
    let around = Rect::of(&corners.iter().map(|corner| drawn.pixel_of(*corner)).collect::<Vec<_>>());
    for row in 0..SIZE.height {
        for column in 0..SIZE.width {
            let colour = image.get_color_at(column, row).expect("inside").to_srgba();
            if colour.red > 0.25 {
                let pixel = Vec2::new(column as f32 + 0.5, row as f32 + 0.5);
                assert!(around.holds(pixel, 3.0), "light at {pixel}, outside {around:?}");
                sum += pixel;
                lit += 1;
            }
        }
    }
    assert!(lit > 100, "{lit} pixels");
    let off = sum / lit as f32 - drawn.pixel_of(centre);
    assert!(off.length() < 4.0, "its middle is off by {off} pixels");
}

/// A box of pixels.
#[derive(Debug)]
struct Rect {
    low: Vec2,
    high: Vec2,
}

impl Rect {
    fn of(points: &[Vec2]) -> Self {
        let (low, high) = points.iter().fold((Vec2::MAX, Vec2::MIN), |(low, high), p| (low.min(*p), high.max(*p)));
        Self { low, high }
    }

    fn holds(&self, pixel: Vec2, slack: f32) -> bool {
        pixel.cmpge(self.low - slack).all() && pixel.cmple(self.high + slack).all()
    }
}
