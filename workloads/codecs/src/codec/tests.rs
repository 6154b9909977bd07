//! Every codec and every engine, on payloads of chance: what was packed unpacks, and nothing else does.

use super::*;
use proptest::prelude::*;

const ENGINES: [Engine; 3] = [Engine::ZlibRs, Engine::Miniz, Engine::Libdeflate];
const CODECS: [Codec; 8] = [
    Codec::Plain,
    Codec::Lz4,
    Codec::Gzip { level: 0 },
    Codec::Gzip { level: 1 },
    Codec::Gzip { level: 6 },
    Codec::Zstd { level: -7 },
    Codec::Zstd { level: -1 },
    Codec::Zstd { level: 3 },
];

fn every_way(codec: Codec) -> Vec<Decoding> {
    let engines = if matches!(codec, Codec::Gzip { .. }) { &ENGINES[..] } else { &ENGINES[..1] };
    let both =
        |engine: &Engine| [Context::Fresh, Context::Reused].map(|context| Decoding { codec, engine: *engine, context });
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
    let text = proptest::collection::vec(prop_oneof![Just("def "), Just("self."), Just("\n    "), Just("x")], 0..400);
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
    let files: Vec<Vec<u8>> = (0..400).map(|n| format!("import os\nVALUE_{n} = {}\n", n * n).into_bytes()).collect();
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
    for codec in CODECS {
        assert_eq!(Codec::named(&codec.name()), Some(codec));
    }
    assert_eq!(CODECS.map(Codec::name), ["plain", "lz4", "gzip-0", "gzip-1", "gzip-6", "zstd--7", "zstd--1", "zstd-3"]);
}

#[test]
fn decoders_and_packers_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Decoder>();
    moves::<Packer>();
}
