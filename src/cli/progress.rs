//! Progress on stderr: a bar on a terminal, a line a stage elsewhere.

use std::{io::IsTerminal, sync::Mutex};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how far a long piece of work is.
pub struct Progress {
    bar: ProgressBar,
    stage: Mutex<String>,
    terminal: bool,
}

impl Progress {
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg:32} {bar:40} {pos}/{len} {elapsed}") {
            bar.set_style(style);
        }
        Self { bar, stage: Mutex::default(), terminal: std::io::stderr().is_terminal() }
    }

    /// `done` of `total` in a stage of that name.
    pub fn at(&self, stage: &str, done: usize, total: usize) {
        if let Ok(mut last) = self.stage.lock()
            && *last != stage
        {
            *last = stage.to_owned();
            self.bar.set_message(stage.to_owned());
            if !self.terminal {
                eprintln!("{stage} …");
            }
        }
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
