//! zstd: one frame a payload. Its size is in its header, its checksum is left to the hash.

use crate::codec::{Pack, Step, Unpack};
use anyhow::{Context, Result, anyhow, ensure};
use zstd::bulk::Compressor;
use zstd::zstd_safe::{
    DCtx, InBuffer, OutBuffer, ResetDirective, find_frame_compressed_size, get_error_name, get_frame_content_size,
};

/// A dictionary of at most `size` bytes for payloads like these. It wants many samples, a hundred times its size in
/// all, and fails where there are only a few.
pub fn train(samples: &[&[u8]], size: usize) -> Result<Vec<u8>> {
    zstd::dict::from_samples(samples, size)
        .with_context(|| format!("training a dictionary of {size} bytes from {} samples", samples.len()))
}

/// Packs with one context.
pub(crate) struct Compressing(Compressor<'static>);

impl Compressing {
    pub(crate) fn new(level: i32, dictionary: Option<&[u8]>) -> Result<Compressing> {
        let levels = zstd::compression_level_range();
        ensure!(levels.contains(&level), "zstd has the levels {levels:?}, not {level}");
        Ok(Compressing(Compressor::with_dictionary(level, dictionary.unwrap_or_default())?))
    }
}

impl Pack for Compressing {
    fn pack(&mut self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut packed = self.0.compress(plain)?;
        packed.shrink_to_fit();
        Ok(packed)
    }
}

/// Unpacks, whole and in pieces, in one context.
pub(crate) struct Decompressing {
    context: Option<DCtx<'static>>,
    dictionary: Option<Box<[u8]>>,
}

impl Decompressing {
    pub(crate) fn new(dictionary: Option<&[u8]>) -> Result<Decompressing> {
        let mut made = Decompressing { context: None, dictionary: dictionary.map(Box::from) };
        made.renew()?;
        Ok(made)
    }

    fn context(&mut self) -> Result<&mut DCtx<'static>> {
        self.context.as_mut().context("zstd has no context: making one failed before")
    }
}

impl Unpack for Decompressing {
    fn renew(&mut self) -> Result<()> {
        // The old one goes first, as it does where each payload makes, uses and frees its own.
        self.context = None;
        let mut context = DCtx::try_create().context("zstd gave no context: is there memory left?")?;
        if let Some(dictionary) = &self.dictionary {
            context.load_dictionary(dictionary).map_err(told)?;
        }
        self.context = Some(context);
        Ok(())
    }

    fn decode(&mut self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        // zstd would unpack any number of frames in a row, empty ones included. A payload is one.
        let size = get_frame_content_size(packed).map_err(|_| anyhow!("this is no zstd frame"))?;
        ensure!(size == Some(into.len() as u64), "the frame says it holds {size:?} bytes, should be {}", into.len());
        let frame = find_frame_compressed_size(packed).map_err(told)?;
        ensure!(frame == packed.len(), "{} bytes follow the frame", packed.len() - frame);
        let made = self.context()?.decompress(into, packed).map_err(told)?;
        ensure!(made == into.len(), "the frame holds {made} bytes, should be {}", into.len());
        Ok(())
    }

    fn begin(&mut self, _plain_len: usize) -> Result<()> {
        self.context()?.reset(ResetDirective::SessionOnly).map_err(told)?;
        Ok(())
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
        let hint = self.context()?.decompress_stream(&mut to, &mut from).map_err(told)?;
        Ok(Step { consumed: from.pos(), produced: to.pos(), done: hint == 0 })
    }
}

fn told(code: usize) -> anyhow::Error {
    anyhow!("zstd: {}", get_error_name(code))
}
