//! Hertz: a smooth ball pressed into a half-space, F = 4/3 E/(1 − ν²) √R δ^{3/2}.

use glam::Vec3;

use super::{ConformError, Extent, Row, Within, scene};
use crate::geom::{Pose, TetMesh};
use crate::tissue::{Capsule, Loads, ToolShape};

const RADIUS: f32 = 0.02;
const YOUNG: f32 = 10e3;
const POISSON: f32 = 0.3;
/// The block is 24 to 50 times as wide as the circle of contact.
const WIDE: f32 = 0.2;
const DEEP: f32 = 0.1;

/// Force and depth are both read from the solved body, so that the give of the contact itself does not enter.
pub fn rows(extent: Extent) -> Result<Vec<Row>, ConformError> {
    let cells = match extent {
        Extent::Quick => [16, 8],
        Extent::Whole => [20, 10],
    };
    let tets = 5 * cells[0] * cells[0] * cells[1];
    let mut rows = Vec::new();
    for (depth, force, hertz) in press(cells)? {
        rows.push(Row {
            case: "Hertz: ball of 20 mm radius on a half-space",
            quantity: format!("force at a depth of {:.2} mm, {tets} tetrahedra", depth * 1e3),
            unit: "N",
            measured: force,
            truth: hertz,
            // of the closed form, terms in the size of the contact over the ball's and the block's are left out: some 3 % here
            within: Within::Relative(0.05),
            source: "Hertz 1882; Johnson, Contact Mechanics, 1985, §4.2",
            held_back: Some("the contact of a round tool on small elements does not come to rest: its faces press and let go in turn from tick to tick, so the force swings; and the circle of contact spans few elements"),
        });
    }
    Ok(rows)
}

/// (depth of the surface under the ball, m; force, N; Hertz's force at that depth, N) at two loads.
fn press([across, down]: [usize; 2]) -> Result<Vec<(f64, f64, f64)>, ConformError> {
    let mut mesh = TetMesh::block([across, down, across], Vec3::new(2.0, 1.0, 2.0));
    // finer toward the place of contact: a coordinate s in −1..1 goes to s·(a + (1 − a) s²)
    let graded = |s: f32| s * (0.25 + 0.75 * s * s);
    for x in &mut mesh.vertices {
        *x = Vec3::new(graded(x.x - 1.0) * 0.5 * WIDE, -graded(1.0 - x.y) * DEEP, graded(x.z - 1.0) * 0.5 * WIDE);
    }
    let mut body = scene::body(mesh, scene::material(YOUNG, POISSON, 1000.0), |x| x.y < 1e-6 - DEEP)?;
    let around = RADIUS + body.settings().contact_margin_m;
    let mut previous = Vec3::Y * (around + 1e-4);
    let mut answers = Vec::new();
    for to in [0.002f32, 0.004] {
        let mut force = 0.0;
        let from = previous.y;
        for tick in 1..=150 {
            let share = (tick as f32 / 60.0).min(1.0);
            let centre = Vec3::Y * (from + (around - to - from) * share);
            let ball = Capsule { from: centre, to: centre, previous_from: previous, previous_to: previous, radius_m: RADIUS };
            previous = centre;
            let tools =
                [ToolShape { tool: 0, pose: Pose { position: centre, ..Pose::IDENTITY }, capsules: vec![ball], friction: 0.0 }];
            let report = body.step(&Loads { tools: &tools, mass_damping_per_s: 20.0, ..Loads::default() }, scene::TICK_SECS)?;
            force = report.tool_forces.first().map_or(f64::NAN, |felt| f64::from(felt.contact_n.y));
        }
        let depth = -scene::mean_displacement(&body, |x| x.length() < 1e-6).y;
        let stiffness = f64::from(YOUNG / (1.0 - POISSON * POISSON));
        answers.push((depth, force, 4.0 / 3.0 * stiffness * f64::from(around).sqrt() * depth.powf(1.5)));
    }
    Ok(answers)
}
