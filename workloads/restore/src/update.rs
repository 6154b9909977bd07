//! Bringing a tree up to date: what stands there already and is right stays as it is, what differs is restored, and
//! what the store does not hold is removed where that is asked for.
//!
//! Nothing is done through a link: each directory is opened so that none is followed, and names are only ever looked
//! at, made and removed below a directory that is held open.

use crate::catalogue::Catalogue;
use crate::dictionary;
use crate::directories::{open_beneath, open_directory};
use crate::job::Job;
use crate::knobs::{Duplicates, Naming, Restore};
use crate::restore::{Ready, read_catalogue};
use crate::schedule::Plan;
use crate::store::CATALOGUE as NAME;
use crate::survey::Survey;
use anyhow::{Context, Result};
use batching::Directories;
use rustix::fs::{CWD, Mode, fchmod};
use std::os::fd::AsFd;
use syscalls::Way;
use technique::Lap;
use technique::phase::{CATALOGUE, CHMOD};

/// What tells a file that is right from one that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Its size, time and mode. A file that somebody changed without changing these is taken for right.
    BySizeAndTime,
    /// Its bytes: each file is read and held against its hash. Where only time or mode differ, only they are set.
    ByContents,
}

/// What became of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changes {
    /// Files that were right.
    pub kept: u64,
    /// Files that had the right bytes and got their mode and time.
    pub touched: u64,
    /// Files that were restored.
    pub restored: u64,
    /// Directories that were made.
    pub directories: u64,
    /// Links that were made.
    pub links: u64,
    /// Names that the store does not hold and that were removed, with all that was in them.
    pub removed: u64,
    /// Names that the store does not hold and that stay, with all that is in them.
    pub others: u64,
}

/// How a tree is brought up to date.
#[derive(Clone, Copy)]
pub(crate) struct Update<'a> {
    pub(crate) restore: &'a Restore,
    pub(crate) differs: Differs,
    pub(crate) remove_others: bool,
}

impl Restore {
    /// The same row for a tree that stands already and that others may write to: each file is made under a temporary
    /// name and takes the place of what was there at once, and no link is followed.
    pub(crate) const fn for_update(self) -> Restore {
        let way = Way::ByDescriptor;
        let (naming, directories, duplicates) = (Naming::Beneath, Directories::UpFront, Duplicates::Written);
        Restore { way, naming, directories, duplicates, ring: None, ..self }
    }
}

impl Update<'_> {
    /// Does it.
    pub(crate) fn run(self, ready: &Ready, lap: &mut Lap) -> Result<Changes> {
        let bytes = read_catalogue(&ready.store)?;
        let catalogue = Catalogue::from_bytes(&bytes).and_then(|catalogue| {
            catalogue.check_tree()?;
            Ok(catalogue)
        });
        let unusable = || format!("the catalogue {} cannot be used", ready.store.join(NAME).display());
        let catalogue = catalogue.with_context(unusable)?;
        self.restore.check_form(&catalogue)?;
        let target = open_directory(CWD, &ready.target)?;
        let mut survey = Survey::of(self, &catalogue, target.as_fd());
        lap.mark(CATALOGUE);
        for directory in 0..catalogue.directories.len() {
            survey.visit(directory, ready, lap)?;
        }
        let Survey { mut to_write, modes, mut changes, .. } = survey;
        to_write.sort_unstable();
        changes.restored = to_write.len() as u64;
        let plan = Plan::to_write(to_write);
        let dictionary = dictionary::read(self.restore.layout, &ready.store)?;
        let (dictionary, catalogue) = (dictionary.as_deref(), &catalogue);
        let target = target.as_fd();
        let job = Job { restore: self.restore, ready, catalogue, plan: &plan, target, dictionary };
        if !plan.written.is_empty() {
            self.restore.write_files(&job, lap)?;
        }
        // From the leaves up: a directory that its owner may not enter would hide those below it.
        for (directory, mode) in catalogue.directories.iter().zip(modes).skip(1).rev() {
            if directory.mode != mode {
                let opened = open_beneath(target, directory.path())?;
                fchmod(&opened, Mode::from_raw_mode(directory.mode))
                    .with_context(|| format!("setting the mode of {}", directory.path().display()))?;
                lap.mark(CHMOD);
            }
        }
        crate::sync::finish(&job, lap)?;
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Content, Directory, File, Link};
    use codecs::Hash;
    use std::ffi::OsStr;
    use std::fs;
    use std::path::Path;

    /// A catalogue whose own link would lead what it restores elsewhere is refused before anything is made.
    #[test]
    fn a_catalogue_that_leads_elsewhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (store, target, outside) =
            (dir.path().join("store"), dir.path().join("target"), dir.path().join("outside"));
        for dir in [&store, &target, &outside] {
            fs::create_dir(dir).unwrap();
        }
        let best = crate::best();
        let form = best.form().to_string();
        let catalogue = Catalogue {
            form: &form,
            directories: vec![Directory::new(Path::new(""), 0o755, 0), Directory::new(Path::new("a"), 0o755, 1)],
            files: vec![File::new(1, OsStr::new("b"), 0o644, (0, 0), 0)],
            links: vec![Link::new(0, OsStr::new("a"), &outside)],
            contents: vec![Content::new(Hash::Blake3.of(b""), 0)],
            blocks: vec![crate::catalogue::Block { at: 0, packed: 0, plain: 0 }],
            seals: Vec::new(),
        };
        fs::write(store.join(NAME), catalogue.to_bytes().unwrap()).unwrap();
        let by = best.for_update();
        let ready = by.ready(&store, &target, None).unwrap();
        let update = Update { restore: &by, differs: Differs::ByContents, remove_others: true };
        let told = format!("{:#}", update.run(&ready, &mut Lap::start(false)).unwrap_err());
        assert!(told.contains("a is listed twice: refused"), "{told}");
        assert!([target, outside].iter().all(|dir| fs::read_dir(dir).unwrap().next().is_none()));
    }
}
