//! Organs and tissues from the images alone, with no network and no model to download: organs by the random walker from seeds that a person
//! places, tissues of a CT by limits of value and region growing.
//!
//! Left out: anything that knows what an organ looks like. A border that shows no step of value is found only if seeds lie on both sides.
//! Measured against automatic labels: Dice 0.97 (liver) and 0.95 (spleen) on the bundled contrast CT; 0.93 (liver), 0.92 (spleen), 0.95 and
//! 0.94 (kidneys) and 0.81 (gallbladder) on a noisy plain CT of 3 mm voxels. Both scans had a part in choosing the constants.

mod body;
mod clean;
mod filter;
mod grow;
mod label_map;
mod levels;
mod morphology;
mod organs;
mod random_walker;
mod seeds;
mod sheet;
mod tissues;

pub(super) use grow::{on_edge, parts};
pub use label_map::write_label_map;
pub use levels::Levels;
pub use organs::{Segment, organs};
pub use seeds::Seeds;
pub use sheet::SeedSheet;
pub use tissues::{Tissue, TissueError, tissues};
