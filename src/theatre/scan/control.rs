//! What keys and pointer do to the view of the scan.

use bevy::{
    input::mouse::{AccumulatedMouseMotion, AccumulatedMouseScroll, MouseScrollUnit},
    prelude::*,
    ui::RelativeCursorPosition,
};

use super::{
    Preset, ScanView, Shown, Window,
    slices::{Panel, pointed},
    texture::ScanImage,
};
use crate::{clock::plugin::SessionState, instrument::plugin::Tool, theatre::mouse::Desk};

/// HU by which a window moves with each pixel of a drag.
const HU_PER_PX: f32 = 2.0;

pub(super) fn plugin(app: &mut App) {
    app.add_systems(Update, (heed_keys, follow_tip, heed_pointer));
}

/// The next of a list, then nothing, then the first again.
fn next<T: Copy + PartialEq>(all: &[T], now: Option<T>) -> Option<T> {
    match now.and_then(|now| all.iter().position(|one| *one == now)) {
        None if now.is_none() => all.first().copied(),
        None => None,
        Some(at) => all.get(at + 1).copied(),
    }
}

fn heed_keys(keys: Res<ButtonInput<KeyCode>>, scan: Option<Res<ScanImage>>, mut view: ResMut<ScanView>) {
    if keys.just_pressed(KeyCode::KeyV) {
        view.slices = !view.slices;
    }
    if keys.just_pressed(KeyCode::KeyB) {
        view.volume = next(&Preset::ALL, view.volume);
    }
    if keys.just_pressed(KeyCode::KeyN) {
        let common = Window::COMMON.map(|(_, window)| window);
        view.window = next(&common, Some(view.window)).unwrap_or(common[0]);
    }
    if keys.just_pressed(KeyCode::KeyL) {
        view.labels = !view.labels;
    }
    if keys.just_pressed(KeyCode::KeyC) {
        view.sections = !view.sections;
    }
    if keys.just_pressed(KeyCode::KeyM)
        && let Some(scan) = scan
    {
        let here = scan.cursor_mm(&view);
        view.ruler = match view.ruler {
            Some((from, None)) => Some((from, Some(here))),
            _ => Some((here, None)),
        };
    }
}

/// While the operator operates, the slices meet at the tip of the tool in the hand that is on.
fn follow_tip(
    state: Option<Res<SessionState>>,
    desk: Option<Res<Desk>>,
    tools: Query<&Tool>,
    shown: Option<Res<Shown>>,
    mut view: ResMut<ScanView>,
) {
    let (Some(state), Some(desk), Some(shown)) = (state, desk, shown) else { return };
    if *state != SessionState::Running || !view.slices {
        return;
    }
    if let Some(tool) = tools.iter().find(|tool| tool.side == desk.active) {
        let tip = shown.world_from_lps().inverse().transform_point3(tool.pose.position.as_dvec3());
        if view.cursor_mm.is_none_or(|known| known.distance(tip) > 0.05) {
            view.cursor_mm = Some(tip);
        }
    }
}

/// While nobody operates: left moves the cross, right sets the window, the wheel leafs through the slices.
pub(super) fn heed_pointer(
    state: Option<Res<SessionState>>,
    panels: Query<(&Panel, &RelativeCursorPosition)>,
    (buttons, motion, scroll): (Res<ButtonInput<MouseButton>>, Res<AccumulatedMouseMotion>, Res<AccumulatedMouseScroll>),
    scan: Option<Res<ScanImage>>,
    mut view: ResMut<ScanView>,
) {
    let (Some(scan), true) = (scan, view.slices) else { return };
    if state.is_some_and(|state| *state == SessionState::Running) {
        return;
    }
    let Some((plane, uv)) = pointed(panels.iter()) else { return };
    let cursor_mm = scan.cursor_mm(&view);
    // a click may be over before the frame is
    if buttons.pressed(MouseButton::Left) || buttons.just_pressed(MouseButton::Left) {
        view.cursor_mm = Some(scan.geometry.lps_at(plane, cursor_mm, uv));
    }
    if buttons.pressed(MouseButton::Right) && motion.delta != Vec2::ZERO {
        view.window.width_hu = (view.window.width_hu + HU_PER_PX * motion.delta.x).clamp(1.0, 8000.0);
        view.window.centre_hu = (view.window.centre_hu - HU_PER_PX * motion.delta.y).clamp(-2000.0, 4000.0);
    }
    if scroll.delta.y != 0.0 {
        let notches = match scroll.unit {
            MouseScrollUnit::Line => scroll.delta.y,
            MouseScrollUnit::Pixel => scroll.delta.y / 16.0,
        };
        let step_mm = scan.step_mm(plane);
        view.cursor_mm = Some(cursor_mm + plane.normal() * (f64::from(notches) * step_mm));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_follow_each_other_and_end() {
        let mut seen = Vec::new();
        let mut now = None;
        for _ in 0..=Preset::ALL.len() {
            now = next(&Preset::ALL, now);
            seen.push(now);
        }
        assert_eq!(seen[..4], Preset::ALL.map(Some));
        assert_eq!(seen[4], None);
        assert_eq!(next(&[1, 2], Some(7)), None, "a window set by hand: back to the first");
    }
}
