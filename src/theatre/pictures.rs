//! Pictures of a session, taken without a window while it runs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bevy::{
    asset::AssetPlugin,
    camera::RenderTarget,
    log::LogPlugin,
    prelude::*,
    render::{
        RenderPlugin,
        pipelined_rendering::PipelinedRenderingPlugin,
        render_resource::TextureFormat,
        view::screenshot::{Screenshot, ScreenshotCaptured},
    },
    time::TimeUpdateStrategy,
    window::ExitCondition,
    winit::WinitPlugin,
};

use super::{TheatreError, TheatrePlugin, gpu, scene};
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
    app: App,
    target: Handle<Image>,
    shot: Shot,
    is_warm: bool,
    trace: Option<Trace>,
}

/// Where the renderer leaves the picture.
type Shot = Arc<Mutex<Option<Image>>>;

/// Ticks in one update between pictures.
const TICKS_AN_UPDATE: u64 = 450;

/// Frames between asking for a picture and giving it up: meshes, pipelines and the copy back take a handful.
const PATIENCE: usize = 200;

impl Studio {
    fn open(config: SessionConfig, size: PictureSize) -> Result<Self, TheatreError> {
        let render_creation = gpu::renderer()?;
        let mut app = App::new();
        app.add_plugins(
            DefaultPlugins
                .set(WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() })
                .set(AssetPlugin { file_path: case_folder(&config.case), ..default() })
                .set(RenderPlugin { render_creation, synchronous_pipeline_compilation: true, ..default() })
                .disable::<WinitPlugin>()
                .disable::<LogPlugin>()
                .disable::<PipelinedRenderingPlugin>(),
        )
        .add_plugins((SimulationPlugins, TheatrePlugin))
        .insert_resource(config)
        .insert_resource(TimeUpdateStrategy::FixedTimesteps(0));
        let image = Image::new_target_texture(size.width, size.height, TextureFormat::Rgba8UnormSrgb, None);
        let target = app.world_mut().resource_mut::<Assets<Image>>().add(image);
        let smoothing = if size.smooth { Msaa::Sample4 } else { Msaa::Off };
        app.world_mut().spawn((scene::camera(), smoothing, RenderTarget::Image(target.clone().into())));
        app.finish();
        app.cleanup();
        let mut studio = Self { app, target, shot: Shot::default(), is_warm: false, trace: None };
        studio.light(false);
        // an update may hold as many ticks as it is asked for
        studio.app.world_mut().resource_mut::<Time<Virtual>>().set_max_delta(Duration::MAX);
        while *studio.app.world().resource::<SessionState>() == SessionState::Waiting {
            studio.update()?;
        }
        Ok(studio)
    }

    /// Lets the camera draw, or not: between pictures only the simulation runs.
    fn light(&mut self, on: bool) {
        let world = self.app.world_mut();
        for mut camera in world.query::<&mut Camera>().iter_mut(world) {
            camera.is_active = on;
        }
    }

    fn update(&mut self) -> Result<(), TheatreError> {
        self.app.update();
        match self.app.world_mut().resource_mut::<Outcome>().0.take() {
            Some(Err(fault)) => Err(fault.into()),
            Some(Ok(trace)) => {
                self.trace = Some(trace);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Runs until a moment or the session's end, some ticks an update: a frame that draws nothing costs something too.
    fn run_to(&mut self, moment: Moment) -> Result<(), TheatreError> {
        while *self.app.world().resource::<SessionState>() == SessionState::Running {
            let world = self.app.world();
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
            self.app.insert_resource(TimeUpdateStrategy::FixedTimesteps(ticks as u32));
            self.update()?;
        }
        self.app.insert_resource(TimeUpdateStrategy::FixedTimesteps(0));
        Ok(())
    }

    fn shoot(&mut self, name: &str) -> Result<Image, TheatreError> {
        // what was spawned in the last update gets its meshes and transforms, and the first frame of all its pipelines
        self.light(!self.is_warm);
        self.update()?;
        self.is_warm = true;
        self.light(true);
        let shot = self.shot.clone();
        self.app.world_mut().spawn(Screenshot::image(self.target.clone())).observe(move |captured: On<ScreenshotCaptured>| {
            if let Ok(mut slot) = shot.lock() {
                *slot = Some(captured.image.clone());
            }
        });
        for _ in 0..PATIENCE {
            self.update()?;
            self.light(false);
            if let Some(image) = self.shot.lock().ok().and_then(|mut slot| slot.take()) {
                return Ok(image);
            }
        }
        Err(TheatreError::NoPicture { name: name.to_owned() })
    }
}

/// Writes a picture under a temporary name and moves it into place.
fn write_png(image: &Image, path: &Path) -> Result<(), TheatreError> {
    let fail = |why: String| TheatreError::Unwritable { path: path.to_owned(), why };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|why| fail(why.to_string()))?;
    let picture = image.clone().try_into_dynamic().map_err(|why| fail(why.to_string()))?.to_rgb8();
    let mut file =
        tempfile::Builder::new().prefix(".picture").suffix(".png").tempfile_in(folder).map_err(|why| fail(why.to_string()))?;
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, bevy::image::ImageFormat::Png.as_image_crate_format().ok_or_else(|| fail("no PNG".to_owned()))?)
        .map_err(|why| fail(why.to_string()))?;
    std::io::Write::write_all(&mut file, bytes.get_ref()).map_err(|why| fail(why.to_string()))?;
    // a temporary file is readable by its owner alone
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(|why| fail(why.to_string()))?;
    }
    file.persist(path).map_err(|why| fail(why.error.to_string()))?;
    Ok(())
}
