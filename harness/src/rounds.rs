//! Rounds: every row in each round, in a shuffled and recorded order, so that ratios are paired and drift cancels.

use crate::ask::{Ask, Asked, Rounds};
use crate::catalogue::{Choice, peer_name, reads_the_source};
use crate::child::{Ended, send};
use crate::file_system::{self, Room, Slow, Wish};
use crate::once::{Answer, Errand, Pass, list_of};
use crate::pace::{Pace, clock_of, now};
use crate::probes::hold::Holder;
use crate::progress::Progress;
use crate::refusal::{Exit, Refusal};
use crate::removal::remove_tree;
use crate::say::say;
use crate::scratch::{Scratch, default_place, filesystem, free};
use crate::stage::Stage;
use crate::surroundings::{Moment, wait_for_quiet};
use crate::{home, machine, signals};
use anyhow::{Context, Result};
use fixtures::{Fixture, Tally};
use reports::record::{self, Absent, Beside, Condition, End, Failed, Header, Line, Note, Plan, Sample};
use reports::stats::chance::Chance;
use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use technique::phase::{Kind, Phase};
use technique::{Outcome, Promises, Variant};

/// The phases pass joins so many of the first rounds; shares need fewer samples than ratios.
const ROUNDS_WITH_PHASES: u32 = 3;
/// More than this in finished trees, or a third of the room, and they are removed between rounds.
const TRASH_LIMIT: u64 = 6 << 30;
/// What one sample may leave, in trees of the fixture's weight, and a little beside.
const TREES_A_SAMPLE: u64 = 5;
const SPARE: u64 = 64 << 20;

/// What a run left.
pub struct Done {
    /// The record file.
    pub record: PathBuf,
    /// How the command ends.
    pub exit: Exit,
}

/// Runs what was asked, and writes it down sample by sample.
pub fn run(ask: &Ask) -> Result<Done> {
    // Before any thread: who makes a tree on a file system of ours must see it.
    let wishes = ask.wishes();
    let plain = wishes.iter().all(|wish| wish.is_none());
    let withdrawn = if plain { Ok(()) } else { file_system::withdraw() };
    let mut entries = entries(ask)?;
    // Until here Ctrl-C just ends the command: a fixture that is half made is swept by who makes the next.
    signals::listen()?;
    let need = entries.iter().map(Entry::need).max().unwrap_or(0);
    let place = ask.scratch.clone().unwrap_or_else(|| default_place(need));
    let scratch = Scratch::take(&place)?;
    let filesystem = filesystem(scratch.path());
    let left_out = leave_out(&mut entries, file_system::refused(&wishes, ask.cold, &withdrawn, scratch.path()))?;
    refuse_what_cannot_be(ask, plain, &filesystem, scratch.path(), need)?;
    let mut record = Record::create(ask, &entries, &filesystem, scratch.path())?;
    for note in left_out {
        say(&format!("left out: {note}"));
        record.note(&format!("left out: {note}"))?;
    }
    let mut exit = Exit::Fine;
    let mut how = "complete";
    let mut holder: Option<Holder> = None;
    for (at, entry) in entries.iter().enumerate() {
        let budget = match ask.rounds {
            Rounds::Count(_) => Duration::ZERO,
            Rounds::Budget(all) => all / u32::try_from(entries.len()).unwrap_or(u32::MAX),
        };
        let granted =
            entry.wish.grant(&scratch.path().join(format!("fs-{at}")), &entry.fixture, &entry.recipe, ask.telling)?;
        let entry = &Entry {
            fixture: granted.as_ref().map_or(&entry.fixture, |granted| &granted.fixture).clone(),
            ..entry.clone()
        };
        let place = granted.as_ref().map_or(scratch.path(), |granted| &granted.place);
        let slow = granted.as_ref().and_then(|granted| granted.slow.as_ref());
        let mut trial = Trial::begin(ask, entry, at, budget, place, slow)?;
        trial.get_ready(&mut record)?;
        if let Some(holder) = holder.take() {
            holder.wait()?;
        }
        let before = wait_for_quiet(ask.wait, ask.telling);
        let moment = Moment::now();
        how = trial.measure(&mut record)?;
        record.line(&Line::Beside(Beside { plan: at, before, during: moment.since() }))?;
        if how != "interrupted" {
            holder = Some(trial.count(&mut record)?);
            if signals::asked_to_stop() {
                how = "interrupted";
            }
        }
        if trial.failed {
            exit = Exit::Differ;
        }
        trial.clear(&mut record)?;
        if let Err(error) = crate::fixture::verify(&entry.fixture) {
            record.note(&format!("a row changed its source while it ran, and no number of it counts: {error}"))?;
            exit = Exit::Differ;
        }
        if how == "interrupted" {
            break;
        }
    }
    record.end(how)?;
    if how == "interrupted" && exit == Exit::Fine {
        exit = Exit::Interrupted;
    }
    Ok(Done { record: record.path, exit })
}

/// One workload on one fixture, on one file system.
#[derive(Clone)]
struct Entry {
    /// Its place among all that was asked for.
    number: usize,
    choice: Choice,
    /// The name or the file of the fixture's recipe.
    recipe: String,
    fixture: Fixture,
    wish: Wish,
}

impl Entry {
    /// The bytes that must be free in the scratch place.
    fn need(&self) -> u64 {
        match self.wish.kind {
            None => 3 * self.fixture.tally.bytes + (256 << 20),
            Some(_) => Room::of(&self.fixture.tally).least(),
        }
    }

    /// The file system, or those of source and target, where the first is read where it lies and they differ.
    fn filesystem(&self, scratch: &str) -> String {
        let named = self.wish.name(scratch);
        if self.wish.kind.is_some() || !reads_the_source(self.choice.workload) {
            return named;
        }
        match filesystem(&self.fixture.dir) {
            same if same == scratch => named,
            source => format!("from {source} to {named}"),
        }
    }
}

fn entries(ask: &Ask) -> Result<Vec<Entry>> {
    let mut ready: BTreeMap<&str, Fixture> = BTreeMap::new();
    for asked in &ask.entries {
        if !ready.contains_key(asked.recipe.as_str()) {
            ready.insert(&asked.recipe, crate::fixture::ready(&asked.recipe, ask.telling)?);
        }
    }
    let entry = |asked: &Asked| Entry {
        number: asked.number,
        choice: asked.choice.clone(),
        recipe: asked.recipe.clone(),
        fixture: ready[asked.recipe.as_str()].clone(),
        wish: asked.wish,
    };
    Ok(ask.entries.iter().map(entry).collect())
}

/// Takes those entries away whose wishes cannot be granted here, and says why. Where none is left, that is an error.
fn leave_out(entries: &mut Vec<Entry>, refused: Vec<(Wish, technique::Absent)>) -> Result<Vec<String>> {
    entries.retain(|entry| refused.iter().all(|(wish, _)| entry.wish != *wish));
    match refused.first() {
        Some((wish, absent)) if entries.is_empty() => {
            let what = format!("nothing that was asked for can be had here; {}: {}", wish.word(), absent.why);
            Err(Refusal::unfit(what, absent.mend.clone()))
        }
        _ => Ok(refused.into_iter().map(|(wish, absent)| format!("{}: {absent}", wish.word())).collect()),
    }
}

fn refuse_what_cannot_be(ask: &Ask, plain: bool, filesystem: &str, scratch: &Path, need: u64) -> Result<()> {
    if ask.cold && !rustix::process::geteuid().is_root() {
        return Err(Refusal::unfit(
            "--cold drops the page cache, and only root may",
            "run as root, or leave --cold away",
        ));
    }
    if ask.cold && filesystem == "tmpfs" && plain {
        let place = scratch.display();
        return Err(Refusal::usage(
            format!("--cold means nothing at {place}: a tmpfs is memory and has no disk below it"),
            "name a place on a disk with --scratch DIR",
        ));
    }
    let free = free(scratch)?;
    if free < need {
        return Err(Refusal::unfit(
            format!("{} has {} MiB free, and this run may need {} MiB", scratch.display(), free >> 20, need >> 20),
            "name a roomier place with --scratch DIR, or a smaller fixture with --on",
        ));
    }
    Ok(())
}

/// The record file under construction.
struct Record {
    path: PathBuf,
    file: File,
}

impl Record {
    fn create(ask: &Ask, entries: &[Entry], filesystem: &str, scratch: &Path) -> Result<Record> {
        let started = now();
        // Shards that begin in the same second on machines of their own may have the same number of process, too.
        let shard = ask.shard.as_ref().map_or(String::new(), |shard| format!("-{}", shard.number));
        let id = format!("{}-{:04x}{shard}", started.strftime("%Y%m%d-%H%M%S"), std::process::id() & 0xffff);
        let dir = home::runs().join(&id);
        std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        // The record gets its name when its first line is whole: there is no record without a header.
        let path = dir.join("record.jsonl");
        let unfinished = dir.join("record.part");
        let file = OpenOptions::new().append(true).create_new(true).open(&unfinished);
        let file = file.with_context(|| format!("making {}", unfinished.display()))?;
        let mut record = Record { path, file };
        record.line(&Line::Run(Box::new(Header {
            schema: record::SCHEMA,
            id,
            started: started.to_string(),
            command: ask.command.clone(),
            seed: ask.seed,
            machine: machine::fingerprint(scratch),
            mark_ns: technique::lap::cost_of_mark_ns(),
            phases: phases(),
            plan: entries.iter().map(|entry| plan(ask, entry, &entry.filesystem(filesystem))).collect(),
            shard: ask.shard.clone(),
        })))?;
        std::fs::rename(&unfinished, &record.path).with_context(|| format!("naming {}", record.path.display()))?;
        if cfg!(debug_assertions) {
            record.note("this is a debug build: its numbers say nothing about a release")?;
        }
        Ok(record)
    }

    /// One write a line: what was written before a kill stays whole.
    fn line(&mut self, line: &Line) -> Result<()> {
        let text = serde_json::to_string(line)? + "\n";
        self.file.write_all(text.as_bytes()).with_context(|| format!("writing to {}", self.path.display()))
    }

    fn note(&mut self, text: &str) -> Result<()> {
        self.line(&Line::Note(Note { text: text.to_owned() }))
    }

    fn end(&mut self, how: &str) -> Result<()> {
        self.line(&Line::End(End { how: how.to_owned(), ended: now().to_string(), load: machine::load() }))
    }
}

fn phases() -> Vec<record::PhaseName> {
    let kind = |phase: Phase| match phase.kind() {
        Kind::Metadata => "metadata",
        Kind::Compute => "compute",
        Kind::Data => "data",
        Kind::Wait => "wait",
        Kind::Unnamed => "unnamed",
    };
    Phase::all().map(|phase| record::PhaseName { name: phase.name().into(), kind: kind(phase).into() }).collect()
}

fn plan(ask: &Ask, entry: &Entry, filesystem: &str) -> Plan {
    let (workload, fixture) = (entry.choice.workload, &entry.fixture);
    let Tally { files, directories, symlinks, bytes, .. } = fixture.tally;
    let has = |name: &str| entry.choice.variants.iter().any(|variant| variant.name == name);
    Plan {
        workload: workload.name.to_owned(),
        question: workload.question.to_owned(),
        fixture: record::Fixture {
            name: fixture.name.clone(),
            digest: fixture.digest.clone(),
            files,
            directories,
            symlinks,
            bytes,
        },
        condition: Condition {
            cache: if ask.cold { "cold" } else { "warm" }.to_owned(),
            filesystem: filesystem.to_owned(),
            pinned: ask.pin.as_deref().map(list_of),
        },
        variants: entry
            .choice
            .variants
            .iter()
            .map(|variant| record::Variant {
                name: variant.name.to_owned(),
                what: variant.what.to_owned(),
                promises: variant.technique.promises().iter().map(|promise| promise.name().to_owned()).collect(),
                stub: variant
                    .stub
                    .filter(|stub| has(stub.of))
                    .map(|stub| record::Stub { of: stub.of.to_owned(), without: stub.without.name().to_owned() }),
            })
            .collect(),
        ladder: workload.ladder.iter().filter(|name| has(name)).map(|name| (*name).to_owned()).collect(),
        floor: workload.floor.filter(|name| has(name)).map(str::to_owned),
    }
}

/// The rounds of one entry.
struct Trial<'a> {
    ask: &'a Ask,
    entry: &'a Entry,
    at: usize,
    budget: Duration,
    stage: Stage,
    slow: Option<&'a Slow>,
    errand: Errand,
    expected: Outcome,
    out: HashSet<&'static str>,
    /// Rounds that were measured.
    rounds: u32,
    trash: u64,
    trash_limit: u64,
    removed_early: bool,
    failed: bool,
}

impl<'a> Trial<'a> {
    fn begin(
        ask: &'a Ask,
        entry: &'a Entry,
        at: usize,
        budget: Duration,
        place: &Path,
        slow: Option<&'a Slow>,
    ) -> Result<Trial<'a>> {
        let stage = Stage::set_in(place, &format!("trial-{at}"))?;
        let errand = stage.errand(entry.choice.workload.name, "", &entry.fixture);
        let errand = Errand { cold: ask.cold, pin: ask.pin.clone(), ..errand };
        let expected = (entry.choice.workload.expected)(&errand.site()).context("reading what should come out")?;
        // What should come out is read where that is fast; it is the same.
        let source = slow.map_or(errand.source.as_path(), Slow::path).to_owned();
        let errand = Errand { source, slow: slow.is_some(), ..errand };
        Ok(Trial {
            ask,
            entry,
            at,
            budget,
            stage,
            slow,
            errand,
            expected,
            out: HashSet::new(),
            rounds: 0,
            trash: 0,
            trash_limit: TRASH_LIMIT.min(free(place)? / 3),
            removed_early: false,
            failed: false,
        })
    }

    /// Gets every row ready: what is kept is made, and absence shows.
    fn get_ready(&mut self, record: &mut Record) -> Result<()> {
        self.each(record, "prepare", Pass::Ready, None)
    }

    /// Counts what each row does, at the end of the last round: tracepoints that are in place cost every call a
    /// little, so no other pass may follow.
    fn count(&mut self, record: &mut Record) -> Result<Holder> {
        let mut holder = Holder::start()?;
        let counted = self.each(record, "count", Pass::Counts, Some(self.rounds.saturating_sub(1)));
        holder.let_go();
        counted.map(|()| holder)
    }

    /// One sample of every row, in the order of the table.
    fn each(&mut self, record: &mut Record, stage: &'static str, pass: Pass, round: Option<u32>) -> Result<()> {
        let name = self.entry.choice.workload.name;
        let variants = &self.entry.choice.variants;
        let progress = Progress::begin(self.ask.telling, stage);
        for (done, variant) in variants.iter().enumerate() {
            if signals::asked_to_stop() {
                break;
            }
            if !self.out.contains(variant.name) {
                progress.at(done as u64, variants.len() as u64, &format!("{name}/{}", variant.name));
                let place = round.map(|round| (round, u32::try_from(done).unwrap_or(u32::MAX)));
                self.make_room(record)?;
                self.sample(record, variant, pass, place)?;
            }
        }
        Ok(())
    }

    /// Measures round by round. Says how it ended.
    fn measure(&mut self, record: &mut Record) -> Result<&'static str> {
        let name = self.entry.choice.workload.name;
        let progress = Progress::begin(self.ask.telling, "measure");
        let pace = Pace::begin();
        let mut round = 0;
        loop {
            if let Some(how) = self.enough(pace, round) {
                self.say_what_was_removed(record)?;
                return Ok(how);
            }
            let order = self.order(round);
            let all = self.rounds_expected(pace, round);
            for (position, (variant, pass)) in order.iter().enumerate() {
                if signals::asked_to_stop() {
                    return Ok("interrupted");
                }
                let done = u64::from(round) * order.len() as u64 + position as u64;
                let words = format!("{name} {}/{all} rounds, {}", round + 1, variant.name);
                progress.at(done, u64::from(all) * order.len() as u64, &words);
                let seat = (round, u32::try_from(position).unwrap_or(u32::MAX));
                if !self.out.contains(variant.name) {
                    self.make_room(record)?;
                    self.sample(record, variant, *pass, Some(seat))?;
                }
            }
            round += 1;
            self.rounds = round;
            if self.trash > self.trash_limit {
                self.empty_trash(record)?;
            }
        }
    }

    fn enough(&self, pace: Pace, round: u32) -> Option<&'static str> {
        match self.ask.rounds {
            _ if self.out.len() == self.entry.choice.variants.len() => Some("complete"),
            Rounds::Count(count) => (round >= count).then_some("complete"),
            // A round that would end later than the budget is not begun.
            Rounds::Budget(_) => (round > 0 && self.rounds_expected(pace, round) <= round).then_some("budget"),
        }
    }

    /// How many rounds there will be in all, when so many are done: a sample to come takes as long as one did so far,
    /// and the counts pass has one of each row.
    fn rounds_expected(&self, pace: Pace, done: u32) -> u32 {
        let Rounds::Count(count) = self.ask.rounds else {
            let samples = |round: u32| {
                let passes = if round < ROUNDS_WITH_PHASES { 2 } else { 1 };
                passes * (self.entry.choice.variants.len() - self.out.len()) as u64
            };
            let so_far: u64 = (0..done).map(samples).sum();
            let sample = pace.passed().as_secs_f64() / so_far.max(1) as f64;
            let mut round = done;
            let mut all = (so_far + samples(ROUNDS_WITH_PHASES)) as f64;
            loop {
                all += samples(round) as f64;
                if done == 0 || sample * all > self.budget.as_secs_f64() || round >= 1_000_000 {
                    return round.max(1);
                }
                round += 1;
            }
        };
        count
    }

    /// Every row with every pass of this round, shuffled by the seed.
    fn order(&self, round: u32) -> Vec<(Variant, Pass)> {
        let mut order = Vec::new();
        for variant in &self.entry.choice.variants {
            order.push((*variant, Pass::Wall));
            if round < ROUNDS_WITH_PHASES {
                order.push((*variant, Pass::Phases));
            }
        }
        Chance::seeded(self.ask.seed ^ (u64::from(round) << 32) ^ self.entry.number as u64).shuffle(&mut order);
        order
    }

    /// One sample: an empty target, a fresh process, the yardstick, a line in the record.
    fn sample(&mut self, record: &mut Record, variant: &Variant, pass: Pass, place: Option<(u32, u32)>) -> Result<()> {
        self.reset_target(record)?;
        let named = |peer: &&String| peer_name(peer) == Some(variant.name);
        let errand = Errand {
            variant: variant.name.to_owned(),
            peer: self.ask.peers.iter().find(named).cloned(),
            pass,
            ..self.errand.clone()
        };
        let failed = |how: &str, told: String| {
            Line::Failed(Failed {
                plan: self.at,
                variant: variant.name.to_owned(),
                round: place.map(|(round, _)| round),
                how: how.to_owned(),
                told,
            })
        };
        if let Some(slow) = self.slow {
            slow.be_fast();
        }
        let line = match send(&errand, self.ask.limit)? {
            Ended::Stopped | Ended::Answered(Answer::Ready(_) | Answer::Places(_) | Answer::Flame(_)) => return Ok(()),
            Ended::Answered(Answer::Absent { why, mend }) => {
                self.out.insert(variant.name);
                let absent = Absent { plan: self.at, variant: variant.name.to_owned(), why, mend };
                return record.line(&Line::Absent(absent));
            }
            Ended::Crashed(told) => failed("crashed", told),
            Ended::Hung(told) => {
                let limit = clock_of(self.ask.limit);
                failed("hung", format!("killed after {limit} (a longer --limit lets it go on). {told}"))
            }
            Ended::Answered(Answer::Reading(reading)) => {
                let promises = variant.technique.promises();
                let (outcome, differences) = self.hold_against(&errand, promises);
                if differences.is_empty() {
                    let (round, position) = place.expect("a reading has a place in a round");
                    return record.line(&Line::Sample(Box::new(Sample {
                        plan: self.at,
                        variant: variant.name.to_owned(),
                        pass: pass.name().to_owned(),
                        round,
                        position,
                        reading,
                        outcome: outcome.digest(promises),
                    })));
                }
                let more = differences.len().saturating_sub(3);
                let mut told = differences[..differences.len().min(3)].join("; ");
                if more > 0 {
                    told += &format!("; and {more} more");
                }
                failed("differs", told)
            }
        };
        self.failed = true;
        self.out.insert(variant.name);
        say(&reports::terminal::failure(&line, self.entry.choice.workload.name));
        record.line(&line)
    }

    /// What the run left, and how that is otherwise than it should be. A target that cannot be looked at is otherwise.
    fn hold_against(&self, errand: &Errand, promises: Promises) -> (Outcome, Vec<String>) {
        match (self.entry.choice.workload.outcome)(&errand.site()) {
            Ok(outcome) => {
                let differences = self.expected.differences(&outcome, promises);
                (outcome, differences)
            }
            Err(error) => (Outcome::default(), vec![format!("the outcome cannot be looked at: {error:#}")]),
        }
    }

    fn reset_target(&mut self, record: &mut Record) -> Result<()> {
        if let Some(stale) = self.stage.stale() {
            clear_away(record, stale)?;
        }
        self.trash += Room::of(&self.entry.fixture.tally).weight();
        self.errand.target = self.stage.fresh()?;
        Ok(())
    }

    /// Removes finished trees where the next sample might not fit: a row may write more than the fixture weighs, as
    /// those do that make parity, or put all into temporary files first.
    fn make_room(&mut self, record: &mut Record) -> Result<()> {
        let next = SPARE + TREES_A_SAMPLE * Room::of(&self.entry.fixture.tally).weight();
        if self.stage.keeps_trees() && self.trash > 0 && free(self.stage.dir())? < next {
            self.empty_trash(record)?;
        }
        Ok(())
    }

    fn empty_trash(&mut self, record: &mut Record) -> Result<()> {
        self.removed_early |= self.stage.keeps_trees();
        self.trash = 0;
        clear_away(record, &self.stage.targets())
    }

    fn say_what_was_removed(&self, record: &mut Record) -> Result<()> {
        if self.removed_early {
            record.note(
                "finished trees were removed between rounds, for want of room: on ext4 without a journal the creates \
                 after that are dearer, for every row alike",
            )?;
        }
        Ok(())
    }

    fn clear(&mut self, record: &mut Record) -> Result<()> {
        clear_away(record, self.stage.dir())
    }
}

/// What a row left that cannot be removed stays, with a note; the run goes on beside it.
fn clear_away(record: &mut Record, place: &Path) -> Result<()> {
    if let Err(error) = remove_tree(place) {
        let note = format!("what a row left could not be removed: {error:#}");
        say(&format!("note: {note}"));
        record.note(&note)?;
    }
    Ok(())
}
