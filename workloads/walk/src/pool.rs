//! Pools: threads that steal directories from each other.

use crate::crew::pin;
use crate::hand::Hand;
use crate::job::{Job, Task, Todo};
use crate::place::Place;
use anyhow::{Context, Result, anyhow};
use crossbeam_deque::{Steal, Stealer, Worker};
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex};
use std::thread;
use technique::phase::{SETUP, WAIT};

/// A crew whose threads steal from each other.
struct Pool<'a> {
    job: &'a Job<'a>,
    stealers: Vec<Stealer<Task>>,
    /// Tasks that are not done yet.
    pending: AtomicUsize,
    idle: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

/// Lists the root and all below it; gives the hands back when nothing is left.
pub(crate) fn stealing<'a>(
    job: &'a Job<'a>,
    hands: Vec<Hand<'a>>,
    root: Place,
    processors: &'a [usize],
) -> Result<Vec<Hand<'a>>> {
    let queues: Vec<Worker<Task>> = hands.iter().map(|_| Worker::new_lifo()).collect();
    queues[0].push(Task::Directory(root));
    let pool = Pool {
        job,
        stealers: queues.iter().map(Worker::stealer).collect(),
        pending: AtomicUsize::new(1),
        idle: AtomicUsize::new(0),
        bed: Mutex::new(()),
        bell: Condvar::new(),
    };
    let pool = &pool;
    thread::scope(|scope| {
        let threads: Vec<_> = hands
            .into_iter()
            .zip(queues)
            .map(|(mut hand, queue)| {
                let started =
                    thread::Builder::new().name(format!("walker {}", hand.worker)).spawn_scoped(scope, move || {
                        let _leaving = Leaving(pool);
                        pin(job, hand.worker, processors)?;
                        hand.lap.mark(SETUP);
                        pool.serve(&queue, &mut hand).inspect_err(|_| pool.give_up())?;
                        hand.writer.finish(&mut hand.lap)?;
                        Ok(hand)
                    });
                started.inspect_err(|_| pool.give_up()).context("starting a thread: fewer may fit")
            })
            .collect();
        threads.into_iter().map(|thread| thread?.join().map_err(|_| anyhow!("a walker panicked"))?).collect()
    })
}

/// Wakes the others where a thread leaves by a panic: they would wait for its tasks for ever.
struct Leaving<'p, 'a>(&'p Pool<'a>);

impl Drop for Leaving<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.give_up();
        }
    }
}

impl Pool<'_> {
    fn serve(&self, queue: &Worker<Task>, hand: &mut Hand<'_>) -> Result<()> {
        let mut own = Own { pool: self, queue };
        while let Some(task) = self.next(queue, hand.worker) {
            hand.lap.mark(WAIT);
            hand.act(task, &mut own)?;
            if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.wake_all();
            }
        }
        Ok(())
    }

    /// The next thing to do; none when all is done, or when somebody gave up.
    fn next(&self, queue: &Worker<Task>, worker: usize) -> Option<Task> {
        loop {
            if self.job.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(task) = queue.pop().or_else(|| self.steal(queue, worker)) {
                return Some(task);
            }
            if self.pending.load(Ordering::Acquire) == 0 {
                return None;
            }
            self.sleep();
        }
    }

    /// Takes from the others, the next one first, about half of what one has.
    fn steal(&self, queue: &Worker<Task>, worker: usize) -> Option<Task> {
        let others = self.stealers.len();
        for at in 1..others {
            let victim = &self.stealers[(worker + at) % others];
            loop {
                match victim.steal_batch_and_pop(queue) {
                    Steal::Success(task) => return Some(task),
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
        None
    }

    /// Sleeps until there may be something to do. Who adds a task looks at `idle` after adding it, and who sleeps
    /// looks for tasks after counting itself there, so one of the two sees the other.
    fn sleep(&self) {
        let bed = self.bed.lock().expect("nobody panics in bed");
        self.idle.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let nothing = self.stealers.iter().all(Stealer::is_empty);
        if nothing && self.pending.load(Ordering::SeqCst) > 0 && !self.job.stop.load(Ordering::SeqCst) {
            drop(self.bell.wait(bed).expect("nobody panics in bed"));
        }
        self.idle.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake_all(&self) {
        drop(self.bed.lock().expect("nobody panics in bed"));
        self.bell.notify_all();
    }

    fn give_up(&self) {
        self.job.stop.store(true, Ordering::SeqCst);
        self.wake_all();
    }
}

/// What one thread of a pool has to do.
struct Own<'p, 'a> {
    pool: &'p Pool<'a>,
    queue: &'p Worker<Task>,
}

impl Todo for Own<'_, '_> {
    fn add(&mut self, task: Task) {
        // One directory its finder lists itself soon enough; it is not worth waking anybody.
        let worth_waking = matches!(task, Task::Share { .. }) || !self.queue.is_empty();
        self.pool.pending.fetch_add(1, Ordering::Relaxed);
        self.queue.push(task);
        fence(Ordering::SeqCst);
        if worth_waking && self.anyone_idle() {
            drop(self.pool.bed.lock().expect("nobody panics in bed"));
            self.pool.bell.notify_one();
        }
    }

    fn anyone_idle(&self) -> bool {
        self.pool.idle.load(Ordering::Relaxed) > 0
    }
}
