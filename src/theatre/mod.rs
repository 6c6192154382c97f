//! What is seen: room, organs, tools, screens.

use std::path::{Path, PathBuf};

use crate::session::{SessionError, plugin::SessionConfig};

pub fn take_pictures(_: SessionConfig, _: &[(&str, &str, u64)], _: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    Err("not yet".into())
}

pub fn play(_: SessionConfig, _: bool) -> Result<(), SessionError> {
    Ok(())
}
