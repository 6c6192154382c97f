//! A stack of slices that is sheared, unevenly spaced or shifted sideways, resampled onto a grid with right angles and even steps.
//!
//! Every slice is read where its own position puts it: bilinear within its plane and, where a plane of the new grid lies between two
//! slices, linear between them along the normal. Slices at even steps are only shifted back within their planes, so that a gantry tilt
//! costs no sharpness from slice to slice. What no slice covers takes the smallest value of the series: air, or background.

use glam::{DAffine3, DMat3, DVec3};
use rayon::prelude::*;

use super::{grid_file::MAX_VOXELS, info::Fault};
use crate::geom::Volume;

/// Planes within this share of the step from their place on an even grid are on it.
const ON_GRID: f64 = 0.01;
/// Rounding in positions, voxels: no row or column is added for less.
const ROUNDING: f64 = 1e-2;
/// Axes whose cosine is below this are at right angles, and slices on their normal.
const RIGHT_ANGLE: f64 = 1e-3;

/// Slices of one size and direction, in the order of their depth along the normal, each at its own place.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    /// The voxels; of its affine only the first two columns, the steps within a slice, hold.
    pub volume: Volume<f32>,
    /// Centre of the first voxel of each slice, LPS, mm.
    pub origins: Vec<DVec3>,
}

/// Whether a grid has no right angles.
pub(crate) fn is_sheared(lps_from_voxel: &DAffine3) -> bool {
    let [i, j, k] = [lps_from_voxel.x_axis, lps_from_voxel.y_axis, lps_from_voxel.z_axis].map(DVec3::normalize);
    [i.dot(j), i.dot(k), j.dot(k)].iter().any(|cosine| cosine.abs() > RIGHT_ANGLE)
}

/// A grid without right angles as a stack: its planes k = 0, 1, ….
pub(crate) fn stack_of(volume: Volume<f32>) -> Stack {
    let (origin, step) = (volume.lps_from_voxel.translation, volume.lps_from_voxel.z_axis);
    Stack { origins: (0..volume.dims[2]).map(|k| origin + step * k as f64).collect(), volume }
}

/// The axes within a slice, and where the slices lie along them.
struct Frame {
    /// Unit vectors along the rows, down the columns (at right angles to the rows) and through the slices.
    axes: DMat3,
    /// Between columns and between rows, mm.
    spacing: [f64; 2],
    /// Sideways millimetres along a row for one row further down: 0 unless the slice itself is sheared.
    skew: f64,
    /// Place of each slice's first voxel along the three axes, from the first slice's, mm.
    places: Vec<DVec3>,
}

impl Frame {
    fn of(stack: &Stack) -> Self {
        let (i, j) = (stack.volume.lps_from_voxel.x_axis, stack.volume.lps_from_voxel.y_axis);
        let row = i.normalize();
        let column = (j - row * j.dot(row)).normalize();
        let through = stack.origins[stack.origins.len() - 1] - stack.origins[0];
        let normal = row.cross(column);
        let axes = DMat3::from_cols(row, column, if through.dot(normal) < 0.0 { -normal } else { normal });
        let places = stack.origins.iter().map(|&origin| axes.transpose() * (origin - stack.origins[0])).collect();
        Self { axes, spacing: [i.length(), j.dot(column)], skew: j.dot(row), places }
    }
}

/// One plane of the new grid: the slices on both sides (the same one twice where it lies on it), and the share of the second.
#[derive(Clone, Copy)]
struct Between {
    slices: [usize; 2],
    share: f32,
}

/// Even planes for slices at these depths, mm: their distance, and the slices that each lies between.
///
/// Uneven slices get the smallest step there is, but no more than twice as many planes as there are slices.
fn planes(depths: &[f64]) -> (f64, Vec<Between>) {
    let count = depths.len();
    let extent = depths[count - 1] - depths[0];
    let mean = extent / (count - 1).max(1) as f64;
    if depths.iter().enumerate().all(|(k, d)| (d - depths[0] - mean * k as f64).abs() <= ON_GRID * mean) {
        return (mean, (0..count).map(|k| Between { slices: [k, k], share: 0.0 }).collect());
    }
    let smallest = depths.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let gaps = (extent / smallest.max(0.5 * mean)).round().max(1.0) as usize;
    let step = extent / gaps as f64;
    let between = |plane: usize| {
        let depth = depths[0] + step * plane as f64;
        let above = depths.partition_point(|&d| d <= depth).clamp(1, count - 1);
        let share = (depth - depths[above - 1]) / (depths[above] - depths[above - 1]);
        Between { slices: [above - 1, above], share: share.clamp(0.0, 1.0) as f32 }
    };
    (step, (0..=gaps).map(between).collect())
}

/// The stack on a grid with right angles and even steps.
///
/// # Errors
/// The [`Fault`] `too_large` where that grid is larger than any image that is read.
pub(crate) fn straighten(stack: &Stack) -> Result<Volume<f32>, Fault> {
    let frame = Frame::of(stack);
    let [columns, rows, _] = stack.volume.dims;
    let [across, down] = frame.spacing;
    let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    let skewed = frame.skew * (rows - 1) as f64;
    for place in &frame.places {
        low = [low[0].min(place.x + skewed.min(0.0)), low[1].min(place.y)];
        high = [high[0].max(place.x + skewed.max(0.0)), high[1].max(place.y)];
    }
    let size = |axis: usize, voxels: usize, spacing: f64| {
        voxels as f64 + ((high[axis] - low[axis]) / spacing - ROUNDING).ceil().max(0.0)
    };
    let (width, height) = (size(0, columns, across), size(1, rows, down));
    let depths: Vec<f64> = frame.places.iter().map(|place| place.z).collect();
    let (step, planes) = planes(&depths);
    if !(0.0..=MAX_VOXELS as f64).contains(&(width * height * planes.len() as f64)) {
        let message =
            format!("the slices are shifted so far against each other that a straight grid holds more than {MAX_VOXELS} voxels");
        return Err(Fault::new("too_large", message));
    }
    let dims = [width as usize, height as usize, planes.len()];
    let background = stack.volume.voxels.iter().copied().fold(f32::INFINITY, f32::min);
    let slice = columns * rows;
    let mut voxels = vec![background; dims.iter().product()];
    voxels.par_chunks_mut(dims[0] * dims[1]).zip(&planes).for_each(|(plane, between)| {
        let sides = between.slices.map(|k| Side {
            values: &stack.volume.voxels[k * slice..(k + 1) * slice],
            dims: [columns, rows],
            shift: [(low[0] - frame.places[k].x) / across, (low[1] - frame.places[k].y) / down],
            skew: frame.skew / across,
        });
        for (n, voxel) in plane.iter_mut().enumerate() {
            let at = [n % dims[0], n / dims[0]];
            let near = sides[0].value(at);
            let far = if between.share == 0.0 { near } else { sides[1].value(at) };
            *voxel = match (near, far) {
                (Some(near), Some(far)) => near + between.share * (far - near),
                (one, other) => one.or(other).unwrap_or(background),
            };
        }
    });
    let origin = stack.origins[0] + frame.axes * DVec3::new(low[0], low[1], 0.0);
    let matrix3 = frame.axes * DMat3::from_diagonal(DVec3::new(across, down, step));
    Ok(Volume { dims, lps_from_voxel: DAffine3 { matrix3, translation: origin }, voxels })
}

/// A slice as the new grid's planes see it.
struct Side<'a> {
    values: &'a [f32],
    dims: [usize; 2],
    /// From the new grid's column and row to the slice's, voxels.
    shift: [f64; 2],
    skew: f64,
}

impl Side<'_> {
    /// Bilinear; the outermost voxels reach to their edges, and beyond there is nothing.
    fn value(&self, [column, row]: [usize; 2]) -> Option<f32> {
        let y = row as f64 + self.shift[1];
        let x = column as f64 + self.shift[0] - self.skew * y;
        let [columns, rows] = self.dims;
        let axis = |at: f64, count: usize| {
            (-0.5..=count as f64 - 0.5).contains(&at).then(|| {
                let at = at.clamp(0.0, (count - 1) as f64);
                let low = (at as usize).min(count.saturating_sub(2));
                (low, (low + 1).min(count - 1), (at - low as f64) as f32)
            })
        };
        let ((left, right, u), (up, down, v)) = (axis(x, columns)?, axis(y, rows)?);
        let value = |column: usize, row: usize| self.values[column + columns * row];
        let between = |a: f32, b: f32, share: f32| a + share * (b - a);
        let line = |row: usize| between(value(left, row), value(right, row), u);
        Some(between(line(up), line(down), v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A linear function of position, which linear interpolation gives back up to rounding.
    fn ramp(lps: DVec3) -> f64 {
        40.0 + 1.5 * lps.x - 0.7 * lps.y + 2.2 * lps.z
    }

    /// Samples `of` on slices at `origins`; the rows run along `matrix3`'s first column, the columns along the second.
    fn sampled(dims: [usize; 2], matrix3: DMat3, origins: Vec<DVec3>, of: impl Fn(DVec3) -> f64) -> Stack {
        let mut voxels = Vec::new();
        for &origin in &origins {
            for n in 0..dims[0] * dims[1] {
                let at = origin + matrix3 * DVec3::new((n % dims[0]) as f64, (n / dims[0]) as f64, 0.0);
                voxels.push(of(at) as f32);
            }
        }
        let lps_from_voxel = DAffine3 { matrix3, translation: origins[0] };
        Stack { volume: Volume { dims: [dims[0], dims[1], origins.len()], lps_from_voxel, voxels }, origins }
    }

    /// Largest difference from `of` at voxels that some slice covers, and how many those are.
    fn largest_error(volume: &Volume<f32>, of: impl Fn(DVec3) -> f64) -> (f64, usize) {
        let background = volume.voxels.iter().copied().fold(f32::INFINITY, f32::min);
        let (mut worst, mut covered) = (0.0f64, 0);
        for (n, &value) in volume.voxels.iter().enumerate() {
            let [nx, ny, _] = volume.dims;
            let ijk = DVec3::new((n % nx) as f64, (n / nx % ny) as f64, (n / (nx * ny)) as f64);
            if value > background {
                worst = worst.max((f64::from(value) - of(volume.lps_from_voxel.transform_point3(ijk))).abs());
                covered += 1;
            }
        }
        (worst, covered)
    }

    /// Turned out of the axes of the patient, tilted by 20° down the columns and 5° along the rows, rows and columns of different size.
    fn oblique(step: impl Fn(usize) -> f64) -> (DMat3, Vec<DVec3>) {
        let turn = DMat3::from_euler(glam::EulerRot::XYZ, 0.3, -0.2, 0.5);
        let along = turn * DVec3::new(5f64.to_radians().tan(), 20f64.to_radians().tan(), 1.0);
        let origins = (0..12).scan(DVec3::new(-30.0, 10.0, 200.0), |at, k| {
            let here = *at;
            *at += along * step(k);
            Some(here)
        });
        (turn * DMat3::from_diagonal(DVec3::new(0.8, 1.1, 1.0)), origins.collect())
    }

    #[test]
    fn a_ramp_on_a_tilted_stack_comes_back_on_right_angles() {
        let (matrix3, origins) = oblique(|_| 3.0);
        let stack = sampled([20, 16], matrix3, origins, ramp);
        let straight = straighten(&stack).expect("small");
        assert!(!is_sheared(&straight.lps_from_voxel));
        // 11 steps of 3 mm: 12.0 mm of shear down the columns, 2.9 mm along the rows
        assert_eq!(straight.dims, [20 + 4, 16 + 11, 12]);
        assert!((straight.spacing_mm()[2] - 3.0).abs() < 1e-9);
        let (error, covered) = largest_error(&straight, ramp);
        // single precision at some 500; where a voxel's outer half is covered the value is that of its centre
        assert!(error < 1.5 * 0.4 + 0.7 * 0.55 + 2.2 * 0.55, "{error}");
        assert!(covered >= 20 * 15 * 12, "{covered}");
        let inside = |n: usize| (5..18).contains(&(n % 24)) && (11..15).contains(&(n / 24 % 27));
        for n in (0..straight.voxels.len()).filter(|&n| inside(n)) {
            let ijk = DVec3::new((n % 24) as f64, (n / 24 % 27) as f64, (n / (24 * 27)) as f64);
            let expected = ramp(straight.lps_from_voxel.transform_point3(ijk));
            assert!((f64::from(straight.voxels[n]) - expected).abs() < 1e-3, "{ijk}");
        }
    }

    #[test]
    fn a_ramp_at_uneven_steps_comes_back_at_even_ones() {
        let (matrix3, _) = oblique(|_| 1.0);
        let normal = matrix3.x_axis.cross(matrix3.y_axis).normalize();
        let depths = [0.0, 2.0, 4.0, 5.0, 6.0, 9.0, 12.0];
        let stack = sampled([9, 7], matrix3, depths.iter().map(|&d| normal * d).collect(), ramp);
        let straight = straighten(&stack).expect("small");
        assert_eq!(straight.dims, [9, 7, 13], "the smallest step is 1 mm, and the mean 2 mm");
        let (error, covered) = largest_error(&straight, ramp);
        assert!(error < 1e-4 && covered == straight.voxels.len() - 1, "{error} {covered}");
        // one misplaced slice does not blow the grid up
        let odd = [0.0, 2.0, 2.01, 6.0, 8.0, 10.0, 12.0];
        let stack = sampled([9, 7], matrix3, odd.iter().map(|&d| normal * d).collect(), ramp);
        assert_eq!(straighten(&stack).expect("small").dims, [9, 7, 13]);
    }

    /// A ball of soft tissue in air: volume and centre survive a tilt and uneven steps together, and the values stay within theirs.
    #[test]
    fn a_ball_on_a_tilted_uneven_stack_keeps_its_volume_and_place() {
        let centre = DVec3::new(3.0, -5.0, 12.0);
        let radius = 14.0;
        // an edge of 2 mm, so that sampling it is not a matter of chance
        let ball = |lps: DVec3| -1000.0 + 1040.0 * ((radius - lps.distance(centre)) / 2.0 + 0.5).clamp(0.0, 1.0);
        let mut origins = Vec::new();
        let (mut depth, mut k) = (-10.0, 0);
        while depth < 34.0 {
            origins.push(DVec3::new(-25.0, -50.0 + 0.35 * depth, depth));
            depth += [1.0, 1.6, 2.0][k % 3];
            k += 1;
        }
        let stack = sampled([56, 80], DMat3::IDENTITY, origins, ball);
        let straight = straighten(&stack).expect("small");
        assert!(!is_sheared(&straight.lps_from_voxel));
        let (mut sum, mut moment) = (0.0, DVec3::ZERO);
        for (n, &value) in straight.voxels.iter().enumerate() {
            let [nx, ny, _] = straight.dims;
            let ijk = DVec3::new((n % nx) as f64, (n / nx % ny) as f64, (n / (nx * ny)) as f64);
            let share = (f64::from(value) + 1000.0) / 1040.0;
            assert!((-1e-6..=1.0 + 1e-6).contains(&share), "{value}");
            sum += share;
            moment += straight.lps_from_voxel.transform_point3(ijk) * share;
        }
        let volume = sum * straight.voxel_mm3();
        let expected = 4.0 / 3.0 * std::f64::consts::PI * f64::powi(radius, 3);
        // a soft edge δ wide adds δ²/4r²: 0.1 %; linear interpolation over 2 mm moves it by as little
        assert!((volume / expected - 1.0).abs() < 0.01, "{volume} of {expected} mm³");
        assert!((moment / sum).distance(centre) < 0.02, "{}", moment / sum);
    }

    #[test]
    fn slices_that_are_straight_and_even_are_left_bit_for_bit() {
        let stack = sampled([5, 4], DMat3::IDENTITY, (0..6).map(|k| DVec3::Z * k as f64 * 2.5).collect(), ramp);
        assert_eq!(straighten(&stack).expect("small").voxels, stack.volume.voxels);
    }

    #[test]
    fn shifts_without_bound_are_refused() {
        let stack = sampled([2, 2], DMat3::IDENTITY, vec![DVec3::ZERO, DVec3::new(1e9, 0.0, 1.0)], ramp);
        assert_eq!(straighten(&stack).map(|v| v.dims).expect_err("too large").code, "too_large");
    }
}
