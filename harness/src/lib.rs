//! The harness: it knows every workload, runs each sample in a fresh process, and writes down what it read.

pub mod catalogue;
pub mod measured;

pub mod ask;
pub mod calibration;
pub mod child;
pub mod claims;
pub mod compare;
pub mod once;
pub mod rounds;

pub mod flame;
pub mod gate;
pub mod probes;
pub mod promises;

pub mod file_system;
pub mod home;
pub mod machine;
pub mod pace;
pub mod plant;
pub mod progress;
pub mod say;
pub mod scratch;
pub mod shard;
pub mod signals;
pub mod stage;
pub mod surroundings;
pub mod unfinished;

pub mod clean;
pub mod cli;
pub mod crossing;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod fixture;
pub mod fleet;
pub mod history;
pub mod list;
pub mod refusal;
pub mod report;
pub mod store;
pub mod walk;

pub use fixtures::removal;
