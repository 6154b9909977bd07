//! The best row, and each of its knobs turned further.

use super::ladder::{BLAKE3, PACK};
use crate::Layout;
use crate::knobs::{Ahead, Crew, Duplicates, Naming, Restore, Syncing};
use codecs::Codec;
use syscalls::Way;
use technique::{Variant, variant};

const RINGED: Restore = Restore { ring: Some(64), ..PACK };
const MAPPED: Restore = Restore { way: Way::Mapped, ..PACK };
const BEST_ALONE: Restore = Restore { crew: Crew::Alone, ..PACK };
const SEALED: Restore = Restore { layout: Layout::Sealed { block: 256 << 10 }, ..PACK };
/// zstd's levels below zero leave literals as they are, which is half of what there is to decode.
const FAST_1: Codec = Codec::Zstd { level: -1 };
const FAST_5: Codec = Codec::Zstd { level: -5 };

/// Rows that read the same store as the best, promise the same, and may be better on some file system.
pub(crate) const RIVALS: &[(&str, &Restore)] =
    &[("best", &PACK), ("best-uring", &RINGED), ("best-mapped", &MAPPED), ("best-alone", &BEST_ALONE)];

/// The best row's knobs, for those who turn them further.
pub const fn best() -> Restore {
    PACK
}

/// The best, and its knobs.
pub(super) const ROWS: &[Variant] = &[
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
    variant("best-asked-ahead", &Restore { ahead: Ahead::All, ..PACK }, "the best, all of the pack asked for at once"),
    variant("best-64k", &Restore { layout: Layout::Pack { block: 64 << 10 }, ..PACK }, "the best from 64 KiB blocks"),
    variant("best-1m", &Restore { layout: Layout::Pack { block: 1 << 20 }, ..PACK }, "the best from 1 MiB blocks"),
    variant(
        "best-64k-dictionary",
        &Restore { layout: Layout::Primed { block: 64 << 10 }, ..PACK },
        "the best from 64 KiB blocks, packed with a dictionary trained on the small contents",
    ),
    variant(
        "best-fast-1",
        &Restore { codec: FAST_1, ..PACK },
        "the best packed by zstd --fast=1: a larger store that is sooner unpacked",
    ),
    variant("best-fast-5", &Restore { codec: FAST_5, ..PACK }, "the same by zstd --fast=5"),
    variant(
        "best-lz4",
        &Restore { codec: Codec::Lz4, ..PACK },
        "the best packed by lz4: a larger store yet, and sooner unpacked",
    ),
    variant(
        "best-not-packed",
        &Restore { codec: Codec::Plain, ..PACK },
        "the best, nothing to decode: what zstd costs",
    ),
    variant(
        "best-sealed",
        &SEALED,
        "the best, each block held against one hash, its contents only where that does not fit",
    ),
    variant("sealed-fast-1", &Restore { codec: FAST_1, ..SEALED }, "the same packed by zstd --fast=1"),
    variant("sealed-fast-5", &Restore { codec: FAST_5, ..SEALED }, "the same packed by zstd --fast=5"),
    variant("sealed-lz4", &Restore { codec: Codec::Lz4, ..SEALED }, "the same packed by lz4"),
    variant("sealed-not-packed", &Restore { codec: Codec::Plain, ..SEALED }, "the same, nothing to decode"),
    variant(
        "best-files-synced",
        &Restore { sync: Syncing::EachFile, ..PACK },
        "the best, each file synced; names are not",
    ),
    variant("best-synced-once", &Restore { sync: Syncing::Once, ..PACK }, "the best, one syncfs at the end: durable"),
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
];
