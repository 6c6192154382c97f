//! The twin's model from outside: a truth is found again, left-out patients are foretold, and a table's faults are told with their place.

use std::{fmt::Write, path::Path};

use halsted::{
    clock::Chance,
    patient::{Cohort, FOLDS, TwinModel, evaluate, fit},
};

use crate::program::{halsted, json, refused};

const FEATURES: [&str; 9] = [
    "x.liver.volume_ml",
    "x.liver.value_mean",
    "d.age_years",
    "d.male",
    "d.weight_kg",
    "d.fibrosis_f1",
    "d.fibrosis_f2",
    "d.fibrosis_f3",
    "d.fibrosis_f4",
];

/// Each parameter: its value with the features at `CENTRES`, the weights of the features, the noise.
const TRUTH: [(&str, f64, [f64; 9], f64); 4] = [
    ("liver.young_pa", 5200.0, [0.0, 0.0, 0.0, 500.0, 0.0, 400.0, 1500.0, 4300.0, 11_500.0], 900.0),
    ("portal_mmhg", 7.5, [0.001, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.9, 7.5], 1.2),
    ("liver.portal_flow_ml_per_min", 1125.0, [0.75, 0.0, -3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 120.0),
    ("blood_volume_ml", 4500.0, [0.0, 0.0, 0.0, 400.0, 33.0, 0.0, 0.0, 0.0, 0.0], 250.0),
];
const CENTRES: [f64; 9] = [1500.0, 105.0, 50.0, 0.0, 70.0, 0.0, 0.0, 0.0, 0.0];

/// Patients that do not exist, as `assets/cohorts/invented-liver/README.md` says.
fn invented_cohort(seed: u64, rows: usize) -> String {
    let mut chance = Chance::new(seed, "invented cohort");
    let mut text = FEATURES.join(",");
    TRUTH.iter().for_each(|(name, ..)| text += &format!(",z.{name}"));
    text.push('\n');
    for _ in 0..rows {
        let mut normal = || f64::from(chance.normal());
        let [volume, hu, mass] = [1500.0 + 280.0 * normal(), 105.0 + 15.0 * normal(), 9.0 * normal()];
        let noises = [(); 4].map(|()| normal());
        let (age, male, stage) = (25.0 + 55.0 * chance.unit(), f64::from(u8::from(chance.happens(0.45))), chance.unit());
        let stage = [0.5, 0.65, 0.8, 0.9].iter().filter(|share| stage >= **share).count();
        let is = |s: usize| f64::from(u8::from(stage == s));
        let x = [
            volume.round(),
            hu.round(),
            f64::from(age).round(),
            male,
            (62.0 + 14.0 * male + mass).round(),
            is(1),
            is(2),
            is(3),
            is(4),
        ];
        let z = TRUTH.map(|(_, at, weights, _)| at + (0..9).map(|i| weights[i] * (x[i] - CENTRES[i])).sum::<f64>());
        for (at, value) in x.iter().enumerate() {
            write!(text, "{}{value}", if at > 0 { "," } else { "" }).unwrap();
        }
        for ((value, noise), (_, _, _, sd)) in z.into_iter().zip(noises).zip(TRUTH) {
            write!(text, ",{:.2}", value + sd * noise).unwrap();
        }
        text.push('\n');
    }
    text
}

fn bundled(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/cohorts/invented-liver").join(file)
}

fn cohort(seed: u64, rows: usize) -> Cohort {
    Cohort::parse(invented_cohort(seed, rows).as_bytes(), Path::new("invented.csv")).unwrap()
}

#[test]
fn the_bundled_cohort_is_the_one_that_its_readme_tells_of() {
    assert_eq!(std::fs::read_to_string(bundled("cohort.csv")).unwrap(), invented_cohort(1, 240));
    let again =
        fit(&Cohort::read(&bundled("cohort.csv")).unwrap(), Path::new("cohort.csv"), "invented-liver", true, FOLDS).unwrap();
    let model = TwinModel::read(&bundled("model.ron")).unwrap();
    for (found, kept) in again.parameters.iter().zip(&model.parameters) {
        assert!(
            (found.at_centre / kept.at_centre - 1.0).abs() < 1e-9 && found.weights.len() == kept.weights.len(),
            "{}",
            kept.name
        );
    }
    assert!(model.invented && model.parameters.len() == 4);
}

/// A true weight lies within 4 of the stated standard errors: for 36 weights a chance of 2 in 1000 to fail, and the cohort is fixed.
#[test]
fn the_truth_of_an_invented_cohort_is_found_again() {
    let model = fit(&cohort(3, 600), Path::new("c.csv"), "c", true, FOLDS).unwrap();
    for (name, at, weights, noise) in TRUTH {
        let predictor = model.predictor(name).unwrap();
        assert!((predictor.residual_sd / noise - 1.0).abs() < 0.1, "{name}: {} is not {noise}", predictor.residual_sd);
        for (weight, truth) in predictor.weights.iter().zip(weights) {
            assert!(
                (weight.per_unit - truth).abs() < 4.0 * weight.sd,
                "{name}, {}: {} ± {}, not {truth}",
                weight.feature,
                weight.per_unit,
                weight.sd
            );
        }
        let at_centre = predictor.at_centre
            + predictor
                .weights
                .iter()
                .zip(&model.features)
                .zip(CENTRES)
                .map(|((w, f), c)| w.per_unit * (c - f.centre))
                .sum::<f64>();
        assert!((at_centre - at).abs() < 0.4 * noise, "{name}: {at_centre} at the centre, not {at}");
    }
}

#[test]
fn patients_left_out_are_foretold_to_the_noise_and_the_spread_is_honest() {
    let model = fit(&cohort(1, 240), Path::new("c.csv"), "c", true, FOLDS).unwrap();
    let found = evaluate(&model, &cohort(2, 400), Path::new("c.csv")).unwrap();
    for (error, (name, _, _, noise)) in found.parameters.iter().zip(TRUTH) {
        assert_eq!(error.name, name);
        assert!(error.rmse < 1.12 * noise, "{name}: {} where the noise is {noise}", error.rmse);
        assert!(error.baseline_rmse > 1.2 * error.rmse, "{error:?}");
        // 400 rows: 0.95 ± 4 × 0.011
        assert!((0.905..0.99).contains(&error.within_95), "{error:?}");
    }
}

#[test]
fn the_program_fits_evaluates_and_refuses_with_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("train.csv"), invented_cohort(1, 120)).unwrap();
    std::fs::write(path("test.csv"), invented_cohort(2, 60)).unwrap();
    let fitted = json(&halsted(&["patient", "fit", &path("train.csv"), "--invented", "--out", &path("model.ron"), "--json"]));
    assert_eq!(fitted["parameters"][0]["name"], "liver.young_pa");
    assert!(fitted["parameters"][0]["fitted"]["cv_r2"].as_f64().unwrap() > 0.8, "{fitted}");
    let found = json(&halsted(&["patient", "fit", "--evaluate", &path("model.ron"), &path("test.csv"), "--json"]));
    assert!(found["parameters"][0]["r2"].as_f64().unwrap() > 0.8 && found["rows"] == 60, "{found}");
    let text = invented_cohort(1, 120);
    let broken =
        text.lines().enumerate().map(|(at, line)| if at == 7 { line.replacen(',', ",ninety", 1) } else { line.to_owned() });
    std::fs::write(path("broken.csv"), broken.collect::<Vec<_>>().join("\n")).unwrap();
    refused(&["patient", "fit", &path("broken.csv")], &["broken.csv:8:", "x.liver.value_mean", "not a number"]);
    std::fs::write(path("few.csv"), invented_cohort(1, 5)).unwrap();
    refused(&["patient", "fit", &path("few.csv")], &["few.csv:1:", "too few"]);
    refused(&["patient", "fit", "--evaluate", &path("train.csv"), &path("test.csv")], &["train.csv:"]);
}
