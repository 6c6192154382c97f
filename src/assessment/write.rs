//! The files of an assessment, all or none.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use super::{data_uri, record, report, tables};
use crate::{
    scoring::{Rubric, Score},
    session::Trace,
};

/// What [`write_assessment`] leaves in its folder.
pub const FILES: [&str; 5] = ["assessment.json", "metrics.csv", "events.csv", "kinematics.csv", "report.html"];

/// Why an assessment cannot be written. Nothing of it is then left in the folder.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AssessmentError {
    #[error("{}: cannot be written: the disk is full", path.display())]
    #[diagnostic(help("an assessment needs a few megabytes; free some, or choose another folder with --out"))]
    DiskFull { path: PathBuf },
    #[error("{}: cannot be written: permission denied", path.display())]
    #[diagnostic(help("choose a folder that you may write to with --out"))]
    Denied { path: PathBuf },
    #[error("{}: cannot be written: {why}", path.display())]
    Io { path: PathBuf, why: std::io::Error },
    #[error("{}: not a picture for the report: {why}", path.display())]
    #[diagnostic(help("pictures are PNG files"))]
    Picture { path: PathBuf, why: String },
    #[error("{file}: cannot be put together: {why}")]
    Render { file: &'static str, why: String },
}

impl AssessmentError {
    fn io(path: &Path, why: std::io::Error) -> Self {
        let path = path.to_owned();
        match why.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Denied { path },
            _ => Self::Io { path, why },
        }
    }
}

/// Writes the files of [`FILES`] into `dir`, which is made if it is missing; earlier ones of the same names are replaced. `pictures` are
/// PNG files with their captions, for the report.
pub fn write_assessment(
    dir: &Path,
    trace: &Trace,
    score: &Score,
    rubric: &Rubric,
    pictures: &[(String, PathBuf)],
) -> Result<(), AssessmentError> {
    let pictures = pictures
        .iter()
        .map(|(caption, path)| Ok((caption.clone(), data_uri::of_png(path)?)))
        .collect::<Result<Vec<_>, AssessmentError>>()?;
    let render = |file| move |why: String| AssessmentError::Render { file, why };
    let contents: [Vec<u8>; 5] = [
        record::to_json(trace, score, rubric).map_err(|why| render(FILES[0])(why.to_string()))?,
        tables::metrics(trace, score).map_err(|why| render(FILES[1])(why.to_string()))?,
        tables::events(trace).map_err(|why| render(FILES[2])(why.to_string()))?,
        tables::kinematics(trace).map_err(|why| render(FILES[3])(why.to_string()))?,
        report::html(trace, score, rubric, &pictures).map_err(render(FILES[4]))?.into_bytes(),
    ];
    std::fs::create_dir_all(dir).map_err(|why| AssessmentError::io(dir, why))?;
    let mut parts = Parts(Vec::new());
    for (name, bytes) in FILES.into_iter().zip(&contents) {
        let path = dir.join(name);
        let part = dir.join(format!(".{name}.{}.part", std::process::id()));
        parts.0.push((part.clone(), path.clone()));
        let written = File::create(&part).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(|why| AssessmentError::io(&path, why))?;
    }
    for (part, path) in &parts.0 {
        std::fs::rename(part, path).map_err(|why| AssessmentError::io(path, why))?;
    }
    Ok(())
}

/// Temporary files with the places they are meant for; what is still there when this is dropped is removed.
struct Parts(Vec<(PathBuf, PathBuf)>);

impl Drop for Parts {
    fn drop(&mut self) {
        for (part, _) in &self.0 {
            // the renamed ones are gone, and a file that cannot be removed is no worse than the fault being reported
            let _ = std::fs::remove_file(part);
        }
    }
}
