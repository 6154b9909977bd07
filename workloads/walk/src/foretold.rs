//! The file system calls that a walk makes, foretold from a listing of the source, where its threads cannot change
//! them: a claim that is held against the kernel.

use crate::crew::{Crew, Threads};
use crate::facts;
use crate::format::Format;
use crate::meta::Ask;
use crate::output::{BUFFER, Output};
use crate::walk::{Order, Reach, Walk};
use std::collections::HashMap;
use std::path::Path;
use technique::Calls;

/// The calls of one run; none where they hinge on which thread did what, or on how the file system fills a buffer.
pub(crate) fn calls(walk: &Walk, source: &Path) -> Option<Calls> {
    let Counted { entries, directories, bytes } = count(source, walk.listing)?;
    let alone = walk.crew == Crew::Stealing(Threads::Of(1));
    let one_flush = alone && entries > 0 && bytes < BUFFER as u64;
    let mut calls = Calls::default();
    let (files, writes) = match walk.output {
        Output::SharedTwoWrites => (1, 2 * entries),
        Output::SharedOneWrite => (1, entries),
        Output::OwnTwoWrites => (workers(walk)?, 2 * entries),
        Output::Nowhere => (0, 0),
        // Columns are written one by one, and the file's end behind them.
        Output::OneFile if walk.format == Format::Parquet => return None,
        Output::OwnBuffer | Output::OneFile if one_flush => (1, 1),
        _ => return None,
    };
    if matches!(walk.order, Order::Ring { .. }) {
        return None;
    }
    // The root is opened twice: once to hold it, once to list it.
    match walk.reach {
        Reach::ByPath => calls.add("openat", 2 + directories + files),
        Reach::Held => {
            calls.add("openat", 1 + files);
            calls.add("openat2", 1 + directories);
        }
    }
    calls.add("close", 2 + directories + files);
    // Each directory is read until there is nothing left.
    calls.add("getdents64", 2 * (1 + directories));
    calls.add("statx", 1);
    match walk.ask {
        Ask::Lstat => calls.add("newfstatat", entries),
        Ask::Basic | Ask::Narrow => calls.add("statx", entries),
        Ask::TypeOnly => {}
        // As many questions as there are inodes on the whole file system.
        Ask::InBulk(_) => return None,
    }
    calls.add(if walk.output == Output::OneFile { "pwrite64" } else { "write" }, writes);
    calls.add("rename", u64::from(walk.output == Output::OneFile));
    Some(calls)
}

fn workers(walk: &Walk) -> Option<u64> {
    match walk.crew {
        Crew::ThreadEach(threads) | Crew::Stealing(Threads::Of(threads)) => Some(threads as u64),
        Crew::Stealing(Threads::EachProcessor) => None,
    }
}

/// What a tree holds.
pub(crate) struct Counted {
    pub(crate) entries: u64,
    pub(crate) directories: u64,
    /// At least as many bytes as its records fill, in whatever format.
    bytes: u64,
}

/// How many entries and directories there are; none where a directory does not fit the buffer at once, or a path is
/// too long for one call.
pub(crate) fn count(source: &Path, listing: usize) -> Option<Counted> {
    let entries = facts::paths(source)?;
    let mut filled: HashMap<&[u8], usize> = HashMap::new();
    let root = source.as_os_str().len();
    let (mut directories, mut bytes) = (0, 2 * root + LINE);
    for (path, is_directory) in &entries {
        if root + path.len() > LONGEST {
            return None;
        }
        let (above, name) =
            memchr::memrchr(b'/', path).map_or((&b""[..], &path[..]), |at| (&path[..at], &path[at + 1..]));
        *filled.entry(above).or_default() += record(name.len());
        directories += u64::from(*is_directory);
        bytes += 2 * (root + path.len() + name.len()) + LINE;
    }
    let fits = filled.values().all(|bytes| bytes + record(1) + record(2) <= listing);
    fits.then_some(Counted { entries: entries.len() as u64, directories, bytes: bytes as u64 })
}

/// The longest path that surely needs one call, and fits a record.
const LONGEST: usize = 4000;

/// No record has more bytes beside its path, and a line of CSV doubles those of path and extension at most.
const LINE: usize = 300;

/// The bytes that the kernel fills for a name: 19 before it, a NUL behind it, all a multiple of eight.
fn record(name: usize) -> usize {
    (20 + name).next_multiple_of(8)
}
