//! What a surgical tool is and does: its parts, the trocar it turns about, its jaws.
//!
//! A tool is told once a tick where its tip should be and how far its jaws should close ([`InputFrame`]); the trocar then decides
//! which of that is possible. Shafts are rigid and straight; wristed instruments are not modelled.

mod input;
mod jaw;
mod tool;
mod trocar;

pub mod plugin;

pub use input::{HandInput, InputFrame};
pub use jaw::{Jaw, JawEvent};
pub use tool::{Side, ToolKind, ToolSpec};
pub use trocar::{Trocar, pose_through};
