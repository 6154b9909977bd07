//! Where temporary files go, in the document's order: a RAM disk, the place that the user names, the working directory,
//! the system's own; the first that has room and may be written to.

use crate::format::Id;
use crate::temp::{BACK, PREFIX};
use anyhow::{Context, Result, bail};
use rustix::fs::{Access, access, statvfs};
use std::path::{Path, PathBuf};

/// What a user says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Whether a RAM disk is preferred.
    pub use_ramdisk: bool,
    /// The place that the user names.
    pub named: Option<PathBuf>,
}

const RAM_DISK: &str = "/dev/shm";

impl Places {
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
        let others = [std::env::current_dir().ok(), Some(std::env::temp_dir())];
        let found = others.into_iter().flatten().find(|place| serves(place, bytes));
        found.with_context(|| format!("no place has room for {bytes} bytes of temporary files"))
    }
}

fn serves(place: &Path, bytes: u64) -> bool {
    let has_room = statvfs(place).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= bytes);
    has_room && place.is_dir() && access(place, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Removes temporary directories in that place whose programs are gone. Says how many.
pub fn sweep(place: &Path) -> Result<usize> {
    let mut swept = 0;
    for entry in std::fs::read_dir(place).with_context(|| format!("listing {}", place.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((program, rest)) = name.strip_prefix(PREFIX).and_then(|name| name.split_once('-')) else { continue };
        let ours = rest == BACK || Id::parse(rest).is_some();
        let gone = program.parse::<u32>().is_ok_and(|program| !Path::new(&format!("/proc/{program}")).exists());
        if ours && gone && path.is_dir() {
            std::fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
            swept += 1;
        }
    }
    Ok(swept)
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
}
