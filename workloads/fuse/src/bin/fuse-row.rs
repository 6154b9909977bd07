//! Runs a program in a row of `fuse`: mounts what the row mounts, runs the program there, and takes the mount away.
//! What it mounts, only that program sees. For test suites of other people's (`just posix`), and for looking around.
//!
//! `fuse-row [WORKLOAD/]ROW PROGRAM [ARGUMENT…]`: each `{mount}` among the words is where it is mounted.

use anyhow::{Context, Result, bail};
use fuse::{COMMAND, Job};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};
use technique::Workload;

const USAGE: &str = "fuse-row [WORKLOAD/]ROW PROGRAM [ARGUMENT…]; each {mount} stands for where the row is mounted";
/// What the starter of a server calls it by: the first word of this same program.
const SERVES: &str = "serve-fuse";
/// Room for what a test suite writes, where room has to be set aside.
const ROOM: u64 = 256 << 20;

static WORKLOADS: [&Workload; 5] = [&fuse::CREATE, &fuse::WRITE_4K, &fuse::WRITE_1M, &fuse::READ_BACK, &fuse::TRIP];

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            // Nobody else is there to be told.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("fuse-row: {error:#}\n").as_bytes());
            ExitCode::from(if error.is::<technique::Absent>() { 4 } else { 2 })
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let (Some(row), program) = (words.next(), words.next()) else { bail!("{USAGE}") };
    if row == SERVES {
        match fuse::serve()? {}
    }
    let Some(program) = program else { bail!("{USAGE}") };
    COMMAND.get_or_init(|| vec![std::env::current_exe().unwrap_or_default().into(), SERVES.into()]);
    let job = job(&row.to_string_lossy())?;
    // Rings that are switched off are switched on for so long, if that is allowed.
    let allowed = std::env::var_os("ASSAY_ALLOW_SYSTEM_SETTINGS").is_some_and(|allowed| allowed == "1");
    let _switched = allowed.then(fuse::switch_on).transpose()?;
    let room = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).context("making a place to work")?;
    let (mount, beside) = (room.path().join("mount"), room.path().join("beside"));
    for dir in [&mount, &beside] {
        std::fs::create_dir(dir).with_context(|| format!("making {}", dir.display()))?;
    }
    let stack = job.within.mount(&mount, &beside, ROOM, None)?;
    let status = Command::new(fill(&program, &mount)).args(words.map(|word| fill(&word, &mount))).status();
    drop(stack);
    let status = status.with_context(|| format!("starting {}", program.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn job(word: &str) -> Result<Job> {
    let (workload, row) = word.split_once('/').unwrap_or(("fuse", word));
    let workload = WORKLOADS.iter().find(|one| one.name == workload);
    let variant = workload.and_then(|workload| workload.variant(row));
    let technique =
        variant.with_context(|| format!("there is no row {word:?}: `assay list fuse` shows what there is"))?;
    technique.technique.as_any().downcast_ref::<Job>().copied().context("each row of fuse is a job of fuse")
}

fn fill(word: &OsString, mount: &Path) -> OsString {
    word.to_str().map_or_else(|| word.clone(), |text| text.replace("{mount}", &mount.to_string_lossy()).into())
}
