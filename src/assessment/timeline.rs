//! Steps, errors and events on one line of time.

use maud::{Markup, html};

use super::plots::short;
use crate::{
    clock::secs_at,
    scoring::Score,
    session::{Event, Trace},
};

const WIDTH: f64 = 700.0;
const LEFT: f64 = 118.0;
const RIGHT: f64 = 14.0;
/// Height of one row of labels.
const ROW: f64 = 17.0;
/// Advance of a character of 11 units, on the safe side for a common sans serif.
const ADVANCE: f64 = 6.2;

/// What stands on a lane.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Step,
    Error,
    CriticalError,
    Tick,
}

struct Entry {
    t: f64,
    mark: Mark,
    label: String,
}

struct Lane {
    title: &'static str,
    entries: Vec<Entry>,
}

/// The lanes of a trace; events without a label are mere ticks.
fn lanes(trace: &Trace, score: &Score) -> Vec<Lane> {
    let steps = score.steps.iter().filter_map(|s| Some(Entry { t: s.t_s?, mark: Mark::Step, label: s.id.clone() })).collect();
    let errors = score
        .errors
        .iter()
        .map(|e| Entry {
            t: e.t_s,
            mark: if e.critical { Mark::CriticalError } else { Mark::Error },
            label: if e.critical { format!("{} (critical)", e.id) } else { e.id.clone() },
        })
        .collect();
    let ticks = |wanted: fn(&Event) -> bool| {
        let of_kind = trace.events().filter(move |(_, event)| wanted(event));
        of_kind.map(|(tick, _)| Entry { t: secs_at(tick), mark: Mark::Tick, label: String::new() }).collect()
    };
    let mut lanes = vec![
        Lane { title: "Steps done", entries: steps },
        Lane { title: "Errors", entries: errors },
        Lane { title: "Grasps", entries: ticks(|e| matches!(e, Event::Grasped { .. })) },
        Lane { title: "Cuts", entries: ticks(|e| matches!(e, Event::Cut { .. })) },
        Lane { title: "Objects placed", entries: ticks(|e| matches!(e, Event::Placed { .. })) },
        Lane { title: "Over-stress", entries: ticks(|e| matches!(e, Event::Overstressed { .. })) },
        Lane { title: "Damage", entries: ticks(|e| matches!(e, Event::Damaged { .. })) },
        Lane {
            title: "Tears",
            entries: ticks(|e| matches!(e, Event::Torn { .. } | Event::AttachmentLost { divided: false, .. })),
        },
        Lane { title: "Vessels cut", entries: ticks(|e| matches!(e, Event::VesselCut { .. })) },
        Lane { title: "Slips and drops", entries: ticks(|e| matches!(e, Event::Slipped { .. } | Event::Dropped { .. })) },
    ];
    // a case has cuts or objects; a lane for the other would only say so
    lanes.retain(|lane| {
        !lane.entries.is_empty() || !["Cuts", "Objects placed", "Damage", "Tears", "Vessels cut"].contains(&lane.title)
    });
    lanes
}

/// The time line as an SVG.
pub fn timeline(trace: &Trace, score: &Score) -> Markup {
    let end = trace.duration_secs().max(1e-3);
    let x_at = |t: f64| LEFT + (WIDTH - LEFT - RIGHT) * (t / end).clamp(0.0, 1.0);
    let mut y = 6.0;
    let mut placed = Vec::new();
    for lane in lanes(trace, score) {
        let rows = stack(&lane.entries, x_at);
        let count = rows.iter().map(|r| r + 1).max().unwrap_or(1);
        let height = count as f64 * ROW + 5.0;
        placed.push((y, height, lane, rows));
        y += height;
    }
    let axis = y + 4.0;
    let height = axis + 34.0;
    let step = nice_step(end, 8.0);
    let marks: Vec<f64> = (0..).map(|i| f64::from(i) * step).take_while(|t| *t <= end * 1.0001).collect();
    let alternative = format!(
        "Time line of {end:.1} s with {} steps done and {} errors; both are listed in the tables beside it.",
        score.steps.iter().filter(|s| s.done).count(),
        score.errors.len()
    );
    html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(alternative) viewBox=(format!("0 0 {WIDTH} {height}"))
            width=(WIDTH) height=(height) font-family="sans-serif" font-size="11" {
            @for (nth, (top, height, lane, rows)) in placed.iter().enumerate() {
                @if nth % 2 == 0 {
                    rect x="0" y=(at(*top)) width=(WIDTH) height=(at(*height)) fill="#f5f5f5" {}
                }
                text x="6" y=(at(top + 14.0)) fill="#222" { (lane.title) }
                @if lane.entries.is_empty() {
                    text x=(at(LEFT)) y=(at(top + 14.0)) fill="#666" { "none" }
                }
                @for (entry, row) in lane.entries.iter().zip(rows) {
                    (mark(x_at(entry.t), top + 10.5 + *row as f64 * ROW, entry))
                }
            }
            line x1=(at(LEFT)) y1=(at(axis)) x2=(at(WIDTH - RIGHT)) y2=(at(axis)) stroke="#222" {}
            @for t in &marks {
                line x1=(at(x_at(*t))) y1=(at(axis)) x2=(at(x_at(*t))) y2=(at(axis + 4.0)) stroke="#222" {}
                text x=(at(x_at(*t))) y=(at(axis + 16.0)) text-anchor="middle" fill="#222" font-size="10" { (short(*t)) }
            }
            text x=(at(WIDTH - RIGHT)) y=(at(axis + 30.0)) text-anchor="end" fill="#222" { "time, s" }
        }
    }
}

/// One entry: a dot for a step, a hollow triangle for an error, a filled one for a critical error, a stroke for an event.
fn mark(x: f64, y: f64, entry: &Entry) -> Markup {
    let triangle = format!("M{} {}l5 9h-10z", at(x), at(y - 5.0));
    let before = label_goes_before(x, &entry.label);
    html! {
        @match entry.mark {
            Mark::Step => circle cx=(at(x)) cy=(at(y)) r="4" fill="#1b6e3c" {},
            Mark::Error => path d=(triangle) fill="#fff" stroke="#960024" stroke-width="1.5" {},
            Mark::CriticalError => path d=(triangle) fill="#960024" stroke="#960024" stroke-width="1.5" {},
            Mark::Tick => line x1=(at(x)) y1=(at(y - 6.0)) x2=(at(x)) y2=(at(y + 6.0)) stroke="#222" stroke-width="1.2" {},
        }
        @if !entry.label.is_empty() {
            @if before {
                text x=(at(x - 8.0)) y=(at(y + 4.0)) text-anchor="end" fill="#222" { (entry.label) }
            } @else {
                text x=(at(x + 8.0)) y=(at(y + 4.0)) fill="#222" { (entry.label) }
            }
        }
    }
}

fn width_of(label: &str) -> f64 {
    label.chars().count() as f64 * ADVANCE
}

/// Whether a label would run off the right edge.
fn label_goes_before(x: f64, label: &str) -> bool {
    x + 10.0 + width_of(label) > WIDTH
}

/// The row of each entry so that no label covers another or a mark of its row.
fn stack(entries: &[Entry], x_at: impl Fn(f64) -> f64) -> Vec<usize> {
    let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
    entries
        .iter()
        .map(|entry| {
            if entry.label.is_empty() {
                return 0;
            }
            let x = x_at(entry.t);
            let reach = 12.0 + width_of(&entry.label);
            let (from, to) = if label_goes_before(x, &entry.label) { (x - reach, x + 7.0) } else { (x - 7.0, x + reach) };
            let free = |spans: &Vec<(f64, f64)>| spans.iter().all(|(a, b)| to <= *a || from >= *b);
            let row = taken.iter().position(free).unwrap_or(taken.len());
            if row == taken.len() {
                taken.push(Vec::new());
            }
            taken[row].push((from, to));
            row
        })
        .collect()
}

/// 1, 2 or 5 times a power of ten, so that at most about `count` of it make `whole`.
fn nice_step(whole: f64, count: f64) -> f64 {
    let raw = whole / count;
    let magnitude = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * magnitude).find(|step| *step >= raw).unwrap_or(raw)
}

/// A coordinate with one decimal.
fn at(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_cover_each_other_take_rows_of_their_own() {
        let entry = |t, label: &str| Entry { t, mark: Mark::Step, label: label.to_owned() };
        let rows = stack(&[entry(0.0, "grasp"), entry(1.0, "cut"), entry(45.0, "lift-out")], |t| LEFT + t);
        assert_eq!(rows, [0, 1, 1]);
        let rows = stack(&[entry(0.0, "grasp"), entry(400.0, "cut")], |t| LEFT + t);
        assert_eq!(rows, [0, 0]);
    }

    #[test]
    fn steps_of_the_axis_are_round() {
        assert_eq!([3.0, 47.0, 300.0].map(|whole| short(nice_step(whole, 8.0))), ["0.5", "10", "50"]);
    }
}
