//! `halsted patient view`: the scan of a twin, in a window or as a picture.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use glam::DVec3;

use super::{Answer, Found, print_line};
use crate::{
    patient::Twin,
    theatre::{
        PictureSize,
        scan::{self, Preset, ScanPicture, ScanView, Window},
    },
};

#[derive(Args)]
pub struct View {
    /// The folder of a twin
    twin: PathBuf,
    /// Draw one picture into this file instead of opening a window
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// How the volume is drawn: surface, organs, vessels, bone or none
    #[arg(long, value_name = "NAME", default_value = "organs", value_parser = preset)]
    volume: Volume,
    /// Where the slices meet, LPS mm [default: the middle of the organ]
    #[arg(long, value_name = "X,Y,Z", value_parser = point, allow_hyphen_values = true)]
    at: Option<DVec3>,
    /// Centre and width of the window, HU
    #[arg(long, value_name = "CENTRE,WIDTH", default_value = "40,400", value_parser = window, allow_hyphen_values = true)]
    window: Window,
    /// Leave the outlines of the labels away
    #[arg(long)]
    no_labels: bool,
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
        let twin = Twin::read(&self.twin)?;
        let view = ScanView {
            slices: true,
            volume: self.volume.0,
            cursor_mm: self.at,
            window: self.window,
            labels: !self.no_labels,
            ruler: None,
        };
        match self.png {
            Some(path) => {
                scan::picture(Arc::new(twin), &ScanPicture { view, organ: !self.no_organ, size: PictureSize::default() }, &path)?;
                print_line(&path.display().to_string())?;
            }
            None => scan::view(Arc::new(twin), view)?,
        }
        Ok(Found::Well)
    }
}
