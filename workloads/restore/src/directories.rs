//! Directories and symbolic links: made, given their modes, and opened so that nobody is led elsewhere.

use crate::catalogue::Catalogue;
use anyhow::{Context, Result};
use batching::{Directories, make_up_front};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, chmodat, openat, openat2, symlinkat};
use rustix::io::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use technique::phase::{CHMOD, LINK, MKDIR};
use technique::{Absent, Lap};

/// Makes all of them before the first file. Their owner must be able to fill them; what they should not have is taken
/// away at the end.
pub(crate) fn make_all(catalogue: &Catalogue, target: BorrowedFd, lap: &mut Lap) -> Result<()> {
    let all = catalogue.directories[1..].iter().map(|one| (one.path(), one.made_with(true)));
    make_up_front(target, all, lap)?;
    Ok(())
}

/// Makes those that no file asked for, and gives those their modes that were made otherwise.
pub(crate) fn finish(catalogue: &Catalogue, when: Directories, target: BorrowedFd, lap: &mut Lap) -> Result<()> {
    let directories = &catalogue.directories[1..];
    let up_front = when == Directories::UpFront;
    if !up_front {
        let bare = directories.iter().filter(|one| one.files == 0).map(|one| (one.path(), one.made_with(up_front)));
        make_up_front(target, bare, lap)?;
        lap.mark(MKDIR);
    }
    // From the leaves up: a directory that its owner may not enter would hide those below it.
    for directory in directories.iter().rev() {
        if directory.mode != directory.made_with(up_front) {
            chmodat(target, directory.path(), Mode::from_raw_mode(directory.mode), AtFlags::empty())
                .with_context(|| format!("setting the mode of {}", directory.path().display()))?;
            lap.mark(CHMOD);
        }
    }
    Ok(())
}

/// Links come last, so that no name that is restored goes through one.
pub(crate) fn make_links(catalogue: &Catalogue, target: BorrowedFd, lap: &mut Lap) -> Result<()> {
    for link in &catalogue.links {
        let path = catalogue.path_of_link(link);
        symlinkat(link.to(), target, &path).with_context(|| format!("making the link {}", path.display()))?;
        lap.mark(LINK);
    }
    Ok(())
}

/// Opens a directory.
pub(crate) fn open_directory(dir: BorrowedFd, path: &Path) -> Result<OwnedFd> {
    openat(dir, or_itself(path), FLAGS, Mode::empty())
        .with_context(|| format!("opening the directory {}", path.display()))
}

/// Opens a directory below `dir`, and refuses to be led anywhere by a link.
pub(crate) fn open_beneath(dir: BorrowedFd, path: &Path) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(dir, or_itself(path), FLAGS, Mode::empty(), resolve).map_err(|errno| {
        let why = match errno {
            Errno::LOOP | Errno::XDEV => "a link stands on the way to it, and nothing is restored through one: refused",
            _ => "it cannot be opened",
        };
        anyhow::Error::new(errno).context(format!("the directory {}: {why}", path.display()))
    })
}

/// Whether this kernel opens beneath a directory at all. One that is imitated, as under Valgrind, may not.
pub(crate) fn beneath_is_known(target: &Path) -> Result<()> {
    match openat2(CWD, target, FLAGS, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
        Err(Errno::NOSYS) => Err(Absent::because("this kernel knows no openat2", "boot Linux 5.6 or newer")),
        opened => opened.map(drop).with_context(|| format!("opening {}", target.display())),
    }
}

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The root of a tree has an empty path, which the kernel does not take.
fn or_itself(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    #[test]
    fn nobody_is_led_elsewhere_by_a_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("root/real/deep")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        symlink("../outside", dir.path().join("root/link")).unwrap();
        symlink("real", dir.path().join("root/within")).unwrap();
        let root = fs::File::open(dir.path().join("root")).unwrap();
        for path in ["", "real", "real/deep"] {
            open_beneath(root.as_fd(), Path::new(path)).unwrap();
        }
        for path in ["link", "within", "within/deep", "../outside", "/tmp"] {
            let told = format!("{:#}", open_beneath(root.as_fd(), Path::new(path)).unwrap_err());
            assert!(told.contains("refused") && told.contains(path), "{path}: {told}");
        }
    }
}
