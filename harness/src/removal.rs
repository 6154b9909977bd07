//! Removal: of what a run left, and of nothing else.
//!
//! A program under test may leave anything behind: directories without permission, links to places of the user's,
//! mounts. So no link is followed, and no mount is entered: what lies beyond belongs to somebody else.

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, StatxFlags, chmod, openat, statx, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Removes whatever stands at a path; that it is gone already is fine. A mount within stops it, by name.
pub fn remove_tree(path: &Path) -> Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { bail!("{} is no name that could be removed", path.display()) };
    let above = match openat(CWD, parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(above) => above,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno).with_context(|| format!("opening {}", parent.display())),
    };
    let mount = mount_of(above.as_fd(), OsStr::new(""))?;
    remove(above.as_fd(), name, mount, path)
}

fn remove(dir: BorrowedFd, name: &OsStr, mount: u64, path: &Path) -> Result<()> {
    let removing = || format!("removing {}", path.display());
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // A directory says so in one of these ways.
        Err(Errno::ISDIR | Errno::PERM | Errno::BUSY) => {}
        Err(errno) => return Err(errno).with_context(removing),
    }
    let found = statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE | StatxFlags::MNT_ID);
    let found = found.with_context(removing)?;
    if found.stx_mnt_id != mount {
        bail!("{} is a mount point: umount it, then it can be removed", path.display());
    }
    if FileType::from_raw_mode(found.stx_mode.into()) != FileType::Directory {
        return Err(Errno::PERM).with_context(removing);
    }
    let inside = open_to_empty(dir, name).with_context(removing)?;
    // It may have been swapped for another since; what was opened decides.
    if mount_of(inside.as_fd(), OsStr::new(""))? != mount {
        bail!("{} is a mount point: umount it, then it can be removed", path.display());
    }
    let mut names = Vec::new();
    for entry in Dir::read_from(&inside).with_context(removing)? {
        let entry = entry.with_context(removing)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    for name in names {
        remove(inside.as_fd(), &name, mount, &path.join(&name))?;
    }
    drop(inside);
    match unlinkat(dir, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno).with_context(removing),
    }
}

/// Opens a directory that will be emptied, and gives its owner the permission for that. No link is followed: the
/// mode is set on what was opened.
fn open_to_empty(dir: BorrowedFd, name: &OsStr) -> Result<std::os::fd::OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let held = openat(dir, name, OFlags::PATH | flags, Mode::empty())?;
    let itself = format!("/proc/self/fd/{}", held.as_raw_fd());
    if !rustix::process::geteuid().is_root() {
        // Where it may not be changed it may be writable all the same; if not, the next call says so.
        let _ = chmod(&itself, Mode::RWXU);
    }
    Ok(openat(held, ".", OFlags::RDONLY | flags, Mode::empty())?)
}

fn mount_of(dir: BorrowedFd, name: &OsStr) -> Result<u64> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    Ok(statx(dir, name, flags, StatxFlags::MNT_ID).context("asking which mount a directory is of")?.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn trees_links_and_locked_directories_go_and_what_links_point_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("gold"), "x").unwrap();
        fs::set_permissions(&precious, fs::Permissions::from_mode(0o755)).unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        symlink(&precious, tree.join("a/link")).unwrap();
        symlink("nowhere", tree.join("dangling")).unwrap();
        fs::set_permissions(tree.join("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        remove_tree(&tree).unwrap();
        symlink(&precious, &tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(precious.join("gold").exists());
        assert_eq!(fs::metadata(&precious).unwrap().permissions().mode() & 0o777, 0o755);
        fs::write(&tree, "a file").unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn a_mount_is_named_and_not_entered() {
        let dir = tempfile::tempdir().unwrap();
        let (precious, tree) = (dir.path().join("precious"), dir.path().join("tree"));
        fs::create_dir_all(tree.join("within/mount")).unwrap();
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("gold"), "x").unwrap();
        let run = |words: &[&OsStr]| {
            std::process::Command::new(words[0]).args(&words[1..]).status().is_ok_and(|status| status.success())
        };
        let point = tree.join("within/mount");
        let word = OsStr::new;
        if !run(&[word("mount"), word("--bind"), precious.as_os_str(), point.as_os_str()]) {
            return technique::absent::skip("root", "only root may mount");
        }
        let told = remove_tree(&tree).map_err(|error| format!("{error:#}"));
        assert!(run(&[word("umount"), point.as_os_str()]));
        assert!(precious.join("gold").exists());
        assert!(told.unwrap_err().contains("within/mount is a mount point"));
        remove_tree(&tree).unwrap();
    }
}
