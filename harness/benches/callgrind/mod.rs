//! Callgrind around one sample: what the bench of instruction counts and the test that holds it share.
//!
//! A count is the same on every run only if the memory of the process is laid out the same, for copying and hashing
//! look at addresses. So nothing that a process is given may differ in length or order: the environment is cleared,
//! program and place are named by links of fixed length, paths are relative, and directories are filled in the order of
//! names.
#![allow(dead_code, unreachable_pub, reason = "a bench and a test each use their part")]

use anyhow::{Context, Result, bail, ensure};
use fixtures::Tally;
use harness::once::{Answer, Pass};
use harness::removal::remove_tree;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::ffi::OsStr;
use std::fmt::{Display, Formatter};
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use technique::peer::find_program;
use technique::{Absent, Variant};

/// What Callgrind is told, whoever starts it. A toggle holds for one thread: the second lets workers be counted, whose
/// stacks begin at their own root and not in `measured`.
pub const ARGUMENTS: [&str; 5] = [
    "--toggle-collect=*measured::measured*",
    "--toggle-collect=*Thread*thread_start*",
    "--separate-threads=yes",
    "--trace-children=no",
    "--cache-sim=no",
];

/// Rows of one thread whose counts differ from run to run all the same, and why. They do not go to the gate.
pub const UNSTEADY: &[(&str, &str, &str)] = &[
    ("restore", "only-hardlinks", "its map of contents is hashed with a seed that each process draws anew"),
    ("erasure", "get-temp-files", "its temporary directory is named by the process's number"),
];

/// The workload whose rows may want instructions of the processor that Valgrind does not know, such as GFNI.
const CHOSEN_BY_PROCESSOR: &str = "parity";

/// What to do where Valgrind is missing.
pub const VALGRIND: (&str, &str) = ("valgrind is not installed", "apt-get install valgrind");

/// Why this row has no number that could be compared: known before it runs.
pub fn uncounted(variant: &Variant) -> Option<&'static str> {
    let elsewhere = ["Peer", "fuse::"].iter().any(|name| variant.technique.type_name().contains(name));
    elsewhere.then_some("its work is done in another program")
}

/// Why this row is not run under Valgrind, where it is not.
pub fn unknown(workload: &str, variant: &str) -> Option<&'static str> {
    let beneath = workload == "restore" && (variant == "best-beneath" || variant.starts_with("over-"));
    let served = workload == "erasure" && variant.contains("-s3-");
    beneath
        .then_some("it asks for openat2, which Valgrind does not know")
        .or_else(|| served.then_some("how often a server wakes it is chance"))
}

/// Why this row of one thread is not steady.
pub fn unsteady(workload: &str, variant: &str) -> Option<&'static str> {
    UNSTEADY.iter().find(|(of, row, _)| (*of, *row) == (workload, variant)).map(|(_, _, why)| *why)
}

/// Where samples are counted: a fixture, and a directory for each row.
pub struct Place {
    tally: Tally,
    named: tempfile::TempDir,
}

impl Place {
    /// A place at `root`, which may have any name, for that program.
    pub fn make(root: &Path, program: &Path) -> Result<Place> {
        let made = fixtures::cached(&fixtures::find("tiny")?, &root.join("made"), &|_| {})?;
        copy(&made.dir, &root.join("source"))?;
        let named = link_directory()?;
        let bare = root.join("assay");
        let program =
            if without_debug_information(program, &bare)? { bare.canonicalize()? } else { program.to_owned() };
        symlink(program, named.path().join("assay")).context("linking the program")?;
        let whole = root.canonicalize().with_context(|| format!("finding {}", root.display()))?;
        symlink(whole, named.path().join("at")).context("linking the place")?;
        Ok(Place { tally: made.tally, named })
    }

    /// Gets a row ready to be counted once; or says why it cannot run.
    pub fn row(&self, workload: &str, variant: &str) -> Result<std::result::Result<Row, Absent>> {
        let of_workload = self.named.path().join("at").join(workload);
        let (packed, kept) = (of_workload.join("packed"), of_workload.join("kept"));
        let cwd = of_workload.join(variant);
        remove_tree(&cwd)?;
        for dir in [&cwd, &packed] {
            fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        }
        symlink("../../source", cwd.join("source"))?;
        let row = Row {
            workload: workload.to_owned(),
            variant: variant.to_owned(),
            program: self.named.path().join("assay"),
            cwd,
            tally: self.tally,
        };
        let to_packed = row.cwd.join("kept");
        symlink("../packed", &to_packed)?;
        row.empty_target()?;
        if let Answer::Absent { why, mend } = row.get_ready()? {
            return Ok(Err(Absent { why, mend }));
        }
        if workload == CHOSEN_BY_PROCESSOR
            && let Answer::Absent { why, .. } = row.get_ready_under_valgrind()?
        {
            let why = format!("it has no instruction count, for Valgrind shows programs a lesser processor: {why}");
            return Ok(Err(Absent { why, mend: "`assay run` times it".to_owned() }));
        }
        // Packing is done by many threads, and names its files in the order in which these come.
        remove_tree(&kept)?;
        copy(&packed, &kept)?;
        fs::remove_file(&to_packed)?;
        symlink("../kept", &to_packed)?;
        row.empty_target()?;
        Ok(Ok(row))
    }
}

/// One row, ready to be counted once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The workload.
    pub workload: String,
    /// The row.
    pub variant: String,
    /// The program, by its link.
    pub program: PathBuf,
    /// Where it runs.
    pub cwd: PathBuf,
    tally: Tally,
}

impl Row {
    /// What the program is told for the sample that counts.
    pub fn words(&self) -> [String; 2] {
        self.words_for(Pass::Wall)
    }

    /// All that it finds in its environment. Cargo sets the first, and a shell that starts Valgrind the last, to
    /// something as long as a directory's name.
    pub fn environment(&self) -> [(&str, &OsStr); 3] {
        let word = OsStr::new;
        [("LD_LIBRARY_PATH", word("")), ("PATH", word("/usr/bin:/bin")), ("PWD", self.cwd.as_os_str())]
    }

    fn words_for(&self, pass: Pass) -> [String; 2] {
        let errand = json!({
            "workload": self.workload, "variant": self.variant, "peer": null, "pass": pass, "cold": false,
            "source": "source", "target": "target", "kept": "kept", "tally": self.tally,
        });
        ["once".to_owned(), errand.to_string()]
    }

    fn get_ready(&self) -> Result<Answer> {
        self.ready_by(&mut self.command(&self.program))
    }

    fn get_ready_under_valgrind(&self) -> Result<Answer> {
        let mut command = self.command(Path::new("/usr/bin/env"));
        self.ready_by(command.args(["valgrind", "--tool=none", "--quiet"]).arg(&self.program))
    }

    fn ready_by(&self, command: &mut Command) -> Result<Answer> {
        let output = command.args(self.words_for(Pass::Ready)).output();
        let output = output.with_context(|| format!("starting {}", self.program.display()))?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{self}: getting ready: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Counts by Valgrind itself: the instructions of each thread that executed any, the calling one first. The target
    /// is full afterwards.
    pub fn count(&self) -> Result<Vec<u64>> {
        let out = self.cwd.join("counted");
        remove_tree(&out)?;
        fs::create_dir(&out).with_context(|| format!("making {}", out.display()))?;
        let output = self
            .command(Path::new("/usr/bin/env"))
            .args(["valgrind", "--tool=callgrind", "--callgrind-out-file=counted/of"])
            .args(ARGUMENTS)
            .arg(&self.program)
            .args(self.words())
            .output()
            .context("starting valgrind")?;
        let answered = serde_json::from_slice(&output.stdout).is_ok_and(|answer| matches!(answer, Answer::Reading(_)));
        ensure!(answered, "{self}: under valgrind: {}", String::from_utf8_lossy(&output.stderr));
        let mut files = fs::read_dir(&out)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
        files.sort();
        let counts = files.iter().map(|file| total_of(&fs::read_to_string(file)?)).collect::<Result<Vec<_>>>()?;
        Ok(counts.into_iter().flatten().filter(|instructions| *instructions > 0).collect())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.cwd).env_clear().envs(self.environment()).stdin(Stdio::null());
        command
    }

    fn empty_target(&self) -> Result<()> {
        let target = self.cwd.join("target");
        remove_tree(&target)?;
        fs::create_dir(&target).with_context(|| format!("making {}", target.display()))
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.workload, self.variant)
    }
}

/// What one thread's file says; the file that only names the others says nothing.
fn total_of(text: &str) -> Result<Option<u64>> {
    let total = text.lines().find_map(|line| line.strip_prefix("totals:").or(line.strip_prefix("summary:")));
    let first = total.and_then(|total| total.split_whitespace().next());
    first.map(|number| number.parse().with_context(|| format!("{number:?} is no count"))).transpose()
}

/// Writes the program without what Valgrind would read for a second at each start, and needs not: it knows functions by
/// their symbols. What is loaded is the same, and so is every count. Says whether it could; gcc brings `strip` along.
fn without_debug_information(program: &Path, bare: &Path) -> Result<bool> {
    let Some(strip) = find_program("strip") else { return Ok(false) };
    let output = Command::new(strip).arg("--strip-debug").arg("-o").args([bare, program]).output();
    Ok(output.context("starting strip")?.status.success())
}

/// A new directory whose whole path is of the same length everywhere: a program keeps its own name in its heap.
fn link_directory() -> Result<tempfile::TempDir> {
    const LENGTH: usize = 48;
    const NAME: &str = "assay-instructions-";
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let taken = base.as_os_str().len() + 1 + NAME.len();
    let Some(rest @ 6..) = LENGTH.checked_sub(taken) else {
        bail!("{} is too long a name for this: set TMPDIR to a shorter one", base.display());
    };
    let made = tempfile::Builder::new().prefix(NAME).rand_bytes(rest).tempdir_in(&base);
    made.with_context(|| format!("making a directory in {}", base.display()))
}

/// Copies a tree in the order of its names. Directories list what they hold in the order in which it came, or by a hash
/// that each file system salts in its own way; a program that lists one lays out its heap accordingly.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let copying = || format!("copying {} to {}", from.display(), to.display());
    let meta = fs::symlink_metadata(from).with_context(copying)?;
    if meta.is_symlink() {
        return symlink(fs::read_link(from)?, to).with_context(copying);
    }
    if meta.is_dir() {
        fs::create_dir(to).with_context(copying)?;
        let mut names = fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            copy(&from.join(&name), &to.join(&name))?;
        }
    } else {
        fs::copy(from, to).with_context(copying)?;
    }
    let time = FileTimes::new().set_modified(meta.modified()?);
    File::open(to).and_then(|copied| copied.set_times(time)).with_context(copying)?;
    fs::set_permissions(to, meta.permissions()).with_context(copying)
}
