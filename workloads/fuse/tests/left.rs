//! Nothing is left behind: no mount, no process, whoever dies first.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Mount, mounts};
use fuse::LEAST;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Set where this program is to mount and wait to be killed.
const VICTIM: &str = "ASSAY_TEST_VICTIM";

#[test]
fn serve_when_asked() {
    common::serve_when_asked();
}

fn alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // A process that has ended and was not asked after is gone as well.
    !stat.is_empty() && !stat.rsplit(") ").next().unwrap().starts_with('Z')
}

fn ends(process: u32) -> bool {
    (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        !alive(process)
    })
}

#[test]
fn a_server_that_is_dropped_takes_its_mount_along() {
    let Some(mount) = Mount::new(&LEAST) else { return };
    std::fs::write(mount.at("file"), "x").unwrap();
    assert_eq!(mounts().len(), 1, "{:?}", mounts());
    let server = mount.server.id();
    assert!(alive(server));
    drop(mount);
    assert!(mounts().is_empty() && !alive(server));
}

#[test]
fn a_panic_leaves_no_mount() {
    let server = std::thread::spawn(|| {
        let mount = Mount::new(&LEAST)?;
        let (server, open) = (mount.server.id(), std::fs::File::create(mount.at("open")).unwrap());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _mount = mount;
            panic!("on purpose, with {open:?} open");
        }));
        assert!(panicked.is_err());
        assert!(mounts().is_empty(), "{:?}", mounts());
        Some(server)
    });
    let Some(server) = server.join().unwrap() else { return };
    assert!(!alive(server));
}

#[test]
fn a_server_that_was_killed_leaves_no_mount() {
    let Some(mut mount) = Mount::new(&LEAST) else { return };
    mount.server.kill().unwrap();
    let told = std::fs::write(mount.at("file"), "x").unwrap_err();
    assert_eq!(told.raw_os_error(), Some(107), "its clients are told that nobody answers: {told}");
    drop(mount);
    assert!(mounts().is_empty(), "{:?}", mounts());
}

#[test]
fn mount_and_wait_when_asked() {
    if std::env::var_os(VICTIM).is_some() {
        let mount = Mount::new(&LEAST).unwrap();
        std::fs::write(mount.at("file"), "x").unwrap();
        eprintln!("server {}", mount.server.id());
        std::thread::sleep(Duration::from_mins(10));
    }
}

#[test]
fn a_client_that_was_killed_takes_its_server_and_its_mount_along() {
    if let Err(error) = fuse::possible() {
        return technique::absent::skip("fuse", &error.to_string());
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "mount_and_wait_when_asked", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = std::io::BufRead::lines(std::io::BufReader::new(victim.stderr.take().unwrap()));
    let server = told.map_while(Result::ok).find_map(|line| line.strip_prefix("server ")?.parse().ok()).unwrap();
    assert!(alive(server));
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert!(ends(server), "the server outlives its client");
}
