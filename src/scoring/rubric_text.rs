//! Where in a rubric's text a fault lies.

/// A fault of a rubric file: `file:line:column: message`, with help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct RubricFault {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
    pub help: Option<String>,
}

impl miette::Diagnostic for RubricFault {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }
}

/// Places (line, column, both from 1) of the values of `key: value` pairs in RON, in the order of the text.
///
/// The parser gives places only for what it cannot read; a fault between values that it could read is looked up here. Strings and
/// comments are skipped.
pub fn places_of(text: &str, key: &str) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut chars = Cursor::new(text);
    let mut wanted = false;
    while let Some(c) = chars.peek() {
        match c {
            '/' if chars.rest().starts_with("//") => chars.skip_while(|c| c != '\n'),
            '/' if chars.rest().starts_with("/*") => chars.skip_block_comment(),
            c if c.is_whitespace() => chars.step(),
            _ => {
                if std::mem::take(&mut wanted) {
                    places.push((chars.line, chars.column));
                }
                if c == '"' {
                    chars.skip_string();
                } else if c.is_alphabetic() || c == '_' {
                    let word = chars.rest();
                    let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
                    wanted = &word[..end] == key && word[end..].trim_start().starts_with(':');
                    for _ in 0..word[..end].chars().count() {
                        chars.step();
                    }
                    if wanted {
                        chars.skip_while(|c| c != ':');
                        chars.step();
                    }
                } else {
                    chars.step();
                }
            }
        }
    }
    places
}

/// A walk through text that knows its line and column.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, column: 1 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn step(&mut self) {
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            (self.line, self.column) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
    }

    fn skip_while(&mut self, go_on: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&go_on) {
            self.step();
        }
    }

    fn skip_string(&mut self) {
        self.step();
        while let Some(c) = self.peek() {
            self.step();
            match c {
                '\\' => self.step(),
                '"' => return,
                _ => {}
            }
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while self.peek().is_some() {
            let rest = self.rest();
            let (change, opens) = (rest.starts_with("/*") || rest.starts_with("*/"), rest.starts_with("/*"));
            self.step();
            if change {
                self.step();
                depth = if opens { depth + 1 } else { depth - 1 };
                if depth == 0 {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_strings_and_comments_are_not_places() {
        let text = "(\n  // best: 1\n  note: \"best: \\\" 2\", /* best: /* 3 */ */\n  best:  4, bestest: 5,\n  best :6)";
        assert_eq!(places_of(text, "best"), [(4, 10), (5, 9)]);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(places_of("(é: \"ü\", key: 1)", "key"), [(1, 15)]);
    }
}
