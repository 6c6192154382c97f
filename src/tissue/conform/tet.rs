//! One corner tetrahedron of unit edges, moved a little: the forces are V·(λ + 2μ, λ, μ).

use glam::Vec3;

use super::{ConformError, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::Loads;

/// A power of two, so that single precision holds it without rounding.
const NUDGE: f32 = 1.0 / 1024.0;

pub fn rows() -> Result<Vec<Row>, ConformError> {
    let slope = |axis: usize, node: usize| -> Result<f64, ConformError> {
        let along = |by: f32| force(axis, by).map(|forces| f64::from(forces[node][if axis == 0 { node - 1 } else { axis }]));
        Ok((along(NUDGE)? - along(-NUDGE)?) / f64::from(2.0 * NUDGE))
    };
    let row = |quantity: &str, measured: f64, truth: f64| Row {
        case: "single tetrahedron, E 1000 Pa, ν 0.3",
        quantity: quantity.into(),
        unit: "N",
        measured,
        truth,
        // rounding: forces near zero against a nudge of 1e-3
        within: Within::Relative(1e-4),
        source: "closed form; SOFA's test vector",
        held_back: None,
    };
    Ok(vec![row("V (λ + 2μ)", slope(0, 1)?, 224.359), row("V λ", slope(0, 2)?, 96.1538), row("V μ", slope(1, 1)?, 64.1026)])
}

/// Forces on the four nodes when node 1 is moved along `axis`, N.
fn force(axis: usize, by: f32) -> Result<Vec<Vec3>, ConformError> {
    let mesh = TetMesh { vertices: vec![Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z], tets: vec![[0, 1, 2, 3]] };
    let mut driven: Vec<(u32, Vec3)> = (0u32..).zip(mesh.vertices.iter().copied()).collect();
    driven[1].1[axis] += by;
    let mut body = scene::body(mesh, scene::material(1000.0, 0.3, 1.0), |_| false)?;
    Ok(scene::run(&mut body, &Loads { driven: &driven, ..Loads::default() }, 1, scene::TICK_SECS)?.driven_forces)
}
