//! Outputs: where records go. Each worker holds a writer, and puts its records into the buffer that the writer lends.

use crate::columns::{Columns, STAGED};
use crate::direct::Direct;
use crate::format::Format;
use crate::mapped::Mapped;
use crate::write_ring::WriteRing;
use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use technique::phase::{OPEN, RENAME, SYNC, WAIT, WRITE};
use technique::{Absent, Lap};

/// Where records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// One file under a lock, two writes a record: the document's first way.
    SharedTwoWrites,
    /// One file under a lock, one write a record.
    SharedOneWrite,
    /// One buffer under a lock, written when it is full.
    SharedBuffer,
    /// A file a worker, two writes a record.
    OwnTwoWrites,
    /// A file and a buffer a worker, written when it is full: the document's way.
    OwnBuffer,
    /// The same, past the page cache.
    OwnDirect,
    /// A file a worker, records copied into memory that is shared with it.
    OwnMapped,
    /// A file and two buffers a worker: one is written by an `io_uring` while the other is filled.
    OwnRing,
    /// A buffer a worker, each written to a stretch of one file that was reserved for it. The file has its final name
    /// only when it is complete.
    OneFile,
    /// Nowhere: what records cost.
    Nowhere,
}

/// The size of a buffer, as the document has it.
pub(crate) const BUFFER: usize = 1 << 20;

/// The outputs of one walk.
pub(crate) struct Outputs {
    way: Output,
    /// The file, or the directory that files are made in.
    place: PathBuf,
    extension: &'static str,
    shared: Option<File>,
    /// Instead of that, where records become columns.
    columns: Option<Columns>,
    lock: Mutex<Vec<u8>>,
    next: AtomicU64,
}

impl Outputs {
    /// Opens what all workers share. `place` is a directory, but for [`Output::OneFile`]: there it is the file's own
    /// path before it has its final name.
    pub(crate) fn open(way: Output, format: Format, place: PathBuf, lap: &mut Lap) -> Result<Outputs> {
        let extension = format.extension();
        let columns = match format {
            Format::Parquet => {
                ensure!(way == Output::OneFile, "columns go into one file");
                Some(Columns::begin(create(&place, OFlags::empty())?)?)
            }
            _ => None,
        };
        let shared = match way {
            _ if columns.is_some() => None,
            Output::SharedTwoWrites | Output::SharedOneWrite | Output::SharedBuffer => {
                Some(create(&place.join(format!("records.{extension}")), OFlags::empty())?)
            }
            Output::OneFile => Some(create(&place, OFlags::empty())?),
            _ => None,
        };
        let lock = Mutex::new(Vec::with_capacity(if way == Output::SharedBuffer { BUFFER } else { 0 }));
        lap.mark(OPEN);
        Ok(Outputs { way, place, extension, shared, columns, lock, next: AtomicU64::new(0) })
    }

    /// The writer of one worker.
    pub(crate) fn writer(&self, worker: usize, lap: &mut Lap) -> Result<Writer<'_>> {
        let path = self.place.join(format!("records-{worker:04}.{}", self.extension));
        let file = || create(&path, OFlags::empty());
        let own = match self.way {
            Output::OwnTwoWrites | Output::OwnBuffer => Own::File(file()?),
            Output::OwnRing => Own::Ring(Box::new(WriteRing::new(file()?).with_context(|| writing(&self.place))?)),
            Output::OwnMapped => Own::Mapped(Mapped::new(create_mappable(&path)?)),
            Output::OwnDirect => Own::Direct(Direct::new(create(&path, OFlags::DIRECT)?, BUFFER)),
            _ => Own::Nothing,
        };
        let full = if self.columns.is_some() { STAGED } else { BUFFER };
        let room = match self.way {
            Output::OwnBuffer | Output::OneFile | Output::OwnRing => full + (64 << 10),
            _ => 8 << 10,
        };
        let buffer = Vec::with_capacity(room);
        lap.mark(OPEN);
        Ok(Writer { outputs: self, own, buffer, full })
    }

    /// Finishes what is shared, when every writer is finished.
    pub(crate) fn finish(self, finally: Option<&Path>, sync: bool, lap: &mut Lap) -> Result<()> {
        let columns = self.columns.map(Columns::finish).transpose().with_context(|| writing(&self.place))?;
        let Some(mut file) = self.shared.or(columns) else { return Ok(()) };
        let rest = self.lock.into_inner().expect("nobody panics while writing");
        if !rest.is_empty() {
            file.write_all(&rest).with_context(|| writing(&self.place))?;
            lap.mark(WRITE);
        }
        if sync {
            file.sync_all().with_context(|| writing(&self.place))?;
            lap.mark(SYNC);
        }
        if let Some(finally) = finally {
            std::fs::rename(&self.place, finally)
                .with_context(|| format!("naming {} {}", self.place.display(), finally.display()))?;
            lap.mark(RENAME);
        }
        Ok(())
    }

    fn file(&self) -> &File {
        self.shared.as_ref().expect("it was opened with the outputs")
    }
}

/// What one worker writes to.
pub(crate) struct Writer<'a> {
    outputs: &'a Outputs,
    own: Own,
    buffer: Vec<u8>,
    /// From how many bytes on the buffer is written.
    full: usize,
}

/// What belongs to one worker alone.
enum Own {
    Nothing,
    File(File),
    Direct(Direct),
    Mapped(Mapped),
    Ring(Box<WriteRing>),
}

impl Writer<'_> {
    /// Whether records are wanted at all.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.outputs.way == Output::Nowhere
    }

    /// Puts a record behind what is there. `put` says how many bytes come before its path; where it fails, nothing
    /// is recorded.
    #[inline]
    pub(crate) fn record(&mut self, put: impl FnOnce(&mut Vec<u8>) -> Result<usize, Errno>) -> Result<usize, Errno> {
        let before = self.buffer.len();
        put(&mut self.buffer).inspect_err(|_| self.buffer.truncate(before))
    }

    /// Writes what it is time to write; `head` bytes of the last record come before its path.
    #[inline]
    pub(crate) fn flush_if_full(&mut self, head: usize, lap: &mut Lap) -> Result<()> {
        let gathers = matches!(self.outputs.way, Output::OwnBuffer | Output::OneFile | Output::OwnRing);
        if !gathers {
            return self.write_record(head, lap).with_context(|| writing(&self.outputs.place));
        }
        if self.buffer.len() >= self.full { self.flush(lap) } else { Ok(()) }
    }

    fn write_record(&mut self, head: usize, lap: &mut Lap) -> std::io::Result<()> {
        let (head, path) = self.buffer.split_at(head);
        match (&mut self.own, self.outputs.way) {
            (Own::Direct(direct), _) => {
                direct.put(&self.buffer)?;
            }
            (Own::Mapped(mapped), _) => mapped.put(&self.buffer)?,
            (Own::File(own), _) => {
                own.write_all(head)?;
                own.write_all(path)?;
            }
            (_, Output::SharedTwoWrites) => {
                let _held = self.outputs.lock.lock().expect("nobody panics while writing");
                lap.mark(WAIT);
                self.outputs.file().write_all(head)?;
                self.outputs.file().write_all(path)?;
            }
            (_, Output::SharedOneWrite) => {
                let _held = self.outputs.lock.lock().expect("nobody panics while writing");
                lap.mark(WAIT);
                self.outputs.file().write_all(&self.buffer)?;
            }
            _ => {
                let mut common = self.outputs.lock.lock().expect("nobody panics while writing");
                lap.mark(WAIT);
                if common.len() + self.buffer.len() > BUFFER {
                    self.outputs.file().write_all(&common)?;
                    common.clear();
                }
                common.extend_from_slice(&self.buffer);
            }
        }
        self.buffer.clear();
        lap.mark(WRITE);
        Ok(())
    }

    /// Writes the whole buffer.
    fn flush(&mut self, lap: &mut Lap) -> Result<()> {
        let outputs = self.outputs;
        if let Some(columns) = &outputs.columns {
            return columns.append(&mut self.buffer, lap).with_context(|| writing(&outputs.place));
        }
        let written = match &mut self.own {
            Own::Ring(ring) => ring.write(&mut self.buffer),
            Own::File(own) => own.write_all(&self.buffer),
            _ => {
                let at = outputs.next.fetch_add(self.buffer.len() as u64, Relaxed);
                outputs.file().write_all_at(&self.buffer, at)
            }
        };
        written.with_context(|| writing(&outputs.place))?;
        self.buffer.clear();
        lap.mark(WRITE);
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self, lap: &mut Lap) -> Result<()> {
        if !self.buffer.is_empty() {
            self.flush(lap)?;
        }
        let finished = match &mut self.own {
            Own::Direct(direct) => direct.finish(),
            Own::Mapped(mapped) => mapped.finish().map_err(Into::into),
            Own::Ring(ring) => ring.wait(),
            Own::Nothing | Own::File(_) => return Ok(()),
        };
        finished.with_context(|| writing(&self.outputs.place))?;
        lap.mark(WRITE);
        Ok(())
    }
}

impl Output {
    /// Whether this kernel and the file system of that directory can do it: answers [`Absent`] where they cannot.
    pub(crate) fn probe(self, dir: &Path) -> Result<()> {
        if self == Output::OwnDirect {
            let path = dir.join("probe");
            let made = create(&path, OFlags::DIRECT).map(drop);
            // Some file systems make the name before they refuse the flag.
            let _ = std::fs::remove_file(&path);
            made?;
        }
        if self == Output::OwnRing {
            WriteRing::probe().map_err(|error| {
                Absent::because(
                    format!("no io_uring: {error}"),
                    "boot a Linux that has it, and allow it by sysctl kernel.io_uring_disabled=0",
                )
            })?;
        }
        Ok(())
    }
}

fn create(path: &Path, more: OFlags) -> Result<File> {
    create_with(path, OFlags::WRONLY | more)
}

/// What is written by a shared mapping has to be open for reading too.
fn create_mappable(path: &Path) -> Result<File> {
    create_with(path, OFlags::RDWR)
}

fn create_with(path: &Path, more: OFlags) -> Result<File> {
    let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | more;
    match openat(CWD, path, flags, Mode::from_raw_mode(0o666)) {
        Ok(file) => Ok(File::from(file)),
        Err(Errno::INVAL) if more.contains(OFlags::DIRECT) => Err(Absent::because(
            "this file system has no direct writes",
            "name a --scratch on another, ext4 or XFS for example",
        )),
        Err(errno) => Err(anyhow::Error::new(errno)
            .context(format!("making {}: is there such a directory, and may we write there?", path.display()))),
    }
}

fn writing(place: &Path) -> String {
    format!("writing records to {}: is there room?", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes records of so many bytes through two writers; every byte must come out once.
    fn check(way: Output, records: usize, len: usize) {
        let dir = tempfile::tempdir().unwrap();
        let place = if way == Output::OneFile { dir.path().join("one") } else { dir.path().to_owned() };
        let mut lap = Lap::start(true);
        let outputs = match Outputs::open(way, Format::Paths, place, &mut lap) {
            Ok(outputs) => outputs,
            Err(error) => return technique::absent::skip("direct", &format!("{error:#}")),
        };
        for worker in 0..2u8 {
            let mut writer = match outputs.writer(usize::from(worker), &mut lap) {
                Ok(writer) => writer,
                Err(error) if error.is::<Absent>() => return technique::absent::skip("direct", &format!("{error:#}")),
                Err(error) => panic!("{error:#}"),
            };
            for _ in 0..records {
                let head = writer.record(|out| {
                    out.extend(std::iter::repeat_n(worker + 1, len));
                    Ok(len.min(3))
                });
                writer.flush_if_full(head.unwrap(), &mut lap).unwrap();
                assert!(
                    writer
                        .record(|out| {
                            out.push(9);
                            Err(Errno::IO)
                        })
                        .is_err()
                );
            }
            writer.finish(&mut lap).unwrap();
        }
        outputs.finish(None, true, &mut lap).unwrap();
        let mut counts = [0usize; 256];
        for file in std::fs::read_dir(dir.path()).unwrap() {
            for byte in std::fs::read(file.unwrap().path()).unwrap() {
                counts[usize::from(byte)] += 1;
            }
        }
        let expected = [0, records * len, records * len];
        assert_eq!(counts[..3], expected, "{way:?}: {records} records of {len}");
        assert_eq!(counts[3..].iter().sum::<usize>(), 0, "{way:?}");
    }

    #[test]
    fn every_way_writes_every_byte_once() {
        for way in [
            Output::SharedTwoWrites,
            Output::SharedOneWrite,
            Output::SharedBuffer,
            Output::OwnTwoWrites,
            Output::OwnBuffer,
            Output::OwnDirect,
            Output::OwnMapped,
            Output::OwnRing,
            Output::OneFile,
        ] {
            for (records, len) in [(0, 5), (1, 5), (3000, 777), (2, 3 << 20), (1024, 4096)] {
                check(way, records, len);
            }
        }
    }
}
