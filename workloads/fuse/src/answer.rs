//! Each request of a transport of our own, answered from the core.

use crate::core::{Core, errno};
use crate::knobs::Data;
use crate::nodes::{Change, New};
use crate::watch::Request as Kind;
use crate::wire::{Answer, Numbers, name, opcode as op, time};
use fuser::{Errno, FileType, FopenFlags, RenameFlags, TimeOrNow};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;
use technique::Lap;
use technique::phase::{ACQUIRE, CLOSE, COPY, RECORD, TIMES};

/// How a request was answered: how many bytes the answer has, or the errno.
pub(crate) type Answered = std::result::Result<usize, i32>;

/// What every request says of itself, and the numbers that it begins with.
pub(crate) struct Request<'a> {
    pub(crate) opcode: u32,
    node: u64,
    /// Who asks.
    owner: (u32, u32),
    argument: Numbers<'a>,
}

impl<'a> Request<'a> {
    /// By its header and its numbers, as they lie in memory.
    pub(crate) fn new(header: &'a [u8], argument: &'a [u8]) -> Request<'a> {
        let mut header = Numbers(header);
        let _len = header.u32();
        let opcode = header.u32();
        let _unique = header.u64();
        let node = header.u64();
        Request { opcode, node, owner: (header.u32(), header.u32()), argument: Numbers(argument) }
    }

    /// Answers it, counted and timed. Names and bytes that came with it are `told`; the answer is put into `room`.
    pub(crate) fn answer(self, core: &Core, told: &[u8], room: &mut [u8]) -> Answered {
        let Some(kind) = kind(self.opcode) else { return Err(Errno::ENOSYS.code()) };
        core.watch.turn(kind, |lap| self.put(core, told, room, lap)).map_err(Errno::code)
    }
}

fn kind(opcode: u32) -> Option<Kind> {
    Some(match opcode {
        op::LOOKUP => Kind::Lookup,
        op::GETATTR => Kind::Getattr,
        op::SETATTR => Kind::Setattr,
        op::READLINK => Kind::Readlink,
        op::SYMLINK => Kind::Symlink,
        op::MKNOD => Kind::Mknod,
        op::MKDIR => Kind::Mkdir,
        op::UNLINK => Kind::Unlink,
        op::RMDIR => Kind::Rmdir,
        op::RENAME | op::RENAME2 => Kind::Rename,
        op::LINK => Kind::Link,
        op::OPEN => Kind::Open,
        op::READ => Kind::Read,
        op::WRITE => Kind::Write,
        op::STATFS => Kind::Statfs,
        op::RELEASE => Kind::Release,
        op::FSYNC => Kind::Fsync,
        op::SETXATTR => Kind::Setxattr,
        op::GETXATTR => Kind::Getxattr,
        op::LISTXATTR => Kind::Listxattr,
        op::REMOVEXATTR => Kind::Removexattr,
        op::FLUSH => Kind::Flush,
        op::OPENDIR => Kind::Opendir,
        op::READDIR => Kind::Readdir,
        op::RELEASEDIR => Kind::Releasedir,
        op::FSYNCDIR => Kind::Fsyncdir,
        op::ACCESS => Kind::Access,
        op::CREATE => Kind::Create,
        op::FALLOCATE => Kind::Fallocate,
        op::LSEEK => Kind::Lseek,
        // What is not offered by the other transport either. A kernel that was told so once does not ask again.
        _ => return None,
    })
}

impl Request<'_> {
    fn put(mut self, core: &Core, told: &[u8], room: &mut [u8], lap: &mut Lap) -> Result<usize, Errno> {
        let lifetime = Duration::from_secs(u64::from(core.knobs.lifetime_s));
        match self.opcode {
            op::READ => return self.read(core, room, lap),
            op::READDIR => return Ok(self.list(core, room)),
            _ => {}
        }
        let mut answer = Answer::new(room);
        match self.opcode {
            op::LOOKUP => {
                let found = core.look_up(self.node, name(told)?.0)?;
                lap.mark(RECORD);
                answer.entry(&found, lifetime);
            }
            op::GETATTR => {
                let attr = core.attr(self.node)?;
                lap.mark(RECORD);
                answer.attr(&attr, lifetime);
            }
            op::SETATTR => {
                let (change, size) = self.change();
                answer.attr(&core.change(self.node, &change, size)?, lifetime);
            }
            op::READLINK => {
                let target = core.nodes.get(self.node)?.target.ok_or(Errno::EINVAL)?;
                fits(answer.bytes(target.as_os_str().as_bytes()))?;
            }
            op::SYMLINK | op::MKNOD | op::MKDIR => {
                let (name, new) = self.wanted(told)?;
                let made = core.make(self.node, name, new, lap)?;
                lap.mark(RECORD);
                answer.entry(&made, lifetime);
            }
            op::CREATE => {
                if !core.knobs.opens {
                    return Err(Errno::ENOSYS);
                }
                let (name, new) = self.wanted(told)?;
                let made = core.make(self.node, name, new, lap)?;
                lap.mark(RECORD);
                answer.entry(&made, lifetime);
                answer.open(flags(core).bits());
            }
            op::LINK => {
                let linked = core.link(self.argument.u64(), self.node, name(told)?.0)?;
                answer.entry(&linked, lifetime);
            }
            op::OPEN | op::OPENDIR => {
                if !core.knobs.opens {
                    return Err(Errno::ENOSYS);
                }
                let flags = if self.opcode == op::OPEN { flags(core) } else { FopenFlags::empty() };
                answer.open(flags.bits());
            }
            op::WRITE => {
                let written = self.write(core, told, lap)?;
                answer.u32(written).u32(0);
            }
            op::STATFS => {
                answer.u64(1 << 30).u64(1 << 29).u64(1 << 29).u64(0).u64(0).u32(4096).u32(255).u32(4096);
                fits(answer.bytes(&[0; 28]))?;
            }
            op::GETXATTR | op::LISTXATTR => {
                let found = match self.opcode {
                    op::GETXATTR => core.label(self.node, name(told)?.0),
                    _ => core.list_labels(self.node),
                };
                label(&found?, self.argument.u32() as usize, &mut answer)?;
            }
            _ => self.done(core, told, lap)?,
        }
        Ok(answer.len())
    }

    /// Does what is answered by nothing but that it is done.
    fn done(&mut self, core: &Core, told: &[u8], lap: &mut Lap) -> Result<(), Errno> {
        match self.opcode {
            op::UNLINK => core.unname(self.node, name(told)?.0, false),
            op::RMDIR => core.unname(self.node, name(told)?.0, true),
            op::RENAME | op::RENAME2 => {
                let to = self.argument.u64();
                let flags = if self.opcode == op::RENAME2 { self.argument.u32() } else { 0 };
                let (from_name, rest) = name(told)?;
                let to_name = name(rest)?.0;
                core.rename((self.node, from_name), (to, to_name), RenameFlags::from_bits_retain(flags), lap)
            }
            op::FSYNC | op::FSYNCDIR => core.sync(self.node, lap),
            op::FLUSH => {
                let flushed = core.flush(self.node, lap);
                lap.mark(CLOSE);
                flushed
            }
            op::RELEASE => core.release(self.node, lap),
            op::RELEASEDIR => Ok(()),
            op::SETXATTR => {
                let (len, flags) = (self.argument.u32() as usize, self.argument.u32());
                let (name, rest) = name(told)?;
                let value = rest.get(..len).ok_or(Errno::EINVAL)?;
                core.set_label(self.node, name, value, flags.cast_signed())
            }
            op::REMOVEXATTR => core.remove_label(self.node, name(told)?.0),
            op::FALLOCATE => {
                let _handle = self.argument.u64();
                let (at, len, mode) = (self.argument.u64(), self.argument.u64(), self.argument.u32());
                core.allocate(self.node, at, len, mode.cast_signed(), lap)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    /// The name and the node that are to be made.
    fn wanted<'a>(&mut self, told: &'a [u8]) -> Result<(&'a [u8], New), Errno> {
        let (called, rest) = name(told)?;
        let new = match self.opcode {
            op::SYMLINK => {
                let target = Some(OsStr::from_bytes(name(rest)?.0).into());
                New { target, kind: FileType::Symlink, ..New::of(0o777, 0, self.owner) }
            }
            op::MKDIR => New { kind: FileType::Directory, ..New::of(self.argument.u32(), 0, self.owner) },
            op::MKNOD => New::of(self.argument.u32(), self.argument.u32(), self.owner),
            _ => {
                let _flags = self.argument.u32();
                New { kind: FileType::RegularFile, ..New::of(self.argument.u32(), 0, self.owner) }
            }
        };
        Ok((called, new))
    }

    /// `struct fuse_setattr_in`: what is to be changed, and how long the file shall be.
    fn change(&mut self) -> (Change, Option<u64>) {
        let valid = self.argument.u32();
        let _padding = self.argument.u32();
        let _handle = self.argument.u64();
        let size = self.argument.u64();
        let _lock_owner = self.argument.u64();
        let [atime, mtime, ctime] = [(); 3].map(|()| self.argument.u64());
        let [atime, mtime, ctime] = [atime, mtime, ctime].map(|seconds| time(seconds, self.argument.u32()));
        let mode = self.argument.u32();
        let _unused = self.argument.u32();
        let (uid, gid) = (self.argument.u32(), self.argument.u32());
        let has = |bit: u32| valid & 1 << bit != 0;
        let when = |bit, now, time| match (has(bit), has(now)) {
            (_, true) => Some(TimeOrNow::Now),
            (true, false) => Some(TimeOrNow::SpecificTime(time)),
            (false, false) => None,
        };
        let change = Change {
            mode: has(0).then_some(mode),
            uid: has(1).then_some(uid),
            gid: has(2).then_some(gid),
            atime: when(4, 7, atime),
            mtime: when(5, 8, mtime),
            ctime: has(10).then_some(ctime),
        };
        (change, has(3).then_some(size))
    }

    fn read(&mut self, core: &Core, room: &mut [u8], lap: &mut Lap) -> Result<usize, Errno> {
        let _handle = self.argument.u64();
        let (at, size) = (self.argument.u64(), self.argument.u32() as usize);
        let room = room.get_mut(..size).ok_or(Errno::EINVAL)?;
        lap.mark(ACQUIRE);
        let read = core.store.read(self.node, at, room).map_err(errno);
        lap.mark(COPY);
        read
    }

    fn write(&mut self, core: &Core, told: &[u8], lap: &mut Lap) -> Result<u32, Errno> {
        const KILL_SUIDGID: u32 = 4;
        let _handle = self.argument.u64();
        let (at, size, flags) = (self.argument.u64(), self.argument.u32(), self.argument.u32());
        let bytes = told.get(..size as usize).ok_or(Errno::EINVAL)?;
        let written = core.write(self.node, at, bytes, flags & KILL_SUIDGID != 0, lap);
        lap.mark(TIMES);
        written.map(|()| size)
    }

    fn list(&mut self, core: &Core, room: &mut [u8]) -> usize {
        let _handle = self.argument.u64();
        let (after, most) = (self.argument.u64(), self.argument.u32() as usize);
        let mut answer = Answer::new(room);
        for (at, name, of, kind) in core.list(self.node, after) {
            if !answer.name(of, at, kind, &name, most) {
                break;
            }
        }
        answer.len()
    }
}

/// What the kernel is told of a file that is opened. None is ever passed through.
fn flags(core: &Core) -> FopenFlags {
    if core.knobs.data == Data::Direct { FopenFlags::FOPEN_DIRECT_IO } else { FopenFlags::FOPEN_KEEP_CACHE }
}

/// A label, or only how long it is to who has no room yet.
fn label(found: &[u8], room: usize, answer: &mut Answer) -> Result<(), Errno> {
    match room {
        0 => {
            answer.u32(u32::try_from(found.len()).map_err(|_| Errno::E2BIG)?).u32(0);
            Ok(())
        }
        room if found.len() > room => Err(Errno::ERANGE),
        _ => fits(answer.bytes(found)),
    }
}

fn fits(fits: bool) -> Result<(), Errno> {
    if fits { Ok(()) } else { Err(Errno::ERANGE) }
}
