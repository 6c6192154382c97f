//! Headset and controllers.
