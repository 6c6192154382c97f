//! A thin layer on the faces that were the surface of the whole organ: its capsule, or the peritoneum.
//!
//! ```text
//! ψ = μ |E|² + λ/2 (tr E)²      per area; E = ½ (FᵀF − I) in the plane of the face, μ, λ those of plane stress times the thickness
//! P = F S,  S = 2 μ E + λ tr E I,  δP = δF S + F δS
//! ```
//! The St. Venant–Kirchhoff membrane (Ciarlet, “Mathematical Elasticity III”, §1): bending of so thin a layer is nothing beside the tissue's. Pressed
//! together far it turns soft; the tissue under it holds.

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use glam::Vec3;

use super::lanes::{Lanes, Real, WIDTH};

type Vector = [Lanes; 3];
const ZERO: Vector = [Lanes::ZERO; 3];

/// Eight faces.
#[derive(Clone)]
pub struct MembraneBatch {
    /// Local nodes.
    pub corners: [[u16; WIDTH]; 3],
    /// Gradients of the shape functions of corners 1 and 2 along two directions in the face's plane, 1/m.
    gradients: [[Lanes; 2]; 2],
    /// Those directions at rest, unit and across each other.
    tangents: [Vector; 2],
    /// Times the area, J.
    mu: Lanes,
    lambda: Lanes,
    /// F, and S (along, shear, across) or its bound, at the last evaluation.
    f: [Vector; 2],
    s: [Lanes; 3],
}

#[inline(always)]
fn dot(a: &Vector, b: &Vector) -> Lanes {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl MembraneBatch {
    /// Nothing in any lane; `spare` is the local node of lanes without a face.
    pub fn new(spare: u16) -> Self {
        Self {
            corners: [[spare; WIDTH]; 3],
            gradients: [[Lanes::ZERO; 2]; 2],
            tangents: [ZERO; 2],
            mu: Lanes::ZERO,
            lambda: Lanes::ZERO,
            f: [ZERO; 2],
            s: ZERO,
        }
    }

    /// Puts a face into a lane: its local nodes, its corners at rest and its stiffness, N/m. A face without an area is left out.
    pub fn put(&mut self, lane: usize, nodes: [u16; 3], rest: [Vec3; 3], (mu, lambda): (f32, f32)) {
        let (a, b) = ((rest[1] - rest[0]).as_dvec3(), (rest[2] - rest[0]).as_dvec3());
        let along = a.normalize_or_zero();
        let (length, over) = (a.length(), b.dot(along));
        let across = b - along * over;
        let height = across.length();
        if !(length > 0.0 && height > 0.0) {
            return;
        }
        for (corner, node) in nodes.into_iter().enumerate() {
            self.corners[corner][lane] = node;
        }
        // the inverse of the edges (length, 0) and (over, height)
        let rows = [[1.0 / length, -over / (length * height)], [0.0, 1.0 / height]];
        for (own, row) in self.gradients.iter_mut().zip(rows) {
            own.iter_mut().zip(row).for_each(|(lanes, value)| lanes.0[lane] = value as f32);
        }
        for (own, direction) in self.tangents.iter_mut().zip([along, across / height]) {
            own.iter_mut().zip(direction.as_vec3().to_array()).for_each(|(lanes, value)| lanes.0[lane] = value);
        }
        let area = (0.5 * length * height) as f32;
        self.mu.0[lane] = mu * area;
        self.lambda.0[lane] = lambda * area;
    }

    #[inline(always)]
    fn slopes(&self, [origin, a, b]: &[Vector; 3]) -> [Vector; 2] {
        let mut slopes = [ZERO; 2];
        for i in 0..3 {
            let (ea, eb) = (a[i] - origin[i], b[i] - origin[i]);
            for (k, slope) in slopes.iter_mut().enumerate() {
                slope[i] = ea * self.gradients[0][k] + eb * self.gradients[1][k];
            }
        }
        slopes
    }

    /// Forces of a stress on the three corners.
    #[inline(always)]
    fn forces(&self, p: &[Vector; 2]) -> [Vector; 3] {
        let mut forces = [ZERO; 3];
        for i in 0..3 {
            for k in 0..2 {
                forces[k + 1][i] = p[0][i] * self.gradients[k][0] + p[1][i] * self.gradients[k][1];
            }
            forces[0][i] = -(forces[1][i] + forces[2][i]);
        }
        forces
    }

    /// S of 2 E.
    #[inline(always)]
    fn tension(&self, twice: &[Lanes; 3]) -> [Lanes; 3] {
        let pressure = Lanes::of(0.5) * self.lambda * (twice[0] + twice[2]);
        [self.mu * twice[0] + pressure, self.mu * twice[1], self.mu * twice[2] + pressure]
    }

    /// Energy, J, and the forces on the corners, N, at their displacements.
    #[inline(always)]
    pub fn evaluate(&mut self, u: &[Vector; 3]) -> (Lanes, [Vector; 3]) {
        let (d, t) = (self.slopes(u), &self.tangents);
        let twice = [
            dot(&t[0], &d[0]) + dot(&t[0], &d[0]) + dot(&d[0], &d[0]),
            dot(&t[0], &d[1]) + dot(&d[0], &t[1]) + dot(&d[0], &d[1]),
            dot(&t[1], &d[1]) + dot(&t[1], &d[1]) + dot(&d[1], &d[1]),
        ];
        for k in 0..2 {
            for i in 0..3 {
                self.f[k][i] = t[k][i] + d[k][i];
            }
        }
        self.s = self.tension(&twice);
        let energy = self.s[0] * twice[0] + self.s[2] * twice[2] + Lanes::of(2.0) * self.s[1] * twice[1];
        let f = self.f;
        (Lanes::of(0.25) * energy, self.forces(&self.times(&f, &self.s)))
    }

    /// F S.
    #[inline(always)]
    fn times(&self, f: &[Vector; 2], s: &[Lanes; 3]) -> [Vector; 2] {
        let mut p = [ZERO; 2];
        for i in 0..3 {
            p[0][i] = f[0][i] * s[0] + f[1][i] * s[1];
            p[1][i] = f[0][i] * s[1] + f[1][i] * s[2];
        }
        p
    }

    /// The stiffness times a change of the corners' displacements, N.
    #[inline(always)]
    pub fn product(&self, du: &[Vector; 3]) -> [Vector; 3] {
        let (df, f) = (self.slopes(du), &self.f);
        let twice = [
            dot(&f[0], &df[0]) + dot(&f[0], &df[0]),
            dot(&f[0], &df[1]) + dot(&df[0], &f[1]),
            dot(&f[1], &df[1]) + dot(&f[1], &df[1]),
        ];
        let (by_tension, by_change) = (self.times(&df, &self.s), self.times(f, &self.tension(&twice)));
        let mut dp = [ZERO; 2];
        for k in 0..2 {
            for i in 0..3 {
                dp[k][i] = by_tension[k][i] + by_change[k][i];
            }
        }
        self.forces(&dp)
    }

    /// Makes the stiffness positive where it was not; unchanged where S is.
    pub fn clamp(&mut self) {
        let (half, s) = (Lanes::of(0.5), &mut self.s);
        let (mean, apart) = (half * (s[0] + s[2]), half * (s[0] - s[2]));
        let lift = ((apart * apart + s[1] * s[1]).sqrt() - mean).at_least(Lanes::ZERO);
        s[0] = s[0] + lift;
        s[2] = s[2] + lift;
    }

    /// Diagonal blocks of the three corners: xx, xy, xz, yy, yz, zz; what is negative in them is left out.
    #[inline(always)]
    pub fn blocks(&self) -> [[Lanes; 6]; 3] {
        let [a, b] = self.gradients;
        let first = [-(a[0] + b[0]), -(a[1] + b[1])];
        let s = &self.s;
        let mut blocks = [[Lanes::ZERO; 6]; 3];
        for (g, block) in [first, a, b].iter().zip(&mut blocks) {
            let shear = s[1] * g[0] * g[1];
            let even = (s[0] * g[0] * g[0] + shear + shear + s[2] * g[1] * g[1]).at_least(Lanes::ZERO);
            let mut across = ZERO;
            for i in 0..3 {
                across[i] = self.f[0][i] * g[0] + self.f[1][i] * g[1];
            }
            let square = g[0] * g[0] + g[1] * g[1];
            for (k, (i, j)) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)].into_iter().enumerate() {
                let own = self.f[0][i] * self.f[0][j] + self.f[1][i] * self.f[1][j];
                block[k] = self.mu * square * own + (self.mu + self.lambda) * across[i] * across[j];
                if i == j {
                    block[k] = block[k] + even;
                }
            }
        }
        blocks
    }
}
