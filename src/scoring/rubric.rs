//! The rubric: which metrics earn points, where the scale of each begins and ends, and what fails an attempt outright.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{RubricFault, definition, nearest_id, rubric_text::places_of};
use crate::session::Trace;

/// Version of the rubric format that this program reads.
pub const RUBRIC_VERSION: u32 = 1;

/// A rubric as its file holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rubric {
    pub version: u32,
    pub name: String,
    /// Where the thresholds come from and who stands behind them.
    #[serde(default)]
    pub note: String,
    /// Share of the points, 0 to 1, from which an attempt passes.
    pub pass_mark: f64,
    pub items: Vec<Item>,
    /// Ids of errors that fail the attempt whatever the points.
    #[serde(default)]
    pub critical_errors: Vec<String>,
    /// A score by the rule of MISTELS, shown beside the points and counted nowhere.
    #[serde(default)]
    pub mistels: Option<Mistels>,
    /// sha256 of the file's text, hexadecimal.
    #[serde(skip)]
    pub sha256: String,
}

/// One line of a rubric: full points at `best`, none at `worst`, linear between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub metric: String,
    pub best: f64,
    pub worst: f64,
    pub points: f64,
    /// What the line asks of the trainee, for the report.
    #[serde(default)]
    pub why: String,
}

impl Item {
    /// Points for a value, before anything is taken off for an attempt that was not completed.
    pub fn points_for(&self, value: f64) -> f64 {
        self.points * ((value - self.worst) / (self.best - self.worst)).clamp(0.0, 1.0)
    }
}

/// The MISTELS rule: what is left of the cut-off time, less the penalty; nothing at the cut-off.
///
/// Peg transfer: the penalty is the percentage of objects lost. Derossis et al., “Development of a model for training and evaluation of
/// laparoscopic skills”, Am J Surg 1998;175:482–487.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mistels {
    pub cutoff_secs: f64,
    pub objects: u32,
}

impl Mistels {
    /// `0 if t ≥ cut-off, else max(0, cut-off − t − 100 lost / objects)`.
    pub fn score(&self, secs: f64, lost: f64) -> f64 {
        if secs >= self.cutoff_secs { 0.0 } else { (self.cutoff_secs - secs - 100.0 * lost / f64::from(self.objects)).max(0.0) }
    }
}

impl Rubric {
    /// The most points that an attempt can earn.
    pub fn max_points(&self) -> f64 {
        self.items.iter().map(|item| item.points).sum()
    }
}

/// Reads a rubric; the first fault, where there are several. `file_name` only stands in the message.
pub fn parse(text: &str, file_name: &str) -> Result<Rubric, RubricFault> {
    check_rubric(text, file_name).map_err(|mut faults| faults.swap_remove(0))
}

/// The rubric that a trace carries: the one that its case was run with.
pub fn rubric_of(trace: &Trace) -> Result<Rubric, RubricFault> {
    parse(&trace.header.rubric_ron, &format!("the rubric inside the trace of {}", trace.header.case))
}

/// Reads a rubric; every fault in the order of the text (one alone where the text cannot be read at all). Never an empty list.
pub fn check_rubric(text: &str, file_name: &str) -> Result<Rubric, Vec<RubricFault>> {
    let fault = |(line, column): (usize, usize), message: String, help: Option<String>| RubricFault {
        file: file_name.to_owned(),
        line,
        column,
        message,
        help,
    };
    let mut rubric: Rubric = ron::from_str(text).map_err(|error| {
        let at = (error.span.start.line, error.span.start.col);
        vec![fault(at, error.code.to_string(), Some("a rubric looks like those in scenarios/rubrics".to_owned()))]
    })?;
    rubric.sha256 = hex::encode(Sha256::digest(text));

    let mut faults = Vec::new();
    let place = |key: &str, nth: usize| places_of(text, key).get(nth).copied().unwrap_or((1, 1));
    if rubric.version != RUBRIC_VERSION {
        let message = format!("version {}; this program reads {RUBRIC_VERSION}", rubric.version);
        faults.push(fault(place("version", 0), message, None));
    }
    if !(0.0..=1.0).contains(&rubric.pass_mark) {
        let help = "it is the share of the points from which an attempt passes";
        faults.push(fault(
            place("pass_mark", 0),
            format!("pass_mark {} is outside 0 to 1", rubric.pass_mark),
            Some(help.to_owned()),
        ));
    }
    if rubric.items.is_empty() {
        faults.push(fault(place("items", 0), "no items: nothing can earn a point".to_owned(), None));
    }
    for (nth, item) in rubric.items.iter().enumerate() {
        if definition(&item.metric).is_none() {
            let help = nearest_id(&item.metric).map_or_else(
                || "the ids are those of metrics.csv; a metric of one hand ends in _left or _right".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            faults.push(fault(place("metric", nth), format!("unknown metric `{}`", item.metric), Some(help)));
        } else if rubric.items[..nth].iter().any(|earlier| earlier.metric == item.metric) {
            faults.push(fault(place("metric", nth), format!("metric `{}` is listed twice", item.metric), None));
        }
        for (key, value) in [("best", item.best), ("worst", item.worst), ("points", item.points)] {
            if !value.is_finite() {
                faults.push(fault(place(key, nth), format!("{key} of `{}` is {value}, not a finite number", item.metric), None));
            }
        }
        if item.best == item.worst {
            let help = "full points are given at best, none at worst, and linearly between: they must differ";
            faults.push(fault(
                place("worst", nth),
                format!("best and worst of `{}` are equal", item.metric),
                Some(help.to_owned()),
            ));
        }
        if item.points <= 0.0 {
            let help = "to punish a value, let its points fall from best to worst";
            faults.push(fault(
                place("points", nth),
                format!("points of `{}` must be above 0", item.metric),
                Some(help.to_owned()),
            ));
        }
    }
    for (nth, id) in rubric.critical_errors.iter().enumerate() {
        if rubric.critical_errors[..nth].contains(id) {
            faults.push(fault(place("critical_errors", 0), format!("critical error `{id}` is listed twice"), None));
        }
    }
    if let Some(m) = rubric.mistels {
        if !(m.cutoff_secs.is_finite() && m.cutoff_secs > 0.0) {
            faults.push(fault(place("cutoff_secs", 0), format!("cutoff_secs {} is not a positive number", m.cutoff_secs), None));
        }
        if m.objects == 0 {
            faults.push(fault(place("objects", 0), "objects must be above 0".to_owned(), None));
        }
    }
    faults.sort_by_key(|f| (f.line, f.column));
    if faults.is_empty() { Ok(rubric) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"(
    version: 1,
    name: "test",
    pass_mark: 0.6,
    items: [
        (metric: "time", best: 60, worst: 300, points: 10),
        (metric: "sparc_left", best: -2, worst: -8, points: 10),
    ],
    critical_errors: ["lesion-cut"],
    mistels: Some((cutoff_secs: 300, objects: 6)),
)"#;

    fn faults(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "{from}");
        check_rubric(&GOOD.replacen(from, to, 1), "r.ron").unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_rubric_is_read_with_the_hash_of_its_text() {
        let rubric = parse(GOOD, "r.ron").unwrap();
        assert_eq!(rubric.max_points(), 20.0);
        assert_eq!(rubric.sha256, hex::encode(Sha256::digest(GOOD)));
    }

    #[test]
    fn every_fault_stands_with_its_place() {
        assert_eq!(faults("\"time\"", "\"tme\""), ["r.ron:6:18: unknown metric `tme`"]);
        assert_eq!(faults("worst: -8", "worst: -2"), ["r.ron:7:49: best and worst of `sparc_left` are equal"]);
        assert_eq!(faults("worst: 300, points: 10", "worst: 300, points: 0"), ["r.ron:6:56: points of `time` must be above 0"]);
        assert_eq!(faults("best: 60", "best: NaN"), ["r.ron:6:32: best of `time` is NaN, not a finite number"]);
        assert_eq!(faults("\"sparc_left\"", "\"time\""), ["r.ron:7:18: metric `time` is listed twice"]);
        assert_eq!(faults("pass_mark: 0.6", "pass_mark: 60"), ["r.ron:4:16: pass_mark 60 is outside 0 to 1"]);
        assert_eq!(faults("version: 1", "version: 2"), ["r.ron:2:14: version 2; this program reads 1"]);
        assert_eq!(faults("objects: 6", "objects: 0"), ["r.ron:10:47: objects must be above 0"]);
        let two = check_rubric(&GOOD.replace("points: 10", "points: -1"), "r.ron").unwrap_err();
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn a_misspelt_metric_is_told_what_was_meant() {
        let fault = parse(&GOOD.replace("sparc_left", "sparc_lfet"), "r.ron").unwrap_err();
        assert_eq!(fault.help.as_deref(), Some("did you mean `sparc_left`?"));
    }

    #[test]
    fn an_unknown_field_is_refused_where_it_stands() {
        let fault = parse(&GOOD.replace("pass_mark", "passmark"), "r.ron").unwrap_err();
        assert_eq!((fault.line, fault.file.as_str()), (4, "r.ron"));
        assert!(fault.message.contains("passmark"), "{}", fault.message);
    }

    #[test]
    fn points_fall_linearly_from_best_to_worst_either_way_round() {
        let item = |best, worst| Item { metric: "time".into(), best, worst, points: 10.0, why: String::new() };
        assert_eq!([50.0, 60.0, 180.0, 300.0, 400.0].map(|v| item(60.0, 300.0).points_for(v)), [10.0, 10.0, 5.0, 0.0, 0.0]);
        assert_eq!([-9.0, -8.0, -5.0, -2.0, -1.0].map(|v| item(-2.0, -8.0).points_for(v)), [0.0, 0.0, 5.0, 10.0, 10.0]);
    }

    #[test]
    fn the_mistels_rule_gives_its_printed_scores() {
        let m = Mistels { cutoff_secs: 300.0, objects: 6 };
        assert_eq!((m.score(57.0, 0.0), m.score(300.0, 0.0), m.score(299.0, 3.0)), (243.0, 0.0, 0.0));
        assert!((m.score(57.0, 1.0) - 226.333333).abs() < 1e-6); // six decimals are printed
    }
}
