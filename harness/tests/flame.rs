//! The flame pass held against what is known: a deliberate spin, a deliberate sleep, a deliberate fsync, and the file
//! system's own functions; and its exports against the shape that their viewers read.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use anyhow::Result;
use common::{Home, text};
use harness::flame::trust::Gathered;
use harness::flame::{Kind, Taken, take};
use harness::pace::Pace;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use technique::phase::{CLOSE, CREATE, DECODE, HASH, RENAME, SYNC};
use technique::{Absent, Calls, Lap, Phase, Prepared, Site, absent};

/// An instrument that sees the whole process wants it alone.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What the kernel says a thread computed in each phase: held against what the sampler saw.
type Computed = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// A fifth of the run spins, a fifth sleeps, a fifth syncs a file to the disk, and two fifths compute otherwise.
struct Deliberate {
    dir: PathBuf,
    computed: Computed,
}

const FIFTH: Duration = Duration::from_millis(40);
const ROUNDS: u32 = 10;

impl Deliberate {
    fn did(&self, phase: Phase, lap: &mut Lap, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let before = thread_ns();
        let worked = work();
        *self.computed.lock().unwrap().entry(phase.name()).or_default() += thread_ns() - before;
        lap.mark(phase);
        worked
    }
}

fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap()
}

impl Prepared for Deliberate {
    fn work(&mut self, lap: &mut Lap) -> Result<()> {
        let mut file = std::fs::File::create(self.dir.join("synced"))?;
        for _ in 0..ROUNDS {
            self.did(DECODE, lap, || {
                spin_deliberately(FIFTH);
                Ok(())
            })?;
            self.did(RENAME, lap, || {
                std::thread::sleep(FIFTH);
                Ok(())
            })?;
            self.did(SYNC, lap, || sync_deliberately(&mut file, FIFTH))?;
            self.did(HASH, lap, || {
                compute_otherwise(2 * FIFTH);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn settle(&mut self, _: &Site) -> Result<()> {
        Ok(())
    }

    fn calls(&self) -> Option<Calls> {
        None
    }
}

#[inline(never)]
fn spin_deliberately(time: Duration) {
    let pace = Pace::begin();
    while pace.passed() < time {
        std::hint::spin_loop();
    }
}

#[inline(never)]
fn compute_otherwise(time: Duration) {
    let pace = Pace::begin();
    let mut sum = 0_u64;
    while pace.passed() < time {
        sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(7));
    }
}

#[inline(never)]
fn sync_deliberately(file: &mut std::fs::File, time: Duration) -> Result<()> {
    let pace = Pace::begin();
    while pace.passed() < time {
        file.write_all(&[7; 4096])?;
        file.sync_all()?;
    }
    Ok(())
}

/// A directory on a disk: the build's own.
fn on_a_disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A run under an instrument; none where the kernel does not allow it.
fn taken(prepared: &mut dyn Prepared, kind: Kind) -> Option<Gathered> {
    match take(prepared, kind) {
        Ok(taken) => {
            let plain = taken.wall_ns;
            let mut gathered = Gathered::begin(kind);
            gathered.add(taken, plain);
            Some(gathered)
        }
        Err(error) => {
            let absent = error.downcast::<Absent>().unwrap();
            absent::skip("perf", &absent.to_string());
            None
        }
    }
}

/// A run of the deliberate work, and what each phase computed by the kernel's own count.
fn deliberate(kind: Kind) -> Option<(Gathered, BTreeMap<&'static str, u64>)> {
    let dir = on_a_disk();
    let computed = Computed::default();
    let mut work = Deliberate { dir: dir.path().to_owned(), computed: computed.clone() };
    let gathered = taken(&mut work, kind)?;
    let computed = computed.lock().unwrap().clone();
    Some((gathered, computed))
}

/// Both are parts of the run's whole thread time. On a machine that was promised to be quiet they differ by two
/// points of a hundred at most; elsewhere the machine's own noise moves them, and only a gross error counts.
#[track_caller]
fn assert_near(what: &str, gathered: &Gathered, drawn_ns: u64, true_ns: f64) {
    let limit = if absent::required("quiet") { 2.0 } else { 15.0 };
    let points = |ns: f64| 100.0 * ns / gathered.thread_ns as f64;
    let (drawn, truly) = (points(drawn_ns as f64), points(true_ns));
    eprintln!("{} {what}: drawn {drawn:.2} %, truly {truly:.2} %", gathered.kind.name());
    assert!((drawn - truly).abs() <= limit, "{what}: drawn {drawn:.2} %, truly {truly:.2} % of the run");
}

fn holds(gathered: &Gathered, phase: Phase, frames: &[&str]) -> bool {
    let within = |stack: &&String| stack.starts_with(&format!("{};", phase.name()));
    gathered.stacks.keys().filter(within).any(|stack| frames.iter().all(|frame| stack.contains(frame)))
}

#[test]
fn wall_shows_spin_sleep_and_sync_at_their_true_share() {
    let _alone = alone();
    let Some((gathered, _)) = deliberate(Kind::Wall) else { return };
    for phase in [DECODE, RENAME, SYNC, HASH] {
        assert_near(phase.name(), &gathered, gathered.time_of(phase.name()), gathered.phases[phase.name()]);
    }
    let trust = gathered.trust();
    let limit = if absent::required("quiet") { 0.02 } else { 0.15 };
    assert!((trust.whole.unwrap() - 1.0).abs() <= limit, "{trust:?}");
    assert!(trust.reach.unwrap() >= 0.9, "{trust:?}");
    assert!(holds(&gathered, DECODE, &["[on-cpu]", "spin_deliberately"]));
    assert!(holds(&gathered, RENAME, &["[off-cpu]", "nanosleep"]));
    assert!(holds(&gathered, SYNC, &["[off-cpu]", "sync_deliberately", "fsync"]));
}

#[test]
fn kernel_shows_the_spin_and_not_the_sleep() {
    let _alone = alone();
    let Some((gathered, computed)) = deliberate(Kind::Kernel) else { return };
    for phase in [DECODE, RENAME, SYNC, HASH] {
        assert_near(phase.name(), &gathered, gathered.time_of(phase.name()), computed[phase.name()] as f64);
    }
    assert!(holds(&gathered, DECODE, &["spin_deliberately"]));
    assert!(gathered.trust().reach.unwrap() >= 0.9, "{:?}", gathered.trust());
}

#[test]
fn off_shows_the_sleep_and_the_sync_with_the_kernels_stack() {
    let _alone = alone();
    let Some((gathered, computed)) = deliberate(Kind::Off) else { return };
    for phase in [DECODE, RENAME, SYNC, HASH] {
        let waited = gathered.phases[phase.name()] - computed[phase.name()] as f64;
        assert_near(phase.name(), &gathered, gathered.time_of(phase.name()), waited);
    }
    assert!(holds(&gathered, RENAME, &["nanosleep", "_[k]"]));
    assert!(holds(&gathered, SYNC, &["sync_deliberately", "fsync", "_[k]"]));
    assert!(gathered.trust().reach.unwrap() >= 0.9, "{:?}", gathered.trust());
}

#[test]
fn cpu_shows_the_spin_in_its_function() {
    let _alone = alone();
    let Some((gathered, computed)) = deliberate(Kind::Cpu) else { return };
    // The kernel's tick gives a few more or fewer signals than asked for; together they stand for all processor time.
    let each_ns = gathered.cpu_ns / gathered.samples;
    let nominal_ns = gathered.stacks.values().sum::<u64>() / gathered.samples;
    let of = |function: &str| -> u64 {
        let ns = gathered.stacks.iter().filter(|(stack, _)| stack.contains(function)).map(|(_, ns)| ns);
        ns.sum::<u64>() * each_ns / nominal_ns
    };
    assert_near("spin", &gathered, of("spin_deliberately"), computed[DECODE.name()] as f64);
    assert_near("compute", &gathered, of("compute_otherwise"), computed[HASH.name()] as f64);
    assert!(gathered.trust().reach.unwrap() >= 0.9, "{:?}", gathered.trust());
}

/// Makes many empty files.
struct Creates(PathBuf);

impl Prepared for Creates {
    fn work(&mut self, lap: &mut Lap) -> Result<()> {
        for at in 0..20_000 {
            let file = std::fs::File::create(self.0.join(at.to_string()))?;
            lap.mark(CREATE);
            drop(file);
            lap.mark(CLOSE);
        }
        Ok(())
    }

    fn settle(&mut self, _: &Site) -> Result<()> {
        Ok(())
    }

    fn calls(&self) -> Option<Calls> {
        None
    }
}

#[test]
fn kernel_shows_the_file_systems_own_create_under_the_phase() {
    let _alone = alone();
    let places = [on_a_disk(), tempfile::tempdir_in("/dev/shm").unwrap()];
    for place in places {
        let Some(gathered) = taken(&mut Creates(place.path().to_owned()), Kind::Kernel) else { return };
        if !harness::flame::show::kernel_is_named() {
            return absent::skip("perf", "the kernel hides its names");
        }
        assert!(holds(&gathered, CREATE, &["measured", "path_openat_[k]"]), "{:?}", gathered.stacks);
        let own = match harness::scratch::filesystem(place.path()).as_str() {
            "tmpfs" => "shmem_",
            "ext4" => "ext4_create",
            _ => continue,
        };
        assert!(holds(&gathered, CREATE, &["path_openat_[k]", own]), "{own}: {:?}", gathered.stacks);
        assert!(!holds(&gathered, CLOSE, &["path_openat_[k]"]));
    }
}

#[test]
fn workers_are_followed() {
    struct Crew;
    impl Prepared for Crew {
        fn work(&mut self, lap: &mut Lap) -> Result<()> {
            let workers = lap.fork(2);
            let workers = std::thread::scope(|scope| {
                let threads: Vec<_> = workers
                    .into_iter()
                    .map(|mut lap| {
                        scope.spawn(move || {
                            lap.mark(technique::phase::WAIT);
                            compute_otherwise(Duration::from_millis(300));
                            lap.mark(HASH);
                            lap
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            lap.join(workers);
            Ok(())
        }
        fn settle(&mut self, _: &Site) -> Result<()> {
            Ok(())
        }
        fn calls(&self) -> Option<Calls> {
            None
        }
    }
    let _alone = alone();
    let Some(gathered) = taken(&mut Crew, Kind::Wall) else { return };
    let trust = gathered.trust();
    let limit = if absent::required("quiet") { 0.02 } else { 0.15 };
    assert!((trust.whole.unwrap() - 1.0).abs() <= limit, "{trust:?}");
    assert!(trust.reach.unwrap() >= 0.9, "{trust:?}");
    assert_near("hash", &gathered, gathered.time_of(HASH.name()), gathered.phases[HASH.name()]);
    assert!(holds(&gathered, HASH, &["[a worker]", "compute_otherwise"]));
}

/// A short command; none where the kernel does not allow it.
fn flame(home: &Home, more: &[&str]) -> Option<Value> {
    let out = home.path("out");
    let scratch = home.scratch();
    let mut words = vec!["flame", "syscalls/direct", "--on", "tiny", "--seconds", "1s", "--scratch", &scratch];
    words.extend(["--out", out.to_str().unwrap()]);
    words.extend(more);
    let (code, said) = home.json(&words);
    let absent = said["graphs"].as_array().into_iter().flatten().find_map(|graph| graph["absent"].as_str());
    if let Some(absent) = absent {
        absent::skip("perf", absent);
        return None;
    }
    assert_eq!(code, 0, "{said}");
    Some(said)
}

#[test]
fn every_graph_comes_with_exports_that_viewers_can_read() {
    let _alone = alone();
    let home = Home::new();
    let Some(said) = flame(&home, &[]) else { return };
    assert_eq!(said["graphs"].as_array().unwrap().len(), 4);
    for kind in Kind::ALL {
        let dir = home.path(&format!("out/syscalls-direct-{}", kind.name()));
        let json = |name: &str| serde_json::from_slice::<Value>(&std::fs::read(dir.join(name)).unwrap()).unwrap();
        let folded = std::fs::read_to_string(dir.join("stacks.folded")).unwrap();
        let svg = std::fs::read_to_string(dir.join("flame.svg")).unwrap();
        assert!(folded.lines().all(|line| line.starts_with("syscalls/direct;")), "{folded}");
        assert!(svg.starts_with("<?xml") && svg.contains("not shown:") && svg.trim_end().ends_with("</svg>"));
        speedscope_is_sound(&json("speedscope.json"), total(&folded));
        firefox_is_sound(&json("firefox.json"));
        time_line_is_sound(&json("timeline.json"));
    }
}

fn total(folded: &str) -> u64 {
    folded.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// By <https://www.speedscope.app/file-format-schema.json>.
fn speedscope_is_sound(file: &Value, whole: u64) {
    assert_eq!(file["$schema"], "https://www.speedscope.app/file-format-schema.json");
    let frames = file["shared"]["frames"].as_array().unwrap();
    assert!(frames.iter().all(|frame| frame["name"].is_string()));
    for profile in file["profiles"].as_array().unwrap() {
        assert_eq!((&profile["type"], &profile["unit"]), (&"sampled".into(), &"nanoseconds".into()));
        assert!(profile["name"].is_string() && profile["startValue"].is_number());
        let (samples, weights) = (profile["samples"].as_array().unwrap(), profile["weights"].as_array().unwrap());
        assert_eq!(samples.len(), weights.len());
        let known = |at: &Value| at.as_u64().is_some_and(|at| at < frames.len() as u64);
        assert!(samples.iter().all(|sample| sample.as_array().unwrap().iter().all(known)));
        assert_eq!(weights.iter().map(|weight| weight.as_u64().unwrap()).sum::<u64>(), whole);
        assert_eq!(profile["endValue"], whole);
    }
}

/// By the processed profile format of the Firefox Profiler: tables of columns whose indices point into each other.
fn firefox_is_sound(file: &Value) {
    let meta = &file["meta"];
    assert!(meta["version"].is_number() && meta["preprocessedProfileVersion"].is_number(), "{meta}");
    let categories = meta["categories"].as_array().unwrap().len() as u64;
    assert!(meta["interval"].is_number() && categories > 0);
    for thread in file["threads"].as_array().unwrap() {
        let shared = if file["shared"].is_object() { &file["shared"] } else { thread };
        let table = |name: &str| if thread[name].is_object() { &thread[name] } else { &shared[name] };
        let strings = [&thread["stringArray"], &shared["stringArray"]].into_iter().find_map(Value::as_array).unwrap();
        let len = |table: &Value| table["length"].as_u64().unwrap();
        let points = |from: &Value, column: &str, to: u64| {
            let column = from[column].as_array().unwrap_or_else(|| panic!("no column {column}"));
            assert_eq!(column.len() as u64, len(from));
            assert!(column.iter().all(|at| at.is_null() || at.as_u64().is_some_and(|at| at < to)), "{column:?}");
        };
        let (stacks, frames, functions) = (table("stackTable"), table("frameTable"), table("funcTable"));
        points(table("samples"), "stack", len(stacks));
        points(stacks, "prefix", len(stacks));
        points(stacks, "frame", len(frames));
        points(frames, "func", len(functions));
        points(frames, "category", categories);
        points(functions, "name", strings.len() as u64);
    }
}

/// By the Trace Event Format: named threads, complete events that have a start and a length and do not overlap.
fn time_line_is_sound(file: &Value) {
    let mut ends: BTreeMap<u64, f64> = BTreeMap::new();
    let mut named = Vec::new();
    for event in file["traceEvents"].as_array().unwrap() {
        assert!(event["pid"].is_number() && event["name"].is_string());
        let thread = event["tid"].as_u64().unwrap();
        match event["ph"].as_str().unwrap() {
            "M" => named.push(thread),
            "X" => {
                let (start, length) = (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
                let end = ends.entry(thread).or_default();
                assert!(start >= *end - 0.002 && length >= 0.0, "{event} begins before {end}");
                *end = start + length;
                assert!(Phase::named(event["name"].as_str().unwrap()).is_some(), "{event}");
                assert!(named.contains(&thread));
            }
            other => panic!("{other} is not used"),
        }
    }
    assert!(!ends.is_empty());
}

#[test]
fn two_rows_are_drawn_against_each_other() {
    let _alone = alone();
    let home = Home::new();
    if flame(&home, &["--against", "syscalls/seven-calls", "--kind", "kernel"]).is_none() {
        return;
    }
    let dir = home.path("out/syscalls-seven-calls--syscalls-direct-kernel");
    let lines = std::fs::read_to_string(dir.join("difference.folded")).unwrap();
    let numbers = |line: &str| line.rsplitn(3, ' ').take(2).all(|number| number.parse::<u64>().is_ok());
    assert!(!lines.is_empty() && lines.lines().all(numbers), "{lines}");
    let (before, after) = (dir.join("before.folded"), dir.join("after.folded"));
    assert!(total(&std::fs::read_to_string(before).unwrap()) > 0);
    assert!(total(&std::fs::read_to_string(after).unwrap()) > 0);
    assert!(std::fs::read_to_string(dir.join("difference.svg")).unwrap().contains("red grew"));
}

#[test]
fn nothing_is_overwritten_that_is_not_ours() {
    let home = Home::new();
    let dir = home.path("out/syscalls-direct-cpu");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("flame.svg"), "mine").unwrap();
    let out = home.path("out");
    let words = ["flame", "syscalls/direct", "--kind", "cpu", "--on", "tiny", "--out", out.to_str().unwrap()];
    let output = home.run(&words);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did not make it"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(dir.join("flame.svg")).unwrap(), "mine");
}

#[test]
fn a_run_travels_from_the_child_as_one_line() {
    let taken = Taken {
        stacks: [("create;measured".to_owned(), 7)].into(),
        samples: 1,
        waits: 0,
        requested: Some(1),
        lost: 0,
        own: 1,
        reached: 1,
        wall_ns: 7,
        thread_ns: 7,
        cpu_ns: 7,
        phases: Vec::new(),
        threads: Vec::new(),
        notes: Vec::new(),
    };
    let line = serde_json::to_string(&taken).unwrap();
    let back: Taken = serde_json::from_str(&line).unwrap();
    assert_eq!((back.stacks, back.samples), (taken.stacks, 1));
    assert!(!Path::new(&line).exists());
}
