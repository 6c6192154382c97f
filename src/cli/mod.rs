//! The command line: one file a subcommand. Answers go to stdout, everything else to stderr; exit 0 done, 1 checked and found wanting,
//! 2 could not run.

mod assets;
mod check;
mod conform;
mod demo;
mod fit;
mod metrics;
mod pacs;
mod patient;
mod play;
mod progress;
mod replay;
mod run;
mod scan;
mod score;
mod segment;
mod tissue;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// What a command found.
pub(crate) enum Found {
    /// Done, or all well: exit 0.
    Well,
    /// Checked and found wanting: exit 1.
    Wanting,
}

pub(crate) type Answer = miette::Result<Found>;

/// An open surgical simulator. A research and education tool, not a medical device.
#[derive(Parser)]
#[command(name = "halsted", version, about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// The main job, whole: a real CT becomes a patient, the built-in bot operates, the attempt is scored and reported
    Demo(demo::Demo),
    /// Open the theatre, on the desktop or in a headset
    Play(play::Play),
    /// Run one session without a window, as fast as it goes
    Run(run::Run),
    /// Check cases, rubrics and twins: every fault, with its place
    Check {
        /// Files, or folders that hold them
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Image series and patient twins
    #[command(subcommand)]
    Patient(patient::Patient),
    /// Soft tissue alone
    #[command(subcommand)]
    Tissue(TissueCommand),
    /// Motion metrics of a kinematics file (t_s,x_m,y_m,z_m[,qx,qy,qz,qw])
    Metrics {
        file: PathBuf,
        #[arg(long)]
        json: bool,
        /// Resample to 100 Hz and low-pass at 10 Hz first
        #[arg(long)]
        filter: bool,
    },
    /// Score a trace again
    Score(score::Score),
    /// Run a trace again
    Replay(replay::Replay),
}

#[derive(Subcommand)]
enum TissueCommand {
    /// A material experiment on a mesh: the solver alone, with timings
    Simulate {
        case: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// The conformance sheet: experiments with known answers, measured on this build; exit 1 when one is off
    Conform(conform::Conform),
}

/// Runs the program and gives its exit code.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let answer = match arguments.command {
        None => play::Play::default().run(),
        Some(Command::Demo(demo)) => demo.run(),
        Some(Command::Play(play)) => play.run(),
        Some(Command::Run(run)) => run.run(),
        Some(Command::Check { paths, json }) => check::check(&paths, json),
        Some(Command::Patient(patient)) => patient.run(),
        Some(Command::Tissue(TissueCommand::Simulate { case, json })) => tissue_simulate(&case, json),
        Some(Command::Tissue(TissueCommand::Conform(conform))) => conform.run(),
        Some(Command::Metrics { file, json, filter }) => metrics::metrics(&file, json, filter),
        Some(Command::Score(score)) => score.run(),
        Some(Command::Replay(replay)) => replay.run(),
    };
    match answer {
        Ok(Found::Well) => ExitCode::SUCCESS,
        Ok(Found::Wanting) => ExitCode::from(1),
        Err(report) => {
            eprintln!("{report:?}");
            ExitCode::from(2)
        }
    }
}

fn tissue_simulate(case: &std::path::Path, json: bool) -> Answer {
    let answer = tissue::simulate(case)?;
    if json {
        print_json(&answer)?;
    } else {
        let times: Vec<f64> = answer["frame_ms"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_f64).collect();
        let mut sorted = times.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let tip = answer["tip"].as_array().and_then(|tips| tips.last()).cloned().unwrap_or_default();
        println!("{} tetrahedra, {} frames, median {median:.3} ms a frame, last tip {tip}", answer["tets"], times.len());
    }
    Ok(Found::Well)
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &std::path::Path, text: &str) -> miette::Result<()> {
    crate::patient::write_whole(path, text).map_err(|why| miette::miette!("{}: cannot be written: {why}", path.display()))
}

/// Prints one JSON document and nothing else.
pub(crate) fn print_json(value: &impl serde::Serialize) -> miette::Result<()> {
    let text =
        serde_json::to_string_pretty(value).map_err(|why| miette::miette!("the answer cannot be written as JSON: {why}"))?;
    print_line(&text)
}

/// Prints to stdout; a reader that has gone away is not an error.
pub(crate) fn print_line(text: &str) -> miette::Result<()> {
    use std::io::Write;
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(miette::miette!("the answer cannot be written: {why}")),
        _ => Ok(()),
    }
}
