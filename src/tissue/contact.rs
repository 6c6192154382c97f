//! Tool shafts and jaws, and the table, against the tissue's boundary.
//!
//! A tool is a few capsules; a rigid body may have convex hulls too. Each face near a capsule is divided into equal triangles, no wider than the capsule, and the middle of each stands for
//! its share of the surface: the contact energy is an integral over the surface, `∫ κ/2 δ² dA` with a depth δ that is smooth where points glide
//! along the capsule, so that what is held still comes to rest, and no corner or edge of the mesh is special.
//!
//! The depth of a point is looked at along the way into the tissue (the face's normal when the tick began): in front of the axis the contact is
//! that of the round capsule itself; a point that the axis has passed is pushed on ahead of it. Contacts are one-sided by memory: a point meets a
//! capsule that stood before it when the tick began, or that it touched at the end of the last one, so a tool that jumps past the surface within a tick
//! is still outside, and a tool behind a thin sheet is not pulled through it. Past [`DEEPEST_M`] the tool has gone through and the contact is let go.
//!
//! What sticks keeps its elastic slip from tick to tick (Cundall and Strack, “A discrete numerical model for granular assemblies”, Géotechnique
//! 1979): friction below its limit is a spring, and nothing creeps.

use glam::Vec3;

use super::body::SoftBody;
use super::elements::Node;
use super::movable::Hull;
use super::solver::Loads;
use super::terms::{Against, Contact, Terms, vec3};
use crate::geom::Pose;

/// Depth at which a tool counts as having gone through, m.
pub(super) const DEEPEST_M: f32 = 0.03;
/// Depth up to which a contact hardens, in margins: what presses hard would sink in otherwise.
const HARDEST: f32 = 2.0;
/// How often contacts are looked at again from where what gives way has been pushed to.
const PUSHED_LOOKS: u32 = 3;
/// A part of a face that meets a hull is no wider than this share of that.
const PART_OF_HULL: f32 = 0.25;
/// A face is divided into at least this many parts along an edge, squared, and at most.
const PARTS: [u16; 2] = [2, 8];

/// A segment with a radius, in the world, now and one tick ago. Metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capsule {
    pub from: Vec3,
    pub to: Vec3,
    pub previous_from: Vec3,
    pub previous_to: Vec3,
    pub radius_m: f32,
}

impl Capsule {
    /// A capsule that has not moved.
    pub fn still(from: Vec3, to: Vec3, radius_m: f32) -> Self {
        Self { from, to, previous_from: from, previous_to: to, radius_m }
    }

    pub(super) fn is_sound(&self) -> bool {
        [self.from, self.to, self.previous_from, self.previous_to].iter().all(|p| p.is_finite())
            && self.radius_m.is_finite()
            && self.radius_m >= 0.0
    }

    /// The box that it has swept, m.
    pub(super) fn swept(&self) -> (Vec3, Vec3) {
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        let (before_low, before_high) = (self.previous_from.min(self.previous_to), self.previous_from.max(self.previous_to));
        (low.min(before_low) - self.radius_m, high.max(before_high) + self.radius_m)
    }

    /// How far its ends have moved in the tick at most, m.
    pub(super) fn motion_m(&self) -> f32 {
        self.from.distance(self.previous_from).max(self.to.distance(self.previous_to))
    }

    /// The same between two shares of the tick.
    pub(super) fn on_the_way(&self, before: f32, now: f32) -> Self {
        Self {
            from: self.previous_from.lerp(self.from, now),
            to: self.previous_to.lerp(self.to, now),
            previous_from: self.previous_from.lerp(self.from, before),
            previous_to: self.previous_to.lerp(self.to, before),
            radius_m: self.radius_m,
        }
    }
}

/// One tool as the tissue meets it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolShape {
    pub tool: u8,
    /// At the end of this tick.
    pub pose: Pose,
    pub capsules: Vec<Capsule>,
    /// Coulomb's coefficient.
    pub friction: f32,
}

impl ToolShape {
    /// Whether every number in it is finite.
    pub fn is_sound(&self) -> bool {
        self.pose.is_sound() && self.friction.is_finite() && self.capsules.iter().all(Capsule::is_sound)
    }
}

/// A point of the surface that may stand against something: a part of a face, by its sorted nodes, against a capsule of a tool, or one node, three times
/// over, against the floor or tissue.
pub(super) type Place = (Against, u8, [u32; 3], u16);

/// The place of a node.
pub(super) fn place_of(against: Against, node: u32) -> Place {
    (against, 0, [node; 3], 0)
}

/// What a contact leaves for the next tick.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Grip {
    /// Elastic slip, m.
    pub slip: Vec3,
    /// What it pressed with, N: the limit of friction in the next tick, which so is a problem with one answer.
    pub force_n: f32,
    /// The way into the tissue as the tool sees it; none where nothing pressed.
    pub into: Vec3,
}

/// What touched what at the end of the last tick, ascending.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContactMemory {
    touching: Vec<(Place, Grip)>,
}

impl ContactMemory {
    pub(super) fn of(&self, place: &Place) -> Option<Grip> {
        self.touching.binary_search_by(|(known, _)| known.cmp(place)).ok().map(|at| self.touching[at].1)
    }

    /// The nodes of the faces that tools pressed on, with repetitions.
    pub(super) fn pressed_by_tools(&self) -> Vec<u32> {
        let pressed =
            self.touching.iter().filter(|((against, ..), grip)| matches!(against, Against::Tool(_)) && grip.force_n > 0.0);
        pressed.flat_map(|((_, _, nodes, _), _)| *nodes).collect()
    }
}

/// What tissue meets.
#[derive(Clone, Copy)]
enum Form<'a> {
    Capsule(&'a Capsule),
    Hull(&'a Hull),
}

/// One solid of a tool or of a rigid body.
struct Solid<'a> {
    against: Against,
    /// Which of the tool's or body's.
    number: u8,
    form: Form<'a>,
    friction: f32,
    /// The body that gives way, by its place among those that do, and its centre, m.
    movable: Option<(usize, Vec3)>,
}

/// All solids of a tick's loads.
fn solids<'a>(loads: &Loads<'a>) -> Vec<Solid<'a>> {
    let mut solids = Vec::new();
    for tool in loads.tools {
        for (number, capsule) in (0..).zip(&tool.capsules) {
            let (against, form) = (Against::Tool(tool.tool), Form::Capsule(capsule));
            solids.push(Solid { against, number, form, friction: tool.friction, movable: None });
        }
    }
    let mut movables = 0;
    for body in loads.bodies {
        let movable = body.gives_way().then_some((movables, body.centre));
        movables += usize::from(movable.is_some());
        let forms = body.capsules.iter().map(Form::Capsule).chain(body.hulls.iter().map(Form::Hull));
        for (number, form) in (0..).zip(forms) {
            solids.push(Solid { against: Against::Rigid(body.number), number, form, friction: body.friction, movable });
        }
    }
    solids
}

/// The middle of one part of a face, against one solid.
struct Sample {
    place: Place,
    solid: u16,
    nodes: [u32; 3],
    weights: [f32; 3],
    /// Into the tissue, unit.
    into: Vec3,
    /// N/m.
    stiffness: f32,
    last: Grip,
}

/// The points and nodes that may touch something during one tick.
pub struct Contacts<'a> {
    solids: Vec<Solid<'a>>,
    samples: Vec<Sample>,
    /// Surface nodes near the floor.
    low: Vec<(u32, Grip)>,
    /// The place of each contact that was made last, and the way into the tissue there.
    made: Vec<(Place, Vec3)>,
}

impl<'a> Contacts<'a> {
    /// Finds what may touch: by boxes of the swept solids, then by the side on which a solid stood when the tick began.
    pub fn begin(body: &SoftBody, loads: &Loads<'a>, moved: &[Node]) -> Self {
        let settings = &body.settings;
        let mut contacts = Self { solids: solids(loads), samples: Vec::new(), low: Vec::new(), made: Vec::new() };
        let reach = body.mean_edge_m * 0.25 + settings.contact_margin_m;
        if let Some(floor) = settings.floor_y_m {
            for &node in &body.surface.nodes {
                let start = body.positions[node as usize].y;
                if start.min(start + moved[node as usize][1]) < floor + reach && !body.is_pinned[node as usize] {
                    contacts.low.push((node, body.contact_memory.of(&place_of(Against::Floor, node)).unwrap_or_default()));
                }
            }
        }
        if contacts.solids.is_empty() {
            return contacts;
        }
        let mut boxes = Vec::new();
        for (solid, shape) in contacts.solids.iter().enumerate() {
            let (low, high) = match shape.form {
                Form::Capsule(capsule) => capsule.swept(),
                Form::Hull(hull) => hull.swept(),
            };
            boxes.push((solid, shape.against, low - reach, high + reach));
        }
        let held: Vec<(Against, u32)> = {
            let mut held: Vec<_> = body.anchors.iter().map(|a| (Against::Tool(a.tool), a.node)).collect();
            held.sort_unstable();
            held
        };
        for (index, face) in body.surface.faces.iter().enumerate() {
            let (mut low, mut high) = (Vec3::INFINITY, Vec3::NEG_INFINITY);
            for &node in face {
                let at = body.positions[node as usize];
                let next = at + vec3(moved[node as usize]);
                (low, high) = (low.min(at).min(next), high.max(at).max(next));
            }
            for &(solid, against, box_low, box_high) in &boxes {
                if low.cmpgt(box_high).any() || high.cmplt(box_low).any() || body.is_crumb(face[0]) {
                    continue;
                }
                // what the jaws hold is inside them
                if face.iter().any(|&v| held.binary_search(&(against, v)).is_ok()) {
                    continue;
                }
                contacts.sample(body, index, solid);
            }
        }
        contacts
    }

    /// Divides a face and keeps the parts that may meet the solid.
    fn sample(&mut self, body: &SoftBody, index: usize, number: usize) {
        let face = body.surface.faces[index];
        let solid = &self.solids[number];
        let margin_m = body.settings.contact_margin_m;
        let [a, b, c] = face.map(|v| body.positions[v as usize]);
        let into = (c - a).cross(b - a).normalize_or_zero();
        let rest = face.map(|v| body.rest[v as usize]);
        let edge = (0..3).map(|k| rest[k].distance(rest[(k + 1) % 3])).fold(0.0, f32::max);
        let width = match solid.form {
            Form::Capsule(capsule) => capsule.radius_m + margin_m,
            Form::Hull(hull) => PART_OF_HULL * hull.size_m() + margin_m,
        };
        let parts = ((edge / width).ceil() as u16).clamp(PARTS[0], PARTS[1]);
        let young = body.materials[usize::from(body.tet_material[body.surface.owners[index] as usize])].young_pa;
        let area = 0.5 * (rest[1] - rest[0]).cross(rest[2] - rest[0]).length();
        let stiffness = body.settings.contact_stiffness * young * area.sqrt() / f32::from(parts * parts);
        for (part, weights) in (0..).zip(middles(parts)) {
            let place = (solid.against, solid.number, sorted(face), part);
            let known = body.contact_memory.of(&place);
            let last = known.unwrap_or_default();
            // what is pressed is pushed on the way it was pushed, whatever becomes of its face
            let into = if last.into == Vec3::ZERO { into } else { last.into };
            let at = a * weights[0] + b * weights[1] + c * weights[2];
            let was_before = || match solid.form {
                Form::Capsule(capsule) => {
                    let (along, _) = closest_on_segments(capsule.previous_from, capsule.previous_to, at, at);
                    (at - capsule.previous_from.lerp(capsule.previous_to, along)).dot(into) > 0.0
                }
                Form::Hull(hull) => hull.was_before(at, into),
            };
            if known.is_some() || was_before() {
                self.samples.push(Sample { place, solid: number as u16, nodes: face, weights, into, stiffness, last });
            }
        }
    }

    pub fn is_empty(&self, body: &SoftBody) -> bool {
        self.samples.is_empty() && self.low.is_empty() && !body.meets_itself()
    }

    /// Freezes every contact at the displacements `moved` of this tick, and where bodies that give way are pushed to by it.
    pub fn linearise(&mut self, body: &SoftBody, moved: &[Node], terms: &mut Terms) {
        self.freeze(body, moved, terms);
        for _ in 0..if terms.movables.is_empty() { 0 } else { PUSHED_LOOKS } {
            terms.settle_movables(moved);
            self.freeze(body, moved, terms);
        }
    }

    fn freeze(&mut self, body: &SoftBody, moved: &[Node], terms: &mut Terms) {
        terms.contacts.clear();
        self.made.clear();
        let settings = &body.settings;
        let margin_m = settings.contact_margin_m;
        for sample in &self.samples {
            let solid = &self.solids[usize::from(sample.solid)];
            let (mut at, mut moved_here) = (Vec3::ZERO, Vec3::ZERO);
            for (&node, &weight) in sample.nodes.iter().zip(&sample.weights) {
                moved_here += vec3(moved[node as usize]) * weight;
                at += body.positions[node as usize] * weight;
            }
            let here = at + moved_here;
            let movable = solid.movable.map(|(index, centre)| (index, here - centre));
            let given = movable.map_or(Vec3::ZERO, |(index, arm)| terms.movables[index].gives(arm));
            let touch = match solid.form {
                Form::Capsule(capsule) => touch(capsule, capsule.radius_m + margin_m, here - given, sample.into),
                Form::Hull(hull) => touch_hull(hull, margin_m, here - given, sample.into),
            };
            let Some(touch) = touch else { continue };
            let press = press(sample.stiffness, touch.depth * touch.rise, margin_m);
            // as a spring of the same force and slope
            let stiffness = press.stiffness * touch.rise * touch.rise;
            let depth = press.force / (press.stiffness * touch.rise);
            terms.contacts.push(Contact {
                nodes: [sample.nodes[0], sample.nodes[1], sample.nodes[2], sample.nodes[0]],
                weights: [sample.weights[0], sample.weights[1], sample.weights[2], 0.0],
                normal: touch.normal,
                depth_at_start: depth - touch.normal.dot(moved_here - given),
                stiffness,
                energy_beside: press.energy - 0.5 * stiffness * depth.max(0.0).powi(2),
                friction: solid.friction * sample.last.force_n,
                slip_at_start: sample.last.slip,
                obstacle_motion: touch.motion,
                against: solid.against,
                movable,
                given,
            });
            self.made.push((sample.place, if touch.ahead < 0.0 { sample.into } else { -touch.normal }));
        }
        body.linearise_self_contacts(moved, terms, &mut self.made);
        let Some(floor) = settings.floor_y_m else { return };
        let young = body.materials.iter().map(|m| m.young_pa).fold(0.0, f32::max);
        let stiffness = settings.contact_stiffness * young * body.mean_edge_m;
        for &(node, last) in &self.low {
            let depth_at_start = floor - body.positions[node as usize].y;
            terms.contacts.push(Contact {
                nodes: [node; 4],
                weights: [1.0, 0.0, 0.0, 0.0],
                normal: Vec3::NEG_Y,
                depth_at_start,
                stiffness,
                energy_beside: 0.0,
                friction: settings.floor_friction * last.force_n,
                slip_at_start: last.slip,
                obstacle_motion: Vec3::ZERO,
                against: Against::Floor,
                movable: None,
                given: Vec3::ZERO,
            });
            self.made.push((place_of(Against::Floor, node), Vec3::ZERO));
        }
    }

    /// Keeps what touches at the end of the tick for the next one.
    pub fn remember(&self, body: &mut SoftBody, terms: &Terms, moved: &[Node]) {
        let near = -2.0 * body.settings.contact_margin_m;
        let touching = &mut body.contact_memory.touching;
        touching.clear();
        for (&(place, into), contact) in self.made.iter().zip(&terms.contacts) {
            let depth = contact.depth(moved);
            if depth > near {
                let pressed = if depth > 0.0 {
                    Grip { slip: terms.elastic_slip(contact, moved), force_n: contact.normal_force(moved), into }
                } else {
                    Grip::default()
                };
                touching.push((place, pressed));
            }
        }
        touching.sort_unstable_by_key(|touching| touching.0);
    }
}

fn sorted(mut face: [u32; 3]) -> [u32; 3] {
    face.sort_unstable();
    face
}

/// Barycentric weights of the middles of the `parts`² equal triangles that a triangle is divided into.
fn middles(parts: u16) -> impl Iterator<Item = [f32; 3]> {
    let third = 1.0 / (3.0 * f32::from(parts));
    let weights = move |i: u16, j: u16, up: u16| {
        // thirds of a part from the first corner: an upright triangle's middle, or that of the one turned over beside it
        let (b, c) = (f32::from(3 * i + up) * third, f32::from(3 * j + up) * third);
        [1.0 - b - c, b, c]
    };
    (0..parts).flat_map(move |i| {
        let upright = (0..parts - i).map(move |j| weights(i, j, 1));
        upright.chain((0..(parts - i).saturating_sub(1)).map(move |j| weights(i, j, 2)))
    })
}

/// A capsule as a point sees it along the way into the tissue.
struct View {
    /// Where on the axis what the point would meet first is, m from its start.
    along_m: f32,
    /// How far the point is ahead of the axis, m; negative where the axis has passed it.
    ahead: f32,
    /// From the axis to the point, across the way in, m.
    aside: Vec3,
    /// 1 − (aside / keep)²: positive.
    cover: f32,
}

impl View {
    /// `None` where the point is not on the way of the capsule of radius `keep`.
    fn of(from: Vec3, to: Vec3, keep: f32, point: Vec3, into: Vec3) -> Option<Self> {
        let axis = to - from;
        let length = axis.length();
        let unit = if length > 1e-9 { axis / length } else { Vec3::ZERO };
        let rise = unit.dot(into);
        let slant = unit - into * rise;
        let run = slant.length();
        let start = point - from;
        let ahead_of_start = start.dot(into);
        let aside_of_start = start - into * ahead_of_start;
        // the highest point of the capsule's front over the point's line: where d/dt (√(keep² − aside²) + rise t) = 0
        let along_m = if run < 1e-3 {
            if rise > 0.0 { length } else { 0.0 }
        } else {
            let lengthwise = aside_of_start.dot(slant) / run;
            let room = keep * keep - (aside_of_start.length_squared() - lengthwise * lengthwise);
            if room <= 0.0 {
                return None;
            }
            ((lengthwise + rise * room.sqrt()) / run).clamp(0.0, length)
        };
        let aside = aside_of_start - slant * along_m;
        let cover = 1.0 - aside.length_squared() / (keep * keep);
        (cover > 0.0).then_some(Self { along_m, ahead: ahead_of_start - rise * along_m, aside, cover })
    }
}

/// A contact's energy, J, its slope, N, and the slope of that, N/m, by depth.
struct Press {
    energy: f32,
    force: f32,
    stiffness: f32,
}

/// ψ = k/2 δ² (1 + (δ/δ₀)²) with δ₀ the margin, up to [`HARDEST`] of it, and from there a parabola; outside what a spring of k would pull.
fn press(k: f32, depth_m: f32, margin_m: f32) -> Press {
    let limit = HARDEST * margin_m;
    let hard = (depth_m.clamp(0.0, limit) / margin_m).powi(2);
    let inside = depth_m.min(limit);
    let (force, stiffness) = (k * inside * (1.0 + 2.0 * hard), k * (1.0 + 6.0 * hard));
    let energy = 0.5 * k * inside.max(0.0).powi(2) * (1.0 + hard);
    let beyond = (depth_m - limit).max(0.0);
    Press { energy: energy + force * beyond + 0.5 * stiffness * beyond * beyond, force: force + stiffness * beyond, stiffness }
}

struct Touch {
    /// Toward the solid, unit.
    normal: Vec3,
    /// How far the solid's point has moved in the tick, m.
    motion: Vec3,
    /// How far the point must move against the normal to leave the solid, m; negative outside it.
    depth: f32,
    /// |∇δ|: what the energy's depth changes by with this one.
    rise: f32,
    /// How far the point is ahead of the axis, m.
    ahead: f32,
}

/// The contact of a point of the surface with a capsule, both where they are now; `None` where it is far or has gone through.
///
/// With `s` ahead of the axis, `w` beside it, q = 1 − w²/r² and c = √q: δ = c (r c − s) ahead of the axis, which is the depth in the round capsule up
/// to second order and has its slope at the surface; δ = q (r − s) where the axis has passed, so that the push begins softly at the sides.
fn touch(capsule: &Capsule, keep: f32, point: Vec3, into: Vec3) -> Option<Touch> {
    let length = capsule.from.distance(capsule.to).max(1e-9);
    let motion = |along: f32| capsule.from.lerp(capsule.to, along) - capsule.previous_from.lerp(capsule.previous_to, along);
    if let Some(View { along_m, ahead, aside, cover }) = View::of(capsule.from, capsule.to, keep, point, into) {
        let root = cover.sqrt();
        let depth = if ahead >= 0.0 { root * (keep * root - ahead) } else { cover * (keep - ahead) };
        if ahead < -DEEPEST_M {
            return None;
        }
        if depth > 0.0 {
            let slope = if ahead >= 0.0 {
                into * root + aside * ((2.0 - (ahead / (keep * root)).min(1.0)) / keep)
            } else {
                into * cover + aside * (2.0 * (keep - ahead) / (keep * keep))
            };
            let rise = slope.length();
            if rise > 1e-6 {
                return Some(Touch { normal: -slope / rise, motion: motion(along_m / length), depth: depth / rise, rise, ahead });
            }
        }
    }
    // not yet: kept as a wall, or the solve would not see it coming and let the point spring through
    let (along, _) = closest_on_segments(capsule.from, capsule.to, point, point);
    let apart = capsule.from.lerp(capsule.to, along) - point;
    let distance = apart.length();
    (distance >= keep && distance < 2.0 * keep).then(|| Touch {
        normal: apart / distance,
        motion: motion(along),
        depth: keep - distance,
        rise: 1.0,
        ahead: distance,
    })
}

/// The contact of a point of the surface with a convex solid that keeps `margin_m` from it.
fn touch_hull(hull: &Hull, margin_m: f32, point: Vec3, into: Vec3) -> Option<Touch> {
    let (out, before) = hull.nearest(point, into);
    let touch = Touch { normal: -out, motion: hull.motion_at(point), depth: margin_m - before, rise: 1.0, ahead: before };
    (-DEEPEST_M..2.0 * margin_m).contains(&before).then_some(touch)
}

/// Closest points of a segment and a triangle.
pub struct Closest {
    pub on_segment: Vec3,
    pub on_triangle: Vec3,
    pub weights: [f32; 3],
    pub along: f32,
    /// The segment passes through the triangle.
    pub crossing: bool,
}

/// Closest points of the segment `p`–`q` and a triangle (Ericson, “Real-Time Collision Detection”, 2005, §5.1).
pub fn closest_points(p: Vec3, q: Vec3, corners: [Vec3; 3]) -> Closest {
    let [a, b, c] = corners;
    let normal = (b - a).cross(c - a);
    let (from, to) = ((p - a).dot(normal), (q - a).dot(normal));
    if from * to < 0.0 {
        let along = from / (from - to);
        let hit = p + (q - p) * along;
        let weights = barycentric(hit, corners);
        if weights.iter().all(|&w| w >= 0.0) {
            return Closest { on_segment: hit, on_triangle: hit, weights, along, crossing: true };
        }
    }
    let mut best = Closest { on_segment: p, on_triangle: a, weights: [1.0, 0.0, 0.0], along: 0.0, crossing: false };
    let mut least = f32::MAX;
    let mut offer = |along: f32, weights: [f32; 3]| {
        let on_segment = p + (q - p) * along;
        let on_triangle = a * weights[0] + b * weights[1] + c * weights[2];
        let distance = on_segment.distance_squared(on_triangle);
        if distance < least {
            least = distance;
            best = Closest { on_segment, on_triangle, weights, along, crossing: false };
        }
    };
    for (end, along) in [(p, 0.0), (q, 1.0)] {
        let weights = barycentric(end, corners);
        if weights.iter().all(|&w| w >= 0.0) {
            offer(along, weights);
        }
    }
    for (first, second) in [(0, 1), (1, 2), (2, 0)] {
        let (s, t) = closest_on_segments(p, q, corners[first], corners[second]);
        let mut weights = [0.0; 3];
        weights[first] = 1.0 - t;
        weights[second] = t;
        offer(s, weights);
    }
    best
}

/// Weights of the foot point of `x` in the triangle's plane; some are negative outside it.
fn barycentric(x: Vec3, [a, b, c]: [Vec3; 3]) -> [f32; 3] {
    let (ab, ac, ax) = (b - a, c - a, x - a);
    let (bb, bc, cc) = (ab.dot(ab), ab.dot(ac), ac.dot(ac));
    let determinant = bb * cc - bc * bc;
    if determinant <= 0.0 {
        return [-1.0, 0.0, 0.0];
    }
    let (xb, xc) = (ax.dot(ab), ax.dot(ac));
    let (v, w) = ((cc * xb - bc * xc) / determinant, (bb * xc - bc * xb) / determinant);
    [1.0 - v - w, v, w]
}

/// Parameters of the closest points of `p`–`q` and `a`–`b`.
fn closest_on_segments(p: Vec3, q: Vec3, a: Vec3, b: Vec3) -> (f32, f32) {
    let (d1, d2, r) = (q - p, b - a, p - a);
    let (l1, l2, f) = (d1.length_squared(), d2.length_squared(), d2.dot(r));
    if l1 <= 0.0 {
        return (0.0, if l2 > 0.0 { (f / l2).clamp(0.0, 1.0) } else { 0.0 });
    }
    let c = d1.dot(r);
    if l2 <= 0.0 {
        return ((-c / l1).clamp(0.0, 1.0), 0.0);
    }
    let mixed = d1.dot(d2);
    let determinant = l1 * l2 - mixed * mixed;
    let mut s = if determinant > 1e-7 * l1 * l2 { ((mixed * f - c * l2) / determinant).clamp(0.0, 1.0) } else { 0.5 };
    let mut t = (mixed * s + f) / l2;
    if t < 0.0 {
        t = 0.0;
        s = (-c / l1).clamp(0.0, 1.0);
    } else if t > 1.0 {
        t = 1.0;
        s = ((mixed - c) / l1).clamp(0.0, 1.0);
    }
    (s, t)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point() -> impl Strategy<Value = Vec3> {
        prop::array::uniform3(-1.0f32..1.0).prop_map(Vec3::from)
    }

    proptest! {
        /// No pair of sampled points is nearer. Tolerance: f32 rounding of coordinates of 1.
        #[test]
        fn no_sampled_pair_is_nearer_than_the_closest_points(p in point(), q in point(), a in point(), b in point(), c in point()) {
            prop_assume!((b - a).cross(c - a).length() > 0.05);
            let closest = closest_points(p, q, [a, b, c]);
            let least = closest.on_segment.distance(closest.on_triangle);
            for i in 0..=8 {
                for j in 0..=(8 - i) {
                    for k in 0..=8 {
                        let on_triangle = a + (b - a) * (i as f32 / 8.0) + (c - a) * (j as f32 / 8.0);
                        let on_segment = p + (q - p) * (k as f32 / 8.0);
                        prop_assert!(least <= on_segment.distance(on_triangle) + 1e-4);
                    }
                }
            }
            let on_triangle = a * closest.weights[0] + b * closest.weights[1] + c * closest.weights[2];
            prop_assert!(on_triangle.distance(closest.on_triangle) < 1e-4);
        }
    }

    fn unit() -> impl Strategy<Value = Vec3> {
        point().prop_filter_map("a direction", |v| (v.length() > 0.1).then(|| v.normalize()))
    }

    proptest! {
        /// Just inside a capsule the depth is the capsule's own and the push the nearest way out, whatever the way into the tissue, as long as that
        /// goes in: they agree to second order.
        #[test]
        fn a_shallow_contact_is_that_of_the_round_capsule(from in point(), to in point(), at in point(), into in unit(), depth in 1e-4f32..1e-2) {
            let (along, _) = closest_on_segments(from, to, at, at);
            let axis = from.lerp(to, along);
            let out = (at - axis).normalize_or_zero();
            prop_assume!(out.dot(into) > 0.5);
            let point = axis + out * (0.5 - depth);
            let touch = touch(&Capsule::still(from, to, 0.5), 0.5, point, into).expect("it is inside");
            prop_assert!((touch.depth - depth).abs() < 0.1 * depth + 1e-5, "{} {depth}", touch.depth);
            prop_assert!(touch.normal.dot(out) < -0.99 && (touch.rise - 1.0).abs() < 0.2, "{} {out} {}", touch.normal, touch.rise);
        }
    }

    /// The middles of the parts have equal shares: any linear function is integrated exactly.
    #[test]
    fn parts_of_a_face_weigh_the_same() {
        for parts in 1..=8u16 {
            let all: Vec<[f32; 3]> = middles(parts).collect();
            assert_eq!(all.len(), usize::from(parts * parts));
            for k in 0..3 {
                let mean = all.iter().map(|w| w[k]).sum::<f32>() / all.len() as f32;
                assert!((mean - 1.0 / 3.0).abs() < 1e-6 && all.iter().all(|w| w[k] > 0.0));
            }
        }
    }

    #[test]
    fn what_presses_is_the_slope_of_its_energy() {
        for depth in [-1e-3, 1e-4, 4e-4, 9e-4, 2e-3] {
            let at = |by: f32| press(800.0, depth + by, 5e-4);
            let (before, here, after) = (at(-1e-5), at(0.0), at(1e-5));
            if depth > 0.0 {
                assert!(((after.energy - before.energy) / 2e-5 - here.force).abs() < 0.01 * here.force + 1e-3);
            }
            assert!(((after.force - before.force) / 2e-5 - here.stiffness).abs() < 0.02 * here.stiffness);
        }
    }

    /// A rod that has passed a face pushes it on, however deep, until it has gone through; one beside it does so softly at first.
    #[test]
    fn a_point_that_the_axis_has_passed_is_pushed_on() {
        let into = Vec3::NEG_Y;
        let rod = |y: f32, z: f32| Capsule::still(Vec3::new(-1.0, y, z), Vec3::new(1.0, y, z), 1e-3);
        for deep in [0.001, 0.005, 0.02] {
            let touch = touch(&rod(-deep, 0.0), 1e-3, Vec3::ZERO, into).expect("a contact");
            assert!((touch.depth - deep - 1e-3).abs() < 1e-6 && (touch.normal - Vec3::Y).length() < 1e-5);
        }
        assert!(touch(&rod(-0.031, 0.0), 1e-3, Vec3::ZERO, into).is_none());
        let beside = touch(&rod(-0.005, 0.99e-3), 1e-3, Vec3::ZERO, into).expect("a contact");
        assert!(beside.depth * beside.rise < 2e-4 && beside.normal.z > 0.9, "{} {}", beside.depth, beside.normal);
    }
}
