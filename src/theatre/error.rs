//! Why nothing can be seen.

use std::path::PathBuf;

use crate::session::SessionError;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum TheatreError {
    #[error("there is no graphics driver to draw with")]
    #[diagnostic(help(
        "on Debian or Ubuntu, `apt-get install libvulkan1 mesa-vulkan-drivers` brings one for most graphics cards and one that needs none"
    ))]
    NoDriver,
    #[error("no window can be opened: {why}")]
    #[diagnostic(help(
        "start it in a graphical session, or under `xvfb-run`; on X11 it needs libx11-6 libxcursor1 libxi6 libxrandr2 libxkbcommon-x11-0"
    ))]
    NoWindow { why: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Session(#[from] SessionError),
    #[error("{}: the picture cannot be written: {why}", path.display())]
    Unwritable { path: PathBuf, why: String },
    #[error("the graphics driver returned no picture of `{name}`")]
    NoPicture { name: String },
}
