//! Tearing seen from outside: where whole tissue gives way. At what load a crack grows, on several meshes, is a row of the conformance sheet.

use glam::Vec3;
use halsted::geom::{TetMesh, tet_volume};
use halsted::tissue::{BodySpec, Loads, Material, SoftBody, SolverSettings, Tear, Tearing};

const YOUNG_PA: f32 = 5e3;
const POISSON: f32 = 0.3;
fn material() -> Material {
    Material { name: "strip".into(), young_pa: YOUNG_PA, poisson: POISSON, density_kg_m3: 1000.0, stress_limit_pa: 1e9 }
}

fn is_sound(body: &SoftBody, volume: f64) {
    assert!((body.rest_volume() / volume - 1.0).abs() < 1e-6);
    let turned = body.tets().iter().filter(|tet| tet_volume(tet.map(|v| body.rest_positions()[v as usize])) <= 0.0).count();
    assert_eq!(turned, 0);
    assert!(body.positions().iter().all(|x| x.is_finite()));
}

/// A bar of three thirds, the middle one weaker in its upper part, is pulled: it begins to tear where it is weak, and tears through.
#[test]
fn whole_tissue_begins_to_tear_where_it_is_weakest_and_tears_in_two() {
    let size = Vec3::new(0.06, 0.02, 0.01);
    let mesh = TetMesh::block([12, 4, 2], size);
    let centre = |tet: usize| mesh.corners(tet).iter().sum::<Vec3>() * 0.25;
    let is_weak = |x: Vec3| x.x > 0.02 && x.x < 0.03 && x.y > 0.01;
    let tet_material = (0..mesh.tets.len()).map(|tet| u8::from(is_weak(centre(tet)))).collect();
    let at =
        |end: f32| (0u32..).zip(&mesh.vertices).filter(|(_, x)| (x.x - end).abs() < 1e-6).map(|(v, _)| v).collect::<Vec<_>>();
    let (pinned, pulled) = (at(0.0), at(size.x));
    let settings = SolverSettings { floor_y_m: None, ..SolverSettings::default() };
    let spec = BodySpec { mesh: mesh.clone(), materials: vec![material(); 2], tet_material, pinned, settings };
    let mut body = SoftBody::new(spec).unwrap();
    let volume = body.rest_volume();
    let strong = Tearing { toughness_j_m2: 10.0, strength_pa: 6e3 };
    body.set_tearing(&[Some(strong), Some(Tearing { strength_pa: 3e3, ..strong })]).unwrap();
    let mut tears: Vec<Tear> = Vec::new();
    let mut stretch = 1.0;
    for _ in 0..300 {
        stretch += if tears.is_empty() { 0.005 } else { 0.001 };
        let to = |v: u32| (v, body.rest_positions()[v as usize] + Vec3::X * (size.x * (stretch - 1.0)));
        let driven: Vec<_> = pulled.iter().map(|&v| to(v)).collect();
        body.step(&Loads { driven: &driven, mass_damping_per_s: 5.0, ..Loads::default() }, 0.2).unwrap();
        tears.extend(body.tear());
        if body.pieces().count() > 1 {
            break;
        }
    }
    assert!(tears[0].began && tears[0].drive >= 3e3, "{:?}", tears[0]);
    assert!(tears.iter().all(|tear| is_weak(tear.rest.with_y(0.015))), "{tears:?}");
    assert_eq!(body.pieces().count(), 2);
    let torn = tears.iter().map(|tear| tear.area_m2).sum::<f32>() / (size.y * size.z);
    assert!((0.95..1.5).contains(&torn), "{torn} of the section");
    is_sound(&body, volume);
}
