//! Every store is a map from numbers to bytes, whatever lies between; and what was kept comes back.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use blocks::{Ino, Keep, Layer, Packing, Store, read_all};
use proptest::prelude::*;
use std::collections::BTreeMap;
use technique::Lap;

const LAYERS: &[Layer] = &[
    blocks::ZLIB,
    blocks::SKIP_SMALL,
    blocks::SKIP_AS_PRINTED,
    blocks::NONE,
    blocks::ENTROPY,
    blocks::WRITE_BUFFER,
    blocks::SMALL_FILE_MAP,
    blocks::ASYNC_FLUSH,
    blocks::SHORT_TERM,
    blocks::LOG,
    blocks::LOG_SYNC,
    blocks::WHOLE_TREE,
    Layer { packing: Packing::Always, ..blocks::LOG_SYNC },
    Layer { packing: Packing::Always, ..blocks::WHOLE_TREE },
    Layer { buffer: 5000, small: 3000, ..blocks::ZLIB },
];

/// A directory where a sync costs nothing, if there is one.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Something that is done to a store.
#[derive(Clone, Debug)]
enum Step {
    Write { ino: Ino, at: u16, len: u16, byte: u8 },
    Resize { ino: Ino, len: u16 },
    Read { ino: Ino, at: u16, len: u16 },
    Sync { ino: Ino },
    Close { ino: Ino },
    Forget { ino: Ino },
}

fn step() -> impl Strategy<Value = Step> {
    let ino = 2..4u64;
    prop_oneof![
        6 => (ino.clone(), 0..20_000u16, 1..9_000u16, any::<u8>())
            .prop_map(|(ino, at, len, byte)| Step::Write { ino, at, len, byte }),
        2 => (ino.clone(), 0..20_000u16).prop_map(|(ino, len)| Step::Resize { ino, len }),
        2 => (ino.clone(), 0..20_000u16, 1..9_000u16).prop_map(|(ino, at, len)| Step::Read { ino, at, len }),
        1 => ino.clone().prop_map(|ino| Step::Sync { ino }),
        1 => ino.clone().prop_map(|ino| Step::Close { ino }),
        1 => ino.prop_map(|ino| Step::Forget { ino }),
    ]
}

/// Bytes that are not all the same, so that a shift shows.
fn bytes(len: u16, byte: u8) -> Vec<u8> {
    (0..len).map(|at| byte.wrapping_add((at / 7).to_le_bytes()[0])).collect()
}

fn follow(store: &dyn Store, steps: &[Step], layer: &Layer) -> BTreeMap<Ino, Vec<u8>> {
    let mut lap = Lap::start(false);
    let mut model: BTreeMap<Ino, Vec<u8>> = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Write { ino, at, len, byte } => {
                let bytes = bytes(len, byte);
                store.write(ino, u64::from(at), &bytes, &mut lap).unwrap();
                let file = model.entry(ino).or_default();
                let end = usize::from(at) + bytes.len();
                file.resize(file.len().max(end), 0);
                file[usize::from(at)..end].copy_from_slice(&bytes);
            }
            Step::Resize { ino, len } => {
                store.resize(ino, u64::from(len)).unwrap();
                model.entry(ino).or_default().resize(usize::from(len), 0);
            }
            Step::Read { ino, at, len } => {
                let mut buffer = vec![1; usize::from(len)];
                let read = store.read(ino, u64::from(at), &mut buffer).unwrap();
                let empty = Vec::new();
                let file = model.get(&ino).unwrap_or(&empty);
                let there = file.get(usize::from(at)..).unwrap_or_default();
                assert_eq!(buffer[..read], there[..there.len().min(buffer.len())], "{layer:?} {step:?}");
            }
            Step::Sync { ino } => store.sync(ino, &mut lap).unwrap(),
            Step::Close { ino } => store.closed(ino, &mut lap).unwrap(),
            Step::Forget { ino } => {
                store.forget(ino).unwrap();
                model.remove(&ino);
            }
        }
        for ino in 2..4 {
            assert_eq!(store.len(ino), model.get(&ino).map_or(0, Vec::len) as u64, "{layer:?} {step:?}");
        }
    }
    store.drain(&mut lap).unwrap();
    model
}

fn check(layer: &Layer, steps: &[Step]) {
    let dir = scratch();
    let store = layer.open(dir.path()).unwrap();
    let model = follow(&*store, steps, layer);
    for (ino, file) in &model {
        assert_eq!(&read_all(&*store, *ino).unwrap(), file, "{layer:?}");
    }
    store.sync(2, &mut Lap::start(false)).unwrap();
    // Dropped without a word, as by a kill; only what lies in the directory is left.
    drop(store);
    if layer.keep != Keep::Nothing {
        let (back, _) = layer.recover(dir.path()).unwrap();
        for (ino, file) in &model {
            assert_eq!(&read_all(&*back, *ino).unwrap(), file, "{layer:?} recovered");
        }
        // What was cut off stays cut off when the file grows again.
        for (ino, file) in &model {
            back.resize(*ino, file.len() as u64 + 5000).unwrap();
            let longer = read_all(&*back, *ino).unwrap();
            assert!(longer[file.len()..].iter().all(|byte| *byte == 0), "{layer:?} recovered and lengthened");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 25, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_store_holds_what_a_vector_would_hold(steps in proptest::collection::vec(step(), 1..40)) {
        for layer in LAYERS {
            check(layer, &steps);
        }
    }
}

#[test]
fn a_directory_with_something_in_it_is_no_place_for_a_new_store() {
    let dir = scratch();
    std::fs::write(dir.path().join("thesis"), "mine").unwrap();
    for layer in [blocks::LOG, blocks::WHOLE_TREE] {
        let told = layer.open(dir.path()).err().unwrap().to_string();
        assert!(told.contains("is not empty"), "{told}");
    }
    assert_eq!(std::fs::read(dir.path().join("thesis")).unwrap(), b"mine");
}

#[test]
fn only_the_printed_rule_packs_a_block_of_four_kib_and_a_small_file_saves_nothing() {
    let saved = |layer: &Layer, len: usize| {
        let dir = scratch();
        let store = layer.open(dir.path()).unwrap();
        store.write(2, 0, &vec![b'x'; len], &mut Lap::start(false)).unwrap();
        store.saved()
    };
    assert!(saved(&blocks::ZLIB, 4095) > 0);
    assert_eq!((saved(&blocks::SKIP_SMALL, 4096), saved(&blocks::SKIP_SMALL, 4095)), (0, 0));
    assert!(saved(&blocks::SKIP_AS_PRINTED, 4096) > 0);
    assert_eq!(saved(&blocks::SKIP_AS_PRINTED, 4095), 0);
}

#[test]
fn many_threads_write_to_one_file_and_every_block_is_there() {
    for layer in LAYERS {
        let dir = scratch();
        let store = layer.open(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let store = &store;
                scope.spawn(move || {
                    let byte = u8::try_from(thread).unwrap() + 1;
                    for turn in 0..8 {
                        let at = (turn * 4 + thread) * 1000;
                        store.write(2, at, &[byte; 1000], &mut Lap::start(false)).unwrap();
                    }
                });
            }
        });
        store.drain(&mut Lap::start(false)).unwrap();
        let wanted: Vec<u8> = (0..32u8).flat_map(|piece| [piece % 4 + 1; 1000]).collect();
        assert_eq!(read_all(&*store, 2).unwrap(), wanted, "{layer:?}");
    }
}
