//! What is drawn of the bundled patient's liver while it is handled: no gap, no face inside out, no spike.

use std::collections::HashMap;
use std::path::Path;

use glam::{Quat, Vec3};
use halsted::geom::{DistanceField, Pose};
use halsted::patient::Twin;
use halsted::tissue::{
    Band, BladeSweep, BodySpec, FaceKind, JawRegion, Loads, Material, Skin, SoftBody, SolverSettings, Tearing, ToolShape,
    limits_of,
};

const DT: f32 = 1.0 / 90.0;
/// Triangles a side, as in the theatre.
const PARTS: usize = 3;
/// On the front of the liver, at rest, m.
const SPOT: Vec3 = Vec3::new(-0.005, 0.25, 0.0);

struct Scene {
    name: &'static str,
    body: SoftBody,
}

/// The organ, held from behind as in the bundled cases.
fn liver() -> (SoftBody, DistanceField) {
    let twin = Twin::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patients/liver-contrast")).unwrap();
    let pinned = (0u32..).zip(&twin.tets.vertices).filter(|(_, x)| x.y < 0.155).map(|(v, _)| v).collect();
    let material = Material { name: "liver".into(), young_pa: 5e3, poisson: 0.45, density_kg_m3: 1060.0, stress_limit_pa: 2e4 };
    let settings = SolverSettings::default();
    let body = SoftBody::new(BodySpec { mesh: twin.tets, materials: vec![material], pinned, settings, ..BodySpec::default() });
    (body.unwrap(), twin.distance)
}

/// The node of the surface that is nearest to the spot.
fn spot(body: &SoftBody) -> Vec3 {
    let at = |v: &u32| body.rest_positions()[*v as usize];
    let nodes = body.surface().nodes.iter();
    at(nodes.min_by(|a, b| at(a).distance(SPOT).total_cmp(&at(b).distance(SPOT))).unwrap())
}

fn down(at: Vec3) -> Pose {
    // +z of the tool, from the tips to the hinge, is the world's up
    Pose::new(at, Quat::from_rotation_x(-std::f32::consts::FRAC_PI_2))
}

fn step(body: &mut SoftBody, tools: &[ToolShape]) {
    let loads = Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 6.0, tools, ..Loads::default() };
    let report = body.step(&loads, DT).unwrap();
    body.bruise(&report, DT);
    body.give_way();
    body.tear();
}

/// Jaws take the spot and lift it by so much in so many ticks; `beside` is done in each.
fn lift(body: &mut SoftBody, by: f32, ticks: u32, mut beside: impl FnMut(&mut SoftBody, u32)) {
    let start = down(spot(body) - Vec3::Y * 0.004);
    body.grasp(0, &JawRegion { world_from_tip: start, length_m: 0.02, half_opening_m: 0.01 }).expect("tissue in the jaws");
    for tick in 1..=ticks {
        let pose = Pose { position: start.position + Vec3::Y * (by * tick as f32 / ticks as f32), ..start };
        step(body, &[ToolShape { tool: 0, pose, capsules: vec![], friction: 0.2 }]);
        beside(body, tick);
    }
}

/// All that a picture should show: lifted, cut half through while it is held, torn by a pull, lifted until it is bruised, hung on a ligament.
fn scenes() -> (Vec<Scene>, DistanceField) {
    let (mut retracted, field) = liver();
    let mut scenes = Vec::new();
    lift(&mut retracted, 0.03, 45, |_, _| ());
    scenes.push(Scene { name: "retracted", body: retracted });

    let (mut cut, _) = liver();
    let from = spot(&cut) + Vec3::new(0.018, 0.01, -0.03);
    lift(&mut cut, 0.015, 45, |body, tick| {
        if tick % 4 == 0 {
            let at = from + Vec3::Z * (0.0015 * tick as f32);
            let (ahead, deep) = (Vec3::Z * 0.009, Vec3::new(0.004, -0.035, 0.0));
            body.cut(&BladeSweep { polygon: vec![at, at + ahead, at + ahead + deep, at + deep] });
        }
    });
    scenes.push(Scene { name: "half cut", body: cut });

    let (mut torn, _) = liver();
    torn.set_tearing(&[Some(Tearing { toughness_j_m2: 20.0, strength_pa: 6e3 })]).unwrap();
    let blade = [(-0.002, 0.02), (0.014, 0.02), (0.014, -0.02), (-0.002, -0.02)];
    let at = spot(&torn) + Vec3::new(0.012, 0.0, 0.0);
    torn.cut(&BladeSweep { polygon: blade.map(|(y, z)| at + Vec3::new(0.0, -y, z)).to_vec() });
    lift(&mut torn, 0.05, 70, |_, _| ());
    scenes.push(Scene { name: "torn", body: torn });

    let (mut bruised, _) = liver();
    bruised.set_limits(&[limits_of("liver")]).unwrap();
    lift(&mut bruised, 0.03, 45, |_, _| ());
    scenes.push(Scene { name: "bruised", body: bruised });

    let (mut hung, _) = liver();
    let near = |v: &u32| hung.rest_positions()[*v as usize].distance(SPOT + Vec3::X * 0.03) < 0.03;
    let nodes: Vec<u32> = hung.surface().nodes.iter().copied().filter(near).collect();
    let band = Band { name: "ligament".into(), nodes, toward: Vec3::Y, length_m: 0.03, stiffness_n_m: 150.0, strength_n: 20.0 };
    hung.attach(band).unwrap();
    (0..45).for_each(|_| step(&mut hung, &[]));
    scenes.push(Scene { name: "hung", body: hung });
    (scenes, field)
}

#[derive(Debug)]
struct Measures {
    /// Directed edges, by place, that no edge the other way round answers.
    open_edges: usize,
    triangles: usize,
    /// Triangles that look away from the element's face that they are part of.
    reversed: usize,
    /// Longest edge over the median one.
    longest: f32,
    /// The same of the elements' faces: what the tissue itself is stretched.
    longest_of_faces: f32,
}

fn longest(edges: impl Iterator<Item = f32>) -> f32 {
    let mut edges: Vec<f32> = edges.collect();
    edges.sort_by(f32::total_cmp);
    edges[edges.len() - 1] / edges[edges.len() / 2]
}

fn measure(body: &SoftBody, field: &DistanceField) -> Measures {
    let skin = Skin::build(body, Some(field), PARTS);
    let (mut positions, mut normals) = (Vec::new(), Vec::new());
    skin.update(body, &mut positions, &mut normals);
    let place = |v: u32| positions[v as usize].to_array().map(f32::to_bits);
    let mut balance: HashMap<[[u32; 3]; 2], i32> = HashMap::new();
    let sides = |[a, b, c]: [u32; 3]| [(a, b), (b, c), (c, a)];
    for (a, b) in skin.triangles.iter().flat_map(|&triangle| sides(triangle)) {
        let (a, b) = (place(a), place(b));
        if a != b {
            let (key, one) = if a < b { ([a, b], 1) } else { ([b, a], -1) };
            *balance.entry(key).or_default() += one;
        }
    }
    let surface = body.surface();
    let of = |kind: FaceKind| (0..surface.faces.len()).filter(move |&face| surface.kinds[face] == kind);
    let faces: Vec<usize> = of(FaceKind::Capsule).chain(of(FaceKind::Cut)).collect();
    let normal = |[a, b, c]: [Vec3; 3]| (b - a).cross(c - a);
    let reversed = skin.triangles.iter().enumerate().filter(|(index, triangle)| {
        let face = surface.faces[faces[index / (PARTS * PARTS)]].map(|v| body.positions()[v as usize]);
        normal(triangle.map(|v| positions[v as usize])).dot(normal(face)) < 0.0
    });
    let length = |x: &[Vec3], (a, b): (u32, u32)| x[a as usize].distance(x[b as usize]);
    Measures {
        open_edges: balance.values().map(|count| count.unsigned_abs() as usize).sum(),
        triangles: skin.triangles.len(),
        reversed: reversed.count(),
        longest: longest(skin.triangles.iter().flat_map(|&t| sides(t)).map(|side| length(&positions, side))),
        longest_of_faces: longest(surface.faces.iter().flat_map(|&f| sides(f)).map(|side| length(body.positions(), side))),
    }
}

/// The scenes show what they should, and their skins are as they should be: closed at every edge; but for one in a thousand triangles (deformed
/// rims) facing as their element's face does; no edge longer than the tissue's own stretch and the finer grid explain.
#[test]
fn a_liver_lifted_cut_torn_bruised_and_hung_is_drawn_whole() {
    let (scenes, field) = scenes();
    let (at_rest, _) = liver();
    let rest = measure(&at_rest, &field);
    assert_eq!((rest.open_edges, rest.reversed), (0, 0), "{rest:?}");
    for Scene { name, body } in &scenes {
        let measures = measure(body, &field);
        let told = format!("{name}: {measures:?}");
        assert_eq!(measures.open_edges, 0, "{told}");
        assert!(measures.reversed * 1000 < measures.triangles, "{told}");
        assert!(
            measures.longest < 1.1 * rest.longest / rest.longest_of_faces * measures.longest_of_faces,
            "{told}, at rest {rest:?}"
        );
        assert_eq!(body.volume().1, 0, "{name}: no element is turned over");
    }
    let scene = |name: &str| &scenes.iter().find(|scene| scene.name == name).unwrap().body;
    let cut_faces = |name: &str| scene(name).surface().kinds.iter().filter(|kind| **kind == FaceKind::Cut).count();
    assert!(cut_faces("half cut") > 50 && cut_faces("torn") > 50 && cut_faces("retracted") == 0);
    assert!(scene("bruised").damage().iter().any(|&damage| damage >= 1.0) && scene("hung").fibres().count() > 5);
}
