//! What the tests share: a small tree with all that is odd, and a row's run on it.
#![allow(dead_code, reason = "each test file takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a test may fail here")]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use technique::{Absent, Lap, Promises, Site, Times, Variant};

/// A place with a source tree and an empty target.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) site: Site,
}

pub(crate) fn place(files: &[(&[u8], usize, u32)]) -> Place {
    technique::load::clear_umask();
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path());
    fs::create_dir_all(&site.source).unwrap();
    fs::create_dir_all(&site.target).unwrap();
    for (index, (name, len, mode)) in files.iter().enumerate() {
        put(&site.source.join(OsStr::from_bytes(name)), index, *len, *mode);
    }
    Place { dir, site }
}

pub(crate) fn site(dir: &Path) -> Site {
    Site::new(dir.join("source"), dir.join("target"), dir.join("kept"), fixtures::Tally::default())
}

/// Files of all sizes, modes and names, in nested directories, one of them read-only and one empty; and a link.
pub(crate) fn odd_tree() -> Place {
    let mut files: Vec<(&[u8], usize, u32)> = vec![
        (b"empty", 0, 0o644),
        (b"one", 1, 0o755),
        (b"a/b/c/medium", 300 << 10, 0o600),
        (b"a/b/large", 3 << 20, 0o640),
        (b"a/read-only", 77, 0o400),
        (b"a/z", 12, 0o644),
        (b"a/with space\nand \xff line", 5, 0o4755),
        (b"locked/in", 9, 0o644),
        (b"sticky", 3, 0o1666),
    ];
    let long = "n".repeat(250);
    files.push((long.as_bytes(), 10, 0o644));
    let root = rustix::process::geteuid().is_root();
    if root {
        // No one else can read it, neither to make it nor to check it.
        files.push((b"secret", 4, 0o000));
    }
    let place = place(&files);
    let source = &place.site.source;
    fs::create_dir(source.join("nothing")).unwrap();
    symlink("../one", source.join("a/link")).unwrap();
    fs::set_permissions(source.join("a/b"), Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(source.join("locked"), Permissions::from_mode(0o555)).unwrap();
    place
}

pub(crate) fn put(path: &Path, index: usize, len: usize, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let bytes: Vec<u8> = (0..len).map(|at| u8::try_from((at * 31 + index) % 251).unwrap()).collect();
    fs::write(path, bytes).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000 + index as u64, 123_456_789);
    fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs a row; none where it is absent.
pub(crate) fn run(variant: &Variant, site: &Site) -> Option<(Times, Promises)> {
    let mut ready = match variant.technique.prepare(site) {
        Ok(ready) => ready,
        Err(error) => match error.downcast_ref::<Absent>() {
            Some(absent) => {
                eprintln!("SKIPPED {}: {absent}", variant.name);
                return None;
            }
            None => panic!("{}: {error:#}", variant.name),
        },
    };
    let mut lap = Lap::start(true);
    ready.work(&mut lap).unwrap_or_else(|error| panic!("{}: {error:#}", variant.name));
    let times = lap.stop();
    ready.settle(site).unwrap();
    Some((times, variant.technique.promises()))
}

/// Makes read-only directories writable again, so that the temporary directory can go.
pub(crate) fn unlock(dir: &Path) {
    for path in [dir.join("source/locked"), dir.join("target/locked")] {
        if path.exists() {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// All names in a directory.
pub(crate) fn names(dir: &Path) -> Vec<PathBuf> {
    fixtures::tree::scan(dir).unwrap().into_iter().map(|entry| entry.path).collect()
}

/// Runs one ignored test of this test program again, as another process.
pub(crate) fn again(program: &Path, test: &str) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command
}
