//! Pictures of a session, taken without a window while it runs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bevy::{prelude::*, time::TimeUpdateStrategy};

use super::{
    TheatreError, TheatrePlugin,
    darkroom::{Darkroom, write_png},
};
use crate::{
    clock::plugin::{SessionState, Tick},
    session::{
        Event, Trace,
        plugin::{Outcome, Recorder, SessionConfig, SimulationPlugins, case_folder},
    },
};

/// Size of pictures in pixels, and whether edges are smoothed (four samples a pixel).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    pub width: u32,
    pub height: u32,
    pub smooth: bool,
}

impl Default for PictureSize {
    fn default() -> Self {
        Self { width: 1280, height: 720, smooth: true }
    }
}

/// Runs a session without a window and takes a picture at each of `moments` (name, caption, when). Writes `name.png` into `out`, first
/// under another name, so that no half picture is ever there. A moment after the session's end shows its end.
///
/// # Errors
/// [`TheatreError::NoDriver`] where nothing can draw; what stops the session; a file that cannot be written.
pub fn take_pictures(
    config: SessionConfig,
    moments: &[(&str, &str, Moment)],
    out: &Path,
    size: PictureSize,
) -> Result<Filmed, TheatreError> {
    let mut studio = Studio::open(config, size)?;
    let mut pictures = Vec::new();
    for &(name, caption, moment) in moments {
        studio.run_to(moment)?;
        let path = out.join(name).with_extension("png");
        write_png(&studio.shoot(name)?, &path)?;
        pictures.push((caption.to_owned(), path));
    }
    Ok(Filmed { trace: studio.trace, pictures })
}

/// When a picture is taken; moments are waited for in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At the end of this tick.
    Tick(u64),
    /// After so many cuts.
    Cuts(usize),
    /// When the session has ended.
    End,
}

/// A session that was run with a camera.
#[derive(Debug)]
pub struct Filmed {
    /// The trace, if the session ended before the last picture.
    pub trace: Option<Trace>,
    /// Captions and files.
    pub pictures: Vec<(String, PathBuf)>,
}

/// A theatre with a camera instead of a window.
struct Studio {
    room: Darkroom,
    trace: Option<Trace>,
}

/// Ticks in one update between pictures.
const TICKS_AN_UPDATE: u64 = 450;

/// One update of a session's app; the trace is kept when the session ends.
fn update(app: &mut App, trace: &mut Option<Trace>) -> Result<(), TheatreError> {
    app.update();
    match app.world_mut().resource_mut::<Outcome>().0.take() {
        Some(Err(fault)) => Err(fault.into()),
        Some(Ok(ended)) => {
            *trace = Some(ended);
            Ok(())
        }
        None => Ok(()),
    }
}

impl Studio {
    fn open(config: SessionConfig, size: PictureSize) -> Result<Self, TheatreError> {
        let mut room = Darkroom::open(size, &case_folder(&config.case), |app| {
            app.add_plugins((SimulationPlugins, TheatrePlugin)).insert_resource(config);
        })?;
        room.light(false);
        let mut studio = Self { room, trace: None };
        // an update may hold as many ticks as it is asked for
        studio.room.app.world_mut().resource_mut::<Time<Virtual>>().set_max_delta(Duration::MAX);
        while *studio.room.app.world().resource::<SessionState>() == SessionState::Waiting {
            studio.update()?;
        }
        Ok(studio)
    }

    fn update(&mut self) -> Result<(), TheatreError> {
        update(&mut self.room.app, &mut self.trace)
    }

    /// Runs until a moment or the session's end, some ticks an update: a frame that draws nothing costs something too.
    fn run_to(&mut self, moment: Moment) -> Result<(), TheatreError> {
        while *self.room.app.world().resource::<SessionState>() == SessionState::Running {
            let world = self.room.app.world();
            let now = world.resource::<Tick>().0;
            let cuts =
                || world.resource::<Recorder>().trace.events().filter(|(_, event)| matches!(event, Event::Cut { .. })).count();
            let ticks = match moment {
                Moment::Tick(tick) => tick.saturating_sub(now).min(TICKS_AN_UPDATE),
                Moment::Cuts(enough) if cuts() >= enough => 0,
                Moment::Cuts(_) | Moment::End => TICKS_AN_UPDATE,
            };
            if ticks == 0 {
                break;
            }
            self.room.app.insert_resource(TimeUpdateStrategy::FixedTimesteps(ticks as u32));
            self.update()?;
        }
        self.room.app.insert_resource(TimeUpdateStrategy::FixedTimesteps(0));
        Ok(())
    }

    fn shoot(&mut self, name: &str) -> Result<Image, TheatreError> {
        let Self { room, trace } = self;
        room.shoot(name, |app| update(app, trace))
    }
}
