//! Objects of any shape, length and way, with shards lost and damaged by chance: the bytes come back, or it is told that
//! too few are left. Never others.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use erasure::format::Id;
use erasure::get::{self, get_by, verify};
use erasure::put::{Plan, Put, Way, put};
use erasure::read::{Reader, TooFew};
use erasure::target::{Directory, Target, directories};
use parity::Carried;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::collections::BTreeSet;
use std::fs::{self, File};
use technique::Lap;

const NAME: &str = "object";

/// What is done to one shard.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Lost,
    CutAt(prop::sample::Index),
    FlippedAt(prop::sample::Index, u8),
    OverwrittenBy(usize),
    Longer(u8),
}

#[derive(Clone, Debug)]
struct Case {
    plan: Plan,
    length: usize,
    even: bool,
    harms: Vec<(usize, Harm)>,
    back: usize,
}

fn harm(shards: usize) -> impl Strategy<Value = (usize, Harm)> {
    let index = any::<prop::sample::Index>();
    let harm = prop_oneof![
        3 => Just(Harm::Lost),
        2 => index.prop_map(Harm::CutAt),
        4 => (any::<prop::sample::Index>(), 0..8u8).prop_map(|(at, bit)| Harm::FlippedAt(at, bit)),
        1 => (0..shards).prop_map(Harm::OverwrittenBy),
        1 => any::<u8>().prop_map(Harm::Longer),
    ];
    (0..shards, harm)
}

fn cases(longest: usize) -> impl Strategy<Value = Case> {
    let hash = prop::sample::select(vec![Carried::Blake3, Carried::Crc32c, Carried::Xxh3, Carried::Sha256]);
    let way = prop::sample::select(vec![
        Way::OneStripe,
        Way::Workers(2),
        Way::Workers(5),
        Way::Stripes { depth: 2, writers: 1 },
        Way::Stripes { depth: 4, writers: 3 },
        Way::Memory { writers: 2 },
    ]);
    let shape = (1..9u16, 1..5u16, 1..3000u64, hash, prop::option::of(1..4i32), way);
    (shape, 0..longest, any::<bool>(), 0..4usize).prop_flat_map(|(shape, length, even, back)| {
        let (data, parity, block, hash, pack, way) = shape;
        let plan = Plan { block, hash, pack, way, ..Plan::streamed(data, parity) };
        let shards = usize::from(data + parity);
        let harms = prop::collection::vec(harm(shards), 0..=shards);
        (Just(plan), Just(length), Just(even), harms, Just(back)).prop_map(|(plan, length, even, harms, back)| Case {
            plan,
            length,
            even,
            harms,
            back,
        })
    })
}

fn harmed(targets: &[Directory], index: usize, harm: Harm) {
    let path = |index: usize| targets[index].0.join(NAME);
    let Ok(mut bytes) = fs::read(path(index)) else { return };
    match harm {
        Harm::Lost => return fs::remove_file(path(index)).unwrap(),
        Harm::CutAt(at) => bytes.truncate(at.index(bytes.len().max(1))),
        Harm::FlippedAt(at, bit) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Harm::FlippedAt(..) => {}
        Harm::OverwrittenBy(other) => match fs::read(path(other)) {
            Ok(others) => bytes = others,
            Err(_) => return,
        },
        Harm::Longer(byte) => bytes.push(byte),
    }
    fs::write(path(index), bytes).unwrap();
}

fn holds(case: &Case) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (shards, parity) = (usize::from(case.plan.data + case.plan.parity), usize::from(case.plan.parity));
    let directories = directories(dir.path(), shards);
    for target in &directories {
        fs::create_dir(&target.0).unwrap();
    }
    let drawn = |at: usize| (at.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0];
    let bytes: Vec<u8> = (0..case.length).map(|at| if case.even { 7 } else { drawn(at) }).collect();
    let source = dir.path().join("source");
    fs::write(&source, &bytes).unwrap();
    let targets: Vec<&dyn Target> = directories.iter().map(|target| target as &dyn Target).collect();
    let (plan, code, file) = (&case.plan, case.plan.code().unwrap(), File::open(&source).unwrap());
    let object = plan.object(Id::of(b"one"), bytes.len() as u64);
    let job =
        Put { file: &file, object, name: NAME, targets: &targets, code: &code, plan, budget: None, watch: &|_| true };
    let mut lap = Lap::start(false);
    put(&job, &mut lap).unwrap();
    for (index, harm) in &case.harms {
        harmed(&directories, *index, *harm);
    }
    let ways = [get::Way::OneStripe, get::Way::Stripes(3), get::Way::Memory, get::Way::Temp(dir.path().to_owned())];
    let got = dir.path().join("got");
    let touched: BTreeSet<usize> = case.harms.iter().map(|(index, _)| *index).collect();
    match get_by(&targets, NAME, &ways[case.back], &mut File::create(&got).unwrap(), &|_| true, &mut lap) {
        Ok(_) => assert!(fs::read(&got).unwrap() == bytes, "other bytes came back"),
        Err(error) => {
            assert!(touched.len() > parity, "{error:#}");
            assert!(error.is::<TooFew>(), "{error:#}");
        }
    }
    // Whoever is named was harmed: no whole shard is blamed.
    if let Ok(checked) = Reader::open(&targets, NAME, None).and_then(|reader| verify(reader, &|_| true, &mut lap)) {
        for (at, found) in checked.found().iter().enumerate() {
            let twin = case.harms.iter().any(|(_, harm)| matches!(harm, Harm::OverwrittenBy(other) if *other == at));
            assert!(found.faults.is_empty() || touched.contains(&at) || twin, "{at}: {:?}", found.faults);
        }
    }
}

fn any_object_comes_back(longest: usize, drawn: u32, seed: RngSeed) {
    let config = Config { cases: drawn, failure_persistence: None, rng_seed: seed, ..Config::default() };
    let run = |case: Case| {
        holds(&case);
        Ok(())
    };
    TestRunner::new(config).run(&cases(longest), run).unwrap();
}

#[test]
fn any_object_comes_back_or_is_told_to_be_lost() {
    any_object_comes_back(20_000, 60, RngSeed::Fixed(7));
}

#[test]
#[ignore = "long: objects and harms from a fresh seed; a failure prints its input: just fuzz"]
fn by_chance_any_object_comes_back_or_is_told_to_be_lost() {
    any_object_comes_back(200_000, 1000, RngSeed::Random);
}
