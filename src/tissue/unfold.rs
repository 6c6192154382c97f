//! Elements that stay inside out are brought back.
//!
//! The stable neo-Hookean energy has a resting place at F = 0, so a small free piece that was crushed to a point, or an element that a tool turned
//! inside out, may stay so for good. What the solver has not righted when it was looked at [`PATIENCE`] times is put back by hand: a free piece that is mostly or
//! repeatedly at fault takes its rest shape where it lies; elsewhere the nodes of the faulty elements, and of a ring around them that grows with
//! each vain attempt, take their place in the rest shape of the sound tissue around them. Both are the best-fitting rigid motion (Horn,
//! “Closed-form solution of absolute orientation using unit quaternions”, J Opt Soc Am A 1987).
//!
//! What a tool presses on or holds is left alone, since the tool keeps it so; and so is what turns inside out again after [`MOST_ATTEMPTS`]: that
//! is where the forces on it are in balance.

use glam::{DMat4, DQuat, DVec3, DVec4, Vec3};

use super::body::SoftBody;
use crate::geom::tet_volume;

/// Elements are looked at every so many ticks: a fold that matters lasts.
const LOOK_EVERY: u8 = 8;
/// Looks at which an element may be found inverted in a row.
const PATIENCE: u8 = 3;
/// Looks at which an element must be found sound in a row before the attempts on it are forgotten.
const FORGET: u8 = 12;
/// Share of a free piece's elements from which the whole piece is put back.
const MOSTLY: usize = 8;
/// Vain attempts after which the whole of a free piece is put back.
const ATTEMPTS: u8 = 2;
/// Attempts on an element after which it is left as it is.
const MOST_ATTEMPTS: u8 = 6;

/// How long elements have been inside out.
#[derive(Debug, Clone, Default)]
pub(super) struct Folds {
    /// Ticks until the next look.
    wait: u8,
    /// Of each tetrahedron; empty while nothing is known of any.
    known: Vec<Known>,
}

/// What is known of one element.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Known {
    /// Looks in a row at which it was inverted.
    inverted: u8,
    /// Looks in a row at which it was not.
    sound: u8,
    /// Attempts to put it back.
    attempts: u8,
}

impl Known {
    fn see(&mut self, is_inverted: bool) {
        if is_inverted {
            *self = Self { inverted: self.inverted.saturating_add(1), sound: 0, ..*self };
        } else {
            let sound = self.sound.saturating_add(1);
            *self = if sound < FORGET { Self { inverted: 0, sound, ..*self } } else { Self::default() };
        }
    }

    fn is_due(&self) -> bool {
        self.inverted >= PATIENCE
    }
}

/// A rotation and a shift from the rest shape.
struct Motion {
    turn: DQuat,
    from: DVec3,
    to: DVec3,
}

impl Motion {
    const NONE: Self = Self { turn: DQuat::IDENTITY, from: DVec3::ZERO, to: DVec3::ZERO };

    /// That which takes rest points nearest to where they are, weighted; `None` without any weight.
    fn fit(points: &[(Vec3, Vec3, f32)]) -> Option<Self> {
        let weight: f64 = points.iter().map(|&(.., w)| f64::from(w)).sum();
        if weight <= 0.0 {
            return None;
        }
        let mean = |of: fn(&(Vec3, Vec3, f32)) -> Vec3| {
            points.iter().map(|point| of(point).as_dvec3() * f64::from(point.2)).sum::<DVec3>() / weight
        };
        let (from, to) = (mean(|p| p.0), mean(|p| p.1));
        let mut m = [[0.0f64; 3]; 3];
        for &(rest, now, w) in points {
            let (a, b) = ((rest.as_dvec3() - from).to_array(), (now.as_dvec3() - to).to_array());
            for (row, a) in m.iter_mut().zip(a) {
                row.iter_mut().zip(b).for_each(|(entry, b)| *entry += f64::from(w) * a * b);
            }
        }
        let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = m;
        let size = m.iter().flatten().fold(0.0f64, |most, entry| most.max(entry.abs()));
        // of (w, x, y, z); its largest eigenvalue's vector is the rotation
        let horn = DMat4::from_cols(
            DVec4::new(xx + yy + zz, yz - zy, zx - xz, xy - yx),
            DVec4::new(yz - zy, xx - yy - zz, xy + yx, zx + xz),
            DVec4::new(zx - xz, xy + yx, yy - xx - zz, yz + zy),
            DVec4::new(xy - yx, zx + xz, yz + zy, zz - xx - yy),
        );
        // no eigenvalue is below −3 times the largest entry: shifted, the wanted one is the largest in size, and squaring brings it out
        let mut power = horn + DMat4::IDENTITY * (4.0 * size.max(f64::MIN_POSITIVE));
        for _ in 0..12 {
            let largest = power.to_cols_array().iter().fold(0.0f64, |most, entry| most.max(entry.abs()));
            power *= 1.0 / largest.max(f64::MIN_POSITIVE);
            power *= power;
        }
        let start = DVec4::new(1.0, 1e-3, 2e-3, 3e-3);
        let q = (power * start).normalize_or(DVec4::X);
        Some(Self { turn: DQuat::from_xyzw(q.y, q.z, q.w, q.x), from, to })
    }

    fn of(&self, rest: Vec3) -> Vec3 {
        (self.turn * (rest.as_dvec3() - self.from) + self.to).as_vec3()
    }
}

impl SoftBody {
    /// Counts for how long elements have been inverted and puts back what has been for too long; the answer is the number of those.
    pub(super) fn unfold(&mut self) -> u32 {
        if self.folds.wait > 0 {
            self.folds.wait -= 1;
            return 0;
        }
        self.folds.wait = LOOK_EVERY - 1;
        let is_inverted = |tet: usize| tet_volume(self.tets[tet].map(|v| self.positions[v as usize])) <= 0.0;
        let inverted: Vec<u32> = (0..self.tets.len()).filter(|&tet| is_inverted(tet)).map(|tet| tet as u32).collect();
        if inverted.is_empty() && self.folds.known.is_empty() {
            return 0;
        }
        let mut known = std::mem::take(&mut self.folds.known);
        known.resize(self.tets.len(), Known::default());
        let mut next = inverted.iter().peekable();
        for (tet, known) in (0u32..).zip(&mut known) {
            known.see(next.next_if(|&&inverted| inverted == tet).is_some());
        }
        let handled = self.handled();
        let is_handled = |tet: usize| self.tets[tet].iter().any(|v| handled.binary_search(v).is_ok());
        let is_open = |tet: &u32| known[*tet as usize].attempts < MOST_ATTEMPTS && !is_handled(*tet as usize);
        let bad: Vec<u32> = inverted.into_iter().filter(is_open).collect();
        if !bad.iter().any(|&tet| known[tet as usize].is_due()) {
            self.folds.known = if known.iter().all(|known| *known == Known::default()) { Vec::new() } else { known };
            return 0;
        }
        let pieces = self.pieces.count();
        let (mut size, mut faults, mut attempts) = (vec![0usize; pieces], vec![0usize; pieces], vec![0u8; pieces]);
        // what a tool has in hand is not moved as a whole
        let mut is_free: Vec<bool> = self.pieces.pinned.iter().map(|is_pinned| !is_pinned).collect();
        for (tet, &piece) in self.pieces.of_tet.iter().enumerate() {
            size[piece as usize] += 1;
            is_free[piece as usize] &= !is_handled(tet);
        }
        for &tet in &bad {
            let piece = self.pieces.of_tet[tet as usize] as usize;
            faults[piece] += 1;
            attempts[piece] = attempts[piece].max(known[tet as usize].attempts);
        }
        let is_whole: Vec<bool> = (0..pieces)
            .map(|p| faults[p] > 0 && is_free[p] && (MOSTLY * faults[p] > size[p] || attempts[p] >= ATTEMPTS))
            .collect();
        let mut of_piece = vec![Vec::new(); pieces];
        for (tet, &piece) in self.pieces.of_tet.iter().enumerate() {
            if is_whole[piece as usize] {
                of_piece[piece as usize].extend(self.tets[tet]);
            }
        }
        for nodes in of_piece.iter_mut().filter(|nodes| !nodes.is_empty()) {
            nodes.sort_unstable();
            nodes.dedup();
            self.put_back(nodes, nodes);
        }
        let local: Vec<u32> = bad.iter().copied().filter(|&tet| !is_whole[self.pieces.of_tet[tet as usize] as usize]).collect();
        self.mend(&local, &known);
        for &tet in &bad {
            let known = &mut known[tet as usize];
            *known = Known { attempts: known.attempts + 1, ..Known::default() };
        }
        self.folds.known = known;
        self.past.clear();
        self.stale = true;
        bad.len() as u32
    }

    /// The nodes that tools press on or hold, ascending.
    fn handled(&self) -> Vec<u32> {
        let mut nodes = self.contact_memory.pressed_by_tools();
        nodes.extend(self.anchors.iter().map(|anchor| anchor.node));
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Puts back the nodes of `bad` elements, cluster by cluster, with as many rings around each as there were attempts on it.
    fn mend(&mut self, bad: &[u32], known: &[Known]) {
        let mut of_node: Vec<Vec<u32>> = vec![Vec::new(); self.rest.len()];
        if !bad.is_empty() {
            for (tet, corners) in (0u32..).zip(&self.tets) {
                corners.iter().for_each(|&v| of_node[v as usize].push(tet));
            }
        }
        let grown = |nodes: &[u32], tets: &[[u32; 4]]| {
            let mut grown: Vec<u32> =
                nodes.iter().flat_map(|&v| &of_node[v as usize]).flat_map(|&tet| tets[tet as usize]).collect();
            grown.sort_unstable();
            grown.dedup();
            grown
        };
        let mut is_done = vec![false; self.tets.len()];
        let mut is_bad = vec![false; self.tets.len()];
        bad.iter().for_each(|&tet| is_bad[tet as usize] = true);
        for &first in bad {
            if std::mem::replace(&mut is_done[first as usize], true) {
                continue;
            }
            // bad elements that share a node are one cluster
            let (mut cluster, mut next) = (vec![first], 0);
            while next < cluster.len() {
                for v in self.tets[cluster[next] as usize] {
                    for &tet in &of_node[v as usize] {
                        if is_bad[tet as usize] && !std::mem::replace(&mut is_done[tet as usize], true) {
                            cluster.push(tet);
                        }
                    }
                }
                next += 1;
            }
            let mut nodes: Vec<u32> = cluster.iter().flat_map(|&tet| self.tets[tet as usize]).collect();
            nodes.sort_unstable();
            nodes.dedup();
            for _ in 0..cluster.iter().map(|&tet| known[tet as usize].attempts).max().unwrap_or(0) {
                nodes = grown(&nodes, &self.tets);
            }
            let around: Vec<u32> = grown(&nodes, &self.tets)
                .into_iter()
                .filter(|v| nodes.binary_search(v).is_err() || self.is_pinned[*v as usize])
                .collect();
            self.put_back(&nodes, &around);
        }
    }

    /// Puts `nodes` where the rigid motion of `guides` takes them from the rest shape, with its velocity.
    pub(super) fn put_back(&mut self, nodes: &[u32], guides: &[u32]) {
        let points: Vec<(Vec3, Vec3, f32)> = guides
            .iter()
            .map(|&v| (self.rest[v as usize], self.positions[v as usize], self.mass[v as usize].max(f32::MIN_POSITIVE)))
            .collect();
        let motion = Motion::fit(&points).unwrap_or(Motion::NONE);
        let mass: f32 = guides.iter().map(|&v| self.mass[v as usize]).sum();
        let momentum: Vec3 = guides.iter().map(|&v| self.velocities[v as usize] * self.mass[v as usize]).sum();
        let velocity = if mass > 0.0 { momentum / mass } else { Vec3::ZERO };
        for &v in nodes {
            let node = v as usize;
            if self.is_pinned[node] {
                continue;
            }
            let to = motion.of(self.rest[node]);
            self.u[node] = (to - self.rest[node]).extend(0.0).to_array();
            self.positions[node] = to;
            self.velocities[node] = velocity;
            self.accelerations[node] = Vec3::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turned and shifted cloud is fitted to rounding; one that is mirrored or shrunk to a point still gets a rotation.
    #[test]
    fn the_motion_of_a_rigid_cloud_is_found() {
        let rest = [Vec3::ZERO, Vec3::X, Vec3::Y * 2.0, Vec3::Z * 0.5, Vec3::new(0.3, 0.2, 0.9)];
        let shift = DVec3::new(0.1, -2.0, 0.4);
        for axis in [DVec3::X, DVec3::new(0.3, -0.5, 0.8).normalize(), DVec3::Z] {
            for angle in [0.0, 1.0, 2.5, std::f64::consts::PI] {
                let turn = DQuat::from_axis_angle(axis, angle);
                let moved = |x: Vec3| (turn * x.as_dvec3() + shift).as_vec3();
                let points: Vec<_> = rest.iter().map(|&x| (x, moved(x), 1.0)).collect();
                let motion = Motion::fit(&points).expect("points");
                for &x in &rest {
                    assert!(motion.of(x).distance(moved(x)) < 1e-5, "{axis} {angle}");
                }
            }
        }
        for change in [Vec3::new(1.0, -1.0, 1.0), Vec3::ZERO] {
            let points: Vec<_> = rest.iter().map(|&x| (x, x * change, 1.0)).collect();
            let motion = Motion::fit(&points).expect("points");
            assert!((motion.turn.length() - 1.0).abs() < 1e-12);
        }
        assert!(Motion::fit(&[]).is_none());
    }
}
