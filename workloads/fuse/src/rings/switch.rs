//! The kernel's switch for rings, turned only where a user has allowed it, and turned back by the last who needed it.
//!
//! Before it is turned, a note says what it was. Who was killed leaves the note: the next one takes it over, and
//! `assay doctor --clean` puts back what it says. The note lies where nothing outlives the kernel, as the switch does.

use super::{SWITCH, refusal};
use anyhow::{Context, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the note lies.
const NOTE: &str = "/run/assay-enable-uring";
const ON: &str = "Y";

/// The switch, turned on until this is dropped; or for longer, if others need it still.
#[derive(Debug)]
pub struct Switched {
    note: File,
    places: Places,
}

#[derive(Clone, Debug)]
struct Places {
    switch: PathBuf,
    note: PathBuf,
}

impl Places {
    fn kernels() -> Places {
        Places { switch: SWITCH.into(), note: NOTE.into() }
    }
}

/// Turns the switch on. Needs root, and a kernel that has it.
pub fn switch_on() -> Result<Switched> {
    if !Path::new(SWITCH).exists() {
        return Err(refusal());
    }
    on(Places::kernels())
}

/// Puts back what a killed run has left turned on: what it says now, if there was something to put back.
pub fn switch_back() -> Result<Option<String>> {
    back(&Places::kernels())
}

/// Whether a killed run has left the switch turned on.
pub fn left_on() -> bool {
    let unheld = |note: File| note.try_lock().is_ok();
    File::open(NOTE).is_ok_and(unheld)
}

fn on(places: Places) -> Result<Switched> {
    let about = || format!("noting in {} what {} was", places.note.display(), places.switch.display());
    let mut note = held(&places.note).with_context(about)?;
    let was = read(&places.switch)?;
    if was != ON {
        note.set_len(0).and_then(|()| note.rewind()).with_context(about)?;
        note.write_all(was.as_bytes()).and_then(|()| note.sync_all()).with_context(about)?;
        turn(&places.switch, ON)?;
    }
    Ok(Switched { note, places })
}

/// The note, which nobody takes away while this is open.
fn held(path: &Path) -> std::io::Result<File> {
    loop {
        let note = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        note.lock_shared()?;
        // Whoever had it before may have taken it away meanwhile.
        match std::fs::metadata(path) {
            Ok(there) if there.ino() == note.metadata()?.ino() => return Ok(note),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
}

fn back(places: &Places) -> Result<Option<String>> {
    let note = match OpenOptions::new().read(true).write(true).open(&places.note) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        note => note.with_context(|| format!("opening {}", places.note.display()))?,
    };
    restore(note, places)
}

/// Puts back what the note says, unless somebody needs it as it is, and takes the note away.
fn restore(mut note: File, places: &Places) -> Result<Option<String>> {
    match note.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error).context("locking the note"),
    }
    let mut was = String::new();
    let about = || format!("reading {}", places.note.display());
    note.rewind().and_then(|()| note.read_to_string(&mut was)).with_context(about)?;
    let was = was.trim();
    if !was.is_empty() {
        turn(&places.switch, was)?;
    }
    std::fs::remove_file(&places.note).with_context(|| format!("removing {}", places.note.display()))?;
    Ok((!was.is_empty()).then(|| format!("{} is {was} again", places.switch.display())))
}

fn read(switch: &Path) -> Result<String> {
    let text = std::fs::read_to_string(switch).with_context(|| format!("reading {}", switch.display()))?;
    Ok(text.trim().to_owned())
}

fn turn(switch: &Path, to: &str) -> Result<()> {
    std::fs::write(switch, to).with_context(|| format!("writing {to} to {}: it takes root", switch.display()))
}

impl Drop for Switched {
    fn drop(&mut self) {
        let note = self.note.try_clone();
        // What cannot be put back now, `assay doctor --clean` may: the note says so.
        let _ = note.map_err(anyhow::Error::from).and_then(|note| restore(note, &self.places));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(dir: &Path, switch: &str) -> Places {
        let places = Places { switch: dir.join("switch"), note: dir.join("note") };
        std::fs::write(&places.switch, switch).unwrap();
        places
    }

    #[test]
    fn the_last_who_needs_it_turns_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), "N\n");
        let switch = || read(&places.switch).unwrap();
        let (one, other) = (on(places.clone()).unwrap(), on(places.clone()).unwrap());
        assert_eq!(switch(), "Y");
        assert_eq!(back(&places).unwrap(), None, "somebody needs it");
        drop(one);
        assert_eq!(switch(), "Y");
        drop(other);
        assert_eq!(switch(), "N");
        assert!(!places.note.exists());
    }

    #[test]
    fn what_was_on_stays_on() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), "Y\n");
        drop(on(places.clone()).unwrap());
        assert_eq!(read(&places.switch).unwrap(), "Y");
        assert!(!places.note.exists());
    }

    #[test]
    fn what_a_killed_run_left_is_put_back_or_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        for cleans in [true, false] {
            let places = places(dir.path(), "Y\n");
            // Its note, which nobody holds any more.
            std::fs::write(&places.note, "N").unwrap();
            if cleans {
                assert!(back(&places).unwrap().unwrap().ends_with("is N again"));
                assert_eq!(back(&places).unwrap(), None);
            } else {
                drop(on(places.clone()).unwrap());
            }
            assert_eq!(read(&places.switch).unwrap(), "N");
            assert!(!places.note.exists());
        }
    }
}
