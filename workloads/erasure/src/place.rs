//! Where temporary files go, in the document's order: a RAM disk, the place that the user names, the working directory,
//! the system's own; the first that has room and may be written to.

use crate::format::Id;
use anyhow::{Context, Result, bail};
use rustix::fs::{Access, FlockOperation, access, flock, statvfs};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What temporary directories are called, so that a sweep knows them.
const PREFIX: &str = "assay-shards-";
/// What stands for an id in the name of those that are filled on the way back.
pub(crate) const BACK: &str = "back";

/// What a user says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Whether a RAM disk is preferred.
    pub use_ramdisk: bool,
    /// The place that the user names.
    pub named: Option<PathBuf>,
}

const RAM_DISK: &str = "/dev/shm";

/// The places that nobody names, after those that somebody does.
fn unnamed() -> impl Iterator<Item = PathBuf> {
    [std::env::current_dir().ok(), Some(std::env::temp_dir())].into_iter().flatten()
}

impl Places {
    /// Removes temporary directories whose programs are gone, wherever a put may have made one: what was killed there
    /// once took the room, and the next one went elsewhere. Says which. A place that cannot be read or that holds
    /// another user's is left as it is.
    pub fn sweep_all(&self) -> Vec<PathBuf> {
        let places = [PathBuf::from(RAM_DISK)].into_iter().chain(self.named.clone()).chain(unnamed());
        let mut seen = BTreeSet::new();
        let once = places.filter_map(|place| place.canonicalize().ok()).filter(|place| seen.insert(place.clone()));
        once.flat_map(|place| sweep(&place)).collect()
    }

    /// The first place with room for so many bytes. A place that the user names and that cannot be used is an error:
    /// silently taking another is what they wanted to prevent.
    pub fn find(&self, bytes: u64) -> Result<PathBuf> {
        if self.use_ramdisk && serves(Path::new(RAM_DISK), bytes) {
            return Ok(RAM_DISK.into());
        }
        if let Some(named) = &self.named {
            if serves(named, bytes) {
                return Ok(named.clone());
            }
            bail!("{} has no room for {bytes} bytes, or may not be written to", named.display());
        }
        let found = unnamed().find(|place| serves(place, bytes));
        found.with_context(|| format!("no place has room for {bytes} bytes of temporary files"))
    }
}

fn serves(place: &Path, bytes: u64) -> bool {
    let has_room = statvfs(place).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= bytes);
    has_room && place.is_dir() && access(place, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// A temporary directory of our own below that place, and what says as long as it lives that somebody is at it: the
/// program's number says that to those alone who can see it.
pub(crate) fn make(below: &Path, rest: &str) -> Result<(PathBuf, Option<File>)> {
    let dir = below.join(format!("{PREFIX}{}-{rest}", std::process::id()));
    std::fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
    let held = File::open(&dir).ok().filter(is_free);
    Ok((dir, held))
}

/// Whether nobody holds it; from now on we do. Where nothing can be locked, nobody does.
fn is_free(dir: &File) -> bool {
    flock(dir, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK)
}

/// Removes temporary directories in that place whose programs are gone. Says which.
fn sweep(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    let left = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_of_a_gone_program));
    let left = left.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    left.filter(|path| File::open(path).is_ok_and(|dir| is_free(&dir) && std::fs::remove_dir_all(path).is_ok()))
        .collect()
}

fn is_of_a_gone_program(name: &str) -> bool {
    let Some((program, rest)) = name.strip_prefix(PREFIX).and_then(|name| name.split_once('-')) else { return false };
    let ours = rest == BACK || Id::parse(rest).is_some();
    ours && program.parse::<u32>().is_ok_and(|program| !Path::new(&format!("/proc/{program}")).exists())
}

/// Whether a place is in memory.
pub fn is_memory(place: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    rustix::fs::statfs(place).is_ok_and(|stat| stat.f_type == TMPFS)
}

/// How much memory could be taken now without anybody being driven out.
pub fn available_memory() -> Result<u64> {
    let path = "/proc/meminfo";
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("{path} tells no MemAvailable"))? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_with_room_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let named = Places { use_ramdisk: false, named: Some(dir.path().to_owned()) };
        assert_eq!(named.find(1).unwrap(), dir.path());
        assert!(named.find(u64::MAX).unwrap_err().to_string().contains("no room"));
        let ram = Places { use_ramdisk: true, ..named };
        let found = ram.find(1).unwrap();
        assert!(found == Path::new(RAM_DISK) || found == dir.path());
        assert!(Places::default().find(1).unwrap().is_dir());
        assert!(available_memory().unwrap() > 1 << 20);
    }

    /// No program has a number so high.
    const GONE: u32 = u32::MAX;

    #[test]
    fn what_a_gone_program_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef0123456789abcdef";
        let (own, held) = make(dir.path(), id).unwrap();
        assert!(held.is_some());
        let others = [
            format!("{PREFIX}{GONE}-mine"),
            format!("{PREFIX}{GONE}"),
            format!("{PREFIX}x-{id}"),
            format!("{PREFIX}{}-{BACK}", std::process::id()),
            format!("{GONE}-{id}"),
        ];
        let gone = [format!("{PREFIX}{GONE}-{id}"), format!("{PREFIX}{GONE}-{BACK}")];
        // Another name space's, whose number says nothing here.
        let elsewhere = dir.path().join(format!("{PREFIX}{}-{id}", GONE - 1));
        for name in others.iter().chain(&gone) {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("0"), "shard").unwrap();
        }
        std::fs::create_dir(&elsewhere).unwrap();
        let lives = File::open(&elsewhere).unwrap();
        assert!(is_free(&lives));
        std::fs::write(dir.path().join(format!("{PREFIX}{}-{id}", GONE - 2)), "a file").unwrap();
        let places = Places { use_ramdisk: false, named: Some(dir.path().to_owned()) };
        // Other tests' leftovers may be in the places that nobody names.
        let root = dir.path().canonicalize().unwrap();
        let mut swept: Vec<_> = places.sweep_all().into_iter().filter(|path| path.starts_with(&root)).collect();
        swept.sort();
        let mut due = gone.map(|name| root.join(name));
        due.sort();
        assert_eq!(swept, due);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 3 + others.len());
        drop(lives);
        assert!(places.sweep_all().contains(&root.join(elsewhere.file_name().unwrap())));
        drop(held);
        assert!(own.is_dir() && places.sweep_all().iter().all(|path| !path.starts_with(&root)), "its program lives");
        let none = Places { use_ramdisk: true, named: Some(root.join("no such")) };
        assert!(none.sweep_all().iter().all(|path| !path.starts_with(&root)));
    }
}
