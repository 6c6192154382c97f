//! `halsted metrics`: the motion metrics of a kinematics file.

use std::path::Path;

use super::{Answer, Found, print_json, print_line};
use crate::scoring::metrics_of_csv;

pub fn metrics(file: &Path, json: bool, filter: bool) -> Answer {
    let text = std::fs::read_to_string(file).map_err(|why| miette::miette!("{}: cannot be read: {why}", file.display()))?;
    let metrics =
        metrics_of_csv(&text, filter).map_err(|fault| miette::Report::from(fault).wrap_err(file.display().to_string()))?;
    if json {
        print_json(&metrics)?;
    } else {
        for metric in metrics.iter() {
            let value = metric
                .value
                .map_or_else(|| metric.reason.clone().unwrap_or_default(), |value| format!("{value:.6} {}", metric.unit));
            print_line(&format!("{:<20} {value}", metric.id))?;
        }
    }
    Ok(Found::Well)
}
