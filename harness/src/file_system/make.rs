//! Making one: an image, `mkfs`, a mount; and all of it gone again.

use super::Kind;
use crate::removal::remove_tree;
use crate::say::say;
use crate::scratch::free;
use anyhow::{Context, Result, bail};
use fixtures::Tally;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The image's name. No program of others' gives a file such a name, so a loop device that holds one is known.
pub(super) const IMAGE: &str = "assay-file-system.image";

/// XFS is no smaller than this.
const LEAST: u64 = 512 << 20;
/// What an entry takes on any of them beside its bytes: a block, at most.
const BLOCK: u64 = 4096;

/// How much must fit on a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    bytes: u64,
    entries: u64,
}

impl Room {
    /// Room for a tree.
    pub fn of(tally: &Tally) -> Room {
        Room { bytes: tally.bytes, entries: tally.files + tally.directories + tally.symlinks }
    }

    /// The bytes that one such tree takes at most.
    pub fn weight(self) -> u64 {
        self.bytes + BLOCK * self.entries
    }

    /// What must be free where the image lies: a source, and two targets.
    pub fn least(self) -> u64 {
        LEAST + 3 * self.weight()
    }

    /// How large the file system is made: a source and eleven targets, as far as that fits. An image has holes, so what
    /// is not used takes no room.
    fn size(self, free: u64) -> u64 {
        (LEAST + 12 * self.weight()).min(free / 5 * 4).max(LEAST) / BLOCK * BLOCK
    }
}

/// A file system that was made for this run, until it is dropped.
#[derive(Debug)]
pub struct FileSystem {
    kind: Kind,
    dir: PathBuf,
    point: PathBuf,
}

impl FileSystem {
    /// Makes one in `dir`, which must not exist yet. [`super::withdraw`] comes before, once.
    pub fn make(kind: Kind, dir: &Path, room: Room) -> Result<FileSystem> {
        let maker = kind.maker()?;
        let made = FileSystem::begin(kind, dir)?;
        let size = room.size(free(dir)?);
        match maker {
            None => {
                let options = format!("size={size},nr_inodes=0");
                mount(Some("tmpfs"), &made.point, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
                    .with_context(|| format!("mounting a tmpfs at {}", made.point.display()))?;
            }
            Some(maker) => {
                let image = dir.join(IMAGE);
                let file = File::create_new(&image).with_context(|| format!("making {}", image.display()))?;
                file.set_len(size).with_context(|| format!("making {}", image.display()))?;
                drop(file);
                run(Command::new(maker).args(words(kind, room)).arg(&image))?;
                made.mount_image()?;
            }
        }
        Ok(made)
    }

    /// The directories that it needs. From here on what was made goes again, whatever fails.
    fn begin(kind: Kind, dir: &Path) -> Result<FileSystem> {
        std::fs::create_dir(dir).with_context(|| format!("making {}", dir.display()))?;
        let made = FileSystem { kind, dir: dir.to_owned(), point: dir.join("mount") };
        std::fs::create_dir(&made.point).with_context(|| format!("making {}", made.point.display()))?;
        Ok(made)
    }

    /// `mount` takes a free loop device that the kernel frees with the mount.
    fn mount_image(&self) -> Result<()> {
        let options = if self.kind == Kind::Ext4 { "loop,noinit_itable" } else { "loop" };
        let kind = self.kind.name();
        run(Command::new("mount").args(["-t", kind, "-o", options]).arg(self.dir.join(IMAGE)).arg(&self.point))
    }

    /// What the disk would hold if the power failed now: the image is copied, block by block, while the file system is
    /// still mounted, and what lies only in memory is lost with it. The copy, mounted in `dir`, which must not exist
    /// yet, takes its place.
    pub fn after_power_cut(self, dir: &Path) -> Result<FileSystem> {
        let after = FileSystem::begin(self.kind, dir)?;
        let image = dir.join(IMAGE);
        run(Command::new("cp").args(["--sparse=always", "--reflink=auto"]).arg(self.dir.join(IMAGE)).arg(&image))?;
        let device = self.device();
        let kind = self.kind;
        drop(self);
        if let (Kind::Btrfs, Some(device)) = (kind, device) {
            // The kernel knows btrfs by a number that the copy has too, and takes the newer of both for the true one.
            run(Command::new("btrfs").args(["device", "scan", "--forget"]).arg(device))?;
        }
        after.mount_image()?;
        Ok(after)
    }

    /// The loop device that holds the image.
    fn device(&self) -> Option<PathBuf> {
        let image = self.dir.join(IMAGE);
        let devices = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
        let holds = |device: &std::fs::DirEntry| {
            let file = std::fs::read_to_string(device.path().join("loop/backing_file"));
            file.is_ok_and(|file| Path::new(file.trim_end()) == image)
        };
        devices.into_iter().find(holds).map(|device| Path::new("/dev").join(device.file_name()))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// Writes out what lies in memory only, so that no sample pays for it.
    pub fn settle(&self) -> Result<()> {
        let settling = || format!("syncing {}", self.point.display());
        rustix::fs::syncfs(File::open(&self.point).with_context(settling)?).with_context(settling)
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        // Where it was never mounted the kernel says so.
        if umount2(&self.point, MntFlags::UMOUNT_NOFOLLOW) == Err(Errno::EBUSY) {
            say(&format!("note: something still uses {}: it goes when that ends", self.point.display()));
            // The kernel frees it with the last user; what follows removes the image's name alone.
            let _ = umount2(&self.point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
        }
        if let Err(error) = remove_tree(&self.dir) {
            say(&format!("note: {} could not be removed: {error:#}", self.dir.display()));
        }
    }
}

/// What `mkfs` is told.
fn words(kind: Kind, room: Room) -> Vec<String> {
    let word = str::to_owned;
    match kind {
        Kind::Tmpfs => vec![],
        // Small files are many: the inodes that it makes by itself would not do for a source and eleven targets.
        Kind::Ext4 => vec![word("-q"), word("-F"), word("-N"), (12 * room.entries + (64 << 10)).to_string()],
        Kind::Xfs | Kind::Btrfs => vec![word("-q"), word("-f")],
    }
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {}", name.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", name.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_system::{left_behind, withdraw};
    use crate::scratch::filesystem;

    /// Does something on a file system of each kind that this machine has.
    fn on_each(act: impl Fn(Kind, &Path) + Send) {
        // A thread of its own, whose mounts nobody else sees.
        std::thread::scope(|scope| {
            scope.spawn(move || {
                if let Err(absent) = withdraw() {
                    return technique::absent::skip("root", &absent.to_string());
                }
                for kind in Kind::ALL {
                    let dir = tempfile::tempdir().unwrap();
                    match kind.possible(dir.path()) {
                        Ok(()) => act(kind, &dir.path().join("made")),
                        Err(absent) => technique::absent::skip(kind.name(), &absent.to_string()),
                    }
                    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{kind:?} leaves something behind");
                    let here = dir.path().display().to_string();
                    assert!(left_behind().iter().all(|device| !device.contains(&here)), "{kind:?}");
                }
            });
        });
    }

    #[test]
    fn each_kind_is_what_it_is_called_and_goes_without_a_trace() {
        on_each(|kind, dir| {
            let room = Room { bytes: 1 << 20, entries: 3000 };
            let made = FileSystem::make(kind, dir, room).unwrap();
            assert_eq!(filesystem(made.path()), kind.name());
            for nth in 0..3000 {
                std::fs::write(made.path().join(nth.to_string()), "x").unwrap();
            }
            made.settle().unwrap();
            // In use when it goes: it still goes.
            let held = (kind == Kind::Ext4).then(|| File::open(made.path().join("1")).unwrap());
            drop(made);
            drop(held);
        });
    }

    #[test]
    fn a_power_cut_takes_what_lay_in_memory_only() {
        on_each(|kind, dir| {
            if kind == Kind::Tmpfs {
                return;
            }
            let made = FileSystem::make(kind, dir, Room::default()).unwrap();
            made.settle().unwrap();
            for (name, stored) in [("stored", true), ("lost", false)] {
                std::fs::write(made.path().join(name), vec![7; 100_000]).unwrap();
                if stored {
                    made.settle().unwrap();
                }
            }
            let after = made.after_power_cut(&dir.with_file_name("after")).unwrap();
            assert_eq!(std::fs::read(after.path().join("stored")).unwrap(), vec![7; 100_000], "{kind:?}");
            let lost = std::fs::read(after.path().join("lost")).unwrap_or_default();
            assert_ne!(lost, vec![7; 100_000], "{kind:?}");
        });
    }

    #[test]
    fn a_directory_that_is_there_already_is_not_ours() {
        on_each(|kind, dir| {
            std::fs::create_dir(dir).unwrap();
            std::fs::write(dir.join("precious"), "x").unwrap();
            let error = FileSystem::make(kind, dir, Room::default()).unwrap_err();
            assert!(format!("{error:#}").contains("made"), "{error:#}");
            assert!(dir.join("precious").exists());
            remove_tree(dir).unwrap();
        });
    }

    #[test]
    fn sizes_hold_what_must_fit_and_no_more_than_is_free() {
        let room = Room { bytes: 1 << 30, entries: 100_000 };
        assert_eq!(room.size(1 << 40), LEAST + 12 * room.weight());
        assert_eq!(room.size(10 << 30), (10 << 30) / 5 * 4 / BLOCK * BLOCK);
        assert!(room.least() < 5 << 30);
        assert_eq!(Room::default().size(0), LEAST);
    }
}
