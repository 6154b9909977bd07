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
}

impl Promise {
    /// Every promise, in the order in which pages list them.
    pub const ALL: [Promise; 8] = [
        Promise::Verified,
        Promise::Atomic,
        Promise::Durable,
        Promise::TimesKept,
        Promise::Independent,
        Promise::Named,
        Promise::Described,
        Promise::Whole,
    ];

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
        }
    }
}

/// A set of promises.
///
/// ```
/// use technique::{Promise, Promises};
/// let kept = Promises::NONE.with(Promise::Verified).with(Promise::TimesKept);
/// assert!(kept.has(Promise::Verified) && !kept.has(Promise::Atomic));
/// assert_eq!(kept.to_string(), "verified, times kept");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promises(u8);

impl Promises {
    /// No promise at all.
    pub const NONE: Promises = Promises(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, promise: Promise) -> Promises {
        Promises(self.0 | promise as u8)
    }

    /// These and all of those.
    #[must_use]
    pub const fn and(self, more: Promises) -> Promises {
        Promises(self.0 | more.0)
    }

    /// These but one.
    #[must_use]
    pub const fn without(self, promise: Promise) -> Promises {
        Promises(self.0 & !(promise as u8))
    }

    /// Whether this one is among them.
    pub const fn has(self, promise: Promise) -> bool {
        self.0 & promise as u8 != 0
    }

    /// They, one by one.
    pub fn iter(self) -> impl Iterator<Item = Promise> {
        Promise::ALL.into_iter().filter(move |promise| self.has(*promise))
    }
}

impl std::fmt::Display for Promises {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.iter().map(Promise::name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}
