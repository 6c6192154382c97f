//! Cuts: whatever is cut, rest volume stays, no element turns over, and pieces are as many as the planes make.

use glam::{Quat, Vec3};

use super::{ConformError, Extent, Row, Within, scene};
use crate::geom::{TetMesh, tet_volume};
use crate::tissue::{BladeSweep, SoftBody};

const SIDE: f32 = 0.06;

pub fn rows(extent: Extent) -> Result<Vec<Row>, ConformError> {
    let cuts = match extent {
        Extent::Quick => 100,
        Extent::Whole => 500,
    };
    let mut body = cube(6)?;
    let before = body.rest_volume();
    let mut random = scene::chance(7);
    let mut worst = 0.0f64;
    for _ in 0..cuts {
        let centre = Vec3::splat(0.5 * SIDE) + Vec3::new(random(), random(), random()) * SIDE;
        let turn = Quat::from_euler(glam::EulerRot::XYZ, random() * 6.0, random() * 6.0, random() * 6.0);
        let after = body.cut(&rectangle(centre, turn * Vec3::X * 0.012, turn * Vec3::Y * 0.008)).rest_volume_after_m3;
        worst = worst.max((after / before - 1.0).abs());
    }
    let turned_over = body.tets().iter().filter(|tet| tet_volume(tet.map(|v| body.rest_positions()[v as usize])) <= 0.0).count();

    let mut quartered = cube(5)?;
    for (across, a, b) in [(Vec3::X, Vec3::Y, Vec3::Z), (Vec3::Y, Vec3::Z, Vec3::X), (Vec3::Z, Vec3::X, Vec3::Y)] {
        let centre = Vec3::splat(0.5 * SIDE) + across * (0.07 * SIDE);
        quartered.cut(&rectangle(centre, a * SIDE, b * SIDE));
    }
    let row = |quantity: String, measured: f64, truth: f64, by: f64| Row {
        case: "cuts through a cube",
        quantity,
        unit: "1",
        measured,
        truth,
        within: Within::Absolute(by),
        source: "conservation of matter; count by hand",
        held_back: None,
    };
    Ok(vec![
        row(format!("{cuts} random cuts: largest relative change of rest volume"), worst, 0.0, 1e-6),
        row(format!("{cuts} random cuts: elements turned over"), turned_over as f64, 0.0, 0.0),
        row("three planes across each other: pieces".into(), quartered.pieces().count() as f64, 8.0, 0.0),
    ])
}

fn cube(cells: usize) -> Result<SoftBody, ConformError> {
    scene::body(TetMesh::block([cells; 3], Vec3::splat(SIDE)), scene::material(5e3, 0.45, 1000.0), |_| false)
}

fn rectangle(centre: Vec3, half_a: Vec3, half_b: Vec3) -> BladeSweep {
    BladeSweep {
        polygon: vec![centre - half_a - half_b, centre + half_a - half_b, centre + half_a + half_b, centre - half_a + half_b],
    }
}
