//! Apart: a row in a process of its own, of this build or of another one. So what the compiler was told can be held
//! against what it was not, all else the same: both pay for a process.

use crate::WORKLOAD;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use technique::phase::COMMAND;
use technique::{Absent, Lap, Promises, Site, Technique, Variant};

/// What the sources of this build are called.
pub const SOURCES: &str = env!("WALK_SOURCES");

/// The program of each build.
const PROGRAM: &str = "walk-row";

/// Which build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// That which is running, from its own directory.
    Same,
    /// `-O2` and nothing else: no processor's own instructions, nothing optimized across crates: `just tuned`.
    Plain,
    /// `-O3`, this processor's own instructions, and optimization at link time over all crates: `just tuned`.
    Tuned,
}

/// A row in a process of its own.
pub struct Apart {
    /// The row.
    pub row: &'static str,
    /// The build.
    pub build: Build,
}

impl Build {
    /// Where its program lies, if it was built, and how it is built.
    fn program(self) -> (Option<PathBuf>, &'static str) {
        let Ok(here) = std::env::current_exe() else { return (None, "mount /proc, which knows where this program is") };
        match self {
            // A test lies one directory below.
            Build::Same => {
                let near = here.ancestors().skip(1).take(2).map(|dir| dir.join(PROGRAM));
                (near.into_iter().find(|path| path.is_file()), "cargo build --release")
            }
            Build::Plain => (of_profile("plain"), "just tuned"),
            Build::Tuned => (of_profile("tuned"), "just tuned"),
        }
    }
}

fn of_profile(profile: &str) -> Option<PathBuf> {
    let program = technique::checkout::build_directory()?.join(profile).join(PROGRAM);
    program.is_file().then_some(program)
}

impl Apart {
    fn variant(&self) -> &'static Variant {
        WORKLOAD.variant(self.row).expect("the table holds the row")
    }
}

impl Technique for Apart {
    type Ready = Command;

    fn prepare(&self, site: &Site) -> Result<Command> {
        let (program, mend) = self.build.program();
        let program = program.ok_or_else(|| Absent::because("that build is not there", mend))?;
        let said = Command::new(&program).arg("--sources").stdin(Stdio::null()).output();
        let said = said.with_context(|| format!("starting {}", program.display()))?;
        if String::from_utf8_lossy(&said.stdout).trim() != SOURCES {
            return Err(Absent::because(format!("{} is a build of other sources", program.display()), mend));
        }
        let mut command = Command::new(program);
        command.arg(self.row).arg(&site.source).arg(&site.target).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }

    fn work(&self, command: &mut Command, lap: &mut Lap) -> Result<()> {
        let status = command.status().with_context(|| format!("starting {PROGRAM}"))?;
        if !status.success() {
            bail!("{PROGRAM} {} ended with {status}", self.row);
        }
        lap.mark(COMMAND);
        Ok(())
    }

    fn promises(&self) -> Promises {
        self.variant().technique.promises()
    }
}

/// Does a row's work once: what the program of a build is there for.
pub fn work_once(row: &str, source: &Path, target: &Path) -> Result<()> {
    let variant = WORKLOAD.variant(row).with_context(|| format!("walk has no row named {row:?}"))?;
    let site = Site::new(source.to_owned(), target.to_owned(), target.join("kept"), fixtures::Tally::default());
    let mut prepared = variant.technique.prepare(&site)?;
    prepared.work(&mut Lap::start(false))?;
    prepared.settle(&site)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_done_apart_as_it_is_done_here() {
        let dir = tempfile::tempdir().unwrap();
        let [source, target] = ["source", "target"].map(|name| dir.path().join(name));
        std::fs::create_dir_all(source.join("a")).unwrap();
        std::fs::create_dir(&target).unwrap();
        work_once("best", &source, &target).unwrap();
        let site = Site::new(source.clone(), target.clone(), dir.path().join("kept"), fixtures::Tally::default());
        let (expected, got) = ((WORKLOAD.expected)(&site).unwrap(), (WORKLOAD.outcome)(&site).unwrap());
        assert_eq!(expected.differences(&got, WORKLOAD.variant("best").unwrap().technique.promises()), [""; 0]);
        assert!(work_once("no such row", &source, &target).is_err());
    }
}
