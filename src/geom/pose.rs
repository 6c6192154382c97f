//! Rigid poses.

use glam::{Quat, Vec3};
use serde::{Deserialize, Serialize};

/// A rigid motion; `world_from_tool * tip_in_tool` is the tip in the world. Metres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    pub position: Vec3,
    pub rotation: Quat,
}

impl Pose {
    pub const IDENTITY: Self = Self { position: Vec3::ZERO, rotation: Quat::IDENTITY };

    pub fn new(position: Vec3, rotation: Quat) -> Self {
        Self { position, rotation }
    }

    pub fn inverse(self) -> Self {
        let rotation = self.rotation.inverse();
        Self { position: rotation * -self.position, rotation }
    }

    /// Whether every number in it is finite and the rotation has unit length to 1 %.
    pub fn is_sound(self) -> bool {
        self.position.is_finite() && self.rotation.is_finite() && (self.rotation.length() - 1.0).abs() < 1e-2
    }
}

impl std::ops::Mul<Vec3> for Pose {
    type Output = Vec3;
    fn mul(self, point: Vec3) -> Vec3 {
        self.rotation * point + self.position
    }
}

impl std::ops::Mul for Pose {
    type Output = Pose;
    fn mul(self, inner: Pose) -> Pose {
        Pose { position: self * inner.position, rotation: self.rotation * inner.rotation }
    }
}
