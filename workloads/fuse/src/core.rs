//! The file system itself: names, nodes and bytes, and what each request does to them. No kernel is needed here.

use crate::backing::Backing;
use crate::bounded::Bounded;
use crate::knobs::{Data, Held, Knobs, Privileges};
use crate::nodes::{Change, New, Node, Nodes};
use crate::pages::Pages;
use crate::vectors::Vectors;
use crate::watch::Watch;
use anyhow::{Context, Result};
use blocks::{Ino, Locks, ROOT, Shape, Store, Tree, read_all, tree};
use fuser::{Errno, FileAttr, FileType, RenameFlags};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use technique::Lap;

/// The longest name, as every file system has it.
const LONGEST: usize = 255;
/// Where a directory's own names lie: those in it come after.
const OWN_NAMES: u64 = 2;

/// What a hole is filled with, piece by piece.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Names, nodes and bytes.
pub(crate) struct Core {
    pub(crate) knobs: Knobs,
    pub(crate) tree: Box<dyn Tree>,
    pub(crate) nodes: Nodes,
    pub(crate) store: Arc<dyn Store>,
    /// The files that the kernel may be pointed to.
    pub(crate) backing: Option<Arc<Backing>>,
    pub(crate) watch: Watch,
}

impl Core {
    /// An empty file system. What its store keeps on disk lies in `dir`, which must be empty.
    pub(crate) fn new(knobs: Knobs, dir: &Path) -> Result<Core> {
        let mut backing = None;
        let mut store: Arc<dyn Store> = match knobs.store {
            Held::Vectors => Arc::new(Vectors::default()),
            Held::Pages => Arc::new(Pages::default()),
            Held::Blocks(layer) => layer.open(dir).context("opening the store")?.into(),
            Held::Files => {
                let files = Arc::new(Backing::new(dir).context("opening the directory of its files")?);
                backing = (knobs.data == Data::Passthrough).then(|| Arc::clone(&files));
                files
            }
        };
        if let Some(capacity) = knobs.capacity {
            store = Arc::new(Bounded::new(store, capacity, knobs.late));
        }
        let tree = tree(Shape::Nested, if knobs.threads > 1 { Locks::Sharded } else { Locks::Global });
        Ok(Core { knobs, tree, nodes: Nodes::new(), store, backing, watch: Watch::new(knobs.data == Data::Writeback) })
    }

    /// What the kernel is told of a node: what it is known by, and what its store knows of it.
    pub(crate) fn attr(&self, ino: Ino) -> Result<FileAttr, Errno> {
        Ok(self.stored(self.nodes.with(ino, |node| node.attr(ino))?))
    }

    /// The same, and what its store knows of it.
    fn stored(&self, mut attr: FileAttr) -> FileAttr {
        if attr.kind == FileType::RegularFile {
            attr.size = self.store.len(attr.ino.0);
            attr.blocks = attr.size.div_ceil(512);
        }
        // What the kernel writes by itself, only the file knows.
        if let Some(times) = self.backing.as_ref().and_then(|backing| backing.times(attr.ino.0)) {
            (attr.atime, attr.mtime) = times;
        }
        attr
    }

    /// The node of that name, of which the kernel is told once more.
    pub(crate) fn look_up(&self, parent: Ino, name: &[u8]) -> Result<FileAttr, Errno> {
        fitting(name)?;
        let ino = self.tree.find(parent, name).ok_or(Errno::ENOENT)?;
        Ok(self.stored(self.nodes.look_up(ino)?))
    }

    /// Makes a node of that name, of which the kernel is told. Its store has nothing of it yet.
    pub(crate) fn make(&self, parent: Ino, name: &[u8], new: New, lap: &mut Lap) -> Result<FileAttr, Errno> {
        fitting(name)?;
        self.nodes.has(parent)?;
        let ino = self.tree.make(parent, name).map_err(|_| Errno::EEXIST)?;
        if let Err(error) = self.store.named(ino, parent, name, lap) {
            self.tree.remove(parent, name);
            return Err(errno(error));
        }
        Ok(self.nodes.add(ino, parent, new))
    }

    /// Takes a name away.
    pub(crate) fn unname(&self, parent: Ino, name: &[u8], directory: bool) -> Result<(), Errno> {
        let ino = self.tree.find(parent, name).ok_or(Errno::ENOENT)?;
        match (self.nodes.get(ino)?.kind == FileType::Directory, directory) {
            (true, false) => return Err(Errno::EISDIR),
            (false, true) => return Err(Errno::ENOTDIR),
            (true, true) if !self.tree.list(ino).is_empty() => return Err(Errno::ENOTEMPTY),
            _ => {}
        }
        self.tree.remove(parent, name).ok_or(Errno::ENOENT)?;
        self.lost(ino, parent)
    }

    /// Gives a node another name, in the place of whoever has it. Of `renameat2`'s flags one is known: that nobody may
    /// have it.
    pub(crate) fn rename(
        &self,
        from: (Ino, &[u8]),
        to: (Ino, &[u8]),
        flags: RenameFlags,
        lap: &mut Lap,
    ) -> Result<(), Errno> {
        fitting(to.1)?;
        if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
            return Err(Errno::EINVAL);
        }
        if flags.contains(RenameFlags::RENAME_NOREPLACE) && self.tree.find(to.0, to.1).is_some() {
            return Err(Errno::EEXIST);
        }
        let ino = self.tree.find(from.0, from.1).ok_or(Errno::ENOENT)?;
        if let Some(there) = self.tree.find(to.0, to.1) {
            if there == ino {
                return Ok(());
            }
            let directory = |ino| self.nodes.get(ino).map(|node| node.kind == FileType::Directory);
            match (directory(ino)?, directory(there)?) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                (true, true) if !self.tree.list(there).is_empty() => return Err(Errno::ENOTEMPTY),
                _ => {}
            }
        }
        let (ino, replaced) = self.tree.rename(from, to).ok_or(Errno::ENOENT)?;
        self.nodes.moved(ino, from.0, to.0);
        self.store.named(ino, to.0, to.1, lap).map_err(errno)?;
        replaced.map_or(Ok(()), |replaced| self.lost(replaced, to.0))
    }

    /// Gives a node one more name.
    pub(crate) fn link(&self, ino: Ino, parent: Ino, name: &[u8]) -> Result<FileAttr, Errno> {
        fitting(name)?;
        self.tree.link(ino, parent, name).map_err(|_| Errno::EEXIST)?;
        self.nodes.with(parent, Node::written)?;
        self.nodes.with(ino, |node| {
            node.names += 1;
            node.change(&Change::default());
        })?;
        Ok(self.stored(self.nodes.look_up(ino)?))
    }

    /// Changes a node, and its length.
    pub(crate) fn change(&self, ino: Ino, change: &Change, size: Option<u64>) -> Result<FileAttr, Errno> {
        // Only a kernel that was told so leaves this to the server; it names no mode then.
        let kill = self.knobs.privileges == Privileges::Dropped
            && (size.is_some() || change.uid.is_some() || change.gid.is_some())
            && change.mode.is_none();
        if let Some(size) = size {
            self.store.resize(ino, size).map_err(errno)?;
        }
        if let Some(backing) = &self.backing {
            backing.set_times(ino, change).map_err(errno)?;
        }
        let changed = self.nodes.with(ino, |node| {
            node.change(change);
            if size.is_some() {
                node.written();
            }
            if kill {
                node.drop_privileges();
            }
            node.attr(ino)
        })?;
        Ok(self.stored(changed))
    }

    /// Puts bytes into a file.
    pub(crate) fn write(&self, ino: Ino, at: u64, bytes: &[u8], kill: bool, lap: &mut Lap) -> Result<(), Errno> {
        self.store.write(ino, at, bytes, lap).map_err(errno)?;
        // Past the page cache, the kernel leaves this to the server, whatever was agreed on.
        let kill = kill && self.knobs.privileges != Privileges::Kept;
        self.nodes.with(ino, |node| {
            node.written();
            if kill {
                node.drop_privileges();
            }
        })
    }

    /// Makes room for bytes of a file, which then are zero, or makes bytes zero that are there: a hole takes as much
    /// room here as anything else.
    pub(crate) fn allocate(&self, ino: Ino, at: u64, len: u64, mode: i32, lap: &mut Lap) -> Result<(), Errno> {
        const KEEP_SIZE: i32 = 1;
        const PUNCH_HOLE: i32 = 2;
        let end = at.checked_add(len).ok_or(Errno::EFBIG)?;
        let there = self.store.len(ino);
        match mode {
            0 if end > there => self.change(ino, &Change::default(), Some(end)).map(drop),
            0 | KEEP_SIZE => Ok(()),
            hole if hole == PUNCH_HOLE | KEEP_SIZE => {
                let mut at = at;
                while at < end.min(there) {
                    let part = ZEROS.len().min(usize::try_from(end.min(there) - at).unwrap_or(usize::MAX));
                    self.store.write(ino, at, &ZEROS[..part], lap).map_err(errno)?;
                    at += part as u64;
                }
                self.nodes.with(ino, Node::written)
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// Waits until a file is stored as safely as its store makes anything.
    pub(crate) fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<(), Errno> {
        if self.knobs.syncs { self.store.sync(ino, lap).map_err(errno) } else { Err(Errno::ENOSYS) }
    }

    /// Somebody closes a file, and waits.
    pub(crate) fn flush(&self, ino: Ino, lap: &mut Lap) -> Result<(), Errno> {
        if self.knobs.flush { self.store.closed(ino, lap).map_err(errno) } else { Err(Errno::ENOSYS) }
    }

    /// A file was closed, and nobody waits any more.
    pub(crate) fn release(&self, ino: Ino, lap: &mut Lap) -> Result<(), Errno> {
        if self.knobs.flush { Ok(()) } else { self.store.closed(ino, lap).map_err(errno) }
    }

    /// What lies in a directory after that place of its listing: each with its place, which stays whatever comes and
    /// goes meanwhile.
    pub(crate) fn list(&self, ino: Ino, after: u64) -> Vec<(u64, Vec<u8>, Ino, FileType)> {
        let own = [(1, "."), (OWN_NAMES, "..")].map(|(at, name)| (at, name.as_bytes().to_vec(), ino));
        let names = self.tree.list(ino).into_iter().map(|(name, of)| (cookie(&name), name, of));
        let mut all: Vec<(u64, Vec<u8>, Ino)> = own.into_iter().chain(names).filter(|(at, ..)| *at > after).collect();
        all.sort_unstable();
        // Who has vanished meanwhile is left out.
        all.into_iter().filter_map(|(at, name, of)| Some((at, name, of, self.nodes.get(of).ok()?.kind))).collect()
    }

    /// What is noted beside a node under that name. A server that is not to be asked for capabilities cannot be asked
    /// for this either.
    pub(crate) fn label(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.labels(ino, |labels| labels.get(name).cloned().ok_or(Errno::ENODATA))
    }

    /// Notes something beside a node: where nothing is noted yet, or where something is, if `flags` say so.
    pub(crate) fn set_label(&self, ino: Ino, name: &[u8], value: &[u8], flags: i32) -> Result<(), Errno> {
        const CREATE: i32 = 1;
        const REPLACE: i32 = 2;
        // Access lists would be kept and never looked at.
        if name.starts_with(b"system.") {
            return Err(Errno::EOPNOTSUPP);
        }
        self.labels(ino, |labels| match (labels.contains_key(name), flags) {
            (true, CREATE) => Err(Errno::EEXIST),
            (false, REPLACE) => Err(Errno::ENODATA),
            _ => {
                labels.insert(name.to_vec(), value.to_vec());
                Ok(())
            }
        })?;
        self.nodes.with(ino, |node| node.change(&Change::default()))
    }

    /// Under which names something is noted, each with a zero after it.
    pub(crate) fn list_labels(&self, ino: Ino) -> Result<Vec<u8>, Errno> {
        self.labels(ino, |labels| Ok(labels.keys().flat_map(|name| [name.as_slice(), b"\0"].concat()).collect()))
    }

    /// Takes such a note away.
    pub(crate) fn remove_label(&self, ino: Ino, name: &[u8]) -> Result<(), Errno> {
        self.labels(ino, |labels| labels.remove(name).map(drop).ok_or(Errno::ENODATA))?;
        self.nodes.with(ino, |node| node.change(&Change::default()))
    }

    fn labels<R>(
        &self,
        ino: Ino,
        with: impl FnOnce(&mut BTreeMap<Vec<u8>, Vec<u8>>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        if self.knobs.privileges == Privileges::Refused {
            return Err(Errno::ENOSYS);
        }
        self.nodes.with(ino, |node| with(&mut node.labels))?
    }

    /// The kernel has forgotten a node so often.
    pub(crate) fn forget(&self, ino: Ino, times: u64) -> Result<(), Errno> {
        if self.nodes.forget(ino, times) { self.store.forget(ino).map_err(errno) } else { Ok(()) }
    }

    fn lost(&self, ino: Ino, parent: Ino) -> Result<(), Errno> {
        if self.nodes.unname(ino, parent) { self.store.forget(ino).map_err(errno) } else { Ok(()) }
    }

    /// Writes all files as they are held into a directory, which is made.
    pub(crate) fn dump(&self, into: &Path) -> Result<()> {
        self.store.drain(&mut Lap::start(false)).context("waiting for what is under way")?;
        self.dump_below(ROOT, into)
    }

    fn dump_below(&self, parent: Ino, into: &Path) -> Result<()> {
        std::fs::create_dir_all(into).with_context(|| format!("making {}", into.display()))?;
        for (name, ino) in self.tree.list(parent) {
            let place = into.join(std::ffi::OsStr::from_bytes(&name));
            let node = self.nodes.get(ino).map_err(|_| anyhow::anyhow!("{} has no node", place.display()))?;
            match node.kind {
                FileType::Directory => self.dump_below(ino, &place)?,
                FileType::RegularFile => {
                    let bytes =
                        read_all(&*self.store, ino).with_context(|| format!("reading {} back", place.display()))?;
                    std::fs::write(&place, bytes).with_context(|| format!("writing {}", place.display()))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The kernel lets longer names pass than it tells anybody of.
fn fitting(name: &[u8]) -> Result<(), Errno> {
    if name.len() > LONGEST { Err(Errno::ENAMETOOLONG) } else { Ok(()) }
}

/// Where a name stands in a listing: whatever comes and goes meanwhile, it stays there.
fn cookie(name: &[u8]) -> u64 {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
    (hash >> 1).max(OWN_NAMES + 1)
}

/// What the kernel is told of an error.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
pub(crate) fn errno(error: std::io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno::from_i32(number),
        (None, ErrorKind::StorageFull) => Errno::ENOSPC,
        _ => Errno::EIO,
    }
}
