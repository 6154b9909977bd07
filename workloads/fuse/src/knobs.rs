//! The knobs of the server: each trick that makes a mount faster is one, and all may be turned together.

use blocks::Layer;
use serde::{Deserialize, Serialize};

/// What the kernel is told, and what it is spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches, and every combination may be asked for")]
pub struct Knobs {
    /// What is said when the kernel asks for a file's capabilities before each write.
    pub privileges: Privileges,
    /// Whether a close is waited for; otherwise the kernel is told once that there is no need to ask.
    pub flush: bool,
    /// Whether a sync is answered; otherwise the kernel is told once that there is no need to ask, and from then on
    /// says itself that all is stored.
    pub syncs: bool,
    /// Whether files are opened and closed at all; a server without state needs neither, and a file is then made by
    /// MKNOD instead of CREATE.
    pub opens: bool,
    /// Whether the kernel checks permissions, for which it must know the directory's attributes.
    pub default_permissions: bool,
    /// How many seconds names and attributes may be believed.
    pub lifetime_s: u32,
    /// Which way the bytes go.
    pub data: Data,
    /// The most bytes in one request.
    pub max_write: u32,
    /// How many threads serve.
    pub threads: usize,
    /// Whether each has a descriptor of its own to ask the kernel by.
    pub clone_fd: bool,
    /// Whether the server asks again and again instead of sleeping.
    pub spins: bool,
    /// Whether it first gives the processor away a few times, and sleeps only if nobody has asked by then.
    pub yields: bool,
    /// For how many descriptors there is room before the first is needed.
    pub room: u32,
    /// Where bytes end up.
    pub store: Held,
    /// After so many bytes the store is full.
    pub capacity: Option<u64>,
    /// Whether that is told only to who closes or syncs: a store that answers before it stores.
    pub late: bool,
    /// How requests come.
    pub transport: Transport,
    /// Whether the server goes after its client, processor by processor.
    pub follows: bool,
    /// Whether the kernel holds this mount's unwritten pages to a hundredth of what all may have: what it does, so that
    /// a server that hangs cannot take all memory.
    pub strict_limit: bool,
    /// How many KiB the kernel reads ahead, if not as many as it takes itself.
    pub readahead_kib: Option<u32>,
}

/// How requests come to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// It reads them from the device, one after the other, and writes answers to it.
    Device,
    /// The same, by hand and without a library between.
    Bare,
    /// They lie in memory that it shares with the kernel, a ring for each processor: who asks on a processor is
    /// answered on it.
    Rings,
}

/// What is said when the kernel asks for a file's capabilities before each write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privileges {
    /// That there are none, each time.
    Answered,
    /// That nobody knows of such a thing here: it does not ask again, and drops setuid bits itself.
    Refused,
    /// That the server drops setuid bits itself: the kernel need not ask (`KILLPRIV_V2`).
    Dropped,
    /// The same, and it does not: what a server must never do.
    Kept,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Data {
    /// Each write is a request, and stays in the page cache for readers.
    Cached,
    /// The page cache takes them, and gathers them for the server.
    Writeback,
    /// Each write is a request, and the page cache does not see it.
    Direct,
    /// The kernel puts them into a file that the server has named, and the server does not see them.
    Passthrough,
}

/// Where bytes end up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// A vector for each file.
    Vectors,
    /// Pages out of large pieces of memory.
    Pages,
    /// A file for each file.
    Files,
    /// The document's block layer, or one that mends it.
    Blocks(Layer),
}

/// Where server and client run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Both on one processor.
    Same,
    /// On two.
    Other,
    /// Where the scheduler puts them.
    Free,
}

/// A server that answers everything that it is asked.
pub const PLAIN: Knobs = Knobs {
    privileges: Privileges::Answered,
    flush: true,
    syncs: true,
    opens: true,
    default_permissions: true,
    lifetime_s: 3600,
    data: Data::Cached,
    max_write: 1 << 20,
    threads: 1,
    clone_fd: false,
    spins: false,
    yields: false,
    room: 0,
    store: Held::Vectors,
    capacity: None,
    late: false,
    transport: Transport::Device,
    follows: false,
    strict_limit: true,
    readahead_kib: None,
};
/// Without the question before each write.
pub const NO_PROBE: Knobs = Knobs { privileges: Privileges::Refused, ..PLAIN };
/// And without waiting for closes.
pub const NO_FLUSH: Knobs = Knobs { flush: false, ..NO_PROBE };
/// And without the directory's attributes.
pub const LEAN: Knobs = Knobs { default_permissions: false, ..NO_FLUSH };
/// And without opening.
pub const LEAST: Knobs = Knobs { opens: false, ..LEAN };
