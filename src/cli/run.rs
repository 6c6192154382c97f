//! `halsted run`: one session without a window.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Answer, Found, assets, print_json, print_line, progress::Progress};
use crate::{
    assessment::write_assessment,
    scenario,
    scoring::{Rubric, Score, rubric_of, score},
    session::{
        Trace,
        plugin::{SessionConfig, Source, run_headless},
    },
    tracking::{Motion, Skill},
};

#[derive(Args)]
pub struct Run {
    /// The case's file, or the name of a bundled one
    case: PathBuf,
    /// Let a bot perform it: expert or novice
    #[arg(long, value_name = "NAME", required_unless_present = "motion", conflicts_with = "motion")]
    bot: Option<String>,
    /// Perform a motion file
    #[arg(long, value_name = "FILE")]
    motion: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the trace, the assessment and the report here
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[arg(long)]
    json: bool,
    /// Threads to simulate with (the outcome does not depend on it)
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl Run {
    pub fn run(self) -> Answer {
        let source = match (&self.bot, &self.motion) {
            (_, Some(file)) => Source::Motion(Motion::read(file)?),
            (Some(name), None) => Source::Bot(skill(name)?),
            (None, None) => return Err(miette::miette!("neither a bot nor a motion file performs the case")),
        };
        let case = assets::case(&self.case)?;
        let trace_path = self.out.as_ref().map(|out| trace_path(out, &case));
        let config = SessionConfig { case, assets: assets::assets()?, seed: self.seed, source, trace: trace_path.clone() };
        let trace = simulate(config, self.threads, "simulating")?;
        let (rubric, score) = score_of(&trace, trace_path.as_deref())?;
        if let Some(out) = &self.out {
            write_assessment(out, &trace, &score, &rubric, &[])?;
        }
        if self.json {
            print_json(&score)?
        } else {
            print_line(&summary(&score))?
        }
        Ok(Found::Well)
    }
}

/// A bot's skill by its name.
pub fn skill(name: &str) -> miette::Result<Skill> {
    Skill::named(name).ok_or_else(|| miette::miette!(help = "there are: expert, novice", "no bot is called `{name}`"))
}

/// Where the trace of a case goes.
pub fn trace_path(out: &Path, case: &Path) -> PathBuf {
    out.join(case.file_stem().unwrap_or_default()).with_extension("halsted")
}

/// Runs a session with progress on stderr.
pub fn simulate(config: SessionConfig, threads: Option<usize>, stage: &str) -> miette::Result<Trace> {
    let progress = Progress::new();
    let mut last = u64::MAX;
    let session = || {
        run_headless(config, threads, &mut |secs| {
            if secs as u64 != last {
                last = secs as u64;
                progress.at(stage, last as usize, 0);
            }
        })
    };
    let trace = match threads {
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.map_err(|why| miette::miette!("{threads} threads cannot be started: {why}"))?.install(session)
        }
        None => session(),
    };
    progress.end();
    Ok(trace?)
}

/// The rubric that a trace carries, and its score by it.
pub fn score_of(trace: &Trace, path: Option<&Path>) -> miette::Result<(Rubric, Score)> {
    let rubric = rubric_of(trace)?;
    let score = scored(trace, &rubric, path)?;
    Ok((rubric, score))
}

/// The score of a trace by a rubric.
pub fn scored(trace: &Trace, rubric: &Rubric, path: Option<&Path>) -> miette::Result<Score> {
    let case = scenario::parse(&trace.header.scenario_ron, &format!("{}.ron", trace.header.case))?;
    let steps: Vec<String> = case.steps.iter().map(|step| step.id.clone()).collect();
    let path = path.map(|path| path.display().to_string());
    Ok(score(trace, rubric, &steps, path.as_deref()))
}

/// A score for a person at a terminal.
pub fn summary(score: &Score) -> String {
    let verdict = match (score.passed, score.completed) {
        (true, _) => "passed",
        (false, true) => "completed, not passed",
        (false, false) => "not completed",
    };
    let mut lines = vec![format!(
        "{}: {verdict}, {:.1} of {:.0} points ({:.0} %), {:.1} s, digest {}",
        score.case,
        score.score.raw,
        score.score.max,
        100.0 * score.score.scaled,
        crate::clock::secs_at(score.ticks),
        &score.digest[..score.digest.len().min(16)]
    )];
    for step in &score.steps {
        let when = step.t_s.map_or("not done".to_owned(), |t| format!("{t:.1} s"));
        lines.push(format!("  step {:<24} {when}", step.id));
    }
    for error in &score.errors {
        let weight = if error.critical { "critical error" } else { "error" };
        lines.push(format!("  {weight} {} at {:.1} s", error.id, error.t_s));
    }
    lines.join("\n")
}
