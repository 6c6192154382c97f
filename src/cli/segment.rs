//! `halsted patient segment`: organs or tissues of a scan as a NIfTI label map.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Answer, Found, print_json, print_line, progress::Progress};
use crate::{
    geom::Volume,
    patient::{
        SeriesInfo, read_scan,
        segment::{self, Levels, Seeds, Tissue, organs, tissues, write_label_map},
    },
};

#[derive(Args)]
pub struct Segment {
    /// The images: as for `patient import`
    scan: PathBuf,
    /// Organs from seeds (RON): places in millimetres, each with the name of what lies there
    #[arg(long, value_name = "RON", required_unless_present = "tissue")]
    seeds: Option<PathBuf>,
    /// Tissues of a CT by their values: bone, lung, gas, air (both), fat, soft, vessels (with contrast medium), or all
    #[arg(long, value_name = "TISSUE,…", value_parser = tissue, value_delimiter = ',', conflicts_with = "seeds")]
    tissue: Vec<Tissues>,
    /// Where the label map goes: a file named .nii.gz
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which series, counted from 0 as `patient info` lists them
    #[arg(long)]
    series: Option<usize>,
    #[arg(long)]
    json: bool,
}

/// The tissues that one word names.
#[derive(Clone)]
struct Tissues(Vec<Tissue>);

fn tissue(word: &str) -> Result<Tissues, String> {
    let known = || format!("no tissue; there are {}, air and all", Tissue::ALL.map(Tissue::name).join(", "));
    Tissue::named(word.trim()).map(Tissues).ok_or_else(known)
}

#[derive(Serialize)]
struct Report {
    segments: Vec<segment::Segment>,
    /// Between which values each tissue was taken, HU.
    #[serde(skip_serializing_if = "Option::is_none")]
    levels_hu: Option<Levels>,
}

impl Segment {
    pub fn run(self) -> Answer {
        if !self.out.to_string_lossy().ends_with(".nii.gz") {
            return Err(miette::miette!("{}: a label map is named .nii.gz", self.out.display()));
        }
        // a fault of the seeds comes before minutes of reading
        let seeds = self.seeds.as_deref().map(Seeds::read).transpose()?;
        let progress = Progress::new();
        let hear = |stage: &str, done, total| progress.at(stage, done, total);
        let (info, volume, _) = read_scan(&self.scan, self.series, &hear)?;
        let found = match &seeds {
            Some(seeds) => organs(&volume, seeds, &hear)
                .map(|(labels, segments)| (labels, Report { segments, levels_hu: None }))
                .map_err(miette::Report::from),
            None => self.tissues(&info, &volume, &hear),
        };
        progress.end();
        let (labels, report) = found?;
        write_label_map(&labels, &report.segments, &self.out)
            .map_err(|why| miette::miette!("{}: cannot be written: {why}", self.out.display()))?;
        if self.json {
            print_json(&report)?;
        } else {
            report.segments.iter().try_for_each(|segment| print_line(&segment.to_string()))?;
            report.levels_hu.iter().try_for_each(|levels| print_line(&limits(levels)))?;
        }
        Ok(Found::Well)
    }

    /// The tissues asked for, and nothing else in the map.
    fn tissues(
        &self,
        info: &SeriesInfo,
        volume: &Volume<f32>,
        hear: &dyn Fn(&str, usize, usize),
    ) -> miette::Result<(Volume<u8>, Report)> {
        let (mut labels, mut segments, levels) = tissues(volume, &info.modality, hear)?;
        let wanted = |label: u8| self.tissue.iter().flat_map(|word| &word.0).any(|tissue| *tissue as u8 == label);
        labels.voxels.iter_mut().filter(|label| !wanted(**label)).for_each(|label| *label = 0);
        segments.retain(|segment| wanted(segment.label));
        Ok((labels, Report { segments, levels_hu: Some(levels) }))
    }
}

/// The limits in one line.
fn limits(levels: &Levels) -> String {
    let fat = levels.fat_peak.map_or(String::new(), |peak| format!(" (most of it at {peak:.0})"));
    let vessels = levels.blood.map_or("no vessel stands out".to_owned(), |blood| {
        format!("vessels from {:.0} (blood at {blood:.0})", levels.vessel_begins)
    });
    format!(
        "limits, HU: air up to {:.0}, fat up to {:.0}{fat}, soft tissue at {:.0} ± {:.0}, {vessels}, bone from {:.0}",
        levels.air_ends, levels.fat_ends, levels.soft_peak, levels.soft_sd, levels.bone_begins
    )
}
