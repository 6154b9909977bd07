//! The table: every row, family by family.

mod best;
mod ladder;
mod others;
mod peers;
mod stubs;

pub(crate) use best::RIVALS;
pub use best::best;

use crate::knobs::Restore;
use crate::outcome;
use technique::{Variant, Workload, tree};

/// The families, in the order in which a table has them.
const FAMILIES: &[&[Variant]] = &[ladder::ROWS, best::ROWS, others::ROWS, peers::ROWS, stubs::ROWS];

const COUNT: usize = {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

static ROWS: [Variant; COUNT] = {
    let mut rows = [FAMILIES[0][0]; COUNT];
    let (mut filled, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut at = 0;
        while at < FAMILIES[family].len() {
            rows[filled] = FAMILIES[family][at];
            filled += 1;
            at += 1;
        }
        family += 1;
    }
    rows
};

/// The knobs of a row that restores from a store of the lab's; none where there is no such row, or it is no such one.
pub fn named(row: &str) -> Option<&'static Restore> {
    WORKLOAD.variant(row)?.technique.as_any().downcast_ref()
}

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "restore",
    question: "How long does it take to bring back an environment of small files from a compressed store?",
    fixtures: &["python-small", "python-env", "python-medium", "python-large", "duplicates", "one-big", "tiny"],
    variants: &ROWS,
    ladder: &[
        "gzip",
        "zstd",
        "pooled",
        "whole",
        "fewer-calls",
        "dirs-up-front",
        "workers",
        "blake3",
        "pack",
        "sealed",
        "best",
    ],
    floor: Some("floor"),
    expected: |site| tree::outcome(&site.source),
    outcome: outcome::of_target,
};
