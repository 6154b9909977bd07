//! Crews: how directories are spread over threads.

use crate::hand::Hand;
use crate::job::{Failure, Job, Task, Todo};
use crate::place::Place;
use crate::pool::stealing;
use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread::{self, Scope};
use technique::Lap;
use technique::phase::WAIT;

/// How directories are spread over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// A thread for each directory while fewer than so many run; else who finds it lists it itself. So does pwalk.
    ThreadEach(usize),
    /// So many threads; each lists what it finds, the last first, and steals from others when it has none.
    Stealing(Threads),
}

/// How many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// So many.
    Of(usize),
    /// As many as there are processors.
    EachProcessor,
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many names directories gave. The root is none.
    pub found: u64,
    /// How many of them were recorded.
    pub entries: u64,
    /// How many could not be recorded, and directories that could not be listed.
    pub failed: u64,
    /// How many directories could not be listed, or not to their end. But for the root they are among the entries.
    pub unlisted: u64,
    /// They, up to ten thousand a thread.
    pub failures: Vec<Failure>,
    /// Directories on other file systems that were recorded but not entered.
    pub not_entered: u64,
    /// How many threads worked: fewer than were asked for where no more fit below the limit on open files.
    pub threads: usize,
}

impl Report {
    /// Whether every name that was found is either recorded or among what failed.
    pub fn adds_up(&self) -> bool {
        self.found + self.unlisted == self.entries + self.failed
    }
}

impl Crew {
    /// How many threads work at once.
    pub(crate) fn size(self, processors: &[usize]) -> usize {
        match self {
            Crew::ThreadEach(most) | Crew::Stealing(Threads::Of(most)) => most.max(1),
            Crew::Stealing(Threads::EachProcessor) => processors.len().max(1),
        }
    }

    /// Walks.
    pub(crate) fn work<'a>(self, job: &'a Job<'a>, processors: &'a [usize], lap: &mut Lap) -> Result<Report> {
        let laps = lap.fork(self.size(processors));
        let hands = laps.into_iter().enumerate().map(|(worker, mut lap)| {
            lap.mark(WAIT);
            Hand::new(job, worker, lap)
        });
        let hands = hands.collect::<Result<Vec<Hand<'a>>>>()?;
        let root = Place { path: job.path.clone(), number: 0, meta: job.meta, above: 0, depth: 0 };
        let hands = match self {
            Crew::ThreadEach(_) => thread_each(job, hands, root, processors)?,
            Crew::Stealing(_) => stealing(job, hands, root, processors)?,
        };
        let mut report = Report { threads: hands.len(), ..Report::default() };
        let mut laps = Vec::new();
        for hand in hands {
            report.found += hand.found;
            report.entries += hand.entries;
            report.unlisted += hand.unlisted;
            report.failed += hand.failed;
            report.not_entered += hand.not_entered;
            report.failures.extend(hand.failures);
            laps.push(hand.lap);
        }
        lap.join(laps);
        Ok(report)
    }
}

/// Keeps the calling thread on one processor, where that is asked for.
pub(crate) fn pin(job: &Job<'_>, worker: usize, processors: &[usize]) -> Result<()> {
    if job.walk.pinned && !processors.is_empty() {
        let mut set = CpuSet::new();
        set.set(processors[worker % processors.len()]);
        sched_setaffinity(None, &set).context("keeping a thread on its processor")?;
    }
    Ok(())
}

/// A crew in which each directory gets a thread while hands are free.
struct Bench<'a> {
    job: &'a Job<'a>,
    processors: &'a [usize],
    /// The hands that have nothing to do.
    free: Mutex<Vec<Hand<'a>>>,
    error: Mutex<Option<anyhow::Error>>,
}

fn thread_each<'a>(
    job: &'a Job<'a>,
    mut hands: Vec<Hand<'a>>,
    root: Place,
    processors: &'a [usize],
) -> Result<Vec<Hand<'a>>> {
    let first = hands.pop().context("there is at least one hand")?;
    let bench = Bench { job, processors, free: Mutex::new(hands), error: Mutex::new(None) };
    thread::scope(|scope| bench.start(scope, first, Task::Directory(root)));
    if let Some(error) = bench.error.into_inner().expect("nobody panics while holding it") {
        return Err(error);
    }
    let mut hands = bench.free.into_inner().expect("nobody panics while holding it");
    hands.sort_by_key(|hand| hand.worker);
    for hand in &mut hands {
        hand.lap.mark(WAIT);
        hand.writer.finish(&mut hand.lap)?;
    }
    Ok(hands)
}

impl<'a> Bench<'a> {
    /// Starts a thread that lists a directory, and those below that no other thread takes.
    fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, mut hand: Hand<'a>, task: Task)
    where
        'a: 'scope,
    {
        let started = thread::Builder::new().name(format!("walker {}", hand.worker)).spawn_scoped(scope, move || {
            hand.lap.mark(WAIT);
            let done = pin(self.job, hand.worker, self.processors).and_then(|()| self.descend(scope, &mut hand, task));
            self.keep_first(done);
            self.free.lock().expect("nobody panics while holding it").push(hand);
        });
        self.keep_first(started.map(drop).context("starting a thread: fewer may fit"));
    }

    fn descend<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, hand: &mut Hand<'a>, task: Task) -> Result<()>
    where
        'a: 'scope,
    {
        let mut own = vec![task];
        let mut found = Found(Vec::new());
        while let Some(task) = own.pop() {
            if self.job.stop.load(Ordering::Relaxed) {
                break;
            }
            hand.act(task, &mut found)?;
            for task in found.0.drain(..) {
                let free = self.free.lock().expect("nobody panics while holding it").pop();
                match free {
                    Some(other) => self.start(scope, other, task),
                    None => own.push(task),
                }
            }
            hand.lap.mark(WAIT);
        }
        Ok(())
    }

    fn keep_first(&self, done: Result<()>) {
        if let Err(error) = done {
            self.job.stop.store(true, Ordering::Relaxed);
            self.error.lock().expect("nobody panics while holding it").get_or_insert(error);
        }
    }
}

/// What one directory led to.
struct Found(Vec<Task>);

impl Todo for Found {
    fn add(&mut self, task: Task) {
        self.0.push(task);
    }

    fn anyone_idle(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Walk, best};

    /// A tree whose records fill more than a buffer.
    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for dir in 0..30 {
            let dir = tree.path().join(dir.to_string());
            std::fs::create_dir(&dir).unwrap();
            (0..200).for_each(|nth| std::fs::write(dir.join(format!("{nth:0>200}")), "").unwrap());
        }
        tree
    }

    #[test]
    fn one_entry_that_is_lost_in_silence_is_seen() {
        let whole = Report { found: 5, entries: 4, failed: 2, unlisted: 1, ..Report::default() };
        assert!(whole.adds_up());
        assert!(!Report { entries: 3, ..whole }.adds_up());
    }

    #[test]
    fn a_full_disk_ends_the_walk_of_every_crew() {
        let full = std::path::Path::new("/dev/full");
        if !full.exists() {
            return technique::absent::skip("full", "there is no /dev/full");
        }
        let tree = tree();
        for crew in [Crew::ThreadEach(4), Crew::Stealing(Threads::Of(4)), Crew::Stealing(Threads::Of(1))] {
            let walk = Walk { crew, ..best() };
            let mut lap = Lap::start(true);
            let job = walk.begin(tree.path(), full.to_owned(), 4, &mut lap).unwrap();
            let error = format!("{:#}", crew.work(&job, &[0], &mut lap).unwrap_err());
            assert!(error.contains("is there room?") && error.contains("No space left"), "{error}");
        }
    }

    #[test]
    fn no_thread_waits_for_ever_however_many_there_are() {
        let tree = tree();
        let out = tempfile::tempdir().unwrap();
        for threads in [1, 2, 3, 16, 64] {
            for crew in [Crew::ThreadEach(threads), Crew::Stealing(Threads::Of(threads))] {
                let walk = Walk { crew, ..best() };
                for _ in 0..5 {
                    let mut lap = Lap::start(false);
                    let job = walk.begin(tree.path(), out.path().join("out"), threads, &mut lap).unwrap();
                    let report = crew.work(&job, &[0], &mut lap).unwrap();
                    assert_eq!((report.entries, report.failed), (30 * 201, 0), "{crew:?}");
                    assert!(report.adds_up(), "{crew:?}: {report:?}");
                }
            }
        }
    }
}
