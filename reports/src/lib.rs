//! Reports: records in, answers out. Nothing here runs a technique or reads a clock, so old runs can be judged.

pub mod apart;
pub mod claims;
pub mod comparison;
pub mod crossing;
pub mod document;
pub mod export;
pub mod fleet;
pub mod gate;
pub mod history;
pub mod lines;
pub mod one_step;
pub mod page;
pub mod record;
pub mod review;
pub mod schema;
pub mod stats;
pub mod summary;
pub mod table;
pub mod terminal;

pub use record::{Run, read};
