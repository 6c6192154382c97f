//! Trace and rubric → score.

use serde::Serialize;

use super::{Metrics, Rubric, metrics_of_trace};
use crate::{
    clock::secs_at,
    session::{Event, Trace},
};

/// What an attempt was worth. Serialises as the answer of `run --json` and `score --json`; the points of each line of the rubric stay
/// out of that and go to the assessment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    pub case: String,
    pub seed: u64,
    pub ticks: u64,
    /// Whether every step of the case was done.
    pub completed: bool,
    /// Completed, without a critical error, and at or above the pass mark.
    pub passed: bool,
    pub score: Points,
    pub steps: Vec<StepOutcome>,
    pub errors: Vec<ErrorMade>,
    pub metrics: Metrics,
    /// Digest of the session, hexadecimal.
    pub digest: String,
    /// Where the trace lies, if it was written.
    pub trace: Option<String>,
    #[serde(skip)]
    pub items: Vec<ItemScore>,
    /// By the MISTELS rule, where the rubric asks for it.
    #[serde(skip)]
    pub mistels: Option<f64>,
}

/// Points earned, points possible, and their ratio.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Points {
    pub raw: f64,
    pub max: f64,
    pub scaled: f64,
}

/// A step of the case and when it was done, s.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepOutcome {
    pub id: String,
    pub done: bool,
    pub t_s: Option<f64>,
}

/// An error and when it was made, s.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorMade {
    pub id: String,
    pub t_s: f64,
    /// By the case or by the rubric.
    pub critical: bool,
}

/// One line of the rubric, applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ItemScore {
    pub metric: String,
    pub title: String,
    pub unit: &'static str,
    pub value: Option<f64>,
    pub best: f64,
    pub worst: f64,
    pub points: f64,
    pub max: f64,
    pub why: String,
    /// Why points are missing, where it is not the value alone.
    pub reason: Option<String>,
}

/// Scores a trace by a rubric. `step_ids` are the steps of the case in order; `trace_path` is only passed on.
///
/// An attempt that was not completed earns its points in proportion to the steps that were done: stopping early is no way to a short
/// path. A metric without a value earns none.
pub fn score(trace: &Trace, rubric: &Rubric, step_ids: &[String], trace_path: Option<&str>) -> Score {
    let metrics = metrics_of_trace(trace);
    let steps = steps_of(trace, step_ids);
    let completed = trace.events().any(|(_, event)| matches!(event, Event::Completed));
    let done = steps.iter().filter(|step| step.done).count();
    let share = match (completed, steps.len()) {
        (true, _) => 1.0,
        (false, 0) => 0.0,
        (false, all) => done as f64 / all as f64,
    };
    let items: Vec<ItemScore> = rubric
        .items
        .iter()
        .map(|item| {
            let metric = metrics.get(&item.metric);
            let value = metric.and_then(|m| m.value);
            let reason = match (metric, value) {
                (Some(m), None) => m.reason.clone(),
                (None, _) => Some("this program does not know the metric".to_owned()),
                _ if !completed => Some(format!("not completed: {done} of {} steps, and so much of the points", steps.len())),
                _ => None,
            };
            ItemScore {
                metric: item.metric.clone(),
                title: metric.map_or_else(|| item.metric.clone(), |m| m.title()),
                unit: metric.map_or("1", |m| m.unit),
                value,
                best: item.best,
                worst: item.worst,
                points: value.map_or(0.0, |v| item.points_for(v)) * share,
                max: item.points,
                why: item.why.clone(),
                reason,
            }
        })
        .collect();
    let errors: Vec<ErrorMade> = trace
        .events()
        .filter_map(|(tick, event)| match event {
            Event::ErrorMade { id, critical, .. } => {
                Some(ErrorMade { id: id.clone(), t_s: secs_at(tick), critical: *critical || rubric.critical_errors.contains(id) })
            }
            _ => None,
        })
        .collect();
    let raw: f64 = items.iter().map(|item| item.points).sum();
    let max = rubric.max_points();
    let scaled = if max > 0.0 { raw / max } else { 0.0 };
    let lost = metrics.value("objects_lost").unwrap_or(0.0);
    Score {
        case: trace.header.case.clone(),
        seed: trace.header.seed,
        ticks: trace.ticks.len() as u64,
        completed,
        passed: completed && errors.iter().all(|e| !e.critical) && scaled >= rubric.pass_mark,
        score: Points { raw, max, scaled },
        steps,
        errors,
        digest: trace.digest_hex(),
        trace: trace_path.map(str::to_owned),
        items,
        mistels: rubric.mistels.map(|rule| if completed { rule.score(trace.duration_secs(), lost) } else { 0.0 }),
        metrics,
    }
}

/// The steps of the case in order, then those that the trace did without the list knowing them.
fn steps_of(trace: &Trace, step_ids: &[String]) -> Vec<StepOutcome> {
    let mut steps: Vec<StepOutcome> = step_ids.iter().map(|id| StepOutcome { id: id.clone(), done: false, t_s: None }).collect();
    for (tick, event) in trace.events() {
        if let Event::StepDone { id } = event {
            let outcome = StepOutcome { id: id.clone(), done: true, t_s: Some(secs_at(tick)) };
            match steps.iter_mut().find(|step| step.id == *id) {
                Some(step) if !step.done => *step = outcome,
                Some(_) => {}
                None => steps.push(outcome),
            }
        }
    }
    steps
}
