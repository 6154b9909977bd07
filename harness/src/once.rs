//! The child's side: one sample of one row, in a process of its own. One JSON line on stdout.

use crate::catalogue;
use crate::flame::{self, Kind, Taken};
use crate::measured::reading;
use crate::plant::{Plant, Planted};
use crate::probes::traced::{self, Traced};
use crate::probes::{Probes, places};
use crate::refusal::Refusal;
use anyhow::{Context, Result};
use reports::record::{Counted, Reading};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;
use technique::{Absent, Site};

/// What a child is to do; it travels as JSON on the command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Errand {
    /// The workload.
    pub workload: String,
    /// The row.
    pub variant: String,
    /// A row of the user's own, as `NAME=COMMAND`.
    pub peer: Option<String>,
    /// What to do.
    pub pass: Pass,
    /// Whether what is read shall be dropped from the page cache first.
    pub cold: bool,
    /// Whether the source lies on a slow file system, which is to be slow from the clock's start.
    #[serde(default)]
    pub slow: bool,
    /// The processors that it must stay on.
    #[serde(default)]
    pub pin: Option<Vec<usize>>,
    /// Something to add to the work.
    #[serde(default)]
    pub plant: Plant,
    /// What to find the places of, where that is the pass.
    #[serde(default)]
    pub metric: Option<String>,
    /// The fixture's tree.
    pub source: PathBuf,
    /// The place to fill.
    pub target: PathBuf,
    /// What is made once for all samples.
    pub kept: PathBuf,
    /// What is in the source.
    pub tally: fixtures::Tally,
}

/// One way of looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pass {
    /// Get ready only: what is kept is made, and absence shows.
    Ready,
    /// The clock alone.
    Wall,
    /// The stopwatch with its marks.
    Phases,
    /// No time at all: what is done is counted.
    Counts,
    /// The same, in a process whose parent counts its system calls.
    Traced,
    /// The stopwatch on a clock that counts: in which phases the metric grows.
    Places,
    /// Stacks, for a flame graph of this kind.
    Flame(Kind),
}

impl Pass {
    /// The word that records hold.
    pub fn name(self) -> &'static str {
        match self {
            Pass::Ready => "ready",
            Pass::Wall => "wall",
            Pass::Phases => "phases",
            Pass::Counts | Pass::Traced => "counts",
            Pass::Places => "places",
            Pass::Flame(_) => "flame",
        }
    }
}

/// What a child answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It is ready; these are the file system calls that it says a run will make.
    Ready(Option<BTreeMap<String, u64>>),
    /// It ran.
    Reading(Reading),
    /// It ran, and so much of the metric is each phase's. Nothing where that cannot be told here.
    Places(BTreeMap<String, u64>),
    /// It ran, and these are its stacks.
    Flame(Box<Taken>),
    /// It cannot run here.
    Absent {
        /// What is missing.
        why: String,
        /// What to do about it.
        mend: String,
    },
}

impl Errand {
    /// The site of the errand.
    pub fn site(&self) -> Site {
        Site::new(self.source.clone(), self.target.clone(), self.kept.clone(), self.tally)
    }
}

/// Runs the errand.
pub fn run(errand: &Errand) -> Result<Answer> {
    // A child whose runner was killed has nobody to answer to; it must not go on writing.
    let kill = rustix::process::Signal::KILL;
    rustix::process::set_parent_process_death_signal(Some(kill)).context("tying the child to its runner")?;
    if let Some(pin) = &errand.pin {
        stay_on(pin)?;
    }
    // Before anything else: what counts must be there before the threads that it is to count.
    let probes = match errand.pass {
        Pass::Counts => match probes(errand)? {
            ControlFlow::Continue(probes) => Some(probes),
            ControlFlow::Break(answer) => return Ok(answer),
        },
        Pass::Traced => {
            traced::submit()?;
            Some(Probes::open_while_traced())
        }
        Pass::Places if !places::open(errand.metric.as_deref().unwrap_or_default())? => {
            return Ok(Answer::Places(BTreeMap::new()));
        }
        _ => None,
    };
    let variant = match &errand.peer {
        Some(peer) => catalogue::peer(peer)?,
        None => *catalogue::variant_of(catalogue::workload(&errand.workload)?, &errand.variant)?,
    };
    let site = errand.site();
    let mut prepared = match variant.technique.prepare(&site) {
        Ok(prepared) => prepared,
        Err(error) => return absent_or(error, "getting ready"),
    };
    if errand.pass == Pass::Ready {
        let calls = prepared.calls().map(|calls| calls.iter().map(|(name, n)| (name.to_owned(), n)).collect());
        return Ok(Answer::Ready(calls));
    }
    if errand.plant != Plant::default() {
        prepared = Box::new(Planted::new(prepared, errand.plant, &site)?);
    }
    set_cache(&site, errand.cold)?;
    if errand.slow {
        crate::file_system::arm(&site.source)?;
    }
    let_threads_sleep()?;
    if let Pass::Flame(kind) = errand.pass {
        let taken = match flame::take(prepared.as_mut(), kind) {
            Ok(taken) => taken,
            Err(error) => return absent_or(error, "looking for a flame graph"),
        };
        prepared.settle(&site).context("settling what the work left in memory")?;
        return Ok(Answer::Flame(Box::new(taken)));
    }
    if errand.pass == Pass::Places {
        let places = places::count(prepared.as_mut())?;
        prepared.settle(&site).context("settling what the work left in memory")?;
        return Ok(Answer::Places(places));
    }
    let mut reading = match probes {
        Some(mut probes) => probes.counting(prepared.as_mut())?,
        None => reading(prepared.as_mut(), errand.pass == Pass::Phases)?,
    };
    prepared.settle(&site).context("settling what the work left in memory")?;
    if let Some(counts) = &mut reading.counts {
        let own = prepared.counted();
        counts.values.extend(own.into_iter().map(|(name, number)| (name.to_owned(), Counted::Present(number))));
        let kept = site.used().iter().map(|kept| bytes_of(kept)).sum::<Result<u64>>()?;
        if kept > 0 {
            counts.values.insert("kept_bytes".to_owned(), Counted::Present(kept));
        }
    }
    Ok(Answer::Reading(reading))
}

/// What counts in this process; or the answer of another one that had to be traced, for want of tracepoints.
fn probes(errand: &Errand) -> Result<ControlFlow<Answer, Probes>> {
    let probes = Probes::open();
    let Some(why) = probes.without_calls().map(str::to_owned) else {
        return Ok(ControlFlow::Continue(probes));
    };
    // The traced process must not inherit these counters beside its own.
    drop(probes);
    Ok(match traced::trace(errand)? {
        Traced::Answered(answer) => ControlFlow::Break(answer),
        Traced::Refused(too) => ControlFlow::Continue(Probes::open_without_calls(&format!("{why}; {too}"))),
    })
}

/// All threads that start from here on stay on these processors, and so do the programs that they start.
pub fn stay_on(processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for processor in processors {
        set.set(*processor);
    }
    sched_setaffinity(None, &set).map_err(|error| {
        Refusal::unfit(
            format!("cannot stay on processor {}: {error}", list_of(processors)),
            "name processors that this machine has and that this process may use: `nproc` tells how many",
        )
    })
}

/// `0,1`, as it is asked for.
pub fn list_of(processors: &[usize]) -> String {
    processors.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

fn absent_or(error: anyhow::Error, doing: &'static str) -> Result<Answer> {
    match error.downcast::<Absent>() {
        Ok(absent) => Ok(Answer::Absent { why: absent.why, mend: absent.mend }),
        Err(error) => Err(error.context(doing)),
    }
}

/// Warm: all that `prepare` kept is read once. Cold: the kernel drops what it can; only root may ask for that.
pub fn set_cache(site: &Site, cold: bool) -> Result<()> {
    if cold {
        rustix::fs::sync();
        std::fs::write("/proc/sys/vm/drop_caches", "3").map_err(|error| {
            Refusal::unfit(format!("cannot drop the page cache: {error}"), "run as root, or leave --cold away")
                .context("")
        })?;
        return Ok(());
    }
    for kept in site.used() {
        read_all(&kept).with_context(|| format!("warming {}", kept.display()))?;
    }
    Ok(())
}

/// Waits until no other thread of this process runs: a pool that getting ready has used still looks for work a while,
/// which is no part of the work. A thread that never sleeps is not waited for for long.
pub fn let_threads_sleep() -> Result<()> {
    const LOOKS: u32 = 200;
    const BETWEEN: Duration = Duration::from_micros(500);
    let own = rustix::thread::gettid().as_raw_nonzero().to_string();
    for _ in 0..LOOKS {
        let mut asleep = true;
        for thread in std::fs::read_dir("/proc/self/task")? {
            let thread = thread?;
            if thread.file_name().to_str() != Some(&own) {
                // A thread that is gone meanwhile does not run.
                let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
                // The state follows the name, which stands in parentheses and may hold any byte.
                asleep &= stat.is_empty() || stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'));
            }
        }
        if asleep {
            return Ok(());
        }
        std::thread::sleep(BETWEEN);
    }
    Ok(())
}

/// How long the files are that a row keeps for its runs: the store that it is as fast for.
fn bytes_of(path: &Path) -> Result<u64> {
    let looking = || format!("looking at {}", path.display());
    let meta = path.symlink_metadata().with_context(looking)?;
    if !meta.is_dir() {
        return Ok(if meta.is_file() { meta.len() } else { 0 });
    }
    let entries = std::fs::read_dir(path).with_context(looking)?;
    entries.map(|entry| bytes_of(&entry.with_context(looking)?.path())).sum()
}

/// Links are not followed: what they point to is warmed where it lies, or lies nowhere.
fn read_all(path: &Path) -> Result<()> {
    let kind = path.symlink_metadata()?.file_type();
    if kind.is_dir() {
        for entry in std::fs::read_dir(path)? {
            read_all(&entry?.path())?;
        }
    } else if kind.is_file() {
        let mut file = std::fs::File::open(path)?;
        let mut buffer = vec![0; 256 << 10];
        while std::io::Read::read(&mut file, &mut buffer)? > 0 {}
    }
    Ok(())
}
