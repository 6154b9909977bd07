//! Hands: what one worker holds, and what it does with one directory.

use crate::csv::directory_line;
use crate::descriptors::Open;
use crate::format::{Entry, Format};
use crate::job::{Failure, Job, Task, Todo};
use crate::meta::{Ask, Meta};
use crate::names::Names;
use crate::output::Writer;
use crate::place::{Place, open_below, open_by_path};
use crate::walk::{Order, Reach};
use anyhow::Result;
use rustix::fs::{CWD, FileType, RawDir};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use technique::Lap;
use technique::phase::{CLOSE, LIST, OPEN, PROGRESS, RECORD, STAT, SUBMIT};

/// How many failures each worker keeps; all are counted.
const KEPT: usize = 10_000;
/// A directory is shared with others where its names fill more than this.
const SHARE: usize = 32 << 10;
/// After so many names of a directory a worker looks whether the walk was broken off.
const LOOK_UP: i64 = 1024;
/// The most names that are gathered before they are sorted: memory stays bounded.
const GATHERED: usize = 1 << 16;

/// What one worker holds.
pub(crate) struct Hand<'a> {
    job: &'a Job<'a>,
    pub(crate) worker: usize,
    pub(crate) lap: Lap,
    pub(crate) writer: Writer<'a>,
    listing: Vec<MaybeUninit<u8>>,
    gathered: Names,
    path: Vec<u8>,
    ring: Option<crate::ring::Ring>,
    /// Names that directories gave, and what became of them.
    pub(crate) found: u64,
    pub(crate) entries: u64,
    pub(crate) failures: Vec<Failure>,
    pub(crate) failed: u64,
    /// Those of them that are directories whose names are unknown.
    pub(crate) unlisted: u64,
    /// Directories on other file systems, which were not entered.
    pub(crate) not_entered: u64,
}

/// What is being listed.
struct Listed {
    place: Arc<Place>,
    dir: Arc<Open>,
    /// How many names there are, and how many bytes the files behind them have: a CSV line tells.
    names: i64,
    bytes: u64,
}

impl Listed {
    /// Lets another worker record these names.
    fn share(&self, names: Option<Names>, todo: &mut dyn Todo) {
        if let Some(names) = names {
            todo.add(Task::Share { place: self.place.clone(), dir: self.dir.clone(), names });
        }
    }
}

impl<'a> Hand<'a> {
    pub(crate) fn new(job: &'a Job<'a>, worker: usize, mut lap: Lap) -> Result<Hand<'a>> {
        let writer = job.outputs.writer(worker, &mut lap)?;
        let ring = match job.walk.order {
            Order::Ring { at_once } => Some(crate::ring::Ring::new(at_once)?),
            _ => None,
        };
        Ok(Hand {
            job,
            worker,
            lap,
            writer,
            listing: vec![MaybeUninit::uninit(); job.walk.listing],
            gathered: Names::default(),
            path: Vec::with_capacity(4096),
            ring,
            found: 0,
            entries: 0,
            failures: Vec::new(),
            failed: 0,
            unlisted: 0,
            not_entered: 0,
        })
    }

    /// Does one thing. Only what concerns the output is an error; all else is a failure that is kept and counted.
    pub(crate) fn act(&mut self, task: Task, todo: &mut dyn Todo) -> Result<()> {
        match task {
            Task::Directory(place) => self.directory(place, todo),
            Task::Share { place, dir, mut names } => {
                let mut listed = Listed { place, dir, names: 0, bytes: 0 };
                self.gathered(&mut listed, &mut names, todo)
            }
        }
    }

    fn directory(&mut self, place: Place, todo: &mut dyn Todo) -> Result<()> {
        let below = place.path.get(self.job.path.len() + 1..).unwrap_or(b"");
        let opened = match self.job.walk.reach {
            Reach::ByPath => open_by_path(&place.path),
            Reach::Held => open_below(self.job.root.as_fd(), below),
        };
        self.lap.mark(OPEN);
        let place = Arc::new(place);
        let mut listed = match opened {
            Ok(dir) => Listed { place, dir: Arc::new(Open::new(dir)), names: 0, bytes: 0 },
            Err(errno) => {
                self.fail(&place, None, "opening", errno);
                return self.end(&place, 0, 0);
            }
        };
        let mut listing = std::mem::take(&mut self.listing);
        let mut gathered = std::mem::take(&mut self.gathered);
        let done = self.list(&mut listed, &mut listing, &mut gathered, todo);
        gathered.clear();
        (self.listing, self.gathered) = (listing, gathered);
        done?;
        let Listed { place, dir, names, bytes } = listed;
        self.found += names.unsigned_abs();
        drop(dir);
        self.lap.mark(CLOSE);
        self.end(&place, names, bytes)
    }

    /// Reads the names of a directory, and records them at once or in batches, as the walk's order has it.
    fn list(
        &mut self,
        listed: &mut Listed,
        buffer: &mut [MaybeUninit<u8>],
        gathered: &mut Names,
        todo: &mut dyn Todo,
    ) -> Result<()> {
        let dir = listed.dir.clone();
        let mut names = RawDir::new(dir.as_fd(), buffer);
        let most = match self.job.walk.order {
            Order::AsListed => 0,
            Order::ByInode => GATHERED,
            Order::Ring { at_once } => at_once as usize,
        };
        let mut passed = 0;
        let mut share: Option<Names> = None;
        while let Some(next) = names.next() {
            self.lap.mark(LIST);
            let entry = match next {
                Ok(entry) => entry,
                Err(errno) => {
                    self.fail(&listed.place, None, "listing", errno);
                    break;
                }
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            listed.names += 1;
            // A directory may hold millions: who breaks the walk off waits for some of them at most.
            if listed.names % LOOK_UP == 0 && self.job.stop.load(Relaxed) {
                break;
            }
            passed += 24 + name.count_bytes();
            if self.job.walk.shares && passed > SHARE {
                if share.is_none() && todo.anyone_idle() && listed.dir.lend(&self.job.lending) {
                    share = Some(Names::default());
                }
                if let Some(names) = &mut share {
                    names.push(name, entry.ino(), entry.file_type());
                    if names.bytes() > SHARE / 2 {
                        listed.share(share.take(), todo);
                    }
                    continue;
                }
            }
            if most == 0 {
                self.one(listed, name, entry.ino(), entry.file_type(), todo)?;
            } else {
                gathered.push(name, entry.ino(), entry.file_type());
                if gathered.len() >= most {
                    self.gathered(listed, gathered, todo)?;
                }
            }
        }
        self.lap.mark(LIST);
        listed.share(share, todo);
        self.gathered(listed, gathered, todo)
    }

    /// Asks about names that were gathered, and records them.
    fn gathered(&mut self, listed: &mut Listed, names: &mut Names, todo: &mut dyn Todo) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        if self.job.walk.order == Order::ByInode {
            names.sort_by_inode();
            self.lap.mark(LIST);
        }
        if let Some(mut ring) = self.ring.take() {
            let asked = ring.ask(listed.dir.as_fd(), names, self.job.walk.ask.mask());
            self.lap.mark(SUBMIT);
            let answers = asked?;
            for (at, answer) in answers.iter().enumerate() {
                self.answered(listed, names.get(at).0.to_bytes(), *answer, todo)?;
            }
            self.ring = Some(ring);
        } else {
            for at in 0..names.len() {
                let (name, inode, kind) = names.get(at);
                self.one(listed, name, inode, kind, todo)?;
            }
        }
        names.clear();
        Ok(())
    }

    /// Asks about one name, and records it.
    #[inline]
    fn one(&mut self, listed: &mut Listed, name: &CStr, inode: u64, kind: FileType, todo: &mut dyn Todo) -> Result<()> {
        let walk = self.job.walk;
        let answer = match walk.reach {
            _ if walk.ask == Ask::TypeOnly && kind != FileType::Unknown => Ok(Meta::of_type(inode, kind)),
            _ if let Some(told) = self.told(listed, inode, kind) => Ok(told),
            Reach::Held => walk.ask.about(listed.dir.as_fd(), name),
            Reach::ByPath => self.by_path(&listed.place, name),
        };
        self.lap.mark(STAT);
        self.answered(listed, name.to_bytes(), answer, todo)
    }

    /// What was told of an inode before, where the file system was asked in bulk. On another one the same number means
    /// something else; what is mounted on a directory only its name tells.
    #[inline]
    fn told(&self, listed: &Listed, inode: u64, kind: FileType) -> Option<Meta> {
        let table = self.job.bulk.as_ref()?;
        let here = listed.place.meta.device == self.job.meta.device;
        let named = matches!(kind, FileType::Directory | FileType::Unknown);
        if here && !named { table.get(inode) } else { None }
    }

    fn by_path(&mut self, place: &Place, name: &CStr) -> Result<Meta, Errno> {
        self.path.clear();
        self.path.extend_from_slice(&place.path);
        self.path.push(b'/');
        self.path.extend_from_slice(name.to_bytes_with_nul());
        let path = CStr::from_bytes_with_nul(&self.path).map_err(|_| Errno::INVAL)?;
        self.job.walk.ask.about(CWD, path)
    }

    #[inline]
    fn answered(
        &mut self,
        listed: &mut Listed,
        name: &[u8],
        answer: Result<Meta, Errno>,
        todo: &mut dyn Todo,
    ) -> Result<()> {
        let meta = match answer {
            Ok(meta) => meta,
            Err(errno) => {
                self.fail(&listed.place, Some(name), "looking at", errno);
                return Ok(());
            }
        };
        listed.bytes = listed.bytes.wrapping_add(meta.size);
        let job = self.job;
        let is_directory = meta.is_directory();
        let number = if is_directory { 1 + job.numbers.fetch_add(1, Relaxed) } else { 0 };
        // A directory's CSV line comes when it is known how much it holds.
        let later = is_directory && job.walk.format.is_csv();
        if !later && !self.writer.is_nowhere() {
            let entry = Entry { meta: &meta, place: &listed.place, name, number, root: job.path.len() };
            let inlined = job.walk.inlined;
            let recorded = if inlined {
                self.writer.record(|out| job.walk.format.put(&entry, out))
            } else {
                record_by_call(&mut self.writer, job.walk.format, &entry)
            };
            self.lap.mark(RECORD);
            match recorded {
                Ok(head) if inlined => self.writer.flush_if_full(head, &mut self.lap)?,
                Ok(head) => flush_by_call(&mut self.writer, head, &mut self.lap)?,
                Err(errno) => {
                    self.fail(&listed.place, Some(name), "recording", errno);
                    return Ok(());
                }
            }
        }
        self.entries += 1;
        job.counter.count(self.worker, self.entries, meta.inode);
        self.lap.mark(PROGRESS);
        if is_directory {
            self.found(&listed.place, name, meta, number, todo)?;
        }
        Ok(())
    }

    /// A directory was found: it is to be listed, unless it lies on another file system and the walk stays on one.
    fn found(&mut self, place: &Place, name: &[u8], meta: Meta, number: u32, todo: &mut dyn Todo) -> Result<()> {
        let mut path = Vec::with_capacity(place.path.len() + 1 + name.len());
        path.extend_from_slice(&place.path);
        path.push(b'/');
        path.extend_from_slice(name);
        let found = Place { path, number, meta, above: place.meta.inode, depth: place.depth + 1 };
        if self.job.walk.one_file_system && meta.device != self.job.meta.device {
            self.not_entered += 1;
            return self.end(&found, 0, 0);
        }
        todo.add(Task::Directory(found));
        Ok(())
    }

    /// A directory's own CSV line, when all its names are known.
    fn end(&mut self, place: &Place, names: i64, bytes: u64) -> Result<()> {
        if !self.job.walk.format.is_csv() || self.writer.is_nowhere() {
            return Ok(());
        }
        let recorded = self.writer.record(|out| {
            directory_line(place, names, bytes, self.job.walk.format.search(), out);
            Ok(0)
        });
        self.lap.mark(RECORD);
        match recorded {
            Ok(head) => self.writer.flush_if_full(head, &mut self.lap),
            Err(_) => Ok(()),
        }
    }

    #[cold]
    fn fail(&mut self, place: &Place, name: Option<&[u8]>, doing: &'static str, errno: Errno) {
        self.failed += 1;
        self.unlisted += u64::from(name.is_none());
        self.job.failed.fetch_add(1, Relaxed);
        if self.failures.len() < KEPT {
            let mut path = place.path.get(self.job.path.len() + 1..).unwrap_or(b"").to_vec();
            if let Some(name) = name {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(name);
            }
            self.failures.push(Failure { path, doing, errno });
        }
    }
}

/// What the document's step of inlining does away with: a call for each record, and one for each look at the buffer.
#[inline(never)]
fn record_by_call(writer: &mut Writer<'_>, format: Format, entry: &Entry<'_>) -> Result<usize, Errno> {
    writer.record(|out| format.put(entry, out))
}

#[inline(never)]
fn flush_by_call(writer: &mut Writer<'_>, head: usize, lap: &mut Lap) -> Result<()> {
    writer.flush_if_full(head, lap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Everybody else has nothing to do, and yet takes nothing.
    struct Nobody(Vec<Task>);

    impl Todo for Nobody {
        fn add(&mut self, task: Task) {
            self.0.push(task);
        }

        fn anyone_idle(&self) -> bool {
            true
        }
    }

    fn check(tree: &Path, act: impl FnOnce(&mut Hand<'_>, &mut Nobody)) {
        let out = tempfile::tempdir().unwrap();
        let mut lap = Lap::start(true);
        let walk = crate::best();
        let job = walk.begin(tree, out.path().join("out"), 1, &mut lap).unwrap();
        act(&mut Hand::new(&job, 0, lap).unwrap(), &mut Nobody(Vec::new()));
    }

    #[test]
    fn what_vanished_before_it_was_looked_at_is_kept_and_the_rest_is_recorded() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("stays"), "x").unwrap();
        check(tree.path(), |hand, todo| {
            let mut names = Names::default();
            for name in [c"gone", c"stays"] {
                names.push(name, 0, FileType::RegularFile);
            }
            let job = hand.job;
            let place = Place { path: job.path.clone(), number: 0, meta: job.meta, above: 0, depth: 0 };
            let dir = Arc::new(Open::new(job.root.try_clone().unwrap()));
            hand.act(Task::Share { place: Arc::new(place.clone()), dir, names }, todo).unwrap();
            let vanished = Place { path: [&job.path[..], b"/no directory"].concat(), number: 1, ..place };
            hand.act(Task::Directory(vanished), todo).unwrap();
            let failures: Vec<_> = hand.failures.iter().map(|it| (it.path.as_slice(), it.doing, it.errno)).collect();
            let gone: &[u8] = b"gone";
            let expected = [(gone, "looking at", Errno::NOENT), (b"no directory", "opening", Errno::NOENT)];
            assert_eq!(failures, expected);
            assert_eq!((hand.entries, hand.failed, hand.unlisted), (1, 2, 1));
        });
    }

    #[test]
    fn a_directory_is_shared_only_after_its_first_buffer() {
        for (count, shared) in [(300, false), (3000, true)] {
            let tree = tempfile::tempdir().unwrap();
            (0..count).for_each(|nth| std::fs::write(tree.path().join(format!("a file {nth:08}")), "").unwrap());
            check(tree.path(), |hand, todo| {
                let job = hand.job;
                let place = Place { path: job.path.clone(), number: 0, meta: job.meta, above: 0, depth: 0 };
                hand.act(Task::Directory(place), todo).unwrap();
                assert_eq!(!todo.0.is_empty(), shared, "{count} names led to {} tasks", todo.0.len());
                assert_eq!(hand.entries == count, !shared);
                for task in std::mem::take(&mut todo.0) {
                    hand.act(task, todo).unwrap();
                }
                assert_eq!((hand.found, hand.entries, hand.failed), (count, count, 0), "no name is lost on the way");
            });
        }
    }

    #[test]
    fn no_more_directories_are_shared_than_there_are_threads() {
        let tree = tempfile::tempdir().unwrap();
        let inner = tree.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        for dir in [tree.path(), &inner] {
            (0..3000).for_each(|nth| std::fs::write(dir.join(format!("a file {nth:08}")), "").unwrap());
        }
        check(tree.path(), |hand, todo| {
            let job = hand.job;
            let shares = |todo: &Nobody| todo.0.iter().filter(|task| matches!(task, Task::Share { .. })).count();
            let root = Place { path: job.path.clone(), number: 0, meta: job.meta, above: 0, depth: 0 };
            let inner = Place { path: [&job.path[..], b"/inner"].concat(), number: 1, ..root.clone() };
            hand.act(Task::Directory(root), todo).unwrap();
            let before = shares(todo);
            assert!(before > 0);
            // There is one thread, and one directory that waits open.
            hand.act(Task::Directory(inner.clone()), todo).unwrap();
            assert_eq!(shares(todo), before);
            // When all that was shared is recorded, the next one may be.
            while let Some(task) = todo.0.pop() {
                if matches!(task, Task::Share { .. }) {
                    hand.act(task, todo).unwrap();
                }
            }
            hand.act(Task::Directory(inner), todo).unwrap();
            assert!(shares(todo) > 0);
        });
    }
}
