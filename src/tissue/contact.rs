//! Tool shafts and jaws, and the table, against the tissue's boundary.
//!
//! A tool is a few capsules. Where a capsule comes near the boundary, each corner, edge and face near it makes a contact of its own: how far its
//! nearest point must move to leave the capsule, frozen for one Newton step (normal, weights, depth), renewed for the next. So that contact comes
//! to rest, a feature's stiffness goes to nothing where its nearest point goes over to a neighbour (to the end of an edge, to the border of a face,
//! or where a shaft lies along an edge and the nearest point would jump from end to end), and the normal turns smoothly from the axis's direction,
//! while the axis stands outside, to the surface's own, once it does not.
//!
//! Contacts are one-sided by memory: a face pushes a capsule out through the side on which the capsule was when the tick began, so a tool that jumps
//! past the surface within a tick is still outside, and a tool behind a thin sheet is not pulled through it. Past [`DEEPEST_M`] the tool has gone
//! through and the contact is let go.
//!
//! Stiffness: `contact_stiffness` times the tissue's E times the root of the feature's share of the area, N/m.

use glam::Vec3;

use super::body::SoftBody;
use super::elements::Node;
use super::terms::{Against, Contact, Place, Stuck, Terms, vec3};
use crate::geom::Pose;

/// Depth at which a tool counts as having gone through, m.
pub(super) const DEEPEST_M: f32 = 0.03;

/// How far a tip that pokes straight through a face is looked for behind it, m.
const POKE_M: f32 = 0.015;

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
        let finite = |c: &Capsule| {
            [c.from, c.to, c.previous_from, c.previous_to].iter().all(|p| p.is_finite())
                && c.radius_m.is_finite()
                && c.radius_m >= 0.0
        };
        self.pose.is_sound() && self.friction.is_finite() && self.capsules.iter().all(finite)
    }
}

/// What touched what at the end of the last tick.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContactMemory {
    /// (tool, capsule, face by its sorted nodes), ascending.
    touching: Vec<(u8, u8, [u32; 3])>,
    /// By place, ascending.
    stuck: Vec<(Place, Stuck)>,
}

impl ContactMemory {
    /// Adds a contact: its elastic slip is that of the last tick, and so is the normal force that friction is reckoned with at first, for the
    /// prediction that a tick begins with may press the tissue far into what it lies on.
    pub fn add(&self, mut contact: Contact, friction: f32, depth: f32, is_first: bool, terms: &mut Terms) {
        let found = self.stuck.binary_search_by_key(&contact.place, |&(place, _)| place);
        let stuck = found.map_or(Stuck::default(), |found| self.stuck[found].1);
        contact.stuck = stuck.slip;
        contact.friction = friction * if is_first { stuck.normal_n } else { terms.force_at(&contact, depth) };
        terms.contacts.push(contact);
    }
}

struct Pair {
    face: u32,
    tool: u16,
    capsule: u16,
}

/// A corner, an edge or a face near one capsule, with those of its faces that may touch it.
struct Feature {
    tool: u16,
    capsule: u16,
    /// Sorted; `u32::MAX` fills up.
    nodes: [u32; 3],
    /// Where its faces begin in the list of them.
    faces: std::ops::Range<u32>,
}

/// The faces and nodes that may touch something during one tick.
pub struct Contacts {
    pairs: Vec<Pair>,
    features: Vec<Feature>,
    faces_of_features: Vec<u32>,
    /// Surface nodes near the floor.
    low: Vec<u32>,
}

const NO_NODE: u32 = u32::MAX;

impl Contacts {
    /// Finds what may touch: by boxes of the swept capsules, then by the side on which a capsule stood when the tick began.
    pub fn begin(body: &SoftBody, tools: &[ToolShape], moved: &[Node]) -> Self {
        let settings = &body.settings;
        let mut contacts = Self { pairs: Vec::new(), features: Vec::new(), faces_of_features: Vec::new(), low: Vec::new() };
        let reach = body.mean_edge_m * 0.25 + settings.contact_margin_m;
        if let Some(floor) = settings.floor_y_m {
            let near = |&&v: &&u32| {
                let start = body.positions[v as usize].y;
                !body.is_pinned[v as usize] && start.min(start + moved[v as usize][1]) < floor + reach
            };
            contacts.low = body.surface.nodes.iter().filter(near).copied().collect();
        }
        if tools.iter().all(|tool| tool.capsules.is_empty()) {
            return contacts;
        }
        let mut boxes = Vec::new();
        for (tool, shape) in tools.iter().enumerate() {
            for (index, c) in shape.capsules.iter().enumerate() {
                let (low, high) = (
                    c.from.min(c.to).min(c.previous_from).min(c.previous_to),
                    c.from.max(c.to).max(c.previous_from).max(c.previous_to),
                );
                let around = c.radius_m + reach;
                boxes.push((tool as u16, index as u16, low - around, high + around));
            }
        }
        let held: Vec<(u8, u32)> = {
            let mut held: Vec<_> = body.anchors.iter().map(|a| (a.tool, a.node)).collect();
            held.sort_unstable();
            held
        };
        for (index, face) in body.surface.faces.iter().enumerate() {
            if body.is_crumb(face[0]) {
                continue;
            }
            let corners = face.map(|v| body.positions[v as usize]);
            let (low, high) = (corners[0].min(corners[1]).min(corners[2]), corners[0].max(corners[1]).max(corners[2]));
            for &(tool, capsule, box_low, box_high) in &boxes {
                if low.cmpgt(box_high).any() || high.cmplt(box_low).any() {
                    continue;
                }
                let shape = &tools[usize::from(tool)];
                // what the jaws hold is inside them
                if face.iter().any(|&v| held.binary_search(&(shape.tool, v)).is_ok()) {
                    continue;
                }
                let c = &shape.capsules[usize::from(capsule)];
                let key = (shape.tool, capsule as u8, sorted(*face));
                let touching = body.contact_memory.touching.binary_search(&key).is_ok();
                if touching || was_outside(c, corners) {
                    contacts.pairs.push(Pair { face: index as u32, tool, capsule });
                }
            }
        }
        contacts.gather_features(body);
        contacts
    }

    /// The corners, edges and faces of the pairs, each once for each capsule.
    fn gather_features(&mut self, body: &SoftBody) {
        let mut parts: Vec<(u16, u16, [u32; 3], u32)> = Vec::with_capacity(7 * self.pairs.len());
        for pair in &self.pairs {
            let [a, b, c] = sorted(body.surface.faces[pair.face as usize]);
            let corners = [a, b, c].map(|v| [v, NO_NODE, NO_NODE]);
            let edges = [[a, b, NO_NODE], [a, c, NO_NODE], [b, c, NO_NODE]];
            for nodes in corners.into_iter().chain(edges).chain([[a, b, c]]) {
                parts.push((pair.tool, pair.capsule, nodes, pair.face));
            }
        }
        parts.sort_unstable();
        for same in parts.chunk_by(|x, y| (x.0, x.1, x.2) == (y.0, y.1, y.2)) {
            let first = self.faces_of_features.len() as u32;
            self.faces_of_features.extend(same.iter().map(|part| part.3));
            let (tool, capsule, nodes, _) = same[0];
            self.features.push(Feature { tool, capsule, nodes, faces: first..self.faces_of_features.len() as u32 });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.low.is_empty()
    }

    /// Freezes every contact at the displacements `moved` of this tick, of which `is_first` says that they are a prediction.
    pub fn linearise(&self, body: &SoftBody, tools: &[ToolShape], moved: &[Node], is_first: bool, terms: &mut Terms) {
        terms.contacts.clear();
        for feature in &self.features {
            feature.linearise(&self.faces_of_features, body, tools, moved, is_first, terms);
        }
        let settings = &body.settings;
        let Some(floor) = settings.floor_y_m else { return };
        let young = body.materials.iter().map(|m| m.young_pa).fold(0.0, f32::max);
        let stiffness = settings.contact_stiffness * young * body.mean_edge_m;
        for &node in &self.low {
            let place = Place { against: Against::Floor, part: 0, feature: [node, NO_NODE, NO_NODE] };
            let contact = Contact {
                nodes: [node; 4],
                weights: [1.0, 0.0, 0.0, 0.0],
                normal: Vec3::NEG_Y,
                depth_at_start: floor - body.positions[node as usize].y,
                stiffness,
                friction: 0.0,
                obstacle_motion: Vec3::ZERO,
                stuck: Vec3::ZERO,
                place,
            };
            let depth = contact.depth_at_start - moved[node as usize][1];
            body.contact_memory.add(contact, settings.floor_friction, depth, is_first, terms);
        }
    }

    /// Keeps what touches and what sticks at the end of the tick for the next one.
    pub fn remember(&self, body: &mut SoftBody, tools: &[ToolShape], terms: &Terms, moved: &[Node]) {
        let mut touching = Vec::new();
        for pair in &self.pairs {
            let face = body.surface.faces[pair.face as usize];
            let tool = &tools[usize::from(pair.tool)];
            let capsule = &tool.capsules[usize::from(pair.capsule)];
            let keep = capsule.radius_m + 2.0 * body.settings.contact_margin_m;
            if touches(capsule, face.map(|v| body.positions[v as usize]), keep) {
                touching.push((tool.tool, pair.capsule as u8, sorted(face)));
            }
        }
        touching.sort_unstable();
        body.contact_memory = ContactMemory { touching, stuck: terms.stuck(moved) };
    }
}

impl Feature {
    fn linearise(&self, faces: &[u32], body: &SoftBody, tools: &[ToolShape], moved: &[Node], is_first: bool, terms: &mut Terms) {
        let tool = &tools[usize::from(self.tool)];
        let capsule = &tool.capsules[usize::from(self.capsule)];
        let keep = capsule.radius_m + body.settings.contact_margin_m;
        let at = |v: u32| body.positions[v as usize] + vec3(moved[v as usize]);
        let faces = &faces[self.faces.start as usize..self.faces.end as usize];
        // twice the area of its faces, along their normals
        let area: Vec3 = faces
            .iter()
            .map(|&face| {
                let [a, b, c] = body.surface.faces[face as usize].map(at);
                (b - a).cross(c - a)
            })
            .sum();
        let outward = area.normalize_or_zero();
        let owner = body.surface.owners[faces[0] as usize] as usize;
        // as stiff as the tissue around it: corners and edges have a third of each face
        let share = if self.nodes[2] == NO_NODE { 6.0 } else { 2.0 };
        let size = (area.length() / share).sqrt().min(body.mean_edge_m);
        let full = body.settings.contact_stiffness * body.material(owner).young_pa * size;
        let corners = self.nodes.map(|v| if v == NO_NODE { 0 } else { v });
        let mut add = |part: u16, weights: [f32; 3], touch: Touch, weight: f32| {
            let moved_here: Vec3 = (0..3).map(|k| vec3(moved[corners[k] as usize]) * weights[k]).sum();
            let now = capsule.from.lerp(capsule.to, touch.along);
            let place = Place { against: Against::Tool(tool.tool), part: 4 * self.capsule + part, feature: self.nodes };
            let contact = Contact {
                nodes: [corners[0], corners[1], corners[2], corners[0]],
                weights: [weights[0], weights[1], weights[2], 0.0],
                normal: touch.normal,
                depth_at_start: touch.depth - touch.normal.dot(moved_here),
                stiffness: full * weight,
                friction: 0.0,
                obstacle_motion: now - capsule.previous_from.lerp(capsule.previous_to, touch.along),
                stuck: Vec3::ZERO,
                place,
            };
            body.contact_memory.add(contact, tool.friction, touch.depth, is_first, terms);
        };
        match self.nodes {
            [a, NO_NODE, _] => {
                if let Some(touch) = touch_corner(capsule, at(a), outward, keep) {
                    add(0, [1.0, 0.0, 0.0], touch, 1.0);
                }
            }
            [a, b, NO_NODE] => {
                if let Some((touch, share, weight)) = touch_edge(capsule, [at(a), at(b)], outward, keep) {
                    add(0, [1.0 - share, share, 0.0], touch, weight);
                }
            }
            nodes => {
                let points = nodes.map(at);
                let crossing = touch_crossing(capsule, points, outward, keep);
                let is_crossed = crossing.is_some();
                if let Some((touch, weights)) = crossing {
                    add(2, weights, touch, 1.0);
                }
                let ends = if capsule.from == capsule.to { 1 } else { 2 };
                for end in 0..ends {
                    if let Some((touch, weights, weight)) = touch_end(capsule, end, points, outward, keep, is_crossed) {
                        add(end, weights, touch, weight);
                    }
                }
            }
        }
    }
}

fn sorted(mut face: [u32; 3]) -> [u32; 3] {
    face.sort_unstable();
    face
}

/// Whether the capsule's axis stood on the outer side of the face one tick ago.
fn was_outside(capsule: &Capsule, corners: [Vec3; 3]) -> bool {
    let normal = (corners[1] - corners[0]).cross(corners[2] - corners[0]);
    let closest = closest_points(capsule.previous_from, capsule.previous_to, corners);
    let apart = closest.on_segment - closest.on_triangle;
    !closest.crossing && apart.dot(normal) > 0.0
}

struct Touch {
    /// From the surface to the axis, outwards.
    normal: Vec3,
    /// Where along the axis, 0 at `from`.
    along: f32,
    /// How far the point must move against the normal to leave the capsule, m.
    depth: f32,
}

/// Rise of the axis over the surface (the sine) below which the way out is the surface's normal, and above which it is straight away from the axis.
const RISE: [f32; 2] = [0.2, 0.6];

/// The squared sine of the angle between a shaft and an edge below which the edge leaves the contact to its ends.
const PARALLEL: f32 = 0.03;

fn smooth(x: f32) -> f32 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// A point of the surface against the axis's point at `along`: the way out of the circle of radius `keep` around the axis.
fn leave(capsule: &Capsule, along: f32, point: Vec3, outward: Vec3, keep: f32) -> Option<Touch> {
    let apart = capsule.from.lerp(capsule.to, along) - point;
    let distance = apart.length().max(1e-9);
    let turned = smooth((apart.dot(outward) / distance - RISE[0]) / (RISE[1] - RISE[0]));
    let normal = outward.lerp(apart / distance, turned).normalize_or(outward);
    let height = apart.dot(normal);
    let aside = (apart - normal * height).length_squared();
    let depth = (keep * keep - aside).max(0.0).sqrt() - height;
    // one that does not press yet is kept, or the solve would not see it coming and let the point spring through
    (aside < keep * keep && depth > -keep && height > -DEEPEST_M).then_some(Touch { normal, along, depth })
}

/// The contact of a capsule that came from outside with a corner of the surface.
fn touch_corner(capsule: &Capsule, point: Vec3, outward: Vec3, keep: f32) -> Option<Touch> {
    let (along, _) = closest_on_segments(capsule.from, capsule.to, point, point);
    leave(capsule, along, point, outward, keep)
}

/// The contact with an edge, where on the edge, and with how much of its stiffness: none at its ends, which are corners.
fn touch_edge(capsule: &Capsule, [a, b]: [Vec3; 2], outward: Vec3, keep: f32) -> Option<(Touch, f32, f32)> {
    let (along, share) = closest_on_segments(capsule.from, capsule.to, a, b);
    let (axis, edge) = (capsule.to - capsule.from, b - a);
    let lengths = axis.length_squared() * edge.length_squared();
    let aslant = if lengths > 0.0 { smooth(axis.cross(edge).length_squared() / (PARALLEL * lengths)) } else { 1.0 };
    let weight = aslant * smooth(8.0 * share * (1.0 - share));
    let touch = leave(capsule, along, a.lerp(b, share), outward, keep)?;
    (weight > 0.0).then_some((touch, share, weight))
}

/// The contact of one end of a capsule with the inside of a face, where, and with how much of its stiffness: none at its border.
fn touch_end(
    capsule: &Capsule,
    end: u16,
    corners: [Vec3; 3],
    outward: Vec3,
    keep: f32,
    is_crossed: bool,
) -> Option<(Touch, [f32; 3], f32)> {
    let tip = if end == 0 { capsule.from } else { capsule.to };
    let weights = barycentric(tip, corners);
    if weights.iter().any(|&w| w <= 0.0) || (is_crossed && (tip - corners[0]).dot(outward) < 0.0) {
        return None;
    }
    let foot = corners[0] * weights[0] + corners[1] * weights[1] + corners[2] * weights[2];
    let touch = leave(capsule, f32::from(end), foot, outward, keep)?;
    Some((touch, weights, smooth(54.0 * weights[0] * weights[1] * weights[2])))
}

/// The contact of a capsule whose axis passes through a face, and where. A tip that pokes straight in has to come out whole; a shaft that grazes a
/// sloping face only by its thickness, for its far end lies behind the plane and not behind the face.
fn touch_crossing(capsule: &Capsule, corners: [Vec3; 3], outward: Vec3, keep: f32) -> Option<(Touch, [f32; 3])> {
    let Closest { weights, along, crossing, .. } = closest_points(capsule.from, capsule.to, corners);
    if !crossing {
        return None;
    }
    let axis = capsule.to - capsule.from;
    let length = axis.length().max(1e-9);
    let slope = axis.dot(outward) / length;
    let behind = if slope < 0.0 { 1.0 - along } else { along } * length;
    let square = slope * slope;
    let depth = keep + (POKE_M * square * square).min(behind) * slope.abs();
    Some((Touch { normal: outward, along, depth }, weights))
}

/// Whether a capsule comes within `keep` of a face.
fn touches(capsule: &Capsule, corners: [Vec3; 3], keep: f32) -> bool {
    let outward = (corners[1] - corners[0]).cross(corners[2] - corners[0]).normalize_or_zero();
    let Closest { along, on_triangle, crossing, .. } = closest_points(capsule.from, capsule.to, corners);
    crossing
        || leave(capsule, along, on_triangle, outward, keep).is_some()
        || corners.into_iter().any(|corner| touch_corner(capsule, corner, outward, keep).is_some())
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

    /// A ball just above a face is pushed away from its centre whatever the face's slope; one behind it along the normal.
    #[test]
    fn a_capsule_behind_the_face_is_pushed_out_along_its_normal() {
        let face = [Vec3::ZERO, Vec3::X, Vec3::Y];
        let above = Vec3::new(0.2, 0.2, 0.002);
        let touch = leave(&Capsule::still(above, above, 0.002), 0.0, Vec3::new(0.2005, 0.2, 0.0), Vec3::Z, 0.0025);
        let touch = touch.expect("it is in reach");
        let away = Vec3::new(-0.0005, 0.0, 0.002);
        // 0.2005 − 0.2 is good to 1e-5 of half a millimetre
        assert!((touch.normal - away.normalize()).length() < 1e-5 && (touch.depth - 0.0025 + away.length()).abs() < 1e-6);
        let inside = Vec3::new(0.2, 0.2, -0.01);
        let capsule = Capsule::still(inside, inside, 0.002);
        let (touch, ..) = touch_end(&capsule, 0, face, Vec3::Z, 0.0025, false).expect("it is in reach");
        assert!((touch.normal - Vec3::Z).length() < 1e-6 && (touch.depth - 0.0125).abs() < 1e-6);
        assert!(!was_outside(&capsule, face));
    }
}
