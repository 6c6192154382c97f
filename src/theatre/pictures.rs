//! Pictures of a session, taken without a window while it is replayed.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
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
    session::plugin::{Outcome, SessionConfig, SimulationPlugins, case_folder},
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

/// Runs a session without a window and takes a picture at each of `moments` (name, caption, tick), in the order of their ticks. Writes
/// `name.png` into `out`, first under another name, so that no half picture is ever there. A moment after the session's end shows its
/// end.
///
/// # Errors
/// [`TheatreError::NoDriver`] where nothing can draw; what stops the session; a file that cannot be written.
pub fn take_pictures(
    config: SessionConfig,
    moments: &[(&str, &str, u64)],
    out: &Path,
) -> Result<Vec<(String, PathBuf)>, TheatreError> {
    take_pictures_of_size(config, moments, out, PictureSize::default())
}

/// [`take_pictures`] in another size.
///
/// # Errors
/// As [`take_pictures`].
pub fn take_pictures_of_size(
    config: SessionConfig,
    moments: &[(&str, &str, u64)],
    out: &Path,
    size: PictureSize,
) -> Result<Vec<(String, PathBuf)>, TheatreError> {
    let mut studio = Studio::open(config, size)?;
    let mut order: Vec<usize> = (0..moments.len()).collect();
    order.sort_by_key(|&moment| moments[moment].2);
    let mut pictures = vec![(String::new(), PathBuf::new()); moments.len()];
    for moment in order {
        let (name, caption, tick) = moments[moment];
        studio.run_to(tick)?;
        let path = out.join(name).with_extension("png");
        write_png(&studio.shoot(name)?, &path)?;
        pictures[moment] = (caption.to_owned(), path);
    }
    Ok(pictures)
}

/// A theatre with a camera instead of a window.
struct Studio {
    app: App,
    target: Handle<Image>,
    shot: Shot,
}

/// Where the renderer leaves the picture.
type Shot = Arc<Mutex<Option<Image>>>;

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
        let mut studio = Self { app, target, shot: Shot::default() };
        studio.light(false);
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
            _ => Ok(()),
        }
    }

    /// One tick an update, as in every headless session, until `tick` or the session's end.
    fn run_to(&mut self, tick: u64) -> Result<(), TheatreError> {
        self.app.insert_resource(TimeUpdateStrategy::FixedTimesteps(1));
        while self.app.world().resource::<Tick>().0 < tick
            && *self.app.world().resource::<SessionState>() == SessionState::Running
        {
            self.update()?;
        }
        self.app.insert_resource(TimeUpdateStrategy::FixedTimesteps(0));
        Ok(())
    }

    fn shoot(&mut self, name: &str) -> Result<Image, TheatreError> {
        self.light(true);
        // what was spawned in the last update gets its meshes and transforms
        self.update()?;
        self.update()?;
        let shot = self.shot.clone();
        self.app.world_mut().spawn(Screenshot::image(self.target.clone())).observe(move |captured: On<ScreenshotCaptured>| {
            if let Ok(mut slot) = shot.lock() {
                *slot = Some(captured.image.clone());
            }
        });
        for _ in 0..PATIENCE {
            self.update()?;
            if let Some(image) = self.shot.lock().ok().and_then(|mut slot| slot.take()) {
                self.light(false);
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
