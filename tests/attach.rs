//! Bands that hold an organ: they bear what they should, give way beyond their strength, and can be divided.

use glam::Vec3;
use halsted::geom::TetMesh;
use halsted::tissue::{Band, BandLoss, BladeSweep, BodyError, BodySpec, Loads, Material, SoftBody, SolverSettings};

const DT: f32 = 1.0 / 90.0;
/// 40 × 20 × 40 mm of 1000 kg/m³: 0.032 kg, which weigh 0.314 N.
const SIZE: Vec3 = Vec3::new(0.04, 0.02, 0.04);
const WEIGHT_N: f32 = 0.032 * 9.81;

fn block() -> SoftBody {
    let material = Material { name: "organ".into(), young_pa: 20e3, poisson: 0.4, density_kg_m3: 1000.0, stress_limit_pa: 1e9 };
    let settings = SolverSettings { floor_y_m: None, ..SolverSettings::default() };
    let mesh = TetMesh::block([4, 2, 4], SIZE);
    SoftBody::new(BodySpec { mesh, materials: vec![material], settings, ..BodySpec::default() }).unwrap()
}

/// From the whole top, 20 mm up.
fn ligament(body: &SoftBody, strength_n: f32) -> Band {
    let top = |&v: &u32| body.rest_positions()[v as usize].y > SIZE.y - 1e-6;
    let nodes = (0..body.positions().len() as u32).filter(top).collect();
    Band { name: "ligament".into(), nodes, toward: Vec3::Y, length_m: 0.02, stiffness_n_m: 100.0, strength_n }
}

fn hang(body: &mut SoftBody, ticks: usize) -> Vec<BandLoss> {
    let loads = Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 20.0, ..Loads::default() };
    (0..ticks)
        .flat_map(|_| {
            body.step(&loads, DT).unwrap();
            body.give_way()
        })
        .collect()
}

/// The organ hangs on the band: its pull is the weight, and it is as much longer as its stiffness says.
#[test]
fn a_band_bears_the_weight_and_stretches_by_its_stiffness() {
    let mut body = block();
    body.attach(ligament(&body, 2.0)).unwrap();
    assert_eq!(body.pieces().pinned, [true], "what hangs on a band is not free");
    assert!(hang(&mut body, 300).is_empty());
    let top: Vec<f32> = body.fibres().map(|(_, v, end, _)| body.positions()[v as usize].distance(end) - 0.02).collect();
    let mean = top.iter().sum::<f32>() / top.len() as f32;
    assert!((mean / (WEIGHT_N / 100.0) - 1.0).abs() < 0.1, "{mean} m longer"); // fibres of the rim bear less than those of the middle
    let load: f32 = body.fibres().map(|(.., load)| load).sum::<f32>() / top.len() as f32;
    assert!((load * 2.0 / WEIGHT_N - 1.0).abs() < 0.1, "{load} of the strength");
}

/// With less strength than the weight it gives way, tells so, and the organ falls.
#[test]
fn a_band_gives_way_beyond_its_strength_and_not_before() {
    let fallen = |strength_n: f32| {
        let mut body = block();
        body.attach(ligament(&body, strength_n)).unwrap();
        let losses = hang(&mut body, 200);
        (losses, body.pieces().pinned[0], body.positions()[0].y)
    };
    let (losses, held, _) = fallen(3.0 * WEIGHT_N);
    assert!(losses.is_empty() && held);
    let (losses, held, y) = fallen(0.7 * WEIGHT_N);
    assert!(!held && y < -0.5, "it fell to {y}");
    assert!(losses.iter().all(|loss| !loss.divided && loss.name == "ligament"));
    assert_eq!(losses.iter().map(|loss| loss.fibres).sum::<usize>(), 25);
    assert_eq!(losses.last().map(|loss| loss.left), Some(0.0));
    assert!(losses[0].pull_n > 0.5 * WEIGHT_N && losses[0].place.y > 0.0, "{:?}", losses[0]);
}

/// A blade passes between the organ and the wall, first through half of the band, then through the rest.
#[test]
fn a_blade_divides_the_fibres_that_it_passes_and_no_others() {
    let mut body = block();
    body.attach(ligament(&body, 2.0)).unwrap();
    hang(&mut body, 20);
    let blade = |from: f32, to: f32, y: f32| BladeSweep {
        polygon: vec![Vec3::new(from, y, -0.01), Vec3::new(to, y, -0.01), Vec3::new(to, y, 0.05), Vec3::new(from, y, 0.05)],
    };
    let tets = body.tets().len();
    let report = body.cut(&blade(-0.01, 0.015, 0.03));
    assert_eq!((report.divided.len(), report.tets_added, report.opened.len()), (1, 0, 0));
    assert_eq!((report.divided[0].fibres, report.divided[0].divided), (10, true));
    // columns at 0 and 10 mm of 40: 0.375 of the surface, give or take how the diagonals share out corners
    assert!((report.divided[0].left - 0.625).abs() < 0.02, "{}", report.divided[0].left);
    assert!(body.cut(&blade(-0.01, 0.05, 0.06)).divided.is_empty(), "beyond their ends");
    let report = body.cut(&blade(-0.01, 0.05, 0.03));
    assert_eq!((report.divided[0].fibres, report.divided[0].left), (15, 0.0));
    assert_eq!((body.tets().len(), body.pieces().pinned[0]), (tets, false));
}

#[test]
fn a_band_that_cannot_be_tied_is_refused_with_the_reason() {
    let mut body = block();
    let refuse = |change: &dyn Fn(&mut Band)| {
        let mut body = block();
        let mut band = ligament(&body, 1.0);
        change(&mut band);
        body.attach(band).err()
    };
    assert!(body.attach(ligament(&body, 1.0)).is_ok());
    for change in [
        &(|b: &mut Band| b.nodes.clear()) as &dyn Fn(&mut Band),
        &|b| b.nodes = vec![1_000_000],
        &|b| b.strength_n = 0.0,
        &|b| b.length_m = f32::NAN,
        &|b| b.toward = Vec3::ZERO,
    ] {
        assert!(matches!(refuse(change), Some(BodyError::Band { .. })));
    }
}
