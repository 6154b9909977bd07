//! A slow file system: a directory as it is, but each time that a name is looked up, attributes are asked for, or a
//! part of a directory is read, the answer comes later. So a network's latency can be had without a network.
//!
//! As many questions as anybody asks are on their way at once, as over a network, and so is what is remembered: a
//! directory that was looked up is known, a file has to be looked up each time. Nothing can be written.

mod server;

use crate::refusal::Refusal;
use anyhow::{Context, Result};
use fuser::{BackgroundSession, Config, MountOption, Session};
use rustix::io::Errno;
use server::{ARM, Server, Shared};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use technique::Absent;

/// A slow view of a directory, until it is dropped.
pub struct Slow {
    point: PathBuf,
    shared: Arc<Shared>,
    session: Option<BackgroundSession>,
}

impl Slow {
    /// Mounts one of `dir` at `point`, which is made. It is as fast as it can be until [`arm`] is called on it.
    pub fn mount(dir: &Path, point: PathBuf, latency: Duration) -> Result<Slow> {
        std::fs::create_dir(&point).with_context(|| format!("making {}", point.display()))?;
        let server = Server::of(dir, latency)?;
        let shared = server.shared();
        let mut config = Config::default();
        config.mount_options = vec![MountOption::RO, MountOption::FSName("assay".into())];
        let mounting = || format!("mounting a slow file system at {}", point.display());
        let session = Session::new(server, &point, &config).and_then(Session::spawn).with_context(mounting)?;
        shared.know(session.notifier());
        Ok(Slow { point, shared, session: Some(session) })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// Makes it fast again: a row may get ready without waiting.
    pub fn be_fast(&self) {
        self.shared.set_armed(false);
    }

    /// Whether it can be had here, tried out in `place`, which is ours.
    pub fn possible(place: &Path) -> Result<(), Absent> {
        super::withdraw()?;
        let mend = "modprobe fuse; a container needs --device /dev/fuse and the capability SYS_ADMIN".to_owned();
        if let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse") {
            return Err(Absent { why: format!("/dev/fuse cannot be opened: {error}"), mend });
        }
        let try_out = || {
            let dir = place.join("try-slow");
            std::fs::create_dir(&dir)?;
            let slow = Slow::mount(&dir, place.join("try-slow-mount"), Duration::ZERO)?;
            arm(slow.path())?;
            drop(slow);
            std::fs::remove_dir(dir)?;
            anyhow::Ok(())
        };
        try_out().map_err(|error| Absent { why: format!("no slow file system: {error:#}"), mend })
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.be_fast();
        if let Some(session) = self.session.take() {
            // The mount is seen by this process and its children alone, and ends with them at the latest.
            let _ = session.umount_and_join();
        }
        // Where it is still mounted it cannot be removed, and what is above it will say so.
        let _ = std::fs::remove_dir(&self.point);
    }
}

/// Makes what is mounted at that path slow from here on, and lets the kernel forget all that it knows of it.
pub fn arm(path: &Path) -> Result<()> {
    let mut nothing = [0u8; 8];
    match rustix::fs::getxattr(path, ARM, &mut nothing[..]) {
        // It has no such attribute; who asks for it is understood nevertheless.
        Err(Errno::NODATA) => Ok(()),
        Ok(_) => Err(Refusal::unfit(format!("{} is no slow file system", path.display()), "the runner mounts it")),
        Err(errno) => Err(errno).with_context(|| format!("arming {}", path.display())),
    }
}
