//! A nearly incompressible cube stretched with free sides: P/μ = λ − λ⁻².

use glam::Vec3;

use super::{ConformError, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::Loads;

/// λ/μ is then 1000, which leaves some 1e-3 of the stress of an incompressible solid.
const POISSON: f32 = 0.4995;

pub fn rows() -> Result<Vec<Row>, ConformError> {
    let mut rows = Vec::new();
    for (stretch, truth) in [(0.6f32, -2.17778), (0.8, -0.76250), (1.2, 0.50556), (1.5, 1.05556), (2.0, 1.75)] {
        rows.push(Row {
            case: "uniaxial neo-Hookean cube, ν 0.4995",
            quantity: format!("P/μ at a stretch of {stretch}"),
            unit: "1",
            measured: stress(stretch)?,
            truth,
            within: Within::Relative(2e-3),
            source: "closed form of the incompressible solid; SOFA's test vector",
            held_back: None,
        });
    }
    Ok(rows)
}

/// P/μ along x. The width at which the sides carry nothing is found by secants on their reaction.
fn stress(stretch: f32) -> Result<f64, ConformError> {
    let at = |side: f32| -> Result<(f64, f64), ConformError> {
        let mesh = TetMesh::block([2, 2, 2], Vec3::ONE);
        let surface = scene::on_box(&mesh, Vec3::ONE);
        let driven: Vec<(u32, Vec3)> =
            surface.iter().map(|&v| (v, mesh.vertices[v as usize] * Vec3::new(stretch, side, side))).collect();
        let rest = mesh.vertices.clone();
        let mut body = scene::body(mesh, scene::material(2.0 * (1.0 + POISSON), POISSON, 1.0), |_| false)?;
        let report = scene::run(&mut body, &Loads { driven: &driven, mass_damping_per_s: 1.0, ..Loads::default() }, 40, 2.0)?;
        let on = |axis: usize| -> f64 {
            let far = driven.iter().zip(&report.driven_forces).filter(|((v, _), _)| rest[*v as usize][axis] > 1.0 - 1e-6);
            far.map(|(_, force)| f64::from(force[axis])).sum()
        };
        Ok((on(0), on(1)))
    };
    let (mut a, mut b) = (stretch.sqrt().recip(), stretch.sqrt().recip() * 1.001);
    let ((_, mut side_a), (mut along, mut side_b)) = (at(a)?, at(b)?);
    for _ in 0..6 {
        if side_b == side_a || side_b.abs() < 1e-4 {
            break;
        }
        let next = b - (side_b * f64::from(b - a) / (side_b - side_a)) as f32;
        (a, side_a, b) = (b, side_b, next);
        (along, side_b) = at(b)?;
    }
    Ok(along)
}
