//! `assay doctor --clean`: takes away what a killed run has left.
//!
//! Little can be left: mounts are hidden in the process that made them and go with it, servers end with who started
//! them, and the next run sweeps scratch space. This is for who does not want a next run.

use crate::cli::Said;
use crate::scratch::{Scratch, default_place};
use anyhow::{Context, Result};
use nix::mount::{MntFlags, umount2};
use serde_json::json;
use std::path::PathBuf;

/// Takes away mounts of ours that are still seen, puts back a setting of the kernel's, and sweeps the scratch place that
/// runs take by themselves.
pub fn clean() -> Result<Said> {
    let mounts = mounts(&std::fs::read_to_string("/proc/self/mountinfo").context("reading the mount table")?);
    for mount in &mounts {
        // Its server may stand still, and then what waits for it would hold up the unmounting. If it cannot be cut,
        // it is taken away all the same.
        let _ = fuse::cut(mount);
        umount2(mount, MntFlags::MNT_DETACH).with_context(|| format!("unmounting {}", mount.display()))?;
    }
    let place = default_place(0);
    // Whoever takes it sweeps it, unless a run is under way there; and who lets go of it leaves nothing.
    let swept = place.exists();
    if swept {
        drop(Scratch::take(&place)?);
    }
    let setting = fuse::switch_back()?;
    let mut lines: Vec<String> = mounts.iter().map(|mount| format!("unmounted  {}", mount.display())).collect();
    lines.extend(setting.iter().map(|setting| format!("put back   {setting}")));
    if swept {
        lines.push(format!("swept      {}", place.display()));
    }
    if lines.is_empty() {
        lines.push("nothing was left".to_owned());
    }
    Ok(Said::fine(
        "assay.clean/1",
        lines.join("\n") + "\n",
        json!({"unmounted": mounts, "swept": swept.then_some(place), "put_back": setting}),
    ))
}

/// Where mounts of ours stand, the last one first, by a table of the kernel's. Spaces in a path are written as octal.
fn mounts(table: &str) -> Vec<PathBuf> {
    let ours = table.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let source = right.split(' ').nth(1)?;
        (source == fuse::SOURCE).then(|| left.split(' ').nth(4))?
    });
    let unescaped = |path: &str| PathBuf::from(path.replace("\\040", " "));
    let mut mounts: Vec<PathBuf> = ours.map(unescaped).collect();
    mounts.reverse();
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_of_ours_are_found() {
        let table = "21 1 0:20 / /proc rw - proc proc rw\n\
                     40 21 0:50 / /mnt/a\\040b rw,nodev - fuse.assay assay-fuse rw,user_id=0\n\
                     41 21 0:51 / /mnt/sshfs rw - fuse.sshfs assay-fuse@host rw\n\
                     42 21 0:52 / /mnt/assay-fuse rw - tmpfs none rw\n";
        assert_eq!(mounts(table), [PathBuf::from("/mnt/a b")]);
    }
}
