//! Headset and controllers.
pub fn play(config: crate::session::plugin::SessionConfig) -> Result<(), crate::theatre::TheatreError> { crate::theatre::play(config) }
