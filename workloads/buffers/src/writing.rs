//! Writing: workers put records into files, as a walk does that has looked at an entry. Nothing is looked at, so that
//! only what it takes to write remains: a lock, calls, a file.

use crate::THREADS;
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use technique::phase::{OPEN, RECORD, WAIT, WRITE};
use technique::{Calls, Lap, Outcome, Site, Technique};

/// What stands before a record's path, as the document has it.
const HEAD: usize = 104;
/// A path of middling length.
const PATH: usize = 56;
const RECORD_LEN: usize = HEAD + PATH;
/// The size of a buffer, as the document has it.
const BUFFER: usize = 1 << 20;
/// How many records fit a buffer.
const FIT: u64 = (BUFFER / RECORD_LEN) as u64;

/// Writes a record for each entry of the fixture.
pub(crate) struct Writing {
    /// Where records go.
    pub(crate) way: Way,
}

/// Where records go: a knob in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// One file under a lock, two writes a record: the document's first way.
    LockedTwoWrites,
    /// One file under a lock, one write a record.
    LockedOneWrite,
    /// One buffer under a lock, written when it is full.
    LockedBuffer,
    /// A file a thread, two writes a record.
    OwnTwoWrites,
    /// A file a thread, one write a record.
    OwnOneWrite,
    /// A file and a buffer a thread, written when it is full: the document's way.
    OwnBuffer,
    /// A buffer a thread, each written to a stretch of one file that was reserved for it.
    Stretches,
}

impl Way {
    fn has_own_files(self) -> bool {
        matches!(self, Way::OwnTwoWrites | Way::OwnOneWrite | Way::OwnBuffer)
    }
}

/// What is to be written.
pub(crate) struct Ready {
    records: u64,
    target: PathBuf,
}

/// What threads share.
struct Shared {
    way: Way,
    file: Option<File>,
    buffer: Mutex<Vec<u8>>,
    next: AtomicU64,
}

impl Technique for Writing {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        Ok(Ready { records: crate::entries(&site.tally), target: site.target.clone() })
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let way = self.way;
        let file = if way.has_own_files() { None } else { Some(create(&ready.target.join("records"))?) };
        let room = if way == Way::LockedBuffer { BUFFER } else { 0 };
        let shared = Shared { way, file, buffer: Mutex::new(Vec::with_capacity(room)), next: AtomicU64::new(0) };
        lap.mark(OPEN);
        let laps = lap.fork(THREADS).into_iter().enumerate();
        let laps = std::thread::scope(|scope| {
            let (shared, ready) = (&shared, &*ready);
            let threads: Vec<_> = laps
                .map(|(worker, mut lap)| {
                    scope.spawn(move || {
                        lap.mark(WAIT);
                        shared.work(ready, worker, &mut lap).map(|()| lap)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("nobody panics while writing")).collect::<Result<_>>()
        });
        lap.join(laps.with_context(|| format!("writing records to {}: is there room?", ready.target.display()))?);
        let rest = shared.buffer.into_inner().expect("nobody panics while writing");
        if let (Some(mut file), false) = (shared.file, rest.is_empty()) {
            file.write_all(&rest)?;
            lap.mark(WRITE);
        }
        Ok(())
    }

    fn calls(&self, ready: &Ready) -> Option<Calls> {
        let shares = (0..THREADS).map(|worker| crate::share_of(ready.records, worker));
        let (files, call, writes) = match self.way {
            Way::LockedTwoWrites => (1, "write", 2 * ready.records),
            Way::LockedOneWrite => (1, "write", ready.records),
            Way::LockedBuffer => (1, "write", ready.records.div_ceil(FIT)),
            Way::OwnTwoWrites => (THREADS as u64, "write", 2 * ready.records),
            Way::OwnOneWrite => (THREADS as u64, "write", ready.records),
            Way::OwnBuffer => (THREADS as u64, "write", shares.map(|share| share.div_ceil(FIT)).sum()),
            Way::Stretches => (1, "pwrite64", shares.map(|share| share.div_ceil(FIT)).sum()),
        };
        let mut calls = Calls::default();
        for (name, count) in [("openat", files), ("close", files), (call, writes)] {
            calls.add(name, count);
        }
        Some(calls)
    }
}

impl Shared {
    /// What one thread does: every `THREADS`th record.
    fn work(&self, ready: &Ready, worker: usize, lap: &mut Lap) -> Result<()> {
        let path = ready.target.join(format!("records-{worker}"));
        let mut own = if self.way.has_own_files() { Some(create(&path)?) } else { None };
        let gathers = matches!(self.way, Way::OwnBuffer | Way::Stretches);
        let mut buffer = Vec::with_capacity(if gathers { BUFFER } else { RECORD_LEN });
        lap.mark(OPEN);
        for number in (worker as u64..ready.records).step_by(THREADS) {
            put(number, &mut buffer);
            lap.mark(RECORD);
            if !gathers {
                self.write_one(own.as_mut(), &buffer, lap)?;
                buffer.clear();
            } else if buffer.len() + RECORD_LEN > BUFFER {
                self.write_all(own.as_mut(), &mut buffer, lap)?;
            }
        }
        if !buffer.is_empty() {
            self.write_all(own.as_mut(), &mut buffer, lap)?;
        }
        Ok(())
    }

    fn write_one(&self, own: Option<&mut File>, record: &[u8], lap: &mut Lap) -> Result<()> {
        let (head, path) = record.split_at(HEAD);
        if let Some(own) = own {
            if self.way == Way::OwnTwoWrites {
                own.write_all(head)?;
                own.write_all(path)?;
            } else {
                own.write_all(record)?;
            }
            lap.mark(WRITE);
            return Ok(());
        }
        let mut common = self.buffer.lock().expect("nobody panics while writing");
        lap.mark(WAIT);
        match self.way {
            Way::LockedTwoWrites => {
                self.file().write_all(head)?;
                self.file().write_all(path)?;
            }
            Way::LockedOneWrite => self.file().write_all(record)?,
            _ => {
                if common.len() + RECORD_LEN > BUFFER {
                    self.file().write_all(&common)?;
                    common.clear();
                }
                common.extend_from_slice(record);
            }
        }
        lap.mark(WRITE);
        Ok(())
    }

    fn write_all(&self, own: Option<&mut File>, buffer: &mut Vec<u8>, lap: &mut Lap) -> Result<()> {
        match own {
            Some(own) => own.write_all(buffer)?,
            None => self.file().write_all_at(buffer, self.next.fetch_add(buffer.len() as u64, Relaxed))?,
        }
        buffer.clear();
        lap.mark(WRITE);
        Ok(())
    }

    fn file(&self) -> &File {
        self.file.as_ref().expect("who has no file of its own has this one")
    }
}

/// Puts together the record of that number: nothing but the number, so that a torn one is seen.
fn put(number: u64, buffer: &mut Vec<u8>) {
    for _ in 0..RECORD_LEN / 8 {
        buffer.extend_from_slice(&number.to_le_bytes());
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("making {}", path.display()))
}

/// What each run should have written.
pub(crate) fn expected(site: &Site) -> Outcome {
    state(crate::entries(&site.tally), 0, 0)
}

/// What it has written: how many records, how many of them torn, how many more than once.
pub(crate) fn outcome(site: &Site) -> Result<Outcome> {
    let reading = || format!("reading {}", site.target.display());
    let mut seen = Vec::new();
    let mut torn = 0;
    for file in std::fs::read_dir(&site.target).with_context(reading)? {
        let path = file.with_context(reading)?.path();
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(bytes.len().is_multiple_of(RECORD_LEN), "{} ends within a record", path.display());
        for record in bytes.chunks_exact(RECORD_LEN) {
            let (number, rest) = record.split_at(8);
            torn += u64::from(rest.chunks_exact(8).any(|again| again != number));
            seen.push(u64::from_le_bytes(number.try_into().expect("a number has eight bytes")));
        }
    }
    let records = seen.len() as u64;
    seen.sort_unstable();
    seen.dedup();
    Ok(state(records, torn, records - seen.len() as u64))
}

fn state(records: u64, torn: u64, again: u64) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.state(b"records", "written", records.to_string());
    outcome.state(b"records", "torn", torn.to_string());
    outcome.state(b"records", "written again", again.to_string());
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixtures::Tally;

    #[test]
    fn a_record_that_is_torn_or_written_again_is_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let tally = Tally { files: 3, ..Tally::default() };
        let site = Site::new(dir.path().into(), dir.path().into(), dir.path().join("kept"), tally);
        let mut bytes = Vec::new();
        for number in 0..3 {
            put(number, &mut bytes);
        }
        let differences = |bytes: &[u8]| {
            std::fs::write(dir.path().join("records"), bytes).unwrap();
            expected(&site).differences(&outcome(&site).unwrap(), technique::Promises::NONE).len()
        };
        assert_eq!(differences(&bytes), 0);
        assert_eq!(differences(&bytes[RECORD_LEN..]), 1, "one is missing");
        let mut torn = bytes.clone();
        torn[HEAD..RECORD_LEN].copy_from_slice(&bytes[RECORD_LEN + HEAD..2 * RECORD_LEN]);
        assert_eq!(differences(&torn), 1, "a path of another's");
        let again = [&bytes[..RECORD_LEN], &bytes[..2 * RECORD_LEN]].concat();
        assert_eq!(differences(&again), 1, "one stands twice, another is missing");
        std::fs::write(dir.path().join("records"), &bytes[1..]).unwrap();
        assert!(outcome(&site).is_err());
    }
}
