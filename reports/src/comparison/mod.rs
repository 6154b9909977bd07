//! Comparisons: what pairs of fresh processes say of two sides, judged. The file of a session, line by line, and the
//! verdict on each of its entries ([`judge`]).

mod judge;

pub use judge::{Bounds, Judged, Judgement, judge, rule};

use crate::lines::{Lines, Unreadable};
use crate::record::Counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the lines below. A reader refuses any other.
pub const SCHEMA: u32 = 1;

/// One line of a comparison's file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// The first line: what was compared, and where.
    Comparison(Box<Header>),
    /// How the pairs of an entry are cut; its pairs follow.
    Begin {
        /// Which entry.
        entry: usize,
        /// The cut.
        shape: Shape,
    },
    /// One pair of processes.
    Pair {
        /// Which entry.
        entry: usize,
        /// What it read.
        pair: Box<Pair>,
    },
    /// What one run of one side does, counted.
    Counts {
        /// Which entry.
        entry: usize,
        /// `a` or `b`.
        side: String,
        /// The counts.
        counts: Box<Counts>,
    },
    /// What the phases of one side take, in nanoseconds: one run that looked.
    Phases {
        /// Which entry.
        entry: usize,
        /// `a` or `b`.
        side: String,
        /// By name.
        phases: BTreeMap<String, f64>,
    },
    /// An entry that cannot be compared, and why.
    Without {
        /// Which entry.
        entry: usize,
        /// Why.
        why: String,
    },
    /// The last line of a session that came to its end.
    End {
        /// `complete`, `budget` or `interrupted`.
        how: String,
        /// When, in UTC.
        ended: String,
        /// What simple things cost on this machine at the end.
        calibration: BTreeMap<String, f64>,
    },
}

/// What was compared, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of these lines.
    pub schema: u32,
    /// The session's name.
    pub id: String,
    /// When it began, in UTC.
    pub started: String,
    /// The command that repeats it.
    pub command: String,
    /// The seed of coins and padding.
    pub seed: u64,
    /// The machine, field by field.
    pub machine: BTreeMap<String, String>,
    /// What simple things cost on this machine at the start.
    pub calibration: BTreeMap<String, f64>,
    /// What A is, for people.
    pub a: String,
    /// What B is.
    pub b: String,
    /// What is compared.
    pub entries: Vec<Entry>,
    /// The chance of a false "faster" or "slower" that each entry may have.
    pub chance: f64,
    /// Bounds that close were asked for, as a share.
    pub precision: Option<f64>,
}

/// Two rows that are compared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The workload.
    pub workload: String,
    /// The row of A.
    pub a: String,
    /// The row of B.
    pub b: String,
    /// The fixture.
    pub fixture: String,
    /// The file system of the scratch place.
    pub filesystem: String,
    /// Differences smaller than this share are of no use to anyone.
    pub band: f64,
    /// What A guarantees besides being right.
    pub promises_a: Vec<String>,
    /// What B does.
    pub promises_b: Vec<String>,
}

impl Entry {
    /// What is compared, for people.
    pub fn name(&self) -> String {
        if self.a == self.b {
            format!("{}/{}", self.workload, self.a)
        } else {
            format!("{}/{} -> {}", self.workload, self.a, self.b)
        }
    }
}

/// How the pairs of an entry are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Whether one run of each process is the sample, because it takes long.
    pub whole: bool,
    /// How often the work is done in a block.
    pub times: u32,
    /// How many times four blocks there are in a pair.
    pub quads: u32,
    /// The most workers that ran at once.
    pub workers: usize,
}

/// What one pair of processes read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Its number among those of its entry.
    pub number: u32,
    /// Whether it is of the control: A on both sides.
    pub control: bool,
    /// The processor on which both stayed.
    pub processor: Option<usize>,
    /// Whether A started first.
    pub a_first: bool,
    /// How much longer B takes: the median log ratio of wall times.
    pub log_ratio: f64,
    /// The same of processor times; none where there were too few ticks.
    pub cpu_log_ratio: Option<f64>,
    /// How often a process gave its processor away to wait.
    pub waits: u64,
    /// Blocks in which the processor was taken away, or a disk was waited for.
    pub disturbed: usize,
    /// Blocks far from the others of their side.
    pub far: usize,
    /// Wall times of the blocks in nanoseconds: for each four, those of A and those of B.
    pub walls: Vec<[[u64; 2]; 2]>,
}

/// A session's file.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its first line.
    pub header: Header,
    /// What was read of each entry.
    pub read: Vec<Read>,
    /// How it ended; none where it was killed.
    pub end: Option<String>,
}

/// What was read of one entry.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// How pairs were cut.
    pub shape: Option<Shape>,
    /// The pairs, in the order taken.
    pub pairs: Vec<Pair>,
    /// Why it could not be compared.
    pub without: Option<String>,
    /// The counts of A and B.
    pub counts: [Option<Counts>; 2],
    /// The phases of A and B.
    pub phases: [BTreeMap<String, f64>; 2],
}

impl Read {
    /// The same of processor times, where they were read.
    pub fn cpu_log_ratios(&self) -> Vec<f64> {
        self.pairs.iter().filter(|pair| !pair.control).filter_map(|pair| pair.cpu_log_ratio).collect()
    }

    /// The log ratios of its pairs, without those of the control.
    pub fn log_ratios(&self) -> Vec<f64> {
        self.pairs.iter().filter(|pair| !pair.control).map(|pair| pair.log_ratio).collect()
    }
}

/// Reads a session's file. A last line that is cut short is what a kill leaves.
pub fn read(path: &Path) -> Result<Session, Unreadable> {
    let bytes = std::fs::read(path).map_err(|error| Unreadable::Io(path.to_owned(), error))?;
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Session, Unreadable> {
    let lines: Lines<Header> = Lines::of(path, bytes, "comparison", SCHEMA)?;
    let header = lines.header.clone();
    let mut session = Session { read: vec![Read::default(); header.entries.len()], header, end: None };
    lines.each(|line| take(&mut session, line))?;
    Ok(session)
}

fn take(session: &mut Session, line: Line) -> Result<(), String> {
    let entry = match &line {
        Line::Comparison(_) => return Err("a second header".to_owned()),
        Line::End { how, .. } => {
            session.end = Some(how.clone());
            return Ok(());
        }
        Line::Begin { entry, .. }
        | Line::Pair { entry, .. }
        | Line::Counts { entry, .. }
        | Line::Phases { entry, .. }
        | Line::Without { entry, .. } => *entry,
    };
    let count = session.read.len();
    let read = session.read.get_mut(entry).ok_or(format!("there is no entry {entry} of {count}"))?;
    let side = |side: &str| match side {
        "a" => Ok(0),
        "b" => Ok(1),
        other => Err(format!("{other:?} is no side")),
    };
    match line {
        Line::Begin { shape, .. } => read.shape = Some(shape),
        Line::Pair { pair, .. } => read.pairs.push(*pair),
        Line::Counts { side: of, counts, .. } => read.counts[side(&of)?] = Some(*counts),
        Line::Phases { side: of, phases, .. } => read.phases[side(&of)?] = phases,
        Line::Without { why, .. } => read.without = Some(why),
        Line::Comparison(_) | Line::End { .. } => {}
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::Counted;
    use crate::stats::chance::Chance;

    pub(crate) fn session(entries: &[(&str, f64, f64)]) -> Session {
        let header = Header {
            schema: SCHEMA,
            id: "c".into(),
            started: "2026-11-21T09:00:00Z".into(),
            command: "assay compare".into(),
            seed: 1,
            machine: BTreeMap::new(),
            calibration: BTreeMap::new(),
            a: "before".into(),
            b: "after".into(),
            entries: entries
                .iter()
                .map(|(name, _, _)| Entry {
                    workload: "codecs".into(),
                    a: (*name).into(),
                    b: (*name).into(),
                    fixture: "tiny".into(),
                    filesystem: "tmpfs".into(),
                    band: 0.01,
                    promises_a: vec!["verified".into()],
                    promises_b: vec!["verified".into()],
                })
                .collect(),
            chance: 0.005,
            precision: None,
        };
        let mut chance = Chance::seeded(7);
        let mut read = Vec::new();
        for (_, shift, noise) in entries {
            let mut one =
                Read { shape: Some(Shape { whole: false, times: 1, quads: 1, workers: 1 }), ..Read::default() };
            for number in 0..64 {
                let control = number % 4 == 3;
                let shift = if control { 0.0 } else { *shift };
                let log_ratio = shift + noise * (chance.share() - 0.5);
                one.pairs.push(Pair {
                    number,
                    control,
                    processor: Some(0),
                    a_first: true,
                    log_ratio,
                    cpu_log_ratio: Some(log_ratio),
                    waits: 0,
                    disturbed: 0,
                    far: 0,
                    walls: vec![[[1, 1], [1, 1]]],
                });
            }
            read.push(one);
        }
        Session { header, read, end: Some("complete".into()) }
    }

    #[test]
    fn each_entry_gets_its_verdict_and_the_worst_comes_first() {
        let judged = judge(&session(&[("same", 0.0, 0.01), ("slow", 0.05, 0.01), ("fast", -0.05, 0.01)]));
        assert!(!judged.void && judged.floor.unwrap() < 0.01);
        let verdicts: Vec<(&str, &str)> =
            judged.entries.iter().map(|one| (one.name.as_str(), one.verdict.as_str())).collect();
        let expected = [("codecs/slow", "slower"), ("codecs/same", "no practical change"), ("codecs/fast", "faster")];
        assert_eq!(verdicts, expected);
        let slow = judged.entries[0].takes.unwrap();
        assert!(slow.low > 1.04 && slow.high < 1.06, "{slow:?}");
    }

    #[test]
    fn rows_whose_way_to_a_server_differs_have_no_ratio() {
        let verdict = |trips: [Option<u64>; 2]| {
            let mut session = session(&[("slow", 0.05, 0.01)]);
            session.read[0].counts = trips.map(|trip| {
                let trip = trip.map(|ns| ("round_trip_ns".to_owned(), Counted::Present(ns)));
                Some(Counts { values: trip.into_iter().collect(), ..Counts::default() })
            });
            let judged = judge(&session).entries.remove(0);
            (judged.verdict, judged.takes.is_some(), judged.cpu_takes.is_some())
        };
        for near in [[Some(3000), Some(5999)], [Some(3000), None], [None, Some(40_000)], [Some(0), Some(3000)]] {
            assert_eq!(verdict(near).0, "slower", "{near:?}");
        }
        for far in [[Some(3000), Some(6001)], [Some(40_000), Some(3000)]] {
            let (told, takes, cpu) = verdict(far);
            assert!(told.starts_with("cannot be compared: a round trip"), "{told}");
            assert!(told.contains("3.0 µs") && !takes && !cpu, "{told}");
        }
    }

    #[test]
    fn a_session_whose_control_sees_a_difference_is_void() {
        let mut session = session(&[("slow", 0.05, 0.01)]);
        for pair in session.read[0].pairs.iter_mut().filter(|pair| pair.control) {
            pair.log_ratio += 0.03;
        }
        let judged = judge(&session);
        assert!(judged.void);
        assert_eq!(judged.entries[0].verdict, "void");
    }

    #[test]
    fn processor_time_decides_where_nothing_waits_and_the_wall_cannot_tell() {
        let mut session = session(&[("slow", 0.03, 0.4)]);
        for pair in &mut session.read[0].pairs {
            pair.cpu_log_ratio = Some(if pair.control { 0.0 } else { 0.03 });
        }
        let judged = &judge(&session).entries[0];
        assert_eq!(judged.verdict, "slower");
        assert!(judged.trust[0].contains("processor time"));
        for pair in &mut session.read[0].pairs {
            pair.waits = 9;
        }
        assert_eq!(judge(&session).entries[0].verdict, "not decided");
    }

    #[test]
    fn a_file_that_is_damaged_says_where() {
        let whole = session(&[("same", 0.0, 0.01)]);
        let mut text = serde_json::to_string(&Line::Comparison(Box::new(whole.header.clone()))).unwrap() + "\n";
        for pair in &whole.read[0].pairs {
            let line = Line::Pair { entry: 0, pair: Box::new(pair.clone()) };
            text += &(serde_json::to_string(&line).unwrap() + "\n");
        }
        let path = Path::new("c.jsonl");
        assert_eq!(parse(path, text.as_bytes()).unwrap().read[0].pairs, whole.read[0].pairs);
        assert_eq!(parse(path, &text.as_bytes()[..text.len() - 9]).unwrap().read[0].pairs.len(), 63);
        assert!(matches!(parse(path, b""), Err(Unreadable::NoHeader(..))));
        let other = text.replace("\"schema\":1", "\"schema\":9");
        assert!(matches!(parse(path, other.as_bytes()), Err(Unreadable::Schema(_, 9, SCHEMA))));
        let no_entry = text.replace("\"entry\":0", "\"entry\":5");
        assert!(matches!(parse(path, no_entry.as_bytes()), Err(Unreadable::Damaged(_, 2, _))));
    }
}
