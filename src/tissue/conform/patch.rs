//! The patch test: a mesh whose surface is moved by an affine map follows it inside, and one that is moved as a whole feels nothing.

use glam::{Mat3, Quat, Vec3};

use super::{ConformError, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::Loads;

const SIDE: f32 = 0.1;
const CELLS: usize = 4;
const YOUNG: f32 = 5e3;

pub fn rows() -> Result<Vec<Row>, ConformError> {
    let row = |quantity: &str, unit: &'static str, measured: f64| Row {
        case: "patch test",
        quantity: quantity.into(),
        unit,
        measured,
        truth: 0.0,
        within: Within::Absolute(1e-5),
        source: "consistency: zero to rounding",
        held_back: None,
    };
    Ok(vec![
        row("affine map of the surface: node farthest from it", "cells", affine()?),
        row("turned by 1.2 rad and moved: largest force", "E·cell²", rigid()?),
    ])
}

/// A block whose inner vertices are thrown about by a fifth of a cell.
fn irregular() -> TetMesh {
    let mut mesh = TetMesh::block([CELLS; 3], Vec3::splat(SIDE));
    let surface = scene::on_box(&mesh, Vec3::splat(SIDE));
    let mut random = scene::chance(11);
    for (v, x) in (0u32..).zip(&mut mesh.vertices) {
        if surface.binary_search(&v).is_err() {
            *x += Vec3::new(random(), random(), random()) * (0.4 * SIDE / CELLS as f32);
        }
    }
    mesh
}

fn affine() -> Result<f64, ConformError> {
    let mesh = irregular();
    let map = Mat3::from_cols(Vec3::new(1.08, 0.03, -0.02), Vec3::new(0.06, 0.95, 0.02), Vec3::new(-0.04, 0.05, 1.03));
    let there: Vec<Vec3> = mesh.vertices.iter().map(|&x| map * x).collect();
    let driven: Vec<(u32, Vec3)> = scene::on_box(&mesh, Vec3::splat(SIDE)).into_iter().map(|v| (v, there[v as usize])).collect();
    let mut body = scene::body(mesh, scene::material(YOUNG, 0.45, 1000.0), |_| false)?;
    scene::run(&mut body, &Loads { driven: &driven, mass_damping_per_s: 50.0, ..Loads::default() }, 90, scene::TICK_SECS)?;
    let worst = body.positions().iter().zip(&there).map(|(x, there)| x.distance(*there)).fold(0.0, f32::max);
    Ok(f64::from(worst * CELLS as f32 / SIDE))
}

fn rigid() -> Result<f64, ConformError> {
    let mesh = irregular();
    let turn = Quat::from_axis_angle(Vec3::new(1.0, 2.0, 0.5).normalize(), 1.2);
    let driven: Vec<(u32, Vec3)> =
        (0u32..).zip(&mesh.vertices).map(|(v, &x)| (v, turn * x + Vec3::new(0.05, -0.02, 0.1))).collect();
    let mut body = scene::body(mesh, scene::material(YOUNG, 0.45, 1000.0), |_| false)?;
    let report = scene::run(&mut body, &Loads { driven: &driven, ..Loads::default() }, 1, scene::TICK_SECS)?;
    let largest = report.driven_forces.iter().map(|force| force.length()).fold(0.0, f32::max);
    let cell = SIDE / CELLS as f32;
    Ok(f64::from(largest / (YOUNG * cell * cell)))
}
