//! The three ways to slice a body, and how a slice hangs: as radiologists have it.

use glam::DVec3;

/// The planes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plane {
    /// Seen from the feet: the patient's left on the right, the front above.
    Axial,
    /// Seen from the front: the patient's left on the right, the head above.
    Coronal,
    /// Seen from the patient's left: the front on the left, the head above.
    Sagittal,
}

impl Plane {
    pub const ALL: [Self; 3] = [Self::Axial, Self::Coronal, Self::Sagittal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Coronal => "coronal",
            Self::Sagittal => "sagittal",
        }
    }

    /// What is to the right and what is below in the picture, LPS.
    pub fn axes(self) -> [DVec3; 2] {
        match self {
            Self::Axial => [DVec3::X, DVec3::Y],
            Self::Coronal => [DVec3::X, DVec3::NEG_Z],
            Self::Sagittal => [DVec3::Y, DVec3::NEG_Z],
        }
    }

    /// Across the picture, LPS: the direction in which the next slice lies.
    pub fn normal(self) -> DVec3 {
        match self {
            Self::Axial => DVec3::Z,
            Self::Coronal => DVec3::Y,
            Self::Sagittal => DVec3::X,
        }
    }

    /// What lies at the left, right, upper and lower edge: the patient's Right, Left, Anterior, Posterior, Superior, Inferior.
    pub fn edges(self) -> [&'static str; 4] {
        match self {
            Self::Axial => ["R", "L", "A", "P"],
            Self::Coronal => ["R", "L", "S", "I"],
            Self::Sagittal => ["A", "P", "S", "I"],
        }
    }
}
