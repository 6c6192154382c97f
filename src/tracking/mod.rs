//! Where poses come from: live hands (mouse, controllers), a motion file, a replay, or a bot. Whatever the source, a tick receives one
//! [`crate::instrument::InputFrame`] and nothing later in it reads a device.

mod bot;
mod hand;
mod motion;
mod pegs;
mod sight;
mod skill;
mod wedge;

pub mod plugin;

pub use bot::{Bot, Plan};
pub use hand::{Goal, Move};
pub use motion::{Motion, MotionError};
pub use pegs::PegPlan;
pub use sight::{RingSight, Sight};
pub use skill::Skill;
pub use wedge::{WedgeGeometry, WedgePlan};
