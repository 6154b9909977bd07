//! What each trick costs in meaning, on a real mount.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Mount;
use fuse::{Data, Held, Knobs, LEAN, LEAST, PLAIN, Privileges, Transport};
use std::fs::{OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};

#[test]
fn serve_when_asked() {
    common::serve_when_asked();
}

const RINGS: Knobs = Knobs { transport: Transport::Rings, ..LEAN };
const BARE: Knobs = Knobs { transport: Transport::Bare, ..LEAN };

/// Every way that bytes go, with its tricks.
fn ways() -> Vec<(&'static str, Knobs)> {
    let files = Knobs { store: Held::Files, ..LEAN };
    vec![
        ("plain", PLAIN),
        ("lean", LEAN),
        ("least", LEAST),
        ("killpriv", Knobs { privileges: Privileges::Dropped, ..LEAN }),
        ("writeback", Knobs { data: Data::Writeback, ..LEAN }),
        ("writeback-killpriv", Knobs { data: Data::Writeback, privileges: Privileges::Dropped, ..LEAN }),
        ("direct", Knobs { data: Data::Direct, ..LEAN }),
        ("files", files),
        ("passthrough", Knobs { data: Data::Passthrough, ..files }),
        ("threads", Knobs { threads: 3, clone_fd: true, ..LEAST }),
        ("blocks", Knobs { store: Held::Blocks(blocks::ZLIB), ..PLAIN }),
        ("short-term", Knobs { store: Held::Blocks(blocks::SHORT_TERM), ..PLAIN }),
        ("pages", Knobs { store: Held::Pages, ..LEAST }),
        ("bare", Knobs { store: Held::Pages, ..BARE }),
        ("bare-plain", Knobs { transport: Transport::Bare, ..PLAIN }),
        ("bare-yields-writeback", Knobs { data: Data::Writeback, yields: true, ..BARE }),
        ("bare-killpriv-files", Knobs { privileges: Privileges::Dropped, store: Held::Files, ..BARE }),
        ("rings", RINGS),
        ("rings-least", Knobs { opens: false, ..RINGS }),
        ("rings-writeback", Knobs { data: Data::Writeback, ..RINGS }),
        ("rings-direct-files", Knobs { data: Data::Direct, transport: Transport::Rings, ..files }),
        ("rings-killpriv", Knobs { privileges: Privileges::Dropped, ..RINGS }),
        ("rings-plain", Knobs { transport: Transport::Rings, ..PLAIN }),
    ]
}

/// Each way in turn, on a mount of its own.
fn on_every_mount(check: impl Fn(&str, &Knobs, &Mount)) {
    let _switched = common::rings();
    for (name, knobs) in ways() {
        let Some(mount) = Mount::new(&knobs) else { continue };
        check(name, &knobs, &mount);
    }
}

/// Nobody who writes to a program of root's may make it run as root with what he wrote.
#[test]
fn a_stranger_who_writes_drops_the_setuid_bit() {
    on_every_mount(|name, _, mount| {
        let place = mount.at("tool");
        std::fs::write(&place, "x").unwrap();
        std::fs::set_permissions(&place, Permissions::from_mode(0o4777)).unwrap();
        assert_eq!(std::fs::metadata(&place).unwrap().mode() & 0o7777, 0o4777, "{name}");
        // Root may keep the bit: another user writes, in a process of its own.
        let wrote = std::process::Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--bounding-set=-all",
                "sh",
                "-c",
                "echo more >> \"$0\"",
            ])
            .arg(&place)
            .status();
        let Ok(wrote) = wrote else {
            return technique::absent::skip("setpriv", "no setpriv here: apt-get install util-linux");
        };
        assert!(wrote.success(), "{name}");
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "xmore\n", "{name}");
        assert_eq!(std::fs::metadata(&place).unwrap().mode() & 0o7777, 0o777, "{name}");
    });
}

#[test]
fn appending_appends_and_a_file_open_for_both_reads_what_it_wrote() {
    on_every_mount(|name, _, mount| {
        let place = mount.at("log");
        for word in ["one ", "two ", "three"] {
            OpenOptions::new().append(true).create(true).open(&place).unwrap().write_all(word.as_bytes()).unwrap();
        }
        let mut file = OpenOptions::new().read(true).write(true).open(&place).unwrap();
        file.write_at(b"TWO", 4).unwrap();
        file.write_at(b"far", 10_000).unwrap();
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut text).unwrap();
        assert_eq!(&text[..13], b"one TWO three", "{name}");
        assert!(text[13..10_000].iter().all(|byte| *byte == 0), "{name}: what nobody wrote is zero");
        assert_eq!(&text[10_000..], b"far", "{name}");
    });
}

#[test]
fn truncating_takes_away_and_lengthening_adds_zeros() {
    on_every_mount(|name, _, mount| {
        let place = mount.at("file");
        std::fs::write(&place, [7; 9000]).unwrap();
        let file = OpenOptions::new().write(true).open(&place).unwrap();
        file.set_len(5000).unwrap();
        file.set_len(12_000).unwrap();
        drop(file);
        let bytes = std::fs::read(&place).unwrap();
        assert_eq!(bytes.len(), 12_000, "{name}");
        assert!(bytes[..5000].iter().all(|byte| *byte == 7) && bytes[5000..].iter().all(|byte| *byte == 0), "{name}");
        std::fs::write(&place, "short").unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"short", "{name}");
    });
}

#[test]
fn a_hole_reads_as_zeros_and_room_that_is_made_lengthens() {
    use rustix::fs::{FallocateFlags as Flags, fallocate};
    on_every_mount(|name, _, mount| {
        let place = mount.at("file");
        std::fs::write(&place, [7; 9000]).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&place).unwrap();
        fallocate(&file, Flags::PUNCH_HOLE | Flags::KEEP_SIZE, 100, 5000).unwrap();
        fallocate(&file, Flags::PUNCH_HOLE | Flags::KEEP_SIZE, 8999, 5000).unwrap();
        fallocate(&file, Flags::KEEP_SIZE, 9000, 5000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 9000, "{name}");
        fallocate(&file, Flags::empty(), 9000, 10).unwrap();
        let mut wanted = vec![7; 9010];
        wanted[100..5100].fill(0);
        wanted[8999..].fill(0);
        assert!(std::fs::read(&place).unwrap() == wanted, "{name}");
        let told = fallocate(&file, Flags::COLLAPSE_RANGE, 0, 4096).unwrap_err();
        assert_eq!(told, rustix::io::Errno::OPNOTSUPP, "{name}");
    });
}

#[test]
fn a_file_that_is_open_outlives_its_name_and_its_replacement() {
    on_every_mount(|name, _, mount| {
        let (place, other) = (mount.at("file"), mount.at("other"));
        std::fs::write(&place, "before").unwrap();
        let mut unlinked = OpenOptions::new().read(true).write(true).open(&place).unwrap();
        std::fs::remove_file(&place).unwrap();
        unlinked.write_at(b"after", 6).unwrap();
        let mut text = String::new();
        unlinked.read_to_string(&mut text).unwrap();
        assert_eq!(text, "beforeafter", "{name}: unlinked while open");
        assert!(!place.exists(), "{name}");

        std::fs::write(&place, "old").unwrap();
        let mut replaced = OpenOptions::new().read(true).open(&place).unwrap();
        std::fs::write(&other, "new").unwrap();
        std::fs::rename(&other, &place).unwrap();
        text.clear();
        replaced.read_to_string(&mut text).unwrap();
        assert_eq!(text, "old", "{name}: replaced while open");
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "new", "{name}");
    });
}

#[test]
fn two_writers_of_one_file_lose_nothing_of_each_other() {
    on_every_mount(|name, _, mount| {
        let place = mount.at("file");
        std::fs::write(&place, "").unwrap();
        std::thread::scope(|scope| {
            for (writer, byte) in [b'a', b'b'].into_iter().enumerate() {
                let file = OpenOptions::new().write(true).open(&place).unwrap();
                scope.spawn(move || {
                    for turn in 0..64u64 {
                        let at = (turn * 2 + writer as u64) * 1000;
                        file.write_all_at(&[byte; 1000], at).unwrap();
                    }
                });
            }
        });
        let bytes = std::fs::read(&place).unwrap();
        let wanted: Vec<u8> = (0..128).flat_map(|piece| [[b'a', b'b'][piece % 2]; 1000]).collect();
        assert!(bytes == wanted, "{name}");
    });
}

#[test]
fn writing_moves_the_modification_time_and_a_time_that_was_set_stays() {
    on_every_mount(|name, _, mount| {
        let place = mount.at("file");
        std::fs::write(&place, "x").unwrap();
        let file = OpenOptions::new().write(true).open(&place).unwrap();
        let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        file.set_modified(then).unwrap();
        assert_eq!(std::fs::metadata(&place).unwrap().mtime(), 1_000_000_000, "{name}");
        file.write_at(b"y", 0).unwrap();
        file.sync_all().unwrap();
        assert!(file.metadata().unwrap().mtime() > 1_000_000_000, "{name}");
    });
}

#[test]
fn names_come_and_go_and_a_listing_shows_those_that_are_there() {
    on_every_mount(|name, _, mount| {
        std::fs::create_dir_all(mount.at("a/b")).unwrap();
        for file in 0..300 {
            std::fs::write(mount.at(&format!("a/b/{file:03}")), "x").unwrap();
        }
        std::fs::hard_link(mount.at("a/b/000"), mount.at("a/one more")).unwrap();
        std::os::unix::fs::symlink("b/001", mount.at("a/link")).unwrap();
        assert_eq!(std::fs::metadata(mount.at("a/b/000")).unwrap().nlink(), 2, "{name}");
        assert_eq!(std::fs::read_to_string(mount.at("a/link")).unwrap(), "x", "{name}");
        let list = |dir: &str| {
            let mut names: Vec<_> = std::fs::read_dir(mount.at(dir))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(list("a"), ["b", "link", "one more"], "{name}");
        assert_eq!(list("a/b"), (0..300).map(|file| format!("{file:03}")).collect::<Vec<_>>(), "{name}");
        let told = std::fs::remove_dir(mount.at("a/b")).unwrap_err();
        assert_eq!(told.raw_os_error(), Some(39), "{name}: {told}");
        let taken = OpenOptions::new().write(true).create_new(true).mode(0o600).open(mount.at("a/b/007")).unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AlreadyExists, "{name}");
        std::fs::remove_dir_all(mount.at("a")).unwrap();
        assert_eq!(list(""), [""; 0], "{name}");
    });
}

/// What the kernel believes it does not ask: whoever changes files behind the mount is not seen until the lifetime ends.
#[test]
fn a_long_lifetime_shows_what_was_and_none_shows_what_is() {
    for (lifetime_s, seen) in [(3600, 5), (0, 9)] {
        let files = Knobs { store: Held::Files, lifetime_s, ..LEAN };
        let Some(mount) = Mount::new(&files) else { return };
        std::fs::write(mount.at("file"), "first").unwrap();
        assert_eq!(std::fs::metadata(mount.at("file")).unwrap().len(), 5);
        let behind = std::fs::read_dir(mount.dir.path().join("beside")).unwrap().next().unwrap().unwrap().path();
        std::fs::write(behind, "and later").unwrap();
        assert_eq!(std::fs::metadata(mount.at("file")).unwrap().len(), seen, "believed for {lifetime_s} s");
    }
}
