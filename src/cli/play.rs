//! `halsted play`: the theatre.

use std::path::PathBuf;

use clap::Args;

use super::{Answer, Found, assets, run};
use crate::{
    session::plugin::{SessionConfig, Source},
    theatre, xr,
};

#[derive(Args, Default)]
pub struct Play {
    /// The case's file, or the name of a bundled one [default: wedge_excision]
    case: Option<PathBuf>,
    /// In a headset, through OpenXR
    #[arg(long)]
    xr: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Watch a bot instead of operating: expert or novice
    #[arg(long, value_name = "NAME")]
    bot: Option<String>,
    /// Write the trace here
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

impl Play {
    pub fn run(self) -> Answer {
        let case = assets::case(&self.case.unwrap_or_else(|| PathBuf::from("wedge_excision")))?;
        let source = match &self.bot {
            Some(name) => Source::Bot(run::skill(name)?),
            None => Source::Live(if self.xr { "openxr" } else { "mouse" }),
        };
        let config = SessionConfig { case, assets: assets::assets()?, seed: self.seed, source, trace: self.trace };
        if self.xr {
            xr::play(config)?
        } else {
            theatre::play(config)?
        }
        Ok(Found::Well)
    }
}
