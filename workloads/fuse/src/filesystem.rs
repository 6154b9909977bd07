//! The kernel's requests, each answered from the core. What a knob says is not answered, the kernel stops asking for.

use crate::agreed::agree;
use crate::core::{Core, errno};
use crate::follow::follow;
use crate::knobs::Data;
use crate::nodes::{Change, New};
use crate::passed::Passed;
use crate::watch::Request as Asked;
use blocks::Ino;
use fuser::{
    AccessFlags, BackingId, BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Result;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use technique::phase::{ACQUIRE, CLOSE, COPY, RECORD, TIMES};

const FIRST: Generation = Generation(0);
/// Nothing is kept for who has a file open: all have the same handle.
const HANDLE: FileHandle = FileHandle(0);

thread_local! {
    /// What is read for the kernel: fresh memory for each request would cost more than what is put there.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Answers the kernel.
pub(crate) struct Mounted {
    core: Arc<Core>,
    lifetime: Duration,
    passed: Passed,
}

impl Mounted {
    /// Answers from that core.
    pub(crate) fn new(core: Arc<Core>) -> Mounted {
        let lifetime = Duration::from_secs(u64::from(core.knobs.lifetime_s));
        Mounted { core, lifetime, passed: Passed::default() }
    }

    fn flags(&self) -> FopenFlags {
        match self.core.knobs.data {
            Data::Direct => FopenFlags::FOPEN_DIRECT_IO,
            Data::Cached | Data::Writeback => FopenFlags::FOPEN_KEEP_CACHE,
            Data::Passthrough => FopenFlags::empty(),
        }
    }

    /// What the kernel is pointed to for this file, opened once more; `tell` tells it, if it does not know yet.
    fn passed(&self, ino: Ino, tell: impl FnOnce(&File) -> Result<BackingId>) -> Result<Option<Arc<BackingId>>> {
        let Some(backing) = &self.core.backing else { return Ok(None) };
        self.passed.open(ino, || tell(&*backing.file(ino)?)).map(Some)
    }

    /// Goes where the client is, if that is wanted.
    fn follow(&self, request: &Request) {
        if self.core.knobs.follows {
            follow(request.pid());
        }
    }

    fn entry(&self, made: std::result::Result<FileAttr, Errno>, reply: ReplyEntry) {
        match made {
            Ok(attr) => reply.entry(&self.lifetime, &attr, FIRST),
            Err(error) => reply.error(error),
        }
    }
}

fn done(done: std::result::Result<(), Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn new(request: &Request, kind: FileType, mode: u32) -> New {
    New { kind, mode, rdev: 0, uid: request.uid(), gid: request.gid(), target: None }
}

/// Tells a label, or only how long it is to who has no room yet.
fn label(found: std::result::Result<Vec<u8>, Errno>, room: u32, reply: ReplyXattr) {
    match found.map(|bytes| (u32::try_from(bytes.len()).unwrap_or(u32::MAX), bytes)) {
        Ok((len, _)) if room == 0 => reply.size(len),
        Ok((len, _)) if len > room => reply.error(Errno::ERANGE),
        Ok((_, bytes)) => reply.data(&bytes),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Mounted {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> Result<()> {
        agree(&self.core.knobs, config)
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.follow(request);
        self.core.watch.turn(Asked::Lookup, |lap| {
            let found = self.core.look_up(parent.0, name.as_bytes());
            lap.mark(RECORD);
            self.entry(found, reply);
        });
    }

    fn forget(&self, _: &Request, ino: INodeNo, times: u64) {
        self.core.watch.turn(Asked::Forget, |_| {
            // Nobody waits for an answer.
            let _ = self.core.forget(ino.0, times);
        });
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.core.watch.turn(Asked::Getattr, |lap| {
            let attr = self.core.attr(ino.0);
            lap.mark(RECORD);
            match attr {
                Ok(attr) => reply.attr(&self.lifetime, &attr),
                Err(error) => reply.error(error),
            }
        });
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.core.watch.turn(Asked::Setattr, |_| {
            let change = Change { mode, uid, gid, atime, mtime, ctime };
            match self.core.change(ino.0, &change, size) {
                Ok(attr) => reply.attr(&self.lifetime, &attr),
                Err(error) => reply.error(error),
            }
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        self.core.watch.turn(Asked::Readlink, |_| match self.core.nodes.get(ino.0).map(|node| node.target) {
            Ok(Some(target)) => reply.data(target.as_os_str().as_bytes()),
            Ok(None) => reply.error(Errno::EINVAL),
            Err(error) => reply.error(error),
        });
    }

    fn mknod(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, rdev: u32, reply: ReplyEntry) {
        self.core.watch.turn(Asked::Mknod, |lap| {
            let new = New::of(mode, rdev, (request.uid(), request.gid()));
            let entry = self.core.make(parent.0, name.as_bytes(), new, lap);
            lap.mark(RECORD);
            self.entry(entry, reply);
        });
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        self.core.watch.turn(Asked::Mkdir, |lap| {
            let new = new(request, FileType::Directory, mode);
            self.entry(self.core.make(parent.0, name.as_bytes(), new, lap), reply);
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Unlink, |_| done(self.core.unname(parent.0, name.as_bytes(), false), reply));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Rmdir, |_| done(self.core.unname(parent.0, name.as_bytes(), true), reply));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.core.watch.turn(Asked::Symlink, |lap| {
            let new = New { target: Some(target.to_owned()), ..new(request, FileType::Symlink, 0o777) };
            self.entry(self.core.make(parent.0, name.as_bytes(), new, lap), reply);
        });
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.core.watch.turn(Asked::Rename, |lap| {
            let (from, to) = ((parent.0, name.as_bytes()), (newparent.0, newname.as_bytes()));
            done(self.core.rename(from, to, flags, lap), reply);
        });
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.core.watch.turn(Asked::Link, |_| self.entry(self.core.link(ino.0, parent.0, name.as_bytes()), reply));
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.core.watch.turn(Asked::Open, |_| {
            if !self.core.knobs.opens {
                return reply.error(Errno::ENOSYS);
            }
            match self.passed(ino.0, |file| reply.open_backing(file)) {
                Ok(Some(id)) => reply.opened_passthrough(HANDLE, self.flags(), &id),
                Ok(None) => reply.opened(HANDLE, self.flags()),
                Err(error) => reply.error(errno(error)),
            }
        });
    }

    fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: i32, reply: ReplyCreate) {
        self.core.watch.turn(Asked::Create, |lap| {
            if !self.core.knobs.opens {
                return reply.error(Errno::ENOSYS);
            }
            let new = new(request, FileType::RegularFile, mode);
            let entry = self.core.make(parent.0, name.as_bytes(), new, lap);
            lap.mark(RECORD);
            let attr = match entry {
                Ok(attr) => attr,
                Err(error) => return reply.error(error),
            };
            match self.passed(attr.ino.0, |file| reply.open_backing(file)) {
                Ok(Some(id)) => {
                    reply.created_passthrough(&self.lifetime, &attr, FIRST, HANDLE, self.flags(), &id);
                }
                Ok(None) => reply.created(&self.lifetime, &attr, FIRST, HANDLE, self.flags()),
                Err(error) => reply.error(errno(error)),
            }
        });
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        at: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.core.watch.turn(Asked::Read, |lap| {
            BUFFER.with_borrow_mut(|buffer| {
                if buffer.len() < size as usize {
                    buffer.resize(size as usize, 0);
                }
                lap.mark(ACQUIRE);
                let read = self.core.store.read(ino.0, at, &mut buffer[..size as usize]);
                lap.mark(COPY);
                match read {
                    Ok(read) => reply.data(&buffer[..read]),
                    Err(error) => reply.error(errno(error)),
                }
            });
        });
    }

    fn write(
        &self,
        request: &Request,
        ino: INodeNo,
        _: FileHandle,
        at: u64,
        bytes: &[u8],
        flags: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.follow(request);
        self.core.watch.turn(Asked::Write, |lap| {
            let kill = flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID);
            let written = self.core.write(ino.0, at, bytes, kill, lap);
            lap.mark(TIMES);
            match written {
                Ok(()) => reply.written(u32::try_from(bytes.len()).expect("a request is shorter than 4 GiB")),
                Err(error) => reply.error(error),
            }
        });
    }

    fn flush(&self, _: &Request, ino: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Flush, |lap| {
            let closed = self.core.flush(ino.0, lap);
            lap.mark(CLOSE);
            done(closed, reply);
        });
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.core.watch.turn(Asked::Release, |lap| {
            self.passed.close(ino.0);
            done(self.core.release(ino.0, lap), reply);
        });
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Fsync, |lap| done(self.core.sync(ino.0, lap), reply));
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.core.watch.turn(Asked::Opendir, |_| {
            if self.core.knobs.opens {
                reply.opened(HANDLE, FopenFlags::empty());
            } else {
                reply.error(Errno::ENOSYS);
            }
        });
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, after: u64, mut reply: ReplyDirectory) {
        self.core.watch.turn(Asked::Readdir, |_| {
            for (at, name, of, kind) in self.core.list(ino.0, after) {
                if reply.add(INodeNo(of), at, kind, OsStr::from_bytes(&name)) {
                    break;
                }
            }
            reply.ok();
        });
    }

    fn releasedir(&self, _: &Request, _: INodeNo, _: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Releasedir, |_| reply.ok());
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Fsyncdir, |lap| done(self.core.sync(ino.0, lap), reply));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.core.watch.turn(Asked::Statfs, |_| reply.statfs(1 << 30, 1 << 29, 1 << 29, 0, 0, 4096, 255, 4096));
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, room: u32, reply: ReplyXattr) {
        self.core.watch.turn(Asked::Getxattr, |_| label(self.core.label(ino.0, name.as_bytes()), room, reply));
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, room: u32, reply: ReplyXattr) {
        self.core.watch.turn(Asked::Listxattr, |_| label(self.core.list_labels(ino.0), room, reply));
    }

    fn setxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, value: &[u8], flags: i32, _: u32, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Setxattr, |_| {
            done(self.core.set_label(ino.0, name.as_bytes(), value, flags), reply);
        });
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Removexattr, |_| done(self.core.remove_label(ino.0, name.as_bytes()), reply));
    }

    fn fallocate(&self, _: &Request, ino: INodeNo, _: FileHandle, at: u64, len: u64, mode: i32, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Fallocate, |lap| done(self.core.allocate(ino.0, at, len, mode, lap), reply));
    }

    // What follows is not offered here. A kernel that was told so once does not ask again.

    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        self.core.watch.turn(Asked::Access, |_| reply.error(Errno::ENOSYS));
    }

    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        self.core.watch.turn(Asked::Lseek, |_| reply.error(Errno::ENOSYS));
    }
}
