//! Restoring over a tree that stands: what differs comes back, what is others' stays or goes as was asked, and nothing
//! outside is touched.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use restore::{Changes, Differs, Store, Watch, named};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use technique::{Promise, Promises, tree};

/// A store of a tree, the tree restored, and a directory that is nobody's business.
struct Place {
    dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::create_dir_all(source.join("pkg/sub")).unwrap();
        fs::create_dir(source.join("bare")).unwrap();
        for (name, bytes) in [
            ("a.py", vec![1; 300]),
            ("pkg/b.py", vec![2; 900]),
            ("pkg/sub/c.py", vec![3; 4000]),
            ("pkg/sub/empty", Vec::new()),
            ("pkg/long.bin", (0..200_000_u32).flat_map(u32::to_le_bytes).collect()),
        ] {
            fs::write(source.join(name), bytes).unwrap();
        }
        symlink("a.py", source.join("pkg/link")).unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir_all(outside.join("sub")).unwrap();
        fs::write(outside.join("b.py"), "mine").unwrap();
        fs::write(outside.join("sub/c.py"), "mine too").unwrap();
        let form = named("best").unwrap().form();
        let store = Store::pack(form, &source, &dir.path().join("store"), &Watch::default()).unwrap();
        let place = Place { dir, store };
        fs::create_dir(place.target()).unwrap();
        place.update(Differs::BySizeAndTime, false).unwrap();
        place.is_whole();
        place
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("target")
    }

    fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    fn update(&self, differs: Differs, remove_others: bool) -> anyhow::Result<Changes> {
        let best = named("best").unwrap();
        self.store.bring_up_to_date(best, differs, remove_others, &self.target(), &Arc::new(Watch::default()))
    }

    /// The target is as the source, and nothing outside was touched.
    fn is_whole(&self) {
        let (was, is) =
            (tree::outcome(&self.dir.path().join("source")).unwrap(), tree::outcome(&self.target()).unwrap());
        let promises = Promises::NONE.with(Promise::TimesKept).with(Promise::Independent);
        assert_eq!(was.differences(&is, promises), Vec::<String>::new());
        self.outside_is_as_it_was();
    }

    fn outside_is_as_it_was(&self) {
        assert_eq!(fs::read_to_string(self.outside().join("b.py")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(self.outside().join("sub/c.py")).unwrap(), "mine too");
        assert_eq!(fs::read_dir(self.outside()).unwrap().count(), 2);
    }
}

const BOTH: [Differs; 2] = [Differs::BySizeAndTime, Differs::ByContents];

#[test]
fn a_tree_that_is_right_stays_as_it_is() {
    let place = Place::new();
    for differs in BOTH {
        let before = fs::metadata(place.target().join("pkg/b.py")).unwrap();
        let changes = place.update(differs, true).unwrap();
        assert_eq!(changes, Changes { kept: 5, ..Changes::default() }, "{differs:?}");
        let after = fs::metadata(place.target().join("pkg/b.py")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::ino(&before), std::os::unix::fs::MetadataExt::ino(&after));
    }
}

#[test]
fn what_differs_comes_back() {
    for differs in BOTH {
        let place = Place::new();
        let target = place.target();
        fs::write(target.join("a.py"), "somebody's").unwrap();
        fs::remove_file(target.join("pkg/sub/c.py")).unwrap();
        fs::remove_dir_all(target.join("bare")).unwrap();
        fs::remove_file(target.join("pkg/link")).unwrap();
        symlink("elsewhere", target.join("pkg/link")).unwrap();
        fs::set_permissions(target.join("pkg"), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(target.join("pkg/b.py"), Permissions::from_mode(0o640)).unwrap();
        let changes = place.update(differs, true).unwrap();
        place.is_whole();
        let touched = u64::from(differs == Differs::ByContents);
        let expected =
            Changes { kept: 2, touched, restored: 3 - touched, directories: 1, links: 1, ..Changes::default() };
        assert_eq!(changes, expected, "{differs:?}");
    }
}

/// The same size and the same time: only who reads the file sees that it differs.
#[test]
fn what_neither_size_nor_time_tells_is_found_by_contents_alone() {
    let place = Place::new();
    let path = place.target().join("pkg/sub/c.py");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, vec![4; 4000]).unwrap();
    fs::File::open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(place.update(Differs::BySizeAndTime, true).unwrap().restored, 0);
    assert_eq!(fs::read(&path).unwrap(), vec![4; 4000]);
    assert_eq!(place.update(Differs::ByContents, true).unwrap().restored, 1);
    place.is_whole();
}

#[test]
fn what_others_put_there_stays_unless_it_is_to_go() {
    let place = Place::new();
    let target = place.target();
    fs::write(target.join("pkg/mine"), "mine").unwrap();
    fs::create_dir_all(target.join("cache/deep")).unwrap();
    fs::write(target.join("cache/deep/mine"), "mine").unwrap();
    symlink(place.outside(), target.join("cache/way out")).unwrap();
    let changes = place.update(Differs::BySizeAndTime, false).unwrap();
    assert_eq!((changes.others, changes.removed), (2, 0));
    assert!(target.join("cache/deep/mine").exists());
    let changes = place.update(Differs::BySizeAndTime, true).unwrap();
    assert_eq!((changes.others, changes.removed), (0, 2));
    place.is_whole();
}

#[test]
fn a_directory_in_the_way_is_named_and_goes_only_where_others_may() {
    let place = Place::new();
    let path = place.target().join("pkg/b.py");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("mine"), "mine").unwrap();
    let told = format!("{:#}", place.update(Differs::BySizeAndTime, false).unwrap_err());
    assert!(told.contains("pkg/b.py is a directory"), "{told}");
    assert!(path.join("mine").exists());
    place.update(Differs::BySizeAndTime, true).unwrap();
    place.is_whole();
}

/// Links, pipes and second names in the place of what the store holds: they go, and what they lead to stays.
#[test]
fn nothing_is_done_through_a_link() {
    for differs in BOTH {
        let place = Place::new();
        let target = place.target();
        fs::remove_dir_all(target.join("pkg")).unwrap();
        symlink(place.outside(), target.join("pkg")).unwrap();
        fs::remove_file(target.join("a.py")).unwrap();
        symlink(place.outside().join("b.py"), target.join("a.py")).unwrap();
        place.update(differs, false).unwrap();
        place.is_whole();
        let pipe = target.join("a.py");
        fs::remove_file(&pipe).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        place.update(differs, false).unwrap();
        place.is_whole();
    }
}

#[test]
fn a_name_elsewhere_of_the_same_file_keeps_its_mode_and_bytes() {
    for differs in BOTH {
        let place = Place::new();
        let (own, other) = (place.target().join("a.py"), place.dir.path().join("other name"));
        fs::hard_link(&own, &other).unwrap();
        fs::set_permissions(&own, Permissions::from_mode(0o600)).unwrap();
        place.update(differs, false).unwrap();
        place.is_whole();
        assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o600, "{differs:?}");
        assert_eq!(fs::read(&other).unwrap(), vec![1; 300]);
    }
}

#[test]
fn damage_is_named_and_what_stood_there_stays() {
    let place = Place::new();
    let target = place.target();
    fs::write(target.join("pkg/sub/c.py"), "older").unwrap();
    let pack = place.dir.path().join("store/pack");
    let mut bytes = fs::read(&pack).unwrap();
    // The last block holds this file, and an empty one.
    *bytes.last_mut().unwrap() ^= 0x40;
    fs::write(&pack, bytes).unwrap();
    let told = format!("{:#}", place.update(Differs::BySizeAndTime, false).unwrap_err());
    assert!(told.contains("c.py is not restored"), "{told}");
    assert_eq!(fs::read_to_string(target.join("pkg/sub/c.py")).unwrap(), "older");
    assert!(!target.join("pkg/sub/c.py.part").exists());
}

#[test]
fn what_a_killed_restore_left_is_named() {
    let place = Place::new();
    let part = place.target().join("pkg/b.py.part");
    fs::write(&part, "half").unwrap();
    place.update(Differs::BySizeAndTime, false).unwrap();
    fs::write(place.target().join("pkg/b.py"), "older").unwrap();
    let told = format!("{:#}", place.update(Differs::BySizeAndTime, false).unwrap_err());
    assert!(told.contains("b.py.part") && told.contains("remove it first"), "{told}");
    assert!(Path::new(&part).exists());
    place.update(Differs::BySizeAndTime, true).unwrap();
    place.is_whole();
}
