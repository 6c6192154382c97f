//! Fibres that resist being stretched: the exponential of Holzapfel, Gasser & Ogden, “A new constitutive framework for arterial wall mechanics”,
//! J Elast 2000, for one family of them.
//!
//! ```text
//! ψ = k₁/(2 k₂) (exp(k₂ e²) − 1)        e = ⟨|F a|² − 1⟩₊, a the direction at rest
//! P = 2 ψ′ (F a) ⊗ a                     ψ′ = k₁ e exp(k₂ e²)
//! δP = (2 ψ′ δF a + 4 ψ″ (F a · δF a) F a) ⊗ a        never negative
//! ```
//! Past the stretch where k₂ e² is [`STEEPEST`] ψ goes on as the parabola that fits it there, so that a fibre that is torn far is still a number.

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use super::lanes::{Lanes, WIDTH};
use super::material::Mat3;

/// exp of this is 55, a stress that no tissue has borne by then.
const STEEPEST: f32 = 4.0;

/// The fibres of eight elements.
#[derive(Clone)]
pub struct FibreBatch {
    along: [Lanes; 3],
    /// k₁ V, J; zero in lanes without fibres.
    k1: Lanes,
    k2: Lanes,
    /// F a, 2 ψ′ and 4 ψ″ at the last evaluation.
    stretched: [Lanes; 3],
    first: Lanes,
    second: Lanes,
}

/// (ψ, ψ′, ψ″) by e² for k₁ = 1 at I₄ − 1 = `over`.
pub fn response(over: f32, k2: f32) -> (f32, f32, f32) {
    let steep = (STEEPEST / k2).sqrt();
    let e = over.clamp(0.0, steep);
    let power = libm::expf(k2 * e * e);
    let (energy, slope, curve) = (0.5 * libm::expm1f(k2 * e * e) / k2, e * power, power * (1.0 + 2.0 * k2 * e * e));
    if over <= 0.0 {
        return (0.0, 0.0, 0.0);
    }
    let past = over - e;
    (energy + past * (slope + 0.5 * past * curve), slope + past * curve, curve)
}

impl FibreBatch {
    pub const NONE: Self = Self {
        along: [Lanes::ZERO; 3],
        k1: Lanes::ZERO,
        k2: Lanes::ZERO,
        stretched: [Lanes::ZERO; 3],
        first: Lanes::ZERO,
        second: Lanes::ZERO,
    };

    /// Puts an element into a lane; `k1` times its volume, J.
    pub fn put(&mut self, lane: usize, along: [f32; 3], k1: f32, k2: f32) {
        self.along.iter_mut().zip(along).for_each(|(lanes, value)| lanes.0[lane] = value);
        self.k1.0[lane] = k1;
        self.k2.0[lane] = k2;
    }

    /// Energy, J; keeps what the stress and its change need.
    #[inline(always)]
    pub fn evaluate(&mut self, d: &Mat3<Lanes>) -> Lanes {
        let a = &self.along;
        let mut over = Lanes::ZERO;
        for i in 0..3 {
            let by = d[i][0] * a[0] + d[i][1] * a[1] + d[i][2] * a[2];
            self.stretched[i] = a[i] + by;
            over = over + by * (a[i] + self.stretched[i]);
        }
        let mut energy = Lanes::ZERO;
        for lane in 0..WIDTH {
            let k1 = self.k1.0[lane];
            let (stored, slope, curve) = if k1 > 0.0 { response(over.0[lane], self.k2.0[lane]) } else { (0.0, 0.0, 0.0) };
            energy.0[lane] = k1 * stored;
            self.first.0[lane] = 2.0 * k1 * slope;
            self.second.0[lane] = 4.0 * k1 * curve;
        }
        energy
    }

    /// Adds P.
    #[inline(always)]
    pub fn stress(&self, p: &mut Mat3<Lanes>) {
        for i in 0..3 {
            let pull = self.first * self.stretched[i];
            for j in 0..3 {
                p[i][j] = p[i][j] + pull * self.along[j];
            }
        }
    }

    /// Adds δP.
    #[inline(always)]
    pub fn stress_change(&self, df: &Mat3<Lanes>, dp: &mut Mat3<Lanes>) {
        let (a, f) = (&self.along, &self.stretched);
        let by = [0, 1, 2].map(|i| df[i][0] * a[0] + df[i][1] * a[1] + df[i][2] * a[2]);
        let along = self.second * (f[0] * by[0] + f[1] * by[1] + f[2] * by[2]);
        for i in 0..3 {
            let pull = self.first * by[i] + along * f[i];
            for j in 0..3 {
                dp[i][j] = dp[i][j] + pull * a[j];
            }
        }
    }

    /// Adds the block of one corner, given the gradient of its shape function.
    #[inline(always)]
    pub fn block(&self, g: &[Lanes; 3], out: &mut [Lanes; 6]) {
        let (a, f) = (&self.along, &self.stretched);
        let reach = a[0] * g[0] + a[1] * g[1] + a[2] * g[2];
        let square = reach * reach;
        let even = self.first * square;
        let steep = self.second * square;
        for (k, (i, j)) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].into_iter().enumerate() {
            out[k] = out[k] + steep * f[i] * f[j];
            if i == j {
                out[k] = out[k] + even;
            }
        }
    }

    /// Adds P Fᵀ.
    #[inline(always)]
    pub fn kirchhoff(&self, out: &mut [Lanes; 6]) {
        let f = &self.stretched;
        for (k, (i, j)) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].into_iter().enumerate() {
            out[k] = out[k] + self.first * f[i] * f[j];
        }
    }

    /// A third of the stiffness along the fibres: what it weighs as a shear modulus in a coarse view, J.
    pub fn mean_modulus(&self, lane: usize) -> f32 {
        (self.first.0[lane] + self.second.0[lane]) / 3.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slopes by central differences over 1e-3; past the steepest stretch too, where the parabola takes over.
    #[test]
    fn slope_and_curvature_are_those_of_the_energy() {
        for (over, k2) in [(0.1f32, 2.0f32), (0.5, 3.0), (1.1, 3.0), (1.3, 3.0), (4.0, 1.0)] {
            let (_, slope, curve) = response(over, k2);
            let at = |by: f32| response(over + by, k2);
            let by_energy = (f64::from(at(1e-3).0) - f64::from(at(-1e-3).0)) / 2e-3;
            let by_slope = (f64::from(at(1e-3).1) - f64::from(at(-1e-3).1)) / 2e-3;
            assert!((by_energy / f64::from(slope) - 1.0).abs() < 2e-3, "{over} {k2}: {by_energy} {slope}");
            assert!((by_slope / f64::from(curve) - 1.0).abs() < 2e-2, "{over} {k2}: {by_slope} {curve}");
        }
        assert_eq!(response(-0.2, 3.0), (0.0, 0.0, 0.0), "a fibre that is pressed is slack");
    }
}
