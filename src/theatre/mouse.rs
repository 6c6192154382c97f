//! Two tools with one mouse: the pointer moves the tip of the hand that is on, the other hand stays where it is and keeps its grip.

use bevy::{
    input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll, MouseScrollUnit},
    prelude::*,
    window::PrimaryWindow,
};

use super::scene::TheatreCamera;
use crate::{
    clock::plugin::SessionState,
    instrument::{HandInput, Side, plugin::Tool, pose_through},
    tracking::plugin::LiveHands,
};

/// One hand as the desk knows it.
#[derive(Debug, Clone, Copy, Default)]
struct DeskHand {
    tip: Vec3,
    /// About the shaft, rad; 0 opens the jaws level.
    roll: f32,
    /// Whether the jaws stay closed without a finger on the button.
    latched: bool,
}

/// The hands at the desk and the one that the mouse moves.
#[derive(Resource, Debug)]
pub(super) struct Desk {
    hands: [DeskHand; 2],
    pub active: Side,
}

/// A notch of the wheel, m.
const NOTCH_M: f32 = 0.004;
/// Speed of rolling, rad/s.
const ROLL_RAD_PER_S: f32 = 1.8;
/// A tip stays within this distance of what the camera looks at, m.
const REACH_M: f32 = 0.30;

pub(super) fn plugin(app: &mut App) {
    app.insert_resource(Desk { hands: [DeskHand::default(); 2], active: Side::Right }).add_systems(
        RunFixedMainLoop,
        (take_up_tools, move_hands).chain().in_set(DeskSystems).in_set(RunFixedMainLoopSystems::BeforeFixedMainLoop),
    );
}

/// Mouse and keyboard say where the hands are; what knows better says so afterwards.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeskSystems;

/// A new session puts the hands where its tools are, before anyone moves them.
fn take_up_tools(tools: Query<&Tool, Added<Tool>>, mut desk: ResMut<Desk>) {
    for tool in &tools {
        desk.hands[tool.side.index()] = DeskHand { tip: tool.pose.position, ..default() };
    }
}

fn move_hands(
    mut desk: ResMut<Desk>,
    mut live: ResMut<LiveHands>,
    state: Res<SessionState>,
    (keys, buttons): (Res<ButtonInput<KeyCode>>, Res<ButtonInput<MouseButton>>),
    (motion, scroll): (Res<AccumulatedMouseMotion>, Res<AccumulatedMouseScroll>),
    time: Res<Time<Real>>,
    cameras: Query<(&Transform, &Projection), With<TheatreCamera>>,
    windows: Query<&Window, With<PrimaryWindow>>,
    tools: Query<&Tool>,
) {
    if *state != SessionState::Running {
        return;
    }
    let desk = desk.as_mut();
    let pressed = buttons.pressed(MouseButton::Left);
    let next = match () {
        _ if keys.just_pressed(KeyCode::Tab) => other(desk.active),
        _ if keys.just_pressed(KeyCode::Digit1) => Side::Left,
        _ if keys.just_pressed(KeyCode::Digit2) => Side::Right,
        _ => desk.active,
    };
    if next != desk.active {
        // the hand that is left alone keeps what it holds
        desk.hands[desk.active.index()].latched |= pressed;
        desk.active = next;
    }
    if keys.just_pressed(KeyCode::Space) {
        let hand = &mut desk.hands[other(desk.active).index()];
        hand.latched = !hand.latched;
    }
    let hand = &mut desk.hands[desk.active.index()];
    if buttons.just_released(MouseButton::Left) {
        hand.latched = false;
    }
    let turn = f32::from(u8::from(keys.pressed(KeyCode::KeyQ))) - f32::from(u8::from(keys.pressed(KeyCode::KeyE)));
    hand.roll += turn * ROLL_RAD_PER_S * time.delta_secs().min(0.1);
    if let (Ok((view, Projection::Perspective(lens))), Ok(window)) = (cameras.single(), windows.single()) {
        let focal_px = 0.5 * window.height() / (0.5 * lens.fov).tan();
        let mut tip = hand.tip;
        if buttons.pressed(MouseButton::Right) {
            tip.y -= motion.delta.y * (tip - view.translation).length() / focal_px;
        } else {
            tip = dragged(tip, view, focal_px, motion.delta);
        }
        tip.y += match scroll.unit {
            MouseScrollUnit::Line => scroll.delta.y * NOTCH_M,
            MouseScrollUnit::Pixel => scroll.delta.y * NOTCH_M / 16.0,
        };
        let centre = view.translation + view.forward() * view.translation.y.max(0.2);
        hand.tip = centre + (tip - centre).clamp_length_max(REACH_M);
    }
    for side in Side::BOTH {
        let Some(tool) = tools.iter().find(|tool| tool.side == side) else { continue };
        let hand = desk.hands[side.index()];
        let closed = hand.latched || (side == desk.active && pressed);
        let axis = (hand.tip - tool.trocar.position).normalize_or(Vec3::NEG_Y);
        let level = axis.cross(Vec3::Y).normalize_or(Vec3::X);
        let pose = pose_through(tool.trocar.position, hand.tip, Quat::from_axis_angle(axis, hand.roll) * level);
        live.0[side.index()] = Some(HandInput { pose, closure: if closed { 1.0 } else { 0.0 } });
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Left => Side::Right,
        Side::Right => Side::Left,
    }
}

/// Where a tip goes when the pointer that lies over it moves by `delta` pixels: along the ray from the eye to the level plane through
/// the tip, so that the tip stays under the pointer. `focal_px` is the distance of the image plane in pixels.
fn dragged(tip: Vec3, view: &Transform, focal_px: f32, delta: Vec2) -> Vec3 {
    let seen = view.rotation.inverse() * (tip - view.translation);
    let per_px = -seen.z / focal_px;
    let ray = view.rotation * (seen + Vec3::new(delta.x, -delta.y, 0.0) * per_px);
    let drop = tip.y - view.translation.y;
    // near the horizon a pixel is a mile: there the pointer stops
    if drop > -1e-3 || ray.y > 0.25 * drop {
        return tip;
    }
    view.translation + ray * (drop / ray.y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_screen(point: Vec3, view: &Transform, focal_px: f32) -> Vec2 {
        let seen = view.rotation.inverse() * (point - view.translation);
        Vec2::new(seen.x, -seen.y) * focal_px / -seen.z
    }

    /// Single precision at half a metre and 700 px: a few hundredths of a pixel.
    #[test]
    fn a_tip_stays_under_the_pointer_and_at_its_height() {
        let view = Transform::from_xyz(0.0, 0.23, 0.23).looking_at(Vec3::new(0.0, 0.025, 0.0), Vec3::Y);
        let tip = Vec3::new(0.03, 0.06, -0.02);
        for delta in [Vec2::new(40.0, 0.0), Vec2::new(0.0, -35.0), Vec2::new(-80.0, 60.0)] {
            let moved = dragged(tip, &view, 700.0, delta);
            assert!((moved.y - tip.y).abs() < 1e-6);
            let shift = on_screen(moved, &view, 700.0) - on_screen(tip, &view, 700.0);
            assert!((shift - delta).length() < 0.05, "{shift} for {delta}");
        }
    }

    #[test]
    fn a_pointer_at_the_horizon_moves_nothing() {
        let view = Transform::from_xyz(0.0, 0.2, 0.2).looking_at(Vec3::new(0.0, 0.2, 0.0), Vec3::Y);
        let tip = Vec3::new(0.0, 0.19, -0.2);
        assert_eq!(dragged(tip, &view, 700.0, Vec2::new(0.0, -2000.0)), tip);
    }
}
