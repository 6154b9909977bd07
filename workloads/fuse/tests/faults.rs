//! What clients see when something goes wrong, on a real mount: an error that says so, in time, and never a success
//! that is none.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Mount, close, mounts, stop};
use fuse::{Data, Held, Knobs, LEAN, LEAST, PLAIN, Transport};
use rustix::fs::{Mode, OFlags};
use std::fs::{File, OpenOptions};
use std::io::{Error, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const ECONNABORTED: i32 = 103;
const ENOTCONN: i32 = 107;
/// What lay in a ring when its server died.
const ECANCELED: i32 = 125;

/// By rings in memory: every fault must be told as it is by the device.
const RINGS: Knobs = Knobs { transport: Transport::Rings, ..LEAN };
const WRITEBACK: Knobs = Knobs { data: Data::Writeback, ..LEAN };
/// So much fits, and so much is written.
const FITS: u64 = 256 << 10;
const PIECES: usize = 256;
const PIECE: [u8; 4096] = [7; 4096];

#[test]
fn serve_when_asked() {
    common::serve_when_asked();
}

/// Writes until it fails: how many pieces went in, and the error.
fn write_until_it_fails(file: &mut File) -> (usize, Option<i32>) {
    for piece in 0..PIECES {
        if let Err(error) = file.write_all(&PIECE) {
            return (piece, error.raw_os_error());
        }
    }
    (PIECES, None)
}

fn errno(result: Result<(), Error>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn a_full_store_is_told_at_the_write_that_does_not_fit() {
    let _switched = common::rings();
    let direct = Knobs { data: Data::Direct, ..LEAN };
    for (name, knobs) in [("plain", PLAIN), ("least", LEAST), ("direct", direct), ("rings", RINGS)] {
        let Some(mount) = Mount::new(&Knobs { capacity: Some(FITS), ..knobs }) else { continue };
        let mut file = File::create(mount.at("file")).unwrap();
        let (pieces, error) = write_until_it_fails(&mut file);
        assert_eq!((pieces, error), (usize::try_from(FITS).unwrap() / PIECE.len(), Some(ENOSPC)), "{name}");
        assert_eq!((errno(file.sync_all()), close(file)), (None, None), "{name}: what was taken is there");
        assert_eq!(std::fs::read(mount.at("file")).unwrap().len() as u64, FITS, "{name}");
    }
}

/// Who lets the kernel gather his writes hears of a full store at fsync and close, and at no write.
#[test]
fn a_full_store_under_writeback_is_told_at_fsync_or_close() {
    let _switched = common::rings();
    for knobs in [WRITEBACK, Knobs { data: Data::Writeback, ..RINGS }] {
        let full = Knobs { capacity: Some(FITS), ..knobs };
        let Some(mount) = Mount::new(&full) else { continue };
        let mut file = File::create(mount.at("synced")).unwrap();
        let (pieces, error) = write_until_it_fails(&mut file);
        assert_eq!((pieces, error), (PIECES, None), "the page cache takes all");
        assert_eq!(file.metadata().unwrap().len(), (PIECES * PIECE.len()) as u64, "and stat shows all of it");
        assert_eq!(errno(file.sync_all()), Some(ENOSPC));
        drop(file);

        let mount = Mount::new(&full).unwrap();
        let mut file = File::create(mount.at("closed")).unwrap();
        assert_eq!(write_until_it_fails(&mut file), (PIECES, None));
        assert_eq!(close(file), Some(ENOSPC), "who does not sync hears it at close, even if flushes are refused");
    }
}

/// A store that answers before it stores tells nobody but who asks for a sync; so a sync must tell.
#[test]
fn a_store_that_writes_behind_tells_whoever_syncs() {
    let full = Knobs { capacity: None, store: Held::Files, ..LEAN };
    let behind = blocks::Layer { behind: true, keep: blocks::Keep::Log, ..blocks::NONE };
    let Some(_) = Mount::new(&full) else { return };
    // The log lies on a file system that is full at once.
    let mount = Mount::new(&Knobs { store: Held::Blocks(behind), ..LEAN }).unwrap();
    let small: Option<&str> = Some("size=64k");
    let beside = mount.dir.path().join("small");
    std::fs::create_dir(&beside).unwrap();
    nix::mount::mount(Some("none"), &beside, Some("tmpfs"), nix::mount::MsFlags::empty(), small).unwrap();
    let inner = beside.join("inner");
    let place = mount.dir.path().join("second");
    std::fs::create_dir(&inner).unwrap();
    std::fs::create_dir(&place).unwrap();
    let server = fuse::Server::start(&Knobs { store: Held::Blocks(behind), ..LEAN }, &place, &inner, None).unwrap();
    let mut file = File::create(place.join("file")).unwrap();
    assert_eq!(write_until_it_fails(&mut file), (PIECES, None), "each write was answered before it was stored");
    assert_eq!(errno(file.sync_all()), Some(ENOSPC), "no acknowledged sync is ever lost");
    drop((file, server));
    nix::mount::umount2(&beside, nix::mount::MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn a_full_backing_file_system_is_told_through_a_passthrough() {
    let passthrough = Knobs { data: Data::Passthrough, store: Held::Files, ..LEAN };
    let Some(mount) = Mount::new(&LEAN) else { return };
    let (beside, place) = (mount.dir.path().join("small"), mount.dir.path().join("second"));
    for dir in [&beside, &place] {
        std::fs::create_dir(dir).unwrap();
    }
    let small: Option<&str> = Some("size=256k");
    nix::mount::mount(Some("none"), &beside, Some("tmpfs"), nix::mount::MsFlags::empty(), small).unwrap();
    let server = fuse::Server::start(&passthrough, &place, &beside, None).unwrap();
    let mut file = File::create(place.join("file")).unwrap();
    let (pieces, error) = write_until_it_fails(&mut file);
    assert_eq!((pieces, error), (64, Some(ENOSPC)));
    drop((file, server));
    nix::mount::umount2(&beside, nix::mount::MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn the_death_of_a_server_is_told_to_who_writes_through_it() {
    let _switched = common::rings();
    for knobs in [PLAIN, RINGS] {
        let Some(mut mount) = Mount::new(&knobs) else { continue };
        let mut file = File::create(mount.at("file")).unwrap();
        file.write_all(&PIECE).unwrap();
        mount.server.kill().unwrap();
        let (pieces, error) = write_until_it_fails(&mut file);
        assert_eq!(pieces, 0);
        assert!([ECONNABORTED, ENOTCONN, ECANCELED].contains(&error.unwrap()), "{error:?}");
        assert!(file.sync_all().is_err());
    }
}

/// One that dies while many write: each is told, and nobody waits for ever.
#[test]
fn the_death_of_a_server_in_the_middle_is_told_to_everybody() {
    let _switched = common::rings();
    for knobs in [PLAIN, RINGS] {
        let Some(mut mount) = Mount::new(&knobs) else { continue };
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let mut file = File::create(mount.at(&writer.to_string())).unwrap();
                std::thread::spawn(move || (0..1_000_000).find_map(|_| file.write_all(&PIECE).err()))
            })
            .collect();
        // Some are under way.
        while !(0..4).all(|writer| std::fs::metadata(mount.at(&writer.to_string())).unwrap().len() > 0) {}
        mount.server.kill().unwrap();
        for writer in writers {
            let told = writer.join().unwrap().and_then(|error| error.raw_os_error());
            assert!([ECONNABORTED, ENOTCONN, ECANCELED].contains(&told.unwrap()), "{told:?}");
        }
    }
}

/// Under writeback the writes have long succeeded: fsync is where the loss must show.
#[test]
fn the_death_of_a_server_is_told_at_fsync_and_close_to_who_writes_back() {
    let _switched = common::rings();
    for knobs in [WRITEBACK, Knobs { data: Data::Writeback, ..RINGS }] {
        let Some(mut mount) = Mount::new(&knobs) else { continue };
        let (mut synced, mut closed) =
            (File::create(mount.at("synced")).unwrap(), File::create(mount.at("closed")).unwrap());
        // The first write teaches the kernel what it need not ask. Of the others nothing is stored meanwhile.
        for file in [&mut synced, &mut closed] {
            file.write_all(&PIECE).unwrap();
            file.sync_all().unwrap();
        }
        stop(mount.server.id());
        for file in [&mut synced, &mut closed] {
            assert_eq!(write_until_it_fails(file), (PIECES, None));
        }
        mount.server.kill().unwrap();
        for told in [errno(synced.sync_all()), close(closed)] {
            assert!([EIO, ECONNABORTED, ENOTCONN, ECANCELED].contains(&told.unwrap()), "{told:?}");
        }
    }
}

/// Each acknowledged sync is there after a kill, read by another server from what the first one kept.
#[test]
fn no_acknowledged_sync_is_lost_when_the_server_is_killed() {
    let _switched = common::rings();
    for (name, layer, data) in [
        ("log-sync", blocks::LOG_SYNC, Data::Cached),
        ("log", blocks::LOG, Data::Cached),
        ("log under writeback", blocks::LOG, Data::Writeback),
        ("behind", blocks::Layer { behind: true, ..blocks::LOG }, Data::Cached),
        ("buffered", blocks::Layer { buffer: 128 << 10, ..blocks::LOG }, Data::Writeback),
        ("whole tree", blocks::WHOLE_TREE, Data::Cached),
        ("log by rings", blocks::LOG, Data::Writeback),
    ] {
        let transport = if name.ends_with("rings") { Transport::Rings } else { Transport::Device };
        let knobs = Knobs { store: Held::Blocks(layer), data, transport, ..LEAN };
        let Some(mut mount) = Mount::new(&knobs) else { continue };
        let mut acknowledged = Vec::new();
        for file in 0..20u8 {
            let name = format!("file-{file}");
            let mut open = File::create(mount.at(&name)).unwrap();
            open.write_all(&[file; 5000]).unwrap();
            // Every other file is synced; of the others nothing is promised.
            if file % 2 == 0 {
                open.sync_all().unwrap();
                acknowledged.push((name, file));
            }
        }
        mount.server.kill().unwrap();
        let (store, names) = layer.recover(&mount.dir.path().join("beside")).unwrap();
        for (file, byte) in acknowledged {
            let found = names.iter().find(|one| one.name == file.as_bytes());
            let ino = found.unwrap_or_else(|| panic!("{name}: {file} was synced, and is gone")).ino;
            assert_eq!(blocks::read_all(&*store, ino).unwrap(), [byte; 5000], "{name}: {file}");
        }
    }
}

#[test]
fn an_aborted_connection_is_told_at_once() {
    let _switched = common::rings();
    for knobs in [LEAN, RINGS] {
        let Some(mount) = Mount::new(&knobs) else { continue };
        let mut file = File::create(mount.at("file")).unwrap();
        file.write_all(&PIECE).unwrap();
        let control = mount.dir.path().join("control");
        std::fs::create_dir(&control).unwrap();
        let none: Option<&str> = None;
        let flags = nix::mount::MsFlags::empty();
        if let Err(error) = nix::mount::mount(Some("none"), &control, Some("fusectl"), flags, none) {
            return technique::absent::skip("fusectl", &format!("{error}"));
        }
        let connection = std::fs::metadata(mount.at("")).unwrap().dev();
        // The connection's name is the minor number of its device.
        let minor = rustix::fs::minor(connection);
        std::fs::write(control.join(minor.to_string()).join("abort"), "1").unwrap();
        assert!([ECONNABORTED, ENOTCONN].contains(&write_until_it_fails(&mut file).1.unwrap()));
        nix::mount::umount2(&control, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

/// A server that stands still must not make its clients unkillable. Rows of rings do not promise it: what lies in a ring
/// already, the kernel does not take back, and now and then it does not come back when the server goes on either.
#[test]
fn who_waits_for_a_server_that_stands_still_can_be_killed() {
    let Some(mount) = Mount::new(&LEAST) else { return };
    stop(mount.server.id());
    let mut client = Command::new("sh")
        .args(["-c", "echo waits > \"$0\""])
        .arg(mount.at("file"))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert!(client.try_wait().unwrap().is_none(), "it waits");
    client.kill().unwrap();
    let ended = (0..250).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        client.try_wait().unwrap().is_some()
    });
    let process = nix::unistd::Pid::from_raw(mount.server.id().cast_signed());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGCONT).unwrap();
    assert!(ended, "a client must be killable while its server stands still");
    // And afterwards it serves on.
    std::fs::write(mount.at("after"), "x").unwrap();
}

/// Who lets go of a server that stands still is not held by it, nor is who waits for it: both are told, in time.
#[test]
fn a_server_that_stands_still_is_let_go_with_all_who_wait_for_it() {
    let _switched = common::rings();
    let bare = Knobs { transport: Transport::Bare, ..LEAN };
    for knobs in [LEAN, WRITEBACK, bare, RINGS, Knobs { data: Data::Writeback, ..RINGS }] {
        let Some(mount) = Mount::new(&knobs) else { continue };
        let mut file = File::create(mount.at("file")).unwrap();
        file.write_all(&PIECE).unwrap();
        let (server, root) = (mount.server.id(), File::open(mount.at("")).unwrap());
        stop(server);
        let (answered, answer) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            let _ = answered.send(rustix::fs::openat(&root, "another", flags, Mode::from(0o600)).map(drop));
        });
        assert!(answer.recv_timeout(Duration::from_millis(100)).is_err(), "it waits");
        let (done, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(mount);
            // Who does not wait any more has been told already.
            let _ = done.send(mounts());
        });
        let left = told.recv_timeout(Duration::from_secs(20)).expect("who lets go of it hangs");
        assert!(left.is_empty(), "{left:?}");
        let answer = answer.recv_timeout(Duration::from_secs(20)).expect("who waits for it hangs");
        assert!(answer.is_err(), "what nobody has stored has not succeeded");
        assert!(!Path::new(&format!("/proc/{server}")).exists(), "it is gone");
        assert!(file.sync_all().is_err(), "and who has a file open is told");
    }
}

/// A mount that somebody uses is not taken away; one that is taken away with dirty pages has stored them.
#[test]
fn unmounting_waits_for_nobody_and_loses_nothing() {
    let _switched = common::rings();
    for knobs in [LEAN, WRITEBACK, RINGS, Knobs { data: Data::Writeback, ..RINGS }] {
        let Some(mut mount) = Mount::new(&knobs) else { continue };
        let mut file = OpenOptions::new().create_new(true).write(true).open(mount.at("file")).unwrap();
        assert_eq!(write_until_it_fails(&mut file), (PIECES, None));
        let told = nix::mount::umount2(&mount.at(""), nix::mount::MntFlags::empty());
        assert_eq!(told, Err(nix::errno::Errno::EBUSY), "it is in use");
        file.write_all(&PIECE).unwrap();
        drop(file);
        let held = mount.dir.path().join("held");
        mount.server.dump(&held).unwrap();
        assert_eq!(std::fs::read(held.join("file")).unwrap(), PIECE.repeat(PIECES + 1));
        assert!(mounts().is_empty());
    }
}

/// A lazy unmount takes the name away at once, and the file to its end.
#[test]
fn a_lazy_unmount_lets_writers_finish() {
    let _switched = common::rings();
    for knobs in [WRITEBACK, RINGS] {
        let Some(mount) = Mount::new(&knobs) else { continue };
        let mut file = File::create(mount.at("file")).unwrap();
        file.write_all(&PIECE).unwrap();
        nix::mount::umount2(&mount.at(""), nix::mount::MntFlags::MNT_DETACH).unwrap();
        assert!(mounts().is_empty() && !Path::new(&mount.at("file")).exists());
        file.write_all(&PIECE).unwrap();
        assert_eq!((errno(file.sync_all()), close(file)), (None, None));
    }
}

/// What answers before it stores loses what did not fit; no write tells, so the sync must, and the close where that is
/// waited for.
#[test]
fn a_store_that_answers_before_it_stores_tells_at_sync_and_at_close() {
    let _switched = common::rings();
    let late = |knobs: Knobs| Knobs { capacity: Some(FITS), late: true, ..knobs };
    for (name, knobs) in [("plain", PLAIN), ("rings", Knobs { transport: Transport::Rings, ..PLAIN })] {
        let Some(mount) = Mount::new(&late(knobs)) else { continue };
        let mut file = File::create(mount.at("file")).unwrap();
        assert_eq!(write_until_it_fails(&mut file), (PIECES, None), "{name}: each write was answered");
        assert_eq!((errno(file.sync_all()), close(file)), (Some(ENOSPC), Some(ENOSPC)), "{name}");
        assert_eq!(std::fs::read(mount.at("file")).unwrap().len() as u64, FITS, "{name}: the rest is lost");
    }
}
