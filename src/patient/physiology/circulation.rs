//! The circulation: arteries and veins as two stores, a heart between them, and the reflexes that hold the pressure.

use libm::{exp, tanh};

use super::{Rest, drugs::Effect};

/// Mean filling pressure of the veins at rest, mmHg: 7 (Guyton, Physiol Rev 35:123-129, 1955).
const FILLING_MMHG: f64 = 7.0;
/// Compliance of the veins, ml/mmHg a kg: 1.5 to 2.5 are measured; within that, this project's own.
const VENOUS_COMPLIANCE_PER_KG: f64 = 2.3;
/// Venous blood that full tone brings into motion, ml/kg: of the order of Heldt et al., J Appl Physiol 92:1239-1254, 2002 (27 ml/mmHg
/// of the arterial baroreflex over some 18 mmHg, and as much again of the low-pressure receptors).
const MOBILISED_PER_KG: f64 = 16.0;
/// The blood goes round once a minute at rest: this project's own (5 l/min for 5 l).
const ROUND_SECS: f64 = 60.0;
/// Filling pressure over which stroke volume levels off, mmHg: the heart's curve is 1 − e^(−P/4).
const STARLING_MMHG: f64 = 4.0;
/// Error of the arterial pressure that drives the baroreflex to its bend, mmHg: Heldt 2002.
const BARO_MMHG: f64 = 18.0;
/// Gains on resistance, contractility and veins of the arterial and the low-pressure receptors, then those on the heart rate: fitted to
/// the classes of ATLS.
const TONE_ARTERIAL: f64 = 0.8;
const TONE_VENOUS: f64 = 0.5;
const RATE_ARTERIAL: f64 = 0.5;
const RATE_VENOUS: f64 = 0.7;
/// What full drive adds to resistance and contractility, as a share: this project's own.
const RESISTANCE_GAIN: f64 = 1.0;
/// Vessels at rest have little tone to lose: the share of the gain that acts when the drive is below rest.
const WIDENING: f64 = 0.3;
const CONTRACTILITY_GAIN: f64 = 0.3;
/// Lags of heart rate, resistance with contractility, and veins, s: the order of Ursino, Am J Physiol 275:H1733-H1747, 1998 (2, 6 to 8, 20,
/// and delays of 2 to 5).
const RATE_SECS: f64 = 4.0;
const TONE_SECS: f64 = 8.0;
const VEIN_SECS: f64 = 25.0;
/// How far a higher pressure holds the stroke back: a share a share. This project's own.
const AFTERLOAD: f64 = 0.3;
/// Of each mmHg of intra-abdominal pressure: resistance (share), what it takes of the heart's filling (mmHg), what it squeezes out of
/// the belly's veins (ml, up to 10 mmHg), and how far it lifts the pressure that the reflex defends (mmHg). Fitted to McLaughlin et al., Surg
/// Endosc 9:121-124, 1995 (15 mmHg, head up) and the smaller changes that others find lying flat.
const BELLY_RESISTANCE: f64 = 0.03;
const BELLY_FILLING_MMHG: f64 = 0.2;
const BELLY_SQUEEZE_ML: f64 = 8.0;
const BELLY_SQUEEZE_TO_MMHG: f64 = 10.0;
const BELLY_SET_POINT: f64 = 1.2;
/// Fluid comes back from the tissue with this time constant: 1 l of loss brings 170 ml in the first hour. Moore (Ann Surg 163:485-504, 1966)
/// saw the refill go on for up to 40 h after a loss of a seventh; the rate is this project's own.
const REFILL_SECS: f64 = 6.0 * 3600.0;
/// Salt solution leaves the vessels with a half-life of 8 minutes until 30 % are left: the order of Hahn, Anesthesiology 113:470-481, 2010.
const SALT_SECS: f64 = 8.0 * 60.0 / std::f64::consts::LN_2;
const SALT_KEPT: f64 = 0.3;

/// What acts on the circulation in a tick.
#[derive(Debug, Clone, Copy)]
pub struct Influence {
    pub bleed_ml: f64,
    pub salt_ml: f64,
    pub cells_ml: f64,
    pub insufflation_mmhg: f64,
    pub drugs: Effect,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Circulation {
    // the body at rest
    rate_rest: f64,
    rate_most: f64,
    mean_rest_mmhg: f64,
    central_rest_mmhg: f64,
    stroke_rest_ml: f64,
    output_rest: f64,
    volume_rest_ml: f64,
    arterial_compliance: f64,
    venous_compliance: f64,
    resistance_rest: f64,
    unstressed_ml: f64,
    mobilised_ml: f64,
    reflex: f64,
    // its state
    arterial_ml: f64,
    venous_ml: f64,
    /// Drives of rate, tone and veins, −1 to 1.
    drives: [f64; 3],
    haemoglobin_mass_g: f64,
    lost_ml: f64,
    /// Plasma that the tissue still owes.
    owed_ml: f64,
    /// Salt solution in the vessels and beside them.
    salt_ml: [f64; 2],
    // what the last tick came to
    rate: f64,
    stroke_ml: f64,
    venous_mmhg: f64,
    resistance: f64,
}

impl Circulation {
    pub fn new(rest: &Rest, reflex: f64) -> Self {
        let pulse_mmhg = rest.systolic_mmhg - rest.diastolic_mmhg;
        let mean_rest_mmhg = rest.diastolic_mmhg + pulse_mmhg / 3.0;
        let output_rest = rest.blood_volume_ml / ROUND_SECS;
        let stroke_rest_ml = output_rest * 60.0 / rest.heart_rate_per_min;
        let arterial_compliance = stroke_rest_ml / pulse_mmhg;
        let venous_compliance = VENOUS_COMPLIANCE_PER_KG * rest.weight_kg;
        let arterial_ml = arterial_compliance * mean_rest_mmhg;
        Self {
            rate_rest: rest.heart_rate_per_min,
            // 15 below what exercise reaches (220 − age): the highest that class IV shows
            rate_most: (205.0 - rest.age_years).max(rest.heart_rate_per_min + 40.0),
            mean_rest_mmhg,
            central_rest_mmhg: rest.central_venous_mmhg,
            stroke_rest_ml,
            output_rest,
            volume_rest_ml: rest.blood_volume_ml,
            arterial_compliance,
            venous_compliance,
            resistance_rest: (mean_rest_mmhg - FILLING_MMHG) / output_rest,
            unstressed_ml: rest.blood_volume_ml - arterial_ml - venous_compliance * FILLING_MMHG,
            mobilised_ml: MOBILISED_PER_KG * rest.weight_kg,
            reflex,
            arterial_ml,
            venous_ml: rest.blood_volume_ml - arterial_ml,
            drives: [0.0; 3],
            haemoglobin_mass_g: 0.01 * rest.haemoglobin_g_dl * rest.blood_volume_ml,
            lost_ml: 0.0,
            owed_ml: 0.0,
            salt_ml: [0.0; 2],
            rate: rest.heart_rate_per_min,
            stroke_ml: stroke_rest_ml,
            venous_mmhg: FILLING_MMHG,
            resistance: (mean_rest_mmhg - FILLING_MMHG) / output_rest,
        }
    }

    /// Advances by `dt` (s).
    ///
    /// ```text
    /// dV_a/dt = Q − (P_a − P_v)/R      dV_v/dt = (P_a − P_v)/R − Q + fluids − bleeding
    /// P_a = V_a/C_a                    P_v = (V_v − V_unstressed)/C_v
    /// ```
    pub fn step(&mut self, by: &Influence, dt: f64) {
        self.exchange_fluids(by, dt);
        let belly = by.insufflation_mmhg;
        let arterial_mmhg = self.mean_arterial_mmhg();
        let unstressed =
            self.unstressed_ml - self.drives[2] * self.mobilised_ml - BELLY_SQUEEZE_ML * belly.min(BELLY_SQUEEZE_TO_MMHG);
        self.venous_mmhg = ((self.venous_ml - unstressed) / self.venous_compliance).max(0.0);

        let curve = |mmhg: f64| 1.0 - exp(-mmhg.max(0.0) / STARLING_MMHG);
        let filling = curve(self.venous_mmhg - BELLY_FILLING_MMHG * belly) / curve(FILLING_MMHG);
        let contractility = (1.0 + CONTRACTILITY_GAIN * self.drives[1]) * (1.0 + by.drugs.contractility);
        let afterload = 1.0 / (1.0 + AFTERLOAD * (arterial_mmhg / self.mean_rest_mmhg - 1.0).max(-0.5));
        let up = self.drives[0].max(0.0) * (self.rate_most - self.rate_rest);
        let down = self.drives[0].min(0.0) * (self.rate_rest - 40.0).max(0.0);
        self.rate = (self.rate_rest + up + down + by.drugs.rate_per_min).clamp(25.0, self.rate_most.max(self.rate_rest));
        // above 110 a minute there is less time to fill
        let diastole = 1.0 / (1.0 + (self.rate - 110.0).max(0.0) / 150.0);
        self.stroke_ml = self.stroke_rest_ml * filling * contractility * afterload * diastole;
        self.resistance = self.resistance_rest
            * (1.0 + RESISTANCE_GAIN * if self.drives[1] > 0.0 { self.drives[1] } else { WIDENING * self.drives[1] })
            * (1.0 + BELLY_RESISTANCE * belly)
            * (1.0 + by.drugs.resistance);
        let run_off = (arterial_mmhg - self.venous_mmhg) / self.resistance;
        let moved = (self.output_ml_per_s() - run_off) * dt;
        self.arterial_ml += moved;
        self.venous_ml -= moved;

        let pressure_error = (self.mean_rest_mmhg + BELLY_SET_POINT * belly - arterial_mmhg) / BARO_MMHG;
        let filling_error = ((FILLING_MMHG - self.venous_mmhg) / FILLING_MMHG).max(0.0);
        let tone = self.reflex * tanh(TONE_ARTERIAL * pressure_error + TONE_VENOUS * filling_error);
        let rate = self.reflex * tanh(RATE_ARTERIAL * pressure_error + RATE_VENOUS * filling_error);
        for (drive, (wanted, secs)) in self.drives.iter_mut().zip([(rate, RATE_SECS), (tone, TONE_SECS), (tone, VEIN_SECS)]) {
            *drive += (wanted - *drive) * dt / secs;
        }
    }

    /// Bleeding, infusions, refill from the tissue. Blood is lost from the veins: where it leaves matters less than that it leaves.
    fn exchange_fluids(&mut self, by: &Influence, dt: f64) {
        let volume = self.volume_ml();
        // the last drop cannot be lost
        let lost = by.bleed_ml.min(0.5 * self.venous_ml.max(0.0));
        self.lost_ml += lost;
        self.haemoglobin_mass_g *= 1.0 - lost / volume;
        let salt_lost = self.salt_ml[0] * lost / volume;
        self.salt_ml[0] += by.salt_ml - salt_lost;
        // toward the share that stays: a half-life of eight minutes
        let out = (self.salt_ml[0] - SALT_KEPT * (self.salt_ml[0] + self.salt_ml[1])) * dt / SALT_SECS;
        self.salt_ml[0] -= out;
        self.salt_ml[1] += out;
        self.haemoglobin_mass_g += by.cells_ml * PACKED_CELLS_G_PER_ML;
        self.owed_ml += lost;
        let missing = (self.volume_rest_ml - volume).clamp(0.0, self.owed_ml.max(0.0));
        let refill = missing * dt / REFILL_SECS;
        self.owed_ml -= refill;
        self.venous_ml += by.salt_ml + by.cells_ml + refill - lost - out;
    }

    pub fn heart_rate_per_min(&self) -> f64 {
        self.rate
    }

    pub fn mean_arterial_mmhg(&self) -> f64 {
        self.arterial_ml / self.arterial_compliance
    }

    pub fn pulse_mmhg(&self) -> f64 {
        self.stroke_ml / self.arterial_compliance
    }

    /// In proportion to the filling pressure.
    pub fn central_venous_mmhg(&self) -> f64 {
        self.central_rest_mmhg * self.venous_mmhg / FILLING_MMHG
    }

    pub fn output_ml_per_s(&self) -> f64 {
        self.rate / 60.0 * self.stroke_ml
    }

    /// Output as a share of that at rest.
    pub fn output_share(&self) -> f64 {
        self.output_ml_per_s() / self.output_rest
    }

    pub fn volume_ml(&self) -> f64 {
        self.arterial_ml + self.venous_ml
    }

    pub fn haemoglobin_g_dl(&self) -> f64 {
        100.0 * self.haemoglobin_mass_g / self.volume_ml()
    }

    pub fn lost_ml(&self) -> f64 {
        self.lost_ml
    }

    pub fn state(&self, visit: &mut impl FnMut(f64)) {
        let own = [self.arterial_ml, self.venous_ml, self.haemoglobin_mass_g, self.lost_ml, self.owed_ml];
        own.into_iter().chain(self.drives).chain(self.salt_ml).for_each(visit);
    }
}

/// Haemoglobin of packed red cells, g/ml: 60 % of cells of 0.33 g/ml.
const PACKED_CELLS_G_PER_ML: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Influence = Influence {
        bleed_ml: 0.0,
        salt_ml: 0.0,
        cells_ml: 0.0,
        insufflation_mmhg: 0.0,
        drugs: Effect { rate_per_min: 0.0, resistance: 0.0, contractility: 0.0 },
    };

    /// With the heart stopped and no reflex, two stores over a resistance: the difference of pressure falls as e^(−t/RC), with C the two
    /// compliances in series. Explicit steps of 1/90 s miss it by less than dt/(2RC) of a per cent.
    #[test]
    fn a_stopped_heart_lets_the_pressure_fall_by_the_windkessels_exponential() {
        let mut circulation = Circulation::new(&Rest::default(), 0.0);
        circulation.stroke_rest_ml = 0.0;
        let start = circulation.mean_arterial_mmhg() - FILLING_MMHG;
        let (ca, cv) = (circulation.arterial_compliance, circulation.venous_compliance);
        let tau = circulation.resistance_rest * ca * cv / (ca + cv);
        assert!((1.0..2.5).contains(&tau), "{tau} s: an adult's arteries empty in one to two and a half seconds");
        for tick in 1..=180 {
            circulation.step(&STILL, 1.0 / 90.0);
            let difference = circulation.mean_arterial_mmhg() - (circulation.venous_ml - circulation.unstressed_ml) / cv;
            let expected = start * exp(-f64::from(tick) / 90.0 / tau);
            assert!((difference / expected - 1.0).abs() < 0.01, "tick {tick}: {difference}, not {expected}");
        }
    }

    #[test]
    fn a_body_at_rest_stays_at_rest_and_keeps_its_blood() {
        let mut circulation = Circulation::new(&Rest::default(), 1.0);
        let volume = circulation.volume_ml();
        for _ in 0..90 * 600 {
            circulation.step(&STILL, 1.0 / 90.0);
        }
        assert!((circulation.mean_arterial_mmhg() - 90.0).abs() < 1e-6 && (circulation.heart_rate_per_min() - 72.0).abs() < 1e-6);
        assert!((circulation.volume_ml() - volume).abs() < 1e-6);
    }
}
