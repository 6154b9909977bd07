//! A file in the making: what [`Way::begin`] opens, takes bytes piece by piece, and is complete when it is finished.

use crate::mapped::Mapping;
use crate::part::Part;
use crate::way::{Attributes, Way};
use anyhow::{Result, bail};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use rustix::path::DecInt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use technique::Lap;
use technique::phase::{CHMOD, CLOSE, CREATE, LINK, RENAME, SYNC, TIMES, UNLINK, WRITE};
use technique::trouble::trouble;

/// A file in the making. Dropped before it is finished, it removes what it made, so that nothing half done counts.
#[must_use = "a sink that is not finished removes its file"]
pub struct Sink<'a> {
    way: Way,
    dir: BorrowedFd<'a>,
    path: &'a Path,
    attributes: &'a Attributes,
    /// Held until the step that closes it.
    file: Option<OwnedFd>,
    mapping: Option<Mapping>,
    part: Option<Part>,
    written: u64,
    synced: bool,
    left: Left,
}

/// What there is to remove if nothing more happens.
enum Left {
    Nothing,
    Part,
    Name,
}

impl<'a> Sink<'a> {
    #[inline]
    pub(crate) fn begin(
        way: Way,
        dir: BorrowedFd<'a>,
        path: &'a Path,
        attributes: &'a Attributes,
        lap: &mut Lap,
    ) -> Result<Sink<'a>> {
        let (file, mapping, part) = (None, None, None);
        let mut sink =
            Sink { way, dir, path, attributes, file, mapping, part, written: 0, synced: false, left: Left::Nothing };
        let mode = mode_of(attributes);
        let new = OFlags::CREATE | OFlags::EXCL;
        match way {
            Way::SevenCalls => {
                sink.open_part(OFlags::CREATE | OFlags::TRUNC | OFlags::RDWR, Mode::from_raw_mode(0o666))
            }
            // The mode that counts follows; until then the file is its maker's own.
            Way::ByDescriptor => sink.open_part(new | OFlags::WRONLY, Mode::from_raw_mode(0o600)),
            Way::Direct | Way::DirectNoTimes => sink.open_name(new | OFlags::WRONLY, mode),
            Way::TmpFile => sink.open_nameless(mode),
            Way::Mapped => sink.open_name(new | OFlags::RDWR, mode),
        }
        .map_err(|errno| sink.trouble(errno, "making"))?;
        lap.mark(CREATE);
        if way == Way::Mapped && attributes.len > 0 {
            sink.mapping = Some(sink.done("reserving room for", Mapping::new(sink.file(), attributes.len))?);
            lap.mark(WRITE);
        }
        Ok(sink)
    }

    /// From now on, waits before the file is closed until its bytes are stored, and what its way has set by then. Its
    /// name is not: that is up to who syncs the directory.
    pub fn sync_before_close(&mut self) {
        self.synced = true;
    }

    /// Takes the next piece, by one call (more only where the kernel takes less than it was given). An empty piece
    /// makes none.
    #[inline]
    pub fn write(&mut self, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        match &mut self.mapping {
            Some(mapping) => {
                if !mapping.fill(self.written, bytes) {
                    return self.check_length(self.written.saturating_add(bytes.len() as u64));
                }
            }
            None => write_all(self.file(), bytes).map_err(|errno| self.trouble(errno, "writing"))?,
        }
        self.written += bytes.len() as u64;
        lap.mark(WRITE);
        Ok(())
    }

    /// Gives the file its mode, its time and its final name, as its way does.
    #[inline]
    pub fn finish(mut self, lap: &mut Lap) -> Result<()> {
        self.check_length(self.written)?;
        match self.way {
            Way::SevenCalls => {
                self.close(lap)?;
                self.rename_part(lap)?;
                self.chmod_by_name(lap)?;
                self.set_times_by_name(lap)?;
                self.remove_part(lap)?;
            }
            Way::ByDescriptor => {
                self.chmod(lap)?;
                self.set_times(lap)?;
                self.close(lap)?;
                self.rename_part(lap)?;
            }
            Way::Direct => {
                self.restore_set_id(lap)?;
                self.set_times(lap)?;
                self.close(lap)?;
            }
            Way::DirectNoTimes => {
                self.restore_set_id(lap)?;
                self.close(lap)?;
            }
            Way::TmpFile => {
                self.restore_set_id(lap)?;
                self.set_times(lap)?;
                self.link_name(lap)?;
                self.close(lap)?;
            }
            Way::Mapped => {
                self.unmap(lap)?;
                self.restore_set_id(lap)?;
                self.set_times(lap)?;
                self.close(lap)?;
            }
        }
        self.left = Left::Nothing;
        Ok(())
    }
}

/// The steps, one call each.
impl Sink<'_> {
    #[inline]
    fn open_part(&mut self, flags: OFlags, mode: Mode) -> Result<(), Errno> {
        let part = self.part.insert(Part::of(self.path));
        self.file = Some(rustix::fs::openat(self.dir, part.name(), flags | OFlags::CLOEXEC, mode)?);
        self.left = Left::Part;
        Ok(())
    }

    #[inline]
    fn open_name(&mut self, flags: OFlags, mode: Mode) -> Result<(), Errno> {
        self.file = Some(rustix::fs::openat(self.dir, self.path, flags | OFlags::CLOEXEC, mode)?);
        self.left = Left::Name;
        Ok(())
    }

    #[inline]
    fn open_nameless(&mut self, mode: Mode) -> Result<(), Errno> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        self.file = Some(rustix::fs::openat(self.dir, parent, flags, mode)?);
        Ok(())
    }

    #[inline]
    fn chmod(&mut self, lap: &mut Lap) -> Result<()> {
        self.done("setting the mode of", rustix::fs::fchmod(self.file(), mode_of(self.attributes)))?;
        lap.mark(CHMOD);
        Ok(())
    }

    /// Writing clears the set-id bits that `open` had set; no other mode needs this.
    #[inline]
    fn restore_set_id(&mut self, lap: &mut Lap) -> Result<()> {
        if self.attributes.has_set_id() { self.chmod(lap) } else { Ok(()) }
    }

    #[inline]
    fn chmod_by_name(&mut self, lap: &mut Lap) -> Result<()> {
        let mode = mode_of(self.attributes);
        self.done("setting the mode of", rustix::fs::chmodat(self.dir, self.path, mode, AtFlags::empty()))?;
        lap.mark(CHMOD);
        Ok(())
    }

    #[inline]
    fn set_times(&mut self, lap: &mut Lap) -> Result<()> {
        self.done("setting the time of", rustix::fs::futimens(self.file(), &times_of(self.attributes)))?;
        lap.mark(TIMES);
        Ok(())
    }

    #[inline]
    fn set_times_by_name(&mut self, lap: &mut Lap) -> Result<()> {
        let times = times_of(self.attributes);
        self.done("setting the time of", rustix::fs::utimensat(self.dir, self.path, &times, AtFlags::empty()))?;
        lap.mark(TIMES);
        Ok(())
    }

    /// On a local file system, closing has nothing left to fail at.
    #[inline]
    fn close(&mut self, lap: &mut Lap) -> Result<()> {
        if self.synced {
            self.done("syncing", rustix::fs::fsync(self.file()))?;
            lap.mark(SYNC);
        }
        self.file = None;
        lap.mark(CLOSE);
        Ok(())
    }

    #[inline]
    fn rename_part(&mut self, lap: &mut Lap) -> Result<()> {
        self.done("naming", rustix::fs::renameat(self.dir, self.part_name(), self.dir, self.path))?;
        self.left = Left::Name;
        lap.mark(RENAME);
        Ok(())
    }

    /// The seven steps end by removing the temporary name, which the rename took away.
    #[inline]
    fn remove_part(&mut self, lap: &mut Lap) -> Result<()> {
        match rustix::fs::unlinkat(self.dir, self.part_name(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.trouble(errno, "removing the temporary name of")),
        }
        lap.mark(UNLINK);
        Ok(())
    }

    /// Names the file by way of /proc: to link the bare descriptor (`AT_EMPTY_PATH`) takes `CAP_DAC_READ_SEARCH`, or
    /// Linux 6.10.
    #[inline]
    fn link_name(&mut self, lap: &mut Lap) -> Result<()> {
        const FILES: &[u8] = b"/proc/self/fd/";
        let number = DecInt::from_fd(self.file());
        let number = number.as_bytes();
        let mut link = [0; 40];
        let len = FILES.len() + number.len();
        link[..FILES.len()].copy_from_slice(FILES);
        link[FILES.len()..len].copy_from_slice(number);
        let linked = rustix::fs::linkat(CWD, &link[..len], self.dir, self.path, AtFlags::SYMLINK_FOLLOW);
        self.done("naming", linked)?;
        self.left = Left::Name;
        lap.mark(LINK);
        Ok(())
    }

    #[inline]
    fn unmap(&mut self, lap: &mut Lap) -> Result<()> {
        if let Some(mapping) = self.mapping.take() {
            self.done("writing", mapping.close())?;
            lap.mark(WRITE);
        }
        Ok(())
    }
}

impl Sink<'_> {
    fn file(&self) -> BorrowedFd<'_> {
        self.file.as_ref().expect("only finishing closes it").as_fd()
    }

    fn part_name(&self) -> &[u8] {
        self.part.as_ref().expect("a way that renames has a temporary name").name()
    }

    fn done<T>(&self, doing: &str, result: Result<T, Errno>) -> Result<T> {
        result.map_err(|errno| self.trouble(errno, doing))
    }

    fn trouble(&self, errno: Errno, doing: &str) -> anyhow::Error {
        trouble(errno, doing, self.dir, self.path)
    }

    fn check_length(&self, got: u64) -> Result<()> {
        let len = self.attributes.len;
        if got == len {
            return Ok(());
        }
        bail!("{} should hold {len} bytes, and was given {got}: what it is read from is damaged", self.path.display())
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        let removed = match self.left {
            Left::Nothing => Ok(()),
            Left::Part => rustix::fs::unlinkat(self.dir, self.part_name(), AtFlags::empty()),
            Left::Name => rustix::fs::unlinkat(self.dir, self.path, AtFlags::empty()),
        };
        // An error is on its way already, and names the file; this one would only hide it.
        let _ = removed;
    }
}

fn mode_of(attributes: &Attributes) -> Mode {
    Mode::from_raw_mode(attributes.mode & 0o7777)
}

pub(crate) fn times_of(attributes: &Attributes) -> Timestamps {
    let (tv_sec, nanoseconds) = attributes.mtime;
    let time = Timespec { tv_sec, tv_nsec: nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

#[inline]
fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(taken) => bytes = &bytes[taken..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
