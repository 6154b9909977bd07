//! Codecs: how a payload is packed, and the ways to unpack it again.

use crate::{gzip, lz4, plain, zstd};
use anyhow::{Result, bail, ensure};

/// How the bytes of a payload are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// As they are.
    Plain,
    /// One gzip member with a header of ten bytes, written by zlib-rs.
    Gzip {
        /// From 0, stored, to 9, smallest.
        level: u32,
    },
    /// One zstd frame that carries its content's size and no checksum: the hash verifies.
    Zstd {
        /// From 1, fastest, to 22, smallest; below zero, faster yet.
        level: i32,
    },
    /// One lz4 block, by `lz4_flex`: larger than the others, and sooner unpacked.
    Lz4,
}

impl Codec {
    /// Something that packs payloads in this way, one after another, in one context.
    pub fn packer(self, dictionary: Option<&[u8]>) -> Result<Packer> {
        ensure!(self.takes_dictionary() || dictionary.is_none(), "{self} takes no dictionary: only zstd does");
        Ok(Packer(match self {
            Codec::Plain => Box::new(plain::Copying::default()),
            Codec::Gzip { level } => Box::new(gzip::Deflating::new(level)?),
            Codec::Zstd { level } => Box::new(zstd::Compressing::new(level, dictionary)?),
            Codec::Lz4 => Box::new(lz4::Blocks),
        }))
    }

    /// The word for it, level and all: `gzip-6`.
    pub fn name(self) -> String {
        self.to_string()
    }

    /// The codec of that word.
    pub fn named(word: &str) -> Option<Codec> {
        let codec = match word.split_once('-') {
            None if word == "plain" => Codec::Plain,
            None if word == "lz4" => Codec::Lz4,
            Some(("gzip", level)) => Codec::Gzip { level: level.parse().ok().filter(|level| *level <= 9)? },
            Some(("zstd", level)) => Codec::Zstd { level: level.parse().ok().filter(|level| *level <= 22)? },
            _ => return None,
        };
        Some(codec)
    }

    fn takes_dictionary(self) -> bool {
        matches!(self, Codec::Zstd { .. })
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Codec::Plain => f.write_str("plain"),
            Codec::Gzip { level } => write!(f, "gzip-{level}"),
            Codec::Zstd { level } => write!(f, "zstd-{level}"),
            Codec::Lz4 => f.write_str("lz4"),
        }
    }
}

/// Packs payloads, one after another.
pub struct Packer(Box<dyn Pack>);

impl Packer {
    /// Packs one payload.
    pub fn pack(&mut self, plain: &[u8]) -> Result<Vec<u8>> {
        self.0.pack(plain)
    }
}

/// Whose code unpacks gzip; the other codecs have but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// `zlib-rs`, the back end that this build of `flate2` links.
    ZlibRs,
    /// `miniz_oxide`, called directly: it is the default back end of `flate2`, but one build links one back end.
    Miniz,
    /// `libdeflate`, which decodes whole payloads only.
    Libdeflate,
}

/// How long a decompression context lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A new one for each payload.
    Fresh,
    /// One for all.
    Reused,
}

/// A way to unpack: a knob in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoding {
    /// How the bytes were packed.
    pub codec: Codec,
    /// Whose code unpacks gzip.
    pub engine: Engine,
    /// How long a context lives.
    pub context: Context,
}

impl Decoding {
    /// Something that unpacks payloads in this way. The dictionary is the one that they were packed with.
    pub fn decoder(self, dictionary: Option<&[u8]>) -> Result<Decoder> {
        let codec = self.codec;
        ensure!(codec.takes_dictionary() || dictionary.is_none(), "{codec} takes no dictionary: only zstd does");
        let unpack: Box<dyn Unpack> = match (codec, self.engine) {
            (Codec::Plain, _) => Box::new(plain::Copying::default()),
            (Codec::Zstd { .. }, _) => Box::new(zstd::Decompressing::new(dictionary)?),
            (Codec::Lz4, _) => Box::new(lz4::Blocks),
            (Codec::Gzip { .. }, Engine::ZlibRs) => Box::new(gzip::ZlibRs::new()),
            (Codec::Gzip { .. }, Engine::Miniz) => Box::new(gzip::Miniz::default()),
            (Codec::Gzip { .. }, Engine::Libdeflate) => Box::new(gzip::Libdeflate::new()),
        };
        Ok(Decoder { unpack, context: self.context, unused: true, progress: Progress::Idle })
    }

    /// Whether it can unpack a payload that comes in pieces.
    pub const fn streams(self) -> bool {
        match self.codec {
            Codec::Plain | Codec::Zstd { .. } => true,
            Codec::Gzip { .. } => matches!(self.engine, Engine::ZlibRs),
            Codec::Lz4 => false,
        }
    }
}

/// Unpacks payloads, one after another: whole, or in pieces.
pub struct Decoder {
    unpack: Box<dyn Unpack>,
    context: Context,
    unused: bool,
    progress: Progress,
}

/// How far the payload in pieces has come.
enum Progress {
    Idle,
    Open { left: usize },
    Done,
}

/// What one step of a payload in pieces did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// How many bytes of input it took.
    pub consumed: usize,
    /// How many bytes of output it made.
    pub produced: usize,
    /// Whether the payload is complete, its trailer checked. Input that is left then does not belong to it.
    pub done: bool,
}

impl Decoder {
    /// Makes a new context where each payload gets one. The next `decode` or `begin` would do so by itself: this is
    /// for callers that mark the making apart.
    pub fn refresh(&mut self) -> Result<()> {
        if self.context == Context::Fresh && !self.unused {
            self.unpack.renew()?;
            self.unused = true;
        }
        Ok(())
    }

    /// Unpacks one whole payload into a place of exactly its plain length. What is longer, shorter, corrupt or
    /// followed by anything is an error; what then stands in `into` means nothing.
    pub fn decode(&mut self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        self.refresh()?;
        self.unused = false;
        self.progress = Progress::Idle;
        self.unpack.decode(packed, into)
    }

    /// Begins a payload that comes in pieces and has that many plain bytes.
    pub fn begin(&mut self, plain_len: usize) -> Result<()> {
        self.refresh()?;
        self.unused = false;
        self.progress = Progress::Idle;
        self.unpack.begin(plain_len)?;
        self.progress = Progress::Open { left: plain_len };
        Ok(())
    }

    /// Unpacks what it can of the input into an output that has some room. A step that neither takes nor makes a byte
    /// wants more input; where there is none, the payload was cut short.
    ///
    /// ```
    /// use codecs::{Codec, Context, Decoding, Engine};
    /// let codec = Codec::Zstd { level: 3 };
    /// let packed = codec.packer(None)?.pack(b"many small files")?;
    /// let mut decoder = Decoding { codec, engine: Engine::ZlibRs, context: Context::Reused }.decoder(None)?;
    /// let (mut plain, mut room, mut rest) = (Vec::new(), [0; 5], &packed[..]);
    /// decoder.begin(16)?;
    /// loop {
    ///     let piece = &rest[..rest.len().min(7)];
    ///     let step = decoder.step(piece, &mut room)?;
    ///     plain.extend_from_slice(&room[..step.produced]);
    ///     rest = &rest[step.consumed..];
    ///     if step.done {
    ///         break;
    ///     }
    ///     assert!(step.consumed + step.produced > 0, "the payload was cut short");
    /// }
    /// assert!(rest.is_empty(), "something follows the payload");
    /// assert_eq!(plain, b"many small files");
    /// # anyhow::Ok(())
    /// ```
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        // A step that fails leaves nothing to go on with.
        let left = match std::mem::replace(&mut self.progress, Progress::Idle) {
            Progress::Idle => bail!("no payload has begun, or its last step failed"),
            Progress::Open { left } => left,
            Progress::Done => {
                self.progress = Progress::Done;
                return Ok(Step { consumed: 0, produced: 0, done: true });
            }
        };
        let step = self.unpack.step(input, output)?;
        ensure!(step.produced <= left, "the payload is longer than it should be");
        let left = left - step.produced;
        ensure!(!step.done || left == 0, "the payload is {left} bytes shorter than it should be");
        self.progress = if step.done { Progress::Done } else { Progress::Open { left } };
        Ok(step)
    }
}

/// What each codec's packer does.
pub(crate) trait Pack: Send {
    /// Packs one payload.
    fn pack(&mut self, plain: &[u8]) -> Result<Vec<u8>>;
}

/// What each codec's decoder does, whatever it did before.
pub(crate) trait Unpack: Send {
    /// Replaces the context by a new one.
    fn renew(&mut self) -> Result<()>;

    /// Unpacks one whole payload that fills `into` exactly.
    fn decode(&mut self, packed: &[u8], into: &mut [u8]) -> Result<()>;

    /// Begins a payload in pieces.
    fn begin(&mut self, _plain_len: usize) -> Result<()> {
        bail!("it decodes whole payloads only: use zlib-rs, zstd or plain for payloads in pieces")
    }

    /// Unpacks what it can of a payload that has begun and is not done.
    fn step(&mut self, _input: &[u8], _output: &mut [u8]) -> Result<Step> {
        bail!("it decodes whole payloads only: use zlib-rs, zstd or plain for payloads in pieces")
    }
}

#[cfg(test)]
mod tests;
