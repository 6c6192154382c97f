//! What is seen: the draped table, the organ, tools and board, the screen's read-outs, and pictures without a window.
//!
//! Everything here reads the simulation and draws it with entities of its own; nothing here writes to it, but for the hands that
//! mouse and keyboard move ([`crate::tracking::plugin::LiveHands`]). Between ticks, what moves is interpolated.

mod attachments;
mod board;
#[cfg(test)]
mod by_hand;
mod darkroom;
mod error;
mod follow;
mod gpu;
mod hud;
mod marker;
mod mouse;
mod organ;
mod pictures;
mod play;
pub mod scan;
mod scene;
mod shape;
mod tools;

pub use error::TheatreError;
pub use hud::{HudTarget, spawn_hud_camera};
pub use mouse::DeskSystems;
pub use pictures::{Filmed, Moment, PictureSize, take_pictures};
pub use play::{desk_plugins, desk_window, play, run, theatre_app};
pub use scene::{EyeLook, TheatreCamera, field_centre};

use bevy::prelude::*;

/// Draws whatever session runs: scenery, light, organ, tools and board. Needs a renderer, but no window.
pub struct TheatrePlugin;

impl Plugin for TheatrePlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins((follow::plugin, scene::plugin, organ::plugin, attachments::plugin, tools::plugin, board::plugin));
    }
}
