//! The same matrix over many machines: a plan says what is measured where, a merge joins what came back, and what is
//! so everywhere is told from what is so only somewhere.
//!
//! Ratios are only ever made between samples of one machine, one run and its rounds: a plan never splits an entry, a
//! merge keeps records whole, and no mean is taken over machines.

pub mod everywhere;
pub mod machine;
pub mod merge;
pub mod plan;

/// So much of a digest is enough for people.
pub fn short(digest: &str) -> &str {
    digest.get(..8).unwrap_or(digest)
}
