//! Duels: pairs of fresh processes, A and B in an order by a coin, block against block on the same processor.
//!
//! The blocks of one pair are one sample: what lies where in memory differs from process to process and stays for a
//! process's whole life, so that its blocks err together. Pooling them gave 25 to 43 per cent false alarms.

use super::player::{Player, Started};
use super::worker::{Block, Orders};
use crate::once::Errand;
use crate::plant::Plant;
use crate::refusal::{Exit, Refusal};
use crate::removal::remove_tree;
use crate::stage::Stage;
use anyhow::{Context, Result};
use fixtures::Fixture;
use reports::comparison::{Pair, Shape};
use reports::stats::chance::Chance;
use reports::stats::within::{Quad, outliers, pair_log_ratio};
use std::path::{Path, PathBuf};
use std::time::Duration;
use technique::{Absent, Outcome, Variant, Workload};

/// One side of a comparison.
#[derive(Clone)]
pub struct Side {
    /// The build.
    pub program: PathBuf,
    /// The row.
    pub variant: Variant,
    /// Something planted in it.
    pub plant: Plant,
}

/// Two sides, and where they meet.
pub struct Duel<'a> {
    workload: &'static Workload,
    sides: [Side; 2],
    fixture: &'a Fixture,
    stage: Stage,
    expected: Outcome,
    shape: Shape,
    chance: Chance,
    limit: Duration,
    processors: usize,
    cpu_ns: f64,
    trash: u64,
}

/// A whole run that takes longer is a sample by itself.
const WHOLE: f64 = 20e6;
/// What a block should take; where several workers run, starting them must not matter.
const BLOCK: f64 = 2e6;
const BLOCK_OF_MANY: f64 = 20e6;
/// What the blocks of a pair should take in all.
const PAIR: f64 = 80e6;
/// What a process does before its blocks count.
const WARM: f64 = 4e6;
/// Padding is drawn up to so many bytes.
const PAD: usize = 4096;
/// More finished trees than this are removed between pairs.
const TRASH: u64 = 1 << 30;

/// How a duel is set up.
pub enum Set<'a> {
    /// It can begin.
    Ready(Box<Duel<'a>>),
    /// A side cannot run here.
    Absent(Absent),
}

impl<'a> Duel<'a> {
    /// Sets two sides against each other: finds out how long one run takes, and cuts the pairs to that.
    pub fn set(
        workload: &'static Workload,
        sides: [Side; 2],
        fixture: &'a Fixture,
        stage: Stage,
        seed: u64,
        limit: Duration,
    ) -> Result<Set<'a>> {
        let errand = stage.errand(workload.name, sides[0].variant.name, fixture);
        let expected = (workload.expected)(&errand.site()).context("reading what should come out")?;
        let shape = Shape { whole: true, times: 1, quads: 1, workers: 1 };
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let chance = Chance::seeded(seed);
        let mut duel =
            Duel { workload, sides, fixture, stage, expected, shape, chance, limit, processors, cpu_ns: 0.0, trash: 0 };
        let mut slower: f64 = 0.0;
        for side in 0..2 {
            let target = duel.stage.cleared()?;
            let mut player = match duel.start(side, &target, None)? {
                Started::Ready(player) => player,
                Started::Absent(absent) => return Ok(Set::Absent(absent)),
            };
            let blocks = probe(&mut player)?;
            let last = player.end()?;
            duel.hold_against(side, &last)?;
            duel.shape.workers = blocks.iter().map(|block| block.workers).fold(duel.shape.workers, usize::max);
            let best = |of: fn(&Block) -> u64| blocks.iter().map(of).min().unwrap_or(1) as f64;
            slower = slower.max(best(|block| block.wall_ns));
            duel.cpu_ns = duel.cpu_ns.max(best(|block| block.cpu_ns));
        }
        duel.shape = cut(slower, duel.shape.workers);
        Ok(Set::Ready(Box::new(duel)))
    }

    /// What one run takes of a processor, at best, of the slower side.
    pub fn cpu_ns(&self) -> f64 {
        self.cpu_ns
    }

    /// Adds so many turns of an empty loop to every run of B.
    pub fn delay(&mut self, turns: u64) {
        self.sides[1].plant.turns = turns;
    }

    /// How pairs are cut.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// One pair. A control has the first side on both.
    pub fn pair(&mut self, number: u32, control: bool) -> Result<Pair> {
        let b = usize::from(!control);
        // One processor for both, so that none has the better one; several workers go where the kernel puts them.
        let processor = (self.shape.workers == 1).then(|| self.chance.place(self.processors));
        let a_first = self.chance.place(2) == 0;
        let targets = [self.stage.fresh()?, self.stage.fresh()?];
        let quads = if self.shape.whole {
            vec![self.one_after_the_other([0, b], a_first, &targets, processor)?]
        } else {
            self.turn_by_turn([0, b], a_first, &targets, processor)?
        };
        self.clear(&targets)?;
        let walls: Vec<Quad> = quads.iter().map(|quad| quad.map_to_quad(|block| block.wall_ns)).collect();
        let cpus: Vec<Quad> = quads.iter().map(|quad| quad.map_to_quad(|block| block.cpu_ns)).collect();
        let blocks = || quads.iter().flat_map(FourBlocks::each);
        Ok(Pair {
            number,
            control,
            processor,
            a_first,
            log_ratio: pair_log_ratio(&walls).context("a pair has readings")?,
            cpu_log_ratio: pair_log_ratio(&cpus),
            waits: blocks().map(|block| block.waits).sum(),
            disturbed: blocks().filter(|block| block.involuntary > 0 || block.major_faults > 0).count(),
            far: outliers(&walls),
            walls: quads.iter().map(|quad| [quad.a, quad.b].map(|pair| pair.map(|block| block.wall_ns))).collect(),
        })
    }

    /// Both alive, block by block: ABBA or BAAB by a coin, after each has warmed up.
    fn turn_by_turn(
        &mut self,
        sides: [usize; 2],
        a_first: bool,
        targets: &[PathBuf; 2],
        processor: Option<usize>,
    ) -> Result<Vec<FourBlocks>> {
        let order = if a_first { [0, 1] } else { [1, 0] };
        let mut players: [Option<Player>; 2] = [None, None];
        for seat in order {
            players[seat] = Some(self.must_start(sides[seat], &targets[seat], processor)?);
        }
        let [Some(mut a), Some(mut b)] = players else { unreachable!("both were started") };
        for player in [&mut a, &mut b] {
            let mut warmed = 0.0;
            while warmed < WARM {
                warmed += player.block()?.wall_ns.max(1) as f64;
            }
        }
        let mut quads = Vec::new();
        for _ in 0..self.shape.quads {
            let quad = if self.chance.place(2) == 0 {
                let (a1, b1, b2, a2) = (a.block()?, b.block()?, b.block()?, a.block()?);
                FourBlocks { a: [a1, a2], b: [b1, b2] }
            } else {
                let (b1, a1, a2, b2) = (b.block()?, a.block()?, a.block()?, b.block()?);
                FourBlocks { a: [a1, a2], b: [b1, b2] }
            };
            quads.push(quad);
        }
        for (side, player) in [(sides[0], a), (sides[1], b)] {
            let last = player.end()?;
            self.hold_against(side, &last)?;
        }
        Ok(quads)
    }

    /// Runs that take long: each side once, in a process of its own.
    fn one_after_the_other(
        &mut self,
        sides: [usize; 2],
        a_first: bool,
        targets: &[PathBuf; 2],
        processor: Option<usize>,
    ) -> Result<FourBlocks> {
        let mut blocks = [Block::default(); 2];
        for seat in if a_first { [0, 1] } else { [1, 0] } {
            let mut player = self.must_start(sides[seat], &targets[seat], processor)?;
            blocks[seat] = player.block()?;
            let last = player.end()?;
            self.hold_against(sides[seat], &last)?;
        }
        Ok(FourBlocks { a: [blocks[0]; 2], b: [blocks[1]; 2] })
    }

    fn start(&mut self, side: usize, target: &Path, processor: Option<usize>) -> Result<Started> {
        let Side { program, variant, plant } = &self.sides[side];
        let errand = self.stage.errand(self.workload.name, variant.name, self.fixture);
        let pin = processor.map(|one| vec![one]);
        let errand = Errand { target: target.to_owned(), pin, plant: *plant, ..errand };
        let orders = Orders { errand, times: self.shape.times, pad: self.chance.place(PAD) };
        Player::start(program, &orders, self.chance.place(PAD), self.limit)
    }

    fn must_start(&mut self, side: usize, target: &Path, processor: Option<usize>) -> Result<Player> {
        match self.start(side, target, processor)? {
            Started::Ready(player) => Ok(*player),
            Started::Absent(absent) => Err(absent.into()),
        }
    }

    /// The yardstick: what a process left is what should come out, or nothing of it counts.
    fn hold_against(&self, side: usize, target: &Path) -> Result<()> {
        let variant = &self.sides[side].variant;
        let mut errand = self.stage.errand(self.workload.name, variant.name, self.fixture);
        target.clone_into(&mut errand.target);
        let outcome = (self.workload.outcome)(&errand.site()).context("looking at the outcome")?;
        let differences = self.expected.differences(&outcome, variant.technique.promises());
        if differences.is_empty() {
            return Ok(());
        }
        let what = format!(
            "{}/{} comes out otherwise than it should: {}",
            self.workload.name,
            variant.name,
            differences[..differences.len().min(3)].join("; ")
        );
        Err(Refusal { exit: Exit::Differ, what, mend: "a row that is wrong has no number: mend it first".into() }
            .into())
    }

    fn clear(&mut self, targets: &[PathBuf; 2]) -> Result<()> {
        if !self.stage.keeps_trees() {
            return targets.iter().try_for_each(|target| remove_tree(target));
        }
        // Each side leaves as many trees as it had runs.
        let runs = 2 * (u64::from(self.shape.times) * u64::from(2 * self.shape.quads) + 4);
        self.trash += runs * self.fixture.tally.bytes;
        if self.trash > TRASH {
            self.trash = 0;
            remove_tree(&self.stage.targets())?;
        }
        Ok(())
    }
}

/// Four blocks that ran one after another.
struct FourBlocks {
    a: [Block; 2],
    b: [Block; 2],
}

impl FourBlocks {
    fn map_to_quad(&self, reading: impl Fn(&Block) -> u64) -> Quad {
        let of = |blocks: &[Block; 2]| [reading(&blocks[0]) as f64, reading(&blocks[1]) as f64];
        Quad { a: of(&self.a), b: of(&self.b) }
    }

    fn each(&self) -> impl Iterator<Item = &Block> {
        self.a.iter().chain(&self.b)
    }
}

/// A few runs, to see how long one takes: three, or as many more as are short.
fn probe(player: &mut Player) -> Result<Vec<Block>> {
    const FEWEST: usize = 3;
    const MOST: usize = 20;
    let mut blocks: Vec<Block> = Vec::new();
    let mut all = 0;
    while blocks.len() < FEWEST || (blocks.len() < MOST && (all as f64) < WHOLE) {
        let block = player.block()?;
        all += block.wall_ns;
        blocks.push(block);
    }
    Ok(blocks)
}

/// How pairs are cut where one run takes so many nanoseconds.
fn cut(run: f64, workers: usize) -> Shape {
    if run >= WHOLE {
        return Shape { whole: true, times: 1, quads: 1, workers };
    }
    let block = if workers > 1 { BLOCK_OF_MANY } else { BLOCK };
    let times = (block / run.max(1.0)).ceil().clamp(1.0, 100_000.0);
    let quads = (PAIR / (4.0 * times * run)).round().clamp(2.0, 16.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both were clamped")]
    let (times, quads) = (times as u32, quads as u32);
    Shape { whole: false, times, quads, workers }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_cut_to_what_a_run_takes() {
        assert!(cut(50e6, 1).whole);
        let short = cut(10e3, 1);
        assert_eq!((short.whole, short.times, short.quads), (false, 200, 10));
        let middle = cut(3e6, 1);
        assert_eq!((middle.times, middle.quads), (1, 7));
        let many = cut(3e6, 2);
        assert_eq!((many.times, many.quads), (7, 2));
    }
}
