//! `halsted patient segment`: organs of a scan as a NIfTI label map.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Answer, Found, print_json, print_line, progress::Progress};
use crate::patient::{
    read_scan,
    segment::{self, Seeds, organs, write_label_map},
};

#[derive(Args)]
pub struct Segment {
    /// The images: as for `patient import`
    scan: PathBuf,
    /// Seeds (RON): places in millimetres, each with the name of what lies there
    #[arg(long, value_name = "RON")]
    seeds: PathBuf,
    /// Where the label map goes: a file named .nii.gz
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which series, counted from 0 as `patient info` lists them
    #[arg(long)]
    series: Option<usize>,
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    segments: Vec<segment::Segment>,
}

impl Segment {
    pub fn run(self) -> Answer {
        if !self.out.to_string_lossy().ends_with(".nii.gz") {
            return Err(miette::miette!("{}: a label map is named .nii.gz", self.out.display()));
        }
        // a fault of the seeds comes before minutes of reading
        let seeds = Seeds::read(&self.seeds)?;
        let progress = Progress::new();
        let hear = |stage: &str, done, total| progress.at(stage, done, total);
        let (_, volume, _) = read_scan(&self.scan, self.series, &hear)?;
        let found = organs(&volume, &seeds, &hear);
        progress.end();
        let (labels, segments) = found?;
        write_label_map(&labels, &self.out).map_err(|why| miette::miette!("{}: cannot be written: {why}", self.out.display()))?;
        if self.json {
            print_json(&Report { segments })?;
        } else {
            segments.iter().try_for_each(|segment| print_line(&segment.to_string()))?;
        }
        Ok(Found::Well)
    }
}
