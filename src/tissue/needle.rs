//! Needles: a straight shaft enters tissue through a hole that its tip cuts, is held by it from the sides, drags at it, and leaves when pulled.
//!
//! ```text
//! F du = J dA + dΛ + P du        J dA = J w ds at the tip, dΛ = S ds, P = f · inserted length        held sideways: ½ k |x − a|² per length
//! ```
//! The hole is a chain of material points from where the tip broke the surface to where it has come. Ahead of the tip tissue gives way by the work of
//! fracture J of a crack of width w (Azar & Hayward, “Estimation of the fracture toughness of soft tissue from needle insertion”, ISBMS 2008; Gokgol,
//! Basdogan & Canadinc, “Estimation of fracture toughness of liver tissue”, Med Eng Phys 2012); spreading the crack to the shaft stores S for each
//! length, which the tip gets back on its way out; the shaft's friction is f for each length. Friction and cutting are springs up to their limit and
//! constant beyond it, so a needle at rest sticks. A shaft that is pressed aside harder than J for each length slits the hole wider. The hole stays
//! when the needle has left, and a needle that enters it again has nothing to cut until its end.
//!
//! Limits: the needle is straight and does not bend; the hole is not in the mesh (it neither gapes nor is drawn); the shaft outside touches nothing
//! (give the tool capsules for that); tissue without toughness is not cut and does not hold the shaft sideways; a needle that appears deep inside tissue
//! finds no way in until it is pulled out. Spreading and friction are the needle's own measured numbers: what a small-strain solid stores around a shaft
//! (π μ R²) is less than a tenth of what is measured in tissue, which stiffens.

use glam::Vec3;

use super::body::{BodyError, SoftBody};
use super::contact::closest_points;
use super::elements::Node;
use super::terms::vec3;

/// A needle and what it does in tissue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Needle {
    pub radius_m: f32,
    /// Of the crack that its tip cuts, m: about its diameter for a bevel, a lancet or a cutting edge.
    pub crack_width_m: f32,
    /// Force at which the tip breaks the surface, N.
    pub puncture_n: f32,
    /// Work of spreading the crack for each length, J/m.
    pub spreading_n: f32,
    /// Friction for each inserted length, N/m.
    pub friction_n_m: f32,
}

impl Needle {
    fn fault(&self) -> Option<&'static str> {
        let all = [self.radius_m, self.crack_width_m, self.puncture_n, self.spreading_n, self.friction_n_m];
        if all.iter().any(|value| !value.is_finite() || *value < 0.0) {
            return Some("its radius, crack width, forces and friction must be zero or positive");
        }
        (self.radius_m == 0.0).then_some("its radius must be positive")
    }
}

/// What happened to a needle in a tick.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NeedleReport {
    pub needle: u8,
    /// Its tip broke the surface, or it was pulled out.
    pub entered: bool,
    pub left: bool,
    /// Length of the shaft in tissue, m; 0 while the tip only presses.
    pub inserted_m: f32,
    /// The hole's growth, m, and the work of fracture that this took, J.
    pub advance_m: f32,
    pub cut_j: f32,
    /// Of the tissue on the needle, N.
    pub force_n: Vec3,
    /// Parts of it against the needle's way in, N: what presses on an unbroken surface counts as cutting.
    pub cutting_n: f32,
    pub spreading_n: f32,
    /// Negative on the way out.
    pub friction_n: f32,
    /// The rest, across the shaft, N.
    pub aside_n: Vec3,
}

/// Stiffness of a shaft's sides and grip for each length, in units of E.
const SHAFT_STIFFNESS: f32 = 10.0;
/// Stiffness of the tip, in units of E times the mean edge.
const TIP_STIFFNESS: f32 = 20.0;
/// Points of a hole lie so many mean edges apart.
const SPACING: f32 = 0.3;
/// An old hole is found again within so many radii of its mouth, and within this cosine of its direction.
const MOUTH: f32 = 3.0;
const ASTRAY: f32 = 0.94;
/// Holes that a body remembers; the oldest empty one is forgotten for a new one.
const MOST_HOLES: usize = 64;
/// The spreading force comes up over so many radii of the tip.
const TIP_RADII: f32 = 4.0;
/// A point counts as outside the body when its least weight is below this.
const OUTSIDE: f32 = -0.02;

/// A point of a hole.
#[derive(Debug, Clone, Copy)]
struct Point {
    rest: Vec3,
    tet: u32,
    weights: [f32; 4],
    /// Where along the needle, from the tip, its friction sticks; none while the shaft is not there.
    stuck_at: Option<f32>,
    /// How far aside the shaft has slit, m.
    aside: Vec3,
}

#[derive(Debug, Clone)]
struct Hole {
    /// From the mouth to the end; the last moves on with the tip.
    points: Vec<Point>,
    /// The needle in it.
    needle: Option<u8>,
    /// Its tip has broken the surface.
    is_open: bool,
    /// It ends outside again.
    is_through: bool,
}

#[derive(Debug, Clone, Copy)]
struct Driven {
    number: u8,
    needle: Needle,
    tip: Vec3,
    along: Vec3,
    /// How far its tip came in this tick, m.
    motion_m: f32,
}

/// All needles of a body and the holes they made.
#[derive(Debug, Clone, Default)]
pub(super) struct Needles {
    driven: Vec<Driven>,
    holes: Vec<Hole>,
}

/// A spring up to a force, that force beyond it.
#[derive(Debug, Clone, Copy, Default)]
struct Give {
    stiffness: f32,
    limit: f32,
}

impl Give {
    fn energy(self, stretch: f32) -> f32 {
        let force = self.stiffness * stretch;
        if force <= self.limit { 0.5 * force * stretch } else { self.limit * (stretch - 0.5 * self.reach()) }
    }

    fn force(self, stretch: f32) -> f32 {
        (self.stiffness * stretch).min(self.limit)
    }

    /// Stretch at its limit, m.
    fn reach(self) -> f32 {
        if self.stiffness > 0.0 { self.limit / self.stiffness } else { 0.0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Shaft,
    Tip,
    Spread,
}

/// One point of a hole during one tick.
#[derive(Debug, Clone, Copy)]
struct Hold {
    hole: u16,
    point: u16,
    part: Part,
    nodes: [u32; 4],
    weights: [f32; 4],
    /// The point when the tick began, the tip when it ends.
    start: Vec3,
    tip: Vec3,
    along: Vec3,
    stuck_at: f32,
    aside: Vec3,
    grip: Give,
    side: Give,
    /// A constant part of the gradient, N.
    push: f32,
    /// Length of shaft that it stands for, m.
    length_m: f32,
}

impl Hold {
    /// Stretch along and across the needle.
    fn stretch(&self, x: Vec3) -> (f32, Vec3) {
        let arm = x - self.tip;
        let along = arm.dot(self.along);
        let stretch = along - self.stuck_at;
        // the tip only pushes: it is ahead of the end where the end lies behind it
        let stretch = if self.part == Part::Tip { stretch.min(0.0) } else { stretch };
        (stretch, arm - self.along * along - self.aside)
    }

    fn at(&self, moved: &[Node]) -> Vec3 {
        (0..4).map(|k| vec3(moved[self.nodes[k] as usize]) * self.weights[k]).sum()
    }

    /// Gradient along the needle and across it, N: the force of the tissue on the needle.
    fn force(&self, x: Vec3) -> (f32, Vec3) {
        let (stretch, aside) = self.stretch(x);
        let across = aside.normalize_or_zero() * self.side.force(aside.length());
        (self.grip.force(stretch.abs()).copysign(stretch) - self.push, across)
    }
}

/// The needles' part of the potential.
#[derive(Debug, Clone, Default)]
pub struct Shafts {
    list: Vec<Hold>,
    /// Stiffness along, around and outwards, and the way outwards, of each after [`Shafts::gradient`].
    state: Vec<(f32, f32, f32, Vec3)>,
}

impl Shafts {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// J, at the displacements `moved` of this tick.
    pub fn energy(&self, moved: &[Node]) -> f64 {
        let of = |hold: &Hold| {
            let at = hold.at(moved);
            let (stretch, aside) = hold.stretch(hold.start + at);
            f64::from(hold.grip.energy(stretch.abs()) + hold.side.energy(aside.length()) - hold.push * at.dot(hold.along))
        };
        self.list.iter().map(of).sum()
    }

    /// Adds the gradient, N, and keeps the stiffness for the products that follow; none of its parts is negative.
    pub fn gradient(&mut self, moved: &[Node], out: &mut [Node]) {
        self.state.clear();
        for hold in &self.list {
            let x = hold.start + hold.at(moved);
            let (stretch, aside) = hold.stretch(x);
            let distance = aside.length();
            let grips = stretch != 0.0 && stretch.abs() <= hold.grip.reach();
            let along = if grips || (stretch == 0.0 && hold.part == Part::Shaft) { hold.grip.stiffness } else { 0.0 };
            let (around, outwards) = if distance <= hold.side.reach() {
                (hold.side.stiffness, hold.side.stiffness)
            } else {
                (hold.side.limit / distance.max(f32::MIN_POSITIVE), 0.0)
            };
            self.state.push((along, around, outwards, aside.normalize_or_zero()));
            let (lengthwise, across) = hold.force(x);
            scatter(hold, hold.along * lengthwise + across, out);
        }
    }

    pub fn product(&self, p: &[Node], out: &mut [Node]) {
        for (hold, &(along, around, outwards, n)) in self.list.iter().zip(&self.state) {
            let q = hold.at(p);
            let lengthwise = hold.along * hold.along.dot(q);
            scatter(hold, lengthwise * along + (q - lengthwise) * around + n * (n.dot(q) * (outwards - around)), out);
        }
    }

    /// Adds the diagonal blocks (xx, xy, xz, yy, yz, zz).
    pub fn diagonal(&self, out: &mut [[f32; 6]]) {
        let outer = |n: Vec3| [n.x * n.x, n.x * n.y, n.x * n.z, n.y * n.y, n.y * n.z, n.z * n.z];
        for (hold, &(along, around, outwards, n)) in self.list.iter().zip(&self.state) {
            let (axis, n) = (outer(hold.along), outer(n));
            for (&node, weight) in hold.nodes.iter().zip(hold.weights) {
                for (k, block) in out[node as usize].iter_mut().enumerate() {
                    let identity = if matches!(k, 0 | 3 | 5) { around } else { 0.0 };
                    *block += weight * weight * (axis[k] * (along - around) + identity + n[k] * (outwards - around));
                }
            }
        }
    }
}

fn scatter(hold: &Hold, force: Vec3, out: &mut [Node]) {
    for (&node, weight) in hold.nodes.iter().zip(hold.weights) {
        let share = force * weight;
        out[node as usize].iter_mut().zip(share.to_array()).for_each(|(out, share)| *out += share);
    }
}

impl SoftBody {
    /// Says where needle `number` will be at the end of the next step: its tip and the way it points. It stays there until it is driven again.
    ///
    /// # Errors
    /// [`BodyError::Needle`] where a number is not sound; nothing is changed then.
    pub fn drive_needle(&mut self, number: u8, needle: Needle, tip: Vec3, along: Vec3) -> Result<(), BodyError> {
        let refuse = |why: &'static str| Err(BodyError::Needle { needle: number, why });
        if let Some(why) = needle.fault() {
            return refuse(why);
        }
        if !tip.is_finite() {
            return refuse("its tip is not a finite point");
        }
        let Some(along) = along.try_normalize() else { return refuse("its direction has no length") };
        let known = self.needles.driven.iter().position(|driven| driven.number == number);
        let motion_m = known.map_or(0.0, |at| self.needles.driven[at].tip.distance(tip));
        let driven = Driven { number, needle, tip, along, motion_m };
        match known {
            Some(at) => self.needles.driven[at] = driven,
            None => self.needles.driven.push(driven),
        }
        let busy = |hole: &Hole| hole.needle == Some(number) && !hole.is_through;
        if !self.needles.holes.iter().any(busy) {
            self.meet(&driven);
        }
        Ok(())
    }

    /// Takes a needle away without pulling it out.
    pub fn drop_needle(&mut self, number: u8) {
        self.needles.driven.retain(|driven| driven.number != number);
        self.needles.holes.retain(|hole| hole.needle != Some(number) || hole.is_open);
        self.needles.holes.iter_mut().filter(|hole| hole.needle == Some(number)).for_each(Hole::leave);
    }

    /// Looks for tissue under the tip: the mouth of an old hole, or a face of the surface.
    fn meet(&mut self, driven: &Driven) {
        let Driven { needle, tip, along, .. } = *driven;
        let from = tip - along * (driven.motion_m + 0.5 * self.mean_edge_m);
        let mut best: Option<(f32, usize, [f32; 3])> = None;
        for (index, face) in self.surface.faces.iter().enumerate() {
            let corners = face.map(|v| self.positions[v as usize]);
            let normal = (corners[1] - corners[0]).cross(corners[2] - corners[0]);
            let low = corners[0].min(corners[1]).min(corners[2]);
            let high = corners[0].max(corners[1]).max(corners[2]);
            if normal.dot(along) >= 0.0 || from.min(tip).cmpgt(high).any() || from.max(tip).cmplt(low).any() {
                continue;
            }
            let closest = closest_points(from, tip, corners);
            if closest.crossing && best.is_none_or(|best| closest.along > best.0) {
                best = Some((closest.along, index, closest.weights));
            }
        }
        let Some((_, face, weights)) = best else { return };
        let tet = self.surface.owners[face];
        if self.is_crumb(self.tets[tet as usize][0]) {
            return;
        }
        let rest: Vec3 = self.surface.faces[face].iter().zip(weights).map(|(&v, w)| self.rest[v as usize] * w).sum();
        let mouth = self.positions_of(tet, &self.weights_in(tet as usize, rest));
        let is_old = |hole: &&mut Hole| {
            let [first, .., last] = hole.points.as_slice() else { return false };
            let at = |point: &Point| Self::weighted(&self.positions, self.tets[point.tet as usize], &point.weights);
            let way = (at(last) - at(first)).normalize_or_zero();
            hole.needle.is_none() && at(first).distance(mouth) <= MOUTH * needle.radius_m && way.dot(along) > ASTRAY
        };
        if let Some(hole) = self.needles.holes.iter_mut().find(is_old) {
            hole.needle = Some(driven.number);
            return;
        }
        if self.needles.holes.len() >= MOST_HOLES
            && let Some(empty) = self.needles.holes.iter().position(|hole| hole.needle.is_none())
        {
            self.needles.holes.remove(empty);
        }
        if self.needles.holes.len() < MOST_HOLES {
            let weights = self.weights_in(tet as usize, rest);
            let point = Point { rest, tet, weights, stuck_at: None, aside: Vec3::ZERO };
            self.needles.holes.push(Hole { points: vec![point], needle: Some(driven.number), is_open: false, is_through: false });
        }
    }

    fn weighted(positions: &[Vec3], nodes: [u32; 4], weights: &[f32; 4]) -> Vec3 {
        (0..4).map(|k| positions[nodes[k] as usize] * weights[k]).sum()
    }

    fn positions_of(&self, tet: u32, weights: &[f32; 4]) -> Vec3 {
        Self::weighted(&self.positions, self.tets[tet as usize], weights)
    }

    /// What the needles hold in this tick.
    pub(super) fn add_shafts(&self, shafts: &mut Shafts) {
        shafts.list.clear();
        for (number, hole) in (0u16..).zip(&self.needles.holes) {
            let driven = self.needles.driven.iter().find(|driven| Some(driven.number) == hole.needle);
            if let Some(driven) = driven {
                self.add_hole(number, hole, driven, &mut shafts.list);
            }
        }
    }

    fn add_hole(&self, number: u16, hole: &Hole, driven: &Driven, list: &mut Vec<Hold>) {
        let Driven { needle, tip, along, .. } = *driven;
        let last = hole.points.len() - 1;
        let mut before = f32::INFINITY;
        let mut inserted = 0.0;
        let mut tip_is_placed = false;
        for (index, point) in hole.points.iter().enumerate() {
            let tet = point.tet as usize;
            let (young, toughness) = (self.material(tet).young_pa, self.toughness(tet));
            let start = self.positions_of(point.tet, &point.weights);
            let at = (start - tip).dot(along);
            let hold = Hold {
                hole: number,
                point: index as u16,
                part: Part::Shaft,
                nodes: self.tets[tet],
                weights: point.weights,
                start,
                tip,
                along,
                stuck_at: point.stuck_at.unwrap_or(at),
                aside: point.aside,
                grip: Give::default(),
                side: Give::default(),
                push: 0.0,
                length_m: 0.0,
            };
            let tip_stiffness = TIP_STIFFNESS * young * self.mean_edge_m;
            if !hole.is_open {
                let side = Give { stiffness: tip_stiffness, limit: needle.puncture_n };
                let grip = Give { stiffness: tip_stiffness, limit: needle.puncture_n };
                list.push(Hold { part: Part::Tip, stuck_at: 0.0, grip, side, ..hold });
                return;
            }
            // of the piece of hole before this point the shaft fills what lies behind the tip
            let length = if before < 0.0 { (-before).min((at - before).max(0.0)) } else { 0.0 };
            inserted += length;
            if length > 0.0 {
                let stiffness = SHAFT_STIFFNESS * young * length;
                let grip = Give { stiffness, limit: needle.friction_n_m * length };
                let side = Give { stiffness, limit: toughness * length };
                list.push(Hold { grip, side, length_m: length, ..hold });
            }
            if !tip_is_placed && before < 0.0 && (at >= 0.0 || (index == last && !hole.is_through)) {
                tip_is_placed = true;
                let push = needle.spreading_n * (inserted / (TIP_RADII * needle.radius_m)).min(1.0);
                list.push(Hold { part: Part::Spread, push, ..hold });
            }
            if index == last && !hole.is_through {
                let grip = Give { stiffness: tip_stiffness, limit: toughness * needle.crack_width_m };
                list.push(Hold { part: Part::Tip, stuck_at: 0.0, aside: Vec3::ZERO, grip, ..hold });
            }
            before = at;
        }
    }

    /// Lets the needles cut, slide and leave, after a step; one report for each needle that is driven, in the order of their first use.
    pub fn follow_needles(&mut self) -> Vec<NeedleReport> {
        let mut reports: Vec<NeedleReport> =
            self.needles.driven.iter().map(|driven| NeedleReport { needle: driven.number, ..NeedleReport::default() }).collect();
        if self.needles.holes.is_empty() {
            return reports;
        }
        let list = std::mem::take(&mut self.terms.ties.shafts.list);
        for hold in &list {
            let Some(hole) = self.needles.holes.get_mut(usize::from(hold.hole)) else { continue };
            let Some(report) = reports.iter_mut().find(|report| Some(report.needle) == hole.needle) else { continue };
            let x = Self::weighted(&self.positions, hold.nodes, &hold.weights);
            let (lengthwise, across) = hold.force(x);
            report.force_n += hold.along * lengthwise + across;
            report.aside_n += across;
            match hold.part {
                Part::Shaft => {
                    report.friction_n -= lengthwise;
                    report.inserted_m += hold.length_m;
                    let (stretch, aside) = hold.stretch(x);
                    let point = &mut hole.points[usize::from(hold.point)];
                    let past = (stretch.abs() - hold.grip.reach()).max(0.0);
                    point.stuck_at = Some(hold.stuck_at + past.copysign(stretch));
                    let past = (aside.length() - hold.side.reach()).max(0.0);
                    point.aside += aside.normalize_or_zero() * past;
                    report.cut_j += hold.side.limit * past;
                }
                Part::Tip => report.cutting_n -= lengthwise,
                Part::Spread => report.spreading_n -= lengthwise,
            }
        }
        self.terms.ties.shafts.list = list;
        let mut holes = std::mem::take(&mut self.needles.holes);
        holes.retain_mut(|hole| {
            let driven = self.needles.driven.iter().find(|driven| Some(driven.number) == hole.needle);
            let Some(driven) = driven.copied() else { return hole.is_open };
            let report = reports.iter_mut().find(|report| report.needle == driven.number);
            report.is_none_or(|report| self.follow(hole, &driven, report))
        });
        self.needles.holes = holes;
        reports
    }

    /// The answer is whether the hole is kept.
    fn follow(&self, hole: &mut Hole, driven: &Driven, report: &mut NeedleReport) -> bool {
        let Driven { needle, tip, along, .. } = *driven;
        let behind = |point: &Point| (tip - self.positions_of(point.tet, &point.weights)).dot(along);
        let Some(&mouth) = hole.points.first() else { return false };
        let mouth_behind = behind(&mouth);
        if mouth_behind <= 0.0 {
            report.left |= hole.is_open;
            hole.leave();
            return hole.is_open;
        }
        let stiffness_at = |point: &Point| TIP_STIFFNESS * self.material(point.tet as usize).young_pa * self.mean_edge_m;
        if !hole.is_open {
            let beside = self.positions_of(mouth.tet, &mouth.weights) - tip;
            if (beside - along * beside.dot(along)).length() > self.mean_edge_m {
                return false; // it slid off
            }
            if stiffness_at(&mouth) * mouth_behind < needle.puncture_n {
                return true;
            }
            report.entered = true;
            hole.is_open = true;
            hole.points.push(mouth);
        }
        // points that the tip has drawn back from no longer stick
        for point in &mut hole.points {
            if behind(point) < 0.0 {
                point.stuck_at = None;
            }
        }
        let Some(mut end) = hole.points.last().copied().filter(|_| !hole.is_through) else { return true };
        let toughness = self.toughness(end.tet as usize);
        let limit = toughness * needle.crack_width_m;
        let ahead = behind(&end) - limit / stiffness_at(&end);
        if ahead <= 0.0 {
            return true;
        }
        let (stride, spacing) = (0.2 * self.mean_edge_m, SPACING * self.mean_edge_m);
        let mut left = ahead;
        while left > 0.0 && !self.is_crushed(end.tet as usize) {
            let way = left.min(stride);
            let Some(next) = self.onward(&end, along * way) else {
                hole.is_through = true;
                break;
            };
            let step = self.toughness(next.tet as usize) * needle.crack_width_m;
            report.cut_j += step * way;
            report.advance_m += way;
            left -= way;
            end = next;
            let fixed = hole.points.len() - 2;
            let so_far = hole.points[fixed].rest.distance(end.rest);
            // what the tip has just parted slides along it already
            let slid = needle.friction_n_m / (SHAFT_STIFFNESS * self.material(end.tet as usize).young_pa);
            let moved = Point { stuck_at: Some(slid - behind(&end)), aside: Vec3::ZERO, ..end };
            hole.points[fixed + 1] = moved;
            if so_far > spacing {
                hole.points.push(moved);
            }
        }
        true
    }

    /// The edges of an element from its first corner, now and at rest.
    fn edges(&self, tet: usize) -> [glam::Mat3; 2] {
        [&self.positions, &self.rest].map(|x| {
            let [a, b, c, d] = self.tets[tet].map(|v| x[v as usize]);
            glam::Mat3::from_cols(b - a, c - a, d - a)
        })
    }

    fn is_crushed(&self, tet: usize) -> bool {
        let [now, rest] = self.edges(tet);
        now.determinant() <= 0.05 * rest.determinant()
    }

    /// A material point a way on from another, as the tissue lies now; none outside it.
    fn onward(&self, from: &Point, way: Vec3) -> Option<Point> {
        let [now, rest] = self.edges(from.tet as usize);
        let rest = from.rest + rest * (now.inverse() * way);
        let least = |weights: &[f32; 4]| weights[0].min(weights[1]).min(weights[2]).min(weights[3]);
        let own = self.weights_in(from.tet as usize, rest);
        let (tet, weights) = if least(&own) >= 0.0 { (from.tet as usize, own) } else { self.locate(rest) };
        (least(&weights) > OUTSIDE).then_some(Point { rest, tet: tet as u32, weights, ..*from })
    }

    /// Finds the points of the holes again after elements were split, by what split from what.
    pub(super) fn follow_split(&mut self, parents_of_tets: &[u32]) {
        let first = self.tets.len() - parents_of_tets.len();
        let mut holes = std::mem::take(&mut self.needles.holes);
        for point in holes.iter_mut().flat_map(|hole| &mut hole.points) {
            let mut family = vec![point.tet];
            for (index, parent) in parents_of_tets.iter().enumerate() {
                if family.contains(parent) {
                    family.push((first + index) as u32);
                }
            }
            let least = |tet: u32| self.weights_in(tet as usize, point.rest).into_iter().fold(f32::INFINITY, f32::min);
            if let Some(&tet) = family.iter().max_by(|&&a, &&b| least(a).total_cmp(&least(b)).then(b.cmp(&a))) {
                (point.tet, point.weights) = (tet, self.weights_in(tet as usize, point.rest));
            }
        }
        self.needles.holes = holes;
    }

    /// Forgets the points of holes in elements that are gone, and renumbers the others.
    pub(super) fn follow_removal(&mut self, taken: &[bool], numbers: &[u32]) {
        self.terms.ties.shafts.list.clear();
        self.needles.holes.retain_mut(|hole| {
            let end_is_gone = hole.points.last().is_some_and(|point| taken[point.tet as usize]);
            hole.is_through |= end_is_gone;
            hole.points.retain(|point| !taken[point.tet as usize]);
            hole.points.iter_mut().for_each(|point| point.tet = numbers[point.tet as usize]);
            hole.points.len() > 1
        });
    }
}

impl Hole {
    fn leave(&mut self) {
        self.needle = None;
        self.points.iter_mut().for_each(|point| point.stuck_at = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(part: Part, start: Vec3) -> Hold {
        Hold {
            hole: 0,
            point: 0,
            part,
            nodes: [0, 1, 2, 3],
            weights: [0.1, 0.2, 0.3, 0.4],
            start,
            tip: Vec3::ZERO,
            along: Vec3::new(0.6, 0.0, 0.8),
            stuck_at: if part == Part::Shaft { -1e-3 } else { 0.0 },
            aside: if part == Part::Shaft { Vec3::new(0.0, 1e-4, 0.0) } else { Vec3::ZERO },
            grip: Give { stiffness: 400.0, limit: 0.6 },
            side: Give { stiffness: 300.0, limit: 0.5 },
            push: if part == Part::Spread { 0.2 } else { 0.0 },
            length_m: 1e-3,
        }
    }

    /// Within and beyond the limits. Tolerance: central differences over 1e-4 m of energies of 1e-3 J in `f32`.
    #[test]
    fn forces_are_the_slope_of_the_energy_and_stiffness_that_of_the_force() {
        let starts = [Vec3::new(2e-4, -3e-4, -2e-3), Vec3::new(1e-3, 4e-3, -6e-3), Vec3::new(5e-3, -1e-3, 4e-3)];
        for part in [Part::Shaft, Part::Tip, Part::Spread] {
            for start in starts {
                let mut shafts = Shafts { list: vec![hold(part, start)], state: Vec::new() };
                let moved = vec![[1e-4, -2e-4, 5e-5, 0.0], [0.0; 4], [2e-4, 1e-4, 0.0, 0.0], [0.0, 3e-4, 1e-4, 0.0]];
                let force = |shafts: &mut Shafts, moved: &[Node]| {
                    let mut gradient = vec![[0.0; 4]; 4];
                    shafts.gradient(moved, &mut gradient);
                    gradient
                };
                let here = force(&mut shafts, &moved);
                for (node, axis) in [(0, 0), (1, 1), (2, 2), (3, 0), (3, 1), (3, 2)] {
                    let nudged = |by: f32| {
                        let mut nudged = moved.clone();
                        nudged[node][axis] += by;
                        nudged
                    };
                    let slope = (shafts.energy(&nudged(1e-4)) - shafts.energy(&nudged(-1e-4))) / 2e-4;
                    assert!((slope - f64::from(here[node][axis])).abs() < 2e-3, "{part:?} {start}: {slope} {here:?}");
                    let (up, down) = (force(&mut shafts, &nudged(2e-5)), force(&mut shafts, &nudged(-2e-5)));
                    force(&mut shafts, &moved);
                    let mut way = vec![[0.0; 4]; 4];
                    way[node][axis] = 4e-5;
                    let mut product = vec![[0.0; 4]; 4];
                    shafts.product(&way, &mut product);
                    for other in 0..4 {
                        for k in 0..3 {
                            let change = up[other][k] - down[other][k];
                            assert!((change - product[other][k]).abs() < 2e-5, "{part:?} {start}: {change} {product:?}");
                        }
                    }
                }
            }
        }
    }
}
