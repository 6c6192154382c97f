//! Contact, friction and grasps against known answers: rest, Coulomb's law, forces and torques that balance, tissue on tissue.

use glam::{Quat, Vec3};
use halsted::geom::{Pose, TetMesh};
use halsted::tissue::{
    BladeSweep, BodySpec, Capsule, JawRegion, Loads, Material, SoftBody, SolverSettings, StepReport, ToolForce, ToolShape,
};

const DT: f32 = 1.0 / 90.0;

fn tissue(young_pa: f32) -> Material {
    Material { name: "tissue".into(), young_pa, poisson: 0.45, density_kg_m3: 1000.0, stress_limit_pa: 1e9 }
}

fn body_of(mesh: TetMesh, young_pa: f32, settings: SolverSettings, pinned: impl Fn(Vec3) -> bool) -> SoftBody {
    let pinned = (0..mesh.vertices.len() as u32).filter(|&v| pinned(mesh.vertices[v as usize])).collect();
    let materials = vec![tissue(young_pa)];
    SoftBody::new(BodySpec { mesh, materials, pinned, settings, ..BodySpec::default() }).expect("a sound body")
}

fn in_space() -> SolverSettings {
    SolverSettings { floor_y_m: None, ..SolverSettings::default() }
}

fn step(body: &mut SoftBody, loads: &Loads) -> StepReport {
    body.step(loads, DT).expect("a solved tick")
}

fn mean(points: impl Iterator<Item = Vec3>) -> Vec3 {
    let (sum, count) = points.fold((Vec3::ZERO, 0), |(sum, count), x| (sum + x, count + 1));
    sum / count as f32
}

fn kinetic_j(body: &SoftBody) -> f32 {
    body.masses().iter().zip(body.velocities()).map(|(m, v)| 0.5 * m * v.length_squared()).sum()
}

fn tool(capsules: Vec<Capsule>, friction: f32) -> ToolShape {
    ToolShape { tool: 0, pose: Pose::IDENTITY, capsules, friction }
}

/// A pad 100 × 50 × 100 mm, held below.
fn pad() -> SoftBody {
    body_of(TetMesh::block([10, 5, 10], Vec3::new(0.1, 0.05, 0.1)), 5e3, in_space(), |x| x.y < 1e-9)
}

/// A ball of 20 mm, a shaft aslant and a shaft along a row of elements are pressed in 5 mm and held. After two seconds at the damping of a session
/// nothing moves faster than 0.5 mm/s and the force keeps to a thousandth.
#[test]
fn what_is_pressed_in_and_held_comes_to_rest() {
    let lines = [
        (Vec3::new(0.052, 0.0, 0.047), Vec3::new(0.052, 0.0, 0.047), 0.02),
        (Vec3::new(0.03, 0.0, 0.047), Vec3::new(0.13, 0.05, 0.07), 0.0025),
        (Vec3::new(-0.02, 0.0, 0.05), Vec3::new(0.12, 0.0, 0.05), 0.0025),
    ];
    for (case, (from, to, radius_m)) in lines.into_iter().enumerate() {
        let mut body = pad();
        let mut before = Vec3::Y * (0.05 + radius_m + 1e-3);
        let (mut least, mut most) = (f32::MAX, f32::MIN);
        for tick in 0..270 {
            let lift = Vec3::Y * (0.05 + radius_m + 1e-3 - 6e-3 * (tick as f32 / 60.0).min(1.0));
            let capsule =
                Capsule { from: from + lift, to: to + lift, previous_from: from + before, previous_to: to + before, radius_m };
            before = lift;
            let tools = [tool(vec![capsule], 0.3)];
            let report = step(&mut body, &Loads { tools: &tools, mass_damping_per_s: 5.0, ..Loads::default() });
            if tick >= 240 {
                let force = report.tool_forces[0].contact_n.length();
                (least, most) = (least.min(force), most.max(force));
            }
        }
        assert!(least > 0.02, "case {case}: {least} N");
        assert!(most - least < 1e-3 * most, "case {case}: the force goes from {least} to {most} N");
        let fastest = body.velocities().iter().map(|v| v.length()).fold(0.0, f32::max);
        assert!(fastest < 5e-4, "case {case}: {fastest} m/s, {} J", kinetic_j(&body));
    }
}

/// What the pinned bottom carries is what the tool presses, to 1 % in force and torque about one point, for a shaft aslant with friction and for one
/// along a row of elements.
#[test]
fn forces_and_torques_on_a_tool_balance_the_support() {
    for (from, to) in
        [(Vec3::new(0.03, 0.0, 0.047), Vec3::new(0.13, 0.05, 0.07)), (Vec3::new(0.02, 0.0, 0.05), Vec3::new(0.083, 0.0, 0.05))]
    {
        let mut body = pad();
        let held: Vec<(u32, Vec3)> = body.pinned().iter().map(|&v| (v, body.positions()[v as usize])).collect();
        let pivot = Vec3::new(0.1, 0.2, -0.1);
        let mut before = Vec3::Y * 0.055;
        let mut last = StepReport::default();
        for tick in 0..240 {
            let lift = Vec3::new(0.004, -0.01, 0.002) * (tick as f32 / 90.0).min(1.0) + Vec3::Y * 0.055;
            let [start, end] = [before, lift];
            before = lift;
            let capsule = Capsule {
                from: from + end,
                to: to + end,
                previous_from: from + start,
                previous_to: to + start,
                radius_m: 0.0025,
            };
            let mut tools = [tool(vec![capsule], 0.3)];
            tools[0].pose.position = pivot;
            last = step(&mut body, &Loads { tools: &tools, driven: &held, mass_damping_per_s: 5.0, ..Loads::default() });
        }
        let felt = last.tool_forces[0];
        let (mut force, mut torque) = (Vec3::ZERO, Vec3::ZERO);
        for (&(_, at), &reaction) in held.iter().zip(&last.driven_forces) {
            force += reaction;
            torque += (at - pivot).cross(reaction);
        }
        assert!(felt.contact_n.y > 0.05 && felt.contact_n.x < -0.01, "{felt:?}");
        assert!((force - felt.contact_n).length() < 0.01 * felt.contact_n.length(), "support {force}, felt {felt:?}");
        assert!((torque - felt.torque_nm).length() < 0.01 * felt.torque_nm.length(), "support {torque}, felt {felt:?}");
    }
}

mod friction {
    use super::*;

    /// A flat block on the floor (μ 0.5) under gravity that is tilted by `angle`: how far it is after each tick of a second, m.
    fn on_a_slope(angle_deg: f32) -> Vec<f32> {
        let mut body =
            body_of(TetMesh::block([6, 1, 4], Vec3::new(0.06, 0.01, 0.04)), 50e3, SolverSettings::default(), |_| false);
        let gravity = Quat::from_rotation_z(angle_deg.to_radians()) * (Vec3::NEG_Y * 9.81);
        let flat = Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 20.0, ..Loads::default() };
        for _ in 0..60 {
            step(&mut body, &flat);
        }
        let start = mean(body.positions().iter().copied()).x;
        (0..90)
            .map(|_| {
                step(&mut body, &Loads { gravity, ..Loads::default() });
                mean(body.positions().iter().copied()).x - start
            })
            .collect()
    }

    /// Below the angle of friction, 26.6°, it stays: it leans as it takes the load and does not creep after that. (A friction law in velocities alone
    /// creeps by millimetres a second.)
    #[test]
    fn a_block_sticks_below_the_angle_of_friction() {
        for angle in [10.0, 20.0, 25.0] {
            let way = on_a_slope(angle);
            assert!(way[89].abs() < 1e-3, "{angle}°: {} m", way[89]);
            assert!((way[89] - way[59]).abs() < 2e-5, "{angle}°: creeps by {} m", way[89] - way[59]);
        }
    }

    /// Above it a block slides with g (sin θ − μ cos θ). Tolerance: 5 %, for it leans and rocks as it sets off.
    #[test]
    fn a_block_slides_above_the_angle_of_friction() {
        for angle in [30.0f32, 40.0] {
            let way = on_a_slope(angle);
            let expected = 9.81 * (angle.to_radians().sin() - 0.5 * angle.to_radians().cos());
            // from three places half a second apart in all
            let acceleration = (way[89] - 2.0 * way[67] + way[45]) / (22.0 * DT * 22.0 * DT);
            assert!((acceleration / expected - 1.0).abs() < 0.05, "{angle}°: {acceleration} m/s², expected {expected}");
        }
    }
}

mod grasps {
    use super::*;

    /// Jaws from above, their tips at `tip`.
    fn jaws(tip: Vec3) -> JawRegion {
        let rotation = Quat::from_rotation_x(-std::f32::consts::FRAC_PI_2);
        JawRegion { world_from_tip: Pose::new(tip, rotation), length_m: 0.02, half_opening_m: 0.008 }
    }

    fn holder(number: u8, region: &JawRegion) -> ToolShape {
        ToolShape { tool: number, pose: region.world_from_tip, capsules: vec![], friction: 0.3 }
    }

    /// Pulled up 0.5 mm a tick: the pull on the jaws at each tick, until they have lost all.
    fn pull(body: &mut SoftBody, pinch_n: f32) -> Vec<ToolForce> {
        let mut region = jaws(Vec3::new(0.05, 0.04, 0.05));
        body.grasp(0, &region).expect("something lies between the jaws");
        body.pinch(0, pinch_n);
        let mut felt = Vec::new();
        for _ in 0..400 {
            region.world_from_tip.position.y += 0.0005;
            let tools = [holder(0, &region)];
            let report = step(body, &Loads { tools: &tools, mass_damping_per_s: 5.0, ..Loads::default() });
            felt.push(report.tool_forces[0]);
            if report.slipped == [0] {
                return felt;
            }
            assert!(report.slipped.is_empty());
        }
        panic!("never lost, the last pull {:?}", felt.last());
    }

    /// A hold gives way at 2 μ N, stays at it while tissue slides through the jaws, and lets go when the last is out. Tolerance: 1 %.
    #[test]
    fn a_hold_slips_at_twice_the_friction_of_the_pinch() {
        for pinch_n in [0.5f32, 1.0, 2.0] {
            let mut body = pad();
            let felt = pull(&mut body, pinch_n);
            let most = felt.iter().map(|f| f.grip_n.length()).fold(0.0, f32::max);
            let expected = 2.0 * body.settings().jaw_friction * pinch_n;
            assert!((most / expected - 1.0).abs() < 0.01, "{pinch_n} N: slips at {most} N, expected {expected}");
            let sliding = felt.iter().filter(|f| f.grip_n.length() > 0.98 * expected).count();
            assert!(sliding > 10, "slides for {sliding} ticks");
            let first = felt[0];
            // between the whole of jaws 5 × 20 mm and a millimetre of them
            assert!(first.pinch_n == pinch_n && first.pinch_pa >= pinch_n / 1e-4 * 0.999 && first.pinch_pa <= pinch_n / 5e-6);
            assert!(!body.is_grasped(0) && body.pinched(0) == (0.0, 0.0));
            for _ in 0..200 {
                step(&mut body, &Loads { mass_damping_per_s: 5.0, ..Loads::default() });
            }
            assert_eq!(body.volume().1, 0);
            let worst = body.rest_positions().iter().zip(body.positions()).map(|(a, b)| a.distance(*b)).fold(0.0, f32::max);
            assert!(worst < 1e-4, "back in its shape but for {worst} m");
        }
    }

    /// Two hands pull one organ apart: each is answered by the other and by the support, in force and torque.
    #[test]
    fn two_hands_on_one_organ_balance_with_its_support() {
        let mut body = pad();
        let held: Vec<(u32, Vec3)> = body.pinned().iter().map(|&v| (v, body.positions()[v as usize])).collect();
        let mut regions = [jaws(Vec3::new(0.03, 0.045, 0.05)), jaws(Vec3::new(0.07, 0.045, 0.05))];
        for (number, region) in (0u8..).zip(&regions) {
            body.grasp(number, region).expect("something lies between the jaws");
        }
        let mut last = StepReport::default();
        for tick in 0..240 {
            if tick < 60 {
                regions[0].world_from_tip.position += Vec3::new(-2e-4, 1e-4, 0.0);
                regions[1].world_from_tip.position += Vec3::new(1e-4, 1e-4, 1e-4);
            }
            let tools = [holder(0, &regions[0]), holder(1, &regions[1])];
            last = step(&mut body, &Loads { tools: &tools, driven: &held, mass_damping_per_s: 5.0, ..Loads::default() });
            assert!(last.slipped.is_empty());
        }
        let (mut force, mut torque) = (Vec3::ZERO, Vec3::ZERO);
        for (&(_, at), &reaction) in held.iter().zip(&last.driven_forces) {
            force += reaction;
            torque += at.cross(reaction);
        }
        let (mut pulled, mut turned, mut scale) = (Vec3::ZERO, Vec3::ZERO, (0.0, 0.0));
        for (felt, region) in last.tool_forces.iter().zip(&regions) {
            let arm = region.world_from_tip.position;
            pulled += felt.grip_n;
            turned += felt.torque_nm + arm.cross(felt.grip_n);
            scale = (scale.0 + felt.grip_n.length(), scale.1 + (arm.cross(felt.grip_n) + felt.torque_nm).length());
        }
        assert!(last.tool_forces.iter().all(|felt| felt.grip_n.length() > 0.1), "{:?}", last.tool_forces);
        assert!((force - pulled).length() < 0.01 * scale.0, "support {force}, felt {pulled}");
        assert!((torque - turned).length() < 0.01 * scale.1, "support {torque}, felt {turned}");
    }
}

mod tissue_on_tissue {
    use super::*;

    fn meeting() -> SolverSettings {
        SolverSettings { self_contact: true, ..in_space() }
    }

    fn lowest(body: &SoftBody, is_upper: impl Fn(Vec3) -> bool) -> f32 {
        let upper = body.rest_positions().iter().zip(body.positions()).filter(|(rest, _)| is_upper(**rest));
        upper.map(|(_, x)| x.y).fold(f32::MAX, f32::min)
    }

    /// Two blocks in one body, the upper 10 mm above the lower.
    fn two_blocks(settings: SolverSettings) -> SoftBody {
        let mut mesh = TetMesh::block([6, 3, 6], Vec3::new(0.06, 0.03, 0.06));
        let upper = TetMesh::block([5, 3, 5], Vec3::new(0.04, 0.02, 0.04));
        let first = mesh.vertices.len() as u32;
        mesh.vertices.extend(upper.vertices.iter().map(|&x| x + Vec3::new(0.0113, 0.04, 0.0087)));
        mesh.tets.extend(upper.tets.iter().map(|tet| tet.map(|v| v + first)));
        body_of(mesh, 5e3, settings, |x| x.y < 1e-9)
    }

    /// The upper block falls on the lower one, rests on it with its weight, and lies still. Without self-contact it falls through.
    #[test]
    fn a_block_that_falls_on_another_rests_on_it() {
        let mut body = two_blocks(meeting());
        let held: Vec<(u32, Vec3)> = body.pinned().iter().map(|&v| (v, body.positions()[v as usize])).collect();
        let loads = Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 5.0, driven: &held, ..Loads::default() };
        let mut last = StepReport::default();
        for _ in 0..270 {
            last = step(&mut body, &loads);
        }
        let height = lowest(&body, |rest| rest.y > 0.035);
        let top = mean(
            body.rest_positions()
                .iter()
                .zip(body.positions())
                .filter(|(r, _)| (r.y - 0.03).abs() < 1e-6 && (*r - Vec3::new(0.03, 0.03, 0.03)).length() < 0.011)
                .map(|(_, x)| *x),
        )
        .y;
        assert!((height - top).abs() < 1.5e-3, "the upper block stands at {height}, the lower reaches {top}");
        // the held nodes bear their own
        let is_held = |node: usize| body.pinned().binary_search(&(node as u32)).is_ok();
        let weight = 9.81 * body.masses().iter().enumerate().filter(|(node, _)| !is_held(*node)).map(|(_, m)| m).sum::<f32>();
        let support: Vec3 = last.driven_forces.iter().sum();
        assert!((support.y.abs() / weight - 1.0).abs() < 0.01, "{support}, weight {weight}");
        let fastest = body.velocities().iter().map(|v| v.length()).fold(0.0, f32::max);
        assert!(fastest < 1e-3, "{fastest} m/s");

        let mut body = two_blocks(in_space());
        for _ in 0..90 {
            step(&mut body, &Loads { driven: &[], ..loads });
        }
        assert!(lowest(&body, |rest| rest.y > 0.035) < 0.0, "without self-contact the test could not fail");
    }

    /// A block cut in two: the halves lie on one another where they were, under a load that would push one through the other.
    #[test]
    fn the_halves_of_a_cut_do_not_pass_through_one_another() {
        let mut body = body_of(TetMesh::block([6, 6, 6], Vec3::splat(0.06)), 5e3, meeting(), |x| x.y < 1e-9);
        let corner = |x: f32, z: f32| Vec3::new(x, 0.0313, z);
        let polygon = vec![corner(-0.01, -0.01), corner(0.07, -0.01), corner(0.07, 0.07), corner(-0.01, 0.07)];
        assert_eq!(body.cut(&BladeSweep { polygon }).pieces, 2);
        let upper = |body: &SoftBody| -> Vec<u32> {
            let free = body.pieces().pinned.iter().position(|&pinned| !pinned).expect("a free piece") as u32;
            let mut nodes: Vec<u32> = (0..body.tets().len())
                .filter(|&tet| body.pieces().of_tet[tet] == free)
                .flat_map(|tet| body.tets()[tet])
                .collect();
            nodes.sort_unstable();
            nodes.dedup();
            nodes
        };
        let nodes = upper(&body);
        let before = body.positions().to_vec();
        for _ in 0..200 {
            step(&mut body, &Loads { gravity: Vec3::NEG_Y * 9.81, mass_damping_per_s: 5.0, ..Loads::default() });
        }
        let sunk = nodes.iter().map(|&v| before[v as usize].y - body.positions()[v as usize].y).fold(0.0, f32::max);
        // ρ g L² / 2E of the whole is 3.5 mm, less where the bottom is held
        assert!(sunk < 5e-3, "the upper half sank by {sunk} m");
        assert_eq!(body.volume().1, 0);
        let shift = mean(nodes.iter().map(|&v| body.positions()[v as usize] - before[v as usize]));
        assert!(shift.x.abs() < 1e-3 && shift.z.abs() < 1e-3, "it stays where it was: {shift}");
    }
}
