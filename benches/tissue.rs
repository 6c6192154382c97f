//! Whole ticks of a soft body against their targets, as Markdown tables: time, error and, where it is at hand, the best other solver in the same run.
//!
//! `cargo bench --bench tissue` measures the release build; `-- --peer PROGRAM` (or HALSTED_PEER) names a program that takes MESH.json and the arguments
//! below and prints `frame_ms` and `tip`; `-- --quick` takes small meshes and few frames. Runs of one table are interleaved, figures are medians over all of
//! their frames.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use glam::{DVec3, Quat, Vec3};
use halsted::geom::{Pose, TetMesh};
use halsted::patient::Twin;
use halsted::tissue::{BladeSweep, BodySpec, Capsule, JawRegion, Loads, Material, Skin, SoftBody, SolverSettings, ToolShape};
use rayon::ThreadPool;
use serde_json::{Value, json};

const DT: f32 = 1.0 / 90.0;
const BEAM: Vec3 = Vec3::new(0.2, 0.05, 0.05);
const PEER_ARGUMENTS: [&str; 7] = ["solver=fem", "model=nh", "substeps=1", "cg=200", "cgtol=1e-3", "threads=1", "budget=120"];

/// Cells of the beam, and where the free end settles (x, z), m: double-precision Newton with a direct solver on the same mesh.
const SETTLED: [([usize; 3], f64, f64); 4] = [
    ([13, 4, 4], 0.12821, -0.12867),
    ([20, 7, 7], 0.11950, -0.13569),
    ([40, 10, 10], 0.11433, -0.13980),
    ([51, 14, 14], 0.11317, -0.14070),
];

struct Plan {
    quick: bool,
    peer: Option<PathBuf>,
    one: ThreadPool,
    two: ThreadPool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).map(PathBuf::from);
    let threads = |count| rayon::ThreadPoolBuilder::new().num_threads(count).build().expect("threads");
    let plan = Plan {
        quick: arguments.iter().any(|a| a == "--quick"),
        peer: after("--peer").or_else(|| std::env::var_os("HALSTED_PEER").map(PathBuf::from)),
        one: threads(1),
        two: threads(2),
    };
    beams(&plan);
    shapes(&plan);
    handled(&plan);
    cuts(&plan);
    costs(&plan);
    scaling(&plan);
}

fn body(mesh: TetMesh, young_pa: f32, settings: SolverSettings, is_held: impl Fn(Vec3) -> bool) -> SoftBody {
    let pinned = (0..mesh.vertices.len() as u32).filter(|&v| is_held(mesh.vertices[v as usize])).collect();
    let material = Material { name: "tissue".into(), young_pa, poisson: 0.45, density_kg_m3: 1000.0, stress_limit_pa: 1e9 };
    let settings = SolverSettings { floor_y_m: None, ..settings };
    SoftBody::new(BodySpec { mesh, materials: vec![material], pinned, settings, ..BodySpec::default() }).expect("a sound body")
}

fn beam(cells: [usize; 3], settings: SolverSettings) -> SoftBody {
    body(TetMesh::block(cells, BEAM), 30e3, settings, |x| x.x < 1e-9)
}

fn weight() -> Loads<'static> {
    Loads { gravity: Vec3::NEG_Z * 9.81, mass_damping_per_s: 5.0, ..Loads::default() }
}

/// Every element for itself: what the reference and the peer compute.
fn plain() -> SolverSettings {
    SolverSettings { shares_strain: false, ..SolverSettings::default() }
}

fn patches() -> SolverSettings {
    SolverSettings { shares_strain: true, ..SolverSettings::default() }
}

/// Solved to rounding: what a tick would be without haste.
fn patient(settings: SolverSettings) -> SolverSettings {
    SolverSettings { newton_steps_max: 12, newton_tolerance: 1e-4, cg_tolerance: 1e-5, cg_iterations_max: 2000, ..settings }
}

#[derive(Default)]
struct Fall {
    ms: Vec<f64>,
    tip: Vec<DVec3>,
    iterations: u32,
}

fn fall(body: &mut SoftBody, frames: usize, pool: &ThreadPool) -> Fall {
    let tip: Vec<usize> = (0..body.rest_positions().len()).filter(|&v| body.rest_positions()[v].x > BEAM.x - 1e-6).collect();
    let mut fall = Fall::default();
    for _ in 0..frames {
        let before = Instant::now();
        let report = pool.install(|| body.step(&weight(), DT)).expect("a step");
        fall.ms.push(before.elapsed().as_secs_f64() * 1e3);
        fall.iterations += report.cg_iterations;
        let sum: DVec3 = tip.iter().map(|&v| body.positions()[v].as_dvec3()).sum();
        fall.tip.push(sum / tip.len() as f64);
    }
    fall
}

fn peer(program: &Path, cells: [usize; 3], frames: usize) -> Option<Fall> {
    let mesh = TetMesh::block(cells, BEAM);
    let on = |at: f32| -> Vec<usize> { (0..mesh.vertices.len()).filter(|&v| (mesh.vertices[v].x - at).abs() < 1e-6).collect() };
    let vertices: Vec<[f32; 3]> = mesh.vertices.iter().map(|v| v.to_array()).collect();
    let document =
        json!({ "name": "beam", "vertices": vertices, "tets": mesh.tets, "fixed": on(0.0), "tip": on(BEAM.x), "top_centre": -1 });
    let folder = tempfile::tempdir().ok()?;
    let path = folder.path().join("mesh.json");
    std::fs::write(&path, document.to_string()).ok()?;
    let output = Command::new(program).arg(&path).args(PEER_ARGUMENTS).arg(format!("frames={frames}")).output().ok()?;
    let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
    let numbers = |value: &Value| -> Vec<f64> { value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect() };
    let tip = answer["tip"].as_array()?.iter().map(|at| DVec3::from_slice(&numbers(at))).collect();
    Some(Fall { ms: numbers(&answer["frame_ms"]), tip, iterations: 0 })
}

fn quantile(ms: &[f64], at: f64) -> f64 {
    let mut sorted = ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len() as f64 - 1.0) * at).round() as usize).copied().unwrap_or(f64::NAN)
}

/// RMS distance of two paths over the frames that both have, as a share of how far the first one ends from its start, %.
fn path_error(truth: &[DVec3], path: &[DVec3]) -> f64 {
    let Some((first, last)) = truth.first().zip(truth.last()) else { return f64::NAN };
    let squares: Vec<f64> = truth.iter().zip(path).map(|(a, b)| a.distance_squared(*b)).collect();
    100.0 * (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt() / first.distance(*last).max(1e-9)
}

fn beams(plan: &Plan) {
    println!("## The falling beam, 0.2 × 0.05 × 0.05 m, E 30 kPa, ν 0.45, 90 frames a second\n");
    println!(
        "| tets | solver | ms, 1 thread: median (p99) | 2 threads | × peer | settled tip error % | path error % | CG a frame |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let (frames, rounds) = if plan.quick { (60, 1) } else { (270, 2) };
    for (cells, x, z) in SETTLED.into_iter().take(if plan.quick { 2 } else { 4 }) {
        let truths = [plain(), patches()].map(|settings| fall(&mut beam(cells, patient(settings)), frames, &plan.two).tip);
        let (mut ours, mut other) = ([Fall::default(), Fall::default()], Fall::default());
        let mut two = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (index, settings) in [plain(), patches()].into_iter().enumerate() {
                let run = fall(&mut beam(cells, settings.clone()), frames, &plan.one);
                ours[index].ms.extend(&run.ms);
                ours[index].tip = run.tip;
                ours[index].iterations = run.iterations;
                two[index].extend(fall(&mut beam(cells, settings), frames, &plan.two).ms);
            }
            if let Some(run) = plan.peer.as_deref().and_then(|program| peer(program, cells, frames.min(120))) {
                other.ms.extend(&run.ms);
                other.tip = run.tip;
            }
        }
        let tets = 5 * cells.iter().product::<usize>();
        let settled = DVec3::new(x, 0.025, z + 0.0);
        let start = DVec3::new(0.2, 0.025, 0.025);
        let tip_error = |tip: &[DVec3]| {
            let last = tip.last().copied().unwrap_or(DVec3::NAN);
            100.0 * DVec3::new(last.x, 0.025, last.z).distance(settled) / settled.distance(start)
        };
        let peer_ms = quantile(&other.ms, 0.5);
        for (index, name) in ["each element for itself", "patches share strain"].into_iter().enumerate() {
            let own = &ours[index];
            let ms = quantile(&own.ms, 0.5);
            // the reference has no patches: their own settled shape is the truth for them
            let truth = truths[index].last().copied().unwrap_or(DVec3::NAN);
            let tip = match index {
                0 => tip_error(&own.tip),
                _ => 100.0 * own.tip.last().map_or(f64::NAN, |tip| tip.distance(truth)) / truth.distance(start),
            };
            println!(
                "| {tets} | {name} | {ms:.2} ({:.2}) | {:.2} | {:.1} | {tip:.2} | {:.2} | {:.1} |",
                quantile(&own.ms, 0.99),
                quantile(&two[index], 0.5),
                peer_ms / ms,
                path_error(&truths[index], &own.tip),
                f64::from(own.iterations) / frames as f64,
            );
        }
        if other.ms.is_empty() {
            println!("| {tets} | peer: skipped | | | | | | |");
        } else {
            println!(
                "| {tets} | peer | {peer_ms:.2} ({:.2}) | | 1 | | {:.2} | |",
                quantile(&other.ms, 0.99),
                path_error(&truths[0][..other.tip.len().min(frames)], &other.tip)
            );
        }
    }
}

/// The same number of elements in other shapes: nodes thrown about, and a liver from a scan.
fn shapes(plan: &Plan) {
    println!(
        "\n## Other meshes, one thread and two\n\n| mesh | tets | ms, 1 thread: median (p99) | 2 threads | CG a frame |\n| --- | --- | --- | --- | --- |"
    );
    let frames = if plan.quick { 20 } else { 120 };
    let mut uneven = TetMesh::block([40, 10, 10], BEAM);
    let mut state = 7u64;
    let mut chance = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    for v in &mut uneven.vertices {
        let inside = v.cmpgt(Vec3::splat(1e-6)).all() && v.cmplt(BEAM - 1e-6).all();
        let by = Vec3::new(chance(), chance(), chance()) * (0.5 * 0.005);
        *v += if inside { by } else { Vec3::ZERO };
    }
    let mut meshes =
        vec![("beam", TetMesh::block([40, 10, 10], BEAM)), ("beam, inner nodes moved by up to a quarter cell", uneven)];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patients/liver-contrast");
    match Twin::read(&folder) {
        Ok(twin) => meshes.push(("liver of the bundled patient", twin.tets)),
        Err(why) => println!("| liver of the bundled patient | skipped: {why} | | | |"),
    }
    for (name, mesh) in meshes {
        let low = mesh.vertices.iter().fold(f32::INFINITY, |low, v| low.min(v.y));
        let is_beam = name.starts_with("beam");
        let make = || {
            let held = |x: Vec3| if is_beam { x.x < 1e-9 } else { x.y < low + 0.01 };
            body(mesh.clone(), if is_beam { 30e3 } else { 5e3 }, SolverSettings::default(), held)
        };
        let (one, two) = (fall(&mut make(), frames, &plan.one), fall(&mut make(), frames, &plan.two));
        println!(
            "| {name} | {} | {:.2} ({:.2}) | {:.2} | {:.1} |",
            mesh.tets.len(),
            quantile(&one.ms, 0.5),
            quantile(&one.ms, 0.99),
            quantile(&two.ms, 0.5),
            f64::from(one.iterations) / frames as f64
        );
    }
}

/// An organ-like block alone, and with a shaft pressed into it and, beside it, a grasp that pulls.
fn handled(plan: &Plan) {
    println!("\n## A block of 0.12 × 0.05 × 0.09 m, alone, and pressed by a shaft with friction and pulled by a grasp\n");
    println!("| tets | alone: median (p99) ms | handled: median (p99) ms | ratio | 2 threads |\n| --- | --- | --- | --- | --- |");
    let sizes: &[[usize; 3]] = if plan.quick { &[[10, 5, 8]] } else { &[[16, 7, 12], [24, 10, 17], [32, 14, 22]] };
    for &cells in sizes {
        let frames = if plan.quick { 20 } else { 120 };
        let run = |tools_on: bool, pool: &ThreadPool| {
            let mesh = TetMesh::block(cells, Vec3::new(0.12, 0.05, 0.09));
            let mut body = body(mesh, 5e3, SolverSettings::default(), |x| x.y < 1e-6);
            let held = Pose::new(Vec3::new(0.03, 0.045, 0.045), Quat::from_rotation_x(-std::f32::consts::FRAC_PI_2));
            if tools_on {
                body.grasp(1, &JawRegion { world_from_tip: held, length_m: 0.02, half_opening_m: 0.008 });
            }
            let mut ms = Vec::new();
            for tick in 0..frames {
                let height = |tick: i32| 0.053 - 0.008 * (tick.min(60) as f32 / 60.0);
                let shaft = |y: f32| (Vec3::new(0.08, y, 0.0451), Vec3::new(0.18, y + 0.12, 0.08));
                let ((from, to), (previous_from, previous_to)) = (shaft(height(tick)), shaft(height((tick - 1).max(0))));
                let lift = Vec3::Y * (0.004 * (tick.min(60) as f32 / 60.0));
                let capsules = vec![Capsule { from, to, previous_from, previous_to, radius_m: 0.0025 }];
                let tools = [
                    ToolShape { tool: 0, pose: Pose::IDENTITY, capsules, friction: 0.2 },
                    ToolShape { tool: 1, pose: Pose { position: held.position + lift, ..held }, capsules: vec![], friction: 0.2 },
                ];
                let loads = Loads { tools: if tools_on { &tools } else { &[] }, gravity: Vec3::NEG_Y * 9.81, ..weight() };
                let before = Instant::now();
                pool.install(|| body.step(&loads, DT)).expect("a step");
                ms.push(before.elapsed().as_secs_f64() * 1e3);
            }
            ms
        };
        let (alone, handled, two) = (run(false, &plan.one), run(true, &plan.one), run(true, &plan.two));
        let [a, h, t] = [&alone, &handled, &two].map(|ms| quantile(ms, 0.5));
        println!(
            "| {} | {a:.2} ({:.2}) | {h:.2} ({:.2}) | {:.2} | {t:.2} |",
            5 * cells.iter().product::<usize>(),
            quantile(&alone, 0.99),
            quantile(&handled, 0.99),
            h / a
        );
    }
}

/// A snip, the tick that follows and the new skin: what one frame has to bear.
fn cuts(plan: &Plan) {
    println!(
        "\n## A frame that cuts: snip, tick and new skin, two threads\n\n| tets at first | p50 ms | p99 ms | tets added |\n| --- | --- | --- | --- |"
    );
    let sizes: &[[usize; 3]] = if plan.quick { &[[20, 7, 7]] } else { &[[31, 8, 8], [40, 10, 10], [51, 14, 14]] };
    for &cells in sizes {
        let snips = if plan.quick { 10 } else { 100 };
        let mut body = body(TetMesh::block(cells, BEAM), 5e3, SolverSettings::default(), |x| x.y < 1e-6);
        let loads = Loads { gravity: Vec3::NEG_Y * 9.81, ..weight() };
        let tets = body.tets().len();
        let mut skin = Skin::build(&body, None, 3);
        plan.two.install(|| (0..10).try_for_each(|_| body.step(&loads, DT).map(drop))).expect("steps");
        let mut ms = Vec::new();
        for snip in 0..snips {
            let at = Vec3::new(0.02 + 0.16 * (snip as f32 / snips as f32), 0.055, 0.015 + 0.004 * (snip % 5) as f32);
            let ahead = Vec3::new(0.012, -0.02, 0.0);
            let sweep = BladeSweep { polygon: vec![at, at + ahead - Vec3::Z * 0.004, at + ahead + Vec3::Z * 0.009] };
            let before = Instant::now();
            body.cut(&sweep);
            skin.rebuild(&body, None);
            plan.two.install(|| body.step(&loads, DT)).expect("a step");
            ms.push(before.elapsed().as_secs_f64() * 1e3);
        }
        println!("| {tets} | {:.2} | {:.2} | {} |", quantile(&ms, 0.5), quantile(&ms, 0.99), body.tets().len() - tets);
    }
}

/// What an iteration and the rest of a tick cost: the straight line through ticks that are solved more and less well.
fn costs(plan: &Plan) {
    println!(
        "\n## Where a tick goes, 20,000 tets, one thread\n\n| elements | ms an iteration | ms beside | ns an element and iteration |\n| --- | --- | --- | --- |"
    );
    let cells = if plan.quick { [20, 7, 7] } else { [40, 10, 10] };
    let frames = if plan.quick { 10 } else { 60 };
    for (name, settings) in [("each for itself", plain()), ("patches", patches())] {
        let points = [0.3, 1e-1, 1e-2, 1e-3].map(|cg_tolerance| {
            let settings = SolverSettings { cg_tolerance, newton_steps_max: 1, ..settings.clone() };
            let run = fall(&mut beam(cells, settings), frames, &plan.one);
            (f64::from(run.iterations) / frames as f64, run.ms.iter().sum::<f64>() / frames as f64)
        });
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let (x, y) = (mean(|p| p.0), mean(|p| p.1));
        let slope =
            points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
        let tets = 5 * cells.iter().product::<usize>();
        println!("| {name} | {slope:.3} | {:.2} | {:.1} |", y - slope * x, 1e6 * slope / tets as f64);
    }
}

fn scaling(plan: &Plan) {
    println!(
        "\n## Scaling of the beam\n\n| tets | ms, 1 thread | 2 threads | µs a tet, 1 thread | CG a frame | bytes a tet |\n| --- | --- | --- | --- | --- | --- |"
    );
    let sizes: &[[usize; 3]] = &[[13, 4, 4], [20, 7, 7], [31, 8, 8], [40, 10, 10], [51, 14, 14], [64, 18, 18], [80, 22, 22]]
        [..if plan.quick { 2 } else { 7 }];
    for &cells in sizes {
        let tets = 5 * cells.iter().product::<usize>();
        let before = resident_bytes();
        let mut body = beam(cells, SolverSettings::default());
        let one = fall(&mut body, 40, &plan.one);
        let grown = resident_bytes().zip(before).map(|(after, before)| after.saturating_sub(before) / tets);
        let two = fall(&mut beam(cells, SolverSettings::default()), 40, &plan.two);
        let (one_ms, two_ms) = (quantile(&one.ms[5..], 0.5), quantile(&two.ms[5..], 0.5));
        println!(
            "| {tets} | {one_ms:.2} | {two_ms:.2} | {:.3} | {:.1} | {} |",
            1e3 * one_ms / tets as f64,
            f64::from(one.iterations) / 40.0,
            grown.map_or("not known here".into(), |bytes| bytes.to_string())
        );
    }
}

/// Memory that the process holds, where the system says it.
fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(4096 * text.split_whitespace().nth(1)?.parse::<usize>().ok()?)
}
