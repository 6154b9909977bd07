//! What a user asks of a run.

use crate::catalogue::Choice;
use crate::file_system::Wish;
use crate::progress::Telling;
use reports::record::Shard;
use std::path::PathBuf;
use std::time::Duration;

/// What a user asks of a run.
#[derive(Clone)]
pub struct Ask {
    /// What is to be measured, one after the other.
    pub entries: Vec<Asked>,
    /// Which part of a plan for many machines that is, where it is any.
    pub shard: Option<Shard>,
    /// The rows of the user's own, as `NAME=COMMAND`.
    pub peers: Vec<String>,
    /// When enough is enough.
    pub rounds: Rounds,
    /// Where to work; none means memory if there is room, else beside the records.
    pub scratch: Option<PathBuf>,
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

impl Ask {
    /// The file systems that are wished for, each once.
    pub fn wishes(&self) -> Vec<Wish> {
        let mut wishes: Vec<Wish> = Vec::new();
        for entry in &self.entries {
            if !wishes.contains(&entry.wish) {
                wishes.push(entry.wish);
            }
        }
        wishes
    }
}

/// Rows that are held against each other, on one fixture and one file system.
#[derive(Clone)]
pub struct Asked {
    /// Its place among all that was asked for: the order of its samples depends on it, wherever it runs.
    pub number: usize,
    /// The rows.
    pub choice: Choice,
    /// The name or the file of the fixture's recipe.
    pub recipe: String,
    /// The file system that source and target shall stand on; none means that of the scratch place, and sources where
    /// they lie.
    pub wish: Wish,
}

/// Every choice on every fixture (where none is named, on its workload's first) and on every file system.
pub fn asked(choices: &[Choice], fixtures: &[String], wishes: &[Wish]) -> Vec<Asked> {
    let plain = [Wish::default()];
    let wishes = if wishes.is_empty() { &plain } else { wishes };
    let mut entries = Vec::new();
    for choice in choices {
        let own = vec![choice.workload.fixtures[0].to_owned()];
        for recipe in if fixtures.is_empty() { &own } else { fixtures } {
            for wish in wishes {
                let (choice, recipe) = (choice.clone(), recipe.clone());
                entries.push(Asked { number: entries.len(), choice, recipe, wish: *wish });
            }
        }
    }
    entries
}

/// When enough is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rounds {
    /// So many rounds of each workload.
    Count(u32),
    /// As many rounds as fit, in all; at least one.
    Budget(Duration),
}
