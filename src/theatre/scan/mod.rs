//! The scan that the patient was made from, or will be, in the theatre: three linked slices and the volume in its place.
//!
//! Slices are shown as radiologists hang them (the patient's right at the left, seen from the feet). While a session runs their common
//! point follows the tip of the tool in the operator's hand; while it is paused the pointer moves it, measures and sets the window.
//! The volume is marched through by rays where the patient lies (Levoy, “Display of surfaces from volume data”, IEEE CG&A 1988): the
//! organ as it is now and the tools stand in it.

mod control;
mod geometry;
mod outlines;
mod seeding;
mod shown;
mod slices;
mod texture;
mod viewer;
mod volume;

pub use geometry::{ScanGeometry, Window};
pub use seeding::Seeding;
pub use shown::{Images, Shown};
pub use viewer::{Pictured, ScanPicture, picture, view};
pub use volume::Preset;

use bevy::{math::DVec3, prelude::*};

/// What is shown of the scan, and where.
#[derive(Resource, Debug, Clone)]
pub struct ScanView {
    pub slices: bool,
    /// How the volume is drawn; nothing where it is not.
    pub volume: Option<Preset>,
    /// The point that the three slices share, LPS, mm; the middle of the organ until somebody chooses one.
    pub cursor_mm: Option<DVec3>,
    pub window: Window,
    pub labels: bool,
    /// Whether the lines are drawn in which the slices cut the meshed organs.
    pub sections: bool,
    /// Ends of the measured line, LPS, mm.
    pub ruler: Option<(DVec3, Option<DVec3>)>,
}

impl Default for ScanView {
    fn default() -> Self {
        Self { slices: false, volume: None, cursor_mm: None, window: Window::ABDOMEN, labels: true, sections: true, ruler: None }
    }
}

impl ScanView {
    /// The measured distance, mm.
    pub fn distance_mm(&self) -> Option<f64> {
        self.ruler.and_then(|(from, to)| to.map(|to| from.distance(to)))
    }
}

/// Shows the scan of whatever twin is in the theatre, or what is [`Shown`] without one.
pub(super) fn plugin(app: &mut App) {
    app.init_resource::<ScanView>().add_plugins((
        texture::plugin,
        outlines::plugin,
        slices::plugin,
        volume::plugin,
        seeding::plugin,
    ));
}

/// Keys and pointer; without it the view is what its resource says.
pub(super) fn control_plugin(app: &mut App) {
    app.add_plugins((control::plugin, seeding::control_plugin));
}

pub(super) use slices::{PanelLayout, spawn_panels};
