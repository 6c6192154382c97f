//! The fixed clock that everything on the simulation's side shares: one tick of 1/90 s, whatever the display does.
//!
//! It stands left of all nouns so that each can say in which phase of a tick its systems run; the session, at the right, only
//! strings the phases together.

pub mod plugin;
mod seed;

pub use seed::Chance;

/// Ticks a second.
pub const TICK_HZ: u32 = 90;

/// Length of a tick, s.
pub const TICK_SECS: f32 = 1.0 / TICK_HZ as f32;

/// Time at the end of tick `tick` (the first tick is 1), s.
pub fn secs_at(tick: u64) -> f64 {
    tick as f64 / TICK_HZ as f64
}
