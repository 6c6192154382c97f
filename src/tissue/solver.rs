//! One tick of a body: implicit Euler as the minimum of an incremental potential.
//!
//! ```text
//! E(d) = Σ m/(2h²) |d − d̂|² + Σ V ψ(F) + contacts + grasps        d: displacement during the tick,  d̂ = h v + h² g
//! ```
//! minimised by one to three inexact Newton steps (Martin et al., “Example-based elastic materials”, 2011, for the potential). Each step is
//! solved by matrix-free conjugate gradients with a block Jacobi and a lattice preconditioner; on negative curvature the elements are clamped and
//! the solve starts again; the step is shortened until the potential falls. The start is the last acceleration's share of gravity (Chen et al.,
//! “Vertex Block Descent”, ACM TOG 2024, §3.7), so a body at rest starts at its solution. After the tick velocities decay by exp(−damping · h).
//!
//! Limits: backward Euler damps fast motion by itself; contact is a stiff penalty, so tissue gives way by some per cent of its own indentation.

use glam::Vec3;

use super::body::SoftBody;
use super::coarse::{Lattice, Shape};
use super::contact::{self, ToolShape};
use super::elements::{Elements, Node};
use super::lanes::widest;
use super::pcg::{self, Ending, System, Workspace};
use super::terms::{Terms, vec3};

/// How hard the solver tries.
#[derive(Debug, Clone, PartialEq)]
pub struct SolverSettings {
    /// Newton steps a tick at most; a smooth load needs one.
    pub newton_steps_max: u32,
    /// A further Newton step is taken while the correction it starts from is larger than this share of the first one's.
    pub newton_tolerance: f32,
    /// Residual of the linear solve in the preconditioned norm, against its start.
    pub cg_tolerance: f32,
    pub cg_iterations_max: u32,
    /// Contact stiffness per face, in units of its tissue's E times the square root of its area.
    pub contact_stiffness: f32,
    /// Distance kept between a tool's surface and the tissue's, m.
    pub contact_margin_m: f32,
    /// Slip per tick below which friction is a spring, m.
    pub friction_slip_m: f32,
    /// Height of the table that everything rests on, m.
    pub floor_y_m: Option<f32>,
    pub floor_friction: f32,
    /// Stiffness of a grasped node, in units of its tissue's E times the mean edge.
    pub grip_stiffness: f32,
    /// Pull past which a hold slips, N.
    pub hold_limit_n: f32,
}

impl Default for SolverSettings {
    fn default() -> Self {
        Self {
            newton_steps_max: 3,
            newton_tolerance: 0.2,
            cg_tolerance: 5e-2,
            cg_iterations_max: 300,
            contact_stiffness: 10.0,
            contact_margin_m: 5e-4,
            friction_slip_m: 2e-5,
            floor_y_m: Some(0.0),
            floor_friction: 0.5,
            grip_stiffness: 20.0,
            hold_limit_n: 8.0,
        }
    }
}

/// What acts on a body during one tick.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loads<'a> {
    /// m/s².
    pub gravity: Vec3,
    /// Velocities are multiplied by exp(−this · h) after the tick, 1/s.
    pub mass_damping_per_s: f32,
    /// What may touch the body, and the poses that hold it.
    pub tools: &'a [ToolShape],
    /// Nodes that are put at a world position by the end of the tick.
    pub driven: &'a [(u32, Vec3)],
}

/// Force of the tissue on one tool, N.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToolForce {
    pub tool: u8,
    /// By contact and friction.
    pub contact_n: Vec3,
    /// By what it holds.
    pub grip_n: Vec3,
}

/// An element past its tissue's stress limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overstress {
    pub tet: u32,
    pub stress_pa: f32,
    /// Centre of the element in the world, m.
    pub position: Vec3,
}

/// What one tick did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepReport {
    /// One entry for each tool of the loads, in their order.
    pub tool_forces: Vec<ToolForce>,
    /// Force that each driven node needed, N, in the order of the loads.
    pub driven_forces: Vec<Vec3>,
    /// Force of the tissue on the floor, N (normal part).
    pub floor_force: Vec3,
    pub newton_steps: u32,
    pub cg_iterations: u32,
    /// Contacts that pressed at the end of the tick.
    pub contacts: u32,
    /// Elements had to be clamped because the potential was not convex.
    pub clamped: bool,
    /// Tools whose hold was lost because it was pulled past its limit.
    pub slipped: Vec<u8>,
    /// Largest von Mises stress, Pa.
    pub max_stress_pa: f32,
    /// The most stressed first, at most 64.
    pub overstressed: Vec<Overstress>,
}

/// Why a tick was not taken: the body stays at its last good pose, at rest.
#[derive(Debug, Clone, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum StepError {
    #[error("the solver lost node {node}: the body rests at its last good pose")]
    Lost { node: u32 },
    #[error("gravity, damping or the time step is not a sound number")]
    Load,
    #[error("node {node} is driven to a point that is not finite, or does not exist")]
    Driven { node: u32 },
    #[error("the pose of tool {tool} is not finite")]
    Tool { tool: u8 },
}

impl StepError {
    /// The node to report, where there is one.
    pub fn node(&self) -> Option<u32> {
        match self {
            Self::Lost { node } | Self::Driven { node } => Some(*node),
            Self::Load | Self::Tool { .. } => None,
        }
    }
}

/// Iterations of one solve from which the diagonal blocks are renewed at once, not only with the lattice.
const MANY_ITERATIONS: u32 = 25;
/// Ticks that are clamped from their start once one had to be: what folds an element seldom lets go of it at once, and a solve that finds
/// out by itself is spent.
const CLAMPED_TICKS: u32 = 10;
/// Overstressed elements that a report lists.
const MOST_OVERSTRESSED: usize = 64;
/// Halvings of a Newton step before it is given up.
const HALVINGS: u32 = 10;
/// Corrections below this share of the mean edge are rounding.
const ROUNDING: f32 = 2e-5;

/// No Newton step moves a node farther than this many mean edges: the quadratic model it comes from holds no farther.
const LONGEST_MOVE: f32 = 2.0;

/// Scales a step down until no node moves farther than `limit_m`.
fn shorten(step: &mut [Node], limit_m: f32) {
    let longest = step.iter().map(|s| s[0] * s[0] + s[1] * s[1] + s[2] * s[2]).fold(0.0f32, f32::max).sqrt();
    if longest > limit_m {
        let share = limit_m / longest;
        step.iter_mut().for_each(|s| *s = s.map(|component| component * share));
    }
}

/// The linear system of one Newton step.
struct Newton<'a> {
    elements: &'a mut Elements,
    lattice: &'a mut Lattice,
    terms: &'a Terms,
    inertia: &'a [f32],
    free: &'a [bool],
    inverse: &'a [[f32; 6]],
}

impl System for Newton<'_> {
    fn product(&mut self, p: &[Node], out: &mut [Node]) {
        widest!((out: &'a mut [Node] = out, p: &'a [Node] = p, inertia: &'a [f32] = self.inertia) -> () {
            for ((out, p), m) in out.iter_mut().zip(p).zip(inertia) {
                for k in 0..4 {
                    out[k] = m * p[k];
                }
            }
        });
        self.elements.product(p, out);
        self.terms.product(p, out);
        hold(self.free, out);
    }

    fn precondition(&mut self, r: &[Node], z: &mut [Node]) {
        widest!((z: &'a mut [Node] = z, r: &'a [Node] = r, inverse: &'a [[f32; 6]] = self.inverse) -> () {
            for ((z, r), b) in z.iter_mut().zip(r).zip(inverse) {
                *z = [
                    b[0] * r[0] + b[1] * r[1] + b[2] * r[2],
                    b[1] * r[0] + b[3] * r[1] + b[4] * r[2],
                    b[2] * r[0] + b[4] * r[1] + b[5] * r[2],
                    0.0,
                ];
            }
        });
        self.lattice.apply(r, self.free, z);
    }
}

fn hold(free: &[bool], out: &mut [Node]) {
    for (node, &is_free) in out.iter_mut().zip(free) {
        if !is_free {
            *node = [0.0; 4];
        }
    }
}

/// Inverse of a symmetric positive block; `None` where it is not positive.
fn invert([xx, xy, xz, yy, yz, zz]: [f32; 6]) -> Option<[f32; 6]> {
    let (a, b, c) = (yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy);
    let determinant = xx * a + xy * b + xz * c;
    let inverse = 1.0 / determinant;
    let sound = determinant > 0.0 && inverse.is_finite();
    sound.then_some([
        a * inverse,
        b * inverse,
        c * inverse,
        (xx * zz - xz * xz) * inverse,
        (xy * xz - xx * yz) * inverse,
        (xx * yy - xy * xy) * inverse,
    ])
}

/// The state of one tick's minimisation.
struct Tick {
    /// m/h², kg/s².
    inertia: Vec<f32>,
    free: Vec<bool>,
    /// d̂, m.
    target: Vec<Node>,
    /// d, m.
    moved: Vec<Node>,
    /// Displacement from rest at the start, m.
    start: Vec<Node>,
    u: Vec<Node>,
    elastic: Vec<Node>,
    elastic_energy: f64,
    gradient: Vec<Node>,
}

impl Tick {
    /// Elastic energy and gradient at `moved`.
    fn evaluate(&mut self, elements: &mut Elements) {
        for ((u, start), moved) in self.u.iter_mut().zip(&self.start).zip(&self.moved) {
            for k in 0..3 {
                u[k] = start[k] + moved[k];
            }
        }
        self.elastic.fill([0.0; 4]);
        self.elastic_energy = elements.evaluate(&self.u, &mut self.elastic);
    }

    /// The whole potential at `moved`, after [`Tick::evaluate`]; its gradient is left in `gradient`.
    fn total(&mut self, terms: &mut Terms) -> f64 {
        let mut inertial = [0.0f64; 4];
        let nodes = self.gradient.iter_mut().zip(&self.elastic).zip(&self.inertia).zip(self.moved.iter().zip(&self.target));
        for (((out, elastic), m), (moved, target)) in nodes {
            for k in 0..4 {
                let away = moved[k] - target[k];
                out[k] = elastic[k] + m * away;
                inertial[k] += 0.5 * f64::from(*m) * f64::from(away) * f64::from(away);
            }
        }
        terms.gradient(&self.moved, &mut self.gradient);
        inertial.iter().sum::<f64>() + self.elastic_energy + terms.energy(&self.moved)
    }
}

impl SoftBody {
    /// Advances one tick; the same state and loads always give the same outcome, bit for bit, on any number of threads.
    ///
    /// # Errors
    /// [`StepError`] when the loads are unsound or the solve is lost; the body then rests at its last good pose and may be stepped again.
    pub fn step(&mut self, loads: &Loads, dt_secs: f32) -> Result<StepReport, StepError> {
        if self.elements.are_shared() {
            // one crossing into the pool a tick: each of the many products would otherwise wake it from outside
            rayon::scope(|_| self.minimise(loads, dt_secs))
        } else {
            self.minimise(loads, dt_secs)
        }
    }

    fn minimise(&mut self, loads: &Loads, dt_secs: f32) -> Result<StepReport, StepError> {
        self.check(loads, dt_secs).inspect_err(|_| self.come_to_rest())?;
        let mut report = StepReport::default();
        let mut tick = self.begin(loads, dt_secs);
        let mut work = std::mem::take(&mut self.work);
        let contacts = contact::Contacts::begin(self, loads.tools, &tick.moved);
        let mut terms = std::mem::take(&mut self.terms);
        terms.slip_m = self.settings.friction_slip_m;
        contacts.linearise(self, loads.tools, &tick.moved, &mut terms);
        self.add_springs(loads.tools, &mut terms);

        tick.evaluate(&mut self.elements);
        let mut energy = tick.total(&mut terms);
        let mut first_correction = 0.0;
        for step in 0..self.settings.newton_steps_max.max(1) {
            if step == 0 {
                self.renew_preconditioner(&tick, dt_secs);
            } else if !contacts.is_empty() {
                contacts.linearise(self, loads.tools, &tick.moved, &mut terms);
                energy = tick.total(&mut terms);
            }
            let inverse = self.inverse_blocks(&tick, &terms);
            let mut system = Newton {
                elements: &mut self.elements,
                lattice: &mut self.lattice,
                terms: &terms,
                inertia: &tick.inertia,
                free: &tick.free,
                inverse: &inverse,
            };
            if self.clamped_ticks_left > 0 {
                system.elements.clamp();
                report.clamped = true;
            }
            let correction = set_residual(&mut work, &tick, &mut system);
            if step == 0 {
                first_correction = correction;
            }
            let enough = (self.settings.newton_tolerance * first_correction).max(ROUNDING * self.mean_edge_m);
            if correction <= if step == 0 { 0.01 * ROUNDING * self.mean_edge_m } else { enough } {
                break;
            }
            report.newton_steps += 1;
            let (tolerance, most) = (self.settings.cg_tolerance, self.settings.cg_iterations_max);
            let (ending, iterations) = work.solve(&mut system, tolerance, most);
            report.cg_iterations += iterations;
            if ending == Ending::NegativeCurvature {
                report.clamped = true;
                self.clamped_ticks_left = CLAMPED_TICKS;
                system.elements.clamp();
                set_residual(&mut work, &tick, &mut system);
                report.cg_iterations += work.solve(&mut system, tolerance, most).1;
            }
            shorten(&mut work.solution, LONGEST_MOVE * self.mean_edge_m);
            match self.search(&mut tick, &mut terms, &work.solution, energy) {
                Some(lower) => energy = lower,
                None => break,
            }
        }

        self.clamped_ticks_left = self.clamped_ticks_left.saturating_sub(1);
        if report.clamped || report.cg_iterations > MANY_ITERATIONS * report.newton_steps {
            self.blocks_are_good = false;
        }
        self.work = work;
        let outcome = self.finish(loads, dt_secs, &tick, &terms, &contacts, &mut report);
        terms.contacts.clear();
        terms.springs.clear();
        self.terms = terms;
        outcome.map(|()| report)
    }

    fn check(&self, loads: &Loads, dt_secs: f32) -> Result<(), StepError> {
        let sound_time = dt_secs.is_finite() && dt_secs > 0.0;
        if !sound_time || !loads.gravity.is_finite() || !loads.mass_damping_per_s.is_finite() {
            return Err(StepError::Load);
        }
        if let Some(&(node, _)) = loads.driven.iter().find(|(v, x)| *v as usize >= self.rest.len() || !x.is_finite()) {
            return Err(StepError::Driven { node });
        }
        match loads.tools.iter().find(|tool| !tool.is_sound()) {
            Some(tool) => Err(StepError::Tool { tool: tool.tool }),
            None => Ok(()),
        }
    }

    fn come_to_rest(&mut self) {
        self.velocities.fill(Vec3::ZERO);
        self.accelerations.fill(Vec3::ZERO);
        self.stale = true;
    }

    fn begin(&self, loads: &Loads, h: f32) -> Tick {
        let nodes = self.rest.len();
        let mut free: Vec<bool> = self.is_pinned.iter().zip(&self.mass).map(|(&held, &m)| !held && m > 0.0).collect();
        let gravity = loads.gravity;
        let square = gravity.length_squared();
        let mut target = vec![[0.0; 4]; nodes];
        let mut moved = vec![[0.0; 4]; nodes];
        for node in (0..nodes).filter(|&node| free[node]) {
            let coast = self.velocities[node] * h;
            target[node] = (coast + gravity * (h * h)).extend(0.0).to_array();
            let share = if square > 0.0 { (self.accelerations[node].dot(gravity) / square).clamp(0.0, 1.0) } else { 0.0 };
            moved[node] = (coast + gravity * (h * h * share)).extend(0.0).to_array();
        }
        for &(node, to) in loads.driven {
            let node = node as usize;
            free[node] = false;
            moved[node] = (to - self.positions[node]).extend(0.0).to_array();
            target[node] = moved[node];
        }
        let square = 1.0 / (h * h);
        Tick {
            inertia: self.mass.iter().map(|m| m * square).collect(),
            free,
            target,
            moved,
            start: self.u.clone(),
            u: self.u.clone(),
            elastic: vec![[0.0; 4]; nodes],
            elastic_energy: 0.0,
            gradient: vec![[0.0; 4]; nodes],
        }
    }

    fn renew_preconditioner(&mut self, tick: &Tick, dt_secs: f32) {
        let is_first = self.stale || dt_secs != self.last_dt_secs;
        if is_first || !self.blocks_are_good {
            self.renew_blocks();
        }
        let Self { rest, tets, shapes, is_pinned, elements, blocks, .. } = self;
        let shape = Shape { rest, tets, shapes, is_pinned, elements, inertia: &tick.inertia, free: &tick.free, blocks };
        if is_first {
            self.lattice.build(&shape);
            self.last_dt_secs = dt_secs;
            self.stale = false;
        } else if self.lattice.advance(&shape) {
            self.renew_blocks();
        }
    }

    fn renew_blocks(&mut self) {
        self.blocks.fill([0.0; 6]);
        self.elements.diagonal(&mut self.blocks);
        self.blocks_are_good = true;
    }

    fn inverse_blocks(&self, tick: &Tick, terms: &Terms) -> Vec<[f32; 6]> {
        let mut blocks = self.blocks.clone();
        terms.diagonal(&mut blocks);
        for (node, block) in blocks.iter_mut().enumerate() {
            if !tick.free[node] {
                *block = [0.0; 6];
                continue;
            }
            for k in [0, 3, 5] {
                block[k] += tick.inertia[node];
            }
            *block = invert(*block).unwrap_or_else(|| {
                let one = 1.0 / tick.inertia[node].max(f32::MIN_POSITIVE);
                [one, 0.0, 0.0, one, 0.0, one]
            });
        }
        blocks
    }

    /// Shortens the step until the potential falls; `None` leaves the tick where it was.
    fn search(&mut self, tick: &mut Tick, terms: &mut Terms, step: &[Node], energy: f64) -> Option<f64> {
        let base = tick.moved.clone();
        let mut share = 1.0f32;
        // single precision leaves this much of the energy undecided
        let noise = 1e-6 * (energy.abs() + tick.elastic_energy.abs());
        for _ in 0..HALVINGS {
            pcg::update(&mut tick.moved, share, step);
            tick.evaluate(&mut self.elements);
            let here = tick.total(terms);
            // still downhill at the end of the step: it fell, whatever rounding says of the difference
            let nearly = here <= energy + 100.0 * noise;
            if here <= energy + noise || (nearly && pcg::dot(&tick.gradient, step) <= 0.0) {
                return Some(here);
            }
            tick.moved.copy_from_slice(&base);
            share *= 0.5;
        }
        tick.evaluate(&mut self.elements);
        tick.total(terms);
        None
    }

    fn finish(
        &mut self,
        loads: &Loads,
        h: f32,
        tick: &Tick,
        terms: &Terms,
        contacts: &contact::Contacts,
        report: &mut StepReport,
    ) -> Result<(), StepError> {
        let lost = tick.moved.iter().position(|d| !d.iter().all(|c| c.is_finite()));
        if let Some(node) = lost {
            self.come_to_rest();
            return Err(StepError::Lost { node: node as u32 });
        }
        let decay = libm::expf(-loads.mass_damping_per_s * h);
        for node in 0..self.rest.len() {
            self.u[node] = tick.u[node];
            self.positions[node] = self.rest[node] + vec3(tick.u[node]);
            if self.is_pinned[node] || self.mass[node] <= 0.0 {
                continue;
            }
            let velocity = vec3(tick.moved[node]) * (decay / h);
            self.accelerations[node] = (velocity - self.velocities[node]) / h;
            self.velocities[node] = velocity;
        }
        self.move_crumbs(loads.gravity, h);
        report.driven_forces = loads.driven.iter().map(|&(node, _)| vec3(tick.gradient[node as usize])).collect();
        for tool in loads.tools {
            let (contact_n, grip_n) = terms.force_on(tool.tool, &tick.moved);
            report.tool_forces.push(ToolForce { tool: tool.tool, contact_n, grip_n });
        }
        report.floor_force = terms.force_on_floor(&tick.moved);
        report.contacts = terms.contacts.iter().filter(|c| c.normal_force(&tick.moved) > 0.0).count() as u32;
        contacts.remember(self, loads.tools);
        report.slipped = self.let_slip(&report.tool_forces);
        self.measure_stress(report);
        Ok(())
    }

    fn measure_stress(&mut self, report: &mut StepReport) {
        self.elements.von_mises(&self.shapes, &mut self.stress);
        let limits: Vec<f32> = self.materials.iter().map(|m| m.stress_limit_pa).collect();
        for (tet, &stress_pa) in self.stress.iter().enumerate() {
            report.max_stress_pa = report.max_stress_pa.max(stress_pa);
            if stress_pa > limits[usize::from(self.tet_material[tet])] {
                let position = self.tets[tet].iter().map(|&v| self.positions[v as usize]).sum::<Vec3>() * 0.25;
                report.overstressed.push(Overstress { tet: tet as u32, stress_pa, position });
            }
        }
        report.overstressed.sort_by(|a, b| b.stress_pa.total_cmp(&a.stress_pa).then(a.tet.cmp(&b.tet)));
        report.overstressed.truncate(MOST_OVERSTRESSED);
    }
}

/// Residual and preconditioned residual of the next solve; the answer is the largest entry of the latter, m.
fn set_residual(work: &mut Workspace, tick: &Tick, system: &mut Newton) -> f32 {
    for ((residual, gradient), &is_free) in work.residual.iter_mut().zip(&tick.gradient).zip(&tick.free) {
        *residual = if is_free { gradient.map(|g| -g) } else { [0.0; 4] };
    }
    system.precondition(&work.residual, &mut work.z);
    work.z.iter().flatten().fold(0.0f32, |most, z| most.max(z.abs()))
}
