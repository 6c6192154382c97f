//! Shapes of masks in millimetres: exact Euclidean distances, and what grows and shrinks by them.
//!
//! P. F. Felzenszwalb, D. P. Huttenlocher, “Distance Transforms of Sampled Functions”, Theory of Computing 8:415–428, 2012: along each axis
//! in turn the lower envelope of parabolas, in a time that is linear in the voxels. What lies outside the images is neither inside nor outside.

use rayon::prelude::*;

/// A lattice of voxels and its steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lattice {
    pub dims: [usize; 3],
    pub spacing_mm: [f64; 3],
}

impl Lattice {
    /// Distance from each voxel's centre to that of the nearest one for which `is` holds, mm; infinite where there is none.
    pub fn distance_to(&self, is: impl Fn(usize) -> bool + Sync) -> Vec<f32> {
        let [nx, ny, nz] = self.dims;
        let [sx, sy, sz] = self.spacing_mm;
        let mut squares: Vec<f32> =
            (0..nx * ny * nz).into_par_iter().map(|at| if is(at) { 0.0 } else { f32::INFINITY }).collect();
        squares.par_chunks_mut(nx * ny).for_each(|plane| {
            let mut envelope = Envelope::default();
            plane.chunks_exact_mut(nx).for_each(|row| envelope.lower(row, sx));
            let mut column = vec![0.0; ny];
            for i in 0..nx {
                (0..ny).for_each(|j| column[j] = plane[i + nx * j]);
                envelope.lower(&mut column, sy);
                (0..ny).for_each(|j| plane[i + nx * j] = column[j]);
            }
        });
        if nz > 1 {
            let lines: Vec<Vec<f32>> = (0..ny)
                .into_par_iter()
                .map(|j| {
                    let mut envelope = Envelope::default();
                    let mut lines = vec![0.0; nx * nz];
                    for (i, line) in lines.chunks_exact_mut(nz).enumerate() {
                        (0..nz).for_each(|k| line[k] = squares[i + nx * (j + ny * k)]);
                        envelope.lower(line, sz);
                    }
                    lines
                })
                .collect();
            squares.par_chunks_mut(nx * ny).enumerate().for_each(|(k, plane)| {
                plane.iter_mut().enumerate().for_each(|(at, square)| *square = lines[at / nx][at % nx * nz + k]);
            });
        }
        squares.par_iter_mut().for_each(|square| *square = square.sqrt());
        squares
    }

    /// What lies within `mm` of the mask.
    pub fn grown(&self, mask: &[bool], mm: f64) -> Vec<bool> {
        self.distance_to(|at| mask[at]).into_iter().map(|d| f64::from(d) <= mm).collect()
    }

    /// What lies further than `mm` from everything outside the mask.
    pub fn shrunk(&self, mask: &[bool], mm: f64) -> Vec<bool> {
        self.distance_to(|at| !mask[at]).into_iter().map(|d| f64::from(d) > mm).collect()
    }

    /// Marks what a mask encloses within one slice across `axis`, face by face: the parts of the rest that do not reach the slice's edge.
    /// `fills` is asked with the voxels of each part.
    pub fn fill_slices(&self, mask: &mut [bool], axis: usize, mut fills: impl FnMut(&[usize]) -> bool) {
        let strides = [1, self.dims[0], self.dims[0] * self.dims[1]];
        let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
        let (nu, nv) = (self.dims[u], self.dims[v]);
        let mut seen = vec![false; nu * nv];
        let mut open = Vec::new();
        let mut part = Vec::new();
        for slice in 0..self.dims[axis] {
            let index = |a: usize, b: usize| slice * strides[axis] + a * strides[u] + b * strides[v];
            seen.fill(false);
            for first in 0..nu * nv {
                if seen[first] || mask[index(first % nu, first / nu)] {
                    continue;
                }
                seen[first] = true;
                open.push(first);
                part.clear();
                let mut reaches_edge = false;
                while let Some(at) = open.pop() {
                    let (a, b) = (at % nu, at / nu);
                    part.push(index(a, b));
                    reaches_edge |= a == 0 || b == 0 || a + 1 == nu || b + 1 == nv;
                    let near = [
                        (a > 0).then(|| at - 1),
                        (a + 1 < nu).then_some(at + 1),
                        (b > 0).then(|| at - nu),
                        (b + 1 < nv).then_some(at + nu),
                    ];
                    for next in near.into_iter().flatten() {
                        if !seen[next] && !mask[index(next % nu, next / nu)] {
                            seen[next] = true;
                            open.push(next);
                        }
                    }
                }
                if !reaches_edge && fills(&part) {
                    part.iter().for_each(|&at| mask[at] = true);
                }
            }
        }
    }
}

/// The lower envelope of the parabolas that stand on the samples of one line.
#[derive(Default)]
struct Envelope {
    /// Where the parabolas of the envelope stand, mm, and how high; and from where on each is the lowest.
    feet: Vec<(f64, f64)>,
    from: Vec<f64>,
}

impl Envelope {
    fn lower(&mut self, line: &mut [f32], step: f64) {
        self.feet.clear();
        self.from.clear();
        for (n, &height) in line.iter().enumerate().filter(|(_, height)| height.is_finite()) {
            let (at, height) = (n as f64 * step, f64::from(height));
            let mut start = f64::NEG_INFINITY;
            while let Some(&(x, y)) = self.feet.last() {
                start = ((height + at * at) - (y + x * x)) / (2.0 * (at - x));
                if self.from.last().is_some_and(|&from| start > from) {
                    break;
                }
                self.feet.pop();
                self.from.pop();
                start = f64::NEG_INFINITY;
            }
            self.feet.push((at, height));
            self.from.push(start);
        }
        if self.feet.is_empty() {
            return;
        }
        let mut piece = 0;
        for (n, out) in line.iter_mut().enumerate() {
            let at = n as f64 * step;
            while self.from.get(piece + 1).is_some_and(|&from| from < at) {
                piece += 1;
            }
            let (x, y) = self.feet[piece];
            *out = ((at - x) * (at - x) + y) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_comparing_every_pair() {
        let lattice = Lattice { dims: [9, 7, 6], spacing_mm: [0.7, 1.3, 3.0] };
        let place = |at: usize| [at % 9, at / 9 % 7, at / 63];
        let marked = [3usize, 77, 200, 201, 340];
        let found = lattice.distance_to(|at| marked.contains(&at));
        for (at, found) in found.into_iter().enumerate() {
            let to = |other: usize| {
                let (a, b) = (place(at), place(other));
                (0..3).map(|axis| ((a[axis] as f64 - b[axis] as f64) * lattice.spacing_mm[axis]).powi(2)).sum::<f64>().sqrt()
            };
            let expected = marked.into_iter().map(to).fold(f64::INFINITY, f64::min);
            assert!((f64::from(found) - expected).abs() < 1e-5, "{at}: {found}, not {expected}");
        }
        assert!(lattice.distance_to(|_| false).into_iter().all(f32::is_infinite));
    }

    #[test]
    fn only_what_a_slice_encloses_is_filled() {
        let lattice = Lattice { dims: [5, 5, 2], spacing_mm: [1.0; 3] };
        let ring = |at: usize| {
            let (i, j) = (at % 5, at / 5 % 5);
            (1..4).contains(&i) && (1..4).contains(&j) && (i, j) != (2, 2)
        };
        // the second slice's ring is broken
        let mut mask: Vec<bool> = (0..50).map(|at| ring(at) && at != 25 + 7).collect();
        lattice.fill_slices(&mut mask, 2, |_| true);
        assert!(mask[12] && !mask[37] && !mask[0]);
        let mut refused: Vec<bool> = (0..50).map(ring).collect();
        lattice.fill_slices(&mut refused, 2, |part| part.len() != 1);
        assert!(!refused[12]);
    }
}
