//! One tick of a body as the minimum of an incremental potential.
//!
//! ```text
//! E(d) = Σ m p/2 |d − d̂|² + Σ V ψ(F) + contacts + grasps        d: displacement during the tick; p, d̂ by the time scheme
//! ```
//! minimised by one to three inexact Newton steps (Martin et al., “Example-based elastic materials”, 2011, for the potential). Each step is
//! solved by matrix-free conjugate gradients with a block Jacobi and a lattice preconditioner; on negative curvature the elements are clamped and
//! the solve starts again; the step is shortened until the potential falls. The start is the last acceleration's share of gravity (Chen et al.,
//! “Vertex Block Descent”, ACM TOG 2024, §3.7), so a body at rest starts at its solution. After the tick velocities decay by exp(−damping · h).
//!
//! The vectors and elements of a tick are cut into blocks that a crew of threads shares (`crew`); what a block holds does not depend on their number.
//!
//! Limits: backward Euler damps fast motion by itself ([`TimeScheme`] has another); contact is a stiff penalty, so tissue gives way by some per cent of its own indentation.

use glam::Vec3;

use super::body::{Pieces, SoftBody};
use super::coarse::Shape;
use super::contact::{Contacts, ToolShape};
use super::crew::Crew;
use super::elements::Node;
use super::movable::{Movable, RigidForce, RigidShape};
use super::newton::{Newton, invert_blocks};
use super::pcg::{self, Ending, Workspace};
use super::potential::Tick;
use super::scheme::{Rule, TimeScheme};
use super::terms::{Terms, vec3};

/// How hard the solver tries.
#[derive(Debug, Clone, PartialEq)]
pub struct SolverSettings {
    /// How a tick is taken in time.
    pub scheme: TimeScheme,
    /// Elements share a part of their strain in patches, which keeps them from locking as ν nears 0.5 and lets coarse meshes bend.
    pub shares_strain: bool,
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
    /// Whether the body meets itself: its pieces, the lips of its cuts, its folds.
    pub self_contact: bool,
    /// Coulomb's coefficient of tissue on tissue: wet serosa slides.
    pub tissue_friction: f32,
    /// Stiffness of a grasped node, in units of its tissue's E times the mean edge.
    pub grip_stiffness: f32,
    /// Force with which closed jaws pinch, N, until [`SoftBody::pinch`] says otherwise.
    pub pinch_n: f32,
    /// Coulomb's coefficient of toothed jaws on tissue: a hold slips at twice this times the pinch.
    pub jaw_friction: f32,
}

impl Default for SolverSettings {
    fn default() -> Self {
        Self {
            scheme: TimeScheme::default(),
            shares_strain: false,
            newton_steps_max: 3,
            newton_tolerance: 0.2,
            cg_tolerance: 5e-2,
            cg_iterations_max: 300,
            contact_stiffness: 10.0,
            contact_margin_m: 5e-4,
            friction_slip_m: 2e-5,
            floor_y_m: Some(0.0),
            floor_friction: 0.5,
            self_contact: false,
            tissue_friction: 0.1,
            grip_stiffness: 20.0,
            pinch_n: 6.0,
            jaw_friction: 0.5,
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
    /// Rigid bodies that it meets, and that give way if they can.
    pub bodies: &'a [RigidShape],
    /// Nodes that are put at a world position by the end of the tick.
    pub driven: &'a [(u32, Vec3)],
    /// Forces that keep their direction on nodes, N: a pressure shared out among the corners of its faces, a weight on a thread.
    pub forces: &'a [(u32, Vec3)],
}

/// Force of the tissue on one tool, N.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToolForce {
    pub tool: u8,
    /// By contact and friction.
    pub contact_n: Vec3,
    /// By what it holds.
    pub grip_n: Vec3,
    /// Of both about the tool's own point, where its pose is, N m.
    pub torque_nm: Vec3,
    /// Force with which its jaws pinch what they hold, N.
    pub pinch_n: f32,
    /// Mean pressure on the tissue between them, Pa.
    pub pinch_pa: f32,
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
    /// One entry for each rigid body of the loads, in their order.
    pub rigid_forces: Vec<RigidForce>,
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
    /// Elements that stayed inside out and were put back in their shape by hand.
    pub unfolded: u32,
    /// Tools whose hold was lost: what they held has slid out.
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
    #[error("the force on node {node} is not finite, or the node does not exist")]
    Force { node: u32 },
    #[error("the pose of tool {tool} is not finite")]
    Tool { tool: u8 },
    #[error("rigid body {body} is not sound: its place, mass and inertia must be numbers, its mass positive, its hulls closed")]
    Rigid { body: u8 },
}

impl StepError {
    /// The node to report, where there is one.
    pub fn node(&self) -> Option<u32> {
        match self {
            Self::Lost { node } | Self::Driven { node } | Self::Force { node } => Some(*node),
            Self::Load | Self::Tool { .. } | Self::Rigid { .. } => None,
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
/// Loosest tolerance of a linear solve.
const LOOSEST: f32 = 0.5;
/// Corrections below this share of the mean edge are rounding.
const ROUNDING: f32 = 2e-5;

/// Newton steps of a tick in which something touches: contact comes and goes, and friction follows what presses.
const CONTACT_STEPS: u32 = 8;
/// Iterations of a tick after which contact gets no Newton steps beyond the usual: crumpled tissue would take a session's time.
const ENOUGH_ITERATIONS: u32 = 150;
/// Share of the forces in balance that may be left over when something touches.
const BALANCE: f64 = 0.03;
/// Corrections below this share of the margin are no longer followed where something touches, if the forces are in balance.
const SETTLED: f32 = 0.005;
/// How often a step is solved again with the contacts that it would run into.
const FORESIGHTS: u32 = 2;
/// What counts as running into one, in margins.
const FORESEEN: f32 = 0.02;

/// No Newton step moves a node farther than this many mean edges: the quadratic model it comes from holds no farther.
const LONGEST_MOVE: f32 = 2.0;

/// What a body meets in a tick.
struct Met<'a, 'b> {
    contacts: &'a mut Contacts<'b>,
    terms: &'a mut Terms,
}

impl Met<'_, '_> {
    fn renew(&mut self, body: &SoftBody, moved: &[Node]) {
        self.contacts.linearise(body, moved, self.terms);
    }
}

/// How much of a step the nodes of each piece take so that none moves farther than `limit_m`; the last share is that of nodes of no piece.
fn shares(step: &[Node], pieces: &Pieces, limit_m: f32) -> Vec<f32> {
    let mut longest = vec![0.0f32; pieces.count() + 1];
    for (step, &piece) in step.iter().zip(&pieces.of_node) {
        let longest = &mut longest[piece as usize];
        *longest = longest.max(vec3(*step).length_squared());
    }
    longest.into_iter().map(|square| if square > limit_m * limit_m { limit_m / square.sqrt() } else { 1.0 }).collect()
}

/// Halves the shares of the pieces that go uphill at the end of their step, or all where none does: what is crushed in one piece must not hold up
/// another.
fn halve(shares: &mut [f32], gradient: &[Node], step: &[Node], pieces: &Pieces) {
    let mut slope = vec![0.0f64; shares.len()];
    for ((gradient, step), &piece) in gradient.iter().zip(step).zip(&pieces.of_node) {
        slope[piece as usize] += f64::from(vec3(*gradient).dot(vec3(*step)));
    }
    let is_any = slope.iter().any(|&slope| slope > 0.0);
    shares.iter_mut().zip(&slope).filter(|(_, slope)| !is_any || **slope > 0.0).for_each(|(share, _)| *share *= 0.5);
}

impl SoftBody {
    pub(super) fn minimise(&mut self, crew: &mut Crew, loads: &Loads, dt_secs: f32) -> Result<StepReport, StepError> {
        self.check(loads, dt_secs).inspect_err(|_| self.come_to_rest())?;
        let mut report = StepReport::default();
        let rule = self.rule(loads, dt_secs);
        let mut tick = std::mem::take(&mut self.tick);
        tick.begin(crew, self, loads, &rule);
        let mut work = std::mem::take(&mut self.work);
        let mut inverse = std::mem::take(&mut self.inverse);
        self.find_self_contacts(&tick.moved);
        let mut contacts = Contacts::begin(self, loads, &tick.moved);
        let mut terms = std::mem::take(&mut self.terms);
        terms.slip_m = self.settings.friction_slip_m;
        terms.movables.clear();
        terms.movables.extend(loads.bodies.iter().filter_map(|body| Movable::new(body, dt_secs)));
        contacts.linearise(self, &tick.moved, &mut terms);
        self.add_springs(loads.tools, &mut terms);
        self.add_ties(&mut terms.ties);

        self.elements.begin(crew, dt_secs);
        tick.evaluate(crew, &mut self.elements, &self.u, || self.lattice.work());
        let mut energy = tick.total(crew, &self.elements, &mut terms);
        let (mut first_correction, mut first_decrease) = (0.0, 0.0);
        let touches = !contacts.is_empty(self);
        let most_steps = if touches { CONTACT_STEPS } else { self.settings.newton_steps_max }.max(1);
        let weight = if touches { self.weight(loads.gravity) } else { 0.0 };
        'steps: for step in 0..most_steps {
            if step >= self.settings.newton_steps_max && report.cg_iterations > ENOUGH_ITERATIONS {
                break;
            }
            if step == 0 {
                self.renew_preconditioner(crew, &tick, &terms, &rule, dt_secs);
            }
            report.newton_steps += 1;
            for attempt in 0..=FORESIGHTS {
                if step == 0 || touches || !terms.is_empty() {
                    inverse.clone_from(&self.blocks);
                    terms.diagonal(&mut inverse);
                    self.clusters.factorise(crew, &inverse, &tick.inertia, &tick.free);
                    invert_blocks(crew, &mut inverse, &tick.inertia, &tick.free);
                }
                let mut system = Newton {
                    crew,
                    elements: &mut self.elements,
                    clusters: &mut self.clusters,
                    lattice: &mut self.lattice,
                    terms: &terms,
                    extra: &mut self.extra,
                    inertia: &tick.inertia,
                    free: &tick.free,
                    inverse: &inverse,
                };
                if self.clamped_ticks_left > 0 {
                    system.elements.clamp(system.crew);
                    report.clamped = true;
                }
                let correction = set_residual(&mut work, &tick, &mut system);
                if step == 0 && attempt == 0 {
                    first_correction = correction;
                }
                let least = if touches { SETTLED * self.settings.contact_margin_m } else { 0.0 };
                let enough = (self.settings.newton_tolerance * first_correction).max(ROUNDING * self.mean_edge_m).max(least);
                let is_near = correction <= if step == 0 { 0.01 * ROUNDING * self.mean_edge_m } else { enough };
                if attempt == 0 && is_near && (!touches || is_balanced(&work, &tick, system.terms, weight)) {
                    report.newton_steps -= 1;
                    break 'steps;
                }
                // later steps go as far down as the first one did, not as far again; what touches has a balance to find
                if step == 0 {
                    first_decrease = work.decrease();
                }
                let (least, most) = (self.settings.cg_tolerance, self.settings.cg_iterations_max);
                let gone = (first_decrease / work.decrease()).sqrt() as f32;
                let tolerance = if touches { least } else { (least * gone).min(LOOSEST).max(least) };
                let (ending, iterations) = work.solve(&mut system, tolerance, most);
                report.cg_iterations += iterations;
                if ending == Ending::NegativeCurvature {
                    report.clamped = true;
                    self.clamped_ticks_left = CLAMPED_TICKS;
                    system.elements.clamp(system.crew);
                    set_residual(&mut work, &tick, &mut system);
                    report.cg_iterations += work.solve(&mut system, tolerance, most).1;
                } else if step == 0 && attempt == 0 {
                    system.lattice.hear(iterations);
                }
                let beyond_m = FORESEEN * self.settings.contact_margin_m;
                if !touches || !terms.foresee(&tick.moved, &work.solution, beyond_m) {
                    break;
                }
            }
            let longest = shares(&work.solution, &self.pieces, LONGEST_MOVE * self.mean_edge_m);
            let mut met = Met { contacts: &mut contacts, terms: &mut terms };
            // where contacts come and go along the way it may be up and down: then they are held as they were
            let lower = self.search(crew, &mut tick, &mut met, (&work.solution, longest.clone()), energy, touches);
            let lower = if lower.is_none() && touches {
                self.search(crew, &mut tick, &mut met, (&work.solution, longest), energy, false)
            } else {
                lower
            };
            match lower {
                Some(lower) => energy = lower,
                None => break,
            }
        }

        self.clamped_ticks_left = self.clamped_ticks_left.saturating_sub(1);
        if report.clamped || report.cg_iterations > MANY_ITERATIONS * report.newton_steps {
            self.blocks_are_good = false;
        }
        self.work = work;
        self.inverse = inverse;
        let outcome = self.finish(crew, loads, dt_secs, &rule, &tick, &terms, &contacts, &mut report);
        self.tick = tick;
        terms.contacts.clear();
        terms.springs.clear();
        self.terms = terms;
        outcome.map(|()| report)
    }

    /// Euclidean norm of the nodes' weights, N.
    fn weight(&self, gravity: Vec3) -> f64 {
        let square: f64 = self.mass.iter().map(|&m| f64::from(m) * f64::from(m)).sum();
        f64::from(gravity.length()) * square.sqrt()
    }

    fn check(&self, loads: &Loads, dt_secs: f32) -> Result<(), StepError> {
        let sound_time = dt_secs.is_finite() && dt_secs > 0.0;
        if !sound_time || !loads.gravity.is_finite() || !loads.mass_damping_per_s.is_finite() {
            return Err(StepError::Load);
        }
        if let Some(&(node, _)) = loads.driven.iter().find(|(v, x)| *v as usize >= self.rest.len() || !x.is_finite()) {
            return Err(StepError::Driven { node });
        }
        if let Some(&(node, _)) = loads.forces.iter().find(|(v, f)| *v as usize >= self.rest.len() || !f.is_finite()) {
            return Err(StepError::Force { node });
        }
        if let Some(body) = loads.bodies.iter().find(|body| !body.is_sound()) {
            return Err(StepError::Rigid { body: body.number });
        }
        match loads.tools.iter().find(|tool| !tool.is_sound()) {
            Some(tool) => Err(StepError::Tool { tool: tool.tool }),
            None => Ok(()),
        }
    }

    fn come_to_rest(&mut self) {
        self.velocities.fill(Vec3::ZERO);
        self.accelerations.fill(Vec3::ZERO);
        self.past.clear();
        self.stale = true;
    }

    /// BDF2 where it is wanted and the last tick is known.
    fn rule(&mut self, loads: &Loads, dt_secs: f32) -> Rule {
        if dt_secs != self.last_dt_secs || self.past.len() != self.rest.len() {
            self.past.clear();
        }
        let scheme = if self.past.is_empty() { TimeScheme::BackwardEuler } else { self.settings.scheme };
        Rule::new(scheme, dt_secs, loads.mass_damping_per_s)
    }

    fn renew_preconditioner(&mut self, crew: &mut Crew, tick: &Tick, terms: &Terms, rule: &Rule, dt_secs: f32) {
        let is_first = self.stale || dt_secs != self.last_dt_secs;
        if is_first || !self.blocks_are_good {
            self.renew_blocks(crew, true);
        } else if !self.blocks_are_whole {
            self.renew_blocks(crew, false);
        }
        let Self { rest, tets, shapes, is_pinned, elements, mass, blocks, .. } = self;
        let per_mass = rule.per_mass;
        let shape = Shape { rest, tets, shapes, is_pinned, elements, mass, per_mass, free: &tick.free, blocks, terms };
        if is_first {
            self.lattice.build(&shape);
            self.last_dt_secs = dt_secs;
            self.stale = false;
        } else if self.lattice.advance(&shape) {
            self.renew_blocks(crew, true);
        }
    }

    fn renew_blocks(&mut self, crew: &mut Crew, all: bool) {
        self.blocks.fill([0.0; 6]);
        self.elements.diagonal(crew, all, &mut self.blocks, &mut self.clusters);
        self.blocks_are_good = true;
        self.blocks_are_whole = true;
    }

    /// Goes the shares of a step that are given for each piece, and shortens them until the potential falls; `None` leaves the tick where it was. With
    /// `follows` the contacts are those of each place on the way.
    fn search(
        &mut self,
        crew: &mut Crew,
        tick: &mut Tick,
        met: &mut Met,
        (step, mut shares): (&[Node], Vec<f32>),
        energy: f64,
        follows: bool,
    ) -> Option<f64> {
        tick.mark();
        let noise = tick.noise(energy);
        for _ in 0..HALVINGS {
            tick.go(crew, &self.pieces.of_node, &shares, step);
            tick.evaluate(crew, &mut self.elements, &self.u, || ());
            if follows {
                met.renew(self, &tick.moved);
            }
            let here = tick.total(crew, &self.elements, met.terms);
            // still downhill at the end of the step: it fell, whatever rounding says of the difference
            let nearly = here <= energy + 100.0 * noise;
            if here <= energy + noise || (nearly && pcg::dot(&tick.gradient, step) <= 0.0) {
                if follows {
                    return Some(here);
                }
                met.renew(self, &tick.moved);
                return Some(tick.total(crew, &self.elements, met.terms));
            }
            halve(&mut shares, &tick.gradient, step, &self.pieces);
        }
        tick.go_back();
        tick.evaluate(crew, &mut self.elements, &self.u, || ());
        met.renew(self, &tick.moved);
        tick.total(crew, &self.elements, met.terms);
        None
    }

    fn finish(
        &mut self,
        crew: &mut Crew,
        loads: &Loads,
        h: f32,
        rule: &Rule,
        tick: &Tick,
        terms: &Terms,
        contacts: &Contacts,
        report: &mut StepReport,
    ) -> Result<(), StepError> {
        let lost = tick.moved.iter().position(|d| !d.iter().all(|c| c.is_finite()));
        if let Some(node) = lost {
            self.come_to_rest();
            return Err(StepError::Lost { node: node as u32 });
        }
        self.accept(crew, tick, rule, h, self.settings.scheme == TimeScheme::Bdf2);
        self.elements.end(crew);
        self.move_crumbs(loads.tools, loads.gravity, h);
        report.driven_forces = loads.driven.iter().map(|&(node, _)| vec3(tick.gradient[node as usize])).collect();
        for tool in loads.tools {
            let (contact_n, grip_n, torque_nm) = terms.force_on(tool.tool, tool.pose.position, &self.positions, &tick.moved);
            let (pinch_n, pinch_pa) = self.pinched(tool.tool);
            report.tool_forces.push(ToolForce { tool: tool.tool, contact_n, grip_n, torque_nm, pinch_n, pinch_pa });
        }
        for body in loads.bodies {
            let (force_n, torque_nm) = terms.force_on_rigid(body.number, body.centre, &self.positions, &tick.moved);
            report.rigid_forces.push(RigidForce { number: body.number, force_n, torque_nm });
        }
        report.floor_force = terms.force_on_floor(&tick.moved);
        report.contacts = terms.contacts.iter().filter(|c| c.normal_force(&tick.moved) > 0.0).count() as u32;
        contacts.remember(self, terms, &tick.moved);
        self.note_pressure(terms, &tick.moved);
        report.slipped = self.let_slip(loads.tools, terms, &tick.moved);
        self.measure_stress(crew, report);
        report.unfolded = self.unfold();
        Ok(())
    }

    fn measure_stress(&mut self, crew: &mut Crew, report: &mut StepReport) {
        self.elements.von_mises(crew, &self.shapes, &mut self.stress);
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

/// Whether what is left over where something presses is small beside the forces that contact and weight (the norm of the nodes', N) balance with.
fn is_balanced(work: &Workspace, tick: &Tick, terms: &Terms, weight: f64) -> bool {
    let left: f64 = terms.pressing().iter().map(|&node| f64::from(vec3(work.residual[node as usize]).length_squared())).sum();
    left.sqrt() <= BALANCE * (weight + terms.pressure(&tick.moved))
}

/// Residual and preconditioned residual of the next solve; the answer is the largest entry of the latter, m.
fn set_residual(work: &mut Workspace, tick: &Tick, system: &mut Newton) -> f32 {
    for ((residual, gradient), &is_free) in work.residual.iter_mut().zip(&tick.gradient).zip(&tick.free) {
        *residual = if is_free { gradient.map(|g| -g) } else { [0.0; 4] };
    }
    system.terms.pull(&tick.moved, &mut work.residual);
    work.start(system);
    work.z.iter().flatten().fold(0.0f32, |most, z| most.max(z.abs()))
}
