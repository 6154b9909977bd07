//! How long does it take to crawl a tree, look at every entry and write a record of each?
//!
//! The ladder goes from what the document describes (threads over directories, `lstat` by full path, a record of more
//! than 100 bytes, two writes a record under one lock, a counter under a lock) through its own steps, to those that it
//! does not list. `only-` rows take one step alone on the baseline, `all-but-` rows leave one step out of the whole
//! ladder, and `best-` rows change one thing about the best. Then come the peers, and the floor: nothing but the calls
//! that no walk can leave out.
//!
//! "SIMD for path processing" is what `memcpy` of the C library does already: `best-paths-copied` stands beside
//! `best-paths-by-32`, `best-paths-bytewise` and `best` (no path at all), and `best-csv`, which looks for quotes by
//! vectors, beside `best-csv-bytewise`. Inlining is the compiler's: every row has it but those that end with
//! `-not-inlined`. What else the compiler may be told, the rows that end with `-tuned` have been built with, those that
//! end with `-apart` only in part, and those that end with `-plain` have not.

mod apart;
mod bulk;
mod columns;
mod crew;
mod csv;
mod descriptors;
mod direct;
mod facts;
mod floor;
mod foretold;
mod format;
mod hand;
mod in_process;
mod job;
mod mapped;
mod meta;
mod names;
mod output;
mod place;
mod pool;
mod programs;
mod read_back;
mod ring;
mod run;
mod walk;
mod write_ring;

pub use apart::{Apart, Build, SOURCES, work_once};
pub use buffers::Progress;
pub use bulk::Bulk;
pub use crew::{Crew, Report, Threads};
pub use floor::Floor;
pub use format::Format;
pub use in_process::{InProcess, Peer};
pub use job::Failure;
pub use meta::{Ask, Meta};
pub use output::Output;
pub use run::{Options, Seen, run};
pub use walk::{Order, Reach, Walk};

use programs::{BFS, DU, FD, FD_ASKING, FIND, PWALK};
use technique::{Workload, variant};

/// As the document describes it. Its walker is pwalk's: a thread a directory, at most eight at once.
const DOCUMENT: Walk = Walk {
    crew: Crew::ThreadEach(8),
    reach: Reach::ByPath,
    ask: Ask::Lstat,
    order: Order::AsListed,
    listing: LISTING,
    shares: false,
    format: Format::Long,
    output: Output::SharedTwoWrites,
    inlined: true,
    progress: Progress::LockEach,
    pinned: false,
    one_file_system: false,
};
/// What the C library reads of a directory at once.
const LISTING: usize = 32 << 10;
const OWN_FILES: Walk = Walk { output: Output::OwnTwoWrites, ..DOCUMENT };
const BATCHED: Walk = Walk { output: Output::OwnBuffer, ..OWN_FILES };
const SHORT: Walk = Walk { format: Format::Short, ..BATCHED };
const BIT_TEST: Walk = Walk { progress: Progress::LockByInode, ..SHORT };
const EVERY_256: Walk = Walk { progress: Progress::LockEach256, ..BIT_TEST };
const HELD: Walk = Walk { reach: Reach::Held, ..EVERY_256 };
const STEALING: Walk = Walk { crew: Crew::Stealing(Threads::EachProcessor), ..HELD };
const PARENTED: Walk = Walk { format: Format::Parented, ..STEALING };
const NARROW: Walk = Walk { ask: Ask::Narrow, ..PARENTED };
const SHARED: Walk = Walk { shares: true, ..NARROW };
const BEST: Walk = Walk { output: Output::OneFile, progress: Progress::Atomic256, ..SHARED };

/// The best row's knobs, for those who turn them further.
pub const fn best() -> Walk {
    BEST
}

const fn stealing(threads: usize, walk: Walk) -> Walk {
    Walk { crew: Crew::Stealing(Threads::Of(threads)), ..walk }
}

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "walk",
    question: "How long does it take to crawl a tree, look at every entry and write a record of each?",
    fixtures: &[
        "walk-tree",
        "walk-small",
        "walk-flat",
        "walk-deep",
        "walk-nasty",
        "python-env",
        "python-small",
        "tiny",
    ],
    variants: &[
        variant("one-lock", &DOCUMENT, "the document's baseline: lstat by path, two writes and a counter under locks"),
        variant("own-files", &OWN_FILES, "and each thread writes to a file of its own"),
        variant("batched", &BATCHED, "and by a buffer of 1 MiB"),
        variant("short-record", &SHORT, "and 28 bytes a record: truncates sizes and times, drops the mode"),
        variant("bit-test", &BIT_TEST, "and counts only inodes whose low byte is zero"),
        variant("every-256", &EVERY_256, "and counts each 256th entry of a thread instead"),
        variant("held", &HELD, "and looks below the directory that is open, not by full path"),
        variant("stealing", &STEALING, "and a thread for each processor; they steal directories from each other"),
        variant("parented", &PARENTED, "and a whole record of 48 bytes, the bare name and its directory's number"),
        variant("narrow", &NARROW, "and asks only for what the record holds"),
        variant("shared-flat", &SHARED, "and large directories are shared"),
        variant("only-own-files", &OWN_FILES, "the baseline with a file a thread"),
        variant(
            "only-one-write",
            &Walk { output: Output::SharedOneWrite, ..DOCUMENT },
            "the baseline with one write a record",
        ),
        variant(
            "only-batched",
            &Walk { output: Output::SharedBuffer, ..DOCUMENT },
            "the baseline with one buffer under the lock",
        ),
        variant(
            "only-own-buffers",
            &Walk { output: Output::OwnBuffer, ..DOCUMENT },
            "the baseline with a file and a buffer a thread",
        ),
        variant(
            "only-short-record",
            &Walk { format: Format::Short, ..DOCUMENT },
            "the baseline with 28 bytes a record",
        ),
        variant(
            "only-bit-test",
            &Walk { progress: Progress::LockByInode, ..DOCUMENT },
            "the baseline counting by the inode's low byte",
        ),
        variant(
            "only-every-256",
            &Walk { progress: Progress::LockEach256, ..DOCUMENT },
            "the baseline counting each 256th",
        ),
        variant(
            "only-not-inlined",
            &Walk { inlined: false, ..DOCUMENT },
            "the baseline, where each record takes two calls of functions",
        ),
        variant(
            "bit-test-not-inlined",
            &Walk { inlined: false, ..BIT_TEST },
            "the document's steps but inlining: each record takes two calls of functions",
        ),
        variant("only-no-progress", &Walk { progress: Progress::Nothing, ..DOCUMENT }, "the baseline counting nothing"),
        variant("only-atomic", &Walk { progress: Progress::Atomic, ..DOCUMENT }, "the baseline with an atomic counter"),
        variant(
            "only-padded",
            &Walk { progress: Progress::Padded, ..DOCUMENT },
            "the baseline with a counter a thread, lines apart",
        ),
        variant(
            "only-false-sharing",
            &Walk { progress: Progress::Crowded, ..DOCUMENT },
            "the baseline with a counter a thread, one line",
        ),
        variant("only-held", &Walk { reach: Reach::Held, ..DOCUMENT }, "the baseline looking below the open directory"),
        variant(
            "only-stealing",
            &Walk { crew: BEST.crew, ..DOCUMENT },
            "the baseline with a thread a processor, stealing",
        ),
        variant("only-narrow", &Walk { ask: Ask::Narrow, ..DOCUMENT }, "the baseline by statx, asking for less"),
        variant("only-parented", &Walk { format: Format::Parented, ..DOCUMENT }, "the baseline with bare names"),
        variant(
            "only-shared-flat",
            &Walk { shares: true, crew: BEST.crew, ..DOCUMENT },
            "the baseline, large directories shared by threads that steal: others have no use for a share",
        ),
        variant("only-one-thread", &stealing(1, DOCUMENT), "the baseline on one thread"),
        variant(
            "all-but-own-files",
            &Walk { output: Output::SharedBuffer, ..SHARED },
            "the ladder's end into one file, by one buffer under a lock",
        ),
        variant(
            "all-but-batched",
            &Walk { output: Output::OwnTwoWrites, ..SHARED },
            "the ladder's end, two writes a record",
        ),
        variant("all-but-short-record", &SHARED, "the ladder's end: `parented` has another record anyway"),
        variant("all-but-bit-test", &SHARED, "the ladder's end: `every-256` counts in another way anyway"),
        variant(
            "all-but-every-256",
            &Walk { progress: Progress::LockByInode, ..SHARED },
            "the ladder's end, counting by the inode's low byte",
        ),
        variant("all-but-held", &Walk { reach: Reach::ByPath, ..SHARED }, "the ladder's end, looking by full path"),
        variant(
            "all-but-stealing",
            &Walk { crew: Crew::ThreadEach(8), ..SHARED },
            "the ladder's end with a thread a directory, at most eight: none shares a large one",
        ),
        variant(
            "all-but-parented",
            &Walk { format: Format::Short, ..SHARED },
            "the ladder's end with the record of 28 bytes",
        ),
        variant("all-but-narrow", &Walk { ask: Ask::Lstat, ..SHARED }, "the ladder's end by lstat, all fields"),
        variant("all-but-shared-flat", &NARROW, "the ladder's end, no directory shared"),
        variant("best", &BEST, "all that helps; one file, which has its name only when complete"),
        variant("best-1-thread", &stealing(1, BEST), "the best on one thread"),
        variant("best-2-threads", &stealing(2, BEST), "the best on two threads"),
        variant("best-4-threads", &stealing(4, BEST), "the best on four threads"),
        variant("best-8-threads", &stealing(8, BEST), "the best on eight threads"),
        variant("best-32-threads", &stealing(32, BEST), "the best on 32 threads: for cold caches"),
        variant("best-thread-each", &Walk { crew: Crew::ThreadEach(8), ..BEST }, "the best with pwalk's threads"),
        variant("best-not-shared", &Walk { shares: false, ..BEST }, "the best, no directory shared"),
        variant("best-by-path", &Walk { reach: Reach::ByPath, ..BEST }, "the best, looking by full path"),
        variant("best-all-fields", &Walk { ask: Ask::Basic, ..BEST }, "the best, asking for all fields"),
        variant("best-lstat", &Walk { ask: Ask::Lstat, ..BEST }, "the best by newfstatat instead of statx"),
        variant("best-1k-listing", &Walk { listing: 1 << 10, ..BEST }, "the best, reading names by 1 KiB"),
        variant("best-1m-listing", &Walk { listing: 1 << 20, ..BEST }, "the best, reading names by 1 MiB"),
        variant("best-by-inode", &Walk { order: Order::ByInode, ..BEST }, "the best in the order of inodes"),
        variant(
            "best-uring-32",
            &Walk { order: Order::Ring { at_once: 32 }, ..BEST },
            "the best, 32 names asked about at once by io_uring",
        ),
        variant(
            "best-uring-256",
            &Walk { order: Order::Ring { at_once: 256 }, ..BEST },
            "the best, 256 names at once by io_uring",
        ),
        variant("best-pinned", &Walk { pinned: true, ..BEST }, "the best, each thread kept on its processor"),
        variant(
            "best-atomic-each",
            &Walk { progress: Progress::Atomic, ..BEST },
            "the best, an atomic count at each entry",
        ),
        variant("best-lock-each", &Walk { progress: Progress::LockEach, ..BEST }, "the best, a locked count at each"),
        variant("best-own-files", &Walk { output: Output::OwnBuffer, ..BEST }, "the best into a file a thread"),
        variant("best-direct", &Walk { output: Output::OwnDirect, ..BEST }, "the best past the page cache"),
        variant("best-mapped", &Walk { output: Output::OwnMapped, ..BEST }, "the best into shared memory"),
        variant("best-uring-write", &Walk { output: Output::OwnRing, ..BEST }, "the best, written by io_uring"),
        variant("best-long-record", &Walk { format: Format::Long, ..BEST }, "the best with the document's 104 bytes"),
        variant("best-short-record", &Walk { format: Format::Short, ..BEST }, "the best with the document's 28 bytes"),
        variant("best-paths-copied", &Walk { format: Format::Pathed, ..BEST }, "the best with whole paths"),
        variant(
            "best-paths-bytewise",
            &Walk { format: Format::PathedByBytes, ..BEST },
            "the best with whole paths, copied byte by byte",
        ),
        variant(
            "best-paths-by-32",
            &Walk { format: Format::PathedBy32, ..BEST },
            "the best with whole paths, copied 32 bytes at once",
        ),
        variant(
            "best-csv",
            &Walk { format: Format::Csv, ask: Ask::Basic, shares: false, ..BEST },
            "the best with the CSV columns of pwalk",
        ),
        variant(
            "best-csv-bytewise",
            &Walk { format: Format::CsvByBytes, ask: Ask::Basic, shares: false, ..BEST },
            "the best with the CSV columns of pwalk, quotes looked for byte by byte and not by vectors",
        ),
        variant(
            "best-parquet",
            &Walk { format: Format::Parquet, ..BEST },
            "the best with columns in a Parquet file, which DuckDB reads",
        ),
        variant("best-no-output", &Walk { output: Output::Nowhere, ..BEST }, "the best, recording nothing"),
        variant(
            "names-only",
            &Walk { format: Format::Paths, ask: Ask::TypeOnly, ..BEST },
            "no entry is looked at; paths, each with a NUL",
        ),
        variant(
            "one-lock-apart",
            &Apart { row: "one-lock", build: Build::Same },
            "the baseline in a process of its own, by this build: -O3",
        ),
        variant(
            "one-lock-plain",
            &Apart { row: "one-lock", build: Build::Plain },
            "the same from a build without the document's options: -O2, no native, no LTO",
        ),
        variant(
            "one-lock-tuned",
            &Apart { row: "one-lock", build: Build::Tuned },
            "the same from a third build: -O3, native, LTO",
        ),
        variant(
            "bit-test-apart",
            &Apart { row: "bit-test", build: Build::Same },
            "the document's steps in a process of its own, by this build: -O3",
        ),
        variant(
            "bit-test-plain",
            &Apart { row: "bit-test", build: Build::Plain },
            "the document's steps but the compiler's: -O2, no native, no LTO",
        ),
        variant(
            "bit-test-tuned",
            &Apart { row: "bit-test", build: Build::Tuned },
            "the document's last step, the compiler's options, on all before: -O3, native, LTO",
        ),
        variant(
            "best-apart",
            &Apart { row: "best", build: Build::Same },
            "the best in a process of its own, by this build: -O3",
        ),
        variant(
            "best-tuned",
            &Apart { row: "best", build: Build::Tuned },
            "the same from a third build: -O3, native, LTO",
        ),
        variant(
            "bulk-xfs",
            &Walk { ask: Ask::InBulk(Bulk::Xfs), ..BEST },
            "the best, asking XFS of all inodes first: root only, written out before, all in memory",
        ),
        variant(
            "bulk-btrfs",
            &Walk { ask: Ask::InBulk(Bulk::Btrfs), ..BEST },
            "the best, searching btrfs's tree first: root only, written out before, all in memory",
        ),
        variant("find", &FIND, "a peer: GNU find -printf"),
        variant("bfs", &BFS, "a peer: bfs -printf"),
        variant("fd", &FD, "a peer: fd, which prints paths and looks at nothing"),
        variant("fd-asking", &FD_ASKING, "a peer: fd, made to look at every entry by a bound on its time"),
        variant("du", &DU, "a peer: GNU du, which looks at every entry and prints its size and path"),
        variant("pwalk", &PWALK, "a peer: pwalk itself, up to 32 threads, CSV to one stream"),
        variant("walkdir", &InProcess { peer: Peer::Walkdir }, "a peer: walkdir, one thread"),
        variant("ignore", &InProcess { peer: Peer::Ignore }, "a peer: the walker of ripgrep and fd"),
        variant("jwalk", &InProcess { peer: Peer::Jwalk }, "a peer: jwalk, asking in parallel"),
        variant("rayon", &InProcess { peer: Peer::Rayon }, "a peer: rayon and the standard library"),
        variant(
            "floor-1-thread",
            &Floor { ask: Ask::Narrow, listing: LISTING, threads: Some(1) },
            "the floor on one thread",
        ),
        variant(
            "floor",
            &Floor { ask: Ask::Narrow, listing: LISTING, threads: None },
            "open, list, look, close: every directory known before",
        ),
    ],
    ladder: &[
        "one-lock",
        "own-files",
        "batched",
        "short-record",
        "bit-test",
        "every-256",
        "held",
        "stealing",
        "parented",
        "narrow",
        "shared-flat",
    ],
    floor: Some("floor"),
    expected: |site| Ok(facts::expected(&site.source)),
    outcome: |site| facts::outcome(&site.target, &site.source),
};
