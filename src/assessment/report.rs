//! `report.html`: the assessment for people, one page that needs nothing else.

use glam::DVec3;
use maud::{Markup, html};

use super::{
    attempt_id,
    plots::{self, HAND_COLOURS, Limit, Series, VIEWS},
    record::{DISCLAIMER, SCORED_BY, case_sha256, late_ticks},
    timeline::timeline,
};
use crate::{
    clock::secs_at,
    instrument::{Side, ToolKind},
    page::page,
    patient::physiology::Monitor,
    scoring::{Better, DEFINITIONS, Definition, ItemScore, Rubric, Score, motion_of},
    session::{Event, Trace},
};

/// The whole page. `pictures` are captions with `data:` addresses.
///
/// # Errors
/// What the drawing library has to say when a plot fails.
pub fn html(trace: &Trace, score: &Score, rubric: &Rubric, pictures: &[(String, String)]) -> Result<String, String> {
    let case = score.case.replace('_', " ");
    let body = html! {
        (masthead(&case, trace, score, rubric))
        main {
            (score_section(score, rubric))
            (course_section(trace, score))
            (plot_section(trace)?)
            (patient_section(trace)?)
            (way_section(trace)?)
            (picture_section(pictures))
            (metric_section(score))
            (origin_section(trace, score, rubric))
        }
        footer { p { (DISCLAIMER) } }
    };
    Ok(page(&format!("Assessment: {case}, attempt {}", attempt_id(trace)), "", &body))
}

fn masthead(case: &str, trace: &Trace, score: &Score, rubric: &Rubric) -> Markup {
    let (word, class) = if score.passed { ("Passed", "passed") } else { ("Not passed", "failed") };
    html! {
        header {
            p.maker { "Halsted · assessment of one attempt" }
            h1 { (capitalised(case)) }
            div.verdict.(class) {
                p.word { (word) }
                p.because { (because(score, rubric)) }
            }
            dl.key {
                (figure("Score", &format!("{} of {}", points(score.score.raw), points(score.score.max)), &format!("{}, pass mark {}", percent(score.score.scaled), percent(rubric.pass_mark))))
                (figure("Time", &of_metric(score, "time"), if score.completed { "case completed" } else { "not completed" }))
                (figure("Peak force", &of_metric(score, "force_peak"), &format!("limit {} N", trace.header.force_limit_n)))
                (figure("Critical errors", &score.errors.iter().filter(|e| e.critical).count().to_string(), &format!("{} errors in all", score.errors.len())))
                @if let Some(points) = score.mistels {
                    (figure("By the MISTELS rule", &format!("{points:.0}"), "time left less penalty; not counted"))
                }
            }
            dl.facts {
                dt { "Attempt" } dd { code { (attempt_id(trace)) } }
                dt { "Operated by" } dd { (source(&trace.header.source)) }
                dt { "Tools" } dd { (tools(trace)) }
                dt { "Seed" } dd { (score.seed) }
                dt { "Rubric" } dd { (rubric.name) }
                dt { "Recording" } dd { (recording(trace)) }
            }
            @if !rubric.note.is_empty() { p.note { (rubric.note) } }
        }
    }
}

/// The verdict in a sentence.
fn because(score: &Score, rubric: &Rubric) -> String {
    let mut reasons = Vec::new();
    if !score.completed {
        let done = score.steps.iter().filter(|s| s.done).count();
        reasons.push(format!("the case was not completed ({done} of {} steps)", score.steps.len()));
    }
    let mut critical: Vec<String> = Vec::new();
    for error in score.errors.iter().filter(|e| e.critical) {
        let text = format!("{} at {:.1} s", error.id, error.t_s);
        if critical.len() < 3 {
            critical.push(text);
        }
    }
    if !critical.is_empty() {
        let all = score.errors.iter().filter(|e| e.critical).count();
        let rest = if all > critical.len() { format!(" and {} more", all - critical.len()) } else { String::new() };
        reasons.push(format!("critical: {}{rest}", critical.join(", ")));
    }
    if score.score.scaled < rubric.pass_mark {
        reasons.push(format!(
            "{} of the points, below the pass mark of {}",
            percent(score.score.scaled),
            percent(rubric.pass_mark)
        ));
    }
    if reasons.is_empty() {
        return format!(
            "Case completed without a critical error, with {} of the points; the pass mark is {}.",
            percent(score.score.scaled),
            percent(rubric.pass_mark)
        );
    }
    format!("{}.", capitalised(&reasons.join("; ")))
}

fn figure(name: &str, value: &str, remark: &str) -> Markup {
    html! { div { dt { (name) } dd { span.big { (value) } span.small { (remark) } } } }
}

fn score_section(score: &Score, rubric: &Rubric) -> Markup {
    html! {
        section {
            h2 { "Score" }
            p { "Full points at or beyond “best”, none at or beyond “worst”, in proportion between." }
            table.score {
                thead { tr {
                    th { "What is measured" } th.n { "Value" } th.n { "Best" } th.n { "Worst" } th.n { "Points" } th.bar { span.hidden { "Share" } }
                } }
                tbody { @for item in &score.items { (score_row(item)) } }
                tfoot { tr {
                    th { "Sum" } td {} td {} td {}
                    td.n { (points(score.score.raw)) " / " (points(score.score.max)) }
                    td.bar { (bar(score.score.scaled)) }
                } }
            }
            @if !rubric.critical_errors.is_empty() {
                p.note { "Whatever the points, the attempt fails on: " (rubric.critical_errors.join(", ")) "." }
            }
        }
    }
}

fn score_row(item: &ItemScore) -> Markup {
    html! { tr {
        td {
            (item.title)
            @if !item.why.is_empty() { span.why { (item.why) } }
            @if let Some(reason) = &item.reason { span.why.reason { (capitalised(reason)) "." } }
        }
        td.n { @match item.value { Some(v) => (with_unit(v, item.unit)), None => "none" } }
        td.n { (plain(item.best)) }
        td.n { (plain(item.worst)) }
        td.n { (points(item.points)) " / " (points(item.max)) }
        td.bar { (bar(if item.max > 0.0 { item.points / item.max } else { 0.0 })) }
    } }
}

/// A share as a bar; the number beside it says the same.
fn bar(share: f64) -> Markup {
    let width = format!("{:.1}", 60.0 * share.clamp(0.0, 1.0));
    html! {
        svg width="62" height="10" viewBox="0 0 62 10" aria-hidden="true" {
            rect x="0.5" y="0.5" width="61" height="9" fill="#fff" stroke="#999" {}
            rect x="1" y="1" width=(width) height="8" fill="#4a5a6a" {}
        }
    }
}

fn course_section(trace: &Trace, score: &Score) -> Markup {
    html! {
        section {
            h2 { "Course" }
            figure { (timeline(trace, score)) figcaption { "Steps, errors and events over time. A filled triangle is a critical error." } }
            div.columns {
                div {
                    h3 { "Steps" }
                    @if score.steps.is_empty() { p { "The case lists none." } }
                    @else { table {
                        thead { tr { th { "Step" } th.n { "Done at" } } }
                        tbody { @for step in &score.steps { tr {
                            td { (step.id) }
                            td.n { @match step.t_s { Some(t) => { (format!("{t:.1} s")) }, None => "not done" } }
                        } } }
                    } }
                }
                div {
                    h3 { "Errors" }
                    @if score.errors.is_empty() { p { "None." } }
                    @else { table {
                        thead { tr { th { "Error" } th { "Weight" } th.n { "At" } } }
                        tbody { @for error in &score.errors { tr {
                            td { (error.id) }
                            td { @if error.critical { strong { "critical" } } @else { "error" } }
                            td.n { (format!("{:.1} s", error.t_s)) }
                        } } }
                    } }
                }
            }
            @for (_, event) in trace.events() {
                @if let Event::Stopped { why } = event { p { "The session ended before its end: " (why) "." } }
            }
        }
    }
}

fn plot_section(trace: &Trace) -> Result<Markup, String> {
    let end = trace.duration_secs();
    let hands: Vec<Side> = Side::BOTH.into_iter().filter(|side| holds_tool(trace, *side)).collect();
    if hands.is_empty() || trace.ticks.len() < 2 {
        return Ok(html! { section { h2 { "Force and speed" } p { "The recording holds no tool." } } });
    }
    let label = |side: Side| {
        let tool = trace.header.tools[side.index()].map_or(String::new(), |kind| format!(" ({})", kind.name()));
        format!("{} hand{tool}", capitalised(side.name()))
    };
    let force: Vec<Series> = hands
        .iter()
        .map(|&side| Series {
            label: label(side),
            colour: HAND_COLOURS[side.index()],
            points: trace
                .ticks
                .iter()
                .enumerate()
                .filter_map(|(i, tick)| Some((secs_at(i as u64 + 1), f64::from(tick.tools[side.index()]?.force_n.length()))))
                .collect(),
        })
        .collect();
    let speed: Vec<Series> = hands
        .iter()
        .filter_map(|&side| {
            let motion = motion_of(trace, side).ok()?;
            let points = motion.t.iter().zip(&motion.speed).map(|(t, v)| (*t, v * 1e3)).collect();
            Some(Series { label: label(side), colour: HAND_COLOURS[side.index()], points })
        })
        .collect();
    let limit = f64::from(trace.header.force_limit_n);
    let limit = Limit { value: limit, label: format!("limit {limit:.1} N") };
    Ok(html! {
        section {
            h2 { "Force and speed" }
            figure {
                (plots::over_time(&force, "N", end, Some(&limit), &in_words("Force over time", &force, "N"))?)
                figcaption { "Force of each tool on what it touches and holds, as recorded." }
            }
            @if !speed.is_empty() { figure {
                (plots::over_time(&speed, "mm/s", end, None, &in_words("Speed over time", &speed, "mm/s"))?)
                figcaption { "Speed of each tip, after the 10 Hz low-pass that the metrics use." }
            } }
        }
    })
}

/// The patient's monitor over time, where the case has one.
fn patient_section(trace: &Trace) -> Result<Markup, String> {
    let shown: Vec<(f64, &Monitor)> = trace
        .events()
        .filter_map(|(tick, event)| if let Event::VitalSigns(monitor) = event { Some((secs_at(tick), monitor)) } else { None })
        .collect();
    let (Some((_, first)), Some((_, last))) = (shown.first(), shown.last()) else { return Ok(html! {}) };
    const SIGNS: [(&str, &str, fn(&Monitor) -> f64); 6] = [
        ("Heart rate", "1/min", |m| m.heart_rate_per_min),
        ("Systolic pressure", "mmHg", |m| m.systolic_mmhg),
        ("Mean arterial pressure", "mmHg", |m| m.mean_arterial_mmhg),
        ("Oxygen saturation", "%", |m| m.oxygen_saturation_percent),
        ("End-tidal CO₂", "mmHg", |m| m.end_tidal_co2_mmhg),
        ("Blood lost", "ml", |m| m.blood_lost_ml),
    ];
    let mut plots = Vec::new();
    for (name, unit, of) in [SIGNS[0], SIGNS[2]] {
        let points = shown.iter().map(|(t, monitor)| (*t, of(monitor))).collect();
        let series = [Series { label: name.to_owned(), colour: HAND_COLOURS[0], points }];
        plots.push(plots::over_time(&series, unit, trace.duration_secs(), None, &in_words(name, &series, unit))?);
    }
    Ok(html! {
        section {
            h2 { "The patient" }
            table {
                thead { tr { th { "Sign" } th.n { "First" } th.n { "Lowest" } th.n { "Highest" } th.n { "Last" } th { "Unit" } } }
                tbody { @for (name, unit, of) in SIGNS {
                    @let values = shown.iter().map(|(_, monitor)| of(monitor));
                    tr {
                        td { (name) }
                        td.n { (format!("{:.0}", of(first))) }
                        td.n { (format!("{:.0}", values.clone().fold(f64::INFINITY, f64::min))) }
                        td.n { (format!("{:.0}", values.fold(f64::NEG_INFINITY, f64::max))) }
                        td.n { (format!("{:.0}", of(last))) }
                        td { (unit) }
                    }
                } }
            }
            @for plot in plots { figure { (plot) } }
            p.note { "A lumped model of a body, not a person: its validity is stated with the case's documentation." }
        }
    })
}

/// A plot for those who cannot see it.
fn in_words(title: &str, series: &[Series], unit: &str) -> String {
    let peaks: Vec<String> = series
        .iter()
        .filter_map(|s| {
            let (t, v) = s.points.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
            Some(format!("{}: largest {v:.2} {unit} at {t:.1} s", s.label))
        })
        .collect();
    format!("{title}. {}.", peaks.join("; "))
}

fn way_section(trace: &Trace) -> Result<Markup, String> {
    let ways: [Vec<DVec3>; 2] = Side::BOTH.map(|side| motion_of(trace, side).map_or_else(|_| Vec::new(), |m| m.p));
    let trocars = trace.header.trocars.map(|t| t.map(|p| p.as_dvec3()));
    if ways.iter().all(Vec::is_empty) {
        return Ok(html! {});
    }
    let lengths: Vec<String> = Side::BOTH
        .iter()
        .zip(&ways)
        .filter(|(_, way)| !way.is_empty())
        .map(|(side, way)| {
            let metres: f64 = way.windows(2).map(|w| (w[1] - w[0]).length()).sum();
            format!("{} hand {:.0} mm", side.name(), metres * 1e3)
        })
        .collect();
    let alternative = |title: &str| format!("{title}: paths of the tool tips, {}.", lengths.join(", "));
    let views = VIEWS
        .iter()
        .filter(|view| !view.with_trocars || trocars.iter().any(Option::is_some))
        .map(|view| plots::way(view, &ways, &trocars, &alternative(view.title)))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(html! {
        section.ways {
            h2 { "Paths of the tools" }
            figure {
                div.grid { @for view in views { (view) } }
                figcaption {
                    span.hand.left { "left hand" } " and " span.hand.right { "right hand" }
                    "; a dot marks where each tip began, a cross where it ended. A ring is a trocar, a broken line the shaft at the end."
                }
            }
        }
    })
}

fn picture_section(pictures: &[(String, String)]) -> Markup {
    html! {
        @if !pictures.is_empty() {
            section {
                h2 { "Pictures" }
                div.pictures {
                    @for (caption, address) in pictures {
                        figure { img src=(address) alt=(caption); figcaption { (caption) } }
                    }
                }
            }
        }
    }
}

fn metric_section(score: &Score) -> Markup {
    html! {
        section.metrics {
            h2 { "All metrics" }
            table {
                thead { tr { th { "Metric" } th.n { "Left hand" } th.n { "Right hand" } th.n { "Trial" } th { "Unit" } th { "Better" } } }
                tbody { @for definition in &DEFINITIONS { (metric_row(definition, score)) } }
            }
            p.note {
                "Tip positions were resampled from 90 to 100 Hz by linear interpolation and low-passed by a second-order Butterworth filter at "
                "10 Hz, forward and backward; forces are the recorded ticks; counts come from the events. Smoothness was validated for "
                "single movements: read the median over movements before the whole trial. The id, the filter and, where a value is missing, "
                "the reason of each are in metrics.csv and assessment.json."
            }
        }
    }
}

/// One metric with its values for the hands and the trial; an empty cell where it has no such value, a dash where that is undefined.
fn metric_row(definition: &Definition, score: &Score) -> Markup {
    let get = |side: Option<Side>| {
        let id = side.map_or_else(|| definition.id.to_owned(), |side| format!("{}_{}", definition.id, side.name()));
        score.metrics.get(&id)
    };
    let all = [get(Some(Side::Left)), get(Some(Side::Right)), get(None)];
    let mut reasons: Vec<&str> = all.iter().flatten().filter(|m| m.value.is_none()).filter_map(|m| m.reason.as_deref()).collect();
    reasons.dedup();
    let unit = match definition.unit {
        "1" | "count" => "",
        "mm2" => "mm²",
        "mm3" => "mm³",
        unit => unit,
    };
    html! { tr {
        td {
            (definition.title)
            @if !reasons.is_empty() { span.why.reason { "– " (reasons.join("; ")) } }
        }
        @for metric in all {
            td.n { @if let Some(metric) = metric { (metric.value.map_or_else(|| "–".to_owned(), |v| number(v, metric.unit))) } }
        }
        td { (unit) }
        td { (better(definition.better)) }
    } }
}

fn better(better: Better) -> &'static str {
    match better {
        Better::Low => "lower",
        Better::High => "higher",
        Better::NearZero => "nearer 0",
        Better::Context => "",
    }
}

fn origin_section(trace: &Trace, score: &Score, rubric: &Rubric) -> Markup {
    // the folder may be moved; the name stays
    let path = std::path::Path::new(score.trace.as_deref().unwrap_or("FILE.halsted"));
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    html! {
        section.origin {
            h2 { "Where this comes from" }
            p {
                "The score follows from the trace and the rubric alone. To compute it again: " code { "halsted score " (file) } "; to run the "
                "session again and compare its digest: " code { "halsted replay " (file) " --verify" } "."
            }
            dl.facts.wide {
                dt { "Digest of the session" } dd { code { (score.digest) } }
                dt { "Case, sha256" } dd { code { (case_sha256(trace)) } }
                dt { "Rubric, sha256" } dd { code { (rubric.sha256) } }
                dt { "Patient, sha256" } dd { @match &trace.header.twin_sha256 { Some(hash) => code { (hash) }, None => "the case has no patient" } }
                dt { "Recorded by" } dd { (trace.header.software) }
                dt { "Scored by" } dd { (SCORED_BY) }
                dt { "Arithmetic" } dd { (trace.header.arithmetic) }
            }
        }
    }
}

fn holds_tool(trace: &Trace, side: Side) -> bool {
    trace.ticks.iter().any(|tick| tick.tools[side.index()].is_some())
}

fn tools(trace: &Trace) -> String {
    let held = Side::BOTH.map(|side| (side, trace.header.tools[side.index()].map(ToolKind::name)));
    let named: Vec<String> = held.into_iter().filter_map(|(side, tool)| Some(format!("{} {}", side.name(), tool?))).collect();
    if named.is_empty() { "none".to_owned() } else { named.join(", ") }
}

fn source(source: &str) -> String {
    match source.split_once(':') {
        Some(("bot", name)) => format!("the built-in bot “{name}”"),
        _ => match source {
            "motion" => "a motion file".to_owned(),
            "mouse" => "a person, at the desk".to_owned(),
            "openxr" => "a person, with a headset".to_owned(),
            other => other.to_owned(),
        },
    }
}

fn recording(trace: &Trace) -> String {
    let late = late_ticks(trace);
    let mut text = format!("{} ticks at {} Hz", trace.ticks.len(), trace.header.tick_hz);
    if late > 0 {
        text.push_str(&format!(", {late} of them late"));
    }
    if trace.digest.is_none() {
        text.push_str("; broken off, read to its last whole tick");
    }
    text
}

fn of_metric(score: &Score, id: &str) -> String {
    score.metrics.get(id).and_then(|m| Some(with_unit(m.value?, m.unit))).unwrap_or_else(|| "none".to_owned())
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A threshold as its author wrote it.
fn plain(value: f64) -> String {
    value.to_string().replace('-', "−")
}

/// A share in per cent.
fn percent(share: f64) -> String {
    format!("{} %", points(100.0 * share))
}

/// Points with one decimal, never rounded up: just below the pass mark must not read as the pass mark.
fn points(value: f64) -> String {
    // 7.5 that rounding made 7.4999999999 is meant to be 7.5
    let text = format!("{:.1}", (10.0 * value + 1e-6).floor() / 10.0);
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// A value with its unit.
fn with_unit(value: f64, unit: &str) -> String {
    let number = number(value, unit);
    match unit {
        "1" | "count" => number,
        "mm2" => format!("{number} mm²"),
        "mm3" => format!("{number} mm³"),
        unit => format!("{number} {unit}"),
    }
}

/// A value with the digits that mean something in its unit.
fn number(value: f64, unit: &str) -> String {
    let digits = match unit {
        "count" | "mm3" => 0,
        "s" | "mm" | "mm2" | "mm/s" => 1,
        _ => 2,
    };
    let text = if value.abs() >= 1e6 { format!("{value:.2e}") } else { format!("{value:.digits$}") };
    let nothing = text.trim_start_matches('-').chars().all(|c| "0.".contains(c));
    if nothing { text.trim_start_matches('-').to_owned() } else { text.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!(with_unit(-1.234, "1"), "−1.23");
        assert_eq!(with_unit(-0.0, "mm"), "0.0 mm");
        assert_eq!(with_unit(3.0, "count"), "3");
        assert_eq!(with_unit(-3.21e9, "1"), "−3.21e9");
        assert_eq!((percent(0.7), percent(0.69999), percent(1.0)), ("70 %".to_owned(), "69.9 %".to_owned(), "100 %".to_owned()));
        assert_eq!((points(15.0), points(7.25)), ("15".to_owned(), "7.2".to_owned()));
    }
}
