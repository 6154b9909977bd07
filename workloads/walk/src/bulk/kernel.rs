//! The two questions, as the kernel takes them.
#![allow(unsafe_code, reason = "how much memory a question takes up is known to the one who asks")]

use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use std::os::fd::BorrowedFd;

/// How many inodes XFS tells of at once.
pub(super) const AT_ONCE: usize = 512;
/// The bytes that XFS tells of each.
pub(super) const STAT: usize = 192;
/// How many bytes btrfs tells at once.
pub(super) const ITEMS: usize = 128 << 10;

/// A question to XFS, and room for its answer.
#[repr(C, align(8))]
pub(super) struct Stats {
    /// The inode to begin with, and that to go on with.
    pub(super) inode: u64,
    pub(super) flags: u32,
    /// Room for so many.
    pub(super) room: u32,
    /// So many were told of.
    pub(super) told: u32,
    pub(super) group: u32,
    pub(super) reserved: [u64; 5],
    pub(super) records: [u8; STAT * AT_ONCE],
}

/// A question to btrfs, and room for its answer.
#[repr(C, align(8))]
pub(super) struct Search {
    pub(super) tree: u64,
    pub(super) min_object: u64,
    pub(super) max_object: u64,
    pub(super) min_offset: u64,
    pub(super) max_offset: u64,
    pub(super) min_transaction: u64,
    pub(super) max_transaction: u64,
    pub(super) min_type: u32,
    pub(super) max_type: u32,
    /// So many at most, and so many were told of.
    pub(super) items: u32,
    pub(super) unused: u32,
    pub(super) reserved: [u64; 4],
    /// How many bytes there is room for.
    pub(super) room: u64,
    pub(super) told: [u8; ITEMS],
}

/// The numbers hold the size of what comes before the room.
const BULKSTAT: Opcode = opcode::read::<[u64; 8]>(b'X', 127);
const TREE_SEARCH_V2: Opcode = opcode::read_write::<[u64; 14]>(0x94, 17);

/// Asks XFS.
pub(super) fn bulkstat(dir: BorrowedFd<'_>, stats: &mut Stats) -> Result<(), Errno> {
    stats.room = stats.room.min(u32::try_from(AT_ONCE).expect("it is a small number"));
    // SAFETY: the struct is that of the kernel's `xfs_bulkstat_req`, and the kernel writes no more than `room` records
    // of `STAT` bytes behind its head, for which there is room. It lives until the call is over.
    unsafe { ioctl(dir, Updater::<BULKSTAT, Stats>::new(stats)) }
}

/// Asks btrfs.
pub(super) fn tree_search(dir: BorrowedFd<'_>, search: &mut Search) -> Result<(), Errno> {
    search.room = ITEMS as u64;
    // SAFETY: the struct is that of the kernel's `btrfs_ioctl_search_args_v2`, and the kernel writes no more than
    // `room` bytes behind its head, for which there is room. It lives until the call is over.
    unsafe { ioctl(dir, Updater::<TREE_SEARCH_V2, Search>::new(search)) }
}
