//! The best row, and each of its knobs turned further.

use super::ladder::{BEST, BLAKE3, PACK};
use crate::Layout;
use crate::knobs::{Ahead, Crew, Duplicates, Naming, Restore, Syncing};
use codecs::Codec;
use syscalls::Way;
use technique::{Variant, variant};

const RINGED: Restore = Restore { ring: Some(64), ..BEST };
const MAPPED: Restore = Restore { way: Way::Mapped, ..BEST };
const BEST_ALONE: Restore = Restore { crew: Crew::Alone, ..BEST };
const HARDLINKS: Restore = Restore { duplicates: Duplicates::Linked, ..BEST };
/// zstd's levels below zero leave literals as they are, which is half of what there is to decode.
const FAST_1: Codec = Codec::Zstd { level: -1 };
const FAST_5: Codec = Codec::Zstd { level: -5 };

/// Rows that read the same store as the best, promise the same, and may be better on some file system.
pub(crate) const RIVALS: &[(&str, &Restore)] =
    &[("best", &BEST), ("best-uring", &RINGED), ("best-mapped", &MAPPED), ("best-alone", &BEST_ALONE)];

/// The best row's knobs, for those who turn them further.
pub const fn best() -> Restore {
    BEST
}

/// The knobs of the best, each turned further.
pub(super) const ROWS: &[Variant] = &[
    variant("hardlinks", &HARDLINKS, "the best with duplicates as hard links"),
    variant("best-atomic", &Restore { way: Way::TmpFile, ..BEST }, "the best that never shows a half-written file"),
    variant("best-alone", &BEST_ALONE, "the best by one worker"),
    variant("best-uring", &RINGED, "the best, 64 files at once by io_uring"),
    variant("best-mapped", &MAPPED, "the best with bytes copied into a shared mapping"),
    variant(
        "best-beneath",
        &Restore { naming: Naming::Beneath, ..BEST },
        "the best, no link followed on the way to a directory",
    ),
    variant("best-asked-ahead", &Restore { ahead: Ahead::All, ..BEST }, "the best, all of the pack asked for at once"),
    variant("best-64k", &Restore { layout: Layout::Sealed { block: 64 << 10 }, ..BEST }, "the best from 64 KiB blocks"),
    variant("best-1m", &Restore { layout: Layout::Sealed { block: 1 << 20 }, ..BEST }, "the best from 1 MiB blocks"),
    variant(
        "best-64k-dictionary",
        &Restore { layout: Layout::Primed { block: 64 << 10 }, ..PACK },
        "from 64 KiB blocks, packed by zstd with a dictionary trained on the small contents",
    ),
    variant(
        "best-fast-1",
        &Restore { codec: FAST_1, ..BEST },
        "the best packed by zstd --fast=1: a larger store that is sooner unpacked",
    ),
    variant("best-fast-5", &Restore { codec: FAST_5, ..BEST }, "the same by zstd --fast=5"),
    variant("best-not-packed", &Restore { codec: Codec::Plain, ..BEST }, "the best, nothing to decode: what lz4 costs"),
    variant(
        "best-files-synced",
        &Restore { sync: Syncing::EachFile, ..BEST },
        "the best, each file synced; names are not",
    ),
    variant("best-synced-once", &Restore { sync: Syncing::Once, ..BEST }, "the best, one syncfs at the end: durable"),
    variant(
        "best-all-synced",
        &Restore { sync: Syncing::FilesThenDirectories, ..BEST },
        "the best, each file synced and then each directory: durable",
    ),
    variant(
        "best-clones",
        &Restore { duplicates: Duplicates::Cloned, ..BEST },
        "the best with duplicates that share bytes until one is written to (btrfs, xfs)",
    ),
    variant(
        "best-symlinks",
        &Restore { duplicates: Duplicates::Symlinked, ..BEST },
        "the best with duplicates as symbolic links",
    ),
    variant(
        "best-loose-dictionary",
        &Restore { layout: Layout::Trained, ..BLAKE3 },
        "from loose objects, packed by zstd with a dictionary trained on the small ones",
    ),
];
