//! What is to be done: which files are written, which are made of them, and in which stretches workers take them.

use crate::catalogue::Catalogue;
use crate::knobs::{Duplicates, Gather, Restore};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// Which files are written, in which order, and which are made of them.
pub(crate) struct Plan {
    /// Written files in the order of the catalogue, which goes directory by directory.
    pub(crate) written: Vec<u32>,
    /// Files that become links or clones, and the written file of which each is made.
    pub(crate) linked: Vec<(u32, u32)>,
}

/// What a ring is handed at once holds no more bytes than this, unless one file does.
const RING_BYTES: u64 = 8 << 20;

impl Plan {
    pub(crate) fn of(catalogue: &Catalogue, duplicates: Duplicates) -> Plan {
        let count = u32::try_from(catalogue.files.len()).expect("files are numbered by 32 bits");
        if duplicates == Duplicates::Written {
            return Plan::to_write((0..count).collect());
        }
        let mut first = HashMap::new();
        let mut plan = Plan::to_write(Vec::new());
        for at in 0..count {
            let file = &catalogue.files[at as usize];
            match first.entry((file.content, file.mode, file.mtime)) {
                Entry::Occupied(earlier) => plan.linked.push((at, *earlier.get())),
                Entry::Vacant(free) => {
                    free.insert(at);
                    plan.written.push(at);
                }
            }
        }
        plan
    }

    /// Only these files, each written.
    pub(crate) fn to_write(written: Vec<u32>) -> Plan {
        Plan { written, linked: Vec::new() }
    }

    /// The stretches of written files that workers take from loose objects.
    pub(crate) fn stretches(&self, restore: &Restore, catalogue: &Catalogue) -> Vec<Range<usize>> {
        let file = |at: usize| &catalogue.files[self.written[at] as usize];
        let len = |at: usize| catalogue.contents[file(at).content as usize].len;
        let mut stretches: Vec<Range<usize>> = Vec::new();
        let mut bytes = 0;
        for at in 0..self.written.len() {
            let goes_on = stretches.last().is_some_and(|last| match (restore.ring, restore.gather) {
                (Some(chains), _) => last.len() < chains as usize && bytes + len(at) <= RING_BYTES,
                (None, Gather::Files(_)) => false,
                (None, Gather::Bytes(most)) => bytes < most,
                (None, Gather::Nothing) => file(at - 1).directory == file(at).directory,
            });
            match stretches.last_mut() {
                Some(last) if goes_on => last.end = at + 1,
                _ => {
                    stretches.push(at..at + 1);
                    bytes = 0;
                }
            }
            bytes += len(at);
        }
        stretches
    }
}
