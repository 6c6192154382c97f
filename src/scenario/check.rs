//! Reading a case: syntax and single values by the parser, rules between values afterwards, every fault with its place.

use std::collections::HashSet;

use super::{
    ErrorWhen, Fault, Faults, Scenario, StepWhen,
    fault::{nearest, place_of},
    file::SCENARIO_VERSION,
};
use crate::tissue::{known_tissues, limits_of};

/// Reads a case from its text; `file` is the name that faults carry.
///
/// # Errors
/// All faults: the first that stops the parser, or else every broken rule between values.
pub fn parse(text: &str, file: &str) -> Result<Scenario, Faults> {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let fail = |faults| Faults { file: file.to_owned(), faults };
    let scenario: Scenario = options.from_str(text).map_err(|fault| fail(vec![explain(&fault)]))?;
    let faults = rules(&scenario, text);
    if faults.is_empty() { Ok(scenario) } else { Err(fail(faults)) }
}

/// A parser's fault in the reader's words.
fn explain(fault: &ron::error::SpannedError) -> Fault {
    let help = match &fault.code {
        ron::Error::NoSuchStructField { expected, found, .. } => nearest(found, expected.iter().copied())
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| Some(format!("known here: {}", expected.join(", ")))),
        ron::Error::NoSuchEnumVariant { expected, found, .. } => nearest(found, expected.iter().copied())
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| Some(format!("known here: {}", expected.join(", ")))),
        _ => None,
    };
    Fault { line: fault.span.start.line, column: fault.span.start.col, message: fault.code.to_string(), help }
}

fn rules(scenario: &Scenario, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |chain: &[&str], message: String, help: Option<String>| {
        let (line, column) = place_of(text, chain);
        faults.push(Fault { line, column, message, help });
    };
    if scenario.version != SCENARIO_VERSION {
        let message = format!("version {} of the case format; this program reads {SCENARIO_VERSION}", scenario.version);
        fault(&["version"], message, Some("a newer Halsted may read it".to_owned()));
    }
    if scenario.patient.is_none() && scenario.board.is_none() {
        fault(
            &["("],
            "the case has neither a patient nor a board".to_owned(),
            Some("add `patient: (…)` or `board: (…)`".to_owned()),
        );
    }
    if scenario.steps.is_empty() {
        fault(&["steps"], "the case has no steps".to_owned(), Some("a session is complete when every step is done".to_owned()));
    }
    for (key, point) in [
        ("left", scenario.left.trocar_mm),
        ("left", scenario.left.start_mm),
        ("right", scenario.right.trocar_mm),
        ("right", scenario.right.start_mm),
        ("view", scenario.view.eye_mm),
        ("view", scenario.view.target_mm),
    ] {
        if ![point.0, point.1, point.2].iter().all(|x| x.is_finite() && x.abs() < 3000.0) {
            fault(&[key], format!("`{key}` has a point outside the theatre (3 m)"), Some("points are in millimetres".to_owned()));
        }
    }
    let mut ids = HashSet::new();
    for step in &scenario.steps {
        let quoted = format!("\"{}\"", step.id);
        if !ids.insert(&step.id) {
            fault(&["steps", &quoted, &quoted], format!("two steps have the id `{}`", step.id), None);
        }
        let (needs_lesion, needs_board) = match step.done_when {
            StepWhen::RingsOn { .. } => (false, true),
            StepWhen::AttachmentDivided { .. } | StepWhen::SignAbove { .. } | StepWhen::SignBelow { .. } => (false, false),
            _ => (true, false),
        };
        let sign = match step.done_when {
            StepWhen::SignAbove { value, .. } | StepWhen::SignBelow { value, .. } => Some(value),
            _ => None,
        };
        if (sign.is_some() || !step.orders.is_empty()) && scenario.physiology.is_none() {
            let help = Some("add `physiology: (reflex: 1)`".to_owned());
            fault(
                &["steps", &quoted],
                format!("step `{}` is about the patient's body, but the case has no physiology", step.id),
                help,
            );
        }
        if sign.is_some_and(|value| !value.is_finite()) {
            fault(&["steps", &quoted, "value"], format!("step `{}` compares with no number", step.id), None);
        }
        if let StepWhen::AttachmentDivided { name } = &step.done_when {
            let known: Vec<&str> =
                scenario.patient.iter().flat_map(|patient| &patient.attachments).map(|part| part.name.as_str()).collect();
            if !known.contains(&name.as_str()) {
                let help = nearest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                fault(&["steps", &quoted, "name"], format!("step `{}` divides `{name}`, which the case has not", step.id), help);
            }
        }
        if needs_lesion && scenario.patient.is_none() {
            fault(
                &["steps", &quoted, "done_when"],
                format!("step `{}` asks for a lesion, but the case has no patient", step.id),
                None,
            );
        }
        if needs_board && scenario.board.is_none() {
            fault(
                &["steps", &quoted, "done_when"],
                format!("step `{}` asks for rings, but the case has no board", step.id),
                None,
            );
        }
        if let (StepWhen::RingsOn { count, half }, Some(board)) = (&step.done_when, &scenario.board) {
            let (rings, pegs) = (board.pegs(board.start).len(), board.pegs(*half).len());
            if *count == 0 || *count > rings.min(pegs) {
                let message =
                    format!("step `{}` asks for {count} rings; there are {rings} rings and {pegs} pegs on that half", step.id);
                fault(&["steps", &quoted, "count"], message, None);
            }
        }
    }
    for rule in &scenario.errors {
        let quoted = format!("\"{}\"", rule.id);
        if !ids.insert(&rule.id) {
            fault(&["errors", &quoted], format!("the id `{}` is used twice", rule.id), None);
        }
        let needs_patient = matches!(
            rule.when,
            ErrorWhen::CutWithin { .. }
                | ErrorWhen::RemnantOverstressed
                | ErrorWhen::TissueSlipped
                | ErrorWhen::TissueDamaged
                | ErrorWhen::TissueTorn
                | ErrorWhen::AttachmentTorn
        );
        if needs_patient && scenario.patient.is_none() {
            fault(
                &["errors", &quoted, "when"],
                format!("error `{}` is about tissue, but the case has no patient", rule.id),
                None,
            );
        }
        let needs_board = matches!(rule.when, ErrorWhen::RingLost | ErrorWhen::RingDropped);
        if let ErrorWhen::SignAbove { value, .. } | ErrorWhen::SignBelow { value, .. } = rule.when {
            if scenario.physiology.is_none() {
                let help = Some("add `physiology: (reflex: 1)`".to_owned());
                fault(
                    &["errors", &quoted, "when"],
                    format!("error `{}` is about the patient's body, but the case has no physiology", rule.id),
                    help,
                );
            }
            if !value.is_finite() {
                fault(&["errors", &quoted, "value"], format!("error `{}` compares with no number", rule.id), None);
            }
        }
        if needs_board && scenario.board.is_none() {
            fault(&["errors", &quoted, "when"], format!("error `{}` is about rings, but the case has no board", rule.id), None);
        }
    }
    if let Some(patient) = &scenario.patient {
        if !(15.0..=75.0).contains(&patient.half_angle_deg) {
            let message = format!("half_angle_deg {} is not between 15 and 75", patient.half_angle_deg);
            fault(&["patient", "half_angle_deg"], message, Some("45 makes a wedge of a right angle".to_owned()));
        }
        if !(patient.damping_per_s.is_finite() && (0.0..=100.0).contains(&patient.damping_per_s)) {
            fault(&["patient", "damping_per_s"], "damping_per_s is not between 0 and 100".to_owned(), None);
        }
        if !(patient.lesion.stiffness.is_finite() && (0.1..=50.0).contains(&patient.lesion.stiffness)) {
            fault(&["patient", "stiffness"], "stiffness is not between 0.1 and 50 times the organ's".to_owned(), None);
        }
        if let Some(name) = patient.damage_as.as_deref().filter(|name| limits_of(name).is_none()) {
            let known: Vec<&str> = known_tissues().collect();
            let help = Some(format!("known here: {}", known.join(", ")));
            fault(&["patient", "damage_as"], format!("nothing is known of what `{name}` bears"), help);
        }
        for part in &patient.attachments {
            let quoted = format!("\"{}\"", part.name);
            let points = [part.from_mm, part.to_mm, part.toward];
            if points.iter().any(|p| ![p.0, p.1, p.2].iter().all(|x| x.is_finite() && x.abs() < 3000.0)) {
                fault(
                    &["patient", "attachments", &quoted],
                    format!("`{}` has a point outside the theatre (3 m)", part.name),
                    None,
                );
            }
            if part.toward == (0.0, 0.0, 0.0) {
                fault(&["patient", "attachments", &quoted, "toward"], format!("`{}` leads nowhere", part.name), None);
            }
        }
        if patient.twin.is_empty() || patient.twin.contains(['/', '\\', '.']) {
            let help = Some("the name of a folder in assets/patients, such as \"liver-contrast\"".to_owned());
            fault(&["patient", "twin"], format!("`{}` is not the name of a twin", patient.twin), help);
        }
    }
    if let Some(board) = &scenario.board {
        if board.left_pegs_mm.is_empty()
            || board.right_pegs_mm.is_empty()
            || board.left_pegs_mm.len() + board.right_pegs_mm.len() > 100
        {
            fault(&["board", "left_pegs_mm"], "each half of the board needs pegs, 100 in all at most".to_owned(), None);
        }
        let inner = board.ring.hole_radius_mm.get();
        if inner <= 0.5 * board.peg_diameter_mm.get() {
            fault(&["board", "hole_radius_mm"], "the hole is not wider than a peg".to_owned(), None);
        }
        if inner >= 0.5 * board.ring.circumradius_mm.get() {
            fault(
                &["board", "hole_radius_mm"],
                "the hole leaves no wall: it must be less than half the circumradius".to_owned(),
                None,
            );
        }
        if !(board.ring.mass_g.is_finite() && board.ring.mass_g > 0.0) {
            fault(&["board", "mass_g"], "mass_g is not a positive number of grams".to_owned(), None);
        }
    }
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEGS: &str = include_str!("../../scenarios/peg_transfer.ron");

    #[test]
    fn a_typo_is_found_at_its_place_with_the_right_word() {
        let text = PEGS.replace("time_limit_secs", "time_limit_sec");
        let faults = parse(&text, "peg.ron").expect_err("a typo");
        let line = text.lines().position(|l| l.contains("time_limit_sec")).expect("line") + 1;
        assert_eq!(faults.faults[0].line, line, "{faults}");
        assert!(faults.to_string().contains("did you mean `time_limit_secs`"), "{faults}");
    }

    #[test]
    fn a_value_out_of_range_is_found_at_its_place() {
        let text = PEGS.replace("time_limit_secs: 300", "time_limit_secs: -3");
        let faults = parse(&text, "peg.ron").expect_err("a negative time");
        assert!(faults.to_string().contains("-3 is not a positive, finite number of seconds"), "{faults}");
    }

    #[test]
    fn every_broken_rule_is_told_not_only_the_first() {
        let text = PEGS.replace("count: 6", "count: 9").replace("mass_g: 10", "mass_g: -1");
        let faults = parse(&text, "peg.ron").expect_err("three mistakes");
        assert_eq!(faults.faults.len(), 3, "{faults}");
    }

    const WEDGE: &str = include_str!("../../scenarios/wedge_excision.ron");

    /// A band and a tear can be written; a step about a band that is not there is found, with the name that was meant.
    #[test]
    fn attachments_and_tears_are_read_and_their_names_are_known() {
        let part = "tear: (toughness_j_m2: 164, strength_pa: 40000), attachments: [(name: \"falciform ligament\", from_mm: (-20, 180, -20), \
                    to_mm: (20, 260, 20), toward: (0, 1, 0), length_mm: 30, stiffness_n_m: 500, strength_n: 30)],";
        let text = WEDGE.replace("damping_per_s: 6,", &format!("damping_per_s: 6, {part}"));
        let scenario = parse(&text, "wedge.ron").expect("a sound case");
        assert_eq!(scenario.patient.expect("a patient").attachments[0].strength_n.get(), 30.0);
        let step = text.replace("LesionFree,", "AttachmentDivided(name: \"falciform ligamnet\"),");
        let faults = parse(&step, "wedge.ron").expect_err("a name with a typo").to_string();
        assert!(faults.contains("did you mean `falciform ligament`"), "{faults}");
        let faults = parse(&text.replace("strength_n: 30", "strength_n: -1"), "wedge.ron").expect_err("no strength").to_string();
        assert!(faults.contains("-1 is not a positive"), "{faults}");
        assert!(parse(&text.replace("length_mm: 30", "width_mm: 30"), "wedge.ron").is_err());
        let of = |tissue: &str| WEDGE.replace("damping_per_s: 6,", &format!("damping_per_s: 6, damage_as: \"{tissue}\","));
        assert!(parse(&of("liver"), "wedge.ron").is_ok());
        let faults = parse(&of("lever"), "wedge.ron").expect_err("no such tissue").to_string();
        assert!(faults.contains("known here: bowel, liver"), "{faults}");
    }

    #[test]
    fn hostile_text_is_refused_without_a_panic() {
        for text in ["", "(", "((((((((", "\u{0}", "(version: 1", &"[".repeat(100_000)] {
            assert!(parse(text, "x.ron").is_err());
        }
    }
}
