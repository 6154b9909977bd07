//! A budget of memory that several puts share: who finds too little left waits until another is done.

use std::sync::{Condvar, Mutex, PoisonError};

/// So many bytes for all.
#[derive(Debug)]
pub struct Budget {
    all: u64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: u64,
    most: u64,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn of(all: u64) -> Budget {
        Budget { all, state: Mutex::default(), freed: Condvar::new() }
    }

    /// The whole budget.
    pub fn all(&self) -> u64 {
        self.all
    }

    /// The most that was ever taken at once.
    pub fn most(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).most
    }

    /// Takes so many bytes, and waits for them where it must; none if the whole budget is less.
    pub fn take(&self, bytes: u64) -> Option<Held<'_>> {
        if bytes > self.all {
            return None;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.taken + bytes > self.all {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.taken += bytes;
        state.most = state.most.max(state.taken);
        Some(Held { budget: self, bytes })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.state.lock().unwrap_or_else(PoisonError::into_inner).taken -= self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let budget = Budget::of(10);
        assert!(budget.take(11).is_none());
        std::thread::scope(|scope| {
            for _ in 0..50 {
                scope.spawn(|| {
                    let held = budget.take(4).unwrap();
                    std::thread::yield_now();
                    drop(held);
                });
            }
        });
        assert!(budget.most() <= 8, "{}", budget.most());
        assert!(budget.take(10).is_some());
    }
}
