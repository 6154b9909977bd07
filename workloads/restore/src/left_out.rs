//! What a row does outside the clock because it leaves a phase out: contents unpacked before, bytes written after.

use crate::catalogue::Catalogue;
use crate::knobs::Restore;
use crate::schedule::Plan;
use crate::store::{CATALOGUE, PACK};
use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags, Timespec, Timestamps, chmodat, futimens, openat};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The plain bytes of every object, or of every block of a pack.
pub(crate) fn unpacked(restore: &Restore, store: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = fs::read(store.join(CATALOGUE)).context("reading the catalogue")?;
    let catalogue = Catalogue::from_bytes(&bytes)?;
    let mut decoder = restore.decoding().decoder(crate::dictionary::read(restore.layout, store)?.as_deref())?;
    let mut unpack = |packed: &[u8], len: u64| {
        let mut plain = vec![0; usize::try_from(len).context("it fits in memory")?];
        decoder.decode(packed, &mut plain)?;
        Ok(plain)
    };
    if restore.layout.is_loose() {
        let object = |content: &crate::catalogue::Content| {
            let path = store.join(content.object());
            fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        return catalogue.contents.iter().map(|content| unpack(&object(content)?, content.len)).collect();
    }
    let pack = File::open(store.join(PACK)).context("opening the pack")?;
    let mut packed = Vec::new();
    let mut block = |block: &crate::catalogue::Block| {
        packed.resize(block.packed as usize, 0);
        pack.read_exact_at(&mut packed, block.at).context("reading the pack")?;
        unpack(&packed, u64::from(block.plain))
    };
    catalogue.blocks.iter().map(&mut block).collect()
}

/// Fills the files that the run left empty, from the source, and gives them back their mode and time.
pub(crate) fn write(restore: &Restore, store: &Path, source: &Path, target: &Path) -> Result<()> {
    let bytes = fs::read(store.join(CATALOGUE)).context("reading the catalogue")?;
    let catalogue = Catalogue::from_bytes(&bytes)?;
    for at in Plan::of(&catalogue, restore.duplicates).written {
        let file = &catalogue.files[at as usize];
        let name = catalogue.path_of(file);
        let path = target.join(&name);
        let filling = || format!("filling {}", path.display());
        let mode = Mode::from_raw_mode(file.mode);
        // What its owner may not write is made writable for a moment.
        chmodat(CWD, &path, mode | Mode::WUSR, rustix::fs::AtFlags::empty()).with_context(filling)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut empty = File::from(openat(CWD, &path, flags, Mode::empty()).with_context(filling)?);
        empty.write_all(&fs::read(source.join(&name)).with_context(filling)?).with_context(filling)?;
        rustix::fs::fchmod(&empty, mode).with_context(filling)?;
        let (tv_sec, nsec) = file.mtime;
        let time = Timespec { tv_sec, tv_nsec: nsec.into() };
        futimens(&empty, &Timestamps { last_access: time, last_modification: time }).with_context(filling)?;
    }
    Ok(())
}
