//! Promises: what a variant guarantees besides being right. A faster row that promises less is not a faster row.

/// One guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// A file is never seen under its final name before it is complete.
    Atomic = 1,
    /// What is done survives a power cut.
    Durable = 2,
    /// Contents are held against their hash before the work counts as done.
    Verified = 4,
    /// Modification times are those of the source.
    TimesKept = 8,
    /// Every file is its own: writing to one never changes another.
    Independent = 16,
    /// Every entry is recorded with its path.
    Named = 32,
    /// Each path comes with its inode, and whether it is a directory, its size and its time, in fields that may be too narrow.
    Described = 64,
    /// No field of a record is missing or too narrow: inode, type, mode, size and time in seconds are as the kernel says.
    Whole = 128,
    /// What goes wrong after a write was answered is told to who closes the file.
    ToldAtClose = 256,
    /// A sync that succeeds has put what was written before it where this file system keeps things, and tells what it
    /// could not put there.
    SyncStores = 512,
    /// Who writes to a file that runs as its owner takes that right away from it.
    SetuidDropped = 1 << 10,
    /// A write moves the modification time, and one that was set stays until then.
    WriteTimes = 1 << 11,
    /// Who appends writes at the end, and who has a file open for both reads what he wrote.
    Appends = 1 << 12,
    /// A file can be mapped and changed through memory.
    Mappable = 1 << 13,
    /// How long a file is and when it changed are seen as they are, whoever changed it, from whichever side.
    Fresh = 1 << 14,
    /// A lock on a file keeps others out, and is gone with whoever held it.
    Locks = 1 << 15,
    /// What is noted beside a file (extended attributes) is kept.
    Labels = 1 << 16,
    /// Who may not read or write a file is refused.
    Guarded = 1 << 17,
    /// Who waits for a server that stands still can be killed.
    Killable = 1 << 18,
    /// What is lost can be made again: as many shards as there is parity for.
    Recoverable = 1 << 19,
    /// Every file is made, written and read by a server in user space; the kernel's own file systems know none.
    Served = 1 << 20,
}

impl Promise {
    /// Every promise, in the order in which pages list them.
    pub const ALL: [Promise; 21] = [
        Promise::Verified,
        Promise::Atomic,
        Promise::Durable,
        Promise::TimesKept,
        Promise::Independent,
        Promise::Named,
        Promise::Described,
        Promise::Whole,
        Promise::ToldAtClose,
        Promise::SyncStores,
        Promise::SetuidDropped,
        Promise::WriteTimes,
        Promise::Appends,
        Promise::Mappable,
        Promise::Fresh,
        Promise::Locks,
        Promise::Labels,
        Promise::Guarded,
        Promise::Killable,
        Promise::Recoverable,
        Promise::Served,
    ];

    /// The promise of that name, or of the first word of it: `times` is `times kept`.
    pub fn named(name: &str) -> Option<Promise> {
        let first = |one: &Promise| one.name().split(' ').next().unwrap_or("");
        Promise::ALL.into_iter().find(|one| one.name() == name || first(one) == name)
    }

    /// The word that tables print.
    pub fn name(self) -> &'static str {
        match self {
            Promise::Atomic => "atomic",
            Promise::Durable => "durable",
            Promise::Verified => "verified",
            Promise::TimesKept => "times kept",
            Promise::Independent => "independent",
            Promise::Named => "named",
            Promise::Described => "described",
            Promise::Whole => "whole",
            Promise::ToldAtClose => "told at close",
            Promise::SyncStores => "sync stores",
            Promise::SetuidDropped => "setuid dropped",
            Promise::WriteTimes => "write times",
            Promise::Appends => "appends",
            Promise::Mappable => "mappable",
            Promise::Fresh => "fresh",
            Promise::Locks => "locks",
            Promise::Labels => "labels",
            Promise::Guarded => "guarded",
            Promise::Killable => "killable",
            Promise::Recoverable => "recoverable",
            Promise::Served => "served",
        }
    }
}

/// Something that every row brings back, unless it says that it does not: only other people's programs say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concession {
    /// Permissions are not those of the source.
    Modes = 1 << 29,
    /// Files come back, and the directories that hold some; links and empty directories do not.
    Kinds = 1 << 30,
}

impl Concession {
    /// Every concession.
    pub const ALL: [Concession; 2] = [Concession::Modes, Concession::Kinds];

    /// The words that tables print.
    pub fn name(self) -> &'static str {
        match self {
            Concession::Modes => "no modes",
            Concession::Kinds => "files only",
        }
    }
}

/// A set of promises, and what is given up besides.
///
/// ```
/// use technique::{Concession, Promise, Promises};
/// let kept = Promises::NONE.with(Promise::Verified).with(Promise::TimesKept);
/// assert!(kept.has(Promise::Verified) && !kept.has(Promise::Atomic));
/// assert_eq!(kept.to_string(), "verified, times kept");
/// assert_eq!(kept.but(Concession::Modes).to_string(), "verified, times kept; no modes");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promises(u32);

impl Promises {
    /// No promise at all.
    pub const NONE: Promises = Promises(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, promise: Promise) -> Promises {
        Promises(self.0 | promise as u32)
    }

    /// These and all of those.
    #[must_use]
    pub const fn and(self, more: Promises) -> Promises {
        Promises(self.0 | more.0)
    }

    /// These but one.
    #[must_use]
    pub const fn without(self, promise: Promise) -> Promises {
        Promises(self.0 & !(promise as u32))
    }

    /// Whether this one is among them.
    pub const fn has(self, promise: Promise) -> bool {
        self.0 & promise as u32 != 0
    }

    /// These, and something given up.
    #[must_use]
    pub const fn but(self, given_up: Concession) -> Promises {
        Promises(self.0 | given_up as u32)
    }

    /// Whether this is given up.
    pub const fn gives_up(self, concession: Concession) -> bool {
        self.0 & concession as u32 != 0
    }

    /// The promises, one by one.
    pub fn iter(self) -> impl Iterator<Item = Promise> {
        Promise::ALL.into_iter().filter(move |promise| self.has(*promise))
    }
}

impl std::fmt::Display for Promises {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.iter().map(Promise::name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(", "))?;
        let given_up: Vec<&str> =
            Concession::ALL.into_iter().filter(|one| self.gives_up(*one)).map(Concession::name).collect();
        f.write_str(if given_up.is_empty() { "" } else { "; " })?;
        f.write_str(&given_up.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_promise_is_one_of_its_own_and_has_a_word_of_its_own() {
        let mut all = Promises::NONE;
        for promise in Promise::ALL {
            assert!(!all.has(promise), "{promise:?} shares a bit");
            all = all.with(promise);
        }
        assert_eq!(all.iter().count(), Promise::ALL.len());
        for promise in Promise::ALL {
            let rest = all.without(promise);
            assert!(!rest.has(promise) && rest.and(Promises::NONE.with(promise)) == all, "{promise:?}");
        }
        let mut names = Promise::ALL.map(Promise::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
