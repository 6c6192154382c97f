//! The parts of a `multipart/related` body as they arrive (RFC 2046 §5.1), one in memory at a time.

use std::io::{self, Read};

/// Longest head of a part.
const MAX_HEAD: usize = 1 << 16;

/// Why there is no further part.
#[derive(Debug)]
pub(super) enum Cut {
    /// The body ended before its closing boundary.
    Early,
    /// A part, or its head, is longer than allowed.
    TooLong,
    Io(io::Error),
}

pub(super) struct Parts<R> {
    body: R,
    /// What a boundary begins with, the line break before it included.
    delimiter: Vec<u8>,
    /// Bytes that have come and are not handed out.
    held: Vec<u8>,
    max_part: usize,
    begun: bool,
}

impl<R: Read> Parts<R> {
    pub fn new(body: R, boundary: &str, max_part: usize) -> Self {
        // the first boundary may stand at the very beginning, with no line break before it
        Self { body, delimiter: format!("\r\n--{boundary}").into_bytes(), held: b"\r\n".to_vec(), max_part, begun: false }
    }

    /// The content of the next part; nothing after the closing boundary.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, Cut> {
        let delimiter = self.delimiter.clone();
        if !self.begun {
            self.take_until(&delimiter, MAX_HEAD)?;
            self.begun = true;
        }
        while self.held.len() < 2 {
            self.more()?;
        }
        if self.held.starts_with(b"--") {
            return Ok(None);
        }
        // padding after the boundary, then the head, then an empty line
        self.take_until(b"\r\n", MAX_HEAD)?;
        self.held.splice(0..0, *b"\r\n");
        self.take_until(b"\r\n\r\n", MAX_HEAD)?;
        // an empty part's delimiter shares its line break with the empty line
        self.take_until(&delimiter, self.max_part).map(Some)
    }

    /// Takes out what comes before `mark`, and drops the mark.
    fn take_until(&mut self, mark: &[u8], most: usize) -> Result<Vec<u8>, Cut> {
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.held[searched..], mark) {
                let end = searched + at;
                let rest = self.held.split_off(end + mark.len());
                let mut taken = std::mem::replace(&mut self.held, rest);
                taken.truncate(end);
                return Ok(taken);
            }
            if self.held.len() > most {
                return Err(Cut::TooLong);
            }
            searched = self.held.len().saturating_sub(mark.len() - 1);
            self.more()?;
        }
    }

    fn more(&mut self) -> Result<(), Cut> {
        let before = self.held.len();
        self.held.resize(before + (1 << 16), 0);
        let read = loop {
            match self.body.read(&mut self.held[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.held.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(Cut::Early),
            Ok(_) => Ok(()),
            Err(error) => Err(Cut::Io(error)),
        }
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(next) = bytes.get(at..)?.iter().position(|&byte| byte == mark[0]) {
        at += next;
        if bytes[at..].starts_with(mark) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The boundary that a content type names, if it is `multipart/related`.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let mut fields = content_type.split(';').map(str::trim);
    if !fields.next()?.eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let (_, value) = fields.filter_map(|field| field.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    let value = value.trim_matches('"');
    (!value.is_empty() && value.len() <= 70).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a few bytes at a time, so that every boundary is cut somewhere.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    const BODY: &[u8] = b"--b\r\nContent-Type: application/dicom\r\n\r\none\r\n--c\r\n-\r\n--b \r\n\r\ntwo\r\n--b--\r\n";

    fn all(body: &[u8], step: usize) -> Result<Vec<Vec<u8>>, Cut> {
        let mut parts = Parts::new(Trickle(body, step), "b", 100);
        let mut out = Vec::new();
        while let Some(part) = parts.next()? {
            out.push(part);
        }
        Ok(out)
    }

    #[test]
    fn parts_come_out_whole_however_the_body_is_cut_up() {
        for step in 1..BODY.len() {
            let parts = all(BODY, step).expect("whole");
            assert_eq!(parts, [b"one\r\n--c\r\n-".to_vec(), b"two".to_vec()], "{step} bytes at a time");
        }
        let preamble = [b"to whom it may concern\r\n".as_slice(), BODY].concat();
        assert_eq!(all(&preamble, 7).expect("whole").len(), 2);
    }

    #[test]
    fn a_body_that_ends_early_or_never_is_an_error() {
        for end in 0..BODY.len() - 4 {
            assert!(matches!(all(&BODY[..end], 5), Err(Cut::Early)), "{end} bytes");
        }
        let endless = [b"--b\r\n\r\n".as_slice(), &[b'x'; 200_000]].concat();
        assert!(matches!(all(&endless, 1000), Err(Cut::TooLong)));
    }

    #[test]
    fn the_boundary_is_read_quoted_or_not() {
        assert_eq!(boundary("multipart/related; type=\"application/dicom\"; boundary=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(boundary("Multipart/Related;boundary=x;type=y").as_deref(), Some("x"));
        assert_eq!(boundary("application/json; boundary=x"), None);
    }
}
