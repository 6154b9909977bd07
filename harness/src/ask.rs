//! What a user asks of a run.

use crate::catalogue::Choice;
use crate::file_system::Wish;
use crate::progress::Telling;
use std::path::PathBuf;
use std::time::Duration;

/// What a user asks of a run.
#[derive(Clone)]
pub struct Ask {
    /// The rows.
    pub choices: Vec<Choice>,
    /// The rows of the user's own, as `NAME=COMMAND`.
    pub peers: Vec<String>,
    /// The fixtures; none means each workload's first.
    pub fixtures: Vec<String>,
    /// When enough is enough.
    pub rounds: Rounds,
    /// Where to work; none means memory if there is room, else beside the records.
    pub scratch: Option<PathBuf>,
    /// The file systems that sources and targets shall stand on; none means that of the scratch place, and sources
    /// where they lie.
    pub wishes: Vec<Wish>,
    /// Whether what is read shall come from the disk.
    pub cold: bool,
    /// The processors that every row must stay on.
    pub pin: Option<Vec<usize>>,
    /// How long to wait for a machine on which nothing else runs.
    pub wait: Duration,
    /// The seed of the order of samples.
    pub seed: u64,
    /// The longest that a sample may take.
    pub limit: Duration,
    /// How progress is told.
    pub telling: Telling,
    /// The command that repeats it.
    pub command: String,
}

/// When enough is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rounds {
    /// So many rounds of each workload.
    Count(u32),
    /// As many rounds as fit, in all; at least one.
    Budget(Duration),
}
