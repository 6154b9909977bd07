//! How fast can parity be made, and what do the hashes around it cost?
//!
//! Somebody blamed sharding for slow uploads. A stripe of data shards becomes parity here, and lost shards become data
//! again: by tables, by shuffles, and by the instruction that multiplies in GF(2^8); beside the crates and the library
//! that do the same, a plain copy of the same bytes, and the hashes and the packing that a shard may carry. Every row
//! takes the same number of bytes of data, on one thread; parity is not counted. A stripe is taken again and again: of
//! 64 KiB shards it stays in the processor's own caches, of 1 MiB shards it does not.
//!
//! ISA-L is Debian's `libisal.so.2` unless `ASSAY_ISAL` names another file: Debian's 2.30 does not know GFNI yet, 2.31
//! does, and that is a difference of two to three times.

mod carried;
pub mod code;
mod coders;
mod coding;
mod fft;
pub mod field;
mod judge;
pub mod kernel;
pub mod matrix;
mod moving;
mod simd;
mod stripe;
mod table;
pub mod transform;

pub use carried::Carried;
pub use code::{Code, CodeError, Repair};
pub use kernel::Kernel;
pub use matrix::{Family, Matrix};
pub use stripe::Shape;
pub use table::{SHAPES, WORKLOAD};
pub use transform::{Stores, Transform};
