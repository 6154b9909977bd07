//! What the kernel does without a server: tmpfs, and ext4 on a file in memory.

use crate::server::may_mount;
use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::path::{Path, PathBuf};
use std::process::Command;
use technique::Absent;
use technique::peer::require;

/// A file system of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// Memory.
    Tmpfs,
    /// ext4 on a file in memory: its code, without a disk's noise.
    Ext4,
}

/// One that is mounted until this is dropped.
#[derive(Debug)]
pub struct NativeMount {
    points: Vec<PathBuf>,
}

impl Native {
    /// Mounts it, with room for so many bytes. `beside` is an empty directory for what it lies on.
    pub fn mount(self, point: &Path, beside: &Path, room: u64) -> Result<NativeMount> {
        may_mount()?;
        let mut mounted = NativeMount { points: Vec::new() };
        match self {
            Native::Tmpfs => mounted.tmpfs(point)?,
            Native::Ext4 => {
                mounted.tmpfs(beside)?;
                mounted.ext4(point, &beside.join("image"), room)?;
            }
        }
        Ok(mounted)
    }
}

impl NativeMount {
    /// ext4 on one file, which is made in a file system that is mounted already, of whatever kind.
    pub fn ext4_on(image: &Path, point: &Path, room: u64) -> Result<NativeMount> {
        may_mount()?;
        let mut mounted = NativeMount { points: Vec::new() };
        mounted.ext4(point, image, room)?;
        Ok(mounted)
    }

    fn ext4(&mut self, point: &Path, image: &Path, room: u64) -> Result<()> {
        require(&["mkfs.ext4", "mount"], "apt-get install e2fsprogs mount")?;
        std::fs::File::create_new(image)?.set_len((room * 2).max(64 << 20)).context("making the image")?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image))?;
        // The loop device goes by itself when it is unmounted.
        let loops = run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(point));
        if loops.is_err() && !Path::new("/dev/loop-control").exists() {
            return Err(Absent::because("there are no loop devices", "modprobe loop"));
        }
        loops?;
        self.points.push(point.to_owned());
        Ok(())
    }

    fn tmpfs(&mut self, point: &Path) -> Result<()> {
        let options: Option<&str> = Some("mode=755");
        mount(Some("assay-tmpfs"), point, Some("tmpfs"), MsFlags::MS_NODEV, options)
            .with_context(|| format!("mounting a tmpfs at {}", point.display()))?;
        self.points.push(point.to_owned());
        Ok(())
    }
}

impl Drop for NativeMount {
    fn drop(&mut self) {
        for point in self.points.iter().rev() {
            // What still uses it keeps it alive until it is done; nobody else sees it.
            let _ = umount2(point, MntFlags::MNT_DETACH);
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
