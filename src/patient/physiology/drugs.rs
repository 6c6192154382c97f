//! What drugs that scripts give do to rate, resistance and contractility: for each dose a rise and a fall, two exponentials.
//!
//! The effect of the usual dose, its onset and its end are this project's own, after the usual clinical descriptions (phenylephrine acts
//! within a minute for five to ten, and slows the heart by the reflex; ephedrine for a quarter of an hour; esmolol has a half-life of nine
//! minutes). Doses add up, and three times the usual dose does no more than that.

use libm::exp;

use super::Drug;

/// Changes: of the rate (1/min), of resistance and contractility (shares).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Effect {
    pub rate_per_min: f64,
    pub resistance: f64,
    pub contractility: f64,
}

/// A drug: its usual dose, the effect of that at its height, and the time constants of its coming and going, s.
struct Kind {
    usual: f64,
    effect: Effect,
    onset_secs: f64,
    decay_secs: f64,
}

const KINDS: [Kind; 4] = [
    // phenylephrine, µg
    Kind {
        usual: 100.0,
        effect: Effect { rate_per_min: 0.0, resistance: 0.4, contractility: 0.0 },
        onset_secs: 20.0,
        decay_secs: 240.0,
    },
    // ephedrine, mg
    Kind {
        usual: 10.0,
        effect: Effect { rate_per_min: 10.0, resistance: 0.1, contractility: 0.15 },
        onset_secs: 45.0,
        decay_secs: 900.0,
    },
    // atropine, mg
    Kind {
        usual: 0.5,
        effect: Effect { rate_per_min: 25.0, resistance: 0.0, contractility: 0.0 },
        onset_secs: 40.0,
        decay_secs: 2400.0,
    },
    // esmolol, mg
    Kind {
        usual: 50.0,
        effect: Effect { rate_per_min: -15.0, resistance: 0.0, contractility: -0.12 },
        onset_secs: 40.0,
        decay_secs: 780.0,
    },
];

/// More than this many usual doses do no more.
const MOST_DOSES: f64 = 3.0;

/// For each drug the part not yet working and the part at work, in usual doses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drugs {
    coming: [f64; 4],
    working: [f64; 4],
}

impl Drugs {
    pub fn give(&mut self, drug: Drug) {
        let (kind, dose) = match drug {
            Drug::Phenylephrine { ug } => (0, ug.get()),
            Drug::Ephedrine { mg } => (1, mg.get()),
            Drug::Atropine { mg } => (2, mg.get()),
            Drug::Esmolol { mg } => (3, mg.get()),
        };
        self.coming[kind] += dose / KINDS[kind].usual * height(&KINDS[kind]);
    }

    pub fn step(&mut self, dt_secs: f64) {
        for (at, kind) in KINDS.iter().enumerate() {
            let arrives = self.coming[at] * dt_secs / kind.onset_secs;
            self.coming[at] -= arrives;
            self.working[at] += arrives - self.working[at] * dt_secs / kind.decay_secs;
        }
    }

    pub fn effect(&self) -> Effect {
        let mut sum = Effect::default();
        for (kind, doses) in KINDS.iter().zip(&self.working) {
            let doses = doses.min(MOST_DOSES);
            sum.rate_per_min += doses * kind.effect.rate_per_min;
            sum.resistance += doses * kind.effect.resistance;
            sum.contractility += doses * kind.effect.contractility;
        }
        sum
    }

    pub fn state(&self, visit: &mut impl FnMut(f64)) {
        self.coming.iter().chain(&self.working).copied().for_each(visit);
    }
}

/// What a dose is multiplied by so that its effect reaches 1 at its height: the greatest value of the two exponentials is
/// (a/b)^(−b/(a − b)) for rates a (coming) and b (going).
fn height(kind: &Kind) -> f64 {
    let (a, b) = (1.0 / kind.onset_secs, 1.0 / kind.decay_secs);
    exp(b / (a - b) * libm::log(a / b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Dose;

    #[test]
    fn the_usual_dose_reaches_the_usual_effect_and_leaves() {
        let mut drugs = Drugs::default();
        drugs.give(Drug::Phenylephrine { ug: Dose::try_from(100.0).expect("a dose") });
        let effects: Vec<f64> = (0..90 * 1800)
            .map(|_| {
                drugs.step(1.0 / 90.0);
                drugs.effect().resistance
            })
            .collect();
        let most = effects.iter().copied().fold(0.0, f64::max);
        assert!((most - 0.4).abs() < 1e-3, "{most}");
        // half a minute to two after the injection, and gone after half an hour
        let when = effects.iter().position(|e| *e == most).expect("a height") as f64 / 90.0;
        assert!((30.0..120.0).contains(&when), "{when} s");
        assert!(effects.last().is_some_and(|e| *e < 0.001));
    }
}
