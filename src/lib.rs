//! Halsted: an open surgical simulator.
//!
//! A trainee operates on a deformable patient made from a real scan, an instructor writes the case as a RON file, and a residency
//! programme gets an assessment that it can recompute. ARCHITECTURE.md tells how the modules below fit together; `tests/layers.rs`
//! keeps them in their order. A research and education tool, not a medical device.

pub mod assessment;
pub mod cli;
pub mod clock;
pub mod geom;
pub mod instrument;
mod page;
pub mod patient;
pub mod rigid;
pub mod scenario;
pub mod scoring;
pub mod session;
pub mod theatre;
pub mod tissue;
pub mod tracking;
pub mod units;
pub mod xr;
