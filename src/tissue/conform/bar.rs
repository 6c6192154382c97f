//! A free bar pulled at both ends: it lengthens by p/E and thins by ν p/E.

use glam::Vec3;

use super::{ConformError, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::Loads;

const SOURCE: &str = "closed form; cases and tolerances of SOFA's LinearElasticity tests";
const SIZE: Vec3 = Vec3::new(4.0, 1.0, 1.0);

/// Strains are read at two pressures and carried on to none, because a neo-Hookean bar follows Hooke's law only in that limit.
pub fn rows() -> Result<Vec<Row>, ConformError> {
    let mut rows = Vec::new();
    for (young, poisson) in [(1.0f32, 0.0f32), (1.0, 0.3), (2.0, 0.45), (2.0, 0.49)] {
        let once = strain_by_pressure(young, poisson, 5e-4)?;
        let twice = strain_by_pressure(young, poisson, 1e-3)?;
        let [axial, radial] = [0, 1].map(|k| 2.0 * once[k] - twice[k]);
        let (young, poisson) = (f64::from(young), f64::from(poisson));
        let row = |quantity: &str, measured: f64, truth: f64, by: f64| Row {
            case: "bar under end pressure",
            quantity: format!("{quantity}, E {young} Pa, ν {poisson:.2}"),
            unit: "1/Pa",
            measured,
            truth,
            within: Within::Absolute(by / young),
            source: SOURCE,
            held_back: None,
        };
        rows.push(row("lengthening by p", axial, 1.0 / young, 1e-4));
        rows.push(row("widening by p", radial, -poisson / young, 2e-4));
    }
    Ok(rows)
}

/// Axial and radial strain by pressure, 1/Pa, at a tension of `strain` · E.
fn strain_by_pressure(young: f32, poisson: f32, strain: f32) -> Result<[f64; 2], ConformError> {
    let mesh = TetMesh::block([8, 2, 2], SIZE);
    let pressure = strain * young;
    let left = |x: Vec3| x.x < 1e-6;
    let right = |x: Vec3| x.x > SIZE.x - 1e-6;
    let mut forces = scene::on_face(&mesh, Vec3::X * pressure, right);
    forces.extend(scene::on_face(&mesh, Vec3::NEG_X * pressure, left));
    let mut body = scene::body(mesh, scene::material(young, poisson, 1.0), |_| false)?;
    // a long tick: only the rest is wanted
    scene::run(&mut body, &Loads { forces: &forces, mass_damping_per_s: 1.0, ..Loads::default() }, 120, 2.0)?;
    let along = scene::mean_displacement(&body, right).x - scene::mean_displacement(&body, left).x;
    let wide = scene::mean_displacement(&body, |x| x.y > SIZE.y - 1e-6).y - scene::mean_displacement(&body, |x| x.y < 1e-6).y;
    Ok([along / f64::from(SIZE.x * pressure), wide / f64::from(SIZE.y * pressure)])
}
