//! An object read piece by piece: what is read in its order comes by one request.

use crate::{Bucket, Failed, runtime};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use std::sync::{Mutex, PoisonError};

/// So many bytes come with the first request: of a small object all there are.
const FIRST: u64 = 64 << 10;

/// An object that is read.
pub struct Download {
    bucket: Bucket,
    path: Path,
    length: u64,
    first: Bytes,
    flow: Mutex<Option<Flow>>,
}

/// Bytes that come in their order.
struct Flow {
    at: u64,
    here: Bytes,
    more: BoxStream<'static, Result<Bytes, Error>>,
}

impl Download {
    pub(crate) fn open(bucket: Bucket, path: Path) -> Result<Option<Download>, Failed> {
        let got = runtime()?.block_on(async {
            let options = GetOptions { range: Some(GetRange::Bounded(0..FIRST)), ..GetOptions::default() };
            match bucket.store().get_opts(&path, options).await {
                Ok(got) => {
                    let length = got.meta.size;
                    Ok((length, got.bytes().await?))
                }
                Err(error @ Error::NotFound { .. }) => Err(error),
                // Of what is empty nobody can be given a range.
                Err(error) => match bucket.store().head(&path).await {
                    Ok(meta) if meta.size == 0 => Ok((0, Bytes::new())),
                    _ => Err(error),
                },
            }
        });
        match got {
            Ok((length, first)) => Ok(Some(Download { bucket, path, length, first, flow: Mutex::default() })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(bucket.failed("reading from", &error)),
        }
    }

    /// Its length.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads as much as there is from an offset, up to the whole buffer.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Failed> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..wanted];
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(piece) = self.first.get(from..).and_then(|rest| rest.get(..wanted)) {
            buffer.copy_from_slice(piece);
            return Ok(wanted);
        }
        let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        let mut going = match flow.take() {
            Some(flow) if flow.at == offset => flow,
            _ => self.flow_from(offset)?,
        };
        let read =
            runtime()?.block_on(going.fill(buffer)).map_err(|error| self.bucket.failed("reading from", &error))?;
        *flow = Some(going);
        Ok(read)
    }

    fn flow_from(&self, offset: u64) -> Result<Flow, Failed> {
        let options = GetOptions { range: Some(GetRange::Offset(offset)), ..GetOptions::default() };
        let got = runtime()?.block_on(self.bucket.store().get_opts(&self.path, options));
        let got = got.map_err(|error| self.bucket.failed("reading from", &error))?;
        Ok(Flow { at: offset, here: Bytes::new(), more: got.into_stream() })
    }
}

impl Flow {
    async fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let mut read = 0;
        while read < buffer.len() {
            if self.here.is_empty() {
                match self.more.next().await {
                    Some(here) => self.here = here?,
                    None => break,
                }
            }
            let taken = self.here.len().min(buffer.len() - read);
            self.here.copy_to_slice(&mut buffer[read..read + taken]);
            read += taken;
        }
        self.at += read as u64;
        Ok(read)
    }
}
