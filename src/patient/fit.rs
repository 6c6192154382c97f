//! Learning the twin's model from a cohort: ridge-regularised least squares, its strength chosen by cross-validation.
//!
//! ```text
//! w = argmin ‖y − ȳ − X w‖² + λ ‖w‖²        X: features with mean 0 and spread 1; one λ a parameter
//! ```
//! as scikit-learn's `StandardScaler` and `Ridge(alpha=λ)` (Hoerl & Kennard, Technometrics 12:55-67, 1970). A fold holds every k-th row;
//! centres and spreads are taken without the rows left out. λ is the one of [`LAMBDAS`] whose error on the rows left out is least. The
//! residual spread is √(RSS / (n − tr H − 1)) with H the hat matrix, and a weight's error follows from it (σ² A⁻¹ G A⁻¹ with G = XᵀX and
//! A = G + λ), which leaves the bias of the ridge out.

use std::path::Path;

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use serde::Serialize;

use super::{
    cohort::{Cohort, CohortError, CohortFault, Standard},
    model::{Feature, Fitted, Predictor, TwinModel, Weight},
};

/// Strengths that are tried: 1 and 3 in each decade from 10⁻³ to 10⁴.
pub const LAMBDAS: [f64; 15] = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4];

/// Rows in turn go to this many folds.
pub const FOLDS: usize = 5;

/// Features of one set of rows, ready for any strength and any parameter.
struct Ridge {
    standard: Standard,
    /// XᵀX = Q Λ Qᵀ.
    gram: SymmetricEigen<f64, nalgebra::Dyn>,
    x: DMatrix<f64>,
}

impl Ridge {
    fn new(x: &DMatrix<f64>) -> Self {
        let standard = Standard::of(x);
        let x = standard.apply(x);
        Self { gram: (x.transpose() * &x).symmetric_eigen(), standard, x }
    }

    /// Weights of the standardised features and the mean of `y`.
    fn solve(&self, y: &DVector<f64>, lambda: f64) -> (DVector<f64>, f64) {
        let mean = y.sum() / y.len() as f64;
        let right = self.x.transpose() * y.map(|v| v - mean);
        let mut along = self.gram.eigenvectors.transpose() * right;
        for (a, value) in along.iter_mut().zip(self.gram.eigenvalues.iter()) {
            *a /= value.max(0.0) + lambda;
        }
        (&self.gram.eigenvectors * along, mean)
    }
}

fn rows_of(x: &DMatrix<f64>, keep: impl Fn(usize) -> bool) -> DMatrix<f64> {
    x.select_rows(&(0..x.nrows()).filter(|&row| keep(row)).collect::<Vec<_>>())
}

/// Fits a model to a cohort; `path` is the name that faults carry.
///
/// # Errors
/// Too few rows, constant or collinear columns: every one with its place.
pub fn fit(cohort: &Cohort, path: &Path, name: &str, invented: bool, folds: usize) -> Result<TwinModel, CohortError> {
    cohort.check_fit(path, folds)?;
    let rows = cohort.rows();
    let parameters = cohort.parameters.len();
    // squared errors on the rows left out, a strength and a parameter each, and those of the mean alone
    let mut squared = DMatrix::<f64>::zeros(LAMBDAS.len(), parameters);
    let mut baseline = vec![0.0; parameters];
    for fold in 0..folds {
        let left_out = |row: usize| row % folds == fold;
        let ridge = Ridge::new(&rows_of(&cohort.x, |row| !left_out(row)));
        let (seen, tested) = (rows_of(&cohort.z, |row| !left_out(row)), rows_of(&cohort.z, left_out));
        let unseen = ridge.standard.apply(&rows_of(&cohort.x, left_out));
        for parameter in 0..parameters {
            let (y, truth) = (seen.column(parameter).into_owned(), tested.column(parameter));
            for (at, &lambda) in LAMBDAS.iter().enumerate() {
                let (weights, mean) = ridge.solve(&y, lambda);
                let guess = &unseen * weights;
                squared[(at, parameter)] += truth.iter().zip(guess.iter()).map(|(t, g)| (t - mean - g).powi(2)).sum::<f64>();
                if at == 0 {
                    baseline[parameter] += truth.iter().map(|t| (t - mean).powi(2)).sum::<f64>();
                }
            }
        }
    }
    let ridge = Ridge::new(&cohort.x);
    let n = rows as f64;
    let mut predictors = Vec::new();
    for (parameter, parameter_name) in cohort.parameters.iter().enumerate() {
        // of equals the strongest
        let best =
            (0..LAMBDAS.len()).rev().min_by(|&a, &b| squared[(a, parameter)].total_cmp(&squared[(b, parameter)])).unwrap_or(0);
        let lambda = LAMBDAS[best];
        let y = cohort.z.column(parameter).into_owned();
        let (weights, mean) = ridge.solve(&y, lambda);
        let residual = y.map(|v| v - mean) - &ridge.x * &weights;
        let values = &ridge.gram.eigenvalues;
        let freedom = (n - 1.0 - values.iter().map(|v| v.max(0.0) / (v.max(0.0) + lambda)).sum::<f64>()).max(1.0);
        let sigma = (residual.norm_squared() / freedom).sqrt();
        let q = &ridge.gram.eigenvectors;
        let weights = (0..weights.len())
            .map(|column| {
                let spread = ridge.standard.sd[column];
                let variance: f64 = (0..values.len())
                    .map(|k| q[(column, k)].powi(2) * values[k].max(0.0) / (values[k].max(0.0) + lambda).powi(2))
                    .sum();
                Weight {
                    feature: cohort.features[column].clone(),
                    per_unit: weights[column] / spread,
                    sd: sigma * variance.sqrt() / spread,
                }
            })
            .collect();
        let low = y.min();
        if low <= 0.0 {
            let column = Some(format!("z.{parameter_name}"));
            let row = (0..rows).find(|&row| y[row] <= 0.0).unwrap_or(0);
            let fault = CohortFault { line: row + 2, column, message: format!("{} is not above 0", y[row]) };
            return Err(CohortError::Faults { path: path.to_owned(), faults: vec![fault] });
        }
        let rmse = |sum: f64| (sum / n).sqrt();
        predictors.push(Predictor {
            name: parameter_name.clone(),
            at_centre: mean,
            residual_sd: sigma,
            low,
            high: y.max(),
            weights,
            source: format!("fitted to {rows} patients of {}", path.file_name().unwrap_or_default().to_string_lossy()),
            fitted: Some(Fitted {
                rows,
                folds,
                lambda,
                cv_rmse: rmse(squared[(best, parameter)]),
                cv_baseline_rmse: rmse(baseline[parameter]),
                cv_r2: 1.0 - squared[(best, parameter)] / baseline[parameter],
            }),
        });
    }
    let features = cohort
        .features
        .iter()
        .enumerate()
        .map(|(column, name)| Feature {
            name: name.clone(),
            centre: ridge.standard.centre[column],
            sd: ridge.standard.sd[column],
            low: cohort.x.column(column).min(),
            high: cohort.x.column(column).max(),
        })
        .collect();
    Ok(TwinModel {
        version: 1,
        name: name.to_owned(),
        invented,
        checked_by_clinician: false,
        note: "Fitted by ridge-regularised least squares; valid only for patients like those of the cohort, and flagged outside its ranges."
            .to_owned(),
        features,
        parameters: predictors,
    })
}

/// How a model does on patients it has not seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    pub model: String,
    pub rows: usize,
    /// Rows with a feature outside the range that the model knows.
    pub rows_outside: usize,
    pub parameters: Vec<ParameterError>,
}

/// The error of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterError {
    pub name: String,
    pub unit: &'static str,
    pub rmse: f64,
    /// Mean of prediction − truth.
    pub bias: f64,
    /// The error of always giving the model's own centre.
    pub baseline_rmse: f64,
    /// 1 − squared error / squared distance from these rows' own mean; null where they do not vary.
    pub r2: Option<f64>,
    /// Share of rows within 1.96 of the stated spreads (95 % where the spread is right).
    pub within_95: f64,
}

/// Measures a model on a cohort; `path` is the name that faults carry.
///
/// # Errors
/// A feature or parameter of the model that the cohort has no column for.
pub fn evaluate(model: &TwinModel, cohort: &Cohort, path: &Path) -> Result<Evaluation, CohortError> {
    let rows = cohort.rows();
    let shared: Vec<&Predictor> = model.parameters.iter().filter(|p| cohort.parameters.contains(&p.name)).collect();
    let used = |feature: &str| shared.iter().any(|p| p.weights.iter().any(|w| w.feature == feature));
    let mut faults: Vec<CohortFault> = Vec::new();
    let mut missing = |column: String, message: String| faults.push(CohortFault { line: 1, column: Some(column), message });
    for feature in model.features.iter().filter(|feature| used(&feature.name) && !cohort.features.contains(&feature.name)) {
        missing(feature.name.clone(), "the model asks for it, and the cohort has no such column".to_owned());
    }
    for parameter in cohort.parameters.iter().filter(|name| model.predictor(name).is_none()) {
        missing(format!("z.{parameter}"), "the model does not predict it".to_owned());
    }
    if rows == 0 {
        faults.push(CohortFault { line: 1, column: None, message: "there are no rows".to_owned() });
    }
    if !faults.is_empty() {
        return Err(CohortError::Faults { path: path.to_owned(), faults });
    }
    let known: Vec<std::collections::BTreeMap<String, f64>> =
        (0..rows).map(|row| cohort.features.iter().cloned().zip(cohort.x.row(row).iter().copied()).collect()).collect();
    let outside = |features: &std::collections::BTreeMap<String, f64>| {
        model.features.iter().filter(|f| used(&f.name)).any(|f| features.get(&f.name).is_some_and(|v| *v < f.low || *v > f.high))
    };
    let n = rows as f64;
    let parameters = shared
        .iter()
        .map(|predictor| {
            let column = cohort.parameters.iter().position(|name| *name == predictor.name).unwrap_or(0);
            let truth = cohort.z.column(column);
            let mean = truth.sum() / n;
            let (mut squares, mut sum, mut baseline, mut spread, mut within) = (0.0, 0.0, 0.0, 0.0, 0usize);
            for (row, features) in known.iter().enumerate() {
                let found = model.predict(predictor, features);
                let error = found.value - truth[row];
                squares += error * error;
                sum += error;
                baseline += (predictor.at_centre - truth[row]).powi(2);
                spread += (mean - truth[row]).powi(2);
                within += usize::from(error.abs() <= 1.96 * found.sd);
            }
            ParameterError {
                name: predictor.name.clone(),
                unit: super::model::unit_of(&predictor.name).unwrap_or(""),
                rmse: (squares / n).sqrt(),
                bias: sum / n,
                baseline_rmse: (baseline / n).sqrt(),
                r2: (spread > 0.0).then(|| 1.0 - squares / spread),
                within_95: within as f64 / n,
            }
        })
        .collect();
    Ok(Evaluation { model: model.name.clone(), rows, rows_outside: known.iter().filter(|f| outside(f)).count(), parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fifteen patients by a short arithmetic that the reference (numpy 2, scikit-learn 1.7) repeats.
    fn small() -> Cohort {
        let number = |i: i32| f64::from(i);
        let row = |i: i32| {
            let (a, b) = (number(i * 7 % 15), number(i * i % 11));
            let c = 0.5 * a + number(i * 4 % 9);
            ([a, b, c], 100.0 + 3.0 * a - 2.0 * b + 0.5 * c + number(i * 5 % 7 - 3))
        };
        Cohort {
            features: ["x.a", "x.b", "d.c"].map(str::to_owned).to_vec(),
            x: DMatrix::from_fn(15, 3, |i, j| row(i as i32).0[j]),
            parameters: vec!["p_pa".to_owned()],
            z: DMatrix::from_fn(15, 1, |i, _| row(i as i32).1),
        }
    }

    fn near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
    }

    /// `make_pipeline(StandardScaler(), Ridge(alpha))`: coefficients over scale, and a prediction at (4, 5, 6).
    #[test]
    fn a_ridge_of_given_strength_is_that_of_scikit_learn() {
        let cohort = small();
        for (lambda, weights, at) in [
            (1e-3, [2.863931242445059, -2.133609341306534, 0.8709587368276424], 104.50034424727595),
            (1.0, [2.457466181386402, -1.8875243989502735, 1.1253498162204894], 105.61704907936641),
            (100.0, [0.37468545098676725, -0.14415920723580464, 0.3718318049316545], 114.97148217144164),
        ] {
            let ridge = Ridge::new(&cohort.x);
            let (found, mean) = ridge.solve(&cohort.z.column(0).into_owned(), lambda);
            near(mean, 116.81666666666666);
            let mut guess = mean;
            for (column, (expected, value)) in weights.into_iter().zip([4.0, 5.0, 6.0]).enumerate() {
                near(found[column] / ridge.standard.sd[column], expected);
                guess += found[column] / ridge.standard.sd[column] * (value - ridge.standard.centre[column]);
            }
            near(guess, at);
        }
    }

    /// The same folds (every fifth row) and strengths, each fold with its own `StandardScaler`; errors by numpy from the formulas above.
    #[test]
    fn the_strength_and_its_error_are_those_of_the_reference() {
        let model = fit(&small(), Path::new("small.csv"), "small", true, 5).expect("sound");
        let predictor = &model.parameters[0];
        let fitted = predictor.fitted.as_ref().expect("fitted");
        assert_eq!(fitted.lambda, 0.1);
        near(fitted.cv_rmse, 2.188053294955109);
        near(fitted.cv_baseline_rmse, 16.0955102866883);
        near(predictor.residual_sd, 1.9993697923930531);
        let weights = [
            (2.811792773458493, 0.20902294966168308),
            (-2.1048199596405013, 0.17889065506127502),
            (0.9074296363369414, 0.2135178627618073),
        ];
        for (weight, (per_unit, sd)) in predictor.weights.iter().zip(weights) {
            near(weight.per_unit, per_unit);
            near(weight.sd, sd);
        }
    }

    #[test]
    fn a_model_measured_on_its_own_cohort_leaves_its_residual() {
        let cohort = small();
        let model = fit(&cohort, Path::new("small.csv"), "small", true, 5).expect("sound");
        let found = evaluate(&model, &cohort, Path::new("small.csv")).expect("sound");
        let error = &found.parameters[0];
        assert!(
            error.rmse < model.parameters[0].residual_sd && error.bias.abs() < 1e-3 && error.r2.is_some_and(|r2| r2 > 0.98),
            "{error:?}"
        );
        assert_eq!((found.rows, found.rows_outside), (15, 0));
        let mut other = cohort;
        other.features[2] = "d.other".to_owned();
        let fault = evaluate(&model, &other, Path::new("other.csv")).expect_err("a column is missing").to_string();
        assert!(fault.contains("other.csv:1: column `d.c`: the model asks for it"), "{fault}");
    }
}
