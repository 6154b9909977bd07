//! What the pairs of a session say.

use super::{Header, Pair, Read, Session};
use crate::apart::different;
use crate::stats::many::{self, Corrected, Correction};
use crate::stats::sequential::{Chances, Rule, Standing};
use crate::stats::{Interval, Verdict, control, ranks};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is so, as far as this session can tell.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// What was compared.
    pub name: String,
    /// The verdict on B: `faster`, `slower`, `no practical change`, `not decided`, or why there is none.
    pub verdict: String,
    /// How many times as long B takes; none without enough pairs.
    pub takes: Option<Bounds>,
    /// The same of processor time.
    pub cpu_takes: Option<Bounds>,
    /// How many pairs there were.
    pub pairs: usize,
    /// Roughly how many more it would take, where it is not decided and that can be told.
    pub more: Option<usize>,
    /// Differences smaller than this share are of no use.
    pub band: f64,
    /// What a reader should know before believing it.
    pub trust: Vec<String>,
    /// The chance that the verdict is wrong, corrected for how many there are.
    pub chance: f64,
    /// What was counted and differs, by name: A, B.
    pub counts: BTreeMap<String, [u64; 2]>,
    /// What the phases took and take, in nanoseconds of one run, those that differ most first.
    pub phases: Vec<(String, [f64; 2])>,
    /// Promises that A makes and B does not, and the other way.
    pub promises: [Vec<String>; 2],
}

/// A ratio and its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bounds {
    /// The lower bound.
    pub low: f64,
    /// The estimate.
    pub mid: f64,
    /// The upper bound.
    pub high: f64,
}

impl From<Interval> for Bounds {
    fn from(log: Interval) -> Bounds {
        let Interval { low, mid, high, .. } = log.as_times();
        Bounds { low, mid, high }
    }
}

/// A session, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// A and B, for people.
    pub sides: [String; 2],
    /// Its entries, those that got worst first.
    pub entries: Vec<Judged>,
    /// The noise floor: half the width of what A against A looks like, as a share; none without enough pairs.
    pub floor: Option<f64>,
    /// How often A met A.
    pub control_pairs: usize,
    /// Whether A looked different from itself: then nothing here can be believed.
    pub void: bool,
}

/// More disturbed blocks than this share, and a reader is told.
const NOISY: f64 = 0.5;
/// What one round trip to a row's server took, where it has one, in nanoseconds.
const TRIP: &str = "round_trip_ns";
/// Trips further apart than this make a ratio one of trips.
const TRIPS_APART: f64 = 2.0;
/// A row that waits less often than this a pair does not wait.
const WAITS: f64 = 1.0;

/// Judges a session.
pub fn judge(session: &Session) -> Judgement {
    let header = &session.header;
    let controls: Vec<f64> = session
        .read
        .iter()
        .flat_map(|read| read.pairs.iter().filter(|pair| pair.control))
        .map(|pair| pair.log_ratio)
        .collect();
    let control = control::judge(&controls);
    let void = control.is_some_and(|floor| floor.void);
    let rules: Vec<Rule> = header.entries.iter().map(|entry| rule(header, entry.band)).collect();
    let told: Vec<Told> = session.read.iter().zip(&rules).map(|(read, rule)| Told::of(read, rule)).collect();
    let alone: Vec<_> = told.iter().map(|one| (one.standing, one.chances)).collect();
    let corrected = many::verdicts(&alone, Correction::BenjaminiHochberg);
    let mut entries: Vec<Judged> =
        (0..header.entries.len()).map(|at| entry(session, at, &told[at], void, &corrected[at])).collect();
    // What got worst comes first; what could not be compared comes last.
    entries.sort_by(|a, b| {
        let worst = |one: &Judged| (one.verdict == Verdict::Slower.words(), one.takes.map_or(0.0, |takes| takes.mid));
        let (a, b) = (worst(a), worst(b));
        b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    Judgement {
        sides: [header.a.clone(), header.b.clone()],
        entries,
        floor: control.map(|floor| floor.noise().exp_m1()),
        control_pairs: controls.len(),
        void,
    }
}

/// The rule by which an entry is stopped and judged.
pub fn rule(header: &Header, band: f64) -> Rule {
    let rule = Rule::spending(band, header.chance);
    match header.precision {
        Some(precision) => rule.to_precision(precision),
        None => rule,
    }
}

/// What an entry says on its own.
struct Told {
    standing: Standing,
    chances: Chances,
    by_cpu: bool,
}

impl Told {
    /// The wall decides. A row that never waits spends nothing but its processor time, so where the looks at the wall
    /// are used up and could not tell, processor time may, in one look with a price of its own: the chance of a false
    /// verdict on such a row is the sum of both, [`CPU_CHANCE`] more.
    fn of(read: &Read, rule: &Rule) -> Told {
        let ratios = read.log_ratios();
        let by_wall = Told { standing: rule.close(&ratios), chances: rule.chances(&ratios), by_cpu: false };
        let cpu = read.cpu_log_ratios();
        let alone = read.shape.is_some_and(|shape| shape.workers == 1);
        let waits = read.pairs.iter().map(|pair| pair.waits as f64).sum::<f64>() / read.pairs.len().max(1) as f64;
        let all_read = cpu.len() == ratios.len() && !cpu.is_empty();
        if matches!(by_wall.standing, Standing::Decided { .. }) || !alone || waits >= WAITS || !all_read {
            return by_wall;
        }
        let rule = Rule { looks: vec![(cpu.len(), CPU_CHANCE)], ..rule.clone() };
        let standing = rule.close(&cpu);
        if let Standing::Decided { .. } = standing {
            Told { standing, chances: rule.chances(&cpu), by_cpu: true }
        } else {
            by_wall
        }
    }
}

/// The chance of a false verdict by processor time.
const CPU_CHANCE: f64 = 0.001;

fn entry(session: &Session, at: usize, told: &Told, void: bool, corrected: &Corrected) -> Judged {
    let (entry, read) = (&session.header.entries[at], &session.read[at]);
    let pairs: Vec<&Pair> = read.pairs.iter().filter(|pair| !pair.control).collect();
    let cpu = read.cpu_log_ratios();
    let mut trust = Vec::new();
    let standing = told.standing;
    let blocks: usize = pairs.iter().map(|pair| 4 * pair.walls.len()).sum();
    let disturbed: usize = pairs.iter().map(|pair| pair.disturbed).sum();
    let far: usize = pairs.iter().map(|pair| pair.far).sum();
    if told.by_cpu {
        trust.push("decided by processor time: the wall could not tell, and the row never waits".to_owned());
    }
    if blocks > 0 && disturbed as f64 > NOISY * blocks as f64 {
        let share = disturbed as f64 / blocks as f64 * 100.0;
        trust.push(format!("others ran beside it: in {share:.0} % of the blocks the processor was taken away"));
    }
    if far > 0 {
        trust.push(format!("{far} of {blocks} blocks lie far from the others; none was dropped"));
    }
    let is_decided = matches!(standing, Standing::Decided { .. });
    if !void && is_decided && corrected.verdict == Verdict::NotDecided {
        trust.push("decided alone, but not among so many comparisons".to_owned());
    }
    let verdict = if void { "void" } else { corrected.verdict.words() }.to_owned();
    let chance = if void { 1.0 } else { corrected.corrected };
    let more = match standing {
        Standing::Undecided { more, .. } if !void => more,
        _ => None,
    };
    let apart = trips_apart(read);
    let verdict = read.without.as_ref().or(apart.as_ref()).map_or(verdict, |why| format!("cannot be compared: {why}"));
    let shown = |interval: Option<Interval>| interval.filter(|_| apart.is_none()).map(Bounds::from);
    Judged {
        name: entry.name(),
        verdict,
        takes: shown(interval_of(&standing)),
        cpu_takes: shown(ranks::interval(&cpu, 1.0 - session.header.chance)),
        pairs: pairs.len(),
        more,
        band: entry.band,
        trust,
        chance,
        counts: different_counts(read),
        phases: different_phases(read),
        promises: [lost(&entry.promises_a, &entry.promises_b), lost(&entry.promises_b, &entry.promises_a)],
    }
}

fn interval_of(standing: &Standing) -> Option<Interval> {
    match standing {
        Standing::Decided { interval, .. } => Some(*interval),
        Standing::GoOn { interval, .. } | Standing::Undecided { interval, .. } => *interval,
    }
}

/// Where both sides asked a server, and the way there was not the same: what differs between them is then where they
/// ran, and not what they did.
fn trips_apart(read: &Read) -> Option<String> {
    let trips = read.counts.each_ref().map(|counts| counts.as_ref().and_then(|counts| counts.number(TRIP)));
    let [Some(a), Some(b)] = trips.map(|trip| trip.filter(|trip| *trip > 0)) else { return None };
    let apart = a.max(b) as f64 / a.min(b) as f64;
    (apart > TRIPS_APART).then(|| {
        format!(
            "a round trip to its server takes A {:.1} µs and B {:.1} µs, so a ratio says where they ran, and not what \
             they did: compare rows of one placement",
            a as f64 / 1e3,
            b as f64 / 1e3
        )
    })
}

fn lost(had: &[String], has: &[String]) -> Vec<String> {
    had.iter().filter(|promise| !has.contains(promise)).cloned().collect()
}

/// Every count that differs, system calls as `calls.NAME`. Times and memory are no counts.
fn different_counts(read: &Read) -> BTreeMap<String, [u64; 2]> {
    let [Some(a), Some(b)] = &read.counts else { return BTreeMap::new() };
    different(&a.exact(), &b.exact())
}

fn different_phases(read: &Read) -> Vec<(String, [f64; 2])> {
    let [a, b] = &read.phases;
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    let of = |side: &BTreeMap<String, f64>, name: &String| side.get(name).copied().unwrap_or(0.0);
    let mut phases: Vec<(String, [f64; 2])> =
        names.into_iter().map(|name| (name.clone(), [of(a, name), of(b, name)])).collect();
    let moved = |(_, [a, b]): &(String, [f64; 2])| (a - b).abs();
    phases.sort_by(|one, other| moved(other).total_cmp(&moved(one)));
    phases
}
