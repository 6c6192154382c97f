//! Reading the RON files that people write for this module: every fault with its place.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

/// Largest such file that is read, bytes.
const LIMIT: u64 = 4 << 20;

/// Why a record or a model cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RonError {
    #[error("{} cannot be read: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable { path: PathBuf, source: std::io::Error },
    #[error("{} is larger than {LIMIT} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{}:{line}:{column}: {message}", path.display())]
    Fault { path: PathBuf, line: usize, column: usize, message: String },
}

/// Reads `text`; `path` is the name that a fault carries.
pub(super) fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, RonError> {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(text).map_err(|fault| RonError::Fault {
        path: path.to_owned(),
        line: fault.span.start.line,
        column: fault.span.start.col,
        message: fault.code.to_string(),
    })
}

/// The text of a file, if it is of a sensible size.
pub(super) fn read(path: &Path) -> Result<String, RonError> {
    let io = |source| RonError::Io { path: path.to_owned(), source };
    let mut text = String::new();
    fs::File::open(path).map_err(io)?.take(LIMIT + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > LIMIT { Err(RonError::TooLarge(path.to_owned())) } else { Ok(text) }
}

/// Writes a text file whole or not at all.
pub fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(text.as_bytes())?;
    make_public(file.as_file())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|fault| fault.error)?;
    Ok(())
}

/// A temporary file is readable by its owner alone; what a user asked for is readable as any other file.
pub(super) fn make_public(file: &fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// A fault at the first place where `word` stands (the start of the file where it does not).
pub(super) fn fault_at(text: &str, word: &str, path: &Path, message: String) -> RonError {
    let before = text.find(word).map_or("", |at| &text[..at]);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    RonError::Fault { path: path.to_owned(), line, column, message }
}
