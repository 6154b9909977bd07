//! Stores that people keep: packed from a directory of theirs, opened, verified, restored. The code that works here is
//! the code that the rows measure.

use crate::catalogue::{Block, Catalogue, Content};
use crate::choose::{Chosen, Tried, choose};
use crate::dictionary;
use crate::form::Form;
use crate::job::times;
use crate::knobs::Restore;
use crate::schedule::Plan;
use crate::store::{CATALOGUE, PACK};
use crate::update::{Changes, Differs, Update};
use crate::watch::Watch;
use anyhow::{Context, Result, ensure};
use codecs::{Context as Life, Decoder, Decoding, Engine};
use rayon::prelude::*;
use rustix::fs::{Mode, OFlags, fchmod, futimens, open, syncfs};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use technique::Lap;

/// A store, its catalogue read and checked.
pub struct Store {
    path: PathBuf,
    bytes: Vec<u8>,
    form: Form,
    tally: Tally,
}

/// What is in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Different contents.
    pub contents: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of the contents as they lie in the store.
    pub packed: u64,
}

/// A content that is not what was packed, and the files that have it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// What is wrong.
    pub what: String,
    /// The files, in the order of their names.
    pub files: Vec<PathBuf>,
}

impl Store {
    /// Packs a directory into a new store. It is on the disk when this returns.
    pub fn pack(form: Form, source: &Path, path: &Path, watch: &Watch) -> Result<Store> {
        form.pack_watched(source, path, watch)?;
        let place = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        place.and_then(syncfs).with_context(|| format!("syncing {}", path.display()))?;
        Store::open(path)
    }

    /// Opens a store: its catalogue is whole and names nothing outside of a target, or this is an error.
    pub fn open(path: &Path) -> Result<Store> {
        let name = path.join(CATALOGUE);
        let bytes = fs::read(&name).with_context(|| format!("reading {}", name.display()))?;
        let unusable = || format!("the catalogue {} cannot be used", name.display());
        let catalogue = Catalogue::from_bytes(&bytes).with_context(unusable)?;
        let form = Form::named(catalogue.form);
        let form = form.with_context(|| format!("this build knows no store of form {:?}", catalogue.form));
        let form = form.with_context(unusable)?;
        let len = |file: &crate::catalogue::File| catalogue.contents[file.content as usize].len;
        let tally = Tally {
            files: catalogue.files.len() as u64,
            directories: catalogue.directories.len() as u64 - 1,
            links: catalogue.links.len() as u64,
            contents: catalogue.contents.len() as u64,
            bytes: catalogue.files.iter().map(len).sum(),
            packed: catalogue.packed(),
        };
        Ok(Store { path: path.to_owned(), bytes, form, tally })
    }

    /// How contents lie in it.
    pub fn form(&self) -> Form {
        self.form
    }

    /// What is in it.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Bytes that pass under a watch while it is restored so.
    pub fn to_restore(&self, by: &Restore) -> u64 {
        let catalogue = self.catalogue();
        let written = Plan::of(&catalogue, by.duplicates).written;
        written.iter().map(|at| catalogue.contents[catalogue.files[*at as usize].content as usize].len).sum()
    }

    /// Bytes that pass under a watch while it is verified.
    pub fn to_verify(&self) -> u64 {
        self.catalogue().contents.iter().map(|content| content.len).sum()
    }

    /// Restores all of it into an empty directory, as that row does. Each content is held against its hash.
    pub fn restore(&self, by: &Restore, target: &Path, watch: &Arc<Watch>) -> Result<()> {
        let ready = by.ready(&self.path, target, Some(watch))?;
        by.restore(&ready, &mut Lap::start(false))
    }

    /// Which row restores it best at a place: chosen by trying, with the reason. None where the best row does not read
    /// it. `place` must not exist, and lie on the file system that is asked about; what was made there to try it is
    /// removed when the second thing is dropped, which should be after the restore.
    pub fn choose(&self, place: &Path) -> Result<Option<(Chosen, Tried)>> {
        if self.form != crate::best().form() {
            return Ok(None);
        }
        choose(crate::rows::RIVALS, &self.catalogue(), place).map(Some)
    }

    /// Brings a directory up to date, which may hold anything: what is right stays, what differs is restored, and
    /// what the store does not hold is removed where that is asked for. No link is followed, and nothing is touched
    /// outside of the directory.
    pub fn bring_up_to_date(
        &self,
        by: &Restore,
        differs: Differs,
        remove_others: bool,
        target: &Path,
        watch: &Arc<Watch>,
    ) -> Result<Changes> {
        let by = by.for_update();
        let ready = by.ready(&self.path, target, Some(watch))?;
        Update { restore: &by, differs, remove_others }.run(&ready, &mut Lap::start(false))
    }

    /// Brings one file back to a new name, with its mode and time; all other contents stay as they lie. False where the
    /// store has no such file.
    pub fn fetch(&self, file: &Path, to: &Path) -> Result<bool> {
        let catalogue = self.catalogue();
        let Some(found) = catalogue.files.iter().find(|one| catalogue.path_of(one) == file) else { return Ok(false) };
        let content = &catalogue.contents[found.content as usize];
        let damaged = || format!("{}: its contents in the store {} are damaged", file.display(), self.path.display());
        let plain = self.plain_of(&catalogue, content).with_context(damaged)?;
        let making = || format!("making {}", to.display());
        let mut made = File::create_new(to).with_context(making)?;
        made.write_all(&plain).with_context(making)?;
        fchmod(&made, Mode::from_raw_mode(found.mode & 0o7777)).with_context(making)?;
        futimens(&made, &times(found.mtime)).with_context(making)?;
        Ok(true)
    }

    /// The bytes of one content, held against their hash. Only the blocks are decoded that hold it.
    fn plain_of(&self, catalogue: &Catalogue, content: &Content) -> Result<Vec<u8>> {
        let dictionary = dictionary::read(self.form.layout, &self.path)?;
        let mut decoder = self.decoder(dictionary.as_deref())?;
        let plain = if self.form.layout.is_loose() {
            let packed = fs::read(self.path.join(content.object())).context("its object cannot be read")?;
            plain_of(&mut decoder, &packed, content.len)?
        } else {
            let pack = File::open(self.path.join(PACK)).context("opening the pack")?;
            let mut plain = plain_of_blocks(catalogue, &[*content], &pack, &mut decoder)?;
            let (from, len) = (content.offset as usize, usize::try_from(content.len)?);
            ensure!(plain.len() >= from + len, "its block is shorter than it");
            plain.truncate(from + len);
            plain.split_off(from)
        };
        self.hold(content, &plain)?;
        Ok(plain)
    }

    /// Decodes every content and holds it against its hash: what is damaged, and in which files.
    pub fn verify(&self, watch: &Watch) -> Result<Vec<Damage>> {
        let catalogue = self.catalogue();
        let loose = self.form.layout.is_loose();
        let found = if loose { self.verify_objects(&catalogue, watch)? } else { self.verify_pack(&catalogue, watch)? };
        let mut damages = Vec::new();
        for (content, what) in found {
            let has = catalogue.files.iter().filter(|file| file.content as usize == content);
            let files: BTreeSet<PathBuf> = has.map(|file| catalogue.path_of(file)).collect();
            damages.push(Damage { what, files: files.into_iter().collect() });
        }
        damages.sort_by(|a, b| a.files.cmp(&b.files));
        Ok(damages)
    }

    fn verify_objects(&self, catalogue: &Catalogue, watch: &Watch) -> Result<Vec<(usize, String)>> {
        let each = catalogue.contents.par_iter().enumerate();
        let dictionary = dictionary::read(self.form.layout, &self.path)?;
        let held = each.map_init(
            || self.decoder(dictionary.as_deref()),
            |decoder, (at, content)| {
                let decoder = decoder.as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?;
                let path = self.path.join(content.object());
                let plain = fs::read(&path).context("its object cannot be read").and_then(|packed| {
                    ensure!(packed.len() as u64 == content.packed, "its object is of another length");
                    plain_of(decoder, &packed, content.len)
                });
                watch.passed(content.len)?;
                let told = plain.and_then(|plain| self.hold(content, &plain)).err();
                Ok(told.map(|error| (at, format!("{error:#} ({})", path.display()))))
            },
        );
        Ok(held.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn verify_pack(&self, catalogue: &Catalogue, watch: &Watch) -> Result<Vec<(usize, String)>> {
        let path = self.path.join(PACK);
        let pack = File::open(&path).with_context(|| format!("opening the pack {}", path.display()))?;
        // Contents stand in the order of their blocks: each run of them is what its blocks hold.
        let runs: Vec<&[Content]> = catalogue.contents.chunk_by(|a, b| a.block == b.block).collect();
        let starts: Vec<usize> = runs.iter().scan(0, |at, run| Some(std::mem::replace(at, *at + run.len()))).collect();
        let dictionary = dictionary::read(self.form.layout, &self.path)?;
        let held = starts.par_iter().zip(&runs).map_init(
            || self.decoder(dictionary.as_deref()),
            |decoder, (start, run)| {
                let decoder = decoder.as_mut().map_err(|error| anyhow::anyhow!("{error:#}"))?;
                let plain = plain_of_blocks(catalogue, run, &pack, decoder);
                let sealed = self.is_sealed(catalogue, run, &pack);
                watch.passed(run.iter().map(|content| content.len).sum())?;
                let told = |at: usize, error: &anyhow::Error| (start + at, format!("{error:#} ({})", path.display()));
                let bad: Vec<(usize, String)> = match plain {
                    Err(error) => (0..run.len()).map(|at| told(at, &error)).collect(),
                    Ok(plain) => {
                        let one = |(at, content): (usize, &Content)| {
                            let from = content.offset as usize;
                            let held = usize::try_from(content.len).ok().and_then(|len| plain.get(from..from + len));
                            let held = held.context("its block is shorter than it");
                            held.and_then(|bytes| self.hold(content, bytes)).err().map(|error| told(at, &error))
                        };
                        let bad: Vec<(usize, String)> = run.iter().enumerate().filter_map(one).collect();
                        if bad.is_empty() && !sealed {
                            let odd = anyhow::anyhow!("its block is not as it was packed, though its bytes are");
                            (0..run.len()).map(|at| told(at, &odd)).collect()
                        } else {
                            bad
                        }
                    }
                };
                Ok(bad)
            },
        );
        Ok(held.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Whether the blocks of those contents lie as they were packed, so far as the catalogue knows it.
    fn is_sealed(&self, catalogue: &Catalogue, run: &[Content], pack: &File) -> bool {
        let first = run[0].block as usize;
        let seals = catalogue.seals.get(first..).unwrap_or_default();
        blocks_of(catalogue, run).zip(seals).all(|(block, seal)| {
            let mut packed = vec![0; block.packed as usize];
            pack.read_exact_at(&mut packed, block.at).is_ok() && self.form.hash.of(&packed).0 == *seal
        })
    }

    fn hold(&self, content: &Content, plain: &[u8]) -> Result<()> {
        ensure!(self.form.hash.of(plain) == content.digest(), "its bytes are not those that were packed");
        Ok(())
    }

    fn decoder(&self, dictionary: Option<&[u8]>) -> Result<Decoder> {
        let decoding = Decoding { codec: self.form.codec, engine: Engine::ZlibRs, context: Life::Reused };
        decoding.decoder(dictionary)
    }

    fn catalogue(&self) -> Catalogue<'_> {
        Catalogue::from_bytes(&self.bytes).expect("it was checked when the store was opened")
    }
}

/// The blocks that hold a run of contents: one, or those that a large content fills.
fn blocks_of<'a>(catalogue: &'a Catalogue, run: &[Content]) -> impl Iterator<Item = &'a Block> {
    let end = run.iter().map(|content| u64::from(content.offset) + content.len).max().unwrap_or(0);
    let mut filled = 0;
    let mut first = true;
    catalogue.blocks[run[0].block as usize..].iter().take_while(move |block| {
        let needed = first || filled < end;
        first = false;
        filled += u64::from(block.plain);
        needed
    })
}

/// What the blocks of a run of contents hold.
fn plain_of_blocks(catalogue: &Catalogue, run: &[Content], pack: &File, decoder: &mut Decoder) -> Result<Vec<u8>> {
    blocks_of(catalogue, run).try_fold(Vec::new(), |mut plain, block| {
        let mut packed = vec![0; block.packed as usize];
        pack.read_exact_at(&mut packed, block.at).context("the pack is cut short")?;
        plain.extend(plain_of(decoder, &packed, u64::from(block.plain))?);
        Ok(plain)
    })
}

fn plain_of(decoder: &mut Decoder, packed: &[u8], len: u64) -> Result<Vec<u8>> {
    let mut plain = vec![0; usize::try_from(len).context("it fits in memory")?];
    decoder.refresh()?;
    decoder.decode(packed, &mut plain).context("it cannot be unpacked")?;
    Ok(plain)
}
