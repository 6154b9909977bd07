//! Each row is held to what it promises, on a real mount; and of what it does not promise it is shown that it is gone.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Stood, close};
use fuse::{Held, Job, Knobs, Where};
use rustix::fs::{FlockOperation, XattrFlags, fcntl_lock};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use technique::{Lap, Promise, Site};

const ENOSPC: i32 = 28;
/// Set to the file that this program is to lock.
const LOCKS: &str = "ASSAY_TEST_LOCKS";
/// What `lock_when_asked` says where another has the lock.
const TAKEN: &str = "it is taken";

#[test]
fn serve_when_asked() {
    common::serve_when_asked();
}

/// Every row that mounts something otherwise than the ones before it. What peers promise is theirs to say.
fn rows() -> Vec<(String, Where)> {
    let mut rows: Vec<(String, Where)> = Vec::new();
    for workload in [&fuse::CREATE, &fuse::WRITE_4K, &fuse::READ_BACK] {
        for variant in workload.variants {
            let job = variant.technique.as_any().downcast_ref::<Job>().unwrap();
            let known = rows.iter().any(|(_, within)| *within == job.within);
            if !known && !matches!(job.within, Where::Peer(_)) {
                rows.push((format!("{}/{}", workload.name, variant.name), job.within));
            }
        }
    }
    rows
}

/// Holds every row to a promise. `kept` looks whether it is kept, and says nothing where that cannot be seen.
fn hold(promise: Promise, kept: impl Fn(&Where) -> Option<bool>) {
    let _switched = common::rings();
    let (mut keep, mut give_up) = (0, 0);
    for (name, within) in rows() {
        let promised = promises(&within).has(promise);
        let Some(kept) = kept(&within) else { continue };
        assert_eq!(kept, promised, "{name}: {}", promise.name());
        if kept { keep += 1 } else { give_up += 1 }
    }
    eprintln!("{}: {keep} rows keep it, {give_up} give it up", promise.name());
}

fn promises(within: &Where) -> technique::Promises {
    let job = Job { does: fuse::Does::ReadBack, within: *within, place: fuse::Place::Free };
    technique::Technique::promises(&job)
}

/// What its server does, where it has one that clients see.
fn served(within: &Where) -> Option<Knobs> {
    if let Where::Served(knobs) = within { Some(*knobs) } else { None }
}

/// What comes of a command on a place, given by somebody without any right. Nothing where nobody can become such.
fn by_a_stranger(command: &[&str], place: &Path) -> Option<Output> {
    let stranger = ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
    let told = Command::new("setpriv").args(stranger).args(command).arg(place).output();
    if told.is_err() {
        technique::absent::skip("setpriv", "no setpriv here: apt-get install util-linux");
    }
    told.ok()
}

#[test]
fn a_stranger_who_writes_drops_the_setuid_bit_or_the_row_says_so() {
    hold(Promise::SetuidDropped, |within| {
        let mount = Stood::new(within)?;
        let place = mount.at("tool");
        std::fs::write(&place, "x").unwrap();
        std::fs::set_permissions(&place, Permissions::from_mode(0o4777)).unwrap();
        let wrote = by_a_stranger(&["sh", "-c", "echo more >> \"$0\""], &place)?;
        assert!(wrote.status.success());
        Some(std::fs::metadata(&place).unwrap().mode() & 0o4000 == 0)
    });
}

#[test]
fn who_may_not_is_refused_or_the_row_says_that_all_may() {
    hold(Promise::Guarded, |within| {
        let mount = Stood::new(within)?;
        let place = mount.at("secret");
        std::fs::write(&place, "x").unwrap();
        std::fs::set_permissions(&place, Permissions::from_mode(0o600)).unwrap();
        // Whoever asks must get as far as the mount.
        std::fs::set_permissions(mount.at("").parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
        let read = by_a_stranger(&["cat"], &place)?;
        let told = String::from_utf8_lossy(&read.stderr);
        assert!(read.status.success() || told.contains("ermission"), "{told}");
        Some(!read.status.success())
    });
}

#[test]
fn a_write_moves_the_time_and_a_time_that_was_set_stays() {
    hold(Promise::WriteTimes, |within| {
        let mount = Stood::new(within)?;
        let place = mount.at("file");
        std::fs::write(&place, "x").unwrap();
        let file = OpenOptions::new().write(true).open(&place).unwrap();
        let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        file.set_modified(then).unwrap();
        let stays = std::fs::metadata(&place).unwrap().mtime() == 1_000_000_000;
        file.write_at(b"y", 0).unwrap();
        drop(file);
        Some(stays && std::fs::metadata(&place).unwrap().mtime() > 1_000_000_000)
    });
}

#[test]
fn who_appends_writes_at_the_end_and_who_writes_reads_it() {
    hold(Promise::Appends, |within| {
        let mount = Stood::new(within)?;
        let place = mount.at("log");
        for word in ["one ", "two ", "three"] {
            OpenOptions::new().append(true).create(true).open(&place).unwrap().write_all(word.as_bytes()).unwrap();
        }
        let mut file = OpenOptions::new().read(true).append(true).open(&place).unwrap();
        file.write_all(b" four").unwrap();
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        Some(text == "one two three four")
    });
}

#[test]
fn a_file_that_is_changed_through_memory_holds_it_or_cannot_be_mapped() {
    let tree = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..=250).cycle().take(10_000).collect();
    std::fs::write(tree.path().join("file"), &bytes).unwrap();
    hold(Promise::Mappable, |within| {
        let mount = Stood::new(within)?;
        let target = mount.at("target");
        std::fs::create_dir(&target).unwrap();
        // The part `syscalls` has a row that makes files by mapping them.
        let by_mapping = syscalls::WORKLOAD.variant("mapped").unwrap().technique;
        let site = Site::new(tree.path().to_owned(), target.clone(), target, fixtures::Tally::default());
        // It tries first, and says so where files cannot be mapped.
        let mut ready = match by_mapping.prepare(&site) {
            Err(error) if error.is::<technique::Absent>() => return Some(false),
            ready => ready.unwrap(),
        };
        ready.work(&mut Lap::start(false)).unwrap();
        Some(std::fs::read(site.target.join("file")).unwrap() == bytes)
    });
}

#[test]
fn files_are_a_servers_or_the_row_says_that_they_are_the_kernels() {
    const FUSE: i64 = 0x6573_5546;
    hold(Promise::Served, |within| {
        let mount = Stood::new(within)?;
        let place = mount.at("file");
        std::fs::write(&place, "x").unwrap();
        Some(rustix::fs::statfs(&place).unwrap().f_type == FUSE)
    });
}

#[test]
fn lock_when_asked() {
    if let Some(file) = std::env::var_os(LOCKS) {
        let file = OpenOptions::new().write(true).open(file).unwrap();
        let locked = fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
        assert!(locked.is_ok(), "{TAKEN}: {locked:?}");
    }
}

/// Whether another process gets the lock.
fn another_locks(place: &Path) -> bool {
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lock_when_asked"])
        .env(LOCKS, place)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&other.stdout);
    assert!(other.status.success() || told.contains(TAKEN), "{told}");
    other.status.success()
}

#[test]
fn a_lock_keeps_others_out_until_the_file_is_closed() {
    hold(Promise::Locks, |within| {
        let mount = Stood::new(within)?;
        let place = mount.at("file");
        let file = File::create(&place).unwrap();
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        let kept_out = !another_locks(&place);
        drop(file);
        Some(kept_out && another_locks(&place))
    });
}

#[test]
fn what_is_noted_beside_a_file_is_kept_or_refused() {
    hold(Promise::Labels, |within| {
        let mount = Stood::new(within)?;
        let place = mount.at("file");
        std::fs::write(&place, "x").unwrap();
        if let Err(error) = rustix::fs::setxattr(&place, "user.note", b"kept", XattrFlags::CREATE) {
            assert_eq!(error, rustix::io::Errno::OPNOTSUPP, "what is given up is refused");
            return Some(false);
        }
        let again = rustix::fs::setxattr(&place, "user.note", b"twice", XattrFlags::CREATE);
        assert_eq!(again, Err(rustix::io::Errno::EXIST));
        let mut value = [0; 16];
        let len = rustix::fs::getxattr(&place, "user.note", &mut value).unwrap();
        let kept = value[..len] == *b"kept";
        let mut names = [0; 256];
        let len = rustix::fs::listxattr(&place, &mut names).unwrap();
        let listed = names[..len].split(|byte| *byte == 0).any(|name| name == b"user.note");
        rustix::fs::removexattr(&place, "user.note").unwrap();
        let gone = rustix::fs::getxattr(&place, "user.note", &mut value) == Err(rustix::io::Errno::NODATA);
        Some(kept && listed && gone)
    });
}

/// A store that answers before it stores loses what does not fit. Who closes is told, or is not.
#[test]
fn what_is_lost_after_the_answer_is_told_at_close_or_the_row_says_so() {
    hold(Promise::ToldAtClose, |within| {
        let knobs = served(within)?;
        let behind = matches!(knobs.store, Held::Blocks(layer) if layer.behind);
        let told = if behind {
            // It answers before it stores by itself: here what it stores to is full.
            let Held::Blocks(layer) = knobs.store else { unreachable!("it writes behind") };
            let kept = Held::Blocks(blocks::Layer { keep: blocks::Keep::Log, ..layer });
            let mount = Stood::on_little_room(&Where::Served(Knobs { store: kept, ..knobs }))?;
            write_and_close(&mount)
        } else {
            let mount = Stood::new(&Where::Served(Knobs { capacity: Some(0), late: true, ..knobs }))?;
            write_and_close(&mount)
        };
        assert!([None, Some(ENOSPC)].contains(&told), "{told:?}");
        Some(told.is_some())
    });
}

fn write_and_close(mount: &Stood) -> Option<i32> {
    let mut file = File::create(mount.at("file")).unwrap();
    file.write_all(&vec![7; 200_000]).unwrap();
    close(file)
}

#[test]
fn a_sync_tells_what_could_not_be_stored_or_the_row_says_that_it_means_nothing() {
    hold(Promise::SyncStores, |within| {
        let knobs = served(within)?;
        let mount = Stood::new(&Where::Served(Knobs { capacity: Some(0), late: true, ..knobs }))?;
        let mut file = File::create(mount.at("file")).unwrap();
        file.write_all(&[7; 5000]).unwrap();
        let told = file.sync_all().err().and_then(|error| error.raw_os_error());
        assert!([None, Some(ENOSPC)].contains(&told), "{told:?}");
        // It is told again and again: what was lost does not come back.
        let again = file.sync_all().is_err();
        assert!(told.is_some() || !again);
        Some(told.is_some())
    });
}

#[test]
fn who_changes_files_behind_the_mount_is_seen_or_the_row_says_so() {
    hold(Promise::Fresh, |within| {
        let knobs = served(within)?;
        let mount = Stood::new(&Where::Served(Knobs { store: Held::Files, ..knobs }))?;
        let place = mount.at("file");
        std::fs::write(&place, "first").unwrap();
        assert_eq!(std::fs::metadata(&place).unwrap().len(), 5);
        let behind = std::fs::read_dir(mount.beside()).unwrap().next().unwrap().unwrap().path();
        std::fs::write(behind, "and later").unwrap();
        let seen = std::fs::metadata(&place).unwrap().len();
        assert!([5, 9].contains(&seen), "{seen}");
        Some(seen == 9)
    });
}

/// A table that promises everything, or nothing, would hold nobody to anything.
#[test]
fn each_trick_gives_up_what_it_is_known_to_give_up() {
    let rows = rows();
    let given_up = |row: &str| -> Vec<&str> {
        let of = |name: &str| promises(&rows.iter().find(|(row, _)| row == name).unwrap().1);
        let (had, has) = (of("fuse/tmpfs"), of(row));
        had.iter().filter(|one| !has.has(*one)).map(Promise::name).collect()
    };
    for (row, wanted) in [
        ("fuse/tmpfs", vec![]),
        ("fuse/ext4", vec!["told at close"]),
        ("fuse/plain", vec!["fresh"]),
        ("fuse/no-probe", vec!["fresh", "labels"]),
        ("fuse/least", vec!["told at close", "fresh", "labels", "guarded"]),
        ("fuse/lifetime-0", vec!["told at close", "labels", "guarded"]),
        ("fuse/killpriv-kept", vec!["told at close", "setuid dropped", "fresh", "guarded"]),
        ("fuse/direct", vec!["told at close", "mappable", "fresh", "labels", "guarded"]),
        ("fuse/blocks-async-flush", vec!["told at close", "fresh", "labels"]),
        ("fuse-4k/no-sync", vec!["told at close", "sync stores", "fresh", "labels", "guarded"]),
    ] {
        assert_eq!(given_up(row), wanted, "{row}");
    }
}
