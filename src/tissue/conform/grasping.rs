//! Bowel pressed by a tool: what it bears, and for how long, is told when it should be and not before.

use glam::Vec3;

use super::{ConformError, Row, Within, scene};
use crate::geom::{Pose, TetMesh};
use crate::tissue::{Bruise, Capsule, Loads, Measure, ToolShape, limits_of};

const SIZE: Vec3 = Vec3::new(0.04, 0.02, 0.04);
const TICK_SECS: f32 = 0.25;
/// Deep enough for force and stiffness to be in proportion, whatever the contact keeps as distance.
const DEPTH_M: f32 = 0.006;

pub fn rows() -> Result<Vec<Row>, ConformError> {
    // at one depth the force goes with Young's modulus: what gives a force is found from one try
    let tried = 10e3;
    let force_n = press(tried, 16)?.last().map_or(0.0, |tick| tick.force_n);
    let for_force = |wanted_n: f32| tried * wanted_n / force_n.max(1e-3);
    let row = |quantity: &str, unit: &'static str, measured: f64, truth: f64, by: f64, source: &'static str| Row {
        case: "bowel pressed by a shaft",
        quantity: quantity.into(),
        unit,
        measured,
        truth,
        within: Within::Absolute(by),
        source,
        held_back: None,
    };
    let barrie = "Barrie et al. 2018, porcine colon";
    let tick = f64::from(TICK_SECS);
    // the first that is told of a limit, and the ticks up to it
    let told = |ticks: &[Pressed], is: fn(&Bruise) -> bool| ticks.iter().position(|tick| tick.bruises.iter().any(is));
    let until = |ticks: &[Pressed], at: Option<usize>| -> Vec<f32> {
        at.map_or(Vec::new(), |at| ticks[..=at].iter().map(|tick| tick.force_n).collect())
    };
    let over = |forces: &[f32], limit: f32| forces.iter().filter(|force| **force >= limit).count() as f64;

    let mild = press(for_force(16.0), 90)?;
    let held_20 = |b: &Bruise| b.measure == Measure::Force && b.above == 20.0;
    let impulse = until(&mild, told(&mild, |b| b.measure == Measure::Impulse)).iter().map(|f| f64::from(*f)).sum::<f64>() * tick;
    let firm = press(for_force(30.0), 150)?;
    let firm_until = until(&firm, told(&firm, |b| b.measure == Measure::Force && b.above == 20.0));
    let hard = press(for_force(70.0), 20)?;
    let hard_until = until(&hard, told(&hard, |b| b.measure == Measure::Force && b.above == 50.0));
    let crushed = press(2e6, 60)?;
    let at = told(&crushed, |b| b.measure == Measure::Pressure);
    let first = crushed.iter().position(|tick| tick.force_n > 0.0).unwrap_or(0);
    let crushed_secs = at.map_or(f64::NAN, |at| (at + 1 - first) as f64 * tick);
    Ok(vec![
        row(
            "16 N: told of 20 N held",
            "1",
            mild.iter().flat_map(|tick| &tick.bruises).filter(|b| held_20(b)).count() as f64,
            0.0,
            0.0,
            barrie,
        ),
        // up to the tick in which it is passed
        row("16 N: impulse when it is told", "N s", impulse, 300.0, 16.0 * tick + 1.0, barrie),
        row("30 N: time over 20 N when it is told", "s", over(&firm_until, 20.0) * tick, 30.0, tick, barrie),
        row("70 N: ticks over 50 N when it is told", "1", over(&hard_until, 50.0), 1.0, 0.0, barrie),
        // the load is ramped within two seconds
        row(
            "crushed: time under the tool when 329 kPa are told",
            "s",
            crushed_secs,
            10.0,
            2.0 + tick,
            "BMJ SIT 2021, doi 10.1136/bmjsit-2021-000084: 329–330 kPa held 10 s",
        ),
    ])
}

struct Pressed {
    force_n: f32,
    bruises: Vec<Bruise>,
}

/// A shaft comes down within eight ticks and stays.
fn press(young_pa: f32, ticks: usize) -> Result<Vec<Pressed>, ConformError> {
    let mesh = TetMesh::block([6, 3, 6], SIZE);
    let mut body = scene::body(mesh, scene::material(young_pa, 0.4, 1000.0), |x| x.y < 1e-6)?;
    body.set_limits(&[limits_of("bowel")])?;
    let line = |tick: usize| {
        let depth = DEPTH_M * (tick as f32 / 8.0).min(1.0);
        [-0.02, 0.06].map(|x| Vec3::new(x, SIZE.y + 0.0035 - depth, 0.5 * SIZE.z))
    };
    let mut all = Vec::with_capacity(ticks);
    for tick in 1..=ticks {
        let ([from, to], [previous_from, previous_to]) = (line(tick), line(tick - 1));
        let capsules = vec![Capsule { from, to, previous_from, previous_to, radius_m: 0.003 }];
        let tools = [ToolShape { tool: 0, pose: Pose::IDENTITY, capsules, friction: 0.0 }];
        let report = body.step(&Loads { tools: &tools, mass_damping_per_s: 5.0, ..Loads::default() }, TICK_SECS)?;
        let force_n = report.tool_forces.first().map_or(0.0, |force| force.contact_n.length());
        all.push(Pressed { force_n, bruises: body.bruise(&report, TICK_SECS) });
    }
    Ok(all)
}
