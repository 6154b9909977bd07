//! Claims: what the documents said, word for word, and what measures it here.
//!
//! A ledger holds every number of one document, right or wrong. A claim about a *part* says what one ingredient gains;
//! a claim about the *whole* says what the job gains; a *share* says how much of the time a phase takes. What cannot
//! be measured says why. Where a document contradicts itself, the sum stands beside the claim and is worked out again
//! when the ledger is read, so that no reader has to believe it.

mod number;
mod read;
mod sums;
#[cfg(test)]
mod tests;

pub use number::{Claimed, Unit, grouped};
pub use read::{SHIPPED, load, load_all, load_dir, misquoted};
pub use sums::{Fault, Inside, Op};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One document and what it claims.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ledger {
    /// The document's file name.
    pub source: String,
    /// Its title.
    pub title: String,
    /// What it is about, as a sentence.
    pub what: String,
    /// Its claims, in the order of its lines.
    pub claims: Vec<Claim>,
}

/// Something with a number that somebody said.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Claim {
    /// A short name that stays, such as `zstd-03`.
    pub id: String,
    /// The line of the document.
    pub line: usize,
    /// The words, as they stand there.
    pub quote: String,
    /// What they claim, as a plain sentence.
    pub says: String,
    /// The claim that this one says again; what follows is then that one's, all but `inside`.
    pub repeats: Option<String>,
    /// What it is about.
    pub kind: Kind,
    /// The number.
    pub claimed: Claimed,
    /// The fewest processors on which it can be judged.
    pub processors: Option<usize>,
    /// Why it cannot be measured; only what cannot be has it.
    pub why: Option<String>,
    /// What a reader of the verdict should know.
    pub note: Option<String>,
    /// What measures it in isolation.
    pub part: Option<Place>,
    /// What measures it in the whole job.
    pub job: Option<Place>,
    /// What the document itself has to say against it, or for it.
    pub inside: Vec<Inside>,
}

/// What a claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What a part gains, or takes.
    Local,
    /// What the whole job gains, or takes.
    Whole,
    /// How much of the time a part is.
    Share,
    /// How often something happens, or how much of it there is.
    Count,
    /// Nothing here measures it, and `why` says why.
    Unmeasurable,
}

/// The metric of a size at which two rows take as long as each other.
pub const CROSSING: &str = "crossing_bytes";

/// What measures a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The workload.
    pub workload: String,
    /// The row that it is held against; none where no two rows are compared.
    pub baseline: Option<String>,
    /// The row that it is about.
    pub row: String,
    /// The phases that it is about, together; the whole run where there are none.
    #[serde(default)]
    pub phases: Vec<String>,
    /// The phases that those are held against.
    #[serde(default)]
    pub than: Vec<String>,
    /// The fixture.
    pub fixture: String,
    /// What is counted, as records name it (`calls`, `calls.NAME`, `bytes_written`), or `marks.PHASE`.
    pub metric: Option<String>,
    /// Whether the rows are there already. What is still to be built is shown as unmeasured.
    #[serde(default = "yes")]
    pub built: bool,
}

fn yes() -> bool {
    true
}

impl Claim {
    /// Whether the document contradicts itself here.
    pub fn contradicts_itself(&self) -> bool {
        self.inside.iter().any(|inside| inside.fault.is_some())
    }

    /// Whether any row that measures it is there.
    pub fn is_built(&self) -> bool {
        self.part.iter().chain(&self.job).any(|place| place.built)
    }
}
