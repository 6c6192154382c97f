//! The twin's model: `z = A x + B d`, an affine map from features of the images (`x`) and of the record (`d`) to the parameters (`z`)
//! that the simulation uses.
//!
//! ```text
//! zᵢ = z̄ᵢ + Σⱼ wᵢⱼ (fⱼ − f̄ⱼ)                 f: the features of x and d, f̄ their centres, w: the rows of A and B
//! σᵢ² = s² + Σⱼ known (sᵢⱼ (fⱼ − f̄ⱼ))² + Σⱼ unknown (wᵢⱼ sdⱼ)²
//! ```
//! s is the spread that no feature explains, sᵢⱼ the standard error of a weight; a feature that is unknown is taken at its centre and adds
//! its own spread. Correlations between weights are left out. The same form holds what the literature says (bundled) and what
//! `patient fit` learns from a cohort. Outside the range that a model knows, its value is still given, but flagged: by name, in the twin and
//! in the report.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::ron_file::{self, RonError, fault_at};

const VERSION: u32 = 1;

/// What the literature says, as a model.
const LITERATURE: &str = include_str!("../../assets/models/literature.ron");

/// An affine model as RON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwinModel {
    /// Version of this format: 1.
    pub version: u32,
    pub name: String,
    /// Whether it was learnt from made-up patients.
    pub invented: bool,
    /// Whether a clinician has looked at the values.
    pub checked_by_clinician: bool,
    /// Where it comes from and what it is not for.
    pub note: String,
    pub features: Vec<Feature>,
    pub parameters: Vec<Predictor>,
}

/// A feature as the model knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// `x.ORGAN.…` of the images, `d.…` of the record.
    pub name: String,
    pub centre: f64,
    /// Spread between people.
    pub sd: f64,
    /// The range that the model was made from.
    pub low: f64,
    pub high: f64,
}

/// How one parameter follows from the features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predictor {
    /// `ORGAN.quantity_unit`, or `quantity_unit` of the whole patient.
    pub name: String,
    /// With every feature at its centre.
    pub at_centre: f64,
    /// The spread that no feature explains.
    pub residual_sd: f64,
    /// The range of values that the model was made from.
    pub low: f64,
    pub high: f64,
    #[serde(default)]
    pub weights: Vec<Weight>,
    pub source: String,
    /// How well it was fitted; absent where it was not.
    #[serde(default)]
    pub fitted: Option<Fitted>,
}

/// One entry of A or B.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    pub feature: String,
    /// Change of the parameter for a change of 1 of the feature.
    pub per_unit: f64,
    /// Its standard error.
    pub sd: f64,
}

/// What the fit of one parameter was worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    pub rows: usize,
    pub folds: usize,
    /// Strength of the ridge, on standardised features (as in scikit-learn's `Ridge(alpha)`).
    pub lambda: f64,
    /// Root mean square error on the rows left out, and of their mean alone.
    pub cv_rmse: f64,
    pub cv_baseline_rmse: f64,
    pub cv_r2: f64,
}

/// A parameter of a twin: value, spread, where it comes from, and what is doubtful about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub name: String,
    pub value: f64,
    pub sd: f64,
    pub source: String,
    /// Whether a feature or the value lies outside the range that the model knows.
    #[serde(default)]
    pub outside: bool,
    #[serde(default)]
    pub doubts: Vec<String>,
}

impl TwinModel {
    /// The bundled model: published values, each with its source.
    pub fn literature() -> Self {
        Self::parse(LITERATURE, Path::new("assets/models/literature.ron")).expect("the bundled model is checked by a test")
    }

    /// Reads a model.
    ///
    /// # Errors
    /// The first fault, as file:line:column.
    pub fn read(path: &Path) -> Result<Self, RonError> {
        Self::parse(&ron_file::read(path)?, path)
    }

    /// Reads a model from its text; `path` is the name that a fault carries.
    pub fn parse(text: &str, path: &Path) -> Result<Self, RonError> {
        let model: Self = ron_file::parse(text, path)?;
        let fault = |word: &str, message: String| Err(fault_at(text, word, path, message));
        if model.version != VERSION {
            return fault("version", format!("version {} of the model format; this program reads {VERSION}", model.version));
        }
        let mut names = BTreeSet::new();
        for feature in &model.features {
            let quoted = format!("\"{}\"", feature.name);
            let numbers = [feature.centre, feature.sd, feature.low, feature.high];
            if !(feature.name.starts_with("x.") || feature.name.starts_with("d.")) {
                return fault(
                    &quoted,
                    format!("`{}` is neither a feature of the images (x.…) nor of the record (d.…)", feature.name),
                );
            }
            if !numbers.iter().all(|n| n.is_finite()) || feature.sd < 0.0 || feature.low > feature.high {
                return fault(&quoted, format!("`{}` has a range or spread that is none", feature.name));
            }
            if !names.insert(feature.name.as_str()) {
                return fault(&quoted, format!("the feature `{}` stands twice", feature.name));
            }
        }
        let mut parameters = BTreeSet::new();
        for predictor in &model.parameters {
            let quoted = format!("\"{}\"", predictor.name);
            if unit_of(&predictor.name).is_none() {
                let known = UNITS.map(|(suffix, _)| suffix).join(", ");
                return fault(&quoted, format!("`{}` does not end in a unit; known are {known}", predictor.name));
            }
            let numbers = [predictor.at_centre, predictor.residual_sd, predictor.low, predictor.high];
            if !numbers.iter().all(|n| n.is_finite())
                || predictor.residual_sd < 0.0
                || !(0.0 < predictor.low && predictor.low <= predictor.high)
            {
                return fault(
                    &quoted,
                    format!("`{}` has a value, spread or range that is none (a range is above 0)", predictor.name),
                );
            }
            if !parameters.insert(predictor.name.as_str()) {
                return fault(&quoted, format!("the parameter `{}` stands twice", predictor.name));
            }
            for weight in &predictor.weights {
                if !names.contains(weight.feature.as_str()) {
                    return fault(
                        &format!("\"{}\"", weight.feature),
                        format!("`{}` is not among the model's features", weight.feature),
                    );
                }
                if !(weight.per_unit.is_finite() && weight.sd.is_finite() && weight.sd >= 0.0) {
                    return fault(&quoted, format!("`{}` has a weight that is no number", predictor.name));
                }
            }
        }
        Ok(model)
    }

    /// The model as RON.
    pub fn to_ron(&self) -> String {
        let pretty = ron::ser::PrettyConfig::new().new_line("\n").depth_limit(4).compact_arrays(true);
        let text = ron::ser::to_string_pretty(self, pretty).expect("plain numbers and strings are always written");
        format!("{text}\n")
    }

    pub fn feature(&self, name: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.name == name)
    }

    pub fn predictor(&self, name: &str) -> Option<&Predictor> {
        self.parameters.iter().find(|predictor| predictor.name == name)
    }

    /// One parameter from the features that are known.
    pub fn predict(&self, predictor: &Predictor, known: &BTreeMap<String, f64>) -> Parameter {
        let (mut value, mut variance) = (predictor.at_centre, predictor.residual_sd * predictor.residual_sd);
        let (mut doubts, mut unknown, mut outside) = (Vec::new(), Vec::new(), false);
        for weight in &predictor.weights {
            let Some(feature) = self.feature(&weight.feature) else { continue };
            match known.get(&weight.feature) {
                Some(&given) => {
                    let from_centre = given - feature.centre;
                    value += weight.per_unit * from_centre;
                    variance += (weight.sd * from_centre).powi(2);
                    if given < feature.low || given > feature.high {
                        outside = true;
                        doubts.push(format!(
                            "{} is {}, outside the {} to {} that the model knows",
                            feature.name,
                            short(given),
                            short(feature.low),
                            short(feature.high)
                        ));
                    }
                }
                None => {
                    variance += (weight.per_unit * feature.sd).powi(2);
                    unknown.push(feature.name.as_str());
                }
            }
        }
        if !unknown.is_empty() {
            doubts.push(format!("not known, so taken at the centre: {}", unknown.join(", ")));
        }
        if value < predictor.low || value > predictor.high {
            outside = true;
            let physical = value > 0.0 && (unit_of(&predictor.name) != Some("%") || value <= 100.0);
            doubts.push(format!(
                "{} is outside the {} to {} that the model was made from{}",
                short(value),
                short(predictor.low),
                short(predictor.high),
                if physical { "" } else { ", and cannot be: the nearest of these is taken" }
            ));
            if !physical {
                value = value.clamp(predictor.low, predictor.high);
            }
        }
        Parameter {
            name: predictor.name.clone(),
            value: rounded(value),
            sd: rounded(variance.sqrt()),
            source: predictor.source.clone(),
            outside,
            doubts,
        }
    }
}

/// What a parameter's name may end in, and the unit as it is printed; a longer ending stands before one that ends it.
const UNITS: [(&str, &str); 16] = [
    ("_kg_m3", "kg/m³"),
    ("_ml_per_min", "ml/min"),
    ("_per_min", "/min"),
    ("_g_dl", "g/dl"),
    ("_mmhg", "mmHg"),
    ("_percent", "%"),
    ("_pa", "Pa"),
    ("_pa_s", "Pa s"),
    ("_ml", "ml"),
    ("_ratio", ""),
    ("_share", ""),
    ("_invariant", ""),
    ("_secs", "s"),
    ("_s", "s"),
    ("_m", "m"),
    ("inr", ""),
];

/// The unit that a parameter's name ends in.
pub fn unit_of(name: &str) -> Option<&'static str> {
    UNITS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, unit)| *unit)
}

/// Six digits: more is not known, and a last bit of some platform's arithmetic does not reach a twin's hash.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// A number in a sentence.
pub fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 1.0 => 1,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"(version: 1, name: "small", invented: true, checked_by_clinician: false, note: "",
        features: [
            (name: "x.liver.volume_ml", centre: 1500, sd: 300, low: 900, high: 2400),
            (name: "d.age_years", centre: 50, sd: 10, low: 20, high: 80)],
        parameters: [(name: "liver.young_pa", at_centre: 5000, residual_sd: 300, low: 2000, high: 9000, source: "made up",
            weights: [(feature: "x.liver.volume_ml", per_unit: 2, sd: 0.5), (feature: "d.age_years", per_unit: -40, sd: 0)])])"#;

    fn small() -> TwinModel {
        TwinModel::parse(SMALL, Path::new("m.ron")).expect("sound")
    }

    fn known(features: &[(&str, f64)]) -> BTreeMap<String, f64> {
        features.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn a_prediction_is_the_affine_sum_with_its_spread() {
        let model = small();
        let found = model.predict(&model.parameters[0], &known(&[("x.liver.volume_ml", 1700.0), ("d.age_years", 60.0)]));
        assert_eq!(found.value, 5000.0 + 2.0 * 200.0 - 40.0 * 10.0);
        assert!((found.sd - (300f64.powi(2) + 100f64.powi(2)).sqrt()).abs() < 1e-2, "{}", found.sd);
        assert!(found.doubts.is_empty() && !found.outside);
    }

    #[test]
    fn what_is_unknown_or_outside_is_said() {
        let model = small();
        let found = model.predict(&model.parameters[0], &known(&[("x.liver.volume_ml", 699.0)]));
        assert_eq!(found.value, 5000.0 - 2.0 * 801.0);
        assert!(found.doubts.len() == 2 && found.outside, "{:?}", found.doubts);
        assert!(found.doubts[0].contains("outside the 900 to 2400") && found.doubts[1].contains("not known"));
        // unknown age: 40 Pa a year times 10 years
        assert!((found.sd - (300f64.powi(2) + (0.5 * 801f64).powi(2) + 400f64.powi(2)).sqrt()).abs() < 1e-2);
    }

    #[test]
    fn a_value_that_cannot_be_is_held_and_said() {
        let model = small();
        let found = model.predict(&model.parameters[0], &known(&[("x.liver.volume_ml", -2000.0), ("d.age_years", 50.0)]));
        assert_eq!(found.value, 2000.0);
        assert!(found.doubts.iter().any(|d| d.contains("cannot be")), "{:?}", found.doubts);
    }

    #[test]
    fn the_bundled_model_reads_and_covers_what_the_simulation_needs() {
        let model = TwinModel::parse(LITERATURE, Path::new("literature.ron")).unwrap_or_else(|fault| panic!("{fault}"));
        for name in
            ["liver.young_pa", "liver.density_kg_m3", "spleen.young_pa", "heart_rate_per_min", "systolic_mmhg", "portal_mmhg"]
        {
            assert!(model.predictor(name).is_some(), "{name}");
        }
        for predictor in &model.parameters {
            assert!(predictor.source.len() > 20, "{} has no source", predictor.name);
        }
        assert_eq!(TwinModel::parse(&model.to_ron(), Path::new("again.ron")).expect("what is written reads"), model);
    }

    #[test]
    fn a_fault_of_a_model_has_its_place() {
        let fault = |text: &str| TwinModel::parse(text, Path::new("m.ron")).expect_err("a fault").to_string();
        let unknown = fault(&SMALL.replace("feature: \"d.age_years\"", "feature: \"d.age\""));
        assert!(unknown.starts_with("m.ron:6:") && unknown.contains("`d.age`"), "{unknown}");
        assert!(fault(&SMALL.replace("liver.young_pa", "liver.young")).contains("does not end in a unit"));
        assert!(fault(&SMALL.replace("low: 900", "low: inf")).contains("none"));
        assert!(fault(&SMALL.replace("note", "notes")).contains("notes"));
    }
}
