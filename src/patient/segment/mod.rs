//! Organs and tissues from the images alone, with no network and no model to download: organs by the random walker from seeds that a person
//! places, tissues of a CT by limits of value and region growing.
//!
//! Left out: anything that knows what an organ looks like. A border that shows no step of value is found only if seeds lie on both sides.
//! Measured against automatic labels: Dice 0.97 (liver) and 0.96 (spleen) on the bundled contrast CT. On a noisy scan without contrast, of 3 mm
//! voxels, it was 0.85 (liver), 0.91 (gallbladder) and no more than 0.54–0.65 (spleen, kidneys), which came out too small: look at what you get.

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

pub use label_map::write_label_map;
pub use levels::Levels;
pub use organs::{Segment, organs};
pub use seeds::Seeds;
pub use sheet::SeedSheet;
pub use tissues::{Tissue, TissueError, tissues};
