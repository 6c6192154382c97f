//! `halsted demo`: the main job, whole.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;

use super::{
    Answer, Found, assets, print_line,
    progress::Progress,
    run::{score_of, simulate, summary, trace_path},
};
use crate::{
    assessment::write_assessment,
    patient::{RECIPE_FILE, Recipe, import, read_recipe},
    scenario,
    session::{
        Trace,
        plugin::{SessionConfig, Source},
    },
    theatre::{self, Filmed, Moment, PictureSize},
    tracking::Skill,
};

#[derive(Args)]
pub struct Demo {
    /// Where everything goes
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// The case: its patient is made anew from the bundled scan that it names
    #[arg(long, default_value = "wedge_excision")]
    case: PathBuf,
}

impl Demo {
    pub fn run(self) -> Answer {
        let start = Instant::now();
        let assets = assets::assets()?;
        let case = assets::case(&self.case)?;
        let Recipe { scan, options } = recipe_of(&case, &assets.join("scans"))?;
        let out = &self.out;

        // the twin is made anew from the images: out/patients is an assets folder of its own
        let progress = Progress::new();
        let imported = import(&scan, &options, &|stage, done, total| progress.at(stage, done, total));
        progress.end();
        let (twin, report) = imported?;
        let folder = out.join("patients").join(&options.name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|why| miette::miette!("{}: cannot be replaced: {why}", folder.display()))?;
        }
        super::patient::write_twin(&twin, &report, &folder)?;
        print_line(&super::patient::summary(&report))?;
        let imported_in = start.elapsed();

        let path = trace_path(out, &case);
        let config =
            SessionConfig { case, assets: out.clone(), seed: 1, source: Source::Bot(Skill::EXPERT), trace: Some(path.clone()) };
        let (trace, pictures) = operate(config, out)?;
        let operated_in = start.elapsed() - imported_in;
        let (rubric, score) = score_of(&trace, Some(&path))?;
        write_assessment(out, &trace, &score, &rubric, &pictures)?;
        print_line(&summary(&score))?;
        print_line(&format!(
            "{}: report.html, assessment.json, metrics.csv, events.csv, kinematics.csv, the trace{}",
            out.display(),
            if pictures.is_empty() { "" } else { ", before.png, during.png, after.png" }
        ))?;
        eprintln!(
            "import {:.1} s, operation {:.1} s ({:.1} times real time), whole {:.1} s",
            imported_in.as_secs_f64(),
            operated_in.as_secs_f64(),
            trace.duration_secs() / operated_in.as_secs_f64(),
            start.elapsed().as_secs_f64()
        );
        Ok(Found::Well)
    }
}

/// Operates with a camera where something can draw, and without one where nothing can: the trace is the same.
fn operate(config: SessionConfig, out: &Path) -> miette::Result<(Trace, Vec<(String, PathBuf)>)> {
    let moments = [
        ("before", "Before the operation", Moment::Tick(1)),
        ("during", "During the excision", Moment::Cuts(40)),
        ("after", "After the specimen was lifted out", Moment::End),
    ];
    eprintln!("operating …");
    match theatre::take_pictures(config.clone(), &moments, out, PictureSize::default()) {
        Ok(Filmed { trace: Some(trace), pictures }) => return Ok((trace, pictures)),
        Ok(Filmed { trace: None, .. }) => {}
        Err(why) => {
            eprintln!("no pictures: {why}");
            if let Some(help) = miette::Diagnostic::help(&why) {
                eprintln!("  help: {help}");
            }
        }
    }
    Ok((simulate(config, None, "operating without pictures")?, Vec::new()))
}

/// How the patient of a case is made: the recipe, beside a bundled scan, that bears the name of the case's twin.
fn recipe_of(case: &Path, scans: &Path) -> miette::Result<Recipe> {
    let text = std::fs::read_to_string(case).map_err(|why| miette::miette!("{}: cannot be read: {why}", case.display()))?;
    let scenario = scenario::parse(&text, &case.display().to_string()).map_err(|faults| miette::miette!("{faults}"))?;
    let Some(patient) = scenario.patient else {
        return Err(miette::miette!(
            help = "choose a case with a patient, such as wedge_excision",
            "{}: no patient",
            case.display()
        ));
    };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(scans)
        .map_err(|why| miette::miette!("{}: cannot be read: {why}", scans.display()))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    for folder in folders {
        if let Some(recipe) = read_recipe(&folder)?.filter(|recipe| recipe.options.name == patient.twin) {
            return Ok(recipe);
        }
    }
    Err(miette::miette!(
        help = "`halsted run` operates on twins that are there already",
        "no scan in {} has an {RECIPE_FILE} that makes the twin `{}`",
        scans.display(),
        patient.twin
    ))
}
