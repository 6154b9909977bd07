//! Records: what a run measured, as JSON Lines. A line is appended for each sample, so a killed run loses one sample.

pub use crate::lines::Unreadable;

use crate::lines::Lines;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the lines below. A reader refuses any other.
pub const SCHEMA: u32 = 1;

/// One line of a record file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// The first line: what was asked, and of which machine.
    Run(Box<Header>),
    /// One run's readings.
    Sample(Box<Sample>),
    /// A variant that cannot run here, and why.
    Absent(Absent),
    /// A sample that crashed, hung, or came out otherwise than the baseline.
    Failed(Failed),
    /// What else the machine did while an entry of the plan was measured.
    Beside(Beside),
    /// Something that a reader of the numbers should know.
    Note(Note),
    /// The last line of a run that came to its end.
    End(End),
}

/// What was asked, and of which machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of these lines.
    pub schema: u32,
    /// The run's name.
    pub id: String,
    /// When it began, in UTC.
    pub started: String,
    /// The command that repeats it.
    pub command: String,
    /// The seed of the order of samples.
    pub seed: u64,
    /// The machine, field by field.
    pub machine: BTreeMap<String, String>,
    /// What one mark of the stopwatch costs, in nanoseconds.
    pub mark_ns: f64,
    /// The phases that the stopwatch knows, in the order in which a run meets them.
    pub phases: Vec<PhaseName>,
    /// What was to be measured.
    pub plan: Vec<Plan>,
    /// Which part of a plan for many machines it is, where it is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// Which part of a plan for many machines a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The digest of the plan.
    pub plan: String,
    /// Which shard, from 0 on.
    pub number: u32,
    /// Of how many.
    pub of: u32,
    /// The digest of the binary that ran, where it was not the plan's own, and that was allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_binary: Option<String>,
}

/// A phase by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseName {
    /// The word.
    pub name: String,
    /// What sort of work it is: `metadata`, `compute`, `data`, `wait` or `unnamed`.
    pub kind: String,
}

/// One workload on one fixture under one condition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The workload.
    pub workload: String,
    /// What it asks.
    pub question: String,
    /// The fixture, and what is in it.
    pub fixture: Fixture,
    /// The condition.
    pub condition: Condition,
    /// The rows, the baseline first.
    pub variants: Vec<Variant>,
    /// The rows that build on each other, in order.
    pub ladder: Vec<String>,
    /// The row that does only what cannot be left out.
    pub floor: Option<String>,
}

/// A fixture as it was used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fixture {
    /// Its name.
    pub name: String,
    /// The digest of its tree.
    pub digest: String,
    /// Files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Bytes in all files.
    pub bytes: u64,
}

/// A property of a trial, never of a technique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `warm` or `cold`: whether what is read lies in the page cache.
    pub cache: String,
    /// The file system of the scratch place.
    pub filesystem: String,
    /// The processors that every row had to stay on; none where the kernel chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} cache", self.filesystem, self.cache)?;
        match &self.pinned {
            Some(processors) => write!(f, ", on processor {processors}"),
            None => Ok(()),
        }
    }
}

/// A row of the plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// What it does.
    pub what: String,
    /// What it guarantees besides being right.
    pub promises: Vec<String>,
    /// What it leaves out, where it is no way of doing the job but a question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stub: Option<Stub>,
}

/// Another row with a phase taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stub {
    /// The row.
    pub of: String,
    /// The phase that is not under the clock.
    pub without: String,
}

/// One run's readings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Which entry of the plan.
    pub plan: usize,
    /// The variant.
    pub variant: String,
    /// The way of looking: `wall`, `phases` or `counts`.
    pub pass: String,
    /// The round; ratios are paired by it. The counts pass comes once, at the end of the last.
    pub round: u32,
    /// The place within the round, in the shuffled order.
    pub position: u32,
    /// The readings of the child process.
    pub reading: Reading,
    /// One word for what the run left behind.
    pub outcome: String,
}

/// What one child process read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The time under the clock.
    pub wall_ns: u64,
    /// Processor time of the process and its children under the clock, in user mode.
    pub user_ns: u64,
    /// The same in the kernel.
    pub system_ns: u64,
    /// How often the kernel took the processor away while there was more to do.
    #[serde(default)]
    pub involuntary: u64,
    /// The most workers that ran at once.
    pub workers: usize,
    /// What each phase took; empty in the wall pass.
    pub phases: Vec<PhaseReading>,
    /// What was counted; only the counts pass counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Box<Counts>>,
}

/// The name under which system calls are absent.
pub const CALLS: &str = "calls";

/// Requests to a server, as it counts them itself: this is the sum of those that somebody waits for, and `requests.KIND`
/// is each kind.
pub const REQUESTS: &str = "requests";

/// Kinds that nobody waits for: the kernel sends them when it likes.
const WHEN_IT_LIKES: [&str; 3] = ["requests.forget", "requests.release", "requests.releasedir"];

/// Counts that chance has no part in.
pub const EXACT: [&str; 4] = ["allocations", "allocated_bytes", "bytes_read", "bytes_written"];

/// What one run did, counted. What could not be counted says why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// System calls under the clock, of all threads, and of all processes that the work started.
    pub calls: Counted<SystemCalls>,
    /// All else that was counted, by name.
    #[serde(flatten)]
    pub values: BTreeMap<String, Counted<u64>>,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts { calls: Counted::absent("not asked for"), values: BTreeMap::new() }
    }
}

impl Counts {
    /// A number that was counted.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.values.get(name)?.present().copied()
    }

    /// What is the same in every run of the same work: system calls as `calls.NAME`, requests to a server, and all other
    /// counts but those that chance or the machine has a part in.
    pub fn exact(&self) -> BTreeMap<String, u64> {
        let calls = self.calls.present().into_iter().flat_map(|calls| {
            let named = calls.by_name.iter().map(|(name, count)| (format!("calls.{name}"), *count));
            named.chain((calls.others > 0).then(|| ("calls.others".to_owned(), calls.others)))
        });
        let asked = |name: &str| {
            let kind = name.strip_prefix(REQUESTS).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            kind && !WHEN_IT_LIKES.contains(&name)
        };
        let values = self.values.iter().filter(|(name, _)| EXACT.contains(&name.as_str()) || asked(name));
        calls.chain(values.filter_map(|(name, value)| Some((name.clone(), *value.present()?)))).collect()
    }

    /// Notes that `name` could not be counted, and why.
    pub fn absent(&mut self, name: &str, why: &str) {
        if name == CALLS {
            self.calls = Counted::absent(why);
        } else {
            self.values.insert(name.to_owned(), Counted::absent(why));
        }
    }
}

/// Something counted, or the reason why it was not. Absent is not zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Counted<T> {
    /// It could not be counted.
    Absent {
        /// Why.
        absent: String,
    },
    /// It was counted.
    Present(T),
}

impl<T> Counted<T> {
    /// What was not counted.
    pub fn absent(why: impl Into<String>) -> Counted<T> {
        Counted::Absent { absent: why.into() }
    }

    /// What was counted.
    pub fn present(&self) -> Option<&T> {
        match self {
            Counted::Present(value) => Some(value),
            Counted::Absent { .. } => None,
        }
    }
}

/// System calls, told apart by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemCalls {
    /// Who counted: `tracepoints` (the kernel, in passing) or `ptrace` (a process that stopped the work at each call).
    pub by: String,
    /// How often each was made; what is not here was not made.
    pub by_name: BTreeMap<String, u64>,
    /// Calls that are not told apart.
    pub others: u64,
}

impl SystemCalls {
    /// All calls.
    pub fn total(&self) -> u64 {
        self.by_name.values().sum::<u64>() + self.others
    }
}

/// What one phase took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseReading {
    /// Its name.
    pub name: String,
    /// Its part of the wall time.
    pub wall_ns: f64,
    /// Thread time, summed over workers.
    pub thread_ns: f64,
    /// How many marks named it.
    pub marks: u64,
}

/// A variant that cannot run here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Absent {
    /// Which entry of the plan.
    pub plan: usize,
    /// The variant.
    pub variant: String,
    /// What is missing.
    pub why: String,
    /// What to do about it.
    pub mend: String,
}

/// A sample that gave no reading.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failed {
    /// Which entry of the plan.
    pub plan: usize,
    /// The variant.
    pub variant: String,
    /// The round in which it happened; none while getting ready.
    pub round: Option<u32>,
    /// What happened: `crashed`, `hung`, `differs`.
    pub how: String,
    /// What the process said, or what differs.
    pub told: String,
}

/// What else the machine did while an entry of the plan was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beside {
    /// Which entry of the plan.
    pub plan: usize,
    /// What was found before the first round.
    pub before: Quiet,
    /// What happened from the first round to the last.
    pub during: Surroundings,
}

/// How quiet the machine was before something was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quiet {
    /// Processors that others kept busy, at the last look.
    pub others: f64,
    /// How long was waited for quiet, in seconds.
    pub waited_s: f64,
    /// Whether it came.
    pub quiet: bool,
}

/// What the machine did over a stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surroundings {
    /// How long it was.
    pub seconds: f64,
    /// Processors that the run itself kept busy.
    pub ours: f64,
    /// Processors that others kept busy.
    pub others: f64,
    /// Processors that the hypervisor gave to other machines.
    pub stolen: f64,
    /// The share of the time in which somebody waited, for `cpu`, `io` and `memory`; what is not here is not counted.
    pub pressure: BTreeMap<String, f64>,
}

/// Something that a reader of the numbers should know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// The sentence.
    pub text: String,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct End {
    /// `complete`, `budget` or `interrupted`.
    pub how: String,
    /// When, in UTC.
    pub ended: String,
    /// The load average at the end.
    pub load: String,
}

/// A whole record file.
#[derive(Clone, Debug)]
pub struct Run {
    /// The first line.
    pub header: Header,
    /// The samples, in the order taken.
    pub samples: Vec<Sample>,
    /// Variants that cannot run here.
    pub absent: Vec<Absent>,
    /// Samples that gave no reading.
    pub failed: Vec<Failed>,
    /// What else the machine did.
    pub beside: Vec<Beside>,
    /// What a reader should know; what the reader of the file found is among them.
    pub notes: Vec<String>,
    /// The last line; none where the run was killed.
    pub end: Option<End>,
}

/// Reads a record file. A last line that is cut short is what a kill leaves: it is dropped, with a note.
pub fn read(path: &Path) -> Result<Run, Unreadable> {
    let bytes = std::fs::read(path).map_err(|error| Unreadable::Io(path.to_owned(), error))?;
    parse(path, &bytes)
}

/// The same of what has been read from there already.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Run, Unreadable> {
    let lines: Lines<Header> = Lines::of(path, bytes, "run", SCHEMA)?;
    let mut run = Run {
        header: lines.header.clone(),
        samples: Vec::new(),
        absent: Vec::new(),
        failed: Vec::new(),
        beside: Vec::new(),
        notes: Vec::new(),
        end: None,
    };
    lines.each(|line| take(&mut run, line))?;
    if lines.cut > 0 {
        let cut = lines.cut;
        run.notes.push(format!("the last line of the record was cut short; {cut} bytes of it were left out"));
    }
    if run.end.is_none() {
        run.notes.push("the record has no last line: the run was killed; all samples up to then are here".to_owned());
    }
    Ok(run)
}

fn take(run: &mut Run, line: Line) -> Result<(), String> {
    let entry = match &line {
        Line::Sample(sample) => Some(sample.plan),
        Line::Absent(absent) => Some(absent.plan),
        Line::Failed(failed) => Some(failed.plan),
        Line::Beside(beside) => Some(beside.plan),
        Line::Run(_) | Line::Note(_) | Line::End(_) => None,
    };
    if let Some(plan) = entry.filter(|plan| *plan >= run.header.plan.len()) {
        return Err(format!("the plan has no entry {plan}"));
    }
    match line {
        Line::Sample(sample) => run.samples.push(*sample),
        Line::Absent(absent) => run.absent.push(absent),
        Line::Failed(failed) => run.failed.push(failed),
        Line::Beside(beside) => run.beside.push(beside),
        Line::Note(note) => run.notes.push(note.text),
        Line::End(end) => run.end = Some(end),
        Line::Run(_) => return Err("a second header".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn header_of(variants: &[&str]) -> Header {
        Header {
            schema: SCHEMA,
            id: "20261120-120000".into(),
            started: "2026-11-20T12:00:00Z".into(),
            command: "assay run restore".into(),
            seed: 1,
            machine: BTreeMap::new(),
            mark_ns: 10.0,
            phases: ["decode", "write", "rest"]
                .map(|name| PhaseName { name: name.into(), kind: "compute".into() })
                .to_vec(),
            plan: vec![Plan {
                workload: "restore".into(),
                question: "How long?".into(),
                fixture: Fixture {
                    name: "tiny".into(),
                    digest: "d".into(),
                    files: 10,
                    directories: 2,
                    symlinks: 0,
                    bytes: 1000,
                },
                condition: Condition { cache: "warm".into(), filesystem: "tmpfs".into(), pinned: None },
                variants: variants
                    .iter()
                    .map(|name| Variant { name: (*name).into(), what: String::new(), promises: Vec::new(), stub: None })
                    .collect(),
                ladder: variants.iter().map(|name| (*name).to_owned()).collect(),
                floor: None,
            }],
            shard: None,
        }
    }

    pub(crate) fn sample(variant: &str, round: u32, wall_ns: u64) -> Sample {
        Sample {
            plan: 0,
            variant: variant.into(),
            pass: "wall".into(),
            round,
            position: 0,
            reading: Reading { wall_ns, workers: 1, ..Reading::default() },
            outcome: "same".into(),
        }
    }

    fn file(samples: usize) -> Vec<u8> {
        let mut text = serde_json::to_string(&Line::Run(Box::new(header_of(&["gzip"])))).unwrap() + "\n";
        for round in 0..samples {
            let line = Line::Sample(Box::new(sample("gzip", u32::try_from(round).unwrap(), 5)));
            text += &(serde_json::to_string(&line).unwrap() + "\n");
        }
        text.into_bytes()
    }

    fn parsed(bytes: &[u8]) -> Result<Run, Unreadable> {
        parse(Path::new("r.jsonl"), bytes)
    }

    #[test]
    fn a_file_cut_anywhere_keeps_every_whole_line() {
        let bytes = file(3);
        let first = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        for cut in first..bytes.len() {
            let run = parsed(&bytes[..cut]).unwrap();
            let whole = bytes[..cut].split(|b| *b == b'\n').count() - 2;
            assert_eq!(run.samples.len(), whole, "cut at {cut}");
            assert!(run.notes.iter().any(|note| note.contains("killed")));
        }
    }

    #[test]
    fn damage_in_the_middle_is_an_error_that_names_the_line() {
        let mut bytes = file(3);
        let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        bytes[second] = b'#';
        let error = parsed(&bytes).unwrap_err().to_string();
        assert!(error.starts_with("r.jsonl:2: the line is damaged"), "{error}");
    }

    #[test]
    fn another_schema_is_told_apart_from_no_record() {
        let text = String::from_utf8(file(0)).unwrap();
        let other = text.replace("\"schema\":1", "\"schema\":9");
        assert!(matches!(parsed(other.as_bytes()), Err(Unreadable::Schema(_, 9, SCHEMA))));
        for nonsense in ["", "\n", "hello\n", "{}\n", "{\"kind\":\"run\"}\n"] {
            assert!(matches!(parsed(nonsense.as_bytes()), Err(Unreadable::NoHeader(..))), "{nonsense:?}");
        }
        let missing = read(Path::new("/no/such/file")).unwrap_err();
        assert!(matches!(missing, Unreadable::Io(..)));
    }

    #[test]
    fn what_is_absent_stays_apart_from_zero() {
        let mut counts = Counts::default();
        counts.values.insert("allocations".into(), Counted::Present(0));
        counts.absent("instructions", "no hardware counters");
        let text = serde_json::to_string(&counts).unwrap();
        let wanted =
            r#"{"calls":{"absent":"not asked for"},"allocations":0,"instructions":{"absent":"no hardware counters"}}"#;
        assert_eq!(text, wanted);
        counts.calls = Counted::Present(SystemCalls { by: "ptrace".into(), ..SystemCalls::default() });
        let text = serde_json::to_string(&counts).unwrap();
        assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
        assert_eq!((counts.number("allocations"), counts.number("instructions")), (Some(0), None));
    }

    #[test]
    fn a_sample_of_a_plan_that_does_not_exist_is_refused() {
        let text = String::from_utf8(file(1)).unwrap().replace("\"plan\":0", "\"plan\":7");
        assert!(matches!(parsed(text.as_bytes()), Err(Unreadable::Damaged(_, 2, _))));
    }
}
