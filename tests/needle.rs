//! Needles seen from outside: they enter past a force, cost what the tissue's toughness and their own friction say, hold and are held, and come out.

use glam::{Quat, Vec3};
use halsted::geom::TetMesh;
use halsted::tissue::{
    BladeSweep, BodyError, BodySpec, Loads, Material, Needle, NeedleReport, Region, SoftBody, SolverSettings, StepReport,
};

const DT: f32 = 1.0 / 90.0;
const SIZE: Vec3 = Vec3::new(0.06, 0.04, 0.06);
const ENTRY: Vec3 = Vec3::new(0.0307, SIZE.y, 0.0291);
const TOUGHNESS_J_M2: f32 = 160.0;

fn block() -> SoftBody {
    let material = Material { name: "liver".into(), young_pa: 10e3, poisson: 0.45, density_kg_m3: 1000.0, stress_limit_pa: 1e9 };
    let settings = SolverSettings { floor_y_m: None, ..SolverSettings::default() };
    let mesh = TetMesh::block([8, 5, 8], SIZE);
    let pinned = (0u32..).zip(&mesh.vertices).filter(|(_, x)| x.y < 1e-6).map(|(v, _)| v).collect();
    let mut body = SoftBody::new(BodySpec { mesh, materials: vec![material], pinned, settings, ..BodySpec::default() }).unwrap();
    body.set_toughness(&[TOUGHNESS_J_M2]).unwrap();
    body
}

/// Cuts with 0.2 N, spreads with 0.05 N and drags with 0.1 N at 20 mm.
const NEEDLE: Needle = Needle { radius_m: 0.6e-3, crack_width_m: 1.25e-3, puncture_n: 0.3, spreading_n: 0.05, friction_n_m: 5.0 };

fn step(body: &mut SoftBody, tip: Vec3, along: Vec3, loads: &Loads) -> (NeedleReport, StepReport) {
    body.drive_needle(1, NEEDLE, tip, along).unwrap();
    let report = body.step(&Loads { mass_damping_per_s: 20.0, ..*loads }, DT).unwrap();
    (body.follow_needles()[0], report)
}

/// Straight down from one depth to another at 40 mm/s.
fn push(body: &mut SoftBody, from: f32, to: f32) -> Vec<(f32, NeedleReport)> {
    let ticks = ((to - from).abs() / (0.04 * DT)).ceil();
    (1..=ticks as usize)
        .map(|tick| from + (to - from) * (tick as f32 / ticks))
        .map(|depth| (depth, step(body, ENTRY - Vec3::Y * depth, Vec3::NEG_Y, &Loads::default()).0))
        .collect()
}

#[test]
fn the_tip_dents_the_surface_until_its_puncture_force_and_then_goes_in() {
    let mut body = block();
    let pressed = push(&mut body, -1e-3, 2e-3);
    let (_, last) = pressed.last().unwrap();
    assert!(pressed.iter().all(|(_, report)| !report.entered && report.inserted_m == 0.0 && report.force_n.y < 0.3), "{last:?}");
    assert!(last.force_n.y > 0.1 && (last.cutting_n - last.force_n.y).abs() < 1e-6);
    let drawn = push(&mut body, 2e-3, -1e-3);
    assert_eq!(drawn.last().unwrap().1.force_n, Vec3::ZERO);
    let through = push(&mut body, -1e-3, 0.012);
    let at = through.iter().position(|(_, report)| report.entered).expect("it went in");
    let (before, after) = (through[at].1, through[at + 5].1);
    assert!((before.force_n.y / 0.3 - 1.0).abs() < 0.05, "{before:?}");
    assert!(after.force_n.y < 0.95 * before.force_n.y && after.inserted_m > 0.0, "the force falls as it goes in: {after:?}");
}

/// In and out: J w for each length of hole and friction both ways; spreading is given back, and so is what the tissue stored. Tolerance: the hole
/// is as long as the tissue it went through was just then, a per cent or two off, and ticks are 0.4 mm.
#[test]
fn the_work_of_a_needle_in_and_out_is_that_of_fracture_and_friction() {
    let mut body = block();
    let mut curve = push(&mut body, -1e-3, 0.025);
    let hole: f32 = curve.iter().map(|(_, report)| report.advance_m).sum();
    let cut: f32 = curve.iter().map(|(_, report)| report.cut_j).sum();
    curve.extend(push(&mut body, 0.025, -4e-3));
    assert!(curve.last().unwrap().1.force_n == Vec3::ZERO && curve.iter().filter(|(_, report)| report.left).count() == 1);
    let work: f32 =
        curve.windows(2).map(|pair| 0.5 * (pair[0].1.force_n.y + pair[1].1.force_n.y) * (pair[1].0 - pair[0].0)).sum();
    let length = curve.iter().map(|(_, report)| report.inserted_m).fold(0.0, f32::max);
    let fracture = TOUGHNESS_J_M2 * NEEDLE.crack_width_m * hole;
    assert!((cut / fracture - 1.0).abs() < 1e-3 && (hole / length - 1.0).abs() < 0.05, "{hole} m of hole, {length} m of shaft");
    let friction = NEEDLE.friction_n_m * length * length;
    assert!((work / (fracture + friction) - 1.0).abs() < 0.06, "{work} J of {fracture} + {friction}");
    for (rest, now) in body.rest_positions().iter().zip(body.positions()) {
        assert!(rest.distance(*now) < 2e-4, "what the needle has left comes back to rest");
    }
}

/// The base is held by forces that are known; at rest they are the needle's. Pushed sideways, the tissue is moved along and pushes back.
#[test]
fn what_a_needle_feels_is_what_holds_the_tissue_against_it() {
    let mut body = block();
    let base: Vec<_> = (0u32..).zip(body.rest_positions()).filter(|(_, x)| x.y < 1e-6).map(|(v, x)| (v, *x)).collect();
    let mut free = SoftBody::new(BodySpec {
        mesh: TetMesh::block([8, 5, 8], SIZE),
        materials: body.materials().to_vec(),
        settings: body.settings().clone(),
        ..BodySpec::default()
    })
    .unwrap();
    free.set_toughness(&[TOUGHNESS_J_M2]).unwrap();
    std::mem::swap(&mut body, &mut free);
    let loads = Loads { driven: &base, ..Loads::default() };
    let along = Quat::from_rotation_z(0.2) * Vec3::NEG_Y;
    let mut last = Default::default();
    for tick in 0..200 {
        let depth = (tick as f32 * 4e-4).min(0.022);
        let aside = Vec3::X * (2e-5 * (tick as f32 - 60.0).clamp(0.0, 100.0));
        last = step(&mut body, ENTRY + along * depth + aside, along, &loads);
    }
    let (needle, report) = last;
    let held: Vec3 = report.driven_forces.iter().sum();
    assert!((held - needle.force_n).length() < 0.01 * held.length(), "{held} {needle:?}");
    assert!(needle.aside_n.x < -0.05, "it is held sideways: {needle:?}");
    let parts = -along * (needle.cutting_n + needle.spreading_n + needle.friction_n) + needle.aside_n;
    assert!((parts - needle.force_n).length() < 1e-5);
    let beside = (0..free.positions().len())
        .filter(|&v| free.rest_positions()[v].distance(ENTRY - Vec3::Y * 0.01) < 8e-3)
        .map(|v| body.positions()[v].x - body.rest_positions()[v].x);
    assert!(beside.clone().sum::<f32>() / beside.count() as f32 > 5e-4, "the tissue around it comes along");
}

/// Right through, jumps of metres, a second needle beside it, a cut and a bite across the hole, and no pose that is none.
#[test]
fn needles_are_survived() {
    let mut body = block();
    let nan = body.drive_needle(1, NEEDLE, Vec3::splat(f32::NAN), Vec3::X);
    assert!(matches!(nan, Err(BodyError::Needle { needle: 1, .. })));
    assert!(body.drive_needle(1, NEEDLE, Vec3::ZERO, Vec3::ZERO).is_err());
    assert!(body.drive_needle(1, Needle { radius_m: 0.0, ..NEEDLE }, Vec3::ZERO, Vec3::X).is_err());
    // along x: nothing is held there
    let ahead = |x: f32| Vec3::new(x, 0.021, 0.0313);
    let mut through = 0.0f32;
    for tick in 0..60 {
        let (report, _) = step(&mut body, ahead(-0.01 + 0.002 * tick as f32), Vec3::X, &Loads::default());
        through = through.max(report.inserted_m);
    }
    assert!((through - SIZE.x).abs() < 0.06 * SIZE.x, "{through} m of it are inside");
    let blade = [(-0.01, -0.01), (0.07, -0.01), (0.07, 0.07), (-0.01, 0.07)].map(|(y, z)| Vec3::new(0.0307, y, z));
    body.cut(&BladeSweep { polygon: blade.to_vec() });
    body.ablate(&Region::Ball { centre: Vec3::new(0.045, 0.021, 0.0313), radius_m: 0.012 });
    let jump = [0.11, -3.0, 0.03, 0.09, 0.5, 0.02, -0.02];
    for x in jump.into_iter().cycle().take(40) {
        step(&mut body, ahead(x) + Vec3::Y * (0.1 * x), Vec3::new(1.0, x, 0.0), &Loads::default());
        body.drive_needle(2, NEEDLE, ENTRY - Vec3::Y * (0.02 * x), Vec3::NEG_Y).unwrap();
        assert!(body.positions().iter().all(|x| x.is_finite() && x.length() < 1.0));
    }
    body.drop_needle(1);
    body.drop_needle(2);
    for _ in 0..150 {
        body.step(&Loads { mass_damping_per_s: 20.0, ..Loads::default() }, DT).unwrap();
        assert!(body.follow_needles().is_empty());
    }
    let far = (0..body.positions().len())
        .filter(|&v| body.attached_nodes()[v])
        .map(|v| body.positions()[v].distance(body.rest_positions()[v]));
    assert!(far.fold(0.0, f32::max) < 1e-3 && body.volume().1 == 0);
}
