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
    patient::{ImportOptions, import},
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
}

impl Demo {
    pub fn run(self) -> Answer {
        let start = Instant::now();
        let assets = assets::assets()?;
        let scan = assets.join("scans").join("ct-liver-contrast");
        let out = &self.out;

        // the twin is made anew from the images: out/patients is an assets folder of its own
        let options = bundled_liver(&scan);
        let progress = Progress::new();
        let imported = import(&scan, &options, &|stage, done, total| progress.at(stage, done, total));
        progress.end();
        let (twin, report) = imported?;
        let folder = out.join("patients").join(&options.name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|why| miette::miette!("{}: cannot be replaced: {why}", folder.display()))?;
        }
        twin.write(&folder)?;
        super::patient::write_report(&twin, &report, &folder)?;
        print_line(&super::patient::summary(&report))?;
        let imported_in = start.elapsed();

        let case = assets::case(Path::new("wedge_excision"))?;
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

/// How the bundled scan becomes the bundled twin.
fn bundled_liver(scan: &Path) -> ImportOptions {
    ImportOptions {
        name: "liver-contrast".to_owned(),
        labels: Some(scan.join("labels.nii.gz")),
        label: 5,
        organ: "liver".to_owned(),
        record: Some(scan.join("record.ron")),
        attribution: Some(
            "Wasserthal et al., TotalSegmentator (github.com/wasserth/TotalSegmentator), Apache-2.0; Radiology: Artificial Intelligence 2023, doi:10.1148/ryai.230024"
                .to_owned(),
        ),
        ..ImportOptions::default()
    }
}
