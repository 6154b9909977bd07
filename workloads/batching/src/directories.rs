//! The directories that files need: on demand, or all of them up front.

use anyhow::{Result, bail};
use rustix::fs::{AtFlags, FileType, Mode, mkdirat, statat};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::path::Path;
use technique::Lap;
use technique::phase::MKDIR;
use technique::trouble::trouble;

/// When directories are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directories {
    /// Before each file, its parents, if they are missing.
    OnDemand,
    /// Before the first file, all of them, once.
    UpFront,
}

/// Makes directories of these modes below `dir`, parents first, and returns how many calls that took. One that is
/// there already stays as it is; a file or a link in its place is an error.
pub fn make_up_front<'p>(
    dir: BorrowedFd<'_>,
    directories: impl Iterator<Item = (&'p Path, u32)>,
    lap: &mut Lap,
) -> Result<u64> {
    let mut calls = 0;
    for (path, mode) in directories {
        calls += 1;
        match mkdirat(dir, path, Mode::from_raw_mode(mode & 0o7777)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                calls += 1;
                check_directory(dir, path)?;
            }
            Err(errno) => return Err(trouble(errno, "making the directory", dir, path)),
        }
        lap.mark(MKDIR);
    }
    Ok(calls)
}

/// Makes the missing parents of one file below `dir`, as `MkdirAll` does, and returns how many calls that took: one
/// where the parent is there already. What stands in its place is not looked at; it fails when the file is made.
pub fn make_parents(dir: BorrowedFd<'_>, path: &Path, lap: &mut Lap) -> Result<u64> {
    let calls = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => make_with_parents(dir, parent)?,
        _ => return Ok(0),
    };
    lap.mark(MKDIR);
    Ok(calls)
}

fn make_with_parents(dir: BorrowedFd<'_>, path: &Path) -> Result<u64> {
    match make(dir, path) {
        Ok(()) => Ok(1),
        Err(Errno::NOENT) => {
            let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
                return Err(trouble(Errno::NOENT, "making the directory", dir, path));
            };
            let above = make_with_parents(dir, parent)?;
            make(dir, path).map_err(|errno| trouble(errno, "making the directory", dir, path))?;
            Ok(above + 2)
        }
        Err(errno) => Err(trouble(errno, "making the directory", dir, path)),
    }
}

/// One call; that another worker was faster is no error.
fn make(dir: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    match mkdirat(dir, path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn check_directory(dir: BorrowedFd<'_>, path: &Path) -> Result<()> {
    let found =
        statat(dir, path, AtFlags::SYMLINK_NOFOLLOW).map_err(|errno| trouble(errno, "looking at", dir, path))?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => Ok(()),
        FileType::Symlink => bail!("{} is a link, and should be a directory: remove it first", path.display()),
        _ => bail!("{} is a file, and should be a directory: remove it first", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn place() -> (tempfile::TempDir, OwnedFd, Lap) {
        rustix::process::umask(Mode::empty());
        let dir = tempfile::tempdir().unwrap();
        let root = File::open(dir.path()).unwrap().into();
        (dir, root, Lap::start(true))
    }

    #[test]
    fn up_front_each_directory_costs_one_call() {
        let (dir, root, mut lap) = place();
        let wanted = [("a", 0o755), ("a/b", 0o700), ("c", 0o1777)];
        let wanted = || wanted.iter().map(|(path, mode)| (Path::new(*path), *mode));
        assert_eq!(make_up_front(root.as_fd(), wanted(), &mut lap).unwrap(), 3);
        for (path, mode) in wanted() {
            assert_eq!(fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o7777, mode);
        }
        // Those that are there cost a look more.
        assert_eq!(make_up_front(root.as_fd(), wanted(), &mut lap).unwrap(), 6);
    }

    #[test]
    fn up_front_a_file_or_a_link_in_the_way_is_named() {
        let (dir, root, mut lap) = place();
        fs::write(dir.path().join("file"), "").unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        for (name, word) in [("file", "is a file"), ("link", "is a link"), ("no/such", "making the directory")] {
            let wanted = [(Path::new(name), 0o755)].into_iter();
            let error = format!("{:#}", make_up_front(root.as_fd(), wanted, &mut lap).unwrap_err());
            assert!(error.contains(word) && error.contains(name), "{error}");
        }
    }

    #[test]
    fn on_demand_a_parent_that_is_there_costs_one_call() {
        let (dir, root, mut lap) = place();
        let mut calls = |path: &str| make_parents(root.as_fd(), Path::new(path), &mut lap).unwrap();
        assert_eq!(calls("file"), 0);
        assert_eq!(calls("a/file"), 1);
        assert_eq!(calls("a/other"), 1);
        // Three refusals on the way up... and as many directories on the way down.
        assert_eq!(calls("x/y/z/file"), 2 + 3);
        assert!(dir.path().join("x/y/z").is_dir());
    }

    #[test]
    fn on_demand_absolute_paths_and_files_in_the_way() {
        let (dir, root, mut lap) = place();
        let deep = dir.path().join("p/q/file");
        assert_eq!(make_parents(rustix::fs::CWD, &deep, &mut lap).unwrap(), 3);
        assert!(dir.path().join("p/q").is_dir());
        fs::write(dir.path().join("file"), "").unwrap();
        let error = make_parents(root.as_fd(), Path::new("file/below/it"), &mut lap).unwrap_err();
        assert!(format!("{error:#}").contains("file/below"), "{error:#}");
    }
}
