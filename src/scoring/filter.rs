//! The low-pass that positions go through before they are differentiated.

use super::Undefined;

/// A second-order Butterworth low-pass, by the bilinear transform with its corner put where it was asked for.
///
/// ```text
/// k = tan(π fc / fs)      n = 1 + √2 k + k²
/// b = (k², 2k², k²) / n   a = (1, 2(k² − 1)/n, (1 − √2 k + k²)/n)
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Butterworth {
    pub b: [f64; 3],
    /// a₀ is 1.
    pub a: [f64; 3],
}

impl Butterworth {
    /// Samples that odd padding adds at either end: three times the length of the filter.
    const PADDING: usize = 9;

    /// A low-pass at `corner_hz` for samples at `rate_hz`, which must be more than twice the corner.
    pub fn low_pass(corner_hz: f64, rate_hz: f64) -> Self {
        let k = libm::tan(std::f64::consts::PI * corner_hz / rate_hz);
        let root2 = std::f64::consts::SQRT_2;
        let n = 1.0 + root2 * k + k * k;
        let b0 = k * k / n;
        Self { b: [b0, 2.0 * b0, b0], a: [1.0, 2.0 * (k * k - 1.0) / n, (1.0 - root2 * k + k * k) / n] }
    }

    /// Filters forward and backward, so that nothing is delayed; the ends are continued by point reflection (“odd” padding) and the
    /// filter starts in the steady state of the first sample. The same as `scipy.signal.filtfilt(b, a, x)`.
    ///
    /// # Errors
    /// [`Undefined::TooFew`] below 10 samples: the padding has nothing to reflect.
    pub fn filtfilt(&self, x: &[f64]) -> Result<Vec<f64>, Undefined> {
        let (n, pad) = (x.len(), Self::PADDING);
        if n <= pad {
            return Err(Undefined::TooFew { have: n, need: pad + 1 });
        }
        let mut y = Vec::with_capacity(n + 2 * pad);
        y.extend((1..=pad).rev().map(|i| 2.0 * x[0] - x[i]));
        y.extend_from_slice(x);
        y.extend((1..=pad).map(|i| 2.0 * x[n - 1] - x[n - 1 - i]));
        self.run(&mut y);
        y.reverse();
        self.run(&mut y);
        y.reverse();
        Ok(y[pad..pad + n].to_vec())
    }

    /// One pass in place, transposed direct form II.
    fn run(&self, x: &mut [f64]) {
        let ([b0, b1, b2], [_, a1, a2]) = (self.b, self.a);
        // the state that a constant of 1 settles to, times the first sample
        let first = x.first().copied().unwrap_or(0.0);
        let mut z1 = (b2 - a2) * first;
        let mut z0 = (b1 - a1 + b2 - a2) * first;
        for value in x {
            let input = *value;
            let output = b0 * input + z0;
            z0 = b1 * input - a1 * output + z1;
            z1 = b2 * input - a2 * output;
            *value = output;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn coefficients_are_those_of_scipy() {
        let filter = Butterworth::low_pass(10.0, 100.0);
        // scipy.signal.butter(2, 10, fs=100), printed to 15 decimals
        for (ours, theirs) in filter.b.iter().zip([0.067455273889072, 0.134910547778144, 0.067455273889072]) {
            assert!((ours - theirs).abs() < 1e-14, "{ours} {theirs}");
        }
        for (ours, theirs) in filter.a.iter().zip([1.0, -1.142980502539901, 0.412801598096189]) {
            assert!((ours - theirs).abs() < 1e-14, "{ours} {theirs}");
        }
    }

    #[test]
    fn forward_and_backward_gives_the_samples_that_scipy_gives() {
        let x: Vec<f64> =
            (0..200).map(|i| libm::sin(TAU * i as f64 / 100.0) + 0.2 * libm::sin(TAU * 25.0 * i as f64 / 100.0)).collect();
        let y = Butterworth::low_pass(10.0, 100.0).filtfilt(&x).unwrap();
        // printed to 9 decimals
        for (i, expected) in [(0, 0.000819959), (137, 0.731109392), (199, -0.261724209)] {
            assert!((y[i] - expected).abs() < 1e-9, "{i}: {} {expected}", y[i]);
        }
    }

    #[test]
    fn a_straight_line_passes_unchanged() {
        let x: Vec<f64> = (0..50).map(|i| 3.0 - 0.25 * i as f64).collect();
        let y = Butterworth::low_pass(10.0, 100.0).filtfilt(&x).unwrap();
        // zero phase and unit gain at 0 Hz; the ends hold the transient of a ramp, which the padding damps to 1e-3
        for i in 15..35 {
            assert!((y[i] - x[i]).abs() < 1e-3, "{i}: {} {}", y[i], x[i]);
        }
    }

    #[test]
    fn nine_samples_are_too_few() {
        assert_eq!(Butterworth::low_pass(10.0, 100.0).filtfilt(&[0.0; 9]), Err(Undefined::TooFew { have: 9, need: 10 }));
    }
}
