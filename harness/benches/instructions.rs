//! Instruction counts: every row of the catalogue once under Callgrind, on `tiny`, by iai-callgrind.
//!
//! `just bench-instructions`. A count takes in what happens inside `harness::measured::measured` and on the threads that
//! workers are; nothing of getting ready. Rows of one thread are counted a second time by Valgrind alone, in a place of
//! another name: the two must agree to the instruction. Then, and only when every row was counted, the counts are
//! written for the gate to `instructions.json` in the lab's own directory, in one step. Rows of several threads share
//! out their work as the scheduler likes, and a peer works in another program: they are told, and do not go to the gate.
//!
//! What Callgrind does not see: the kernel, which is where most of the time of small files goes; waiting; caches, and
//! how long an instruction takes. And Valgrind hides AVX-512 from programs, so hashes and codecs take the paths of a
//! lesser processor. A count that moved says that the code changed, never by how much it became faster.

mod callgrind;

use anyhow::{Context, Result, bail, ensure};
use callgrind::{ARGUMENTS, Place, Row, VALGRIND, uncounted, unknown, unsteady};
use harness::catalogue::{WORKLOADS, crate_of, variant_of, workload};
use harness::refusal::{Refusal, exit_of};
use harness::say::say;
use harness::scratch::{Scratch, default_place};
use harness::{home, signals};
use iai_callgrind::{BinaryBenchmark, BinaryBenchmarkConfig, BinaryBenchmarkGroup, Callgrind};
use reports::table::{Align, Table};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use technique::peer::find_program;

/// The version of the library, which its runner must have too.
const VERSION: &str = "0.16.1";
/// Where the part of this program that iai-callgrind starts finds the rows.
const ROWS: &str = "ASSAY_INSTRUCTIONS_ROWS";
/// Set where it is the gate that asks: the rows that it holds are counted, and once, for those were steady when they were
/// blessed; what was no measure then is not counted at all.
const ONCE: &str = "ASSAY_COUNT_ONCE";
/// Where iai-callgrind puts its files.
const FILES: &str = "IAI_CALLGRIND_HOME";

fn main() -> ExitCode {
    if std::env::var_os(ROWS).is_some() {
        counted::enter();
        return ExitCode::SUCCESS;
    }
    if !std::env::args().any(|word| word == "--bench") {
        say("instruction counts are no test: `just bench-instructions` takes them");
        return ExitCode::SUCCESS;
    }
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(exit_of(&error) as u8)
        }
    }
}

mod counted {
    use iai_callgrind::{binary_benchmark_group, main};

    binary_benchmark_group!(name = rows; benchmarks = |group: &mut BinaryBenchmarkGroup| crate::fill(group));
    main!(binary_benchmark_groups = rows);

    /// What iai-callgrind makes of the program.
    pub(super) fn enter() {
        main();
    }
}

/// A benchmark for each workload, a bench for each of its rows.
fn fill(group: &mut BinaryBenchmarkGroup) {
    let rows: Vec<Row> = std::env::var_os(ROWS)
        .and_then(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok())
        .expect("the one who set the variable wrote the rows");
    for of in rows.chunk_by(|a, b| a.workload == b.workload) {
        let mut benchmark = BinaryBenchmark::new(id(&of[0].workload));
        for row in of {
            let mut command = iai_callgrind::Command::new(&row.program);
            command.args(row.words()).current_dir(&row.cwd).envs(row.environment());
            benchmark.bench(iai_callgrind::Bench::new(id(&row.variant)).command(command));
        }
        let mut config = BinaryBenchmarkConfig::default();
        config.env_clear(true).tool(Callgrind::with_args(ARGUMENTS));
        benchmark.config(config);
        group.binary_benchmark(benchmark);
    }
}

/// A name as iai-callgrind takes it.
fn id(name: &str) -> String {
    name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
}

fn bench() -> Result<()> {
    let runner = runner()?;
    signals::listen()?;
    let place = default_place(1 << 30);
    let name = place.file_name().context("a scratch place has a name")?.to_string_lossy().into_owned();
    let scratch = Scratch::take(&place.with_file_name(format!("{name}-instructions")))?;
    let program = Path::new(env!("CARGO_BIN_EXE_assay"));
    let first = Place::make(&scratch.path().join("first"), program)?;
    // To hold what is held, the rest need not be counted.
    let twice = std::env::var_os(ONCE).is_none();
    let held = if twice { None } else { Some(harness::gate::instructions::held()?) };
    let left_out = |row: &str| held.as_ref().is_some_and(|held| !held.contains(row));
    let mut rows = Vec::new();
    // What a server does, and how often it is woken, is no count of the row's own.
    for workload in WORKLOADS.iter().filter(|workload| crate_of(workload) != "fuse") {
        for variant in workload.variants.iter().filter(|variant| !variant.aside) {
            let name = format!("{}/{}", workload.name, variant.name);
            if left_out(&name) {
                continue;
            }
            if let Some(why) = unknown(workload.name, variant.name) {
                say(&format!("{name} is left out: {why}"));
                continue;
            }
            match first.row(workload.name, variant.name)? {
                Ok(row) => rows.push(row),
                Err(absent) => say(&format!("{name} is left out: {absent}")),
            }
            ensure!(!signals::asked_to_stop(), "stopped");
        }
    }
    let files = home::build_directory().unwrap_or_else(home::home).join("iai");
    let counts = by_iai_callgrind(&rows, &runner, &files, scratch.path())?;
    let second = twice.then(|| Place::make(&scratch.path().join("a place of another name"), program)).transpose()?;
    let mut counted = Counted { by: valgrind()?, ..Counted::default() };
    let mut differing = Vec::new();
    for (row, threads) in rows.iter().zip(counts) {
        let Some(threads) = threads else {
            let asked = std::env::args().skip(1).any(|word| word != "--bench");
            ensure!(asked, "iai-callgrind left no summary of {row} in {}", files.display());
            say(&format!("{row} was not asked for: {} stays as it is", file().display()));
            return Ok(());
        };
        if let Some(difference) = counted.take(row, &threads, second.as_ref())? {
            differing.push(difference);
        }
        ensure!(!signals::asked_to_stop(), "stopped");
    }
    say(&counted.table());
    if !differing.is_empty() {
        bail!("rows of one thread that were counted twice and differ; nothing was written:\n{}", differing.join("\n"));
    }
    counted.write()
}

/// Counts all rows by iai-callgrind: of each the threads that executed any instruction. Nothing for a row that a filter
/// on the command line left out. What else runs changes no count, so there is a process for each processor.
fn by_iai_callgrind(rows: &[Row], runner: &Path, files: &Path, scratch: &Path) -> Result<Vec<Option<Vec<u64>>>> {
    // All of what an earlier count left: one that broke off leaves files that the runner cannot read.
    for dir in rows.iter().filter_map(|row| summary(row, files).parent().map(Path::to_owned)) {
        harness::removal::remove_tree(&dir)?;
    }
    let processes = std::thread::available_parallelism().map_or(1, usize::from).min(rows.len());
    say(&format!("{} rows, counted by {processes} processes side by side", rows.len()));
    std::thread::scope(|scope| {
        let counting: Vec<_> = (0..processes)
            .map(|nth| {
                let lot: Vec<&Row> = rows.iter().skip(nth).step_by(processes).collect();
                let list = scratch.join(format!("rows-{nth}.json"));
                scope.spawn(move || count_lot(&lot, &list, runner, files))
            })
            .collect();
        counting.into_iter().try_for_each(|lot| lot.join().expect("it passes its errors on"))
    })?;
    rows.iter()
        .map(|row| {
            let path = summary(row, files);
            if !path.exists() {
                return Ok(None);
            }
            let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            threads(&serde_json::from_slice(&text)?).with_context(|| format!("reading {}", path.display())).map(Some)
        })
        .collect()
}

/// Has this program count some of the rows. What it says is shown when it is done: lines of two would mix.
fn count_lot(lot: &[&Row], list: &Path, runner: &Path, files: &Path) -> Result<()> {
    std::fs::write(list, serde_json::to_vec(lot)?).with_context(|| format!("writing {}", list.display()))?;
    let output = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(ROWS, list)
        .env(FILES, files)
        .env("CARGO_PKG_NAME", env!("CARGO_PKG_NAME"))
        .env("IAI_CALLGRIND_SAVE_SUMMARY", "json")
        // A layout of memory that differs changes no count, and containers forbid what would fix it.
        .env("IAI_CALLGRIND_ALLOW_ASLR", "yes")
        .env("PATH", path_with(runner)?)
        .stderr(Stdio::inherit())
        .output()
        .context("starting this program again")?;
    say(String::from_utf8_lossy(&output.stdout).trim_end());
    ensure!(output.status.success(), "iai-callgrind ended with {}", output.status);
    Ok(())
}

fn summary(row: &Row, files: &Path) -> PathBuf {
    let name = format!("{}.{}", id(&row.workload), id(&row.variant));
    files.join("harness/instructions/counted/rows").join(name).join("summary.json")
}

/// The instructions of each thread that executed any, as a summary has them. What is new stands alone or first; a part
/// that is old alone is of a run that had more threads.
fn threads(summary: &Value) -> Result<Vec<u64>> {
    let parts = summary["profiles"][0]["summaries"]["parts"].as_array().context("it has no parts")?;
    let mut counts = Vec::new();
    for part in parts {
        let metrics = &part["metrics_summary"]["Callgrind"]["Ir"]["metrics"];
        if metrics.get("Right").is_some() {
            continue;
        }
        let new = metrics.get("Left").unwrap_or(&metrics["Both"][0]);
        counts.push(new["Int"].as_u64().with_context(|| format!("no count in {part}"))?);
    }
    ensure!(!counts.is_empty(), "it has no parts");
    Ok(counts.into_iter().filter(|instructions| *instructions > 0).collect())
}

fn path_with(runner: &Path) -> Result<OsString> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let first = runner.parent().map(Path::to_owned);
    Ok(std::env::join_paths(first.into_iter().chain(std::env::split_paths(&own)))?)
}

/// The runner, of the right version, and Valgrind beside it; or what to install.
fn runner() -> Result<PathBuf> {
    if find_program("valgrind").is_none() {
        return Err(Refusal::unfit(VALGRIND.0, VALGRIND.1));
    }
    let name = "iai-callgrind-runner";
    let mend = format!("cargo install {name} --version {VERSION} --locked --root target/tools");
    let in_tools = home::build_directory().map(|target| target.join("tools/bin").join(name));
    let Some(runner) = option_env!("IAI_CALLGRIND_RUNNER")
        .map(PathBuf::from)
        .or_else(|| in_tools.filter(|runner| runner.is_file()))
        .or_else(|| find_program(name))
        .filter(|runner| runner.is_file())
    else {
        return Err(Refusal::unfit(format!("{name} is not installed"), mend));
    };
    // It has no way to ask for its version; to one who says nothing it complains, and names it.
    let output = Command::new(&runner).arg("--version").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("starting {}", runner.display()))?;
    if !String::from_utf8_lossy(&output.stderr).contains(&format!("({VERSION})")) {
        return Err(Refusal::unfit(format!("{} is not of version {VERSION}", runner.display()), mend));
    }
    Ok(runner)
}

/// What Valgrind calls itself.
fn valgrind() -> Result<String> {
    let output = Command::new("valgrind").arg("--version").output().context("starting valgrind")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What was counted, as the gate reads it.
#[derive(Default, Serialize)]
struct Counted {
    /// What counted: another Valgrind is another processor.
    by: String,
    /// Instructions of rows of one thread: the same on every run of the same program.
    steady: BTreeMap<String, BTreeMap<String, u64>>,
    /// Those of the others, and why they are no measure.
    unsteady: BTreeMap<String, BTreeMap<String, (u64, String)>>,
}

impl Counted {
    /// Takes a row in. What is steady is counted again, if there is a second place; tells where that differs.
    fn take(&mut self, row: &Row, threads: &[u64], second: Option<&Place>) -> Result<Option<String>> {
        let all = threads.iter().sum();
        let why = uncounted(variant_of(workload(&row.workload)?, &row.variant)?)
            .or_else(|| unsteady(&row.workload, &row.variant))
            .map(str::to_owned)
            .or_else(|| (threads.len() != 1).then(|| format!("{} threads", threads.len())));
        if let Some(why) = why {
            self.unsteady.entry(row.workload.clone()).or_default().insert(row.variant.clone(), (all, why));
            return Ok(None);
        }
        self.steady.entry(row.workload.clone()).or_default().insert(row.variant.clone(), all);
        let Some(second) = second else { return Ok(None) };
        let again = second.row(&row.workload, &row.variant)?.map_err(anyhow::Error::from)?.count()?;
        Ok((again != threads).then(|| format!("  {row}: {threads:?} by iai-callgrind, {again:?} by valgrind")))
    }

    fn table(&self) -> String {
        let mut table = Table::new(&[("ROW", Align::Left), ("INSTRUCTIONS", Align::Right), ("", Align::Left)]);
        for (workload, rows) in &self.steady {
            for (row, instructions) in rows {
                table.row([format!("{workload}/{row}"), instructions.to_string(), String::new()]);
            }
        }
        for (workload, rows) in &self.unsteady {
            for (row, (instructions, why)) in rows {
                table.row([format!("{workload}/{row}"), instructions.to_string(), format!("not for the gate: {why}")]);
            }
        }
        table.render(120)
    }

    fn write(&self) -> Result<()> {
        let file = file();
        let dir = file.parent().context("the file has a directory")?;
        std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let unfinished =
            tempfile::NamedTempFile::new_in(dir).with_context(|| format!("writing to {}", dir.display()))?;
        serde_json::to_writer_pretty(&unfinished, self)?;
        unfinished.persist(&file).with_context(|| format!("writing {}", file.display()))?;
        say(&format!("written: {}", file.display()));
        Ok(())
    }
}

fn file() -> PathBuf {
    home::home().join("instructions.json")
}
