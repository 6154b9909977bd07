//! Every way puts what every way gets back, and what happens to shards is borne or told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::noise;
use erasure::budget::Budget;
use erasure::format::{Fault, Id, Object, Stripe};
use erasure::get::{self, get_by, repair, verify};
use erasure::put::{Plan, Put, Stored, Way, put};
use erasure::read::{Reader, TooFew};
use erasure::target::{Directory, Injected, Memory, Sink, Slow, Source, Target, directories};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use technique::Lap;

const NAME: &str = "object";
/// Short blocks, so that a small object has many stripes.
const BLOCK: u64 = 1 << 10;

struct Place {
    dir: tempfile::TempDir,
    bytes: Vec<u8>,
}

fn plan() -> Plan {
    Plan { block: BLOCK, ..Plan::streamed(4, 2) }
}

impl Place {
    fn with(bytes: Vec<u8>) -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("source"), &bytes).unwrap();
        let place = Place { dir, bytes };
        fs::create_dir(place.path("temp")).unwrap();
        for target in place.targets() {
            fs::create_dir_all(target.0).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn targets(&self) -> Vec<Directory> {
        directories(self.dir.path(), 6)
    }

    fn shard(&self, index: usize) -> PathBuf {
        self.targets()[index].0.join(NAME)
    }

    fn put(&self, plan: &Plan) -> anyhow::Result<Stored> {
        let targets = self.targets();
        self.put_to(plan, &all(&targets))
    }

    fn put_to(&self, plan: &Plan, targets: &[&dyn Target]) -> anyhow::Result<Stored> {
        let object = plan.object(Id::of(&self.bytes), self.bytes.len() as u64);
        put_object(&File::open(self.path("source")).unwrap(), object, plan, targets, None)
    }

    fn get(&self) -> anyhow::Result<Vec<String>> {
        let targets = self.targets();
        got(&all(&targets), &get::Way::OneStripe, &self.bytes, &self.path("got"))
    }

    fn is_clean(&self) {
        assert_eq!(fs::read_dir(self.path("temp")).unwrap().count(), 0, "a temporary file is left");
        for target in self.targets() {
            let names: Vec<_> = fs::read_dir(&target.0).unwrap().map(|name| name.unwrap().file_name()).collect();
            assert!(names.iter().all(|name| name == NAME), "{names:?}");
        }
    }
}

fn put_object(
    file: &File,
    object: Object,
    plan: &Plan,
    targets: &[&dyn Target],
    budget: Option<&Budget>,
) -> anyhow::Result<Stored> {
    let code = plan.code().unwrap();
    let job = Put { file, object, name: NAME, targets, code: &code, plan, budget, watch: &|_| true };
    put(&job, &mut Lap::start(true))
}

fn all<T: Target>(targets: &[T]) -> Vec<&dyn Target> {
    targets.iter().map(|target| target as &dyn Target).collect()
}

/// Gets an object; says what was wrong on the way. Other bytes than it was put with are a failure of the test.
fn got(targets: &[&dyn Target], way: &get::Way, bytes: &[u8], to: &Path) -> anyhow::Result<Vec<String>> {
    let mut out = File::create(to).unwrap();
    let wrong = get_by(targets, NAME, way, &mut out, &|_| true, &mut Lap::start(true))?;
    assert!(fs::read(to).unwrap() == bytes, "{way:?}: other bytes came back");
    Ok(wrong)
}

fn ways(temp: &Path) -> Vec<Way> {
    let temp = |at_once| Way::Temp { dir: temp.to_owned(), writers: 3, at_once };
    vec![
        Way::OneStripe,
        Way::Workers(3),
        Way::Stripes { depth: 3, writers: 1 },
        Way::Stripes { depth: 4, writers: 6 },
        Way::Memory { writers: 3 },
        temp(false),
        temp(true),
    ]
}

/// Around every boundary: of blocks, of stripes, of none and of one byte.
fn lengths() -> Vec<usize> {
    let (block, stripe) = (1 << 10, 4 << 10);
    let around = |length: usize| [length - 1, length, length + 1];
    let boundaries = [1, 4, block, 2 * block, 3 * block, stripe, 2 * stripe, 5 * stripe];
    boundaries.into_iter().flat_map(around).collect()
}

#[test]
fn all_ways_store_the_same_shards_and_every_way_brings_them_back() {
    for length in lengths() {
        let mut first: Option<Vec<Vec<u8>>> = None;
        for pack in [None, Some(1)] {
            let place = Place::with(if pack.is_some() { vec![b'a'; length] } else { noise(length) });
            for way in ways(&place.path("temp")) {
                let stored = place.put(&Plan { way: way.clone(), pack, ..plan() }).unwrap();
                assert!(stored.lost.is_empty());
                assert_eq!(stored.temp_bytes > 0, matches!(way, Way::Temp { .. }) && length > 0, "{way:?}");
                place.is_clean();
                let shards: Vec<Vec<u8>> = (0..6).map(|index| fs::read(place.shard(index)).unwrap()).collect();
                if pack.is_none() {
                    assert!(first.get_or_insert_with(|| shards.clone()) == &shards, "{way:?} of {length}");
                }
                let small: usize = shards.iter().map(Vec::len).sum();
                assert!(pack.is_none() || length < 2000 || small < length, "{small} of {length}: it was not packed");
            }
            let targets = place.targets();
            let back =
                [get::Way::OneStripe, get::Way::Stripes(3), get::Way::Memory, get::Way::Temp(place.path("temp"))];
            for way in &back {
                assert_eq!(got(&all(&targets), way, &place.bytes, &place.path("got")).unwrap(), [""; 0]);
                place.is_clean();
            }
        }
    }
}

#[test]
fn any_two_of_six_may_be_lost_and_three_are_told() {
    let place = Place::with(noise(10_001));
    place.put(&plan()).unwrap();
    let whole: Vec<Vec<u8>> = (0..6).map(|index| fs::read(place.shard(index)).unwrap()).collect();
    for lost in 0u32..64 {
        for (index, shard) in whole.iter().enumerate() {
            if lost >> index & 1 == 1 {
                // It may be gone already.
                let _ = fs::remove_file(place.shard(index));
            } else {
                fs::write(place.shard(index), shard).unwrap();
            }
        }
        match place.get() {
            Ok(wrong) => assert!(lost.count_ones() <= 2 && wrong.len() == lost.count_ones() as usize, "{lost:06b}"),
            Err(error) => {
                let too_few = error.downcast::<TooFew>().unwrap();
                assert_eq!(too_few.whole, 6 - lost.count_ones() as usize);
                assert!(too_few.whole < 4);
            }
        }
    }
}

fn broken(how: &str, place: &Place, index: usize) {
    let path = place.shard(index);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    match how {
        "missing" => return fs::remove_file(&path).unwrap(),
        "empty" => bytes.clear(),
        "cut in its head" => bytes.truncate(30),
        "cut" => bytes.truncate(middle),
        "longer" => bytes.push(0),
        "flipped" => bytes[middle] ^= 4,
        "flipped in its head" => bytes[20] ^= 1,
        "another file" => bytes = b"a letter to somebody".repeat(9),
        "zeroes" => bytes.fill(0),
        other => panic!("{other}"),
    }
    fs::write(path, bytes).unwrap();
}

const HOW: &[&str] = &[
    "missing",
    "empty",
    "cut in its head",
    "cut",
    "longer",
    "flipped",
    "flipped in its head",
    "another file",
    "zeroes",
];

#[test]
fn what_is_wrong_is_named_and_mended_and_nothing_else_is_touched() {
    for how in HOW {
        let place = Place::with(noise(20_000));
        place.put(&plan()).unwrap();
        let whole: Vec<Vec<u8>> = (0..6).map(|index| fs::read(place.shard(index)).unwrap()).collect();
        for index in [1, 4] {
            broken(how, &place, index);
        }
        let targets = place.targets();
        let targets = all(&targets);
        for way in [get::Way::OneStripe, get::Way::Stripes(2), get::Way::Memory, get::Way::Temp(place.path("temp"))] {
            got(&targets, &way, &place.bytes, &place.path("got")).unwrap();
        }
        let check = || {
            let reader = Reader::open(&targets, NAME, None).unwrap();
            verify(reader, &|_| true, &mut Lap::start(false)).unwrap()
        };
        let checked = check();
        let wrong: Vec<usize> = (0..6).filter(|at| !checked.found()[*at].faults.is_empty()).collect();
        assert_eq!(wrong, [1, 4], "{how}: {:?}", checked.wrong());
        let times = |index| fs::metadata(place.shard(index)).unwrap().modified().unwrap();
        let before: BTreeMap<usize, _> = [0, 2, 3, 5].map(|index| (index, times(index))).into();
        let made = repair(&checked, &targets, NAME, false, &|_| true, &mut Lap::start(false)).unwrap();
        assert_eq!(made, [(1, 1), (4, 4)], "{how}");
        place.is_clean();
        for (index, shard) in whole.iter().enumerate() {
            assert!(&fs::read(place.shard(index)).unwrap() == shard, "{how}: shard {index} came back otherwise");
            assert!(before.get(&index).is_none_or(|before| *before == times(index)), "{how}: shard {index}");
        }
        assert_eq!(check().wrong(), [""; 0], "{how}");
    }
}

#[test]
fn blocks_of_elsewhere_do_not_pass() {
    let place = Place::with(noise(20_000));
    place.put(&plan()).unwrap();
    // Two blocks of one shard change places, with their heads.
    let mut bytes = fs::read(place.shard(0)).unwrap();
    let frame = 64 + (1 << 10);
    let (one, other) = bytes[64..64 + 2 * frame].split_at_mut(frame);
    one.swap_with_slice(other);
    fs::write(place.shard(0), bytes).unwrap();
    assert_eq!(place.get().unwrap().len(), 1);
    let targets = place.targets();
    let reader = Reader::open(&all(&targets), NAME, None).unwrap();
    let checked = verify(reader, &|_| true, &mut Lap::start(false)).unwrap();
    assert_eq!(checked.found()[0].faults, [Fault::Block(0), Fault::Block(1)]);
}

#[test]
fn parity_that_is_whole_and_wrong_is_found_by_the_others() {
    // As a faulty code would have made it: its hashes are right.
    let place = Place::with(noise(9_000));
    place.put(&plan()).unwrap();
    let mut bytes = fs::read(place.shard(5)).unwrap();
    let (object, index) = Object::parse(&bytes).unwrap();
    let (head, block) = bytes[64..64 + 64 + (1 << 10)].split_at_mut(64);
    block[7] ^= 1;
    head.copy_from_slice(&object.block_head(index, Stripe { number: 0, raw: 4 << 10, stored: 4 << 10 }, block));
    fs::write(place.shard(5), bytes).unwrap();
    let targets = place.targets();
    let reader = Reader::open(&all(&targets), NAME, None).unwrap();
    let checked = verify(reader, &|_| true, &mut Lap::start(false)).unwrap();
    assert_eq!(checked.found()[5].faults, [Fault::Apart(0)]);
    assert_eq!(checked.wrong().len(), 1);
}

#[test]
fn blocks_suffice_even_where_shards_do_not() {
    // Each of five shards has a damaged block, each in another stripe.
    let place = Place::with(noise(20_000));
    place.put(&plan()).unwrap();
    for index in 0..5 {
        let mut bytes = fs::read(place.shard(index)).unwrap();
        bytes[64 + index * (64 + (1 << 10)) + 100] ^= 1;
        fs::write(place.shard(index), bytes).unwrap();
    }
    assert_eq!(place.get().unwrap().len(), 4, "the data shards are named; parity was not looked at");
}

#[test]
fn shards_that_changed_places_are_known_by_their_heads() {
    let place = Place::with(noise(9_000));
    place.put(&plan()).unwrap();
    fs::rename(place.shard(0), place.path("aside")).unwrap();
    fs::rename(place.shard(5), place.shard(0)).unwrap();
    fs::rename(place.path("aside"), place.shard(5)).unwrap();
    assert_eq!(place.get().unwrap(), [""; 0]);
    // A copy of another shard is no shard more.
    fs::copy(place.shard(1), place.shard(2)).unwrap();
    let told = place.get().unwrap();
    assert!(told.len() == 1 && told[0].contains("second copy of shard 1"), "{told:?}");
}

#[test]
fn shards_of_another_writing_are_foreign() {
    let (place, other) = (Place::with(noise(9_000)), Place::with(noise(9_001)));
    place.put(&plan()).unwrap();
    other.put(&plan()).unwrap();
    for index in [0, 3] {
        fs::copy(other.shard(index), place.shard(index)).unwrap();
    }
    let told = place.get().unwrap();
    assert!(told.len() == 2 && told[0].contains("another object"), "{told:?}");
    fs::copy(other.shard(1), place.shard(1)).unwrap();
    let refused = place.get().unwrap_err().downcast::<TooFew>().unwrap();
    assert_eq!(refused.whole, 3, "three against three: no bytes of either");
}

fn slow(injected: impl Fn(usize) -> Injected) -> Vec<Slow<Memory>> {
    (0..6).map(|index| Slow::new(Memory::default(), injected(index))).collect()
}

#[test]
fn a_target_that_dies_fails_the_put_cleanly_or_is_spared() {
    let place = Place::with(noise(50_000));
    for way in ways(&place.path("temp")) {
        for dies_after in [0, 100, 5_000] {
            let targets =
                slow(|index| Injected { dies_after: (index == 2).then_some(dies_after), ..Injected::default() });
            let refused = place.put_to(&Plan { way: way.clone(), ..plan() }, &all(&targets)).unwrap_err();
            assert!(format!("{refused:#}").contains("shard 2"), "{way:?}: {refused:#}");
            for target in &targets {
                assert!(target.open(NAME).unwrap().is_none(), "{way:?}: a shard is left");
            }
            let stored = place.put_to(&Plan { way: way.clone(), spare: 1, ..plan() }, &all(&targets)).unwrap();
            assert_eq!(stored.lost.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [2], "{way:?}");
            got(&all(&targets), &get::Way::OneStripe, &place.bytes, &place.path("got")).unwrap();
            place.is_clean();
        }
    }
}

#[test]
fn a_slow_target_is_left_behind_only_where_it_may_be() {
    let place = Place::with(noise(60_000));
    let latency =
        |index| Injected { latency: Duration::from_millis(u64::from(index == 3) * 400), ..Injected::default() };
    let way = Way::Stripes { depth: 2, writers: 6 };
    // Two stripes. A busy machine draws apart what should end together, but not by as much as this patience.
    let plan = Plan { way, block: 8 << 10, patience: Duration::from_millis(200), ..plan() };
    let targets = slow(latency);
    let hedged = place.put_to(&Plan { spare: 1, ..plan.clone() }, &all(&targets)).unwrap();
    assert_eq!(hedged.lost.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [3]);
    assert_eq!(got(&all(&targets), &get::Way::Stripes(2), &place.bytes, &place.path("got")).unwrap().len(), 1);
    let patient = place.put_to(&plan, &all(&slow(latency))).unwrap();
    assert!(patient.lost.is_empty());
    // Three are slow, and one may be left behind: all are waited for.
    let three = slow(|index| latency(index.min(3)));
    let plan = Plan { spare: 1, ..plan };
    assert!(place.put_to(&plan, &all(&three)).unwrap().lost.is_empty());
}

/// Puts with a disk of 256 KiB at that place; gives back what was told, and how many files are left there.
fn put_with_full(place: &Place, full: &Path, plan: &Plan) -> Option<(String, usize)> {
    let mounted = rustix::process::geteuid().is_root()
        && std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "none"])
            .arg(full)
            .status()
            .is_ok_and(|status| status.success());
    if !mounted {
        technique::absent::skip("root", "a small tmpfs cannot be mounted");
        return None;
    }
    let refused = place.put(plan);
    let left = fs::read_dir(full).unwrap().count();
    std::process::Command::new("umount").arg(full).status().unwrap();
    Some((format!("{:#}", refused.unwrap_err()), left))
}

#[test]
fn a_full_disk_leaves_nothing() {
    let place = Place::with(noise(3 << 20));
    for way in ways(&place.path("temp")) {
        let plan = Plan { block: 64 << 10, way: way.clone(), ..plan() };
        let Some((told, left)) = put_with_full(&place, &place.path("t02"), &plan) else { return };
        assert!(told.contains("No space left") && told.contains("t02"), "{way:?}: {told}");
        assert_eq!(left, 0, "{way:?}");
        place.is_clean();
    }
}

#[test]
fn a_full_place_for_temporary_files_leaves_nothing() {
    let place = Place::with(noise(3 << 20));
    for at_once in [false, true] {
        let way = Way::Temp { dir: place.path("temp"), writers: 3, at_once };
        let plan = Plan { block: 64 << 10, way, ..plan() };
        let Some((told, left)) = put_with_full(&place, &place.path("temp"), &plan) else { return };
        assert!(told.contains("No space left") && told.contains("temp"), "{told}");
        assert_eq!(left, 0);
        place.is_clean();
        assert!((0..6).all(|index| !place.shard(index).exists()));
    }
}

#[test]
fn a_hundred_puts_at_once_keep_to_the_budget() {
    let bytes = noise(100_000);
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::write(&source, &bytes).unwrap();
    let plan = Plan { way: Way::Memory { writers: 2 }, ..plan() };
    let object = plan.object(Id::of(b"a"), bytes.len() as u64);
    let one = plan.memory(&object);
    assert!(one > bytes.len() as u64);
    let budget = Budget::of(3 * one + one / 2);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let targets: Vec<Memory> = (0..6).map(|_| Memory::default()).collect();
                let file = File::open(&source).unwrap();
                put_object(&file, object, &plan, &all(&targets), Some(&budget)).unwrap();
                let to = tempfile::NamedTempFile::new_in(dir.path()).unwrap();
                got(&all(&targets), &get::Way::OneStripe, &bytes, to.path()).unwrap();
            });
        }
    });
    assert!(budget.most() <= budget.all() && budget.most() >= one, "{} of {}", budget.most(), budget.all());
    let targets: Vec<Memory> = (0..6).map(|_| Memory::default()).collect();
    let file = File::open(&source).unwrap();
    let refused = put_object(&file, object, &plan, &all(&targets), Some(&Budget::of(one - 1))).unwrap_err();
    assert!(refused.to_string().contains("bytes of memory"), "{refused}");
}

#[test]
fn who_asks_to_stop_finds_nothing_left() {
    let place = Place::with(noise(50_000));
    let targets = place.targets();
    for way in ways(&place.path("temp")) {
        let plan = Plan { way, ..plan() };
        let object = plan.object(Id::of(b"a"), 50_000);
        let (file, code) = (File::open(place.path("source")).unwrap(), plan.code().unwrap());
        let targets = all(&targets);
        let watch = |done: u64| done < 20_000;
        let job = Put {
            file: &file,
            object,
            name: NAME,
            targets: &targets,
            code: &code,
            plan: &plan,
            budget: None,
            watch: &watch,
        };
        assert!(put(&job, &mut Lap::start(false)).unwrap_err().is::<erasure::put::Stopped>(), "{:?}", plan.way);
        place.is_clean();
        assert!(targets.iter().all(|target| target.open(NAME).unwrap().is_none()));
    }
}

/// Memory that says how many bytes it was given.
#[derive(Clone, Default)]
struct Counting(Memory, Arc<AtomicU64>);

struct CountingSink(Box<dyn Sink>, Arc<AtomicU64>);

impl Target for Counting {
    fn create(&self, name: &str) -> anyhow::Result<Box<dyn Sink>> {
        Ok(Box::new(CountingSink(self.0.create(name)?, Arc::clone(&self.1))))
    }

    fn open(&self, name: &str) -> std::io::Result<Option<Box<dyn Source>>> {
        self.0.open(name)
    }

    fn remove(&self, name: &str) -> anyhow::Result<()> {
        self.0.remove(name)
    }

    fn place(&self) -> String {
        self.0.place()
    }
}

impl Sink for CountingSink {
    fn write(&mut self, head: &[u8], block: &[u8]) -> std::io::Result<()> {
        self.1.fetch_add((head.len() + block.len()) as u64, Ordering::Relaxed);
        self.0.write(head, block)
    }

    fn finish(self: Box<Self>, durable: bool) -> anyhow::Result<()> {
        self.0.finish(durable)
    }
}

#[test]
fn who_asks_to_stop_is_heard_while_bytes_go_out() {
    let place = Place::with(noise(400_000));
    for way in ways(&place.path("temp")) {
        let plan = Plan { way, ..plan() };
        let object = plan.object(Id::of(b"a"), 400_000);
        let (file, code) = (File::open(place.path("source")).unwrap(), plan.code().unwrap());
        for stop_after in [None, Some(10_000), Some(200_000)] {
            let given = Arc::new(AtomicU64::new(0));
            let targets: Vec<Counting> = (0..6).map(|_| Counting(Memory::default(), Arc::clone(&given))).collect();
            let targets = all(&targets);
            let far = AtomicU64::new(0);
            let watch = |done: u64| {
                far.fetch_max(done, Ordering::Relaxed);
                stop_after.is_none_or(|after| given.load(Ordering::Relaxed) < after)
            };
            let (code, plan) = (&code, &plan);
            let job =
                Put { file: &file, object, name: NAME, targets: &targets, code, plan, budget: None, watch: &watch };
            let done = put(&job, &mut Lap::start(false));
            let (given, far) = (given.load(Ordering::Relaxed), far.into_inner());
            let Some(after) = stop_after else {
                assert!(done.is_ok() && far == 400_000, "{:?}: {far} are told", plan.way);
                continue;
            };
            assert!(done.unwrap_err().is::<erasure::put::Stopped>(), "{:?}", plan.way);
            // Several write at once, and some have a few stripes in their hands.
            assert!((after..after + 200_000).contains(&given), "{:?}: {given} went out", plan.way);
            assert!(far < 400_000, "{:?}: it is not all done", plan.way);
        }
        place.is_clean();
    }
}

#[test]
fn a_file_that_shrinks_meanwhile_is_no_object() {
    let place = Place::with(noise(50_000));
    let object = plan().object(Id::of(b"a"), 50_001);
    let targets = place.targets();
    let file = File::open(place.path("source")).unwrap();
    let refused = put_object(&file, object, &plan(), &all(&targets), None).unwrap_err();
    assert!(format!("{refused:#}").contains("cut short"), "{refused:#}");
    place.is_clean();
}
