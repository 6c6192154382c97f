//! Where a tip was and when, and the standard preparation of it.

use glam::{DQuat, DVec3};

use super::{Butterworth, Undefined};

/// Positions (m) of one point over time (s), with orientations where the recording has them. Times increase strictly.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trajectory {
    pub t: Vec<f64>,
    pub p: Vec<DVec3>,
    pub q: Option<Vec<DQuat>>,
}

/// Rate that metrics of a trace are computed at, Hz.
pub const STANDARD_RATE_HZ: f64 = 100.0;
/// Corner of the standard low-pass, Hz.
pub const STANDARD_CORNER_HZ: f64 = 10.0;

impl Trajectory {
    pub fn len(&self) -> usize {
        self.t.len()
    }

    pub fn is_empty(&self) -> bool {
        self.t.is_empty()
    }

    /// The trajectory on a regular grid from `start` to at most `end`: positions by linear, orientations by spherical linear
    /// interpolation; before its first and after its last sample it rests. Empty stays empty.
    pub fn resampled(&self, start: f64, end: f64, rate_hz: f64) -> Self {
        if self.is_empty() {
            return Self::default();
        }
        // a grid point that rounding puts just past the end is meant to be there
        let count = ((end - start) * rate_hz + 1e-6).floor().max(0.0) as usize + 1;
        let last = self.len() - 1;
        let mut out = Self { t: Vec::with_capacity(count), p: Vec::with_capacity(count), q: self.q.as_ref().map(|_| Vec::new()) };
        let mut k = 0;
        for i in 0..count {
            let t = start + i as f64 / rate_hz;
            while k < last && self.t[k + 1] <= t {
                k += 1;
            }
            let next = (k + 1).min(last);
            let span = self.t[next] - self.t[k];
            let u = if span > 0.0 { ((t - self.t[k]) / span).clamp(0.0, 1.0) } else { 0.0 };
            out.t.push(t);
            out.p.push(self.p[k].lerp(self.p[next], u));
            if let (Some(from), Some(to)) = (&self.q, &mut out.q) {
                to.push(from[k].slerp(from[next], u));
            }
        }
        out
    }

    /// The same with its positions low-passed forward and backward at 10 Hz; the samples must be regular, at `rate_hz`.
    pub fn low_passed(mut self, rate_hz: f64) -> Result<Self, Undefined> {
        let filter = Butterworth::low_pass(STANDARD_CORNER_HZ, rate_hz);
        let axis = |pick: fn(&DVec3) -> f64| filter.filtfilt(&self.p.iter().map(pick).collect::<Vec<_>>());
        let (x, y, z) = (axis(|p| p.x)?, axis(|p| p.y)?, axis(|p| p.z)?);
        self.p = (0..x.len()).map(|i| DVec3::new(x[i], y[i], z[i])).collect();
        Ok(self)
    }

    /// The standard preparation: 100 Hz, then the low-pass.
    pub fn standard(&self, start: f64, end: f64) -> Result<Self, Undefined> {
        self.resampled(start, end, STANDARD_RATE_HZ).low_passed(STANDARD_RATE_HZ)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_a_straight_line_stays_on_it() {
        let t: Vec<f64> = (0..=90).map(|i| i as f64 / 90.0).collect();
        let line = Trajectory { p: t.iter().map(|&t| DVec3::new(t, -2.0 * t, 0.5)).collect(), q: None, t };
        let out = line.resampled(0.0, 1.0, 100.0);
        assert_eq!(out.len(), 101);
        for (t, p) in out.t.iter().zip(&out.p) {
            // rounding of sums of order 1
            assert!((*p - DVec3::new(*t, -2.0 * t, 0.5)).length() < 1e-14);
        }
    }

    #[test]
    fn outside_its_samples_a_trajectory_rests() {
        let one = Trajectory { t: vec![1.0, 2.0], p: vec![DVec3::X, DVec3::Y], q: None };
        let out = one.resampled(0.0, 3.0, 10.0);
        assert_eq!((out.p[0], out.p[30]), (DVec3::X, DVec3::Y));
    }
}
