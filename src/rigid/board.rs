//! A board with pegs, and what it means for a ring to be on one.

use glam::Vec3;
use serde::{Deserialize, Serialize};

use crate::geom::Pose;

use super::PrismRing;

/// The halves of a board as the operator sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Half {
    Left,
    Right,
}

/// One peg.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peg {
    /// Where its axis meets the top face, world, m.
    pub foot: Vec3,
    /// The half of the board it stands on.
    pub half: Half,
}

/// A box with pegs on its top face.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// Length along x, height, depth along z, m; it stands on the table around the origin.
    pub size_m: Vec3,
    pub peg_radius_m: f32,
    /// Height of a peg above the top face, m.
    pub peg_height_m: f32,
    pub pegs: Vec<Peg>,
}

impl Board {
    /// The peg that a ring stands on: the hole is around it, the ring upright to 25° and no more than a third of its height above
    /// the board.
    pub fn peg_under(&self, ring: &PrismRing, world_from_ring: Pose) -> Option<usize> {
        let upright = (world_from_ring.rotation * Vec3::Y).y.abs() > 25f32.to_radians().cos();
        let centre = world_from_ring.position;
        let clearance = centre.y - 0.5 * ring.height_m - self.size_m.y;
        if !upright || clearance.abs() > ring.height_m / 3.0 {
            return None;
        }
        self.pegs.iter().position(|peg| {
            let offset = centre - peg.foot;
            (offset.x * offset.x + offset.z * offset.z).sqrt() < 2.0 * ring.hole_inradius_m
        })
    }

    /// Whether a point is outside the field: off the board by more than `margin_m`, or below the table.
    pub fn is_outside(&self, point: Vec3, margin_m: f32) -> bool {
        point.x.abs() > 0.5 * self.size_m.x + margin_m || point.z.abs() > 0.5 * self.size_m.z + margin_m || point.y < -0.01
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Quat;

    #[test]
    fn a_ring_is_on_a_peg_only_upright_and_down() {
        let ring = PrismRing::with_round_hole(0.010, 0.0145, 0.0048, 0.010);
        let board = Board {
            size_m: Vec3::new(0.154, 0.022, 0.103),
            peg_radius_m: 0.0015,
            peg_height_m: 0.026,
            pegs: vec![Peg { foot: Vec3::new(-0.03, 0.022, 0.01), half: Half::Left }],
        };
        let at = |position, rotation| board.peg_under(&ring, Pose { position, rotation });
        let seated = Vec3::new(-0.03, 0.022 + 0.00725, 0.01);
        assert_eq!(at(seated, Quat::IDENTITY), Some(0));
        assert_eq!(at(seated + Vec3::Y * 0.012, Quat::IDENTITY), None, "still in the air");
        assert_eq!(at(seated + Vec3::X * 0.012, Quat::IDENTITY), None, "beside the peg");
        assert_eq!(at(seated, Quat::from_rotation_x(1.2)), None, "lying on its side");
    }
}
