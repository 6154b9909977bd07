//! How often the kernel asks the server, trick by trick, on a real mount: counts, which no load on the machine moves.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::Mount;
use fuse::{Data, Held, Knobs, LEAN, LEAST, NO_FLUSH, NO_PROBE, PLAIN, Privileges, Transport};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const FILES: u64 = 50;
/// What is asked for each file.
type Asked = &'static [(&'static str, u64)];
const WRITES: u64 = 512;

#[test]
fn serve_when_asked() {
    common::serve_when_asked();
}

fn make_files(root: &Path) {
    for file in 0..FILES {
        let mut file = OpenOptions::new().write(true).create_new(true).open(root.join(file.to_string())).unwrap();
        file.write_all(&[7; 4096]).unwrap();
    }
}

/// What the first file teaches the kernel, the others need not.
fn teach(root: &Path) {
    std::fs::write(root.join("first"), [1; 4096]).unwrap();
    std::fs::remove_file(root.join("first")).unwrap();
}

/// Each file's requests but for the releases, which nobody waits for.
fn per_file(asked: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let waited = asked.iter().filter(|(name, _)| *name != "requests.release" && *name != "requests.forget");
    waited
        .map(|(name, count)| {
            assert_eq!(count % FILES, 0, "{name}: {count}");
            (name.strip_prefix("requests.").unwrap(), count / FILES)
        })
        .collect()
}

#[test]
fn each_trick_spares_its_request() {
    let files = Knobs { store: Held::Files, ..LEAN };
    let rows: [(&str, Knobs, Asked); 9] = [
        ("plain", PLAIN, &[("create", 1), ("flush", 1), ("getattr", 1), ("getxattr", 1), ("lookup", 1), ("write", 1)]),
        ("no-probe", NO_PROBE, &[("create", 1), ("flush", 1), ("getattr", 1), ("lookup", 1), ("write", 1)]),
        ("no-flush", NO_FLUSH, &[("create", 1), ("getattr", 1), ("lookup", 1), ("write", 1)]),
        ("lean", LEAN, &[("create", 1), ("lookup", 1), ("write", 1)]),
        // The kernel looks at each file once: what is written to again and again is spared, and a new file is not.
        (
            "killpriv",
            Knobs { privileges: Privileges::Dropped, ..LEAN },
            &[("create", 1), ("getxattr", 1), ("lookup", 1), ("write", 1)],
        ),
        ("least", LEAST, &[("lookup", 1), ("mknod", 1), ("write", 1)]),
        ("passthrough", Knobs { data: Data::Passthrough, ..files }, &[("create", 1), ("lookup", 1)]),
        ("rings", Knobs { transport: Transport::Rings, ..LEAST }, &[("lookup", 1), ("mknod", 1), ("write", 1)]),
        ("bare", Knobs { transport: Transport::Bare, ..LEAST }, &[("lookup", 1), ("mknod", 1), ("write", 1)]),
    ];
    let _switched = common::rings();
    for (name, knobs, wanted) in rows {
        let Some(mut mount) = Mount::new(&knobs) else { continue };
        teach(&mount.at(""));
        let asked = mount.asked_by(make_files);
        assert_eq!(per_file(&asked), wanted, "{name}");
    }
}

#[test]
fn a_write_of_four_kib_is_a_request_or_none_or_a_share_of_one() {
    let write = |knobs: &Knobs| -> Option<BTreeMap<String, u64>> {
        let mut mount = Mount::new(knobs)?;
        teach(&mount.at(""));
        let asked = mount.asked_by(|root| {
            let mut file = File::create(root.join("long")).unwrap();
            for _ in 0..WRITES {
                file.write_all(&[7; 4096]).unwrap();
            }
            file.sync_all().unwrap();
        });
        assert_eq!(std::fs::read(mount.at("long")).unwrap(), vec![7; 4096 * usize::try_from(WRITES).unwrap()]);
        Some(asked)
    };
    let count = |asked: &BTreeMap<String, u64>, name: &str| asked.get(name).copied().unwrap_or(0);
    let Some(plain) = write(&PLAIN) else { return };
    assert_eq!((count(&plain, "requests.write"), count(&plain, "requests.getxattr")), (WRITES, WRITES));
    let lean = write(&LEAN).unwrap();
    assert_eq!((count(&lean, "requests.write"), count(&lean, "requests.getxattr")), (WRITES, 0));
    let dropped = write(&Knobs { privileges: Privileges::Dropped, ..LEAN }).unwrap();
    assert_eq!((count(&dropped, "requests.write"), count(&dropped, "requests.getxattr")), (WRITES, 1));
    let passthrough = write(&Knobs { data: Data::Passthrough, store: Held::Files, ..LEAN }).unwrap();
    assert_eq!((count(&passthrough, "requests.write"), count(&passthrough, "requests.getxattr")), (0, 0));
    let gathered = write(&Knobs { data: Data::Writeback, ..LEAN }).unwrap();
    let writes = count(&gathered, "requests.write");
    assert!(writes > 0 && writes * 100 <= WRITES, "{writes} requests for {WRITES} writes");
    let small = write(&Knobs { data: Data::Writeback, max_write: 4096, ..LEAN }).unwrap();
    assert_eq!(count(&small, "requests.write"), WRITES, "the largest request decides");
}

/// The kernel's own trace of what it asks one server, in an instance that nobody else reads.
struct Trace {
    instance: PathBuf,
    tracefs: PathBuf,
}

impl Trace {
    /// Traces what goes to that mount; or says aloud why not. Only who sees the mount may mount the trace.
    fn new(mount: &Mount) -> Option<Trace> {
        let tracefs = mount.dir.path().join("tracefs");
        std::fs::create_dir(&tracefs).unwrap();
        let none: Option<&str> = None;
        if let Err(error) =
            nix::mount::mount(Some("none"), &tracefs, Some("tracefs"), nix::mount::MsFlags::empty(), none)
        {
            technique::absent::skip("tracefs", &format!("it cannot be mounted: {error}"));
            return None;
        }
        let instance = tracefs.join("instances").join(format!("assay-fuse-{}", std::process::id()));
        let trace = Trace { instance, tracefs };
        std::fs::create_dir(&trace.instance).unwrap();
        let event = trace.instance.join("events/fuse/fuse_request_send");
        if !event.exists() {
            technique::absent::skip("tracefs", "this kernel has no tracepoint fuse:fuse_request_send: Linux 6.11");
            return None;
        }
        let connection = rustix::fs::minor(std::fs::metadata(mount.at("")).unwrap().dev());
        std::fs::write(event.join("filter"), format!("connection == {connection}")).unwrap();
        std::fs::write(event.join("enable"), "1").unwrap();
        Some(trace)
    }

    /// What was sent, by the names that the server gives it.
    fn told(&self) -> BTreeMap<String, u64> {
        let mut told = BTreeMap::new();
        for line in std::fs::read_to_string(self.instance.join("trace")).unwrap().lines() {
            let Some((_, rest)) = line.split_once("(FUSE_") else { continue };
            let kind = rest.split_once(')').unwrap().0.to_lowercase();
            *told.entry(format!("requests.{}", kind.trim_end_matches('2'))).or_default() += 1;
        }
        told
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = std::fs::write(self.instance.join("events/fuse/fuse_request_send/enable"), "0");
        std::fs::remove_dir(&self.instance).unwrap();
        nix::mount::umount2(&self.tracefs, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

/// What the server says that it was asked is what the kernel says that it has asked, kind by kind.
#[test]
fn the_server_counts_as_the_kernel_does() {
    let _switched = common::rings();
    let files = Knobs { store: Held::Files, ..LEAN };
    for (name, knobs) in [
        ("plain", PLAIN),
        ("least", LEAST),
        ("writeback", Knobs { data: Data::Writeback, ..LEAN }),
        ("passthrough", Knobs { data: Data::Passthrough, ..files }),
        ("rings", Knobs { transport: Transport::Rings, ..LEAST }),
        ("bare", Knobs { transport: Transport::Bare, yields: true, ..PLAIN }),
    ] {
        let Some(mut mount) = Mount::new(&knobs) else { continue };
        teach(&mount.at(""));
        let Some(trace) = Trace::new(&mount) else { return };
        let mut asked = mount.asked_by(make_files);
        let mut sent = trace.told();
        drop(trace);
        // Nobody waits for these: the server may hear of the last ones later. What is to be forgotten is no request.
        for late in ["requests.release", "requests.forget"] {
            asked.remove(late);
            sent.remove(late);
        }
        assert_eq!(asked, sent, "{name}");
        assert!(sent["requests.lookup"] == FILES, "{name}: {sent:?}");
    }
}
