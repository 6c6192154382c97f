//! The record: what is known of the person beside the images, as `d` of the twin's model. No name, no date, no number of a file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ron_file::{self, RonError, fault_at};
use crate::units::{AgeYears, BodyMass, BodyMassIndex, Haemoglobin, Inr, Percent, Platelets, PressureMmhg, RatePerMinute};

const VERSION: u32 = 1;

/// A patient's record as RON; what is left out is unknown, and the model then spreads wider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientRecord {
    /// Version of this format: 1.
    pub version: u32,
    /// Whether this person is made up. Required: a reader must never take an invented record for a real one, or the reverse.
    pub invented: bool,
    #[serde(default)]
    pub age_years: Option<AgeYears>,
    #[serde(default)]
    pub sex: Option<Sex>,
    #[serde(default)]
    pub weight_kg: Option<BodyMass>,
    #[serde(default)]
    pub bmi_kg_m2: Option<BodyMassIndex>,
    #[serde(default)]
    pub diagnoses: Vec<Diagnosis>,
    #[serde(default)]
    pub medication: Vec<Medication>,
    #[serde(default)]
    pub vital_signs: VitalSigns,
    #[serde(default)]
    pub laboratory: Laboratory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sex {
    Female,
    Male,
}

/// A diagnosis with its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Diagnosis {
    /// METAVIR stage.
    LiverFibrosis(Fibrosis),
    LiverSteatosis(Steatosis),
    /// Obesity, raised pressure, sugar and fats together.
    MetabolicSyndrome,
    Hypertension(Hypertension),
}

/// F0 none, F1 portal, F2 few septa, F3 many septa, F4 cirrhosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fibrosis {
    F0,
    F1,
    F2,
    F3,
    F4,
}

/// Share of liver cells with fat: S0 under 5 %, S1 to 33 %, S2 to 66 %, S3 above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Steatosis {
    S0,
    S1,
    S2,
    S3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hypertension {
    Treated,
    Untreated,
}

/// What the patient takes, as far as it matters to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Medication {
    Aspirin,
    Clopidogrel,
    Warfarin,
    DirectOralAnticoagulant,
    Heparin,
    BetaBlocker,
}

/// Measured at rest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitalSigns {
    #[serde(default)]
    pub heart_rate_per_min: Option<RatePerMinute>,
    #[serde(default)]
    pub systolic_mmhg: Option<PressureMmhg>,
    #[serde(default)]
    pub diastolic_mmhg: Option<PressureMmhg>,
    #[serde(default)]
    pub oxygen_saturation_percent: Option<Percent>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Laboratory {
    #[serde(default)]
    pub haemoglobin_g_dl: Option<Haemoglobin>,
    #[serde(default)]
    pub platelets_per_nl: Option<Platelets>,
    #[serde(default)]
    pub inr: Option<Inr>,
}

impl PatientRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// The first fault, as file:line:column.
    pub fn read(path: &Path) -> Result<Self, RonError> {
        Self::parse(&ron_file::read(path)?, path)
    }

    /// Reads a record from its text; `path` is the name that a fault carries.
    pub fn parse(text: &str, path: &Path) -> Result<Self, RonError> {
        let record: Self = ron_file::parse(text, path)?;
        let fault = |word: &str, message: String| Err(fault_at(text, word, path, message));
        if record.version != VERSION {
            return fault("version", format!("version {} of the record format; this program reads {VERSION}", record.version));
        }
        if let (Some(systolic), Some(diastolic)) = (record.vital_signs.systolic_mmhg, record.vital_signs.diastolic_mmhg)
            && systolic <= diastolic
        {
            return fault("diastolic_mmhg", "the diastolic pressure is not below the systolic".to_owned());
        }
        let staged = |same: fn(&Diagnosis) -> bool| record.diagnoses.iter().filter(|d| same(d)).count() > 1;
        if staged(|d| matches!(d, Diagnosis::LiverFibrosis(_)))
            || staged(|d| matches!(d, Diagnosis::LiverSteatosis(_)))
            || staged(|d| matches!(d, Diagnosis::Hypertension(_)))
        {
            return fault("diagnoses", "a diagnosis stands twice, with two stages".to_owned());
        }
        Ok(record)
    }

    /// The record as numbers, `d` of the model: name and value of each that is known.
    ///
    /// Indicators are 0 or 1. Two are not linear in what the record says, so that the model can be: the cube of the height (from mass
    /// and body mass index, for the blood volume) and by how much the platelets lie below 100 per nl (for the bleeding time).
    pub fn features(&self) -> Vec<(String, f64)> {
        let mut out: Vec<(String, f64)> = Vec::new();
        let mut add = |name: &str, value: Option<f64>| out.extend(value.map(|value| (format!("d.{name}"), value)));
        let yes = |there: bool| Some(f64::from(u8::from(there)));
        add("age_years", self.age_years.map(AgeYears::get));
        add("male", self.sex.and_then(|sex| yes(sex == Sex::Male)));
        add("weight_kg", self.weight_kg.map(BodyMass::get));
        add("bmi_kg_m2", self.bmi_kg_m2.map(BodyMassIndex::get));
        add("obese", self.bmi_kg_m2.and_then(|bmi| yes(bmi.get() > 30.0)));
        let height = self.weight_kg.zip(self.bmi_kg_m2).map(|(mass, bmi)| (mass.get() / bmi.get()).sqrt());
        add("height_cubed_m3", height.map(|h| h * h * h));
        for (name, stage) in [("f1", Fibrosis::F1), ("f2", Fibrosis::F2), ("f3", Fibrosis::F3), ("f4", Fibrosis::F4)] {
            add(&format!("fibrosis_{name}"), yes(self.diagnoses.contains(&Diagnosis::LiverFibrosis(stage))));
        }
        let grade =
            self.diagnoses.iter().find_map(|d| if let Diagnosis::LiverSteatosis(grade) = d { Some(*grade) } else { None });
        add("steatosis_grade", Some(grade.map_or(0.0, |grade| f64::from(grade as u8))));
        for (name, diagnosis) in [
            ("metabolic_syndrome", Diagnosis::MetabolicSyndrome),
            ("hypertension_treated", Diagnosis::Hypertension(Hypertension::Treated)),
            ("hypertension_untreated", Diagnosis::Hypertension(Hypertension::Untreated)),
        ] {
            add(name, yes(self.diagnoses.contains(&diagnosis)));
        }
        for (name, medication) in [
            ("aspirin", Medication::Aspirin),
            ("clopidogrel", Medication::Clopidogrel),
            ("warfarin", Medication::Warfarin),
            ("direct_oral_anticoagulant", Medication::DirectOralAnticoagulant),
            ("heparin", Medication::Heparin),
            ("beta_blocker", Medication::BetaBlocker),
        ] {
            add(name, yes(self.medication.contains(&medication)));
        }
        add("platelet_deficit_per_nl", self.laboratory.platelets_per_nl.map(|count| (100.0 - count.get()).max(0.0)));
        out
    }

    /// Parameters that the record states as measured: they are taken as they are.
    pub fn measured(&self) -> Vec<(&'static str, f64)> {
        let signs = &self.vital_signs;
        [
            ("heart_rate_per_min", signs.heart_rate_per_min.map(f64::from)),
            ("systolic_mmhg", signs.systolic_mmhg.map(f64::from)),
            ("diastolic_mmhg", signs.diastolic_mmhg.map(f64::from)),
            ("oxygen_saturation_percent", signs.oxygen_saturation_percent.map(f64::from)),
            ("haemoglobin_g_dl", self.laboratory.haemoglobin_g_dl.map(f64::from)),
            ("inr", self.laboratory.inr.map(f64::from)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVENTED: &str = "(version: 1, invented: true, age_years: 54, sex: Male, weight_kg: 80, bmi_kg_m2: 25,\n diagnoses: [LiverFibrosis(F3)], vital_signs: (systolic_mmhg: 128, diastolic_mmhg: 76))";

    fn fault(text: &str) -> String {
        PatientRecord::parse(text, Path::new("r.ron")).expect_err("a fault").to_string()
    }

    #[test]
    fn a_record_becomes_numbers_and_what_is_unknown_stays_out() {
        let record = PatientRecord::parse(INVENTED, Path::new("r.ron")).expect("a sound record");
        let features: std::collections::BTreeMap<_, _> = record.features().into_iter().collect();
        assert_eq!(features["d.fibrosis_f3"], 1.0);
        assert_eq!(features["d.fibrosis_f4"], 0.0);
        // 80 kg at 25 kg/m² are 1.789 m
        assert!((features["d.height_cubed_m3"] - 5.7243).abs() < 1e-4, "{}", features["d.height_cubed_m3"]);
        assert!(!features.contains_key("d.platelet_deficit_per_nl"));
        assert_eq!(record.measured(), [("systolic_mmhg", 128.0), ("diastolic_mmhg", 76.0)]);
    }

    #[test]
    fn a_fault_of_a_record_has_its_place() {
        assert!(fault(&INVENTED.replace("54", "140")).starts_with("r.ron:1:"), "{}", fault(&INVENTED.replace("54", "140")));
        assert!(fault(&INVENTED.replace("54", "140")).contains("an age of 140 is outside 0 to 90"));
        assert!(fault(&INVENTED.replace("diagnoses", "name: \"x\", diagnoses")).contains("name"), "no field for a person's name");
        assert!(fault(&INVENTED.replace("invented: true,", "")).contains("invented"), "a record says whether it is invented");
        let swapped = fault(&INVENTED.replace("76", "176"));
        assert!(swapped.starts_with("r.ron:2:") && swapped.contains("not below the systolic"), "{swapped}");
        assert!(fault(&INVENTED.replace("F3", "F9")).contains("F9"));
    }
}
