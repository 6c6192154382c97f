//! Ticks in which a tool moves farther than contact can follow in one go.
//!
//! Contact lets go of a tool that stands deeper than [`DEEPEST_M`]: it has gone through. A tool faster than that per tick would be let go before it was
//! felt, so its way is walked in substeps, each short enough to be met. Loads are shared out in time: tools and driven nodes go straight from where
//! they were to where they will be, and the forces reported are their means over the tick.

use glam::Vec3;

use super::body::SoftBody;
use super::contact::{DEEPEST_M, ToolShape};
use super::crew::Crew;
use super::movable::RigidShape;
use super::solver::{Loads, StepError, StepReport};

/// A substep takes a tool no farther than this, m.
const STRIDE_M: f32 = 0.5 * DEEPEST_M;
/// Substeps of a tick at most: a tracking glitch across the room is not walked.
const MOST_SUBSTEPS: u32 = 16;

impl SoftBody {
    /// Advances one tick; the same state and loads always give the same outcome, bit for bit, on any number of threads.
    ///
    /// # Errors
    /// [`StepError`] when the loads are unsound or the solve is lost; the body then rests at its last good pose and may be stepped again.
    pub fn step(&mut self, loads: &Loads, dt_secs: f32) -> Result<StepReport, StepError> {
        let alone = !self.elements.are_many();
        Crew::call(alone, |crew| match self.substeps(loads) {
            1 => self.minimise(crew, loads, dt_secs),
            many => self.walk(crew, loads, dt_secs, many),
        })
    }

    /// In how many substeps a tick is walked: one, unless a tool sweeps over the body faster than contact can follow.
    fn substeps(&self, loads: &Loads) -> u32 {
        let of_tools = loads.tools.iter().flat_map(|tool| &tool.capsules);
        let capsules = of_tools.chain(loads.bodies.iter().flat_map(|body| &body.capsules)).map(|c| (c.motion_m(), c.swept()));
        let hulls = loads.bodies.iter().flat_map(|body| &body.hulls).map(|hull| (hull.motion_m(), hull.swept()));
        let fast = capsules.chain(hulls).filter(|(motion, _)| *motion > DEEPEST_M);
        let farthest = fast.filter(|(_, swept)| self.is_swept(*swept)).map(|(motion, _)| motion).fold(0.0, f32::max);
        if farthest > 0.0 { (farthest / STRIDE_M).ceil().min(MOST_SUBSTEPS as f32) as u32 } else { 1 }
    }

    /// Whether a box meets the box of a face.
    fn is_swept(&self, (low, high): (Vec3, Vec3)) -> bool {
        self.surface.faces.iter().any(|face| {
            let [a, b, d] = face.map(|v| self.positions[v as usize]);
            a.min(b).min(d).cmple(high).all() && a.max(b).max(d).cmpge(low).all()
        })
    }

    fn walk(&mut self, crew: &mut Crew, loads: &Loads, dt_secs: f32, many: u32) -> Result<StepReport, StepError> {
        let start: Vec<_> = loads.driven.iter().map(|&(v, to)| self.positions.get(v as usize).copied().unwrap_or(to)).collect();
        let share = 1.0 / many as f32;
        let mut whole: Option<StepReport> = None;
        for substep in 1..=many {
            let (before, now) = ((substep - 1) as f32 * share, substep as f32 * share);
            let tools: Vec<ToolShape> = loads.tools.iter().map(|tool| on_the_way(tool, before, now)).collect();
            let driven: Vec<_> = loads.driven.iter().zip(&start).map(|(&(v, to), from)| (v, from.lerp(to, now))).collect();
            let bodies: Vec<RigidShape> = loads.bodies.iter().map(|body| body.on_the_way(before, now)).collect();
            let loads = Loads { tools: &tools, bodies: &bodies, driven: &driven, ..*loads };
            let part = self.minimise(crew, &loads, dt_secs * share)?;
            whole = Some(match whole {
                Some(sum) => sum.and_then(part),
                None => part,
            });
        }
        let mut report = whole.unwrap_or_default();
        report.share(share);
        Ok(report)
    }
}

/// A tool between two shares of its way through the tick. Its pose, which moves what it holds, is that of the way's end.
fn on_the_way(tool: &ToolShape, before: f32, now: f32) -> ToolShape {
    let capsules = tool.capsules.iter().map(|capsule| capsule.on_the_way(before, now)).collect();
    ToolShape { capsules, ..tool.clone() }
}

impl StepReport {
    /// This part of a tick and the next: forces are summed, counts too, and what is seen is what is seen last.
    fn and_then(self, next: Self) -> Self {
        let mut sum = next;
        for (force, before) in sum.tool_forces.iter_mut().zip(&self.tool_forces) {
            force.contact_n += before.contact_n;
            force.grip_n += before.grip_n;
            force.torque_nm += before.torque_nm;
        }
        for (force, before) in sum.rigid_forces.iter_mut().zip(&self.rigid_forces) {
            force.force_n += before.force_n;
            force.torque_nm += before.torque_nm;
        }
        sum.driven_forces.iter_mut().zip(&self.driven_forces).for_each(|(force, before)| *force += *before);
        sum.floor_force += self.floor_force;
        sum.newton_steps += self.newton_steps;
        sum.cg_iterations += self.cg_iterations;
        sum.clamped |= self.clamped;
        sum.unfolded += self.unfolded;
        sum.slipped.extend(self.slipped);
        sum.max_stress_pa = sum.max_stress_pa.max(self.max_stress_pa);
        sum
    }

    /// Turns sums of forces into means.
    fn share(&mut self, share: f32) {
        for force in &mut self.tool_forces {
            force.contact_n *= share;
            force.grip_n *= share;
            force.torque_nm *= share;
        }
        for force in &mut self.rigid_forces {
            force.force_n *= share;
            force.torque_nm *= share;
        }
        self.driven_forces.iter_mut().for_each(|force| *force *= share);
        self.floor_force *= share;
    }
}
