//! What the server sees of itself: how often it was asked for what, and where its time went.

use crate::vectors::lock;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use technique::phase::{CLOSE, CREATE, READ, REST, WRITE};
use technique::{Lap, Phase};

macro_rules! requests {
    ($($kind:ident $name:literal $group:ident)*) => {
        /// What the kernel asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Request { $($kind),* }

        /// Each request's name in records, and the client's phase that waits for it.
        const TABLE: &[(&str, Group)] = &[$((concat!("requests.", $name), Group::$group)),*];
    };
}

requests! {
    Lookup "lookup" Names
    Forget "forget" Others
    Getattr "getattr" Names
    Setattr "setattr" Others
    Readlink "readlink" Others
    Symlink "symlink" Others
    Mknod "mknod" Names
    Mkdir "mkdir" Others
    Unlink "unlink" Others
    Rmdir "rmdir" Others
    Rename "rename" Others
    Link "link" Others
    Open "open" Names
    Read "read" Reads
    Write "write" Writes
    Statfs "statfs" Others
    Release "release" Others
    Fsync "fsync" Others
    Setxattr "setxattr" Others
    Getxattr "getxattr" Writes
    Listxattr "listxattr" Others
    Removexattr "removexattr" Others
    Flush "flush" Closes
    Opendir "opendir" Others
    Readdir "readdir" Others
    Releasedir "releasedir" Others
    Fsyncdir "fsyncdir" Others
    Access "access" Others
    Create "create" Names
    Fallocate "fallocate" Others
    Lseek "lseek" Others
}

/// The name under which the sum of all is told that somebody waits for. The others come when they come.
pub(crate) const ALL: &str = "requests";

/// Who waits for a request: the phase of the client in which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Names,
    Writes,
    Reads,
    Closes,
    /// No phase of the client waits for it, or several might.
    Others,
}

/// The groups whose time a client can tell apart, and its phase.
const GROUPS: [(Group, Phase); 4] =
    [(Group::Names, CREATE), (Group::Writes, WRITE), (Group::Reads, READ), (Group::Closes, CLOSE)];

/// What the server has seen of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// How often it was asked for what.
    pub requests: BTreeMap<String, u64>,
    /// Processor time of its process so far, in nanoseconds.
    pub processor_ns: u64,
    /// Nanoseconds and marks by phase of the client, and by phase of the server.
    pub phases: BTreeMap<String, BTreeMap<String, (f64, u64)>>,
}

/// Counts requests, and times them while somebody looks.
#[derive(Default)]
pub(crate) struct Watch {
    counts: [AtomicU64; TABLE.len()],
    looking: AtomicBool,
    threads: Mutex<Vec<Arc<Mutex<Laps>>>>,
    /// Whether the kernel gathers writes. Then a client may have waited for one in a write, in a sync, in a close, or not
    /// at all: what they took stays where it waited, if it did.
    gathers: bool,
}

/// The stopwatches of one thread, one for each group and one for the others.
struct Laps {
    looking: bool,
    laps: [Lap; GROUPS.len() + 1],
}

impl Laps {
    fn new(looking: bool) -> Laps {
        Laps { looking, laps: std::array::from_fn(|_| Lap::start(looking)) }
    }
}

thread_local! {
    static OWN: RefCell<Option<Arc<Mutex<Laps>>>> = const { RefCell::new(None) };
    /// Whose marks do nothing, for while nobody looks.
    static IDLE: RefCell<Lap> = RefCell::new(Lap::start(false));
}

impl Watch {
    /// Of a server for which the kernel gathers writes, or not.
    pub(crate) fn new(gathers: bool) -> Watch {
        Watch { gathers, ..Watch::default() }
    }

    /// Does what was asked for, counted and timed. What `work` marks is booked. The answer itself is not: it wakes the
    /// client, which may take the processor at once, and that time is not the server's.
    pub(crate) fn turn<R>(&self, request: Request, work: impl FnOnce(&mut Lap) -> R) -> R {
        self.counts[request as usize].fetch_add(1, Ordering::Relaxed);
        if !self.looking.load(Ordering::Relaxed) {
            return IDLE.with_borrow_mut(work);
        }
        OWN.with_borrow_mut(|own| {
            let own = own.get_or_insert_with(|| {
                let laps = Arc::new(Mutex::new(Laps::new(false)));
                lock(&self.threads).push(Arc::clone(&laps));
                laps
            });
            let mut laps = lock(own);
            if !laps.looking {
                *laps = Laps::new(true);
            }
            let nobody_knows = self.gathers && request == Request::Write;
            let group = if nobody_knows { Group::Others } else { TABLE[request as usize].1 };
            let at = GROUPS.iter().position(|(one, _)| *one == group).unwrap_or(GROUPS.len());
            let lap = &mut laps.laps[at];
            lap.mark(REST);
            let done = work(lap);
            lap.mark(REST);
            done
        })
    }

    /// From now on time is looked at.
    pub(crate) fn look(&self) {
        // What came after the last answer to `tell` is nobody's.
        for thread in lock(&self.threads).iter() {
            *lock(thread) = Laps::new(false);
        }
        self.looking.store(true, Ordering::Relaxed);
    }

    /// How often what was asked for.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        let counted = TABLE.iter().zip(&self.counts).map(|((name, _), count)| (*name, count.load(Ordering::Relaxed)));
        counted.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
    }

    /// All that was seen; nobody looks any more.
    pub(crate) fn tell(&self) -> Told {
        self.looking.store(false, Ordering::Relaxed);
        let mut told = Told { requests: self.requests(), processor_ns: processor_ns(), phases: BTreeMap::new() };
        for thread in lock(&self.threads).iter() {
            let mut laps = lock(thread);
            let was = std::mem::replace(&mut *laps, Laps::new(false));
            for ((_, phase), lap) in GROUPS.iter().zip(was.laps) {
                for time in lap.stop().phases.iter().filter(|time| time.phase != REST) {
                    let of = told.phases.entry(phase.name().to_owned()).or_default();
                    let sum = of.entry(time.phase.name().to_owned()).or_default();
                    *sum = (sum.0 + time.thread_ns, sum.1 + time.marks);
                }
            }
        }
        told
    }
}

fn processor_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Whether anybody waits for a request of that name.
pub(crate) fn is_waited_for(name: &str) -> bool {
    ![Request::Release, Request::Releasedir, Request::Forget].iter().any(|one| TABLE[*one as usize].0 == name)
}

/// The name of a count that a server told of, as records hold it.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    TABLE.iter().map(|(known, _)| *known).find(|known| *known == name)
}
