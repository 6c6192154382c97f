//! Averages over a neighbourhood, axis by axis; at the edge of the images over what is there.

use rayon::prelude::*;

use super::morphology::Lattice;

/// A Gaussian of `sigma_mm`, cut at 3σ; an axis whose step is larger than 2σ stays as it is.
pub fn gaussian(values: &[f32], lattice: Lattice, sigma_mm: f64) -> Vec<f32> {
    let mut out = values.to_vec();
    for axis in 0..3 {
        let sigma = sigma_mm / lattice.spacing_mm[axis];
        if sigma >= 0.5 {
            let weights = (0..=(3.0 * sigma).ceil() as usize).map(|r| libm::exp(-0.5 * (r as f64 / sigma).powi(2)) as f32);
            out = weighted(&out, lattice.dims, axis, &weights.collect::<Vec<_>>());
        }
    }
    out
}

/// The mean over a box that reaches `reach_mm` to each side, and at least one voxel.
pub fn box_mean(values: &[f32], lattice: Lattice, reach_mm: f64) -> Vec<f32> {
    let mut out = values.to_vec();
    for axis in 0..3 {
        let reach = ((reach_mm / lattice.spacing_mm[axis]).round() as usize).max(1);
        out = weighted(&out, lattice.dims, axis, &vec![1.0; reach + 1]);
    }
    out
}

/// Smooths what is noise and leaves what is an edge: robust anisotropic diffusion with Tukey's biweight; M. J. Black et al., “Robust Anisotropic
/// Diffusion”, IEEE Trans. Image Processing 7:421–432, 1998.
///
/// ```text
/// Iᵢ ← Iᵢ + λ Σⱼ wⱼ g(Iⱼ − Iᵢ)(Iⱼ − Iᵢ)          g(x) = (1 − (x/s)²)² where |x| < s, else 0          s = √5 σ
/// ```
/// over the six neighbours, λ = 1/6, wⱼ the square of the finest step over that to j. σ is what `spread` finds of the differences between
/// neighbours, and is asked for before each round, so that ever smaller steps count as edges.
pub fn calm(values: &[f32], lattice: Lattice, rounds: usize, spread: impl Fn(&[f32]) -> f64) -> Vec<f32> {
    let [nx, ny, nz] = lattice.dims;
    let finest = lattice.spacing_mm.into_iter().fold(f64::INFINITY, f64::min);
    let weight = lattice.spacing_mm.map(|mm| ((finest / mm).powi(2) / 6.0) as f32);
    let mut from = values.to_vec();
    let mut to = from.clone();
    for _ in 0..rounds {
        let edge = (5f64.sqrt() * spread(&from)) as f32;
        if edge <= 0.0 {
            break;
        }
        to.par_chunks_mut(nx).enumerate().for_each(|(row, out)| {
            let (j, k) = (row % ny, row / ny);
            for (i, out) in out.iter_mut().enumerate() {
                let at = row * nx + i;
                let here = from[at];
                let flow = |inside: bool, next: usize| {
                    if !inside {
                        return 0.0;
                    }
                    let step = from[next] - here;
                    let share = 1.0 - (step / edge) * (step / edge);
                    if share > 0.0 { step * share * share } else { 0.0 }
                };
                *out = here
                    + weight[0] * (flow(i > 0, at.wrapping_sub(1)) + flow(i + 1 < nx, at + 1))
                    + weight[1] * (flow(j > 0, at.wrapping_sub(nx)) + flow(j + 1 < ny, at + nx))
                    + weight[2] * (flow(k > 0, at.wrapping_sub(nx * ny)) + flow(k + 1 < nz, at + nx * ny));
            }
        });
        std::mem::swap(&mut from, &mut to);
    }
    from
}

/// The mean along one axis, weighted by distance.
fn weighted(values: &[f32], dims: [usize; 3], axis: usize, weights: &[f32]) -> Vec<f32> {
    let stride = [1, dims[0], dims[0] * dims[1]][axis];
    let n = dims[axis];
    let mut out = vec![0.0; values.len()];
    out.par_chunks_mut(dims[0]).enumerate().for_each(|(row, out)| {
        for (i, out) in out.iter_mut().enumerate() {
            let at = row * dims[0] + i;
            let along = at / stride % n;
            let (mut sum, mut all) = (values[at] * weights[0], weights[0]);
            for (r, &weight) in weights.iter().enumerate().skip(1) {
                if along >= r {
                    sum += values[at - r * stride] * weight;
                    all += weight;
                }
                if along + r < n {
                    sum += values[at + r * stride] * weight;
                    all += weight;
                }
            }
            *out = sum / all;
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_field_stays_and_a_step_becomes_a_slope() {
        let lattice = Lattice { dims: [10, 3, 3], spacing_mm: [1.0, 1.0, 4.0] };
        assert!(gaussian(&[7.0; 90], lattice, 1.0).into_iter().all(|v| (v - 7.0).abs() < 1e-5));
        let step: Vec<f32> = (0..90).map(|at| if at % 10 < 5 { 0.0 } else { 1.0 }).collect();
        let soft = gaussian(&step, lattice, 1.0);
        // Φ(½ voxel) of a Gaussian of one voxel, taken on whole voxels
        assert!((soft[5] - 0.7).abs() < 0.01 && (soft[4] + soft[5] - 1.0).abs() < 1e-5, "{} {}", soft[4], soft[5]);
        assert!((box_mean(&step, lattice, 1.0)[5] - 2.0 / 3.0).abs() < 1e-5);
    }
}
