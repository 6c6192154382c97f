//! Poses, meshes, voxel volumes and distance fields: plain data with the questions that several nouns ask of it.
//!
//! World quantities are `f32` metres (what the solver and the screen use); images are `f64` millimetres in DICOM's LPS frame.

mod distance_field;
mod pose;
mod tet_mesh;
mod tri_mesh;
mod volume;

pub use distance_field::DistanceField;
pub use pose::Pose;
pub use tet_mesh::{MeshError, TetMesh, tet_volume};
pub use tri_mesh::TriMesh;
pub use volume::Volume;
