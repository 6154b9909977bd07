//! Restore: from a store to a directory, every knob a field. The hash of every content is verified, always.

use crate::catalogue::{Catalogue, Content, File};
use crate::store::{CATALOGUE as NAME, Form, Layout};
use crate::watch::Watch;
use crate::{left_out, loose, packed};
use anyhow::{Context, Result, ensure};
use batching::{Directories, Spread, make_parents, make_up_front};
use buffers::Buffers;
use codecs::{Codec, Context as Life, Decoding, Engine, Hash, Hashing};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, chmodat, linkat, openat, symlinkat};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syscalls::{Attributes, Sink, Way};
use technique::load::clear_umask;
use technique::phase::{CATALOGUE, CHMOD, DECODE, HASH, LINK, MKDIR, OPEN, WRITE};
use technique::{Calls, Lap, Phase, Promise, Promises, Site, Technique};

/// A way to restore.
#[derive(Clone, Copy)]
pub struct Restore {
    /// How contents lie in the store.
    pub layout: Layout,
    /// How they are packed.
    pub codec: Codec,
    /// Whose code unpacks gzip.
    pub engine: Engine,
    /// How long a decompression context lives.
    pub context: Life,
    /// Whether a file is decoded whole, or in pieces of 256 KiB.
    pub whole: bool,
    /// Where the buffer for a file comes from.
    pub buffers: Buffers,
    /// What verifies contents.
    pub hash: Hash,
    /// The calls that make a file.
    pub way: Way,
    /// How files are named to the kernel.
    pub naming: Naming,
    /// When directories are made.
    pub directories: Directories,
    /// Who works.
    pub crew: Crew,
    /// What becomes of files that have the same contents, mode and time.
    pub duplicates: Duplicates,
    /// A phase that is not done under the clock: decode, hash or write. Only stubs have one.
    pub without: Option<Phase>,
}

/// How files are named to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// By their whole path.
    Absolute,
    /// By their bare name, below their directory, which is held open while its files are made.
    Held,
}

/// Who works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// One, on the thread that was there.
    Alone,
    /// So many workers.
    Of(usize),
    /// A worker for each processor.
    EachProcessor,
}

/// What becomes of files that have the same contents, mode and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// Each is written.
    Written,
    /// The first is written, the others are hard links to it: a change to one then changes all.
    Linked,
}

/// A store, and where its tree shall stand.
pub struct Ready {
    pub(crate) store: PathBuf,
    pub(crate) target: PathBuf,
    /// The plain bytes of each object, or of each block of a pack, where decoding is left out.
    pub(crate) unpacked: Option<Vec<Vec<u8>>>,
    /// Who watches; nobody, where it is measured.
    pub(crate) watch: Option<Arc<Watch>>,
    /// Asking how many processors there are reads files of the kernel's; that is done before the clock.
    spread: Spread,
}

impl Crew {
    fn spread(self) -> Spread {
        match self {
            Crew::Alone => Spread::OneByOne,
            Crew::Of(workers) => Spread::Workers(workers),
            Crew::EachProcessor => {
                Spread::Workers(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
            }
        }
    }
}

impl Restore {
    /// What the store of this row is made of.
    pub const fn form(&self) -> Form {
        Form { layout: self.layout, codec: self.codec, hash: self.hash }
    }

    pub(crate) const fn decoding(&self) -> Decoding {
        Decoding { codec: self.codec, engine: self.engine, context: self.context }
    }

    pub(crate) fn leaves_out(&self, phase: Phase) -> bool {
        self.without == Some(phase)
    }

    /// What a restore by this row needs, outside of any measurement.
    pub(crate) fn ready(&self, store: &Path, target: &Path, watch: &Arc<Watch>) -> Result<Ready> {
        self.way.probe(target)?;
        let (store, target) = (store.to_owned(), target.to_owned());
        Ok(Ready { store, target, unpacked: None, watch: Some(watch.clone()), spread: self.crew.spread() })
    }

    /// Restores the store at `ready.store` into the directory `ready.target`.
    pub(crate) fn restore(&self, ready: &Ready, lap: &mut Lap) -> Result<()> {
        let bytes = read_catalogue(&ready.store)?;
        let catalogue = Catalogue::from_bytes(&bytes)
            .with_context(|| format!("the catalogue {} cannot be used", ready.store.join(NAME).display()))?;
        let form = self.form().to_string();
        ensure!(catalogue.form == form, "the store is {}, and this row restores {form}", catalogue.form);
        let plan = Plan::of(&catalogue, self.duplicates);
        let target = open_directory(CWD, &ready.target)?;
        lap.mark(CATALOGUE);
        let job = Job { restore: self, ready, catalogue: &catalogue, plan: &plan, target: target.as_fd() };
        if self.directories == Directories::UpFront {
            // Their owner must be able to fill them; what they should not have is taken away at the end.
            let all = catalogue.directories[1..].iter().map(|one| (one.path(), one.made_with(true)));
            make_up_front(target.as_fd(), all, lap)?;
        }
        match self.layout {
            Layout::Loose => loose::restore(&job, ready.spread, lap)?,
            Layout::Pack { .. } => packed::restore(&job, ready.spread, lap)?,
        }
        job.link_duplicates(lap)?;
        job.finish_directories(lap)?;
        job.make_links(lap)
    }
}

impl Technique for Restore {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        clear_umask();
        self.way.probe(&site.target)?;
        let form = self.form();
        let store = site.keep(&form.to_string(), |path| form.pack(&site.source, path))?;
        let unpacked = self.leaves_out(DECODE).then(|| left_out::unpacked(self, &store)).transpose()?;
        Ok(Ready { store, target: site.target.clone(), unpacked, watch: None, spread: self.crew.spread() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        self.restore(ready, lap)
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        if self.leaves_out(WRITE) {
            left_out::write(self, &ready.store, &site.source, &site.target)?;
        }
        Ok(())
    }

    fn promises(&self) -> Promises {
        let way = self.way.promises();
        let promises = if self.leaves_out(HASH) { way } else { way.with(Promise::Verified) };
        match self.duplicates {
            Duplicates::Written => promises,
            Duplicates::Linked => promises.without(Promise::Independent),
        }
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        // Workers that miss the same parent all try to make it, and how often is a matter of chance.
        if self.directories == Directories::OnDemand && ready.spread.workers() > 1 {
            return None;
        }
        let bytes = std::fs::read(ready.store.join(NAME)).ok()?;
        let catalogue = Catalogue::from_bytes(&bytes).ok()?;
        Some(crate::foretold::calls(self, &catalogue, &Plan::of(&catalogue, self.duplicates)))
    }
}

/// Which files are written, in which order, and which are linked to them.
pub(crate) struct Plan {
    /// Written files in the order of the catalogue, which goes directory by directory.
    pub(crate) written: Vec<u32>,
    /// Files that become links, and the written file that each is linked to.
    pub(crate) linked: Vec<(u32, u32)>,
}

impl Plan {
    pub(crate) fn of(catalogue: &Catalogue, duplicates: Duplicates) -> Plan {
        let count = u32::try_from(catalogue.files.len()).expect("files are numbered by 32 bits");
        if duplicates == Duplicates::Written {
            return Plan { written: (0..count).collect(), linked: Vec::new() };
        }
        let mut first = std::collections::HashMap::new();
        let mut plan = Plan { written: Vec::new(), linked: Vec::new() };
        for at in 0..count {
            let file = &catalogue.files[at as usize];
            match first.entry((file.content, file.mode, file.mtime)) {
                std::collections::hash_map::Entry::Occupied(earlier) => plan.linked.push((at, *earlier.get())),
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(at);
                    plan.written.push(at);
                }
            }
        }
        plan
    }
}

/// What every worker of a run needs.
pub(crate) struct Job<'a> {
    pub(crate) restore: &'a Restore,
    pub(crate) ready: &'a Ready,
    pub(crate) catalogue: &'a Catalogue<'a>,
    pub(crate) plan: &'a Plan,
    target: BorrowedFd<'a>,
}

impl<'a> Job<'a> {
    pub(crate) fn file(&self, at: u32) -> &'a File<'a> {
        &self.catalogue.files[at as usize]
    }

    /// The length of a file.
    pub(crate) fn len(&self, file: &File) -> u64 {
        self.catalogue.contents[file.content as usize].len
    }

    /// The file's attributes, for the way that makes it.
    pub(crate) fn attributes(&self, file: &File) -> Attributes {
        let len = if self.restore.leaves_out(WRITE) { 0 } else { self.len(file) };
        Attributes { mode: file.mode, mtime: file.mtime, len }
    }

    /// Hands bytes to the file, unless that is left out.
    pub(crate) fn write(&self, sink: &mut Sink, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        if self.restore.leaves_out(WRITE) { Ok(()) } else { sink.write(bytes, lap) }
    }

    /// Holds whole contents against their hash, unless that is left out.
    pub(crate) fn verify(&self, file: &File, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        if !self.restore.leaves_out(HASH) {
            let content = &self.catalogue.contents[file.content as usize];
            ensure!(self.restore.hash.of(bytes) == content.digest(), "{}", self.damaged(file));
            lap.mark(HASH);
        }
        Ok(())
    }

    /// Begins the hash of contents that come in pieces.
    pub(crate) fn verifying(&self) -> Verifying {
        Verifying((!self.restore.leaves_out(HASH)).then(|| self.restore.hash.begin()))
    }

    /// Tells whoever watches that files are done; an error where it was called off.
    pub(crate) fn passed(&self, files: &[u32]) -> Result<()> {
        let Some(watch) = &self.ready.watch else { return Ok(()) };
        watch.passed(files.iter().map(|file| self.len(self.file(*file))).sum())
    }

    /// The plain bytes of an object or a block, where they were unpacked before the clock.
    pub(crate) fn unpacked(&self, at: usize) -> Option<&'a [u8]> {
        Some(&self.ready.unpacked.as_ref()?[at])
    }

    /// Gets the place of a file ready: its directory made or opened, its name put together.
    pub(crate) fn place<'p>(&self, file: &File<'p>, hold: &'p mut Hold, lap: &mut Lap) -> Result<Place<'p>>
    where
        'a: 'p,
    {
        let directory = &self.catalogue.directories[file.directory as usize];
        match self.restore.naming {
            Naming::Absolute => {
                hold.path = self.ready.target.join(directory.path());
                hold.path.push(file.name());
                if self.restore.directories == Directories::OnDemand {
                    make_parents(CWD, &hold.path, lap)?;
                }
                Ok(Place { dir: CWD, path: &hold.path })
            }
            Naming::Held => {
                let same = hold.directory.as_ref().is_some_and(|(held, _)| *held == file.directory);
                if !same {
                    if self.restore.directories == Directories::OnDemand {
                        make_parents(self.target, &directory.path().join(file.name()), lap)?;
                    }
                    let path = if directory.path().as_os_str().is_empty() { Path::new(".") } else { directory.path() };
                    hold.directory = Some((file.directory, open_directory(self.target, path)?));
                    lap.mark(OPEN);
                }
                let (_, dir) = hold.directory.as_ref().expect("it was just opened");
                Ok(Place { dir: dir.as_fd(), path: file.name() })
            }
        }
    }

    /// What damage is told as: the file's name, and the way out.
    pub(crate) fn damaged(&self, file: &File) -> String {
        format!(
            "{} is not restored: its contents in the store {} are damaged; pack the tree anew",
            self.catalogue.path_of(file).display(),
            self.ready.store.display()
        )
    }

    fn link_duplicates(&self, lap: &mut Lap) -> Result<()> {
        for (file, first) in &self.plan.linked {
            let (file, first) = (self.file(*file), self.file(*first));
            let (path, to) = (self.catalogue.path_of(file), self.catalogue.path_of(first));
            if self.restore.directories == Directories::OnDemand {
                make_parents(self.target, &path, lap)?;
            }
            linkat(self.target, &to, self.target, &path, AtFlags::empty())
                .with_context(|| format!("linking {} to {}", path.display(), to.display()))?;
            lap.mark(LINK);
        }
        Ok(())
    }

    /// Makes the directories that no file asked for, and gives those their modes that were made otherwise.
    fn finish_directories(&self, lap: &mut Lap) -> Result<()> {
        let directories = &self.catalogue.directories[1..];
        let up_front = self.restore.directories == Directories::UpFront;
        if !up_front {
            let bare = directories.iter().filter(|one| one.files == 0).map(|one| (one.path(), one.made_with(up_front)));
            make_up_front(self.target, bare, lap)?;
            lap.mark(MKDIR);
        }
        // From the leaves up: a directory that its owner may not enter would hide those below it.
        for directory in directories.iter().rev() {
            if directory.mode != directory.made_with(up_front) {
                chmodat(self.target, directory.path(), Mode::from_raw_mode(directory.mode), AtFlags::empty())
                    .with_context(|| format!("setting the mode of {}", directory.path().display()))?;
                lap.mark(CHMOD);
            }
        }
        Ok(())
    }

    /// Links come last, so that no name that is restored goes through one.
    fn make_links(&self, lap: &mut Lap) -> Result<()> {
        for link in &self.catalogue.links {
            let path = self.catalogue.path_of_link(link);
            symlinkat(link.to(), self.target, &path).with_context(|| format!("making the link {}", path.display()))?;
            lap.mark(LINK);
        }
        Ok(())
    }
}

/// The hash of contents that come in pieces, unless it is left out.
pub(crate) struct Verifying(Option<Hashing>);

impl Verifying {
    pub(crate) fn update(&mut self, bytes: &[u8], lap: &mut Lap) {
        if let Some(hashing) = &mut self.0 {
            hashing.update(bytes);
            lap.mark(HASH);
        }
    }

    /// Whether the pieces had this hash.
    pub(crate) fn fits(self, content: &Content, lap: &mut Lap) -> bool {
        let fits = self.0.is_none_or(|hashing| hashing.finish() == content.digest());
        lap.mark(HASH);
        fits
    }
}

/// What a worker holds from one file to the next.
#[derive(Default)]
pub(crate) struct Hold {
    path: PathBuf,
    directory: Option<(u32, OwnedFd)>,
}

/// Where a file is made.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    dir: BorrowedFd<'a>,
    path: &'a Path,
}

impl<'a> Place<'a> {
    /// Begins the file.
    pub(crate) fn begin(self, way: Way, attributes: &'a Attributes, lap: &mut Lap) -> Result<Sink<'a>> {
        way.begin(self.dir, self.path, attributes, lap)
    }
}

pub(crate) fn open_directory(dir: BorrowedFd, path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(dir, path, flags, Mode::empty()).with_context(|| format!("opening the directory {}", path.display()))
}

/// One open, one look at the size, one read to the end and one that finds it, one close.
fn read_catalogue(store: &Path) -> Result<Vec<u8>> {
    let path = store.join(NAME);
    std::fs::read(&path).with_context(|| format!("reading the catalogue {}", path.display()))
}
