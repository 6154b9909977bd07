//! An image of the tree, mounted instead of restored: nothing is decoded before somebody reads it, and nothing can be
//! written. What that is worth shows in reading all of it once, or what an import touches, beside a restore that is read so.
//!
//! The mount is never attached to any place: it lives as long as its descriptor, so that nothing of it stays however
//! the process ends.

use crate::touched::Then;
use crate::transfer::{And, transfer};
use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
};
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use technique::load::clear_umask;
use technique::peer::find_program;
use technique::phase::SETUP;
use technique::{Absent, Lap, Promise, Promises, Site, Technique};

/// Mounts an image of the tree.
pub struct Mounted {
    /// Of which sort.
    pub format: Format,
    /// What is read of it then.
    pub then: Then,
}

/// A sort of image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// EROFS, its bytes as they are.
    Erofs,
    /// EROFS packed by lz4.
    ErofsLz4,
    /// squashfs packed by zstd; it keeps times in whole seconds.
    Squashfs,
}

/// An image, and the mount while it stands.
pub struct Image {
    source: PathBuf,
    imported: Vec<PathBuf>,
    /// Held, so that the kernel lets go of the device with the last who holds it.
    device: Option<File>,
    mount: Option<OwnedFd>,
}

impl Format {
    /// The kernel's name for it, the name of an image, what makes one, and where that is to be had.
    fn tools(self) -> (&'static str, &'static str, &'static [&'static str], &'static str) {
        match self {
            Format::Erofs => ("erofs", "erofs.img", &["mkfs.erofs", "--quiet"], "apt-get install erofs-utils"),
            Format::ErofsLz4 => {
                ("erofs", "erofs-lz4.img", &["mkfs.erofs", "--quiet", "-zlz4"], "apt-get install erofs-utils")
            }
            Format::Squashfs => ("squashfs", "squashfs.img", &["mksquashfs"], "apt-get install squashfs-tools"),
        }
    }

    fn make(self, source: &Path, image: &Path) -> Result<()> {
        let (_, _, words, _) = self.tools();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        match self {
            Format::Erofs | Format::ErofsLz4 => command.arg(image).arg(source),
            Format::Squashfs => {
                command.arg(source).arg(image).args(["-comp", "zstd", "-noappend", "-no-progress", "-no-xattrs"])
            }
        };
        let made = command.status().with_context(|| format!("starting {}", words[0]))?;
        ensure!(made.success(), "{} ended with {made}", words[0]);
        Ok(())
    }
}

impl Technique for Mounted {
    type Ready = Image;

    fn prepare(&self, site: &Site) -> Result<Image> {
        let (_, key, words, mend) = self.format.tools();
        if find_program(words[0]).is_none() {
            return Err(Absent::because(format!("no {} here", words[0]), mend));
        }
        if !rustix::process::geteuid().is_root() {
            return Err(Absent::because("only root may mount", "run as root"));
        }
        let path = site.keep(key, |path| self.format.make(&site.source, path))?;
        let image = match self.format {
            Format::Erofs | Format::ErofsLz4 => Image { source: path, imported: Vec::new(), device: None, mount: None },
            Format::Squashfs => as_device(&path)?,
        };
        let image = Image { imported: self.then.imported(&site.source)?, ..image };
        // Tried once before the clock: what the kernel lacks is told here.
        drop(mount(self.format, &image.source)?);
        Ok(image)
    }

    fn work(&self, image: &mut Image, lap: &mut Lap) -> Result<()> {
        let mounted = mount(self.format, &image.source)?;
        lap.mark(SETUP);
        let at = place_of(&mounted);
        image.mount = Some(mounted);
        self.then.read(&at, &image.imported, lap)
    }

    /// What is mounted is copied to where it can be looked at.
    fn settle(&self, image: &mut Image, site: &Site) -> Result<()> {
        let mount = image.mount.take().context("nothing was mounted")?;
        clear_umask();
        let (from, mut lap) = (place_of(&mount), Lap::start(false));
        for entry in fs::read_dir(&from).context("reading the mount")? {
            let name = entry.context("reading the mount")?.file_name();
            transfer(&from.join(&name), &site.target.join(&name), And::Keep, &mut lap)?;
        }
        image.device = None;
        Ok(())
    }

    fn promises(&self) -> Promises {
        match self.format {
            Format::Erofs | Format::ErofsLz4 => Promises::NONE.with(Promise::TimesKept),
            Format::Squashfs => Promises::NONE,
        }
    }
}

/// Gives an image a device, which is gone with whoever holds it, however that ends: it is opened, and then told to go
/// when it is closed.
fn as_device(image: &Path) -> Result<Image> {
    let output = Command::new("losetup").args(["--find", "--show", "--read-only"]).arg(image).output();
    let output =
        output.map_err(|error| Absent::because(format!("no losetup here: {error}"), "apt-get install mount"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Absent::because(format!("no loop device is to be had here: {why}"), "modprobe loop, as root"));
    }
    let source = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let device = File::open(&source).with_context(|| format!("opening {}", source.display()));
    let let_go = Command::new("losetup").arg("--detach").arg(&source).status().context("starting losetup")?;
    ensure!(let_go.success(), "losetup --detach {} ended with {let_go}", source.display());
    Ok(Image { device: Some(device?), imported: Vec::new(), source, mount: None })
}

/// Mounts an image, read-only, at no place at all.
fn mount(format: Format, source: &Path) -> Result<OwnedFd> {
    let (name, ..) = format.tools();
    let tried = (|| {
        let context = fsopen(name, FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_flag(&context, "ro")?;
        fsconfig_set_string(&context, "source", source)?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
    })();
    tried.map_err(|errno| match errno {
        Errno::PERM | Errno::ACCESS => {
            Absent::because("this process may not mount", "run as root, outside of a container")
        }
        Errno::NODEV => Absent::because(format!("this kernel has no {name}"), format!("modprobe {name}")),
        Errno::NOTBLK => Absent::because(
            "this kernel mounts no EROFS image that is a file",
            "boot Linux 6.12 or newer with CONFIG_EROFS_FS_BACKED_BY_FILE",
        ),
        Errno::OPNOTSUPP => Absent::because(
            format!("this kernel's {name} cannot unpack that image"),
            "boot one with CONFIG_EROFS_FS_ZIP and CONFIG_SQUASHFS_ZSTD",
        ),
        Errno::NOSYS => Absent::because("this kernel cannot mount by descriptor", "boot Linux 5.2 or newer"),
        errno => anyhow::Error::new(errno).context(format!("mounting {}", source.display())),
    })
}

/// A name by which this process finds the mount.
fn place_of(mount: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/.", mount.as_raw_fd()))
}
