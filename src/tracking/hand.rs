//! One hand of a bot: movements one after the other, each with the bell-shaped speed of a human reach.

use std::collections::VecDeque;

use glam::Vec3;

use super::{Sight, Skill};
use crate::{
    clock::{Chance, TICK_SECS},
    geom::Pose,
    instrument::{HandInput, Side, pose_through},
};

/// Where a movement leads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// A place in the world.
    At(Vec3),
    /// Wherever the tissue that was here at rest is when the movement begins, plus an offset.
    Tissue(Vec3, Vec3),
    /// From where the tip is.
    By(Vec3),
}

/// One thing that a hand does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    /// Brings the tip to `to`, jaws opening along `jaw`, at `pace` times the hand's usual speed.
    Reach { to: Goal, jaw: Vec3, pace: f32 },
    /// Opens (0) or closes (1) the jaws and waits until they are there.
    Jaws(f32),
    /// Keeps still, s.
    Wait(f32),
}

#[derive(Debug, Clone)]
enum Doing {
    Reaching { from: Vec3, via: Vec3, to: Vec3, jaw_from: Vec3, jaw_to: Vec3, elapsed: f32, duration: f32 },
    Waiting { left: f32 },
}

/// Movements shorter than this go straight, m.
const DETOUR_FROM_M: f32 = 0.04;

/// A hand with its own queue of movements.
#[derive(Debug, Clone)]
pub struct Hand {
    trocar: Vec3,
    tip: Vec3,
    jaw: Vec3,
    closure: f32,
    queue: VecDeque<Move>,
    doing: Option<Doing>,
    tremor: [Tremor; 3],
    chance: Chance,
}

impl Hand {
    pub fn new(side: Side, trocar: Vec3, tip: Vec3, seed: u64) -> Self {
        Self {
            trocar,
            tip,
            jaw: Vec3::Y,
            closure: 0.0,
            queue: VecDeque::new(),
            doing: None,
            tremor: [Tremor::default(); 3],
            chance: Chance::new(seed, side.name()),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.doing.is_none() && self.queue.is_empty()
    }

    pub fn push(&mut self, moves: impl IntoIterator<Item = Move>) {
        self.queue.extend(moves);
    }

    /// What the hand asks of its tool in this tick.
    pub fn tick(&mut self, sight: &dyn Sight, skill: &Skill) -> HandInput {
        if self.doing.is_none()
            && let Some(next) = self.queue.pop_front()
        {
            self.begin(next, sight, skill);
        }
        match &mut self.doing {
            Some(Doing::Reaching { from, via, to, jaw_from, jaw_to, elapsed, duration }) => {
                *elapsed += TICK_SECS;
                let u = (*elapsed / *duration).min(1.0);
                let s = minimum_jerk(u);
                // a quadratic arc through the detour point; a straight line when that lies halfway
                let control = *via * 2.0 - (*from + *to) * 0.5;
                self.tip = *from * (1.0 - s) * (1.0 - s) + control * (2.0 * s * (1.0 - s)) + *to * (s * s);
                self.jaw = jaw_from.lerp(*jaw_to, s).try_normalize().unwrap_or(*jaw_to);
                if u >= 1.0 {
                    self.doing = None;
                }
            }
            Some(Doing::Waiting { left }) => {
                *left -= TICK_SECS;
                if *left <= 0.0 {
                    self.doing = None;
                }
            }
            None => {}
        }
        let shake = Vec3::from_array([0, 1, 2].map(|axis| self.tremor[axis].next(&mut self.chance))) * skill.tremor_m;
        HandInput { pose: self.pose_at(self.tip + shake), closure: self.closure }
    }

    fn pose_at(&self, tip: Vec3) -> Pose {
        pose_through(self.trocar, tip, self.jaw)
    }

    fn begin(&mut self, next: Move, sight: &dyn Sight, skill: &Skill) {
        self.doing = match next {
            Move::Wait(secs) => Some(Doing::Waiting { left: secs }),
            Move::Jaws(closure) => {
                self.closure = closure;
                Some(Doing::Waiting { left: 0.16 })
            }
            Move::Reach { to, jaw, pace } => {
                if skill.pause_secs > 0.0 && self.chance.happens(skill.pause_chance) {
                    self.queue.push_front(next);
                    // the movement follows after the pause
                    let left = skill.pause_secs * self.chance.unit();
                    self.doing = Some(Doing::Waiting { left });
                    return;
                }
                let to = match to {
                    Goal::At(place) => place,
                    Goal::Tissue(rest, offset) => sight.tissue_at(rest) + offset,
                    Goal::By(offset) => self.tip + offset,
                };
                let from = self.tip;
                let mut via = (from + to) * 0.5;
                // over a short way nobody loses the way
                if (to - from).length() > DETOUR_FROM_M && self.chance.happens(skill.detour_chance) {
                    via += Vec3::new(self.chance.sign(), self.chance.unit(), self.chance.sign()) * skill.detour_m;
                }
                let distance = (via - from).length() + (to - via).length();
                let duration = (distance / (skill.speed_m_per_s * pace)).max(0.12);
                // the sign of a jaw direction means nothing: turn the short way
                let jaw_to = if jaw.dot(self.jaw) < 0.0 { -jaw } else { jaw };
                Some(Doing::Reaching { from, via, to, jaw_from: self.jaw, jaw_to, elapsed: 0.0, duration })
            }
        };
    }
}

/// Share of the way after share `u` of the time: the minimum-jerk profile of human reaching (Flash & Hogan, J Neurosci 1985, eq. 4).
fn minimum_jerk(u: f32) -> f32 {
    u * u * u * (10.0 + u * (6.0 * u - 15.0))
}

/// Tremor: white noise through a two-pole resonator at 10 Hz, unit variance.
#[derive(Debug, Clone, Copy, Default)]
struct Tremor {
    last: [f32; 2],
}

impl Tremor {
    /// Poles of radius r = 0.95 at ±2π·10/90: y = 2 r cos θ y₁ − r² y₂ + g x, with g for unit variance,
    /// g² = (1 − r²) (1 + r⁴ − 2 r² cos 2θ) / (1 + r²).
    fn next(&mut self, chance: &mut Chance) -> f32 {
        const A1: f32 = 1.455_484_4; // 2 · 0.95 · cos(0.698_131_7)
        const A2: f32 = 0.9025;
        const GAIN: f32 = 0.277_36;
        let y = A1 * self.last[0] - A2 * self.last[1] + GAIN * chance.normal();
        self.last = [y, self.last[0]];
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tolerance: the sample variance of 90,000 correlated draws is itself uncertain by about 2 %.
    #[test]
    fn tremor_has_the_stated_amplitude() {
        let (mut tremor, mut chance) = (Tremor::default(), Chance::new(3, "tremor"));
        let draws: Vec<f64> = (0..90_000).map(|_| tremor.next(&mut chance) as f64).collect();
        let variance = draws.iter().map(|y| y * y).sum::<f64>() / draws.len() as f64;
        assert!((variance.sqrt() - 1.0).abs() < 0.05, "{variance}");
    }

    #[test]
    fn a_reach_starts_and_ends_at_rest() {
        assert_eq!(minimum_jerk(0.0), 0.0);
        assert_eq!(minimum_jerk(1.0), 1.0);
        assert!((minimum_jerk(0.5) - 0.5).abs() < 1e-6);
        assert!(minimum_jerk(0.01) < 1e-4);
    }
}
