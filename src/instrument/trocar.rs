//! The trocar: the hole in the wall that a tool turns about (remote centre of motion).

use glam::{Mat3, Quat, Vec3};

use crate::geom::Pose;

/// A port with the limits of what passes through it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trocar {
    /// The pivot, world, m.
    pub position: Vec3,
    /// How far the tip may stand beyond the pivot, m.
    pub depth_m: [f32; 2],
}

impl Trocar {
    /// A trocar for a shaft of the given length: the tip stays at least 3 cm inside.
    pub fn new(position: Vec3, shaft_length_m: f32) -> Self {
        Self { position, depth_m: [0.03, shaft_length_m] }
    }

    /// The pose nearest to the one asked for in which the shaft passes through the pivot: the tip keeps its place (within the reach
    /// of the shaft), the shaft its straight line, the jaws as much of their roll as that leaves.
    pub fn constrain(&self, wanted: Pose) -> Pose {
        let arm = wanted.position - self.position;
        let depth = arm.length();
        let axis = if depth > 1e-6 { arm / depth } else { Vec3::NEG_Y };
        let tip = self.position + axis * depth.clamp(self.depth_m[0], self.depth_m[1]);
        Pose { position: tip, rotation: along(axis, wanted.rotation * Vec3::Y) }
    }
}

/// The rotation whose −z lies along `axis` and whose y is as near to `up` as that allows.
fn along(axis: Vec3, up: Vec3) -> Quat {
    let back = -axis;
    let side = up.cross(back);
    let side = if side.length_squared() > 1e-8 { side.normalize() } else { back.any_orthonormal_vector() };
    Quat::from_mat3(&Mat3::from_cols(side, back.cross(side), back))
}

/// The pose of a tool through `pivot` with its tip at `tip` and its jaws opening along `jaw_direction` (made square to the shaft).
pub fn pose_through(pivot: Vec3, tip: Vec3, jaw_direction: Vec3) -> Pose {
    let axis = (tip - pivot).try_normalize().unwrap_or(Vec3::NEG_Y);
    Pose { position: tip, rotation: along(axis, jaw_direction) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_shaft_always_passes_through_the_pivot(x in -0.3f32..0.3, y in -0.3f32..0.1, z in -0.3f32..0.3, yaw in -3.0f32..3.0, pitch in -3.0f32..3.0) {
            let trocar = Trocar::new(Vec3::new(0.05, 0.2, 0.1), 0.33);
            let wanted = Pose { position: Vec3::new(x, y, z), rotation: Quat::from_rotation_y(yaw) * Quat::from_rotation_x(pitch) };
            let pose = trocar.constrain(wanted);
            let to_pivot = trocar.position - pose.position;
            let back = pose.rotation * Vec3::Z;
            // both are unit-scale f32 numbers: a few hundred rounding errors of 6e-8
            prop_assert!(to_pivot.normalize().dot(back) > 1.0 - 1e-5);
            prop_assert!((pose.rotation.length() - 1.0).abs() < 1e-5);
            prop_assert!(to_pivot.length() > 0.0299 && to_pivot.length() < 0.3301);
        }
    }

    #[test]
    fn a_tip_within_reach_stays_where_the_hand_puts_it() {
        let trocar = Trocar::new(Vec3::new(0.0, 0.2, 0.0), 0.33);
        let tip = Vec3::new(0.05, 0.02, -0.03);
        let pose = trocar.constrain(Pose { position: tip, rotation: Quat::IDENTITY });
        assert!((pose.position - tip).length() < 1e-6);
    }
}
