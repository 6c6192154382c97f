//! Peg transfer, performed: pick up with one hand, pass in mid-air, place with the other; then all the way back.

use glam::Vec3;

use super::{
    RingSight, Sight, Skill,
    hand::{Goal, Hand, Move},
};
use crate::{clock::Chance, instrument::Side};

/// Where the pegs are.
#[derive(Debug, Clone)]
pub struct PegPlan {
    /// Tops of the pegs, world, m.
    tops: Vec<Vec3>,
    /// Pegs that rings start from, and the pegs that they go to, in the order of work.
    halves: [Vec<usize>; 2],
    ring_height_m: f32,
    /// 0 on the way over, 1 on the way back.
    leg: usize,
    stage: Stage,
    current: Option<String>,
    tries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Choose,
    Picked,
    Carry,
    Approach,
    Taken,
    Pass,
    Aim { peg: usize },
    Lowered { peg: usize },
    Seated { peg: usize },
    Released,
    Done,
}

/// How far the top of a peg stands in a ring when the hand feels that it is threaded, and how far a peg sticks out of the ring when it
/// is let go, m.
const THREAD_M: f32 = 0.006;
const SEAT_M: f32 = 0.008;
/// Height over the pegs at which rings travel, m.
const CARRY_M: f32 = 0.022;
/// Height of a ring's middle over the top of its peg while the hand takes aim, m, and how much lower it may hang.
const OVER_M: f32 = 0.016;
const SAG_M: f32 = 0.003;
/// How far the axis of a ring may pass the top of a peg before it is lowered, m, and how often a hand corrects its aim.
const AIMED_M: f32 = 0.0006;
const AIMS: u32 = 6;

impl PegPlan {
    pub fn new(tops: Vec<Vec3>, halves: [Vec<usize>; 2], ring_height_m: f32) -> Self {
        Self { tops, halves, ring_height_m, leg: 0, stage: Stage::Choose, current: None, tries: 0 }
    }

    /// The hand that picks up and the hand that places.
    fn roles(&self) -> (Side, Side) {
        if self.leg == 0 { (Side::Left, Side::Right) } else { (Side::Right, Side::Left) }
    }

    /// Where the ring's middle should be handed over: above the board's middle line.
    fn meeting(&self) -> Vec3 {
        let middle = self.tops.iter().sum::<Vec3>() / self.tops.len().max(1) as f32;
        Vec3::new(0.0, middle.y + CARRY_M + 0.01, 0.0)
    }

    pub(super) fn decide(&mut self, hands: &mut [Hand; 2], sight: &dyn Sight, skill: &Skill, chance: &mut Chance) {
        if !hands.iter().all(Hand::is_idle) {
            return;
        }
        let (giver, taker) = self.roles();
        if self.stage == Stage::Picked
            && let Some(ring) = sight.rings().iter().find(|ring| ring.held_by.contains(&giver))
        {
            self.current = Some(ring.name.clone()); // of two that lie together the jaws may have found the other
        }
        let ring = self.current.as_ref().and_then(|name| sight.rings().iter().find(|ring| &ring.name == name)).cloned();
        let held_by = |side: Side| ring.as_ref().is_some_and(|ring| ring.held_by.contains(&side));
        let stage = std::mem::replace(&mut self.stage, Stage::Choose);
        self.stage = match (stage, &ring) {
            (Stage::Choose, _) => self.choose(hands, sight),
            (Stage::Picked, Some(_)) if held_by(giver) => {
                self.tries = 0;
                let hand = &mut hands[giver.index()];
                hand.push([Move::Reach { to: Goal::By(Vec3::Y * (CARRY_M + 0.03)), jaw: Vec3::X, pace: 0.8 }]);
                Stage::Carry
            }
            (Stage::Carry, Some(ring)) if held_by(giver) => {
                self.slip_of_the_hand(&mut hands[giver.index()], skill, chance);
                let to = self.meeting() - ring.pose.position;
                hands[giver.index()].push([Move::Reach { to: Goal::By(to), jaw: Vec3::X, pace: 1.0 }]);
                let beside = self.meeting() + Vec3::new(if taker == Side::Right { 0.03 } else { -0.03 }, 0.03, 0.0);
                hands[taker.index()].push([Move::Jaws(0.0), Move::Reach { to: Goal::At(beside), jaw: Vec3::X, pace: 1.0 }]);
                Stage::Approach
            }
            (Stage::Approach, Some(ring)) if held_by(giver) => {
                let (grip, out) = grip_point(ring, taker, self.ring_height_m);
                hands[taker.index()].push([
                    Move::Reach { to: Goal::At(grip + Vec3::Y * 0.012), jaw: out, pace: 0.8 },
                    Move::Reach { to: Goal::At(grip), jaw: out, pace: 0.5 },
                    Move::Jaws(1.0),
                ]);
                Stage::Taken
            }
            (Stage::Taken, Some(_)) if held_by(taker) => {
                self.tries = 0;
                hands[giver.index()]
                    .push([Move::Jaws(0.0), Move::Reach { to: Goal::By(Vec3::Y * 0.02), jaw: Vec3::X, pace: 0.8 }]);
                Stage::Pass
            }
            (Stage::Taken, Some(_)) if held_by(giver) && self.tries < 5 => {
                self.tries += 1;
                hands[taker.index()].push([Move::Jaws(0.0)]);
                Stage::Approach
            }
            (Stage::Pass, Some(ring)) if held_by(taker) => match self.free_peg(sight, ring) {
                Some(peg) => {
                    self.slip_of_the_hand(&mut hands[taker.index()], skill, chance);
                    let over = self.tops[peg] + Vec3::Y * OVER_M;
                    hands[taker.index()].push([Move::Reach { to: Goal::By(over - ring.pose.position), jaw: Vec3::X, pace: 1.0 }]);
                    let away = Vec3::new(if giver == Side::Left { -0.05 } else { 0.05 }, 0.0, 0.0) + self.meeting();
                    hands[giver.index()].push([Move::Reach { to: Goal::At(away), jaw: Vec3::X, pace: 1.0 }]);
                    Stage::Aim { peg }
                }
                None => Stage::Done,
            },
            (Stage::Aim { peg }, Some(ring)) if held_by(taker) => {
                // from where the ring really is: its axis over the top of the peg, then down along that axis, for it is seldom held
                // quite upright, and turns a little with every movement of the tool
                let upright = ring.pose.rotation * Vec3::Y;
                let axis = upright / if upright.y.abs() > 0.5 { upright.y } else { 1.0 };
                let (top, middle) = (self.tops[peg], ring.pose.position);
                let over = middle + axis * (top.y - middle.y);
                let aim = Vec3::new(top.x - over.x, 0.0, top.z - over.z);
                let rise = (top.y + OVER_M - middle.y).max(0.0);
                self.tries += 1;
                let hand = &mut hands[taker.index()];
                if rise < SAG_M && (aim.length() < AIMED_M || self.tries > AIMS) {
                    let down = top.y + 0.5 * self.ring_height_m - THREAD_M - middle.y;
                    hand.push([Move::Reach { to: Goal::By(aim + axis * down), jaw: Vec3::X, pace: 0.5 }]);
                    Stage::Lowered { peg }
                } else {
                    hand.push([Move::Reach { to: Goal::By(aim + Vec3::Y * rise), jaw: Vec3::X, pace: 0.5 }]);
                    Stage::Aim { peg }
                }
            }
            // the ring stands on the tip of the peg, or beside it
            (Stage::Lowered { peg }, Some(ring)) if held_by(taker) && !self.is_threaded(ring, peg) && self.tries <= 2 * AIMS => {
                hands[taker.index()].push([Move::Reach { to: Goal::By(Vec3::Y * 0.015), jaw: Vec3::X, pace: 0.5 }]);
                Stage::Aim { peg }
            }
            // down around the peg, which turns the ring upright in the jaws
            (Stage::Lowered { peg }, Some(ring)) if held_by(taker) => {
                let seat = self.tops[peg] - Vec3::Y * (SEAT_M + 0.5 * self.ring_height_m);
                hands[taker.index()].push([Move::Reach { to: Goal::By(seat - ring.pose.position), jaw: Vec3::X, pace: 0.5 }]);
                Stage::Seated { peg }
            }
            (Stage::Seated { .. }, Some(_)) => {
                self.tries = 0;
                hands[taker.index()].push([
                    Move::Jaws(0.0),
                    Move::Reach { to: Goal::By(Vec3::Y * 0.035), jaw: Vec3::X, pace: 1.0 },
                    Move::Wait(0.2),
                ]);
                Stage::Released
            }
            (Stage::Done, _) => Stage::Done,
            // whatever went wrong (dropped, missed, lost): open both hands and look again
            _ => {
                for hand in hands.iter_mut() {
                    hand.push([Move::Jaws(0.0), Move::Reach { to: Goal::By(Vec3::Y * 0.02), jaw: Vec3::X, pace: 1.0 }]);
                }
                self.current = None;
                Stage::Choose
            }
        };
    }

    /// Picks the next ring that is not where it should be, and goes for it.
    fn choose(&mut self, hands: &mut [Hand; 2], sight: &dyn Sight) -> Stage {
        let goal = &self.halves[1 - self.leg];
        let next = |this: &Self| {
            let (start, goal) = (&this.halves[this.leg], &this.halves[1 - this.leg]);
            let waiting = |ring: &&RingSight| !ring.lost && ring.on_peg.is_none_or(|peg| !goal.contains(&peg));
            let order =
                |ring: &&RingSight| ring.on_peg.and_then(|peg| start.iter().position(|p| *p == peg)).unwrap_or(usize::MAX);
            sight.rings().iter().filter(waiting).min_by_key(order).cloned()
        };
        let all_over = sight.rings().iter().all(|ring| ring.lost || ring.on_peg.is_some_and(|peg| goal.contains(&peg)));
        if all_over {
            if self.leg == 1 {
                return Stage::Done;
            }
            self.leg = 1;
        }
        let Some(ring) = next(self) else { return Stage::Done };
        self.tries += 1;
        if self.tries > 40 {
            return Stage::Done;
        }
        let (giver, _) = self.roles();
        let (grip, out) = grip_point(&ring, giver, self.ring_height_m);
        self.current = Some(ring.name);
        let hand = &mut hands[giver.index()];
        let above = Vec3::new(grip.x, grip.y.max(self.meeting().y - 0.01) + 0.01, grip.z);
        hand.push([
            Move::Jaws(0.0),
            Move::Reach { to: Goal::At(above), jaw: out, pace: 1.0 },
            Move::Reach { to: Goal::At(grip), jaw: out, pace: 0.7 },
            Move::Jaws(1.0),
        ]);
        Stage::Picked
    }

    /// Whether the top of the peg stands in the ring.
    fn is_threaded(&self, ring: &RingSight, peg: usize) -> bool {
        let top = ring.pose.inverse() * self.tops[peg];
        let wall = ring.walls.iter().map(|(middle, _)| middle.length()).fold(f32::INFINITY, f32::min);
        top.y.abs() < 0.5 * self.ring_height_m && Vec3::new(top.x, 0.0, top.z).length() < wall
    }

    /// The first peg over there that no other ring stands on or leans against.
    fn free_peg(&self, sight: &dyn Sight, carried: &RingSight) -> Option<usize> {
        let is_near = |ring: &RingSight, peg: usize| {
            let offset = ring.pose.position - self.tops[peg];
            Vec3::new(offset.x, 0.0, offset.z).length() < 0.5 * self.ring_height_m
        };
        let is_taken = |peg: usize| {
            let mut others = sight.rings().iter().filter(|ring| ring.name != carried.name);
            others.any(|ring| ring.on_peg == Some(peg) || is_near(ring, peg))
        };
        self.halves[1 - self.leg].iter().copied().find(|peg| !is_taken(*peg))
    }

    fn slip_of_the_hand(&self, hand: &mut Hand, skill: &Skill, chance: &mut Chance) {
        if chance.happens(skill.drop_chance) {
            hand.push([Move::Jaws(0.0), Move::Wait(0.5)]);
        }
    }
}

/// Where to take a ring: high on the wall that faces the hand, if nobody else holds it there.
fn grip_point(ring: &RingSight, side: Side, height: f32) -> (Vec3, Vec3) {
    let toward = if side == Side::Left { Vec3::NEG_X } else { Vec3::X };
    let up = if (ring.pose.rotation * Vec3::Y).y >= 0.0 { 1.0 } else { -1.0 };
    let facing = |(_, out): &(Vec3, Vec3)| (ring.pose.rotation * *out).dot(toward + 0.3 * Vec3::Y);
    let best = ring.walls.iter().max_by(|a, b| facing(a).total_cmp(&facing(b)));
    let (middle, out) = best.copied().unwrap_or((Vec3::ZERO, Vec3::X));
    (ring.pose * (middle + Vec3::Y * (up * 0.25 * height)), ring.pose.rotation * out)
}
