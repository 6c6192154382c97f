//! Voxel images with their place in the patient.

use glam::{DAffine3, DVec3};

/// A voxel image. `voxels[i + dims[0] * (j + dims[1] * k)]`, i along a row (column index), j down the rows, k through the slices.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume<T> {
    pub dims: [usize; 3],
    /// Patient position (LPS, mm) of the centre of voxel (i, j, k).
    pub lps_from_voxel: DAffine3,
    pub voxels: Vec<T>,
}

impl<T: Copy> Volume<T> {
    pub fn index(&self, [i, j, k]: [usize; 3]) -> usize {
        i + self.dims[0] * (j + self.dims[1] * k)
    }

    /// The voxel at (i, j, k), or nothing outside the image.
    pub fn get(&self, at: [usize; 3]) -> Option<T> {
        (0..3).all(|axis| at[axis] < self.dims[axis]).then(|| self.voxels[self.index(at)])
    }

    /// The voxel whose centre is nearest to a patient position (LPS, mm), or nothing outside the image.
    pub fn nearest(&self, lps_mm: DVec3) -> Option<T> {
        let at = self.lps_from_voxel.inverse().transform_point3(lps_mm).round();
        let inside = (0..3).all(|axis| at[axis] >= 0.0 && at[axis] < self.dims[axis] as f64);
        inside.then(|| self.voxels[self.index([at.x as usize, at.y as usize, at.z as usize])])
    }

    /// Volume of one voxel, mm³.
    pub fn voxel_mm3(&self) -> f64 {
        self.lps_from_voxel.matrix3.determinant().abs()
    }

    /// The box (LPS, mm) that holds every voxel, out to their faces.
    pub fn bounds(&self) -> [DVec3; 2] {
        let corner = |n: usize| {
            let ijk = [0, 1, 2].map(|axis| if n >> axis & 1 == 0 { -0.5 } else { self.dims[axis] as f64 - 0.5 });
            self.lps_from_voxel.transform_point3(DVec3::from_array(ijk))
        };
        (1..8).map(corner).fold([corner(0); 2], |[low, high], at| [low.min(at), high.max(at)])
    }

    /// Distance between voxel centres along i, j and k, mm.
    pub fn spacing_mm(&self) -> [f64; 3] {
        [self.lps_from_voxel.x_axis.length(), self.lps_from_voxel.y_axis.length(), self.lps_from_voxel.z_axis.length()]
    }
}
