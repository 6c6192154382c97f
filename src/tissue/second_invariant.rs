//! What the Mooney–Rivlin solid adds: μ₂/2 (|cof F|² − 3) − 2 μ₂ (J − 1), whose first part is the second invariant of C. Like the rest it is finite for
//! every F and written in D: with G = C − I,
//!
//! ```text
//! ψ = |D|² + ¼ ((tr G)² − |G|²) − 2 (M + det D)
//! P = 2 (D + Dᵀ − cof D − tr D I) + F (tr G I − G)
//! ```
//! At small strain it is a shear modulus μ₂ and no pressure. Rivlin, “Large elastic deformations of isotropic materials IV”, Phil Trans 1948.

#![expect(clippy::needless_range_loop, reason = "an index here names an axis of several arrays at once")]

use super::lanes::Real;
use super::material::{Deformation, Mat3, contract};

/// Fᵀ F − I.
#[inline(always)]
fn green<T: Real>(d: &Mat3<T>) -> Mat3<T> {
    let mut g = *d;
    for i in 0..3 {
        for j in 0..3 {
            g[i][j] = d[i][j] + d[j][i] + (d[0][i] * d[0][j] + d[1][i] * d[1][j] + d[2][i] * d[2][j]);
        }
    }
    g
}

/// ψ for μ₂ = 1.
#[inline(always)]
pub fn energy<T: Real>(here: &Deformation<T>) -> T {
    let g = green(&here.d);
    let trace = g[0][0] + g[1][1] + g[2][2];
    contract(&here.d, &here.d) + T::of(0.25) * (trace * trace - contract(&g, &g)) - T::of(2.0) * (here.minors + here.det_d)
}

/// P for μ₂ = 1.
#[inline(always)]
pub fn stress<T: Real>(here: &Deformation<T>) -> Mat3<T> {
    let (d, g, f) = (&here.d, green(&here.d), here.gradient());
    let trace = g[0][0] + g[1][1] + g[2][2];
    let mut p = f;
    for i in 0..3 {
        for j in 0..3 {
            let turned = f[i][0] * g[0][j] + f[i][1] * g[1][j] + f[i][2] * g[2][j];
            let mut linear = d[i][j] + d[j][i] - here.cof_d[i][j];
            if i == j {
                linear = linear - here.trace;
            }
            p[i][j] = T::of(2.0) * linear + f[i][j] * trace - turned;
        }
    }
    p
}

/// δP of |cof F|²/2 alone for a change δF at F, for μ₂ = 1: δF tr C − δF C + F (2 F:δF I − δFᵀ F − Fᵀ δF). The part of J goes with the weight of cof F.
#[inline(always)]
pub fn stress_change<T: Real>(f: &Mat3<T>, df: &Mat3<T>) -> Mat3<T> {
    let columns = |a: &Mat3<T>, b: &Mat3<T>, i: usize, j: usize| a[0][i] * b[0][j] + a[1][i] * b[1][j] + a[2][i] * b[2][j];
    let (mut c, mut change) = (*f, *f);
    for i in 0..3 {
        for j in 0..3 {
            c[i][j] = columns(f, f, i, j);
            change[i][j] = -(columns(df, f, i, j) + columns(f, df, i, j));
        }
    }
    let trace = c[0][0] + c[1][1] + c[2][2];
    let along = T::of(2.0) * contract(f, df);
    for i in 0..3 {
        change[i][i] = change[i][i] + along;
    }
    let mut dp = *f;
    for i in 0..3 {
        for j in 0..3 {
            let by_c = df[i][0] * c[0][j] + df[i][1] * c[1][j] + df[i][2] * c[2][j];
            let by_change = f[i][0] * change[0][j] + f[i][1] * change[1][j] + f[i][2] * change[2][j];
            dp[i][j] = df[i][j] * trace - by_c + by_change;
        }
    }
    dp
}

/// The block of that stiffness for one corner, given the gradient g of its shape function: xx, xy, xz, yy, yz, zz. It is never negative.
#[inline(always)]
pub fn block<T: Real>(f: &Mat3<T>, g: [T; 3]) -> [T; 6] {
    let row = |i: usize, j: usize| f[i][0] * f[j][0] + f[i][1] * f[j][1] + f[i][2] * f[j][2];
    let a = [0, 1, 2].map(|i| f[i][0] * g[0] + f[i][1] * g[1] + f[i][2] * g[2]);
    let square = g[0] * g[0] + g[1] * g[1] + g[2] * g[2];
    let (xx, yy, zz) = (row(0, 0), row(1, 1), row(2, 2));
    let even = square * (xx + yy + zz) - (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
    [
        even + a[0] * a[0] - square * xx,
        a[0] * a[1] - square * row(0, 1),
        a[0] * a[2] - square * row(0, 2),
        even + a[1] * a[1] - square * yy,
        a[1] * a[2] - square * row(1, 2),
        even + a[2] * a[2] - square * zz,
    ]
}

/// P Fᵀ of |cof F|²/2, for μ₂ = 1, but for a pressure, given B = F Fᵀ: tr B B − B².
#[inline(always)]
pub fn kirchhoff<T: Real>(b: &[T; 6]) -> [T; 6] {
    let rows = [[b[0], b[1], b[2]], [b[1], b[3], b[4]], [b[2], b[4], b[5]]];
    let trace = b[0] + b[3] + b[5];
    let part =
        |i: usize, k: usize| trace * rows[i][k] - (rows[i][0] * rows[0][k] + rows[i][1] * rows[1][k] + rows[i][2] * rows[2][k]);
    [part(0, 0), part(0, 1), part(0, 2), part(1, 1), part(1, 2), part(2, 2)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tissue::material::{left_cauchy_green, stress_change as cofactor_change};

    fn gradient() -> impl Strategy<Value = Mat3<f64>> {
        prop::array::uniform3(prop::array::uniform3(-0.8..0.8))
    }

    proptest! {
        /// Tolerance: central differences over 1e-5 of a quartic are good to 1e-6.
        #[test]
        fn stress_and_stiffness_are_slopes(d in gradient(), df in gradient(), g in prop::array::uniform3(-1.0f64..1.0)) {
            let here = Deformation::new(d);
            let f = here.gradient();
            let moved = |by: f64| {
                Deformation::new(std::array::from_fn(|i| std::array::from_fn(|j| d[i][j] + by * df[i][j])))
            };
            let slope = (energy(&moved(1e-5)) - energy(&moved(-1e-5))) / 2e-5;
            prop_assert!((slope - contract(&stress(&here), &df)).abs() < 1e-6 * (1.0 + slope.abs()), "{slope}");
            // the weight of cof F is −2 for μ₂ = 1
            let (by_cofactor, own) = (cofactor_change(&f, &df, &here.cofactor(), 0.0, 0.0, -2.0), stress_change(&f, &df));
            let (up, down) = (stress(&moved(1e-5)), stress(&moved(-1e-5)));
            for i in 0..3 {
                for j in 0..3 {
                    let slope = (up[i][j] - down[i][j]) / 2e-5;
                    prop_assert!((slope - own[i][j] - by_cofactor[i][j]).abs() < 1e-6 * (1.0 + slope.abs()), "{slope}");
                }
            }
            for (k, (i, j)) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].into_iter().enumerate() {
                let mut along = [[0.0; 3]; 3];
                along[j] = g;
                let product: f64 = (0..3).map(|m| stress_change(&f, &along)[i][m] * g[m]).sum();
                prop_assert!((product - block(&f, g)[k]).abs() < 1e-9);
            }
        }

        /// P Fᵀ differs from what the stress gives by a pressure only.
        #[test]
        fn kirchhoff_stress_is_that_of_the_stress_but_for_a_pressure(d in gradient()) {
            let here = Deformation::new(d);
            let (f, p, own) = (here.gradient(), stress(&here), kirchhoff(&left_cauchy_green(&here.gradient())));
            let whole = |i: usize, k: usize| (0..3).map(|j| p[i][j] * f[k][j]).sum::<f64>();
            let pressure = whole(0, 0) - own[0];
            for (k, (i, j)) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].into_iter().enumerate() {
                let expected = own[k] + if i == j { pressure } else { 0.0 };
                prop_assert!((whole(i, j) - expected).abs() < 1e-9, "{i}{j}");
            }
        }
    }
}
