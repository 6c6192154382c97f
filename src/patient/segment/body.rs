//! The body within a CT: without the table, the clothes and the air around it, but with the air inside.

use super::{grow::parts, levels::Levels, morphology::Lattice};
use crate::geom::Volume;

/// The table's shell and sheets are thinner than twice this.
const CORE_MM: f64 = 4.0;
/// Parts of a body, as arms, have at least this share of the trunk.
const PART: f64 = 0.02;

/// A box about the body, cut out of a volume.
pub struct Body {
    pub lattice: Lattice,
    pub values: Vec<f32>,
    /// Where the body is in the box.
    pub inside: Vec<bool>,
    /// Air ends here, HU.
    pub air_ends: f64,
    /// The axis that runs along the body.
    pub axis: usize,
    low: [usize; 3],
    whole: [usize; 3],
}

impl Body {
    /// Nothing where the values have no two sides, or hold nothing thicker than a table.
    pub fn find(volume: &Volume<f32>) -> Option<Self> {
        let lattice = Lattice { dims: volume.dims, spacing_mm: volume.spacing_mm() };
        let air_ends = Levels::air(volume.voxels.iter().copied())?;
        let dense = |at: usize| f64::from(volume.voxels[at]) > air_ends;
        let depth = lattice.distance_to(|at| !dense(at));
        let (part, sizes) = parts(volume.dims, |at| depth[at].is_finite() && f64::from(depth[at]) > CORE_MM);
        drop(depth);
        let least = (sizes.iter().copied().max()? as f64 * PART).max(1.0);
        let core = lattice.distance_to(|at| sizes[part[at] as usize] as f64 >= least);
        drop(part);
        let reach = CORE_MM + lattice.spacing_mm.into_iter().fold(0.0, f64::max);
        let mut inside: Vec<bool> = (0..core.len()).map(|at| dense(at) && f64::from(core[at]) <= reach).collect();
        drop(core);
        let along = |axis: usize| volume.lps_from_voxel.matrix3.col(axis).normalize_or_zero().z.abs();
        let axis = (0..3).max_by(|&a, &b| along(a).total_cmp(&along(b)))?;
        lattice.fill_slices(&mut inside, axis, |_| true);

        let [nx, ny, _] = volume.dims;
        let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
        for at in (0..inside.len()).filter(|&at| inside[at]) {
            let ijk = [at % nx, at / nx % ny, at / (nx * ny)];
            for axis in 0..3 {
                low[axis] = low[axis].min(ijk[axis].saturating_sub(1));
                high[axis] = high[axis].max((ijk[axis] + 2).min(volume.dims[axis]));
            }
        }
        if low[0] == usize::MAX {
            return None;
        }
        let dims = std::array::from_fn(|axis| high[axis] - low[axis]);
        let mut body = Self {
            lattice: Lattice { dims, ..lattice },
            values: Vec::new(),
            inside: Vec::new(),
            air_ends,
            axis,
            low,
            whole: volume.dims,
        };
        let places: Vec<usize> = (0..dims.iter().product()).map(|at| body.place(at)).collect();
        // padding and what is not a number are air
        body.values =
            places.iter().map(|&at| volume.voxels[at]).map(|v| if v.is_finite() { v.max(-1024.0) } else { -1024.0 }).collect();
        body.inside = places.iter().map(|&at| inside[at]).collect();
        Some(body)
    }

    /// The voxel of the whole volume.
    pub fn place(&self, at: usize) -> usize {
        let [nx, ny, _] = self.lattice.dims;
        let [i, j, k] = [at % nx + self.low[0], at / nx % ny + self.low[1], at / (nx * ny) + self.low[2]];
        i + self.whole[0] * (j + self.whole[1] * k)
    }
}
