//! The parts at the micro level: decode one payload, make one file, acquire one buffer, encode one stripe.
//!
//! `cargo bench --bench parts [-- codecs/zstd]`. Every row of every part in the catalogue, on `tiny`, by the same
//! techniques and the same clock as `assay run`. Each time is that of one piece: a run's wall time divided by how often
//! the part's baseline marks its busiest phase; of `parity` that is 256 KiB of data, one stripe of its narrowest shape,
//! whatever the row's own. Rows that stand aside run where words are given. Rows are timed one after the other, so that they share no moment: what
//! is faster than what is for `assay run` to say, which pairs them.
//!
//! And what one mark of the stopwatch costs, which has a limit.

use anyhow::{Context, Result, ensure};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use fixtures::Fixture;
use harness::catalogue::{WORKLOADS, crate_of};
use harness::measured::measured;
use harness::progress::Telling;
use harness::removal::remove_tree;
use harness::say::say;
use harness::scratch::{Scratch, default_place};
use harness::signals;
use harness::stage::Stage;
use std::cell::RefCell;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use technique::phase::DECODE;
use technique::{Absent, Clock, Lap, Site, Times, Variant, Workload};

/// What one mark may cost where the clock is the processor's counter.
const MARK_LIMIT_NS: f64 = 25.0;
/// Batches of marks; the best of them is free of what else the machine did.
const BATCHES: usize = 50;
const MARKS: u32 = 20_000;

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .sample_size(15)
        .nresamples(5_000)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1_500))
        .configure_from_args();
    mark(&mut criterion)?;
    signals::listen()?;
    let fixture = harness::fixture::ready("tiny", Telling::Silent)?;
    let scratch = scratch()?;
    for workload in WORKLOADS {
        if is_part(workload)? {
            part(&mut criterion, workload, &fixture, &scratch)?;
        }
    }
    criterion.final_summary();
    Ok(())
}

/// A place beside that of runs, so that neither waits for the other; what a killed bench left is swept by the next.
fn scratch() -> Result<Scratch> {
    let place = default_place(1 << 30);
    let name = place.file_name().context("a scratch place has a name")?.to_string_lossy().into_owned();
    Scratch::take(&place.with_file_name(format!("{name}-parts")))
}

/// A part imports no other workload: by that it is one.
fn is_part(workload: &Workload) -> Result<bool> {
    let manifest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads").join(crate_of(workload)).join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
    let manifest: toml::Table = toml::from_str(&text).with_context(|| format!("reading {}", manifest.display()))?;
    let needs = manifest.get("dependencies").and_then(toml::Value::as_table);
    Ok(!WORKLOADS.iter().any(|other| needs.is_some_and(|needs| needs.contains_key(other.name))))
}

fn part(criterion: &mut Criterion, workload: &Workload, fixture: &Fixture, scratch: &Scratch) -> Result<()> {
    let stage = RefCell::new(Stage::set(scratch, workload.name)?);
    let row = |variant| Row { workload, variant, fixture, stage: &stage };
    let Some(times) = row(workload.baseline()).tried()? else { return Ok(()) };
    let pieces = times.phases.iter().map(|time| time.marks).max().unwrap_or(0).max(1);
    let mut group = criterion.benchmark_group(workload.name);
    // Linear sampling would time each row for twice as long.
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    let asked = std::env::args().skip(1).any(|word| !word.starts_with('-'));
    for variant in workload.variants.iter().filter(|variant| asked || !variant.aside) {
        let row = row(variant);
        if row.tried()?.is_none() {
            continue;
        }
        group.bench_function(BenchmarkId::from_parameter(variant.name), |bencher| {
            bencher.iter_custom(|times| row.wall(times, pieces).unwrap_or_else(|error| panic!("{error:#}")));
        });
    }
    group.finish();
    remove_tree(stage.borrow().dir())
}

/// A row on a stage.
struct Row<'a> {
    workload: &'a Workload,
    variant: &'a Variant,
    fixture: &'a Fixture,
    stage: &'a RefCell<Stage>,
}

impl Row<'_> {
    /// Runs once, looking, and holds what came out against what should. Nothing where the row is absent, which is said.
    fn tried(&self) -> Result<Option<Times>> {
        let name = format!("{}/{}", self.workload.name, self.variant.name);
        let site = self.fresh()?;
        let mut prepared = match self.variant.technique.prepare(&site) {
            Ok(prepared) => prepared,
            Err(error) => {
                let absent = error.downcast::<Absent>().with_context(|| format!("{name}: getting ready"))?;
                say(&format!("{name} is left out: {absent}"));
                return Ok(None);
            }
        };
        let times = measured(prepared.as_mut(), true)?;
        prepared.settle(&site)?;
        let (expected, got) = ((self.workload.expected)(&site)?, (self.workload.outcome)(&site)?);
        let differences = expected.differences(&got, self.variant.technique.promises());
        ensure!(differences.is_empty(), "{name} came out wrong, and has no time: {}", differences.join("; "));
        Ok(Some(times))
    }

    /// What so many runs took for a piece, all together, each on a fresh target.
    fn wall(&self, runs: u64, pieces: u64) -> Result<Duration> {
        let mut wall = Duration::ZERO;
        for _ in 0..runs {
            let site = self.fresh()?;
            let mut prepared = self.variant.technique.prepare(&site)?;
            wall += measured(prepared.as_mut(), false)?.wall;
        }
        Ok(Duration::from_secs_f64(wall.as_secs_f64() / pieces as f64))
    }

    fn fresh(&self) -> Result<Site> {
        ensure!(!signals::asked_to_stop(), "stopped");
        let mut stage = self.stage.borrow_mut();
        stage.cleared()?;
        Ok(stage.errand(self.workload.name, self.variant.name, self.fixture).site())
    }
}

/// One mark: timed as any row is, and held against its limit.
fn mark(criterion: &mut Criterion) -> Result<()> {
    let mut lap = Lap::start(true);
    criterion.bench_function("mark", |bencher| bencher.iter(|| black_box(&mut lap).mark(DECODE)));
    let best = (0..BATCHES).map(|_| batch()).min().unwrap_or(Duration::MAX);
    let ns = best.as_secs_f64() * 1e9 / f64::from(MARKS);
    if !matches!(Clock::best(), Clock::Counter) {
        let clock = Clock::best().name();
        say(&format!("a mark costs {ns:.1} ns; no limit is held here, for the clock is {clock} and not the counter"));
        return Ok(());
    }
    say(&format!("a mark costs {ns:.1} ns, the best of {BATCHES} batches; at most {MARK_LIMIT_NS} are allowed"));
    ensure!(ns <= MARK_LIMIT_NS, "a mark costs {ns:.1} ns, more than {MARK_LIMIT_NS}");
    Ok(())
}

fn batch() -> Duration {
    let mut lap = Lap::start(true);
    for _ in 0..MARKS {
        black_box(&mut lap).mark(DECODE);
    }
    lap.stop().wall
}
