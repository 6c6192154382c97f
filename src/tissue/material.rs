//! What tissue is made of: the stable neo-Hookean solid, its energy, stress and stiffness.
//!
//! ```text
//! ψ = μ/2 (I_C − 3) − μ (J − 1) + (λ + μ)/2 (J − 1)²       μ, λ Lamé constants of E and ν
//! P = ∂ψ/∂F = μ F + s cof F                                s = (λ + μ)(J − 1) − μ
//! δP = μ δF + (λ + μ)(cof F : δF) cof F + s δ(cof F)
//! ```
//! After Smith, de Goes & Kim, “Stable Neo-Hookean Flesh Simulation”, ACM TOG 2018, without the logarithm. ψ is finite for every F, so an inverted
//! element is pulled back. Everything is written in the displacement gradient D = F − I, which keeps the digits of small strains in `f32`:
//! J − 1 = tr D + M + det D and cof F = (1 + tr D) I − Dᵀ + cof D, with M the sum of D's principal minors.
//!
//! What else a tissue may do, by its [`Response`](super::Response), is added to this: a second invariant, fibres, viscosity, a membrane.
//!
//! Limits: linear tetrahedra lock as ν nears 0.5 unless they share strain (`patches`).

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use super::lanes::Real;

/// Rows of a 3 × 3 matrix.
pub type Mat3<T> = [[T; 3]; 3];

/// An isotropic tissue.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    pub name: String,
    /// Young's modulus at small strain, Pa.
    pub young_pa: f32,
    /// Poisson's ratio, −1 < ν < 0.5.
    pub poisson: f32,
    pub density_kg_m3: f32,
    /// Von Mises stress past which [`StepReport::overstressed`](super::StepReport) lists an element, Pa.
    pub stress_limit_pa: f32,
}

impl Material {
    /// (μ, λ + μ), Pa.
    pub fn moduli(&self) -> (f32, f32) {
        let (young, poisson) = (f64::from(self.young_pa), f64::from(self.poisson));
        let mu = young / (2.0 * (1.0 + poisson));
        let lambda = young * poisson / ((1.0 + poisson) * (1.0 - 2.0 * poisson));
        (mu as f32, (lambda + mu) as f32)
    }

    /// Whether a solver can use it.
    pub fn is_sound(&self) -> bool {
        let positive = |value: f32| value.is_finite() && value > 0.0;
        positive(self.young_pa)
            && positive(self.density_kg_m3)
            && self.stress_limit_pa > 0.0
            && self.poisson > -1.0
            && self.poisson < 0.5
    }
}

/// The cofactor matrix: cof A = det A · A⁻ᵀ.
#[inline(always)]
pub fn cofactor<T: Real>(a: &Mat3<T>) -> Mat3<T> {
    let minor = |p: usize, q: usize, u: usize, v: usize| a[p][u] * a[q][v] - a[p][v] * a[q][u];
    [
        [minor(1, 2, 1, 2), minor(1, 2, 2, 0), minor(1, 2, 0, 1)],
        [minor(2, 0, 1, 2), minor(2, 0, 2, 0), minor(2, 0, 0, 1)],
        [minor(0, 1, 1, 2), minor(0, 1, 2, 0), minor(0, 1, 0, 1)],
    ]
}

/// A : B, the sum of products of entries.
#[inline(always)]
pub fn contract<T: Real>(a: &Mat3<T>, b: &Mat3<T>) -> T {
    let row = |i: usize| a[i][0] * b[i][0] + a[i][1] * b[i][1] + a[i][2] * b[i][2];
    row(0) + row(1) + row(2)
}

/// One deformation, with what energy, stress and stiffness share.
#[derive(Clone, Copy)]
pub struct Deformation<T> {
    /// D = F − I.
    pub d: Mat3<T>,
    pub cof_d: Mat3<T>,
    pub trace: T,
    pub det_d: T,
    pub minors: T,
}

impl<T: Real> Deformation<T> {
    #[inline(always)]
    pub fn new(d: Mat3<T>) -> Self {
        let cof_d = cofactor(&d);
        let det_d = d[0][0] * cof_d[0][0] + d[0][1] * cof_d[0][1] + d[0][2] * cof_d[0][2];
        Self { trace: d[0][0] + d[1][1] + d[2][2], minors: cof_d[0][0] + cof_d[1][1] + cof_d[2][2], d, cof_d, det_d }
    }

    /// F = I + D.
    #[inline(always)]
    pub fn gradient(&self) -> Mat3<T> {
        let mut f = self.d;
        for i in 0..3 {
            f[i][i] = f[i][i] + T::of(1.0);
        }
        f
    }

    /// J − 1, the relative change of volume.
    #[inline(always)]
    pub fn dilation(&self) -> T {
        self.trace + self.minors + self.det_d
    }

    /// cof F.
    #[inline(always)]
    pub fn cofactor(&self) -> Mat3<T> {
        let mut c = self.cof_d;
        for i in 0..3 {
            for j in 0..3 {
                c[i][j] = c[i][j] - self.d[j][i];
            }
            c[i][i] = c[i][i] + (self.trace + T::of(1.0));
        }
        c
    }

    /// ψ, J/m³ for moduli in Pa (or J where they are multiplied by the rest volume).
    #[inline(always)]
    pub fn energy(&self, mu: T, lambda_mu: T) -> T {
        let j = self.dilation();
        mu * (T::of(0.5) * contract(&self.d, &self.d) - self.minors - self.det_d) + T::of(0.5) * lambda_mu * j * j
    }

    /// P, the first Piola–Kirchhoff stress, in the units of the moduli.
    #[inline(always)]
    pub fn stress(&self, mu: T, lambda_mu: T) -> Mat3<T> {
        self.stress_under(mu, lambda_mu * self.dilation())
    }

    /// The same where (λ + μ)(J − 1) is `pressure`.
    #[inline(always)]
    pub fn stress_under(&self, mu: T, pressure: T) -> Mat3<T> {
        let c = self.cofactor();
        let mut p = c;
        for i in 0..3 {
            for j in 0..3 {
                // μ (F − cof F), whose identities cancel exactly
                let mut shear = self.d[i][j] + self.d[j][i] - self.cof_d[i][j];
                if i == j {
                    shear = shear - self.trace;
                }
                p[i][j] = mu * shear + pressure * c[i][j];
            }
        }
        p
    }
}

/// δP for a change δF at F, given cof F, with `along` = (λ + μ) cof F : δF and the factor of cof F in P, s = (λ + μ)(J − 1) − μ, clamped or not.
#[inline(always)]
pub fn stress_change<T: Real>(f: &Mat3<T>, df: &Mat3<T>, c: &Mat3<T>, mu: T, along: T, s: T) -> Mat3<T> {
    let mut dp = *df;
    for i in 0..3 {
        for j in 0..3 {
            let (a, b, u, v) = ((i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3);
            let dc = (df[a][u] * f[b][v] + f[a][u] * df[b][v]) - (df[a][v] * f[b][u] + f[a][v] * df[b][u]);
            dp[i][j] = mu * df[i][j] + along * c[i][j] + s * dc;
        }
    }
    dp
}

/// An upper bound of the largest singular value of F, exact where all three are equal: from the first two invariants of FᵀF.
#[inline(always)]
pub fn largest_stretch_bound<T: Real>(f: &Mat3<T>) -> T {
    let column = |i: usize, j: usize| f[0][i] * f[0][j] + f[1][i] * f[1][j] + f[2][i] * f[2][j];
    let diagonal = [column(0, 0), column(1, 1), column(2, 2)];
    let (xy, yz, xz) = (column(0, 1), column(1, 2), column(0, 2));
    let mean = (diagonal[0] + diagonal[1] + diagonal[2]) * T::of(1.0 / 3.0);
    let apart = diagonal.map(|value| (value - mean) * (value - mean));
    let spread = apart[0] + apart[1] + apart[2] + T::of(2.0) * (xy * xy + yz * yz + xz * xz);
    (mean + T::of(2.0) * (spread * T::of(1.0 / 6.0)).sqrt()).sqrt()
}

/// s bounded so that the element's stiffness cannot turn negative by its cofactor term; unchanged at rest, where |s| = μ and F = I.
#[inline(always)]
pub fn clamped_weight<T: Real>(f: &Mat3<T>, mu: T, s: T) -> T {
    let limit = mu / largest_stretch_bound(f).at_least(T::of(1e-6));
    s.at_most(limit).at_least(-limit)
}

/// F Fᵀ: xx, xy, xz, yy, yz, zz.
#[inline(always)]
pub fn left_cauchy_green<T: Real>(f: &Mat3<T>) -> [T; 6] {
    let row = |i: usize, k: usize| f[i][0] * f[k][0] + f[i][1] * f[k][1] + f[i][2] * f[k][2];
    [row(0, 0), row(0, 1), row(0, 2), row(1, 1), row(1, 2), row(2, 2)]
}

/// Von Mises stress of the Cauchy stress σ = P Fᵀ / J, in the units of the moduli; J is kept above 0.05 so that a crushed element answers.
/// `weighted` is P Fᵀ without its pressure, which the von Mises stress does not see: μ F Fᵀ and what the response adds.
#[inline(always)]
pub fn von_mises<T: Real>(f: &Mat3<T>, [xx, xy, xz, yy, yz, zz]: [T; 6]) -> T {
    let c = cofactor(f);
    let j = f[0][0] * c[0][0] + f[0][1] * c[0][1] + f[0][2] * c[0][2];
    let square = |a: T| a * a;
    let normal = T::of(0.5) * (square(xx - yy) + square(yy - zz) + square(zz - xx));
    let shear = T::of(3.0) * (xy * xy + yz * yz + xz * xz);
    (normal + shear).sqrt() / j.at_least(T::of(0.05))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MU: f64 = 10.0;
    const LAMBDA_MU: f64 = 40.0;

    fn gradient() -> impl Strategy<Value = Mat3<f64>> {
        prop::array::uniform3(prop::array::uniform3(-0.8..0.8))
    }

    fn multiply(a: &Mat3<f64>, b: &Mat3<f64>) -> Mat3<f64> {
        std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
    }

    fn minus_identity(mut f: Mat3<f64>) -> Mat3<f64> {
        (0..3).for_each(|i| f[i][i] -= 1.0);
        f
    }

    proptest! {
        /// Tolerance: central differences over 1e-5 of a quartic with coefficients up to 40 are good to 1e-6.
        #[test]
        fn stress_is_the_slope_of_energy(d in gradient()) {
            let stress = Deformation::new(d).stress(MU, LAMBDA_MU);
            for i in 0..3 {
                for j in 0..3 {
                    let energy = |by: f64| { let mut e = d; e[i][j] += by; Deformation::new(e).energy(MU, LAMBDA_MU) };
                    let slope = (energy(1e-5) - energy(-1e-5)) / 2e-5;
                    prop_assert!((slope - stress[i][j]).abs() < 1e-6 * (1.0 + slope.abs()), "{slope} {}", stress[i][j]);
                }
            }
        }

        #[test]
        fn stiffness_is_the_slope_of_stress(d in gradient(), df in gradient()) {
            let here = Deformation::new(d);
            let (f, c, s) = (here.gradient(), here.cofactor(), LAMBDA_MU * here.dilation() - MU);
            let change = stress_change(&f, &df, &c, MU, LAMBDA_MU * contract(&c, &df), s);
            let stress = |by: f64| {
                let moved = std::array::from_fn(|i| std::array::from_fn(|j| d[i][j] + by * df[i][j]));
                Deformation::new(moved).stress(MU, LAMBDA_MU)
            };
            let (up, down) = (stress(1e-5), stress(-1e-5));
            for i in 0..3 {
                for j in 0..3 {
                    let slope = (up[i][j] - down[i][j]) / 2e-5;
                    prop_assert!((slope - change[i][j]).abs() < 1e-6 * (1.0 + slope.abs()));
                }
            }
        }

        /// A turned body stores the same energy and feels the turned stress. Tolerance: rounding in double precision.
        #[test]
        fn turning_the_body_changes_neither_energy_nor_stress(d in gradient(), axis in prop::array::uniform3(-1.0f64..1.0), angle in -3.0f64..3.0) {
            prop_assume!(axis.iter().map(|a| a * a).sum::<f64>() > 1e-3);
            let turn = glam::DMat3::from_axis_angle(glam::DVec3::from(axis).normalize(), angle).transpose().to_cols_array_2d();
            let here = Deformation::new(d);
            let turned = Deformation::new(minus_identity(multiply(&turn, &here.gradient())));
            prop_assert!((turned.energy(MU, LAMBDA_MU) - here.energy(MU, LAMBDA_MU)).abs() < 1e-9);
            let expected = multiply(&turn, &here.stress(MU, LAMBDA_MU));
            let stress = turned.stress(MU, LAMBDA_MU);
            for i in 0..3 { for j in 0..3 { prop_assert!((stress[i][j] - expected[i][j]).abs() < 1e-9); } }
        }

        #[test]
        fn the_stretch_bound_is_never_below_the_largest_singular_value(d in gradient()) {
            let f = Deformation::new(d).gradient();
            let matrix = nalgebra::Matrix3::from_fn(|i, j| f[i][j]);
            let largest = matrix.singular_values()[0];
            prop_assert!(largest_stretch_bound(&f) >= largest * (1.0 - 1e-9));
        }
    }

    /// SOFA's own test vectors for neo-Hookean traction: P/μ = λ − λ⁻² of an incompressible bar. Here the sides are free (their stress is
    /// solved for by bisection) and the bulk term is 1e6 times the shear modulus, so 1e-4 is what compressibility leaves.
    #[test]
    fn a_nearly_incompressible_bar_meets_the_uniaxial_values() {
        for (stretch, expected) in [(0.6, -2.17778), (0.8, -0.76250), (1.2, 0.50556), (1.5, 1.05556), (2.0, 1.75)] {
            let at = |side: f64| {
                Deformation::new([[stretch - 1.0, 0.0, 0.0], [0.0, side - 1.0, 0.0], [0.0, 0.0, side - 1.0]]).stress(1.0, 1e6)
            };
            let (mut low, mut high) = (0.1, 3.0);
            for _ in 0..200 {
                let middle = 0.5 * (low + high);
                if at(middle)[1][1] > 0.0 { high = middle } else { low = middle }
            }
            let stress = at(0.5 * (low + high))[0][0];
            assert!((stress - expected).abs() < 1e-4, "{stretch}: {stress} {expected}");
        }
    }

    /// The stiffness at rest is Hooke's law: E 1000, ν 0.3 gives λ + 2μ = 1346.15 and λ = 576.92 Pa.
    #[test]
    fn small_strain_follows_hookes_law() {
        let material = Material { name: "m".into(), young_pa: 1000.0, poisson: 0.3, density_kg_m3: 1000.0, stress_limit_pa: 1.0 };
        let (mu, lambda_mu) = material.moduli();
        let strain = 1e-6;
        let stress = Deformation::new([[strain, 0.0, 0.0], [0.0; 3], [0.0; 3]]).stress(f64::from(mu), f64::from(lambda_mu));
        assert!((stress[0][0] / strain - 1346.1538).abs() < 0.01);
        assert!((stress[1][1] / strain - 576.923).abs() < 0.01);
        // one sixth of a unit cube: V·(λ+2μ, λ, μ), the vector of SOFA's linear elasticity test
        assert!((stress[0][0] / strain / 6.0 - 224.359).abs() < 2e-3);
        assert!((stress[1][1] / strain / 6.0 - 96.1538).abs() < 2e-3);
        assert!((f64::from(mu) / 6.0 - 64.1026).abs() < 1e-3);
    }

    /// A bar under simple tension has the tension as its von Mises stress.
    #[test]
    fn von_mises_of_a_stretched_bar_is_its_true_stress() {
        let f = [[1.01, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0f64]];
        let p = Deformation::new(minus_identity(f)).stress(MU, LAMBDA_MU);
        let (along, across) = (p[0][0] * 1.01 / 1.01, p[1][1] / 1.01);
        assert!((von_mises(&f, left_cauchy_green(&f).map(|entry| MU * entry)) - (along - across)).abs() < 1e-9);
    }

    #[test]
    fn at_rest_there_is_no_stress_and_no_clamp() {
        let rest = Deformation::new([[0.0f32; 3]; 3]);
        assert_eq!(rest.stress(3.0, 7.0), [[0.0; 3]; 3]);
        assert!((clamped_weight(&rest.gradient(), 3.0, -3.0) + 3.0).abs() < 1e-6);
    }
}
