//! `assay promises`: what rows promise, put under fire. A claim that fails is broken, and the command ends with 5.

mod ground;
mod kill;
mod power;
mod rot;
mod trouble;

use crate::catalogue::{self, peer};
use crate::cli::{Said, width};
use crate::file_system::{Kind, withdraw};
use crate::progress::{Progress, Telling};
use crate::refusal::{Exit, Refusal};
use crate::scratch::{Scratch, default_place};
use crate::signals;
use anyhow::Result;
use clap::{Args, ValueEnum};
use fixtures::Fixture;
use ground::{Ground, Row};
use reports::table::{Align, Table, printable};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use technique::{Absent, Promise, Variant, Workload};

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
}

const AFTER: &str = "Exit codes: 0 every claim held; 5 a claim was broken; 2 bad arguments; 130 stopped.

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

/// A row that was tried in one way, or why it was not.
struct Line {
    row: String,
    trial: Trial,
    claimed: bool,
    found: Result<Found, Absent>,
}

impl Line {
    fn is_broken(&self) -> bool {
        self.claimed && self.found.as_ref().is_ok_and(|found| found.broken > 0)
    }

    fn verdict(&self) -> &'static str {
        match &self.found {
            Err(_) => "absent",
            Ok(found) => match (self.claimed, found.broken > 0) {
                (true, false) => "kept",
                (true, true) => "BROKEN",
                (false, false) => "not claimed, not seen broken",
                (false, true) => "not claimed, broken",
            },
        }
    }

    fn told(&self) -> String {
        match &self.found {
            Err(absent) => absent.to_string(),
            Ok(found) => {
                let wrong = found.wrong.first().map_or(String::new(), |first| format!(": {first}"));
                let note = if found.note.is_empty() { String::new() } else { format!("; {}", found.note) };
                let broken = if found.broken > 0 { format!("{} broken{wrong}", found.broken) } else { String::new() };
                format!("{broken}{note}").trim_start_matches("; ").to_owned()
            }
        }
    }

    fn json(&self) -> Value {
        let mut told = json!({"row": self.row, "trial": self.trial.name(), "claimed": self.claimed});
        match &self.found {
            Err(Absent { why, mend }) => told["absent"] = json!({"why": why, "mend": mend}),
            Ok(Found { tried, broken, wrong, note }) => {
                told["tried"] = (*tried).into();
                told["broken"] = (*broken).into();
                told["wrong"] = json!(wrong);
                told["note"] = note.as_str().into();
            }
        }
        told
    }
}

/// Puts rows under fire, and says which of their promises held.
pub fn promises(arguments: &PromisesArgs, telling: Telling) -> Result<Said> {
    let rows = rows(arguments)?;
    // Before any thread: what is mounted for a trial must be seen by who looks at it.
    let withdrawn = withdraw();
    let fixture = crate::fixture::ready(&arguments.on, telling)?;
    signals::listen()?;
    let need = 4 * fixture.tally.bytes + (2 << 30);
    let scratch = Scratch::take(&arguments.scratch.clone().unwrap_or_else(|| default_place(need)))?;
    let chosen = if arguments.trials.is_empty() { Trial::ALL.to_vec() } else { arguments.trials.clone() };
    let progress = Progress::begin(telling, "promises");
    let mut lines = Vec::new();
    let all = rows.len() * chosen.len();
    for (at, row) in rows.iter().enumerate() {
        for (nth, trial) in chosen.iter().enumerate() {
            if signals::asked_to_stop() {
                break;
            }
            let name = format!("{}/{}", row.workload.name, row.variant.name);
            progress.at((at * chosen.len() + nth) as u64, all as u64, &format!("{name} {}", trial.name()));
            let claimed = trial.of().is_none_or(|promise| row.variant.technique.promises().has(promise));
            if !claimed && !arguments.unclaimed {
                continue;
            }
            let course = Course { arguments, row, fixture: &fixture, scratch: &scratch, withdrawn: &withdrawn };
            for (of, found) in course.run(*trial)? {
                lines.push(Line { row: format!("{name}{of}"), trial: *trial, claimed, found });
            }
        }
    }
    drop(progress);
    Ok(said(&lines, arguments.seed))
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
    fn run(&self, trial: Trial) -> Result<Vec<(String, Result<Found, Absent>)>> {
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
                Trial::Atomic => Ok(kill::kill(&mut ground, moments, seed)?),
                Trial::Verified => rot::flip(&mut ground, moments, seed)?,
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

fn said(lines: &[Line], seed: u64) -> Said {
    let mut table = Table::new(&[
        ("ROW", Align::Left),
        ("TRIAL", Align::Left),
        ("TRIED", Align::Right),
        ("VERDICT", Align::Left),
        ("WHAT HAPPENED", Align::Left),
    ]);
    for line in lines {
        let tried = line.found.as_ref().map_or("-".to_owned(), |found| found.tried.to_string());
        let told = printable(&line.told());
        table.row([line.row.clone(), line.trial.name().to_owned(), tried, line.verdict().to_owned(), told]);
    }
    let broken = lines.iter().filter(|line| line.is_broken()).count();
    let tried: u32 = lines.iter().filter_map(|line| line.found.as_ref().ok()).map(|found| found.tried).sum();
    let absent = lines.iter().filter(|line| line.found.is_err()).count();
    let summed = format!("{tried} trials, seed {seed}: {broken} claims broken, {absent} could not be tried here\n");
    let stopped = signals::asked_to_stop();
    let exit = match broken {
        1.. => Exit::Differ,
        0 if stopped => Exit::Interrupted,
        0 => Exit::Fine,
    };
    let document = json!({"seed": seed, "broken": broken, "trials": lines.iter().map(Line::json).collect::<Vec<_>>()});
    Said { text: format!("{}\n{summed}", table.render(width())), json: document, schema: "assay.promises/1", exit }
}
