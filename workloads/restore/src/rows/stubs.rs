//! Rows with a phase taken away, and the floor.

use super::ladder::{BEST, GZIP};
use crate::floor::Floor;
use crate::knobs::Restore;
use technique::phase::{DECODE, HASH, WRITE};
use technique::{Variant, stub, variant};

/// The stubs and the floor.
pub(super) const ROWS: &[Variant] = &[
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
        &Restore { without: Some(DECODE), ..BEST },
        "best",
        DECODE,
        "the best, every content unpacked before the clock starts",
    ),
    stub(
        "best-no-write",
        &Restore { without: Some(WRITE), ..BEST },
        "best",
        WRITE,
        "the best, every byte written after the clock has stopped",
    ),
    stub("best-no-hash", &Restore { without: Some(HASH), ..BEST }, "best", HASH, "the best, nothing verified"),
    variant("floor", &Floor { workers: 2 }, "the same files from memory, two workers, nothing decoded"),
];
