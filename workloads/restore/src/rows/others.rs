//! Other ways to a tree: one stream, whole files of an unpacked store, images that are mounted instead, and a tree that
//! stands already.

use super::ladder::{BEST, BLAKE3};
use crate::knobs::{Crew, Restore};
use crate::{By, Differs, Format, Layout, Mounted, Over, RestoredAndRead, Then, Unpacked};
use technique::{Variant, variant};

const STREAM: Restore = Restore { layout: Layout::Stream, ..BLAKE3 };

const fn mounted(format: Format, then: Then) -> Mounted {
    Mounted { format, then }
}

/// The rows.
pub(super) const ROWS: &[Variant] = &[
    variant(
        "stream",
        &Restore { crew: Crew::Alone, ..STREAM },
        "one zstd stream of all contents, decoded and written by one worker",
    ),
    variant("stream-and-writers", &STREAM, "the same: one decodes, a worker a processor writes"),
    variant(
        "unpacked-links",
        &Unpacked { by: By::HardLink, crew: Crew::Alone },
        "whole files of an unpacked store as hard links, one by one; nothing is verified",
    ),
    variant(
        "unpacked-links-together",
        &Unpacked { by: By::HardLink, crew: Crew::TwoEach },
        "the same by 2 workers a processor, at most 32",
    ),
    variant(
        "unpacked-symlinks",
        &Unpacked { by: By::Symlink, crew: Crew::EachProcessor },
        "links to whole files of an unpacked store; nothing is verified",
    ),
    variant(
        "unpacked-clones",
        &Unpacked { by: By::Clone, crew: Crew::EachProcessor },
        "clones of whole files of an unpacked store (btrfs, xfs); nothing is verified",
    ),
    variant(
        "unpacked-copies",
        &Unpacked { by: By::Copy, crew: Crew::EachProcessor },
        "whole files of an unpacked store by copy_file_range; nothing is verified",
    ),
    variant(
        "best-read-once",
        &RestoredAndRead { by: BEST, then: Then::ReadAll },
        "the best, and then every file read once",
    ),
    variant(
        "best-first-import",
        &RestoredAndRead { by: BEST, then: Then::Import },
        "the best, and then what a first import touches: all files of one directory in seven",
    ),
    variant(
        "erofs",
        &mounted(Format::Erofs, Then::Nothing),
        "an image mounted instead, not packed: read-only, nothing is verified",
    ),
    variant("erofs-lz4", &mounted(Format::ErofsLz4, Then::Nothing), "the same packed by lz4"),
    variant(
        "squashfs",
        &mounted(Format::Squashfs, Then::Nothing),
        "the same by squashfs, packed by zstd; times in whole seconds",
    ),
    variant(
        "erofs-read-once",
        &mounted(Format::Erofs, Then::ReadAll),
        "an image mounted instead, and then every file read once",
    ),
    variant("erofs-lz4-read-once", &mounted(Format::ErofsLz4, Then::ReadAll), "the same packed by lz4"),
    variant("squashfs-read-once", &mounted(Format::Squashfs, Then::ReadAll), "the same by squashfs, packed by zstd"),
    variant(
        "erofs-first-import",
        &mounted(Format::Erofs, Then::Import),
        "an image mounted instead, and then what a first import touches",
    ),
    variant("erofs-lz4-first-import", &mounted(Format::ErofsLz4, Then::Import), "the same packed by lz4"),
    variant("squashfs-first-import", &mounted(Format::Squashfs, Then::Import), "the same by squashfs, packed by zstd"),
    variant(
        "over-same-by-time",
        &Over { by: BEST, differs: Differs::BySizeAndTime, aged: false },
        "over the tree itself: all is looked at, nothing is to be done",
    ),
    variant(
        "over-same-by-contents",
        &Over { by: BEST, differs: Differs::ByContents, aged: false },
        "the same, each file read and held against its hash",
    ),
    variant(
        "over-aged-by-time",
        &Over { by: BEST, differs: Differs::BySizeAndTime, aged: true },
        "over a tree of which a few files of a hundred differ, by size, time and mode; others removed",
    ),
    variant(
        "over-aged-by-contents",
        &Over { by: BEST, differs: Differs::ByContents, aged: true },
        "the same by hash: finds what neither size nor time tells",
    ),
];
