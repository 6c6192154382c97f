//! Tissue that is punched out or ablated: its volume is accounted for, and what is left goes on as bodies.

use glam::Vec3;
use halsted::geom::{TetMesh, tet_volume};
use halsted::tissue::{BodySpec, FaceKind, Loads, Material, Region, SoftBody, SolverSettings};

const DT: f32 = 1.0 / 90.0;

fn block(cells: [usize; 3], size: Vec3) -> SoftBody {
    let material =
        |name: &str| Material { name: name.into(), young_pa: 5e3, poisson: 0.4, density_kg_m3: 1e3, stress_limit_pa: 1e9 };
    let mesh = TetMesh::block(cells, size);
    let tet_material = (0..mesh.tets.len()).map(|tet| u8::from(mesh.corners(tet).iter().all(|x| x.x > 0.5 * size.x))).collect();
    let pinned = (0u32..).zip(&mesh.vertices).filter(|(_, x)| x.y < 1e-6).map(|(v, _)| v).collect();
    let settings = SolverSettings { floor_y_m: None, ..SolverSettings::default() };
    let materials = vec![material("left"), material("right")];
    SoftBody::new(BodySpec { mesh, materials, tet_material, pinned, settings }).unwrap()
}

fn goes_on(body: &mut SoftBody, ticks: usize) {
    for _ in 0..ticks {
        body.step(&Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 5.0, ..Loads::default() }, DT).unwrap();
    }
    assert!(body.positions().iter().all(|x| x.is_finite()));
    let volume = |tet: &[u32; 4]| tet_volume(tet.map(|v| body.rest_positions()[v as usize]));
    assert!(body.tets().iter().all(|tet| volume(tet) > 0.0));
}

/// π r² h of a core through 60 × 30 × 60 mm; the punch has twelve sides (3/π of the round one), and nodes snap to its planes by a share of an edge.
#[test]
fn a_punch_takes_its_core_and_accounts_for_the_volume() {
    let mut body = block([12, 6, 12], Vec3::new(0.06, 0.03, 0.06));
    let before = body.rest_volume();
    let centre = Vec3::new(0.0313, 0.0, 0.0297);
    let removal = body.punch(centre - Vec3::Y * 0.01, centre + Vec3::Y * 0.04, 0.012);
    let ideal = 3.0 * 0.012f64.powi(2) * 0.03;
    assert!((removal.volume_m3 / ideal - 1.0).abs() < 0.1, "{} m³ of {ideal}", removal.volume_m3);
    // nodes that the cuts made lie where single precision puts them
    assert!((removal.rest_volume_before_m3 / before - 1.0).abs() < 1e-6);
    assert!((removal.rest_volume_after_m3 + removal.volume_m3 - before).abs() < 1e-6 * before);
    assert!((removal.by_material_m3.iter().sum::<f64>() - removal.volume_m3).abs() < 1e-9 * before);
    assert!(removal.by_material_m3.iter().all(|&volume| volume > 0.2 * removal.volume_m3), "half in each tissue");
    assert_eq!(removal.pieces, 1);
    // a hole right through: nothing near its axis, and a wall of cut faces around
    let near = |x: &Vec3| (x.x - centre.x).hypot(x.z - centre.z) < 0.008;
    let rest = body.rest_positions();
    assert!(!body.tets().iter().any(|tet| near(&(tet.iter().map(|&v| rest[v as usize]).sum::<Vec3>() * 0.25))));
    assert!(body.surface().kinds.iter().filter(|kind| **kind == FaceKind::Cut).count() > 60);
    goes_on(&mut body, 60);
}

/// A slice through the middle is ablated: the upper half comes free as a body of its own and falls with the lower one left standing.
#[test]
fn what_ablation_cuts_off_becomes_a_body_of_its_own() {
    let mut body = block([6, 6, 6], Vec3::splat(0.06));
    let before = body.rest_volume();
    let slice = Region::Cylinder { from: Vec3::new(0.03, 0.0205, 0.03), to: Vec3::new(0.03, 0.0395, 0.03), radius_m: 0.1 };
    let removal = body.ablate(&slice);
    assert!((removal.volume_m3 / (before / 3.0) - 1.0).abs() < 1e-5, "two layers of six");
    assert!((removal.rest_volume_after_m3 + removal.volume_m3 - before).abs() < 1e-12 * before);
    assert_eq!(removal.pieces, 2);
    assert_eq!(body.pieces().pinned.iter().filter(|&&held| held).count(), 1);
    goes_on(&mut body, 30);
    let top = body
        .rest_positions()
        .iter()
        .zip(body.positions())
        .filter(|(r, _)| r.y > 0.059)
        .map(|(_, x)| x.y)
        .fold(f32::MIN, f32::max);
    assert!(top < 0.04, "free fall of 0.3 s: {top}");
}

#[test]
fn nothing_is_taken_where_nothing_is_and_everything_may_be() {
    let mut body = block([3, 3, 3], Vec3::splat(0.03));
    let away = Region::Ball { centre: Vec3::splat(1.0), radius_m: 0.1 };
    assert_eq!((body.ablate(&away).tets, body.surface().revision), (0, 0));
    assert_eq!(body.ablate(&Region::Ball { centre: Vec3::splat(f32::NAN), radius_m: 0.1 }).tets, 0);
    assert_eq!(body.punch(Vec3::ZERO, Vec3::ZERO, 0.01).tets, 0);
    let before = body.rest_volume();
    let all = body.ablate(&Region::Capsule { from: Vec3::ZERO, to: Vec3::splat(0.03), radius_m: 1.0 });
    assert_eq!((all.volume_m3, all.rest_volume_after_m3, all.pieces), (before, 0.0, 0));
    goes_on(&mut body, 3);
}

/// Bites at random, until little is left, while it sways.
#[test]
fn bitten_away_bit_by_bit_the_volumes_add_up() {
    let mut body = block([6, 4, 6], Vec3::new(0.06, 0.04, 0.06));
    let whole = body.rest_volume();
    let mut state = 7u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut taken = 0.0;
    for bite in 0..60 {
        let centre = Vec3::new(random() * 0.06, random() * 0.04, random() * 0.06);
        let removal = if bite % 5 == 4 {
            body.punch(centre, centre + Vec3::new(random() - 0.5, random() - 0.5, random() - 0.5) * 0.04, 0.006)
        } else {
            body.ablate(&Region::Ball { centre, radius_m: 0.004 + 0.006 * random() })
        };
        taken += removal.volume_m3;
        assert!((body.rest_volume() + taken - whole).abs() < 1e-6 * whole, "after bite {bite}");
        assert_eq!(removal.pieces, body.pieces().count());
        goes_on(&mut body, 1);
    }
    assert!(taken > 0.3 * whole);
}
