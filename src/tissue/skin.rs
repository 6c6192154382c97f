//! What is drawn of a body: its boundary, finer and smoother than the elements.
//!
//! Every boundary face becomes n × n triangles. Points of capsule faces are moved, at rest, onto the organ's smooth surface (a distance field); each
//! point is bound to the tetrahedron behind it by barycentric weights, extrapolated where it lies outside. Points where a cut meets the capsule
//! share one binding, so there is no gap, but are two vertices, so the edge is shaded hard. Where moving points would turn a triangle over, at sharp
//! rims of coarse elements, they stay on their face.

#![expect(clippy::needless_range_loop, reason = "an index here names a lane, a corner or an axis of several arrays at once")]

use std::collections::HashMap;

use glam::Vec3;

use super::body::SoftBody;
use super::surface::FaceKind;
use crate::geom::DistanceField;

/// Points move onto the smooth surface by at most this share of the mean edge.
const REACH: f32 = 0.5;

/// Rounds in which points of triangles turned over are put back, at most.
const ROUNDS: usize = 4;

/// Parts of a face's side at most.
const MOST_PARTS: usize = 8;

/// A point of the skin and the element that carries it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Binding {
    nodes: [u32; 4],
    weights: [f32; 4],
}

/// A triangle surface that follows a body.
#[derive(Debug, Clone, Default)]
pub struct Skin {
    /// Positions at rest, m.
    pub rest: Vec<Vec3>,
    /// Counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// Capsule or cut, by vertex.
    pub kinds: Vec<FaceKind>,
    /// [`Surface::revision`](super::Surface::revision) of the body when it was built: rebuild when they differ.
    pub revision: u64,
    bindings: Vec<Binding>,
    /// Where each vertex lies on the flat faces, at rest.
    flat: Vec<Vec3>,
    /// Where points of the flat faces lie on the smooth surface: finding that is what a rebuild would spend its time on.
    moved: HashMap<[u32; 3], Vec3>,
    /// How many of them no triangle is turned over by.
    settled: usize,
    parts: usize,
}

/// A point that several faces may share: before its binding is known, only its number.
#[derive(Clone, Copy)]
struct Place {
    binding: Option<(Vec3, Binding)>,
    vertex: [u32; 2],
}

const EMPTY: Place = Place { binding: None, vertex: [u32::MAX; 2] };

impl Skin {
    /// Divides each boundary face into `parts` × `parts` triangles (1 to 8) and moves the capsule's points onto the zero surface of `field`.
    pub fn build(body: &SoftBody, field: Option<&DistanceField>, parts: usize) -> Self {
        let mut skin = Self { parts: parts.clamp(1, MOST_PARTS), ..Self::default() };
        skin.rebuild(body, field);
        skin
    }

    /// Follows a cut: the same as [`Skin::build`], but keeps what it knows of the smooth surface.
    pub fn rebuild(&mut self, body: &SoftBody, field: Option<&DistanceField>) {
        self.lay(body, field);
        for _ in 0..ROUNDS {
            if self.moved.len() == self.settled || !self.put_back(body) {
                break;
            }
            self.lay(body, field);
        }
        self.settled = self.moved.len();
    }

    /// The faces of the surface in the order in which they are laid: the capsule first, for it decides where shared points lie.
    fn faces(body: &SoftBody) -> impl Iterator<Item = usize> {
        let kinds = &body.surface().kinds;
        let of = move |kind: FaceKind| (0..kinds.len()).filter(move |&face| kinds[face] == kind);
        of(FaceKind::Capsule).chain(of(FaceKind::Cut))
    }

    /// Puts the points of triangles that are turned over back onto their faces; the answer is whether there were any.
    fn put_back(&mut self, body: &SoftBody) -> bool {
        let normal = |[a, b, c]: [Vec3; 3]| (b - a).cross(c - a);
        let mut found = false;
        for (face, triangles) in Self::faces(body).zip(self.triangles.chunks(self.parts * self.parts)) {
            let upright = normal(body.surface().faces[face].map(|v| body.rest_positions()[v as usize]));
            for triangle in triangles {
                if normal(triangle.map(|v| self.rest[v as usize])).dot(upright) <= 0.0 {
                    found = true;
                    for flat in triangle.map(|v| self.flat[v as usize]) {
                        self.moved.insert(flat.to_array().map(f32::to_bits), flat);
                    }
                }
            }
        }
        found
    }

    fn lay(&mut self, body: &SoftBody, field: Option<&DistanceField>) {
        let n = self.parts.max(1); // a default skin has none
        self.parts = n;
        let surface = body.surface();
        self.rest.clear();
        self.triangles.clear();
        self.kinds.clear();
        self.bindings.clear();
        self.flat.clear();
        self.revision = surface.revision;
        // edges by number: the sides of the faces in the order of their nodes, those of one edge beside each other
        let key = |a: u32, b: u32| (u64::from(a.min(b)) << 32) | u64::from(a.max(b));
        let mut sides: Vec<(u64, u32)> = Vec::with_capacity(surface.faces.len() * 3);
        for (face, &[a, b, c]) in (0u32..).zip(&surface.faces) {
            sides.extend([(key(a, b), 3 * face), (key(b, c), 3 * face + 1), (key(c, a), 3 * face + 2)]);
        }
        sides.sort_unstable();
        let mut edges_of = vec![[0usize; 3]; surface.faces.len()];
        let mut edges = 0;
        for same in sides.chunk_by(|a, b| a.0 == b.0) {
            same.iter().for_each(|&(_, side)| edges_of[side as usize / 3][side as usize % 3] = edges);
            edges += 1;
        }
        let mut corners = vec![EMPTY; body.rest_positions().len()];
        let mut inner = vec![EMPTY; edges * (n - 1)];

        for face in Self::faces(body) {
            self.add_face(body, field, face, edges_of[face], &mut corners, &mut inner);
        }
    }

    fn add_face(
        &mut self,
        body: &SoftBody,
        field: Option<&DistanceField>,
        face: usize,
        edges: [usize; 3],
        corners: &mut [Place],
        inner: &mut [Place],
    ) {
        let n = self.parts;
        let (surface, rest) = (body.surface(), body.rest_positions());
        let (kind, nodes, owner) = (surface.kinds[face], surface.faces[face], surface.owners[face] as usize);
        let field = if kind == FaceKind::Capsule { field } else { None };
        let mut grid = [[0u32; MOST_PARTS + 1]; MOST_PARTS + 1];
        for i in 0..=n {
            for j in 0..=n - i {
                // weights (n − i − j, i, j)/n of the three corners
                let shares = [n - i - j, i, j];
                let whole = (0..3).find(|&k| shares[k] == n);
                let missing = (0..3).find(|&k| shares[k] == 0);
                grid[i][j] = if let Some(k) = whole {
                    let flat = rest[nodes[k] as usize];
                    self.shared(body, field, owner, kind, flat, &mut corners[nodes[k] as usize])
                } else if let Some(k) = missing {
                    // on the edge opposite corner k, counted from its lower node so that both faces agree to the last bit
                    let (from, to) = ((k + 1) % 3, (k + 2) % 3);
                    let (low, high, steps) =
                        if nodes[from] < nodes[to] { (from, to, shares[to]) } else { (to, from, shares[from]) };
                    let flat = rest[nodes[low] as usize].lerp(rest[nodes[high] as usize], steps as f32 / n as f32);
                    let place = &mut inner[edges[from] * (self.parts - 1) + steps - 1];
                    self.shared(body, field, owner, kind, flat, place)
                } else {
                    let flat = (0..3).map(|k| rest[nodes[k] as usize] * (shares[k] as f32 / n as f32)).sum();
                    let (at, binding) = self.bind(body, field, owner, flat);
                    self.push(at, flat, binding, kind)
                };
            }
        }
        for i in 0..n {
            for j in 0..n - i {
                self.triangles.push([grid[i][j], grid[i + 1][j], grid[i][j + 1]]);
                if i + j + 1 < n {
                    self.triangles.push([grid[i + 1][j], grid[i + 1][j + 1], grid[i][j + 1]]);
                }
            }
        }
    }

    fn shared(
        &mut self,
        body: &SoftBody,
        field: Option<&DistanceField>,
        owner: usize,
        kind: FaceKind,
        flat: Vec3,
        place: &mut Place,
    ) -> u32 {
        let (at, binding) = match place.binding {
            Some(known) => known,
            None => self.bind(body, field, owner, flat),
        };
        place.binding = Some((at, binding));
        let vertex = &mut place.vertex[usize::from(kind == FaceKind::Cut)];
        if *vertex == u32::MAX {
            *vertex = self.push(at, flat, binding, kind);
        }
        *vertex
    }

    fn push(&mut self, at: Vec3, flat: Vec3, binding: Binding, kind: FaceKind) -> u32 {
        self.rest.push(at);
        self.flat.push(flat);
        self.bindings.push(binding);
        self.kinds.push(kind);
        (self.rest.len() - 1) as u32
    }

    fn bind(&mut self, body: &SoftBody, field: Option<&DistanceField>, owner: usize, flat: Vec3) -> (Vec3, Binding) {
        let at = match field {
            Some(field) => {
                let bits = flat.to_array().map(f32::to_bits);
                *self.moved.entry(bits).or_insert_with(|| field.project(flat, REACH * body.mean_edge_m()))
            }
            None => flat,
        };
        let nodes = body.tets()[owner];
        (at, Binding { nodes, weights: body.weights_in(owner, at) })
    }

    /// Damage of each vertex, 0 to 1; empty where the body has none.
    pub fn damage(&self, body: &SoftBody) -> Vec<f32> {
        let of_nodes = body.damage();
        if of_nodes.is_empty() {
            return Vec::new();
        }
        let at = |binding: &Binding| {
            let sum: f32 = binding.nodes.iter().zip(&binding.weights).map(|(&v, weight)| of_nodes[v as usize] * weight).sum();
            sum.clamp(0.0, 1.0)
        };
        self.bindings.iter().map(at).collect()
    }

    /// Positions (m) and unit normals of the vertices for the body as it is now.
    pub fn update(&self, body: &SoftBody, positions: &mut Vec<Vec3>, normals: &mut Vec<Vec3>) {
        let nodes = body.positions();
        positions.clear();
        positions.extend(self.bindings.iter().map(|binding| {
            let [a, b, c, d] = binding.nodes.map(|v| nodes[v as usize]);
            let [wa, wb, wc, wd] = binding.weights;
            (a * wa + b * wb) + (c * wc + d * wd)
        }));
        normals.clear();
        normals.resize(positions.len(), Vec3::ZERO);
        for &[a, b, c] in &self.triangles {
            let origin = positions[a as usize];
            let area = (positions[b as usize] - origin).cross(positions[c as usize] - origin);
            for v in [a, b, c] {
                normals[v as usize] += area;
            }
        }
        normals.iter_mut().for_each(|normal| *normal = normal.normalize_or(Vec3::Y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geom::TetMesh;
    use crate::tissue::{BodySpec, Material};

    fn corner() -> SoftBody {
        let mesh = TetMesh { vertices: vec![Vec3::ZERO, Vec3::X, Vec3::Y, Vec3::Z], tets: vec![[0, 1, 2, 3]] };
        let material = Material { name: "m".into(), young_pa: 1e3, poisson: 0.3, density_kg_m3: 1e3, stress_limit_pa: 1e9 };
        SoftBody::new(BodySpec { mesh, materials: vec![material], ..BodySpec::default() }).expect("a sound body")
    }

    #[test]
    fn a_skin_is_closed_has_n_squared_triangles_a_face_and_follows_the_body() {
        let mut body = corner();
        for parts in 1..=4 {
            let skin = Skin::build(&body, None, parts);
            assert_eq!(skin.triangles.len(), 4 * parts * parts);
            // Euler: V − E + F = 2 of a closed surface, with 3 F = 2 E
            assert_eq!(skin.rest.len(), skin.triangles.len() / 2 + 2);
            let shift = Vec3::new(0.5, -1.0, 2.0);
            body.set_positions(&body.rest_positions().iter().map(|&x| x * 2.0 + shift).collect::<Vec<_>>());
            let (mut positions, mut normals) = (Vec::new(), Vec::new());
            skin.update(&body, &mut positions, &mut normals);
            for (at, rest) in positions.iter().zip(&skin.rest) {
                assert!((*at - (*rest * 2.0 + shift)).length() < 1e-5);
            }
            assert!(normals.iter().all(|n| (n.length() - 1.0).abs() < 1e-5));
        }
    }

    /// The field of a ball around the tetrahedron: every point moves outwards to it, as far as it may.
    #[test]
    fn capsule_points_move_onto_the_smooth_surface_within_reach() {
        let body = corner();
        let (dims, origin) = ([41; 3], Vec3::splat(-2.0));
        let node = |i: usize| Vec3::new((i % 41) as f32, (i / 41 % 41) as f32, (i / 1681) as f32) * 0.1 + origin;
        let values = (0..41 * 41 * 41).map(|i| (node(i) - Vec3::splat(0.25)).length() - 0.9).collect();
        let field = DistanceField { origin, spacing_m: 0.1, dims, values };
        let skin = Skin::build(&body, Some(&field), 3);
        let flat = Skin::build(&body, None, 3);
        for (at, from) in skin.rest.iter().zip(&flat.rest) {
            let moved = at.distance(*from);
            let reach = REACH * body.mean_edge_m();
            // a linear field of a ball of 0.9 on a grid of 0.1 is off by at most h²/8R
            assert!(moved <= reach + 1e-5 && (field.sample(*at).abs() < 5e-3 || (moved - reach).abs() < 1e-3));
        }
    }
}
