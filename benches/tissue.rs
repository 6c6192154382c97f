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
const HANDLED: Vec3 = Vec3::new(0.12, 0.05, 0.09);
const PEER_ARGUMENTS: [&str; 7] = ["solver=fem", "model=nh", "substeps=1", "cg=200", "cgtol=1e-3", "threads=1", "budget=120"];

/// What double-precision Newton with a direct solver says of the same meshes.
const REFERENCES: &str = include_str!("../tests/data/tissue_reference.json");

/// The beams: their names among the references, and their cells.
const BEAMS: [(&str, [usize; 3]); 4] =
    [("beam_1k", [13, 4, 4]), ("beam_5k", [20, 7, 7]), ("beam_20k", [40, 10, 10]), ("beam_50k", [51, 14, 14])];

/// Floating-point operations of one element in one product, and the bytes of its own that it reads, counted by hand.
const FLOPS: f64 = 270.0;
const BYTES: f64 = 92.0;

/// A reference's settled tip and the tip's path, m; what it does not have is empty.
#[derive(Default)]
struct Reference {
    tip: Option<DVec3>,
    path: Vec<DVec3>,
    /// The nodes of the tip, where they are not the free end.
    vertices: Vec<usize>,
    /// A driven vertex, and its force at each millimetre, N.
    vertex: u32,
    force_n: Vec<f64>,
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn points(value: &Value) -> Vec<DVec3> {
    value.as_array().into_iter().flatten().map(|at| DVec3::from_slice(&numbers(at))).collect()
}

fn reference(name: &str) -> Reference {
    let all: Value = serde_json::from_str(REFERENCES).expect("valid JSON");
    let of = &all["meshes"][name];
    Reference {
        tip: of["tip_m"].is_array().then(|| DVec3::from_slice(&numbers(&of["tip_m"]))),
        path: points(&of["path_m"]),
        vertices: numbers(&of["vertices"]).into_iter().map(|v| v as usize).collect(),
        vertex: of["vertex"].as_u64().unwrap_or(0) as u32,
        force_n: numbers(&of["force_n"]),
    }
}

struct Plan {
    quick: bool,
    peer: Option<PathBuf>,
    one: ThreadPool,
    two: ThreadPool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|a| a == "--memory") {
        return print_memory(&arguments[at + 1..]);
    }
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
    driven(&plan);
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
    fall_of(body, &tip, frames, pool)
}

fn fall_of(body: &mut SoftBody, tip: &[usize], frames: usize, pool: &ThreadPool) -> Fall {
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
    Some(Fall { ms: numbers(&answer["frame_ms"]), tip: points(&answer["tip"]), iterations: 0 })
}

fn quantile(ms: &[f64], at: f64) -> f64 {
    let mut sorted = ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len() as f64 - 1.0) * at).round() as usize).copied().unwrap_or(f64::NAN)
}

/// RMS distance of two paths over the frames that both have, as a share of how far the first one gets from its start, %.
fn path_error(truth: &[DVec3], path: &[DVec3]) -> f64 {
    let Some(first) = truth.first() else { return f64::NAN };
    let squares: Vec<f64> = truth.iter().zip(path).map(|(a, b)| a.distance_squared(*b)).collect();
    let way = truth.iter().map(|at| at.distance(*first)).fold(0.0, f64::max);
    100.0 * (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt() / way.max(1e-9)
}

/// How far a path ends from where it should settle, as a share of the way from its start there, %; nothing where it ends too soon to settle.
fn tip_error(settled: Option<DVec3>, start: DVec3, path: &[DVec3]) -> Option<f64> {
    let last = path.last().filter(|_| path.len() >= SETTLING)?;
    settled.map(|settled| 100.0 * last.distance(settled) / settled.distance(start))
}

/// Frames after which a fall has come to rest.
const SETTLING: usize = 240;

/// Two decimals, or a dash where there is no number.
fn two_decimals(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("–".into(), |value| format!("{value:.2}"))
}

fn beams(plan: &Plan) {
    println!("## The falling beam, 0.2 × 0.05 × 0.05 m, E 30 kPa, ν 0.45, 90 frames a second\n");
    println!(
        "| tets | solver | ms, 1 thread: median (p99) | 2 threads | × peer | settled tip error % | path error % | CG a frame |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let (frames, rounds) = if plan.quick { (60, 1) } else { (270, 2) };
    for (name, cells) in BEAMS.into_iter().take(if plan.quick { 2 } else { 4 }) {
        let reference = reference(name);
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
        let start = DVec3::new(0.2, 0.025, 0.025);
        let peer_ms = quantile(&other.ms, 0.5);
        // the reference has no patches, and no path for the largest mesh: there this solver's own, solved to rounding, is the truth
        let paths = [if reference.path.is_empty() { &truths[0] } else { &reference.path }, &truths[1]];
        let tips = [reference.tip, truths[1].last().copied()];
        for (index, name) in ["each element for itself", "patches share strain"].into_iter().enumerate() {
            let own = &ours[index];
            let ms = quantile(&own.ms, 0.5);
            println!(
                "| {tets} | {name} | {ms:.2} ({:.2}) | {:.2} | {} | {} | {:.2} | {:.1} |",
                quantile(&own.ms, 0.99),
                quantile(&two[index], 0.5),
                two_decimals(Some(peer_ms / ms)),
                two_decimals(tip_error(tips[index], start, &own.tip)),
                path_error(paths[index], &own.tip),
                f64::from(own.iterations) / frames as f64,
            );
        }
        if other.ms.is_empty() {
            println!("| {tets} | peer: skipped | | | | | | |");
        } else {
            println!(
                "| {tets} | peer | {peer_ms:.2} ({:.2}) | | 1 | | {:.2} | |",
                quantile(&other.ms, 0.99),
                path_error(paths[0], &other.tip)
            );
        }
    }
}

/// The same number of elements in other shapes: nodes thrown about, and a liver from a scan.
fn shapes(plan: &Plan) {
    println!("\n## Other meshes, one thread and two\n");
    println!(
        "| mesh | tets | ms, 1 thread: median (p99) | 2 threads | settled tip error % | path error % | CG a frame |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
    let frames = if plan.quick { 20 } else { 270 };
    let block = TetMesh::block([40, 10, 10], BEAM);
    let mut meshes = vec![
        ("beam_20k", "beam", block.clone()),
        ("uneven_20k", "beam, its nodes moved by up to a fifth of a cell", block.shaken(1e-3, 7)),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patients/liver-contrast");
    match Twin::read(&folder) {
        Ok(twin) => meshes.push(("liver", "liver of the bundled patient", twin.tets)),
        Err(why) => println!("| liver of the bundled patient | skipped: {why} | | | | | |"),
    }
    for (key, name, mesh) in meshes {
        let low = mesh.vertices.iter().fold(f32::INFINITY, |low, v| low.min(v.y));
        let is_beam = key != "liver";
        let reference = reference(key);
        let tip: Vec<usize> = match reference.vertices.as_slice() {
            [] => (0..mesh.vertices.len()).filter(|&v| mesh.vertices[v].x > BEAM.x - 1e-6).collect(),
            vertices => vertices.to_vec(),
        };
        let start = tip.iter().map(|&v| mesh.vertices[v].as_dvec3()).sum::<DVec3>() / tip.len() as f64;
        let make = || {
            let held = |x: Vec3| if is_beam { x.x < 1e-9 } else { x.y < low + 0.01 };
            body(mesh.clone(), if is_beam { 30e3 } else { 5e3 }, plain(), held)
        };
        let (one, two) = (fall_of(&mut make(), &tip, frames, &plan.one), fall_of(&mut make(), &tip, frames, &plan.two));
        println!(
            "| {name} | {} | {:.2} ({:.2}) | {:.2} | {} | {} | {:.1} |",
            mesh.tets.len(),
            quantile(&one.ms, 0.5),
            quantile(&one.ms, 0.99),
            quantile(&two.ms, 0.5),
            two_decimals(tip_error(reference.tip, start, &one.tip)),
            two_decimals(Some(path_error(&reference.path, &one.tip))),
            f64::from(one.iterations) / frames as f64
        );
    }
}

/// The middle of a block's top pushed in by 5 mm within half a second: what the hand feels, against the force of slow pushing.
fn driven(plan: &Plan) {
    println!("\n## A driven vertex: a block of 0.12 × 0.05 × 0.09 m, E 5 kPa, pushed in by 5 mm at 10 mm/s\n");
    println!(
        "| tets | ms, 1 thread: median (p99) | 2 threads | RMS error of the force, % of the largest |\n| --- | --- | --- | --- |"
    );
    for (key, cells) in [("block_7k", [16, 7, 12]), ("block_20k", [24, 10, 17])].into_iter().take(if plan.quick { 1 } else { 2 })
    {
        let reference = reference(key);
        let run = |pool: &ThreadPool| {
            let mut body = body(TetMesh::block(cells, HANDLED), 5e3, plain(), |x| x.y < 1e-6);
            let start = body.positions()[reference.vertex as usize];
            let (mut ms, mut squares) = (Vec::new(), 0.0);
            for tick in 1..=45 {
                let driven = [(reference.vertex, start - Vec3::Y * (0.005 * tick as f32 / 45.0))];
                let loads = Loads { driven: &driven, mass_damping_per_s: 5.0, ..Loads::default() };
                let before = Instant::now();
                let report = pool.install(|| body.step(&loads, DT)).expect("a step");
                ms.push(before.elapsed().as_secs_f64() * 1e3);
                if let Some(force) = reference.force_n.get(tick / 9 - usize::from(tick >= 9)).filter(|_| tick % 9 == 0) {
                    squares += (-f64::from(report.driven_forces[0].y) - force).powi(2);
                }
            }
            (ms, (squares / reference.force_n.len().max(1) as f64).sqrt())
        };
        let ((one, error), (two, _)) = (run(&plan.one), run(&plan.two));
        println!(
            "| {} | {:.2} ({:.2}) | {:.2} | {} |",
            5 * cells.iter().product::<usize>(),
            quantile(&one, 0.5),
            quantile(&one, 0.99),
            quantile(&two, 0.5),
            two_decimals(reference.force_n.last().map(|largest| 100.0 * error / largest))
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
            let mesh = TetMesh::block(cells, HANDLED);
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
    println!("\n## A frame that cuts: snip, new skin and tick, two threads; 100 snips one frame after the other\n");
    println!(
        "| tets at first | p50 ms | p99 ms | snip p50 | skin p50 | tick p50 | tick p99 | CG p50 (p99) | tets added |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    let sizes: &[[usize; 3]] = if plan.quick { &[[20, 7, 7]] } else { &[[31, 8, 8], [40, 10, 10], [51, 14, 14]] };
    for &cells in sizes {
        let snips = if plan.quick { 10 } else { 100 };
        let mut body = body(TetMesh::block(cells, BEAM), 5e3, SolverSettings::default(), |x| x.y < 1e-6);
        let loads = Loads { gravity: Vec3::NEG_Y * 9.81, ..weight() };
        let tets = body.tets().len();
        let mut skin = Skin::build(&body, None, 3);
        plan.two.install(|| (0..10).try_for_each(|_| body.step(&loads, DT).map(drop))).expect("steps");
        let mut ms: [Vec<f64>; 5] = Default::default();
        for snip in 0..snips {
            let at = Vec3::new(0.02 + 0.16 * (snip as f32 / snips as f32), 0.055, 0.015 + 0.004 * (snip % 5) as f32);
            let ahead = Vec3::new(0.012, -0.02, 0.0);
            let sweep = BladeSweep { polygon: vec![at, at + ahead - Vec3::Z * 0.004, at + ahead + Vec3::Z * 0.009] };
            let begin = Instant::now();
            body.cut(&sweep);
            let cut = begin.elapsed();
            skin.rebuild(&body, None);
            let drawn = begin.elapsed();
            let report = plan.two.install(|| body.step(&loads, DT)).expect("a step");
            let all = begin.elapsed();
            for (list, time) in ms.iter_mut().zip([all, cut, drawn - cut, all - drawn]) {
                list.push(time.as_secs_f64() * 1e3);
            }
            ms[4].push(report.cg_iterations.into());
        }
        let [p50, p99] = [0.5, 0.99].map(|at| ms.each_ref().map(|list| quantile(list, at)));
        println!(
            "| {tets} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} ({:.0}) | {} |",
            p50[0],
            p99[0],
            p50[1],
            p50[2],
            p50[3],
            p99[3],
            p50[4],
            p99[4],
            body.tets().len() - tets
        );
    }
}

/// What an iteration and the rest of a tick cost: the straight line through ticks that are solved more and less well.
fn costs(plan: &Plan) {
    println!(
        "\n## Where a tick goes, one thread\n\n| tets | elements | ms an iteration | ms beside | ns an element and iteration | GFlop/s | GB/s |\n| --- | --- | --- | --- | --- | --- | --- |"
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
        let ns = 1e6 * slope / tets as f64;
        println!("| {tets} | {name} | {slope:.3} | {:.2} | {ns:.1} | {:.1} | {:.1} |", y - slope * x, FLOPS / ns, BYTES / ns);
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
        let one = fall(&mut beam(cells, SolverSettings::default()), 40, &plan.one);
        let two = fall(&mut beam(cells, SolverSettings::default()), 40, &plan.two);
        let (one_ms, two_ms) = (quantile(&one.ms[5..], 0.5), quantile(&two.ms[5..], 0.5));
        println!(
            "| {tets} | {one_ms:.2} | {two_ms:.2} | {:.3} | {:.1} | {} |",
            1e3 * one_ms / tets as f64,
            f64::from(one.iterations) / 40.0,
            memory_of(cells).map_or("not known here".into(), |bytes| (bytes / tets).to_string())
        );
    }
}

/// Bytes of a body that has been stepped, found by a process of its own: in this one freed memory would be used again unseen.
fn memory_of(cells: [usize; 3]) -> Option<usize> {
    let own = std::env::current_exe().ok()?;
    let output = Command::new(own).arg("--memory").args(cells.map(|n| n.to_string())).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn print_memory(cells: &[String]) {
    let cells: Vec<usize> = cells.iter().filter_map(|n| n.parse().ok()).collect();
    let (Some(&[x, y, z]), Some(before)) = (cells.first_chunk::<3>(), resident_bytes()) else { return };
    let mut body = beam([x, y, z], SolverSettings::default());
    let stepped = body.step(&weight(), DT).and_then(|_| body.step(&weight(), DT));
    if let (Ok(_), Some(after)) = (stepped, resident_bytes()) {
        println!("{}", after.saturating_sub(before));
    }
}

/// Memory that the process holds, where the system says it.
fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(4096 * text.split_whitespace().nth(1)?.parse::<usize>().ok()?)
}
