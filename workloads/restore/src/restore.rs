//! Restore: from a store to a directory, every knob a field. The hash of every content is verified, always.

use crate::catalogue::Catalogue;
use crate::directories::{beneath_is_known, finish, make_all, make_links, open_directory};
use crate::form::Layout;
use crate::job::Job;
use crate::knobs::{Ahead, Duplicates, Naming, Restore, Syncing};
use crate::schedule::Plan;
use crate::store::CATALOGUE as NAME;
use crate::watch::Watch;
use crate::{dictionary, duplicates, left_out, loose, packed, stream, sync};
use anyhow::{Context, Result, ensure};
use batching::{Directories, Spread};
use rustix::fs::CWD;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use syscalls::Ring;
use technique::load::clear_umask;
use technique::phase::{CATALOGUE, DECODE, HASH, WRITE};
use technique::{Calls, Lap, Promise, Promises, Site, Technique};

/// A store, and where its tree shall stand.
pub struct Ready {
    pub(crate) store: PathBuf,
    pub(crate) target: PathBuf,
    /// The plain bytes of each object, or of each block of a pack, where decoding is left out.
    pub(crate) unpacked: Option<Vec<Vec<u8>>>,
    /// Who watches; nobody, where it is measured.
    pub(crate) watch: Option<Arc<Watch>>,
    /// Asking how many processors there are reads files of the kernel's; that is done before the clock.
    pub(crate) spread: Spread,
    /// Who makes links together.
    pub(crate) linkers: Spread,
    /// How often an opened object was asked for, and how often there was one.
    pub(crate) asked: AtomicU64,
    pub(crate) hits: AtomicU64,
}

impl Restore {
    /// What a restore by this row needs, outside of any measurement.
    pub(crate) fn ready(&self, store: &Path, target: &Path, watch: Option<&Arc<Watch>>) -> Result<Ready> {
        clear_umask();
        self.way.probe(target)?;
        self.ring.map(Ring::new).transpose()?;
        if self.duplicates == Duplicates::Cloned {
            duplicates::probe_clones(target, target)?;
        }
        Ok(Ready {
            store: store.to_owned(),
            target: target.to_owned(),
            unpacked: None,
            watch: watch.cloned(),
            spread: self.crew.spread(),
            linkers: duplicates::linkers(),
            asked: AtomicU64::new(0),
            hits: AtomicU64::new(0),
        })
    }

    /// Restores the store at `ready.store` into the directory `ready.target`.
    pub(crate) fn restore(&self, ready: &Ready, lap: &mut Lap) -> Result<()> {
        let bytes = read_catalogue(&ready.store)?;
        let catalogue = Catalogue::from_bytes(&bytes)
            .with_context(|| format!("the catalogue {} cannot be used", ready.store.join(NAME).display()))?;
        self.check_form(&catalogue)?;
        let plan = Plan::of(&catalogue, self.duplicates);
        let dictionary = dictionary::read(self.layout, &ready.store)?;
        let target = open_directory(CWD, &ready.target)?;
        lap.mark(CATALOGUE);
        let (catalogue, plan, target) = (&catalogue, &plan, target.as_fd());
        let job = Job { restore: self, ready, catalogue, plan, target, dictionary: dictionary.as_deref() };
        if self.directories == Directories::UpFront {
            make_all(catalogue, target, lap)?;
        }
        self.write_files(&job, lap)?;
        duplicates::make(&job, lap)?;
        finish(catalogue, self.directories, target, lap)?;
        make_links(catalogue, target, lap)?;
        sync::finish(&job, lap)
    }

    /// Writes the files of a plan, wherever their contents lie.
    pub(crate) fn write_files(&self, job: &Job, lap: &mut Lap) -> Result<()> {
        match self.layout {
            Layout::Loose | Layout::Trained => loose::restore(job, lap),
            Layout::Pack { .. } | Layout::Sealed { .. } | Layout::Primed { .. } => packed::restore(job, lap),
            Layout::Stream => stream::restore(job, lap),
        }
    }

    /// A row restores stores of one form.
    pub(crate) fn check_form(&self, catalogue: &Catalogue) -> Result<()> {
        let form = self.form().to_string();
        ensure!(catalogue.form == form, "the store is {}, and this row restores {form}", catalogue.form);
        Ok(())
    }

    /// What files are guaranteed that this row writes.
    pub(crate) fn promises_of_files(&self) -> Promises {
        let promises = self.way.promises();
        if self.leaves_out(HASH) { promises } else { promises.with(Promise::Verified) }
    }
}

impl Technique for Restore {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        if self.naming == Naming::Beneath {
            beneath_is_known(&site.target)?;
        }
        let form = self.form();
        let store = site.keep(&form.to_string(), |path| form.pack(&site.source, path))?;
        let unpacked = self.leaves_out(DECODE).then(|| left_out::unpacked(self, &store)).transpose()?;
        Ok(Ready { unpacked, ..self.ready(&store, &site.target, None)? })
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
        let promises = self.promises_of_files();
        let promises = match self.duplicates {
            Duplicates::Written => promises,
            // A clone is opened under its name before it has its bytes.
            Duplicates::Cloned => promises.without(Promise::Atomic),
            Duplicates::Linked | Duplicates::LinkedTogether | Duplicates::Symlinked => {
                promises.without(Promise::Independent)
            }
        };
        match self.sync {
            Syncing::Never | Syncing::EachFile => promises,
            Syncing::Once | Syncing::FilesThenDirectories => promises.with(Promise::Durable),
        }
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        // Workers that miss the same parent all try to make it, and how often is a matter of chance. So is what a
        // helper has opened when it is asked for.
        let by_chance = self.directories == Directories::OnDemand && ready.spread.workers() > 1;
        let helped = matches!(self.ahead, Ahead::Handles(_));
        let linked_on_demand =
            self.duplicates == Duplicates::LinkedTogether && self.directories == Directories::OnDemand;
        if by_chance || helped || linked_on_demand {
            return None;
        }
        let bytes = std::fs::read(ready.store.join(NAME)).ok()?;
        let catalogue = Catalogue::from_bytes(&bytes).ok()?;
        Some(crate::foretold::calls(self, &catalogue, &Plan::of(&catalogue, self.duplicates), ready))
    }

    fn counted(&self, ready: &Ready) -> Vec<(&'static str, u64)> {
        match self.ahead {
            Ahead::Handles(_) => {
                vec![("prefetch_asked", ready.asked.load(Relaxed)), ("prefetch_hits", ready.hits.load(Relaxed))]
            }
            Ahead::Nothing | Ahead::All => Vec::new(),
        }
    }
}

/// One open, one look at the size, one read to the end and one that finds it, one close.
pub(crate) fn read_catalogue(store: &Path) -> Result<Vec<u8>> {
    let path = store.join(NAME);
    std::fs::read(&path).with_context(|| format!("reading the catalogue {}", path.display()))
}
