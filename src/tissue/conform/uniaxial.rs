//! A nearly incompressible cube stretched with free sides: P/μ = λ − λ⁻².

use super::responses::Stretch;
use super::{ConformError, Row, Within};
use crate::tissue::Response;

/// λ/μ is then 1000, which leaves some 1e-3 of the stress of an incompressible solid.
const POISSON: f32 = 0.4995;

pub fn rows() -> Result<Vec<Row>, ConformError> {
    let mut rows = Vec::new();
    for (stretch, truth) in [(0.6f32, -2.17778), (0.8, -0.76250), (1.2, 0.50556), (1.5, 1.05556), (2.0, 1.75)] {
        rows.push(Row {
            case: "uniaxial neo-Hookean cube, ν 0.4995",
            quantity: format!("P/μ at a stretch of {stretch}"),
            unit: "1",
            measured: Stretch { response: &Response::default(), stretch, poisson: POISSON, ticks: 40, dt_secs: 2.0 }.stress()?,
            truth,
            within: Within::Relative(2e-3),
            source: "closed form of the incompressible solid; SOFA's test vector",
            held_back: None,
        });
    }
    Ok(rows)
}
