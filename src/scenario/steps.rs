//! The run of a case: which step is on, what has been done, which errors were made. Plain state over plain facts.

use glam::Vec3;

use super::{ErrorWhen, Scenario, StepWhen};
use crate::{
    clock::TICK_SECS,
    patient::physiology::{Monitor, Sign},
    rigid::Half,
};

/// What is true at the end of a tick, as far as cases may ask.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Tips of the tools, world, m.
    pub tips: [Option<Vec3>; 2],
    /// Where the lesion is now.
    pub lesion: Option<Vec3>,
    /// For each tool that holds tissue: where, and with what force, N.
    pub held: [Option<(Vec3, f32)>; 2],
    pub lesion_free: bool,
    /// How far the lesion is above where it was when the session began, m.
    pub lesion_rise_m: f32,
    /// Rings on pegs of a half that were handed over on their way there.
    pub rings_on: [usize; 2],
    /// Smallest distance of this tick's cuts to the lesion, m.
    pub cut_margin_m: Option<f32>,
    /// Where remnant tissue passed its limit in this tick.
    pub overstress: Option<Vec3>,
    pub tissue_slipped: bool,
    /// Where tissue tore, and where an attachment gave way, in this tick.
    pub torn: Option<Vec3>,
    /// Where tissue was damaged in this tick.
    pub damaged: Option<Vec3>,
    pub attachment_torn: Option<Vec3>,
    /// Attachments that still hold something.
    pub attachments: Vec<String>,
    pub ring_lost: Option<Vec3>,
    pub ring_dropped: Option<Vec3>,
    /// What the monitor shows, where the case has one.
    pub monitor: Option<Monitor>,
}

/// Something that the case has to say about a tick.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    StepDone { index: usize },
    ErrorMade { index: usize, place: Option<Vec3> },
    Completed,
    TimeIsUp,
}

/// How far a session has come.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The step in progress; the number of steps when all are done.
    pub step: usize,
    /// For how long its condition has held, s.
    held_secs: f32,
    /// For each rule, ticks until the same error counts again.
    pub errors: Vec<u32>,
    /// For each rule about the monitor, how long its condition has held, s.
    error_secs: Vec<f32>,
    over: bool,
}

/// An error of the same kind within this time is the same error, ticks (1 s).
const SAME_ERROR_TICKS: u32 = 90;

impl Progress {
    /// Looks at one tick.
    pub fn advance(&mut self, scenario: &Scenario, facts: &Facts, secs: f64) -> Vec<Happening> {
        let mut out = Vec::new();
        if self.over {
            return out;
        }
        self.errors.resize(scenario.errors.len(), 0);
        self.error_secs.resize(scenario.errors.len(), 0.0);
        for (index, rule) in scenario.errors.iter().enumerate() {
            let mut lasts = |holds: bool, secs: f64| {
                let held = &mut self.error_secs[index];
                *held = if holds { *held + TICK_SECS } else { 0.0 };
                (holds && *held >= secs as f32).then_some(None)
            };
            let made = match rule.when {
                ErrorWhen::CutWithin { mm } => facts.cut_margin_m.filter(|margin| *margin * 1e3 < mm).map(|_| facts.lesion),
                ErrorWhen::RemnantOverstressed => facts.overstress.map(Some),
                ErrorWhen::TissueSlipped => facts.tissue_slipped.then_some(facts.lesion),
                ErrorWhen::TissueDamaged => facts.damaged.map(Some),
                ErrorWhen::TissueTorn => facts.torn.map(Some),
                ErrorWhen::AttachmentTorn => facts.attachment_torn.map(Some),
                ErrorWhen::RingLost => facts.ring_lost.map(Some),
                ErrorWhen::RingDropped => facts.ring_dropped.map(Some),
                ErrorWhen::SignAbove { sign, value, hold_secs } => {
                    lasts(shows(facts, sign, |shown| shown > value), hold_secs.get())
                }
                ErrorWhen::SignBelow { sign, value, hold_secs } => {
                    lasts(shows(facts, sign, |shown| shown < value), hold_secs.get())
                }
            };
            let quiet = &mut self.errors[index];
            if let Some(place) = made {
                if *quiet == 0 {
                    out.push(Happening::ErrorMade { index, place });
                }
                *quiet = SAME_ERROR_TICKS;
            } else {
                *quiet = quiet.saturating_sub(1);
            }
        }
        if let Some(step) = scenario.steps.get(self.step) {
            let (holds, for_secs) = holds(&step.done_when, facts);
            self.held_secs = if holds { self.held_secs + TICK_SECS } else { 0.0 };
            if holds && self.held_secs >= for_secs {
                out.push(Happening::StepDone { index: self.step });
                self.step += 1;
                self.held_secs = 0.0;
            }
        }
        if self.step == scenario.steps.len() {
            out.push(Happening::Completed);
            self.over = true;
        } else if secs >= scenario.time_limit_secs.get() {
            out.push(Happening::TimeIsUp);
            self.over = true;
        }
        out
    }
}

/// Whether the monitor shows a value like that.
fn shows(facts: &Facts, sign: Sign, like: impl Fn(f64) -> bool) -> bool {
    facts.monitor.is_some_and(|monitor| like(monitor.of(sign)))
}

/// Whether a step's condition holds in this tick, and for how long it must, s.
fn holds(when: &StepWhen, facts: &Facts) -> (bool, f32) {
    match when {
        StepWhen::ToolsAtLesion { within_mm, hold_secs } => {
            let near =
                |tip: &Option<Vec3>| tip.zip(facts.lesion).is_some_and(|(tip, lesion)| tip.distance(lesion) < within_mm.metres());
            (facts.tips.iter().all(near), hold_secs.get() as f32)
        }
        StepWhen::LesionHeld { within_mm, force_n, hold_secs } => {
            let firm = |(place, force): &(Vec3, f32)| {
                *force >= force_n.get() as f32 && facts.lesion.is_some_and(|lesion| place.distance(lesion) < within_mm.metres())
            };
            (facts.held.iter().flatten().any(firm), hold_secs.get() as f32)
        }
        StepWhen::LesionFree => (facts.lesion_free, 0.0),
        StepWhen::SpecimenLifted { by_mm } => (facts.lesion_free && facts.lesion_rise_m > by_mm.metres(), 0.0),
        StepWhen::RingsOn { half, count } => (facts.rings_on[usize::from(*half == Half::Right)] >= *count, 0.0),
        StepWhen::AttachmentDivided { name } => (!facts.attachments.contains(name), 0.0),
        StepWhen::SignAbove { sign, value, hold_secs } => (shows(facts, *sign, |shown| shown > *value), hold_secs.get() as f32),
        StepWhen::SignBelow { sign, value, hold_secs } => (shows(facts, *sign, |shown| shown < *value), hold_secs.get() as f32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse;

    fn pegs() -> Scenario {
        parse(include_str!("../../scenarios/peg_transfer.ron"), "peg_transfer.ron").expect("the bundled case")
    }

    #[test]
    fn steps_are_done_in_their_order_and_then_the_case_is_complete() {
        let scenario = pegs();
        let mut progress = Progress::default();
        let both = Facts { rings_on: [6, 6], ..Facts::default() };
        assert_eq!(progress.advance(&scenario, &Facts { rings_on: [6, 0], ..Facts::default() }, 1.0), []);
        assert_eq!(progress.advance(&scenario, &both, 2.0), [Happening::StepDone { index: 0 }]);
        assert_eq!(progress.advance(&scenario, &both, 3.0), [Happening::StepDone { index: 1 }, Happening::Completed]);
        assert_eq!(progress.advance(&scenario, &both, 4.0), []);
    }

    #[test]
    fn an_error_that_lasts_is_one_error() {
        let scenario = pegs();
        let mut progress = Progress::default();
        let lost = Facts { ring_lost: Some(Vec3::X), ..Facts::default() };
        let made: usize = (0..50).map(|_| progress.advance(&scenario, &lost, 1.0).len()).sum();
        assert_eq!(made, 1);
    }

    #[test]
    fn the_time_limit_ends_the_case_once() {
        let scenario = pegs();
        let mut progress = Progress::default();
        assert_eq!(progress.advance(&scenario, &Facts::default(), 300.0), [Happening::TimeIsUp]);
        assert_eq!(progress.advance(&scenario, &Facts::default(), 300.1), []);
    }
}
