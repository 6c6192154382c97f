//! Rigid bodies that give way when tissue pushes them.
//!
//! What moves such a body otherwise (a physics engine) says where it would be at the end of the tick if it met no tissue. How far tissue pushes it from
//! there, q (a shift, and a small turn about the centre of mass), belongs to the tick's potential as ½ qᵀ M q / h², and is minimised out: with the
//! contacts linear, the best q is the answer of a 6 × 6 system, and what is left is a problem in the tissue's nodes alone (static condensation: Guyan,
//! “Reduction of stiffness and mass matrices”, AIAA Journal 1965). So however light a body is and however stiff the contact, the two agree within the
//! tick, and the impulse that one gets the other gives.

use glam::{Mat3, Quat, Vec3};
use nalgebra::{Matrix6, Vector6};

use super::contact::Capsule;
use crate::geom::Pose;

/// Cosine from which two planes of a convex solid are one.
const SAME_PLANE: f32 = 0.999_99;

/// Cosine from which a face of a solid looks the way into the tissue.
const LEAST_FACING: f32 = 0.1;

/// A rigid body as tissue meets it.
#[derive(Debug, Clone, PartialEq)]
pub struct RigidShape {
    /// Its name in a report, unique among the loads'.
    pub number: u8,
    /// Where they would be at the end of the tick if the body met no tissue.
    pub capsules: Vec<Capsule>,
    pub hulls: Vec<Hull>,
    /// Coulomb's coefficient.
    pub friction: f32,
    /// Centre of mass at the end of the tick, in the world, m.
    pub centre: Vec3,
    /// kg; infinite for what only moves tissue.
    pub mass_kg: f32,
    /// About the centre of mass, in the world, kg m².
    pub inertia_kg_m2: Mat3,
}

impl RigidShape {
    /// Whether tissue can push it.
    pub(super) fn gives_way(&self) -> bool {
        self.mass_kg.is_finite()
    }

    /// The same between two shares of the tick; its centre is that of the tick's end.
    pub(super) fn on_the_way(&self, before: f32, now: f32) -> Self {
        let capsules = self.capsules.iter().map(|capsule| capsule.on_the_way(before, now)).collect();
        let hulls = self.hulls.iter().map(|hull| hull.on_the_way(before, now)).collect();
        Self { capsules, hulls, ..self.clone() }
    }

    /// Whether every number in it can be used.
    pub fn is_sound(&self) -> bool {
        let inertia = self.inertia_kg_m2.to_cols_array();
        self.centre.is_finite()
            && self.mass_kg > 0.0
            && inertia.iter().all(|entry| !entry.is_nan())
            && self.friction.is_finite()
            && self.capsules.iter().all(Capsule::is_sound)
            && self.hulls.iter().all(Hull::is_sound)
    }
}

/// Force of the tissue on a rigid body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RigidForce {
    pub number: u8,
    /// N.
    pub force_n: Vec3,
    /// About its centre of mass, N m.
    pub torque_nm: Vec3,
}

/// A convex solid: what lies behind all of its planes.
#[derive(Debug, Clone, PartialEq)]
pub struct Hull {
    /// Unit normal out of it and distance from the origin along that, now, m.
    planes: Vec<(Vec3, f32)>,
    /// The same a tick ago.
    previous: Vec<(Vec3, f32)>,
    /// Box around it now and a tick ago, m.
    low: Vec3,
    high: Vec3,
    /// From where it is now to where it was a tick ago.
    back: Pose,
    /// Farthest that a corner has moved in the tick, m.
    motion_m: f32,
    /// Edge of a cube of its volume, m.
    size_m: f32,
}

impl Hull {
    /// A convex solid by its corners and the triangles of its faces (corner numbers, wound either way), in its own frame, moved by `now` and a tick ago by
    /// `before`.
    pub fn new(corners: &[Vec3], faces: &[[u32; 3]], now: Pose, before: Pose) -> Self {
        let middle = corners.iter().sum::<Vec3>() / corners.len().max(1) as f32;
        let mut local: Vec<(Vec3, Vec3)> = Vec::new();
        for face in faces {
            let [Some(a), Some(b), Some(c)] = face.map(|corner| corners.get(corner as usize).copied()) else { continue };
            let Some(normal) = (b - a).cross(c - a).try_normalize() else { continue };
            let normal = if normal.dot(a - middle) < 0.0 { -normal } else { normal };
            // triangles of one face are one plane
            if !local.iter().any(|(known, _)| known.dot(normal) > SAME_PLANE) {
                local.push((normal, a));
            }
        }
        let planes = |pose: Pose| {
            let plane = |&(normal, at): &(Vec3, Vec3)| {
                let normal = pose.rotation * normal;
                (normal, normal.dot(pose * at))
            };
            local.iter().map(plane).collect()
        };
        let (mut low, mut high, mut motion_m) = (Vec3::INFINITY, Vec3::NEG_INFINITY, 0.0f32);
        let (mut own_low, mut own_high) = (Vec3::INFINITY, Vec3::NEG_INFINITY);
        for &corner in corners {
            let (to, from) = (now * corner, before * corner);
            (low, high) = (low.min(to).min(from), high.max(to).max(from));
            (own_low, own_high) = (own_low.min(corner), own_high.max(corner));
            motion_m = motion_m.max(to.distance(from));
        }
        let size_m = (own_high - own_low).max(Vec3::ZERO).element_product().cbrt();
        Self { planes: planes(now), previous: planes(before), low, high, back: before * now.inverse(), motion_m, size_m }
    }

    fn is_sound(&self) -> bool {
        let finite = |planes: &[(Vec3, f32)]| planes.iter().all(|(normal, at)| normal.is_finite() && at.is_finite());
        self.planes.len() >= 4 && finite(&self.planes) && finite(&self.previous) && self.low.is_finite() && self.high.is_finite()
    }

    /// The box that it has swept, m.
    pub(super) fn swept(&self) -> (Vec3, Vec3) {
        (self.low, self.high)
    }

    pub(super) fn motion_m(&self) -> f32 {
        self.motion_m
    }

    /// How far its point that is at `point` now has moved in the tick, m.
    pub(super) fn motion_at(&self, point: Vec3) -> Vec3 {
        point - self.back * point
    }

    pub(super) fn size_m(&self) -> f32 {
        self.size_m
    }

    /// The plane that `point` of the tissue is kept out by: its normal, and how far the point is before it, m; negative inside the solid. The solid's faces
    /// that look back, against the way `into` the tissue, do not count: what it has passed is pushed on ahead of it, however thin it is.
    pub(super) fn nearest(&self, point: Vec3, into: Vec3) -> (Vec3, f32) {
        let before = self.planes.iter().map(|&(normal, at)| (normal, normal.dot(point) - at));
        let sides = before.clone().filter(|(normal, _)| normal.dot(into) > -LEAST_FACING);
        let outside = sides.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((Vec3::Y, f32::INFINITY));
        if outside.1 > 0.0 {
            return outside;
        }
        let way = |(normal, before): &(Vec3, f32)| -before / normal.dot(into);
        let facing = before.filter(|(normal, _)| normal.dot(into) > LEAST_FACING);
        facing.min_by(|a, b| way(a).total_cmp(&way(b))).unwrap_or(outside)
    }

    /// Whether `point` was before the solid a tick ago, on the way `into` the tissue.
    pub(super) fn was_before(&self, point: Vec3, into: Vec3) -> bool {
        let facing = self.previous.iter().filter(|(normal, _)| normal.dot(into) > LEAST_FACING);
        facing.into_iter().any(|&(normal, at)| normal.dot(point) > at)
    }

    /// The same at the shares `before` and `now` of the tick.
    pub(super) fn on_the_way(&self, before: f32, now: f32) -> Self {
        let between = |share: f32| {
            let mix = |(a, b): (&(Vec3, f32), &(Vec3, f32))| (a.0.lerp(b.0, share).normalize_or(b.0), a.1 + (b.1 - a.1) * share);
            self.previous.iter().zip(&self.planes).map(mix).collect()
        };
        let share = now - before;
        let back = Pose { position: self.back.position * share, rotation: Quat::IDENTITY.slerp(self.back.rotation, share) };
        Self { planes: between(now), previous: between(before), back, motion_m: self.motion_m * share, ..self.clone() }
    }
}

/// How far a rigid body has been pushed in a tick, and what holds against it.
#[derive(Debug, Clone)]
pub(super) struct Movable {
    /// M / h², N/m and N m/rad.
    inertia: Matrix6<f64>,
    /// q: the shift, m, and the turn, rad.
    pub pushed: Vector6<f64>,
    /// Of the stiffness against q.
    inverse: Matrix6<f64>,
}

/// What a contact is to the body that it meets: the force, N, and the stiffness, N/m, at an arm from its centre, m.
pub(super) struct Pushing {
    pub arm: Vec3,
    pub force: Vec3,
    pub stiffness: Mat3,
}

/// The push of a force at `arm`: itself, N, and its torque, N m.
pub(super) fn push(force: Vec3, arm: Vec3) -> Vector6<f64> {
    let torque = arm.cross(force);
    Vector6::new(force.x, force.y, force.z, torque.x, torque.y, torque.z).cast()
}

impl Movable {
    /// `None` for what does not give way.
    pub fn new(shape: &RigidShape, dt_secs: f32) -> Option<Self> {
        if !shape.gives_way() {
            return None;
        }
        let per = 1.0 / f64::from(dt_secs).powi(2);
        let mut inertia = Matrix6::zeros();
        for row in 0..3 {
            inertia[(row, row)] = f64::from(shape.mass_kg) * per;
            for column in 0..3 {
                inertia[(row + 3, column + 3)] = f64::from(shape.inertia_kg_m2.col(column)[row]) * per;
            }
        }
        let inverse = inertia.try_inverse()?;
        Some(Self { inertia, pushed: Vector6::zeros(), inverse })
    }

    /// How far q takes the body's point at `arm`, m.
    pub fn gives(&self, arm: Vec3) -> Vec3 {
        moves(&self.pushed, arm)
    }

    /// ½ qᵀ M q / h², J.
    pub fn energy(&self) -> f64 {
        0.5 * self.pushed.dot(&(self.inertia * self.pushed))
    }

    /// What is left to be balanced at q, N and N m, when the contacts push so.
    pub fn unbalanced(&self, contacts: &[Pushing]) -> Vector6<f64> {
        contacts.iter().map(|contact| push(contact.force, contact.arm)).sum::<Vector6<f64>>() - self.inertia * self.pushed
    }

    /// Takes in the stiffness of the contacts.
    pub fn stiffen(&mut self, contacts: &[Pushing]) {
        let mut stiffness = self.inertia;
        for contact in contacts {
            for column in 0..6 {
                let mut unit = Vector6::zeros();
                unit[column] = 1.0;
                let force = contact.stiffness * moves(&unit, contact.arm);
                let sum = stiffness.column(column) + push(force, contact.arm);
                stiffness.set_column(column, &sum);
            }
        }
        if let Some(inverse) = stiffness.try_inverse() {
            self.inverse = inverse;
        }
    }

    /// The q that answers to a push with the stiffness taken in last.
    pub fn answer(&self, push: &Vector6<f64>) -> Vector6<f64> {
        self.inverse * push
    }
}

/// The motion of a point at `arm` under a shift and a small turn.
pub(super) fn moves(pushed: &Vector6<f64>, arm: Vec3) -> Vec3 {
    let [x, y, z, rx, ry, rz] = std::array::from_fn(|k| pushed[k] as f32);
    Vec3::new(x, y, z) + Vec3::new(rx, ry, rz).cross(arm)
}
