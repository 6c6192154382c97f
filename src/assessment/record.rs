//! `assessment.json`: the score and everything that it rests on.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer, ser::SerializeMap};
use sha2::{Digest, Sha256};

use crate::{
    instrument::{Side, ToolKind},
    scoring::{ErrorMade, ItemScore, Metrics, Points, Rubric, Score, StepOutcome},
    session::Trace,
};

/// Version of the record's schema.
pub const SCHEMA_VERSION: u32 = 1;

/// What every assessment says of itself.
pub const DISCLAIMER: &str =
    "A research and education tool; not a medical device. Metrics do not replace the judgement of a teacher.";

/// The attempt's name in every table: the first 16 digits of the session's digest.
pub fn attempt_id(trace: &Trace) -> String {
    trace.digest_hex().chars().take(16).collect()
}

/// A superset of the answer of `score --json`.
#[derive(Serialize)]
struct Record<'a> {
    schema: &'static str,
    schema_version: u32,
    attempt_id: String,
    case: &'a str,
    seed: u64,
    ticks: u64,
    completed: bool,
    passed: bool,
    score: Points,
    steps: &'a [StepOutcome],
    errors: &'a [ErrorMade],
    metrics: FullMetrics<'a>,
    digest: &'a str,
    trace: Option<&'a str>,
    items: &'a [ItemScore],
    mistels: Option<f64>,
    rubric: RubricFacts<'a>,
    provenance: Provenance<'a>,
    disclaimer: &'static str,
}

/// Metrics with version, hand, segment and filter.
struct FullMetrics<'a>(&'a Metrics);

impl Serialize for FullMetrics<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for metric in self.0 {
            map.serialize_entry(&metric.id, metric)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct RubricFacts<'a> {
    name: &'a str,
    version: u32,
    sha256: &'a str,
    pass_mark: f64,
    critical_errors: &'a [String],
    note: &'a str,
}

#[derive(Serialize)]
struct Provenance<'a> {
    /// Program that recorded the trace.
    recorded_by: &'a str,
    /// Program that computed the score.
    scored_by: &'static str,
    source: &'a str,
    case_sha256: String,
    rubric_sha256: &'a str,
    twin_sha256: Option<&'a str>,
    /// Whether the recording was ended in order.
    whole: bool,
    duration_s: f64,
    tick_hz: u32,
    late_ticks: usize,
    arithmetic: &'a str,
    force_limit_n: f32,
    tools: BTreeMap<&'static str, Option<&'static str>>,
    trocars_m: BTreeMap<&'static str, Option<[f32; 3]>>,
}

pub fn to_json(trace: &Trace, score: &Score, rubric: &Rubric) -> Result<Vec<u8>, serde_json::Error> {
    let header = &trace.header;
    let by_hand = |side: Side| (side.name(), header.tools[side.index()].map(ToolKind::name));
    let record = Record {
        schema: "halsted-assessment",
        schema_version: SCHEMA_VERSION,
        attempt_id: attempt_id(trace),
        case: &score.case,
        seed: score.seed,
        ticks: score.ticks,
        completed: score.completed,
        passed: score.passed,
        score: score.score,
        steps: &score.steps,
        errors: &score.errors,
        metrics: FullMetrics(&score.metrics),
        digest: &score.digest,
        trace: score.trace.as_deref(),
        items: &score.items,
        mistels: score.mistels,
        rubric: RubricFacts {
            name: &rubric.name,
            version: rubric.version,
            sha256: &rubric.sha256,
            pass_mark: rubric.pass_mark,
            critical_errors: &rubric.critical_errors,
            note: &rubric.note,
        },
        provenance: Provenance {
            recorded_by: &header.software,
            scored_by: SCORED_BY,
            source: &header.source,
            case_sha256: case_sha256(trace),
            rubric_sha256: &rubric.sha256,
            twin_sha256: header.twin_sha256.as_deref(),
            whole: trace.digest.is_some(),
            duration_s: trace.duration_secs(),
            tick_hz: header.tick_hz,
            late_ticks: late_ticks(trace),
            arithmetic: &header.arithmetic,
            force_limit_n: header.force_limit_n,
            tools: Side::BOTH.into_iter().map(by_hand).collect(),
            trocars_m: Side::BOTH.into_iter().map(|s| (s.name(), header.trocars[s.index()].map(|p| p.to_array()))).collect(),
        },
        disclaimer: DISCLAIMER,
    };
    let mut bytes = serde_json::to_vec_pretty(&record)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Name and version of this program.
pub const SCORED_BY: &str = concat!("halsted ", env!("CARGO_PKG_VERSION"));

/// sha256 of the case's text as it was run.
pub fn case_sha256(trace: &Trace) -> String {
    hex::encode(Sha256::digest(&trace.header.scenario_ron))
}

/// Ticks that began later than the clock wanted.
pub fn late_ticks(trace: &Trace) -> usize {
    trace.ticks.iter().filter(|tick| tick.late).count()
}
