//! Cutting: split, then unzip.
//!
//! A snip is a plane convex polygon. Where it crosses an element's edge well inside, the edge gets a node there and every element around it is
//! bisected, so the mesh stays conforming and the rest volume is what it was; where it crosses near an end, that end counts as lying on the cut
//! (it is not moved), which keeps slivers away. Afterwards no element inside the polygon has corners on both sides, and the faces between
//! the two sides are parted: each of their nodes is doubled once for every group of its elements that still hang together, so at the front of the
//! cut, where they all do, it stays one. Snips that meet join up, because a node once cut counts as cut for its neighbours.
//!
//! After Sifakis, Der & Fedkiw, “Arbitrary cutting of deformable tetrahedralized objects”, SCA 2007 (for the parting), and Paulus et al., “Virtual
//! cutting of deformable objects based on efficient topological operations”, Visual Computer 2015 (for splitting with snapping).

use std::collections::{BTreeMap, BTreeSet};

use glam::Vec3;

use super::attach::BandLoss;
use super::body::{SoftBody, find_pieces};
use super::clusters::Ties;
use super::elements::Element;
use super::scheme::Past;
use super::surface::{Surface, renew_exposed_faces};
use crate::geom::TetMesh;

/// A crossing nearer than this share of the edge to an end is moved onto the end.
const SNAP: f32 = 0.25;
/// Children smaller or flatter than this are not made: slivers cost every later solve iterations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Least {
    /// Of the body's mean element.
    volume: f32,
    /// Mean ratio; 1 is a regular tetrahedron.
    quality: f64,
}

impl Least {
    pub(super) const OF_A_CUT: Self = Self { volume: 0.02, quality: 0.2 };
    /// A tear finds its own way, snip by snip: a front that snaps to the mesh would run rough.
    pub(super) const OF_A_TEAR: Self = Self { volume: 0.01, quality: 0.15 };
}
/// Nodes of earlier cuts count as lying on this one up to so many mean edges from its plane.
const FRONT_REACH: f32 = 0.35;

/// What the blades of one snip sweep: a plane convex polygon in the world, m.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BladeSweep {
    pub polygon: Vec<Vec3>,
}

/// What a cut did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CutReport {
    /// The faces that were parted, at rest, m; each once, though it now shows two sides.
    pub opened: Vec<[Vec3; 3]>,
    /// Their area at rest, one side, m².
    pub area_m2: f32,
    /// What parting them took, J: their area times the toughness of the tissue on both sides, in the mean.
    pub energy_j: f32,
    pub rest_volume_before_m3: f64,
    pub rest_volume_after_m3: f64,
    pub tets_added: usize,
    /// Materials of the elements along the parted faces, ascending.
    pub materials: Vec<u8>,
    /// Pieces that the body now consists of.
    pub pieces: usize,
    /// What bands lost to the blade.
    pub divided: Vec<BandLoss>,
}

impl CutReport {
    /// Distance of a point of the rest shape to the nearest parted face, m; infinite where nothing was parted.
    pub fn distance_to(&self, rest: Vec3) -> f32 {
        let distance = |&face: &[Vec3; 3]| super::contact::closest_points(rest, rest, face).on_triangle.distance(rest);
        self.opened.iter().map(distance).fold(f32::INFINITY, f32::min)
    }
}

/// The polygon as a plane with borders.
pub(super) struct Blade {
    origin: Vec3,
    normal: Vec3,
    polygon: Vec<Vec3>,
    low: Vec3,
    high: Vec3,
}

impl Blade {
    pub(super) fn new(sweep: &BladeSweep) -> Option<Self> {
        let polygon = sweep.polygon.clone();
        if polygon.len() < 3 || polygon.iter().any(|p| !p.is_finite()) {
            return None;
        }
        let origin = polygon[0];
        let fan = polygon.windows(2).map(|pair| (pair[0] - origin).cross(pair[1] - origin)).sum::<Vec3>();
        let normal = fan.try_normalize()?;
        let (low, high) = polygon.iter().fold((Vec3::MAX, Vec3::MIN), |(low, high), &p| (low.min(p), high.max(p)));
        Some(Self { origin, normal, polygon, low, high })
    }

    pub(super) fn normal(&self) -> Vec3 {
        self.normal
    }

    pub(super) fn height(&self, x: Vec3) -> f32 {
        (x - self.origin).dot(self.normal)
    }

    /// Whether the foot of `x` lies inside the polygon, or at most `beyond` metres outside one of its sides.
    pub(super) fn covers(&self, x: Vec3, beyond: f32) -> bool {
        let corners = self.polygon.len();
        (0..corners).all(|k| {
            let (a, b) = (self.polygon[k], self.polygon[(k + 1) % corners]);
            let inward = self.normal.cross(b - a).normalize_or_zero();
            (x - a).dot(inward) >= -beyond
        })
    }
}

/// The body's topology while it is being cut.
pub(super) struct Cutting<'a> {
    pub(super) body: &'a mut SoftBody,
    /// Height of every node over the plane; 0 for nodes made by this cut.
    pub(super) height: Vec<f32>,
    /// Nodes that lie on this cut, and nodes of earlier cuts near it.
    pub(super) own: Vec<bool>,
    pub(super) front: Vec<bool>,
    /// Elements around the nodes of the region.
    pub(super) around: BTreeMap<u32, Vec<u32>>,
    pub(super) parents_of_nodes: Vec<[u32; 2]>,
    pub(super) parents_of_tets: Vec<u32>,
    pub(super) changed: BTreeSet<u32>,
    pub(super) least: Least,
}

impl SoftBody {
    /// Cuts along one snip, in the deformed shape. Materials, pins, velocities, anchors and the kind of each face are inherited; an
    /// unsound polygon, or one that meets nothing, changes nothing.
    pub fn cut(&mut self, sweep: &BladeSweep) -> CutReport {
        self.part_along(sweep, Least::OF_A_CUT)
    }

    /// A cut or an advance of a tear.
    pub(super) fn part_along(&mut self, sweep: &BladeSweep, least: Least) -> CutReport {
        let mut report = CutReport { pieces: self.pieces.count(), ..CutReport::default() };
        let Some(blade) = Blade::new(sweep) else { return report };
        report.divided = self.divide(&blade);
        report.pieces = self.pieces.count();
        let height: Vec<f32> = self.positions.iter().map(|&x| blade.height(x)).collect();
        let region = self.tets_near(&blade, &height);
        if region.is_empty() {
            return report;
        }
        report.rest_volume_before_m3 = self.rest_volume;
        let tets = self.tets.clone();
        let nodes = self.rest.len();
        let mut cutting = Cutting {
            body: self,
            height,
            own: vec![false; nodes],
            front: vec![false; nodes],
            around: BTreeMap::new(),
            parents_of_nodes: Vec::new(),
            parents_of_tets: Vec::new(),
            changed: BTreeSet::new(),
            least,
        };
        cutting.gather(&region);
        let crossed = cutting.mark(&blade, &region);
        cutting.split(&crossed);
        let open = cutting.faces_to_open();
        let open = cutting.split_slits(open);
        cutting.part(&open, &mut report);
        let Cutting { parents_of_nodes, parents_of_tets, changed, .. } = cutting;
        report.tets_added = self.tets.len() - tets.len();
        if changed.is_empty() {
            report.rest_volume_after_m3 = report.rest_volume_before_m3;
            return report;
        }
        self.after_cut(&parents_of_nodes, &parents_of_tets, &changed);
        let volume = |tet: [u32; 4]| crate::geom::tet_volume(tet.map(|v| self.rest[v as usize]));
        let grown = |&tet: &u32| volume(self.tets[tet as usize]) - tets.get(tet as usize).map_or(0.0, |&tet| volume(tet));
        self.rest_volume += changed.iter().map(grown).sum::<f64>();
        report.rest_volume_after_m3 = self.rest_volume;
        report.pieces = self.pieces.count();
        report
    }

    /// Elements whose box meets the polygon's and that reach the plane, ascending.
    fn tets_near(&self, blade: &Blade, height: &[f32]) -> Vec<u32> {
        let reach = FRONT_REACH * self.mean_edge_m;
        let (low, high) = (blade.low - self.mean_edge_m, blade.high + self.mean_edge_m);
        let near = |corners: &[u32; 4]| {
            if self.is_crumb(corners[0]) {
                return false;
            }
            let heights = corners.map(|v| height[v as usize]);
            let least = heights[0].min(heights[1]).min(heights[2]).min(heights[3]);
            let most = heights[0].max(heights[1]).max(heights[2]).max(heights[3]);
            if least > reach || most < -reach {
                return false;
            }
            let x = corners.map(|v| self.positions[v as usize]);
            let (own_low, own_high) = (x[0].min(x[1]).min(x[2]).min(x[3]), x[0].max(x[1]).max(x[2]).max(x[3]));
            own_low.cmple(high).all() && own_high.cmpge(low).all()
        };
        (0..self.tets.len() as u32).filter(|&tet| near(&self.tets[tet as usize])).collect()
    }

    /// Renews what follows from the changed elements.
    pub(super) fn after_cut(&mut self, parents_of_nodes: &[[u32; 2]], parents_of_tets: &[u32], changed: &BTreeSet<u32>) {
        if let Some(&any) = self.shapes.first() {
            self.shapes.resize(self.tets.len(), any);
        }
        for &tet in changed {
            let corners = self.tets[tet as usize].map(|v| self.rest[v as usize]);
            if let Some(shape) = Element::new(corners) {
                self.shapes[tet as usize] = shape;
            }
        }
        self.lattice.extend(&self.rest, parents_of_nodes, parents_of_tets);
        if !self.past.is_empty() {
            for &[a, b] in parents_of_nodes {
                let past = Past::between(self.past[a as usize], self.past[b as usize]);
                self.past.push(past);
            }
        }
        self.inherit_damage(parents_of_nodes);
        self.follow_split(parents_of_tets);
        self.order = self.order_with(parents_of_tets);
        self.responses.inherit(parents_of_tets);
        self.pinned = (0..self.rest.len() as u32).filter(|&v| self.is_pinned[v as usize]).collect();
        self.pieces = find_pieces(&self.tets, self.rest.len(), &self.is_held());
        self.weigh();
        self.take_crumbs();
        self.cut_count += 1;
        let mut touched = vec![false; self.rest.len()];
        changed.iter().flat_map(|&tet| self.tets[tet as usize]).for_each(|v| touched[v as usize] = true);
        parents_of_nodes.iter().flatten().for_each(|&v| touched[v as usize] = true);
        renew_exposed_faces(&mut self.exposed, &self.tets, &touched);
        self.surface = Surface::new(&self.tets, self.rest.len(), &self.exposed, &self.capsule, self.cut_count);
        // the lattice goes on with what it knows; `extend` has told it to look again
        let mut is_changed = vec![false; self.tets.len()];
        changed.iter().for_each(|&tet| is_changed[tet as usize] = true);
        self.renew_elements(|tet| is_changed[tet as usize]);
        let Self { tets, shapes, on_cut, is_pinned, materials, tet_material, clusters, elements, .. } = self;
        let modulus = |tet: usize| materials[usize::from(tet_material[tet])].moduli().0;
        let ties = Ties { tets, shapes, modulus: &modulus, on_cut, is_pinned };
        elements.forget(&clusters.renew(&ties, &touched));
    }

    /// The order of the elements with new ones behind their parents.
    fn order_with(&self, parents_of_tets: &[u32]) -> Vec<u32> {
        let first_new = (self.tets.len() - parents_of_tets.len()) as u32;
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut is_parent = vec![false; self.tets.len()];
        for (index, &parent) in parents_of_tets.iter().enumerate() {
            is_parent[parent as usize] = true;
            children.entry(parent).or_default().push(first_new + index as u32);
        }
        let mut order = Vec::with_capacity(self.tets.len());
        let mut open = Vec::new();
        for &tet in &self.order {
            open.push(tet);
            while let Some(next) = open.pop() {
                order.push(next);
                if is_parent[next as usize] {
                    open.extend(children.get(&next).into_iter().flatten().rev());
                }
            }
        }
        order
    }
}

impl Cutting<'_> {
    fn gather(&mut self, region: &[u32]) {
        let mut wanted = vec![false; self.body.rest.len()];
        for &tet in region {
            self.body.tets[tet as usize].iter().for_each(|&v| wanted[v as usize] = true);
        }
        for (tet, corners) in self.body.tets.iter().enumerate() {
            for &v in corners.iter().filter(|&&v| wanted[v as usize]) {
                self.around.entry(v).or_default().push(tet as u32);
            }
        }
    }

    fn on(&self, node: u32) -> bool {
        self.own[node as usize] || self.front[node as usize]
    }

    /// Marks the nodes on the cut; the answer is the crossed edges, ascending.
    fn mark(&mut self, blade: &Blade, region: &[u32]) -> Vec<[u32; 2]> {
        let edge_length = self.body.mean_edge_m;
        let mut edges = Vec::new();
        let nodes: Vec<u32> = self.around.keys().copied().collect();
        for v in nodes {
            let (height, x) = (self.height[v as usize].abs(), self.body.positions[v as usize]);
            if height < 1e-3 * edge_length && blade.covers(x, 1e-4 * edge_length) {
                self.own[v as usize] = true;
            } else if self.body.on_cut[v as usize] && height < FRONT_REACH * edge_length && blade.covers(x, edge_length) {
                self.front[v as usize] = true;
            }
        }
        for &tet in region {
            let corners = self.body.tets[tet as usize];
            for i in 0..4 {
                for j in i + 1..4 {
                    let (a, b) = (corners[i].min(corners[j]), corners[i].max(corners[j]));
                    if self.height[a as usize] * self.height[b as usize] < 0.0 {
                        edges.push([a, b]);
                    }
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        edges.retain(|&[a, b]| {
            let at = self.body.positions[a as usize].lerp(self.body.positions[b as usize], self.crossing([a, b]));
            blade.covers(at, 1e-4 * edge_length)
        });
        for &edge in &edges {
            let t = self.crossing(edge);
            if t < SNAP {
                self.own[edge[0] as usize] = true;
            } else if t > 1.0 - SNAP {
                self.own[edge[1] as usize] = true;
            }
        }
        edges
    }

    /// Where the plane crosses an edge, 0 at its first end.
    fn crossing(&self, [a, b]: [u32; 2]) -> f32 {
        let (from, to) = (self.height[a as usize], self.height[b as usize]);
        from / (from - to)
    }

    fn split(&mut self, crossed: &[[u32; 2]]) {
        for &edge in crossed {
            let [a, b] = edge;
            if self.on(a) || self.on(b) {
                continue;
            }
            let t = self.crossing(edge);
            match self.bisect(edge, t) {
                Some(node) => self.own[node as usize] = true,
                None => self.own[if t < 0.5 { a } else { b } as usize] = true,
            }
        }
    }

    /// Puts a node on an edge, at `t` from its first end, and bisects the elements around it; `None` if a child would be too small or too flat.
    fn bisect(&mut self, [a, b]: [u32; 2], t: f32) -> Option<u32> {
        let with_b = |tet: &u32| self.body.tets[*tet as usize].contains(&b);
        let fan: Vec<u32> = self.around.get(&a)?.iter().copied().filter(with_b).collect();
        let (first, second) = (a as usize, b as usize);
        let rest = self.body.rest[first].lerp(self.body.rest[second], t);
        for &tet in &fan {
            let corners = self.body.tets[tet as usize];
            for leaves in [a, b] {
                let x = corners.map(|v| if v == leaves { rest } else { self.body.rest[v as usize] });
                if !is_usable(x, self.least, self.body.mean_volume_m3) {
                    return None;
                }
            }
        }
        let node = self.body.rest.len() as u32;
        let body = &mut *self.body;
        let mix = |from: Vec3, to: Vec3| from.lerp(to, t);
        body.rest.push(rest);
        let position = mix(body.positions[first], body.positions[second]);
        body.u.push((position - rest).extend(0.0).to_array());
        body.positions.push(position);
        body.velocities.push(mix(body.velocities[first], body.velocities[second]));
        body.accelerations.push(mix(body.accelerations[first], body.accelerations[second]));
        body.is_pinned.push(body.is_pinned[first] && body.is_pinned[second]);
        body.on_cut.push(true);
        self.height.push(0.0);
        self.own.push(false);
        self.front.push(false);
        self.parents_of_nodes.push([a, b]);
        let mut own_fan = Vec::with_capacity(2 * fan.len());
        for &tet in &fan {
            let parent = tet as usize;
            let corners = self.body.tets[parent];
            let mask = self.body.capsule[parent];
            let place = |v: u32| corners.iter().position(|&c| c == v).unwrap_or(0);
            let (at_a, at_b) = (place(a), place(b));
            // the parent keeps a; the child, which keeps b, is new: each loses the face that now lies between them
            let child = self.body.tets.len() as u32;
            self.body.tets[parent][at_b] = node;
            self.body.capsule[parent] = mask & !(1 << at_a);
            let mut new_corners = corners;
            new_corners[at_a] = node;
            self.body.tets.push(new_corners);
            self.body.capsule.push(mask & !(1 << at_b));
            self.body.tet_material.push(self.body.tet_material[parent]);
            self.parents_of_tets.push(tet);
            self.changed.insert(tet);
            self.changed.insert(child);
            own_fan.extend([tet, child]);
            for v in corners {
                let list = self.around.entry(v).or_default();
                if v == b {
                    list.retain(|&other| other != tet);
                }
                if v != a {
                    list.push(child);
                }
            }
        }
        self.around.insert(node, own_fan);
        Some(node)
    }

    /// The side of the plane an element lies on, judged by its corners off the cut.
    fn side(&self, tet: u32) -> bool {
        let corners = self.body.tets[tet as usize];
        let off: f32 = corners.iter().filter(|&&v| !self.on(v)).map(|&v| self.height[v as usize]).sum();
        let all: f32 = corners.iter().map(|&v| self.height[v as usize]).sum();
        if corners.iter().all(|&v| self.on(v)) { all >= 0.0 } else { off >= 0.0 }
    }

    /// Faces on the cut between elements of different sides, by their sorted nodes.
    fn faces_to_open(&self) -> BTreeSet<[u32; 3]> {
        let mut found: Vec<([u32; 3], bool)> = Vec::new();
        let mut seen = BTreeSet::new();
        for (&v, tets) in &self.around {
            if !self.own[v as usize] {
                continue;
            }
            for &tet in tets.iter().filter(|&&tet| seen.insert(tet)).collect::<Vec<_>>() {
                for mut face in TetMesh::faces(self.body.tets[tet as usize]) {
                    if face.iter().all(|&v| self.on(v)) && face.iter().any(|&v| self.own[v as usize]) {
                        face.sort_unstable();
                        found.push((face, self.side(tet)));
                    }
                }
            }
        }
        found.sort_unstable();
        found.chunk_by(|a, b| a.0 == b.0).filter(|pair| pair.len() == 2 && pair[0].1 != pair[1].1).map(|pair| pair[0].0).collect()
    }

    /// Groups of `tets` that hang together by faces that stay and hold all of `nodes`; each ascending, the one with the lowest element first.
    fn groups(&self, mut tets: Vec<u32>, nodes: &[u32], open: &BTreeSet<[u32; 3]>) -> Vec<Vec<u32>> {
        tets.sort_unstable();
        let mut faces: Vec<([u32; 3], usize)> = Vec::with_capacity(3 * tets.len());
        for (index, &tet) in tets.iter().enumerate() {
            for mut face in TetMesh::faces(self.body.tets[tet as usize]) {
                if nodes.iter().all(|v| face.contains(v)) {
                    face.sort_unstable();
                    if !open.contains(&face) {
                        faces.push((face, index));
                    }
                }
            }
        }
        faces.sort_unstable();
        let mut label: Vec<usize> = (0..tets.len()).collect();
        fn root(label: &[usize], mut at: usize) -> usize {
            while label[at] != at {
                at = label[at];
            }
            at
        }
        for pair in faces.chunk_by(|a, b| a.0 == b.0).filter(|pair| pair.len() == 2) {
            let (a, b) = (root(&label, pair[0].1), root(&label, pair[1].1));
            label[a.max(b)] = a.min(b);
        }
        let mut groups: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (index, &tet) in tets.iter().enumerate() {
            groups.entry(root(&label, index)).or_default().push(tet);
        }
        groups.into_values().collect()
    }

    pub(super) fn groups_at(&self, node: u32, open: &BTreeSet<[u32; 3]>) -> Vec<Vec<u32>> {
        self.groups(self.around.get(&node).cloned().unwrap_or_default(), &[node], open)
    }

    /// Edges that would join two sides like a hinge: the elements around the edge fall into groups, two of which stay together at both its ends.
    fn hinges(&self, open: &BTreeSet<[u32; 3]>) -> Vec<[u32; 2]> {
        let edges: BTreeSet<[u32; 2]> = open.iter().flat_map(|&[a, b, c]| [[a, b], [a, c], [b, c]]).collect();
        let mut groups_of: BTreeMap<u32, Vec<Vec<u32>>> = BTreeMap::new();
        let mut hinges = Vec::new();
        for edge @ [a, b] in edges {
            let around = self.around.get(&a).map(Vec::as_slice).unwrap_or_default();
            let fan = around.iter().copied().filter(|&tet| self.body.tets[tet as usize].contains(&b)).collect();
            let fans = self.groups(fan, &edge, open);
            if fans.len() < 2 {
                continue;
            }
            let mut ends: Vec<[Option<usize>; 2]> = Vec::new();
            for group in &fans {
                ends.push(edge.map(|v| {
                    let groups = groups_of.entry(v).or_insert_with(|| self.groups_at(v, open));
                    groups.iter().position(|other| other.binary_search(&group[0]).is_ok())
                }));
            }
            ends.sort_unstable();
            if ends.windows(2).any(|pair| pair[0] == pair[1]) {
                hinges.push(edge);
            }
        }
        hinges
    }

    /// A hinge gets a node in its middle, which can part; where elements are too small for that, its faces stay closed.
    fn split_slits(&mut self, mut open: BTreeSet<[u32; 3]>) -> BTreeSet<[u32; 3]> {
        let sorted = |mut face: [u32; 3]| {
            face.sort_unstable();
            face
        };
        loop {
            let hinges = self.hinges(&open);
            if hinges.is_empty() {
                return open;
            }
            for edge @ [a, b] in hinges {
                let faces: Vec<[u32; 3]> = open.iter().copied().filter(|face| face.contains(&a) && face.contains(&b)).collect();
                let middle = if faces.is_empty() { None } else { self.bisect(edge, 0.5) };
                for face in faces {
                    open.remove(&face);
                    if let Some(node) = middle {
                        open.insert(sorted(face.map(|v| if v == b { node } else { v })));
                        open.insert(sorted(face.map(|v| if v == a { node } else { v })));
                    }
                }
            }
        }
    }

    /// Doubles the nodes of the parted faces and reports them.
    fn part(&mut self, open: &BTreeSet<[u32; 3]>, report: &mut CutReport) {
        let nodes: BTreeSet<u32> = open.iter().flatten().copied().collect();
        let mut faces: Vec<([u32; 3], [Vec3; 3], Vec<(u32, usize)>)> = Vec::new();
        for &face in open {
            let mut sides = Vec::new();
            for &tet in self.around.get(&face[0]).map(Vec::as_slice).unwrap_or_default() {
                let corners = self.body.tets[tet as usize];
                if let Some(opposite) = (0..4).find(|&k| (0..4).all(|i| i == k || face.contains(&corners[i]))) {
                    sides.push((tet, opposite));
                }
            }
            faces.push((face, face.map(|v| self.body.rest[v as usize]), sides));
        }
        let groups: Vec<(u32, Vec<Vec<u32>>)> = nodes.iter().map(|&v| (v, self.groups_at(v, open))).collect();
        for (old, groups) in groups {
            self.body.on_cut[old as usize] = true;
            for group in groups.iter().skip(1) {
                let new = self.double(old);
                for &tet in group {
                    let corners = &mut self.body.tets[tet as usize];
                    corners.iter_mut().filter(|v| **v == old).for_each(|v| *v = new);
                    self.changed.insert(tet);
                }
            }
        }
        // nodes that a snip touched without parting anything yet are where the next one joins
        for v in 0..self.own.len() {
            if self.own[v] {
                self.body.on_cut[v] = true;
            }
        }
        let mut materials = BTreeSet::new();
        for (_, rest, sides) in faces {
            let corners = |(tet, opposite): (u32, usize)| {
                let corners = self.body.tets[tet as usize];
                let mut face: Vec<u32> = (0..4).filter(|&k| k != opposite).map(|k| corners[k]).collect();
                face.sort_unstable();
                face
            };
            if sides.len() == 2 && corners(sides[0]) != corners(sides[1]) {
                let area = 0.5 * (rest[1] - rest[0]).cross(rest[2] - rest[0]).length();
                let toughness = |(tet, _): (u32, usize)| self.body.toughness(tet as usize);
                report.area_m2 += area;
                report.energy_j += area * 0.5 * (toughness(sides[0]) + toughness(sides[1]));
                report.opened.push(rest);
                materials.extend(sides.iter().map(|&(tet, _)| self.body.tet_material[tet as usize]));
            }
        }
        report.materials = materials.into_iter().collect();
    }

    /// A copy of a node, with what holds it.
    pub(super) fn double(&mut self, old: u32) -> u32 {
        let body = &mut *self.body;
        let (new, from) = (body.rest.len() as u32, old as usize);
        body.rest.push(body.rest[from]);
        body.u.push(body.u[from]);
        body.positions.push(body.positions[from]);
        body.velocities.push(body.velocities[from]);
        body.accelerations.push(body.accelerations[from]);
        body.is_pinned.push(body.is_pinned[from]);
        body.on_cut.push(true);
        let anchors: Vec<_> = body.anchors.iter().filter(|a| a.node == old).copied().collect();
        body.anchors.extend(anchors.into_iter().map(|anchor| super::grasp::Anchor { node: new, ..anchor }));
        self.parents_of_nodes.push([old, old]);
        new
    }
}

/// Whether an element of these rest corners may be made: by volume and by mean ratio 12 (3V)^⅔ / Σ l².
fn is_usable(x: [Vec3; 4], least: Least, mean_volume: f32) -> bool {
    let volume = crate::geom::tet_volume(x);
    if volume < f64::from(least.volume * mean_volume) || Element::new(x).is_none() {
        return false;
    }
    let edges = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
    let squares: f64 = edges.iter().map(|&(i, j)| f64::from(x[i].distance_squared(x[j]))).sum();
    // compared as cubes: (12 (3V)^⅔ / Σ l²)³ = 1728 · 9 V² / (Σ l²)³
    1728.0 * 9.0 * volume * volume >= least.quality.powi(3) * squares.powi(3)
}
