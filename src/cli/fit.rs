//! `halsted patient fit`: the twin's model from a cohort, and what it is worth on patients it has not seen.

use std::path::PathBuf;

use clap::Args;

use super::{Answer, Found, print_json, print_line, write_whole};
use crate::patient::{Cohort, Evaluation, FOLDS, TwinModel, evaluate, fit, unit_of};

#[derive(Args)]
pub struct Fit {
    /// A table of patients: columns x.ORGAN.FEATURE and d.FEATURE (features), z.PARAMETER (what is to be foretold)
    cohort: PathBuf,
    /// Write the model here (RON)
    #[arg(long, value_name = "RON")]
    out: Option<PathBuf>,
    /// Measure this model on the cohort instead of fitting one
    #[arg(long, value_name = "RON", conflicts_with_all = ["out", "folds", "name", "invented"])]
    evaluate: Option<PathBuf>,
    /// Folds of the cross-validation
    #[arg(long, default_value_t = FOLDS, value_parser = folds)]
    folds: usize,
    /// The model's name
    #[arg(long)]
    name: Option<String>,
    /// The patients are made up: the model and every twin that uses it will say so
    #[arg(long)]
    invented: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn folds(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|folds| (2..=20).contains(folds)).ok_or_else(|| "a whole number from 2 to 20".to_owned())
}

impl Fit {
    pub fn run(self) -> Answer {
        let cohort = Cohort::read(&self.cohort)?;
        if let Some(path) = &self.evaluate {
            let found = evaluate(&TwinModel::read(path)?, &cohort, &self.cohort)?;
            if self.json {
                print_json(&found)?
            } else {
                print_line(&told(&found))?
            }
            return Ok(Found::Well);
        }
        let stem = self.cohort.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let model = fit(&cohort, &self.cohort, &self.name.unwrap_or(stem), self.invented, self.folds)?;
        if let Some(out) = &self.out {
            write_whole(out, &model.to_ron())?;
        }
        if self.json {
            print_json(&model)?
        } else {
            print_line(&summary(&model))?
        }
        Ok(Found::Well)
    }
}

/// A fit for a person at a terminal.
fn summary(model: &TwinModel) -> String {
    let mut lines = vec![format!("{:<32} {:>10} {:>10} {:>6} {:>8}", "parameter", "error", "mean alone", "R²", "λ")];
    for parameter in &model.parameters {
        if let Some(fitted) = &parameter.fitted {
            let unit = unit_of(&parameter.name).unwrap_or_default();
            lines.push(format!(
                "{:<32} {:>10.4} {:>10.4} {:>6.2} {:>8} {unit}",
                parameter.name,
                fitted.cv_rmse,
                fitted.cv_baseline_rmse,
                fitted.cv_r2,
                format!("{:.2e}", fitted.lambda)
            ));
        }
    }
    lines.push("errors: root mean square on the rows left out in cross-validation".to_owned());
    lines.join("\n")
}

/// An evaluation for a person at a terminal.
fn told(found: &Evaluation) -> String {
    let mut lines = vec![format!(
        "{} on {} patients, {} of them outside the range that it knows",
        found.model, found.rows, found.rows_outside
    )];
    lines.push(format!("{:<32} {:>10} {:>10} {:>10} {:>6} {:>8}", "parameter", "error", "bias", "mean alone", "R²", "in 95 %"));
    for error in &found.parameters {
        let r2 = error.r2.map_or("–".to_owned(), |r2| format!("{r2:.2}"));
        lines.push(format!(
            "{:<32} {:>10.4} {:>10.4} {:>10.4} {r2:>6} {:>7.0}% {}",
            error.name,
            error.rmse,
            error.bias,
            error.baseline_rmse,
            100.0 * error.within_95,
            error.unit
        ));
    }
    lines.join("\n")
}
