//! Trees of names: which file is called what, and where.
//!
//! The document's critique is that its tree is "a flat hash map with simulated hierarchy" under a lock for all. Both
//! shapes stand here, each under one lock or under many.

use crate::block::lock;
use crate::store::Ino;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The number of the tree's root.
pub const ROOT: Ino = 1;
/// How many locks stand where there are many.
const SHARDS: usize = 64;

/// A hash without a seed, so that two runs do the same.
type Hasher = BuildHasherDefault<DefaultHasher>;

/// Which file is called what. Whether a number stands for a directory is its owner's business.
pub trait Tree: Send + Sync {
    /// Gives a new file that name: its number, or that of the one that has the name already.
    fn make(&self, parent: Ino, name: &[u8]) -> Result<Ino, Ino>;
    /// The file of that name.
    fn find(&self, parent: Ino, name: &[u8]) -> Option<Ino>;
    /// Gives a file that is there one more name, unless that is taken: then the number of who has it.
    fn link(&self, ino: Ino, parent: Ino, name: &[u8]) -> Result<(), Ino>;
    /// Takes a name away: whose it was.
    fn remove(&self, parent: Ino, name: &[u8]) -> Option<Ino>;
    /// Gives a file another name, at once: its number, and that of the one whose name it took. None where it has no
    /// such name.
    fn rename(&self, from: (Ino, &[u8]), to: (Ino, &[u8])) -> Option<(Ino, Option<Ino>)>;
    /// All names in a directory, in byte order.
    fn list(&self, parent: Ino) -> Vec<(Vec<u8>, Ino)>;
}

/// What the tree is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One hash map for all: directory and name together lead to a number. Who lists a directory looks at everything.
    Flat,
    /// Each directory has its names.
    Nested,
}

/// How many locks guard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// One for all.
    Global,
    /// One for each part: where a file falls, its hash decides.
    Sharded,
}

/// A tree of that shape, under these locks, with nothing but its root.
pub fn tree(shape: Shape, locks: Locks) -> Box<dyn Tree> {
    let shards = match locks {
        Locks::Global => 1,
        Locks::Sharded => SHARDS,
    };
    match shape {
        Shape::Flat => Box::new(Names::<Flat>::new(shards)),
        Shape::Nested => Box::new(Names::<Nested>::new(shards)),
    }
}

/// Names under locks.
struct Names<M> {
    next: AtomicU64,
    shards: Vec<Mutex<M>>,
}

/// Names under one lock.
trait Map: Default + Send {
    /// What decides under which lock a name falls.
    fn key(parent: Ino, name: &[u8]) -> u64;
    fn get(&self, parent: Ino, name: &[u8]) -> Option<Ino>;
    fn set(&mut self, parent: Ino, name: &[u8], ino: Ino) -> Option<Ino>;
    fn take(&mut self, parent: Ino, name: &[u8]) -> Option<Ino>;
    fn list(&self, parent: Ino, into: &mut Vec<(Vec<u8>, Ino)>);
}

#[derive(Default)]
struct Flat(HashMap<(Ino, Vec<u8>), Ino, Hasher>);

#[derive(Default)]
struct Nested(HashMap<Ino, BTreeMap<Vec<u8>, Ino>, Hasher>);

impl Map for Flat {
    fn key(parent: Ino, name: &[u8]) -> u64 {
        Hasher::default().hash_one((parent, name))
    }

    fn get(&self, parent: Ino, name: &[u8]) -> Option<Ino> {
        self.0.get(&(parent, name.to_vec())).copied()
    }

    fn set(&mut self, parent: Ino, name: &[u8], ino: Ino) -> Option<Ino> {
        self.0.insert((parent, name.to_vec()), ino)
    }

    fn take(&mut self, parent: Ino, name: &[u8]) -> Option<Ino> {
        self.0.remove(&(parent, name.to_vec()))
    }

    fn list(&self, parent: Ino, into: &mut Vec<(Vec<u8>, Ino)>) {
        let here = self.0.iter().filter(|((of, _), _)| *of == parent);
        into.extend(here.map(|((_, name), ino)| (name.clone(), *ino)));
    }
}

impl Map for Nested {
    fn key(parent: Ino, _: &[u8]) -> u64 {
        Hasher::default().hash_one(parent)
    }

    fn get(&self, parent: Ino, name: &[u8]) -> Option<Ino> {
        self.0.get(&parent)?.get(name).copied()
    }

    fn set(&mut self, parent: Ino, name: &[u8], ino: Ino) -> Option<Ino> {
        self.0.entry(parent).or_default().insert(name.to_vec(), ino)
    }

    fn take(&mut self, parent: Ino, name: &[u8]) -> Option<Ino> {
        self.0.get_mut(&parent)?.remove(name)
    }

    fn list(&self, parent: Ino, into: &mut Vec<(Vec<u8>, Ino)>) {
        into.extend(self.0.get(&parent).into_iter().flatten().map(|(name, ino)| (name.clone(), *ino)));
    }
}

impl<M: Map> Names<M> {
    fn new(shards: usize) -> Names<M> {
        let shards = (0..shards).map(|_| Mutex::default()).collect();
        Names { next: AtomicU64::new(ROOT + 1), shards }
    }

    fn at(&self, parent: Ino, name: &[u8]) -> usize {
        usize::try_from(M::key(parent, name) % self.shards.len() as u64).expect("it is below a usize")
    }

    fn shard(&self, parent: Ino, name: &[u8]) -> MutexGuard<'_, M> {
        lock(&self.shards[self.at(parent, name)])
    }
}

impl<M: Map> Tree for Names<M> {
    fn make(&self, parent: Ino, name: &[u8]) -> Result<Ino, Ino> {
        let mut map = self.shard(parent, name);
        // Looked for and entered under one lock: between two, another could enter the same name, and be lost.
        if let Some(taken) = map.get(parent, name) {
            return Err(taken);
        }
        let ino = self.next.fetch_add(1, Ordering::Relaxed);
        map.set(parent, name, ino);
        Ok(ino)
    }

    fn find(&self, parent: Ino, name: &[u8]) -> Option<Ino> {
        self.shard(parent, name).get(parent, name)
    }

    fn link(&self, ino: Ino, parent: Ino, name: &[u8]) -> Result<(), Ino> {
        let mut map = self.shard(parent, name);
        if let Some(taken) = map.get(parent, name) {
            return Err(taken);
        }
        map.set(parent, name, ino);
        Ok(())
    }

    fn remove(&self, parent: Ino, name: &[u8]) -> Option<Ino> {
        self.shard(parent, name).take(parent, name)
    }

    fn rename(&self, from: (Ino, &[u8]), to: (Ino, &[u8])) -> Option<(Ino, Option<Ino>)> {
        let (first, second) = (self.at(from.0, from.1), self.at(to.0, to.1));
        if first == second {
            let mut map = lock(&self.shards[first]);
            let ino = map.take(from.0, from.1)?;
            return Some((ino, map.set(to.0, to.1, ino)));
        }
        // Always the lower one first, so that two that rename crosswise do not wait for each other.
        let mut low = lock(&self.shards[first.min(second)]);
        let mut high = lock(&self.shards[first.max(second)]);
        let (source, target) = if first < second { (&mut low, &mut high) } else { (&mut high, &mut low) };
        let ino = source.take(from.0, from.1)?;
        Some((ino, target.set(to.0, to.1, ino)))
    }

    fn list(&self, parent: Ino) -> Vec<(Vec<u8>, Ino)> {
        let mut names = Vec::new();
        for shard in &self.shards {
            lock(shard).list(parent, &mut names);
        }
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    fn every() -> impl Iterator<Item = (String, Box<dyn Tree>)> {
        let shapes = [Shape::Flat, Shape::Nested];
        shapes.into_iter().flat_map(|shape| {
            [Locks::Global, Locks::Sharded].map(|locks| (format!("{shape:?} {locks:?}"), tree(shape, locks)))
        })
    }

    #[test]
    fn all_trees_do_the_same() {
        for (name, tree) in every() {
            let dir = tree.make(ROOT, b"dir").unwrap();
            let file = tree.make(dir, b"a").unwrap();
            assert_eq!(tree.make(dir, b"a"), Err(file), "{name}");
            assert_eq!(tree.find(ROOT, b"a"), None, "{name}");
            let other = tree.make(ROOT, b"b").unwrap();
            assert_eq!(tree.rename((dir, b"a"), (ROOT, b"b")), Some((file, Some(other))), "{name}");
            assert_eq!(tree.rename((dir, b"a"), (ROOT, b"c")), None, "{name}");
            assert_eq!(tree.link(file, ROOT, b"dir"), Err(dir), "{name}");
            assert_eq!(tree.link(file, ROOT, b"one more"), Ok(()), "{name}");
            let names = [(b"b".to_vec(), file), (b"dir".to_vec(), dir), (b"one more".to_vec(), file)];
            assert_eq!(tree.list(ROOT), names, "{name}");
            assert_eq!((tree.remove(ROOT, b"b"), tree.remove(ROOT, b"b")), (Some(file), None), "{name}");
            assert_eq!(tree.list(dir), [], "{name}");
        }
    }

    /// Eight threads want the same names: each name has one maker, and nothing that anybody made is lost.
    #[test]
    fn no_tree_loses_an_update() {
        const THREADS: usize = 8;
        const NAMES: usize = 2000;
        for (name, tree) in every() {
            let start = Barrier::new(THREADS);
            let made: Vec<Vec<(usize, Ino)>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            let make = |one: usize| Some((one, tree.make(ROOT, one.to_string().as_bytes()).ok()?));
                            (0..NAMES).filter_map(make).collect()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let made: Vec<(usize, Ino)> = made.into_iter().flatten().collect();
            assert_eq!(made.len(), NAMES, "{name}: each name was made once");
            for (one, ino) in made {
                assert_eq!(tree.find(ROOT, one.to_string().as_bytes()), Some(ino), "{name}");
            }
        }
    }

    #[test]
    fn renaming_crosswise_ends_and_loses_nobody() {
        for (name, tree) in every() {
            let dirs = [tree.make(ROOT, b"x").unwrap(), tree.make(ROOT, b"y").unwrap()];
            let mut files = [tree.make(dirs[0], b"a").unwrap(), tree.make(dirs[1], b"b").unwrap()];
            std::thread::scope(|scope| {
                for (file, at) in [(b"a", 0), (b"b", 1)] {
                    let tree = &tree;
                    scope.spawn(move || {
                        for turn in 0..1000 {
                            let (from, to) = (dirs[(at + turn) % 2], dirs[(at + turn + 1) % 2]);
                            tree.rename((from, file), (to, file)).unwrap();
                        }
                    });
                }
            });
            let mut left: Vec<Ino> = dirs.iter().flat_map(|dir| tree.list(*dir)).map(|(_, ino)| ino).collect();
            left.sort_unstable();
            files.sort_unstable();
            assert_eq!(left, files, "{name}");
        }
    }

    /// The document's map looks for a name, and then enters it: two steps, each under the lock, and none between them.
    struct LookThenEnter<'a> {
        map: Mutex<Flat>,
        next: AtomicU64,
        /// What happens between the steps.
        between: &'a (dyn Fn() + Sync),
    }

    impl LookThenEnter<'_> {
        fn make(&self, parent: Ino, name: &[u8]) -> Result<Ino, Ino> {
            if let Some(taken) = lock(&self.map).get(parent, name) {
                return Err(taken);
            }
            (self.between)();
            let ino = self.next.fetch_add(1, Ordering::Relaxed);
            lock(&self.map).set(parent, name, ino);
            Ok(ino)
        }
    }

    /// The critique is right: where two threads stand between the steps, both are told that they made the file, and
    /// one of the two files is lost.
    #[test]
    fn a_tree_that_looks_and_then_enters_loses_updates() {
        let both = Barrier::new(2);
        let wait = || {
            both.wait();
        };
        let tree = LookThenEnter { map: Mutex::default(), next: AtomicU64::new(2), between: &wait };
        let made: Vec<Result<Ino, Ino>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| tree.make(ROOT, b"same"))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let found = lock(&tree.map).get(ROOT, b"same").unwrap();
        let lost: Vec<_> = made.iter().filter(|made| **made != Ok(found)).collect();
        assert!(made.iter().all(Result::is_ok), "both were told that they made it: {made:?}");
        assert_eq!(lost.len(), 1, "and one of them is gone");
    }
}
