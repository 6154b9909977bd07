//! Settings of a mount that lie outside the server, in `/sys`: they go with the mount.

use crate::connection::device;
use crate::knobs::Knobs;
use anyhow::Result;
use std::path::Path;
use technique::Absent;

/// Sets what the knobs say otherwise than the kernel does by itself.
pub(crate) fn set(knobs: &Knobs, mount: &Path) -> Result<()> {
    if knobs.strict_limit && knobs.readahead_kib.is_none() {
        return Ok(());
    }
    let of = Path::new("/sys/class/bdi").join(device(mount)?);
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
