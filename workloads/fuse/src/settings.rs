//! Settings of a mount that lie outside the server, in `/sys`: they go with the mount.

use crate::knobs::Knobs;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use technique::Absent;

/// Sets what the knobs say otherwise than the kernel does by itself.
pub(crate) fn set(knobs: &Knobs, mount: &Path) -> Result<()> {
    if knobs.strict_limit && knobs.readahead_kib.is_none() {
        return Ok(());
    }
    let table = std::fs::read_to_string("/proc/thread-self/mountinfo").context("reading the mount table")?;
    let device = device(&table, mount).with_context(|| format!("{} is not in the mount table", mount.display()))?;
    let of = Path::new("/sys/class/bdi").join(device);
    if !knobs.strict_limit {
        write(&of.join("strict_limit"), "0")?;
    }
    if let Some(kib) = knobs.readahead_kib {
        write(&of.join("read_ahead_kb"), &kib.to_string())?;
    }
    Ok(())
}

fn write(setting: &Path, value: &str) -> Result<()> {
    std::fs::write(setting, value).map_err(|error| {
        let why = format!("{} cannot be set: {error}", setting.display());
        Absent::because(why, "run as root, on Linux 6.2 or newer, where /sys may be written: mount -o remount,rw /sys")
    })
}

/// The device number of what is mounted there, by the kernel's table: to ask the mount itself would be a request.
fn device(table: &str, mount: &Path) -> Option<String> {
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
        assert_eq!(device(table, Path::new("/mnt/a b")).as_deref(), Some("0:51"));
        assert_eq!(device(table, Path::new("/mnt")), None);
    }
}
