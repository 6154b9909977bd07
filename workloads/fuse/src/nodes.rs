//! What the server knows of files besides their bytes and names: whose they are, and who still holds them.

use crate::numbered::Numbered;
use crate::vectors::lock;
use blocks::{Ino, ROOT};
use fuser::{Errno, FileAttr, FileType, INodeNo, TimeOrNow};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Set-user-id and set-group-id.
const SETUID: u16 = 0o4000;
const SETGID: u16 = 0o2000;
const GROUP_EXECUTES: u16 = 0o010;
/// The label by which a program gets some of root's rights.
const CAPABILITY: &[u8] = b"security.capability";

/// A file, a directory or a link.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: FileType,
    pub(crate) perm: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) rdev: u32,
    pub(crate) names: u32,
    /// How often the kernel was told of it, and has not forgotten.
    lookups: u64,
    pub(crate) atime: SystemTime,
    pub(crate) mtime: SystemTime,
    pub(crate) ctime: SystemTime,
    /// Where a symbolic link points.
    pub(crate) target: Option<PathBuf>,
    /// What is noted beside it, by name.
    pub(crate) labels: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What a new node is to be.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) kind: FileType,
    pub(crate) mode: u32,
    pub(crate) rdev: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) target: Option<PathBuf>,
}

/// What is to be changed about a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) mode: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) atime: Option<TimeOrNow>,
    pub(crate) mtime: Option<TimeOrNow>,
    pub(crate) ctime: Option<SystemTime>,
}

/// All nodes, by number.
pub(crate) struct Nodes(Mutex<Numbered<Node>>);

impl Nodes {
    /// The root alone, which is its maker's.
    pub(crate) fn new() -> Nodes {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let root = New { kind: FileType::Directory, mode: 0o755, rdev: 0, uid, gid, target: None };
        Nodes(Mutex::new(Numbered::from_iter([(ROOT, root.node(now()))])))
    }

    /// Enters a new node, of which the kernel is told. In a directory with the setgid bit, it belongs to the directory's
    /// group.
    pub(crate) fn add(&self, ino: Ino, parent: Ino, mut new: New) -> FileAttr {
        let mut nodes = lock(&self.0);
        let time = now();
        if let Some(parent) = nodes.get_mut(&parent) {
            if parent.perm & SETGID != 0 {
                new.gid = parent.gid;
                if new.kind == FileType::Directory {
                    new.mode |= u32::from(SETGID);
                }
            }
            if new.kind == FileType::Directory {
                parent.names += 1;
            }
            (parent.mtime, parent.ctime) = (time, time);
        }
        let mut node = new.node(time);
        node.lookups = 1;
        let attr = node.attr(ino);
        nodes.insert(ino, node);
        attr
    }

    /// Whether there is one of that number.
    pub(crate) fn has(&self, ino: Ino) -> Result<(), Errno> {
        self.with(ino, |_| ())
    }

    /// The node of that number.
    pub(crate) fn get(&self, ino: Ino) -> Result<Node, Errno> {
        lock(&self.0).get(&ino).cloned().ok_or(Errno::ENOENT)
    }

    /// What the kernel is told of it, once more.
    pub(crate) fn look_up(&self, ino: Ino) -> Result<FileAttr, Errno> {
        self.with(ino, |node| {
            node.lookups += 1;
            node.attr(ino)
        })
    }

    /// Does something to a node.
    pub(crate) fn with<R>(&self, ino: Ino, change: impl FnOnce(&mut Node) -> R) -> Result<R, Errno> {
        lock(&self.0).get_mut(&ino).map(change).ok_or(Errno::ENOENT)
    }

    /// The kernel has forgotten it so often: whether nobody knows it any more.
    pub(crate) fn forget(&self, ino: Ino, times: u64) -> bool {
        let mut nodes = lock(&self.0);
        let Some(node) = nodes.get_mut(&ino) else { return false };
        node.lookups = node.lookups.saturating_sub(times);
        let gone = node.lookups == 0 && node.names == 0;
        if gone {
            nodes.remove(&ino);
        }
        gone
    }

    /// It has lost a name in a directory: whether nobody knows it any more. What is open stays until it is closed.
    pub(crate) fn unname(&self, ino: Ino, parent: Ino) -> bool {
        let mut nodes = lock(&self.0);
        let time = now();
        let mut was_directory = false;
        let mut gone = false;
        if let Some(node) = nodes.get_mut(&ino) {
            was_directory = node.kind == FileType::Directory;
            node.names = if was_directory { 0 } else { node.names - 1 };
            node.ctime = time;
            gone = node.names == 0 && node.lookups == 0;
        }
        if let Some(parent) = nodes.get_mut(&parent) {
            parent.names -= u32::from(was_directory);
            (parent.mtime, parent.ctime) = (time, time);
        }
        if gone {
            nodes.remove(&ino);
        }
        gone
    }

    /// A directory has gone from one directory to another.
    pub(crate) fn moved(&self, ino: Ino, from: Ino, to: Ino) {
        let mut nodes = lock(&self.0);
        let time = now();
        let directory = nodes.get(&ino).is_some_and(|node| node.kind == FileType::Directory);
        for (parent, more) in [(from, false), (to, true)] {
            if let Some(parent) = nodes.get_mut(&parent) {
                (parent.mtime, parent.ctime) = (time, time);
                match more {
                    true if directory => parent.names += 1,
                    false if directory => parent.names -= 1,
                    _ => {}
                }
            }
        }
        if let Some(node) = nodes.get_mut(&ino) {
            node.ctime = time;
        }
    }
}

impl New {
    /// A node of that mode, whose upper bits say what it is.
    pub(crate) fn of(mode: u32, rdev: u32, (uid, gid): (u32, u32)) -> New {
        let kind = match mode & 0o170_000 {
            0o010_000 => FileType::NamedPipe,
            0o020_000 => FileType::CharDevice,
            0o040_000 => FileType::Directory,
            0o060_000 => FileType::BlockDevice,
            0o120_000 => FileType::Symlink,
            0o140_000 => FileType::Socket,
            _ => FileType::RegularFile,
        };
        New { kind, mode, rdev, uid, gid, target: None }
    }

    fn node(self, time: SystemTime) -> Node {
        Node {
            kind: self.kind,
            perm: permissions(self.mode),
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            names: if self.kind == FileType::Directory { 2 } else { 1 },
            lookups: 0,
            atime: time,
            mtime: time,
            ctime: time,
            target: self.target,
            labels: BTreeMap::new(),
        }
    }
}

impl Node {
    /// As the kernel wants it. How long a file is, its store knows.
    pub(crate) fn attr(&self, ino: Ino) -> FileAttr {
        let size = self.target.as_ref().map_or(0, |target| target.as_os_str().as_bytes().len() as u64);
        FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: self.atime,
            mtime: self.mtime,
            ctime: self.ctime,
            crtime: UNIX_EPOCH,
            kind: self.kind,
            perm: self.perm,
            nlink: self.names,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            blksize: 4096,
            flags: 0,
        }
    }

    /// Changes what is to be changed.
    pub(crate) fn change(&mut self, change: &Change) {
        let time = now();
        let at = |when: TimeOrNow| match when {
            TimeOrNow::SpecificTime(when) => when,
            TimeOrNow::Now => time,
        };
        if let Some(mode) = change.mode {
            self.perm = permissions(mode);
        }
        self.uid = change.uid.unwrap_or(self.uid);
        self.gid = change.gid.unwrap_or(self.gid);
        self.atime = change.atime.map_or(self.atime, at);
        self.mtime = change.mtime.map_or(self.mtime, at);
        self.ctime = change.ctime.unwrap_or(time);
    }

    /// It was written to.
    pub(crate) fn written(&mut self) {
        let time = now();
        (self.mtime, self.ctime) = (time, time);
    }

    /// Whoever writes to it might be anybody: it no longer runs as its owner.
    pub(crate) fn drop_privileges(&mut self) {
        self.perm &= !SETUID;
        if self.perm & GROUP_EXECUTES != 0 {
            self.perm &= !SETGID;
        }
        self.labels.remove(CAPABILITY);
    }
}

fn permissions(mode: u32) -> u16 {
    u16::try_from(mode & 0o7777).expect("twelve bits fit sixteen")
}

/// The wall clock as the kernel's own file systems read it: as of its last tick.
pub(crate) fn now() -> SystemTime {
    let time = clock_gettime(ClockId::RealtimeCoarse);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    UNIX_EPOCH + Duration::new(time.tv_sec.unsigned_abs(), nanoseconds)
}
