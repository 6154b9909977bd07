//! Codecs: how a payload is packed, and the ways to unpack it again.

use crate::{gzip, plain, zstd};
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
}

impl Codec {
    /// Something that packs payloads in this way, one after another, in one context.
    pub fn packer(self, dictionary: Option<&[u8]>) -> Result<Packer> {
        ensure!(self.takes_dictionary() || dictionary.is_none(), "{self} takes no dictionary: only zstd does");
        Ok(Packer(match self {
            Codec::Plain => Box::new(plain::Copying::default()),
            Codec::Gzip { level } => Box::new(gzip::Deflating::new(level)?),
            Codec::Zstd { level } => Box::new(zstd::Compressing::new(level, dictionary)?),
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
            (Codec::Gzip { .. }, Engine::ZlibRs) => Box::new(gzip::ZlibRs::new()),
            (Codec::Gzip { .. }, Engine::Miniz) => Box::new(gzip::Miniz::default()),
            (Codec::Gzip { .. }, Engine::Libdeflate) => Box::new(gzip::Libdeflate::new()),
        };
        Ok(Decoder { unpack, context: self.context, unused: true, progress: Progress::Idle })
    }

    /// Whether it can unpack a payload that comes in pieces.
    pub const fn streams(self) -> bool {
        !matches!(self.codec, Codec::Gzip { .. }) || matches!(self.engine, Engine::ZlibRs)
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
        bail!("this engine decodes whole payloads only: use zlib-rs for payloads in pieces")
    }

    /// Unpacks what it can of a payload that has begun and is not done.
    fn step(&mut self, _input: &[u8], _output: &mut [u8]) -> Result<Step> {
        bail!("this engine decodes whole payloads only: use zlib-rs for payloads in pieces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENGINES: [Engine; 3] = [Engine::ZlibRs, Engine::Miniz, Engine::Libdeflate];
    const CODECS: [Codec; 6] = [
        Codec::Plain,
        Codec::Gzip { level: 0 },
        Codec::Gzip { level: 1 },
        Codec::Gzip { level: 6 },
        Codec::Zstd { level: -1 },
        Codec::Zstd { level: 3 },
    ];

    fn every_way(codec: Codec) -> Vec<Decoding> {
        let engines = if matches!(codec, Codec::Gzip { .. }) { &ENGINES[..] } else { &ENGINES[..1] };
        let both = |engine: &Engine| {
            [Context::Fresh, Context::Reused].map(|context| Decoding { codec, engine: *engine, context })
        };
        engines.iter().flat_map(both).collect()
    }

    /// Unpacks in pieces of these sizes, in turn, into room of these sizes, in turn.
    fn in_pieces(decoder: &mut Decoder, packed: &[u8], len: usize, ins: &[usize], outs: &[usize]) -> Result<Vec<u8>> {
        let (mut plain, mut rest) = (Vec::new(), packed);
        decoder.begin(len)?;
        for turn in 0.. {
            let piece = &rest[..rest.len().min(ins[turn % ins.len()])];
            let mut room = vec![0; outs[turn % outs.len()]];
            let step = decoder.step(piece, &mut room)?;
            plain.extend_from_slice(&room[..step.produced]);
            rest = &rest[step.consumed..];
            if step.done {
                break;
            }
            ensure!(step.consumed + step.produced > 0, "cut short");
        }
        ensure!(rest.is_empty(), "something follows");
        Ok(plain)
    }

    /// Unpacks in every way that the decoding has; all must agree on what is right, and none may panic.
    fn unpack(decoder: &mut Decoder, streams: bool, packed: &[u8], len: usize) -> Vec<Result<Vec<u8>>> {
        let mut plain = vec![0; len];
        let whole = decoder.decode(packed, &mut plain).map(|()| plain);
        let mut all = vec![whole];
        if streams {
            all.push(in_pieces(decoder, packed, len, &[1 << 20], &[1 << 20]));
            all.push(in_pieces(decoder, packed, len, &[3, 1, 100], &[7, 1000]));
        }
        all
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let text =
            proptest::collection::vec(prop_oneof![Just("def "), Just("self."), Just("\n    "), Just("x")], 0..400);
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..600),
            text.prop_map(|words| words.concat().into_bytes()),
            (any::<u8>(), 0..5000usize).prop_map(|(byte, len)| vec![byte; len]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_packed_unpacks_whole(payloads in proptest::collection::vec(payload(), 1..4)) {
            for codec in CODECS {
                let mut packer = codec.packer(None).unwrap();
                let packed: Vec<_> = payloads.iter().map(|plain| packer.pack(plain).unwrap()).collect();
                for way in every_way(codec) {
                    let mut decoder = way.decoder(None).unwrap();
                    for (plain, packed) in payloads.iter().zip(&packed) {
                        let mut unpacked = vec![0; plain.len()];
                        decoder.decode(packed, &mut unpacked).unwrap();
                        prop_assert_eq!(&unpacked, plain, "{:?}", way);
                    }
                }
            }
        }

        #[test]
        fn what_was_packed_unpacks_in_any_pieces(
            payloads in proptest::collection::vec(payload(), 1..3),
            ins in proptest::collection::vec(1..400usize, 1..5),
            outs in proptest::collection::vec(1..400usize, 1..5),
        ) {
            for way in CODECS.into_iter().flat_map(every_way).filter(|way| way.streams()) {
                let (mut packer, mut decoder) = (way.codec.packer(None).unwrap(), way.decoder(None).unwrap());
                for plain in &payloads {
                    let packed = packer.pack(plain).unwrap();
                    let unpacked = in_pieces(&mut decoder, &packed, plain.len(), &ins, &outs).unwrap();
                    prop_assert_eq!(&unpacked, plain, "{:?}", way);
                }
            }
        }

        #[test]
        fn damage_is_an_error_or_changes_the_contents_or_nothing(plain in payload(), at: u32, bit in 0..8u8, cut: u32) {
            for codec in CODECS {
                let packed = codec.packer(None).unwrap().pack(&plain).unwrap();
                let flipped = {
                    let mut flipped = packed.clone();
                    let at = at as usize % flipped.len().max(1);
                    flipped.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
                    flipped
                };
                let cut = &packed[..cut as usize % packed.len().max(1)];
                for way in every_way(codec) {
                    let mut decoder = way.decoder(None).unwrap();
                    for unpacked in unpack(&mut decoder, way.streams(), &flipped, plain.len()).into_iter().flatten() {
                        prop_assert_eq!(unpacked.len(), plain.len());
                        // Only where nothing but the hash checks may other bytes come out.
                        prop_assert!(unpacked == plain || !matches!(codec, Codec::Gzip { .. }), "{:?}", way);
                    }
                    for unpacked in unpack(&mut decoder, way.streams(), cut, plain.len()) {
                        prop_assert!(unpacked.is_err() || packed.is_empty(), "{:?} of a cut payload", way);
                    }
                    // Whatever went wrong before, the next payload is decoded.
                    for unpacked in unpack(&mut decoder, way.streams(), &packed, plain.len()) {
                        prop_assert_eq!(&unpacked.unwrap(), &plain);
                    }
                }
            }
        }

        #[test]
        fn what_follows_a_payload_is_an_error(plain in payload(), more in proptest::collection::vec(any::<u8>(), 1..40)) {
            for codec in CODECS {
                let mut packer = codec.packer(None).unwrap();
                let (packed, empty) = (packer.pack(&plain).unwrap(), packer.pack(&[]).unwrap());
                let tails = [more.clone(), packed.clone(), empty, vec![0; 8]];
                for tail in tails.iter().filter(|tail| !tail.is_empty()) {
                    let followed = [&packed[..], tail].concat();
                    for way in every_way(codec) {
                        let mut decoder = way.decoder(None).unwrap();
                        for unpacked in unpack(&mut decoder, way.streams(), &followed, plain.len()) {
                            prop_assert!(unpacked.is_err(), "{:?} followed by {:?}", way, tail);
                        }
                    }
                }
            }
        }

        #[test]
        fn another_length_is_an_error(plain in payload(), other in 0..6000usize) {
            prop_assume!(other != plain.len());
            for way in CODECS.into_iter().flat_map(every_way) {
                let packed = way.codec.packer(None).unwrap().pack(&plain).unwrap();
                let mut decoder = way.decoder(None).unwrap();
                for unpacked in unpack(&mut decoder, way.streams(), &packed, other) {
                    prop_assert!(unpacked.is_err(), "{:?}", way);
                }
            }
        }

        #[test]
        fn noise_is_never_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..200), len in 0..300usize) {
            for way in CODECS.into_iter().flat_map(every_way) {
                let heads: [&[u8]; 3] = [&[], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], &[0x28, 0xb5, 0x2f, 0xfd]];
                for head in heads {
                    let mut decoder = way.decoder(None).unwrap();
                    unpack(&mut decoder, way.streams(), &[head, &noise].concat(), len);
                }
            }
        }
    }

    #[test]
    fn a_dictionary_is_needed_by_who_packed_with_it() {
        let files: Vec<Vec<u8>> =
            (0..400).map(|n| format!("import os\nVALUE_{n} = {}\n", n * n).into_bytes()).collect();
        let samples: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let dictionary = zstd::train(&samples, 2048).unwrap();
        let codec = Codec::Zstd { level: 3 };
        let plain = samples[7];
        let with = codec.packer(Some(&dictionary)).unwrap().pack(plain).unwrap();
        assert!(with.len() < codec.packer(None).unwrap().pack(plain).unwrap().len());
        for way in every_way(codec) {
            let mut decoder = way.decoder(Some(&dictionary)).unwrap();
            for _ in 0..2 {
                assert!(unpack(&mut decoder, true, &with, plain.len()).into_iter().all(|got| got.unwrap() == plain));
            }
            assert!(unpack(&mut way.decoder(None).unwrap(), true, &with, plain.len()).iter().all(Result::is_err));
        }
    }

    #[test]
    fn impossible_knobs_are_refused() {
        assert!(Codec::Gzip { level: 10 }.packer(None).is_err());
        assert!(Codec::Zstd { level: 23 }.packer(None).is_err());
        assert!(Codec::Plain.packer(Some(b"dictionary")).is_err());
        let gzip = Decoding { codec: Codec::Gzip { level: 6 }, engine: Engine::Miniz, context: Context::Fresh };
        assert!(gzip.decoder(Some(b"dictionary")).is_err());
        assert!(!gzip.streams() && gzip.decoder(None).unwrap().begin(1).is_err());
    }

    #[test]
    fn a_step_wants_a_payload_that_has_begun_and_a_done_one_stays_done() {
        for way in CODECS.into_iter().flat_map(every_way).filter(|way| way.streams()) {
            let packed = way.codec.packer(None).unwrap().pack(b"abc").unwrap();
            let mut decoder = way.decoder(None).unwrap();
            let mut room = [0; 10];
            assert!(decoder.step(&packed, &mut room).is_err());
            decoder.begin(3).unwrap();
            let all = Step { consumed: packed.len(), produced: 3, done: true };
            assert_eq!(decoder.step(&packed, &mut room).unwrap(), all);
            assert_eq!(decoder.step(&packed, &mut room).unwrap(), Step { consumed: 0, produced: 0, done: true });
            decoder.decode(&packed, &mut room[..3]).unwrap();
            assert!(decoder.step(&packed, &mut room).is_err());
        }
    }

    #[test]
    fn gzip_headers_are_minimal_and_zstd_frames_carry_size_but_no_checksum() {
        let gzip = Codec::Gzip { level: 6 }.packer(None).unwrap().pack(b"abc").unwrap();
        assert_eq!(gzip[..4], [0x1f, 0x8b, 8, 0]);
        assert_eq!(gzip.len(), 10 + 5 + 8);
        let zstd = Codec::Zstd { level: 3 }.packer(None).unwrap().pack(b"abc").unwrap();
        // The frame header's descriptor: bit 2 is the checksum's, bit 5 says that a size of one byte follows.
        assert_eq!((zstd[4] & 0b100, zstd[4] & 0b10_0000, zstd[5]), (0, 0b10_0000, 3));
    }

    #[test]
    fn names_tell_codec_and_level() {
        assert_eq!(CODECS.map(Codec::name), ["plain", "gzip-0", "gzip-1", "gzip-6", "zstd--1", "zstd-3"]);
    }

    #[test]
    fn decoders_and_packers_move_between_threads() {
        fn moves<T: Send>() {}
        moves::<Decoder>();
        moves::<Packer>();
    }
}
