//! Why a session cannot run.

use std::path::PathBuf;

use super::TraceError;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SessionError {
    #[error("{}: no such case", path.display())]
    #[diagnostic(help("cases are .ron files; `halsted check PATH` tells what is wrong with one"))]
    NoCase { path: PathBuf },
    /// The message carries file, line and column of every fault.
    #[error("{0}")]
    Case(String),
    #[error("the patient `{name}` cannot be loaded: {why}")]
    #[diagnostic(help("looked in {}; `halsted patient import` makes a twin, and HALSTED_ASSETS names another folder of assets", folder.display()))]
    Twin { name: String, folder: PathBuf, why: String },
    #[error("the tissue cannot be simulated: {0}")]
    Tissue(String),
    #[error("this case has nothing that a bot could do")]
    NoPlan,
    #[error("the trace was recorded with another patient than the one at hand")]
    #[diagnostic(help("its twin has sha256 {recorded}, this one {found}"))]
    OtherTwin { recorded: String, found: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Trace(#[from] TraceError),
    #[error("the session stopped: {0}")]
    Stopped(String),
}
