//! A training case: as written in RON (`file`), checked (`check`), and run (`steps`).

mod check;
mod fault;
mod file;
mod plan;
mod steps;

pub mod plugin;

pub use check::parse;
pub use fault::{Fault, Faults, place_of};
pub use file::{BoardPart, ErrorWhen, PatientPart, PhysiologyPart, Scenario, StepWhen, ToolPart, View};
pub use plan::{bench_board, excision, metres, plan};
pub use steps::{Facts, Happening, Progress};
