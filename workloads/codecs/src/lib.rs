//! How fast is one payload decoded and verified?
//!
//! The payloads are the files of the fixture, each packed by itself, as a content-addressed store keeps them. They lie
//! in memory, and so does what they decode to: no file is opened under the clock. Every row but one verifies with
//! BLAKE3, the cheapest hash, so that rows differ by their codec and not by what follows it.

mod codec;
mod decode;
mod gzip;
mod hash;
mod lz4;
mod payloads;
mod plain;
mod stream;
mod zstd;

pub use codec::{Codec, Context, Decoder, Decoding, Engine, Packer, Step};
pub use hash::{Digest, Hash, Hashing};
pub use zstd::train;

use Context::{Fresh, Reused};
use Engine::{Libdeflate, Miniz, ZlibRs};
use Hash::{Blake3, Sha256};
use decode::Decode;
use stream::Stream;
use technique::{Workload, variant};

// Each row differs from a row above it in one knob.
const GZIP: Decoding = Decoding { codec: Codec::Gzip { level: 6 }, engine: ZlibRs, context: Fresh };
const ZSTD: Decoding = Decoding { codec: Codec::Zstd { level: 3 }, engine: ZlibRs, context: Reused };
const GZIP_6: Decode = Decode { decoding: GZIP, dictionary: false, hash: Blake3 };
const ZSTD_3: Decode = Decode { decoding: ZSTD, ..GZIP_6 };

const GZIP_6_MINIZ: Decode = Decode { decoding: Decoding { engine: Miniz, ..GZIP }, ..GZIP_6 };
const GZIP_6_LIBDEFLATE: Decode = Decode { decoding: Decoding { engine: Libdeflate, ..GZIP }, ..GZIP_6 };
const GZIP_6_REUSED: Decode = Decode { decoding: Decoding { context: Reused, ..GZIP }, ..GZIP_6 };
const GZIP_1: Decode = Decode { decoding: Decoding { codec: Codec::Gzip { level: 1 }, ..GZIP }, ..GZIP_6 };
const PLAIN: Decode = Decode { decoding: Decoding { codec: Codec::Plain, ..ZSTD }, ..ZSTD_3 };
const ZSTD_1: Decode = Decode { decoding: Decoding { codec: Codec::Zstd { level: 1 }, ..ZSTD }, ..ZSTD_3 };
const ZSTD_19: Decode = Decode { decoding: Decoding { codec: Codec::Zstd { level: 19 }, ..ZSTD }, ..ZSTD_3 };
const ZSTD_FAST_1: Decode = Decode { decoding: Decoding { codec: Codec::Zstd { level: -1 }, ..ZSTD }, ..ZSTD_3 };
const ZSTD_FAST_5: Decode = Decode { decoding: Decoding { codec: Codec::Zstd { level: -5 }, ..ZSTD }, ..ZSTD_3 };
const LZ4: Decode = Decode { decoding: Decoding { codec: Codec::Lz4, ..ZSTD }, ..ZSTD_3 };
const ZSTD_3_FRESH: Decode = Decode { decoding: Decoding { context: Fresh, ..ZSTD }, ..ZSTD_3 };

/// The question, and the ways to answer it.
pub static WORKLOAD: Workload = Workload {
    name: "codecs",
    question: "How fast is one payload decoded and verified?",
    fixtures: &["python-small", "tiny", "python-env"],
    variants: &[
        variant("gzip-6", &GZIP_6, "gzip by zlib-rs, a new context for each file"),
        variant("gzip-6-reused", &GZIP_6_REUSED, "the same, one context for all files"),
        variant("gzip-6-miniz", &GZIP_6_MINIZ, "gzip by miniz_oxide, the default back end of flate2"),
        variant("gzip-6-libdeflate", &GZIP_6_LIBDEFLATE, "gzip by libdeflate, which decodes whole payloads only"),
        variant("gzip-1", &GZIP_1, "gzip by zlib-rs, packed in a hurry"),
        variant("plain", &PLAIN, "a copy: what every codec is held against"),
        variant("zstd-1", &ZSTD_1, "zstd packed in a hurry, one context for all files"),
        variant("zstd-3", &ZSTD_3, "zstd at its default level, one context for all files"),
        variant("zstd-19", &ZSTD_19, "zstd packed with patience, one context for all files"),
        variant("zstd-fast-1", &ZSTD_FAST_1, "zstd --fast=1: literals stay as they are"),
        variant("zstd-fast-5", &ZSTD_FAST_5, "zstd --fast=5: the same, and fewer matches are looked for"),
        variant("lz4", &LZ4, "lz4 by lz4_flex, each file one block"),
        variant("zstd-3-fresh", &ZSTD_3_FRESH, "zstd-3 with a new context for each file"),
        variant("zstd-3-dict", &Decode { dictionary: true, ..ZSTD_3 }, "zstd-3 with a dictionary trained on the files"),
        variant("zstd-3-stream", &Stream(ZSTD_3), "zstd-3 in pieces of 256 KiB, in and out"),
        variant("zstd-3-sha256", &Decode { hash: Sha256, ..ZSTD_3 }, "zstd-3 verified with SHA-256"),
    ],
    ladder: &[],
    floor: Some("plain"),
    expected: payloads::expected,
    outcome: payloads::outcome,
};
