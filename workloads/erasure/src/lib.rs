//! How fast can an object be put as data and parity shards, and got back?
//!
//! Every way of putting writes the same shards, byte for byte: what differs is the way that the bytes take.
pub mod budget;
pub mod format;
pub mod get;
mod memory;
pub mod put;
pub mod read;
mod stripe;
mod stripes;
pub mod target;
mod temp;
