//! `halsted replay`: the recorded inputs again, and whether they lead to the same bits.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Answer, Found, assets, print_line, run};
use crate::session::{
    Trace,
    plugin::{SessionConfig, Source},
};

#[derive(Args)]
pub struct Replay {
    trace: PathBuf,
    /// Compare every tick with the recording
    #[arg(long)]
    verify: bool,
    /// Threads to simulate with (the outcome does not depend on it)
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl Replay {
    pub fn run(self) -> Answer {
        let recorded = Trace::read(&self.trace)?;
        let folder = CaseFolder::of(&recorded)?;
        let config = folder.config(&recorded, assets::assets()?);
        let again = run::simulate(config, self.threads, "replaying")?;
        if !self.verify {
            print_line(&format!("{}: {} ticks, digest {}", self.trace.display(), again.ticks.len(), again.digest_hex()))?;
            return Ok(Found::Well);
        }
        match difference(&recorded, &again) {
            None => {
                print_line(&format!("{}: {} ticks, every digest the same", self.trace.display(), again.ticks.len()))?;
                Ok(Found::Well)
            }
            Some(tick) => {
                print_line(&format!(
                    "{}: the digests part at tick {tick} ({:.2} s)",
                    self.trace.display(),
                    crate::clock::secs_at(tick)
                ))?;
                Ok(Found::Wanting)
            }
        }
    }
}

/// The first tick (from 1) at which two traces differ in their digests or their length.
pub fn difference(a: &Trace, b: &Trace) -> Option<u64> {
    let differs = a.ticks.iter().zip(&b.ticks).position(|(x, y)| x.digest != y.digest);
    let shorter = a.ticks.len().min(b.ticks.len());
    differs.or((a.ticks.len() != b.ticks.len()).then_some(shorter)).map(|index| index as u64 + 1)
}

/// The case that a trace carries, as files again for as long as this lives.
pub struct CaseFolder {
    folder: tempfile::TempDir,
    case: PathBuf,
}

impl CaseFolder {
    pub fn of(trace: &Trace) -> miette::Result<Self> {
        let io = |why: std::io::Error| miette::miette!("a temporary folder for the case cannot be written: {why}");
        let folder = tempfile::tempdir().map_err(io)?;
        let scenario = crate::scenario::parse(&trace.header.scenario_ron, &format!("{}.ron", trace.header.case))?;
        // names come out of a file that may be hostile: only their last parts are used
        let name = |path: &str, other: &str| Path::new(path).file_name().map_or(other.into(), |name| name.to_owned());
        let case = folder.path().join(name(&trace.header.case, "case")).with_extension("ron");
        let rubric = name(&scenario.rubric, "rubric.ron");
        let text = trace
            .header
            .scenario_ron
            .replace(&format!("\"{}\"", scenario.rubric), &format!("{:?}", Path::new("rubrics").join(&rubric)));
        std::fs::create_dir(folder.path().join("rubrics")).map_err(io)?;
        std::fs::write(folder.path().join("rubrics").join(&rubric), &trace.header.rubric_ron).map_err(io)?;
        std::fs::write(&case, text).map_err(io)?;
        Ok(Self { folder, case })
    }

    /// A session that replays the trace.
    pub fn config(&self, trace: &Trace, assets: PathBuf) -> SessionConfig {
        debug_assert!(self.case.starts_with(self.folder.path()));
        SessionConfig {
            case: self.case.clone(),
            assets,
            seed: trace.header.seed,
            source: Source::Replay(Box::new(trace.clone())),
            trace: None,
        }
    }
}
