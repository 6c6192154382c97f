//! Sessions in this process: the order of systems, the trace file.

use std::path::{Path, PathBuf};

use halsted::{
    session::{
        Trace, TraceError,
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
