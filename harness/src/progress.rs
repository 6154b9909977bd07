//! Progress of long work: a bar on a terminal, a line now and then elsewhere, nothing where nobody wants it.

use crate::pace::{Pace, clock_of, now};
use crate::say::say;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

/// How progress is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// A bar that redraws itself.
    Bar,
    /// A plain line every ten seconds or ten per cent.
    Lines,
    /// Nothing.
    Silent,
}

impl Telling {
    /// What suits the place that errors go to.
    pub fn fitting(silent: bool) -> Telling {
        if silent {
            Telling::Silent
        } else if std::io::stderr().is_terminal() {
            Telling::Bar
        } else {
            Telling::Lines
        }
    }
}

/// The progress of one stage.
pub struct Progress {
    stage: String,
    pace: Pace,
    told: Mutex<(Duration, u64)>,
    telling: Telling,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins a stage.
    pub fn begin(telling: Telling, stage: &str) -> Progress {
        let bar = (telling == Telling::Bar).then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{prefix:9} {bar:24.}  {msg}")
                .expect("the template is of indicatif's grammar")
                .progress_chars("##-");
            bar.set_style(style);
            bar.set_prefix(stage.to_owned());
            bar
        });
        let stage = stage.to_owned();
        Progress { stage, pace: Pace::begin(), told: Mutex::new((Duration::ZERO, 0)), telling, bar }
    }

    /// Tells how far it is: `done` of `all`, in words too.
    pub fn at(&self, done: u64, all: u64, words: &str) {
        let left = self.pace.left(done, all).map_or(String::new(), |left| format!(", {} left", clock_of(left)));
        match (&self.bar, self.telling) {
            (Some(bar), _) => {
                bar.set_length(all);
                bar.set_position(done.min(all));
                bar.set_message(format!("{words}{left}"));
            }
            (None, Telling::Lines) => {
                let passed = self.pace.passed();
                let tenth = done * 10 / all.max(1);
                // Workers report too; whoever finds the line just told leaves it.
                let Ok(mut told) = self.told.lock() else { return };
                if passed >= told.0 + Duration::from_secs(10) || (tenth > told.1 && passed > Duration::from_secs(1)) {
                    *told = (passed, tenth);
                    say(&format!("{} {} {words}{left}", now().strftime("%H:%M:%S"), self.stage));
                }
            }
            (None, _) => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
