//! Calls: how many system calls of each name a run makes, as its technique says in advance.

use std::collections::BTreeMap;

/// System calls by name.
///
/// ```
/// use technique::Calls;
/// let mut calls = Calls::default();
/// calls.add("openat", 2);
/// calls.add("close", 2);
/// calls.add("openat", 1);
/// assert_eq!(calls.of("openat"), 3);
/// assert_eq!(calls.total(), 5);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(BTreeMap<&'static str, u64>);

impl Calls {
    /// Adds calls of one name.
    pub fn add(&mut self, name: &'static str, count: u64) {
        if count > 0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// Adds all of those.
    pub fn add_all(&mut self, more: &Calls) {
        for (name, count) in more.iter() {
            self.add(name, count);
        }
    }

    /// How many of that name.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// They, name by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(name, count)| (*name, *count))
    }
}
