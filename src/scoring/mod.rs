//! What an attempt was worth: motion, force and outcome metrics of a trace, and the rubric that turns them into points.
//!
//! A score comes from a trace and a rubric alone, so anyone can compute it again later. Conventions that published metrics leave open
//! are fixed here once: tip positions in the world frame, resampled from 90 Hz to 100 Hz by linear interpolation, low-passed by a
//! second-order Butterworth filter at 10 Hz applied forward and backward, velocity by forward difference. Every value keeps the
//! filter it went through, and a value that is not defined is `null` with a reason, never 0.
//!
//! Smoothness (SPARC, dimensionless jerk) was validated for single movements only: it is given for the whole trial *and* as the median
//! over the movements. The transcendental functions are those of `libm` and the Fourier transform is the scalar one, so that the same
//! trace scores the same on every machine.

mod bimanual;
mod filter;
mod force;
mod kinematics_csv;
mod metric;
mod motion;
mod of_trace;
mod rubric;
mod rubric_text;
mod score;
mod smoothness;
mod trajectory;

pub use bimanual::{bimanual_ratio, pearson};
pub use filter::Butterworth;
pub use force::{CONTACT_N, ForceSummary};
pub use kinematics_csv::{KinematicsFault, metrics_of_csv};
pub use metric::{Better, DEFINITIONS, Definition, Filter, Metric, Metrics, Segment, Undefined, definition, ids, nearest_id};
pub use motion::{IDLE_MIN_SECS, IDLE_SPEED, MOVEMENT_MIN_SECS, MOVEMENT_START_SPEED, Motion};
pub use of_trace::{metrics_of_trace, motion_of};
pub use rubric::{Item, Mistels, RUBRIC_VERSION, Rubric, check_rubric, parse, rubric_of};
pub use rubric_text::RubricFault;
pub use score::{ErrorMade, ItemScore, Points, Score, StepOutcome, score};
pub use smoothness::{SparcSettings, dlj, dlj_3d, ldlj, njerk, sparc};
pub use trajectory::Trajectory;
