//! Falls and pushes held against `data/tissue_reference.json`, which tells how it was made: even and uneven meshes, an organ from a scan, a block.

use std::path::Path;

use glam::{DVec3, Vec3};
use halsted::geom::TetMesh;
use halsted::patient::Twin;
use halsted::tissue::{BodySpec, Loads, Material, SoftBody, SolverSettings};
use serde_json::Value;

const DT: f32 = 1.0 / 90.0;
const BEAM: Vec3 = Vec3::new(0.2, 0.05, 0.05);

fn reference(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("data/tissue_reference.json")).unwrap();
    all["meshes"][name].clone()
}

fn point(value: &Value) -> DVec3 {
    DVec3::from_array([0, 1, 2].map(|axis| value[axis].as_f64().unwrap()))
}

fn body(mesh: TetMesh, young_pa: f32, is_held: impl Fn(Vec3) -> bool) -> SoftBody {
    let pinned = (0u32..).zip(&mesh.vertices).filter(|(_, x)| is_held(**x)).map(|(v, _)| v).collect();
    let material = Material { name: "tissue".into(), young_pa, poisson: 0.45, density_kg_m3: 1000.0, stress_limit_pa: 1e9 };
    let settings = SolverSettings { floor_y_m: None, ..SolverSettings::default() };
    SoftBody::new(BodySpec { mesh, materials: vec![material], pinned, settings, ..BodySpec::default() }).unwrap()
}

/// Lets a body fall sideways; its path may be 2 % off (RMS over the frames, of the farthest it gets), and where it settles 1 %.
fn falls_as_the_reference(name: &str, body: &mut SoftBody, tip: &[usize], settles: bool) {
    let reference = reference(name);
    assert_eq!(reference["tets"].as_u64(), Some(body.tets().len() as u64));
    let mean = |x: &[Vec3]| tip.iter().map(|&v| x[v].as_dvec3()).sum::<DVec3>() / tip.len() as f64;
    let start = mean(body.rest_positions());
    let path: Vec<DVec3> = reference["path_m"].as_array().unwrap().iter().map(point).collect();
    let loads = Loads { gravity: Vec3::NEG_Z * 9.81, mass_damping_per_s: 5.0, ..Loads::default() };
    let (mut squares, mut way) = (0.0, 0.0f64);
    for at in &path {
        body.step(&loads, DT).unwrap();
        squares += mean(body.positions()).distance_squared(*at);
        way = way.max(at.distance(path[0]));
    }
    let error = (squares / path.len() as f64).sqrt() / way;
    assert!(path.len() >= 45 && error < 0.02, "{name}: the path is off by {error}");
    if settles {
        (path.len()..270).for_each(|_| drop(body.step(&loads, DT).unwrap()));
        let settled = point(&reference["tip_m"]);
        let error = mean(body.positions()).distance(settled) / settled.distance(start);
        assert!(error < 0.01, "{name}: the tip is off by {error}");
    }
}

fn free_end(mesh: &TetMesh) -> Vec<usize> {
    (0..mesh.vertices.len()).filter(|&v| mesh.vertices[v].x > BEAM.x - 1e-6).collect()
}

#[test]
fn beams_fall_and_settle_as_the_reference_on_even_and_uneven_meshes() {
    let even = TetMesh::block([13, 4, 4], BEAM);
    let uneven = even.clone().shaken(2.5e-3, 7);
    for (name, mesh) in [("beam_1k", even), ("uneven_1k", uneven), ("beam_5k", TetMesh::block([20, 7, 7], BEAM))] {
        let tip = free_end(&mesh);
        falls_as_the_reference(name, &mut body(mesh, 30e3, |x| x.x < 1e-9), &tip, name != "beam_5k");
    }
}

#[test]
fn the_bundled_patients_liver_falls_as_the_reference() {
    let mesh = Twin::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patients/liver-contrast")).unwrap().tets;
    let low = mesh.vertices.iter().map(|x| x.y).fold(f32::INFINITY, f32::min);
    let tip: Vec<usize> =
        reference("liver")["vertices"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect();
    falls_as_the_reference("liver", &mut body(mesh, 5e3, |x| x.y < low + 0.01), &tip, false);
}

/// RMS over five depths, at 10 mm/s, of the largest force.
#[test]
fn a_vertex_driven_into_a_block_feels_the_reference_force() {
    let reference = reference("block_7k");
    let mut body = body(TetMesh::block([16, 7, 12], Vec3::new(0.12, 0.05, 0.09)), 5e3, |x| x.y < 1e-6);
    let vertex = reference["vertex"].as_u64().unwrap() as u32;
    let force: Vec<f64> = reference["force_n"].as_array().unwrap().iter().map(|f| f.as_f64().unwrap()).collect();
    let start = body.positions()[vertex as usize];
    let mut squares = 0.0;
    for tick in 1..=45 {
        let driven = [(vertex, start - Vec3::Y * (0.005 * tick as f32 / 45.0))];
        let report = body.step(&Loads { driven: &driven, mass_damping_per_s: 5.0, ..Loads::default() }, DT).unwrap();
        if tick % 9 == 0 {
            squares += (-f64::from(report.driven_forces[0].y) - force[tick / 9 - 1]).powi(2);
        }
    }
    let error = (squares / 5.0).sqrt() / force[4];
    assert!(error < 0.01, "the force is off by {error}");
}
