//! Seeds as an instructor writes them: places in the patient, each with the name of what lies there.
//!
//! ```ron
//! (
//!     version: 1,
//!     labels: { "liver": 5, "spleen": 1 },
//!     seeds: [
//!         (label: "liver", at_mm: (-100.0, -160.0, -790.0)),
//!         (label: "background", at_mm: (8.0, -147.0, -790.0)),
//!     ],
//! )
//! ```
//! Places are DICOM's patient coordinates (LPS, mm), as the slice views show them. Each seed marks a ball of `radius_mm`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use glam::DVec3;
use serde::Deserialize;

use crate::{
    geom::Volume,
    patient::ron_file::{self, RonError},
};

/// The name of all that is none of the labels.
pub const BACKGROUND: &str = "background";

/// Radius of the ball that a seed marks, mm, where the file gives none: well inside any organ that one would seed by hand.
const RADIUS_MM: f64 = 4.0;

/// Seeds of one scan.
#[derive(Debug, Clone)]
pub struct Seeds {
    path: PathBuf,
    text: String,
    file: SeedFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeedFile {
    version: u32,
    pub(super) labels: BTreeMap<String, u8>,
    radius_mm: Option<Radius>,
    pub(super) seeds: Vec<Seed>,
}

impl SeedFile {
    pub(super) fn radius_mm(&self) -> f64 {
        self.radius_mm.map_or(RADIUS_MM, |radius| radius.0)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seed {
    pub(super) label: String,
    pub(super) at_mm: Place,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "[f64; 3]")]
pub(super) struct Place(pub(super) DVec3);

impl TryFrom<[f64; 3]> for Place {
    type Error = String;
    fn try_from(at: [f64; 3]) -> Result<Self, String> {
        // no table moves further than ten metres
        if at.iter().all(|mm| mm.abs() <= 1e4) {
            Ok(Self(DVec3::from_array(at)))
        } else {
            Err(format!("{at:?} is no place, in millimetres"))
        }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "f64")]
struct Radius(f64);

impl TryFrom<f64> for Radius {
    type Error = String;
    fn try_from(mm: f64) -> Result<Self, String> {
        if (0.5..=20.0).contains(&mm) { Ok(Self(mm)) } else { Err(format!("a radius of {mm} mm is outside 0.5 to 20")) }
    }
}

impl Seeds {
    pub fn read(path: &Path) -> Result<Self, RonError> {
        Self::parse(ron_file::read(path)?, path)
    }

    /// Reads `text`; `path` is the name that a fault carries.
    pub fn parse(text: String, path: &Path) -> Result<Self, RonError> {
        let file: SeedFile = ron_file::parse(&text, path)?;
        let seeds = Self { path: path.to_owned(), text, file };
        let file = &seeds.file;
        if file.version != 1 {
            return Err(seeds.fault("version", 0, format!("version {} is not known; this program reads 1", file.version)));
        }
        if file.labels.is_empty() {
            return Err(seeds.fault("labels", 0, "no label: name at least one, as in { \"liver\": 1 }".into()));
        }
        let mut values = BTreeSet::new();
        for (name, &value) in &file.labels {
            let twice = !values.insert(value);
            let message = if name == BACKGROUND {
                format!("`{BACKGROUND}` is what is left, it has no value")
            } else if value == 0 {
                format!("`{name}` has the value 0, which is the background's")
            } else if twice {
                format!("`{name}` has the value {value} of another label")
            } else if !file.seeds.iter().any(|seed| seed.label == *name) {
                format!("`{name}` has no seed")
            } else {
                continue;
            };
            return Err(seeds.fault(&format!("\"{name}\""), 0, message));
        }
        for (number, seed) in file.seeds.iter().enumerate() {
            if seed.label != BACKGROUND && !file.labels.contains_key(&seed.label) {
                let known = file.labels.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(seeds.fault(
                    "at_mm",
                    number,
                    format!("`{}` is not among the labels ({known}, {BACKGROUND})", seed.label),
                ));
            }
        }
        if !file.seeds.iter().any(|seed| seed.label == BACKGROUND) {
            let message = format!("no seed of the {BACKGROUND}: mark what lies beside the organ and looks like it");
            return Err(seeds.fault("seeds", 0, message));
        }
        Ok(seeds)
    }

    /// The labels with their values, the lowest first.
    pub fn labels(&self) -> Vec<(String, u8)> {
        let mut out: Vec<(String, u8)> = self.file.labels.iter().map(|(name, value)| (name.clone(), *value)).collect();
        out.sort_by_key(|(_, value)| *value);
        out
    }

    /// The value of a label; a fault with the place of `labels` where it has none.
    pub fn value(&self, name: &str) -> Result<u8, RonError> {
        let known = || self.file.labels.keys().cloned().collect::<Vec<_>>().join(", ");
        let missing = || self.fault("labels", 0, format!("no label `{name}`; there are {}", known()));
        self.file.labels.get(name).copied().ok_or_else(missing)
    }

    pub fn radius_mm(&self) -> f64 {
        self.file.radius_mm()
    }

    /// Value (0 the background) and place (LPS, mm) of every seed; a fault where one lies outside the volume.
    pub fn within<T: Copy>(&self, volume: &Volume<T>) -> Result<Vec<(u8, DVec3)>, RonError> {
        let mut out = Vec::new();
        for (number, seed) in self.file.seeds.iter().enumerate() {
            let at = seed.at_mm.0;
            if volume.nearest(at).is_none() {
                let [low, high] = volume.bounds();
                let message =
                    format!("{} lies outside the images, which reach from {} to {} (LPS, mm)", show(at), show(low), show(high));
                return Err(self.fault("at_mm", number, message));
            }
            out.push((self.file.labels.get(&seed.label).copied().unwrap_or(0), at));
        }
        Ok(out)
    }

    /// A fault at the n-th place where `word` stands outside comments.
    fn fault(&self, word: &str, n: usize, message: String) -> RonError {
        let (mut line, mut column, mut left) = (1, 1, n);
        for (number, text) in self.text.lines().enumerate() {
            let code = text.split("//").next().unwrap_or("");
            let mut places = code.match_indices(word).map(|(at, _)| code[..at].chars().count() + 1);
            if let Some(found) = places.nth(left) {
                (line, column) = (number + 1, found);
                break;
            }
            left -= code.matches(word).count();
        }
        RonError::Fault { path: self.path.clone(), line, column, message }
    }
}

fn show(at: DVec3) -> String {
    format!("({:.1}, {:.1}, {:.1})", at.x, at.y, at.z)
}

#[cfg(test)]
mod tests {
    use glam::DAffine3;

    use super::*;

    const SOUND: &str = "(version: 1, // at_mm\n labels: {\"liver\": 5},\n seeds: [\n  (label: \"liver\", at_mm: (1, 2, 3)),\n  (label: \"background\", at_mm: (4, 4, 4)),\n ])";

    fn fault(from: &str, to: &str) -> String {
        assert!(SOUND.contains(from));
        let volume = Volume { dims: [6, 6, 6], lps_from_voxel: DAffine3::IDENTITY, voxels: vec![0u8; 216] };
        match Seeds::parse(SOUND.replace(from, to), Path::new("s.ron")).and_then(|seeds| seeds.within(&volume)) {
            Err(fault) => fault.to_string(),
            Ok(found) => format!("{found:?}"),
        }
    }

    #[test]
    fn every_fault_of_a_seed_has_its_place() {
        assert_eq!(fault("(1, 2, 3)", "(1, 2, 3)"), "[(5, DVec3(1.0, 2.0, 3.0)), (0, DVec3(4.0, 4.0, 4.0))]");
        for (from, to, place, says) in [
            ("(4, 4, 4)", "(4, 4, 40)", "s.ron:5:25: ", "outside the images"),
            ("(4, 4, 4)", "(4, NaN, 4)", "s.ron:5:", "no place"),
            ("label: \"liver\"", "label: \"lever\"", "s.ron:2:", "no seed"),
            ("label: \"background\"", "label: \"lever\"", "s.ron:5:20: ", "not among the labels (liver, background)"),
            ("label: \"background\"", "label: \"liver\"", "s.ron:3:2: ", "no seed of the background"),
            ("\"liver\": 5", "", "s.ron:2:2: ", "no label"),
            ("\"liver\": 5", "\"liver\": 0", "s.ron:2:11: ", "background"),
            ("\"liver\": 5", "\"liver\": 5, \"loin\": 5", "s.ron:2:", "of another label"),
            ("version: 1", "version: 2", "s.ron:1:2: ", "version 2"),
            (SOUND, "", "s.ron:1:1: ", ""),
        ] {
            let fault = fault(from, to);
            assert!(fault.starts_with(place) && fault.contains(says), "{to}: {fault}");
        }
        let seeds = Seeds::parse(SOUND.into(), Path::new("s.ron")).expect("sound");
        assert_eq!(seeds.value("liver").ok(), Some(5));
        assert!(seeds.value("kidney").is_err_and(|fault| fault.to_string().starts_with("s.ron:2:2: no label `kidney`")));
    }
}
