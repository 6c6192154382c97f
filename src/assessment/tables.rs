//! The tables: UTF-8, RFC 4180 with a header and LF, decimal points, an empty cell for what is missing.
//!
//! A text cell that a spreadsheet would take for a formula gets an apostrophe before it; numbers never do, so that a negative
//! smoothness stays a number.

use std::borrow::Cow;

use crate::{
    clock::secs_at,
    instrument::Side,
    scoring::Score,
    session::{Event, Trace},
};

use super::attempt_id;

/// A text cell that no spreadsheet evaluates.
pub fn guarded(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

fn finish(table: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    table.into_inner().map_err(|fault| csv::Error::from(fault.into_error()))
}

/// `metrics.csv`: one metric a line.
pub fn metrics(trace: &Trace, score: &Score) -> Result<Vec<u8>, csv::Error> {
    let attempt = attempt_id(trace);
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["attempt_id", "metric_id", "metric_version", "hand", "segment", "value", "unit", "reason"])?;
    for m in &score.metrics {
        table.write_record([
            attempt.as_str(),
            m.base_id(),
            &m.version.to_string(),
            m.hand.unwrap_or(""),
            m.segment.name(),
            &m.value.map_or_else(String::new, |v| v.to_string()),
            m.unit,
            &guarded(m.reason.as_deref().unwrap_or("")),
        ])?;
    }
    finish(table)
}

/// One event as the cells that depend on its kind.
#[derive(Default)]
struct Row<'a> {
    event: &'static str,
    hand: Option<Side>,
    what: &'a str,
    value: Option<f32>,
    unit: &'static str,
    detail: String,
    critical: Option<bool>,
    place: Option<glam::Vec3>,
}

fn row(event: &Event) -> Row<'_> {
    match event {
        Event::Grasped { side, what } => Row { event: "grasped", hand: Some(*side), what, ..Row::default() },
        Event::Released { side, what } => Row { event: "released", hand: Some(*side), what, ..Row::default() },
        Event::Slipped { side, what, force_n } => {
            Row { event: "slipped", hand: Some(*side), what, value: Some(*force_n), unit: "N", ..Row::default() }
        }
        Event::Cut { side, area_m2, margin_m, place } => Row {
            event: "cut",
            hand: Some(*side),
            value: Some(area_m2 * 1e6),
            unit: "mm2",
            detail: margin_m.map_or_else(String::new, |m| format!("margin {:.2} mm", m * 1e3)),
            place: Some(*place),
            ..Row::default()
        },
        Event::Overstressed { what, stress_pa, limit_pa, place } => Row {
            event: "overstressed",
            what,
            value: Some(*stress_pa),
            unit: "Pa",
            detail: format!("limit {limit_pa} Pa"),
            place: Some(*place),
            ..Row::default()
        },
        Event::Torn { what, began, area_m2, drive, limit, place } => Row {
            event: "torn",
            what,
            value: Some(area_m2 * 1e6),
            unit: "mm2",
            detail: match began {
                true => format!("new tear at {drive:.0} Pa, strength {limit:.0} Pa"),
                false => format!("{drive:.1} J/m2, toughness {limit:.1} J/m2"),
            },
            place: Some(*place),
            ..Row::default()
        },
        Event::Damaged { what, measure, value, limit, held_secs, unit, place } => Row {
            event: "damaged",
            what,
            value: Some(*value),
            // the units are known ones: a trace that says another says nothing
            unit: ["Pa", "N", "N s", "1"].into_iter().find(|known| known == unit).unwrap_or_default(),
            detail: format!("{measure}, limit {limit} {unit} held {held_secs} s"),
            place: Some(*place),
            ..Row::default()
        },
        Event::AttachmentLost { what, divided, pull_n, left, place } => Row {
            event: if *divided { "attachment divided" } else { "attachment torn" },
            what,
            value: Some(*pull_n),
            unit: "N",
            detail: format!("{:.0} % of its strength left", 100.0 * left),
            place: Some(*place),
            ..Row::default()
        },
        Event::Dropped { what, lost, place } => {
            let detail = if *lost { "lost" } else { "" }.to_owned();
            Row { event: "dropped", what, detail, place: Some(*place), ..Row::default() }
        }
        Event::Placed { what, on } => Row { event: "placed", what, detail: format!("on {on}"), ..Row::default() },
        Event::StepDone { id } => Row { event: "step done", what: id, ..Row::default() },
        Event::ErrorMade { id, critical, place } => {
            Row { event: "error", what: id, critical: Some(*critical), place: *place, ..Row::default() }
        }
        Event::BodyRested { what } => Row { event: "body rested", what, ..Row::default() },
        Event::Completed => Row { event: "completed", ..Row::default() },
        Event::Stopped { why } => Row { event: "stopped", detail: why.clone(), ..Row::default() },
        Event::VesselCut { name, radius_mm, flow_ml_per_min, place } => Row {
            event: "vessel cut",
            what: name,
            value: Some(*flow_ml_per_min),
            unit: "ml/min",
            detail: format!("radius {radius_mm:.1} mm"),
            place: Some(*place),
            ..Row::default()
        },
        Event::VitalSigns(m) => Row {
            event: "vital signs",
            what: "mean arterial pressure",
            value: Some(m.mean_arterial_mmhg as f32),
            unit: "mmHg",
            detail: format!(
                "heart rate {:.0}/min, {:.0}/{:.0} mmHg, SpO2 {:.0} %, etCO2 {:.0} mmHg, blood lost {:.0} ml",
                m.heart_rate_per_min,
                m.systolic_mmhg,
                m.diastolic_mmhg,
                m.oxygen_saturation_percent,
                m.end_tidal_co2_mmhg,
                m.blood_lost_ml
            ),
            ..Row::default()
        },
    }
}

/// `events.csv`: one event a line, in the order in which they happened.
pub fn events(trace: &Trace) -> Result<Vec<u8>, csv::Error> {
    let attempt = attempt_id(trace);
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([
        "attempt_id",
        "tick",
        "t_s",
        "event",
        "hand",
        "what",
        "value",
        "unit",
        "detail",
        "critical",
        "x_m",
        "y_m",
        "z_m",
    ])?;
    for (tick, event) in trace.events() {
        let row = row(event);
        let [x, y, z] = row.place.map_or_else(Default::default, |p| p.to_array().map(|c| c.to_string()));
        table.write_record([
            attempt.as_str(),
            &tick.to_string(),
            &format!("{:.6}", secs_at(tick)),
            row.event,
            row.hand.map_or("", Side::name),
            &guarded(row.what),
            &row.value.map_or_else(String::new, |v| v.to_string()),
            row.unit,
            &guarded(&row.detail),
            row.critical.map_or("", |c| if c { "true" } else { "false" }),
            &x,
            &y,
            &z,
        ])?;
    }
    finish(table)
}

/// `kinematics.csv`: one tick a line; tip position (world, m), orientation, jaw and force of each hand as they were recorded.
pub fn kinematics(trace: &Trace) -> Result<Vec<u8>, csv::Error> {
    const COLUMNS: [&str; 13] =
        ["x_m", "y_m", "z_m", "qx", "qy", "qz", "qw", "jaw_rad", "force_x_n", "force_y_n", "force_z_n", "force_n", "holding"];
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_field("t_s")?;
    for side in Side::BOTH {
        for column in COLUMNS {
            table.write_field(format!("{}_{column}", side.name()))?;
        }
    }
    table.write_record(None::<&[u8]>)?;
    for (index, tick) in trace.ticks.iter().enumerate() {
        table.write_field(format!("{:.6}", secs_at(index as u64 + 1)))?;
        for tool in &tick.tools {
            let Some(s) = tool else {
                for _ in COLUMNS {
                    table.write_field("")?;
                }
                continue;
            };
            let numbers = s.pose.position.to_array().into_iter().chain(s.pose.rotation.to_array()).chain([s.jaw_rad]);
            for number in numbers.chain(s.force_n.to_array()).chain([s.force_n.length()]) {
                table.write_field(number.to_string())?;
            }
            table.write_field(if s.holding { "1" } else { "0" })?;
        }
        table.write_record(None::<&[u8]>)?;
    }
    finish(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_disarmed() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        assert_eq!(guarded("liver"), "liver");
    }
}
