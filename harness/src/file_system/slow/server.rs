//! The server behind a slow file system: it asks the real one at once, and answers later.

use crate::pace::Pace;
use anyhow::{Context, Result};
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig,
    LockOwner, Notifier, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyXattr, Request,
};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// Who asks the root for this attribute arms it.
pub(super) const ARM: &str = "user.assay.arm";

/// So long the kernel believes what it was told.
const REMEMBERED: Duration = Duration::from_hours(1);

/// What the server and its owner share.
pub(super) struct Shared {
    armed: AtomicBool,
    notifier: OnceLock<Notifier>,
}

impl Shared {
    pub(super) fn know(&self, notifier: Notifier) {
        // It is told once, by who mounts.
        let _ = self.notifier.set(notifier);
    }

    pub(super) fn set_armed(&self, armed: bool) {
        self.armed.store(armed, Ordering::SeqCst);
    }
}

/// An answer that waits, and since when.
type Later = (Pace, Box<dyn FnOnce() + Send>);

/// What a directory lists: inode, type and name.
type Listing = Vec<(u64, FileType, OsString)>;

pub(super) struct Server {
    root: PathBuf,
    shared: Arc<Shared>,
    latency: Duration,
    /// Answers that wait: each as long as the others, so the first to come is the first to go.
    later: Sender<Later>,
    /// The paths of the inodes that the kernel was told of.
    paths: Mutex<HashMap<u64, PathBuf>>,
    open: Mutex<HashMap<u64, Opened>>,
    next: AtomicU64,
}

/// What is open.
#[derive(Clone)]
enum Opened {
    Listing(Arc<Listing>),
    File(Arc<File>),
}

impl Server {
    pub(super) fn of(root: &Path, latency: Duration) -> Result<Server> {
        let (later, waiting) = channel();
        std::thread::Builder::new()
            .name("slow answers".into())
            .spawn(move || answer(&waiting, latency))
            .context("starting a thread")?;
        Ok(Server {
            root: root.to_owned(),
            shared: Arc::new(Shared { armed: AtomicBool::new(false), notifier: OnceLock::new() }),
            latency,
            later,
            paths: Mutex::default(),
            open: Mutex::default(),
            next: AtomicU64::new(1),
        })
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Answers when it is time.
    fn reply(&self, answer: impl FnOnce() + Send + 'static) {
        if !self.latency.is_zero() && self.shared.armed.load(Ordering::SeqCst) {
            // The receiver ends with the server.
            let _ = self.later.send((Pace::begin(), Box::new(answer)));
        } else {
            answer();
        }
    }

    fn path(&self, inode: INodeNo) -> Result<PathBuf, Errno> {
        if inode == INodeNo::ROOT {
            return Ok(self.root.clone());
        }
        held(&self.paths).get(&inode.0).cloned().ok_or(Errno::ESTALE)
    }

    fn keep(&self, opened: Opened) -> FileHandle {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        held(&self.open).insert(handle, opened);
        FileHandle(handle)
    }

    fn opened(&self, handle: FileHandle) -> Result<Opened, Errno> {
        held(&self.open).get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    fn look_up(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let path = self.path(parent)?.join(name);
        let attributes = attributes(&path.symlink_metadata()?);
        held(&self.paths).insert(attributes.ino.0, path);
        Ok(attributes)
    }

    fn attributes(&self, inode: INodeNo) -> Result<FileAttr, Errno> {
        let found = attributes(&self.path(inode)?.symlink_metadata()?);
        Ok(FileAttr { ino: inode, ..found })
    }

    fn list(&self, inode: INodeNo) -> Result<Listing, Errno> {
        let path = self.path(inode)?;
        let mut names: Listing = [".", ".."].map(|name| (inode.0, FileType::Directory, name.into())).into();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            names.push((entry.ino(), kind(entry.file_type()?), entry.file_name()));
        }
        Ok(names)
    }
}

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Without it one directory answers one question at a time, and no number of threads would help. A kernel that
        // lacks it is older than all that this runs on.
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.look_up(parent, name);
        self.reply(move || match found {
            Ok(attributes) => {
                let known = attributes.kind == FileType::Directory;
                let entry = if known { REMEMBERED } else { Duration::ZERO };
                reply.entry_with_ttls(&REMEMBERED, &entry, &attributes, Generation(0));
            }
            Err(errno) => reply.error(errno),
        });
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let found = self.attributes(inode);
        self.reply(move || match found {
            Ok(attributes) => reply.attr(&REMEMBERED, &attributes),
            Err(errno) => reply.error(errno),
        });
    }

    fn opendir(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.list(inode) {
            Ok(names) => reply.opened(self.keep(Opened::Listing(Arc::new(names))), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let names = match self.opened(handle) {
            Ok(Opened::Listing(names)) => names,
            Ok(Opened::File(_)) => return reply.error(Errno::ENOTDIR),
            Err(errno) => return reply.error(errno),
        };
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if from >= names.len() {
            // A network file system says with the last part that it was the last.
            return reply.ok();
        }
        for (at, (inode, kind, name)) in names.iter().enumerate().skip(from) {
            if reply.add(INodeNo(*inode), at as u64 + 1, *kind, name) {
                break;
            }
        }
        self.reply(move || reply.ok());
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        held(&self.open).remove(&handle.0);
        reply.ok();
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        match self.path(inode).and_then(|path| Ok(std::fs::read_link(path)?)) {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.path(inode).and_then(|path| Ok(File::open(path)?)) {
            Ok(file) => reply.opened(self.keep(Opened::File(Arc::new(file))), FopenFlags::FOPEN_KEEP_CACHE),
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut bytes = vec![0; size as usize];
        let read = match self.opened(handle) {
            Ok(Opened::File(file)) => read_at_most(&file, &mut bytes, offset).map_err(Errno::from),
            Ok(Opened::Listing(_)) => Err(Errno::EISDIR),
            Err(errno) => Err(errno),
        };
        match read {
            Ok(read) => reply.data(&bytes[..read]),
            Err(errno) => reply.error(errno),
        }
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        held(&self.open).remove(&handle.0);
        reply.ok();
    }

    fn getxattr(&self, _: &Request, inode: INodeNo, name: &OsStr, _: u32, reply: ReplyXattr) {
        if inode != INodeNo::ROOT || name != ARM {
            return reply.error(Errno::ENODATA);
        }
        let (shared, root) = (self.shared.clone(), self.root.clone());
        // While the kernel forgets it may have to ask: not the thread that waits for it.
        std::thread::spawn(move || {
            if let Some(notifier) = shared.notifier.get() {
                for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
                    // What the kernel does not know it need not forget. All below a directory goes with it.
                    let _ = notifier.inval_entry(INodeNo::ROOT, &entry.file_name());
                }
            }
            shared.set_armed(true);
            reply.error(Errno::ENODATA);
        });
    }
}

/// Gives each answer when its time has come.
fn answer(waiting: &Receiver<Later>, latency: Duration) {
    while let Ok((since, answer)) = waiting.recv() {
        std::thread::sleep(latency.saturating_sub(since.passed()));
        answer();
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_at_most(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], offset + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

#[expect(clippy::cast_possible_truncation, reason = "so wide are the fields that the kernel takes")]
fn attributes(meta: &Metadata) -> FileAttr {
    let at = |seconds: i64, nanoseconds: i64| {
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let start = if seconds < 0 { UNIX_EPOCH - whole } else { UNIX_EPOCH + whole };
        start + Duration::from_nanos(nanoseconds.unsigned_abs())
    };
    let mtime = at(meta.mtime(), meta.mtime_nsec());
    FileAttr {
        ino: INodeNo(meta.ino()),
        size: meta.size(),
        blocks: meta.blocks(),
        atime: at(meta.atime(), meta.atime_nsec()),
        mtime,
        ctime: at(meta.ctime(), meta.ctime_nsec()),
        crtime: mtime,
        kind: kind(meta.file_type()),
        perm: (meta.mode() & 0o7777) as u16,
        nlink: meta.nlink() as u32,
        uid: meta.uid(),
        gid: meta.gid(),
        rdev: meta.rdev() as u32,
        blksize: meta.blksize() as u32,
        flags: 0,
    }
}

fn kind(of: std::fs::FileType) -> FileType {
    match of {
        of if of.is_dir() => FileType::Directory,
        of if of.is_symlink() => FileType::Symlink,
        of if of.is_fifo() => FileType::NamedPipe,
        of if of.is_socket() => FileType::Socket,
        of if of.is_block_device() => FileType::BlockDevice,
        of if of.is_char_device() => FileType::CharDevice,
        _ => FileType::RegularFile,
    }
}
