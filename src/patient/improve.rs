//! Thin tetrahedra made sound, with every border kept: vertices are drawn onto the borders they stand for, moved where that widens the
//! smallest dihedral angle around them, and short edges are collapsed where moving does not help.
//!
//! The operations are those of B. M. Klingner, J. R. Shewchuk, “Aggressive Tetrahedral Mesh Improvement”, 16th International Meshing
//! Roundtable, 2007, without its flips. A move or a collapse is made only if the worst tetrahedron around it gets better; a collapse also
//! asks for the link condition (T. K. Dey et al., “Topology Preserving Edge Contraction”, Publ. Inst. Math. 66:23–45, 1999), with the
//! outside counted as a region, so that no border changes its shape as a whole. Everything runs in the order of the numbers.

use std::collections::BTreeSet;

use glam::DVec3;

use super::regions::{Borders, RegionMesh, edges_of, rounded, volume};
use crate::geom::TetMesh;

/// Tetrahedra with a larger cosine of a dihedral angle are worked on (18°).
const POOR: f64 = 0.951;
/// Those above this are worth an edge (12°).
const BAD: f64 = 0.978;
const ROUNDS: usize = 6;
/// The outside's bit in a vertex's set of regions.
const OUTSIDE: u64 = 1 << 63;
/// A removed tetrahedron.
const GONE: u32 = u32::MAX;

/// The tetrahedra around every vertex.
pub(super) fn stars(vertices: usize, tets: &[[u32; 4]]) -> Vec<Vec<u32>> {
    let mut stars = vec![Vec::new(); vertices];
    for (tet, corners) in tets.iter().enumerate() {
        corners.iter().for_each(|&v| stars[v as usize].push(tet as u32));
    }
    stars
}

/// The regions around every vertex, a bit each; the highest for the outside.
pub(super) fn sets(vertices: usize, tets: &[[u32; 4]], regions: &[u8]) -> Vec<u64> {
    let mut sets = vec![0u64; vertices];
    for (corners, region) in tets.iter().zip(regions) {
        corners.iter().for_each(|&v| sets[v as usize] |= 1 << (region & 63).min(62));
    }
    let mut faces: Vec<[u32; 3]> = tets
        .iter()
        .flat_map(|&tet| TetMesh::faces(tet))
        .map(|mut face| {
            face.sort_unstable();
            face
        })
        .collect();
    faces.sort_unstable();
    for same in faces.chunk_by(|a, b| a == b).filter(|same| same.len() == 1) {
        same[0].iter().for_each(|&v| sets[v as usize] |= OUTSIDE);
    }
    sets
}

/// The largest cosine of a dihedral angle, which belongs to the smallest angle; 2 for what is flat or turned inside out.
pub(super) fn worst_cosine(p: [DVec3; 4]) -> f64 {
    if volume(p) <= 0.0 {
        return 2.0;
    }
    let normals = TetMesh::faces([0, 1, 2, 3])
        .map(|[a, b, c]| (p[b as usize] - p[a as usize]).cross(p[c as usize] - p[a as usize]).normalize_or_zero());
    edges_of([0, 1, 2, 3]).into_iter().map(|(a, b)| -normals[a as usize].dot(normals[b as usize])).fold(-1.0, f64::max)
}

pub(super) struct Improver<'a> {
    positions: Vec<DVec3>,
    tets: Vec<[u32; 4]>,
    regions: Vec<u8>,
    stars: Vec<Vec<u32>>,
    sets: Vec<u64>,
    cell: f64,
    borders: &'a Borders<'a>,
}

impl<'a> Improver<'a> {
    pub fn new(positions: Vec<DVec3>, tets: Vec<[u32; 4]>, regions: Vec<u8>, cell: f64, borders: &'a Borders<'a>) -> Self {
        let (stars, sets) = (stars(positions.len(), &tets), sets(positions.len(), &tets, &regions));
        Self { positions, tets, regions, stars, sets, cell, borders }
    }

    pub fn run(&mut self) {
        for v in 0..self.positions.len() {
            self.draw(v);
        }
        for _ in 0..ROUNDS {
            let poor: BTreeSet<u32> = self.above(POOR).into_iter().flat_map(|tet| self.tets[tet]).collect();
            if poor.is_empty() {
                break;
            }
            for v in poor {
                self.shift(v as usize);
            }
            for tet in self.above(BAD) {
                self.collapse_one(tet);
            }
        }
    }

    pub fn finish(self) -> Option<RegionMesh> {
        let alive = self.tets.iter().zip(&self.regions).filter(|(tet, _)| tet[0] != GONE).map(|(tet, region)| (*tet, *region));
        rounded(&self.positions, alive)
    }

    fn cosine(&self, tet: usize) -> f64 {
        worst_cosine(self.tets[tet].map(|v| self.positions[v as usize]))
    }

    fn above(&self, limit: f64) -> Vec<usize> {
        (0..self.tets.len()).filter(|&tet| self.tets[tet][0] != GONE && self.cosine(tet) > limit).collect()
    }

    fn star_cosine(&self, v: usize) -> f64 {
        self.stars[v].iter().map(|&tet| self.cosine(tet as usize)).fold(-1.0, f64::max)
    }

    /// The point of the borders of a vertex near `at`, and what is missing to each; two rounds of Newton steps along each border's normal.
    fn on_borders(&self, v: usize, at: DVec3) -> (DVec3, f64) {
        let set = self.sets[v];
        let regions: Vec<usize> = (0..63).filter(|r| set >> r & 1 == 1).collect();
        let h = 0.02 * self.cell;
        let mut at = at;
        let newton = |f: &dyn Fn(DVec3) -> f64, at: DVec3| {
            let slope = DVec3::from_array(DVec3::AXES.map(|axis| (f(at + axis * h) - f(at - axis * h)) / (2.0 * h)));
            at - (slope * (f(at) / slope.length_squared().max(0.1))).clamp_length_max(0.3 * self.cell)
        };
        for _ in 0..3 {
            for pair in regions.windows(2) {
                at = newton(&|p| self.borders.between(pair[0], pair[1], p), at);
            }
            if set & OUTSIDE != 0 {
                at = newton(&|p| self.borders.outside(p), at);
            }
        }
        let missing = regions.windows(2).map(|pair| self.borders.between(pair[0], pair[1], at).abs());
        let outside = if set & OUTSIDE != 0 { self.borders.outside(at).abs() } else { 0.0 };
        (at, missing.fold(outside, f64::max))
    }

    /// Draws a vertex onto its borders, as far as the tetrahedra around it stay sound.
    fn draw(&mut self, v: usize) {
        if self.sets[v].count_ones() < 2 || self.stars[v].is_empty() {
            return;
        }
        let here = self.positions[v];
        let (there, _) = self.on_borders(v, here);
        let limit = self.star_cosine(v).max(POOR);
        for share in [1.0, 0.5, 0.25] {
            self.positions[v] = here.lerp(there, share);
            if self.star_cosine(v) <= limit {
                return;
            }
        }
        self.positions[v] = here;
    }

    /// Looks for a better place near a vertex, on its borders if it has any.
    fn shift(&mut self, v: usize) {
        if self.stars[v].is_empty() {
            return;
        }
        let bound = self.sets[v].count_ones() > 1;
        let mut best = self.star_cosine(v);
        for step in [0.2, 0.1, 0.05, 0.02] {
            loop {
                let here = self.positions[v];
                let before = best;
                let mut place = here;
                for direction in DVec3::AXES.into_iter().flat_map(|axis| [axis, -axis]).chain([DVec3::ZERO]) {
                    let target = if direction == DVec3::ZERO { self.middle(v) } else { here + direction * (step * self.cell) };
                    let (at, missing) = if bound { self.on_borders(v, target) } else { (target, 0.0) };
                    if missing > 0.03 * self.cell || at.distance(here) > self.cell {
                        continue;
                    }
                    self.positions[v] = at;
                    let found = self.star_cosine(v);
                    if found < best - 1e-4 {
                        (best, place) = (found, at);
                    }
                }
                self.positions[v] = place;
                if best == before {
                    break;
                }
            }
        }
    }

    /// The mean of the vertices that share an edge with `v`, on the same borders where it has some.
    fn middle(&self, v: usize) -> DVec3 {
        let set = self.sets[v];
        let near: BTreeSet<u32> = self.stars[v].iter().flat_map(|&tet| self.tets[tet as usize]).collect();
        let (mut sum, mut count) = (DVec3::ZERO, 0.0);
        for w in near.into_iter().map(|w| w as usize).filter(|&w| w != v && self.sets[w] & set == set) {
            sum += self.positions[w];
            count += 1.0;
        }
        if count > 0.0 { sum / count } else { self.positions[v] }
    }

    /// Collapses the edge of a tetrahedron whose loss leaves the best neighbourhood, if that is better than before.
    fn collapse_one(&mut self, tet: usize) {
        if self.tets[tet][0] == GONE || self.cosine(tet) <= BAD {
            return;
        }
        let mut best: Option<(f64, usize, usize)> = None;
        for (a, b) in edges_of(self.tets[tet]).into_iter().flat_map(|(a, b)| [(a as usize, b as usize), (b as usize, a as usize)])
        {
            let after = self.after_collapse(a, b);
            if after.is_some_and(|after| best.is_none_or(|(found, ..)| after < found)) {
                best = after.map(|after| (after, a, b));
            }
        }
        let Some((_, from, to)) = best else { return };
        for t in std::mem::take(&mut self.stars[from]) {
            let corners = self.tets[t as usize];
            if corners.contains(&(to as u32)) {
                for v in corners {
                    self.stars[v as usize].retain(|&other| other != t);
                }
                self.tets[t as usize] = [GONE; 4];
            } else {
                self.tets[t as usize] = corners.map(|v| if v as usize == from { to as u32 } else { v });
                self.stars[to].push(t);
            }
        }
    }

    /// The worst cosine around `from` after it has moved into `to`; nothing if that would be no gain or would change a border's shape.
    fn after_collapse(&self, from: usize, to: usize) -> Option<f64> {
        if self.sets[from] & self.sets[to] != self.sets[from] {
            return None;
        }
        let before = self.star_cosine(from);
        let mut after = -1.0f64;
        for &t in &self.stars[from] {
            let corners = self.tets[t as usize];
            if !corners.contains(&(to as u32)) {
                let p = corners.map(|v| self.positions[if v as usize == from { to } else { v as usize }]);
                after = after.max(worst_cosine(p));
            }
        }
        (after < before - 1e-3 && self.link_condition(from, to)).then_some(after)
    }

    /// Lk(from) ∩ Lk(to) = Lk(from to), for the body and for every border: regions and the outside count as further vertices, joined to the
    /// faces between different regions.
    fn link_condition(&self, from: usize, to: usize) -> bool {
        let links = |v: usize| {
            let mut simplices: BTreeSet<Vec<u32>> = BTreeSet::new();
            for &t in &self.stars[v] {
                let mut face: Vec<u32> = self.tets[t as usize].into_iter().filter(|&w| w as usize != v).collect();
                face.sort_unstable();
                add(&mut simplices, &face);
                for skipped in 0..3 {
                    let mut edge = face.clone();
                    edge.remove(skipped);
                    if self.is_border(v as u32, edge[0], edge[1]) {
                        edge.push(GONE);
                        add(&mut simplices, &edge);
                    }
                }
            }
            simplices
        };
        let mut edge: BTreeSet<Vec<u32>> = BTreeSet::new();
        for &t in self.stars[from].iter().filter(|&&t| self.tets[t as usize].contains(&(to as u32))) {
            let mut rest: Vec<u32> =
                self.tets[t as usize].into_iter().filter(|&w| w as usize != from && w as usize != to).collect();
            rest.sort_unstable();
            add(&mut edge, &rest);
            for &w in &rest {
                if self.is_border(from as u32, to as u32, w) {
                    add(&mut edge, &[w, GONE]);
                }
            }
        }
        let (a, b) = (links(from), links(to));
        a.intersection(&b).all(|simplex| edge.contains(simplex))
    }

    /// Whether a face has different regions, or nothing, on its two sides.
    fn is_border(&self, a: u32, b: u32, c: u32) -> bool {
        let mut sides = self.stars[a as usize]
            .iter()
            .map(|&t| t as usize)
            .filter(|&t| self.tets[t].contains(&b) && self.tets[t].contains(&c))
            .map(|t| self.regions[t]);
        sides.next() != sides.next()
    }
}

/// Adds an ascending simplex and all its faces.
fn add(simplices: &mut BTreeSet<Vec<u32>>, simplex: &[u32]) {
    if !simplex.is_empty() && simplices.insert(simplex.to_vec()) {
        for skipped in 0..simplex.len() {
            let mut face = simplex.to_vec();
            face.remove(skipped);
            add(simplices, &face);
        }
    }
}
