//! What cut tissue sheds: an ooze from the raw surface that the organ's own clotting ends.

use libm::exp;

use super::Rest;

/// Depth of the vessels that a raw surface drains, m: this project's own. With a liver's flow of 1 ml/min a ml it gives 0.5 ml/min a cm².
const DRAINED_M: f64 = 0.005;

/// All raw surfaces together: the rate of bleeding at the pressure at rest falls by e in a bleeding time.
#[derive(Debug, Clone, PartialEq)]
pub struct Wounds {
    ml_per_s_per_m2: f64,
    bleeding_time_s: f64,
    mean_rest_mmhg: f64,
    ml_per_s: f64,
}

impl Wounds {
    pub fn new(rest: &Rest) -> Self {
        Self {
            ml_per_s_per_m2: rest.organ_perfusion_per_min / 60.0 * DRAINED_M * 1e6,
            bleeding_time_s: rest.bleeding_time_s,
            mean_rest_mmhg: rest.diastolic_mmhg + (rest.systolic_mmhg - rest.diastolic_mmhg) / 3.0,
            ml_per_s: 0.0,
        }
    }

    /// Mean arterial pressure at rest.
    pub fn mean_rest_mmhg(&self) -> f64 {
        self.mean_rest_mmhg
    }

    pub fn open(&mut self, area_m2: f64) {
        self.ml_per_s += self.ml_per_s_per_m2 * area_m2.max(0.0);
    }

    /// Blood lost in `dt_secs` at a mean arterial pressure, ml.
    pub fn step(&mut self, mean_mmhg: f64, dt_secs: f64) -> f64 {
        let lost = self.ml_per_s * (mean_mmhg / self.mean_rest_mmhg).max(0.0) * dt_secs;
        self.ml_per_s *= exp(-dt_secs / self.bleeding_time_s);
        lost
    }

    pub fn state(&self, visit: &mut impl FnMut(f64)) {
        visit(self.ml_per_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_bleeds_by_its_area_until_it_clots() {
        let mut wounds = Wounds::new(&Rest::default());
        wounds.open(20e-4);
        let lost: Vec<f64> = (0..90 * 3600).map(|_| wounds.step(90.0, 1.0 / 90.0)).collect();
        // 20 cm² at 0.5 ml/min a cm², for 270 s in all
        assert!((lost[0] * 90.0 * 60.0 - 10.0).abs() < 1e-9, "{}", lost[0]);
        assert!((lost.iter().sum::<f64>() - 45.0).abs() < 0.01, "{}", lost.iter().sum::<f64>());
        assert!(wounds.step(0.0, 1.0) == 0.0, "no pressure, no bleeding");
    }
}
