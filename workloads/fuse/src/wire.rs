//! What requests and answers look like in memory (include/uapi/linux/fuse.h).

use crate::knobs::Knobs;
use fuser::{Errno, FileAttr, FileType};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the kernel calls its requests.
pub(crate) mod opcode {
    pub(crate) const LOOKUP: u32 = 1;
    pub(crate) const FORGET: u32 = 2;
    pub(crate) const GETATTR: u32 = 3;
    pub(crate) const SETATTR: u32 = 4;
    pub(crate) const READLINK: u32 = 5;
    pub(crate) const SYMLINK: u32 = 6;
    pub(crate) const MKNOD: u32 = 8;
    pub(crate) const MKDIR: u32 = 9;
    pub(crate) const UNLINK: u32 = 10;
    pub(crate) const RMDIR: u32 = 11;
    pub(crate) const RENAME: u32 = 12;
    pub(crate) const LINK: u32 = 13;
    pub(crate) const OPEN: u32 = 14;
    pub(crate) const READ: u32 = 15;
    pub(crate) const WRITE: u32 = 16;
    pub(crate) const STATFS: u32 = 17;
    pub(crate) const RELEASE: u32 = 18;
    pub(crate) const FSYNC: u32 = 20;
    pub(crate) const SETXATTR: u32 = 21;
    pub(crate) const GETXATTR: u32 = 22;
    pub(crate) const LISTXATTR: u32 = 23;
    pub(crate) const REMOVEXATTR: u32 = 24;
    pub(crate) const FLUSH: u32 = 25;
    pub(crate) const OPENDIR: u32 = 27;
    pub(crate) const READDIR: u32 = 28;
    pub(crate) const RELEASEDIR: u32 = 29;
    pub(crate) const FSYNCDIR: u32 = 30;
    pub(crate) const ACCESS: u32 = 34;
    pub(crate) const CREATE: u32 = 35;
    pub(crate) const DESTROY: u32 = 38;
    pub(crate) const BATCH_FORGET: u32 = 42;
    pub(crate) const FALLOCATE: u32 = 43;
    pub(crate) const RENAME2: u32 = 45;
    pub(crate) const LSEEK: u32 = 46;
}

/// How long a request's header is, `struct fuse_in_header`, and an answer's, `struct fuse_out_header`.
pub(crate) const HEADER: usize = 40;
pub(crate) const OUT: usize = 16;
/// The least room for what comes with a request: the kernel wants as much as it reads ahead, whatever a write may be.
const LEAST_ROOM: usize = 1 << 20;
const PAGE: usize = 4096;

/// Room for every request and every answer.
pub(crate) fn room(knobs: &Knobs) -> usize {
    LEAST_ROOM.max(knobs.max_write as usize) + PAGE
}

/// How long the numbers are that a request begins with: what a ring keeps apart, and what the device sends in one
/// piece with names and bytes.
pub(crate) fn first_argument(opcode: u32) -> usize {
    match opcode {
        opcode::SETATTR => 88,
        opcode::READ | opcode::WRITE | opcode::READDIR => 40,
        opcode::FALLOCATE => 32,
        opcode::RELEASE | opcode::RELEASEDIR | opcode::FLUSH | opcode::LSEEK => 24,
        opcode::GETATTR | opcode::MKNOD | opcode::FSYNC | opcode::FSYNCDIR | opcode::CREATE | opcode::RENAME2 => 16,
        opcode::MKDIR
        | opcode::RENAME
        | opcode::LINK
        | opcode::OPEN
        | opcode::OPENDIR
        | opcode::SETXATTR
        | opcode::GETXATTR
        | opcode::LISTXATTR
        | opcode::ACCESS => 8,
        _ => 0,
    }
}

/// Numbers read one after the other. What is not there is zero: older kernels send less.
pub(crate) struct Numbers<'a>(pub(crate) &'a [u8]);

impl Numbers<'_> {
    /// The next four bytes.
    pub(crate) fn u32(&mut self) -> u32 {
        self.take().map_or(0, u32::from_ne_bytes)
    }

    /// The next eight bytes.
    pub(crate) fn u64(&mut self) -> u64 {
        self.take().map_or(0, u64::from_ne_bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }
}

/// The next name of a payload, which ends with a zero, and what comes after it.
pub(crate) fn name(payload: &[u8]) -> Result<(&[u8], &[u8]), Errno> {
    let end = payload.iter().position(|byte| *byte == 0).ok_or(Errno::EINVAL)?;
    Ok((&payload[..end], &payload[end + 1..]))
}

/// An answer, written into the payload piece by piece.
pub(crate) struct Answer<'a> {
    payload: &'a mut [u8],
    len: usize,
}

impl<'a> Answer<'a> {
    /// An empty one.
    pub(crate) fn new(payload: &'a mut [u8]) -> Answer<'a> {
        Answer { payload, len: 0 }
    }

    /// How long it is.
    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// Bytes; false where there is no room for all of them, and then none are written.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.payload.get_mut(self.len..self.len + bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.len += bytes.len();
        true
    }

    /// Four bytes.
    pub(crate) fn u32(&mut self, number: u32) -> &mut Self {
        let fits = self.bytes(&number.to_ne_bytes());
        debug_assert!(fits, "each place has more room than any answer of fixed length");
        self
    }

    /// Eight bytes.
    pub(crate) fn u64(&mut self, number: u64) -> &mut Self {
        let fits = self.bytes(&number.to_ne_bytes());
        debug_assert!(fits, "each place has more room than any answer of fixed length");
        self
    }

    /// `struct fuse_entry_out`: a node, and how long it may be believed.
    pub(crate) fn entry(&mut self, attr: &FileAttr, lifetime: Duration) {
        let seconds = lifetime.as_secs();
        self.u64(attr.ino.0).u64(0).u64(seconds).u64(seconds).u32(0).u32(0);
        self.node(attr);
    }

    /// `struct fuse_attr_out`.
    pub(crate) fn attr(&mut self, attr: &FileAttr, lifetime: Duration) {
        self.u64(lifetime.as_secs()).u32(0).u32(0);
        self.node(attr);
    }

    /// `struct fuse_open_out`.
    pub(crate) fn open(&mut self, flags: u32) {
        self.u64(0).u32(flags).u32(0);
    }

    /// `struct fuse_dirent`; false where there is no room for it.
    pub(crate) fn name(&mut self, ino: u64, at: u64, kind: FileType, name: &[u8], most: usize) -> bool {
        let len = (24 + name.len()).next_multiple_of(8);
        if self.len + len > most.min(self.payload.len()) {
            return false;
        }
        let named = u32::try_from(name.len()).expect("a name is no longer than 255 bytes");
        self.u64(ino).u64(at).u32(named).u32(kind_of(kind) >> 12);
        self.bytes(name) && self.bytes(&[0; 8][..len - 24 - name.len()])
    }

    /// `struct fuse_attr`.
    fn node(&mut self, attr: &FileAttr) {
        let times = [attr.atime, attr.mtime, attr.ctime].map(since);
        self.u64(attr.ino.0).u64(attr.size).u64(attr.blocks);
        for (seconds, _) in times {
            self.u64(seconds.cast_unsigned());
        }
        for (_, nanoseconds) in times {
            self.u32(nanoseconds);
        }
        self.u32(kind_of(attr.kind) | u32::from(attr.perm)).u32(attr.nlink).u32(attr.uid).u32(attr.gid);
        self.u32(attr.rdev).u32(attr.blksize).u32(0);
    }
}

/// The upper bits of a mode, which say what a node is.
fn kind_of(kind: FileType) -> u32 {
    match kind {
        FileType::NamedPipe => 0o010_000,
        FileType::CharDevice => 0o020_000,
        FileType::Directory => 0o040_000,
        FileType::BlockDevice => 0o060_000,
        FileType::RegularFile => 0o100_000,
        FileType::Symlink => 0o120_000,
        FileType::Socket => 0o140_000,
    }
}

/// A time as seconds and nanoseconds. Before 1970 seconds are less than zero, and nanoseconds still count upwards.
fn since(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (after.as_secs().cast_signed(), after.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => (-before.as_secs().cast_signed(), 0),
                nanoseconds => (-before.as_secs().cast_signed() - 1, 1_000_000_000 - nanoseconds),
            }
        }
    }
}

/// The time of so many seconds and nanoseconds.
pub(crate) fn time(seconds: u64, nanoseconds: u32) -> SystemTime {
    let (seconds, nanoseconds) = (seconds.cast_signed(), Duration::from_nanos(u64::from(nanoseconds)));
    let whole = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH - whole + nanoseconds } else { UNIX_EPOCH + whole + nanoseconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_read_one_after_the_other_and_no_further() {
        let mut bytes = 7u32.to_ne_bytes().to_vec();
        bytes.extend(9u64.to_ne_bytes());
        bytes.push(1);
        let mut numbers = Numbers(&bytes);
        assert_eq!((numbers.u32(), numbers.u64(), numbers.u32()), (7, 9, 0));
        assert_eq!(name(b"a\0rest").unwrap(), (&b"a"[..], &b"rest"[..]));
        assert_eq!(name(b"endless").unwrap_err().code(), Errno::EINVAL.code());
    }

    #[test]
    fn times_go_there_and_back_on_both_sides_of_1970() {
        for (seconds, nanoseconds) in [(0, 0), (5, 7), (-1, 0), (-1, 999_999_999), (-5, 1), (1 << 33, 1)] {
            assert_eq!(since(time(i64::cast_unsigned(seconds), nanoseconds)), (seconds, nanoseconds));
        }
    }

    #[test]
    fn answers_have_the_lengths_that_the_kernel_wants() {
        let node = FileAttr {
            ino: fuser::INodeNo(3),
            size: 1,
            blocks: 1,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: FileType::Symlink,
            perm: 0o777,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        };
        let len = |write: &dyn Fn(&mut Answer)| {
            let mut room = [0; 256];
            let mut answer = Answer::new(&mut room);
            write(&mut answer);
            answer.len()
        };
        assert_eq!(len(&|answer| answer.entry(&node, Duration::ZERO)), 128);
        assert_eq!(len(&|answer| answer.attr(&node, Duration::ZERO)), 104);
        assert_eq!(len(&|answer| answer.open(2)), 16);
        assert_eq!(len(&|answer| assert!(answer.name(1, 2, FileType::Directory, b"abc", 256))), 32);
        assert_eq!(len(&|answer| assert!(!answer.name(1, 2, FileType::Directory, b"abc", 31))), 0);
    }
}
