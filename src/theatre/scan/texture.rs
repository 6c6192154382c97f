//! The scan and its labels on the graphics card.

use bevy::{
    asset::RenderAssetUsages,
    image::ImageSampler,
    math::{DAffine3, DVec3},
    prelude::*,
    render::render_resource::{Extent3d, TextureDimension, TextureFormat},
};

use super::{ScanGeometry, ScanView, Shown, shown::follow_twin};
use crate::{patient::Plane, session::plugin::CurrentTwin};

/// The longest side of a volume that every graphics card takes, voxels (the WebGPU limit).
const LONGEST: usize = 2048;

/// The scan in the theatre.
#[derive(Resource, Debug, Clone)]
pub(super) struct ScanImage {
    /// HU, half precision: exact to 2048, and to 2 HU beyond.
    pub values: Handle<Image>,
    pub labels: Handle<Image>,
    pub geometry: ScanGeometry,
    /// Where the slices meet until somebody chooses, LPS, mm.
    pub middle_mm: DVec3,
    lps_from_voxel: DAffine3,
}

impl ScanImage {
    /// Where the slices meet.
    pub fn cursor_mm(&self, view: &ScanView) -> DVec3 {
        view.cursor_mm.unwrap_or(self.middle_mm)
    }

    /// From one slice to the next across a plane, mm: the voxels' spacing along the axis that lies nearest to its normal.
    pub fn step_mm(&self, plane: Plane) -> f64 {
        let [x, y, z] = [DVec3::X, DVec3::Y, DVec3::Z].map(|axis| self.lps_from_voxel.transform_vector3(axis));
        let along = |edge: &DVec3| edge.normalize_or_zero().dot(plane.normal()).abs();
        [x, y, z].into_iter().max_by(|a, b| along(a).total_cmp(&along(b))).map_or(1.0, DVec3::length)
    }
}

pub(super) fn plugin(app: &mut App) {
    let renew =
        (follow_twin.run_if(resource_exists_and_changed::<CurrentTwin>), upload.run_if(resource_exists_and_changed::<Shown>));
    app.add_systems(PreUpdate, renew.chain());
}

pub(super) fn upload(shown: Res<Shown>, mut images: ResMut<Assets<Image>>, mut commands: Commands) {
    let dims = shown.dims();
    if dims.iter().any(|&n| n > LONGEST) {
        commands.remove_resource::<ScanImage>();
        return;
    }
    let mut add = |data: Vec<u8>, format| {
        let [width, height, depth] = dims.map(|n| n as u32);
        let size = Extent3d { width, height, depth_or_array_layers: depth };
        let mut image = Image::new(size, TextureDimension::D3, data, format, RenderAssetUsages::RENDER_WORLD);
        image.sampler = ImageSampler::linear();
        images.add(image)
    };
    commands.insert_resource(ScanImage {
        values: add(shown.half_floats(), TextureFormat::R16Float),
        labels: add(shown.labels().voxels.clone(), TextureFormat::R8Uint),
        geometry: ScanGeometry::new(dims, shown.lps_from_voxel()),
        middle_mm: shown.middle_mm(),
        lps_from_voxel: *shown.lps_from_voxel(),
    });
}
