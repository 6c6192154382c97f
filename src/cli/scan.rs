//! `halsted patient view`: the scan of a twin, or images with the seeds of a segmentation, in a window or as a picture.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use glam::DVec3;

use super::{Answer, Found, print_line, progress::Progress};
use crate::{
    patient::{TWIN_FILE, Twin, read_scan, segment::SeedSheet},
    theatre::{
        PictureSize,
        scan::{self, Images, Preset, ScanPicture, ScanView, Seeding, Shown, Window},
    },
};

#[derive(Args)]
pub struct View {
    /// The folder of a twin, or images as for `patient import`
    path: PathBuf,
    /// Which series of the images, counted from 0 as `patient info` lists them
    #[arg(long)]
    series: Option<usize>,
    /// Place seeds for `patient segment` on the images, in this file (RON); it is begun if it is not there
    #[arg(long, value_name = "RON")]
    seeds: Option<PathBuf>,
    /// What the seeds are for, beside what their file names already: liver,spleen
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "seeds")]
    organs: Vec<String>,
    /// Where the labels go that grow from the seeds: a file named .nii.gz
    #[arg(long, value_name = "FILE", requires = "seeds")]
    out: Option<PathBuf>,
    /// Draw one picture into this file instead of opening a window
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// How the volume is drawn: surface, organs, vessels, bone or none [default: organs; none where seeds are placed]
    #[arg(long, value_name = "NAME", value_parser = preset)]
    volume: Option<Volume>,
    /// Where the slices meet, LPS mm [default: the middle of the organ]
    #[arg(long, value_name = "X,Y,Z", value_parser = point, allow_hyphen_values = true)]
    at: Option<DVec3>,
    /// Centre and width of the window, HU
    #[arg(long, value_name = "CENTRE,WIDTH", default_value = "40,400", value_parser = window, allow_hyphen_values = true)]
    window: Window,
    /// Leave the outlines of the labels away
    #[arg(long)]
    no_labels: bool,
    /// Leave the outlines of the mesh away
    #[arg(long)]
    no_sections: bool,
    /// Leave the meshed organ away
    #[arg(long)]
    no_organ: bool,
}

/// A preset, or none.
#[derive(Debug, Clone, Copy)]
struct Volume(Option<Preset>);

fn preset(text: &str) -> Result<Volume, String> {
    let named = Preset::ALL.into_iter().find(|preset| preset.name() == text);
    match (named, text) {
        (Some(preset), _) => Ok(Volume(Some(preset))),
        (None, "none") => Ok(Volume(None)),
        _ => Err("there are: surface, organs, vessels, bone, none".to_owned()),
    }
}

fn numbers<const N: usize>(text: &str) -> Option<[f64; N]> {
    let parts: Option<Vec<f64>> =
        text.split(',').map(|part| part.trim().parse().ok().filter(|number: &f64| number.is_finite())).collect();
    parts?.try_into().ok()
}

fn point(text: &str) -> Result<DVec3, String> {
    numbers(text).map(DVec3::from_array).ok_or_else(|| "three numbers: -45,-232,-786".to_owned())
}

fn window(text: &str) -> Result<Window, String> {
    match numbers(text) {
        Some([centre, width]) if width >= 1.0 => Ok(Window { centre_hu: centre as f32, width_hu: width as f32 }),
        _ => Err("centre and width, at least 1 wide: 40,400".to_owned()),
    }
}

impl View {
    pub fn run(self) -> Answer {
        if let Some(out) = self.out.as_ref().filter(|out| !out.to_string_lossy().ends_with(".nii.gz")) {
            return Err(miette::miette!("{}: a label map is named .nii.gz", out.display()));
        }
        let is_twin = self.path.join(TWIN_FILE).exists();
        if is_twin && self.seeds.is_some() {
            let help = "give the images that it was made from";
            return Err(miette::miette!(help = help, "{} is a twin: its organ is already known", self.path.display()));
        }
        let sheet = self.seeds.as_ref().map(|path| SeedSheet::open(path, &self.organs)).transpose()?;
        let shown = if is_twin {
            Shown::Twin(Arc::new(Twin::read(&self.path)?))
        } else {
            let progress = Progress::new();
            let (info, volume, _) = read_scan(&self.path, self.series, &|stage, done, total| progress.at(stage, done, total))?;
            progress.end();
            Shown::Images(Images::new(info.modality, volume))
        };
        let view = ScanView {
            slices: true,
            volume: self.volume.map_or(self.seeds.is_none().then_some(Preset::Organs), |volume| volume.0),
            cursor_mm: self.at,
            window: self.window,
            labels: !self.no_labels,
            sections: !self.no_sections,
            ruler: None,
        };
        let seeding = sheet.map(|sheet| Seeding::new(sheet, self.out));
        match self.png {
            Some(path) => {
                let what = ScanPicture { view, organ: !self.no_organ, size: PictureSize::default() };
                scan::picture(shown, seeding, &what, &path)?;
                print_line(&path.display().to_string())?;
            }
            None => scan::view(shown, view, seeding)?,
        }
        Ok(Found::Well)
    }
}
