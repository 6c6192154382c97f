//! How the two hands work together.

use super::Undefined;

/// Pearson's correlation of two series over the samples that `keep` allows.
pub fn pearson(left: &[f64], right: &[f64], keep: impl Fn(f64, f64) -> bool) -> Result<f64, Undefined> {
    let pairs: Vec<(f64, f64)> = left.iter().copied().zip(right.iter().copied()).filter(|&(l, r)| keep(l, r)).collect();
    if pairs.len() < 3 {
        return Err(Undefined::TooFew { have: pairs.len(), need: 3 });
    }
    let n = pairs.len() as f64;
    let mean_l = pairs.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_r = pairs.iter().map(|p| p.1).sum::<f64>() / n;
    let (mut ll, mut rr, mut lr) = (0.0, 0.0, 0.0);
    for (l, r) in pairs {
        let (l, r) = (l - mean_l, r - mean_r);
        ll += l * l;
        rr += r * r;
        lr += l * r;
    }
    if ll == 0.0 || rr == 0.0 { Err(Undefined::NoVariance) } else { Ok(lr / (ll * rr).sqrt()) }
}

/// Samples in which both reach the threshold over samples in which any does.
pub fn bimanual_ratio(left: &[f64], right: &[f64], threshold: f64) -> Result<f64, Undefined> {
    let moving = |v: f64| v >= threshold;
    let (mut both, mut any) = (0usize, 0usize);
    for (l, r) in left.iter().zip(right) {
        both += usize::from(moving(*l) && moving(*r));
        any += usize::from(moving(*l) || moving(*r));
    }
    if any == 0 { Err(Undefined::NoMotion) } else { Ok(both as f64 / any as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn hands() -> (Vec<f64>, Vec<f64>) {
        (0..1000).map(|i| i as f64 * 0.01).map(|t| (libm::sin(PI * t).abs(), libm::sin(PI * t + PI / 4.0).abs())).unzip()
    }

    #[test]
    fn two_shifted_sines_have_the_printed_correlation_and_ratio() {
        let (l, r) = hands();
        let value = pearson(&l, &r, |l, r| l > 0.0 || r > 0.0).unwrap();
        println!("{:+.2e}", value + 0.036255309);
        assert!((value + 0.036255309).abs() < 1e-9, "{value}"); // nine decimals are printed
        let value = bimanual_ratio(&l, &r, 0.5).unwrap();
        assert!((value - 0.42 / 0.92).abs() < 1e-9, "{value}");
    }

    #[test]
    fn hands_that_never_move_have_no_ratio() {
        assert_eq!(bimanual_ratio(&[0.0; 5], &[0.0; 5], 0.005), Err(Undefined::NoMotion));
        assert_eq!(pearson(&[1.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0], |_, _| true), Err(Undefined::NoVariance));
    }
}
