//! The job: something is mounted before the clock starts; under it, a client works in it as if it were any directory.

use crate::driver::{Plan, ask, open_root};
use crate::knobs::{Knobs, Place};
use crate::native::Native;
use crate::peers::Peer;
use crate::place::{Allowed, allowed, stay_on};
use crate::server::Server;
use crate::stack::Stack;
use crate::watch::{ALL, is_waited_for, known};
use anyhow::{Context, Result};
use fixtures::tree::{Kind, hashed, scan};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use technique::phase::{SETUP, SUBMIT};
use technique::{Lap, Outcome, Phase, Promises, Site, Technique};

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Makes every file, writes it in pieces of so many bytes, and closes it.
    Create(usize),
    /// The same, and waits for each file until it is stored.
    CreateStored(usize),
    /// Reads back what was written before the clock started.
    ReadBack,
    /// The same, after the kernel has forgotten what is in the files.
    ReadCold,
    /// Asks how full the file system is, so often for each file: what one round trip costs.
    Ask(u64),
}

/// What it does it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// A file system of the kernel's.
    Native(Native),
    /// One that a server answers for.
    Served(Knobs),
    /// ext4 on a single file of a server's: names and small files never reach it.
    OnOneFile(Knobs),
    /// One that somebody else's server answers for.
    Peer(Peer),
}

/// A client in a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// What the client does.
    pub does: Does,
    /// In what.
    pub within: Where,
    /// Where both run.
    pub place: Place,
}

/// A piece is what the kernel puts into a page.
const PIECE: usize = 4096;
/// How many round trips say what one costs.
const TRIPS: u32 = 200;

/// What one round trip to the server cost in this very mount, in nanoseconds.
const ROUND_TRIP: &str = "round_trip_ns";

/// How often a server was asked for what.
type Requests = BTreeMap<&'static str, u64>;
/// The server's processor time stands among them. The harness sees it only of processes that have ended.
const PROCESSOR: &str = "server_ns";

/// What is mounted, and what is to be written. Fields are dropped in this order.
pub struct Ready {
    root: Option<File>,
    stack: Stack,
    /// Where the thread was allowed to run before.
    processors: Allowed,
    plan: Plan,
    trip_ns: u64,
    /// What the server had been asked for when the work began, and what it was asked for by the work.
    before: Requests,
    seen: Requests,
}

impl Technique for Job {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let (mount, beside) = (mount_point(site), site.target.join("beside"));
        for dir in [&mount, &beside] {
            std::fs::create_dir(dir).with_context(|| format!("making {}", dir.display()))?;
        }
        let processors = allowed()?;
        let (own, others) = self.place.processors(&processors)?;
        let plan = Plan::of(&site.source)?;
        let stack = self.within.mount(&mount, &beside, site.tally.bytes, others)?;
        if let Some(own) = own {
            stay_on(own)?;
        }
        plan.make_directories(&mount)?;
        let root = open_root(&mount)?;
        // What the kernel learns once, it has learnt: that some things need not be asked for.
        warm(&mount)?;
        if matches!(self.does, Does::ReadBack | Does::ReadCold) {
            plan.write(&root, PIECE, false, &mut Lap::start(false))?;
        }
        if self.does == Does::ReadCold {
            plan.forget(&root)?;
        }
        let mut lap = Lap::start(false);
        ask(&root, u64::from(TRIPS))?;
        lap.mark(SUBMIT);
        let trip = lap.stop().wall / TRIPS;
        let mut ready = Ready {
            root: Some(root),
            stack,
            processors,
            plan,
            trip_ns: u64::try_from(trip.as_nanos()).context("a round trip of centuries")?,
            before: Requests::new(),
            seen: Requests::new(),
        };
        ready.before = ready.requests()?;
        Ok(ready)
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        if lap.looking()
            && let Some(server) = &mut ready.stack.server
        {
            server.look()?;
            lap.mark(SETUP);
        }
        let Ready { root, plan, .. } = &*ready;
        let root = root.as_ref().context("it is closed after the work alone")?;
        match self.does {
            Does::Create(piece) => plan.write(root, piece, false, lap)?,
            Does::CreateStored(piece) => plan.write(root, piece, true, lap)?,
            Does::ReadBack | Does::ReadCold => plan.read(root, lap)?,
            Does::Ask(times) => {
                for _ in plan.files() {
                    ask(root, times)?;
                    lap.mark(SUBMIT);
                }
            }
        }
        if lap.looking()
            && let Some(server) = &mut ready.stack.server
        {
            book_over(server, lap)?;
            lap.mark(SETUP);
        }
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        ready.seen = ready.requests()?;
        if matches!(self.does, Does::Ask(_)) {
            // There is nothing to read: that each was answered, the client has seen.
            return copy_source(ready, &held(site));
        }
        let root = ready.root.take().context("it is closed here alone")?;
        // First as a client sees it, then as it is held.
        ready.plan.read(&root, &mut Lap::start(false)).context("reading back what was written")?;
        drop(root);
        match &mut ready.stack.server {
            Some(server) if ready.stack.on_top.is_none() => server.dump(&held(site)),
            _ => copy_tree(&mount_point(site), &held(site)),
        }
    }

    fn promises(&self) -> Promises {
        self.within.promises()
    }

    fn counted(&self, ready: &Ready) -> Vec<(&'static str, u64)> {
        let mut counted = Vec::new();
        // The kernel's own file systems make no trip, nor does one that lies in a file of the server's; and what a peer
        // does on the way is its own.
        if ready.stack.server.is_some() && ready.stack.on_top.is_none() {
            counted.push((ROUND_TRIP, ready.trip_ns));
        }
        let before = |name| ready.before.get(name).copied().unwrap_or(0);
        let asked: Vec<_> = ready.seen.iter().map(|(name, count)| (*name, count - before(name))).collect();
        if ready.stack.server.is_some() {
            let waited = asked.iter().filter(|(name, _)| *name != PROCESSOR && is_waited_for(name));
            counted.push((ALL, waited.map(|(_, count)| count).sum()));
        }
        counted.extend(asked.into_iter().filter(|(_, count)| *count > 0));
        counted
    }
}

impl Ready {
    /// How often the server was asked for what, so far.
    fn requests(&mut self) -> Result<Requests> {
        let Some(server) = &mut self.stack.server else { return Ok(Requests::new()) };
        let told = server.tell()?;
        let requests = told.requests.iter().filter_map(|(name, count)| Some((known(name)?, *count)));
        Ok(requests.chain([(PROCESSOR, told.processor_ns)]).collect())
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        // The next one to get ready in this process finds the processors as this one found them.
        self.processors.restore();
    }
}

/// What the server spent while the client waited for it is the server's.
fn book_over(server: &mut Server, lap: &mut Lap) -> Result<()> {
    for (waited_in, spent) in server.tell()?.phases {
        let waited_in = Phase::named(&waited_in).context("a phase that this program knows")?;
        for (spent_in, (ns, marks)) in spent {
            let spent_in = Phase::named(&spent_in).context("a phase that this program knows")?;
            lap.spent_elsewhere(waited_in, spent_in, ns, marks);
        }
    }
    Ok(())
}

/// Makes, writes, closes, reads and removes one file.
fn warm(mount: &Path) -> Result<()> {
    let place = mount.join(".warm");
    let about = || format!("trying {}", place.display());
    std::fs::write(&place, "warm").with_context(about)?;
    std::fs::read(&place).with_context(about)?;
    std::fs::remove_file(&place).with_context(about)
}

fn copy_source(ready: &Ready, into: &Path) -> Result<()> {
    for (path, bytes) in ready.plan.files() {
        put(&into.join(path), bytes)?;
    }
    Ok(())
}

fn copy_tree(from: &Path, into: &Path) -> Result<()> {
    for entry in scan(from)? {
        if matches!(entry.kind, Kind::File { .. }) {
            let place = from.join(&entry.path);
            put(
                &into.join(&entry.path),
                &std::fs::read(&place).with_context(|| format!("reading {}", place.display()))?,
            )?;
        }
    }
    Ok(())
}

fn put(place: &Path, bytes: &[u8]) -> Result<()> {
    let parent = place.parent().context("a file lies in a directory")?;
    std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    std::fs::write(place, bytes).with_context(|| format!("writing {}", place.display()))
}

fn mount_point(site: &Site) -> PathBuf {
    site.target.join("mount")
}

fn held(site: &Site) -> PathBuf {
    site.target.join("held")
}

/// What each run should leave: every file of the source.
pub(crate) fn expected(site: &Site) -> Result<Outcome> {
    files(&site.source)
}

/// What the run has left: every file as the store, or the kernel, held it.
pub(crate) fn outcome(site: &Site) -> Result<Outcome> {
    files(&held(site))
}

fn files(root: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (entry, hash) in hashed(root, scan(root)?)? {
        if let (Kind::File { len, .. }, Some(hash)) = (&entry.kind, hash) {
            outcome.state(entry.path.as_os_str().as_bytes(), "", format!("{len} bytes, {}", &hash.to_hex()[..32]));
        }
    }
    Ok(outcome)
}
