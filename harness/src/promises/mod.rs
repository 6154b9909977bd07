//! `assay promises`: what rows promise, put under fire. A claim that fails is broken, and the command ends with 5.

mod ground;
mod kill;
mod notes;
mod power;
mod rot;
mod told;
mod trouble;

use crate::catalogue::{self, peer};
use crate::cli::Said;
use crate::file_system::{Kind, withdraw};
use crate::pace::Pace;
use crate::progress::{Progress, Telling};
use crate::refusal::Refusal;
use crate::scratch::{Scratch, default_place};
use crate::signals;
use anyhow::Result;
use clap::{Args, ValueEnum};
use fixtures::Fixture;
use ground::{Ground, Row};
use notes::Notes;
use std::path::PathBuf;
use std::time::Duration;
use technique::{Absent, Promise, Variant, Workload};
use told::{Line, said};

/// The workloads whose rows fill a directory with the source's tree: one yardstick tells what is whole.
const TREES: [&str; 3] = ["restore", "syscalls", "batching"];

/// Which rows, and how hard.
#[derive(Args)]
#[command(after_long_help = AFTER)]
pub struct PromisesArgs {
    /// WORKLOAD or WORKLOAD/ROW of those that fill a directory [default: restore]
    rows: Vec<String>,
    /// Rows that stand aside too
    #[arg(long)]
    all: bool,
    /// So many kills, and so many flipped bits, of each row that claims to bear them
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    moments: u32,
    /// What to try [default: all of it]
    #[arg(long = "trial", value_name = "TRIAL,…", value_enum, value_delimiter = ',')]
    trials: Vec<Trial>,
    /// Try `atomic`, `durable` and `verified` on rows that do not claim them, too: what happens is told, and breaks
    /// nothing
    #[arg(long)]
    unclaimed: bool,
    /// The tree
    #[arg(long = "on", value_name = "FIXTURE", default_value = "tiny")]
    on: String,
    /// The file systems on which the power fails (needs root)
    #[arg(long = "fs", value_name = "KIND,…", value_enum, value_delimiter = ',', default_value = "ext4,xfs,btrfs")]
    fs: Vec<Kind>,
    /// A program of yours as a row, with what it promises: 'cp[atomic,times]=cp -a {source}/. {target}'
    #[arg(long, value_name = "NAME[PROMISE,…]=COMMAND")]
    peer: Vec<String>,
    /// Where to work: an empty or new directory [default: memory if there is room, else beside the records]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// The seed of moments and bits
    #[arg(long, default_value_t = 20_261_121)]
    seed: u64,
    /// Kill a run that takes longer
    #[arg(long, value_name = "TIME", value_parser = crate::pace::parse_duration, default_value = "2m")]
    limit: Duration,
    /// Begin no trial after so long
    #[arg(long, value_name = "TIME", value_parser = crate::pace::parse_duration)]
    budget: Option<Duration>,
    /// Note each trial here when it is done; what this build has noted already is told, and not tried again
    #[arg(long, value_name = "FILE")]
    notes: Option<PathBuf>,
}

const AFTER: &str =
    "Exit codes: 0 every claim held; 5 a claim was broken; 3 what was tried held, and the budget ended first;
2 bad arguments; 6 unreadable notes; 130 stopped.

With --notes a campaign that was stopped, or whose budget ended, goes on where it was.

What can be tried only by root, or only with a file system that is not here, is told as absent.";

/// A way of putting a row under fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Trial {
    /// A SIGKILL at random moments: no file under its final name is ever incomplete
    Atomic,
    /// The power fails when a run has returned: every file is there and whole
    Durable,
    /// A bit of the store flips: it is told, with a file's name, and nothing wrong is restored
    Verified,
    /// Under a mask that takes permissions away, all comes out as the row promises
    Kept,
    /// The disk is full after every tenth of the tree: told by name, and no half file stays
    Full,
    /// No more than 64 files may be open: right, or told
    Descriptors,
    /// The target is mounted read-only: told
    ReadOnly,
    /// The target lies on another file system than what is read: right, or told
    Elsewhere,
}

impl Trial {
    const ALL: [Trial; 8] = [
        Trial::Atomic,
        Trial::Durable,
        Trial::Verified,
        Trial::Kept,
        Trial::Full,
        Trial::Descriptors,
        Trial::ReadOnly,
        Trial::Elsewhere,
    ];

    /// The promise that it tries; none where every row has to bear it.
    fn of(self) -> Option<Promise> {
        match self {
            Trial::Atomic => Some(Promise::Atomic),
            Trial::Durable => Some(Promise::Durable),
            Trial::Verified => Some(Promise::Verified),
            _ => None,
        }
    }

    /// The trial of that name.
    fn named(name: &str) -> Option<Trial> {
        Trial::ALL.into_iter().find(|trial| trial.name() == name)
    }

    /// How many moments it takes as long as, about: by this what is left is foretold.
    fn effort(self, arguments: &PromisesArgs) -> u64 {
        const TO_GET_READY: u64 = 2;
        let moments = u64::from(arguments.moments);
        TO_GET_READY
            + match self {
                Trial::Atomic => 3 + moments,
                Trial::Verified => moments,
                Trial::Durable => {
                    arguments.fs.len() as u64 * moments.div_ceil(power::MOMENTS.into()) * u64::from(power::MOMENTS)
                }
                Trial::Full => 10,
                Trial::Kept | Trial::Descriptors | Trial::ReadOnly | Trial::Elsewhere => 1,
            }
    }

    fn name(self) -> &'static str {
        match self {
            Trial::Atomic => "atomic",
            Trial::Durable => "durable",
            Trial::Verified => "verified",
            Trial::Kept => "kept",
            Trial::Full => "full",
            Trial::Descriptors => "descriptors",
            Trial::ReadOnly => "read-only",
            Trial::Elsewhere => "elsewhere",
        }
    }
}

/// What came of trying a row so often.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// How often it was tried.
    pub(crate) tried: u32,
    /// How often the claim was broken.
    pub(crate) broken: u32,
    /// What was wrong, the first few times.
    pub(crate) wrong: Vec<String>,
    /// What is worth knowing besides.
    pub(crate) note: String,
}

impl Found {
    /// Counts one try, and what was wrong with it.
    pub(crate) fn count(&mut self, wrong: &[String]) {
        const TOLD: usize = 3;
        self.tried += 1;
        if let Some(first) = wrong.first() {
            self.broken += 1;
            if self.wrong.len() < TOLD {
                self.wrong.push(first.clone());
            }
        }
    }
}

/// A row, and a way of putting it under fire.
pub(crate) struct Item<'a> {
    name: String,
    row: &'a Row,
    trial: Trial,
    claimed: bool,
}

/// Puts rows under fire, and says which of their promises held.
pub fn promises(arguments: &PromisesArgs, telling: Telling) -> Result<Said> {
    let pace = Pace::begin();
    let rows = rows(arguments)?;
    let mut notes = arguments.notes.as_deref().map(|file| Notes::open(file, arguments)).transpose()?;
    // Before any thread: what is mounted for a trial must be seen by who looks at it.
    let withdrawn = withdraw();
    let fixture = crate::fixture::ready(&arguments.on, telling)?;
    signals::listen()?;
    let need = 4 * fixture.tally.bytes + (2 << 30);
    let scratch = Scratch::take(&arguments.scratch.clone().unwrap_or_else(|| default_place(need)))?;
    let agenda = agenda(arguments, &rows);
    let is_noted = |notes: &Option<Notes>, item: &Item| notes.as_ref().is_some_and(|notes| notes.has(item));
    let to_do = agenda.iter().filter(|item| !is_noted(&notes, item));
    let all: u64 = to_do.map(|item| item.trial.effort(arguments)).sum();
    let progress = Progress::begin(telling, "promises");
    let (mut lines, mut done, mut left) = (Vec::new(), 0, 0);
    for item in &agenda {
        if let Some(notes) = notes.as_ref().filter(|notes| notes.has(item)) {
            lines.extend(notes.of(item));
            continue;
        }
        if signals::asked_to_stop() || arguments.budget.is_some_and(|budget| pace.passed() >= budget) {
            left += 1;
            continue;
        }
        let tell = |moment: u32| {
            progress.at(done + u64::from(moment), all, &format!("{} {}", item.name, item.trial.name()));
        };
        tell(0);
        let course = Course { arguments, row: item.row, fixture: &fixture, scratch: &scratch, withdrawn: &withdrawn };
        let Item { name, trial, claimed, .. } = item;
        let line = |(of, found)| Line { row: format!("{name}{of}"), trial: *trial, claimed: *claimed, found };
        let tried: Vec<Line> = course.run(*trial, &tell)?.into_iter().map(line).collect();
        // What was stopped on its way is told, but it is not done.
        if let Some(notes) = notes.as_mut().filter(|_| !signals::asked_to_stop()) {
            notes.add(&tried)?;
        }
        lines.extend(tried);
        done += item.trial.effort(arguments);
    }
    drop(progress);
    Ok(said(&lines, arguments.seed, left))
}

/// All that is to be tried.
fn agenda<'a>(arguments: &PromisesArgs, rows: &'a [Row]) -> Vec<Item<'a>> {
    let chosen = if arguments.trials.is_empty() { &Trial::ALL[..] } else { arguments.trials.as_slice() };
    let item = |row: &'a Row, trial: Trial| {
        let claimed = trial.of().is_none_or(|promise| row.variant.technique.promises().has(promise));
        Item { name: format!("{}/{}", row.workload.name, row.variant.name), row, trial, claimed }
    };
    let items = rows.iter().flat_map(|row| chosen.iter().map(move |trial| item(row, *trial)));
    items.filter(|item| item.claimed || arguments.unclaimed).collect()
}

/// One row on its way through one trial.
struct Course<'a> {
    arguments: &'a PromisesArgs,
    row: &'a Row,
    fixture: &'a Fixture,
    scratch: &'a Scratch,
    withdrawn: &'a Result<(), Absent>,
}

impl Course<'_> {
    /// What came of it, once, or once for each file system, whose name then stands beside.
    fn run(&self, trial: Trial, tell: &dyn Fn(u32)) -> Result<Vec<(String, Result<Found, Absent>)>> {
        let PromisesArgs { moments, seed, limit, .. } = *self.arguments;
        let once = |found| Ok(vec![(String::new(), found)]);
        let mounts = matches!(trial, Trial::Durable | Trial::Full | Trial::ReadOnly | Trial::Elsewhere);
        if let (true, Err(absent)) = (mounts, self.withdrawn) {
            return once(Err(absent.clone()));
        }
        if trial == Trial::Durable {
            let mut found = Vec::new();
            for kind in self.arguments.fs.iter().filter(|kind| **kind != Kind::Tmpfs) {
                let came = power::cut(self.row, self.fixture, *kind, self.scratch.path(), moments, limit)?;
                found.push((format!(" on {}", kind.name()), came));
            }
            return Ok(found);
        }
        let place = self.scratch.path().join("row");
        std::fs::create_dir_all(&place)?;
        let came = match Ground::set(&place, self.row, self.fixture, limit)? {
            Err(absent) => Err(absent),
            Ok(mut ground) => match trial {
                Trial::Atomic => Ok(kill::kill(&mut ground, moments, seed, tell)?),
                Trial::Verified => rot::flip(&mut ground, moments, seed, tell)?,
                Trial::Kept => Ok(trouble::kept(&mut ground)?),
                Trial::Full => Ok(trouble::full(&mut ground, &place)?),
                Trial::Descriptors => Ok(trouble::descriptors(&mut ground)?),
                Trial::ReadOnly => Ok(trouble::read_only(&mut ground, &place)?),
                Trial::Elsewhere => Ok(trouble::elsewhere(&mut ground, &place)?),
                Trial::Durable => unreachable!("it was answered above"),
            },
        };
        crate::removal::remove_tree(&place)?;
        once(came)
    }
}

/// The rows that these words name: of a workload all but stubs, which are no way to do it.
fn rows(arguments: &PromisesArgs) -> Result<Vec<Row>> {
    let own = vec!["restore".to_owned()];
    let words = if arguments.rows.is_empty() { &own } else { &arguments.rows };
    let mut rows: Vec<Row> = Vec::new();
    let mut workloads: Vec<&'static Workload> = Vec::new();
    for word in words {
        let (name, row) = word.split_once('/').map_or((word.as_str(), None), |(name, row)| (name, Some(row)));
        let workload = catalogue::workload(name)?;
        if !TREES.contains(&workload.name) {
            let what = format!("the rows of {name} fill no directory with a tree: their own tests hold them");
            return Err(Refusal::usage(what, format!("choose among {}", TREES.join(", "))));
        }
        if !workloads.iter().any(|one| std::ptr::eq(*one, workload)) {
            workloads.push(workload);
        }
        let chosen: Vec<Variant> = if let Some(row) = row {
            vec![*catalogue::variant_of(workload, row)?]
        } else {
            let shown = |one: &&Variant| one.stub.is_none() && (arguments.all || !one.aside);
            workload.variants.iter().filter(shown).copied().collect()
        };
        rows.extend(chosen.into_iter().map(|variant| Row { workload, variant, peer: None }));
    }
    for text in &arguments.peer {
        let [workload] = workloads.as_slice() else {
            return Err(Refusal::usage(
                "--peer needs one workload to join",
                "name one: assay promises restore --peer …",
            ));
        };
        rows.push(Row { workload, variant: peer(text)?, peer: Some(text.clone()) });
    }
    Ok(rows)
}
