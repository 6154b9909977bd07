//! The knobs of a restore: every field of a row, and what each may be.

use crate::form::{Form, Layout};
use batching::{Directories, Spread};
use buffers::Buffers;
use codecs::{Codec, Context, Decoding, Engine, Hash};
use std::thread::available_parallelism;
use syscalls::Way;
use technique::Phase;

/// A way to restore.
#[derive(Clone, Copy)]
pub struct Restore {
    /// How contents lie in the store.
    pub layout: Layout,
    /// How they are packed.
    pub codec: Codec,
    /// Whose code unpacks gzip.
    pub engine: Engine,
    /// How long a decompression context lives.
    pub context: Context,
    /// Whether a file is decoded whole, or in pieces.
    pub whole: bool,
    /// The size of a piece, and of one write.
    pub piece: usize,
    /// Where the buffer for a file comes from.
    pub buffers: Buffers,
    /// What is asked of the store before a worker needs it.
    pub ahead: Ahead,
    /// What verifies contents.
    pub hash: Hash,
    /// The calls that make a file.
    pub way: Way,
    /// How many files are handed to the kernel at once, by io_uring; none where each is made by calls of its own.
    /// What fills several blocks of a pack is made by calls of its own anyway.
    pub ring: Option<u32>,
    /// How files are named to the kernel.
    pub naming: Naming,
    /// When directories are made.
    pub directories: Directories,
    /// Whether files are gathered before they are made.
    pub gather: Gather,
    /// Who works.
    pub crew: Crew,
    /// What becomes of files that have the same contents, mode and time.
    pub duplicates: Duplicates,
    /// When the kernel is asked to store what was written.
    pub sync: Syncing,
    /// A phase that is not done under the clock: decode, hash or write. Only stubs have one.
    pub without: Option<Phase>,
}

/// How files are named to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By their whole path.
    Absolute,
    /// By their bare name, below their directory, which is held open while its files are made.
    Held,
    /// The same, and each directory is opened so that no link on the way to it is followed: for trees that others
    /// may write to.
    Beneath,
}

/// Whether files are gathered before they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather {
    /// They are not.
    Nothing,
    /// So many files, and then they are made one after the other.
    Files(usize),
    /// Files in the order of their directories until they have so many bytes; directories that are made on demand are
    /// then asked for once a batch.
    Bytes(u64),
}

/// What is asked of the store before a worker needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Nothing.
    Nothing,
    /// A helper opens the objects that come next and has the kernel read them. It holds at most so many, gives up
    /// those that nobody took for longest, and looks as far ahead as its luck warrants.
    Handles(usize),
    /// The kernel is told at once that all of the pack will be needed.
    All,
}

/// Who works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// One, on the thread that was there.
    Alone,
    /// So many workers.
    Of(usize),
    /// A worker for each processor.
    EachProcessor,
    /// Two workers for each processor, and never more than 32: the limit of one of the post-mortems.
    TwoEach,
}

/// What becomes of files that have the same contents, mode and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// Each is written.
    Written,
    /// The first is written, the others are hard links to it: a change to one then changes all.
    Linked,
    /// The same, the links made by two workers for each processor, and never more than 32.
    LinkedTogether,
    /// The first is written, the others share its bytes until somebody writes to them.
    Cloned,
    /// The first is written, the others are symbolic links to it: they are gone with it.
    Symlinked,
}

/// When the kernel is asked to store what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncing {
    /// Never: it does so when it likes.
    Never,
    /// Each file's bytes, before it is closed. Its name may still be lost.
    EachFile,
    /// The whole file system, once, at the end.
    Once,
    /// Each file before it is closed, and at the end each directory.
    FilesThenDirectories,
}

impl Crew {
    /// How they share the work.
    pub(crate) fn spread(self) -> Spread {
        let processors = || available_parallelism().map_or(1, std::num::NonZero::get);
        match self {
            Crew::Alone => Spread::OneByOne,
            Crew::Of(workers) => Spread::Workers(workers),
            Crew::EachProcessor => Spread::Workers(processors()),
            Crew::TwoEach => Spread::Workers((2 * processors()).min(32)),
        }
    }
}

impl Restore {
    /// What the store of this row is made of.
    pub const fn form(&self) -> Form {
        Form { layout: self.layout, codec: self.codec, hash: self.hash }
    }

    pub(crate) const fn decoding(&self) -> Decoding {
        Decoding { codec: self.codec, engine: self.engine, context: self.context }
    }

    pub(crate) fn leaves_out(&self, phase: Phase) -> bool {
        self.without == Some(phase)
    }

    /// Whether files are made below directories that are held open.
    pub(crate) fn holds_directories(&self) -> bool {
        self.naming != Naming::Absolute
    }
}
