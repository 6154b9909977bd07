//! Restore over a tree that stands already: the everyday case. Before the clock the tree is restored and then aged, by
//! the same rule each time: some files are gone, some have other bytes or another mode, and some names are new.

use crate::knobs::Restore;
use crate::restore;
use crate::update::{Changes, Differs, Update};
use anyhow::{Context, Result};
use fixtures::tree::{Kind, scan};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use technique::{Lap, Promise, Promises, Site, Technique};

/// Brings a tree up to date.
pub struct Over {
    /// How the tree was made, and how what differs is restored.
    pub by: Restore,
    /// What tells a file that is right from one that is not.
    pub differs: Differs,
    /// Whether the tree was changed before.
    pub aged: bool,
}

/// A store, a tree, and what became of it.
pub struct Ready {
    restore: restore::Ready,
    changes: Changes,
}

impl Technique for Over {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let form = self.by.form();
        let store = site.keep(&form.to_string(), |path| form.pack(&site.source, path))?;
        let first = self.by.ready(&store, &site.target, None)?;
        self.by
            .restore(&first, &mut Lap::start(false))
            .context("restoring the tree that is to be brought up to date")?;
        if self.aged {
            age(&site.target, self.differs)?;
        }
        let restore = self.by.for_update().ready(&store, &site.target, None)?;
        Ok(Ready { restore, changes: Changes::default() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let by = self.by.for_update();
        let update = Update { restore: &by, differs: self.differs, remove_others: true };
        ready.changes = update.run(&ready.restore, lap)?;
        Ok(())
    }

    /// What is kept for its size and time is not held against its hash.
    fn promises(&self) -> Promises {
        let promises = self.by.for_update().promises_of_files();
        match self.differs {
            Differs::BySizeAndTime => promises.without(Promise::Verified),
            Differs::ByContents => promises,
        }
    }

    fn counted(&self, ready: &Ready) -> Vec<(&'static str, u64)> {
        let Changes { kept, restored, .. } = ready.changes;
        vec![("files_kept", kept), ("files_restored", restored)]
    }
}

/// Changes a tree: of every hundred files five, and a few names besides. What only the bytes of a file tell is done
/// only where somebody looks at them.
fn age(target: &Path, differs: Differs) -> Result<()> {
    let entries = scan(target)?;
    let aging = |path: &Path| format!("aging {}", path.display());
    let files = entries.iter().filter(|entry| matches!(entry.kind, Kind::File { .. }));
    for (number, entry) in files.enumerate() {
        let path = target.join(&entry.path);
        let told = || aging(&path);
        match number % 100 {
            3 => fs::write(&path, b"somebody wrote over this").with_context(told)?,
            23 => fs::remove_file(&path).with_context(told)?,
            43 => fs::set_permissions(&path, Permissions::from_mode(entry.mode ^ 0o020)).with_context(told)?,
            63 => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
                File::open(&path).and_then(|file| file.set_modified(time)).with_context(told)?;
            }
            83 if differs == Differs::ByContents => edit_unseen(&path).with_context(told)?,
            _ => {}
        }
    }
    for (number, entry) in entries.iter().filter(|entry| entry.kind == Kind::Directory).enumerate() {
        let path = target.join(&entry.path);
        match number % 40 {
            7 => fs::write(path.join("assay-new.txt"), "new").with_context(|| aging(&path))?,
            17 => {
                let cache = path.join("assay-cache/deep");
                fs::create_dir_all(&cache).with_context(|| aging(&path))?;
                fs::write(cache.join("new.bin"), "new").with_context(|| aging(&path))?;
                symlink("/nowhere", cache.join("link")).with_context(|| aging(&path))?;
            }
            27 => {
                fs::set_permissions(&path, Permissions::from_mode(entry.mode | 0o022)).with_context(|| aging(&path))?;
            }
            _ => {}
        }
    }
    for entry in entries.iter().filter(|entry| matches!(entry.kind, Kind::Symlink { .. })).step_by(2) {
        let path = target.join(&entry.path);
        fs::remove_file(&path).and_then(|()| symlink("elsewhere", &path)).with_context(|| aging(&path))?;
    }
    Ok(())
}

/// Changes a file's bytes so that neither its size nor its time tell.
fn edit_unseen(path: &Path) -> Result<()> {
    let meta = fs::metadata(path)?;
    let bytes: Vec<u8> = fs::read(path)?.iter().map(|byte| byte ^ 1).collect();
    fs::write(path, bytes)?;
    File::open(path)?.set_modified(meta.modified()?)?;
    Ok(())
}
