//! Sessions in this process: the order of systems, the trace file.

use std::path::{Path, PathBuf};

use halsted::{
    session::{
        Event, Trace, TraceError,
        plugin::{SessionConfig, Source, headless_app, run_headless},
    },
    tracking::Skill,
};

fn config(case: &str, trace: Option<PathBuf>) -> SessionConfig {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    SessionConfig {
        case: root.join("scenarios").join(case).with_extension("ron"),
        assets: root.join("assets"),
        seed: 1,
        source: Source::Bot(Skill::EXPERT),
        trace,
    }
}

/// The fixed schedule with ambiguity detection as an error: two systems that touch the same data have a stated order. Rapier's own
/// systems declare theirs among themselves.
#[test]
fn the_order_of_the_systems_is_explicit() {
    use bevy::{
        ecs::schedule::{LogLevel, ScheduleBuildSettings},
        prelude::*,
    };
    let mut app = headless_app(config("peg_transfer", None), None);
    app.edit_schedule(FixedUpdate, |schedule| {
        schedule.set_build_settings(ScheduleBuildSettings { ambiguity_detection: LogLevel::Error, ..default() });
    });
    for _ in 0..20 {
        app.update();
    }
}

/// Contacts are solved in the order in which the bodies became known: a bench that is set up again must be as the first one was.
#[test]
fn a_session_that_begins_again_gives_the_same_bits() {
    use halsted::session::plugin::{Recorder, RestartSession};
    let mut app = headless_app(config("peg_transfer", None), None);
    let mut first_ticks = || {
        while app.world().get_resource::<Recorder>().is_none_or(|recorder| recorder.trace.ticks.len() < 600) {
            app.update();
        }
        let ticks = app.world_mut().remove_resource::<Recorder>().map(|recorder| recorder.trace.ticks);
        app.world_mut().trigger(RestartSession);
        ticks.map(|ticks| ticks[..600].to_vec())
    };
    let first = first_ticks();
    assert_eq!(first_ticks(), first);
    assert_eq!(first_ticks(), first);
}

#[test]
fn a_trace_reads_back_whole_and_cut_anywhere_reads_to_a_whole_tick() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peg.halsted");
    let ran = run_headless(config("peg_transfer", Some(path.clone())), None, &mut |_| {}).unwrap();
    let read = Trace::read(&path).unwrap();
    assert_eq!(read, ran);
    let bytes = std::fs::read(&path).unwrap();
    let cut = folder.path().join("cut.halsted");
    for share in [0.1, 0.33, 0.5, 0.9, 0.999] {
        std::fs::write(&cut, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
        let part = Trace::read(&cut).unwrap();
        assert!(part.digest.is_none() && part.ticks.len() < ran.ticks.len());
        assert_eq!(part.ticks[..], ran.ticks[..part.ticks.len()]);
    }
}

#[test]
fn a_damaged_trace_is_refused_or_read_to_the_damage_but_never_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peg.halsted");
    let ran = run_headless(config("peg_transfer", Some(path.clone())), None, &mut |_| {}).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for at in (0..60).map(|i| 10 + i * (bytes.len() - 20) / 60) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        std::fs::write(&path, &flipped).unwrap();
        match Trace::read(&path) {
            Ok(part) => assert_eq!(part.ticks[..], ran.ticks[..part.ticks.len()], "byte {at}"),
            Err(fault) => assert!(
                matches!(fault, TraceError::Damaged { .. } | TraceError::Version { .. } | TraceError::NotATrace { .. }),
                "{fault}"
            ),
        }
    }
}

/// Peg transfer with a body that bleeds 1200 ml/min from the start, in a folder of its own.
fn with_a_bleeding_body(folder: &Path) -> SessionConfig {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let text = std::fs::read_to_string(scenarios.join("peg_transfer.ron")).unwrap();
    let text = text
        .replace("    steps: [", "    physiology: (reflex: 1, orders: [Insufflate(mmhg: 12), Bleed(ml_per_min: 1200)]),\n    steps: [")
        .replacen("done_when:", "orders: [Give(Atropine(mg: 0.5))], done_when:", 1)
        .replace(
            "    errors: [",
            "    errors: [(id: \"low\", title: \"The pressure fell\", critical: false, when: SignBelow(sign: SystolicMmhg, value: 100, hold_secs: 2)),",
        );
    std::fs::create_dir_all(folder.join("rubrics")).unwrap();
    std::fs::copy(scenarios.join("rubrics/peg_transfer.ron"), folder.join("rubrics/peg_transfer.ron")).unwrap();
    std::fs::write(folder.join("bleeding.ron"), text).unwrap();
    SessionConfig { case: folder.join("bleeding.ron"), ..config("peg_transfer", None) }
}

#[test]
fn a_body_bleeds_is_watched_and_replays() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_headless(with_a_bleeding_body(folder.path()), None, &mut |_| {}).unwrap();
    let signs: Vec<_> = ran
        .events()
        .filter_map(|(tick, event)| if let Event::VitalSigns(monitor) = event { Some((tick, *monitor)) } else { None })
        .collect();
    assert_eq!(signs.len(), ran.ticks.len() / 90, "once a second");
    let (first, last) = (signs[0].1, signs.last().unwrap().1);
    // 1200 ml/min
    assert!((last.blood_lost_ml - 20.0 * ran.duration_secs().floor()).abs() < 1.0, "{last:?}");
    assert!(last.heart_rate_per_min > first.heart_rate_per_min + 20.0 && last.systolic_mmhg < first.systolic_mmhg, "{last:?}");
    assert!(ran.events().any(|(_, event)| matches!(event, Event::ErrorMade { id, .. } if id == "low")), "{last:?}");
    let again = SessionConfig { source: Source::Replay(Box::new(ran.clone())), ..with_a_bleeding_body(folder.path()) };
    assert_eq!(run_headless(again, None, &mut |_| {}).unwrap().digest, ran.digest);
}

#[test]
fn a_case_about_a_body_that_it_does_not_have_is_refused_with_its_place() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/peg_transfer.ron")).unwrap();
    let parse = |text: &str| halsted::scenario::parse(text, "peg.ron");
    let order = text.replacen("done_when:", "orders: [Bleed(ml_per_min: 100)], done_when:", 1);
    let fault = parse(&order).unwrap_err().to_string();
    assert!(fault.contains("has no physiology") && fault.contains("add `physiology: (reflex: 1)`"), "{fault}");
    let wild = text.replace("    steps: [", "    physiology: (reflex: 1, orders: [Insufflate(mmhg: 60)]),\n    steps: [");
    let line = wild.lines().position(|line| line.contains("Insufflate")).unwrap() + 1;
    let fault = parse(&wild).unwrap_err().to_string();
    assert!(fault.contains(&format!("peg.ron:{line}:")) && fault.contains("60 is outside 0 to 25 mmHg"), "{fault}");
}
