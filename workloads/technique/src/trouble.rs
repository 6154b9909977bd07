//! What went wrong, where, and the way out.

use rustix::fs::CWD;
use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// The error of a call that made or changed `path` below `dir`.
#[cold]
pub fn trouble(errno: Errno, doing: &str, dir: BorrowedFd<'_>, path: &Path) -> anyhow::Error {
    let path = full_name(dir, path);
    let place = path.parent().unwrap_or(Path::new("/")).display();
    let way_out = match errno {
        Errno::NOSPC => format!(": no room left under {place}: free some, or name another place with --scratch"),
        Errno::DQUOT => {
            format!(": the quota under {place} is used up: free some, or name another place with --scratch")
        }
        Errno::ACCESS | Errno::PERM => {
            format!(": {place} may not be written to: become its owner, or name another place with --scratch")
        }
        Errno::ROFS => format!(": {place} is mounted read-only: remount it, or name another place with --scratch"),
        Errno::MFILE | Errno::NFILE => ": too many files are open: raise `ulimit -n`, or use fewer workers".to_owned(),
        Errno::EXIST => ": it is there already, and this way never replaces a file: empty the place first".to_owned(),
        Errno::NOTDIR => ": a file stands where a directory should be: remove it first".to_owned(),
        Errno::NAMETOOLONG => ": the name, with what this way adds to it, is too long for the file system".to_owned(),
        _ => String::new(),
    };
    anyhow::Error::new(errno).context(format!("{doing} {}{way_out}", path.display()))
}

/// The whole name, so that a reader finds the file whichever directory was held.
fn full_name(dir: BorrowedFd<'_>, path: &Path) -> PathBuf {
    if path.is_absolute() || dir.as_raw_fd() == CWD.as_raw_fd() {
        return path.to_owned();
    }
    match std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())) {
        Ok(held) => held.join(path),
        Err(_) => path.to_owned(),
    }
}
