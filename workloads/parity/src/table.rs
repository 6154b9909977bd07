//! The table: five shapes, nine coders and two tasks; a copy and a reading of the same bytes; hashes and packing.

use crate::carried::{Carried, Hashing, Packing};
use crate::coders::Whose::{Erasure, Fourier, Isal, Leopard, Ones, Own};
use crate::coding::{Coding, Task};
use crate::judge;
use crate::kernel::Kernel::{self, Avx2, Gfni256, Gfni512, Neon, Scalar, Ssse3};
use crate::moving::{Move, Moving};
use crate::stripe::Shape;
use crate::transform::Stores::{Cached, Streamed};
use technique::{Variant, Workload, variant};

/// What Zstore uses, cached and not.
const NARROW: Shape = Shape { data: 4, parity: 2, shard: 64 << 10 };
const NARROW_LONG: Shape = Shape { shard: 1 << 20, ..NARROW };
/// What many object stores use, cached and not.
const BROAD: Shape = Shape { data: 10, parity: 4, shard: 64 << 10 };
const BROAD_LONG: Shape = Shape { shard: 1 << 20, ..BROAD };
/// So many shards that a matrix has a thousand factors.
const WIDE: Shape = Shape { data: 32, parity: 32, shard: 64 << 10 };

/// Every shape of the table.
pub const SHAPES: [Shape; 5] = [NARROW, NARROW_LONG, BROAD, BROAD_LONG, WIDE];

/// The shuffle of 16 bytes that this build's processors have.
const SHUFFLE16: Kernel = if cfg!(target_arch = "aarch64") { Neon } else { Ssse3 };

/// How many rows a shape has.
const ROWS: usize = 23;

/// A row that makes parity with somebody's code.
macro_rules! encode {
    ($shape:literal $is:expr, $name:literal, $whose:expr, $what:literal) => {{
        const CODING: &Coding = &Coding { task: Task::Encode, whose: $whose, shape: $is };
        variant(concat!("encode-", $shape, "-", $name), CODING, $what)
    }};
}

/// A row that makes lost data again.
macro_rules! rebuild {
    ($shape:literal $is:expr, $name:literal, $whose:expr, $what:literal) => {{
        const CODING: &Coding = &Coding { task: Task::Rebuild, whose: $whose, shape: $is };
        variant(concat!("rebuild-", $shape, "-", $name), CODING, $what)
    }};
}

/// Which rows of a shape run without being named: with all of them the table has more rows than anybody reads.
#[derive(Clone, Copy)]
struct Shown {
    /// Any at all.
    any: bool,
    /// The tables, which take seconds where shards are many.
    tables: bool,
    /// The transform, which is for many shards, and everybody's way back, for there they differ most.
    fourier: bool,
}

const FEW: Shown = Shown { any: true, tables: false, fourier: false };
const NO_ROW: Shown = Shown { any: false, ..FEW };

/// The row, aside where it is not to be shown.
const fn shown(variant: Variant, is: bool) -> Variant {
    if is { variant } else { variant.aside() }
}

/// All that is done to one shape.
macro_rules! rows {
    ($shape:literal, $is:expr, $shown:expr) => {
        [
            shown(encode!($shape $is, "tables", Own(Scalar, Cached), "a table of products for each factor"), $shown.tables),
            encode!($shape $is, "shuffle16", Own(SHUFFLE16, Cached), "shuffles of 16 bytes").aside(),
            encode!($shape $is, "shuffle32", Own(Avx2, Cached), "shuffles of 32 bytes").aside(),
            encode!($shape $is, "gfni256", Own(Gfni256, Cached), "products of 32 bytes at once").aside(),
            shown(encode!($shape $is, "gfni512", Own(Gfni512, Cached), "products of 64 bytes at once"), $shown.any),
            shown(encode!($shape $is, "ones", Ones(Gfni512), "the same by a matrix that begins with ones, which take no products"), $shown.any),
            encode!($shape $is, "streamed", Own(Gfni512, Streamed), "the same, stored past the caches").aside(),
            shown(encode!($shape $is, "fourier", Fourier(Gfni512), "a Fourier transform, products of 64 bytes at once"), $shown.fourier),
            shown(encode!($shape $is, "isal", Isal, "Intel's library"), $shown.any),
            shown(encode!($shape $is, "rs-erasure", Erasure, "the crate reed-solomon-erasure"), $shown.any),
            shown(encode!($shape $is, "rs-simd", Leopard, "the crate reed-solomon-simd: a transform"), $shown.any),
            rebuild!($shape $is, "tables", Own(Scalar, Cached), "lost data made again, by tables").aside(),
            rebuild!($shape $is, "shuffle16", Own(SHUFFLE16, Cached), "by shuffles of 16 bytes").aside(),
            rebuild!($shape $is, "shuffle32", Own(Avx2, Cached), "by shuffles of 32 bytes").aside(),
            rebuild!($shape $is, "gfni256", Own(Gfni256, Cached), "by products of 32 bytes at once").aside(),
            shown(rebuild!($shape $is, "gfni512", Own(Gfni512, Cached), "by products of 64 bytes at once"), $shown.any),
            rebuild!($shape $is, "streamed", Own(Gfni512, Streamed), "the same, stored past the caches").aside(),
            shown(rebuild!($shape $is, "fourier", Fourier(Gfni512), "by the matrix of the transform, which has no way back of its own"), $shown.fourier),
            shown(rebuild!($shape $is, "isal", Isal, "by Intel's library"), $shown.fourier),
            rebuild!($shape $is, "rs-erasure", Erasure, "by the crate reed-solomon-erasure").aside(),
            shown(rebuild!($shape $is, "rs-simd", Leopard, "by the crate reed-solomon-simd: a transform"), $shown.fourier),
            shown(variant(concat!("copy-", $shape), &Moving { what: Move::Copy, shape: $is }, "the data copied by memcpy"), $shown.any),
            shown(variant(concat!("read-", $shape), &Moving { what: Move::Read, shape: $is }, "the data read and added up"), $shown.any),
        ]
    };
}

/// A row that hashes each shard.
macro_rules! hash {
    ($size:literal $is:expr, $name:literal, $carried:ident, $what:literal) => {
        variant(concat!($name, "-", $size), &Hashing { carried: Carried::$carried, shape: $is }, $what)
    };
}

/// What a shard may carry, for shards of one size.
macro_rules! carried {
    ($size:literal, $is:expr, $shown:expr) => {
        [
            shown(hash!($size $is, "crc32c", Crc32c, "a checksum for each shard"), $shown),
            shown(hash!($size $is, "xxh3", Xxh3, "a hash for each shard, against chance"), $shown),
            shown(hash!($size $is, "blake3", Blake3, "a hash for each shard, against malice, on one thread"), $shown),
            shown(hash!($size $is, "sha256", Sha256, "a hash for each shard, against malice, that most systems ask for"), $shown),
            shown(variant(concat!("zstd-1-", $size), &Packing { level: 1, shape: $is }, "each shard packed at level 1"), $shown),
        ]
    };
}

/// How many rows a shard's size has.
const CARRIED: usize = 5;

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "parity",
    question: "How fast can parity be made, and what do the hashes around it cost?",
    fixtures: &["python-small", "tiny"],
    variants: &VARIANTS,
    ladder: &[],
    floor: Some("read-4+2-64k"),
    expected: |site| Ok(judge::expected(site)),
    outcome: judge::outcome,
};

/// All rows.
static VARIANTS: [Variant; 5 * ROWS + 2 * CARRIED] = joined(
    &[
        rows!("4+2-64k", NARROW, Shown { tables: true, ..FEW }),
        rows!("4+2-1m", NARROW_LONG, NO_ROW),
        rows!("10+4-64k", BROAD, FEW),
        rows!("10+4-1m", BROAD_LONG, FEW),
        rows!("32+32-64k", WIDE, Shown { fourier: true, ..FEW }),
    ],
    &[carried!("64k", BROAD, true), carried!("1m", BROAD_LONG, false)],
);

const fn joined(shapes: &[[Variant; ROWS]; 5], sizes: &[[Variant; CARRIED]; 2]) -> [Variant; 5 * ROWS + 2 * CARRIED] {
    let mut all = [shapes[0][0]; 5 * ROWS + 2 * CARRIED];
    let mut at = 0;
    while at < 5 * ROWS {
        all[at] = shapes[at / ROWS][at % ROWS];
        at += 1;
    }
    while at < all.len() {
        let beyond = at - 5 * ROWS;
        all[at] = sizes[beyond / CARRIED][beyond % CARRIED];
        at += 1;
    }
    all
}
