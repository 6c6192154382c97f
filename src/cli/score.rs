//! `halsted score`: a score again, from the trace and a rubric alone.

use std::path::PathBuf;

use clap::Args;

use super::{Answer, Found, print_json, print_line, run};
use crate::{scoring, session::Trace};

#[derive(Args)]
pub struct Score {
    trace: PathBuf,
    /// Another rubric than the one that the trace carries
    #[arg(long, value_name = "RON")]
    rubric: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

impl Score {
    pub fn run(self) -> Answer {
        let trace = Trace::read(&self.trace)?;
        let rubric = match &self.rubric {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|why| miette::miette!("{}: cannot be read: {why}", path.display()))?;
                scoring::parse(&text, &path.display().to_string())?
            }
            None => scoring::rubric_of(&trace)?,
        };
        let score = run::scored(&trace, &rubric, Some(&self.trace))?;
        if self.json {
            print_json(&score)?
        } else {
            print_line(&run::summary(&score))?
        }
        Ok(Found::Well)
    }
}
