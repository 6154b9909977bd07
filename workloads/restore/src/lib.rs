//! How long does it take to bring back an environment of small files from a compressed store?
//!
//! The store is content-addressed: one packed object for each different content, or blocks of contents in one pack,
//! and a catalogue of paths, modes, times and links. Every row that reads it verifies the hash of every content, as the post-mortems
//! demand ("ALWAYS performed, no shortcuts"): it is a phase like any other.
//!
//! The ladder goes from what the post-mortem found, step by step, to the best row. `only-` rows take one step alone
//! on the baseline, `all-but-` rows leave one step out of the whole ladder, and `best-` rows turn one knob of the best.
//! Then come other ways to a tree: one stream, whole files of an unpacked store, images that are mounted instead, a tree
//! that stands already and is brought up to date. Then the peers, the rows with a phase taken away, and the floor: the
//! same files from memory.

mod ahead;
mod catalogue;
mod choose;
mod dictionary;
mod directories;
mod duplicates;
mod floor;
mod foretold;
mod job;
mod kept;
mod knobs;
mod left_out;
mod loose;
mod mounted;
mod outcome;
mod over;
mod packed;
mod peers;
mod restore;
mod schedule;
mod store;
mod stream;
mod sync;
mod tmpfs_first;
mod transfer;
mod unpacked;
mod update;
mod watch;

pub use choose::{Chosen, Tried};
pub use floor::Floor;
pub use kept::{Damage, Store, Tally};
pub use knobs::{Ahead, Crew, Duplicates, Gather, Naming, Restore, Syncing};
pub use mounted::{Format, Mounted, RestoredAndRead};
pub use over::Over;
pub use store::{Form, Layout};
pub use tmpfs_first::TmpfsFirst;
pub use unpacked::{By, Unpacked};
pub use update::{Changes, Differs};
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
const BLAKE3: Restore = Restore { hash: Hash::Blake3, ..WORKERS };
const PACK: Restore = Restore { layout: BLOCKS, ..BLAKE3 };
const HARDLINKS: Restore = Restore { duplicates: Duplicates::Linked, ..PACK };
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
const STREAM: Restore = Restore { layout: Layout::Stream, ..BLAKE3 };
const RINGED: Restore = Restore { ring: Some(64), ..PACK };
const MAPPED: Restore = Restore { way: Way::Mapped, ..PACK };

/// Rows that read the same store as the best, promise the same, and may be better on some file system.
const RIVALS: &[(&str, &Restore)] =
    &[("best", &PACK), ("best-uring", &RINGED), ("best-mapped", &MAPPED), ("best-alone", &BEST_ALONE)];
const BEST_ALONE: Restore = Restore { crew: Crew::Alone, ..PACK };

/// The best row's knobs, for those who turn them further.
pub const fn best() -> Restore {
    PACK
}

/// The knobs of a row that restores from a store of the lab's; none where there is no such row, or it is no such one.
pub fn named(row: &str) -> Option<&'static Restore> {
    WORKLOAD.variant(row)?.technique.as_any().downcast_ref()
}

const fn mounted(format: Format) -> Mounted {
    Mounted { format, read: false }
}

const fn read_once(format: Format) -> Mounted {
    Mounted { format, read: true }
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
            "only-batches",
            &Restore { gather: Gather::Files(8), ..GZIP },
            "the baseline, 8 files gathered and then made, one by one",
        ),
        variant(
            "only-dir-batches",
            &Restore { gather: TWO_HUNDRED_KB, ..GZIP },
            "the baseline in batches of 200 KB by directory, each of which is asked for once a batch",
        ),
        variant(
            "only-prefetch",
            &Restore { ahead: LRU, ..GZIP },
            "the baseline with a helper that opens what comes next",
        ),
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
        variant("best-alone", &BEST_ALONE, "the best by one worker"),
        variant("best-uring", &RINGED, "the best, 64 files at once by io_uring"),
        variant("best-mapped", &MAPPED, "the best with bytes copied into a shared mapping"),
        variant(
            "best-beneath",
            &Restore { naming: Naming::Beneath, ..PACK },
            "the best, no link followed on the way to a directory",
        ),
        variant(
            "best-asked-ahead",
            &Restore { ahead: Ahead::All, ..PACK },
            "the best, all of the pack asked for at once",
        ),
        variant(
            "best-64k",
            &Restore { layout: Layout::Pack { block: 64 << 10 }, ..PACK },
            "the best from 64 KiB blocks",
        ),
        variant("best-1m", &Restore { layout: Layout::Pack { block: 1 << 20 }, ..PACK }, "the best from 1 MiB blocks"),
        variant(
            "best-not-packed",
            &Restore { codec: Codec::Plain, ..PACK },
            "the best, nothing to decode: what zstd costs",
        ),
        variant(
            "best-files-synced",
            &Restore { sync: Syncing::EachFile, ..PACK },
            "the best, each file synced; names are not",
        ),
        variant(
            "best-synced-once",
            &Restore { sync: Syncing::Once, ..PACK },
            "the best, one syncfs at the end: durable",
        ),
        variant(
            "best-all-synced",
            &Restore { sync: Syncing::FilesThenDirectories, ..PACK },
            "the best, each file synced and then each directory: durable",
        ),
        variant(
            "best-clones",
            &Restore { duplicates: Duplicates::Cloned, ..PACK },
            "the best with duplicates that share bytes until one is written to (btrfs, xfs)",
        ),
        variant(
            "best-symlinks",
            &Restore { duplicates: Duplicates::Symlinked, ..PACK },
            "the best with duplicates as symbolic links",
        ),
        variant(
            "best-loose-dictionary",
            &Restore { layout: Layout::Trained, ..BLAKE3 },
            "the best from loose objects packed with a dictionary trained on the small ones",
        ),
        variant(
            "stream",
            &Restore { crew: Crew::Alone, ..STREAM },
            "one zstd stream of all contents, decoded and written by one worker",
        ),
        variant("stream-and-writers", &STREAM, "the same: one decodes, a worker a processor writes"),
        variant(
            "unpacked-links",
            &Unpacked { by: By::HardLink, crew: Crew::Alone },
            "whole files of an unpacked store as hard links, one by one; nothing is verified",
        ),
        variant(
            "unpacked-links-together",
            &Unpacked { by: By::HardLink, crew: Crew::TwoEach },
            "the same by 2 workers a processor, at most 32",
        ),
        variant(
            "unpacked-symlinks",
            &Unpacked { by: By::Symlink, crew: Crew::EachProcessor },
            "links to whole files of an unpacked store; nothing is verified",
        ),
        variant(
            "unpacked-clones",
            &Unpacked { by: By::Clone, crew: Crew::EachProcessor },
            "clones of whole files of an unpacked store (btrfs, xfs); nothing is verified",
        ),
        variant(
            "unpacked-copies",
            &Unpacked { by: By::Copy, crew: Crew::EachProcessor },
            "whole files of an unpacked store by copy_file_range; nothing is verified",
        ),
        variant("best-read-once", &RestoredAndRead { by: PACK }, "the best, and then every file read once"),
        variant(
            "erofs",
            &mounted(Format::Erofs),
            "an image mounted instead, not packed: read-only, nothing is verified",
        ),
        variant("erofs-lz4", &mounted(Format::ErofsLz4), "the same packed by lz4"),
        variant("squashfs", &mounted(Format::Squashfs), "the same by squashfs, packed by zstd; times in whole seconds"),
        variant(
            "erofs-read-once",
            &read_once(Format::Erofs),
            "an image mounted instead, and then every file read once",
        ),
        variant("erofs-lz4-read-once", &read_once(Format::ErofsLz4), "the same packed by lz4"),
        variant("squashfs-read-once", &read_once(Format::Squashfs), "the same by squashfs, packed by zstd"),
        variant(
            "over-same-by-time",
            &Over { by: PACK, differs: Differs::BySizeAndTime, aged: false },
            "over the tree itself: all is looked at, nothing is to be done",
        ),
        variant(
            "over-same-by-contents",
            &Over { by: PACK, differs: Differs::ByContents, aged: false },
            "the same, each file read and held against its hash",
        ),
        variant(
            "over-aged-by-time",
            &Over { by: PACK, differs: Differs::BySizeAndTime, aged: true },
            "over a tree of which a few files of a hundred differ, by size, time and mode; others removed",
        ),
        variant(
            "over-aged-by-contents",
            &Over { by: PACK, differs: Differs::ByContents, aged: true },
            "the same by hash: finds what neither size nor time tells",
        ),
        variant("tar-zstd", &TAR_ZSTD, "a peer: GNU tar from one zstd stream; verifies no hash"),
        variant("tar-gzip", &TAR_GZIP, "a peer: GNU tar from one gzip stream; verifies no hash"),
        variant("tar", &TAR_PLAIN, "a peer: GNU tar, nothing packed"),
        variant("tar-pigz", &peers::TAR_PIGZ, "a peer: GNU tar and pigz, one gzip stream; verifies no hash").aside(),
        variant("bsdtar", &peers::BSDTAR, "a peer: bsdtar from one zstd stream; verifies no hash").aside(),
        variant("cp", &peers::CP, "a peer: cp -a of an unpacked tree; verifies nothing").aside(),
        variant("cp-hardlinks", &peers::CP_LINKS, "a peer: cp -al; to write to a file changes its source").aside(),
        variant("cp-reflinks", &peers::CP_CLONES, "a peer: cp --reflink, blocks shared until written to").aside(),
        variant("unsquashfs", &peers::UNSQUASHFS, "a peer: unsquashfs of zstd blocks; verifies no hash").aside(),
        variant("unzip", &peers::UNZIP, "a peer: unzip; holds CRC-32s, but leaves a damaged file there").aside(),
        variant("restic", &peers::RESTIC, "a peer: restic, packed and encrypted chunks; verifies SHA-256").aside(),
        variant("borg", &peers::BORG, "a peer: borg, packed chunks, zstd; verifies SHA-256").aside(),
        variant("casync", &peers::CASYNC, "a peer: casync, a file for each chunk; verifies SHA-512/256").aside(),
        variant("ostree", &peers::OSTREE, "a peer: ostree, a file for each content; every time becomes 0").aside(),
        variant("git-checkout", &peers::GIT, "a peer: git from one packfile; knows only the executable bit").aside(),
        variant("uv-copies", &peers::UV_COPIES, "a peer: uv from a warm cache, files copied; no hash").aside(),
        variant("uv-hardlinks", &peers::UV_LINKS, "a peer: uv from a warm cache, files linked; no hash").aside(),
        variant("pnpm", &peers::PNPM, "a peer: pnpm from a warm store, files linked; no hash").aside(),
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
    outcome: outcome::of_target,
};
