//! `halsted replay`: the recorded inputs again, whether they lead to the same bits, and what it looked like.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Answer, Found, assets, print_line, run};
use crate::{
    clock::TICK_HZ,
    session::{
        Trace,
        plugin::{SessionConfig, Source},
    },
    theatre::{self, Moment, PictureSize},
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
    /// Take pictures at these times of the session
    #[arg(long, value_name = "SECS", value_delimiter = ',', value_parser = secs, requires = "out", conflicts_with = "verify")]
    pictures: Vec<f64>,
    /// Where the pictures go
    #[arg(long, value_name = "DIR", requires = "pictures")]
    out: Option<PathBuf>,
}

/// Days of session time are nobody's.
const LONGEST_SECS: f64 = 86_400.0;

fn secs(text: &str) -> Result<f64, String> {
    let secs = text.trim().parse().ok().filter(|secs| (0.0..=LONGEST_SECS).contains(secs));
    secs.ok_or_else(|| "seconds from the session's begin, such as 12.5".to_owned())
}

impl Replay {
    pub fn run(self) -> Answer {
        let recorded = Trace::read(&self.trace)?;
        let folder = CaseFolder::of(&recorded)?;
        let config = folder.config(&recorded, assets::assets()?);
        if let Some(out) = &self.out {
            return shoot(config, self.pictures, out);
        }
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

/// Pictures of a session at so many seconds from its begin.
fn shoot(config: SessionConfig, mut secs: Vec<f64>, out: &Path) -> Answer {
    std::fs::create_dir_all(out).map_err(|why| miette::miette!("{}: cannot be made: {why}", out.display()))?;
    secs.sort_by(f64::total_cmp);
    secs.dedup();
    let named: Vec<(String, u64)> = secs
        .into_iter()
        .map(|secs| (format!("{secs:07.2}s").replace('.', "_"), ((secs * f64::from(TICK_HZ)).round() as u64).max(1)))
        .collect();
    let moments: Vec<_> = named.iter().map(|(name, tick)| (name.as_str(), name.as_str(), Moment::Tick(*tick))).collect();
    eprintln!("replaying …");
    for (_, path) in theatre::take_pictures(config, &moments, out, PictureSize::default())?.pictures {
        print_line(&path.display().to_string())?;
    }
    Ok(Found::Well)
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
