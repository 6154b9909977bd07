//! What the tests on real mounts share: a server that is this very program, and a place that is gone afterwards.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part, and a test may panic"
)]

use fuse::{COMMAND, Knobs, Server};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Set where this program is to serve, and not to test.
const SERVES: &str = "ASSAY_TEST_SERVES";

/// The body of each test file's `serve_when_asked`: what [`COMMAND`] starts.
pub fn serve_when_asked() {
    let failed = std::env::var_os(SERVES).map(|_| fuse::serve().unwrap_err());
    assert!(failed.is_none(), "{failed:?}");
}

/// A mount, and the directories that it needs. The server goes first.
pub struct Mount {
    pub server: Server,
    pub dir: tempfile::TempDir,
}

impl Mount {
    /// Mounts; or says aloud why not.
    pub fn new(knobs: &Knobs) -> Option<Mount> {
        COMMAND.get_or_init(|| {
            let program = std::env::current_exe().unwrap();
            let words = ["env".into(), format!("{SERVES}=1").into(), program.into()];
            words.into_iter().chain(["--exact", "serve_when_asked", "--nocapture"].map(Into::into)).collect()
        });
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        for name in ["mount", "beside"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        match Server::start(knobs, &dir.path().join("mount"), &dir.path().join("beside"), None) {
            Ok(server) => Some(Mount { server, dir }),
            Err(error) if error.is::<technique::Absent>() => {
                technique::absent::skip("fuse", &format!("{error:#}"));
                None
            }
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Where something lies in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("mount").join(name)
    }

    /// What the server was asked for while that was done.
    pub fn asked_by(&mut self, work: impl FnOnce(&Path)) -> BTreeMap<String, u64> {
        let before = self.server.tell().unwrap().requests;
        work(&self.dir.path().join("mount"));
        let mut after = self.server.tell().unwrap().requests;
        for (name, count) in &before {
            *after.get_mut(name).unwrap() -= count;
        }
        after.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// Mounts that this thread sees under our name.
pub fn mounts() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    table.lines().filter(|line| line.contains(fuse::SOURCE)).map(str::to_owned).collect()
}
