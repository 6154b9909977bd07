//! Where does a file system in user space put a 4 KiB write, and what does each layer cost?
//!
//! The document made its own file system 4 % slower by switching compression off, and concluded that the block layer
//! must be to blame. Here the layers stand without kernel, mount and round trip, each one a knob: a job that mounts
//! them is another crate. Steps of the document that it never measured (a write buffer, a map for small files, writing
//! behind) are rows, and so is what it did not have: a log, with and without waiting for the disk, and a snapshot.
//!
//! `skip-small` does what the document meant, and `skip-as-printed` what its code does: `size < 4096` compresses a
//! file of 4,096 bytes still.
//!
//! The phases: `create` enters a name in the tree, `acquire` finds and lengthens blocks, `wait` is for locks and for
//! the other thread, `times` are the three clocks that each write reads; `write`, `sync` and `rename` go to disk.

mod behind;
mod block;
mod buffered;
mod files;
mod keep;
mod packing;
mod part;
mod record;
mod small;
mod store;
mod tree;

pub use keep::Keep;
pub use packing::Packing;
pub use store::{BLOCK, Ino, Layer, Name, Over, Store, read_all};
pub use tree::{Locks, ROOT, Shape, Tree, tree};

use part::Part;
use technique::{Workload, variant};

/// As the document describes it.
pub const ZLIB: Layer = Layer { packing: Packing::Always, buffer: 0, small: 0, behind: false, keep: Keep::Nothing };
/// The document's change, as it was meant.
pub const SKIP_SMALL: Layer = Layer { packing: Packing::FromLength(BLOCK + 1), ..ZLIB };
/// The document's change, as it was printed.
pub const SKIP_AS_PRINTED: Layer = Layer { packing: Packing::FromLength(BLOCK), ..ZLIB };
/// No compression at all.
pub const NONE: Layer = Layer { packing: Packing::Never, ..ZLIB };
/// Compression where it looks useful.
pub const ENTROPY: Layer = Layer { packing: Packing::IfItLooksUseful, ..ZLIB };
/// Writes are gathered.
pub const WRITE_BUFFER: Layer = Layer { buffer: 128 << 10, ..SKIP_SMALL };
/// Small files do not see the blocks.
pub const SMALL_FILE_MAP: Layer = Layer { small: BLOCK, ..SKIP_SMALL };
/// Another thread does it.
pub const ASYNC_FLUSH: Layer = Layer { behind: true, ..SKIP_SMALL };
/// All three that the document proposes for the short term.
pub const SHORT_TERM: Layer = Layer { buffer: 128 << 10, small: BLOCK, ..ASYNC_FLUSH };
/// Every write is appended to a log.
pub const LOG: Layer = Layer { keep: Keep::Log, ..SKIP_SMALL };
/// And waits until it is stored.
pub const LOG_SYNC: Layer = Layer { keep: Keep::LogSync, ..SKIP_SMALL };
/// The whole tree is written anew for each file.
pub const WHOLE_TREE: Layer = Layer { keep: Keep::WholeTree, ..SKIP_SMALL };

/// The document's tree, one worker.
const fn of(layer: Layer) -> Part {
    Part { layer, shape: Shape::Flat, locks: Locks::Global, workers: 1 }
}

/// A tree, with two workers in it.
const fn two(shape: Shape, locks: Locks) -> Part {
    Part { layer: NONE, shape, locks, workers: 2 }
}

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "blocks",
    question: "Where does a file system in user space put a 4 KiB write, and what does each layer cost?",
    fixtures: &["create-4k", "create-4k-random", "create-4k-few", "python-small", "tiny"],
    variants: &[
        variant("zlib", &const { of(ZLIB) }, "the document's block layer: every block packed by zlib"),
        variant("skip-small", &const { of(SKIP_SMALL) }, "writes of up to 4 KiB are not packed, as was meant"),
        variant("skip-as-printed", &const { of(SKIP_AS_PRINTED) }, "writes below 4 KiB are not packed, as was printed"),
        variant("none", &const { of(NONE) }, "nothing is packed"),
        variant("entropy", &const { of(ENTROPY) }, "packed only where 256 of its bytes look compressible"),
        variant("write-buffer", &const { of(WRITE_BUFFER) }, "skip-small, and 128 KiB of each file are gathered first"),
        variant("small-file-map", &const { of(SMALL_FILE_MAP) }, "skip-small, and files of up to 4 KiB lie in a map"),
        variant("async-flush", &const { of(ASYNC_FLUSH) }, "skip-small, and another thread takes it to the blocks"),
        variant("short-term", &const { of(SHORT_TERM) }, "skip-small with buffer, map and the other thread"),
        variant("log", &const { of(LOG) }, "skip-small, and each write is appended to a log"),
        variant("log-sync", &const { of(LOG_SYNC) }, "and waits until it is stored (fdatasync)"),
        variant(
            "whole-tree",
            &const { of(WHOLE_TREE) },
            "skip-small, and who closes a file writes the whole tree anew",
        ),
        variant(
            "tree-flat-global",
            &const { two(Shape::Flat, Locks::Global) },
            "none by two workers: a flat map of names under one lock",
        ),
        variant(
            "tree-flat-sharded",
            &const { two(Shape::Flat, Locks::Sharded) },
            "none by two workers: a flat map under 64 locks",
        ),
        variant(
            "tree-nested-global",
            &const { two(Shape::Nested, Locks::Global) },
            "none by two workers: each directory has its names, one lock",
        ),
        variant(
            "tree-nested-sharded",
            &const { two(Shape::Nested, Locks::Sharded) },
            "none by two workers: each directory has its names, 64 locks",
        ),
    ],
    ladder: &[],
    floor: None,
    expected: files::expected,
    outcome: files::outcome,
};

#[cfg(test)]
mod tests {
    use super::*;
    use technique::{Lap, Site};

    #[test]
    fn every_row_holds_what_was_written_and_those_that_say_so_have_stored_it() {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let source = dir.path().join("source");
        let made = fixtures::make(&fixtures::find("tiny").unwrap(), &source, &|_| ()).unwrap();
        for variant in WORKLOAD.variants {
            let target = dir.path().join(variant.name);
            std::fs::create_dir(&target).unwrap();
            let site = Site::new(source.clone(), target.clone(), dir.path().join("kept"), made.tally);
            let mut ready = variant.technique.prepare(&site).unwrap();
            let mut lap = Lap::start(true);
            ready.work(&mut lap).unwrap();
            let times = lap.stop();
            let rest =
                times.phases.iter().find(|time| time.phase == technique::phase::REST).map_or(0, |time| time.marks);
            assert_eq!(rest, 0, "{}", variant.name);
            ready.settle(&site).unwrap();
            let promises = variant.technique.promises();
            let (expected, got) = ((WORKLOAD.expected)(&site).unwrap(), (WORKLOAD.outcome)(&site).unwrap());
            assert_eq!(expected.differences(&got, promises), [""; 0], "{}", variant.name);
            let facts = got.len() as u64;
            let stored = promises.has(technique::Promise::Durable);
            assert_eq!(facts, made.tally.files * if stored { 2 } else { 1 }, "{}", variant.name);
        }
    }
}
