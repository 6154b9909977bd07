//! Settings that lie outside the server, in `/sys`: each is set for its mount and for no other, and does what it is for.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Mount;
use fuse::{Data, Knobs, LEAN};
use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LEN: usize = 4 << 20;

#[test]
fn serve_when_asked() {
    common::serve_when_asked();
}

/// Where the kernel keeps what it knows of a mount's device, which it has made up.
fn settings(root: &Path) -> PathBuf {
    let device = std::fs::metadata(root).unwrap().dev();
    Path::new("/sys/class/bdi").join(format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)))
}

fn read(root: &Path, setting: &str) -> String {
    std::fs::read_to_string(settings(root).join(setting)).unwrap().trim().to_owned()
}

#[test]
fn a_limit_that_is_lifted_is_lifted_for_one_mount() {
    let Some(kept) = Mount::new(&Knobs { data: Data::Writeback, ..LEAN }) else { return };
    if !settings(&kept.at("")).join("strict_limit").exists() {
        return technique::absent::skip("bdi-strict-limit", "this kernel has no strict_limit in /sys: Linux 6.2");
    }
    let lifted = Mount::new(&Knobs { data: Data::Writeback, strict_limit: false, ..LEAN }).unwrap();
    assert_eq!([&kept, &lifted].map(|mount| read(&mount.at(""), "strict_limit")), ["1", "0"]);
    // Writes through it are what they were.
    std::fs::write(lifted.at("file"), vec![7; LEN]).unwrap();
    assert_eq!(std::fs::read(lifted.at("file")).unwrap(), vec![7; LEN]);
}

/// How often the server is asked for bytes that the kernel has forgotten.
fn reads(mount: &mut Mount) -> u64 {
    std::fs::write(mount.at("file"), vec![7; LEN]).unwrap();
    let mut file = File::open(mount.at("file")).unwrap();
    rustix::fs::fsync(&file).unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    let mut bytes = Vec::new();
    let asked = mount.asked_by(|_| assert_eq!(file.read_to_end(&mut bytes).unwrap(), LEN));
    assert!(bytes.iter().all(|byte| *byte == 7));
    asked.get("requests.read").copied().unwrap_or(0)
}

#[test]
fn who_reads_further_ahead_asks_less_often() {
    let Some(mut usual) = Mount::new(&LEAN) else { return };
    let mut far = Mount::new(&Knobs { readahead_kib: Some(1024), ..LEAN }).unwrap();
    assert_eq!([&usual, &far].map(|mount| read(&mount.at(""), "read_ahead_kb")), ["128", "1024"]);
    let (usual, far) = (reads(&mut usual), reads(&mut far));
    assert!(far > 0 && far * 4 <= usual, "{usual} requests at 128 KiB, {far} at 1 MiB");
}
