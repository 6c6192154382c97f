//! Preconditioned conjugate gradients over padded node vectors.
//!
//! The operator and its preconditioner do the vector updates beside their own work, because a vector is cheapest to change where it is read.
//! Sums run in double precision over fixed blocks of nodes, so that an outcome does not depend on threads or processor.

use super::elements::Node;
use super::lanes::widest;

/// Nodes a thread takes at a time.
pub const NODES_PER_BLOCK: usize = 512;

/// A symmetric operator and its preconditioner; both leave held nodes at zero.
pub trait System {
    /// `p` = `z` + β `p` and `ap` = A `p`; the answer is p·Ap.
    fn turn(&mut self, beta: f32, work: &mut Workspace) -> f64;
    /// `solution` += α `p`, `residual` −= α `ap`, `z` = M⁻¹ `residual`; the answer is residual·z.
    fn advance(&mut self, alpha: f32, work: &mut Workspace) -> f64;
}

/// Vectors that a solve needs, kept between solves.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    pub residual: Vec<Node>,
    pub z: Vec<Node>,
    pub p: Vec<Node>,
    pub ap: Vec<Node>,
    pub solution: Vec<Node>,
    /// A sum for each block of nodes.
    pub sums: Vec<f64>,
    /// residual·z.
    decrease: f64,
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
        self.sums.clear();
        self.sums.resize(nodes.div_ceil(NODES_PER_BLOCK), 0.0);
    }

    /// Starts from `residual`: makes `z` of it, for a look at how far the solution is, and for [`Workspace::solve`].
    pub fn start(&mut self, system: &mut impl System) {
        for vector in [&mut self.p, &mut self.ap, &mut self.solution] {
            vector.fill([0.0; 4]);
        }
        self.decrease = system.advance(0.0, self);
    }

    /// residual·z, the square of the residual in the preconditioned norm.
    pub fn decrease(&self) -> f64 {
        self.decrease
    }

    /// Solves A s = `residual` after [`Workspace::start`], to `tolerance` in the preconditioned norm; s is left in `solution`.
    pub fn solve(&mut self, system: &mut impl System, tolerance: f32, most: u32) -> (Ending, u32) {
        let enough = self.decrease * f64::from(tolerance) * f64::from(tolerance);
        let mut beta = 0.0;
        for iteration in 1..=most {
            let curvature = system.turn(beta, self);
            if curvature.is_nan() || curvature <= 0.0 {
                if iteration == 1 {
                    self.solution.copy_from_slice(&self.z);
                }
                return (Ending::NegativeCurvature, iteration);
            }
            let next = system.advance((self.decrease / curvature) as f32, self);
            beta = (next / self.decrease) as f32;
            self.decrease = next;
            if next <= enough || next.is_nan() {
                return (Ending::Solved, iteration);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of springs, held at one end.
    struct Chain;
    impl System for Chain {
        fn turn(&mut self, beta: f32, Workspace { z, p, ap, .. }: &mut Workspace) -> f64 {
            p.iter_mut().zip(z).for_each(|(p, z)| p[0] = z[0] + beta * p[0]);
            for i in 0..p.len() {
                let (before, after) =
                    (if i > 0 { p[i - 1][0] } else { 0.0 }, if i + 1 < p.len() { p[i + 1][0] } else { p[i][0] });
                ap[i] = [2.0 * p[i][0] - before - after, 0.0, 0.0, 0.0];
            }
            dot(p, ap)
        }
        fn advance(&mut self, alpha: f32, Workspace { z, p, ap, residual, solution, .. }: &mut Workspace) -> f64 {
            solution.iter_mut().zip(p).for_each(|(x, p)| x[0] += alpha * p[0]);
            residual.iter_mut().zip(ap).for_each(|(r, ap)| r[0] -= alpha * ap[0]);
            z.copy_from_slice(residual);
            dot(residual, z)
        }
    }

    #[test]
    fn a_chain_of_ten_springs_is_solved_in_ten_iterations() {
        let mut work = Workspace::default();
        work.resize(10);
        work.residual[9][0] = 1.0;
        work.start(&mut Chain);
        let (ending, iterations) = work.solve(&mut Chain, 1e-6, 50);
        assert_eq!(ending, Ending::Solved);
        assert!(iterations <= 10);
        for (i, node) in work.solution.iter().enumerate() {
            assert!((node[0] - (i + 1) as f32).abs() < 1e-4);
        }
    }
}
