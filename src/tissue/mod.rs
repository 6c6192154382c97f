//! Soft tissue: bodies of linear tetrahedra that deform, are touched, held and cut.
//!
//! A [`SoftBody`] is flat arrays and a [`SoftBody::step`] that knows nothing of windows or wall clocks. Each tick minimises one incremental potential
//! (`solver`), made of a stable neo-Hookean solid and what tissues do beyond it (`material`, `response`, `elements`), contact with friction and grasps (`contact`, `grasp`, `terms`), by Newton
//! steps whose linear systems are solved without a matrix (`pcg`) under a lattice preconditioner (`coarse`). Tissue meets itself in `self_contact` and
//! rigid bodies that give way in `movable`; what stays inside out is put right by `unfold`. A cut splits elements and parts their faces (`cut`), and so does a tear, where the energy that it sets
//! free pays for its surface (`tear`); a needle cuts a hole that holds it (`needle`); what is drawn is a finer skin bound to the elements (`skin`).
//!
//! Left out: contact between two bodies (organs that touch are pieces of one), heat and bleeding.

mod attach;
mod body;
mod chunk;
mod clusters;
mod coarse;
pub mod conform;
mod contact;
mod crew;
mod crumb;
mod cut;
mod damage;
mod elements;
mod fibre;
mod grasp;
mod haste;
mod lanes;
mod layout;
mod material;
mod membrane;
mod movable;
mod needle;
mod newton;
mod patches;
mod pcg;
pub mod plugin;
mod potential;
mod queries;
mod remove;
mod resistance;
mod response;
mod scheme;
mod second_invariant;
mod self_contact;
mod skin;
mod solver;
mod surface;
mod tear;
mod terms;
mod unfold;
mod viscous;

pub use attach::{Band, BandLoss};
pub use body::{BodyError, BodySpec, Pieces, SoftBody};
pub use contact::{Capsule, ToolShape};
pub use cut::{BladeSweep, CutReport};
pub use damage::{Bruise, Limit, Measure, TissueLimits, known_tissues, limits_of};
pub use grasp::{Anchor, GraspReport, JawRegion};
pub use material::Material;
pub use movable::{Hull, RigidForce, RigidShape};
pub use needle::{Needle, NeedleReport};
pub use queries::MaterialPoint;
pub use remove::{Region, Removal};
pub use response::{Fibres, Membrane, Relaxation, Response, ResponseError};
pub use scheme::TimeScheme;
pub use skin::Skin;
pub use solver::{Loads, Overstress, SolverSettings, StepError, StepReport, ToolForce};
pub use surface::{FaceKind, Surface};
pub use tear::{Tear, Tearing};

/// How numbers are rounded, for a trace's header: traces with the same word replay bit for bit on any processor.
pub const ARITHMETIC: &str = "f32x8-unfused-1";
