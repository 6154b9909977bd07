//! Shards in a bucket of an S3 server.

use crate::target::{Directory, Sink, Source, Target};
use anyhow::Result;
use s3::{Bucket, Download, PART, Upload};
use std::io;
use technique::Phase;
use technique::phase::{RECEIVE, SEND};

impl Target for Bucket {
    fn create(&self, name: &str) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Up(self.upload(name, &Directory::unfinished(name)))))
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Source>>> {
        Ok(self.download(name)?.map(|download| Box::new(download) as Box<dyn Source>))
    }

    fn remove(&self, name: &str) -> Result<()> {
        Ok(Bucket::remove(self, name)?)
    }

    fn place(&self) -> String {
        self.url().to_owned()
    }

    fn room(&self, shard: u64) -> u64 {
        let parts = 1 + u64::from(self.behind);
        shard.min(parts * PART as u64)
    }
}

struct Up(Upload);

impl Sink for Up {
    fn write(&mut self, head: &[u8], block: &[u8]) -> io::Result<()> {
        self.0.write(head)?;
        Ok(self.0.write(block)?)
    }

    fn close(&mut self) -> Result<()> {
        Ok(self.0.close()?)
    }

    fn phases(&self) -> (Phase, Phase) {
        (SEND, SEND)
    }

    /// What a server has confirmed is as durable as that server is.
    fn finish(self: Box<Self>, _durable: bool) -> Result<()> {
        Ok(self.0.finish()?)
    }
}

impl Source for Download {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(Download::read_at(self, offset, buffer)?)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(Download::length(self))
    }

    fn phase(&self) -> Phase {
        RECEIVE
    }
}
