//! All that a person, a file or a bot may tell the simulation in one tick.

use glam::{Quat, Vec3};
use serde::{Deserialize, Serialize};

use crate::geom::Pose;

/// What one hand asks of its tool.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HandInput {
    /// `world_from_tip`, as the hand would have it: −z points out of the tip, the jaws open along ±y. The trocar has the last word.
    pub pose: Pose,
    /// 0 is fully open, 1 fully closed.
    pub closure: f32,
}

impl HandInput {
    /// This input with every number finite and in range, or nothing when the pose makes no sense: a device glitch holds the tool.
    pub fn sound(self) -> Option<Self> {
        let far = self.pose.position.abs().max_element() > 10.0;
        (self.pose.is_sound() && !far && self.closure.is_finite()).then(|| Self {
            pose: Pose { rotation: self.pose.rotation.normalize(), ..self.pose },
            closure: self.closure.clamp(0.0, 1.0),
        })
    }
}

/// The frozen inputs of one tick, left hand first; a hand that says nothing leaves its tool where it is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct InputFrame {
    pub hands: [Option<HandInput>; 2],
}

impl Default for HandInput {
    fn default() -> Self {
        Self { pose: Pose { position: Vec3::ZERO, rotation: Quat::IDENTITY }, closure: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glitch_of_the_tracker_is_not_an_input() {
        let good = HandInput { closure: 1.5, ..HandInput::default() };
        assert_eq!(good.sound().map(|h| h.closure), Some(1.0));
        for bad in [
            Pose { position: Vec3::new(f32::NAN, 0.0, 0.0), rotation: Quat::IDENTITY },
            Pose { position: Vec3::new(1e9, 0.0, 0.0), rotation: Quat::IDENTITY },
            Pose { position: Vec3::ZERO, rotation: Quat::from_xyzw(0.0, 0.0, 0.0, 0.0) },
        ] {
            assert_eq!(HandInput { pose: bad, closure: 0.0 }.sound(), None);
        }
    }
}
