//! What the tests of the command share: the program itself, in a home of its own.
#![allow(
    dead_code,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "each test file uses its part, and a test may panic"
)]

pub mod served;
pub mod strace;
pub mod tracefs;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A home for one test; fixtures are shared by all tests, for making them takes time.
pub struct Home {
    /// Where the test may do as it likes.
    pub dir: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Home {
        let dir = tempfile::tempdir().unwrap();
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures");
        std::fs::create_dir_all(&shared).unwrap();
        std::fs::create_dir(dir.path().join("home")).unwrap();
        std::os::unix::fs::symlink(&shared, dir.path().join("home/fixtures")).unwrap();
        Home { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program in this home.
    pub fn assay(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.env("ASSAY_HOME", self.path("home")).env_remove("COLUMNS");
        command
    }

    /// Runs it with a scratch place of its own and gives back the JSON document that it printed.
    pub fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.assay().args(arguments).arg("--json").output().unwrap();
        let code = output.status.code().unwrap_or(-1);
        let document = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}{}", text(&output.stdout), text(&output.stderr)));
        (code, document)
    }

    /// Runs it and gives back everything.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.assay().args(arguments).output().unwrap()
    }

    /// A scratch place of this test's own, so that tests do not wait for each other.
    pub fn scratch(&self) -> String {
        self.path("scratch").to_str().unwrap().to_owned()
    }

    /// The record of the only run.
    pub fn record(&self) -> PathBuf {
        let mut runs: Vec<_> = std::fs::read_dir(self.path("home/runs")).unwrap().flatten().collect();
        assert_eq!(runs.len(), 1);
        runs.remove(0).path().join("record.jsonl")
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether the root directory of the home's scratch was cleaned away.
pub fn gone(path: &str) -> bool {
    !Path::new(path).exists()
}
