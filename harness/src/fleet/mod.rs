//! Many machines: a run cut into shards, the records of shards joined, and a cluster that runs them.
//!
//! Nothing here schedules: an engine that people already run does (`slurm.rs`), and any other can, for a shard is one
//! command and its record one directory.

mod collect;
mod merge;
mod place;
mod plan;
mod records;
mod shard;
mod slurm;

pub use collect::{FleetCommand, fleet};
pub use merge::{MergeArgs, merge};
pub use place::{Found, is_url};
pub use plan::plan;
pub use records::records_in;
pub use shard::{ShardArgs, run};

use crate::refusal::{Exit, Refusal};
use anyhow::Result;
use reports::fleet::plan::Plan;
use std::path::Path;

/// Reads a plan, or refuses.
fn read_plan(path: &Path) -> Result<Plan> {
    Plan::read(path).map_err(|why| Refusal::data(why, "`assay plan` writes one"))
}

/// What does not belong together has an exit code of its own.
fn apart(what: impl Into<String>, mend: impl Into<String>) -> anyhow::Error {
    Refusal { exit: Exit::Apart, what: what.into(), mend: mend.into() }.into()
}
