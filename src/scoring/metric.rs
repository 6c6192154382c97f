//! What a metric is called, what it is measured in, and which way is better.

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::instrument::Side;

/// Which way a metric improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Low,
    High,
    /// Negative by construction; smoother is nearer to 0.
    NearZero,
    /// Neither: it helps to read the others.
    Context,
}

/// The part of the attempt that a value speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Segment {
    /// From the first tick to the last.
    Trial,
    /// The median over the movements of one hand.
    Movements,
}

impl Segment {
    pub fn name(self) -> &'static str {
        match self {
            Segment::Trial => "trial",
            Segment::Movements => "movements",
        }
    }
}

/// One metric: the meaning behind an id.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Definition {
    /// Without the hand.
    pub id: &'static str,
    pub title: &'static str,
    /// `1` is dimensionless.
    pub unit: &'static str,
    pub better: Better,
    /// Whether a trace gives it for each hand, as `id_left` and `id_right`.
    pub by_hand: bool,
    /// Whether a trace gives it for the whole trial, as `id`.
    pub by_trial: bool,
}

/// Version of all the definitions below; it moves with any change that moves a value.
pub const METRIC_VERSION: u32 = 1;

const fn hand(id: &'static str, title: &'static str, unit: &'static str, better: Better) -> Definition {
    Definition { id, title, unit, better, by_hand: true, by_trial: false }
}

const fn trial(id: &'static str, title: &'static str, unit: &'static str, better: Better) -> Definition {
    Definition { id, title, unit, better, by_hand: false, by_trial: true }
}

const fn both(id: &'static str, title: &'static str, unit: &'static str, better: Better) -> Definition {
    Definition { id, title, unit, better, by_hand: true, by_trial: true }
}

/// Every metric, in the order in which reports list them.
pub const DEFINITIONS: [Definition; 39] = [
    trial("time", "Time", "s", Better::Low),
    both("path_length", "Path length of the tip", "mm", Better::Low),
    hand("economy", "Economy of motion", "1", Better::High),
    hand("angular_path", "Angular path", "rad", Better::Low),
    hand("depth_path", "Path along the shaft", "mm", Better::Low),
    hand("eov", "Economy of volume", "1", Better::High),
    hand("eoa", "Economy of area (x, y)", "1", Better::High),
    hand("volume", "Volume worked in (box)", "mm3", Better::Low),
    hand("volume_ellipsoid", "Volume worked in (ellipsoid)", "mm3", Better::Low),
    hand("speed_mean", "Mean speed", "mm/s", Better::Context),
    hand("idle_time", "Idle time", "s", Better::Low),
    trial("idle_time_both", "Idle time of both hands together", "s", Better::Low),
    hand("n_movements", "Movements", "count", Better::Low),
    hand("njerk", "Normalised jerk", "1", Better::Low),
    hand("dlj", "Dimensionless jerk (3-D)", "1", Better::NearZero),
    hand("ldlj", "Log dimensionless jerk (3-D)", "1", Better::NearZero),
    hand("ldlj_per_movement", "Log dimensionless jerk, median movement", "1", Better::NearZero),
    hand("dlj_speed", "Dimensionless jerk of the speed", "1", Better::NearZero),
    hand("ldlj_speed", "Log dimensionless jerk of the speed", "1", Better::NearZero),
    hand("sparc", "Spectral arc length", "1", Better::NearZero),
    hand("sparc_per_movement", "Spectral arc length, median movement", "1", Better::NearZero),
    trial("bimanual_r", "Correlation of the hands' speeds", "1", Better::Context),
    trial("bimanual_ratio", "Share of the moving time in which both hands move", "1", Better::High),
    trial("bimanual_path_ratio", "Shorter path over longer path", "1", Better::High),
    both("force_mean", "Mean force in contact", "N", Better::Low),
    both("force_peak", "Peak force", "N", Better::Low),
    hand("force_rms", "Root mean square force", "N", Better::Low),
    both("impulse", "Impulse", "N s", Better::Low),
    both("overstress_time", "Time above the force limit", "s", Better::Low),
    both("overstress_impulse", "Impulse above the force limit", "N s", Better::Low),
    trial("overstress_events", "Tissue regions past their stress limit", "count", Better::Low),
    trial("drops", "Drops", "count", Better::Low),
    trial("objects_lost", "Objects lost", "count", Better::Low),
    trial("slips", "Slips out of the jaws", "count", Better::Low),
    trial("n_cuts", "Cuts", "count", Better::Context),
    trial("cut_area", "Area of the cut surface", "mm2", Better::Context),
    trial("margin", "Smallest margin of the cut to the lesion", "mm", Better::High),
    trial("n_errors", "Errors of the case", "count", Better::Low),
    trial("n_critical_errors", "Critical errors of the case", "count", Better::Low),
];

/// The hand that the end of an id names, and the id without it.
pub fn split_hand(id: &str) -> (&str, Option<Side>) {
    for side in Side::BOTH {
        if let Some(base) = id.strip_suffix(side.name()).and_then(|rest| rest.strip_suffix('_')) {
            return (base, Some(side));
        }
    }
    (id, None)
}

/// The definition behind an id as a trace's metrics carry it (`sparc_left`, `time`), or nothing.
pub fn definition(id: &str) -> Option<&'static Definition> {
    let (base, side) = split_hand(id);
    DEFINITIONS.iter().find(|d| d.id == base && if side.is_some() { d.by_hand } else { d.by_trial })
}

/// Every id that a trace's metrics can carry.
pub fn ids() -> Vec<String> {
    let mut ids = Vec::new();
    for d in &DEFINITIONS {
        if d.by_trial {
            ids.push(d.id.to_owned());
        }
        if d.by_hand {
            ids.extend(Side::BOTH.map(|side| format!("{}_{}", d.id, side.name())));
        }
    }
    ids
}

/// The known id that is nearest to a misspelt one, where one is near enough to be meant.
pub fn nearest_id(wrong: &str) -> Option<String> {
    let (distance, id) = ids().into_iter().map(|id| (edit_distance(wrong, &id), id)).min()?;
    (distance <= 2.max(wrong.chars().count() / 3)).then_some(id)
}

/// Levenshtein's distance: insertions, deletions and substitutions of one character.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// What the samples went through before the metric saw them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The samples as they were recorded.
    None,
    /// The convention of this module.
    Standard,
    /// Resampled, but not low-passed (orientations).
    Resampled,
    /// Counted from events, not from samples.
    Events,
}

impl Filter {
    pub fn name(self) -> &'static str {
        match self {
            Filter::None => "none (recorded samples)",
            Filter::Standard => "linear resampling to 100 Hz; Butterworth order 2, 10 Hz, zero phase",
            Filter::Resampled => "spherical linear resampling to 100 Hz; no low-pass",
            Filter::Events => "none (events)",
        }
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Undefined {
    #[error("no motion")]
    NoMotion,
    #[error("too few samples: {have}, needs {need}")]
    TooFew { have: usize, need: usize },
    #[error("the recording holds no orientation")]
    NoOrientation,
    #[error("the position of the trocar is not known")]
    NoTrocar,
    #[error("no tool in the {0} hand")]
    NoTool(&'static str),
    #[error("no contact")]
    NoContact,
    #[error("the speed is constant, so the logarithm of its jerk is not finite")]
    ConstantSpeed,
    #[error("sampled at {rate_hz:.2} Hz; a band up to {band_hz} Hz needs at least twice that")]
    RateTooLow { rate_hz: f64, band_hz: f64 },
    #[error("the spectrum has a single line above the threshold")]
    SingleLine,
    #[error("no movement reached 10 mm/s for 0.1 s")]
    NoMovement,
    #[error("the speed of a hand does not vary")]
    NoVariance,
    #[error("it needs a tool in each hand")]
    OneHand,
    #[error("nothing was cut")]
    NothingCut,
    #[error("no cut was measured against a lesion")]
    NoLesion,
}

/// One value of one metric, with where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// With the hand, where there is one: `sparc_left`.
    #[serde(skip)]
    pub id: String,
    pub version: u32,
    pub unit: &'static str,
    pub value: Option<f64>,
    /// Why there is no value, or what to know about the one there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub hand: Option<&'static str>,
    pub segment: Segment,
    pub filter: Filter,
}

impl Metric {
    /// The id without the hand and the segment, as long tables want it.
    pub fn base_id(&self) -> &str {
        let base = split_hand(&self.id).0;
        base.strip_suffix("_per_movement").unwrap_or(base)
    }

    /// What the metric is called in a report.
    pub fn title(&self) -> String {
        let (base, side) = split_hand(&self.id);
        let title = DEFINITIONS.iter().find(|d| d.id == base).map_or(base, |d| d.title);
        side.map_or_else(|| title.to_owned(), |side| format!("{title}, {} hand", side.name()))
    }
}

/// Metrics in the order of [`DEFINITIONS`]. Serialises as `id → {unit, value, reason?}`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metrics(Vec<Metric>);

impl Metrics {
    /// Appends the value of a metric that [`DEFINITIONS`] holds; what is not finite becomes a missing value.
    pub(super) fn push(&mut self, base: &'static str, side: Option<Side>, value: Result<f64, Undefined>, filter: Filter) {
        let unit = DEFINITIONS.iter().find(|d| d.id == base).map_or("1", |d| d.unit);
        let (value, reason) = match value {
            // a sum over nothing is −0
            Ok(value) if value.is_finite() => (Some(value + 0.0), None),
            Ok(_) => (None, Some("the result is not a finite number".to_owned())),
            Err(why) => (None, Some(why.to_string())),
        };
        let id = side.map_or_else(|| base.to_owned(), |side| format!("{base}_{}", side.name()));
        let segment = if base.ends_with("_per_movement") { Segment::Movements } else { Segment::Trial };
        let hand = side.map(Side::name);
        self.0.push(Metric { id, version: METRIC_VERSION, unit, value, reason, hand, segment, filter });
    }

    /// Adds a remark to values that are there.
    pub(super) fn remark(&mut self, bases: &[&str], remark: &str) {
        for metric in self.0.iter_mut().filter(|m| m.value.is_some() && bases.contains(&split_hand(&m.id).0)) {
            metric.reason = Some(remark.to_owned());
        }
    }

    /// Puts the metrics in the order of [`DEFINITIONS`]: the trial, then left, then right.
    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|m| {
            let (base, side) = split_hand(&m.id);
            (DEFINITIONS.iter().position(|d| d.id == base), side.map(Side::index))
        });
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Metric> {
        self.0.iter()
    }

    pub fn get(&self, id: &str) -> Option<&Metric> {
        self.0.iter().find(|m| m.id == id)
    }

    /// The value of a metric, if it is known and defined.
    pub fn value(&self, id: &str) -> Option<f64> {
        self.get(id)?.value
    }
}

impl<'a> IntoIterator for &'a Metrics {
    type Item = &'a Metric;
    type IntoIter = std::slice::Iter<'a, Metric>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Short<'a> {
            unit: &'static str,
            value: Option<f64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for m in &self.0 {
            map.serialize_entry(&m.id, &Short { unit: m.unit, value: m.value, reason: m.reason.as_deref() })?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_without_its_hand_is_not_known_where_the_metric_has_one() {
        assert!(definition("sparc_left").is_some() && definition("time").is_some() && definition("path_length").is_some());
        assert!(definition("sparc").is_none() && definition("time_left").is_none() && definition("sparc_middle").is_none());
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_id_that_was_meant() {
        assert_eq!(nearest_id("sparc_rigth").as_deref(), Some("sparc_right"));
        assert_eq!(nearest_id("tme").as_deref(), Some("time"));
        assert_eq!(nearest_id("haemoglobin"), None);
    }

    #[test]
    fn no_two_metrics_share_an_id() {
        let mut all = ids();
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
