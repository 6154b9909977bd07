//! What the kernel says of one name, and the ways to ask it.

use crate::bulk::Bulk;
use rustix::fs::{AtFlags, FileType, Stat, Statx, StatxFlags, makedev, statat, statx};
use rustix::io::Errno;
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

/// What the kernel says of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The inode's number.
    pub inode: u64,
    /// The file system's number.
    pub device: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// How many names the inode has.
    pub links: u64,
    /// The owner.
    pub owner: u32,
    /// The owning group.
    pub group: u32,
    /// How long it is.
    pub size: u64,
    /// How many blocks of 512 bytes it fills.
    pub blocks: u64,
    /// When its contents changed last: seconds, nanoseconds.
    pub mtime: (i64, u32),
    /// When it was read last, in seconds.
    pub atime: i64,
    /// When its inode changed last, in seconds.
    pub ctime: i64,
}

/// How the kernel is asked what a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `lstat`: everything that a `struct stat` holds.
    Lstat,
    /// `statx` for everything that a `struct stat` holds.
    Basic,
    /// `statx` for what a compact record holds, and no more. On a local file system this is the same work; one that
    /// has to ask a server for a field need not.
    Narrow,
    /// Not at all where the directory itself says what type the name is of.
    TypeOnly,
    /// Not by name: the file system tells of all inodes before. Directories are asked about, for another file system
    /// may be mounted on each.
    InBulk(Bulk),
}

/// What a compact record holds.
const NARROW: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::UID)
    .union(StatxFlags::GID);

/// A link is not followed, and nothing is mounted for having been looked at.
const FLAGS: AtFlags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);

impl Ask {
    /// Asks about a name below `dir`.
    pub(crate) fn about(self, dir: BorrowedFd<'_>, name: &CStr) -> Result<Meta, Errno> {
        match self {
            Ask::Lstat => statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| Meta::from_stat(&stat)),
            _ => statx(dir, name, FLAGS, self.mask()).map(|statx| Meta::from_statx(&statx)),
        }
    }

    /// The fields that `statx` is asked for.
    pub(crate) fn mask(self) -> StatxFlags {
        if matches!(self, Ask::Narrow | Ask::InBulk(_)) { NARROW } else { StatxFlags::BASIC_STATS }
    }
}

impl Meta {
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "each processor has a struct of its own widths; sizes are positive, nanoseconds below 2^30"
    )]
    fn from_stat(stat: &Stat) -> Meta {
        Meta {
            inode: stat.st_ino as u64,
            device: stat.st_dev as u64,
            mode: stat.st_mode as u32,
            links: stat.st_nlink as u64,
            owner: stat.st_uid,
            group: stat.st_gid,
            size: stat.st_size as u64,
            blocks: stat.st_blocks as u64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            atime: stat.st_atime as i64,
            ctime: stat.st_ctime as i64,
        }
    }

    pub(crate) fn from_statx(statx: &Statx) -> Meta {
        Meta {
            inode: statx.stx_ino,
            device: makedev(statx.stx_dev_major, statx.stx_dev_minor),
            mode: u32::from(statx.stx_mode),
            links: u64::from(statx.stx_nlink),
            owner: statx.stx_uid,
            group: statx.stx_gid,
            size: statx.stx_size,
            blocks: statx.stx_blocks,
            mtime: (statx.stx_mtime.tv_sec, statx.stx_mtime.tv_nsec),
            atime: statx.stx_atime.tv_sec,
            ctime: statx.stx_ctime.tv_sec,
        }
    }

    /// What a directory says of its names without being asked further.
    pub(crate) fn of_type(inode: u64, kind: FileType) -> Meta {
        Meta { inode, mode: kind.as_raw_mode(), ..Meta::default() }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Directory
    }
}
