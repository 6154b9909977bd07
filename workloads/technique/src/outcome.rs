//! Outcomes: what a run left behind, as facts. One yardstick for every row, a peer's included.

use crate::promise::{Concession, Promise, Promises};
use std::collections::BTreeMap;

/// What a run left behind, fact by fact.
///
/// ```
/// use technique::{Outcome, Promise, Promises};
/// let fact = |mtime: &str| {
///     let mut outcome = Outcome::default();
///     outcome.state(b"a.py", "", "file 644");
///     outcome.state_if(Promise::TimesKept, b"a.py", "mtime", mtime);
///     outcome
/// };
/// let (expected, got) = (fact("1700000000"), fact("0"));
/// // Only who promises to keep times is held to them.
/// assert!(expected.differences(&got, Promises::NONE).is_empty());
/// let told = expected.differences(&got, Promises::NONE.with(Promise::TimesKept));
/// assert_eq!(told, ["a.py: mtime is 0, should be 1700000000"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    facts: BTreeMap<(Vec<u8>, &'static str), Fact>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    says: String,
    held: Held,
}

/// Which rows are held to a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    All,
    WhoPromise(Promise),
    UnlessGivenUp(Concession),
}

impl Held {
    fn by(self, promises: Promises) -> bool {
        match self {
            Held::All => true,
            Held::WhoPromise(promise) => promises.has(promise),
            Held::UnlessGivenUp(concession) => !promises.gives_up(concession),
        }
    }
}

impl Outcome {
    /// States a fact that every row is held to; no aspect is what the item itself is.
    pub fn state(&mut self, item: &[u8], aspect: &'static str, says: impl Into<String>) {
        self.add(item, aspect, says.into(), Held::All);
    }

    /// States a fact that only those rows are held to who make this promise.
    pub fn state_if(&mut self, promise: Promise, item: &[u8], aspect: &'static str, says: impl Into<String>) {
        self.add(item, aspect, says.into(), Held::WhoPromise(promise));
    }

    /// States a fact that those rows are not held to who say that they give it up.
    pub fn state_unless(&mut self, given_up: Concession, item: &[u8], aspect: &'static str, says: impl Into<String>) {
        self.add(item, aspect, says.into(), Held::UnlessGivenUp(given_up));
    }

    fn add(&mut self, item: &[u8], aspect: &'static str, says: String, held: Held) {
        self.facts.insert((item.to_vec(), aspect), Fact { says, held });
    }

    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether nothing was left behind.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// One word for all facts that a row of these promises is held to.
    pub fn digest(&self, promises: Promises) -> String {
        let mut hasher = blake3::Hasher::new();
        for ((item, aspect), fact) in self.held(promises) {
            for part in [item.as_slice(), aspect.as_bytes(), fact.says.as_bytes()] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    /// What is otherwise than expected, a line a fact, for a row of these promises. `self` is what should be.
    pub fn differences(&self, got: &Outcome, promises: Promises) -> Vec<String> {
        let mut told = Vec::new();
        for (key, expected) in self.held(promises) {
            match got.facts.get(key) {
                None => told.push(format!("{} is missing, should be {}", about(key), expected.says)),
                Some(fact) if fact.says != expected.says => {
                    told.push(format!("{} is {}, should be {}", about(key), fact.says, expected.says));
                }
                Some(_) => {}
            }
        }
        for (key, fact) in got.held(promises) {
            if !self.facts.contains_key(key) {
                told.push(format!("{} is {}, should not be there", about(key), fact.says));
            }
        }
        told
    }

    fn held(&self, promises: Promises) -> impl Iterator<Item = (&(Vec<u8>, &'static str), &Fact)> {
        self.facts.iter().filter(move |(_, fact)| fact.held.by(promises))
    }
}

/// `a.py: mtime`, or just `a.py` where the fact is what the item is.
fn about((item, aspect): &(Vec<u8>, &'static str)) -> String {
    let item = String::from_utf8_lossy(item).escape_debug().to_string();
    if aspect.is_empty() { item } else { format!("{item}: {aspect}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(items: &[(&str, &str)]) -> Outcome {
        let mut outcome = Outcome::default();
        for (item, says) in items {
            outcome.state(item.as_bytes(), "", *says);
        }
        outcome
    }

    #[test]
    fn missing_changed_and_surplus_facts_are_told() {
        let expected = outcome(&[("a", "1"), ("b", "2")]);
        let got = outcome(&[("b", "3"), ("c", "4")]);
        assert_eq!(
            expected.differences(&got, Promises::NONE),
            ["a is missing, should be 1", "b is 3, should be 2", "c is 4, should not be there"]
        );
        assert_ne!(expected.digest(Promises::NONE), got.digest(Promises::NONE));
    }

    #[test]
    fn equal_outcomes_have_equal_digests() {
        let (one, other) = (outcome(&[("a", "1")]), outcome(&[("a", "1")]));
        assert_eq!(one.digest(Promises::NONE), other.digest(Promises::NONE));
        assert!(one.differences(&other, Promises::NONE).is_empty());
    }

    #[test]
    fn the_digest_of_a_row_counts_only_what_it_promises() {
        let mut kept = outcome(&[("a", "1")]);
        let lost = kept.clone();
        kept.state_if(Promise::TimesKept, b"a", "mtime", "5");
        assert_eq!(kept.digest(Promises::NONE), lost.digest(Promises::NONE));
        let times = Promises::NONE.with(Promise::TimesKept);
        assert_ne!(kept.digest(times), lost.digest(times));
    }

    #[test]
    fn what_a_row_gives_up_it_is_not_held_to() {
        let outcome = |mode: &str| {
            let mut outcome = outcome(&[("a", "file")]);
            outcome.state_unless(Concession::Modes, b"a", "mode", mode);
            outcome
        };
        let (expected, got) = (outcome("644"), outcome("600"));
        assert_eq!(expected.differences(&got, Promises::NONE), ["a: mode is 600, should be 644"]);
        assert!(expected.differences(&got, Promises::NONE.but(Concession::Modes)).is_empty());
        assert_eq!(expected.differences(&got, Promises::NONE.but(Concession::Kinds)).len(), 1);
    }
}
