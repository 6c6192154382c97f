//! The program as a user runs it: the real binary, its answers, its exit codes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

pub fn halsted(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_halsted"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program")
}

pub fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON document and nothing else")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn refused(arguments: &[&str], words: &[&str]) {
    let output = halsted(arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?} answers: {}", text(&output.stdout));
    for word in words {
        assert!(message.contains(word), "{arguments:?}: `{word}` is not in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn the_demo_makes_a_patient_operates_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let output = halsted(&["demo", "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for file in ["report.html", "assessment.json", "metrics.csv", "events.csv", "kinematics.csv", "wedge_excision.halsted"] {
        assert!(out.join(file).metadata().is_ok_and(|file| file.len() > 100), "{file}");
    }
    let committed = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/patients/liver-contrast/twin.ron")).unwrap();
    let made = std::fs::read(out.join("patients/liver-contrast/twin.ron")).unwrap();
    assert_eq!(text(&made), text(&committed), "the bundled twin is the one that the bundled scan makes");
    let pictures = ["before.png", "during.png", "after.png"].map(|name| out.join(name).is_file());
    assert!(pictures == [true; 3] || text(&output.stderr).contains("no pictures"), "{pictures:?}: {}", text(&output.stderr));

    // the score again, from the trace alone
    let trace = out.join("wedge_excision.halsted");
    let score = json(&halsted(&["score", trace.to_str().unwrap(), "--json"]));
    let assessment: Value = serde_json::from_slice(&std::fs::read(out.join("assessment.json")).unwrap()).unwrap();
    assert_eq!(score["score"], assessment["score"]);
    assert_eq!(score["passed"], true, "the expert passes: {score}");
    assert_eq!(score["errors"], serde_json::json!([]));
}

#[test]
fn the_expert_completes_peg_transfer_and_the_novice_scores_lower_by_the_same_rubric() {
    let run = |bot, seed| json(&halsted(&["run", "scenarios/peg_transfer.ron", "--bot", bot, "--seed", seed, "--json"]));
    let (expert, novice) = (run("expert", "1"), run("novice", "1"));
    assert_eq!(expert["completed"], true, "{expert}");
    assert_eq!(expert["passed"], true, "{expert}");
    for expert in [&expert, &run("expert", "7"), &run("expert", "11")] {
        assert_eq!(expert["errors"], serde_json::json!([]), "an expert drops nothing");
    }
    assert!(expert["score"]["raw"].as_f64().unwrap() > novice["score"]["raw"].as_f64().unwrap() + 10.0, "{expert} {novice}");
    assert_eq!(run("expert", "1")["digest"], expert["digest"], "the same seed, the same bits");
    assert_ne!(run("expert", "2")["digest"], expert["digest"], "another seed, another session");
    for key in ["case", "seed", "ticks", "completed", "passed", "score", "steps", "errors", "metrics", "digest", "trace"] {
        assert!(expert.get(key).is_some(), "{key}");
    }
}

/// The novice's wedge is the hardest that the bundled cases ask of the tissue: scraps, strands and a hold that is pulled too far. It ends, no force is a
/// spike (the hold slips at 6 N), and the rubric takes points from it.
#[test]
fn the_novice_ends_its_wedge_gets_no_pass_and_meets_no_spike_of_force() {
    let novice = json(&halsted(&["run", "wedge_excision", "--bot", "novice", "--json"]));
    assert_eq!((&novice["completed"], &novice["passed"]), (&true.into(), &false.into()), "{novice}");
    assert!(novice["score"]["raw"].as_f64().unwrap() < 80.0, "{novice}");
    assert!(novice["metrics"]["force_peak"]["value"].as_f64().unwrap() < 6.5, "{novice}");
}

#[test]
fn a_replay_gives_the_same_digests_on_one_thread_and_on_two() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    json(&halsted(&["run", "peg_transfer", "--bot", "novice", "--seed", "5", "--out", out, "--json"]));
    let trace = folder.path().join("peg_transfer.halsted");
    for threads in ["1", "2"] {
        let output = halsted(&["replay", trace.to_str().unwrap(), "--verify", "--threads", threads]);
        assert!(output.status.success(), "{threads}: {} {}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn a_changed_input_is_found_by_replay() {
    use halsted::session::{Trace, TraceWriter};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peg_transfer.halsted");
    json(&halsted(&["run", "peg_transfer", "--bot", "expert", "--out", folder.path().to_str().unwrap(), "--json"]));
    let mut trace = Trace::read(&path).unwrap();
    let tick = 500;
    if let Some(hand) = &mut trace.ticks[tick].input.hands[0] {
        hand.pose.position.x += 0.001;
    }
    let forged = folder.path().join("forged.halsted");
    let mut writer = TraceWriter::create(&forged, &trace.header).unwrap();
    for record in trace.ticks.clone() {
        writer.tick(record).unwrap();
    }
    writer.finish(trace.digest.unwrap()).unwrap();
    let output = halsted(&["replay", forged.to_str().unwrap(), "--verify"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(&format!("tick {}", tick + 1)), "{}", text(&output.stdout));
}

#[cfg(unix)]
#[test]
fn a_killed_process_leaves_a_trace_to_its_last_whole_tick() {
    use halsted::session::Trace;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wedge_excision.halsted");
    let mut child = Command::new(env!("CARGO_BIN_EXE_halsted"))
        .args(["run", "wedge_excision", "--bot", "expert", "--out", folder.path().to_str().unwrap()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // until a good part of a second is on the disk
    let enough = || Trace::read(&path).is_ok_and(|trace| trace.ticks.len() > 30);
    for _ in 0..600 {
        if enough() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let trace = Trace::read(&path).unwrap();
    assert!(trace.ticks.len() > 30 && trace.digest.is_none());
    let score = json(&halsted(&["score", path.to_str().unwrap(), "--json"]));
    assert_eq!(score["completed"], false);
    let output = halsted(&["replay", path.to_str().unwrap(), "--verify"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
}

#[test]
fn what_cannot_be_run_is_refused_with_a_reason() {
    refused(&["run", "nowhere.ron", "--bot", "expert"], &["nowhere.ron", "no such case"]);
    refused(&["run", "peg_transfer", "--bot", "surgeon"], &["surgeon", "expert, novice"]);
    refused(&["run", "peg_transfer", "--motion", "nowhere.csv"], &["nowhere.csv"]);
    refused(&["score", "README.md"], &["not a Halsted trace"]);
    refused(&["score", "nowhere.halsted"], &["nowhere.halsted"]);
    refused(&["check", "nowhere"], &["no such file"]);
    refused(&["metrics", "README.md"], &["README.md"]);
    refused(&["patient", "info", "nowhere"], &["nowhere"]);
    refused(&["patient", "info", "scenarios"], &["scenarios"]);
}

#[test]
fn a_case_with_a_typo_is_refused_with_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("typo.ron");
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/peg_transfer.ron");
    let good = std::fs::read_to_string(bundled).unwrap();
    std::fs::write(&case, good.replace("done_when", "done_wen")).unwrap();
    let line = good.lines().position(|line| line.contains("done_when")).unwrap() + 1;
    refused(&["run", case.to_str().unwrap(), "--bot", "expert"], &[&format!("typo.ron:{line}:"), "did you mean `done_when`"]);
    let output = halsted(&["check", case.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains(&format!("typo.ron:{line}:")), "{}", text(&output.stdout));
}

#[test]
fn the_bundled_cases_and_patients_have_no_faults() {
    let report = json(&halsted(&["check", "scenarios", "assets/patients", "--json"]));
    assert_eq!(report["faults"], serde_json::json!([]));
    assert!(report["checked"].as_u64().unwrap() >= 5, "{report}");
}

/// The device of a full disk that Linux provides: every write to it fails with “no space left”.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_clear_message() {
    let folder = tempfile::tempdir().unwrap();
    let out: PathBuf = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::os::unix::fs::symlink("/dev/full", out.join("peg_transfer.halsted")).unwrap();
    refused(&["run", "peg_transfer", "--bot", "expert", "--out", out.to_str().unwrap()], &["peg_transfer.halsted", "space"]);
}
