//! A session: entries compared one after the other, a control beside them, every pair in the file as soon as it is read.

use super::duel::{Duel, Set, Side};
use crate::calibration::calibrate;
use crate::child::{Ended, send_to};
use crate::once::{Answer, Errand, Pass};
use crate::pace::{Pace, clock_of, now};
use crate::plant::turn;
use crate::probes::hold::Holder;
use crate::progress::{Progress, Telling};
use crate::scratch::Scratch;
use crate::stage::Stage;
use crate::{home, machine, signals};
use anyhow::{Context, Result};
use fixtures::Fixture;
use reports::comparison::{Entry, Header, Line, Pair, SCHEMA, rule};
use reports::stats::control;
use reports::stats::sequential::Standing;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use technique::{Lap, Workload};

/// What is compared: two sides of one workload on one fixture.
pub struct Match {
    /// The workload.
    pub workload: &'static Workload,
    /// A and B.
    pub sides: [Side; 2],
    /// The fixture.
    pub fixture: Fixture,
}

/// How a session is held.
pub struct Plan {
    /// What A and B are, for people.
    pub sides: [String; 2],
    /// What is compared.
    pub matches: Vec<Match>,
    /// The band that was asked for; none takes one that suits the row.
    pub band: Option<f64>,
    /// Bounds that close were asked for.
    pub precision: Option<f64>,
    /// The chance of a false verdict of each entry.
    pub chance: f64,
    /// The most that one entry may take.
    pub budget: Option<Duration>,
    /// The longest that one block may take.
    pub limit: Duration,
    /// Adds such a share of its time to every run of B.
    pub delay: Option<f64>,
    /// Whether to count and to look at phases as well.
    pub look: bool,
    /// The seed of coins and padding.
    pub seed: u64,
    /// How progress is told.
    pub telling: Telling,
    /// The command that repeats it.
    pub command: String,
}

/// After so many pairs one of the control follows.
const CONTROL_EVERY: u32 = 4;
/// What a row is looked at for phases.
const LOOKS: u32 = 3;

/// Holds the session; the path of its file.
pub fn hold(plan: &Plan, scratch: &Scratch) -> Result<PathBuf> {
    let mut record = Record::create(plan, scratch)?;
    let mut how = "complete";
    let mut controls = Vec::new();
    for (at, one) in plan.matches.iter().enumerate() {
        let ended = compare(plan, at, one, scratch, &mut record, &mut controls)?;
        if ended != "complete" {
            how = ended;
        }
        if signals::asked_to_stop() {
            how = "interrupted";
            break;
        }
    }
    if plan.look && how != "interrupted" {
        look(plan, scratch, &mut record)?;
    }
    let calibration = calibrate(scratch.path())?;
    record.line(&Line::End { how: how.to_owned(), ended: now().to_string(), calibration })?;
    Ok(record.path)
}

/// Pairs until they decide, the looks are used up, or the budget is.
fn compare(
    plan: &Plan,
    at: usize,
    one: &Match,
    scratch: &Scratch,
    record: &mut Record,
    controls: &mut Vec<f64>,
) -> Result<&'static str> {
    let pace = Pace::begin();
    let stage = Stage::set(scratch, &format!("match-{at}"))?;
    let ground = stage.dir().to_owned();
    let seed = plan.seed ^ (at as u64) << 32;
    let mut duel = match Duel::set(one.workload, one.sides.clone(), &one.fixture, stage, seed, plan.limit)? {
        Set::Ready(duel) => duel,
        Set::Absent(absent) => {
            record.line(&Line::Without { entry: at, why: format!("{}: {}", absent.why, absent.mend) })?;
            return Ok("complete");
        }
    };
    if let Some(share) = plan.delay {
        duel.delay(turns_in(duel.cpu_ns() * share));
    }
    record.line(&Line::Begin { entry: at, shape: duel.shape() })?;
    let progress = Progress::begin(plan.telling, "compare");
    let rule = rule(&record.header, record.header.entries[at].band);
    let last = rule.looks.last().map_or(0, |(pairs, _)| *pairs);
    let (mut ratios, mut number, mut how) = (Vec::new(), 0, "complete");
    while let Standing::GoOn { .. } = rule.judge(&ratios) {
        if signals::asked_to_stop() {
            how = "interrupted";
            break;
        }
        // The end must not depend on what the pairs say: a clock may end a comparison, a hope must not.
        if plan.budget.is_some_and(|budget| pace.passed() + pair_time(pace, number) > budget) {
            how = "budget";
            break;
        }
        let control = number % CONTROL_EVERY == CONTROL_EVERY - 1;
        let pair = take(&mut duel, record, at, number, control)?;
        if control { &mut *controls } else { &mut ratios }.push(pair.log_ratio);
        number += 1;
        let words = format!("{}, {} pairs ({} at most)", record.header.entries[at].name(), ratios.len(), last);
        progress.at(ratios.len() as u64, last as u64, &words);
    }
    // A session needs a control that can tell, whatever it decided.
    let is_last = at + 1 == plan.matches.len();
    while is_last && controls.len() < control::FEWEST && !signals::asked_to_stop() {
        controls.push(take(&mut duel, record, at, number, true)?.log_ratio);
        number += 1;
    }
    drop(duel);
    crate::removal::remove_tree(&ground)?;
    Ok(how)
}

fn pair_time(pace: Pace, pairs: u32) -> Duration {
    if pairs == 0 { Duration::ZERO } else { pace.passed() / pairs }
}

fn take(duel: &mut Duel, record: &mut Record, entry: usize, number: u32, control: bool) -> Result<Pair> {
    let pair = duel.pair(number, control)?;
    record.line(&Line::Pair { entry, pair: Box::new(pair.clone()) })?;
    Ok(pair)
}

/// So many turns of an empty loop take so many nanoseconds, here and now.
fn turns_in(ns: f64) -> u64 {
    const TURNS: u64 = 1_000_000;
    let once = || {
        let lap = Lap::start(false);
        turn(TURNS);
        lap.stop().wall.as_nanos() as f64
    };
    let each = (0..7).map(|_| once()).fold(f64::INFINITY, f64::min) / TURNS as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let turns = (ns / each).max(1.0) as u64;
    turns
}

/// Counts what each side does, and looks at its phases: by fresh processes, like any run.
fn look(plan: &Plan, scratch: &Scratch, record: &mut Record) -> Result<()> {
    let progress = Progress::begin(plan.telling, "look");
    let all = plan.matches.len() as u64 * 2;
    let phases = |errand: &Errand, program: &Path, stage: &mut Stage| -> Result<BTreeMap<String, f64>> {
        let mut sums = BTreeMap::new();
        for _ in 0..LOOKS {
            let errand = Errand { pass: Pass::Phases, target: stage.cleared()?, ..errand.clone() };
            if let Ended::Answered(Answer::Reading(reading)) = send_to(program, &errand, plan.limit)? {
                for phase in reading.phases {
                    *sums.entry(phase.name).or_insert(0.0) += phase.wall_ns / f64::from(LOOKS);
                }
            }
        }
        Ok(sums)
    };
    for pass in [Pass::Phases, Pass::Counts] {
        // Tracepoints make every call a little dearer, so counting comes last.
        let _holder = (pass == Pass::Counts).then(Holder::start).transpose()?;
        for (at, one) in plan.matches.iter().enumerate() {
            for (side, letter) in one.sides.iter().zip(["a", "b"]) {
                if signals::asked_to_stop() {
                    return Ok(());
                }
                let done = at as u64 * 2 + u64::from(letter == "b");
                progress.at(done, all, &format!("{}/{}, {}", one.workload.name, side.variant.name, pass.name()));
                let mut stage = Stage::set(scratch, &format!("look-{letter}"))?;
                let errand = stage.errand(one.workload.name, side.variant.name, &one.fixture);
                let (entry, letter) = (at, letter.to_owned());
                if pass == Pass::Phases {
                    let phases = phases(&errand, &side.program, &mut stage)?;
                    record.line(&Line::Phases { entry, side: letter, phases })?;
                } else {
                    let errand = Errand { pass, target: stage.cleared()?, plant: side.plant, ..errand };
                    if let Ended::Answered(Answer::Reading(reading)) = send_to(&side.program, &errand, plan.limit)?
                        && let Some(counts) = reading.counts
                    {
                        record.line(&Line::Counts { entry, side: letter, counts })?;
                    }
                }
                crate::removal::remove_tree(stage.dir())?;
            }
        }
    }
    Ok(())
}

/// The session's file under construction.
struct Record {
    path: PathBuf,
    file: File,
    header: Header,
}

impl Record {
    fn create(plan: &Plan, scratch: &Scratch) -> Result<Record> {
        let started = now();
        let id = format!("{}-{:04x}-compare", started.strftime("%Y%m%d-%H%M%S"), std::process::id() & 0xffff);
        let dir = home::runs().join(&id);
        std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let path = dir.join(FILE);
        let header = Header {
            schema: SCHEMA,
            id,
            started: started.to_string(),
            command: plan.command.clone(),
            seed: plan.seed,
            machine: machine::fingerprint(scratch.path()),
            calibration: calibrate(scratch.path())?,
            a: plan.sides[0].clone(),
            b: plan.sides[1].clone(),
            entries: plan.matches.iter().map(|one| entry(plan, one, scratch)).collect(),
            chance: plan.chance,
            precision: plan.precision,
        };
        let unfinished = dir.join("comparison.part");
        let file = OpenOptions::new().append(true).create_new(true).open(&unfinished);
        let file = file.with_context(|| format!("making {}", unfinished.display()))?;
        let mut record = Record { path, file, header };
        record.line(&Line::Comparison(Box::new(record.header.clone())))?;
        std::fs::rename(&unfinished, &record.path).with_context(|| format!("naming {}", record.path.display()))?;
        Ok(record)
    }

    /// One write a line: what was written before a kill stays whole.
    fn line(&mut self, line: &Line) -> Result<()> {
        let text = serde_json::to_string(line)? + "\n";
        self.file.write_all(text.as_bytes()).with_context(|| format!("writing to {}", self.path.display()))
    }
}

/// The file's name in its run's directory.
const FILE: &str = "comparison.jsonl";

/// The file of a session of that name, or that file.
pub fn named(name: &str) -> Option<PathBuf> {
    let file = Path::new(name);
    let in_home = home::runs().join(name).join(FILE);
    let is_session = file.is_file() && file.file_name().is_some_and(|name| name == FILE);
    if is_session { Some(file.to_owned()) } else { in_home.is_file().then_some(in_home) }
}

/// Differences that matter: a processor repeats itself to a hundredth; what asks the kernel, the disk or several
/// workers does not.
const BAND_OF_COMPUTING: f64 = 0.01;
const BAND_OF_CALLS: f64 = 0.02;
const BAND_OF_WHOLE_JOBS: f64 = 0.03;

fn entry(plan: &Plan, one: &Match, scratch: &Scratch) -> Entry {
    let [a, b] = &one.sides;
    let filesystem = crate::scratch::filesystem(scratch.path());
    let repeats = a.variant.technique.repeats() && b.variant.technique.repeats();
    let is_part = one.workload.ladder.is_empty();
    let suits = match (repeats, is_part && filesystem == "tmpfs") {
        (true, _) => BAND_OF_COMPUTING,
        (_, true) => BAND_OF_CALLS,
        _ => BAND_OF_WHOLE_JOBS,
    };
    let promises = |side: &Side| side.variant.technique.promises().iter().map(|one| one.name().to_owned()).collect();
    Entry {
        workload: one.workload.name.to_owned(),
        a: a.variant.name.to_owned(),
        b: b.variant.name.to_owned(),
        fixture: one.fixture.name.clone(),
        filesystem,
        band: plan.band.unwrap_or(suits),
        promises_a: promises(a),
        promises_b: promises(b),
    }
}

/// How long a session of so many entries may take, for people.
pub fn at_most(entries: usize, budget: Option<Duration>) -> String {
    let each = budget.unwrap_or(Duration::from_secs(14));
    clock_of(each * u32::try_from(entries).unwrap_or(u32::MAX))
}
