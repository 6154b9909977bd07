//! Places: directories that are to be listed, and how they are opened, whatever the length of their path.

use crate::meta::Meta;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A directory that is to be listed.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its path, the root's own path first.
    pub(crate) path: Vec<u8>,
    /// Its number in this walk; the root's is 0.
    pub(crate) number: u32,
    /// What the kernel said of it.
    pub(crate) meta: Meta,
    /// The inode of the directory above.
    pub(crate) above: u64,
    /// How many directories lie between it and the root, itself included.
    pub(crate) depth: i32,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// The longest path that the kernel takes at once is 4,095 bytes.
const AT_ONCE: usize = 4095;

/// Opens the root of a walk; it may be a link to a directory.
pub(crate) fn open_root(root: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, root, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())
}

/// Opens by the whole path: what is deeper than the kernel takes at once cannot be reached so.
pub(crate) fn open_by_path(path: &[u8]) -> Result<OwnedFd, Errno> {
    openat(CWD, OsStr::from_bytes(path), DIRECTORY, Mode::empty())
}

/// Opens a directory by its path below the root, in as many steps as its length takes. No descriptor is kept on the
/// way, so that neither the depth of a tree nor the number of directories that wait takes any.
pub(crate) fn open_below(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        return open_inside(root, b".");
    }
    let mut held: Option<OwnedFd> = None;
    let mut rest = path;
    loop {
        let from = held.as_ref().map_or(root, AsFd::as_fd);
        if rest.len() <= AT_ONCE {
            return open_inside(from, rest);
        }
        let cut = memchr::memrchr(b'/', &rest[..=AT_ONCE]).ok_or(Errno::NAMETOOLONG)?;
        held = Some(open_inside(from, &rest[..cut])?);
        rest = &rest[cut + 1..];
    }
}

/// Opens a directory, and never by a link: who can write to the tree could otherwise put one in the place of a
/// directory during the walk, and lead it out of the tree. Kernels before 5.6 see to the last name only.
fn open_inside(from: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    static OLD: AtomicBool = AtomicBool::new(false);
    let path = OsStr::from_bytes(path);
    if !OLD.load(Relaxed) {
        match openat2(from, path, DIRECTORY, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS) {
            Err(Errno::NOSYS) => OLD.store(true, Relaxed),
            // Some containers refuse a call that they do not know in this way.
            Err(Errno::PERM) => {}
            answer => return answer,
        }
    }
    openat(from, path, DIRECTORY, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn no_link_leads_out_of_the_tree() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("real/below")).unwrap();
        std::os::unix::fs::symlink("real", tree.path().join("link")).unwrap();
        let root = open_root(tree.path()).unwrap();
        for (path, expected) in [
            ("", None),
            ("real/below", None),
            ("link", Some(Errno::NOTDIR)),
            ("link/below", Some(Errno::LOOP)),
            ("none", Some(Errno::NOENT)),
        ] {
            assert_eq!(open_below(root.as_fd(), path.as_bytes()).err(), expected, "{path}");
        }
    }
}
