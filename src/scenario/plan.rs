//! From a case's own geometry to the things in the theatre and to what a bot does with them.

use glam::{DVec3, Vec3};

use super::{BoardPart, Scenario};
use crate::{
    patient::Twin,
    rigid::{Board, Half, Peg, PrismRing},
    tracking::{PegPlan, Plan, WedgeGeometry, WedgePlan},
};

impl BoardPart {
    /// Pegs of a half: x and z, mm.
    pub fn pegs(&self, half: Half) -> &[(f32, f32)] {
        match half {
            Half::Left => &self.left_pegs_mm,
            Half::Right => &self.right_pegs_mm,
        }
    }
}

/// A point of a case file in metres.
pub fn metres((x, y, z): (f32, f32, f32)) -> Vec3 {
    Vec3::new(x, y, z) * 1e-3
}

/// The board of a case: its shape, its ring, and the name and peg of each ring.
pub fn bench_board(part: &BoardPart) -> (Board, PrismRing, Vec<(String, usize)>) {
    let size_m = metres(part.size_mm);
    let pegs: Vec<Peg> = [Half::Left, Half::Right]
        .into_iter()
        .flat_map(|half| part.pegs(half).iter().map(move |&(x, z)| Peg { foot: Vec3::new(1e-3 * x, size_m.y, 1e-3 * z), half }))
        .collect();
    let ring = PrismRing::with_round_hole(
        part.ring.circumradius_mm.metres(),
        part.ring.height_mm.metres(),
        part.ring.hole_radius_mm.metres(),
        1e-3 * part.ring.mass_g,
    );
    let starts = pegs.iter().enumerate().filter(|(_, peg)| peg.half == part.start);
    let rings = starts.enumerate().map(|(number, (peg, _))| (format!("ring {}", number + 1), peg)).collect();
    let board =
        Board { size_m, peg_radius_m: 0.5 * part.peg_diameter_mm.metres(), peg_height_m: part.peg_height_mm.metres(), pegs };
    (board, ring, rings)
}

/// The wedge that a case asks for, in the world of its twin; nothing without a patient.
pub fn excision(scenario: &Scenario, twin: &Twin) -> Option<WedgeGeometry> {
    let patient = scenario.patient.as_ref()?;
    let (l, p, s) = patient.lesion.centre_lps_mm;
    let lesion = twin.world_from_lps.transform_point3(DVec3::new(l, p, s)).as_vec3();
    Some(WedgeGeometry::new(
        lesion,
        patient.lesion.radius_mm.metres(),
        patient.margin_mm.metres(),
        patient.half_angle_deg.to_radians(),
        metres(scenario.right.trocar_mm),
        Vec3::Y,
    ))
}

/// What a bot does in this case.
pub fn plan(scenario: &Scenario, twin: Option<&Twin>) -> Option<Plan> {
    if let Some(part) = &scenario.board {
        let (board, ring, _) = bench_board(part);
        let tops = board.pegs.iter().map(|peg| peg.foot + Vec3::Y * board.peg_height_m).collect();
        let of = |half: Half| (0..board.pegs.len()).filter(|&peg| board.pegs[peg].half == half).collect::<Vec<_>>();
        let other = if part.start == Half::Left { Half::Right } else { Half::Left };
        return Some(Plan::Pegs(PegPlan::new(tops, [of(part.start), of(other)], ring.height_m)));
    }
    let twin = twin?;
    let wedge = excision(scenario, twin)?;
    let inside = |point: Vec3| twin.distance.sample(point) < 0.0;
    // up from the lesion to the surface
    let rise = (0..200).rev().map(|i| 0.0005 * i as f32).find(|&t| inside(wedge.lesion + Vec3::Y * t)).unwrap_or(0.0);
    Some(Plan::Wedge(WedgePlan::new(wedge, wedge.lesion + Vec3::Y * rise, inside)))
}
