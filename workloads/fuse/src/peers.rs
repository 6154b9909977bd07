//! Other people's servers, as Debian has them: each shows a directory in memory at another place.

use crate::place::{allowed, stay_on};
use crate::serve::unmount;
use crate::server::possible;
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use technique::Absent;
use technique::peer::require;

/// A server of somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Shows a directory elsewhere.
    Bindfs,
    /// Shows several directories as one; here there is one.
    Mergerfs,
    /// Encrypts names and contents.
    Gocryptfs,
}

/// A peer that serves until this is dropped.
#[derive(Debug)]
pub struct PeerMount {
    child: Child,
    point: PathBuf,
}

/// Set to try a peer that was seen to hang: it opens a file in its own mount while a client's create waits for it.
const TRY: &str = "ASSAY_TRY_GOCRYPTFS";
/// How long one may take to mount: so many looks, and the pause between two.
const LOOKS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

impl Peer {
    /// The name of its program, and of its package.
    pub fn program(self) -> &'static str {
        match self {
            Peer::Bindfs => "bindfs",
            Peer::Mergerfs => "mergerfs",
            Peer::Gocryptfs => "gocryptfs",
        }
    }

    /// Whether it can be had here.
    pub(crate) fn possible(self) -> Result<()> {
        if self == Peer::Gocryptfs && std::env::var_os(TRY).is_none() {
            let why = "gocryptfs, just mounted, and its first client can wait for each other for ever, unkillable";
            return Err(Absent::because(why, format!("set {TRY}=1 to try it")));
        }
        let mend = "just peers, or: apt-get install bindfs mergerfs gocryptfs";
        // It kills a server whose starter is gone.
        require(&[self.program(), "setpriv"], mend)?;
        possible()
    }

    /// Serves `beside` at `point`, on that processor.
    pub(crate) fn mount(self, point: &Path, beside: &Path, processor: Option<usize>) -> Result<PeerMount> {
        let store = beside.join("store");
        std::fs::create_dir(&store).with_context(|| format!("making {}", store.display()))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", self.program()]);
        match self {
            Peer::Bindfs => command.args(["-f"]).args([&store, point]),
            Peer::Mergerfs => command.args(["-f", "-o", "allow_other"]).args([&store, point]),
            Peer::Gocryptfs => {
                let word = beside.join("word");
                std::fs::write(&word, "for a benchmark").with_context(|| format!("writing {}", word.display()))?;
                // A cheap key derivation: it is no part of any question here.
                let mut init = Command::new(self.program());
                init.args(["-init", "-q", "-scryptn", "10", "-passfile"]).args([&word, &store]);
                let told = init.output().context("starting gocryptfs")?;
                let why = String::from_utf8_lossy(&told.stderr);
                ensure!(told.status.success(), "gocryptfs -init: {}", why.trim());
                command.args(["-fg", "-q", "-allow_other", "-passfile"]).arg(word).args([&store, point])
            }
        };
        // What it starts from is what it stays on.
        let before = allowed()?;
        if let Some(processor) = processor {
            stay_on(processor)?;
        }
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        before.restore();
        let child = started.with_context(|| format!("starting {}", self.program()))?;
        let mut mounted = PeerMount { child, point: point.to_owned() };
        mounted.wait(self.program())?;
        Ok(mounted)
    }
}

impl PeerMount {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn wait(&mut self, program: &str) -> Result<()> {
        for _ in 0..LOOKS {
            let table = std::fs::read_to_string("/proc/thread-self/mountinfo").context("reading the mount table")?;
            let here = |line: &str| line.split(' ').nth(4).is_some_and(|place| Path::new(place) == self.point);
            if table.lines().any(here) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("asking whether it runs")? {
                bail!("{program} ended with {status} before it had mounted");
            }
            std::thread::sleep(PAUSE);
        }
        bail!("{program} did not mount within {:?}", PAUSE * LOOKS)
    }
}

impl Drop for PeerMount {
    fn drop(&mut self) {
        unmount(&self.point);
        // It may have gone with its mount.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
