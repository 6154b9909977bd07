//! Jobs: one walk, what there is to do in it, and what went wrong.

use crate::bulk::Table;
use crate::descriptors::{Lending, Open};
use crate::meta::Meta;
use crate::names::Names;
use crate::output::Outputs;
use crate::place::Place;
use crate::walk::Walk;
use buffers::Counter;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// One walk, as all of its workers see it.
pub(crate) struct Job<'a> {
    pub(crate) walk: &'a Walk,
    /// The root's path, without a slash at its end.
    pub(crate) path: Vec<u8>,
    pub(crate) root: OwnedFd,
    /// What the kernel says of the root.
    pub(crate) meta: Meta,
    /// What the file system told of all inodes, where it was asked.
    pub(crate) bulk: Option<Table>,
    pub(crate) outputs: Outputs,
    pub(crate) counter: Counter,
    /// How many directories are shared.
    pub(crate) lending: Arc<Lending>,
    /// How many directories have their number.
    pub(crate) numbers: AtomicU32,
    /// Set when somebody failed for good.
    pub(crate) stop: AtomicBool,
    /// How many entries and directories failed so far.
    pub(crate) failed: AtomicU64,
}

/// Something to do.
pub(crate) enum Task {
    /// List a directory.
    Directory(Place),
    /// Record some names of one that another worker is listing.
    Share { place: Arc<Place>, dir: Arc<Open>, names: Names },
}

/// Where a worker puts what it finds to do.
pub(crate) trait Todo {
    fn add(&mut self, task: Task);
    /// Whether anybody has nothing to do.
    fn anyone_idle(&self) -> bool;
}

/// An entry, or a directory's contents, that could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its path below the root.
    pub path: Vec<u8>,
    /// What was done: `opening`, `listing`, `looking at`, `recording`.
    pub doing: &'static str,
    /// What the kernel said.
    pub errno: Errno,
}
