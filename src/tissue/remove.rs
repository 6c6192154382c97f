//! Removal: tissue that is punched out or ablated, with its volume accounted for.
//!
//! What lies in a region is taken away element by element, by the elements' centres; a punch cuts along its sides first, so that what it takes is
//! its own shape and not the mesh's. Elements that are left hanging together by a node or an edge alone are parted, as after a cut, so a piece is
//! what hangs together by faces, and pieces become bodies of their own.
//!
//! Limits: ablation is as rough as the mesh; there is no heat.

use std::collections::{BTreeMap, BTreeSet};

use glam::Vec3;

use super::body::SoftBody;
use super::coarse::Lattice;
use super::cut::{BladeSweep, Cutting, Least};

/// Where tissue is taken away, in the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Region {
    Ball {
        centre: Vec3,
        radius_m: f32,
    },
    /// All that is nearer to a segment.
    Capsule {
        from: Vec3,
        to: Vec3,
        radius_m: f32,
    },
    /// A cylinder of flat ends from `from` to `to`.
    Cylinder {
        from: Vec3,
        to: Vec3,
        radius_m: f32,
    },
}

impl Region {
    pub fn contains(&self, x: Vec3) -> bool {
        let along = |from: Vec3, to: Vec3| (x - from).dot(to - from) / (to - from).length_squared();
        match *self {
            Region::Ball { centre, radius_m } => x.distance_squared(centre) <= radius_m * radius_m,
            Region::Capsule { from, to, radius_m } => {
                let t = along(from, to);
                let t = if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) };
                x.distance_squared(from.lerp(to, t)) <= radius_m * radius_m
            }
            Region::Cylinder { from, to, radius_m } => {
                let t = along(from, to);
                (0.0..=1.0).contains(&t) && x.distance_squared(from.lerp(to, t)) <= radius_m * radius_m
            }
        }
    }

    fn is_sound(&self) -> bool {
        match *self {
            Region::Ball { centre, radius_m } => centre.is_finite() && radius_m.is_finite(),
            Region::Capsule { from, to, radius_m } | Region::Cylinder { from, to, radius_m } => {
                from.is_finite() && to.is_finite() && radius_m.is_finite()
            }
        }
    }
}

/// What was taken away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Removal {
    pub tets: usize,
    /// Rest volume of what was taken, m³.
    pub volume_m3: f64,
    /// The same by material.
    pub by_material_m3: Vec<f64>,
    pub rest_volume_before_m3: f64,
    pub rest_volume_after_m3: f64,
    /// Pieces that the body now consists of.
    pub pieces: usize,
}

/// Sides of a punch.
const SIDES: usize = 12;

impl SoftBody {
    /// Takes away the elements whose centre lies in the region now. An unsound region takes nothing; a body may be taken away whole.
    pub fn ablate(&mut self, region: &Region) -> Removal {
        let centre = |tet: &[u32; 4]| tet.iter().map(|&v| self.positions[v as usize]).sum::<Vec3>() * 0.25;
        let sound = region.is_sound();
        let taken: Vec<bool> = self.tets.iter().map(|tet| sound && region.contains(centre(tet))).collect();
        self.take_away(&taken)
    }

    /// Cuts out a core with flat sides around the axis from `from` to `to` and takes it away.
    pub fn punch(&mut self, from: Vec3, to: Vec3, radius_m: f32) -> Removal {
        let core = Region::Cylinder { from, to, radius_m };
        let Some(axis) = (to - from).try_normalize().filter(|_| core.is_sound() && radius_m > 0.0) else {
            return self.take_away(&vec![false; self.tets.len()]);
        };
        let aside = axis.any_orthonormal_vector();
        let rim = |from: Vec3, k: usize| {
            let angle = k as f32 * std::f32::consts::TAU / SIDES as f32;
            from + (aside * libm::cosf(angle) + axis.cross(aside) * libm::sinf(angle)) * radius_m
        };
        for k in 0..SIDES {
            self.cut(&BladeSweep { polygon: vec![rim(from, k), rim(from, k + 1), rim(to, k + 1), rim(to, k)] });
        }
        for end in [from, to] {
            self.cut(&BladeSweep { polygon: (0..SIDES).map(|k| rim(end, k)).collect() });
        }
        // inside its flat sides, not inside the round one: the middles of the sides are nearer to the axis
        let apothem = radius_m * libm::cosf(std::f32::consts::PI / SIDES as f32);
        let inside = |x: Vec3| {
            let height = (x - from).dot(axis);
            let beside = x - from - axis * height;
            let reaches = |k: usize| beside.dot(((rim(from, k) + rim(from, k + 1)) * 0.5 - from).normalize_or_zero()) <= apothem;
            height >= 0.0 && height <= from.distance(to) && (0..SIDES).all(reaches)
        };
        let centre = |tet: &[u32; 4]| tet.iter().map(|&v| self.positions[v as usize]).sum::<Vec3>() * 0.25;
        let taken: Vec<bool> = self.tets.iter().map(|tet| inside(centre(tet))).collect();
        self.take_away(&taken)
    }

    fn take_away(&mut self, taken: &[bool]) -> Removal {
        let before = self.rest_volume;
        let mut removal = Removal {
            rest_volume_before_m3: before,
            rest_volume_after_m3: before,
            by_material_m3: vec![0.0; self.materials.len()],
            pieces: self.pieces.count(),
            ..Removal::default()
        };
        let mut beside: BTreeSet<u32> = BTreeSet::new();
        for (tet, _) in taken.iter().enumerate().filter(|(_, taken)| **taken) {
            let volume = crate::geom::tet_volume(self.tets[tet].map(|v| self.rest[v as usize]));
            removal.tets += 1;
            removal.volume_m3 += volume;
            removal.by_material_m3[usize::from(self.tet_material[tet])] += volume;
            beside.extend(self.tets[tet]);
        }
        if removal.tets == 0 {
            return removal;
        }
        fn keep<T>(list: &mut Vec<T>, taken: &[bool]) {
            let mut index = 0;
            list.retain(|_| {
                index += 1;
                !taken[index - 1]
            });
        }
        keep(&mut self.tets, taken);
        keep(&mut self.tet_material, taken);
        keep(&mut self.capsule, taken);
        keep(&mut self.exposed, taken);
        keep(&mut self.shapes, taken);
        let mut number = 0u32;
        let mut numbers = Vec::with_capacity(taken.len());
        for taken in taken {
            numbers.push(number);
            number += u32::from(!taken);
        }
        self.follow_removal(taken, &numbers);
        self.order.retain(|&tet| !taken[tet as usize]);
        self.order.iter_mut().for_each(|tet| *tet = numbers[*tet as usize]);
        self.elements.renumber(taken, &numbers);
        self.responses.take_away(taken);
        self.lattice = Lattice::default();
        let mut used = vec![false; self.rest.len()];
        self.tets.iter().flatten().for_each(|&v| used[v as usize] = true);
        self.let_go(&used);
        self.on_cut.iter_mut().enumerate().filter(|(v, _)| beside.contains(&(*v as u32))).for_each(|(_, on)| *on = true);
        let (parents, changed) = self.part_loose(&beside);
        self.after_cut(&parents, &[], &changed);
        self.stale = true;
        self.rest_volume = self.rest_volume();
        removal.rest_volume_after_m3 = self.rest_volume;
        removal.pieces = self.pieces.count();
        removal
    }

    /// Doubles those of the nodes whose elements hang together by them alone; the answer is what new nodes come from, and the elements around.
    fn part_loose(&mut self, nodes: &BTreeSet<u32>) -> (Vec<[u32; 2]>, BTreeSet<u32>) {
        let mut around: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (tet, corners) in (0u32..).zip(&self.tets) {
            for v in corners.iter().filter(|v| nodes.contains(v)) {
                around.entry(*v).or_default().push(tet);
            }
        }
        let mut cutting = Cutting {
            body: self,
            height: Vec::new(),
            own: Vec::new(),
            front: Vec::new(),
            changed: around.values().flatten().copied().collect(),
            around,
            parents_of_nodes: Vec::new(),
            parents_of_tets: Vec::new(),
            least: Least::OF_A_CUT,
        };
        let whole = BTreeSet::new();
        let groups: Vec<(u32, Vec<Vec<u32>>)> = nodes.iter().map(|&v| (v, cutting.groups_at(v, &whole))).collect();
        for (old, groups) in groups {
            for group in groups.iter().skip(1) {
                let new = cutting.double(old);
                for &tet in group {
                    let corners = &mut cutting.body.tets[tet as usize];
                    corners.iter_mut().filter(|v| **v == old).for_each(|v| *v = new);
                }
            }
        }
        (cutting.parents_of_nodes, cutting.changed)
    }

    /// Forgets what held nodes that belong to no element any more.
    fn let_go(&mut self, used: &[bool]) {
        for v in (0..used.len()).filter(|&v| !used[v]) {
            self.is_pinned[v] = false;
            self.velocities[v] = Vec3::ZERO;
            self.accelerations[v] = Vec3::ZERO;
        }
        let gone: Vec<u32> = (0..used.len() as u32).filter(|&v| !used[v as usize]).collect();
        self.anchors.retain(|anchor| used[anchor.node as usize]);
        self.drop_fibres(&gone);
        self.contact_memory = Default::default();
    }
}
