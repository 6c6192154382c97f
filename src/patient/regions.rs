//! Several organs as one conforming mesh: tetrahedra that share their faces across every border, each with the number of its region.
//!
//! Isosurface stuffing (see [`super::stuffing`]), border by border, both sides kept. The lattice is first cut at the surface of all regions
//! together; then region 0 is cut from the rest where its distance equals the least of the others', region 1 from what is left, and so
//! on. Each cut warps the vertices that it comes too close to and splits the rest; the diagonals of all quadrilaterals start at the
//! vertex that comes first in one order of all vertices (cuts of long edges, odd lattice points, even ones, other cuts), which is the
//! paper's parity rule on the untouched lattice and never makes an undecomposable prism anywhere, so that neighbours always agree.
//! A vertex that already lies on a border is warped only along it; where a cut comes too close and the vertex may not follow, the cut
//! ends at the vertex. Near the lines where three regions meet, tetrahedra cut twice can be thin: [`super::improve`] mends them.
//!
//! The idea of one lattice for several materials: J. Bronson, J. A. Levine, R. Whitaker, “Lattice Cleaving: A Multimaterial Tetrahedral
//! Meshing Algorithm with Guarantees”, IEEE TVCG 20(2):223–237, 2014.

use std::collections::HashMap;

use glam::DVec3;
use rayon::prelude::*;

use super::{
    improve::{self, Improver},
    stuffing::{BISECTIONS, Lattice, WARP_LONG, WARP_SHORT, prism},
};
use crate::geom::{DistanceField, TetMesh, tet_volume};

/// Most regions in a mesh: a vertex keeps the set of regions around it in 64 bits.
pub const MAX_REGIONS: usize = 62;
/// Parts of a region with less than this share of its tetrahedra go to the region around them, or are left out if there is none.
const CRUMB: f64 = 0.01;
/// A tetrahedron that a warp would leave with a larger cosine of a dihedral angle is not warped (10.8°, the paper's bound).
const WARP_COSINE: f64 = 0.982;

/// A mesh of several regions.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionMesh {
    pub tets: TetMesh,
    /// The region of each tetrahedron, counted from 0.
    pub regions: Vec<u8>,
}

/// The tetrahedra of one region, with the vertices they use.
pub fn part(tets: &TetMesh, regions: &[u8], region: u8) -> TetMesh {
    let mut number: HashMap<u32, u32> = HashMap::new();
    let mut part = TetMesh::default();
    for (tet, _) in tets.tets.iter().zip(regions).filter(|(_, r)| **r == region) {
        let corners = tet.map(|v| {
            *number.entry(v).or_insert_with(|| {
                part.vertices.push(tets.vertices[v as usize]);
                part.vertices.len() as u32 - 1
            })
        });
        part.tets.push(corners);
    }
    part
}

/// The outer faces of one region, those on other regions among them; of the whole mesh where `regions` is empty.
pub(super) fn part_faces(tets: &TetMesh, regions: &[u8], region: u8) -> Vec<[u32; 3]> {
    let own = |tet: usize| regions.is_empty() || regions[tet] == region;
    let mut faces: Vec<([u32; 3], [u32; 3])> = (0..tets.tets.len())
        .filter(|&tet| own(tet))
        .flat_map(|tet| TetMesh::faces(tets.tets[tet]))
        .map(|face| {
            let mut sorted = face;
            sorted.sort_unstable();
            (sorted, face)
        })
        .collect();
    faces.sort_unstable();
    faces.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() == 1).map(|same| same[0].1).collect()
}

/// Where the regions are: the distance to all of them as one body, and to each.
pub(super) struct Borders<'a> {
    pub whole: &'a DistanceField,
    pub regions: &'a [DistanceField],
}

impl Borders<'_> {
    /// Negative in the body.
    pub fn outside(&self, at: DVec3) -> f64 {
        f64::from(self.whole.sample(at.as_vec3()))
    }

    /// Negative where region `a` is nearer than region `b`, and 0 on the border between them; about a distance.
    pub fn between(&self, a: usize, b: usize, at: DVec3) -> f64 {
        let at = at.as_vec3();
        0.5 * (f64::from(self.regions[a].sample(at)) - f64::from(self.regions[b].sample(at)))
    }

    /// Negative where region `a` is nearer than all that come after it.
    fn against_rest(&self, a: usize, at: DVec3) -> f64 {
        let at = at.as_vec3();
        let rest = self.regions[a + 1..].iter().map(|field| field.sample(at)).fold(f32::INFINITY, f32::min);
        0.5 * (f64::from(self.regions[a].sample(at)) - f64::from(rest))
    }
}

/// Fills the inside of `whole` with tetrahedra on lattice cells of `cell_m` and shares them out among `regions`, each to the one whose
/// distance is the least there; nothing if the lattice would be too large, there are too many regions, or nothing is inside.
///
/// All volumes are positive; the order is that of the lattice, and the same on any number of threads.
pub fn stuff_regions(whole: &DistanceField, regions: &[DistanceField], cell_m: f64) -> Option<RegionMesh> {
    if regions.is_empty() || regions.len() > MAX_REGIONS {
        return None;
    }
    let borders = Borders { whole, regions };
    let mut cutter = Cutter::new(whole, cell_m)?;
    cutter.cut(&|at| borders.outside(at));
    cutter.keep_inside();
    for region in 0..regions.len() as u8 - 1 {
        cutter.cut(&|at| borders.against_rest(usize::from(region), at));
        cutter.take(region);
    }
    cutter.inside.iter_mut().for_each(|inside| *inside = true);
    cutter.take(regions.len() as u8 - 1);
    cutter.merge_crumbs();
    let Cutter { positions, tets, region, .. } = cutter;
    let mut improver = Improver::new(positions, tets, region, cell_m, &borders);
    improver.run();
    improver.finish()
}

/// What a vertex is, for the order of diagonals and the reach of a warp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    LongCut,
    Odd,
    Even,
    ShortCut,
}

/// A region's number before it has one.
const REST: u8 = u8::MAX;

struct Cutter {
    positions: Vec<DVec3>,
    kinds: Vec<Kind>,
    /// Whether a lattice vertex is the centre of a cell; meaningless for cuts.
    centre: Vec<bool>,
    tets: Vec<[u32; 4]>,
    region: Vec<u8>,
    /// Which tetrahedra lie on the negative side of the last cut.
    inside: Vec<bool>,
}

impl Cutter {
    /// The lattice's tetrahedra that reach into the field.
    fn new(field: &DistanceField, cell: f64) -> Option<Self> {
        let lattice = Lattice::new(field, cell)?;
        let mut tets = Vec::new();
        lattice.for_each_tet(|tet| {
            if tet.iter().any(|&p| lattice.values[p as usize] < 0.0) {
                tets.push(tet);
            }
        });
        let mut number = HashMap::new();
        let mut out = Self {
            positions: Vec::new(),
            kinds: Vec::new(),
            centre: Vec::new(),
            region: vec![REST; tets.len()],
            inside: Vec::new(),
            tets: Vec::new(),
        };
        for tet in tets {
            let corners = tet.map(|p| {
                *number.entry(p).or_insert_with(|| {
                    out.positions.push(lattice.positions[p as usize]);
                    out.kinds.push(if lattice.is_odd(p) { Kind::Odd } else { Kind::Even });
                    out.centre.push(lattice.is_centre(p));
                    out.positions.len() as u32 - 1
                })
            });
            out.tets.push(corners);
        }
        Some(out)
    }

    /// Cuts all that has no region yet where `f` changes sign, and whatever shares a cut edge with it.
    fn cut(&mut self, f: &(dyn Fn(DVec3) -> f64 + Sync)) {
        let mut asked = vec![false; self.positions.len()];
        for (tet, _) in self.tets.iter().zip(&self.region).filter(|(_, r)| **r == REST) {
            tet.iter().for_each(|&v| asked[v as usize] = true);
        }
        let mut values: Vec<f64> =
            self.positions.par_iter().zip(&asked).map(|(&at, &asked)| if asked { f(at) } else { 0.0 }).collect();
        let crossing = |values: &[f64], a: u32, b: u32| values[a as usize] * values[b as usize] < 0.0;
        let mut edges: Vec<(u32, u32)> = self
            .tets
            .iter()
            .flat_map(|&tet| edges_of(tet))
            .filter(|&(a, b)| crossing(&values, a, b))
            .flat_map(|(a, b)| [(a, b), (b, a)])
            .collect();
        edges.sort_unstable();
        edges.dedup();
        self.warp(&edges, &mut values, f);
        edges.retain(|&(a, b)| a < b && crossing(&values, a, b));
        let cuts: Vec<DVec3> = edges
            .par_iter()
            .map(|&(a, b)| {
                let (from, to) = (self.positions[a as usize], self.positions[b as usize]);
                from.lerp(to, share(f, from, to, values[a as usize] < 0.0))
            })
            .collect();
        let mut points: HashMap<(u32, u32), u32> = HashMap::with_capacity(edges.len());
        for (&(a, b), &at) in edges.iter().zip(&cuts) {
            points.insert((a, b), self.positions.len() as u32);
            self.kinds.push(if self.is_long(a, b) { Kind::LongCut } else { Kind::ShortCut });
            self.positions.push(at);
            self.centre.push(false);
        }
        let (tets, region) = (std::mem::take(&mut self.tets), std::mem::take(&mut self.region));
        self.inside.clear();
        for (tet, region) in tets.into_iter().zip(region) {
            self.split(tet, region, &values, &points, f);
        }
    }

    /// A long edge of the lattice joins points of one kind.
    fn is_long(&self, a: u32, b: u32) -> bool {
        let lattice = |v: u32| matches!(self.kinds[v as usize], Kind::Odd | Kind::Even);
        lattice(a) && lattice(b) && self.centre[a as usize] == self.centre[b as usize]
    }

    /// Moves every vertex that a cut comes too close to onto the nearest such cut, or ends the cut there.
    fn warp(&mut self, edges: &[(u32, u32)], values: &mut [f64], f: &(dyn Fn(DVec3) -> f64 + Sync)) {
        let stars = improve::stars(self.positions.len(), &self.tets);
        let sets = improve::sets(self.positions.len(), &self.tets, &self.region);
        let first = self.region.iter().all(|&r| r == REST);
        let mut start = 0;
        while start < edges.len() {
            let point = edges[start].0;
            let end = start + edges[start..].partition_point(|edge| edge.0 == point);
            let here = self.positions[point as usize];
            let mut nearest: Option<(f64, DVec3)> = None;
            let mut too_close = false;
            for &(_, other) in &edges[start..end] {
                if values[point as usize] * values[other as usize] >= 0.0 {
                    continue;
                }
                let there = self.positions[other as usize];
                let share = share(f, here, there, values[point as usize] < 0.0);
                if share < if self.is_long(point, other) { WARP_LONG } else { WARP_SHORT } {
                    too_close = true;
                    let at = here.lerp(there, share);
                    let set = sets[point as usize];
                    // only along the border that it lies on
                    let may = first || set.count_ones() == 1 || sets[other as usize] & set == set;
                    if may && nearest.is_none_or(|(d, _)| at.distance(here) < d) {
                        nearest = Some((at.distance(here), at));
                    }
                }
            }
            start = end;
            if !too_close {
                continue;
            }
            values[point as usize] = 0.0;
            if let Some((_, at)) = nearest {
                self.positions[point as usize] = at;
                let spoilt = |tet: &u32| {
                    let corners = self.tets[*tet as usize].map(|v| self.positions[v as usize]);
                    improve::worst_cosine(corners) > WARP_COSINE
                };
                if !first && stars[point as usize].iter().any(spoilt) {
                    self.positions[point as usize] = here;
                }
            }
        }
    }

    /// Splits one tetrahedron by the signs of its corners, negative pieces to the inside.
    fn split(
        &mut self,
        mut tet: [u32; 4],
        region: u8,
        values: &[f64],
        points: &HashMap<(u32, u32), u32>,
        f: &dyn Fn(DVec3) -> f64,
    ) {
        if volume(tet.map(|v| self.positions[v as usize])) < 0.0 {
            tet.swap(2, 3);
        }
        let mut sides: [Vec<u32>; 2] = [Vec::new(), Vec::new()];
        let mut zero = Vec::new();
        for v in tet {
            match values[v as usize] {
                x if x < 0.0 => sides[0].push(v),
                x if x > 0.0 => sides[1].push(v),
                _ => zero.push(v),
            }
        }
        if sides.iter().any(Vec::is_empty) {
            let inside = if sides[0].len() != sides[1].len() {
                !sides[0].is_empty()
            } else {
                f(tet.iter().map(|&v| self.positions[v as usize]).sum::<DVec3>() * 0.25) < 0.0
            };
            self.push(tet, region, inside);
            return;
        }
        let cut = |a: u32, b: u32| points[&(a.min(b), a.max(b))];
        for (here, there) in [(0, 1), (1, 0)] {
            let inside = here == 0;
            match (&sides[here][..], &zero[..], &sides[there][..]) {
                (&[p], z, m) => {
                    let mut corners = [p; 4];
                    corners[1..].iter_mut().zip(z.iter().copied().chain(m.iter().map(|&m| cut(p, m)))).for_each(|(c, v)| *c = v);
                    self.push(corners, region, inside);
                }
                (&[p, q], &[z], &[m]) => self.pyramid([p, q, cut(q, m), cut(p, m)], z, region, inside),
                (&[p, q], &[], &[m, n]) => {
                    self.wedge([p, cut(p, m), cut(p, n)], [q, cut(q, m), cut(q, n)], region, inside);
                }
                (&[p, q, r], &[], &[m]) => self.wedge([p, q, r], [cut(p, m), cut(q, m), cut(r, m)], region, inside),
                _ => {}
            }
        }
    }

    fn rank(&self, v: u32) -> (Kind, u32) {
        (self.kinds[v as usize], v)
    }

    /// Whether the quadrilateral a b c d is split from a to c.
    fn starts_at_first(&self, [a, b, c, d]: [u32; 4]) -> bool {
        self.rank(a).min(self.rank(c)) < self.rank(b).min(self.rank(d))
    }

    fn pyramid(&mut self, quad: [u32; 4], apex: u32, region: u8, inside: bool) {
        let [a, b, c, d] = quad;
        let halves = if self.starts_at_first(quad) { [[a, b, c], [a, c, d]] } else { [[a, b, d], [b, c, d]] };
        for [a, b, c] in halves {
            self.push([a, b, c, apex], region, inside);
        }
    }

    fn wedge(&mut self, a: [u32; 3], b: [u32; 3], region: u8, inside: bool) {
        let diagonals = [0, 1, 2].map(|i| self.starts_at_first([a[i], a[(i + 1) % 3], b[(i + 1) % 3], b[i]]));
        // the first vertex of all starts two of the diagonals, so that they never run in a circle
        for tet in prism(a, b, diagonals).into_iter().flatten() {
            self.push(tet, region, inside);
        }
    }

    fn push(&mut self, mut tet: [u32; 4], region: u8, inside: bool) {
        if volume(tet.map(|v| self.positions[v as usize])) < 0.0 {
            tet.swap(2, 3);
        }
        self.tets.push(tet);
        self.region.push(region);
        self.inside.push(inside);
    }

    fn keep_inside(&mut self) {
        let inside = std::mem::take(&mut self.inside);
        let mut flags = inside.iter();
        self.tets.retain(|_| flags.next().is_some_and(|f| *f));
        self.region.truncate(self.tets.len());
    }

    /// Gives what lies inside and has no region yet to `region`.
    fn take(&mut self, region: u8) {
        self.region.iter_mut().zip(&self.inside).filter(|(r, inside)| **r == REST && **inside).for_each(|(r, _)| *r = region);
    }

    /// Small parts of a region go to the neighbour they share most faces with; those without a neighbour are left out.
    fn merge_crumbs(&mut self) {
        let mut faces: HashMap<[u32; 3], u32> = HashMap::with_capacity(self.tets.len() * 2);
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (tet, &corners) in self.tets.iter().enumerate() {
            for mut face in TetMesh::faces(corners) {
                face.sort_unstable();
                if let Some(other) = faces.insert(face, tet as u32) {
                    pairs.push((other, tet as u32));
                }
            }
        }
        let mut parent: Vec<u32> = (0..self.tets.len() as u32).collect();
        fn root(parent: &mut [u32], mut at: u32) -> u32 {
            while parent[at as usize] != at {
                parent[at as usize] = parent[parent[at as usize] as usize];
                at = parent[at as usize];
            }
            at
        }
        for &(a, b) in pairs.iter().filter(|&&(a, b)| self.region[a as usize] == self.region[b as usize]) {
            let (a, b) = (root(&mut parent, a), root(&mut parent, b));
            parent[a.max(b) as usize] = a.min(b);
        }
        let part: Vec<u32> = (0..self.tets.len() as u32).map(|tet| root(&mut parent, tet)).collect();
        let mut size = vec![0usize; self.tets.len()];
        let mut whole = [0usize; 256];
        for (tet, &p) in part.iter().enumerate() {
            size[p as usize] += 1;
            whole[usize::from(self.region[tet])] += 1;
        }
        let crumb = |p: u32, region: u8| (size[p as usize] as f64) < CRUMB * whole[usize::from(region)] as f64;
        let mut shared: HashMap<u32, [u32; MAX_REGIONS]> = HashMap::new();
        for (a, b) in pairs.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
            let (p, here, there) = (part[a as usize], self.region[a as usize], self.region[b as usize]);
            if here != there && crumb(p, here) && !crumb(part[b as usize], there) {
                shared.entry(p).or_insert([0; MAX_REGIONS])[usize::from(there)] += 1;
            }
        }
        let mut keep = Vec::with_capacity(self.tets.len());
        let regions = self.region.clone();
        for (tet, &p) in part.iter().enumerate() {
            let mut kept = true;
            if crumb(p, regions[tet]) {
                match shared.get(&p).and_then(|counts| (0..MAX_REGIONS).max_by_key(|&r| (counts[r], std::cmp::Reverse(r)))) {
                    Some(neighbour) => self.region[tet] = neighbour as u8,
                    None => kept = false,
                }
            }
            keep.push(kept);
        }
        let mut flags = keep.iter();
        self.tets.retain(|_| flags.next().is_some_and(|k| *k));
        let mut flags = keep.iter();
        self.region.retain(|_| flags.next().is_some_and(|k| *k));
    }
}

pub(super) fn edges_of([a, b, c, d]: [u32; 4]) -> [(u32, u32); 6] {
    [(a, b), (a, c), (a, d), (b, c), (b, d), (c, d)].map(|(a, b)| (a.min(b), a.max(b)))
}

/// Six times the signed volume.
pub(super) fn volume([a, b, c, d]: [DVec3; 4]) -> f64 {
    (b - a).dot((c - a).cross(d - a))
}

/// Share of the way at which `f` changes sign.
fn share(f: &(dyn Fn(DVec3) -> f64 + Sync), from: DVec3, to: DVec3, inside: bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        if (f(from.lerp(to, middle)) < 0.0) == inside { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// A mesh in single precision, without tetrahedra that its rounding has flattened.
pub(super) fn rounded(positions: &[DVec3], tets: impl Iterator<Item = ([u32; 4], u8)>) -> Option<RegionMesh> {
    let mut number = vec![u32::MAX; positions.len()];
    let mut mesh = RegionMesh { tets: TetMesh::default(), regions: Vec::new() };
    for (tet, region) in tets {
        if tet_volume(tet.map(|v| positions[v as usize].as_vec3())) <= 0.0 {
            continue;
        }
        let corners = tet.map(|v| {
            let slot = &mut number[v as usize];
            if *slot == u32::MAX {
                *slot = mesh.tets.vertices.len() as u32;
                mesh.tets.vertices.push(positions[v as usize].as_vec3());
            }
            *slot
        });
        mesh.tets.tets.push(corners);
        mesh.regions.push(region);
    }
    (!mesh.tets.tets.is_empty()).then_some(mesh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;

    const RADIUS: f32 = 0.03;

    fn field(distance: impl Fn(Vec3) -> f32) -> DistanceField {
        let dims = [61, 45, 45];
        let origin = Vec3::new(-0.06, -0.044, -0.044);
        let at = |n: usize| Vec3::new((n % 61) as f32, (n / 61 % 45) as f32, (n / (61 * 45)) as f32) * 0.002 + origin;
        DistanceField { origin, spacing_m: 0.002, dims, values: (0..61 * 45 * 45).map(|n| distance(at(n))).collect() }
    }

    /// Two balls of 30 mm, 40 mm apart, that share a plane, with a lesion of 10 mm in the first that reaches the plane and the second.
    fn two_balls_and_a_lesion() -> (DistanceField, Vec<DistanceField>) {
        let ball = |x: f32, r: f32| move |p: Vec3| p.distance(Vec3::new(x, 0.0, 0.0)) - r;
        let (a, b, lesion) = (ball(-0.02, RADIUS), ball(0.02, RADIUS), ball(-0.004, 0.01));
        let whole = field(|p| a(p).min(b(p)));
        // distances that grow away from the middle plane share the overlap out
        let regions = vec![field(|p| a(p).max(p.x).max(-lesion(p))), field(|p| b(p).max(-p.x).max(-lesion(p))), field(lesion)];
        (whole, regions)
    }

    fn smallest_angles(mesh: &TetMesh) -> Vec<f64> {
        let mut out: Vec<f64> = (0..mesh.tets.len())
            .map(|t| mesh.dihedral_angles(t).into_iter().fold(f64::INFINITY, f64::min).to_degrees())
            .collect();
        out.sort_by(f64::total_cmp);
        out
    }

    #[test]
    fn three_regions_that_meet_share_every_face_and_keep_their_volumes() {
        let (whole, regions) = two_balls_and_a_lesion();
        let mesh = stuff_regions(&whole, &regions, 0.004).expect("larger than a cell");
        assert_eq!(mesh.tets.validate(), Ok(()));
        // watertight: each edge of the outer surface is used once each way, and no face has more than two owners
        let surface = mesh.tets.surface();
        let mut edges: Vec<[u32; 2]> = surface.triangles.iter().flat_map(|&[a, b, c]| [[a, b], [b, c], [c, a]]).collect();
        let mut reversed: Vec<[u32; 2]> = edges.iter().map(|&[a, b]| [b, a]).collect();
        edges.sort_unstable();
        reversed.sort_unstable();
        assert_eq!(edges, reversed);
        // the outer surface lies on the balls: a crack inside would be part of it
        for v in surface.triangles.iter().flatten() {
            let at = mesh.tets.vertices[*v as usize];
            assert!(whole.sample(at).abs() < 0.4e-3, "{at}: {}", whole.sample(at));
        }
        let pi = std::f64::consts::PI;
        let (r, h) = (0.03f64, 0.01f64);
        let cap = |r: f64, h: f64| pi * h * h * (3.0 * r - h) / 3.0;
        let lesion = 4.0 / 3.0 * pi * 0.01f64.powi(3);
        let beyond = cap(0.01, 0.006);
        let half = 4.0 / 3.0 * pi * r.powi(3) - cap(r, h);
        for (region, expected) in [(0, half - lesion + beyond), (1, half - beyond), (2, lesion)] {
            let found = part(&mesh.tets, &mesh.regions, region).volume();
            // chords: 1 % of a ball of 30 mm, 4 % of one of 10 mm
            assert!((found / expected - 1.0).abs() < 0.06, "region {region}: {found:e} m³ of {expected:e}");
        }
        let angles = smallest_angles(&mesh.tets);
        let below = angles.iter().filter(|angle| **angle < 10.0).count();
        assert!(below * 1000 <= angles.len(), "{below} of {} below 10°", angles.len());
    }
}
