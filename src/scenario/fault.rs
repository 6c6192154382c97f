//! A mistake in a file, with its place and what to do about it.

use std::fmt;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub help: Option<String>,
}

/// All mistakes of one file; prints as `file:line:column: message` with the help under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    pub file: String,
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}:{}: {}", self.file, fault.line, fault.column, fault.message)?;
            if let Some(help) = &fault.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
impl miette::Diagnostic for Faults {}

/// Line and column (from 1) of the place that a chain of words leads to: each is looked for after the one before. The start of the
/// text when a word is missing.
pub fn place_of(text: &str, chain: &[&str]) -> (usize, usize) {
    let mut at = 0;
    for (index, word) in chain.iter().enumerate() {
        match text[at..].find(word) {
            Some(found) if index + 1 == chain.len() => at += found,
            Some(found) => at += found + word.len(),
            None => return (1, 1),
        }
    }
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}

/// The candidate nearest to a misspelt word, for “did you mean”: fewest edits, at most a third of its length.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3 + 1)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let swap = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = swap.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_by_the_words_that_lead_to_it() {
        let text = "(\n  steps: [\n    (id: \"a\", title: \"x\"),\n    (id: \"b\", title: \"x\"),\n  ],\n)";
        assert_eq!(place_of(text, &["steps", "\"b\"", "title"]), (4, 15));
        assert_eq!(place_of(text, &["nowhere"]), (1, 1));
    }

    #[test]
    fn a_misspelt_word_finds_its_neighbour() {
        assert_eq!(nearest("clip-aplier", ["grasper", "clip-applier"].into_iter()), Some("clip-applier"));
        assert_eq!(nearest("telescope", ["grasper", "hook"].into_iter()), None);
    }
}
