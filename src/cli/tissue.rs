//! `halsted tissue simulate CASE.json`: a material experiment on a mesh, the solver alone, with timings.

use std::path::{Path, PathBuf};
use std::time::Instant;

use glam::Vec3;
use serde::Deserialize;
use serde_json::json;

use crate::geom::TetMesh;
use crate::tissue::{BodyError, BodySpec, Loads, Material, Response, SoftBody, SolverSettings, StepError, TimeScheme};

/// Why an experiment was not run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SimulateError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not an experiment", path.display())]
    #[diagnostic(help(
        "it needs mesh {{vertices, tets, fixed, tip, top_centre}}, material {{young_pa, poisson, density_kg_m3}}, gravity_m_s2, mass_damping_per_s, dt_s and frames; drive, scramble_seed, threads, scheme (backward_euler or bdf2) and shares_strain may stand in it, and response and fibres (a direction for each tetrahedron) in the material"
    ))]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Body(#[from] BodyError),
    #[error("`{list}` names vertex {vertex}, but there are only {vertices}")]
    NoSuchVertex { list: &'static str, vertex: i64, vertices: usize },
    #[error("frame {frame} was not solved")]
    Step { frame: u32, source: StepError },
    #[error("cannot start {threads} threads")]
    Threads { threads: usize, source: rayon::ThreadPoolBuildError },
}

#[derive(Deserialize)]
struct Case {
    mesh: CaseMesh,
    material: CaseMaterial,
    gravity_m_s2: [f32; 3],
    mass_damping_per_s: f32,
    dt_s: f32,
    frames: u32,
    drive: Option<Drive>,
    scramble_seed: Option<u64>,
    threads: Option<usize>,
    #[serde(default)]
    scheme: TimeScheme,
    shares_strain: Option<bool>,
}

#[derive(Deserialize)]
struct CaseMesh {
    vertices: Vec<[f32; 3]>,
    tets: Vec<[u32; 4]>,
    #[serde(default)]
    fixed: Vec<u32>,
    #[serde(default)]
    tip: Vec<u32>,
}

#[derive(Deserialize)]
struct CaseMaterial {
    young_pa: f32,
    poisson: f32,
    density_kg_m3: f32,
    #[serde(default)]
    response: Response,
    #[serde(default)]
    fibres: Vec<[f32; 3]>,
}

#[derive(Deserialize)]
struct Drive {
    vertex: u32,
    velocity_m_s: [f32; 3],
}

/// Runs the experiment of `case` and answers with its measurements: per frame the time of the solver's step, the mean of the tip vertices and the
/// force that the driven vertex needed; at the end positions, relative volume error and inverted elements.
///
/// # Errors
/// [`SimulateError`]: the file, a number in it, or a step that could not be solved.
pub fn simulate(case: &Path) -> Result<serde_json::Value, SimulateError> {
    let text = std::fs::read(case).map_err(|source| SimulateError::Read { path: case.into(), source })?;
    let parsed: Case = serde_json::from_slice(&text).map_err(|source| SimulateError::Parse { path: case.into(), source })?;
    drop(text);
    let threads = parsed.threads.unwrap_or(1).max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| SimulateError::Threads { threads, source })?;
    pool.install(|| run(parsed, threads))
}

fn run(case: Case, threads: usize) -> Result<serde_json::Value, SimulateError> {
    let vertices: Vec<Vec3> = case.mesh.vertices.iter().copied().map(Vec3::from).collect();
    let count = vertices.len();
    let known = |list: &'static str, vertex: u32| {
        let unknown = SimulateError::NoSuchVertex { list, vertex: vertex.into(), vertices: count };
        if (vertex as usize) < count { Ok(()) } else { Err(unknown) }
    };
    case.mesh.tip.iter().try_for_each(|&vertex| known("tip", vertex))?;
    case.drive.iter().try_for_each(|drive| known("drive", drive.vertex))?;
    let CaseMaterial { young_pa, poisson, density_kg_m3, response, fibres } = case.material;
    let material = Material { name: "case".into(), young_pa, poisson, density_kg_m3, stress_limit_pa: f32::MAX };
    // the experiment stands in free space
    let usual = SolverSettings::default();
    let shares_strain = case.shares_strain.unwrap_or(usual.shares_strain);
    let settings = SolverSettings { scheme: case.scheme, shares_strain, floor_y_m: None, ..usual };
    let mut body = SoftBody::new(BodySpec {
        mesh: TetMesh { vertices, tets: case.mesh.tets },
        materials: vec![material],
        tet_material: Vec::new(),
        pinned: case.mesh.fixed,
        settings,
    })?;
    if !fibres.is_empty() {
        let directions: Vec<Vec3> = fibres.into_iter().map(Vec3::from).collect();
        body.set_fibres(&directions).map_err(BodyError::from)?;
    }
    body.set_responses(&[response]).map_err(BodyError::from)?;
    let rest_volume = body.rest_volume();
    if let Some(seed) = case.scramble_seed {
        scramble(&mut body, seed);
    }
    let start = case.drive.as_ref().map(|drive| body.positions()[drive.vertex as usize]);
    let (mut frame_ms, mut tip, mut force) = (Vec::new(), Vec::new(), Vec::new());
    let (mut newton_steps, mut cg_iterations) = (0, 0);
    for frame in 1..=case.frames {
        let driven: Vec<(u32, Vec3)> = case
            .drive
            .iter()
            .zip(start)
            .map(|(drive, from)| (drive.vertex, from + Vec3::from(drive.velocity_m_s) * (frame as f32 * case.dt_s)))
            .collect();
        let loads = Loads {
            gravity: case.gravity_m_s2.into(),
            mass_damping_per_s: case.mass_damping_per_s,
            driven: &driven,
            ..Loads::default()
        };
        let before = Instant::now();
        let report = body.step(&loads, case.dt_s);
        frame_ms.push(before.elapsed().as_secs_f64() * 1e3);
        let report = report.map_err(|source| SimulateError::Step { frame, source })?;
        newton_steps += report.newton_steps;
        cg_iterations += report.cg_iterations;
        let sum: glam::DVec3 = case.mesh.tip.iter().map(|&v| body.positions()[v as usize].as_dvec3()).sum();
        tip.push((sum / case.mesh.tip.len().max(1) as f64).to_array());
        force.extend(report.driven_forces.iter().map(|f| f.to_array()));
    }
    let (volume, inverted) = body.volume();
    let settings = body.settings();
    let frames = f64::from(case.frames.max(1));
    Ok(json!({
        "solver": "halsted",
        "settings": {
            "scheme": settings.scheme,
            "shares_strain": settings.shares_strain,
            "newton_steps_max": settings.newton_steps_max,
            "cg_tolerance": settings.cg_tolerance,
            "newton_steps_per_frame": f64::from(newton_steps) / frames,
            "cg_iterations_per_frame": f64::from(cg_iterations) / frames,
        },
        "tets": body.tets().len(),
        "verts": count,
        "threads": threads,
        "frame_ms": frame_ms,
        "tip": tip,
        "force": force,
        "volume_error": volume / rest_volume - 1.0,
        "inverted": inverted,
        "x": body.positions().iter().map(|x| x.to_array()).collect::<Vec<_>>(),
    }))
}

/// Puts every free vertex at random into the box of the rest shape.
fn scramble(body: &mut SoftBody, seed: u64) {
    let rest = body.rest_positions();
    let (low, high) = rest.iter().fold((Vec3::MAX, Vec3::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    let mut state = seed;
    let mut next = || {
        // Knuth's 64-bit linear congruential generator, upper bits
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let thrown: Vec<Vec3> = (0..rest.len()).map(|_| low + (high - low) * Vec3::new(next(), next(), next())).collect();
    body.set_positions(&thrown);
}
