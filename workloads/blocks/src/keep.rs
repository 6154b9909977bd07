//! What goes to disk: nothing, a log that every write is appended to, or the whole tree written anew each time.

use crate::block::{Block, lock};
use crate::record::{Kept, Record};
use crate::store::Ino;
use std::fs::{File, OpenOptions};
use std::io::{Error, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use technique::Lap;
use technique::phase::{RECORD, RENAME, SYNC, WRITE};

/// What goes to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Every write is appended to a log.
    Log,
    /// The same, and each write waits until it is stored.
    LogSync,
    /// Who closes a file writes the whole tree to a new file, waits until it is stored, and puts it in the old one's
    /// place.
    WholeTree,
}

const LOG: &str = "log";
const TREE: &str = "tree";

/// Keeps what a store is told to keep.
pub(crate) struct Keeper {
    keep: Keep,
    dir: PathBuf,
    state: Mutex<State>,
}

/// What a keeper holds in memory.
#[derive(Default)]
struct State {
    log: Option<File>,
    /// All that is to be written, where all is written each time.
    tree: Kept,
    /// Whether something is not stored yet.
    behind: bool,
    bytes: Vec<u8>,
}

impl Keeper {
    /// A keeper whose directory is empty.
    pub(crate) fn open(keep: Keep, dir: &Path) -> Result<Keeper> {
        if keep != Keep::Nothing && std::fs::read_dir(dir).map_err(|error| about(dir, error))?.next().is_some() {
            return Err(about(dir, Error::other("is not empty: what is in it would be lost")));
        }
        Ok(Keeper::reopen(keep, dir)?.0)
    }

    /// A keeper that goes on where another one ended, and what that one has kept. The end of a log that was cut short
    /// is left out.
    pub(crate) fn reopen(keep: Keep, dir: &Path) -> Result<(Keeper, Kept)> {
        let mut state = State::default();
        let mut kept = Kept::default();
        match keep {
            Keep::Nothing => {}
            Keep::Log | Keep::LogSync => {
                let place = dir.join(LOG);
                let open = || OpenOptions::new().read(true).append(true).create(true).open(&place);
                let log = open().map_err(|error| about(&place, error))?;
                let whole = kept.apply_all(&std::fs::read(&place).map_err(|error| about(&place, error))?);
                log.set_len(whole as u64).map_err(|error| about(&place, error))?;
                sync_directory(dir)?;
                state.log = Some(log);
            }
            Keep::WholeTree => {
                let place = dir.join(TREE);
                if place.exists() {
                    kept.apply_all(&std::fs::read(&place).map_err(|error| about(&place, error))?);
                }
                state.tree = kept.clone();
            }
        }
        Ok((Keeper { keep, dir: dir.to_owned(), state: Mutex::new(state) }, kept))
    }

    /// A block has changed.
    pub(crate) fn block(&self, ino: Ino, index: u64, block: &Block, len: u64, lap: &mut Lap) -> Result<()> {
        if self.keep == Keep::Nothing {
            return Ok(());
        }
        let (data, unpacked_len) = block.kept();
        self.add(&Record::Block { ino, index, len, unpacked_len, data }, Some(lap))
    }

    /// A name was given.
    pub(crate) fn named(&self, ino: Ino, parent: Ino, name: &[u8], lap: &mut Lap) -> Result<()> {
        self.add(&Record::Name { ino, parent, name }, Some(lap))
    }

    /// A file has another length.
    pub(crate) fn resized(&self, ino: Ino, len: u64) -> Result<()> {
        self.add(&Record::Length { ino, len }, None)
    }

    /// A file is gone.
    pub(crate) fn forgotten(&self, ino: Ino) -> Result<()> {
        self.add(&Record::Gone { ino }, None)
    }

    /// A write is through: what answers it must be stored, if this keeper stores before it answers.
    pub(crate) fn written(&self, lap: &mut Lap) -> Result<()> {
        if self.keep == Keep::LogSync { self.sync(lap) } else { Ok(()) }
    }

    /// A file is closed, or all is done: what answers it must be stored, if this keeper stores anything by itself.
    pub(crate) fn closed(&self, lap: &mut Lap) -> Result<()> {
        match self.keep {
            Keep::Nothing | Keep::Log => Ok(()),
            Keep::LogSync | Keep::WholeTree => self.sync(lap),
        }
    }

    /// Somebody wants to be sure.
    pub(crate) fn sync(&self, lap: &mut Lap) -> Result<()> {
        let mut state = lock(&self.state);
        if state.behind
            && let Some(log) = &state.log
        {
            log.sync_data().map_err(|error| about(&self.dir.join(LOG), error))?;
            lap.mark(SYNC);
            state.behind = false;
        }
        drop(state);
        if self.keep == Keep::WholeTree { self.write_tree(lap) } else { Ok(()) }
    }

    fn add(&self, record: &Record<'_>, lap: Option<&mut Lap>) -> Result<()> {
        if self.keep == Keep::Nothing {
            return Ok(());
        }
        let mut state = lock(&self.state);
        let State { log, tree, behind, bytes } = &mut *state;
        *behind = true;
        let phase = if let Some(log) = log {
            bytes.clear();
            record.write_to(bytes);
            log.write_all(bytes).map_err(|error| about(&self.dir.join(LOG), error))?;
            WRITE
        } else {
            tree.apply(record);
            RECORD
        };
        if let Some(lap) = lap {
            lap.mark(phase);
        }
        Ok(())
    }

    fn write_tree(&self, lap: &mut Lap) -> Result<()> {
        let mut state = lock(&self.state);
        let State { tree, behind, bytes, .. } = &mut *state;
        if !*behind {
            return Ok(());
        }
        bytes.clear();
        tree.write_to(bytes);
        lap.mark(RECORD);
        let (new, place) = (self.dir.join("tree.new"), self.dir.join(TREE));
        let mut file = File::create(&new).map_err(|error| about(&new, error))?;
        file.write_all(bytes).map_err(|error| about(&new, error))?;
        lap.mark(WRITE);
        file.sync_all().map_err(|error| about(&new, error))?;
        lap.mark(SYNC);
        std::fs::rename(&new, &place).map_err(|error| about(&place, error))?;
        lap.mark(RENAME);
        sync_directory(&self.dir)?;
        lap.mark(SYNC);
        *behind = false;
        Ok(())
    }
}

/// A name is stored when its directory is.
fn sync_directory(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| about(dir, error))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn about(path: &Path, error: Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}
