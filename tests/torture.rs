//! Tissue treated as no tissue is: whatever comes, a body stays finite, keeps its volume, and finds back to its shape.

use glam::{Quat, Vec2, Vec3, Vec3Swizzles};
use halsted::geom::{MeshError, Pose, TetMesh, tet_volume};
use halsted::tissue::{
    Band, BladeSweep, BodyError, BodySpec, Capsule, JawRegion, Loads, Material, Region, SoftBody, SolverSettings, StepError,
    StepReport, Tearing, ToolShape, limits_of,
};

const DT: f32 = 1.0 / 90.0;

fn liver() -> Material {
    Material { name: "liver".into(), young_pa: 5e3, poisson: 0.45, density_kg_m3: 1060.0, stress_limit_pa: 1e9 }
}

fn spec(mesh: TetMesh, pinned: impl Fn(Vec3) -> bool) -> BodySpec {
    let pinned = (0..mesh.vertices.len() as u32).filter(|&v| pinned(mesh.vertices[v as usize])).collect();
    let settings = SolverSettings { floor_y_m: None, ..SolverSettings::default() };
    BodySpec { mesh, materials: vec![liver()], pinned, settings, ..BodySpec::default() }
}

/// 60 × 30 × 60 mm, held along its bottom.
fn slab() -> SoftBody {
    SoftBody::new(spec(TetMesh::block([6, 3, 6], Vec3::new(0.06, 0.03, 0.06)), |x| x.y < 1e-6)).expect("a sound body")
}

/// Uniform in −½ to ½ (Knuth's 64-bit linear congruential generator, upper bits).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    fn point(&mut self) -> Vec3 {
        Vec3::new(self.next(), self.next(), self.next())
    }

    fn turn(&mut self) -> Quat {
        Quat::from_euler(glam::EulerRot::XYZ, self.next() * 6.3, self.next() * 6.3, self.next() * 6.3)
    }
}

fn quiet(tools: &[ToolShape]) -> Loads<'_> {
    Loads { mass_damping_per_s: 5.0, tools, ..Loads::default() }
}

fn is_finite(body: &SoftBody) -> bool {
    body.positions().iter().chain(body.velocities()).all(|x| x.is_finite())
}

fn farthest_from_rest(body: &SoftBody) -> f32 {
    body.rest_positions().iter().zip(body.positions()).map(|(a, b)| a.distance(*b)).fold(0.0, f32::max)
}

/// Left alone, the body is whole and back in its shape to a millimetre.
fn recovers(body: &mut SoftBody, ticks: usize) {
    for tick in 0..ticks {
        body.step(&quiet(&[]), DT).unwrap_or_else(|fault| panic!("tick {tick}: {fault}"));
    }
    assert!(is_finite(body));
    assert_eq!(body.volume().1, 0, "none inverted");
    let worst = farthest_from_rest(body);
    assert!(worst < 1e-3, "{worst} m from its shape");
}

fn thrown(change: impl Fn(Vec3) -> Vec3) -> SoftBody {
    let mut body = slab();
    let to: Vec<Vec3> = body.rest_positions().iter().map(|&x| change(x)).collect();
    body.set_positions(&to);
    body
}

#[test]
fn a_body_turned_inside_out_recovers() {
    let mut body = thrown(|x| Vec3::new(x.x, -x.y, x.z));
    assert!(body.volume().1 > 400, "the scene is really inverted");
    recovers(&mut body, 300);
}

#[test]
fn a_body_squashed_to_a_sheet_a_line_or_a_point_recovers() {
    recovers(&mut thrown(|x| Vec3::new(x.x, 0.0, x.z)), 200);
    recovers(&mut thrown(|x| Vec3::new(x.x, 0.015, 0.03)), 400);
    recovers(&mut thrown(|_| Vec3::new(0.03, 0.015, 0.03)), 400);
}

#[test]
fn a_body_scrambled_over_a_metre_recovers() {
    let mut random = Random(99);
    let mut body = slab();
    let to: Vec<Vec3> = body.rest_positions().iter().map(|&x| x + random.point()).collect();
    body.set_positions(&to);
    recovers(&mut body, 600);
}

/// Positions that are not numbers are not taken, and unsound loads are refused by name; the body goes on.
#[test]
fn what_is_not_a_number_does_not_enter() {
    let mut body = slab();
    let mut to = body.rest_positions().to_vec();
    to[60] = Vec3::splat(f32::NAN);
    to[61].x = f32::INFINITY;
    body.set_positions(&to);
    let nan = Vec3::splat(f32::NAN);
    let mut tool = rod(Vec3::new(0.0, 0.05, 0.03), Vec3::new(0.06, 0.05, 0.03), 0.001);
    tool.capsules[0].to = nan;
    assert_eq!(body.step(&quiet(&[tool]), DT), Err(StepError::Tool { tool: 0 }));
    assert_eq!(body.cut(&BladeSweep { polygon: vec![Vec3::ZERO, nan, Vec3::X] }).tets_added, 0);
    assert_eq!(body.cut(&BladeSweep { polygon: vec![Vec3::ZERO, Vec3::X * 1e30, Vec3::Y * 1e30] }).tets_added, 0);
    let jaws = JawRegion { world_from_tip: Pose::new(nan, Quat::IDENTITY), length_m: 0.02, half_opening_m: 0.01 };
    assert_eq!(body.grasp(0, &jaws), None);
    recovers(&mut body, 10);
}

/// One node is pulled away at 10 m/s for a tenth of a second, 1 m in all, and let go.
#[test]
fn a_body_dragged_at_ten_metres_per_second_recovers() {
    let mut body = slab();
    let top = (0..body.positions().len()).find(|&v| body.rest_positions()[v].distance(Vec3::new(0.03, 0.03, 0.03)) < 1e-4);
    let top = top.expect("a node in the middle of the top") as u32;
    let start = body.positions()[top as usize];
    for tick in 1..=9 {
        let driven = [(top, start + Vec3::new(0.3, 1.0, 0.2).normalize() * (10.0 * DT * tick as f32))];
        body.step(&Loads { driven: &driven, ..quiet(&[]) }, DT).expect("a solved tick");
        assert!(is_finite(&body));
    }
    recovers(&mut body, 300);
}

fn rod(from: Vec3, to: Vec3, radius_m: f32) -> ToolShape {
    ToolShape { tool: 0, pose: Pose::IDENTITY, capsules: vec![Capsule::still(from, to, radius_m)], friction: 0.3 }
}

fn move_by(tool: &mut ToolShape, shift: Vec3) {
    tool.pose.position += shift;
    for c in &mut tool.capsules {
        (c.previous_from, c.previous_to) = (c.from, c.to);
        (c.from, c.to) = (c.from + shift, c.to + shift);
    }
}

#[test]
fn a_tool_that_teleports_in_and_out_leaves_the_body_sound() {
    let mut random = Random(5);
    let mut body = slab();
    let mut tool = rod(Vec3::new(0.02, 0.05, 0.02), Vec3::new(0.05, 0.06, 0.04), 0.0025);
    for _ in 0..60 {
        let to = Vec3::new(0.03, 0.02, 0.03) + random.point() * 0.12;
        let shift = to - tool.capsules[0].from;
        move_by(&mut tool, shift);
        body.step(&quiet(std::slice::from_ref(&tool)), DT).expect("a solved tick");
        assert!(is_finite(&body));
    }
    recovers(&mut body, 300);
}

/// Two jaws 3 mm thick shut through a fold of tissue and past each other.
#[test]
fn jaws_that_close_through_the_tissue_leave_it_sound() {
    let mut body = slab();
    let jaw = |side: f32, apart: f32, before: f32| {
        let line = |gap: f32| (Vec3::new(0.03 + side * gap, 0.035, 0.03), Vec3::new(0.03 + side * gap, 0.012, 0.03));
        let ((from, to), (previous_from, previous_to)) = (line(apart), line(before));
        Capsule { from, to, previous_from, previous_to, radius_m: 0.0015 }
    };
    let mut before = 0.012;
    for tick in 0..60 {
        let apart = 0.012 - 0.0003 * tick as f32; // ends 6 mm past each other
        let capsules = vec![jaw(-1.0, apart, before), jaw(1.0, apart, before)];
        before = apart;
        let tools = [ToolShape { tool: 0, pose: Pose::IDENTITY, capsules, friction: 0.3 }];
        body.step(&quiet(&tools), DT).expect("a solved tick");
        assert!(is_finite(&body));
    }
    recovers(&mut body, 300);
}

/// Height at which the plumb line at `at` (x, z) meets a triangle.
fn height_over([a, b, c]: [Vec3; 3], at: Vec2) -> Option<f32> {
    let area = (b.xz() - a.xz()).perp_dot(c.xz() - a.xz());
    let (v, w) = ((at - a.xz()).perp_dot(c.xz() - a.xz()) / area, (b.xz() - a.xz()).perp_dot(at - a.xz()) / area);
    (v >= 0.0 && w >= 0.0 && v + w <= 1.0).then_some(a.y + (b.y - a.y) * v + (c.y - a.y) * w)
}

/// A sheet 4 mm thick, held along two sides, and a rod 1 mm thick that comes down on it 11.1 mm a tick: the sheet is carried along.
#[test]
fn a_rod_of_a_millimetre_at_one_metre_per_second_does_not_pass_a_sheet() {
    for start in [0.009, 0.011, 0.0137, 0.015] {
        let mesh = TetMesh::block([16, 1, 12], Vec3::new(0.064, 0.004, 0.048));
        let mut body = SoftBody::new(spec(mesh, |x| x.x < 1e-6 || x.x > 0.0639)).expect("a sound body");
        let mut tool = rod(Vec3::new(0.0337, start, 0.003), Vec3::new(0.0337, start, 0.045), 0.0005);
        let mut last = StepReport::default();
        for tick in 0..32 {
            let down = if tick < 2 { 1.0 * DT } else { 0.0 };
            move_by(&mut tool, Vec3::NEG_Y * down);
            last = body.step(&quiet(std::slice::from_ref(&tool)), DT).expect("a solved tick");
        }
        let height = tool.capsules[0].from.y;
        assert!(last.tool_forces[0].contact_n.y > 0.0, "from {start}: the sheet no longer presses on the rod");
        // where the plumb line through the rod's middle meets the top
        let plumb = Vec2::new(0.0337, 0.024);
        let top = body.surface().faces.iter().filter(|face| face.iter().all(|&v| body.rest_positions()[v as usize].y > 0.0039));
        let above =
            top.filter_map(|face| height_over(face.map(|v| body.positions()[v as usize]), plumb)).fold(f32::MIN, f32::max);
        assert!(above < height, "from {start}: the sheet stands at {above}, the rod at {height}");
        assert_eq!(body.volume().1, 0);
        recovers(&mut body, 200);
    }
}

/// At 10 m/s a tick is 111 mm: on its way the rod is met, and where it went out on the other side the body closes behind it.
#[test]
fn a_rod_through_the_body_at_ten_metres_per_second_is_met_and_leaves_it_sound() {
    for start in [0.045, 0.06, 0.075, 0.09] {
        let mut body = slab();
        let mut tool = rod(Vec3::new(-0.01, start, 0.031), Vec3::new(0.07, start, 0.031), 0.0005);
        let mut met = false;
        for _ in 0..2 {
            move_by(&mut tool, Vec3::NEG_Y * (10.0 * DT));
            let report = body.step(&quiet(std::slice::from_ref(&tool)), DT).expect("a solved tick");
            met |= report.tool_forces[0].contact_n.y > 0.0;
            assert!(is_finite(&body));
        }
        assert!(met, "from {start}: the rod passed unnoticed");
        recovers(&mut body, 300);
    }
}

fn inverted_at_rest(body: &SoftBody) -> usize {
    let rest = body.rest_positions();
    body.tets().iter().filter(|tet| tet_volume(tet.map(|v| rest[v as usize])) <= 0.0).count()
}

fn rectangle(centre: Vec3, along: Vec3, across: Vec3) -> BladeSweep {
    BladeSweep {
        polygon: vec![centre - along - across, centre + along - across, centre + along + across, centre - along + across],
    }
}

/// Cuts at random while it hangs, sways and is solved in between: 500, or as many as `HALSTED_CUTS` says.
#[test]
fn cuts_at_random_into_a_moving_body_keep_its_volume_and_turn_nothing() {
    let cuts = std::env::var("HALSTED_CUTS").ok().and_then(|count| count.parse().ok()).unwrap_or(500);
    let mut random = Random(11);
    let mut body = slab();
    let before = body.rest_volume();
    for cut in 0..cuts {
        let centre = Vec3::new(0.03, 0.015, 0.03) + random.point() * Vec3::new(0.06, 0.03, 0.06);
        let turn = random.turn();
        let report = body.cut(&rectangle(centre, turn * Vec3::X * 0.008, turn * Vec3::Y * 0.006));
        assert_eq!(report.pieces, body.pieces().count());
        if cut % 10 == 0 {
            let loads = Loads { gravity: Vec3::new(3.0 * random.next(), -9.81, 0.0), ..quiet(&[]) };
            body.step(&loads, DT).unwrap_or_else(|fault| panic!("after cut {cut}: {fault}"));
            assert!((body.rest_volume() / before - 1.0).abs() < 1e-6, "after cut {cut}");
            assert_eq!(inverted_at_rest(&body), 0, "after cut {cut}");
            assert!(is_finite(&body), "after cut {cut}");
        }
    }
}

/// Minced along three sets of planes, 5 mm apart, until nothing but crumbs and stumps are left; then it falls and is cut again.
#[test]
fn a_body_cut_to_dust_falls_and_can_be_cut_again() {
    let mesh = TetMesh::block([8, 8, 8], Vec3::splat(0.04));
    let settings = SolverSettings::default();
    let mut body = SoftBody::new(BodySpec { settings, ..spec(mesh, |x| x.y < 1e-6) }).expect("a sound body");
    let before = body.rest_volume();
    for axis in [Vec3::X, Vec3::Y, Vec3::Z] {
        for k in 1..8 {
            let centre = Vec3::splat(0.02) * (Vec3::ONE - axis) + axis * (0.005 * k as f32 + 0.0003);
            body.cut(&rectangle(centre, axis.zxy() * 0.03, axis.yzx() * 0.03));
        }
    }
    assert!(body.pieces().count() > 200, "{} pieces", body.pieces().count());
    for tick in 0..40 {
        let loads = Loads { gravity: Vec3::NEG_Y * 9.81, ..quiet(&[]) };
        body.step(&loads, DT).unwrap_or_else(|fault| panic!("tick {tick}: {fault}"));
        if tick % 10 == 0 {
            body.cut(&rectangle(Vec3::splat(0.011), Vec3::new(0.03, 0.01, 0.0), Vec3::new(0.0, 0.01, 0.03)));
        }
    }
    assert!(is_finite(&body));
    assert_eq!(inverted_at_rest(&body), 0);
    assert!((body.rest_volume() / before - 1.0).abs() < 1e-6);
    assert!(body.positions().iter().all(|x| x.y > -0.01 && x.length() < 1.0), "nothing is thrown");
}

/// What is cut off in the jaws stays in them however small it is, weighs nothing in the hand, and falls when they open.
#[test]
fn a_crumb_in_the_jaws_is_carried() {
    let mut body = slab();
    let hold = |at: Vec3| JawRegion {
        world_from_tip: Pose { position: at, rotation: Quat::IDENTITY },
        length_m: 0.01,
        half_opening_m: 0.003,
    };
    let corner = Vec3::new(0.06, 0.03, 0.06);
    let region = hold(corner - Vec3::new(0.0, 0.0, 0.005));
    let held = body.grasp(0, &region).expect("the corner is held").nodes;
    let cut = body.cut(&rectangle(corner - Vec3::splat(0.006), Vec3::new(0.03, -0.03, 0.0), Vec3::new(0.02, 0.02, -0.04)));
    assert_eq!(cut.pieces, 2, "the corner is off");
    let tool = |at: Vec3| ToolShape { tool: 0, pose: hold(at).world_from_tip, capsules: vec![], friction: 0.0 };
    let start = region.world_from_tip.position;
    let node = held[0] as usize;
    let apart = |body: &SoftBody, at: Vec3| body.positions()[node] - at;
    let mut first = None;
    for tick in 1..=60 {
        let at = start + Vec3::Y * (0.001 * tick as f32);
        let tools = [tool(at)];
        let report = body.step(&Loads { gravity: Vec3::NEG_Y * 9.81, ..quiet(&tools) }, DT).expect("a sound tick");
        let first = *first.get_or_insert(apart(&body, at));
        assert!((apart(&body, at) - first).length() < 1e-5, "tick {tick}");
        assert!(tick == 1 || report.tool_forces[0].grip_n.length() < 1e-3, "tick {tick}: {}", report.tool_forces[0].grip_n);
    }
    assert!(body.is_grasped(0));
    body.release(0);
    let before = body.positions()[node].y;
    for _ in 0..20 {
        body.step(&Loads { gravity: Vec3::NEG_Y * 9.81, ..quiet(&[]) }, DT).expect("a sound tick");
    }
    assert!(body.positions()[node].y < before - 0.05, "it does not fall");
}

/// An element without volume, or inside out, is named by its number, wherever it stands in the list and however small the mesh.
#[test]
fn elements_without_volume_are_refused_by_number() {
    for scale in [1.0, 1e-3] {
        let mesh = || TetMesh::block([3, 3, 3], Vec3::splat(0.03 * scale));
        let with = |change: fn(&mut [u32; 4])| {
            let mut mesh = mesh();
            change(&mut mesh.tets[77]);
            SoftBody::new(spec(mesh, |_| false)).err()
        };
        assert!(with(|_| ()).is_none(), "tetrahedra of {} mm are taken", 10.0 * scale);
        assert!(matches!(with(|t| t.swap(0, 1)), Some(BodyError::Mesh(MeshError::NotPositive { tet: 77, .. }))));
        assert!(matches!(with(|t| t[0] = t[1]), Some(BodyError::Mesh(MeshError::NotPositive { tet: 77, volume: 0.0 }))));
        let mut flat = mesh();
        let [a, b, c, d] = flat.tets[77];
        let middle = (flat.vertices[a as usize] + flat.vertices[b as usize] + flat.vertices[c as usize]) / 3.0;
        flat.vertices[d as usize] = middle;
        let refusal = SoftBody::new(spec(flat, |_| false)).err().expect("a flat element is refused");
        assert!(refusal.to_string().contains("tetrahedron"), "{refusal}");
    }
}

/// A cube of 8 mm in elements of 1 mm, hung up: its sag is that of the same cube ten times as large, by similarity, where E grows with the size.
#[test]
fn elements_of_a_millimetre_hang_as_large_ones_do() {
    let sag = |scale: f32| {
        let mut spec = spec(TetMesh::block([8, 8, 8], Vec3::splat(0.008 * scale)), |x| x.y > 0.00799 * scale);
        spec.materials[0].young_pa = 300.0 * scale;
        let mut body = SoftBody::new(spec).expect("a sound body");
        for _ in 0..200 {
            body.step(&Loads { gravity: Vec3::NEG_Y * 9.81, ..quiet(&[]) }, DT).expect("a solved tick");
        }
        assert_eq!(body.volume().1, 0);
        farthest_from_rest(&body) / scale
    };
    let (small, large) = (sag(1.0), sag(10.0));
    // ρ g L² / 2E = 1.1 mm for a bar without sideways restraint, stiffer here: held over its whole top
    assert!(small > 4e-4 && small < 1.2e-3, "{small}");
    assert!((small / large - 1.0).abs() < 0.02, "{small} {large}");
}

/// Every edge of the boundary belongs to two faces, once in each direction.
fn is_closed(body: &SoftBody) -> bool {
    let faces = &body.surface().faces;
    let mut edges: Vec<(u32, u32)> = faces.iter().flat_map(|&[a, b, c]| [(a, b), (b, c), (c, a)]).collect();
    edges.sort_unstable();
    let count = edges.len();
    edges.dedup();
    count == edges.len() && edges.iter().all(|&(a, b)| edges.binary_search(&(b, a)).is_ok())
}

/// Two hands at random over one body: they press, jump, grasp, pull, let go and cut. The answer is the number of inverted elements once it was
/// left alone.
fn handle_at_random(seed: u64) -> usize {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995);
    let chance = |share: f32, random: &mut Random| random.next() + 0.5 < share;
    let cells = [3 + (seed % 5) as usize, 2 + (seed / 5 % 3) as usize, 3 + (seed / 15 % 4) as usize];
    let size = Vec3::new(0.06, 0.03, 0.06) * if seed.is_multiple_of(7) { 0.1 } else { 1.0 };
    let settings = SolverSettings { floor_y_m: (!seed.is_multiple_of(3)).then_some(0.0), ..SolverSettings::default() };
    let held_below = if seed % 4 == 3 { -1.0 } else { 1e-6 };
    let mut body =
        SoftBody::new(BodySpec { settings, ..spec(TetMesh::block(cells, size), |x| x.y < held_below) }).expect("a sound body");
    let volume = body.rest_volume();
    let mut hands = [0u8, 1].map(|tool| {
        let at = size * Vec3::new(0.3 + 0.4 * f32::from(tool), 1.6, 0.5);
        ToolShape { tool, ..rod(at, at + Vec3::new(0.02, 0.1, 0.0), 0.0005 + 0.002 * (random.next() + 0.5)) }
    });
    let mut velocity = [Vec3::ZERO; 2];
    for tick in 0..120 {
        for (hand, velocity) in hands.iter_mut().zip(&mut velocity) {
            let inside = size * 0.5 + random.point() * size * 1.6;
            if chance(0.1, &mut random) {
                *velocity = (inside - hand.capsules[0].from).normalize_or_zero() * (random.next() + 0.5) * 1.5;
            }
            let jump = if chance(0.005, &mut random) { inside - hand.capsules[0].from } else { *velocity * DT };
            move_by(hand, jump);
            let tip = hand.capsules[0].from;
            if chance(0.05, &mut random) {
                let (length_m, half_opening_m) = (0.02, 0.008);
                // the pose's own point is what holds move with
                hand.pose = Pose::new(tip, random.turn());
                body.grasp(hand.tool, &JawRegion { world_from_tip: hand.pose, length_m, half_opening_m });
            }
            if chance(0.04, &mut random) {
                body.release(hand.tool);
            }
            if chance(0.08, &mut random) {
                let turn = random.turn();
                let reach = size.x * (0.1 + 0.3 * (random.next() + 0.5));
                body.cut(&rectangle(inside, turn * Vec3::X * reach, turn * Vec3::Y * reach));
                assert!((body.rest_volume() / volume - 1.0).abs() < 1e-6, "seed {seed}, tick {tick}: volume at rest");
                assert_eq!(inverted_at_rest(&body), 0, "seed {seed}, tick {tick}: inverted at rest");
                assert!(is_closed(&body), "seed {seed}, tick {tick}: the boundary is open");
            }
        }
        let loads = Loads { gravity: Vec3::NEG_Y * 9.81, ..quiet(&hands) };
        body.step(&loads, DT).unwrap_or_else(|fault| panic!("seed {seed}, tick {tick}: {fault}"));
        assert!(is_finite(&body), "seed {seed}, tick {tick}: not finite");
    }
    for hand in &hands {
        body.release(hand.tool);
    }
    for tick in 0..150 {
        let loads = Loads { gravity: Vec3::NEG_Y * 9.81, ..quiet(&[]) };
        body.step(&loads, DT).unwrap_or_else(|fault| panic!("seed {seed}, alone for {tick}: {fault}"));
    }
    assert!(is_finite(&body), "seed {seed}: not finite");
    body.volume().1
}

/// Finite, solved at every tick, closed, with the volume and the orientation it has at rest, and nothing inverted once it is left alone. With
/// `HALSTED_FUZZ_SECS` set, ever more seeds for so many seconds, from `HALSTED_FUZZ_SEED` on, with a line for each hundred on standard error; then folded
/// bodies are counted only.
#[test]
fn a_body_handled_at_random_stays_sound() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = number("HALSTED_FUZZ_SEED").unwrap_or(0);
    let wanted = number("HALSTED_FUZZ_SECS").map(std::time::Duration::from_secs);
    let start = std::time::Instant::now();
    let (mut seed, mut left) = (first, 0);
    while wanted.map_or(seed < first + 8, |wanted| start.elapsed() < wanted) {
        let inverted = handle_at_random(seed);
        if inverted > 0 {
            eprintln!("seed {seed}: {inverted} elements stay inverted");
            assert!(wanted.is_some(), "seed {seed}: {inverted} elements stay inverted");
            left += 1;
        }
        seed += 1;
        if seed.is_multiple_of(100) {
            eprintln!("{} bodies handled, {left} with inverted elements left", seed - first);
        }
    }
    eprintln!("{} bodies handled, {left} with inverted elements left", seed - first);
}

/// Everything that changes a mesh at once: it is pulled until it tears and its bands give way, bruised, cut, bitten into and punched, at random.
/// What is taken and what is left add up, nothing turns over, and it is solved at every tick.
#[test]
fn a_body_that_tears_bruises_and_is_bitten_stays_sound() {
    let (mut torn, mut lost, mut bruised, mut taken) = (0, 0, 0, 0);
    for seed in 0..2 {
        let mut random = Random(0x7ea2 + seed);
        let mut body = slab();
        let rule = Tearing { toughness_j_m2: 5.0, strength_pa: 3e3 };
        body.set_tearing(&[Some(rule)]).expect("a sound rule");
        body.set_limits(&[limits_of("liver")]).expect("sound limits");
        let nodes = (0..body.positions().len() as u32).filter(|&v| body.rest_positions()[v as usize].z < 1e-6).collect();
        let band =
            Band { name: "band".into(), nodes, toward: Vec3::NEG_Z, length_m: 0.02, stiffness_n_m: 200.0, strength_n: 1.0 };
        body.attach(band).expect("a sound band");
        let mut volume = body.rest_volume();
        let mut hand = rod(Vec3::new(0.03, 0.04, 0.03), Vec3::new(0.03, 0.15, 0.03), 0.0025);
        let mut velocity = Vec3::ZERO;
        for tick in 0..120 {
            if tick % 15 == 0 {
                let inside = Vec3::new(0.03, 0.02, 0.03) + random.point() * Vec3::new(0.05, 0.03, 0.05);
                velocity = (inside - hand.capsules[0].from).clamp_length_max(0.05) * 3.0;
                if tick % 30 == 15 {
                    hand.pose = Pose::new(hand.capsules[0].from, random.turn());
                    body.grasp(0, &JawRegion { world_from_tip: hand.pose, length_m: 0.02, half_opening_m: 0.008 });
                    velocity = Vec3::new(random.next(), 0.7, random.next()) * 0.6;
                }
            }
            move_by(&mut hand, velocity * DT);
            let at = Vec3::new(0.03, 0.015, 0.03) + random.point() * Vec3::new(0.06, 0.03, 0.06);
            match tick % 25 {
                7 => {
                    let turn = random.turn();
                    lost += body.cut(&rectangle(at, turn * Vec3::X * 0.02, turn * Vec3::Y * 0.02)).divided.len();
                }
                13 => {
                    let removal = body.ablate(&Region::Ball { centre: at, radius_m: 0.006 });
                    (volume, taken) = (volume - removal.volume_m3, taken + removal.tets);
                }
                19 => {
                    let removal = body.punch(at, at + random.point() * 0.04, 0.004);
                    (volume, taken) = (volume - removal.volume_m3, taken + removal.tets);
                }
                _ => {}
            }
            let loads = Loads { gravity: Vec3::NEG_Y * 9.81, ..quiet(std::slice::from_ref(&hand)) };
            let report = body.step(&loads, DT).unwrap_or_else(|fault| panic!("seed {seed}, tick {tick}: {fault}"));
            bruised += body.bruise(&report, DT).len();
            lost += body.give_way().len();
            torn += usize::from(body.tear().is_some());
            assert!(is_finite(&body), "seed {seed}, tick {tick}");
            assert!((body.rest_volume() - volume).abs() < 2e-6 * volume, "seed {seed}, tick {tick}: volume");
            assert_eq!(inverted_at_rest(&body), 0, "seed {seed}, tick {tick}");
        }
    }
    assert!(torn > 5 && lost > 1 && bruised > 2 && taken > 20, "{torn} tears, {lost} losses, {bruised} bruises, {taken} taken");
}
