//! What the tests share: trees that break careless walkers, and a look at what a row made of one.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test takes what it needs, and may panic")]

use fixtures::Tally;
use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use technique::{Absent, Lap, Site, Variant};
use walk::WORKLOAD;

/// A directory that goes with all that is in it, however deep.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Place {
        Place(tempfile::tempdir().unwrap().keep())
    }

    /// In memory, where there is some: so many names take a disk minutes.
    pub fn in_memory() -> Place {
        let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Place(memory.unwrap().keep())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn source(&self) -> PathBuf {
        let source = self.0.join("source");
        fs::create_dir_all(&source).unwrap();
        source
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let gone = std::process::Command::new("rm").arg("-rf").arg(&self.0).status();
        assert!(gone.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

/// What is otherwise than expected in what a row has written of a tree; none where the row is absent here.
pub fn differences(variant: &Variant, place: &Place) -> Option<Vec<String>> {
    let site = walked(variant, place)?;
    Some(compared(variant, &site))
}

/// The site after a row has walked it; none where the row is absent here.
pub fn walked(variant: &Variant, place: &Place) -> Option<Site> {
    let target = place.path().join("target");
    if target.exists() {
        fs::remove_dir_all(&target).unwrap();
    }
    fs::create_dir(&target).unwrap();
    let site = Site::new(place.source(), target, place.path().join("kept"), Tally::default());
    let mut ready = match variant.technique.prepare(&site) {
        Ok(ready) => ready,
        Err(error) if error.is::<Absent>() => {
            eprintln!("{} is absent: {error}", variant.name);
            return None;
        }
        Err(error) => panic!("{}: {error:#}", variant.name),
    };
    ready.work(&mut Lap::start(true)).unwrap_or_else(|error| panic!("{}: {error:#}", variant.name));
    ready.settle(&site).unwrap();
    Some(site)
}

/// What a site holds otherwise than it should by the promises of the row.
pub fn compared(variant: &Variant, site: &Site) -> Vec<String> {
    let (expected, got) = ((WORKLOAD.expected)(site).unwrap(), (WORKLOAD.outcome)(site).unwrap());
    expected.differences(&got, variant.technique.promises())
}

/// Names, types, sizes and times that break careless programs.
pub fn nasty(root: &Path) {
    let name = |bytes: &[u8]| root.join(OsStr::from_bytes(bytes));
    for (nth, bytes) in [
        b"new\nline".to_vec(),
        b"tab\tand \"quotes\", and a comma".to_vec(),
        b"not utf-8 \xff\xfe\x80".to_vec(),
        b" leading and trailing ".to_vec(),
        b"\x1b[31mescape\x07".to_vec(),
        b"...".to_vec(),
        b".hidden.ext".to_vec(),
        vec![b'x'; 255],
        vec![b'"'; 250],
        b"-1".to_vec(),
        b"count".to_vec(),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(name(&bytes), vec![0; nth]).unwrap();
    }
    let mut big = root.to_owned();
    for part in ["dir\nectory", "\"", "\u{e4}\u{1f600}", "5 GiB"] {
        fs::create_dir_all(&big).unwrap();
        big.push(part);
    }
    File::create(&big).unwrap().set_len(5 << 30).unwrap();
    for (file, mtime) in [
        ("1960", SystemTime::UNIX_EPOCH - Duration::from_secs(315_619_201)),
        ("2128", SystemTime::UNIX_EPOCH + Duration::new(5_000_000_000, 123_456_789)),
    ] {
        File::create(root.join(file)).unwrap().set_modified(mtime).unwrap();
    }
    symlink(".", root.join("loop")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("no such thing", root.join("dangling")).unwrap();
    fs::hard_link(root.join("1960"), root.join("another name")).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
    fs::create_dir(root.join("empty")).unwrap();
    for nth in 0..300 {
        fs::create_dir(root.join("empty").join(nth.to_string())).unwrap();
    }
    let mut low = root.join("low");
    for _ in 0..300 {
        low.push("l");
    }
    fs::create_dir_all(low).unwrap();
}

/// A chain of directories of that name length, each with a file in it.
pub fn deep(root: &Path, levels: usize, length: usize) {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut held = openat(CWD, root, flags, Mode::empty()).unwrap();
    let name = "d".repeat(length);
    for _ in 0..levels {
        mkdirat(&held, name.as_str(), Mode::RWXU).unwrap();
        held = openat(&held, name.as_str(), flags, Mode::empty()).unwrap();
        drop(openat(&held, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap());
    }
}
