//! Preconditioned conjugate gradients over padded node vectors.
//!
//! Sums run in double precision over fixed blocks of nodes, so that an outcome does not depend on threads or processor.

use super::elements::Node;
use super::lanes::widest;

/// A symmetric operator and its preconditioner; both leave held nodes at zero.
pub trait System {
    /// `out` = A p.
    fn product(&mut self, p: &[Node], out: &mut [Node]);
    /// `z` = M⁻¹ r.
    fn precondition(&mut self, r: &[Node], z: &mut [Node]);
}

/// Vectors that a solve needs, kept between solves.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    pub residual: Vec<Node>,
    pub z: Vec<Node>,
    p: Vec<Node>,
    ap: Vec<Node>,
    pub solution: Vec<Node>,
}

/// How a solve ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Solved,
    /// The operator is not positive along a direction; the solution so far (or the preconditioned residual) goes downhill.
    NegativeCurvature,
}

impl Workspace {
    pub fn resize(&mut self, nodes: usize) {
        for vector in [&mut self.residual, &mut self.z, &mut self.p, &mut self.ap, &mut self.solution] {
            vector.clear();
            vector.resize(nodes, [0.0; 4]);
        }
    }

    /// Solves A s = `residual`, with `z` = M⁻¹ residual given, to `tolerance` in the preconditioned norm; s is left in `solution`.
    pub fn solve(&mut self, system: &mut impl System, tolerance: f32, most: u32) -> (Ending, u32) {
        self.solution.fill([0.0; 4]);
        self.p.copy_from_slice(&self.z);
        let mut rz = dot(&self.residual, &self.z);
        let enough = rz * f64::from(tolerance) * f64::from(tolerance);
        for iteration in 1..=most {
            system.product(&self.p, &mut self.ap);
            let curvature = dot(&self.p, &self.ap);
            if curvature.is_nan() || curvature <= 0.0 {
                if iteration == 1 {
                    self.solution.copy_from_slice(&self.z);
                }
                return (Ending::NegativeCurvature, iteration);
            }
            let alpha = (rz / curvature) as f32;
            update(&mut self.solution, alpha, &self.p);
            update(&mut self.residual, -alpha, &self.ap);
            system.precondition(&self.residual, &mut self.z);
            let next = dot(&self.residual, &self.z);
            if next <= enough || next.is_nan() {
                return (Ending::Solved, iteration);
            }
            let beta = (next / rz) as f32;
            rz = next;
            widest!((p: &'a mut [Node] = &mut self.p, z: &'a [Node] = &self.z, beta: f32 = beta) -> () {
                for (p, z) in p.iter_mut().zip(z) {
                    for k in 0..4 {
                        p[k] = z[k] + beta * p[k];
                    }
                }
            });
        }
        (Ending::Solved, most)
    }
}

/// a·b in double precision, four running sums.
pub fn dot(a: &[Node], b: &[Node]) -> f64 {
    widest!((a: &'a [Node] = a, b: &'a [Node] = b) -> f64 {
        let mut sums = [0.0f64; 4];
        for (x, y) in a.iter().zip(b) {
            for k in 0..4 {
                sums[k] += f64::from(x[k]) * f64::from(y[k]);
            }
        }
        (sums[0] + sums[2]) + (sums[1] + sums[3])
    })
}

/// a += factor b.
pub fn update(a: &mut [Node], factor: f32, b: &[Node]) {
    widest!((a: &'a mut [Node] = a, factor: f32 = factor, b: &'a [Node] = b) -> () {
        for (x, y) in a.iter_mut().zip(b) {
            for k in 0..4 {
                x[k] += factor * y[k];
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of springs, held at one end.
    struct Chain;
    impl System for Chain {
        fn product(&mut self, p: &[Node], out: &mut [Node]) {
            for i in 0..p.len() {
                let (before, after) =
                    (if i > 0 { p[i - 1][0] } else { 0.0 }, if i + 1 < p.len() { p[i + 1][0] } else { p[i][0] });
                out[i] = [2.0 * p[i][0] - before - after, 0.0, 0.0, 0.0];
            }
        }
        fn precondition(&mut self, r: &[Node], z: &mut [Node]) {
            z.copy_from_slice(r);
        }
    }

    #[test]
    fn a_chain_of_ten_springs_is_solved_in_ten_iterations() {
        let mut work = Workspace::default();
        work.resize(10);
        work.residual[9][0] = 1.0;
        work.z = work.residual.clone();
        let (ending, iterations) = work.solve(&mut Chain, 1e-6, 50);
        assert_eq!(ending, Ending::Solved);
        assert!(iterations <= 10);
        for (i, node) in work.solution.iter().enumerate() {
            assert!((node[0] - (i + 1) as f32).abs() < 1e-4);
        }
    }
}
