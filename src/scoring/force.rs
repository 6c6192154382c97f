//! What the tools did to what they touched.

use super::Undefined;

/// Below this a tool touches nothing, N: the residue of a solver, not a contact.
pub const CONTACT_N: f64 = 1e-3;

/// Sums over the force of one tool, sampled regularly.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ForceSummary {
    samples: usize,
    contact_samples: usize,
    sum: f64,
    sum_in_contact: f64,
    sum_squares: f64,
    /// Largest force, N.
    pub peak: f64,
    /// ∫ F dt, N s.
    pub impulse: f64,
    /// Time above the limit, s.
    pub over_time: f64,
    /// ∫ (F − limit)⁺ dt, N s.
    pub over_impulse: f64,
}

impl ForceSummary {
    /// Sums the sizes of a force (N), one every `dt` seconds, against a limit (N).
    pub fn of(force: impl IntoIterator<Item = f64>, dt: f64, limit: f64) -> Self {
        let mut s = Self::default();
        for f in force {
            s.samples += 1;
            s.sum += f;
            s.sum_squares += f * f;
            s.peak = s.peak.max(f);
            s.impulse += f * dt;
            if f > CONTACT_N {
                s.contact_samples += 1;
                s.sum_in_contact += f;
            }
            if f > limit {
                s.over_time += dt;
                s.over_impulse += (f - limit) * dt;
            }
        }
        s
    }

    /// Both tools as one: means over the samples of both, times and impulses added.
    pub fn and(self, other: Self) -> Self {
        Self {
            samples: self.samples + other.samples,
            contact_samples: self.contact_samples + other.contact_samples,
            sum: self.sum + other.sum,
            sum_in_contact: self.sum_in_contact + other.sum_in_contact,
            sum_squares: self.sum_squares + other.sum_squares,
            peak: self.peak.max(other.peak),
            impulse: self.impulse + other.impulse,
            over_time: self.over_time + other.over_time,
            over_impulse: self.over_impulse + other.over_impulse,
        }
    }

    /// Mean over the samples in contact, N.
    pub fn mean_in_contact(&self) -> Result<f64, Undefined> {
        if self.contact_samples == 0 { Err(Undefined::NoContact) } else { Ok(self.sum_in_contact / self.contact_samples as f64) }
    }

    /// Root mean square over all samples, N.
    pub fn rms(&self) -> Result<f64, Undefined> {
        if self.samples == 0 {
            Err(Undefined::TooFew { have: 0, need: 1 })
        } else {
            Ok((self.sum_squares / self.samples as f64).sqrt())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn a_squared_sine_has_its_analytic_sums() {
        // F = 2 sin²(πt/2) over 10 s at 1 kHz: whole periods, so the sums of F and F² are exact
        let force = |i: usize| {
            let s = libm::sin(PI * i as f64 * 1e-3 / 2.0);
            2.0 * s * s
        };
        let s = ForceSummary::of((0..10_000).map(force), 1e-3, 1.25);
        let close = |value: f64, expected: f64, tolerance: f64| {
            println!("{:+.2e}", value - expected);
            assert!((value - expected).abs() < tolerance, "{value} {expected}");
        };
        close(s.rms().unwrap(), 1.224744871, 1e-9);
        close(s.peak, 2.0, 1e-12);
        close(s.impulse, 10.0, 1e-9);
        close(s.over_time, 4.195, 1e-9); // a count of milliseconds; 4.195694 in the limit
        close(s.over_impulse, 2.033099, 2e-6); // the limit; the sum is off by dt² times the slope at the crossings
        // 1 without the samples at the ten zeros: 10 / 10000 · (samples below 1 mN) at most 15 a zero
        close(s.mean_in_contact().unwrap(), 1.0, 0.016);
    }

    #[test]
    fn a_tool_that_touches_nothing_has_a_peak_of_zero_and_no_mean() {
        let s = ForceSummary::of([0.0; 90], 1.0 / 90.0, 1.0);
        assert_eq!((s.peak, s.mean_in_contact()), (0.0, Err(Undefined::NoContact)));
    }
}
