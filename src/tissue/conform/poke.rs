//! The force on a driven vertex: a 0.1 m block, its bottom held, the middle of its top pushed 10 mm in within a second.

use glam::Vec3;

use super::{ConformError, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::Loads;

/// Quasi-static force at each millimetre, N: double-precision Newton with a sparse direct solver on the same mesh, 6 × 6 × 6 cells.
const FORCE_N: [f64; 10] = [0.634174, 1.273051, 1.916611, 2.564857, 3.217810, 3.875514, 4.538037, 5.205467, 5.877917, 6.555520];

pub fn rows() -> Result<Vec<Row>, ConformError> {
    let mesh = TetMesh::block([6; 3], Vec3::splat(0.1));
    let centre = Vec3::new(0.05, 0.05, 0.1);
    let vertex = (0u32..).zip(&mesh.vertices).find(|(_, x)| x.distance(centre) < 1e-6).map_or(0, |(vertex, _)| vertex);
    let mut body = scene::body(mesh, scene::material(30e3, 0.45, 1000.0), |x| x.z < 1e-9)?;
    let (mut squares, mut last) = (0.0, 0.0);
    for (millimetre, expected) in FORCE_N.into_iter().enumerate() {
        for tick in 1..=9 {
            let share = (9 * millimetre + tick) as f32 / 90.0;
            let driven = [(vertex, centre - Vec3::Z * (0.01 * share))];
            let report = body.step(&Loads { driven: &driven, mass_damping_per_s: 5.0, ..Loads::default() }, scene::TICK_SECS)?;
            last = report.driven_forces.first().map_or(f64::NAN, |force| -f64::from(force.z));
        }
        squares += (last - expected) * (last - expected);
    }
    let largest = FORCE_N[FORCE_N.len() - 1];
    let row = |quantity: &str, unit: &'static str, measured: f64, truth: f64, within: Within| Row {
        case: "driven vertex, block of 1,080 tetrahedra",
        quantity: quantity.into(),
        unit,
        measured,
        truth,
        within,
        source: "double-precision Newton with a direct solver on the same mesh",
        held_back: None,
    };
    Ok(vec![
        row("force at 10 mm", "N", last, largest, Within::Relative(0.01)),
        row("RMS error over ten depths / largest force", "1", (squares / 10.0).sqrt() / largest, 0.0, Within::Absolute(0.01)),
    ])
}
