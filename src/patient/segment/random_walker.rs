//! The random walker: every voxel goes to the label whose seeds a walker from there reaches first, most likely, when it crosses edges of the
//! image unwillingly.
//!
//! ```text
//! (L + γ I) xˢ = γ pˢ + boundary            wᵢⱼ = exp(−(Iᵢ − Iⱼ)² / 2β²) / h²          γ = 1/ℓ²
//! ```
//! L is the weighted Laplacian of the lattice, xˢ the probability of label s, 1 or 0 where a voxel is known; Grady, “Random walks for image
//! segmentation”, IEEE PAMI 28 (2006). The second term draws each voxel to pˢ, the probability of the label by its value alone; Grady,
//! “Multilabel random walker image segmentation using prior models”, CVPR 2005. ℓ is the distance over which a walker forgets where
//! it came from. The systems are symmetric and positive definite: conjugate gradients, Jacobi-preconditioned, one thread a label, so that
//! the number of threads changes nothing.

use rayon::prelude::*;

/// Mark of a voxel that is to be decided.
pub const OPEN: u8 = 255;

/// Relative residual at which the iteration ends: well below what moves a voxel over to another label.
const TOLERANCE: f64 = 1e-4;
const MOST_ITERATIONS: usize = 600;

/// A lattice of values with what is known of it.
pub struct Walk<'a> {
    pub dims: [usize; 3],
    pub spacing_mm: [f64; 3],
    pub values: &'a [f32],
    /// Step of value that a walker crosses unwillingly (β).
    pub contrast: f64,
    /// ℓ, mm.
    pub memory_mm: f64,
    /// Number of the class (0 the background) where it is known, else [`OPEN`].
    pub known: &'a [u8],
    /// How many classes, the background among them.
    pub classes: usize,
    /// Probability of class s by the value alone.
    pub prior: &'a (dyn Fn(f32, usize) -> f64 + Sync),
}

impl Walk<'_> {
    /// The class of every voxel: the known ones, and the most likely for the open ones.
    pub fn solve(&self) -> Vec<u8> {
        let [nx, ny, nz] = self.dims;
        let cells: Vec<u32> = (0..self.known.len() as u32).filter(|&at| self.known[at as usize] == OPEN).collect();
        let mut slot = vec![u32::MAX; self.known.len()];
        cells.iter().enumerate().for_each(|(n, &at)| slot[at as usize] = n as u32);
        let steps = [1, nx, nx * ny];
        // for each open voxel: where its six neighbours are and the weight of the edge to them, 0 outside
        let edges: Vec<[(u32, f32); 6]> = cells
            .par_iter()
            .map(|&at| {
                let at = at as usize;
                let ijk = [at % nx, at / nx % ny, at / (nx * ny)];
                let mut out = [(0, 0.0); 6];
                for axis in 0..3 {
                    let h2 = self.spacing_mm[axis] * self.spacing_mm[axis];
                    for (side, inside) in [(0, ijk[axis] > 0), (1, ijk[axis] + 1 < [nx, ny, nz][axis])] {
                        if inside {
                            let to = if side == 0 { at - steps[axis] } else { at + steps[axis] };
                            let step = f64::from(self.values[at] - self.values[to]) / self.contrast;
                            // the floor keeps a voxel of noise from being cut off altogether
                            out[2 * axis + side] = (to as u32, ((libm::exp(-0.5 * step * step)).max(1e-3) / h2) as f32);
                        }
                    }
                }
                out
            })
            .collect();
        let chances: Vec<Vec<f32>> =
            (1..self.classes).into_par_iter().map(|class| self.chance(class, &cells, &slot, &edges)).collect();
        let mut out = self.known.to_vec();
        for (n, &at) in cells.iter().enumerate() {
            let (mut best, mut rest) = (0.0, 1.0);
            let mut winner = 0;
            for (s, chance) in chances.iter().enumerate() {
                rest -= chance[n];
                if chance[n] > best {
                    (best, winner) = (chance[n], s + 1);
                }
            }
            out[at as usize] = if rest >= best { 0 } else { winner as u8 };
        }
        out
    }

    /// xˢ of the open voxels by conjugate gradients.
    fn chance(&self, class: usize, cells: &[u32], slot: &[u32], edges: &[[(u32, f32); 6]]) -> Vec<f32> {
        let gamma = 1.0 / (self.memory_mm * self.memory_mm);
        let diagonal: Vec<f64> =
            edges.iter().map(|edges| gamma + edges.iter().map(|&(_, w)| f64::from(w)).sum::<f64>()).collect();
        let mut x: Vec<f64> = cells.iter().map(|&at| (self.prior)(self.values[at as usize], class)).collect();
        let right: Vec<f64> = edges
            .iter()
            .zip(&x)
            .map(|(edges, p)| {
                let ones = edges.iter().filter(|&&(to, _)| usize::from(self.known[to as usize]) == class);
                gamma * p + ones.map(|&(_, w)| f64::from(w)).sum::<f64>()
            })
            .collect();
        let apply = |x: &[f64], out: &mut [f64]| {
            for (n, edges) in edges.iter().enumerate() {
                let open = edges.iter().filter(|&&(to, w)| w > 0.0 && slot[to as usize] != u32::MAX);
                out[n] = diagonal[n] * x[n] - open.map(|&(to, w)| f64::from(w) * x[slot[to as usize] as usize]).sum::<f64>();
            }
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut product = vec![0.0; x.len()];
        apply(&x, &mut product);
        let mut residual: Vec<f64> = right.iter().zip(&product).map(|(b, a)| b - a).collect();
        let mut scaled: Vec<f64> = residual.iter().zip(&diagonal).map(|(r, d)| r / d).collect();
        let mut direction = scaled.clone();
        let mut rho = dot(&residual, &scaled);
        let goal = TOLERANCE * TOLERANCE * dot(&right, &right);
        for _ in 0..MOST_ITERATIONS {
            if dot(&residual, &residual) <= goal {
                break;
            }
            apply(&direction, &mut product);
            let alpha = rho / dot(&direction, &product);
            for n in 0..x.len() {
                x[n] += alpha * direction[n];
                residual[n] -= alpha * product[n];
                scaled[n] = residual[n] / diagonal[n];
            }
            let next = dot(&residual, &scaled);
            let beta = next / rho;
            rho = next;
            direction.iter_mut().zip(&scaled).for_each(|(d, s)| *d = s + beta * *d);
        }
        x.into_iter().map(|x| x as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between two ends at equal values and with no memory lost, the chance falls in a straight line: the middle is the border.
    #[test]
    fn on_a_uniform_bar_the_border_is_half_way_between_the_seeds() {
        let mut known = [OPEN; 21];
        (known[0], known[20]) = (1, 0);
        let values = [0.0; 21];
        let walk = Walk {
            dims: [21, 1, 1],
            spacing_mm: [1.0; 3],
            values: &values,
            contrast: 1.0,
            memory_mm: 1e6,
            known: &known,
            classes: 2,
            prior: &|_, _| 0.5,
        };
        let classes = walk.solve();
        assert!(classes[..10].iter().all(|&c| c == 1) && classes[11..].iter().all(|&c| c == 0), "{classes:?}");
    }

    #[test]
    fn an_edge_of_the_image_is_the_border_wherever_it_lies() {
        let mut known = [OPEN; 21];
        (known[0], known[20]) = (1, 0);
        let values: Vec<f32> = (0..21).map(|i| if i < 16 { 0.0 } else { 10.0 }).collect();
        let walk = Walk {
            dims: [1, 21, 1],
            spacing_mm: [1.0; 3],
            values: &values,
            contrast: 2.0,
            memory_mm: 1e6,
            known: &known,
            classes: 2,
            prior: &|_, _| 0.5,
        };
        assert_eq!(walk.solve().iter().filter(|&&c| c == 1).count(), 16);
    }
}
