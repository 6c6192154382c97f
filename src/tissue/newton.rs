//! The linear system of one Newton step: the stiffness of elements and terms with the inertia, and its preconditioner.

use super::clusters::Clusters;
use super::coarse::Lattice;
use super::crew::{Crew, parts};
use super::elements::{Elements, Node};
use super::lanes::widest;
use super::layout::Transfer;
use super::pcg::{NODES_PER_BLOCK, System, Workspace};
use super::terms::Terms;

pub struct Newton<'a, 'b> {
    pub crew: &'a mut Crew<'b>,
    pub elements: &'a mut Elements,
    pub clusters: &'a mut Clusters,
    pub lattice: &'a mut Lattice,
    pub terms: &'a Terms,
    /// The terms' share of a product.
    pub extra: &'a mut [Node],
    pub inertia: &'a [f32],
    pub free: &'a [bool],
    pub inverse: &'a [[f32; 6]],
}

impl System for Newton<'_, '_> {
    fn turn(&mut self, beta: f32, work: &mut Workspace) -> f64 {
        let Workspace { z, p, ap, sums, .. } = work;
        let size = NODES_PER_BLOCK;
        self.crew.each((parts(p, size), parts(self.extra, size)), |index, (p, extra)| {
            let z = &z[index * size..][..p.len()];
            widest!((p: &'a mut [Node] = p, z: &'a [Node] = z, beta: f32 = beta) -> () {
                for (p, z) in p.iter_mut().zip(z) {
                    for k in 0..4 {
                        p[k] = z[k] + beta * p[k];
                    }
                }
            });
            extra.fill([0.0; 4]);
        });
        let (p, terms, extra) = (&p[..], self.terms, &mut self.extra[..]);
        self.elements.product(self.crew, || terms.product(p, extra), p);
        let (elements, extra, inertia, free) = (&*self.elements, &self.extra[..], self.inertia, self.free);
        self.crew.each((parts(ap, size), parts(sums, 1)), |index, (ap, sum)| {
            sum[0] = widest!((
                from: usize = index * size,
                ap: &'a mut [Node] = ap,
                p: &'a [Node] = p,
                elements: &'a Elements = elements,
                extra: &'a [Node] = extra,
                inertia: &'a [f32] = inertia,
                free: &'a [bool] = free,
            ) -> f64 {
                let mut sums = [0.0f64; 4];
                for (local, out) in ap.iter_mut().enumerate() {
                    let node = from + local;
                    if !free[node] {
                        *out = [0.0; 4];
                        continue;
                    }
                    let (elastic, extra, m, p) = (elements.force(node), extra[node], inertia[node], p[node]);
                    for k in 0..4 {
                        out[k] = m * p[k] + elastic[k] + extra[k];
                        sums[k] += f64::from(p[k]) * f64::from(out[k]);
                    }
                }
                (sums[0] + sums[2]) + (sums[1] + sums[3])
            });
        });
        sums.iter().sum()
    }

    fn advance(&mut self, alpha: f32, work: &mut Workspace) -> f64 {
        let Workspace { residual, z, p, ap, solution, sums, .. } = work;
        let size = NODES_PER_BLOCK;
        let (transfers, partial) = self.lattice.transfers();
        let inverse = self.inverse;
        let all = (parts(solution, size), parts(residual, size), parts(z, size), parts(partial, 1));
        self.crew.each(all, |index, (solution, residual, z, coarse)| {
            let within = index * size..index * size + z.len();
            widest!((
                alpha: f32 = alpha,
                solution: &'a mut [Node] = solution,
                residual: &'a mut [Node] = residual,
                z: &'a mut [Node] = z,
                p: &'a [Node] = &p[within.clone()],
                ap: &'a [Node] = &ap[within.clone()],
                inverse: &'a [[f32; 6]] = &inverse[within.clone()],
                transfer: &'a Transfer = &transfers[index],
                coarse: &'a mut Vec<Node> = &mut coarse[0],
            ) -> () {
                for (((x, r), z), ((p, ap), b)) in
                    solution.iter_mut().zip(&mut *residual).zip(z).zip(p.iter().zip(ap).zip(inverse))
                {
                    for k in 0..4 {
                        x[k] += alpha * p[k];
                        r[k] -= alpha * ap[k];
                    }
                    *z = [
                        b[0] * r[0] + b[1] * r[1] + b[2] * r[2],
                        b[1] * r[0] + b[3] * r[1] + b[4] * r[2],
                        b[2] * r[0] + b[4] * r[1] + b[5] * r[2],
                        0.0,
                    ];
                }
                transfer.restrict(residual, coarse);
            });
        });
        let lattice = &mut *self.lattice;
        self.clusters.solve(self.crew, || lattice.solve(), residual);
        let (transfers, moves) = self.lattice.moves();
        let (free, clusters) = (self.free, &*self.clusters);
        self.crew.each((parts(z, size), parts(sums, 1)), |index, (z, sum)| {
            let within = index * size..index * size + z.len();
            sum[0] = widest!((
                z: &'a mut [Node] = z,
                residual: &'a [Node] = &residual[within.clone()],
                free: &'a [bool] = &free[within.clone()],
                transfer: &'a Transfer = &transfers[index],
                moves: &'a [f32] = moves,
                clusters: &'a Clusters = clusters,
                from: usize = within.start,
            ) -> f64 {
                for (local, z) in z.iter_mut().enumerate() {
                    if let Some(solution) = clusters.solution(from + local) {
                        *z = solution;
                    }
                }
                transfer.prolong(moves, free, z);
                let mut sums = [0.0f64; 4];
                for (r, z) in residual.iter().zip(z.iter()) {
                    for k in 0..4 {
                        sums[k] += f64::from(r[k]) * f64::from(z[k]);
                    }
                }
                (sums[0] + sums[2]) + (sums[1] + sums[3])
            });
        });
        sums.iter().sum()
    }
}

/// Makes the inverse of each diagonal block: `blocks` holds the stiffness of elements and terms, to which the inertia comes; held nodes get zero.
pub fn invert_blocks(crew: &mut Crew, blocks: &mut [[f32; 6]], inertia: &[f32], free: &[bool]) {
    crew.each(parts(blocks, NODES_PER_BLOCK), |index, blocks| {
        let from = index * NODES_PER_BLOCK;
        for ((block, &m), &is_free) in blocks.iter_mut().zip(&inertia[from..]).zip(&free[from..]) {
            if !is_free {
                *block = [0.0; 6];
                continue;
            }
            for k in [0, 3, 5] {
                block[k] += m;
            }
            *block = invert(*block).unwrap_or_else(|| {
                let one = 1.0 / m.max(f32::MIN_POSITIVE);
                [one, 0.0, 0.0, one, 0.0, one]
            });
        }
    });
}

/// Inverse of a symmetric positive block; `None` where it is not positive.
fn invert([xx, xy, xz, yy, yz, zz]: [f32; 6]) -> Option<[f32; 6]> {
    let (a, b, c) = (yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy);
    let determinant = xx * a + xy * b + xz * c;
    let inverse = 1.0 / determinant;
    let sound = determinant > 0.0 && inverse.is_finite();
    sound.then_some([
        a * inverse,
        b * inverse,
        c * inverse,
        (xx * zz - xz * xz) * inverse,
        (xy * xz - xx * yz) * inverse,
        (xx * yy - xy * xy) * inverse,
    ])
}
