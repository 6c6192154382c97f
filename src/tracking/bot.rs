//! A bot: two hands, a skill and a plan made from the case's own geometry.

use glam::Vec3;

use super::{Sight, Skill, hand::Hand, pegs::PegPlan, wedge::WedgePlan};
use crate::{
    clock::Chance,
    instrument::{InputFrame, Side},
};

/// What a bot sets out to do.
#[derive(Debug, Clone)]
pub enum Plan {
    Wedge(WedgePlan),
    Pegs(PegPlan),
}

/// A performer that needs no person.
#[derive(Debug, Clone)]
pub struct Bot {
    pub skill: Skill,
    plan: Plan,
    hands: [Hand; 2],
    chance: Chance,
}

impl Bot {
    /// A bot whose hands start with their tips at `tips`, through trocars at `trocars` (left first), m.
    pub fn new(skill: Skill, plan: Plan, trocars: [Vec3; 2], tips: [Vec3; 2], seed: u64) -> Self {
        let hands = Side::BOTH.map(|side| Hand::new(side, trocars[side.index()], tips[side.index()], seed));
        Self { skill, plan, hands, chance: Chance::new(seed, "bot") }
    }

    /// The inputs of the next tick.
    pub fn tick(&mut self, sight: &dyn Sight) -> InputFrame {
        match &mut self.plan {
            Plan::Wedge(plan) => plan.decide(&mut self.hands, sight, &self.skill, &mut self.chance),
            Plan::Pegs(plan) => plan.decide(&mut self.hands, sight, &self.skill, &mut self.chance),
        }
        let [left, right] = &mut self.hands;
        InputFrame { hands: [Some(left.tick(sight, &self.skill)), Some(right.tick(sight, &self.skill))] }
    }
}
