//! Hertz: a smooth ball pressed into a half-space, F = 4/3 E/(1 − ν²) √R δ^{3/2}, with the correction of Dimitriadis et al. for a layer that is held
//! fast below: a half-space is infinite and the block is not.

use glam::Vec3;

use super::{ConformError, Extent, Row, Within, scene};
use crate::geom::{Pose, TetMesh};
use crate::tissue::{Capsule, Loads, ToolShape};

const RADIUS: f32 = 0.02;
const YOUNG: f32 = 10e3;
const POISSON: f32 = 0.3;
/// The block is some 30 to 45 times as wide as the circle of contact.
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
            quantity: format!("force at a depth of {:.2} mm, {tets} tetrahedra that share strain", depth * 1e3),
            unit: "N",
            measured: force,
            truth: hertz,
            within: Within::Relative(0.05),
            source: "Hertz 1882; Dimitriadis et al., Biophys J 82:2798, 2002, for the finite depth",
            held_back: None,
        });
    }
    Ok(rows)
}

/// (depth of the surface under the ball, m; force, N; Hertz's force at that depth, N) at two loads.
fn press([across, down]: [usize; 2]) -> Result<Vec<(f64, f64, f64)>, ConformError> {
    let mut mesh = TetMesh::block([across, down, across], Vec3::new(2.0, 1.0, 2.0));
    // finer toward the place of contact: a coordinate s in −1..1 goes to s·(a + (1 − a) s²)
    let graded = |s: f32| s * (0.2 + 0.8 * s * s);
    for x in &mut mesh.vertices {
        *x = Vec3::new(graded(x.x - 1.0) * 0.5 * WIDE, -graded(1.0 - x.y) * DEEP, graded(x.z - 1.0) * 0.5 * WIDE);
    }
    let mut body = scene::sharing_body(mesh, scene::material(YOUNG, POISSON, 1000.0), |x| x.y < 1e-6 - DEEP)?;
    let around = RADIUS + body.settings().contact_margin_m;
    let mut previous = Vec3::Y * (around + 1e-4);
    let mut answers = Vec::new();
    for to in [0.001f32, 0.002] {
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
        let half_space = 4.0 / 3.0 * stiffness * f64::from(around).sqrt() * depth.powf(1.5);
        answers.push((depth, force, half_space * on_a_held_layer((f64::from(around) * depth).sqrt() / f64::from(DEEP))));
    }
    Ok(answers)
}

/// How much harder a layer that is held below is than a half-space, χ being √(R δ) over its depth: Dimitriadis et al., Biophys J 2002, eq. 12–13.
fn on_a_held_layer(chi: f64) -> f64 {
    use std::f64::consts::PI;
    let nu = f64::from(POISSON);
    let alpha = -(1.2876 - 1.4678 * nu + 1.3442 * nu * nu) / (1.0 - nu);
    let beta = (0.6387 - 1.0277 * nu + 1.5164 * nu * nu) / (1.0 - nu);
    let third = alpha.powi(3) + 4.0 * PI * PI / 15.0 * beta;
    let fourth = 16.0 * alpha / PI.powi(4) * (alpha.powi(3) + 3.0 * PI * PI / 5.0 * beta);
    1.0 - 2.0 * alpha / PI * chi + 4.0 * alpha * alpha / (PI * PI) * chi.powi(2) - 8.0 / PI.powi(3) * third * chi.powi(3)
        + fourth * chi.powi(4)
}
