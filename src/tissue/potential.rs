//! The incremental potential of one tick, evaluated at the displacements since its start.

use glam::Vec3;

use super::body::SoftBody;
use super::crew::{Crew, parts};
use super::elements::{Elements, Node};
use super::lanes::widest;
use super::pcg::NODES_PER_BLOCK;
use super::scheme::{Past, Rule};
use super::solver::Loads;
use super::terms::Terms;

/// The state of one tick's minimisation; its vectors are kept from tick to tick.
#[derive(Debug, Clone, Default)]
pub struct Tick {
    /// m p, kg/s².
    pub inertia: Vec<f32>,
    pub free: Vec<bool>,
    /// d̂, m.
    target: Vec<Node>,
    /// d, m.
    pub moved: Vec<Node>,
    /// After [`Tick::total`], N.
    pub gradient: Vec<Node>,
    elastic_energy: f64,
    /// Where a line search set out.
    base: Vec<Node>,
    sums: Vec<f64>,
}

impl Tick {
    /// Sets out: d̂, and for d the share of gravity that the last acceleration shows.
    pub fn begin(&mut self, crew: &mut Crew, body: &SoftBody, loads: &Loads, rule: &Rule) {
        let nodes = body.rest.len();
        self.inertia.resize(nodes, 0.0);
        self.free.resize(nodes, false);
        for vector in [&mut self.target, &mut self.moved, &mut self.gradient, &mut self.base] {
            vector.resize(nodes, [0.0; 4]);
        }
        self.sums.resize(nodes.div_ceil(NODES_PER_BLOCK), 0.0);
        let gravity = loads.gravity;
        let square = gravity.length_squared();
        let size = NODES_PER_BLOCK;
        let all = (
            parts(&mut self.inertia, size),
            parts(&mut self.free, size),
            parts(&mut self.target, size),
            parts(&mut self.moved, size),
        );
        crew.each(all, |index, (inertia, free, target, moved)| {
            for local in 0..inertia.len() {
                let node = index * size + local;
                inertia[local] = body.mass[node] * rule.per_mass;
                free[local] = !body.is_pinned[node] && body.mass[node] > 0.0;
                if !free[local] {
                    target[local] = [0.0; 4];
                    moved[local] = [0.0; 4];
                    continue;
                }
                let past = body.past.get(node).copied().unwrap_or_default();
                let coast = body.velocities[node] * rule.now + past.velocity * rule.before + past.moved * rule.keep;
                let share = if square > 0.0 { (body.accelerations[node].dot(gravity) / square).clamp(0.0, 1.0) } else { 0.0 };
                target[local] = (coast + gravity * rule.pull).extend(0.0).to_array();
                moved[local] = (coast + gravity * (rule.pull * share)).extend(0.0).to_array();
            }
        });
        for &(node, force) in loads.forces {
            let node = node as usize;
            if self.free[node] {
                let far = force * (rule.pull / body.mass[node]);
                self.target[node].iter_mut().zip(far.to_array()).for_each(|(target, far)| *target += far);
            }
        }
        for &(node, to) in loads.driven {
            let node = node as usize;
            self.free[node] = false;
            self.moved[node] = (to - body.positions[node]).extend(0.0).to_array();
            self.target[node] = self.moved[node];
        }
    }

    /// Elastic energy and forces at `moved`, `start` being the displacements from rest when the tick began; `task` is something else to do
    /// meanwhile.
    pub fn evaluate(&mut self, crew: &mut Crew, elements: &mut Elements, start: &[Node], task: impl FnOnce() + Send) {
        let moved = &self.moved;
        self.elastic_energy = elements.evaluate(crew, task, |node| {
            let (start, moved) = (start[node], moved[node]);
            [start[0] + moved[0], start[1] + moved[1], start[2] + moved[2], 0.0]
        });
    }

    /// The whole potential at `moved`, after [`Tick::evaluate`]; its gradient is left in `gradient`.
    pub fn total(&mut self, crew: &mut Crew, elements: &Elements, terms: &mut Terms) -> f64 {
        let (inertia, moved, target) = (&self.inertia, &self.moved, &self.target);
        let both = (parts(&mut self.gradient, NODES_PER_BLOCK), parts(&mut self.sums, 1));
        crew.each(both, |index, (gradient, sum)| {
            let from = index * NODES_PER_BLOCK;
            sum[0] = widest!((
                from: usize = from,
                gradient: &'a mut [Node] = gradient,
                elements: &'a Elements = elements,
                inertia: &'a [f32] = inertia,
                moved: &'a [Node] = moved,
                target: &'a [Node] = target,
            ) -> f64 {
                let mut inertial = [0.0f64; 4];
                for (local, out) in gradient.iter_mut().enumerate() {
                    let node = from + local;
                    let (elastic, m, moved, target) = (elements.force(node), inertia[node], moved[node], target[node]);
                    for k in 0..4 {
                        let away = moved[k] - target[k];
                        out[k] = elastic[k] + m * away;
                        inertial[k] += 0.5 * f64::from(m) * f64::from(away) * f64::from(away);
                    }
                }
                (inertial[0] + inertial[2]) + (inertial[1] + inertial[3])
            });
        });
        terms.gradient(&self.moved, &mut self.gradient);
        self.sums.iter().sum::<f64>() + self.elastic_energy + terms.energy(&self.moved)
    }

    /// Remembers where a line search sets out.
    pub fn mark(&mut self) {
        self.base.copy_from_slice(&self.moved);
    }

    /// Goes from the mark the share of `step` that is that of each node's piece.
    pub fn go(&mut self, crew: &mut Crew, piece: &[u32], shares: &[f32], step: &[Node]) {
        let base = &self.base;
        crew.each(parts(&mut self.moved, NODES_PER_BLOCK), |index, moved| {
            let from = index * NODES_PER_BLOCK;
            for (((moved, base), step), &piece) in moved.iter_mut().zip(&base[from..]).zip(&step[from..]).zip(&piece[from..]) {
                let share = shares[piece as usize];
                for k in 0..4 {
                    moved[k] = base[k] + share * step[k];
                }
            }
        });
    }

    /// Goes back to the mark.
    pub fn go_back(&mut self) {
        self.moved.copy_from_slice(&self.base);
    }

    /// What single precision leaves undecided of `energy`.
    pub fn noise(&self, energy: f64) -> f64 {
        1e-6 * (energy.abs() + self.elastic_energy.abs())
    }
}

impl SoftBody {
    /// Takes the outcome of a tick as the body's state.
    pub(super) fn accept(&mut self, crew: &mut Crew, tick: &Tick, rule: &Rule, h: f32, keeps_past: bool) {
        let size = NODES_PER_BLOCK;
        let mut past = std::mem::take(&mut self.past);
        let (rest, is_pinned, mass, old) = (&self.rest, &self.is_pinned, &self.mass, &past);
        let velocity_of = |node: usize| {
            let d = Vec3::new(tick.moved[node][0], tick.moved[node][1], tick.moved[node][2]);
            (d - old.get(node).map_or(Vec3::ZERO, |past| past.moved * rule.keep)) * rule.rate
        };
        let all = (
            parts(&mut self.u, size),
            parts(&mut self.positions, size),
            parts(&mut self.velocities, size),
            parts(&mut self.accelerations, size),
        );
        crew.each(all, |index, (u, positions, velocities, accelerations)| {
            for local in 0..u.len() {
                let node = index * size + local;
                for (u, moved) in u[local].iter_mut().zip(tick.moved[node]) {
                    *u += moved;
                }
                positions[local] = rest[node] + Vec3::new(u[local][0], u[local][1], u[local][2]);
                if is_pinned[node] || mass[node] <= 0.0 {
                    continue;
                }
                let velocity = velocity_of(node);
                let before = velocities[local];
                accelerations[local] = (velocity - before) / h;
                velocities[local] = velocity;
            }
        });
        if keeps_past {
            past.resize(self.rest.len(), Past::default());
            for (node, past) in past.iter_mut().enumerate() {
                let velocity = self.velocities[node] - self.accelerations[node] * h;
                *past = Past { moved: Vec3::new(tick.moved[node][0], tick.moved[node][1], tick.moved[node][2]), velocity };
            }
            self.past = past;
        }
    }
}
