//! What the views show: the scan of a twin, or images that are not yet a patient.

use std::sync::Arc;

use bevy::{
    math::{DAffine3, DVec3},
    prelude::*,
};
use half::f16;

use crate::{
    geom::Volume,
    patient::{Twin, frame},
    session::plugin::CurrentTwin,
};

/// The scan in the theatre.
#[derive(Resource, Debug, Clone)]
pub enum Shown {
    Twin(Arc<Twin>),
    Images(Images),
}

/// Images as they were read.
#[derive(Debug, Clone)]
pub struct Images {
    /// CT or another, as DICOM names it.
    pub modality: String,
    pub volume: Arc<Volume<f32>>,
    /// On the grid of `volume`; 0 where nothing is known.
    pub labels: Arc<Volume<u8>>,
    /// What the labels mean.
    pub names: Vec<(String, u8)>,
}

impl Images {
    /// Images of which nothing is known yet.
    pub fn new(modality: String, volume: Volume<f32>) -> Self {
        let labels = Volume { dims: volume.dims, lps_from_voxel: volume.lps_from_voxel, voxels: vec![0; volume.voxels.len()] };
        Self { modality, volume: Arc::new(volume), labels: Arc::new(labels), names: Vec::new() }
    }
}

impl Shown {
    pub fn dims(&self) -> [usize; 3] {
        self.labels().dims
    }

    pub fn lps_from_voxel(&self) -> &DAffine3 {
        &self.labels().lps_from_voxel
    }

    /// Labels on the grid of the images.
    pub fn labels(&self) -> &Volume<u8> {
        match self {
            Shown::Twin(twin) => &twin.labels,
            Shown::Images(images) => &images.labels,
        }
    }

    pub fn modality(&self) -> &str {
        match self {
            Shown::Twin(twin) => &twin.source.modality,
            Shown::Images(images) => &images.modality,
        }
    }

    /// The value (HU in CT) nearest to a place (LPS, mm); nothing outside the images.
    pub fn value_at(&self, lps_mm: DVec3) -> Option<f32> {
        match self {
            Shown::Twin(twin) => twin.volume.nearest(lps_mm).map(f32::from),
            Shown::Images(images) => images.volume.nearest(lps_mm),
        }
    }

    /// What lies at a place (LPS, mm), if that is known.
    pub fn label_at(&self, lps_mm: DVec3) -> Option<String> {
        let label = self.labels().nearest(lps_mm).filter(|label| *label > 0)?;
        let name = match self {
            Shown::Twin(twin) => (label == twin.organ.label).then(|| twin.organ.name.clone()),
            Shown::Images(images) => images.names.iter().find(|(_, value)| *value == label).map(|(name, _)| name.clone()),
        };
        Some(name.unwrap_or_else(|| format!("label {label}")))
    }

    /// The label that is drawn strongest; 0 where all are alike.
    pub fn foremost(&self) -> u8 {
        match self {
            Shown::Twin(twin) => twin.organ.label,
            Shown::Images(_) => 0,
        }
    }

    /// World metres from LPS millimetres; images lie on the table as a patient would.
    pub fn world_from_lps(&self) -> DAffine3 {
        match self {
            Shown::Twin(twin) => twin.world_from_lps,
            Shown::Images(images) => {
                let [low, high] = images.volume.bounds();
                frame::world_from_lps(low, high)
            }
        }
    }

    /// The values in half precision (exact to 2048, and to 2 HU beyond), little-endian.
    pub(super) fn half_floats(&self) -> Vec<u8> {
        let bytes = |value: f32| f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32())).to_le_bytes();
        match self {
            Shown::Twin(twin) => twin.volume.voxels.iter().flat_map(|&v| bytes(f32::from(v))).collect(),
            Shown::Images(images) => images.volume.voxels.iter().flat_map(|&v| bytes(v)).collect(),
        }
    }

    /// The middle of the organ, or of the images where there is none; LPS, mm.
    pub(super) fn middle_mm(&self) -> DVec3 {
        let labels = self.labels();
        let [nx, ny, nz] = labels.dims;
        let (mut sum, mut count) = (DVec3::ZERO, 0.0f64);
        if let Shown::Twin(twin) = self {
            for (at, _) in labels.voxels.iter().enumerate().filter(|(_, label)| **label == twin.organ.label) {
                sum += DVec3::new((at % nx) as f64, (at / nx % ny) as f64, (at / (nx * ny)) as f64);
                count += 1.0;
            }
        }
        let middle = if count > 0.0 { sum / count } else { 0.5 * DVec3::new(nx as f64, ny as f64, nz as f64) };
        labels.lps_from_voxel.transform_point3(middle)
    }
}

/// The twin that is operated on is the one that is shown.
pub(super) fn follow_twin(twin: Res<CurrentTwin>, mut commands: Commands) {
    commands.insert_resource(Shown::Twin(twin.0.clone()));
}
