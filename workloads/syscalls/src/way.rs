//! The ways to make one file, and what each of them guarantees and costs.

use crate::sink::Sink;
use anyhow::Result;
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use technique::load::Whole;
use technique::{Absent, Calls, Lap, Promise, Promises};

/// What a file shall have besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Its permission bits.
    pub mode: u32,
    /// When its contents changed last: seconds, nanoseconds.
    pub mtime: (i64, u32),
    /// How many bytes it holds; a sink that got more or fewer does not finish.
    pub len: u64,
}

impl From<&Whole> for Attributes {
    fn from(file: &Whole) -> Attributes {
        Attributes { mode: file.mode, mtime: file.mtime, len: file.bytes.len() as u64 }
    }
}

/// One way to make one file with its mode and time.
///
/// ```
/// use rustix::fs::CWD;
/// use syscalls::{Attributes, Way};
/// use technique::Lap;
/// # fn main() -> anyhow::Result<()> {
/// # let place = tempfile::tempdir()?;
/// let path = place.path().join("hello");
/// let attributes = Attributes { mode: 0o644, mtime: (1_700_000_000, 0), len: 5 };
/// let mut lap = Lap::start(true);
/// let mut sink = Way::ByDescriptor.begin(CWD, &path, &attributes, &mut lap)?;
/// sink.write(b"hello", &mut lap)?;
/// sink.finish(&mut lap)?;
/// assert_eq!(std::fs::read(&path)?, b"hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The post-mortem's seven steps: a temporary name, write, close, rename, mode by name, time by name, and an
    /// attempt to remove the temporary name, which is gone by then.
    ///
    /// A file's bytes are never seen half done under its final name; its mode and time follow a moment later.
    SevenCalls,
    /// A temporary name; mode and time through the open descriptor; one rename.
    ByDescriptor,
    /// The final name at once, its mode given to `open`; time through the descriptor. Never replaces a file.
    Direct,
    /// Like `Direct`, without the time: what times cost.
    DirectNoTimes,
    /// A file without a name, linked to its final name when it is complete. Never replaces a file.
    TmpFile,
    /// The final name at once, room reserved, bytes copied into a shared mapping. Never replaces a file.
    Mapped,
}

impl Attributes {
    /// Whether writing would clear bits of the mode that `open` had set.
    pub(crate) fn has_set_id(&self) -> bool {
        self.mode & 0o6000 != 0
    }
}

impl Way {
    /// Every way, the post-mortem's first.
    pub const ALL: [Way; 6] =
        [Way::SevenCalls, Way::ByDescriptor, Way::Direct, Way::DirectNoTimes, Way::TmpFile, Way::Mapped];

    /// Makes the file's name, or its temporary one, and opens it. `path` is relative to `dir`, or absolute beside
    /// [`rustix::fs::CWD`]. Ways that give the mode to `open` rely on [`technique::load::clear_umask`].
    #[inline]
    pub fn begin<'a>(
        self,
        dir: BorrowedFd<'a>,
        path: &'a Path,
        attributes: &'a Attributes,
        lap: &mut Lap,
    ) -> Result<Sink<'a>> {
        Sink::begin(self, dir, path, attributes, lap)
    }

    /// What a file made this way is guaranteed. None of the ways waits until bytes are stored.
    pub const fn promises(self) -> Promises {
        let all = Promises::NONE.with(Promise::Atomic).with(Promise::TimesKept).with(Promise::Independent);
        match self {
            Way::SevenCalls | Way::ByDescriptor | Way::TmpFile => all,
            Way::Direct | Way::Mapped => all.without(Promise::Atomic),
            Way::DirectNoTimes => all.without(Promise::Atomic).without(Promise::TimesKept),
        }
    }

    /// The calls that one file costs that is written in so many pieces, by the names that strace prints.
    /// A file whose mode has set-id bits costs the last four ways one `fchmod` more: writing clears those bits.
    pub fn calls(self, pieces: u64) -> Calls {
        let mapped = u64::from(pieces > 0);
        let table: &[(&'static str, u64)] = match self {
            Way::SevenCalls => &[
                ("openat", 1),
                ("write", pieces),
                ("close", 1),
                ("renameat", 1),
                ("fchmodat", 1),
                ("utimensat", 1),
                ("unlinkat", 1),
            ],
            Way::ByDescriptor => {
                &[("openat", 1), ("write", pieces), ("fchmod", 1), ("utimensat", 1), ("close", 1), ("renameat", 1)]
            }
            Way::Direct => &[("openat", 1), ("write", pieces), ("utimensat", 1), ("close", 1)],
            Way::DirectNoTimes => &[("openat", 1), ("write", pieces), ("close", 1)],
            Way::TmpFile => &[("openat", 1), ("write", pieces), ("utimensat", 1), ("linkat", 1), ("close", 1)],
            Way::Mapped => &[
                ("openat", 1),
                ("fallocate", mapped),
                ("mmap", mapped),
                ("munmap", mapped),
                ("utimensat", 1),
                ("close", 1),
            ],
        };
        let mut calls = Calls::default();
        for (name, count) in table {
            calls.add(name, *count);
        }
        calls
    }

    /// Whether the mode is given to `open`, and nothing sets it later.
    pub(crate) fn opens_with_mode(self) -> bool {
        !matches!(self, Way::SevenCalls | Way::ByDescriptor)
    }

    /// Whether files can be made this way in that directory; where its file system cannot, answers [`Absent`].
    pub fn probe(self, place: &Path) -> Result<()> {
        let (what, mend) = match self {
            Way::TmpFile => (
                "O_TMPFILE, or /proc is not mounted",
                "mount /proc, or name a place on ext4, xfs, btrfs or tmpfs with --scratch",
            ),
            Way::Mapped => ("fallocate or shared mappings", "name a place on ext4, xfs, btrfs or tmpfs with --scratch"),
            _ => return Ok(()),
        };
        match try_one(self, place) {
            Ok(()) => Ok(()),
            // A place that is not there lacks nothing else.
            Err(error) if !place.is_dir() => Err(error),
            Err(error) => Err(match error.downcast_ref::<Errno>() {
                Some(
                    &(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS | Errno::NODEV | Errno::NOENT),
                ) => Absent::because(format!("the file system of {} lacks {what}", place.display()), mend),
                _ => error,
            }),
        }
    }
}

fn try_one(way: Way, place: &Path) -> Result<()> {
    let path = place.join(".assay-probe");
    let attributes = Attributes { mode: 0o600, mtime: (0, 0), len: 1 };
    let mut lap = Lap::start(false);
    let mut sink = way.begin(rustix::fs::CWD.as_fd(), &path, &attributes, &mut lap)?;
    sink.write(b"x", &mut lap)?;
    sink.finish(&mut lap)?;
    rustix::fs::unlink(&path)?;
    Ok(())
}
