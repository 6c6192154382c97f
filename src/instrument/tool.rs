//! What a laparoscopic tool is made of.

use serde::{Deserialize, Serialize};

/// Which hand holds a tool; also its place in every array of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Left,
    Right,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Left, Side::Right];

    pub fn index(self) -> usize {
        self as usize
    }

    pub fn name(self) -> &'static str {
        match self {
            Side::Left => "left",
            Side::Right => "right",
        }
    }
}

/// The tools on the tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolKind {
    /// A Maryland dissector: curved jaws that hold tissue or an object.
    Grasper,
    /// Metzenbaum scissors: what lies between the blades as they close is divided.
    Scissors,
}

impl ToolKind {
    pub fn name(self) -> &'static str {
        match self {
            ToolKind::Grasper => "grasper",
            ToolKind::Scissors => "scissors",
        }
    }

    /// Its dimensions. A 5 mm laparoscopic instrument has a 330 mm shaft; jaw lengths are those of common Maryland dissectors (about
    /// 20 mm) and Metzenbaum scissors (about 17 mm) as catalogues give them.
    pub fn spec(self) -> ToolSpec {
        let (jaw_length_m, open_rad) = match self {
            ToolKind::Grasper => (0.020, 50f32.to_radians()),
            ToolKind::Scissors => (0.017, 55f32.to_radians()),
        };
        ToolSpec { kind: self, shaft_radius_m: 0.0025, shaft_length_m: 0.33, jaw_length_m, jaw_radius_m: 0.0015, open_rad }
    }
}

/// Dimensions of a tool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToolSpec {
    pub kind: ToolKind,
    pub shaft_radius_m: f32,
    pub shaft_length_m: f32,
    /// From the hinge to the tip.
    pub jaw_length_m: f32,
    pub jaw_radius_m: f32,
    /// Angle between the jaws when fully open.
    pub open_rad: f32,
}
