//! An object on its way up: nobody sees it under its name before it is finished.

use crate::{Bucket, Failed, runtime};
use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};
use std::mem;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The bytes of a part: the least that S3 takes. What is shorter goes up whole.
pub const PART: usize = 5 << 20;
/// The most parts that an object may have.
const MOST_PARTS: usize = 10_000;
/// How long an unfinished upload waits for a server that does not answer while its parts are thrown away.
const FAREWELL: Duration = Duration::from_secs(3);

/// An object on its way up. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    bucket: Bucket,
    path: Path,
    note: Path,
    filling: Vec<u8>,
    /// By which number the server knows it, once it goes up in parts.
    id: Option<String>,
    parts: Vec<PartId>,
    flying: Option<JoinHandle<Result<PartId, Error>>>,
    closing: Option<JoinHandle<Result<(), Error>>>,
    finished: bool,
}

impl Upload {
    pub(crate) fn new(bucket: Bucket, path: Path, note: Path) -> Upload {
        Upload {
            bucket,
            path,
            note,
            filling: Vec::new(),
            id: None,
            parts: Vec::new(),
            flying: None,
            closing: None,
            finished: false,
        }
    }

    /// Goes on with these bytes.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failed> {
        while !bytes.is_empty() {
            let taken = bytes.len().min(PART - self.filling.len());
            let (now, later) = bytes.split_at(taken);
            if self.filling.capacity() == 0 && !self.parts.is_empty() {
                self.filling.reserve_exact(PART);
            }
            self.filling.extend_from_slice(now);
            bytes = later;
            // A part that is just full may be the last one.
            if self.filling.len() == PART && !bytes.is_empty() {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Begins to finish it: what is left goes up behind.
    pub fn close(&mut self) -> Result<(), Failed> {
        if self.closing.is_some() {
            return Ok(());
        }
        self.landed()?;
        let (store, path, note) = (self.bucket.store().clone(), self.path.clone(), self.note.clone());
        let last = Bytes::from(mem::take(&mut self.filling));
        let (id, mut parts) = (self.id.clone(), mem::take(&mut self.parts));
        self.closing = Some(runtime()?.spawn(async move {
            let Some(id) = id else { return store.put(&path, last.into()).await.map(drop) };
            parts.push(store.put_part(&path, &id, parts.len(), last.into()).await?);
            store.complete_multipart(&path, &id, parts).await?;
            store.delete(&note).await
        }));
        Ok(())
    }

    /// Gives the object its name.
    pub fn finish(mut self) -> Result<(), Failed> {
        self.close()?;
        if let Some(closing) = self.closing.take() {
            let closed =
                runtime()?.block_on(closing).unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            closed.map_err(|error| self.bucket.failed("writing to", &error))?;
        }
        self.finished = true;
        Ok(())
    }

    /// Sends a part that is full.
    fn send(&mut self) -> Result<(), Failed> {
        let runtime = runtime()?;
        let failed = |error| self.bucket.failed("writing to", &error);
        let id = if let Some(id) = &self.id {
            id.clone()
        } else {
            let id = runtime.block_on(self.bucket.store().create_multipart(&self.path)).map_err(failed)?;
            let noted = self.bucket.store().put(&self.note, id.clone().into_bytes().into());
            self.id = Some(id.clone());
            runtime.block_on(noted).map_err(failed)?;
            id
        };
        self.landed()?;
        let number = self.parts.len();
        if number + 1 >= MOST_PARTS {
            return Err(Failed {
                what: format!("{}: a shard of more than {} bytes does not go up", self.path, MOST_PARTS * PART),
                mend: "put the file as more data shards: --k".to_owned(),
            });
        }
        let part = Bytes::from(mem::take(&mut self.filling));
        let (store, path) = (self.bucket.store().clone(), self.path.clone());
        self.flying = Some(runtime.spawn(async move { store.put_part(&path, &id, number, part.into()).await }));
        if !self.bucket.behind {
            self.landed()?;
        }
        Ok(())
    }

    /// Waits for the part that is on its way.
    fn landed(&mut self) -> Result<(), Failed> {
        if let Some(flying) = self.flying.take() {
            let part =
                runtime()?.block_on(flying).unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            self.parts.push(part.map_err(|error| self.bucket.failed("writing to", &error))?);
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Ok(runtime) = runtime() else { return };
        if self.finished {
            return;
        }
        let (flying, closing) = (self.flying.take(), self.closing.take());
        let store = self.bucket.store();
        let parting = async {
            if let Some(flying) = flying {
                // What became of it does not matter any more.
                let _ = flying.await;
            }
            let mut named = false;
            if let Some(closing) = closing {
                named = matches!(closing.await, Ok(Ok(())));
            }
            if named {
                store.delete(&self.path).await?;
            } else if let Some(id) = &self.id {
                store.abort_multipart(&self.path, id).await?;
                store.delete(&self.note).await?;
            }
            Ok::<(), Error>(())
        };
        // A server that does not answer keeps the parts; whoever sweeps there later finds the note.
        let _ = runtime.block_on(async { timeout(FAREWELL, parting).await });
    }
}
