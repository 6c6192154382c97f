//! The picture of a scan against the scan itself. These tests need a Vulkan driver, like those of the theatre.

use std::{path::Path, sync::Arc};

use bevy::math::{DMat3, DVec2, DVec3, Vec2};
use halsted::{
    geom::Volume,
    patient::{Twin, colour, segment::SeedSheet},
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
    let view =
        ScanView { slices: true, volume: None, cursor_mm: Some(cursor), window, labels: false, sections: false, ruler: None };
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

/// Which pixels of a panel show a place inside the mesh: each tetrahedron asked by itself.
fn inside_mesh(twin: &Twin, place: impl Fn(u32, u32) -> DVec3, uv_of: impl Fn(DVec3) -> DVec2, side: u32) -> Vec<bool> {
    let mut inside = vec![false; (side * side) as usize];
    let lps_from_world = twin.world_from_lps.inverse();
    for tet in &twin.tets.tets {
        let corners = tet.map(|v| lps_from_world.transform_point3(twin.tets.vertices[v as usize].as_dvec3()));
        let seen = corners.map(|corner| uv_of(corner) * f64::from(side));
        let (low, high) = seen.iter().fold((DVec2::MAX, DVec2::MIN), |(low, high), at| (low.min(*at), high.max(*at)));
        let clamp = |v: f64| v.clamp(0.0, f64::from(side)) as u32;
        let [a, b, c, d] = corners;
        let shares = DMat3::from_cols(b - a, c - a, d - a).inverse();
        for row in clamp(low.y.floor())..clamp(high.y.ceil()) {
            for column in clamp(low.x.floor())..clamp(high.x.ceil()) {
                let share = shares * (place(column, row) - a);
                inside[(column + side * row) as usize] |= share.min_element() >= 0.0 && share.element_sum() <= 1.0;
            }
        }
    }
    inside
}

/// The outline of the mesh runs between the pixels inside a tetrahedron and those in none, on all three slices, in the colour of the
/// report; and it is all that is drawn with the outline on and not with it off.
#[test]
fn the_outline_of_the_mesh_runs_where_the_tetrahedra_end() {
    let twin = twin();
    let geometry = ScanGeometry::new(twin.volume.dims, &twin.volume.lps_from_voxel);
    let cursor = DVec3::new(-60.0, -225.0, -790.5);
    let view = ScanView { slices: true, volume: None, cursor_mm: Some(cursor), labels: false, ..ScanView::default() };
    let Some((with, drawn)) = draw(twin.clone(), view.clone()) else { return };
    let Some((without, _)) = draw(twin.clone(), ScanView { sections: false, ..view }) else { return };
    let ink = colour(twin.organ.label).map(f32::from);
    for (plane, rect) in drawn.panels {
        let side = rect.width() as u32;
        let place = |column: u32, row: u32| {
            let uv = DVec2::new(f64::from(column) + 0.5, f64::from(row) + 0.5) / f64::from(side);
            geometry.lps_at(plane, cursor, uv)
        };
        let inside = inside_mesh(&twin, place, |at| geometry.uv_of(plane, at), side);
        let at = |column: u32, row: u32| inside[(column + side * row) as usize];
        let seen = |image: &bevy::image::Image, column: u32, row: u32| {
            let corner = rect.min.floor().as_uvec2();
            let colour = image.get_color_at(corner.x + column, corner.y + row).expect("inside").to_srgba();
            [colour.red, colour.green, colour.blue].map(|part| 255.0 * part)
        };
        let differs = |a: [f32; 3], b: [f32; 3], by: f32| a.iter().zip(b).any(|(a, b)| (a - b).abs() > by);
        let is_drawn = |column, row| differs(seen(&with, column, row), seen(&without, column, row), 2.0);
        let (mut crossed, mut inked, mut plain, mut stray) = (0, 0, 0, 0);
        for row in 2..side - 2 {
            for column in 2..side - 2 {
                for (right, below) in [(column + 1, row), (column, row + 1)] {
                    if at(column, row) != at(right, below) {
                        crossed += 1;
                        assert!(is_drawn(column, row) || is_drawn(right, below), "{plane:?}: nothing at {column}, {row}");
                    }
                }
                if is_drawn(column, row) {
                    inked += 1;
                    plain += u32::from(!differs(seen(&with, column, row), ink, 2.0));
                    let around = (row - 2..=row + 2).flat_map(|row| (column - 2..=column + 2).map(move |column| (column, row)));
                    stray += u32::from(around.clone().all(|(c, r)| at(c, r)) || !around.clone().any(|(c, r)| at(c, r)));
                }
            }
        }
        // a corner of the organ that is narrower than a pixel may lie between the pixels' centres
        assert!(crossed > 50 && stray * 100 <= inked, "{plane:?}: {stray} of {inked} pixels away from the {crossed} borders");
        assert!(plain * 5 > inked, "{plane:?}: only {plain} of {inked} pixels have the ink's colour");
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
