//! Finding a graphics driver without a panic when there is none.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Mutex,
};

use bevy::{
    render::{
        renderer::initialize_renderer,
        settings::{RenderCreation, WgpuSettings},
    },
    tasks::block_on,
};

use super::TheatreError;

/// Runs `attempt`; a panic in it becomes its message and is not printed. For libraries that panic where the machine lacks something.
///
/// The panic hook is the process's: call this only while nothing else may panic, such as at the start.
pub(super) fn quietly<T>(attempt: impl FnOnce() -> T) -> Result<T, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let outcome = catch_unwind(AssertUnwindSafe(attempt));
    set_hook(hook);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    })
}

/// A renderer that draws without a window.
///
/// # Errors
/// [`TheatreError::NoDriver`] when no driver offers an adapter.
pub(super) fn renderer() -> Result<RenderCreation, TheatreError> {
    let settings = WgpuSettings::default();
    let backends = settings.backends.ok_or(TheatreError::NoDriver)?;
    // the engine panics where it finds no adapter
    let found = quietly(|| block_on(initialize_renderer(backends, None, &settings)));
    found.map(RenderCreation::Manual).map_err(|_| TheatreError::NoDriver)
}
