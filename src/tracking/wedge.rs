//! The wedge excision, performed: hold the lesion's surface, divide along two planes that meet below it, lift the piece out.

use glam::{Quat, Vec3};

use super::{
    Sight, Skill,
    hand::{Goal, Hand, Move},
};
use crate::{clock::Chance, instrument::Side};

/// Two planes that meet in a line (the spine) below the lesion and open toward the surface. The spine points at the scissors' trocar,
/// so that their shaft lies in either plane wherever they cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WedgeGeometry {
    pub lesion: Vec3,
    pub lesion_radius_m: f32,
    /// Point of the spine nearest to the lesion.
    pub spine: Vec3,
    /// Along the spine, away from the trocar.
    pub along: Vec3,
    /// In each plane, square to the spine, toward the surface.
    pub slopes: [Vec3; 2],
    /// Normals of the planes, out of the wedge.
    pub normals: [Vec3; 2],
}

impl WedgeGeometry {
    /// The wedge whose planes stay `margin_m` away from the lesion, opening toward `up` by `half_angle_rad` either side.
    pub fn new(lesion: Vec3, lesion_radius_m: f32, margin_m: f32, half_angle_rad: f32, trocar: Vec3, up: Vec3) -> Self {
        let depth = (lesion_radius_m + margin_m) / libm::sinf(half_angle_rad);
        let mut spine = lesion - up * depth;
        let mut along = (spine - trocar).normalize();
        // the spine must pass the lesion at `depth`, square to itself: a fixed point, since the trocar is far away
        for _ in 0..8 {
            let square = (up - along * up.dot(along)).normalize();
            spine = lesion - square * depth;
            along = (spine - trocar).normalize();
        }
        let square = (up - along * up.dot(along)).normalize();
        let turn = |sign: f32| Quat::from_axis_angle(along, sign * half_angle_rad) * square;
        let slopes = [turn(-1.0), turn(1.0)];
        let outward = |slope: Vec3| {
            let normal = slope.cross(along);
            if normal.dot(lesion - spine) > 0.0 { -normal } else { normal }
        };
        Self { lesion, lesion_radius_m, spine, along, slopes, normals: slopes.map(outward) }
    }

    /// Whether a point (at rest) belongs to the piece to be taken out.
    pub fn contains(&self, point: Vec3) -> bool {
        self.normals.iter().all(|normal| normal.dot(point - self.spine) < 0.0)
    }

    /// The plane that a point is nearest to.
    fn nearest_plane(&self, point: Vec3) -> usize {
        let distance = |plane: usize| self.normals[plane].dot(point - self.spine).abs();
        if distance(0) <= distance(1) { 0 } else { 1 }
    }
}

/// Where on the organ to work, beside the geometry of the cut.
#[derive(Debug, Clone)]
pub struct WedgePlan {
    geometry: WedgeGeometry,
    /// Where to hold: on the surface above the lesion, at rest.
    hold: Vec3,
    /// Where the organ begins along the spine, from `geometry.spine`, m.
    near: f32,
    /// How far the surface is from the spine along the slopes, m.
    slant: f32,
    stage: Stage,
    strokes: Vec<(usize, Vec3)>,
    mended: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Expose,
    Grasp { tries: u32 },
    Traction,
    Cut,
    Mend,
    Lift,
    Done,
}

/// Distance between strokes of the scissors, m: their blades cover more than this over the outer half of their length.
const STEP_M: f32 = 0.008;
/// Strokes around what still hangs on, at most: hands that waver leave many bridges.
const MOST_MENDED: u32 = 150;
/// Strokes reach this far past the spine and the surface, so that neighbouring cuts meet, m.
const OVER_M: f32 = 0.004;

impl WedgePlan {
    /// A plan for an organ whose points (at rest) `inside` knows. Strokes go from the near end of each plane to the far one, at each
    /// depth from the surface down to the spine, wherever the blades would meet the organ.
    pub fn new(geometry: WedgeGeometry, hold: Vec3, inside: impl Fn(Vec3) -> bool) -> Self {
        let steps = |from: f32, to: f32| (0..).map(move |i| from + STEP_M * i as f32).take_while(move |t| *t < to);
        let last = |direction: Vec3| steps(0.0, 0.1).filter(|&t| inside(geometry.spine + direction * t)).last().unwrap_or(0.0);
        let near = -last(-geometry.along);
        let slant = geometry.slopes.iter().map(|slope| last(*slope)).fold(0.0, f32::max) + STEP_M;
        let mut strokes = Vec::new();
        for plane in [0, 1] {
            let slope = geometry.slopes[plane];
            for depth in steps(-0.06, 0.08) {
                for down in steps(0.0, slant + 2.0 * OVER_M) {
                    let tip = geometry.spine + geometry.along * depth + slope * (slant + OVER_M - down);
                    // the blades reach back from the tip, and as far to either side as they open
                    let met = [0.0, -0.5, -1.0].iter().any(|back| {
                        [-1.0, 0.0, 1.0]
                            .iter()
                            .any(|side| inside(tip + geometry.along * (back * STEP_M) + slope * (side * 0.7 * STEP_M)))
                    });
                    if met {
                        strokes.push((plane, tip));
                    }
                }
            }
        }
        strokes.reverse();
        Self { geometry, hold, near, slant, stage: Stage::Expose, strokes, mended: 0 }
    }

    pub(super) fn decide(&mut self, hands: &mut [Hand; 2], sight: &dyn Sight, skill: &Skill, chance: &mut Chance) {
        let [left, right] = hands;
        let up = Vec3::Y;
        match self.stage {
            Stage::Expose if left.is_idle() && right.is_idle() => {
                left.push([Move::Jaws(0.0), Move::Reach { to: Goal::Tissue(self.hold, up * 0.03), jaw: Vec3::X, pace: 1.0 }]);
                let aside = self.geometry.spine + self.geometry.along * (self.near - 0.03) + self.geometry.slopes[0] * self.slant;
                right.push([Move::Jaws(0.0), Move::Reach { to: Goal::At(aside), jaw: self.geometry.slopes[0], pace: 1.0 }]);
                right.push([Move::Wait(0.6)]);
                self.stage = Stage::Grasp { tries: 0 };
            }
            Stage::Grasp { tries } if left.is_idle() => {
                if sight.holds(Side::Left) {
                    left.push([
                        Move::Wait(0.3),
                        Move::Reach { to: Goal::By(up * (0.006 + skill.extra_pull_m)), jaw: Vec3::X, pace: 0.3 },
                        Move::Wait(0.6),
                    ]);
                    self.stage = Stage::Traction;
                } else if tries < 6 {
                    // each try goes 2 mm deeper
                    let depth = 0.002 + 0.002 * tries as f32;
                    left.push([
                        Move::Jaws(0.0),
                        Move::Reach { to: Goal::Tissue(self.hold, up * 0.012), jaw: Vec3::X, pace: 0.8 },
                        Move::Reach { to: Goal::Tissue(self.hold, -up * depth), jaw: Vec3::X, pace: 0.4 },
                        Move::Jaws(1.0),
                        Move::Wait(0.1),
                    ]);
                    self.stage = Stage::Grasp { tries: tries + 1 };
                } else {
                    self.stage = Stage::Done;
                }
            }
            Stage::Traction if left.is_idle() && right.is_idle() => self.stage = Stage::Cut,
            Stage::Cut if right.is_idle() => match self.strokes.pop() {
                Some((plane, place)) => {
                    if self.strokes.last().is_none_or(|(next, _)| *next != plane) {
                        self.stroke(right, plane, (place, Vec3::ZERO), skill, chance);
                        self.withdraw(right, 1 - plane);
                    } else {
                        self.stroke(right, plane, (place, Vec3::ZERO), skill, chance);
                    }
                }
                None => self.stage = Stage::Mend,
            },
            Stage::Mend if right.is_idle() => {
                if sight.is_free() {
                    self.withdraw(right, 0);
                    left.push([
                        Move::Wait(0.3),
                        Move::Reach { to: Goal::By(up * 0.06), jaw: Vec3::X, pace: 0.7 },
                        Move::Wait(1.0),
                    ]);
                    self.stage = Stage::Lift;
                } else if let Some(place) = sight.bridge().filter(|_| self.mended < MOST_MENDED) {
                    // strokes around where it is now, at growing distance: what was beside it at rest may lie on the table
                    let plane = self.geometry.nearest_plane(place);
                    let offset = (self.mended % 5) as f32 - 2.0;
                    let past = 0.004 + 0.003 * (self.mended % 3) as f32;
                    // every other one in the plane where it should have been cut: there is a cut to join
                    let normal = self.geometry.normals[plane];
                    let height = if self.mended.is_multiple_of(2) { normal.dot(place - self.geometry.spine) } else { 0.0 };
                    let beside = self.geometry.along * past + self.geometry.slopes[plane] * (0.002 * offset) - normal * height;
                    self.stroke(right, plane, (place, beside), skill, chance);
                    self.mended += 1;
                } else {
                    self.stage = Stage::Done;
                }
            }
            Stage::Lift if left.is_idle() => {
                if !sight.holds(Side::Left) {
                    self.stage = Stage::Grasp { tries: 0 };
                    return;
                }
                left.push([Move::Reach { to: Goal::By(up * 0.03), jaw: Vec3::X, pace: 0.7 }, Move::Wait(0.5)]);
                self.stage = Stage::Done;
            }
            _ => {}
        }
    }

    /// Closes the scissors on a place of the tissue (at rest), or so far beside where it is now.
    fn stroke(&self, hand: &mut Hand, plane: usize, (place, beside): (Vec3, Vec3), skill: &Skill, chance: &mut Chance) {
        let aim = beside + Vec3::new(chance.normal(), chance.normal(), chance.normal()) * skill.aim_m;
        let jaw = self.geometry.slopes[plane];
        hand.push([Move::Reach { to: Goal::Tissue(place, aim), jaw, pace: 1.0 }, Move::Jaws(1.0), Move::Jaws(0.0)]);
    }

    /// Back out of one slit and over to the mouth of the other.
    fn withdraw(&self, hand: &mut Hand, plane: usize) {
        let out = self.geometry.spine + self.geometry.along * (self.near - 0.03) + self.geometry.slopes[plane] * self.slant;
        hand.push([Move::Reach { to: Goal::By(-self.geometry.along * 0.05), jaw: self.geometry.slopes[1 - plane], pace: 1.0 }]);
        hand.push([Move::Reach { to: Goal::At(out), jaw: self.geometry.slopes[plane], pace: 1.0 }]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of unit-scale f32 numbers: 1e-6 m.
    #[test]
    fn the_planes_keep_the_margin_and_pass_through_the_trocar() {
        let (lesion, trocar) = (Vec3::new(0.01, 0.18, 0.0), Vec3::new(0.03, 0.27, 0.2));
        let wedge = WedgeGeometry::new(lesion, 0.006, 0.007, 45f32.to_radians(), trocar, Vec3::Y);
        for normal in wedge.normals {
            assert!((normal.dot(lesion - wedge.spine) + 0.013).abs() < 1e-5, "lesion to plane");
            assert!(normal.dot(trocar - wedge.spine).abs() < 1e-5, "the trocar lies in the plane");
        }
        assert!(wedge.contains(lesion));
        assert!(!wedge.contains(wedge.spine - Vec3::Y * 0.01));
    }
}
