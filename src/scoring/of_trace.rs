//! All the metrics of one trace.

use glam::Vec3;

use super::{
    Filter, ForceSummary, IDLE_SPEED, Metrics, Motion, Trajectory, Undefined, bimanual_ratio, ldlj, motion::rests, pearson,
    trajectory::STANDARD_RATE_HZ,
};
use crate::{
    clock::{TICK_HZ, secs_at},
    instrument::Side,
    session::{Event, Trace},
};

/// Every metric that a trace can give, by hand (`sparc_left`) and for the trial (`time`), in the order of the catalogue.
///
/// Kinematic values come from the tips at 100 Hz after the standard low-pass, forces from the ticks as they were recorded, counts from
/// the events. The trace's time runs from 0 to the end of its last tick.
pub fn metrics_of_trace(trace: &Trace) -> Metrics {
    let mut out = Metrics::default();
    out.push("time", None, Ok(trace.duration_secs()), Filter::None);
    let motions = Side::BOTH.map(|side| motion_of(trace, side));
    for side in Side::BOTH {
        let goals = sub_goals(trace, side);
        let trocar = trace.header.trocars[side.index()];
        push_motion(&mut out, Some(side), motions[side.index()].as_ref(), &goals, trocar, Filter::Standard);
    }
    push_both_hands(&mut out, &motions);
    push_forces(&mut out, trace);
    push_events(&mut out, trace);
    out.sort();
    out
}

/// The motion of one hand's tip after the standard preparation; both hands share one grid of times, which begins with the first tick.
pub fn motion_of(trace: &Trace, side: Side) -> Result<Motion, Undefined> {
    let mut path = Trajectory { q: Some(Vec::new()), ..Trajectory::default() };
    for (index, tick) in trace.ticks.iter().enumerate() {
        if let Some(sample) = &tick.tools[side.index()] {
            path.t.push(secs_at(index as u64 + 1));
            path.p.push(sample.pose.position.as_dvec3());
            if let Some(q) = &mut path.q {
                q.push(sample.pose.rotation.as_dquat().normalize());
            }
        }
    }
    if path.is_empty() {
        return Err(Undefined::NoTool(side.name()));
    }
    Motion::new(path.standard(secs_at(1), secs_at(trace.ticks.len() as u64))?)
}

/// The samples of the 100 Hz grid at which a hand took hold, let go or cut: where its ways begin and end.
fn sub_goals(trace: &Trace, side: Side) -> Vec<usize> {
    let own = |event: &&Event| matches!(event, Event::Grasped { side: s, .. } | Event::Released { side: s, .. } | Event::Cut { side: s, .. } if *s == side);
    trace
        .events()
        .filter(|(_, event)| own(event))
        .map(|(tick, _)| ((secs_at(tick) - secs_at(1)) * STANDARD_RATE_HZ).round() as usize)
        .collect()
}

/// The metrics that one trajectory can give, or the reason for which it gives none.
pub(super) fn push_motion(
    out: &mut Metrics,
    side: Option<Side>,
    motion: Result<&Motion, &Undefined>,
    goals: &[usize],
    trocar: Option<Vec3>,
    filter: Filter,
) {
    let orientation_filter = if filter == Filter::Standard { Filter::Resampled } else { filter };
    let with = |value: &dyn Fn(&Motion) -> Result<f64, Undefined>| motion.map_err(Clone::clone).and_then(value);
    let mut push = |base, value, filter| out.push(base, side, value, filter);
    push("path_length", with(&|m| Ok(m.path_length() * 1e3)), filter);
    push("economy", with(&|m| m.economy(goals)), filter);
    push("angular_path", with(&Motion::angular_path), orientation_filter);
    push("depth_path", with(&|m| trocar.ok_or(Undefined::NoTrocar).map(|at| m.depth_path(at.as_dvec3()) * 1e3)), filter);
    push("eov", with(&Motion::economy_of_volume), filter);
    push("eoa", with(&Motion::economy_of_area), filter);
    push("volume", with(&|m| Ok(m.box_volume() * 1e9)), filter);
    push("volume_ellipsoid", with(&|m| Ok(m.ellipsoid_volume() * 1e9)), filter);
    push("speed_mean", with(&|m| Ok(m.mean_speed() * 1e3)), filter);
    push("idle_time", with(&|m| Ok(m.idle_time())), filter);
    push("n_movements", with(&|m| Ok(m.movements().len() as f64)), filter);
    push("njerk", with(&Motion::njerk), filter);
    push("dlj", with(&Motion::dlj), filter);
    push("ldlj", with(&|m| ldlj(m.dlj()?)), filter);
    push("ldlj_per_movement", with(&Motion::ldlj_per_movement), filter);
    push("dlj_speed", with(&Motion::dlj_speed), filter);
    push("ldlj_speed", with(&|m| ldlj(m.dlj_speed()?)), filter);
    push("sparc", with(&Motion::sparc), filter);
    push("sparc_per_movement", with(&Motion::sparc_per_movement), filter);
}

fn push_both_hands(out: &mut Metrics, motions: &[Result<Motion, Undefined>; 2]) {
    let moved: Vec<f64> = motions.iter().flatten().map(Motion::path_length).collect();
    let total = if moved.is_empty() { Err(Undefined::NoMotion) } else { Ok(moved.iter().sum::<f64>() * 1e3) };
    out.push("path_length", None, total, Filter::Standard);
    let values = match motions {
        [Ok(left), Ok(right)] => {
            let rest = rests(&left.dt, |i| left.speed[i] < IDLE_SPEED && right.speed[i] < IDLE_SPEED);
            let idle = rest.iter().zip(&left.dt).filter(|(rest, _)| **rest).map(|(_, dt)| dt).sum();
            let (l, r) = (left.path_length(), right.path_length());
            [
                Ok(idle),
                pearson(&left.speed, &right.speed, |l, r| l >= IDLE_SPEED || r >= IDLE_SPEED),
                bimanual_ratio(&left.speed, &right.speed, IDLE_SPEED),
                if l.max(r) > 0.0 { Ok(l.min(r) / l.max(r)) } else { Err(Undefined::NoMotion) },
            ]
        }
        _ => std::array::from_fn(|_| Err(Undefined::OneHand)),
    };
    for (id, value) in ["idle_time_both", "bimanual_r", "bimanual_ratio", "bimanual_path_ratio"].into_iter().zip(values) {
        out.push(id, None, value, Filter::Standard);
    }
}

fn push_forces(out: &mut Metrics, trace: &Trace) {
    let limit = f64::from(trace.header.force_limit_n);
    let mut trial: Option<ForceSummary> = None;
    for side in Side::BOTH {
        let mut forces =
            trace.ticks.iter().filter_map(|tick| tick.tools[side.index()]).map(|s| s.force_n.as_dvec3().length()).peekable();
        let summary = if forces.peek().is_some() {
            Ok(ForceSummary::of(forces, 1.0 / f64::from(TICK_HZ), limit))
        } else {
            Err(Undefined::NoTool(side.name()))
        };
        if let Ok(one) = &summary {
            trial = Some(trial.map_or(*one, |other| other.and(*one)));
        }
        push_force(out, Some(side), summary);
    }
    push_force(out, None, trial.ok_or(Undefined::NoContact));
}

fn push_force(out: &mut Metrics, side: Option<Side>, force: Result<ForceSummary, Undefined>) {
    let with = |value: &dyn Fn(&ForceSummary) -> Result<f64, Undefined>| force.as_ref().map_err(Clone::clone).and_then(value);
    out.push("force_mean", side, with(&ForceSummary::mean_in_contact), Filter::None);
    out.push("force_peak", side, with(&|f| Ok(f.peak)), Filter::None);
    if side.is_some() {
        out.push("force_rms", side, with(&ForceSummary::rms), Filter::None);
    }
    out.push("impulse", side, with(&|f| Ok(f.impulse)), Filter::None);
    out.push("overstress_time", side, with(&|f| Ok(f.over_time)), Filter::None);
    out.push("overstress_impulse", side, with(&|f| Ok(f.over_impulse)), Filter::None);
}

fn push_events(out: &mut Metrics, trace: &Trace) {
    let count = |wanted: fn(&Event) -> bool| trace.events().filter(|(_, event)| wanted(event)).count() as f64;
    let counts = [
        ("overstress_events", count(|e| matches!(e, Event::Overstressed { .. }))),
        ("drops", count(|e| matches!(e, Event::Dropped { .. }))),
        ("objects_lost", count(|e| matches!(e, Event::Dropped { lost: true, .. }))),
        ("slips", count(|e| matches!(e, Event::Slipped { .. }))),
        ("n_cuts", count(|e| matches!(e, Event::Cut { .. }))),
        ("n_errors", count(|e| matches!(e, Event::ErrorMade { .. }))),
        ("n_critical_errors", count(|e| matches!(e, Event::ErrorMade { critical: true, .. }))),
    ];
    for (id, value) in counts {
        out.push(id, None, Ok(value), Filter::Events);
    }
    let (mut area, mut margin, mut cuts) = (0.0, None::<f64>, 0);
    for (_, event) in trace.events() {
        if let Event::Cut { area_m2, margin_m, .. } = event {
            cuts += 1;
            area += f64::from(*area_m2);
            if let Some(m) = margin_m {
                margin = Some(margin.map_or(f64::from(*m), |least| least.min(f64::from(*m))));
            }
        }
    }
    out.push("cut_area", None, if cuts > 0 { Ok(area * 1e6) } else { Err(Undefined::NothingCut) }, Filter::Events);
    let none = if cuts > 0 { Undefined::NoLesion } else { Undefined::NothingCut };
    out.push("margin", None, margin.map(|m| m * 1e3).ok_or(none), Filter::Events);
}
