//! A look at a tree that stands: name by name it is held against the catalogue. Directories and links that are missing
//! are made on the way, and what is in the way is taken away; files that differ are listed, to be written later.

use crate::catalogue::Catalogue;
use crate::directories::open_beneath;
use crate::job::times;
use crate::restore::Ready;
use crate::update::{Changes, Differs, Update};
use anyhow::{Context, Result, bail};
use codecs::Hash;
use fixtures::removal::remove_beneath;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fchmod, fstat, futimens, mkdirat, openat, readlinkat, statat,
    symlinkat, unlinkat,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use technique::Lap;
use technique::phase::{CHMOD, HASH, LINK, LIST, MKDIR, OPEN, STAT, UNLINK};

/// What the way that replaces files adds to a name until the file is complete.
const PART: &[u8] = b".part";

/// What the catalogue has under a name.
#[derive(Clone, Copy)]
enum Known {
    Directory,
    File(u32),
    Link(usize),
}

/// The tree as it stands, directory by directory.
pub(crate) struct Survey<'a> {
    update: Update<'a>,
    catalogue: &'a Catalogue<'a>,
    target: BorrowedFd<'a>,
    /// What each directory should hold, by name; what was seen there is taken out.
    known: Vec<BTreeMap<&'a [u8], Known>>,
    pub(crate) to_write: Vec<u32>,
    /// The modes that directories have now.
    pub(crate) modes: Vec<u32>,
    pub(crate) changes: Changes,
}

impl<'a> Survey<'a> {
    pub(crate) fn of(update: Update<'a>, catalogue: &'a Catalogue<'a>, target: BorrowedFd<'a>) -> Survey<'a> {
        let mut known: Vec<BTreeMap<&[u8], Known>> = Vec::new();
        known.resize_with(catalogue.directories.len(), BTreeMap::new);
        let at: BTreeMap<&Path, usize> =
            catalogue.directories.iter().enumerate().map(|(at, one)| (one.path(), at)).collect();
        for directory in &catalogue.directories[1..] {
            let (above, name) = (directory.path().parent(), directory.path().file_name());
            if let (Some(above), Some(name)) = (above.and_then(|above| at.get(above)), name) {
                known[*above].insert(name.as_bytes(), Known::Directory);
            }
        }
        for (at, file) in (0..).zip(&catalogue.files) {
            known[file.directory as usize].insert(file.name().as_os_str().as_bytes(), Known::File(at));
        }
        for (at, link) in catalogue.links.iter().enumerate() {
            known[link.directory as usize].insert(link.name().as_os_str().as_bytes(), Known::Link(at));
        }
        let modes = catalogue.directories.iter().map(|one| one.mode).collect();
        Survey { update, catalogue, target, known, to_write: Vec::new(), modes, changes: Changes::default() }
    }

    /// Looks at a directory, which is there: who came before made it. Makes the directories and links that are missing
    /// in it, and takes away what is in the way.
    pub(crate) fn visit(&mut self, directory: usize, ready: &Ready, lap: &mut Lap) -> Result<()> {
        let path = self.catalogue.directories[directory].path();
        let dir = open_beneath(self.target, path)?;
        lap.mark(OPEN);
        if directory > 0 {
            self.let_in(directory, dir.as_fd())?;
        }
        let mut names: Vec<Vec<u8>> = Vec::new();
        for entry in Dir::read_from(&dir).with_context(|| format!("reading {}", path.display()))? {
            let entry = entry.with_context(|| format!("reading {}", path.display()))?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_bytes().to_vec());
            }
        }
        lap.mark(LIST);
        let first_to_write = self.to_write.len();
        let mut others: BTreeSet<&[u8]> = BTreeSet::new();
        for name in &names {
            let at = Place { dir: dir.as_fd(), name: Path::new(OsStr::from_bytes(name)), above: path };
            match self.known[directory].remove(name.as_slice()) {
                None if self.update.remove_others => {
                    at.remove(true)?;
                    self.changes.removed += 1;
                    lap.mark(UNLINK);
                }
                None => {
                    others.insert(name);
                    self.changes.others += 1;
                }
                Some(known) => self.compare(at, known, ready, lap)?,
            }
        }
        for (name, known) in std::mem::take(&mut self.known[directory]) {
            let at = Place { dir: dir.as_fd(), name: Path::new(OsStr::from_bytes(name)), above: path };
            self.make(at, known, lap)?;
        }
        for file in &self.to_write[first_to_write..] {
            let name = self.catalogue.files[*file as usize].name().as_os_str().as_bytes();
            if others.contains([name, PART].concat().as_slice()) {
                let (name, path) = (String::from_utf8_lossy(name), path.display());
                bail!("{name}.part in {path} is in the way, perhaps of a restore that was killed: remove it first");
            }
        }
        Ok(())
    }

    /// Gives a directory the mode that lets its owner fill it; what it should not have is taken away at the end.
    fn let_in(&mut self, directory: usize, dir: BorrowedFd) -> Result<()> {
        let path = self.catalogue.directories[directory].path();
        let mode = fstat(dir).with_context(|| format!("looking at {}", path.display()))?.st_mode & 0o7777;
        self.modes[directory] = mode | 0o700;
        if mode != mode | 0o700 {
            fchmod(dir, Mode::from_raw_mode(mode | 0o700))
                .with_context(|| format!("setting the mode of {}", path.display()))?;
        }
        Ok(())
    }

    /// Holds what stands under a name against what should.
    fn compare(&mut self, at: Place, known: Known, ready: &Ready, lap: &mut Lap) -> Result<()> {
        let found = at.look()?;
        lap.mark(STAT);
        let kind = FileType::from_raw_mode(found.st_mode);
        match known {
            Known::Directory if kind == FileType::Directory => return Ok(()),
            Known::Link(link) if kind == FileType::Symlink => {
                let says = readlinkat(at.dir, at.name, Vec::new()).with_context(|| at.told("reading the link"))?;
                lap.mark(LINK);
                if says.to_bytes() == self.catalogue.links[link].to().as_os_str().as_bytes() {
                    return Ok(());
                }
            }
            Known::File(file) if kind == FileType::RegularFile => {
                match self.compare_file(at, file, &found, lap)? {
                    Same::All => self.changes.kept += 1,
                    Same::Bytes => self.changes.touched += 1,
                    Same::Nothing => {
                        self.to_write.push(file);
                        return Ok(());
                    }
                }
                if let Some(watch) = &ready.watch {
                    watch.passed(self.len(file))?;
                }
                return Ok(());
            }
            _ => {}
        }
        at.remove(self.update.remove_others)?;
        lap.mark(UNLINK);
        self.make(at, known, lap)
    }

    fn compare_file(&self, at: Place, file: u32, found: &Stat, lap: &mut Lap) -> Result<Same> {
        let wanted = &self.catalogue.files[file as usize];
        let time = (found.st_mtime, u32::try_from(found.st_mtime_nsec).unwrap_or(u32::MAX));
        let same_mode = found.st_mode & 0o7777 == wanted.mode & 0o7777;
        let same_size = u64::try_from(found.st_size).is_ok_and(|size| size == self.len(file));
        let looks_same = same_size && same_mode && time == wanted.mtime;
        match self.update.differs {
            Differs::BySizeAndTime => return Ok(if looks_same { Same::All } else { Same::Nothing }),
            Differs::ByContents if !same_size => return Ok(Same::Nothing),
            Differs::ByContents => {}
        }
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(opened) = openat(at.dir, at.name, read, Mode::empty()) else { return Ok(Same::Nothing) };
        lap.mark(OPEN);
        let opened = std::fs::File::from(opened);
        let same = self.has_contents(&opened, file).with_context(|| at.told("reading"))?;
        lap.mark(HASH);
        if !same {
            return Ok(Same::Nothing);
        }
        if looks_same {
            return Ok(Same::All);
        }
        if found.st_nlink > 1 {
            // Mode and time belong to all of its names, and some may be elsewhere.
            return Ok(Same::Nothing);
        }
        let set = fchmod(&opened, Mode::from_raw_mode(wanted.mode & 0o7777));
        set.and_then(|()| futimens(&opened, &times(wanted.mtime)))
            .with_context(|| at.told("setting mode and time of"))?;
        lap.mark(CHMOD);
        Ok(Same::Bytes)
    }

    fn has_contents(&self, mut opened: &std::fs::File, file: u32) -> Result<bool> {
        let hash: Hash = self.update.restore.hash;
        let mut hashing = hash.begin();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match std::io::Read::read(&mut opened, &mut buffer) {
                Ok(0) => break,
                Ok(read) => hashing.update(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let content = self.catalogue.files[file as usize].content;
        Ok(hashing.finish() == self.catalogue.contents[content as usize].digest())
    }

    /// Makes what is missing under a name; files come later, all of them together.
    fn make(&mut self, at: Place, known: Known, lap: &mut Lap) -> Result<()> {
        match known {
            Known::Directory => {
                mkdirat(at.dir, at.name, Mode::RWXU).with_context(|| at.told("making the directory"))?;
                lap.mark(MKDIR);
                self.changes.directories += 1;
            }
            Known::Link(link) => {
                symlinkat(self.catalogue.links[link].to(), at.dir, at.name)
                    .with_context(|| at.told("making the link"))?;
                lap.mark(LINK);
                self.changes.links += 1;
            }
            Known::File(file) => self.to_write.push(file),
        }
        Ok(())
    }

    fn len(&self, file: u32) -> u64 {
        self.catalogue.contents[self.catalogue.files[file as usize].content as usize].len
    }
}

/// How far a file is what it should be.
enum Same {
    All,
    Bytes,
    Nothing,
}

/// A name in a directory that is held open, and where that is, for messages.
#[derive(Clone, Copy)]
struct Place<'a> {
    dir: BorrowedFd<'a>,
    name: &'a Path,
    above: &'a Path,
}

impl Place<'_> {
    fn told(self, doing: &str) -> String {
        format!("{doing} {}", self.above.join(self.name).display())
    }

    fn look(self) -> Result<Stat> {
        statat(self.dir, self.name, AtFlags::SYMLINK_NOFOLLOW).with_context(|| self.told("looking at"))
    }

    /// Takes a name away. A directory goes with all that is in it, but only where that was asked for.
    fn remove(self, with_all: bool) -> Result<()> {
        if FileType::from_raw_mode(self.look()?.st_mode) != FileType::Directory {
            return unlinkat(self.dir, self.name, AtFlags::empty()).with_context(|| self.told("removing"));
        }
        let path = self.above.join(self.name);
        if !with_all {
            bail!("{} is a directory, where the store has none: move it away, or have others removed", path.display());
        }
        remove_beneath(self.dir, self.name.as_os_str(), &path)
    }
}
