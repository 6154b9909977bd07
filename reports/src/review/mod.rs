//! Reviews: everything that the page of one workload says, as data. The page draws it and adds no number of its own,
//! so whatever a reader sees can be found in `review.json`, and a test can hold the one against the other.
//!
//! A review is made of a run ([`crate::record`]), its summary ([`crate::summary`]), the ledgers ([`crate::claims`]) and,
//! where there are any, the folded stacks of two rows. Names say how rows belong together: [`crate::one_step`]
//! knows those that are there for a step of the ladder, and `ROW-N-threads` and `ROW-N-workers` are a row on so many.

mod answer;
mod foretelling;
mod icicles;
mod judge;
mod ladder;
mod look;
mod made;
#[cfg(test)]
pub(crate) mod made_up;
mod markdown;
mod now;
mod overview;
#[cfg(test)]
mod prose;
mod scaling;
mod targets;
mod trades;
mod trust;
mod words;

pub(crate) use answer::held;
pub use icicles::{Folded, Stacks};
pub use judge::judged;
pub use made::of;
pub use markdown::markdown;
pub use overview::{Document, OVERVIEW, Overview, Page, Told, overview};

use crate::claims::{Claim, Place};
use crate::summary::{Bounds, Moved, Summary};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

pub mod series;

pub use series::{Series, series};

/// The version of `review.json`.
pub const SCHEMA: &str = "assay.review/1";

/// The page of one workload on one fixture, as data.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Review {
    /// The version of this document.
    pub schema: &'static str,
    /// The run that it was made from.
    pub run: String,
    /// When that began, in UTC.
    pub started: String,
    /// The command that measured it.
    pub command: String,
    /// What a time is given for: `file`, or what else the workload counts.
    pub unit: String,
    /// The share by which two times may differ without any use: the drawn noise band.
    pub band: f64,
    /// The first screen.
    pub answer: Answer,
    /// The row that `now` means everywhere here: the fastest that does the whole job.
    pub now: Option<String>,
    /// The rows, ranked; where their time goes; the steps; what stubs showed; what looking cost.
    pub summary: Summary,
    /// Every phase that a row has, in the order in which a run meets them, with its kind.
    pub phases: Vec<PhaseOf>,
    /// What could still be gained: each phase of the baseline, of the end of the ladder and of the fastest row.
    pub targets: Vec<Target>,
    /// What the documents claim of this workload, and what came of it.
    pub claims: Vec<Judged>,
    /// How far prediction was off, over all claims and steps that could be foretold.
    pub foretelling: Option<Foretelling>,
    /// What each step added.
    pub ladder: Vec<Rung>,
    /// How rows fare on more workers.
    pub scaling: Vec<Scaling>,
    /// Where two goods compete.
    pub trades: Vec<Trade>,
    /// Which code changed: the stacks of two rows, on one scale.
    pub icicles: Option<Icicles>,
    /// Every round of the wall pass, row by row: the dots beside the bounds.
    pub series: Vec<Series>,
    /// Whether the numbers can be trusted.
    pub trust: Vec<Check>,
    /// What the run itself noted, word for word.
    pub notes: Vec<String>,
    /// The machine, field by field.
    pub machine: Vec<(String, String)>,
    /// What was not there to look with, and why: shown grey, never as nought.
    pub absent: Vec<(String, String)>,
    /// The files that lie beside the page.
    pub files: Vec<RawFile>,
}

/// The first screen: a sentence with a factor and its interval, and four facts.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Answer {
    /// What is fastest, by how much over what, how sure.
    pub sentence: String,
    /// Why: which phases went.
    pub why: String,
    /// The fastest row; rows that tie with it are named after it.
    pub fastest: Fact,
    /// The phase with the highest ceiling now.
    pub next: Fact,
    /// How many claims hold.
    pub claims: Fact,
    /// Whether the numbers can be trusted, with the number of notes.
    pub trust: Fact,
}

/// Numbers of a sentence that stand nowhere else in the data, by what they are.
pub type Numbers = BTreeMap<String, f64>;

/// A fact of the first screen: what it is called, what it is, and a line more.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Fact {
    /// What it is.
    pub value: String,
    /// A line more.
    pub line: String,
    /// What was counted for it.
    pub numbers: Numbers,
}

/// A phase and its kind: `metadata`, `compute`, `data`, `wait` or `unnamed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PhaseOf {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
}

/// What a phase could still bring: the time that it has, and what would be gained if it had none.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Target {
    /// The phase.
    pub phase: String,
    /// Microseconds in the baseline, and total over total less phase.
    pub start: Option<(f64, f64)>,
    /// The same in the fastest row.
    pub now: Option<(f64, f64)>,
    /// What came when it was taken away from the fastest row, where a stub tried it.
    pub tried: Option<Bounds>,
    /// What came when it was taken away from the baseline.
    pub tried_at_start: Option<Bounds>,
}

/// A claim, what was foretold for it, what was measured, and what that makes of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Judged {
    /// The document.
    pub source: String,
    /// What it says, and where.
    pub claim: Claim,
    /// The factor of the part alone, from the part's own workload.
    pub part: Option<Bounds>,
    /// The factor of its phases inside the job.
    pub inside: Option<Bounds>,
    /// Whether the two differ by more than their bounds; as a sentence.
    pub differ: Option<String>,
    /// What was foretold, and from what: from the part alone where that was measured, else from inside the job.
    pub forecast: Option<Forecast>,
    /// What was foretold from inside the job.
    pub forecast_inside: Option<Forecast>,
    /// What was measured, in the claim's own unit; of a part's gain, what the whole gained.
    pub measured: Option<Bounds>,
    /// The share before that the measured factor implies, where it does not fit the share that was seen.
    pub implied: Option<(f64, f64)>,
    /// What that makes of it.
    pub verdict: ClaimVerdict,
    /// The verdict as a sentence, with its numbers.
    pub told: String,
    /// The formula with its numbers, line by line: what `--why` prints.
    pub why: Vec<String>,
    /// Where the numbers come from: the run of each place that was used.
    pub from: Vec<(Place, String)>,
}

/// What was foretold of a whole, from a part.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Forecast {
    /// The share of the phases in the whole, before.
    pub share: f64,
    /// How many times as fast they became; without bound where they vanished.
    pub local: Option<Bounds>,
    /// What that allows the whole.
    pub whole: Bounds,
    /// What it would allow if they vanished.
    pub at_most: f64,
    /// Which model: `share` for one worker, `critical path` for several.
    pub model: String,
}

/// What a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimVerdict {
    /// What was claimed of the whole, or counted, is so.
    Held,
    /// More than was claimed.
    Exceeded,
    /// What was claimed of the part is so, and the whole gains what its share allows.
    TrueLocally,
    /// True of the part, or not even that, and of no use to the whole.
    NoEffect,
    /// Less than was claimed.
    Overstated,
    /// The other way round.
    Reversed,
    /// The bounds allow both.
    NotDecided,
    /// Nothing measured it yet: its rows are not built, or the run has none of them.
    Unmeasured,
    /// Nothing can.
    Unmeasurable,
}

impl ClaimVerdict {
    /// The words that are printed.
    pub fn words(self) -> &'static str {
        match self {
            ClaimVerdict::Held => "held",
            ClaimVerdict::Exceeded => "exceeded",
            ClaimVerdict::TrueLocally => "true locally",
            ClaimVerdict::NoEffect => "no effect",
            ClaimVerdict::Overstated => "overstated",
            ClaimVerdict::Reversed => "the other way round",
            ClaimVerdict::NotDecided => "not decided",
            ClaimVerdict::Unmeasured => "unmeasured",
            ClaimVerdict::Unmeasurable => "unmeasurable",
        }
    }
}

/// How far prediction was off.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Foretelling {
    /// How many predictions there are.
    pub of: usize,
    /// How many lie within the bounds of what was measured.
    pub within: usize,
    /// The median of |ln(foretold over measured)|, as a share.
    pub median: f64,
    /// The largest.
    pub worst: f64,
    /// What that was.
    pub worst_of: String,
}

/// A step of the ladder, in measured time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Rung {
    /// The row.
    pub name: String,
    /// What it adds.
    pub what: String,
    /// Microseconds before it and after it.
    pub us: (f64, f64),
    /// How many times as fast as the row before.
    pub gain: Option<Bounds>,
    /// What the data say of that.
    pub verdict: Option<&'static str>,
    /// What Amdahl's law foretold from the phases that moved.
    pub forecast: Option<f64>,
    /// The phases that moved.
    pub moved: Vec<Moved>,
    /// How many times as fast as the baseline it makes alone.
    pub alone: Option<Bounds>,
    /// How many times as fast it makes the ladder's end, added last.
    pub last: Option<Bounds>,
    /// Promises that it gained, and that it gave up.
    pub promises: (Vec<String>, Vec<String>),
}

/// A row on one and more workers.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Scaling {
    /// The row.
    pub name: String,
    /// Workers, and how many times as fast as on one.
    pub points: Vec<(usize, Bounds)>,
    /// The fits; none where `why_not` says why there is none.
    pub fit: Option<Fit>,
    /// Why no curve is drawn.
    pub why_not: Option<String>,
    /// The numbers of that reason.
    pub numbers: Numbers,
    /// The processors of the machine.
    pub processors: usize,
}

/// Curves through the points.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Fit {
    /// Amdahl: the share that one worker does alone.
    pub serial: Bounds,
    /// The universal scalability law: contention.
    pub contention: Bounds,
    /// And coherency.
    pub coherency: Bounds,
    /// The number of workers at which it peaks; none where it never does.
    pub peak: Option<Bounds>,
    /// The share of the variance that the law explains.
    pub r2: f64,
    /// The curves: workers, Amdahl, the law, and its bounds.
    pub curves: Vec<(f64, f64, f64, f64, f64)>,
}

/// Two goods of which a row may have more of one for less of the other.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Trade {
    /// What is drawn to the right, with its unit; less is better.
    pub across: String,
    /// What is drawn upwards, with its unit; less is better.
    pub up: String,
    /// The rows that have both.
    pub rows: Vec<Traded>,
}

/// A row between two goods.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Traded {
    /// The row.
    pub name: String,
    /// What lies to the right.
    pub across: f64,
    /// What lies upwards.
    pub up: f64,
    /// Of an object, what that time is in megabytes in a second; of these more is better.
    pub mb_per_second: Option<f64>,
    /// The fastest row that is better in one and no worse in the other; where there is none, nobody has a reason to
    /// leave this row aside.
    pub beaten_by: Option<String>,
}

/// The stacks of two rows, on one scale.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Icicles {
    /// The row before, and microseconds of one file in it.
    pub before: (String, f64),
    /// The row now.
    pub now: (String, f64),
    /// What the stacks are of: `cpu`, `kernel`, `off` or `wall`.
    pub kind: String,
    /// The frames, the root first; children follow in the order of their names.
    pub root: Frame,
    /// How many frames were too small to be drawn, and went into one beside their siblings.
    pub folded: usize,
}

/// A frame of both stacks; microseconds of one file, its callees among them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Frame {
    /// Its name; the kernel's begin with no mark, `kernel` says it.
    pub name: String,
    /// Whether it is the kernel's.
    pub kernel: bool,
    /// Before; nought where it is new.
    pub before: f64,
    /// Now; nought where it is gone.
    pub now: f64,
    /// What it calls.
    pub calls: Vec<Frame>,
}

/// One thing that makes numbers worth believing.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// What came of it.
    pub grade: Grade,
    /// As a sentence.
    pub told: String,
    /// Every number of that sentence, by what it is.
    pub numbers: Numbers,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As it should be.
    Pass,
    /// A reader should know it.
    Note,
    /// The numbers do not hold.
    Fail,
    /// It could not be looked at.
    Absent,
}

/// A file beside the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RawFile {
    /// Its path from the page.
    pub path: String,
    /// What it holds.
    pub what: String,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}
