//! How fast can an object be put as data and parity shards into as many places, and got back from those that are left?
//!
//! Every way of putting writes the same shards, byte for byte, each block with its hash (unless its row says otherwise):
//! what differs is the way that the bytes take. The document's ways are temporary files, memory, one of the two by size,
//! copying while shards are made, and temporary files on a RAM disk; beside them stands the one that it does not have:
//! stripes that are read, encoded and handed on, with a bounded piece of memory and no temporary file.
//!
//! Targets are local directories, four of data and two of parity. Where the scratch place is in memory, so are they, and a
//! RAM disk is then nothing else than the temporary files' own place: `--scratch` on a disk asks the document's question.
//!
//! Or they are as many buckets of an S3 server that a row starts beside itself, on a processor of its own where there are
//! several ([`server`]): requests and answers by HTTP over the loopback device, what the server writes on the same file
//! system, and, of shards longer than a part, once more when it puts the parts together. What a row waits for it is called
//! `send` and `receive`; its processor time and memory are not the row's, and are counted as `server_cpu_us`. A server
//! whose answers come late is a far one, without its network's limits of bandwidth. The share of time in HTTP stands in
//! `put-s3-stripes-alone`; where threads overlap, those that wait for the one that sends are in `wait`.

mod bucket;
pub mod budget;
pub mod encode;
pub mod format;
pub mod get;
mod halves;
mod job;
mod judge;
mod memory;
pub mod place;
pub mod put;
pub mod read;
pub mod server;
mod slow;
pub mod store;
mod stripe;
mod stripes;
pub mod target;
mod temp;
mod to;
mod workers;

use job::{Back, Fetch, Route, Store};
use parity::Carried;
use std::time::Duration;
use technique::phase::ENCODE;
use technique::{Peer, Promises, Workload, stub, variant};
use to::To;

/// As the document describes it.
const TEMP: Store = Store {
    route: Route::Temp { at_once: false },
    block: 256 << 10,
    hash: Carried::Blake3,
    pack: None,
    to: To::Directories,
    spare: 0,
    beforehand: false,
};
const MEMORY: Store = Store { route: Route::Memory, ..TEMP };
const STRIPES: Store = Store { route: Route::Stripes { writers: 1 }, ..TEMP };
const WORKERS: Store = Store { route: Route::Workers, ..TEMP };
const ALONE: Store = Store { route: Route::OneStripe, ..TEMP };
const FETCH: Fetch = Fetch { route: Back::OneStripe, lost: 0, from: To::Directories };
/// Buckets: each part waited for, or sent while the next one is filled. What is sent is not hashed for the signature,
/// since each block has its own hash.
const WAITED: To = To::Server { behind: false, signed: false, delay: Duration::ZERO };
const BEHIND: To = To::Server { behind: true, signed: false, delay: Duration::ZERO };
const SIGNED: To = To::Server { behind: true, signed: true, delay: Duration::ZERO };
/// The same where the server answers later.
const FAR: Duration = Duration::from_millis(10);
const FAR_WAITED: To = To::Server { behind: false, signed: false, delay: FAR };
const FAR_BEHIND: To = To::Server { behind: true, signed: false, delay: FAR };

/// Reads and writes the object once, and makes nothing of it.
const CP: Peer = Peer {
    keep: None,
    run: "cp -r {source}/. {target}/objects",
    needs: &["cp"],
    mend: "apt-get install coreutils",
    promises: Promises::NONE,
};

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "erasure",
    question: "How fast can an object be put as data and parity shards, and got back from those that are left?",
    fixtures: &[
        "object-256m",
        "object-4m",
        "object-4k",
        "object-64k",
        "object-1m",
        "object-16m",
        "object-64m",
        "object-1g",
        "one-big",
        "python-small",
        "tiny",
    ],
    variants: &[
        variant("put-temp-files", &TEMP, "the document's: all shards as temporary files, then copied to their places"),
        variant("put-in-memory", &MEMORY, "all of the object and its parity in memory, then written"),
        variant(
            "put-hybrid",
            &Store { route: Route::Hybrid(100 << 20), ..TEMP },
            "in memory below 100 MiB, by temporary files above",
        ),
        variant(
            "put-pipelined",
            &Store { route: Route::Temp { at_once: true }, ..TEMP },
            "by temporary files, copied while the next stripes are made",
        ),
        variant("put-ram-disk", &Store { route: Route::RamDisk, ..TEMP }, "by temporary files in /dev/shm"),
        variant(
            "put-adaptive",
            &Store { route: Route::Adaptive, ..TEMP },
            "in memory where a quarter of what is free suffices",
        ),
        variant("put-stripes-alone", &ALONE, "streamed stripes, one in flight, one thread"),
        variant("put-stripes", &STRIPES, "streamed stripes, three in flight: one thread reads, one writes"),
        stub(
            "put-stripes-no-encode",
            &Store { beforehand: true, ..STRIPES },
            "put-stripes",
            ENCODE,
            "parity made before the clock: what the pipeline does not hide of it",
        ),
        variant(
            "put-stripes-6-writers",
            &Store { route: Route::Stripes { writers: 6 }, ..TEMP },
            "the same with a writer for each target",
        ),
        variant(
            "put-workers",
            &WORKERS,
            "streamed stripes by a worker for each processor: reads, encodes, hashes, writes",
        ),
        variant("put-workers-64k", &Store { block: 64 << 10, ..WORKERS }, "the same with blocks of 64 KiB"),
        variant("put-workers-crc32c", &Store { hash: Carried::Crc32c, ..WORKERS }, "with a checksum instead of BLAKE3"),
        variant("put-stripes-1-thread", &ALONE, "streamed stripes on so many threads: what each further one is worth")
            .aside(),
        variant("put-stripes-2-threads", &STRIPES, "the same, one reading and one writing").aside(),
        variant(
            "put-stripes-3-threads",
            &Store { route: Route::Stripes { writers: 2 }, ..TEMP },
            "the same, two writing",
        )
        .aside(),
        variant(
            "put-stripes-4-threads",
            &Store { route: Route::Stripes { writers: 3 }, ..TEMP },
            "the same, three writing",
        )
        .aside(),
        variant("put-stripes-16k", &Store { block: 16 << 10, ..STRIPES }, "blocks of 16 KiB").aside(),
        variant("put-stripes-64k", &Store { block: 64 << 10, ..STRIPES }, "streamed stripes, blocks of 64 KiB"),
        variant("put-stripes-1m", &Store { block: 1 << 20, ..STRIPES }, "streamed stripes, blocks of 1 MiB"),
        variant("put-stripes-4m", &Store { block: 4 << 20, ..STRIPES }, "blocks of 4 MiB").aside(),
        variant("put-alone-64k", &Store { block: 64 << 10, ..ALONE }, "one in flight, blocks of 64 KiB").aside(),
        variant("put-alone-1m", &Store { block: 1 << 20, ..ALONE }, "one in flight, blocks of 1 MiB").aside(),
        variant(
            "put-stripes-crc32c",
            &Store { hash: Carried::Crc32c, ..STRIPES },
            "streamed stripes with a checksum instead of BLAKE3",
        ),
        variant(
            "put-stripes-sha256",
            &Store { hash: Carried::Sha256, ..STRIPES },
            "streamed stripes with SHA-256 instead of BLAKE3",
        ),
        variant("put-stripes-xxh3", &Store { hash: Carried::Xxh3, ..STRIPES }, "with XXH3").aside(),
        variant(
            "put-compressed",
            &Store { pack: Some(1), ..STRIPES },
            "streamed stripes, packed by zstd at level 1 where that pays",
        ),
        variant(
            "put-slow-target",
            &Store { to: To::SlowOne, route: Route::Stripes { writers: 6 }, ..TEMP },
            "one target of 50 MB/s and 1 ms a write: all wait for it",
        ),
        variant(
            "put-hedged",
            &Store { to: To::SlowOne, spare: 1, route: Route::Stripes { writers: 6 }, ..TEMP },
            "the same, done when five of six are stored; promises one shard less",
        ),
        variant(
            "put-dying-target",
            &Store { to: To::DyingOne, spare: 1, route: Route::Stripes { writers: 6 }, ..TEMP },
            "one target dies after 256 KiB, and five of six suffice; promises one shard less",
        )
        .aside(),
        variant(
            "put-to-memory",
            &Store { to: To::Memory, ..STRIPES },
            "streamed stripes into memory: what a put takes where storing costs a copy",
        )
        .aside(),
        variant(
            "get-temp-files",
            &Fetch { route: Back::Temp, ..FETCH },
            "the document's: shards as temporary files first",
        ),
        variant("get-in-memory", &Fetch { route: Back::Memory, ..FETCH }, "shards and object whole in memory"),
        variant("get-stripes-alone", &FETCH, "stripe by stripe, each block verified, one thread"),
        variant(
            "get-stripes",
            &Fetch { route: Back::Stripes, ..FETCH },
            "stripe by stripe: one thread reads and verifies, one writes",
        ),
        variant(
            "get-degraded",
            &Fetch { route: Back::Stripes, lost: 2, ..FETCH },
            "the same with two data shards lost, which are made again",
        ),
        variant(
            "put-s3-temp-files",
            &Store { to: WAITED, ..TEMP },
            "the document's, to an S3 server: temporary files, then uploaded",
        ),
        variant("put-s3-in-memory", &Store { to: WAITED, ..MEMORY }, "to an S3 server: all in memory, then uploaded"),
        variant(
            "put-s3-stripes-alone",
            &Store { to: WAITED, ..ALONE },
            "to an S3 server: streamed stripes, one thread, each part waited for",
        ),
        variant(
            "put-s3-stripes",
            &Store { to: BEHIND, ..STRIPES },
            "to an S3 server: streamed stripes, each part sent while the next one is made",
        ),
        stub(
            "put-s3-no-encode",
            &Store { to: BEHIND, beforehand: true, ..STRIPES },
            "put-s3-stripes",
            ENCODE,
            "parity made before the clock: what the pipeline does not hide of it",
        ),
        variant(
            "put-s3-far-alone",
            &Store { to: FAR_WAITED, ..ALONE },
            "to an S3 server that answers 10 ms later, each part waited for",
        )
        .aside(),
        variant(
            "put-s3-far",
            &Store { to: FAR_BEHIND, ..STRIPES },
            "to an S3 server that answers 10 ms later, each part sent while the next one is made",
        )
        .aside(),
        variant("put-s3-signed", &Store { to: SIGNED, ..STRIPES }, "the same, every byte hashed for the signature")
            .aside(),
        variant(
            "get-s3-in-memory",
            &Fetch { route: Back::Memory, from: BEHIND, ..FETCH },
            "from an S3 server: shards and object whole in memory",
        ),
        variant(
            "get-s3-stripes",
            &Fetch { route: Back::Stripes, from: BEHIND, ..FETCH },
            "from an S3 server: stripe by stripe, each block verified",
        ),
        variant(
            "put-s3-yours",
            &Store { to: To::Yours, ..STRIPES },
            "to a server of yours, ASSAY_S3=s3://BUCKET/PREFIX: as put-s3-stripes; nothing stays there",
        )
        .aside(),
        variant(
            "get-s3-yours",
            &Fetch { route: Back::Stripes, from: To::Yours, ..FETCH },
            "from a server of yours, ASSAY_S3=s3://BUCKET/PREFIX: as get-s3-stripes; nothing stays there",
        )
        .aside(),
        variant("cp", &CP, "the floor: the object copied once, no parity, nothing verified"),
    ],
    ladder: &["put-temp-files", "put-pipelined", "put-in-memory", "put-stripes-alone", "put-stripes", "put-workers"],
    floor: Some("cp"),
    expected: judge::expected,
    outcome: judge::outcome,
};
