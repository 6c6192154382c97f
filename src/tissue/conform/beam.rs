//! The beam that solvers are compared on, let fall and settled: 0.2 × 0.05 × 0.05 m, E 30 kPa, ν 0.45, 1000 kg/m³, one end held.

use glam::Vec3;

use super::{ConformError, Extent, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::{Loads, SoftBody};

const SIZE: Vec3 = Vec3::new(0.2, 0.05, 0.05);

/// Cells, and where the reference's tip settles (x, z), m: double-precision Newton with a sparse direct solver on the same mesh, residual
/// below 7e-9 of the load.
const REFERENCES: [([usize; 3], f64, f64); 4] = [
    ([13, 4, 4], 0.12821, -0.12867),
    ([20, 7, 7], 0.11950, -0.13569),
    ([40, 10, 10], 0.11433, -0.13980),
    ([51, 14, 14], 0.11317, -0.14070),
];

pub fn rows(extent: Extent) -> Result<Vec<Row>, ConformError> {
    let count = match extent {
        Extent::Quick => 1,
        Extent::Whole => REFERENCES.len(),
    };
    let (_, _, finest) = REFERENCES[REFERENCES.len() - 1];
    let mut rows = Vec::new();
    for (index, (cells, x, z)) in REFERENCES.into_iter().take(count).enumerate() {
        let tip = tip(scene::body(TetMesh::block(cells, SIZE), scene::material(30e3, 0.45, 1000.0), is_held)?)?;
        let tets = 5 * cells.iter().product::<usize>();
        let row = |quantity: String, measured: f64, truth: f64, within: Within| Row {
            case: "beam under its weight",
            quantity,
            unit: "m",
            measured,
            truth,
            within,
            source: "double-precision Newton with a direct solver on the same mesh",
            held_back: None,
        };
        // a hundredth of the deflection
        let hundredth = Within::Absolute(0.01 * (z.abs() + 0.025));
        rows.push(row(format!("settled tip x, {tets} tetrahedra"), tip.0, x, hundredth));
        rows.push(row(format!("settled tip z, {tets} tetrahedra"), tip.1, z, hundredth));
        if index == 0 {
            let sharing = scene::sharing_body(TetMesh::block(cells, SIZE), scene::material(30e3, 0.45, 1000.0), is_held)?;
            rows.push(Row {
                case: "beam under its weight, elements sharing strain",
                source: "the same reference on 49,980 tetrahedra",
                ..row(
                    format!("settled tip z, {tets} tetrahedra against a fine mesh"),
                    self::tip(sharing)?.1,
                    finest,
                    Within::Absolute(0.02 * (finest.abs() + 0.025)),
                )
            });
        }
    }
    Ok(rows)
}

fn is_held(x: Vec3) -> bool {
    x.x < 1e-9
}

/// Mean of the free end's nodes (x, z) after three seconds of a session's ticks, m.
fn tip(mut body: SoftBody) -> Result<(f64, f64), ConformError> {
    let loads = Loads { gravity: Vec3::NEG_Z * 9.81, mass_damping_per_s: 5.0, ..Loads::default() };
    scene::run(&mut body, &loads, 270, scene::TICK_SECS)?;
    let moved = scene::mean_displacement(&body, |x| x.x > SIZE.x - 1e-6);
    Ok((moved.x + f64::from(SIZE.x), moved.z + f64::from(0.5 * SIZE.z)))
}
