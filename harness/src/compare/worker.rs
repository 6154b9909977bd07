//! The child's side of a comparison: a process that gets ready once and then works block by block, as it is told.

use crate::catalogue;
use crate::measured::{Used, measured};
use crate::once::{self, Errand};
use crate::plant::{Plant, Planted};
use crate::removal::remove_tree;
use crate::scratch::filesystem;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use technique::{Absent, Clock, Prepared, Site, Variant};

/// What a worker is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    /// The row, and the directory below which each run gets a target of its own.
    pub errand: Errand,
    /// How often the work is done in a block; the block's readings are the sums.
    pub times: u32,
    /// Bytes that lie at the bottom of the heap, so that where things lie differs from process to process.
    pub pad: usize,
}

/// What a worker says, one line each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// It is ready.
    Ready,
    /// It cannot run here.
    Absent {
        /// What is missing.
        why: String,
        /// What to do about it.
        mend: String,
    },
    /// It did a block.
    Block(Block),
    /// It is done; this is the target of its last run, for the yardstick.
    Done(PathBuf),
}

/// What one block took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The time under the clock.
    pub wall_ns: u64,
    /// Processor time, user and system.
    pub cpu_ns: u64,
    /// How often it gave the processor away to wait.
    pub waits: u64,
    /// How often the processor was taken away.
    pub involuntary: u64,
    /// Page faults that a disk had to answer.
    pub major_faults: u64,
    /// The most workers that ran at once.
    pub workers: usize,
}

/// Works until its input ends: a line is a block.
pub fn work(orders: &Orders) -> Result<()> {
    let kill = rustix::process::Signal::KILL;
    rustix::process::set_parent_process_death_signal(Some(kill)).context("tying the worker to its runner")?;
    if let Some(pin) = &orders.errand.pin {
        once::stay_on(pin)?;
    }
    let pad = std::hint::black_box(vec![0u8; orders.pad]);
    let workload = catalogue::workload(&orders.errand.workload)?;
    let variant = *catalogue::variant_of(workload, &orders.errand.variant)?;
    Clock::best();
    let mut bench = match Bench::set(orders, &variant) {
        Ok(bench) => bench,
        Err(error) => {
            return match error.downcast::<Absent>() {
                Ok(absent) => reply(&Reply::Absent { why: absent.why, mend: absent.mend }),
                Err(error) => Err(error.context("getting ready")),
            };
        }
    };
    reply(&Reply::Ready)?;
    for line in std::io::stdin().lock().lines() {
        line.context("reading what is to be done")?;
        let block = bench.block()?;
        reply(&Reply::Block(block))?;
    }
    reply(&Reply::Done(bench.settle()?))?;
    drop(pad);
    Ok(())
}

fn reply(reply: &Reply) -> Result<()> {
    let mut line = serde_json::to_string(reply)?;
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).context("answering")
}

/// So many bytes of memory may lie aside.
const ASIDE: u64 = 64 << 20;

/// The room that is left where a target stands.
fn room(target: &Path) -> Result<u64> {
    let left = rustix::fs::statvfs(target).with_context(|| format!("asking for room at {}", target.display()))?;
    Ok(left.f_bfree * left.f_frsize)
}

/// A row that is ready, and the site that it is ready for.
struct Bench<'a> {
    orders: &'a Orders,
    variant: &'a Variant,
    used: u32,
    aside: Vec<PathBuf>,
    /// The room there was at first, where the target is in memory.
    roomy: Option<u64>,
    ready: Box<dyn Prepared + 'a>,
    site: Site,
    fresh: bool,
}

impl<'a> Bench<'a> {
    fn set(orders: &'a Orders, variant: &'a Variant) -> Result<Bench<'a>> {
        let (ready, site) = ready(orders, variant)?;
        once::set_cache(&site, orders.errand.cold)?;
        once::let_threads_sleep()?;
        let in_memory = filesystem(&site.target) == "tmpfs";
        let roomy = in_memory.then(|| room(&site.target)).transpose()?;
        Ok(Bench { orders, variant, used: 0, aside: Vec::new(), roomy, ready, site, fresh: true })
    }

    /// Does one block.
    fn block(&mut self) -> Result<Block> {
        let mut block = Block::default();
        for _ in 0..self.orders.times {
            if !self.fresh && !self.variant.technique.repeats() {
                self.renew()?;
            }
            self.fresh = false;
            let before = Used::now()?;
            let times = measured(self.ready.as_mut(), false)?;
            let used = Used::now()?.since(&before);
            block.wall_ns += u64::try_from(times.wall.as_nanos()).expect("no run lasts 584 years");
            block.cpu_ns += used.user_ns + used.system_ns;
            block.waits += used.voluntary;
            block.involuntary += used.involuntary;
            block.major_faults += used.major_faults;
            block.workers = block.workers.max(times.workers);
        }
        Ok(block)
    }

    /// An empty target for one more run: reading the source anew for each would take several times as long as the runs.
    fn renew(&mut self) -> Result<()> {
        self.empty_target()?;
        if !self.ready.renew(&self.site)? {
            (self.ready, self.site) = ready(self.orders, self.variant)?;
        }
        Ok(())
    }

    /// What a run left is set aside: what removing it leaves for the kernel to do would fall into the runs after it.
    /// On a disk it stays aside, for creates after a removal are dearer; memory is needed again, a good deal at a time.
    fn empty_target(&mut self) -> Result<()> {
        self.used += 1;
        let target = &self.site.target;
        let aside = target.with_file_name(format!("{:06}", self.used));
        std::fs::rename(target, &aside).with_context(|| format!("setting {} aside", target.display()))?;
        std::fs::create_dir(target).with_context(|| format!("making {}", target.display()))?;
        if let Some(roomy) = self.roomy {
            self.aside.push(aside);
            if roomy.saturating_sub(room(target)?) > ASIDE {
                self.aside.drain(..).try_for_each(|aside| remove_tree(&aside))?;
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<PathBuf> {
        self.ready.settle(&self.site).context("settling what the work left in memory")?;
        Ok(self.site.target.clone())
    }
}

/// Gets the row ready on the worker's target.
fn ready<'a>(orders: &Orders, variant: &'a Variant) -> Result<(Box<dyn Prepared + 'a>, Site)> {
    let site = Errand { target: orders.errand.target.join("target"), ..orders.errand.clone() }.site();
    std::fs::create_dir_all(&site.target).with_context(|| format!("making {}", site.target.display()))?;
    let ready = variant.technique.prepare(&site)?;
    if orders.errand.plant == Plant::default() {
        return Ok((ready, site));
    }
    let planted = Planted::new(ready, orders.errand.plant, &site)?;
    Ok((Box::new(planted), site))
}
