//! The file system itself: names, nodes and bytes, and what each request does to them. No kernel is needed here.

use crate::backing::Backing;
use crate::bounded::Bounded;
use crate::knobs::{Data, Held, Knobs};
use crate::nodes::{Change, New, Node, Nodes};
use crate::vectors::Vectors;
use crate::watch::Watch;
use anyhow::{Context, Result};
use blocks::{Ino, Locks, ROOT, Shape, Store, Tree, read_all, tree};
use fuser::{Errno, FileAttr, FileType};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use technique::Lap;

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
            Held::Blocks(layer) => layer.open(dir).context("opening the store")?.into(),
            Held::Files => {
                let files = Arc::new(Backing::new(dir.to_owned()));
                backing = (knobs.data == Data::Passthrough).then(|| Arc::clone(&files));
                files
            }
        };
        if let Some(capacity) = knobs.capacity {
            store = Arc::new(Bounded::new(store, capacity));
        }
        let tree = tree(Shape::Nested, if knobs.threads > 1 { Locks::Sharded } else { Locks::Global });
        Ok(Core { knobs, tree, nodes: Nodes::new(), store, backing, watch: Watch::default() })
    }

    /// What the kernel is told of a node.
    pub(crate) fn attr(&self, ino: Ino, node: &Node) -> FileAttr {
        let size = match node.kind {
            FileType::RegularFile => self.store.len(ino),
            FileType::Symlink => node.target.as_ref().map_or(0, |target| target.as_os_str().len() as u64),
            _ => 0,
        };
        let mut attr = node.attr(ino, size);
        // What the kernel writes by itself, only the file knows.
        if let Some(times) = self.backing.as_ref().and_then(|backing| backing.times(ino)) {
            (attr.atime, attr.mtime) = times;
        }
        attr
    }

    /// The node of that name, of which the kernel is told once more.
    pub(crate) fn look_up(&self, parent: Ino, name: &[u8]) -> Result<FileAttr, Errno> {
        let ino = self.tree.find(parent, name).ok_or(Errno::ENOENT)?;
        Ok(self.attr(ino, &self.nodes.look_up(ino)?))
    }

    /// Makes a node of that name, of which the kernel is told.
    pub(crate) fn make(&self, parent: Ino, name: &[u8], new: New, lap: &mut Lap) -> Result<FileAttr, Errno> {
        self.nodes.get(parent)?;
        let ino = self.tree.make(parent, name).map_err(|_| Errno::EEXIST)?;
        self.nodes.add(ino, parent, new);
        self.store.named(ino, parent, name, lap).map_err(errno)?;
        Ok(self.attr(ino, &self.nodes.look_up(ino)?))
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

    /// Gives a node another name, in the place of whoever has it.
    pub(crate) fn rename(&self, from: (Ino, &[u8]), to: (Ino, &[u8]), lap: &mut Lap) -> Result<(), Errno> {
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
        self.tree.link(ino, parent, name).map_err(|_| Errno::EEXIST)?;
        self.nodes.with(parent, Node::written)?;
        self.nodes.with(ino, |node| {
            node.names += 1;
            node.change(&Change::default());
        })?;
        Ok(self.attr(ino, &self.nodes.look_up(ino)?))
    }

    /// Changes a node, and its length.
    pub(crate) fn change(&self, ino: Ino, change: &Change, size: Option<u64>, kill: bool) -> Result<FileAttr, Errno> {
        if let Some(size) = size {
            self.store.resize(ino, size).map_err(errno)?;
        }
        if let Some(backing) = &self.backing {
            backing.set_times(ino, change).map_err(errno)?;
        }
        let node = self.nodes.with(ino, |node| {
            node.change(change);
            if size.is_some() {
                node.written();
            }
            if kill {
                node.drop_privileges();
            }
            node.clone()
        })?;
        Ok(self.attr(ino, &node))
    }

    /// Puts bytes into a file.
    pub(crate) fn write(&self, ino: Ino, at: u64, bytes: &[u8], kill: bool, lap: &mut Lap) -> Result<(), Errno> {
        self.store.write(ino, at, bytes, lap).map_err(errno)?;
        self.nodes.with(ino, |node| {
            node.written();
            if kill {
                node.drop_privileges();
            }
        })
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

/// What the kernel is told of an error.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
pub(crate) fn errno(error: std::io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno::from_i32(number),
        (None, ErrorKind::StorageFull) => Errno::ENOSPC,
        _ => Errno::EIO,
    }
}
