//! The command line: words in, text or one JSON document out, and an exit code that scripts can read.

use crate::ask::{Ask, Rounds, asked};
use crate::catalogue::{choose_among, peer};
use crate::claims::{self, ClaimsArgs};
use crate::compare::{self, CompareArgs};
use crate::crossing::{CrossingArgs, crossing};
use crate::export::{self, ExportArgs};
use crate::file_system::{Kind, Wish};
use crate::flame::show::{FlameArgs, flame};
use crate::fleet::{self, FleetCommand, MergeArgs, ShardArgs};
use crate::gate::{self, GateArgs};
use crate::history::{self, HistoryArgs};
use crate::pace::{parse_duration, parse_wait};
use crate::progress::Telling;
use crate::promises::{PromisesArgs, promises};
use crate::refusal::{Exit, Refusal, exit_of};
use crate::report::{self, ReportArgs};
use crate::say::say;
use crate::shard::serve::{ServeArgs, serve, serve_row};
use crate::shard::{ShardCommand, shard};
use crate::store::{StoreCommand, store};
use crate::walk::{WalkArgs, walk};
use crate::{clean, doctor, explain, fixture, list, once, probes, rounds};
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use reports::one_step;
use rustix::thread::CpuSet;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Asks storage techniques questions, and holds the answers against what was claimed.
///
/// Assay runs every way of doing a storage job side by side, each sample in a fresh process, rows interleaved and
/// shuffled, and shows where the time of each one goes. A row whose outcome differs from what should come out has no
/// number at all.
///
/// Start with `assay list`, then `assay run restore --budget 40s`, then `assay explain restore/zstd`.
#[derive(Parser)]
#[command(name = "assay", version, max_term_width = 100, after_help = EXITS)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of a command line")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// One JSON document on stdout, and nothing else there
    #[arg(long, global = true)]
    json: bool,
    /// No progress, and nothing on stderr but errors
    #[arg(long, global = true)]
    quiet: bool,
    /// No progress
    #[arg(long, global = true)]
    no_progress: bool,
    /// Turn on what this machine has switched off, as long as it is needed, and put it back: FUSE over io_uring, for
    /// the rows `rings` (needs root). After a kill, `assay doctor --clean` puts it back
    #[arg(long, global = true)]
    allow_system_settings: bool,
}

const EXITS: &str = "Exit codes: 0 fine; 1 a gate failed; 2 bad arguments; 3 not decided; 4 the machine cannot do this; 5 a row crashed, hung or came \
                     out wrong; 6 data missing, damaged or of another schema; 7 records that do not belong together; 130 interrupted, what was measured is kept.";

#[derive(Subcommand)]
enum Command {
    /// What can be asked: workloads, or the rows of one
    List {
        /// Show the rows of this workload
        workload: Option<String>,
    },
    /// Measure rows against each other
    Run(Running),
    /// Cut a run into shards that may run on many machines, and write that down: `assay run --plan` runs one
    Plan(Planning),
    /// Join the records of a plan's shards from many machines, and say which are missing or double
    Merge(MergeArgs),
    /// A plan's shards on a cluster: submit them, see which are there, collect them
    #[command(subcommand)]
    Fleet(FleetCommand),
    /// What changed between two rows, two builds or two runs, and is it so?
    Compare(CompareArgs),
    /// Hold what must not get worse: system calls, allocations, bytes, instructions; times with --base
    Gate(GateArgs),
    /// Print the table of a run again
    Show {
        /// A run's name or its record file; the last run if left away
        run: Option<String>,
    },
    /// One number of a row, run after run: did it step at once, or does it creep?
    History(HistoryArgs),
    /// By size of object, where one row begins to be faster than another: over all runs on fixtures of one file
    Crossing(CrossingArgs),
    /// The pages of a run for a design review, with slides, raw data and a summary for a pull request
    Report(ReportArgs),
    /// What the documents claimed, what was foretold and measured of it, and what that makes of it
    Claims(ClaimsArgs),
    /// A run or a comparison in a format of others: Bencher, github-action-benchmark, junit, CSV
    Export(ExportArgs),
    /// What a row does, what it promises, where its code is, and where its time goes
    Explain {
        /// The row, as WORKLOAD/ROW
        row: String,
        /// The fixture on which its system calls are foretold
        #[arg(long, default_value = "tiny")]
        on: String,
    },
    /// Where the time of a row goes, function by function: flame graphs, on the processor and off it
    Flame(FlameArgs),
    /// Recipes and the trees that they make
    #[command(subcommand)]
    Fixture(FixtureCommand),
    /// Pack a directory, restore it, verify it: by the rows that are measured
    #[command(subcommand)]
    Store(StoreCommand),
    /// Put what rows promise under fire: kills, failing power, flipped bits, full disks
    Promises(PromisesArgs),
    /// Walk a directory and write a record of every entry below it: the best row of `walk`, as a tool
    #[command(long_about = crate::walk::ABOUT)]
    Walk(WalkArgs),
    /// Your own file as data and parity shards in directories or buckets, and back: put, get, verify, repair
    #[command(subcommand)]
    Shard(ShardCommand),
    /// An S3 server on a directory, at 127.0.0.1, for `assay shard` where you have none at hand
    ServeS3(ServeArgs),
    /// What this machine can and cannot measure, and how to mend each
    Doctor {
        /// Take away what a killed run has left: scratch directories, and mounts of ours that are still seen
        #[arg(long)]
        clean: bool,
    },
    /// One sample in a process of its own; the runner calls this
    #[command(hide = true)]
    Once {
        /// What to do, as JSON
        errand: String,
    },
    /// Answers the kernel for a mount; rows of `fuse` start it
    #[command(hide = true)]
    ServeFuse,
    /// Answers S3 requests; rows of `erasure` start it
    #[command(hide = true)]
    ServeRowS3,
    /// Works block by block, as it is told; comparisons call this
    #[command(hide = true)]
    Work {
        /// What to do, as JSON
        orders: String,
    },
    /// Keeps tracepoints in place while children count; the runner calls this
    #[command(hide = true)]
    Hold,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches of a command line")]
struct RunArgs {
    /// WORKLOAD or WORKLOAD/ROW; everything if left away. One row brings its baseline and its floor along
    rows: Vec<String>,
    /// Leave out the rows that are there for one step of a ladder alone (only-…, all-but-…), and what other rows than
    /// the baseline were without a phase
    #[arg(long)]
    ladder: bool,
    /// Rows that stand aside too: `assay list WORKLOAD` marks them
    #[arg(long)]
    all: bool,
    /// Fixture or recipe file (may be given more than once); each workload's first if left away. NAME@0.01 has a
    /// hundredth of its files, NAME@2 twice as many
    #[arg(long = "on", value_name = "FIXTURE")]
    on: Vec<String>,
    /// So many rounds; every round runs every row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "budget")]
    rounds: Option<u32>,
    /// As many rounds as fit into this time, in all: 60s, 5m, 1h [default: 10 rounds]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    budget: Option<Duration>,
    /// Where to work: an empty or new directory [default: memory if there is room, else beside the records]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// On file systems of these kinds, one after the other, each made for the run and gone after it (needs root). Trees
    /// are made anew on each. The image lies in the scratch place: in memory, unless --scratch names a disk
    #[arg(long = "fs", value_name = "KIND,…", value_enum, value_delimiter = ',')]
    fs: Vec<Kind>,
    /// Write trees to each of those file systems and remove them again before anything is measured there: the same
    /// restore may take three times as long on a disk that was in use
    #[arg(long, requires = "fs")]
    aged: bool,
    /// Answer each question for a name or attributes of the source, and each part of a directory, so much later, such as
    /// 1ms: a network's latency, without a network (needs root and /dev/fuse). What was looked up is forgotten before
    /// each sample. Take a small fixture: 20,000 names at 1 ms are 20 s for who asks one by one
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    latency: Option<Duration>,
    /// Drop the page cache, names and inodes before each sample, so that what is read comes from the disk (needs root)
    #[arg(long)]
    cold: bool,
    /// Keep every row on these processors: 0, or 0,1, or 0-3 [default: the kernel chooses]
    #[arg(long, value_name = "CPUS", value_parser = processors)]
    pin: Option<Processors>,
    /// Wait so long for other programs to be quiet before each workload, and say whether they were; 0s waits not
    #[arg(long, value_name = "TIME", value_parser = parse_wait, default_value = "3s")]
    wait: Duration,
    /// A program of yours as a row (may be repeated): 'cp=cp -a {source}/. {target}'. {source} is the tree to bring
    /// back, {target} the empty directory to fill; words are split at spaces, and no shell is asked. What it promises
    /// stands behind its name, and it is held to that: 'cp[times,independent]=cp -a {source}/. {target}'. What it
    /// prints goes nowhere, unless its last words name a file of the target; so pwalk becomes a row of walk, which
    /// reads back what it prints: 'p[named,described,whole]=/opt/pwalk {source} > {target}/p.csv'
    #[arg(long, value_name = "NAME[PROMISE,…]=COMMAND")]
    peer: Vec<String>,
    /// The seed of the order of samples
    #[arg(long, default_value_t = 20_261_120)]
    seed: u64,
    /// Kill a sample that takes longer
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "5m")]
    limit: Duration,
}

/// What `run` takes: rows to measure, or a shard of a plan.
#[derive(Args)]
struct Running {
    #[command(flatten)]
    arguments: RunArgs,
    #[command(flatten)]
    shard: ShardArgs,
}

/// What `plan` takes: all that `run` does.
#[derive(Args)]
struct Planning {
    #[command(flatten)]
    arguments: RunArgs,
    /// So many shards, each of whole entries: rows that are held against each other are never split
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    shards: u32,
    /// Write the plan to this file, which must not exist yet
    #[arg(short, long, value_name = "FILE", default_value = "plan.json")]
    out: PathBuf,
}

#[derive(Subcommand)]
enum FixtureCommand {
    /// The recipes that come along
    List,
    /// Make a tree, or take it from the cache, and print where it is
    Make {
        /// A shipped name or a recipe file
        fixture: String,
    },
    /// Print a recipe
    Show {
        /// A shipped name or a recipe file
        fixture: String,
    },
    /// Read a real directory and print a recipe of its shape, without a name or a byte of its contents
    Capture {
        /// The directory
        dir: PathBuf,
        /// The recipe's name
        #[arg(long, default_value = "captured")]
        name: String,
        /// Write to this file, which must not exist yet, instead of stdout
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// What a command has to say: for people, for programs, and how it ends.
pub struct Said {
    /// For people.
    pub text: String,
    /// For programs; the fields of the document.
    pub json: Value,
    /// The document's schema, such as `assay.list/1`.
    pub schema: &'static str,
    /// How it ends.
    pub exit: Exit,
}

impl Said {
    /// All is well.
    pub fn fine(schema: &'static str, text: String, json: Value) -> Said {
        Said { text, json, schema, exit: Exit::Fine }
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let wants_json = std::env::args_os().any(|word| word == "--json");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if wants_json {
                let text = error.render().to_string();
                if error.use_stderr() {
                    return finish(&error_document(Exit::Usage, text.trim()), Exit::Usage);
                }
                return finish(&document(Said::fine("assay.help/1", String::new(), json!({"text": text}))), Exit::Fine);
            }
            // Help goes to stdout and is no failure; where nobody reads it, there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let json = cli.json;
    match dispatch(cli) {
        Ok(said) if json => {
            let exit = said.exit;
            finish(&document(said), exit)
        }
        Ok(said) => finish(&said.text, said.exit),
        Err(error) => {
            let exit = exit_of(&error);
            if json {
                return finish(&error_document(exit, &format!("{error:#}")), exit);
            }
            say(&format!("error: {error:#}"));
            ExitCode::from(exit as u8)
        }
    }
}

fn dispatch(cli: Cli) -> Result<Said> {
    let telling = Telling::fitting(cli.quiet || cli.no_progress);
    let measures = matches!(cli.command, Command::Run(_) | Command::Compare(_) | Command::Gate(_) | Command::Flame(_));
    let _switched = (measures && cli.allow_system_settings).then(fuse::switch_on).transpose()?;
    if measures && fuse::left_on() {
        say("a killed run has left FUSE over io_uring switched on: `assay doctor --clean` puts it back");
    }
    match cli.command {
        Command::List { workload } => list::list(workload.as_deref()),
        Command::Run(Running { arguments, shard }) => match shard.plan() {
            Some(plan) => fleet::run(&shard, plan, arguments.scratch, telling, command_line()),
            None => show_what_was_done(&rounds::run(&ask(arguments, telling)?)?),
        },
        Command::Plan(Planning { arguments, shards, out }) => fleet::plan(&ask(arguments, telling)?, shards, &out),
        Command::Merge(arguments) => fleet::merge(&arguments),
        Command::Fleet(command) => fleet::fleet(&command),
        Command::Compare(arguments) => compare::compare(&arguments, telling, command_line()),
        Command::Gate(arguments) => gate::gate(&arguments, telling, &command_line()),
        Command::Show { run } => list::show(run.as_deref()),
        Command::History(arguments) => history::history(&arguments),
        Command::Crossing(arguments) => crossing(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Claims(arguments) => claims::claims(&arguments),
        Command::Export(arguments) => export::export(&arguments),
        Command::Explain { row, on } => explain::explain(&row, &on, telling),
        Command::Flame(arguments) => flame(&arguments, telling),
        Command::Fixture(FixtureCommand::List) => fixture::list(),
        Command::Fixture(FixtureCommand::Make { fixture }) => fixture::make(&fixture, telling),
        Command::Fixture(FixtureCommand::Show { fixture }) => fixture::show(&fixture),
        Command::Fixture(FixtureCommand::Capture { dir, name, out }) => fixture::capture(&dir, &name, out.as_deref()),
        Command::Store(command) => store(&command, telling),
        Command::Promises(arguments) => promises(&arguments, telling),
        Command::Walk(arguments) => walk(&arguments, telling),
        Command::Shard(command) => shard(&command, telling),
        Command::ServeS3(arguments) => serve(&arguments),
        Command::Doctor { clean: false } => doctor::doctor(),
        Command::Doctor { clean: true } => clean::clean(),
        Command::Once { errand } => {
            let errand = serde_json::from_str(&errand)
                .map_err(|error| Refusal::usage(format!("this is no errand: {error}"), "the runner knows the form"))?;
            let answer = serde_json::to_string(&once::run(&errand)?)? + "\n";
            Ok(Said::fine("assay.once/1", answer, Value::Null))
        }
        Command::ServeFuse => match fuse::serve()? {},
        Command::ServeRowS3 => serve_row(),
        Command::Work { orders } => {
            let orders = serde_json::from_str(&orders).map_err(|error| {
                Refusal::usage(format!("these are no orders: {error}"), "comparisons know the form")
            })?;
            compare::worker::work(&orders)?;
            Ok(Said::fine("assay.work/1", String::new(), Value::Null))
        }
        Command::Hold => {
            probes::hold::hold()?;
            Ok(Said::fine("assay.hold/1", String::new(), Value::Null))
        }
    }
}

fn ask(arguments: RunArgs, telling: Telling) -> Result<Ask> {
    let mut choices = choose_among(&arguments.rows, arguments.all)?;
    if arguments.ladder {
        for choice in &mut choices {
            let baseline = choice.workload.baseline().name;
            choice.variants.retain(|variant| {
                !one_step::is_asked_by(variant.name) && variant.stub.is_none_or(|stub| stub.of == baseline)
            });
        }
    }
    for text in &arguments.peer {
        let variant = peer(text)?;
        let [choice] = choices.as_mut_slice() else {
            return Err(Refusal::usage("--peer needs one workload to join", "name it: assay run restore --peer …"));
        };
        if choice.workload.variant(variant.name).is_some() || choice.variants.iter().any(|one| one.name == variant.name)
        {
            let what = format!("{} has a row named {:?} already", choice.workload.name, variant.name);
            return Err(Refusal::usage(what, "give --peer another name"));
        }
        choice.variants.push(variant);
    }
    let rounds = match (arguments.rounds, arguments.budget) {
        (_, Some(budget)) => Rounds::Budget(budget),
        (count, None) => Rounds::Count(count.unwrap_or(10)),
    };
    Ok(Ask {
        entries: asked(&choices, &arguments.on, &wishes(&arguments.fs, arguments.latency, arguments.aged)),
        shard: None,
        peers: arguments.peer,
        rounds,
        scratch: arguments.scratch,
        cold: arguments.cold,
        pin: arguments.pin.map(|pin| pin.0),
        wait: arguments.wait,
        seed: arguments.seed,
        limit: arguments.limit,
        telling,
        command: command_line(),
    })
}

/// The table of what was just measured.
pub fn show_what_was_done(done: &rounds::Done) -> Result<Said> {
    let mut said = list::show(done.record.to_str())?;
    said.exit = done.exit;
    Ok(said)
}

/// What is wished for: each file system with that latency, or that latency alone, or nothing.
fn wishes(kinds: &[Kind], latency: Option<Duration>, aged: bool) -> Vec<Wish> {
    let named = kinds.iter().map(|kind| Wish { kind: Some(*kind), latency, aged });
    let alone = Wish { kind: None, latency, aged };
    named.chain((kinds.is_empty() && latency.is_some()).then_some(alone)).collect()
}

/// Processors by number.
#[derive(Clone)]
struct Processors(Vec<usize>);

/// `0`, `0,1` or `0-3`.
fn processors(text: &str) -> Result<Processors, String> {
    let wrong = || format!("{text:?} names no processors; write 0, or 0,1, or 0-3");
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |word: &str| word.parse::<usize>().ok().filter(|number| *number < CpuSet::MAX_CPU);
        let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
        if first > last {
            return Err(wrong());
        }
        numbers.extend(first..=last);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Processors(numbers))
}

/// The command that repeats this run.
fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    words.fold("assay".to_owned(), |line, word| line + " " + &word)
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn document(said: Said) -> String {
    let mut fields = json!({"schema": said.schema, "ok": said.exit == Exit::Fine, "exit": said.exit as u8});
    if let (Some(fields), Value::Object(more)) = (fields.as_object_mut(), said.json) {
        fields.extend(more);
    }
    format!("{fields}\n")
}

fn error_document(exit: Exit, text: &str) -> String {
    let document = json!({"schema": "assay.error/1", "ok": false, "exit": exit as u8, "error": text});
    format!("{document}\n")
}

/// Writes to stdout. A reader that went away, such as `head`, is no failure.
fn finish(text: &str, exit: Exit) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            say(&format!("error: cannot write to stdout: {error}"));
            ExitCode::from(Exit::Unfit as u8)
        }
        _ => ExitCode::from(exit as u8),
    }
}

/// How wide the terminal is; where there is none, wide enough for every column.
pub fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))).unwrap_or(160).max(40)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn processors_are_read_as_people_write_them() {
        let read = |text| processors(text).map(|one| one.0);
        assert_eq!(read("0"), Ok(vec![0]));
        assert_eq!(read("3,0-1"), Ok(vec![0, 1, 3]));
        for nonsense in ["", "a", "1-", "2-1", "-1", "0,,1", "99999"] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("restore/zstd"), "restore/zstd");
        assert_eq!(quoted("mycp=cp {source}"), "'mycp=cp {source}'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
