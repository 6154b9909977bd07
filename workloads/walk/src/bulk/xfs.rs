//! XFS tells of all inodes in the order in which they lie, hundreds at once.

use super::field;
use super::kernel::{AT_ONCE, STAT, Stats, bulkstat};
use crate::meta::Meta;
use rustix::fs::syncfs;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// Asks for the first inode.
pub(super) fn first(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    bulkstat(dir, &mut question(1))
}

/// All inodes of the file system. Sizes are those on the disk: what was written only to memory is written out before.
pub(super) fn all(dir: BorrowedFd<'_>, keep: &mut dyn FnMut(Meta)) -> Result<(), Errno> {
    syncfs(dir)?;
    let mut stats = question(u32::try_from(AT_ONCE).expect("it is a small number"));
    loop {
        bulkstat(dir, &mut stats)?;
        if stats.told == 0 {
            return Ok(());
        }
        for stat in stats.records.chunks_exact(STAT).take(stats.told as usize) {
            keep(meta(stat));
        }
    }
}

#[expect(clippy::large_stack_arrays, reason = "it goes into a box at once")]
fn question(room: u32) -> Box<Stats> {
    let records = [0; STAT * AT_ONCE];
    Box::new(Stats { inode: 0, flags: 0, room, told: 0, group: 0, reserved: [0; 5], records })
}

/// By the kernel's `struct xfs_bulkstat`.
fn meta(stat: &[u8]) -> Meta {
    let long = |at| u64::from_ne_bytes(field(stat, at));
    let word = |at| u32::from_ne_bytes(field(stat, at));
    Meta {
        inode: long(0),
        device: 0,
        mode: u32::from(u16::from_ne_bytes(field(stat, 132))),
        links: word(112).into(),
        owner: word(68),
        group: word(72),
        size: long(8),
        blocks: long(16),
        mtime: (long(40).cast_signed(), word(84)),
        atime: long(32).cast_signed(),
        ctime: long(48).cast_signed(),
    }
}
