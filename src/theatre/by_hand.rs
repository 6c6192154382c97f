//! Peg transfer with one mouse, by a scripted person who sees where things are and has nothing but the pointer, two buttons and keys:
//! whole pixels, no faster than a hand. Shows that the desk's controls are enough for the task.

use bevy::{
    input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll},
    prelude::*,
    window::PrimaryWindow,
};

use super::{mouse, scene};
use crate::{
    clock::plugin::{SessionState, Tick},
    geom::Pose,
    instrument::{Side, plugin::Tool},
    rigid::{
        Half,
        plugin::{PegBoard, RingObject},
    },
    scenario::plugin::CaseRun,
    session::plugin::{Outcome, SessionConfig, Source, headless_app},
};

/// The pointer's fastest, px a frame of 1/90 s: 1080 px/s.
const FASTEST_PX: f32 = 12.0;
/// Height of the tips on their way between the pegs, and of the rings that they carry, m.
const TRAVEL_M: f32 = 0.085;
const SIZE: Vec2 = Vec2::new(1280.0, 720.0);

struct Person {
    app: App,
}

impl Person {
    fn sit_down(case: &str) -> Self {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let config = SessionConfig {
            case: root.join("scenarios").join(case).with_extension("ron"),
            assets: root.join("assets"),
            seed: 1,
            source: Source::Live("mouse"),
            trace: None,
        };
        let mut app = headless_app(config, None);
        app.init_resource::<ButtonInput<KeyCode>>()
            .init_resource::<ButtonInput<MouseButton>>()
            .init_resource::<AccumulatedMouseMotion>()
            .init_resource::<AccumulatedMouseScroll>();
        mouse::plugin(&mut app);
        app.world_mut().spawn((Window { resolution: (SIZE.x as u32, SIZE.y as u32).into(), ..default() }, PrimaryWindow));
        let mut person = Self { app };
        while *person.app.world().resource::<SessionState>() == SessionState::Waiting {
            person.app.update();
        }
        let view = scene::view_of(&person.app.world().resource::<CaseRun>().scenario);
        let camera = person.app.world_mut().spawn(scene::camera()).id();
        person.app.world_mut().entity_mut(camera).insert(view);
        person
    }

    fn is_over(&self) -> bool {
        *self.app.world().resource::<SessionState>() == SessionState::Ended
    }

    fn frame(&mut self, pixels: Vec2) {
        self.app.insert_resource(AccumulatedMouseMotion { delta: pixels });
        self.app.update();
        let world = self.app.world_mut();
        world.resource_mut::<ButtonInput<KeyCode>>().clear();
        world.resource_mut::<ButtonInput<MouseButton>>().clear();
    }

    fn wait(&mut self, secs: f32) {
        for _ in 0..(secs * 90.0) as usize {
            self.frame(Vec2::ZERO);
        }
    }

    fn tap(&mut self, key: KeyCode) {
        self.app.world_mut().resource_mut::<ButtonInput<KeyCode>>().press(key);
        self.frame(Vec2::ZERO);
        self.app.world_mut().resource_mut::<ButtonInput<KeyCode>>().release(key);
        self.frame(Vec2::ZERO);
    }

    fn button(&mut self, button: MouseButton, down: bool) {
        let mut buttons = self.app.world_mut().resource_mut::<ButtonInput<MouseButton>>();
        if down { buttons.press(button) } else { buttons.release(button) }
    }

    /// Takes a hand; what the other holds it keeps.
    fn take_up(&mut self, side: Side) {
        self.tap(if side == Side::Left { KeyCode::Digit1 } else { KeyCode::Digit2 });
        self.button(MouseButton::Left, false);
        self.wait(0.1);
    }

    fn squeeze(&mut self, closed: bool) {
        self.button(MouseButton::Left, closed);
        self.wait(0.35);
    }

    fn tool(&mut self, side: Side) -> Tool {
        let world = self.app.world_mut();
        world.query::<&Tool>().iter(world).find(|tool| tool.side == side).cloned().expect("both tools are there")
    }

    fn ring(&mut self, name: &str) -> (RingObject, Pose) {
        let world = self.app.world_mut();
        let mut rings = world.query::<(&RingObject, &Transform)>();
        let (ring, at) = rings.iter(world).find(|(ring, _)| ring.name == name).expect("the ring is there");
        (ring.clone(), Pose { position: at.translation, rotation: at.rotation })
    }

    fn holds(&mut self, side: Side, name: &str) -> bool {
        self.ring(name).0.holds.iter().any(|(tool, _)| usize::from(*tool) == side.index())
    }

    /// Drags the tip of a hand until it is over `target` and then, with the right button, to its height.
    fn drag(&mut self, side: Side, target: Vec3) {
        let view = scene::view_of(&self.app.world().resource::<CaseRun>().scenario);
        let focal_px = 0.5 * SIZE.y / (0.5 * 33f32.to_radians()).tan();
        let on_screen = |point: Vec3| {
            let seen = view.rotation.inverse() * (point - view.translation);
            Vec2::new(seen.x, -seen.y) * focal_px / -seen.z
        };
        let mut last = Vec2::ZERO;
        for _ in 0..600 {
            let tip = self.tool(side).pose.position;
            // the eye follows a frame late: what was moved in the last frame has not been seen yet
            let pixels = (on_screen(target.with_y(tip.y)) - on_screen(tip)).round();
            let step = pixels.clamp_length_max(FASTEST_PX).round();
            if step == Vec2::ZERO && last == Vec2::ZERO {
                break;
            }
            last = step;
            self.frame(step);
        }
        self.button(MouseButton::Right, true);
        for _ in 0..600 {
            let tip = self.tool(side).pose.position;
            let px_per_m = focal_px / (tip - view.translation).length();
            let step = (-(target.y - tip.y) * px_per_m).round().clamp(-FASTEST_PX, FASTEST_PX);
            if step == 0.0 {
                break;
            }
            self.frame(Vec2::new(0.0, step));
        }
        self.button(MouseButton::Right, false);
        self.frame(Vec2::ZERO);
    }

    fn lift(&mut self, side: Side, height: f32) {
        let tip = self.tool(side).pose.position;
        self.drag(side, tip.with_y(height));
    }

    /// Where to take a ring: high on the wall that faces the hand.
    fn grip(&mut self, side: Side, name: &str) -> Vec3 {
        let (ring, pose) = self.ring(name);
        let toward = if side == Side::Left { Vec3::NEG_X } else { Vec3::X };
        let up = if (pose.rotation * Vec3::Y).y >= 0.0 { 1.0 } else { -1.0 };
        let facing = |(_, out): &(Vec3, Vec3)| (pose.rotation * *out).dot(toward + 0.3 * Vec3::Y);
        let walls = ring.shape.wall_middles();
        let (middle, _) = walls.iter().max_by(|a, b| facing(a).total_cmp(&facing(b))).expect("three walls");
        pose * (*middle + Vec3::Y * (up * 0.25 * ring.shape.height_m))
    }

    fn grasp(&mut self, side: Side, name: &str) -> bool {
        let grip = self.grip(side, name);
        self.lift(side, TRAVEL_M.max(grip.y + 0.012));
        self.drag(side, grip.with_y(TRAVEL_M.max(grip.y + 0.012)));
        self.drag(side, grip);
        self.squeeze(true);
        self.holds(side, name)
    }

    /// Moves the hand that holds a ring until the ring's middle is at `target`.
    fn carry(&mut self, side: Side, name: &str, target: Vec3) {
        let (tip, ring) = (self.tool(side).pose.position, self.ring(name).1.position);
        self.drag(side, tip + target - ring);
    }

    /// One ring from hand to hand and onto a peg; the answer is whether it stands there.
    fn transfer(&mut self, name: &str, giver: Side, taker: Side, peg: usize, top: Vec3) -> bool {
        self.take_up(giver);
        if !self.grasp(giver, name) {
            self.squeeze(false);
            return false;
        }
        self.lift(giver, TRAVEL_M + 0.01);
        self.carry(giver, name, Vec3::new(0.0, TRAVEL_M + 0.01, 0.0));
        self.take_up(taker);
        if !self.grasp(taker, name) {
            self.squeeze(false);
            self.take_up(giver);
            return false;
        }
        self.tap(KeyCode::Space);
        self.wait(0.35);
        let height = self.ring(name).0.shape.height_m;
        self.carry(taker, name, top + Vec3::Y * 0.03);
        self.carry(taker, name, top + Vec3::Y * 0.016);
        for _ in 0..8 {
            // the axis of the ring over the top of the peg, then down
            let (_, pose) = self.ring(name);
            let upright = pose.rotation * Vec3::Y;
            let axis = upright / if upright.y.abs() > 0.5 { upright.y } else { 1.0 };
            let over = pose.position + axis * (top.y - pose.position.y);
            let aim = Vec3::new(top.x - over.x, 0.0, top.z - over.z);
            if aim.length() > 8e-4 {
                let tip = self.tool(taker).pose.position;
                self.drag(taker, tip + aim);
                continue;
            }
            let tip = self.tool(taker).pose.position;
            self.drag(taker, tip - axis * (pose.position.y - (top.y + 0.5 * height - 0.006)));
            break;
        }
        let seat = self.ring(name).1.position.with_y(top.y - 0.008 - 0.5 * height);
        self.carry(taker, name, seat);
        self.squeeze(false);
        self.lift(taker, TRAVEL_M);
        self.wait(0.2);
        self.ring(name).0.on_peg == Some(peg)
    }
}

#[test]
fn peg_transfer_can_be_completed_with_one_mouse() {
    let mut person = Person::sit_down("peg_transfer");
    let board = {
        let world = person.app.world_mut();
        world.query::<&PegBoard>().single(world).expect("one board").0.clone()
    };
    let mut misses = 0;
    for (goal, giver, taker) in [(Half::Right, Side::Left, Side::Right), (Half::Left, Side::Right, Side::Left)] {
        while !person.is_over() && misses < 12 {
            let world = person.app.world_mut();
            let mut rings: Vec<RingObject> = world.query::<&RingObject>().iter(world).cloned().collect();
            rings.sort_by_key(|ring| (ring.on_peg, ring.name.clone()));
            let is_there = |ring: &RingObject| ring.on_peg.is_some_and(|peg| board.pegs[peg].half == goal);
            let Some(next) = rings.iter().find(|ring| !is_there(ring)) else { break };
            let free = (0..board.pegs.len())
                .find(|peg| board.pegs[*peg].half == goal && rings.iter().all(|ring| ring.on_peg != Some(*peg)))
                .expect("six pegs for six rings");
            let top = board.pegs[free].foot + Vec3::Y * board.peg_height_m;
            if !person.transfer(&next.name, giver, taker, free, top) {
                misses += 1;
            }
        }
    }
    person.wait(0.5);
    let secs = person.app.world().resource::<Tick>().secs();
    let trace = person.app.world_mut().resource_mut::<Outcome>().0.take().expect("the session ended").expect("a trace");
    let completed = trace.events().any(|(_, event)| matches!(event, crate::session::Event::Completed));
    println!("twelve transfers in {secs:.0} s of session, {misses} missed at first");
    assert!(completed, "after {secs:.0} s and {misses} misses");
    assert!(misses <= 2, "{misses} of 12 transfers missed in {secs:.0} s");
}
