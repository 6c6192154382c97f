//! The time scheme: how velocities and the last tick enter the next one.
//!
//! ```text
//! backward Euler   x₁ = x₀ + h v₁                          v₁ = v₀ + h a,  then v₁ ← v₁ exp(−α h)
//! BDF2             x₁ = (4 x₀ − x₋₁)/3 + γ v₁,  γ = 2h/3    v₁ = (4 v₀ − v₋₁)/3 + γ (a − α v₁)
//! ```
//! Both end at the minimum of m/2 p |d − d̂|² + the rest of the potential, d being the displacement during the tick; they differ in p and d̂. BDF2
//! is of second order and damps swinging tissue far less (Hairer & Wanner, “Solving Ordinary Differential Equations II”, §V.1); it needs the last
//! tick, so a body takes one Euler tick when it starts, comes to rest or is given another time step.

use glam::Vec3;
use serde::{Deserialize, Serialize};

/// How a tick is taken in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeScheme {
    /// First order; damps by itself, most of all fast motion.
    #[default]
    BackwardEuler,
    /// Second order, as stable.
    Bdf2,
}

/// What BDF2 keeps of a node's last tick.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Past {
    /// Displacement during it, m.
    pub moved: Vec3,
    /// Velocity at its start, m/s.
    pub velocity: Vec3,
}

impl Past {
    /// Of a node that is put between two others.
    pub fn between(a: Self, b: Self) -> Self {
        Self { moved: 0.5 * (a.moved + b.moved), velocity: 0.5 * (a.velocity + b.velocity) }
    }
}

/// The numbers of one tick: d̂ = `keep` · past displacement + `now` · v₀ + `before` · v₋₁ + `pull` · g.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub keep: f32,
    pub now: f32,
    pub before: f32,
    pub pull: f32,
    /// p, 1/s².
    pub per_mass: f32,
    /// v₁ = `rate` · (d − `keep` · past displacement), 1/s.
    pub rate: f32,
}

impl Rule {
    /// For a step `h` (s) and a damping rate α (1/s).
    pub fn new(scheme: TimeScheme, h: f32, damping_per_s: f32) -> Self {
        match scheme {
            TimeScheme::BackwardEuler => {
                let decay = libm::expf(-damping_per_s * h);
                Self { keep: 0.0, now: h, before: 0.0, pull: h * h, per_mass: 1.0 / (h * h), rate: decay / h }
            }
            TimeScheme::Bdf2 => {
                let gamma = 2.0 / 3.0 * h;
                let drag = 1.0 + damping_per_s * gamma;
                Self {
                    keep: 1.0 / 3.0,
                    now: 4.0 / 3.0 * gamma / drag,
                    before: -gamma / (3.0 * drag),
                    pull: gamma * gamma / drag,
                    per_mass: drag / (gamma * gamma),
                    rate: 1.0 / gamma,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A damped oscillator x″ = −ω² x − α x′ against its closed form: halving the step halves the error of one scheme and quarters the other's.
    #[test]
    fn the_schemes_are_of_first_and_second_order() {
        let (omega, alpha) = (6.0f64, 0.8);
        let error = |scheme: TimeScheme, ticks: usize| {
            let h = 1.0 / ticks as f64;
            let (mut x, mut v, mut past) = (1.0, 0.0, None);
            let mut worst = 0.0f64;
            for tick in 1..=ticks {
                let scheme = if past.is_none() { TimeScheme::BackwardEuler } else { scheme };
                let rule = Rule::new(scheme, h as f32, alpha as f32);
                let (moved, velocity) = past.unwrap_or((0.0, 0.0));
                let (keep, per_mass) = (f64::from(rule.keep), f64::from(rule.per_mass));
                let target = keep * moved + f64::from(rule.now) * v + f64::from(rule.before) * velocity;
                // the minimum of p/2 (d − d̂)² + ω²/2 (x + d)²
                let d = (per_mass * target - omega * omega * x) / (per_mass + omega * omega);
                past = Some((d, v));
                x += d;
                v = f64::from(rule.rate) * (d - keep * moved);
                let (t, swing) = (tick as f64 * h, (omega * omega - 0.25 * alpha * alpha).sqrt());
                let exact = (-0.5 * alpha * t).exp() * ((swing * t).cos() + 0.5 * alpha / swing * (swing * t).sin());
                worst = worst.max((x - exact).abs());
            }
            worst
        };
        let order = |scheme| error(scheme, 200) / error(scheme, 400);
        // the orders are met up to terms of the next one, here some per cent
        assert!((order(TimeScheme::BackwardEuler) - 2.0).abs() < 0.2, "{}", order(TimeScheme::BackwardEuler));
        assert!((order(TimeScheme::Bdf2) - 4.0).abs() < 0.6, "{}", order(TimeScheme::Bdf2));
    }
}
