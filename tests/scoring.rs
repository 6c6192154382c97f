//! Trace → metrics → rubric → score → assessment, on sessions made up here.

use std::{
    f64::consts::TAU,
    path::{Path, PathBuf},
};

use glam::{Quat, Vec3};
use halsted::{
    assessment::{AssessmentError, FILES, write_assessment},
    geom::Pose,
    instrument::{InputFrame, Side, ToolKind, pose_through},
    scoring::{Metrics, Rubric, Score, metrics_of_csv, metrics_of_trace, parse, rubric_of, score},
    session::{Event, Header, TickRecord, ToolSample, Trace},
};
use proptest::prelude::*;

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(in_repository(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

fn rubric(name: &str) -> Rubric {
    let path = format!("scenarios/rubrics/{name}.ron");
    parse(&read(&path), &path).unwrap_or_else(|fault| panic!("{fault}"))
}

fn steps() -> Vec<String> {
    ["expose", "grasp", "cut", "lift-out"].map(str::to_owned).to_vec()
}

/// How somebody operates.
#[derive(Clone, Copy)]
struct Manner {
    /// Time of one reach, s.
    reach_secs: f64,
    tremor_m: f64,
    /// How far a way bends aside, m.
    detour_m: f64,
    pull_n: f32,
    margin_m: f32,
    drops: usize,
    /// Whether the remnant is over-stressed (a critical error of the case).
    overstress: bool,
    completes: bool,
}

const EXPERT: Manner = Manner {
    reach_secs: 1.1,
    tremor_m: 0.00005,
    detour_m: 0.002,
    pull_n: 1.4,
    margin_m: 0.009,
    drops: 0,
    overstress: false,
    completes: true,
};

const NOVICE: Manner = Manner {
    reach_secs: 2.6,
    tremor_m: 0.0012,
    detour_m: 0.03,
    pull_n: 5.5,
    margin_m: 0.004,
    drops: 1,
    overstress: false,
    completes: true,
};

const PIVOTS: [Vec3; 2] = [Vec3::new(-0.09, 0.22, 0.10), Vec3::new(0.09, 0.22, 0.10)];

/// A wedge excision, made up: the left hand grasps and lifts, the right hand cuts an arc in twelve bites.
fn wedge(manner: Manner) -> Trace {
    let minimum_jerk = |u: f64| 10.0 * u.powi(3) - 15.0 * u.powi(4) + 6.0 * u.powi(5);
    let home = [Vec3::new(-0.03, 0.09, 0.03), Vec3::new(0.03, 0.09, 0.03)];
    // what each reach does: the hand, where to, and the events at its end
    let mut reaches: Vec<(Side, Vec3, Vec<Event>)> = Vec::new();
    let done = |id: &str| Event::StepDone { id: id.to_owned() };
    let liver = || "liver".to_owned();
    reaches.push((Side::Left, Vec3::new(-0.025, 0.05, 0.0), vec![done("expose")]));
    reaches.push((
        Side::Left,
        Vec3::new(-0.008, 0.035, -0.005),
        vec![Event::Grasped { side: Side::Left, what: liver() }, done("grasp")],
    ));
    for bite in 0..12 {
        let angle = -1.2 + 2.4 * bite as f32 / 11.0;
        let place = Vec3::new(0.02 * angle.sin() - 0.008, 0.035, 0.02 * angle.cos());
        let cut = Event::Cut {
            side: Side::Right,
            area_m2: 1.5e-5,
            margin_m: Some(manner.margin_m + 0.002 * (bite as f32 * 0.9).sin().abs()),
            place,
        };
        reaches.push((Side::Right, place, vec![cut]));
    }
    if manner.overstress {
        let place = Vec3::new(0.0, 0.03, 0.0);
        let over = Event::Overstressed { what: liver(), stress_pa: 52e3, limit_pa: 40e3, place };
        reaches.push((
            Side::Left,
            Vec3::new(-0.03, 0.06, 0.0),
            vec![over, Event::ErrorMade { id: "remnant-overstress".to_owned(), critical: true, place: Some(place) }],
        ));
    }
    for _ in 0..manner.drops {
        let place = Vec3::new(-0.02, 0.03, 0.01);
        reaches.push((
            Side::Left,
            Vec3::new(-0.02, 0.06, 0.01),
            vec![
                Event::Slipped { side: Side::Left, what: "specimen".to_owned(), force_n: manner.pull_n },
                Event::Dropped { what: "specimen".to_owned(), lost: false, place },
                Event::ErrorMade { id: "dropped-tissue".to_owned(), critical: false, place: Some(place) },
            ],
        ));
        reaches.push((Side::Left, place, vec![Event::Grasped { side: Side::Left, what: "specimen".to_owned() }]));
    }
    if manner.completes {
        reaches.push((Side::Left, Vec3::new(-0.03, 0.10, 0.02), vec![done("cut"), done("lift-out"), Event::Completed]));
    }

    let mut tips = home;
    let mut holding = false;
    let mut ticks: Vec<TickRecord> = Vec::new();
    for (side, target, events) in reaches {
        let from = tips[side.index()];
        let moving = (manner.reach_secs * 90.0) as usize;
        let resting = 27;
        for i in 1..=moving + resting {
            let s = minimum_jerk((i as f64 / moving as f64).min(1.0)) as f32;
            let bend = (std::f64::consts::PI * f64::from(s)).sin() * manner.detour_m;
            tips[side.index()] = from.lerp(target, s) + Vec3::new(0.0, bend as f32, 0.0);
            let t = ticks.len() as f64 / 90.0;
            let shake = |phase: f64| (manner.tremor_m * (TAU * 7.0 * t + phase).sin()) as f32;
            let tools = Side::BOTH.map(|hand| {
                let phase = hand.index() as f64;
                let tip = tips[hand.index()] + Vec3::new(shake(phase), shake(phase + 2.0), shake(phase + 4.0));
                let pull =
                    if holding && hand == Side::Left { manner.pull_n * (0.7 + 0.3 * (TAU * 0.21 * t).sin() as f32) } else { 0.0 };
                Some(ToolSample {
                    pose: pose_through(PIVOTS[hand.index()], tip, Vec3::Y),
                    jaw_rad: if holding && hand == Side::Left { 0.1 } else { 0.6 },
                    force_n: Vec3::new(0.0, -pull, 0.0),
                    holding: holding && hand == Side::Left,
                })
            });
            let mut tick = TickRecord {
                input: InputFrame::default(),
                tools,
                events: Vec::new(),
                digest: [ticks.len() as u8; 8],
                late: false,
            };
            if i == moving + resting {
                for event in &events {
                    match event {
                        Event::Grasped { .. } => holding = true,
                        Event::Slipped { .. } => holding = false,
                        _ => {}
                    }
                }
                tick.events = events.clone();
            }
            ticks.push(tick);
        }
    }
    if !manner.completes
        && let Some(last) = ticks.last_mut()
    {
        last.events.push(Event::Stopped { why: "the operator left".to_owned() });
    }
    Trace {
        header: Header {
            software: "halsted 0.1.0".to_owned(),
            case: "wedge_excision".to_owned(),
            scenario_ron: "(version: 1)".to_owned(),
            rubric_ron: read("scenarios/rubrics/wedge_excision.ron"),
            twin_sha256: Some("0f".repeat(32)),
            seed: 7,
            source: "bot:expert".to_owned(),
            tick_hz: 90,
            tools: [Some(ToolKind::Grasper), Some(ToolKind::Scissors)],
            trocars: PIVOTS.map(Some),
            force_limit_n: 4.0,
            arithmetic: "scalar".to_owned(),
        },
        ticks,
        digest: Some([0xa5; 32]),
    }
}

fn judged(manner: Manner) -> Score {
    score(&wedge(manner), &rubric("wedge_excision"), &steps(), Some("wedge.halsted"))
}

fn near(metrics: &Metrics, id: &str, expected: f64, tolerance: f64) {
    let value = metrics.value(id).unwrap_or_else(|| panic!("{id}: {:?}", metrics.get(id)));
    assert!((value - expected).abs() < tolerance, "{id}: {value}, expected {expected}");
}

#[test]
fn a_kinematics_file_of_a_helix_gives_its_analytic_values() {
    let m = metrics_of_csv(&read("tests/data/metrics/helix.csv"), false).unwrap();
    near(&m, "time", 6.0, 1e-12);
    near(&m, "path_length", 378.167442635, 1e-9); // printed to 12 decimals of a metre
    near(&m, "volume", 4.8e4, 1e-6);
    near(&m, "volume_ellipsoid", 5.615058920822e4, 1e-7);
    near(&m, "eov", 0.096101377, 1e-9);
    near(&m, "eoa", 0.105773251, 1e-9);
    near(&m, "ldlj", -11.736140899, 1e-9);
    near(&m, "economy", 30.0 / 378.167442635, 1e-9);
    near(&m, "n_movements", 1.0, 0.0f64.next_up());
}

#[test]
fn a_kinematics_file_of_a_straight_reach_gives_its_printed_values() {
    let m = metrics_of_csv(&read("tests/data/metrics/reach.csv"), false).unwrap();
    near(&m, "path_length", 70.0, 1e-9);
    near(&m, "economy", 1.0, 1e-9);
    near(&m, "sparc", -1.405845852, 1e-9);
    near(&m, "ldlj", -5.223135642, 1e-9);
    near(&m, "ldlj_speed", -5.223135642, 1e-9);
    near(&m, "njerk", 18.053439483, 1e-9);
    assert_eq!(m.get("depth_path").and_then(|d| d.value), None);
}

#[test]
fn a_kinematics_file_with_orientations_gives_the_angle_turned() {
    let m = metrics_of_csv(&read("tests/data/metrics/turn.csv"), false).unwrap();
    near(&m, "angular_path", 180f64.to_radians(), 1e-9); // 100 turns of 1.8°
}

#[test]
fn irregular_samples_are_said_to_be_irregular() {
    let text: String = "t_s,x_m,y_m,z_m\n".to_owned()
        + &(0..200)
            .map(|i| format!("{},{},0,0\n", f64::from(i) * 0.01 + f64::from(i % 3) * 0.002, f64::from(i * i) * 1e-6))
            .collect::<String>();
    let m = metrics_of_csv(&text, false).unwrap();
    let sparc = m.get("sparc").unwrap();
    assert!(sparc.value.is_some() && sparc.reason.as_deref().is_some_and(|r| r.contains("median rate")), "{sparc:?}");
    assert_eq!(m.get("path_length").unwrap().reason, None);
}

#[test]
fn the_expert_passes_and_the_novice_does_not_for_the_reasons_that_were_put_in() {
    let (expert, novice) = (judged(EXPERT), judged(NOVICE));
    println!("expert {:.3}, novice {:.3}", expert.score.scaled, novice.score.scaled);
    for (a, b) in expert.items.iter().zip(&novice.items) {
        println!(
            "{:28} {:8.2?} {:5.1}   {:8.2?} {:5.1} / {}",
            a.metric,
            a.value.unwrap_or(f64::NAN),
            a.points,
            b.value.unwrap_or(f64::NAN),
            b.points,
            a.max
        );
    }
    assert!(expert.completed && expert.passed && expert.score.scaled > 0.85, "{:?}", expert.score);
    assert!(novice.completed && !novice.passed && novice.score.scaled < 0.5, "{:?}", novice.score);
    let lost = |id: &str| {
        let points = |s: &Score| s.items.iter().find(|i| i.metric == id).map(|i| i.points).unwrap();
        points(&expert) - points(&novice)
    };
    for id in ["margin", "force_peak", "slips", "economy_left", "ldlj_per_movement_right", "sparc_per_movement_left"] {
        assert!(lost(id) > 0.0, "{id}");
    }
}

#[test]
fn a_critical_error_fails_the_best_of_attempts() {
    let s = judged(Manner { overstress: true, ..EXPERT });
    assert!(s.completed && !s.passed && s.score.scaled >= 0.7, "{:?}", s.score);
    assert!(s.errors.iter().any(|e| e.critical && e.id == "remnant-overstress"));
}

#[test]
fn an_error_that_only_the_rubric_calls_critical_fails_too() {
    let mut strict = rubric("wedge_excision");
    strict.critical_errors.push("dropped-tissue".to_owned());
    let trace = wedge(Manner { drops: 1, ..EXPERT });
    assert!(score(&trace, &rubric("wedge_excision"), &steps(), None).passed);
    assert!(!score(&trace, &strict, &steps(), None).passed);
}

#[test]
fn leaving_early_is_no_way_to_a_good_score() {
    let (whole, left) = (judged(EXPERT), judged(Manner { completes: false, ..EXPERT }));
    assert!(!left.completed && !left.passed);
    // two of four steps: no more than half
    assert!(left.score.scaled <= 0.5 && left.score.scaled < whole.score.scaled, "{:?}", left.score);
    assert!(
        left.items.iter().filter(|i| i.value.is_some()).all(|i| i.reason.as_deref().is_some_and(|r| r.contains("2 of 4 steps")))
    );
    assert_eq!(left.steps.iter().map(|s| s.done).collect::<Vec<_>>(), [true, true, false, false]);
}

#[test]
fn a_metric_without_a_value_earns_nothing_and_says_why() {
    let mut trace = wedge(EXPERT);
    for tick in &mut trace.ticks {
        tick.tools[1] = None;
        tick.events.retain(|e| !matches!(e, Event::Cut { .. }));
    }
    let s = score(&trace, &rubric("wedge_excision"), &steps(), None);
    let item = |id: &str| s.items.iter().find(|i| i.metric == id).unwrap();
    assert_eq!((item("margin").points, item("margin").reason.as_deref()), (0.0, Some("nothing was cut")));
    assert_eq!((item("economy_right").points, item("economy_right").reason.as_deref()), (0.0, Some("no tool in the right hand")));
    assert_eq!(s.metrics.value("bimanual_r"), None);
}

#[test]
fn a_trace_gives_the_metrics_that_were_put_into_it() {
    let m = metrics_of_trace(&wedge(Manner { tremor_m: 0.0, detour_m: 0.0, drops: 2, overstress: true, ..EXPERT }));
    near(&m, "drops", 2.0, 1e-12);
    near(&m, "n_cuts", 12.0, 1e-12);
    near(&m, "cut_area", 180.0, 1e-4); // 12 · 15 mm² in f32
    near(&m, "margin", 9.0, 1e-5);
    near(&m, "overstress_events", 1.0, 1e-12);
    near(&m, "force_peak", 1.4, 1e-3); // the slow sine is sampled within 1e-3 of its crest
    near(&m, "overstress_time", 0.0, 1e-12);
    // straight ways between sub-goals, but for the reach that ends in no event of the hand and the rounding that the low-pass gives
    let economy = m.value("economy_right").unwrap();
    assert!(economy > 0.99 && economy <= 1.0 + 1e-12, "{economy}");
    // two to grasp, one that over-stresses, two for each drop, one to lift out, all of them apart
    near(&m, "n_movements_left", 8.0, 1e-12);
    // the way to the first bite; from bite to bite it is 4.4 mm in 1.1 s, which stays below 10 mm/s
    near(&m, "n_movements_right", 1.0, 1e-12);
}

#[test]
fn tremor_is_seen_in_the_jerk_and_not_in_the_margin() {
    let (calm, shaky) = (metrics_of_trace(&wedge(EXPERT)), metrics_of_trace(&wedge(Manner { tremor_m: 0.001, ..EXPERT })));
    assert!(shaky.value("ldlj_right").unwrap() < calm.value("ldlj_right").unwrap() - 1.0);
    assert!(shaky.value("path_length_right").unwrap() > 1.5 * calm.value("path_length_right").unwrap());
    assert_eq!(shaky.value("margin"), calm.value("margin"));
}

#[test]
fn the_same_trace_scores_the_same_bits() {
    let json = || serde_json::to_string(&judged(NOVICE)).unwrap();
    assert_eq!(json(), json());
}

#[test]
fn the_score_has_the_shape_that_other_programs_rely_on() {
    let value = serde_json::to_value(judged(NOVICE)).unwrap();
    let mut keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["case", "completed", "digest", "errors", "metrics", "passed", "score", "seed", "steps", "ticks", "trace"]);
    assert!(value["score"]["raw"].is_f64() && value["score"]["max"].is_f64() && value["score"]["scaled"].is_f64());
    assert_eq!(value["steps"][0]["id"], "expose");
    assert!(value["steps"][0]["t_s"].is_f64() && value["errors"][0]["critical"].is_boolean());
    assert_eq!(value["metrics"]["time"]["unit"], "s");
    assert!(value["metrics"]["sparc_left"]["value"].is_f64());
}

proptest! {
    // each case measures two whole sessions
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// What a tip does is the same wherever it does it and from whichever side it is seen. Tolerances: positions are f32 metres
    /// (6e-8 of 0.3 m) in a path of about a metre; jerk multiplies that by the fourth power of the number of samples, so LDLJ, a
    /// logarithm, keeps fewer digits.
    #[test]
    fn motion_does_not_depend_on_place_or_direction(x in -0.2f32..0.2, y in -0.2f32..0.2, yaw in -3.0f32..3.0, roll in -3.0f32..3.0) {
        let here = wedge(EXPERT);
        let mut there = here.clone();
        let move_by = Pose::new(Vec3::new(x, y, 0.1), Quat::from_rotation_y(yaw) * Quat::from_rotation_z(roll));
        for sample in there.ticks.iter_mut().flat_map(|tick| tick.tools.iter_mut().flatten()) {
            sample.pose = move_by * sample.pose;
        }
        let (a, b) = (metrics_of_trace(&here), metrics_of_trace(&there));
        for (id, tolerance) in [("path_length_left", 1e-3), ("economy_left", 1e-3), ("sparc_left", 1e-3), ("ldlj_left", 0.05), ("angular_path_right", 1e-2)] {
            let (a, b) = (a.value(id).unwrap(), b.value(id).unwrap());
            prop_assert!((a - b).abs() <= tolerance * a.abs(), "{id}: {a} {b}");
        }
        let (a, b) = (a.value("volume_ellipsoid_left").unwrap(), b.value("volume_ellipsoid_left").unwrap());
        prop_assert!((a - b).abs() <= 1e-3 * a, "ellipsoid: {a} {b}");
    }

}

proptest! {
    /// Longer scripts than anyone would write, and none of them a rubric.
    #[test]
    fn no_text_makes_the_rubric_reader_panic(text in "[(){}\\[\\]:,\"/*a-z0-9 \n.é-]{0,200}") {
        if let Err(fault) = parse(&text, "r.ron") {
            prop_assert!(fault.line >= 1 && fault.column >= 1);
        }
    }

    #[test]
    fn no_text_makes_the_kinematics_reader_panic(rows in "[0-9eE.,+\\-naif\n ]{0,200}") {
        let _ = metrics_of_csv(&format!("t_s,x_m,y_m,z_m\n{rows}"), false);
        let _ = metrics_of_csv(&format!("t_s,x_m,y_m,z_m\n{rows}"), true);
    }
}

#[test]
fn an_empty_trace_scores_nothing_and_breaks_nothing() {
    let mut trace = wedge(EXPERT);
    trace.ticks.clear();
    trace.digest = None;
    let dir = tempfile::tempdir().unwrap();
    let rubric = rubric("wedge_excision");
    let s = score(&trace, &rubric, &steps(), None);
    assert!(!s.passed && s.score.raw == 0.0);
    write_assessment(dir.path(), &trace, &s, &rubric, &[]).unwrap();
}

#[test]
fn a_trace_is_scored_by_the_rubric_that_it_carries() {
    let trace = wedge(EXPERT);
    assert_eq!(rubric_of(&trace).unwrap(), rubric("wedge_excision"));
    let broken = Trace { header: Header { rubric_ron: "(version: 1".to_owned(), ..trace.header }, ..trace };
    assert!(rubric_of(&broken).unwrap_err().to_string().starts_with("the rubric inside the trace of wedge_excision:1:"));
}

#[test]
fn both_rubrics_are_sound_and_say_that_their_values_are_not_a_standard() {
    for name in ["wedge_excision", "peg_transfer"] {
        let rubric = rubric(name);
        assert_eq!(rubric.max_points(), 100.0, "{name}");
        assert!(rubric.note.contains("starting values"), "{name}");
    }
}

/// A 1 × 1 PNG.
const DOT: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81w\xcdr\xb6\0\0\0\0IEND\xaeB`\x82";

#[test]
fn an_assessment_is_written_whole_and_the_same_each_time() {
    let (trace, rubric) = (wedge(NOVICE), rubric("wedge_excision"));
    let s = score(&trace, &rubric, &steps(), Some("some/where/wedge.halsted"));
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let picture = dirs[0].path().join("dot.png");
    std::fs::write(&picture, DOT).unwrap();
    let pictures = [("Before".to_owned(), picture.clone())];
    for dir in &dirs {
        write_assessment(&dir.path().join("out"), &trace, &s, &rubric, &pictures).unwrap();
    }
    for name in FILES {
        let [a, b] = [0, 1].map(|i| std::fs::read(dirs[i].path().join("out").join(name)).unwrap());
        assert!(a == b && !a.is_empty(), "{name}");
    }
    let left: Vec<_> = std::fs::read_dir(dirs[0].path().join("out")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), FILES.len(), "{left:?}");

    let out = dirs[0].path().join("out");
    let text = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text("assessment.json")).unwrap();
    let short = serde_json::to_value(&s).unwrap();
    for (key, value) in short.as_object().unwrap().iter().filter(|(key, _)| *key != "metrics") {
        assert_eq!(&record[key], value, "{key}");
    }
    assert_eq!(record["metrics"]["sparc_left"]["value"], short["metrics"]["sparc_left"]["value"]);
    assert!(record["metrics"]["sparc_left"]["filter"].as_str().unwrap().contains("Butterworth"));
    assert_eq!(record["provenance"]["rubric_sha256"], rubric.sha256.as_str());

    let metrics = text("metrics.csv");
    assert!(metrics.starts_with("attempt_id,metric_id,metric_version,hand,segment,value,unit,reason\n"));
    let row = metrics.lines().find(|l| l.contains(",sparc,1,left,trial,")).unwrap();
    assert!(row.starts_with("a5a5a5a5a5a5a5a5,") && row.contains(",-"), "a negative number stays a number: {row}");
    assert_eq!(text("kinematics.csv").lines().count(), trace.ticks.len() + 1);
    assert_eq!(text("events.csv").lines().count(), trace.events().count() + 1);

    let html = text("report.html");
    for needed in
        ["Not passed", "dropped-tissue", "<svg", "data:image/png;base64,", "not a medical device", "halsted score wedge.halsted"]
    {
        assert!(html.contains(needed), "{needed}");
    }
    for outside in ["<script", "<link", "src=\"http", "url(", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn text_from_a_case_is_text_in_the_report_and_no_formula_in_the_tables() {
    let mut trace = wedge(EXPERT);
    let rubric = rubric("wedge_excision");
    let what = "=HYPERLINK(\"x\")<b>".to_owned();
    trace.ticks[5].events.push(Event::Grasped { side: Side::Left, what });
    trace.ticks[6].events.push(Event::ErrorMade { id: "<img src=x>".to_owned(), critical: false, place: None });
    let s = score(&trace, &rubric, &steps(), None);
    let dir = tempfile::tempdir().unwrap();
    write_assessment(dir.path(), &trace, &s, &rubric, &[]).unwrap();
    let html = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(!html.contains("<img src=x>") && html.contains("&lt;img src=x&gt;"));
    let events = std::fs::read_to_string(dir.path().join("events.csv")).unwrap();
    assert!(events.contains("\"'=HYPERLINK(\"\"x\"\")<b>\""), "{}", events.lines().nth(1).unwrap());
}

#[test]
fn a_folder_that_cannot_be_written_is_one_error_with_its_path_and_leaves_nothing() {
    let (trace, rubric) = (wedge(EXPERT), rubric("wedge_excision"));
    let s = score(&trace, &rubric, &steps(), None);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let fault = write_assessment(&file.join("out"), &trace, &s, &rubric, &[]).unwrap_err();
    assert!(fault.to_string().contains(&file.display().to_string()), "{fault}");
    // a folder stands where the report should go: nothing else may be left half-written
    let out = dir.path().join("out");
    std::fs::create_dir_all(out.join("report.html")).unwrap();
    let fault = write_assessment(&out, &trace, &s, &rubric, &[]).unwrap_err();
    assert!(matches!(fault, AssessmentError::Io { .. }) && fault.to_string().contains("report.html"), "{fault}");
    assert!(std::fs::read_dir(&out).unwrap().all(|e| !e.unwrap().file_name().to_string_lossy().ends_with(".part")));
    let fault = write_assessment(&out, &trace, &s, &rubric, &[("x".to_owned(), file)]).unwrap_err();
    assert!(matches!(fault, AssessmentError::Picture { .. }), "{fault}");
}

#[test]
fn a_tool_at_rest_has_no_smoothness() {
    let mut trace = wedge(EXPERT);
    let pose = Pose::new(Vec3::new(0.0, 0.05, 0.0), Quat::IDENTITY);
    for tick in &mut trace.ticks {
        for tool in tick.tools.iter_mut().flatten() {
            tool.pose = pose;
        }
    }
    let m = metrics_of_trace(&trace);
    for id in ["sparc_left", "ldlj_right", "economy_left", "ldlj_per_movement_left", "bimanual_ratio"] {
        let metric = m.get(id).unwrap();
        assert!(metric.value.is_none() && metric.reason.is_some(), "{metric:?}");
    }
}
