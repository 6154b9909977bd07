//! The kernel's side of a mount: what lets go of everybody who waits for a server that will never answer.

use crate::server::hidden;
use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::path::{Path, PathBuf};

/// Where the kernel lists what can be cut.
const CONTROL: &str = "/sys/fs/fuse/connections";

/// A mount's connection to its server, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection(u32);

impl Connection {
    /// That of what is mounted there, by the kernel's table: to ask the mount itself would be a request.
    pub(crate) fn of(mount: &Path) -> Result<Connection> {
        let device = device(mount)?;
        let number = device.split_once(':').and_then(|(_, minor)| minor.parse().ok());
        Ok(Connection(number.with_context(|| format!("the device of {}: {device}", mount.display()))?))
    }

    /// Cuts it: whoever waits for the server is told that it is gone, and so is the server.
    pub(crate) fn cut(self) -> Result<()> {
        let abort = Path::new(CONTROL).join(self.0.to_string()).join("abort");
        let cut = || std::fs::write(&abort, "1").with_context(|| format!("writing 1 to {}", abort.display()));
        if abort.exists() || !hidden() {
            return cut();
        }
        // Nobody else sees it.
        let none: Option<&str> = None;
        mount(none, CONTROL, Some("fusectl"), MsFlags::empty(), none).context("mounting what cuts connections")?;
        let done = cut();
        // It goes with the name space otherwise.
        let _ = umount2(CONTROL, MntFlags::MNT_DETACH);
        done
    }
}

/// Cuts the connection of a mount of ours, however it was left.
pub fn cut(mount: &Path) -> Result<()> {
    Connection::of(mount)?.cut()
}

/// The device number of what is mounted there.
pub(crate) fn device(mount: &Path) -> Result<String> {
    let table = std::fs::read_to_string("/proc/thread-self/mountinfo").context("reading the mount table")?;
    by_table(&table, mount).with_context(|| format!("{} is not in the mount table", mount.display()))
}

fn by_table(table: &str, mount: &Path) -> Option<String> {
    let unescaped = |path: &str| PathBuf::from(path.replace("\\040", " "));
    let mut fields = table.lines().rev().map(|line| line.split(' ').skip(2));
    fields.find_map(|mut line| {
        let device = line.next()?;
        (unescaped(line.nth(1)?) == mount).then(|| device.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_of_the_last_mount_at_a_place_is_found() {
        let table = "21 1 0:20 / /proc rw - proc proc rw\n\
                     40 21 0:50 / /mnt/a\\040b rw,nodev - fuse.assay assay-fuse rw\n\
                     41 21 0:51 / /mnt/a\\040b rw,nodev - fuse.assay assay-fuse rw\n";
        assert_eq!(by_table(table, Path::new("/mnt/a b")).as_deref(), Some("0:51"));
        assert_eq!(by_table(table, Path::new("/mnt")), None);
    }
}
