//! Summaries: the rows of one workload, ranked, with where their time went and what each step of the ladder brought.

use crate::one_step;
use crate::record::{CALLS, Counted, Counts, Fixture, Plan, Run, Sample};
use crate::stats::{self, Interval, Verdict, interval, median, speed_up};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One workload on one fixture under one condition, answered.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Summary {
    /// The workload.
    pub workload: String,
    /// What it asks.
    pub question: String,
    /// The fixture.
    pub fixture: String,
    /// Files in the fixture; times are given for one of them.
    pub files: u64,
    /// The condition, as words.
    pub condition: String,
    /// The row that all others are held against.
    pub baseline: String,
    /// The rows that were measured, the fastest first; the floor, which is no technique, comes last.
    pub rows: Vec<Row>,
    /// What each step of the ladder brought.
    pub steps: Vec<Step>,
    /// Variants without a number, and why.
    pub without: Vec<Without>,
    /// What it would be worth if a phase took no time: foretold from its share, and tried by taking it away.
    pub ceilings: Vec<Ceiling>,
    /// What each way of looking cost: its wall time over that of the wall pass, paired by round.
    pub looking: Vec<Looking>,
    /// The most that the marks can have cost, from their number and the cost of one, as a share of the wall time.
    pub marks_share: f64,
}

/// A phase of a row, what its share promises at most, and what came when it was taken away.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Ceiling {
    /// The row that was measured without it.
    pub stub: String,
    /// The row that has it.
    pub of: String,
    /// The phase.
    pub without: String,
    /// Its part of that row's time; none where nobody looked.
    pub share: Option<f64>,
    /// How many times as fast the row would be if it took no time at all.
    pub at_most: Option<f64>,
    /// How many times as fast the row is without it.
    pub measured: Bounds,
}

/// What one way of looking costs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Looking {
    /// The pass: `phases` or `counts`.
    pub pass: String,
    /// Its wall time over that of the wall pass.
    pub over_wall: Bounds,
}

/// A pass that takes more than this of the wall pass sees another run than the one that is measured.
pub const LOOKING_LIMIT: f64 = 1.10;

/// One row of the table.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Row {
    /// The variant.
    pub name: String,
    /// What it does.
    pub what: String,
    /// What it guarantees.
    pub promises: Vec<String>,
    /// Whether it is there for one step of the ladder: that step alone, or all but that step.
    pub for_one_step: bool,
    /// Its place; rows that the data cannot order share one. The floor has none, and is 0.
    pub rank: usize,
    /// Whether it shares its place.
    pub tied: bool,
    /// How many samples of the wall pass there are.
    pub rounds: usize,
    /// Time of one file, in microseconds.
    pub us_per_file: Bounds,
    /// Megabytes of the fixture in a second, where its files are so large that a time for one of them says nothing.
    pub mb_per_second: Option<f64>,
    /// How many times as fast as the baseline; none for the baseline itself, and where it was not measured.
    pub over_baseline: Option<Bounds>,
    /// What the data say of that.
    pub verdict: Option<&'static str>,
    /// How many times the floor's time it takes.
    pub over_floor: Option<f64>,
    /// Processor time of one file, in microseconds.
    pub cpu_us_per_file: f64,
    /// The most workers that ran at once.
    pub workers: usize,
    /// What each phase takes of one file's time, in microseconds, in the order of the run; `rest` has no name.
    pub phases: Vec<(String, f64)>,
    /// The share of the time that has a name.
    pub named: Option<f64>,
    /// What the counts pass counted; none where it did not run.
    pub counts: Option<PerFile>,
}

/// What the counts pass counted, for one file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PerFile {
    /// System calls by name, the most frequent first; or why they were not counted.
    pub calls: Counted<Vec<(String, f64)>>,
    /// All system calls.
    pub all_calls: Option<f64>,
    /// Who counted them.
    pub by: Option<String>,
    /// All else that was counted, by name.
    pub values: BTreeMap<String, Counted<f64>>,
}

impl PerFile {
    fn of(counts: &Counts, files: f64) -> PerFile {
        let calls = match &counts.calls {
            Counted::Absent { absent } => Counted::absent(absent),
            Counted::Present(calls) => {
                let mut named: Vec<(String, f64)> =
                    calls.by_name.iter().map(|(name, count)| (name.clone(), *count as f64 / files)).collect();
                named.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                Counted::Present(named)
            }
        };
        let value = |value: &Counted<u64>| match value {
            Counted::Absent { absent } => Counted::absent(absent),
            Counted::Present(value) => Counted::Present(*value as f64 / files),
        };
        PerFile {
            calls,
            all_calls: counts.calls.present().map(|calls| calls.total() as f64 / files),
            by: counts.calls.present().map(|calls| calls.by.clone()),
            values: counts.values.iter().map(|(name, counted)| (name.clone(), value(counted))).collect(),
        }
    }

    /// How often a file needs that call; none where calls were not counted.
    pub fn call(&self, name: &str) -> Option<f64> {
        Some(self.calls.present()?.iter().find(|(call, _)| call == name).map_or(0.0, |(_, count)| *count))
    }

    /// Something else that was counted.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name)?.present().copied()
    }
}

/// What could not be counted in any row, by the reason.
pub fn uncounted(rows: &[Row]) -> BTreeMap<&str, BTreeSet<&str>> {
    let counted: Vec<_> = rows.iter().filter_map(|row| row.counts.as_ref()).collect();
    let mut whys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for counts in &counted {
        if let Counted::Absent { absent } = &counts.calls {
            whys.entry(absent).or_default().insert(CALLS);
        }
        for (name, value) in &counts.values {
            let everywhere = counted.iter().all(|counts| counts.value(name).is_none());
            if let (Counted::Absent { absent }, true) = (value, everywhere) {
                whys.entry(absent).or_default().insert(name);
            }
        }
    }
    whys
}

/// A value and its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Bounds {
    /// The lower bound.
    pub low: f64,
    /// The median.
    pub mid: f64,
    /// The upper bound.
    pub high: f64,
    /// How sure the bounds are.
    pub confidence: f64,
}

impl From<Interval> for Bounds {
    fn from(from: Interval) -> Bounds {
        Bounds { low: from.low, mid: from.mid, high: from.high, confidence: from.confidence }
    }
}

/// A variant without a number.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Without {
    /// The variant.
    pub name: String,
    /// Why there is none.
    pub why: String,
}

/// One step of the ladder: a row against the row before it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Step {
    /// The row before.
    pub from: String,
    /// The row.
    pub to: String,
    /// How many times as fast as the row before.
    pub gain: Bounds,
    /// What the data say of that.
    pub verdict: &'static str,
    /// The phases whose time changed most.
    pub change: Option<Change>,
}

/// How the phases changed that a step is about: those whose time moved most.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Change {
    /// Each of them, the one that moved most first.
    pub phases: Vec<Moved>,
    /// Their share of the time before.
    pub share: f64,
    /// What Amdahl's law allows the whole, were these phases all that changed.
    pub predicted: f64,
    /// What it would allow if they vanished.
    pub at_most: f64,
}

/// How one phase changed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Moved {
    /// The phase.
    pub name: String,
    /// Microseconds of a file before.
    pub before_us: f64,
    /// And now.
    pub now_us: f64,
}

/// Summaries of everything that a run measured, in the order of its plan.
pub fn summaries(run: &Run) -> Vec<Summary> {
    (0..run.header.plan.len()).map(|plan| summarize(run, plan)).collect()
}

/// What one variant measured, sample by sample.
pub(crate) struct Measured<'a> {
    /// The variant.
    pub(crate) name: &'a str,
    /// Nanoseconds of the wall pass, by round.
    pub(crate) wall: BTreeMap<u32, f64>,
    /// The samples of the phases pass, by round.
    pub(crate) phases: BTreeMap<u32, &'a Sample>,
    /// All of them.
    pub(crate) samples: Vec<&'a Sample>,
}

impl Measured<'_> {
    pub(crate) fn paired_with(&self, other: &Measured) -> Vec<(f64, f64)> {
        self.wall.iter().filter_map(|(round, wall)| other.wall.get(round).map(|theirs| (*wall, *theirs))).collect()
    }
}

/// One entry of its plan.
pub(crate) fn summarize(run: &Run, at: usize) -> Summary {
    let plan = &run.header.plan[at];
    let (measured, without) = gather(run, at, plan);
    let files = plan.fixture.files.max(1) as f64;
    let find = |name: &str| measured.iter().find(|row| row.name == name);
    let baseline = plan.variants.first().and_then(|first| find(&first.name));
    let floor = plan.floor.as_ref().and_then(|name| find(name));
    let mut rows: Vec<Row> = measured.iter().map(|one| row(plan, one, baseline, floor, files)).collect();
    let ceilings = ceilings(plan, &measured, &rows);
    rows.retain(|row| ceilings.iter().all(|ceiling| ceiling.stub != row.name));
    rows.sort_by(|a, b| a.us_per_file.mid.total_cmp(&b.us_per_file.mid));
    if let Some(at) = rows.iter().position(|row| plan.floor.as_ref() == Some(&row.name)) {
        let floor = rows.remove(at);
        rank(&mut rows, &measured);
        rows.push(floor);
    } else {
        rank(&mut rows, &measured);
    }
    let steps = plan
        .ladder
        .windows(2)
        .filter_map(|pair| {
            let of = |name: &str| rows.iter().find(|row| row.name == name);
            step(find(&pair[0])?, find(&pair[1])?, of(&pair[0])?, of(&pair[1])?)
        })
        .collect();
    let marks_share = measured
        .iter()
        .flat_map(|one| one.phases.values())
        .map(|sample| {
            let marks: u64 = sample.reading.phases.iter().map(|phase| phase.marks).sum();
            marks as f64 * run.header.mark_ns / sample.reading.wall_ns.max(1) as f64
        })
        .fold(0.0, f64::max);
    Summary {
        workload: plan.workload.clone(),
        question: plan.question.clone(),
        fixture: plan.fixture.name.clone(),
        files: plan.fixture.files,
        condition: plan.condition.to_string(),
        baseline: plan.variants.first().map_or(String::new(), |first| first.name.clone()),
        rows,
        steps,
        without,
        ceilings,
        looking: ["phases", "counts"].into_iter().filter_map(|pass| looking(pass, &measured)).collect(),
        marks_share,
    }
}

/// Sorts the samples of a plan's entry by variant. A variant that ever came out otherwise has no number at all.
pub(crate) fn gather<'a>(run: &'a Run, at: usize, plan: &'a Plan) -> (Vec<Measured<'a>>, Vec<Without>) {
    let mut measured = Vec::new();
    let mut without = Vec::new();
    for variant in &plan.variants {
        if let Some(absent) = run.absent.iter().find(|absent| absent.plan == at && absent.variant == variant.name) {
            let why = format!("{}: {}", absent.why, absent.mend);
            without.push(Without { name: variant.name.clone(), why });
            continue;
        }
        if let Some(failed) = run.failed.iter().find(|failed| failed.plan == at && failed.variant == variant.name) {
            without.push(Without { name: variant.name.clone(), why: format!("{}: {}", failed.how, failed.told) });
            continue;
        }
        let samples: Vec<&Sample> =
            run.samples.iter().filter(|sample| sample.plan == at && sample.variant == variant.name).collect();
        let of = |pass: &str| {
            let pass = pass.to_owned();
            samples.clone().into_iter().filter(move |sample| sample.pass == pass)
        };
        let wall: BTreeMap<u32, f64> = of("wall").map(|sample| (sample.round, sample.reading.wall_ns as f64)).collect();
        if wall.is_empty() {
            without.push(Without { name: variant.name.clone(), why: "not measured".to_owned() });
            continue;
        }
        let phases = of("phases").map(|sample| (sample.round, sample)).collect();
        measured.push(Measured { name: &variant.name, wall, phases, samples });
    }
    (measured, without)
}

/// Each phase that a stub of the plan takes away from a row that was measured too.
fn ceilings(plan: &Plan, measured: &[Measured], rows: &[Row]) -> Vec<Ceiling> {
    let find = |name: &str| measured.iter().find(|one| one.name == name);
    let ceiling = |variant: &crate::record::Variant| {
        let stub = variant.stub.as_ref()?;
        let (of, without) = (find(&stub.of)?, find(&variant.name)?);
        let row = rows.iter().find(|row| row.name == stub.of)?;
        let in_phase: f64 = row.phases.iter().filter(|(name, _)| *name == stub.without).map(|(_, us)| us).sum();
        let share = (!row.phases.is_empty()).then(|| in_phase / row.us_per_file.mid);
        Some(Ceiling {
            stub: variant.name.clone(),
            of: stub.of.clone(),
            without: stub.without.clone(),
            share,
            at_most: share.map(|share| 1.0 / (1.0 - share)),
            measured: speed_up(&of.paired_with(without))?.into(),
        })
    };
    plan.variants.iter().filter_map(ceiling).collect()
}

fn looking(pass: &str, measured: &[Measured]) -> Option<Looking> {
    let over_wall = |one: &Measured| -> Vec<f64> {
        let looked = one.samples.iter().filter(|sample| sample.pass == pass);
        looked.filter_map(|sample| Some(sample.reading.wall_ns as f64 / one.wall.get(&sample.round)?)).collect()
    };
    let ratios: Vec<f64> = measured.iter().flat_map(over_wall).collect();
    Some(Looking { pass: pass.to_owned(), over_wall: interval(&ratios)?.into() })
}

fn row(plan: &Plan, one: &Measured, baseline: Option<&Measured>, floor: Option<&Measured>, files: f64) -> Row {
    let variant = plan.variants.iter().find(|variant| variant.name == one.name).expect("samples are of the plan");
    let walls: Vec<f64> = one.wall.values().map(|ns| ns / 1e3 / files).collect();
    let us_per_file: Bounds = interval(&walls).expect("a measured row has samples").into();
    let against = baseline.filter(|baseline| baseline.name != one.name).and_then(|baseline| {
        let pairs = baseline.paired_with(one);
        speed_up(&pairs).map(|ratio| (ratio, Verdict::of(&ratio, pairs.len())))
    });
    let over_floor = floor.and_then(|floor| speed_up(&one.paired_with(floor))).map(|ratio| ratio.mid);
    let cpu: Vec<f64> = one
        .samples
        .iter()
        .filter(|sample| sample.reading.counts.is_none())
        .map(|sample| (sample.reading.user_ns + sample.reading.system_ns) as f64 / 1e3 / files)
        .collect();
    let phases = phases(one, us_per_file.mid);
    let named = (!phases.is_empty()).then(|| {
        let rest: f64 = phases.iter().filter(|(name, _)| name == "rest").map(|(_, us)| us).sum();
        1.0 - rest / us_per_file.mid
    });
    Row {
        name: one.name.to_owned(),
        what: variant.what.clone(),
        promises: variant.promises.clone(),
        for_one_step: one_step::is_asked_by(one.name),
        rank: 0,
        tied: false,
        rounds: one.wall.len(),
        us_per_file,
        mb_per_second: per_second(&plan.fixture, us_per_file.mid),
        over_baseline: against.map(|(ratio, _)| ratio.into()),
        verdict: against.map(|(_, verdict)| verdict.words()),
        over_floor,
        cpu_us_per_file: median(&cpu).unwrap_or(0.0),
        workers: one.samples.iter().map(|sample| sample.reading.workers).max().unwrap_or(1),
        phases,
        named,
        counts: one.samples.iter().find_map(|sample| Some(PerFile::of(sample.reading.counts.as_ref()?, files))),
    }
}

/// Of an object, and not of a tree of files: megabytes in a second.
fn per_second(fixture: &Fixture, us_per_file: f64) -> Option<f64> {
    /// So many bytes a file, and it is an object.
    const LARGE: f64 = (1 << 20) as f64;
    let bytes = fixture.bytes as f64 / fixture.files.max(1) as f64;
    // A megabyte in a second is a byte in a microsecond.
    (bytes >= LARGE && us_per_file > 0.0).then(|| bytes / us_per_file)
}

/// A phase's mean share over the samples that looked, of the median time of those that did not: so the phases of a
/// row add up to what the row shows, and one estimator serves all.
fn phases(one: &Measured, us_per_file: f64) -> Vec<(String, f64)> {
    let mut shares: Vec<(String, f64)> = Vec::new();
    let mut looked = 0.0;
    for sample in one.phases.values() {
        looked += 1.0;
        for phase in &sample.reading.phases {
            let share = phase.wall_ns / sample.reading.wall_ns.max(1) as f64;
            match shares.iter_mut().find(|(name, _)| *name == phase.name) {
                Some((_, sum)) => *sum += share,
                None => shares.push((phase.name.clone(), share)),
            }
        }
    }
    shares.into_iter().map(|(name, sum)| (name, sum / looked * us_per_file)).collect()
}

/// Gives places: a row opens a new one where the data show it slower than any row of the place above. So rows of one
/// place are those that the data cannot order.
fn rank(rows: &mut [Row], measured: &[Measured]) {
    let find = |name: &str| measured.iter().find(|one| one.name == name).expect("each row was measured");
    let mut leader = 0;
    for at in 0..rows.len() {
        let slower = rows[leader..at].iter().any(|faster| {
            let pairs = find(&rows[at].name).paired_with(find(&faster.name));
            speed_up(&pairs).is_some_and(|ratio| Verdict::of(&ratio, pairs.len()) == Verdict::Faster)
        });
        if slower {
            leader = at;
        }
        rows[at].rank = leader + 1;
        if leader != at {
            rows[at].tied = true;
            rows[leader].tied = true;
        }
    }
}

/// One row against another; none where no round has both.
pub(crate) fn step(before: &Measured, now: &Measured, row_before: &Row, row_now: &Row) -> Option<Step> {
    let pairs = before.paired_with(now);
    let gain = speed_up(&pairs)?;
    Some(Step {
        from: before.name.to_owned(),
        to: now.name.to_owned(),
        verdict: Verdict::of(&gain, pairs.len()).words(),
        gain: gain.into(),
        change: change(row_before, row_now),
    })
}

/// A phase belongs to a step if it moved at least a quarter as much as the one that moved most.
const BELONGS: f64 = 0.25;

/// The phases whose time changed most between two rows that were both looked at.
pub(crate) fn change(before: &Row, now: &Row) -> Option<Change> {
    if before.phases.is_empty() || now.phases.is_empty() {
        return None;
    }
    let of = |row: &Row, name: &str| row.phases.iter().filter(|(phase, _)| phase == name).map(|(_, us)| us).sum();
    let mut phases: Vec<Moved> = Vec::new();
    for (name, _) in before.phases.iter().chain(&now.phases) {
        if phases.iter().all(|phase| phase.name != *name) {
            phases.push(Moved { name: name.clone(), before_us: of(before, name), now_us: of(now, name) });
        }
    }
    let moved = |phase: &Moved| (phase.before_us - phase.now_us).abs();
    phases.sort_by(|a, b| moved(b).total_cmp(&moved(a)));
    let most = moved(phases.first()?);
    phases.retain(|phase| moved(phase) >= BELONGS * most);
    let whole = before.us_per_file.mid;
    let before_us: f64 = phases.iter().map(|phase| phase.before_us).sum();
    let now_us: f64 = phases.iter().map(|phase| phase.now_us).sum();
    Some(Change {
        phases,
        share: before_us / whole,
        predicted: whole / (whole - before_us + now_us),
        at_most: whole / (whole - before_us),
    })
}

/// How sure the least sure bounds of these rows are.
pub fn least_confidence(rows: &[Row]) -> f64 {
    rows.iter().map(|row| row.us_per_file.confidence).fold(1.0, f64::min)
}

/// The band within which a difference is of no use.
pub const BAND: f64 = stats::BAND;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{header_of, sample};
    use crate::record::{Failed, PhaseReading, SystemCalls};

    fn run(variants: &[&str], samples: Vec<Sample>) -> Run {
        let (absent, failed) = (Vec::new(), Vec::new());
        Run { header: header_of(variants), samples, absent, failed, beside: Vec::new(), notes: Vec::new(), end: None }
    }

    /// Samples of a machine that drifts: every round is slower than the one before, the ratio stays.
    fn drifting(variants: &[(&str, u64)]) -> Vec<Sample> {
        (0..8u32)
            .flat_map(|round| {
                variants.iter().map(move |(name, ns)| sample(name, round, ns * 1000 * u64::from(10 + round)))
            })
            .collect()
    }

    #[test]
    fn a_ratio_is_paired_and_does_not_feel_drift() {
        let run = run(&["gzip", "zstd"], drifting(&[("gzip", 300), ("zstd", 100)]));
        let summary = &summaries(&run)[0];
        let zstd = &summary.rows[0];
        assert_eq!((zstd.name.as_str(), zstd.rank, zstd.verdict), ("zstd", 1, Some("faster")));
        let over = zstd.over_baseline.unwrap();
        assert!((over.low - 3.0).abs() < 1e-9 && (over.high - 3.0).abs() < 1e-9);
        assert_eq!(summary.rows[1].verdict, None);
    }

    #[test]
    fn a_phase_that_is_taken_away_shows_what_its_share_promised() {
        let mut samples = drifting(&[("gzip", 100), ("gzip-no-decode", 60)]);
        let looked: Vec<Sample> = samples
            .iter()
            .filter(|wall| wall.variant == "gzip")
            .map(|wall| {
                let ns = wall.reading.wall_ns as f64;
                let phase = |name: &str, share: f64| PhaseReading {
                    name: name.into(),
                    wall_ns: ns * share,
                    thread_ns: ns * share,
                    marks: 1,
                };
                let mut sample = wall.clone();
                sample.pass = "phases".into();
                sample.reading.phases = vec![phase("decode", 0.5), phase("write", 0.5)];
                sample
            })
            .collect();
        samples.extend(looked);
        let mut run = run(&["gzip", "gzip-no-decode"], samples);
        run.header.plan[0].variants[1].stub = Some(crate::record::Stub { of: "gzip".into(), without: "decode".into() });
        let summary = &summaries(&run)[0];
        let ceiling = &summary.ceilings[0];
        assert_eq!((summary.rows.len(), ceiling.of.as_str(), ceiling.without.as_str()), (1, "gzip", "decode"));
        assert!((ceiling.at_most.unwrap() - 2.0).abs() < 1e-9);
        assert!((ceiling.measured.mid - 100.0 / 60.0).abs() < 1e-9);
    }

    #[test]
    fn rows_that_cannot_be_ordered_share_a_rank() {
        let run = run(&["a", "b", "c"], drifting(&[("a", 1000), ("b", 1001), ("c", 500)]));
        let summary = &summaries(&run)[0];
        let ranks: Vec<(&str, usize, bool)> =
            summary.rows.iter().map(|row| (row.name.as_str(), row.rank, row.tied)).collect();
        assert_eq!(ranks, [("c", 1, false), ("a", 2, true), ("b", 2, true)]);
    }

    #[test]
    fn a_row_that_came_out_otherwise_has_no_number() {
        let mut run = run(&["gzip", "zstd"], drifting(&[("gzip", 300), ("zstd", 100)]));
        run.failed.push(Failed {
            plan: 0,
            variant: "zstd".into(),
            round: Some(7),
            how: "differs".into(),
            told: "a.py".into(),
        });
        let summary = &summaries(&run)[0];
        assert_eq!(summary.rows.len(), 1);
        assert_eq!(summary.without[0].name, "zstd");
        assert!(summary.steps.is_empty());
    }

    #[test]
    fn counts_are_given_for_one_file_and_take_no_part_in_times() {
        let mut samples = drifting(&[("gzip", 300)]);
        let before = summaries(&run(&["gzip"], samples.clone()))[0].rows[0].clone();
        let by_name = BTreeMap::from([("close".to_owned(), 10), ("write".to_owned(), 25)]);
        let calls = SystemCalls { by: "tracepoints".into(), by_name, others: 5 };
        let mut counts = Counts { calls: Counted::Present(calls), ..Counts::default() };
        counts.values.insert("bytes_written".into(), Counted::Present(40));
        counts.absent("cycles", "no hardware counters");
        let mut counted = sample("gzip", 8, 1);
        counted.pass = "counts".into();
        counted.reading.user_ns = 1 << 40;
        counted.reading.counts = Some(Box::new(counts));
        samples.push(counted);
        let row = &summaries(&run(&["gzip"], samples))[0].rows[0];
        assert_eq!((row.us_per_file, row.cpu_us_per_file), (before.us_per_file, before.cpu_us_per_file));
        let per_file = row.counts.as_ref().unwrap();
        let named = [("write".to_owned(), 2.5), ("close".to_owned(), 1.0)];
        assert_eq!(per_file.calls.present().unwrap().as_slice(), named);
        assert_eq!(
            (per_file.all_calls, per_file.value("bytes_written"), per_file.value("cycles")),
            (Some(4.0), Some(4.0), None)
        );
        assert!(before.counts.is_none());
    }

    #[test]
    fn a_step_predicts_from_the_share_before() {
        let mut samples = drifting(&[("gzip", 100), ("zstd", 92)]);
        let looked: Vec<Sample> = samples
            .iter()
            .map(|wall| {
                let decode = if wall.variant == "gzip" { 0.1 } else { 0.02 / 0.92 };
                let ns = wall.reading.wall_ns as f64;
                let phase = |name: &str, share: f64| PhaseReading {
                    name: name.into(),
                    wall_ns: ns * share,
                    thread_ns: ns * share,
                    marks: 1,
                };
                let mut sample = wall.clone();
                sample.pass = "phases".into();
                sample.reading.phases =
                    vec![phase("decode", decode), phase("write", 0.98 - decode), phase("rest", 0.02)];
                sample
            })
            .collect();
        samples.extend(looked);
        let summary = &summaries(&run(&["gzip", "zstd"], samples))[0];
        let step = &summary.steps[0];
        let change = step.change.as_ref().unwrap();
        let decode = &change.phases[0];
        assert_eq!((change.phases.len(), decode.name.as_str()), (1, "decode"));
        assert!((change.share - 0.1).abs() < 1e-6);
        assert!((decode.before_us / decode.now_us - 5.0).abs() < 0.01);
        assert!((change.predicted - 1.0 / 0.92).abs() < 1e-3);
        assert!((step.gain.mid - 1.0 / 0.92).abs() < 1e-3);
        let row = &summary.rows[0];
        let sum: f64 = row.phases.iter().map(|(_, us)| us).sum();
        assert!((sum - row.us_per_file.mid).abs() < 1e-9);
        assert!((row.named.unwrap() - 0.98).abs() < 1e-9);
        let looking = &summary.looking[0];
        assert_eq!((summary.looking.len(), looking.pass.as_str()), (1, "phases"));
        assert!((looking.over_wall.mid - 1.0).abs() < 1e-9);
    }
}
