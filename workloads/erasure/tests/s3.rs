//! Shards in the buckets of an S3 server: the same as in directories, and what happens to servers is borne or told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::noise;
use erasure::budget::Budget;
use erasure::format::Id;
use erasure::get::{self, get_by};
use erasure::put::{Plan, Put, Stored, Way, put};
use erasure::read::{Reader, TooFew};
use erasure::target::{Directory, Injected, Slow, Target, directories};
use s3::{Access, Bucket, Failed, Keys};
use s3_server::Server;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use technique::Lap;
use technique::phase::{RECEIVE, SEND};

const NAME: &str = "object";
const KEYS: (&str, &str) = ("somebody", "who-may-do-that");

/// Six buckets, which are directories to the server, and six directories beside them.
struct Place {
    dir: tempfile::TempDir,
    bytes: Vec<u8>,
    server: Option<Server>,
    port: u16,
}

fn plan() -> Plan {
    Plan { block: 64 << 10, ..Plan::streamed(4, 2) }
}

impl Place {
    fn with(bytes: Vec<u8>) -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("source"), &bytes).unwrap();
        let mut place = Place { dir, bytes, server: None, port: 0 };
        for made in place.behind().iter().chain(&place.beside()) {
            fs::create_dir_all(&made.0).unwrap();
        }
        fs::create_dir(place.path("temp")).unwrap();
        place.start();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The server, again where it was.
    fn start(&mut self) {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let server = Server::start(&self.path("server"), at, KEYS, Duration::ZERO).unwrap();
        self.port = server.address().port();
        self.server = Some(server);
    }

    /// The buckets' directories.
    fn behind(&self) -> Vec<Directory> {
        directories(&self.path("server"), 6)
    }

    fn beside(&self) -> Vec<Directory> {
        directories(&self.path("beside"), 6)
    }

    fn buckets(&self, behind: bool) -> Vec<Bucket> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        let keys = Keys { access: KEYS.0.to_owned(), secret: KEYS.1.to_owned() };
        let access = Access::Known { endpoint, keys, signed: false };
        let open = |number| {
            let mut bucket = Bucket::open(&format!("s3://t{number:02}"), &access).unwrap();
            bucket.behind = behind;
            bucket
        };
        (0..6).map(open).collect()
    }

    fn put(
        &self,
        plan: &Plan,
        targets: &[&dyn Target],
        watch: &(dyn Fn(u64) -> bool + Sync),
    ) -> anyhow::Result<Stored> {
        let object = plan.object(Id::of(&self.bytes), self.bytes.len() as u64);
        let (file, code) = (File::open(self.path("source")).unwrap(), plan.code().unwrap());
        let job = Put { file: &file, object, name: NAME, targets, code: &code, plan, budget: None, watch };
        let mut lap = Lap::start(true);
        let stored = put(&job, &mut lap)?;
        let far = targets.iter().any(|target| target.place().starts_with("s3:"));
        assert_eq!(lap.stop().phases.iter().any(|time| time.phase == SEND), far);
        Ok(stored)
    }

    fn get(&self, targets: &[&dyn Target], way: &get::Way) -> anyhow::Result<Vec<String>> {
        let mut out = File::create(self.path("got")).unwrap();
        let mut lap = Lap::start(true);
        let wrong = get_by(targets, NAME, way, &mut out, &|_| true, &mut lap)?;
        assert!(fs::read(self.path("got")).unwrap() == self.bytes, "{way:?}: other bytes came back");
        assert!(self.bytes.is_empty() || lap.stop().phases.iter().any(|time| time.phase == RECEIVE));
        Ok(wrong)
    }

    /// Nothing is in the buckets but shards of that name, and no part is left.
    fn holds(&self, shards: usize) {
        let below = |dir: &Directory| fs::read_dir(&dir.0).unwrap().map(|entry| entry.unwrap().file_name());
        let names: Vec<_> = self.behind().iter().flat_map(below).collect();
        assert!(names.len() == shards && names.iter().all(|name| name == NAME), "{names:?}");
        let root = fs::read_dir(self.path("server")).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = root.filter(|name| name.to_string_lossy().contains("upload")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn all<T: Target>(targets: &[T]) -> Vec<&dyn Target> {
    targets.iter().map(|target| target as &dyn Target).collect()
}

#[test]
fn every_way_stores_the_same_shards_as_in_directories() {
    for length in [0, 1, 4 * (64 << 10), 1_000_001] {
        let place = Place::with(noise(length));
        place.put(&plan(), &all(&place.beside()), &|_| true).unwrap();
        let temp = |at_once| Way::Temp { dir: place.path("temp"), writers: 3, at_once };
        for way in [
            Way::OneStripe,
            Way::Stripes { depth: 3, writers: 1 },
            Way::Stripes { depth: 3, writers: 6 },
            Way::Memory { writers: 3 },
            temp(false),
            temp(true),
        ] {
            for behind in [false, true] {
                place.put(&Plan { way: way.clone(), ..plan() }, &all(&place.buckets(behind)), &|_| true).unwrap();
                place.holds(6);
                for (here, there) in place.beside().iter().zip(place.behind()) {
                    assert!(fs::read(here.0.join(NAME)).unwrap() == fs::read(there.0.join(NAME)).unwrap(), "{way:?}");
                }
            }
        }
        let buckets = place.buckets(true);
        for way in [get::Way::OneStripe, get::Way::Stripes(3), get::Way::Memory, get::Way::Temp(place.path("temp"))] {
            assert_eq!(place.get(&all(&buckets), &way).unwrap(), [""; 0]);
        }
    }
}

#[test]
fn large_objects_go_up_in_parts_and_come_back_with_two_buckets_lost() {
    let mut place = Place::with(noise(45 << 20));
    let buckets = place.buckets(true);
    place.put(&Plan::streamed(4, 2), &all(&buckets), &|_| true).unwrap();
    place.holds(6);
    // The server goes and comes again between put and get; the client is the same.
    drop(place.server.take());
    place.start();
    for lost in [1, 2] {
        fs::remove_file(place.behind()[lost].0.join(NAME)).unwrap();
        assert_eq!(place.get(&all(&buckets), &get::Way::Stripes(3)).unwrap().len(), lost);
    }
    fs::remove_file(place.behind()[5].0.join(NAME)).unwrap();
    let refused = place.get(&all(&buckets), &get::Way::Stripes(3)).unwrap_err();
    assert_eq!(refused.downcast::<TooFew>().unwrap().whole, 3);
}

#[test]
fn a_bucket_that_fails_in_the_midst_fails_the_put_cleanly_or_is_spared() {
    let place = Place::with(noise(45 << 20));
    for behind in [false, true] {
        // After its first part, and before.
        for dies_after in [6 << 20, 1000] {
            let dying = |index: usize, bucket| {
                let dies_after = (index == 2).then_some(dies_after);
                Slow::new(bucket, Injected { dies_after, ..Injected::default() })
            };
            let targets: Vec<_> = (0..).zip(place.buckets(behind)).map(|(index, one)| dying(index, one)).collect();
            let refused = place.put(&Plan::streamed(4, 2), &all(&targets), &|_| true).unwrap_err();
            assert!(format!("{refused:#}").contains("shard 2"), "{refused:#}");
            place.holds(0);
        }
        let dying = |index: usize, bucket| {
            Slow::new(bucket, Injected { dies_after: (index == 2).then_some(6 << 20), ..Injected::default() })
        };
        let targets: Vec<_> = (0..).zip(place.buckets(behind)).map(|(index, one)| dying(index, one)).collect();
        let stored = place.put(&Plan { spare: 1, ..Plan::streamed(4, 2) }, &all(&targets), &|_| true).unwrap();
        assert_eq!(stored.lost.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [2]);
        place.holds(5);
        place.get(&all(&targets), &get::Way::Stripes(3)).unwrap();
        for dir in place.behind() {
            Target::remove(&dir, NAME).unwrap();
        }
    }
}

#[test]
fn a_bucket_that_is_not_there_is_told_or_spared() {
    let place = Place::with(noise(100_000));
    fs::remove_dir(&place.behind()[3].0).unwrap();
    let buckets = place.buckets(true);
    let refused = place.put(&plan(), &all(&buckets), &|_| true).unwrap_err();
    let told = format!("{refused:#}");
    assert!(told.contains("shard 3") && told.contains("s3://t03"), "{told}");
    let stored = place.put(&Plan { spare: 1, ..plan() }, &all(&buckets), &|_| true).unwrap();
    assert_eq!(stored.lost.len(), 1);
    assert_eq!(place.get(&all(&buckets), &get::Way::OneStripe).unwrap(), ["s3://t03: its shard is missing"]);
}

#[test]
fn a_server_that_is_gone_is_told_with_what_to_do() {
    let mut place = Place::with(noise(1000));
    let buckets = place.buckets(true);
    drop(place.server.take());
    let refused = place.put(&plan(), &all(&buckets), &|_| true).unwrap_err();
    let failed = Failed::below(refused.as_ref()).unwrap_or_else(|| panic!("{refused:?}"));
    assert!(failed.mend.contains("AWS_ENDPOINT_URL"), "{failed:?}");
    place.start();
    place.holds(0);
}

#[test]
fn a_hundred_puts_at_once_keep_to_the_budget() {
    let place = Place::with(noise(40_000));
    let buckets = place.buckets(true);
    let (plan, targets) = (Plan { block: 1 << 10, ..plan() }, all(&buckets));
    let object = |number: u8| plan.object(Id([number; 16]), 40_000);
    let one = plan.memory(&object(0)) + targets.iter().map(|target| target.room(object(0).shard_bytes())).sum::<u64>();
    assert!(one > 60_000, "what waits to be sent counts: {one}");
    let budget = Budget::of(3 * one + one / 2);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (plan, targets, budget, place) = (&plan, &targets, &budget, &place);
            scope.spawn(move || {
                let (file, code) = (File::open(place.path("source")).unwrap(), plan.code().unwrap());
                let (object, name) = (object(number), format!("o{number}"));
                let (budget, watch) = (Some(budget), &|_: u64| true);
                let job = Put { file: &file, object, name: &name, targets, code: &code, plan, budget, watch };
                put(&job, &mut Lap::start(false)).unwrap();
                let got = place.path(&format!("got-{number}"));
                let way = get::Way::OneStripe;
                let mut out = File::create(&got).unwrap();
                get_by(targets, &name, &way, &mut out, &|_| true, &mut Lap::start(false)).unwrap();
                assert!(fs::read(got).unwrap() == place.bytes, "{name}");
            });
        }
    });
    assert!(budget.most() <= budget.all() && budget.most() >= one, "{} of {}", budget.most(), budget.all());
    for dir in place.behind() {
        assert_eq!(fs::read_dir(dir.0).unwrap().count(), 100);
    }
}

#[test]
fn a_bucket_that_answers_late_is_left_behind_only_where_it_may_be() {
    let place = Place::with(noise(2_000_000));
    let slow = || -> Vec<_> {
        let latency = |index| Duration::from_millis(if index == 3 { 200 } else { 0 });
        let injected = |index| Injected { latency: latency(index), ..Injected::default() };
        (0..).zip(place.buckets(true)).map(|(index, bucket)| Slow::new(bucket, injected(index))).collect()
    };
    let way = Way::Stripes { depth: 2, writers: 6 };
    let patient = Plan { way, patience: Duration::from_millis(50), ..plan() };
    let targets = slow();
    let hedged = place.put(&Plan { spare: 1, ..patient.clone() }, &all(&targets), &|_| true).unwrap();
    assert_eq!(hedged.lost.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [3]);
    place.holds(5);
    assert_eq!(place.get(&all(&targets), &get::Way::Stripes(3)).unwrap(), ["s3://t03: its shard is missing"]);
    assert!(place.put(&patient, &all(&slow()), &|_| true).unwrap().lost.is_empty());
    place.holds(6);
}

#[test]
fn what_rots_behind_the_server_is_named_and_made_again() {
    let place = Place::with(noise(1_000_000));
    let buckets = place.buckets(true);
    let targets = all(&buckets);
    place.put(&plan(), &targets, &|_| true).unwrap();
    let shard = |index: usize| place.behind()[index].0.join(NAME);
    let whole: Vec<Vec<u8>> = (0..6).map(|index| fs::read(shard(index)).unwrap()).collect();
    let spoilt = |index: usize, spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole[index].clone();
        spoil(&mut bytes);
        fs::write(shard(index), bytes).unwrap();
    };
    spoilt(1, &|bytes| bytes[100_000] ^= 4);
    spoilt(4, &|bytes| bytes.truncate(150_000));
    let check = || {
        let reader = Reader::open(&targets, NAME, None).unwrap();
        get::verify(reader, &|_| true, &mut Lap::start(false)).unwrap()
    };
    let checked = check();
    let wrong: Vec<usize> = (0..6).filter(|at| !checked.found()[*at].faults.is_empty()).collect();
    assert_eq!(wrong, [1, 4], "{:?}", checked.wrong());
    place.get(&targets, &get::Way::Stripes(3)).unwrap();
    let made = get::repair(&checked, &targets, NAME, false, &|_| true, &mut Lap::start(false)).unwrap();
    assert_eq!(made, [(1, 1), (4, 4)]);
    assert_eq!(check().wrong(), [""; 0]);
    assert!((0..6).all(|index| fs::read(shard(index)).unwrap() == whole[index]));
}
