//! What a bot may see of the theatre: no more than a person looking at the screen.

use glam::Vec3;

use crate::{geom::Pose, instrument::Side};

/// A ring as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RingSight {
    pub name: String,
    pub pose: Pose,
    /// Middles of its walls and the directions out of them, in its own frame.
    pub walls: [(Vec3, Vec3); 3],
    pub on_peg: Option<usize>,
    pub held_by: Vec<Side>,
    pub lost: bool,
}

/// The theatre in one tick.
pub trait Sight {
    /// `world_from_tip` of a tool.
    fn tip(&self, side: Side) -> Option<Pose>;
    /// Whether a tool holds something.
    fn holds(&self, side: Side) -> bool;
    /// Rings, in a fixed order.
    fn rings(&self) -> &[RingSight];
    /// Where the tissue that was at `rest` is now; `rest` itself without tissue.
    fn tissue_at(&self, rest: Vec3) -> Vec3;
    /// Whether the lesion's piece hangs on nothing any more.
    fn is_free(&self) -> bool;
    /// A place (at rest) where tissue inside the wedge still hangs on tissue outside.
    fn bridge(&self) -> Option<Vec3>;
}
