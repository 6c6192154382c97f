//! A file of seeds while somebody places them: what was written by hand, comments too, stays as it was.

use std::path::{Path, PathBuf};

use glam::DVec3;

use super::seeds::{BACKGROUND, SeedFile, Seeds};
use crate::patient::ron_file::{self, RonError};

/// What a new file starts from.
const BLANK: &str =
    "// Places in DICOM's patient frame (LPS), millimetres.\n(\n    version: 1,\n    labels: {},\n    seeds: [\n    ],\n)\n";

/// Seeds that are being placed: unlike [`Seeds`] they need not be enough for a segmentation yet.
#[derive(Debug, Clone)]
pub struct SeedSheet {
    path: PathBuf,
    text: String,
    file: SeedFile,
}

impl SeedSheet {
    /// Opens a file of seeds, or begins one. Those of `organs` that it does not name get the next free values.
    ///
    /// # Errors
    /// A file that cannot be read or is not one of seeds; no label at all; more labels than a byte can tell apart.
    pub fn open(path: &Path, organs: &[String]) -> Result<Self, RonError> {
        let text = if path.exists() { ron_file::read(path)? } else { BLANK.to_owned() };
        let mut sheet = Self { path: path.to_owned(), file: ron_file::parse(&text, path)?, text };
        for organ in organs.iter().filter(|organ| *organ != BACKGROUND) {
            sheet.name(organ)?;
        }
        if sheet.file.labels.is_empty() {
            return Err(sheet.fault("labels", "no label: say which organs the seeds are for".into()));
        }
        Ok(sheet)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The labels with their values, the lowest first, and the background with 0 at the end.
    pub fn labels(&self) -> Vec<(String, u8)> {
        let mut out: Vec<(String, u8)> = self.file.labels.iter().map(|(name, value)| (name.clone(), *value)).collect();
        out.sort_by_key(|(_, value)| *value);
        out.push((BACKGROUND.to_owned(), 0));
        out
    }

    /// Label, value and place (LPS, mm) of every seed, in the order of the file; a label that the file does not name counts as background.
    pub fn seeds(&self) -> impl Iterator<Item = (&str, u8, DVec3)> {
        let value = |label: &str| self.file.labels.get(label).copied().unwrap_or(0);
        self.file.seeds.iter().map(move |seed| (seed.label.as_str(), value(&seed.label), seed.at_mm.0))
    }

    pub fn radius_mm(&self) -> f64 {
        self.file.radius_mm()
    }

    /// The seeds as a segmentation takes them; a fault with its place where they are not enough.
    pub fn whole(&self) -> Result<Seeds, RonError> {
        Seeds::parse(self.text.clone(), &self.path)
    }

    /// Adds a seed (LPS, mm) and saves the file.
    pub fn put(&mut self, label: &str, at_mm: DVec3) -> Result<(), RonError> {
        let DVec3 { x, y, z } = at_mm;
        let seed = format!("(label: {}, at_mm: ({x:.1}, {y:.1}, {z:.1})),", quoted(label));
        let code = code_of(&self.text);
        let [open, close] = self.list(&code)?;
        let last = code[..close].iter().rposition(|c| !c.is_ascii_whitespace()).unwrap_or(open);
        let mut text = self.text.clone();
        // a bracket on a line of its own stays there
        let line = text[..close].rfind('\n').map_or(0, |at| at + 1);
        if text[line..close].trim().is_empty() {
            text.insert_str(line, &format!("        {seed}\n"));
        } else {
            text.insert_str(close, &format!(" {seed}"));
        }
        if !matches!(code[last], b',' | b'[') {
            text.insert(last + 1, ',');
        }
        self.become_text(text)
    }

    /// Takes the seed nearest to a place out and saves the file; nothing where none lies within `reach_mm`.
    pub fn take(&mut self, at_mm: DVec3, reach_mm: f64) -> Result<Option<DVec3>, RonError> {
        let away = |number: &usize| self.file.seeds[*number].at_mm.0.distance(at_mm);
        let nearest = (0..self.file.seeds.len()).min_by(|a, b| away(a).total_cmp(&away(b)));
        let Some(number) = nearest.filter(|number| away(number) <= reach_mm) else { return Ok(None) };
        let taken = self.file.seeds[number].at_mm.0;
        let code = code_of(&self.text);
        let [open, close] = self.list(&code)?;
        let [mut from, mut to] = nth_group(&code[open + 1..close], number)
            .map(|range| range.map(|at| at + open + 1))
            .ok_or_else(|| self.fault("seeds", "this list cannot be edited; remove the seed by hand".into()))?;
        let comma = code[to..close].iter().position(|c| !c.is_ascii_whitespace()).filter(|at| code[to + at] == b',');
        to += comma.map_or(0, |at| at + 1);
        // with the line, if nothing else is on it
        let line = self.text[..from].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[to..].find('\n').map_or(self.text.len(), |at| to + at + 1);
        if self.text[line..from].trim().is_empty() && self.text[to..end].trim().is_empty() {
            (from, to) = (line, end);
        }
        let mut text = self.text.clone();
        text.replace_range(from..to, "");
        self.become_text(text)?;
        Ok(Some(taken))
    }

    /// Gives an organ the next free value, if it has none.
    fn name(&mut self, organ: &str) -> Result<(), RonError> {
        if self.file.labels.contains_key(organ) {
            return Ok(());
        }
        let free = (1..=u8::MAX).find(|value| !self.file.labels.values().any(|known| known == value));
        let value = free.ok_or_else(|| self.fault("labels", format!("no value is left for `{organ}`")))?;
        let code = code_of(&self.text);
        let field = find(&code, b"labels").ok_or_else(|| self.fault("labels", "no labels".into()))?;
        let open = field + find(&code[field..], b"{").ok_or_else(|| self.fault("labels", "no labels".into()))?;
        let mut text = self.text.clone();
        let is_spaced = self.text[open + 1..].starts_with(char::is_whitespace);
        let comma = if self.file.labels.is_empty() {
            ""
        } else if is_spaced {
            ","
        } else {
            ", "
        };
        text.insert_str(open + 1, &format!("{}: {value}{comma}", quoted(organ)));
        self.file = ron_file::parse(&text, &self.path)?;
        self.text = text;
        Ok(())
    }

    /// Takes an edited text over, if it still says what it should, and saves it.
    fn become_text(&mut self, text: String) -> Result<(), RonError> {
        let file = ron_file::parse(&text, &self.path)?;
        ron_file::write_whole(&self.path, &text).map_err(|source| RonError::Unwritable { path: self.path.clone(), source })?;
        (self.text, self.file) = (text, file);
        Ok(())
    }

    /// Where the list of seeds opens and closes.
    fn list(&self, code: &[u8]) -> Result<[usize; 2], RonError> {
        let field = find(code, b"seeds");
        let open = field.and_then(|field| find(&code[field..], b"[").map(|at| field + at));
        let pair = open.and_then(|open| find(&code[open..], b"]").map(|at| [open, open + at]));
        pair.ok_or_else(|| self.fault("seeds", "no list of seeds".into()))
    }

    fn fault(&self, word: &str, message: String) -> RonError {
        ron_file::fault_at(&self.text, word, &self.path, message)
    }
}

/// A name as RON writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

fn find(code: &[u8], what: &[u8]) -> Option<usize> {
    code.windows(what.len()).position(|window| window == what)
}

/// The n-th parenthesis on the outermost level, with its brackets.
fn nth_group(code: &[u8], n: usize) -> Option<[usize; 2]> {
    let (mut depth, mut from, mut count) = (0usize, 0, 0);
    for (at, c) in code.iter().enumerate() {
        match c {
            b'(' => {
                if depth == 0 {
                    from = at;
                }
                depth += 1;
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    if count == n {
                        return Some([from, at + 1]);
                    }
                    count += 1;
                }
            }
            _ => {}
        }
    }
    None
}

/// The bytes of a RON text with comments and the insides of strings blanked, each at its place.
fn code_of(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let from = at;
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'/')) => {
                at += bytes[at..].iter().position(|c| *c == b'\n').unwrap_or(bytes.len() - at);
                out[from..at].fill(b' ');
            }
            (b'/', Some(b'*')) => {
                let mut depth = 0usize;
                while at < bytes.len() {
                    match (bytes[at], bytes.get(at + 1)) {
                        (b'/', Some(b'*')) => (depth, at) = (depth + 1, at + 2),
                        (b'*', Some(b'/')) => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
                at = at.min(bytes.len());
                out[from..at].fill(b' ');
            }
            (b'"', _) => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                // a string counts as something, not as room
                out[from..at].fill(b'"');
            }
            _ => at += 1,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organs(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_new_file_is_one_that_a_segmentation_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seeds.ron");
        let mut sheet = SeedSheet::open(&path, &organs(&["liver", "spleen"])).expect("a new sheet");
        assert_eq!(sheet.labels(), [("liver".into(), 1), ("spleen".into(), 2), ("background".into(), 0)]);
        assert!(sheet.whole().is_err_and(|fault| fault.to_string().contains("`liver` has no seed")));
        for (label, x) in [("liver", 1.0), ("spleen", 2.0), ("background", -30.26)] {
            sheet.put(label, DVec3::new(x, 2.0, 3.0)).expect("room");
        }
        assert_eq!(sheet.take(DVec3::ZERO, 2.0).expect("no fault"), None, "nothing that near");
        let seeds = Seeds::read(&path).expect("whole");
        assert_eq!(seeds.labels(), [("liver".into(), 1), ("spleen".into(), 2)]);
        let again = SeedSheet::open(&path, &[]).expect("known");
        assert_eq!(
            again.seeds().map(|(label, value, at)| (label.to_owned(), value, at.x)).collect::<Vec<_>>(),
            [("liver".to_owned(), 1, 1.0), ("spleen".to_owned(), 2, 2.0), ("background".to_owned(), 0, -30.3)]
        );
    }

    #[test]
    fn what_was_written_by_hand_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seeds.ron");
        let before = "// seeds: [ of /* A */\n(version: 1, labels: {\"liver \\\"(\": 5},\n  seeds: [ /* the [right] lobe (big) */\n    (label: \"liver \\\"(\", at_mm: (1, 2, 3)), // sure\n    (label: \"background\", at_mm: (4, 4, 4))\n  ])";
        std::fs::write(&path, before).expect("written");
        let mut sheet = SeedSheet::open(&path, &organs(&["spleen"])).expect("a sheet");
        sheet.put("liver \"(", DVec3::new(9.0, 9.0, 9.0)).expect("room");
        sheet.put("spleen", DVec3::new(7.0, 9.0, 9.0)).expect("room");
        assert_eq!(sheet.take(DVec3::new(4.1, 4.0, 4.0), 1.0).expect("no fault"), Some(DVec3::splat(4.0)));
        let after = std::fs::read_to_string(&path).expect("there");
        assert_eq!(
            after,
            "// seeds: [ of /* A */\n(version: 1, labels: {\"spleen\": 1, \"liver \\\"(\": 5},\n  seeds: [ /* the [right] lobe (big) */\n    (label: \"liver \\\"(\", at_mm: (1, 2, 3)), // sure\n        (label: \"liver \\\"(\", at_mm: (9.0, 9.0, 9.0)),\n        (label: \"spleen\", at_mm: (7.0, 9.0, 9.0)),\n  ])"
        );
        assert_eq!(sheet.seeds().count(), 3);
    }

    #[test]
    fn what_is_no_file_of_seeds_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seeds.ron");
        assert!(SeedSheet::open(&path, &[]).is_err_and(|fault| fault.to_string().contains("no label")));
        assert!(!path.exists());
        std::fs::write(&path, "(version: 1, labels: {\"liver\": 1}, seeds: [(label: 3)])").expect("written");
        assert!(SeedSheet::open(&path, &[]).is_err_and(|fault| fault.to_string().contains("seeds.ron:1:")));
        let gone = SeedSheet::open(&folder.path().join("no/where.ron"), &organs(&["liver"]))
            .expect("a new sheet")
            .put("liver", DVec3::ZERO);
        assert!(gone.is_err_and(|fault| fault.to_string().contains("cannot be written")));
    }
}
