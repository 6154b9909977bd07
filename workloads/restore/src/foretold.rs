//! The file system calls that a restore makes, foretold from its catalogue: a claim that is held against the kernel.

use crate::catalogue::Catalogue;
use crate::loose::{INPUT, PIECE};
use crate::packed::Order;
use crate::restore::{Naming, Plan, Restore};
use crate::store::Layout;
use batching::Directories;
use std::collections::HashSet;
use std::path::Path;
use technique::Calls;

/// The calls of one run.
pub(crate) fn calls(restore: &Restore, catalogue: &Catalogue, plan: &Plan) -> Calls {
    let mut calls = Calls::default();
    // The catalogue: opened, measured, read to its end, closed. The target: opened and closed.
    for (name, count) in [("openat", 2), ("statx", 1), ("read", 2), ("close", 2)] {
        calls.add(name, count);
    }
    match restore.layout {
        Layout::Loose => loose(restore, catalogue, plan, &mut calls),
        Layout::Pack { .. } => packed(restore, catalogue, plan, &mut calls),
    }
    for file in &plan.written {
        let file = &catalogue.files[*file as usize];
        let content = &catalogue.contents[file.content as usize];
        let pieces = match restore.layout {
            _ if content.len == 0 => 0,
            Layout::Loose if restore.whole => 1,
            Layout::Loose => content.len.div_ceil(PIECE as u64),
            Layout::Pack { block } => content.len.div_ceil(block as u64),
        };
        calls.add_all(&restore.way.calls(pieces));
    }
    directories(restore, catalogue, plan, &mut calls);
    calls.add("linkat", plan.linked.len() as u64);
    calls.add("symlinkat", catalogue.links.len() as u64);
    calls
}

fn loose(restore: &Restore, catalogue: &Catalogue, plan: &Plan, calls: &mut Calls) {
    let mut last = None;
    for file in &plan.written {
        let file = &catalogue.files[*file as usize];
        let content = &catalogue.contents[file.content as usize];
        calls.add("openat", 1);
        calls.add("read", if restore.whole { 1 } else { content.packed.div_ceil(INPUT as u64) });
        calls.add("close", 1);
        if restore.naming == Naming::Held && last != Some(file.directory) {
            calls.add("openat", 1);
            calls.add("close", 1);
        }
        last = Some(file.directory);
    }
}

fn packed(restore: &Restore, catalogue: &Catalogue, plan: &Plan, calls: &mut Calls) {
    let of = |file: u32| {
        let content = catalogue.files[file as usize].content;
        (content, catalogue.contents[content as usize])
    };
    let order = Order::of(&plan.written, of, &catalogue.blocks);
    calls.add("openat", 1);
    calls.add("close", 1);
    for unit in &order.units {
        let files = &order.files[unit.files.clone()];
        // A content of several blocks is decoded anew for each of its files.
        let times = if unit.blocks.len() == 1 { 1 } else { files.len() };
        let blocks = catalogue.blocks[unit.blocks.clone()].iter().filter(|block| block.packed > 0).count();
        calls.add("pread64", (blocks * times) as u64);
        if restore.naming == Naming::Held {
            let runs =
                files.chunk_by(|a, b| catalogue.files[*a as usize].directory == catalogue.files[*b as usize].directory);
            let runs = runs.count() as u64;
            calls.add("openat", runs);
            calls.add("close", runs);
        }
    }
}

/// Made up front, a directory costs a call. On demand, a file costs a call that finds its parent there, and missing
/// ones two more each.
fn directories(restore: &Restore, catalogue: &Catalogue, plan: &Plan, calls: &mut Calls) {
    let up_front = restore.directories == Directories::UpFront;
    let changed = catalogue.directories[1..].iter().filter(|one| one.mode != one.made_with(up_front)).count();
    calls.add("fchmodat", changed as u64);
    if up_front {
        calls.add("mkdirat", catalogue.directories.len() as u64 - 1);
        return;
    }
    let mut there: HashSet<&Path> = HashSet::from([Path::new("")]);
    let mut last = None;
    let written = plan.written.iter().map(|file| (*file, true));
    let linked = plan.linked.iter().map(|(file, _)| (*file, false));
    for (file, written) in written.chain(linked) {
        let file = &catalogue.files[file as usize];
        let path = catalogue.directories[file.directory as usize].path();
        // A held directory is made when it is opened.
        let asks = !written || restore.naming == Naming::Absolute || last != Some(file.directory);
        last = written.then_some(file.directory);
        if !asks || (path.as_os_str().is_empty() && (!written || restore.naming == Naming::Held)) {
            continue;
        }
        calls.add("mkdirat", 1);
        let missing = path.ancestors().take_while(|above| there.insert(above)).count() as u64;
        // The first try fails where a parent is missing; each missing parent is tried, and what lies below tried again.
        calls.add("mkdirat", if missing > 1 { 2 * (missing - 1) } else { 0 });
    }
    calls.add("mkdirat", catalogue.directories[1..].iter().filter(|one| one.files == 0).count() as u64);
    // Of those, one that lies above a file's directory was made with it, and finding that out costs a look.
    let bare = catalogue.directories[1..].iter().filter(|one| one.files == 0);
    let found = bare.filter(|one| there.contains(one.path())).count();
    calls.add("newfstatat", found as u64);
}
