//! The independent instrument: strace on a child that runs one sample.

use super::{Home, text};
use harness::once::{Answer, Errand, Pass};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// File system calls that strace would show. Memory and scheduling are not part of any claim.
pub const WATCHED: &[&str] = &[
    "openat",
    "openat2",
    "open",
    "creat",
    "close",
    "read",
    "pread64",
    "readv",
    "write",
    "pwrite64",
    "writev",
    "lseek",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "rename",
    "renameat",
    "renameat2",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "utimensat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "getdents64",
    "readlink",
    "readlinkat",
    "access",
    "faccessat",
    "faccessat2",
    "io_uring_enter",
];

/// The tiny fixture, and a place for each row of the catalogue.
pub struct Rows {
    home: Home,
    source: PathBuf,
    pub tally: fixtures::Tally,
}

impl Rows {
    pub fn new() -> Rows {
        let home = Home::new();
        let (_, made) = home.json(&["fixture", "make", "tiny"]);
        let source = PathBuf::from(made["dir"].as_str().unwrap());
        Rows { source, tally: serde_json::from_value(made["tally"].clone()).unwrap(), home }
    }

    /// The errand of one sample, on an empty target. All rows of a workload share what is kept.
    pub fn errand(&self, workload: &str, variant: &str, pass: Pass) -> Errand {
        let target = self.place(workload, variant).join("target");
        if target.exists() {
            std::fs::remove_dir_all(&target).unwrap();
        }
        std::fs::create_dir_all(&target).unwrap();
        Errand {
            workload: workload.to_owned(),
            variant: variant.to_owned(),
            peer: None,
            pass,
            cold: false,
            slow: false,
            pin: None,
            plant: harness::plant::Plant::default(),
            metric: None,
            source: self.source.clone(),
            target,
            kept: self.home.path(&format!("kept-{workload}")),
            tally: self.tally,
        }
    }

    /// A directory of that row's own.
    pub fn place(&self, workload: &str, variant: &str) -> PathBuf {
        self.home.path(&format!("{workload}-{variant}"))
    }
}

/// Holds each of these, by as many threads as there are processors, each with places of its own: no clock matters here.
pub fn side_by_side<T: Sync>(all: &[T], hold: impl Fn(&Rows, &T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let places = Rows::new();
                while let Some(one) = all.get(next.fetch_add(1, Relaxed)) {
                    hold(&places, one);
                }
            });
        }
    });
}

/// Whether strace is here.
pub fn here() -> bool {
    technique::peer::find_program("strace").is_some()
}

/// One call as strace wrote it.
pub struct Call {
    pub name: String,
    pub line: String,
}

/// Runs the errand under `strace -f`, by a command that ends in the program: its answer, and all its calls in order.
pub fn watch(before: &[String], errand: &Errand, log: &Path) -> (Answer, Vec<Call>) {
    let words = ["strace", "-f", "-y", "-o"].map(str::to_owned);
    let mut words = before.iter().cloned().chain(words);
    let output = Command::new(words.next().unwrap())
        .args(words)
        .arg(log)
        .arg(env!("CARGO_BIN_EXE_assay"))
        .args(["once", &serde_json::to_string(errand).unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", errand.variant, text(&output.stderr));
    let answer = serde_json::from_slice(&output.stdout).unwrap();
    let log = text(&std::fs::read(log).unwrap());
    // Each line: the thread, then the call; a call that another thread interrupts goes on in a later line.
    let calls = log.lines().filter_map(|line| {
        let call = line.split_once(' ')?.1.trim_start();
        let name = call.split_once('(')?.0;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (is_name && !name.is_empty()).then(|| Call { name: name.to_owned(), line: call.to_owned() })
    });
    (answer, calls.collect())
}

/// What the C library asks for its allocator's sake when several threads use it, now and then: no row's doing.
pub fn of_the_allocator(call: &Call) -> bool {
    ["/sys/devices/system/cpu", "/proc/sys/vm/overcommit_memory"].iter().any(|path| call.line.contains(path))
}

/// How often each call was made.
pub fn count<'a>(calls: impl IntoIterator<Item = &'a Call>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.name.clone()).or_default() += 1;
    }
    counts
}

/// Only the calls that claims are about.
pub fn watched(counts: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    counts.iter().map(|(call, n)| (call.as_str(), *n)).filter(|(call, _)| WATCHED.contains(call)).collect()
}
