//! Damage by hands: limits are passed when they should be and not before, told with place and value, and bruised tissue is softer.

use glam::Vec3;
use halsted::geom::{Pose, TetMesh};
use halsted::tissue::{
    BladeSweep, BodySpec, Bruise, Capsule, JawRegion, Loads, Material, Measure, Skin, SoftBody, SolverSettings, StepReport,
    ToolShape, limits_of,
};

const DT: f32 = 1.0 / 90.0;
const SIZE: Vec3 = Vec3::new(0.04, 0.02, 0.04);

fn slab(tissue: &str) -> SoftBody {
    let young_pa = if tissue == "bowel" { 60e3 } else { 20e3 };
    let material = Material { name: "slab".into(), young_pa, poisson: 0.4, density_kg_m3: 1000.0, stress_limit_pa: 1e9 };
    let settings = SolverSettings { floor_y_m: None, ..SolverSettings::default() };
    let mesh = TetMesh::block([6, 3, 6], SIZE);
    let pinned = (0u32..).zip(&mesh.vertices).filter(|(_, x)| x.y < 1e-6).map(|(v, _)| v).collect();
    let mut body = SoftBody::new(BodySpec { mesh, materials: vec![material], pinned, settings, ..BodySpec::default() }).unwrap();
    body.set_limits(&[limits_of(tissue)]).unwrap();
    body
}

fn step(body: &mut SoftBody, loads: &Loads, dt_secs: f32) -> (StepReport, Vec<Bruise>) {
    let report = body.step(&Loads { mass_damping_per_s: 5.0, ..*loads }, dt_secs).unwrap();
    let bruises = body.bruise(&report, dt_secs);
    (report, bruises)
}

/// A shaft across the slab, pressed `depth` in, and a tick ago `before`.
fn shaft(depth: f32, before: f32) -> ToolShape {
    let line = |depth: f32| [-0.02, 0.06].map(|x| Vec3::new(x, SIZE.y + 0.003 - depth, 0.02));
    let ([from, to], [previous_from, previous_to]) = (line(depth), line(before));
    let capsule = Capsule { from, to, previous_from, previous_to, radius_m: 0.003 };
    ToolShape { tool: 1, pose: Pose::IDENTITY, capsules: vec![capsule], friction: 0.0 }
}

fn pressed(tissue: &str, depth: f32, ticks: usize) -> (SoftBody, Vec<Bruise>, f32) {
    let mut body = slab(tissue);
    let (mut bruises, mut force) = (Vec::new(), 0.0);
    for tick in 1..=ticks {
        let at = |tick: usize| depth * (tick as f32 / 30.0).min(1.0);
        let tools = [shaft(at(tick), at(tick - 1))];
        let (report, new) = step(&mut body, &Loads { tools: &tools, ..Loads::default() }, DT);
        force = report.tool_forces[0].contact_n.y;
        bruises.extend(new);
    }
    (body, bruises, force)
}

#[test]
fn light_pressure_leaves_no_trace_and_heavy_pressure_is_told_with_place_and_value() {
    let (body, bruises, _) = pressed("liver", 0.002, 60);
    assert!(bruises.is_empty() && body.damage().iter().all(|&d| d == 0.0));
    let (body, bruises, force) = pressed("liver", 0.012, 60);
    let first = bruises.iter().find(|bruise| bruise.measure == Measure::Pressure).expect("it was pressed too hard");
    assert!(first.value >= 48e3 && first.above == 48e3 && first.nodes > 0, "{first:?}");
    assert!(
        (first.rest.y - SIZE.y).abs() < 1e-6 && (first.rest.z - 0.02).abs() < 0.007,
        "within a row of nodes under the shaft: {first:?}"
    );
    assert!(force > 0.0);
    assert_eq!(body.damage()[first.node as usize], 1.0);
    assert!(body.damage().contains(&0.0), "elsewhere it is whole");
    let skin = Skin::build(&body, None, 2);
    let drawn = skin.damage(&body);
    assert_eq!(drawn.len(), skin.rest.len());
    assert!(drawn.contains(&1.0) && drawn.contains(&0.0));
}

/// Each bruise is told once; what is cut afterwards is as bruised as before.
#[test]
fn a_bruise_is_told_once_and_survives_a_cut() {
    let (mut body, bruises, _) = pressed("liver", 0.012, 60);
    let mut nodes: Vec<u32> = bruises.iter().filter(|b| b.measure == Measure::Pressure).map(|b| b.node).collect();
    let count = nodes.len();
    nodes.sort_unstable();
    nodes.dedup();
    assert_eq!(nodes.len(), count);
    let z = 0.0203;
    let polygon = [(-0.01, -0.01), (0.05, -0.01), (0.05, 0.05), (-0.01, 0.05)].map(|(x, y)| Vec3::new(x, y, z)).to_vec();
    body.cut(&BladeSweep { polygon });
    assert_eq!(body.damage().len(), body.positions().len());
    let bruised = |front: bool| {
        let at = |(d, x): (&f32, &Vec3)| *d >= 1.0 && (x.z < z) == front;
        body.damage().iter().zip(body.rest_positions()).any(at)
    };
    assert!(bruised(true) && bruised(false), "both sides");
}

/// A slab that is pulled by its top gives back less where all of it is bruised: its stiffness is what the table leaves of it.
#[test]
fn bruised_tissue_is_softer_by_the_stated_factor() {
    let mut body = slab("liver");
    let top: Vec<u32> = (0u32..).zip(body.rest_positions()).filter(|(_, x)| x.y > SIZE.y - 1e-6).map(|(v, _)| v).collect();
    let pull = |body: &mut SoftBody, stretch: f32, ticks: usize| {
        let driven: Vec<_> = top.iter().map(|&v| (v, body.rest_positions()[v as usize] + Vec3::Y * (SIZE.y * stretch))).collect();
        let mut force = 0.0;
        let mut bruises = Vec::new();
        for _ in 0..ticks {
            let (report, new) = step(body, &Loads { driven: &driven, ..Loads::default() }, 0.5);
            force = report.driven_forces.iter().map(|f| f.y).sum::<f32>();
            bruises.extend(new);
        }
        (force, bruises)
    };
    let (before, none) = pull(&mut body, 0.1, 12);
    assert!(none.is_empty(), "{none:?}");
    let (_, bruises) = pull(&mut body, 1.0, 30);
    assert!(bruises.iter().any(|bruise| bruise.measure == Measure::Strain && bruise.value >= 0.47));
    assert!(body.damage().iter().all(|&d| d >= 1.0), "all of it was strained");
    let (after, _) = pull(&mut body, 0.1, 12);
    let keeps = limits_of("liver").unwrap().softening;
    assert!((after / before - keeps).abs() < 0.01, "{after} N after {before} N");
}

/// Time adds up: a limit of 30 s is passed after 30 s, whether held at once or with rests between.
#[test]
fn time_under_load_adds_up_to_the_limit() {
    let mut body = slab("bowel");
    let (mut loaded, mut told) = (0.0, None);
    for tick in 0..110 {
        // down for two ticks, up for one
        let at = |tick: usize| if tick % 3 == 2 { -0.005 } else { 0.011 };
        let tools = [shaft(at(tick), at(tick + 2))];
        let (report, bruises) = step(&mut body, &Loads { tools: &tools, ..Loads::default() }, 0.5);
        let force = report.tool_forces.first().map_or(0.0, |force| force.contact_n.y);
        loaded += if force >= 20.0 { 0.5 } else { 0.0 };
        if let Some(bruise) = bruises.iter().find(|bruise| bruise.measure == Measure::Force && bruise.held_secs == 30.0) {
            told = told.or(Some((loaded, bruise.clone())));
        }
    }
    let (loaded, bruise) = told.expect("20 N for 30 s");
    assert!((loaded - 30.0f32).abs() <= 0.5, "after {loaded} s under load");
    assert_eq!((bruise.above, bruise.measure.unit()), (20.0, "N"));
}

/// Jaws pinch the rim of a bowel with 60 N: past 50 N at once, and past 329 kPa (of at most 600: 5 × 20 mm are in the jaws) after ten seconds.
#[test]
fn jaws_that_pinch_too_hard_are_told_at_once_and_too_long_after_ten_seconds() {
    let mut body = slab("bowel");
    let pose = Pose { position: Vec3::new(0.02, 0.5 * SIZE.y, -0.001), rotation: glam::Quat::IDENTITY };
    body.grasp(0, &JawRegion { world_from_tip: pose, length_m: 0.02, half_opening_m: 0.012 })
        .expect("the rim is between the jaws");
    body.pinch(0, 60.0);
    let tools = [ToolShape { tool: 0, pose, capsules: Vec::new(), friction: 0.0 }];
    let mut told = Vec::new();
    for tick in 1..=25 {
        let (report, bruises) = step(&mut body, &Loads { tools: &tools, ..Loads::default() }, 0.5);
        assert!(report.tool_forces[0].pinch_pa >= 600e3 * 0.999, "{} Pa", report.tool_forces[0].pinch_pa);
        told.extend(bruises.into_iter().map(|bruise| (tick, bruise.measure, bruise.above)));
    }
    let at = |measure: Measure, above: f32| told.iter().find(|told| (told.1, told.2) == (measure, above)).map(|told| told.0);
    assert_eq!((at(Measure::Force, 50.0), at(Measure::Pressure, 329e3)), (Some(1), Some(20)), "{told:?}");
    assert_eq!(at(Measure::Impulse, 300.0), Some(10), "60 N for 5 s");
}
