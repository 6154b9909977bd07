//! Writing behind: a write is answered as soon as its bytes are in a queue, and another thread takes them on.
//!
//! What goes wrong there is told to whoever next asks for a sync, of whichever file. Nobody else hears of it, a close least of all.

use crate::block::lock;
use crate::store::{Ino, Over, Store};
use std::collections::HashMap;
use std::io::{Error, Result};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use technique::Lap;
use technique::phase::{COPY, WAIT};

/// How many writes may wait.
const QUEUE: usize = 1024;

/// Another thread writes.
pub(crate) struct Behind {
    below: Arc<dyn Store>,
    queue: Option<SyncSender<Write>>,
    under_way: Arc<UnderWay>,
    thread: Option<JoinHandle<()>>,
}

struct Write {
    ino: Ino,
    at: u64,
    bytes: Vec<u8>,
}

/// What is in the queue or just being written.
#[derive(Default)]
struct UnderWay {
    files: Mutex<Files>,
    done: Condvar,
}

#[derive(Default)]
struct Files {
    open: HashMap<Ino, Waiting>,
    /// The first thing that went wrong since somebody asked.
    failed: Option<Error>,
}

/// What waits for one file.
#[derive(Default)]
struct Waiting {
    writes: usize,
    end: u64,
}

impl Behind {
    /// Starts the thread.
    pub(crate) fn new(below: Box<dyn Store>) -> Result<Behind> {
        let below: Arc<dyn Store> = below.into();
        let under_way = Arc::<UnderWay>::default();
        let (queue, writes) = sync_channel(QUEUE);
        let (store, told) = (Arc::clone(&below), Arc::clone(&under_way));
        let thread =
            std::thread::Builder::new().name("behind".into()).spawn(move || write_all(&*store, &writes, &told))?;
        Ok(Behind { below, queue: Some(queue), under_way, thread: Some(thread) })
    }

    /// Waits until nothing is under way, for this file or for all.
    fn wait(&self, ino: Option<Ino>) {
        let waits = |files: &mut Files| ino.map_or(!files.open.is_empty(), |ino| files.open.contains_key(&ino));
        let files = lock(&self.under_way.files);
        drop(self.under_way.done.wait_while(files, waits).unwrap_or_else(PoisonError::into_inner));
    }

    fn trouble(&self) -> Result<()> {
        lock(&self.under_way.files).failed.take().map_or(Ok(()), Err)
    }
}

fn write_all(below: &dyn Store, writes: &Receiver<Write>, under_way: &UnderWay) {
    let mut lap = Lap::start(false);
    for Write { ino, at, bytes } in writes {
        let written = below.write(ino, at, &bytes, &mut lap);
        let mut files = lock(&under_way.files);
        if let Err(error) = written {
            files.failed.get_or_insert(error);
        }
        if let Some(waiting) = files.open.get_mut(&ino) {
            waiting.writes -= 1;
            if waiting.writes == 0 {
                files.open.remove(&ino);
                under_way.done.notify_all();
            }
        }
    }
}

impl Over for Behind {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    fn write(&self, ino: Ino, at: u64, bytes: &[u8], lap: &mut Lap) -> Result<()> {
        let write = Write { ino, at, bytes: bytes.to_vec() };
        lap.mark(COPY);
        {
            let mut files = lock(&self.under_way.files);
            let waiting = files.open.entry(ino).or_default();
            waiting.writes += 1;
            waiting.end = waiting.end.max(at + bytes.len() as u64);
        }
        let queue = self.queue.as_ref().expect("it is taken away by drop alone");
        queue.send(write).map_err(|_| Error::other("the thread that writes has ended"))?;
        lap.mark(WAIT);
        Ok(())
    }

    fn read(&self, ino: Ino, at: u64, buffer: &mut [u8]) -> Result<usize> {
        self.wait(Some(ino));
        self.below.read(ino, at, buffer)
    }

    fn len(&self, ino: Ino) -> u64 {
        // In this order: what has arrived meanwhile is seen below.
        let waiting = lock(&self.under_way.files).open.get(&ino).map_or(0, |waiting| waiting.end);
        self.below.len(ino).max(waiting)
    }

    fn resize(&self, ino: Ino, len: u64) -> Result<()> {
        self.wait(Some(ino));
        self.below.resize(ino, len)
    }

    /// Does not wait: that is what writing behind is for.
    fn closed(&self, _: Ino, _: &mut Lap) -> Result<()> {
        Ok(())
    }

    fn sync(&self, ino: Ino, lap: &mut Lap) -> Result<()> {
        self.wait(Some(ino));
        lap.mark(WAIT);
        self.trouble()?;
        self.below.sync(ino, lap)
    }

    fn drain(&self, lap: &mut Lap) -> Result<()> {
        self.wait(None);
        lap.mark(WAIT);
        self.trouble()?;
        self.below.drain(lap)
    }

    fn forget(&self, ino: Ino) -> Result<()> {
        self.wait(Some(ino));
        self.below.forget(ino)
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}
