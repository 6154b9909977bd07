//! The file system calls that a restore makes, foretold from its catalogue: a claim that is held against the kernel.

use crate::catalogue::{Block, Catalogue};
use crate::dictionary;
use crate::form::Layout;
use crate::knobs::{Ahead, Duplicates, Gather, Naming, Restore, Syncing};
use crate::loose::INPUT;
use crate::packed::{self, Unit};
use crate::restore::Ready;
use crate::schedule::Plan;
use crate::stream;
use batching::Directories;
use std::collections::HashSet;
use std::path::Path;
use technique::Calls;
use technique::phase::WRITE;

/// Files that a worker takes at once.
struct Stretch {
    files: Vec<u32>,
    /// Whether they are handed to the kernel by a ring.
    by_ring: bool,
}

/// The calls of one run.
pub(crate) fn calls(restore: &Restore, catalogue: &Catalogue, plan: &Plan, ready: &Ready) -> Calls {
    let mut calls = Calls::default();
    // The catalogue: opened, measured, read to its end, closed. The target: opened and closed.
    for (name, count) in [("openat", 2), ("statx", 1), ("read", 2), ("close", 2)] {
        calls.add(name, count);
    }
    if restore.layout.has_dictionary() {
        // The dictionary, read as the catalogue is; an empty one is found so by the first read.
        let empty = std::fs::metadata(ready.store.join(dictionary::NAME)).is_ok_and(|meta| meta.len() == 0);
        for (name, count) in [("openat", 1), ("statx", 1), ("read", if empty { 1 } else { 2 }), ("close", 1)] {
            calls.add(name, count);
        }
    }
    // Each worker's ring is closed in the end.
    calls.add("close", if restore.ring.is_some() { ready.spread.workers() as u64 } else { 0 });
    let stretches = match restore.layout {
        Layout::Loose | Layout::Trained => from_objects(restore, catalogue, plan, &mut calls),
        Layout::Pack { .. } | Layout::Sealed { .. } | Layout::Primed { .. } => {
            from_blocks(restore, catalogue, plan, &mut calls)
        }
        Layout::Stream => from_stream(catalogue, plan, &mut calls),
    };
    for stretch in &stretches {
        if stretch.by_ring {
            let chains = restore.ring.expect("only a row with a ring has such stretches") as usize;
            calls.add("io_uring_enter", stretch.files.len().div_ceil(chains) as u64);
            calls.add("utimensat", stretch.files.len() as u64);
            continue;
        }
        for file in &stretch.files {
            files_own(restore, catalogue, *file, &mut calls);
        }
    }
    directories(restore, catalogue, plan, &stretches, &mut calls);
    duplicates(restore, plan, &mut calls);
    calls.add("symlinkat", catalogue.links.len() as u64);
    match restore.sync {
        Syncing::Never | Syncing::EachFile => {}
        Syncing::Once => calls.add("syncfs", 1),
        Syncing::FilesThenDirectories => {
            let below = catalogue.directories.len() as u64 - 1;
            for (name, count) in [("openat", below), ("fsync", below + 1), ("close", below)] {
                calls.add(name, count);
            }
        }
    }
    calls
}

/// What a file costs that is made by calls of its own.
fn files_own(restore: &Restore, catalogue: &Catalogue, file: u32, calls: &mut Calls) {
    let content = &catalogue.contents[catalogue.files[file as usize].content as usize];
    let pieces = match restore.layout {
        _ if content.len == 0 || restore.leaves_out(WRITE) => 0,
        Layout::Loose | Layout::Trained if !restore.whole => content.len.div_ceil(restore.piece as u64),
        Layout::Loose | Layout::Trained | Layout::Stream => 1,
        Layout::Pack { block } | Layout::Sealed { block } | Layout::Primed { block } => {
            content.len.div_ceil(block as u64)
        }
    };
    calls.add_all(&restore.way.calls(pieces));
    let synced = matches!(restore.sync, Syncing::EachFile | Syncing::FilesThenDirectories);
    calls.add("fsync", u64::from(synced));
}

/// Each file opens, reads and closes an object of its own.
fn from_objects(restore: &Restore, catalogue: &Catalogue, plan: &Plan, calls: &mut Calls) -> Vec<Stretch> {
    for file in &plan.written {
        let content = &catalogue.contents[catalogue.files[*file as usize].content as usize];
        calls.add("openat", 1);
        calls.add("read", if restore.whole { 1 } else { content.packed.div_ceil(INPUT as u64) });
        calls.add("close", 1);
    }
    let stretches = plan.stretches(restore, catalogue).into_iter();
    stretches.map(|at| Stretch { files: plan.written[at].to_vec(), by_ring: restore.ring.is_some() }).collect()
}

/// Each block is read once. A content of several blocks is read anew for each of its files.
fn from_blocks(restore: &Restore, catalogue: &Catalogue, plan: &Plan, calls: &mut Calls) -> Vec<Stretch> {
    let of = |file: u32| {
        let content = catalogue.files[file as usize].content;
        (content, catalogue.contents[content as usize])
    };
    let order = packed::Order::of(&plan.written, of, &catalogue.blocks);
    calls.add("openat", 1);
    calls.add("close", 1);
    calls.add("fadvise64", u64::from(restore.ahead == Ahead::All));
    let stretch = |unit: &Unit| {
        let files = order.files[unit.files.clone()].to_vec();
        let one_block = unit.blocks.len() == 1;
        let times = if one_block { 1 } else { files.len() };
        calls.add("pread64", (unit.blocks.len() * times) as u64);
        Stretch { files, by_ring: one_block && restore.ring.is_some() }
    };
    order.units.iter().map(stretch).collect()
}

/// All of it is read once, from its beginning to its end.
fn from_stream(catalogue: &Catalogue, plan: &Plan, calls: &mut Calls) -> Vec<Stretch> {
    calls.add("openat", 1);
    calls.add("close", 1);
    let reads = |block: &Block| u64::from(block.packed).div_ceil(INPUT as u64);
    calls.add("read", catalogue.blocks.iter().map(reads).sum());
    let order = stream::Order::of(&plan.written, catalogue);
    let files = |batch: &stream::Batch| order.files[batch.files.clone()].to_vec();
    order.batches.iter().map(|batch| Stretch { files: files(batch), by_ring: false }).collect()
}

/// What directories cost. Held, one is opened and closed for each run of its files in a stretch. Made up front, one
/// costs a call; on demand, a file costs a call that finds its parent there, and missing ones two more each.
fn directories(restore: &Restore, catalogue: &Catalogue, plan: &Plan, stretches: &[Stretch], calls: &mut Calls) {
    let up_front = restore.directories == Directories::UpFront;
    let all = &catalogue.directories[1..];
    calls.add("fchmodat", all.iter().filter(|one| one.mode != one.made_with(up_front)).count() as u64);
    let mut there: HashSet<&Path> = HashSet::from([Path::new("")]);
    let mut asked = |directory: u32, calls: &mut Calls| {
        // The first try fails where a parent is missing; each missing one is tried, and what lies below tried again.
        let path = catalogue.directories[directory as usize].path();
        let missing = path.ancestors().take_while(|above| there.insert(above)).count() as u64;
        calls.add("mkdirat", 1 + if missing > 1 { 2 * (missing - 1) } else { 0 });
    };
    let directory = |file: &u32| catalogue.files[*file as usize].directory;
    let open = if restore.naming == Naming::Beneath { "openat2" } else { "openat" };
    for stretch in stretches {
        let held = restore.holds_directories() && !stretch.by_ring;
        let mut in_batch = HashSet::new();
        for run in stretch.files.chunk_by(|a, b| held && directory(a) == directory(b)) {
            let at = directory(&run[0]);
            if held {
                calls.add(open, 1);
                calls.add("close", 1);
            }
            let known = matches!(restore.gather, Gather::Bytes(_)) && !in_batch.insert(at);
            // The target itself is asked for by its absolute name only.
            if !up_front && !known && (at > 0 || !restore.holds_directories()) {
                asked(at, calls);
            }
        }
    }
    if up_front {
        calls.add("mkdirat", all.len() as u64);
        return;
    }
    for (file, _) in plan.linked.iter().filter(|(file, _)| directory(file) > 0) {
        asked(directory(file), calls);
    }
    // Of those that hold no file, one that lies above a file's directory is there already, which costs a look.
    let bare = all.iter().filter(|one| one.files == 0);
    for one in bare {
        calls.add("mkdirat", 1);
        calls.add("newfstatat", u64::from(there.contains(one.path())));
    }
}

/// What files cost that are made of others.
fn duplicates(restore: &Restore, plan: &Plan, calls: &mut Calls) {
    let count = plan.linked.len() as u64;
    let each: &[(&'static str, u64)] = match restore.duplicates {
        Duplicates::Written | Duplicates::Linked | Duplicates::LinkedTogether => &[("linkat", 1)],
        Duplicates::Cloned => &[("openat", 2), ("ioctl", 1), ("utimensat", 1), ("close", 2)],
        Duplicates::Symlinked => &[("symlinkat", 1)],
    };
    for (name, times) in each {
        calls.add(name, times * count);
    }
}
