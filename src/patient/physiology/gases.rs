//! Oxygen and carbon dioxide between ventilator, alveoli, blood and tissue.

use super::Rest;

/// Barometric pressure less that of water vapour at 37 °C, mmHg.
const DRY_AIR_MMHG: f64 = 713.0;
/// mmHg·l/ml: a gas flow at 0 °C and dry over one at 37 °C and wet.
const STPD_MMHG: f64 = 0.863;
/// Oxygen use and carbon dioxide made at rest, ml/min a kg: 250 and 200 for 70 kg.
const OXYGEN_USE_PER_KG: f64 = 250.0 / 70.0;
const CO2_MADE_PER_KG: f64 = 200.0 / 70.0;
/// Arterial P_CO₂ that the ventilation at rest is set to, mmHg.
const CO2_REST_MMHG: f64 = 38.0;
/// Mixed venous less arterial P_CO₂ at rest, mmHg.
const CO2_STEP_MMHG: f64 = 6.0;
/// Stores of carbon dioxide, ml/mmHg: lungs with arterial blood, and tissue. Together they make P_CO₂ rise by 3.5 mmHg/min in apnoea; the
/// first minute also closes the step between tissue and lungs (Kobayashi, Masui 43:1130-1134, 1994: 9.8 ± 1.9, then 3.4 to 4.4 mmHg/min).
const CO2_LUNG_STORE: f64 = 10.0;
const CO2_TISSUE_STORE: f64 = 47.0;
/// Air in the lungs after breathing out, l, lying under anaesthesia.
const LUNG_LITRES: f64 = 2.5;
/// Oxygen that a gram of haemoglobin binds, ml, and that a dl of plasma dissolves, ml/mmHg.
const BOUND_ML_PER_G: f64 = 1.34;
const DISSOLVED_ML_DL_MMHG: f64 = 0.003;
/// Share of the blood in which mixed venous oxygen lives.
const VENOUS_SHARE: f64 = 0.75;
/// Carbon dioxide that the peritoneum takes up, as a share of what the body makes, for each mmHg; its time constant, s. Mullett et al.,
/// Anesth Analg 76:622-626, 1993: elimination 25 ± 4 % higher during cholecystectomy, level 20 minutes after the start.
const BELLY_CO2: f64 = 0.018;
const BELLY_CO2_SECS: f64 = 8.0 * 60.0;
/// Arterial less end-tidal P_CO₂, mmHg, and what a lost share of the output adds by dead space: with it a fall of output by a third lowers
/// end-tidal P_CO₂ by a tenth at once (a slope of 1/3: Shibutani et al., Anesth Analg 79:829-833, 1994).
const END_TIDAL_GAP_MMHG: f64 = 3.0;
const DEAD_SPACE_MMHG: f64 = 5.0;

/// Saturation of haemoglobin at an oxygen pressure (mmHg, 37 °C, pH 7.4): Severinghaus, J Appl Physiol 46:599-602, 1979.
pub fn saturation(mmhg: f64) -> f64 {
    let cubic = mmhg * mmhg * mmhg + 150.0 * mmhg;
    if mmhg <= 0.0 { 0.0 } else { cubic / (cubic + 23_400.0) }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Gases {
    oxygen_use: f64,
    co2_made: f64,
    output_rest: f64,
    /// Share of the blood that passes the lungs unused.
    shunt: f64,
    /// Alveolar ventilation, l/min, and the share of oxygen breathed in.
    ventilation: f64,
    oxygen_share: f64,
    alveolar_mmhg: f64,
    /// Oxygen of mixed venous blood, ml/dl.
    venous_content: f64,
    arterial_content: f64,
    lung_co2_mmhg: f64,
    tissue_co2_mmhg: f64,
    /// Taken up from the belly, ml/min.
    absorbed: f64,
}

impl Gases {
    /// At rest on air, with the shunt that gives the saturation of the patient.
    pub fn new(rest: &Rest, output_ml_per_s: f64) -> Self {
        let oxygen_use = OXYGEN_USE_PER_KG * rest.weight_kg;
        let co2_made = CO2_MADE_PER_KG * rest.weight_kg;
        let ventilation = STPD_MMHG * co2_made / CO2_REST_MMHG;
        let oxygen_share = 0.21;
        let alveolar_mmhg = oxygen_share * DRY_AIR_MMHG - STPD_MMHG * oxygen_use / ventilation;
        let hb = rest.haemoglobin_g_dl;
        // arterial content less the use is the venous one; the shunt mixes it with what leaves the alveoli
        let used = oxygen_use / (0.6 * output_ml_per_s);
        let full = content(alveolar_mmhg, hb);
        let wanted = BOUND_ML_PER_G * hb * 0.01 * rest.oxygen_saturation_percent + DISSOLVED_ML_DL_MMHG * alveolar_mmhg;
        let shunt = ((full - wanted) / (full - wanted + used)).clamp(0.0, 0.6);
        let arterial_content = full - used * shunt / (1.0 - shunt);
        Self {
            oxygen_use,
            co2_made,
            output_rest: output_ml_per_s,
            shunt,
            ventilation,
            oxygen_share,
            alveolar_mmhg,
            venous_content: arterial_content - used,
            arterial_content,
            lung_co2_mmhg: CO2_REST_MMHG,
            tissue_co2_mmhg: CO2_REST_MMHG + CO2_STEP_MMHG,
            absorbed: 0.0,
        }
    }

    /// Sets the ventilator: the minute volume less the dead space of a third, and the share of oxygen.
    pub fn ventilate(&mut self, litres_per_min: f64, oxygen_share: f64) {
        self.ventilation = litres_per_min * 2.0 / 3.0;
        self.oxygen_share = oxygen_share;
    }

    /// Advances by `dt` (s); `blood` is its volume (ml) and haemoglobin (g/dl).
    pub fn step(&mut self, output_ml_per_s: f64, blood: (f64, f64), belly_mmhg: f64, dt: f64) {
        let minutes = dt / 60.0;
        self.absorbed += (BELLY_CO2 * belly_mmhg * self.co2_made - self.absorbed) * dt / BELLY_CO2_SECS;
        let carried =
            self.co2_made / CO2_STEP_MMHG * (output_ml_per_s / self.output_rest) * (self.tissue_co2_mmhg - self.lung_co2_mmhg);
        let breathed_out = self.ventilation * self.lung_co2_mmhg / STPD_MMHG;
        self.lung_co2_mmhg += minutes * (carried - breathed_out) / CO2_LUNG_STORE;
        self.tissue_co2_mmhg += minutes * (self.co2_made + self.absorbed - carried) / CO2_TISSUE_STORE;

        let (volume_ml, hb) = blood;
        // blood leaves the alveoli saturated at their pressure, but for the shunt
        self.arterial_content = (1.0 - self.shunt) * content(self.alveolar_mmhg, hb) + self.shunt * self.venous_content;
        let dl_per_min = 0.6 * output_ml_per_s;
        let taken_up = dl_per_min * (self.arterial_content - self.venous_content);
        let fresh = self.ventilation * (self.oxygen_share * DRY_AIR_MMHG - self.alveolar_mmhg);
        self.alveolar_mmhg = (self.alveolar_mmhg + minutes * (fresh - STPD_MMHG * taken_up) / LUNG_LITRES).max(0.0);
        let venous_dl = 0.01 * VENOUS_SHARE * volume_ml;
        self.venous_content = (self.venous_content + minutes * (taken_up - self.oxygen_use) / venous_dl).max(0.0);
    }

    /// Share of the arterial haemoglobin that carries oxygen; `hb` in g/dl.
    pub fn arterial_saturation(&self, hb: f64) -> f64 {
        let dissolved = DISSOLVED_ML_DL_MMHG * self.alveolar_mmhg * (1.0 - self.shunt);
        ((self.arterial_content - dissolved) / (BOUND_ML_PER_G * hb)).clamp(0.0, 1.0)
    }

    pub fn arterial_co2_mmhg(&self) -> f64 {
        self.lung_co2_mmhg
    }

    /// `output_share`: the heart's output as a share of that at rest. Without ventilation nothing is breathed out to be measured.
    pub fn end_tidal_co2_mmhg(&self, output_share: f64) -> f64 {
        if self.ventilation <= 0.0 {
            return 0.0;
        }
        (self.lung_co2_mmhg - END_TIDAL_GAP_MMHG - DEAD_SPACE_MMHG * (1.0 - output_share).max(0.0)).max(0.0)
    }

    pub fn state(&self, visit: &mut impl FnMut(f64)) {
        let own = [
            self.ventilation,
            self.oxygen_share,
            self.alveolar_mmhg,
            self.venous_content,
            self.arterial_content,
            self.lung_co2_mmhg,
            self.tissue_co2_mmhg,
            self.absorbed,
        ];
        own.into_iter().for_each(visit);
    }
}

/// Oxygen of blood, ml/dl, at an oxygen pressure (mmHg) and a haemoglobin (g/dl).
fn content(mmhg: f64, hb: f64) -> f64 {
    BOUND_ML_PER_G * hb * saturation(mmhg) + DISSOLVED_ML_DL_MMHG * mmhg
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Severinghaus 1979, table 1 (mmHg, per cent).
    #[test]
    fn the_dissociation_curve_meets_its_published_points() {
        for (mmhg, percent) in [(10.0, 9.58), (26.86, 50.0), (40.0, 74.69), (60.0, 90.85), (100.0, 97.72)] {
            assert!((100.0 * saturation(mmhg) - percent).abs() < 1.0, "{mmhg}: {}", 100.0 * saturation(mmhg));
        }
        assert_eq!(saturation(-1.0), 0.0);
    }
}
