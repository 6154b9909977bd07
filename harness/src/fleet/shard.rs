//! `assay run --plan FILE --shard I`: one shard of a plan, anywhere, and its record where it is wanted.

use super::place::Place;
use super::plan::{Here, ask};
use super::read_plan;
use super::records::{begin, deliver, end, fail};
use crate::cli::{Said, show_what_was_done};
use crate::progress::Telling;
use crate::rounds;
use anyhow::{Context, Result};
use clap::Args;
use reports::fleet::short;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A shard of a plan.
#[derive(Args)]
pub struct ShardArgs {
    /// Instead: one shard of a plan that `assay plan` wrote. Of what else is said here only --scratch may stand beside
    #[arg(long, value_name = "FILE", requires = "shard", conflicts_with_all = [
        "rows", "ladder", "all", "on", "rounds", "budget", "fs", "latency", "cold", "pin", "wait", "peer", "seed", "limit",
    ])]
    plan: Option<PathBuf>,
    /// Which shard, from 0 on
    #[arg(long, value_name = "I", requires = "plan")]
    shard: Option<u32>,
    /// Run the shard though the plan was made by another binary; the record says so
    #[arg(long, requires = "plan")]
    any_binary: bool,
    /// Put the record there when it is whole: into a directory that many machines may share, or `s3://BUCKET/PREFIX` with
    /// the usual `AWS_*` variables. What is cut short is not put there
    #[arg(long, value_name = "PLACE", requires = "plan")]
    into: Option<PathBuf>,
}

impl ShardArgs {
    /// The plan, where one is named.
    pub fn plan(&self) -> Option<&Path> {
        self.plan.as_deref()
    }
}

/// Runs a shard.
pub fn run(
    arguments: &ShardArgs,
    path: &Path,
    scratch: Option<PathBuf>,
    telling: Telling,
    command: String,
) -> Result<Said> {
    let plan = read_plan(path)?;
    let number = arguments.shard.unwrap_or_default();
    let here = Here { any_binary: arguments.any_binary, scratch, telling, command };
    let ask = ask(&plan, number, here)?;
    let Some(into) = &arguments.into else { return show_what_was_done(&rounds::run(&ask)?) };
    let into = Place::of(into)?;
    begin(&into, number)?;
    let done = rounds::run(&ask).and_then(|done| Ok((deliver(&done.record, &into)?, done)));
    let (record, done) = done
        .with_context(|| {
            let digest = plan.digest();
            format!("shard {number} of plan {} ({})", short(&digest), plan.words(number))
        })
        .inspect_err(|error| fail(&into, number, error))?;
    end(&into, number);
    let mut said = show_what_was_done(&done)?;
    said.text += &format!("put into {}\n", record.display());
    said.json["put_into"] = json!(record);
    Ok(said)
}
