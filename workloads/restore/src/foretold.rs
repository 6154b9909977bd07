//! The file system calls that a restore makes, foretold from its catalogue: a claim that is held against the kernel.

use crate::catalogue::Catalogue;
use crate::loose::{INPUT, PIECE};
use crate::packed::{Order, Unit};
use crate::restore::{Naming, Plan, Restore};
use crate::store::Layout;
use batching::Directories;
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use technique::Calls;
use technique::phase::WRITE;

/// The calls of one run.
pub(crate) fn calls(restore: &Restore, catalogue: &Catalogue, plan: &Plan) -> Calls {
    let mut calls = Calls::default();
    // The catalogue: opened, measured, read to its end, closed. The target: opened and closed.
    for (name, count) in [("openat", 2), ("statx", 1), ("read", 2), ("close", 2)] {
        calls.add(name, count);
    }
    let groups = match restore.layout {
        Layout::Loose => loose(restore, catalogue, plan, &mut calls),
        Layout::Pack { .. } => packed(catalogue, plan, &mut calls),
    };
    for file in &plan.written {
        let file = &catalogue.files[*file as usize];
        let content = &catalogue.contents[file.content as usize];
        let pieces = match restore.layout {
            _ if content.len == 0 || restore.leaves_out(WRITE) => 0,
            Layout::Loose if restore.whole => 1,
            Layout::Loose => content.len.div_ceil(PIECE as u64),
            Layout::Pack { block } => content.len.div_ceil(block as u64),
        };
        calls.add_all(&restore.way.calls(pieces));
    }
    directories(restore, catalogue, plan, &groups, &mut calls);
    calls.add("linkat", plan.linked.len() as u64);
    calls.add("symlinkat", catalogue.links.len() as u64);
    calls
}

/// Each file opens, reads and closes an object of its own; workers take directory after directory.
fn loose<'a>(restore: &Restore, catalogue: &Catalogue, plan: &'a Plan, calls: &mut Calls) -> Vec<Cow<'a, [u32]>> {
    for file in &plan.written {
        let content = &catalogue.contents[catalogue.files[*file as usize].content as usize];
        calls.add("openat", 1);
        calls.add("read", if restore.whole { 1 } else { content.packed.div_ceil(INPUT as u64) });
        calls.add("close", 1);
    }
    let directory = |file: &u32| catalogue.files[*file as usize].directory;
    plan.written.chunk_by(|a, b| directory(a) == directory(b)).map(Cow::Borrowed).collect()
}

/// Each block is read once; workers take block after block. A content of several blocks is read anew for each of its
/// files.
fn packed<'a>(catalogue: &Catalogue, plan: &Plan, calls: &mut Calls) -> Vec<Cow<'a, [u32]>> {
    let of = |file: u32| {
        let content = catalogue.files[file as usize].content;
        (content, catalogue.contents[content as usize])
    };
    let order = Order::of(&plan.written, of, &catalogue.blocks);
    calls.add("openat", 1);
    calls.add("close", 1);
    let group = |unit: &Unit| {
        let files = &order.files[unit.files.clone()];
        let times = if unit.blocks.len() == 1 { 1 } else { files.len() };
        calls.add("pread64", (unit.blocks.len() * times) as u64);
        Cow::Owned(files.to_vec())
    };
    order.units.iter().map(group).collect()
}

/// What directories cost. Held, one is opened and closed for each stretch of its files that a worker takes. Made up
/// front, one costs a call; on demand, a file costs a call that finds its parent there, and missing ones two more each.
fn directories(restore: &Restore, catalogue: &Catalogue, plan: &Plan, groups: &[Cow<[u32]>], calls: &mut Calls) {
    let up_front = restore.directories == Directories::UpFront;
    let held = restore.naming == Naming::Held;
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
    for group in groups {
        for stretch in group.chunk_by(|a, b| held && directory(a) == directory(b)) {
            let at = directory(&stretch[0]);
            if held {
                calls.add("openat", 1);
                calls.add("close", 1);
            }
            // The target itself is asked for by its absolute name only.
            if !up_front && (at > 0 || !held) {
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
