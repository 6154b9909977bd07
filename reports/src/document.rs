//! A run as one document, for programs: what was asked of which machine, and the summary of each workload.

use crate::record::Run;
use crate::stats::BAND;
use crate::summary::{Summary, summaries};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of `run.json`.
pub const SCHEMA: &str = "assay.run/1";

/// A run, summed up.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Document {
    /// The version of this document.
    pub schema: &'static str,
    /// The run's name.
    pub run: String,
    /// When it began, in UTC.
    pub started: String,
    /// The command that repeats it.
    pub command: String,
    /// The seed of the order of samples.
    pub seed: u64,
    /// The machine, field by field.
    pub machine: BTreeMap<String, String>,
    /// How it ended: `complete`, `budget`, `interrupted` or `killed`.
    pub how: String,
    /// The share by which two times may differ without any use, which verdicts rest on.
    pub band: f64,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Every workload that it measured, in the order of its plan.
    pub workloads: Vec<Summary>,
}

impl Document {
    /// What that run came to.
    pub fn of(run: &Run) -> Document {
        let header = &run.header;
        Document {
            schema: SCHEMA,
            run: header.id.clone(),
            started: header.started.clone(),
            command: header.command.clone(),
            seed: header.seed,
            machine: header.machine.clone(),
            how: run.end.as_ref().map_or("killed", |end| end.how.as_str()).to_owned(),
            band: BAND - 1.0,
            notes: run.notes.clone(),
            workloads: summaries(run),
        }
    }
}
