//! The assessment: what a programme receives of one attempt, as files that it can check.
//!
//! | file | what |
//! | --- | --- |
//! | `assessment.json` | the score, each line of the rubric with its reason, each metric with its filter, and the hashes behind them |
//! | `metrics.csv` | the metrics, one a line |
//! | `events.csv` | what happened, one event a line |
//! | `kinematics.csv` | tips, jaws and forces, one tick a line |
//! | `report.html` | the same for people: one self-contained page, on screen and on paper |
//!
//! All are made in memory first and written under temporary names beside their places; only when every one is whole are they renamed.
//! Nothing in them depends on the day or the machine: the same trace and rubric give the same bytes.

mod data_uri;
mod plots;
mod record;
mod report;
mod tables;
mod timeline;
mod write;

pub use record::{DISCLAIMER, SCHEMA_VERSION, attempt_id};
pub use write::{AssessmentError, FILES, write_assessment};
