//! Drawing without a window: an app whose camera draws into an image, when it is asked to.

use std::{
    path::Path,
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

use super::{PictureSize, TheatreError, gpu, scene};

/// Where the renderer leaves the picture.
type Shot = Arc<Mutex<Option<Image>>>;

/// Frames between asking for a picture and giving it up: meshes, pipelines and the copy back take a handful.
const PATIENCE: usize = 200;

/// An app with a camera instead of a window. Its clock stands still unless it is told otherwise.
pub(super) struct Darkroom {
    pub app: App,
    /// The camera, for screen text.
    pub camera: Entity,
    target: Handle<Image>,
    shot: Shot,
    is_warm: bool,
}

impl Darkroom {
    /// Sets up the engine with assets from `assets` and whatever `fill` adds.
    ///
    /// # Errors
    /// [`TheatreError::NoDriver`] where nothing can draw.
    pub fn open(size: PictureSize, assets: &str, fill: impl FnOnce(&mut App)) -> Result<Self, TheatreError> {
        let render_creation = gpu::renderer()?;
        let mut app = App::new();
        app.add_plugins(
            DefaultPlugins
                .set(WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() })
                .set(AssetPlugin { file_path: assets.to_owned(), ..default() })
                .set(RenderPlugin { render_creation, synchronous_pipeline_compilation: true, ..default() })
                .disable::<WinitPlugin>()
                .disable::<LogPlugin>()
                .disable::<PipelinedRenderingPlugin>(),
        );
        fill(&mut app);
        app.insert_resource(TimeUpdateStrategy::FixedTimesteps(0));
        let image = Image::new_target_texture(size.width, size.height, TextureFormat::Rgba8UnormSrgb, None);
        let target = app.world_mut().resource_mut::<Assets<Image>>().add(image);
        let smoothing = if size.smooth { Msaa::Sample4 } else { Msaa::Off };
        let camera = app.world_mut().spawn((scene::camera(), smoothing, RenderTarget::Image(target.clone().into()))).id();
        app.finish();
        app.cleanup();
        Ok(Self { app, camera, target, shot: Shot::default(), is_warm: false })
    }

    /// Lets the camera draw, or not: between pictures only the simulation runs.
    pub fn light(&mut self, on: bool) {
        let world = self.app.world_mut();
        for mut camera in world.query::<&mut Camera>().iter_mut(world) {
            camera.is_active = on;
        }
    }

    /// Draws once, with `update` for every frame that this takes.
    ///
    /// # Errors
    /// [`TheatreError::NoPicture`], and what `update` finds.
    pub fn shoot(
        &mut self,
        name: &str,
        mut update: impl FnMut(&mut App) -> Result<(), TheatreError>,
    ) -> Result<Image, TheatreError> {
        // what was spawned in the last update gets its meshes and transforms, and the first frame of all its pipelines
        self.light(!self.is_warm);
        update(&mut self.app)?;
        self.is_warm = true;
        self.light(true);
        let shot = self.shot.clone();
        self.app.world_mut().spawn(Screenshot::image(self.target.clone())).observe(move |captured: On<ScreenshotCaptured>| {
            if let Ok(mut slot) = shot.lock() {
                *slot = Some(captured.image.clone());
            }
        });
        for _ in 0..PATIENCE {
            update(&mut self.app)?;
            self.light(false);
            if let Some(image) = self.shot.lock().ok().and_then(|mut slot| slot.take()) {
                return Ok(image);
            }
        }
        Err(TheatreError::NoPicture { name: name.to_owned() })
    }
}

/// Writes a picture under a temporary name and moves it into place.
pub(super) fn write_png(image: &Image, path: &Path) -> Result<(), TheatreError> {
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
