//! Objects by name: whole or not at all, never overwritten unasked, swept after a kill.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use erasure::budget::Budget;
use erasure::get;
use erasure::put::{Plan, Stopped, Way};
use erasure::read::TooFew;
use erasure::store::{Refused, Store, within};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

struct Place {
    dir: tempfile::TempDir,
}

fn plan() -> Plan {
    Plan { block: 1 << 10, ..Plan::streamed(4, 2) }
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        for dir in place.dirs() {
            fs::create_dir(dir).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn dirs(&self) -> Vec<PathBuf> {
        (0..6).map(|at| self.path(&format!("d{at}"))).collect()
    }

    fn store(&self) -> Store {
        Store::open(&self.dirs()).unwrap()
    }

    fn file(&self, bytes: &[u8]) -> File {
        fs::write(self.path("source"), bytes).unwrap();
        File::open(self.path("source")).unwrap()
    }

    fn put(&self, name: &str, bytes: &[u8], force: bool) -> anyhow::Result<u64> {
        let file = self.file(bytes);
        Ok(self.store().put(name, &file, &plan(), force, None, &|_| true)?.0.generation)
    }

    fn get(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let mut out = File::create(self.path("out")).unwrap();
        self.store().get(name, &mut out, &get::Way::Stripes(2), &|_| true)?;
        Ok(fs::read(self.path("out")).unwrap())
    }

    /// All names in all directories, without ids.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .dirs()
            .iter()
            .flat_map(|dir| fs::read_dir(dir).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| match name.split('.').collect::<Vec<_>>().as_slice() {
                [object, id, "shard"] if id.len() == 32 => format!("{object}.shard"),
                _ => name,
            })
            .collect();
        names.sort();
        names
    }

    fn holds(&self, objects: &[&str]) {
        let mut names: Vec<String> = (0..6)
            .flat_map(|_| objects.iter().flat_map(|name| [format!("{name}.manifest"), format!("{name}.shard")]))
            .collect();
        names.sort();
        assert_eq!(self.names(), names);
    }
}

fn refused(error: &anyhow::Error) -> &Refused {
    error.downcast_ref().unwrap_or_else(|| panic!("{error:#}"))
}

#[test]
fn an_object_is_put_once_and_replaced_only_by_force() {
    let place = Place::new();
    assert!(matches!(refused(&place.get("a").unwrap_err()), Refused::NotThere(_)));
    assert_eq!(place.put("a", b"first", false).unwrap(), 1);
    assert_eq!(place.put("b", b"", false).unwrap(), 1);
    assert!(matches!(refused(&place.put("a", b"second", false).unwrap_err()), Refused::Exists(_)));
    assert_eq!((place.get("a").unwrap(), place.get("b").unwrap()), (b"first".to_vec(), Vec::new()));
    assert_eq!(place.put("a", &[7; 9_999], true).unwrap(), 2);
    assert_eq!(place.get("a").unwrap(), [7; 9_999]);
    place.holds(&["a", "b"]);
}

#[test]
fn nonsense_is_refused() {
    let place = Place::new();
    for name in ["", ".a", "a/b", "a\nb", &"x".repeat(181)] {
        assert!(matches!(refused(&place.put(name, b"x", false).unwrap_err()), Refused::Nonsense(_)), "{name:?}");
    }
    let mut dirs = place.dirs();
    dirs[5] = dirs[0].join("../d0");
    assert!(matches!(refused(&Store::open(&dirs).err().unwrap()), Refused::Nonsense(_)));
    dirs[5] = place.path("no such");
    assert!(matches!(refused(&Store::open(&dirs).err().unwrap()), Refused::NotThere(_)));
    let few = Store::open(&dirs[..5]).unwrap();
    let error = few.put("a", &place.file(b"x"), &plan(), false, None, &|_| true).unwrap_err();
    assert!(matches!(refused(&error), Refused::Nonsense(_)));
    place.holds(&[]);
}

#[test]
fn who_stops_leaves_the_old_one() {
    let place = Place::new();
    place.put("a", b"first", false).unwrap();
    let file = place.file(&vec![1; 50_000]);
    let stopped = place.store().put("a", &file, &plan(), true, None, &|done| done < 9_000).unwrap_err();
    assert!(stopped.is::<Stopped>());
    assert_eq!(place.get("a").unwrap(), b"first");
    place.holds(&["a"]);
}

#[test]
fn who_is_at_it_is_neither_swept_nor_joined() {
    let place = Place::new();
    let file = place.file(&vec![5; 50_000]);
    let looked = std::sync::Mutex::new(0);
    let meanwhile = |_| {
        // Workers ask at the same time.
        let mut looked = looked.lock().unwrap();
        assert!(place.store().sweep().unwrap().is_empty());
        let second = place.store().put("a", &file, &plan(), true, None, &|_| true).unwrap_err();
        assert!(matches!(refused(&second), Refused::Busy(_)), "{second:#}");
        assert_eq!(place.store().put("b", &file, &plan(), true, None, &|_| true).unwrap().0.length, 50_000);
        *looked += 1;
        *looked < 100
    };
    place.store().put("a", &file, &plan(), false, None, &meanwhile).unwrap();
    assert!(looked.into_inner().unwrap() > 2);
    assert_eq!(place.get("a").unwrap(), vec![5; 50_000]);
    place.holds(&["a", "b"]);
}

#[test]
fn two_directories_may_be_lost_and_a_new_one_is_filled() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..30_000u32).map(|at| ((at * at) >> 7).to_le_bytes()[0]).collect();
    place.put("a", &bytes, false).unwrap();
    for at in [0, 3] {
        fs::remove_dir_all(place.path(&format!("d{at}"))).unwrap();
        fs::create_dir(place.path(&format!("d{at}"))).unwrap();
    }
    assert_eq!(place.get("a").unwrap(), bytes);
    let checked = place.store().verify("a", &|_| true).unwrap();
    assert!(checked.readable && !checked.is_whole());
    assert_eq!(checked.without_manifest.len(), 2);
    let (_, made) = place.store().repair("a", false, &|_| true).unwrap();
    assert_eq!(made.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 3]);
    assert!(place.store().verify("a", &|_| true).unwrap().is_whole());
    assert_eq!(place.store().repair("a", false, &|_| true).unwrap().1, []);
    place.holds(&["a"]);
    for at in [0, 3, 4] {
        fs::remove_file(
            fs::read_dir(place.path(&format!("d{at}")))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| path.extension().unwrap() == "shard")
                .unwrap(),
        )
        .unwrap();
    }
    assert!(place.get("a").unwrap_err().is::<TooFew>());
    assert!(place.store().repair("a", false, &|_| true).unwrap_err().is::<TooFew>());
}

/// This program again, which kills itself in the midst of a put.
const DIES_IN: &str = "ASSAY_TEST_DIES_IN";

#[test]
fn what_a_kill_leaves_the_next_run_sweeps() {
    if let Some(dir) = std::env::var_os(DIES_IN) {
        let dirs: Vec<PathBuf> = (0..6).map(|at| PathBuf::from(&dir).join(format!("d{at}"))).collect();
        let die = |done: u64| {
            if done > 9_000 {
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
            }
            true
        };
        let file = File::open(PathBuf::from(&dir).join("source")).unwrap();
        Store::open(&dirs).unwrap().put("a", &file, &plan(), true, None, &die).unwrap();
        unreachable!("it was killed");
    }
    let place = Place::new();
    for before in [None, Some(b"first")] {
        if let Some(before) = before {
            place.put("a", before, false).unwrap();
        }
        place.file(&vec![3; 50_000]);
        let mut killed = Command::new(std::env::current_exe().unwrap());
        killed.args(["--exact", "what_a_kill_leaves_the_next_run_sweeps"]).env(DIES_IN, place.dir.path());
        assert!(!killed.output().unwrap().status.success());
        let names = place.names();
        assert!(names.iter().any(|name| name.contains(".shard.part")), "{names:?}");
        assert_eq!(place.store().sweep().unwrap().len(), 6);
        assert!(place.store().sweep().unwrap().is_empty());
        match before {
            None => place.holds(&[]),
            Some(before) => {
                place.holds(&["a"]);
                assert_eq!(place.get("a").unwrap(), before);
            }
        }
    }
}

#[test]
fn a_kill_between_two_manifests_is_brought_to_its_end() {
    let place = Place::new();
    place.put("a", b"first", false).unwrap();
    let old: Vec<Vec<u8>> = place.dirs().iter().map(|dir| fs::read(dir.join("a.manifest")).unwrap()).collect();
    let shards = |dir: &PathBuf| -> Vec<PathBuf> {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().unwrap() == "shard")
            .collect()
    };
    let kept: Vec<(PathBuf, Vec<u8>)> =
        place.dirs().iter().flat_map(&shards).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    place.put("a", b"second", true).unwrap();
    let id =
        |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap()["id"].as_str().unwrap().to_owned();
    let new = id(&fs::read(place.path("d0/a.manifest")).unwrap());
    // As it was when three of six manifests were in place, and nothing of the old one was removed.
    for (path, bytes) in &kept {
        fs::write(path, bytes).unwrap();
    }
    for (at, dir) in place.dirs().iter().enumerate() {
        if at >= 3 {
            fs::write(dir.join("a.manifest"), &old[at]).unwrap();
        }
        let note = serde_json::json!({"name": "a", "id": new, "dirs": place.dirs(), "replaces": [id(&old[0])]});
        fs::write(dir.join(format!(".a.{new}.unfinished")), note.to_string()).unwrap();
    }
    assert_eq!(place.get("a").unwrap(), b"second", "what has a manifest is there");
    assert_eq!(place.store().sweep().unwrap().len(), 6);
    assert_eq!(place.get("a").unwrap(), b"second");
    place.holds(&["a"]);
    assert!(place.store().verify("a", &|_| true).unwrap().is_whole());
}

#[test]
fn nothing_is_swept_that_is_not_ours() {
    let place = Place::new();
    let names = [".a.unfinished", ".part", "a.shard", ".x.00000000000000000000000000000000.shard.part", "b.manifest"];
    for name in names {
        fs::write(place.path("d0").join(name), "a letter").unwrap();
    }
    assert!(place.store().sweep().unwrap().is_empty());
    assert_eq!(fs::read_dir(place.path("d0")).unwrap().count(), names.len());
    assert!(matches!(refused(&place.get("b").unwrap_err()), Refused::NotThere(_)));
}

#[test]
fn memory_is_kept_to() {
    let plan = Plan { way: Way::Stripes { depth: 3, writers: 1 }, ..Plan::streamed(4, 2) };
    let all = plan.memory(&plan.object(erasure::format::Id([0; 16]), 1 << 30));
    for most in [all, all - 1, all / 3, 100 << 10] {
        let fitting = within(&plan, 1 << 30, most, 0).unwrap();
        assert!(fitting.memory(&fitting.object(erasure::format::Id([0; 16]), 1 << 30)) <= most, "{most}");
    }
    assert!(matches!(refused(&within(&plan, 1 << 30, 1000, 0).unwrap_err()), Refused::Nonsense(_)));
    // What the targets take, no plan can spare.
    assert!(matches!(within(&plan, 1 << 30, all + 9, 9).unwrap().way, Way::Stripes { depth: 3, .. }));
    assert!(matches!(within(&plan, 1 << 30, all, 9).unwrap().way, Way::Stripes { depth: 2, .. }));
    assert!(within(&plan, 1 << 30, all, all).is_err());
    // As many workers as fit.
    let plan = Plan { way: Way::Workers(4), ..plan };
    let all = plan.memory(&plan.object(erasure::format::Id([0; 16]), 1 << 30));
    assert!(matches!(within(&plan, 1 << 30, all, 0).unwrap().way, Way::Workers(4)));
    assert!(matches!(within(&plan, 1 << 30, all - 1, 0).unwrap().way, Way::Workers(3)));
    assert!(matches!(within(&plan, 1 << 30, all / 5, 0).unwrap().way, Way::OneStripe));
}

#[test]
fn a_hundred_puts_at_once_into_the_same_places_keep_to_the_budget() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..40_000u32).map(|at| ((at * at) >> 7).to_le_bytes()[0]).collect();
    fs::write(place.path("source"), &bytes).unwrap();
    let (plan, store) = (plan(), place.store());
    let one = plan.memory(&plan.object(erasure::format::Id([0; 16]), 40_000));
    let budget = Budget::of(2 * one);
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (store, plan, budget, source) = (&store, &plan, &budget, place.path("source"));
            scope.spawn(move || {
                let file = File::open(source).unwrap();
                store.put(&format!("o{number}"), &file, plan, false, Some(budget), &|_| true).unwrap();
            });
        }
    });
    assert!(budget.most() <= 2 * one, "{} of {}", budget.most(), budget.all());
    let names: Vec<String> = (0..100).map(|number| format!("o{number}")).collect();
    place.holds(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in names {
        assert!(place.get(&name).unwrap() == bytes, "{name}");
    }
}
