//! What goes wrong leaves nothing half done, and says what to do.
#![allow(clippy::unwrap_used, reason = "a test may fail here")]

mod common;

use common::{names, put};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use syscalls::{Attributes, Ring, RingFile, Sink, Way};
use technique::load::clear_umask;
use technique::{Absent, Lap, Promise};

const TIME: (i64, u32) = (1_500_000_000, 7);

fn attributes(mode: u32, len: usize) -> Attributes {
    Attributes { mode, mtime: TIME, len: len as u64 }
}

fn make(way: Way, path: &Path, attributes: &Attributes, pieces: &[&[u8]]) -> anyhow::Result<()> {
    clear_umask();
    let mut lap = Lap::start(true);
    let mut sink: Sink = way.begin(CWD, path, attributes, &mut lap)?;
    for piece in pieces {
        sink.write(piece, &mut lap)?;
    }
    sink.finish(&mut lap)
}

fn held(dir: &Path) -> OwnedFd {
    fs::File::open(dir).unwrap().into()
}

#[test]
fn every_way_keeps_every_mode_and_the_time() {
    for way in Way::ALL {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o644, 0o755, 0o600, 0o400, 0o000, 0o777, 0o4755, 0o2711, 0o1666] {
            let path = dir.path().join(format!("{mode:o}"));
            make(way, &path, &attributes(mode, 6), &[b"ab", b"", b"cdef"]).unwrap();
            let meta = fs::symlink_metadata(&path).unwrap();
            assert_eq!(meta.mode() & 0o7777, mode, "{way:?}");
            assert_eq!(meta.len(), 6);
            if way.promises().has(Promise::TimesKept) {
                assert_eq!((meta.mtime(), meta.mtime_nsec()), (TIME.0, i64::from(TIME.1)), "{way:?}");
            }
            if mode & 0o400 != 0 {
                assert_eq!(fs::read(&path).unwrap(), b"abcdef");
            }
        }
        assert_eq!(names(dir.path()).len(), 9, "{way:?} leaves nothing else");
    }
}

#[test]
fn names_are_relative_to_a_held_directory_or_absolute_or_very_long() {
    clear_umask();
    for way in Way::ALL {
        let dir = tempfile::tempdir().unwrap();
        let root = held(dir.path());
        let mut deep = PathBuf::new();
        for _ in 0..4 {
            deep.push("d".repeat(100));
        }
        fs::create_dir_all(dir.path().join(&deep)).unwrap();
        let mut lap = Lap::start(true);
        for path in [PathBuf::from("bare"), deep.join("file"), dir.path().join(&deep).join("absolute")] {
            let attributes = attributes(0o644, 1);
            let mut sink = way.begin(root.as_fd(), &path, &attributes, &mut lap).unwrap();
            sink.write(b"x", &mut lap).unwrap();
            sink.finish(&mut lap).unwrap();
            assert_eq!(fs::read(dir.path().join(&path)).unwrap(), b"x", "{way:?} {}", path.display());
        }
        assert_eq!(names(dir.path()).len(), 4 + 3);
    }
}

#[test]
fn a_sink_that_is_dropped_leaves_nothing() {
    for way in Way::ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("half");
        let attributes = attributes(0o644, 100);
        let mut lap = Lap::start(true);
        let mut sink = way.begin(CWD, &path, &attributes, &mut lap).unwrap();
        sink.write(b"half of it", &mut lap).unwrap();
        drop(sink);
        assert!(names(dir.path()).is_empty(), "{way:?}");
    }
}

#[test]
fn a_sink_that_got_too_little_or_too_much_does_not_finish() {
    for way in Way::ALL {
        let dir = tempfile::tempdir().unwrap();
        for pieces in [&[b"ab".as_slice()][..], &[b"abc", b"de"], &[]] {
            let error = make(way, &dir.path().join("odd"), &attributes(0o644, 3), pieces).unwrap_err();
            assert!(error.to_string().contains("should hold 3 bytes"), "{way:?}: {error:#}");
            assert!(names(dir.path()).is_empty(), "{way:?}");
        }
    }
}

#[test]
fn ways_that_rename_replace_and_the_others_refuse() {
    for way in Way::ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("there");
        put(&path, 0, 10, 0o600);
        let made = make(way, &path, &attributes(0o644, 3), &[b"new"]);
        match way {
            Way::SevenCalls | Way::ByDescriptor => {
                made.unwrap();
                assert_eq!(fs::read(&path).unwrap(), b"new");
            }
            _ => {
                let error = format!("{:#}", made.unwrap_err());
                assert!(error.contains("never replaces a file") && error.contains("there"), "{way:?}: {error}");
                assert_eq!(fs::read(&path).unwrap().len(), 10, "{way:?} harms nothing");
            }
        }
        assert_eq!(names(dir.path()).len(), 1, "{way:?}");
    }
}

#[test]
fn a_missing_directory_is_named() {
    for way in Way::ALL {
        let dir = tempfile::tempdir().unwrap();
        let root = held(dir.path());
        let attributes = attributes(0o644, 0);
        let begun = way.begin(root.as_fd(), Path::new("no/such"), &attributes, &mut Lap::start(true));
        let error = format!("{:#}", begun.err().unwrap());
        assert!(error.contains(dir.path().join("no/such").to_str().unwrap()), "{way:?}: {error}");
        assert!(way.probe(dir.path()).is_ok());
        assert!(names(dir.path()).is_empty());
    }
    let error = Way::TmpFile.probe(Path::new("/no/such/place")).unwrap_err();
    assert!(error.downcast_ref::<Absent>().is_none(), "{error:#}");
}

/// A file system with 64 KiB of room; none where it may not be mounted.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Option<Small> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(dir.path()).output();
        if mount.is_ok_and(|mount| mount.status.success()) {
            return Some(Small(dir));
        }
        eprintln!("SKIPPED: a small tmpfs may not be mounted here: run as root");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(self.0.path()).status().unwrap().success());
    }
}

fn assert_says_no_room(error: &anyhow::Error, place: &Path) {
    let told = format!("{error:#}");
    let way_out = format!("no room left under {}: free some, or name another place with --scratch", place.display());
    assert!(told.contains(&way_out), "{told}");
    assert_eq!(error.downcast_ref::<Errno>(), Some(&Errno::NOSPC));
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing_half_done() {
    let Some(small) = Small::mount() else { return };
    let place = small.0.path();
    let bytes = vec![7; 100 << 10];
    for way in Way::ALL {
        let error = make(way, &place.join("big"), &attributes(0o644, bytes.len()), &[&bytes]).unwrap_err();
        assert_says_no_room(&error, place);
        assert!(names(place).is_empty(), "{way:?}");
        // What was there before stays as it was, whole.
        put(&place.join("old"), 0, 10, 0o644);
        make(way, &place.join("old"), &attributes(0o644, bytes.len()), &[&bytes]).unwrap_err();
        assert_eq!(names(place), [Path::new("old")], "{way:?}");
        assert_eq!(fs::read(place.join("old")).unwrap().len(), 10, "{way:?}");
        fs::remove_file(place.join("old")).unwrap();
    }
}

/// Paths and contents for a ring; none where the kernel has no io_uring.
fn ring(chains: u32) -> Option<Ring> {
    match Ring::new(chains) {
        Ok(ring) => Some(ring),
        Err(error) => {
            eprintln!("SKIPPED: {}", error.downcast_ref::<Absent>().expect("only absence is forgiven"));
            None
        }
    }
}

#[test]
fn a_ring_meets_a_full_disk_with_the_same_words() {
    let (Some(small), Some(mut ring)) = (Small::mount(), ring(4)) else { return };
    let place = small.0.path();
    let dir = held(place);
    let (big, little) = (vec![7; 100 << 10], vec![8; 100]);
    let paths = ["one", "two", "three"].map(|name| CString::new(name).unwrap());
    let bytes = [&little, &big, &little];
    let files: Vec<RingFile> =
        paths.iter().zip(bytes).map(|(path, bytes)| RingFile { path, mode: 0o644, bytes }).collect();
    let error = ring.make(dir.as_fd(), &files, &mut Lap::start(true)).unwrap_err();
    assert_says_no_room(&error, place);
    assert!(!place.join("two").exists());
    for name in names(place) {
        assert_eq!(fs::read(place.join(name)).unwrap(), little);
    }
    // The ring is as good as before.
    let more = CString::new("more").unwrap();
    ring.make(dir.as_fd(), &[RingFile { path: &more, mode: 0o600, bytes: &little }], &mut Lap::start(true)).unwrap();
    assert_eq!(fs::read(place.join("more")).unwrap(), little);
}

#[test]
fn a_ring_replaces_nothing_and_goes_on_with_its_slots_free() {
    let Some(mut ring) = ring(2) else { return };
    clear_umask();
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("there"), 0, 10, 0o644);
    let root = held(dir.path());
    let names = ["there", "new", "newer"].map(|name| CString::new(name).unwrap());
    let file = |at: usize| RingFile { path: &names[at], mode: 0o4640, bytes: b"fresh" };
    let error = ring.make(root.as_fd(), &[file(0), file(1)], &mut Lap::start(true)).unwrap_err();
    assert!(format!("{error:#}").contains("never replaces a file"), "{error:#}");
    assert_eq!(fs::read(dir.path().join("there")).unwrap().len(), 10);
    ring.make(root.as_fd(), &[file(2)], &mut Lap::start(true)).unwrap();
    let mode = fs::metadata(dir.path().join("newer")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o4640);
    let error = ring.make(root.as_fd(), &[file(0), file(1), file(2)], &mut Lap::start(true)).unwrap_err();
    assert!(error.to_string().contains("more than the 2 chains"), "{error:#}");
}
