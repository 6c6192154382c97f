//! Viscosity in the incremental potential: a Prony series and a Kelvin–Voigt damper of shear, at finite strain.
//!
//! ```text
//! S = 2 dev E of a unit modulus                       E = ½ (FᵀF − I), dev of its trace
//! Q_k ← q_k² Q_k + m_k q_k (S − S₀)                    q_k = exp(−h / 2τ_k), S₀ at the start of the tick
//! ψ = a (|E|² − ⅓ (tr E)²) + H : E                     a = Σ m_k q_k + η/h,  H = Σ q_k² Q_k − a S₀
//! P = F (a S + H),  δP = δF (a S + H) + a F δS
//! ```
//! The convolution of Simo, “On a fully three-dimensional finite-strain viscoelastic damage model”, Comput Methods Appl Mech Eng 1987, by the midpoint rule
//! of Simo & Hughes, “Computational Inelasticity”, §10.3: exact for a strain that is held, of second order in h otherwise. What is past enters as a
//! constant, so the sum is a potential. S is linear in E: a finite number for every F, and weak in strong compression, where the elastic part holds.

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use super::lanes::{Lanes, Real, WIDTH};
use super::material::Mat3;
use super::response::{MOST_TERMS, Viscous};

/// xx, xy, xz, yy, yz, zz.
type Symmetric = [Lanes; 6];
const NONE: Symmetric = [Lanes::ZERO; 6];
const PAIRS: [(usize, usize); 6] = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)];
/// The place in a [`Symmetric`] of an entry.
const AT: [[usize; 3]; 3] = [[0, 1, 2], [1, 3, 4], [2, 4, 5]];

#[derive(Clone)]
struct Term {
    /// Share · μ, Pa.
    modulus: Lanes,
    /// 1/τ.
    rate: Lanes,
    /// q, for the last time step.
    half_decay: Lanes,
    /// Q, Pa.
    stress: Symmetric,
}

/// What the viscous part of eight elements is and remembers.
#[derive(Clone)]
pub struct ViscousBatch {
    terms: Vec<Term>,
    /// η, Pa·s.
    viscosity: Lanes,
    /// m³.
    volume: Lanes,
    /// S₀.
    before: Symmetric,
    /// S at the last evaluation.
    now: Symmetric,
    /// a and H of this tick, times the volume, J.
    modulus: Lanes,
    history: Symmetric,
    /// a S + H at the last evaluation, or its bound.
    total: Symmetric,
    dt_secs: f32,
}

/// What one element remembers, for one that is cut from it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    before: [f32; 6],
    terms: [[f32; 6]; MOST_TERMS],
}

/// 2 dev E for F = I + D.
#[inline(always)]
fn shear<T: Real>(d: &Mat3<T>) -> [T; 6] {
    let twice = |i: usize, j: usize| d[i][j] + d[j][i] + (d[0][i] * d[0][j] + d[1][i] * d[1][j] + d[2][i] * d[2][j]);
    let mut s = [twice(0, 0), twice(0, 1), twice(0, 2), twice(1, 1), twice(1, 2), twice(2, 2)];
    let mean = (s[0] + s[3] + s[5]) * T::of(1.0 / 3.0);
    for k in [0, 3, 5] {
        s[k] = s[k] - mean;
    }
    s
}

/// A : B of symmetric matrices.
#[inline(always)]
fn contract<T: Real>(a: &[T; 6], b: &[T; 6]) -> T {
    a[0] * b[0] + a[3] * b[3] + a[5] * b[5] + T::of(2.0) * (a[1] * b[1] + a[2] * b[2] + a[4] * b[4])
}

/// A lower bound of the eigenvalues, from mean and spread.
#[inline(always)]
fn least<T: Real>(a: &[T; 6]) -> T {
    let mean = (a[0] + a[3] + a[5]) * T::of(1.0 / 3.0);
    let apart = [a[0] - mean, a[3] - mean, a[5] - mean];
    let spread =
        apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2] + T::of(2.0) * (a[1] * a[1] + a[2] * a[2] + a[4] * a[4]);
    mean - T::of(2.0) * (spread * T::of(1.0 / 6.0)).sqrt()
}

impl ViscousBatch {
    pub fn new() -> Self {
        Self {
            terms: Vec::new(),
            viscosity: Lanes::ZERO,
            volume: Lanes::ZERO,
            before: NONE,
            now: NONE,
            modulus: Lanes::ZERO,
            history: NONE,
            total: NONE,
            dt_secs: 0.0,
        }
    }

    /// Puts an element into a lane.
    pub fn put(&mut self, lane: usize, tissue: &Viscous, volume: f32, memory: &Memory) {
        while self.terms.len() < tissue.terms.len() {
            self.terms.push(Term { modulus: Lanes::ZERO, rate: Lanes::ZERO, half_decay: Lanes::ZERO, stress: NONE });
        }
        for ((own, term), past) in self.terms.iter_mut().zip(tissue.terms).zip(&memory.terms) {
            own.modulus.0[lane] = term.share * tissue.modulus;
            own.rate.0[lane] = 1.0 / term.tau_secs;
            (0..6).for_each(|k| own.stress[k].0[lane] = past[k]);
        }
        self.viscosity.0[lane] = tissue.viscosity;
        self.volume.0[lane] = volume;
        (0..6).for_each(|k| self.before[k].0[lane] = memory.before[k]);
    }

    pub fn memory(&self, lane: usize) -> Memory {
        let mut memory = Memory { before: self.before.map(|entry| entry.0[lane]), ..Memory::default() };
        for (past, own) in memory.terms.iter_mut().zip(&self.terms) {
            *past = own.stress.map(|entry| entry.0[lane]);
        }
        memory
    }

    /// Sets out for a tick of `h` seconds.
    pub fn begin(&mut self, h: f32) {
        if h != self.dt_secs {
            self.dt_secs = h;
            for term in &mut self.terms {
                for lane in 0..WIDTH {
                    term.half_decay.0[lane] = libm::expf(-0.5 * h * term.rate.0[lane]);
                }
            }
        }
        self.modulus = self.viscosity * Lanes::of(1.0 / h);
        self.history = NONE;
        for Term { modulus, half_decay, stress, .. } in &self.terms {
            self.modulus = self.modulus + *modulus * *half_decay;
            for k in 0..6 {
                self.history[k] = self.history[k] + *half_decay * *half_decay * stress[k];
            }
        }
        for k in 0..6 {
            self.history[k] = self.volume * (self.history[k] - self.modulus * self.before[k]);
        }
        self.modulus = self.volume * self.modulus;
    }

    /// Remembers the state of the last evaluation as the end of the tick.
    pub fn end(&mut self) {
        for Term { modulus, half_decay, stress, .. } in &mut self.terms {
            for k in 0..6 {
                stress[k] = *half_decay * *half_decay * stress[k] + *modulus * *half_decay * (self.now[k] - self.before[k]);
            }
        }
        self.before = self.now;
    }

    /// Energy, J; keeps what the stress and its change need.
    #[inline(always)]
    pub fn evaluate(&mut self, d: &Mat3<Lanes>) -> Lanes {
        self.now = shear(d);
        for k in 0..6 {
            self.total[k] = self.modulus * self.now[k] + self.history[k];
        }
        // H has no trace, so H : E = ½ H : S, and |E|² − ⅓ (tr E)² = ¼ |S|²
        let half = Lanes::of(0.5);
        half * (half * self.modulus * contract(&self.now, &self.now) + contract(&self.history, &self.now))
    }

    /// Adds P.
    #[inline(always)]
    pub fn stress(&self, f: &Mat3<Lanes>, p: &mut Mat3<Lanes>) {
        for i in 0..3 {
            for j in 0..3 {
                let row = f[i][0] * self.total[AT[0][j]] + f[i][1] * self.total[AT[1][j]] + f[i][2] * self.total[AT[2][j]];
                p[i][j] = p[i][j] + row;
            }
        }
    }

    /// Adds δP.
    #[inline(always)]
    pub fn stress_change(&self, f: &Mat3<Lanes>, df: &Mat3<Lanes>, dp: &mut Mat3<Lanes>) {
        let both = |i: usize, j: usize| {
            (f[0][i] * df[0][j] + df[0][i] * f[0][j])
                + (f[1][i] * df[1][j] + df[1][i] * f[1][j])
                + (f[2][i] * df[2][j] + df[2][i] * f[2][j])
        };
        let mut change = [both(0, 0), both(0, 1), both(0, 2), both(1, 1), both(1, 2), both(2, 2)];
        let mean = (change[0] + change[3] + change[5]) * Lanes::of(1.0 / 3.0);
        for k in 0..6 {
            let own = if matches!(k, 0 | 3 | 5) { change[k] - mean } else { change[k] };
            change[k] = self.modulus * own;
        }
        for i in 0..3 {
            for j in 0..3 {
                let by_total =
                    df[i][0] * self.total[AT[0][j]] + df[i][1] * self.total[AT[1][j]] + df[i][2] * self.total[AT[2][j]];
                let by_change = f[i][0] * change[AT[0][j]] + f[i][1] * change[AT[1][j]] + f[i][2] * change[AT[2][j]];
                dp[i][j] = dp[i][j] + by_total + by_change;
            }
        }
    }

    /// Makes the stiffness positive where it was not; unchanged where a S + H is.
    pub fn clamp(&mut self) {
        let lift = (-least(&self.total)).at_least(Lanes::ZERO);
        for k in [0, 3, 5] {
            self.total[k] = self.total[k] + lift;
        }
    }

    /// Adds the block of one corner, given the gradient of its shape function; what is negative in it is left out.
    #[inline(always)]
    pub fn block(&self, f: &Mat3<Lanes>, b: &[Lanes; 6], g: &[Lanes; 3], out: &mut [Lanes; 6]) {
        let across = [0, 1, 2].map(|i| f[i][0] * g[0] + f[i][1] * g[1] + f[i][2] * g[2]);
        let square = g[0] * g[0] + g[1] * g[1] + g[2] * g[2];
        let t = &self.total;
        let twice = t[1] * g[0] * g[1] + t[2] * g[0] * g[2] + t[4] * g[1] * g[2];
        let even = (t[0] * g[0] * g[0] + t[3] * g[1] * g[1] + t[5] * g[2] * g[2] + twice + twice).at_least(Lanes::ZERO);
        for (k, (i, j)) in PAIRS.into_iter().enumerate() {
            let own = square * b[k] + Lanes::of(1.0 / 3.0) * across[i] * across[j];
            out[k] = out[k] + self.modulus * own;
            if i == j {
                out[k] = out[k] + even;
            }
        }
    }

    /// Adds P Fᵀ.
    #[inline(always)]
    pub fn kirchhoff(&self, f: &Mat3<Lanes>, out: &mut [Lanes; 6]) {
        let mut p = [[Lanes::ZERO; 3]; 3];
        self.stress(f, &mut p);
        for (k, (i, j)) in PAIRS.into_iter().enumerate() {
            out[k] = out[k] + (p[i][0] * f[j][0] + p[i][1] * f[j][1] + p[i][2] * f[j][2]);
        }
    }

    /// Shear modulus of this tick, J.
    pub fn mean_modulus(&self, lane: usize) -> f32 {
        self.modulus.0[lane]
    }
}
