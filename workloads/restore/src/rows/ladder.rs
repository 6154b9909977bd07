//! The ladder, from what the post-mortem found to the best, step by step; each step alone on the baseline; and the
//! whole ladder without each step.

use crate::knobs::{Ahead, Crew, Duplicates, Gather, Naming, Restore, Syncing};
use crate::tmpfs_first::TmpfsFirst;
use crate::{Layout, loose};
use batching::Directories::{OnDemand, UpFront};
use buffers::Buffers;
use codecs::{Codec, Context, Engine, Hash};
use syscalls::Way;
use technique::{Variant, variant};

/// As the post-mortem found it.
pub(super) const GZIP: Restore = Restore {
    layout: Layout::Loose,
    codec: Codec::Gzip { level: 6 },
    engine: Engine::ZlibRs,
    context: Context::Fresh,
    whole: false,
    piece: loose::PIECE,
    buffers: Buffers::Fresh,
    ahead: Ahead::Nothing,
    hash: Hash::Sha256,
    way: Way::SevenCalls,
    ring: None,
    naming: Naming::Absolute,
    directories: OnDemand,
    gather: Gather::Nothing,
    crew: Crew::Alone,
    duplicates: Duplicates::Written,
    sync: Syncing::Never,
    without: None,
};
const ZSTD: Restore = Restore { codec: Codec::Zstd { level: 3 }, ..GZIP };
const POOLED: Restore = Restore { buffers: Buffers::Pooled, ..ZSTD };
const WHOLE: Restore = Restore { whole: true, context: Context::Reused, ..POOLED };
const FEWER: Restore = Restore { way: Way::Direct, naming: Naming::Held, ..WHOLE };
const UP_FRONT: Restore = Restore { directories: UpFront, ..FEWER };
const WORKERS: Restore = Restore { crew: Crew::EachProcessor, ..UP_FRONT };
pub(super) const BLAKE3: Restore = Restore { hash: Hash::Blake3, ..WORKERS };
pub(super) const PACK: Restore = Restore { layout: BLOCKS, ..BLAKE3 };
pub(super) const SEALED: Restore = Restore { layout: Layout::Sealed { block: 256 << 10 }, ..PACK };
/// All steps that help and cost no promise but atomicity.
pub(super) const BEST: Restore = Restore { codec: Codec::Lz4, ..SEALED };
const BLOCKS: Layout = Layout::Pack { block: 256 << 10 };
/// The four of the second post-mortem together: its pool, its batches, its parallel links, its prefetch.
const HOLOTREE: Restore = Restore {
    buffers: Buffers::Pooled,
    gather: TWO_HUNDRED_KB,
    duplicates: Duplicates::LinkedTogether,
    ahead: LRU,
    ..GZIP
};
const TWO_HUNDRED_KB: Gather = Gather::Bytes(200_000);
const LRU: Ahead = Ahead::Handles(16);

/// The ladder, and what belongs to it.
pub(super) const ROWS: &[Variant] = &[
    variant("gzip", &GZIP, "as the post-mortem found it: gzip, seven calls, fresh buffers, one by one"),
    variant("zstd", &ZSTD, "zstd level 3 instead of gzip: the headline change"),
    variant("pooled", &POOLED, "and copy buffers from a pool"),
    variant("whole", &WHOLE, "and one context for all, each file decoded whole"),
    variant("fewer-calls", &FEWER, "and four calls a file below its held directory, no temporary name"),
    variant("dirs-up-front", &UP_FRONT, "and directories made once, before the first file"),
    variant("workers", &WORKERS, "and a worker for each processor"),
    variant("blake3", &BLAKE3, "and BLAKE3 instead of SHA-256"),
    variant("pack", &PACK, "and one pack of 256 KiB blocks instead of loose objects"),
    variant("sealed", &SEALED, "and one hash of each packed block, instead of one of each content"),
    variant("best", &BEST, "and lz4 instead of zstd: all steps that help and cost no promise but atomicity"),
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
    variant("only-dirs-up-front", &Restore { directories: UpFront, ..GZIP }, "the baseline with directories up front"),
    variant(
        "only-workers",
        &Restore { crew: Crew::EachProcessor, ..GZIP },
        "the baseline with a worker for each processor",
    ),
    variant(
        "zstd-workers",
        &Restore { crew: Crew::EachProcessor, ..ZSTD },
        "the same with zstd: what the headline change is worth to many",
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
        "only-batches",
        &Restore { gather: Gather::Files(8), ..GZIP },
        "the baseline, 8 files gathered and then made, one by one",
    ),
    variant(
        "only-dir-batches",
        &Restore { gather: TWO_HUNDRED_KB, ..GZIP },
        "the baseline in batches of 200 KB by directory, each of which is asked for once a batch",
    ),
    variant("only-prefetch", &Restore { ahead: LRU, ..GZIP }, "the baseline with a helper that opens what comes next"),
    variant(
        "only-links-together",
        &Restore { duplicates: Duplicates::LinkedTogether, ..GZIP },
        "the baseline with duplicates as hard links, made by 2 workers a processor, at most 32",
    ),
    variant("only-holotree", &HOLOTREE, "the baseline with pool, batches, links together and prefetch"),
    variant(
        "only-uring",
        &Restore { whole: true, way: Way::Direct, ring: Some(128), ..GZIP },
        "the baseline, 128 files at once by io_uring, each decoded whole",
    ),
    variant(
        "only-mapped",
        &Restore { way: Way::Mapped, ..GZIP },
        "the baseline with bytes copied into a shared mapping",
    ),
    variant(
        "only-stream-and-writers",
        &Restore { layout: Layout::Stream, crew: Crew::EachProcessor, ..GZIP },
        "the baseline from one gzip stream: one decodes, a worker a processor writes",
    ),
    variant(
        "only-small-writes",
        &Restore { piece: 32 << 10, ..GZIP },
        "the baseline with pieces of 32 KiB, the default of Go's library",
    ),
    variant("only-large-writes", &Restore { piece: 4 << 20, ..GZIP }, "the baseline with pieces of 4 MiB"),
    variant(
        "only-tmpfs-first",
        &TmpfsFirst { by: GZIP },
        "the baseline to /dev/shm, and from there to where it shall stand",
    ),
    variant(
        "only-fsync",
        &Restore { sync: Syncing::EachFile, ..GZIP },
        "the baseline with a sync before each file is closed; names are not synced",
    ),
    variant(
        "all-but-zstd",
        &Restore { codec: Codec::Gzip { level: 6 }, ..BEST },
        "the ladder's end with gzip, and neither zstd nor lz4",
    ),
    variant(
        "all-but-pooled",
        &Restore { buffers: Buffers::Fresh, ..BEST },
        "the ladder's end with fresh buffers: a pack asks for none",
    ),
    variant(
        "all-but-whole",
        &Restore { whole: false, context: Context::Fresh, ..BEST },
        "the ladder's end with a fresh context a block",
    ),
    variant(
        "all-but-fewer-calls",
        &Restore { way: Way::SevenCalls, naming: Naming::Absolute, ..BEST },
        "the ladder's end with seven calls a file",
    ),
    variant(
        "all-but-dirs-up-front",
        &Restore { directories: OnDemand, ..BEST },
        "the ladder's end with directories on demand",
    ),
    variant("all-but-workers", &Restore { crew: Crew::Alone, ..BEST }, "the ladder's end by one worker"),
    variant("all-but-blake3", &Restore { hash: Hash::Sha256, ..BEST }, "the ladder's end with SHA-256"),
    variant("all-but-pack", &Restore { layout: Layout::Loose, ..BEST }, "the ladder's end from loose objects"),
    variant(
        "all-but-sealed",
        &Restore { layout: BLOCKS, ..BEST },
        "the ladder's end, each content held against its hash",
    ),
];
