//! Merging: the union of whole records. A record is known by its plan, its shard and its machine; of two of the same a
//! total order takes one, so that it matters neither in which order records come nor how often.

use crate::fleet::machine::Machine;
use crate::page::sha256;
use crate::record::{self, Run, Unreadable};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a record is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The digest of its plan.
    pub plan: String,
    /// Which shard it is.
    pub shard: u32,
    /// The name of its machine.
    pub machine: String,
}

/// What decides between two records of one key, the better the greater. Nothing that was measured is in it, so that no
/// double is chosen for its numbers: whole before cut, then more samples, then whichever began first; the rest only
/// makes the order total.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worth {
    whole: Wholeness,
    samples: usize,
    started: Reverse<String>,
    run: Reverse<String>,
    digest: Reverse<String>,
}

/// How much of a record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wholeness {
    /// It was killed.
    Cut,
    /// It was stopped.
    Stopped,
    /// It came to its end.
    Whole,
}

/// One record of one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// What it is known by.
    pub key: Key,
    /// How many shards its plan has.
    pub of: u32,
    /// The machine.
    pub machine: Machine,
    /// The run's name.
    pub run: String,
    /// The rows that crashed, hung or came out otherwise, and what was told of them.
    pub failed: Vec<String>,
    /// The record's own bytes.
    pub bytes: Vec<u8>,
    worth: Worth,
}

/// Why a file is no piece.
#[derive(Debug)]
pub enum Refused {
    /// It cannot be read as a record.
    Unreadable(Unreadable),
    /// It is a record of no plan.
    OfNoPlan(PathBuf),
    /// It is of another plan than the others.
    OfAnother(PathBuf, String, String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Unreadable(error) => error.fmt(f),
            Refused::OfNoPlan(path) => {
                write!(f, "{} is a record of no plan: it was not made by `assay run --plan`", path.display())
            }
            Refused::OfAnother(path, theirs, ours) => {
                let [theirs, ours] = [theirs, ours].map(|digest| super::short(digest));
                write!(f, "{} is of plan {theirs}, and the others are of plan {ours}", path.display())
            }
        }
    }
}

impl Piece {
    /// Reads a record.
    pub fn of(path: &Path, bytes: Vec<u8>) -> Result<Piece, Refused> {
        let run = record::parse(path, &bytes).map_err(Refused::Unreadable)?;
        let shard = run.header.shard.as_ref().ok_or_else(|| Refused::OfNoPlan(path.to_owned()))?;
        if shard.number >= shard.of {
            let why = format!("it says to be shard {} of {}", shard.number, shard.of);
            return Err(Refused::Unreadable(Unreadable::Damaged(path.to_owned(), 1, why)));
        }
        let machine = Machine::of(&run.header);
        let whole = match run.end.as_ref().map(|end| end.how.as_str()) {
            Some("complete" | "budget") => Wholeness::Whole,
            Some(_) => Wholeness::Stopped,
            None => Wholeness::Cut,
        };
        Ok(Piece {
            key: Key { plan: shard.plan.clone(), shard: shard.number, machine: machine.name.clone() },
            of: shard.of,
            machine,
            run: run.header.id.clone(),
            failed: failed(&run),
            worth: Worth {
                whole,
                samples: run.samples.len(),
                started: Reverse(run.header.started.clone()),
                run: Reverse(run.header.id.clone()),
                digest: Reverse(sha256(&bytes)),
            },
            bytes,
        })
    }

    /// How much of it is there.
    pub fn wholeness(&self) -> Wholeness {
        self.worth.whole
    }

    /// The name of its directory: the same wherever it is merged, and of no record but this one.
    pub fn name(&self) -> String {
        let Worth { digest: Reverse(digest), .. } = &self.worth;
        format!("{}-{:04}-{}-{}", self.key.machine, self.key.shard, self.run, super::short(digest))
    }
}

fn failed(run: &Run) -> Vec<String> {
    let one = |failed: &record::Failed| {
        let workload = run.header.plan.get(failed.plan).map_or("?", |plan| plan.workload.as_str());
        let told = failed.told.lines().next().unwrap_or_default();
        format!("{workload}/{} {}: {told}", failed.variant, failed.how)
    };
    run.failed.iter().map(one).collect()
}

/// Records of one plan, one for each shard and machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    pieces: BTreeMap<Key, Piece>,
}

impl Merged {
    /// Takes a piece in; gives back the one that is left aside, where there are two of one key that are not the same.
    pub fn add(&mut self, piece: Piece) -> Option<Piece> {
        match self.pieces.entry(piece.key.clone()) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(piece);
                None
            }
            std::collections::btree_map::Entry::Occupied(mut place) => match piece.worth.cmp(&place.get().worth) {
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Greater => Some(place.insert(piece)),
                std::cmp::Ordering::Less => Some(piece),
            },
        }
    }

    /// The union of both.
    #[must_use]
    pub fn join(mut self, other: Merged) -> Merged {
        for piece in other.pieces.into_values() {
            self.add(piece);
        }
        self
    }

    /// What is in it, in the order of shards.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.values()
    }

    /// The piece of that key.
    pub fn get(&self, key: &Key) -> Option<&Piece> {
        self.pieces.get(key)
    }

    /// The plan that it is of, and how many shards that has.
    pub fn plan(&self) -> Option<(&str, u32)> {
        self.pieces.values().next().map(|piece| (piece.key.plan.as_str(), piece.of))
    }

    /// The machines, each once.
    pub fn machines(&self) -> BTreeSet<&Machine> {
        self.pieces.values().map(|piece| &piece.machine).collect()
    }

    /// The shards that have no whole record on that machine; on any machine where none is named.
    pub fn missing(&self, machine: Option<&Machine>) -> Vec<u32> {
        let is_asked = |piece: &&Piece| machine.is_none_or(|machine| piece.machine == *machine);
        let whole: BTreeSet<u32> = self
            .pieces
            .values()
            .filter(is_asked)
            .filter(|piece| piece.wholeness() == Wholeness::Whole)
            .map(|piece| piece.key.shard)
            .collect();
        let all = self.plan().map_or(0, |(_, of)| of);
        (0..all).filter(|shard| !whole.contains(shard)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{header_of, sample};
    use crate::record::{End, Line, Shard};
    use proptest::prelude::*;

    /// A record of shard `shard` on machine `machine`, as it would lie in a file.
    fn record(shard: u32, machine: u32, samples: u32, how: Option<&str>, started: u32, id: u32) -> Vec<u8> {
        let mut header = header_of(&["gzip", "zstd"]);
        header.machine = BTreeMap::from([("cpu".to_owned(), machine.to_string())]);
        header.id = format!("run-{id}");
        header.started = format!("2026-11-2{started}");
        header.shard = Some(Shard { plan: "p".into(), number: shard, of: 3, other_binary: None });
        let mut lines = vec![Line::Run(Box::new(header))];
        lines.extend((0..samples).map(|round| Line::Sample(Box::new(sample("gzip", round, 5)))));
        let end = |how: &str| Line::End(End { how: how.into(), ended: String::new(), load: String::new() });
        lines.extend(how.map(end));
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect::<String>().into_bytes()
    }

    fn piece(bytes: Vec<u8>) -> Piece {
        Piece::of(Path::new("r.jsonl"), bytes).unwrap()
    }

    fn of(pieces: &[Piece]) -> Merged {
        let mut merged = Merged::default();
        for piece in pieces {
            merged.add(piece.clone());
        }
        merged
    }

    fn some_pieces() -> impl Strategy<Value = Vec<Piece>> {
        let how = prop_oneof![Just(None), Just(Some("interrupted")), Just(Some("complete")), Just(Some("budget"))];
        let one = (0u32..3, 0u32..2, 0u32..3, how, 0u32..2, 0u32..3).prop_map(
            |(shard, machine, samples, how, started, id)| piece(record(shard, machine, samples, how, started, id)),
        );
        proptest::collection::vec(one, 0..8)
    }

    proptest! {
        #[test]
        fn a_merge_is_a_union(a in some_pieces(), b in some_pieces(), c in some_pieces()) {
            let (a, b, c) = (of(&a), of(&b), of(&c));
            let joined = |one: &Merged, other: &Merged| one.clone().join(other.clone());
            prop_assert_eq!(joined(&a, &b), joined(&b, &a));
            prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
            prop_assert_eq!(&joined(&a, &a), &a);
            prop_assert_eq!(&joined(&a, &Merged::default()), &a);
        }

        #[test]
        fn nothing_is_lost_and_nothing_is_there_twice(pieces in some_pieces()) {
            let merged = of(&pieces);
            for piece in &pieces {
                let kept = merged.get(&piece.key).unwrap();
                prop_assert!(kept.worth >= piece.worth);
                prop_assert!(pieces.contains(kept));
            }
            let keys: BTreeSet<&Key> = pieces.iter().map(|piece| &piece.key).collect();
            prop_assert_eq!(merged.pieces().count(), keys.len());
        }
    }

    #[test]
    fn a_whole_record_is_taken_before_one_that_was_cut() {
        let whole = piece(record(1, 0, 1, Some("complete"), 2, 2));
        let cut = piece(record(1, 0, 9, None, 1, 1));
        for order in [[&whole, &cut], [&cut, &whole]] {
            let mut merged = Merged::default();
            assert_eq!(merged.add(order[0].clone()), None);
            assert_eq!(merged.add(order[1].clone()).unwrap().run, "run-1");
            assert_eq!(merged.pieces().next().unwrap().run, "run-2");
            assert_eq!(merged.add(whole.clone()), None, "the same record again is no double");
        }
    }

    #[test]
    fn what_is_missing_is_named_on_each_machine_and_on_all() {
        let merged = of(&[
            piece(record(0, 0, 1, Some("complete"), 0, 0)),
            piece(record(1, 1, 1, Some("budget"), 0, 1)),
            piece(record(2, 1, 1, Some("interrupted"), 0, 2)),
        ]);
        assert_eq!(merged.missing(None), [2]);
        let mut each: Vec<Vec<u32>> = merged.machines().into_iter().map(|one| merged.missing(Some(one))).collect();
        each.sort();
        assert_eq!(each, [vec![0, 2], vec![1, 2]]);
        assert_eq!(merged.plan(), Some(("p", 3)));
    }

    #[test]
    fn a_record_of_no_plan_is_refused() {
        let text = String::from_utf8(record(0, 0, 1, None, 0, 0)).unwrap();
        let line = text.lines().next().unwrap();
        let mut header: serde_json::Value = serde_json::from_str(line).unwrap();
        header.as_object_mut().unwrap().remove("shard");
        let refused = Piece::of(Path::new("r.jsonl"), format!("{header}\n").into_bytes()).unwrap_err();
        assert!(matches!(refused, Refused::OfNoPlan(_)), "{refused}");
        let other = text.replace("\"schema\":1", "\"schema\":9").into_bytes();
        let refused = Piece::of(Path::new("r.jsonl"), other).unwrap_err();
        assert!(matches!(refused, Refused::Unreadable(Unreadable::Schema(..))), "{refused}");
    }
}
