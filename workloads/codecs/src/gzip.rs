//! gzip: one member a payload, unpacked by one of three engines.
//!
//! The member's header and trailer are read here, as `flate2`'s own reader does: of the three engines one cannot
//! read them, and another cannot start over after it has.

use crate::codec::{Pack, Step, Unpack};
use anyhow::{Context, Result, anyhow, bail, ensure};
use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

const HEADER: usize = 10;
const TRAILER: usize = 8;
const WINDOW_BITS: u8 = 15;

/// Packs with zlib-rs in one context.
pub(crate) struct Deflating(Compress);

impl Deflating {
    pub(crate) fn new(level: u32) -> Result<Deflating> {
        ensure!(level <= 9, "gzip has the levels 0 to 9, not {level}");
        Ok(Deflating(Compress::new_gzip(Compression::new(level), WINDOW_BITS)))
    }
}

impl Pack for Deflating {
    fn pack(&mut self, plain: &[u8]) -> Result<Vec<u8>> {
        let Deflating(deflate) = self;
        deflate.reset();
        let mut packed = Vec::with_capacity(plain.len() / 2 + 64);
        loop {
            let taken = usize::try_from(deflate.total_in())?;
            if deflate.compress_vec(&plain[taken..], &mut packed, FlushCompress::Finish)? == Status::StreamEnd {
                packed.shrink_to_fit();
                return Ok(packed);
            }
            packed.reserve(packed.capacity());
        }
    }
}

/// Unpacks with zlib-rs, whole and in pieces.
pub(crate) struct ZlibRs {
    inflate: Decompress,
    crc: Crc,
    stage: Stage,
    /// The header or the trailer, as far as it has come.
    edge: [u8; HEADER],
    edge_len: usize,
}

#[derive(Clone, Copy)]
enum Stage {
    Header,
    Body,
    Trailer,
}

impl ZlibRs {
    pub(crate) fn new() -> ZlibRs {
        let inflate = Decompress::new_with_window_bits(false, WINDOW_BITS);
        ZlibRs { inflate, crc: Crc::new(), stage: Stage::Header, edge: [0; HEADER], edge_len: 0 }
    }

    fn restart(&mut self) {
        self.inflate.reset(false);
        self.crc.reset();
        self.stage = Stage::Header;
        self.edge_len = 0;
    }

    /// Goes as far as input and output allow. `Finish` says that there is no more input, which spares the engine
    /// from keeping a window for later.
    fn advance(&mut self, input: &[u8], output: &mut [u8], flush: FlushDecompress) -> Result<Step> {
        let (mut consumed, mut produced) = (0, 0);
        let mut done = false;
        if let Stage::Header = self.stage {
            consumed += self.collect(input, HEADER);
            if self.edge_len == HEADER {
                check_header(&self.edge)?;
                (self.stage, self.edge_len) = (Stage::Body, 0);
            }
        }
        if let Stage::Body = self.stage {
            let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(&input[consumed..], output, flush)?;
            consumed += usize::try_from(self.inflate.total_in() - taken)?;
            produced = usize::try_from(self.inflate.total_out() - made)?;
            self.crc.update(&output[..produced]);
            if status == Status::StreamEnd {
                self.stage = Stage::Trailer;
            }
        }
        if let Stage::Trailer = self.stage {
            consumed += self.collect(&input[consumed..], TRAILER);
            if self.edge_len == TRAILER {
                check_trailer(&self.edge[..TRAILER], &self.crc)?;
                done = true;
            }
        }
        Ok(Step { consumed, produced, done })
    }

    fn collect(&mut self, input: &[u8], wanted: usize) -> usize {
        let taken = input.len().min(wanted - self.edge_len);
        self.edge[self.edge_len..][..taken].copy_from_slice(&input[..taken]);
        self.edge_len += taken;
        taken
    }
}

impl Unpack for ZlibRs {
    fn renew(&mut self) -> Result<()> {
        *self = ZlibRs::new();
        Ok(())
    }

    fn decode(&mut self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        self.restart();
        let step = self.advance(packed, into, FlushDecompress::Finish)?;
        ensure!(step.done, "the gzip member is cut short, or longer than {} bytes", into.len());
        check_len(step.produced, into)?;
        check_end(packed.len() - step.consumed)
    }

    fn begin(&mut self, _plain_len: usize) -> Result<()> {
        self.restart();
        Ok(())
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        self.advance(input, output, FlushDecompress::None)
    }
}

/// Unpacks whole payloads with `miniz_oxide`.
#[derive(Default)]
pub(crate) struct Miniz(Box<DecompressorOxide>);

impl Miniz {
    /// Inflates the stream at the head of `packed`; answers its length.
    fn inflate(&mut self, packed: &[u8], into: &mut [u8]) -> Result<usize> {
        self.0.init();
        let whole = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        match decompress(&mut self.0, packed, into, 0, whole) {
            (TINFLStatus::Done, consumed, produced) => check_len(produced, into).map(|()| consumed),
            (status, ..) => bail!("miniz_oxide: {status:?}"),
        }
    }
}

impl Unpack for Miniz {
    fn renew(&mut self) -> Result<()> {
        *self = Miniz::default();
        Ok(())
    }

    fn decode(&mut self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        let body = body(packed)?;
        let consumed = self.inflate(body, into)?;
        let trailer = body.get(consumed..consumed + TRAILER).context("the gzip member is cut short")?;
        let mut crc = Crc::new();
        crc.update(into);
        check_trailer(trailer, &crc)?;
        check_end(body.len() - consumed - TRAILER)
    }
}

/// Unpacks whole payloads with `libdeflate`.
pub(crate) struct Libdeflate(libdeflater::Decompressor);

impl Libdeflate {
    pub(crate) fn new() -> Libdeflate {
        Libdeflate(libdeflater::Decompressor::new())
    }
}

impl Unpack for Libdeflate {
    fn renew(&mut self) -> Result<()> {
        *self = Libdeflate::new();
        Ok(())
    }

    fn decode(&mut self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        let body = body(packed)?;
        let produced = self.0.gzip_decompress(packed, into).map_err(|error| anyhow!("libdeflate: {error}"))?;
        check_len(produced, into)?;
        // It held the trailer against the bytes, but does not say where that trailer stood. The trailer ends with the
        // plain length: where those four bytes stand at the very end and nowhere before, the trailer stood there.
        let len = u32::try_from(into.len() & 0xffff_ffff).expect("it was cut to 32 bits").to_le_bytes();
        if memchr::memmem::find(body, &len) == Some(body.len() - len.len()) {
            return Ok(());
        }
        // Elsewhere too, by chance or with bad intent: an engine decides that does say where it stopped.
        Miniz::default().decode(packed, into)
    }
}

/// What follows the header.
fn body(packed: &[u8]) -> Result<&[u8]> {
    ensure!(packed.len() >= HEADER + TRAILER, "the gzip member is cut short");
    let (header, body) = packed.split_at(HEADER);
    check_header(header)?;
    Ok(body)
}

fn check_header(header: &[u8]) -> Result<()> {
    ensure!(header.starts_with(&[0x1f, 0x8b, 8, 0]), "this is no gzip member without optional fields");
    Ok(())
}

fn check_trailer(trailer: &[u8], crc: &Crc) -> Result<()> {
    let right = u64::from(crc.sum()) | u64::from(crc.amount()) << 32;
    ensure!(trailer == right.to_le_bytes(), "the gzip trailer does not fit the bytes before it");
    Ok(())
}

fn check_len(produced: usize, into: &[u8]) -> Result<()> {
    ensure!(produced == into.len(), "the gzip member holds {produced} bytes, should be {}", into.len());
    Ok(())
}

fn check_end(left: usize) -> Result<()> {
    ensure!(left == 0, "{left} bytes follow the gzip member");
    Ok(())
}
