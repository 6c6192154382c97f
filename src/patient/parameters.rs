//! The parameters `z` of one twin: what the model makes of its features, with what the record states as measured in its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    material::Material,
    model::{Parameter, TwinModel},
    record::PatientRecord,
};
use crate::tissue::{Membrane, Relaxation, Response};
use crate::units::{Density, Pascals, PoissonRatio};

/// Everything that the model had to say about a twin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Name of the model, whether it was learnt from made-up patients, and whether a clinician has checked it.
    pub model: String,
    pub model_invented: bool,
    pub checked_by_clinician: bool,
    /// `x` and `d`, as far as they are known.
    pub features: Vec<(String, f64)>,
    /// `z`.
    pub values: Vec<Parameter>,
}

/// An organ whose own values nobody has published borrows the liver's.
const LENDER: &str = "liver";

impl Parameters {
    /// The parameters of a twin with these organs. `model` stands before the literature, which fills in what it does not predict.
    pub fn new(organs: &[String], images: Vec<(String, f64)>, record: Option<&PatientRecord>, model: Option<&TwinModel>) -> Self {
        let mut features = images;
        features.extend(record.map(PatientRecord::features).unwrap_or_default());
        let known: BTreeMap<String, f64> = features.iter().cloned().collect();
        let literature = TwinModel::literature();
        let models: Vec<&TwinModel> = model.into_iter().chain([&literature]).collect();
        let measured: BTreeMap<&str, f64> = record.map(PatientRecord::measured).unwrap_or_default().into_iter().collect();

        let mut names: Vec<(String, String)> = Vec::new();
        let mut add = |name: String, of: String| {
            if !names.iter().any(|(have, _)| *have == name) {
                names.push((name, of));
            }
        };
        for organ in organs {
            let lent = kin(organ);
            let mut own = false;
            for predictor in models.iter().flat_map(|model| &model.parameters) {
                if let Some(quantity) = predictor.name.strip_prefix(lent).and_then(|rest| rest.strip_prefix('.')) {
                    add(format!("{organ}.{quantity}"), predictor.name.clone());
                    own |= quantity == "young_pa";
                }
            }
            if !own {
                for quantity in ["young_pa", "density_kg_m3"] {
                    add(format!("{organ}.{quantity}"), format!("{LENDER}.{quantity}"));
                }
            }
        }
        for predictor in models.iter().flat_map(|model| &model.parameters).filter(|predictor| !predictor.name.contains('.')) {
            add(predictor.name.clone(), predictor.name.clone());
        }
        let values = names
            .iter()
            .filter_map(|(name, of)| {
                let (model, predictor) = models.iter().find_map(|model| Some((model, model.predictor(of)?)))?;
                let mut parameter = model.predict(predictor, &known);
                let (organ, lender) = (name.split('.').next().unwrap_or_default(), of.split('.').next().unwrap_or_default());
                if name != of && kin(organ) != lender {
                    parameter.doubts.insert(0, format!("no published value is kept for `{organ}`: this is that of the {lender}"));
                }
                if !model.checked_by_clinician {
                    parameter.source = format!("{}: {}", model.name, parameter.source);
                }
                parameter.name.clone_from(name);
                if let Some(value) = measured.get(name.as_str()) {
                    parameter = Parameter {
                        name: name.clone(),
                        value: *value,
                        sd: 0.0,
                        source: "the record: measured".to_owned(),
                        outside: false,
                        doubts: Vec::new(),
                    };
                }
                Some(parameter)
            })
            .collect();
        let used = model.unwrap_or(&literature);
        Self {
            model: used.name.clone(),
            model_invented: used.invented,
            checked_by_clinician: used.checked_by_clinician,
            features,
            values,
        }
    }

    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.values.iter().find(|parameter| parameter.name == name)
    }

    /// The value of a parameter.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.get(name).map(|parameter| parameter.value)
    }

    /// What an organ is made of.
    pub fn material(&self, organ: &str) -> Option<Material> {
        let (young, density) = (self.get(&format!("{organ}.young_pa"))?, self.get(&format!("{organ}.density_kg_m3"))?);
        let doubts = if young.doubts.is_empty() { String::new() } else { format!(" Doubtful: {}.", young.doubts.join("; ")) };
        Some(Material {
            young_pa: Pascals::try_from(young.value).ok()?,
            young_sd_pa: Pascals::try_from(young.sd).ok()?,
            poisson: const { PoissonRatio::constant(0.45) },
            density_kg_m3: Density::try_from(density.value).ok()?,
            response: self.response(organ),
            fibre_direction: None,
            source: format!(
                "Young's modulus, {} Density, {} Poisson's ratio 0.45: soft tissue is nearly incompressible; the value is a choice for the solver.{doubts}",
                young.source, density.source
            ),
        })
    }
}

impl Parameters {
    /// What an organ does beyond an elastic solid, as far as a model predicts it: `second_invariant`, `viscosity_pa_s`, `relaxation_share` with
    /// `relaxation_tau_secs`, `capsule_young_pa` with `capsule_thickness_m`. What no solver could use is left out.
    fn response(&self, organ: &str) -> Response {
        let value = |quantity: &str| self.value(&format!("{organ}.{quantity}")).map(|value| value as f32);
        let term = value("relaxation_share").zip(value("relaxation_tau_secs"));
        let capsule = value("capsule_young_pa").zip(value("capsule_thickness_m"));
        let response = Response {
            second_invariant: value("second_invariant").unwrap_or(0.0),
            fibres: None,
            relaxation: term.map(|(share, tau_secs)| Relaxation { share, tau_secs }).into_iter().collect(),
            viscosity_pa_s: value("viscosity_pa_s").unwrap_or(0.0),
            capsule: capsule.map(|(young_pa, thickness_m)| Membrane { young_pa, poisson: 0.45, thickness_m }),
        };
        if response.fault().is_none() { response } else { Response::default() }
    }
}

/// The organ under whose name values are kept: `kidney_left` and `left kidney` are kidneys.
fn kin(organ: &str) -> &str {
    let plain = organ.trim_end_matches("_left").trim_end_matches("_right");
    plain.trim_start_matches("left ").trim_start_matches("right ").trim_start_matches("left_").trim_start_matches("right_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn record(more: &str) -> PatientRecord {
        let text = format!("(version: 1, invented: true, age_years: 54, sex: Male, weight_kg: 80, bmi_kg_m2: 25, {more})");
        PatientRecord::parse(&text, Path::new("r.ron")).expect("sound")
    }

    fn liver(volume_ml: f64, record: Option<&PatientRecord>) -> Parameters {
        Parameters::new(&["liver".to_owned()], vec![("x.liver.volume_ml".to_owned(), volume_ml)], record, None)
    }

    #[test]
    fn a_fibrotic_liver_is_stiffer_by_its_stage() {
        let young =
            |stage: &str| liver(1500.0, Some(&record(&format!("diagnoses: [LiverFibrosis({stage})]")))).value("liver.young_pa");
        let stages: Vec<f64> = ["F0", "F1", "F2", "F3", "F4"].into_iter().filter_map(young).collect();
        assert!(stages.is_sorted() && stages.len() == 5, "{stages:?}");
        // Sporea 2010: F4 17.3 kPa; Roulot 2008: a man without the metabolic syndrome is 0.16 kPa above the mean
        assert!((stages[4] - 17_300.0 - 158.0).abs() < 5.0, "{stages:?}");
    }

    #[test]
    fn what_the_record_measured_stands_and_the_rest_is_the_models() {
        let parameters = liver(1500.0, Some(&record("vital_signs: (heart_rate_per_min: 58)")));
        let pulse = parameters.get("heart_rate_per_min").expect("there");
        assert_eq!((pulse.value, pulse.sd, pulse.source.as_str()), (58.0, 0.0, "the record: measured"));
        // Nadler for a man of 1.789 m and 80 kg: 5279 ml
        let blood = parameters.value("blood_volume_ml").expect("there");
        assert!((blood - 5279.0).abs() < 0.01 * 5279.0, "{blood}");
    }

    #[test]
    fn a_part_of_a_liver_is_flagged_as_outside_the_range() {
        let flow = liver(699.0, None);
        let flow = flow.get("liver.portal_flow_ml_per_min").expect("there");
        assert!(flow.doubts[0].contains("outside the 900 to 2500"), "{:?}", flow.doubts);
    }

    #[test]
    fn a_borrowed_value_says_that_it_is_borrowed() {
        let organs = ["lymph node".to_owned(), "kidney_left".to_owned()];
        let parameters = Parameters::new(&organs, Vec::new(), None, None);
        let material = parameters.material("lymph node").expect("borrowed");
        assert!(material.source.contains("no published value is kept for `lymph node`"), "{}", material.source);
        let kidney = parameters.material("kidney_left").expect("a kidney");
        assert!(kidney.young_pa.get() == 5000.0 && kidney.source.contains("Arda") && !kidney.source.contains("no published"));
    }

    #[test]
    fn a_model_may_say_that_tissue_relaxes_and_has_a_capsule() {
        let predictor = |name: &str, value: f64| {
            format!(
                r#"(name: "liver.{name}", at_centre: {value}, residual_sd: 0.001, low: 0.00001, high: 100000, source: "ours")"#
            )
        };
        let named =
            [("relaxation_share", 0.6), ("relaxation_tau_secs", 1.5), ("capsule_young_pa", 9e4), ("capsule_thickness_m", 1e-4)];
        let text = format!(
            r#"(version: 1, name: "ours", invented: true, checked_by_clinician: true, note: "", features: [], parameters: [{}])"#,
            named.map(|(name, value)| predictor(name, value)).join(", ")
        );
        let model = TwinModel::parse(&text, Path::new("m.ron")).expect("sound");
        let parameters = Parameters::new(&["liver".to_owned()], Vec::new(), None, Some(&model));
        let material = parameters.material("liver").expect("a liver");
        assert_eq!(material.response.relaxation, [Relaxation { share: 0.6, tau_secs: 1.5 }]);
        assert_eq!(material.response.capsule, Some(Membrane { young_pa: 9e4, poisson: 0.45, thickness_m: 1e-4 }));
        let written = ron::to_string(&material).expect("written");
        assert_eq!(ron::from_str::<Material>(&written).expect("read"), material);
        let refused = ron::from_str::<Material>(&written.replace("tau_secs:1.5", "tau_secs:-1.5")).expect_err("refused");
        assert!(refused.to_string().contains("tau_secs of a relaxation must be positive"), "{refused}");
        assert!(
            !ron::to_string(&Material::of_organ("liver")).expect("written").contains("response"),
            "a plain tissue says nothing of it"
        );
    }

    #[test]
    fn a_model_of_the_users_stands_before_the_literature() {
        let text = r#"(version: 1, name: "ours", invented: true, checked_by_clinician: true, note: "", features: [],
            parameters: [(name: "liver.young_pa", at_centre: 7000, residual_sd: 1, low: 1000, high: 9000, source: "ours")])"#;
        let model = TwinModel::parse(text, Path::new("m.ron")).expect("sound");
        let parameters = Parameters::new(&["liver".to_owned()], Vec::new(), None, Some(&model));
        assert_eq!(parameters.value("liver.young_pa"), Some(7000.0));
        assert_eq!(parameters.value("liver.density_kg_m3"), Some(1060.0));
        assert!(parameters.model_invented && parameters.model == "ours");
    }
}
