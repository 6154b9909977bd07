//! How long does it take to bring back an environment of small files from a compressed store?
//!
//! The store is content-addressed: one packed object for each different content, or blocks of contents in one pack,
//! and a catalogue of paths, modes, times and links. Every row verifies the hash of every content, as the post-mortems
//! demand ("ALWAYS performed, no shortcuts"): it is a phase like any other.
//!
//! The ladder goes from what the post-mortem found, step by step, to the best row. `only-` rows take one step alone
//! on the baseline, `all-but-` rows leave one step out of the whole ladder. Then come the peers, the rows with a phase taken away, and the floor: the same files from memory.

mod catalogue;
mod floor;
mod foretold;
mod kept;
mod left_out;
mod loose;
mod packed;
mod restore;
mod store;
mod watch;

pub use floor::Floor;
pub use kept::{Damage, Store, Tally};
pub use restore::{Crew, Duplicates, Naming, Restore};
pub use store::{Form, Layout};
pub use watch::Watch;

use batching::Directories::{OnDemand, UpFront};
use buffers::Buffers;
use codecs::{Codec, Context, Engine, Hash};
use syscalls::Way;
use technique::phase::{DECODE, HASH, WRITE};
use technique::{Peer, Promise, Promises, Workload, stub, tree, variant};

/// As the post-mortem found it.
const GZIP: Restore = Restore {
    layout: Layout::Loose,
    codec: Codec::Gzip { level: 6 },
    engine: Engine::ZlibRs,
    context: Context::Fresh,
    whole: false,
    buffers: Buffers::Fresh,
    hash: Hash::Sha256,
    way: Way::SevenCalls,
    naming: Naming::Absolute,
    directories: OnDemand,
    crew: Crew::Alone,
    duplicates: Duplicates::Written,
    without: None,
};
const ZSTD: Restore = Restore { codec: Codec::Zstd { level: 3 }, ..GZIP };
const POOLED: Restore = Restore { buffers: Buffers::Pooled, ..ZSTD };
const WHOLE: Restore = Restore { whole: true, context: Context::Reused, ..POOLED };
const FEWER: Restore = Restore { way: Way::Direct, naming: Naming::Held, ..WHOLE };
const UP_FRONT: Restore = Restore { directories: UpFront, ..FEWER };
const WORKERS: Restore = Restore { crew: Crew::EachProcessor, ..UP_FRONT };
const BLAKE3: Restore = Restore { hash: Hash::Blake3, ..WORKERS };
const PACK: Restore = Restore { layout: BLOCKS, ..BLAKE3 };
const HARDLINKS: Restore = Restore { duplicates: Duplicates::Linked, ..PACK };
const BLOCKS: Layout = Layout::Pack { block: 256 << 10 };

/// The best row's knobs, for those who turn them further.
pub const fn best() -> Restore {
    PACK
}

/// The knobs of a row that restores from a store of the lab's; none where there is no such row, or it is no such one.
pub fn named(row: &str) -> Option<&'static Restore> {
    WORKLOAD.variant(row)?.technique.as_any().downcast_ref()
}

/// What GNU tar keeps: it sets times and modes, and makes each file under its final name.
const TAR: Promises = Promises::NONE.with(Promise::TimesKept).with(Promise::Independent);

const fn tar(key: &'static str, pack: &'static str, run: &'static str, needs: &'static [&'static str]) -> Peer {
    Peer { keep: Some((key, pack)), run, needs, mend: "apt-get install tar zstd gzip", promises: TAR }
}

const TAR_ZSTD: Peer = tar(
    "tar.zst",
    "tar --format=posix --sort=name --zstd -cf {kept} -C {source} .",
    "tar --zstd -xf {kept} -C {target}",
    &["tar", "zstd"],
);
const TAR_GZIP: Peer = tar(
    "tar.gz",
    "tar --format=posix --sort=name -czf {kept} -C {source} .",
    "tar -xzf {kept} -C {target}",
    &["tar", "gzip"],
);
const TAR_PLAIN: Peer =
    tar("tar", "tar --format=posix --sort=name -cf {kept} -C {source} .", "tar -xf {kept} -C {target}", &["tar"]);

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "restore",
    question: "How long does it take to bring back an environment of small files from a compressed store?",
    fixtures: &["python-small", "python-env", "python-medium", "python-large", "duplicates", "one-big", "tiny"],
    variants: &[
        variant("gzip", &GZIP, "as the post-mortem found it: gzip, seven calls, fresh buffers, one by one"),
        variant("zstd", &ZSTD, "zstd level 3 instead of gzip: the headline change"),
        variant("pooled", &POOLED, "and copy buffers from a pool"),
        variant("whole", &WHOLE, "and one context for all, each file decoded whole"),
        variant("fewer-calls", &FEWER, "and four calls a file below its held directory, no temporary name"),
        variant("dirs-up-front", &UP_FRONT, "and directories made once, before the first file"),
        variant("workers", &WORKERS, "and a worker for each processor"),
        variant("blake3", &BLAKE3, "and BLAKE3 instead of SHA-256"),
        variant("pack", &PACK, "and one pack of 256 KiB blocks instead of loose objects"),
        variant("hardlinks", &HARDLINKS, "and duplicates as hard links"),
        variant("only-pooled", &Restore { buffers: Buffers::Pooled, ..GZIP }, "the baseline with pooled buffers"),
        variant(
            "only-whole",
            &Restore { whole: true, context: Context::Reused, ..GZIP },
            "the baseline, each file decoded whole",
        ),
        variant(
            "only-fewer-calls",
            &Restore { way: Way::Direct, naming: Naming::Held, ..GZIP },
            "the baseline with four calls a file",
        ),
        variant(
            "only-by-descriptor",
            &Restore { way: Way::ByDescriptor, ..GZIP },
            "the baseline with six calls, atomic still",
        ),
        variant(
            "only-dirs-up-front",
            &Restore { directories: UpFront, ..GZIP },
            "the baseline with directories up front",
        ),
        variant(
            "only-workers",
            &Restore { crew: Crew::EachProcessor, ..GZIP },
            "the baseline with a worker for each processor",
        ),
        variant("only-8-workers", &Restore { crew: Crew::Of(8), ..GZIP }, "the baseline with eight workers"),
        variant("only-blake3", &Restore { hash: Hash::Blake3, ..GZIP }, "the baseline with BLAKE3"),
        variant("only-pack", &Restore { layout: BLOCKS, ..GZIP }, "the baseline from one pack of gzip blocks"),
        variant(
            "only-hardlinks",
            &Restore { duplicates: Duplicates::Linked, ..GZIP },
            "the baseline with duplicates as hard links",
        ),
        variant(
            "all-but-zstd",
            &Restore { codec: Codec::Gzip { level: 6 }, ..HARDLINKS },
            "the ladder's end with gzip",
        ),
        variant(
            "all-but-pooled",
            &Restore { buffers: Buffers::Fresh, ..HARDLINKS },
            "the ladder's end with fresh buffers: a pack asks for none",
        ),
        variant(
            "all-but-whole",
            &Restore { whole: false, context: Context::Fresh, ..HARDLINKS },
            "the ladder's end with a fresh context a block",
        ),
        variant(
            "all-but-fewer-calls",
            &Restore { way: Way::SevenCalls, naming: Naming::Absolute, ..HARDLINKS },
            "the ladder's end with seven calls a file",
        ),
        variant(
            "all-but-dirs-up-front",
            &Restore { directories: OnDemand, ..HARDLINKS },
            "the ladder's end with directories on demand",
        ),
        variant("all-but-workers", &Restore { crew: Crew::Alone, ..HARDLINKS }, "the ladder's end by one worker"),
        variant("all-but-blake3", &Restore { hash: Hash::Sha256, ..HARDLINKS }, "the ladder's end with SHA-256"),
        variant("all-but-pack", &Restore { layout: Layout::Loose, ..HARDLINKS }, "the ladder's end from loose objects"),
        variant("best", &PACK, "all steps that help and cost no promise but atomicity"),
        variant("best-atomic", &Restore { way: Way::TmpFile, ..PACK }, "the best that never shows a half-written file"),
        variant("tar-zstd", &TAR_ZSTD, "a peer: GNU tar from one zstd stream; verifies no hash"),
        variant("tar-gzip", &TAR_GZIP, "a peer: GNU tar from one gzip stream; verifies no hash"),
        variant("tar", &TAR_PLAIN, "a peer: GNU tar, nothing packed"),
        stub(
            "gzip-no-decode",
            &Restore { without: Some(DECODE), ..GZIP },
            "gzip",
            DECODE,
            "the baseline, every content unpacked before the clock starts",
        ),
        stub(
            "gzip-no-write",
            &Restore { without: Some(WRITE), ..GZIP },
            "gzip",
            WRITE,
            "the baseline, every byte written after the clock has stopped",
        ),
        stub("gzip-no-hash", &Restore { without: Some(HASH), ..GZIP }, "gzip", HASH, "the baseline, nothing verified"),
        stub(
            "best-no-decode",
            &Restore { without: Some(DECODE), ..PACK },
            "best",
            DECODE,
            "the best, every content unpacked before the clock starts",
        ),
        stub(
            "best-no-write",
            &Restore { without: Some(WRITE), ..PACK },
            "best",
            WRITE,
            "the best, every byte written after the clock has stopped",
        ),
        variant("floor", &Floor { workers: 2 }, "the same files from memory, two workers, nothing decoded"),
    ],
    ladder: &[
        "gzip",
        "zstd",
        "pooled",
        "whole",
        "fewer-calls",
        "dirs-up-front",
        "workers",
        "blake3",
        "pack",
        "hardlinks",
    ],
    floor: Some("floor"),
    expected: |site| tree::outcome(&site.source),
    outcome: |site| tree::outcome(&site.target),
};
