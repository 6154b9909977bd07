//! What the tests on real mounts share: a server that is this very program, and a place that is gone afterwards.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part, and a test may panic"
)]

use fuse::{COMMAND, Knobs, Server, Stack, Where};
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
        let dir = place();
        let server = Server::start(knobs, &dir.path().join("mount"), &dir.path().join("beside"), None);
        there(need(knobs), server).map(|server| Mount { server, dir })
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

/// What a row mounts, whatever it is. It goes before its place does.
pub struct Stood {
    pub stack: Stack,
    little: Option<Little>,
    dir: tempfile::TempDir,
}

impl Stood {
    /// Mounts; or says aloud why not.
    pub fn new(within: &Where) -> Option<Stood> {
        Stood::over(within, None, place())
    }

    /// The same; where it keeps things, there is room for 64 KiB.
    pub fn on_little_room(within: &Where) -> Option<Stood> {
        there("fuse", fuse::possible())?;
        // Only in a name space of its own may this thread mount: the first server makes one.
        drop(Mount::new(&fuse::LEAST)?);
        let dir = place();
        let beside = dir.path().join("beside");
        let size: Option<&str> = Some("size=64k");
        nix::mount::mount(Some("none"), &beside, Some("tmpfs"), nix::mount::MsFlags::empty(), size).unwrap();
        std::fs::create_dir(beside.join("inner")).unwrap();
        Stood::over(within, Some(Little(beside)), dir)
    }

    fn over(within: &Where, little: Option<Little>, dir: tempfile::TempDir) -> Option<Stood> {
        let beside = little.as_ref().map_or_else(|| dir.path().join("beside"), |little| little.0.join("inner"));
        let need = if let Where::Served(knobs) = within { need(knobs) } else { "fuse" };
        let stack = there(need, within.mount(&dir.path().join("mount"), &beside, 64 << 20, None))?;
        Some(Stood { stack, little, dir })
    }

    /// Where something lies in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("mount").join(name)
    }

    /// Where its server keeps files.
    pub fn beside(&self) -> PathBuf {
        self.dir.path().join("beside")
    }
}

/// A small tmpfs.
struct Little(PathBuf);

impl Drop for Little {
    fn drop(&mut self) {
        nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

/// What `ASSAY_REQUIRE` calls it.
fn need(knobs: &Knobs) -> &'static str {
    if knobs.transport == fuse::Transport::Rings { "fuse-rings" } else { "fuse" }
}

/// Two empty directories, and a command that serves.
fn place() -> tempfile::TempDir {
    COMMAND.get_or_init(|| {
        let program = std::env::current_exe().unwrap();
        let words = ["env".into(), format!("{SERVES}=1").into(), program.into()];
        words.into_iter().chain(["--exact", "serve_when_asked", "--nocapture"].map(Into::into)).collect()
    });
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    for name in ["mount", "beside"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    dir
}

fn there<T>(need: &str, made: anyhow::Result<T>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(error) if error.is::<technique::Absent>() => {
            technique::absent::skip(need, &format!("{error:#}"));
            None
        }
        Err(error) => panic!("{error:#}"),
    }
}

/// Rings for as long as a test lasts, where `ASSAY_ALLOW_SYSTEM_SETTINGS=1` allows to switch them on. Whoever needs
/// them and does not get them skips aloud.
pub fn rings() -> Option<fuse::Switched> {
    let allowed = std::env::var_os("ASSAY_ALLOW_SYSTEM_SETTINGS").is_some_and(|allowed| allowed == "1");
    if allowed { there("fuse-rings", fuse::switch_on()) } else { None }
}

/// Stops a server: from now on none of its threads does anything.
pub fn stop(server: u32) {
    let process = nix::unistd::Pid::from_raw(server.cast_signed());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let stands = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        stat.rsplit(") ").next().unwrap().starts_with('T')
    };
    let tasks = format!("/proc/{server}/task");
    let all = || std::fs::read_dir(&tasks).unwrap().all(stands);
    assert!((0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        all()
    }));
}

/// What close answers.
pub fn close(file: std::fs::File) -> Option<i32> {
    nix::unistd::close(file).err().map(|errno| errno as i32)
}

/// Mounts that this thread sees under our name.
pub fn mounts() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    table.lines().filter(|line| line.contains(fuse::SOURCE)).map(str::to_owned).collect()
}
