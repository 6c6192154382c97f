//! Tetrahedra for the inside of a distance field: isosurface stuffing on one level of a body-centred cubic lattice.
//!
//! F. Labelle and J. R. Shewchuk, “Isosurface Stuffing: Fast Tetrahedral Meshes with Good Dihedral Angles”, ACM Transactions on
//! Graphics 26(3):57, 2007. The lattice's own tetrahedra fill the inside; where the surface cuts a lattice edge too close to an end,
//! that end is warped onto the surface; what is still cut is filled by stencils. Every boundary vertex lies on the surface.
//! Two choices of ours: cut points come from bisection on the field instead of a chord, and where both cut edges of a face are short
//! the shorter diagonal is taken instead of the paper's parity rule, so that its proven angle bounds are not inherited: each mesh states
//! its own (`MeshQuality`).
//! Features thinner than a cell are lost, and edges sharper than a cell are bevelled.

use std::collections::HashMap;

use glam::DVec3;

use crate::geom::{DistanceField, TetMesh, tet_volume};

/// A lattice point is warped when a cut is nearer than these shares of a long and of a short edge (the paper's “safe” values for
/// the dihedral angles, its table 2).
pub(super) const WARP_LONG: f64 = 0.24999;
pub(super) const WARP_SHORT: f64 = 0.41189;
/// Halvings of a lattice edge in search of the surface: 2⁻²⁴ of an edge is below what f32 positions resolve.
pub(super) const BISECTIONS: usize = 24;
/// Most lattice points.
const MAX_POINTS: usize = 1 << 26;

pub(super) struct Lattice<'a> {
    field: &'a DistanceField,
    /// Corner points along x, y, z; there is one centre fewer each way.
    corners: [usize; 3],
    pub(super) positions: Vec<DVec3>,
    /// Signed distance, 0 for a point that lies on the surface or was warped onto it.
    pub(super) values: Vec<f64>,
    /// Where an edge (lower point first) is cut, as a share of its length; looked up, never walked.
    cuts: HashMap<(u32, u32), f64>,
}

/// Fills the inside of `field` with tetrahedra on lattice cells of `cell_m`; nothing if the lattice would be too large or no cell is inside.
///
/// The mesh is the largest part connected over faces; all volumes are positive, the order is that of the lattice.
pub fn stuff(field: &DistanceField, cell_m: f64) -> Option<TetMesh> {
    let mut lattice = Lattice::new(field, cell_m)?;
    lattice.warp();
    let mut filler = Filler { lattice: &lattice, points: HashMap::new(), positions: Vec::new(), tets: Vec::new() };
    lattice.for_each_tet(|tet| filler.fill(tet));
    let Filler { positions, tets, .. } = filler;
    let mesh = TetMesh { vertices: positions.iter().map(|p| p.as_vec3()).collect(), tets };
    let mesh = largest_part(&positive(mesh));
    (!mesh.tets.is_empty()).then_some(mesh)
}

impl<'a> Lattice<'a> {
    pub(super) fn new(field: &'a DistanceField, cell: f64) -> Option<Self> {
        // corners at whole multiples of the cell, so that the lattice hangs on the organ's frame and not on the field's margin; one cell
        // more on every side than the field, where every point lies outside
        let low = (field.origin.as_dvec3() / cell).floor() - 1.0;
        let origin = low * cell;
        let reach = DVec3::from_array(field.dims.map(|n| (n - 1) as f64)) * f64::from(field.spacing_m);
        let corners = (((field.origin.as_dvec3() + reach) / cell).ceil() - low).to_array().map(|n| n as usize + 2);
        if corners.iter().try_fold(2usize, |n, &d| n.checked_mul(d)).is_none_or(|n| n > MAX_POINTS) {
            return None;
        }
        let mut lattice = Self { field, corners, positions: Vec::new(), values: Vec::new(), cuts: HashMap::new() };
        let [cx, cy, cz] = corners;
        for (dims, offset) in [([cx, cy, cz], 0.0), ([cx - 1, cy - 1, cz - 1], 0.5)] {
            for k in 0..dims[2] {
                for j in 0..dims[1] {
                    for i in 0..dims[0] {
                        let at = origin + (DVec3::new(i as f64, j as f64, k as f64) + offset) * cell;
                        lattice.positions.push(at);
                        lattice.values.push(f64::from(field.sample(at.as_vec3())));
                    }
                }
            }
        }
        Some(lattice)
    }

    fn corner(&self, [i, j, k]: [usize; 3]) -> u32 {
        (i + self.corners[0] * (j + self.corners[1] * k)) as u32
    }

    fn centre(&self, [i, j, k]: [usize; 3]) -> u32 {
        let [cx, cy, cz] = self.corners;
        (cx * cy * cz + i + (cx - 1) * (j + (cy - 1) * k)) as u32
    }

    pub(super) fn is_centre(&self, point: u32) -> bool {
        point as usize >= self.corners.iter().product()
    }

    /// Whether the sum of a point's steps along the axes is odd: the ends of every long edge differ in it.
    pub(super) fn is_odd(&self, point: u32) -> bool {
        let corners: usize = self.corners.iter().product();
        let (at, less) = if self.is_centre(point) { (point as usize - corners, 1) } else { (point as usize, 0) };
        let (nx, ny) = (self.corners[0] - less, self.corners[1] - less);
        (at % nx + at / nx % ny + at / (nx * ny)) % 2 == 1
    }

    /// An edge between points of one kind is long (a cell), one between a corner and a centre short (√3/2 of it).
    fn is_long(&self, a: u32, b: u32) -> bool {
        self.is_centre(a) == self.is_centre(b)
    }

    /// Visits the lattice's tetrahedra: around each face shared by two cells four, between their centres and one side of the face.
    pub(super) fn for_each_tet(&self, mut visit: impl FnMut([u32; 4])) {
        let [cx, cy, cz] = self.corners;
        for k in 0..cz - 1 {
            for j in 0..cy - 1 {
                for i in 0..cx - 1 {
                    for axis in 0..3 {
                        let cell = [i, j, k];
                        let mut next = cell;
                        next[axis] += 1;
                        if next[axis] + 1 >= self.corners[axis] {
                            continue;
                        }
                        let ring = [[0, 0], [1, 0], [1, 1], [0, 1]].map(|[u, v]| {
                            let mut corner = next;
                            corner[(axis + 1) % 3] += u;
                            corner[(axis + 2) % 3] += v;
                            self.corner(corner)
                        });
                        let (a, b) = (self.centre(cell), self.centre(next));
                        for side in 0..4 {
                            visit([a, b, ring[side], ring[(side + 1) % 4]]);
                        }
                    }
                }
            }
        }
    }

    fn sign(&self, point: u32) -> i8 {
        let value = self.values[point as usize];
        // + is inside, as in the paper
        if value < 0.0 { 1 } else { -i8::from(value > 0.0) }
    }

    /// Share of the way from `a` to `b` at which the field changes sign.
    fn cut(&mut self, a: u32, b: u32) -> f64 {
        let key = (a.min(b), a.max(b));
        let share = match self.cuts.get(&key) {
            Some(&share) => share,
            None => {
                let (from, to) = (self.positions[key.0 as usize], self.positions[key.1 as usize]);
                let inside = self.values[key.0 as usize] < 0.0;
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..BISECTIONS {
                    let middle = 0.5 * (low + high);
                    if (self.field.sample(from.lerp(to, middle).as_vec3()) < 0.0) == inside {
                        low = middle
                    } else {
                        high = middle
                    }
                }
                let share = 0.5 * (low + high);
                self.cuts.insert(key, share);
                share
            }
        };
        if a < b { share } else { 1.0 - share }
    }

    /// Step 3 of the paper: every point that a cut comes too close to moves onto the nearest such cut. Points are taken in order; the
    /// cuts on a warped point's edges are gone for those after it.
    fn warp(&mut self) {
        let mut edges: Vec<(u32, u32)> = Vec::new();
        self.for_each_tet(|tet| {
            for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
                let (a, b) = (tet[a].min(tet[b]), tet[a].max(tet[b]));
                if self.sign(a) * self.sign(b) < 0 {
                    edges.extend([(a, b), (b, a)]);
                }
            }
        });
        edges.sort_unstable();
        edges.dedup();
        let mut start = 0;
        while start < edges.len() {
            let point = edges[start].0;
            let end = start + edges[start..].partition_point(|edge| edge.0 == point);
            let mut nearest: Option<(f64, DVec3)> = None;
            for &(_, other) in &edges[start..end] {
                if self.sign(point) * self.sign(other) >= 0 {
                    continue;
                }
                let share = self.cut(point, other);
                if share < if self.is_long(point, other) { WARP_LONG } else { WARP_SHORT } {
                    let at = self.positions[point as usize].lerp(self.positions[other as usize], share);
                    let distance = at.distance(self.positions[point as usize]);
                    if nearest.is_none_or(|(d, _)| distance < d) {
                        nearest = Some((distance, at));
                    }
                }
            }
            if let Some((_, at)) = nearest {
                self.positions[point as usize] = at;
                self.values[point as usize] = 0.0;
            }
            start = end;
        }
    }
}

/// A vertex of the mesh: a lattice point, or the cut of an edge (lower point first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Origin(u32, u32);

struct Filler<'a> {
    lattice: &'a Lattice<'a>,
    points: HashMap<Origin, u32>,
    positions: Vec<DVec3>,
    tets: Vec<[u32; 4]>,
}

impl Filler<'_> {
    fn vertex(&mut self, origin: Origin, at: DVec3) -> u32 {
        let next = self.positions.len() as u32;
        let id = *self.points.entry(origin).or_insert(next);
        if id == next {
            self.positions.push(at);
        }
        id
    }

    fn point(&mut self, point: u32) -> u32 {
        self.vertex(Origin(point, point), self.lattice.positions[point as usize])
    }

    fn cut(&mut self, a: u32, b: u32) -> u32 {
        let (a, b) = (a.min(b), a.max(b));
        let share = self.lattice.cuts.get(&(a, b)).copied().unwrap_or(0.5);
        let at = self.lattice.positions[a as usize].lerp(self.lattice.positions[b as usize], share);
        self.vertex(Origin(a, b), at)
    }

    /// The stencils (figure 3 of the paper).
    fn fill(&mut self, tet: [u32; 4]) {
        let of = |sign: i8| -> Vec<u32> { tet.iter().copied().filter(|&p| self.lattice.sign(p) == sign).collect() };
        let (plus, zero, minus) = (of(1), of(0), of(-1));
        match (&plus[..], &zero[..], &minus[..]) {
            ([], ..) => {}
            (_, _, []) => {
                let corners = tet.map(|p| self.point(p));
                self.tets.push(corners);
            }
            (&[p], &[], &[a, b, c]) => {
                let corners = [self.point(p), self.cut(p, a), self.cut(p, b), self.cut(p, c)];
                self.tets.push(corners);
            }
            (&[p], &[z], &[a, b]) => {
                let corners = [self.point(p), self.point(z), self.cut(p, a), self.cut(p, b)];
                self.tets.push(corners);
            }
            (&[p], &[y, z], &[a]) => {
                let corners = [self.point(p), self.point(y), self.point(z), self.cut(p, a)];
                self.tets.push(corners);
            }
            (&[p, q], &[z], &[m]) => {
                let crossed = self.diagonal_from_first(p, q, m);
                let [ip, iq, iz, cp, cq] = [self.point(p), self.point(q), self.point(z), self.cut(p, m), self.cut(q, m)];
                if crossed {
                    self.tets.extend([[ip, iq, cq, iz], [ip, cq, cp, iz]]);
                } else {
                    self.tets.extend([[ip, iq, cp, iz], [iq, cq, cp, iz]]);
                }
            }
            (&[p, q], &[], &[m, n]) => {
                let first = [self.point(p), self.cut(p, m), self.cut(p, n)];
                let second = [self.point(q), self.cut(q, m), self.cut(q, n)];
                let on_m = self.diagonal_from_first(p, q, m);
                let on_n = !self.diagonal_from_first(p, q, n);
                // the third quadrilateral lies on the surface and nobody shares it
                let free = if on_m == on_n { !on_m } else { self.shorter(first[1], second[2], first[2], second[1]) };
                self.tets.extend(prism(first, second, [on_m, free, on_n]).into_iter().flatten());
            }
            (&[p, q, r], &[], &[m]) => {
                let inner = [p, q, r].map(|v| self.point(v));
                let outer = [p, q, r].map(|v| self.cut(v, m));
                let diagonals =
                    [self.diagonal_from_first(p, q, m), self.diagonal_from_first(q, r, m), self.diagonal_from_first(r, p, m)];
                self.tets.extend(prism(inner, outer, diagonals).into_iter().flatten());
            }
            _ => {}
        }
    }

    /// Whether the quadrilateral p, q, cut(q m), cut(p m) is split from p to cut(q m), and not from q to cut(p m): from the cut of the
    /// long edge where one is cut, else along the shorter diagonal. Both neighbours of the face must answer alike, so only the face
    /// itself is asked; and because a tetrahedron's two long edges are opposite, no prism gets three diagonals that run in a circle.
    fn diagonal_from_first(&mut self, p: u32, q: u32, m: u32) -> bool {
        if self.lattice.is_long(p, m) {
            return false;
        }
        if self.lattice.is_long(q, m) {
            return true;
        }
        let (ip, iq, cp, cq) = (self.point(p), self.point(q), self.cut(p, m), self.cut(q, m));
        self.shorter(ip, cq, iq, cp)
    }

    /// Whether the diagonal a–b is shorter than c–d; of equal ones the one that holds the lowest number.
    fn shorter(&self, a: u32, b: u32, c: u32, d: u32) -> bool {
        let length = |a: u32, b: u32| self.positions[a as usize].distance_squared(self.positions[b as usize]);
        let (first, second) = (length(a, b), length(c, d));
        if (first - second).abs() > 1e-9 * first { first < second } else { a.min(b) < c.min(d) }
    }
}

/// Three tetrahedra for the prism a, b; `diagonals[i]` tells whether side i is split from `a[i]` to `b[i + 1]`. Nothing if all three agree.
pub(super) fn prism(a: [u32; 3], b: [u32; 3], diagonals: [bool; 3]) -> Option<[[u32; 4]; 3]> {
    // two diagonals meet at a[i] where one side leans to it and the next one away
    let i = (0..3).find(|&i| diagonals[i] && !diagonals[(i + 2) % 3])?;
    let (j, k) = ((i + 1) % 3, (i + 2) % 3);
    let [second, third] = if diagonals[j] {
        [[a[i], a[j], a[k], b[k]], [a[i], a[j], b[k], b[j]]]
    } else {
        [[a[i], a[j], a[k], b[j]], [a[i], a[k], b[k], b[j]]]
    };
    Some([[a[i], b[0], b[1], b[2]], second, third])
}

/// Turns every tetrahedron to positive volume and leaves out those that rounding has flattened.
fn positive(mut mesh: TetMesh) -> TetMesh {
    for tet in 0..mesh.tets.len() {
        if tet_volume(mesh.corners(tet)) < 0.0 {
            mesh.tets[tet].swap(2, 3);
        }
    }
    let keep: Vec<bool> = (0..mesh.tets.len()).map(|tet| tet_volume(mesh.corners(tet)) > 0.0).collect();
    let mut at = 0;
    mesh.tets.retain(|_| {
        at += 1;
        keep[at - 1]
    });
    mesh
}

/// The tetrahedra of the largest part that hangs together over faces (the first of equal ones), with the vertices they use in order of use.
fn largest_part(mesh: &TetMesh) -> TetMesh {
    let mut parent: Vec<u32> = (0..mesh.tets.len() as u32).collect();
    fn root(parent: &mut [u32], mut at: u32) -> u32 {
        while parent[at as usize] != at {
            parent[at as usize] = parent[parent[at as usize] as usize];
            at = parent[at as usize];
        }
        at
    }
    let mut faces: HashMap<[u32; 3], u32> = HashMap::with_capacity(mesh.tets.len() * 2);
    for (tet, &corners) in mesh.tets.iter().enumerate() {
        for mut face in TetMesh::faces(corners) {
            face.sort_unstable();
            if let Some(other) = faces.insert(face, tet as u32) {
                let (a, b) = (root(&mut parent, tet as u32), root(&mut parent, other));
                parent[a.max(b) as usize] = a.min(b);
            }
        }
    }
    let mut size = vec![0u32; mesh.tets.len()];
    let roots: Vec<u32> = (0..mesh.tets.len() as u32).map(|tet| root(&mut parent, tet)).collect();
    roots.iter().for_each(|&r| size[r as usize] += 1);
    let Some(best) = (0..size.len()).max_by_key(|&r| (size[r], std::cmp::Reverse(r))) else { return TetMesh::default() };
    let mut number = vec![u32::MAX; mesh.vertices.len()];
    let mut out = TetMesh::default();
    for (tet, _) in roots.iter().enumerate().filter(|(_, r)| **r as usize == best) {
        let corners = mesh.tets[tet].map(|v| {
            if number[v as usize] == u32::MAX {
                number[v as usize] = out.vertices.len() as u32;
                out.vertices.push(mesh.vertices[v as usize]);
            }
            number[v as usize]
        });
        out.tets.push(corners);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;

    fn ball(radius: f32) -> DistanceField {
        let dims = [41; 3];
        let origin = Vec3::splat(-0.04);
        let at = |n: usize| Vec3::new((n % 41) as f32, (n / 41 % 41) as f32, (n / 1681) as f32) * 0.002 + origin;
        DistanceField { origin, spacing_m: 0.002, dims, values: (0..41 * 41 * 41).map(|n| at(n).length() - radius).collect() }
    }

    #[test]
    fn a_ball_is_filled_with_sound_tetrahedra_whose_boundary_lies_on_it() {
        let field = ball(0.03);
        let mesh = stuff(&field, 0.006).expect("the ball is larger than a cell");
        assert_eq!(mesh.validate(), Ok(()));
        let surface = mesh.surface();
        for v in surface.triangles.iter().flatten() {
            // a lattice point that the field calls outside by less than f32 resolves is the only exception
            assert!(field.sample(mesh.vertices[*v as usize]).abs() < 1e-6);
        }
        // chords of 5 mm on a sphere of 30 mm lose about h²/8R = 0.1 mm of radius: 1 %
        let ball = 4.0 / 3.0 * std::f64::consts::PI * 0.03f64.powi(3);
        assert!((mesh.volume() / ball - 1.0).abs() < 0.015, "{}", mesh.volume() / ball);
        let smallest = (0..mesh.tets.len()).flat_map(|t| mesh.dihedral_angles(t)).fold(f64::INFINITY, f64::min).to_degrees();
        // the paper proves 10.78 degrees for its own diagonals
        assert!(smallest > 10.0, "{smallest}");
    }

    /// Each edge of a closed surface is used once in each direction.
    #[test]
    fn the_boundary_is_closed() {
        let surface = stuff(&ball(0.025), 0.005).expect("the ball is larger than a cell").surface();
        let mut edges: Vec<[u32; 2]> = surface.triangles.iter().flat_map(|&[a, b, c]| [[a, b], [b, c], [c, a]]).collect();
        let mut reversed: Vec<[u32; 2]> = edges.iter().map(|&[a, b]| [b, a]).collect();
        edges.sort_unstable();
        reversed.sort_unstable();
        assert_eq!(edges, reversed);
        edges.dedup();
        assert_eq!(edges.len(), reversed.len());
    }

    #[test]
    fn the_same_field_gives_the_same_bits_and_an_empty_one_gives_nothing() {
        assert_eq!(stuff(&ball(0.02), 0.005), stuff(&ball(0.02), 0.005));
        assert_eq!(stuff(&ball(-0.01), 0.005), None);
    }
}
