//! The elastica: a slender cantilever under a tip load that keeps its direction, however far it bends.

use glam::Vec3;

use super::{ConformError, Extent, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::Loads;

const LENGTH: f32 = 1.0;
const YOUNG: f32 = 1e6;

/// Two meshes, for what linear tetrahedra add to the stiffness of bending falls with the square of the cell.
pub fn rows(extent: Extent) -> Result<Vec<Row>, ConformError> {
    let thick = 0.05;
    let cells = match extent {
        Extent::Quick => [40, 2, 2],
        Extent::Whole => [120, 6, 6],
    };
    let mut rows = Vec::new();
    for (load, truth) in [(1.0f32, 0.3017), (3.0, 0.6033), (10.0, 0.8106)] {
        rows.push(Row {
            case: "elastica, ν 0, cantilever 20 times as long as thick, elements sharing strain",
            quantity: format!("tip deflection / L at PL²/EI = {load}, {} tetrahedra", 5 * cells.iter().product::<usize>()),
            unit: "1",
            measured: deflection(load, cells, thick)?,
            truth,
            within: Within::Relative(0.02),
            source: "Bisshopp & Drucker 1945 (elliptic integrals), the values of SOFA's FEM tests",
            held_back: Some(
                "two linear tetrahedra over the thickness are too stiff in bending: the error falls with the square of the cell",
            ),
        });
    }
    Ok(rows)
}

fn deflection(load: f32, cells: [usize; 3], thick: f32) -> Result<f64, ConformError> {
    let mesh = TetMesh::block(cells, Vec3::new(LENGTH, thick, thick));
    let at_tip = |x: Vec3| x.x > LENGTH - 1e-6;
    let stiffness = YOUNG * thick.powi(4) / 12.0;
    let force = load * stiffness / (LENGTH * LENGTH);
    let forces = scene::on_face(&mesh, Vec3::NEG_Y * (force / (thick * thick)), at_tip);
    let mut body = scene::sharing_body(mesh, scene::material(YOUNG, 0.0, 1000.0), |x| x.x < 1e-6)?;
    scene::run(&mut body, &Loads { forces: &forces, mass_damping_per_s: 2.0, ..Loads::default() }, 200, 0.1)?;
    Ok(-scene::mean_displacement(&body, at_tip).y / f64::from(LENGTH))
}
