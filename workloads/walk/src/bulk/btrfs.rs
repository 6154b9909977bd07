//! Btrfs lets its tree be searched: the items of all inodes of a subvolume, one behind the other.

use super::field;
use super::kernel::{ITEMS, Search, tree_search};
use crate::meta::Meta;
use rustix::fs::syncfs;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// The first number that a file has.
const FIRST: u64 = 256;
/// The type of an item that describes an inode.
const INODE: u32 = 1;
/// What stands before each item: transaction, object, offset, type, length.
const HEAD: usize = 32;

/// Asks for the first inode.
pub(super) fn first(dir: BorrowedFd<'_>) -> Result<(), Errno> {
    tree_search(dir, &mut question(1))
}

/// All inodes of the subvolume that `dir` lies in. What only memory knows the tree does not hold yet.
pub(super) fn all(dir: BorrowedFd<'_>, keep: &mut dyn FnMut(Meta)) -> Result<(), Errno> {
    syncfs(dir)?;
    let mut search = question(u32::MAX);
    loop {
        search.items = u32::MAX;
        tree_search(dir, &mut search)?;
        let mut rest = &search.told[..];
        let mut last = None;
        for _ in 0..search.items {
            let (object, offset) = (u64::from_ne_bytes(field(rest, 8)), u64::from_ne_bytes(field(rest, 16)));
            let (kind, len) = (u32::from_ne_bytes(field(rest, 24)), u32::from_ne_bytes(field(rest, 28)));
            let item = &rest[HEAD..HEAD + len as usize];
            if kind == INODE {
                keep(meta(object, item));
            }
            rest = &rest[HEAD + item.len()..];
            last = Some((object, kind, offset));
        }
        match last {
            // Keys are ordered by object, then type, then offset: the next one is the first behind the last.
            Some((object, kind, offset)) => {
                let (offset, carry) = offset.overflowing_add(1);
                (search.min_object, search.min_type, search.min_offset) = (object, kind + u32::from(carry), offset);
            }
            None => return Ok(()),
        }
    }
}

#[expect(clippy::large_stack_arrays, reason = "it goes into a box at once")]
fn question(items: u32) -> Box<Search> {
    Box::new(Search {
        // That of the directory.
        tree: 0,
        min_object: FIRST,
        max_object: u64::MAX,
        min_offset: 0,
        max_offset: u64::MAX,
        min_transaction: 0,
        max_transaction: u64::MAX,
        min_type: 0,
        max_type: 255,
        items,
        unused: 0,
        reserved: [0; 4],
        room: 0,
        told: [0; ITEMS],
    })
}

/// By the file system's `struct btrfs_inode_item`, little endian on every machine.
fn meta(inode: u64, item: &[u8]) -> Meta {
    let long = |at| u64::from_le_bytes(field(item, at));
    let word = |at| u32::from_le_bytes(field(item, at));
    Meta {
        inode,
        device: 0,
        mode: word(52),
        links: word(40).into(),
        owner: word(44),
        group: word(48),
        size: long(16),
        blocks: long(24) / 512,
        mtime: (long(136).cast_signed(), word(144)),
        atime: long(112).cast_signed(),
        ctime: long(124).cast_signed(),
    }
}
