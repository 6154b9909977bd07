//! How long does it take to bring back an environment of small files from a compressed store?
//!
//! The store is content-addressed: one packed object for each different content, or blocks of contents in one pack,
//! and a catalogue of paths, modes, times and links. Every row that reads it holds all that it decodes against a hash, as
//! the post-mortems demand ("ALWAYS performed, no shortcuts"): it is a phase like any other.
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
mod form;
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
mod rows;
mod schedule;
mod store;
mod stream;
mod survey;
mod sync;
mod tmpfs_first;
mod touched;
mod transfer;
mod unpacked;
mod update;
mod watch;

pub use choose::{Chosen, Tried};
pub use floor::Floor;
pub use form::{Form, Layout};
pub use kept::{Damage, Store, Tally};
pub use knobs::{Ahead, Crew, Duplicates, Gather, Naming, Restore, Syncing};
pub use mounted::{Format, Mounted};
pub use over::Over;
pub use rows::{WORKLOAD, best, named};
pub use tmpfs_first::TmpfsFirst;
pub use touched::{RestoredAndRead, Then};
pub use unpacked::{By, Unpacked};
pub use update::{Changes, Differs};
pub use watch::Watch;
