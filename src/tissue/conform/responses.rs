//! What tissue does beyond the neo-Hookean solid, each against a closed form of a cube that is stretched.

use glam::Vec3;

use super::{ConformError, Row, Within, scene};
use crate::geom::TetMesh;
use crate::tissue::{Fibres, Loads, Membrane, Relaxation, Response, SoftBody};

/// λ/μ is then 1000, which leaves some 1e-3 of the stress of an incompressible solid.
const POISSON: f32 = 0.4995;

/// A cube of unit edge and shear modulus 1 Pa, all of whose surface is moved by x → (λ x, side y, side z) within the first tick and held.
pub struct Stretch<'a> {
    pub response: &'a Response,
    pub stretch: f32,
    pub poisson: f32,
    pub ticks: u32,
    pub dt_secs: f32,
}

impl Stretch<'_> {
    fn body(&self) -> Result<(SoftBody, Vec<Vec3>), ConformError> {
        let mesh = TetMesh::block([2, 2, 2], Vec3::ONE);
        let rest = mesh.vertices.clone();
        let mut body = scene::body(mesh, scene::material(2.0 * (1.0 + self.poisson), self.poisson, 1e-3), |_| false)?;
        body.set_fibres(&vec![Vec3::X; body.tets().len()])?;
        body.set_responses(std::slice::from_ref(self.response))?;
        Ok((body, rest))
    }

    /// Forces on the far faces across x and y, N.
    fn forces(&self, side: f32) -> Result<(f64, f64), ConformError> {
        let (mut body, rest) = self.body()?;
        let surface = scene::on_box(&TetMesh::block([2, 2, 2], Vec3::ONE), Vec3::ONE);
        let driven: Vec<(u32, Vec3)> =
            surface.iter().map(|&v| (v, rest[v as usize] * Vec3::new(self.stretch, side, side))).collect();
        let loads = Loads { driven: &driven, mass_damping_per_s: 1.0, ..Loads::default() };
        let report = scene::run(&mut body, &loads, self.ticks, self.dt_secs)?;
        let on = |axis: usize| -> f64 {
            let far = driven.iter().zip(&report.driven_forces).filter(|((v, _), _)| rest[*v as usize][axis] > 1.0 - 1e-6);
            far.map(|(_, force)| f64::from(force[axis])).sum()
        };
        Ok((on(0), on(1)))
    }

    /// P along x, Pa. The width at which the sides carry nothing is found by secants on their reaction.
    pub fn stress(&self) -> Result<f64, ConformError> {
        let start = self.stretch.sqrt().recip();
        let (mut a, mut b) = (start, start * 1.001);
        let ((_, mut side_a), (mut along, mut side_b)) = (self.forces(a)?, self.forces(b)?);
        for _ in 0..6 {
            if side_b == side_a || side_b.abs() < 1e-4 {
                break;
            }
            let next = b - (side_b * f64::from(b - a) / (side_b - side_a)) as f32;
            (a, side_a, b) = (b, side_b, next);
            (along, side_b) = self.forces(b)?;
        }
        Ok(along)
    }
}

pub fn rows() -> Result<Vec<Row>, ConformError> {
    let mut rows = Vec::new();
    let row = |case: &'static str, quantity: String, measured: f64, truth: f64, source: &'static str| Row {
        case,
        quantity,
        unit: "1",
        measured,
        truth,
        within: Within::Relative(5e-3),
        source,
        held_back: None,
    };
    let slow =
        |response: &Response, stretch: f32| Stretch { response, stretch, poisson: POISSON, ticks: 40, dt_secs: 2.0 }.stress();

    let mooney = Response { second_invariant: 0.4, ..Response::default() };
    for stretch in [0.7f32, 1.3, 2.0] {
        let l = f64::from(stretch);
        rows.push(row(
            "uniaxial Mooney–Rivlin cube, C₀₁/C₁₀ 2/3",
            format!("P/μ at a stretch of {stretch}"),
            slow(&mooney, stretch)?,
            (l - l.powi(-2)) * (0.6 + 0.4 / l),
            "closed form of the incompressible solid: P = 2 (λ − λ⁻²)(C₁₀ + C₀₁/λ)",
        ));
    }

    let fibres = Response { fibres: Some(Fibres { k1_pa: 0.5, k2: 0.8 }), ..Response::default() };
    for stretch in [0.8f32, 1.2, 1.5] {
        let l = f64::from(stretch);
        let over = (l * l - 1.0).max(0.0);
        rows.push(row(
            "cube stretched along its fibres, k₁/μ 0.5, k₂ 0.8",
            format!("P/μ at a stretch of {stretch}"),
            slow(&fibres, stretch)?,
            l - l.powi(-2) + 2.0 * l * 0.5 * over * (0.8 * over * over).exp(),
            "closed form; Holzapfel, Gasser & Ogden 2000, one family",
        ));
    }

    // one tick's stretch acts in its middle
    let relaxing = Response { relaxation: vec![Relaxation { share: 0.8, tau_secs: 1.0 }], ..Response::default() };
    for ticks in [20u32, 60] {
        let (l, h) = (1.2f64, 0.05);
        let elastic = l - l.powi(-2);
        let strain = l * l - 1.0 / l;
        let viscous = 0.8 * (-(f64::from(ticks) - 0.5) * h).exp() * strain * (2.0 * l * l + 1.0 / l) / (3.0 * l);
        rows.push(row(
            "stress relaxation of a cube held at a stretch of 1.2, one Prony term of 0.8 and 1 s",
            format!("P/μ after {:.2} s", f64::from(ticks) * h),
            Stretch { response: &relaxing, stretch: 1.2, poisson: POISSON, ticks, dt_secs: 0.05 }.stress()?,
            elastic + viscous,
            "closed form: exp(−t/τ) of the instantaneous part",
        ));
    }

    let capsule = Response { capsule: Some(Membrane { young_pa: 20.0, poisson: 0.4, thickness_m: 0.1 }), ..Response::default() };
    let force = |response: &Response| Stretch { response, stretch: 1.1, poisson: 0.3, ticks: 40, dt_secs: 2.0 }.forces(1.0);
    let strain = 0.5 * (1.1f64 * 1.1 - 1.0);
    rows.push(row(
        "cube in a capsule, stretched by a tenth with its sides held",
        "force of the capsule / (E t · side)".into(),
        (force(&capsule)?.0 - force(&Response::default())?.0) / 2.0,
        4.0 * 1.1 * strain / (1.0 - 0.16),
        "closed form of the St. Venant–Kirchhoff membrane on four sides",
    ));
    Ok(rows)
}
