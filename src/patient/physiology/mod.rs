//! Physiology: what the monitor shows, as a small lumped model that answers to blood loss, insufflation, drugs, ventilation and time.
//!
//! ```text
//!  heart ─Q─► arteries (C_a, P_a) ─(P_a − P_v)/R─► veins (C_v, P_v) ─► heart          two-element Windkessel on a venous store
//!  baroreceptors (P_a) and low-pressure receptors (P_v) ─► heart rate, resistance, contractility, venous tone
//!  ventilator ─► alveoli (P_O₂, P_CO₂) ─► blood ─► tissue; interstitium ─► plasma
//! ```
//! `circulation` holds the first two lines, `gases` the third, `drugs` what scripts give, `wounds` what raw surfaces shed and `vessels` what cut vessels do. Values are means over a beat; the pulse
//! pressure is the stroke volume over the arterial compliance. Units are the ward's (mmHg, ml, minutes where the name says so): the
//! published constants are in them, and converting each would hide them.
//!
//! **Validity.** An adult who lies on the back, with blood losses up to half the volume, intra-abdominal pressures to 20 mmHg, minutes to an
//! hour. The reflexes are those of a person awake unless the case blunts them. Left out: beats and rhythm, the pulmonary
//! circulation, posture, temperature, acid–base, kidneys, hormones (but for slow tone), pain, anaesthetics other than by `reflex`, and
//! drugs acting on each other. Gains are fitted to the table of ATLS and to measured pneumoperitoneum (see the tests); no clinician has
//! checked them: not for treating anyone.

mod circulation;
mod drugs;
mod gases;
mod vessels;
mod wounds;

use glam::Vec3;
use serde::{Deserialize, Serialize};

use super::{parameters::Parameters, record::PatientRecord, vessels::VesselTree};
use crate::units::{Dose, InsufflationMmhg, Millilitres, MillilitresPerMinute, MinuteVolume, Percent, Seconds};
use circulation::{Circulation, Influence};
use drugs::Drugs;
use gases::Gases;
use vessels::Vessels;
pub use vessels::{OpenedVessel, trunk_flow_ml_per_min};
use wounds::Wounds;

/// What a case tells the patient's body: the anaesthetist's, the insufflator's and the complication's part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Order {
    /// Intra-abdominal pressure from now on; 0 lets the gas out.
    Insufflate {
        mmhg: InsufflationMmhg,
    },
    /// Blood lost from now on beside that of the cuts; 0 stops it.
    Bleed {
        ml_per_min: MillilitresPerMinute,
    },
    /// Ventilation from now on; 0 litres is apnoea.
    Ventilate {
        litres_per_min: MinuteVolume,
        oxygen_percent: Percent,
    },
    /// Closes the vessels that cuts have opened until now, as an assistant's clips would.
    Seal,
    Give(Drug),
    /// Balanced salt solution.
    Crystalloid {
        ml: Millilitres,
        over_secs: Seconds,
    },
    /// Packed red cells (60 % cells).
    RedCells {
        ml: Millilitres,
        over_secs: Seconds,
    },
}

/// A drug as one dose into a vein.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Drug {
    Phenylephrine { ug: Dose },
    Ephedrine { mg: Dose },
    Atropine { mg: Dose },
    Esmolol { mg: Dose },
}

/// What the monitor can show, and a case can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sign {
    HeartRatePerMin,
    SystolicMmhg,
    DiastolicMmhg,
    MeanArterialMmhg,
    OxygenSaturationPercent,
    EndTidalCo2Mmhg,
    BloodLostMl,
}

/// The monitor's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    pub heart_rate_per_min: f64,
    pub systolic_mmhg: f64,
    pub diastolic_mmhg: f64,
    pub mean_arterial_mmhg: f64,
    pub central_venous_mmhg: f64,
    pub cardiac_output_l_per_min: f64,
    pub oxygen_saturation_percent: f64,
    pub arterial_co2_mmhg: f64,
    pub end_tidal_co2_mmhg: f64,
    pub haemoglobin_g_dl: f64,
    pub blood_lost_ml: f64,
}

impl Monitor {
    pub fn of(&self, sign: Sign) -> f64 {
        match sign {
            Sign::HeartRatePerMin => self.heart_rate_per_min,
            Sign::SystolicMmhg => self.systolic_mmhg,
            Sign::DiastolicMmhg => self.diastolic_mmhg,
            Sign::MeanArterialMmhg => self.mean_arterial_mmhg,
            Sign::OxygenSaturationPercent => self.oxygen_saturation_percent,
            Sign::EndTidalCo2Mmhg => self.end_tidal_co2_mmhg,
            Sign::BloodLostMl => self.blood_lost_ml,
        }
    }
}

/// The body at rest, before anything happens to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rest {
    pub age_years: f64,
    pub weight_kg: f64,
    pub heart_rate_per_min: f64,
    pub systolic_mmhg: f64,
    pub diastolic_mmhg: f64,
    pub central_venous_mmhg: f64,
    pub blood_volume_ml: f64,
    pub haemoglobin_g_dl: f64,
    /// On air.
    pub oxygen_saturation_percent: f64,
    /// Blood that flows through a ml of the organ in a minute, ml.
    pub organ_perfusion_per_min: f64,
    /// How long a small wound bleeds.
    pub bleeding_time_s: f64,
}

impl Default for Rest {
    /// A textbook adult of 70 kg, for cases without a patient.
    fn default() -> Self {
        Self {
            age_years: 45.0,
            weight_kg: 70.0,
            heart_rate_per_min: 72.0,
            systolic_mmhg: 120.0,
            diastolic_mmhg: 75.0,
            central_venous_mmhg: 5.0,
            blood_volume_ml: 4900.0,
            haemoglobin_g_dl: 14.5,
            oxygen_saturation_percent: 97.5,
            organ_perfusion_per_min: 1.0,
            bleeding_time_s: 270.0,
        }
    }
}

impl Rest {
    /// The parameters of a twin, held to what the model can start from; `organ` is the one that is operated on.
    pub fn of(parameters: &Parameters, organ: &str, record: Option<&PatientRecord>) -> Self {
        let usual = Self::default();
        let value = |name: &str, usual: f64, low: f64, high: f64| parameters.value(name).unwrap_or(usual).clamp(low, high);
        let blood_volume_ml = value("blood_volume_ml", usual.blood_volume_ml, 1000.0, 12_000.0);
        let flows = ["arterial", "portal"].map(|vessel| parameters.value(&format!("{organ}.{vessel}_flow_ml_per_min")));
        let volume = format!("x.{organ}.volume_ml");
        let organ_ml = parameters.features.iter().find(|(name, _)| *name == volume).map(|(_, ml)| *ml).filter(|ml| *ml > 0.0);
        let perfusion = flows.into_iter().flatten().reduce(|a, b| a + b).zip(organ_ml).map(|(flow, ml)| flow / ml);
        let systolic_mmhg = value("systolic_mmhg", usual.systolic_mmhg, 70.0, 240.0);
        Self {
            age_years: record.and_then(|record| record.age_years).map_or(usual.age_years, f64::from),
            // 70 ml of blood a kg, where the mass is unknown
            weight_kg: record.and_then(|record| record.weight_kg).map_or(blood_volume_ml / 70.0, f64::from),
            heart_rate_per_min: value("heart_rate_per_min", usual.heart_rate_per_min, 35.0, 140.0),
            systolic_mmhg,
            diastolic_mmhg: value("diastolic_mmhg", usual.diastolic_mmhg, 40.0, 140.0).min(systolic_mmhg - 15.0),
            central_venous_mmhg: value("central_venous_mmhg", usual.central_venous_mmhg, 1.0, 20.0),
            blood_volume_ml,
            haemoglobin_g_dl: value("haemoglobin_g_dl", usual.haemoglobin_g_dl, 4.0, 22.0),
            oxygen_saturation_percent: value("oxygen_saturation_percent", usual.oxygen_saturation_percent, 75.0, 100.0),
            organ_perfusion_per_min: perfusion.map_or(usual.organ_perfusion_per_min, |perfusion| perfusion.clamp(0.05, 5.0)),
            bleeding_time_s: value("bleeding_time_s", usual.bleeding_time_s, 60.0, 3600.0),
        }
    }
}

/// A living body.
#[derive(Debug, Clone, PartialEq)]
pub struct Physiology {
    circulation: Circulation,
    gases: Gases,
    drugs: Drugs,
    wounds: Wounds,
    vessels: Vessels,
    insufflation_mmhg: f64,
    bleed_ml_per_s: f64,
    fluids: Vec<Infusion>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Infusion {
    ml_per_s: f64,
    left_ml: f64,
    /// Packed cells, else salt solution.
    cells: bool,
}

impl Physiology {
    /// A body at rest; `reflex` is the share of the awake reflexes that is left (1 awake, some 0.5 under anaesthesia).
    pub fn new(rest: &Rest, reflex: f64) -> Self {
        let circulation = Circulation::new(rest, reflex);
        let gases = Gases::new(rest, circulation.output_ml_per_s());
        let wounds = Wounds::new(rest);
        Self {
            circulation,
            gases,
            drugs: Drugs::default(),
            wounds,
            vessels: Vessels::default(),
            insufflation_mmhg: 0.0,
            bleed_ml_per_s: 0.0,
            fluids: Vec::new(),
        }
    }

    /// Does what a case orders.
    pub fn order(&mut self, order: &Order) {
        let infusion =
            |ml: Millilitres, over: Seconds, cells| Infusion { ml_per_s: ml.get() / over.get(), left_ml: ml.get(), cells };
        match *order {
            Order::Insufflate { mmhg } => self.insufflation_mmhg = mmhg.get(),
            Order::Bleed { ml_per_min } => self.bleed_ml_per_s = ml_per_min.get() / 60.0,
            Order::Ventilate { litres_per_min, oxygen_percent } => {
                self.gases.ventilate(litres_per_min.get(), 0.01 * oxygen_percent.get())
            }
            Order::Seal => self.vessels.seal(),
            Order::Give(drug) => self.drugs.give(drug),
            Order::Crystalloid { ml, over_secs } => self.fluids.push(infusion(ml, over_secs, false)),
            Order::RedCells { ml, over_secs } => self.fluids.push(infusion(ml, over_secs, true)),
        }
    }

    /// The vessels that cuts may open; `flow_ml_per_min` gives what each tree carries, and one for which it gives nothing does not bleed.
    pub fn give_vessels(&mut self, trees: &[VesselTree], flow_ml_per_min: impl Fn(&str) -> Option<f64>) {
        self.vessels = Vessels::new(trees, self.wounds.mean_rest_mmhg(), flow_ml_per_min);
    }

    /// Opens tissue: `area_m2` of raw surface that bleeds.
    pub fn open(&mut self, area_m2: f64) {
        self.wounds.open(area_m2);
    }

    /// Opens the vessels that parted faces (rest shape, world, m) cross, and gives them.
    pub fn open_vessels(&mut self, faces: &[[Vec3; 3]]) -> Vec<OpenedVessel> {
        self.vessels.cut(faces)
    }

    /// Advances by `dt_secs`. The same calls give the same bits.
    pub fn step(&mut self, dt_secs: f64) {
        self.drugs.step(dt_secs);
        let mean_mmhg = self.circulation.mean_arterial_mmhg();
        let wounds_ml = self.wounds.step(mean_mmhg, dt_secs) + self.vessels.step(mean_mmhg, dt_secs);
        let (mut salt_ml, mut cells_ml) = (0.0, 0.0);
        for fluid in &mut self.fluids {
            let ml = (fluid.ml_per_s * dt_secs).min(fluid.left_ml);
            fluid.left_ml -= ml;
            *(if fluid.cells { &mut cells_ml } else { &mut salt_ml }) += ml;
        }
        self.fluids.retain(|fluid| fluid.left_ml > 0.0);
        let influence = Influence {
            bleed_ml: wounds_ml + self.bleed_ml_per_s * dt_secs,
            salt_ml,
            cells_ml,
            insufflation_mmhg: self.insufflation_mmhg,
            drugs: self.drugs.effect(),
        };
        self.circulation.step(&influence, dt_secs);
        let blood = (self.circulation.volume_ml(), self.circulation.haemoglobin_g_dl());
        self.gases.step(self.circulation.output_ml_per_s(), blood, self.insufflation_mmhg, dt_secs);
    }

    pub fn monitor(&self) -> Monitor {
        let (circulation, gases) = (&self.circulation, &self.gases);
        Monitor {
            heart_rate_per_min: circulation.heart_rate_per_min(),
            systolic_mmhg: circulation.mean_arterial_mmhg() + circulation.pulse_mmhg() * 2.0 / 3.0,
            diastolic_mmhg: (circulation.mean_arterial_mmhg() - circulation.pulse_mmhg() / 3.0).max(0.0),
            mean_arterial_mmhg: circulation.mean_arterial_mmhg(),
            central_venous_mmhg: circulation.central_venous_mmhg(),
            cardiac_output_l_per_min: circulation.output_ml_per_s() * 0.06,
            oxygen_saturation_percent: 100.0 * gases.arterial_saturation(circulation.haemoglobin_g_dl()),
            arterial_co2_mmhg: gases.arterial_co2_mmhg(),
            end_tidal_co2_mmhg: gases.end_tidal_co2_mmhg(circulation.output_share()),
            haemoglobin_g_dl: circulation.haemoglobin_g_dl(),
            blood_lost_ml: circulation.lost_ml(),
        }
    }

    /// Everything that decides what comes next, for a digest.
    pub fn state(&self, visit: &mut impl FnMut(f64)) {
        self.circulation.state(visit);
        self.gases.state(visit);
        self.drugs.state(visit);
        self.wounds.state(visit);
        self.vessels.state(visit);
        [self.insufflation_mmhg, self.bleed_ml_per_s].into_iter().for_each(&mut *visit);
        for fluid in &self.fluids {
            [fluid.ml_per_s, fluid.left_ml, f64::from(u8::from(fluid.cells))].into_iter().for_each(&mut *visit);
        }
    }
}

#[cfg(test)]
mod tests;
