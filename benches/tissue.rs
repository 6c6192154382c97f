//! Whole ticks of a soft body against their budget of 11.1 ms, at the sizes that cases have; one thread unless RAYON_NUM_THREADS says otherwise.

use divan::{Bencher, counter::ItemsCount};
use glam::{Quat, Vec3};
use halsted::geom::{Pose, TetMesh};
use halsted::tissue::{BladeSweep, BodySpec, Capsule, JawRegion, Loads, Material, Skin, SoftBody, SolverSettings, ToolShape};

const DT: f32 = 1.0 / 90.0;

fn main() {
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let _ = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
    }
    divan::main();
}

fn body(cells: [usize; 3], size: Vec3, young_pa: f32, pinned: impl Fn(Vec3) -> bool) -> SoftBody {
    let mesh = TetMesh::block(cells, size);
    let pinned = (0..mesh.vertices.len() as u32).filter(|&v| pinned(mesh.vertices[v as usize])).collect();
    let material = Material { name: "tissue".into(), young_pa, poisson: 0.45, density_kg_m3: 1000.0, stress_limit_pa: 1e9 };
    let settings = SolverSettings { floor_y_m: None, ..SolverSettings::default() };
    SoftBody::new(BodySpec { mesh, materials: vec![material], tet_material: vec![], pinned, settings }).expect("a sound body")
}

/// The falling beam of the solver comparison: 0.2 × 0.05 × 0.05 m, E 30 kPa.
#[divan::bench(args = [[13, 4, 4], [20, 7, 7], [33, 9, 9], [40, 10, 10]], sample_count = 60, sample_size = 1)]
fn beam_tick(bencher: Bencher, cells: [usize; 3]) {
    let mut body = body(cells, Vec3::new(0.2, 0.05, 0.05), 30e3, |x| x.x < 1e-9);
    let loads = Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 5.0, ..Loads::default() };
    let tets = body.tets().len();
    bencher.counter(ItemsCount::new(tets)).bench_local(|| body.step(&loads, DT));
}

/// An organ-like block with a shaft pressed into it and, beside it, a grasp that pulls.
#[divan::bench(args = [[10, 5, 8], [16, 7, 12], [20, 9, 15], [24, 10, 17]], sample_count = 60, sample_size = 1)]
fn contact_tick(bencher: Bencher, cells: [usize; 3]) {
    let mut body = body(cells, Vec3::new(0.12, 0.05, 0.09), 5e3, |x| x.y < 1e-6);
    let held = Pose::new(Vec3::new(0.03, 0.045, 0.045), Quat::from_rotation_x(-std::f32::consts::FRAC_PI_2));
    body.grasp(1, &JawRegion { world_from_tip: held, length_m: 0.02, half_opening_m: 0.008 });
    let tets = body.tets().len();
    let mut tick = 0;
    bencher.counter(ItemsCount::new(tets)).bench_local(|| {
        let height = |tick: i32| 0.053 - 0.008 * (tick.min(60) as f32 / 60.0);
        let shaft = |y: f32| (Vec3::new(0.08, y, 0.0451), Vec3::new(0.18, y + 0.12, 0.08));
        let ((from, to), (previous_from, previous_to)) = (shaft(height(tick)), shaft(height((tick - 1).max(0))));
        let lift = Vec3::Y * (0.004 * (tick.min(60) as f32 / 60.0));
        let tools = [
            ToolShape {
                tool: 0,
                pose: Pose::IDENTITY,
                capsules: vec![Capsule { from, to, previous_from, previous_to, radius_m: 0.0025 }],
                friction: 0.2,
            },
            ToolShape { tool: 1, pose: Pose { position: held.position + lift, ..held }, capsules: vec![], friction: 0.2 },
        ];
        tick += 1;
        body.step(&Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 5.0, tools: &tools, ..Loads::default() }, DT)
    });
}

/// A snip, the tick that follows and the new skin: what one frame has to bear.
#[divan::bench(args = [[20, 9, 15], [40, 10, 10]], sample_count = 30, sample_size = 1)]
fn cutting_tick(bencher: Bencher, cells: [usize; 3]) {
    let mut body = body(cells, Vec3::new(0.2, 0.05, 0.05), 5e3, |x| x.y < 1e-6);
    let loads = Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 5.0, ..Loads::default() };
    let mut skin = Skin::build(&body, None, 3);
    let mut snip = 0;
    bencher.counter(ItemsCount::new(body.tets().len())).bench_local(|| {
        let at = Vec3::new(0.02 + 0.16 * (snip as f32 / 30.0), 0.055, 0.02 + 0.002 * (snip % 5) as f32);
        let ahead = Vec3::new(0.012, -0.02, 0.0);
        snip += 1;
        let report = body.cut(&BladeSweep { polygon: vec![at, at + ahead - Vec3::Z * 0.004, at + ahead + Vec3::Z * 0.009] });
        skin.rebuild(&body, None);
        (report.tets_added, body.step(&loads, DT).is_ok())
    });
}
