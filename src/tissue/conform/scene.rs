//! What the experiments share: bodies in free space, loads that last, and means over faces.

use glam::{DVec3, Vec3};

use super::ConformError;
use crate::geom::TetMesh;
use crate::tissue::{BodySpec, Loads, Material, SoftBody, SolverSettings, StepReport};

/// The tick of a session, s.
pub const TICK_SECS: f32 = 1.0 / 90.0;

pub fn material(young_pa: f32, poisson: f32, density_kg_m3: f32) -> Material {
    Material { name: "specimen".into(), young_pa, poisson, density_kg_m3, stress_limit_pa: f32::MAX }
}

/// A body without a floor, with the settings that every session has.
pub fn body(mesh: TetMesh, material: Material, is_held: impl Fn(Vec3) -> bool) -> Result<SoftBody, ConformError> {
    made(mesh, material, is_held, SolverSettings::default())
}

/// The same of elements that share strain.
pub fn sharing_body(mesh: TetMesh, material: Material, is_held: impl Fn(Vec3) -> bool) -> Result<SoftBody, ConformError> {
    made(mesh, material, is_held, SolverSettings { shares_strain: true, ..SolverSettings::default() })
}

fn made(
    mesh: TetMesh,
    material: Material,
    is_held: impl Fn(Vec3) -> bool,
    settings: SolverSettings,
) -> Result<SoftBody, ConformError> {
    let pinned = (0..mesh.vertices.len() as u32).filter(|&v| is_held(mesh.vertices[v as usize])).collect();
    let settings = SolverSettings { floor_y_m: None, ..settings };
    Ok(SoftBody::new(BodySpec { mesh, materials: vec![material], pinned, settings, ..BodySpec::default() })?)
}

/// Steps under loads that last; the answer is the last tick's.
pub fn run(body: &mut SoftBody, loads: &Loads, ticks: u32, dt_secs: f32) -> Result<StepReport, ConformError> {
    let mut last = StepReport::default();
    for _ in 0..ticks {
        last = body.step(loads, dt_secs)?;
    }
    Ok(last)
}

/// A traction, Pa, on the faces whose corners all lie where `is_on` says, as forces on their corners.
pub fn on_face(mesh: &TetMesh, traction: Vec3, is_on: impl Fn(Vec3) -> bool) -> Vec<(u32, Vec3)> {
    let mut forces = vec![Vec3::ZERO; mesh.vertices.len()];
    for (corners, _) in mesh.boundary() {
        let [a, b, c] = corners.map(|v| mesh.vertices[v as usize]);
        if is_on(a) && is_on(b) && is_on(c) {
            let share = traction * ((b - a).cross(c - a).length() / 6.0);
            corners.iter().for_each(|&v| forces[v as usize] += share);
        }
    }
    (0u32..).zip(forces).filter(|(_, force)| *force != Vec3::ZERO).collect()
}

/// Mean displacement of the nodes whose place at rest `is_on` picks, m.
pub fn mean_displacement(body: &SoftBody, is_on: impl Fn(Vec3) -> bool) -> DVec3 {
    let (mut sum, mut count) = (DVec3::ZERO, 0.0);
    for (rest, u) in body.rest.iter().zip(&body.u) {
        if is_on(*rest) {
            sum += Vec3::new(u[0], u[1], u[2]).as_dvec3();
            count += 1.0;
        }
    }
    sum / count
}

/// The vertices of the surface of a box from the origin to `size`.
pub fn on_box(mesh: &TetMesh, size: Vec3) -> Vec<u32> {
    let near = 1e-5 * size.max_element();
    let is_on = |x: &Vec3| (x.abs().min((*x - size).abs())).min_element() < near;
    (0u32..).zip(&mesh.vertices).filter(|(_, x)| is_on(x)).map(|(v, _)| v).collect()
}

/// Numbers in −½ to ½ that are the same everywhere: Knuth's 64-bit linear congruential generator, upper bits.
pub fn chance(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }
}
