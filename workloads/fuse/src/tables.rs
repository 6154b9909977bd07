//! The questions, and the ways to answer each.

use crate::job::{Does, Job, Where, expected, outcome};
use crate::knobs::{Data, Held, Knobs, LEAN, LEAST, NO_FLUSH, NO_PROBE, PLAIN, Place, Privileges, Transport};
use crate::native::Native;
use crate::peers::Peer;
use blocks::Layer;
use technique::{Workload, variant};

const PIECE: usize = 4 << 10;
const LARGE: usize = 1 << 20;

const fn native(does: Does, native: Native) -> Job {
    Job { does, within: Where::Native(native), place: Place::Same }
}

const fn served(does: Does, knobs: Knobs) -> Job {
    Job { does, within: Where::Served(knobs), place: Place::Same }
}

const fn peer(does: Does, peer: Peer) -> Job {
    Job { does, within: Where::Peer(peer), place: Place::Same }
}

const fn at(place: Place, job: Job) -> Job {
    Job { place, ..job }
}

const fn create(knobs: Knobs) -> Job {
    served(Does::Create(PIECE), knobs)
}

const fn stored(layer: Layer) -> Job {
    create(Knobs { store: Held::Blocks(layer), ..NO_PROBE })
}

const WRITEBACK: Knobs = Knobs { data: Data::Writeback, ..LEAN };
const FILES: Knobs = Knobs { store: Held::Files, ..LEAN };
const PASSTHROUGH: Knobs = Knobs { data: Data::Passthrough, ..FILES };
const DIRECT: Knobs = Knobs { data: Data::Direct, ..LEAN };
const ONE_FILE: Knobs = Knobs { data: Data::Writeback, ..LEAN };
const RINGS: Knobs = Knobs { transport: Transport::Rings, ..LEAST };
const FOLLOWS: Knobs = Knobs { follows: true, ..LEAST };
const PAGES: Knobs = Knobs { store: Held::Pages, ..LEAST };
const BARE: Knobs = Knobs { transport: Transport::Bare, ..PAGES };
const YIELDS: Knobs = Knobs { yields: true, ..BARE };
/// Room for every descriptor that the largest fixture needs.
const ROOM: u32 = 16_000;

/// Files are made.
pub static CREATE: Workload = Workload {
    name: "fuse",
    question: "Where does a 4 KiB create spend its time, when a program in user space is the file system?",
    fixtures: &["create-4k", "create-4k-random", "create-4k-few", "tiny"],
    variants: &[
        variant("plain", &const { create(PLAIN) }, "a server that answers everything that it is asked"),
        variant("no-probe", &const { create(NO_PROBE) }, "and is not asked for capabilities at each write"),
        variant("no-flush", &const { create(NO_FLUSH) }, "nor waited for at each close"),
        variant("lean", &const { create(LEAN) }, "nor asked for the directory's attributes"),
        variant("least", &const { create(LEAST) }, "nor told of opens: three requests a file"),
        variant("least-pages", &const { create(PAGES) }, "and its memory comes two MiB at a time"),
        variant("bare", &const { create(BARE) }, "and the device is read and answered by hand: one call each way"),
        variant("bare-yields", &const { create(YIELDS) }, "and the processor is given away before the server sleeps"),
        variant("bare-free", &const { at(Place::Free, create(YIELDS)) }, "bare-yields, where the scheduler puts them"),
        variant("least-other", &const { at(Place::Other, create(LEAST)) }, "least, server on another processor"),
        variant("least-free", &const { at(Place::Free, create(LEAST)) }, "least, where the scheduler puts them"),
        variant("plain-other", &const { at(Place::Other, create(PLAIN)) }, "plain, server on another processor"),
        variant("plain-free", &const { at(Place::Free, create(PLAIN)) }, "plain, where the scheduler puts them"),
        variant(
            "least-spin-other",
            &const { at(Place::Other, create(Knobs { spins: true, ..LEAST })) },
            "least-other, the server asks again and again instead of sleeping",
        ),
        variant(
            "least-follow",
            &const { at(Place::Free, create(FOLLOWS)) },
            "least-free, the server goes to the processor where it finds its client",
        ),
        variant("rings", &const { create(RINGS) }, "least, by rings in shared memory, one for each processor"),
        variant("rings-free", &const { at(Place::Free, create(RINGS)) }, "rings, where the scheduler puts the client"),
        variant(
            "rings-plain-free",
            &const { at(Place::Free, create(Knobs { transport: Transport::Rings, ..PLAIN })) },
            "plain-free, by rings",
        ),
        variant(
            "lifetime-0",
            &const { create(Knobs { lifetime_s: 0, ..LEAN }) },
            "lean, names and attributes are never believed",
        ),
        variant(
            "killpriv",
            &const { create(Knobs { privileges: Privileges::Dropped, ..LEAN }) },
            "lean, the server drops setuid bits itself",
        ),
        variant(
            "killpriv-kept",
            &const { create(Knobs { privileges: Privileges::Kept, ..LEAN }) },
            "killpriv, and the server does not do it: what must never be",
        )
        .aside(),
        variant("writeback", &const { create(WRITEBACK) }, "lean, the page cache gathers writes"),
        variant(
            "writeback-plain",
            &const { create(Knobs { data: Data::Writeback, ..PLAIN }) },
            "plain, the page cache gathers writes",
        ),
        variant("direct", &const { create(DIRECT) }, "lean, past the page cache"),
        variant(
            "bytes-other",
            &const { at(Place::Other, served(Does::Create(1), NO_PROBE)) },
            "no-probe written byte by byte, server on another processor: what comes near half a second a file",
        )
        .aside(),
        variant("files", &const { create(FILES) }, "lean, a file in memory for each file"),
        variant(
            "files-room",
            &const { create(Knobs { room: ROOM, ..FILES }) },
            "files, the descriptor table grown before",
        ),
        variant(
            "files-bare",
            &const { create(Knobs { store: Held::Files, room: ROOM, ..BARE }) },
            "files-room, nothing opened or closed, and the device read and answered by hand",
        ),
        variant("passthrough", &const { create(PASSTHROUGH) }, "files, the kernel writes to them itself"),
        variant(
            "passthrough-room",
            &const { create(Knobs { room: ROOM, ..PASSTHROUGH }) },
            "passthrough, the descriptor table grown before",
        ),
        variant(
            "one-file",
            &const { Job { does: Does::Create(PIECE), within: Where::OnOneFile(ONE_FILE), place: Place::Same } },
            "ext4 on one file of a server's: it sees blocks, and no names",
        ),
        variant(
            "threads-2",
            &const { at(Place::Free, create(Knobs { threads: 2, ..LEAST })) },
            "least-free by two threads",
        ),
        variant(
            "threads-2-clone",
            &const { at(Place::Free, create(Knobs { threads: 2, clone_fd: true, ..LEAST })) },
            "least-free by two threads, each with a descriptor of its own",
        ),
        variant(
            "threads-4-clone",
            &const { at(Place::Free, create(Knobs { threads: 4, clone_fd: true, ..LEAST })) },
            "least-free by four",
        ),
        variant(
            "plain-files",
            &const { create(Knobs { store: Held::Files, ..PLAIN }) },
            "plain, a file in memory for each file",
        )
        .aside(),
        variant(
            "plain-passthrough",
            &const { create(Knobs { data: Data::Passthrough, store: Held::Files, ..PLAIN }) },
            "plain-files, the kernel writes to them itself",
        )
        .aside(),
        variant("blocks-zlib", &const { stored(blocks::ZLIB) }, "no-probe, stored in the document's block layer"),
        variant("blocks-skip-small", &const { stored(blocks::SKIP_SMALL) }, "writes of up to 4 KiB are not packed"),
        variant("blocks-none", &const { stored(blocks::NONE) }, "nothing is packed"),
        variant("blocks-entropy", &const { stored(blocks::ENTROPY) }, "packed where it looks useful"),
        variant("blocks-write-buffer", &const { stored(blocks::WRITE_BUFFER) }, "skip-small, writes are gathered"),
        variant(
            "blocks-small-file-map",
            &const { stored(blocks::SMALL_FILE_MAP) },
            "skip-small, a map for small files",
        ),
        variant("blocks-async-flush", &const { stored(blocks::ASYNC_FLUSH) }, "skip-small, another thread writes"),
        variant("blocks-short-term", &const { stored(blocks::SHORT_TERM) }, "skip-small, all three"),
        variant("blocks-log", &const { stored(blocks::LOG) }, "skip-small, and a log"),
        variant("blocks-log-sync", &const { stored(blocks::LOG_SYNC) }, "and each write waits until it is stored"),
        variant("tmpfs", &const { native(Does::Create(PIECE), Native::Tmpfs) }, "the kernel's own, in memory"),
        variant("ext4", &const { native(Does::Create(PIECE), Native::Ext4) }, "ext4 on a file in memory"),
        variant(
            "bindfs",
            &const { peer(Does::Create(PIECE), Peer::Bindfs) },
            "a peer: a directory in memory elsewhere",
        ),
        variant("mergerfs", &const { peer(Does::Create(PIECE), Peer::Mergerfs) }, "a peer: one directory as a pool"),
        variant("gocryptfs", &const { peer(Does::Create(PIECE), Peer::Gocryptfs) }, "a peer: encrypted"),
    ],
    ladder: &["plain", "no-probe", "no-flush", "lean", "least"],
    floor: Some("tmpfs"),
    expected,
    outcome,
};

/// The rows of the two questions about bytes, which differ by the length of a piece.
macro_rules! write {
    ($piece:expr) => {
        &[
            variant("plain", &const { stream($piece, PLAIN) }, "a server that answers everything that it is asked"),
            variant("no-probe", &const { stream($piece, NO_PROBE) }, "and is not asked for capabilities at each write"),
            variant("lean", &const { stream($piece, LEAN) }, "nor waited for at a close, nor asked for attributes"),
            variant(
                "lean-other",
                &const { at(Place::Other, stream($piece, LEAN)) },
                "lean, server on another processor",
            ),
            variant(
                "lean-free",
                &const { at(Place::Free, stream($piece, LEAN)) },
                "lean, where the scheduler puts them",
            ),
            variant("direct", &const { stream($piece, DIRECT) }, "lean, past the page cache"),
            variant(
                "direct-pages",
                &const { stream($piece, Knobs { store: Held::Pages, ..DIRECT }) },
                "direct, into memory that comes two MiB at a time",
            ),
            variant(
                "direct-bare",
                &const { stream($piece, Knobs { store: Held::Pages, transport: Transport::Bare, ..DIRECT }) },
                "direct-pages, and the device is read and answered by hand",
            ),
            variant("writeback", &const { stream($piece, WRITEBACK) }, "lean, the page cache gathers writes"),
            variant(
                "writeback-probe",
                &const { stream($piece, Knobs { privileges: Privileges::Answered, ..WRITEBACK }) },
                "writeback, asked for capabilities at each write",
            ),
            variant("passthrough", &const { stream($piece, PASSTHROUGH) }, "the kernel writes to a file itself"),
            variant(
                "passthrough-probe",
                &const { stream($piece, Knobs { privileges: Privileges::Answered, ..PASSTHROUGH }) },
                "passthrough, asked for capabilities at each write",
            ),
            variant(
                "max-write-4k",
                &const { stream($piece, Knobs { max_write: 4 << 10, ..LEAN }) },
                "lean, at most 4 KiB a request",
            ),
            variant(
                "max-write-128k",
                &const { stream($piece, Knobs { max_write: 128 << 10, ..LEAN }) },
                "lean, at most 128 KiB a request",
            ),
            variant(
                "no-sync",
                &const { stream($piece, Knobs { syncs: false, ..LEAN }) },
                "lean, a sync is refused once: from then on each succeeds, and means nothing",
            ),
            variant(
                "writeback-other",
                &const { at(Place::Other, stream($piece, WRITEBACK)) },
                "writeback, server on another processor",
            ),
            variant(
                "writeback-no-limit",
                &const { stream($piece, Knobs { strict_limit: false, ..WRITEBACK }) },
                "writeback, and may fill memory with what is not written yet (bdi strict_limit 0)",
            ),
            variant(
                "writeback-pages",
                &const { stream($piece, Knobs { store: Held::Pages, strict_limit: false, ..WRITEBACK }) },
                "writeback-no-limit, into memory that comes two MiB at a time",
            ),
            variant(
                "passthrough-other",
                &const { at(Place::Other, stream($piece, PASSTHROUGH)) },
                "passthrough, server on another processor",
            ),
            variant("rings", &const { stream($piece, RINGS) }, "by rings in shared memory, one for each processor"),
            variant("rings-free", &const { at(Place::Free, stream($piece, RINGS)) }, "rings, where the client may run"),
            variant(
                "rings-direct",
                &const { stream($piece, Knobs { transport: Transport::Rings, ..DIRECT }) },
                "direct, by rings",
            ),
            variant(
                "tmpfs",
                &const { native(Does::CreateStored($piece), Native::Tmpfs) },
                "the kernel's own, in memory",
            ),
            variant("ext4", &const { native(Does::CreateStored($piece), Native::Ext4) }, "ext4 on a file in memory"),
            variant(
                "bindfs",
                &const { peer(Does::CreateStored($piece), Peer::Bindfs) },
                "a peer: a directory elsewhere",
            ),
            variant("mergerfs", &const { peer(Does::CreateStored($piece), Peer::Mergerfs) }, "a peer: a pool of one"),
            variant("gocryptfs", &const { peer(Does::CreateStored($piece), Peer::Gocryptfs) }, "a peer: encrypted"),
        ]
    };
}

const fn stream(piece: usize, knobs: Knobs) -> Job {
    served(Does::CreateStored(piece), knobs)
}

/// A long file is written in pages.
pub static WRITE_4K: Workload = Workload {
    name: "fuse-4k",
    question: "How fast is a long file written in pieces of 4 KiB, and stored?",
    fixtures: &["stream-64m", "stream-256m", "stream-512m", "tiny"],
    variants: write!(PIECE),
    ladder: &[],
    floor: Some("tmpfs"),
    expected,
    outcome,
};

/// A long file is written in large pieces.
pub static WRITE_1M: Workload = Workload {
    name: "fuse-1m",
    question: "How fast is a long file written in pieces of 1 MiB, and stored?",
    fixtures: &["stream-64m", "stream-256m", "stream-512m", "tiny"],
    variants: write!(LARGE),
    ladder: &[],
    floor: Some("tmpfs"),
    expected,
    outcome,
};

/// Files are looked at and read.
pub static READ_BACK: Workload = Workload {
    name: "fuse-read",
    question: "How long does it take to look at every file, open it, read it and close it?",
    fixtures: &["create-4k", "stream-64m", "tiny"],
    variants: &[
        variant("plain", &const { served(Does::ReadBack, PLAIN) }, "a server that answers everything that it is asked"),
        variant("lean", &const { served(Does::ReadBack, LEAN) }, "and is not asked for what can be left out"),
        variant(
            "least",
            &const { served(Does::ReadBack, LEAST) },
            "nor told of opens: what is cached needs no request",
        ),
        variant(
            "lifetime-0",
            &const { served(Does::ReadBack, Knobs { lifetime_s: 0, ..LEAN }) },
            "lean, names and attributes are never believed",
        ),
        variant("direct", &const { served(Does::ReadBack, DIRECT) }, "lean, past the page cache"),
        variant("passthrough", &const { served(Does::ReadBack, PASSTHROUGH) }, "the kernel reads a file itself"),
        variant("least-other", &const { at(Place::Other, served(Does::ReadBack, LEAST)) }, "least, another processor"),
        variant("lean-other", &const { at(Place::Other, served(Does::ReadBack, LEAN)) }, "lean, another processor"),
        variant(
            "lean-cold",
            &const { served(Does::ReadCold, LEAN) },
            "lean, what is in the files comes from the server",
        ),
        variant(
            "readahead-1m",
            &const { served(Does::ReadCold, Knobs { readahead_kib: Some(1024), ..LEAN }) },
            "lean-cold, 1 MiB is read ahead instead of 128 KiB",
        ),
        variant("rings", &const { served(Does::ReadBack, RINGS) }, "least, by rings in shared memory"),
        variant("tmpfs", &const { native(Does::ReadBack, Native::Tmpfs) }, "the kernel's own, in memory"),
        variant("ext4", &const { native(Does::ReadBack, Native::Ext4) }, "ext4 on a file in memory"),
        variant("bindfs", &const { peer(Does::ReadBack, Peer::Bindfs) }, "a peer: a directory in memory elsewhere"),
        variant("mergerfs", &const { peer(Does::ReadBack, Peer::Mergerfs) }, "a peer: one directory as a pool"),
        variant("gocryptfs", &const { peer(Does::ReadBack, Peer::Gocryptfs) }, "a peer: encrypted"),
    ],
    ladder: &[],
    floor: Some("tmpfs"),
    expected,
    outcome,
};

const TRIPS: Does = Does::Ask(20);

/// One request, and its answer.
pub static TRIP: Workload = Workload {
    name: "fuse-trip",
    question: "What does one round trip to a server cost, twenty times a file?",
    fixtures: &["create-4k-few", "tiny"],
    variants: &[
        variant("same", &const { served(TRIPS, LEAST) }, "server and client on one processor"),
        variant("bare", &const { served(TRIPS, BARE) }, "same, the device read and answered by hand"),
        variant(
            "bare-yields",
            &const { served(TRIPS, YIELDS) },
            "and the processor given away before the server sleeps",
        ),
        variant("other", &const { at(Place::Other, served(TRIPS, LEAST)) }, "on two"),
        variant("free", &const { at(Place::Free, served(TRIPS, LEAST)) }, "where the scheduler puts them"),
        variant(
            "spin-other",
            &const { at(Place::Other, served(TRIPS, Knobs { spins: true, ..LEAST })) },
            "on two, the server asks again and again instead of sleeping",
        ),
        variant(
            "threads-2-clone",
            &const { at(Place::Free, served(TRIPS, Knobs { threads: 2, clone_fd: true, ..LEAST })) },
            "free, two threads with a descriptor each",
        ),
        variant("follow", &const { at(Place::Free, served(TRIPS, FOLLOWS)) }, "free, the server goes to its client"),
        variant("rings", &const { served(TRIPS, RINGS) }, "same, by rings in shared memory"),
        variant("rings-free", &const { at(Place::Free, served(TRIPS, RINGS)) }, "free, by rings"),
        variant("tmpfs", &const { native(TRIPS, Native::Tmpfs) }, "no trip: the kernel answers itself"),
        variant("bindfs", &const { peer(TRIPS, Peer::Bindfs) }, "a peer: a directory in memory elsewhere"),
        variant("mergerfs", &const { peer(TRIPS, Peer::Mergerfs) }, "a peer: one directory as a pool"),
        variant("gocryptfs", &const { peer(TRIPS, Peer::Gocryptfs) }, "a peer: encrypted"),
    ],
    ladder: &[],
    floor: Some("tmpfs"),
    expected,
    outcome,
};
