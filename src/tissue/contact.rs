//! Tool shafts and jaws, and the table, against the tissue's boundary.
//!
//! A tool is a few capsules. Where a capsule comes near the boundary, each corner near it and the nearest point of each face make a contact: how far
//! that point must move against the surface's normal to leave the capsule, frozen for one Newton step (normal, weights, depth), renewed for
//! the next. Corners count by themselves, because the nearest point of an edge that lies along a shaft jumps from end to end. Contacts are one-sided by memory: a face pushes a capsule out through the
//! side on which the capsule was when the tick began, so a tool that jumps past the surface within a tick is still outside, and a tool behind a thin
//! sheet is not pulled through it. Past [`DEEPEST_M`] the tool has gone through and the contact is let go.
//!
//! Limits: tissue moves out of the way along its own normal; tissue does not touch itself.

use glam::Vec3;

use super::body::SoftBody;
use super::elements::Node;
use super::terms::{Contact, Terms, vec3};
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

/// What touched what at the end of the last tick: (tool, capsule, face by its sorted nodes), ascending.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContactMemory {
    touching: Vec<(u8, u8, [u32; 3])>,
}

struct Pair {
    face: u32,
    tool: u16,
    capsule: u16,
}

/// The faces and nodes that may touch something during one tick.
pub struct Contacts {
    pairs: Vec<Pair>,
    /// Surface nodes near the floor.
    low: Vec<u32>,
}

impl Contacts {
    /// Finds what may touch: by boxes of the swept capsules, then by the side on which a capsule stood when the tick began.
    pub fn begin(body: &SoftBody, tools: &[ToolShape], moved: &[Node]) -> Self {
        let settings = &body.settings;
        let mut contacts = Self { pairs: Vec::new(), low: Vec::new() };
        let reach = body.mean_edge_m * 0.25 + settings.contact_margin_m;
        if let Some(floor) = settings.floor_y_m {
            let near = |&&v: &&u32| {
                let start = body.positions[v as usize].y;
                start.min(start + moved[v as usize][1]) < floor + reach
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
        contacts
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.low.is_empty()
    }

    /// Freezes every contact at the displacements `moved` of this tick.
    pub fn linearise(&self, body: &SoftBody, tools: &[ToolShape], moved: &[Node], terms: &mut Terms) {
        terms.contacts.clear();
        let settings = &body.settings;
        let at = |v: u32| body.positions[v as usize] + vec3(moved[v as usize]);
        let mut corners_near: Vec<(u16, u16, u32, Vec3, f32)> = Vec::with_capacity(3 * self.pairs.len());
        let mut add = |tool: u16, capsule: u16, nodes: [u32; 3], weights: [f32; 3], touch: Touch, stiffness: f32| {
            let tool = &tools[usize::from(tool)];
            let capsule = &tool.capsules[usize::from(capsule)];
            let moved_here: Vec3 = (0..3).map(|k| vec3(moved[nodes[k] as usize]) * weights[k]).sum();
            let now = capsule.from.lerp(capsule.to, touch.along);
            terms.contacts.push(Contact {
                nodes,
                weights,
                normal: touch.normal,
                depth_at_start: touch.depth - touch.normal.dot(moved_here),
                stiffness,
                friction: tool.friction * stiffness * touch.depth.max(0.0),
                obstacle_motion: now - capsule.previous_from.lerp(capsule.previous_to, touch.along),
                tool: Some(tool.tool),
            });
        };
        for pair in &self.pairs {
            let face = body.surface.faces[pair.face as usize];
            let capsule = &tools[usize::from(pair.tool)].capsules[usize::from(pair.capsule)];
            let corners = face.map(at);
            let owner = body.surface.owners[pair.face as usize] as usize;
            let young = body.materials[usize::from(body.tet_material[owner])].young_pa;
            let area = (corners[1] - corners[0]).cross(corners[2] - corners[0]);
            for node in face {
                corners_near.push((pair.tool, pair.capsule, node, area, young));
            }
            let keep = capsule.radius_m + settings.contact_margin_m;
            if let Some((touch, weights)) = touch_face(capsule, corners, keep) {
                let stiffness = settings.contact_stiffness * young * (0.5 * area.length()).sqrt();
                add(pair.tool, pair.capsule, face, weights, touch, stiffness);
            }
        }
        corners_near.sort_by_key(|&(tool, capsule, node, _, _)| (tool, capsule, node));
        for faces in corners_near.chunk_by(|a, b| (a.0, a.1, a.2) == (b.0, b.1, b.2)) {
            let (tool, index, node, _, young) = faces[0];
            let capsule = &tools[usize::from(tool)].capsules[usize::from(index)];
            let area = faces.iter().map(|f| f.3).sum::<Vec3>();
            let normal = area.normalize_or_zero();
            if let Some(touch) = touch_point(capsule, at(node), normal, capsule.radius_m + settings.contact_margin_m) {
                // as stiff as the tissue around this corner: a third of each face's area is its own
                let size = (area.length() / 6.0).sqrt().min(body.mean_edge_m);
                let stiffness = settings.contact_stiffness * young * size;
                add(tool, index, [node; 3], [1.0, 0.0, 0.0], touch, stiffness);
            }
        }
        let Some(floor) = settings.floor_y_m else { return };
        let young = body.materials.iter().map(|m| m.young_pa).fold(0.0, f32::max);
        let stiffness = settings.contact_stiffness * young * body.mean_edge_m;
        for &node in &self.low {
            if body.is_pinned[node as usize] {
                continue;
            }
            let depth = floor - at(node).y;
            terms.contacts.push(Contact {
                nodes: [node; 3],
                weights: [1.0, 0.0, 0.0],
                normal: Vec3::NEG_Y,
                depth_at_start: floor - body.positions[node as usize].y,
                stiffness,
                friction: settings.floor_friction * stiffness * depth.max(0.0),
                obstacle_motion: Vec3::ZERO,
                tool: None,
            });
        }
    }

    /// Keeps what touches at the end of the tick for the next one.
    pub fn remember(&self, body: &mut SoftBody, tools: &[ToolShape]) {
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
        body.contact_memory.touching = touching;
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
    /// The surface's, outwards.
    normal: Vec3,
    /// Where along the axis, 0 at `from`.
    along: f32,
    /// How far the point must move against the normal to leave the capsule, m.
    depth: f32,
}

/// A point of the surface under the axis's point at `along`: the circle of radius `keep` around the axis, looked at along the normal.
fn under_axis(capsule: &Capsule, along: f32, point: Vec3, normal: Vec3, keep: f32) -> Option<Touch> {
    let apart = capsule.from.lerp(capsule.to, along) - point;
    let height = apart.dot(normal);
    let aside = (apart - normal * height).length_squared();
    let depth = (keep * keep - aside).max(0.0).sqrt() - height;
    // one that does not press yet is kept, or the solve would not see it coming and let the point spring through
    (aside < keep * keep && depth > -keep && height > -DEEPEST_M).then_some(Touch { normal, along, depth })
}

/// The contact of a capsule that came from outside with a corner of the surface.
fn touch_point(capsule: &Capsule, point: Vec3, normal: Vec3, keep: f32) -> Option<Touch> {
    let (along, _) = closest_on_segments(capsule.from, capsule.to, point, point);
    under_axis(capsule, along, point, normal, keep)
}

/// The contact of a capsule that came from outside with a face, and where on the face.
fn touch_face(capsule: &Capsule, corners: [Vec3; 3], keep: f32) -> Option<(Touch, [f32; 3])> {
    let normal = (corners[1] - corners[0]).cross(corners[2] - corners[0]).normalize_or_zero();
    let Closest { weights, along, crossing, on_triangle, .. } = closest_points(capsule.from, capsule.to, corners);
    if crossing {
        // A tip that pokes straight in has to come out whole; a shaft that grazes a sloping face only by its thickness, for its far end lies
        // behind the plane and not behind the face.
        let axis = capsule.to - capsule.from;
        let length = axis.length().max(1e-9);
        let slope = axis.dot(normal) / length;
        let behind = if slope < 0.0 { 1.0 - along } else { along } * length;
        let square = slope * slope;
        let depth = keep + (POKE_M * square * square).min(behind) * slope.abs();
        return Some((Touch { normal, along, depth }, weights));
    }
    under_axis(capsule, along, on_triangle, normal, keep).map(|touch| (touch, weights))
}

fn touches(capsule: &Capsule, corners: [Vec3; 3], keep: f32) -> bool {
    let normal = (corners[1] - corners[0]).cross(corners[2] - corners[0]).normalize_or_zero();
    touch_face(capsule, corners, keep).is_some()
        || corners.into_iter().any(|corner| touch_point(capsule, corner, normal, keep).is_some())
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

    #[test]
    fn a_capsule_behind_the_face_is_pushed_out_along_its_normal() {
        let face = [Vec3::ZERO, Vec3::X, Vec3::Y];
        let inside = Vec3::new(0.2, 0.2, -0.01);
        let capsule = Capsule::still(inside, inside, 0.002);
        let (touch, _) = touch_face(&capsule, face, 0.0025).expect("it is in reach");
        assert!((touch.normal - Vec3::Z).length() < 1e-6 && (touch.depth - 0.0125).abs() < 1e-6);
        assert!(!was_outside(&capsule, face));
    }
}
