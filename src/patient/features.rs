//! What the images say of an organ, as `x` of the twin's model.

use glam::DVec3;
use nalgebra::Matrix3;

use crate::geom::Volume;

/// Image features of one labelled organ.
#[derive(Debug, Clone, PartialEq)]
pub struct OrganFeatures {
    pub volume_ml: f64,
    /// Mean and standard deviation of the values inside (HU for CT).
    pub value_mean: f64,
    pub value_sd: f64,
    /// Surface over volume.
    pub surface_per_volume_per_mm: f64,
    /// Length along the principal axes of inertia, the longest first.
    pub extents_mm: [f64; 3],
}

impl OrganFeatures {
    /// Measures the voxels of a label; nothing where there are none.
    ///
    /// The surface is ∫|∇f| of the label smoothed over the nearest voxels (a 3 × 3 × 3 Sobel operator), which, unlike counting faces of
    /// voxels, hardly depends on how the surface lies to the grid; the stairs of the voxels make it some 3 % too large.
    pub fn measure(image: &Volume<f32>, labels: &Volume<u8>, label: u8) -> Option<Self> {
        let [nx, ny, _] = labels.dims;
        let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
        let (mut count, mut sum, mut position) = (0u64, 0.0, DVec3::ZERO);
        let inside = || labels.voxels.iter().enumerate().filter(|(_, value)| **value == label).map(|(at, _)| at);
        let ijk = |at: usize| [at % nx, at / nx % ny, at / (nx * ny)];
        for at in inside() {
            let place = ijk(at);
            for axis in 0..3 {
                low[axis] = low[axis].min(place[axis]);
                high[axis] = high[axis].max(place[axis]);
            }
            count += 1;
            sum += f64::from(image.voxels[at]);
            position += DVec3::from_array(place.map(|n| n as f64));
        }
        if count == 0 {
            return None;
        }
        let n = count as f64;
        let (value_mean, centre) = (sum / n, position / n);
        let lps = labels.lps_from_voxel.matrix3;
        let (mut square, mut inertia) = (0.0, Matrix3::zeros());
        for at in inside() {
            square += (f64::from(image.voxels[at]) - value_mean).powi(2);
            let r = (lps * (DVec3::from_array(ijk(at).map(|n| n as f64)) - centre)).to_array();
            for (row, a) in r.iter().enumerate() {
                for (column, b) in r.iter().enumerate() {
                    inertia[(row, column)] += a * b;
                }
            }
        }
        let axes = (inertia / n).symmetric_eigen().eigenvectors;
        let mut extents_mm: [f64; 3] = std::array::from_fn(|axis| {
            let direction = DVec3::new(axes[(0, axis)], axes[(1, axis)], axes[(2, axis)]);
            let along = inside().map(|at| direction.dot(lps * DVec3::from_array(ijk(at).map(|n| n as f64))));
            let (least, most) = along.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), t| (least.min(t), most.max(t)));
            // the outer voxels reach half a voxel further
            most - least + (0..3).map(|axis| (direction.dot(lps.col(axis))).abs()).fold(0.0, f64::max)
        });
        extents_mm.sort_by(|a, b| b.total_cmp(a));
        let volume_mm3 = n * labels.voxel_mm3();
        let surface = surface_mm2(labels, label, low, high);
        Some(Self {
            volume_ml: volume_mm3 * 1e-3,
            value_mean,
            value_sd: (square / n).sqrt(),
            surface_per_volume_per_mm: surface / volume_mm3,
            extents_mm,
        })
    }

    /// Name and value of each feature, rounded to what is worth stating so that no platform's last bit reaches a twin's hash.
    pub fn named(&self, organ: &str) -> Vec<(String, f64)> {
        [
            ("volume_ml", self.volume_ml),
            ("value_mean", self.value_mean),
            ("value_sd", self.value_sd),
            ("surface_per_volume_per_mm", self.surface_per_volume_per_mm),
            ("extent_1_mm", self.extents_mm[0]),
            ("extent_2_mm", self.extents_mm[1]),
            ("extent_3_mm", self.extents_mm[2]),
        ]
        .into_iter()
        .map(|(name, value)| (format!("x.{organ}.{name}"), (value * 1e4).round() / 1e4))
        .collect()
    }
}

/// ∫|∇f| over the box from `low` to `high` and one voxel around it; what lies outside the image is not the label.
fn surface_mm2(labels: &Volume<u8>, label: u8, low: [usize; 3], high: [usize; 3]) -> f64 {
    let [nx, ny, nz] = labels.dims.map(|n| n as isize);
    let is = |i: isize, j: isize, k: isize| {
        let there = i >= 0 && j >= 0 && k >= 0 && i < nx && j < ny && k < nz;
        there && labels.voxels[(i + nx * (j + ny * k)) as usize] == label
    };
    const WEIGHT: [f64; 3] = [0.25, 0.5, 0.25];
    // ∇f in millimetres is the inverse transpose of the voxel frame times that per voxel
    let to_mm = labels.lps_from_voxel.matrix3.inverse().transpose();
    let mut total = 0.0;
    let range = |axis: usize| low[axis] as isize - 1..=high[axis] as isize + 1;
    for k in range(2) {
        for j in range(1) {
            for i in range(0) {
                let mut gradient = DVec3::ZERO;
                let mut set = 0;
                for dk in -1..=1isize {
                    for dj in -1..=1isize {
                        for di in -1..=1isize {
                            if is(i + di, j + dj, k + dk) {
                                set += 1;
                                let [wi, wj, wk] = [di, dj, dk].map(|d| WEIGHT[(d + 1) as usize]);
                                gradient += 0.5 * DVec3::new(di as f64 * wj * wk, dj as f64 * wi * wk, dk as f64 * wi * wj);
                            }
                        }
                    }
                }
                if set != 0 && set != 27 {
                    total += (to_mm * gradient).length();
                }
            }
        }
    }
    total * labels.voxel_mm3()
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DAffine3, DMat3};

    /// An ellipsoid with these half axes (mm) on a turned grid of unequal spacing.
    fn ellipsoid(half: DVec3, spacing: DVec3) -> (Volume<f32>, Volume<u8>) {
        let dims = [0, 1, 2].map(|a| (2.4 * half.max_element() / spacing[a]) as usize + 5);
        let turned = DMat3::from_rotation_z(0.4) * DMat3::from_rotation_x(0.3) * DMat3::from_diagonal(spacing);
        let frame = DAffine3 { matrix3: turned, translation: DVec3::new(-30.0, 12.0, 90.0) };
        let centre = frame.transform_point3(DVec3::from_array(dims.map(|n| (n - 1) as f64 / 2.0)));
        let mut labels = Vec::new();
        for at in 0..dims[0] * dims[1] * dims[2] {
            let ijk = [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])].map(|n| n as f64);
            let r = (frame.transform_point3(DVec3::from_array(ijk)) - centre) / half;
            labels.push(u8::from(r.length() < 1.0) * 3);
        }
        let values =
            labels.iter().enumerate().map(|(at, l)| if *l == 3 { 100.0 + (at % 2) as f32 * 20.0 } else { -900.0 }).collect();
        (Volume { dims, lps_from_voxel: frame, voxels: values }, Volume { dims, lps_from_voxel: frame, voxels: labels })
    }

    #[test]
    fn an_ellipsoid_has_the_volume_surface_and_axes_of_the_formulas() {
        let (image, labels) = ellipsoid(DVec3::new(40.0, 25.0, 25.0), DVec3::new(1.0, 1.2, 2.0));
        let found = OrganFeatures::measure(&image, &labels, 3).expect("it is there");
        let volume = 4.0 / 3.0 * std::f64::consts::PI * 40.0 * 25.0 * 25.0 * 1e-3;
        assert!((found.volume_ml / volume - 1.0).abs() < 0.01, "{} ml, not {volume}", found.volume_ml);
        // prolate: S = 2πb² (1 + a/(b e) asin e)
        let e = (1.0f64 - (25.0 / 40.0f64).powi(2)).sqrt();
        let surface = 2.0 * std::f64::consts::PI * 625.0 * (1.0 + 40.0 / (25.0 * e) * e.asin());
        let measured = found.surface_per_volume_per_mm * found.volume_ml * 1e3;
        assert!((measured / surface - 1.0).abs() < 0.04, "{measured} mm², not {surface}");
        // to a voxel
        for (extent, expected) in found.extents_mm.iter().zip([80.0, 50.0, 50.0]) {
            assert!((extent - expected).abs() < 2.5, "{:?}", found.extents_mm);
        }
        assert!((found.value_mean - 110.0).abs() < 0.5 && (found.value_sd - 10.0).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn an_absent_label_has_no_features() {
        let (image, labels) = ellipsoid(DVec3::splat(5.0), DVec3::ONE);
        assert_eq!(OrganFeatures::measure(&image, &labels, 9), None);
    }
}
