//! Smoothness: spectral arc length, dimensionless jerk and normalised jerk.
//!
//! SPARC: Balasubramanian, Melendez-Calderon, Roby-Brami & Burdet, “On the analysis of movement smoothness”, J NeuroEng Rehabil 2015;
//! 12:112. The arithmetic is that of its authors' program `smoothness.py`, whose results the tests hold to nine decimals.
//!
//! A constant speed scores *worse* on SPARC than a reach without a stop: the rectangular window leaks. And more sub-movements are not
//! worse in a simple way. Both are properties of the measure.

use glam::DVec3;
use rustfft::{FftPlannerScalar, num_complex::Complex};

use super::Undefined;

/// How SPARC looks at the spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparcSettings {
    /// Zeros are appended to 2^(⌈log₂ N⌉ + this) samples.
    pub pad_level: u32,
    /// Upper end of the band, Hz, inclusive.
    pub cutoff_hz: f64,
    /// Lines of the normalised spectrum below this are cut off at either end of the band.
    pub amplitude_threshold: f64,
}

impl Default for SparcSettings {
    fn default() -> Self {
        Self { pad_level: 4, cutoff_hz: 10.0, amplitude_threshold: 0.05 }
    }
}

/// Spectral arc length of a speed profile; at most −1, nearer 0 is smoother.
///
/// ```text
/// M_k = |FFT(v)|_k / max |FFT(v)|      a, b: first and last k with f_k ≤ fc and M_k ≥ threshold
/// SPARC = − Σ_{k=a}^{b−1} √( ((f_{k+1} − f_k) / (f_b − f_a))² + (M_{k+1} − M_k)² )
/// ```
/// `speed` is sampled at `rate_hz`, which must be at least twice the cut-off.
pub fn sparc(speed: &[f64], rate_hz: f64, settings: SparcSettings) -> Result<f64, Undefined> {
    sparc_with_lines(speed, rate_hz, settings).map(|(value, _)| value)
}

/// [`sparc`] with the number of lines between a and b.
fn sparc_with_lines(speed: &[f64], rate_hz: f64, settings: SparcSettings) -> Result<(f64, usize), Undefined> {
    let n = speed.len();
    if n < 2 {
        return Err(Undefined::TooFew { have: n, need: 2 });
    }
    if rate_hz < 2.0 * settings.cutoff_hz {
        return Err(Undefined::RateTooLow { rate_hz, band_hz: settings.cutoff_hz });
    }
    let nfft = n.next_power_of_two() << settings.pad_level;
    let mut lines: Vec<Complex<f64>> = speed.iter().map(|&v| Complex::new(v, 0.0)).collect();
    lines.resize(nfft, Complex::ZERO);
    FftPlannerScalar::new().plan_fft_forward(nfft).process(&mut lines);
    let magnitude: Vec<f64> = lines.iter().map(|c| (c.re * c.re + c.im * c.im).sqrt()).collect();
    let most = magnitude.iter().copied().fold(0.0, f64::max);
    if most == 0.0 {
        return Err(Undefined::NoMotion);
    }
    let frequency = |k: usize| k as f64 * rate_hz / nfft as f64;
    let kept: Vec<f64> =
        magnitude.iter().enumerate().take_while(|&(k, _)| frequency(k) <= settings.cutoff_hz).map(|(_, m)| m / most).collect();
    let above = |m: &f64| *m >= settings.amplitude_threshold;
    let (Some(a), Some(b)) = (kept.iter().position(above), kept.iter().rposition(above)) else {
        return Err(Undefined::SingleLine);
    };
    if a == b {
        return Err(Undefined::SingleLine);
    }
    let width = frequency(b) - frequency(a);
    let arc: f64 = (a..b)
        .map(|k| {
            let df = (frequency(k + 1) - frequency(k)) / width;
            let dm = kept[k + 1] - kept[k];
            (df * df + dm * dm).sqrt()
        })
        .sum();
    Ok((-arc, b - a + 1))
}

/// Dimensionless jerk of a speed profile: 0 for a constant speed, −204.8 for a minimum-jerk reach sampled ever faster.
///
/// ```text
/// T = N / fs      j_i = (v_{i+2} − 2 v_{i+1} + v_i) fs²      DLJ = − T³ / max|v|² · Σ j_i² / fs
/// ```
/// Balasubramanian et al. 2015 as above; T counts N samples, not N − 1 intervals, as their program does.
pub fn dlj(speed: &[f64], rate_hz: f64) -> Result<f64, Undefined> {
    jerk(
        speed.len(),
        rate_hz,
        |i| speed[i].abs(),
        |i| {
            let d = speed[i + 2] - 2.0 * speed[i + 1] + speed[i];
            d * d
        },
    )
}

/// [`dlj`] of a velocity in space: the jerk is a vector, the peak the largest speed. A helix at constant speed has none of the former
/// and much of the latter.
pub fn dlj_3d(velocity: &[DVec3], rate_hz: f64) -> Result<f64, Undefined> {
    jerk(
        velocity.len(),
        rate_hz,
        |i| velocity[i].length(),
        |i| (velocity[i + 2] - 2.0 * velocity[i + 1] + velocity[i]).length_squared(),
    )
}

/// DLJ from the speeds and the squared second differences of N samples.
fn jerk(n: usize, rate_hz: f64, speed: impl Fn(usize) -> f64, difference2: impl Fn(usize) -> f64) -> Result<f64, Undefined> {
    if n < 3 {
        return Err(Undefined::TooFew { have: n, need: 3 });
    }
    let peak = (0..n).map(speed).fold(0.0, f64::max);
    if peak == 0.0 {
        return Err(Undefined::NoMotion);
    }
    let duration = n as f64 / rate_hz;
    let sum: f64 = (0..n - 2).map(difference2).sum::<f64>() * rate_hz.powi(3);
    let value = duration.powi(3) / (peak * peak) * sum;
    // Rounding of a speed that is constant, at 1e-12 of it, gives no more than this; a real movement is above 100.
    let rounding = 1e-24 * (n as f64).powi(4);
    Ok(if value <= rounding { 0.0 } else { -value })
}

/// −ln |DLJ|; not defined for a constant speed.
pub fn ldlj(dlj: f64) -> Result<f64, Undefined> {
    if dlj == 0.0 { Err(Undefined::ConstantSpeed) } else { Ok(-libm::log(dlj.abs())) }
}

/// Normalised jerk of a path, √360 for a minimum-jerk reach sampled ever faster; smaller is smoother.
///
/// ```text
/// njerk = √( ½ ∫ |j|² dt · T⁵ / PL² )      j: third difference of the position
/// ```
/// `velocity` is the forward difference of N + 1 positions at `rate_hz`; `path_m` is the length of the polyline.
pub fn njerk(velocity: &[DVec3], rate_hz: f64, path_m: f64) -> Result<f64, Undefined> {
    let n = velocity.len();
    if n < 3 {
        return Err(Undefined::TooFew { have: n + 1, need: 4 });
    }
    if path_m == 0.0 {
        return Err(Undefined::NoMotion);
    }
    let duration = n as f64 / rate_hz;
    let sum: f64 = velocity.windows(3).map(|v| (v[2] - 2.0 * v[1] + v[0]).length_squared()).sum::<f64>() * rate_hz.powi(3);
    Ok((0.5 * sum * duration.powi(5)).sqrt() / path_m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{PI, TAU};

    /// Speed of a minimum-jerk reach of `distance` in `duration`: 30 D/T u² (1 − u)².
    fn reach(duration: f64, distance: f64, t: f64) -> f64 {
        let u = t / duration;
        if (0.0..=1.0).contains(&u) { 30.0 * distance / duration * u * u * (1.0 - u) * (1.0 - u) } else { 0.0 }
    }

    fn samples(n: usize, rate: f64, v: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..n).map(|i| v(i as f64 / rate)).collect()
    }

    /// Unit reaches of 1 s that start at the given sample numbers, summed, at 100 Hz.
    fn train(n: usize, starts: &[usize]) -> Vec<f64> {
        let one = samples(101, 100.0, |t| reach(1.0, 1.0, t));
        let mut sum = vec![0.0; n];
        for &start in starts {
            for (i, v) in one.iter().enumerate() {
                sum[start + i] += v;
            }
        }
        sum
    }

    /// The printed vectors: name, speed, rate, settings, nfft lines kept, SPARC, DLJ, LDLJ.
    #[test]
    fn the_published_vectors_come_out_to_the_last_printed_digit() {
        let standard = SparcSettings::default();
        let wide = SparcSettings { pad_level: 2, cutoff_hz: 20.0, amplitude_threshold: 0.01 };
        let mj = |duration: f64, distance: f64, rate: f64| {
            samples((duration * rate) as usize + 1, rate, move |t| reach(duration, distance, t))
        };
        let gauss = (0..200).map(|i| -1.0 + 0.01 * i as f64).map(|t| libm::exp(-5.0 * t * t)).collect();
        let ripple = samples(101, 100.0, |t| reach(1.0, 1.0, t) * (1.0 + 0.2 * libm::sin(TAU * 8.0 * t)));
        let sine = samples(201, 100.0, |t| libm::sin(TAU * t).abs());
        let table: Vec<(&str, Vec<f64>, f64, SparcSettings, usize, f64, f64, f64)> = vec![
            ("V1", gauss, 100.0, standard, 51, -1.414031262, -335.746837, -5.816357415),
            ("V2", mj(1.0, 1.0, 100.0), 100.0, standard, 35, -1.405829324, -200.664277, -5.301633248),
            ("V3", mj(1.0, 1.0, 100.0)[..100].to_vec(), 100.0, standard, 35, -1.405829324, -185.701225, -5.224139068),
            ("V4", mj(2.0, 1.0, 100.0), 100.0, standard, 35, -1.405829284, -202.741914, -5.311933811),
            ("V5", mj(5.0, 0.3, 100.0), 100.0, standard, 28, -1.402426063, -203.979171, -5.318017888),
            ("V6", mj(1.0, 1.0, 30.0), 30.0, standard, 29, -1.400412749, -190.738095, -5.250901259),
            ("V7", mj(1.0, 1.0, 90.0), 90.0, standard, 38, -1.396345596, -200.200019, -5.299316962),
            ("V7b", mj(1.0, 1.0, 1000.0), 1000.0, standard, 28, -1.402426063, -204.389992, -5.320029893),
            ("V8", train(151, &[0, 50]), 100.0, standard, 68, -1.631110361, -585.818319, -6.373009706),
            ("V9", train(201, &[0, 100]), 100.0, standard, 58, -2.244545458, -3243.059812, -8.084272550),
            ("V10", train(301, &[0, 200]), 100.0, standard, 133, -3.993540184, -10756.837608, -9.283296888),
            ("V11", train(501, &[0, 100, 200, 300, 400]), 100.0, standard, 109, -3.301757533, -127406.373678, -11.755137050),
            ("V12", ripple, 100.0, standard, 184, -1.889129542, -37234.674462, -10.524995715),
            ("V13", sine, 100.0, standard, 171, -3.034293130, -396848.187075, -12.891309086),
            ("V15", mj(1.0, 1.0, 100.0), 100.0, wide, 19, -1.626314391, -200.664277, -5.301633248),
        ];
        let mut worst = 0.0f64;
        for (name, speed, rate, settings, lines, sparc, dlj_expected, ldlj_expected) in table {
            let (value, kept) = sparc_with_lines(&speed, rate, settings).unwrap();
            let jerk = dlj(&speed, rate).unwrap();
            let log = ldlj(jerk).unwrap();
            println!("{name}: {kept} {:+.2e} {:+.2e} {:+.2e}", value - sparc, jerk - dlj_expected, log - ldlj_expected);
            worst = worst.max((value - sparc).abs()).max((log - ldlj_expected).abs());
            assert_eq!(kept, lines, "{name}");
            // nine decimals are printed: half a unit of the last, and rounding
            assert!((value - sparc).abs() < 1e-9, "{name}: {value}");
            assert!((log - ldlj_expected).abs() < 1e-9, "{name}: {log}");
            // six decimals are printed
            assert!((jerk - dlj_expected).abs() < 1e-6, "{name}: {jerk}");
        }
        println!("worst: {worst:.2e}");
    }

    #[test]
    fn a_constant_speed_has_an_arc_but_no_logarithm_of_jerk() {
        let v = [1.0; 200];
        let (value, kept) = sparc_with_lines(&v, 100.0, SparcSettings::default()).unwrap();
        assert!((value + 2.401197761).abs() < 1e-9 && kept == 116, "{value} {kept}");
        assert_eq!(dlj(&v, 100.0), Ok(0.0));
        assert_eq!(ldlj(0.0), Err(Undefined::ConstantSpeed));
        // constant up to rounding: positions 0.07 · i / 200, differentiated
        let rounded: Vec<f64> = (0..200).map(|i| (0.07 * (i + 1) as f64 / 200.0 - 0.07 * i as f64 / 200.0) * 100.0).collect();
        assert_eq!(dlj(&rounded, 100.0), Ok(0.0));
    }

    #[test]
    fn what_has_no_smoothness_says_why() {
        let standard = SparcSettings::default();
        assert_eq!(sparc(&[1.0], 100.0, standard), Err(Undefined::TooFew { have: 1, need: 2 }));
        assert_eq!(sparc(&[0.0; 50], 100.0, standard), Err(Undefined::NoMotion));
        assert_eq!(sparc(&[1.0; 50], 15.0, standard), Err(Undefined::RateTooLow { rate_hz: 15.0, band_hz: 10.0 }));
        assert_eq!(dlj(&[1.0, 2.0], 100.0), Err(Undefined::TooFew { have: 2, need: 3 }));
        assert_eq!(dlj(&[0.0; 9], 100.0), Err(Undefined::NoMotion));
    }

    #[test]
    fn jerk_in_space_is_that_of_the_helix() {
        // velocity of r (cos wt, sin wt), r = 20 mm, w = π, climbing 30 mm in 6 s
        let v: Vec<DVec3> = (0..=600)
            .map(|i| i as f64 / 100.0)
            .map(|t| DVec3::new(-0.02 * PI * libm::sin(PI * t), 0.02 * PI * libm::cos(PI * t), 0.005))
            .collect();
        let value = ldlj(dlj_3d(&v, 100.0).unwrap()).unwrap();
        assert!((value + 11.742808099).abs() < 1e-9, "{value}");
    }
}
