//! Prefetch as the post-mortem's tool has it: a helper opens the objects that come next, in the order in which they
//! come, and has the kernel read them. It holds at most so many, gives up those that nobody took for longest, and
//! looks further ahead while workers find there what they want.

use crate::job::Job;
use rustix::fs::{Advice, CWD, Mode, OFlags, fadvise, openat};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// After so many questions the depth is thought over.
const ROUND: u64 = 16;

/// Objects that were opened before anybody asked.
pub(crate) struct Prefetch<'a> {
    job: &'a Job<'a>,
    most: usize,
    state: Mutex<State>,
    news: Condvar,
}

struct State {
    /// Contents and their objects, that which is longest there first.
    opened: VecDeque<(u32, OwnedFd)>,
    /// The next place in the order of written files that the helper looks at, and the place that it stops before.
    next: usize,
    until: usize,
    depth: Depth,
    over: bool,
}

/// How far the helper looks ahead, by its luck.
struct Depth {
    files: usize,
    most: usize,
    asked: u64,
    hits: u64,
}

impl Depth {
    fn new(most: usize) -> Depth {
        Depth { files: 2.min(most), most, asked: 0, hits: 0 }
    }

    /// Books whether a question was answered. Four of five, and it looks twice as far; fewer than half, half as far.
    fn book(&mut self, hit: bool) {
        self.asked += 1;
        self.hits += u64::from(hit);
        if self.asked == ROUND {
            if self.hits * 5 >= ROUND * 4 {
                self.files = (self.files * 2).min(self.most);
            } else if self.hits * 2 < ROUND {
                self.files = (self.files / 2).max(1);
            }
            (self.asked, self.hits) = (0, 0);
        }
    }
}

impl<'a> Prefetch<'a> {
    pub(crate) fn new(job: &'a Job<'a>, most: usize) -> Prefetch<'a> {
        let state = State { opened: VecDeque::new(), next: 0, until: 0, depth: Depth::new(most), over: false };
        Prefetch { job, most, state: Mutex::new(state), news: Condvar::new() }
    }

    /// The object of the written file at that place, where it is open already. What comes next is asked for.
    pub(crate) fn take(&self, at: usize) -> Option<OwnedFd> {
        let content = self.content(at);
        let mut state = self.lock();
        let found = state.opened.iter().position(|(one, _)| *one == content);
        let object = found.and_then(|found| state.opened.remove(found)).map(|(_, object)| object);
        state.depth.book(object.is_some());
        state.next = state.next.max(at + 1);
        state.until = state.until.max((at + 1 + state.depth.files).min(self.job.plan.written.len()));
        drop(state);
        self.news.notify_one();
        self.job.ready.asked.fetch_add(1, Relaxed);
        self.job.ready.hits.fetch_add(u64::from(object.is_some()), Relaxed);
        object
    }

    /// What the helper does until it is over.
    pub(crate) fn help(&self) {
        while let Some(content) = self.wanted() {
            let path = self.job.ready.store.join(self.job.catalogue.contents[content as usize].object());
            // What cannot be opened is asked for again by who needs it, and told by them.
            let Ok(object) = openat(CWD, &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else { continue };
            // Advice that is not taken costs a little time and nothing else.
            let _ = fadvise(object.as_fd(), 0, None, Advice::WillNeed);
            let mut state = self.lock();
            state.opened.push_back((content, object));
            let too_many = if state.opened.len() > self.most { state.opened.pop_front() } else { None };
            drop(state);
            drop(too_many);
        }
    }

    /// Sends the helper home.
    pub(crate) fn end(&self) {
        self.lock().over = true;
        self.news.notify_all();
    }

    /// The next content that should be opened, when there is one; none when it is over.
    fn wanted(&self) -> Option<u32> {
        let mut state = self.lock();
        loop {
            if state.over {
                return None;
            }
            if state.next < state.until {
                let content = self.content(state.next);
                state.next += 1;
                if state.opened.iter().all(|(one, _)| *one != content) {
                    return Some(content);
                }
                continue;
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn content(&self, at: usize) -> u32 {
        self.job.file(self.job.plan.written[at]).content
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_follows_luck_within_its_limits() {
        let mut depth = Depth::new(16);
        let mut rounds = |hits: u64, rounds: u64| {
            for _ in 0..rounds {
                (0..ROUND).for_each(|at| depth.book(at < hits));
            }
            depth.files
        };
        assert_eq!(rounds(ROUND, 1), 4);
        assert_eq!(rounds(ROUND, 5), 16);
        assert_eq!(rounds(10, 3), 16, "neither lucky nor unlucky");
        assert_eq!(rounds(7, 1), 8);
        assert_eq!(rounds(0, 9), 1);
    }
}
