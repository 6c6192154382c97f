//! A notched strip torn between clamps: ψ h of the undisturbed part is the toughness, on every mesh.

use glam::Vec3;

use super::{ConformError, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::{BladeSweep, Loads, Tear, Tearing};

const YOUNG_PA: f32 = 5e3;
/// Low enough for linear tetrahedra not to lock: the strip's own stiffness is not what is tested.
const POISSON: f32 = 0.3;
const TOUGHNESS_J_M2: f32 = 30.0;
const SIZE: Vec3 = Vec3::new(0.12, 0.04, 0.004);
const NOTCH_M: f32 = 0.04;
/// 8, 5.7 and 4 mm; the middle of the height has nodes on the last only.
const MESHES: [[usize; 3]; 3] = [[15, 5, 1], [21, 7, 1], [30, 10, 1]];

pub fn rows() -> Result<Vec<Row>, ConformError> {
    let mut outcomes = Vec::new();
    for cells in MESHES {
        outcomes.extend(tear_strip(cells)?);
    }
    let row = |quantity: String, unit: &'static str, measured: f64, truth: f64, by: f64, source: &'static str| Row {
        case: "notched strip torn between clamps",
        quantity,
        unit,
        measured,
        truth,
        within: Within::Relative(by),
        source,
        held_back: None,
    };
    let closed_form = "Rivlin & Thomas 1953, pure shear: G = ψ h";
    let mut rows: Vec<Row> = outcomes
        .iter()
        .map(|outcome| {
            let release = pure_shear_energy(outcome.stretch) * f64::from(SIZE.y);
            let quantity = format!("ψ h when the notch grows, elements of {:.1} mm", 1e3 * outcome.element_m);
            row(quantity, "J/m²", release, TOUGHNESS_J_M2.into(), 0.05, closed_form)
        })
        .collect();
    let spread = |of: fn(&Outcome) -> f64| {
        let all = outcomes.iter().map(of);
        all.clone().fold(f64::NEG_INFINITY, f64::max) / all.fold(f64::INFINITY, f64::min)
    };
    rows.push(row(
        "peak force, largest over smallest of the meshes".into(),
        "1",
        spread(|o| o.force_n),
        1.0,
        0.1,
        "independence of the mesh",
    ));
    let way = |o: &Outcome| {
        let run = o.last.rest.x - NOTCH_M + o.last.area_m2 / SIZE.z;
        f64::from(o.torn_m2 / (run * SIZE.z))
    };
    let worst = outcomes
        .iter()
        .map(way)
        .fold(1.0, |worst: f64, share| if (share - 1.0).abs() > (worst - 1.0).abs() { share } else { worst });
    rows.push(row("torn area over way × thickness, worst mesh".into(), "1", worst, 1.0, 0.05, "a straight tear"));
    Ok(rows)
}

struct Outcome {
    element_m: f64,
    /// Stretch and force, N, when the notch began to grow.
    stretch: f64,
    force_n: f64,
    torn_m2: f32,
    last: Tear,
}

/// Pulled apart slowly until the notch has run through half of what was whole; `None` where it did not tear.
fn tear_strip(cells: [usize; 3]) -> Result<Option<Outcome>, ConformError> {
    let mesh = TetMesh::block(cells, SIZE);
    let pulled: Vec<u32> = (0u32..).zip(&mesh.vertices).filter(|(_, x)| x.y > SIZE.y - 1e-6).map(|(v, _)| v).collect();
    let mut body = scene::body(mesh, scene::material(YOUNG_PA, POISSON, 1000.0), |x| x.y < 1e-6)?;
    let y = 0.5 * SIZE.y + 1e-4;
    let blade = [(-0.01, -0.01), (NOTCH_M, -0.01), (NOTCH_M, 0.02), (-0.01, 0.02)].map(|(x, z)| Vec3::new(x, y, z));
    body.cut(&BladeSweep { polygon: blade.to_vec() });
    body.set_tearing(&[Some(Tearing { toughness_j_m2: TOUGHNESS_J_M2, strength_pa: 1e9 })])?;
    let mut outcome: Option<Outcome> = None;
    let (mut stretch, mut hold) = (1.4f32, 20);
    for tick in 0..400 {
        if tick > hold {
            stretch += 0.005;
        }
        let to = |v: u32| (v, body.rest_positions()[v as usize] + Vec3::Y * (SIZE.y * (stretch - 1.0)));
        let driven: Vec<_> = pulled.iter().map(|&v| to(v)).collect();
        let report = body.step(&Loads { driven: &driven, mass_damping_per_s: 2.0, ..Loads::default() }, 0.5)?;
        let Some(tear) = body.tear() else { continue };
        hold = tick + 1;
        let force_n = report.driven_forces.iter().map(|f| f64::from(f.y)).sum();
        let element_m = f64::from(SIZE.y) / cells[1] as f64;
        let so_far =
            outcome.get_or_insert(Outcome { element_m, stretch: stretch.into(), force_n, torn_m2: 0.0, last: tear.clone() });
        so_far.torn_m2 += tear.area_m2;
        so_far.last = tear;
        if so_far.torn_m2 > 0.5 * (SIZE.x - NOTCH_M) * SIZE.z {
            break;
        }
    }
    Ok(outcome)
}

/// ψ of a wide strip pulled to `stretch` between clamps, J/m³: the width is held, the thickness free.
fn pure_shear_energy(stretch: f64) -> f64 {
    let (young, poisson) = (f64::from(YOUNG_PA), f64::from(POISSON));
    let mu = young / (2.0 * (1.0 + poisson));
    let lambda_mu = young * poisson / ((1.0 + poisson) * (1.0 - 2.0 * poisson)) + mu;
    // no stress across the thickness: μ t + ((λ + μ)(J − 1) − μ) s = 0 with J = s t
    let (mut low, mut high) = (0.1, 1.5);
    for _ in 0..100 {
        let t = 0.5 * (low + high);
        let across = mu * t + (lambda_mu * (stretch * t - 1.0) - mu) * stretch;
        if across > 0.0 { high = t } else { low = t }
    }
    let j = stretch * low;
    0.5 * mu * (stretch * stretch + 1.0 + low * low - 3.0) - mu * (j - 1.0) + 0.5 * lambda_mu * (j - 1.0) * (j - 1.0)
}
